"""Long lists told shortly: repeats once, with how often they come, and the middle left out."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from ..outline.repeats import repeats

Item = TypeVar("Item")

LONGEST_PERIOD = 48  # items that may repeat together


def shortened(
    items: Sequence[Item], key: Callable[[Item], Hashable], most: int
) -> list[Item | str]:
    """The items, or about `most` of them with sentences about the others.

    key  equal for items that count as the same
    """
    if len(items) <= most:
        return list(items)
    numbers: dict[Hashable, int] = {}
    kinds = [numbers.setdefault(key(item), len(numbers)) for item in items]
    found: list[Item | str] = []
    at, room = 0, 2 * most // 3
    for start, period, count in repeats(
        kinds, lambda _: True, lambda repeat: repeat.number, LONGEST_PERIOD
    ):
        if len(found) + start - at >= room:
            break
        found += items[at : start + period]
        what = "this step" if period == 1 else f"these {period} steps"
        found.append(f"... {what}, {count - 1} more times")
        at = start + period * count
    single = max(0, min(room - len(found), len(items) - at))
    found += items[at : at + single]
    rest = len(items) - at - single
    last = min(most // 3, rest)
    if rest > last:
        found.append(f"... {rest - last} steps that are not shown")
    return found + list(items[len(items) - last :])
