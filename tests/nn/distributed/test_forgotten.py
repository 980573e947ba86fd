"""An optimiser whose gradients are those of one process alone does not step in silence."""

import copy
import threading

import numpy as np
import pytest
from several import Given, entered, ranks

import nn
from nn._processes import current
from tinygrad_lite import Tensor, capture, grad

X = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
FORGOTTEN = r"SGD\.step: in a loop over parts of batches, expected a distributed optimiser; got"
UNSEEN = r"SGD\.step: expected gradients from a backward\(\) that was exchanged"


def made(chunks=None):
    """A model and its distributed optimiser."""
    model = nn.Linear(3, 1)
    sgd = nn.optim.SGD(model.parameters(), lr=0.1)
    return model, nn.distributed.DistributedOptimizer(sgd, model=model, chunks=chunks)


def in_one_process(work):
    """In a child, since what DistributedOptimizer enters stays until the program ends."""
    assert ranks(1, lambda: work() or "done")[0].result == "done"


def one_of_two_is_forgotten():
    first, sgd = made(2)
    second = nn.Linear(1, 1)
    forgotten = nn.optim.SGD(second.parameters(), lr=0.1)
    before = second.weight.data.copy()
    steps = 0
    for x in nn.distributed.parts(X):
        (second(first(x)) ** 2).mean().backward()
        sgd.step()
        if not current().midway:
            steps += 1
            with pytest.raises(RuntimeError, match=FORGOTTEN):
                forgotten.step()
    assert steps == 1
    np.testing.assert_array_equal(second.weight.data, before)
    forgotten.step()  # outside of the loop, the gradients are what the program makes them


def a_copy_is_not_distributed():
    _, sgd = made(2)
    copied = copy.deepcopy(sgd)
    assert (copied.exchange, sgd.exchange is None) == (None, False)


def a_thread_is_not_seen():
    model, sgd = made(2)
    found = []

    def train():
        model(Tensor(X)).sum().backward()
        with pytest.raises(RuntimeError, match=UNSEEN) as error:
            sgd.step()
        found.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert found


def own_gradients_are_not_seen():
    model, sgd = made(2)
    for _ in range(2):
        for x in nn.distributed.parts(X):
            model(x).sum().backward()
            sgd.step()
        sgd.zero_grad()
        for parameter, gradient in zip(
            model.parameters(), grad(model(Tensor(X)).sum(), [*model.parameters()]), strict=True
        ):
            parameter.grad = gradient
        with pytest.raises(RuntimeError, match=UNSEEN):
            sgd.step()
        sgd.zero_grad()


def captured_steps_are_seen():
    model, sgd = made(2)

    @capture(strict=True)
    def step(x):
        sgd.zero_grad()
        model(x).sum().backward()
        sgd.step()

    for x in [X] * 4 + [X[:4]] * 3 + [X] * 2:
        for part in nn.distributed.parts(x):
            step(part)
    assert any(plan.used for plan in step.plans)


@pytest.mark.parametrize(
    "work",
    [
        one_of_two_is_forgotten,
        a_copy_is_not_distributed,
        a_thread_is_not_seen,
        own_gradients_are_not_seen,
        captured_steps_are_seen,
    ],
    ids=lambda work: work.__name__,
)
def test_an_optimiser(work):
    in_one_process(work)


def test_none_is_distributed_in_a_loop_over_parts():
    model = nn.Linear(3, 1)
    sgd = nn.optim.SGD(model.parameters(), lr=0.1)
    with entered(Given(1, 2)):
        for x in nn.distributed.shard(nn.data.DataLoader(X, batch_size=8)):
            model(x).sum().backward()
            with pytest.raises(RuntimeError, match=FORGOTTEN):
                sgd.step()
        for x in nn.data.DataLoader(X, batch_size=8):
            sgd.zero_grad()
            model(x).sum().backward()
            sgd.step()


class OwnStep(nn.optim.Optimizer):
    """Keeps in the state what it wants."""

    def step(self, closure=None):
        for parameter in self.params:
            self.state[parameter] = {"seen": 1}


@pytest.mark.parametrize("steps", [0, 1])
def test_a_state_of_its_own_kind_is_not_thrown_away(steps):
    def work():
        own = OwnStep(nn.Linear(3, 1).parameters(), lr=0.1)
        for _ in range(steps):
            own.step()
        if steps:
            with pytest.raises(ValueError, match=r"OwnStep has a step of its own, and its state"):
                nn.distributed.DistributedOptimizer(own)
        else:
            nn.distributed.DistributedOptimizer(own)
        return len(own.state)

    assert [each.result for each in ranks(2, work)] == [2 * steps] * 2
