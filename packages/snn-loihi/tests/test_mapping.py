"""Cores that networks take, counted by hand, and the command that shows them."""

import json

import numpy as np
import pytest

from snn_core import artifact
from snn_core.cli import main
from snn_core.errors import UnsupportedError
from snn_core.settings import Settings
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import LAID_OUT
from snn_loihi import SNN, LoihiOptions, discretize
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
    # 100 lists of 20 weights of eight bits, three words of 64 bits each, and one for each reset.
    assert layer.memory_bytes == 100 * 24 + 20 * 8
    assert layer.axons_in == 100 + 20
    assert layer.axons_out == layer.edges == 20
    (layer,) = mapped(full(100, 20), reset_mode="hard").layers
    assert (layer.compartments, layer.memory_bytes, layer.axons_in) == (20, 2400, 100)


def test_a_list_takes_whole_words_and_the_smaller_form():
    weight_io = np.zeros((2, 64))
    weight_io[0] = 0.5  # 64 of 64 weights: eight words as a full list, 19 with targets
    weight_io[1, :3] = 0.5  # three of 64: one word with targets of ten bits
    network = NetworkBuilder((2,)).dense(weight_io).build()
    (layer,) = mapped(network, reset_mode="hard").layers
    assert layer.memory_bytes == (8 + 1) * 8


def test_lists_with_a_weight_that_rounds_to_0_take_no_more_memory():
    weight_io = np.full((100, 20), 0.5)
    weight_io[3, 7] = 1e-9
    network = NetworkBuilder((100,)).dense(weight_io).build()
    (layer,) = mapped(network).layers
    (whole,) = mapped(full(100, 20)).layers
    assert layer.synapses == whole.synapses - 1
    assert layer.memory_bytes == whole.memory_bytes


def test_compartments_bind():
    (layer,) = mapped(full(2, 3000)).layers
    assert (layer.bound_by, layer.cores) == ("compartments", 6)  # 3000 neurons of 2, 1024 a core
    (layer,) = mapped(full(2, 3000), reset_mode="hard").layers
    assert layer.cores == 3
    (layer,) = mapped(full(2, 3000), LOIHI2).layers
    assert layer.cores == 1


def test_memory_binds():
    # 300 000 bytes and 300 words for resets, of 131 072 bytes a core.
    (layer,) = mapped(full(1000, 300)).layers
    expected = 1000 * 13 * 8 + 100 * 8  # 100 weights take 13 words
    assert (layer.bound_by, layer.cores, layer.memory_bytes) == ("memory", 3, expected)


def test_thresholds_per_channel_bind():
    network = NetworkBuilder((2,)).dense(np.full((2, 100), 0.5) * np.arange(1, 101)).build()
    (layer,) = mapped(network, thresholds="channel").layers
    assert (layer.bound_by, layer.cores, layer.thresholds) == ("thresholds", 13, 8)
    for limits, options in ((LOIHI1, {}), (LOIHI2, {"thresholds": "channel"})):
        (layer,) = mapped(network, limits, **options).layers
        assert layer.cores == 1


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
    assert (first.bound_by, first.cores) == ("axons out", 2)
    assert first.axons_out == 250 * 12 + 250  # each resets itself, too
    assert (first.edges, second.edges) == (500 * 13, 3000)


def test_neighbouring_neurons_of_a_convolution_share_axons():
    network = LAID_OUT["strided"]()
    for layer in mapped(network).layers:
        assert layer.cores == 1
        sources = {c for c in discretize(network, REGULAR).populations if c.name == layer.name}
        (item,) = sources
        (connection,) = item.connections
        (synapses,) = connection.lists().values()
        assert layer.axons_in == len(np.unique(synapses.pre)) + layer.neurons


def test_a_network_that_does_not_fit_is_refused_if_that_is_wanted():
    network = full(5000, 2)
    SNN(network, REGULAR, LoihiOptions(target="loihi1"))
    with pytest.raises(UnsupportedError, match="axons in exceed"):
        SNN(network, REGULAR, LoihiOptions(target="loihi1", validate_partitions=True))


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "net.snn"
    artifact.save(LAID_OUT["skip"]().replace(settings=REGULAR), path)
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
