"""Rows of the primitives in tinygrad_lite/ops/activations.py."""

import numpy as np

from tinygrad_lite.ops import activations

from .case import Case, function


def shares(a, axis):
    powers = np.exp(a)
    return powers / powers.sum(axis, keepdims=True)


def tanh_gelu(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def tanh_gelu_slope(x, s):
    return s + s * (1 - s) * 2 * x * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)


LOWER, BELOW = np.tri(3, 4), np.tri(3, 4, -1)


CASES: list[Case] = [
    function(activations.Gelu, tanh_gelu),
    Case(
        activations.Gelu,
        lambda a: activations.Gelu.apply(a)[1].square(),
        lambda a: (tanh_gelu(a) / a) ** 2,
        note="its second result",
    ),
    Case(
        activations.GeluSlope,
        activations.GeluSlope.apply,
        tanh_gelu_slope,
        [((3, 4), (3, 4)), ((), ()), ((0, 2), (0, 2))],
    ),
    function(activations.Softsign, lambda a: a / (1 + np.abs(a))),
    Case(activations.Gate, lambda a: a.silu(), lambda a: a / (1 + np.exp(-a))),
    Case(
        activations.Gate,
        activations.Gate.apply,
        np.multiply,
        [((3, 4), (3, 4)), ((), ()), ((0, 2), (0, 2))],
        note="two inputs",
    ),
    function(activations.Softplus, lambda a: np.logaddexp(a, 0)),
    function(activations.Softmax, lambda a: shares(a, -1) if a.ndim else np.ones_like(a)),
    Case(
        activations.Softmax,
        lambda a: a.softmax((0, 2)),
        lambda a: shares(a, (0, 2)),
        [((2, 3, 2),), ((0, 3, 2),)],
        note="two axes",
    ),
    Case(
        activations.Softmax,
        lambda a: (a * 90.0).softmax(),
        lambda a: shares((a - a.max(-1, keepdims=True)) * 90.0, -1),
        [((3, 4),)],
        rtol=1e-13,
        note="beyond the range of exp",
    ),
    Case(
        activations.Softmax,
        lambda a: activations.Softmax.apply(a, axes=(1,), mask=LOWER.astype(a.dtype)),
        lambda a: np.exp(a) * LOWER / (np.exp(a) * LOWER).sum(1, keepdims=True),
        [((3, 4),)],
        note="masked",
    ),
    Case(
        activations.Softmax,
        lambda a: activations.Softmax.apply(a, axes=(1,), mask=BELOW.astype(a.dtype)),
        lambda a: np.exp(a) * BELOW / np.maximum((np.exp(a) * BELOW).sum(1, keepdims=True), 1e-9),
        [((3, 4),)],
        note="masked, with a row of which nothing counts",
    ),
    Case(
        activations.LogSoftmax,
        lambda a: a.log_softmax(),
        lambda a: np.log(shares(a, -1)) if a.ndim else np.zeros_like(a),
    ),
    Case(
        activations.LogSoftmax,
        lambda a: a.log_softmax(0),
        lambda a: np.log(shares(a, 0)),
        [((3, 4),), ((2, 1, 3),)],
        note="axis 0",
    ),
]
