"""Reading and writing by index, in every way NumPy knows: against NumPy, elementwise."""

from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Tensor
from tinygrad_lite.ops.indexing import ScatterAdd

SHAPE = (3, 4, 5)
X = np.random.default_rng(3).standard_normal(SHAPE)
I = np.array([2, 0, 2, 1])  # noqa: E741  # duplicates
J = np.array([[0, 3], [3, 3]])
MANY = np.random.default_rng(8).integers(-3, 3, 1000)  # positions along any axis, and negative ones
MASK = X[:, :, 0] > 0

# What stands in x[...], and what NumPy is given where that differs.
INDICES: dict[str, Any] = {
    "nothing": (),
    "ellipsis": ...,
    "integers": (1, -1, 0),
    "np.int64 and np.uint8": (np.int64(-1), np.uint8(2)),
    "0-d tensor": (Tensor(1), np.array(1)),
    "0-d array": (np.array(1), slice(None), np.array(-1)),
    "negative steps": (slice(None, None, -1), slice(3, None, -2), slice(None, 0, -3)),
    "steps beyond the end": (slice(1, 9, 2), slice(9, 1, -2), slice(-9, 9)),
    "empty slices": (slice(2, 1), slice(0, 0)),
    "new axes": (None, 1, None, ..., None),
    "ellipsis for nothing": (1, 2, ..., 3),
    "list": ([2, 0, 2],),
    "range": (range(2, -1, -2), slice(None), range(3)[1:2]),
    "empty list": ([],),
    "empty array": (np.zeros(0, np.int8), slice(None)),
    "tensor": (Tensor(I), I),
    "negative positions": (-I - 1,),
    "array of 2 axes": (slice(None), J),
    "tuple for a list": ((0, 2, 0),),
    "tuple of one": ((0,),),
    "empty tuple": ((),),
    "tuples apart": ((0, 1), ..., (1, 2)),
    "tuple of tuples": (((0, 1), (2, 0)),),
    "tuple and list": ((0, 1), [1, 2]),
    "tuple and range": ((0, 1), range(1, 3)),
    "tuple of bools": ((True, False, True),),
    "tuple of bools beside a tuple": ((True, False, True), (0, 1)),
    "tuple, integer, tuple": ((0, 1), 1, (2, 3)),
    "None beside tuples": (None, (0, 1), None, (1, 2)),
    "tuple in a list": ([(0, 1), (1, 0)],),
    "tuple of NumPy's numbers": ((np.int64(1), np.uint8(0)),),
    "two arrays": (I, I + 1),
    "arrays that broadcast": (I[:2, None], J[0], 1),
    "arrays apart": (I, slice(None), I),
    "array before a slice": (I, slice(None, None, 2)),
    "an integer and an array apart": (0, slice(None), I),
    "array after an ellipsis": (..., I),
    "ellipsis between arrays": (I[:2], ..., J[0]),
    "array and new axis": (None, I, None, slice(None), J[:, 0][:, None]),
    "new axis between arrays": (I, None, I),
    "array of size 1": (np.array([[1]]), slice(2)),
    "mask": (MASK[:, 0],),
    "mask of two axes": (MASK,),
    "mask of all axes": (X > 0,),
    "mask after an ellipsis": (..., X[0, 0] > 0),
    "mask and array that broadcast": (np.array([False, True, False]), [0, 0, 3]),
    "two masks": (np.array([True, False, True]), np.array([False, True, False, True])),
    "mask of 0 axes": (np.array(True),),
    "true": (True,),
    "false": (False, ..., None),
    "true and array": (True, I),
    "bool list": ([True, False, True],),
    "uint8 positions": (np.array([1, 1], np.uint8),),
}


def for_numpy(index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(part.data if isinstance(part, Tensor) else part for part in parts)


every_index = pytest.mark.parametrize("name", INDICES)


def positions(index: Any) -> np.ndarray:
    """For each element of x[index], its position in the flat x."""
    return np.asarray(np.arange(X.size).reshape(SHAPE)[for_numpy(index)])


@every_index
def test_reading(name: str) -> None:
    index = INDICES[name]
    x = Tensor(X, requires_grad=True)
    y = x[index]
    expected = np.asarray(X[for_numpy(index)])
    assert type(y.data) is np.ndarray
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.data, expected)
    cotangent = np.random.default_rng(4).standard_normal(expected.shape)
    y.backward(cotangent)
    gradient = np.bincount(positions(index).ravel(), cotangent.ravel(), X.size).reshape(SHAPE)
    np.testing.assert_allclose(x.grad.data, gradient, rtol=1e-15, atol=1e-15)


