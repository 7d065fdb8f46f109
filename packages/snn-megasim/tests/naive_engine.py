"""The rules of the engine once more, as plainly as they can be written: no arrays, no tables."""

from collections import defaultdict

from snn_megasim.files import Convolution, Flatten


class StoppedError(Exception):
    """A module got an event that it cannot take, or there are too many."""


class NaiveEngine:
    def __init__(self, netlist, *, most_events):
        self.netlist, self.most = netlist, most_events
        self.made = 0
        self.waiting = []  # (time, order, node, x, y, sign)
        self.trace = defaultdict(list)
        self.v = defaultdict(dict)
        self.touched = defaultdict(dict)
        self.spiked = defaultdict(dict)
        self.acknowledged = defaultdict(int)
        self.ends = {}
        for item in netlist.schematic.instances:
            self.ends[item.output] = [netlist.states[item.state].time_busy_initial]
        for source in netlist.schematic.sources:
            events = netlist.stimuli[source.file]
            for t, _, _, x, y, sign in events.table.tolist():
                self.put(t, source.node, x, y, sign)

    def put(self, *event):
        self.waiting.append((event[0], len(self.waiting) + self.made, *event[1:]))

    def run(self):
        sources = len(self.waiting)
        self.made = 0
        while self.waiting:
            event = min(self.waiting)
            self.waiting.remove(event)
            time, _, node, x, y, sign = event
            if time > self.netlist.schematic.t_max:
                break
            if self.made > self.most:
                raise StoppedError("more than")
            request = taken = time
            for item in self.netlist.schematic.instances:
                for port, name in enumerate(item.inputs):
                    if name == node:
                        link = (item.output, port)
                        request = max(request, self.acknowledged[link])
                        when, ack = self.serve(item, link, time)
                        taken = max(taken, ack)
                        self.take(item, port, when, x, y, sign)
            self.trace[node].append((time, request, taken, x, y, sign))
        return sources

    def serve(self, item, link, time):
        module = self.netlist.module_of(item)
        ends = self.ends[item.output]
        room = module.link.fifo_depth + 1
        # `ends` begins with the time until which the module is busy at the start.
        free = ends[-room] if len(ends) > room else 0
        enter = max(time, self.acknowledged[link], free)
        end = max(enter, ends[-1]) + module.link.delay_to_process
        ends.append(end)
        self.acknowledged[link] = enter + module.link.delay_to_ack
        return end, self.acknowledged[link]

    def send(self, item, time, x, y, sign):
        link = self.netlist.module_of(item).link
        for copy in range(link.n_repeat):
            self.made += 1
            order = 10**9 + self.made
            self.waiting.append(
                (time + copy * link.delay_to_repeat, order, item.output, x, y, sign)
            )

    def take(self, item, port, time, x, y, sign):  # noqa: C901 - rule after rule
        module, name = self.netlist.module_of(item), item.output
        if sign == -2:
            if not (item.module.endswith("_NPP") or item.module == "module_softmax"):
                raise StoppedError("reset")
            for cell in self.all_cells(module):
                self.v[name][cell] = module.neurons.MembReset
                self.touched[name][cell] = time
                self.spiked[name].pop(cell, None)
        elif isinstance(module, Convolution):
            kernel = module.ports[port]
            for row in reversed(range(kernel.Ny_kernel)):
                for column in range(kernel.Nx_kernel):
                    weight = int(kernel.weights_rc[row, column])
                    cell = (
                        y + kernel.Dy + kernel.Ny_kernel - 1 - row - module.neurons.Ymin,
                        x + kernel.Dx + column - module.neurons.Xmin,
                    )
                    inside = 0 <= cell[0] < module.Ny_array and 0 <= cell[1] < module.Nx_array
                    if inside and weight:
                        self.receive(item, cell, time, sign * weight)
        elif item.module == "module_softmax" and y == -1 and sign == -1:
            cells = self.all_cells(module)
            best = max(cells, key=lambda cell: (self.potential(item, cell), -cells.index(cell)))
            for cell in cells:
                self.v[name][cell] = module.neurons.MembReset
            self.spike(item, best, time, 1)
        elif isinstance(module, Flatten):
            columns, rows = module.sizes[port]
            if not (0 <= x < columns and 0 <= y < rows):
                raise StoppedError("address")
            before = sum(c * r for c, r in module.sizes[:port])
            self.send(item, time, before + y * columns + x, 0, sign)
        else:
            matrix = module.ports[port]
            if not (0 <= x < matrix.Nx_array_pre and 0 <= y < matrix.Ny_array_pre):
                raise StoppedError("address")
            row = matrix.weights_io[y * matrix.Nx_array_pre + x].tolist()
            for cell, weight in zip(self.all_cells(module), row, strict=True):
                if weight:
                    self.receive(item, cell, time, sign * weight)

    @staticmethod
    def all_cells(module):
        rows, columns = module.shape
        return [(y, x) for y in range(rows) for x in range(columns)]

    def potential(self, item, cell):
        rest = self.netlist.module_of(item).neurons.MembReset
        return self.v[item.output].get(cell, rest)

    def receive(self, item, cell, time, weight):
        neurons, name = self.netlist.module_of(item).neurons, item.output
        last = self.spiked[name].get(cell)
        if last is not None and time < last + neurons.T_Refract:
            return
        v, rest = self.potential(item, cell), neurons.MembReset
        elapsed = time - self.touched[name].get(cell, 0)
        if v > rest:
            v = max(rest, v - neurons.TLplus * elapsed)
        else:
            v = min(rest, v + neurons.TLminus * elapsed)
        v += weight
        self.touched[name][cell] = time
        self.v[name][cell] = v
        if item.module == "module_softmax":
            return
        sign = 0
        if neurons.THplusInfo and v >= neurons.THplus:
            sign, threshold = 1, neurons.THplus
        elif neurons.THminusInfo and v <= neurons.THminus:
            sign, threshold = -1, neurons.THminus
        if sign and (last is None or time >= last + neurons.Tmin):
            self.v[name][cell] = v - threshold if neurons.Reset_to_reminder else rest
            self.spiked[name][cell] = time
            self.spike(item, cell, time, sign)

    def spike(self, item, cell, time, sign):
        module = self.netlist.module_of(item)
        out = module.output
        x, y = cell[1] + module.neurons.Xmin, cell[0] + module.neurons.Ymin
        if out.crop_xmin <= x <= out.crop_xmax and out.crop_ymin <= y <= out.crop_ymax:
            x = (x + out.xshift_pre) // out.x_subsmp + out.xshift_pos
            y = (y + out.yshift_pre) // out.y_subsmp + out.yshift_pos
            self.send(item, time, x, y, 1 if out.rectify else sign)
