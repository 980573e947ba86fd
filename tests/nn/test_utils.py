"""Clipped gradients and parameters as one vector: by hand, extreme sizes, dtypes, errors."""

import math
import re

import numpy as np
import pytest

import nn
from nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)
from tinygrad_lite import Tensor

RNG = np.random.default_rng(5)


def with_gradients(*arrays):
    """A parameter for each array, which is its gradient; None for none."""
    parameters = []
    for array in arrays:
        parameter = Tensor(np.zeros_like(0.0 if array is None else array), requires_grad=True)
        parameter.grad = None if array is None else Tensor(array)
        parameters.append(parameter)
    return parameters


def test_the_norm_is_that_of_one_vector_and_the_gradients_are_scaled_in_place():
    parameters = with_gradients(np.array([3.0, 0.0]), None, np.array([[4.0]]))
    memory = [p.grad.data for p in parameters if p.grad is not None]
    norm = clip_grad_norm_(iter(parameters), max_norm=1.0)
    assert isinstance(norm, Tensor)
    assert norm.item() == 5.0
    assert norm.shape == ()
    assert not norm.requires_grad
    assert parameters[1].grad is None
    assert parameters[0].grad.data is memory[0]
    np.testing.assert_allclose(memory[0], [3 / (5 + 1e-6), 0], rtol=1e-15)
    np.testing.assert_allclose(memory[1], [[4 / (5 + 1e-6)]], rtol=1e-15)


def test_small_gradients_stay_the_same_bits():
    gradient = RNG.standard_normal(1000).astype(np.float32)
    (parameter,) = with_gradients(gradient)
    clip_grad_norm_(parameter, 1e3)
    assert np.array_equal(parameter.grad.data, gradient)
    clip_grad_norm_(parameter, math.inf)
    assert np.array_equal(parameter.grad.data, gradient)


@pytest.mark.parametrize("p", [2, 1, 3, 0.5, 2.0, math.inf, -math.inf, 0, -1, "inf"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_of_every_order(p, dtype):
    arrays = [RNG.standard_normal(shape).astype(dtype) for shape in [(3, 4), (), (5000,), (0, 2)]]
    whole = np.concatenate([array.ravel() for array in arrays]).astype(np.float64)
    expected = np.linalg.norm(whole, float(p))
    tensors = [Tensor(array) for array in arrays]
    assert get_total_norm(tensors, p).item() == pytest.approx(
        expected, rel=1e-7 if dtype == np.float32 else 1e-13
    )
    assert get_total_norm(tensors, p).dtype == dtype


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e-20, 1e18, 1e25, 3e37, 1e200])
def test_no_square_overflows_or_vanishes(size):
    dtype = np.float32 if 1e-30 < size < 1e38 else np.float64
    gradient = (RNG.uniform(0.5, 1, 3000) * size).astype(dtype)
    expected = np.linalg.norm(gradient.astype(np.longdouble) / size) * size
    (parameter,) = with_gradients(gradient)
    norm = clip_grad_norm_(parameter, float(expected) / 2, error_if_nonfinite=True)
    assert norm.dtype == dtype
    eps = float(np.finfo(dtype).eps)
    if expected < np.finfo(dtype).max:
        assert norm.item() == pytest.approx(float(expected), rel=4 * eps)
    factor = float(expected) / 2 / (float(expected) + 1e-6)
    np.testing.assert_allclose(parameter.grad.data, gradient * factor, rtol=4 * eps)


