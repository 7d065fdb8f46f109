"""``python -m snn_core`` is the ``snn`` command."""

from snn_core.cli import main

main(prog_name="snn")
