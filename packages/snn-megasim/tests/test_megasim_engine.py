import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from naive_engine import NaiveEngine, StoppedError
from netlists import alone, any_netlist, array, kernel, netlist, row, whole

from snn_core.errors import SimulationError
from snn_megasim.engine.engine import Engine
from snn_megasim.files import EventList, Flatten, Link, Output, read_netlist, write_netlist

LOOP = 400


def run(net, **options):
    engine = Engine(net, **options)
    engine.run()
    return engine


def sent(engine, node="out"):
    """Return time, column, row and sign of the events of a node."""
    return engine.events(node).table[:, [0, 3, 4, 5]].tolist()


def times(engine, node="out"):
    return [event[0] for event in sent(engine, node)]


@given(any_netlist())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_attribute_does_what_the_naive_engine_does(net):
    naive = NaiveEngine(net, most_events=LOOP)
    engine = Engine(net, most_events=LOOP)
    try:
        naive.run()
    except StoppedError as stopped:
        with pytest.raises(SimulationError, match=str(stopped)):
            engine.run()
        return
    engine.run()
    for node in net.schematic.nodes:
        assert engine.events(node).table.tolist() == [list(e) for e in naive.trace[node]], node
    for item in net.schematic.instances:
        module = net.module_of(item)
        if not isinstance(module, Flatten):
            expected = [naive.potential(item, cell) for cell in naive.all_cells(module)]
            assert engine.potentials(item.output).reshape(-1).tolist() == expected


@given(any_netlist())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_run_in_parts_is_the_run_at_once(net):
    whole_run, parts = Engine(net, most_events=LOOP), Engine(net, most_events=LOOP)
    try:
        whole_run.run()
    except SimulationError as error:
        with pytest.raises(SimulationError, match=re.escape(str(error))):
            _run_in_parts(parts)
        return
    _run_in_parts(parts)
    for node in net.schematic.nodes:
        assert np.array_equal(parts.events(node).table, whole_run.events(node).table)


def _run_in_parts(engine):
    for until in range(70):
        engine.run(until)


def test_a_run_after_start_is_like_the_first():
    net = alone(array(kernel([[7]])), [(t, 1, 2, 1) for t in range(5)])
    engine = run(net)
    first = sent(engine)
    engine.start()
    engine.run()
    assert sent(engine) == first == [[1, 1, 2, 1], [2, 1, 2, 1], [4, 1, 2, 1]]


def test_other_stimuli_take_the_place_of_those_of_the_netlist():
    engine = run(alone(array(), [(0, 0, 0, 1)]))
    engine.start({"in.stim": EventList.of([(4, 3, 2, 1)])})
    engine.run()
    assert sent(engine) == [[4, 3, 2, 1]]


# Neurons.


def test_a_kernel_lies_around_the_event_with_its_rows_from_bottom_to_top():
    engine = run(alone(array(kernel([[1, 2], [3, 4]], dx=-1, dy=1), THplus=100), [(0, 1, 0, 1)]))
    assert engine.potentials("out").tolist() == [
        [0, 0, 0, 0],
        [3, 4, 0, 0],
        [1, 2, 0, 0],
        [0, 0, 0, 0],
    ]


def test_each_port_has_its_own_kernel():
    net = netlist(
        {"out": ("module_conv", ["a", "b", "a"], array(*(kernel([[n]]) for n in (1, 20, 300)),
                                                       THplus=1000))},
        {"a": [(0, 0, 0, 1)], "b": [(0, 0, 0, -1)]},
    )  # fmt: skip
    assert run(net).potentials("out")[0, 0] == 1 - 20 + 300


@pytest.mark.parametrize(("remainder", "left"), [(1, 3), (0, -2)])
def test_a_spike_leaves_the_remainder_or_the_resting_potential(remainder, left):
    cell = {"Reset_to_reminder": remainder, "MembReset": -2 if not remainder else 0}
    engine = run(alone(array(kernel([[15 if not remainder else 13]]), **cell), [(0, 0, 0, 1)]))
    assert times(engine) == [0]
    assert engine.potentials("out")[0, 0] == left


def test_the_threshold_is_met_when_it_is_reached():
    engine = run(alone(array(kernel([[5]])), [(0, 0, 0, 1), (1, 0, 0, 1)]))
    assert times(engine) == [1]


def test_an_event_makes_one_spike_of_a_neuron_however_far_it_is_above():
    engine = run(alone(array(kernel([[35]])), [(0, 0, 0, 1), (5, 0, 0, -1)]))
    assert times(engine) == [0]
    assert engine.potentials("out")[0, 0] == 35 - 10 - 35


