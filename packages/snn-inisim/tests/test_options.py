from types import SimpleNamespace

import numpy as np
import pytest

from snn_core.errors import SettingsError
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_inisim import SNN, INIsimOptions
from snn_inisim.options import chunk_size
from snn_inisim.startup import gpu_bytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_steps": -1}, "chunk_steps: found -1; expected at least 0"),
        ({"chunk_steps": True}, "chunk_steps: found True; expected a whole number"),
        ({"chunk_bytes": -1}, "chunk_bytes: found -1"),
        ({"jit": "yes"}, "jit: found 'yes'; expected true or false"),
        ({"chunks": 3}, "Unknown simulator option: 'chunks'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        SNN.options_type(**options)


@pytest.mark.parametrize(
    ("chunk_bytes", "expected"),
    [
        (4 * 10 * 50 * 1000, (10, 100)),  # the whole run fits
        (4 * 10 * 50 * 60, (10, 50)),  # at most 60 of 100 steps: 50 divides them
        (4 * 10 * 50 * 9, (10, 5)),
        (4 * 10 * 50 * 3, (5, 5)),  # 7 of 10 samples fit with four steps: 5 divide them
        (4 * 50 * 5, (1, 5)),
        (1, (1, 1)),
    ],
)
def test_chunks_fit_into_the_given_size_and_divide_batch_and_run(chunk_bytes, expected):
    options = INIsimOptions(chunk_bytes=chunk_bytes)
    assert chunk_size(options, num_steps=100, batch_size=10, largest_layer=50) == expected


def test_a_run_of_a_prime_number_of_steps_ends_with_a_shorter_chunk():
    options = INIsimOptions(chunk_bytes=4 * 20)
    assert chunk_size(options, num_steps=97, batch_size=1, largest_layer=1) == (1, 20)


def test_the_number_of_steps_can_be_given():
    options = INIsimOptions(chunk_steps=7)
    assert chunk_size(options, num_steps=100, batch_size=1, largest_layer=1) == (1, 7)
    assert chunk_size(options, num_steps=5, batch_size=1, largest_layer=1) == (1, 5)


def test_chunks_follow_the_memory_of_a_gpu():
    sizes = {"num_steps": 1000, "batch_size": 10, "largest_layer": 100_000}
    assert chunk_size(INIsimOptions(), **sizes) == (5, 5)
    assert chunk_size(INIsimOptions(), **sizes, gpu_bytes=16 * 100_000_000) == (10, 25)
    assert chunk_size(INIsimOptions(chunk_bytes=8_000_000), **sizes, gpu_bytes=2**34) == (5, 4)


def test_the_memory_of_the_largest_gpu_counts(monkeypatch):
    import tensorflow as tf
    from tensorflow.python.client import device_lib

    assert gpu_bytes() == 0
    kinds = [("CPU", 2**40), ("GPU", 2**30), ("GPU", 2**33)]
    devices = [SimpleNamespace(device_type=kind, memory_limit=size) for kind, size in kinds]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _kind: devices[1:])
    monkeypatch.setattr(device_lib, "list_local_devices", lambda: devices)
    assert gpu_bytes() == 2**33


@pytest.mark.parametrize("code", ["temporal_mean_rate", "ttfs"])
def test_sums_on_a_gpu_are_not_rounded_to_tensorfloat(monkeypatch, code):
    import tensorflow as tf

    from snn_inisim.layers import SpikeDense

    seen = []
    is_rounded = tf.config.experimental.tensor_float_32_execution_enabled
    weighted_sum = SpikeDense.weighted_sum

    def watched(layer, *inputs):
        seen.append(is_rounded())
        return weighted_sum(layer, *inputs)

    monkeypatch.setattr(SpikeDense, "weighted_sum", watched)
    network = NetworkBuilder((1,)).dense([[1]]).build()
    settings = Settings.of({"conversion": {"spike_code": code}})
    SNN(network, settings, INIsimOptions(engine="dense")).run_batch(np.ones((1, 1), np.float32))
    assert seen
    assert not any(seen)
    assert is_rounded()  # as before
