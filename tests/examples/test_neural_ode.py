"""The example neural_ode.py: its integration, its gradients, its last line, its resume."""

import re

import numpy as np
import pytest
import running
from running import resumes_to_the_same_bits

import nn
from tinygrad_lite import Tensor, checkpoint

LAST_LINE = re.compile(r"pendulum with friction: held-out error \d+\.\d\d % in \d+\.\d s")
MATRIX = np.array([[-0.3, 2.0], [-2.0, -0.3]])  # y' = MATRIX y is a spiral


@pytest.fixture(scope="module")
def example():
    return running.example("neural_ode")


@pytest.fixture
def small(example, monkeypatch):
    sizes = {"HIDDEN": 4, "STEPS": 2, "MEASURED": 3, "PREDICTED": 6}
    for name, value in sizes.items():
        monkeypatch.setattr(example, name, value)
    monkeypatch.setattr(example, "draw_paths", lambda *given: given[-1].touch())  # drawing is slow
    monkeypatch.setattr(example.training, "curves", lambda metrics, file: file.touch())

    def run(*options: str) -> int:
        argv = ["neural_ode.py", "--batch-size", "4", "--no-capture", *options]
        monkeypatch.setattr("sys.argv", argv)
        status: int = example.main()
        return status

    return run


def spiral(y):
    return y @ (MATRIX.T if isinstance(y, np.ndarray) else Tensor(MATRIX.T))


def at(time: float) -> np.ndarray:
    """The spiral from (1, 0), in closed form."""
    return np.exp(-0.3 * time) * np.array([[np.cos(2 * time), -np.sin(2 * time)]])


@pytest.mark.parametrize("kind", [np.array, Tensor])
def test_runge_kutta_converges_with_order_four(example, kind):
    errors = []
    for steps in (10, 20, 40):
        start = kind(np.array([[1.0, 0.0]]))
        states = example.path(spiral, start, 2 / steps, steps, example.runge_kutta)
        assert len(states) == steps + 1
        end = states[-1].numpy() if kind is Tensor else states[-1]
        errors.append(np.abs(end - at(2.0)).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - 4).max() < 0.2


def test_the_pendulum_loses_energy_to_friction_only(example, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(example, "FRICTION", 0.0)
    angle, velocity = np.moveaxis(example.released(rng, 5, 50), -1, 0)
    energy = velocity**2 / 2 - example.GRAVITY * np.cos(angle)
    np.testing.assert_allclose(energy, np.broadcast_to(energy[0], energy.shape), atol=1e-6)
    monkeypatch.undo()
    angle, velocity = np.moveaxis(example.released(rng, 5, 50), -1, 0)
    energy = velocity**2 / 2 - example.GRAVITY * np.cos(angle)
    lost = -np.gradient(energy, example.H, axis=0)[1:-1]
    np.testing.assert_allclose(lost, example.FRICTION * velocity[1:-1] ** 2, atol=0.1)


def small_network() -> nn.Sequential:
    Tensor.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
    for parameter in network.parameters():
        parameter.data = parameter.data.astype(np.float64)
    return network


def test_gradients_through_the_integration_are_those_of_finite_differences(example):
    network, rng = small_network(), np.random.default_rng(0)
    start = Tensor(rng.uniform(-1, 1, (3, 2)), requires_grad=True)

    def loss():
        return (Tensor.stack(example.path(network, start, 0.1, 5, example.runge_kutta)) ** 2).sum()

    loss().backward()
    for leaf in (*network.parameters(), start):
        direction, before, h = rng.standard_normal(leaf.shape), leaf.data.copy(), 1e-5
        leaf.data[...] = before + h * direction
        above = loss().item()
        leaf.data[...] = before - h * direction
        slope = (above - loss().item()) / (2 * h)
        leaf.data[...] = before
        assert (leaf.grad.numpy() * direction).sum() == pytest.approx(slope, rel=1e-7)


def test_a_checkpointed_step_gives_the_same_gradients(example):
    gradients = []
    for advance in (
        example.runge_kutta,
        lambda *args: checkpoint(example.runge_kutta, *args),
    ):
        network = small_network()
        states = example.path(network, Tensor(np.array([[1.0, 0.5]])), 0.1, 5, advance)
        (states[-1] ** 2).sum().backward()
        gradients.append([parameter.grad.numpy() for parameter in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_the_last_line_and_the_status(small, capsys):
    assert small("--epochs", "1", "--quiet", "--checkpoint") == 1
    out, err = capsys.readouterr()
    assert LAST_LINE.fullmatch(out.strip())
    assert err == "that is above the target of 5 %, so the status is 1\n"
    assert small("--epochs", "1", "--quiet", "--target", "1000") == 0


def test_a_resumed_run_ends_with_the_same_bits(small, tmp_path, example):
    """Stopped in the middle of the second epoch."""
    options = ("--batch-size", 4, "--no-capture", "--epochs", 3, "--target", 1000)
    resumes_to_the_same_bits(example, tmp_path, [3], *options)
