"""Rows of the methods in tinygrad_lite/methods/reduce.py."""

import numpy as np
from cases.case import Shapes, distinct

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

AXES: list[tuple[dict, list[Shapes]]] = [
    ({}, [((3, 4),), ((),), ((1,),), ((2, 1, 3),)]),
    ({"axis": 1}, [((3, 4),), ((0, 3),), ((2, 3, 2),)]),
    ({"axis": -1, "keepdim": True}, [((3, 4),), ((3, 1),)]),
    ({"axis": (0, -1), "keepdim": True}, [((2, 3, 4),), ((2, 0, 3),)]),
    ({"axis": (2, 0)}, [((2, 3, 4),)]),
]
EMPTY: list[Shapes] = [((0,),), ((2, 0),)]


def numpy_options(options: dict, **more: object) -> dict:
    """As NumPy spells them."""
    renamed = {"keepdim": "keepdims", "correction": "ddof"}
    return {renamed.get(name, name): value for name, value in options.items()} | more


def over_axes(method: str, reference=None, least: int = 0, **settings) -> list[Row]:
    """A row for each way to name the axes, on shapes with at least so many elements along them."""
    reference = reference or getattr(np, method)
    return [
        Row(
            method,
            lambda x, options=options: getattr(x, method)(**options),
            lambda x, options=options: reference(x, **numpy_options(options)),
            [
                (shape,)
                for (shape,) in shapes + ([] if options else EMPTY)
                if count(shape, options.get("axis")) >= least and (least < 2 or 0 not in shape)
            ],
            note=", ".join(f"{name}={value}" for name, value in options.items()),
            **settings,
        )
        for options, shapes in AXES
    ]


def count(shape: tuple[int, ...], axis) -> int:
    """How many elements make one result."""
    if not shape:
        return 1
    return int(np.prod(np.take(shape, range(len(shape)) if axis is None else axis)))


