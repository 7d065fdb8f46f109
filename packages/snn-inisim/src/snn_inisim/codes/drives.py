"""What layers add up, for codes that do not fold time: the same Keras layers, called at once."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from snn_core import ir
from snn_core.evaluation.operators import image_paddings
from snn_inisim.codes.temporal_mean_rate import Tensor
from snn_inisim.geometry import cells_of_windows, padded
from snn_inisim.max_pooling import SpikeMaxPooling2D
from snn_inisim.spike_layer import SpikeLayer


def weighted_sum(layer: SpikeLayer, inputs: Tensor) -> Tensor:
    """Return weights times inputs, or the maximum of each window of a max pool."""
    if not isinstance(layer, SpikeMaxPooling2D):
        return layer.weighted_sum(inputs)
    return largest(layer.source, inputs) * layer.source.weight_c


def largest(layer: ir.MaxPooling2D, x_b_hwc: Tensor) -> Tensor:
    """Return the maximum of each window; cells outside the image do not count."""
    border = image_paddings(layer, layer.pool_size, (1, 1), x_b_hwc.shape[1:3])
    first, *rest = cells_of_windows(
        padded(x_b_hwc, border, fill=-np.inf), layer.pool_size, layer.strides
    )
    for cell in rest:
        first = tf.maximum(first, cell)
    return first
