"""Serving data sets to a training loop: the index of this folder."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._other_names import DATA
from ._worker import WorkerInfo, get_worker_info  # which of several workers calls it
from .collating import default_collate  # samples become a batch
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset  # rows of arrays; parts; several
from .loader import DataLoader  # batches, epoch by epoch, and where they stand

# samplers.py: which samples come, in which order
from .samplers import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .splits import k_fold, random_split, train_test_split  # parts, with a share of each class

if TYPE_CHECKING:
    from . import augment  # batches of images changed at random

# given_data.py: arrays or a data set; tables.py: rows of pandas by position; fetching.py: from row
# numbers to a batch; epochs.py: one pass, and the position in it; seeding.py: random orders and
# seeds; workers.py: threads and processes that fetch ahead
__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "augment",
    "default_collate",
    "get_worker_info",
    "k_fold",
    "random_split",
    "train_test_split",
]


def __getattr__(name: str) -> Any:
    """`nn.data.augment`, imported when first used; any other name is not here."""
    if name == "augment":
        return import_module(f"{__name__}.augment")
    hint = f"; here it is {DATA[name]}" if name in DATA else ""
    raise AttributeError(
        f"module 'nn.data' has no attribute {name!r}{hint}", name=name, obj=sys.modules[__name__]
    )
