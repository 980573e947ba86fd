"""Steps that people write by hand: their own SGD, writes in place, NumPy in between."""

import numpy as np
import pytest
from capturing.eager_and_captured import reason_of_program

from tinygrad_lite import Tensor, no_grad

PROGRAMS = {}


def program(fn):
    """Note a program."""
    PROGRAMS[fn.__name__] = fn
    return fn


def descend(x, w):
    loss = (x @ w).square().mean()
    loss.backward()
    return loss


@program
def through_data(x, w):
    loss = descend(x, w)
    w.data -= 0.1 * w.grad.data
    w.grad = None
    return loss


@program
def through_data_and_an_index(x, w):
    loss = descend(x, w)
    with no_grad():
        w.data[...] = w.data - 0.1 * w.grad.numpy()
    w.zero_grad()
    return loss


@program
def with_out(x, w):
    loss = descend(x, w)
    np.subtract(w.data, 0.1 * w.grad.data, out=w.data)
    w.grad = None
    return loss


@program
def in_place(x, w):
    w.grad = None
    loss = descend(x, w)
    with no_grad():
        w -= 0.1 * w.grad
    return loss, w.grad


@program
def by_methods(x, w):
    w.grad = None
    loss = descend(x, w)
    with no_grad():
        w.sub_(w.grad, alpha=0.1).mul_(0.99).clamp_(-2, 2)
        w.copy_(w * 0.5 + w.sign() * 0.1)
    return loss


@program
def gradients_set_to_0_afterwards(x, w):
    loss = descend(x, w)
    w.data -= 0.1 * w.grad.data
    w.grad.data[...] = 0
    return loss


@program
def gradients_set_to_0_before(x, w):
    if w.grad is not None:
        w.grad.zero_()
    return descend(x, w), w.grad.norm()


@program
def gradients_that_add_up(x, w):
    return descend(x, w)


@program
def several_backward_passes(x, w):
    w.grad = None
    loss = descend(x, w)
    y = x @ w
    y.backward(np.ones((4, 2), np.float32), retain_graph=True)
    y.backward(x[:, :2])
    return loss, w.grad


@program
def momentum_in_the_step(x, w):
    w.grad = None
    loss = descend(x, w)
    velocity = Tensor.zeros(3, 2)
    for _ in range(3):
        velocity *= 0.9
        velocity += w.grad
    w.data -= 0.01 * velocity.data
    return loss, velocity


@program
def a_total_that_grows(x, w):
    w.grad = None
    total, mean = Tensor.zeros(2), Tensor(0.0)
    for row in range(4):
        total += (x[row : row + 1] @ w).reshape(2)
        mean = mean + total.mean()
    last = (x @ w).sum()
    last += total.sum()
    last *= 0.5
    (last + mean).backward()
    return total.detach(), last


@program
def constants_that_are_written(x, w):
    w.grad = None
    t = Tensor.zeros(4, 2)
    t += 1.0
    t[0] = 5.0
    u, v = Tensor([1.0, 2.0]), Tensor.arange(4)
    u *= 3
    v[1:] += 7
    loss = ((x @ w) * t * u).sum() + x.new_full((2,), 2).sum() + Tensor.eye(3).sum()
    loss.backward()
    return t, u, v, Tensor.ones(3), x.zeros_like()


@program
def views_and_indices(x, w):
    w.grad = None
    z = x.clone()
    z[0] = 1.0
    z[:, 1] *= 2
    z[1:3] += x[0:2]
    z[x > 0.5] = 0.25
    y = z @ w
    y[0] = 0.0
    y[:, 0:1] = y[:, 0:1].detach() * 2
    loss = y[z[:, 0].argsort()].square().sum()
    loss.backward()
    return z, y.detach()


@program
def numpy_functions(x, w):
    w.grad = None
    y = np.tanh(x @ w)
    loss = np.sum(y) + np.dot(x, w).mean() + np.where(x > 0, x, 0.0).sum()
    loss.backward()
    both = np.concatenate([x, np.maximum(x, 0.5)])
    return both, np.argmax(x, axis=1), np.linalg.norm(x), np.stack([x, x]), np.clip(x, 0, 1)


@program
def numbers_of_numpy(x, w):
    w.grad = None
    h = x @ w
    h = (h - x.data.mean()) / (x.data.std() + np.float32(1e-3)) + np.array(2.0) * x.data.max()
    loss = h.sum()
    loss.backward()
    return loss, Tensor(x.data.sum(axis=1)), Tensor.from_array(x.numpy() * 2)


@program
def values_of_constants(x, w):
    w.grad = None
    mask = np.tri(4, 2, dtype=bool)
    y = x @ w
    loss = y[mask].sum() + y[[0, 2]].sum() + y[np.array([True, False, True, True])].sum()
    if Tensor([1.0, 2.0]).sum() > 2:
        loss = loss * Tensor(3).item()
    loss.backward()
    future = Tensor(np.triu(np.ones((4, 4), bool), 1))
    return (x @ x.T).masked_fill(future, -np.inf).softmax(-1), x.data[np.arange(4) > 1]


@program
def lists_of_tensors(x, w):
    w.grad = None
    a, b = (x @ w).sum(), x.mean()
    both = Tensor([a.detach(), b])
    (Tensor([a, a * 2]) * both).sum().backward()
    return both, [row.sum() for row in x], sum(x @ w).detach()


@program
def what_is_shown_beside_the_loss(x, w):
    w.grad = None
    labels = np.array([0, 1, 1, 0])
    y = x @ w
    loss = y.cross_entropy(labels)
    loss.backward()
    right = (y.argmax(-1) == Tensor(labels)).float().mean()
    return {"loss": loss, "right": right, "by numpy": (y.data.argmax(1) == labels).mean()}


@program
def leaves_that_the_step_makes(x, w):
    w.grad = None
    a, b = x.detach().requires_grad_(), Tensor(x, requires_grad=True)
    h = (a * b) @ w
    h.retain_grad()
    h.square().sum().backward()
    return a.grad, b.grad, h.grad, h


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_captured(name):
    assert reason_of_program(PROGRAMS[name], (3, 2)) is None


@pytest.mark.parametrize(
    ("take", "reason"),
    [
        (lambda x: x.sum().item(), "item()"),
        (lambda x: float(x.data.mean()), "float()"),
        (lambda x: np.asarray(x)[0], "np.array"),
        (lambda x: [float(one) for one in x[0]], "float()"),
        (lambda x: x if x.sum() > 0 else -x, "bool()"),
        (lambda x: 0.5 in x, "in"),
        (lambda x: x[int(x[0].argmax())], "int()"),
        (lambda x: [1, 2, 3][x[0].argmax()], "index()"),
        (lambda x: f"{x.mean():.3f}", "format()"),
        (lambda x: f"{x}", "str() or print()"),
    ],
)
def test_a_value_that_leaves_the_step_is_named(take, reason):
    def step(x, w):
        w.grad = None
        return descend(x, w), take(x)

    found = reason_of_program(step, (3, 2))
    assert found.endswith(f": {reason} reads a value; return that, and read it after the call")
    assert __file__ in found


def test_an_array_of_numpy_that_the_step_makes_and_writes_is_not_captured():
    def step(x, w):
        w.grad = None
        y = Tensor.from_array(np.zeros((4, 2), np.float32))
        y += x @ w
        y.sum().backward()
        return y

    assert reason_of_program(step, (3, 2)).endswith("a change of an array that was made by NumPy")
