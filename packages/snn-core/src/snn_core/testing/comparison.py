"""Comparison of what two simulators recorded, down to the first difference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snn_core.ir import Network
from snn_core.recording.recording import Recording
from snn_core.simulation.contract import Capabilities
from snn_core.typing import Array

MEMBRANE_TOLERANCE = 2.0**-20
"""Membranes are recorded divided by the threshold, which rounds at the 24th binary digit."""


def assert_same(
    expected: Recording,
    actual: Recording,
    network: Network,
    *,
    capabilities: Capabilities,
) -> None:
    """Assert that a simulator gives the spikes of the reference, as exactly as it declares.

    Parameters
    ----------
    expected, actual
        Recordings of the reference, with spike trains, and of the simulator.
    capabilities
        With ``rate_tolerance`` 0 the spikes and the synaptic operations must be equal, otherwise
        the firing rates within the tolerance.
    """
    __tracebackhide__ = True
    if capabilities.rate_tolerance:
        assert_same_rates(expected, actual, tolerance=capabilities.rate_tolerance)
    else:
        assert_same_spikes(expected, actual, network)
        assert_same_operations(expected, actual)


def assert_same_spikes(
    expected: Recording,
    actual: Recording,
    network: Network,
) -> None:
    """Assert equality spike for spike, layer after layer, of all that both have recorded."""
    __tracebackhide__ = True
    for name, expected_b_l_t in _trains(expected, network).items():
        actual_b_l_t = _trains(actual, network).get(name)
        if actual_b_l_t is not None:
            assert_same_values(expected_b_l_t, actual_b_l_t, name=name, what="spikes")


def assert_same_operations(expected: Recording, actual: Recording) -> None:
    """Assert that every population caused the same synaptic operations in every step.

    A population of which nothing was recorded counts as one without spikes.
    """
    __tracebackhide__ = True
    found_n_b_t = actual.synaptic_operations_n_b_t
    for name, expected_b_t in expected.synaptic_operations_n_b_t.items():
        found_b_t = found_n_b_t.get(name, np.zeros_like(expected_b_t))
        assert_same_values(expected_b_t, found_b_t, name=name, what="operations")


def assert_same_rates(expected: Recording, actual: Recording, *, tolerance: float) -> None:
    """Assert that the firing rates of all layers differ by no more than a tolerance."""
    __tracebackhide__ = True
    num_steps = expected.output_b_l_t.shape[-1]
    for name, expected_b_l in expected.spikecounts_n_b_l.items():
        rate_b_l, found_b_l = expected_b_l / num_steps, actual.spikecounts_n_b_l[name] / num_steps
        wrong = np.argwhere(np.abs(rate_b_l - found_b_l) > tolerance)
        if len(wrong):
            at = tuple(wrong[0])
            raise AssertionError(
                f"Layer {name!r}, sample {at[0]}, neuron {_index(at[1:])}: expected a rate of "
                f"{rate_b_l[at]:g} ± {tolerance:g} spikes per step, found {found_b_l[at]:g}. "
                f"{len(wrong)} of {rate_b_l.size} neurons differ."
            )


def assert_same_values(
    expected_b_l_t: Array,
    actual_b_l_t: Array,
    *,
    name: str,
    what: str,
    tolerance: float = 0.0,
) -> None:
    """Assert that two recordings over time are equal; name the first place where they are not."""
    __tracebackhide__ = True
    if expected_b_l_t.shape != actual_b_l_t.shape:
        raise AssertionError(
            f"Layer {name!r}: expected {what} of shape {expected_b_l_t.shape}, found shape "
            f"{actual_b_l_t.shape}."
        )
    difference = np.abs(expected_b_l_t.astype(np.float64) - actual_b_l_t)
    wrong_b_l_t = ~(difference <= tolerance)  # NaN is wrong, too
    if not wrong_b_l_t.any():
        return
    step = int(np.flatnonzero(wrong_b_l_t.reshape(-1, wrong_b_l_t.shape[-1]).any(axis=0))[0])
    at = tuple(np.argwhere(wrong_b_l_t[..., step])[0])
    expected_t, actual_t = expected_b_l_t[at], actual_b_l_t[at]
    raise AssertionError(
        f"Layer {name!r}, step {step + 1} of {len(expected_t)}, sample {at[0]}, neuron "
        f"{_index(at[1:])}: expected {what} {expected_t[step]:g}, found {actual_t[step]:g}.\n"
        f"  expected over time: {_line(expected_t)}\n"
        f"  found over time:    {_line(actual_t)}\n"
        f"  {int(wrong_b_l_t.any(axis=-1).sum())} of {wrong_b_l_t[..., 0].size} neurons differ."
    )


def _trains(recording: Recording, network: Network) -> Mapping[str, Array]:
    """Return the spike trains of all layers, those of the output in any case."""
    trains = dict(recording.spiketrains_n_b_l_t)
    if network.readout == "counts":
        trains[network.output.name] = recording.output_b_l_t
    return trains


def _index(at: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, at))}]"


def _line(values_t: Array) -> str:
    return " ".join(f"{value:g}" for value in values_t)
