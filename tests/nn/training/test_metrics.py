"""Metrics: what the lines are, what a crash leaves, and that a resume holds each record once."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mutations import mutated

from nn.training import Metrics
from tinygrad_lite import Tensor, files


def lines(path: Path) -> list[dict]:
    def refused(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line, parse_constant=refused) for line in text.splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


# What a line is.


def test_a_record_is_a_line_marked_with_its_kind(path):
    metrics = Metrics(path)
    metrics.add("step", step=120, loss=0.31)
    assert path.read_bytes() == b'{"kind": "step", "step": 120, "loss": 0.31}\n'
    metrics.add("epoch", epoch=1, accuracy=0.5)
    metrics.add("end")
    assert path.read_text().splitlines()[1:] == [
        '{"kind": "epoch", "epoch": 1, "accuracy": 0.5}',
        '{"kind": "end"}',
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (True, "true"),
        (None, "null"),
        ("a\nb\u2028ü", r'"a\nb\u2028\u00fc"'),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (np.float16(0.1), "0.1"),
        (np.float64(0.1), "0.1"),
        (np.longdouble(0.5), "0.5"),
        (np.int8(-3), "-3"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.bool_(True), "true"),
        (np.str_("x"), '"x"'),
        (np.array(0.1, np.float32), "0.1"),
        (np.array(7), "7"),
        (Tensor(0.1), "0.1"),
        (Tensor(0.5, requires_grad=True) * 3, "1.5"),
        (Tensor(7), "7"),
        (float("nan"), "null"),
        (-float("inf"), "null"),
        (np.float32("inf"), "null"),
        (np.float16("nan"), "null"),
        (Tensor(float("nan")), "null"),
        ([1, 2.5, None, "x"], '[1, 2.5, null, "x"]'),
        ((np.float32(0.1), True, float("nan")), "[0.1, true, null]"),
        (np.array([0.1, np.nan], np.float32)[::-1], "[null, 0.1]"),
        (Tensor([1.5, 0.1]), "[1.5, 0.1]"),
        ([], "[]"),
        (np.float32(1e-45), "1e-45"),
        (np.float32(-0.0), "-0.0"),
    ],
    ids=repr,
)
def test_values_as_json_has_them(path, value, text):
    Metrics(path).add("x", value=value)
    assert path.read_text() == f'{{"kind": "x", "value": {text}}}\n'


def test_a_float32_reads_back_as_itself(path):
    """All exponents, and bits drawn at random."""
    bits = np.random.default_rng(0).integers(0, 2**32, 500, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    metrics = Metrics(path)
    for value in values:
        metrics.add("x", value=value)
    back = [line["value"] for line in lines(path)]
    assert np.array_equal(np.float32(back).view(np.uint32), values.view(np.uint32))
    assert max(map(len, path.read_text().splitlines())) <= len('{"kind": "x", "value": }') + 19


@pytest.mark.parametrize(
    "value",
    [
        1j,
        b"x",
        {"a": 1},
        {1},
        object(),
        np.zeros((2, 2)),
        Tensor([[1.0]]),
        [[1]],
        [Tensor([1.0])],
        np.array("2026", "M8[Y]"),
        2**64,
        list(range(1001)),
        np.zeros(1001),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused_in_one_line_and_leave_nothing(path, value):
    metrics = Metrics(path)
    with pytest.raises((TypeError, ValueError), match=r"^Metrics\.add: value: expected .+; got .+"):
        metrics.add("x", good=1, value=value)
    assert metrics.records() == []
    assert metrics.kinds() == ()
    assert path.read_bytes() == b""


def test_a_mask_is_refused(path):
    with pytest.raises(TypeError, match=r"^Metrics\.add: value: a MaskedConstant has a mask"):
        Metrics(path).add("x", value=np.ma.array([1.0, 2.0], mask=[False, True]))


def test_one_kind_has_one_set_of_names(path):
    metrics = Metrics(path)
    metrics.add("step", step=1, loss=0.5)
    metrics.add("step", loss=0.25, step=2)  # in the order of the first
    said = "a record of kind 'step' has step, loss: loss is missing, lr is new; pass None"
    with pytest.raises(ValueError, match=said):
        metrics.add("step", step=3, lr=0.1)
    metrics.add("other", lr=0.1)
    assert path.read_text().splitlines()[1] == '{"kind": "step", "step": 2, "loss": 0.25}'
    assert len(lines(path)) == len(metrics.records()) == 3


@pytest.mark.parametrize("kind", ["", None, 3, b"step"])
def test_a_kind_is_text(kind):
    with pytest.raises(TypeError, match=r"^Metrics\.add: kind: expected text"):
        Metrics().add(kind, loss=1)


def test_a_value_cannot_be_called_kind_but_anything_else():
    metrics = Metrics()
    with pytest.raises(ValueError, match="kind comes first"):
        metrics.add("step", **{"kind": 1})
    metrics.add("step", **{"self": 1, "loss/train set": 2})
    assert metrics.records() == [{"kind": "step", "self": 1, "loss/train set": 2}]


# Reading.


def test_records_and_columns():
    metrics = Metrics()
    for step in range(3):
        metrics.add("step", step=step, loss=[0.5, None, 2][step], ok=True, w=[step, 1], name="a")
    metrics.add("epoch", epoch=1, ragged=[1, 2], names=["a", "b"])
    metrics.add("epoch", epoch=2, ragged=[1], names=["c", "d"])
    assert metrics.kinds() == ("step", "epoch")
    assert [record["kind"] for record in metrics.records()] == ["step"] * 3 + ["epoch"] * 2
    assert metrics.records("epoch")[0] == {
        "kind": "epoch",
        "epoch": 1,
        "ragged": [1, 2],
        "names": ["a", "b"],
    }
    assert metrics.records("test") == []
    found = metrics.columns("step")
    assert list(found) == ["step", "loss", "ok", "w", "name"]
    assert found["step"].dtype == np.int64
    assert found["step"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(found["loss"], [0.5, np.nan, 2.0])
    assert found["ok"].dtype == bool
    assert found["w"].tolist() == [[0, 1], [1, 1], [2, 1]]
    assert found["name"].tolist() == ["a"] * 3
    assert metrics.columns("epoch")["ragged"].tolist() == [[1, 2], [1]]
    assert metrics.columns("epoch")["names"].tolist() == [["a", "b"], ["c", "d"]]
    with pytest.raises(ValueError, match=r"no record is of kind 'stpe'; there are step, epoch"):
        metrics.columns("stpe")
    metrics.add("a\nb")
    with pytest.raises(ValueError, match=r"there are step, epoch, a\\nb$"):
        metrics.columns("stpe")


def test_what_is_given_out_is_a_copy(path):
    metrics = Metrics(path)
    mine = [1, 2]
    metrics.add("x", each=mine)
    mine.append(3)
    metrics.records()[0]["each"].append(4)
    assert metrics.records() == [{"kind": "x", "each": [1, 2]}]


def test_an_unfinished_last_line_is_left_out_at_every_length(path):
    metrics = Metrics(path)
    metrics.add("step", step=1, text="ü")
    metrics.add("step", step=2, text="ü")
    whole, records = path.read_bytes(), metrics.records()
    cut = path.with_name("cut")
    ends = {whole.index(b"\n") + 1: 1, len(whole): 2}
    for size in range(len(whole) + 1):
        cut.write_bytes(whole[:size])
        expected = max([count for end, count in ends.items() if end <= size], default=0)
        assert Metrics.read(cut).records() == records[:expected]


def test_the_file_is_read_while_another_process_adds(path):
    code = """
        import sys
        from nn.training import Metrics
        metrics = Metrics(sys.argv[1])
        for step in range(400):
            metrics.add("s", step=step)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), str(path)])
    seen = [0]
    while child.poll() is None:
        if path.exists():
            found = [record["step"] for record in Metrics.read(path).records()]
            assert found == list(range(len(found)))
            seen.append(len(found))
        time.sleep(0.001)
    assert child.returncode == 0
    assert seen == sorted(seen)
    assert len(Metrics.read(path).records()) == 400


