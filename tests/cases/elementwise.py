"""Rows of the primitives in tinygrad_lite/ops/elementwise.py."""

import numpy as np

from tinygrad_lite import Tensor
from tinygrad_lite.ops import elementwise as ew

from .case import ONE, TWO, Case, off_multiples, positive

MASK = np.array([[True, False, True, True], [False, True, False, True], [True, False, False, True]])

CASES: list[Case] = [
    Case(ew.Add, lambda a, b: a + b, np.add, TWO),
    Case(ew.Sub, lambda a, b: a - b, np.subtract, TWO),
    Case(ew.Mul, lambda a, b: a * b, np.multiply, TWO),
    Case(ew.Mul, lambda a: a * a, np.square, ONE, note="same tensor twice"),
    Case(ew.Div, lambda a, b: a / b, np.divide, TWO),
    Case(ew.Neg, lambda a: -a, np.negative, ONE),
    Case(ew.Pow, lambda a, b: a**b, np.power, TWO, positive),
    Case(ew.Pow, lambda a: a**3, lambda a: a * a * a, ONE, note="integer exponent"),
    Case(ew.Pow, lambda a: a**0.5, np.sqrt, ONE, positive, note="float exponent"),
    Case(ew.Pow, lambda a: a**0, np.ones_like, ONE, note="exponent zero"),
    Case(ew.Pow, lambda a: 2.0**a, np.exp2, ONE, note="number as base"),
    Case(
        ew.Mod,
        lambda a, b: (a * 0.77) % b,
        lambda a, b: np.remainder(a * 0.77, b),
        TWO,
        lambda rng, shape: off_multiples(rng, shape),
    ),
    Case(ew.Exp, lambda a: a.exp(), np.exp, ONE),
    Case(ew.Log, lambda a: a.log(), np.log, ONE, positive),
    Case(ew.Sqrt, lambda a: a.sqrt(), np.sqrt, ONE, positive),
    Case(
        ew.Mask,
        lambda a: ew.Mask.apply(a, mask=MASK),
        lambda a: a * MASK,
        [((3, 4),)],
    ),
    Case(ew.Relu, lambda a: a.relu(), lambda a: np.where(a > 0, a, 0), ONE),
    Case(ew.Maximum, lambda a, b: a.maximum(b), np.maximum, TWO),
    Case(ew.Minimum, lambda a, b: a.minimum(b), np.minimum, TWO),
    Case(
        ew.Where,
        lambda a, b: Tensor(MASK).where(a, b),
        lambda a, b: np.where(MASK, a, b),
        [((3, 4), (3, 4)), ((4,), (3, 1)), ((), (3, 4))],
    ),
    Case(ew.Abs, lambda a: a.abs(), np.abs, ONE),
    Case(ew.Tanh, lambda a: a.tanh(), np.tanh, ONE),
    Case(ew.Sigmoid, lambda a: a.sigmoid(), lambda a: 1 / (1 + np.exp(-a)), ONE),
    Case(ew.Cast, lambda a: a.clone(), np.copy, ONE),
]
