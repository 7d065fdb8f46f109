"""Front ends: each reads one kind of model and emits the neutral network."""

from snn_core.parsing.base import Parser, RunningParser, installed_parsers, parse

__all__ = ["Parser", "RunningParser", "installed_parsers", "parse"]
