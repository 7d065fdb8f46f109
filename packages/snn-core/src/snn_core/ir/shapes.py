"""Output sizes and padding of layers, and their labels.

No other module computes them. Functions of sizes work on one axis; two-dimensional layers apply
them to each axis.
"""

from __future__ import annotations

from snn_core.errors import ParseError
from snn_core.typing import Pair, Shape


def window(kernel: int, dilation: int = 1) -> int:
    """Return the number of cells from the first to the last tap of a dilated kernel."""
    return (kernel - 1) * dilation + 1


def resolve_padding(
    padding: str | Pair, size: int, *, kernel: int, stride: int = 1, dilation: int = 1
) -> Pair:
    """Return the zeros before and after one axis.

    Parameters
    ----------
    padding
        ``"valid"``, ``"same"`` (TensorFlow's rule: output ``ceil(size / stride)``, the odd cell
        goes after), ``"causal"`` (all before) or explicit ``(before, after)``.
    size
        Length of the input axis.

    Raises
    ------
    ParseError
        For any other padding.
    """
    if isinstance(padding, tuple):
        return padding
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return window(kernel, dilation) - 1, 0
    if padding == "same":
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + window(kernel, dilation) - size, 0)
        return total // 2, total - total // 2
    raise ParseError(
        f"Unknown padding {padding!r}; expected 'valid', 'same', 'causal' or (before, after)."
    )


def axis_padding(padding: str | tuple[Pair, Pair], axis: int) -> str | Pair:
    """Return the padding of one image axis from that of a two-dimensional layer."""
    return padding if isinstance(padding, str) else padding[axis]


def output_size(
    size: int, *, kernel: int, stride: int = 1, dilation: int = 1, padding: str | Pair = "valid"
) -> int:
    """Return the number of window positions along one axis.

    Raises
    ------
    ParseError
        If the window does not fit into the padded axis.
    """
    before, after = resolve_padding(padding, size, kernel=kernel, stride=stride, dilation=dilation)
    room = size + before + after - window(kernel, dilation)
    if room < 0:
        raise ParseError(
            f"A window of {window(kernel, dilation)} cells does not fit into an axis of {size} "
            f"cells padded by ({before}, {after}); check kernel size, dilation and input shape."
        )
    return room // stride + 1


def transposed_output_size(
    size: int,
    *,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    padding: str | Pair = "valid",
    output_padding: int | None = None,
) -> int:
    """Return the length of a transposed convolution's output axis, as Keras computes it.

    Explicit padding ``(before, after)`` crops the full output.
    """
    reach = window(kernel, dilation)
    full = (size - 1) * stride + reach
    if isinstance(padding, tuple):
        return full - sum(padding) + (output_padding or 0)
    if output_padding is None:
        return size * stride if padding == "same" else size * stride + max(reach - stride, 0)
    crop = 2 * (reach // 2) if padding == "same" else 0
    return full - crop + output_padding


def transposed_crop(
    padding: str | Pair, outputs: int, *, kernel: int, stride: int = 1, dilation: int = 1
) -> Pair:
    """Return how many cells of the full output a transposed convolution cuts before and after.

    A transposed convolution is the gradient of the convolution that maps its output back to its
    input, so it cuts where that convolution pads.
    """
    return resolve_padding(padding, outputs, kernel=kernel, stride=stride, dilation=dilation)


def count(shape: Shape) -> int:
    """Return the number of cells of a shape."""
    total = 1
    for size in shape:
        total *= size
    return total


def label(index: int, kind: str, shape: Shape, *, width: int = 2) -> str:
    """Return a layer's label, for example ``03Conv2D_32x32x64``.

    Parameters
    ----------
    index
        Position of the layer in the source model.
    width
        Number of digits of the index.
    """
    return f"{index:0{width}d}{kind}_{'x'.join(map(str, shape))}"
