"""Two networks against each other: their losses, which gradient each one gets, and the judge."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from running import interrupted

import nn
from tinygrad_lite import Tensor

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LAST_LINE = re.compile(
    r"UCI digits: accuracy on real images after learning from drawn ones (\d+\.\d\d) % in \d+\.\d s"
)


@pytest.fixture
def gan(monkeypatch):
    """The example as a module, with small networks and few steps."""
    monkeypatch.syspath_prepend(EXAMPLES)
    module = importlib.import_module("gan")
    for name, value in {"HIDDEN": 6, "NOISE": 3, "STEPS": 3, "JUDGE_STEPS": 2}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_the_losses_and_their_gradients_are_the_formulas(gan):
    """-log p and -log(1 - p) in float64, with p = sigmoid(logit); their slopes are p - 1 and p."""
    real = Tensor([[-2.0], [0.5], [3.0]], requires_grad=True)
    drawn = Tensor([[-1.0], [4.0]], requires_grad=True)
    p, q = (
        1 / (1 + np.exp(-x.numpy().astype(np.float64))) for x in (real.detach(), drawn.detach())
    )
    loss = gan.discriminator_loss(real, drawn)
    assert loss.item() == pytest.approx(-np.log(p).mean() - np.log(1 - q).mean(), rel=1e-6)
    loss.backward()
    np.testing.assert_allclose(real.grad.numpy(), (p - 1) / 3, rtol=1e-5)
    np.testing.assert_allclose(drawn.grad.numpy(), q / 2, rtol=1e-5)
    drawn.grad = None
    loss = gan.generator_loss(drawn)
    assert loss.item() == pytest.approx(-np.log(q).mean(), rel=1e-6)
    loss.backward()
    np.testing.assert_allclose(drawn.grad.numpy(), (q - 1) / 2, rtol=1e-5)


def test_an_image_depends_on_its_digit_and_on_noise(gan):
    Tensor.manual_seed(0)
    generator, digits = gan.mlp(gan.NOISE + 10, 4), Tensor(gan.ONE_HOT[[3, 3, 8]])
    images = gan.draw(generator, digits).detach().numpy()
    assert images.shape == (3, 4)
    assert ((images > 0) & (images < 1)).all()
    assert not np.array_equal(images[0], images[1])
    Tensor.manual_seed(1)
    given = np.concatenate([Tensor.randn(3, gan.NOISE).numpy(), digits.numpy()], axis=1)
    Tensor.manual_seed(1)
    expected = generator(Tensor(given)).sigmoid().detach().numpy()
    np.testing.assert_allclose(gan.draw(generator, digits).detach().numpy(), expected, rtol=1e-6)


def test_the_judge_learns_from_what_is_drawn_alone(gan, monkeypatch):
    """Digits drawn as bright pixels teach it all; digits drawn as their neighbours, nothing."""
    monkeypatch.setattr(gan, "HIDDEN", 32)
    monkeypatch.setattr(gan, "JUDGE_STEPS", 60)
    pixels = Tensor(9 * np.eye(10, 64, dtype=np.float32))
    Tensor.manual_seed(0)
    for shift, score in ((0, 100.0), (1, 0.0)):
        monkeypatch.setattr(gan, "draw", lambda _, digits, k=shift: digits.roll(k, 1) @ pixels)
        assert gan.judgement(None, pixels.numpy(), np.arange(10)) == score


def run(gan, monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["gan.py", "--batch-size", "8", *map(str, arguments)])
    status = gan.main()
    out, err = capsys.readouterr()
    return status, out, err


def test_a_run_resumes_to_the_same_bits_and_is_judged(gan, monkeypatch, capsys, tmp_path):
    drawn = []
    monkeypatch.setattr(gan.training, "curves", lambda *arguments: None)
    monkeypatch.setattr(gan.training, "samples", lambda images, *_, **__: drawn.append(images))
    status, out, err = run(gan, monkeypatch, capsys, "--epochs", 2, "--out", tmp_path / "whole")
    last = LAST_LINE.fullmatch(out.splitlines()[-1])
    assert last
    assert float(last[1]) < gan.TARGET
    assert status == 1
    assert "that is below the target of" in err
    assert drawn[0].shape == (100, 8, 8)

    args = ("--epochs", 2, "--out", tmp_path / "parts", "--target", 0)
    with monkeypatch.context() as patch:
        interrupted(patch, 4)  # in the second epoch
        run(gan, monkeypatch, capsys, *args)
    status, out, _ = run(gan, monkeypatch, capsys, *args, "--resume")
    assert status == 0
    assert LAST_LINE.fullmatch(out.splitlines()[-1])[1] == last[1]
    whole, parts = (
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts


def test_the_discriminator_steps_with_the_gradient_of_its_own_loss(gan, monkeypatch, capsys):
    """In the second step too: what the generator's loss left in it is gone by then."""
    gradients, logits = [], []
    step, loss_of = nn.optim.Adam.step, gan.discriminator_loss

    def watched(self, *arguments):
        gradients.append([p.grad.numpy().copy() for p in self.params])
        return step(self, *arguments)

    monkeypatch.setattr(gan, "discriminator_loss", lambda *x: logits.append(x) or loss_of(*x))
    monkeypatch.setattr(nn.optim.Adam, "step", watched)
    monkeypatch.setattr(gan, "JUDGE_STEPS", 0)
    run(gan, monkeypatch, capsys, "--epochs", 1, "--target", 0)
    assert len(gradients) == 2 * len(logits) == 6  # the discriminator's, the generator's, ...
    for found, two in zip(gradients[::2], logits, strict=True):
        # With respect to the last bias, the gradient is the sum of those of the logits.
        real, drawn = (1 / (1 + np.exp(-x.detach().numpy().astype(float))) for x in two)
        assert found[-1].item() == pytest.approx((real - 1).mean() + drawn.mean(), rel=1e-4)
