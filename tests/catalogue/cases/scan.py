"""Rows of the primitives in tinygrad_lite/ops/scan.py."""

import numpy as np

from tinygrad_lite.ops import scan

from .case import Case, Shapes, away_from_zero, function

LENGTHS: list[Shapes] = [((),), ((0,),), ((1,),), ((2,),), ((5,),), ((2, 4),), ((2, 0),), ((0, 2),)]


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Every element may be 0."""
    return np.where(rng.random(shape) < 0.4, 0.0, away_from_zero(rng, shape))


def recurrence(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Step by step."""
    y = b.copy()
    for i in range(1, b.shape[-1]):
        y[..., i] += a[..., i] * y[..., i - 1]
    return y


CASES: list[Case] = [
    Case(scan.CumSum, lambda a: a.cumsum(-1), lambda a: np.cumsum(a, -1).reshape(a.shape), LENGTHS),
    function(scan.CumSum, lambda a: np.cumsum(a, 0), [((3, 2),), ((2, 1, 3),)], note="first axis"),
    *(
        Case(
            scan.CumProd,
            lambda a: a.cumprod(-1),
            lambda a: np.cumprod(a, -1).reshape(a.shape),
            LENGTHS,
            domain,
            note=note,
        )
        for domain, note in ((away_from_zero, "last axis"), (zeros, "zeros"))
    ),
    Case(
        scan.CumProd,
        lambda a: a.cumprod(1),
        lambda a: np.cumprod(a, 1),
        [((2, 3, 2),)],
        note="middle axis",
    ),
    Case(
        scan.LogCumSumExp,
        lambda a: a.logcumsumexp(-1),
        lambda a: np.log(np.cumsum(np.exp(a), -1)).reshape(a.shape),
        LENGTHS,
    ),
    *(
        Case(
            scan.Recurrence,
            lambda a, b: scan.Recurrence.apply(a, b),
            recurrence,
            [((n,), (n,)) for n in (0, 1, 2, 3, 6)] + [((2, 4), (2, 4))],
            domain,
            note=note,
        )
        for domain, note in ((away_from_zero, "plain"), (zeros, "zeros"))
    ),
]
