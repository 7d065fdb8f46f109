"""Normalization: finding the scale of every layer from calibration data, and applying it."""

from snn_core.normalization.first_spike import first_spike_scales
from snn_core.normalization.mse import mse_scales
from snn_core.normalization.percentile import largest_activations, percentile_scales
from snn_core.normalization.scales import apply_scales, share_output_scale

__all__ = [
    "apply_scales",
    "first_spike_scales",
    "largest_activations",
    "mse_scales",
    "percentile_scales",
    "share_output_scale",
]
