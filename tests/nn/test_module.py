"""Modules: what they find by reflection, their modes, their repr, and the path in their errors."""

import copy
import gc
import pickle
import re
import weakref
from collections import namedtuple
from functools import partial

import numpy as np
import pytest

import nn
from nn.reflection import walk
from tinygrad_lite import Tensor


def weight(*shape: int) -> Tensor:
    return Tensor.zeros(*shape, requires_grad=True)


def model() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 5), nn.ReLU(), nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 2))
    )


class Wrong(nn.Module):
    """Raises what it is given."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def forward(self, x):
        raise self.error


def message(module, *inputs) -> tuple[str, list[str]]:
    """The message and the notes of the error that a call raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  # each test compares the whole message
        module(*inputs)
    return str(caught.value), getattr(caught.value, "__notes__", [])


# Reflection


def test_parameters_in_every_kind_of_holder_in_the_order_in_which_they_stand():
    class Slotted:
        __slots__ = ("__hidden", "a", "unset")

        def __init__(self):
            self.a, self.__hidden = weight(1), weight(2)

    class Plain:
        def __init__(self):
            self.inner = weight(3)

    Pair = namedtuple("Pair", "left right")

    class Holder(nn.Module):
        def __init__(self):
            self.own = weight(4)
            self.listed = [weight(5), (weight(6), None)]
            self.named = {"x": weight(7), 3: weight(8)}
            self.plain = Plain()
            self.slotted = Slotted()
            self.pair = Pair(weight(9), 1.0)
            self.layer = nn.Linear(1, 1, bias=False)
            self.other = [np.zeros(3), np.float32(1), nn, nn.Linear, len, lambda x: x, "text", {1}]

    names = [name for name, _ in Holder().named_parameters()]
    assert names == [
        "own",
        "listed.0",
        "listed.1.0",
        "named.x",
        "named.3",
        "plain.inner",
        "slotted._Slotted__hidden",
        "slotted.a",
        "pair.0",
        "layer.weight",
    ]
    assert len(list(Holder().parameters())) == len(names)


def test_what_is_shared_is_found_once():
    class Tied(nn.Module):
        def __init__(self):
            self.encoder = nn.Linear(3, 3)
            self.decoder = nn.Linear(3, 3, bias=False)
            self.decoder.weight = self.encoder.weight
            self.again = self.encoder

    assert [name for name, _ in Tied().named_parameters()] == ["encoder.weight", "encoder.bias"]


def test_cycles_end():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    first.next, second.next, first.me = second, first, [first]
    assert len(list(first.parameters())) == 4
    assert not second.eval().next.training
    assert repr(first).count("Linear") == 2


def test_a_weak_reference_to_the_parent_is_not_followed():
    outer = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    outer[0].parent = weakref.proxy(outer)
    assert len(list(outer[0].parameters())) == 2
    outer[0].eval()
    assert outer.training
    lone = outer[0]
    del outer
    gc.collect()
    assert len(list(lone.parameters())) == 2


def test_a_chain_of_ten_thousand_objects_needs_no_recursion():
    class Link:
        def __init__(self, following):
            self.tensor, self.n = weight(1), following

    chain = None
    for _ in range(10_000):
        chain = Link(chain)
    assert len(nn.state.get_parameters(chain)) == 10_000


def test_only_leaves_that_require_grad_are_parameters():
    class Kept(nn.Module):
        def __init__(self):
            self.scale = weight(3)
            self.running_mean = Tensor.zeros(3)

        def forward(self, x):
            self.last = x * self.scale
            return self.last

    kept = Kept()
    kept(Tensor.ones(3))
    assert [name for name, _ in kept.named_parameters()] == ["scale"]
    kept.scale.requires_grad = False
    assert list(kept.parameters()) == [kept.scale]
    assert nn.state.get_parameters(kept) == []


