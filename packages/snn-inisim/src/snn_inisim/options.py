"""Options of INIsim: speed and memory."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from snn_core.settings import Options

CACHE_BYTES = 12_000_000
"""About what the cache of a processor holds."""

GPU_SHARE = 16
"""Part of a GPU's memory for the largest layer's sums, as several arrays of that size are there."""


class INIsimOptions(Options):
    """Options of INIsim; no choice changes a spike."""

    engine: Literal["auto", "event", "dense"] = Field(
        "auto",
        description="`event`: cost follows the number of spikes, without TensorFlow; `dense`: "
        "TensorFlow; `auto` takes what is faster",
    )
    threads: int = Field(0, ge=0, description="threads of the event engine; 0 uses all cores")
    chunk_steps: int = Field(
        0, ge=0, description="steps that the dense engine folds into the batch; 0 chooses by "
        "`chunk_bytes`",
    )  # fmt: skip
    chunk_bytes: int = Field(
        0, ge=0, description="size that the summed input of the largest layer may have; 0 takes "
        "what the processor's cache holds, about 12 MB, or a sixteenth of the memory of a GPU",
    )  # fmt: skip
    jit: bool = Field(True, description="compile the loop over the steps of a layer with XLA")


def steps_per_chunk(
    options: INIsimOptions,
    *,
    num_steps: int,
    batch_size: int,
    largest_layer: int,
    gpu_bytes: int = 0,
) -> int:
    """Return the number of steps to fold into the batch.

    Chunks of equal size are preferred, since each size is compiled once: a divisor of
    ``num_steps`` is taken if one lies between half the limit and the limit.

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
    if options.chunk_steps:
        return min(options.chunk_steps, num_steps)
    size = options.chunk_bytes or max(CACHE_BYTES, gpu_bytes // GPU_SHARE)
    limit = max(1, size // (4 * batch_size * largest_layer))
    if limit >= num_steps:
        return num_steps
    divisors = (size for size in range(limit, limit // 2, -1) if num_steps % size == 0)
    return next(divisors, limit)
