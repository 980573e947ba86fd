"""Random numbers in a captured step: each replay draws anew, from the same stream as eager."""

import numpy as np
import pytest
from capturing.eager_and_captured import reason_of_program

from tinygrad_lite import Observer, Tensor, capture, checkpoint, generator, no_grad

PROGRAMS = {}


def program(fn):
    """Note a program, whose first result is the loss."""
    PROGRAMS[fn.__name__] = fn
    return fn


@program
def several_draws_in_their_order(x, w):
    h = (x @ w).dropout(0.3)
    r = Tensor.rand(4, 2) + Tensor.randn(4, 2) * Tensor.randint(4, 2, high=5)
    u = Tensor.uniform(4, 2, low=-1.0, high=2.0)
    return ((h * r + u)[Tensor.randperm(4)]).sum(), r


@program
def draws_that_are_written(x, w):
    noise = Tensor.randn(4, 2)
    noise *= 0.1
    noise[0] = 0.0
    return (x @ w + noise).square().sum(), noise, Tensor.rand(3)


@program
def draws_that_nobody_needs(x, w):
    Tensor.rand(5)
    return (x @ w).sum(), Tensor.rand(2)


@program
def probabilities(x, w):
    p = (x @ w).detach().softmax(-1)
    return (x @ w).sum(), p.bernoulli(), p.multinomial(2), p.multinomial(3, True), p.rand_like()


@program
def seeded_in_the_step(x, w):
    Tensor.manual_seed(5)
    return (x @ w).dropout(0.5).sum(), Tensor.rand(3)


@program
def numbers_of_their_own(x, w):
    before = Tensor.rand(2)
    with generator.seeded(7):
        y, own = (x @ w).dropout(0.5), Tensor.rand(2)
        with generator.seeded(8):
            inner = Tensor.randn(2)
        Tensor.manual_seed(3)
        after = Tensor.randn(2)
    return y.sum(), before, own, inner, after, Tensor.rand(2)


@program
def a_checkpoint_repeats_its_numbers(x, w):
    def block(h):
        return (h @ w @ w.T).dropout(0.5).tanh()

    y = checkpoint(block, x)
    z = checkpoint(lambda h: checkpoint(block, h) * Tensor.rand(3) + Tensor.randn(3), y)
    return z.square().sum(), Tensor.rand(2), y


@program
def seeded_in_a_checkpoint(x, w):
    def block(h):
        with generator.seeded(4):
            noise = Tensor.rand(2)
        return (h @ w).dropout(0.5) * noise

    return checkpoint(block, x).sum(), Tensor.rand(2)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_captured(name):
    def step(x, w):
        w.grad = None
        found = PROGRAMS[name](x, w)
        found[0].backward()
        with no_grad():
            w -= 0.01 * w.grad
        return found

    assert reason_of_program(step, (3, 2)) is None


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (lambda: Tensor(generator.current().random(3)), "generator.current()"),
        (lambda: generator.get_state(), "generator.current()"),
        (lambda: generator.set_state(generator.get_state()), "generator.current()"),
        (lambda: generator.set_state(STATE), "generator.set_state()"),
        (lambda: drawn_within(np.random.default_rng(3)), "generator.seeded() with a Generator"),
        (lambda: drawn_within(np.random.PCG64(3)), "generator.seeded() with a Generator"),
    ],
)
def test_what_a_step_does_with_the_generator_itself_is_not_captured(use, reason):
    def step(x, w):
        w.grad = None
        loss = (x @ w).dropout(0.5).sum()
        loss.backward()
        use()
        return loss, Tensor.rand(2)

    assert reason in reason_of_program(step, (3, 2))


def drawn_within(source):
    with generator.seeded(source):
        return Tensor.rand(2)


STATE = {}


@pytest.fixture(autouse=True)
def a_state():
    with generator.seeded(9):
        STATE.update(generator.get_state())


def test_a_seed_before_a_replay_counts():
    step = capture(lambda: Tensor.rand(3) + Tensor.randn(3), strict=True)
    eager = step.fn
    for seed in (1, 1, 2, 1):
        Tensor.manual_seed(seed)
        expected = eager().tolist()
        Tensor.manual_seed(seed)
        assert step().tolist() == expected


class Counting(Observer):
    drawn = 0

    def drew(self, generator, array):
        self.drawn += array.size


def test_observers_are_told_of_draws():
    step = capture(lambda: Tensor.rand(3) + Tensor.randn(3), strict=True)
    for _ in range(4):
        with Counting() as seen:
            step()
        assert seen.drawn == 6
        step()
