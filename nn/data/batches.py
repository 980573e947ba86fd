"""A data set in batches."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments


class Indexable(Protocol):
    """What can be batched: it has a length, and an array of row numbers selects rows from it."""

    def __len__(self) -> int:
        """The number of rows."""
        ...

    def __getitem__(self, index: NDArray[np.int64], /) -> Any:
        """The rows with these numbers, in this order."""
        ...


class Batches:
    """Batches of rows from one or more arrays of the same length; each `for` is one epoch.

        for x, y in Batches(X_train, Y_train, batch_size=128, seed=0):
            ...  # X_train (60000, 1, 28, 28), Y_train (60000,) -> x (128, 1, 28, 28), y (128,)

    arrays: ndarrays, Tensors, or anything else that an array of row numbers can index; (N, ...).
        What pandas labels is taken by position.
        One array gives bare batches, several give tuples, with the same rows of each.
    batch_size: number of rows in a batch; the last batch has the remaining rows.
    shuffle: a new random order for every epoch; with False, the rows keep their order.
    seed: an int, or a np.random.Generator to draw the orders from (a shared one continues from its
        current state). The same int gives the same batches in the same order, epoch by epoch.
        None takes fresh entropy. NumPy's global random state is neither read nor changed.
    drop_last: leave out the last batch if it is smaller.

    `len()` is the number of batches in an epoch. A batch of an ndarray is a copy of the same
    dtype: writing into it does not change the data.

    Raises ValueError if the lengths differ, if batch_size is below 1, and if drop_last leaves no
    batch; TypeError for a list or a tuple, which an array cannot index.
    """

    def __init__(
        self,
        *arrays: Indexable,
        batch_size: int,
        shuffle: bool = True,
        seed: "int | np.random.Generator | None" = None,  # quoted: np.random is slow to import
        drop_last: bool = False,
    ) -> None:
        self.arrays = tuple(map(_by_position, arrays))
        self.rows = _common_length(arrays)
        self.batch_size = arguments.integer(batch_size, "Batches: batch_size", least=1)
        self.shuffle = arguments.flag(shuffle, "Batches: shuffle")
        self.drop_last = arguments.flag(drop_last, "Batches: drop_last")
        self.generator = _generator(seed)
        if self.drop_last and 0 < self.rows < self.batch_size:
            raise ValueError(
                f"Batches: drop_last leaves nothing of {self.rows} rows at batch_size "
                f"{batch_size}; make the batches smaller or pass drop_last=False"
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(self.rows, self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """One epoch: each row once, except those that drop_last leaves out."""
        order = self.generator.permutation(self.rows) if self.shuffle else np.arange(self.rows)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            index = order[start : start + self.batch_size]
            # Not np.take: it is no faster on contiguous rows, and copies the whole array for every
            # batch if that is not contiguous.
            batch = tuple(array[index] for array in self.arrays)
            yield batch if len(batch) > 1 else batch[0]


def _by_position(array: Any) -> Any:
    """A Series or DataFrame of pandas as an ndarray, since its own index picks rows by label."""
    return array.to_numpy() if hasattr(array, "iloc") else array


def _generator(seed: Any) -> "np.random.Generator":
    """The generator that the orders are drawn from."""
    kinds = np.random.Generator | np.random.BitGenerator | np.random.SeedSequence
    if seed is not None and not isinstance(seed, kinds):
        seed = arguments.seed(seed, "Batches: seed")
    return np.random.default_rng(seed)


def _common_length(arrays: tuple[Indexable, ...]) -> int:
    """The number of rows, which is the same for all arrays."""
    if not arrays:
        raise TypeError("Batches: expected one or more arrays, got none")
    for array in arrays:
        if isinstance(array, list | tuple):
            name = type(array).__name__
            raise TypeError(f"Batches: expected arrays or Tensors, got a {name}; use np.array(...)")
        if not hasattr(array, "__len__") or getattr(array, "shape", None) == ():
            raise arguments.wrong("Batches", "arrays or Tensors", array)
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"Batches: expected arrays of one length, got {lengths}")
    return lengths[0]
