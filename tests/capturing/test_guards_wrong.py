"""Steps whose replays would be wrong: an error of one line, before anything is written."""

import queue
import random
import threading
import warnings

import numpy as np
import pytest
from capturing.test_calls import Twin, batch, bits

import nn
from tinygrad_lite import Tensor, capture, generator


class Statistics(nn.Module):
    """Running statistics, written in place or rebound."""

    def __init__(self):
        self.weight = nn.Parameter(np.ones(3, np.float32))
        self.register_buffer("mean", Tensor.zeros(3))
        self.plain = np.zeros(3, np.float32)

    def in_place(self, x):
        self.mean.data[...] = 0.9 * self.mean.data + 0.1 * x.data.mean(0)
        return ((x - self.mean) * self.weight).sum()

    def rebound(self, x):
        self.mean = self.mean * 0.9 + x.mean(0).detach() * 0.1
        return ((x - self.mean) * self.weight).sum()

    def rebound_array(self, x):
        self.plain = self.plain * 0.9 + x.data.mean(0) * 0.1
        return ((x - Tensor(self.plain)) * self.weight).sum()

    def data(self, x):
        self.weight.data = self.weight.data - 0.1 * x.data.mean(0)
        return (x * self.weight).sum()


def trained(model, method):
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x):
        optimizer.zero_grad()
        loss = method(x)
        loss.backward()
        optimizer.step()
        return loss + Tensor.rand(1).sum() * 0.0

    return step


def state_of(model):
    kept = bits([model.weight, model.weight.grad, model.mean]), bits(model.plain)
    return kept, id(model.weight.data), id(model.mean), id(model.plain)


def refused(fn, x, state, message):
    """The second call raises, each time, and leaves everything as it was."""
    step = capture(fn)
    step(x)
    before = state(), generator.get_state()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=message) as raised:
            step(x)
        assert "\n" not in str(raised.value)
        assert (state(), generator.get_state()) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rebound", "makes another array of .*mean in each call, which replays would not see"),
        ("rebound_array", "makes another array of .*plain in each call"),
        ("data", "assigns the data of .*weight anew, which replays would not see; write into it"),
    ],
)
def test_rebound_statistics(name, message):
    model = Statistics()
    x = Tensor(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    refused(trained(model, getattr(model, name)), x, lambda: state_of(model), message)


def test_statistics_that_are_written_in_place_arrive():
    models = Statistics(), Statistics()
    steps = [trained(model, model.in_place) for model in models]
    steps[1] = capture(steps[1])
    for seed in range(5):
        x = Tensor(np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32))
        Tensor.manual_seed(seed)
        expected = bits(steps[0](x).detach())
        Tensor.manual_seed(seed)
        assert bits(steps[1](x)) == expected
        assert state_of(models[0])[0] == state_of(models[1])[0]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: np.random.rand(4, 3).astype(np.float32),  # noqa: NPY002  # as users do
        lambda: np.array([[random.random()] * 3] * 4, np.float32),
        np.random.default_rng(0).random,
    ],
)
def test_random_numbers_of_others(draw):
    model = Statistics()

    def step(x):
        model.weight.data[...] += 1
        noise = draw((4, 3)) if draw is not None and hasattr(draw, "__self__") else draw()
        return (x + Tensor(noise.astype(np.float32))).sum()

    x = Tensor(np.ones((4, 3), np.float32))
    refused(step, x, lambda: state_of(model), "draws random numbers that are not Tensor's")


def test_an_array_that_nothing_knows_of():
    rows: queue.SimpleQueue = queue.SimpleQueue()
    constant: queue.SimpleQueue = queue.SimpleQueue()
    for number in range(10):
        rows.put(np.float32([number, 2]))
        constant.put(np.float32([1, 2]))

    def step(x, which):
        return x * Tensor((rows if which == "rows" else constant).get())

    captured = capture(step)
    x = Tensor([1.0, 2.0])
    for _ in range(6):
        assert bits(captured(x, "constant")) == bits(x * Tensor([1.0, 2.0]))
    captured(x, "rows")
    with pytest.raises(RuntimeError, match=r"wrong.py:\d+: step uses an array that is an"):
        captured(x, "rows")


def test_data_that_is_assigned_twice():
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = capture(lambda x: w * x)
    x = Tensor([3.0, 5.0])
    for _ in range(3):
        assert bits(step(x)) == bits((w * x).detach())
    w.data = np.array([2.0, 2.0], np.float32)
    for _ in range(3):
        assert bits(step(x)) == bits((w * x).detach())
    w.data = np.array([3.0, 2.0], np.float32)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the data of w was assigned again, and a captured"):
            step(x)
    w.data[...] = 7


def test_a_graph_outside_notices_that_a_replay_changed_its_parameters():
    twin = Twin()
    step = capture(twin.step)
    for seed in range(4):
        outside = twin.model(batch(seed)[0]).square().sum()
        step(*batch(seed))
        with pytest.raises(RuntimeError, match="changed it in place afterwards"):
            outside.backward()
        twin.model(batch(seed)[0]).square().sum().backward()


def test_two_threads_on_one_step():
    twin = Twin()
    step = capture(lambda x: twin.model(x).exp().sum())
    xs = [batch(seed)[0] for seed in range(4)]
    expected = [bits(twin.model(x).exp().sum().detach()) for x in xs]
    for x in xs:
        step(x)
    wrong = []

    def work(number):
        for _ in range(150):
            if bits(step(xs[number])) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_step_that_calls_itself_or_another_one():
    inner = capture(lambda x: x * 2)

    def fn(x, depth):
        return inner(x) + (step(x, depth - 1) if depth else 1)

    step = capture(fn)
    for i in range(4):
        x = Tensor([1.0, float(i)])
        assert bits(step(x, 2)) == bits(x * 2 * 3 + 1)
        assert bits(inner(x)) == bits(x * 2)


def test_hooks_on_parameters_run_in_each_replay():
    outcomes = []
    for captured in (False, True):
        twin = Twin()
        seen = []
        weight, bias = list(twin.model.parameters())[:2]
        weight.register_hook(lambda g, seen=seen: seen.append(bits(g.data)))
        bias.register_hook(lambda g: g * 0.5)
        step = capture(twin.step) if captured else twin.step
        for seed in range(5):
            step(*batch(seed))
        handle = bias.register_hook(lambda g: g + 1.0)
        step(*batch(7))
        handle.remove()
        step(*batch(8))
        outcomes.append((seen, twin.state()))
    assert outcomes[0] == outcomes[1]


def test_an_error_in_a_replay_leaves_what_the_eager_step_leaves():
    twins = Twin(), Twin()
    steps = [twins[0].step, capture(twins[1].step)]
    for seed in range(8):
        x, y = batch(seed)
        if seed in (4, 6):
            y.data[0] = 17
            for step in steps:
                with pytest.raises(ValueError, match="label 17"):
                    step(x, y)
        else:
            for step in steps:
                step(x, y)
        assert twins[0].state() == twins[1].state()


def test_no_warning_without_a_reason():
    twin = Twin()
    step = capture(twin.step)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(3):
            step(*batch(seed))
    assert step.eager is None
