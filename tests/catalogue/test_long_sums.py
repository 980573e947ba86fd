"""Sums keep their digits whatever their length, along every axis and in every memory layout.

The right values are NumPy's, in float64; a float32 of the right value is within 6e-8 of it.
"""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from every import each
from methods.activations import softmax, standard

from tinygrad_lite import Tensor, grad
from tinygrad_lite.arrays.sums import sum_along

TOLERANCE = 1e-6
INF, NAN = np.inf, np.nan


def assert_close(found, expected, tolerance=TOLERANCE) -> None:
    """Within the tolerance of the largest element."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def last_second(x):
    """The same elements, with the last axis second in memory, as in channels-last images."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if x.ndim > 2 else x


def spread(x, steps):
    """The same elements, a step apart along each axis of a larger array."""
    room = np.full([size * step for size, step in zip(x.shape, steps, strict=True)], NAN, x.dtype)
    view = room[tuple(slice(None, None, step) for step in steps)]
    view[...] = x
    return view


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "channels last": last_second,
    "middle first": lambda x: np.swapaxes(np.ascontiguousarray(np.swapaxes(x, 0, -2)), 0, -2),
    "reversed": lambda x: np.ascontiguousarray(np.flip(x))[(slice(None, None, -1),) * x.ndim],
    "every second row": lambda x: spread(x, (2, *(1,) * (x.ndim - 1))),
    "every second column": lambda x: spread(x, (*(1,) * (x.ndim - 1), 2)),
    "spread": lambda x: spread(x, (2,) * x.ndim),
}


