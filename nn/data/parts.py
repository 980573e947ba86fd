"""The parts of a batch: which rows each has, which of them are this process's, and their seeds.

`nn._processes.Part` says what a part is.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import generator

from .._processes import Batch, Fact, Part, Processes, checksum, current

# The parts that loop bodies have at the moment; the last one is `current().part`.
_served: "list[Serving]" = []
_begun = count(1)


def cut(length: int, parts: int, number: int) -> slice:
    """Of so many rows in so many contiguous parts, the one with this number.

    As np.array_split cuts them: the first `length % parts` have one row more.
    """
    size, more = divmod(length, parts)
    start = number * size + min(number, more)
    return slice(start, start + size + (number < more))


def parts_of(total: int, processes: Processes) -> list[tuple[Part, slice]]:
    """This process's parts of a batch with so many rows, each with its rows.

    Those without a row are left out; if it has no other, it gets a copy of the batch's first row.

    ValueError for a batch without rows, of which nobody can have one.
    """
    if not total:
        raise ValueError("a batch in parts: expected one row or more; got none")
    parts = processes.parts
    own, batch = cut(parts, processes.size, processes.rank), Batch()
    numbers = [number for number in range(own.start, own.stop) if number < total]
    if not numbers:
        part = Part(min(own.start, parts - 1), parts, 0, total, last=True, batch=batch)
        return [(part, slice(0, 1))]
    found = []
    for number in numbers:
        rows = cut(total, parts, number)
        last = number == numbers[-1]
        found.append((Part(number, parts, rows.stop - rows.start, total, last, batch), rows))
    return found


def seeds_of(entropy: Any, *key: int) -> "np.random.SeedSequence":
    """The seed sequence of what a part draws; key: its numbers, such as epoch, batch and part."""
    return np.random.SeedSequence(entropy, spawn_key=key)


class Serving:
    """While a loop body has a part: `current().part`, and what Tensor draws from.

    The generator that Tensor draws from otherwise is not moved by the body, so that it stays the
    same in all processes.  `begin` and `end` may come in any order, as of two loaders in one `zip`;
    then the part is that of the one that began last.

    since: when the loop began with its part before this one, 0 for the first.
    """

    def __init__(self, part: Part, seeds: "np.random.SeedSequence", since: int) -> None:
        self.part, self.branch = part, generator.Branch(seeds)
        self.since = self.began = since

    def begin(self) -> None:
        """The loop body begins."""
        self.began = next(_begun)
        _served.append(self)
        current().part = self.part
        self.branch.open()

    def end(self) -> None:
        """The loop body is through, or was left."""
        self.branch.close()
        if self in _served:
            _served.remove(self)
        current().part = _served[-1].part if _served else None


def served(parts: Iterator[tuple[Part, "np.random.SeedSequence", Any]]) -> Iterator[Any]:
    """What each part has, with `Serving` around the loop body."""
    since = 0
    for part, seeds, content in parts:
        serving = Serving(part, seeds, since)
        serving.begin()
        since = serving.began
        try:
            yield content
        finally:
            serving.end()


def beside(part: Part) -> Iterator[Part]:
    """The parts of other loops that go on step by step with the one of this part, as in a `zip`.

    A loop that stays at its part while the other goes on has that in its body.  With the first part
    of the other, this cannot be known yet.
    """
    newest = _served[-1] if _served else None
    if newest is not None and newest.part is part:
        for other in _served[:-1]:
            if other.began > newest.since:
                yield other.part


def cut_alike(one: Part, other: Part) -> bool:
    """Whether the parts of both batches with the same number have the same share of the rows."""
    divides = not (one.total % one.parts or other.total % other.parts)
    return one.parts == other.parts and (one.total == other.total or divides)


def facts_of(
    name: str, arrays: Iterable[NDArray[Any]], fix: str, *before_values: Fact
) -> Iterator[Fact]:
    """What must be the same of arrays in all processes: the forms of all, then their values.

    before_values: facts that come between both, such as what the values follow from.
    """
    arrays = [*arrays]
    for number, array in enumerate(arrays):
        yield Fact(f"{name} {number} as {array.dtype} {array.shape}", fix)
    yield from before_values
    for number, array in enumerate(arrays):
        yield Fact(f"{name} {number} with the sum {_sum(array)}", fix)
    for number, array in enumerate(arrays):
        has = f"{name} {number} in another order, with the checksum {checksum([array])}"
        yield Fact(has, f"{fix}; the sums are equal, so look for the same values in another order")


def _sum(array: NDArray[Any]) -> str:
    """In float64 for floats: float16 ends at 65504."""
    if array.dtype.kind not in "biuf":
        return ""
    with np.errstate(all="ignore"):
        return f"{array.sum(dtype=np.float64 if array.dtype.kind == 'f' else None):.9g}"
