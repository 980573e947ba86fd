"""Derivatives in a captured step: of functions, of gradients, through checkpoints."""

import numpy as np
import pytest
from capturing.eager_and_captured import reason_of_program

from tinygrad_lite import (
    Tensor,
    checkpoint,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    vjp,
)

PROGRAMS = {}


def program(*shapes):
    def note(fn):
        PROGRAMS[fn.__name__] = fn, shapes
        return fn

    return note


@program((3, 2))
def gradients_as_results(x, w):
    (found,) = grad((x @ w).tanh().square().sum(), [w])
    with no_grad():
        w -= 0.01 * found
    return found


@program((3, 2))
def gradient_penalty(x, w):
    w.grad = None
    points = x.detach().requires_grad_()
    y = (points @ w).tanh().sum()
    (found,) = grad(y, [points], create_graph=True)
    loss = ((found.square().sum(1) + 1e-6).sqrt() - 1.0).square().mean() + y * 0.1
    loss.backward()
    return loss, found


@program((3, 2), (2,))
def inner_steps(x, w, b):
    """MAML: the gradient of a loss after two steps of descent."""
    w.grad = b.grad = None
    fast = [w, b]
    for _ in range(2):
        loss = ((x @ fast[0] + fast[1]).tanh() - 0.3).square().mean()
        fast = [p - 0.1 * g for p, g in zip(fast, grad(loss, fast, create_graph=True), strict=True)]
    loss = (x @ fast[0] + fast[1] - 1.0).square().mean()
    loss.backward()
    with no_grad():
        for parameter in (w, b):
            parameter -= 0.05 * parameter.grad
    return loss


@program((3, 2))
def backward_of_a_gradient(x, w):
    w.grad = None
    loss = ((x @ w).sigmoid() * (x @ w)).sum()
    loss.backward(create_graph=True)
    first, w.grad = w.grad, None
    (first * first).sum().backward()
    return loss, first.detach()


@program((3, 2))
def products(x, w):
    def f(v):
        return (x @ v).tanh()

    return vjp(f, w, x[:, :2]), jvp(f, w, w.detach() * 0.1), jacobian(f, w)


@program((3, 2))
def second_derivatives(x, w):
    def f(v):
        return (x @ v).tanh().square().sum()

    return hvp(f, w, w.detach() * 0.1), hessian(f, w)


@program((3, 2))
def one_graph_twice(x, w):
    y = (x @ w).square().sum()
    y.backward(retain_graph=True)
    first = w.grad.clone()
    y.backward()
    return y, first


@program((3, 2))
def checkpoints(x, w):
    w.grad = None
    labels = Tensor([0, 1, 1, 0])
    hidden = checkpoint(lambda t: (t @ w @ w.T).relu(), x)
    pair = checkpoint(lambda a, b: (a * b, a + b), hidden, x)
    nested = checkpoint(lambda t: checkpoint(lambda u: u * 1.5, t).tanh(), pair[0] + pair[1])
    loss = checkpoint(lambda t: (t @ w).cross_entropy(labels), nested)
    loss.backward()
    return loss, hidden


@program((3, 2))
def parts_without_gradients(x, w):
    w.grad = None
    with no_grad():
        weights = (x @ w).softmax(-1)
    loss = ((x @ w).log_softmax(-1) * weights).sum()
    loss.backward()
    return loss, weights


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_captured(name):
    body, shapes = PROGRAMS[name]
    assert reason_of_program(body, *shapes) is None


def test_a_gradient_of_numpy_is_a_constant():
    def step(x, w):
        w.grad = None
        y = x @ w
        y.backward(np.full((4, 2), 0.5, np.float32))
        return y

    assert reason_of_program(step, (3, 2)) is None
