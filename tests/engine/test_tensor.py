"""What a Tensor is: its data, dtype, conversion, repr and copies."""

import copy
import pickle
import weakref

import numpy as np
import pytest

from tinygrad_lite import Tensor, shares_memory


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        (3, np.int64),
        (True, np.bool_),
        ([1.0, 2.0], np.float32),
        ([1, 2], np.int64),
        ([[1, 2.5]], np.float32),
        ([], np.float32),
        (np.float64(2.0), np.float64),
        (np.float16(2.0), np.float16),
        (np.arange(3, dtype=np.uint8), np.uint8),
        (np.ones(2), np.float64),
        ([np.float64(1.0), np.float64(2.0)], np.float64),
        (np.ones(2, dtype=">f4"), np.float32),
    ],
)
def test_dtype_of_what_it_is_made_from(data, dtype) -> None:
    tensor = Tensor(data)
    assert tensor.dtype == dtype
    assert tensor.dtype.isnative
    assert type(tensor.data) is np.ndarray
    assert Tensor(tensor).dtype == dtype


def test_the_array_is_copied_and_writable() -> None:
    array = np.ones((2, 3))
    array.flags.writeable = False
    tensor = Tensor(array)
    tensor.data[0, 0] = 5.0
    assert array[0, 0] == 1.0
    other = Tensor(tensor)
    other.data[0, 0] = 7.0
    assert tensor.data[0, 0] == 5.0


@pytest.mark.parametrize("data", [np.array(["a"]), [object()], 1j, None, np.array([1j])])
def test_other_dtypes_are_refused(data) -> None:
    with pytest.raises(
        TypeError, match=r"^Tensor: expected bools, integers or real numbers; got .*; "
    ):
        Tensor(data)


def test_from_array_does_not_copy() -> None:
    array = np.arange(3.0)
    tensor = Tensor.from_array(array).requires_grad_()
    assert tensor.data is array
    loss = (tensor * tensor).sum()
    array[0] = 5.0
    tensor.mark_changed()
    assert tensor.tolist() == [5.0, 1.0, 2.0]
    with pytest.raises(RuntimeError, match="changed it in place"):
        loss.backward()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([1.0], r"^from_array: expected an ndarray; got list; use Tensor\(data\)$"),
        (np.float32(1), "^from_array: expected an ndarray; got float32"),
        (Tensor(1.0), "^from_array: expected an ndarray; got Tensor; it is a Tensor already$"),
        (np.ma.array([1.0], mask=[True]), "^from_array: expected an ndarray; got MaskedArray"),
        (np.array([1j]), "dtype complex128 is not supported; use bool, an integer type, or float"),
    ],
)
def test_from_array_takes_arrays_of_real_numbers_only(array, message) -> None:
    with pytest.raises(TypeError, match=message):
        Tensor.from_array(array)


def test_shares_memory() -> None:
    tensor, array = Tensor([1.0, 2.0, 3.0]), np.zeros(4)
    assert shares_memory(tensor, tensor.detach())
    assert shares_memory(tensor[:1], tensor.data[2:])  # one owner, though they do not overlap
    assert shares_memory(np.lib.stride_tricks.sliding_window_view(array, 2), array)
    assert not shares_memory(tensor, tensor.clone())
    assert shares_memory([array, Tensor(1.0)], (Tensor(2.0), array.reshape(2, 2).T))
    assert not shares_memory([], [tensor])
    # Arrays that live no longer than the question, one after the other in the same memory.
    assert not shares_memory((np.zeros(9) for _ in range(9)), (np.zeros(9) for _ in range(9)))
    for values in ([1.0], {"w": tensor}, 1, None):
        with pytest.raises(
            TypeError, match=r"^shares_memory: th[a-z]+: expected tensors or arrays; got "
        ):
            shares_memory(tensor, values)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_only_floats_require_grad(dtype) -> None:
    with pytest.raises(TypeError, match="only float tensors have gradients; got"):
        Tensor([1, 0], dtype=dtype, requires_grad=True)
    tensor = Tensor([1, 0], dtype=dtype)
    with pytest.raises(TypeError, match="only float tensors have gradients; got"):
        tensor.requires_grad = True


