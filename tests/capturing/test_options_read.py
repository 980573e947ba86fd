"""Steps whose own code reads or assigns the options of an optimiser, or that write their own."""

import numpy as np
import pytest
from capturing.eager_and_captured import described

import nn
from tinygrad_lite import Tensor, capture, no_grad


class OwnStep(nn.optim.Optimizer):
    """SGD with a step of its own."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self):
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.data -= group["lr"] * p.grad.data


class OwnMomentum(OwnStep):
    """With tensors in an attribute."""

    def __init__(self, params):
        super().__init__(params)
        self.velocities = [Tensor.zeros_like(p) for p in self.params]

    def step(self):
        with no_grad():
            for p, v in zip(self.params, self.velocities, strict=True):
                v.mul_(0.9).add_(p.grad)
                p.sub_(v * self.lr)


class OwnState(OwnStep):
    """With tensors in the state."""

    def step(self):
        with no_grad():
            for p in self.params:
                state = self.state.setdefault(p, {})
                if "v" not in state:
                    state["v"] = Tensor.zeros_like(p)
                state["v"].mul_(0.9).add_(p.grad)
                p.sub_(state["v"] * self.param_groups[0]["lr"])


class CountsInState(OwnStep):
    """A learning rate that falls with a count in the state."""

    def step(self):
        for p in self.params:
            state = self.state.setdefault(p, {"step": 0})
            state["step"] += 1
            p.data -= self.lr / state["step"] * p.grad.data


class Counts(OwnStep):
    """The same with an attribute."""

    def __init__(self, params):
        super().__init__(params)
        self.count = 0

    def step(self):
        self.count += 1
        for p in self.params:
            p.data -= self.lr / self.count * p.grad.data


def losses(kind, capture, around=None, calls=7):
    """What each call returns, and the weights after it, with another learning rate for each."""
    Tensor.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = (
        kind(model.parameters(), lr=0.1) if kind is nn.optim.SGD else kind(model.parameters())
    )

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        more = around(model, optimizer, loss) if around else None
        optimizer.step()
        return loss, more

    step, rng, found = capture(step), np.random.default_rng(0), []
    for number in range(calls):
        optimizer.lr = 0.1 / (number + 1)
        result = step(Tensor(rng.standard_normal((5, 4), np.float32)))
        found.append((described(result), described(list(model.parameters())), optimizer.lr))
    return found, getattr(step, "eager", None)


@pytest.mark.parametrize("kind", [OwnStep, OwnMomentum, OwnState])
def test_a_step_of_its_own_reads_the_options_of_each_call(kind):
    found, why = losses(kind, capture)
    assert found == losses(kind, lambda step: step)[0]
    assert why is None


@pytest.mark.filterwarnings("ignore:capture. not captured")
@pytest.mark.parametrize("kind", [CountsInState, Counts])
def test_a_count_of_its_own_is_seen(kind):
    found, why = losses(kind, capture)
    assert found == losses(kind, lambda step: step)[0]
    assert "changes optimizer" in why


def decays(model, optimizer, loss):
    with no_grad():
        for group in optimizer.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * 0.1)


def halves(model, optimizer, loss):
    for group in optimizer.param_groups:
        group["lr"] *= 0.5


def returns(model, optimizer, loss):
    group = optimizer.param_groups[0]
    return (
        optimizer.lr,
        group["lr"],
        group.get("lr"),
        loss * optimizer.lr,
        dict(group.items())["lr"],
    )


def becomes_a_tensor(model, optimizer, loss):
    return Tensor(optimizer.lr)


def decides(model, optimizer, loss):
    return loss * 2 if optimizer.param_groups[0]["lr"] > 0.03 else loss


@pytest.mark.parametrize("around", [decays, halves, returns, becomes_a_tensor, decides])
def test_options_that_the_step_reads(around):
    found, why = losses(nn.optim.SGD, capture, around)
    assert found == losses(nn.optim.SGD, lambda step: step, around)[0]
    assert why is None


def test_the_source_of_a_step_that_assigns_an_option():
    model = nn.Linear(4, 3)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    @capture
    def step(x, rate):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    for rate in (0.1, 0.2, 0.3):
        step(Tensor(np.ones((2, 4), np.float32)), rate)
    program = step.source()
    names = {name: array.copy() for name, array in program.arrays.items()}
    names |= {"x": np.ones((2, 4), np.float32), "rate": 0.05}
    step(Tensor(names["x"]), 0.05)
    exec(program, names)
    assert names["weight"].tobytes() == model.weight.data.tobytes()
    assert optimizer.lr == 0.05


def test_the_source_of_a_large_step_that_reads_an_option(monkeypatch):
    """Its update is replayed as one call, whose lines the program has."""
    monkeypatch.setattr("nn.optim.lines.CHUNK", 2)
    model = nn.Linear(4, 3)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.1)

    @capture
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean() * optimizer.lr * optimizer.betas[0]
        loss.backward()
        optimizer.step()
        return loss

    x = Tensor(np.ones((2, 4), np.float32))
    for _ in range(3):
        step(x)
    program = step.source()
    names = {name: array.copy() for name, array in program.arrays.items()} | {"x": x.data}
    exec(program, names)
    loss = step(x)
    assert names[program.returns[0]].tobytes() == loss.data.tobytes()
    assert names["weight"].tobytes() == model.weight.data.tobytes()
