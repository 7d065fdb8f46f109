"""Changes of what a file describes: values in JSON, arrays, HDF5, messages, words in texts."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

Change = tuple[Any, ...]

NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62)

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 2**31, 2**62, 2**63, 2**70, -(2**70), 10**400, 0.5, 1.5, -0.0,
    1e308, "channels_first", [[1, 1], [1, 1]], [[-1, 2**62], [2**70, 3]], [1.5, True],
    float("inf"), float("-inf"), float("nan"), 1e-320, "", "a", "..", "../../x", "/etc/passwd",
    "a" * 5000, "\x1b[31m", "\ud800", "$\\frac$", "[/bold]", "\0", "float32", "os.system", [], [[]],
    {}, {"a": 1}, [1, 2], [-1], [2**40, 2**40], [None], {"as_int": 2**62}, {"as_int": float("inf")},
)  # fmt: skip
"""What takes the place of a value in JSON."""

TYPES = ("?", "i1", "u1", "<i2", ">i4", "<i8", "<u8", "f2", "<f4", ">f8", "c8", "S3", "<U2", "V5",
         "M8[s]", [("t", "<i8"), ("x", "f4")])  # fmt: skip
"""Types that take the place of an array's."""

SHAPES = ((), (0,), (1,), (7,), (0, 3), (2, 3), (1, 1, 1, 1), (2, 2, 2, 2, 2), (100_000,))

WORDS = (
    "", "0", "-1", "1e400", "nan", "inf", "-inf", "1e-320", "99999999999999999999", "2147483648",
    "0x10", "1_0", "true", "none", "[]", "[" * 3000, "{}", "'", '"', "\0", "\x1b[31m", "ä",
    "../../x", "/etc/passwd", "a" * 5000, "1 2", "1,2", "#", "=", "[a]", "1979-05-27", "\\u0041",
)  # fmt: skip
"""What takes the place of a word in a text."""


def change_json(content: bytes, change: Change) -> bytes:
    """Change a value in JSON; other contents stay as they are."""
    kind, place, value, number = change
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return content
    spots = list(_spots(tree))
    if not spots:
        return content
    owner, key = spots[int(place * len(spots))]
    if kind == "replace":
        owner[key] = value
    elif kind == "remove":
        del owner[key]
    elif kind == "rename" and isinstance(owner, dict):
        owner[str(value)] = owner.pop(key)
    elif kind == "repeat" and isinstance(owner, list):
        owner[key:key] = [owner[key]] * min(number, 300)
    elif kind == "nest":
        marker = "@nested@"
        owner[key] = marker
        inner = json.dumps(value)
        text = json.dumps(tree).replace(json.dumps(marker), "[" * number + inner + "]" * number)
        return text.encode()
    return json.dumps(tree).encode()


