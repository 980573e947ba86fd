"""Normalised channels in float32 are those of float64, in every layout and for any numbers."""

import numpy as np
import pytest

from tinygrad_lite import Tensor, ops

TOLERANCE = 5e-7
RNG = np.random.default_rng(0)
SHAPE = (12, 6, 40, 30)


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "channels last": channels_last,
    "Fortran": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=0)[::2],
}
NORMAL = RNG.standard_normal(SHAPE)
FIRST_APART = np.where(np.arange(12)[:, None, None, None] == 0, 0.0, 1000 + NORMAL)
INPUTS = {
    "normal": NORMAL,
    "uniform": RNG.random(SHAPE),
    "of mean 3": NORMAL + 3,
    "of mean 1e4": NORMAL + 1e4,
    "of mean 1e6": NORMAL + 1e6,
    "the first image apart": FIRST_APART,
    "two values": np.where(NORMAL > 0, 0.1, -0.1),
    "large": NORMAL * 1e15,
    "one channel": NORMAL[:, :1],
    "one pixel": RNG.random((2003, 7, 1, 1)),
    "a prime number of pixels": RNG.random((1, 2, 100_003)),
    "rows": RNG.random((30_011, 3)),
    "many": RNG.random((40, 8, 50, 50)) + 0.5,  # shared by threads
}


