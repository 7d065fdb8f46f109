import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.normalization.scales import apply_scales
from snn_core.operations import biased_neurons
from snn_core.settings import Settings
from snn_core.simulation.capabilities import Capabilities
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder

X = np.zeros((1, 1), np.float32)


def network(bias_t_c, **common):
    return NetworkBuilder((1,)).dense([[1.0, 1.0]], bias_t_c=np.float32(bias_t_c), **common).build()


def trains(made, **simulation):
    settings = Settings.of({"simulation": {"duration": 4, **simulation}})
    return ReferenceSNN(made, settings).run_batch(X).output_b_l_t[0].tolist()


def test_each_step_and_channel_has_its_own():
    # first neuron: 1, 1 + 0.5 - 1 = 0.5, 0.5 + 0.5 = 1; second: -1, 0, 1; nothing in step 4
    assert trains(network([[1, -1], [0.5, 1], [0.5, 1]])) == [[1, 0, 1, 0], [0, 0, 1, 0]]


def test_one_column_is_for_all_channels():
    assert trains(network([[0], [1]])) == [[0, 1, 0, 0]] * 2


def test_it_is_a_current_per_ms():
    assert trains(network([[1, 2]] * 8), dt=0.5) == [[0, 1] * 4, [1] * 8]


def test_it_adds_to_the_constant_bias():
    assert trains(network([[0.5], [-0.5]], bias_o=[0.5, 0.25]))[0] == [1, 0, 0, 1]


@pytest.mark.parametrize("shape", [(3,), (3, 3), (0, 5), (1, 1, 2)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ParseError, match=r"expected \(steps, 1\) or \(steps, 2\)"):
        network(np.zeros(shape))


def test_it_is_scaled_with_the_layer():
    made = network([[1, -1]])
    scaled = apply_scales(made, {made.output.name: np.array([2.0, 4.0])}, v_thresh=1.0)
    assert scaled.output.bias_t_c.tolist() == [[0.5, -0.25]]


def test_neurons_that_have_it_are_counted_as_biased():
    made = network([[0, 1]])
    assert biased_neurons(made, made.output) == 1


def test_it_is_refused_by_simulators_that_do_not_claim_it():
    class Plain(ReferenceSNN):
        capabilities = Capabilities()

    with pytest.raises(UnsupportedError, match="01Dense_2: a bias for each step is not supported"):
        Plain(network([[1, 1]]))


def test_it_is_for_mean_rates():
    settings = Settings.of({"conversion": {"spike_code": "ttfs"}})

    class Coded(ReferenceSNN):
        capabilities = Capabilities(
            bias_per_step=True, settings={"conversion.spike_code": {"ttfs"}}
        )

    with pytest.raises(UnsupportedError, match="does not go with the spike code 'ttfs'"):
        Coded(network([[1, 1]]), settings)
