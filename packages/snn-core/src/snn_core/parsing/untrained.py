"""Warning of models that look as if they had never been trained."""

from __future__ import annotations

from os import PathLike

from snn_core.errors import warn
from snn_core.parsing.base import ModelName, Parsed


def warn_if_untrained(parsed: Parsed) -> None:
    """Warn if the weights of a model look as if it had never been trained.

    Warns
    -----
    DataWarning
        With what was found and how to load weights.
    """
    evidence = parsed.untrained
    if not evidence:
        return
    if isinstance(parsed.source, (str, PathLike, ModelName)):  # the latter with a file of weights
        advice = "Save them after training"
    else:
        advice = "Give them with --weights FILE, or load them into the model before converting it"
    warn(
        f"The weights look freshly initialised: {evidence}. Decisions of such a network are "
        f"random; expected trained weights. {advice}."
    )
