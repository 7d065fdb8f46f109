"""Why a converted network does not do what the analog network does: measured, likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from snn_core.codes import CODES, code_of
from snn_core.codes.first_spike import FirstSpike
from snn_core.conversion.trial.layers import LayerFit
from snn_core.conversion.trial.outcome import Outcome
from snn_core.ir import Network
from snn_core.passes.cost import WORDS
from snn_core.settings import Settings
from snn_core.simulation.capabilities import CLAIMABLE, setting_value
from snn_core.typing import Array, Float

CLIPPED = 0.1
"""Share of a layer's activity that is a reason if it is clipped: as much as a whole layer's
rounding to some ten levels."""
SILENT = 0.25
"""Share of a layer's activity that is a reason if it is in neurons that never spike."""
SMALL = 0.25
"""Largest activation, as a share of what spikes can stand for, that says a threshold is too high:
at least two of the levels' digits are never used."""
CLOSE = 0.05
"""Difference of the two largest outputs, as a share of their size, that spikes easily turn."""
DEEP = 3
"""Layers with spikes from which on first spikes are off in a way that grows from layer to layer."""
ROUNDED = 0.1
"""Error of a layer that is a reason where a code has too few levels."""
MOST = 2
"""Reasons that are given."""
MORE = 4
"""How many times longer a simulation is that tells whether steps are too few."""

