"""Gradients that are never zeroed, and a step that comes before the backward pass."""

import gc
import pickle
import sys
from copy import deepcopy

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, TrainingWarning, capture, no_grad

OPTIMISERS = [
    *("SGD", "ASGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad"),
    *("Adadelta", "Lion", "Rprop", "LARS", "LAMB", "Muon"),
]


class Loop:
    """A model, its optimiser and its data."""

    def __init__(self, kind="SGD"):
        Tensor.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        bias = kind != "Muon"  # which trains matrices
        params = [p for p in self.model.parameters() if bias or p.ndim == 2]
        self.optimizer = getattr(nn.optim, kind)(params, lr=0.01)
        self.x, self.y = Tensor.randn(8, 3), Tensor.randn(8, 1)

    def backward(self):
        loss = self.model(self.x).mse_loss(self.y)
        loss.backward()
        return loss

    def step(self):
        self.optimizer.step()


TOLD = pytest.warns(TrainingWarning, match="step: the gradients still hold those that the last")


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_gradients_that_are_never_zeroed_are_told_in_the_second_step(kind):
    loop = Loop(kind)
    loop.backward()
    loop.step()
    loop.backward()
    with TOLD as seen:
        loop.step()
    assert [each.filename for each in seen] == [__file__]


def test_it_is_told_once_for_a_line():
    loop = Loop()
    with TOLD as seen:
        for _ in range(5):
            loop.backward()
            loop.optimizer.step()
    assert len(seen) == 1
    assert str(seen[0].message).endswith("call zero_grad() in each step, before backward()")


def test_also_when_the_loop_zeroed_at_first():
    loop = Loop()
    with TOLD:
        for number in range(100):
            if number < 50:
                loop.optimizer.zero_grad()
            loop.backward()
            loop.step()


def test_also_with_several_backward_passes_before_each_step():
    loop = Loop()
    for _ in range(4):
        loop.backward()
    loop.step()
    for _ in range(12):
        loop.backward()
    with TOLD:
        loop.step()


def test_also_in_a_closure():
    loop = Loop()
    loop.optimizer.step(loop.backward)
    with TOLD:
        loop.optimizer.step(loop.backward)
    optimizer = nn.optim.LBFGS(Loop().model.parameters(), max_iter=3)
    loop.model, loop.optimizer = Loop().model, optimizer
    optimizer = nn.optim.LBFGS(loop.model.parameters(), max_iter=3)
    with TOLD:
        optimizer.step(loop.backward)


def test_also_while_a_step_is_captured():
    loop = Loop("Adam")

    @capture(strict=True)
    def step(x):
        loop.model(x).square().mean().backward()
        loop.optimizer.step()

    step(loop.x)
    with TOLD:
        step(loop.x)
    step(loop.x)


def test_also_when_the_gradients_were_clipped_in_place():
    loop = Loop()
    with TOLD:
        for _ in range(2):
            loop.backward()
            nn.utils.clip_grad_norm_(loop.model.parameters(), 1.0)
            loop.step()


def test_one_of_two_losses_counts_twice():
    loop = Loop()
    loop.optimizer.zero_grad()
    loop.backward()
    loop.step()
    loop.backward()
    with TOLD:
        loop.step()


def zero_in_place(loop):
    for p in loop.optimizer.params:
        if p.grad is not None:
            p.grad.zero_()


def zero_arrays(loop):
    for p in loop.optimizer.params:
        if p.grad is not None:
            p.grad.data[...] = 0.0


def drop(loop):
    for p in loop.optimizer.params:
        p.grad = None


def zeros(loop):
    for p in loop.optimizer.params:
        p.grad = Tensor.zeros(*p.shape)


ZEROED = {
    "optimizer.zero_grad()": lambda loop: loop.optimizer.zero_grad(),
    "optimizer.zero_grad(False)": lambda loop: loop.optimizer.zero_grad(set_to_none=False),
    "model.zero_grad()": lambda loop: loop.model.zero_grad(),
    "model.zero_grad(False)": lambda loop: loop.model.zero_grad(set_to_none=False),
    "each zero_grad()": lambda loop: [p.zero_grad() for p in loop.model.parameters()],
    "grad = None": drop,
    "grad = zeros": zeros,
    "grad.zero_()": zero_in_place,
    "grad.data": zero_arrays,
}


@pytest.mark.parametrize("zero", ZEROED.values(), ids=ZEROED)
@pytest.mark.parametrize("passes", [1, 3])
def test_gradients_that_are_zeroed_somehow_are_left_alone(zero, passes):
    loop = Loop("Adam")
    for _ in range(4):
        zero(loop)
        for _ in range(passes):
            loop.backward()
        loop.step()
    for _ in range(3):
        zero(loop)
        for _ in range(passes):
            loop.backward()
            loop.optimizer.lr = 0.001
        loop.step()


