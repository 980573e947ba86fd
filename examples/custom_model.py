"""A model of your own reads digits: nested modules, shared and frozen weights, state in a file.

    python examples/custom_model.py --out runs/digits

A Module finds the parameters in its attributes, however deep. Notice the parameter of `Block` and
the convolution that two of them share, the frozen layer and the buffer of `Network`, the learning
rates of its parts, and that a second network, which only knows the file, reads the test images.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from tempfile import TemporaryDirectory

import numpy as np

import nn
from nn import training
from nn.data import augment
from tinygrad_lite import Tensor, grad, no_grad

CHANNELS = 24  # in the blocks
# The frozen kernels: the pixel itself, the slope downwards, and the slope to the right.
PIXEL = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
DOWN, RIGHT = [[-1, -1, -1], [0, 0, 0], [1, 1, 1]], [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]
RATES = {"mix": 0.01, "blocks": 0.02, "head": 0.01}  # learning rates at first; they fall to 0
BATCH_SIZE = 50  # images in one step
EPOCHS = 10  # passes over the 1500 images
TARGET = 92.0  # percentage of the 297 test images, most of them by other writers
STEP = 1e-7  # by which the weights are moved to measure a slope of the loss
SLOPE_TARGET = 1e-4  # relative error of the slope that the gradient gives


class Centre(nn.Module):
    """(x - mean) / 16, for pixels from 0 to 16.  The mean is a buffer: not trained, but saved."""

    mean: Tensor

    def __init__(self, mean: float) -> None:
        self.register_buffer("mean", Tensor(mean))

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape, as x."""
        return (x - self.mean) / 16


class Block(nn.Module):
    """x + gain * relu(conv(x)).  The gain of each channel is its own, the convolution is given."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv
        self.gain = nn.Parameter(Tensor.full((CHANNELS, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        """(N, CHANNELS, h, w), as x."""
        return x + self.gain * self.conv(x).relu()


class Network(nn.Module):
    """Ten scores for each image.  (N, 1, 8, 8) -> (N, 10)."""

    def __init__(self, mean: float = 0.0) -> None:
        self.centre = Centre(mean)
        self.edges = nn.Conv2d(1, 3, 3, padding=1, bias=False)
        self.edges.weight = nn.Parameter(np.array([[PIXEL], [DOWN], [RIGHT]], np.float32))
        self.edges.requires_grad_(False)  # frozen, and saved nevertheless
        self.mix = nn.Conv2d(3, CHANNELS, 3, padding=1)
        shared = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.blocks = [Block(shared), Block(shared)]  # its gradient is the sum over both
        self.head = nn.Linear(CHANNELS * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        """From floats, 0 for paper and 16 for ink."""
        x = self.mix(self.edges(self.centre(x))).relu()
        x = self.blocks[0](x).max_pool2d(2)
        return self.head(self.blocks[1](x).flatten(1))


def slope_error(x: Tensor, y: Tensor) -> float:
    """The relative error of a gradient, along a random direction in which all weights move."""
    model = Network().double()
    weights = nn.state.get_parameters(model)  # without the frozen ones
    directions = [weight.randn_like() for weight in weights]
    gradients = grad(model(x).cross_entropy(y), weights)
    slope = np.sum([(g * d).sum().item() for g, d in zip(gradients, directions, strict=True)])
    losses = []
    with no_grad():
        for shift in (STEP, -2 * STEP):  # to a point above, and from there to one below
            for weight, direction in zip(weights, directions, strict=True):
                weight += shift * direction
            losses.append(model(x).cross_entropy(y).item())
    return float(abs(slope / ((losses[0] - losses[1]) / (2 * STEP)) - 1))


def main() -> int:
    """Train one network, load its file into another, and test that one."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, without=("lr", "data"), epochs=EPOCHS, batch_size=BATCH_SIZE,
        target=(TARGET, "exit status 1 below this percentage of the test images"))  # fmt: skip
    X, Y, X_test, Y_test = nn.datasets.digits()
    batches = nn.data.DataLoader(
        X, Y, batch_size=args.batch_size, shuffle=True, seed=args.seed, transform=lambda x, y: (
            augment.affine(x.float(), degrees=12, translate=0.1, scale=(0.9, 1.1)), y))  # fmt: skip
    Tensor.manual_seed(args.seed)
    error = slope_error(Tensor(X[:20]).double(), Tensor(Y[:20]))
    model = Network(float(X.mean()))
    adam = nn.optim.AdamW([
        {"params": [x for name, x in model.named_parameters() if name.startswith(part)], "lr": rate}
        for part, rate in RATES.items()])  # fmt: skip
    with training.Report(
        epochs=args.epochs, steps=len(batches), rows=len(X), unit="images", name="UCI digits",
        out=args.out, resume=args.resume, kept=["weights.safetensors", "mistakes.png"],
        quiet=args.quiet) as report:  # fmt: skip
        for name, weight in model.named_parameters():
            kind = "trained" if weight.requires_grad else "frozen"
            report.say(f"{kind:<8} {name:<21} {weight.shape}")
        report.resume(vars(args), model=model, adam=adam, batches=batches)
        try:
            for _ in range(batches.epoch, args.epochs):
                for x, y in batches:
                    for group, rate in zip(adam.param_groups, RATES.values(), strict=True):
                        group["lr"] = rate * (1 - report.taken / (args.epochs * len(batches)))
                    loss = model(x).cross_entropy(y)
                    loss.backward()
                    adam.step()
                    adam.zero_grad()
                    report.step(len(y), loss=loss.item())
                report.epoch()
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        with TemporaryDirectory() as folder, no_grad():
            nn.state.safe_save(model.state_dict(), f"{folder}/weights.safetensors")
            copy = Network()
            copy.load_state_dict(nn.state.safe_load(f"{folder}/weights.safetensors"))
            scores = copy(Tensor(X_test).float())
        accuracy = 100 * (scores.argmax(axis=1) == Y_test).float().mean().item()
        seconds = time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(copy.state_dict(), path))
        report.keep("mistakes.png", lambda path: training.mistakes(X_test, Y_test, scores, path))
        report.result(f"UCI digits: test accuracy {accuracy:.2f} % in {seconds:.1f} s")
        return max(
            report.status(accuracy, args.target, " %"),
            report.status(error, SLOPE_TARGET, " in the slope of the loss", lower_is_better=True),
        )


if __name__ == "__main__":
    raise SystemExit(training.run(main))
