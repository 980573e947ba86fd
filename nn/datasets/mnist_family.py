"""MNIST and the two data sets of its form, Fashion-MNIST and KMNIST: four IDX files each.

The files of all three have the same names.  What tells them apart is the folder (`mnist`,
`fashion-mnist`, `kmnist`, or torchvision's `MNIST/raw` and so on) or the labels in them: those of
the test images are known by their SHA-256.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import overload

import numpy as np

from nn.datasets.folders import Source, locate
from nn.datasets.idx import read_idx
from nn.datasets.mirrors import File
from nn.datasets.readers import DataSet, Images, Labels, Part, Split, check_labels, check_split
from tinygrad_lite import files

# In the order in which the functions return the contents.
_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@overload
def mnist(root: files.FilePath | None = None, split: None = None) -> DataSet: ...


@overload
def mnist(root: files.FilePath | None = None, *, split: Split) -> Part: ...


def mnist(root: files.FilePath | None = None, split: Split | None = None) -> DataSet | Part:
    """The MNIST digits: 60,000 to train on and 10,000 to test on.

    Returns (X_train, Y_train, X_test, Y_test), ordinary writable arrays:

        X_train (60000, 1, 28, 28) uint8, 0 is paper and 255 ink    Y_train (60000,) int64, 0..9
        X_test  (10000, 1, 28, 28) uint8                            Y_test  (10000,) int64

    split: "train" or "test" returns that part only, (X, Y), and the images of the other are not
    even opened.

    They are read from the first folder that holds all four IDX files, gzipped or not: `root`, then
    the folder named by the environment variable TINYGRAD_LITE_DATA, then the user's cache; in each
    of the first two, `mnist` and `MNIST/raw` below it come before the folder itself. If none holds
    them, they are downloaded into the cache (about 12 MB) and checked against their SHA-256; where
    there is no cache, as without a home folder, into that of TINYGRAD_LITE_DATA, or else into a
    temporary folder, which is removed. A warning tells if a folder was skipped.

    The files of another data set that has a function here are never taken for MNIST's: in `root`
    they are an error, in TINYGRAD_LITE_DATA they are skipped. Other files of the same form, such
    as a shorter extract, are accepted.

    Raises:
        DataUnavailable: none of the folders holds the files, and no mirror served them.
        ImportError: a download is needed, and pooch or filelock is not installed.
        ValueError: a file is damaged, or the files do not belong together; names the file.

    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, 1998
    (CC BY-SA 3.0).
    """
    return _read(MNIST, root, split)


@overload
def fashion_mnist(root: files.FilePath | None = None, split: None = None) -> DataSet: ...


@overload
def fashion_mnist(root: files.FilePath | None = None, *, split: Split) -> Part: ...


def fashion_mnist(root: files.FilePath | None = None, split: Split | None = None) -> DataSet | Part:
    """Fashion-MNIST: 70,000 pictures of clothes in the form of MNIST, and harder to tell apart.

    Returns (X_train, Y_train, X_test, Y_test) with the shapes and types of `mnist`; 0 is the
    background. `CLASSES["fashion_mnist"]` names the ten classes.

    split: as for `mnist`.

    The files are found, downloaded (about 31 MB) and checked as those of `mnist`, in
    `fashion-mnist` or `FashionMNIST/raw` below a named folder, or in that folder itself. Since
    they have the names of MNIST's, TINYGRAD_LITE_DATA itself counts only if its labels are
    Fashion-MNIST's, or if it is called so; in `root`, other files of this form are accepted too.

    Raises the errors of `mnist`.

    Source: H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking
    Machine Learning Algorithms, 2017 (MIT licence); https://github.com/zalandoresearch/fashion-mnist.
    """
    return _read(FASHION_MNIST, root, split)


@overload
def kmnist(root: files.FilePath | None = None, split: None = None) -> DataSet: ...


@overload
def kmnist(root: files.FilePath | None = None, *, split: Split) -> Part: ...


def kmnist(root: files.FilePath | None = None, split: Split | None = None) -> DataSet | Part:
    """KMNIST: 70,000 handwritten Japanese characters (Kuzushiji) in the form of MNIST.

    Returns (X_train, Y_train, X_test, Y_test) with the shapes and types of `mnist`.
    `CLASSES["kmnist"]` names the ten classes, each a character of modern hiragana.

    split: as for `mnist`.

    The files are found, downloaded (about 21 MB) and checked as those of `fashion_mnist`, in
    `kmnist` or `KMNIST/raw` below a named folder, or in that folder itself.

    Raises the errors of `mnist`.

    Source: T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha, Deep Learning
    for Classical Japanese Literature, 2018 (CC BY-SA 4.0); https://codh.rois.ac.jp/kmnist/.
    """
    return _read(KMNIST, root, split)


@dataclass(frozen=True)
class IdxSource(Source):
    """A data set of four IDX files with the names of MNIST's."""

    labels_sha256: str  # of the unpacked test labels; empty if nobody has published it

    def find(self, folder: Path) -> dict[str, Path]:
        """Those of the four files that are in the folder, under any of their usual names."""
        found = {}
        for name in self.files:
            plain = name.removesuffix(".gz")
            dotted = plain.replace("-idx", ".idx")  # the name in some archives and re-uploads
            # Unpacked files first: they are much faster to read.
            for variant in (plain, dotted, f"{plain}.gz", f"{dotted}.gz"):
                if os.path.isfile(folder / variant):
                    found[name] = folder / variant
                    break
        return found

    def objection(self, setting: str, folder: Path, found: Mapping[str, Path]) -> str:
        """That files are missing, or that they are those of another data set."""
        if len(found) < len(self.files):
            return f"holds {len(found)} of the {len(self.files)} files"
        owner, whole = _by_labels(found[_NAMES[-1]])
        if setting == "root":
            if owner is not None and owner is not self:
                raise ValueError(
                    f"{self.function}: expected the files of {self.title} in "
                    f"{files.printable(folder)}, got those of {owner.title}; "
                    f"{owner.function}() reads them"
                )
            return ""
        owner = owner or _by_name(folder)
        if owner is not None:
            return "" if owner is self else f"holds the files of {owner.title}"
        if self is MNIST and not whole:
            return ""  # an extract, or files made for a test
        return (
            f"holds files that may be those of another data set; {self.title} is looked for in "
            f"its subfolder {self.folders[0]}"
        )


