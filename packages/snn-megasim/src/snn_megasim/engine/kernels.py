"""Compiled functions of the engine: one event after the other, in the order of time.

Events of the same time are taken in the order in which they were made: stimuli first, as their
sources and rows stand in the files, then events that modules sent earlier for this time, then
those that they send at this time.
"""

from __future__ import annotations

from snn_core.simulation.compiling import compiled
from snn_megasim.engine.columns import At, Clock, Event, Kind, Of, Status
from snn_megasim.files.attributes import LARGEST as _LARGEST

# Compiled functions take what is known beforehand from globals that are plain numbers.
LARGEST = _LARGEST
BITS = 32

KIND, NODE, FIRST = int(Of.KIND), int(Of.NODE), int(Of.FIRST)
COLUMNS, ROWS, XMIN, YMIN = int(Of.COLUMNS), int(Of.ROWS), int(Of.XMIN), int(Of.YMIN)
HIGH, LOW, TH_PLUS, TH_MINUS = int(Of.HIGH), int(Of.LOW), int(Of.TH_PLUS), int(Of.TH_MINUS)
FIRES_PLUS, FIRES_MINUS = int(Of.FIRES_PLUS), int(Of.FIRES_MINUS)
REMAINDER, REST = int(Of.REMAINDER), int(Of.REST)
LEAK_PLUS, LEAK_MINUS = int(Of.LEAK_PLUS), int(Of.LEAK_MINUS)
T_MIN, T_REFRACT = int(Of.T_MIN), int(Of.T_REFRACT)
CROP_X0, CROP_X1, CROP_Y0, CROP_Y1 = (
    int(column) for column in (Of.CROP_X0, Of.CROP_X1, Of.CROP_Y0, Of.CROP_Y1)
)
PRE_X, PRE_Y, BY_X, BY_Y = int(Of.PRE_X), int(Of.PRE_Y), int(Of.BY_X), int(Of.BY_Y)
POS_X, POS_Y, RECTIFY = int(Of.POS_X), int(Of.POS_Y), int(Of.RECTIFY)
PROCESS, ACK, FIFO = int(Of.PROCESS), int(Of.ACK), int(Of.FIFO)
REPEAT, REPEAT_DELAY = int(Of.REPEAT), int(Of.REPEAT_DELAY)
RESETS, TIMED, PLAIN, QUEUE = int(Of.RESETS), int(Of.TIMED), int(Of.PLAIN), int(Of.QUEUE)

CONVOLUTION, FULLY_CONNECTED = int(Kind.CONVOLUTION), int(Kind.FULLY_CONNECTED)
FLATTEN, SOFTMAX = int(Kind.FLATTEN), int(Kind.SOFTMAX)

AT_COLUMNS, AT_ROWS, AT_DX, AT_DY, AT_START = (int(column) for column in At)

TIME, OF_NODE, X, Y, SIGN = (
    int(column) for column in (Event.TIME, Event.NODE, Event.X, Event.Y, Event.SIGN)
)
REQUEST, ACKNOWLEDGE = int(Event.REQUEST), int(Event.ACKNOWLEDGE)

NOW, STIMULUS, HEAD, TAIL = int(Clock.NOW), int(Clock.STIMULUS), int(Clock.HEAD), int(Clock.TAIL)
WAITING, SENT, SYNAPTIC = int(Clock.WAITING), int(Clock.SENT), int(Clock.SYNAPTIC)
WHERE, AT_X, AT_Y = int(Clock.WHERE), int(Clock.X), int(Clock.Y)

DONE, FULL, TOO_MANY, OVERFLOW = (
    int(status) for status in (Status.DONE, Status.FULL, Status.TOO_MANY, Status.OVERFLOW)
)
NO_RESET, ADDRESS, TOO_LATE = int(Status.NO_RESET), int(Status.ADDRESS), int(Status.TOO_LATE)

IS_RESET, ASKS_SOFTMAX = -2, -1


