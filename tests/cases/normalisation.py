"""Rows of the primitives in tinygrad_lite/ops/normalisation.py."""

import numpy as np

from tinygrad_lite.ops import normalisation

from .case import Case


def normal(x, axis):
    return (x - x.mean(axis, keepdims=True)) * scale(x, axis)


def scale(x, axis):
    return 1 / np.sqrt(x.var(axis, keepdims=True) + 0.1)


def product(y, r):
    return y * r


CASES: list[Case] = [
    Case(
        normalisation.LayerNorm,
        lambda a: a.layernorm(eps=0.1),
        lambda a: normal(a, -1) if a.ndim else np.zeros_like(a),
        [((3, 4),), ((),), ((0, 2),), ((1,),), ((2, 1, 3),)],
    ),
    Case(
        normalisation.LayerNorm,
        lambda a: a.layernorm((0, 2), eps=0.1),
        lambda a: normal(a, (0, 2)),
        [((2, 3, 2),), ((1, 4, 3),)],
        note="two axes",
    ),
    Case(
        normalisation.LayerNorm,
        lambda a: normalisation.LayerNorm.apply(a, axes=(1,), eps=0.1)[1],
        lambda a: scale(a, 1),
        [((3, 4),)],
        note="its second result",
    ),
    Case(
        normalisation.LayerNorm,
        lambda a: product(*normalisation.LayerNorm.apply(a, axes=(1,), eps=0.1)),
        lambda a: normal(a, 1) * scale(a, 1),
        [((3, 4),)],
        note="both results",
    ),
]
