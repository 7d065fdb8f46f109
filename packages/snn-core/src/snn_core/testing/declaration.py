"""Conformance: what a simulator declares about itself."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import get_args

import pytest

from snn_core.errors import SettingsError, UnsupportedError
from snn_core.ir import Network
from snn_core.ir.layers import MAX_POOL_METHODS
from snn_core.ir.network import READOUTS
from snn_core.settings import RECORDABLE, SPIKE_CODES, CellSettings, InputSettings
from snn_core.simulation.capabilities import CELL_OPTIONS
from snn_core.simulation.contract import ALL_LAYERS, CONTRACT, AbstractSNN, Capabilities
from snn_core.testing import networks
from snn_core.testing.suite import Suite

GROUP = "snn.simulators"

ENCODINGS = get_args(InputSettings.model_fields["encoding"].annotation)
RESETS = get_args(CellSettings.model_fields["reset"].annotation)

VOCABULARY = {
    "layers": ALL_LAYERS,
    "spike_codes": SPIKE_CODES,
    "inputs": ENCODINGS,
    "resets": RESETS,
    "readouts": READOUTS,
    "records": RECORDABLE,
    "cell": CELL_OPTIONS,
    "max_pool_methods": MAX_POOL_METHODS,
}
"""Field of the capabilities to everything it may hold."""

CELL_VALUES: Mapping[str, object] = {
    "bias_relaxation": True,
    "clamp_indices": {"1": 3},
    "clamp_var": True,
    "leak": 0.125,
    "payloads": True,
    "tau_m": 20.0,
    "tau_refrac": 2.0,
    "v_clip": 3.0,
    "v_init": "uniform",
    "online_normalization": True,
    "reset_between_nth_sample": 2,
    "scale_first_layer_parameters": 1.0,
}
"""A value for each of `CELL_OPTIONS` that makes use of it."""

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
        for name in ("layers", "spike_codes", "inputs", "resets", "readouts"):
            assert getattr(can, name), f"{name} is empty"
        assert isinstance(can.delay_steps, int)
        assert can.delay_steps >= 0
        assert 0 <= can.rate_tolerance < 1
        assert isinstance(can.hardware, (str, type(None)))

    def test_options(self) -> None:
        """Options are a frozen dataclass with defaults, and an unknown one is refused.

        If this fails: make ``options_type`` a ``@dataclass(frozen=True)`` with a default for each
        field. Options that can change under way would make results impossible to reproduce.
        """
        kind = self.simulator.options_type
        assert is_dataclass(kind)
        assert kind.__dataclass_params__.frozen, f"{kind.__name__} is not frozen"  # type: ignore[attr-defined]
        assert self.simulator.parse_options({}) == kind()
        unknown = "_".join(["no", *(item.name for item in fields(kind))])
        with pytest.raises(SettingsError, match=unknown):
            self.simulator.parse_options({unknown: 1})

    def test_refusals(self) -> None:
        """A network or settings beyond the declaration are refused at once, with every problem.

        If this fails: leave the checks to `AbstractSNN.__init__` and call it first; say in
        ``refuses`` what a layer's kind does not. Users get one message with all problems.
        """
        problems = self._refusal(networks.unconvertible())
        for name in ("02Dropout_3", "03BatchNormalization_3"):
            assert any(name in line for line in problems), f"{name} is missing among {problems}"
        assert len(problems) == 2 + len(self._unsupported_settings()), problems
        for section, key in self._unsupported_settings():
            name = f"{section}.{key}"
            assert any(name in line for line in problems), f"{name} is missing among {problems}"

    def test_refuses_undeclared_layers(self) -> None:
        """Each kind of layer that is not declared is refused by the layer's name.

        If this fails: a layer that cannot be simulated must not pass silently; see
        `test_refusals`.
        """
        for kind, build in networks.LAYER_KINDS.items():
            network = build()
            if self.undeclared(network, self.settings()) is None:
                continue
            with pytest.raises(UnsupportedError, match=kind):
                self.created(network, self.settings())

    def test_refuses_undeclared_options(self) -> None:
        """Each option of the cell that is not declared is refused by its name.

        If this fails: an option that has no effect must not pass silently; see `test_refusals`.
        """
        for name, section in CELL_OPTIONS.items():
            if name in self.capabilities.cell:
                continue
            sections: dict[str, dict[str, object]] = {
                "cell": {"reset": "subtraction"},  # some options are for these alone
                "input": {"encoding": "constant"},
            }
            sections.setdefault(section, {})[name] = CELL_VALUES[name]
            with pytest.raises(UnsupportedError, match=f"{section}.{name}"):
                self.created(networks.dense(), self.settings(**sections))

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

    def test_is_registered(self) -> None:
        """The package registers the class, so that the command line finds it.

        If this fails: add ``[project.entry-points."snn.simulators"]`` with ``name =
        "package:Class"`` to ``pyproject.toml``, and install the package again.
        """
        assert registered_names(self.simulator), (
            f"no installed package registers {self.simulator.__module__}:"
            f"{self.simulator.__qualname__} in the group {GROUP!r}"
        )

    def _unsupported_settings(self) -> dict[tuple[str, str], str]:
        """Return one value per setting that the simulator does not declare, where there is one."""
        can = self.capabilities
        candidates = {
            ("conversion", "spike_code"): (SPIKE_CODES, can.spike_codes),
            ("input", "encoding"): (ENCODINGS, can.inputs),
            ("cell", "reset"): (RESETS, can.resets),
            ("conversion", "readout"): (READOUTS, can.readouts),
            ("output", "log_vars"): (RECORDABLE, can.records | {"activations"}),
        }
        return {
            key: next(name for name in words if name not in declared)
            for key, (words, declared) in candidates.items()
            if not declared.issuperset(words)
        }

    def _refusal(self, network: Network) -> tuple[str, ...]:
        """Return the problems with which a network and all unsupported settings are refused."""
        sections: dict[str, dict[str, object]] = {}
        for (section, key), value in self._unsupported_settings().items():
            if key == "readout":
                network = network.replace(readout=value)
            else:
                sections.setdefault(section, {})[key] = [value] if key == "log_vars" else value
        with pytest.raises(UnsupportedError) as refused:
            self.created(network, self.settings(**sections))
        return refused.value.problems
