"""Gradients of reading at an index, beside np.add.at in float64.

Which sums are computed how depends on how many values there are for each element, on the width of
the rows, and on how many of them meet.
"""

import numpy as np
import pytest
from every import each

from tinygrad_lite import Tensor, grad

RNG = np.random.default_rng(5)


def uniform(n: int, rows: int) -> np.ndarray:
    return RNG.integers(0, rows, n)


def skewed(n: int, rows: int) -> np.ndarray:
    return np.minimum(RNG.zipf(1.3, n) - 1, rows - 1)


INDICES = {
    "uniform": uniform,
    "skewed": skewed,
    "all the same": lambda n, rows: np.full(n, rows - 1),
    "two": lambda n, rows: RNG.integers(0, 2, n) * (rows - 1),
    "each once": lambda n, rows: RNG.permutation(rows)[:n],
    "negative": lambda n, rows: RNG.integers(-rows, rows, n),
    "falling": lambda n, rows: np.sort(uniform(n, rows))[::-1],
    "int32": lambda n, rows: uniform(n, rows).astype(np.int32),
    "int16": lambda n, rows: uniform(n, min(rows, 30_000)).astype(np.int16),
    "uint8": lambda n, rows: uniform(n, min(rows, 256)).astype(np.uint8),
}


def expected_gradient(shape, index, cotangent) -> np.ndarray:
    total = np.zeros(shape)
    np.add.at(total, index, cotangent.astype(np.float64))
    return total


def gradient_of_reading(shape, dtype, index, cotangent) -> np.ndarray:
    x = Tensor.zeros(*shape, dtype=dtype, requires_grad=True)
    x[index].backward(cotangent)
    assert x.grad.dtype == dtype
    return x.grad.data


def assert_exact(found, expected) -> None:
    """As exact as the dtype: each sum is compared with the largest."""
    tolerance = {"e": 1.1e-3, "f": 1e-6, "d": 1e-14}[found.dtype.char]
    largest = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("kind", INDICES)
@each(
    width=[(), (1,), (2,), (33,)],
    size=[(1, 1), (1, 5), (30, 4), (900, 70_000), (1100, 70_000), (3000, 7), (3000, 500)],
)
def test_the_gradient_of_rows(size, width, kind) -> None:
    n, rows = size
    index = INDICES[kind](n, rows)
    for dtype in (np.float16, np.float32, np.float64):
        cotangent = RNG.uniform(0.5, 1.5, (len(index), *width)).astype(dtype)
        found = gradient_of_reading((rows, *width), dtype, index, cotangent)
        assert_exact(found, expected_gradient((rows, *width), index, cotangent))


def test_positions_above_16_bits_are_sorted_in_full() -> None:
    """Positions that are equal in their last 16 bits."""
    rows = 3 << 16
    index = np.tile([5, 5 + (1 << 16), 5 + (2 << 16), 7], 600)
    cotangent = RNG.uniform(0.5, 1.5, (index.size, 2)).astype(np.float32)
    found = gradient_of_reading((rows, 2), np.float32, index, cotangent)
    assert_exact(found, expected_gradient((rows, 2), index, cotangent))
    assert np.count_nonzero(found.any(1)) == 4


FORMS = {
    "rows of rows": lambda i, j: (i.reshape(20, 15),),
    "axis 1": lambda i, j: (slice(None), j),
    "last axis": lambda i, j: (..., i % 5),
    "axes 0 and 1": lambda i, j: (i, j),
    "a grid": lambda i, j: (i[:, None], j[:30]),
    "a number and an array": lambda i, j: (slice(None), 2, i % 5),
    "an array and a number": lambda i, j: (i, -1),
    "a number on the left": lambda i, j: (3, j),
    "apart": lambda i, j: (i, slice(None), i % 5),
    "all axes": lambda i, j: (i, j, -1 - i % 5),
    "a part of another axis": lambda i, j: (slice(2, 6), j),
    "every second": lambda i, j: (i, slice(None, None, -2)),
    "a new axis": lambda i, j: (None, i),
    "a new axis inside": lambda i, j: (i, None, j),
    "a mask and an array": lambda i, j: (np.arange(9) % 2 == 0, j[:5]),
    "an array and a mask": lambda i, j: (slice(None), j[:2], np.arange(5) > 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_index(form) -> None:
    shape = (9, 7, 5)
    index = FORMS[form](uniform(300, 9), uniform(300, 7) - 7)
    cotangent = RNG.uniform(0.5, 1.5, np.zeros(shape)[index].shape).astype(np.float32)
    found = gradient_of_reading(shape, np.float32, index, cotangent)
    assert_exact(found, expected_gradient(shape, index, cotangent))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(30, 4, 6), (4, 300, 2), (2, 3, 500), (3, 400, 1), (1, 2, 3)])
