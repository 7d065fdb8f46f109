"""Netlists for tests: a small one by hand, and strategies for any."""

import numpy as np
from hypothesis import strategies as st

from snn_megasim.files import (
    Convolution,
    EventList,
    Flatten,
    FullyConnected,
    Instance,
    Kernel,
    Link,
    Matrix,
    Netlist,
    Neurons,
    Output,
    Schematic,
    Source,
    State,
)


def whole(columns, rows=1):
    """Return an output that sends everything as it is."""
    return Output(crop_xmin=0, crop_xmax=columns - 1, crop_ymin=0, crop_ymax=rows - 1)


def array(*kernels, columns=4, rows=4, link=None, output=None, **neurons):
    """Return an array of neurons with a threshold of 10."""
    neurons = {"THplus": 10, "Reset_to_reminder": 1, **neurons}
    return Convolution(
        link=link or Link(),
        Nx_array=columns,
        Ny_array=rows,
        neurons=Neurons(**neurons),
        ports=tuple(kernels) or (kernel([[10]]),),
        output=output or whole(columns, rows),
    )


def kernel(rows, dx=0, dy=0):
    return Kernel(Dx=dx, Dy=dy, weights_rc=np.array(rows, np.int64))


def row(*matrices, link=None, **neurons):
    """Return a row of neurons with a threshold of 10, one for each column of its matrices."""
    made = tuple(Matrix(Nx_array_pre=len(m), weights_io=np.array(m, np.int64)) for m in matrices)
    size = made[0].weights_io.shape[1]
    return FullyConnected(
        link=link or Link(),
        population_size=size,
        neurons=Neurons(**{"THplus": 10, "Reset_to_reminder": 1, **neurons}),
        ports=made,
        output=whole(size),
    )


def netlist(modules, stimuli, *, busy=0, t_max=1000):
    """Return a netlist.

    Parameters
    ----------
    modules
        Node to its kind, the nodes it reads, and its parameters.
    stimuli
        Node to events as time, column, row, sign.
    """
    sources = tuple(Source(node=node, file=f"{node}.stim") for node in stimuli)
    instances = tuple(
        Instance(
            module=kind,
            inputs=tuple(inputs),
            output=node,
            parameters=f"{node}.prm",
            state=f"{node}.stt",
        )
        for node, (kind, inputs, _) in modules.items()
    )
    return Netlist(
        schematic=Schematic(sources=sources, instances=instances, t_max=t_max),
        modules={f"{node}.prm": made for node, (_, _, made) in modules.items()},
        states={f"{node}.stt": State(time_busy_initial=busy) for node in modules},
        stimuli={f"{node}.stim": EventList.of(rows) for node, rows in stimuli.items()},
    )


def alone(module, events, *, kind="module_conv", busy=0, t_max=1000):
    """Return a netlist of one module, ``out``, that reads one source, ``in``."""
    return netlist({"out": (kind, ["in"], module)}, {"in": events}, busy=busy, t_max=t_max)


# Strategies: small numbers, so that thresholds are met, and everything that an attribute can do.

small = st.integers(-4, 12)
delays = st.sampled_from([0, 0, 0, 1, 2, 5])
links = st.builds(
    Link,
    delay_to_process=delays,
    delay_to_ack=delays,
    fifo_depth=st.sampled_from([0, 0, 1, 3]),
    n_repeat=st.sampled_from([1, 1, 1, 2]),
    delay_to_repeat=st.sampled_from([0, 1, 15]),
)
flags = st.integers(0, 1)
cells = st.builds(
    Neurons,
    Xmin=st.sampled_from([0, 0, 0, -1, 2]),
    Ymin=st.sampled_from([0, 0, 1]),
    THplus=st.integers(3, 20),
    THplusInfo=st.sampled_from([1, 1, 0]),
    THminus=st.integers(-15, -2),
    THminusInfo=flags,
    Reset_to_reminder=flags,
    MembReset=st.integers(-2, 2),
    TLplus=st.sampled_from([0, 0, 1, 3]),
    TLminus=st.sampled_from([0, 0, 1, 2]),
    Tmin=delays,
    T_Refract=delays,
)
shifts = st.sampled_from([0, 0, 0, 0, 1])


