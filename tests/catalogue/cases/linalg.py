"""Rows of the primitives in tinygrad_lite/ops/linalg.py."""

import numpy as np

from tinygrad_lite.ops import linalg

from .case import SQUARE, Case, function, graded

CASES: list[Case] = [
    Case(
        linalg.Matmul,
        lambda a, b: a @ b,
        np.matmul,
        [
            ((3, 4), (4, 2)),
            ((4,), (4,)),
            ((4,), (4, 3)),
            ((3, 4), (4,)),
            ((2, 3, 4), (4, 5)),
            ((2, 3, 4), (4,)),
            ((4,), (2, 4, 3)),
            ((2, 1, 3, 4), (5, 4, 2)),
            ((3, 4), (2, 4, 5)),
            ((0, 4), (4, 2)),
            ((3, 0), (0, 2)),
            ((2, 0, 4), (4, 0)),
        ],
    ),
    Case(
        linalg.Matmul,
        lambda a, b: a @ b.T,
        lambda a, b: a @ b.T,
        [((3, 4), (2, 4)), ((2, 3, 4), (5, 4))],
        note="transposed weight",
    ),
    function(
        linalg.Linear,
        lambda x, w, b: x @ w + b,
        [
            ((3, 4), (4, 2), (2,)),
            ((2, 4), (4, 5), (5,)),  # fewer rows than columns
            ((4,), (4, 2), (2,)),
            ((2, 3, 4), (4, 2), (2,)),
            ((0, 4), (4, 2), (2,)),
            ((2, 0), (0, 3), (3,)),
            ((2, 0, 4), (4, 3), (3,)),
        ],
    ),
    Case(
        linalg.Linear,
        lambda x, w: x.linear(w, transposed=True),
        lambda x, w: x @ w.T,
        [((3, 4), (2, 4)), ((2, 4), (5, 4)), ((2, 3, 4), (2, 4))],
        note="transposed, without a bias",
    ),
    Case(
        linalg.Linear,
        lambda x, w, b: x.linear(w.T, b),
        lambda x, w, b: x @ w.T + b,
        [((3, 4), (2, 4), (2,)), ((2, 4), (5, 4), (5,))],
        note="a weight laid out in columns",
    ),
    function(linalg.Inv, np.linalg.inv, SQUARE, graded),
    function(
        linalg.Solve,
        lambda a, b: np.linalg.solve(a, b[:, None])[:, 0] if b.ndim == 1 else np.linalg.solve(a, b),
        [
            ((3, 3), (3, 2)),
            ((3, 3), (3,)),
            ((2, 2, 2), (2, 3)),
            ((2, 2), (3, 2, 1)),
            ((2, 1, 2, 2), (3, 2, 2)),
            ((0, 0), (0, 2)),
            ((2, 2), (2, 0)),
        ],
        graded,
    ),
]