def _family() -> tuple[IdxSource, ...]:
    return MNIST, FASHION_MNIST, KMNIST


def _by_labels(path: Path) -> tuple[IdxSource | None, bool]:
    """The data set that has these test labels, if it is known; whether there are 10,000."""
    try:
        labels = read_idx(path)
        with files.reading(path) as file:
            packed = hashlib.sha256(file.read(1 << 20)).hexdigest()
    except (OSError, ValueError):  # the reader of all four files will say so
        return None, False
    header = bytes([0, 0, 8, labels.ndim]) + np.array(labels.shape, ">u4").tobytes()
    unpacked = hashlib.sha256(header + labels.tobytes()).hexdigest()
    for source in _family():
        if unpacked == source.labels_sha256 or packed == source.files[_NAMES[-1]].sha256:
            return source, True
    return None, len(labels) == 10_000


def _by_name(folder: Path) -> IdxSource | None:
    """The data set that the folder is called after."""
    parts = PurePath(os.path.abspath(folder)).parts
    for source in _family():
        for name in source.folders:
            ending = PurePath(name).parts
            if parts[-len(ending) :] == ending:
                return source
    return None


def _read(source: IdxSource, root: files.FilePath | None, split: Split | None) -> DataSet | Part:
    """Find the four files, and read those of the parts that are wanted."""
    check_split(split, source.function)
    with ExitStack() as stack:
        found = locate(source, root, stack)
        train_images, train_labels, test_images, test_labels = (found[name] for name in _NAMES)
        train = () if split == "test" else _read_pair(train_images, train_labels)
        test = () if split == "train" else _read_pair(test_images, test_labels)
        return *train, *test


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
    check_labels(labels, labels_name)
    # int64: as uint8, `label - 1` or `10 * label` would overflow silently.
    return images[:, np.newaxis], labels.astype(np.int64)


def _files(*sizes_and_sums: tuple[int, str]) -> dict[str, File]:
    """The four files, in the order of _NAMES, as size and SHA-256."""
    return {name: File(*pair) for name, pair in zip(_NAMES, sizes_and_sums, strict=True)}


# The mirrors serve the original files, bit for bit, and are tried in this order.
MNIST = IdxSource(
    title="MNIST",
    function="mnist",
    folders=("mnist", "MNIST/raw"),
    files=_files(
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    wanted="the four IDX files",
    labels_sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
FASHION_MNIST = IdxSource(
    title="Fashion-MNIST",
    function="fashion_mnist",
    folders=("fashion-mnist", "FashionMNIST/raw"),
    files=_files(
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    mirrors=(
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    wanted="fashion-mnist/ with the four IDX files",
    labels_sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)
KMNIST = IdxSource(
    title="KMNIST",
    function="kmnist",
    folders=("kmnist", "KMNIST/raw"),
    files=_files(
        (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    ),
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/KMNIST/",
    ),
    wanted="kmnist/ with the four IDX files",
    labels_sha256="",
)
