"""Base class of spike codes: what a code decides about settings, networks, cost and reading."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from snn_core.ir import Network, ReLU, Sigmoid
from snn_core.ir.activations import Activation
from snn_core.settings import Settings
from snn_core.typing import Array, Bool, Float32, Int, Int8

Scaling: TypeAlias = Literal["percentile", "mse", "none", "headroom", "first_spikes"]
"""How the scales of layers are found."""


HEADROOM = 2.0
"""How far beyond the largest activation of the calibration data a window of continuous time
reaches. Resolution costs nothing there, so no sample has to be clipped."""

NORMALIZED: Mapping[Scaling, str] = {
    "percentile": "normalize: percentile",
    "mse": "normalize: mse",
    "none": "normalize: none",
    "headroom": f"normalize: {HEADROOM:g} times the maximum",
    "first_spikes": "normalize: times of first spikes",
}
"""How the line about its scales begins in the history of a network."""


class SpikeCode(ABC):
    """How spikes stand for numbers, under the settings of a run.

    Times count in steps 1, 2, ...; recorded spike trains hold step t at index t - 1.

    Parameters
    ----------
    settings
        Settings of the run or the conversion.
    """

    name: ClassVar[str]
    steps_setting: ClassVar[str | None] = None
    """Setting of the conversion that the number of steps follows from; ``None``: it is free."""
    operations_per_synapse: ClassVar[int] = 1
    """Operations that a spike costs at each synapse: adding a weight is one."""
    is_rate: ClassVar[bool] = False
    """Whether neurons integrate and fire, with all options of the cell and of max pooling."""
    is_per_ms: ClassVar[bool] = True
    """Whether spike trains stand for rates per ms; otherwise for numbers without a unit."""
    has_output_spikes: ClassVar[bool] = True
    """Whether the output can be read by its spikes; otherwise it is a potential."""
    has_input_spikes: ClassVar[bool] = False
    """Whether constant input enters as spikes; otherwise its sums are computed once."""
    tells_values: ClassVar[bool] = True
    """Whether a value can be read off the output, rather than which one is the largest."""
    rounds: ClassVar[bool] = False
    """Whether neurons round to the nearest level, so that initial potentials have no use."""
    spikes_decide: ClassVar[bool] = False
    """Whether a sample is decided as soon as ``top_k`` output neurons have fired."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    # Conversion.

    def num_steps(self, network: Network) -> int:
        """Return the number of steps of a run."""
        return self.settings.num_steps

    @property
    def levels(self) -> int:
        """Number of levels above 0 that a neuron's spikes tell apart, for `mse_scales`."""
        return self.settings.normalization.timesteps

    @property
    def highest(self) -> float | None:
        """Largest number that spikes can stand for; ``None`` if there is none."""
        return None

    @property
    def scaling(self) -> Scaling:
        """How the scales of layers are found: as the settings say, or as the code needs it."""
        return self.settings.normalization.method

    @property
    def uses_v_init(self) -> bool:
        """Whether ``cell.v_init`` sets initial potentials; scales for spike times bring theirs."""
        return not self.rounds and self.scaling != "first_spikes"

    def problems(self, network: Network) -> list[str]:
        """Return what the code cannot do with a network and the other settings."""
        encoding, found = self.settings.input.encoding, []
        if encoding != "constant":
            found.append(
                f"input.encoding = {encoding!r} does not go with the spike code {self.name!r}; set "
                f"it to 'constant'"
            )
        if not self.has_output_spikes and network.readout != "membrane":
            found.append(
                f"conversion.readout = {network.readout!r} does not go with the spike code "
                f"{self.name!r}, whose output is a potential; convert with readout = 'membrane'"
            )
        found += self.readout_problems(network)
        found += [
            f"{layer.name}: a bias for each step does not go with the spike code {self.name!r}"
            for layer in network.spiking_layers
            if layer.bias_t_c is not None
        ]
        for layer in network.spiking_layers:
            problem = self.activation_problem(layer.activation)
            if problem and layer is not network.output:
                found.append(f"{layer.name}: {problem}")
        return found

    def readout_problems(self, network: Network) -> list[str]:
        """Return a problem if the output has no spikes to count."""
        activation = getattr(network.output, "activation", None)
        if not isinstance(activation, Sigmoid) or network.readout != "counts":
            return []
        name = network.output.name
        advice = "it is read by its potential; convert with readout = 'membrane'"
        return [f"{name}: a sigmoid has no spikes to count, {advice}"]

    def activation_problem(self, activation: Activation) -> str | None:
        """Return why neurons cannot express an activation, or ``None``."""
        if isinstance(activation, ReLU):
            return None
        name = type(activation).__name__
        return f"the spike code {self.name!r} expresses ReLU only, found {name}"

    # Cost.

    def neuron_updates(
        self, network: Network, output_b_c_t: Array, *, num_biased: int
    ) -> Int[Array, "*b t"]:
        """Return how many neurons are updated in each step, of each sample if samples differ.

        By default those that receive a constant input.

        Parameters
        ----------
        output_b_c_t
            Output spikes or potentials.
        num_biased
            Number of neurons with a constant input.
        """
        return np.full(self.settings.num_steps, num_biased)

    # Deciding and reading.

    def is_decided_early(self, network: Network) -> bool:
        """Return whether samples are decided before the end: by their first output spikes."""
        return self.spikes_decide and network.readout == "counts"

    def undecided(self, output_b_c_t: Array, network: Network) -> Bool[Array, "b t"]:
        """Return in which steps each sample is still simulated; see `is_decided_early`."""
        samples, classes, steps = output_b_c_t.shape
        if not self.is_decided_early(network):
            return np.ones((samples, steps), bool)
        enough = min(self.settings.simulation.top_k, classes)
        fired_b_t = (output_b_c_t != 0).sum(axis=1).cumsum(axis=1)
        before = np.concatenate([np.zeros((samples, 1), np.int64), fired_b_t[:, :-1]], axis=1)
        going: Array = before < enough
        return going

    @classmethod
    def scores(cls, spikes_b_c_t: Array) -> Float32[Array, "b c t"]:
        """Return the score of each output neuron after each step: the number of its spikes."""
        scores: Array = spikes_b_c_t.cumsum(axis=-1, dtype=np.float32)
        return scores

    @classmethod
    @abstractmethod
    def rates(
        cls, spikes_b_l_t: Int8[Array, "b *l t"], *, dt_ms: float, window_steps: int
    ) -> Float32[Array, "b *l"]:
        """Return the number that each spike train stands for; see `spiketrains_to_rates`."""
