"""The target that compiles each part of a network for itself, on one of all kinds of layers.

This file comes last and the other compiled target first, so that two processes share them.
"""

import pytest


@pytest.mark.compiled
def test_compiled_parts_spike_as_the_reference(check_compiled):
    # Monitors of potentials, which would be compiled as well, are those of the other target. With a
    # delay, synapses look up what an input spike carried, and populations have clocks of their own.
    check_compiled("cython", encoding="regular", log_vars=["spiketrains"], delay=2.0)
