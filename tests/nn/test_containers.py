"""Containers: parts by position and by name, in the state, in the repr, and in errors."""

import copy
import pickle
import re
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor


def layers(count: int) -> list[nn.Linear]:
    """Layers that are told apart by their width: 1, 2, ..."""
    return [nn.Linear(1, width) for width in range(1, count + 1)]


def widths(parts: Any) -> list[int]:
    return [part.bias.shape[0] for part in parts]


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_children()]


LISTS = {"Sequential": lambda parts: nn.Sequential(*parts), "ModuleList": nn.ModuleList}
each_list = pytest.mark.parametrize("kind", LISTS)


@each_list
def test_a_list_of_modules_behaves_as_a_list(kind):
    parts = layers(6)
    held = LISTS[kind](parts)
    assert list(held) == parts
    assert [held[index] for index in range(-6, 6)] == parts * 2
    for cut in (slice(2), slice(1, 4), slice(None, None, 2), slice(None, None, -1), slice(9, 10)):
        assert list(held[cut]) == parts[cut]
        assert type(held[cut]) is type(held)
    assert parts[3] in held
    assert nn.ReLU() not in held
    expected = list(parts)
    for act in (
        lambda x: x.insert(2, nn.Linear(1, 10)),
        lambda x: x.insert(-1, nn.Linear(1, 11)),
        lambda x: x.insert(len(x), nn.Linear(1, 12)),
        lambda x: x.append(nn.Linear(1, 13)),
        lambda x: x.extend(layers(2)),
        lambda x: x.pop(),
        lambda x: x.pop(0),
        lambda x: x.__delitem__(-2),
        lambda x: x.__delitem__(slice(0, 3)),
        lambda x: x.__setitem__(-1, nn.Linear(1, 14)),
        lambda x: x.__iadd__(layers(1)),
    ):
        act(held)
        act(expected)
        assert widths(held) == widths(expected)
        assert names(held) == [str(position) for position in range(len(expected))]
    assert widths(held + layers(1)) == widths(expected + layers(1))
    assert len(held) == len(expected)


@each_list
def test_what_changes_a_list_returns_it(kind):
    held = LISTS[kind]([nn.ReLU()])
    assert held.append(nn.ReLU()).extend([nn.ReLU()]).insert(0, nn.ReLU()) is held
    assert held.extend(held) is held
    assert len(held) == 8


@each_list
@pytest.mark.parametrize("index", [3, -4, 99])
def test_an_index_out_of_range(kind, index):
    held = LISTS[kind](layers(3))
    word = "layers" if kind == "Sequential" else "modules"
    line = f"^{kind}: index {index} is out of range for 3 {word}$"
    for act in (
        lambda: held[index],
        lambda: held.pop(index),
        lambda: held.__setitem__(index, nn.ReLU()),
        lambda: held.__delitem__(index),
        lambda: held[3] if index == 3 else held.insert(index, nn.ReLU()),
    ):
        with pytest.raises(IndexError, match=line):
            act()
    assert len(held) == 3