def test_attributes_and_conversion() -> None:
    tensor = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert (tensor.shape, tensor.ndim, tensor.numel(), len(tensor)) == ((3, 2), 2, 6, 3)
    assert tensor.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert tensor.T.shape == (2, 3)
    assert tensor.size() == (3, 2)
    assert (tensor.size(0), tensor.size(-1), tensor.size(axis=1)) == (3, 2, 2)
    assert tensor.dim() == 2
    with pytest.raises(ValueError, match="size: axis 2 is out of range for 2 dimensions"):
        tensor.size(2)
    assert tensor.numpy() is tensor.data
    assert np.asarray(tensor) is tensor.data
    assert [row.tolist() for row in tensor] == tensor.tolist()
    assert Tensor([[2.5]]).item() == 2.5
    assert type(Tensor(2).item()) is int
    assert (float(Tensor([1.5])), int(Tensor(3)), bool(Tensor(0.0))) == (1.5, 3, False)
    assert list(range(5))[Tensor(2)] == 2
    assert len({tensor, tensor, Tensor(1.0)}) == 2


@pytest.mark.parametrize("convert", [float, int, bool])
def test_several_elements_are_no_number(convert) -> None:
    with pytest.raises(
        ValueError, match=rf"^{convert.__name__}: expected a tensor of one element; "
    ):
        convert(Tensor([1.0, 2.0]))
    hint = r"any\(\) or all\(\)$" if convert is bool else r"sum\(\) or mean\(\), or use tolist\(\)$"
    with pytest.raises(ValueError, match=rf"reduce it with {hint}"):
        convert(Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"^item: .* got shape \(0,\)"):
        Tensor([]).item()


def test_repr_shows_value_dtype_and_the_op() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert repr(x) == ("Tensor([[1. 2.]\n        [3. 4.]], dtype=float32, requires_grad=True)")
    assert repr((x @ x).sum()) == "Tensor(54., dtype=float32, op=Sum)"
    assert repr(Tensor(3)) == "Tensor(3, dtype=int64)"
    assert repr(x.detach()[0]) == "Tensor([1. 2.], dtype=float32)"
    assert "..." in repr(Tensor.zeros(1000, 1000))


def test_format() -> None:
    assert f"{Tensor(1.23456):.2f}" == "1.23"
    assert f"{Tensor([1.0])}" == repr(Tensor([1.0]))
    with pytest.raises(ValueError, match=r"^format: expected a tensor of one element"):
        format(Tensor([1.0, 2.0]), ".2f")


def test_weak_references() -> None:
    tensor = Tensor(1.0)
    reference = weakref.ref(tensor)
    assert reference() is tensor
    del tensor
    assert reference() is None


