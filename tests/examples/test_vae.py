"""The variational auto-encoder: its loss and gradient are the formulas, and its run is honest."""

import importlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from running import interrupted

import nn
from tinygrad_lite import Tensor

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LAST_LINE = re.compile(r"UCI digits: held-out nats per image (\d+\.\d\d) in \d+\.\d s")


@pytest.fixture
def vae(monkeypatch):
    """The example as a module, with a small network and few steps."""
    monkeypatch.syspath_prepend(EXAMPLES)
    module = importlib.import_module("vae")
    for name, value in {"HIDDEN": 6, "LATENT": 3, "STEPS": 3, "DRAWS": 2}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_the_terms_are_minus_log_binomial_and_the_divergence_of_normals(vae):
    """Against sums over NumPy's float64, with the logits and z that the model gave."""
    Tensor.manual_seed(0)
    model = vae.VAE(4)
    given = {}
    forward = model.forward

    def kept(x):
        given["all"] = forward(x)
        return given["all"]

    model.forward = kept
    x = np.array([[0, 16, 3, 8], [1, 0, 15, 16]], np.float32)
    ink, kl = vae.negative_elbo(model, Tensor(x), Tensor(vae.log_ways(x)))
    logits, mean, log_deviation = (t.numpy().astype(np.float64) for t in given["all"])
    p, deviation = 1 / (1 + np.exp(-logits)), np.exp(log_deviation)
    for row in range(2):
        likelihood = [
            math.comb(16, int(n)) * q**n * (1 - q) ** (16 - n)
            for n, q in zip(x[row], p[row], strict=True)
        ]
        assert ink[row].item() == pytest.approx(-np.log(likelihood).sum(), rel=1e-5)
    # KL by numerical integration of q log(q / p) over each axis.
    z = np.linspace(-12, 12, 20001)
    q = np.exp(-0.5 * ((z - mean[..., None]) / deviation[..., None]) ** 2)
    q /= deviation[..., None] * math.sqrt(2 * math.pi)
    log_ratio = np.log(np.maximum(q, 1e-300)) + 0.5 * z**2 + 0.5 * math.log(2 * math.pi)
    integral = (q * log_ratio).sum(axis=2) * (z[1] - z[0])
    np.testing.assert_allclose(kl.numpy(), integral.sum(axis=1), rtol=1e-4)


def test_the_gradient_goes_through_the_sample(vae):
    """The derivative of the loss with respect to each parameter is a difference quotient.

    With the noise repeated, the loss is a function of the parameters.  A detached mean or deviation
    leaves the encoder the gradient of the divergence alone.
    """
    Tensor.manual_seed(1)
    model = vae.VAE(4)
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    x = Tensor(np.array([[0, 16, 3, 8], [1, 0, 15, 16]], np.float64))

    def loss():
        Tensor.manual_seed(5)
        ink, kl = vae.negative_elbo(model, x, Tensor(np.zeros(2)))
        return ink.sum() + kl.sum()

    loss().backward()
    rng, step = np.random.default_rng(0), 1e-6
    for parameter in model.parameters():
        direction = rng.normal(size=parameter.shape)
        kept = parameter.data
        ends = []
        for sign in (1, -1):
            parameter.data = kept + sign * step * direction
            ends.append(loss().item())
        parameter.data = kept
        quotient = (ends[0] - ends[1]) / (2 * step)
        assert (parameter.grad.numpy() * direction).sum() == pytest.approx(quotient, rel=1e-5)


def test_the_ways_to_place_ink_are_binomial_coefficients(vae):
    np.testing.assert_allclose(vae.log_ways(np.array([[0, 7, 8, 16]])), math.log(11440 * 12870))


def run(vae, monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["vae.py", "--batch-size", "8", *map(str, arguments)])
    status = vae.main()
    out, err = capsys.readouterr()
    return status, out, err


def test_a_run_resumes_to_the_same_bits_and_is_judged(vae, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(vae.training, "curves", lambda *arguments, **options: None)
    drawn = []
    monkeypatch.setattr(
        vae.training, "samples", lambda images, path, **options: drawn.append((images, path.name))
    )
    learnt_from, loader = [], nn.data.DataLoader
    monkeypatch.setattr(
        nn.data, "DataLoader", lambda X, *a, **o: learnt_from.append(X) or loader(X, *a, **o)
    )
    common = ("--epochs", 2, "--out", tmp_path / "whole")
    status, out, err = run(vae, monkeypatch, capsys, *common)
    last = LAST_LINE.fullmatch(out.splitlines()[-1])
    assert last
    assert float(last[1]) > vae.TARGET
    assert status == 1
    assert "that is above the target of" in err
    assert [(images.shape, name) for images, name in drawn] == [
        ((100, 8, 8), "samples.png"),
        ((20, 8, 8), "reconstructions.png"),
    ]
    assert len(learnt_from[0]) == 1500
    known = {image.tobytes() for image in learnt_from[0]}
    held_out = (16 * drawn[1][0].numpy()[:10]).reshape(10, 64)
    assert sum(image.tobytes() in known for image in held_out) == 0

    # The same, stopped in the second epoch.
    args = ("--epochs", 2, "--out", tmp_path / "parts", "--target", 1e6)
    with monkeypatch.context() as patch:
        interrupted(patch, 4)  # in the second epoch
        run(vae, monkeypatch, capsys, *args)
    status, out, _ = run(vae, monkeypatch, capsys, *args, "--resume")
    assert status == 0
    assert LAST_LINE.fullmatch(out.splitlines()[-1])[1] == last[1]
    whole, parts = (
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts
