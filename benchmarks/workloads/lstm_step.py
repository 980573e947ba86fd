"""LSTM step: 128 units over 50 steps, inputs of 128, batch 32, loss on the last h, plain SGD.

Ours and PyTorch's are nn.LSTMCell, the others written out by hand: gates = x @ Wx.T + h @ Wh.T + b,
in the order i, f, g, o; the loss is the mean squared difference between the last h and a target.
"""

from functools import partial
from itertools import cycle

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all, moved

INPUTS, UNITS, TIMES, BATCH = 128, 128, 50, 32
LR = 0.5


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Four batches: x (time, batch, inputs), and the target of the last h."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.standard_normal((TIMES, BATCH, INPUTS), np.float32),
            rng.uniform(-0.5, 0.5, (BATCH, UNITS)).astype(np.float32),
        )
        for _ in range(4)
    ]


def weights() -> list[np.ndarray]:
    """Wx (4 units, inputs), Wh (4 units, units), b (4 units)."""
    rng = np.random.default_rng(1)
    bound = UNITS**-0.5
    shapes = (4 * UNITS, INPUTS), (4 * UNITS, UNITS), (4 * UNITS,)
    return [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]


def ours(captured: bool = False) -> Stepper:
    import nn
    from tinygrad_lite import Tensor, capture

    cell = nn.LSTMCell(INPUTS, UNITS)
    parameters = [cell.weight_ih, cell.weight_hh, cell.bias_ih]
    for parameter, start in zip(parameters, weights(), strict=True):
        parameter.data[...] = start
    cell.bias_hh = None  # one bias, as on all sides
    optimiser = nn.optim.SGD(parameters, LR)
    data = cycle(batches())

    def train(xs: np.ndarray, target: np.ndarray) -> Tensor:
        h = c = Tensor.zeros(BATCH, UNITS)
        for x in xs:
            h, c = cell(x, (h, c))
        loss = (h - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss

    run_step = capture(train, strict=True) if captured else train

    def step() -> float:
        return run_step(*next(data)).item()

    return step, lambda: moved([p.numpy() for p in parameters], weights())


def pytorch(compiled: bool = False) -> Stepper:
    import torch

    cell = torch.nn.LSTMCell(INPUTS, UNITS)
    parameters = [cell.weight_ih, cell.weight_hh, cell.bias_ih]
    with torch.no_grad():
        for parameter, start in zip(parameters, weights(), strict=True):
            parameter.copy_(torch.from_numpy(start))
    torch.nn.init.zeros_(cell.bias_hh).requires_grad_(False)  # one bias, as on all sides
    if compiled:
        cell = torch.compile(cell)
    optimiser = torch.optim.SGD(parameters, LR)
    data = cycle([tuple(map(torch.from_numpy, pair)) for pair in batches()])

    def step() -> float:
        xs, target = next(data)
        h = c = torch.zeros(BATCH, UNITS)
        for x in xs:
            h, c = cell(x, (h, c))
        loss = torch.nn.functional.mse_loss(h, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step, lambda: moved([p.detach().numpy() for p in parameters], weights())


def pytorch_layer() -> Stepper:
    """torch.nn.LSTM, which takes all the steps in one call."""
    import torch

    layer = torch.nn.LSTM(INPUTS, UNITS)
    parameters = [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0]
    with torch.no_grad():
        for parameter, start in zip(parameters, weights(), strict=True):
            parameter.copy_(torch.from_numpy(start))
    torch.nn.init.zeros_(layer.bias_hh_l0).requires_grad_(False)
    optimiser = torch.optim.SGD(parameters, LR)
    data = cycle([tuple(map(torch.from_numpy, pair)) for pair in batches()])

    def step() -> float:
        xs, target = next(data)
        _, (h, _) = layer(xs)
        loss = torch.nn.functional.mse_loss(h[0], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step, lambda: moved([p.detach().numpy() for p in parameters], weights())


def jax_jit() -> Stepper:
    import jax
    import jax.numpy as jnp

    def cell(parameters, state, x):
        Wx, Wh, b = parameters
        h, c = state
        i, f, g, o = jnp.split(x @ Wx.T + h @ Wh.T + b, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    def loss_of(parameters, xs, target):
        zeros = jnp.zeros((BATCH, UNITS))
        (h, _), _ = jax.lax.scan(partial(cell, parameters), (zeros, zeros), xs)
        return jnp.square(h - target).mean()

    @jax.jit
    def train(parameters, xs, target):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, xs, target)
        return loss, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

    state = [[jnp.asarray(w) for w in weights()]]
    data = cycle([tuple(map(jnp.asarray, pair)) for pair in batches()])

    def step() -> float:
        loss, *state[:] = jax.block_until_ready(train(*state, *next(data)))
        return float(loss)

    return step, lambda: moved(state[0], weights())


def hips_autograd() -> Stepper:
    import autograd.numpy as anp
    from autograd import value_and_grad

    def sigmoid(x):
        return 0.5 * (anp.tanh(0.5 * x) + 1.0)

    def loss_of(parameters, xs, target):
        Wx, Wh, b = parameters
        h = c = np.zeros((BATCH, UNITS), np.float32)
        for x in xs:
            gates = anp.dot(x, Wx.T) + anp.dot(h, Wh.T) + b
            i, f, g, o = anp.split(gates, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * anp.tanh(g)
            h = sigmoid(o) * anp.tanh(c)
        return anp.mean((h - target) ** 2)

    both, parameters, data = value_and_grad(loss_of), weights(), cycle(batches())

    def step() -> float:
        loss, gradients = both(parameters, *next(data))
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= LR * gradient
        return float(loss)

    return step, lambda: moved(parameters, weights())


def run(settings: Settings) -> Outcome:
    sides = [
        Side("ours", ours),
        Side("PyTorch's LSTMCell loop", pytorch, "torch", (0.8,), (0.7,)),
        Side("torch.compile of the cell", partial(pytorch, compiled=True), "torch.compile"),
        Side("PyTorch's nn.LSTM", pytorch_layer, "torch"),
        Side("jax.jit, scan", jax_jit, "jax"),
        Side("autograd", hips_autograd, "autograd"),
    ]
    return compare_all([Case("step", sides, 5, captured=partial(ours, True))], settings)
