"""Parameters that get no gradient although the loss depends on them, or does not."""

import copy

import numpy as np
import pytest

import nn
from nn.state import get_parameters
from tinygrad_lite import (
    Observer,
    Tensor,
    TrainingWarning,
    capture,
    checkpoint,
    enable_grad,
    no_grad,
)

X = Tensor(np.random.default_rng(1).standard_normal((8, 3)).astype(np.float32))
TOLD = pytest.warns(TrainingWarning, match="no gradient although the loss depends on it")


class Net(nn.Module):
    """An encoder and a decoder, with something in between."""

    def __init__(self, between):
        self.encoder, self.decoder, self.between = nn.Linear(3, 4), nn.Linear(4, 1), between

    def forward(self, x):
        h = self.between(self.encoder(x).tanh())
        return self.decoder(h)


def train(model, steps=5, kind=nn.optim.SGD, named=False):
    optimizer = kind(model.named_parameters() if named else get_parameters(model), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()
    return optimizer


LOST = {
    "detach": lambda h: h.detach(),
    "data": lambda h: Tensor.from_array(h.data),
    "numpy": lambda h: Tensor.from_numpy(h.numpy()),
    "a copy": lambda h: Tensor(h.numpy()),
    "a Tensor of its data": lambda h: Tensor(h.data) + 1.0,
    "view": lambda h: h.detach().reshape(2, 16).reshape(8, 4),
    "transposed": lambda h: h.T.detach().T,
    "then more": lambda h: (h.detach() * 2.0).exp(),
    "sign": lambda h: (h.detach() > 0.0).float() + h.detach(),
    "in a part": lambda h: h.detach()[:, [0, 1, 2, 3]],
    "of a sum": lambda h: (h + h).detach(),
    "one of several results": lambda h: h.sort()[0].detach(),
    "detached twice": lambda h: h.detach().detach(),
}


@pytest.mark.parametrize("between", LOST.values(), ids=LOST)
def test_a_graph_that_is_lost_on_the_way(between):
    with TOLD as seen:
        train(Net(between))
    assert len(seen) == 1
    assert seen[0].filename == __file__


@pytest.mark.parametrize("name", ["relu", "elu", "gelu", "softplus", "tanh"])
def test_a_rule_that_runs_operations_is_no_new_batch(name):
    class Deeper(Net):
        def forward(self, x):
            h = self.between(self.encoder(x).tanh())
            return getattr(self.decoder(h), name)()

    with TOLD as seen:
        train(Deeper(LOST["detach"]))
    assert len(seen) == 1


def test_what_it_says():
    with TOLD as seen:
        train(Net(LOST["detach"]))
    line = Net.forward.__code__.co_firstlineno + 2
    assert str(seen[0].message) == (
        "step: parameter 0, of shape (4, 3), and 1 more get no gradient although the loss depends "
        f"on it: {__file__}:{line} reads what was computed from it without its graph (detach(), "
        "data, a comparison); keep the graph, or freeze it with requires_grad_(False)"
    )
    with TOLD as seen:
        train(Net(LOST["detach"]), named=True)
    assert str(seen[0].message).startswith("step: encoder.weight, of shape (4, 3), and 1 more get")


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Lion", "LAMB"])
def test_whatever_the_optimiser(kind):
    with TOLD:
        train(Net(LOST["detach"]), kind=getattr(nn.optim, kind))


def test_a_weight_that_is_itself_detached():
    class Scaled(nn.Module):
        def __init__(self):
            self.inner, self.scale = nn.Linear(3, 1), Tensor.ones(1, requires_grad=True)

        def forward(self, x):
            return self.inner(x) * self.scale.detach()

    with TOLD as seen:
        train(Scaled())
    assert "parameter 0, of shape (1,), gets no gradient" in str(seen[0].message)


def test_in_a_script_with_accumulation_and_a_checkpoint():
    v, w = (Tensor(np.ones((3, 3), np.float32), requires_grad=True) for _ in range(2))
    optimizer = nn.optim.SGD([v, w], lr=0.01)

    def part(x):
        return (x @ v).detach() @ w

    with TOLD:
        for _ in range(4):
            optimizer.zero_grad()
            for _ in range(2):
                checkpoint(part, X).sum().backward()
            optimizer.step()


def test_it_is_asked_once():
    with TOLD:
        optimizer = train(Net(LOST["detach"]), steps=3)
    for _ in range(4):  # another line
        optimizer.step()


# What is left alone


class Parts(nn.Module):
    """Two layers in a row, one beside them, and one that nobody calls."""

    def __init__(self):
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 1)
        self.beside, self.unused = nn.Linear(4, 2), nn.Linear(4, 2)


