"""From a converted network to a netlist of MegaSim, and from events back to layers."""

from snn_megasim.translate.currents import with_currents
from snn_megasim.translate.network import Request, translate
from snn_megasim.translate.schedule import Schedule
from snn_megasim.translate.translation import (
    Population,
    Translation,
    layer_events,
    require_rates,
)

__all__ = [
    "Population",
    "Request",
    "Schedule",
    "Translation",
    "layer_events",
    "require_rates",
    "translate",
    "with_currents",
]
