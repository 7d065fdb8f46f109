"""A netlist as plain arrays, for compiled functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.errors import SimulationError
from snn_core.typing import Array, Int64
from snn_megasim.engine.columns import At, Kind, Of
from snn_megasim.files import Convolution, Flatten, FullyConnected, Instance, Module, Netlist
from snn_megasim.files.attributes import LARGEST, MOST_NEURONS
from snn_megasim.files.modules import RESETTABLE


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Arrays of a netlist that do not change during a run.

    Parameters
    ----------
    nodes
        Number of each node by its name: sources first.
    module_m_c, port_p_c
        Tables of modules and of ports, columns as in `Of` and `At`.
    reader_first_n, reader_r_c
        Where the readers of each node begin; module and port of each reader.
    kernel_k
        Kernels of all convolutions, rows from the top to the bottom.
    row_first_i, target_s, weight_s
        Where each row of all matrices begins; neuron and weight of each entry other than 0.
    most_sent_n
        Largest number of events that an event of each node can cause at once.
    rest_l
        First potential of each neuron; modules lie one behind the other.
    busy_m
        When each module begins to take events.
    """

    nodes: dict[str, int]
    module_m_c: Int64[Array, "m c"]
    port_p_c: Int64[Array, "p c"]
    reader_first_n: Int64[Array, "n"]
    reader_r_c: Int64[Array, "r c"]
    kernel_k: Int64[Array, "k"]
    row_first_i: Int64[Array, "i"]
    target_s: Int64[Array, "s"]
    weight_s: Int64[Array, "s"]
    most_sent_n: Int64[Array, "n"]
    rest_l: Int64[Array, "l"]
    busy_m: Int64[Array, "m"]


class _Tables:
    """Grows the arrays module by module."""

    def __init__(self) -> None:
        self.modules: list[list[int]] = []
        self.ports: list[list[int]] = []
        self.kernels: list[Array] = [np.zeros(0, np.int64)]
        self.row_sizes: list[Array] = [np.zeros(0, np.int64)]
        self.targets: list[Array] = [np.zeros(0, np.int64)]
        self.weights: list[Array] = [np.zeros(0, np.int64)]
        self.num_kernel = self.num_rows = self.num_neurons = self.num_queue = 0

    def add(self, instance: Instance, module: Module, node: int) -> None:
        """Add a module and its ports."""
        row = [0] * len(Of)
        row[Of.NODE], row[Of.FIRST] = node, self.num_neurons
        row[Of.RESETS] = instance.module in RESETTABLE
        link = module.link
        row[Of.PROCESS], row[Of.ACK] = link.delay_to_process, link.delay_to_ack
        row[Of.FIFO], row[Of.REPEAT] = link.fifo_depth, link.n_repeat
        row[Of.REPEAT_DELAY], row[Of.QUEUE] = link.delay_to_repeat, self.num_queue
        self.num_queue += link.fifo_depth + 1
        if isinstance(module, Flatten):
            row[Of.KIND] = Kind.FLATTEN
            self._add_flatten(module)
        else:
            self._add_neurons(row, module)
            if isinstance(module, Convolution):
                row[Of.KIND] = Kind.CONVOLUTION
                self._add_kernels(module)
            else:
                row[Of.KIND] = Kind.FULLY_CONNECTED
                if instance.module == "module_softmax":  # it has a clock in place of thresholds
                    row[Of.KIND] = Kind.SOFTMAX
                    row[Of.FIRES_PLUS] = row[Of.FIRES_MINUS] = 0
                    row[Of.HIGH], row[Of.LOW] = LARGEST + 1, -LARGEST - 1
                self._add_matrices(module)
        self.modules.append(row)

    def _add_neurons(self, row: list[int], module: Convolution | FullyConnected) -> None:
        cell, out = module.neurons, module.output
        row[Of.ROWS], row[Of.COLUMNS] = module.shape
        self.num_neurons += row[Of.ROWS] * row[Of.COLUMNS]
        row[Of.XMIN], row[Of.YMIN] = cell.Xmin, cell.Ymin
        row[Of.TH_PLUS], row[Of.TH_MINUS] = cell.THplus, cell.THminus
        row[Of.FIRES_PLUS], row[Of.FIRES_MINUS] = cell.THplusInfo, cell.THminusInfo
        # Between these two, nothing has to be looked at.
        row[Of.HIGH] = cell.THplus if cell.THplusInfo else LARGEST + 1
        row[Of.LOW] = cell.THminus if cell.THminusInfo else -LARGEST - 1
        row[Of.REMAINDER], row[Of.REST] = cell.Reset_to_reminder, cell.MembReset
        row[Of.LEAK_PLUS], row[Of.LEAK_MINUS] = cell.TLplus, cell.TLminus
        row[Of.T_MIN], row[Of.T_REFRACT] = cell.Tmin, cell.T_Refract
        row[Of.PLAIN] = not (cell.TLplus or cell.TLminus or cell.Tmin or cell.T_Refract)
        row[Of.CROP_X0], row[Of.CROP_X1] = out.crop_xmin, out.crop_xmax
        row[Of.CROP_Y0], row[Of.CROP_Y1] = out.crop_ymin, out.crop_ymax
        row[Of.PRE_X], row[Of.PRE_Y] = out.xshift_pre, out.yshift_pre
        row[Of.BY_X], row[Of.BY_Y] = out.x_subsmp, out.y_subsmp
        row[Of.POS_X], row[Of.POS_Y] = out.xshift_pos, out.yshift_pos
        row[Of.RECTIFY] = out.rectify

    def _add_flatten(self, module: Flatten) -> None:
        before = 0
        for columns, rows in module.sizes:
            self.ports.append([columns, rows, 0, 0, before])
            before += columns * rows

    def _add_kernels(self, module: Convolution) -> None:
        for port in module.ports:
            place = [port.Nx_kernel, port.Ny_kernel, port.Dx, port.Dy, self.num_kernel]
            self.ports.append(place)
            self.kernels.append(port.weights_rc[::-1].reshape(-1))
            self.num_kernel += port.weights_rc.size

    def _add_matrices(self, module: FullyConnected) -> None:
        for port in module.ports:
            self.ports.append([port.Nx_array_pre, port.Ny_array_pre, 0, 0, self.num_rows])
            row, column = np.nonzero(port.weights_io)
            self.row_sizes.append(np.bincount(row, minlength=len(port.weights_io)))
            self.targets.append(column)
            self.weights.append(port.weights_io[row, column])
            self.num_rows += len(port.weights_io)


