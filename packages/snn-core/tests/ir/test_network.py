import numpy as np
import pytest

from snn_core import load
from snn_core.errors import ParseError
from snn_core.ir import Dense, Input, Linear, Network
from snn_core.ir.layers import Flatten
from snn_core.testing.builder import NetworkBuilder


def branched():
    builder = NetworkBuilder((4,), name="in").dense(np.eye(4), name="a")
    builder.dense(np.eye(4), inputs=["in"], activation=Linear(), name="b")
    builder.add(["a", "b"], weight_nc=[[1], [1]], name="sum")
    return builder.dense(np.eye(4), activation=Linear(), name="out").build()


def test_layers_know_their_neighbours():
    network = branched()
    assert [layer.name for layer in network] == ["in", "a", "b", "sum", "out"]
    assert len(network) == 5
    assert "sum" in network
    assert "none" not in network
    assert [layer.name for layer in network.inbound("sum")] == ["a", "b"]
    assert [layer.name for layer in network.outbound("in")] == ["a", "b"]
    assert network.outbound("out") == ()
    assert network.input.name == "in"
    assert network.output.name == "out"
    assert network.input_shapes("sum") == ((4,), (4,))


def test_linear_hidden_layers_have_no_neurons_but_the_output_has():
    assert [layer.name for layer in branched().spiking_layers] == ["a", "sum", "out"]


def test_a_missing_layer_is_named_with_those_there_are():
    for kind in (KeyError, ParseError):
        with pytest.raises(kind, match=r"^No layer 'none'\. The network has in, a, b, sum, out\.$"):
            branched()["none"]
    with pytest.raises(ParseError, match=r"No layer 'summ'\. Did you mean 'sum'\?"):
        branched()["summ"]


def test_replace_keeps_the_original_and_notes_the_change():
    network = branched()
    new = Dense(
        name="a", inputs=("in",), output_shape=(4,), weight_io=2 * np.eye(4), bias_o=np.zeros(4)
    )
    changed = network.replace(new, note="doubled a")
    assert changed["a"] is new
    assert network["a"] is not new
    assert changed.history == ("doubled a",)
    with pytest.raises(KeyError, match="No layer 'x'"):
        network.replace(Flatten(name="x", output_shape=(4,)))


def entry(name="in"):
    return Input(name=name, output_shape=(1,))


def flat(name, *inputs):
    return Flatten(name=name, inputs=inputs, output_shape=(1,))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((entry(), flat("in", "in")), "'in' occurs twice"),
        ((entry(), flat("a", "b"), flat("b", "in")), "'a' reads from 'b', which is not an earlier"),
        ((entry(), entry("second")), "Found inputs"),
        ((entry(), flat("a", "in"), flat("b", "in")), r"Found outputs \['a', 'b'\]"),
        ((flat("a"),), "expected exactly one Input layer"),
    ],
)
def test_networks_that_are_none_are_refused(layers, message):
    with pytest.raises(ParseError, match=message):
        Network(layers=layers)


def test_an_unknown_read_out_is_refused():
    with pytest.raises(ParseError, match="Unknown readout 'vote'"):
        Network(layers=(entry(), flat("a", "in")), readout="vote")


def test_arrays_cannot_be_written_to():
    weight = branched()["a"].weight
    with pytest.raises(ValueError, match="read-only"):
        weight[0, 0] = 3


def test_a_layer_keeps_a_copy_of_its_arrays():
    values = np.eye(2, dtype=np.float32)
    network = NetworkBuilder((2,)).dense(values).build()
    values[:] = 7
    np.testing.assert_array_equal(network.output.weight, np.eye(2))


def test_save_writes_what_load_reads(tmp_path):
    network = branched().replace(readout="membrane")
    network.save(tmp_path / "model.snn")
    found = load(tmp_path / "model.snn")
    assert [layer.name for layer in found] == [layer.name for layer in network]
    assert found.readout == "membrane"
    np.testing.assert_array_equal(found["sum"].weight_nc, network["sum"].weight_nc)
