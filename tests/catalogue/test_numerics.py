"""Digits: of narrow floats, of functions over their whole range; and results of integers.

Values and gradients at corners are lines of docs/gradients-at-corners.md, see test_corners.py.
"""

import math

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad

INF, NAN = np.inf, np.nan


def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot() -> None:
    """Why hand-written networks subtract 1 at the labels and divide by the number of samples."""
    scores, labels = np.random.default_rng(5).standard_normal((3, 5)), np.array([1, 0, 4])
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected[np.arange(3), labels] -= 1
    expected /= 3
    x = Tensor(scores, requires_grad=True)
    x.cross_entropy(labels).backward()
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-12, atol=1e-15)


def test_half_precision_is_summed_and_counted_in_single() -> None:
    ones = Tensor(np.ones(70_000, np.float16), requires_grad=True)
    ones.mean().backward()
    assert ones.mean().item() == 1.0
    assert ones.sum().item() == INF  # float16 holds 65504 at most
    assert ones.grad.data[0] == np.float16(1 / 70_000)
    largest = Tensor(np.ones(70_000, np.float16), requires_grad=True)
    largest.max().backward()
    assert largest.grad.data[0] == np.float16(1 / 70_000)
    nothing = Tensor(np.zeros(70_000, np.float16))
    assert nothing.softmax().data[0] == np.float16(1 / 70_000)
    for name in ("log_softmax", "logsumexp"):
        found = getattr(nothing, name)().data.ravel()[0]
        sign = -1 if name == "log_softmax" else 1
        assert found == np.float16(sign * np.log(70_000)), name
    many = Tensor(np.full(30_000, 0.1, np.float16))
    assert many.sum().item() == np.float16(np.float16(0.1).astype(np.float32) * 30_000)


def test_logsumexp_of_nothing_beside_something() -> None:
    x = Tensor([[-INF, -INF], [5.0, 6.0]], requires_grad=True)
    y = x.logsumexp(1)
    y.backward(np.ones(2))
    np.testing.assert_allclose(y.data, [-INF, 6.3132615], rtol=1e-6)
    np.testing.assert_allclose(x.grad.data, [[0, 0], [0.26894143, 0.7310586]], rtol=1e-6)


@pytest.mark.parametrize("name", ["gelu", "hardswish", "silu", "mish", "quick_gelu", "celu"])
def test_a_gate_does_not_overflow_on_its_way(name) -> None:
    largest = Tensor(np.array([60_000, 800, -800], np.float16), requires_grad=True)
    y = getattr(largest, name)()
    y.sum().backward()
    assert y.tolist() == [60_000, 800, -1 if name == "celu" else 0]
    assert largest.grad.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x.scatter(0, [0], 1e9),
        lambda x: x.scatter_add(0, [0], np.array([1e9])),
        lambda x: x.index_add(0, [0], np.array([1e9])),
        lambda x: x.index_fill(0, [0], 1e9),
        lambda x: x.pad((1, 1), value=1e9),
        lambda x: x.clone().fill_(1e9),
        lambda x: x.clone().copy_(np.array([1e9])),
        lambda x: x.clone().masked_fill_(np.array([True, False]), 1e9),
    ],
)
def test_what_does_not_fit_into_float16_is_inf_without_a_warning(act) -> None:
    assert act(Tensor(np.ones(2, np.float16))).data[0] == INF


