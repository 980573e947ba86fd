"""A replay that raises in the middle leaves parameters and gradients as the eager step does."""

import numpy as np
import pytest
from capturing.test_calls import bits

from tinygrad_lite import Function, Tensor, capture


class Breaks(Function):
    """y = x, whose rules raise where they are told to."""

    at = ""

    def forward(self, x):
        if Breaks.at == "forward":
            raise ArithmeticError("forward")
        return x * 1.0

    def backward(self, g, y, x):
        if Breaks.at == "backward":
            raise ArithmeticError("backward")
        return (g * 1.0,)


def hook(gradient):
    if Breaks.at == "hook":
        raise ArithmeticError("hook")


def made(zero):
    """A step that writes into a buffer before and after its forward pass."""
    w = Tensor([1.0, -2.0, 3.0], requires_grad=True)
    b = Tensor([0.5, 0.5, 0.5], requires_grad=True)
    count = Tensor([0.0])
    w.register_hook(hook)

    def step(x):
        if zero:
            w.grad = b.grad = None
        count.data += 1
        loss = Breaks.apply(x * w + b).sum()
        count.data += x.data[:1]
        loss.backward()
        w.data -= 0.1 * w.grad.data
        b.data -= 0.1 * b.grad.data
        return loss

    return step, [w, b, count]


@pytest.mark.filterwarnings("ignore:this gradient still holds")  # on purpose, without `zero`
@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("at", ["forward", "backward", "hook"])
def test_what_a_failing_call_leaves(at, zero):
    eager, expected = made(zero)
    step, tensors = made(zero)
    step = capture(step)
    for call in range(8):
        Breaks.at = at if call in (3, 5) else ""
        x = Tensor(np.random.default_rng(call).normal(size=3))
        for run in (eager, step):
            if Breaks.at:
                with pytest.raises(ArithmeticError, match=at):
                    run(x)
            else:
                run(x)
        for one, other in zip(tensors, expected, strict=True):
            assert bits([one, one.grad]) == bits([other, other.grad]), call
    assert step.eager is None
    assert step.plans[0].used > 2
