import re
import string
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from netlists import alone, any_events, any_module, any_netlist, array, kernel, netlist, row

from snn_core.errors import DataError
from snn_megasim.files import (
    Convolution,
    EventList,
    Flatten,
    Kernel,
    Link,
    Matrix,
    MegaSimFileError,
    Neurons,
    Output,
    State,
    read_netlist,
    write_netlist,
)
from snn_megasim.files.attributes import ATTRIBUTES, HEADER, LARGEST, NEURONS, OUTPUT
from snn_megasim.files.lines import Lines
from snn_megasim.files.parameters import format_parameters, parse_parameters
from snn_megasim.files.schematic import format_schematic, parse_schematic
from snn_megasim.files.state import format_state, parse_state
from snn_megasim.files.stimulus import format_events, parse_events

PLACE = re.compile(r"^(file|[\w.]+):\d+: ")

parsers = {
    "prm of a convolution": lambda lines: parse_parameters(lines, "module_conv"),
    "prm of a dense module": lambda lines: parse_parameters(lines, "module_fully_connected"),
    "prm of a flattening module": lambda lines: parse_parameters(lines, "module_flatten"),
    "sch": parse_schematic,
    "stt": parse_state,
    "stim": parse_events,
}

SCHEMATIC = """.netlist
source {in} in.stim

source  {bias_clk} bias_clk.stim

module_conv {in,bias_clk}{out} out.prm out.stt
module_flatten {out}{flat} flat.prm flat.stt


.options
Tmax=2147483646
"""

valid = {
    "prm of a convolution": format_parameters(array(kernel([[1, -2], [3, 4]]))),
    "prm of a dense module": format_parameters(row([[1, 2, 3], [4, 5, 6]])),
    "prm of a flattening module": format_parameters(Flatten(sizes=((3, 4), (2, 2)))),
    "sch": SCHEMATIC,
    "stt": format_state(State(time_busy_initial=3)),
    "stim": "0 -1 -1 2 0 1\n0 -1 -1 3 0 -1\n7 -1 -1 0 -2 -2\n",
}


def problems_of(name, text):
    with pytest.raises(MegaSimFileError) as refused:
        parsers[name](Lines("file", text))
    return refused.value.problems


# Round trips.


@given(any_module())
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_parameters_are_read_as_they_were_written(made):
    kind, module = made
    text = format_parameters(module)
    again = parse_parameters(Lines("file", text), kind)
    assert type(again) is type(module)
    assert format_parameters(again) == text
    assert again.link == module.link
    if not isinstance(module, Flatten):
        assert (again.neurons, again.output, again.shape) == (
            module.neurons,
            module.output,
            module.shape,
        )


@given(any_events(resets=True))
def test_events_are_read_as_they_were_written(rows):
    events = EventList.of(rows)
    again = parse_events(Lines("file", format_events(events)))
    assert np.array_equal(again.table, events.table)


@given(any_netlist())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_schematics_are_read_as_they_were_written(net):
    text = format_schematic(net.schematic)
    assert parse_schematic(Lines("file", text)) == net.schematic


def test_states_are_read_as_they_were_written():
    state = State(time_busy_initial=12)
    assert format_state(state) == ".integers\ntime_busy_initial 12\n.floats\n"
    assert parse_state(Lines("file", format_state(state))) == state


@pytest.mark.parametrize("name", valid)
def test_white_space_does_not_matter(name):
    text = valid[name]
    spaced = "\r\n\n".join(f"  {line}\t " for line in text.split("\n"))
    assert (
        str(parsers[name](Lines("file", spaced))).split(" at 0x")[0]
        == (str(parsers[name](Lines("file", text))).split(" at 0x")[0])
    )


def test_a_directory_is_read_as_it_was_written(tmp_path):
    net = alone(array(kernel([[7]])), [(0, 1, 2, 1)])
    write_netlist(net, tmp_path)
    again = read_netlist(tmp_path)
    assert again.schematic == net.schematic
    assert {path.name for path in tmp_path.iterdir()} == {
        "megasim.sch",
        "in.stim",
        "out.prm",
        "out.stt",
    }


# Attributes.


