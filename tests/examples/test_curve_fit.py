"""The fit of a curve: its formulas, its standard errors, a resume, and wrong derivatives."""

import re

import numpy as np
import pytest
from running import example, resumes_to_the_same_bits, status_of, without_pictures

from tinygrad_lite import Tensor, hessian, ops

fit = example("curve_fit")
LAST_LINE = re.compile(
    r"damped oscillation: worst parameter (\d+\.\d\d|nan) standard errors off in \d+\.\d s\n"
)


def nll(theta: np.ndarray, time: np.ndarray, measured: np.ndarray) -> float:
    amplitude, decay, frequency, phase = theta
    curve = amplitude * np.exp(-time / decay) * np.cos(2 * np.pi * frequency * time + phase)
    return float(((measured - curve) ** 2).sum() / (2 * fit.NOISE**2))


def test_the_likelihood_is_its_formula():
    time, measured = fit.measurements(3)
    theta = np.array([1.5, 3.0, 0.7, 0.1])
    found = fit.negative_log_likelihood(Tensor(theta), time, measured).item()
    assert found == pytest.approx(nll(theta, time.numpy(), measured.numpy()), rel=1e-12)
    assert (time[0].item(), time[-1].item(), len(time)) == (0, fit.SECONDS, fit.POINTS)
    assert time.dtype == measured.dtype == np.float64


def test_the_points_scatter_around_the_true_curve_by_the_noise():
    off = [
        measured.numpy() - fit.curve(time, Tensor(np.array(fit.TRUTH))).numpy()
        for time, measured in map(fit.measurements, range(20))
    ]
    assert np.std(off) == pytest.approx(fit.NOISE, rel=0.05)


def test_the_hessian_is_that_of_finite_differences():
    time, measured = fit.measurements(0)
    theta, steps = np.array(fit.TRUTH), 1e-4 * np.eye(4)
    found = hessian(lambda x: fit.negative_log_likelihood(x, time, measured), Tensor(theta)).numpy()

    def at(shift: np.ndarray) -> float:
        return nll(theta + shift, time.numpy(), measured.numpy())

    expected = [
        [(at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / 4e-8 for b in steps] for a in steps
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


def test_rises_of_a_parabola(monkeypatch):
    """Of x^2 + a cubic term, which the mean over both directions leaves out."""
    monkeypatch.setattr(
        fit, "negative_log_likelihood", lambda theta, *_: (theta**2 + theta**3).sum()
    )
    shifts = np.array([[1.0, 0.0], [1.0, 2.0]])
    found = fit.rises(Tensor(np.zeros(2)), shifts, Tensor(0), Tensor(0))
    assert found.tolist() == [1, 5]


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_parameters(capsys, seed):
    assert status_of(fit, "--seed", seed) == 0
    *_, title, amplitude, decay, frequency, phase, last = capsys.readouterr().out.splitlines(True)
    assert "standard error" in title
    offs = []
    for line, name, true in zip(
        (amplitude, decay, frequency, phase), fit.NAMES, fit.TRUTH, strict=True
    ):
        words = line.removeprefix(name).split()
        found, error, off = float(words[0]), float(words[2]), float(words[5])
        assert float(words[4]) == true
        assert abs(found - true) == pytest.approx(off * error, abs=0.006 * error + 1e-4)
        assert float(words[7]) == pytest.approx(0.5, abs=0.01)
        offs.append(off)
    assert float(LAST_LINE.fullmatch(last)[1]) == max(offs) < 4


@pytest.mark.parametrize("op", [ops.Exp, ops.Cos, ops.Div])
def test_a_derivative_that_is_half_the_right_one_misses_a_target(monkeypatch, capsys, op):
    right = op.backward

    def halved(self, g, y, *inputs):
        return tuple(None if each is None else each * 0.5 for each in right(self, g, y, *inputs))

    monkeypatch.setattr(op, "backward", halved)
    assert status_of(fit, "--quiet") == 1
    out, err = capsys.readouterr()
    assert LAST_LINE.fullmatch(out)
    assert err.endswith("that is above the target of 2 % off a rise of 1/2, so the status is 1\n")


def test_where_there_is_no_minimum_the_status_is_1(monkeypatch, capsys):
    monkeypatch.setattr(fit, "START", (-1.0, 3.0, 0.55, 0.0))
    assert status_of(fit, "--quiet", "--epochs", 1) == 1
    assert LAST_LINE.fullmatch(capsys.readouterr().out)


def test_a_resume_gives_the_same_bits(tmp_path, monkeypatch):
    without_pictures(monkeypatch, fit, "draw_fit")
    resumes_to_the_same_bits(fit, tmp_path, [1, 3])


def test_the_picture_of_the_fit(tmp_path):
    fit.draw_fit(Tensor(np.array(fit.START)), *fit.measurements(0), tmp_path / "fit.png")
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")
