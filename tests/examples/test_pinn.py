"""The example pinn.py: its exact solution, its residual, its last line, its resume."""

import re

import numpy as np
import pytest
import running
from running import resumes_to_the_same_bits

import nn
from tinygrad_lite import Tensor

LAST_LINE = re.compile(r"Burgers' equation: relative error (\d+\.\d\d) % in \d+\.\d s")


@pytest.fixture(scope="module")
def example():
    return running.example("pinn")


@pytest.fixture
def small(example, monkeypatch):
    monkeypatch.setattr(example, "ITERATIONS", 2)
    monkeypatch.setattr(example, "STEPS", 2)
    monkeypatch.setattr(example, "NODES", 20)
    # Drawing is slow.
    monkeypatch.setattr(example, "draw_solution", lambda *given: given[-1].touch())
    monkeypatch.setattr(example.training, "curves", lambda metrics, path: path.touch())

    def run(*options: str) -> int:
        argv = ["pinn.py", "--batch-size", "30", "--no-capture", *options]
        monkeypatch.setattr("sys.argv", argv)
        status: int = example.main()
        return status

    return run


def burgers(u, x, t, nu, h):
    """The residual of the equation by central differences of sixth order."""
    first = np.array([-1, 9, -45, 0, 45, -9, 1]) / (60 * h)
    second = np.array([2, -27, 270, -490, 270, -27, 2]) / (180 * h * h)
    along_x = np.stack([u(x + k * h, t) for k in range(-3, 4)])
    along_t = np.stack([u(x, t + k * h) for k in range(-3, 4)])
    u_x, u_xx, u_t = first @ along_x, second @ along_x, first @ along_t
    return u_t + along_x[3] * u_x - nu * u_xx, np.abs(u_t) + np.abs(along_x[3] * u_x)


def test_the_exact_solution_satisfies_the_equation_and_its_conditions(example):
    rng = np.random.default_rng(0)
    x, t = rng.uniform(-0.99, 0.99, 300), rng.uniform(0.02, 0.98, 300)
    wrong, size = burgers(example.exact, x, t, example.NU, 1e-3)
    assert np.abs(wrong).max() < 1e-6 * size.max()
    wrong, _ = burgers(example.exact, x, t, 1.001 * example.NU, 1e-3)
    assert np.abs(wrong).max() > 1e-4 * size.max()
    np.testing.assert_allclose(
        example.exact(x, np.full(300, 1e-12)), -np.sin(np.pi * x), rtol=0, atol=1e-10
    )
    for end in (-1.0, 1.0):
        assert np.abs(example.exact(np.full(300, end), t)).max() < 1e-14


def test_the_number_of_nodes_is_enough(example, monkeypatch):
    x, t = np.meshgrid(np.linspace(-1, 1, 41), [0.01, 0.3, 0.5, 1.0])
    few = example.exact(x, t)
    monkeypatch.setattr(example, "NODES", 180)
    np.testing.assert_allclose(few, example.exact(x, t), rtol=0, atol=1e-9)


def in_double(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    return model


def test_the_residual_is_that_of_finite_differences(example):
    Tensor.manual_seed(0)
    model = in_double(example.Solution())
    rng = np.random.default_rng(0)
    x, t = rng.uniform(-1, 1, 50), rng.uniform(0, 1, 50)

    def u(x, t):
        return model(Tensor(x[:, None]), Tensor(t[:, None])).numpy()[:, 0]

    columns = [Tensor(each[:, None], requires_grad=True) for each in (x, t)]
    expected, _ = burgers(u, x, t, example.NU, 1e-2)
    found = example.residual(model, *columns).numpy()[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
    ends = np.tile([-1.0, 1.0], 25)
    assert np.abs(u(ends, t)).max() < 1e-15
    np.testing.assert_array_equal(u(x, 0 * t), -np.sin(np.pi * x))


def test_the_gradient_of_the_loss_is_that_of_finite_differences(example):
    Tensor.manual_seed(0)
    model = in_double(example.Solution(5))
    rng = np.random.default_rng(0)
    points = [Tensor(rng.uniform(0, 1, (20, 1)), requires_grad=True) for _ in range(2)]

    def loss():
        return (example.residual(model, *points) ** 2).mean()

    loss().backward()
    for parameter in model.parameters():
        direction = rng.standard_normal(parameter.shape)
        before, h = parameter.data.copy(), 1e-5
        parameter.data[...] = before + h * direction
        above = loss().item()
        parameter.data[...] = before - h * direction
        slope = (above - loss().item()) / (2 * h)
        parameter.data[...] = before
        assert (parameter.grad.numpy() * direction).sum() == pytest.approx(slope, rel=1e-6)


def test_the_last_line_and_the_status(small, capsys):
    assert small("--epochs", "1", "--quiet") == 1
    out, err = capsys.readouterr()
    found = LAST_LINE.fullmatch(out.strip())
    assert found
    assert err == "that is above the target of 0.5 %, so the status is 1\n"
    assert small("--epochs", "1", "--quiet", "--target", "1000") == 0


def test_a_resumed_run_ends_with_the_same_bits(small, tmp_path, example):
    """Stopped in the middle of the second epoch."""
    options = ("--batch-size", 30, "--no-capture", "--epochs", 3, "--target", 1000)
    resumes_to_the_same_bits(example, tmp_path, [3], *options)
