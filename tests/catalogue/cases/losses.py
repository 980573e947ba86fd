"""Rows of the primitives in tinygrad_lite/ops/losses.py."""

import numpy as np

from tinygrad_lite.ops import losses

from .case import TWO, Case


def shares(rng, shape):
    """0.1 to 0.9: probabilities away from their corners."""
    return np.asarray(rng.uniform(0.1, 0.9, shape))


def probabilities(a):
    return np.exp(a) / np.exp(a).sum(1, keepdims=True)


def product(y, p):
    return y[:, None] * p


CASES: list[Case] = [
    Case(
        losses.CrossEntropy,
        lambda a: a.cross_entropy(np.array([3, 0, 1]), reduction="none"),
        lambda a: -np.log(np.exp(a) / np.exp(a).sum(1, keepdims=True))[[0, 1, 2], [3, 0, 1]],
        [((3, 4),), ((3, 5),)],
    ),
    Case(
        losses.CrossEntropy,
        lambda a: a.cross_entropy(np.zeros(0, int), reduction="none"),
        lambda a: a.sum(1),
        [((0, 3),)],
        note="empty batch",
    ),
    Case(
        losses.CrossEntropy,
        lambda a: a.cross_entropy(np.array([[2, 0], [1, 1]]), reduction="none"),
        lambda a: -np.log(probabilities(a))[[[0, 0], [1, 1]], [[2, 0], [1, 1]], [[0, 1], [0, 1]]],
        [((2, 3, 2),)],
        note="at each position",
    ),
    Case(
        losses.CrossEntropy,
        lambda a: product(*losses.CrossEntropy.apply(a, labels=np.array([3, 0, 1]))),
        lambda a: -np.log(probabilities(a))[[0, 1, 2], [3, 0, 1]][:, None] * probabilities(a),
        [((3, 4),)],
        note="both results",
    ),
    Case(
        losses.CrossEntropy,
        lambda a: losses.CrossEntropy.apply(a, labels=np.array([3, 0, 1]))[1] * 2.0,
        lambda a: probabilities(a) * 2,
        [((3, 4),)],
        note="its second result",
    ),
    Case(
        losses.BinaryCrossEntropy,
        lambda p, t: p.binary_crossentropy(t, reduction="none"),
        lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p),
        [pair for pair in TWO if pair[0] == pair[1]],
        shares,
    ),
    Case(
        losses.Huber,
        lambda d, t: d.huber_loss(t, "none", 0.7),
        lambda d, t: np.where(abs(d - t) < 0.7, (d - t) ** 2 / 2, 0.7 * (abs(d - t) - 0.35)),
        [pair for pair in TWO if pair[0] == pair[1]],
        note="on both sides of delta",
    ),
]
