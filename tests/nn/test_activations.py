"""Activations as layers: each by its formula in NumPy, gradients, corners, wrong options."""

import math

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

X = np.random.default_rng(4).standard_normal((3, 4)) * 2  # no element near a corner

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772  # of SELU


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def gelu(x):
    return x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2


FORMULAS = [
    (nn.ReLU(), lambda x: np.maximum(x, 0)),
    (nn.ReLU6(), lambda x: np.clip(x, 0, 6)),
    (nn.LeakyReLU(), lambda x: np.where(x > 0, x, 0.01 * x)),
    (nn.LeakyReLU(0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
    (nn.PReLU(init=0.5, dtype=np.float64), lambda x: np.where(x > 0, x, 0.5 * x)),
    (nn.RReLU(0.2, 0.4).eval(), lambda x: np.where(x > 0, x, 0.3 * x)),
    (nn.Hardtanh(-0.5, 0.8), lambda x: np.clip(x, -0.5, 0.8)),
    (nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    (nn.Hardswish(), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    (nn.Hardshrink(0.6), lambda x: np.where(np.abs(x) > 0.6, x, 0)),
    (nn.Softshrink(0.6), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.6, 0)),
    (nn.Threshold(0.4, -7), lambda x: np.where(x > 0.4, x, -7)),
    (nn.ELU(0.7), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    (nn.CELU(0.7), lambda x: np.where(x > 0, x, 0.7 * np.expm1(x / 0.7))),
    (
        nn.SELU(),
        lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x)),
    ),
    (nn.Sigmoid(), sigmoid),
    (nn.LogSigmoid(), lambda x: np.log(sigmoid(x))),
    (nn.Softplus(2.0), lambda x: np.log1p(np.exp(2 * x)) / 2),
    (nn.Softplus(1.0, 1.5), lambda x: np.where(x > 1.5, x, np.log1p(np.exp(x)))),
    (nn.Tanh(), np.tanh),
    (nn.Tanhshrink(), lambda x: x - np.tanh(x)),
    (nn.Softsign(), lambda x: x / (1 + np.abs(x))),
    (nn.GELU(), gelu),
    (
        nn.GELU("tanh"),
        lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    ),
    (nn.SiLU(), lambda x: x * sigmoid(x)),
    (nn.Mish(), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    (nn.GLU(), lambda x: x[:, :2] * sigmoid(x[:, 2:])),
    (nn.Softmax(0), lambda x: softmax(x, 0)),
    (nn.LogSoftmax(-1), lambda x: np.log(softmax(x, 1))),
    (nn.Softmin(1), lambda x: softmax(-x, 1)),
]
every_formula = pytest.mark.parametrize(
    ("layer", "formula"), FORMULAS, ids=[repr(layer) for layer, _ in FORMULAS]
)


@every_formula
def test_each_follows_its_formula(layer, formula):
    np.testing.assert_allclose(layer(X).numpy(), formula(X), rtol=1e-12, atol=1e-14)


@every_formula
def test_gradients_of_both_orders(layer, formula):
    x = Tensor(X, requires_grad=True)
    assert gradcheck(layer, [x])
    assert gradgradcheck(layer, [x])


@every_formula
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_narrow_dtype_stays_and_is_accurate(layer, formula, dtype):
    if isinstance(layer, nn.PReLU):
        layer = nn.PReLU(init=0.5, dtype=dtype)
    x = X.astype(dtype)
    y = layer(x)
    assert y.dtype == dtype
    digits = 2e-3 if dtype == np.float16 else 2e-6
    np.testing.assert_allclose(y.numpy(), formula(x.astype(np.float64)), rtol=digits, atol=digits)


@every_formula
def test_an_empty_batch(layer, formula):
    assert layer(np.ones((0, 4))).shape == formula(np.ones((0, 4))).shape


@pytest.mark.parametrize(
    "name",
    [
        *("ReLU", "ReLU6", "LeakyReLU", "RReLU", "Hardtanh", "Hardsigmoid", "Hardswish", "ELU"),
        *("CELU", "SELU", "SiLU", "Mish"),
    ],
)
def test_inplace_changes_nothing(name):
    x = Tensor(X, requires_grad=True)
    layer = getattr(nn, name)
    np.testing.assert_array_equal(layer(inplace=True).eval()(x).numpy(), layer().eval()(x).numpy())
    np.testing.assert_array_equal(x.numpy(), X)
    with pytest.raises(TypeError) as caught:
        layer(inplace=1)
    assert str(caught.value) == f"{name}: inplace: expected True or False; got 1"


def derivative(layer, values):
    x = Tensor(np.array(values), requires_grad=True)
    layer(x).sum().backward()
    return x.grad.tolist()


def test_derivatives_at_corners():
    assert derivative(nn.ReLU(), [0.0]) == [0.0]
    assert derivative(nn.ReLU6(), [0.0, 6.0]) == [0.0, 0.0]
    assert derivative(nn.LeakyReLU(0.25), [0.0]) == [0.25]
    assert derivative(nn.Hardtanh(), [-1.0, 1.0]) == [0.0, 0.0]
    assert derivative(nn.Hardshrink(0.5), [-0.5, 0.5]) == [0.0, 0.0]
    assert derivative(nn.Softshrink(0.5), [-0.5, 0.5]) == [0.0, 0.0]
    assert derivative(nn.Threshold(0.5, 2.0), [0.5]) == [0.0]
    assert derivative(nn.ELU(0.5), [0.0]) == [0.5]


@pytest.mark.parametrize(
    "layer", [nn.Hardshrink(), nn.Softshrink(), nn.Threshold(0, 1), nn.Tanhshrink(), nn.RReLU()]
)
def test_nan_stays(layer):
    assert np.isnan(layer(np.array([np.nan, 1.0])).numpy()).tolist() == [True, False]


def test_threshold_keeps_integers():
    y = nn.Threshold(1, 5)(np.array([1, 2, 0]))
    assert (y.tolist(), y.dtype) == ([5, 2, 5], np.int64)


def test_prelu_has_one_slope_for_each_channel():
    layer = nn.PReLU(2)
    assert [(name, p.tolist()) for name, p in layer.named_parameters()] == [
        ("weight", [0.25, 0.25])
    ]
    layer.weight.data = np.array([0.5, 2.0])
    x = Tensor(np.array([[-1.0, -3.0], [4.0, -5.0]]), requires_grad=True)
    y = layer(x)
    assert y.tolist() == [[-0.5, -6.0], [4.0, -10.0]]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [-1.0, -8.0]
    assert x.grad.tolist() == [[0.5, 2.0], [1.0, 2.0]]


def test_rrelu_draws_a_slope_for_each_element_in_training():
    Tensor.manual_seed(1)
    layer = nn.RReLU(0.2, 0.6)
    x = Tensor(np.full((100, 100), -2.0), requires_grad=True)
    y = layer(x)
    slopes = y.numpy() / -2.0
    assert 0.2 <= slopes.min() < 0.201
    assert 0.599 < slopes.max() <= 0.6
    assert slopes.mean() == pytest.approx(0.4, abs=0.005)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slopes, rtol=1e-12)
    Tensor.manual_seed(1)
    np.testing.assert_array_equal(layer(x).numpy(), y.numpy())
    assert layer(np.ones(3)).tolist() == [1.0, 1.0, 1.0]


def test_softmax2d_is_over_channels():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(nn.Softmax2d()(x).numpy(), softmax(x, 1), rtol=1e-12)
    np.testing.assert_allclose(nn.Softmax2d()(x[0]).numpy(), softmax(x[0], 0), rtol=1e-12)
    with pytest.raises(ValueError, match="Softmax2d") as caught:
        nn.Softmax2d()(x[0, 0])
    assert str(caught.value) == "Softmax2d: expected (N, C, H, W) or (C, H, W); got (4, 5)"


@pytest.mark.parametrize(
    ("shape", "axis"), [((3,), 0), ((2, 3), 1), ((2, 3, 4), 0), ((2, 1, 3, 4), 1)]
)
def test_softmax_without_an_axis_takes_pytorchs_and_warns(shape, axis):
    x = np.random.default_rng(0).standard_normal(shape)
    with pytest.warns(UserWarning, match=f"Softmax without dim takes axis {axis} here") as caught:
        y = nn.Softmax()(x)
    assert len(caught) == 1
    np.testing.assert_allclose(y.numpy(), softmax(x, axis), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Softshrink(-1), "Softshrink: lambd: expected a number of 0 or more; got -1"),
        (lambda: nn.Hardtanh(1, -1), "Hardtanh: expected min_val <= max_val; got 1 and -1"),
        (
            lambda: nn.GELU("erf"),
            'GELU: approximate: expected "none" or "tanh"; got \'erf\'',
        ),
        (lambda: nn.PReLU(0), "PReLU: num_parameters: expected an integer of 1 or more; got 0"),
        (
            lambda: nn.RReLU(2, 1)(np.ones(2)),
            "RReLU: rrelu: expected lower <= upper; got 2 and 1",
        ),
        (
            lambda: nn.GLU()(np.ones((2, 3))),
            "GLU: glu: expected an even size along axis 1; got shape (2, 3)",
        ),
        (
            lambda: nn.PReLU(3)(np.ones((2, 4), np.float32)),
            "PReLU: prelu: expected a weight of 1 or 4 elements, for x of shape (2, 4); got shape "
            "(3,)",
        ),
    ],
)
def test_wrong_options_are_named(make, message):
    with pytest.raises(ValueError, match="expected") as caught:
        make()
    assert str(caught.value) == message


def test_options_are_shown():
    shown = [nn.ReLU(), nn.LeakyReLU(0.2), nn.Softmax(1), nn.GELU(), nn.Threshold(0.1, 2)]
    assert [repr(layer) for layer in shown] == [
        "ReLU()",
        "LeakyReLU(negative_slope=0.2)",
        "Softmax(dim=1)",
        "GELU(approximate='none')",
        "Threshold(threshold=0.1, value=2)",
    ]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_softplus_of_huge_numbers_times_beta_is_silent(dtype):
    most = np.finfo(dtype).max
    y = nn.Softplus(beta=2.0, threshold=20.0)(Tensor(np.array([most, -most], dtype)))
    assert y.tolist() == [most, 0.0]