def test_walk_gives_each_occurrence_but_looks_inside_once():
    inner = [1]
    assert list(walk([inner, inner])) == [
        ("", [inner, inner]),
        ("0", inner),
        ("0.0", 1),
        ("1", inner),
    ]


# Parameters and buffers


class Buffered(nn.Module):
    """A parameter, a frozen one, and every kind of buffer."""

    def __init__(self):
        self.scale = weight(2)
        self.fixed = nn.Parameter([5.0], requires_grad=False)
        self.register_buffer("mean", Tensor.zeros(2))
        self.register_buffer("table", np.arange(3))
        self.register_buffer("mask", np.ones(2), persistent=False)
        self.register_buffer("later", None)

    def forward(self, x):
        self.last = (x * self.scale).detach()
        return x * self.scale + self.mean


def test_a_parameter_is_a_plain_tensor():
    array = np.ones(2)
    made = nn.Parameter(array)
    assert (type(made), made.requires_grad, made.dtype) == (Tensor, True, np.float64)
    made.data[0] = 7
    assert array[0] == 1
    assert isinstance(made, nn.Parameter)
    assert isinstance(weight(1), nn.Parameter)
    for other in (Tensor([1.0]), made * 2, made.detach(), Tensor(made.detach()), 3, None):
        assert not isinstance(other, nn.Parameter)


def test_a_parameter_of_a_computed_tensor_leaves_the_graph():
    w = weight(2)
    for made in (nn.Parameter(w * 2), nn.Parameter([w.sum(), w.sum()])):
        assert made.is_leaf
        (made * 3.0).sum().backward()
        assert made.grad.tolist() == [3, 3]
        assert w.grad is None


def loaded(value):
    return pickle.loads(pickle.dumps(value))


def test_a_frozen_parameter_stays_one_in_every_copy():
    frozen = nn.Parameter(np.arange(3), requires_grad=False)
    assert (frozen.requires_grad, frozen.dtype) == (False, np.int64)
    w = weight(2)
    w.requires_grad = False
    for tensor in (frozen, w, w.requires_grad_(False)):
        for copied in (
            copy.copy(tensor),
            copy.deepcopy(tensor),
            pickle.loads(pickle.dumps(tensor)),
        ):
            assert (copied.is_parameter, copied.requires_grad) == (True, False)
        assert not tensor.detach().is_parameter
        assert not tensor.clone().is_parameter
        assert not Tensor(tensor).is_parameter
    assert not copy.copy(Tensor([1.0]).requires_grad_(False)).is_parameter


@pytest.mark.parametrize(
    ("make", "value", "line"),
    [
        (
            lambda: weight(1) * 2,
            True,
            "cannot be True: this tensor was computed; detach() it first",
        ),
        (lambda: weight(1), False, "cannot be False: this tensor requires grad; freeze it first"),
    ],
)
def test_is_parameter_cannot_be_what_it_is_not(make, value, line):
    with pytest.raises(RuntimeError, match=f"^is_parameter: {re.escape(line)}$"):
        make().is_parameter = value


def test_is_parameter_can_be_assigned():
    tensor = Tensor([1])
    tensor.is_parameter = True
    assert list(nn.ParameterList([tensor])) == [tensor]
    tensor.is_parameter = False
    assert not isinstance(tensor, nn.Parameter)


def test_parameters_and_buffers_are_listed_apart():
    net = nn.Sequential(Buffered())
    assert [name for name, _ in net.named_parameters()] == ["0.scale", "0.fixed"]
    assert [name for name, _ in net.named_buffers()] == ["0.mean", "0.table", "0.mask"]
    assert next(net.parameters()) is net[0].scale
    assert list(net.parameters(recurse=False)) == list(net.buffers(recurse=False)) == []
    assert nn.state.get_parameters(net) == [net[0].scale]
    net[0].later = Tensor.ones(1)
    assert len(list(net.buffers())) == 4


