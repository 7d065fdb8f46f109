"""Options of INIsim: speed and memory."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from snn_core.settings import MOST_THREADS, Options

CACHE_BYTES = 12_000_000
"""About what the cache of a processor holds."""

FEW_STEPS = 4
"""Steps that the neurons go through in one pass; see `snn_inisim.integrate_and_fire.UNROLLED`."""

GPU_SHARE = 16
"""Part of a GPU's memory for the largest layer's sums, as several arrays of that size are there."""


class INIsimOptions(Options):
    """Options of INIsim; no choice changes a spike."""

    engine: Literal["auto", "event", "dense"] = Field(
        "auto",
        description="`event`: cost follows the number of spikes, without TensorFlow; `dense`: "
        "TensorFlow; `auto` takes what is faster",
    )
    threads: int = Field(
        0, ge=0, le=MOST_THREADS, description="threads of the event engine; 0 uses all cores"
    )
    chunk_steps: int = Field(
        0, ge=0, description="steps that the dense engine folds into the batch; 0 chooses by "
        "`chunk_bytes`",
    )  # fmt: skip
    chunk_bytes: int = Field(
        0, ge=0, description="size that the summed input of the largest layer may have; 0 takes "
        "what the processor's cache holds, about 12 MB, or a sixteenth of the memory of a GPU",
    )  # fmt: skip
    jit: bool = Field(True, description="compile the loop over the steps of a layer with XLA")


def chunk_size(
    options: INIsimOptions,
    *,
    num_steps: int,
    batch_size: int,
    largest_layer: int,
    gpu_bytes: int = 0,
) -> tuple[int, int]:
    """Return the number of samples and of steps to compute at once.

    A few steps are worth more than many samples, because potentials then stay in the cache from
    step to step. Chunks of equal size are preferred, since each size is compiled once: samples are
    a divisor of the batch, and steps one of the run if there is one between half the limit and the
    limit.

    Parameters
    ----------
    num_steps
        Number of steps of the run.
    batch_size
        Number of samples.
    largest_layer
        Number of cells of the largest layer.
    gpu_bytes
        Memory of the GPU; 0 if there is none.
    """
    room = (options.chunk_bytes or max(CACHE_BYTES, gpu_bytes // GPU_SHARE)) // (4 * largest_layer)
    samples = largest_divisor(batch_size, max(1, room // FEW_STEPS))
    if options.chunk_steps:
        return samples, min(options.chunk_steps, num_steps)
    limit = max(1, room // samples)
    if limit >= num_steps:
        return samples, num_steps
    steps = largest_divisor(num_steps, limit)
    return samples, steps if steps > limit // 2 else limit


def largest_divisor(number: int, limit: int) -> int:
    """Return the largest divisor of a number that is not above a limit."""
    return next(size for size in range(min(limit, number), 0, -1) if number % size == 0)
