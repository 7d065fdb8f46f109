"""Whether a network agrees with the settings of its conversion, which files keep beside it."""

from __future__ import annotations

import numpy as np

from snn_core.codes.base import NORMALIZED
from snn_core.codes.registry import code_of
from snn_core.ir import Network, Spiking
from snn_core.settings import Settings


def contradictions(network: Network) -> list[str]:
    """Return where a network says something else than the settings of its conversion, a line each.

    Compared is what a conversion writes into both and what makes a run mean something else. Layers
    may be changed afterwards, so that thresholds contradict ``cell.v_thresh`` only where all of
    them are one other number; initial potentials and methods of pooling are each layer's own. A
    conversion scales all layers; a network with settings and layers without a scale was not
    converted at all, so that it contradicts nothing.
    """
    settings = network.settings
    scaled = {layer.name for layer in network.layers if isinstance(layer, Spiking)}
    if settings is None or scaled - set(network.scale_facs):
        return []
    scale, used = settings.input.uint8_scale, network.input_data.uint8_scale
    facts: list[tuple[str, object, set[object]]] = [
        ("conversion.readout", settings.conversion.readout, {network.readout}),
        ("input.uint8_scale", used if scale is None else scale, {used}),
        ("cell.v_thresh", float(np.float32(settings.cell.v_thresh)), _thresholds(network)),
    ]
    lines = [
        f"{name} is {said!r}, and the network has {found.pop()!r}"
        for name, said, found in facts
        if len(found) == 1 and said not in found
    ]
    return [*lines, *_other_scales(network, settings)]


def _thresholds(network: Network) -> set[object]:
    return {
        float(value) for layer in network.spiking_layers for value in np.unique(layer.threshold)
    }


def _other_scales(network: Network, settings: Settings) -> list[str]:
    """Return a line if the history tells of scales that the settings do not ask for."""
    wanted = code_of(settings).scaling
    for line in reversed(network.history):
        for scaling, note in NORMALIZED.items():
            if line.startswith(note):
                if scaling == wanted:
                    return []
                code, method = settings.conversion.spike_code, settings.normalization.method
                asked = f"conversion.spike_code = {code!r}, normalization.method = {method!r}"
                told = f"the network's history says {line!r}"
                return [f"{asked} lead to {NORMALIZED[wanted]!r}, and {told}"]
    return []
