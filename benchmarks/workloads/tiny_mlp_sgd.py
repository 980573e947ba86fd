"""Tiny MLP with SGD: 2-16-16-1, tanh, batch 32, squared error, forward, backward and update."""

from functools import partial
from itertools import cycle

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all, moved
from workloads.tiny_mlp import weights

LR = 0.01


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Eight batches: x (32, 2) and y (32, 1)."""
    rng = np.random.default_rng(0)
    shapes = (32, 2), (32, 1)
    return [tuple(rng.standard_normal(shape, np.float32) for shape in shapes) for _ in range(8)]


def ours(captured: bool = False) -> Stepper:
    import nn
    from tinygrad_lite import Tensor, capture

    model = nn.Sequential(
        *(nn.Linear(2, 16), Tensor.tanh, nn.Linear(16, 16), Tensor.tanh, nn.Linear(16, 1))
    )
    parameters = nn.state.get_parameters(model)
    for parameter, start in zip(parameters, weights(), strict=True):
        parameter.data[...] = start.T
    sgd = nn.optim.SGD(parameters, LR)
    data = cycle([tuple(map(Tensor, pair)) for pair in batches()])

    def train(x: Tensor, y: Tensor) -> Tensor:
        loss = (model(x) - y).square().mean()
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss

    run_step = capture(train, strict=True) if captured else train

    def step() -> float:
        return run_step(*next(data)).item()

    return step, lambda: moved([p.numpy().T for p in parameters], weights())


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
    sgd = torch.optim.SGD(parameters, LR)
    run_model = torch.compile(model) if compiled else model
    data = cycle([tuple(map(torch.from_numpy, pair)) for pair in batches()])

    def step() -> float:
        x, y = next(data)
        loss = nn.functional.mse_loss(run_model(x), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        return loss.item()

    return step, lambda: moved([p.detach().numpy().T for p in parameters], weights())


def jax_jit() -> Stepper:
    import jax
    import jax.numpy as jnp

    def loss_of(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = parameters
        hidden = jnp.tanh(jnp.tanh(x @ W1 + b1) @ W2 + b2)
        return jnp.square(hidden @ W3 + b3 - y).mean()

    @jax.jit
    def train(parameters, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return loss, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

    state = [[jnp.asarray(w) for w in weights()]]
    data = cycle([tuple(map(jnp.asarray, pair)) for pair in batches()])

    def step() -> float:
        loss, *state[:] = jax.block_until_ready(train(*state, *next(data)))
        return float(loss)

    return step, lambda: moved(state[0], weights())


def numpy_by_hand() -> Stepper:
    """As one writes it: every line makes new arrays."""
    W1, b1, W2, b2, W3, b3 = parameters = weights()
    data = cycle(batches())

    def step() -> float:
        x, y = next(data)
        h1 = np.tanh(x @ W1 + b1)
        h2 = np.tanh(h1 @ W2 + b2)
        error = h2 @ W3 + b3 - y
        loss = (error * error).mean()
        dy = error * np.float32(2 / error.size)
        d2 = (dy @ W3.T) * (1 - h2 * h2)
        d1 = (d2 @ W2.T) * (1 - h1 * h1)
        gradients = (
            *(x.T @ d1, d1.sum(axis=0), h1.T @ d2, d2.sum(axis=0), h2.T @ dy, dy.sum(axis=0)),
        )
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= LR * gradient
        return float(loss)

    return step, lambda: moved(parameters, weights())


def run(settings: Settings) -> Outcome:
    sides = [
        Side("ours", ours),
        Side("PyTorch", pytorch, "torch"),
        Side("torch.compile", partial(pytorch, compiled=True), "torch.compile"),
        Side("jax.jit", jax_jit, "jax", captured=(0.7,)),
        Side("NumPy by hand", numpy_by_hand, "numpy", captured=(1.2,)),
    ]
    return compare_all([Case("step", sides, 500, captured=partial(ours, True))], settings)