def exact(x, g, w, b, eps, groups=None):
    """y, mean, var, and the gradients of x, w, b, by NumPy in float64."""
    x, g, w, b = (np.asarray(each, np.float64) for each in (x, g, w, b))
    shape, sums = x.shape, (0, *range(2, x.ndim))
    w, b = (each.reshape((-1, *(1,) * (x.ndim - 2))) for each in (w, b))
    split = shape if groups is None else (len(x), groups, shape[1] // groups, *shape[2:])
    axes = sums if groups is None else tuple(range(2, len(split)))
    x = x.reshape(split)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    r = 1 / np.sqrt(var + eps)
    n = (x - mean) * r
    h = (g * w).reshape(split)
    gx = r * (h - h.mean(axes, keepdims=True) - n * (h * n).mean(axes, keepdims=True))
    n = n.reshape(shape)
    y, gw, gb = n * w + b, (g * n).sum(sums), g.sum(sums)
    return y, mean.squeeze(axes), var.squeeze(axes), gx.reshape(shape), gw, gb


def found(x, g, w, b, **options):
    leaves = [Tensor.from_array(x), Tensor(w), Tensor(b)]
    for leaf in leaves:
        leaf.requires_grad = True
    op = ops.GroupNorm if "groups" in options else ops.BatchNorm
    results = op.apply(*leaves, **options)
    results[0].backward(g)
    return [each.data for each in results] + [leaf.grad.data for leaf in leaves]


def assert_exact(x, scale=TOLERANCE, **options):
    rng = np.random.default_rng(1)
    w, b = (rng.uniform(0.5, 1.5, x.shape[1]).astype(np.float32) for _ in range(2))
    g = (rng.standard_normal(x.shape) + 0.5).astype(np.float32)
    ours, expected = found(x, g, w, b, **options), exact(x, g, w, b, **options)
    # A sum whose terms cancel is compared with the sum of their absolute values.
    terms = [np.abs(each).max() for each in expected]
    terms[4] = max(terms[4], np.abs(g).sum() / x.shape[1])
    for name, one, right, most in zip(
        ["y", "mean", "var", "gx", "gw", "gb"], ours, expected, terms, strict=True
    ):
        assert one.dtype == x.dtype, name
        np.testing.assert_allclose(one, right, rtol=0, atol=scale * most, err_msg=name)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", INPUTS)
def test_batch_norm_is_exact(name, layout):
    assert_exact(LAYOUTS[layout](INPUTS[name].astype(np.float32)), eps=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("groups", [1, 3, 6])
@pytest.mark.parametrize("name", ["normal", "of mean 1e4", "the first image apart", "two values"])
def test_group_norm_is_exact(name, groups, layout):
    x = LAYOUTS[layout](INPUTS[name].astype(np.float32))
    if name == "the first image apart":  # along another axis
        x = np.swapaxes(x, 0, 2)[:, :, :12]
    assert_exact(x, eps=1e-5, groups=groups)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_of_more_elements_than_are_worked_on_at_once(layout):
    x = LAYOUTS[layout]((RNG.random((2, 6, 300, 200)) + 1).astype(np.float32))
    assert_exact(x, eps=1e-3)
    assert_exact(x, eps=1e-3, groups=2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("value", [0.1, -1234.567, 1e30])
def test_equal_elements_are_exactly_0(value, layout):
    x = LAYOUTS[layout](np.full(SHAPE, value, np.float32))
    w, b = np.ones(6, np.float32), np.zeros(6, np.float32)
    for options in ({}, {"groups": 2}):
        y, mean, var, *_ = found(x, np.ones_like(x), w, b, eps=1e-5, **options)
        assert not y.any()
        assert not var.any()
        np.testing.assert_array_equal(mean, np.float32(value))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("unit", [1e-30, 1e25, 1e38])
def test_variances_that_vanish_or_overflow(unit, layout):
    """The variance itself is 0 or inf in float32; what it divides by is not."""
    x = LAYOUTS[layout]((NORMAL * unit).clip(-3e38, 3e38).astype(np.float32))
    rng = np.random.default_rng(1)
    w, b, g = np.full(6, 2, np.float32), np.ones(6, np.float32), rng.random(SHAPE, np.float32)
    for options in ({"eps": 0.0}, {"eps": 0.0, "groups": 3}):
        ours, expected = found(x, g, w, b, **options), exact(x, g, w, b, **options)
        np.testing.assert_allclose(ours[0], expected[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(ours[1], expected[1], rtol=1e-3)
        np.testing.assert_array_equal(ours[2], 0 if unit < 1 else np.inf)
        most = np.abs(expected[3]).max()
        if most < 1e38:
            np.testing.assert_allclose(ours[3], expected[3], rtol=0, atol=1e-5 * most)
        np.testing.assert_allclose(ours[4], expected[4], rtol=0, atol=1e-5 * g.sum() / 6)


def test_nan_and_inf_stay_in_their_channel():
    x = NORMAL.astype(np.float32)
    x[3, 1, 2, 2], x[0, 4, 0, 0] = np.nan, np.inf
    w = np.ones(6, np.float32)
    y, mean, *_ = found(x, np.ones_like(x), w, w, eps=1e-5)
    broken = np.isnan(y).any((0, 2, 3))
    np.testing.assert_array_equal(broken, [False, True, False, False, True, False])
    assert np.isnan(mean[1])
    rest = [0, 2, 3, 5]
    right = exact(x[:, rest], x[:, rest], w[rest], w[rest], 1e-5)[0]
    np.testing.assert_allclose(y[:, rest], right, rtol=0, atol=2e-6)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (2, 3, 0), (2, 0, 4)])
def test_an_empty_batch(shape):
    leaves = [
        Tensor(np.zeros(each, np.float32), requires_grad=True) for each in (shape, shape[1:2])
    ]
    for op, options in ((ops.BatchNorm, {}), (ops.GroupNorm, {"groups": max(shape[1], 1)})):
        y = op.apply(*leaves, None, eps=1e-5, **options)[0]
        y.backward(np.zeros(shape, np.float32))
        assert y.shape == shape
        for leaf in leaves:
            np.testing.assert_array_equal(leaf.grad.data, np.zeros(leaf.shape))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_memory_order_stays(layout):
    x = Tensor.from_array(LAYOUTS[layout](NORMAL.astype(np.float32)))
    x.requires_grad = True
    y = ops.BatchNorm.apply(x, None, None, eps=1e-5)[0]
    y.backward(np.ascontiguousarray(NORMAL, np.float32))
    if layout in ("contiguous", "channels last"):
        assert y.data.strides == x.data.strides == x.grad.data.strides


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch):
    from tinygrad_lite.arrays import threads

    x = INPUTS["many"].astype(np.float32)
    rng = np.random.default_rng(1)
    g, w = rng.standard_normal(x.shape).astype(np.float32), np.ones(8, np.float32)
    results = []
    for size in (1, 3):
        monkeypatch.setattr(threads, "_pool", threads.Pool(size))
        results.append(found(x, g, w, w, eps=1e-5))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
