"""Rows of the primitives in tinygrad_lite/ops/elementwise.py."""

import math

import numpy as np

from tinygrad_lite.ops import elementwise as ew

from .case import ONE, TWO, Case, function, positive

CASES: list[Case] = [
    function(ew.Exp, np.exp),
    function(ew.Log, np.log, ONE, positive),
    Case(ew.LogBase, lambda a: a.log2(), np.log2, ONE, positive, note="2"),
    Case(ew.LogBase, lambda a: a.log10(), np.log10, ONE, positive, note="10"),
    function(ew.Expm1, np.expm1),
    function(ew.Log1p, np.log1p, ONE, positive),
    function(ew.Logaddexp, np.logaddexp, TWO),
    Case(ew.Logaddexp, lambda a: a.logaddexp(1.0), lambda a: np.logaddexp(a, 1), note="number"),
    function(ew.Xlogy, lambda a, b: a * np.log(b), TWO, positive),
    function(ew.Erf, np.vectorize(math.erf, otypes=[float])),
    function(ew.Sqrt, np.sqrt, ONE, positive),
    function(ew.Tanh, np.tanh),
    function(ew.Sigmoid, lambda a: 1 / (1 + np.exp(-a))),
    Case(ew.Cast, lambda a: a.clone(), np.copy),
    Case(ew.Cast, lambda a: a.T.contiguous(), lambda a: a.T.copy(), [((3, 4),)], note="in C order"),
]
