"""Conformance: the simulator works from the command line, with nothing but files."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from snn_core import artifact
from snn_core.simulation.contract import CONTRACT
from snn_core.testing import networks
from snn_core.testing.declaration import registered_names
from snn_core.testing.runner import smoke
from snn_core.testing.suite import Suite

COMMAND = ("-m", "snn_core", "run")
TIME_LIMIT_S = 600


class EndToEnd(Suite):
    """Tests through the ``snn`` command."""

    @smoke
    def test_command_line(self) -> None:
        """``snn run --json`` simulates a saved network and prints nothing but the result.

        If this fails: the message ends with what the command wrote. Output of a simulator belongs
        on standard error, or in a file.
        """
        names = registered_names(self.simulator)
        if not names or self.simulator.contract != CONTRACT:
            pytest.skip("cannot be found by name: see test_is_registered and test_contract")
        network = networks.weights((40, 400, 80), (40, 400, 80))
        reason = self.undeclared(network, self.settings())
        if reason:
            pytest.skip(reason)
        settings = self.settings(options={names[0]: dict(self.options)})
        with tempfile.TemporaryDirectory() as folder:
            model, data, out = (Path(folder) / name for name in ("net.snn", "data.npz", "result"))
            artifact.save(network.replace(settings=settings), model)
            # Class 1 gets most spikes: right for the first sample, wrong for the second.
            np.savez(data, x=np.ones((2, 2), np.float32), y=np.array([1, 0]))
            files = (str(model), "--data", str(data), "-o", str(out))
            command = [sys.executable, *COMMAND, *files]
            command += ["--simulator", names[0], "--json"]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S
            )
            written = f"standard output:\n{done.stdout}\nstandard error:\n{done.stderr}"
            assert done.returncode == 0, f"exit status {done.returncode}, {written}"
            try:
                result = json.loads(done.stdout)
            except ValueError as error:
                raise AssertionError(f"no JSON ({error}), {written}") from error
            assert result["accuracy"] == 0.5, f"accuracy {result['accuracy']}, expected 0.5"
            assert list(out.iterdir()), "no result was saved"