def test_sinc_of_float16_is_rounded_once() -> None:
    x = np.linspace(-9, 9, 100).astype(np.float16)
    expected = np.sinc(x.astype(np.float32)).astype(np.float16)
    np.testing.assert_allclose(Tensor(x).sinc().data, expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize(("dtype", "large"), [(np.float16, 60_000.0), (np.float64, 1e308)])
def test_a_number_too_large_for_decimals_is_rounded_to_itself(dtype, large) -> None:
    x = np.array([large, -large, 1.26, NAN, INF], dtype)
    np.testing.assert_array_equal(Tensor(x).round(1).data, np.array([*x[:2], 1.3, NAN, INF], dtype))


def test_a_bias_of_a_convolution_gets_the_sum_of_millions_with_all_digits() -> None:
    x = Tensor.zeros(1, 1, 1500, 1501)
    weight, bias = Tensor.ones(1, 1, 1, 1), Tensor.zeros(1, requires_grad=True)
    gradient = np.full(x.shape, 0.1, np.float32)
    x.conv2d(weight, bias).backward(gradient)
    np.testing.assert_allclose(bias.grad.data, gradient.sum(dtype=np.float64), rtol=2e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_softmax_of_rows_far_from_each_other_and_from_0(dtype: type) -> None:
    """Each row by itself, though the way of computing is chosen for all of them."""
    row = np.array([0, 1, -np.inf, 2], dtype)
    rows = np.stack([row, row - 90, row + 90, row - 1000, row * 3 + 39]).astype(dtype)
    expected = np.exp(rows - rows.max(1, keepdims=True).astype(np.float64))
    expected /= expected.sum(1, keepdims=True)
    tolerance = {np.float16: 2e-3, np.float32: 1e-6, np.float64: 1e-14}[dtype]
    together = Tensor(rows).softmax(1).data
    np.testing.assert_allclose(together, expected, rtol=tolerance)
    for number in range(len(rows)):
        alone = Tensor(rows[number]).softmax().data
        np.testing.assert_allclose(alone, expected[number], rtol=tolerance)


def test_softmax_keeps_small_probabilities_below_a_small_largest_score() -> None:
    x = np.array([[-39.0, -100.0, -110.0], [-9.0, -80.0, -84.0]], np.float32)
    expected = np.exp(x - x.max(1, keepdims=True).astype(np.float64))
    np.testing.assert_allclose(Tensor(x).softmax(1).data, expected, rtol=1e-5)


def test_remainders_of_float32_are_exact() -> None:
    """As np.remainder's, whichever way they are computed."""
    rng = np.random.default_rng(3)
    sizes = np.float32(10) ** rng.uniform(-8, 8, (2, 4000)).astype(np.float32)
    a, b = sizes * rng.choice([-1, 1], sizes.shape).astype(np.float32)
    whole = np.round(rng.uniform(-50, 50, 4000)).astype(np.float32)
    with np.errstate(all="ignore"):
        for x, y in ((a, b), (a, np.float32(0.7)), (whole, np.float32(7)), (b * whole, b)):
            found = (Tensor(x) % y).data
            np.testing.assert_array_equal(found, np.remainder(x, y))
            assert (np.signbit(found) == np.signbit(np.broadcast_to(y, x.shape))).all()


def test_remainders_of_large_arrays_at_corners() -> None:
    numbers = [0.0, -0.0, 1.0, -1.0, 5.5, -5.5, 1e30, -1e30, INF, -INF, NAN, 1e-40]
    x, y = (part.ravel().astype(np.float32) for part in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        expected = np.remainder(x, y)
    np.testing.assert_array_equal((Tensor(x) % y).data, expected)
    finite = np.tile(np.array(numbers[:6], np.float32), 20)
    for divisor in numbers:
        with np.errstate(all="ignore"):
            expected = np.remainder(finite, np.float32(divisor))
        found = (Tensor(finite) % divisor).data
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_labels_in_the_byte_order_of_files() -> None:
    scores = Tensor([[0.0, 0.0], [0.0, 1.0]])
    labels = np.array([0, 1])
    expected = scores.cross_entropy(labels).item()
    assert scores.cross_entropy(labels.astype(">i4")).item() == expected


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("return_indices", [False, True])
def test_the_largest_of_a_window_over_padding_only_is_minus_inf(
    requires_grad, return_indices
) -> None:
    x = Tensor([[[5.0]]], requires_grad=requires_grad)  # read at -1, 1 and 3
    y = x.max_pool1d(3, 3, 2, 1, ceil_mode=True, return_indices=return_indices)
    assert (y[0] if return_indices else y).tolist() == [[[-INF]]]


def test_logarithms_of_powers_are_exact() -> None:
    np.testing.assert_array_equal(Tensor(10.0 ** np.arange(23)).log10().data, np.arange(23))
    np.testing.assert_array_equal(Tensor(2.0 ** np.arange(60)).log2().data, np.arange(60))
    np.testing.assert_array_equal(Tensor(np.arange(-9.0, 9)).exp2().data, 2.0 ** np.arange(-9, 9))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 5e-16), (np.float32, 3e-7), (np.float16, 1e-3)]
)
def test_erf_on_a_dense_grid(dtype, tolerance) -> None:
    """Beside Python's own, relatively: also for tiny x, at the seam, and where it reaches 1."""
    parts = np.linspace(-6.5, 6.5, 20_001), np.linspace(0.4, 0.55, 2001), np.logspace(-7, 0, 999)
    x = np.concatenate([np.concatenate(parts).astype(dtype), -np.array([0, 1, 20, INF], dtype)])
    exact = np.array([math.erf(value) for value in x])
    found = Tensor(x).erf().data
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found.astype(np.float64), exact, rtol=tolerance, atol=1e-7 * (dtype == np.float16)
    )
    np.testing.assert_array_equal(np.signbit(found), np.signbit(x))
    assert np.isnan(Tensor(np.array(NAN)).erf().data)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 5e-16), (np.float32, 3e-7)])
