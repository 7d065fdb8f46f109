import dataclasses

import numpy as np
import pytest

from snn_core.errors import ArtifactError
from snn_core.evaluation.forward import activations
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
    run = view(run_dir)
    result = make_run()
    trains, wanted = result.logged("spiketrains"), activations(network, data[0])
    for layer in run.layers:
        assert layer.spikes_b_t.shape == (SAMPLES, STEPS)
        assert layer.spikes_b_t.sum() == (trains[layer.name] != 0).sum()
        # Sums of float64 in another order.
        np.testing.assert_allclose(
            layer.mean_rates_l, trains[layer.name].mean(axis=(0, -1)), rtol=1e-12
        )
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
    run = view(run_dir, sample_id=4)
    trains = make_run().logged("spiketrains")
    assert run.sample == 4
    for layer in run.layers:
        np.testing.assert_array_equal(layer.spiketrains_l_t, trains[layer.name][4])


def test_activations_are_the_rates_that_neurons_should_have_in_one_step(make_run):
    half = view(make_run(dt=0.5))
    whole = view(make_run(dt=1.0))
    for first, second in zip(half.layers, whole.layers, strict=True):
        np.testing.assert_array_equal(first.activations_l, second.activations_l / 2)


def test_an_unknown_sample_is_named(run_dir):
    with pytest.raises(ArtifactError, match="no sample 99; it has 7 samples from 0 to 6"):
        view(run_dir, sample_id=99)


def test_what_was_not_recorded_is_none(plain_dir):
    run = view(plain_dir)
    assert run.recorded == frozenset()
    assert run.input_l is None
    assert all(layer.rates_l is None and layer.pearson_b is None for layer in run.layers)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no result folder"):
        view(tmp_path)


def test_layers_are_found_by_label(run_dir):
    run = view(run_dir)
    assert run[run.layers[0].name] is run.layers[0]
    with pytest.raises(KeyError, match="No layer 'x'; the run has 01Conv2D"):
        run["x"]