def test_norms_keep_their_digits_in_float32_and_every_layout():
    gradient = RNG.uniform(0.5, 1.5, (100, 30, 300)).astype(np.float32)
    expected = np.linalg.norm(gradient.astype(np.float64).ravel())
    for array in (gradient, gradient.transpose(2, 0, 1), gradient[::-1, :, ::2].repeat(2, 2)):
        assert get_total_norm([Tensor(array)]).item() == pytest.approx(
            np.linalg.norm(array.astype(np.float64).ravel()), rel=3e-7
        )
    strided = Tensor.zeros(1)
    strided.data = gradient[:, ::2]
    half = np.linalg.norm(gradient[:, ::2].astype(np.float64).ravel())
    assert get_total_norm(strided).item() == pytest.approx(half, rel=3e-7)
    (parameter,) = with_gradients(gradient)
    parameter.grad.data = kept = gradient.transpose(2, 0, 1).copy().transpose(1, 2, 0)
    clip_grad_norm_(parameter, 1.0)
    np.testing.assert_allclose(kept, gradient / expected, rtol=1e-6)


def test_float16():
    gradient = np.full(100, 60000.0, np.float16)  # the norm, 600,000, is beyond float16
    (parameter,) = with_gradients(gradient)
    norm = clip_grad_norm_(parameter, 1.0, error_if_nonfinite=True)
    assert norm.dtype == np.float32
    assert norm.item() == 600_000
    assert parameter.grad.dtype == np.float16
    np.testing.assert_allclose(parameter.grad.data, 0.1, rtol=1e-3)
    clip_grad_value_(parameter, 0.05)
    assert parameter.grad.dtype == np.float16
    assert float(parameter.grad.data.max()) == pytest.approx(0.05, rel=1e-3)


def test_mixed_dtypes():
    parameters = with_gradients(np.ones(3, np.float32), np.ones(6, np.float64))
    assert clip_grad_norm_(parameters, 1.0).dtype == np.float64
    assert [p.grad.dtype for p in parameters] == [np.float32, np.float64]


def test_a_parameter_given_twice_counts_once():
    (parameter,) = with_gradients(np.array([3.0, 4.0]))
    assert clip_grad_norm_([parameter, parameter], 1.0).item() == 5.0
    np.testing.assert_allclose(parameter.grad.data, [0.6, 0.8], rtol=1e-6)


def test_norms_that_are_not_finite():
    for bad in (math.nan, math.inf):
        parameters = with_gradients(np.array([1.0, bad]), np.ones(2))
        message = re.escape(
            f"clip_grad_norm_: the norm of order 2.0 is {bad}, so no scale makes it smaller; look "
            "for the element that is not finite, or pass error_if_nonfinite=False"
        )
        with pytest.raises(RuntimeError, match=f"^{message}$"):
            clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
        assert parameters[1].grad.tolist() == [1.0, 1.0]
        assert str(clip_grad_norm_(parameters, 1.0).item()) == str(bad)
        expected = [math.nan] * 2 if math.isnan(bad) else [0.0] * 2
        np.testing.assert_array_equal(parameters[1].grad.data, expected)


def test_clipped_values_stay_in_place_and_nan_stays():
    (parameter,) = with_gradients(np.array([-3.0, 0.5, math.nan, math.inf]))
    memory = parameter.grad.data
    assert clip_grad_value_([parameter], 1) is None
    assert parameter.grad.data is memory
    np.testing.assert_array_equal(memory, [-1.0, 0.5, math.nan, 1.0])


def test_the_two_halves_of_clipping():
    first, second = (with_gradients(np.arange(4.0)) for _ in range(2))
    norm = get_total_norm([p.grad for p in first])
    clip_grads_with_norm_(first, 1.0, norm)
    clip_grad_norm_(second, 1.0)
    assert np.array_equal(first[0].grad.data, second[0].grad.data)
    clip_grads_with_norm_(first, 1.0, 10.0)
    np.testing.assert_allclose(first[0].grad.data, second[0].grad.data / 10, rtol=1e-6)