def test_erf_of_every_layout(dtype, tolerance) -> None:
    """Of more elements than it computes at a time."""
    x = np.linspace(-3, 3, 270_000).reshape(2, 300, 450).astype(dtype)
    expected = np.vectorize(math.erf)(x.astype(np.float64))
    for index in (..., np.s_[:, ::2, ::-3], np.s_[1, :, :1], np.s_[:, :0], np.s_[:, None]):
        for axes in (lambda a: a, lambda a: a.T, lambda a: a.swapaxes(0, 1)):
            given = axes(x[index])
            found = Tensor.from_array(given).erf().data
            np.testing.assert_allclose(found, axes(expected[index]), rtol=tolerance)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_the_series_of_sinc_meets_the_recurrence(order) -> None:
    """Each derivative is smooth at the seam: its differences there are those of the next order."""
    from tinygrad_lite.ops.trigonometry import Sinc

    seam = order + np.linspace(-1e-3, 1e-3, 11)
    step = 1e-4
    slope = (Sinc.apply(seam + step, order=order) - Sinc.apply(seam - step, order=order)) / (
        2 * step
    )
    np.testing.assert_allclose(Sinc.apply(seam, order=order + 1), slope, rtol=1e-6, atol=1e-8)


def test_derivatives_of_sinc_near_0() -> None:
    near = np.array([0.0, 1e-9, 1e-5, 1e-3])
    z = np.pi * near
    x = Tensor(near, requires_grad=True)
    (first,) = grad(x.sinc().sum(), x, create_graph=True)
    np.testing.assert_allclose(first.data, -np.pi * z / 3, rtol=1e-5)
    (second,) = grad(first.sum(), x)
    np.testing.assert_allclose(second.data, np.pi**2 * (-1 / 3 + z**2 / 10), rtol=1e-11)


def test_steps_and_signs_of_integers() -> None:
    x = Tensor(np.array([-3, 0, 2], np.int16))
    for name in ("ceil", "floor", "trunc", "round", "abs", "sign", "clone", "nan_to_num"):
        assert getattr(x, name)().dtype == np.int16, name
    for name in ("sign", "round", "floor", "ceil", "trunc", "abs"):
        y = getattr(Tensor([True, False]), name)()
        assert y.dtype == np.bool_, name
        assert y.tolist() == [True, False]
    assert x.clamp(-1, 1).tolist() == [-1, 0, 1]
    assert x.clamp(-0.5).tolist() == [-0.5, 0, 2]


def test_a_number_beside_narrow_floats_does_not_widen_them() -> None:
    x = Tensor(np.array([0.5, 2.0], np.float16))
    for y in (
        x.atan2(1.0),
        x.hypot(2),
        x.logaddexp(1.0),
        x.xlogy(2),
        x.copysign(-1),
        x.lerp(1.0, 0.5),
        x.fmod(2),
        x.clamp(0, 1.5),
        x.masked_fill([True, False], 2.5),
        x.div(2, rounding_mode="trunc"),
    ):
        assert y.dtype == np.float16


def test_lerp_ends_exactly() -> None:
    a, b = np.float32([1e8, 1e8, 1.0]), np.float32([1.0, 1.0, 1e8])
    assert Tensor(a).lerp(Tensor(b), 1.0).tolist() == b.tolist()
    assert Tensor(a).lerp(Tensor(b), Tensor([1.0])).tolist() == b.tolist()
    assert Tensor(a).lerp(Tensor(b), 0.0).tolist() == a.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [2, 3, 0.5, -1])
def test_norms_have_the_full_range(p, dtype) -> None:
    """PyTorch's overflow to inf or vanish to 0, and then their gradients are 0."""
    expected = float((3.0**p + 4.0**p) ** (1 / p))
    slopes = np.array([3.0, -4.0]) * np.array([3.0, 4.0]) ** (p - 2) / expected ** (p - 1)
    exponent = 0.6 * np.log10(float(np.finfo(dtype).max))
    for scale in (1.0, 10**exponent, 10**-exponent):
        x = Tensor(np.array([3, -4], dtype) * dtype(scale), requires_grad=True)
        y = x.norm(p)
        y.backward()
        np.testing.assert_allclose(y.item(), expected * scale, rtol=1e-5)
        np.testing.assert_allclose(x.grad.data, slopes, rtol=1e-5)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "prod", "logsumexp", "norm", "any"])
def test_no_axis_reduces_nothing(name) -> None:
    """In PyTorch `dim=()` means all axes in most functions, none in any and all."""
    x = np.array([[1.0, -2.0], [0.0, 4.0]])
    expected = {"norm": np.abs(x), "any": x != 0}.get(name, x)
    found = getattr(Tensor(x), name)(axis=())
    np.testing.assert_array_equal(found.data, expected)
    assert not np.shares_memory(found.data, x)
