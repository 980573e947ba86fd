"""A damped oscillation is fitted to noisy points, and each parameter gets its standard error.

    python examples/curve_fit.py --out runs/fit  # and look at runs/fit/fit.png

There is no network here: the four parameters of a formula are one Tensor. LBFGS finds the minimum
of the negative log likelihood; the inverse of the Hessian there is the covariance matrix of the
parameters, and the roots of its diagonal are their standard errors.

One standard error away from the minimum, the negative log likelihood is 1/2 higher. The program
tries that out, which takes no derivative, so wrong derivatives do not pass.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from pathlib import Path

import numpy as np

import nn
from nn import training
from tinygrad_lite import Tensor, hessian, no_grad

POINTS = 200  # number of measurements, at equal distances in time
SECONDS = 10.0  # time from the first to the last of them
NOISE = 0.2  # standard deviation of one measurement, in mm
NAMES = "amplitude", "decay time", "frequency", "phase"  # of the parameters
UNITS = "mm", "s", "Hz", "rad"  # of each
TRUTH = (2.0, 4.0, 0.6, 0.5)  # what the points are made with; the fit does not see it
START = (1.0, 3.0, 0.55, 0.0)  # read off the points; from too far away it finds another minimum
EPOCHS = 4  # calls of LBFGS, each of up to 20 steps
TARGET = 4.0  # standard errors by which the worst parameter may miss its true value
RISE_TARGET = 2.0  # percentage by which the rise of 1/2 may be missed


def curve(t: Tensor, theta: Tensor) -> Tensor:
    """amplitude exp(-t / decay time) cos(2 pi frequency t + phase).  (N,), (4,) -> (N,)."""
    amplitude, decay, frequency, phase = theta
    return amplitude * (-t / decay).exp() * (2 * np.pi * frequency * t + phase).cos()


def negative_log_likelihood(theta: Tensor, t: Tensor, measured: Tensor) -> Tensor:
    """-log p = the sum of (measured - curve)^2 / (2 NOISE^2), plus a constant: normal noise."""
    return ((measured - curve(t, theta)) / NOISE).square().sum() / 2


def measurements(seed: int) -> tuple[Tensor, Tensor]:
    """Times and measured values; float64 as arrays have it, for an accurate minimum."""
    t = Tensor(np.linspace(0, SECONDS, POINTS))
    noise = np.random.default_rng(seed).normal(0, NOISE, POINTS)
    return t, curve(t, Tensor(np.array(TRUTH))) + noise


@no_grad()
def rises(theta: Tensor, shifts: np.ndarray, t: Tensor, measured: Tensor) -> np.ndarray:
    """By how much -log p rises with each shift of all parameters: the mean over both directions."""
    middle, *moved = (
        negative_log_likelihood(theta + shift, t, measured).item()
        for shift in (np.zeros(len(theta)), *shifts, *-shifts)
    )
    both = np.reshape(moved, (2, len(shifts))) - middle
    return np.asarray(both.mean(axis=0))


@no_grad()
def draw_fit(theta: Tensor, t: Tensor, measured: Tensor, path: Path) -> None:
    """The points, the fitted curve and the true one."""
    with training.figure(path, 7, 4) as figure:
        axes = figure.add_subplot(xlabel="time in s", ylabel="displacement in mm")
        axes.plot(t.numpy(), measured.numpy(), ".", color="0.5", label="measured")
        axes.plot(t.numpy(), curve(t, Tensor(np.array(TRUTH))).numpy(), "k--", label="true")
        axes.plot(t.numpy(), curve(t, theta).numpy(), color="#0072B2", label="fitted")
        axes.legend()


def main() -> int:
    """Fit, compute the standard errors, and compare with the truth."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, without=("batch_size", "lr", "data"),
        epochs=(EPOCHS, "calls of LBFGS, each of up to 20 steps"), seed=(0, "of the noise"),
        target=(TARGET, "exit status 1 above this many standard errors"),
    )  # fmt: skip
    t, measured = measurements(args.seed)
    theta = Tensor(np.array(START), requires_grad=True)
    lbfgs = nn.optim.LBFGS([theta], line_search_fn="strong_wolfe")

    def loss_of(theta: Tensor) -> Tensor:
        return negative_log_likelihood(theta, t, measured)

    def closure() -> Tensor:
        lbfgs.zero_grad()
        loss = loss_of(theta)
        loss.backward()
        return loss

    with training.Report(
        epochs=args.epochs, steps=1, rows=POINTS, unit="points", name="damped oscillation",
        out=args.out, resume=args.resume, quiet=args.quiet, kept=["weights.safetensors", "fit.png"],
    ) as report:  # fmt: skip
        report.resume(vars(args), theta=theta, lbfgs=lbfgs)
        try:
            for epoch in range(report.finished, args.epochs):
                for _ in range(report.taken, epoch + 1):  # none if Ctrl-C came during this step
                    lbfgs.step(closure)
                    report.step(POINTS)
                report.epoch(loss=loss_of(theta))
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the parameters as they are")
        covariance = np.linalg.inv(hessian(loss_of, theta).numpy())
        with np.errstate(invalid="ignore"):  # a negative variance, if this is no minimum, gives nan
            errors = np.sqrt(np.diag(covariance))
        off = np.abs(theta.numpy() - TRUTH) / errors
        # Row i of this matrix moves parameter i by its standard error, and the others to where
        # they fit best to that.
        rise = rises(theta, covariance / errors[:, None], t, measured)
        seconds = time.perf_counter() - began
        report.say("               fitted    standard error     true   off by   -log p rises by")
        for row in zip(NAMES, theta.tolist(), errors, UNITS, TRUTH, off, rise, strict=True):
            report.say("{:<11} {:9.4f} +- {:.4f} {:<4} {:12.4f} {:6.2f} s.e. {:10.4f}".format(*row))
        report.keep("weights.safetensors", lambda path: nn.state.safe_save({"theta": theta}, path))
        report.keep("fit.png", lambda path: draw_fit(theta, t, measured, path))
        report.result(
            f"damped oscillation: worst parameter {off.max():.2f} standard errors off in "
            f"{seconds:.1f} s"
        )
        rise_off = 100 * np.abs(rise / 0.5 - 1).max()
        return max(
            report.status(off.max(), args.target, " standard errors", lower_is_better=True),
            report.status(rise_off, RISE_TARGET, " % off a rise of 1/2", lower_is_better=True),
        )


if __name__ == "__main__":
    raise SystemExit(training.run(main))