@st.composite
def outputs(draw, columns, rows):
    low_x, low_y = draw(st.integers(-1, columns - 1)), draw(st.integers(-1, rows - 1))
    return Output(
        crop_xmin=low_x,
        crop_xmax=draw(st.integers(low_x, columns + 1)),
        crop_ymin=low_y,
        crop_ymax=draw(st.integers(low_y, rows + 1)),
        xshift_pre=draw(shifts),
        yshift_pre=draw(shifts),
        x_subsmp=draw(st.sampled_from([1, 1, 2, 3])),
        y_subsmp=draw(st.sampled_from([1, 1, 2])),
        xshift_pos=draw(shifts),
        yshift_pos=draw(shifts),
        rectify=draw(flags),
    )


def weights(rows, columns):
    flat = st.lists(small, min_size=rows * columns, max_size=rows * columns)
    return flat.map(lambda values: np.array(values, np.int64).reshape(rows, columns))


@st.composite
def convolutions(draw, ports):
    columns, rows = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    kernels = []
    for _ in range(ports):
        shape = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        place = draw(st.integers(-2, 1)), draw(st.integers(-2, 1))
        kernels.append(Kernel(Dx=place[0], Dy=place[1], weights_rc=draw(weights(*shape))))
    return Convolution(
        link=draw(links),
        Nx_array=columns,
        Ny_array=rows,
        neurons=draw(cells),
        ports=tuple(kernels),
        output=draw(outputs(columns, rows)),
    )


@st.composite
def fully_connected(draw, ports):
    size, rows = draw(st.integers(1, 4)), draw(st.sampled_from([1, 1, 2]))
    matrices = []
    for _ in range(ports):
        pre = draw(st.integers(3, 6)), draw(st.integers(3, 6))
        matrices.append(
            Matrix(
                Nx_array_pre=pre[0],
                Ny_array_pre=pre[1],
                weights_io=draw(weights(pre[0] * pre[1], size * rows)),
            )
        )
    return FullyConnected(
        link=draw(links),
        population_size=size,
        Ny_array=rows,
        neurons=draw(cells),
        ports=tuple(matrices),
        output=draw(outputs(size, rows)),
    )


def flattening(ports):
    size = st.tuples(st.integers(3, 6), st.integers(3, 6))
    return st.builds(
        Flatten,
        link=links,
        sizes=st.lists(size, min_size=ports, max_size=ports).map(tuple),
    )


KINDS = {
    "module_conv": convolutions,
    "module_conv_NPP": convolutions,
    "module_fully_connected": fully_connected,
    "module_fully_connected_NPP": fully_connected,
    "module_softmax": fully_connected,
    "module_flatten": flattening,
}


@st.composite
def any_module(draw):
    """Return the name of a module and its parameters."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    return kind, draw(KINDS[kind](draw(st.integers(1, 3))))


@st.composite
def any_events(draw, *, resets):
    """Return events as time, column, row, sign."""
    # At few different times, so that there are simultaneous ones.
    plain = st.tuples(
        st.integers(0, 8), st.integers(0, 3), st.integers(0, 2), st.sampled_from([1, 1, 1, -1])
    )
    special = st.tuples(
        st.integers(0, 12), st.just(0), st.sampled_from([-1, -2]), st.sampled_from([-1, -2])
    ).filter(lambda event: event[2] == event[3])
    events = draw(st.lists(plain, min_size=4, max_size=16))
    if resets:
        events += draw(st.lists(special, max_size=2))
    return sorted(events, key=lambda event: event[0])


@st.composite
def any_netlist(draw):
    """Return a netlist; modules may read each other in a loop."""
    sources = ["first", "second"][: draw(st.integers(1, 2))]
    names = [f"m{i}" for i in range(draw(st.integers(1, 3)))]
    modules = {}
    for number, name in enumerate(names):
        # Mostly forward, sometimes from behind or itself.
        known = sources + (names if draw(st.integers(0, 5)) == 0 else names[:number])
        inputs = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        kind = draw(st.sampled_from(sorted(KINDS)))
        modules[name] = (kind, inputs, draw(KINDS[kind](len(inputs))))
    knows = all(kind.endswith(("_NPP", "softmax")) for kind, _, _ in modules.values())
    resets = knows or draw(st.integers(0, 9)) == 0
    stimuli = {node: draw(any_events(resets=resets)) for node in sources}
    return netlist(modules, stimuli, busy=draw(st.sampled_from([0, 0, 3])), t_max=60)
