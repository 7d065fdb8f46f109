"""``snn simulators``: what is installed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from snn_core.simulation import registry


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def simulators(*, as_json: bool) -> None:
    """List the installed simulators; none of them is started."""
    found = registry.describe()
    if as_json:
        click.echo(json.dumps([_plain(asdict(item)) for item in found]))
        return
    table = Table()
    for column in ("simulator", "package", "spike codes", "batches", "runs on"):
        table.add_column(column)
    for item in found:
        package = f"{item.distribution} {item.version}"
        can = item.capabilities
        if can is None:
            table.add_row(item.name, package, f"cannot be used: {item.problem}", "", "")
            continue
        table.add_row(
            item.name,
            package,
            ", ".join(sorted(can.spike_codes)),
            "yes" if can.batched else "one sample at a time",
            can.hardware or "this computer",
        )
    Console(highlight=False).print(table)


def _plain(value: Any) -> Any:
    """Return a value that JSON knows, sets as sorted lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return value