def test_scatters_along_an_axis(shape, axis) -> None:
    for n in (1, 17, 2000):
        index = uniform(n, shape[axis])
        src = RNG.uniform(0.5, 1.5, (*shape[:axis], n, *shape[axis + 1 :])).astype(np.float32)
        expected = np.zeros(shape)
        np.add.at(np.moveaxis(expected, axis, 0), index, np.moveaxis(src, axis, 0))
        assert_exact(Tensor.zeros(*shape).index_add(axis, index, src).data, expected)

        x = Tensor.zeros(*shape, requires_grad=True)
        x.index_select(axis, index).backward(src)
        assert_exact(x.grad.data, expected)

        each = RNG.integers(0, shape[axis], src.shape)
        grid = list(np.indices(src.shape, sparse=True))
        grid[axis] = each
        expected = expected_gradient(shape, tuple(grid), src)
        assert_exact(Tensor.zeros(*shape).scatter_add(axis, each, src).data, expected)
        x = Tensor.zeros(*shape, requires_grad=True)
        x.gather(axis, each).backward(src)
        assert_exact(x.grad.data, expected)
        x = Tensor.zeros(*shape, requires_grad=True)
        x.take_along_axis(each - shape[axis], axis).backward(src)
        assert_exact(x.grad.data, expected)


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda x: np.ascontiguousarray(x[::-1])[::-1],
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: np.broadcast_to(x[:1], x.shape),
        lambda x: np.broadcast_to(x[:, :1], x.shape),
    ],
)
def test_cotangents_in_any_layout(layout) -> None:
    for rows in (3, 400, 100_000):
        index = uniform(2000, rows)
        cotangent = layout(RNG.uniform(0.5, 1.5, (2000, 8)).astype(np.float32))
        found = gradient_of_reading((rows, 8), np.float32, index, cotangent)
        assert_exact(found, expected_gradient((rows, 8), index, cotangent))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_integers_are_added_exactly(dtype) -> None:
    """int64 beyond the integers of float64; small ones as in NumPy, without their highest bits."""
    for width in ((), (3,)):
        index = skewed(2000, 50)
        src = RNG.integers(0, np.iinfo(dtype).max // 2, (2000, *width), dtype, endpoint=True)
        expected = np.zeros((50, *width), dtype)
        np.add.at(expected, index, src)
        found = Tensor.zeros(50, *width, dtype=dtype).index_add(0, index, src)
        np.testing.assert_array_equal(found.data, expected)


def test_a_sum_of_a_hundred_thousand_equal_rows() -> None:
    for width in ((), (1,), (5,)):
        for rows in (1, 3_000_000):
            cotangent = np.full((100_000, *width), 0.1, np.float32)
            found = gradient_of_reading(
                (rows, *width), np.float32, np.zeros(100_000, int), cotangent
            )
            np.testing.assert_allclose(found[0], 1e5 * np.float64(np.float32(0.1)), rtol=1e-6)
            assert not found[1:].any()


def test_inf_and_nan_stay_in_their_row() -> None:
    cotangent = np.ones((1000, 4), np.float32)
    cotangent[0, 1], cotangent[1, 2], cotangent[2, 3] = np.inf, np.nan, -np.inf
    index = np.arange(1000) % 10
    found = gradient_of_reading((50, 4), np.float32, index, cotangent)
    np.testing.assert_array_equal(found, expected_gradient((50, 4), index, cotangent))


def test_reading_nothing() -> None:
    with pytest.raises(IndexError, match="index 0 is out of bounds for axis 0 with size 0"):
        Tensor.zeros(0, 3)[np.array([0])]
    for shape, index in (((5, 3), np.zeros(0, int)), ((5, 0), np.array([1, 1])), ((0, 3), [])):
        x = Tensor.zeros(*shape, requires_grad=True)
        y = x[index]
        y.backward(np.ones(y.shape, np.float32))
        np.testing.assert_array_equal(x.grad.data, np.zeros(shape))


def test_the_same_rows_are_read_in_every_layout() -> None:
    x = RNG.random((6, 5, 4)).astype(np.float32)
    for layout in (x, np.asfortranarray(x), x[::-1], x.swapaxes(0, 1)):
        for index in (np.array([1, -1, 0]), np.array([[2, 2], [-3, 1]])):
            np.testing.assert_array_equal(Tensor.from_array(layout)[index].data, layout[index])
            y = Tensor.from_array(layout)[index]
            y.data[...] = 0
    assert x.all()
    with pytest.raises(IndexError, match="index 6 is out of bounds for axis 0 with size 6"):
        Tensor(x)[np.array([0, 6])]
    with pytest.raises(IndexError, match="index -7 is out of bounds for axis 0 with size 6"):
        Tensor(x)[np.array([0, -7])]


def test_second_order_of_rows_that_are_read_several_times() -> None:
    """d/dw of the sum of (dw^2) for y = w[index]^2, at rows that are read k times: 8 k^2 w."""
    w = Tensor(RNG.random((50, 3)), requires_grad=True)
    index = uniform(400, 50)
    (g,) = grad((w[index] ** 2).sum(), w, create_graph=True)
    (second,) = grad((g**2).sum(), w)
    counts = np.bincount(index, minlength=50)[:, None]
    np.testing.assert_allclose(second.data, 8 * counts**2 * w.data)
