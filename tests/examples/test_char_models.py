"""The character-level examples: their text and measure, what a model may see, and their lines."""

import importlib
import itertools
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from running import interrupted

from tinygrad_lite import Tensor

ROOT = Path(__file__).resolve().parents[2]
LAST_LINE = re.compile(
    r"(.+): held-out (\d+\.\d\d) bits per character, (\d+\.\d\d) (below|above) a bigram model's "
    r"(\d+\.\d\d), in \d+\.\d s"
)
EPOCH_LINE = re.compile(
    r"epoch (\d)/(\d): bits \d+\.\d{4}, held out bits \d+\.\d{4}, \d+ characters/s"
)
SMALL = {"WIDTH": 8, "CONTEXT": 8, "STEPS": 3, "BATCH_SIZE": 2, "EPOCHS": 2}


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")


@pytest.fixture
def text():
    return importlib.import_module("_text")


@pytest.fixture(params=["char_gpt", "char_lstm"])
def example(request, monkeypatch):
    """An example as a module, with a tiny model."""
    module = importlib.import_module(request.param)
    for name, value in SMALL.items():
        monkeypatch.setattr(module, name, value)
    if hasattr(module, "HIDDEN"):
        monkeypatch.setattr(module, "HIDDEN", 8)
    monkeypatch.setattr(module.training, "curves", lambda metrics, path: path.write_bytes(b"png"))
    return module


def model_of(example, characters=5):
    Tensor.manual_seed(0)
    return (example.GPT if hasattr(example, "GPT") else example.CharLSTM)(characters)


@pytest.fixture
def novel(tmp_path):
    """A text in which each of three characters is followed by the other two in turn."""
    path = tmp_path / "novel.txt"
    path.write_text("abcacb\n" * 60)
    return path


@pytest.fixture
def call(example, monkeypatch, capsys, novel):
    """Runs `main` on the text `novel`; gives its status and what it printed."""

    def run(*options):
        words = ["--data", str(novel), "--length", "20", *map(str, options)]
        monkeypatch.setattr(sys, "argv", [f"{example.__name__}.py", *words])
        status = example.main()
        return status, capsys.readouterr()

    return run


# The text.


def test_the_documentation_is_there_and_its_last_tenths_are_held_out(text):
    found = text.documentation_or(None, 64)
    assert found.name == "this repository's documentation"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    cut = len(readme) - len(readme) // 10
    assert readme[:cut] in found.train
    assert readme[cut:] in found.held_out
    assert readme[cut:][:200] not in found.train
    assert 8 < len(found.train) / len(found.held_out) < 10
    assert "".join(found.alphabet[i] for i in found.numbers("nn.Linear")) == "nn.Linear"


def test_a_file_of_the_user_is_read_instead(text, novel):
    found = text.documentation_or(str(novel), 8)
    assert found.name == "novel.txt"
    assert found.train + found.held_out == "abcacb\n" * 60
    assert len(found.held_out) == 42
    assert found.alphabet == "\nabc"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected 90 characters or more; got 0 from novel.txt"),
        (b"x" * 89, "expected 90 characters or more; got 89 from novel.txt"),
        (b"\xff\xfe" * 200, "expected text in UTF-8; got novel.txt, where .*byte 0xff"),
    ],
)
def test_a_file_that_is_no_text_to_learn_from_is_one_line(text, novel, capsys, content, words):
    novel.write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        text.documentation_or(str(novel), 8)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert re.fullmatch(rf"--data: {words}.*\n", said)


def test_the_shortest_text_that_is_accepted_has_one_window(text, novel):
    novel.write_text("ab" * 45)
    found = text.documentation_or(str(novel), 8)
    assert len(found.held_out) == 9
    assert (
        text.bits_per_character(lambda x: np.zeros((*x.shape, 2)), found.numbers("a" * 9), 8) == 1
    )


def test_windows_and_the_characters_after_them(text):
    x, y = text.windows(np.arange(10), np.array([0, 5]), 4)
    assert x.tolist() == [[0, 1, 2, 3], [5, 6, 7, 8]]
    assert y.tolist() == [[1, 2, 3, 4], [6, 7, 8, 9]]
    starts = {int(text.random_windows(np.arange(10), 1, 8)[0][0, 0]) for _ in range(50)}
    assert starts == {0, 1}  # the first and the last window of a text of ten


# The measure.


def test_bits_of_the_bigram_model_by_hand(text):
    # a is followed by b, c and b.  With 0.1 more of each of four: b 2.1/3.4, d 0.1/3.4.
    # b is followed by a twice: 2.1/2.4, and d was never followed: 0.1/0.4.
    expected = -(math.log2(2.1 / 3.4) + math.log2(2.1 / 2.4) + math.log2(0.1 / 3.4)) / 3
    assert text.bigram_bits("abacaba"[:6], "abad", 4) != pytest.approx(expected)  # one pair fewer
    assert text.bigram_bits("abacaba", "abad", 4) == pytest.approx(expected, rel=1e-12)
    assert text.bigram_bits("abacaba", "da", 4) == pytest.approx(2)
    assert str(text.bigram_bits("aaa", "aa", 1)) == "0.0"  # which is printed without a minus


