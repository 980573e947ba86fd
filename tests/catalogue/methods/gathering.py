"""Rows of the methods in tinygrad_lite/methods/gathering.py."""

from typing import Any

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

INDEX = np.array(
    [[2, 0], [2, 1], [0, 0]]
)  # for (3, 3) or larger, with duplicates along either axis
LINES = np.array([2, 0, 2])


def scattered(x: np.ndarray, axis: int, index: np.ndarray, src: Any, write: Any) -> np.ndarray:
    """write(y, position, value) for each entry of the index, in order, on a copy of x."""
    y = x.copy()
    for position in np.ndindex(index.shape):
        there = (*position[:axis], index[position], *position[axis + 1 :])
        write(y, there, src if np.ndim(src) == 0 else src[position])
    return y


def put(y: np.ndarray, position: Any, value: Any) -> None:
    """Replaced."""
    y[position] = value


def add(y: np.ndarray, position: Any, value: Any) -> None:
    """Added."""
    y[position] += value


def multiply(y: np.ndarray, position: Any, value: Any) -> None:
    """Multiplied."""
    y[position] = y[position] * value


COMBINE = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}


def reduced(
    x: np.ndarray, axis: int, index: np.ndarray, src: np.ndarray, kind: str, include_self: bool
) -> np.ndarray:
    """The values that come to each position, in lists, and each list combined."""
    lists: Any = np.empty(x.shape, object)
    for position in np.ndindex(x.shape):
        lists[position] = [x[position]]
    new: Any = np.empty(x.shape, object)
    for position in np.ndindex(x.shape):
        new[position] = []
    scattered(new, axis, index, src, lambda y, position, value: y[position].append(value))
    y = np.empty_like(x)
    for position in np.ndindex(x.shape):
        values = (lists[position] if include_self or not new[position] else []) + new[position]
        combined = COMBINE[kind](np.array(values))
        y[position] = np.floor(combined) if x.dtype.kind == "i" else combined
    return y


# PyTorch has no gradients where src is larger than the index, so there it gets the leading part.
SCATTER = [((3, 3), (3, 2)), ((4, 3), (3, 4))]

