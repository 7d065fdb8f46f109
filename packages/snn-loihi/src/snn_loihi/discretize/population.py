"""Populations as the chip computes them, in integers or, for comparison, without rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from snn_core.errors import SimulationError
from snn_core.evaluation.operators import drive
from snn_core.ir import Network, Spiking
from snn_core.ir.connectivity import Synapses
from snn_core.ir.projections import drive_bias
from snn_core.typing import Array, Float32, Float64
from snn_loihi.discretize.connection import Connection
from snn_loihi.discretize.overflow import Bounds
from snn_loihi.discretize.report import Loss
from snn_loihi.discretize.routes import relay

SATURATING = 2.0
"""Constant currents are held up to so many thresholds per step where spikes do not tell them apart:
from one threshold on a neuron fires in every step, and a negative current never makes it fire."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Current:
    """Analog input of a population, which the host weighs and writes into the neurons' biases.

    Parameters
    ----------
    network, layer
        Where it enters.
    dt
        Length of a step in ms.
    synapses
        The weights, where spikes of other populations arrive beside the input.
    """

    network: Network
    layer: Spiking
    dt: float
    synapses: Synapses | None = None

    def drive(self, x_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *o"]:
        """Return the weighted samples with the biases, for one step.

        Parameters
        ----------
        x_b_l
            The samples times the length of a step in ms.
        """
        bias_l = drive_bias(self.network, self.layer) * np.float32(self.dt)
        if self.synapses is None:
            zero = np.zeros_like(x_b_l[:1])
            full, constant = (self._through(values) for values in (x_b_l, zero))
            weighted: Array = full - constant
            return weighted + bias_l
        x_b_i = x_b_l.reshape(len(x_b_l), -1)
        summed: Array = x_b_i @ self.synapses.to_csr()
        return summed.reshape(-1, *self.layer.output_shape) + bias_l

    def _through(self, x_b_l: Array) -> Array:
        values = {self.network.input.name: x_b_l}
        inputs = [relay(self.network, name, values) for name in self.layer.inputs]
        return drive(self.layer, inputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Neurons of a layer.

    Parameters
    ----------
    layer
        The layer, with the potentials' unit of the network.
    connections
        Synapses from populations, and from the input where it spikes.
    bias_l
        Constant input per step of each neuron.
    threshold_c, start_c
        Threshold and first membrane, per channel or of all.
    scale_c
        Membrane units for a potential of 1, per channel or of all.
    fires
        Whether there is a threshold.
    current
        Analog input, or ``None``.
    bias_exponent
        Exponent of biases and currents.
    bias_limit
        Largest magnitude of a bias or current.
    saturates
        Whether currents beyond the limit may be cut off, as spikes stay the same.
    bounds
        What can occur; ``None`` without rounding.
    loss
        What rounding costs; ``None`` without rounding.
    """

    layer: Spiking
    connections: tuple[Connection, ...]
    bias_l: Float32[Array, "*l"]
    threshold_c: Float32[Array, "*c"]
    start_c: Float32[Array, "*c"]
    scale_c: Float64[Array, "*c"]
    fires: bool
    current: Current | None = None
    bias_exponent: int = 0
    bias_limit: float = float("inf")
    saturates: bool = False
    bounds: Bounds | None = None
    loss: Loss | None = None

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.layer.name

    @property
    def is_fixed(self) -> bool:
        """Whether the numbers are integers of the chip."""
        return self.bounds is not None

    def current_b_l(self, x_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *o"]:
        """Return the constant input of each sample, as the biases hold it.

        Parameters
        ----------
        x_b_l
            The samples times the length of a step in ms.
        """
        assert self.current is not None, "asked of populations with a current only"  # noqa: S101
        drive_b_l = self.current.drive(x_b_l)
        if not self.is_fixed:
            return drive_b_l
        rounded = round_bias(drive_b_l * self.scale_c, exponent=self.bias_exponent)
        limit_c: Array = np.asarray(self.bias_limit)
        if self.saturates:
            limit_c = np.minimum(limit_c, SATURATING * self.threshold_c.astype(np.float64))
        elif np.abs(rounded).max(initial=0) > self.bias_limit:
            raise SimulationError(
                f"{self.name}: an input current does not fit into a bias because input values are "
                f"larger than loihi.input_max; raise it to the largest value, or scale the samples."
            )
        held: Array = np.clip(rounded, -limit_c, limit_c).astype(np.float32)
        return held


def round_bias(value: Array, *, exponent: int) -> Array:
    """Return biases rounded to what an exponent can hold."""
    rounded: Array = np.rint(value / (1 << exponent)) * (1 << exponent)
    return rounded


@dataclass(frozen=True, kw_only=True, eq=False)
class ChipNetwork:
    """A network as the chip holds it.

    Parameters
    ----------
    network
        The network, thresholds folded and channels scaled.
    populations
        In topological order.
    input_unit
        Value of an input spike, which is part of the weights.
    reset
        ``"soft"`` or ``"hard"``.
    num_steps
        Steps of a run.
    input_max
        Largest magnitude of an input value under constant current that biases have room for.
    """

    network: Network
    populations: tuple[Population, ...]
    input_unit: float
    reset: str
    num_steps: int
    input_max: float = float("inf")

    @property
    def losses(self) -> Mapping[str, Loss]:
        """What rounding costs, by layer."""
        return {item.name: item.loss for item in self.populations if item.loss is not None}
