"""Adam step: 10 million parameters of a transformer (10 layers of width 256), gradients given."""

from functools import partial

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all, moved

WIDTH, LAYERS, WORDS = 256, 10, 8192
LR, B1, B2, EPS = 1e-3, 0.9, 0.999, 1e-8


def shapes() -> list[tuple[int, ...]]:
    """Of 9,984,512 parameters in 121 tensors: embedding, attention, feed-forward, norms."""
    layer = [(3 * WIDTH, WIDTH), (3 * WIDTH,), (WIDTH, WIDTH), (WIDTH,)]
    layer += [(4 * WIDTH, WIDTH), (4 * WIDTH,), (WIDTH, 4 * WIDTH), (WIDTH,)]
    layer += [(WIDTH,)] * 4
    return [(WORDS, WIDTH), *layer * LAYERS]


def arrays(seed: int) -> list[np.ndarray]:
    """Noise: parameters from one seed, gradients from another."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape, np.float32) * np.float32(0.02) for shape in shapes()]


def ours(captured: bool = False) -> Stepper:
    import nn
    from tinygrad_lite import Tensor, capture

    parameters = [Tensor(w, requires_grad=True) for w in arrays(0)]
    for parameter, gradient in zip(parameters, arrays(1), strict=True):
        parameter.grad = Tensor(gradient)
    optimiser = nn.optim.Adam(parameters, LR)
    update = capture(optimiser.step, strict=True) if captured else optimiser.step

    def step() -> float:
        update()
        return 0.0

    return step, lambda: moved([p.numpy() for p in parameters], arrays(0))


def pytorch(compiled: bool = False, **form: bool) -> Stepper:
    import torch

    parameters = [torch.from_numpy(w).requires_grad_() for w in arrays(0)]
    for parameter, gradient in zip(parameters, arrays(1), strict=True):
        parameter.grad = torch.from_numpy(gradient)
    optimiser = torch.optim.Adam(parameters, LR, **form)
    update = torch.compile(optimiser.step) if compiled else optimiser.step

    def step() -> float:
        update()
        return 0.0

    return step, lambda: moved([p.detach().numpy() for p in parameters], arrays(0))


def jax_jit() -> Stepper:
    import jax
    import jax.numpy as jnp

    @jax.jit
    def update(count, parameters, means, squares, gradients):
        means = [B1 * m + (1 - B1) * g for m, g in zip(means, gradients, strict=True)]
        squares = [B2 * v + (1 - B2) * g * g for v, g in zip(squares, gradients, strict=True)]
        rate, correction = LR / (1 - B1**count), 1 - B2**count
        parameters = [
            p - rate * m / (jnp.sqrt(v / correction) + EPS)
            for p, m, v in zip(parameters, means, squares, strict=True)
        ]
        return count + 1, parameters, means, squares

    gradients = [jnp.asarray(g) for g in arrays(1)]
    zeros = [jnp.zeros(g.shape) for g in gradients]
    state = [1.0, [jnp.asarray(w) for w in arrays(0)], zeros, zeros]

    def step() -> float:
        state[:] = jax.block_until_ready(update(*state, gradients))
        return 0.0

    return step, lambda: moved(state[1], arrays(0))


def numpy_by_hand() -> Stepper:
    parameters, gradients = arrays(0), arrays(1)
    means, squares = ([np.zeros_like(g) for g in gradients] for _ in range(2))
    count = 0

    def step() -> float:
        nonlocal count
        count += 1
        for p, g, m, v in zip(parameters, gradients, means, squares, strict=True):
            m[...] = B1 * m + (1 - B1) * g
            v[...] = B2 * v + (1 - B2) * g * g
            p -= LR / (1 - B1**count) * m / (np.sqrt(v / (1 - B2**count)) + EPS)
        return 0.0

    return step, lambda: moved(parameters, arrays(0))


def run(settings: Settings) -> Outcome:
    sides = [
        Side("ours", ours),
        Side("PyTorch, foreach", partial(pytorch, foreach=True), "torch", (0.6,)),
        Side("PyTorch, fused", partial(pytorch, fused=True), "torch"),
        Side("torch.compile", partial(pytorch, compiled=True), "torch.compile"),
        Side("jax.jit", jax_jit, "jax"),
        Side("NumPy by hand", numpy_by_hand, "numpy"),
    ]
    return compare_all([Case("step", sides, 3, captured=partial(ours, True))], settings)
