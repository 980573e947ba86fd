"""Rows dealt out to parts so that each part has its share of every class.

A class of n rows has n * size / rows of them in a part of that size, rounded down or up: no share
is off by a whole row, in any part, while all sizes are exact.  Such a table of whole numbers always
exists, as flows in a network have whole solutions (L. R. Ford and D. R. Fulkerson, Flows in
Networks, 1962); here it is a matching of the rows that rounding down leaves over.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments

from .tables import is_table


def classes_of(labels: Any, rows: int, name: str) -> tuple[list[Any], NDArray[np.int64]]:
    """The classes, sorted, and for each row the number of its class, (rows,).

    labels: one for each row, of any dtype, text too; or (rows, k), of which equal rows are a class.

    Errors: TypeError for what cannot be sorted; ValueError for another number of labels.
    """
    if is_table(labels):
        labels = labels.to_numpy()
    array = labels.data if isinstance(labels, Tensor) else np.asarray(labels)
    if array.ndim not in (1, 2):
        raise arguments.wrong(name, "a label for each row", labels)
    if len(array) != rows:
        raise ValueError(f"{name}: expected {rows} labels, one for each row; got {len(array)}")
    try:
        axis = None if array.ndim == 1 else 0
        found, numbers = np.unique(array, return_inverse=True, axis=axis)
    except TypeError as error:
        raise TypeError(
            f"{name}: expected labels of one kind, which can be sorted; got {_kinds(array)}"
        ) from error
    return list(found), numbers.reshape(-1).astype(np.int64)


def _kinds(array: NDArray[Any]) -> str:
    kinds = sorted({type(label).__name__ for label in array.reshape(-1)})
    return " and ".join(kinds[:3])


def dealt(
    numbers: NDArray[np.int64], sizes: Sequence[int], random: "np.random.Generator | None"
) -> list[NDArray[np.int64]]:
    """The rows of each part, in ascending order; `sizes` add up to the number of rows.

    numbers: the class of each row, from 0.
    random: draws which rows of a class a part has; None: the first part has the first of them.
    """
    counts = np.bincount(numbers)
    order = np.arange(len(numbers)) if random is None else random.permutation(len(numbers))
    by_class = order[np.argsort(numbers[order], kind="stable")]
    turns = np.arange(len(counts)) if random is None else random.permutation(len(counts))
    table = shares(counts, np.array(sizes, np.int64), turns)
    # Cut each class where its table says, and give the cuts to the parts in turn.
    part = np.repeat(np.tile(np.arange(len(sizes)), len(counts)), table.reshape(-1))
    return [np.sort(by_class[part == number]) for number in range(len(sizes))]


def shares(
    counts: NDArray[np.int64], sizes: NDArray[np.int64], turns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many rows of each class are in each part, (classes, parts).

    The sums over the parts are `counts`, those over the classes `sizes`.  Each number is
    count * size / rows, rounded down or up.  `turns` is the order in which classes choose the parts
    that are rounded up: those with the largest remainders that still have room.
    """
    table, remainders = np.divmod(counts[:, None] * sizes, max(int(counts.sum()), 1))
    up = np.zeros(table.shape, bool)
    room = sizes - table.sum(0)
    for kind, left in zip(turns, (counts - table.sum(1))[turns], strict=True):
        for _ in range(left):
            _round_up(kind, remainders, up, room)
    return table + up


def _round_up(
    kind: int, remainders: NDArray[np.int64], up: NDArray[np.bool_], room: NDArray[np.int64]
) -> None:
    """Round one more number of this class up, moving others to another part if there is no room.

    This is one augmenting path of a matching, found breadth first.
    """
    free = np.flatnonzero((remainders[kind] > 0) & ~up[kind])
    parts = free[np.argsort(-remainders[kind, free], kind="stable")].tolist()
    came: dict[int, tuple[int, int]] = {}  # to a part: from which one, and what class moves
    for part in parts:  # which grows
        if room[part]:
            break
        can_move = up[:, part, None] & (remainders > 0) & ~up
        for target in np.flatnonzero(can_move.any(0)).tolist():
            if target not in parts:
                parts.append(target)
                came[target] = part, int(can_move[:, target].argmax())
    room[part] -= 1
    while part in came:
        source, other = came[part]
        up[other, source], up[other, part] = False, True
        part = source
    up[kind, part] = True
