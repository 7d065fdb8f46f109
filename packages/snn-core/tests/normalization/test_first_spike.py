import numpy as np
import pytest

from snn_core.conversion import convert
from snn_core.errors import SettingsError, UnsupportedError
from snn_core.evaluation.forward import activations, predict
from snn_core.ir import MaxPooling2D, Softmax
from snn_core.normalization import first_spike_scales
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

CODES = ("ttfs", "ttfs_dyn_thresh", "ttfs_corrective")


def settings_of(code, *, steps=100, **conversion):
    return Settings.of(
        {
            "conversion": {"spike_code": code, "readout": "membrane", **conversion},
            "simulation": {"duration": steps},
        }
    )


def network_and_samples():
    rng = np.random.default_rng(0)
    net = NetworkBuilder((6, 6, 1)).conv2d(
        rng.normal(0.2, 0.4, (3, 3, 1, 4)), bias_o=[0.1, 0, -0.1, 0]
    )
    net.max_pooling((2, 2)).conv2d(rng.normal(0.1, 0.4, (2, 2, 4, 3))).flatten()
    net.dense(rng.normal(0, 0.5, (3, 4)), activation=Softmax())
    return net.build(readout="membrane"), rng.random((40, 6, 6, 1)).astype(np.float32)


@pytest.mark.parametrize("code", CODES)
def test_one_layer_is_fitted_to_its_spike_times(code):
    # One neuron whose activation is the input: f = x / (lambda + x) for a constant drive x.
    network = NetworkBuilder((1,)).dense([[1]]).dense([[1, 2]]).build(readout="membrane")
    x_b_l = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    scales, v_init = first_spike_scales(network, x_b_l, settings_of(code, steps=128))
    (name,) = scales
    scale = (1 - v_init[name]) * scales[name]
    share = x_b_l / (scale + x_b_l)
    expected = (x_b_l * share).sum() / (share**2).sum()
    # Times are whole steps: shares are off by up to half of 1/128, and shares here are about 1/4.
    assert scales[name] == pytest.approx(expected, rel=0.02)
    # Of the candidates, that on which steps and saturation cost least is one of the inner ones.
    assert 0.5 < scale < 20


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("per_channel", [False, True])
def test_conversion_keeps_the_function(code, per_channel):
    network, x_b_l = network_and_samples()
    settings = settings_of(code).updated({"normalization": {"per_channel": per_channel}})
    converted = convert(network, x_b_l, settings=settings)
    np.testing.assert_allclose(predict(converted, x_b_l), predict(network, x_b_l), atol=1e-5)
    assert "first spikes" in converted.history[-2]
    for layer in converted.spiking_layers[:-1]:
        assert (layer.v_init < 1).all()
    pool = next(layer for layer in converted if isinstance(layer, MaxPooling2D))
    assert (pool.weight_c == 1).all()


def test_without_a_ramp_the_usual_scales_are_used():
    network, x_b_l = network_and_samples()
    converted = convert(network, x_b_l, settings=settings_of("ttfs", ttfs_ramp=False))
    assert "percentile" in "".join(converted.history)
    assert all((layer.v_init == 0).all() for layer in converted.spiking_layers)


def test_continuous_windows_reach_beyond_the_largest_activation():
    network, x_b_l = network_and_samples()
    converted = convert(network, x_b_l, settings=settings_of("ttfs_exact", window_steps=0))
    hidden = [layer.name for layer in converted.spiking_layers[:-1]]
    for name, a_b_l in activations(converted, x_b_l, layers=hidden).items():
        assert a_b_l.max() == pytest.approx(0.5, rel=1e-5), name
    np.testing.assert_allclose(predict(converted, x_b_l), predict(network, x_b_l), atol=1e-5)


def test_scales_are_for_the_levels_of_the_code():
    network, x_b_l = network_and_samples()
    for code, option, levels in (
        ("temporal_pattern", {"num_bits": 4}, 16),
        ("ttfs_exact", {"window_steps": 12}, 12),
    ):
        settings = settings_of(code, **option).updated({"normalization": {"method": "mse"}})
        converted = convert(network, x_b_l, settings=settings)
        assert f"mse at {levels} steps" in converted.history[-2]
        with pytest.raises(SettingsError, match=next(iter(option))):
            convert(network, x_b_l, settings=settings, timesteps=8)


def test_a_counted_softmax_is_refused_before_work_starts():
    network, x_b_l = network_and_samples()
    settings = settings_of("ttfs", readout="counts")
    with pytest.raises(UnsupportedError, match="softmax_to_relu"):
        convert(network, x_b_l, settings=settings)
