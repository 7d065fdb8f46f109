"""Sizes of the chips' cores, with the source of each.

"Davies" is M. Davies et al. 2018, "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning",
IEEE Micro 38(1), pp. 82-99; "brief" is Intel Labs 2021, "Taking Neuromorphic Computing to the Next
Level with Loihi 2", technology brief.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one core, and one chip, has room for.

    Parameters
    ----------
    name
        The chip.
    compartments
        Compartments per core.
    soft_reset_compartments
        Compartments that a neuron with soft reset takes.
    memory_bytes
        Memory per core for what ``state_bytes`` and synapses take.
    state_bytes
        Bytes of that memory for each neuron.
    axons_in, axons_out
        Input axons, and edges to other cores, per core; ``None`` where nothing is published.
    cores
        Cores per chip.
    """

    name: str
    compartments: int
    soft_reset_compartments: int
    memory_bytes: int
    state_bytes: int
    axons_in: int | None
    axons_out: int | None
    cores: int


LOIHI1 = Limits(
    name="loihi1",
    compartments=1024,  # Davies: 1,024 primitive spiking neural units per core
    # B. Rueckauer et al. 2021, "NxTF": a neuron that subtracts takes a second compartment.
    soft_reset_compartments=2,
    memory_bytes=128 * 1024,  # Davies: total synaptic fan-in state per core at most 128 KB
    state_bytes=0,  # Davies: neurons have memories of their own
    axons_in=4096,  # Davies: distribution lists per core at most 4K
    axons_out=4096,  # Davies: core-to-core fan-out edges per core at most 4K
    cores=128,  # Davies
)

LOIHI2 = Limits(
    name="loihi2",
    compartments=8192,  # brief: up to 8192 neurons per core
    soft_reset_compartments=1,  # brief: neurons are programs
    memory_bytes=192 * 1024,  # brief: 192 KB per core, shared by neurons and synapses
    state_bytes=12,  # membrane, bias and threshold, 32 bits each: an assumption
    axons_in=None,
    axons_out=None,
    cores=128,  # brief
)

TARGETS: Mapping[str, Limits] = {"loihi1": LOIHI1, "loihi2": LOIHI2}

INDEX_BITS = 10
"""Bits that name the target of a synapse in a sparse list; full lists need none. (1024 neurons.)"""
