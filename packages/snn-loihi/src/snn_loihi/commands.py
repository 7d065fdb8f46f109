"""``snn loihi export``."""

from __future__ import annotations

from pathlib import Path

import click

from snn_core.artifact import load
from snn_core.errors import printable_line
from snn_core.files import require_writable
from snn_core.settings import read_assignments
from snn_core.simulation import registry

PATH = click.Path(path_type=Path)


@click.group()
def loihi() -> None:
    """Prepare converted networks for Loihi."""


@loihi.command()
@click.argument("artifact", type=PATH)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="OUT.net", help="The file to write."
)
@click.option("--settings", "settings_file", type=PATH, help="TOML or INI file.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Any setting, as of `snn run`: loihi.reset_mode=hard. May be repeated.",
)
@click.option("--force", is_flag=True, help="Replace OUT.net if it is there; other files never.")
def export(
    *,
    artifact: Path,
    output: Path,
    settings_file: Path | None,
    assignments: tuple[str, ...],
    force: bool,
) -> None:
    """Write ARTIFACT, a converted network, in the chip's integers as HDF5.

    lava-dl's NetX reads chains of layers, and your own reader all of it. What NetX would compute
    differently is listed, or why it cannot read the file.
    """
    from snn_loihi.netx import export as write
    from snn_loihi.netx.write import FILE
    from snn_loihi.options import LoihiOptions
    from snn_loihi.simulator import SNN

    require_writable(output, kind=FILE, overwrite=force)  # before the work
    network = registry.without_free_texts(load(artifact))
    settings = network.settings_for()
    if settings_file is not None:
        settings = registry.load_settings(settings_file, base=settings)
    given = read_assignments(assignments)
    settings = settings.updated(given, simulators=tuple(registry.names()))
    snn = SNN(network, settings, LoihiOptions.of_section(settings.options, "loihi"))
    found = write(snn.chip, snn.timing, output, overwrite=force)
    reader = "lava-dl's NetX reads it" if found.netx else "lava-dl's NetX cannot read it"
    click.echo(f"{printable_line(output)}: {len(snn.chip.populations)} layers of neurons; {reader}")
    for remark in found.remarks:
        click.echo(f"  {printable_line(remark)}")
