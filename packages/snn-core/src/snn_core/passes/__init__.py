"""Passes: pure functions from network to network.

The structural passes below bring a network of the source dialect into the form that conversion
works on. Each keeps the evaluated function. A pass returns the same object when nothing applies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from snn_core.ir import Network
from snn_core.passes.activations import fuse_activations
from snn_core.passes.batchnorm import fold_batch_normalization
from snn_core.passes.check import check_convertible
from snn_core.passes.input_scale import find_input_scale
from snn_core.passes.labels import label_layers
from snn_core.passes.output import add_output_neurons
from snn_core.passes.pooling import lower_global_pooling, rectify_max_pooling
from snn_core.passes.simplify import drop_inert, merge_reshapes
from snn_core.passes.untrained import note_untrained_weights

Pass: TypeAlias = Callable[[Network], Network]

STRUCTURAL: tuple[Pass, ...] = (
    find_input_scale,
    note_untrained_weights,
    drop_inert,
    lower_global_pooling,
    fold_batch_normalization,
    fuse_activations,
    merge_reshapes,
    rectify_max_pooling,
    add_output_neurons,
)
"""The structural passes, in the order in which they run."""


def run_structural(network: Network) -> Network:
    """Run the structural passes, check the result and label its layers.

    Raises
    ------
    UnsupportedError
        With everything that cannot be converted, under the names of the source's layers.
    """
    for run in STRUCTURAL:
        network = run(network)
    check_convertible(network)
    return label_layers(network)


__all__ = [
    "STRUCTURAL",
    "Pass",
    "add_output_neurons",
    "check_convertible",
    "drop_inert",
    "find_input_scale",
    "fold_batch_normalization",
    "fuse_activations",
    "label_layers",
    "lower_global_pooling",
    "merge_reshapes",
    "note_untrained_weights",
    "rectify_max_pooling",
    "run_structural",
]
