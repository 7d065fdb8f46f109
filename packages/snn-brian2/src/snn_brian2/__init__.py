"""Converted spiking networks on Brian2.

Brian2 itself is imported when a network is built.
"""

from snn_brian2.options import Brian2Options
from snn_brian2.simulator import SNN

__all__ = ["SNN", "Brian2Options"]
