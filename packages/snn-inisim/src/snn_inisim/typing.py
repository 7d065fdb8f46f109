"""Types of TensorFlow, which has none of its own."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A TensorFlow tensor."""