ROWS: list[Row] = [
    *over_axes("sum", kinds="fib"),
    Row(
        "sum",
        lambda x: x.sum(axis=()),
        lambda x: x.sum(axis=()),
        [((3, 2),), ((),)],
        torch=None,
        note="no axis: PyTorch sums them all",
    ),
    Row(
        "sum",
        lambda x: x.sum(0, dtype=np.float64),
        lambda x: x.sum(0, dtype=np.float64),
        [((3, 2),)],
        torch=lambda torch, x: x.sum(0, dtype=torch.float64),
        kinds="fib",
        casts=True,
        note="dtype",
    ),
    *over_axes("mean", least=1),
    function(
        "mean",
        lambda x: x.mean(),
        [((3, 2),)],
        torch=None,
        kinds="ib",
        rtol=1e-6,
        note="PyTorch refuses integers and bools",
    ),
    Row(
        "mean",
        lambda x: x.mean(0, dtype=np.float64),
        lambda x: x.mean(0, dtype=np.float64),
        [((3, 2),)],
        torch=lambda torch, x: x.mean(0, dtype=torch.float64),
        kinds="fib",
        casts=True,
        note="dtype",
    ),
    *over_axes("prod", kinds="fib"),
    Row(
        "prod",
        lambda x: x.prod(0, dtype=np.float64),
        lambda x: x.prod(0, dtype=np.float64),
        [((3, 2),)],
        torch=lambda torch, x: x.prod(0, dtype=torch.float64),
        kinds="fib",
        casts=True,
        note="dtype",
    ),
    *over_axes("amax", np.max, least=1, domain=distinct, kinds="fib"),
    *over_axes("amin", np.min, least=1, domain=distinct, kinds="fib"),
    *over_axes("max", least=1, domain=distinct, kinds="fib"),
    *over_axes("min", least=1, domain=distinct, kinds="fib"),
    *(
        Row(
            method,
            lambda x, method=method, options=options: getattr(x, method)(**options),
            lambda x, method=method, options=options: getattr(np, method)(
                x, **numpy_options(options)
            ),
            shapes,
            kinds="fi",
            constant=True,
            casts=True,
            note=", ".join(options),
        )
        for method in ("argmax", "argmin")
        for options, shapes in (
            ({}, [((3, 4),), ((),), ((1,),)]),
            ({"axis": 0}, [((3, 4),), ((3, 0),), ((),)]),
            ({"axis": -1, "keepdim": True}, [((2, 3, 2),)]),
        )
    ),
    *(
        row
        for method in ("any", "all")
        for row in over_axes(method, kinds="bif", constant=True, casts=True)
    ),
    *over_axes("count_nonzero", kinds="fib", constant=True, casts=True),
    *over_axes("var", lambda x, **o: np.var(x, **{"ddof": 1} | o), domain=distinct, least=2),
    *over_axes("std", lambda x, **o: np.std(x, **{"ddof": 1} | o), domain=distinct, least=2),
    *(
        Row(
            method,
            lambda x, method=method, c=c: getattr(x, method)(0, correction=c),
            lambda x, method=method, c=c: getattr(np, method)(x, 0, ddof=c),
            [((4,),), ((5, 2),)],
            note=f"correction {c}",
        )
        for method in ("var", "std")
        for c in (0, 2)
    ),
    *(
        Row(
            f"{method}_mean",
            lambda x, method=method: getattr(x, f"{method}_mean")(1, True, correction=0),
            lambda x, method=method: (getattr(np, method)(x, 1, keepdims=True), x.mean(1)[:, None]),
            [((3, 4),), ((3, 2),)],
            torch=lambda torch, x, method=method: getattr(torch, f"{method}_mean")(
                x, dim=1, keepdim=True, correction=0
            ),
        )
        for method in ("var", "std")
    ),
    *over_axes("norm", lambda x, **o: np.sqrt(np.sum(x * x, **o))),
    *(
        Row(
            "norm",
            lambda x, p=p: x.norm(p, axis=0),
            lambda x, p=p: np.linalg.norm(x, p, axis=0),
            [((3, 2),), ((1,),)],
            distinct,
            note=f"p = {p}",
        )
        for p in (1, 1.5, 3, 0.5, -1, -2, np.inf, -np.inf)
    ),
    Row(
        "norm",
        lambda x: x.norm(0, axis=0),
        lambda x: np.linalg.norm(np.trunc(x), 0, axis=0),
        [((3, 2),)],
        lambda rng, shape: rng.integers(-1, 2, shape).astype(float),
        note="p = 0",
    ),
    function(
        "norm",
        lambda x: np.linalg.norm(x.ravel()),
        [((3, 2),)],
        torch=None,
        kinds="ib",
        rtol=1e-6,
        note="PyTorch refuses integers and bools",
    ),
    *over_axes("logsumexp", lambda x, **o: np.log(np.sum(np.exp(x), **o)), least=1),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([[1.0]]).sum(2),
        ValueError,
        "sum: axis 2 is out of range for 2 dimensions; use -2 to 1",
    ),
    Mistake(
        lambda: Tensor([[1.0]]).std((0, -2)),
        ValueError,
        "std: axis (0, -2) names a dimension twice",
    ),
    Mistake(lambda: Tensor([1.0]).any("0"), TypeError, "any: axis: expected an integer; got '0'"),
    Mistake(
        lambda: Tensor([1.0]).mean(dtype=np.int64),
        TypeError,
        "mean: dtype: expected a float dtype; got int64",
    ),
    Mistake(
        lambda: Tensor([1.0]).prod(dtype="number"),
        TypeError,
        "prod: dtype: expected a NumPy dtype such as np.float32; got 'number'",
    ),
    Mistake(
        lambda: Tensor([1.0]).max(Tensor([2.0])),
        TypeError,
        "max: axis: expected an integer; got Tensor of shape (1,), float32; "
        "of two tensors, write x.maximum(y)",
    ),
    Mistake(
        lambda: Tensor.zeros(0, 3).min(0),
        ValueError,
        "min: shape (0, 3) has no elements along axis 0; "
        "the largest or smallest of nothing is not defined",
    ),
    Mistake(
        lambda: Tensor.zeros(0).argmin(),
        ValueError,
        "argmin: shape (0,) has no elements along axis None; "
        "the largest or smallest of nothing is not defined",
    ),
    Mistake(
        lambda: Tensor([[1.0]]).argmax((0, 1)),
        TypeError,
        "argmax: axis: expected an integer; got (0, 1)",
    ),
    Mistake(lambda: Tensor([1.0]).norm("fro"), TypeError, "norm: p: expected a number; got 'fro'"),
    Mistake(
        lambda: np.linalg.norm(Tensor([[1.0]]), 2),
        ValueError,
        "np.linalg.norm: ord=2 along 2 axes is not supported on a Tensor; "
        'along one axis any number is, along two "fro", 1, -1, inf and -inf',
    ),
    Mistake(
        lambda: np.average(Tensor([[1.0, 2.0]]), axis=0, weights=np.ones(2)),
        ValueError,
        "np.average: expected weights of shape (1, 2), or one for each position along one axis; "
        "got (2,) for axis 0",
    ),
]
