"""One epoch of a DataLoader: the rows of each batch, their seeds, and how many were delivered."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments, generator

from .fetching import Task
from .seeding import batch_entropy

_POSITION = {"delivered", "start", "order", "bounds"}


class Epoch:
    """One pass through the data.

    number: the number of epochs that began before it.
    start: the generator as this epoch found it, from which the seeds of its batches follow; None
        if nothing in it is random.
    order, bounds: the batch number k has the rows order[bounds[k]:bounds[k + 1]].
    sampled: the order is a sampler's, which may not give it again.
    delivered: the number of batches that the loop was given.
    ended: whether it was counted.
    """

    def __init__(
        self,
        number: int,
        start: "np.random.Generator | None",
        order: NDArray[np.int64],
        bounds: NDArray[np.int64],
        sampled: bool,
    ) -> None:
        self.number = number
        self.start = start
        self.order = order
        self.bounds = bounds
        self.sampled = sampled
        self.delivered = 0
        self.ended = False

    @property
    def batches(self) -> int:
        """The number of batches in it."""
        return len(self.bounds) - 1

    @property
    def left(self) -> int:
        """The number of batches that were not delivered."""
        return self.batches - self.delivered

    def rows(self, number: int) -> NDArray[np.int64]:
        """The row numbers of one batch."""
        return self.order[self.bounds[number] : self.bounds[number + 1]]

    def worker_seeds(self) -> "np.random.SeedSequence | None":
        """A sequence to spawn the seeds of workers from: other ones than those of the batches."""
        if self.start is None:
            return None
        return np.random.SeedSequence(batch_entropy(self.start), spawn_key=(self.number, 0, 0))

    def tasks(self, seeded: bool) -> Iterator[Task]:
        """What is to be fetched for the rest of the epoch, with a seed sequence for each batch."""
        entropy = batch_entropy(self.start) if seeded and self.start is not None else None
        seeds = None
        for number in range(self.delivered, self.batches):
            if entropy is not None:
                seeds = np.random.SeedSequence(entropy, spawn_key=(self.number, number))
            yield self.rows(number), seeds

    def position(self) -> dict[str, Any]:
        """The position in it, for a state, with the order if that is a sampler's."""
        return {
            "delivered": self.delivered,
            "start": None if self.start is None else generator.get_state(self.start),
            "order": self.order.copy() if self.sampled else None,
            "bounds": self.bounds.copy() if self.sampled else None,
        }


def checked_position(position: Any, draws: bool, sampled: bool, where: str) -> Mapping[str, Any]:
    """What `position` gave, of an epoch that draws random numbers, or has a sampler's order."""
    if not isinstance(position, Mapping) or set(position) != _POSITION:
        raise ValueError(
            f"{where}: expected a dict of {', '.join(sorted(_POSITION))}; got "
            f"{arguments.shown(position)}"
        )
    expected = {"start": draws, "order": sampled, "bounds": sampled}
    for name, wanted in expected.items():
        if (position[name] is not None) != wanted:
            said = "is missing" if wanted else "expected None"
            raise ValueError(f"{where}: {name}: {said}; this state is of a loader of other options")
    return position


def checked_order(order: Any, bounds: Any, rows: int | None, where: str) -> Any:
    """The order and the bounds of a state, if each is in range."""
    order, bounds = (
        _integers(each, f"{where}: {name}") for name, each in (("order", order), ("bounds", bounds))
    )
    require_rows(order, rows, f"{where}: order", ValueError)
    if not len(bounds) or bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] > len(order):
        raise ValueError(f"{where}: bounds: expected rising numbers from 0 to at most {len(order)}")
    return order, bounds


def count(value: Any, most: int | None, where: str) -> int:
    """A number of a state: an int of 0 or more."""
    if type(value) is not int or value < 0 or (most is not None and value > most):
        limit = "or more" if most is None else f"to {most}"
        raise ValueError(f"{where}: expected an integer of 0 {limit}; got {arguments.shown(value)}")
    return value


def as_order(numbers: Iterable[Any], rows: int | None, name: str) -> NDArray[np.int64]:
    """What a sampler gave as an array."""
    order = np.array([arguments.integer(number, name) for number in numbers], np.int64)
    require_rows(order, rows, name, IndexError)
    return order


def require_rows(
    order: NDArray[np.int64], rows: int | None, name: str, error: type[Exception]
) -> None:
    """Refuse numbers of which there is no row; rows: None if that is not known."""
    if rows is None or not len(order):
        return
    low, high = int(order.min()), int(order.max())
    if low < -rows or high >= rows:
        odd = low if low < -rows else high
        raise error(f"{name}: there are {rows} rows; got the index {odd}")


def bounds_of(length: int, batch_size: int, drop_last: bool) -> NDArray[np.int64]:
    """Where each batch begins in an order of this length, and where the last one ends."""
    whole, rest = divmod(length, batch_size)
    bounds = np.arange(whole + 1) * batch_size
    return np.append(bounds, length) if rest and not drop_last else bounds


def _integers(value: Any, name: str) -> NDArray[np.int64]:
    """An array of integers out of a state."""
    if isinstance(value, Tensor):
        value = value.data
    elif isinstance(value, list | tuple) and all(type(number) is int for number in value):
        value = np.array(value) if value else np.empty(0, np.int64)
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers, (N,); got {arguments.shown(value)}")
    if value.dtype == np.uint64:
        raise ValueError(f"{name}: expected integers of 63 bits; got {arguments.shown(value)}")
    return value.astype(np.int64)
