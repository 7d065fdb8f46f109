"""Constant input: for each sample a source of its own, like the clock of the biases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.errors import DataError
from snn_core.typing import Array, Float32, Int64
from snn_megasim.files import (
    Convolution,
    EventList,
    FullyConnected,
    Kernel,
    Matrix,
    Module,
    Netlist,
    Source,
)
from snn_megasim.files.attributes import LARGEST
from snn_megasim.translate.outlets import Outlet
from snn_megasim.translate.translation import Translation, current_node, stimulus_file


def with_currents(translation: Translation, x_b_i: Float32[Array, "b i"]) -> Netlist:
    """Return the netlist with a port for each sample, which adds its weighted input.

    Parameters
    ----------
    x_b_i
        Input of a step of each sample, flat.

    Raises
    ------
    DataError
        If a sum does not fit into the files.
    """
    netlist = translation.netlist
    nodes = tuple(current_node(sample) for sample in range(len(x_b_i)))
    modules, readers = dict(netlist.modules), set()
    for name, synapses in translation.currents.items():
        population = translation.populations[name]
        drive_b_l = x_b_i.astype(np.float64) @ synapses.to_csr().astype(np.float64)
        integers_b_l = population.scale.of(drive_b_l)
        largest = int(np.abs(integers_b_l).max(initial=0))
        if largest > LARGEST:
            raise DataError(
                f"Layer {name!r} receives {largest} in a step, more than {LARGEST}, the largest "
                f"number of MegaSim. Scale the samples to at most 1."
            )
        for outlet in population.outlets:
            file = f"{outlet.node}.prm"
            modules[file] = _with_ports(modules[file], outlet, integers_b_l)
            readers.add(outlet.node)
    instances = tuple(
        replace(item, inputs=(*item.inputs, *nodes)) if item.output in readers else item
        for item in netlist.schematic.instances
    )
    sources = tuple(Source(node=node, file=stimulus_file(node)) for node in nodes)
    schematic = replace(
        netlist.schematic, sources=(*sources, *netlist.schematic.sources), instances=instances
    )
    stimuli = {source.file: EventList.of([]) for source in sources}
    return replace(
        netlist, schematic=schematic, modules=modules, stimuli={**netlist.stimuli, **stimuli}
    )


def _with_ports(module: Module, outlet: Outlet, drive_b_l: Int64[Array, "b l"]) -> Module:
    if isinstance(module, Convolution):
        kernels = []
        for drive_l in drive_b_l:
            values_yx = np.zeros(module.shape, np.int64)
            values_yx[outlet.rows, outlet.columns] = drive_l[outlet.cells_yx]
            kernels.append(square_kernel(values_yx))
        return replace(module, ports=(*module.ports, *kernels))
    assert isinstance(module, FullyConnected), "flattening modules are no layers"  # noqa: S101
    matrices = [
        Matrix(Nx_array_pre=1, weights_io=drive_l[outlet.cells_yx]) for drive_l in drive_b_l
    ]
    return replace(module, ports=(*module.ports, *matrices))


def square_kernel(values_yx: Array, dy: int = 0, dx: int = 0) -> Kernel:
    """Return a kernel, square so that columns and rows cannot be mistaken.

    The ancestor's names can be read either way. What is added lies outside of the array or is 0.
    """
    size = max(values_yx.shape)
    square = np.zeros((size, size), np.int64)
    square[: values_yx.shape[0], : values_yx.shape[1]] = values_yx
    return Kernel(Dx=dx, Dy=dy, weights_rc=square[::-1])
