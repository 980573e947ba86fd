"""The values and gradients of functions by element at their corners, as numbers.

Beside PyTorch they stand in tests/parity/test_corners_elementwise.py, with what differs and why.
The numbers in the names are rows of TRAPS.md.
"""

import math

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad

INF, NAN = np.inf, np.nan
PI = math.pi

CORNERS = [
    # name, function, inputs, value, gradients, second derivative by the first input (None: no test)
    ("6 abs", lambda x: x.abs(), ([-0.0, 0.0, -2, 2],), [0, 0, 2, 2], [[0, 0, -1, 1]], 0),
    ("7 clamp", lambda x: x.clamp(-1, 1), ([-2.0, -1, 1, 2],), [-1, -1, 1, 1], [[0, 1, 1, 0]], 0),
    ("8 clamp", lambda x: x.clamp(1, -1), ([-2.0, 0, 2],), [-1, -1, -1], [[0, 0, 0]], 0),
    (
        "7 clamp by tensors",
        lambda x, a, b: x.clamp(a, b),
        ([-2.0, -1, 1, 2], [-1.0] * 4, [1.0] * 4),
        [-1, -1, 1, 1],
        [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
        0,
    ),
    (
        "8 clamp by tensors",
        lambda x, a, b: x.clamp(a, b),
        ([0.0], [1.0], [-1.0]),
        [-1],
        [[0], [0], [1]],
        0,
    ),
    ("9 rsqrt", lambda x: x.rsqrt(), ([0.0, 4],), [INF, 0.5], [[-INF, -1 / 16]], None),
    ("21 logaddexp", lambda a, b: a.logaddexp(b), ([-INF], [-INF]), [-INF], [[0], [0]], 0),
    ("21 one -inf", lambda a, b: a.logaddexp(b), ([-INF], [2.0]), [2], [[0], [1]], 0),
    ("28 xlogy", lambda a, b: a.xlogy(b), ([0.0], [0.0]), [0], [[0], [0]], 0),
    ("28 xlogy, -1", lambda a, b: a.xlogy(b), ([0.0], [-1.0]), [0], [[0], [0]], 0),
    ("28 xlogy, inf", lambda a, b: a.xlogy(b), ([0.0], [INF]), [0], [[0], [0]], 0),
    ("28 xlogy, nan", lambda a, b: a.xlogy(b), ([0.0], [NAN]), [NAN], [[NAN], [NAN]], None),
    ("29 hypot", lambda a, b: a.hypot(b), ([0.0], [0.0]), [0], [[0], [0]], 0),
    ("29 atan2", lambda a, b: a.atan2(b), ([0.0], [0.0]), [0], [[0], [0]], 0),
    ("29 sinc", lambda x: x.sinc(), ([0.0],), [1], [[0]], -(PI**2) / 3),
    ("30 asin", lambda x: x.asin(), ([1.0, -1],), [PI / 2, -PI / 2], [[INF, INF]], None),
    ("30 acos", lambda x: x.acos(), ([1.0, -1],), [0, PI], [[-INF, -INF]], None),
    ("30 acosh", lambda x: x.acosh(), ([1.0],), [0], [[INF]], -INF),
    ("30 atanh", lambda x: x.atanh(), ([1.0, -1],), [INF, -INF], [[INF, INF]], None),
    ("30 log1p", lambda x: x.log1p(), ([-1.0],), [-INF], [[INF]], -INF),
    ("30 log2, log10", lambda x: x.log2() + x.log10(), ([0.0],), [-INF], [[INF]], -INF),
    ("31 fmod", lambda a, b: a.fmod(b), ([-7.0], [3.0]), [-1], [[1], [2]], 0),
    ("31 mod", lambda a, b: a.mod(b), ([-7.0], [3.0]), [2], [[1], [3]], 0),
    ("copysign", lambda x: x.copysign(-1.0), ([0.0, 2, -2],), [0, -2, -2], [[0, -1, 1]], 0),
    ("erf", lambda x: x.erf(), ([0.0, INF],), [0, 1], [[2 / math.sqrt(PI), 0]], None),
    ("tan", lambda x: x.tan(), ([0.0],), [0], [[1]], 0),
]


@pytest.mark.parametrize(
    ("function", "inputs", "value", "gradients", "second"),
    [corner[1:] for corner in CORNERS],
    ids=[corner[0] for corner in CORNERS],
)
def test_corner(function, inputs, value, gradients, second) -> None:
    tensors = [Tensor(np.array(values), requires_grad=True) for values in inputs]
    y = function(*tensors)
    np.testing.assert_allclose(y.data, value, rtol=1e-15)
    first = grad(y.sum(), tensors, create_graph=True)
    for found, expected in zip(first, gradients, strict=True):
        np.testing.assert_allclose(found.data, expected, rtol=1e-15)
    if second is not None:
        again = [None]
        if first[0].requires_grad:
            again = grad(first[0].sum(), tensors[0], allow_unused=True)
        found = np.zeros(1) if again[0] is None else again[0].data
        np.testing.assert_allclose(found, np.full(found.shape, second), rtol=1e-14)


def test_logarithms_of_powers_are_exact() -> None:
    np.testing.assert_array_equal(Tensor(10.0 ** np.arange(23)).log10().data, np.arange(23))
    np.testing.assert_array_equal(Tensor(2.0 ** np.arange(60)).log2().data, np.arange(60))
    np.testing.assert_array_equal(Tensor(np.arange(-9.0, 9)).exp2().data, 2.0 ** np.arange(-9, 9))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, 5e-16), (np.float32, 5e-7), (np.float16, 1e-3)]
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


def test_erf_of_every_layout() -> None:
    x = np.linspace(-3, 3, 40_000).reshape(200, 200)
    expected = np.vectorize(math.erf)(x)
    np.testing.assert_allclose(Tensor(x).erf().data, expected, rtol=5e-16)
    np.testing.assert_allclose(Tensor(x).T.erf().data, expected.T, rtol=5e-16)
    np.testing.assert_allclose(Tensor(x)[::2, ::-3].erf().data, expected[::2, ::-3], rtol=5e-16)


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
