"""Modules and containers beside PyTorch's: the same calls on both, and the same answers."""

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, no_grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

OURS = SimpleNamespace(nn=nn, tensor=Tensor, float64=np.float64, int64=np.int64, no_grad=no_grad)
THEIRS = SimpleNamespace(
    nn=torch.nn,
    tensor=lambda data, dtype=torch.float32: torch.tensor(data, dtype=dtype),
    float64=torch.float64,
    int64=torch.int64,
    no_grad=torch.no_grad,
)
PROGRAMS: dict[str, Callable[[Any], Any]] = {}


def program(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of the library; what it returns has to be the same for both."""
    PROGRAMS[function.__name__] = function
    return function


def plain(value: Any) -> Any:
    """What can be compared: tensors as dtype, shape and flags, modules as their type."""
    if isinstance(value, Tensor | torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return dtype, tuple(value.shape), value.requires_grad
    if isinstance(value, nn.Module | torch.nn.Module):
        return type(value).__name__
    if isinstance(value, Mapping):
        return [[name, plain(x)] for name, x in value.items()]
    if isinstance(value, list | tuple | Iterator):
        return [plain(x) for x in value]
    return value


def block(lib: Any, **options: Any) -> Any:
    """A module that has everything: parameters, buffers, children, a shared module."""

    class Block(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = lib.nn.Parameter(lib.tensor([1.0, 2.0]))
            self.frozen = lib.nn.Parameter(lib.tensor([1.0]), requires_grad=False)
            self.register_buffer("mean", lib.tensor([0.5, 0.5]))
            self.register_buffer("mask", lib.tensor([1.0]), persistent=False)
            self.register_buffer("later", None)
            self.register_buffer("count", lib.tensor(0, dtype=lib.int64))
            self.register_parameter("nothing", None)
            self.first = lib.nn.Linear(2, 3)
            self.net = lib.nn.Sequential(
                lib.nn.Linear(3, 2), lib.nn.ReLU(), lib.nn.Sequential(lib.nn.Linear(2, 2))
            )
            self.again = self.first
            self.last = None

        def forward(self, x: Any) -> Any:
            y = self.net(self.first(x)) * self.scale + self.mean
            self.last = y.detach()
            return y

    made = Block()
    made(lib.tensor([[1.0, 2.0]]))
    return made


@program
def lists(lib):
    m = block(lib)
    return {
        "named_parameters": m.named_parameters(),
        "duplicates": m.named_parameters(remove_duplicate=False),
        "prefix": m.named_parameters("net"),
        "own": m.named_parameters(recurse=False),
        "parameters": m.parameters(),
        "own parameters": m.parameters(False),
        "named_buffers": m.named_buffers(),
        "own buffers": m.named_buffers("p", False),
        "buffers": m.buffers(),
        "named_modules": m.named_modules(),
        "duplicate modules": m.named_modules(remove_duplicate=False),
        "prefixed modules": m.named_modules(prefix="net"),
        "modules": m.modules(),
        "children": m.children(),
        "named_children": m.named_children(),
        "next": next(m.parameters()),
    }


@program
def a_set_of_modules_already_seen(lib):
    m = block(lib)
    memo = {m.net}
    return list(m.named_modules(memo)), len(memo)


@program
def state(lib):
    m = block(lib)
    whole = m.state_dict(prefix="a.")
    return whole, m.state_dict(keep_vars=True), m.net.state_dict(destination={"x": 1}, prefix="n")


@program
def the_order_of_tensors_and_modules(lib):
    class Inner(lib.nn.Sequential):
        def __init__(self):
            super().__init__(lib.nn.Linear(1, 1))
            self.scale = lib.nn.Parameter(lib.tensor([1.0]))

    class Outer(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("z", lib.tensor([1.0]))
            self.layer = lib.nn.Linear(1, 1)
            self.b = lib.nn.Parameter(lib.tensor([1.0]))
            self.inner = Inner()
            self.register_buffer("y", lib.tensor([1.0]))
            self.a = lib.nn.Parameter(lib.tensor([1.0]))

    return Outer().state_dict(), Outer().named_parameters(), Outer().named_buffers()


@program
def state_shares_memory(lib):
    m = block(lib)
    m.state_dict()["first.weight"].copy_(lib.tensor([[7.0] * 2] * 3))
    m.state_dict()["mean"].copy_(lib.tensor([8.0, 9.0]))
    return m.first.weight.tolist(), m.mean.tolist()


@program
def getting(lib):
    m = block(lib)
    return [
        m.get_parameter("net.2.0.weight"),
        m.get_parameter("again.bias"),
        m.get_buffer("mask"),
        m.get_submodule("net.1"),
        m.get_submodule(""),
    ]


@program
def loading(lib):
    m, other = block(lib), block(lib)
    strict = m.load_state_dict(other.state_dict())
    partial = m.load_state_dict({"mean": lib.tensor([3.0, 4.0]), "extra": lib.tensor([1.0])}, False)
    return [
        strict.missing_keys,
        strict.unexpected_keys,
        partial.missing_keys,
        partial.unexpected_keys,
        m.mean.tolist(),
        m.first.weight.tolist() == other.first.weight.tolist(),
    ]


@program
def freezing_and_thawing(lib):
    m = block(lib)
    assert m.requires_grad_(False) is m
    frozen = plain(m.named_parameters()), plain(m.state_dict())
    for parameter in m.parameters():
        parameter.requires_grad_(True)
    return frozen, m.named_parameters()


@program
def casting(lib):
    m = block(lib)
    parameter = m.first.weight
    m(lib.tensor([[1.0, 2.0]])).sum().backward()
    returned = m.to(lib.float64)
    same = returned is m, m.first.weight is parameter, m.again.weight is parameter
    double = plain(m.state_dict()), plain(parameter.grad), plain(m.mask), plain(m.count)
    return same, double, m.half().state_dict(), m.float().to("cpu").state_dict()


@program
def casting_to_another_tensor(lib):
    return block(lib).to(lib.tensor([1.0], dtype=lib.float64)).state_dict()


@program
def gradients_to_none_or_zeros(lib):
    m = block(lib)
    for option in (True, False):
        m(lib.tensor([[1.0, 2.0]])).sum().backward()
        m.zero_grad(set_to_none=option)
        yield [p.grad if p.grad is None else p.grad.tolist() for p in m.parameters()]


@program
def modes(lib):
    m = block(lib)
    m.net.eval()
    yield [x.training for x in m.modules()]
    yield m.train() is m, m.eval() is m, [x.training for x in m.modules()]


@program
def a_module_that_keeps_a_part_in_evaluation(lib):
    class Frozen(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop = lib.nn.ReLU(), lib.nn.Dropout(0.5)

        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    net = lib.nn.Sequential(Frozen(), lib.nn.Dropout(0.5), lib.nn.Sequential(Frozen()))
    net.train()
    yield [x.training for x in net.modules()]
    net.eval()
    yield [x.training for x in net.modules()]


@program
def applying_goes_from_the_inside_out(lib):
    seen = []
    net = lib.nn.Sequential(
        lib.nn.Linear(1, 1), lib.nn.Sequential(lib.nn.ReLU(), lib.nn.Dropout()), lib.nn.ReLU()
    )
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    return seen


@program
def assigning_buffers_and_parameters_again(lib):
    m = block(lib)
    m.mean = m.mean * 0.9 + 1
    m.mask = None
    m.later = lib.tensor([1.0])
    m.frozen = None
    del m.count
    return m.state_dict(), m.named_buffers()


@program
def a_buffer_with_a_graph_stays_state(lib):
    m = block(lib)
    m.mean = m.mean * m.scale
    return m.state_dict()["mean"]


@program
def copies(lib):
    m = block(lib)
    deep = copy.deepcopy(m)
    shallow = copy.copy(m)
    return [
        deep.state_dict(),
        deep.again is deep.first,
        deep.mean is m.mean,
        deep.named_buffers(),
        shallow.first is m.first,
        shallow.state_dict(),
    ]


@program
def pickles(lib):
    net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.ReLU())
    net.register_buffer("seen", lib.tensor([1.0]))
    net[0].weight.requires_grad_(False)
    again = pickle.loads(pickle.dumps(net))
    return again.state_dict(), again.named_parameters(), again.named_modules()


@program
def registering_twice_replaces(lib):
    m = block(lib)
    m.register_buffer("mean", lib.tensor([1.0]), persistent=False)
    m.register_parameter("scale", lib.nn.Parameter(lib.tensor([3.0])))
    m.add_module("first", lib.nn.ReLU())
    m.register_module("other", lib.nn.Linear(1, 1))
    m.add_module("none", None)
    return m.state_dict(), m.named_children()


# Containers


@program
def a_sequential_with_names(lib):
    net = lib.nn.Sequential(OrderedDict(a=lib.nn.Linear(1, 2), b=lib.nn.ReLU()))
    yield net.state_dict(), net.a, net[1], net.named_children(), net[-1:].named_children()
    net.append(lib.nn.Linear(2, 3))
    yield net.state_dict()
    net.b = lib.nn.Sequential(lib.nn.Linear(2, 2))
    yield net.state_dict(), net[1]
    del net[0]
    yield net.state_dict()


@program
def a_sequential_is_a_list(lib):
    net = lib.nn.Sequential(*[lib.nn.Linear(1, width) for width in range(1, 6)])
    yield len(net), [layer.bias.shape[0] for layer in net], net[-2], net[1:3].state_dict()
    yield net[:0].state_dict(), len(net[::2]), net[3] in net
    net[-1] = lib.nn.ReLU()
    yield net
    yield net.insert(1, lib.nn.Dropout()) is net, list(net)
    yield net.insert(-1, lib.nn.Dropout()) is net, list(net)
    yield net.insert(len(net), lib.nn.Dropout()) is net, list(net)
    del net[1:3]
    yield list(net), net.state_dict()
    yield net.pop(0), list(net), net.state_dict()
    yield list(net.extend([lib.nn.ReLU()])), list(net + net), (net + net).state_dict()
    net += lib.nn.Sequential(lib.nn.Linear(7, 7))
    yield net.state_dict(), list(net * 2), list(2 * net)


@program
def a_sequential_without_layers(lib):
    net = lib.nn.Sequential()
    yield len(net), net(lib.tensor([1.0])).tolist(), list(net), net.state_dict()
    net.add_module("conv", lib.nn.Linear(1, 1))
    net.add_module("act", lib.nn.ReLU())
    yield net.state_dict(), len(net), net.conv, net(lib.tensor([[1.0]])), net.act


@program
def a_list_of_modules(lib):
    blocks = lib.nn.ModuleList(lib.nn.Linear(1, width) for width in range(1, 5))
    yield len(blocks), blocks[-1].bias.shape[0], blocks[1:].state_dict(), type(blocks[:2]).__name__
    blocks[0] = lib.nn.ReLU()
    blocks += [lib.nn.Dropout()]
    yield list(blocks), blocks.state_dict(), blocks.append(lib.nn.ReLU()) is blocks
    blocks.insert(0, lib.nn.Linear(9, 9))
    blocks.extend([lib.nn.ReLU(), lib.nn.Linear(1, 1)])
    yield list(blocks), blocks.state_dict()
    del blocks[0], blocks[-1], blocks[1:3]
    yield list(blocks), blocks.pop(0), blocks.state_dict(), list(blocks + blocks[:1])
    yield len(lib.nn.ModuleList()), list(lib.nn.ModuleList([None, lib.nn.ReLU()]))


@program
def a_dict_of_modules(lib):
    heads = lib.nn.ModuleDict({"b": lib.nn.Linear(1, 2), "a": lib.nn.Linear(1, 1)})
    yield heads.state_dict(), list(heads), list(heads.keys()), list(heads.values()), heads.b
    heads["c"] = lib.nn.ReLU()
    heads.update({"b": lib.nn.Dropout(), "d": lib.nn.ReLU()})
    heads.update([["e", lib.nn.Linear(1, 3)]])
    yield [[name, part] for name, part in heads.items()], "c" in heads, "z" in heads, len(heads)
    yield heads.pop("c"), list(heads), heads.named_children()
    del heads["a"]
    heads.new = lib.nn.Linear(2, 2)
    yield heads.state_dict(), "new" in heads, heads["new"]
    heads.clear()
    yield len(heads), heads.state_dict()


@program
def a_list_of_parameters(lib):
    held = lib.nn.ParameterList([lib.tensor([1.0]), lib.nn.Parameter(lib.tensor([2.0, 3.0]))])
    held.append(lib.tensor([[4.0]]))
    held[0] = lib.tensor([5.0] * 5)
    yield held.state_dict(), len(held), list(held), held[-1], type(held[:2]).__name__
    yield [isinstance(x, lib.nn.Parameter) for x in held]
    held.extend([lib.tensor([6.0])])
    yield held.state_dict(), held.named_parameters(), list(held[1:])


@program
def a_dict_of_parameters(lib):
    held = lib.nn.ParameterDict({"a": lib.nn.Parameter(lib.tensor([2.0])), "b": lib.tensor([1.0])})
    held["c"] = lib.tensor([1.0, 2.0])
    yield held.state_dict(), list(held), held["b"], held.a, "c" in held
    yield held.pop("a"), list(held.items()), held.get("a"), held.state_dict()
    held.update({"z": lib.tensor([3.0])})
    del held["b"]
    yield held.state_dict(), held.named_parameters()


@program
def containers_inside_a_module(lib):
    class Net(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = lib.nn.ModuleList([lib.nn.Linear(1, 1)])
            self.heads = lib.nn.ModuleDict({"x": lib.nn.Sequential(lib.nn.Linear(1, 1))})
            self.scales = lib.nn.ParameterList([lib.tensor([1.0])])
            self.named = lib.nn.ParameterDict({"y": lib.tensor([1.0])})

    net = Net()
    return net.state_dict(), net.named_modules(), net.named_children(), net.named_parameters()


@program
def parameters(lib):
    source = lib.tensor([1.0, 2.0])
    made = lib.nn.Parameter(source)
    computed = lib.nn.Parameter(made * 2)
    return [
        made,
        computed,
        lib.nn.Parameter(source, False),
        [isinstance(x, lib.nn.Parameter) for x in (made, source, made * 2, made.detach(), 1.0)],
        isinstance(copy.deepcopy(lib.nn.Parameter(source, False)), lib.nn.Parameter),
        issubclass(lib.nn.Parameter, type(source)),
    ]


@program
def small_modules(lib):
    x = lib.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    yield lib.nn.Identity(54, unused=0.1)(x).tolist()
    for options in ((), (0,), (0, 1), (-2, -1), (1, 1)):
        yield lib.nn.Flatten(*options)(x).tolist()
    for options in ((1, (2, 1)), (-1, (1, 2)), (2, [-1, 1]), (0, (1, 1))):
        yield lib.nn.Unflatten(*options)(x).tolist()


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_answer_alike(name):
    ours, theirs = (plain(PROGRAMS[name](lib)) for lib in (OURS, THEIRS))
    assert ours == theirs


REFUSED = {
    "a buffer's name that is taken": lambda lib, m: m.register_buffer("first", lib.tensor([1.0])),
    "a buffer's name that is a method's": lambda lib, m: m.register_buffer("train", None),
    "a buffer's name with a dot": lambda lib, m: m.register_buffer("a.b", None),
    "an empty name": lambda lib, m: m.register_buffer("", None),
    "a name that is no text": lambda lib, m: m.register_buffer(1, None),
    "a buffer that is no tensor": lambda lib, m: m.register_buffer("x", 3.0),
    "a parameter that is a tensor": lambda lib, m: m.register_parameter("x", lib.tensor([1.0])),
    "a parameter's name that is taken": lambda lib, m: m.register_parameter("net", None),
    "a module that is none": lambda lib, m: m.add_module("x", 3),
    "a module's name that is taken": lambda lib, m: m.add_module("scale", lib.nn.ReLU()),
    "no such parameter": lambda lib, m: m.get_parameter("first.wight"),
    "a module as a parameter": lambda lib, m: m.get_parameter("first"),
    "no such buffer": lambda lib, m: m.get_buffer("scale"),
    "no such module": lambda lib, m: m.get_submodule("net.7"),
    "an integer dtype": lambda lib, m: m.to(lib.int64),
    "no such key": lambda lib, m: lib.nn.ModuleDict()["x"],
    "a key with a dot": lambda lib, m: lib.nn.ModuleDict({"a.b": lib.nn.ReLU()}),
    "a key that is a method": lambda lib, m: lib.nn.ModuleDict({"keys": lib.nn.ReLU()}),
    "a key that is no text": lambda lib, m: lib.nn.ModuleDict({1: lib.nn.ReLU()}),
    "an index too large": lambda lib, m: lib.nn.ModuleList([lib.nn.ReLU()])[1],
    "an index too small": lambda lib, m: lib.nn.Sequential(lib.nn.ReLU())[-2],
    "a layer that is none": lambda lib, m: lib.nn.Sequential(3),
    "no function to apply": lambda lib, m: m.apply(3),
    "no attribute": lambda lib, m: m.lineer,
    "no part": lambda lib, m: lib.nn.Sequential(lib.nn.ReLU()).lineer,
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse_with_the_same_kind_of_error(name):
    kinds = []
    for lib in (OURS, THEIRS):
        with pytest.raises(Exception) as caught:  # noqa: PT011  # the types are compared
            REFUSED[name](lib, block(lib))
        kinds.append(type(caught.value))
    assert issubclass(kinds[0], kinds[1])


def test_a_state_moves_both_ways():
    ours, theirs = block(OURS), block(THEIRS)
    ours.load_state_dict(theirs.state_dict())
    x = [[1.0, -2.0]]
    np.testing.assert_allclose(
        ours(Tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6
    )
    changed = {name: tensor + 1 for name, tensor in ours.state_dict().items()}
    theirs.load_state_dict({name: torch.tensor(x.numpy()) for name, x in changed.items()})
    assert theirs.first.weight.tolist() == changed["first.weight"].tolist()


@pytest.mark.parametrize(
    ("tensor", "line"),
    [
        (torch.ones(1, requires_grad=True), "Can't call numpy() on Tensor that requires grad"),
        (torch.ones(1, dtype=torch.bfloat16), "Got unsupported ScalarType BFloat16"),
    ],
)
def test_a_tensor_of_pytorch_that_cannot_be_taken_says_what_to_pass(tensor, line):
    net = nn.Linear(1, 1)
    with pytest.raises((TypeError, RuntimeError)) as caught:
        net.load_state_dict({"weight": tensor, "bias": torch.ones(1)})
    assert str(caught.value).startswith(f"load_state_dict: weight: {line}")
    assert str(caught.value).endswith("; pass an array: tensor.detach().float().numpy()")
