import dataclasses

import numpy as np
import pytest

from snn_core import run
from snn_core.codes import to_binary_numpy
from snn_core.errors import ArtifactError
from snn_core.evaluation.forward import activations
from snn_core.settings import RECORDABLE, Settings
from snn_plot.correlation import plot_layer_correlation
from snn_plot.recorded import view

STEPS, SAMPLES = 20, 7


def test_a_folder_and_a_result_in_memory_give_the_same(run_dir, make_run):
    from_folder, from_memory = view(run_dir), view(make_run())
    for first, second in zip(from_folder.layers, from_memory.layers, strict=True):
        for field in dataclasses.fields(first):
            a, b = getattr(first, field.name), getattr(second, field.name)
            np.testing.assert_array_equal(a, b, err_msg=f"{first.name}.{field.name}")
    assert from_folder.result.accuracy == from_memory.result.accuracy
    np.testing.assert_array_equal(from_folder.input_l, from_memory.input_l)


def test_averages_cover_all_samples(run_dir, make_run, network, data):
    viewed = view(run_dir)
    result = make_run()
    trains, wanted = result.logged("spiketrains"), activations(network, data[0])
    for layer in viewed.layers:
        assert layer.spikes_b_t.shape == (SAMPLES, STEPS)
        assert layer.spikes_b_t.sum() == (trains[layer.name] != 0).sum()
        rates = trains[layer.name].mean(axis=-1).astype(np.float32)
        # Sums of float64 in another order.
        np.testing.assert_allclose(layer.mean_rates_l, rates.mean(axis=0, dtype=float), rtol=1e-12)
        np.testing.assert_allclose(
            layer.mean_activations_l,
            wanted[layer.name].mean(axis=0, dtype=float),
            rtol=1e-6,  # float32 matrix products, whose order of sums depends on the batch
        )
        np.testing.assert_allclose(
            layer.max_activations_b, wanted[layer.name].reshape(SAMPLES, -1).max(axis=1), rtol=1e-6
        )


def test_batches_do_not_matter(run_dir, make_run):
    for first, second in zip(
        view(run_dir).layers, view(make_run(batch_size=SAMPLES)).layers, strict=True
    ):
        np.testing.assert_array_equal(first.pearson_b, second.pearson_b)
        np.testing.assert_array_equal(first.spikes_b_t, second.spikes_b_t)
        np.testing.assert_array_equal(first.rates_l, second.rates_l)


def test_a_sample_is_chosen_by_its_index_in_the_data(run_dir, make_run):
    viewed = view(run_dir, sample_id=4)
    trains = make_run().logged("spiketrains")
    assert viewed.sample == 4
    for layer in viewed.layers:
        np.testing.assert_array_equal(layer.spiketrains_l_t, trains[layer.name][4])


def test_activations_are_the_rates_that_neurons_should_have_in_one_step(make_run):
    half = view(make_run(dt=0.5))
    whole = view(make_run(dt=1.0))
    for first, second in zip(half.layers, whole.layers, strict=True):
        np.testing.assert_array_equal(first.activations_l, second.activations_l / 2)


def coded_run(network, data, *, dt=0.5, **conversion):
    """Run under a spike code, with everything recorded."""
    settings = Settings.of(
        {
            "conversion": {"readout": "membrane", **conversion},
            "simulation": {"dt": dt, "batch_size": 3},
            "output": {"log_vars": list(RECORDABLE)},
        }
    )
    return run(network.replace(readout="membrane"), "reference", data=data, settings=settings)


@pytest.mark.parametrize(
    ("conversion", "rounded"),
    [
        (
            {"spike_code": "temporal_pattern", "num_bits": 6},
            lambda a: to_binary_numpy(a, 6).sum(axis=-1),
        ),
        (
            {"spike_code": "ttfs_exact", "window_steps": 16},
            lambda a: np.clip(np.floor(a * 16 + 0.5), 0, 16) / 16,
        ),
    ],
    ids=["temporal_pattern", "ttfs_exact"],
)
def test_numbers_without_a_unit_are_the_activations_but_for_rounding(
    network, data, conversion, rounded
):
    found = view(coded_run(network, data, **conversion))
    wanted = activations(network, data[0][:1])
    first = found.layers[0]
    np.testing.assert_array_equal(first.activations_l, wanted[first.name][0])
    np.testing.assert_array_equal(first.rates_l, rounded(wanted[first.name][0]))
    assert np.nanmin(first.pearson_b) > 0.9
    assert found.units("ms").rate == "1"
    figure = plot_layer_correlation(
        first.points_p, first.expected_p, label=first.name, units=found.units("ms")
    )
    assert figure.axes[0].get_xlabel() == "activation"


@pytest.mark.parametrize(
    ("conversion", "levels"),
    [
        ({"spike_code": "temporal_pattern", "num_bits": 4}, np.arange(16) / 16),
        ({"spike_code": "ttfs_exact", "window_steps": 16}, np.arange(17) / 16),
        ({"spike_code": "ttfs_exact", "window_steps": 0}, None),
        ({"spike_code": "temporal_pattern", "num_bits": 12}, None),
    ],
    ids=["temporal_pattern", "ttfs_exact", "continuous", "many bits"],
)
def test_the_numbers_that_spike_trains_can_stand_for_follow_from_the_code(
    network, data, conversion, levels
):
    found = view(coded_run(network, data, **conversion)).levels
    if levels is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, levels)


@pytest.mark.parametrize("steps", [6, 16])
def test_a_first_spike_stands_for_its_inverse_time(network, data, steps):
    settings = Settings.of(
        {"conversion": {"spike_code": "ttfs"}, "simulation": {"duration": steps, "dt": 1}}
    )
    found = view(run(network, "reference", data=data, settings=settings)).levels
    # Rates are float32.
    wanted = np.append(0, 1 / np.arange(steps, 0, -1))
    np.testing.assert_allclose(found, wanted, rtol=1e-7)


def test_spike_times_in_continuous_time_cannot_be_read_from_trains(network, data):
    found = view(coded_run(network, data, spike_code="ttfs_exact", window_steps=0))
    assert all(layer.rates_l is None and layer.pearson_b is None for layer in found.layers)


def test_an_unknown_sample_is_named(run_dir):
    with pytest.raises(ArtifactError, match="no sample 99; it has 7 samples from 0 to 6"):
        view(run_dir, sample_id=99)


def test_what_was_not_recorded_is_none(plain_dir):
    viewed = view(plain_dir)
    assert viewed.recorded == frozenset()
    assert viewed.input_l is None
    assert all(layer.rates_l is None and layer.pearson_b is None for layer in viewed.layers)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no result folder"):
        view(tmp_path)


def test_layers_are_found_by_label(run_dir):
    viewed = view(run_dir)
    assert viewed[viewed.layers[0].name] is viewed.layers[0]
    with pytest.raises(KeyError, match="No layer 'x'; the run has 01Conv2D"):
        viewed["x"]
