"""Options of the simulator on Loihi: the section ``[loihi]`` of the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from snn_core.settings import Options, Section
from snn_loihi.ranges import BIAS_BITS, BIAS_EXPONENTS, THRESHOLD_MAX, WEIGHT_BITS, WEIGHT_EXPONENTS


class CompartmentKwargs(Section):
    """Ranges of a neuron; what is not given is chosen for each layer."""

    # snn_toolbox's names, under which users know them.
    biasExp: int | None = Field(  # noqa: N815
        None, ge=BIAS_EXPONENTS[0], le=BIAS_EXPONENTS[1], description="exponent of all biases"
    )
    vThMant: int | None = Field(  # noqa: N815
        None, ge=1, le=THRESHOLD_MAX, description="mantissa of all thresholds, in units of 64"
    )


class ConnectionKwargs(Section):
    """Ranges of synapses and biases."""

    numWeightBits: int = Field(  # noqa: N815
        WEIGHT_BITS, ge=2, le=WEIGHT_BITS, description="bits of a weight, with the sign"
    )
    weightExponent: int | None = Field(  # noqa: N815
        None, ge=WEIGHT_EXPONENTS[0], le=WEIGHT_EXPONENTS[1],
        description="exponent of all weights; chosen for each layer if not given",
    )  # fmt: skip
    numBiasBits: int = Field(  # noqa: N815
        BIAS_BITS, ge=1, le=BIAS_BITS, description="bits of a bias, without the sign"
    )


class LoihiOptions(Options):
    """Options of Loihi."""

    engine: Literal["auto", "emulator", "lava"] = Field(
        "auto", description="`emulator` computes the chip's integers, `lava` runs them as "
        "processes of lava-nc, with the same bits; `auto` takes lava where it is installed",
    )  # fmt: skip
    arithmetic: Literal["fixed", "float"] = Field(
        "fixed", description="`float` runs the network without rounding it to integers"
    )
    target: Literal["loihi1", "loihi2"] = Field(
        "loihi2", description="chip that the network is mapped to"
    )
    reset_mode: Literal["auto", "soft", "hard"] = Field(
        "auto", description="`soft` subtracts the threshold, `hard` resets to 0; `auto` does what "
        "`cell.reset` says",
    )  # fmt: skip
    thresholds: Literal["layer", "channel"] = Field(
        "layer", description="one threshold per layer, or one per channel, which makes the most of "
        "the weights' bits where channels differ",
    )  # fmt: skip
    compartment_kwargs: CompartmentKwargs = Field(
        CompartmentKwargs(), description="`biasExp`, `vThMant`: chosen for each layer if not given"
    )
    connection_kwargs: ConnectionKwargs = Field(
        ConnectionKwargs(), description="`numWeightBits`, `weightExponent`, `numBiasBits`"
    )
    x_norm: str = Field(
        "", description="data set of typical samples, for `normalize_thresholds` and `equalise`"
    )
    normalize_thresholds: bool = Field(
        False, description="choose the thresholds by what neurons receive for the samples of "
        "`x_norm`, instead of those of the network",
    )  # fmt: skip
    desired_threshold_to_input_ratio: float = Field(
        1.0, gt=0, description="with `normalize_thresholds`: threshold of a layer divided by the "
        "largest input per ms of its neurons",
    )  # fmt: skip
    equalise: bool = Field(
        False, description="scale the channels of each layer so that all reach the same rate for "
        "the samples of `x_norm`, and the next layer's weights by the reverse",
    )  # fmt: skip
    input_max: float = Field(
        1.0, gt=0, description="largest magnitude of an input value under constant current"
    )
    do_overflow_estimate: bool = Field(
        True, description="choose integers whose sums provably stay in range whatever spikes "
        "arrive; without it, sums that leave their range wrap around or saturate as on the chip",
    )  # fmt: skip
    validate_partitions: bool = Field(
        False, description="refuse a network that does not fit on a chip of the target"
    )
    save_output: bool = Field(
        False, description="keep the output's spikes and potentials of the last batch, in the "
        "chip's integers, as `saved_output`",
    )  # fmt: skip
