"""From a float network to the chip's integers: weights, biases, thresholds, layer by layer."""

from snn_loihi.discretize.equalise import equalise, fold_thresholds, normalize_thresholds
from snn_loihi.discretize.make import discretize
from snn_loihi.discretize.population import ChipNetwork, Population
from snn_loihi.discretize.report import Loss, summary, worst_layer

__all__ = [
    "ChipNetwork",
    "Loss",
    "Population",
    "discretize",
    "equalise",
    "fold_thresholds",
    "normalize_thresholds",
    "summary",
    "worst_layer",
]