@each_list
@pytest.mark.parametrize("index", ["0", 1.0, None, True])
def test_an_index_that_is_no_integer(kind, index):
    held = LISTS[kind](layers(2))
    line = re.escape(f"{kind}: index: expected an integer; got {index!r}")
    for act in (lambda: held[index], lambda: held.insert(index, nn.ReLU())):
        with pytest.raises(TypeError, match=f"^{line}$"):
            act()


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (
            lambda: nn.ModuleList([3]),
            "ModuleList: expected modules or functions; got int as module 0",
        ),
        (
            lambda: nn.Sequential(nn.ReLU()).append("x"),
            "Sequential: expected modules or functions; got str as layer 1",
        ),
        (
            lambda: nn.Sequential(None),
            "Sequential: expected modules or functions; got NoneType as layer 0",
        ),
        (lambda: nn.ModuleList([nn.ReLU]), "ModuleList: module 0 is the class ReLU; write ReLU()"),
        (
            lambda: nn.ModuleDict({"a": 3}),
            "ModuleDict: expected modules or functions; got int as module a",
        ),
        (
            lambda: nn.ModuleList(nn.ReLU()),
            "ModuleList: modules: expected a list of them; got ReLU",
        ),
        (
            lambda: nn.ModuleDict([nn.ReLU()]),
            "ModuleDict: modules: expected a dict, or pairs with a name; got [ReLU]",
        ),
        (
            lambda: nn.ParameterDict(3),
            "ParameterDict: parameters: expected a dict, or pairs with a name; got 3",
        ),
        (
            lambda: nn.ParameterList([1.0]),
            "ParameterList: values: 0: expected a Tensor or an ndarray; got 1.0",
        ),
        (
            lambda: nn.ParameterList([np.arange(3)]),
            "ParameterList: values: 0: expected floats, which have gradients; got int64",
        ),
        (
            lambda: nn.Parameter(np.arange(3)),
            "Parameter: data: expected floats, which have gradients; got int64; write "
            "data.astype(np.float32), or requires_grad=False",
        ),
        (
            lambda: nn.ParameterList(np.ones(3)),
            "ParameterList: values: expected a list of them; got ndarray of shape (3,), float64",
        ),
        (lambda: nn.ModuleDict({1: nn.ReLU()}), "ModuleDict: modules: name: expected text; got 1"),
        (lambda: nn.Lambda(3), "Lambda: function: expected a function; got 3"),
        (
            lambda: nn.Unflatten(1, 6),
            "Unflatten: unflattened_size: expected a tuple of integers; got 6",
        ),
        (lambda: nn.Unflatten("C", (2, 3)), "Unflatten: dim: expected an integer; got 'C'"),
    ],
)
def test_what_cannot_be_a_part_is_refused(act, line):
    with pytest.raises(TypeError) as caught:
        act()
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.b", "name: expected text without a dot; got 'a.b'"),
        ("", "name: expected text without a dot; got ''"),
        ("keys", "ModuleDict has an attribute 'keys' already"),
        ("forward", "ModuleDict has an attribute 'forward' already"),
        ("training", "ModuleDict has an attribute 'training' already"),
    ],
)
def test_names_that_a_part_cannot_have(name, line):
    with pytest.raises(KeyError) as caught:
        nn.ModuleDict({name: nn.ReLU()})
    assert caught.value.args == (f"ModuleDict: modules: {line}",)


def test_a_part_that_is_refused_leaves_the_container_as_it_was():
    held = nn.ModuleDict({"a": nn.ReLU()})
    before = held["a"]
    for act in (lambda: held.update(a=3), lambda: setattr(held, "a", 3)):
        with pytest.raises(TypeError):
            act()
    assert held["a"] is before


def test_a_key_that_is_not_there():
    held = nn.ModuleDict({"left": nn.ReLU(), "right": nn.ReLU()})
    for act in (lambda: held["up"], lambda: held.__delitem__("up"), lambda: held.pop("up")):
        with pytest.raises(KeyError) as caught:
            act()
        assert caught.value.args == ("ModuleDict: 'up' is not there; it holds left, right",)
    assert held.pop("up", None) is None
    assert held.get("up") is None
    with pytest.raises(AttributeError, match="'ModuleDict' object has no attribute 'up'"):
        _ = held.up


def test_a_name_and_an_attribute_are_the_same():
    held = nn.ModuleDict({"first": nn.Linear(1, 1)})
    held.second = nn.Linear(1, 2)
    held["third"] = nn.Linear(1, 3)
    held.first = nn.Linear(1, 4)
    assert widths([held["first"], held.first, held["second"], held.third]) == [4, 4, 2, 3]
    assert list(held) == ["first", "second", "third"]
    del held.second
    assert list(held) == names(held) == ["first", "third"]
    held.note = "text"
    assert (held.note, "note" in held) == ("text", False)


