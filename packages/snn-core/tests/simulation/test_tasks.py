"""Outputs that are no classes: what they stand for, their values, and how right they are."""

import math

import numpy as np
import pytest

from snn_core import convert, run
from snn_core.conversion import preset
from snn_core.data import Dataset
from snn_core.errors import DataError, UnsupportedError
from snn_core.ir import Linear, ReLU, Sigmoid, Softmax
from snn_core.running.outputs import OutputWarning
from snn_core.running.result import RunResult
from snn_core.settings import Settings
from snn_core.simulation.statistics import r_squared
from snn_core.simulation.tasks import find_task
from snn_core.testing.builder import NetworkBuilder

RNG = np.random.default_rng(0)
STEPS = 16


def f4(values):
    return np.array(values, np.float32)


def network_of(outputs, activation):
    """Return a network of 4 inputs whose hidden layer passes them on."""
    builder = NetworkBuilder((4,)).dense(np.eye(4))
    weight_io = np.array([[1, -1, 2], [-2, 0.5, 1], [0.5, 1, -1], [0, -0.5, 0.25]])[:, :outputs]
    bias_o = np.array([0.25, -0.125, 0.5])[:outputs]
    return builder.dense(weight_io, bias_o=bias_o, activation=activation).build()


def of_one_layer():
    """Return the first output alone, without a hidden layer whose spikes come one by one."""
    layer = network_of(1, Linear()).output
    return (
        NetworkBuilder((4,))
        .dense(layer.weight_io, bias_o=layer.bias_o, activation=Linear())
        .build()
    )


REGRESSION = {"simulation": {"task": "regression"}}
UNSCALED = {"normalization": {"method": "none"}}

# Multiples of 1/16 are rates that 16 steps express exactly.
X = f4(RNG.integers(0, 16, (40, 4)) / 16)


def values(outputs):
    """Return the linear outputs of the network, before any activation."""
    layer = network_of(outputs, Linear()).output
    return X @ layer.weight_io + layer.bias_o


# What outputs and labels stand for.

INTEGERS, FLOATS = np.arange(4) % 2, f4([0, 1, 0, 1])
ONE_HOT = np.eye(3, dtype=int)[[0, 2, 1, 1]]
SEVERAL = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 1]])


