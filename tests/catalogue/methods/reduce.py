"""Rows of the methods in tinygrad_lite/methods/reduce.py."""

import numpy as np
from cases.case import Shapes, distinct

from tinygrad_lite import Tensor

from .row import Mistake, Row

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


def torch_options(options: dict) -> dict:
    """As PyTorch spells them."""
    return {"dim" if name == "axis" else name: value for name, value in options.items()}


def over_axes(method: str, reference=None, torch=None, least: int = 0, **settings) -> list[Row]:
    """A row for each way to name the axes, on shapes with at least so many elements along them."""
    reference = reference or getattr(np, method)
    torch = torch or (lambda torch, x, **options: getattr(torch, method)(x, **options))
    return [
        Row(
            method,
            lambda x, options=options: getattr(x, method)(**options),
            lambda x, options=options: reference(x, **numpy_options(options)),
            lambda torch_, x, options=options: torch(torch_, x, **torch_options(options)),
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


def torch_axes(x, name: str, dim=None, keepdim: bool = False):
    """A reduction of PyTorch's that takes one axis only, over several."""
    axes = range(x.ndim) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = getattr(x, name)(axis, keepdim=keepdim)
    return x if x.ndim or keepdim or dim is not None else getattr(x, name)()


def torch_extreme(name: str):
    return lambda torch, x, **options: getattr(torch, name)(x, **options)


def torch_logsumexp(torch, x, dim=None, keepdim: bool = False):
    return torch.logsumexp(x, tuple(range(x.ndim)) if dim is None else dim, keepdim)


def norm_reference(p: float):
    return lambda x, axis=None, keepdims=False: (
        (np.abs(x) ** p).sum(axis=axis, keepdims=keepdims) ** (1.0 / p)
    )


ROWS: list[Row] = [
    *over_axes("sum", kinds="fib"),
    Row(
        "sum",
        lambda x: x.sum(axis=()),
        lambda x: x.sum(axis=()),
        None,
        [((3, 2),), ((),)],
        note="no axis: PyTorch sums them all",
    ),
    Row(
        "sum",
        lambda x: x.sum(0, dtype=np.float64),
        lambda x: x.sum(0, dtype=np.float64),
        lambda torch, x: x.sum(0, dtype=torch.float64),
        [((3, 2),)],
        kinds="fib",
        casts=True,
        note="dtype",
    ),
    *over_axes("mean", least=1),
    Row(
        "mean",
        lambda x: x.mean(),
        lambda x: x.mean(),
        None,
        [((3, 2),)],
        kinds="ib",
        rtol=1e-6,
        note="PyTorch refuses integers and bools",
    ),
    Row(
        "mean",
        lambda x: x.mean(0, dtype=np.float64),
        lambda x: x.mean(0, dtype=np.float64),
        lambda torch, x: x.mean(0, dtype=torch.float64),
        [((3, 2),)],
        kinds="fib",
        casts=True,
        note="dtype",
    ),
    *over_axes("prod", torch=lambda torch, x, **o: torch_axes(x, "prod", **o), kinds="fib"),
    Row(
        "prod",
        lambda x: x.prod(0, dtype=np.float64),
        lambda x: x.prod(0, dtype=np.float64),
        lambda torch, x: x.prod(0, dtype=torch.float64),
        [((3, 2),)],
        kinds="fib",
        casts=True,
        note="dtype",
    ),
    *over_axes("max", None, torch_extreme("amax"), least=1, domain=distinct, kinds="fib"),
    *over_axes("min", None, torch_extreme("amin"), least=1, domain=distinct, kinds="fib"),
    *(
        Row(
            method,
            lambda x, method=method, options=options: getattr(x, method)(**options),
            lambda x, method=method, options=options: getattr(np, method)(
                x, **numpy_options(options)
            ),
            lambda torch, x, method=method, options=options: getattr(torch, method)(
                x, **torch_options(options)
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
    *over_axes(
        "count_nonzero",
        torch=lambda torch, x, dim=None, keepdim=False: (x != 0).sum(dim=dim, keepdim=keepdim),
        kinds="fib",
        constant=True,
        casts=True,
    ),
    *over_axes("var", lambda x, **o: np.var(x, **{"ddof": 1} | o), domain=distinct, least=2),
    *over_axes("std", lambda x, **o: np.std(x, **{"ddof": 1} | o), domain=distinct, least=2),
    *(
        Row(
            method,
            lambda x, method=method, c=c: getattr(x, method)(0, correction=c),
            lambda x, method=method, c=c: getattr(np, method)(x, 0, ddof=c),
            lambda torch, x, method=method, c=c: getattr(torch, method)(x, 0, correction=c),
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
            lambda torch, x, method=method: getattr(torch, f"{method}_mean")(
                x, dim=1, keepdim=True, correction=0
            ),
            [((3, 4),), ((3, 2),)],
        )
        for method in ("var", "std")
    ),
    *over_axes(
        "norm", lambda x, **o: norm_reference(2)(x, **o), lambda torch, x, **o: torch.norm(x, **o)
    ),
    *(
        Row(
            "norm",
            lambda x, p=p: x.norm(p, axis=0),
            lambda x, p=p: np.linalg.norm(x, p, axis=0),
            lambda torch, x, p=p: torch.linalg.vector_norm(x, p, dim=0),
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
        lambda torch, x: torch.linalg.vector_norm(x, 0, dim=0),
        [((3, 2),)],
        lambda rng, shape: rng.integers(-1, 2, shape).astype(float),
        constant=True,
        note="p = 0",
    ),
    Row(
        "norm",
        lambda x: x.norm(),
        lambda x: np.linalg.norm(x.ravel()),
        None,
        [((3, 2),)],
        kinds="ib",
        rtol=1e-6,
        note="PyTorch refuses integers and bools",
    ),
    *over_axes(
        "logsumexp",
        lambda x, **o: np.log(np.sum(np.exp(x), **o)),
        torch_logsumexp,
        least=1,
    ),
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
    Mistake(
        lambda: Tensor([1.0]).any("0"),
        TypeError,
        "any: an axis is an integer; got '0'",
    ),
    Mistake(
        lambda: Tensor([1.0]).mean(dtype=np.int64),
        TypeError,
        "mean: expected a float dtype; got int64",
    ),
    Mistake(
        lambda: Tensor([1.0]).prod(dtype="number"),
        TypeError,
        "dtype: expected a NumPy dtype such as np.float32; got 'number'",
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
        "argmax: an axis is an integer; got (0, 1)",
    ),
    Mistake(
        lambda: Tensor([1.0]).norm("fro"),
        TypeError,
        "norm: expected p as a number; got 'fro'",
    ),
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
