"""A snapshot on the disk: bad places, foreign and hostile files, several processes, full disks."""

import errno
import json
import os
import pickle
import resource
import shutil
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nn
from nn.data import DataLoader
from nn.training import Metrics, Snapshot
from nn.training.snapshots import snapshot as snapshot_module
from tinygrad_lite import Tensor

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk", "global_generators")


# Places


def test_a_full_disk_leaves_the_last_file_and_one_line(tmp_path):
    path = tmp_path / "run"
    snapshot = Snapshot(path, keep=2)
    snapshot.save(score=1, epoch=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        for score in (0, 2):
            with pytest.raises(OSError, match=r"save: File too large: '[^\n]*run(\.best)?'$"):
                snapshot.save(score=score, big=np.zeros(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert snapshot.resume() == {"epoch": 1}
    assert set(os.listdir(tmp_path)) <= {"run", "run.best", "run.000001"}


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_takes_no_files_is_said_in_one_line(code, tmp_path, monkeypatch):
    real = os.open

    def refuse(path, flags, *mode):
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code), path)
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=f"save: {os.strerror(code)}: '{tmp_path}/run'$"):
        Snapshot(tmp_path / "run").save()


def test_places_where_no_file_can_be(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("save", "resume"):
        with pytest.raises(OSError, match=rf"{name}: .*: '{tmp_path}/pipe'$"):
            getattr(Snapshot(tmp_path / "pipe"), name)()
        with pytest.raises(IsADirectoryError, match=rf"{name}: .*: '{tmp_path}'$"):
            getattr(Snapshot(tmp_path), name)()
        with pytest.raises(FileNotFoundError, match=rf"{name}: .*: '{tmp_path}/none/run'$"):
            getattr(Snapshot(tmp_path / "none" / "run"), name)()
    for path in ("", 3, None, b"\0"):
        with pytest.raises((TypeError, ValueError, OSError), match="Snapshot: path: "):
            Snapshot(path)


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snapshot = Snapshot(b"run")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    snapshot.save(epoch=1)
    assert snapshot.resume() == {"epoch": 1}
    assert sorted(os.listdir(tmp_path)) == ["other", "run"]


def test_a_symbolic_link_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to("disk/real")
    snapshot = Snapshot(tmp_path / "run", keep=2)
    assert snapshot.resume() is None
    for epoch in range(3):
        snapshot.save(score=epoch, epoch=epoch)
    assert (tmp_path / "run").is_symlink()
    assert Snapshot(tmp_path / "disk" / "real").resume() == {"epoch": 2}
    assert sorted(os.listdir(tmp_path)) == ["disk", "run", "run.000002", "run.best"]
    assert os.listdir(tmp_path / "disk") == ["real"]


def test_files_of_others_with_a_number_in_their_names_stay(tmp_path):
    """Only what `save` numbered is removed: not a dated copy, nor notes, nor a folder."""
    snapshot = Snapshot(tmp_path / "run", keep=2)
    snapshot.save(epoch=0)
    shutil.copy(tmp_path / "run", tmp_path / "run.20240131")
    (tmp_path / "run.000003").write_text("notes")
    (tmp_path / "run.123456").mkdir()
    os.mkfifo(tmp_path / "run.123457")
    theirs = {"run.20240131", "run.000003", "run.123456", "run.123457"}
    for epoch in range(1, 6):
        snapshot.save(epoch=epoch)
    assert set(os.listdir(tmp_path)) == theirs | {"run", "run.000006"}
    assert snapshot.resume() == {"epoch": 5}
    assert set(os.listdir(tmp_path)) == theirs | {"run", "run.000006"}
    assert (tmp_path / "run.000003").read_text() == "notes"


@pytest.mark.parametrize("number", [10**18, 10**4000])
def test_a_number_that_fits_into_no_name_is_refused(tmp_path, monkeypatch, number):
    monkeypatch.setattr(snapshot_module, "MOST", 10**5000)
    with monkeypatch.context() as patch:
        patch.setattr(Snapshot, "_numbers", lambda self: [number - 1])
        Snapshot(tmp_path / "run").save()
    monkeypatch.undo()
    snapshot = Snapshot(tmp_path / "run", keep=2)
    with pytest.raises(ValueError, match="expected a number and a score"):
        snapshot.resume()
    snapshot.save()
    assert snapshot.resume() == {}


def test_a_path_that_ends_like_a_folder_s_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"Snapshot: path: expected .* this is a folder"):
        Snapshot(f"{tmp_path}/run/")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said_in_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="save: Permission denied"):
        Snapshot(tmp_path / "run").save()


