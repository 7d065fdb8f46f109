"""Settings of the neuron and of the weights of its synapses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from snn_core.settings.section import MOST_STEPS, Section

ORIGINAL_LEAK = 0.1
"""Thresholds per ms that ``leak = true`` stood for."""

ORIGINAL_CLIP = 3.0
"""Thresholds that the original's ``v_clip`` stood for."""

FIXED_POINT = re.compile(r"Q(?P<m>\d+)\.(?P<f>\d+)", re.ASCII)
"""Name of a fixed-point format, Qm.f."""

_RESETS = {
    "reset by subtraction": "subtraction",
    "reset to zero": "zero",
    "reset by modulo": "modulo",
}


class CellSettings(Section):
    """Neurons and the weights of their synapses."""

    other_stage: ClassVar[frozenset[str]] = frozenset(
        {"v_thresh", "binarize_weights", "quantize_weights"}
    )
    claimed: ClassVar[frozenset[str]] = frozenset(
        {
            "bias_relaxation",
            "clamp_indices",
            "clamp_var",
            "leak",
            "payloads",
            "reset",
            "tau_m",
            "tau_refrac",
            "v_clip",
            "v_init",
        }
    )

    v_thresh: float = Field(
        1.0, gt=0, description="firing threshold; weights are scaled to it, as a spike has no size"
    )
    v_init: Annotated[float, Field(ge=0, lt=1)] | Literal["uniform", "bias"] = Field(
        0.0, examples=["uniform"],
        description="initial membrane potential in units of the threshold; `uniform`: "
        "random between plus and minus the threshold, `bias`: minus the bias",
    )  # fmt: skip
    reset: Literal["subtraction", "zero", "modulo"] = Field(
        "subtraction", description="what a spike does to the membrane potential"
    )
    tau_refrac: float = Field(
        0.0, ge=0, examples=[2.0],
        description="refractory time in ms: for so long after a spike a neuron ignores "
        "its input and does not fire",
    )  # fmt: skip
    leak: float = Field(
        0.0, ge=0, examples=[0.125],
        description="constant leak in thresholds per ms, down to a potential of 0; "
        "`true` stands for 0.1",
    )  # fmt: skip
    tau_m: float | None = Field(
        None,
        gt=0,
        examples=[20.0],
        description="time constant in ms of an exponential leak; none if not given",
    )
    payloads: bool = Field(
        False,
        examples=[True],
        description="experimental: a spike carries all of the potential, which it empties",
    )
    v_clip: float | None = Field(
        None, gt=0, examples=[3.0],
        description="experimental: keep potentials within plus and minus so many "
        "thresholds; `true` stands for 3",
    )  # fmt: skip
    clamp_indices: dict[str, Annotated[int, Field(ge=0, le=MOST_STEPS)]] = Field(
        {}, examples=[{"1": 3}],
        description="experimental: number or name of a layer to the first step in which its "
        "neurons use their input",
    )  # fmt: skip
    clamp_var: bool = Field(
        False, examples=[True],
        description="experimental: let a layer use its input only once the mean rates of "
        "what arrives have settled, or in the second half of the run",
    )  # fmt: skip
    bias_relaxation: bool = Field(
        False, examples=[True],
        description="experimental: give deeper layers their bias gradually, all of it from "
        "the middle of the run on",
    )  # fmt: skip
    binarize_weights: bool = Field(
        False, description="keep no more than the sign of each weight (lossy)"
    )
    quantize_weights: bool | str = Field(
        False, description="round weights to fixed point (lossy): `true` for 8 bits with a point "
        "that fits each layer, or one format for all, such as `Q1.6`",
    )  # fmt: skip

    @field_validator("leak", mode="before")
    @classmethod
    def _accept_switch(cls, value: object) -> object:
        """Accept the original's switch, which stands for a tenth of the threshold per ms."""
        return ORIGINAL_LEAK * value if isinstance(value, bool) else value

    @field_validator("quantize_weights")
    @classmethod
    def _require_format(cls, value: bool | str) -> bool | str:  # noqa: FBT001
        """Accept Qm.f with 1 to 24 bits."""
        if isinstance(value, str) and not (
            (found := FIXED_POINT.fullmatch(value)) and 1 <= int(found[1]) + int(found[2]) <= 24
        ):
            raise ValueError("expected true, false or Qm.f with 1 to 24 bits, such as Q1.6")
        return value

    @field_validator("v_clip", mode="before")
    @classmethod
    def _accept_clip_switch(cls, value: object) -> object:
        """Accept the original's switch."""
        return (ORIGINAL_CLIP if value else None) if isinstance(value, bool) else value

    @field_validator("clamp_indices", mode="before")
    @classmethod
    def _accept_numbers(cls, value: object) -> object:
        """Accept numbers of layers as keys."""
        return {str(k): n for k, n in value.items()} if isinstance(value, Mapping) else value

    @field_validator("reset", mode="before")
    @classmethod
    def _accept_original_wording(cls, value: object) -> object:
        """Accept the original's wording, for example ``Reset by subtraction``."""
        return _RESETS.get(value.lower(), value) if isinstance(value, str) else value
