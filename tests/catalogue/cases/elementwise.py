"""Rows of the primitives in tinygrad_lite/ops/elementwise.py."""

import math

import numpy as np

from tinygrad_lite.ops import elementwise as ew

from .case import ONE, TWO, Case, positive

CASES: list[Case] = [
    Case(ew.Exp, lambda a: a.exp(), np.exp, ONE),
    Case(ew.Log, lambda a: a.log(), np.log, ONE, positive),
    Case(ew.LogBase, lambda a: a.log2(), np.log2, ONE, positive, note="2"),
    Case(ew.LogBase, lambda a: a.log10(), np.log10, ONE, positive, note="10"),
    Case(ew.Expm1, lambda a: a.expm1(), np.expm1, ONE),
    Case(ew.Log1p, lambda a: a.log1p(), np.log1p, ONE, positive),
    Case(ew.Logaddexp, lambda a, b: a.logaddexp(b), np.logaddexp, TWO),
    Case(
        ew.Logaddexp, lambda a: a.logaddexp(1.0), lambda a: np.logaddexp(a, 1), ONE, note="number"
    ),
    Case(ew.Erf, lambda a: a.erf(), np.vectorize(math.erf, otypes=[float]), ONE),
    Case(ew.Sqrt, lambda a: a.sqrt(), np.sqrt, ONE, positive),
    Case(ew.Tanh, lambda a: a.tanh(), np.tanh, ONE),
    Case(ew.Sigmoid, lambda a: a.sigmoid(), lambda a: 1 / (1 + np.exp(-a)), ONE),
    Case(ew.Cast, lambda a: a.clone(), np.copy, ONE),
    Case(ew.Cast, lambda a: a.T.contiguous(), lambda a: a.T.copy(), [((3, 4),)], note="in C order"),
]