@pytest.mark.parametrize("name", [*HEADER, *NEURONS, *OUTPUT])
def test_every_attribute_is_refused_outside_of_its_range(name):
    known, text = ATTRIBUTES[name], valid["prm of a convolution"]
    for value in (known.low - 1, known.high + 1):
        (line,) = [n for n, line in enumerate(text.split("\n"), 1) if line.split(" ")[0] == name]
        changed = re.sub(rf"^{name} .*$", f"{name} {value}", text, flags=re.MULTILINE)
        found = problems_of("prm of a convolution", changed)
        assert any(p.startswith(f"file:{line}: {name} is {value}; expected ") for p in found)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Link(n_repeat=0), "n_repeat is 0; expected a number from 1"),
        (lambda: Link(n_out_ports=2), "n_out_ports is 2; expected 1"),
        (lambda: Neurons(THplus=-1), "THplus is -1"),
        (lambda: Neurons(THplusInfo=2), "THplusInfo is 2; expected a number from 0 to 1"),
        (lambda: Kernel(Dx=70000, weights_rc=np.ones((1, 1), int)), "Dx is 70000"),
        (lambda: Kernel(weights_rc=np.full((1, 1), LARGEST + 1)), "the largest 2147483647"),
        (lambda: Kernel(weights_rc=np.ones((0, 3), int)), "expected rows of integers"),
        (lambda: Matrix(Nx_array_pre=3, weights_io=np.ones((2, 1), int)), "2 rows of weights"),
        (lambda: row([[1, 2]], [[1]]), "has 1 columns of weights"),
        (lambda: array(columns=0), "Nx_array is 0"),
        (lambda: array(columns=32768, rows=32768), "has 1073741824 neurons"),
        (lambda: State(time_busy_initial=-1), "time_busy_initial is -1"),
        (lambda: Output(crop_xmin=0, crop_xmax=0, crop_ymin=0, crop_ymax=0, x_subsmp=0), "is 0"),
    ],
)
def test_modules_cannot_be_made_with_impossible_numbers(make, said):
    with pytest.raises(DataError, match=said):
        make()