def lay_out(netlist: Netlist) -> Layout:
    """Return the arrays of a netlist.

    Raises
    ------
    SimulationError
        If an event could cause more events at once than can be kept.
    """
    nodes = {name: number for number, name in enumerate(netlist.schematic.nodes)}
    tables = _Tables()
    busy, first_port, rest = [], [], [np.zeros(0, np.int64)]
    for instance in netlist.schematic.instances:
        module = netlist.module_of(instance)
        first_port.append(len(tables.ports))
        tables.add(instance, module, nodes[instance.output])
        busy.append(netlist.states[instance.state].time_busy_initial)
        if not isinstance(module, Flatten):
            size = module.shape[0] * module.shape[1]
            rest.append(np.full(size, module.neurons.MembReset))
    module_m_c = np.array(tables.modules, np.int64).reshape(-1, len(Of))
    readers: list[list[tuple[int, int]]] = [[] for _ in nodes]
    for number, instance in enumerate(netlist.schematic.instances):
        for port, node in enumerate(instance.inputs):
            readers[nodes[node]].append((number, first_port[number] + port))
    flat = [reader for of_node in readers for reader in of_node]
    row_sizes = np.concatenate(tables.row_sizes)
    return Layout(
        nodes=nodes,
        module_m_c=module_m_c,
        port_p_c=np.array(tables.ports, np.int64).reshape(-1, len(At)),
        reader_first_n=np.cumsum([0, *map(len, readers)]),
        reader_r_c=np.array(flat, np.int64).reshape(-1, 2),
        kernel_k=np.concatenate(tables.kernels),
        row_first_i=np.concatenate([[0], np.cumsum(row_sizes)]).astype(np.int64),
        target_s=np.concatenate(tables.targets),
        weight_s=np.concatenate(tables.weights),
        most_sent_n=_most_sent(netlist, module_m_c, readers),
        rest_l=np.concatenate(rest).astype(np.int64),
        busy_m=np.array(busy, np.int64),
    )


def _most_sent(netlist: Netlist, module_m_c: Array, readers: list[list[tuple[int, int]]]) -> Array:
    size_m = np.maximum(module_m_c[:, Of.ROWS] * module_m_c[:, Of.COLUMNS], 1)
    sent_m = size_m * module_m_c[:, Of.REPEAT]
    for instance, sent in zip(netlist.schematic.instances, sent_m, strict=True):
        if sent > 4 * MOST_NEURONS:
            raise SimulationError(
                f"{instance.parameters}: an event can make {sent} others at once (neurons times "
                f"n_repeat); expected at most {4 * MOST_NEURONS}. Lower n_repeat."
            )
    return np.array([sum(int(sent_m[m]) for m, _ in of_node) for of_node in readers], np.int64)
