import numpy as np
import pytest

from snn_core.errors import SettingsError
from snn_core.ir import Linear
from snn_core.ir.timing import delay_in_steps, population_depth, timing
from snn_core.testing.builder import NetworkBuilder

EYE = np.eye(3)


@pytest.fixture
def network():
    """Return a chain of four with a skip over three layers, one through a relay, and one to the
    end that reads from the input."""
    builder = NetworkBuilder((3,), name="in").dense(EYE, name="first")
    builder.dense(EYE, name="second").dense(EYE, name="third").dense(EYE, name="fourth")
    ones = [[1, 1, 1]] * 2
    builder.dense(EYE, name="relay", inputs=["second"], activation=Linear())
    builder.add(["relay", "fourth"], name="sum", weight_nc=ones, activation=Linear())
    builder.add(["sum", "first"], name="join", weight_nc=ones)
    builder.concatenate(["join", "in"], name="beside")
    return builder.dense(np.ones((6, 2)), name="out").build()


def test_all_paths_to_a_population_take_the_same_time(network):
    found = timing(network, num_steps=10, delay_steps=2, is_input_delayed=False)
    names = ("in", "first", "second", "third", "fourth", "join", "out")
    assert [found.first_step[name] for name in names] == [0, 0, 2, 4, 6, 8, 10]
    assert found.delay("first", "second") == 2
    assert found.delay("first", "join") == 8  # past three layers, and into a fourth
    assert found.delay("second", "join") == 6
    assert found.delay("fourth", "join") == 2
    assert found.delay("in", "out") == 10
    assert "relay" not in found.first_step


def test_a_run_lasts_until_the_output_has_had_its_steps(network):
    found = timing(network, num_steps=10, delay_steps=3, is_input_delayed=False)
    assert (found.output_delay, found.run_steps) == (15, 25)
    assert timing(network, num_steps=10, delay_steps=0, is_input_delayed=True).run_steps == 10


def test_input_spikes_take_as_long_as_all_others(network):
    depth = population_depth(network, is_input_delayed=True)
    assert (depth["in"], depth["first"], depth["out"]) == (0, 1, 6)
    found = timing(network, num_steps=10, delay_steps=2, is_input_delayed=True)
    assert found.delay("in", "first") == 2
    assert found.delay("in", "out") == 12


def test_delays_of_decimal_fractions_are_whole_steps():
    assert delay_in_steps(0.3, 0.1, option="some.delay") == 3
    assert delay_in_steps(0.0, 0.1, option="some.delay") == 0


def test_a_delay_of_half_a_step_is_refused():
    with pytest.raises(SettingsError, match=r"some\.delay is 0\.5 ms; expected a multiple"):
        delay_in_steps(0.5, 1.0, option="some.delay")
