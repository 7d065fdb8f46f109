"""Max pooling of accumulated sums, ``pre_spike_max``."""

from __future__ import annotations

import numpy as np

from snn_core.ir import Layer, MaxPooling2D
from snn_core.ir.connectivity import pattern
from snn_core.ir.shapes import count
from snn_core.typing import Array, Float32, Shape
from snn_inisim.event import kernels
from snn_inisim.event.layout import aligned, pad_channels
from snn_inisim.event.wire import pixels


def finds_largest(layer: Layer) -> bool:
    """Return whether a layer passes on how much the largest accumulated sum grows."""
    return isinstance(layer, MaxPooling2D) and layer.method == "pre_spike_max"


class Windows:
    """The windows of a layer, which are the same for all samples.

    Parameters
    ----------
    layer
        The layer.
    shape
        Shape of its input.
    """

    def __init__(self, layer: MaxPooling2D, shape: Shape) -> None:
        channels = layer.output_shape[-1]
        self.positions, self.cells = count(layer.output_shape[:-1]), count(shape[:-1])
        cell_s, _, output_s = pixels(pattern(layer, shape))
        self.cell_e = cell_s[np.argsort(output_s, kind="stable")].astype(np.int64)
        self.first_o = np.zeros(self.positions + 1, np.int64)
        np.cumsum(np.bincount(output_s, minlength=self.positions), out=self.first_o[1:])
        sign_c = np.ones(1) if layer.sign_c is None else layer.sign_c
        self.sign_c = pad_channels(np.asarray(sign_c), channels, fill=1.0)
        self.weight_c = pad_channels(np.asarray(layer.weight_c).reshape(-1), channels)


class LargestSums:
    """The largest accumulated sum of each window; `snn_core.neurons.max_pooling` states the rule.

    Parameters
    ----------
    windows
        The windows.
    number
        Number of samples.
    """

    def __init__(self, windows: Windows, number: int) -> None:
        self._windows = windows
        channels = len(windows.weight_c)
        self._running_b_i_c = np.zeros((number, windows.cells, channels), np.float32)
        self._highest_b_o_c = np.zeros((number, windows.positions, channels), np.float32)

    def grown(self, x_b_i_t_c: Float32[Array, "b i t c"]) -> Float32[Array, "b o t c"]:
        """Return how much the largest sum of each window grows in each step.

        Parameters
        ----------
        x_b_i_t_c
            Sums of the cells in each step, which are overwritten by what has accumulated.
        """
        number, _, steps, channels = x_b_i_t_c.shape
        windows = self._windows
        grown = aligned((number, windows.positions, steps, channels))
        kernels.find_largest(
            x_b_i_t_c, windows.first_o, windows.cell_e, windows.weight_c, windows.sign_c,
            self._running_b_i_c, self._highest_b_o_c, grown,
        )  # fmt: skip
        return grown
