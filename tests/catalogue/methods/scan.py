"""Rows of the methods in tinygrad_lite/methods/scan.py."""

import numpy as np
from cases.case import Shapes, distinct

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

AXES: list[tuple[dict, list[Shapes]]] = [
    ({}, [((4,),), ((3, 2),), ((),), ((0,),), ((0, 2),), ((1, 2),)]),
    ({"axis": -1}, [((2, 3),), ((2, 0),)]),
    ({"axis": 1}, [((2, 3, 2),)]),
]


def by_lines(scan, x: np.ndarray, axis: int) -> list[np.ndarray]:
    """What `scan` makes of each line along the axis; it gives a tuple of lines."""
    lines = np.moveaxis(np.atleast_1d(x), axis, -1)
    results = [scan(lines[position]) for position in np.ndindex(lines.shape[:-1])] or [scan(lines)]
    return [
        np.moveaxis(np.array(part).reshape(lines.shape), -1, axis).reshape(x.shape)
        for part in zip(*results, strict=True)
    ]


def along(method: str, scan, **settings) -> list[Row]:
    """A row for each axis."""
    return [
        Row(
            method,
            lambda x, options=options: getattr(x, method)(**options),
            lambda x, options=options: by_lines(scan, x, options.get("axis", 0)),
            shapes,
            note=", ".join(f"{name}={value}" for name, value in options.items()),
            **settings,
        )
        for options, shapes in AXES
    ]


def running(extreme):
    """Values and positions, the last of several, by the definition."""

    def scan(line: np.ndarray) -> tuple[list, list]:
        values = [extreme(line[: end + 1]) for end in range(len(line))]
        positions = [
            int(np.flatnonzero(line[: end + 1] == value)[-1]) for end, value in enumerate(values)
        ]
        return values, positions

    return scan


ROWS: list[Row] = [
    *along("cumsum", lambda line: (np.cumsum(line),), kinds="fib"),
    *along("cumprod", lambda line: (np.cumprod(line),), kinds="fib"),
    *(
        Row(
            method,
            lambda x, method=method: getattr(x, method)(1, dtype=np.float64),
            lambda x, method=method: getattr(np, method)(x, 1, dtype=np.float64),
            [((2, 3),)],
            torch=lambda torch, x, method=method: getattr(torch, method)(x, 1, dtype=torch.float64),
            kinds="fib",
            casts=True,
            note="dtype",
        )
        for method in ("cumsum", "cumprod")
    ),
    *along("logcumsumexp", lambda line: (np.log(np.cumsum(np.exp(line))),)),
    function(
        "logcumsumexp",
        lambda x: np.log(np.cumsum(np.exp(x.astype(float)))),
        [((3,),)],
        torch=None,
        kinds="ib",
        rtol=1e-6,
        note="PyTorch refuses integers and bools",
    ),
    *along("cummax", running(np.max), kinds="fib", domain=distinct),
    *along("cummin", running(np.min), kinds="fib", domain=distinct),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Tensor([[1.0]]).cumsum(2),
        ValueError,
        "cumsum: axis 2 is out of range for 2 dimensions; use -2 to 1",
    ),
    Mistake(
        lambda: Tensor(1.0).cumprod(1),
        ValueError,
        "cumprod: axis 1 is out of range for 0 dimensions; there is no axis to name",
    ),
    Mistake(
        lambda: Tensor([[1.0]]).logcumsumexp((0, 1)),
        TypeError,
        "logcumsumexp: axis: expected an integer; got (0, 1)",
    ),
    Mistake(
        lambda: Tensor([[1.0]]).cummax(None),
        TypeError,
        "cummax: axis: expected an integer; got None",
    ),
    Mistake(
        lambda: Tensor(1.0).cummin(1.5), TypeError, "cummin: axis: expected an integer; got 1.5"
    ),
    Mistake(
        lambda: Tensor([1.0]).cumsum(dtype=complex),
        TypeError,
        "cumsum: dtype complex128 is not supported; use bool, an integer type, or float16 to 64",
    ),
]
