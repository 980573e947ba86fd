"""The vote on MNIST: its members, and that the test images are opened once, after all else."""

import importlib
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from made_data import idx

import nn
from nn import training
from nn.datasets import mnist_family
from tinygrad_lite import Tensor

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEST_IMAGES = "t10k-images-idx3-ubyte"


@pytest.fixture(scope="module")
def example():
    """The example as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("mnist_record")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A set of MNIST's form: the digit of an image is the row of its only bar."""
    folder = tmp_path_factory.mktemp("mnist")
    for part, count in (("train", 240), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        images = np.random.default_rng(count).integers(0, 30, (count, 28, 28), np.uint8)
        images[np.arange(count), 2 * labels + 4] = 255
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


@pytest.fixture
def small(example, monkeypatch):
    """Members of one layer, so that training takes no time."""

    def network() -> nn.Module:
        return nn.Sequential(nn.AvgPool2d((1, 28)), nn.Flatten(), nn.Linear(28, 10))

    monkeypatch.setattr(example, "MEMBERS", dict.fromkeys("abc", (network, 2)))
    return example


@pytest.fixture
def run(small, data, monkeypatch, capsys):
    """Run it with these options: its status and its lines."""

    def run(*options: str) -> tuple[int, list[str]]:
        usual = ["--data", str(data), "--batch-size", "23", "--lr", "0.5", "--target", "0"]
        monkeypatch.setattr(sys, "argv", ["mnist_record.py", *usual, *options])
        status = small.main()
        said = capsys.readouterr()
        return status, (said.out + said.err).splitlines()

    return run


@pytest.fixture
def events(monkeypatch, small):
    """What is read, trained and answered, in order."""
    happened = []

    def noted(module, name, what):
        original = getattr(module, name)

        def wrapped(*args, **kwargs):
            happened.append(what(*args))
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, wrapped)

    noted(mnist_family, "read_idx", lambda path: path.name)
    noted(small, "trained", lambda name, *_: f"train {name}")
    noted(nn.optim.SGD, "step", lambda *_: "step")
    return happened


@pytest.mark.parametrize(("name", "parameters"), [("a", 171_178), ("b", 188_074), ("c", 581_506)])
def test_the_members(example, name, parameters):
    """By hand for c: 49 (24 + 24 48 + 48 72 + 72 96), 2 (24 + 48 + 72 + 96), 1537 10."""
    network = example.MEMBERS[name][0]().eval()
    assert sum(each.numel() for each in network.parameters()) == parameters
    assert network(Tensor.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_an_opinion_is_the_mean_over_views_shifted_by_a_pixel(example):
    """The score of class 0 is here the brightness of one pixel, so each view shows another."""
    image = np.zeros((1, 1, 28, 28), np.uint8)
    for value, (down, right) in enumerate([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)], 1):
        image[0, 0, 10 + down, 10 + right] = value

    class Centre(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0, 10, 10:11] * Tensor([1.0, *[0.0] * 9])

    scale = np.array([[0.0], [1.0]])
    each = [np.exp(value) / (np.exp(value) + 9) for value in range(1, 6)]
    assert example.opinion(Centre(), image, scale)[0, 0] == pytest.approx(np.mean(each), rel=1e-6)
    alone = example.opinion(Centre(), image, scale, views=1)
    assert alone[0, 0] == pytest.approx(each[0], rel=1e-6)


def test_the_test_images_are_opened_once_when_all_else_is_done(run, events, tmp_path):
    status, lines = run("--out", str(tmp_path / "run"))
    assert status == 0
    assert events.count(TEST_IMAGES) == 1
    last = len(events) - 1 - events[::-1].index("step")
    assert [each for each in events if each.startswith("train ")] == [
        "train a",
        "train b",
        "train c",
    ]
    assert events.index(TEST_IMAGES) > last
    assert "train-images-idx3-ubyte" not in events[events.index(TEST_IMAGES) :]
    assert [line for line in lines if "held-out images wrong" in line][-1].startswith("the vote: ")
    assert lines[-1].startswith("MNIST: test accuracy ")
    assert lines[-1].partition(" wrong")[0].endswith("of 20")
    assert (tmp_path / "run" / "mistakes.png").stat().st_size


