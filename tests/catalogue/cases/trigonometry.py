"""Rows of the primitives in tinygrad_lite/ops/trigonometry.py."""

import numpy as np

from tinygrad_lite.ops import trigonometry as tr

from .case import ONE, TWO, Case, above_one, function, within_one

CASES: list[Case] = [
    function(tr.Sin, np.sin),
    function(tr.Cos, np.cos),
    function(tr.Tan, np.tan, ONE, within_one),
    function(tr.Asin, np.arcsin, ONE, within_one),
    function(tr.Acos, np.arccos, ONE, within_one),
    function(tr.Atan, np.arctan),
    function(tr.Atan2, np.arctan2, TWO),
    function(tr.Hypot, np.hypot, TWO),
    Case(tr.Hypot, lambda a: a.hypot(2.0), lambda a: np.hypot(a, 2), note="with a number"),
    function(tr.Sinh, np.sinh),
    function(tr.Cosh, np.cosh),
    function(tr.Asinh, np.arcsinh),
    function(tr.Acosh, np.arccosh, ONE, above_one),
    function(tr.Atanh, np.arctanh, ONE, within_one),
    function(tr.Sinc, np.sinc),
    Case(
        tr.Sinc,
        lambda a: tr.Sinc.apply(a, order=3),
        lambda a: (-np.cos(a) - 3 * (-np.sin(a) - 2 * (np.cos(a) - np.sin(a) / a) / a) / a) / a,
        ONE,
        lambda rng, shape: np.asarray(rng.uniform(2.0, 5.0, shape)),
        note="third derivative",
    ),
]
