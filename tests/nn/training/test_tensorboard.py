"""TensorBoard's event files, read back by a parser that shares nothing with the writer."""

import math
import os
import signal
import struct
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nn.training import Metrics
from tinygrad_lite import Tensor, files

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")

Scalars = list[tuple[str, int, float]]  # tag, step, value


def crc32c(data: bytes) -> int:
    """CRC-32C by its definition, a bit at a time (RFC 3720, B.4), masked as TFRecord does."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_the_checksum_of_this_parser_is_that_of_the_rfc():
    crc = crc32c(bytes(32))  # RFC 3720 gives 0x8a9136aa for 32 zeros
    rotated = (crc - 0xA282EAD8) & 0xFFFFFFFF
    assert (rotated >> 17 | rotated << 15) & 0xFFFFFFFF == 0x8A9136AA


def events(path: Path) -> list:
    """The events of a file, whose every checksum is right."""
    content, found, start = path.read_bytes(), [], 0
    while start < len(content):
        length, check = struct.unpack_from("<QI", content, start)
        assert check == crc32c(content[start : start + 8])
        data = content[start + 12 : start + 12 + length]
        assert len(data) == length
        assert struct.unpack_from("<I", content, start + 12 + length)[0] == crc32c(data)
        found.append(event_pb2.Event.FromString(data))
        start += length + 16
    return found


def event_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*tfevents*"))


def scalars(folder: Path) -> Scalars:
    """All scalars in the files of a folder, in the order in which TensorBoard reads them."""
    found = []
    for path in event_files(folder):
        first, *others = events(path)
        assert first.file_version == "brain.Event:2"
        for event in others:
            assert event.wall_time > 1e9
            found += [(each.tag, event.step, each.simple_value) for each in event.summary.value]
    return found


def shown(folder: Path) -> Scalars:
    """What an open TensorBoard shows: a START makes it forget later steps that it has read."""
    found: Scalars = []
    for path in event_files(folder):
        for event in events(path):
            if event.session_log.status == 1:
                found = [each for each in found if each[1] < event.step]
            found += [(each.tag, event.step, each.simple_value) for each in event.summary.value]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "first"


def test_every_number_is_a_scalar_at_its_step(folder):
    metrics = Metrics(tensorboard=folder)
    metrics.add("before", epoch=3, accuracy=0.125)  # no step was yet
    metrics.add("step", step=20, loss=0.5, lr=np.float32(0.25), name="a", ok=True, w=[1, 2])
    metrics.add("step", step=40, loss=Tensor(0.25), lr=0, name="b", ok=True, w=[1, 2])
    metrics.add("epoch", epoch=1, accuracy=0.75, bad=math.nan)  # at the last step
    assert scalars(folder) == shown(folder) == [
        ("before/epoch", 3, 3.0),
        ("before/accuracy", 3, 0.125),
        ("step/loss", 20, 0.5),
        ("step/lr", 20, 0.25),
        ("step/loss", 40, 0.25),
        ("step/lr", 40, 0.0),
        ("epoch/epoch", 40, 1.0),
        ("epoch/accuracy", 40, 0.75),
    ]  # fmt: skip


def test_numbers_that_a_scalar_does_not_hold(folder):
    metrics = Metrics(tensorboard=folder)
    metrics.add("x", step=2.5, large=1e300, small=-1e300, count=2**64 - 1)
    metrics.add("x", step=2**63, large=1, small=1, count=1)
    metrics.add("x", step=-3, large=1, small=1, count=1)
    largest = float(np.finfo(np.float32).max)
    assert scalars(folder)[:4] == [
        ("x/step", 0, 2.5),
        ("x/large", 0, pytest.approx(largest)),
        ("x/small", 0, pytest.approx(-largest)),
        ("x/count", 0, 2.0**64),
    ]
    assert [step for tag, step, _ in scalars(folder) if tag == "x/large"] == [0, 0, -3]


def resumed(metrics: Metrics, state: dict, folder: Path, path: Path | None = None) -> Metrics:
    again = Metrics(path, tensorboard=folder)
    again.load_state_dict(state)
    return again


def steps(metrics: Metrics, *numbers: int) -> Metrics:
    for number in numbers:
        metrics.add("step", step=number, loss=number / 4)
    return metrics


@pytest.mark.parametrize("with_file", [True, False])
def test_a_resume_goes_on_without_doubles(folder, tmp_path, with_file):
    path = tmp_path / "metrics.jsonl" if with_file else None
    metrics = steps(Metrics(path, folder), 1, 2, 3)
    state = metrics.state_dict()
    steps(metrics, 4, 5)
    steps(resumed(metrics, state, folder, path), 4)  # a run that ends before a snapshot
    last = steps(resumed(metrics, state, folder, path), 4, 5, 6)
    expected = [("step/loss", number, number / 4) for number in range(1, 7)]
    assert scalars(folder) == shown(folder) == expected
    again = steps(resumed(last, last.state_dict(), folder, path), 7)
    assert scalars(folder) == [*expected, ("step/loss", 7, 1.75)]
    assert len(again.records()) == 7
    starts = [
        event.step
        for file in event_files(folder)
        for event in events(file)
        if event.session_log.status
    ]
    assert starts == [4, 7]


def test_an_open_tensorboard_forgets_what_was_cut_off(folder):
    """It has read files that are shorter now, up to where they ended."""
    metrics = steps(Metrics(tensorboard=folder), 1, 2)
    state = metrics.state_dict()
    steps(metrics, 3, 4)
    (file,) = event_files(folder)
    before = file.read_bytes()
    steps(resumed(metrics, state, folder), 3)
    file.write_bytes(before)
    assert [step for _, step, _ in shown(folder)] == [1, 2, 3]


def test_a_new_run_replaces_the_last_one_and_nothing_else(folder):
    steps(Metrics(tensorboard=folder), 1, 2)
    other = folder / "events.out.tfevents.1234567890.elsewhere"
    other.write_bytes(b"")
    metrics = Metrics(tensorboard=folder)
    assert len(event_files(folder)) == 2  # a resume may want it
    steps(metrics, 7)
    assert other.exists()
    other.unlink()
    assert scalars(folder) == [("step/loss", 7, 1.75)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.unlink(), "is gone"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "is not as it was"),
        (lambda file: file.write_bytes(file.read_bytes()[::-1]), "is not as it was"),
    ],
)
def test_files_that_are_not_as_they_were_are_written_anew(folder, tmp_path, change, said):
    metrics = steps(Metrics(tmp_path / "metrics.jsonl", folder), 1, 2)
    state = metrics.state_dict()
    change(*event_files(folder))
    again = Metrics(tmp_path / "metrics.jsonl", folder)
    with pytest.warns(
        UserWarning, match=rf"TensorBoard's .*tfevents.* {said}; it is written again"
    ):
        again.load_state_dict(state)
    steps(again, 3)
    assert [step for _, step, _ in scalars(folder)] == [1, 2, 3]


def test_a_run_that_begins_to_write_events_writes_all(folder):
    state = steps(Metrics(), 1, 2).state_dict()
    again = resumed(Metrics(), state, folder)
    assert [step for _, step, _ in scalars(folder)] == [1, 2]
    without = Metrics()
    without.load_state_dict(again.state_dict())
    assert without.records() == again.records()


def test_a_file_that_is_removed_costs_one_warning(folder, tmp_path):
    metrics = steps(Metrics(tmp_path / "metrics.jsonl", folder), 1)
    event_files(folder)[0].unlink()
    with pytest.warns(UserWarning, match="the file was removed.*; the training continues") as said:
        steps(metrics, 2, 3)
    assert len(said) == 1
    assert len(Metrics.read(tmp_path / "metrics.jsonl").records()) == 3


def test_ctrl_c_after_the_write_doubles_nothing(folder, tmp_path, monkeypatch):
    metrics = steps(Metrics(tmp_path / "metrics.jsonl", folder), 1)
    appending = files.appending
    left = 2  # the file of lines, then that of events

    @contextmanager
    def interrupted(path, caller):
        nonlocal left
        with appending(path, caller) as file:
            yield file
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(files, "appending", interrupted)
    with pytest.raises(KeyboardInterrupt):
        steps(metrics, 2)
    state = metrics.state_dict()
    steps(metrics, 3)
    assert [step for _, step, _ in scalars(folder)] == [1, 2, 3]
    again = resumed(metrics, state, folder, tmp_path / "metrics.jsonl")
    assert [step for _, step, _ in scalars(folder)] == [1, 2]
    assert len(again.records()) == 2


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"Metrics: (File exists|Not a directory)"):
        Metrics(tensorboard=tmp_path / "file")
    with pytest.raises(TypeError, match="Metrics: expected a path"):
        Metrics(tensorboard=True)


def test_without_tensorboardx_one_line_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.proto.event_pb2", None)
    said = "Metrics: the package tensorboardX is missing; pip install 'tinygrad-lite[tensorboard]'"
    with pytest.raises(ImportError) as caught:
        Metrics(tensorboard=folder)
    assert str(caught.value) == said
    assert not folder.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_it_is_imported_only_when_used_warns_of_nothing_and_waits_in_no_buffer(folder):
    code = """
        import os, sys
        from nn.training import Metrics
        Metrics().add("step", step=1)
        print("tensorboardX" in sys.modules)
        metrics = Metrics(tensorboard=sys.argv[1])
        metrics.add("step", step=1, loss=0.5)
        print("tensorboardX" in sys.modules, flush=True)
        if os.fork() == 0:
            sys.exit()  # what a buffer held would now be written twice
        os.wait()
        metrics.add("step", step=2, loss=0.5)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), folder],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\nTrue\n", "")
    assert scalars(folder) == [("step/loss", 1, 0.5), ("step/loss", 2, 0.5)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_killed_program_leaves_every_record(folder, in_child):
    def work() -> None:
        steps(Metrics(tensorboard=folder), *range(9))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == (-9, "")
    assert [step for _, step, _ in scalars(folder)] == list(range(9))


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_second_process_is_refused(folder, in_child):
    metrics = steps(Metrics(tensorboard=folder), 1)

    def work() -> None:
        with pytest.warns(UserWarning, match="another process is writing to this file"):
            steps(Metrics(tensorboard=folder), 5)

    assert in_child(work) == (0, "None")
    steps(metrics, 2)
    assert [step for _, step, _ in scalars(folder)] == [1, 2]
