"""Rows of the primitives in tinygrad_lite/ops/recurrent.py."""

import numpy as np

from tinygrad_lite.ops import recurrent

from .case import Case


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(x, h, c, w, v, b=0.0, d=0.0):
    """h', c', and what the gates let through."""
    i, f, g, o = np.split(x @ w.T + h @ v.T + b + d, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    new = f * c + i * g
    return o * np.tanh(new), new, np.concatenate((i, f, g, o), axis=1)


def apply(*inputs):
    return recurrent.LSTMCell.apply(*inputs, *[None] * (7 - len(inputs)))


def shapes(rows, features, units, biases=2):
    state, gates = (rows, units), 4 * units
    return (rows, features), state, state, (gates, features), (gates, units), *[(gates,)] * biases


BOTH = [shapes(2, 3, 2), shapes(1, 1, 1), shapes(9, 2, 1), shapes(0, 3, 2)]

CASES: list[Case] = [
    Case(
        recurrent.LSTMCell,
        lambda *inputs: apply(*inputs)[0],
        lambda *inputs: cell(*inputs)[0],
        BOTH,
        note="h",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: apply(*inputs)[1],
        lambda *inputs: cell(*inputs)[1],
        BOTH,
        note="c",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: apply(*inputs)[2],
        lambda *inputs: cell(*inputs)[2],
        BOTH,
        note="the gates",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: joined(*apply(*inputs)),
        lambda *inputs: joined(*cell(*inputs)),
        [shapes(2, 3, 2), shapes(9, 2, 1)],
        note="all results",
    ),
    Case(
        recurrent.LSTMCell,
        lambda *inputs: joined(*apply(*inputs)),
        lambda *inputs: joined(*cell(*inputs)),
        [shapes(2, 3, 2, biases=0), shapes(2, 3, 2, biases=1)],
        note="fewer biases",
    ),
]


def joined(h, c, a):
    """A mixture that each result has a share in."""
    return np.concatenate((h * c, a * a), axis=1)