# Refusals, with file and line.


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("prm of a convolution", ("THplus 10", "THplus ten"), r":L: found 'ten'; expected integ"),
        ("prm of a convolution", ("THplus 10", "THplus 10 11"), ":L: THplus has 2 values"),
        ("prm of a convolution", ("THplus 10", "THplus"), ":L: THplus has 0 values"),
        ("prm of a convolution", ("THplus 10", "THminus 10"), ":L: .*; expected 'THplus'"),
        ("prm of a convolution", ("THplus 10", "THplus 99999999999"), ":L: .*ten digits"),
        ("prm of a convolution", ("THplus 10", "THplus 1.5"), ":L: "),
        ("prm of a convolution", ("1 -2\n", "1 -2 9\n"), ":L: found 3 integers; .* of 2"),
        ("prm of a convolution", ("1 -2\n", "1\n"), ":L: found 1 integers"),
        ("prm of a convolution", ("1 -2\n", "1 -9999999999\n"), ":L: -9999999999 is out of"),
        ("prm of a convolution", ("1 -2\n", ""), ":L1: found 'crop_xmin 0'; expected integers"),
        ("prm of a convolution", ("n_in_ports 1", "n_in_ports 2"), "expected 'Nx_kernel'"),
        ("prm of a convolution", ("Nx_kernel 2", "Nx_kernel 60000"), "expected a row of weights"),
        ("prm of a convolution", (".floats\n", ""), ":L0: the file ends; expected '.floats'"),
        ("prm of a convolution", (".floats\n", ".floats\nmore\n"), ":L1: found 'more'"),
        ("prm of a convolution", (".integers", "integers"), ":L: .* expected '.integers'"),
        ("prm of a convolution", ("Nx_array 4", "Nx_array 0"), "Nx_array is 0; expected"),
        ("prm of a convolution", ("Nx_array 4\nNy_array 4", "Nx_array 32768\nNy_array 32768"),
         ":2: .*1073741824 neurons"),
        ("prm of a dense module", ("population_size 3", "population_size 0"), "0 weights"),
        ("prm of a dense module", ("population_size 3", "population_size 4"), "expected .* of 4"),
        ("prm of a dense module", ("Nx_array_pre 2", "Nx_array_pre 3"), "expected integers"),
        ("prm of a flattening module", ("Ny_array 4", "Ny_array -4"), "Ny_array is -4"),
        ("sch", ("source {in} in.stim", "source in in.stim"), ":L: found 'source in in.stim'"),
        ("sch", ("in.stim", "../in.stim"), ":L: '../in.stim' is no name of a file"),
        ("sch", ("in.stim", "/etc/passwd"), ":L: '/etc/passwd' is no name of a file"),
        ("sch", ("in.stim", ".hidden"), ":L: '.hidden' is no name of a file"),
        ("sch", ("module_conv ", "module_conf "), ":L: there is no module 'module_conf'"),
        ("sch", ("{in,bias_clk}", "{in,other}"), ":L: node 'other' is read, but neither"),
        ("sch", ("{in,bias_clk}", "{in,,bias_clk}"), ":1: '' is no name of a node"),
        ("sch", ("{flat}", "{../flat}"), ":1: '../flat' is no name of a node"),
        ("sch", ("{flat}", "{\x1b[31m}"), r":1: '\\x1b\[31m' is no name of a node"),
        ("sch", ("{flat}", "{out}"), ":L: node 'out' is written twice"),
        ("sch", ("{flat}", "{flat,two}"), ":1: 'flat,two' is no name of a node"),
        ("sch", ("source  {bias_clk}", "source {in}"), "two sources have the same node"),
        ("sch", ("Tmax=2147483646", "Tmax=2147483647"), ":L: Tmax is 2147483647"),
        ("sch", ("Tmax=2147483646", "Tmin=3"), ":L: found 'Tmin=3'; expected `Tmax=`"),
        ("sch", ("Tmax=2147483646\n", ""), ":L0: the file ends; expected `Tmax=`"),
        ("sch", (".options", "options"), "expected `source"),
        ("stt", ("time_busy_initial 3", "time_busy_initial -3"), ":L: time_busy_initial is -3"),
        ("stt", (".floats", ""), ":L: the file ends"),
        ("stim", ("0 -1 -1 3 0 -1", "0 -1 -1 3 0"), ":L: found 5 integers; expected an event of 6"),
        ("stim", ("0 -1 -1 3 0 -1", "0 -1 -1 3 0 5"), ":L: the sign is 5"),
        ("stim", ("0 -1 -1 3 0 -1", "-4 -1 -1 3 0 1"), ":L: the time is -4"),
        ("stim", ("7 -1 -1 0", "7 -1 -1 0x0"), ":L: found '7 -1 -1 0x0"),
        ("stim", ("0 -1 -1 3 0 -1", "9 -1 -1 3 0 1"), ":L1: time 7 comes after time 9"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(name, change, said):
    assert change[0] in valid[name]
    line = 1 + valid[name][: valid[name].index(change[0])].count("\n")
    # L is the line of what was changed, L0 and L1 are those before and behind it.
    for word, number in ((":L:", line), (":L0:", line - 1), (":L1:", line + 1)):
        said = said.replace(word, f":{number}:")
    found = problems_of(name, valid[name].replace(*change))
    assert any(re.search(said, problem) for problem in found), found
    assert all(PLACE.match(problem) for problem in found)


@pytest.mark.parametrize("name", valid)
def test_a_file_that_ends_early_says_what_is_missing(name):
    lines = valid[name].rstrip("\n").split("\n")
    for number in range(len(lines)):
        text = "\n".join(lines[:number])
        if name == "stim":
            assert len(parse_events(Lines("file", text))) == number
            continue
        found = problems_of(name, text)
        assert re.match(rf"file:({number}|{max(1, number - 1)}|1): the file ends", found[-1]), found


letters = st.sampled_from(string.printable)


@given(st.sampled_from(sorted(valid)), st.data())
@settings(max_examples=600, deadline=None)
def test_damaged_files_are_read_or_refused(name, data):
    text = list(valid[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        how = data.draw(st.sampled_from(["cut", "insert", "replace", "end", "double"]))
        if how == "end":
            text = text[:place]
        elif how == "double":
            text = text[:place] + text[max(0, place - 30) :]
        else:
            new = data.draw(st.lists(letters, max_size=12)) if how != "cut" else []
            text[place : place + (0 if how == "insert" else 5)] = new
    problems = ()
    try:
        parsers[name](Lines("file", "".join(text)))
    except MegaSimFileError as error:
        problems = error.problems or ("no problem is told",)
    assert all(PLACE.match(problem) for problem in problems), problems


def test_a_file_with_very_many_mistakes_tells_the_first_ones():
    text = "\n".join("0 -1 -1 0 0 7" for _ in range(10_000))
    assert len(problems_of("stim", text)) == 20


# Directories.


def refused(folder):
    with pytest.raises(MegaSimFileError) as error:
        read_netlist(folder)
    return error.value.problems


def test_everything_that_is_wrong_in_a_directory_is_told_at_once(tmp_path):
    net = netlist(
        {
            "a": ("module_conv", ["in"], array()),
            "b": ("module_conv", ["a"], array()),
            "c": ("module_conv", ["b"], array()),
        },
        {"in": [(0, 0, 0, 1)]},
    )
    write_netlist(net, tmp_path)
    for name, change in {
        "a.prm": ("Tmin 0", "Tmin -1"),
        "b.prm": ("x_subsmp 1", "x_subsmp 0"),
        "in.stim": ("0 -1", "x -1"),
    }.items():
        path = tmp_path / name
        path.write_text(path.read_text().replace(*change))
    (tmp_path / "c.stt").unlink()
    (tmp_path / "c.prm").write_bytes(b".integers\n\xff\xfe")
    found = "\n".join(refused(tmp_path))
    for said in (
        "in.stim:1: found 'x -1",
        "a.prm:21: Tmin is -1",
        "b.prm:34: x_subsmp is 0",
        "megasim.sch:8: names c.stt, which is no file in",
        "c.prm: byte 10 is no letter of a text",
    ):
        assert said in found


def test_an_event_that_no_port_takes_is_told_with_its_line(tmp_path):
    net = netlist({"a": ("module_fully_connected", ["in"], row([[1], [1]]))}, {"in": []})
    write_netlist(net, tmp_path)
    (tmp_path / "in.stim").write_text("0 -1 -1 1 0 1\n\n5 -1 -1 0 0 1\n\n\n7 -1 -1 0 7 1\n")
    (problem,) = refused(tmp_path)
    assert problem.startswith("in.stim:6: found column 0 and row 7; expected one of 2 columns")
    assert problem.endswith("for port 0 (in) of a.prm")


@pytest.mark.parametrize(("name", "line"), [("in.stim", 2), ("a.prm", 4), ("a.stt", 4)])
def test_a_missing_file_is_told_with_the_line_that_names_it(tmp_path, name, line):
    write_netlist(
        netlist({"a": ("module_conv", ["in"], array())}, {"in": [(0, 0, 0, 1)]}), tmp_path
    )
    (tmp_path / name).unlink()
    assert refused(tmp_path) == (
        f"megasim.sch:{line}: names {name}, which is no file in {tmp_path}",
    )


def test_a_link_out_of_the_directory_is_not_followed(tmp_path):
    folder = tmp_path / "files"
    write_netlist(alone(array(), []), folder)
    (folder / "out.stt").rename(tmp_path / "elsewhere")
    (folder / "out.stt").symlink_to(tmp_path / "elsewhere")
    (problem,) = refused(folder)
    assert problem.endswith(f"names out.stt, which is no file in {folder}")


def test_a_name_that_is_too_long_for_a_file_is_one_that_is_missing(tmp_path):
    write_netlist(alone(array(), []), tmp_path)
    schematic = tmp_path / "megasim.sch"
    schematic.write_text(schematic.read_text().replace("out.stt", "a" * 300))
    (problem,) = refused(tmp_path)
    assert problem.endswith(f"names {'a' * 300}, which is no file in {tmp_path}")


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ({"a": ("module_conv", ["in", "in"], array())}, "a.prm: has 1 ports; expected 2"),
        (
            {
                "a": ("module_conv", ["in"], array()),
                "b": ("module_flatten", ["a"], Flatten(sizes=((3, 4),))),
            },
            r"b.prm: port 0 \(a\) has room for 3 columns and 4 rows; it is sent columns 0 to 3",
        ),
        (
            {
                "a": ("module_conv", ["in"], array()),
                "b": ("module_fully_connected", ["a"], row([[1]] * 16)),
            },
            r"b.prm: port 0 \(a\) has room for 16 columns and 1 rows; .* rows 0 to 3",
        ),
        (
            {"a": ("module_fully_connected", ["in"], row([[1], [1]]))},
            r"in.stim:1: found column 3 and row 0; expected one of 2 columns .* \(in\) of a.prm",
        ),
        (
            {"a": ("module_conv", ["in", "reset"], array(kernel([[1]]), kernel([[0]])))},
            r"reset.stim:1: found a reset, which module_conv does not know; .* of a.prm",
        ),
    ],
)
def test_files_have_to_fit_together(tmp_path, modules, said):
    stimuli = {"in": [(0, 3, 0, 1)], "reset": [(9, 0, -2, -2)]}
    write_netlist(netlist(modules, stimuli), tmp_path)
    assert any(re.search(said, problem) for problem in refused(tmp_path)), refused(tmp_path)


def test_a_file_that_two_kinds_of_modules_share_is_refused(tmp_path):
    write_netlist(netlist({"a": ("module_conv", ["in"], array())}, {"in": []}), tmp_path)
    path = tmp_path / "megasim.sch"
    text = path.read_text().replace(
        "\n\n.options", "\nmodule_flatten {a}{b} a.prm a.stt\n\n.options"
    )
    path.write_text(text)
    assert any("a.prm is the file of a module_conv and of a module_flatten" in p
               for p in refused(tmp_path))  # fmt: skip


def test_a_file_that_memory_cannot_hold_is_refused(tmp_path, monkeypatch):
    write_netlist(alone(array(), [(t, 0, 0, 1) for t in range(1000)]), tmp_path)
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "100K")
    (problem,) = refused(tmp_path)
    assert problem.startswith("in.stim: the file would take")
    assert "SNN_MEMORY_LIMIT" in problem


