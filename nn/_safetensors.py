"""The safetensors format: arrays and text in one file, which cannot run code.

A file is the length of the header (8 bytes, little-endian), the header (JSON: the dtype, the shape
and the first and last offset of each array by its name, and `__metadata__`), then the arrays, in C
order, little-endian, without gaps.
Source: https://github.com/huggingface/safetensors, the section "Format".

Arrays go straight between the file and their own memory: the package safetensors holds a file three
times over, and aborts the process where memory ends.
"""

import math
import os
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import files

DTYPES = {
    "BOOL": "b1", "U8": "u1", "I8": "i1", "U16": "u2", "I16": "i2", "F16": "f2", "U32": "u4",
    "I32": "i4", "F32": "f4", "U64": "u8", "I64": "i8", "F64": "f8",
}  # fmt: skip
NAMES = {code: name for name, code in DTYPES.items()}  # by `dtype.str[1:]`
METADATA = "__metadata__"  # the key of the text in the header, and so no name of an array
LONGEST = 100_000_000  # bytes of a header, which other readers set as the limit
Entry: TypeAlias = tuple[str, tuple[int, ...], int, int]  # code, shape, first and last offset
FOREIGN = {
    b"PK": "a zip archive, such as torch.save and np.savez write",
    b"\x80": "a pickle",
    b"\x1f\x8b": "something compressed with gzip",
    b"\x93NUMPY": "an array saved with np.save",
    b"\x89HDF": "an HDF5 file",
    b"<": "a web page",
}


def write(
    file: BinaryIO, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str], caller: str
) -> None:
    """Write arrays whose dtypes are in NAMES.

    ValueError, which names the caller, if a name or a text is not Unicode, or all are too long.
    """
    import json

    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)  # so all are aligned
    end = 0
    for name in names:
        start, end = end, end + arrays[name].nbytes
        dtype = NAMES[arrays[name].dtype.str[1:]]
        shape = list(arrays[name].shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    try:
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        found = _quoted(error.object[error.start : error.end])
        raise ValueError(f"{caller}: expected Unicode as a name or text; got {found}") from None
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST:
        raise ValueError(f"{caller}: the names and the text take more than {LONGEST} bytes")
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        array = np.asarray(arrays[name], arrays[name].dtype.newbyteorder("<"), order="C")
        file.write(bytes_of(array))


def read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays, each in writable memory of its own.  ValueError says what is wrong.

    Memory is taken only when the file is known to hold as much.
    """
    start, entries, _ = _header(file)
    arrays = {}
    for name, (code, shape, offset, stop) in entries.items():
        try:
            array = np.empty(shape, "u1" if code == "b1" else f"<{code}")
        except (ValueError, OverflowError):  # it is empty, with more or longer axes than NumPy has
            raise _damaged(f"{_quoted(name)} has a shape that NumPy lacks") from None
        file.seek(start + offset)
        if file.readinto(bytes_of(array)) != stop - offset:  # type: ignore[attr-defined]
            raise _damaged(f"it ends within {_quoted(name)}")
        # Another byte than 0 and 1 would be a bool that is neither False nor True.
        array = array != 0 if code == "b1" else array.astype(f"={code}", copy=False)
        arrays[name] = np.asarray(array)  # one without axes is no array after `!=`
    return arrays


def read_metadata(file: BinaryIO) -> dict[str, str]:
    """The text alone.  ValueError as for `read`."""
    return _header(file)[2]


def _header(file: BinaryIO) -> tuple[int, dict[str, Entry], dict[str, str]]:
    """Where the arrays begin; what the header says, checked against the file's size; the text."""
    import json

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    begin = file.read(8)
    length = int.from_bytes(begin, "little")
    if not 2 <= length <= min(LONGEST, size - 8):
        found = [what for magic, what in FOREIGN.items() if begin.startswith(magic)]
        raise _damaged(f"got {found[0]}" if found else f"got {size} bytes, which do not begin so")
    try:
        text = file.read(length).decode()
        header = json.loads(text, object_pairs_hook=_unique, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"its header is not JSON: {files.printable(error, 80)}") from None
    if not isinstance(header, dict):
        raise _damaged("its header is not a JSON object")
    metadata = header.pop(METADATA, None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged("its metadata is not text by name")
    entries = {name: _entry(name, value) for name, value in header.items()}
    end = 0
    for name, (_, _, first, stop) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if first != end:
            raise _damaged(f"{_quoted(name)} begins at byte {first}, where {end} was due")
        end = stop
    if 8 + length + end != size:
        raise _damaged(f"got {size} bytes, and its header speaks of {8 + length + end}")
    return 8 + length, entries, metadata


def _entry(name: str, value: Any) -> Entry:
    """What the header says of one array, checked by itself."""
    match value:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(first), int(stop)]}:
            if not all(type(number) is int and number >= 0 for number in (*shape, first, stop)):
                raise _damaged(f"{_quoted(name)} has a size or an offset that is no number")
        case _:
            raise _damaged(f"{_quoted(name)} lacks a dtype, a shape or two offsets")
    if dtype not in DTYPES:
        kind = _quoted(dtype)
        raise ValueError(
            f"{_quoted(name)} holds numbers of type {kind}, which NumPy lacks; save it as F32"
        )
    if stop - first != math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize:
        raise _damaged(f"{_quoted(name)} has offsets that do not fit its shape and dtype")
    return DTYPES[dtype], tuple(shape), first, stop


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, whose names are Unicode and stand there once."""
    for name, _ in pairs:
        name.encode()
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _not_json(word: str) -> None:
    raise ValueError(f"it holds {word}")


def bytes_of(array: NDArray[Any]) -> memoryview:
    """The memory of a C-contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _damaged(reason: str) -> ValueError:
    return ValueError(f"expected a whole safetensors file; {reason}")


def _quoted(name: str) -> str:
    return f"'{files.printable(name, 60)}'"
