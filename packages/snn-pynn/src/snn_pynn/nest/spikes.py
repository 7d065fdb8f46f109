"""Recording the spikes of all populations as bits of a few potentials.

NEST's ``spike_recorder`` is a device, which each neuron knows apart from its other targets: for
each neuron, NEST makes room for 1024 synapses to devices, 8 KB at least, and a spike takes a fifth
of a microsecond to find its own, as long as forty synapses to neurons. Here, neurons send to other
neurons only: `BITS` of them to one that adds up their weights 1, 2, 4 and so on, and forgets them
in the next step. Its potential, as a binary number, tells which of them spiked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nest
import numpy as np

from snn_core.typing import Array, Bool
from snn_pynn.engine import NEVER
from snn_pynn.nest.objects import SYNAPSE_MODEL, set_all

BITS = 53
"""Neurons that share a potential: as many as there are bits in its mantissa."""


class SpikeBits:
    """Cells that gather which neurons spiked in each step.

    Parameters
    ----------
    nodes
        NEST's nodes of each population to be recorded, by name.
    dt_ms
        Length of a step.
    """

    def __init__(self, nodes: Mapping[str, Any], *, dt_ms: float) -> None:
        self._dt_ms = dt_ms
        self._sizes = {name: len(item) for name, item in nodes.items()}
        self._cells = nest.Create(
            "iaf_psc_delta",
            # NEST refuses to make none.
            max(1, sum(map(cells_for, self._sizes.values()))),
            # exp(-1000) is 0 in 64 bits: nothing is left of the last step.
            params={"E_L": 0.0, "V_m": 0.0, "V_th": NEVER, "C_m": 1.0, "tau_m": dt_ms / 1000},
        )
        first = self._cells[0].global_id
        for name, size in self._sizes.items():
            number = np.arange(size)
            nest.Connect(
                nodes[name][0].global_id + number,
                first + number // BITS,
                "one_to_one",
                {
                    # As those of the network: a neuron then has all targets in one place.
                    "synapse_model": SYNAPSE_MODEL,
                    "weight": np.exp2(number % BITS),
                    "delay": np.full(size, dt_ms),
                },
            )
            first += cells_for(size)
        self._meter = nest.Create("multimeter", {"record_from": ["V_m"], "interval": dt_ms})
        nest.Connect(self._meter, self._cells, syn_spec={"delay": dt_ms})

    def found(self) -> dict[str, tuple[Array, Array]]:
        """Return the stamp, in steps, and the neuron of each spike of each population."""
        events = self._meter.events
        # A spike arrives with the end of the step after the one that it is stamped with.
        stamp_c = np.rint(events["times"] / self._dt_ms).astype(np.int64) - 1
        cell_c = events["senders"] - self._cells[0].global_id
        spiked_c = events["V_m"]
        found, first = {}, 0
        for name, size in self._sizes.items():
            own = (spiked_c > 0) & (cell_c >= first) & (cell_c < first + cells_for(size))
            which, bit_e = np.divmod(np.flatnonzero(digits(spiked_c[own])), BITS)
            found[name] = stamp_c[own][which], (cell_c[own][which] - first) * BITS + bit_e
            first += cells_for(size)
        return found

    def forget(self) -> None:
        """Forget all spikes."""
        set_all(self._meter, n_events=0)


def cells_for(size: int) -> int:
    """Return the number of cells that a population of some size needs."""
    return -(-size // BITS)


def digits(values: Array) -> Bool[Array, "n k"]:
    """Return the `BITS` binary digits of whole numbers, the lowest first."""
    bytes_n_8 = values.astype("<i8")[:, None].view(np.uint8)
    return np.unpackbits(bytes_n_8, axis=1, count=BITS, bitorder="little").view(bool)
