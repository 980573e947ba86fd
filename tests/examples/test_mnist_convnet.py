"""The convolutional example: its network by hand, its augmentation, and a small run of it."""

import importlib
import math
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from nn import training
from nn.data import augment
from tinygrad_lite import Tensor, no_grad

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LAST_LINE = re.compile(
    r"(MNIST|UCI digits): test accuracy (\d+\.\d\d) % \((\d+) of (\d+)\) in \d+\.\d s"
)
PICTURES = ("curves", "confusion", "mistakes", "filters")


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("mnist_convnet")


# The network.


def trained_a_little(example, dtype: type) -> nn.Sequential:
    """The network with statistics and scales that are not those of the start."""
    rng = np.random.default_rng(0)
    model = example.convnet()
    for name, tensor in model.state_dict().items():
        if tensor.ndim == 1:
            tensor.data[...] = rng.uniform(0.5, 1.5, tensor.shape)
        elif name.startswith("0."):
            tensor.data[...] = rng.standard_normal(tensor.shape)
    return model.to(dtype)


def test_the_network_has_171178_parameters_and_no_bias_before_a_normalisation(example):
    model = example.convnet()
    assert sum(p.numel() for p in model.parameters()) == 171_178
    convolutions = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    assert [layer.weight.shape[:2] for layer in convolutions] == [
        (32, 1), (32, 32), (64, 32), (64, 64), (128, 64)
    ]  # fmt: skip
    assert all(layer.bias is None for layer in convolutions)
    assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.3]


def test_its_scores_are_those_of_the_network_by_hand(example):
    model = trained_a_little(example, np.float64).eval()
    values = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    x = images = np.random.default_rng(1).standard_normal((2, 1, 28, 28))
    for first, padding, pooled in ((0, 1, 0), (3, 1, 1), (7, 1, 0), (10, 1, 1), (14, 0, 0)):
        x = np.pad(x, 2 * [(0, 0)] + 2 * [(padding, padding)])
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
        x = np.einsum("nchwij,ocij->nohw", windows, values[f"{first}.weight"], optimize=True)
        scale, shift, mean, var = (
            values[f"{first + 1}.{name}"][:, None, None]
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        x = np.maximum((x - mean) / np.sqrt(var + 1e-5) * scale + shift, 0)
        if pooled:
            n, c, h, w = x.shape
            x = x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))
    by_hand = x.reshape(2, -1) @ values["19.weight"].T + values["19.bias"]
    np.testing.assert_allclose(model(Tensor(images)).numpy(), by_hand, rtol=1e-9, atol=1e-9)


def test_its_gradients_are_those_of_finite_differences(example, monkeypatch):
    """Of the loss in training mode, along a random direction in each layer; float32 agrees."""
    monkeypatch.setattr(example, "DROPOUT", 0.0)
    model = trained_a_little(example, np.float64)
    rng = np.random.default_rng(2)
    images, labels = rng.standard_normal((2, 1, 28, 28)), np.array([3, 1])

    def loss() -> Tensor:
        x = Tensor(images.astype(model[0].weight.dtype))
        return model(x).cross_entropy(labels, label_smoothing=example.SMOOTHING)

    loss().backward()
    exact = [p.grad.numpy().copy() for p in model.parameters()]
    for layer in model:
        slope, kept, directions = 0.0, [], []
        for parameter in layer.parameters():
            direction = rng.standard_normal(parameter.shape)
            directions.append(direction / np.linalg.norm(direction))
            kept.append(parameter.numpy().copy())
            slope += float((parameter.grad.numpy() * directions[-1]).sum())
        found = []
        for h in (1e-6, -1e-6) if kept else ():
            for parameter, start, way in zip(layer.parameters(), kept, directions, strict=True):
                parameter.data[...] = start + h * way
            with no_grad():
                found.append(loss().item())
        for parameter, start in zip(layer.parameters(), kept, strict=True):
            parameter.data[...] = start
        if kept:
            assert slope == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-3, abs=1e-6)
    model.to(np.float32).zero_grad()
    loss().backward()
    for parameter, gradient in zip(model.parameters(), exact, strict=True):
        error = np.linalg.norm(parameter.grad.numpy() - gradient)
        assert error < 1e-3 * np.linalg.norm(gradient)


# What it is trained on.


def test_images_of_8x8_are_enlarged_and_those_of_28x28_stay(example):
    sized = example.sized
    small = np.random.default_rng(0).integers(0, 17, (2, 1, 8, 8)).astype(np.uint8)
    large = sized(small)
    assert large.shape == (2, 1, 28, 28)
    assert large.dtype == np.uint8
    np.testing.assert_array_equal(large[:, :, 2:26, 2:26], np.kron(small, np.ones((3, 3))))
    assert large.sum() == 9 * small.sum(dtype=int)  # the margin is paper
    assert sized(large) is large


def test_a_training_batch_is_moved_and_normalised_and_its_labels_stay(example):
    x = Tensor(np.random.default_rng(0).integers(0, 256, (4, 1, 28, 28)).astype(np.uint8))
    y = Tensor([3, 1, 4, 1])
    Tensor.manual_seed(7)
    moved, labels = example.changed(x, y, np.array([30.0]), np.array([80.0]))
    Tensor.manual_seed(7)
    slant = math.degrees(math.atan(0.2))
    assert pytest.approx(slant, abs=0.02) == example.SHEAR
    assert math.floor(example.SHIFT * 28) == 2
    expected = augment.affine(
        x.numpy(), (-12, 12), 2 / 28, (0.88, 1.12), (-example.SHEAR, example.SHEAR)
    )
    assert labels is y
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved.numpy(), (expected - 30.0) / 80.0, rtol=1e-5, atol=1e-6)
    Tensor.manual_seed(8)
    other, _ = example.changed(x, y, np.array([30.0]), np.array([80.0]))
    assert all((one != two).any() for one, two in zip(moved.numpy(), other.numpy(), strict=True))


