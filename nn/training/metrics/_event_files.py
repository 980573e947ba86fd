"""TensorBoard's event files: the numbers of the records as scalars.

An event file is a sequence of chunks (TFRecord), each with its length and checksums; a chunk is an
Event in protocol buffers.  Both come from tensorboardX.  Each record becomes one Event with all its
numbers, written at once: a kill leaves no half of one, and nothing waits in a buffer that a fork
could write twice.
"""

import os
import re
import struct
import time
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tinygrad_lite import arguments, files

from ._growing import GrowingFile, Written

OURS = re.compile(r"events\.out\.tfevents\.\d{10,12}\.metrics\.\d{1,9}")
LARGEST = 3.4028234e38  # that float32 holds, as which TensorBoard keeps a number
AXIS = 1 << 62  # steps are below this
START = 0, None, -1  # no records: no last step, and the highest so far


class EventFiles:
    """The event files of one run, in a folder that is made if there is none.

    caller: the function that an error names.

    The position of a record is its `step`; without one, the last step before it, or its `epoch` if
    there was no step yet.

    `write` writes to the newest file.  After a resume that is a new one: a TensorBoard that is
    running has read the last one to its end, and drops what was cut off once it finds the new one.

    Errors: ImportError without tensorboardX, in one line with the `pip install`; OSError.
    """

    def __init__(self, folder: files.FilePath, caller: str) -> None:
        self.folder, self.caller = Path(os.path.abspath(files.checked_path(folder, caller))), caller
        try:
            messages = import_module("tensorboardX.proto.event_pb2")
            self.checksum = import_module("tensorboardX.record_writer").masked_crc32c
        except ImportError as error:
            raise ImportError(
                f"{caller}: the package tensorboardX is missing; "
                "pip install 'tinygrad-lite[tensorboard]'"
            ) from error
        self.event, self.start = messages.Event, messages.SessionLog.START
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"{caller}: {error.strerror or error}"
            raise OSError(error.errno or 0, reason, str(self.folder)) from None
        self.finished: dict[str, Written] = {}  # the files before the newest
        self.newest: GrowingFile | None = None
        self.steps: tuple[int, int | None, int] = START

    def written(self) -> int:
        """The number of records that the files hold."""
        newest = self.newest.written.records if self.newest else 0
        return newest + sum(each.records for each in self.finished.values())

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write an event for each of the records that the files do not hold yet."""
        if self.newest is not None:
            self.newest.settle()
        start, events = self.written(), []
        if start == len(records):
            return
        count, last, highest = self.steps
        for number, record in enumerate(records[count:], count):
            if number == start and self.newest is None:
                self.newest = self._begun(highest)
            last, step = _axis(record, last)
            highest = max(highest, step)
            if number >= start:
                events.append(self._event(step=step, summary={"value": _scalars(record)}))
        assert self.newest is not None
        self.newest.append(b"".join(events), len(records) - start)
        self.steps = len(records), last, highest

    def state(self) -> dict[str, list[int]]:
        """What `restore` needs: for each file, what it holds."""
        found = dict(self.finished)
        if self.newest is not None:
            self.newest.settle()
            self.newest.sync()
            found[self.newest.path.name] = self.newest.written
        return {name: list(written) for name, written in found.items()}

    def restore(self, state: Mapping[str, Written]) -> str:
        """Cut the files back to a `state`; if that is impossible, return why, and start over.

        With an empty state nothing happens until `write` starts the first file.
        """
        self.close()
        self.finished, self.newest, self.steps = {}, None, START
        for name, written in state.items():
            if not written.begins(self._file(name).start(written.size)):
                there = (self.folder / name).exists()
                return f"{name} is {'not as it was' if there else 'gone'}"
        if state:
            self._remove(self._names() - set(state))
        for name, written in state.items():
            file = self._file(name)
            file.cut(written)
            file.close()
        self.finished = dict(state)
        return ""

    def close(self) -> None:
        """Let other processes write to the files."""
        if self.newest is not None:
            self.newest.close()

    def _begun(self, highest: int) -> GrowingFile:
        """A new file, which makes TensorBoard drop what it read beyond the highest step so far."""
        names = self._names()
        if not self.finished:
            self._remove(names)  # of an earlier run
        start = f"events.out.tfevents.{int(time.time()):010}.metrics."
        number = 1 + max([int(name.rpartition(".")[2]) for name in names], default=0)
        file = self._file(f"{start}{number}")
        content = self._event(file_version="brain.Event:2")
        if self.finished:
            begin = {"status": self.start}
            content += self._event(step=highest + 1, session_log=begin)
        file.cut(Written())
        file.append(content, 0)
        return file

    def _event(self, **fields: Any) -> bytes:
        """An event with the current time, framed: length, its checksum, content, its checksum."""
        content = self.event(wall_time=time.time(), **fields).SerializeToString()
        length = struct.pack("<Q", len(content))
        sums = [struct.pack("<I", self.checksum(each)) for each in (length, content)]
        return b"".join((length, sums[0], content, sums[1]))

    def _file(self, name: str) -> GrowingFile:
        return GrowingFile(self.folder / name, self.caller)

    def _names(self) -> set[str]:
        """The files in the folder that were written here, by any run."""
        return {path.name for path in self.folder.iterdir() if OURS.fullmatch(path.name)}

    def _remove(self, names: Collection[str]) -> None:
        """Remove files, if no other process is writing to one of them."""
        found = [self._file(name) for name in names]
        for file in found:
            file.open()
        for file in found:
            file.close()
            file.path.unlink(missing_ok=True)


def _axis(record: Mapping[str, Any], last: int | None) -> tuple[int | None, int]:
    """The last step so far, and the position of the record."""
    step: Any = record.get("step")
    epoch: Any = record.get("epoch")
    if _is_step(step):
        return step, step
    if last is None:
        return None, epoch if _is_step(epoch) else 0
    return last, last


def _is_step(value: Any) -> bool:
    return type(value) is int and abs(value) < AXIS


def _scalars(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The numbers of a record, named kind/name; its step is their position."""
    return [
        {"tag": f"{record['kind']}/{name}", "simple_value": min(max(value, -LARGEST), LARGEST)}
        for name, value in record.items()
        if type(value) in (int, float) and not (name == "step" and _is_step(value))
    ]


def checked_state(state: Any, where: str) -> dict[str, Written]:
    """The state of event files, from a file that may be hostile; ValueError if it is malformed."""
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and OURS.fullmatch(name) for name in state
    ):
        raise ValueError(f"{where}: expected a dict of event files; got {arguments.shown(state)}")
    return {name: Written.checked(each, where) for name, each in state.items()}
