"""What the rows of methods/casting.py cannot say: narrow floats, nan as an integer, memory."""

import pickle

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


@pytest.mark.parametrize("name", ["float", "half", "double"])
def test_a_cast_gives_the_usual_instance_of_the_dtype(name: str) -> None:
    """Methods compare dtypes by `is`, so another instance would take the slow way from then on."""
    given = Tensor(np.ones(2, np.float32 if name == "double" else np.float64))
    y = getattr(given, name)()
    assert y.data.dtype is np.dtype(y.data.dtype.name)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.int64])
def test_other_instances_of_a_dtype_give_the_usual_one(dtype) -> None:
    usual = np.dtype(dtype)
    pickled, swapped = pickle.loads(pickle.dumps(usual)), usual.newbyteorder()
    assert pickled is not usual
    for found in (
        Tensor([1, 2], dtype=pickled),
        Tensor([1, 2]).cast(pickled),
        Tensor.ones(2, dtype=swapped),
        Tensor(np.ones(2, swapped)),
    ):
        assert found.data.dtype is usual


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


def test_the_error_of_a_cast_says_how_to_clamp_and_how_to_wrap() -> None:
    x = Tensor([300, -1])
    with pytest.raises(ValueError, match=r"^cast: .*; clamp\(\) it first, or take % 256 to wrap$"):
        x.cast(np.uint8)
    assert x.clamp(0, 255).cast(np.uint8).tolist() == [255, 0]
    assert (x % 256).cast(np.uint8).tolist() == [44, 255]


def test_floats_beyond_a_narrower_float_become_inf() -> None:
    assert Tensor([1e300], dtype=np.float64).float().tolist() == [np.inf]


def test_names_of_pythons_types_are_their_widths_in_tinygrad_and_pytorch() -> None:
    x = Tensor([1.0])
    names = ("half", "float", "double", "short", "int", "long", "bool")
    widths = ("float16", "float32", "float64", "int16", "int32", "int64", "bool")
    assert [str(getattr(x, name)().dtype) for name in names] == [*widths]


def test_to_takes_what_pytorch_takes() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for same in (x.to("cpu"), x.to("CPU"), x.to("cpu:0"), x.to(None), x.to(x), x.to(), x.cpu()):
        assert same is x
    assert x.to(device="cpu", dtype="float32", non_blocking=True) is x
    for y in (
        *(x.to(np.float64), x.to("float64"), x.to("cpu", np.float64), x.to(Tensor(np.zeros(1)))),
        *(x.to(dtype=np.float64), x.to("cpu", dtype="float64"), x.to(None, np.float64)),
    ):
        assert y.dtype == np.float64
        assert y.requires_grad
    copied = x.to(np.float32, copy=True)
    assert not np.shares_memory(copied.numpy(), x.numpy())
    assert copied.requires_grad
    assert x.device == x.to(x.device).device == "cpu"


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps", "gpu", "xpu", "float31"])
def test_another_device_is_one_clear_error(device: str) -> None:
    x = Tensor([1.0])
    with pytest.raises(ValueError, match=r"^to: expected a dtype, a Tensor or 'cpu', the only dev"):
        x.to(device)
    with pytest.raises(ValueError, match=r"^to: device: everything is computed on the CPU, with "):
        x.to(device=device)
    with pytest.raises(ValueError, match=r"^rand: device: everything is computed on the CPU, wi"):
        Tensor.rand(2, device=device)
    for wrong in (3, [1], object()):
        with pytest.raises(TypeError, match=r"^to: "):
            x.to(wrong)
    with pytest.raises(TypeError, match=r"^to: expected a device and a dtype; got 3 arguments"):
        x.to("cpu", np.float32, True)


def test_what_a_tensor_takes_in_memory() -> None:
    x = Tensor(np.zeros((2, 3), np.int16))
    assert (x.element_size(), x.nbytes, x.is_floating_point()) == (2, 12, False)
    assert Tensor([1.0]).is_floating_point()
    assert x.is_contiguous()
    assert not x.T.is_contiguous()


@pytest.mark.parametrize(
    ("last", "expected", "dtype"),
    [
        (0.1, np.float32(0.1), np.float32),
        (2**70, np.float32(2.0**70), np.float32),
        (True, np.float32(1), np.float32),
        (1e300, np.float32(np.inf), np.float32),
        (np.float64(0.1), np.float32(0.1), np.float32),
        (Tensor(0.1), np.float32(0.1), np.float32),
        (0.1, np.float64(0.1), np.float64),
        (0.1, np.float16(0.1), np.float16),
        (2.0, 2, np.int64),
    ],
)
def test_a_list_of_floats_with_another_kind_at_its_end(last, expected, dtype) -> None:
    data = [0.5] * 500 + [last]
    for given in (data, [data, data], [(0.5, 1.5), (2.5, last)]):
        made = Tensor(given, None if dtype == np.float32 else dtype)
        assert made.dtype == dtype
        assert made.data.flat[-1] == expected
        assert made.data.flat[0] == np.array(0.5, dtype)


@pytest.mark.parametrize("last", [10**400, "1.5", None, 1j, [0.5], np.ma.masked])
def test_a_list_of_floats_with_something_wrong_at_its_end(last) -> None:
    for data in ([0.5] * 500 + [last], [[0.5, last]] * 2):
        with pytest.raises((TypeError, ValueError), match=r"^Tensor: [^\n]*$"):
            Tensor(data)


def test_a_list_of_floats_with_a_graph_at_its_end_keeps_it() -> None:
    x = Tensor(0.25, requires_grad=True)
    made = Tensor([0.5] * 500 + [x * 3])
    made.sum().backward()
    assert x.grad.item() == 3
