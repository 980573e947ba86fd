"""NumPy's elementwise functions on Tensors: NumPy's values, and a graph if there is a gradient."""

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad

VALUES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 0.5]])
SIGNED = np.array([[-1.5, 0.5, 2.5], [np.nan, np.inf, -np.inf]])
WHOLE = np.array([-7, -1, 2, 5])

RECORDED = {
    "exp2": lambda x: np.exp2(x),
    "expm1": lambda x: np.expm1(x),
    "log2": lambda x: np.log2(x),
    "log10": lambda x: np.log10(x),
    "log1p": lambda x: np.log1p(x),
    "sin": lambda x: np.sin(x),
    "cos": lambda x: np.cos(x),
    "tan": lambda x: np.tan(x),
    "arcsin": lambda x: np.arcsin(x / 6.0),
    "arccos": lambda x: np.arccos(x / 6.0),
    "arctan": lambda x: np.arctan(x),
    "sinh": lambda x: np.sinh(x),
    "cosh": lambda x: np.cosh(x),
    "arcsinh": lambda x: np.arcsinh(x),
    "arccosh": lambda x: np.arccosh(x + 1.0),
    "arctanh": lambda x: np.arctanh(x / 6.0),
    "sinc": lambda x: np.sinc(x),
    "arctan2": lambda x: np.arctan2(x, VALUES[0]),
    "arctan2 of an array and x": lambda x: np.arctan2(VALUES[0], x),
    "arctan2 of a number and x": lambda x: np.arctan2(2.0, x),
    "hypot": lambda x: np.hypot(3.0, x),
    "logaddexp": lambda x: np.logaddexp(x, VALUES),
    "copysign": lambda x: np.copysign(x, -1.0),
    "fmod": lambda x: np.fmod(x, -1.3),
    "fmod of a number and x": lambda x: np.fmod(7.3, x),
    "remainder": lambda x: np.remainder(x, -1.3),
    "reciprocal": lambda x: np.reciprocal(x),
    "float_power": lambda x: np.float_power(x, 2),
    "float_power of a number and x": lambda x: np.float_power(2, x),
    "fabs": lambda x: np.fabs(x),
    "clip": lambda x: np.clip(x, 1.5, 3.5),
    "clip below": lambda x: np.clip(x, 1.5, None),
    "clip by name": lambda x: np.clip(x, None, a_max=VALUES[0] + 0.7),
    "nan_to_num": lambda x: np.nan_to_num(x, posinf=5.0),
}
CONSTANT = {
    "ceil": lambda x: np.ceil(x),
    "floor": lambda x: np.floor(x),
    "trunc": lambda x: np.trunc(x),
    "fix": lambda x: np.fix(x),
    "rint": lambda x: np.rint(x),
    "round": lambda x: np.round(x),
    "round to a decimal": lambda x: np.round(x / 3.0, 1),
    "around": lambda x: np.around(x, decimals=-1),
    "sign": lambda x: np.sign(x),
    "isnan": lambda x: np.isnan(x),
    "isinf": lambda x: np.isinf(x),
    "isfinite": lambda x: np.isfinite(x),
    "logical_not": lambda x: np.logical_not(x),
    "logical_and": lambda x: np.logical_and(x, np.array([0.0, 1.0, 2.0])),
    "logical_or": lambda x: np.logical_or(0.0, x),
    "logical_xor": lambda x: np.logical_xor(VALUES > 2, x),
    "floor_divide": lambda x: np.floor_divide(x, 2.0),
    "isclose": lambda x: np.isclose(x, VALUES, rtol=0.5),
    "copysign of an array and x": lambda x: np.copysign(VALUES, x),
}


@pytest.mark.parametrize("name", RECORDED)
def test_with_a_gradient(name) -> None:
    x = Tensor(VALUES, requires_grad=True)
    result = RECORDED[name](x)
    assert type(result) is Tensor
    assert result.requires_grad
    np.testing.assert_allclose(result.data, RECORDED[name](VALUES), rtol=1e-15, atol=1e-15)
    result.sum().backward()
    step = 1e-6
    slope = (RECORDED[name](VALUES + step) - RECORDED[name](VALUES - step)) / (2 * step)
    np.testing.assert_allclose(x.grad.data, slope, rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy's own
@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # since 2.5
@pytest.mark.parametrize("values", [VALUES, SIGNED], ids=["plain", "special"])
@pytest.mark.parametrize("name", CONSTANT)
def test_constant_between_the_jumps(name, values) -> None:
    x = Tensor(values, requires_grad=True)
    result = CONSTANT[name](x)
    assert type(result) is Tensor
    if result.requires_grad:  # constant between its jumps
        slope = grad(result.sum(), x)[0].data
        np.testing.assert_array_equal(slope, np.where(np.isnan(result.data), np.nan, 0.0))
    else:
        assert result.dtype == np.bool_ or name == "copysign of an array and x"
    expected = CONSTANT[name](values)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result.data, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.clip(x, -2, 3),
        lambda x: np.round(x),
        lambda x: np.floor(x),
        lambda x: np.ceil(x),
        lambda x: np.trunc(x),
        lambda x: np.sign(x),
        lambda x: np.absolute(x),
        lambda x: np.reciprocal(x),
        lambda x: np.floor_divide(x, 2),
        lambda x: np.remainder(x, 3),
        lambda x: np.fmod(x, 3),
        lambda x: np.nan_to_num(x),
        lambda x: np.astype(x, np.int16),
    ],
)
def test_integers_stay_integers(call) -> None:
    result, expected = call(Tensor(WHOLE)), call(WHOLE)
    assert result.dtype.kind == "i"  # before 2.1 NumPy's floor gave floats
    np.testing.assert_array_equal(result.data, expected)


def test_allclose_is_a_bool() -> None:
    x = Tensor(VALUES)
    assert x.allclose(VALUES + 1e-9) is True
    assert x.allclose(VALUES + 1e-3) is False
    assert Tensor([np.nan]).allclose(np.array([np.nan]), equal_nan=True)
    assert np.allclose(VALUES + 1e-9, x) is True
    assert np.allclose(x, VALUES + 1e-3, rtol=1e-2) is True


def test_equal_compares_shapes_and_elements() -> None:
    x = Tensor([1.0, np.nan])
    assert Tensor([1.0, 2.0]).equal(np.array([1.0, 2.0]))
    assert Tensor(2).equal(2)
    assert not Tensor([1.0, 2.0]).equal(Tensor([[1.0, 2.0]]))
    assert not Tensor([2.0, 2.0]).equal(2.0)
    assert not x.equal(x)