def test_a_member_alone_never_opens_them(run, events, tmp_path):
    status, lines = run("--train", "b", "--out", str(tmp_path))
    assert status == 0
    assert TEST_IMAGES not in events
    assert lines[-1].endswith("of 10 held-out images wrong by b alone")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "metrics.jsonl", "snapshot.safetensors", "weights.safetensors"
    ]  # fmt: skip


def test_members_that_are_trained_side_by_side_vote_as_those_of_one_run(run, events, tmp_path):
    _, together = run("--out", str(tmp_path / "one"))
    for name in "abc":
        run("--train", name, "--out", str(tmp_path / "other"))
    events.clear()
    _, apart = run("--resume", "--out", str(tmp_path / "other"))
    assert "step" not in events
    assert apart[-1].partition(" in ")[0] == together[-1].partition(" in ")[0]
    for name in "abc":
        one, other = (
            nn.state.safe_load(tmp_path / run / name / "weights.safetensors")
            for run in ("one", "other")
        )
        assert all(np.array_equal(one[key].numpy(), other[key].numpy()) for key in one)


def test_an_average_is_the_mean_of_few_values_and_exponential_over_many(example):
    """By recursion in float64: of the 100th value on, 0.99 of the average stays."""
    values = np.random.default_rng(0).normal(size=300)
    average, right = Tensor(values[:1]), values[0]
    for count, value in enumerate(values[1:], 1):
        average = example.averaged(average, Tensor([value], dtype="float64"), Tensor(count))
        right = values[: count + 1].mean() if count < 100 else 0.99 * right + 0.01 * value
        assert average.item() == pytest.approx(right, rel=1e-9)


def test_the_weights_are_an_average_of_every_eighth_step(example, run, monkeypatch, tmp_path):
    seen = []
    original = example.AveragedModel.update_parameters

    def noted(self, model):
        seen.append(model[2].weight.numpy().astype(np.float64))
        original(self, model)

    monkeypatch.setattr(example.AveragedModel, "update_parameters", noted)
    run("--train", "a", "--epochs", "4", "--out", str(tmp_path))
    assert len(seen) == 4 * 10 // 8  # of 10 batches each
    assert len(seen) < 100  # so that it is their mean
    kept = nn.state.safe_load(tmp_path / "a" / "weights.safetensors")
    np.testing.assert_allclose(
        kept["2.weight"].numpy(), np.mean(seen, axis=0), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_step_of_a_member_ends_the_program(
    run, events, monkeypatch, tmp_path, number
):
    monkeypatch.setattr(training.Report, "keep", lambda *_: signal.raise_signal(number))
    with pytest.raises(training.Stopped) as caught:
        run("--out", str(tmp_path))
    assert caught.value.number == number
    assert [each for each in events if each.startswith("train ")] == ["train a"]


def test_below_the_target_the_status_is_1(run):
    status, lines = run("--members", "2", "--epochs", "1", "--target", "101")
    assert status == 1
    assert "that is below the target of 101 %, so the status is 1" in lines


def test_batches_larger_than_what_there_is_are_one_line(run, capsys):
    with pytest.raises(SystemExit) as caught:
        run("--batch-size", "231")
    said = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2
    assert len(said) == 1
    assert said[0].startswith("--batch-size: DataLoader: drop_last leaves nothing of 230 rows")


def test_a_part_has_enough_images_for_the_usual_batch(example, run, capsys):
    images = 60_000 // 400
    assert images - images // example.HELD_OUT >= example.BATCH_SIZE
    with pytest.raises(SystemExit):
        run("--part", "401")
    assert "--part: expected an integer from 1 to 400; got 401" in capsys.readouterr().err


@pytest.mark.parametrize("out", [True, False])
def test_resume_is_advised_only_where_there_is_something_to_resume(
    run, monkeypatch, capsys, tmp_path, out
):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(nn.training.Report, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(*(["--out", str(tmp_path)] if out else []))
    said = "with --resume it continues" if out else "nothing was kept"
    assert f"stopped after 0 of 20 steps; {said}\n" in capsys.readouterr().out
