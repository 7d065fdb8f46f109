"""Options of MegaSim."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field

from snn_core.settings import MOST_SECONDS, Options
from snn_megasim.engine.engine import MOST_EVENTS
from snn_megasim.files.attributes import LARGEST

VARIABLE = "MEGASIM_PATH"
"""Environment variable that names MegaSim where the option does not."""


class MegaSimOptions(Options):
    """Options of MegaSim."""

    schedule: Literal["clocked", "asynchronous"] = Field(
        "clocked", description="`clocked`: neurons spike at most once in a step, after all their "
        "input, as on every other simulator; `asynchronous`: as soon as their potential reaches "
        "the threshold, any number of times",
    )  # fmt: skip
    engine: Literal["auto", "builtin", "external"] = Field(
        "auto", description="`external` runs MegaSim itself, `builtin` the engine of this package; "
        "`auto` takes MegaSim where `megasim_path` or the environment names it",
    )  # fmt: skip
    megasim_path: str = Field(
        "", description="MegaSim's executable, or the folder that holds it; empty: the environment "
        f"variable {VARIABLE}",
    )  # fmt: skip
    batch_mode: bool = Field(
        True, description="simulate the samples of a batch in one run with resets between them, "
        "rather than each in a run of its own",
    )  # fmt: skip
    scaling_factor: int = Field(
        0, ge=0, le=LARGEST, description="integer that stands for 1; 0 chooses for each layer the "
        "largest power of two under which no potential can leave the range",
    )  # fmt: skip
    folder: str = Field(
        "",
        description="folder for MegaSim's files; those of the last run stay there, which is "
        "the last batch, or its last sample without `batch_mode`; empty: a temporary one",
    )
    time_limit_s: float = Field(
        600.0,
        gt=0,
        le=MOST_SECONDS,
        description="seconds after which a run of the external MegaSim is stopped",
    )
    most_events: int = Field(
        MOST_EVENTS, ge=1, description="events in a run of the engine after which it is stopped"
    )

    @property
    def path(self) -> str:
        """Where MegaSim is, as the option or the environment says; empty if nothing does."""
        return self.megasim_path or os.environ.get(VARIABLE, "")

    @property
    def is_external(self) -> bool:
        """Whether MegaSim itself is run."""
        return self.engine == "external" or (self.engine == "auto" and bool(self.path))
