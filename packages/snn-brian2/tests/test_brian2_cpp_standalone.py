"""The target that compiles a whole network into one program, on one of all kinds of layers."""

import pytest


@pytest.mark.compiled
def test_a_compiled_program_spikes_as_the_reference(check_compiled):
    check_compiled("cpp_standalone", encoding="constant", log_vars=["spiketrains", "mem"])
