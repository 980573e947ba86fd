"""Rows of the methods in tinygrad_lite/methods/sorting.py."""

import numpy as np
from cases.case import Shapes, distinct

from tinygrad_lite import Tensor

from .row import Mistake, Row

AXES: list[tuple[int, list[Shapes]]] = [
    (-1, [((5,),), ((2, 3),), ((),), ((0,),), ((2, 0),), ((2, 1),)]),
    (0, [((3, 2),), ((0, 2),)]),
    (1, [((2, 4, 3),)]),
]


def order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """Positions by Python's sort, which is stable in both directions."""
    lines = np.moveaxis(np.atleast_1d(x), axis, -1)
    found = [
        sorted(range(lines.shape[-1]), key=lines[position].__getitem__, reverse=descending)
        for position in np.ndindex(lines.shape[:-1])
    ]
    placed = np.array(found, np.int64).reshape(lines.shape)
    return np.moveaxis(placed, -1, axis).reshape(x.shape)


def taken(x: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    read = np.take_along_axis(np.atleast_1d(x), np.atleast_1d(positions), axis)
    return read.reshape(positions.shape)


def first(k: int, positions: np.ndarray, axis: int) -> np.ndarray:
    return np.take(positions, range(k), axis) if positions.ndim else positions


def inside(rng, shape):
    """0.11 to 0.87, all different: numbers, and shares of which none falls on an element."""
    size = int(np.prod(shape))
    return np.asarray(rng.permutation(np.linspace(0.11, 0.87, size))).reshape(shape)


ROWS: list[Row] = [
    *(
        row
        for axis, shapes in AXES
        for descending in (False, True)
        for row in (
            Row(
                "sort",
                lambda x, a=axis, d=descending: x.sort(a, d),
                lambda x, a=axis, d=descending: (taken(x, order(x, a, d), a), order(x, a, d)),
                shapes,
                distinct,
                kinds="fib",
                note=f"axis {axis}" + ", descending" * descending,
            ),
            Row(
                "argsort",
                lambda x, a=axis, d=descending: x.argsort(a, d),
                lambda x, a=axis, d=descending: order(x, a, d),
                shapes,
                kinds="fib",
                constant=True,
                casts=True,
                note=f"axis {axis}" + ", descending" * descending,
            ),
        )
    ),
    *(
        Row(
            "topk",
            lambda x, k=k, a=axis, largest=largest: x.topk(k, a, largest),
            lambda x, k=k, a=axis, largest=largest: (
                taken(x, first(k, order(x, a, largest), a), a),
                first(k, order(x, a, largest), a),
            ),
            shapes,
            distinct,
            note=f"k = {k}, axis {axis}, " + ("largest" if largest else "smallest"),
        )
        for k, axis, shapes in (
            (2, -1, [((5,),), ((2, 3),), ((0, 2),)]),
            (1, -1, [((),), ((1,),), ((3, 4),)]),
            (0, 0, [((3,),), ((0, 2),)]),
            (3, 0, [((3, 2),)]),
        )
        for largest in (True, False)
    ),
    *(
        Row(
            "topk",
            lambda x, largest=largest: x.topk(3, largest=largest),
            lambda x, largest=largest: (
                taken(x, first(3, order(x, -1, largest), -1), -1),
                first(3, order(x, -1, largest), -1),
            ),
            [((2, 6),)],
            lambda rng, shape: rng.integers(0, 3, shape).astype(float),
            torch=None,
            kinds="ib",
            note=f"ties, largest={largest}: PyTorch leaves open which are taken",
        )
        for largest in (True, False)
    ),
    Row(
        "topk",
        lambda x: x.topk(2, sorted_=False)[0],
        lambda x: np.sort(x)[..., ::-1][..., :2],
        [((2, 4),)],
        distinct,
        torch=None,
        kinds="fib",
        note="not sorted: PyTorch's order is not defined",
    ),
    *(
        Row(
            "median",
            lambda x, axis=axis, keepdim=keepdim: x.median(axis, keepdim),
            lambda x, axis=axis, keepdim=keepdim: np.median(x, axis, keepdims=keepdim),
            shapes,
            distinct,
            torch=lambda torch, x, axis=axis, keepdim=keepdim: torch.quantile(
                x, 0.5, dim=axis, keepdim=keepdim
            ),
            note=f"axis={axis}, keepdim={keepdim}",
        )
        for axis, shapes in (
            (None, [((3, 3),), ((2, 3),), ((),), ((1,),), ((2,),)]),
            (0, [((3, 2),), ((4, 2),)]),
            (-1, [((2, 4),)]),
        )
        for keepdim in (False, True)
    ),
    *(
        Row(
            "quantile",
            lambda x, q=q, axis=axis, keepdim=keepdim: x.quantile(q, axis, keepdim),
            lambda x, q=q, axis=axis, keepdim=keepdim: np.quantile(x, q, axis, keepdims=keepdim),
            shapes,
            distinct,
            torch=lambda torch, x, q=q, axis=axis, keepdim=keepdim: torch.quantile(
                x, torch.tensor(q, dtype=x.dtype), dim=axis, keepdim=keepdim
            ),
            note=f"q={q}, axis={axis}, keepdim={keepdim}",
        )
        for q, axis, keepdim, shapes in (
            (0.3, None, False, [((3, 3),), ((),), ((1,),), ((2,),)]),
            (0.5, 0, True, [((3, 2),), ((4, 2),)]),
            ([0.1, 0.9], -1, False, [((2, 4),), ((5,),)]),
            ([1.0, 0.0, 0.25], 0, True, [((5, 2),)]),
        )
    ),
    *(
        Row(
            "quantile",
            lambda x, q, axis=axis: x.quantile(q, axis),
            lambda x, q, axis=axis: np.quantile(x, q, axis),
            shapes,
            inside,
            torch=lambda torch, x, q, axis=axis: torch.quantile(x, q, dim=axis),
            note=f"a Tensor as q, axis={axis}",
        )
        for axis, shapes in (
            (None, [((3, 4), ()), ((5,), (3,)), ((1,), (2,))]),
            (0, [((4, 3), (2,)), ((3, 2), ())]),
            (-1, [((2, 3), (3,))]),
        )
    ),
    Row(
        "quantile",
        lambda x: x.quantile([0.2, 0.4], (0, 2)),
        lambda x: np.quantile(x, [0.2, 0.4], (0, 2)),
        [((2, 3, 4),)],
        distinct,
        torch=lambda torch, x: (
            x.permute(1, 0, 2).flatten(1).quantile(x.new_tensor([0.2, 0.4]), dim=1)
        ),
        note="two axes",
    ),
    Row(
        "median",
        lambda x: x.median((0, 2), keepdim=True),
        lambda x: np.median(x, (0, 2), keepdims=True),
        [((2, 3, 4),), ((1, 2, 3),)],
        distinct,
        torch=lambda torch, x: x.permute(1, 0, 2).flatten(1).quantile(0.5, dim=1).reshape(1, -1, 1),
        note="two axes",
    ),
    Row(
        "median",
        lambda x: x.median(1),
        lambda x: np.median(x, 1),
        [((2, 4),)],
        torch=None,
        kinds="ib",
        note="PyTorch takes the lower of two and keeps integers",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([1.0]).topk(1, (0,)), TypeError, "topk: axis: expected an integer; got (0,)"
    ),
    Mistake(
        lambda: Tensor([1.0]).sort(1),
        ValueError,
        "sort: axis 1 is out of range for 1 dimensions; use -1 to 0",
    ),
    Mistake(
        lambda: Tensor([[1.0]]).argsort(None),
        TypeError,
        "argsort: axis: expected an integer; got None",
    ),
    Mistake(
        lambda: Tensor([[1.0]]).sort((0, 1)),
        TypeError,
        "sort: axis: expected an integer; got (0, 1)",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).topk(3),
        ValueError,
        "topk: expected k from 0 to 2, the size of axis 0; got 3",
    ),
    Mistake(
        lambda: Tensor([1.0, 2.0]).topk(1.5),
        TypeError,
        "topk: k: expected an integer; got 1.5",
    ),
    Mistake(
        lambda: Tensor([1.0]).quantile(50),
        ValueError,
        "quantile: q: expected numbers from 0 to 1, one or several; got 50",
    ),
    Mistake(
        lambda: Tensor([1.0]).median((0, 0)),
        ValueError,
        "median: axis (0, 0) names a dimension twice",
    ),
]
