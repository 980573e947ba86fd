"""From row numbers to a batch: in the loop's own thread, or in a worker."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, generator, no_grad

from .collating import default_collate
from .dataset import TensorDataset, samples, without_subsets

# The row numbers of a batch, and the seed sequence of what is random in it (None: nothing is).
Task: TypeAlias = "tuple[NDArray[np.int64], Any]"


class Fetch:
    """A function from a task to a batch.  It can be pickled if its parts can.

    dataset, collate_fn, transform: those of the DataLoader.
    bare: the samples are the single elements of the data set's tuples.
    """

    def __init__(self, dataset: Any, bare: bool, collate_fn: Any, transform: Any) -> None:
        self.dataset = dataset
        self.bare = bare
        self.collate_fn = collate_fn
        self.transform = transform

    @property
    def is_plain(self) -> bool:
        """Whether batches are rows of arrays and nothing else, so that nothing is random."""
        innermost, _ = without_subsets(self.dataset, np.empty(0, np.int64))
        plain = type(innermost) is TensorDataset
        return plain and self.collate_fn is None and self.transform is None

    def __call__(self, task: Task) -> Any:
        """The batch with these rows."""
        indices, seeds = task
        if seeds is None:
            return self._batch(indices)
        with generator.seeded(seeds):
            batch = self._batch(indices)
            return batch if self.transform is None else self._transformed(batch)

    def _batch(self, indices: NDArray[np.int64]) -> Any:
        dataset, indices = without_subsets(self.dataset, indices)
        if self.collate_fn is None and type(dataset) is TensorDataset:
            rows = dataset[indices]
            return rows[0] if self.bare else rows
        found = samples(dataset, indices.tolist())
        if self.bare:
            found = [sample for (sample,) in found]
        return (self.collate_fn or default_collate)(found)

    def _transformed(self, batch: Any) -> Any:
        with no_grad():
            spread = batch if isinstance(batch, tuple | list) else (batch,)
            found = self.transform(*spread)
        if found is None:
            raise TypeError("DataLoader: transform: expected a batch; got None; return the batch")
        return in_tensors(found)


def in_tensors(batch: Any) -> Any:
    """The batch with a Tensor in place of each ndarray."""
    return mapped(Tensor.from_array, np.ndarray, batch)


def mapped(function: Any, kind: type, batch: Any) -> Any:
    """The batch with `function(x)` in place of each x of this kind, also in tuples and dicts."""
    if isinstance(batch, kind):
        return function(batch)
    if type(batch) in (tuple, list):
        return type(batch)([mapped(function, kind, part) for part in batch])
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*[mapped(function, kind, part) for part in batch])
    if type(batch) is dict:
        return {key: mapped(function, kind, part) for key, part in batch.items()}
    return batch
