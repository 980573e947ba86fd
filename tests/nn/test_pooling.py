"""Pooling as layers: against loops in NumPy, gradients, indices and the way back, wrong options."""

from itertools import product

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

RNG = np.random.default_rng(9)
SIZES = {1: (7,), 2: (6, 5), 3: (4, 5, 3)}
RANKS = pytest.mark.parametrize("rank", [1, 2, 3])


def largest(window):
    return window.max(-1)


def mean(window):
    return window.mean(-1)


def named(name, rank):
    return getattr(nn, name.format(rank))


def images(rank, batch=(2, 3)):
    shape = (*batch, *SIZES[rank])
    return RNG.permutation(int(np.prod(shape))).reshape(shape) / 10.0 - 3.05


def pooled(x, kernel, stride, function, fill=0.0, padding=0, dilation=1):
    """`function` of the elements of each window, the window being the last axis."""
    rank = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * rank], constant_values=fill)
    span = (kernel - 1) * dilation + 1
    count = [(n - span) // stride + 1 for n in x.shape[2:]]
    y = np.empty((*x.shape[:2], *count))
    for position in product(*map(range, count)):
        window = tuple(slice(p * stride, p * stride + span, dilation) for p in position)
        y[(..., *position)] = function(x[(..., *window)].reshape(*x.shape[:2], -1))
    return y


@RANKS
def test_max_pool(rank):
    x = images(rank)
    layer = named("MaxPool{}d", rank)
    np.testing.assert_array_equal(layer(2)(x).numpy(), pooled(x, 2, 2, largest))
    np.testing.assert_array_equal(layer(2)(x[0]).numpy(), pooled(x, 2, 2, largest)[0])
    expected = pooled(x, 3, 1, largest, -np.inf, padding=1)
    np.testing.assert_array_equal(layer(3, 1, 1)(x).numpy(), expected)
    expected = pooled(x, 2, 1, largest, dilation=2)
    np.testing.assert_array_equal(layer(2, 1, dilation=2)(x).numpy(), expected)


@RANKS
def test_average_pool(rank):
    x = images(rank)
    layer = named("AvgPool{}d", rank)
    np.testing.assert_allclose(layer(2)(x).numpy(), pooled(x, 2, 2, mean), rtol=1e-12)
    expected = pooled(x, 3, 2, mean, padding=1)
    np.testing.assert_allclose(layer(3, 2, 1)(x).numpy(), expected, rtol=1e-12, atol=1e-14)
    counts = pooled(np.ones_like(x), 3, 2, lambda w: w.sum(-1), padding=1)
    found = layer(3, 2, 1, count_include_pad=False)(x).numpy()
    np.testing.assert_allclose(found, expected * 3**rank / counts, rtol=1e-12, atol=1e-14)
    if rank > 1:
        found = layer(2, divisor_override=-7)(x).numpy()
        np.testing.assert_allclose(found, pooled(x, 2, 2, lambda w: w.sum(-1) / -7), rtol=1e-12)


@RANKS
@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_lp_pool(rank, p):
    x = np.abs(images(rank)) + 0.1
    expected = pooled(x, 2, 1, lambda w: (w**p).sum(-1) ** (1 / p))
    found = named("LPPool{}d", rank)(p, 2, 1)(x).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_lp_pool_of_zeros_has_the_derivative_zero():
    x = Tensor(np.array([[[0.0, 0.0, 3.0, 4.0]]]), requires_grad=True)
    y = nn.LPPool1d(2, 2)(x)
    assert y.tolist() == [[[0.0, 5.0]]]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[[0.0, 0.0, 0.6, 0.8]]], rtol=1e-12)


