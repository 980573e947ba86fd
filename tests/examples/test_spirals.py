"""The spirals: their points, the last line, a resume, and gradients that are wrong."""

import re

import numpy as np
import pytest
from running import example, resumes_to_the_same_bits, status_of, without_pictures

from tinygrad_lite import Tensor, ops

spirals = example("spirals")
LAST_LINE = re.compile(r"two spirals: held-out accuracy (\d+\.\d\d) % in \d+\.\d s\n")


def test_the_points_are_those_of_lang_and_witbrock():
    points, classes = spirals.spirals(np.arange(97))
    expected = []
    for i in range(97):
        angle, radius = i * np.pi / 16, 6.5 * (104 - i) / 104
        expected.append([radius * np.sin(angle), radius * np.cos(angle)])
    np.testing.assert_allclose(points.numpy()[:97], expected, atol=1e-6)
    np.testing.assert_array_equal(points.numpy()[97:], -points.numpy()[:97])
    assert classes.tolist() == [1.0] * 97 + [0.0] * 97


def test_no_held_out_point_is_among_those_to_train_on():
    points = spirals.spirals(np.arange(97))[0].numpy()
    between = np.concatenate([np.arange(96) + shift for shift in spirals.BETWEEN])
    held_out = spirals.spirals(between)[0].numpy()
    distance = np.linalg.norm(held_out[:, None] - points[None], axis=-1)
    assert held_out.shape == (2 * 3 * 96, 2)
    assert 0.02 < distance.min() < distance.min(axis=1).max() < 1


def test_the_network_is_its_formula():
    Tensor.manual_seed(0)
    model = spirals.Network().double()
    x = np.random.default_rng(0).normal(size=(5, 2))
    W1, b1, W2, b2, W3, b3 = (each.numpy() for each in model.parameters())
    expected = np.sin(np.sin(x @ W1.T + b1) @ W2.T + b2) @ W3[0] + b3
    np.testing.assert_allclose(model(Tensor(x)).numpy(), expected, rtol=1e-12)


def test_it_learns_the_held_out_points(capsys):
    assert status_of(spirals, "--quiet") == 0
    out, err = capsys.readouterr()
    assert float(LAST_LINE.fullmatch(out)[1]) >= 99
    assert err == ""


@pytest.mark.parametrize("op", [ops.Linear, ops.Sin], ids=["of a layer's input", "of the sine"])
def test_a_gradient_with_the_wrong_sign_misses_the_target(monkeypatch, capsys, op):
    right = op.backward

    def wrong(self, g, y, *inputs):
        first, *others = right(self, g, y, *inputs)
        return None if first is None else -first, *others

    monkeypatch.setattr(op, "backward", wrong)
    assert status_of(spirals, "--quiet", "--epochs", 4) == 1
    out, err = capsys.readouterr()
    assert float(LAST_LINE.fullmatch(out)[1]) < 90
    assert err == "that is below the target of 99 %, so the status is 1\n"


def test_a_resume_gives_the_same_bits(tmp_path, monkeypatch):
    """Also where Ctrl-C comes in the last step of an epoch, before its evaluation."""
    monkeypatch.setattr(spirals, "STEPS", 4)
    without_pictures(monkeypatch, spirals, "draw_boundary")
    resumes_to_the_same_bits(spirals, tmp_path, [3, 4, 9], "--epochs", 3)


def test_the_picture_of_the_boundary(tmp_path):
    spirals.draw_boundary(spirals.Network(), *spirals.spirals(np.arange(9)), tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