GOOD = b'{"kind": "step", "step": 1}\n'


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"step,loss\n1,2\n", 1),
        (b"hello", 1),
        (GOOD + b"\n", 2),
        (GOOD + b"[1]\n", 2),
        (GOOD + b'{"step": 1}\n', 2),
        (GOOD + b'{"kind": 3}\n', 2),
        (GOOD * 2 + b'{"kind": "step", "step": NaN}\n', 3),
        (GOOD + b'{"kind": "step", "step": 1e999}\n', 2),
        (GOOD + b'{"kind": "step", "step": {"a": 1}}\n', 2),
        (GOOD + b'{"kind": "step", "st\n' + GOOD, 2),
        (GOOD + b"\0" * 50, 2),
        (GOOD + b'{"kind": "\xff"}\n', 2),
        (GOOD + b'{"kind": "step", "x": ' + b"[" * 100_000 + b"\n", 2),
        (GOOD + b'{"kind": "step", "x": ' + b"1" * 5000 + b"}\n", 2),
        (bytes(range(256)) * 20, 1),
        (b"\xef\xbb\xbf" + GOOD, 1),
        (b"\x1b[31m\n", 1),
    ],
)
def test_damaged_and_foreign_files_are_one_line_with_its_number(path, content, line):
    path.write_bytes(content)
    said = (
        rf"^Metrics\.read: '.*metrics\.jsonl', line {line}: expected a record such as \{{.*; got "
    )
    with pytest.raises(ValueError, match=said) as caught:
        Metrics.read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_a_file_damaged_at_random_is_read_or_refused_in_one_line(path):
    metrics = Metrics()
    for step in range(20):
        metrics.add("step", step=step, loss=np.float32(1) / (step + 1), text="ü", each=[1, None])
    content, rng = metrics.state_dict()["lines"].tobytes(), np.random.default_rng(0)
    refused = []
    for _ in range(200):
        path.write_bytes(mutated(rng, content, 3, [len(content)]))
        try:
            found = Metrics.read(path).records()
        except ValueError as error:
            refused.append(str(error))
        else:
            assert all(next(iter(record)) == "kind" for record in found)
    assert 50 < len(refused) < 200
    for message in refused:
        assert re.match(r"Metrics\.read: '.*', line \d+: expected a record", message)
        assert message.isprintable()


