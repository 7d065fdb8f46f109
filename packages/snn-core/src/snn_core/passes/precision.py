"""Lossy passes on the weights: binary weights and fixed-point weights.

Both keep zeros at zero, so pruned connections stay absent; biases are left alone. They are meant
for networks of the source dialect: batch normalization still stands apart there, as in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from snn_core.errors import SettingsError
from snn_core.ir import Network, Weighted
from snn_core.settings.cell import FIXED_POINT
from snn_core.typing import Array, Float

WORD_BITS = 8
"""Bits of a weight, one of them its sign, where no format is given."""


def binarize_weights(network: Network) -> Network:
    """Replace each weight by its sign. Lossy, unless the network was trained so.

    Courbariaux et al. 2016, "Binarized neural networks", section 1.1, without its rule that 0 is
    positive: weights of 0 are connections that do not exist.
    """
    return _change_weights(network, np.sign, "binarize_weights")


def quantize_weights(network: Network, *, form: str | None = None) -> Network:
    """Round each weight to a fixed-point number. Lossy.

    In the format Qm.f a weight is ``clip(round(w 2**f) / 2**f, -b, b)`` with the bound
    ``b = 2**m - 2**-f``: m bits before the point, f after it, and the sign.

    Parameters
    ----------
    form
        The format of all layers, for example ``Q1.6``. Without it every layer gets `WORD_BITS`
        bits: the fewest before the point that hold its largest weight, the others after it.

    Raises
    ------
    SettingsError
        If the format is none.
    """
    if form is None:
        return _change_weights(network, _quantize_to_words, f"quantize_weights to {WORD_BITS} bits")
    m, f = parse_format(form)
    return _change_weights(
        network, lambda weight: fixed_point(weight, m=m, f=f), f"quantize_weights {form}"
    )


def parse_format(form: str) -> tuple[int, int]:
    """Return m and f of a format ``Qm.f``.

    Raises
    ------
    SettingsError
        If it has another form, no bits or more than 24, which float32 cannot hold.
    """
    found = FIXED_POINT.fullmatch(form)
    m, f = (int(found["m"]), int(found["f"])) if found else (0, 0)
    if not 1 <= m + f <= 24:
        raise SettingsError(f"Found the format {form!r}; expected Qm.f with 1 to 24 bits, as Q1.6.")
    return m, f


def fixed_point(values: Float[Array, "*w"], *, m: int, f: int) -> Float[Array, "*w"]:
    """Return values rounded to Qm.f; halves go to even."""
    bound = 2.0**m - 2.0**-f
    rounded: Array = np.clip(np.round(values * 2.0**f) / 2.0**f, -bound, bound)
    return rounded


def _quantize_to_words(weight: Array) -> Array:
    largest = float(np.abs(weight).max(initial=0.0))
    if largest == 0:
        return weight
    m = math.floor(math.log2(largest)) + 1  # the fewest bits with largest < 2**m
    return fixed_point(weight.astype(np.float64), m=m, f=WORD_BITS - 1 - m)


def _change_weights(network: Network, change: Callable[[Array], Array], note: str) -> Network:
    new = []
    for layer in network:
        if isinstance(layer, Weighted):
            weight = np.asarray(change(layer.weight), np.float32)
            if not np.array_equal(weight, layer.weight):
                arrays: dict[str, Any] = {layer.weight_name: weight}
                new.append(replace(layer, **arrays))
    if not new:
        return network
    names = ", ".join(layer.name for layer in new)
    return network.replace(*new, note=f"{note}: {names}")
