"""Settings of a run: simulator, simulated time, samples and random seed."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from snn_core.settings.section import Section

MOST_INDICES = 10**6
"""Samples that settings name one by one; a number of samples (`num_to_test`) has no such limit."""


class SimulationSettings(Section):
    """Simulator, simulated time, samples and random seed."""

    claimed: ClassVar[frozenset[str]] = frozenset(
        {"reset_between_nth_sample", "scale_first_layer_parameters"}
    )

    simulator: str = Field(
        "inisim", min_length=1, description="name of the simulator, where none is given otherwise"
    )
    duration: float = Field(200.0, gt=0, description="simulated time per sample in ms")
    dt: float = Field(1.0, gt=0, description="length of a step in ms")
    batch_size: int = Field(100, ge=1, description="samples simulated at a time")
    num_to_test: int | None = Field(
        None, ge=1, description="use only so many samples: the first of each class, the second of "
        "each, ...; the first ones where samples follow one another (`reset_between_nth_sample`)",
    )  # fmt: skip
    sample_idxs_to_test: tuple[int, ...] = Field(
        (), description="use these samples instead, each once"
    )
    reset_between_nth_sample: int = Field(
        1, examples=[2],
        description="reset the network before every n-th sample only, as for the frames of a "
        "video; 0 or less: before the first one only",
    )  # fmt: skip
    early_stopping: bool = Field(
        False, description="stop a sample after the last step that has any input"
    )
    scale_first_layer_parameters: float | None = Field(
        None, gt=0, examples=[1.0],
        description="experimental: present constant input more strongly at first, "
        "fading with this time constant in ms; `true` stands for 1",
    )  # fmt: skip
    top_k: int = Field(5, ge=1, description="also report the top-k error")
    task: Literal["auto", "classification", "binary", "multilabel", "regression"] = Field(
        "auto", description="what the outputs stand for, and so how they are scored; `auto` finds "
        "it from the outputs and the labels, see `docs/concepts.md`",
    )  # fmt: skip
    seed: int = Field(0, ge=0, description="seed of all random numbers")

    @field_validator("scale_first_layer_parameters", mode="before")
    @classmethod
    def _accept_switch(cls, value: object) -> object:
        """Accept a switch."""
        return (1.0 if value else None) if isinstance(value, bool) else value

    @field_validator("sample_idxs_to_test", mode="before")
    @classmethod
    def _expand_range(cls, value: object) -> object:
        """Accept a range, whose length is known before it takes any memory."""
        if isinstance(value, (range, list, tuple)) and value[MOST_INDICES:]:
            raise ValueError(f"expected at most {MOST_INDICES} samples")
        return tuple(value) if isinstance(value, range) else value

    @field_validator("sample_idxs_to_test")
    @classmethod
    def _require_each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        """Refuse samples that are named twice, which no result could tell apart."""
        if value and min(value) < 0:
            raise ValueError(f"expected positions in the data, from 0 on; {min(value)} is none")
        if len(set(value)) < len(value):
            found = sorted(value)
            twice = next(index for index, after in pairwise(found) if index == after)
            raise ValueError(f"expected each sample once; {twice} is there twice")
        return value