class Head(Parts):
    def forward(self, x):
        h = self.first(x)
        self.auxiliary = self.beside(h), self.beside(h.detach()).detach()
        return self.second(h)


class UnderNoGrad(Parts):
    def forward(self, x):
        with no_grad():
            h = self.first(x)
            h = h + self.beside(h).mean()
        return self.second(h)


class Frozen(Parts):
    def __init__(self):
        super().__init__()
        self.first.requires_grad_(False)

    def forward(self, x):
        return self.second(self.first(x).detach())


class Experts(nn.Module):
    def __init__(self):
        self.experts = nn.ModuleList(nn.Linear(3, 1) for _ in range(4))

    def forward(self, x):
        return self.experts[0](x) + self.experts[2](x.detach())


class Twice(Parts):
    """Detached on one way only."""

    def forward(self, x):
        h = self.first(x)
        return self.second(h) * 0.1 + self.second(h.detach())


class Teacher(nn.Module):
    """Its weights follow those of the student, and a loss compares with it."""

    def __init__(self):
        self.student = nn.Linear(3, 1)
        self.teacher = copy.deepcopy(self.student)

    def forward(self, x):
        pairs = zip(self.teacher.parameters(), self.student.parameters(), strict=True)
        with no_grad():
            for own, other in pairs:
                own.copy_(own * 0.9 + other * 0.1)
        return self.student(x) - self.teacher(x).detach() * 0.5


class Targets(nn.Module):
    """Two networks, one of which makes what the other is trained towards; it is copied rarely."""

    def __init__(self):
        self.q, self.target = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, x):
        q, wanted = self.q(x), self.target(x)
        best = 0.9 * wanted.max(1).detach() + 1.0
        error = (q[:, 0] - best) + q[:, 1].smooth_l1_loss((wanted.max(1) + 1.0).detach())
        likely = wanted.softmax(1).detach()
        return error.square() + (q - wanted.data).mean(1) + q.cross_entropy(likely)


class Later(Parts):
    """A part that takes part from the fourth step on."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        h = self.first(x)
        h = h if self.calls < 4 else h + self.beside(h).mean()
        return self.second(h)


@pytest.mark.parametrize(
    "make", [Head, UnderNoGrad, Frozen, Experts, Twice, Teacher, Targets, Later]
)
def test_parameters_that_may_have_no_gradient(make):
    model = make()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(6):
        optimizer.zero_grad()
        model(X).square().mean().backward()
        optimizer.step()


def test_what_is_observed_stays_the_same():
    def run(between):
        Tensor.manual_seed(3)
        model = Net(between)
        with TOLD:
            optimizer = train(model, steps=6, kind=nn.optim.Adam)
        return [p.data.tobytes() for p in optimizer.params]

    def plain():
        Tensor.manual_seed(3)
        model = Net(LOST["detach"])
        parameters = list(model.decoder.parameters())
        optimizer = nn.optim.Adam(parameters, lr=0.01)
        for _ in range(6):
            optimizer.zero_grad()
            model(X).square().mean().backward()
            optimizer.step()
        return [p.data.tobytes() for p in model.parameters()]

    assert run(LOST["detach"]) == plain()


def test_nobody_observes_afterwards():
    assert Observer.current("forward") is None
    optimizer = train(Head(), steps=2)
    assert Observer.current("forward") is not None
    del optimizer
    assert Observer.current("forward") is None
    kept = train(Head(), steps=3)
    assert kept.params
    assert Observer.current("forward") is None


def test_observing_ends_where_no_step_comes():
    optimizer = train(Head(), steps=2)
    model = nn.Linear(3, 1)
    for _ in range(70):
        model(X).mean().backward()
    assert Observer.current("forward") is None
    optimizer.zero_grad()


def test_steps_inside_other_contexts():
    class Count(Observer):
        ops = 0

        def forward(self, op, arrays):
            self.ops += 1
            return super().forward(op, arrays)

    model = Net(LOST["detach"])
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad()
        with enable_grad(), Count() as count:
            model(X).square().mean().backward()
        assert count.ops > 4
        with no_grad():
            optimizer.step()

    with TOLD:
        for _ in range(4):
            step()


def test_captured_steps():
    model = Net(LOST["detach"])
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01)

    @capture(strict=True)
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(X).item() for _ in range(6)]
    assert losses == sorted(losses, reverse=True)
