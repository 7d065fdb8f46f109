"""Numbers of spikes in windows, in binary: for layers behind a pool that passes on sums.

Such a layer could read all cells of each window with the same weights. Instead the spikes of a
window are counted, and the digits of their number form a population of their own: a digit that is
set is a spike, whose weights are twice those of the digit before. Of four cells that spike half of
the time 2 rows of weights are added up, of their digits 1.2, from three lists instead of four.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snn_core.typing import Array, Int64
from snn_inisim.event.population import Population
from snn_inisim.event.wiring import Copies, population


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """Which spikes are counted, and where the digits of their number go.

    Parameters
    ----------
    to
        The digits: a position for each digit of each window, those of the lowest digit first.
    first_o
        First entry of each window, one more than there are windows.
    place_e
        Place of the spikes of each entry.
    """

    to: Population
    first_o: Int64[Array, "o"]
    place_e: Int64[Array, "e"]

    @property
    def digits(self) -> int:
        """Number of digits."""
        return self.to.positions // (len(self.first_o) - 1)


def digits_of(x: Copies) -> int | None:
    """Return how many digits numbers of spikes need; ``None`` if counting does not pay.

    It pays where all copies of a position have the same factor, and are more than the digits.
    """
    is_even = len(x.scales) == 1 and x.is_plain and len(np.unique(x.words_e)) == 1
    if not is_even:
        return None
    most = int(np.bincount(x.output_e, minlength=1).max())
    return most.bit_length() if most.bit_length() < most else None


def tally_of(x: Copies, to: Population) -> Tally:
    """Return how the spikes of each position are counted.

    Parameters
    ----------
    x
        An image for which `digits_of` returned a number.
    to
        The population of the digits.
    """
    first_o = np.zeros(x.positions + 1, np.int64)
    np.cumsum(np.bincount(x.output_e, minlength=x.positions), out=first_o[1:])
    return Tally(to=to, first_o=first_o, place_e=x.place_e.astype(np.int64))


def read_digits(x: Copies, to: Population) -> Copies:
    """Return the same image, as a sum of copies of digits; parameters as for `tally_of`."""
    every = population(to.shape, first=to.first, place=to.place)
    digit_e, output_e = np.divmod(every.output_e, x.positions)
    scales = tuple(np.float32(2**n) * x.scales[0] for n in range(int(digit_e[-1]) + 1))
    whole = replace(every, shape=x.shape, output_e=output_e, scale_e=digit_e, scales=scales)
    return whole.take(np.arange(len(output_e)), output_e, x.shape)
