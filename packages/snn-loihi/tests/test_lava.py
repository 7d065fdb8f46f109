"""lava against the emulator, bit for bit, and what is left over when it ends."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from snn_core.errors import SimulationError
from snn_core.settings import Settings
from snn_core.simulation.contract import StopSimulation
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.laid_out import LAID_OUT, samples
from snn_loihi import SNN, LoihiOptions
from snn_loihi.simulator import has_lava

pytestmark = pytest.mark.skipif(not has_lava(), reason="lava runs on Python 3.10 only")

STEPS = 12


def settings_of(encoding="constant", reset="subtraction"):
    return Settings.of(
        {
            "simulation": {"duration": STEPS, "batch_size": 3},
            "input": {"encoding": encoding},
            "cell": {"reset": reset},
            "output": {"log_vars": ["spiketrains", "mem"]},
        }
    )


def run(network, settings, x_b_l, **options):
    snn = SNN(network, settings, LoihiOptions(**options))
    try:
        return snn.run_batch(x_b_l)
    finally:
        snn.end_sim()


def assert_same_bits(first, second):
    assert first.spiketrains_n_b_l_t.keys() == second.spiketrains_n_b_l_t.keys()
    for name, spikes_b_l_t in first.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(second.spiketrains_n_b_l_t[name], spikes_b_l_t)
    for name, v_b_l_t in first.mem_n_b_l_t.items():
        np.testing.assert_array_equal(second.mem_n_b_l_t[name], v_b_l_t)


@pytest.mark.parametrize("name", LAID_OUT)
def test_spikes_and_membranes_are_those_of_the_emulator(name):
    network = LAID_OUT[name]()
    number = list(LAID_OUT).index(name)
    settings = settings_of(
        encoding=("constant", "regular")[number % 2], reset=("subtraction", "zero")[number // 2 % 2]
    )
    x_b_l = samples(network, 3)
    expected = run(network, settings, x_b_l, engine="emulator")
    assert all(v_b_l_t.any() for v_b_l_t in expected.mem_n_b_l_t.values())
    assert_same_bits(expected, run(network, settings, x_b_l, engine="lava", target="loihi1"))


@pytest.mark.parametrize("name", ["dense", "skip"])
def test_currents_wrap_around_and_membranes_saturate_alike(name):
    # Weights so large that a few of them leave the range of 24 bits.
    network, settings = LAID_OUT[name](), settings_of("regular")
    options = {
        "do_overflow_estimate": False,
        "connection_kwargs": {"weightExponent": 7},
    }
    x_b_l = samples(network, 3)
    snn = SNN(network, settings, LoihiOptions(engine="emulator", **options))
    assert all(item.bounds.headroom < 1 for item in snn.chip.populations[1:])
    expected = snn.run_batch(x_b_l)
    assert_same_bits(expected, run(network, settings, x_b_l, engine="lava", **options))
    roomy = run(network, settings, x_b_l, engine="emulator")
    differing = [
        (spikes_b_l_t != roomy.spiketrains_n_b_l_t[name]).any()
        for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items()
    ]
    assert any(differing), "nothing left its range"


@pytest.mark.parametrize("name", ["skip", "branches", "membrane"])
def test_the_floating_point_twin_spikes_as_the_shifted_reference(name):
    network, settings = LAID_OUT[name](), settings_of()
    x_b_l = samples(network, 3)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    found = run(network, settings, x_b_l, engine="lava", arithmetic="float")
    for layer, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[layer], spikes_b_l_t)


def test_auto_takes_lava_and_says_so():
    network = LAID_OUT["dense"]()
    snn = SNN(network, settings_of())
    snn.build()
    assert snn.details["engine"] == "lava, lava is installed"


# What is left over.

SCRIPT = """
import os, signal, sys, threading, time
sys.path.insert(0, {tests!r})
from snn_core.testing.laid_out import LAID_OUT, samples
from test_lava import settings_of
from snn_core.settings import Settings
from snn_loihi import SNN, LoihiOptions

network = LAID_OUT["dense"]()
settings = settings_of().updated({{"simulation": {{"duration": {steps}}}}})
snn = SNN(network, settings, LoihiOptions(engine="lava"))
snn.run_batch(samples(network, 1))
print("started", flush=True)
{then}
"""


def children_of(pid):
    """Return the processes that a process has started, and those that these have."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == pid:
                found += [int(folder.name), *children_of(int(folder.name))]
    return found


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_gone(pids, seconds=20):
    end = time.monotonic() + seconds
    while any(is_running(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    return [pid for pid in pids if is_running(pid)]


@pytest.mark.parametrize(
    ("then", "sent"),
    [
        ("pass", None),
        ("raise RuntimeError('the user made a mistake')", None),
        ("snn.run_batch(samples(network, 400))", signal.SIGINT),
        ("snn.run_batch(samples(network, 400))", signal.SIGKILL),
        ("snn.run_batch(samples(network, 400))", signal.SIGTERM),
    ],
    ids=["success", "failure", "Ctrl-C", "SIGKILL", "SIGTERM"],
)
def test_no_process_is_left(then, sent, tmp_path):
    code = SCRIPT.format(tests=str(Path(__file__).parent), then=then, steps=20)
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=env,
    ) as parent:
        assert parent.stdout.readline() == b"started\n"
        children = children_of(parent.pid) if sent else []
        if sent:
            assert len(children) >= 4  # neurons, connection, their service, shared memory
            time.sleep(1)
            # A terminal sends Ctrl-C to all of them.
            (os.killpg if sent == signal.SIGINT else os.kill)(parent.pid, sent)
        parent.wait(timeout=60)
    left = wait_until_gone(children)
    assert not left
    in_group = [pid for pid in all_processes() if group_of(pid) == parent.pid and is_running(pid)]
    assert not wait_until_gone(in_group)
    assert not list(tmp_path.glob("snn-loihi-*"))


def all_processes():
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def group_of(pid):
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def test_a_run_can_be_stopped_amid_it():
    network, asked = LAID_OUT["dense"](), []

    def stop():
        asked.append(1)
        return len(asked) > 5

    settings = settings_of().updated({"simulation": {"duration": 2000}})
    snn = SNN(network, settings, LoihiOptions(engine="lava"), stop=stop)
    with pytest.raises(StopSimulation):
        snn.run_batch(samples(network, 1))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("factor", [2, 1000])
def test_input_that_nothing_was_proved_for_is_checked(factor):
    network, settings = LAID_OUT["dense"](), settings_of("regular")
    x_b_l = samples(network, 1) * factor
    if factor == 2:
        expected = run(network, settings, x_b_l, engine="emulator")
        assert_same_bits(expected, run(network, settings, x_b_l, engine="lava"))
        return
    with pytest.raises(SimulationError, match="scale the samples to at most 1"):
        run(network, settings, x_b_l, engine="lava")


def test_a_process_that_dies_ends_the_run_with_a_reason():
    network = LAID_OUT["dense"]()
    snn = SNN(network, settings_of(), LoihiOptions(engine="lava"))
    x_b_l = samples(network, 2)
    expected = snn.run_batch(x_b_l)
    os.kill(snn._lava._state.actors[0].pid, signal.SIGKILL)
    with pytest.raises(SimulationError, match="process of lava failed"):
        snn.run_batch(x_b_l)
    assert_same_bits(expected, snn.run_batch(x_b_l))  # started again
    snn.end_sim()
