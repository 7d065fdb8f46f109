"""Trials of networks of which is known what goes wrong, and what to say about it."""

import warnings

import numpy as np
import pytest

from snn_core import convert, load, run
from snn_core.conversion import preset
from snn_core.conversion.trial import TrialWarning, measure, try_out
from snn_core.ir import Linear, ReLU
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

EYE = np.eye(4)
QUARTERS = np.random.default_rng(0).permuted(np.tile(np.arange(1, 5), (60, 1)), axis=1) / 4
X = QUARTERS.astype(np.float32)
"""Samples with the values 1/4, 2/4, 3/4 and 1 in any order."""
Y = X.argmax(axis=1)
CODES = (
    "temporal_mean_rate",
    "temporal_pattern",
    "ttfs",
    "ttfs_dyn_thresh",
    "ttfs_corrective",
    "ttfs_exact",
)


def chain(*weights, activation=None):
    """Return a network of dense layers; the last one is the output."""
    builder = NetworkBuilder((len(weights[0]),))
    for weight_io in weights[:-1]:
        builder.dense(weight_io)
    return builder.dense(weights[-1], activation=activation or ReLU()).build()


def deep():
    """Return a network of six layers with differences in every one of them."""
    rng = np.random.default_rng(4)
    weights = [rng.normal(0, (2 / 16) ** 0.5, (16, 16)) for _ in range(5)]
    return chain(*weights, rng.normal(0, 0.5, (16, 8)))


def trial_of(network, x_b_l=X, labels_b=None, *, base=None, **sections):
    """Convert and try out; without scales and in 8 steps, unless the sections say otherwise."""
    plain = Settings.of({"normalization": {"method": "none"}, "simulation": {"duration": 8}})
    settings = (base or plain).updated(sections)
    converted = convert(network, x_b_l, settings=settings, trial=False)
    data = x_b_l if labels_b is None else (x_b_l, labels_b)
    return try_out(converted, data, source=network)


def test_a_network_that_is_exact():
    found = trial_of(chain(EYE, EYE), labels_b=Y)
    assert str(found) == (
        "spiking network on 20 calibration samples, 8 steps: 20 of 20 decisions as the analog "
        "network; 20 of 20 right"
    )
    assert found.warnings == ()
    (layer,) = found.layers
    assert (layer.error, layer.clipped, layer.silent, layer.largest) == (0, 0, 0, 1)


def test_labels_tell_both_networks_apart():
    found = trial_of(chain(4 * EYE, EYE), labels_b=Y)
    assert (found.right, found.analog_right) == (found.agreeing, 20)
    assert str(found).endswith(f"; {found.right} of 20 right (analog network: 20)")


def test_fewer_samples_and_steps_are_counted_as_they_are():
    line = str(trial_of(chain(EYE, EYE), X[:1], simulation={"duration": 1}))
    assert line.startswith("spiking network on 1 calibration sample, 1 step: ")


def test_a_threshold_that_is_too_low():
    # Activations of 1, 2, 3 and 4, of which 0, 1, 2 and 3 are above one spike per step.
    found = trial_of(chain(4 * EYE, EYE))
    (layer,) = found.layers
    assert layer.clipped == layer.error == 6 / 10
    (warning,) = found.warnings
    assert warning == (
        f"The spiking network does not do what the analog network does: {found.agreeing} of 20 "
        f"decisions as the analog network, which stands for 18% to 57% of all. Likely reason: "
        f"01Dense_4: 60% of its activity is above "
        f"a spike in every step and lost; scale the weights: set normalization.method to "
        f"'percentile' or 'mse'."
    )


def test_a_percentile_that_is_too_low():
    sections = {"normalization": {"method": "percentile", "percentile": 25.0}}
    (warning,) = trial_of(chain(4 * EYE, EYE), **sections).warnings
    assert "01Dense_4: 38% of its activity is above a spike in every step" in warning
    assert "raise normalization.percentile, which is 25" in warning


def test_steps_that_are_too_long():
    (warning,) = trial_of(chain(EYE, EYE), simulation={"dt": 4.0, "duration": 32}).warnings
    assert "60% of its activity is above a spike in every step and lost" in warning
    assert "shorten simulation.dt, which is 4 ms, to 1 ms" in warning


def test_a_threshold_that_is_too_high():
    (warning,) = trial_of(chain(EYE / 64, EYE)).warnings
    assert "01Dense_4: its largest activation is 0.016 of the threshold" in warning
    assert "100% of its activity is in neurons that never spike" in warning


