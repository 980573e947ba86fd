"""Rows of the primitives in tinygrad_lite/ops/elementwise.py."""

import numpy as np

from tinygrad_lite.ops import elementwise as ew

from .case import ONE, Case, positive

CASES: list[Case] = [
    Case(ew.Exp, lambda a: a.exp(), np.exp, ONE),
    Case(ew.Log, lambda a: a.log(), np.log, ONE, positive),
    Case(ew.Sqrt, lambda a: a.sqrt(), np.sqrt, ONE, positive),
    Case(ew.Tanh, lambda a: a.tanh(), np.tanh, ONE),
    Case(ew.Sigmoid, lambda a: a.sigmoid(), lambda a: 1 / (1 + np.exp(-a)), ONE),
    Case(ew.Cast, lambda a: a.clone(), np.copy, ONE),
]
