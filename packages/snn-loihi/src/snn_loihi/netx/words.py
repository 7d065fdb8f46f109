"""What NetX has words for, and what it computes differently from the integer network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snn_core.evaluation.operators import image_paddings
from snn_core.ir import Conv2D
from snn_core.ir.shapes import count
from snn_loihi.discretize import ChipNetwork, Population
from snn_loihi.discretize.connection import Connection
from snn_loihi.ranges import UNIT, weight_limit

BIAS_EXPONENT = 6
"""Exponent of all biases in NetX."""

LARGEST_MATRIX = 1 << 26
"""Weights up to which a layer that is no convolution is written as a full one."""

EXPONENT = "set loihi.connection_kwargs.weightExponent = 0"
BIASES = "set loihi.compartment_kwargs.biasExp = 6"
START = "convert with cell.v_init = 0"


def chain_problems(chip: ChipNetwork) -> list[str]:
    """Return why NetX cannot read a network, empty if it can."""
    found, before = [], chip.network.input.name
    for number, item in enumerate(chip.populations):
        is_first = number == 0 and item.current is not None and not item.connections
        problems = [] if is_first else _layer_problems(item, before)
        found += [f"{item.name}: {problem}" for problem in problems]
        if item.fires and np.unique(item.threshold_c).size > 1:
            found.append(f"{item.name}: NetX has one threshold per layer; convert with "
                         f"loihi.thresholds = 'layer'")  # fmt: skip
        before = item.name
    return found


def _layer_problems(item: Population, before: str) -> Iterator[str]:
    sources = [name for connection in item.connections for name in connection.sources]
    if item.current is not None:
        yield "NetX takes input currents at the first layer only"
    if sources != [before]:
        names = ", ".join(sources)
        yield f"NetX reads chains of layers; this one reads from {names}, not just from {before}"
        return
    (connection,) = item.connections
    pairs = count(item.layer.output_shape) * count(connection.network[before].output_shape)
    if kernel_of(item) is None and pairs > LARGEST_MATRIX:
        yield f"NetX would take it for a full layer, of {pairs:.2g} weights"
    if not connection.weights.any():
        yield "all its weights are 0, which NetX cannot scale"
    elif not _fits(connection):
        yield f"its weights have the exponent {connection.exponent}; {EXPONENT}"


def _fits(connection: Connection) -> bool:
    """Return whether weights are whole numbers of eight bits without an exponent."""
    weights = connection.weights * 2.0**connection.exponent
    largest = float(np.abs(weights).max(initial=0))
    return not (weights % 1).any() and largest <= weight_limit(8, mixed=connection.mixed)


def differences(chip: ChipNetwork) -> list[str]:
    """Return what NetX computes differently from a network that it can read."""
    found = []
    if chip.reset == "soft":
        found.append(
            "NetX's neurons reset to 0, this network's subtract the threshold; set "
            "loihi.reset_mode = 'hard', or give NetX's layers neurons of your own"
        )
    if any((np.asarray(item.start_c) != 0).any() for item in chip.populations):
        found.append(f"NetX's membranes start at 0; set them to vStart, or {START}")
    current = [item.name for item in chip.populations if item.current is not None]
    if current:
        found.append(
            f"{current[0]}: the host has to write the weighted input into its biases, in units of "
            f"{UNIT}"
        )
    fine = [item.name for item in chip.populations if _has_fine_biases(item)]
    if fine:
        found.append(f"{', '.join(fine)}: NetX's biases are multiples of {UNIT}; {BIASES}")
    return found


def late_layers(chip: ChipNetwork) -> list[str]:
    """Return the layers whose neurons a chip, which fires above thresholds, cannot reproduce.

    Those with the same causes stand in one line, with what to do about these.
    """
    if chip.reset == "soft":
        return []
    late: dict[tuple[str, ...], list[str]] = {}
    for item in chip.populations:
        causes = tuple(_fine_parts(item))
        if item.fires and causes:
            late.setdefault(causes, []).append(item.name)
    return [
        f"{', '.join(names)}: potentials are no multiples of {UNIT} because of "
        f"{' and '.join(causes)}, so a neuron that meets its threshold exactly fires later on a "
        f"chip; {', and '.join(_REMEDIES[cause] for cause in causes)}"
        for causes, names in late.items()
    ]


_REMEDIES = {"biases": BIASES, "v_init": START}
"""What makes potentials finer than multiples of 64, and what to do about it."""


def _fine_parts(item: Population) -> Iterator[str]:
    """Yield what makes potentials of a population something else than multiples of 64.

    Weights do not: an exponent that would leave parts of them is refused (`lowest_exponent`).
    """
    if _has_fine_biases(item):
        yield "biases"
    if (np.asarray(item.start_c) % UNIT).any():
        yield "v_init"


def _has_fine_biases(item: Population) -> bool:
    is_fine = item.current is not None and item.bias_exponent < BIAS_EXPONENT
    return is_fine or bool((item.bias_l % UNIT).any())


def is_coarse(item: Population) -> bool:
    """Return whether all potentials of a population are multiples of 64."""
    return not any(_fine_parts(item))


def kernel_of(item: Population) -> Conv2D | None:
    """Return the convolution that a layer is, if NetX can describe it."""
    if len(item.connections) != 1:
        return None
    (connection,) = item.connections
    layer = connection.layer
    if not isinstance(layer, Conv2D) or layer.inputs != connection.sources:
        return None
    source = connection.network[connection.sources[0]].output_shape
    paddings = image_paddings(layer, layer.weight_hwio.shape[:2], layer.dilation, source[:2])
    even = all(before == after for before, after in paddings)
    return layer if even and connection.together == 1 else None
