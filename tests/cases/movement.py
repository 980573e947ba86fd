"""Rows of the primitives in tinygrad_lite/ops/movement.py."""

import numpy as np

from tinygrad_lite.ops import movement

from .case import ONE, Case

CASES: list[Case] = [
    Case(
        movement.Reshape,
        lambda a: a.reshape(-1, 2),
        lambda a: a.reshape(-1, 2),
        [((3, 4),), ((2, 1, 3),), ((0, 4),)],
        copies=False,
    ),
    Case(movement.Permute, lambda a: a.T, lambda a: a.T, ONE, copies=False),
    Case(
        movement.Permute,
        lambda a: a.permute(2, 0, 1),
        lambda a: a.transpose(2, 0, 1),
        [((2, 3, 4),), ((0, 1, 2),)],
        copies=False,
        note="three axes",
    ),
    Case(
        movement.Expand,
        lambda a: a.expand(2, 3, 4),
        lambda a: np.broadcast_to(a, (2, 3, 4)),
        [((3, 1),), ((),), ((4,),), ((2, 3, 4),)],
        copies=False,
    ),
    Case(
        movement.Concatenate,
        lambda *xs: xs[0].cat(*xs[1:], axis=1),
        lambda *xs: np.concatenate(xs, axis=1),
        [((3, 4), (3, 1), (3, 2)), ((2, 3),), ((2, 0), (2, 3)), ((2, 1, 2), (2, 2, 2))],
    ),
]
