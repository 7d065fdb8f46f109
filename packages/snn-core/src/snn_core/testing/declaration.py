"""Conformance: what a simulator declares about itself."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
from collections.abc import Container, Iterable
from typing import Any, get_args

import pytest

from snn_core.errors import SettingsError, UnsupportedError
from snn_core.ir import Network, activations
from snn_core.ir.layers import MAX_POOL_METHODS
from snn_core.ir.network import READOUTS
from snn_core.settings import RECORDABLE, Options, Section, Settings
from snn_core.simulation.capabilities import CLAIMABLE, CONTRACT_1_SETTINGS
from snn_core.simulation.contract import ALL_LAYERS, CONTRACT, AbstractSNN, Capabilities
from snn_core.testing import deep_networks, networks
from snn_core.testing.runner import smoke
from snn_core.testing.suite import Suite

GROUP = "snn.simulators"

VOCABULARY = {
    "layers": ALL_LAYERS,
    "activations": activations.KINDS,
    "max_pool_methods": MAX_POOL_METHODS,
    "readouts": READOUTS,
    "records": RECORDABLE,
}
"""Field of the capabilities to everything it may hold."""


def other_values(setting: str) -> tuple[Any, ...]:
    """Return values of a setting to try: all words that it knows, or examples."""
    section, key = setting.split(".")
    model = Settings.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, Section)
    info = model.model_fields[key]
    values = tuple(info.examples or get_args(info.annotation))
    assert values, f"the setting {setting} has no examples to try"
    return values


LIGHT_IMPORT = """
import importlib, sys
module, name, *heavy = sys.argv[1:]
simulator = getattr(importlib.import_module(module), name)
def report(moment):
    loaded = [name for name in heavy if name in sys.modules]
    if loaded:
        sys.exit(f"{', '.join(loaded)} imported {moment}")
report("together with the simulator's module")
from snn_core.errors import UnsupportedError
from snn_core.testing.networks import unconvertible
try:
    simulator(unconvertible())
except UnsupportedError:
    report("before an unsupported network was refused")
else:
    sys.exit("an unsupported network was not refused")
