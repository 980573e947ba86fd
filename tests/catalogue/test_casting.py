"""What the rows of methods/casting.py cannot say: narrow floats, nan as an integer, memory."""

import numpy as np
import pytest

from tinygrad_lite import Tensor


@pytest.mark.parametrize(("name", "dtype"), [("float", np.float32), ("half", np.float16)])
def test_a_cast_to_narrow_floats_passes_the_gradient_on(name: str, dtype: type) -> None:
    x = Tensor(np.array([1.1, -2.2]), requires_grad=True)
    y = getattr(x, name)()
    np.testing.assert_array_equal(y.data, np.array([1.1, -2.2], dtype))
    assert y.dtype == dtype
    y.backward(Tensor([0.5, 3.0]))
    assert x.grad.dtype == np.float64
    assert x.grad.tolist() == [0.5, 3.0]


def test_what_has_the_dtype_already_is_itself() -> None:
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    assert x.float() is x
    assert x.cast(np.float32) is x
    assert x.contiguous() is x
    assert not np.shares_memory(x.astype(np.float32).data, x.data)
    assert not np.shares_memory(x.clone().data, x.data)
    assert not np.shares_memory(x.bitcast(np.float32).data, x.data)


def test_contiguous_copies_what_is_not() -> None:
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    y = x.T.contiguous()
    assert y.data.flags.c_contiguous
    assert y.requires_grad


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_integer_of_the_dtype_is_refused(value: float) -> None:
    x = Tensor([0.0, value, -1.5])
    for name, dtype in (("short", "int16"), ("int", "int32"), ("long", "int64")):
        with pytest.raises(ValueError, match=rf"^{name}: \S+ does not fit into {dtype}, .*clamp"):
            getattr(x, name)()
        assert getattr(Tensor([-1.5, 2.9]), name)().tolist() == [-1, 2]
    assert x.bool().tolist() == [False, True, True]


def test_floats_beyond_a_narrower_float_become_inf() -> None:
    assert Tensor([1e300], dtype=np.float64).float().tolist() == [np.inf]


def test_names_of_pythons_types_are_their_widths_in_tinygrad_and_pytorch() -> None:
    x = Tensor([1.0])
    names = ("half", "float", "double", "short", "int", "long", "bool")
    widths = ("float16", "float32", "float64", "int16", "int32", "int64", "bool")
    assert [str(getattr(x, name)().dtype) for name in names] == [*widths]
