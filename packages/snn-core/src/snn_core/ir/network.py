"""The network: layers in topological order, with one input and one output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from snn_core.errors import ParseError, suggest
from snn_core.ir.display import describe_network, network_html
from snn_core.ir.input_data import InputData
from snn_core.ir.layer import Layer, rebuild
from snn_core.ir.layers import Add, Concatenate, Input, Spiking
from snn_core.settings import Settings
from snn_core.typing import Array, PathLikeStr, Shape

READOUTS = ("counts", "membrane")


class UnknownLayerError(ParseError, KeyError):
    """A network has no layer of a name."""


def require_network(value: object) -> None:
    """Raise a `ParseError` unless a value is a network."""
    if not isinstance(value, Network):
        raise ParseError(
            f"Found a {type(value).__name__}; expected a Network, as convert, load and parse "
            f"return it."
        )


def _require_kind(value: object, kind: Any, what: str) -> None:
    """Raise a `ParseError` if a value is of another kind than what it is given as."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(one.__name__ for one in kinds)
        raise ParseError(f"Found a {type(value).__name__} as {what}; expected a {expected}.")


LONGEST_NAME = 4000
"""Letters of a layer's name, which nested models make long."""


def require_name(name: object) -> None:
    """Make sure that a layer's name can be shown and can name files.

    Raises
    ------
    ParseError
        If it is too long, or holds control characters or halves of characters.
    """
    if not isinstance(name, str) or not name.isprintable() or len(name) > LONGEST_NAME:
        shown = repr(name)[:80]
        raise ParseError(
            f"Found a layer of the name {shown}; expected printable characters, at most "
            f"{LONGEST_NAME}. Rename the layer."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A feed-forward network.

    Parameters
    ----------
    layers
        In topological order; the first is the `Input`, the last the output.
    history
        One line for each pass that changed the network, oldest first.
    scale_facs
        Layer name to the factor that turns the layer's rate back into the source's activation:
        a scalar array or one value per channel. Empty before normalization.
    readout
        ``"counts"``: the decision is the class with most output spikes; ``"membrane"``: the output
        neurons integrate without spiking and the largest potential decides.
    settings
        Settings that the network was converted with, from which every simulation of it starts;
        ``None`` if it was not converted.
    input_data
        How samples enter, and what samples it was calibrated on.

    Raises
    ------
    ParseError
        If names repeat, a layer reads from more layers than its kind can, an inbound layer is
        missing or comes later, or there is not exactly one
        input and one output.
    """

    layers: tuple[Layer, ...]
    history: tuple[str, ...] = ()
    scale_facs: Mapping[str, Array] = field(default_factory=dict)
    readout: str = "counts"
    settings: Settings | None = None
    input_data: InputData = field(default_factory=InputData)

    def __post_init__(self) -> None:
        _require_kind(self.layers, (tuple, list), "layers")
        _require_kind(self.scale_facs, Mapping, "scale_facs")
        object.__setattr__(self, "scale_facs", MappingProxyType(dict(self.scale_facs)))
        seen: set[str] = set()
        for layer in self.layers:
            _require_kind(layer, Layer, "a layer")
            require_name(layer.name)
            if layer.name in seen:
                raise ParseError(f"Layer name {layer.name!r} occurs twice; names must be unique.")
            if len(layer.inputs) > 1 and not isinstance(layer, (Add, Concatenate)):
                raise ParseError(
                    f"Layer {layer.name!r} ({layer.kind}) reads from {len(layer.inputs)} layers; "
                    f"expected one."
                )
            for name in layer.inputs:
                if name not in seen:
                    raise ParseError(
                        f"Layer {layer.name!r} reads from {name!r}, which is not an earlier layer."
                    )
            seen.add(layer.name)
        entries = [layer.name for layer in self.layers if not layer.inputs]
        exits = [layer.name for layer in self.layers if not self.outbound(layer.name)]
        if len(entries) != 1 or not isinstance(self.layers[0], Input):
            raise ParseError(
                f"Found inputs {entries}; expected exactly one Input layer, the first."
            )
        if len(exits) != 1:
            raise ParseError(f"Found outputs {exits}; expected exactly one output layer.")
        if self.readout not in READOUTS:
            raise ParseError(f"Unknown readout {self.readout!r}; expected one of {READOUTS}.")

    def __repr__(self) -> str:
        """Return shapes, size and conversion, in one line."""
        return f"<{describe_network(self)}>"

    def _repr_html_(self) -> str:
        """Return the layers as a table and the history as a list, for notebooks."""
        return network_html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by construction; processes hand networks to each other."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return rebuild, (type(self), {**values, "scale_facs": dict(self.scale_facs)})

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _outbound(self) -> dict[str, tuple[Layer, ...]]:
        found: dict[str, list[Layer]] = {layer.name: [] for layer in self.layers}
        for layer in self.layers:
            for name in dict.fromkeys(layer.inputs):
                found[name].append(layer)
        return {name: tuple(layers) for name, layers in found.items()}

    def __getitem__(self, name: str) -> Layer:
        """Return the layer of that name."""
        try:
            return self._by_name[name]
        except (KeyError, TypeError):  # a list, for example, cannot be a key
            raise UnknownLayerError(
                f"No layer {name!r}.{suggest(name, self._by_name)} The network has "
                f"{', '.join(self._by_name)}."
            ) from None

    def __contains__(self, name: object) -> bool:
        """Return whether a layer of that name exists."""
        return name in self._by_name

    def __iter__(self) -> Iterator[Layer]:
        """Iterate over the layers in topological order."""
        return iter(self.layers)

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.layers)

    @property
    def input(self) -> Input:
        """The entry layer."""
        layer = self.layers[0]
        if not isinstance(layer, Input):  # excluded by __post_init__
            raise ParseError("The first layer is not an Input.")
        return layer

    @cached_property
    def output(self) -> Layer:
        """The layer nothing reads from, which comes last."""
        return self.layers[-1]

    def inbound(self, name: str) -> tuple[Layer, ...]:
        """Return the layers that a layer reads from, in the order of its inputs."""
        return tuple(self[source] for source in self[name].inputs)

    def outbound(self, name: str) -> tuple[Layer, ...]:
        """Return the layers that read from a layer, in topological order, each once."""
        return self._outbound[self[name].name]

    def input_shapes(self, name: str) -> tuple[Shape, ...]:
        """Return the output shapes of the inbound layers."""
        return tuple(layer.output_shape for layer in self.inbound(name))

    def has_neurons(self, layer: Layer) -> bool:
        """Return whether a layer holds neurons: the output does, and all that are not linear."""
        return isinstance(layer, Spiking) and (
            not layer.activation.is_linear or layer is self.output
        )

    @cached_property
    def spiking_layers(self) -> tuple[Spiking, ...]:
        """All layers that hold neurons, in topological order; the output is the last."""
        return tuple(
            layer for layer in self.layers if isinstance(layer, Spiking) and self.has_neurons(layer)
        )

    @property
    def origin(self) -> str:
        """What it was read from, as the first line of its history says; empty if from nothing.

        For example ``model.keras: .keras archive of Keras 3.15.1``.
        """
        word, _, source = next(iter(self.history), "").partition(" ")
        return source.partition(", sha256 ")[0] if word == "read" else ""

    @property
    def num_parameters(self) -> int:
        """Number of parameters that training found."""
        return sum(layer.num_parameters for layer in self.layers)

    def settings_for(self, given: Settings | Mapping[str, Any] | None = None) -> Settings:
        """Return the settings of a run: those given, and for the rest those of the conversion.

        Raises
        ------
        SettingsError
            As `Settings.with_conversion`.
        """
        if given is not None and not isinstance(given, Settings):
            given = Settings.of(given)
        if self.settings is None:
            return given or Settings()
        return self.settings if given is None else given.with_conversion(self.settings)

    def save(self, path: PathLikeStr, *, overwrite: bool = False) -> None:
        """Write the network as an artifact; short for `snn_core.save`."""
        # Files are built of networks, so nothing here may know how; the package's front does.
        from snn_core import save

        save(self, path, overwrite=overwrite)

    def replace(self, *layers: Layer, note: str | None = None, **changes: Any) -> Network:
        """Return a network in which layers of the same names take the place of the present ones.

        Parameters
        ----------
        layers
            The new layers.
        note
            A line for the history.
        changes
            Other fields to change (``scale_facs``, ``readout``, ``settings``, ``input_data``).
        """
        for layer in layers:
            _require_kind(layer, Layer, "a layer")
        new = {layer.name: layer for layer in layers}
        for name in new:
            self[name]
        history = self.history if note is None else (*self.history, note)
        return replace(
            self,
            layers=tuple(new.get(layer.name, layer) for layer in self.layers),
            history=changes.pop("history", history),
            **changes,
        )
