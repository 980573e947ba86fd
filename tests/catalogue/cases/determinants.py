"""Rows of the primitives in tinygrad_lite/ops/determinants.py."""

import numpy as np

from tinygrad_lite.ops import determinants

from .case import SQUARE, Case, function, graded


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
    function(determinants.Det, np.linalg.det, SQUARE, graded),
    Case(determinants.Cofactor, cofactors, minors, SQUARE, graded, rtol=1e-13),
    Case(
        determinants.Slogdet,
        lambda a: a.slogdet()[1],
        lambda a: np.linalg.slogdet(a)[1],
        SQUARE,
        graded,
    ),
]
