"""Convolutional network step: conv 1-32-32, pool, 32-64-64, pool, 3136-128-10, ReLU, batch 128.

The kernels are 3x3, padded to keep the size; pixels 28x28; cross entropy, plain SGD, float32.
"""

from functools import partial
from itertools import cycle, pairwise

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all, moved

BATCH, LR = 128, 0.05
CHANNELS = (1, 32, 32, 64, 64)
SIZES = (3136, 128, 10)


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Four batches of noise."""
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((BATCH, 1, 28, 28), np.float32), rng.integers(10, size=BATCH))
        for _ in range(4)
    ]


def weights() -> list[np.ndarray]:
    """Kernels (out, in, 3, 3) with biases, then matrices (out, in) with biases."""
    rng = np.random.default_rng(1)
    shapes = [(o, i, 3, 3) for i, o in pairwise(CHANNELS)]
    shapes += [(o, i) for i, o in pairwise(SIZES)]
    found = []
    for shape in shapes:
        deviation = np.float32((2 / np.prod(shape[1:])) ** 0.5)
        found += [rng.standard_normal(shape, np.float32) * deviation, np.zeros(shape[0], "f4")]
    found[-2] *= np.float32(0.1)  # scores near 0, as they should be at first
    return found


def ours(captured: bool = False) -> Stepper:
    import nn
    from tinygrad_lite import Tensor, capture

    K1, c1, K2, c2, K3, c3, K4, c4, W1, b1, W2, b2 = parameters = [
        Tensor(w, requires_grad=True) for w in weights()
    ]
    optimiser = nn.optim.SGD(parameters, LR)
    data = cycle(batches())

    def train(x: np.ndarray, y: np.ndarray) -> Tensor:
        x = Tensor(x).conv2d(K1, c1, padding=1).relu()
        x = x.conv2d(K2, c2, padding=1).relu().max_pool2d(2)
        x = x.conv2d(K3, c3, padding=1).relu()
        x = x.conv2d(K4, c4, padding=1).relu().max_pool2d(2)
        loss = (x.flatten(1).linear(W1.T, b1).relu().linear(W2.T, b2)).cross_entropy(y)
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
    from torch import nn

    def pair(i: int, o: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), nn.ReLU()]

    model = nn.Sequential(
        *(*pair(1, 32), nn.MaxPool2d(2), *pair(32, 64), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10)),
    )
    parameters = list(model.parameters())
    with torch.no_grad():
        for parameter, start in zip(parameters, weights(), strict=True):
            parameter.copy_(torch.from_numpy(start))
    if compiled:
        model = torch.compile(model)
    optimiser = torch.optim.SGD(parameters, LR)
    data = cycle([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches()])

    def step() -> float:
        x, y = next(data)
        loss = nn.functional.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step, lambda: moved([p.detach().numpy() for p in parameters], weights())


def jax_jit() -> Stepper:
    """Images (N, H, W, C) and kernels (H, W, in, out), as flax has them."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def conv(x, kernel, bias):
        kinds = ("NHWC", "HWIO", "NHWC")
        y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=kinds)
        return jax.nn.relu(y + bias)

    def pool(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss_of(parameters, x, y):
        K1, c1, K2, c2, K3, c3, K4, c4, W1, b1, W2, b2 = parameters
        x = pool(conv(conv(x, K1, c1), K2, c2))
        x = pool(conv(conv(x, K3, c3), K4, c4))
        scores = jax.nn.relu(x.reshape(BATCH, -1) @ W1 + b1) @ W2 + b2
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1).mean()

    @jax.jit
    def train(parameters, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return loss, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

    state = [[jnp.asarray(w) for w in channels_last(weights())]]
    data = cycle([(jnp.asarray(x.transpose(0, 2, 3, 1)), jnp.asarray(y)) for x, y in batches()])

    def step() -> float:
        loss, *state[:] = jax.block_until_ready(train(*state, *next(data)))
        return float(loss)

    return step, lambda: moved(channels_first(map(np.asarray, state[0])), weights())


def channels_last(parameters) -> list[np.ndarray]:
    """Our weights in jax's order; a row of the first matrix is a pixel (H, W, C) there."""
    *kernels, W1, b1, W2, b2 = parameters
    W1 = W1.reshape(128, 64, 7, 7).transpose(2, 3, 1, 0).reshape(3136, 128)
    return [w.transpose(2, 3, 1, 0) if w.ndim == 4 else w for w in kernels] + [W1, b1, W2.T, b2]


def channels_first(parameters) -> list[np.ndarray]:
    """The way back."""
    *kernels, W1, b1, W2, b2 = parameters
    W1 = W1.reshape(7, 7, 64, 128).transpose(3, 2, 0, 1).reshape(128, 3136)
    return [w.transpose(3, 2, 0, 1) if w.ndim == 4 else w for w in kernels] + [W1, b1, W2.T, b2]


def mygrad() -> Stepper:
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy

    K1, c1, K2, c2, K3, c3, K4, c4, W1, b1, W2, b2 = parameters = [mg.tensor(w) for w in weights()]
    data = cycle(batches())

    def conv(x, kernel, bias):
        return relu(conv_nd(x, kernel, stride=1, padding=1) + bias.reshape(1, -1, 1, 1))

    def step() -> float:
        x, y = next(data)
        x = max_pool(conv(conv(x, K1, c1), K2, c2), (2, 2), 2)
        x = max_pool(conv(conv(x, K3, c3), K4, c4), (2, 2), 2)
        loss = softmax_crossentropy(relu(x.reshape(BATCH, -1) @ W1.T + b1) @ W2.T + b2, y)
        loss.backward()
        for parameter in parameters:
            parameter.data -= LR * parameter.grad
            parameter.null_grad()
        return loss.item()

    return step, lambda: moved([p.data for p in parameters], weights())


def tinygrad() -> Stepper:
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn.optim import SGD

    K1, c1, K2, c2, K3, c3, K4, c4, W1, b1, W2, b2 = parameters = [
        Tensor(w).realize() for w in weights()
    ]
    optimiser = SGD(parameters, LR)
    data = cycle([(Tensor(x).realize(), Tensor(y).realize()) for x, y in batches()])

    @TinyJit
    def train(x, y):
        x = x.conv2d(K1, c1, padding=1).relu().conv2d(K2, c2, padding=1).relu().max_pool2d()
        x = x.conv2d(K3, c3, padding=1).relu().conv2d(K4, c4, padding=1).relu().max_pool2d()
        scores = x.flatten(1).linear(W1.T, b1).relu().linear(W2.T, b2)
        loss = scores.sparse_categorical_crossentropy(y)
        optimiser.zero_grad()
        loss.backward()
        return loss.realize(*optimiser.schedule_step())

    def step() -> float:
        with Context(TRAINING=1):
            return float(train(*next(data)).item())

    return step, lambda: moved([p.numpy() for p in parameters], weights())


def run(settings: Settings) -> Outcome:
    sides = [
        Side("ours", ours, captured=(1.0,)),
        Side("PyTorch", pytorch, "torch", (1.25, 0.95)),
        Side("torch.compile", partial(pytorch, compiled=True), "torch.compile"),
        Side("jax.jit", jax_jit, "jax", (0.6,)),
        Side("MyGrad", mygrad, "mygrad"),
        Side("tinygrad", tinygrad, "tinygrad"),
    ]
    # In one window of a million, rounding decides which of two pixels is the larger; either choice
    # of one is right, and moves a gradient by up to 0.003 of its largest value (measured beside
    # float64). Everything else agrees to 1e-4, and so do the losses.
    case = Case("step", sides, steps=1, tolerance=5e-3, captured=partial(ours, True))
    return compare_all([case], settings)