def test_a_file_that_is_not_there_and_one_that_never_ends(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Metrics\.read: No such file"):
        Metrics.read(tmp_path / "none")
    with pytest.raises(OSError, match=r"Metrics\.read: expected an ordinary file"):
        Metrics.read("/dev/zero")
    with pytest.raises(TypeError, match=r"Metrics\.read: expected a path"):
        Metrics.read(3)


def test_pandas_reads_it(path):
    pandas = pytest.importorskip("pandas")
    metrics = Metrics(path)
    for step in range(3):
        metrics.add("step", step=step, loss=float("nan") if step else 0.5)
    frame = pandas.read_json(path, lines=True)
    assert frame["step"].tolist() == [0, 1, 2]
    assert frame["loss"].isna().tolist() == [False, True, True]


# Where the file cannot be.


def test_a_place_that_cannot_hold_the_file_is_one_line_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="Metrics: its folder does not exist"):
        Metrics(tmp_path / "none" / "metrics.jsonl")
    with pytest.raises(IsADirectoryError, match="Metrics: "):
        Metrics(tmp_path)
    with pytest.raises(IsADirectoryError, match="Metrics: expected the name of a file"):
        Metrics(f"{tmp_path}/new/")
    os.mkfifo(tmp_path / "pipe")
    for special in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(OSError, match="Metrics: expected an ordinary file"):
            Metrics(special)
    with pytest.raises(TypeError, match="Metrics: expected a path"):
        Metrics(3)


def test_a_file_of_something_else_is_refused_and_stays(path):
    path.write_text("my notes\n")
    with pytest.raises(ValueError, match="is not a file of metrics; remove it, or name another"):
        Metrics(path)
    assert path.read_text() == "my notes\n"


def test_a_new_run_takes_the_place_of_the_last_with_its_first_record(path):
    Metrics(path).add("step", step=1)
    metrics = Metrics(path)
    assert len(lines(path)) == 1  # a resume may want it
    metrics.add("step", step=9)
    assert lines(path) == [{"kind": "step", "step": 9}]