NEURON_SETTINGS = tuple(
    name
    for name in CLAIMABLE
    if name not in ("conversion.spike_code", "simulation.reset_between_nth_sample")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known about a network that fails.

    Parameters
    ----------
    network, settings
        The converted network and how it was simulated.
    outcome
        What it did.
    layers
        How well the spikes of each layer stand for its activations.
    analog_b_c
        Outputs of the analog network.
    changed
        How the converted network differs from its source without any spikes, such as ``changes 3
        of the decisions``; empty if it does not.
    retry
        Simulates with other settings; ``None`` if that takes too long or is not possible.
    """

    network: Network
    settings: Settings
    outcome: Outcome
    layers: Sequence[LayerFit]
    analog_b_c: Float[Array, "b c"]
    changed: str
    retry: Callable[[Settings], Outcome | None]


def find_causes(evidence: Evidence) -> list[str]:
    """Return the likeliest reasons, each a clause that names layer or setting and what to do.

    If nothing stands out, there is a single one that says where to look.
    """
    finders = (_lossy, _neuron, _negative, _clipped, _first_spikes, _too_high, _steps)
    found = [clause for find in finders for clause in find(evidence)]
    if found:
        return found[:MOST]
    rest = (clause for find in (_undecided, _close, _growth) for clause in find(evidence))
    return list(islice(rest, 1))


def _lossy(evidence: Evidence) -> Iterator[str]:
    """Blame lossy passes if decisions change without any spikes."""
    names = [line.split(":")[0] for line in evidence.network.history if WORDS in line]
    if names and evidence.changed:
        yield (f"the lossy {' and '.join(names)} alone {evidence.changed}; convert without it")


def _neuron(evidence: Evidence) -> Iterator[str]:
    """Blame settings of neuron and input if plain ones do well."""
    changed = [
        name
        for name in NEURON_SETTINGS
        if setting_value(evidence.settings, name) != CLAIMABLE[name]
    ]
    tree: dict[str, dict[str, object]] = {}
    for name in changed:
        section, key = name.split(".")
        tree.setdefault(section, {})[key] = CLAIMABLE[name]
    outcome = evidence.retry(evidence.settings.updated(tree)) if changed else None
    if outcome is not None and outcome.is_good:
        given = ", ".join(
            f"{name} = {setting_value(evidence.settings, name)!r}" for name in changed
        )
        yield f"{given}; with the default, {outcome}"


def _negative(evidence: Evidence) -> Iterator[str]:
    """Blame counted spikes if outputs should be negative."""
    network, analog_b_c = evidence.network, evidence.analog_b_c
    if network.readout != "counts" or evidence.outcome.result.agreeing is not None:
        return  # decisions need the largest output or the sign, not the number
    share = float(-analog_b_c[analog_b_c < 0].sum() / max(np.abs(analog_b_c).sum(), 1e-30))
    if share >= CLIPPED:
        yield (
            f"{network.output.name}: {share:.0%} of the outputs' size is negative, and counts of "
            f"spikes have no negative values; convert with conversion.readout = 'membrane'"
        )


def _clipped(evidence: Evidence) -> Iterator[str]:
    """Blame a threshold that is too low for the activations of a layer."""
    layer = next((layer for layer in evidence.layers if layer.clipped >= CLIPPED), None)
    code, dt = code_of(evidence.settings), evidence.settings.simulation.dt
    if layer is None or code.scaling == "first_spikes":
        return
    most = "a spike in every step" if code.is_rate else "what its spikes can stand for"
    advice = _advise(
        evidence.settings,
        percentile="raise",
        # With few levels, the smallest error is that of clipping.
        mse=f"convert for more levels: {_levels(evidence.settings)}",
    )
    if evidence.settings.cell.v_thresh < 1:
        advice = _reset_threshold(evidence.settings)
    elif code.is_rate and dt > 1:
        advice = f"shorten simulation.dt, which is {dt:g} ms, to 1 ms"
    yield f"{layer.name}: {layer.clipped:.0%} of its activity is above {most} and lost; {advice}"


def _reset_threshold(settings: Settings) -> str:
    """Return what to do about a threshold that scales do not take into account."""
    value = settings.cell.v_thresh
    return (
        f"cell.v_thresh = {value:g} has a spike stand for {value:g} of the scale of a layer, which "
        f"more steps do not change: set it to 1"
    )


def _advise(settings: Settings, *, percentile: str, mse: str) -> str:
    """Return what to do about scales."""
    chosen = settings.normalization
    if chosen.method == "none":
        return "scale the weights: set normalization.method to 'percentile' or 'mse'"
    if chosen.method == "percentile":
        return f"{percentile} normalization.percentile, which is {chosen.percentile:g}"
    return mse


def _levels(settings: Settings) -> str:
    """Return how a network gets more levels."""
    code = code_of(settings)
    if code.steps_setting is None:
        return f"more than {settings.num_steps} steps"
    value = getattr(settings.conversion, code.steps_setting)
    return f"raise conversion.{code.steps_setting}, which is {value}"


def _first_spikes(evidence: Evidence) -> Iterator[str]:
    """Blame first spikes if their errors grow from layer to layer."""
    name = evidence.settings.conversion.spike_code
    if not issubclass(CODES[name], FirstSpike) or len(evidence.layers) < DEEP:
        return
    first, *deeper = evidence.layers
    worst = max(deeper, key=lambda layer: layer.error)
    if worst.error > first.error:
        place = evidence.layers.index(worst) + 1
        yield (
            f"the first-spike code {name!r} on a deep network: neurons fire before their slower "
            f"sources have, so errors grow from layer to layer, from {first.error:.0%} in "
            f"{first.name} to {worst.error:.0%} in {worst.name}, layer {place} of "
            f"{len(evidence.layers)}; convert for 'ttfs_exact'"
        )


def _too_high(evidence: Evidence) -> Iterator[str]:
    """Blame a threshold that is too high for the activations of a layer."""
    if code_of(evidence.settings).scaling == "first_spikes":
        return
    advice = _advise(
        evidence.settings,
        percentile="lower",
        mse="look for outliers among the calibration samples",
    )
    is_raised = evidence.settings.cell.v_thresh > 1
    if is_raised:
        advice = _reset_threshold(evidence.settings)
    for layer in evidence.layers:
        is_lost = layer.silent >= SILENT
        if (is_lost or is_raised) and 0 < layer.largest <= SMALL:
            lost = f"{layer.silent:.0%} of its activity is in neurons that never spike; "
            yield (
                f"{layer.name}: its largest activation is {layer.largest:.2g} of the threshold; "
                f"{lost if is_lost else ''}{advice}"
            )
            return


def _steps(evidence: Evidence) -> Iterator[str]:
    """Blame the number of steps if more of them do well, or a code with few levels."""
    settings, code = evidence.settings, code_of(evidence.settings)
    worst = max(evidence.layers, key=lambda layer: layer.error, default=None)
    if code.steps_setting is not None:
        if worst is not None and worst.error >= ROUNDED:
            yield f"{worst.name} is {worst.error:.0%} off; {_levels(settings)}"
        return
    longer = {"simulation": {"duration": MORE * settings.simulation.duration}}
    outcome = evidence.retry(settings.updated(longer))
    if outcome is not None and outcome.is_good:
        where = f"; {worst.name} is {worst.error:.0%} off" if worst else ""
        # Converting for as many steps would choose other scales, which were not simulated.
        longer_steps = MORE * settings.num_steps
        yield (
            f"{settings.num_steps} steps are too few{where}; run this network with --timesteps "
            f"{longer_steps} (timesteps={longer_steps}), which gave {outcome}"
        )


def _undecided(evidence: Evidence) -> Iterator[str]:
    """Blame a silent output."""
    class_b = evidence.outcome.class_b
    if class_b is None or not (class_b < 0).any():
        return
    is_silent_b = class_b < 0
    is_negative = bool((evidence.analog_b_c[is_silent_b] <= 0).all())
    why = ", whose outputs are negative, which counts cannot be" if is_negative else ""
    yield (
        f"{evidence.network.output.name}: no output spikes for {is_silent_b.sum()} samples{why}; "
        f"convert with conversion.readout = 'membrane'"
    )


def _close(evidence: Evidence) -> Iterator[str]:
    """Blame the analog network if small differences turn its decisions."""
    class_b = evidence.outcome.class_b
    if class_b is None:
        return
    wrong = class_b != evidence.analog_b_c.argmax(axis=1)
    if not wrong.any():
        return
    best_b_k = np.sort(evidence.analog_b_c, axis=1)[wrong, -2:]
    size_b = np.abs(evidence.analog_b_c).max(axis=1)[wrong]
    gap = float(np.median((best_b_k[:, 1] - best_b_k[:, 0]) / np.maximum(size_b, 1e-30)))
    if gap <= CLOSE:
        apart = f"{gap:.1%} of their size apart" if gap else "equal"
        yield f"the analog network is nearly undecided there: its two largest outputs are {apart}"


def _growth(evidence: Evidence) -> Iterator[str]:
    """Name the layer at which errors grow most."""
    before, best = 0.0, None
    for layer in evidence.layers:
        if best is None or layer.error - before > best[0]:
            best = (layer.error - before, layer, before)
        before = layer.error
    if best is not None:
        _, layer, before = best
        yield (
            f"errors grow most in {layer.name}, where spikes are {layer.error:.0%} off, from "
            f"{before:.0%} before it; more steps or another normalization may help"
        )
