"""An operation of your own: Swish with a beta to be trained, first broken three ways, then right.

    python examples/custom_op.py

What to copy is `Swish`: a Function with a forward on arrays and a backward by the chain rule. The
other three are slips that are easily made, and that a network often survives: it learns, only less
well. `gradcheck` compares each rule with finite differences, and says what is wrong with it.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from typing import Any

import numpy as np

import nn
from nn import training
from tinygrad_lite import Function, GradientError, Tensor, gradcheck, gradgradcheck

BETAS = (-0.5, 0.5, 2.0)  # what the training has to find, one for each channel
POINTS = 100  # in each channel, from which it finds them
STEPS = 200  # of Adam, each on all points
LR = 0.1  # learning rate
TARGET = 0.01  # largest error of a beta


def sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z), of an array or of a Tensor."""
    return 1.0 / (1.0 + np.exp(-z))


class Swish(Function):
    """y = x s with s = sigmoid(beta x) (Ramachandran et al. 2017).  (N, C), (C,) -> (N, C).

    s' = s (1 - s), so dy/dx = s + beta x s (1 - s) and dy/dbeta = x^2 s (1 - s).
    """

    saves = "inputs"  # backward gets x and beta, and None for y
    broadcasts = True  # the gradient of beta is then summed over the N rows that share it

    def forward(self, x: Any, beta: Any) -> Any:
        """From arrays to an array."""
        return x * sigmoid(beta * x)

    def backward(self, g: Any, y: Any, x: Any, beta: Any) -> tuple[Any, ...]:
        """The gradients of x and beta, from g, that of y; on Tensors for second derivatives."""
        s = sigmoid(beta * x)
        return g * (s + beta * x * s * (1.0 - s)), g * x * x * s * (1.0 - s)


class WrongSign(Swish):
    """In the gradient of beta, (1 - s) became (s - 1)."""

    def backward(self, g: Any, y: Any, x: Any, beta: Any) -> tuple[Any, ...]:
        """The slip: the last factor."""
        s = sigmoid(beta * x)
        return g * (s + beta * x * s * (1.0 - s)), g * x * x * s * (s - 1.0)


class NotSummed(Swish):
    """It does not say that forward broadcasts beta, whose gradient so stays (N, C)."""

    broadcasts = False


class KeptOnSelf(Swish):
    """What forward keeps on self is a constant in backward, so second derivatives lack a part."""

    def forward(self, x: Any, beta: Any) -> Any:
        """The slip: s depends on x and beta."""
        self.s = sigmoid(beta * x)
        return x * self.s

    def backward(self, g: Any, y: Any, x: Any, beta: Any) -> tuple[Any, ...]:
        """The right gradients."""
        s = self.s
        return g * (s + beta * x * s * (1.0 - s)), g * x * x * s * (1.0 - s)


# What the checks have to say about each; nothing about the one that is right.
VERDICTS: dict[type[Swish], str] = {
    WrongSign: "wrong sign",
    NotSummed: "not summed over what forward broadcast",
    KeptOnSelf: "does the rule read a value that forward kept on self?",
    Swish: "",
}


def complaint(op: type[Swish], seed: int) -> str:
    """What the checks of first and second derivatives say; nothing if both pass."""
    rng = np.random.default_rng(seed)
    inputs = [Tensor(rng.normal(size=(5, 3))), Tensor(rng.uniform(0.5, 2, size=3))]
    try:
        gradcheck(op, inputs)
        gradgradcheck(op, inputs)
    except GradientError as error:
        return str(error)
    return ""


class Activation(nn.Module):
    """Swish as a layer: it has a beta for each channel.  (N, C) -> (N, C)."""

    def __init__(self, channels: int) -> None:
        self.beta = nn.Parameter(Tensor.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Swish of x."""
        y: Tensor = Swish.apply(x, self.beta)
        return y


def main() -> int:
    """Check the broken ones and the right one, and train with that."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, without=("epochs", "batch_size", "lr", "data", "out"),
        seed=(0, "of the points"), target=(TARGET, "exit status 1 above this error of a beta"),
    )  # fmt: skip
    with training.Report(epochs=1, steps=STEPS, rows=STEPS * POINTS, quiet=args.quiet) as report:
        right = 0
        for op, verdict in VERDICTS.items():
            said = complaint(op, args.seed)
            report.say(said or f"{op.__name__} passes gradcheck and gradgradcheck")
            right += verdict in said.rpartition("diagnosis: ")[2] if verdict else not said

        Tensor.manual_seed(args.seed)
        x, layer = Tensor.randn(POINTS, len(BETAS)), Activation(len(BETAS))
        wanted = x * (x * Tensor(BETAS)).sigmoid()
        adam = nn.optim.Adam(layer.parameters(), LR)
        for _ in range(STEPS):
            loss = layer(x).mse_loss(wanted)
            loss.backward()
            adam.step()
            adam.zero_grad()
            report.step(POINTS, loss=loss.item())
        error = np.abs(layer.beta.numpy() - BETAS).max()
        seconds = time.perf_counter() - began
        found = f"{right} of {len(VERDICTS)} verdicts right, beta off by {error:.4f}"
        report.result(f"made points: {found} in {seconds:.1f} s")
        return max(
            report.status(right, len(VERDICTS), " verdicts"),
            report.status(error, args.target, lower_is_better=True),
        )


if __name__ == "__main__":
    raise SystemExit(training.run(main))
