"""MNIST: its four files, found or downloaded, and read together."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from nn.datasets.idx import read_idx
from nn.datasets.mirrors import DataUnavailable, download
from tinygrad_lite import files, warn

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

# The bytes of each file.
SIZES = dict(zip(CHECKSUMS, (9_912_422, 28_881, 1_648_877, 4_542), strict=True))

_KEEP = "set XDG_CACHE_HOME to a folder that can be written, to keep what was downloaded"

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def mnist(root: files.FilePath | None = None) -> tuple[Images, Labels, Images, Labels]:
    """The MNIST digits: 60,000 to train on and 10,000 to test on.

    Returns (X_train, Y_train, X_test, Y_test), ordinary writable arrays:

        X_train (60000, 1, 28, 28) uint8, 0 is paper and 255 ink    Y_train (60000,) int64, 0..9
        X_test  (10000, 1, 28, 28) uint8                            Y_test  (10000,) int64

    They are read from the first folder that holds all four IDX files, gzipped or not: `root`, then
    the folder named by the environment variable TINYGRAD_LITE_DATA, then the user's cache. If none
    does, they are downloaded into the cache (about 12 MB) and checked against their SHA-256; where
    there is no cache, as without a home folder, into that of TINYGRAD_LITE_DATA, or else into a
    temporary folder, which is removed. A warning tells if a folder was skipped. Files of the same
    form in `root`, such as Fashion-MNIST's or a shorter extract, are accepted too.

    Raises:
        DataUnavailable: none of the folders holds the files, and no mirror served them.
        ImportError: a download is needed, and pooch or filelock is not installed.
        ValueError: a file is damaged, or the files do not belong together; names the file.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, 1998
    (CC BY-SA 3.0).
    """
    passed_over: list[str] = []
    for name, folder in _named_folders(root).items():
        found = _find_files(folder)
        if len(found) == len(CHECKSUMS):
            return _read(found, passed_over, str(folder))
        passed_over.append(_holds(name, folder, found))
    with ExitStack() as stack:  # keeps a temporary folder until the files are read
        return _read(*_find_or_download(passed_over, stack))


def cache_folder() -> Path:
    """The folder in which this package keeps its downloads; it may not exist yet.

    It is in XDG_CACHE_HOME if that is set, otherwise in the platform's folder: ~/.cache on Linux,
    ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows.

    Raises FileNotFoundError if none of them is known, as in a container whose user has no home.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # its specification says to ignore a relative path
        base = Path(given)
    elif sys.platform == "darwin":
        base = _home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    else:
        base = _home() / ".cache"
    return base / "tinygrad-lite"


def _home() -> Path:
    """The user's home folder, which may not exist."""
    home = os.path.expanduser("~")
    if not os.path.isabs(home) or os.environ.get("HOME") == "":  # the user of a container
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", home)
    return Path(home)


def _named_folders(root: files.FilePath | None) -> dict[str, Path]:
    """The folders that the user named, each by the name of its setting, first choice first."""
    settings = {"root": root, "TINYGRAD_LITE_DATA": os.environ.get("TINYGRAD_LITE_DATA") or None}
    return {
        name: Path(files.checked_path(value, "mnist"))
        for name, value in settings.items()
        if value is not None
    }


def _find_files(folder: Path) -> dict[str, Path]:
    """The files among the four that `folder` holds, under any of their usual names."""
    found = {}
    for name in CHECKSUMS:
        plain = name.removesuffix(".gz")
        dotted = plain.replace("-idx", ".idx")  # the name in some archives and re-uploads
        # Unpacked files first: they are much faster to read.
        for variant in (plain, dotted, f"{plain}.gz", f"{dotted}.gz"):
            if os.path.isfile(folder / variant):
                found[name] = folder / variant
                break
    return found


def _cache() -> Path:
    """The folder of MNIST in the cache.  No home folder is made where there is none."""
    folder, home = cache_folder(), os.path.expanduser("~")
    if folder.is_relative_to(home) and not os.path.isdir(home):
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", home)
    return folder / "mnist"


def _find_or_download(
    passed_over: list[str], stack: ExitStack
) -> tuple[dict[str, Path], list[str], str]:
    """The four files, downloaded if necessary; all that was passed over; where the files are.

    stack: keeps a temporary folder, if that is the only place.
    """
    places: dict[str, Callable[[], Path]] = {
        "the cache": _cache,
        **{name: partial(Path, path) for name, path in _named_folders(None).items()},
        "a temporary folder": lambda: Path(
            stack.enter_context(TemporaryDirectory(prefix="tinygrad-lite-"))
        ),
    }
    failures: list[str] = []
    for name, place in places.items():
        try:
            folder = place()
            found = _find_files(folder)
            missing = {file: sha256 for file, sha256 in CHECKSUMS.items() if file not in found}
            failures = download(missing, SIZES, MIRRORS, folder) if missing else []
        except OSError as error:
            passed_over.append(f"{name} cannot be written ({error.strerror or error})")
            continue
        found = _find_files(folder)
        if len(found) == len(CHECKSUMS):
            kept = name != "a temporary folder"
            return found, passed_over, str(folder) if kept else f"{name}; {_KEEP}"
        passed_over.append(_holds(name, folder, found))
        break
    raise DataUnavailable(
        f"MNIST is not here and could not be downloaded: {'; '.join(passed_over + failures)}; "
        "pass root= or set TINYGRAD_LITE_DATA to a folder that holds the four IDX files"
    )


def _holds(name: str, folder: Path, found: dict[str, Path]) -> str:
    return f"{name} {files.printable(folder)} holds {len(found)} of the {len(CHECKSUMS)} files"


def _read(
    found: dict[str, Path], passed_over: list[str], using: str
) -> tuple[Images, Labels, Images, Labels]:
    """Read the four files, after a warning if folders were passed over."""
    if passed_over:
        warn(f"{'; '.join(passed_over)}: using {files.printable(using)}")
    train_images, train_labels, test_images, test_labels = (found[name] for name in CHECKSUMS)
    return *_read_pair(train_images, train_labels), *_read_pair(test_images, test_labels)


def _read_pair(images_path: Path, labels_path: Path) -> tuple[Images, Labels]:
    """Read images (N, 1, 28, 28) and their labels (N,), and check that they belong together."""
    images, labels = read_idx(images_path), read_idx(labels_path)
    images_name, labels_name = files.printable(images_path), files.printable(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(
            f"{images_name}: expected uint8 images of shape (N, 28, 28), "
            f"got {images.dtype} of shape {images.shape}; is it another file under this name?"
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(
            f"{labels_name}: expected uint8 labels of shape (N,), "
            f"got {labels.dtype} of shape {labels.shape}; is it another file under this name?"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_name}: expected {len(images)} labels, one for each image of "
            f"{images_path.name}, got {len(labels)}; get both files from one source"
        )
    if (labels > 9).any():
        first = int(np.argmax(labels > 9))
        raise ValueError(
            f"{labels_name}: expected labels from 0 to 9, got {labels[first]} at index {first}; "
            "is it the labels of another data set?"
        )
    # int64: as uint8, `label - 1` or `10 * label` would overflow silently.
    return images[:, np.newaxis], labels.astype(np.int64)
