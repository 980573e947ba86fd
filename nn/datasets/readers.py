"""What the readers of all files share: the form of the arrays, gzip, labels from 0 to 9."""

from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments

Images: TypeAlias = NDArray[np.uint8]
Labels: TypeAlias = NDArray[np.int64]
Part: TypeAlias = tuple[Images, Labels]
DataSet: TypeAlias = tuple[Images, Labels, Images, Labels]  # to train on, then to test on
Split: TypeAlias = Literal["train", "test"]

FIX = "remove it and get it again"
_GZIP_MAGIC = b"\x1f\x8b"


def is_gzipped(file: BinaryIO) -> bool:
    """Whether the file, which is read from its beginning, is gzipped, whatever its name says.

    Browsers unpack `.gz` files without changing the name.
    """
    start = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return start == _GZIP_MAGIC


def check_split(split: Split | None, function: str) -> None:
    """Refuse an argument `split` that is none."""
    arguments.choice(split, f"{function}: split", None, "train", "test")


def part_of(data: DataSet, split: Split | None) -> DataSet | Part:
    """Of the four arrays those that `split` asks for."""
    if split is None:
        return data
    return data[:2] if split == "train" else data[2:]


def check_labels(labels: NDArray[np.integer[Any]], shown: str) -> None:
    """Refuse labels that are not all from 0 to 9; `shown` is what the error calls their file."""
    if (labels > 9).any():
        first = int(np.argmax(labels > 9))
        raise ValueError(
            f"{shown}: expected labels from 0 to 9, got {labels[first]} at index {first}; "
            "is it the labels of another data set?"
        )