ROWS: list[Row] = [
    Row(
        "gather",
        lambda x: x.gather(0, INDEX),
        lambda x: x[INDEX, [[0, 1]]],
        [((3, 2),), ((4, 3),)],
        kinds="fib",
        note="index smaller along the other axis",
    ),
    Row(
        "gather",
        lambda x: x.gather(-1, Tensor(INDEX)),
        lambda x: x[[[0], [1], [2]], INDEX],
        [((3, 3),), ((5, 4),)],
    ),
    Row(
        "gather",
        lambda x: x.gather(0, np.zeros((0, 2), int)),
        lambda x: x[:0, :2],
        [((0, 3),), ((3, 2),)],
        note="nothing",
    ),
    Row(
        "take_along_axis",
        lambda x: x.take_along_axis(INDEX, 1),
        lambda x: np.take_along_axis(x, INDEX, 1),
        [((3, 3),), ((1, 4),)],
        torch=lambda torch, x: torch.take_along_dim(x, torch.tensor(INDEX), 1),
        kinds="fib",
    ),
    Row(
        "take_along_axis",
        lambda x: x.take_along_axis(Tensor([[-1, 0]]), 1),
        lambda x: np.take_along_axis(x, np.array([[-1, 0]]), 1),
        [((3, 3),)],
        torch=None,
        note="negative positions, which PyTorch refuses",
    ),
    Row(
        "scatter",
        lambda x, v: x.scatter(0, INDEX, v),
        lambda x, v: scattered(x, 0, INDEX, v, put),
        SCATTER,
        torch=None,
        kinds="fib",
        note="the last of duplicates gets the gradient; PyTorch gives it to all",
    ),
    Row(
        "scatter",
        lambda x, v: x.scatter(1, INDEX[::2], v),
        lambda x, v: scattered(x, 1, INDEX[::2], v, put),
        [((3, 3), (2, 2))],
        lambda rng, shape: rng.uniform(1, 2, shape),
        kinds="ib",
        note="values with duplicates",
    ),
    Row(
        "scatter",
        lambda x, v: x.scatter(0, INDEX[:1], v),
        lambda x, v: scattered(x, 0, INDEX[:1], v, put),
        [((3, 3), (1, 2)), ((4, 3), (3, 4))],
        torch=lambda torch, x, v: x.scatter(0, torch.tensor(INDEX[:1]), v[:1, :2]),
        note="without duplicates, src larger than the index",
    ),
    Row(
        "scatter",
        lambda x: x.scatter(0, INDEX, 2.5),
        lambda x: scattered(x, 0, INDEX, 2.5, put),
        [((3, 3),)],
        note="a number",
    ),
    Row(
        "scatter",
        lambda x, v: x.scatter(0, INDEX, v, reduce="add"),
        lambda x, v: scattered(x, 0, INDEX, v, add),
        SCATTER,
        torch=lambda torch, x, v: x.scatter_add(0, torch.tensor(INDEX), v[:, :2]),
        kinds="fi",
        note="added",
    ),
    Row(
        "scatter",
        lambda x, v: x.scatter(0, INDEX, v, reduce="multiply"),
        lambda x, v: scattered(x, 0, INDEX, v, multiply),
        SCATTER,
        torch=lambda torch, x, v: x.scatter_reduce(0, torch.tensor(INDEX), v[:, :2], "prod"),
        kinds="fi",
        note="multiplied",
    ),
    Row(
        "scatter_add",
        lambda x, v: x.scatter_add(1, INDEX, v),
        lambda x, v: scattered(x, 1, INDEX, v, add),
        SCATTER[:1],
        kinds="fi",
    ),
    *(
        Row(
            "scatter_reduce",
            lambda x, v, kind=kind, own=own: x.scatter_reduce(0, INDEX, v, kind, own),
            lambda x, v, kind=kind, own=own: reduced(x, 0, INDEX, v, kind, own),
            SCATTER,
            torch=lambda torch, x, v, kind=kind, own=own: x.scatter_reduce(
                0, torch.tensor(INDEX), v[:, :2], kind, include_self=own
            ),
            kinds="fi",
            note=kind if own else f"{kind}, without self",
        )
        for kind in COMBINE
        for own in (True, False)
    ),
    *(
        Row(
            "narrow",
            lambda x, args=args: x.narrow(*args),
            lambda x, part=part: x[part],
            [((3, 4),), ((3, 4, 0),)],
            kinds="fib",
            note=f"{args}",
        )
        for args, part in (
            ((0, 1, 2), np.s_[1:3]),
            ((1, -3, 2), np.s_[:, 1:3]),
            ((1, 4, 0), np.s_[:, 4:]),
        )
    ),
    *(
        Row(
            "select",
            lambda x, args=args: x.select(*args),
            lambda x, part=part: x[part],
            [((3, 4),), ((3, 4, 2),)],
            kinds="fib",
            note=f"{args}",
        )
        for args, part in (((0, 1), np.s_[1]), ((1, -1), np.s_[:, -1]))
    ),
    Row(
        "take",
        lambda x: x.take([[0, -1], [3, 0]]),
        lambda x: np.take(x, [[0, -1], [3, 0]]),
        [((3, 4),), ((4,),)],
        torch=lambda torch, x: x.take(torch.tensor([[0, -1], [3, 0]])),
        kinds="fib",
    ),
    Row(
        "index_select",
        lambda x: x.index_select(1, LINES),
        lambda x: x[:, LINES],
        [((2, 3),), ((2, 4, 2),), ((0, 3),)],
        kinds="fib",
    ),
    Row(
        "index_add",
        lambda x, v: x.index_add(1, LINES, v),
        lambda x, v: x + v @ (LINES[:, None] == np.arange(x.shape[1])).astype(x.dtype),
        [((2, 3), (2, 3)), ((2, 4), (2, 3)), ((0, 3), (0, 3))],
        kinds="fi",
    ),
    Row(
        "index_add",
        lambda x, v: x.index_add(1, LINES, v, alpha=-2.5),
        lambda x, v: x - 2.5 * (v @ (LINES[:, None] == np.arange(x.shape[1]))),
        [((2, 4), (2, 3))],
        note="alpha",
    ),
    Row(
        "index_fill",
        lambda x: x.index_fill(1, LINES, -1.0),
        lambda x: np.where(np.isin(np.arange(x.shape[1]), LINES), -1, x).astype(x.dtype),
        [((2, 3),), ((2, 4),)],
        kinds="fi",
    ),
    Row(
        "index_fill",
        lambda x, v: x.index_fill(0, LINES, v),
        lambda x, v: np.where(np.isin(np.arange(len(x)), LINES), v, x),
        [((4,), ())],
        note="by a tensor, which gets the gradient once for each position",
    ),
    Row(
        "masked_select",
        lambda x: x.masked_select(x.detach() > 0),
        lambda x: x[x > 0],
        [((3, 4),), ((0,),), ((),)],
        kinds="fi",
    ),
    Row(
        "masked_select",
        lambda x: x.masked_select(np.array([[True], [False], [True]])),
        lambda x: np.concatenate((x, x)),
        [((3,),)],
        note="broadcast",
    ),
    Row(
        "nonzero",
        lambda x: (x > 0.5).nonzero(),
        lambda x: np.argwhere(x > 0.5),
        [((3, 4),), ((5,),), ((0, 2),), ((),)],
        kinds="fi",
        constant=True,
    ),
    Row(
        "nonzero",
        lambda x: (x > 0.5).nonzero(as_tuple=True),
        lambda x: np.nonzero(x > 0.5),
        [((3, 4),), ((5,),), ((0, 2),)],
        constant=True,
        note="as a tuple",
    ),
    Row(
        "one_hot",
        lambda x: abs(x).one_hot(),
        lambda x: np.eye(abs(x).max() + 1, dtype=int)[abs(x)],
        [((3, 4),), ((),)],
        torch=lambda torch, x: torch.nn.functional.one_hot(abs(x).long()),
        kinds="i",
        constant=True,
    ),
    Row(
        "one_hot",
        lambda x: abs(x).one_hot(9),
        lambda x: np.eye(9, dtype=int)[abs(x)],
        [((3,),), ((0,),)],
        torch=lambda torch, x: torch.nn.functional.one_hot(abs(x).long(), 9),
        kinds="i",
        constant=True,
        note="number of classes given",
    ),
    function("diag", np.diag, [((3,),), ((2, 3),), ((0,),)], kinds="fib"),
    Row("diag", lambda x: x.diag(-2), lambda x: np.diag(x, -2), [((3,),), ((3, 2),)], note="below"),
    function("diagonal", np.diagonal, [((2, 3),), ((3, 2, 2),), ((0, 2),)], kinds="fib"),
    Row(
        "diagonal",
        lambda x: x.diagonal(1, axis1=-1, axis2=0),
        lambda x: np.diagonal(x, 1, -1, 0),
        [((3, 2, 3),), ((4, 2),)],
        torch=lambda torch, x: x.diagonal(1, -1, 0),
        note="above, of other axes",
    ),
    Row(
        "diagonal",
        lambda x: x.diagonal(5),
        lambda x: np.diagonal(x, 5),
        [((2, 3),)],
        note="outside",
    ),
    *(
        Row(
            name,
            lambda x, name=name, k=k: getattr(x, name)(k),
            lambda x, name=name, k=k: getattr(np, name)(x, k),
            [((3, 4),), ((2, 2, 1),), ((0, 2),)],
            kinds="fib",
            note=f"diagonal {k}",
        )
        for name in ("tril", "triu")
        for k in (0, 1, -2)
    ),
]

