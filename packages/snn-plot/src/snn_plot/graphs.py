"""Figures of a run: all that it has data for or those asked for, and why others are missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from matplotlib.figure import Figure

from snn_core.errors import DataError, suggest
from snn_core.settings import RECORDABLE, record_flag
from snn_plot.catalogue import KINDS
from snn_plot.kinds import Maker
from snn_plot.scene import PROBES, Scene


def output_graphs(scene: Scene, *, only: Sequence[str] = ()) -> dict[str, Figure]:
    """Return figures of a run by name.

    Parameters
    ----------
    only
        Names of kinds (see `KINDS`); all that the run has data for by default.

    Raises
    ------
    DataError
        If a kind is unknown, or was asked for and the run lacks what it needs.
    """
    return {name: make() for name, make in makers(scene, only=only).items()}


def makers(scene: Scene, *, only: Sequence[str] = ()) -> dict[str, Maker]:
    """Return functions that draw the figures of a run, by name; see `output_graphs`."""
    unknown = [name for name in only if name not in KINDS]
    if unknown:
        raise DataError(
            f"No figure {', '.join(unknown)}; expected some of {', '.join(KINDS)}."
            f"{suggest(unknown[0], KINDS)}"
        )
    found: dict[str, Maker] = {}
    for name, kind in KINDS.items():
        if only and name not in only:
            continue
        if not kind.applies(scene.run.result):
            if only:
                known = "with" if scene.run.result.has_labels else "without"
                raise DataError(
                    f"The figure {name} is of {kind.of}; the task of this run is "
                    f"{scene.run.result.task!r}, {known} labels."
                )
            continue
        missing = kind.missing(scene)
        if missing and only:
            raise DataError(f"The figure {name} cannot be drawn: {advice(missing)}.")
        own = {} if missing else kind.makers(scene)
        if only and not own:
            raise DataError(f"The figure {name} has nothing to show: no layer has what it draws.")
        found |= own
    return found


def left_out(scene: Scene) -> list[str]:
    """Return how many kinds a run has no data for, and what to do about it: a line for each way.

    Measurements of hardware are left out, which most runs have none of.
    """
    all_missing = [
        set(kind.missing(scene)) for kind in KINDS.values() if kind.applies(scene.run.result)
    ]
    lines = []
    for wanted in ({*RECORDABLE}, {"network"}):
        lacking = [missing & wanted for missing in all_missing if missing & wanted]
        if lacking:
            kinds = "1 more kind of figure" if len(lacking) == 1 else f"{len(lacking)} more kinds"
            lines.append(f"for {kinds}, {advice(set().union(*lacking))}")
    return lines


def advice(missing: Collection[str]) -> str:
    """Return what to do so that something is not missing."""
    said = []
    recordable = [name for name in missing if name not in ("network", PROBES)]
    if recordable:
        said.append(f"run again with {record_flag(recordable)}")
    if "network" in missing:
        said.append("give the converted network with --model FILE.snn")
    if PROBES in missing:
        said.append(f"put measurements into the run's folder {PROBES}/")
    return "; ".join(said)
