"""One weight of several without requires_grad, and tensors that are meant to stay."""

from types import SimpleNamespace

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, TrainingWarning


def w(*shape):
    return Tensor.randn(*(shape or (4, 4)), requires_grad=True)


def c(*shape):
    return Tensor.randn(*(shape or (4, 4)))


class Net(nn.Module):
    def __init__(self, **held):
        self.__dict__.update(held)


FORGOTTEN = {
    "w2": {"w1": w(), "w2": c(), "b1": w(4)},
    "b1": {"w1": w(), "b1": Tensor.zeros(4)},
    "weight": {"weight": c(), "bias": w(4)},
    "bias": {"weight": w(), "bias": Tensor.zeros(4)},
    "W_v": {"W_q": w(), "W_k": w(), "W_v": c()},
    "wv": {"wq": w(), "wk": w(), "wv": c()},
    "Whh": {"Wxh": w(), "Whh": c(), "Why": w(), "bh": w(4)},
    "by": {"Why": w(), "by": Tensor.zeros(4)},
    "Wh": {"Wx": w(), "Wh": c()},
    "fc2_w": {"fc1_w": w(), "fc2_w": c()},
    "layer1_bias": {"layer1_weight": w(), "layer1_bias": Tensor.zeros(4)},
    "w_out": {"w_in": w(), "w_out": c()},
    "weight_2": {"weight_1": w(), "weight_2": c()},
    "beta": {"gamma": w(4), "beta": Tensor.zeros(4)},
    "b": {"w": w(), "b": Tensor.zeros(4)},
    "w2 ": {"w": w(), "w2": c()},
    "layers.1": {"layers": [w(), c(), w()]},
    "inner.b": {"inner": SimpleNamespace(w=w(), b=Tensor.zeros(4))},
    "part.weight": {"part": Net(weight=c(), bias=w(4))},
    "0.w2": {"0": {"w1": w(), "w2": c()}},
}


@pytest.mark.parametrize(("name", "held"), FORGOTTEN.items(), ids=FORGOTTEN)
def test_a_weight_that_was_forgotten(name, held):
    net = Net(**held)
    with pytest.warns(TrainingWarning) as seen:
        nn.optim.SGD(net.parameters())
    assert [each.filename for each in seen] == [__file__]
    assert str(seen[0].message).startswith(f"{name.strip()} does not require grad, although ")
    net.zero_grad()
    list(net.parameters())  # told once


def test_what_it_says():
    net = SimpleNamespace(w1=w(), w2=c())
    with pytest.warns(TrainingWarning) as seen:
        nn.state.get_parameters(net)
    assert str(seen[0].message) == (
        "w2 does not require grad, although w1 beside it does, so it is neither trained nor saved; "
        "make it with requires_grad=True, or, if it is meant to stay as it is, with "
        "nn.Parameter(..., requires_grad=False)"
    )


MEANT = {
    "a mask": {"w1": w(), "mask": Tensor.ones(4, 4), "b1": w(4)},
    "positions": {"weight": w(), "pos": c(), "pe": c(), "positions": c()},
    "statistics": {"weight": w(), "mean": c(4), "std": c(4), "running_mean": c(4)},
    "random features": {"w": w(), "B": c(), "frequencies": c(), "omega": c()},
    "a scale": {"weight": w(), "scale": Tensor.ones(4), "bias_scale": c(4), "weight_mask": c()},
    "a number": {"weight": w(), "b": Tensor(0.5)},
    "integers": {"w1": w(), "w2": Tensor.arange(4)},
    "frozen": {"w1": w(), "w2": w().requires_grad_(False)},
    "a frozen parameter": {"w1": w(), "w2": nn.Parameter(c(), requires_grad=False)},
    "spectral norm": {"weight": w(), "weight_u": c(4), "weight_v": c(4)},
    "weight norm": {"weight_g": w(4), "weight_v": w(), "weight": c(), "bias": w(4)},
    "weights before they were pruned": {"weight_orig": w(), "weight": c(), "weight_mask": c()},
    "nothing is trained": {"w1": c(), "w2": c()},
    "in another object": {"weight": w(), "other": SimpleNamespace(bias=c(4))},
    "states": {"w": w(), "h": c(), "h0": w(), "last": c(), "x1": c()},
    "an array": {"w1": w(), "w2": np.ones(3)},
    "a list of other things": {"parts": [w(), Tensor.ones(4)]},
    "weights of other things": {"w": w(), "class_weight": c(3), "loss1_weight": c(2), "win": c()},
    "names that begin alike": {"b": w(4), "box": c(4), "layer1_weight": w(), "loss1_weight": c()},
    "a batch of data": {"w1": w(), "x": c(), "y": c(), "data": [c(), c()]},
}


@pytest.mark.parametrize("held", MEANT.values(), ids=MEANT)
def test_what_is_meant_to_stay(held):
    net = Net(**held)
    list(net.parameters())
    nn.state.get_parameters(net)


def test_buffers_and_layers():
    net = Net(w1=w())
    net.register_buffer("w2", c())
    net.register_buffer("b", c(), persistent=False)
    net.norm, net.fc = nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False)
    net.loss = nn.CrossEntropyLoss(weight=Tensor.ones(4))
    assert len(list(net.parameters())) == 4
    nn.state.get_parameters([w(), c()])
    nn.state.get_parameters({"w1": w(), "x": c()})


def test_an_optimiser_of_plain_tensors_is_an_error_with_the_fix():
    with pytest.raises(
        ValueError, match=r"parameter 1, of shape \(4,\), does not require grad; ma"
    ):
        nn.optim.SGD([w(), Tensor.zeros(4)])
