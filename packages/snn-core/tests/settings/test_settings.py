import pickle

import pytest

from snn_core.errors import SettingsError
from snn_core.settings import (
    RECORDABLE,
    CellSettings,
    ConversionSettings,
    InputSettings,
    NormalizationSettings,
    Settings,
    SimulationSettings,
    read_assignments,
    record_flag,
)
from snn_core.settings.original import SettingsWarning
from snn_core.settings.page import document


def load(tmp_path, text, *, name="settings.toml", **options):
    path = tmp_path / name
    path.write_text(text)
    return Settings.load(path, **options)


def test_a_file_changes_what_it_names(tmp_path):
    base = Settings.of({"cell": {"reset": "zero"}, "simulation": {"dt": 0.5}})
    found = load(tmp_path, "[simulation]\nduration = 20\n", base=base)
    assert found.simulation.duration == 20
    assert found.num_steps == 40
    assert found.cell.reset == "zero"
    assert base.simulation.duration == 200


def test_ini_files_hold_python_literals(tmp_path):
    text = """
[cell]
v_thresh = 2.5
reset = Reset by subtraction
[simulation]
sample_idxs_to_test = [3, 1]
[conversion]
softmax_to_relu = True
[output]
log_vars = {'mem_n_b_l_t', 'input_b_l_t'}
"""
    found = load(tmp_path, text, name="config.ini")
    assert found.cell.v_thresh == 2.5
    assert found.cell.reset == "subtraction"
    assert found.simulation.sample_idxs_to_test == (3, 1)
    assert found.conversion.softmax_to_relu is True
    assert found.output.log_vars == {"mem", "input"}


def test_nothing_in_a_file_is_executed(tmp_path):
    marker = tmp_path / "executed"
    text = f"[output]\nlog_vars = __import__('pathlib').Path({str(marker)!r}).touch()\n"
    with pytest.raises(SettingsError):
        load(tmp_path, text, name="config.ini")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[simulation]\ndurration = 3\n", "Did you mean 'duration'"),
        ("[simulations]\nduration = 3\n", "Did you mean 'simulation'"),
        ("duration = 3\n", "duration"),
        ("[simulation]\nduration = 'long'\n", "simulation.duration: found 'long'"),
        ("[simulation]\nbatch_size = 0\n", "simulation.batch_size: found 0"),
        ("[cell]\nv_init = 1.0\n", "cell.v_init: found 1.0"),
        ("[input]\nencoding = 'morse'\n", "input.encoding: found 'morse'"),
        ("[output]\nlog_vars = ['voltage']\n", "output.log_vars"),
        ("[simulation]\nduration = -1\ndt = 0\n", r"duration: found -1(.|\n)*dt: found 0"),
        ("[simulation\n", "cannot be read .TOMLDecodeError"),
    ],
)
def test_what_is_unknown_or_impossible_is_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("section", "given", "expected"),
    [
        (
            "simulation",
            {"duration": "long"},
            "duration: found 'long'; expected a number",
        ),
        ("simulation", {"duration": [3]}, "simulation.duration: found [3]; expected a number"),
        ("simulation", {"duration": float("nan")}, "duration: found nan; expected a number"),
        ("simulation", {"batch_size": 1.5}, "batch_size: found 1.5; expected a whole number"),
        ("simulation", {"batch_size": "many"}, "found 'many'; expected a whole number"),
        ("simulation", {"batch_size": 0}, "batch_size: found 0; expected at least 1"),
        ("simulation", {"dt": 0}, "simulation.dt: found 0; expected more than 0"),
        ("simulation", {"early_stopping": "perhaps"}, "found 'perhaps'; expected true or false"),
        ("simulation", {"sample_idxs_to_test": 3}, "found 3; expected a list"),
        (
            "simulation",
            {"sample_idxs_to_test": [0, -1]},
            "expected positions in the data, from 0 on; -1 is none",
        ),
        ("simulation", {"sample_idxs_to_test": [2, 0, 2]}, "expected each sample once; 2 is there"),
        ("simulation", {"simulator": 3}, "simulation.simulator: found 3; expected a text"),
        ("normalization", {"percentile": 101}, "found 101; expected at most 100"),
        ("cell", {"reset": "none"}, "found 'none'; expected 'subtraction', 'zero' or 'modulo'"),
    ],
)
def test_what_was_expected_is_said_in_the_same_words_everywhere(section, given, expected):
    with pytest.raises(SettingsError) as caught:
        Settings.of({section: given})
    assert expected in str(caught.value)
    assert "Input should" not in str(caught.value)


@pytest.mark.parametrize("end", [10**6 + 1, 10**9, 10**30])
def test_a_range_of_samples_is_counted_before_it_is_expanded(end):
    with pytest.raises(SettingsError, match=rf"found range\(0, {end}\); expected at most 1000000"):
        Settings.of({"simulation": {"sample_idxs_to_test": range(end)}})
    found = Settings.of({"simulation": {"sample_idxs_to_test": range(3, 5)}})
    assert found.simulation.sample_idxs_to_test == (3, 4)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"Cannot read .*gone\.toml"):
        Settings.load(tmp_path / "gone.toml")


