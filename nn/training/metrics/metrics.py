"""Metrics: the numbers of a training as JSON lines, and as TensorBoard's event files."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, arguments, files, locks, warn

from ..._processes import current
from .._output import FULL
from ._event_files import EventFiles
from ._event_files import checked_state as checked_events
from ._growing import Written
from ._lines import LineFile, parsed, text
from ._records import Record, Records

LONGEST_LIST = 1000  # values in a record
KEPT = 1000  # of the records in the file, so many are in a state too


class Metrics(Records):
    r"""The records of a training, as lines of a file that one can read while it grows.

        with Metrics("metrics.jsonl") as metrics:
            metrics.add("step", step=120, loss=loss, lr=0.1)
            metrics.add("epoch", epoch=1, accuracy=0.97)

        {"kind": "step", "step": 120, "loss": 0.31, "lr": 0.1}
        {"kind": "epoch", "epoch": 1, "accuracy": 0.97}

    Each record has a kind, and all records of a kind have the same names.  The lines are strict
    JSON, for `Metrics.read`, for `pandas.read_json(path, lines=True)`, for `tail -f`: nan and
    infinities are null, and a float32 has the fewest digits that identify it.

    path          the file.  The first record of a new run overwrites it; a run that resumes from
                  a snapshot (`load_state_dict`) continues it.  None: the records stay in memory
    tensorboard   a folder for TensorBoard's event files: every number of a record is the scalar
                  kind/name at its `step`; without one, at the last step before it, or at its
                  `epoch` if there was no step yet.  A new run replaces the event files that an
                  earlier one wrote.  This needs `pip install 'tinygrad-lite[tensorboard]'`

    Each record is one write, so a killed program leaves whole lines.  If the disk is full, or
    another program changes the file, there is one warning, and the training continues with the
    records in memory; `state_dict` and `close` try to write them again.

    Of several processes that train together, only the leading one has the files; in the others, the
    records are in memory.

    Several threads may add.  A second process that opens the same file is refused (not on Windows),
    and so is a forked child that adds.  Within a process, the file belongs to the object that last
    overwrote or continued it.

    Errors: OSError if the file or the folder cannot be written, ValueError if the file holds
    something else, ImportError without tensorboardX.
    """

    def __init__(
        self, path: files.FilePath | None = None, tensorboard: files.FilePath | None = None
    ) -> None:
        super().__init__([])
        if not current().leads:
            path = tensorboard = None
        self._turns = locks.ProcessLock()
        self._process = os.getpid()
        self._closed = False
        self._before = Written(), self._records  # the file and the records before the last load
        self._lines = None if path is None else LineFile(path, "Metrics")
        self._events = None if tensorboard is None else EventFiles(tensorboard, "Metrics")
        given = (self._lines, self._events)
        self._failed = {file: False for file in given if file is not None}  # in its last write
        if self._lines is not None:
            try:
                self._lines.file.open()
            except OSError as error:
                if error.errno not in FULL:  # which is no reason to stop a training
                    raise
                self._complain(self._lines, error)

    def add(self, kind: str, /, **values: Any) -> None:
        """Add a record of this kind.

        values: Python and NumPy numbers, arrays and Tensors of one number, text, True, False, None,
        or a short list of them (also an array or a Tensor with one axis).

        Errors: TypeError or ValueError for anything else, and for other names than the first record
        of this kind has; then nothing is added.  Pass None for an unknown value.
        """
        if not isinstance(kind, str) or not kind:
            raise arguments.wrong("Metrics.add: kind", 'text such as "step"', kind)
        if "kind" in values:
            raise ValueError(
                "Metrics.add: a record's kind comes first; give the value another name"
            )
        record: Record = {"kind": str.__str__(kind)}
        for name, value in values.items():
            record[name] = _plain(value, f"Metrics.add: {files.printable(name)}")
        with self._writing("add"):
            self._before = Written(), []
            names = self._names.setdefault(record["kind"], tuple(record))
            self._records.append(_in_order(record, names))
            self._store()

    @staticmethod
    def read(path: files.FilePath) -> Records:
        """The records of a file, which may still grow: an unfinished last line is left out.

        The result has the methods `records`, `kinds` and `columns`; the file is not changed.

        Errors: OSError; ValueError with the number of the line where the file is damaged, or not
        written by Metrics.
        """
        name = files.checked_path(path, "Metrics.read")
        with files.reading(path, "Metrics.read") as file:
            content = file.read()
        return Records(parsed(content, f"Metrics.read: {files.printable(name)!r}"))

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs, for a snapshot: plain values and one array.

        Of records in the file, the state has the number, a checksum, and the last 1000, in case the
        file is lost; without a file, all of them.
        """
        with self._turns.lock:
            self._store(again=True)
            written = Written() if self._lines is None else self._lines.state()
            first = min(written.records, max(0, len(self._records) - KEPT))
            return {
                "records": len(self._records),
                "file": list(written),
                "lines": np.frombuffer(text(self._records[first:]), np.uint8),
                "tensorboard": {} if self._events is None else self._events.state(),
            }

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> None:
        """Restore a `state_dict`: the file and the event files are cut back to what they were then.

        If the file is missing, shorter or different, there is a warning, and a new file is written
        with the records in the state; the old one is renamed, with `.other` at the end.

        Errors: TypeError or ValueError for a malformed state, OSError; then nothing is changed.
        """
        where = "Metrics.load_state_dict"
        total, written, last, events = _checked(state_dict, where)
        with self._writing("load_state_dict"):
            found, written, complaint = self._recovered(total, written, last)
            if self._lines is not None:
                self._before = self._lines.state(), self._records
                if complaint:
                    self._lines.set_aside()
                self._lines.restore(written)
            complaints = [complaint]
            if self._events is not None:
                # After a loss the numbers of the records are others.
                reason = self._events.restore(events if len(found) == total else {})
                complaints.append(reason and f"TensorBoard's {reason}; it is written again")
            self._replace(found)
            self._store(again=True)
        for complaint in filter(None, complaints if current().leads else ()):
            warn(f"{where}: {complaint}")

    def close(self) -> None:
        """Try once more to write what could not be written, and let other processes write."""
        if self._closed or os.getpid() != self._process:
            return
        with self._turns.lock:
            self._store(again=True)
            self._closed = True
            if self._lines is not None:
                self._lines.file.close()
            if self._events is not None:
                self._events.close()

    def __enter__(self) -> "Metrics":
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """The file, and how many records there are."""
        where = "in memory" if self._lines is None else f"in {self._lines.file.path}"
        return f"<Metrics: {len(self._records)} records of {len(self._names)} kinds, {where}>"

    @contextmanager
    def _writing(self, method: str) -> Iterator[None]:
        """One thread at a time; an error if it is closed, or in a forked child."""
        if self._closed:
            raise ValueError(f"Metrics.{method}: it is closed")
        if self._failed and os.getpid() != self._process:
            raise RuntimeError(
                f"Metrics.{method}: this is a forked child of the process that writes the file; "
                "add the records there"
            )
        with self._turns.lock:
            yield

    def _recovered(
        self, total: int, written: Written, last: list[Record]
    ) -> tuple[list[Record], Written, str]:
        """The records of a state, how many of them the file has, and what is wrong with the file.

        total, written, last: how many there are, what the file had, and the last of them.
        """
        found: list[Record] | str = "is not given" if written.records else []
        name = ""
        if self._lines is not None:
            found = self._lines.found(written)
            name = f" {files.printable(self._lines.file.path)!r}"
        if not isinstance(found, str):
            if len(found) != written.records:
                count = f"{written.records} records in the file; got {len(found)}"
                raise ValueError(f"Metrics.load_state_dict: expected {count}")
            return found + last[len(last) - (total - written.records) :], written, ""
        if self._before[0] == written and len(self._before[1]) == total:
            return self._before[1], Written(), ""  # a snapshot that fails later undoes its load
        known = f"the last {len(last)}" if len(last) < total else "all"
        return last, Written(), f"the file{name} {found}; it continues with {known} of its records"

    def _store(self, again: bool = False) -> None:
        """Write the records that the files do not have yet.

        again: also to a file whose last write failed.
        """
        if self._closed or os.getpid() != self._process:
            return
        for file, failed in self._failed.items():
            if again or not failed:
                try:
                    file.write(self._records)
                except OSError as error:
                    self._complain(file, error)
                else:
                    self._failed[file] = False

    def _complain(self, file: LineFile | EventFiles, error: OSError) -> None:
        """Warn, once, that a file could not be written."""
        failed, self._failed[file] = self._failed[file], True
        if not failed:
            warn(f"{error}; the training continues, with the records in memory")