def test_too_few_steps():
    # A spike in one step tells 3/4 from 1, and nothing less.
    few = {"simulation": {"duration": 1}, "cell": {"v_init": 0.5}}
    (warning,) = trial_of(chain(EYE, EYE), **few).warnings
    assert "Likely reason: 1 steps are too few; 01Dense_4 is" in warning
    # What was simulated is this network; converting for 4 steps would choose other scales.
    assert "run this network with --timesteps 4 (timesteps=4), which gave" in warning
    assert warning.endswith("which gave 20 of 20 decisions as the analog network.")


def test_the_advice_for_too_few_steps_holds():
    settings = Settings.of(
        {
            "normalization": {"method": "none"},
            "simulation": {"duration": 1, "batch_size": 20},
            "cell": {"v_init": 0.5},
        }
    )
    x_b_l = X[np.linspace(0, len(X) - 1, 20).astype(int)]
    with pytest.warns(TrialWarning, match="timesteps=4"):
        network = convert(chain(EYE, EYE), x_b_l, settings=settings)
    found = run(network, "reference", data=(x_b_l, x_b_l.argmax(axis=1)), timesteps=4)
    assert found.accuracy == 1


@pytest.mark.parametrize(
    ("code", "setting", "message"),
    [
        ("temporal_pattern", "num_bits", "raise conversion.num_bits, which is 1"),
        ("ttfs_exact", "window_steps", "raise conversion.window_steps, which is 1"),
    ],
)
def test_too_few_levels(code, setting, message):
    conversion = {"spike_code": code, setting: 1}
    (warning,) = trial_of(chain(EYE, EYE), base=preset("fast"), conversion=conversion).warnings
    assert message in warning


def test_settings_that_change_the_neuron():
    (warning,) = trial_of(chain(EYE, EYE), cell={"leak": 0.5}).warnings
    assert "cell.leak = 0.5; with the default, 20 of 20 decisions as the analog" in warning


@pytest.mark.parametrize("setting", ["cell.payloads", "normalization.online_normalization"])
def test_spikes_that_carry_more_or_less_are_not_counted(setting):
    section, key = setting.split(".")
    assert trial_of(chain(4 * EYE, EYE), **{section: {key: True}}).layers == ()


def test_a_lossy_pass():
    weights = np.diag([1, 2, 3, 4]) / 8
    (warning,) = trial_of(chain(weights, EYE), cell={"binarize_weights": True}).warnings
    assert "the lossy binarize_weights alone changes " in warning


def test_an_output_that_never_spikes():
    (warning,) = trial_of(chain(EYE, -EYE, activation=Linear())).warnings
    assert "02Dense_4: no output spikes for 20 samples, whose outputs are negative" in warning
    assert "convert with conversion.readout = 'membrane'" in warning


@pytest.mark.parametrize("code", ["ttfs", "ttfs_dyn_thresh", "ttfs_corrective"])
def test_first_spikes_in_a_deep_network(code):
    x_b_l = np.random.default_rng(0).random((40, 16), np.float32)
    sections = {"simulation": {"duration": 32}, "conversion": {"spike_code": code}}
    found = trial_of(deep(), x_b_l, base=preset("fast"), **sections)
    (warning,) = found.warnings
    assert f"the first-spike code {code!r} on a deep network" in warning
    worst = max(found.layers, key=lambda layer: layer.error)
    assert f"from {found.layers[0].error:.0%} in 01Dense_16 to {worst.error:.0%} in" in warning
    assert f"in {worst.name}, layer {found.layers.index(worst) + 1} of 5;" in warning
    assert "convert for 'ttfs_exact'" in warning


def test_exact_spike_times_in_a_deep_network():
    x_b_l = np.random.default_rng(0).random((40, 16), np.float32)
    conversion = {"spike_code": "ttfs_exact", "window_steps": 128}
    found = trial_of(deep(), x_b_l, base=preset("fast"), conversion=conversion)
    assert found.agreeing >= 19
    assert found.warnings == ()
    continuous = {"spike_code": "ttfs_exact", "window_steps": 0}
    assert trial_of(deep(), x_b_l, base=preset("fast"), conversion=continuous).agreeing == 20


