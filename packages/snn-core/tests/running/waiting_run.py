"""Run a network and wait in the middle, for tests of what others can do meanwhile.

python waiting_run.py model.snn data.npz FOLDER BATCHES resume|start

It says "waiting" when so many batches are finished, and goes on at the end of its input.
"""

import sys

import snn_core


class Waiting:
    """Waits once, when enough batches are finished; asked between steps."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def progress(self, _done: int, _total: int, _accuracy: float) -> None:
        """Count a finished batch."""
        self.left -= 1

    def stop(self) -> bool:
        """Wait, and do not stop."""
        if self.left == 0:
            self.left = -1
            sys.stdout.write("waiting\n")
            sys.stdout.flush()
            sys.stdin.read()
        return False


if __name__ == "__main__":
    model, data, folder, batches, how = sys.argv[1:]
    waiting = Waiting(int(batches))
    snn_core.run(
        model, "reference", data=data, output_dir=folder, resume=how == "resume",
        progress=waiting.progress, stop=waiting.stop,
    )  # fmt: skip