def test_a_subclass_that_forgets_to_initialise_the_container_is_told():
    class Heads(nn.ModuleDict):
        def __init__(self):
            self["a"] = nn.ReLU()

    with pytest.raises(AttributeError, match=r"^Heads: call super\(\).__init__\(\) first$"):
        Heads()


def test_parts_are_among_the_names_of_a_container():
    assert "hidden" in dir(nn.Sequential({"hidden": nn.ReLU()}))
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


def test_a_parameter_is_in_a_list_if_it_is_that_very_one():
    one, other = nn.Parameter([1.0, 2.0]), nn.Parameter([1.0, 2.0])
    held = nn.ParameterList([one])
    assert one in held
    assert other not in held


def test_one_dict_of_modules_is_not_another():
    one, other = nn.ModuleDict(), nn.ModuleDict()
    assert one != other
    assert len({one, other, one}) == 2


def test_a_sequential_with_names():
    net = nn.Sequential(OrderedDict(hidden=nn.Linear(2, 3), act=Tensor.relu, out=nn.Linear(3, 1)))
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
    assert net.hidden is net[0]
    assert list(net[1:].state_dict()) == ["out.weight", "out.bias"]
    with pytest.raises(ValueError, match=r"^Sequential\.out \(Linear\): expected \(\.\.\., 3\)"):
        net[2:](Tensor.ones(1, 2))
    net.out = nn.Linear(3, 5)
    assert net(Tensor.ones(1, 2)).shape == (1, 5)
    with pytest.raises(KeyError, match="Sequential has an attribute 'forward' already"):
        nn.Sequential({"forward": nn.ReLU()})


def test_a_slice_keeps_its_names_and_grows():
    """In PyTorch, append would replace the last layer of such a slice."""
    part = nn.Sequential(*layers(3))[1:]
    assert names(part) == ["1", "2"]
    part.append(nn.Linear(1, 9))
    assert (names(part), widths(part)) == (["0", "1", "2"], [2, 3, 9])


def test_modules_that_are_added_by_name_run():
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(2, 2))
    net.register_module("act", nn.ReLU())
    assert (len(net), net.fc is net[0]) == (2, True)
    np.testing.assert_array_equal(
        net(Tensor.ones(1, 2)).data, np.maximum(net.fc(Tensor.ones(1, 2)).data, 0)
    )


def test_a_sequential_many_times_shares_its_layers():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert [*(net * 3)] == [*(3 * net)] == [*net] * 3
    assert len(list((net * 3).parameters())) == 2
    with pytest.raises(ValueError, match=r"^Sequential: \*: expected an integer of 1 or more"):
        net * 0


def test_a_module_that_is_set_as_an_attribute_is_a_layer():
    class Transition(nn.Sequential):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(2, elementwise_affine=False)
            self.linear = nn.Linear(2, 3)
            self.function = Tensor.tanh

    net, x = Transition(), Tensor([[1.0, 2.0], [5.0, 3.0]])
    expected = (
        np.array([[-1.0, 1.0], [1.0, -1.0]]) @ net.linear.weight.data.T + net.linear.bias.data
    )
    np.testing.assert_allclose(net(x).data, expected, rtol=1e-4, atol=1e-4)
    assert list(net.state_dict()) == ["linear.weight", "linear.bias"]
    net.linear = nn.Identity()
    net.last = nn.Flatten(0)
    np.testing.assert_allclose(net(x).data, [-1.0, 1.0, 1.0, -1.0], rtol=1e-4, atol=1e-4)
    layers = nn.ModuleList([nn.Tanh()])
    layers.out = nn.ReLU()
    assert [type(layer) for layer in layers] == [nn.Tanh, nn.ReLU]