X = Tensor(np.zeros((2, 3)))

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: X.gather(1, [[0, 3]]),
        IndexError,
        "gather: 3 is out of range for axis 1, which has size 3",
    ),
    Mistake(
        lambda: X.gather(1, [[-1]]),
        IndexError,
        "gather: -1 is out of range for axis 1, which has size 3",
    ),
    Mistake(
        lambda: X.gather(1, [0]),
        ValueError,
        "gather: expected an index of 2 axes, none but axis 1 longer than in (2, 3); "
        "got shape (1,)",
    ),
    Mistake(
        lambda: X.gather(0, [[0.0]]), TypeError, "gather: index: expected integers; got [[0.0]]"
    ),
    Mistake(
        lambda: X.take_along_axis([[0], [0], [0]], 1),
        ValueError,
        "take_along_axis: shapes (2, 1) and (3, 1) do not broadcast; "
        "from the right, sizes must be equal or 1",
    ),
    Mistake(
        lambda: X.take_along_axis([[0, -4]], 1),
        IndexError,
        "take_along_axis: -4 is out of range for axis 1, which has size 3",
    ),
    Mistake(
        lambda: X.take_along_axis([0], 1),
        ValueError,
        "take_along_axis: expected an index of 2 axes; got shape (1,)",
    ),
    Mistake(
        lambda: X.scatter(0, [[0, 1]], Tensor([[1.0]])),
        ValueError,
        "scatter: expected a src of the index's shape (1, 2) or larger; got (1, 1)",
    ),
    Mistake(
        lambda: X.cast(int).scatter(0, [[0]], 1.5),
        TypeError,
        "scatter: src is float64, which does not fit into int64",
    ),
    Mistake(
        lambda: X.scatter(0, [[0]], 1.0, reduce="mean"),
        ValueError,
        'scatter: reduce: expected None, "add" or "multiply"; got \'mean\'',
    ),
    Mistake(
        lambda: X.scatter_reduce(0, [[0]], 1.0, "max"),
        ValueError,
        'scatter_reduce: reduce: expected "sum", "prod", "mean", "amax" or "amin"; got '
        "'max'; did you mean \"amax\"?",
    ),
    Mistake(
        lambda: X.index_select(0, [[0]]),
        ValueError,
        "index_select: expected an index of 1 dimension; got shape (1, 1)",
    ),
    Mistake(
        lambda: X.index_add(0, [0], X),
        ValueError,
        "index_add: expected src of shape (1, 3); got (2, 3)",
    ),
    Mistake(
        lambda: X.index_fill(0, [0], X),
        ValueError,
        "index_fill: value: expected one number; got shape (2, 3)",
    ),
    Mistake(
        lambda: X.masked_select([1, 0, 1]),
        TypeError,
        "masked_select: mask: expected bools, as x > 0 gives; got [1, 0, 1]",
    ),
    Mistake(
        lambda: Tensor([0, 5]).one_hot(3), IndexError, "one_hot: 5 is out of range for 3 classes"
    ),
    Mistake(
        lambda: Tensor([], dtype=int).one_hot(),
        ValueError,
        "one_hot: no elements, so num_classes must be given",
    ),
    Mistake(
        lambda: X.diagonal(0, 1, 1),
        ValueError,
        "diagonal: expected two different axes; got axis1 1 and axis2 1",
    ),
    Mistake(lambda: X.triu(0.5), TypeError, "triu: diagonal: expected an integer; got 0.5"),
    Mistake(
        lambda: Tensor(1.0).diag(), ValueError, "diag: expected 1 or 2 dimensions; got shape ()"
    ),
    Mistake(lambda: X[0].tril(), ValueError, "tril: expected 2 dimensions or more; got shape (3,)"),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.int8).scatter(0, [0], 300),
        ValueError,
        "scatter: 300 does not fit into int8, which holds -128 to 127; cast the tensor first",
    ),
    Mistake(
        lambda: Tensor([1, 2], dtype=np.int8).index_fill(0, [0], 300),
        ValueError,
        "index_fill: 300 does not fit into int8, which holds -128 to 127; cast the tensor first",
    ),
    Mistake(
        lambda: Tensor([1, 2]).index_add(0, [0], np.array([2.5])),
        TypeError,
        "index_add: src is float64, which does not fit into int64",
    ),
]