def test_sections_of_simulators_are_passed_on(tmp_path):
    text = "[inisim]\njit = false\n"
    found = load(tmp_path, text, simulators=("inisim",))
    assert found.options == {"inisim": {"jit": False}}
    with pytest.raises(SettingsError, match="Unknown section: 'inisim'"):
        load(tmp_path, text)


def test_all_variables_can_be_asked_for(tmp_path):
    found = load(tmp_path, "[output]\nlog_vars = ['all']\n")
    assert found.output.log_vars == {"spiketrains", "mem", "input", "activations"}


def test_settings_survive_as_plain_values():
    settings = Settings.of({"output": {"log_vars": ["mem", "input"]}, "cell": {"v_init": 0.5}})
    assert Settings.model_validate(settings.to_tree()) == settings
    assert settings.to_tree()["output"]["log_vars"] == ["input", "mem"]


def test_the_reference_page_lists_every_setting():
    page = document({"quick": {"cell": {"v_thresh": 0.5}, "simulation": {"seed": 0}}})
    for section, info in Settings.model_fields.items():
        if section != "options":
            assert f"## [{section}]" in page
            for key in info.annotation.model_fields:
                assert f"| `{key}` |" in page, key
    assert "| `v_thresh` | float | `1.0`<br>quick: `0.5` | convert |" in page
    assert "| `tau_refrac` | float | `0.0` | run, claimed |" in page
    assert "| `seed` | int | `0` | run |" in page


def test_the_original_leak_is_a_tenth_of_the_threshold_per_ms(tmp_path):
    path = tmp_path / "config"
    path.write_text("[cell]\nleak = True\ntau_refrac = 2\ntau_m = 20\n")
    cell = Settings.load(path).cell
    assert (cell.leak, cell.tau_refrac, cell.tau_m) == (0.1, 2, 20)
    path.write_text("[cell]\nleak = False\n")
    assert Settings.load(path).cell.leak == 0


def test_a_section_of_the_original_reaches_the_simulator_that_claims_it():
    tree = {"loihi": {"validate_partitions": True, "connection_kwargs": {"numWeightBits": 8}}}
    settings = Settings.of(tree, simulators=("loihi", "reference"))
    assert settings.options == tree


def test_a_section_of_the_original_without_its_simulator_has_no_effect_and_is_named():
    with pytest.warns(SettingsWarning, match=r"\[loihi\]"):
        assert Settings.of({"loihi": {"validate_partitions": True}}).options == {}


def test_sections_of_simulators_are_sections():
    with pytest.raises(SettingsError, match="expected a section"):
        Settings.of({"loihi": 3}, simulators=("loihi",))


def test_every_key_has_a_stage():
    for section in (CellSettings, InputSettings, NormalizationSettings, ConversionSettings):
        keys = [*section.keys_of("convert"), *section.keys_of("run")]
        assert sorted(keys) == sorted(section.model_fields)
        assert section.other_stage <= set(section.model_fields)
        assert section.claimed <= set(section.model_fields)
    assert "v_thresh" in CellSettings.keys_of("convert")
    assert "online_normalization" in NormalizationSettings.keys_of("run")


CONVERTED = Settings.of(
    {"normalization": {"method": "mse"}, "cell": {"v_init": 0.5}, "conversion": {"num_bits": 4}}
)


def test_a_run_takes_what_belongs_to_the_conversion_from_the_artifact():
    found = Settings.of({"cell": {"tau_refrac": 2.0}}).with_conversion(CONVERTED)
    assert found.of_conversion == CONVERTED.of_conversion
    assert found.cell.tau_refrac == 2


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("cell", "v_thresh", 7.0),
        ("cell", "v_init", 0.25),
        ("cell", "quantize_weights", True),
        ("conversion", "readout", "membrane"),
        ("conversion", "num_bits", 5),
        ("normalization", "percentile", 50.0),
    ],
)
def test_settings_of_a_conversion_are_refused_in_a_run(section, key, value):
    given = Settings.of({section: {key: value}})
    with pytest.raises(SettingsError, match=rf"{section}\.{key} = .*converted with") as refused:
        given.with_conversion(CONVERTED)
    assert "num_steps" not in str(refused.value)
    with pytest.raises(SettingsError, match=rf"{section}\.{key}"):
        CONVERTED.updated({section: {key: value}}).with_conversion(CONVERTED)


def test_a_default_that_is_written_down_counts_as_given():
    exact = Settings.of({"conversion": {"spike_code": "ttfs_exact"}})
    given = Settings.of({"conversion": {"spike_code": "temporal_mean_rate"}})
    assert given == Settings()
    with pytest.raises(SettingsError, match=r"conversion\.spike_code = 'temporal_mean_rate'; the"):
        given.with_conversion(exact)
    assert Settings().with_conversion(exact) == exact


