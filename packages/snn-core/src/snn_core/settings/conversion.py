"""Settings of a conversion: how thresholds are found, and how the network becomes a spiking one."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from snn_core.settings.section import MOST_STEPS, Section, Stage

SPIKE_CODES = (
    "temporal_mean_rate",
    "temporal_pattern",
    "ttfs",
    "ttfs_dyn_thresh",
    "ttfs_corrective",
    "ttfs_exact",
)


class NormalizationSettings(Section):
    """How thresholds are found from calibration data."""

    stage: ClassVar[Stage] = "convert"
    other_stage: ClassVar[frozenset[str]] = frozenset(
        {"online_normalization", "diff_to_max_rate", "diff_to_min_rate", "timestep_fraction"}
    )
    claimed: ClassVar[frozenset[str]] = frozenset({"online_normalization"})

    method: Literal["percentile", "mse", "none"] = Field(
        "percentile", description="`percentile` of the positive activations, `mse`: the threshold "
        "with the smallest quantisation error at `timesteps` steps, `none`: leave weights alone",
    )  # fmt: skip
    percentile: float = Field(99.9, gt=0, le=100, description="percentile of positive activations")
    per_channel: bool = Field(False, description="one threshold per channel instead of per layer")
    normalization_schedule: bool = Field(
        False, description="lower the percentile by 0.02 for each layer in turn"
    )
    timesteps: int = Field(
        32, ge=1, le=MOST_STEPS, description="number of steps T that `mse` optimises for"
    )
    num_samples: int | None = Field(
        None, ge=1, description="use only so many calibration samples, classes in turn"
    )
    online_normalization: bool = Field(
        False, examples=[True],
        description="lower the threshold of a layer during the simulation to its highest "
        "spike rate, and what its spikes carry with it",
    )  # fmt: skip
    diff_to_max_rate: float = Field(
        200.0, ge=0, description="in Hz; leave thresholds alone if the highest rate is below the "
        "largest possible one, 1000 / dt, by no more than this",
    )  # fmt: skip
    diff_to_min_rate: float = Field(
        100.0, ge=0, description="in Hz; leave thresholds alone while the highest rate is below"
    )
    timestep_fraction: int = Field(10, ge=1, description="do so in every n-th step")


class ConversionSettings(Section):
    """How the network is turned into a spiking one."""

    stage: ClassVar[Stage] = "convert"
    claimed: ClassVar[frozenset[str]] = frozenset({"spike_code"})

    spike_code: Literal[SPIKE_CODES] = Field(  # type: ignore[valid-type]
        "temporal_mean_rate", description="how spikes stand for numbers; see `docs/spike-codes.md`"
    )
    num_bits: int = Field(
        8, ge=1, le=32, description="binary digits, and steps, of a `temporal_pattern`"
    )
    window_steps: int = Field(
        32,
        ge=0,
        le=MOST_STEPS,
        description="steps of each layer's window in `ttfs_exact`; 0: continuous time",
    )
    ttfs_ramp: bool = Field(
        True, description="let the neurons of `ttfs`, `ttfs_dyn_thresh` and `ttfs_corrective` "
        "reach their threshold without input at the end of the run, and scale layers for that; if "
        "false, they behave as in the original",
    )  # fmt: skip
    readout: Literal["counts", "membrane"] = Field(
        "counts", description="decide by output spikes or by the output's membrane potentials"
    )
    softmax_to_relu: bool = Field(
        False, description="give a softmax output plain integrate-and-fire neurons"
    )
    max2avg_pool: bool = Field(False, description="replace max pooling by average pooling (lossy)")
    maxpool_type: Literal["fir_max", "avg_max", "exp_max", "pre_spike_max"] = Field(
        "fir_max", description="how spiking max pooling finds the maximum"
    )
    pool_spiking: bool = Field(
        True, description="give average pooling and up-sampling neurons of their own; if false, "
        "they are merged into the next layer's synapses",
    )  # fmt: skip