@pytest.mark.parametrize("line", ["\n", "a\n", "ab \n"])
def test_the_lines_of_a_file_are_counted_before_they_are_taken_apart(tmp_path, monkeypatch, line):
    """An empty line takes a hundred times its byte."""
    (tmp_path / "in.stim").write_text(line * 20_000)
    Lines.of(tmp_path / "in.stim")  # imports
    tracemalloc.start()
    Lines.of(tmp_path / "in.stim")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.setenv("SNN_MEMORY_LIMIT", str(peak))
    with pytest.raises(MegaSimFileError, match=r"in\.stim: its lines would take"):
        Lines.of(tmp_path / "in.stim")


def test_foreign_files_are_never_replaced(tmp_path):
    (tmp_path / "out.prm").write_text("my notes")
    with pytest.raises(DataError, match=r"out.prm: a file that is no file of MegaSim"):
        write_netlist(alone(array(), []), tmp_path, overwrite=True)
    assert (tmp_path / "out.prm").read_text() == "my notes"
    assert not (tmp_path / "megasim.sch").exists()


def test_own_files_are_replaced_when_asked(tmp_path):
    write_netlist(alone(array(), []), tmp_path)
    with pytest.raises(DataError, match="is there already"):
        write_netlist(alone(array(), []), tmp_path)
    write_netlist(alone(array(THplus=77), []), tmp_path, overwrite=True)
    assert "THplus 77" in (tmp_path / "out.prm").read_text()


def test_every_kind_of_module_has_its_ranges_in_the_table():
    assert issubclass(Convolution, object)
    assert {"Nx_kernel", "Ny_kernel", "Dx", "Dy", "Nx_array_pre", "Ny_array_pre"} <= set(ATTRIBUTES)
    assert all(known.low <= known.high and known.meaning for known in ATTRIBUTES.values())
