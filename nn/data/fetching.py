"""From row numbers to a batch: in the loop's own thread, or in a worker."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, generator, no_grad

from .collating import default_collate
from .dataset import TensorDataset, as_tensor, samples, without_subsets
from .seeding import seed_globals

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
        try:
            with generator.seeded(seeds):
                batch = self._batch(indices)
                return batch if self.transform is None else self._transformed(batch)
        except StopIteration as error:  # it would end the loop silently
            raise RuntimeError(
                "DataLoader: a StopIteration came out of the data set, collate_fn or transform"
            ) from error

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
        return mapped(lambda array: as_tensor(array, "DataLoader: transform"), np.ndarray, found)


class FetchInProcess:
    """The same in a worker process, whose batch is sent to another one: arrays, without a graph.

    Global random generators, which the processes would have in common, are seeded for each batch,
    so that it does not matter which worker makes it, and what it made before.
    """

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch

    def __call__(self, task: Task) -> Any:
        """The batch with these rows, for `received`."""
        if task[1] is not None:
            seed_globals(task[1], 0)
        return mapped(_Sent, Tensor, self.fetch(task))


class _Sent:
    """A Tensor on its way to another process."""

    def __init__(self, tensor: Tensor) -> None:
        if tensor.requires_grad:
            raise ValueError(
                "DataLoader: a Tensor that requires grad cannot leave a worker process; detach() "
                "it, or pass threads=True"
            )
        self.array = tensor.data


def received(batch: Any) -> Any:
    """The batch that a worker process has sent."""
    return mapped(lambda sent: Tensor.from_array(sent.array), _Sent, batch)


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
