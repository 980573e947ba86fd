"""Rows of the primitives in tinygrad_lite/ops/indexing.py."""

from typing import Any

import numpy as np

from tinygrad_lite import Tensor
from tinygrad_lite.ops import indexing

from .case import Case

MASK = np.array([[True, False, True, True], [False, True, False, True], [True, False, False, True]])
ROWS = np.array([0, 2, 2, 1])
COLUMNS = np.array([1, 0, 0, 3])


def written(x: np.ndarray, index: Any, value: Any) -> np.ndarray:
    """NumPy's x[index] = value, on a copy."""
    y = x.copy()
    y[index] = value
    return y


def write(x: Tensor, index: Any, value: Any) -> Tensor:
    """Ours, on a clone."""
    y = x.clone()
    y[index] = value
    return y


def scattered(x: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """x added into zeros at the index, one element at a time."""
    y = np.zeros(shape, x.dtype)
    positions = np.arange(y.size).reshape(shape)[index]
    for position, value in zip(positions.ravel(), x.ravel(), strict=True):
        y.flat[position] += value
    return y


def extreme(
    of: Any, x: np.ndarray, index: np.ndarray, v: np.ndarray, include_self: bool = True
) -> np.ndarray:
    """For each position of a vector, np.max or np.min of what comes there."""
    return np.array(
        [
            of([*([own] if include_self or position not in index else []), *v[index == position]])
            for position, own in enumerate(x)
        ]
    ).astype(x.dtype)


CASES: list[Case] = [
    Case(
        indexing.Getitem,
        lambda a: a[1:, None, ::-2],
        lambda a: a[1:, None, ::-2],
        [((3, 4),), ((3, 0),)],
        copies=False,
        note="slices",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[1, -1],
        lambda a: a[1, -1],
        [((3, 4),)],
        copies=False,
        note="one element",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[Tensor(ROWS), COLUMNS],
        lambda a: a[ROWS, COLUMNS],
        [((3, 4),), ((3, 4, 2),)],
        note="integer arrays with duplicates",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[..., [0, 0, 1]],
        lambda a: a[..., [0, 0, 1]],
        [((3, 4),), ((2,),)],
        note="list after an ellipsis",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[Tensor(MASK)],
        lambda a: a[MASK],
        [((3, 4),), ((3, 4, 2),)],
        note="mask",
    ),
    Case(
        indexing.ScatterAdd,
        lambda a: indexing.ScatterAdd.apply(a, index=(ROWS, COLUMNS), distinct=False, shape=(3, 4)),
        lambda a: scattered(a, (ROWS, COLUMNS), (3, 4)),
        [((4,),)],
        note="duplicates add",
    ),
    Case(
        indexing.ScatterAdd,
        lambda a: indexing.ScatterAdd.apply(
            a, index=(slice(1, None), slice(None, None, -2)), distinct=True, shape=(3, 4)
        ),
        lambda a: scattered(a, (slice(1, None), slice(None, None, -2)), (3, 4)),
        [((2, 2),)],
        note="slices",
    ),
    Case(
        indexing.Setitem,
        lambda a, v: write(a, (slice(1, None), slice(None, None, -2)), v),
        lambda a, v: written(a, (slice(1, None), slice(None, None, -2)), v),
        [((3, 4), (2, 2)), ((3, 4), (2,)), ((3, 4), ()), ((3, 4), (1, 1, 2))],
        note="slices",
    ),
    Case(
        indexing.Setitem,
        lambda a, v: write(a, (ROWS, COLUMNS), v),
        lambda a, v: written(a, (ROWS, COLUMNS), v),
        [((3, 4), (4,)), ((3, 4), ())],
        note="integer arrays with duplicates",
    ),
    Case(
        indexing.Setitem,
        lambda a, v: write(a, MASK, v),
        lambda a, v: written(a, MASK, v),
        [((3, 4), (7,)), ((3, 4), (1,))],
        note="mask",
    ),
    Case(
        indexing.ScatterExtreme,
        lambda a, v: a.scatter_reduce(0, ROWS, v, "amax"),
        lambda a, v: extreme(np.max, a, ROWS, v),
        [((3,), (4,)), ((4,), (4,))],
        note="largest",
    ),
    Case(
        indexing.ScatterExtreme,
        lambda a, v: a.scatter_reduce(0, ROWS, v, "amin", include_self=False),
        lambda a, v: extreme(np.min, a, ROWS, v, include_self=False),
        [((3,), (4,)), ((4,), (4,))],
        note="smallest, without self",
    ),
    Case(
        indexing.Diagonal,
        lambda a: a.diagonal(axis1=-2, axis2=-1),
        lambda a: np.diagonal(a, axis1=-2, axis2=-1),
        [((3, 3),), ((2, 3, 4),), ((0, 2),)],
        copies=False,
    ),
]
