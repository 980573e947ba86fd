"""The model of one's own: its formula, its parts, the last line, and wrong gradients."""

import re

import numpy as np
import pytest
from running import example, resumes_to_the_same_bits, status_of

import nn
from nn import training
from tinygrad_lite import Tensor, ops

custom = example("custom_model")
LAST_LINE = re.compile(r"UCI digits: test accuracy (\d+\.\d\d) % in \d+\.\d s\n")


@pytest.fixture
def few_images(monkeypatch):
    X, Y, X_test, Y_test = nn.datasets.digits()
    monkeypatch.setattr(nn.datasets, "digits", lambda: (X[:100], Y[:100], X_test, Y_test))


def convolved(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """3x3 with padding 1, written out."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight)


def test_the_network_is_its_formula():
    Tensor.manual_seed(0)
    model = custom.Network(3.0).double()
    x = np.random.default_rng(0).uniform(0, 16, (2, 1, 8, 8))
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    hidden = convolved((x - 3) / 16, state["edges.weight"])
    hidden = convolved(hidden, state["mix.weight"]) + state["mix.bias"][:, None, None]
    hidden = np.maximum(hidden, 0)
    for number in (0, 1):
        inner = convolved(hidden, state["blocks.0.conv.weight"])
        inner = np.maximum(inner + state["blocks.0.conv.bias"][:, None, None], 0)
        hidden = hidden + state[f"blocks.{number}.gain"] * inner
        if number == 0:
            hidden = hidden.reshape(2, -1, 4, 2, 4, 2).max(axis=(3, 5))
    expected = hidden.reshape(2, -1) @ state["head.weight"].T + state["head.bias"]
    np.testing.assert_allclose(model(Tensor(x)).numpy(), expected, rtol=1e-10)


def test_what_is_shared_frozen_and_saved():
    model = custom.Network()
    first, second = model.blocks
    assert first.conv is second.conv
    assert first.gain is not second.gain
    named = dict(model.named_parameters())
    assert [name for name, weight in named.items() if not weight.requires_grad] == ["edges.weight"]
    trained = [x for name, x in named.items() if name.startswith(tuple(custom.RATES))]
    assert len(trained) == len(named) - 1
    assert {"centre.mean", "edges.weight", "blocks.1.conv.weight"} <= model.state_dict().keys()
    assert "blocks.1.conv.weight" not in named


@pytest.mark.parametrize("factor", [0.5, 0.0])
@pytest.mark.parametrize("op", [ops.Relu, ops.Conv, ops.CrossEntropy])
def test_the_slope_is_that_of_the_loss_only_if_every_rule_is_right(monkeypatch, op, factor):
    X, Y, _, _ = nn.datasets.digits()
    x, y = Tensor(X[:5]).double(), Tensor(Y[:5])
    Tensor.manual_seed(0)
    assert custom.slope_error(x, y) < 1e-5
    right = op.backward

    def wrong(self, g, *others):
        first, *rest = right(self, g, *others)
        return None if first is None else first * factor, *rest

    monkeypatch.setattr(op, "backward", wrong)
    assert custom.slope_error(x, y) > 1e-3


def test_a_tiny_run(few_images, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "mistakes", lambda *arguments: arguments[-1].touch())
    assert status_of(custom, "--epochs", 2, "--target", 20, "--out", tmp_path) == 0
    out, err = capsys.readouterr()
    *lines, last = out.splitlines(True)
    accuracy = float(LAST_LINE.fullmatch(last)[1])
    assert lines[0] == "frozen   edges.weight          (3, 1, 3, 3)\n"
    assert err == ""
    model = custom.Network()
    model.load_state_dict(nn.state.safe_load(tmp_path / "weights.safetensors"))
    _, _, X_test, Y_test = nn.datasets.digits()
    right = (model(Tensor(X_test).float()).numpy().argmax(axis=1) == Y_test).mean()
    assert accuracy == pytest.approx(100 * right, abs=0.005)
    assert model.centre.mean.item() == pytest.approx(nn.datasets.digits()[0].mean())
    np.testing.assert_array_equal(model.edges.weight.numpy()[0, 0], custom.PIXEL)


@pytest.mark.parametrize("option", ["--target=99", "a wrong rule"])
def test_what_misses_a_target_ends_with_status_1(few_images, capsys, monkeypatch, option):
    options = [option]
    if option == "a wrong rule":
        options = ["--target=0"]
        right = ops.Relu.backward
        monkeypatch.setattr(ops.Relu, "backward", lambda *given: (right(*given)[0] * 0.5,))
    assert status_of(custom, *options, "--quiet", "--epochs", 1) == 1
    out, err = capsys.readouterr()
    assert LAST_LINE.fullmatch(out)
    assert (
        err
        == {
            "--target=99": "that is below the target of 99 %, so the status is 1\n",
            "a wrong rule": "that is above the target of 0.0001 in the slope of the loss, "
            "so the status is 1\n",
        }[option]
    )


def test_a_resume_gives_the_same_bits(few_images, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "mistakes", lambda *arguments: arguments[-1].touch())
    resumes_to_the_same_bits(custom, tmp_path, [1, 3], "--epochs", 2)