def test_the_file_stays_where_it_was_when_the_program_goes_elsewhere(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    metrics = Metrics("metrics.jsonl")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    metrics.add("step", step=1)
    assert len(lines(path)) == 1


def add(metrics: Metrics, *steps: int) -> None:
    for step in steps:
        metrics.add("step", step=step)


def full_disk(monkeypatch) -> None:
    """Every append fails as on a full disk."""

    def appending(path, caller="appending"):
        raise OSError(errno.ENOSPC, f"{caller}: {os.strerror(errno.ENOSPC)}", str(path))

    monkeypatch.setattr(files, "appending", appending)


def test_a_full_disk_costs_one_warning_and_heals(path):
    metrics = Metrics(path)
    metrics.add("step", step=0)
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        with pytest.warns(UserWarning, match="No space left.*; the training continues") as said:
            add(metrics, 1, 2, 3, 4)
        assert len(said) == 1
        assert said[0].filename == __file__
        state = metrics.state_dict()  # tries again, in silence
        assert len(lines(path)) == 1
        assert len(metrics.records()) == 5
    with metrics:  # there is room again
        metrics.add("step", step=5)
        assert len(lines(path)) == 1
    assert [line["step"] for line in lines(path)] == list(range(6))
    later = Metrics(path)
    later.load_state_dict(state)
    assert [line["step"] for line in lines(path)] == list(range(5))
    assert later.records() == lines(path)


def test_a_disk_that_is_full_from_the_start(path):
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch)
        with pytest.warns(UserWarning, match="No space left") as said:
            metrics = Metrics(path)
        metrics.add("step", step=0)
        assert len(said) == 1
        state = metrics.state_dict()
    assert not path.exists()
    metrics.close()
    assert lines(path) == [{"kind": "step", "step": 0}]
    again = Metrics(path)
    again.load_state_dict(state)
    again.add("step", step=1)
    assert [line["step"] for line in lines(path)] == [0, 1]


def test_a_real_limit_leaves_whole_lines(path, in_child):
    resource = pytest.importorskip("resource")

    def work() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        metrics = Metrics(path)
        with pytest.warns(UserWarning, match="the training continues"):
            add(metrics, *range(9))
        return len(metrics.records())

    assert in_child(work) == (0, "9")
    assert [line["step"] for line in lines(path)] == [0, 1, 2]


@pytest.mark.parametrize("change", ["append", "truncate", "remove", "replace"])
def test_a_file_that_somebody_else_changes_is_left_alone(path, change):
    metrics = Metrics(path)
    metrics.add("step", step=0)
    metrics.add("step", step=1)
    other = {
        "append": path.read_bytes() + b"x\n",
        "truncate": GOOD,
        "replace": path.read_bytes()[::-1],
    }
    if change in ("remove", "replace"):
        path.unlink()
    if change != "remove":
        path.write_bytes(other[change])
    with pytest.warns(UserWarning, match="the file was .*; the training continues") as said:
        add(metrics, 2, 3)
    assert len(said) == 1
    state = metrics.state_dict()
    metrics.close()
    assert path.exists() == (change != "remove")
    if change != "remove":
        assert path.read_bytes() == other[change]
        path.unlink()
    again = Metrics(path)
    again.load_state_dict(state)  # which has all of them: no warning
    assert [line["step"] for line in lines(path)] == [0, 1, 2, 3]


# Several at once.


def test_threads_add_whole_lines_once_each(path):
    metrics = Metrics(path)

    def work(number: int) -> None:
        for step in range(50):
            metrics.add("step", thread=number, step=step)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines(path) == metrics.records()
    found = {(record["thread"], record["step"]) for record in metrics.records()}
    assert len(found) == len(metrics.records()) == 200


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_second_process_is_refused_until_the_first_ends(path, in_child):
    metrics = Metrics(path)
    metrics.add("step", step=1)
    status, said = in_child(lambda: Metrics(path).add("step", step=2))
    assert status == 1
    assert "Metrics: another process is writing to this file" in said
    assert str(path) in said
    assert len(lines(path)) == 1
    metrics.close()
    assert in_child(lambda: Metrics(path).add("step", step=2)) == (0, "None")
    assert lines(path) == [{"kind": "step", "step": 2}]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_neither_adds_nor_keeps_the_file_locked(path, in_child):
    parents = [Metrics(path)]
    parents[0].add("step", step=1)
    status, said = in_child(lambda: parents[0].add("step", step=2))
    assert (status, said[:45]) == (1, "RuntimeError: Metrics.add: this is a forked c")
    assert in_child(parents[0].close) == (0, "None")
    parents[0].add("step", step=2)
    (holder, waiting), (ready, begun) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # it lives longer than the parent's Metrics
        os.close(waiting)
        os.write(begun, b"x")
        os.read(holder, 1)
        os._exit(0)
    try:
        os.read(ready, 1)
        parents.clear()
        assert in_child(lambda: Metrics(path).add("step", step=3)) == (0, "None")
    finally:
        for descriptor in (waiting, holder, ready, begun):
            os.close(descriptor)
        os.waitpid(child, 0)
    assert lines(path) == [{"kind": "step", "step": 3}]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_without_a_file_a_forked_child_has_records_of_its_own(in_child):
    metrics = Metrics()

    def work() -> list:
        metrics.add("step", step=2)
        return metrics.records()

    assert in_child(work) == (0, "[{'kind': 'step', 'step': 2}]")
    assert metrics.records() == []


