"""What holds layers or parameters is looked into, or refused in one line that names it."""

import collections
import contextvars
import dataclasses
import functools
import itertools
import re
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from nn.reflection import walk
from nn.state import get_parameters, get_state_dict, load_state_dict
from tinygrad_lite import Tensor


class Net(nn.Module):
    """Holds one thing."""

    def __init__(self, layers: Any) -> None:
        self.layers = layers


@dataclasses.dataclass
class Record:
    """Holds one thing too."""

    first: Any


Pair = collections.namedtuple("Pair", "first")


def objects(layer: Any) -> Any:
    found = np.full((1, 2), 3, object)
    found[0, 1] = layer
    return found


WALKED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "list": (lambda x: [x], "0"),
    "namedtuple": (Pair, "0"),
    "dataclass": (Record, "first"),
    "deque": (lambda x: collections.deque([x]), "0"),
    "mapping proxy": (lambda x: types.MappingProxyType({"a": x}), "a"),
    "OrderedDict": (lambda x: collections.OrderedDict(a=x), "a"),
    "UserDict": (lambda x: collections.UserDict(a=x), "data.a"),
    "UserList": (lambda x: collections.UserList([x]), "data.0"),
    "ChainMap": (lambda x: collections.ChainMap({"a": x}), "maps.0.a"),
    "namespace": (lambda x: types.SimpleNamespace(a=x), "a"),
    "values": (lambda x: {"a": x}.values(), "0"),
    "keys": (lambda x: {x: "a"}.keys(), "0"),
    "items": (lambda x: {"a": x}.items(), "0.1"),
    "values of an OrderedDict": (lambda x: collections.OrderedDict(a=x).values(), "0"),
    "array of objects": (objects, "0.1"),
    "partial": (lambda x: functools.partial(x), "func"),
    "argument of a partial": (lambda x: functools.partial(print, 1, x), "args.1"),
    "keyword of a partial": (lambda x: functools.partial(print, sep=x), "keywords.sep"),
}


@pytest.mark.parametrize("kind", WALKED)
def test_what_has_an_order_is_looked_into(kind: str) -> None:
    hold, path = WALKED[kind]
    layer = nn.Sequential(nn.Linear(1, 1), nn.Dropout())
    net = Net(hold(layer))
    names = [f"layers.{path}.0.{name}" for name in ("weight", "bias")]
    assert list(get_state_dict(net)) == names
    assert [id(p) for p in get_parameters(net)] == [id(p) for p in layer.parameters()]
    net.eval()
    assert not layer[1].training
    load_state_dict(net, {names[0]: np.array([[5.0]]), names[1]: np.array([6.0])})
    assert layer[0].weight.item() == 5


def around(layer: Any) -> Callable[[Any], Any]:
    return lambda x: layer(x)


def defaulting(layer: Any) -> Callable[[Any], Any]:
    return lambda x, layer=layer: layer(x)


ORDER = "Net.layers is a set that holds {}, and has no stable order; use a list"
TOO = "hold that in an attribute as well, or only a weakref.proxy here if it is not a part of this"
USES = f"Net.layers is a function that uses {{}}; {TOO}"
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "set": (lambda x: {x}, ORDER),
    "frozenset": (lambda x: frozenset([x]), ORDER),
    "set of tuples": (lambda x: {(1, x)}, ORDER),
    "set of objects": (lambda x: {types.MethodType(print, 1), Pair(x)}, ORDER),
    "key": (
        lambda x: {x: 1},
        "Net.layers has {} as a key, where it is not found; hold it as a value",
    ),
    "closure": (around, USES),
    "closure of a list": (lambda x: around([x]), USES),
    "default": (defaulting, USES),
    "method": (
        lambda x: x.__call__ if isinstance(x, nn.Module) else x.exp,
        f"Net.layers is a method of {{}}; {TOO}",
    ),
    "iterator": (
        lambda x: iter([x]),
        "Net.layers is of type list_iterator and holds {}; use a list",
    ),
    "chain": (
        lambda x: itertools.chain([1], [x]),
        "Net.layers is of type chain and holds {}; use a list",
    ),
    "context variable": (
        lambda x: contextvars.ContextVar("x", default=x),
        "Net.layers is of type ContextVar and holds {}; use a list",
    ),
    "map": (
        lambda x: map(Pair, [x]),
        "Net has a map as layers, which is empty after its first use; use a list",
    ),
    "zip": (
        lambda x: zip([x], [1], strict=True),
        "Net has a zip as layers, which is empty after its first use; use a list",
    ),
    "generator": (
        lambda x: (x for _ in range(1)),
        "Net has a generator as layers, which is empty after its first use; use a list",
    ),
}


@pytest.mark.parametrize("make", [lambda: nn.Linear(1, 1), nn.Dropout, lambda: leaf(1.0)])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_hides_a_layer_is_refused_by_name(kind: str, make: Any) -> None:
    hold, text = REFUSED[kind]
    hidden = make()
    net = Net(hold(hidden))
    net.first = nn.Dropout()
    line = text.format(f"a {type(hidden).__name__}")
    for name, act in (
        ("get_parameters", lambda: get_parameters(net)),
        ("named_parameters", net.zero_grad),
        ("get_state_dict", lambda: get_state_dict(net)),
        ("get_state_dict", lambda: load_state_dict(net, {})),
        ("train", net.eval),
    ):
        with pytest.raises(TypeError, match=f"^{re.escape(f'{name}: {line}')}$"):
            act()
    assert net.first.training
    assert repr(net).startswith("Net(")


