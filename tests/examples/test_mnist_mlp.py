"""The MNIST example: as its user runs it, on a small set of its form, and its formulas."""

import errno
import functools
import importlib
import itertools
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from terminal import PATIENCE, in_shell, on_terminal, screen, surroundings
from threadpoolctl import threadpool_limits

import nn
from nn import training
from nn.datasets import mnist_family
from nn.training import report as reports
from tinygrad_lite import Tensor

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "mnist_mlp.py"
HELD_OUT = 100  # of the 1200 images below
# The picture of one mistake, not of 25, which take longer than the training.
ONE_MISTAKE = f"""
import functools, runpy, sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
from nn import training
training.mistakes = functools.partial(training.mistakes, most=1)
sys.argv = sys.argv[1:]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
SKETCHING = ("-c", ONE_MISTAKE, SCRIPT)
SMALL = ("--hidden", "16", "--epochs", "4")
FILES = [
    "curves.png", "metrics.jsonl", "mistakes.png", "snapshot.safetensors", "weights.safetensors"
]  # fmt: skip

IN_ORDER = "metrics.jsonl, snapshot.safetensors, weights.safetensors, curves.png, mistakes.png"
BELOW = "that is below the target of %s %%, so the status is 1\n"
LAST_LINE = re.compile(
    r"(?P<name>MNIST|UCI digits): test accuracy (?P<accuracy>\d+\.\d\d) % "
    r"\((?P<right>\d+) of (?P<count>\d+)\) in \d+\.\d s"
)
EPOCH_LINE = re.compile(
    r"(MNIST|UCI digits) epoch (\d+)/(\d+): loss \d+\.\d{4}, train \d+\.\d\d %, "
    r"held out \d+\.\d\d %, \d+ images/s"
)
LIVE_LINE = re.compile(
    r"loss \d+\.\d{4}, train \d+\.\d\d % \|[^|\r\n]*\| [\d.]+[kM]? images/s, [\d:]+ left"
)


@functools.cache
def made_images(which: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 1, 28, 28) of a bar in one of ten places, some too faint to tell; labels."""
    rng = np.random.default_rng({"train": 0, "t10k": 1}[which])
    labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
    images = rng.integers(0, 60, (count, 1, 28, 28))
    for image, label in zip(images[:, 0], labels, strict=True):
        row, column = label // 2 * 5 + 2, label % 2 * 13 + 3
        image[row : row + 4, column : column + 8] += rng.integers(0, 100)
    return images.astype(np.uint8), labels


def made_set() -> tuple[np.ndarray, ...]:
    """What `nn.datasets.mnist` would return: 1200 images to train on and 200 to test on."""
    arrays = (*made_images("train", 1200), *made_images("t10k", 200))
    return tuple(array if array.ndim > 1 else array.astype(np.int64) for array in arrays)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_set(folder: Path) -> Path:
    folder.mkdir()
    for which, count in (("train", 1200), ("t10k", 200)):
        images, labels = made_images(which, count)
        (folder / f"{which}-images-idx3-ubyte").write_bytes(idx(images[:, 0]))
        (folder / f"{which}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("mnist") / "files")


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        return importlib.import_module("mnist_mlp")


@dataclass
class Run:
    """A finished run of the example."""

    status: int
    out: str
    err: str
    folder: Path

    def __post_init__(self) -> None:
        self.lines = self.out.splitlines()

    @property
    def last(self) -> re.Match[str]:
        found = LAST_LINE.fullmatch(self.lines[-1])
        assert found, self.out + self.err
        share = int(found["right"]) / int(found["count"])
        assert found["accuracy"] == f"{100 * share:.2f}"
        return found

    @property
    def weights(self) -> dict[str, np.ndarray]:
        loaded = nn.state.safe_load(self.folder / "weights.safetensors")
        return {name: tensor.numpy() for name, tensor in loaded.items()}

    @property
    def records(self) -> list[dict]:
        """The lines of metrics.jsonl, as a strict reader of JSON takes them."""

        def refuse(word):
            raise ValueError(f"{word} is not JSON")

        text = (self.folder / "metrics.jsonl").read_text()
        return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]

    @property
    def held_out(self) -> list[float]:
        """The accuracy after each epoch."""
        return [r["held_out_accuracy"] for r in self.records if "held_out_accuracy" in r]


def run(folder: Path, *arguments: object, script=(SCRIPT,), **changes: str) -> Run:
    """Run the example in a pipe; `folder` is where its --out goes, if it is given one."""
    done = subprocess.run(
        [sys.executable, *script, *map(str, arguments)],
        env=surroundings(**changes),
        cwd=folder.parent,  # the example needs no certain place
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode(), folder)


@pytest.fixture(scope="module")
def kept(data, tmp_path_factory) -> Run:
    """A run with --out, and a --target within reach."""
    out = tmp_path_factory.mktemp("kept") / "deep" / "out"
    out.parent.mkdir()
    return run(out, "--data", data, *SMALL, "--out", out, "--target", 50)


