"""Copies and pickles: subclasses keep their attributes, and a deep copy what is a view of what."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor


class Named(Tensor):
    """Its constructor takes other arguments than Tensor's."""

    def __init__(self, name: str, *, size: int) -> None:
        super().__init__(np.arange(size, dtype=np.float64), requires_grad=True)
        self.name = name
        self.tags = [name]


class Slotted(Tensor):
    """Has slots, one with a name of its own, and no dict."""

    __slots__ = ("__hidden", "unit", "unset")

    def __init__(self, *parts: float, unit: str) -> None:
        super().__init__(list(parts))
        self.unit = unit
        self.__hidden = 5

    def hidden(self) -> int:
        return self.__hidden


class Both(Slotted):
    """Has slots and a dict."""


class Made(Tensor):
    """Cannot be made without an argument at all."""

    def __new__(cls, what: str) -> "Made":
        return super().__new__(cls)

    def __init__(self, what: str) -> None:
        super().__init__([1.0])
        self.what = what


class Custom(Tensor):
    """Says itself what its state is."""

    def __getstate__(self) -> dict[str, int]:
        return {"kept": self.kept}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.kept = state["kept"] + 1


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda value: pickle.loads(pickle.dumps(value, protocol))


COPIERS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": pickled(n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
}
every_copier = pytest.mark.parametrize("copier", COPIERS.values(), ids=COPIERS)


@every_copier
def test_a_subclass_keeps_its_attributes_and_needs_no_constructor(copier) -> None:
    x = Named("weight", size=3)
    y = copier(x)
    assert type(y) is Named
    assert (y.name, y.tags, y.tolist()) == ("weight", ["weight"], [0, 1, 2])
    assert y.dtype == np.float64
    assert y.requires_grad
    assert y.is_leaf
    assert not np.shares_memory(y.data, x.data)
    assert (y.tags is x.tags) == (copier is copy.copy)
    (y * 2.0).sum().backward()
    assert y.grad.tolist() == [2, 2, 2]
    assert x.grad is None


@every_copier
def test_attributes_in_slots(copier) -> None:
    x = Slotted(1.0, 2.0, unit="m")
    y = copier(x)
    assert type(y) is Slotted
    assert (y.unit, y.hidden(), y.tolist(), hasattr(y, "unset")) == ("m", 5, [1, 2], False)
    z = Both(1.0, unit="s")
    z.more = "more"
    z = copier(z)
    assert (z.unit, z.hidden(), z.more, z.tolist()) == ("s", 5, "more", [1])


@every_copier
def test_a_class_that_is_made_from_an_argument(copier) -> None:
    assert copier(Made("name")).what == "name"


@every_copier
def test_a_state_of_its_own(copier) -> None:
    x = Custom([1.0])
    x.kept = 3
    assert copier(x).kept == 4


@every_copier
def test_attributes_that_lead_back(copier) -> None:
    x = Named("x", size=1)
    x.me, x.parts = x, {"pair": (x, 1)}
    y = copier(x)
    if copier is copy.copy:
        assert y.me is x
    else:
        assert y.me is y
        assert y.parts["pair"][0] is y


@every_copier
def test_any_memory_layout_and_dtype(copier) -> None:
    base = np.arange(24.0).reshape(2, 3, 4)
    for array in (
        base.T,
        base[::-1, ::2],
        base[0, 0, 0:0],
        base.astype(np.int8)[:, 1],
        base[1, 1, 1],
    ):
        y = copier(Tensor.from_array(np.asarray(array)))
        np.testing.assert_array_equal(y.data, array)
        assert y.dtype == array.dtype
        assert y.data.flags.writeable


# What is a view of what, after a deep copy

LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "middle axis first": lambda a: a.transpose(1, 0, 2).copy().transpose(1, 0, 2),
}
VIEWS: dict[str, Callable[[Any], Any]] = {
    "x[0]": lambda x: x[0],
    "x[:, ::-2]": lambda x: x[:, ::-2],
    "x[..., 1]": lambda x: x[..., 1],
    "T": lambda x: x.T,
    "reshape": lambda x: x.permute(*np.argsort(x.data.strides)[::-1].tolist()).reshape(-1),
    "expand": lambda x: x[:1].expand(3, *x.shape[1:]),
    "diagonal": lambda x: x.diagonal(),
    "unfold": lambda x: x.unfold(1, 2, 1),
    "detach": lambda x: x.detach(),
    "view of a view": lambda x: x[0].T[::-1],
}


@pytest.mark.parametrize("view_first", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", VIEWS)
def test_a_deep_copy_keeps_a_view_tied_to_its_base(
    name: str, layout: str, view_first: bool
) -> None:
    x = Tensor(0.0)
    x.data = LAYOUTS[layout](np.arange(24.0).reshape(2, 3, 4))
    view = VIEWS[name](x)
    assert np.shares_memory(view.data, x.data)
    held = {"view": view, "x": x} if view_first else {"x": x, "view": view}
    copied = copy.deepcopy(held)
    new, new_view = copied["x"], copied["view"]
    np.testing.assert_array_equal(new_view.data, view.data)
    for array in (new.data, new_view.data):
        assert not np.shares_memory(array, x.data)
    assert new_view.data.flags.writeable == view.data.flags.writeable
    new += 100.0  # seen in the copy of the view, and not in the original
    np.testing.assert_array_equal(new_view.data, view.data + 100.0)
    np.testing.assert_array_equal(new.data, np.arange(24.0).reshape(2, 3, 4) + 100.0)
    np.testing.assert_array_equal(x.data, np.arange(24.0).reshape(2, 3, 4))


def test_a_copied_view_is_guarded_as_the_original_is() -> None:
    x = Tensor([1.0, 2.0, 3.0])
    copied, view = copy.deepcopy([x, x[:2]])
    weight = Tensor([1.0, 1.0, 1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="is a view of this memory"):
        copied += weight
    assert view.tolist() == [1, 2]


def test_views_of_one_base_stay_views_of_each_other_without_it() -> None:
    x = Tensor(np.arange(6.0))
    left, right = copy.deepcopy([x[:4], x[2:]])
    left[3] = 50.0
    assert right.tolist() == [2, 50, 4, 5]
    assert x.tolist() == [0, 1, 2, 3, 4, 5]


def test_an_array_and_a_tensor_around_it_stay_one() -> None:
    array = np.arange(3.0)
    copied, tensor = copy.deepcopy([array, Tensor.from_array(array)])
    copied[0] = 7
    assert tensor.tolist() == [7, 1, 2]


def test_memory_with_gaps_is_copied_all_the_same() -> None:
    foreign = memoryview(bytearray(range(10)))[::3]
    tensor = Tensor.from_array(np.frombuffer(bytes(foreign), np.uint8))
    spread = Tensor.from_array(np.asarray(foreign))
    first, second, third = copy.deepcopy([tensor, spread, spread[1:]])
    assert [first.tolist(), second.tolist(), third.tolist()] == [[0, 3, 6, 9]] * 2 + [[3, 6, 9]]
    second[1] = 1


def test_a_module_keeps_its_ties() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model.transposed = model[0].weight.detach().T
    copied = copy.deepcopy(model)
    assert copied[1].weight is copied[0].weight
    copied[0].weight.data[0, 1] = 50
    assert copied.transposed.data[1, 0] == 50
    assert model[0].weight.data[0, 1] != 50
    assert [p.requires_grad for p in copied.parameters()] == [True] * 3


def test_gradients_are_copied_deeply_and_not_pickled() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    copied = copy.deepcopy(x)
    copied.grad.data[0] = 9
    assert x.grad.tolist() == [2, 4]
    assert copied.grad.tolist() == [9, 4]
    assert pickled(5)(x).grad is None
    assert copy.copy(x).grad is None


def test_a_long_chain_of_operations_is_not_copied() -> None:
    y = Tensor([1.0], requires_grad=True)
    for _ in range(3000):
        y = y * 1.0
    for copier in COPIERS.values():
        assert copier(y).is_leaf
