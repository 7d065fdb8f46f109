"""Conversion as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from snn_core.codes import CODES as ALL_CODES
from snn_core.codes import rates_of, set_duration
from snn_core.conversion import PRESETS, convert, preset
from snn_core.errors import DataError, SettingsError, UnsupportedError
from snn_core.evaluation.forward import activations, predict
from snn_core.ir import (
    AveragePooling2D,
    BinarySigmoid,
    BinaryTanh,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Linear,
    MaxPooling2D,
    Network,
    QuantizedReLU,
    ReLU,
    Softmax,
)
from snn_core.running.run import run
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder

RNG = np.random.default_rng(11)


@pytest.fixture
def network() -> Network:
    """Convolution, average pool, convolution, max pool, softmax."""
    return Network(
        layers=(
            Input(name="input", output_shape=(8, 8, 1)),
            Conv2D(name="conv", inputs=("input",), output_shape=(8, 8, 4), activation=ReLU(),
                   weight_hwio=RNG.normal(size=(3, 3, 1, 4)), bias_o=RNG.normal(size=4),
                   padding="same"),
            AveragePooling2D(name="average", inputs=("conv",), output_shape=(4, 4, 4),
                             pool_size=(2, 2), strides=(2, 2), activation=Linear()),
            Conv2D(name="conv2", inputs=("average",), output_shape=(4, 4, 5), activation=ReLU(),
                   weight_hwio=RNG.normal(size=(1, 1, 4, 5)), bias_o=RNG.normal(size=5)),
            MaxPooling2D(name="maximum", inputs=("conv2",), output_shape=(2, 2, 5),
                         pool_size=(2, 2), strides=(2, 2)),
            Flatten(name="flatten", inputs=("maximum",), output_shape=(20,)),
            Dense(name="output", inputs=("flatten",), output_shape=(3,), activation=Softmax(),
                  weight_io=RNG.normal(size=(20, 3)), bias_o=RNG.normal(size=3)),
        )
    )  # fmt: skip


@pytest.fixture
def data() -> np.ndarray:
    return RNG.uniform(size=(40, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_keep_the_decisions_of_the_analog_network(network, data, name: str) -> None:
    converted = convert(network, data, settings=preset(name))
    before, after = predict(network, data), predict(converted, data)
    decided = after.max(axis=1) > 0  # a rectified output may leave no class
    assert decided.any()
    assert (before.argmax(axis=1) == after.argmax(axis=1))[decided].all()


def test_fast_is_the_default(network, data) -> None:
    converted = convert(network, data)
    assert converted.readout == "membrane"
    assert converted["conv"].v_init == 0.5
    assert converted["conv"].threshold == 1
    # Pools are relays, and max pooling works on the sums before it.
    assert [layer.name for layer in converted.spiking_layers] == ["conv", "maximum", "output"]


def test_seed_brings_the_percentile_to_a_rate_of_one(network, data) -> None:
    converted = convert(network, data, settings=preset("seed"))
    assert converted.readout == "counts"
    for name, values in activations(converted, data, layers=["conv", "conv2", "output"]).items():
        positive = values[values > 0]
        # Interpolation between neighbouring values in float32.
        assert np.percentile(positive, 99.9) == pytest.approx(1, rel=1e-4), name


def test_the_source_is_left_alone(network, data) -> None:
    before = {layer.name: layer.arrays for layer in network}
    convert(network, data)
    assert all(layer.arrays == before[layer.name] for layer in network)
    with pytest.raises(ValueError, match="read-only"):
        network["conv"].weight_hwio[0] = 0


def test_lossy_passes_report_what_they_cost(network, data) -> None:
    settings = preset("seed").updated({"conversion": {"max2avg_pool": True}})
    converted = convert(network, data, settings=settings)
    (note,) = [line for line in converted.history if "max_to_average" in line]
    assert "% of the decisions on the calibration data" in note


def test_normalization_none_leaves_the_weights(network, data) -> None:
    settings = Settings.of({"normalization": {"method": "none"}})
    converted = convert(network, data, settings=settings)
    assert (converted["conv"].weight_hwio == network["conv"].weight_hwio).all()


def test_only_the_first_samples_are_used_if_asked(network, data) -> None:
    few = preset("seed").updated({"normalization": {"num_samples": 5}})
    again = convert(network, data[:5], settings=preset("seed"))
    assert (
        convert(network, data, settings=few)["conv"].weight_hwio == again["conv"].weight_hwio
    ).all()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 8, 8, 3)), r"shape \(8, 8, 3\).*expects \(8, 8, 1\)"),
        (np.zeros((0, 8, 8, 1)), r"no samples \(shape"),
        (np.full((2, 8, 8, 1), np.nan), "NaN"),
    ],
)
def test_unusable_data_are_refused(network, bad: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert(network, bad)


def test_a_preset_is_named_where_a_network_is_converted(network, data) -> None:
    seed = preset("seed")
    assert convert(network, data, preset="seed", trial=False).settings == (
        convert(network, data, settings=seed, trial=False).settings
    )
    given = {"normalization": {"percentile": 99.0}, "cell": {"v_init": 0.25}}
    expected = convert(network, data, settings=seed.updated(given), trial=False).settings
    for settings in (given, Settings.of(given)):
        found = convert(network, data, preset="seed", settings=settings, trial=False)
        assert found.settings == expected
    assert convert(network, data, preset="fast", trial=False).settings == (
        convert(network, data, trial=False).settings
    )


@pytest.mark.parametrize("wrong", ["sead", 3, ["seed"]])
def test_no_preset_is_refused_where_a_network_is_converted(network, data, wrong) -> None:
    with pytest.raises(SettingsError, match="Unknown preset") as caught:
        convert(network, data, preset=wrong)
    assert ("Did you mean 'seed'?" in str(caught.value)) == (wrong != 3)


def test_unknown_preset_is_named() -> None:
    with pytest.raises(SettingsError, match=r"Unknown preset 'slow'. Known: fast, seed"):
        preset("slow")
    with pytest.raises(SettingsError, match=r"'fats'. Did you mean 'fast'?"):
        preset("fats")


@pytest.mark.parametrize("method", ["seed", "fast"])
@pytest.mark.parametrize("pool", [AveragePooling2D, MaxPooling2D])
def test_pools_that_rectify_sums_get_a_scale_of_their_own(data, pool, method: str) -> None:
    """Convolution, pool, ReLU: without a scale, rates above one spike per step would be lost."""
    network = Network(
        layers=(
            Input(name="input", output_shape=(8, 8, 1)),
            Conv2D(name="conv", inputs=("input",), output_shape=(8, 8, 2), activation=Linear(),
                   weight_hwio=np.full((1, 1, 1, 2), 10.0), bias_o=np.zeros(2)),
            pool(name="pool", inputs=("conv",), output_shape=(4, 4, 2), activation=ReLU(),
                 pool_size=(2, 2), strides=(2, 2)),
            Flatten(name="flatten", inputs=("pool",), output_shape=(32,)),
            Dense(name="output", inputs=("flatten",), output_shape=(3,),
                  weight_io=RNG.normal(size=(32, 3)), bias_o=np.zeros(3)),
        )
    )  # fmt: skip
    settings = preset(method).updated({"conversion": {"maxpool_type": "pre_spike_max"}})
    converted = convert(network, data, settings=settings)
    (rates,) = activations(converted, data, layers=["pool"]).values()
    # The percentile cuts off a thousandth, the smallest squared error a few values at the top.
    assert 0.9 < rates.max() < 1.1


def test_a_bound_below_one_is_kept_without_normalization(data) -> None:
    """A neuron that fires in every step stands for its scale, which then has to be the bound."""
    network = Network(
        layers=(
            Input(name="input", output_shape=(8, 8, 1)),
            Flatten(name="flatten", inputs=("input",), output_shape=(64,)),
            Dense(name="hidden", inputs=("flatten",), output_shape=(5,),
                  activation=ReLU(max_value=0.5),
                  weight_io=RNG.normal(size=(64, 5)), bias_o=np.zeros(5)),
            Dense(name="output", inputs=("hidden",), output_shape=(3,),
                  weight_io=RNG.normal(size=(5, 3)), bias_o=np.zeros(3)),
        )
    )  # fmt: skip
    settings = Settings.of({"normalization": {"method": "none"}})
    converted = convert(network, data, settings=settings)
    assert activations(converted, data, layers=["hidden"])["hidden"].max() == 1
    np.testing.assert_allclose(
        predict(converted, data), predict(network, data), rtol=1e-5, atol=1e-6
    )


def _bounded(bound: float, activation: type = ReLU) -> Network:
    """Three neurons that multiply their inputs by 20, 5 and 20, and clip."""
    extra = {} if activation is ReLU else {"step": bound / 8}
    return Network(
        layers=(
            Input(name="input", output_shape=(3,)),
            Dense(name="hidden", inputs=("input",), output_shape=(3,), bias_o=np.zeros(3),
                  activation=activation(max_value=bound, **extra),
                  weight_io=np.diag([20.0, 5.0, 20.0])),
            Dense(name="output", inputs=("hidden",), output_shape=(3,), weight_io=np.eye(3),
                  bias_o=np.zeros(3)),
        )
    )  # fmt: skip


SATURATING = np.array([[1.0, 0.2, 0.9], [0.5, 0.1, 0.8], [1.0, 0.2, 0.0]], np.float32)
"""Sums of 1, 4, 10 and more. The second neuron never reaches a bound of 6."""

CODES = ("temporal_mean_rate", "temporal_pattern", "ttfs_exact")


@pytest.mark.parametrize("bound", [6.0, 0.5])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_neurons_saturate_at_their_bound(name: str, code: str, bound: float) -> None:
    network, far = _bounded(bound), np.array([[9, 9, 9]], np.float32)
    settings = preset(name).updated(
        {"conversion": {"spike_code": code, "readout": "membrane"}, "simulation": {"duration": 16}}
    )
    converted = convert(network, SATURATING, settings=settings)
    np.testing.assert_array_equal(predict(converted, far), predict(network, far))
    settings = set_duration(settings, converted).updated({"output": {"log_vars": ["spiketrains"]}})
    trains = ReferenceSNN(converted, settings).run_batch(far).spiketrains_n_b_l_t["hidden"]
    (rates,) = rates_of({"hidden": trains}, settings)["hidden"]
    found = rates * converted.scale_facs["hidden"]
    np.testing.assert_allclose(found[[0, 2]], bound, rtol=1e-6)  # scales are float32
    # The second one may keep to what calibration saw of it, 1.
    assert 0.99 * min(bound, 1.0) < found[1] < bound * (1 + 1e-6)


@pytest.mark.parametrize("window_steps", [0, 32])
def test_windows_with_headroom_end_at_the_bound(window_steps: int) -> None:
    """Twice the largest activation would be 12."""
    settings = preset("fast").updated(
        {"conversion": {"spike_code": "ttfs_exact", "window_steps": window_steps}}
    )
    converted = convert(_bounded(6.0), SATURATING, settings=settings)
    assert converted.scale_facs["hidden"].max() == 6


@pytest.mark.parametrize("dt", [0.25, 1.0])
def test_bounds_hold_for_steps_of_any_length(dt: float) -> None:
    settings = preset("fast").updated({"simulation": {"dt": dt, "duration": 16}})
    converted = convert(_bounded(6.0), SATURATING, settings=settings)
    far = np.array([[9, 9, 9]], np.float32)
    found = ReferenceSNN(converted, settings).run_batch(far)
    spikes = found.spikecounts_n_b_l["hidden"][0]
    assert spikes.tolist() == [16 / dt] * 3
    rates_per_ms = spikes[[0, 2]] / 16
    np.testing.assert_allclose(rates_per_ms * converted.scale_facs["hidden"][[0, 2]], 6, rtol=1e-6)


def test_a_run_whose_neurons_could_pass_their_bound_is_refused() -> None:
    converted = convert(_bounded(6.0), SATURATING)
    ReferenceSNN(converted, preset("fast"))
    finer = preset("fast").updated({"simulation": {"dt": 0.5}})
    with pytest.raises(UnsupportedError, match=r"hidden: found neurons that may fire 2 times.*dt"):
        ReferenceSNN(converted, finer)
    payloads = preset("fast").updated({"cell": {"payloads": True}})
    with pytest.raises(UnsupportedError, match=r"hidden: .*payloads have no upper bound"):
        ReferenceSNN(converted, payloads)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_staircases_keep_their_bound(name: str) -> None:
    network = _bounded(2.0, QuantizedReLU)
    settings = preset(name).updated({"conversion": {"readout": "membrane"}})
    converted = convert(network, SATURATING, settings=settings)
    x = np.linspace(-1, 2, 90, dtype=np.float32).reshape(-1, 3)
    close = np.isclose(predict(converted, x), predict(network, x), rtol=1e-5, atol=1e-6)
    # Scales round, which may tip single values over a stair.
    assert close.mean() > 0.95


@pytest.mark.parametrize("code", ["ttfs", "ttfs_dyn_thresh", "ttfs_corrective"])
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_first_spikes_come_no_earlier_than_the_bound(name: str, code: str) -> None:
    network = _bounded(6.0)
    settings = preset(name).updated(
        {
            "conversion": {"spike_code": code, "readout": "membrane"},
            "output": {"log_vars": ["spiketrains"]},
            "simulation": {"duration": 64},
        }
    )
    converted = convert(network, SATURATING, settings=settings)
    x = np.array([[0.3, 0.2, 0.3], [0.32, 0.2, 0.32], [9, 9, 9]], np.float32)
    below, at, beyond = ReferenceSNN(converted, settings).run_batch(x).spiketrains_n_b_l_t["hidden"]
    np.testing.assert_array_equal(beyond[[0, 2]], at[[0, 2]])
    assert at[0].argmax() <= below[0].argmax()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_pools_of_sums_pass_their_maximum_on_exactly(data, name: str) -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(8, 8, 1)),
            Conv2D(name="conv", inputs=("input",), output_shape=(8, 8, 3), activation=Linear(),
                   weight_hwio=np.array([[[[1.0, -1.0, 0.5]]]]), bias_o=np.array([-0.5, 0.25, 0])),
            MaxPooling2D(name="pool", inputs=("conv",), output_shape=(4, 4, 3), padding="same",
                         pool_size=(3, 3), strides=(2, 2), activation=Linear(),
                         sign_c=np.array([1, 1, -1])),
            Flatten(name="flatten", inputs=("pool",), output_shape=(48,)),
            Dense(name="output", inputs=("flatten",), output_shape=(3,),
                  weight_io=RNG.normal(size=(48, 3)), bias_o=np.zeros(3)),
        )
    )  # fmt: skip
    settings = preset(name).updated({"conversion": {"readout": "membrane"}})
    settings = settings.updated({"simulation": {"duration": 20}})
    converted = convert(network, data, settings=settings)
    assert [layer.name for layer in converted.spiking_layers] == ["output"]
    potentials = ReferenceSNN(converted, settings).run_batch(data).output_b_l_t
    expected = predict(network, data)
    for steps in (1, 20):
        # Twenty sums of float32 values.
        np.testing.assert_allclose(
            potentials[..., steps - 1], steps * expected, rtol=1e-4, atol=1e-4
        )


def test_staircases_and_binary_activations_keep_their_function(data) -> None:
    for activation in (QuantizedReLU(step=0.25, max_value=2.75), BinarySigmoid(), BinaryTanh()):
        network = Network(
            layers=(
                Input(name="input", output_shape=(8, 8, 1)),
                Flatten(name="flatten", inputs=("input",), output_shape=(64,)),
                Dense(name="hidden", inputs=("flatten",), output_shape=(5,), activation=activation,
                      weight_io=RNG.normal(size=(64, 5)), bias_o=np.zeros(5)),
                Dense(name="output", inputs=("hidden",), output_shape=(3,),
                      weight_io=RNG.normal(size=(5, 3)), bias_o=np.zeros(3)),
            )
        )  # fmt: skip
        settings = preset("seed").updated({"conversion": {"readout": "membrane"}})
        converted = convert(network, data, settings=settings)
        # Scaling moves values by float32 rounding, which may tip one of 200 over a stair.
        found, expected = predict(converted, data), predict(network, data)
        close = np.isclose(found, expected, rtol=1e-4, atol=1e-4)
        assert close.all(axis=1).mean() > 0.95, activation


@pytest.mark.parametrize("code", sorted(ALL_CODES))
def test_outputs_share_a_scale_so_that_they_can_be_compared(code) -> None:
    """A rectified output would otherwise be read channel by channel in units of its own."""
    factors = np.array([8, 9, 11, 13]) / 8
    samples = np.tile(np.arange(1, 5), (30, 1)) / np.float32(4)
    samples = np.random.default_rng(0).permuted(samples, axis=1).astype(np.float32)
    network = NetworkBuilder((4,)).dense(np.eye(4)).dense(np.diag(factors)).build()
    sections = {"conversion": {"spike_code": code}, "simulation": {"duration": 64.0}}
    settings = preset("fast").updated(sections)
    converted = convert(network, samples, settings=settings)
    assert converted.scale_facs[converted.output.name].shape == ()
    data = samples, (samples * factors).argmax(axis=1)
    found = run(converted, "reference", data=data, settings=settings)
    assert found.ann_accuracy == 1
    # The nearest outputs are 1/32 apart, which times of first spikes may miss.
    assert found.accuracy > 0.9
