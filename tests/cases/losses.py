"""Rows of the primitives in tinygrad_lite/ops/losses.py."""

import numpy as np

from tinygrad_lite.ops import losses

from .case import Case

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
]