# The program, called from Python, with a small network and few images.


def made_set() -> tuple[np.ndarray, ...]:
    """120 images of a bar that grows with the class, and 20 to test on."""
    labels = np.arange(120) % 10
    images = np.zeros((120, 1, 28, 28), np.uint8)
    for image, label in zip(images[:, 0], labels, strict=True):
        image[4:24, 4 : 6 + 2 * label] = 200
    return images, labels, images[:20], labels[:20]


@pytest.fixture
def call(example, monkeypatch, capsys):
    """Call main() with these arguments: its status, lines and weights; steps at which it stops."""

    def small() -> nn.Sequential:
        pooled = nn.Sequential(nn.MaxPool2d(4), nn.Dropout(0.3), nn.Flatten())
        call.model = nn.Sequential(*example.block(1, 3), *pooled, nn.Linear(3 * 7 * 7, 10))
        return call.model

    def call(*arguments: object, stop: int = 0, data=None, name: str = "MNIST"):
        usual = training.Report.step

        def pressed(self, *rows, **values):
            if self.taken + 1 == stop:
                signal.raise_signal(signal.SIGINT)
            usual(self, *rows, **values)

        options = ["--batch-size", 32, "--epochs", 2, "--target", 0, *arguments]
        with monkeypatch.context() as patch:
            patch.setattr(example, "convnet", small)
            patch.setattr(example, "mnist_or_digits", lambda _: (name, data or made_set()))
            patch.setattr(training.Report, "step", pressed)
            patch.setattr(sys, "argv", ["mnist_convnet.py", *map(str, options)])
            status = example.main()
        weights = {name: each.numpy().copy() for name, each in call.model.state_dict().items()}
        return status, capsys.readouterr().out.splitlines(), weights

    return call


@pytest.fixture
def drawn(monkeypatch) -> dict[str, tuple]:
    """What would have been drawn, by the name of the picture."""
    found: dict[str, tuple] = {}
    for name in PICTURES:
        monkeypatch.setattr(training, name, lambda *args, name=name: found.update({name: args}))
    return found


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    assert one.keys() == other.keys()
    return all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_it_ends_with_the_data_set_and_the_figure_and_is_judged_by_it(call, drawn, tmp_path):
    status, lines, weights = call("--out", tmp_path / "out")
    first, second, kept, last = lines
    found = LAST_LINE.fullmatch(last)
    right = int(found[3])
    assert (status, found[1], found[4]) == (0, "MNIST", "20")
    assert found[2] == f"{100 * right / 20:.2f}"
    epoch = (
        r"MNIST epoch \d/2: loss \d\.\d{4}, train \d+\.\d\d %, held out \d+\.\d\d %, .* images/s"
    )
    assert re.fullmatch(epoch, first)
    assert re.fullmatch(epoch, second)
    names = "curves.png, confusion.png, mistakes.png, filters.png"
    assert kept.startswith(f"kept in {tmp_path / 'out'}: ")
    assert list(drawn) == names.replace(".png", "").split(", ")
    saved = nn.state.safe_load(tmp_path / "out" / "weights.safetensors")
    assert same({name: each.numpy() for name, each in saved.items()}, weights)
    _, _, images, labels = made_set()
    np.testing.assert_array_equal(drawn["confusion"][0], labels)
    x = augment.normalize(images, *augment.mean_std(made_set()[0][:110]))
    answers = call.model.eval()(Tensor(x)).numpy().argmax(axis=1)
    assert int((answers == labels).sum()) == right  # of the weights at the end
    assert call("--target", 100 * right / 20 + 0.01)[0] == 1
    assert LAST_LINE.fullmatch(call(name="UCI digits")[1][-1])[1] == "UCI digits"


def test_stopped_and_resumed_captured_it_reaches_the_same_bits(call, drawn, tmp_path):
    _, lines, eager = call()
    options = ("--capture", "--out", tmp_path / "out")
    stopped = call(*options, stop=5)[1]
    assert stopped[1] == "stopped after 5 of 8 steps; this tests the weights as they are now"
    _, resumed, weights = call(*options, "--resume")
    assert resumed[0] == f"resuming in {tmp_path / 'out'} after step 5 of 8"
    assert same(weights, eager)
    assert resumed[1].split(" %, held")[0] == lines[1].split(" %, held")[0]
    assert not same(call("--seed", 1)[2], eager)


def test_it_learns_from_the_first_images_only_and_never_from_held_out_or_test_images(call):
    X, Y, X_test, Y_test = made_set()
    usual, few = call()[2], call("--images", 100)[2]
    noise = np.random.default_rng(0).integers(0, 256, X.shape).astype(np.uint8)
    held_out = np.concatenate([X[:110], noise[110:]])
    assert same(call(data=(held_out, Y, noise[:20], Y_test))[2], usual)
    assert not same(few, usual)
    others = np.concatenate([X[:92], noise[92:]])  # 8 of the 100 are held out
    assert same(call("--images", 100, data=(others, Y, X_test, Y_test))[2], few)
