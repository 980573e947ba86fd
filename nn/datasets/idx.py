"""IDX, the file format of MNIST.

A file is a magic number (two zero bytes, a type code, the number of axes), then one big-endian
32-bit size per axis, then the numbers, big-endian and in C order, and nothing else.
Source: the format section of the MNIST page by LeCun, Cortes and Burges.
"""

import gzip
import math
import os
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_LIMIT = 1032  # one compressed byte never expands to more bytes than this
_CHUNK = 1 << 17  # number of bytes that one read asks for
_FIX = "remove it and get it again"


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read and check the IDX file at `path`, plain or gzipped.

    Its first bytes, not its name, show whether it is gzipped: browsers unpack `.gz` files without
    changing the name.

    Returns a writable array of the shape and type given in the header, in native byte order:
    uint8, int8, int16, int32, float32 or float64.

    Raises ValueError, in one line that names the file, for a wrong magic number, for data shorter
    or longer than the header says, and for a broken gzip stream.
    """
    path = Path(path)
    bytes_on_disk = path.stat().st_size
    with path.open("rb") as file:
        if not file.peek(2).startswith(_GZIP_MAGIC):
            return _read_stream(file, path, bytes_on_disk)
        try:
            with gzip.open(file) as stream:
                return _read_stream(stream, path, bytes_on_disk * _DEFLATE_LIMIT)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{path}: expected a whole gzip stream, got a broken one ({error}); {_FIX}"
            ) from error


def _read_stream(stream: BufferedIOBase, path: Path, most_bytes: int) -> NDArray[Any]:
    """Read one unpacked IDX stream of at most `most_bytes` bytes to its end."""
    dtype, shape = _read_header(stream, path)
    expected = math.prod(shape) * dtype.itemsize
    # A damaged header can ask for more bytes than fit any memory: allocate only what can arrive.
    content = np.empty(min(expected, most_bytes), np.uint8)
    # In chunks, because gzip would first unpack everything elsewhere: twice the memory, and slower.
    got = 0
    while count := stream.readinto1(content.data[got : got + _CHUNK]):
        got += count
    # Reading past the data also makes gzip compare its checksum, which is at the end.
    surplus = stream.read(1)
    if got != expected or surplus:
        came = f"{got} bytes (truncated)" if got < expected else "more (over-long)"
        raise ValueError(
            f"{path}: expected {expected} bytes of data for the shape {shape} in its header, "
            f"got {came}; {_FIX}"
        )
    return content.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: BufferedIOBase, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read the magic number and the sizes: the dtype and the shape of the data that follow."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or magic[3] == 0:
        raise ValueError(
            f"{path}: expected the magic number of an IDX file (00 00, a type 08 to 0e, a number "
            f"of axes), got {magic.hex(' ') or 'an empty file'}; {_FIX}"
        )
    axes = magic[3]
    sizes = stream.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise ValueError(
            f"{path}: expected {4 * axes} bytes for the sizes of {axes} axes, "
            f"got {len(sizes)} bytes (truncated); {_FIX}"
        )
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * axes, 4))
    return np.dtype(_DTYPES[magic[2]]), shape
