"""Rows of the primitives in tinygrad_lite/ops/linalg.py."""

import numpy as np

from tinygrad_lite.ops import decompositions, determinants, linalg

from .case import Case, Shapes, graded

SQUARE: list[Shapes] = [((3, 3),), ((2, 2, 2),), ((1, 1),), ((0, 0),), ((0, 2, 2),)]
ANY: list[Shapes] = [((3, 3),), ((4, 2),), ((2, 3),), ((2, 3, 2),), ((3, 0),), ((1, 1),)]


def symmetric(a):
    return a + a.mT


def cofactors(a):
    """By their definition, for float16 in float32."""
    wide = a.cast(np.float32) if a.dtype == np.float16 else a
    return determinants.Cofactor.apply(wide).cast(a.dtype)


def minors(a):
    """(-1)^(i + j) det(a without row i and column j)."""
    found, size = np.zeros_like(a), a.shape[-1]
    for i, j in np.ndindex(size, size):
        rest = np.delete(np.delete(a, i, axis=-2), j, axis=-1)
        found[..., i, j] = (-1) ** (i + j) * np.linalg.det(rest)
    return found


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
    Case(
        linalg.Linear,
        lambda x, w, b: x.linear(w, b),
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
    Case(linalg.Inv, lambda a: a.inv(), np.linalg.inv, SQUARE, graded),
    Case(
        linalg.Solve,
        lambda a, b: a.solve(b),
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
    Case(determinants.Det, lambda a: a.det(), np.linalg.det, SQUARE, graded),
    Case(determinants.Cofactor, cofactors, minors, SQUARE, graded, rtol=1e-13),
    Case(
        determinants.Slogdet,
        lambda a: a.slogdet()[1],
        lambda a: np.linalg.slogdet(a)[1],
        SQUARE,
        graded,
    ),
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
            lambda a, place=place: a.qr()[place],
            lambda a, place=place: np.linalg.qr(a)[place],
            ANY,
            graded,
            note=name,
        )
        for place, name in enumerate("qr")
    ),
    *(
        Case(
            decompositions.SVD,
            lambda a, place=place: a.svd()[place],
            lambda a, place=place: np.linalg.svd(a, full_matrices=False)[place],
            ANY,
            graded,
            rtol=1e-13,
            note=name,
        )
        for place, name in enumerate(("u", "s", "vh"))
    ),
    *(
        Case(
            decompositions.Eigh,
            lambda a, place=place: symmetric(a).eigh()[place],
            lambda a, place=place: np.linalg.eigh(symmetric(a))[place],
            SQUARE,
            graded,
            note=name,
        )
        for place, name in enumerate("wv")
    ),
]
