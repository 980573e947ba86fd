"""Rows of the primitives in tinygrad_lite/ops/trigonometry.py."""

import numpy as np

from tinygrad_lite.ops import trigonometry as tr

from .case import ONE, TWO, Case, above_one, within_one

CASES: list[Case] = [
    Case(tr.Sin, lambda a: a.sin(), np.sin, ONE),
    Case(tr.Cos, lambda a: a.cos(), np.cos, ONE),
    Case(tr.Tan, lambda a: a.tan(), np.tan, ONE, within_one),
    Case(tr.Asin, lambda a: a.asin(), np.arcsin, ONE, within_one),
    Case(tr.Acos, lambda a: a.acos(), np.arccos, ONE, within_one),
    Case(tr.Atan, lambda a: a.atan(), np.arctan, ONE),
    Case(tr.Atan2, lambda a, b: a.atan2(b), np.arctan2, TWO),
    Case(tr.Hypot, lambda a, b: a.hypot(b), np.hypot, TWO),
    Case(tr.Hypot, lambda a: a.hypot(2.0), lambda a: np.hypot(a, 2), ONE, note="with a number"),
    Case(tr.Sinh, lambda a: a.sinh(), np.sinh, ONE),
    Case(tr.Cosh, lambda a: a.cosh(), np.cosh, ONE),
    Case(tr.Asinh, lambda a: a.asinh(), np.arcsinh, ONE),
    Case(tr.Acosh, lambda a: a.acosh(), np.arccosh, ONE, above_one),
    Case(tr.Atanh, lambda a: a.atanh(), np.arctanh, ONE, within_one),
    Case(tr.Sinc, lambda a: a.sinc(), np.sinc, ONE),
    Case(
        tr.Sinc,
        lambda a: tr.Sinc.apply(a, order=3),
        lambda a: (-np.cos(a) - 3 * (-np.sin(a) - 2 * (np.cos(a) - np.sin(a) / a) / a) / a) / a,
        ONE,
        lambda rng, shape: np.asarray(rng.uniform(2.0, 5.0, shape)),
        note="third derivative",
    ),
]
