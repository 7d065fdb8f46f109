"""Folding batch normalization into weights.

At inference batch normalization is ``gain * x + offset`` per channel (Ioffe & Szegedy 2015,
section 3.1). It is folded backward into the linear layer before it, else forward into the weighted
layers after it, else it becomes a 1x1 depthwise convolution: a relay without neurons. It changes
places with max pooling on the way: where its gain is negative, the maximum of what it returns is
the minimum of what it gets. All of this is exact; arithmetic is float64.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.ir import (
    ActivationLayer,
    AveragePooling2D,
    BatchNormalization,
    Flatten,
    Layer,
    MaxPooling2D,
    Network,
    Reshape,
    UpSampling2D,
    Weighted,
)
from snn_core.ir.ways import visit
from snn_core.passes.affine import (
    Affine,
    along_channels,
    relay,
    scale_input,
    scale_output,
    takes_offset,
)
from snn_core.passes.edit import Chains, Draft, keeps_channels
from snn_core.passes.spiking import find_nonnegative
from snn_core.typing import Array


def fold_batch_normalization(network: Network) -> Network:
    """Fold every `BatchNormalization` into weights, or turn it into a relay."""
    folding = _Folding(network)
    for layer in network.layers:
        if isinstance(layer, BatchNormalization):
            folding.fold(layer.name)
    return folding.finish()


class _Folding:
    """A network whose batch normalizations are folded, from the input to the output.

    What lies before a map does not change any more, so that what was found out about it is kept:
    thousands of maps behind thousands of pools are folded in linear time.
    """

    def __init__(self, network: Network) -> None:
        self._draft = Draft(network)
        self._chains = Chains(self._draft, lambda layer: _commutes(self._draft, layer))
        self._is_nonnegative: dict[str, bool] = {}
        self._leads: dict[str, bool] = {}
        # Signs that the pools before and at a layer get from the maps that were folded behind it
        self._signs: dict[str, Array] = {}

    def fold(self, name: str) -> None:
        """Fold a map, and those behind pools that come out of it."""
        waiting = [name]
        while waiting:
            layer = self._draft[waiting.pop()]
            if isinstance(layer, BatchNormalization):
                left = self._fold(layer)
                waiting += [name for name in left if name in self._draft]

    def finish(self) -> Network:
        """Return the network, maxima turned to minima where maps went past them."""
        for name in reversed(self._draft.names()):
            sign_c = self._signs.pop(name, None)
            layer = self._draft[name]
            if sign_c is None or not _commutes(self._draft, layer):
                continue
            if isinstance(layer, MaxPooling2D):
                self._draft.replace(_turn(layer, sign_c))
            self._add_signs(layer.inputs[0], sign_c)
        return self._draft.finish()

    def _fold(self, layer: BatchNormalization) -> list[str]:
        """Fold a map once; return the maps to fold next, the first of them last."""
        name, affine = layer.name, along_channels(layer)
        note = f"turned {name} into a relay without neurons"
        if affine is None:
            self._draft.exchange({name: relay(layer, affine)}, note=note)
            return []
        reader = self._leading_to_pool(name)
        before = self._fold_into_source(name, affine)
        changed: list[Layer] = [before] if before is not None else []
        if not changed and reader is None:
            changed += self._fold_into_readers(name, affine)
        changed = changed or [*self._fold_into_maps(name, affine)]
        if changed:
            self._draft.replace(*changed)
            names = ", ".join(other.name for other in changed)
            self._draft.remove(name, note=f"folded {name} into {names}")
        elif reader is not None and self._is_never_negative(layer.inputs[0]):
            self._move_behind(name, reader, affine)
            return [name, reader]
        else:
            self._draft.exchange({name: relay(layer, affine)}, note=note)
        return []

    def _fold_into_source(self, name: str, affine: Affine) -> Weighted | None:
        """Return the linear weighted layer before a map with the map in its weights.

        Max pooling in between reads mapped values then; it is turned in the end.
        """
        source = self._draft[name].inputs[0]
        begin, is_alone = self._chains.begin(source)
        layer = self._draft[begin]
        if not is_alone or not self._draft.reads_alone(source):
            return None
        if not isinstance(layer, Weighted) or not layer.activation.is_linear:
            return None
        self._add_signs(source, _signs(affine))
        return scale_output(layer, affine)

    def _add_signs(self, name: str, sign_c: Array) -> None:
        if (sign_c < 0).any():
            self._signs[name] = sign_c * self._signs.get(name, np.float32(1))

    def _fold_into_readers(self, name: str, affine: Affine) -> list[Weighted]:
        """Return all layers after a map with the map in their weights, past reshapes.

        Empty if one cannot take it.
        """
        found: list[Weighted] = []
        waiting = [(reader, affine) for reader in reversed(self._draft.outbound(name))]
        while waiting:
            layer, affine = waiting.pop()
            shape = self._draft.input_shapes(layer.name)[0]
            if isinstance(layer, Weighted) and takes_offset(layer, shape, affine):
                found.append(scale_input(layer, affine))
                continue
            further = self._draft.outbound(layer.name)
            size = layer.output_shape[-1]
            if not isinstance(layer, (Flatten, Reshape)) or not further:
                return []
            if size % affine.gain_c.size:
                return []
            waiting += [(reader, affine.tile(size)) for reader in reversed(further)]
        return found

    def _fold_into_maps(self, name: str, affine: Affine) -> list[BatchNormalization]:
        """Return all layers after a map, if they are maps as well, with this one in them."""
        found: list[BatchNormalization] = []
        for reader in self._draft.outbound(name):
            after = along_channels(reader) if isinstance(reader, BatchNormalization) else None
            if after is None or not isinstance(reader, BatchNormalization):
                return []
            found.append(
                replace(
                    reader,
                    gain_c=(after.gain_c * affine.gain_c).astype(np.float32),
                    offset_c=(after.gain_c * affine.offset_c + after.offset_c).astype(np.float32),
                    axis=len(reader.output_shape) - 1,
                )
            )
        return found

    def _is_never_negative(self, name: str) -> bool:
        return find_nonnegative(self._draft, name, self._is_nonnegative)

    def _leading_to_pool(self, name: str) -> str | None:
        """Return a reader of a map that is max pooling, or a reshape in front of it.

        Behind such a pool, a map of values that are never negative leaves the pool one of such
        values. A pool with a rectifier of its own takes mapped values as they are.
        """
        readers = [reader.name for reader in self._draft.outbound(name)]

        def following(each: str) -> list[str]:
            return [] if each in self._leads else self._reshaped(each)

        for each in visit(readers, following):
            if each not in self._leads:
                layer = self._draft[each]
                further = self._draft.outbound(each)
                if isinstance(layer, MaxPooling2D):
                    is_rectified = len(further) == 1 and isinstance(further[0], ActivationLayer)
                    self._leads[each] = _commutes(self._draft, layer) and not is_rectified
                else:
                    self._leads[each] = any(self._leads[next_] for next_ in self._reshaped(each))
        return next((each for each in readers if self._leads[each]), None)

    def _reshaped(self, name: str) -> list[str]:
        """Return what reads a reshape that maps go past; nothing for other layers."""
        layer = self._draft[name]
        is_passed = isinstance(layer, (Flatten, Reshape)) and _commutes(self._draft, layer)
        return [reader.name for reader in self._draft.outbound(name)] if is_passed else []

    def _move_behind(self, name: str, reader: str, affine: Affine) -> None:
        """Let a reader of a map read what the map reads, and map what it returns.

        The map behind takes the reader's name; the old one goes if nothing else reads it.
        """
        layer = self._draft[reader]
        del self._leads[reader]
        moved = _turn(layer, _signs(affine)) if isinstance(layer, MaxPooling2D) else layer
        moved = replace(moved, name=f"{reader}/unmapped", inputs=self._draft[name].inputs)
        behind = BatchNormalization(
            name=reader,
            inputs=(moved.name,),
            output_shape=layer.output_shape,
            gain_c=affine.gain_c.astype(np.float32),
            offset_c=affine.offset_c.astype(np.float32),
            axis=len(layer.output_shape) - 1,
        )
        rest = [] if self._draft.reads_alone(name) else [self._draft[name]]
        note = f"moved {name} behind {reader}"
        self._draft.exchange({name: rest, reader: [moved, behind]}, note=note)


def _commutes(network: Draft, layer: Layer) -> bool:
    """Return whether mapping a layer's inputs is the same as mapping its outputs.

    That holds for means, copies and, with `_turn`, for maxima.
    """
    if isinstance(layer, (Flatten, Reshape)):
        return keeps_channels(layer, network.input_shapes(layer.name)[0])
    if isinstance(layer, (AveragePooling2D, UpSampling2D, MaxPooling2D)):
        return layer.activation.is_linear and bool((layer.weight_c == 1).all())
    return False


def _signs(affine: Affine) -> Array:
    """Return -1 for channels in which a map falls, so that it turns maxima to minima; else 1."""
    return np.where(affine.gain_c < 0, np.float32(-1), np.float32(1))


def _turn(pool: MaxPooling2D, side_c: Array) -> MaxPooling2D:
    """Return max pooling that changes places with maps of such signs."""
    if not (side_c < 0).any():
        return pool
    sign_c = side_c if pool.sign_c is None else side_c * pool.sign_c
    return replace(pool, sign_c=None if (sign_c == 1).all() else sign_c)
