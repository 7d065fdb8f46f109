"""Converted spiking networks on SpiNNaker.

The board's arithmetic is emulated on NumPy; sPyNNaker, if it is installed, maps networks and runs
them on boards.
"""

from snn_spinnaker.options import SpinnakerOptions
from snn_spinnaker.simulator import SNN

__all__ = ["SNN", "SpinnakerOptions"]
