"""The IDX reader: every type, both forms, and one exact line for each way to be wrong."""

import gzip
import math
import os
import re
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from mutations import check_messages, mutated

from nn.datasets import read_idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """`array` as the bytes of an IDX file."""
    sizes = np.array(array.shape, ">u4").tobytes()
    return (
        bytes([0, 0, code, array.ndim])
        + sizes
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def write(folder: Path, content: bytes, name: str = "images-idx3-ubyte") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    """What read_idx says against the file, after its path; one line."""
    with pytest.raises(ValueError, match=r".") as caught:  # the callers read it whole
        read_idx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["images-idx3-ubyte", "images-idx3-ubyte.gz"])
def test_reads_plain_and_gzip_whatever_the_name(tmp_path, pack, name):
    images = read_idx(write(tmp_path, pack(idx(IMAGES)), name))
    assert images.dtype == np.uint8
    assert np.array_equal(images, IMAGES)
    images[0, 0, 0] = 255  # writable


@pytest.mark.parametrize(
    ("code", "dtype"),
    [
        (0x08, np.uint8),
        (0x09, np.int8),
        (0x0B, np.int16),
        (0x0C, np.int32),
        (0x0D, np.float32),
        (0x0E, np.float64),
    ],
)
def test_every_type_comes_in_native_byte_order(tmp_path, code, dtype):
    values = np.array([[1, 2, 3], [100, 101, 127]], dtype)
    array = read_idx(write(tmp_path, idx(values, code)))
    assert array.dtype == dtype
    assert array.dtype.isnative
    assert array.flags.writeable
    assert np.array_equal(array, values)


def test_accepts_a_string_and_an_empty_array(tmp_path):
    path = write(tmp_path, idx(np.empty((0, 28, 28), np.uint8)))
    assert read_idx(str(path)).shape == (0, 28, 28)


def test_missing_file_is_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")


