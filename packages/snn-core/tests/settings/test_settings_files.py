"""Settings files of any content: read as they are meant, or refused soon, with the file's name."""

import json
import warnings

import pytest

from snn_core.errors import SettingsError
from snn_core.settings import Settings, read_assignments
from snn_core.settings.files import LONGEST_LINE, MAX_BYTES, MOST_LINES, MOST_PARTS
from snn_core.settings.section import MOST_LINES as MOST_SHOWN

LONGEST_MESSAGE = 1500
"""Letters; a message fits a screen."""


def refusal(tmp_path, text, name="settings.toml"):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Settings.load(path)
    message = str(caught.value)
    assert name in message
    assert len(message) < LONGEST_MESSAGE
    return message


def dotted(parts):
    return ".".join(["a"] * parts)


@pytest.mark.parametrize(
    "text",
    [
        f"{dotted(MOST_PARTS + 1)} = 1\n",
        f"[{dotted(MOST_PARTS + 1)}]\n",
        f"[[{dotted(MOST_PARTS + 1)}]]\n",
        f"b = {{{dotted(MOST_PARTS + 1)} = 1}}\n",
        "b . " * MOST_PARTS + "b = 1\n",
        ".".join(["'='"] * (MOST_PARTS + 1)) + " = 1\n",
        ".".join(['"\\"["'] * (MOST_PARTS + 1)) + " = 1\n",
    ],
)
def test_keys_of_many_names_are_refused(tmp_path, text):
    """Python's reader of TOML keeps each beginning of a key: 60 kB took 3.6 GB."""
    message = refusal(tmp_path, f"# {dotted(50)}\n{text}")
    assert f"line 2 has a key of more than {MOST_PARTS} names" in message


