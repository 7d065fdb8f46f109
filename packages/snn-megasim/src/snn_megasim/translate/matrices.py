"""Drafts of fully connected modules, and how large their matrices may be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snn_core.ir import Network, Spiking
from snn_core.ir.projections import drive_bias, projections_of
from snn_core.ir.shapes import count
from snn_core.typing import Array
from snn_megasim.files import Output
from snn_megasim.translate.drafts import Draft, DraftPort
from snn_megasim.translate.outlets import Outlet

MOST_WEIGHTS = 2**25
"""Weights of a matrix: as 64-bit integers they take 256 MB."""


def draft_matrices(
    network: Network, layer: Spiking, *, name: str, rows_of: Mapping[str, tuple[str, Array]]
) -> list[Draft]:
    """Return one module for each threshold of a layer, connected by matrices.

    Parameters
    ----------
    name
        Name of the layer in files.
    rows_of
        For each population: the node that carries it in one row, and its cells in that order.
    """
    size = count(layer.output_shape)
    bias_l = drive_bias(network, layer).reshape(-1).astype(np.float64)
    start_l, threshold_l = (
        np.broadcast_to(value, layer.output_shape).reshape(-1).astype(np.float64)
        for value in (layer.v_init * layer.threshold, layer.threshold)
    )
    projections = projections_of(network, layer)
    thresholds = np.unique(threshold_l)
    drafts = []
    for number, threshold in enumerate(thresholds):
        (cells,) = np.nonzero(threshold_l == threshold)
        column = np.full(size, -1)
        column[cells] = np.arange(len(cells))
        ports = []
        for projection in projections:
            node, order = rows_of[projection.source]
            made, row = projection.synapses, np.empty(len(order), np.int64)
            row[order] = np.arange(len(order))
            mine = column[made.post] >= 0
            weights = np.zeros((len(order), len(cells)))
            pair = (row[made.pre[mine]], column[made.post[mine]])
            np.add.at(weights, pair, made.weight[mine].astype(np.float64))
            ports.append(DraftPort(node=node, weights=weights))
        drafts.append(
            Draft(
                outlet=Outlet(
                    node=name if len(thresholds) == 1 else f"{name}_{number}",
                    cells_yx=cells[None],
                ),
                ports=tuple(ports),
                bias_yx=bias_l[cells][None],
                start_yx=start_l[cells][None],
                live_yx=np.ones((1, len(cells)), bool),
                threshold=float(threshold),
                output=Output(crop_xmin=0, crop_xmax=len(cells), crop_ymin=0, crop_ymax=len(cells)),
                is_array=False,
            )
        )
    return drafts


def matrix_problem(network: Network, layer: Spiking) -> str | None:
    """Return why the matrices of a layer would be too large, or ``None``."""
    outputs = count(layer.output_shape)
    for source in populations_before(network, layer):
        entries = count(network[source].output_shape) * outputs
        if entries > MOST_WEIGHTS:
            return (
                f"no array module holds it, and a matrix from {source} would have {entries} "
                f"weights; at most {MOST_WEIGHTS}"
            )
    return None


def populations_before(network: Network, layer: Spiking) -> set[str]:
    """Return the populations that a layer reads from, through relays."""
    found, open_names = set(), list(layer.inputs)
    while open_names:
        name = open_names.pop()
        source = network[name]
        if not source.inputs or network.has_neurons(source):
            found.add(name)
        else:
            open_names += source.inputs
    return found
