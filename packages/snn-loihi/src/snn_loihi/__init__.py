"""Converted spiking networks in Loihi's integers.

The chip's integers are computed by compiled loops, or by processes of lava-nc, with the same bits.
"""

from snn_loihi.discretize import discretize, equalise, normalize_thresholds
from snn_loihi.options import LoihiOptions
from snn_loihi.simulator import SNN

__all__ = ["SNN", "LoihiOptions", "discretize", "equalise", "normalize_thresholds"]
