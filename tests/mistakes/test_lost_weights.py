"""A tensor in a module that was computed from a weight which nothing holds: neither trained nor
saved, so it is an error; and what looks like one, and is none.
"""

from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, enable_grad, no_grad


def made():
    return Tensor.randn(4, 2, requires_grad=True)


class Net(nn.Module):
    """A layer, and whatever else is given."""

    def __init__(self, **held):
        self.fc = nn.Linear(4, 4)
        self.__dict__.update(held)


LOST = {
    "scaled": lambda: made() * 0.1,
    "transposed": lambda: made().T,
    "reshaped": lambda: made().reshape(-1),
    "cast": lambda: made().cast(np.float64),
    "indexed": lambda: made()[1:],
    "of two": lambda: made() @ made().T,
    "stacked": lambda: Tensor.stack(made(), made()),
    "one of several results": lambda: made().sort()[0],
    "in several steps": lambda: (made() * 0.1 + 1.0).abs().reshape(8),
}


@pytest.mark.parametrize("make", LOST.values(), ids=LOST)
def test_what_is_computed_from_a_weight_that_is_gone_is_an_error(make):
    with pytest.raises(ValueError, match=r"parameters: Net\.w was computed \(\w+\) from a tensor"):
        Net(w=make()).parameters()


def test_the_error_says_what_to_write():
    with pytest.raises(ValueError, match="neither trained nor saved") as caught:
        nn.state.get_parameters(Net(w=made() * 0.1))
    assert str(caught.value) == (
        "get_parameters: Net.w was computed (Mul) from a tensor with requires_grad=True that "
        "nothing holds: it would be neither trained nor saved; make a leaf: "
        "(Tensor.randn(4, 2) * 0.1).requires_grad_() or nn.Parameter(...)"
    )
    fixed = Net(w=(Tensor.randn(4, 2) * 0.1).requires_grad_(), v=nn.Parameter(made() * 0.1))
    assert [name for name, _ in fixed.named_parameters()][:2] == ["w", "v"]


HELD = {
    "list": (lambda w: [w], "0"),
    "list in a list": (lambda w: [[], [w]], "1.0"),
    "dict": (lambda w: {"a": w}, "a"),
    "deque": (lambda w: deque([w]), "0"),
    "tuple": (lambda w: (1, w), "1"),
    "object": (lambda w: SimpleNamespace(a=w), "a"),
    "module": (lambda w: Net(b=w), "b"),
    "sequential": (lambda w: nn.Sequential(nn.ReLU(), Net(c=w)), "1.c"),
}


@pytest.mark.parametrize(("hold", "path"), HELD.values(), ids=HELD)
def test_wherever_it_is_held(hold, path):
    with pytest.raises(ValueError, match=rf"Net\.w\.{path} was computed"):
        Net(w=hold(made() * 0.1)).parameters()


ASKED = {
    "parameters": lambda net: net.parameters(),
    "named_parameters": lambda net: net.named_parameters(),
    "state_dict": lambda net: net.state_dict(),
    "get_state_dict": lambda net: nn.state.get_state_dict(net),
    "load_state_dict": lambda net: net.load_state_dict({}),
    "zero_grad": lambda net: net.zero_grad(),
    "optimiser": lambda net: nn.optim.Adam(net.parameters()),
    "train": lambda net: net.train(),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_whoever_asks(ask):
    with pytest.raises(ValueError, match=r"Net\.w was computed"):
        ask(Net(w=made() * 0.1))


def test_a_class_that_is_no_module():
    with pytest.raises(ValueError, match=r"SimpleNamespace\.w was computed"):
        nn.state.get_parameters(SimpleNamespace(w=made() * 0.1))
    with pytest.raises(ValueError, match=r"list\.1 was computed"):
        nn.state.get_parameters([made(), made() * 0.1])
    assert nn.state.get_state_dict({"loss": made().sum()}) == {}


class Remembers(nn.Module):
    """Holds what it computed, as many models do."""

    def __init__(self):
        self.scale = Tensor.ones(4, requires_grad=True)
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        self.input, self.state = x, getattr(self, "state", 0.0) * 0.5 + self.fc(x)
        self.norm, self.parts = self.scale.exp(), [self.state[0], {"last": self.state * 2}]
        return self.state


def test_what_a_module_computed_from_its_own_parameters_is_left_alone():
    net = Remembers()
    for x in (Tensor.ones(3, 4), Tensor.ones(3, 4, requires_grad=True), Tensor.ones(3, 4) * 2):
        net(x)
        assert len(list(net.parameters())) == 3 + x.requires_grad
        net.state_dict()
    net(Tensor.ones(3, 4, requires_grad=True) * 2.0).sum()
    net.input = None
    assert len(list(net.parameters())) == 3


def test_what_came_from_an_input_is_left_alone():
    x = Tensor.ones(3, requires_grad=True)
    net = Net(seen=x * 2)
    net.parameters()  # the input is there
    net.seen.sum().backward()
    del x
    net.parameters()  # it is gone, and a backward pass made use of it


def test_frozen_weights_buffers_and_constants_are_left_alone():
    frozen = made().requires_grad_(False)
    with no_grad():
        constant = made() * 0.1
        with enable_grad():
            weight = nn.Parameter(made() * 0.1)
    net = Net(a=frozen, b=frozen * 2, c=constant, d=weight, e=made().detach() * 0.1, f=made())
    net.register_buffer("g", Tensor.ones(2))
    assert [name for name, _ in net.named_parameters()] == ["a", "d", "f", "fc.weight", "fc.bias"]


def test_a_weight_elsewhere_is_left_alone():
    encoder = nn.Linear(4, 4)
    decoder = Net(w=encoder.weight.T)
    assert len(list(decoder.parameters())) == 2
    assert len(list(nn.Sequential(encoder, decoder).parameters())) == 4


def test_the_second_backward_says_how_a_weight_is_made():
    w = made() * 0.1
    (Tensor.ones(1, 4) @ w).sum().backward()
    with pytest.raises(
        RuntimeError, match=r"Mul were rel.* \(for a weight: .*\.requires_grad_\(\)\)"
    ):
        (Tensor.ones(1, 4) @ w).sum().backward()


def test_a_long_graph_is_walked_without_recursion():
    x = Tensor.ones(2, requires_grad=True)
    for _ in range(5_000):
        x = x + 1.0
    with pytest.raises(ValueError, match=r"Net\.w was computed \(Add\)"):
        Net(w=x).parameters()
