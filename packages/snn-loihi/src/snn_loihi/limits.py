"""Sizes of the chips' cores, with the source of each.

"Davies" is M. Davies et al. 2018, "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning",
IEEE Micro 38(1), pp. 82-99; the constraints of a core are numbered on its p. 89. "NxTF" is Intel's
compiler for converted networks, described in B. Rueckauer et al. 2022, "NxTF: An API and Compiler
for Deep Spiking Neural Networks on Intel Loihi", ACM JETC 18(3), of which
``nxsdk_modules_ncl/dnn`` is public. It and nengo-loihi 1.1 (``nengo_loihi/block.py``), which ran on
the chip, have the same limits as Davies. "brief" is Intel Labs 2021, "Taking Neuromorphic Computing
to the Next Level with Loihi 2", technology brief.

Not verified: the number of thresholds on a core of Loihi 1, for which nengo-loihi allocates 8 and
accepts 16. Davies was checked against quotations of the constraints and against the limits in those
two sources, not against the paper. The brief's numbers for a core of Loihi 2 were checked against
texts that quote them, not against the brief; its lists of synapses and its axons are not published,
so Loihi 1's words are assumed and axons not limited. Some systems have 120 usable cores per chip.
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
        Compartments that a neuron with soft reset takes. Those beyond the first reset it by a
        synapse of their own, which takes an input axon and an edge, too.
    memory_bytes
        Memory per core for what ``state_bytes`` and synapses take.
    state_bytes
        Bytes of that memory for each neuron.
    index_bits
        Bits that name the target of a synapse in a sparse list; full lists need none.
    word_bits
        Size of the words of which the list of each input axon is made.
    thresholds
        Different thresholds per core; ``None`` for any number.
    axons_in, axons_out
        Input axons, and edges to cores, per core; ``None`` where nothing is published.
    cores
        Cores per chip.
    """

    name: str
    compartments: int
    soft_reset_compartments: int
    memory_bytes: int
    state_bytes: int
    index_bits: int
    word_bits: int
    thresholds: int | None
    axons_in: int | None
    axons_out: int | None
    cores: int


LOIHI1 = Limits(
    name="loihi1",
    compartments=1024,  # Davies, constraint 1
    # NxTF, dnn_layers.py: a soft reset doubles compartments, and the second spikes at the first.
    # The chip itself sets membranes to 0.
    soft_reset_compartments=2,
    memory_bytes=128 * 1024,  # Davies, constraint 2: fan-in state of at most 128 KB
    state_bytes=0,  # Davies: neurons have memories of their own
    index_bits=10,  # 1024 compartments; nengo-loihi knows lists of this width
    word_bits=64,  # Davies, constraint 2: words of 64 bits, subject to alignment of lists
    thresholds=8,  # nengo-loihi, VTH_PROFILES_MAX
    axons_in=4096,  # Davies, constraint 4: distribution lists
    axons_out=4096,  # Davies, constraint 3: core-to-core fan-out edges
    cores=128,  # Davies, p. 86
)

LOIHI2 = Limits(
    name="loihi2",
    compartments=8192,  # brief: a million neurons in 128 cores
    soft_reset_compartments=1,  # brief: neurons are programs
    memory_bytes=192 * 1024,  # brief: 192 KB per core, allocated flexibly
    state_bytes=12,  # membrane, bias and threshold, 32 bits each: an assumption
    index_bits=13,  # 8192 neurons: an assumption
    word_bits=64,  # as on Loihi 1: an assumption
    thresholds=None,
    axons_in=None,
    axons_out=None,
    cores=128,  # brief
)

TARGETS: Mapping[str, Limits] = {"loihi1": LOIHI1, "loihi2": LOIHI2}