def numpy_answers(weights: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """The network by hand; the mean and the deviation are those of all training images."""
    X = made_set()[0].reshape(-1, 28 * 28).astype(np.float32)
    x = (images.reshape(len(images), -1).astype(np.float32) - X.mean()) / X.std()
    hidden = np.maximum(x @ weights["W1"] + weights["b1"], 0)
    return (hidden @ weights["W2"] + weights["b2"]).argmax(axis=1)


# The formulas.


def double_model(example, seed=0, pixels=20, hidden=16):
    """The model in float64, with biases that are not zero."""
    rng = np.random.default_rng(seed)
    model = example.MLP(pixels, hidden)
    for name in ("W1", "b1", "W2", "b2"):
        values = rng.standard_normal(getattr(model, name).shape)
        setattr(model, name, Tensor(values, requires_grad=True))
    return model


def gradients(model, loss: Tensor) -> dict[str, np.ndarray]:
    for tensor in (model.W1, model.b1, model.W2, model.b2):
        tensor.grad = None
    loss.backward()
    return {name: getattr(model, name).grad.numpy().copy() for name in ("W1", "b1", "W2", "b2")}


def backprop_by_hand(model, X, Y, reg) -> tuple[float, dict[str, np.ndarray]]:
    """Loss and gradients as one derives them on paper."""
    W1, b1, W2, b2 = (getattr(model, name).numpy() for name in ("W1", "b1", "W2", "b2"))
    before = X @ W1 + b1
    hidden = np.maximum(before, 0)
    scores = hidden @ W2 + b2
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = e / e.sum(axis=1, keepdims=True)
    loss = -np.log(probabilities[np.arange(len(Y)), Y]).mean()
    loss += 0.5 * reg * ((W1**2).sum() + (W2**2).sum())
    d_scores = (probabilities - np.eye(10)[Y]) / len(Y)
    d_before = d_scores @ W2.T * (before > 0)
    return loss, {
        "W1": X.T @ d_before + reg * W1,
        "b1": d_before.sum(axis=0),
        "W2": hidden.T @ d_scores + reg * W2,
        "b2": d_scores.sum(axis=0),
    }


@pytest.mark.parametrize("reg", [0.0, 1e-4, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_both_losses_give_the_gradients_of_backprop_by_hand(example, seed, reg):
    rng = np.random.default_rng(seed + 10)
    X, Y = rng.standard_normal((32, 20)), rng.integers(0, 10, 32)
    model = double_model(example, seed)
    formula = example.loss_by_formula(model, model.scores(Tensor(X)), Y, reg)
    library = example.loss_by_library(model, model.scores(Tensor(X)), Y, reg)
    expected_loss, expected = backprop_by_hand(model, X, Y, reg)
    assert formula.item() == pytest.approx(expected_loss, rel=1e-12)
    by_formula, by_library = gradients(model, formula), gradients(model, library)
    for name, gradient in expected.items():
        assert by_formula[name].dtype == np.float64
        np.testing.assert_allclose(by_formula[name], gradient, rtol=0, atol=1e-12)
        decay = reg * getattr(model, name).numpy() if name in ("W1", "W2") else 0.0
        np.testing.assert_allclose(by_library[name] + decay, gradient, rtol=0, atol=1e-12)


def test_large_scores_do_not_overflow(example):
    model = double_model(example)
    scores = Tensor(np.array([[1e4, -1e4] + 8 * [0.0], [1e4, -1e4] + 8 * [0.0]]))
    Y = np.array([0, 1])
    for loss in (example.loss_by_formula, example.loss_by_library):
        assert loss(model, scores, Y, 0.0).item() == pytest.approx(1e4)


# The program, called from Python.


class Kept(dict):
    """The weights after main(), and what it printed."""

    status: int
    out: str
    err: str

    def run(self, folder: Path) -> Run:
        """What it kept there, too."""
        return Run(self.status, self.out, self.err, folder)


@pytest.fixture
def call(example, monkeypatch, capsys):
    """Call main() on the set above, or on another, with these arguments."""
    monkeypatch.setattr(training, "mistakes", functools.partial(training.mistakes, most=1))

    def call(*arguments: object, data=None) -> Kept:
        weights, made = Kept(), []

        class MLP(example.MLP):
            def __init__(self, *sizes):
                super().__init__(*sizes)
                made.append(self)
                call.model = self

        with monkeypatch.context() as patch:
            patch.setattr(example, "MLP", MLP)
            patch.setattr(example, "mnist_or_digits", lambda _: ("MNIST", data or made_set()))
            patch.setattr(sys, "argv", ["mnist_mlp.py", *SMALL, *map(str, arguments)])
            with threadpool_limits(1):
                weights.status = example.main()
        (model,) = made
        weights.update(values_of(model))
        weights.out, weights.err = capsys.readouterr()
        return weights

    return call


def values_of(model) -> dict[str, np.ndarray]:
    """Copies of the weights."""
    return {name: getattr(model, name).numpy().copy() for name in vars(model)}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether the weights agree in every bit."""
    assert one.keys() == other.keys() == {"W1", "b1", "W2", "b2"}
    return all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_both_options_lead_to_the_same_weights(call):
    options = ("--epochs", 2, "--reg", 0.05)
    formula, library = call(*options), call(*options, "--library")
    without = call("--epochs", 2, "--reg", 0)
    for name in formula:
        np.testing.assert_allclose(formula[name], library[name], rtol=1e-4, atol=1e-5)
    assert np.abs(formula["W1"] - without["W1"]).max() > 1e-3  # the penalty does something


@pytest.mark.parametrize("library", [(), ("--library",)], ids=["formula", "library"])
def test_a_captured_step_leads_to_the_same_bits(call, library):
    """On real digits, whose last batch of an epoch is smaller; and what is printed agrees."""
    options = ("--epochs", 2, *library)
    eager = call(*options, data=nn.datasets.digits())
    captured = call(*options, "--capture", data=nn.datasets.digits())
    assert same(eager, captured)
    for one, other in zip(eager.out.splitlines(), captured.out.splitlines(), strict=True):
        assert without_times(one) == without_times(other)


def test_a_captured_run_that_was_stopped_goes_on_to_the_same_bits(call, monkeypatch, tmp_path):
    usual, taken = training.Report.step, []

    def pressed(self, *rows, **values):
        taken.append(rows)
        if len(taken) == 14:
            press_ctrl_c()
        usual(self, *rows, **values)

    for picture in ("curves", "mistakes"):
        monkeypatch.setattr(training, picture, lambda *_: None)
    eager = call()
    with monkeypatch.context() as patch:
        patch.setattr(training.Report, "step", pressed)
        stopped = call("--capture", "--out", tmp_path / "out")
    assert "stopped after 14 of 36 steps" in stopped.out
    assert same(call("--capture", "--out", tmp_path / "out", "--resume"), eager)


def test_choosing_never_looks_at_the_test_images(call):
    X, Y, images, labels = made_set()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, images.shape, dtype=np.uint8)
    usual = call("--lr", 1)
    shuffled = call("--lr", 1, data=(X, Y, images, (labels + 1) % 10))
    other = call("--lr", 1, data=(X, Y, noise, labels))
    assert same(usual, shuffled)
    assert same(usual, other)
    for changed in (shuffled, other):
        accuracy = LAST_LINE.search(changed.out)["accuracy"]
        assert accuracy != LAST_LINE.search(usual.out)["accuracy"]
        assert changed.out.splitlines()[0].split("held out")[0] in usual.out


def test_test_images_are_counted_once_and_at_the_end(call, example, monkeypatch):
    lengths, scores = [], example.MLP.scores

    def watched(model, X):
        lengths.append(len(X))
        return scores(model, X)

    monkeypatch.setattr(example.MLP, "scores", watched)
    call("--epochs", 3)
    assert lengths.count(200) == 1
    assert lengths[-1] == 200
    assert lengths.count(HELD_OUT) == 3


@pytest.mark.parametrize(("counts", "best"), [((50, 90, 70), 1), ((0, 0, 0), 0), ((1, 2, 3), 2)])
def test_the_best_epoch_is_kept_and_of_equals_the_first(call, example, monkeypatch, counts, best):
    seen = []

    usual = example.correct

    def scripted(scores, Y):
        if len(Y) != HELD_OUT:
            return usual(scores, Y)
        seen.append(values_of(call.model))
        return counts[len(seen) - 1]

    monkeypatch.setattr(example, "correct", scripted)
    weights = call("--epochs", 3)
    assert [same(weights, after) for after in seen] == [i == best for i in range(3)]


def test_a_seed_decides_the_weights(call):
    one, again, other = call("--seed", 3), call("--seed", 3), call("--seed", 4)
    assert same(one, again)
    assert not same(one, other)
    assert LAST_LINE.search(one.out)["accuracy"] == LAST_LINE.search(again.out)["accuracy"]


@pytest.mark.parametrize(("offset", "status"), [(0, 0), (0.01, 1)])
def test_the_target_itself_is_reached(call, offset, status):
    accuracy = float(LAST_LINE.search(call("--target", 0).out)["accuracy"])
    assert call("--target", accuracy + offset).status == status


def test_the_usual_target_on_mnist_is_that_of_the_constant(call, example, monkeypatch):
    monkeypatch.setattr(example, "TARGET", 100.1)
    assert call().status == 1
    monkeypatch.setattr(example, "TARGET", 1.0)
    assert call().status == 0


@pytest.mark.parametrize(
    "bad",
    [
        "--epochs 0",
        "--epochs 1.5",
        "--batch-size 0",
        "--hidden 0",
        "--hidden -3",
        "--lr -1",
        "--lr nan",
        "--momentum -0.1",
        "--reg nan",
        "--reg inf",
        "--seed -1",
        "--target nan",
        "--nonsense",
    ],
)
def test_bad_arguments_are_named_in_one_line(example, monkeypatch, capsys, bad):
    monkeypatch.setattr(example, "mnist_or_digits", lambda _: pytest.fail("came to the data"))
    monkeypatch.setattr(sys, "argv", ["mnist_mlp.py", *bad.split()])
    with pytest.raises(SystemExit) as caught:
        example.main()
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert bad.split()[0] in err.splitlines()[-1]


def test_help_names_every_option_and_its_default(example, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mnist_mlp.py", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        example.main()
    assert caught.value.code == 0
    text = capsys.readouterr().out.partition("options:")[2]
    for name in ("epochs", "batch-size", "lr", "momentum", "reg", "hidden", "target"):
        default = getattr(example, name.replace("-", "_").upper())
        assert re.search(rf"--{name} [^-]*\({default}\b", text), name
    for name in ("seed", "data", "out", "quiet", "library", "capture"):
        assert f"--{name} " in text


def test_a_package_that_out_needs_is_missed_before_the_training(
    call, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(reports, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        call("--out", tmp_path / "out")
    assert caught.value.code == 2
    said = "--out: the package matplotlib is missing; pip install 'tinygrad-lite[train]'\n"
    assert capsys.readouterr() == ("", said)
    assert not (tmp_path / "out").exists()


# The file.


def test_the_readme_says_how_many_lines_the_file_has(example):
    assert f"in {len(SCRIPT.read_text().splitlines())} lines" in (ROOT / "README.md").read_text()


# The program in a pipe.


def test_in_a_pipe_a_plain_line_an_epoch_and_the_last(kept):
    assert (kept.status, kept.err) == (0, "")
    assert re.fullmatch(r"[ -~\n]*", kept.out)  # no carriage return, no escape
    *epochs, about_files, _ = kept.lines
    found = [EPOCH_LINE.fullmatch(line) for line in epochs]
    assert [match and match.groups() for match in found] == [
        ("MNIST", str(epoch), "4") for epoch in range(1, 5)
    ]
    assert about_files == f"kept in {kept.folder}: {IN_ORDER}"
    assert kept.last["count"] == "200"
    assert 50 < float(kept.last["accuracy"]) < 100  # or the checks below would be weak


def test_quiet_prints_the_last_line_only_and_files_are_the_same(call, kept, tmp_path):
    out = tmp_path / "out"
    quiet = call("--out", out, "--quiet", "--target", 101).run(out)
    assert (quiet.status, quiet.err) == (1, BELOW % "101")  # which is above reach
    assert len(quiet.lines) == 1
    assert quiet.last["right"] == kept.last["right"]
    assert same(quiet.weights, kept.weights)  # the same seed
    assert quiet.held_out == kept.held_out


def test_kept_weights_give_the_printed_number_of_right_answers(kept):
    _, _, images, labels = made_set()
    weights = kept.weights
    assert {name: array.shape for name, array in weights.items()} == {
        "W1": (784, 16), "b1": (16,), "W2": (16, 10), "b2": (10,)
    }  # fmt: skip
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
    assert int((numpy_answers(weights, images) == labels).sum()) == int(kept.last["right"])


def test_kept_weights_are_those_of_the_best_epoch(kept):
    X, Y, _, _ = made_set()
    right = (numpy_answers(kept.weights, X[-HELD_OUT:]) == Y[-HELD_OUT:]).sum()
    assert right / HELD_OUT == max(kept.held_out)


def test_metrics_hold_every_epoch_and_the_steps_between(kept):
    epochs = [record for record in kept.records if "held_out_accuracy" in record]
    steps = [record for record in kept.records if "held_out_accuracy" not in record]
    assert [record["epoch"] for record in epochs] == [1, 2, 3, 4]
    assert len(steps) == 1  # one every 20, of 4 * 9
    assert 2 < steps[0]["epoch"] < 3
    for record in kept.records:
        assert record["loss"] > 0
        assert 0 <= record["train_accuracy"] <= 1
    for record, line in zip(epochs, kept.lines, strict=False):
        assert f"loss {record['loss']:.4f}, train {100 * record['train_accuracy']:.2f} %" in line
        assert f"held out {100 * record['held_out_accuracy']:.2f} %" in line
        assert f"{record['images_per_second']} images/s" in line


@pytest.mark.parametrize("name", ["curves.png", "mistakes.png"])
def test_pictures_are_whole_and_of_a_size_to_read(kept, name):
    content = (kept.folder / name).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", content[16:24])
    assert 600 <= width <= 2000
    assert 400 <= height <= 2000
    assert 10_000 < len(content) < 1_000_000


def test_out_holds_five_files_and_nothing_else(kept):
    assert names_in(kept.folder) == FILES


@pytest.mark.filterwarnings("ignore:the loss is nan")
def test_a_training_that_diverges_ends_as_any_other(call, tmp_path):
    out = tmp_path / "out"
    done = call("--lr", 1e9, "--out", out).run(out)
    assert (done.status, done.err) == (1, BELOW % "97.87")
    assert "loss nan" in done.out
    assert done.last["count"] == "200"
    assert done.records[-1]["loss"] is None


def test_a_reader_that_leaves_early_sees_no_traceback(data):
    with subprocess.Popen(
        [sys.executable, SCRIPT, "--data", data, "--hidden", "16", "--epochs", "100000"],
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert EPOCH_LINE.fullmatch(process.stdout.readline().decode().strip())
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=PATIENCE) != 0


@pytest.mark.parametrize("closed", ["<&-", "2>&-"])
def test_a_closed_stream_costs_nothing(data, closed):
    done = in_shell(f'"$@" {closed}', SCRIPT, "--data", data, *SMALL, "--target", 0)
    assert (done.returncode, done.stderr) == (0, "")
    assert LAST_LINE.fullmatch(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_closed_output_costs_nothing_but_what_it_would_have_shown(data, tmp_path, closed):
    """The files, one of which may be opened in its place, hold what they should."""
    out = tmp_path / "out"
    options = ("--data", data, *SMALL, "--target", 0, "--out", out)
    done = in_shell(f'"$@" {closed}', *SKETCHING, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ""
    assert names_in(out) == FILES
    assert set(nn.state.safe_load(out / "weights.safetensors")) == {"W1", "b1", "W2", "b2"}


def test_a_network_beyond_the_memory_costs_one_line(data):
    done = in_shell('ulimit -v 4000000; exec "$@"', SCRIPT, "--data", data, "--hidden", 2**31 - 1)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"this needs more memory than there is: .*\n", done.stderr)


@pytest.mark.parametrize("option", ["--hidden", "--batch-size", "--epochs"])
@pytest.mark.parametrize("value", ["0", "-1", "2147483648", "1" + "0" * 30])
def test_a_number_beyond_sense_is_refused(call, option, value, capsys):
    with pytest.raises(SystemExit) as caught:
        call(option, value)
    assert caught.value.code == 2
    expected = f"error: {option}: expected an integer from 1 to 2147483647; got {value}\n"
    assert capsys.readouterr().err.endswith(expected)


def test_an_empty_name_of_a_folder_is_not_the_one_we_are_in(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("mine")
    with pytest.raises(SystemExit):
        call("--out", "")
    said = "mnist_mlp.py: error: --out: expected a path; got empty text\n"
    assert capsys.readouterr().err == said
    assert (tmp_path / "metrics.jsonl").read_text() == "mine"


def test_a_name_that_a_terminal_would_obey_is_made_visible(call, tmp_path):
    out = tmp_path / "new\n\x1b[31mline"
    *_, about_files, _ = call("--out", out, "--target", 0).out.splitlines()
    assert about_files == f"kept in {tmp_path}/new\\n\\x1b[31mline: {IN_ORDER}"
    assert names_in(out) == FILES


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_a_damaged_file_is_named_in_one_line(tmp_path, name):
    data = write_set(tmp_path / "data")
    (data / name).write_bytes((data / name).read_bytes()[:-1])
    done = run(tmp_path / "out", "--data", data, *SMALL, "--out", tmp_path / "out")
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert name in done.err
    assert "truncated" in done.err
    assert not (tmp_path / "out").exists()


def test_too_few_images_are_refused_in_one_line(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for which, count in (("train", 10), ("t10k", 10)):
        images, labels = made_images(which, count)
        (data / f"{which}-images-idx3-ubyte").write_bytes(idx(images[:, 0]))
        (data / f"{which}-labels-idx1-ubyte").write_bytes(idx(labels))
    done = run(tmp_path / "out", "--data", data)
    assert (done.status, done.out) == (2, "")
    assert done.err == "--data: too few images: 10 to train on, 10 to test\n"


def test_an_out_that_is_a_file_is_refused_before_the_training(data, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    done = run(taken, "--data", data, *SMALL, "--out", taken)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"--out {taken}: cannot be written (File exists)\n"
    assert taken.read_text() == "mine"


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_a_data_folder_without_the_files_is_an_error_whatever_else_there_is(data, tmp_path, place):
    wrong = tmp_path / place
    done = run(tmp_path / "out", "--data", wrong, *SMALL, TINYGRAD_LITE_DATA=str(data))
    assert (done.status, done.out) == (2, "")
    if place:
        assert done.err == f"mnist_mlp.py: error: --data: {wrong} does not exist\n"
    else:
        said = f"{wrong} holds 0 of the 4 files; without --data: using {data}"
        assert done.err == f"--data: {said}\n"


# A second run, and two at once.


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_second_run_leaves_nothing_of_the_first(data, kept, call, tmp_path):
    """Also if it is killed while it trains: then there are metrics, and nothing that is older."""
    out = tmp_path / "out"
    shutil.copytree(kept.folder, out)
    (out / "notes.txt").write_text("mine")
    killed = interrupt(
        out, *long_training(data), "--out", out, ready=first_line, number=signal.SIGKILL
    )
    assert killed.status == -signal.SIGKILL
    left = {name for name in names_in(out) if not name.startswith(".")}
    assert {"metrics.jsonl", "notes.txt"} <= left
    assert left <= {"metrics.jsonl", "notes.txt", "snapshot.safetensors"}
    assert killed.records[0] != kept.records[0]
    second = call("--seed", 1, "--out", out).run(out)
    assert len(second.records) == len(kept.records)
    assert not np.array_equal(second.weights["W1"], kept.weights["W1"])
    assert {name for name in names_in(out) if not name.startswith(".")} == {*FILES, "notes.txt"}


def test_two_runs_at_once_are_kept_apart(data, tmp_path):
    out = tmp_path / "out"
    others = []

    def ready(process):
        line = first_line(process)
        others.append(run(out, "--data", data, *SMALL, "--out", out))
        return line

    options = (*long_training(data), "--out", out, "--target", 0)
    done = interrupt(out, *options, ready=ready, number=signal.SIGTERM, script=SKETCHING)
    assert (others[0].status, others[0].out) == (2, "")
    assert others[0].err == f"--out {out}: another run is writing there\n"
    assert done.status == 143
    assert names_in(out) == FILES


def test_links_and_write_protection_of_earlier_files_are_kept(data, call, tmp_path, capsys):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    (out / "weights.safetensors").symlink_to(elsewhere)
    call("--out", out)
    assert (out / "weights.safetensors").is_symlink()
    assert set(nn.state.safe_load(elsewhere)) == {"W1", "b1", "W2", "b2"}
    (out / "curves.png").chmod(0o444)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    with pytest.raises(SystemExit):
        call("--out", out)
    assert capsys.readouterr().err == f"--out {out}: curves.png is write-protected\n"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


# A full disk.


def full(monkeypatch, *folders: Path) -> None:
    """From now on there is no room in these folders."""
    replace = os.replace

    def fail(source, target):
        if Path(target).parent in folders:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)


def no_room_at_the_end(monkeypatch, *folders: Path) -> None:
    """The disk fills up when the training is over."""
    restore = training.Best.restore
    monkeypatch.setattr(
        training.Best, "restore", lambda best: (full(monkeypatch, *folders), restore(best))
    )


def test_on_a_full_disk_the_files_go_where_there_is_room(call, monkeypatch, tmp_path):
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    no_room_at_the_end(monkeypatch, out)
    done = call("--out", out, "--target", 0)
    (other,) = temporary.iterdir()
    assert other.name.startswith("mnist_mlp-")
    assert done.status == 0
    assert done.err == (
        f"[Errno 28] safe_save: No space left on device: '{out}/weights.safetensors'; "
        f"continuing in {other}\n"
    )
    *_, first, second, last = done.out.splitlines()
    assert first == f"kept in {out}: metrics.jsonl, snapshot.safetensors"
    assert (
        second == f"kept in {other}: weights.safetensors, curves.png, mistakes.png, metrics.jsonl"
    )
    assert LAST_LINE.fullmatch(last)
    assert names_in(other) == [name for name in FILES if name != "snapshot.safetensors"]
    assert (other / "metrics.jsonl").read_bytes() == (out / "metrics.jsonl").read_bytes()


def test_a_disk_that_is_full_from_the_start_costs_a_line(call, monkeypatch, tmp_path):
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    full(monkeypatch, out)
    done = call("--out", out, "--target", 0)
    (other,) = temporary.iterdir()
    assert done.err == (
        f"[Errno 28] save: No space left on device: '{out}/snapshot.safetensors'; "
        f"continuing in {other}\n"
    )
    assert names_in(other) == FILES
    assert LAST_LINE.fullmatch(done.out.splitlines()[-1])


def test_without_room_anywhere_the_accuracy_is_still_printed(call, monkeypatch, tmp_path):
    out = tmp_path / "out"
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: (_ for _ in ()).throw(OSError("full")))
    no_room_at_the_end(monkeypatch, out)
    done = call("--out", out, "--target", 0)
    assert done.status == 0
    lost = ["weights.safetensors", "curves.png", "mistakes.png"]
    lines = done.err.splitlines()
    for name, reason, said in zip(lost, lines[::2], lines[1::2], strict=True):
        assert reason.startswith("[Errno 28]")
        assert reason.endswith(f"No space left on device: '{out}/{name}'")
        assert said == f"{name} is lost: no folder has room for it"
    assert LAST_LINE.fullmatch(done.out.splitlines()[-1])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has this device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_log_on_a_full_disk_costs_one_line(data, unbuffered):
    """The rest, with the line that found no room, is on stderr."""
    with open("/dev/full", "w") as log:
        done = subprocess.run(
            [sys.executable, SCRIPT, "--data", data, *SMALL, "--target", "0"],
            env=surroundings(PYTHONUNBUFFERED=unbuffered),
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
        )
    said, *epochs, last = done.stderr.splitlines()
    assert done.returncode == 0
    assert said == "standard output: No space left on device; further lines come here"
    assert len(epochs) == 4
    assert all(EPOCH_LINE.fullmatch(line) for line in epochs)
    assert LAST_LINE.fullmatch(last)


# No data and no network.


def offline(tmp_path: Path) -> dict[str, str]:
    """An empty home, and a closed port as proxy: a network that answers nobody."""
    home = tmp_path / "home"
    home.mkdir()
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere)
    nothing = dict.fromkeys(("no_proxy", "NO_PROXY"), "")
    return {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")} | proxies | nothing


def test_without_data_and_network_it_says_so_and_trains_on_the_digits(tmp_path):
    done = run(tmp_path / "out", "--hidden", 16, **offline(tmp_path))
    assert done.status == 0
    assert done.err.startswith("no MNIST, so this trains on the 8x8 digits of UCI instead: ")
    assert done.err.count("\n") == 1
    *epochs, _ = done.lines
    assert "MNIST" not in "\n".join(epochs)
    assert done.last["name"] == "UCI digits"
    found = [EPOCH_LINE.fullmatch(line) for line in epochs]
    assert found
    assert all(match and match[1] == "UCI digits" for match in found)
    assert done.last["count"] == "297"
    assert float(done.last["accuracy"]) > 60


@pytest.mark.parametrize(("target", "status"), [(100.1, 1), (20, 0)])
def test_on_the_digits_a_target_counts_where_it_is_given(tmp_path, target, status):
    options = ("--hidden", 16, "--quiet", "--target", target)
    done = run(tmp_path / "out", *options, **offline(tmp_path))
    notice, below = done.err.splitlines(keepends=True) if status else (done.err, "")
    assert notice.startswith("no MNIST, so this trains on the 8x8 digits of UCI instead: ")
    assert (done.status, below) == (status, BELOW % target if status else "")
    assert len(done.lines) == 1
    assert done.last.group("name", "count") == ("UCI digits", "297")


# On a terminal.


def test_on_a_terminal_a_live_line_and_a_clean_screen_at_the_end(data):
    status, written, err = on_terminal(
        80, SCRIPT, "--data", data, "--hidden", 128, "--epochs", 50, "--target", 0
    )
    assert (status, err) == (0, "")
    live = [found[0] for found in LIVE_LINE.finditer(written)]
    assert live
    assert max(map(len, live)) < 80
    rows = screen(written)
    assert rows.pop() == ""  # the cursor stands below
    assert LAST_LINE.fullmatch(rows[-1])
    assert all(EPOCH_LINE.fullmatch(row) for row in rows[:-1])
    assert len(rows) == 51


def test_on_a_terminal_quiet_is_quiet_too(data):
    status, written, err = on_terminal(80, SCRIPT, "--data", data, *SMALL, "--quiet", "--target", 0)
    assert (status, err) == (0, "")
    assert LAST_LINE.fullmatch(written.removesuffix("\r\n"))


@pytest.mark.parametrize("columns", [80, 120])
def test_ctrl_c_on_a_terminal_leaves_nothing_of_the_live_line(data, columns):
    options = ("--data", data, "--hidden", 16, "--batch-size", 4, "--epochs", 100_000)
    status, written, err = on_terminal(columns, SCRIPT, *options, press_ctrl_c_after=LIVE_LINE)
    assert (status, err) == (1, BELOW % "97.87")
    assert "^C" in written  # the terminal's own echo
    *epochs, stopped, last, below = screen(written)
    assert all(EPOCH_LINE.fullmatch(row) for row in epochs)
    assert re.fullmatch(r"stopped after \d+ of 27500000 steps; this tests .*", stopped)
    assert LAST_LINE.fullmatch(last)
    assert below == ""


# Ctrl-C.


def interrupt(
    folder: Path, *arguments: object, ready, number: int = signal.SIGINT, script=(SCRIPT,)
) -> Run:
    """Send Ctrl-C or another signal once ready(process) returns; the run."""
    with subprocess.Popen(
        [sys.executable, *script, *map(str, arguments)],
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = threading.Timer(PATIENCE, process.kill)
        deadline.start()
        first = ready(process)
        process.send_signal(number)
        out, err = process.communicate()
        deadline.cancel()
    return Run(process.returncode, first + out, err, folder)


def long_training(data: Path) -> tuple[object, ...]:
    """Many hours, so that a run that ends was stopped.

    An epoch takes so long that the Ctrl-C after its line comes during the next one.
    """
    return ("--data", data, "--hidden", 16, "--batch-size", 4, "--epochs", 100_000)


def first_line(process) -> str:
    return process.stdout.readline()


def test_ctrl_c_keeps_the_best_weights(data, tmp_path):
    options = (*long_training(data), "--target", 0, "--out", tmp_path)
    done = interrupt(tmp_path, *options, ready=first_line, script=SKETCHING)
    assert (done.status, done.err) == (0, "")
    *epochs, stopped, about_files, _ = done.lines
    assert epochs
    assert all(EPOCH_LINE.fullmatch(line) for line in epochs)
    found = re.fullmatch(
        r"stopped after (\d+) of 27500000 steps; this tests the best weights so far", stopped
    )
    assert found
    assert 275 * len(epochs) <= int(found[1]) <= 275 * (len(epochs) + 1)
    assert about_files == f"kept in {tmp_path}: {IN_ORDER}"
    X, Y, images, labels = made_set()
    right = (numpy_answers(done.weights, X[-HELD_OUT:]) == Y[-HELD_OUT:]).sum()
    assert right / HELD_OUT == max(done.held_out)
    assert (numpy_answers(done.weights, images) == labels).sum() == int(done.last["right"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_keeps_the_best_weights_too(data, tmp_path, number, status):
    """As a batch system sends it before the time is over."""
    options = (*long_training(data), "--out", tmp_path)
    done = interrupt(tmp_path, *options, ready=first_line, number=number, script=SKETCHING)
    assert (done.status, done.err) == (status, "")
    *_, stopped, about_files, _ = done.lines
    assert re.fullmatch(r"stopped after \d+ of 27500000 steps; this tests the best .*", stopped)
    assert about_files == f"kept in {tmp_path}: {IN_ORDER}"
    assert done.last["count"] == "200"
    _, _, images, labels = made_set()
    assert (numpy_answers(done.weights, images) == labels).sum() == int(done.last["right"])


def test_a_second_sigterm_ends_at_once(call, example, monkeypatch):
    """In the example's process; the handler of the second one is the system's."""

    usual = example.correct

    def correct(scores, Y):
        if len(Y) != HELD_OUT:
            return usual(scores, Y)
        signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        return 50

    monkeypatch.setattr(example, "correct", correct)
    stopped = call("--target", 100)
    assert stopped.status == 143
    assert "stopped after 9 of 36 steps; this tests the best weights so far" in stopped.out


def test_a_signal_that_is_ignored_stays_ignored(call, example, monkeypatch):
    """As nohup ignores SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    monkeypatch.setattr(example, "correct", lambda *_: signal.raise_signal(signal.SIGHUP) or 50)
    try:
        assert call("--target", 0).status == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("module", "redirected"),
    [
        *((name, "") for name in ("numpy", "_data", "tinygrad_lite", "nn", "nn.training")),
        ("numpy", "2>/dev/full"),
        ("numpy", "2>&-"),
    ],
)
def test_ctrl_c_during_an_import_ends_in_one_line(module, redirected):
    """The module is one that presses it, and hides what that raises, as C code may."""
    program = f"""
import runpy, signal, sys
sys.argv = [{str(SCRIPT)!r}, "--epochs", "1"]
sys.path.insert(0, {str(SCRIPT.parent)!r})
class Press:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException as error:
                raise ImportError("hidden") from error
sys.meta_path.insert(0, Press())
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
    done = in_shell(f'"$@" {redirected}', "-c", program)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == ("" if redirected else "stopped\n")


# Prints a line as soon as the example has taken Ctrl-C into its own hands.  Before that Python
# itself, which has yet to start, answers it with a traceback.
ANNOUNCED = f"""
import _signal, os, runpy, sys
sys.argv[0] = {str(SCRIPT)!r}
sys.path.insert(0, {str(SCRIPT.parent)!r})
install = _signal.signal
def announce(*arguments):
    _signal.signal = install
    before = install(*arguments)
    os.write(1, b"ready\\n")
    return before
_signal.signal = announce
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


@pytest.mark.parametrize("milliseconds", [0, 80, 160, 240, 320])
def test_ctrl_c_at_any_time_leaves_no_traceback(data, milliseconds):
    """Before the training, or in it: then it is complete, and judged."""

    def ready(process):
        assert process.stdout.readline() == "ready\n"
        time.sleep(milliseconds / 1000)
        return ""

    done = interrupt(data, *long_training(data), ready=ready, script=("-c", ANNOUNCED))
    assert (done.status, done.err) in (
        (130, "stopped\n"),  # while it imports or reads
        (1, BELOW % "97.87"),
    )


def test_after_ctrl_c_the_status_is_that_of_the_accuracy(data, tmp_path):
    """Who stops early gets what a shorter training would have given, exit status included."""
    done = interrupt(tmp_path, *long_training(data), "--target", 101, ready=first_line)
    assert (done.status, done.err) == (1, BELOW % "101")
    assert done.last["count"] == "200"


def test_ctrl_c_before_the_first_epoch_ended_keeps_the_weights_as_they_are(data, tmp_path):
    def ready(process):
        metrics = tmp_path / "metrics.jsonl"
        for _ in itertools.takewhile(lambda _: process.poll() is None, itertools.count()):
            if metrics.exists() and metrics.stat().st_size:
                return ""
            time.sleep(0.002)
        return pytest.fail("it ended")

    # Steps of one image on a large network: an epoch takes seconds.
    options = ("--data", data, "--hidden", 1024, "--batch-size", 1, "--target", 0)
    done = interrupt(tmp_path, *options, "--out", tmp_path, ready=ready, script=SKETCHING)
    assert (done.status, done.err) == (0, "")
    stopped, _, _ = done.lines
    assert re.fullmatch(
        r"stopped after \d+ of 2200 steps; this tests the weights as they are now", stopped
    )
    assert done.held_out == []
    _, _, images, labels = made_set()
    assert (numpy_answers(done.weights, images) == labels).sum() == int(done.last["right"])


def press_ctrl_c(*_) -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_within_a_step_lets_it_end(call, example, monkeypatch):
    loss_by_formula, seen = example.loss_by_formula, []

    def loss(model, *rest):
        seen.append(values_of(model))
        if len(seen) == 36 + 3:
            press_ctrl_c()
        return loss_by_formula(model, *rest)

    monkeypatch.setattr(example, "loss_by_formula", loss)
    call()  # all the 36 steps, undisturbed
    stopped = call()
    assert "stopped after 3 of 36 steps; this tests the weights as they are now" in stopped.out
    assert len(seen) == 36 + 3
    assert same(stopped, seen[3])  # as they were after three whole steps


def test_ctrl_c_while_an_epoch_is_judged_lets_that_end(call, example, monkeypatch):
    usual = example.correct

    def correct(scores, Y):
        if len(Y) != HELD_OUT:
            return usual(scores, Y)
        press_ctrl_c()
        return 50

    monkeypatch.setattr(example, "correct", correct)
    first, stopped, last = call().out.splitlines()
    assert EPOCH_LINE.fullmatch(first)
    assert stopped == "stopped after 9 of 36 steps; this tests the best weights so far"
    assert LAST_LINE.fullmatch(last)


def test_ctrl_c_after_the_training_changes_nothing(call, example, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "curves", press_ctrl_c)
    monkeypatch.setattr(training, "mistakes", lambda *_: None)
    weights = call("--out", tmp_path / "out", "--target", 0)
    assert weights.status == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    *_, about_files, last = weights.out.splitlines()
    assert about_files == f"kept in {tmp_path / 'out'}: {IN_ORDER}"
    assert LAST_LINE.fullmatch(last)


def test_a_second_ctrl_c_comes_through_at_once(call, example, monkeypatch, tmp_path):
    usual = example.correct

    def pressed_twice(scores, Y):
        if len(Y) != HELD_OUT:
            return usual(scores, Y)
        press_ctrl_c()
        press_ctrl_c()
        pytest.fail("not reached")

    with monkeypatch.context() as patch:
        patch.setattr(example, "correct", pressed_twice)
        stopped, last = call().out.splitlines()
    assert stopped == "stopped after 9 of 36 steps; this tests the weights as they are now"
    assert LAST_LINE.fullmatch(last)
    monkeypatch.setattr(training, "curves", lambda *_: (press_ctrl_c(), press_ctrl_c()))
    with pytest.raises(KeyboardInterrupt):
        call("--out", tmp_path)
    assert (tmp_path / "weights.safetensors").exists()


# Going on.


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(data, kept, call, tmp_path):
    """Stopped in the middle of an epoch, by hand: what it prints and keeps is that of one run."""
    out = tmp_path / "out"
    program = f"""
import functools, runpy, signal, sys
from nn import training
training.mistakes = functools.partial(training.mistakes, most=1)
step, taken = training.Report.step, 0
def pressed(self, *rows, **values):
    global taken
    taken += 1
    if taken == 14:
        signal.raise_signal(signal.SIGINT)
    step(self, *rows, **values)
training.Report.step = pressed
sys.argv = sys.argv[1:]
sys.path.insert(0, {str(SCRIPT.parent)!r})
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
    options = ("--data", data, *SMALL, "--out", out, "--target", 0)
    first = in_shell('"$@"', "-c", program, SCRIPT, *options, PYTHONPATH=str(ROOT))
    assert (first.returncode, first.stderr) == (0, "")
    stopped = "stopped after 14 of 36 steps; this tests the best weights so far"
    assert first.stdout.splitlines()[1] == stopped
    second = run(out, *options, "--resume", script=SKETCHING)
    assert (second.status, second.err) == (0, "")
    assert second.lines[0] == f"resuming in {out} after step 14 of 36"
    assert [without_times(line) for line in first.stdout.splitlines()[:1] + second.lines[1:4]] == [
        without_times(line) for line in kept.lines[:4]
    ]
    assert second.last["right"] == kept.last["right"]
    assert same(second.weights, kept.weights)
    timeless = [
        [{k: v for k, v in record.items() if "second" not in k} for record in each.records]
        for each in (second, kept)
    ]
    assert timeless[0] == timeless[1]
    assert names_in(out) == FILES
    third = call("--out", out, "--target", 0, "--resume").run(out)  # nothing is left to do
    assert third.lines[0] == f"resuming in {out} after step 36 of 36"
    assert third.last["right"] == kept.last["right"]


def without_times(line: str) -> str:
    return re.sub(r", \d+ images/s$| in [\d.]+ s$", "", line)


def test_resume_without_a_snapshot_begins_and_says_so(call, tmp_path):
    out = tmp_path / "out"
    done = call("--out", out, "--resume", "--target", 0)
    said = f"there is no snapshot in {out}: starting with the first step"
    assert done.out.splitlines()[0] == said
    assert names_in(out) == FILES


def test_a_resume_on_other_images_says_so(data, kept, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    shutil.copytree(kept.folder, out)
    shutil.copytree(data, other)
    images = bytearray((other / "train-images-idx3-ubyte").read_bytes())
    images[-1] ^= 1  # the last pixel of the last image
    (other / "train-images-idx3-ubyte").write_bytes(images)
    options = (*SMALL, "--out", out, "--resume", "--target", 0)
    same, changed = (
        run(out, "--data", folder, *options, script=SKETCHING) for folder in (data, other)
    )
    assert (same.status, same.err) == (0, "")
    assert changed.status == 0
    assert re.search(r"config: data_checksum \d+ -> \d+\n$", changed.err)
    assert changed.err.count("\n") == 1


@pytest.mark.parametrize("damage", ["cut", "other network"])
def test_a_snapshot_that_does_not_fit_costs_one_line_and_stays(data, kept, tmp_path, damage):
    out = tmp_path / "out"
    out.mkdir()
    content = (kept.folder / "snapshot.safetensors").read_bytes()
    content = content[:-1] if damage == "cut" else content
    (out / "snapshot.safetensors").write_bytes(content)
    options = ("--hidden", 17) if damage == "other network" else ()
    done = run(out, "--data", data, *SMALL, *options, "--out", out, "--resume")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("--resume: ")
    assert done.err.count("\n") == 1
    assert (out / "snapshot.safetensors").read_bytes() == content


def test_the_set_made_here_has_the_names_of_mnist(data):
    """Or mnist() would pass it over and fetch the real one."""
    names = {name.removesuffix(".gz") for name in mnist_family.MNIST.files}
    assert {path.name for path in data.iterdir()} == names
