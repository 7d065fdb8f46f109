"""Data of ONNX models that lie in other files, which are read from the model's own folder alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snn_core.errors import ParseError
from snn_core.files import first_link, leads_outside
from snn_core.reading import spend


def parts_of(message: Any) -> Iterator[Any]:
    """Yield a message of protocol buffers and all that lie in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in [value] if hasattr(value, "ListFields") else value:
                yield from parts_of(item)


def is_external(part: Any) -> bool:
    """Return whether a message is a tensor whose data lie in another file."""
    return type(part).__name__ == "TensorProto" and part.data_location == part.EXTERNAL


def load_external(message: Any, folder: Path | None) -> Any:
    """Return a message with the data of all tensors in it, a copy if any lie in other files.

    What computes with it would look for them elsewhere, and without a limit.

    Raises
    ------
    ParseError
        If data lie outside the model's own folder, or there are fewer than are told.
    BudgetExceededError
        If they take more memory than is left.
    """
    if not any(map(is_external, parts_of(message))):
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    for part in list(filter(is_external, parts_of(copy))):
        part.CopyFrom(with_external_data(part, folder))
    return copy


def with_external_data(tensor: Any, folder: Path | None) -> Any:
    """Return a tensor with its data, which must lie in the model's own folder."""
    path = external_file(tensor, folder)
    entries = {item.key: item.value for item in tensor.external_data}
    full = type(tensor)()
    full.CopyFrom(tensor)
    offset = int(entries.get("offset", 0))
    length = int(entries.get("length", max(path.stat().st_size - offset, 0)))
    if min(offset, length) < 0:
        raise ParseError(
            f"The constant {tensor.name!r} lies at {offset} and is {length} bytes long in "
            f"{path.name}; negative sizes mean damage: export the model again."
        )
    spend(length, f"The constant {tensor.name!r}")
    if offset + length > path.stat().st_size:
        raise ParseError(
            f"The constant {tensor.name!r} lies at {offset} and is {length} bytes long in "
            f"{path.name}, which has {path.stat().st_size}; copy both files again."
        )
    with path.open("rb") as file:
        file.seek(offset)
        full.raw_data = file.read(length)
    full.data_location = full.DEFAULT
    del full.external_data[:]
    return full


def external_file(tensor: Any, folder: Path | None) -> Path:
    """Return the file that holds a tensor's data.

    Raises
    ------
    ParseError
        If it lies outside the model's own folder.
    """
    entries = {item.key: str(item.value) for item in tensor.external_data}
    location = entries.get("location", "")
    if folder is None or not location or leads_outside(location):
        raise ParseError(
            f"The constant {tensor.name!r} lies outside the model's folder ({location!r}), which "
            f"is not read; export the model as one file or put its data beside it."
        )
    path = folder / location
    if first_link(path, within=folder) or not path.is_file():
        raise ParseError(
            f"The constant {tensor.name!r} lies in {path}, which is no plain file in a plain "
            f"folder."
        )
    return path
