"""From a converted network to a netlist of MegaSim, and from events back to layers."""

from snn_megasim.translate.network import Population, Translation, translate
from snn_megasim.translate.schedule import Schedule

__all__ = ["Population", "Schedule", "Translation", "translate"]