def test_what_is_left_above_the_threshold_spikes_with_the_next_event():
    net = netlist(
        {"out": ("module_conv", ["a", "b"], array(kernel([[25]]), kernel([[1]])))},
        {"a": [(0, 0, 0, 1)], "b": [(3, 0, 0, 1), (4, 0, 0, 1)]},
    )
    assert times(run(net)) == [0, 3]


@pytest.mark.parametrize(("rectify", "sign"), [(0, -1), (1, 1)])
def test_the_negative_threshold_makes_negative_spikes_unless_rectified(rectify, sign):
    output = Output(crop_xmin=0, crop_xmax=3, crop_ymin=0, crop_ymax=3, rectify=rectify)
    cell = {"THminus": -8, "THminusInfo": 1, "output": output}
    engine = run(alone(array(kernel([[9]]), **cell), [(0, 2, 1, -1)]))
    assert sent(engine) == [[0, 2, 1, sign]]
    assert engine.potentials("out")[1, 2] == -1


@pytest.mark.parametrize("flag", ["THplusInfo", "THminusInfo"])
def test_a_threshold_that_is_switched_off_does_nothing(flag):
    sign = 1 if flag == "THplusInfo" else -1
    cell = {"THminus": -8, "THplusInfo": 0, "THminusInfo": 0}
    engine = run(alone(array(kernel([[50]]), **cell), [(0, 0, 0, sign)]))
    assert sent(engine) == []
    assert engine.potentials("out")[0, 0] == 50 * sign


def test_potentials_leak_towards_rest_and_not_beyond():
    net = netlist(
        {"out": ("module_conv", ["a", "b"], array(kernel([[8]]), kernel([[1]]), TLplus=2,
                                                  TLminus=3, THplus=100))},
        {"a": [(0, 0, 0, 1), (0, 1, 0, -1), (0, 2, 0, 1)],
         "b": [(2, 1, 0, 1), (3, 0, 0, 1), (50, 2, 0, 1)]},
    )  # fmt: skip
    assert run(net).potentials("out")[0].tolist() == [8 - 6 + 1, -8 + 6 + 1, 1, 0]


def test_a_neuron_takes_no_input_while_it_is_refractory():
    events = [(t, 0, 0, 1) for t in (0, 1, 2, 3, 4)]
    assert times(run(alone(array(T_Refract=3), events))) == [0, 3]


def test_spikes_of_a_neuron_are_held_back_for_the_minimum_time():
    events = [(t, 0, 0, 1) for t in (0, 1, 2, 3)]
    engine = run(alone(array(kernel([[10]]), Tmin=3), events))
    assert times(engine) == [0, 3]
    assert engine.potentials("out")[0, 0] == 20  # unlike a refractory neuron's


