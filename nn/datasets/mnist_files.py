"""MNIST: its four files, found or downloaded, and read together."""

import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nn.datasets.idx import read_idx
from nn.datasets.mirrors import DataUnavailable, download
from tinygrad_lite import warn

# Both serve the original files, bit for bit, and are tried in this order.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# SHA-256 of each file, in the order in which `mnist` returns the contents.
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def mnist(root: str | os.PathLike[str] | None = None) -> tuple[Images, Labels, Images, Labels]:
    """The MNIST digits: 60,000 to train on and 10,000 to test on.

    Returns (X_train, Y_train, X_test, Y_test), ordinary writable arrays:

        X_train (60000, 1, 28, 28) uint8, 0 is paper and 255 ink    Y_train (60000,) int64, 0..9
        X_test  (10000, 1, 28, 28) uint8                            Y_test  (10000,) int64

    They are read from the first folder that holds all four IDX files, gzipped or not: `root`, then
    the folder named by the environment variable TINYGRAD_LITE_DATA, then the user's cache. If none
    does, they are downloaded into the cache (about 12 MB) and checked against their SHA-256. A
    warning tells if `root` or TINYGRAD_LITE_DATA was skipped. Files of the same form in `root`,
    such as Fashion-MNIST's or a shorter extract, are accepted too.

    Raises:
        DataUnavailable: none of the folders holds the files, and no mirror served them.
        ImportError: a download is needed, and pooch or filelock is not installed.
        ValueError: a file is damaged, or the files do not belong together; names the file.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, 1998
    (CC BY-SA 3.0).
    """
    cache = cache_folder() / "mnist"
    passed_over = []
    for name, folder in _named_folders(root).items():
        files = _find_files(folder)
        if len(files) == len(CHECKSUMS):
            break
        passed_over.append(f"{name} {folder} holds {len(files)} of the {len(CHECKSUMS)} files")
    else:
        folder = cache
        files = _find_or_download(cache, passed_over)
    if passed_over:
        warn(f"{'; '.join(passed_over)}: using {folder}")
    train_images, train_labels, test_images, test_labels = (files[name] for name in CHECKSUMS)
    return *_read_pair(train_images, train_labels), *_read_pair(test_images, test_labels)


def cache_folder() -> Path:
    """The folder in which this package keeps its downloads; it may not exist yet.

    It is in XDG_CACHE_HOME if that is set, otherwise in the platform's folder: ~/.cache on Linux,
    ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # its specification says to ignore a relative path
        base = Path(given)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path.home() / ".cache"
    return base / "tinygrad-lite"


def _named_folders(root: str | os.PathLike[str] | None) -> dict[str, Path]:
    """The folders that the user named, each by the name of its setting, first choice first."""
    settings = {"root": root, "TINYGRAD_LITE_DATA": os.environ.get("TINYGRAD_LITE_DATA") or None}
    return {name: Path(value).expanduser() for name, value in settings.items() if value is not None}


def _find_files(folder: Path) -> dict[str, Path]:
    """The files among the four that `folder` holds, under any of their usual names."""
    found = {}
    for name in CHECKSUMS:
        plain = name.removesuffix(".gz")
        dotted = plain.replace("-idx", ".idx")  # the name in some archives and re-uploads
        # Unpacked files first: they are much faster to read.
        for variant in (plain, dotted, f"{plain}.gz", f"{dotted}.gz"):
            if (folder / variant).is_file():
                found[name] = folder / variant
                break
    return found


def _find_or_download(cache: Path, passed_over: list[str]) -> dict[str, Path]:
    """The four files in the cache, downloaded into it if necessary."""
    files = _find_files(cache)
    if len(files) == len(CHECKSUMS):
        return files
    missing = {name: sha256 for name, sha256 in CHECKSUMS.items() if name not in files}
    try:
        failures = download(missing, MIRRORS, cache)
    except OSError as error:
        failures = [f"the cache cannot be written ({error.strerror or error})"]
    files = _find_files(cache)
    if len(files) < len(CHECKSUMS):
        where = [
            *passed_over,
            f"the cache {cache} holds {len(files)} of the {len(CHECKSUMS)} files",
        ]
        raise DataUnavailable(
            f"MNIST is not here and could not be downloaded: {'; '.join(where + failures)}; "
            "pass root= or set TINYGRAD_LITE_DATA to a folder that holds the four IDX files"
        )
    return files


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Images, Labels]:
    """Read images (N, 1, 28, 28) and their labels (N,), and check that they belong together."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(
            f"{images_path}: expected uint8 images of shape (N, 28, 28), "
            f"got {images.dtype} of shape {images.shape}; is it another file under this name?"
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{labels_path}: expected uint8 labels of shape (N,), "
            f"got {labels.dtype} of shape {labels.shape}; is it another file under this name?"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: expected {len(images)} labels, one for each image of "
            f"{images_path.name}, got {len(labels)}; get both files from one source"
        )
    if (labels > 9).any():
        first = int(np.argmax(labels > 9))
        raise ValueError(
            f"{labels_path}: expected labels from 0 to 9, got {labels[first]} at index {first}; "
            "is it the labels of another data set?"
        )
    # int64: as uint8, `label - 1` or `10 * label` would overflow silently.
    return images[:, np.newaxis], labels.astype(np.int64)
