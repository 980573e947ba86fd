"""Rows of the primitives in tinygrad_lite/ops/linalg.py."""

import numpy as np

from tinygrad_lite.ops import linalg

from .case import Case

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
]