def numbers(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Positive float32, constant or random."""
    if kind == "random":
        return np.random.default_rng(sum(shape)).random(shape, np.float32) + np.float32(0.001)
    return np.full(shape, 0.1 if kind == "0.1" else 1.7, np.float32)


KINDS = ["0.1", "1.7", "random"]


@pytest.mark.parametrize("layout", LAYOUTS)
@each(kind=KINDS, width=[1, 2, 7, 40])
def test_a_sum_of_any_length(width: int, layout: str, kind: str) -> None:
    for length in (1, 2, 3, 16, 33, 64, 65, 100, 128, 200, 257, 1000, 1024, 4099, 30_001):
        for shape, axis in (((length, width), 0), ((width, length), 1)):
            x = numbers(kind, shape)
            expected = x.sum(axis, dtype=np.float64)
            np.testing.assert_allclose(
                sum_along(LAYOUTS[layout](x), (axis,)), expected, rtol=TOLERANCE, err_msg=str(shape)
            )


@pytest.mark.parametrize(
    "shape", [(40, 3, 50, 20), (3, 4000, 2, 3), (2, 3, 2, 3001), (7, 5, 5, 7), (1, 900, 1, 30)]
)
@each(kind=KINDS, layout=LAYOUTS)
def test_sums_along_any_axes_of_images(shape, layout: str, kind: str) -> None:
    x = numbers(kind, shape)
    given = LAYOUTS[layout](x)
    for count in range(5):
        for rising in itertools.combinations(range(4), count):
            for axes, keepdims in ((rising, False), (rising, True), (rising[::-1], False)):
                expected = x.sum(axes, dtype=np.float64, keepdims=keepdims)
                found = sum_along(given, axes, keepdims)
                np.testing.assert_allclose(found, expected, rtol=TOLERANCE, err_msg=str(axes))
                assert np.shape(found) == expected.shape
                assert found.dtype == np.float32
                assert not np.shares_memory(found, given)


@pytest.mark.parametrize(
    ("shape", "axis"), [((10_000_000, 2), 0), ((2, 10_000_000), 1), ((1_000_000, 8), 0)]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_sum_of_millions(shape, axis, order) -> None:
    x = np.full(shape, 0.1, np.float32, order)
    expected = np.float64(np.float32(0.1)) * shape[axis]
    np.testing.assert_allclose(Tensor.from_array(x).sum(axis).data, expected, rtol=TOLERANCE)


def test_a_sum_beyond_the_integers_of_float32() -> None:
    """Added one after the other, ones would stop at 2^24."""
    x = np.ones((20_000_000, 2), np.float32)
    assert Tensor.from_array(x).sum(0).tolist() == [2e7, 2e7]


def test_sums_of_repeated_elements_are_products() -> None:
    row = np.float32([[0.1, 0.7, 1.3]])
    repeated = np.broadcast_to(row, (100_000, 3))
    np.testing.assert_allclose(sum_along(repeated, (0,)), 1e5 * row[0].astype(float), rtol=1e-7)
    along = sum_along(repeated, (1,))
    np.testing.assert_allclose(along, np.full(100_000, row.sum(dtype=float)), rtol=1e-7)
    assert along.flags.writeable
    assert sum_along(np.broadcast_to(np.float32(0.3), (300, 400)), (0, 1)) == np.float32(36_000)
    assert sum_along(np.broadcast_to(np.float16(0.5), (300, 400)), (0, 1)) == np.float16(60_000)


def test_a_sum_over_windows_that_overlap_takes_no_memory_for_their_elements() -> None:
    x = numbers("0.1", (20_000,))
    windows = np.lib.stride_tricks.sliding_window_view(x, 2000)
    tracemalloc.start()
    try:
        found = [sum_along(windows, axes) for axes in ((0,), (1,), (0, 1))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 24  # the elements of all windows take 144 MB
    for axes, sums in zip((0, 1, (0, 1)), found, strict=True):
        expected = windows.sum(axes, dtype=np.float64)
        np.testing.assert_allclose(sums, expected, rtol=TOLERANCE)


@pytest.mark.parametrize("layout", LAYOUTS)
@each(shape=[(300, 5), (5, 300), (100, 1000), (3, 100, 4)])
def test_inf_and_nan_stay_in_their_row_or_column(layout, shape) -> None:
    x = np.ones(shape, np.float32)
    x[0, 1], x[1, 1], x[2, 2], x[2, 0], x[1, 0] = INF, INF, NAN, INF, -INF
    given = LAYOUTS[layout](x)
    with np.errstate(invalid="ignore"):
        for axis in range(x.ndim):
            np.testing.assert_array_equal(sum_along(given, (axis,)), x.sum(axis, dtype=float))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_, np.float64])
def test_sums_of_other_dtypes(dtype) -> None:
    x = (np.random.default_rng(0).random((3000, 7)) * 9).astype(dtype)
    images = last_second(x.reshape(30, 5, 10, 14))
    for given in (x, np.asfortranarray(x), x[::2], x[:, ::-1], images):
        for axes in ((0,), (1,), (0, 1), (), (0, *range(2, given.ndim))):
            found = sum_along(given, axes)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, given.sum(axes, dtype=dtype), rtol=1e-13)


@pytest.mark.parametrize(
    ("shape", "axes"), [((0, 3), (0,)), ((3, 0), (0,)), ((0,), (0,)), ((), ()), ((2, 0, 3), (0, 1))]
)
def test_sums_of_nothing(shape, axes) -> None:
    found = sum_along(np.ones(shape, np.float32), axes)
    np.testing.assert_array_equal(found, np.ones(shape).sum(axes))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8])
def test_sums_of_nothing_that_is_repeated(dtype) -> None:
    """Along an axis of stride 0 an element is read once; there may be none."""
    nothing = np.broadcast_to(np.zeros((1, 0, 1), dtype), (5, 0, 40))
    for axes in ((), (0,), (1,), (2,), (0, 1), (2, 0), (0, 1, 2)):
        found = sum_along(nothing, axes)
        np.testing.assert_array_equal(found, nothing.sum(axes, dtype=dtype))
        assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_sum_over_no_axis_is_a_compact_copy(layout: str, dtype) -> None:
    x = LAYOUTS[layout](np.arange(2 * 31 * 40).reshape(2, 31, 40).astype(dtype))
    found = sum_along(x, ())
    np.testing.assert_array_equal(found, x)
    assert found.dtype == dtype
    assert min(found.strides) == found.itemsize
    assert not np.shares_memory(found, x)


# Methods: what is computed from long sums, beside NumPy in float64

N = 50_003
RNG = np.random.default_rng(7)
X = RNG.uniform(0.5, 1.5, (N, 2)).astype(np.float32)
Y = RNG.uniform(0.5, 1.5, (N, 2)).astype(np.float32)
SCORES = RNG.normal(0, 2, (N, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, N)
NEAR_1 = RNG.uniform(0.999, 1.001, (N, 2)).astype(np.float32)
X64, Y64 = X.astype(np.float64), Y.astype(np.float64)


ALONG_AXIS_0 = {
    "sum": (lambda x: x.sum(0), lambda x: x.sum(0)),
    "mean": (lambda x: x.mean(0), lambda x: x.mean(0)),
    "var": (lambda x: x.var(0), lambda x: x.var(0, ddof=1)),
    "std": (lambda x: x.std(0), lambda x: x.std(0, ddof=1)),
    "norm": (lambda x: x.norm(2, 0), lambda x: np.sqrt((x * x).sum(0))),
    "1-norm": (lambda x: x.norm(1, 0), lambda x: x.sum(0)),
    "3-norm": (lambda x: x.norm(3, 0), lambda x: (x**3).sum(0) ** (1 / 3)),
    "logsumexp": (lambda x: x.logsumexp(0), lambda x: np.log(np.exp(x).sum(0))),
    "softmax": (lambda x: x.softmax(0), lambda x: softmax(x, 0)),
    "log_softmax": (lambda x: x.log_softmax(0), lambda x: np.log(softmax(x, 0))),
    "layernorm": (lambda x: x.layernorm(0), lambda x: standard(x, 0)),
    "normalize": (lambda x: x.normalize(2, 0), lambda x: x / np.sqrt((x * x).sum(0))),
    "cumsum": (lambda x: x.cumsum(0), lambda x: x.cumsum(0)),
    "logcumsumexp": (lambda x: x.logcumsumexp(0), lambda x: np.log(np.exp(x).cumsum(0))),
    "einsum": (lambda x: Tensor.einsum("ij->j", x), lambda x: x.sum(0)),
    "np.mean": (lambda x: np.mean(x, axis=0), lambda x: x.mean(0)),
    "np.var": (lambda x: np.var(x, axis=0), lambda x: x.var(0)),
    "np.nansum": (lambda x: np.nansum(x, axis=0), lambda x: x.sum(0)),
    "np.add.reduce": (np.add.reduce, np.add.reduce),
    "np.average": (
        lambda x: np.average(x, axis=0, weights=Y),
        lambda x: np.average(x, axis=0, weights=Y64),
    ),
    "cosine": (
        lambda x: x.cosine_similarity(Y, 0),
        lambda x: (x * Y64).sum(0) / np.sqrt((x * x).sum(0) * (Y64 * Y64).sum(0)),
    ),
    "all": (lambda x: x.sum(), lambda x: x.sum()),
    "mse_loss": (lambda x: x.mse_loss(Y), lambda x: np.mean((x - Y64) ** 2)),
    "l1_loss": (lambda x: x.l1_loss(Y), lambda x: np.mean(np.abs(x - Y64))),
}


@pytest.mark.parametrize("name", ALONG_AXIS_0)
@each(layout=LAYOUTS)
def test_methods_along_a_long_axis(name: str, layout: str) -> None:
    ours, theirs = ALONG_AXIS_0[name]
    assert_close(ours(Tensor.from_array(LAYOUTS[layout](X))).data, theirs(X64))


@pytest.mark.parametrize("value", [0.1, 0.3])
@pytest.mark.parametrize("name", ["sum", "mean", "norm", "softmax", "cumsum", "np.average"])
def test_methods_of_equal_numbers(name: str, value: float) -> None:
    """Rounding errors of equal numbers have the same sign, and add up."""
    x = np.full((N, 2), value, np.float32)
    ours, theirs = ALONG_AXIS_0[name]
    assert_close(ours(Tensor(x)).data, theirs(x.astype(np.float64)))


def test_the_mean_of_channels_last_images_is_theirs() -> None:
    images = Tensor(np.full((200, 28, 28, 3), 0.3, np.float32)).permute(0, 3, 1, 2)
    np.testing.assert_allclose(images.mean((0, 2, 3)).data, np.float32(0.3), rtol=TOLERANCE)
    np.testing.assert_array_equal(images.var((0, 2, 3)).data, 0)
    some = last_second(RNG.random((60, 3, 30, 30), np.float32))
    for axes in ((0, 2, 3), (1,), (2, 3), (0,), (1, 2, 3)):
        wide = some.astype(np.float64)
        assert_close(Tensor.from_array(some).var(axes).data, wide.var(axes, ddof=1))
        assert_close(Tensor.from_array(some).layernorm(axes).data, standard(wide, axes))


def test_products_of_many_factors() -> None:
    x = Tensor(NEAR_1, requires_grad=True)
    wide = NEAR_1.astype(np.float64)
    y = x.prod(0)
    assert_close(y.data, wide.prod(0))
    (g,) = grad(y.sum(), x)
    assert_close(g.data, wide.prod(0) / wide)
    running = x.cumprod(0)
    assert_close(running.data, wide.cumprod(0))
    (g,) = grad(running.sum(), x)
    assert_close(g.data, wide.cumprod(0)[::-1].cumsum(0)[::-1] / wide)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_over_many_samples(reduction) -> None:
    x = Tensor(SCORES, requires_grad=True)
    p = softmax(SCORES.astype(np.float64), 1)
    own = p[np.arange(N), LABELS]
    share = 1 / N if reduction == "mean" else 1
    loss = x.cross_entropy(LABELS, reduction=reduction)
    assert_close(loss.data, -np.log(own).sum() * share)
    loss.backward()
    assert_close(x.grad.data, (p - np.eye(3)[LABELS]) * share)
    few = Tensor(SCORES.T)  # three samples of many classes
    q = softmax(SCORES.T.astype(np.float64), 1)
    loss = few.cross_entropy(np.array([1, 5, N - 1]), reduction=reduction)
    expected = -np.log(q[[0, 1, 2], [1, 5, N - 1]]).sum() / (3 if reduction == "mean" else 1)
    assert_close(loss.data, expected)


def test_large_windows() -> None:
    x = np.full((1, 2, 120, 120), 0.1, np.float32)
    tenth = np.float64(np.float32(0.1))
    for kernel, stride in ((120, 1), (60, 60), (100, 1), (40, 20)):
        given = Tensor(x, requires_grad=True)
        y = given.avg_pool2d((kernel, kernel), stride=stride)
        np.testing.assert_allclose(y.data, tenth, rtol=TOLERANCE)
        y.backward(np.full(y.shape, 0.1, np.float32))
        count = np.zeros(120)  # along one axis, the number of windows that read a pixel
        for start in range(0, 121 - kernel, stride):
            count[start : start + kernel] += 1
        expected = np.multiply.outer(count, count) * tenth / kernel**2
        assert_close(given.grad.data, np.broadcast_to(expected, x.shape))
    assert_close(Tensor(x).adaptive_avg_pool2d(1).data, np.full((1, 2, 1, 1), tenth))
    line = Tensor(np.zeros((1, 1, 6000), np.float32), requires_grad=True)
    line.max_pool1d(3001, stride=1).backward(np.full((1, 1, 3000), 0.1, np.float32))
    np.testing.assert_allclose(line.grad.data.sum(dtype=np.float64), 3000 * tenth, rtol=TOLERANCE)
    line = Tensor(np.zeros(4000, np.float32), requires_grad=True)
    line.unfold(0, 1000, 1).backward(np.full((3001, 1000), 0.1, np.float32))
    assert line.grad.data[2000] == np.float32(100)


# Gradients of what was repeated

G = RNG.uniform(0.5, 1.5, (N, 2)).astype(np.float32)
G64 = G.astype(np.float64)
ROW = np.float32([0.9, 1.1])
ROWS = RNG.uniform(0.5, 1.5, (3, 2)).astype(np.float32)


def added_at(labels, values):
    total = np.zeros((3, 2))
    np.add.at(total, labels, values)
    return total


BROADCASTS = {
    "+": (lambda b: b + X, ROW, lambda: G64.sum(0)),
    "-": (lambda b: X - b, ROW, lambda: -G64.sum(0)),
    "*": (lambda b: b * X, ROW, lambda: (G64 * X64).sum(0)),
    "/": (lambda b: b / X, ROW, lambda: (G64 / X64).sum(0)),
    "a number": (lambda b: b + X, np.float32(0.5), lambda: G64.sum()),
    "expand": (lambda b: b.expand(N, 2), ROW, lambda: G64.sum(0)),
    "repeat": (lambda b: b.repeat(N, 1), ROW, lambda: G64.sum(0)),
    "tile": (lambda b: np.tile(b, (N, 1)), ROW, lambda: G64.sum(0)),
    "repeat_interleave": (
        lambda b: b.repeat_interleave(N, 0),
        ROW[None],
        lambda: G64.sum(0, keepdims=True),
    ),
    "where": (lambda b: np.where(X > 1, X, b), ROW, lambda: (G64 * ~(X > 1)).sum(0)),
    "lerp": (
        lambda b: Tensor(X).lerp(Y, b),
        ROW,
        lambda: (G64 * (Y64 - X64)).sum(0),
    ),
    "maximum": (lambda b: b.maximum(X), ROW, lambda: (G64 * (X < ROW)).sum(0)),
    "clamp": (lambda b: Tensor(X).clamp(b), ROW, lambda: (G64 * (X < ROW)).sum(0)),
    "prelu": (lambda b: Tensor(-X).prelu(b), ROW, lambda: (-G64 * X64).sum(0)),
    "logaddexp": (
        lambda b: b.logaddexp(X),
        ROW,
        lambda: (G64 / (1 + np.exp(X64 - ROW))).sum(0),
    ),
    "linear": (
        lambda b: Tensor(X).linear(np.eye(2, dtype=np.float32), b),
        ROW,
        lambda: G64.sum(0),
    ),
    "layernorm": (
        lambda b: Tensor(X).layernorm(-1, 1e-5, np.ones(2, np.float32), b),
        ROW,
        lambda: G64.sum(0),
    ),
    "embedding": (lambda b: b[LABELS], ROWS, lambda: added_at(LABELS, G64)),
    "index_select": (lambda b: b.index_select(0, LABELS), ROWS, lambda: added_at(LABELS, G64)),
    "gather": (
        lambda b: b.gather(0, np.stack([LABELS, LABELS], 1)),
        ROWS,
        lambda: added_at(LABELS, G64),
    ),
    "a slice between": (lambda b: b[None, LABELS, :][0], ROWS, lambda: added_at(LABELS, G64)),
    "einsum": (lambda b: Tensor.einsum("j,ij->ij", b, X), ROW, lambda: (G64 * X64).sum(0)),
}


@pytest.mark.parametrize("name", BROADCASTS)
@each(layout=LAYOUTS)
def test_gradients_of_what_was_repeated(name: str, layout: str) -> None:
    act, given, expected = BROADCASTS[name]
    b = Tensor(given, requires_grad=True)
    act(b).backward(LAYOUTS[layout](G))
    assert_close(b.grad.data, expected(), 2e-6 if name == "lerp" else TOLERANCE)


@pytest.mark.parametrize("axes", [(0,), (0, 2, 3), (1,)])
def test_gradients_of_a_bias_of_images(axes) -> None:
    images = last_second(RNG.random((40, 3, 50, 20), np.float32))
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(images.shape))
    b = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    (b + images * 0).backward(images)
    assert_close(b.grad.data, images.sum(axes, dtype=np.float64, keepdims=True))
    weight, bias = Tensor.ones(2, 3, 1, 1), Tensor.zeros(2, requires_grad=True)
    y = Tensor(images).conv2d(weight, bias)
    g = RNG.random(y.shape, np.float32)
    y.backward(g)
    assert_close(bias.grad.data, g.sum((0, 2, 3), dtype=np.float64))


@pytest.mark.parametrize("shape", [(1500, 4, 8, 8), (600, 4, 64, 1), (2, 4, 300, 6), (90, 4, 50)])
def test_gradients_of_depthwise_weights(shape) -> None:
    """All pixels of all images are added up for each tap."""
    images = numbers("0.1", shape)
    kernel = tuple(min(2, size) for size in shape[2:])
    weight = Tensor.zeros(4, 1, *kernel, requires_grad=True)
    act = Tensor.conv2d if len(shape) == 4 else Tensor.conv1d
    y = act(Tensor(images), weight, groups=4)
    y.backward(np.full(y.shape, 1.7, np.float32))
    terms = math.prod(y.shape) // 4
    expected = np.full(weight.shape, terms * np.float64(np.float32(0.1)) * np.float32(1.7))
    assert_close(weight.grad.data, expected)


def test_gradients_of_a_sequence_whose_windows_nearly_all_overlap() -> None:
    """Each element is read by thousands of windows, and their terms are added tap by tap."""
    x = Tensor(numbers("0.1", (1, 1, 8000)), requires_grad=True)
    weight = numbers("0.1", (1, 1, 4001))
    y = x.conv1d(weight)
    y.backward(np.full(y.shape, 1.7, np.float32))
    windows = np.convolve(np.ones(4000), np.ones(4001))
    assert_close(x.grad.data[0, 0], windows * np.float64(np.float32(0.1)) * np.float32(1.7))


def test_gradients_of_sums_that_are_repeated() -> None:
    x = Tensor(X, requires_grad=True)
    x.cumsum(0).backward(G)
    assert_close(x.grad.data, G64[::-1].cumsum(0)[::-1])
    y64 = softmax(X64, 0)
    expected = y64 * (G64 - (G64 * y64).sum(0))
    x = Tensor(X, requires_grad=True)
    x.softmax(0).backward(G)
    assert_close(x.grad.data, expected)
    x = Tensor(X, requires_grad=True)
    x.logcumsumexp(0).backward(G)
    sums = np.exp(X64).cumsum(0)
    assert_close(x.grad.data, np.exp(X64) * (G64 / sums)[::-1].cumsum(0)[::-1])
    x = Tensor(X, requires_grad=True)
    x.layernorm(0).backward(G)
    n, r = standard(X64, 0), 1 / np.sqrt(X64.var(0) + 1e-5)
    assert_close(x.grad.data, r * (G64 - G64.mean(0) - n * (G64 * n).mean(0)))


# Scatters

SCATTERS = [((N,), 3), ((N,), 200_000), ((N, 2), 3), ((8000, 50), 7), ((1000, 40), 20_000)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "size"), SCATTERS)
def test_elements_that_are_named_many_times(shape, size, kind) -> None:
    index = np.random.default_rng(3).integers(0, size, shape[0])
    index[: shape[0] // 2] = 1  # as padding has
    values = numbers(kind, shape)
    expected = np.zeros((size, *shape[1:]))
    np.add.at(expected, index, values.astype(np.float64))
    nothing = Tensor.zeros(size, *shape[1:])
    assert_close(nothing.index_add(0, index, values).data, expected)
    every = np.broadcast_to(index.reshape(-1, *(1,) * (len(shape) - 1)), shape)
    assert_close(nothing.scatter_add(0, every, values).data, expected)
    weight = Tensor.zeros(size, *shape[1:], requires_grad=True)
    weight[index].backward(values)
    assert_close(weight.grad.data, expected)
    turned = np.ascontiguousarray(values.T)
    along_last = Tensor.zeros(*shape[1:], size).index_add(-1, index, turned)
    assert_close(along_last.data, expected.T)


def test_an_index_of_slices_and_arrays_that_names_an_element_many_times() -> None:
    index = np.zeros(N, np.int64)
    x = Tensor.zeros(4, 2, 3, requires_grad=True)
    y = x[1:3, 0, index]
    y.backward(numbers("0.1", y.shape))
    expected = np.zeros((4, 2, 3))
    expected[1:3, 0, 0] = N * np.float64(np.float32(0.1))
    assert_close(x.grad.data, expected)


# float16: added up in float32, and rounded once


def half(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float16(value))


@pytest.mark.parametrize("rows", [3, 100, 2050, 8192, 70_000])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sums_of_half_precision_do_not_stop(layout, rows) -> None:
    ones = LAYOUTS[layout](np.ones((rows, 3), np.float16))
    expected = [half(rows)] * 3  # inf beyond 65504
    assert Tensor.from_array(ones).sum(0).tolist() == expected
    for act in (
        lambda b: b + ones,
        lambda b: b * ones,
        lambda b: b.expand(rows, 3),
        lambda b: b.maximum(-ones),
        lambda b: Tensor(ones).linear(np.eye(3, dtype=np.float16), b),
    ):
        b = Tensor(np.ones(3, np.float16), requires_grad=True)
        act(b).backward(ones)
        assert b.grad.dtype == np.float16
        assert b.grad.tolist() == expected
    weight = Tensor(np.ones((2, 3), np.float16), requires_grad=True)
    weight[np.zeros(rows, np.int64)].backward(ones)
    assert weight.grad.tolist() == [expected, [0.0] * 3]
    target = Tensor(np.zeros((2, 3), np.float16))
    assert target.index_add(0, np.zeros(rows, np.int64), ones).tolist()[0] == expected
    assert Tensor.from_array(ones).cumsum(0).data[-1].tolist() == expected
    assert Tensor.from_array(ones).mean(0).tolist() == [1.0] * 3
    assert Tensor.from_array(ones).norm(2, 0).tolist() == [half(math.sqrt(rows))] * 3


def test_windows_of_half_precision() -> None:
    x = Tensor(np.zeros(9000, np.float16), requires_grad=True)
    x.unfold(0, 4500, 1).backward(np.ones((4501, 4500), np.float16))
    assert x.grad.data[4500] == half(4500)
    images = Tensor(np.ones((1, 1, 60, 60), np.float16), requires_grad=True)
    y = images.avg_pool2d((50, 50), stride=1)
    assert (y.data == 1).all()
    y.backward(np.ones(y.shape, np.float16))
    assert images.grad.data[0, 0, 30, 30] == half(121 / 2500)


@pytest.mark.parametrize("seed", range(6))
def test_sums_of_random_shapes_in_random_layouts(seed) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        ndim = rng.integers(1, 6)
        shape = np.exp(rng.dirichlet(np.ones(ndim)) * rng.uniform(0, 12)).round().astype(int)
        order, steps = rng.permutation(ndim), rng.choice([1, 1, 1, 2], ndim)
        x = rng.random(shape, np.float32) + np.float32(0.5)
        view = spread(np.ascontiguousarray(x.transpose(order)), steps[order])
        turn = tuple(slice(None, None, int(sign)) for sign in rng.choice([1, 1, -1], ndim))
        view, x = view.transpose(np.argsort(order))[turn], x[turn]
        axes = tuple(np.flatnonzero(rng.random(ndim) < 0.6).tolist())
        found = sum_along(view, axes)
        expected = x.sum(axes, dtype=np.float64)
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE, err_msg=f"{shape} {axes}")
        assert np.shape(found) == expected.shape


def test_the_same_sum_on_tensors_can_be_differentiated() -> None:
    x = Tensor(X, requires_grad=True)
    (first,) = grad((x.var(0) * 3.0).sum(), x, create_graph=True)
    (second,) = grad((first * G).sum(), x)
    expected = 6 * (G64 - G64.mean(0)) / (N - 1)
    assert_close(second.data, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", list(itertools.permutations((0, 1, 3))), ids=str)
def test_axes_in_any_order(axes: tuple[int, ...], layout: str) -> None:
    """Of sums, and of gradients that count the elements that tie."""
    a = np.random.default_rng(1).integers(0, 9, (8, 3, 5, 60)).astype(np.float64)
    x = Tensor(LAYOUTS[layout](a), requires_grad=True)
    np.testing.assert_array_equal(x.sum(axes).numpy(), a.sum(axes))
    np.testing.assert_allclose(x.var(axes).numpy(), a.var(axes, ddof=1), rtol=1e-12)
    x.max(axes).sum().backward()
    largest = a == a.max(axes, keepdims=True)
    np.testing.assert_allclose(
        x.grad.numpy(), largest / largest.sum(axes, keepdims=True), rtol=1e-12
    )
