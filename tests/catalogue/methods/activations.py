"""Rows of the methods in tinygrad_lite/methods/activations.py."""

from math import erf, pi, sqrt

import numpy as np
from cases.case import ONE

from tinygrad_lite import Tensor

from .row import Mistake, Row, function


def wide(rng, shape):
    """-6 to 6, away from the corners at 0, +-1, +-3 and 6."""
    drawn = np.asarray(rng.uniform(-6, 6, shape))
    return np.where(np.abs(drawn - np.round(drawn)) < 0.1, drawn + 0.25, drawn)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    if not x.ndim:
        return np.ones_like(x)
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def standard(x, axis, eps=1e-5):
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


def tanh_gelu(x):
    return 0.5 * x * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))


def erf_gelu(x):
    return 0.5 * x * (1 + np.vectorize(erf, otypes="d")(x / sqrt(2)))


def prelu(x, weight):
    spread = weight.reshape(-1, *(1,) * (x.ndim - 2)) if x.ndim else weight.reshape(())
    return np.where(x > 0, x, spread * x)


MATRIX = [((3, 4),), ((4, 1),), ((0, 3),), ((2, 3, 4),)]

ROWS: list[Row] = [
    function("relu", lambda x: np.maximum(x, 0), kinds="fi"),
    function("relu6", lambda x: np.clip(x, 0, 6), ONE, wide, kinds="fi"),
    function("hardtanh", lambda x: np.clip(x, -1, 1), ONE, wide, kinds="fi"),
    Row(
        "hardtanh",
        lambda x: x.hardtanh(-3, 1.5),
        lambda x: np.clip(x, -3, 1.5),
        [((3, 4),)],
        lambda rng, shape: wide(rng, shape) * 0.9,
        note="limits",
    ),
    Row(
        "hardtanh",
        lambda x: x.hardtanh(-2.5, 2.5),
        lambda x: np.clip(x, -2, 2),
        [((3, 4),)],
        kinds="i",
        note="fractional limits of integers",
    ),
    function(
        "hardsigmoid",
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        ONE,
        wide,
        # PyTorch's own hardsigmoid has the derivative float32(1 / 6) in float64 too
        torch=lambda torch, x: torch.nn.functional.relu6(x + 3) / 6,
    ),
    Row(
        "hardsigmoid",
        lambda x: x.hardsigmoid(alpha=0.2, beta=0.4),
        lambda x: np.clip(x * 0.2 + 0.4, 0, 1),
        [((3, 4),)],
        torch=lambda torch, x: (x * 0.2 + 0.4).clamp(0, 1),
        note="alpha and beta",
    ),
    function("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, ONE, wide),
    function("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x)),
    Row(
        "leaky_relu",
        lambda x: x.leaky_relu(neg_slope=-0.3),
        lambda x: np.where(x > 0, x, -0.3 * x),
        [((3, 4),)],
        torch=lambda torch, x: torch.nn.functional.leaky_relu(x, -0.3),
        note="slope",
    ),
    function(
        "prelu",
        prelu,
        [((3, 4), (1,)), ((3, 4), (4,)), ((2, 3, 2), (3,)), ((3,), (1,)), ((), (1,))],
    ),
    function("elu", elu),
    Row("elu", lambda x: x.elu(alpha=0.7), lambda x: elu(x, 0.7), [((3, 4),)], note="alpha"),
    Row(
        "celu",
        lambda x: x.celu(alpha=0.5),
        lambda x: np.where(x > 0, x, 0.5 * (np.exp(x / 0.5) - 1)),
    ),
    function(
        "selu",
        lambda x: 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717),
    ),
    function("tanh", np.tanh),
    function("sigmoid", sigmoid),
    function("logsigmoid", lambda x: np.log(sigmoid(x)), ONE, wide),
    function("softplus", lambda x: np.log(1 + np.exp(x)), ONE, wide),
    Row(
        "softplus",
        lambda x: x.softplus(beta=2.5),
        lambda x: np.log(1 + np.exp(2.5 * x)) / 2.5,
        [((3, 4),)],
        note="beta",
    ),
    Row(
        "softplus",
        lambda x: x.softplus(2.0, 0.25),
        lambda x: np.where(2 * x > 0.25, x, np.log(1 + np.exp(2 * x)) / 2),
        [((3, 4),)],
        note="threshold",
    ),
    function("softsign", lambda x: x / (1 + np.abs(x)), ONE, wide),
    function("gelu", tanh_gelu),
    Row("gelu", lambda x: x.gelu(approximate="none"), erf_gelu, ONE, wide, note="erf"),
    function(
        "quick_gelu",
        lambda x: x * sigmoid(1.702 * x),
        torch=lambda torch, x: x * torch.sigmoid(1.702 * x),
    ),
    function("silu", lambda x: x * sigmoid(x), ONE, wide),
    function("swish", lambda x: x * sigmoid(x), torch=lambda torch, x: torch.nn.functional.silu(x)),
    function("mish", lambda x: x * np.tanh(np.log(1 + np.exp(x))), ONE, wide),
    function(
        "glu",
        lambda x: np.split(x, 2, -1)[0] * sigmoid(np.split(x, 2, -1)[1]),
        [((3, 4),), ((2,),), ((0, 2),), ((3, 0),)],
    ),
    Row(
        "glu",
        lambda x: x.glu(axis=1),
        lambda x: np.split(x, 2, 1)[0] * sigmoid(np.split(x, 2, 1)[1]),
        [((2, 4, 3),)],
        note="axis",
    ),
    function("softmax", softmax),
    Row("softmax", lambda x: x.softmax(axis=0), lambda x: softmax(x, 0), MATRIX, note="axis 0"),
    Row(
        "softmax",
        lambda x: x.softmax(axis=0, dtype=np.float64),
        lambda x: softmax(x.astype(np.float64), 0),
        [((3, 4),)],
        torch=lambda torch, x: torch.softmax(x, 0, dtype=torch.float64),
        kinds="fib",
        casts=True,
        note="dtype",
    ),
    Row(
        "softmax",
        lambda x: x.softmax(axis=(0, 2)),
        lambda x: softmax(x, (0, 2)),
        [((2, 3, 2),)],
        torch=None,
        note="several axes: PyTorch takes one",
    ),
    function("log_softmax", lambda x: np.log(softmax(x))),
    Row(
        "log_softmax",
        lambda x: x.log_softmax(axis=1),
        lambda x: np.log(softmax(x, 1)),
        MATRIX,
        note="axis 1",
    ),
    Row("softmin", lambda x: x.softmin(axis=1), lambda x: softmax(-x, 1), MATRIX),
    function(
        "layernorm",
        lambda x: standard(x, -1),
        [((3, 4),), ((4,),), ((2, 3, 1),), ((0, 3),)],
        torch=lambda torch, x: torch.nn.functional.layer_norm(x, x.shape[-1:]),
    ),
    Row(
        "layernorm",
        lambda x: x.layernorm(axis=(1, 2), eps=0.1),
        lambda x: standard(x, (1, 2), 0.1),
        [((2, 3, 4),)],
        torch=lambda torch, x: torch.nn.functional.layer_norm(x, x.shape[1:], eps=0.1),
        note="two axes, eps",
    ),
    Row(
        "layernorm",
        lambda x: x.layernorm((0, 2, 3)),
        lambda x: standard(x, (0, 2, 3)),
        [((3, 2, 2, 3),)],
        torch=lambda torch, x: torch.nn.functional.batch_norm(x, None, None, training=True),
        note="batch normalisation",
    ),
    Row(
        "layernorm",
        lambda x, w, b: x.layernorm(weight=w, bias=b),
        lambda x, w, b: standard(x, -1) * w + b,
        [((3, 4), (4,), (4,)), ((2, 2, 3), (3,), (3,)), ((4,), (4,), (4,))],
        torch=lambda torch, x, w, b: torch.nn.functional.layer_norm(x, x.shape[-1:], w, b),
        note="weight and bias",
    ),
    Row(
        "layernorm",
        lambda x, w: x.layernorm((1, 2), 0.1, w),
        lambda x, w: standard(x, (1, 2), 0.1) * w,
        [((2, 3, 4), (3, 4))],
        torch=lambda torch, x, w: torch.nn.functional.layer_norm(x, x.shape[1:], w, eps=0.1),
        note="weight of two axes",
    ),
    Row(
        "layernorm",
        lambda x, w, b: x.layernorm((0, 2), weight=w, bias=b),
        lambda x, w, b: standard(x, (0, 2)) * w + b,
        [((3, 2, 2), (2, 1), (2, 1))],
        torch=lambda torch, x, w, b: torch.nn.functional.batch_norm(
            x, None, None, w.flatten(), b.flatten(), training=True
        ),
        note="weight and bias that broadcast otherwise: composed",
    ),
    Row(
        "layernorm",
        lambda x, b: x.layernorm(bias=b),
        lambda x, b: standard(x, -1) + b,
        [((3, 4), (4,))],
        torch=lambda torch, x, b: torch.nn.functional.layer_norm(x, x.shape[-1:]) + b,
        note="bias alone",
    ),
    function("normalize", lambda x: x / np.sqrt((x * x).sum(1, keepdims=True)), MATRIX),
    Row(
        "normalize",
        lambda x: x.normalize(p=3, axis=0, eps=2.0),
        lambda x: x / np.maximum((np.abs(x) ** 3).sum(0, keepdims=True) ** (1 / 3), 2.0),
        [((3, 4),), ((5,),)],
        note="p, axis and eps",
    ),
    Row(
        "normalize",
        lambda x: x.normalize(axis=(0, -1)),
        lambda x: x / np.sqrt((x * x).sum((0, -1), keepdims=True)),
        [((2, 3, 2),)],
        note="two axes",
    ),
    Row(
        "dropout",
        lambda x: x.dropout(0.5, training=False),
        lambda x: x,
        note="not in training: the random part stands in catalogue/test_dropout.py",
    ),
    Row("dropout", lambda x: x.dropout(1.0), lambda x: 0 * x, note="everything"),
]

X = Tensor([[1.0, 2.0, 3.0]])

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: X.leaky_relu(Tensor(0.1)),  # type: ignore[arg-type]
        TypeError,
        "leaky_relu: neg_slope: expected a number; got Tensor of shape (), float32; prelu takes "
        "a Tensor",
    ),
    Mistake(
        lambda: X.celu(0),
        ValueError,
        "celu: expected an alpha other than 0, since it divides by it",
    ),
    Mistake(
        lambda: Tensor.zeros(3, 4).layernorm(2),
        ValueError,
        "layernorm: axis 2 is out of range for 2 dimensions; use -2 to 1",
    ),
    Mistake(
        lambda: Tensor([True]).relu(), TypeError, "relu: expected numbers; got bool; cast it first"
    ),
    Mistake(
        lambda: (X > 0).hardtanh(), TypeError, "hardtanh: expected numbers; got bool; cast it first"
    ),
    Mistake(
        lambda: X.hardtanh(1, -1), ValueError, "hardtanh: expected min_val <= max_val; got 1 and -1"
    ),
    Mistake(
        lambda: X.glu(),
        ValueError,
        "glu: expected an even size along axis 1; got shape (1, 3)",
    ),
    Mistake(
        lambda: X.glu(axis=2),
        ValueError,
        "glu: axis 2 is out of range for 2 dimensions; use -2 to 1",
    ),
    Mistake(
        lambda: X.softmax(axis=2),
        ValueError,
        "softmax: axis 2 is out of range for 2 dimensions; use -2 to 1",
    ),
    Mistake(
        lambda: X.gelu("erf"),
        ValueError,
        'gelu: approximate: expected "tanh" or "none"; got \'erf\'',
    ),
    Mistake(
        lambda: X.prelu(Tensor([0.1, 0.2])),
        ValueError,
        "prelu: expected a weight of 1 or 3 elements, for x of shape (1, 3); got shape (2,)",
    ),
    Mistake(
        lambda: X.prelu(0.1),
        TypeError,
        "prelu: weight: expected a Tensor; got a number; leaky_relu takes one",
    ),
    Mistake(
        lambda: X.dropout(1.5), ValueError, "dropout: p: expected a number from 0 to 1; got 1.5"
    ),
]