"""


def registered_names(simulator: type[AbstractSNN]) -> list[str]:
    """Return the names under which installed packages register a simulator class."""
    package = simulator.__module__.split(".")[0]
    return sorted(
        entry.name
        for entry in importlib.metadata.entry_points(group=GROUP)
        if entry.value.split(":")[0].split(".")[0] == package and entry.load() is simulator
    )


class Declaration(Suite):
    """Tests of the class itself; nothing is simulated."""

    @smoke
    def test_contract(self) -> None:
        """The class fulfils this version of the contract.

        If this fails: derive from `AbstractSNN` or `SynapseListSNN`, write the abstract methods
        that the message names, and set ``contract`` to the number you wrote the class for.
        """
        assert issubclass(self.simulator, AbstractSNN)
        missing = sorted(self.simulator.__abstractmethods__)
        assert not inspect.isabstract(self.simulator), f"still abstract: {', '.join(missing)}"
        assert self.simulator.contract == CONTRACT, (
            f"written for contract {self.simulator.contract}, this is contract {CONTRACT}"
        )

    @smoke
    def test_capabilities(self) -> None:
        """The capabilities use only words that exist.

        If this fails: correct the field that the message names; `VOCABULARY` in this module lists
        what each may hold.
        """
        can = self.capabilities
        assert isinstance(can, Capabilities)
        for name, words in VOCABULARY.items():
            declared = getattr(can, name)
            assert isinstance(declared, frozenset), f"{name} is a {type(declared).__name__}"
            unknown = sorted(declared - set(words))
            assert not unknown, f"{name} holds {', '.join(unknown)}; known: {', '.join(words)}"
        unknown = sorted(set(can.settings) - set(CLAIMABLE))
        assert not unknown, f"settings names {', '.join(unknown)}; known: {', '.join(CLAIMABLE)}"
        for name in ("layers", "readouts"):
            assert getattr(can, name), f"{name} is empty"
        for setting in CONTRACT_1_SETTINGS:
            accepted = can.accepted(setting)
            assert any(v in accepted for v in other_values(setting)), f"{setting} accepts nothing"
        assert isinstance(can.delay_steps, int)
        assert can.delay_steps >= 0
        assert 0 <= can.rate_tolerance < 1
        assert isinstance(can.hardware, (str, type(None)))

    @smoke
    def test_options(self) -> None:
        """Options are a class of `Options` with defaults, and an unknown one is refused.

        If this fails: derive ``options_type`` from `snn_core.settings.Options`, which is frozen,
        and give each field a default. Options that can change under way would make results
        impossible to reproduce.
        """
        kind = self.simulator.options_type
        assert issubclass(kind, Options), f"{kind.__name__} is not derived from Options"
        assert kind.model_config.get("frozen"), f"{kind.__name__} is not frozen"
        assert kind.model_config.get("extra") == "forbid", f"{kind.__name__} accepts anything"
        assert kind() == kind()
        unknown = f"no_{max(kind.model_fields, key=len, default='option')}"  # longer than any
        with pytest.raises(SettingsError, match=unknown):
            kind(**{unknown: 1})

    def test_refusals(self) -> None:
        """A network or settings beyond the declaration are refused at once, with every problem.

        If this fails: leave the checks to `AbstractSNN.__init__` and call it first; say in
        ``refuses`` what a layer's kind does not. Users get one message with all problems.
        """
        problems = self._refusal(networks.unconvertible())
        for name in ("02Dropout_3", "03BatchNormalization_3"):
            assert any(name in line for line in problems), f"{name} is missing among {problems}"
        assert len(problems) == 2 + len(self._unsupported_settings()), problems
        for name in self._unsupported_settings():
            assert any(name in line for line in problems), f"{name} is missing among {problems}"

    @smoke
    def test_refuses_undeclared_layers(self) -> None:
        """Each kind of layer that is not declared is refused by the layer's name.

        If this fails: a layer that cannot be simulated must not pass silently; see
        `test_refusals`.
        """
        pools = (deep_networks.minimum_pooling("fir_max"), deep_networks.graded_pooling("Add"))
        kinds = [(kind, build()) for kind, build in networks.LAYER_KINDS.items()]
        for kind, network in [*kinds, *(("MaxPooling2D", pool) for pool in pools)]:
            if self.undeclared(network, self.settings()) is None:
                continue
            with pytest.raises(UnsupportedError, match=kind):
                self.create(network, self.settings())

    @smoke
    def test_refuses_undeclared_options(self) -> None:
        """Each value of a setting that is not claimed is refused by the setting's name.

        If this fails: a setting that has no effect must not pass silently; see `test_refusals`.
        """
        for setting in CLAIMABLE:
            for value in other_values(setting):
                if self.capabilities.accepts(setting, value):
                    continue
                section, key = setting.split(".")
                sections: dict[str, dict[str, object]] = {
                    "cell": {"reset": "subtraction"},  # some options are for these alone
                    "input": {"encoding": "constant"},
                }
                sections.setdefault(section, {})[key] = value
                with pytest.raises(UnsupportedError, match=setting):
                    self.create(networks.dense(), self.settings(**sections))

    @smoke
    def test_module_is_light(self) -> None:
        """Importing the class, and a refusal, do not import the simulator.

        If this fails: import the modules that the message names inside the methods that need them,
        not at the top. ``snn simulators`` loads every installed class.
        """
        if not self.heavy_modules:
            pytest.skip("names no heavy_modules")
        name = (self.simulator.__module__, self.simulator.__qualname__)
        command = [sys.executable, "-c", LIGHT_IMPORT, *name, *self.heavy_modules]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr

    @smoke
    def test_is_registered(self) -> None:
        """The package registers the class, so that the command line finds it.

        If this fails: add ``[project.entry-points."snn.simulators"]`` with ``name =
        "package:Class"`` to ``pyproject.toml``, and install the package again.
        """
        assert registered_names(self.simulator), (
            f"no installed package registers {self.simulator.__module__}:"
            f"{self.simulator.__qualname__} in the group {GROUP!r}"
        )

    def _unsupported_settings(self) -> dict[str, str]:
        """Return one value per setting that the simulator does not declare, where there is one."""
        can = self.capabilities
        candidates: list[tuple[str, Iterable[str], Container[str]]] = [
            (setting, other_values(setting), can.accepted(setting))
            for setting in CONTRACT_1_SETTINGS
        ]
        candidates += [
            ("conversion.readout", READOUTS, can.readouts),
            ("output.log_vars", RECORDABLE, can.records | {"activations"}),
        ]
        missing = {
            setting: next((name for name in words if name not in declared), None)
            for setting, words, declared in candidates
        }
        return {setting: name for setting, name in missing.items() if name is not None}

    def _refusal(self, network: Network) -> tuple[str, ...]:
        """Return the problems with which a network and all unsupported settings are refused."""
        sections: dict[str, dict[str, object]] = {}
        for setting, value in self._unsupported_settings().items():
            section, key = setting.split(".")
            if key == "readout":
                network = network.replace(readout=value)
            else:
                sections.setdefault(section, {})[key] = [value] if key == "log_vars" else value
        with pytest.raises(UnsupportedError) as refused:
            self.create(network, self.settings(**sections))
        return refused.value.problems
