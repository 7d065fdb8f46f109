"""Going on with a run that was stopped: its folder, its settings, and whether it is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from snn_core.errors import ArtifactError, SettingsError, SNNError
from snn_core.running.folder import RunFolder
from snn_core.running.ownership import owned, require_free
from snn_core.running.shorthands import FLAGS
from snn_core.settings import Settings, leaves, record_flag
from snn_core.simulation import registry
from snn_core.typing import PathLikeStr

_WORDS: Mapping[str, str] = {
    "network_sha256": "it is a run of another network",
    "scales_sha256": "it is a run of a network whose spikes stand for other values (scale_facs)",
    "data_sha256": "it is a run on other data",
    "sample_ids_sha256": "it is a run of other samples of the data (--samples, --sample-range)",
}
"""What it means that a hash differs."""


def require_usable(path: PathLikeStr | None, *, resume: bool) -> None:
    """Make sure that a run can be kept in a folder if there is one, or go on there.

    Raises
    ------
    ArtifactError
        If a run shall go on without a folder, or another run works there; else see
        `RunFolder.require_usable`.
    DataError
        See `RunFolder.require_usable`.
    """
    if path is not None:
        folder = RunFolder(path)
        require_free(folder.path)
        folder.require_usable(resume=resume)
    elif resume:
        raise ArtifactError(
            "Found no folder to resume a run from; give the one with its results (-o of snn run, "
            "--results of snn convert, output_dir)."
        )


def stored_settings(path: PathLikeStr) -> Settings | None:
    """Return the settings that a stopped run goes on with, or ``None`` if there is no run.

    They are those that have their effect in a run, and its simulator; a run that was stopped before
    its first batch has them, too. Options that are any text are left out: folders, programs and
    hosts are chosen by who goes on with a run.

    Raises
    ------
    ArtifactError
        If the folder holds something else than a run, or settings that there are not.
    """
    folder = RunFolder(path)
    if folder.is_empty and not folder.is_described:
        return None
    identity = folder.metadata()["identity"]
    try:
        run = Settings.of(identity["settings"]).of_run
        run = run.updated({"simulation": {"simulator": identity["simulator"]}})
    except SettingsError as error:
        raise ArtifactError(
            f"The settings in {folder.path / 'run.json'} cannot be gone on with. {error}\nCopy the "
            f"folder again, or choose another one."
        ) from error
    options, _ = registry.split_free_texts(run.options)
    return run.model_copy(update={"options": options})


@contextmanager
def open_folder(
    path: PathLikeStr | None, metadata: Mapping[str, Any], *, resume: bool
) -> Iterator[RunFolder | None]:
    """Yield the result folder for a run alone: new and empty, or that of the same run.

    If the run fails before it has anything to go on with, nothing is left of a new one. Without a
    path there is no folder.

    Raises
    ------
    ArtifactError
        If it holds another run, or one that is not to be resumed, or another process works there.
    """
    if path is None:
        yield None
        return
    folder = RunFolder(path)
    with owned(folder.path):
        folder.require_usable(resume=resume)
        is_new = folder.is_empty
        if is_new:
            folder.start(metadata)
        else:
            _require_same(folder, metadata)
            folder.remove_leftovers()
        try:
            yield folder
        except SNNError:
            if is_new and folder.is_empty:
                folder.discard()
            raise


def _require_same(folder: RunFolder, metadata: Mapping[str, Any]) -> None:
    """Raise unless a folder holds a run of the same identity."""
    differences = list(_differences(folder.metadata()["identity"], metadata["identity"]))
    if differences:
        lines = "\n".join(f"  - {line}" for line in differences)
        raise ArtifactError(
            f"{folder.path} holds another run, which cannot be resumed with this one:\n{lines}\n"
            f"Give what is there, or leave it out to go on with that run; or choose another folder."
        )


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fact that two runs do not share."""
    # A section without a setting says nothing.
    before, now = (
        {place: value for place, value in leaves(tree) if value != {}} for tree in (stored, wanted)
    )
    passed = {"settings.simulation.simulator"}  # see `simulator`
    if not before.get("scales_sha256"):  # runs of older versions do not tell
        passed.add("scales_sha256")
    for place in sorted({*before, *now} - passed):
        if before.get(place) != now.get(place):
            yield _WORDS.get(place) or _describe(place, before.get(place), now.get(place))


def _describe(place: str, before: Any, now: Any) -> str:
    """Return what differs, with the flag that chooses it."""
    name = place.removeprefix("settings.").removeprefix("options.")
    flag = FLAGS.get(name) or ("--set" if place != name else "")
    if name == "output.log_vars":
        shown = [record_flag(names) if names else "nothing" for names in (before, now)]
    else:
        shown = [repr(before), repr(now)]
    return f"{name}{f' ({flag})' if flag else ''}: there {shown[0]}, now {shown[1]}"
