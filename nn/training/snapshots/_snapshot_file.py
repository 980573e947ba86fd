"""The file of a snapshot: a safetensors file, whose metadata has a format, a checksum and JSON.

Its arrays have readable names, `model.hidden.weight` and `optimizer.state.0.exp_avg`, so that
`nn.state.safe_load` and other programs can read it.  The text `state` in the metadata is JSON
(`_encoding`), which says where each array belongs; `checksum` is the CRC-32 of all of it.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import files

from ... import _safetensors
from ._encoding import Decoder

FORMAT, VERSION = "tinygrad_lite snapshot", "1"


def write(file: BinaryIO, state: Any, arrays: dict[str, NDArray[Any]]) -> None:
    """Write the state, which is JSON, and the arrays that it refers to."""
    text = json.dumps(state, allow_nan=False, separators=(",", ":"))
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "checksum": _checksum(text, arrays),
        "state": text,
    }
    _safetensors.write(file, arrays, metadata, "save")


def read_state(file: BinaryIO) -> dict[str, Any]:
    """The JSON, without the arrays.  ValueError for another file."""
    return _state(_safetensors.read_metadata(file))


def read(file: BinaryIO) -> Any:
    """What was written: the state with its arrays.  ValueError for another or a damaged file."""
    metadata = _safetensors.read_metadata(file)
    state = _state(metadata)
    file.seek(0)
    arrays = _safetensors.read(file)
    if metadata.get("checksum") != _checksum(metadata["state"], arrays):
        raise ValueError("it is damaged: its checksum is wrong")
    decoder = Decoder(arrays)
    decoded = decoder(state)
    decoder.check_all_used()
    return decoded


def _checksum(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Of the state, and of each array's name, shape, dtype and bytes."""
    found = zlib.crc32(text.encode("ascii", "replace"))
    for name in sorted(arrays):
        array = arrays[name]
        head = f"{name} {array.dtype.str} {array.shape}"
        found = zlib.crc32(head.encode(), found)
        found = zlib.crc32(_safetensors.bytes_of(np.asarray(array, order="C")), found)
    return f"crc32:{found:08x}"


def _state(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The JSON of a snapshot.  ValueError for another file."""
    if metadata.get("format") != FORMAT:
        raise ValueError(
            "it holds tensors, and is not a snapshot; to load them, write "
            "nn.state.load_state_dict(model, nn.state.safe_load(path))"
        )
    if metadata.get("version") != VERSION:
        version = files.printable(metadata.get("version", "none"), 20)
        raise ValueError(f"its version is {version}; this is tinygrad_lite for version {VERSION}")
    try:
        state = json.loads(
            metadata.get("state", ""), object_pairs_hook=_unique, parse_constant=_not_json
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its state is not JSON: {files.printable(error, 80)}") from None
    if not isinstance(state, dict):
        raise ValueError("its state is not a JSON object")
    return state


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"it holds {word}")