def test_a_shared_buffer_is_listed_once_or_under_each_name():
    net = nn.Sequential(Buffered())
    net.append(net[0])
    net.register_buffer("own", net[0].mean)
    names = ["own", "0.table", "0.mask"]
    assert [name for name, _ in net.named_buffers()] == names
    assert [name for name, _ in net.named_buffers(remove_duplicate=False)] == [
        *("own", "0.mean", "0.table", "0.mask"),
        *("1.mean", "1.table", "1.mask"),
    ]
    assert net.get_buffer("1.mean") is net.own


def test_a_buffer_can_be_registered_assigned_and_deleted():
    net = Buffered()
    assert isinstance(net.table, Tensor)
    assert net.later is None
    net.mean = net.mean * 0.9 + Tensor.ones(2)
    net.table = np.arange(5)
    net.register_buffer("mask", np.zeros(1), persistent=True)
    assert {name: x.tolist() for name, x in net.named_buffers()} == {
        "mean": [1, 1],
        "table": [0, 1, 2, 3, 4],
        "mask": [0],
    }
    assert list(net.state_dict()) == ["scale", "fixed", "mean", "table", "mask"]
    del net.mean
    assert list(net.state_dict()) == ["scale", "fixed", "table", "mask"]


def test_a_copy_of_a_module_registers_for_itself():
    net = Buffered()
    other = copy.copy(net)
    other.register_buffer("more", np.ones(1))
    assert "more" not in net.registered_buffers
    assert nn.Module.registered_buffers == {}


def test_the_array_of_a_buffer_is_copied():
    array = np.zeros(2)
    net = nn.Module()
    net.register_buffer("x", array)
    net.x.data[0] = 1
    assert array[0] == 0


@pytest.mark.parametrize("value", [3, 1.5, [1.0], np.float32(1)])
def test_a_buffer_is_a_tensor_or_an_array(value):
    line = f"register_buffer: tensor: expected a Tensor, an ndarray or None; got {value}"
    with pytest.raises(TypeError, match=f"^{re.escape(line)}$"):
        nn.Module().register_buffer("x", value)
    net = Buffered()
    net.mean = value
    line = f"the buffer 0.mean: expected a Tensor, an ndarray or None; got {value}"
    for act in (nn.Module.state_dict, nn.Module.named_buffers):
        with pytest.raises(TypeError, match=f"^{re.escape(line)}$"):
            act(nn.Sequential(net))