@pytest.mark.parametrize(
    "text",
    [
        "[reference]\npath = '../../../../../../../../../../../../../../../../../x'\n",
        '[reference]\npath = """\n' + dotted(50) + '\n\\" = """\n',
        "[reference]\npath = '''\n" + dotted(50) + " = '''\n",
        "[reference]\nvalues = [" + "1.5, " * 50 + "]\n",
        f"[reference]\nkey = 1 # {dotted(50)}\n",
        f"[{'reference' + '.a' * (MOST_PARTS - 1)}]\n",
    ],
)
def test_dots_elsewhere_are_no_keys(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    assert "reference" in Settings.load(path, simulators=("reference",)).options


@pytest.mark.parametrize("name", ["settings.toml", "settings.ini"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" + " " * LONGEST_LINE + "b\n", f"expected at most {LONGEST_LINE}: write long lists on"),
        ("\n" * (MOST_LINES + 1), f"expected at most {MOST_LINES}"),
        ("#" * 100 + "\n" * MAX_BYTES, f"larger than {MAX_BYTES} bytes"),
    ],
    ids=["line", "lines", "file"],
)
def test_files_that_are_no_settings_are_refused_by_their_size(tmp_path, name, text, expected):
    assert expected in refusal(tmp_path, text, name)


def test_tables_of_a_thousand_classes_fit_one_line(tmp_path):
    classes = {f"n{10**7 + number}": number for number in range(1000)}
    for name, text in {
        "settings.ini": f"[input]\nlabel_dict = {classes}\n",
        "settings.toml": f"[input]\nlabel_dict = {json.dumps(classes).replace(':', ' =')}\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert Settings.load(tmp_path / name).input.label_dict == classes


def test_keys_and_values_of_ini_files_are_divided_as_by_python(tmp_path):
    path = tmp_path / "settings.ini"
    path.write_text(
        "[simulation]\nseed \t =  3\ndt: 0.5\nsimulator =a = b: c\n"
        "sample_idxs_to_test = [1,\n  2]\n# comment = 1\n; another\n"
    )
    found = Settings.load(path).simulation
    assert (found.seed, found.dt, found.simulator) == (3, 0.5, "a = b: c")
    assert found.sample_idxs_to_test == (1, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("settings.ini", "[input]\nencoding = [" + "[]," * 9000 + "]\n"),
        ("settings.ini", "[input]\nencoding = '" + "a" * 30000 + "'\n"),
        ("settings.toml", "[input]\nencoding = '" + "a" * 30000 + "'\n"),
        ("settings.toml", "[input]\n" + "a" * 30000 + " = 1\n"),
        ("settings.toml", "[" + "a" * 30000 + "]\n"),
        ("settings.toml", "[input]\nuint8_scale = '" + "1" * 30000 + "/0'\n"),
        ("settings.ini", "[paths]\nfilename_clamp_indices = " + "a" * 30000 + "\n"),
        ("settings.ini", "[conversion]\nappend_softmax = " + "a" * 30000 + "\n"),
        ("settings.toml", "input = '" + "a" * 30000 + "'\n"),
    ],
)
def test_messages_are_short_whatever_they_name(tmp_path, name, text):
    assert "a" * 1000 not in refusal(tmp_path, text, name)


def test_a_file_of_clamp_indices_is_as_small_as_one_of_settings(tmp_path):
    (tmp_path / "clamp.json").write_text("{" + " " * MAX_BYTES + "}")
    text = "[paths]\nfilename_clamp_indices = clamp.json\n"
    message = refusal(tmp_path, text, "settings.ini")
    assert f"clamp.json cannot be read (ValueError: it is larger than {MAX_BYTES} bytes)" in message
    (tmp_path / "clamp.json").write_text('{"1": 3}')
    assert Settings.load(tmp_path / "settings.ini").cell.clamp_indices == {"1": 3}


def test_many_impossible_settings_are_counted(tmp_path):
    numbers = ", ".join(f"{n} = -1" for n in range(1000))
    message = refusal(tmp_path, f"[cell]\nclamp_indices = {{{numbers}}}\n")
    assert message.count("found -1; expected at least 0") == MOST_SHOWN
    assert message.endswith(f"and {1000 - MOST_SHOWN} more")


@pytest.mark.parametrize(
    ("text", "value"),
    [("{[]: 1}", "{[]: 1}"), ("'\\d'", "\\d"), ("C:\\data", "C:\\data"), ("1if 1else 2", None)],
)
def test_values_that_are_no_literals_are_texts(text, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_assignments([f"simulation.simulator={text}"])
    assert found == {"simulation": {"simulator": text if value is None else value}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input.encoding=" + "-" * 50000 + "1", "brackets or signs are nested too deep"),
        ("input.encoding=" + "1" * (MAX_BYTES + 1), f"expected at most {MAX_BYTES}"),
        ("a" * 50000 + "=1", "expected section.key=value"),
        (dotted(50000) + "=1", "Unknown section: 'a'"),
    ],
)
def test_assignments_are_bounded_as_files_are(text, expected):
    with pytest.raises(SettingsError) as caught:
        Settings.of(read_assignments([text]))
    assert expected in str(caught.value)
    assert len(str(caught.value)) < LONGEST_MESSAGE


def test_what_windows_writes_is_read(tmp_path):
    for name in ("settings.toml", "settings.TOML", "settings.ini"):
        (tmp_path / name).write_text("[simulation]\n# für\nearly_stopping = true\n", "utf-8-sig")
        assert Settings.load(tmp_path / name).simulation.early_stopping is True


@pytest.mark.parametrize("more", ["", "[simulation]\nseed = 3\n", "[DEFAULTS]\nseed = 3\n"])
def test_no_section_stands_for_all_others(tmp_path, more):
    message = refusal(tmp_path, "[DEFAULT]\nduration = 5\n" + more, "settings.ini")
    assert "Unknown section: 'DEFAULT'" in message
    assert "Known: cell, conversion, input" in message


@pytest.mark.parametrize(
    "value",
    ["{'a': 0, 'b': 1, 'a': 2}", "{1: 2, True: 3}", "{1: 2, '1': 5}", "[{'a': {2: 0, 2: 0}}]"],
)
def test_a_key_that_occurs_twice_in_a_value_is_refused(tmp_path, value):
    path = tmp_path / "settings.ini"
    path.write_text(f"[input]\nlabel_dict = {value}\n")
    with pytest.raises(
        SettingsError, match=r"settings\.ini .*the key (True|'?[a12]'?) occurs twice"
    ):
        Settings.load(path)
    with pytest.raises(SettingsError, match=r"the key (True|'?[a12]'?) occurs twice"):
        read_assignments([f"input.label_dict={value}"])


def named(name):
    return f"[paths]\nfilename_clamp_indices = {name}\n"


def test_a_settings_file_names_files_beside_it_alone(tmp_path):
    inside, other = tmp_path / "inside", tmp_path / "other"
    for folder in (inside / "below", other):
        folder.mkdir(parents=True)
        (folder / "clamp.json").write_text('{"1": 2}')
    (inside / "link").symlink_to(other)
    (inside / "linked.json").symlink_to(other / "clamp.json")
    path = inside / "settings.ini"
    path.write_text(named("below/clamp.json"))
    assert Settings.load(path).cell.clamp_indices == {"1": 2}
    for name in (other / "clamp.json", "../other/clamp.json", "link/clamp.json", "linked.json"):
        path.write_text(named(name))
        with pytest.raises(SettingsError, match=r"settings\.ini: .* lies outside the folder of"):
            Settings.load(path)


def test_a_program_may_name_any_file(tmp_path):
    (tmp_path / "clamp.json").write_text('{"1": 2}')
    tree = {"paths": {"filename_clamp_indices": str(tmp_path / "clamp.json")}}
    assert Settings.of(tree).cell.clamp_indices == {"1": 2}


def test_the_folder_of_a_settings_file_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "clamp.json").write_text('{"1": 2}')
    (tmp_path / "real" / "settings.ini").write_text(named("clamp.json"))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Settings.load(tmp_path / "link" / "settings.ini").cell.clamp_indices == {"1": 2}
