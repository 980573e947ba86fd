"""Rows of the primitives in tinygrad_lite/ops/arithmetic.py."""

import numpy as np

from tinygrad_lite.ops import arithmetic as ar

from .case import ONE, TWO, Case, off_multiples, positive

CASES: list[Case] = [
    Case(ar.Add, lambda a, b: a + b, np.add, TWO),
    Case(ar.Sub, lambda a, b: a - b, np.subtract, TWO),
    Case(ar.Mul, lambda a, b: a * b, np.multiply, TWO),
    Case(ar.Mul, lambda a: a * a, np.square, note="same tensor twice"),
    Case(ar.Div, lambda a, b: a / b, np.divide, TWO),
    Case(ar.Neg, lambda a: -a, np.negative),
    Case(ar.Pow, lambda a, b: a**b, np.power, TWO, positive),
    Case(ar.Pow, lambda a: a**3, lambda a: a * a * a, note="integer exponent"),
    *(
        Case(ar.Pow, lambda a, b=b: a**b, lambda a, b=b: np.power(a, float(b)), note=f"to {b}")
        for b in (-2, -1, 4, 5)
    ),
    Case(ar.Pow, lambda a: a**0.5, np.sqrt, ONE, positive, note="float exponent"),
    Case(ar.Pow, lambda a: a**0, np.ones_like, note="exponent zero"),
    Case(ar.Pow, lambda a: 2.0**a, np.exp2, note="number as base"),
    Case(
        ar.Mod,
        lambda a, b: (a * 0.77) % b,
        lambda a, b: np.remainder(a * 0.77, b),
        TWO,
        off_multiples,
    ),
    Case(
        ar.Fmod,
        lambda a, b: (a * 0.77).fmod(b),
        lambda a, b: np.fmod(a * 0.77, b),
        TWO,
        off_multiples,
    ),
    Case(
        ar.FloorDivide,
        lambda a, b: (a * 0.77) // b,
        lambda a, b: np.floor(a * 0.77 / b),
        TWO,
        off_multiples,
    ),
    Case(
        ar.FloorDivide,
        lambda a, b: (a * 0.77).div(b, rounding_mode="trunc"),
        lambda a, b: np.trunc(a * 0.77 / b),
        TWO,
        off_multiples,
        note="to zero",
    ),
]
