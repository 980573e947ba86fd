"""From arrays and data sets to batches for a training loop.

    DataLoader                           batches, epoch by epoch, and the position in them
    Dataset, TensorDataset, Subset, ConcatDataset    one sample by its number
    RandomSampler, SubsetRandomSampler, WeightedRandomSampler, SequentialSampler, BatchSampler
                                         which samples come, in which order
    train_test_split, random_split, k_fold    parts, with each class's share if asked
    augment                              batches of images changed at random
    default_collate, get_worker_info     a batch of samples; the worker that makes it

A batch is a Tensor, or a tuple of Tensors.  `docs/training.md` shows these in use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._other_names import DATA, missing
from ._worker import WorkerInfo, get_worker_info  # the worker that calls it
from .collating import default_collate  # samples become a batch
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset  # rows of arrays; parts; several
from .loader import DataLoader  # batches, epoch by epoch, and its position in them

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

# What these are made of.
# loader: given_data.py, arrays or a data set; tables.py, rows of pandas by position; epochs.py, one
#     epoch and the position in it; seeding.py, random orders and seeds; fetching.py, from row
#     numbers to a batch
# sharded.py, one of several processes serves its parts of each batch; parts.py, which these are
# workers.py, which fetch ahead: _threads.py, _processes.py, the two kinds; _worker.py, what they
#     share; _messages.py, what is sent between processes
# splits: stratifying.py, the share of each class
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
    raise missing(__name__, name, DATA)
