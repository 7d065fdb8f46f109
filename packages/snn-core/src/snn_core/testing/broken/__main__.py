"""Print as JSON what the conformance kit finds wrong with each wrong simulator.

python -m snn_core.testing.broken [NAME ...]
"""

from __future__ import annotations

import json
import sys

from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.broken import BROKEN
from snn_core.testing.conformance import SimulatorConformance
from snn_core.testing.runner import outcomes

COMMAND_LINE = "test_command_line"


def failures(simulator: type[ReferenceSNN]) -> dict[str, str]:
    """Return the tests that a simulator fails, with the message of each.

    Starting the command takes as long as all other tests together, so only those simulators meet it
    that are to fail there.
    """
    leave_out = () if BROKEN[simulator] == COMMAND_LINE else (COMMAND_LINE,)
    suite = type(f"Test{simulator.__name__}", (SimulatorConformance,), {"simulator": simulator})
    return {
        name: outcome.reason
        for name, outcome in outcomes(suite, leave_out=leave_out).items()
        if outcome.status == "failed"
    }


if __name__ == "__main__":
    chosen = set(sys.argv[1:]) or {kind.__name__ for kind in BROKEN}
    found = {kind.__name__: failures(kind) for kind in BROKEN if kind.__name__ in chosen}
    # What simulators write themselves must not come between.
    sys.stdout.write("\n" + json.dumps(found) + "\n")