@pytest.mark.parametrize(
    ("outputs", "activation", "labels", "expected"),
    [
        (1, Sigmoid(), INTEGERS, "binary"),
        (1, Sigmoid(), FLOATS, "binary"),
        (1, Sigmoid(), INTEGERS[:, None], "binary"),
        (1, Sigmoid(), np.eye(2)[INTEGERS], "binary"),
        (1, Sigmoid(), f4([0.5, 0, 1, 0.25]), "regression"),
        (1, Sigmoid(), None, "binary"),
        (1, Linear(), INTEGERS, "binary"),
        (1, Linear(), INTEGERS.astype(bool), "binary"),
        (1, Linear(), FLOATS, "regression"),
        (1, Linear(), np.array([3, 1, 4, 1]), "regression"),
        (1, Linear(), np.array([-1, 1, 4, 1]), "regression"),
        (1, Linear(), f4([0.5, -1, 2, 3]), "regression"),
        (1, Linear(), None, "regression"),
        (1, ReLU(), f4([[0.5], [1], [2], [3]]), "regression"),
        (3, Linear(), np.array([2, 1, 0, 0]), "classification"),
        (3, Linear(), f4([2, 1, 0, 0]), "classification"),
        (3, Softmax(), ONE_HOT, "classification"),
        (3, Sigmoid(), ONE_HOT, "classification"),
        (3, Linear(), ONE_HOT.astype(float), "classification"),
        (3, Sigmoid(), SEVERAL, "multilabel"),
        (3, Linear(), SEVERAL.astype(float), "multilabel"),
        (3, Linear(), SEVERAL / 2, "regression"),
        (3, Linear(), None, "classification"),
        (3, Softmax(), None, "classification"),
        (3, Sigmoid(), None, "multilabel"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*labels have the two values")
def test_the_task_is_found_from_outputs_and_labels(outputs, activation, labels, expected):
    network = network_of(outputs, activation).replace(readout="membrane")
    data = Dataset.of(X[:4], labels)
    assert find_task(network, data, Settings()).name == expected


@pytest.mark.parametrize(
    ("task", "outputs", "labels", "expected"),
    [
        ("binary", 1, FLOATS, "binary"),
        ("regression", 1, INTEGERS, "regression"),
        ("regression", 3, ONE_HOT, "regression"),
        ("multilabel", 3, ONE_HOT, "multilabel"),
        ("multilabel", 1, INTEGERS, "multilabel"),
        ("classification", 3, None, "classification"),
    ],
)
def test_a_task_that_is_named_is_taken(task, outputs, labels, expected):
    network = network_of(outputs, Linear()).replace(readout="membrane")
    settings = Settings.of({"simulation": {"task": task}})
    assert find_task(network, Dataset.of(X[:4], labels), settings).name == expected


@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_signs_are_no_and_yes_where_the_task_is_named(kind, shape):
    network, signs = network_of(1, Linear()).replace(readout="membrane"), np.array([-1, 1, 1, -1])
    data = Dataset.of(X[:4], signs.astype(kind).reshape(shape))
    settings = Settings.of({"simulation": {"task": "binary"}})
    assert find_task(network, data, settings).truth(data, network).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("labels", "warned"),
    [
        (f4([-1, 1, 1, -1]), "-1 and 1"),
        (np.array([-1, 1, 1, -1]), "-1 and 1"),
        (f4([[0], [1], [1], [0]]), "0 and 1"),
        (f4([0, 1, 2, 0]), None),
        (f4([0, 0.5, 0.5, 0]), None),
    ],
)
def test_labels_of_two_values_that_are_taken_as_numbers_are_warned_of(labels, warned, recwarn):
    network = network_of(1, Linear()).replace(readout="membrane")
    find_task(network, Dataset.of(X[:4], labels), Settings())
    found = [str(warning.message) for warning in recwarn]
    assert len(found) == (warned is not None)
    assert all(f"values {warned}" in text and "--task binary" in text for text in found)
    find_task(network, Dataset.of(X[:4], labels), Settings.of(REGRESSION))
    assert len(recwarn) == len(found)  # who names the task is not warned


@pytest.mark.parametrize(
    ("task", "outputs", "labels", "message"),
    [
        ("auto", 3, [0, 1, 3, 0], "has the label 3; the network knows the classes 0 to 2"),
        ("auto", 3, [0, 1, -1, 0], "has the label -1; expected whole numbers from 0"),
        ("auto", 3, [0, 1, 1.5, 0], "has the label 1.5; expected whole numbers"),
        (
            "auto",
            2,
            f4([[0.5], [1], [2], [3]]),
            "has the label 0.5; expected whole numbers from 0 to 1, or 2 numbers for each sample",
        ),
        ("auto", 3, np.eye(4), "has the label 3; the network knows"),
        ("auto", 3, np.ones((4, 2)), r"has 2 number\(s\) for each sample; the network has 3"),
        ("auto", 1, np.ones((4, 2)), r"has 2 number\(s\) for each sample; the network has 1"),
        ("regression", 3, [0, 1, 1, 0], r"has 1 number\(s\) for each sample; the network has 3"),
        ("binary", 3, [0, 1, 1, 0], "needs one output; the network has 3"),
        ("binary", 1, [0, 1, 2, 0], "has the label 2; the network knows the classes 0 to 1"),
        ("binary", 1, [0, 1, 0.5, 0], r"has the label 0.5; expected whole numbers from 0\.$"),
        ("binary", 1, [-1, 1, 0, 1], "has the label -1; expected whole numbers"),
        ("multilabel", 3, SEVERAL / 2, "has labels other than 0 and 1"),
        ("classification", 3, SEVERAL, r"labels of shape \(4, 3\) that are not one-hot"),
    ],
)
def test_labels_that_do_not_fit_are_refused(task, outputs, labels, message):
    network = network_of(outputs, Linear()).replace(readout="membrane")
    settings = Settings.of({"simulation": {"task": task}})
    with pytest.raises(DataError, match=message):
        find_task(network, Dataset.of(X[:4], np.asarray(labels)), settings)


def test_labels_of_a_sigmoid_are_0_and_1():
    network = network_of(1, Sigmoid()).replace(readout="membrane")
    with pytest.raises(DataError, match="has the label 7; the network knows the classes 0 to 1"):
        find_task(network, Dataset.of(X[:4], np.array([0, 7, 1, 0])), Settings())


def test_the_task_is_that_of_all_labels_not_of_those_simulated():
    labels = np.array([0, 1, *[5] * 38])
    few = {"simulation": {"num_to_test": 2}}
    assert simulated(converted(1, Linear()), labels, changes=few).task == "regression"


# Values.


def converted(outputs, activation, *, name="fast", **sections):
    """Return a converted network whose hidden rates are exact: nothing is scaled."""
    settings = settings_of(name, **{**UNSCALED, **sections})
    return convert(network_of(outputs, activation), X, settings=settings)


def settings_of(name="fast", **sections):
    settings = preset(name).updated({"simulation": {"duration": STEPS}, "cell": {"v_init": 0.0}})
    return settings.updated(sections)


def simulated(network, labels=None, *, changes=None, **options):
    settings = (network.settings or settings_of()).updated(changes or {})
    return run(network, "reference", data=(X, labels), settings=settings, **options)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"simulation": {"dt": 0.5, "duration": STEPS}},
        {"simulation": {"dt": 2.0, "duration": 2 * STEPS}, "cell": {"v_thresh": 2.0}},
        {"simulation": {"dt": 0.5, "duration": STEPS}, "cell": {"v_thresh": 0.5}},
        {"conversion": {"spike_code": "temporal_pattern", "num_bits": 4}},
        {"conversion": {"spike_code": "ttfs_exact", "window_steps": 16}},
    ],
    ids=["plain", "short steps", "long steps", "low threshold", "pattern", "exact first spikes"],
)
@pytest.mark.parametrize("outputs", [1, 3])
def test_potentials_are_read_as_values_of_the_source(outputs, sections):
    network = converted(outputs, Linear(), **sections)
    targets = values(outputs) + 1
    result = simulated(network, targets)
    np.testing.assert_array_equal(result.output_b_o, values(outputs))
    np.testing.assert_array_equal(result.ann_output_b_o, values(outputs))
    assert result.task == "regression"
    assert result.mse == result.ann_mse == 1
    assert result.difference == 0


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        (ReLU(), lambda v: np.maximum(v, 0)),
        (ReLU(max_value=0.5), lambda v: np.clip(v, 0, 0.5)),
        (Sigmoid(), lambda v: 1 / (1 + np.exp(-v))),
        (Softmax(), lambda v: np.exp(v) / np.exp(v).sum(axis=1, keepdims=True)),
    ],
    ids=["relu", "bounded", "sigmoid", "softmax"],
)
def test_an_activation_follows_the_potential(activation, function):
    result = simulated(converted(3, activation), changes=REGRESSION)
    # both round in float32, by other ways
    np.testing.assert_allclose(result.output_b_o, function(values(3)), atol=1e-6)
    np.testing.assert_allclose(result.ann_output_b_o, function(values(3)), atol=1e-6)
    assert result.difference < 1e-6


