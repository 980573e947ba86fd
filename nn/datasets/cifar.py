"""CIFAR-10: read from the archive of its binary version, without unpacking it, or unpacked.

Each of its six files is a row of records: one byte for the class, then 3072 for the image, as
(3, 32, 32).  An archive is an archive of somebody: only members with one of the six names are
read, nothing is written anywhere, and no pickle is ever loaded.
"""

import gzip
import os
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import IO, Any, overload

import numpy as np

from nn.datasets.folders import Source, locate
from nn.datasets.mirrors import File
from nn.datasets.readers import (
    FIX,
    DataSet,
    Images,
    Labels,
    Part,
    Split,
    check_labels,
    check_split,
    is_gzipped,
    part_of,
)
from tinygrad_lite import files

_ARCHIVE = "cifar-10-binary.tar.gz"
_UNPACKED = "cifar-10-batches-bin"  # the folder in the archive
_PYTHON_VERSION = ("cifar-10-batches-py", "cifar-10-python.tar.gz")
_BATCHES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32  # bytes
_MOST = 10_000  # records of a file
_CHUNK = 500  # records that are read at once
_BETWEEN = 1 << 20  # bytes that an archive may hold besides the six files
_BUFFER = 1 << 17  # bytes that are unpacked at once
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE)
# Beside its own errors, what tarfile raises for wrong numbers, cut tables and chains of headers.
_BAD_HEADER = (ValueError, LookupError, RecursionError)


@overload
def cifar10(root: files.FilePath | None = None, split: None = None) -> DataSet: ...


@overload
def cifar10(root: files.FilePath | None = None, *, split: Split) -> Part: ...


def cifar10(root: files.FilePath | None = None, split: Split | None = None) -> DataSet | Part:
    """CIFAR-10: 60,000 small colour photographs of ten kinds of animals and vehicles.

    Returns (X_train, Y_train, X_test, Y_test), ordinary writable arrays:

        X_train (50000, 3, 32, 32) uint8, red, green, blue    Y_train (50000,) int64, 0..9
        X_test  (10000, 3, 32, 32) uint8                      Y_test  (10000,) int64

    split: "train" or "test" returns that part only, (X, Y).

    `CLASSES["cifar10"]` names the ten: airplane, automobile, bird, cat, deer, dog, frog, horse,
    ship, truck.

    Read from the archive of the binary version, cifar-10-binary.tar.gz, or from the six files of
    its folder cifar-10-batches-bin, in the first folder that holds either: `root`, then the folder
    named by the environment variable TINYGRAD_LITE_DATA (in each, its subfolder `cifar-10` first),
    then the user's cache. If none does, the archive (170 MB) is downloaded and checked as the
    files of `mnist` are. The Python version, a set of pickles, is not read. A shorter extract, of
    as many images in each of the six files, is accepted.

    Raises:
        DataUnavailable: none of the folders holds the files, and no mirror served them.
        ImportError: a download is needed, and pooch or filelock is not installed.
        ValueError: a file is damaged, or is not what its name says; names the file.

    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; the archive
    is that of https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    check_split(split, "cifar10")
    with ExitStack() as stack:
        path = locate(CIFAR10, root, stack)[_ARCHIVE]
        return part_of(_read_folder(path) if path.is_dir() else _read_archive(path), split)


class CifarSource(Source):
    """The archive, or the folder with what is in it."""

    def find(self, folder: Path) -> dict[str, Path]:
        """The archive, or the unpacked folder, whichever is there; the folder first."""
        for place in (folder / _UNPACKED, folder):
            if all(os.path.isfile(place / name) for name in _BATCHES):
                return {_ARCHIVE: place}
        return {_ARCHIVE: folder / _ARCHIVE} if os.path.isfile(folder / _ARCHIVE) else {}

    def objection(self, setting: str, folder: Path, found: Mapping[str, Path]) -> str:
        """That neither is there, and if so, that the other version is."""
        if found:
            return ""
        if folder.name in _PYTHON_VERSION or any(
            os.path.exists(folder / name) for name in _PYTHON_VERSION
        ):
            return (
                "holds the Python version of CIFAR-10, whose pickles are never read; "
                f"the binary version is needed, {_ARCHIVE}"
            )
        return f"holds neither {_ARCHIVE} nor all of {_UNPACKED}"


CIFAR10 = CifarSource(
    title="CIFAR-10",
    function="cifar10",
    folders=("cifar-10",),
    files={
        _ARCHIVE: File(
            170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
        )
    },
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
    wanted=_ARCHIVE,
)


def _read_folder(folder: Path) -> DataSet:
    """Read the six unpacked files."""
    batches = _Batches()
    for name in _BATCHES:
        with files.reading(folder / name, "cifar10") as file:
            size = os.fstat(file.fileno()).st_size
            batches.add(name, files.printable(folder / name), size, file)
    return batches.arrays()


def _read_archive(path: Path) -> DataSet:
    """Read the six files in the archive, gzipped or not."""
    shown, batches = files.printable(path), _Batches()
    with files.reading(path, "cifar10") as file:
        try:
            with gzip.open(file) if is_gzipped(file) else nullcontext(file) as unpacked:
                _read_members(_Allowed(unpacked), shown, batches)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _broken(shown, error) from error
    return batches.arrays()


def _read_members(stream: "_Allowed", shown: str, batches: "_Batches") -> None:
    """Read the six files from the unpacked archive, and the rest of it, for gzip's checksum."""
    with _opened(stream, shown) as archive:
        while (member := _next(archive, shown)) is not None:
            folder, _, name = member.name.removeprefix("./").rpartition("/")
            if folder == _PYTHON_VERSION[0]:
                raise ValueError(
                    f"{shown}: expected the binary version of CIFAR-10, got the Python version, "
                    f"whose pickles are never read; get {_ARCHIVE} instead"
                )
            if folder != _UNPACKED or name not in _BATCHES:
                continue
            if name in batches.read:
                raise ValueError(f"{shown}: expected one {name}, got two; {FIX}")
            content = archive.extractfile(member) if member.type in _REGULAR else None
            if content is None:
                raise ValueError(
                    f"{shown}: expected {name} to be an ordinary file, got a link or "
                    f"something else; {FIX}"
                )
            stream.left += member.size  # or add() refuses it
            batches.add(name, f"{shown}: {name}", member.size, content)
    if len(batches.read) < len(_BATCHES):
        raise ValueError(
            f"{shown}: expected {len(_BATCHES)} files in {_UNPACKED}, "
            f"got {len(batches.read)} of them; {FIX}"
        )
    while stream.read(1 << 16):
        pass


