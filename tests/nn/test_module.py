"""Modules: what they find by reflection, their modes, their repr, and the path in their errors."""

import gc
import pickle
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


def test_zero_grad():
    net = model()
    net(Tensor.ones(3, 4)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


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