def test_two_steps_after_one_backward_pass_are_left_alone():
    loop = Loop()
    other = nn.optim.Adam(loop.model.parameters())
    for _ in range(3):
        loop.optimizer.zero_grad()
        loop.backward()
        loop.step()
        other.step()
        loop.step()


def test_what_another_optimiser_leaves_is_left_alone():
    """As in a GAN: the generator's loss adds to gradients of the discriminator, which it zeroes."""
    generator, critic = Loop(), Loop()
    for _ in range(3):
        critic.optimizer.zero_grad()
        critic.model(generator.x).mean().backward()
        critic.step()
        generator.optimizer.zero_grad()
        critic.model(generator.x * generator.model(generator.x)).mean().backward()
        generator.step()


def test_penalties_of_gradients_are_left_alone():
    loop = Loop()
    for _ in range(3):
        loop.optimizer.zero_grad()
        loss = loop.model(loop.x).tanh().mse_loss(loop.y)
        loss.backward(create_graph=True)
        sum((p.grad * p.grad).sum() for p in loop.model.parameters()).backward()
        loop.step()


def in_place(w):
    with no_grad():
        w -= 0.1 * w.grad


def by_method(w):
    with no_grad():
        w.sub_(w.grad, alpha=0.1)


def added(w):
    with no_grad():
        w.add_(w.grad, alpha=-0.1)


def through_data(w):
    w.data -= 0.1 * w.grad.data


def other_data(w):
    w.data = w.data - 0.1 * w.grad.numpy()


UPDATES = [in_place, by_method, added, through_data, other_data]


def lossy(w):
    (w * w).sum().backward()


@pytest.mark.parametrize("update", UPDATES)
def test_a_loop_by_hand_that_never_zeroes(update):
    w = Tensor([1.0, 2.0], requires_grad=True)

    def step():
        lossy(w)
        update(w)

    step()
    with pytest.warns(TrainingWarning, match=r"holds the one of the last update.* w.grad = None"):
        step()


def zeroed_in_place(w):
    w.grad.zero_()


def zeroed_data(w):
    w.grad.data[...] = 0


def dropped(w):
    w.grad = None


def another(w):
    w.grad = Tensor.zeros(2)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("zero", [zeroed_in_place, zeroed_data, dropped, another])
def test_a_loop_by_hand_that_zeroes_is_left_alone(update, zero):
    w = Tensor([1.0, 2.0], requires_grad=True)
    for passes in (1, 2, 1, 3):
        for _ in range(passes):
            lossy(w)
        update(w)
        update(w)
        zero(w)


def test_decay_and_clipping_between_passes_are_left_alone():
    w = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        lossy(w)
        with no_grad():
            w *= 0.99
            w.clamp_(-3.0, 3.0)
        lossy(w)
        in_place(w)
        w.grad = None


def test_a_copy_of_an_optimiser_begins_anew():
    loop = Loop("Adam")
    loop.backward()
    loop.step()
    for copied in (deepcopy(loop.optimizer), pickle.loads(pickle.dumps(loop.optimizer))):
        for p in copied.params:
            p.grad = Tensor.ones(*p.shape)
        copied.step()
        copied.zero_grad()


def test_what_is_noted_of_sums_goes_with_them():
    sums = sys.modules["tinygrad_lite.arrays.reused"].sums
    loop = Loop()
    with TOLD:
        for _ in range(60):
            loop.backward()
            loop.step()
    assert 0 < len(sums) <= 4
    assert all(len(origins) <= 8 for _, origins in sums.values())
    loop.optimizer.zero_grad()
    del loop
    gc.collect()
    assert not sums


def test_gradients_that_are_added_up_stay_right():
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.5)
    (w * Tensor(np.array([3.0, 4.0]))).sum().backward()
    optimizer.step()
    held = w.grad
    (w * Tensor(np.array([1.0, 1.0]))).sum().backward()
    assert held.data.tolist() == [3.0, 4.0]
    assert w.grad.data.tolist() == [4.0, 5.0]
    with TOLD:
        optimizer.step()
    assert w.data.tolist() == [1.0 - 1.5 - 2.0, 2.0 - 2.0 - 2.5]


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_a_step_before_the_backward_pass_is_an_error(kind):
    loop = Loop(kind)
    with pytest.raises(RuntimeError, match=r"call loss.backward\(\) first, after zero_grad\(\)"):
        loop.step()
    loop.backward()
    loop.optimizer.zero_grad()
    with pytest.raises(RuntimeError, match="step: no parameter has a gradient"):
        loop.step()