@pytest.mark.parametrize(
    "copier", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_a_copy_is_a_leaf_in_new_memory(copier) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = copier(x * 2.0)
    assert y.tolist() == [2.0, 4.0]
    assert y.is_leaf
    assert y.requires_grad
    assert copier(Tensor([1])).requires_grad is False
    z = copier(x)
    assert not np.shares_memory(z.data, x.data)
    (z * 3.0).sum().backward()
    assert z.grad.tolist() == [3.0, 3.0]
    assert x.grad is None


def test_deepcopy_keeps_what_is_shared_and_the_gradient() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.sum().backward()
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first.grad.tolist() == [1.0, 1.0]
    assert not np.shares_memory(first.grad.data, x.grad.data)


def test_detach_shares_memory_clone_does_not() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    detached, clone = x.detach(), x.clone()
    assert np.shares_memory(detached.data, x.data)
    assert not detached.requires_grad
    assert not np.shares_memory(clone.data, x.data)
    (clone * 2.0).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_data_is_assignable() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.data = np.array([[3.0, 4.0, 5.0]], dtype=np.float32)
    (x * x).sum().backward()
    assert x.grad.tolist() == [[6.0, 8.0, 10.0]]
    x.data -= 1.0
    assert x.tolist() == [[2.0, 3.0, 4.0]]
    with pytest.raises(TypeError, match="data: dtype complex128 is not supported"):
        x.data = np.ones(2, complex)
    x.data = [1.0]
    assert x.tolist() == [1.0]
    with pytest.raises(TypeError, match="only float tensors have gradients; got int64"):
        x.data = np.array([1, 2])
    assert x.tolist() == [1.0]
    with pytest.raises(ValueError, match=r"data: expected shape \(1,\), that of the graph; got"):
        (x * 2.0).data = np.ones(3)


def test_requires_grad_can_be_taken_back_from_a_leaf_only() -> None:
    x = Tensor([1.0], requires_grad=True)
    y = x * 2.0
    with pytest.raises(RuntimeError, match=r"only a leaf can stop requiring grad.* use detach"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2.0).requires_grad


def test_requires_grad_gives_the_tensor_itself() -> None:
    x = Tensor([1.0, 2.0])
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad
    with pytest.raises(TypeError, match="int64"):
        Tensor([1, 2]).requires_grad_()


def test_retain_grad() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = (x * 3.0).retain_grad()
    (h * h).sum().backward()
    assert h.grad.tolist() == [6.0, 12.0]
    assert x.grad.tolist() == [18.0, 36.0]
    assert not np.shares_memory(h.grad.data, x.grad.data)


def test_a_gradient_starts_from_any_shape_of_one_element() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x.sum().reshape(1, 1) * 2.0).backward()
    assert x.grad.tolist() == [2.0, 2.0]
    x.zero_grad()
    assert x.grad is None


def test_a_leaf_may_be_made_by_a_method() -> None:
    assert Tensor.zeros(2, requires_grad=True).requires_grad
    assert not Tensor.zeros(2).requires_grad


def test_random_numbers_are_seeded_and_leave_numpy_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # to see that it stays
    Tensor.manual_seed(3)
    first = Tensor.randn(1000), Tensor.rand(1000), Tensor.uniform(1000, low=-2.0, high=4.0)
    Tensor.manual_seed(3)
    again = Tensor.randn(1000), Tensor.rand(1000), Tensor.uniform(1000, low=-2.0, high=4.0)
    for a, b in zip(first, again, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a.data, b.data)
    assert abs(first[0].data.mean()) < 0.15
    assert abs(first[0].data.std() - 1) < 0.1
    assert 0 <= first[1].data.min() < 0.02
    assert 0.98 < first[1].data.max() < 1
    assert -2 <= first[2].data.min() < -1.9
    assert 3.9 < first[2].data.max() < 4
    assert Tensor.randn(3, dtype=np.float16).dtype == np.float16
    assert Tensor.uniform(100_000, low=100.0, high=101.0).data.max() < 101  # though it rounds up
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_from_numpy_shares_memory_as_pytorchs_does() -> None:
    array = np.array([1.0, 2.0])
    x = Tensor.from_numpy(array)
    array[0] = 5.0
    assert x.tolist() == [5.0, 2.0]


def test_sequential_calls_one_after_the_other() -> None:
    x = Tensor([-1.0, 4.0])
    assert x.sequential([Tensor.relu, Tensor.sqrt, lambda y: y + 1]).tolist() == [1.0, 3.0]
    assert x.sequential([]) is x
    with pytest.raises(TypeError, match=r"^sequential: expected functions; got 3$"):
        x.sequential([Tensor.relu, 3])
    with pytest.raises(TypeError, match=r"^sequential: expected a list of functions; got 3$"):
        x.sequential(3)
