"""The compiled engine against integers computed naively, on networks drawn at random."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integer_reference import IntegerReference
from random_networks import random_network

from snn_core.errors import UnsupportedError
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.laid_out import samples
from snn_loihi import SNN, LoihiOptions

NETWORKS = 60


def settings_of(rng: np.random.Generator) -> Settings:
    encoding = str(rng.choice(["constant", "poisson", "regular"]))
    return Settings.of(
        {
            "simulation": {"duration": int(rng.integers(3, 12)), "batch_size": 2},
            "input": {"encoding": encoding},
            "output": {"log_vars": ["spiketrains", "mem"]},
            "cell": {"reset": str(rng.choice(["subtraction", "zero"]))},
        }
    )


def options_of(rng: np.random.Generator) -> LoihiOptions:
    given: dict[str, Any] = {"thresholds": str(rng.choice(["layer", "channel"]))}
    if rng.random() < 0.3:
        given["reset_mode"] = str(rng.choice(["soft", "hard"]))
    if rng.random() < 0.3:
        given["compartment_kwargs"] = {"biasExp": int(rng.integers(0, 8))}
    if rng.random() < 0.3:
        given["connection_kwargs"] = {"numWeightBits": int(rng.integers(3, 9))}
    if rng.random() < 0.5:
        # The largest numbers that there are, so that sums wrap around and saturate.
        given["do_overflow_estimate"] = False
        given["connection_kwargs"] = {"weightExponent": int(rng.integers(5, 8))}
    return LoihiOptions(engine="emulator", **given)


def require_same(found, expected):
    assert expected.spiketrains_n_b_l_t.keys() == found.spiketrains_n_b_l_t.keys()
    for layer, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[layer], spikes_b_l_t, layer)
    for layer, mem_b_l_t in expected.mem_n_b_l_t.items():
        np.testing.assert_array_equal(found.mem_n_b_l_t[layer], mem_b_l_t, layer)
    for layer, operations_b_t in expected.synaptic_operations_n_b_t.items():
        np.testing.assert_array_equal(found.synaptic_operations_n_b_t[layer], operations_b_t)


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_integers_are_those_of_naive_sums(seed):
    rng = np.random.default_rng([1, seed])
    network = random_network(rng, dyadic=bool(seed % 2))
    settings, options = settings_of(rng), options_of(rng)
    try:
        snn = SNN(network, settings, options, seed=seed)
    except UnsupportedError:
        pytest.skip("this network does not fit under these options")
    x_b_l = samples(network, 2)
    reference = IntegerReference(network, settings, options, seed=seed)
    require_same(snn.run_batch(x_b_l), reference.run_batch(x_b_l))


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_without_rounding_everything_is_that_of_the_reference(seed):
    rng = np.random.default_rng([2, seed])
    network, settings = random_network(rng, dyadic=True), settings_of(rng)
    options = LoihiOptions(engine="emulator", arithmetic="float")
    x_b_l = samples(network, 2)
    found = SNN(network, settings, options, seed=seed).run_batch(x_b_l)
    require_same(found, ReferenceSNN(network, settings, seed=seed).run_batch(x_b_l))


def test_functions_are_compiled_once_and_while_it_is_said(tmp_path):
    code = """
from snn_core.testing.laid_out import LAID_OUT, samples
from snn_core.phases import watch
from snn_core.settings import Settings
from snn_loihi import SNN, LoihiOptions, loops
network = LAID_OUT["pooled"]()
settings = Settings.of({"simulation": {"duration": 2}, "input": {"encoding": "regular"}})
options = LoihiOptions(engine="emulator")
functions = loops.spread, loops.fire, loops.count
told = []
with watch(lambda what: told.append([what, sum(len(f.signatures) for f in functions)])):
    SNN(network, settings, options).run_batch(samples(network, 1))
assert [what for what, _ in told] == ["compiling the engine, or loading what was compiled"]
assert told[0][1] == 0 and sum(len(f.signatures) for f in functions) == len(functions)
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    kept = []
    for _ in range(2):
        command = [sys.executable, "-c", code]
        subprocess.run(command, cwd=Path(__file__).parent, env=environment, check=True)
        kept.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")})
    assert kept[0]
    assert kept[1] == kept[0]
