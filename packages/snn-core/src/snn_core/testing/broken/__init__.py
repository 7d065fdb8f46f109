"""Simulators that are wrong on purpose, to test the conformance kit.

Each is the reference with one mistake, and fails exactly the test that `BROKEN` names.
"""

from __future__ import annotations

from snn_core.testing.broken import declaring, numbers, reading, running
from snn_core.testing.broken.register import BROKEN

__all__ = ["BROKEN", "declaring", "numbers", "reading", "running"]