def test_a_buffer_is_not_trained():
    line = (
        "register_buffer: x requires grad, so it is a parameter; write self.x = tensor, or "
        "detach() it"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        nn.Module().register_buffer("x", weight(1))
    net = Buffered()
    net.mean = weight(2)
    assert [name for name, _ in net.named_parameters()] == ["scale", "fixed", "mean"]
    assert [name for name, _ in net.named_buffers()] == ["table", "mask"]


@pytest.mark.parametrize(
    ("act", "error", "line"),
    [
        (lambda m: m.register_buffer(3, None), TypeError, "register_buffer: name: expected text; "),
        (
            lambda m: m.register_buffer("a.b", None),
            KeyError,
            "name: expected text without a dot; got",
        ),
        (lambda m: m.register_buffer("scale", None), KeyError, "has an attribute 'scale' already"),
        (lambda m: m.register_buffer("x", None, 3), TypeError, "persistent: expected True or Fal"),
        (
            lambda m: m.register_parameter("x", Tensor([1.0])),
            TypeError,
            "register_parameter: param: expected a Parameter or None; got",
        ),
        (lambda m: m.add_module("x", 3), TypeError, "add_module: module: expected a Module or N"),
        (lambda m: m.apply(3), TypeError, "apply: fn: expected a function; got 3"),
        (lambda m: m.train(3), TypeError, "train: mode: expected True or False; got 3"),
        (
            lambda m: m.parameters(3),
            TypeError,
            "named_parameters: recurse: expected True",
        ),
        (lambda m: m.named_parameters(3), TypeError, "named_parameters: prefix: expected text"),
        (lambda m: m.state_dict(prefix=3), TypeError, "state_dict: prefix: expected text; got 3"),
        (lambda m: m.zero_grad(3), TypeError, "zero_grad: set_to_none: expected True or False"),
        (lambda m: m.get_submodule(3), TypeError, "get_submodule: target: expected a path, as te"),
        (lambda m: m.to(np.int64), TypeError, "to: expected a float dtype, since a module is tra"),
        (lambda m: m.to("cuda"), ValueError, "to: expected a dtype, a Tensor or 'cpu', the only"),
        (
            lambda m: nn.Sequential(nn.ReLU(), m).get_submodule("2"),
            AttributeError,
            "get_submodule: Sequential has no submodule '2'; it has 0, 1",
        ),
        (
            lambda m: m.get_parameter("scalse"),
            AttributeError,
            "get_parameter: Buffered has no parameter 'scalse'; it has scale, fixed",
        ),
        (
            lambda m: m.load_state_dict({}, assign=True),
            ValueError,
            "load_state_dict: assign: values are always copied, so that optimisers keep their",
        ),
        (lambda m: m.cuda(), AttributeError, "everything is computed on the CPU"),
        (lambda m: m._buffers, AttributeError, "dict(model.named_buffers(recurse=False))"),
        (lambda m: m.register_forward_hook(print), AttributeError, "here it is a line in forward"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(act, error, line):
    with pytest.raises(error) as caught:
        act(Buffered())
    assert line in str(caught.value.args[0])
    assert "\n" not in str(caught.value)


def test_names_that_are_computed():
    class Net(nn.Module):
        def __init__(self):
            for k in range(2):
                self.register_parameter(f"w{k}", weight(k + 1))
                self.add_module(f"layer{k}", nn.Linear(1, 1))
            self.register_parameter("bias", None)

    net = Net()
    assert [name for name, _ in net.named_children()] == ["layer0", "layer1"]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["w0", "w1"]
    assert net.bias is None


def test_an_optimiser_in_an_attribute_is_no_part():
    class Learner(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)
            self.optimizer = nn.optim.Adam(self.parameters(), lr=0.1)

    learner = Learner().eval()
    learner.layer(Tensor.ones(1, 1)).sum().backward()
    learner.optimizer.step()
    assert list(learner.state_dict()) == ["layer.weight", "layer.bias"]
    assert len(list(learner.named_parameters(remove_duplicate=False))) == 2


# Paths


def test_modules_children_and_paths():
    class Net(nn.Module):
        def __init__(self):
            self.stack = [nn.Linear(1, 1), {"a": nn.ReLU()}]
            self.body = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
            self.same = self.body

    net = Net()
    paths = ["stack.0", "stack.1.a", "body"]
    assert [path for path, _ in net.named_children()] == paths
    assert list(net.children()) == [net.stack[0], net.stack[1]["a"], net.body]
    assert [path for path, _ in net.named_modules()] == ["", *paths, "body.0", "body.1", "body.1.0"]
    assert [path for path, _ in net.named_modules(prefix="x")][:2] == ["x", "x.stack.0"]
    again = [path for path, _ in net.named_modules(remove_duplicate=False)]
    assert again[-4:] == ["same", "same.0", "same.1", "same.1.0"]
    assert next(net.modules()) is net
    assert net.get_submodule("") is net
    assert net.get_submodule("same.1.0") is net.body[1][0]
    assert net.get_submodule("stack.1.a") is net.stack[1]["a"]
    assert net.get_parameter("same.0.weight") is net.body[0].weight


def test_lists_do_not_change_with_the_model_that_they_list():
    net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    for module in net.modules():
        if module is not net:
            net.append(nn.ReLU())
    for name, parameter in net.named_parameters():
        net.add_module(name.replace(".", "_"), nn.Lambda(parameter.mul))
    assert len(net) == 8


def test_apply_goes_from_the_inside_out_and_once_to_each():
    shared = nn.Linear(1, 1)
    net = nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared), nn.Dropout())
    net[1].parent = net
    seen = []
    assert net.apply(seen.append) is net
    assert seen == [shared, net[1][0], net[1], net[2], net]


def test_apply_fills_weights():
    def fill(module):
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    net = model().apply(fill)
    assert all(b.data.any() == ("weight" in name) for name, b in net.named_parameters())


# Modes


def test_train_and_eval_reach_every_module_and_return_it():
    net = model()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in (net, *net, *net[2]))
    assert net.train()[2][0].training
    assert not net.train(False).training


def test_one_module_alone_can_be_in_eval():
    net = model()
    net[2].eval()
    assert net.training
    assert net[0].training
    assert not net[2][0].training


def test_a_train_of_its_own_is_asked():
    class Frozen(nn.Module):
        def __init__(self):
            self.inner, self.other = nn.Sequential(nn.Dropout()), nn.Dropout()

        def train(self, mode=True):
            super().train(mode)
            self.inner.eval()
            return self

    net = nn.Sequential(nn.Sequential(Frozen(), nn.Dropout()), nn.Dropout())
    net.train()
    frozen = net[0][0]
    assert not frozen.inner[0].training
    assert [m.training for m in (net, net[0], frozen, frozen.other, net[0][1], net[1])] == [
        True
    ] * 6
    net.eval()
    assert not any(m.training for m in net.modules())


@pytest.mark.parametrize("to_none", [True, False])
def test_zero_grad(to_none):
    net = model()
    net(Tensor.ones(3, 4)).sum().backward()
    gradients = [p.grad for p in net.parameters()]
    values = [gradient.tolist() for gradient in gradients]
    net.zero_grad(set_to_none=to_none)
    assert [gradient.tolist() for gradient in gradients] == values
    for parameter in net.parameters():
        if to_none:
            assert parameter.grad is None
        else:
            np.testing.assert_array_equal(parameter.grad.data, np.zeros(parameter.shape, "f4"))
    nn.Linear(1, 1).zero_grad(set_to_none=False)


def test_freezing_and_thawing():
    net = Buffered()
    optimizer = nn.optim.SGD(net.parameters(), lr=1.0)
    assert net.requires_grad_(False) is net
    assert not net(Tensor.ones(2)).requires_grad
    assert list(net.state_dict()) == ["scale", "fixed", "mean", "table"]
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    net(Tensor.ones(2)).sum().backward()
    optimizer.step()
    assert net.scale.tolist() == [-1, -1]


# Dtypes


def test_a_cast_keeps_every_tensor_its_gradient_and_the_optimiser():
    net = nn.Sequential(nn.Linear(2, 2), Buffered())
    net[1].plain = Tensor([1.0])
    held = [*net.parameters(), *net.buffers()]
    optimizer = nn.optim.SGD(net[0].parameters(), lr=1.0)
    net(Tensor.ones(1, 2)).sum().backward()
    gradient = net[0].weight.grad.data.astype(np.float64)
    assert net.to(np.float64) is net
    assert all(a is b for a, b in zip(held, [*net.parameters(), *net.buffers()], strict=True))
    kinds = [str(x.dtype) for x in held]
    assert kinds == ["float64"] * 5 + ["int64", "float64"]
    assert net[1].plain.dtype == np.float32
    assert net[0].weight.grad.dtype == np.float64
    before = net[0].weight.data.copy()
    optimizer.step()
    np.testing.assert_array_equal(net[0].weight.data, before - gradient)
    net(Tensor.ones(1, 2, dtype=np.float64)).sum().backward()
    assert net[0].weight.grad.dtype == np.float64


@pytest.mark.parametrize(
    ("cast", "dtype"),
    [
        (lambda m: m.double(), np.float64),
        (lambda m: m.half(), np.float16),
        (lambda m: m.double().float(), np.float32),
        (lambda m: m.to("float64"), np.float64),
        (lambda m: m.to("cpu", np.float64), np.float64),
        (lambda m: m.to(device="cpu", dtype=np.float64, non_blocking=True), np.float64),
        (lambda m: m.to(Tensor.zeros(1, dtype=np.float16)), np.float16),
        (lambda m: m.to("cpu"), np.float32),
        (lambda m: m.to(), np.float32),
        (lambda m: m.cpu(), np.float32),
    ],
)
def test_casts(cast, dtype):
    net = cast(nn.Linear(1, 1))
    assert isinstance(net, nn.Linear)
    assert [p.dtype for p in net.parameters()] == [dtype] * 2
    assert all(p.is_leaf and p.requires_grad for p in net.parameters())


def test_a_cast_reaches_an_array_and_a_buffer_with_a_graph():
    net = Buffered()
    net.mask, net.mean = np.array([0.1, 0.2]), net.mean + net.scale
    net.half()
    assert (net.mask.dtype, net.mean.dtype, net.mean.requires_grad) == ("float16", "float16", True)
    assert [str(x.dtype) for x in net.buffers()] == ["float16", "int64", "float16"]


# Repr


def test_repr_shows_the_structure_with_numbers_and_shapes_of_parameters():
    assert repr(nn.Linear(3, 4)) == "Linear(3, 4)  # 16 parameters: weight (4, 3), bias (4,)"
    assert repr(nn.Linear(1, 1, bias=False)) == (
        "Linear(1, 1, bias=False)  # 1 parameter: weight (1, 1)"
    )
    assert repr(model()).splitlines() == [
        "Sequential()  # 37 parameters",
        "  0: Linear(4, 5)  # 25 parameters: weight (5, 4), bias (5,)",
        "  1: ReLU()",
        "  2: Sequential()  # 12 parameters",
        "    0: Dropout(p=0.5)",
        "    1: Linear(5, 2)  # 12 parameters: weight (2, 5), bias (2,)",
    ]


def test_repr_shows_functions_buffers_what_is_frozen_and_what_is_shared():
    class Net(nn.Module):
        def __init__(self):
            self.shift = weight(2)
            self.register_buffer("mean", Tensor.zeros(2))
            self.register_buffer("later", None)
            self.activation = Tensor.tanh
            self.layer_type = nn.Linear  # a class, which is not called
            self.layers = [nn.Linear(2, 2, bias=False), partial(Tensor.leaky_relu, 0.1)]
            self.again = self.layers[0]
            self.net = nn.Sequential(Tensor.relu, lambda x: x, nn.Lambda(np.exp), self.again)
            self.me = self

    net = Net()
    net.again.weight.requires_grad = False
    assert repr(net).splitlines() == [
        "Net()  # 6 parameters, 4 of them frozen: shift (2,); buffers mean (2,)",
        "  activation: tanh",
        "  layers.0: Linear(2, 2, bias=False)  # 4 parameters, 4 of them frozen: weight (2, 2)",
        "  layers.1: partial(leaky_relu)",
        "  again: the same as layers.0",
        "  net: Sequential()  # 4 parameters, 4 of them frozen",
        "    0: relu",
        "    1: <lambda>",
        "    2: Lambda()",
        "      function: exp",
        "    3: the same as layers.0",
    ]


def test_repr_names_only_the_first_of_many_tensors():
    net = nn.ParameterList([Tensor.zeros(1)] * 7)
    assert repr(net) == (
        "ParameterList()  # 7 parameters: 0 (1,), 1 (1,), 2 (1,), 3 (1,) and 3 more"
    )


def test_repr_steps_out_again_after_a_nested_module():
    net = nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU())
    assert repr(net).splitlines() == [
        "Sequential()",
        "  0: Sequential()",
        "    0: ReLU()",
        "  1: ReLU()",
    ]


