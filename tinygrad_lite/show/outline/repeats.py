"""Equal parts that follow each other in a sequence: (A, B), (A, B), (A, B), ... as 3 x (A, B)."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

LEAST = 3  # repetitions; two parts are shown as they are
LONGEST_PERIOD = 256


class Repeat(NamedTuple):
    """`number` parts of `period` elements each, the first beginning at `start`."""

    start: int
    period: int
    number: int


def repeats(
    kinds: Sequence[int],
    begins: Callable[[int], bool],
    alike: Callable[[Repeat], int],
    longest: int = LONGEST_PERIOD,
) -> Iterator[Repeat]:
    """The repeats in a sequence of kinds, in order and without overlap.

    begins   whether a part should begin at this element, where several elements would do
    alike    how many of the parts, counted from the first, are indeed repetitions of each other
    longest  the longest period that is looked for
    """
    values = np.asarray(kinds)
    size = len(values)
    best = np.zeros(size, np.int64)  # number of elements that the best repeat from here covers
    periods = np.zeros(size, np.int64)
    for period in range(1, min(longest, size // LEAST) + 1):
        counts = _equal_from(values, period) // period + 1
        covered = np.where(counts >= LEAST, counts * period, 0)
        better = covered > best[: len(covered)]
        best[: len(covered)][better] = covered[better]
        periods[: len(covered)][better] = period
    at = 0
    candidates = np.flatnonzero(best)
    while True:
        index = int(np.searchsorted(candidates, at))
        if index == len(candidates):
            return
        start = int(candidates[index])
        period, count = int(periods[start]), int(best[start] // periods[start])
        found = Repeat(_beginning(values, start, period, count, begins), period, count)
        count = alike(found)
        if count < LEAST and found.start != start:
            found = Repeat(start, period, found.number)
            count = alike(found)
        if count < LEAST:
            at = start + 1
        else:
            yield found._replace(number=count)
            at = found.start + period * count


def _equal_from(values: np.ndarray, period: int) -> np.ndarray:
    """At each position, how many elements in a row equal those one period later."""
    size = len(values) - period
    ends = np.append(np.flatnonzero(values[period:] != values[:-period]), size)
    # Each end is that of the positions after the end before it; the last lies behind all of them.
    return np.repeat(ends, np.diff(ends, prepend=-1))[:size] - np.arange(size)


def _beginning(
    values: np.ndarray, start: int, period: int, count: int, begins: Callable[[int], bool]
) -> int:
    """The first position from `start` where a part should begin and as many parts follow."""
    if begins(start):
        return start
    for shift in range(1, period):
        end = start + shift + period * count
        head = values[start + shift : end - period]
        if end > len(values) or not np.array_equal(head, values[start + shift + period : end]):
            break
        if begins(start + shift):
            return start + shift
    return start


def listed(kinds: Sequence[str]) -> str:
    """The kinds with equal neighbours counted: "Linear, 2 x Relu"."""
    parts: list[tuple[str, int]] = []
    for kind in kinds:
        if parts and parts[-1][0] == kind:
            parts[-1] = kind, parts[-1][1] + 1
        else:
            parts.append((kind, 1))
    return ", ".join(kind if number == 1 else f"{number} x {kind}" for kind, number in parts)