def leaf(value: float) -> Tensor:
    return Tensor([value], requires_grad=True)


@pytest.mark.parametrize(
    "kind", [kind for kind in REFUSED if kind not in ("map", "zip", "generator")]
)
def test_what_an_attribute_holds_as_well_is_not_hidden(kind: str) -> None:
    layer = nn.Linear(1, 1)
    net = Net(REFUSED[kind][0](layer))
    net.layer = layer
    assert list(get_state_dict(net)) == ["layer.weight", "layer.bias"]
    assert len(get_parameters(net)) == 2


@pytest.mark.parametrize(
    "harmless",
    [
        {1, "a"},
        {"a": 1},
        itertools.count(),
        iter([1, 2]),
        Tensor.tanh,
        nn.Linear,
        around(3),
        around({"teacher": "far away"}),
        np.random.default_rng(0),
        re.compile("a"),
        np.zeros(3),
        np.array([{}, None]),
    ],
)
def test_what_hides_nothing_is_left_alone(harmless: Any) -> None:
    assert get_parameters(Net(harmless)) == []
    Net(harmless).eval()


def test_a_variable_that_is_not_assigned_yet_hides_nothing() -> None:
    def function() -> Any:
        return later

    assert get_parameters(Net(function)) == []
    later = 1
    assert function() == later


def test_layers_of_the_class_are_refused_and_its_constants_are_not() -> None:
    class Shared(nn.Module):
        scale = Tensor(2.0)
        inner = (nn.Linear(1, 1),)

    text = "get_parameters: Shared has a Linear as inner of its class; set it in __init__"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        get_parameters(Shared())
    own = Shared()
    own.inner = nn.Linear(1, 1)
    assert len(get_parameters(own)) == 2


def test_the_argument_itself_may_be_what_hides() -> None:
    with pytest.raises(
        TypeError, match=r"^get_parameters: the argument is a set that holds a Linear"
    ):
        get_parameters({nn.Linear(1, 1)})


@pytest.mark.parametrize("make", [lambda x: (y for y in [x]), lambda x: map(id, [x])])
def test_the_argument_itself_may_be_used_up(make: Any) -> None:
    with pytest.raises(TypeError, match=r"^get_state_dict: the argument is a \w+, which is empty"):
        get_state_dict(make(nn.Linear(1, 1)))


def test_weak_references_hide_nothing() -> None:
    layer = nn.Linear(1, 1)
    proxy = weakref.proxy(layer)
    for reference in (weakref.ref(layer), proxy, weakref.WeakSet([layer]), around(proxy)):
        assert get_parameters(Net(reference)) == []


def test_a_tensor_may_hold_tensors_itself() -> None:
    class Scaled(Tensor):
        """Has attributes."""

    class Slotted(Tensor):
        __slots__ = ("shift",)

    scaled, slotted = Scaled([1.0], requires_grad=True), Slotted([2.0])
    scaled.scale, slotted.shift = leaf(3.0), leaf(4.0)
    scaled.grad = Tensor([0.0])
    assert [path for path, _ in walk([scaled, slotted])] == ["", "0", "0.scale", "1", "1.shift"]
    assert list(get_state_dict([scaled, slotted])) == ["0", "0.scale", "1", "1.shift"]
    assert [p.item() for p in get_parameters([scaled, slotted])] == [1, 3, 4]


def test_an_object_that_names_its_parts_is_asked() -> None:
    class Renamed(nn.Module):
        def __init__(self) -> None:
            self.hidden = nn.Linear(1, 1, bias=False)

        def named_parts(self):
            yield 7, self.hidden

    net = Net(Renamed())
    assert list(get_state_dict(net)) == ["layers.7.weight"]
    assert [path for path, _ in net.named_modules()] == ["", "layers", "layers.7"]
    assert net.get_submodule("layers.7") is net.layers.hidden
    assert "7: Linear(1, 1, bias=False)" in repr(net)


def test_modules_in_dataclasses_slots_and_subclasses_of_list() -> None:
    @dataclasses.dataclass
    class Data(nn.Module):
        """It compares its fields, and so has no hash."""

        layer: nn.Linear

    class Slotted(nn.Module):
        __slots__ = ("layer", "seen")

        def __init__(self, layer: nn.Linear) -> None:
            self.layer = layer
            self.register_buffer("seen", np.zeros(1))

    class Listed(nn.Module, list):
        pass

    layer = nn.Linear(1, 1)
    for net, path in ((Data(layer), "layer"), (Slotted(layer), "layer"), (Listed([layer]), "0")):
        names = [f"{path}.weight", f"{path}.bias"]
        assert [name for name in net.state_dict() if name != "seen"] == names
        assert [name for name, _ in net.named_children()] == [path]
        assert [id(m) for m in net.modules()] == [id(net), id(layer)]
        assert net.apply(lambda _: None) is net
        assert repr(net).count("Linear(1, 1)") == 1
    assert next(Slotted(layer).named_buffers())[0] == "seen"


def test_a_property_is_no_part_and_what_it_reads_is() -> None:
    class Computed(nn.Module):
        def __init__(self) -> None:
            self.parts = [nn.Linear(1, 1, bias=False)]

        @property
        def first(self) -> nn.Linear:
            return self.parts[0]

    assert list(get_state_dict(Computed())) == ["parts.0.weight"]


def test_a_module_in_a_plain_object_in_a_module_is_a_child() -> None:
    net = Net(Record(nn.Sequential(nn.ReLU())))
    assert [path for path, _ in net.named_children()] == ["layers.first"]
    assert not net.eval().layers.first[0].training
