import pytest

from snn_core.errors import (
    ContractError,
    SettingsError,
    SimulatorImportError,
    UnknownSimulatorError,
)
from snn_core.settings import Settings
from snn_core.simulation import registry
from snn_core.simulation.reference import ReferenceSNN

MODULE = """
from snn_core.simulation.reference import ReferenceSNN


class SNN(ReferenceSNN):
    pass


class Old(ReferenceSNN):
    contract = 0


class New(ReferenceSNN):
    contract = 99


def function():
    pass
"""


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Return a function that installs a package with simulators."""
    monkeypatch.syspath_prepend(tmp_path)

    def call(distribution, **simulators):
        info = tmp_path / f"{distribution.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n"
        )
        lines = [f"{name} = {value}" for name, value in simulators.items()]
        (info / "entry_points.txt").write_text("\n".join(["[snn.simulators]", *lines]))
        (tmp_path / "registered_simulators.py").write_text(MODULE)

    return call


def test_the_reference_is_always_there():
    assert "reference" in registry.names()
    assert registry.get("reference") is ReferenceSNN
    assert registry.version_of("reference").startswith("snn-core ")


def test_an_installed_simulator_is_found(register):
    register("snn-extra", extra="registered_simulators:SNN")
    assert "extra" in registry.names()
    assert issubclass(registry.get("extra"), ReferenceSNN)
    assert registry.version_of("extra") == "snn-extra 1.5"
    (found,) = (item for item in registry.describe() if item.name == "extra")
    assert (found.distribution, found.version, found.problem) == ("snn-extra", "1.5", None)


def test_names_of_the_original_lead_to_the_new_ones(register):
    register("snn-mega", megasim="registered_simulators:SNN")
    assert registry.get("MegaSim") is registry.get("megasim")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "loihi",
            r"no simulator 'loihi'. It comes with snn-loihi. .*snn-loihi`.* --simulator refer",
        ),
        ("spiNNaker", "It comes with snn-spinnaker. Install it with .*snn-spinnaker`"),
        ("referense", "Did you mean 'reference'"),
        ("xyz", r"There is no simulator 'xyz'. Installed:"),
    ],
)
def test_an_unknown_name_gets_advice(name, message, monkeypatch):
    monkeypatch.setattr(registry, "names", lambda: ["reference"])
    with pytest.raises(UnknownSimulatorError, match=message):
        registry.get(name)


def test_two_packages_cannot_share_a_name(register):
    register("snn-one", twin="registered_simulators:SNN")
    register("snn-two", twin="registered_simulators:SNN")
    with pytest.raises(ContractError, match=r"'twin' is registered by snn-.* 1.5 and snn-.* 1.5"):
        registry.get("twin")


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("Old", ContractError, "contract 0; this snn-core has contract 1. Update the simulator"),
        ("New", ContractError, "contract 99; this snn-core has contract 1. Update snn-core"),
        ("function", SimulatorImportError, "expected a subclass of AbstractSNN"),
        ("Missing", SimulatorImportError, "AttributeError"),
    ],
)
def test_a_plug_in_that_does_not_fit_names_its_package(register, target, error, message):
    register("snn-odd", odd=f"registered_simulators:{target}")
    with pytest.raises(error, match=message) as caught:
        registry.get("odd")
    assert "snn-odd 1.5" in str(caught.value)
    (found,) = (item for item in registry.describe() if item.name == "odd")
    assert found.capabilities is None
    assert found.problem == str(caught.value)


def test_a_plug_in_that_fails_to_import_leaves_the_others_usable(register):
    register("snn-broken", broken="no_such_module_at_all:SNN")
    with pytest.raises(SimulatorImportError, match=r"of snn-broken 1.5 cannot be imported: Module"):
        registry.get("broken")
    assert {item.name for item in registry.describe() if item.problem is None} >= {"reference"}


def test_options_in_a_settings_file_are_checked_with_its_name(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[reference]\nthreads = 3\n")
    with pytest.raises(
        SettingsError, match=r"In .*settings\.toml: In the section \[reference\]: Unk"
    ):
        registry.load_settings(path, base=Settings())


def test_options_that_another_file_brought_are_not_said_to_be_of_this_one(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[simulation]\nseed = 3\n")
    base = Settings.of({"options": {"reference": {"threads": 3}, "elsewhere": {"a": 1}}})
    assert registry.load_settings(path, base=base).options == base.options


def test_options_of_a_simulator_that_cannot_be_loaded_are_kept(register, tmp_path):
    register("snn-broken", broken="no_such_module_at_all:SNN")
    path = tmp_path / "settings.toml"
    path.write_text("[broken]\nthreads = 3\n")
    found = registry.load_settings(path, base=Settings())
    assert found.options == {"broken": {"threads": 3}}
