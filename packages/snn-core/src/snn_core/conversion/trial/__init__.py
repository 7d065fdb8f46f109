"""A short simulation of a converted network, which tells what it will do, and why if it fails."""

from snn_core.conversion.trial.measure import Trial, TrialWarning, try_out
from snn_core.conversion.trial.outcome import LIMIT

__all__ = ["LIMIT", "Trial", "TrialWarning", "try_out"]
