"""Parsers of Keras, PyTorch and ONNX models, which return a neutral network."""

from snn_core.parsing.base import Parsed, Parser, RunningParser, installed_parsers, parse, read

__all__ = ["Parsed", "Parser", "RunningParser", "installed_parsers", "parse", "read"]