def test_what_is_left_open_is_as_the_network_was_converted():
    converted = Settings.of(
        {
            "simulation": {"duration": 16.0, "dt": 0.5, "seed": 3},
            "cell": {"reset": "zero"},
            "options": {"inisim": {"jit": False, "chunk_steps": 4}},
        }
    )
    given = Settings.of({"simulation": {"batch_size": 4}, "options": {"inisim": {"jit": True}}})
    found = given.with_conversion(converted)
    assert found.num_steps == 32
    assert (found.simulation.seed, found.simulation.batch_size) == (3, 4)
    assert found.cell.reset == "zero"
    assert found.options == {"inisim": {"jit": True, "chunk_steps": 4}}
    assert found.with_conversion(converted) == found


def test_what_was_given_is_still_known_after_pickling_and_changes():
    given = Settings(simulation=SimulationSettings(duration=7)).updated({"cell": {"leak": 0.5}})
    again = pickle.loads(pickle.dumps(given))  # noqa: S301 - our own
    assert again.model_dump(exclude_unset=True) == {
        "simulation": {"duration": 7},
        "cell": {"leak": 0.5},
    }


@pytest.mark.parametrize(
    ("dt_ms", "converted_ms", "code"),
    [(0.5, 1.0, "temporal_mean_rate"), (1.0, 0.5, "temporal_mean_rate"),
     (2.0, 2.0, "temporal_mean_rate"), (2.0, 1.0, "ttfs")],
)  # fmt: skip
def test_steps_may_have_any_length_that_keeps_all_spikes(dt_ms, converted_ms, code):
    converted = Settings.of(
        {"simulation": {"dt": converted_ms}, "conversion": {"spike_code": code}}
    )
    given = Settings.of({"simulation": {"dt": dt_ms}})
    assert given.with_conversion(converted).simulation.dt == dt_ms


def test_steps_too_long_for_the_rates_of_a_network_are_refused():
    given = Settings.of({"simulation": {"dt": 2.0}})
    with pytest.raises(SettingsError, match=r"steps of 2 ms .* one spike per 1 ms, which need"):
        given.with_conversion(CONVERTED)


def test_a_mode_of_the_initial_potential_belongs_to_the_run():
    found = Settings.of({"cell": {"v_init": "uniform"}}).with_conversion(CONVERTED)
    assert found.cell.v_init == "uniform"
    CONVERTED.updated({"cell": {"v_init": "bias"}}).with_conversion(CONVERTED)


def test_a_number_as_initial_potential_has_no_effect_where_the_network_has_none():
    converted = Settings.of({"cell": {"v_init": "uniform"}})
    with pytest.raises(SettingsError, match=r"cell\.v_init = 0\.5; the network was .* 0\.0"):
        Settings.of({"cell": {"v_init": 0.5}}).with_conversion(converted)
    with pytest.raises(SettingsError, match=r"cell\.v_init"):
        converted.updated({"cell": {"v_init": 0.5}}).with_conversion(converted)
    assert converted.with_conversion(converted) == converted


def test_options_of_a_simulator_are_a_section():
    with pytest.raises(SettingsError, match=r"options\.brian2 = 3; expected a section"):
        Settings.of({"options": {"brian2": 3}})


def test_options_are_merged_under_both_names():
    first = Settings.of({"brian2": {"copies": 2}}, simulators=("brian2",))
    second = first.updated({"options": {"brian2": {"delay": 1.0}}})
    assert second.options == {"brian2": {"copies": 2, "delay": 1.0}}


def test_the_flag_that_records_is_one_that_settings_take():
    for names in (["mem"], ["spiketrains", "input"], list(RECORDABLE)):
        flag, value = record_flag(names).split()
        assert flag == "--record"
        assert Settings.of({"output": {"log_vars": value}}).output.log_vars == set(names)
    assert record_flag(RECORDABLE) == "--record all"


def test_changes_are_what_gives_the_same_settings_again():
    settings = Settings.of(
        {
            "simulation": {"seed": 3, "dt": 1.0},
            "cell": {"reset": "zero"},
            "input": {"uint8_scale": 0.5, "dataflow_kwargs": {"target_size": [4, 5]}},
            "output": {"log_vars": ["mem", "input"]},
            "toy": {"engine": "fast", "copies": 2},
        },
        simulators=("toy",),
    )
    changes = settings.changes()
    assert changes == [
        "input.uint8_scale=0.5",
        f"input.dataflow_kwargs={settings.to_tree()['input']['dataflow_kwargs']!r}",
        "simulation.seed=3",
        "cell.reset='zero'",
        "output.log_vars=['input', 'mem']",
        "toy.engine='fast'",
        "toy.copies=2",
    ]
    assert Settings.of(read_assignments(changes), simulators=("toy",)) == settings