@compiled
def push(heap, clock, key):
    """Put a key into the heap of what waits for a later time."""
    at = clock[WAITING]
    clock[WAITING] = at + 1
    while at > 0:
        above = (at - 1) >> 1
        if heap[above] <= key:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = key


@compiled
def pop(heap, clock):
    """Take the smallest key from the heap."""
    smallest = heap[0]
    size = clock[WAITING] - 1
    clock[WAITING] = size
    key = heap[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= key:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = key
    return smallest


@compiled
def send(module_c, log, heap, clock, time, x, y, sign):
    """Send an event, as often as the module repeats it; return whether its time can be written."""
    now = clock[NOW]
    for copy in range(module_c[REPEAT]):
        when = time + copy * module_c[REPEAT_DELAY]
        if when > LARGEST:
            return False
        tail = clock[TAIL]
        log[tail, TIME] = when
        log[tail, OF_NODE] = module_c[NODE]
        log[tail, X] = x
        log[tail, Y] = y
        log[tail, SIGN] = sign
        log[tail, REQUEST] = when
        log[tail, ACKNOWLEDGE] = when
        clock[TAIL] = tail + 1
        clock[SENT] += 1
        if when > now:
            push(heap, clock, (when << BITS) | tail)
    return True


@compiled
def spike(module_c, log, heap, clock, time, neuron, sign):
    """Send the spike of a neuron if it is not cropped; return whether its time can be written."""
    x = module_c[XMIN] + neuron % module_c[COLUMNS]
    y = module_c[YMIN] + neuron // module_c[COLUMNS]
    if x < module_c[CROP_X0] or x > module_c[CROP_X1]:
        return True
    if y < module_c[CROP_Y0] or y > module_c[CROP_Y1]:
        return True
    x = (x + module_c[PRE_X]) // module_c[BY_X] + module_c[POS_X]
    y = (y + module_c[PRE_Y]) // module_c[BY_Y] + module_c[POS_Y]
    if module_c[RECTIFY]:
        sign = 1
    return send(module_c, log, heap, clock, time, x, y, sign)


@compiled
def leak(module_c, potential, elapsed):
    """Return a potential that went towards rest for some time."""
    rest = module_c[REST]
    if potential > rest:
        return max(rest, potential - module_c[LEAK_PLUS] * elapsed)
    return min(rest, potential + module_c[LEAK_MINUS] * elapsed)


@compiled
def cross(module_c, state, spiked, log, heap, clock, time, neuron):
    """Look at a neuron whose potential is outside what is quiet; return a status."""
    place = module_c[FIRST] + neuron
    potential = state[place]
    sign = 0
    threshold = 0
    if module_c[FIRES_PLUS] and potential >= module_c[TH_PLUS]:
        sign, threshold = 1, module_c[TH_PLUS]
    elif module_c[FIRES_MINUS] and potential <= module_c[TH_MINUS]:
        sign, threshold = -1, module_c[TH_MINUS]
    if sign != 0 and time - spiked[place] >= module_c[T_MIN]:
        potential = potential - threshold if module_c[REMAINDER] else module_c[REST]
        state[place] = potential
        spiked[place] = time
        if not spike(module_c, log, heap, clock, time, neuron, sign):
            return TOO_LATE
    if potential > LARGEST or potential < -LARGEST:
        clock[AT_X] = neuron % module_c[COLUMNS]
        clock[AT_Y] = neuron // module_c[COLUMNS]
        return OVERFLOW
    return DONE


@compiled
def receive(module_c, state, touched, spiked, log, heap, clock, time, neuron, weight):
    """Let a neuron that leaks or rests receive a weight; return a status."""
    place = module_c[FIRST] + neuron
    if time - spiked[place] < module_c[T_REFRACT]:
        return DONE
    potential = leak(module_c, state[place], time - touched[place]) + weight
    touched[place] = time
    state[place] = potential
    if potential >= module_c[HIGH] or potential <= module_c[LOW]:
        return cross(module_c, state, spiked, log, heap, clock, time, neuron)
    return DONE


@compiled
def convolve(
    module_c, port_c, kernel, state, touched, spiked, log, heap, clock, time, x, y, sign
):  # fmt: skip
    """Add a kernel around the address of an event; return a status."""
    first, columns = module_c[FIRST], module_c[COLUMNS]
    high, low, plain = module_c[HIGH], module_c[LOW], module_c[PLAIN]
    width = port_c[AT_COLUMNS]
    left = x - module_c[XMIN] + port_c[AT_DX]
    top = y - module_c[YMIN] + port_c[AT_DY]
    done = 0
    for row in range(max(0, -top), min(port_c[AT_ROWS], module_c[ROWS] - top)):
        base = (top + row) * columns + left
        weights = port_c[AT_START] + row * width
        for column in range(max(0, -left), min(width, columns - left)):
            weight = kernel[weights + column]
            if weight == 0:
                continue
            done += 1
            neuron = base + column
            if plain:
                potential = state[first + neuron] + sign * weight
                state[first + neuron] = potential
                if low < potential < high:
                    continue
                status = cross(module_c, state, spiked, log, heap, clock, time, neuron)
            else:
                status = receive(
                    module_c, state, touched, spiked, log, heap, clock, time, neuron, sign * weight
                )
            if status != DONE:
                return status
    clock[SYNAPTIC] += done
    return DONE


@compiled
def connect(
    module_c, begin, end, target, weights, state, touched, spiked, log, heap, clock, time, sign
):  # fmt: skip
    """Add a row of a matrix; return a status."""
    first, plain = module_c[FIRST], module_c[PLAIN]
    high, low = module_c[HIGH], module_c[LOW]
    for synapse in range(begin, end):
        neuron, weight = target[synapse], sign * weights[synapse]
        if plain:
            potential = state[first + neuron] + weight
            state[first + neuron] = potential
            if low < potential < high:
                continue
            status = cross(module_c, state, spiked, log, heap, clock, time, neuron)
        else:
            status = receive(
                module_c, state, touched, spiked, log, heap, clock, time, neuron, weight
            )
        if status != DONE:
            return status
    clock[SYNAPTIC] += end - begin
    return DONE


@compiled
def ask_softmax(module_c, state, log, heap, clock, time):
    """Let the neuron with the largest potential spike, and reset all; return a status."""
    first, size = module_c[FIRST], module_c[ROWS] * module_c[COLUMNS]
    best = 0
    for neuron in range(1, size):
        if state[first + neuron] > state[first + best]:
            best = neuron
    for neuron in range(size):
        state[first + neuron] = module_c[REST]
    return DONE if spike(module_c, log, heap, clock, time, best, 1) else TOO_LATE


@compiled
def serve(module_c, link, busy, queue, module, reader, time):
    """Take an event from a link; return when it is acknowledged and when it is processed.

    An event is requested when the one before it on its link has been acknowledged. It enters when
    it is one of ``fifo_depth + 1`` that wait or are processed, and is processed after those before.
    """
    depth = module_c[FIFO] + 1
    slot = module_c[QUEUE] + busy[module, 1] % depth
    busy[module, 1] += 1
    enter = max(time, link[reader], queue[slot])
    begin = max(enter, busy[module, 0])
    end = begin + module_c[PROCESS]
    busy[module, 0] = end
    queue[slot] = end
    acknowledged = enter + module_c[ACK]
    link[reader] = acknowledged
    return acknowledged, end


@compiled
def restart(module_c, state, touched, spiked, rest, time):
    """Reset all neurons of a module."""
    first = module_c[FIRST]
    for place in range(first, first + module_c[ROWS] * module_c[COLUMNS]):
        state[place] = rest[place]
        touched[place] = time
        spiked[place] = -LARGEST - 1


@compiled
def look_up(
    module_c, port_c, rows, target, weights, state, touched, spiked, log, heap, clock, time, x, y,
    sign,
):  # fmt: skip
    """Take an event at a port that has a place for each address; return a status."""
    if x < 0 or y < 0 or x >= port_c[AT_COLUMNS] or y >= port_c[AT_ROWS]:
        clock[AT_X], clock[AT_Y] = x, y
        return ADDRESS
    place = port_c[AT_START] + y * port_c[AT_COLUMNS] + x
    if module_c[KIND] == FLATTEN:
        return DONE if send(module_c, log, heap, clock, time, place, 0, sign) else TOO_LATE
    return connect(
        module_c, rows[place], rows[place + 1], target, weights, state, touched, spiked, log, heap,
        clock, time, sign,
    )  # fmt: skip


@compiled
def deliver(
    event, modules, ports, readers, first_reader, kernel, rows, target, weights, state, touched,
    spiked, link, busy, queue, rest, log, heap, clock,
):  # fmt: skip
    """Hand an event to all that read its node; return a status.

    When they took it is noted on the event.
    """
    time, x, y, sign = event[TIME], event[X], event[Y], event[SIGN]
    for reader in range(first_reader[event[OF_NODE]], first_reader[event[OF_NODE] + 1]):
        module = readers[reader, 0]
        module_c, port_c = modules[module], ports[readers[reader, 1]]
        clock[WHERE] = module
        when = time
        if module_c[TIMED]:
            event[REQUEST] = max(event[REQUEST], link[reader])
            taken, when = serve(module_c, link, busy, queue, module, reader, time)
            if max(when, taken) > LARGEST:
                return TOO_LATE
            event[ACKNOWLEDGE] = max(event[ACKNOWLEDGE], taken)
        status = DONE
        if sign == IS_RESET and not module_c[RESETS]:
            status = NO_RESET
        elif sign == IS_RESET:
            restart(module_c, state, touched, spiked, rest, when)
        elif module_c[KIND] == CONVOLUTION:
            status = convolve(
                module_c, port_c, kernel, state, touched, spiked, log, heap, clock, when, x, y, sign
            )
        elif module_c[KIND] == SOFTMAX and y == ASKS_SOFTMAX and sign == -1:
            status = ask_softmax(module_c, state, log, heap, clock, when)
        else:
            status = look_up(
                module_c, port_c, rows, target, weights, state, touched, spiked, log, heap, clock,
                when, x, y, sign,
            )  # fmt: skip
        if status != DONE:
            return status
    return DONE


@compiled
def advance(
    until, most, modules, ports, readers, first_reader, kernel, rows, target, weights, most_sent,
    state, touched, spiked, link, busy, queue, rest, stimuli, log, heap, clock,
):  # fmt: skip
    """Process all events up to a time; return a status.

    ``clock`` and all state hold where it paused, so that it can go on with more room.
    """
    while True:
        head, waits = clock[HEAD], clock[WAITING] > 0
        now, left = clock[NOW], clock[STIMULUS] < len(stimuli)
        # What modules sent for a later time is in the heap, too.
        while head < clock[TAIL] and log[head, TIME] > now:
            head += 1
        clock[HEAD] = head
        stimulus_time = stimuli[clock[STIMULUS], TIME] if left else LARGEST + 1
        waiting_time = heap[0] >> BITS if waits else LARGEST + 1
        if head < clock[TAIL] and stimulus_time > now and waiting_time > now:
            time, is_stimulus, is_waiting = now, False, False
        else:
            time = min(stimulus_time, waiting_time)
            is_stimulus = stimulus_time <= waiting_time
            is_waiting = not is_stimulus
        if time > until:
            return DONE
        if is_stimulus:
            event = stimuli[clock[STIMULUS]]
        elif is_waiting:
            event = log[heap[0] & ((1 << BITS) - 1)]
        else:
            event = log[head]
        room = clock[TAIL] + most_sent[event[OF_NODE]]
        if clock[SENT] > most:
            return TOO_MANY
        if room > len(log):
            return FULL
        clock[NOW] = time
        if is_stimulus:
            clock[STIMULUS] += 1
        elif is_waiting:
            pop(heap, clock)
        else:
            clock[HEAD] = head + 1
        status = deliver(
            event, modules, ports, readers, first_reader, kernel, rows, target, weights, state,
            touched, spiked, link, busy, queue, rest, log, heap, clock,
        )  # fmt: skip
        if status != DONE:
            return status