def _opened(stream: Any, shown: str) -> tarfile.TarFile:
    """The archive, to be read from its beginning to its end; its first header is read here."""
    try:
        return tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER)
    except _BAD_HEADER as error:
        raise _broken(shown, error) from error


def _next(archive: tarfile.TarFile, shown: str) -> tarfile.TarInfo | None:
    """The next header; one that is damaged, or made to do harm, is an error in one line."""
    try:
        return archive.next()
    except _BAD_HEADER as error:
        raise _broken(shown, error) from error


def _broken(shown: str, error: Exception) -> ValueError:
    return ValueError(
        f"{shown}: expected a whole archive of CIFAR-10, got a broken one "
        f"({files.printable(error, 100)}); {FIX}"
    )


class _Allowed:
    """A stream that gives no more bytes than `left`: a small archive can unpack to terabytes."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.left = stream, _BETWEEN

    def read(self, most: int) -> bytes:
        """The next bytes, at most `most` of them."""
        content: bytes = self.stream.read(most)
        self.left -= len(content) or most  # at the end too: tarfile goes on to where a header says
        if self.left < 0:
            raise tarfile.ReadError("it is longer than its six files, or says so")
        return content


class _Batches:
    """The arrays, filled from one file after another, in any order."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    def add(self, name: str, shown: str, size: int, stream: IO[bytes]) -> None:
        """Read the file `name` of `size` bytes; `shown` is what messages call it."""
        count, rest = divmod(size, _RECORD)
        if rest or not 1 <= count <= _MOST:
            raise ValueError(
                f"{shown}: expected 1 to {_MOST} records of {_RECORD} bytes, "
                f"got {files.printable(size, 40)} bytes; {FIX}, in its binary version"
            )
        if not self.read:
            self.each, trained = count, count * (len(_BATCHES) - 1)
            self.images = (
                np.empty((trained, *_SHAPE), np.uint8),
                np.empty((count, *_SHAPE), np.uint8),
            )
            self.labels = np.empty(trained, np.int64), np.empty(count, np.int64)
        if count != self.each:
            raise ValueError(
                f"{shown}: expected {self.each} images, as in the file read before it, "
                f"got {count}; {FIX}"
            )
        part, number = divmod(_BATCHES.index(name), len(_BATCHES) - 1)
        its = slice(number * count, (number + 1) * count)
        _fill(self.images[part][its], self.labels[part][its], stream, shown)
        self.read.add(name)

    def arrays(self) -> DataSet:
        """What was read, once all files were."""
        return self.images[0], self.labels[0], self.images[1], self.labels[1]


def _fill(images: Images, labels: Labels, stream: IO[bytes], shown: str) -> None:
    """Read as many records as there are images and labels, a few at a time."""
    for start in range(0, len(images), _CHUNK):
        its = slice(start, min(start + _CHUNK, len(images)))
        content = stream.read((its.stop - start) * _RECORD)
        if len(content) < (its.stop - start) * _RECORD:
            raise ValueError(f"{shown}: expected {len(images)} images, got fewer; {FIX}")
        records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
        labels[its], images[its] = records[:, 0], records[:, 1:].reshape(-1, *_SHAPE)
    check_labels(labels, shown)
