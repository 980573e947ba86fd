"""Tiny MLP: 2-16-16-1, tanh, batch 32, squared error, forward and backward, float32."""

import itertools
from functools import partial

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all

SIZES = (2, 16, 16, 1)


def data() -> tuple[np.ndarray, np.ndarray]:
    """x (32, 2) and y (32, 1)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((32, 2), np.float32), rng.standard_normal((32, 1), np.float32)


def weights() -> list[np.ndarray]:
    """Matrices (in, out), each with its bias."""
    rng = np.random.default_rng(1)
    found = []
    for i, o in itertools.pairwise(SIZES):
        found += [rng.standard_normal((i, o), np.float32) * np.float32(i**-0.5)]
        found += [rng.standard_normal(o, np.float32) * np.float32(0.1)]
    return found


def ours(captured: bool = False) -> Stepper:
    import nn
    from tinygrad_lite import Tensor, capture

    model = nn.Sequential(
        *(nn.Linear(2, 16), Tensor.tanh, nn.Linear(16, 16), Tensor.tanh, nn.Linear(16, 1))
    )
    parameters = nn.state.get_parameters(model)
    for parameter, start in zip(parameters, weights(), strict=True):
        parameter.data[...] = start.T
    x, y = map(Tensor, data())

    def train(x: Tensor, y: Tensor) -> Tensor:
        for parameter in parameters:
            parameter.grad = None
        loss = (model(x) - y).square().mean()
        loss.backward()
        return loss

    run_step = capture(train, strict=True) if captured else train
    return lambda: run_step(x, y).item(), lambda: [p.grad.numpy().T for p in parameters]


def ours_by_formula() -> Stepper:
    from tinygrad_lite import Tensor

    W1, b1, W2, b2, W3, b3 = parameters = [Tensor(w, requires_grad=True) for w in weights()]
    x, y = map(Tensor, data())

    def step() -> float:
        for parameter in parameters:
            parameter.grad = None
        hidden = ((x @ W1 + b1).tanh() @ W2 + b2).tanh()
        loss = (hidden @ W3 + b3 - y).square().mean()
        loss.backward()
        return loss.item()

    return step, lambda: [p.grad.numpy() for p in parameters]


def pytorch(compiled: bool = False) -> Stepper:
    import torch
    from torch import nn

    model = nn.Sequential(
        *(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    )
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, start in zip(parameters, weights(), strict=True):
            parameter.copy_(torch.from_numpy(start.T))
    x, y = map(torch.from_numpy, data())
    run_model = torch.compile(model) if compiled else model

    def step() -> float:
        model.zero_grad()
        loss = nn.functional.mse_loss(run_model(x), y)
        loss.backward()
        return loss.item()

    return step, lambda: [p.grad.numpy().T for p in parameters]


def jax_jit() -> Stepper:
    import jax
    import jax.numpy as jnp

    def loss_of(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = parameters
        hidden = jnp.tanh(jnp.tanh(x @ W1 + b1) @ W2 + b2)
        return jnp.square(hidden @ W3 + b3 - y).mean()

    both = jax.jit(jax.value_and_grad(loss_of))
    parameters = [jnp.asarray(w) for w in weights()]
    x, y = map(jnp.asarray, data())
    gradients = []

    def step() -> float:
        loss, gradients[:] = jax.block_until_ready(both(parameters, x, y))
        return float(loss)

    return step, lambda: gradients


def hips_autograd() -> Stepper:
    import autograd.numpy as anp
    from autograd import value_and_grad

    def loss_of(parameters):
        W1, b1, W2, b2, W3, b3 = parameters
        hidden = anp.tanh(anp.dot(anp.tanh(anp.dot(x, W1) + b1), W2) + b2)
        return anp.mean((anp.dot(hidden, W3) + b3 - y) ** 2)

    both, parameters, gradients = value_and_grad(loss_of), weights(), []
    x, y = data()

    def step() -> float:
        loss, gradients[:] = both(parameters)
        return float(loss)

    return step, lambda: gradients


def mygrad() -> Stepper:
    import mygrad as mg

    W1, b1, W2, b2, W3, b3 = parameters = [mg.tensor(w) for w in weights()]
    x, y = data()

    def step() -> float:
        for parameter in parameters:
            parameter.null_grad()
        hidden = mg.tanh(mg.tanh(x @ W1 + b1) @ W2 + b2)
        loss = mg.square(hidden @ W3 + b3 - y).mean()
        loss.backward()
        return loss.item()

    return step, lambda: [p.grad for p in parameters]


def tinygrad() -> Stepper:
    from tinygrad import Tensor, TinyJit

    W1, b1, W2, b2, W3, b3 = parameters = [Tensor(w).realize() for w in weights()]
    x, y = (Tensor(array).realize() for array in data())

    @TinyJit
    def both(x, y):
        for parameter in parameters:
            parameter.grad = None
        hidden = ((x @ W1 + b1).tanh() @ W2 + b2).tanh()
        loss = (hidden @ W3 + b3 - y).square().mean()
        loss.backward()
        return loss.realize(*(p.grad for p in parameters)), *(p.grad for p in parameters)

    gradients = []

    def step() -> float:
        loss, *gradients[:] = both(x, y)
        return float(loss.item())

    return step, lambda: [g.numpy() for g in gradients]


def numpy_by_hand() -> Stepper:
    W1, b1, W2, b2, W3, b3 = weights()
    x, y = data()
    gradients = []

    def step() -> float:
        h1 = np.tanh(x @ W1 + b1)
        h2 = np.tanh(h1 @ W2 + b2)
        error = h2 @ W3 + b3 - y
        loss = (error * error).mean()
        dy = error * np.float32(2 / error.size)
        d2 = (dy @ W3.T) * (1 - h2 * h2)
        d1 = (d2 @ W2.T) * (1 - h1 * h1)
        gradients[:] = (
            *(x.T @ d1, d1.sum(axis=0), h1.T @ d2, d2.sum(axis=0), h2.T @ dy, dy.sum(axis=0)),
        )
        return float(loss)

    return step, lambda: gradients


def run(settings: Settings) -> Outcome:
    peers = [
        Side("PyTorch", pytorch, "torch", (0.5,)),
        Side("torch.compile", partial(pytorch, compiled=True), "torch.compile"),
        Side("jax.jit", jax_jit, "jax"),
        Side("autograd", hips_autograd, "autograd", (0.3,)),
        Side("MyGrad", mygrad, "mygrad", (0.3,)),
        Side("tinygrad", tinygrad, "tinygrad"),
        Side("NumPy by hand", numpy_by_hand, "numpy", (2.5,)),
        Side("ours by formula", ours_by_formula),
    ]
    sides = [Side("ours", ours), *peers]
    return compare_all([Case("step", sides, 500, captured=partial(ours, True))], settings)