@pytest.mark.parametrize("name", ["fast", "seed"])
@pytest.mark.parametrize("readout", ["counts", "membrane"])
@pytest.mark.parametrize("activation", [Linear(), ReLU()])
def test_scales_are_undone(name, readout, activation):
    rng = np.random.default_rng(1)
    builder = NetworkBuilder((4,)).dense(rng.normal(1, 2, (4, 30)), bias_o=rng.normal(0, 0.5, 30))
    network = builder.dense(rng.normal(2, 1, (30, 3)), activation=activation).build()
    settings = preset(name).updated(
        {
            "conversion": {"readout": readout},
            "normalization": {"percentile": 100.0},
            "simulation": {"duration": 512},
        }
    )
    found = convert(network, X, settings=settings, timesteps=512)
    target = np.maximum(X @ network.layers[1].weight_io + network.layers[1].bias_o, 0)
    target = target @ network.output.weight_io
    assert target.min() >= 0
    result = simulated(found, target)
    # Of 512 steps, rounding takes half a spike of some thirty neurons and of the output.
    assert result.difference < 0.02 * target.std()
    assert result.r2 > 0.999
    np.testing.assert_allclose(result.ann_output_b_o, target, rtol=1e-5)


def test_spikes_are_counted_as_values():
    settings = settings_of("seed", simulation={"task": "regression"})
    network = convert(of_one_layer(), X, settings=settings.updated(UNSCALED))
    with pytest.warns(OutputWarning, match="17 of 40 outputs of the analog network are negative"):
        result = simulated(network, f4(values(1)))
    # V grows by the value in each step, and a spike takes 1 away, at most one in a step.
    expected = np.floor(STEPS * np.clip(values(1), 0, 1)) / STEPS
    np.testing.assert_array_equal(result.output_b_o, expected)
    assert result.mse == pytest.approx(np.square(expected - values(1)).mean())


