"""Front ends: each reads one kind of model and emits the neutral network."""

from snn_core.parsing.base import Parsed, Parser, RunningParser, installed_parsers, parse, read

__all__ = ["Parsed", "Parser", "RunningParser", "installed_parsers", "parse", "read"]
