"""MegaSim's simulator under the names of snn_toolbox; nothing in this package needs them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snn_core.simulation.original_names import OriginalNames
from snn_core.typing import Array, Int64
from snn_megasim.external import check_megasim_output
from snn_megasim.files import SCHEMATIC, EventList, Instance
from snn_megasim.options import MegaSimOptions
from snn_megasim.translate import Translation
from snn_megasim.translate.translation import BIAS, INPUT, stimulus_file


class MegaSimNames(OriginalNames):
    """Attributes and methods of the original's simulator on MegaSim."""

    options: MegaSimOptions
    events: Mapping[str, EventList]
    """Events of each node in the last run."""

    megaschematic = SCHEMATIC
    input_stimulus_file = stimulus_file(INPUT)
    check_megasim_output = staticmethod(check_megasim_output)

    @property
    def translation(self) -> Translation:
        """The network as modules of MegaSim."""
        raise NotImplementedError

    @property
    def layers(self) -> tuple[Instance, ...]:
        """The modules, with their kinds, nodes and files."""
        return self.translation.netlist.schematic.instances

    @property
    def connections(self) -> tuple[tuple[str, str], ...]:
        """Node before and node behind each port of each module."""
        return tuple((node, item.output) for item in self.layers for node in item.inputs)

    @property
    def megasim_path(self) -> str:
        """Where MegaSim is; empty if it is not configured."""
        return self.options.path

    @property
    def megadirname(self) -> str:
        """Folder of MegaSim's files; empty if they are not kept."""
        return self.options.folder

    @property
    def use_biases(self) -> bool:
        """Whether a layer has biases."""
        return any(source.node == BIAS for source in self.translation.netlist.schematic.sources)

    @property
    def is_parallelizable(self) -> bool:
        """Whether the samples of a batch are simulated in one run."""
        return self.options.batch_mode

    def get_spikes(self) -> list[EventList]:
        """Return the events of all layers in the last run, node by node."""
        return [self.events[item.output] for item in self.layers if item.output in self.events]

    def get_output_spikes_batch(self) -> list[EventList]:
        """Return the events of the output layer in the last run, node by node."""
        outlets = self.translation.populations[self.network.output.name].outlets
        return [self.events[outlet.node] for outlet in outlets]

    @staticmethod
    def spike_count_histogram(
        events: EventList, pop_size: int = 10
    ) -> tuple[int, Int64[Array, "o"]]:
        """Return the neuron of a row that spiked most often, -1 if none did, and all counts."""
        counts = np.bincount(np.asarray(events.x_e, np.int64), minlength=pop_size)
        return (int(counts.argmax()) if counts.any() else -1), counts
