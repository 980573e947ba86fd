"""A network learns how a pendulum with friction moves, from noisy measurements of its paths.

    python examples/neural_ode.py --out runs/pendulum  # after Ctrl-C: the same, --resume

A neural ODE (Chen et al. 2018): y' = network(y) for the state y = (angle, velocity).  The network
never sees a derivative.  It is integrated by the method of Runge and Kutta, the path is compared
with what was measured, and the gradient goes back through every step of the integration.  Then it
has to predict where pendulums that were never measured go, for twice as long.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

import nn
from nn import training
from tinygrad_lite import Tensor, capture, checkpoint, no_grad

GRAVITY, FRICTION = 4.0, 0.2  # angle'' = -GRAVITY sin(angle) - FRICTION angle'
H = 0.1  # seconds between two measurements, and the length of a step of the integration
MEASURED, PREDICTED = 50, 100  # steps of a measured path, and of a predicted one
RELEASES = 64  # measured paths
NOISE = 0.1  # standard deviation of a measurement, in radians and radians per second
HIDDEN = 32  # hidden units
EPOCHS = 15  # evaluations on the paths that are held out
STEPS = 100  # of Adam between two of them, each on all paths
LR = 0.05  # learning rate of the first step; it falls to 0
TARGET = 5.0  # percent: the largest error of predicted paths, relative to the true ones
State = TypeVar("State", Tensor, np.ndarray)  # (N, 2): the angle and the velocity of N pendulums


def pendulum(y: np.ndarray) -> np.ndarray:
    """The true y', which the network has to find.  (N, 2) -> (N, 2)."""
    angle, velocity = y[:, :1], y[:, 1:]
    return np.hstack([velocity, -GRAVITY * np.sin(angle) - FRICTION * velocity])


def runge_kutta(f: Callable[[State], State], y: State, h: float) -> State:
    """y after a step of h along y' = f(y), with an error of the order h^5."""
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k3)
    y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def path(
    f: Callable[[State], State], y: State, h: float, steps: int, advance: Callable[..., State]
) -> list[State]:
    """The states at 0, h, 2 h, ..., from y on.  advance: `runge_kutta`, perhaps checkpointed."""
    states = [y]
    for _ in range(steps):
        states.append(advance(f, states[-1], h))
    return states


def released(rng: np.random.Generator, count: int, steps: int) -> np.ndarray:
    """True paths of pendulums released at random, (steps + 1, count, 2), in float64."""
    starts = rng.uniform((-2, -1), (2, 1), (count, 2))
    return np.stack(path(pendulum, starts, H / 10, 10 * steps, runge_kutta)[::10])


@no_grad()
def predicted(network: nn.Module, true: np.ndarray) -> tuple[np.ndarray, float]:
    """The network's paths from the starts of the true ones, and their relative error in percent."""
    states = path(network, Tensor(true[0].astype(np.float32)), H, len(true) - 1, runge_kutta)
    found = np.stack([y.numpy() for y in states])
    return found, 100 * float(np.linalg.norm(found - true) / np.linalg.norm(true))


def draw_paths(network: nn.Module, found: np.ndarray, true: np.ndarray, path: Path) -> None:
    """Draw the network's field of y' with three predicted paths, and their angles over time."""
    with training.figure(path, 12, 4.5) as figure:
        left, right = figure.subplots(1, 2)
        x, y = np.meshgrid(np.linspace(-2.5, 2.5, 25), np.linspace(-4, 4, 25))
        with no_grad():
            field = network(Tensor(np.stack([x, y], -1).astype(np.float32))).numpy()
        left.streamplot(x, y, field[..., 0], field[..., 1], color="lightgrey")
        for number, colour in enumerate(("#0072B2", "#E69F00", "#009E73")):
            for states, style in (true, {"color": "black"}), (found, {"color": colour, "ls": "--"}):
                left.plot(*states[:, number].T, linewidth=1.5, **style)
                right.plot(H * np.arange(len(true)), states[:, number, 0], **style)
        left.set(title="y' of the network; true (black) and predicted paths")
        left.set(xlabel="angle, radians", ylabel="velocity, radians per second")
        right.axvline(H * MEASURED, color="grey", linestyle=":")
        right.set(title="measured paths ended at the dotted line", xlabel="seconds", ylabel="angle")


def main() -> int:
    """Measure some paths, fit the network to them, and predict the paths of other pendulums."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, epochs=(EPOCHS, f"of {STEPS} steps"), lr=(LR, "learning rate of the first step"),
        target=(TARGET, "exit status 1 above this relative error in percent"), without=("data",),
        batch_size=(RELEASES, "measured paths"), capture=True, seed=(0, "of weights and paths"),
        checkpoint=(False, "save only the states, and compute the rest again in backward"),
    )  # fmt: skip
    Tensor.manual_seed(args.seed)
    network = nn.Sequential(nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2))
    rng = np.random.default_rng(args.seed)
    true, held_out = released(rng, args.batch_size, MEASURED), released(rng, 50, PREDICTED)
    start = Tensor(true[0].astype(np.float32))  # where each was released is known
    measured = Tensor((true + NOISE * rng.standard_normal(true.shape))[1:].astype(np.float32))
    adam = nn.optim.Adam(network.parameters(), args.lr)
    advance = partial(checkpoint, runge_kutta) if args.checkpoint else runge_kutta

    def step() -> Tensor:
        states = path(network, start, H, MEASURED, advance)
        loss: Tensor = ((Tensor.stack(states[1:]) - measured) ** 2).mean()
        loss.backward()
        adam.step()
        adam.zero_grad()
        return loss

    train, steps = capture(step) if args.capture else step, args.epochs * STEPS
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=STEPS, unit="steps", name="pendulum with friction",
        out=args.out, resume=args.resume, quiet=args.quiet,
        kept=["weights.safetensors", "curves.png", "paths.png"]) as report:  # fmt: skip
        report.resume(vars(args), network=network, adam=adam)
        try:
            for epoch in range(report.finished, args.epochs):
                for taken in range(report.taken, (epoch + 1) * STEPS):
                    adam.lr = args.lr * (1 - taken / steps)
                    report.step(1, loss=train().item())
                report.epoch(error_in_percent=predicted(network, held_out)[1])
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        found, error = predicted(network, held_out)
        weights, seconds = network.state_dict(), time.perf_counter() - began
        report.keep("weights.safetensors", lambda file: nn.state.safe_save(weights, file))
        report.keep("curves.png", lambda file: training.curves(report.metrics, file))
        report.keep("paths.png", lambda file: draw_paths(network, found, held_out, file))
        report.result(f"pendulum with friction: held-out error {error:.2f} % in {seconds:.1f} s")
        return report.status(error, args.target, " %", lower_is_better=True)


if __name__ == "__main__":
    raise SystemExit(training.run(main))
