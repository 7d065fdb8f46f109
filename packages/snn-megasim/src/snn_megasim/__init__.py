"""MegaSim's files, and an asynchronous event-driven engine that runs them."""

from snn_megasim.options import MegaSimOptions
from snn_megasim.simulator import SNN

__all__ = ["SNN", "MegaSimOptions"]