@RANKS
@pytest.mark.parametrize("count", [1, 2, 3])
def test_adaptive_pools(rank, count):
    x = images(rank)
    for name, function in (("AdaptiveAvgPool{}d", np.mean), ("AdaptiveMaxPool{}d", np.max)):
        y = named(name, rank)(count)(x).numpy()
        assert y.shape == (2, 3, *(count,) * rank)
        for position in np.ndindex(*(count,) * rank):
            window = tuple(
                slice(i * n // count, -(-(i + 1) * n // count))
                for i, n in zip(position, x.shape[2:], strict=True)
            )
            part = x[(..., *window)].reshape(2, 3, -1)
            np.testing.assert_allclose(y[(..., *position)], function(part, -1), rtol=1e-12)


def test_none_keeps_an_axis():
    x = images(2)
    expected = nn.AdaptiveAvgPool2d((3, 5))(x).numpy()
    np.testing.assert_array_equal(nn.AdaptiveAvgPool2d((3, None))(x).numpy(), expected)
    assert nn.AdaptiveMaxPool3d((None, 2, None))(images(3)).shape == (2, 3, 4, 2, 3)
    np.testing.assert_array_equal(nn.AdaptiveAvgPool2d(None)(x).numpy(), x)


@pytest.mark.parametrize(
    ("layer", "rank"),
    [
        (nn.MaxPool1d(3, 2, 1, ceil_mode=True), 1),
        (nn.MaxPool2d((2, 3), (1, 2), dilation=(2, 1)), 2),
        (nn.MaxPool3d(2, 1), 3),
        (nn.AvgPool1d(3, 2, 1, True, False), 1),
        (nn.AvgPool2d(3, 2, 1, True, True, 5), 2),
        (nn.AvgPool3d(2), 3),
        (nn.LPPool2d(2, 2), 2),
        (nn.LPPool1d(3, 2, 1, True), 1),
        (nn.AdaptiveAvgPool2d((4, 3)), 2),
        (nn.AdaptiveMaxPool2d((4, 3)), 2),
    ],
    ids=lambda value: repr(value),
)
def test_gradients_of_both_orders(layer, rank):
    x = Tensor(images(rank, (1, 2)) + 4.0, requires_grad=True)
    assert gradcheck(layer, [x])
    assert gradgradcheck(layer, [x])


@RANKS
@pytest.mark.parametrize("batch", [(2, 3), (3,)])
def test_unpooling_puts_each_largest_element_back(rank, batch):
    x = images(rank, batch)
    pool, unpool = named("MaxPool{}d", rank)(2, return_indices=True), named("MaxUnpool{}d", rank)
    y, indices = pool(x)
    assert indices.dtype == np.int64
    back = unpool(2)(y, indices, output_size=x.shape[-rank:])
    assert back.shape == x.shape
    kept = back.numpy() != 0
    np.testing.assert_array_equal(back.numpy()[kept], x[kept])
    np.testing.assert_array_equal(pool(back + 100 * kept)[0].numpy(), y.numpy() + 100)
    assert unpool(2)(y, indices, x.shape).shape == x.shape
    small = unpool(2)(*pool(back[(..., *[slice(n // 2 * 2) for n in x.shape[-rank:]])]))
    assert small.shape[-rank:] == tuple(n // 2 * 2 for n in x.shape[-rank:])


def test_gradients_of_unpooling():
    y, indices = nn.MaxPool2d(2, return_indices=True)(images(2))
    layer = nn.MaxUnpool2d(2)
    assert gradcheck(lambda y: layer(y, indices, (6, 5)), [y.detach().requires_grad_(True)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "layer",
    [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2), nn.AdaptiveAvgPool2d(4)],
    ids=repr,
)
def test_a_narrow_dtype_stays_in_any_memory_order(layer, dtype):
    x = np.abs(images(2)).astype(dtype)
    y = layer(x)
    assert y.dtype == dtype
    wide = layer(x.astype(np.float64)).numpy()
    np.testing.assert_allclose(y.numpy(), wide, rtol=2e-3 if dtype == np.float16 else 1e-6)
    turned = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(layer(turned).numpy(), y.numpy())


def test_an_empty_batch():
    for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2), nn.AdaptiveAvgPool2d(2)):
        assert layer(np.ones((0, 3, 4, 4))).shape == (0, 3, 2, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: nn.MaxPool2d((2, 2, 2)),
            "MaxPool2d: kernel_size: expected an integer or 2 of them; got (2, 2, 2)",
        ),
        (
            lambda: nn.MaxPool2d(2, 0),
            "MaxPool2d: stride: expected an integer of 1 or more; got 0",
        ),
        (
            lambda: nn.MaxPool2d(2, padding=2)(np.ones((1, 1, 4, 4))),
            "MaxPool2d: max_pool2d: padding is at most half a window, which spans (2, 2) elements; "
            "got (2, 2)",
        ),
        (
            lambda: nn.MaxPool2d(5)(np.ones((1, 1, 4, 4))),
            "MaxPool2d: max_pool2d: a kernel over (5, 5) elements does not fit into a padded input "
            "of (4, 4)",
        ),
        (
            lambda: nn.AvgPool2d(2, divisor_override=0),
            "AvgPool2d: divisor_override: expected another integer than 0",
        ),
        (
            lambda: Tensor.ones(1, 1, 2, 2).avg_pool2d(2, divisor_override=0),
            "avg_pool2d: divisor_override: expected another integer than 0",
        ),
        (
            lambda: nn.LPPool1d(0, 2)(np.ones((1, 1, 4))),
            "LPPool1d: lp_pool1d: norm_type: expected another number than 0",
        ),
        (
            lambda: nn.AdaptiveAvgPool2d((1, 2, 3)),
            "AdaptiveAvgPool2d: output_size: expected 2 numbers; got (1, 2, 3)",
        ),
        (
            lambda: nn.AdaptiveMaxPool2d(0),
            "AdaptiveMaxPool2d: output_size: expected an integer of 1 or more; got 0",
        ),
        (
            lambda: nn.MaxUnpool2d(2)(np.ones((1, 1, 2, 2)), np.zeros((1, 1, 2, 2), int), (6, 4)),
            "MaxUnpool2d: max_unpool2d: output_size: expected (4, 4), give or take less than the "
            "stride (2, 2); got (6, 4)",
        ),
        (
            lambda: nn.MaxUnpool1d(2, padding=1)(np.ones((1, 1, 1)), np.zeros((1, 1, 1), int)),
            "MaxUnpool1d: max_unpool1d: padding (1,) leaves an output of size (0,)",
        ),
        (
            lambda: nn.MaxUnpool1d(2)(np.ones((1, 1, 2)), np.zeros((1, 1, 3), int)),
            "MaxUnpool1d: max_unpool1d: expected 2 or 3 axes, and indices of the same shape; got "
            "(1, 1, 2) and (1, 1, 3)",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=":") as caught:
        make()
    assert str(caught.value) == message


def test_options_are_shown():
    assert repr(nn.MaxPool2d(3, 2, 1)) == (
        "MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1), "
        "ceil_mode=False)"
    )
    assert repr(nn.AdaptiveAvgPool2d((1, None))) == "AdaptiveAvgPool2d(output_size=(1, None))"