@pytest.mark.parametrize("count", [9, 10, 13, 17, 64, 65, 400])
def test_each_character_but_the_first_is_predicted_once_with_enough_before_it(text, count):
    rng = np.random.default_rng(count)
    numbers, table = rng.integers(0, 6, count), rng.standard_normal((6, 6))

    def scores_of(x):
        return table[x]

    log_p = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
    expected = -log_p[numbers[:-1], numbers[1:]].mean() / np.log(2)
    assert text.bits_per_character(scores_of, numbers, 8) == pytest.approx(expected, rel=1e-12)

    def with_half_a_window(x):  # wrong at the positions before 4, which count once, at the start
        scores = np.zeros((*x.shape, 6))
        scores[:, :4, 0] = 50.0
        return scores

    found = text.bits_per_character(with_half_a_window, np.ones(count, np.int64), 8)
    expected = (4 * 50 / np.log(2) + (count - 5) * np.log2(6)) / (count - 1)
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_sample_is_drawn_with_the_probabilities_of_the_scores(text):
    p = np.array([0.5, 0.3, 0.2, 0.0])
    scores = np.log(np.maximum(p, 1e-30))
    alphabet = text.Text("", "", "", "abcd")
    for temperature, power in ((1.0, 1), (0.5, 2)):
        Tensor.manual_seed(0)
        found = text.sample(
            lambda x: np.broadcast_to(scores, (*x.shape, 4)), alphabet, 500, 4, temperature
        )
        expected = 500 * p**power / (p**power).sum()
        counts = np.array([found.count(each) for each in "abcd"])
        assert counts[3] == 0
        assert ((counts - expected)[:3] ** 2 / expected[:3]).sum() < 13.8  # 0.1 % of fair draws


def test_a_sample_shows_the_model_its_last_characters(text):
    shown = []

    def scores_of(x):
        shown.append(x[0].tolist())
        return np.where(np.arange(3) == (x[..., None] + 1) % 3, 100.0, 0.0)

    assert text.sample(scores_of, text.Text("", "", "", "abc"), 5, 3, 1.0) == "bcabc"
    assert shown == [[0], [0, 1], [0, 1, 2], [1, 2, 0], [2, 0, 1]]


def test_a_model_that_diverged_writes_nothing(text):
    nan = lambda x: np.full((*x.shape, 3), np.nan)  # noqa: E731
    assert text.sample(nan, text.Text("", "", "", "abc"), 5, 3, 1.0) == ""


def test_a_sample_is_shown_without_control_characters(text):
    assert text.quoted("a\n\x1b[1mb\n") == "    a\n    \\x1b[1mb"


# The models.


def test_a_later_character_changes_no_earlier_prediction(example):
    model, rng = model_of(example), np.random.default_rng(0)
    x = rng.integers(0, 5, (2, 8))
    before = model(Tensor(x)).numpy()
    for t in range(8):
        other = x.copy()
        other[:, t] = (other[:, t] + 1) % 5
        after = model(Tensor(other)).numpy()
        np.testing.assert_array_equal(after[:, :t], before[:, :t])
        changed = np.abs(after - before).max(axis=(0, 2))
        assert (changed[t:] > 1e-6).all()  # it changes all that come after


def test_attention_by_its_formula():
    example = importlib.import_module("char_gpt")
    Tensor.manual_seed(0)
    block = example.Block(6, 2)
    x = np.random.default_rng(0).standard_normal((1, 4, 6))
    W, b = block.qkv.weight.numpy().astype(float), block.qkv.bias.numpy().astype(float)
    q, k, v = np.split(x[0] @ W.T + b, 3, axis=1)
    expected = np.zeros((4, 6))
    for head, t in itertools.product(range(2), range(4)):
        part = slice(3 * head, 3 * head + 3)
        weights = np.exp(k[: t + 1, part] @ q[t, part] / 3**0.5)
        expected[t, part] = weights @ v[: t + 1, part] / weights.sum()
    found = block.attention(Tensor(x.astype(np.float32))).numpy()
    np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)


# The program.


def test_its_lines_and_files_and_the_same_bits_when_resumed(
    call, example, monkeypatch, tmp_path, novel
):
    status, printed = call("--out", tmp_path / "whole", "--target", "-9", "--capture")
    lines = printed.out.splitlines()
    assert (status, printed.err) == (0, "")
    assert [EPOCH_LINE.fullmatch(line)[1] for line in lines[:2]] == ["1", "2"]
    last = LAST_LINE.fullmatch(lines[-1])
    assert last[1] == "novel.txt"
    below = float(last[3]) * (1 if last[4] == "below" else -1)
    assert float(last[5]) - float(last[2]) == pytest.approx(below, abs=0.011)
    files = "metrics.jsonl, snapshot.safetensors, weights.safetensors, sample.txt, curves.png"
    assert lines[-2].endswith(files)
    sample = (tmp_path / "whole" / "sample.txt").read_text()
    assert len(sample) == 20
    assert "temperature 0.8:\n    " + sample.replace("\n", "\n    ").rstrip(" ") in printed.out

    # In an epoch, and at its end, before the evaluation.
    stop = 2 if example.__name__ == "char_gpt" else 3
    with monkeypatch.context() as patch:
        interrupted(patch, stop)
        call("--out", tmp_path / "parts", "--target", "-9")
    status, again = call("--out", tmp_path / "parts", "--target", 9, "--resume", "--length", 20)
    assert f"after step {stop} of 6" in again.out
    for name in ("weights.safetensors", "sample.txt"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert LAST_LINE.fullmatch(again.out.splitlines()[-1])[2] == last[2]
    assert status == 1
    assert again.err == "that is below the target of 9 bits per character, so the status is 1\n"

    novel.write_text("abcacb\n" * 61)
    with pytest.raises(SystemExit) as caught:
        call("--out", tmp_path / "parts", "--target", 9, "--resume")
    assert caught.value.code == 2
