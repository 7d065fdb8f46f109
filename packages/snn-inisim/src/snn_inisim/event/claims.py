"""What the event engine simulates; this module imports no compiler."""

from __future__ import annotations

from snn_core.codes import code_of
from snn_core.ir import BinarySigmoid, BinaryTanh, Network
from snn_core.settings import Settings
from snn_core.simulation.capabilities import changed_settings, draws_softmax, needs_stepping

OF_NEURONS = frozenset({"cell.leak", "cell.tau_m", "cell.tau_refrac", "cell.v_clip"})
"""Settings of neurons that the event engine leaves to the neurons of snn-core."""

OF_START_AND_INPUT = frozenset({"cell.v_init", "simulation.scale_first_layer_parameters"})
"""Settings that change how neurons start or what the input is, and nothing else."""


def simulates_events(network: Network, settings: Settings) -> bool:
    """Return whether the event engine simulates a network."""
    signed = (BinarySigmoid, BinaryTanh)
    return (
        code_of(settings).is_rate
        and set(changed_settings(settings)) <= OF_NEURONS | OF_START_AND_INPUT
        and not any(isinstance(layer.activation, signed) for layer in network.spiking_layers)
        and not (draws_softmax(network) and needs_stepping(network, settings))
    )