def test_values_are_those_so_far():
    network = converted(1, Linear())
    result = simulated(network, np.zeros((40, 1)))
    np.testing.assert_array_equal(result.error_b_t[:, -1], values(1)[:, 0] ** 2)
    # After the first step, the bias and the inputs of 1; there are none.
    first = network.output.bias_o[0]
    np.testing.assert_array_equal(result.error_b_t[:, 0], np.full(40, first**2))


def test_a_stopped_sample_keeps_its_value():
    settings = settings_of(
        input={"encoding": "poisson", "num_poisson_events_per_sample": 2},
        simulation={"early_stopping": True, "duration": 8.0},
    )
    network = NetworkBuilder((1,)).dense([[0.75]], bias_o=[0.25]).build()
    x_b_l = f4([[1], [0]])
    result = run(
        network.replace(readout="membrane"), "reference", data=(x_b_l, f4([1, 0])),
        settings=settings,
    )  # fmt: skip
    assert result.output_b_o.tolist() == [[1], [0]]
    assert result.error_b_t.tolist() == [[0] * 8, [0] * 8]


@pytest.mark.parametrize(
    ("sections", "readout", "message"),
    [
        ({"cell": {"leak": 0.1}}, "membrane", "cell.leak"),
        ({"cell": {"tau_m": 20.0}}, "membrane", "cell.tau_m"),
        ({"cell": {"payloads": True}}, "counts", "cell.payloads"),
        (
            {"simulation": {"reset_between_nth_sample": 2}},
            "membrane",
            "simulation.reset_between_nth_sample",
        ),
        ({"conversion": {"spike_code": "ttfs"}}, "membrane", "tells which output is the largest"),
        (
            {"conversion": {"spike_code": "ttfs_corrective"}},
            "membrane",
            "'ttfs_corrective' tells which output",
        ),
    ],
)
def test_values_that_cannot_be_read_are_refused_by_name(sections, readout, message):
    settings = settings_of(conversion={"readout": readout}).updated(sections)
    network = network_of(1, Linear()).replace(readout=readout)
    with pytest.raises(UnsupportedError, match="cannot be read as 'regression' needs it") as said:
        find_task(network, Dataset.of(X, values(1)), settings)
    assert message in str(said.value)


