import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from snn_core.errors import UnsupportedError
from snn_core.reference import ReferenceSNN
from snn_core.settings import Settings
from snn_inisim import SNN

FIRST_SPIKE = ("ttfs", "ttfs_dyn_thresh", "ttfs_corrective")
ALL = ("temporal_pattern", *FIRST_SPIKE, "ttfs_exact")


def settings_of(code, *, steps=16, dt=1.0, record=("spiketrains",), top_k=5, **conversion):
    return Settings.of(
        {
            "conversion": {"spike_code": code, **conversion},
            "simulation": {"duration": steps * dt, "dt": dt, "top_k": top_k},
            "output": {"log_vars": list(record)},
        }
    )


def assert_as_emulated(network, settings, x_b_l, emulate):
    """Assert equal spikes of all layers in all steps, equal potentials and equal operations."""
    snn = SNN(network, settings)
    found = snn.run_batch(x_b_l)
    plains = [emulate(x_l.astype(float)) for x_l in x_b_l]
    for layer in network.spiking_layers:
        expected = np.stack([plain.spikes[layer.name] for plain in plains])
        spikes = found.spiketrains_n_b_l_t[layer.name]
        if layer is not network.output or network.readout == "counts":
            assert expected.any(), f"{layer.name} is silent and proves nothing"
        assert spikes.shape == expected.shape
        differing = np.count_nonzero(spikes != expected)
        assert differing == 0, f"{layer.name}: {differing} of {spikes.size} spikes differ"
        total = np.abs(expected).sum(axis=-1)
        np.testing.assert_array_equal(found.spikecounts_n_b_l[layer.name], total)
    if network.readout == "membrane":
        expected = np.stack([plain.potentials for plain in plains])
        np.testing.assert_array_equal(found.output_b_l_t, expected)
    return found, plains


@pytest.mark.parametrize("pool_neurons", [False, True], ids=["relays", "neurons"])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_patterns_are_the_emulated_ones(codes, bits, pool_neurons):
    network = codes.branched(pool_neurons=pool_neurons)
    settings = settings_of("temporal_pattern", num_bits=bits)
    x_b_l = codes.samples(network, 3)
    assert_as_emulated(
        network, settings, x_b_l, lambda x: codes.pattern(network, x, bits=bits)
    )


@pytest.mark.parametrize("pool_neurons", [False, True], ids=["relays", "neurons"])
@pytest.mark.parametrize("window_steps", [1, 4, 16])
def test_exact_spike_times_are_the_emulated_ones(codes, window_steps, pool_neurons):
    network = codes.branched(pool_neurons=pool_neurons)
    settings = settings_of("ttfs_exact", window_steps=window_steps)
    x_b_l = codes.samples(network, 3)
    found, _ = assert_as_emulated(
        network, settings, x_b_l, lambda x: codes.exact(network, x, window_steps=window_steps)
    )
    for counts_b_l in found.spikecounts_n_b_l.values():
        assert counts_b_l.max() <= 1


@pytest.mark.parametrize("readout", ["counts", "membrane"])
@pytest.mark.parametrize("ramp", [True, False], ids=["ramp", "original"])
@pytest.mark.parametrize("code", FIRST_SPIKE)
def test_first_spikes_are_the_emulated_ones(codes, code, ramp, readout):
    # 16 steps of 1/2 ms keep the share of the run that is left, and all products, exact.
    network = codes.branched(readout, v_init=0.25 if ramp else 0.0)
    settings = settings_of(code, ttfs_ramp=ramp, dt=0.5, top_k=2)
    x_b_l = codes.samples(network, 3)
    assert_as_emulated(
        network,
        settings,
        x_b_l,
        lambda x: codes.first_spike(
            network, x, steps=16, dt=0.5, code=code, ramp=ramp, top_k=2
        ),
    )
