"""Cores that networks take, counted by hand, and the command that shows them."""

import json

import numpy as np
import pytest
from chip_networks import TEN, samples

from snn_core import artifact
from snn_core.cli import main
from snn_core.errors import UnsupportedError
from snn_core.settings import Settings
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder
from snn_loihi import SNN, LoihiOptions, discretize
from snn_loihi.energy import estimate
from snn_loihi.limits import LOIHI1, LOIHI2
from snn_loihi.mapping import map_network

REGULAR = Settings.of({"simulation": {"duration": 8}, "input": {"encoding": "regular"}})


def mapped(network, limits=LOIHI1, **options):
    return map_network(discretize(network, REGULAR, LoihiOptions(**options)), limits)


def full(inputs, *outputs):
    builder = NetworkBuilder((inputs,))
    for size in outputs:
        builder.dense(np.full((builder.shape[0], size), 0.5))
    return builder.build()


def test_a_small_layer_takes_one_core():
    (layer,) = mapped(full(100, 20)).layers
    assert (layer.neurons, layer.synapses, layer.cores) == (20, 2000, 1)
    assert layer.compartments == 40  # soft reset takes two
    assert layer.memory_bytes == 2000  # full lists hold eight bits per synapse
    assert layer.axons_in == 100


def test_compartments_bind():
    (layer,) = mapped(full(2, 3000)).layers
    assert (layer.bound_by, layer.cores) == ("compartments", 6)  # 3000 neurons of 2, 1024 a core
    (layer,) = mapped(full(2, 3000), reset_mode="hard").layers
    assert layer.cores == 3
    (layer,) = mapped(full(2, 3000), LOIHI2).layers
    assert layer.cores == 1


def test_memory_binds():
    (layer,) = mapped(full(1000, 300)).layers  # 300 000 bytes, of 131 072 a core
    assert (layer.bound_by, layer.cores, layer.memory_bytes) == ("memory", 3, 100_000)


def test_more_inputs_than_axons_do_not_fit():
    found = mapped(full(5000, 2))
    assert not found.fits
    (problem,) = found.problems()
    assert "axons in exceed a core of loihi1" in problem
    assert mapped(full(5000, 2), LOIHI2).fits


def test_edges_to_other_cores_bind():
    # 500 neurons on one core would each reach 12 cores, 6000 edges of 4096.
    first, second = mapped(full(2, 500, 3000)).layers
    assert second.cores == 12
    assert (first.bound_by, first.cores, first.axons_out) == ("axons out", 2, 3000)


def test_neighbouring_neurons_of_a_convolution_share_axons():
    network = TEN["convolutions"]()
    for layer in mapped(network).layers:
        assert layer.cores == 1
        sources = {c for c in discretize(network, REGULAR).populations if c.name == layer.name}
        (item,) = sources
        (connection,) = item.connections
        (synapses,) = connection.lists().values()
        assert layer.axons_in == len(np.unique(synapses.pre))


def test_a_network_that_does_not_fit_is_refused_if_that_is_wanted():
    network = full(5000, 2)
    SNN(network, REGULAR, LoihiOptions(target="loihi1"))
    with pytest.raises(UnsupportedError, match="axons in exceed"):
        SNN(network, REGULAR, LoihiOptions(target="loihi1", validate_partitions=True))


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "net.snn"
    artifact.save(TEN["skip"]().replace(settings=REGULAR), path)
    return path


def test_the_command_shows_a_table(stored, capsys):
    main(["inspect", str(stored), "--target", "loihi1"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "04Add_6x6x4" in shown
    assert "of 128 cores per chip, 1 chip" in shown
    assert "loses most" in shown


def test_the_command_prints_json(stored, capsys):
    main(["inspect", str(stored), "--target", "loihi2", "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert (found["target"], found["fits"], found["chips"]) == ("loihi2", True, 1)
    assert found["cores"] == sum(layer["cores"] for layer in found["layers"])
    assert all("weight_error" in layer["rounding"] for layer in found["layers"])


def test_a_network_that_the_chip_has_no_neurons_for_is_not_mapped(tmp_path, capsys):
    path = tmp_path / "net.snn"
    artifact.save(networks.LAYER_KINDS["MaxPooling2D"](), path)
    main(["inspect", str(path), "--target", "loihi1"], standalone_mode=False)
    shown = capsys.readouterr()
    assert "MaxPooling2D layers are not supported" in shown.err
    assert not shown.out


# Energy.


def test_energy_is_the_sum_of_published_figures():
    network = NetworkBuilder((2,)).dense(np.eye(2)).dense(np.ones((2, 1))).build()
    settings = Settings.of({"simulation": {"duration": 4}})
    snn = SNN(network, settings, LoihiOptions(engine="emulator"))
    recording = snn.run_batch(np.array([[1, 0]], np.float32))
    # The first neuron spikes in each of 4 steps, over one synapse; so does the last.
    assert [int(n.sum()) for n in recording.spikecounts_n_b_l.values()] == [4, 4]
    found = estimate(snn.chip, map_network(snn.chip, LOIHI1), recording)
    assert found.synapses_j == pytest.approx(4 * 23.6e-12)
    assert found.neurons_j == pytest.approx(8 * 81e-12 + 4 * 52e-12)
    assert found.spikes_j == pytest.approx(4 * (1.7e-12 + 3.5e-12))
    assert found.energy_j == pytest.approx(found.synapses_j + found.neurons_j + found.spikes_j)
    assert "no measurement" in found.describe()
    assert "not measured" in found.to_json()["kind"]


def test_more_spikes_take_more_energy():
    network = TEN["dense"]()
    snn = SNN(
        network, Settings.of({"simulation": {"duration": 8}}), LoihiOptions(engine="emulator")
    )
    where = map_network(snn.chip, LOIHI1)
    dark, bright = (snn.run_batch(samples(network, 4) * factor) for factor in (0.25, 1))
    assert estimate(snn.chip, where, dark).energy_j < estimate(snn.chip, where, bright).energy_j