def test_a_drawn_softmax_has_no_values():
    settings = settings_of(simulation={"task": "regression"})
    with pytest.raises(UnsupportedError, match="spikes drawn from a softmax do not tell"):
        find_task(network_of(3, Softmax()), Dataset.of(X, values(3)), settings)


@pytest.mark.parametrize("code", ["ttfs", "ttfs_dyn_thresh", "ttfs_corrective"])
def test_first_spikes_do_not_tell_the_sign_of_a_potential(code):
    settings = settings_of(conversion={"spike_code": code, "readout": "membrane"})
    network = convert(network_of(1, Sigmoid()), X, settings=settings)
    with pytest.raises(UnsupportedError, match="not whether it is above 0"):
        run(network, "reference", data=(X, INTEGERS.repeat(10)), settings=settings)


def test_a_sigmoid_is_not_converted_to_be_counted():
    with pytest.raises(UnsupportedError, match="a sigmoid has no spikes to count"):
        convert(network_of(1, Sigmoid()), X, settings=preset("seed"))


def test_negative_values_that_are_counted_are_warned_of():
    with pytest.warns(OutputWarning, match="are negative, which numbers of spikes cannot be"):
        simulated(converted(1, Linear(), name="seed"), values(1), changes=REGRESSION)


# Decisions.


@pytest.mark.parametrize("activation", [Sigmoid(), Linear()])
@pytest.mark.parametrize(
    "sections", [{}, {"conversion": {"spike_code": "ttfs_exact", "window_steps": 16}}]
)
def test_a_single_output_says_yes_above_0(activation, sections):
    network = converted(1, activation, **sections)
    labels = (values(1)[:, 0] > 0).astype(int)
    assert 0 < labels.sum() < 40
    wrong = labels.copy()
    wrong[:10] = 1 - wrong[:10]
    result = simulated(network, wrong)
    assert result.task == "binary"
    np.testing.assert_array_equal(result.decision_b, labels)
    np.testing.assert_array_equal(result.ann_decision_b, labels)
    assert result.accuracy == result.ann_accuracy == 0.75
    assert result.agreement == 1
    assert result.topkerr_b_t[:, -1].sum() == 10
    assert math.isnan(result.mse)


def test_a_value_of_0_is_a_no():
    network = NetworkBuilder((1,)).dense([[1]], activation=Sigmoid()).build()
    settings = settings_of()
    found = convert(network, f4([[1]]), settings=settings)
    result = run(found, "reference", data=(f4([[0], [1]]), np.array([0, 1])), settings=settings)
    assert result.decision_b.tolist() == result.ann_decision_b.tolist() == [0, 1]
    assert result.output_b_o[0] == 0.5


def test_spikes_of_a_single_output_say_yes():
    settings = settings_of("seed")
    network = convert(of_one_layer(), X, settings=settings.updated(UNSCALED))
    result = simulated(network, INTEGERS.repeat(10))
    # A value of 1/16 makes a spike in the last of 16 steps.
    np.testing.assert_array_equal(result.decision_b, values(1)[:, 0] >= 1 / STEPS)
    np.testing.assert_array_equal(result.ann_decision_b, values(1)[:, 0] > 0)


@pytest.mark.parametrize("activation", [Sigmoid(), Linear()])
def test_several_labels_are_judged_one_by_one(activation):
    wanted = (values(3) > 0).astype(int)
    wrong = wanted.copy()
    wrong[:8, 0] = 1 - wrong[:8, 0]
    wrong[:4, 1] = 1 - wrong[:4, 1]
    result = simulated(converted(3, activation), wrong)
    assert result.task == "multilabel"
    assert result.accuracy == pytest.approx(1 - 12 / 120, abs=1e-6)  # thirds in float32
    assert result.exact_match == result.ann_exact_match == 1 - 8 / 40
    assert result.agreement == 1
    assert (result.decision_b_t == -1).all()
    assert set(result.scores()) == {
        "accuracy", "ann_accuracy", "exact_match", "ann_exact_match", "agreement",
    }  # fmt: skip


