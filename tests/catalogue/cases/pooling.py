"""Rows of the primitives in tinygrad_lite/ops/pooling.py, and what they compute, in loops."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from tinygrad_lite.arrays.windows import Windows
from tinygrad_lite.ops import pooling

from .case import Case, distinct

Position = tuple[int, ...]


def reads(windows: Windows) -> Iterator[tuple[Position, Position, Position]]:
    """Each window, each of its taps, and where that reads, as far as it is in the image."""
    for window, tap in product(np.ndindex(*windows.count), np.ndindex(*windows.kernel)):
        axes = zip(window, windows.stride, tap, windows.dilation, windows.before, strict=True)
        position = tuple(w * s + t * d - b for w, s, t, d, b in axes)
        if all(0 <= i < n for i, n in zip(position, windows.size, strict=True)):
            yield window, tap, position


def slid(x: np.ndarray, windows: Windows) -> np.ndarray:
    """(N, C, *size) as (N, C, *kernel, *count)."""
    y = np.zeros((*x.shape[:2], *windows.kernel, *windows.count))
    for window, tap, position in reads(windows):
        y[(..., *tap, *window)] = x[(..., *position)]
    return y


def added(x: np.ndarray, windows: Windows) -> np.ndarray:
    """(N, C, *kernel, *count) as (N, C, *size)."""
    y = np.zeros((*x.shape[:2], *windows.size))
    for window, tap, position in reads(windows):
        y[(..., *position)] += x[(..., *tap, *window)]
    return y


def pooled(x: np.ndarray, windows: Windows) -> np.ndarray:
    """(N, C, *size) as (N, C, *count): the largest of each window."""
    y = np.full((*x.shape[:2], *windows.count), -np.inf)
    for window, _, position in reads(windows):
        y[(..., *window)] = np.maximum(y[(..., *window)], x[(..., *position)])
    return y


def unpooled(x: np.ndarray, windows: Windows, winners: np.ndarray) -> np.ndarray:
    """(N, C, *count) as (N, C, *size): each element at the tap of that number."""
    y = np.zeros((*x.shape[:2], *windows.size))
    for window, tap, position in reads(windows):
        number = np.ravel_multi_index(tap, windows.kernel)
        y[(..., *position)] += np.where(winners[(..., *window)] == number, x[(..., *window)], 0)
    return y


# size, kernel, stride, dilation, before, count
PLAIN = Windows((2, 4), (2, 2), (2, 2), (1, 1), (0, 0), (1, 2))
OVERLAPPING = Windows((4, 3), (2, 2), (1, 1), (1, 1), (0, 0), (3, 2))
PADDED = Windows((4, 3), (3, 2), (2, 1), (1, 2), (1, 1), (2, 3))
SEQUENCE = Windows((5,), (2,), (2,), (1,), (0,), (3,))  # the last window juts out, as in ceil_mode

WINNERS = np.array([[0, 3, 1, 0, 2, 1]]).reshape(1, 1, 3, 2)


CASES: list[Case] = [
    *(
        Case(
            op,
            lambda x, op=op, windows=windows: op.apply(x, windows=windows),
            lambda x, formula=formula, windows=windows: formula(x, windows),
            [shape],
            copies=copies or op is pooling.OverlapAdd,
            note=note,
        )
        for note, windows, copies, shapes in (
            ("plain", PLAIN, False, (((2, 1, 2, 4),), ((2, 1, 2, 2, 1, 2),))),
            ("overlapping", OVERLAPPING, False, (((1, 2, 4, 3),), ((1, 2, 2, 2, 3, 2),))),
            ("padded", PADDED, True, (((2, 1, 4, 3),), ((2, 1, 3, 2, 2, 3),))),
            ("empty", PADDED, True, (((0, 1, 4, 3),), ((0, 1, 3, 2, 2, 3),))),
        )
        for op, formula, shape in (
            (pooling.SlidingWindows, slid, shapes[0]),
            (pooling.OverlapAdd, added, shapes[1]),
        )
    ),
    Case(
        pooling.SumPool,
        lambda x: x.avg_pool2d() * 4.0,
        lambda x: slid(x, PLAIN).sum((2, 3)),
        [((2, 1, 2, 4),), ((0, 1, 2, 4),)],
    ),
    Case(
        pooling.SumPool,
        lambda x: x.avg_pool2d((3, 2), (2, 1), (1, 2), 1) * 6.0,
        lambda x: slid(x, PADDED).sum((2, 3)),
        [((2, 1, 4, 3),)],
        note="padded",
    ),
    Case(
        pooling.MaxPool,
        lambda x: x.max_pool2d(),
        lambda x: pooled(x, PLAIN),
        [((2, 1, 2, 4),), ((0, 1, 2, 4),)],
        distinct,
    ),
    Case(
        pooling.MaxPool,
        lambda x: x.max_pool2d((3, 2), (2, 1), (1, 2), 1),
        lambda x: pooled(x, PADDED),
        [((2, 1, 4, 3),)],
        distinct,
        note="padded",
    ),
    Case(
        pooling.MaxPool,
        lambda x: x.max_pool1d(ceil_mode=True),
        lambda x: pooled(x, SEQUENCE),
        [((1, 2, 5),)],
        distinct,
        note="one dimension",
    ),
    Case(
        pooling.MaxPool,
        lambda x: pooling.MaxPool.apply(x, windows=OVERLAPPING, winners=WINNERS),
        lambda x: np.take_along_axis(
            slid(x, OVERLAPPING).reshape(1, 1, 4, 3, 2), WINNERS[:, :, None], 2
        )[:, :, 0],
        [((1, 1, 4, 3),)],
        note="given winners",
    ),
    Case(
        pooling.MaxUnpool,
        lambda x: pooling.MaxUnpool.apply(x, windows=OVERLAPPING, winners=WINNERS),
        lambda x: unpooled(x, OVERLAPPING, WINNERS),
        [((1, 1, 3, 2),)],
        note="overlapping",
    ),
    Case(
        pooling.MaxUnpool,
        lambda x: pooling.MaxUnpool.apply(x, windows=PADDED, winners=WINNERS.reshape(1, 1, 2, 3)),
        lambda x: unpooled(x, PADDED, WINNERS.reshape(1, 1, 2, 3)),
        [((1, 1, 2, 3),)],
        note="padded, where a winner in the padding is lost",
    ),
]