def test_a_backward_pass_that_needs_the_clipped_gradient_raises():
    x = Tensor([2.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    again = (x.grad * x.grad).sum()
    clip_grad_norm_(x, 1.0)
    with pytest.raises(RuntimeError, match="changed"):
        again.backward()


def test_no_gradients():
    assert clip_grad_norm_(with_gradients(None), 1.0).item() == 0.0
    assert clip_grad_norm_([], 1.0).dtype == np.float32
    parameters = iter(with_gradients(np.ones(1)))
    list(parameters)
    with pytest.warns(UserWarning, match="from an iterator that was perhaps used before"):
        clip_grad_norm_(parameters, 1.0)


def test_parameters_to_a_vector_and_back():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    parameters = list(model.parameters())
    vector = parameters_to_vector(model.parameters())
    assert vector.shape == (11,)
    expected = np.concatenate([p.numpy().ravel() for p in parameters])
    assert np.array_equal(vector.data, expected)
    weights = RNG.standard_normal(11).astype(np.float32)
    (vector * Tensor(weights)).sum().backward()
    assert np.array_equal(np.concatenate([p.grad.data.ravel() for p in parameters]), weights)
    memory = [p.data for p in parameters]
    vector_to_parameters(Tensor(weights), model.parameters())
    assert all(p.data is array for p, array in zip(parameters, memory, strict=True))
    assert np.array_equal(parameters_to_vector(parameters).data, weights)


def test_a_vector_that_is_a_view_of_a_parameter():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    vector = Tensor.zeros(1)
    vector.data = np.concatenate([a.data, b.data])[::-1]
    vector_to_parameters(vector, [a, b])
    assert a.tolist() + b.tolist() == [4.0, 3.0, 2.0, 1.0]


PARAMETER = with_gradients(np.ones(2))[0]
LOCKED = with_gradients(np.ones(2))[0]
LOCKED.grad.data = np.broadcast_to(np.float64(9), (2,))
ERRORS = [
    (
        lambda: clip_grad_norm_(nn.Linear(2, 2), 1.0),
        "clip_grad_norm_: parameters: expected a Tensor or several; got Linear; "
        "write model.parameters()",
    ),
    (lambda: clip_grad_norm_([1.0], 1.0), "clip_grad_norm_: parameters: expected Tensors; got 1.0"),
    (
        lambda: clip_grad_norm_(None, 1.0),
        "clip_grad_norm_: parameters: expected a Tensor or several; got None",
    ),
    (
        lambda: clip_grad_norm_(PARAMETER, "1"),
        "clip_grad_norm_: max_norm: expected a number; got '1'",
    ),
    (
        lambda: clip_grad_norm_(PARAMETER, -1),
        "clip_grad_norm_: max_norm: expected a number of 0 or more; got -1",
    ),
    (
        lambda: clip_grad_norm_(PARAMETER, 1.0, math.nan),
        "clip_grad_norm_: norm_type: expected a number or inf; got nan",
    ),
    (
        lambda: get_total_norm(PARAMETER, True),
        "get_total_norm: norm_type: expected a number or inf; got True",
    ),
    (
        lambda: clip_grad_norm_(PARAMETER, 1.0, "fro"),
        "clip_grad_norm_: norm_type: expected a number; got 'fro'",
    ),
    (
        lambda: clip_grad_norm_([PARAMETER, LOCKED], 1.0),
        "clip_grad_norm_: a tensor of shape (2,) is read-only",
    ),
    (
        lambda: clip_grad_value_(PARAMETER, math.nan),
        "clip_grad_value_: clip_value: expected a number of 0 or more; got nan",
    ),
    (
        lambda: vector_to_parameters(Tensor.zeros(3), [PARAMETER]),
        "vector_to_parameters: vec: expected shape (2,), the number of elements of all parameters; "
        "got (3,)",
    ),
    (
        lambda: vector_to_parameters(np.zeros(2), [PARAMETER]),
        "vector_to_parameters: vec: expected a Tensor; got ndarray of shape (2,), float64",
    ),
    (
        lambda: parameters_to_vector([]),
        "parameters_to_vector: expected one tensor or more; got none",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}$"):
        call()
    assert PARAMETER.grad.tolist() == [1.0, 1.0]
