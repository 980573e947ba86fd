"""One training step of a 784-1024-10 network: batch 128, float32, L2 penalty, SGD with momentum.

The loss by formula contains the value of the penalty, as in examples/mnist_mlp.py by default; the
loss by library leaves the penalty to the optimiser, which needs only its gradient. So NumPy by hand
comes with that value and without it, and only sides with the same arithmetic are compared.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from pairing import ROUNDS, THREADS, Row, compare_sides, compared

BATCH, PIXELS, HIDDEN, CLASSES = 128, 784, 1024, 10
LR, MOMENTUM, REG = 0.05, 0.9, 1e-4
STEPS = 20  # in one block


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Eight batches of noise: the time does not depend on what is in the pictures."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.standard_normal((BATCH, PIXELS), dtype=np.float32),
            rng.integers(CLASSES, size=BATCH),
        )
        for _ in range(8)
    ]


def weights() -> list[np.ndarray]:
    """W1, b1, W2, b2."""
    rng = np.random.default_rng(1)
    W1 = rng.standard_normal((PIXELS, HIDDEN), dtype=np.float32) * np.float32(0.05)
    W2 = rng.standard_normal((HIDDEN, CLASSES), dtype=np.float32) * np.float32(0.03)
    return [W1, np.zeros(HIDDEN, np.float32), W2, np.zeros(CLASSES, np.float32)]


class Ours:
    """The network and the losses of the example itself, recorded and differentiated by us."""

    def __init__(self, library: bool) -> None:
        sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
        import mnist_mlp

        import nn

        self.model = model = mnist_mlp.MLP(PIXELS, HIDDEN)
        self.loss = mnist_mlp.loss_by_library if library else mnist_mlp.loss_by_formula
        self.parameters = [model.W1, model.b1, model.W2, model.b2]
        for parameter, start in zip(self.parameters, weights(), strict=True):
            parameter.data[...] = start
        decay = REG if library else 0.0
        self.optimisers = [
            nn.optim.SGD([model.W1, model.W2], LR, MOMENTUM, weight_decay=decay),
            nn.optim.SGD([model.b1, model.b2], LR, MOMENTUM),
        ]
        self.batches = cycle(batches())

    def step(self) -> float:
        from tinygrad_lite import Tensor

        x, y = next(self.batches)
        loss = self.loss(self.model, self.model.scores(Tensor(x)), y, REG)
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        return loss.item()

    def result(self) -> list[np.ndarray]:
        return [parameter.numpy() for parameter in self.parameters]


class Plain:
    """By hand in NumPy, in the way one writes it: every line makes new arrays."""

    def __init__(self, penalty: bool) -> None:
        self.penalty = penalty
        self.parameters = weights()
        self.velocities = [np.zeros_like(parameter) for parameter in self.parameters]
        self.batches = cycle(batches())

    def step(self) -> float:
        W1, b1, W2, b2 = self.parameters
        x, y = next(self.batches)
        hidden = np.maximum(0, x @ W1 + b1)
        scores = hidden @ W2 + b2
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        loss = -np.log(probabilities[np.arange(BATCH), y]).mean()
        if self.penalty:
            loss += 0.5 * REG * np.sum(W1 * W1) + 0.5 * REG * np.sum(W2 * W2)

        dscores = probabilities
        dscores[np.arange(BATCH), y] -= 1
        dscores /= BATCH
        dW2 = hidden.T @ dscores
        db2 = dscores.sum(axis=0)
        dhidden = dscores @ W2.T
        dhidden[hidden <= 0] = 0
        dW1 = x.T @ dhidden
        db1 = dhidden.sum(axis=0)
        dW2 += REG * W2
        dW1 += REG * W1

        gradients = [dW1, db1, dW2, db2]
        for k, (parameter, gradient) in enumerate(zip(self.parameters, gradients, strict=True)):
            self.velocities[k] = MOMENTUM * self.velocities[k] - LR * gradient
            parameter += self.velocities[k]
        return float(loss)

    def result(self) -> list[np.ndarray]:
        return self.parameters


class Reuse:
    """By hand in NumPy, with every array made once: about the best that NumPy can do."""

    def __init__(self, penalty: bool) -> None:
        self.penalty = penalty
        self.parameters = weights()
        self.velocities = [np.zeros_like(parameter) for parameter in self.parameters]
        self.gradients = [np.zeros_like(parameter) for parameter in self.parameters]
        self.spares = [np.zeros_like(parameter) for parameter in self.parameters]
        self.hidden = np.zeros((BATCH, HIDDEN), np.float32)
        self.dhidden = np.zeros((BATCH, HIDDEN), np.float32)
        self.active = np.zeros((BATCH, HIDDEN), np.float32)
        self.scores = np.zeros((BATCH, CLASSES), np.float32)
        self.row = np.zeros((BATCH, 1), np.float32)
        self.rows = np.arange(BATCH)
        self.batches = cycle(batches())

    def step(self) -> float:
        W1, b1, W2, b2 = self.parameters
        dW1, db1, dW2, db2 = self.gradients
        hidden, scores, row = self.hidden, self.scores, self.row
        x, y = next(self.batches)
        np.matmul(x, W1, out=hidden)
        np.add(hidden, b1, out=hidden)
        np.maximum(hidden, 0, out=hidden)
        np.matmul(hidden, W2, out=scores)
        np.add(scores, b2, out=scores)
        np.subtract(scores, scores.max(axis=1, keepdims=True, out=row), out=scores)
        np.exp(scores, out=scores)
        np.divide(scores, scores.sum(axis=1, keepdims=True, out=row), out=scores)
        loss = -np.log(scores[self.rows, y]).mean()
        if self.penalty:
            loss += 0.5 * REG * np.vdot(W1, W1) + 0.5 * REG * np.vdot(W2, W2)

        scores[self.rows, y] -= 1
        np.multiply(scores, 1 / BATCH, out=scores)
        np.matmul(hidden.T, scores, out=dW2)
        np.add.reduce(scores, axis=0, out=db2)
        np.matmul(scores, W2.T, out=self.dhidden)
        np.sign(hidden, out=self.active)
        np.multiply(self.dhidden, self.active, out=self.dhidden)
        np.matmul(x.T, self.dhidden, out=dW1)
        np.add.reduce(self.dhidden, axis=0, out=db1)

        decays = (REG, 0.0, REG, 0.0)
        for parameter, velocity, gradient, spare, decay in zip(
            self.parameters, self.velocities, self.gradients, self.spares, decays, strict=True
        ):
            if decay:
                np.multiply(parameter, decay, out=spare)
                np.add(gradient, spare, out=gradient)
            np.multiply(velocity, MOMENTUM, out=velocity)
            np.add(velocity, gradient, out=velocity)
            np.multiply(velocity, LR, out=spare)
            np.subtract(parameter, spare, out=parameter)
        return float(loss)

    def result(self) -> list[np.ndarray]:
        return self.parameters


class PyTorch:
    """PyTorch, eager, on tensors that lie ready."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(THREADS)
        first, second = torch.nn.Linear(PIXELS, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)
        self.model = torch.nn.Sequential(first, torch.nn.ReLU(), second)
        self.parameters = [first.weight, first.bias, second.weight, second.bias]
        with torch.no_grad():
            for parameter, start in zip(self.parameters, weights(), strict=True):
                parameter.copy_(torch.from_numpy(start.T))
        groups = [
            {"params": [first.weight, second.weight], "weight_decay": REG},
            {"params": [first.bias, second.bias]},
        ]
        self.optimiser = torch.optim.SGD(groups, LR, MOMENTUM)
        self.loss = torch.nn.functional.cross_entropy
        self.batches = cycle([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches()])

    def step(self) -> float:
        x, y = next(self.batches)
        loss = self.loss(self.model(x), y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def result(self) -> list[np.ndarray]:
        return [parameter.detach().numpy().T for parameter in self.parameters]


def run(quick: bool) -> tuple[list[Row], list[str]]:
    """The rows of the table, and what else is to be said."""
    formula, library = "ours, by formula", "ours, by library"
    sides: dict[str, Callable[[], Any]] = {
        formula: partial(Ours, library=False),
        library: partial(Ours, library=True),
        "NumPy, plain, with penalty": partial(Plain, penalty=True),
        "NumPy, plain": partial(Plain, penalty=False),
        "NumPy, buffers reused, with penalty": partial(Reuse, penalty=True),
        "NumPy, buffers reused": partial(Reuse, penalty=False),
    }
    notes = []
    if find_spec("torch"):
        sides["PyTorch"] = PyTorch
    else:
        notes.append("PyTorch is not installed, so it was not compared")
    times = compare_sides(sides, *((1, 2) if quick else (ROUNDS, STEPS)))
    rows = []
    for peer in list(sides)[2:]:
        target = 0.75 if peer == "PyTorch" else 0.95 if "plain" in peer else 1.3
        mine = formula if "penalty" in peer else library
        rows.append(compared("MLP step", times, mine, peer, target))
    return rows, notes
