"""Rows of the primitives in tinygrad_lite/ops/losses.py."""

import numpy as np

from tinygrad_lite.ops import losses

from .case import TWO, Case


def shares(rng, shape):
    """0.1 to 0.9: probabilities away from their corners."""
    return np.asarray(rng.uniform(0.1, 0.9, shape))


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
        losses.BinaryCrossEntropy,
        lambda p, t: p.binary_crossentropy(t, reduction="none"),
        lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p),
        [pair for pair in TWO if pair[0] == pair[1]],
        shares,
    ),
]
