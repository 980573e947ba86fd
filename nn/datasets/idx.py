"""IDX, the file format of MNIST.

A file is a magic number (two zero bytes, a type code, the number of axes), then one big-endian
32-bit size per axis, then the numbers, big-endian and in C order, and nothing else.
Source: the format section of the MNIST page by LeCun, Cortes and Burges.
"""

import gzip
import math
import os
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nn.datasets.readers import FIX, is_gzipped
from tinygrad_lite import files

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_DEFLATE_LIMIT = 1032  # one compressed byte never expands to more bytes than this
_CHUNK = 1 << 17  # number of bytes that one read asks for


def read_idx(path: files.FilePath) -> NDArray[Any]:
    """Read and check the IDX file at `path`, plain or gzipped.

    Its first bytes, not its name, show whether it is gzipped.

    Returns a writable array of the shape and type given in the header, in native byte order:
    uint8, int8, int16, int32, float32 or float64.

    Raises, in one line that names the file, ValueError for a wrong magic number, for data shorter
    or longer than the header says, and for a broken gzip stream; OSError for a file that cannot be
    read, and MemoryError for one that is too large.
    """
    with files.reading(path, "read_idx") as file:
        name = files.printable(path)
        bytes_on_disk = os.fstat(file.fileno()).st_size
        if not is_gzipped(file):
            return _read_stream(file, name, bytes_on_disk)
        try:
            with gzip.open(file) as stream:
                return _read_stream(stream, name, bytes_on_disk * _DEFLATE_LIMIT)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{name}: expected a whole gzip stream, got a broken one "
                f"({files.printable(error, 100)}); {FIX}"
            ) from error


def _read_stream(stream: Any, path: str, most_bytes: int) -> NDArray[Any]:
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
            f"{path}: expected {_count(expected)} bytes of data for {_shown(shape)} in its header, "
            f"got {came}; {FIX}"
        )
    try:
        array = content.view(dtype).reshape(shape)
    except ValueError:  # no numbers, or one, but axes that NumPy cannot count
        raise ValueError(f"{path}: NumPy has no arrays of {_shown(shape)}; {FIX}") from None
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: Any, path: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read the magic number and the sizes: the dtype and the shape of the data that follow."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or magic[3] == 0:
        raise ValueError(
            f"{path}: expected the magic number of an IDX file (00 00, a type 08 to 0e, a number "
            f"of axes), got {magic.hex(' ') or 'an empty file'}; {FIX}"
        )
    axes = magic[3]
    sizes = stream.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise ValueError(
            f"{path}: expected {4 * axes} bytes for the sizes of {axes} axes, "
            f"got {len(sizes)} bytes (truncated); {FIX}"
        )
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * axes, 4))
    return np.dtype(_DTYPES[magic[2]]), shape


def _shown(shape: tuple[int, ...]) -> str:
    """The shape in a message, in which 255 axes would be many."""
    axes = str(shape) if len(shape) <= 8 else f"{str(shape[:8])[:-1]}, ...)"
    return f"the shape {axes}" + (f" of {len(shape)} axes" if len(shape) > 8 else "")


def _count(number: int) -> str:
    """The number in a message, in which one of 255 axes would have 2,400 digits."""
    return str(number) if number < 10**40 else f"10^{int(math.log10(number))}"