# Errors


def test_an_error_names_the_path_of_the_module_once():
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(3, 4)))
    expected = "expected (..., 3); got (2, 5)"
    assert message(net[1][0], Tensor.ones(2, 5)) == (f"Linear: {expected}", [])
    assert message(net, Tensor.ones(2, 5)) == (
        f"Sequential.1.0 (Linear): {expected}",
        [],
    )


def test_an_error_of_the_engine_keeps_its_type_and_its_traceback():
    class Product(nn.Module):
        def __init__(self):
            self.w = weight(5, 2)

        def forward(self, x):
            return x @ self.w

    with pytest.raises(ValueError, match="inner sizes") as caught:
        nn.Sequential(Product())(Tensor.ones(3, 4))
    assert str(caught.value) == (
        "Sequential.0 (Product): matmul: inner sizes differ: (3, 4) @ (5, 2)"
    )
    assert [entry.name for entry in caught.traceback].count("forward") == 2


def test_the_same_layer_twice_is_named_where_it_failed():
    shared = nn.Linear(3, 3)
    net = nn.Sequential(shared, lambda x: x.reshape(1, -1), shared)
    assert message(net, Tensor.ones(2, 3))[0].startswith("Sequential.2 (Linear): ")


def test_a_function_among_the_layers_is_named():
    def halve(x):
        raise ValueError("odd")

    assert message(nn.Sequential(nn.ReLU(), halve), Tensor.ones(1))[0] == (
        "Sequential.1 (halve): odd"
    )


