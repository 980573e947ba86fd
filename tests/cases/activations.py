"""Rows of the primitives in tinygrad_lite/ops/activations.py."""

import numpy as np

from tinygrad_lite.ops import activations

from .case import ONE, Case


def shares(a, axis):
    powers = np.exp(a)
    return powers / powers.sum(axis, keepdims=True)


CASES: list[Case] = [
    Case(activations.Softplus, lambda a: a.softplus(), lambda a: np.logaddexp(a, 0), ONE),
    Case(
        activations.Softmax,
        lambda a: a.softmax(),
        lambda a: shares(a, -1) if a.ndim else np.ones_like(a),
        ONE,
    ),
    Case(
        activations.Softmax,
        lambda a: a.softmax((0, 2)),
        lambda a: shares(a, (0, 2)),
        [((2, 3, 2),), ((0, 3, 2),)],
        note="two axes",
    ),
    Case(
        activations.LogSoftmax,
        lambda a: a.log_softmax(),
        lambda a: np.log(shares(a, -1)) if a.ndim else np.zeros_like(a),
        ONE,
    ),
    Case(
        activations.LogSoftmax,
        lambda a: a.log_softmax(0),
        lambda a: np.log(shares(a, 0)),
        [((3, 4),), ((2, 1, 3),)],
        note="axis 0",
    ),
]