def test_a_subclass_of_sequential_may_hold_more():
    class Scaled(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(2, 2))
            self.scale = nn.Parameter(np.full(2, 3.0, np.float32))
            self.register_buffer("shift", np.ones(2, np.float32))

        def forward(self, x):
            return super().forward(x) * self.scale + self.shift

    net = Scaled()
    assert list(net.state_dict()) == ["scale", "shift", "0.weight", "0.bias"]
    x = np.array([[1.0, 2.0]], np.float32)
    expected = (x @ net[0].weight.data.T + net[0].bias.data) * 3 + 1
    np.testing.assert_allclose(net(Tensor(x)).data, expected, rtol=1e-6)
    assert type(net[:1]) is nn.Sequential


def test_functions_are_parts_of_dicts_and_lists():
    held = nn.ModuleDict({"relu": Tensor.relu, "none": None})
    assert held.relu(Tensor([-1.0])).tolist() == [0]
    assert nn.ModuleList([Tensor.exp, None])[0](Tensor([0.0])).tolist() == [1]
    assert names(held) == []


def test_a_list_is_not_called():
    with pytest.raises(NotImplementedError, match=r"^ModuleList: it holds its parts and cannot be"):
        nn.ModuleList([nn.ReLU()])(1)


@pytest.mark.parametrize("path", ["blocks.1", "heads.x.0", "plain.0", "listed.a"])
def test_an_error_names_the_path_through_containers(path):
    class Net(nn.Module):
        def __init__(self):
            self.blocks = nn.ModuleList([nn.ReLU(), nn.Linear(3, 3)])
            self.heads = nn.ModuleDict({"x": nn.Sequential(nn.Linear(3, 3))})
            self.plain = [nn.Linear(3, 3)]
            self.listed = {"a": nn.Linear(3, 3)}

        def forward(self, path, x):
            part = {"blocks.1": self.blocks[1], "heads.x.0": self.heads.x}
            part |= {"plain.0": self.plain[0], "listed.a": self.listed["a"]}
            return part[path](x)

    line = f"Net.{path} (Linear): expected (..., 3); got (1, 2)"
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        Net()(path, Tensor.ones(1, 2))


# Parameters


def test_parameter_lists_and_dicts_make_parameters_and_keep_those_that_are():
    own, frozen = nn.Parameter([1.0]), nn.Parameter([2.0], requires_grad=False)
    array = np.ones(2, np.float32)
    for held in (
        nn.ParameterList([own, array, frozen, Tensor([3.0])]),
        nn.ParameterDict({"a": own, "b": array, "c": frozen, "d": Tensor([3.0])}),
    ):
        values = list(held.values()) if isinstance(held, nn.ParameterDict) else list(held)
        assert values[0] is own
        assert values[2] is frozen
        assert all(isinstance(value, nn.Parameter) for value in values)
        assert [value.requires_grad for value in values] == [True, True, False, True]
        assert list(held.parameters()) == values
        values[1].data[...] = 5
        assert array.tolist() == [1, 1]  # copied


def test_a_list_of_parameters_as_an_attribute():
    class Net(nn.Module):
        def __init__(self):
            self.weights = nn.ParameterList([Tensor.ones(2, 2)])
            self.by_name = nn.ParameterDict({"bias": Tensor.zeros(2)})

    net = Net()
    assert list(net.state_dict()) == ["weights.0", "by_name.bias"]
    assert repr(net).splitlines() == [
        "Net()  # 6 parameters",
        "  weights: ParameterList()  # 4 parameters: 0 (2, 2)",
        "  by_name: ParameterDict()  # 2 parameters: bias (2,)",
    ]


# Copies


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(*layers(2)),
        lambda: nn.ModuleList(layers(2)),
        lambda: nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 2)}),
        lambda: nn.ParameterList([Tensor.ones(1), Tensor.ones(2)]),
        lambda: nn.ParameterDict({"a": Tensor.ones(1), "b": Tensor.ones(2)}),
    ],
)
def test_copies_are_independent(make):
    held = make()
    before = list(held.state_dict())
    deep, loaded, shallow = copy.deepcopy(held), pickle.loads(pickle.dumps(held)), copy.copy(held)
    for other in (deep, loaded, shallow):
        assert type(other) is type(held)
        assert list(other.state_dict()) == before
        shared = [a is b for a, b in zip(other.parameters(), held.parameters(), strict=True)]
        assert shared == [other is shallow] * len(shared)
        other.add_module("more", nn.Parameter([1.0]) if "Parameter" in repr(held) else nn.ReLU())
        assert len(other) == len(held) + 1
    assert list(held.state_dict()) == before


