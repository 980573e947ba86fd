"""Sequences of different lengths, packed: the steps that they have, and none beyond their ends."""

from typing import Any

import numpy as np

from tinygrad_lite import Tensor, arguments, ops, recorded


class Packed:
    """How the rows of (L, N, features) are arranged in a matrix: a step below the one before.

    The longest sequence comes first, so that a step has the first rows of the step before: those
    of the sequences that go on.  Without `lengths`, it is a reshape.

    sizes    the number of rows of each step
    lengths  the number of steps of each of the N sequences, from 1 to L, in any order

    The same as pack_padded_sequence(enforce_sorted=False) and its inverse in PyTorch.
    """

    def __init__(self, steps: int, batch: int, lengths: Any = None) -> None:
        self.shape = (steps, batch)
        self.sizes = (batch,) * steps
        self.index: Any = None
        if lengths is None:
            return
        longest_first = np.argsort(-lengths, kind="stable")
        going_on = np.arange(steps)[:, None] < lengths[longest_first]  # (L, N)
        step, row = np.nonzero(going_on)
        self.sizes = tuple(going_on.sum(1).tolist())
        self.order = longest_first
        self.position = np.argsort(longest_first)
        self.ends = (np.cumsum(self.sizes) - self.sizes)[lengths - 1] + self.position
        self.index = (step, longest_first[row])

    def rows(self, x: Tensor) -> Tensor:
        """(L, N, features) -> (rows, features)."""
        if self.index is None:
            return x.reshape(-1, x.shape[-1])
        rows: Tensor = ops.Getitem.apply(x, index=self.index, distinct=True)
        return rows

    def padded(self, rows: Tensor) -> Tensor:
        """(rows, features) -> (L, N, features), with zeros beyond the ends."""
        shape = (*self.shape, rows.shape[1])
        if self.index is None:
            return rows.reshape(shape)
        x: Tensor = ops.ScatterAdd.apply(rows, index=self.index, distinct=True, shape=shape)
        return x

    def first(self, state: Tensor) -> Tensor:
        """The first state of each sequence, (N, features), in the order of the rows."""
        return state if self.index is None else state[self.order]

    def last(self, states: Tensor, backwards: bool) -> Tensor:
        """The last state of each sequence, (N, features), of those in all rows."""
        batch = self.shape[1]
        if self.index is not None:
            return states[self.position if backwards else self.ends]
        return states[:batch] if backwards else states[states.shape[0] - batch :]


def lengths_of(given: Any, name: str, steps: int, batch: int) -> Any:
    """Lengths as an array of `batch` integers from 1 to `steps`; None if all have all the steps."""
    if given is None:
        return None
    listed = given
    if isinstance(given, (Tensor, np.ndarray)):
        array = given.numpy() if isinstance(given, Tensor) else given
        recorded.leaves(f"{name} decide how many rows a step has; give a list of integers", array)
        listed = array.tolist()
    if not isinstance(listed, (list, tuple)) or not all(map(arguments.is_integer, listed)):
        raise arguments.wrong(name, "a list of integers, one for each sequence", given)
    if len(listed) != batch:
        raise ValueError(f"{name}: expected {batch}, one for each sequence; got {len(listed)}")
    for length in listed:
        if not 1 <= length <= steps:
            raise ValueError(f"{name}: expected integers from 1 to {steps}; got {length}")
    lengths = np.array(listed, np.intp)
    return None if (lengths == steps).all() else lengths