def test_cropping_shifting_and_dividing_addresses():
    output = Output(
        crop_xmin=1, crop_xmax=6, crop_ymin=0, crop_ymax=5, xshift_pre=-1, yshift_pre=1,
        x_subsmp=2, y_subsmp=3, xshift_pos=10, yshift_pos=-1,
    )  # fmt: skip
    events = [(x + 8 * y, x, y, 1) for y in range(8) for x in range(8)]
    engine = run(alone(array(columns=8, rows=8, output=output), events))
    assert sent(engine) == [
        [x + 8 * y, (x - 1) // 2 + 10, (y + 1) // 3 - 1, 1]
        for y in range(8)
        for x in range(8)
        if 1 <= x <= 6 and y <= 5
    ]


def test_arrays_may_begin_at_other_addresses_than_0():
    output = Output(crop_xmin=0, crop_xmax=9, crop_ymin=-9, crop_ymax=9)
    module = array(Xmin=5, Ymin=-2, output=output)
    engine = run(alone(module, [(0, 6, -1, 1), (1, 1, 1, 1)]))
    assert sent(engine) == [[0, 6, -1, 1]]
    assert engine.potentials("out").sum() == 0


# Order and time.


def test_simultaneous_stimuli_come_in_the_order_of_sources_then_of_rows():
    weights = [[10, 0], [-4, 0]]
    first = netlist(
        {"out": ("module_fully_connected", ["a", "b"], row([[10]], [[-4]]))},
        {"a": [(0, 0, 0, 1)], "b": [(0, 0, 0, 1)]},
    )
    last = netlist(
        {"out": ("module_fully_connected", ["a", "b"], row([[10]], [[-4]]))},
        {"b": [(0, 0, 0, 1)], "a": [(0, 0, 0, 1)]},
    )
    assert (times(run(first)), times(run(last))) == ([0], [])
    for order, spikes in (([0, 1], [0]), ([1, 0], [])):
        events = [(0, x, 0, 1) for x in order]
        made = alone(row(weights), events, kind="module_fully_connected")
        assert times(run(made)) == spikes


def test_stimuli_come_before_what_modules_send_at_the_same_time():
    # The relay's spike would reach the threshold, but all stimuli of time 0 come first.
    net = netlist(
        {
            "relay": ("module_fully_connected", ["a"], row([[10]])),
            "out": ("module_fully_connected", ["relay", "b"], row([[10]], [[-4]])),
        },
        {"a": [(0, 0, 0, 1)], "b": [(0, 0, 0, 1)]},
    )
    assert times(run(net)) == []


def test_stimuli_come_before_what_was_sent_for_their_time():
    slow = row([[10]], link=Link(delay_to_process=5))
    net = netlist(
        {
            "slow": ("module_fully_connected", ["a"], slow),
            "out": ("module_fully_connected", ["slow", "b"], row([[10]], [[-4]])),
        },
        {"a": [(0, 0, 0, 1)], "b": [(5, 0, 0, 1)]},
    )
    assert times(run(net)) == []


def test_what_was_sent_for_a_time_comes_before_what_is_sent_at_it():
    slow, quick = Link(delay_to_process=5), Link()
    net = netlist(
        {
            "slow": ("module_fully_connected", ["a"], row([[10]], link=slow)),
            "quick": ("module_fully_connected", ["b"], row([[10]], link=quick)),
            "out": ("module_fully_connected", ["quick", "slow"], row([[10]], [[-4]])),
        },
        {"a": [(0, 0, 0, 1)], "b": [(5, 0, 0, 1)]},
    )
    assert times(run(net)) == []
    assert times(run(net), "slow") == times(run(net), "quick") == [5]


def test_events_of_a_module_are_sent_in_the_order_of_rows_and_columns():
    everywhere = kernel([[10, 10], [10, 10]])
    engine = run(alone(array(everywhere, columns=2, rows=2), [(0, 0, 0, 1)]))
    assert [event[1:3] for event in sent(engine)] == [[0, 0], [1, 0], [0, 1], [1, 1]]


def test_processing_takes_time_one_event_after_the_other():
    engine = run(alone(array(link=Link(delay_to_process=4)), [(t, t, 0, 1) for t in range(3)]))
    assert times(engine) == [4, 8, 12]


def test_a_busy_module_begins_later():
    assert times(run(alone(array(), [(0, 0, 0, 1)], busy=7))) == [7]


def test_events_are_acknowledged_when_they_are_taken_and_the_delay_is_over():
    link = Link(delay_to_process=4, delay_to_ack=1)
    table = run(alone(array(link=link), [(0, 0, 0, 1), (0, 1, 0, 1), (0, 2, 0, 1)])).events("in")
    # An event is requested when the last one is acknowledged, and taken when the module is free.
    assert table.table[:, 1:3].tolist() == [[0, 1], [1, 5], [5, 9]]


def test_a_fifo_acknowledges_events_that_wait():
    link = Link(delay_to_process=4, delay_to_ack=1, fifo_depth=2)
    events = [(0, x, 0, 1) for x in range(4)]
    table = run(alone(array(link=link), events)).events("in")
    assert table.table[:, 1:3].tolist() == [[0, 1], [1, 2], [2, 3], [3, 5]]


def test_a_link_without_delay_has_no_handshake():
    table = run(alone(array(), [(3, 0, 0, 1), (3, 1, 0, 1)])).events("in")
    assert table.table[:, :3].tolist() == [[3, 3, 3], [3, 3, 3]]


def test_events_are_repeated():
    engine = run(alone(array(link=Link(n_repeat=3, delay_to_repeat=15)), [(2, 0, 0, 1)]))
    assert times(engine) == [2, 17, 32]


def test_nothing_happens_after_the_last_time():
    engine = run(alone(array(), [(t, 0, 0, 1) for t in range(9)], t_max=5))
    assert times(engine) == [0, 1, 2, 3, 4, 5]


# Modules.


def test_flattening_counts_ports_rows_and_columns():
    net = netlist(
        {"out": ("module_flatten", ["a", "b"], Flatten(sizes=((3, 2), (4, 5))))},
        {"a": [(0, 2, 1, -1)], "b": [(1, 3, 4, 1)]},
    )
    assert sent(run(net)) == [[0, 5, 0, -1], [1, 6 + 19, 0, 1]]


def test_a_softmax_sends_its_largest_neuron_when_asked_and_starts_anew():
    net = netlist(
        {"out": ("module_softmax", ["a", "clock"], row([[30, 70, 50]], [[0, 0, 0]]))},
        {"a": [(0, 0, 0, 1), (5, 0, 0, -1)],
         "clock": [(1, 0, -1, -1), (2, 0, -1, -1), (6, 0, -1, -1)]},
    )  # fmt: skip
    engine = run(net)
    assert sent(engine) == [[1, 1, 0, 1], [2, 0, 0, 1], [6, 0, 0, 1]]
    assert engine.potentials("out").tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("module_conv_NPP", array(kernel([[4]]), MembReset=1, T_Refract=100)),
        ("module_fully_connected_NPP", row([[4] * 4], MembReset=1)),
        ("module_softmax", row([[4] * 4], MembReset=1)),
    ],
)
def test_a_reset_brings_all_neurons_to_rest(kind, module):
    events = [(t, 0, 0, 1) for t in range(3)] + [(3, 0, -2, -2)]
    engine = run(alone(module, events, kind=kind))
    assert (engine.potentials("out") == 1).all()


