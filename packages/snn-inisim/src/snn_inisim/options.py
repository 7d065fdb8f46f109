"""Options of INIsim: how it computes, not what."""

from __future__ import annotations

from dataclasses import dataclass

from snn_core.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class INIsimOptions:
    """Options of INIsim; no choice changes a spike.

    Parameters
    ----------
    chunk_steps
        Number of steps that are folded; 0 chooses it by ``chunk_bytes``.
    chunk_bytes
        Size that the summed input of the largest layer may have: about what the processor's cache
        holds.
    jit
        Compile the loop over the steps of a layer with XLA.

    Raises
    ------
    SettingsError
        For an impossible value.
    """

    chunk_steps: int = 0
    chunk_bytes: int = 12_000_000
    jit: bool = True

    def __post_init__(self) -> None:
        for name, lowest in (("chunk_steps", 0), ("chunk_bytes", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise SettingsError(
                    f"inisim.{name} is {value!r}; expected a whole number of at least {lowest}."
                )
        if not isinstance(self.jit, bool):
            raise SettingsError(f"inisim.jit is {self.jit!r}; expected true or false.")


def steps_per_chunk(
    options: INIsimOptions, *, num_steps: int, batch_size: int, largest_layer: int
) -> int:
    """Return how many steps to fold.

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
    """
    if options.chunk_steps:
        return min(options.chunk_steps, num_steps)
    limit = max(1, options.chunk_bytes // (4 * batch_size * largest_layer))
    if limit >= num_steps:
        return num_steps
    divisors = (size for size in range(limit, limit // 2, -1) if num_steps % size == 0)
    return next(divisors, limit)
