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


def of_batch(*given):
    return normalisation.BatchNorm.apply(*given, eps=0.1)


def of_groups(*given):
    return normalisation.GroupNorm.apply(*given, eps=0.1, groups=2)


def rms(x, w, axes):
    axes = tuple(axis % x.ndim for axis in axes)
    return normalisation.RMSNorm.apply(x, w, axes=axes, eps=0.1)


def inverse(x, axis):
    """1 over the root of the mean square."""
    return 1 / np.sqrt((x * x).mean(axis, keepdims=True) + 0.1)


def along_channels(w, x):
    return w.reshape((-1, *(1,) * (x.ndim - 2)))


def per_channel(x):
    """All axes but that of the channels."""
    return (0, *range(2, x.ndim))


def batch_norm(x, w=1.0, b=0.0):
    w, b = (along_channels(np.asarray(each), x) for each in (w, b))
    return normal(x, per_channel(x)) * w + b if x.size else x


def group_norm(x, w=1.0, b=0.0):
    w, b = (along_channels(np.asarray(each), x) for each in (w, b))
    split = x.reshape((len(x), 2, x.shape[1] // 2, *x.shape[2:]))
    return normal(split, tuple(range(2, split.ndim))).reshape(x.shape) * w + b


def affine_of_channels(x, m, a, b):
    m, a, b = (along_channels(each, x) for each in (m, a, b))
    return (x - m) * a + b


BATCHES = [
    ((3, 2), (2,), (2,)),
    ((2, 3, 4), (3,), (3,)),
    ((2, 3, 2, 2), (3,), (3,)),
    ((2, 1, 3), (1,), (1,)),
    ((1, 2, 1, 2, 3), (2,), (2,)),
    ((0, 2, 3), (2,), (2,)),
]
GROUPS = [
    ((2, 4), (4,), (4,)),
    ((2, 4, 3), (4,), (4,)),
    ((1, 6, 2, 2), (6,), (6,)),
    ((0, 4, 2), (4,), (4,)),
]

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
    Case(
        normalisation.BatchNorm, lambda *given: of_batch(*given)[0], batch_norm, BATCHES, rtol=1e-13
    ),
    Case(
        normalisation.BatchNorm,
        lambda x: of_batch(x.permute(0, 3, 1, 2), None, None)[0],
        lambda x: batch_norm(np.moveaxis(x, 3, 1)),
        [((2, 2, 3, 4),), ((2, 2, 3, 1),)],
        rtol=1e-13,
        note="channels last, neither weight nor bias",
    ),
    Case(
        normalisation.BatchNorm,
        lambda x, w: of_batch(x, w, None)[0],
        batch_norm,
        [((3, 4), (4,))],
        rtol=1e-13,
        note="no bias",
    ),
    Case(
        normalisation.BatchNorm,
        lambda x: product(*of_batch(x, None, None)[1:]),
        lambda x: x.mean(per_channel(x)) * x.var(per_channel(x)),
        [((3, 4),), ((2, 3, 2),)],
        rtol=1e-13,
        note="mean and variance",
    ),
    Case(
        normalisation.BatchNorm,
        lambda x, w: product(*of_batch(x, w, None)),
        lambda x, w: batch_norm(x, w) * x.mean(0) * x.var(0),
        [((3, 4), (4,))],
        rtol=1e-13,
        note="all results",
    ),
    Case(
        normalisation.GroupNorm,
        lambda *given: of_groups(*given)[0],
        group_norm,
        GROUPS,
        rtol=1e-13,
    ),
    Case(
        normalisation.GroupNorm,
        lambda x, w: of_groups(x.permute(0, 3, 1, 2), w, None)[0],
        lambda x, w: group_norm(np.moveaxis(x, 3, 1), w),
        [((2, 2, 3, 4), (4,))],
        rtol=1e-13,
        note="channels last, no bias",
    ),
    Case(
        normalisation.GroupNorm,
        lambda x: product(*of_groups(x, None, None)[1:]),
        lambda x: x.reshape(2, 2, 6).mean(2) * x.reshape(2, 2, 6).var(2),
        [((2, 4, 3),)],
        rtol=1e-13,
        note="mean and variance",
    ),
    Case(
        normalisation.ChannelAffine,
        normalisation.ChannelAffine.apply,
        affine_of_channels,
        [(x, w, w, b) for x, w, b in BATCHES],
    ),
    Case(
        normalisation.ChannelAffine,
        lambda x, a: normalisation.ChannelAffine.apply(x.permute(0, 2, 1), None, a, None),
        lambda x, a: np.moveaxis(x, 2, 1) * along_channels(a, x),
        [((2, 3, 4), (4,))],
        note="channels last, only a factor",
    ),
    Case(
        normalisation.RMSNorm,
        lambda x, w: rms(x, w, (-1,))[0],
        lambda x, w: x * inverse(x, -1) * w,
        [((3, 4), (4,)), ((4,), (4,)), ((0, 2), (2,)), ((2, 2, 3), (3,)), ((2, 1), (1,))],
    ),
    Case(
        normalisation.RMSNorm,
        lambda x, w: rms(x, w, (-2, -1))[0],
        lambda x, w: x * inverse(x, (1, 2)) * w,
        [((2, 2, 3), (2, 3))],
        note="two axes",
    ),
    Case(
        normalisation.RMSNorm,
        lambda x: product(*rms(x, None, (-1,))),
        lambda x: x * inverse(x, -1) ** 2,
        [((3, 4),)],
        note="no weight, both results",
    ),
    Case(
        normalisation.RMSNorm,
        lambda x: rms(x, None, (-1,))[1],
        lambda x: inverse(x, -1),
        [((3, 4),)],
        note="its second result",
    ),
]