def test_a_reset_ends_refractory_times():
    events = [(0, 0, 0, 1), (1, 0, 0, 1), (2, 0, -2, -2), (3, 0, 0, 1)]
    engine = run(alone(array(T_Refract=100), events, kind="module_conv_NPP"))
    assert times(engine) == [0, 3]


# What stops a run.


def test_modules_that_know_no_reset_stop_the_run():
    with pytest.raises(SimulationError, match=r"time 4, module 'out': got a reset, .*NPP"):
        run(alone(array(), [(4, 0, -2, -2)]))


def test_an_address_without_a_row_stops_the_run():
    net = alone(row([[1], [1]]), [(4, 2, 0, 1)], kind="module_fully_connected")
    with pytest.raises(SimulationError, match=r"time 4, module 'out': .*\(2, 0\).* no row"):
        run(net)


@pytest.mark.parametrize("sign", [1, -1])
def test_potentials_outside_of_the_integers_stop_the_run(sign):
    module = array(kernel([[2_000_000_000]]), THplusInfo=0)
    with pytest.raises(SimulationError, match=r"neuron \(3, 1\) leaves the range .* scaling"):
        run(alone(module, [(0, 3, 1, sign), (1, 3, 1, sign)]))


def test_a_loop_without_delay_is_stopped():
    net = netlist(
        {"out": ("module_fully_connected", ["in", "out"], row([[10]], [[10]]))},
        {"in": [(0, 0, 0, 1)]},
    )
    with pytest.raises(SimulationError, match=r"time 0, .*more than 1000 events.*loop"):
        run(net, most_events=1000)


def test_a_loop_with_delay_ends_at_the_last_time():
    net = netlist(
        {"out": ("module_fully_connected", ["in", "out"], row([[10]], [[10]],
                 link=Link(delay_to_process=7)))},
        {"in": [(0, 0, 0, 1)]},
        t_max=30,
    )  # fmt: skip
    assert times(run(net)) == [7, 14, 21, 28]


def test_times_that_the_files_cannot_hold_stop_the_run():
    link = Link(n_repeat=2, delay_to_repeat=2147483646)
    with pytest.raises(SimulationError, match="after time 2147483646"):
        run(alone(array(link=link), [(1, 0, 0, 1)]))


def test_events_that_no_memory_holds_are_refused():
    module = array(columns=2048, rows=2048, link=Link(n_repeat=65535))
    with pytest.raises(SimulationError, match=r"out.prm: an event can make .* Lower n_repeat"):
        Engine(alone(module, []))


def test_many_events_find_room():
    engine = run(alone(array(), [(t, 0, 0, 1) for t in range(20_000)], t_max=100_000))
    assert times(engine) == list(range(20_000))
    assert engine.synaptic_events == 20_000


def test_a_run_of_files_is_that_of_the_netlist(tmp_path):
    net = alone(array(kernel([[7]]), output=whole(4, 4)), [(t, 1, 2, 1) for t in range(9)])
    write_netlist(net, tmp_path / "run")
    assert sent(run(read_netlist(tmp_path / "run"))) == sent(run(net))