def test_a_module_that_is_held_nowhere_is_named_after_its_caller():
    class Maker(nn.Module):
        def forward(self, x):
            return nn.Linear(2, 2)(x)

    text = "expected (..., 2); got (3,)"
    assert message(Maker(), Tensor.ones(3))[0] == f"Maker > Linear: {text}"
    assert message(nn.Sequential(Maker()), Tensor.ones(3))[0] == (f"Sequential.0 > Linear: {text}")


def test_a_module_that_calls_itself():
    class Countdown(nn.Module):
        def forward(self, n):
            if n == 0:
                raise ValueError("zero")
            return self(n - 1)

    assert message(Countdown(), 3) == ("Countdown: zero", [])
    with pytest.raises(RecursionError):
        Countdown()(100_000)


class Custom(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    "error",
    [
        KeyError("name"),
        AssertionError(),
        OSError(2, "No such file"),
        Custom("text"),
        ValueError(1),
        ImportError("text"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ExceptionGroup("several", [ValueError("a")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_that_are_more_than_a_message_get_a_note(error):
    text, args = str(error), error.args
    net = nn.Sequential(nn.Sequential(Wrong(error)))
    assert message(net, 1) == (text, ["in Sequential.0.0 (Wrong)"])
    assert error.args == args


def test_a_located_error_can_be_pickled():
    error = ValueError("text")
    message(nn.Sequential(Wrong(error)), 1)
    assert str(pickle.loads(pickle.dumps(error))) == "Sequential.0 (Wrong): text"


def test_an_object_that_cannot_be_looked_into_does_not_hide_the_error():
    class Hostile:
        @property
        def __dict__(self):
            raise RuntimeError("no")

    net = nn.Sequential(Wrong(ValueError("text")))
    net.first = Hostile()

    class Outer(nn.Module):
        def __init__(self):
            self.hostile, self.net = Hostile(), net

        def forward(self, x):
            return self.net(x)

    assert message(Outer(), 1)[0] == "Sequential.0 (Wrong): text"


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    assert message(Empty(), 1)[0] == (
        "Empty: forward is not written; add def forward(self, x) to the class"
    )


def test_interrupts_pass_untouched():
    class Stopped(nn.Module):
        def forward(self, x):
            raise KeyboardInterrupt("now")

    with pytest.raises(KeyboardInterrupt, match=r"^now$"):
        Stopped()(1)


def test_a_name_that_nn_lacks():
    with pytest.raises(AttributeError, match="module 'nn' has no attribute 'lineer'"):
        _ = nn.lineer
