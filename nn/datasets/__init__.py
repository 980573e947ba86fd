"""Data sets: images of ten classes, found on this machine or downloaded, with their labels.

    X_train, Y_train, X_test, Y_test = nn.datasets.mnist()

    mnist, fashion_mnist, kmnist    70,000 digits, clothes, Japanese characters: (N, 1, 28, 28)
    cifar10                         60,000 photographs: (N, 3, 32, 32)
    digits                          1797 small digits that come with this package: (N, 1, 8, 8)

All return the same four arrays: images as uint8 and labels (N,) from 0 to 9 as int64, so one can
replace the other. With split="train" or split="test" they return that part only, (X, Y).

All but `digits` look for their files in `root`, in the folder that the environment variable
TINYGRAD_LITE_DATA names and in the user's cache, then download them with their SHA-256 checked, and
raise `DataUnavailable` if that fails. `CLASSES["cifar10"]` and so on are the names of the classes.
`read_idx` reads any IDX file.
"""

from typing import NoReturn

from nn._other_names import DATASETS, missing
from nn.datasets.cifar import cifar10
from nn.datasets.classes import CLASSES
from nn.datasets.idx import read_idx
from nn.datasets.mirrors import DataUnavailable
from nn.datasets.mnist_family import fashion_mnist, kmnist, mnist
from nn.datasets.optdigits import digits

__all__ = [
    "CLASSES",
    "DataUnavailable",
    "cifar10",
    "digits",
    "fashion_mnist",
    "kmnist",
    "mnist",
    "read_idx",
]


def __getattr__(name: str) -> NoReturn:
    """Names of torchvision, with what to write here."""
    raise missing(__name__, name, DATASETS)