# Functions and shapes as modules


def test_identity_and_lambda():
    x = object()
    assert nn.Identity(3, unused=4)(x) is x
    assert nn.Lambda(lambda x, y=1: x + y)(2, y=3) == 5
    assert nn.Sequential(nn.Lambda(Tensor.exp))(Tensor([0.0])).tolist() == [1]
    line = r"^Sequential\.0 \(Lambda\): matmul: inner sizes differ"
    with pytest.raises(ValueError, match=line):
        nn.Sequential(nn.Lambda(lambda x: x @ x))(Tensor.ones(1, 2))


def test_what_a_lambda_uses_has_to_be_held():
    inner = nn.Linear(1, 1)
    net = nn.Sequential(nn.Lambda(lambda x: inner(x)))
    with pytest.raises(TypeError, match=r"Sequential\.0\.function is a function that uses a Lin"):
        net.parameters()
    net.inner = inner
    assert len(list(net.parameters())) == 2


@pytest.mark.parametrize(
    ("layer", "given", "shape", "text"),
    [
        (lambda: nn.Flatten(), (2, 3, 4), (2, 12), "Flatten()"),
        (lambda: nn.Flatten(0), (2, 3, 4), (24,), "Flatten(0, -1)"),
        (lambda: nn.Flatten(0, 1), (2, 3, 4), (6, 4), "Flatten(0, 1)"),
        (lambda: nn.Flatten(-2), (2, 3, 4), (2, 12), "Flatten(-2, -1)"),
        (lambda: nn.Flatten(), (0, 3, 4), (0, 12), "Flatten()"),
        (lambda: nn.Flatten(), (2, 3), (2, 3), "Flatten()"),
        (lambda: nn.Unflatten(1, (3, 4)), (2, 12), (2, 3, 4), "Unflatten(1, (3, 4))"),
        (lambda: nn.Unflatten(-1, [2, -1]), (2, 12), (2, 2, 6), "Unflatten(-1, (2, -1))"),
        (lambda: nn.Unflatten(0, (1, 2)), (2, 12), (1, 2, 12), "Unflatten(0, (1, 2))"),
    ],
)
def test_flatten_and_unflatten(layer, given, shape, text):
    x = np.arange(float(np.prod(given))).reshape(given)
    assert repr(layer()) == text
    for value in (x, Tensor(x), Tensor(np.asfortranarray(x))):
        y = layer()(value)
        assert y.dtype == np.float64
        np.testing.assert_array_equal(y.data, x.reshape(shape))


def test_unflatten_undoes_flatten_and_the_gradient_goes_through():
    x = Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    cotangent = np.random.default_rng(0).normal(size=(2, 3, 4))
    nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 4)))(x).backward(cotangent)
    np.testing.assert_array_equal(x.grad.data, cotangent)


@pytest.mark.parametrize(
    ("layer", "shape", "line"),
    [
        (
            nn.Flatten(),
            (2,),
            "Flatten: flatten: start_axis 1 is out of range for 1 dimensions; use -1 to 0",
        ),
        (
            nn.Unflatten(1, (5, 2)),
            (2, 3),
            "Unflatten: unflatten: (3,) holds 3 elements, which do not fill the shape (5, 2)",
        ),
    ],
)
def test_a_shape_that_does_not_fit(layer, shape, line):
    with pytest.raises((ValueError, IndexError), match=f"^{re.escape(line)}$"):
        layer(Tensor.ones(*shape))
