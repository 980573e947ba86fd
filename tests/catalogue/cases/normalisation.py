"""Rows of the primitives in tinygrad_lite/ops/normalisation.py."""

from math import prod

import numpy as np

from tinygrad_lite.ops import normalisation

from .case import Case


def normal(x, axis):
    return (x - x.mean(axis, keepdims=True)) * scale(x, axis)


def scale(x, axis):
    return 1 / np.sqrt(x.var(axis, keepdims=True) + 0.1)


def product(y, *others):
    return y * prod(others)


def affine(*given):
    return normalisation.LayerNormAffine.apply(*given, eps=0.1)


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
    Case(
        normalisation.LayerNormAffine,
        lambda a, w, b: a.layernorm(eps=0.1, weight=w, bias=b),
        lambda a, w, b: normal(a, -1) * w + b,
        [((3, 4), (4,), (4,)), ((4,), (4,), (4,)), ((0, 2), (2,), (2,)), ((2, 2, 3), (3,), (3,))],
    ),
    Case(
        normalisation.LayerNormAffine,
        lambda a, w: a.layernorm((1, 2), eps=0.1, weight=w),
        lambda a, w: normal(a, (1, 2)) * w,
        [((2, 2, 3), (2, 3))],
        note="two axes, no bias",
    ),
    Case(
        normalisation.LayerNormAffine,
        lambda a: product(*affine(a, a.ones(4, dtype=a.dtype), None)[1:]),
        lambda a: normal(a, 1) * scale(a, 1),
        [((3, 4),)],
        note="the results for its rule",
    ),
    Case(
        normalisation.LayerNormAffine,
        lambda *given: product(*affine(*given)),
        lambda a, w, b: (normal(a, 1) * w + b) * normal(a, 1) * scale(a, 1),
        [((3, 4), (4,), (4,))],
        note="all results",
    ),
]