MAGIC = (
    "expected the magic number of an IDX file (00 00, a type 08 to 0e, a number of axes), "
    "got {}; remove it and get it again"
)


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"<html>", "3c 68 74 6d"),
        (b"", "an empty file"),
        (b"\0\0\x08", "00 00 08"),
        (b"\0\0\x07\x01\0\0\0\0", "00 00 07 01"),
        (b"\0\0\x08\x00\x05", "00 00 08 00"),
        (b"\x01\0\x08\x01\0\0\0\0", "01 00 08 01"),
    ],
    ids=["a web page", "empty", "three bytes", "unknown type", "no axes", "not zero"],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_wrong_magic_number(tmp_path, content, came, pack):
    assert refusal(write(tmp_path, pack(content))) == MAGIC.format(came)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_truncated_header(tmp_path, pack):
    assert refusal(write(tmp_path, pack(idx(IMAGES)[:9]))) == (
        "expected 12 bytes for the sizes of 3 axes, got 5 bytes (truncated); "
        "remove it and get it again"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_truncated_data(tmp_path, pack):
    assert refusal(write(tmp_path, pack(idx(IMAGES)[:-1]))) == (
        "expected 24 bytes of data for the shape (2, 3, 4) in its header, "
        "got 23 bytes (truncated); remove it and get it again"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_over_long_data(tmp_path, pack):
    assert refusal(write(tmp_path, pack(idx(IMAGES) + b"\0"))) == (
        "expected 24 bytes of data for the shape (2, 3, 4) in its header, "
        "got more (over-long); remove it and get it again"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_size_beyond_all_memory_is_only_truncated(tmp_path, pack):
    content = bytes([0, 0, 8, 3]) + b"\xff" * 12 + bytes(100)
    side = 2**32 - 1
    assert refusal(write(tmp_path, pack(content))) == (
        f"expected {side**3} bytes of data for the shape {(side,) * 3} in its header, "
        "got 100 bytes (truncated); remove it and get it again"
    )


def test_gzip_stream_cut_anywhere(tmp_path):
    whole = gzip.compress(idx(IMAGES))
    for length in range(2, len(whole)):
        assert refusal(write(tmp_path, whole[:length])) == (
            "expected a whole gzip stream, got a broken one (Compressed file ended before the "
            "end-of-stream marker was reached); remove it and get it again"
        )


def test_gzip_stream_with_a_wrong_checksum(tmp_path):
    content = idx(IMAGES)
    damaged = bytearray(gzip.compress(content))
    damaged[-8] ^= 0xFF
    came, stored = hex(zlib.crc32(content) ^ 0xFF), hex(zlib.crc32(content))
    assert refusal(write(tmp_path, bytes(damaged))) == (
        f"expected a whole gzip stream, got a broken one (CRC check failed {came} != {stored}); "
        "remove it and get it again"
    )


def test_gzip_stream_with_a_flipped_bit_anywhere(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 5, 6), dtype=np.uint8)
    whole = gzip.compress(idx(noise), mtime=0)
    for position in range(10, len(whole)):  # the first ten bytes are gzip's header
        damaged = bytearray(whole)
        damaged[position] ^= 1
        assert re.search("remove it and get it again$", refusal(write(tmp_path, bytes(damaged))))


def test_gzip_stream_with_something_after_it(tmp_path):
    assert refusal(write(tmp_path, gzip.compress(idx(IMAGES)) + b"junk")) == (
        "expected a whole gzip stream, got a broken one (Not a gzipped file (b'ju')); "
        "remove it and get it again"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_is_read_stands_in_memory_once(tmp_path, pack):
    images = np.arange(2**22, dtype=np.uint8).reshape(64, 256, 256)
    path = write(tmp_path, pack(idx(images)))
    tracemalloc.start()
    try:
        read_idx(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert images.nbytes < most < 1.2 * images.nbytes


def test_gzip_compresses_zeros_within_the_limit_that_the_reader_trusts(tmp_path):
    black = np.zeros((1000, 100, 100), np.uint8)
    path = write(tmp_path, gzip.compress(idx(black)))
    assert math.prod(black.shape) / path.stat().st_size > 900
    assert not read_idx(path).any()


def test_what_is_no_ordinary_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # which would wait for a writer
    with pytest.raises(OSError, match=r"read_idx: expected an ordinary file; .*pipe'$"):
        read_idx(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError, match=r"read_idx: Is a directory: "):
        read_idx(tmp_path)
    for number in (0, True, None):
        with pytest.raises(TypeError, match=r"^read_idx: expected a path: text, bytes or a Path; "):
            read_idx(number)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("sizes", "data", "reason"),
    [
        ([1] * 255, b"x", "NumPy has no arrays of the shape (1, 1, 1, 1, 1, 1, 1, 1, ...) of 255"),
        ([0, *[2**32 - 1] * 3], b"", "NumPy has no arrays of the shape (0, 4294967295, "),
        ([2**32 - 1] * 255, b"x", "expected 10^2456 bytes of data for the shape (4294967295, "),
    ],
    ids=["many axes", "empty", "endless"],
)
def test_a_shape_that_numpy_lacks_is_one_line(tmp_path, sizes, data, reason, pack):
    content = bytes([0, 0, 8, len(sizes)]) + np.array(sizes, ">u4").tobytes() + data
    message = refusal(write(tmp_path, pack(content)))
    assert message.startswith(reason)
    assert len(message) < 300


def test_a_bomb_is_left_where_the_header_ends_it(tmp_path):
    """A thousand times more than its header says: nothing of that is unpacked."""
    content = idx(IMAGES) + bytes(10**8)
    path = write(tmp_path, gzip.compress(content, 1))
    tracemalloc.start()
    try:
        assert "got more (over-long)" in refusal(path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 10**6


def test_a_header_takes_no_more_memory_than_the_file_can_hold(tmp_path):
    for pack, least in ((bytes, 1), (gzip.compress, 1032)):
        path = write(tmp_path, pack(bytes([0, 0, 8, 2]) + b"\xff" * 8 + bytes(1000)))
        tracemalloc.start()
        try:
            assert "(truncated)" in refusal(path)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert most < least * path.stat().st_size + 500_000


def test_a_lack_of_memory_names_the_file(tmp_path, monkeypatch):
    path = write(tmp_path, idx(IMAGES))

    def empty(*_):
        raise MemoryError

    monkeypatch.setattr(np, "empty", empty)
    message = f"^read_idx: '{path}': this needs more memory than there is$"
    with pytest.raises(MemoryError, match=message):
        read_idx(path)


def test_names_cannot_write_to_a_terminal(tmp_path):
    path = tmp_path / "\x1b[31m\n\u202e"
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"/\\x1b\[31m\\n\\u202e: expected the magic") as caught:
        read_idx(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_mutated_files_are_read_or_refused_in_one_line(tmp_path, pack):
    """The right answer is by hand: NumPy reads what the header of the unpacked file says."""
    rng, path = np.random.default_rng(0), tmp_path / "file"
    noise = rng.integers(0, 256, (7, 6, 5), dtype=np.uint8)
    contents = [pack(idx(noise)), pack(idx(noise[0].astype(np.int32), 0x0C)), pack(idx(noise[:0]))]
    messages, read = [], 0
    for round_ in range(1000):
        content = contents[round_ % 3]
        damaged = mutated(rng, content, 2, [4, 16, len(content)], kinds=5)
        path.unlink(missing_ok=True)  # some file systems sync a file that is written over
        path.write_bytes(damaged)
        try:
            array = read_idx(path)
        except ValueError as error:
            messages.append(str(error))
            continue
        whole = gzip.decompress(damaged) if damaged[:2] == b"\x1f\x8b" else damaged
        shape = np.frombuffer(whole, ">u4", whole[3], 4)
        assert array.shape == tuple(shape.tolist())
        assert array.astype(array.dtype.newbyteorder(">")).tobytes() == whole[4 + 4 * whole[3] :]
        read += 1
    assert min(read, len(messages)) > 20
    check_messages(messages, path)
