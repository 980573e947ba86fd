"""Rows of the primitives in tinygrad_lite/ops/decompositions.py."""

import numpy as np

from tinygrad_lite.ops import decompositions

from .case import SQUARE, Case, Shapes, graded

ANY: list[Shapes] = [((3, 3),), ((4, 2),), ((2, 3),), ((2, 3, 2),), ((3, 0),), ((1, 1),)]


def symmetric(a):
    return a + a.mT


CASES: list[Case] = [
    Case(
        decompositions.Cholesky,
        lambda a: symmetric(a).cholesky(),
        lambda a: np.linalg.cholesky(symmetric(a)),
        SQUARE,
        graded,
    ),
    *(
        Case(
            decompositions.QR,
            lambda a, part=part: a.qr()[part],
            lambda a, part=part: np.linalg.qr(a)[part],
            ANY,
            graded,
            note=name,
        )
        for part, name in enumerate("qr")
    ),
    *(
        Case(
            decompositions.SVD,
            lambda a, part=part: a.svd()[part],
            lambda a, part=part: np.linalg.svd(a, full_matrices=False)[part],
            ANY,
            graded,
            rtol=1e-13,
            note=name,
        )
        for part, name in enumerate(("u", "s", "vh"))
    ),
    *(
        Case(
            decompositions.Eigh,
            lambda a, part=part: symmetric(a).eigh()[part],
            lambda a, part=part: np.linalg.eigh(symmetric(a))[part],
            SQUARE,
            graded,
            note=name,
        )
        for part, name in enumerate("wv")
    ),
]