def _spots(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a value in JSON: its owner and its key there."""
    waiting = [tree] if isinstance(tree, (dict, list)) else []
    while waiting:
        owner = waiting.pop()
        pairs = owner.items() if isinstance(owner, dict) else enumerate(owner)
        for key, value in list(pairs):
            yield owner, key
            if isinstance(value, (dict, list)):
                waiting.append(value)


def change_array(array: Any, change: Change) -> Any:
    """Return an array of another shape, of another type or with other values."""
    kind, place, shape, dtype, value = change
    array = np.asarray(array)
    if kind == "shape":
        return np.resize(array, shape) if array.size else np.zeros(shape, array.dtype)
    if kind == "type":
        made = np.zeros(array.shape, dtype)
        with np.errstate(all="ignore"):
            if made.dtype.kind in "?iufc" and array.dtype.kind in "?iufc":
                made[...] = array.astype(made.dtype)
        return made
    changed = array.copy()
    if changed.size and changed.dtype.kind in "iuf":
        info = (np.finfo if changed.dtype.kind == "f" else np.iinfo)(changed.dtype)
        choices = [info.min, info.max, 0, 1]
        choices += [np.nan, np.inf, -np.inf, -0.0] if changed.dtype.kind == "f" else []
        changed.reshape(-1)[int(place * changed.size)] = choices[value % len(choices)]
    return changed


def change_npy(content: bytes, change: Change) -> bytes:
    """Change an array file: its array, or the text of its header with the array left."""
    if change[0] == "header":
        end = content.find(b"}")
        start = content.find(b"{")
        if 0 < start < end:
            return content[:start] + change_text(content[start:end], change) + content[end:]
        return content
    file = io.BytesIO()
    np.save(file, change_array(np.load(io.BytesIO(content), allow_pickle=False), change))
    return file.getvalue()


def change_text(content: bytes, change: Change) -> bytes:
    """Replace a word or a number of a text."""
    words = list(re.finditer(rb"[\w.+-]+", content[:100_000]))
    if not words:
        return content
    word, text = words[int(change[1] * len(words))], WORDS[change[-1] % len(WORDS)]
    return content[: word.start()] + text.encode(errors="surrogatepass") + content[word.end() :]


def change_hdf5(content: bytes, change: Change, edit: Callable[[bytes, Change], bytes]) -> bytes:
    """Change an attribute or an array of a whole HDF5 file, or replace it by a link.

    Parameters
    ----------
    edit
        Changes texts.
    """
    import h5py

    file = io.BytesIO(content)
    with h5py.File(file, "r+") as opened:
        spots: list[tuple[Any, str]] = [(opened.attrs, name) for name in opened.attrs]

        def note(name: str, item: Any) -> None:
            spots.extend((item.attrs, attribute) for attribute in item.attrs)
            spots.append((opened, name))

        opened.visititems(note)
        owner, name = spots[int(change[1] * len(spots))]
        _change_spot(owner, name, change, edit)
    return file.getvalue()


def _change_spot(
    owner: Any, name: str, change: Change, edit: Callable[[bytes, Change], bytes]
) -> None:
    import h5py

    value = owner[name]
    if isinstance(value, (str, bytes)):
        text = value.encode(errors="surrogatepass") if isinstance(value, str) else value
        del owner[name]
        owner[name] = edit(text, change).decode(errors="replace").replace("\0", "")
    elif isinstance(value, h5py.Group) or change[0] in ("remove", "nest"):
        del owner[name]
        if owner is not value and change[0] == "repeat" and isinstance(owner, h5py.Group):
            owner[name] = h5py.SoftLink("/")
    elif change[0] in ("shape", "type", "values"):
        array = change_array(value[()] if isinstance(value, h5py.Dataset) else value, change)
        del owner[name]
        owner[name] = array


def change_message(content: bytes, change: Change) -> bytes:
    """Change a field of an ONNX model, which stays a message of protocol buffers."""
    import onnx

    kind, place, value, number = change
    model = onnx.load_model_from_string(content)
    fields = [(part, field, held) for part in _parts(model) for field, held in part.ListFields()]
    part, field, held = fields[int(place * len(fields))]
    if kind == "remove":
        part.ClearField(field.name)
    elif not hasattr(held, "extend"):
        _set(part, field.name, held, value)
    elif kind == "repeat" or not len(held):
        held.extend(list(held) * min(number, 50))
    else:
        at = int(place * 1e6) % len(held)
        if kind == "nest":
            del held[at]
        elif not hasattr(held[at], "ListFields"):
            _assign(held.__setitem__, at, held[at], value)
    return bytes(model.SerializeToString())


def _parts(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if hasattr(value, "extend") else [value]:
                yield from _parts(item)


def _set(part: Any, name: str, held: Any, value: Any) -> None:
    if not hasattr(held, "ListFields"):
        _assign(partial(setattr, part), name, held, value)


def _assign(assign: Callable[[Any, Any], None], place: Any, held: Any, value: Any) -> None:
    """Assign a value of the type of another one, a smaller number where a field takes no larger."""
    try:
        assign(place, _like(held, value))
    except ValueError:
        assign(place, 2**31 - 1)


def _like(held: Any, value: Any) -> Any:
    """Return a value of the type of another one."""
    if isinstance(held, float):
        return float(value) if isinstance(value, float) else float("inf")
    if isinstance(held, (bool, int)):
        number = value if isinstance(value, int) else -1
        return number if -(2**63) <= number < 2**63 else 2**62
    text = str(value)[:5000]
    return text.encode(errors="replace") if isinstance(held, bytes) else _spelled(text)


def _spelled(text: str) -> str:
    return text.encode(errors="replace").decode()
