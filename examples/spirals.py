"""A small network learns to tell two spirals apart, and draws the boundary that it found.

    python examples/spirals.py --out runs/spirals  # and look at runs/spirals/boundary.png

The two classes wind around each other three times (Lang and Witbrock 1988), so no straight line
through the plane separates them: the layers before the last have to unwind it. Here they do it
with sines, and all points are one batch.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from pathlib import Path

import numpy as np

import nn
from nn import training
from tinygrad_lite import Tensor, no_grad

POINTS = 97  # on each spiral: three turns, and 16 steps of the angle in half a turn
RADIUS = 6.5  # distance of the outermost points from the middle; the innermost are at 0.5
BETWEEN = (0.25, 0.5, 0.75)  # where the held-out points are between two neighbours
HIDDEN = 16  # units in each of the two hidden layers
EPOCHS = 8  # an epoch is the steps between two evaluations on the held-out points
STEPS = 50  # in one epoch, each on all points
LR = 0.02  # highest learning rate of Adam, which rises and falls once
TARGET = 99.0  # percentage of the held-out points on the right side of the boundary


class Network(nn.Module):
    """score = sin(sin(x W1 + b1) W2 + b2) W3 + b3.  x: (N, 2) -> (N,).  Above 0 is class 1."""

    def __init__(self) -> None:
        self.first = nn.Linear(2, HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        self.last = nn.Linear(HIDDEN, 1)

    def forward(self, x: Tensor) -> Tensor:
        """One score for each point."""
        hidden = self.first(x).sin()
        return self.last(self.second(hidden).sin()).squeeze(1)


def spirals(positions: np.ndarray) -> tuple[Tensor, Tensor]:
    """The points of both spirals at these positions, (2 N, 2), and their classes, (2 N,).

    A position from 0 (outside) to POINTS - 1 says how far along its spiral a point is.
    """
    angle = positions * np.pi / 16
    radius = RADIUS * (104 - positions) / 104
    one = radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    both = np.concatenate([one, -one])  # the other spiral is the first one, turned by 180 degrees
    return Tensor(both).float(), Tensor([1.0] * len(one) + [0.0] * len(one))


@no_grad()
def accuracy(model: Network, points: Tensor, classes: Tensor) -> float:
    """The percentage of points on the right side of the boundary."""
    return 100 * ((model(points) > 0) == (classes > 0)).float().mean().item()


@no_grad()
def draw_boundary(model: Network, points: Tensor, classes: Tensor, path: Path) -> None:
    """The probability of class 1 in the plane, its boundary at 1/2, and the points."""
    side = np.linspace(-1.1 * RADIUS, 1.1 * RADIUS, 300)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    probability = model(Tensor(plane).float()).sigmoid().numpy().reshape(len(side), len(side))
    with training.figure(path, 6, 6) as figure:
        axes = figure.add_subplot(aspect="equal")
        axes.contourf(side, side, probability, np.linspace(0, 1, 11), cmap="RdBu", alpha=0.7)
        axes.contour(side, side, probability, [0.5], colors="black", linewidths=1)
        x, y = points.numpy().T
        axes.scatter(x, y, c=classes.numpy(), cmap="RdBu", edgecolors="black", s=24, zorder=2)


def main() -> int:
    """Train on the points of the spirals, and judge by the points between them."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, without=("batch_size", "data"), lr=(LR, "highest learning rate of Adam"),
        epochs=(EPOCHS, f"of {STEPS} steps"),
        seed=(0, "of the initial weights"),
        target=(TARGET, "exit status 1 below this percentage of the held-out points"),
    )  # fmt: skip
    positions = np.arange(POINTS)
    points, classes = spirals(positions)
    held_out = spirals(np.concatenate([positions[:-1] + shift for shift in BETWEEN]))
    Tensor.manual_seed(args.seed)
    model = Network()
    adam = nn.optim.Adam(model.parameters(), args.lr)
    schedule = nn.optim.schedules.one_cycle(args.lr, steps=args.epochs * STEPS)
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=STEPS * len(points), unit="points",
        name="two spirals", out=args.out, resume=args.resume, quiet=args.quiet,
        kept=["weights.safetensors", "curves.png", "boundary.png"],
    ) as report:  # fmt: skip
        report.resume(vars(args), model=model, adam=adam)
        try:
            for epoch in range(report.finished, args.epochs):
                for step in range(report.taken, (epoch + 1) * STEPS):
                    adam.lr = schedule(step)
                    loss = model(points).binary_crossentropy_logits(classes)
                    loss.backward()
                    adam.step()
                    adam.zero_grad()
                    report.step(len(points), loss=loss.item())
                report.epoch(held_out_accuracy=accuracy(model, *held_out) / 100)
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        score, seconds = accuracy(model, *held_out), time.perf_counter() - began
        weights = model.state_dict()
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("boundary.png", lambda path: draw_boundary(model, points, classes, path))
        report.result(f"two spirals: held-out accuracy {score:.2f} % in {seconds:.1f} s")
        return report.status(score, args.target, " %")


if __name__ == "__main__":
    raise SystemExit(training.run(main))
