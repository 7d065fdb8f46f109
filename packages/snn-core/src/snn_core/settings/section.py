"""What all sections of the settings share: strict models that know the stage of each key."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

Stage: TypeAlias = Literal["convert", "run"]
"""When a setting has its effect: while a network is converted, or in each run of it."""


class Section(BaseModel):
    """A section of the settings.

    Attributes
    ----------
    stage
        Stage of the section's keys.
    other_stage
        Keys that belong to the other stage.
    claimed
        Keys of which a simulator accepts no more than the default unless its capabilities say so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    stage: ClassVar[Stage] = "run"
    other_stage: ClassVar[frozenset[str]] = frozenset()
    claimed: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def keys_of(cls, stage: Stage) -> list[str]:
        """Return the keys that have their effect in a stage."""
        return [key for key in cls.model_fields if (key in cls.other_stage) != (stage == cls.stage)]