def test_the_last_object_of_a_process_has_the_file(path):
    first, second = Metrics(path), Metrics(path)
    first.add("step", step=1)
    second.add("step", step=2)
    with pytest.warns(UserWarning, match="another object has taken the file over"):
        first.add("step", step=3)
    assert lines(path) == [{"kind": "step", "step": 2}]


def test_closed():
    metrics = Metrics()
    with metrics:
        metrics.add("step", step=1)
    metrics.close()
    with pytest.raises(ValueError, match=r"^Metrics\.add: it is closed"):
        metrics.add("step", step=2)
    assert len(metrics.records()) == 1


def test_no_descriptor_stays_open(path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        Metrics(path).add("step", step=1)
    assert len(os.listdir("/proc/self/fd")) == before


# A resume.


def steps(path: Path) -> list[int]:
    return [line["step"] for line in lines(path)]


def trained(path: Path, upto: int) -> Metrics:
    metrics = Metrics(path)
    for step in range(upto):
        metrics.add("step", step=step, loss=np.float32(1) / (step + 3))
    return metrics


def test_a_resume_cuts_the_file_back_and_goes_on(path):
    metrics = trained(path, 5)
    state = metrics.state_dict()
    known = metrics.records()
    metrics.add("step", step=5, loss=1)
    metrics.add("epoch", epoch=1)  # names that the resumed run may give otherwise
    del metrics
    again = Metrics(path)
    again.load_state_dict(state)
    assert again.records() == known == lines(path)
    assert again.kinds() == ("step",)
    again.add("epoch", number=1)
    assert lines(path) == [*known, {"kind": "epoch", "number": 1}]
    with pytest.raises(ValueError, match="loss is missing"):
        again.add("step", step=3)


def test_the_same_object_goes_back_too(path):
    metrics = trained(path, 3)
    state = metrics.state_dict()
    metrics.add("step", step=3, loss=1)
    metrics.load_state_dict(state)
    metrics.add("step", step=30, loss=1)
    assert steps(path) == [0, 1, 2, 30]


def test_without_a_file_the_state_has_everything(path):
    metrics = Metrics()
    for step in range(1200):
        metrics.add("step", step=step)
    again, written = Metrics(), Metrics(path)
    for each in (again, written):
        each.load_state_dict(metrics.state_dict())
        assert each.records() == metrics.records()
    assert lines(path) == metrics.records()


def test_a_long_run_makes_no_heavy_state(path):
    metrics = trained(path, 3000)
    state = metrics.state_dict()
    assert state["lines"].nbytes < 100_000
    assert state["records"] == 3000
    del metrics
    again = Metrics(path)
    path.unlink()
    with pytest.warns(UserWarning, match="is gone; it continues with the last 1000 of its records"):
        again.load_state_dict(state)
    assert steps(path) == list(range(2000, 3000))
    again.add("step", step=3000, loss=1)
    assert len(lines(path)) == 1001
    last = Metrics(path)
    last.load_state_dict(again.state_dict())
    assert last.records() == lines(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: None, "is empty"),  # Metrics makes it anew
        (lambda content: b"", "is empty"),
        (lambda content: content[:-5], "is shorter"),
        (lambda content: content.replace(b"0.25", b"0.26"), "is another"),
        (lambda content: GOOD * 50, "is another"),
    ],
)
def test_a_file_that_is_not_as_it_was_is_written_anew_and_kept_beside(path, change, said):
    metrics = trained(path, 5)
    state, known = metrics.state_dict(), metrics.records()
    changed = change(path.read_bytes())
    del metrics
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)
    again = Metrics(path)
    expected = (
        rf"^Metrics\.load_state_dict: the file '.*' {said}; it continues with all of its records$"
    )
    with pytest.warns(UserWarning, match=expected):
        again.load_state_dict(state)
    again.add("step", step=5, loss=1)
    assert lines(path) == [*known, {"kind": "step", "step": 5, "loss": 1}]
    other = Path(f"{path}.other")
    assert (other.read_bytes() if changed else b"") == (changed or b"")
    assert other.exists() == bool(changed)


