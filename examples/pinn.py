"""A network learns to solve Burgers' equation, a shock wave, from the equation alone.

    python examples/pinn.py --out runs/burgers  # after Ctrl-C: the same, --resume

    u_t + u u_x = nu u_xx,  u(x, 0) = -sin(pi x),  u(-1, t) = u(1, t) = 0

A physics-informed network (Raissi et al. 2019) has no data: its loss is the equation.  The
derivatives u_t, u_x and u_xx are exact, by `grad(..., create_graph=True)`, and the loss is
differentiated once more, with respect to the weights.  The exact solution is used to test.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from pathlib import Path

import numpy as np

import nn
from nn import training
from tinygrad_lite import Tensor, capture, grad, no_grad

NU = 0.03 / np.pi  # viscosity: the smaller, the thinner the shock
WIDTH = 20  # of each of the four hidden layers
POINTS = 3000  # random points (x, t) at which the equation has to hold
EPOCHS = 25  # evaluations against the exact solution
STEPS = 4  # calls of the optimiser between two of them
ITERATIONS = 25  # of L-BFGS in one call
LR = 1.0  # length of the step that a line search tries first
NODES = 100  # of the quadrature for the exact solution
TARGET = 0.5  # percent of error, relative to the exact solution in the L2 norm


class Solution(nn.Module):
    """u(x, t) = -sin(pi x) + t (1 - x^2) network(x, t).  x, t: (N, 1) -> (N, 1).

    So u has its initial and boundary values, whatever the network says (Lagaris et al. 1998).
    """

    def __init__(self, width: int = WIDTH) -> None:
        layers = [nn.Linear(2, width), *(nn.Linear(width, width) for _ in range(3))]
        for layer in layers:
            nn.init.xavier_normal_(layer.weight)
        hidden = [module for layer in layers for module in (layer, nn.Tanh())]
        self.network = nn.Sequential(*hidden, nn.Linear(width, 1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The value at each point."""
        network: Tensor = self.network(x.cat(t, axis=1))
        return t * (1 - x * x) * network - (np.pi * x).sin()


def residual(model: Solution, x: Tensor, t: Tensor) -> Tensor:
    """u_t + u u_x - nu u_xx, which is 0 where the equation holds.  x, t: (N, 1) -> (N, 1)."""
    u = model(x, t)  # u[i] depends on x[i] and t[i] only, so the sum's gradient has each slope
    u_x, u_t = grad(u.sum(), (x, t), create_graph=True)
    (u_xx,) = grad(u_x.sum(), x, create_graph=True)
    return u_t + u * u_x - NU * u_xx


def exact(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The solution of Cole and Hopf, in float64.  x, t: any one shape, t > 0.

    u = -E[f(y) sin(pi y)] / E[f(y)],  f(y) = exp(-cos(pi y) / (2 pi nu)),  y = x - 2 sqrt(nu t) z,
    where z has the density exp(-z^2) / sqrt(pi): Gauss-Hermite quadrature (Basdevant et al. 1986).
    """
    z, weights = np.polynomial.hermite.hermgauss(NODES)
    y = x[..., None] - 2 * np.sqrt(NU * t)[..., None] * z
    f = np.exp(-np.cos(np.pi * y) / (2 * np.pi * NU))
    return -((f * np.sin(np.pi * y)) @ weights) / (f @ weights)


def column(values: np.ndarray, requires_grad: bool = False) -> Tensor:
    """Numbers as a column (N, 1) in single precision, one point in each row."""
    return Tensor(values.astype(np.float32).reshape(-1, 1), requires_grad=requires_grad)


@no_grad()
def compared(model: Solution, x: Tensor, t: Tensor, true: np.ndarray) -> tuple[np.ndarray, float]:
    """The network's u at the points of the exact one, and its relative error in percent."""
    u = model(x, t).numpy().reshape(true.shape)
    return u, 100 * float(np.linalg.norm(u - true) / np.linalg.norm(true))


def draw_solution(x: np.ndarray, u: np.ndarray, true: np.ndarray, path: Path) -> None:
    """Draw the network's u(x, t) as an image, and at three times beside the exact solution."""
    with training.figure(path, 12, 3) as figure:
        left, *others = figure.subplots(1, 4, width_ratios=(2, 1, 1, 1))
        shown = left.imshow(u.T, cmap="RdBu_r", origin="lower", aspect="auto", extent=(0, 1, -1, 1))
        left.set(title="u(x, t) of the network", xlabel="t", ylabel="x")
        figure.colorbar(shown, ax=left)
        for axes, row in zip(others, (24, 49, 99), strict=True):
            axes.plot(x, true[row], color="black", linewidth=1, label="exact")
            axes.plot(x, u[row], "--", color="#D55E00", linewidth=2, label="network")
            axes.set(title=f"t = {(row + 1) / 100}", xlabel="x", ylim=(-1.1, 1.1))
        others[0].legend(loc="lower left", fontsize=8)


def main() -> int:
    """Choose points, let L-BFGS make the residual small there, and compare with the solution."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, batch_size=(POINTS, "points at which the equation has to hold"), capture=True,
        epochs=(EPOCHS, f"of {STEPS * ITERATIONS} iterations"), lr=(LR, "first length of a step"),
        target=(TARGET, "exit status 1 above this relative error in percent"),
        seed=(0, "of the initial weights and of the points"), without=("data",),
    )  # fmt: skip
    Tensor.manual_seed(args.seed)
    model, rng = Solution(), np.random.default_rng(args.seed)
    x, t = (column(rng.uniform(low, 1, args.batch_size), requires_grad=True) for low in (-1, 0))
    grid = np.meshgrid(np.linspace(-1, 1, 201), np.arange(1, 101) / 100)  # x, t: (100, 201)
    test = column(grid[0]), column(grid[1]), exact(*grid)
    lbfgs = nn.optim.LBFGS(
        model.parameters(), args.lr, ITERATIONS, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss_and_gradients() -> Tensor:
        lbfgs.zero_grad()
        loss = (residual(model, x, t) ** 2).mean()
        loss.backward()
        return loss

    closure = capture(loss_and_gradients) if args.capture else loss_and_gradients
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=STEPS * ITERATIONS, unit="iterations", every=1,
        name="Burgers' equation", out=args.out, resume=args.resume, quiet=args.quiet,
        kept=["weights.safetensors", "curves.png", "solution.png"]) as report:  # fmt: skip
        report.resume(vars(args), model=model, lbfgs=lbfgs)
        try:
            for epoch in range(report.finished, args.epochs):
                for _ in range(report.taken, (epoch + 1) * STEPS):
                    report.step(ITERATIONS, loss=lbfgs.step(closure))
                report.epoch(error_in_percent=compared(model, *test)[1])
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        u, error = compared(model, *test)
        weights, seconds = model.state_dict(), time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("solution.png", lambda path: draw_solution(grid[0][0], u, test[2], path))
        report.result(f"Burgers' equation: relative error {error:.2f} % in {seconds:.1f} s")
        return report.status(error, args.target, " %", lower_is_better=True)


if __name__ == "__main__":
    raise SystemExit(training.run(main))