def test_outputs_of_a_layer_are_compared_in_the_units_of_the_source():
    # Artifacts of older versions have scales that differ from output to output.
    network = network_of(3, ReLU())
    scaled = network.replace(
        network.layers[1],
        type(network.output)(
            **{
                **{name: getattr(network.output, name) for name in ("name", "inputs", "activation",
                                                                    "output_shape")},
                "weight_io": network.output.weight_io / f4([4, 1, 1]),
                "bias_o": network.output.bias_o / f4([4, 1, 1]),
            }
        ),
        scale_facs={network.output.name: f4([4, 1, 1])},
    )  # fmt: skip
    expected = np.maximum(values(3), 0).argmax(axis=1)
    for readout in ("membrane", "counts"):
        result = simulated(scaled.replace(readout=readout), expected)
        assert result.ann_accuracy == 1
        if readout == "membrane":
            assert result.accuracy == 1


# Without labels, and other figures.


@pytest.mark.parametrize(
    ("outputs", "activation", "keys"),
    [(3, Linear(), {"agreement"}), (1, Sigmoid(), {"agreement"}), (3, Sigmoid(), {"agreement"}),
     (1, Linear(), {"difference"})],
)  # fmt: skip
def test_without_labels_there_are_outputs_and_agreement(outputs, activation, keys, tmp_path):
    result = simulated(converted(outputs, activation), output_dir=tmp_path / "run")
    assert not result.has_labels
    assert set(result.scores()) == keys
    assert math.isnan(result.accuracy)
    assert math.isnan(result.r2)
    np.testing.assert_allclose(result.output_b_o, result.ann_output_b_o, atol=1e-6)  # sigmoids
    loaded = RunResult.load(tmp_path / "run")
    assert loaded.summary() == result.summary()
    np.testing.assert_array_equal(loaded.output_b_o, result.output_b_o)


def test_a_regression_resumes(tmp_path):
    network, targets = converted(3, Linear()), values(3) * 2
    changes = {"simulation": {"batch_size": 7}}
    calls = []
    whole = simulated(network, targets, changes=changes)
    part = simulated(
        network, targets, changes=changes, output_dir=tmp_path / "run",
        stop=lambda: calls.append(0) or len(calls) > 3 * (STEPS + 1),
    )  # fmt: skip
    assert part.interrupted
    found = simulated(network, targets, changes=changes, output_dir=tmp_path / "run", resume=True)
    for name in ("targets_b_o", "output_b_o", "ann_output_b_o", "error_b_t", "deviation_b_t"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    assert found.scores() == whole.scores()
    other = {"simulation": {"batch_size": 7, "task": "multilabel"}}
    with pytest.raises(DataError, match="labels other than 0 and 1"):
        simulated(network, targets, changes=other, output_dir=tmp_path / "run", resume=True)


def test_the_coefficient_of_determination_is_that_of_the_definition():
    targets = f4([[1, 10], [2, 10], [3, 10]])
    # The first output: 1 - (0 + 1 + 1) / (1 + 0 + 1). The second never changes.
    assert r_squared(f4([[1, 3], [3, 4], [2, 5]]), targets) == 0
    assert r_squared(targets, targets) == 1
    assert math.isnan(r_squared(targets[:, 1:], targets[:, 1:]))


def test_more_classes_than_16_bits_tell_apart():
    number = 40_000
    weight_io = np.zeros((1, number))
    weight_io[0, -1] = 1
    network = NetworkBuilder((1,)).dense([[1]]).dense(weight_io).build()
    network = network.replace(readout="membrane")
    data = (np.ones((1, 1)), np.array([number - 1]))
    result = run(network, "reference", data=data, settings=settings_of(simulation={"duration": 2}))
    assert result.decision_b.tolist() == [number - 1]
    assert result.accuracy == 1