@every_index
def test_writing(name: str) -> None:
    index = INDICES[name]
    taken = positions(index)
    values = np.random.default_rng(5).standard_normal(taken.shape)
    x, v = Tensor(X, requires_grad=True), Tensor(values, requires_grad=True)
    y = x * 1.0
    y[index] = v
    expected = X.copy()
    expected[for_numpy(index)] = values
    np.testing.assert_array_equal(y.data, expected)
    cotangent = np.random.default_rng(6).standard_normal(SHAPE)
    y.backward(cotangent)
    kept, from_v = cotangent.copy(), np.zeros(taken.size)
    last = {position: number for number, position in enumerate(taken.ravel())}
    for position, number in last.items():
        kept.flat[position] = 0.0
        from_v[number] = cotangent.flat[position]
    np.testing.assert_array_equal(x.grad.data, kept)
    np.testing.assert_array_equal(v.grad.data, from_v.reshape(taken.shape))
    plain = Tensor(X)
    plain[index] = values
    np.testing.assert_array_equal(plain.data, expected)


@pytest.mark.parametrize("name", ["integers", "0-d tensor", "negative steps", "new axes"])
def test_integers_and_slices_give_views(name: str) -> None:
    """A 0-d tensor or array counts as an integer."""
    x = Tensor(X)
    view = x[INDICES[name]]
    view += 1.0
    expected = X.copy()
    expected.flat[positions(INDICES[name])] += 1.0
    np.testing.assert_array_equal(x.data, expected)


@pytest.mark.parametrize("name", ["list", "tensor", "mask", "true"])
def test_arrays_and_masks_give_copies(name: str) -> None:
    x = Tensor(X)
    assert not np.shares_memory(x[INDICES[name]].data, x.data)


@pytest.mark.parametrize(
    "index",
    [
        (MANY,),
        (MANY, ...),
        (MANY, slice(None)),
        (slice(None), MANY),
        (slice(None), MANY, slice(None)),
        (..., MANY),
        (slice(None), ..., MANY, slice(None)),
        (MANY, -MANY - 1),
        (slice(None), MANY[:, None], J[0]),
        (MANY[:, None], J[0], np.array([4, -5])),
        (MANY, slice(None), MANY),
        (slice(1, None), MANY),
        (None, MANY),
        (..., MANY, None),
        (True, MANY),
    ],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_many_elements_are_added_as_few_are(index: Any, dtype: type) -> None:
    """From 1000 elements on the sum may go another way, by positions in the flat data."""
    taken = positions(index)
    assert taken.size >= 1000
    values = np.random.default_rng(7).integers(-3, 4, taken.shape).astype(dtype)
    y = ScatterAdd.apply(values, index=index, distinct=False, shape=SHAPE)
    assert y.dtype == dtype
    expected = np.bincount(taken.ravel(), values.ravel(), X.size).reshape(SHAPE)
    np.testing.assert_array_equal(y, expected)


def test_float16_is_added_in_single() -> None:
    x = Tensor(np.zeros(2, np.float16), requires_grad=True)
    x[np.zeros(5000, int)].sum().backward()
    assert x.grad.tolist() == [5000.0, 0.0]  # float16 itself stops at 2048


@pytest.mark.parametrize(
    ("index", "error", "line"),
    [
        (5, IndexError, "index 5 is out of bounds for axis 0 with size 3"),
        ((0, [1, -9]), IndexError, "index -9 is out of bounds for axis 1 with size 4"),
        (
            (0, 0, 0, 0),
            IndexError,
            "too many indices for array: array is 3-dimensional, but 4 were indexed",
        ),
        (
            [True, False],
            IndexError,
            "boolean index did not match indexed array along axis 0; size of axis is 3 but size of "
            "corresponding boolean axis is 2",
        ),
        (
            ([0, 1], [0, 1, 2]),
            IndexError,
            "shape mismatch: indexing arrays could not be broadcast together with shapes (2,) "
            "(3,) ",
        ),
        ((..., ...), IndexError, "an index can only have a single ellipsis ('...')"),
        (
            1.0,
            TypeError,
            "index: expected integers, slices, None, ..., integer arrays or masks; got float",
        ),
        (
            [0.5],
            TypeError,
            "index: expected integers or a bool mask; got [0.5]",
        ),
        (slice(0.5), TypeError, "index: a bound of a slice: expected an integer; got 0.5"),
    ],
)
def test_what_a_wrong_index_prints(index: Any, error: type[Exception], line: str) -> None:
    x = Tensor(X)
    for act in (lambda: x[index], lambda: x.__setitem__(index, 1.0)):
        with pytest.raises(error) as caught:
            act()
        assert str(caught.value) == line
    np.testing.assert_array_equal(x.data, X)


def test_in_asks_all_elements() -> None:
    x = Tensor([[1, 2], [3, 4]])
    assert 3 in x
    assert 5 not in x
    assert Tensor([1, 9]) in x  # as in NumPy: one that is equal in its place is enough
