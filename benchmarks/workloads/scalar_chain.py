"""Scalar chain: 100,000 operations, multiply and add in turn, forward and backward.

y = y * w + b, with w = -1 and b = 1, for numbers that every side holds exactly.  autograd and
MyGrad do a tenth of it, a captured step a hundredth.  jax.jit and torch.compile would compile each
operation by itself.
"""

import sys
from functools import partial

from pairing import Case, Outcome, Settings, Side, Stepper, compare_all

START, W, B = 0.25, -1.0, 1.0


def ours(length: int, captured: bool = False) -> Stepper:
    from tinygrad_lite import Tensor, capture

    leaves = x, w, b = [Tensor(v, requires_grad=True) for v in (START, W, B)]

    def train() -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        y = x
        for _ in range(length // 2):
            y = y * w + b
        y.backward()
        return y

    run_step = capture(train, strict=True) if captured else train
    return lambda: run_step().item(), lambda: [[leaf.grad.item() for leaf in leaves]]


def micrograd(length: int) -> Stepper:
    from micrograd.engine import Value

    sys.setrecursionlimit(2 * length + 1000)  # its backward sorts the graph by recursion
    leaves = x, w, b = [Value(v) for v in (START, W, B)]

    def step() -> float:
        for leaf in leaves:
            leaf.grad = 0
        y = x
        for _ in range(length // 2):
            y = y * w + b
        y.backward()
        return y.data

    return step, lambda: [[leaf.grad for leaf in leaves]]


def pytorch(length: int) -> Stepper:
    import torch

    leaves = x, w, b = [torch.tensor(v, requires_grad=True) for v in (START, W, B)]

    def step() -> float:
        for leaf in leaves:
            leaf.grad = None
        y = x
        for _ in range(length // 2):
            y = y * w + b
        y.backward()
        return y.item()

    return step, lambda: [[leaf.grad.item() for leaf in leaves]]


def hips_autograd(length: int) -> Stepper:
    from autograd import value_and_grad

    def chain(x, w, b):
        y = x
        for _ in range(length // 2):
            y = y * w + b
        return y

    both, gradients = value_and_grad(chain, argnum=(0, 1, 2)), []

    def step() -> float:
        y, gradients[:] = both(START, W, B)
        return y

    return step, lambda: [gradients]


def mygrad(length: int) -> Stepper:
    import mygrad as mg

    leaves = x, w, b = [mg.tensor(v) for v in (START, W, B)]

    def step() -> float:
        for leaf in leaves:
            leaf.null_grad()
        y = x
        for _ in range(length // 2):
            y = y * w + b
        y.backward()
        return y.item()

    return step, lambda: [[leaf.grad.item() for leaf in leaves]]


def run(settings: Settings) -> Outcome:
    long, short, least = (1000, 100, 10) if settings.quick else (100_000, 10_000, 1_000)
    quick_ones = [
        Side("ours", partial(ours, long)),
        Side("PyTorch", partial(pytorch, long), "torch", (0.6,)),
        Side("micrograd", partial(micrograd, long), "micrograd", (1.2, 0.9)),
    ]
    slow_ones = [
        Side("ours", partial(ours, short)),
        Side("autograd", partial(hips_autograd, short), "autograd"),
        Side("MyGrad", partial(mygrad, short), "mygrad"),
    ]
    fewest = [
        Side("ours", partial(ours, least)),
        Side("PyTorch", partial(pytorch, least), "torch"),
        Side("micrograd", partial(micrograd, least), "micrograd"),
    ]
    cases = [
        Case(f"{long:,} operations", quick_ones, 1),
        Case(f"{short:,}", slow_ones, 1),
        Case(f"{least:,}", fewest, 20, captured=partial(ours, least, True)),
    ]
    return compare_all(cases, settings)
