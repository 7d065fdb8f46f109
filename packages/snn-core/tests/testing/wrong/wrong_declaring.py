"""Wrong simulators: what they declare is not true."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from wrong_simulators import fails

from snn_core.errors import SimulationError
from snn_core.ir import Layer, Network, UpSampling2D
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.reference import ReferenceSNN


@fails("test_contract")
class OldContract(ReferenceSNN):
    """Was written for a contract that no longer holds."""

    contract: ClassVar[int] = 0


@fails("test_capabilities")
class UnknownLayer(ReferenceSNN):
    """Declares a kind of layer that does not exist."""

    capabilities: ClassVar[Capabilities] = replace(
        ReferenceSNN.capabilities, layers=ReferenceSNN.capabilities.layers | {"Conv3D"}
    )


@dataclass
class ChangeableOptions:
    """Options that can change during a run."""

    threads: int = 1


@fails("test_options")
class Changeable(ReferenceSNN):
    """Has options that can change during a run."""

    options_type: ClassVar[type[Any]] = ChangeableOptions


@fails("test_refusals")
class RefusesOneByOne(ReferenceSNN):
    """Names only the first problem, so that the user finds the next one after mending it."""

    def problems(self, network: Network) -> list[str]:
        """Return the first problem."""
        return super().problems(network)[:1]


@fails("test_refuses_undeclared_layers")
class SkipsUpSampling(ReferenceSNN):
    """Does not do up-sampling and forgets to say so when asked to."""

    capabilities: ClassVar[Capabilities] = replace(
        ReferenceSNN.capabilities, layers=ReferenceSNN.capabilities.layers - {"UpSampling2D"}
    )

    def _layer_problems(self, network: Network, layer: Layer) -> list[str]:
        allowed = isinstance(layer, UpSampling2D)
        return [] if allowed else super()._layer_problems(network, layer)


@fails("test_refuses_undeclared_options")
class DoesNotLeak(ReferenceSNN):
    """Does not know any leak and forgets to say so when asked for one."""

    capabilities: ClassVar[Capabilities] = replace(
        ReferenceSNN.capabilities,
        settings={
            setting: accepted
            for setting, accepted in ReferenceSNN.capabilities.settings.items()
            if setting != "cell.leak"
        },
    )

    def problems(self, network: Network) -> list[str]:
        """Return the problems that it cares about."""
        return [line for line in super().problems(network) if "leak" not in line]


@fails("test_layer_kind")
class CannotReshape(ReferenceSNN):
    """Declares reshaping without being able to."""

    def build_layer(self, layer: Layer) -> None:
        """Fail for one kind."""
        if layer.kind == "Reshape":
            raise SimulationError(f"{layer.name}: no such layer in this simulator")
        super().build_layer(layer)
