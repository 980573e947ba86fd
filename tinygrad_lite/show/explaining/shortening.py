"""Long lists told shortly: repeats once, with how often they come, and the middle left out."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

LONGEST_PERIOD = 48  # items that may repeat together
FEWEST_REPEATS = 3  # times that they must come for it to be said


def shortened(
    items: Sequence[Item], key: Callable[[Item], Hashable], most: int
) -> list[Item | str]:
    """The items, or about `most` of them with sentences about the others.

    key  equal for items that count as the same
    """
    if len(items) <= most:
        return list(items)
    numbers: dict[Hashable, int] = {}
    keys = np.array([numbers.setdefault(key(item), len(numbers)) for item in items], np.int32)
    periods = range(1, min(LONGEST_PERIOD, len(items) // FEWEST_REPEATS) + 1)
    breaks = {p: np.flatnonzero(keys[p:] != keys[:-p]) for p in periods}  # where a repeat ends
    found: list[Item | str] = []
    at = 0
    while at < len(items) and len(found) < 2 * most // 3:
        period, count = _repeat(at, breaks, len(items))
        found += items[at : at + period]
        if count > 1:
            what = "this step" if period == 1 else f"these {period} steps"
            times = count - 1
            found.append(f"... {what}, {times} more time{'s' * (times > 1)}")
        at += period * count
    rest = len(items) - at
    last = min(most // 3, rest)
    if rest > last:
        found.append(f"... {rest - last} steps that are not shown")
    return found + list(items[len(items) - last :])


def _repeat(
    at: int, breaks: dict[int, "np.ndarray[tuple[int], np.dtype[np.intp]]"], size: int
) -> tuple[int, int]:
    """The period of what repeats from here on, and how often it comes; (1, 1) if nothing does."""
    best = (1, 1)
    for period, ends in breaks.items():
        position = int(np.searchsorted(ends, at))
        end = int(ends[position]) if position < len(ends) else size - period
        count = 1 + max(0, end - at) // period
        if count >= FEWEST_REPEATS and period * count > best[0] * best[1]:
            best = (period, count)
    return best