# Processes


def test_a_forked_child_may_save_and_does_not_end_what_its_parent_writes(tmp_path):
    snapshot = Snapshot(tmp_path / "run", rng=np.random.default_rng(0))
    snapshot.save(epoch=1)
    child = os.fork()
    if not child:
        try:
            values = snapshot.resume()
            snapshot.save(**values, child=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert snapshot.resume() == {"epoch": 1, "child": True}


def saving(path: Path) -> int:
    """A process that saves until it is killed; it has saved some already."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        snapshot = Snapshot(path, keep=3)
        for number in range(10**9):
            snapshot.save(score=number % 7, number=number, array=np.full(1000, number))
            if number == 10:
                os.write(writes, b"!")
    os.close(writes)
    os.read(reads, 1)
    os.close(reads)
    return child


def test_several_processes_save_to_one_path_and_are_killed(tmp_path):
    path = tmp_path / "run"
    writers = [saving(path) for _ in range(2)]
    reader = Snapshot(path)
    for _ in range(20):
        values = reader.resume()
        np.testing.assert_array_equal(values["array"], values["number"])
    for writer in writers:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        values = reader.resume()
        np.testing.assert_array_equal(values["array"], values["number"])
    Snapshot(path, keep=3).save(score=0)
    names = sorted(os.listdir(tmp_path))
    assert len(names) == 4
    assert [name for name in names if name.startswith(".")] == []
    assert Snapshot(tmp_path / "run.best").resume()["number"] == 6


def test_a_numbered_file_that_is_a_little_older_than_its_name_is_removed_too(tmp_path):
    path = tmp_path / "run"
    Snapshot(path).save()
    shutil.copy(path, tmp_path / "run.000003")  # as if another process had replaced the file
    for _ in range(2):
        Snapshot(path, keep=2).save()
    assert sorted(os.listdir(tmp_path)) == ["run", "run.000004"]


# Files that are none


def foreign(folder: Path) -> dict[str, Path]:
    contents = {
        "empty": b"",
        "short": b"abc",
        "zeros": bytes(1000),
        "pickle": pickle.dumps({"model": 1}),
        "gzip": b"\x1f\x8b" + bytes(20),
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "page": b"<html></html>",
        "endless": (2**63).to_bytes(8, "little") + b"{}",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "zip", "w") as archive:
        archive.writestr("data.pkl", b"")
    nn.state.safe_save({"weight": Tensor([1.0])}, folder / "weights", {"format": "pt"})
    return {name: folder / name for name in (*contents, "zip", "weights")}


def test_foreign_files_are_refused_in_one_line(tmp_path):
    messages = {
        "pickle": "got a pickle",
        "zip": "a zip archive, such as torch.save and np.savez write",
        "HDF5": "an HDF5 file",
        "weights": r"not a snapshot; to load them, write nn.state.load_state_dict\(model, nn.state",
    }
    for name, path in foreign(tmp_path).items():
        with pytest.raises(ValueError, match=messages.get(name, "expected a whole")) as caught:
            Snapshot(path).resume()
        text = str(caught.value)
        assert text.startswith(f"resume: '{path}': ")
        assert "\n" not in text
        assert len(text) < 400


def test_a_damaged_file_names_the_one_before_it(tmp_path):
    snapshot = Snapshot(tmp_path / "run", keep=2)
    snapshot.save(epoch=1)
    snapshot.save(epoch=2, array=np.arange(9))
    content = bytearray((tmp_path / "run").read_bytes())
    content[-1] ^= 1
    (tmp_path / "run").write_bytes(content)
    with pytest.raises(ValueError, match=r"wrong; the one before it is '.*run.000001'"):
        snapshot.resume()
    (tmp_path / "run.000001").rename(tmp_path / "run")
    assert snapshot.resume() == {"epoch": 1}


def test_a_flipped_bit_anywhere_is_seen(tmp_path):
    path = tmp_path / "run"
    Snapshot(path).save(array=np.arange(10))
    content = path.read_bytes()
    for position in range(len(content) - 100, len(content)):
        path.write_bytes(
            content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]
        )
        with pytest.raises(ValueError, match=r"(damaged|not JSON|whole|bool).*remove it"):
            Snapshot(path).resume()


HOSTILE = {
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep objects": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "huge integer": '{"number": ' + "9" * 5_000 + "}",
    "nan": '{"number": NaN}',
    "infinity": '{"number": -Infinity}',
    "twice": '{"number": 1, "number": 2}',
    "a list": "[]",
    "a number": "1",
    "nothing": "",
    "surrogate": '{"number": "\\ud800"}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_one_line(name, tmp_path):
    path = tmp_path / "run"
    metadata = {"format": "tinygrad_lite snapshot", "version": "1", "state": HOSTILE[name]}
    for checksum in ({}, {"checksum": "crc32:00000000"}):
        nn.state.safe_save({}, path, metadata | checksum)
        with pytest.raises(ValueError, match=r"resume: '.*run': ") as caught:
            Snapshot(path).resume()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400


def test_hostile_headers_take_no_memory(tmp_path):
    path = tmp_path / "run"
    for shape, end in ([0, 2**62], 0), ([2**31, 2**31], 2**62), ([-1], 4), ([2**70, 0], 0):
        header = {
            "__metadata__": {"format": "tinygrad_lite snapshot", "version": "1", "state": "{}"},
            "a": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]},
        }
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        with pytest.raises(ValueError, match=r"resume: '.*run': "):
            Snapshot(path).resume()


def test_a_later_version_says_so(tmp_path):
    nn.state.safe_save({}, tmp_path / "run", {"format": "tinygrad_lite snapshot", "version": "2"})
    with pytest.raises(ValueError, match="its version is 2; this is tinygrad_lite for version 1"):
        Snapshot(tmp_path / "run").resume()


# A whole training


class Stopped(Exception):
    pass


def a_training(folder: Path, stop: int | None = None, save_every: int = 1) -> tuple[bytes, str]:
    """The weights and the records at the end; it stops before step number `stop`."""
    Tensor.manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    rng = np.random.default_rng(1)
    data = rng.normal(size=(22, 4)).astype(np.float32), rng.integers(0, 2, 22)
    loader = DataLoader(*data, batch_size=4, shuffle=True)
    with Metrics(folder / "metrics.jsonl") as metrics:
        parts = {"model": model, "optimizer": optimizer, "loader": loader, "metrics": metrics}
        snapshot = Snapshot(folder / "run.safetensors", **parts)
        steps = (snapshot.resume() or {"steps": 0})["steps"]
        for _ in range(loader.epoch, 3):
            for x, y in loader:
                if steps == stop:
                    raise Stopped
                optimizer.zero_grad()
                loss = model(x).sparse_categorical_crossentropy(y)
                loss.backward()
                optimizer.step()
                steps += 1
                metrics.add("step", step=steps, loss=loss.item())
                if steps % save_every == 0:
                    snapshot.save(steps=steps)
    weights = b"".join(tensor.data.tobytes() for tensor in model.parameters())
    return weights, (folder / "metrics.jsonl").read_text()


@pytest.mark.parametrize("save_every", [1, 4])
def test_a_training_that_is_stopped_in_the_middle_of_epochs_ends_with_the_same_bits(
    save_every, tmp_path
):
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    expected = a_training(tmp_path / "whole", save_every=save_every)
    for stop in (3, 6, 7, 12, 17):
        with pytest.raises(Stopped):
            a_training(tmp_path / "stopped", stop, save_every)
    assert a_training(tmp_path / "stopped", save_every=save_every) == expected