def _plain(value: Any, where: str) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = list(value)
    if not isinstance(value, list | tuple):
        return _scalar(value, where)
    if len(value) > LONGEST_LIST:
        came = arguments.shown(value)
        raise ValueError(f"{where}: expected a list of at most {LONGEST_LIST} values; got {came}")
    return [_scalar(each, where) for each in value]


def _scalar(value: Any, where: str) -> str | int | float | bool | None:
    """A number, text, True, False or None as JSON has it: what is not finite is None."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if not isinstance(value, int | float | np.generic | np.ndarray):
        expected = "a number, text, True, False, None or a short list of them"
        hint = "; take its item()" if hasattr(value, "item") else ""
        raise arguments.wrong(where, expected, value, hint)
    number = arguments.number(value, where)
    if isinstance(number, bool):
        return number
    if isinstance(number, int):
        if not -(1 << 63) <= number < 1 << 64:
            came = arguments.shown(number)
            raise ValueError(f"{where}: expected an integer of at most 64 bits; got {came}")
        return number
    if not abs(number) < float("inf"):
        return None
    if isinstance(value, np.ndarray | np.generic) and value.dtype.itemsize < 8:
        short = float(str(value))  # of an array without axes too
        return short if value.dtype.type(short) == value else number
    return number


def _in_order(record: Record, names: tuple[str, ...]) -> Record:
    """The record with its names in this order; ValueError if it has others."""
    if tuple(record) == names:
        return record
    missing = [f"{name} is missing" for name in names if name not in record]
    new = [f"{name} is new" for name in record if name not in names]
    if not missing and not new:
        return {name: record[name] for name in names}
    raise ValueError(
        f"Metrics.add: a record of kind {arguments.shown(record['kind'])} has "
        f"{', '.join(names[1:]) or 'no values'}: {files.printable(', '.join(missing + new))}; "
        "pass None for an unknown value, or another kind"
    )


def _checked(state: Any, where: str) -> tuple[int, Written, list[Record], Mapping[str, Written]]:
    """The parts of a state, from a file that may be hostile.

    They are the number of records, what the file has of them, the last ones, and the event files.
    """
    keys = {"records", "file", "lines", "tensorboard"}
    if not isinstance(state, Mapping) or set(state) != keys:
        raise arguments.wrong(where, f"a dict with {', '.join(sorted(keys))}", state)
    total = arguments.integer(state["records"], f"{where}: records", 0)
    written = Written.checked(state["file"], f"{where}: file")
    lines = state["lines"].numpy() if isinstance(state["lines"], Tensor) else state["lines"]
    if not isinstance(lines, np.ndarray) or lines.dtype != np.uint8 or lines.ndim != 1:
        raise arguments.wrong(f"{where}: lines", "an array of uint8 with one axis", lines)
    last = parsed(lines.tobytes(), f"{where}: lines")
    events = checked_events(state["tensorboard"], f"{where}: tensorboard")
    in_events = sum(each.records for each in events.values())
    if not max(total - written.records, 0) <= len(last) <= total >= max(written.records, in_events):
        raise ValueError(f"{where}: the numbers of records do not fit each other")
    return total, written, last, events
