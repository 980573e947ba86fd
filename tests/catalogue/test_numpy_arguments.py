"""Arguments of NumPy's functions on Tensors that are easily taken for something else."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Tensor

VALUES = np.array([[1.0, 2.5, 3.0], [4.0, -5.0, 0.5]])


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.expand_dims(x, (0, -1)),
        lambda x: np.expand_dims(x, (-1, 1)),
        lambda x: np.concatenate([x, VALUES[0]], axis=None),
        lambda x: np.concatenate([VALUES, x], axis=None),
        lambda x: np.atleast_1d(x[0, 0], VALUES)[0],
        lambda x: np.atleast_2d(VALUES[0], x[0])[1],
        lambda x: np.atleast_1d(2.0, x)[1],
        lambda x: np.hstack([x[0, 0], x[1, 1]]),
        lambda x: np.hstack([np.array(2.0), x[0]]),
        lambda x: np.clip(VALUES, x[0], 3.0),
        lambda x: np.clip(2.0, None, x),
        lambda x: np.linalg.norm(x, np.float32(3), axis=0),
        lambda x: np.average(x, weights=[[1, 2, 3], [4, 5, 6]]),
        lambda x: np.average(VALUES, 0, x[:, 0]),
        lambda x: np.roll(x, ()),
        lambda x: np.roll(x, (1, 2)),
        lambda x: np.roll(x, (), axis=()),
        lambda x: np.quantile(VALUES, x[0] / 4.0),
        lambda x: np.quantile([1.0, 2.0, 4.0], x[0, 0] / 4.0),
        lambda x: np.percentile(VALUES, x[0] * 20.0, axis=1),
    ],
)
def test_numpy_s_values_and_a_graph(call) -> None:
    result = call(Tensor(VALUES, requires_grad=True))
    assert type(result) is Tensor
    assert result.requires_grad
    assert result.dtype == np.float64
    np.testing.assert_allclose(result.data, call(VALUES), rtol=1e-15)


@pytest.mark.parametrize(
    ("call", "error", "line"),
    [
        (
            lambda x: np.var(x, dtype=np.int32),  # of the numbers without their fractions?
            TypeError,
            "np.var: dtype: expected a float dtype; got int32",
        ),
        (
            lambda x: np.std(x, 0, bool),
            TypeError,
            "np.std: dtype: expected a float dtype; got bool",
        ),
        (
            lambda x: np.std(x, ddof=""),
            TypeError,
            "np.std: ddof: expected a number; got ''",
        ),
        (
            lambda x: np.sum(x, keepdims="yes"),
            TypeError,
            "np.sum: keepdims: expected True or False; got 'yes'",
        ),
        (lambda x: np.roll(x, 1.5), TypeError, "np.roll: shift: expected integers; got 1.5"),
        (
            lambda x: np.clip(x, 1, 2, max=3),
            ValueError,
            "np.clip: expected each bound once; got a_min and min, or a_max and max",
        ),
        (
            lambda x: np.split(x, 0),
            ValueError,
            "np.split: parts: expected an integer of 1 or more; got 0",
        ),
        (
            lambda x: np.split(x, 2, axis=2),
            ValueError,
            "np.split: axis 2 is out of range for 2 dimensions; use -2 to 1",
        ),
        (
            lambda x: np.average(x, weights=np.ones(3)),
            ValueError,
            "np.average: expected weights of shape (2, 3), or one for each position along one "
            "axis; got (3,) for axis None",
        ),
        (
            lambda x: np.vstack([x, [1.0, 2.0, 3.0]]),
            TypeError,
            "np.vstack: expected a Tensor, an ndarray or a number; got list; "
            "make it a Tensor first",
        ),
        (
            lambda x: np.expand_dims(x, (0, 0)),
            ValueError,
            "np.expand_dims: axis (0, 0) names a dimension twice",
        ),
    ],
)
def test_what_is_refused(call, error, line) -> None:
    with pytest.raises(error) as caught:
        call(Tensor(VALUES))
    assert str(caught.value) == line


def test_an_average_is_of_floats_and_of_halves_in_single() -> None:
    small = np.array([100, 100], np.int8)
    assert np.average(Tensor(small), weights=np.array([2, 3], np.int8)).item() == 100
    many = np.ones(70_000, np.float16)
    average = np.average(Tensor(many), weights=many)
    assert (average.item(), average.dtype) == (1.0, np.float16)


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x.repeat(1, 1),
        lambda x: x.repeat(2, 1),  # of one row
        lambda x: x.T.repeat(1, 2),
        lambda x: x.repeat_interleave(1, 0),
        lambda x: x.repeat_interleave(2, 0),
        lambda x: x.roll(3, 1),
        lambda x: x.roll(0),
        lambda x: np.repeat(x, 1),
        lambda x: np.tile(x, 1),
        lambda x: np.roll(x, 3, axis=1),
        lambda x: np.take(x, 0, axis=0),
        lambda x: np.take(x, 1),
    ],
)
def test_what_repeats_or_shifts_or_takes_is_a_copy(copy) -> None:
    x = Tensor(VALUES[:1])
    y = copy(x)
    y += 1.0
    np.testing.assert_array_equal(x.data, VALUES[:1])
    assert np.all(y.data == copy(x).data + 1)


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize(
    "function",
    [
        *(np.sum, np.mean, np.prod, np.max, np.min, np.argmax, np.argmin, np.any, np.all),
        *(np.count_nonzero, np.var, np.std, np.ptp, np.average, np.median, np.linalg.norm),
        *(np.add.reduce, np.maximum.reduce, partial(np.quantile, q=0.3)),
    ],
)
def test_keepdims_may_be_0_or_1(function: Any, keepdims: int) -> None:
    result = function(Tensor(VALUES), axis=1, keepdims=keepdims)
    np.testing.assert_allclose(result.data, function(VALUES, axis=1, keepdims=keepdims), rtol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [6, -1, (3, 2), (-1, 2), (1, 2, 3)])
def test_reshape_in_either_order(shape: Any, order: str) -> None:
    x = Tensor(VALUES, requires_grad=True)
    result = np.reshape(x, shape, order=order)
    expected = np.reshape(VALUES, shape, order=order)
    np.testing.assert_array_equal(result.data, expected)
    np.testing.assert_array_equal(np.ravel(x, order).data, np.ravel(VALUES, order))
    (result * np.arange(6.0).reshape(expected.shape)).sum().backward()
    positions = np.reshape(np.arange(6).reshape(2, 3), shape, order=order).ravel()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data.ravel()[positions], np.arange(6.0))


@pytest.mark.parametrize("triangle", ["L", "U"])
def test_a_triangle_of_a_matrix(triangle: str) -> None:
    matrix = np.array([[2.0, 0.5], [-0.25, 3.0]])
    for own, numpys in zip(
        np.linalg.eigh(Tensor(matrix), triangle), np.linalg.eigh(matrix, triangle), strict=True
    ):
        np.testing.assert_allclose(abs(own.data), abs(numpys), rtol=1e-12)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(Tensor(matrix), UPLO=triangle).data,
        np.linalg.eigvalsh(matrix, UPLO=triangle),
        rtol=1e-12,
    )
    upper = np.linalg.cholesky(matrix, upper=triangle == "U")
    np.testing.assert_allclose(
        np.linalg.cholesky(Tensor(matrix), upper=triangle == "U").data, upper, rtol=1e-12
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sum(a=x, axis=1),
        lambda x: np.sum(x, 0, None, None, True),
        lambda x: np.mean(x, 0, None, None, True),
        lambda x: np.max(x, 0, None, True),
        lambda x: np.std(x, 0, None, None, 1),
        lambda x: np.sum(x, out=None, where=True),
        lambda x: np.clip(a=x, a_min=0, a_max=2),
        lambda x: np.clip(x, 0, 2, None),
        lambda x: np.squeeze(a=x[None], axis=0),
        lambda x: np.transpose(a=x, axes=(1, 0)),
        lambda x: np.split(ary=x, indices_or_sections=2)[1],
        lambda x: np.argmax(a=x, axis=1),
        lambda x: np.tile(A=x, reps=2),
        lambda x: np.pad(array=x, pad_width=1),
        lambda x: np.take(a=x, indices=[1], axis=1),
        lambda x: np.vstack(tup=[x, x]),
        lambda x: np.stack(arrays=[x, x], axis=1),
        lambda x: np.exp(x, where=True, dtype=None),
        lambda x: np.add(x, x, where=True),
    ],
)
def test_arguments_by_numpys_names_and_positions(call: Any) -> None:
    result, expected = call(Tensor(VALUES)), call(VALUES)
    assert isinstance(result, Tensor)
    np.testing.assert_allclose(result.data, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda x: np.sum(x, initial=1.0),
            "np.sum on a Tensor: got an unexpected keyword argument",
        ),
        (lambda x: np.sum(a=x, where=VALUES > 0), "np.sum on a Tensor: got an unexpected keyword"),
        (
            lambda x: np.exp(x, where=VALUES > 0),
            "np.exp on a Tensor: got an unexpected keyword arg",
        ),
    ],
)
def test_an_argument_that_would_change_the_result_is_refused(call: Any, line: str) -> None:
    with pytest.raises(TypeError, match=f"^{line}"):
        call(Tensor(VALUES))
