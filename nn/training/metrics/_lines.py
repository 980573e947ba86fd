r"""Records as JSON lines: {"kind": "step", "step": 120, "loss": 0.31}\n."""

import json
import os
from collections.abc import Sequence

from tinygrad_lite import arguments, files

from ._growing import GrowingFile, Written
from ._records import Record

START = b'{"kind"'
EXAMPLE = '{"kind": "step", "loss": 0.31}'
PLAIN = (str, int, float, bool, type(None))


def text(records: Sequence[Record]) -> bytes:
    """The records as lines."""
    lines = [json.dumps(record, allow_nan=False) for record in records]
    return "".join(f"{line}\n" for line in lines).encode()


def parsed(content: bytes, where: str) -> list[Record]:
    """The records in these lines.

    ValueError, in one line with the number of the line, for what no Metrics has written.  An
    unfinished last line, which is being written, is left out.
    """
    *lines, rest = content.split(b"\n")
    found = [_record(line, number, where) for number, line in enumerate(lines, 1)]
    if not START.startswith(rest[: len(START)]):
        raise _no_record(where, len(lines) + 1, rest)
    return found


def _record(line: bytes, number: int, where: str) -> Record:
    """The record in a line."""
    try:
        found = json.loads(line.decode(), parse_constant=_refused)
    except (ValueError, RecursionError):  # no UTF-8, no JSON, or brackets without end
        raise _no_record(where, number, line) from None
    if not isinstance(found, dict) or type(found.get("kind")) is not str:
        raise _no_record(where, number, line)
    for value in found.values():
        for each in value if type(value) is list else (value,):
            if type(each) not in PLAIN or each in (float("inf"), float("-inf")):
                raise _no_record(where, number, line)
    return {"kind": found.pop("kind"), **found}


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _no_record(where: str, number: int, line: bytes) -> ValueError:
    try:
        came = arguments.shown(line.decode())
    except UnicodeError:
        came = arguments.shown(line)
    return ValueError(f"{where}, line {number}: expected a record such as {EXAMPLE}; got {came}")


class LineFile:
    """The file of JSON lines at `path`.

    Errors: OSError; ValueError if the file there is not one of records.
    """

    def __init__(self, path: files.FilePath, caller: str) -> None:
        self.file = GrowingFile(path, caller)
        self.fresh = True  # the content of the file is an earlier run's
        head = self.file.start(len(START))
        if not START.startswith(head):
            name = files.printable(self.file.path)
            fix = "remove it, or name another"
            raise ValueError(f"{caller}: {name!r} is not a file of metrics; {fix}")

    def write(self, records: Sequence[Record]) -> None:
        """Write the records that the file does not hold yet; first, remove an earlier run's."""
        if not records:
            return
        if self.fresh:
            self.file.cut(Written())
            self.fresh = False
        self.file.settle()
        start = self.file.written.records
        if start < len(records):
            self.file.append(text(records[start:]), len(records) - start)

    def state(self) -> Written:
        """What `restore` needs; that of an empty file if another program has changed it."""
        self.file.settle()
        self.file.sync()
        return self.file.written if self.file.is_intact() else Written()

    def found(self, written: Written) -> list[Record] | str:
        """The records that the file had at a `state`, or why it does not have them now."""
        content = self.file.start(written.size)
        if written.begins(content):
            return parsed(content, self.file.caller)
        if not content:
            return "is gone" if not self.file.path.exists() else "is empty"
        return "is shorter" if len(content) < written.size else "is another"

    def restore(self, written: Written) -> None:
        """Cut the file back to a `state`; after an empty one, `write` overwrites the file."""
        self.fresh = written == Written()
        if not self.fresh:
            self.file.cut(written)

    def set_aside(self) -> None:
        """Give the file another name."""
        if self.file.start(1):
            os.replace(self.file.path, f"{self.file.path}.other")