def test_a_moved_file_goes_on(path, tmp_path):
    metrics = trained(path, 2)
    state = metrics.state_dict()
    metrics.close()
    path.rename(tmp_path / "moved.jsonl")
    again = Metrics(tmp_path / "moved.jsonl")
    again.load_state_dict(state)
    again.add("step", step=2, loss=1)
    assert steps(tmp_path / "moved.jsonl") == [0, 1, 2]


def test_the_state_of_an_empty_one_leaves_the_file_until_the_first_record(path):
    """As when a snapshot that cannot be loaded puts back what there was before."""
    trained(path, 3)
    metrics = Metrics(path)
    metrics.load_state_dict(metrics.state_dict())
    assert steps(path) == [0, 1, 2]
    metrics.add("step", step=9)
    assert steps(path) == [9]


def test_a_load_that_is_undone_loses_nothing(path):
    """A snapshot whose next part cannot be loaded gives back the state that it took before."""
    metrics = trained(path, 1)
    early = metrics.state_dict()
    for step in range(1, 2500):
        metrics.add("step", step=step, loss=1)
    content, records, before = path.read_bytes(), metrics.records(), metrics.state_dict()
    metrics.load_state_dict(early)
    metrics.load_state_dict(before)
    assert path.read_bytes() == content
    assert metrics.records() == records
    metrics.add("step", step=2500, loss=1)
    assert steps(path) == list(range(2501))
    assert list(path.parent.iterdir()) == [path]


def test_hostile_states_change_nothing(path):
    metrics = trained(path, 4)
    good, content, records = metrics.state_dict(), path.read_bytes(), metrics.records()
    line = np.frombuffer(GOOD, np.uint8)
    for name, value in [
        ("records", -1), ("records", "4"), ("records", 3), ("records", 10**30), ("records", True),
        ("file", None), ("file", [4, 1]), ("file", [4, -1, 0]), ("file", [4, 1.5, 0]),
        ("file", [5, *good["file"][1:]]), ("file", [2, *good["file"][1:]]),
        ("lines", None), ("lines", "x"), ("lines", line.astype(float)), ("lines", line[None]),
        ("lines", np.zeros(9, np.uint8)), ("lines", np.tile(line, 5)), ("lines", line[:-1]),
        ("tensorboard", None), ("tensorboard", {"../../x": [0, 0, 0]}), ("tensorboard", {3: 4}),
        ("tensorboard", {"events.out.tfevents.1234567890.metrics.1": [9, 0, 0]}),
    ]:  # fmt: skip
        if name == "lines" and isinstance(value, np.ndarray) and value.size == line.size - 1:
            continue_with = {**good, name: value, "file": [0, 0, 0]}
        else:
            continue_with = {**good, name: value}
        with pytest.raises((TypeError, ValueError), match=r"^Metrics\.load_state_dict.*") as said:
            metrics.load_state_dict(continue_with)
        assert "\n" not in str(said.value)
    for state in (None, {}, {**good, "more": 1}, [1]):
        with pytest.raises(TypeError, match=r"^Metrics\.load_state_dict: expected a dict with"):
            metrics.load_state_dict(state)
    assert path.read_bytes() == content
    assert metrics.records() == records
    metrics.add("step", step=4, loss=1)
    assert steps(path) == [0, 1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_killed_program_leaves_every_record(path, in_child):
    def work() -> None:
        metrics = Metrics(path)
        add(metrics, *range(7))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == (-9, "")
    assert steps(path) == list(range(7))
    metrics = Metrics(path)  # and no lock
    metrics.add("step", step=0)
    assert steps(path) == [0]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # between open and with
def test_ctrl_c_at_every_line_of_add_neither_loses_nor_doubles(path):
    """KeyboardInterrupt is raised at each line of our code that `add` runs, in turn."""
    moments = 0
    while True:
        metrics = Metrics(path)
        metrics.add("step", step=0)
        left = moments

        def trace(frame, event, argument):
            nonlocal left
            if (
                "training" not in frame.f_code.co_filename
                and "files.py" not in frame.f_code.co_filename
            ):
                return None
            if event == "line":
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            metrics.add("step", step=1)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(None)
        metrics.add("step", step=2)
        assert lines(path) == metrics.records()
        assert steps(path) in ([0, 1, 2], [0, 2])
        moments += 1
    assert moments > 20
