"""``snn simulators``: the installed simulators."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import click
from rich.table import Table

from snn_core.consoles import wide_console
from snn_core.simulation import registry
from snn_core.simulation.capabilities import ANY, CLAIMABLE, Capabilities, list_values


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def simulators(*, as_json: bool) -> None:
    """List the installed simulators; none of them is started."""
    found = registry.describe()
    if as_json:
        rows = [
            {part.name: _plain(getattr(item, part.name)) for part in fields(item)} for item in found
        ]
        click.echo(json.dumps(rows))
        return
    table = Table()
    for column in ("simulator", "package", "spike codes", "batches", "runs on"):
        table.add_column(column, overflow="fold")
    for item in found:
        package = f"{item.distribution} {item.version}"
        can = item.capabilities
        if can is None:
            table.add_row(item.name, package, f"cannot be used: {item.problem}", "", "")
            continue
        table.add_row(
            item.name,
            package,
            list_values(can.accepted("conversion.spike_code")),
            "yes" if can.batched else "one sample at a time",
            can.hardware or "this computer",
        )
    wide_console().print(table)


def _plain(value: Any) -> Any:
    """Return a value that JSON knows, sets as sorted lists."""
    if isinstance(value, Capabilities):
        own = {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        return {**own, "settings": {name: _plain(value.accepted(name)) for name in CLAIMABLE}}
    if value is ANY:
        return "any"
    return sorted(value) if isinstance(value, (set, frozenset, tuple)) else value
