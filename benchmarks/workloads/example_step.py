"""The step of examples/mnist_mlp.py: batch 128, L2, momentum 0.9, float32.

The loss by formula contains the value of the penalty, as in the example by default; the loss by
library leaves the penalty to the optimiser, which needs only its gradient. So NumPy by hand comes
with that value and without it, and only sides with the same arithmetic are compared.
"""

import sys
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
from pairing import Case, Outcome, Settings, Side, Stepper, compare_all, moved
from workloads.mlp_step import (
    HIDDEN,
    LR,
    PIXELS,
    REG,
    batches,
    jax_jit,
    numpy_plain,
    numpy_reused,
    pytorch,
    weights,
)

BATCH, MOMENTUM = 128, 0.9


def ours(library: bool, captured: bool = False) -> Stepper:
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    import mnist_mlp

    import nn
    from tinygrad_lite import Tensor, capture

    model = mnist_mlp.MLP(PIXELS, HIDDEN)
    loss_of = mnist_mlp.loss_by_library if library else mnist_mlp.loss_by_formula
    parameters = [model.W1, model.b1, model.W2, model.b2]
    for parameter, start in zip(parameters, weights(), strict=True):
        parameter.data[...] = start
    decay = REG if library else 0.0
    optimisers = [
        nn.optim.SGD([model.W1, model.W2], LR, MOMENTUM, weight_decay=decay),
        nn.optim.SGD([model.b1, model.b2], LR, MOMENTUM),
    ]
    data = cycle(batches(BATCH))

    def train(x: Tensor, y: np.ndarray) -> Tensor:
        loss = loss_of(model, model.scores(x), y, REG)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        return loss

    run_step = capture(train, strict=True) if captured else train

    def step() -> float:
        x, y = next(data)
        return run_step(Tensor(x), y).item()

    return step, lambda: moved([p.numpy() for p in parameters], weights())


def run(settings: Settings) -> Outcome:
    plain = partial(numpy_plain, BATCH, MOMENTUM)
    reused = partial(numpy_reused, BATCH, MOMENTUM)
    by_formula = [
        Side("ours", partial(ours, library=False)),
        Side("NumPy, plain", partial(plain, penalty=True), "numpy"),
        Side("NumPy, buffers reused", partial(reused, penalty=True), "numpy"),
        Side("PyTorch", partial(pytorch, BATCH, MOMENTUM, True), "torch"),
        Side("torch.compile", partial(pytorch, BATCH, MOMENTUM, True, True), "torch.compile"),
        Side("jax.jit", partial(jax_jit, BATCH, MOMENTUM, True), "jax"),
    ]
    by_library = [
        Side("ours", partial(ours, library=True)),
        Side("NumPy, plain", plain, "numpy"),
        Side("NumPy, buffers reused", reused, "numpy"),
        Side("PyTorch", partial(pytorch, BATCH, MOMENTUM), "torch"),
        Side("torch.compile", partial(pytorch, BATCH, MOMENTUM, compiled=True), "torch.compile"),
        Side("jax.jit", partial(jax_jit, BATCH, MOMENTUM), "jax"),
    ]
    cases = [
        Case(f"loss by {name}", sides, 20, captured=partial(ours, name == "library", True))
        for name, sides in (("formula", by_formula), ("library", by_library))
    ]
    return compare_all(cases, settings)
