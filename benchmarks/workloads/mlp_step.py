"""MLP step: 784-1024-10, ReLU, cross entropy, L2 on the two matrices, plain SGD, float32.

The time of the matrix products alone is the floor: five of them, x @ W1, h @ W2, both weight
gradients and the gradient of h (what enters the network needs none). The two large ones are x @ W1
and x.T @ dh.
"""

from functools import partial
from itertools import cycle

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all, moved

PIXELS, HIDDEN, CLASSES = 784, 1024, 10
LR, REG = 0.05, 1e-4


def batches(size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Eight batches of noise: the time does not depend on what is in the pictures."""
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((size, PIXELS), np.float32), rng.integers(CLASSES, size=size))
        for _ in range(8)
    ]


def weights() -> list[np.ndarray]:
    """W1, b1, W2, b2; the matrices have shape (in, out)."""
    rng = np.random.default_rng(1)
    W1 = rng.standard_normal((PIXELS, HIDDEN), np.float32) * np.float32(0.05)
    W2 = rng.standard_normal((HIDDEN, CLASSES), np.float32) * np.float32(0.03)
    return [W1, np.zeros(HIDDEN, np.float32), W2, np.zeros(CLASSES, np.float32)]


def ours(size: int, captured: bool = False) -> Stepper:
    import nn
    from tinygrad_lite import Tensor, capture

    model = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    first, _, second = model
    parameters = [first.weight, first.bias, second.weight, second.bias]
    for parameter, start in zip(parameters, weights(), strict=True):
        parameter.data[...] = start.T
    optimisers = [
        nn.optim.SGD([first.weight, second.weight], LR, weight_decay=REG),
        nn.optim.SGD([first.bias, second.bias], LR),
    ]
    data = cycle([(Tensor(x), y) for x, y in batches(size)])

    def train(x: Tensor, y: np.ndarray) -> Tensor:
        loss = model(x).cross_entropy(y)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        return loss

    run_step = capture(train, strict=True) if captured else train

    def step() -> float:
        return run_step(*next(data)).item()

    return step, lambda: moved([p.numpy().T for p in parameters], weights())


def pytorch(
    size: int, momentum: float = 0.0, penalty: bool = False, compiled: bool = False
) -> Stepper:
    import torch

    first, second = torch.nn.Linear(PIXELS, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)
    parameters = [first.weight, first.bias, second.weight, second.bias]
    with torch.no_grad():
        for parameter, start in zip(parameters, weights(), strict=True):
            parameter.copy_(torch.from_numpy(start.T))
    model = torch.nn.Sequential(first, torch.nn.ReLU(), second)
    if compiled:
        model = torch.compile(model)
    groups = [
        {"params": [first.weight, second.weight], "weight_decay": 0.0 if penalty else REG},
        {"params": [first.bias, second.bias]},
    ]
    optimiser = torch.optim.SGD(groups, LR, momentum)
    data = cycle([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches(size)])

    def step() -> float:
        x, y = next(data)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        if penalty:
            loss = loss + 0.5 * REG * (first.weight.square().sum() + second.weight.square().sum())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step, lambda: moved([p.detach().numpy().T for p in parameters], weights())


def jax_jit(size: int, momentum: float = 0.0, penalty: bool = False) -> Stepper:
    import jax
    import jax.numpy as jnp

    def loss_of(parameters, x, y):
        W1, b1, W2, b2 = parameters
        scores = jax.nn.relu(x @ W1 + b1) @ W2 + b2
        loss = -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1).mean()
        return loss + 0.5 * REG * ((W1 * W1).sum() + (W2 * W2).sum()) if penalty else loss

    @jax.jit
    def train(parameters, velocities, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        for k, direction in enumerate(gradients):
            if k in (0, 2) and not penalty:  # the matrices
                direction += REG * parameters[k]
            if momentum:
                direction = velocities[k] = momentum * velocities[k] + direction
            parameters[k] -= LR * direction
        return loss, parameters, velocities

    data = cycle([(jnp.asarray(x), jnp.asarray(y)) for x, y in batches(size)])
    state = [[jnp.asarray(w) for w in weights()], [jnp.zeros(w.shape) for w in weights()]]

    def step() -> float:
        loss, *state[:] = jax.block_until_ready(train(*state, *next(data)))
        return float(loss)

    return step, lambda: moved(state[0], weights())


def hips_autograd(size: int) -> Stepper:
    import autograd.numpy as anp
    from autograd import value_and_grad
    from autograd.scipy.special import logsumexp

    def loss_of(parameters, x, y):
        W1, b1, W2, b2 = parameters
        scores = anp.maximum(anp.dot(x, W1) + b1, 0.0) @ W2 + b2
        true = scores[anp.arange(len(y)), y]
        return anp.mean(logsumexp(scores, axis=1) - true)

    gradient_of = value_and_grad(loss_of)
    parameters, data = weights(), cycle(batches(size))

    def step() -> float:
        loss, gradients = gradient_of(parameters, *next(data))
        for parameter, gradient, decay in zip(parameters, gradients, (REG, 0, REG, 0), strict=True):
            parameter -= LR * (gradient + decay * parameter)
        return float(loss)

    return step, lambda: moved(parameters, weights())


def mygrad(size: int) -> Stepper:
    import mygrad as mg
    from mygrad.nnet.activations import relu
    from mygrad.nnet.losses import softmax_crossentropy

    W1, b1, W2, b2 = parameters = [mg.tensor(w) for w in weights()]
    data = cycle(batches(size))

    def step() -> float:
        x, y = next(data)
        loss = softmax_crossentropy(relu(x @ W1 + b1) @ W2 + b2, y)
        loss.backward()
        for parameter, decay in zip(parameters, (REG, 0.0, REG, 0.0), strict=True):
            parameter.data -= LR * (parameter.grad + decay * parameter.data)
            parameter.null_grad()
        return loss.item()

    return step, lambda: moved([p.data for p in parameters], weights())


def tinygrad(size: int) -> Stepper:
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn.optim import SGD

    W1, b1, W2, b2 = parameters = [Tensor(w).realize() for w in weights()]
    matrices = SGD([W1, W2], LR, weight_decay=REG)
    biases = SGD([b1, b2], LR)
    data = cycle([(Tensor(x).realize(), Tensor(y).realize()) for x, y in batches(size)])

    @TinyJit
    def train(x, y):
        loss = ((x @ W1 + b1).relu() @ W2 + b2).sparse_categorical_crossentropy(y)
        matrices.zero_grad()
        biases.zero_grad()
        loss.backward()
        return loss.realize(*matrices.schedule_step(), *biases.schedule_step())

    def step() -> float:
        with Context(TRAINING=1):
            return float(train(*next(data)).item())

    return step, lambda: moved([p.numpy() for p in parameters], weights())


def numpy_plain(size: int, momentum: float = 0.0, penalty: bool = False) -> Stepper:
    """By hand, in the way one writes it: every line makes new arrays."""
    W1, b1, W2, b2 = parameters = weights()
    velocities = [np.zeros_like(parameter) for parameter in parameters]
    data = cycle(batches(size))

    def step() -> float:
        x, y = next(data)
        hidden = np.maximum(0, x @ W1 + b1)
        scores = hidden @ W2 + b2
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        loss = -np.log(probabilities[np.arange(size), y]).mean()
        if penalty:
            loss += 0.5 * REG * np.sum(W1 * W1) + 0.5 * REG * np.sum(W2 * W2)

        dscores = probabilities
        dscores[np.arange(size), y] -= 1
        dscores /= size
        dhidden = dscores @ W2.T
        dhidden[hidden <= 0] = 0
        dW1 = x.T @ dhidden + REG * W1
        dW2 = hidden.T @ dscores + REG * W2
        gradients = dW1, dhidden.sum(axis=0), dW2, dscores.sum(axis=0)
        for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            if momentum:
                gradient = velocities[k] = momentum * velocities[k] + gradient
            parameter -= LR * gradient
        return float(loss)

    return step, lambda: moved(parameters, weights())


def numpy_reused(size: int, momentum: float = 0.0, penalty: bool = False) -> Stepper:
    """By hand, with every array made once: about the best that NumPy can do."""
    W1, b1, W2, b2 = parameters = weights()
    velocities, gradients, spares = ([np.zeros_like(p) for p in parameters] for _ in range(3))
    dW1, db1, dW2, db2 = gradients
    hidden, dhidden, active = np.empty((3, size, HIDDEN), np.float32)
    scores, row = np.empty((size, CLASSES), np.float32), np.empty((size, 1), np.float32)
    rows, data = np.arange(size), cycle(batches(size))

    def step() -> float:
        x, y = next(data)
        np.maximum(np.add(np.matmul(x, W1, out=hidden), b1, out=hidden), 0, out=hidden)
        np.add(np.matmul(hidden, W2, out=scores), b2, out=scores)
        scores.max(axis=1, keepdims=True, out=row)
        np.exp(np.subtract(scores, row, out=scores), out=scores)
        np.divide(scores, scores.sum(axis=1, keepdims=True, out=row), out=scores)
        loss = -np.log(scores[rows, y]).mean()
        if penalty:
            loss += 0.5 * REG * np.vdot(W1, W1) + 0.5 * REG * np.vdot(W2, W2)

        scores[rows, y] -= 1
        np.multiply(scores, 1 / size, out=scores)
        np.matmul(hidden.T, scores, out=dW2)
        np.add.reduce(scores, axis=0, out=db2)
        np.matmul(scores, W2.T, out=dhidden)
        np.multiply(dhidden, np.sign(hidden, out=active), out=dhidden)
        np.matmul(x.T, dhidden, out=dW1)
        np.add.reduce(dhidden, axis=0, out=db1)
        for k, decay in enumerate((REG, 0.0, REG, 0.0)):
            update_reused(parameters[k], gradients[k], velocities[k], spares[k], momentum, decay)
        return float(loss)

    return step, lambda: moved(parameters, weights())


def update_reused(parameter, gradient, velocity, spare, momentum: float, decay: float) -> None:
    """SGD in place."""
    if decay:
        np.add(gradient, np.multiply(parameter, decay, out=spare), out=gradient)
    if momentum:
        np.multiply(velocity, momentum, out=velocity)
        gradient = np.add(velocity, gradient, out=velocity)
    np.subtract(parameter, np.multiply(gradient, LR, out=spare), out=parameter)


def products(size: int, all_five: bool) -> Stepper:
    """No training: only the matrix products, into arrays that lie ready."""
    W1, _, W2, _ = weights()
    data = cycle(batches(size))
    hidden, dhidden = np.ones((2, size, HIDDEN), np.float32)
    scores = np.ones((size, CLASSES), np.float32)
    dW1, dW2 = np.empty_like(W1), np.empty_like(W2)

    def step() -> float:
        x, _ = next(data)
        np.matmul(x, W1, out=hidden)
        if all_five:
            np.matmul(hidden, W2, out=scores)
            np.matmul(hidden.T, scores, out=dW2)
            np.matmul(scores, W2.T, out=dhidden)
        np.matmul(x.T, dhidden, out=dW1)
        return 0.0

    return step, list


def run(settings: Settings) -> Outcome:
    cases = []
    for size in (128, 32, 512):
        first = size == 128
        targets = [((0.75,), (0.8,)), ((1.0,), (0.95,))] if first else [((1.0,),), ((1.0,),)]
        sides = [
            Side("ours", partial(ours, size)),
            Side("PyTorch", partial(pytorch, size), "torch", *targets[0]),
            Side("torch.compile", partial(pytorch, size, compiled=True), "torch.compile"),
            Side("jax.jit", partial(jax_jit, size), "jax", *targets[1]),
        ]
        if first:
            sides += others(size)
        steps, captured = max(5, 2560 // size), partial(ours, size, True)
        cases.append(Case(f"batch {size}", sides, steps, captured=captured))
    return compare_all(cases, settings)


def others(size: int) -> list[Side]:
    """The slower peers, and what NumPy alone takes."""
    five, two = partial(products, size, True), partial(products, size, False)
    return [
        Side("autograd", partial(hips_autograd, size), "autograd"),
        Side("MyGrad", partial(mygrad, size), "mygrad"),
        Side("tinygrad", partial(tinygrad, size), "tinygrad"),
        Side("NumPy, plain", partial(numpy_plain, size), "numpy"),
        Side("NumPy, buffers reused", partial(numpy_reused, size), "numpy"),
        Side("its 5 matrix products", five, "numpy", (1.4,), floor=True),
        Side("the 2 large products", two, "numpy", floor=True),
    ]
