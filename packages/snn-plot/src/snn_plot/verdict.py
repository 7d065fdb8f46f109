"""The verdict of the report: what was run, what it reached, and what to look at, in a sentence."""

from __future__ import annotations

import math

import numpy as np

from snn_core.codes import CODES
from snn_core.running.result import RunResult
from snn_plot.recorded import RunView

CLOSE = 0.01
"""How close to the analog network's accuracy counts as reached."""

ENOUGH = math.ceil(3 / CLOSE)
"""Samples that tell a difference as small as `CLOSE`.

If none of n samples differs, up to 3 / n of all may, with 95 % probability (the rule of three).
"""

TRAINED = 0.5
"""Accuracy below which an analog network is hardly trained, or not on these data."""

RISING = 0.01
"""Growth of the accuracy in the last quarter of the steps that says that more would help."""

SATURATED = 0.02
"""Share of saturated neurons that is worth a look."""


def verdict(run: RunView, *, subject: str) -> str:
    """Say in a sentence what was run, what it reached, and what to look at.

    Parameters
    ----------
    subject
        What the network is called.
    """
    result = run.result
    done = f"{result.samples} samples in {result.timesteps} steps"
    if result.task == "regression" and not math.isfinite(result.difference):
        return f"{subject} has outputs that are infinite or no numbers, on {done}.{_doubt(result)}"
    if result.task == "regression":
        return (
            f"{subject} has outputs that differ by {result.difference:.3g} (rms) from those of the "
            f"analog network, on {done}.{_doubt(result)}"
        )
    if not result.has_labels:
        agreed = f"{subject} decides as the analog network for {result.agreement:.1%} of {done}."
        return agreed + _doubt(result)
    of = "the labels of " if result.task == "multilabel" else ""
    return (
        f"{subject} is right for {result.accuracy:.1%} of {of}{done}, the analog network for "
        f"{result.ann_accuracy:.1%}{_advise(run)}{_doubt(result)}"
    )


def warnings_of(result: RunResult) -> list[str]:
    """Return what a run warned about its samples; older runs did not keep it."""
    return list(result.metadata.get("warnings", ()))


def _doubt(result: RunResult) -> str:
    return " The samples are in doubt: see the warning below." if warnings_of(result) else ""


def _advise(run: RunView) -> str:
    """Return what to look at, as the end of a sentence."""
    result = run.result
    if result.ann_accuracy < TRAINED:
        return (
            "; as the analog network itself is often wrong, check the scale and the order of the "
            "data."
        )
    saturated = [layer.name for layer in run.layers if (layer.saturated or 0) > SATURATED]
    step = find_close_step(result)
    if step is not None:
        return _describe_close(result, step)
    if warnings_of(result):
        return "."  # what is said of them comes first
    # Codes with a time of its own for each layer answer at the end, however many steps there are.
    if CODES[run.settings["conversion"]["spike_code"]].steps_setting is None and is_rising(result):
        return "; it is still rising, so that more steps would help."
    if saturated:
        return f"; look at {', '.join(saturated)}, where many neurons are saturated."
    return "; look at the layers below: where do rates leave the line?"


def _describe_close(result: RunResult, step: int) -> str:
    """Return from which step on a run is close to the analog network, as far as samples tell."""
    sure = result.samples >= ENOUGH
    said = f": within {100 * CLOSE:g} point of it from step {step} on"
    if 2 * step <= result.timesteps:
        said += f", so that fewer {'would' if sure else 'may'} do"
    return f"{said}." if sure else f"{said}, as far as {result.samples} samples can tell."


def is_rising(result: RunResult) -> bool:
    """Return whether the accuracy grows in the last quarter of the steps, beyond noise.

    Each sample is compared with itself, and the mean growth with twice its standard error.
    """
    start = result.timesteps - 1 - math.ceil(result.timesteps / 4)
    growth_b = result.error_b_t[:, max(start, 0)] - result.error_b_t[:, -1].astype(np.float64)
    noise = 2 * growth_b.std() / math.sqrt(result.samples)
    return bool(growth_b.mean() > max(RISING, noise))


def find_close_step(result: RunResult, *, close: float = CLOSE) -> int | None:
    """Find the step from which on the accuracy is close to the analog one.

    ``None`` if it is not close after the last step.
    """
    # Shares of samples: a little more than rounding errors, far less than one sample.
    near = result.accuracy_t >= result.ann_accuracy - close - 1e-9
    if not near[-1]:
        return None
    far = np.flatnonzero(~near)
    return 1 if not len(far) else int(far[-1]) + 2