def test_decisions_that_are_close():
    close = np.array([[1, 1], [1, 1], [1, 1], [1, 1 + 1 / 64]])
    (warning,) = trial_of(chain(EYE, close)).warnings
    assert "the analog network is nearly undecided there" in warning


@pytest.mark.parametrize(
    ("code", "readout"),
    [*((code, "membrane") for code in CODES), ("temporal_mean_rate", "counts"),
     ("ttfs", "counts"), ("ttfs_dyn_thresh", "counts"), ("ttfs_corrective", "counts")],
)  # fmt: skip
def test_an_output_that_is_a_number(code, readout):
    conversion = {"spike_code": code, "readout": readout}
    sections = {"conversion": conversion, "simulation": {"duration": 64}}
    network = chain(EYE, np.full((4, 1), 0.25))
    found = trial_of(network, base=preset("fast"), **sections)
    assert found.agreeing is None
    # The mean of 1/4 to 1 is exact but for the digits of a pattern, and the steps of a spike time.
    assert found.output_error < 0.02
    assert f"outputs {found.output_error:.1%} off those of the analog network" in str(found)
    assert found.warnings == ()


def test_an_output_that_is_a_wrong_number():
    network = chain(4 * EYE, np.ones((4, 1)))
    found = trial_of(network, conversion={"readout": "membrane"})
    assert found.output_error == 0.6
    (warning,) = found.warnings
    assert "outputs 60.0% off those of the analog network on 20 samples. Likely" in warning


def test_an_output_that_is_an_image_decides_nothing():
    network = NetworkBuilder((4, 4, 1)).conv2d(np.ones((1, 1, 1, 2))).build()
    found = trial_of(network, np.ones((3, 4, 4, 1)))
    assert (found.agreeing, found.output_error) == (None, 0)


def test_an_analog_network_that_guesses():
    found = trial_of(chain(EYE, EYE), 255 * X, (Y + 1) % 4, base=preset("fast"))
    assert found.agreeing == 20
    (warning,) = found.warnings
    assert "analog network itself is right on 0 of 60 calibration samples" in warning
    assert "values range from 63.75 to 255: check that data are scaled" in warning
    assert not trial_of(chain(EYE, EYE), X[:20], (Y[:20] + 1) % 4).warnings


def test_samples_become_fewer_and_none_as_networks_grow(monkeypatch):
    each = 2 * 16 * 8  # two layers of 16 synapses, 8 steps
    monkeypatch.setattr(measure, "BUDGET", 3.5 * each)
    assert trial_of(chain(EYE, EYE)).samples == 3
    monkeypatch.setattr(measure, "BUDGET", each / 2)
    assert trial_of(chain(EYE, EYE)).samples == 1
    monkeypatch.setattr(measure, "MOST", each - 1)
    found = trial_of(chain(EYE, EYE))
    assert not found.simulated
    assert str(found).startswith("not tried out: a sample takes ")


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"input": {"encoding": "events"}}, "input.encoding = 'events' needs recordings"),
        ({"simulation": {"reset_between_nth_sample": 2}}, "samples follow each other"),
        ({"cell": {"clamp_indices": {"7": 1}}}, "cannot simulate this network"),
    ],
)
def test_what_cannot_be_tried_out(sections, reason):
    found = trial_of(chain(EYE, EYE), **sections)
    assert not found.simulated
    assert reason in found.reason


def test_no_samples_of_another_batch_decide():
    """The same samples are picked each time, from all of the data."""
    ordered = X[np.argsort(Y)]
    found = trial_of(chain(EYE, EYE), ordered, labels_b=np.sort(Y))
    assert found.right == 20
    assert found == trial_of(chain(EYE, EYE), ordered, labels_b=np.sort(Y))


def test_convert_says_what_came_of_it(tmp_path):
    network = convert(chain(EYE, EYE), (X, Y))
    assert network.history[-1].startswith("spiking network on 20 calibration samples, 32 steps: 20")
    assert network.history[-1].endswith("20 of 20 right")
    network.save(tmp_path / "model.snn")
    assert load(tmp_path / "model.snn").history == network.history


def test_convert_warns():
    settings = {"normalization": {"method": "none"}}
    with pytest.warns(TrialWarning, match="01Dense_4: 60% of its activity is above") as caught:
        convert(chain(4 * EYE, EYE), X, settings=settings)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = convert(chain(4 * EYE, EYE), X, settings=settings, trial=False)
    assert not any("spiking network" in line for line in quiet.history)
