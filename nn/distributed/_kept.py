"""The folder of a sweep: what is finished, the table, and what each training printed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_lite import files

from ..training._folder import Folder
from ..training._output import fail
from ._trainings import Outcome, in_words

STATE, TABLE = "sweep.json", "results.csv"


class Kept:
    """The files of a sweep, which the leading process alone writes.

    out: the folder; it is made if there is none.
    described: the options of all trainings, as JSON.
    resume: keep what an earlier sweep finished there.

    finished: the outcomes of an earlier sweep, by number.

    A folder that cannot be used, or that has a sweep with other options, ends the program with one
    line.  Each file is complete or not there.
    """

    def __init__(
        self, out: files.FilePath, described: Sequence[Mapping[str, Any]], resume: bool
    ) -> None:
        self.described = described
        self.finished: dict[int, Outcome] = {}
        path = files.checked_path(out, "sweep: out")
        logs = [log(number) for number in range(len(described))]
        self.folder = Folder(path, (STATE, TABLE, *logs), STATE, resume)
        try:
            if self.folder.resumes:
                self.finished = self._read(self.folder.first / STATE)
        except BaseException:
            self.folder.close()
            raise

    def _read(self, path: Path) -> dict[int, Outcome]:
        """What the file says is finished."""
        where = files.printable(path)
        try:
            with files.reading(path, "sweep") as file:
                state = json.loads(file.read())
            there, given = state["options"], json.loads(json.dumps(self.described))
            finished = {int(number): Outcome(*each) for number, each in state["finished"].items()}
            if not finished.keys() <= {*range(len(there))}:
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            fail(f"{where}: this was not written by sweep; remove it, or use another folder")
        if json.dumps(there) != json.dumps(given):  # as text, since nan is unequal to itself
            fail(f"{where}: {_difference(there, given)}; use another folder, or resume=False")
        return finished

    def keep(self, finished: Mapping[int, Outcome], table: bytes) -> None:
        """Write what is finished, and the table."""
        state = {"options": self.described, "finished": finished}
        self._write(STATE, json.dumps(state).encode() + b"\n")
        self._write(TABLE, table)

    def _write(self, name: str, content: bytes) -> None:
        def write(path: Path) -> None:
            with files.replacing(path, "sweep") as file:
                file.write(content)

        self.folder.write(name, write)

    def begin(self, number: int, restarted: bool) -> None:
        """A training begins: so does its log, unless the training was started before."""
        if not restarted:
            self._write(log(number), b"")
        else:
            self.print(number, b"\n--- started again\n")

    def print(self, number: int, printed: bytes) -> None:
        """Write what a training printed into its log."""

        def write(path: Path) -> None:
            with files.appending(path, "sweep") as file:
                file.write(printed)

        self.folder.write(log(number), write)

    def close(self) -> None:
        """Let others use the folder."""
        self.folder.close()


def log(number: int) -> str:
    """The name of the file with what this training printed."""
    return f"{number + 1}.log"


def _difference(there: Sequence[Any], given: Sequence[Any]) -> str:
    """How the options differ from those of the sweep there."""
    for number, (one, other) in enumerate(zip(there, given, strict=False), 1):
        if json.dumps(one) != json.dumps(other):
            return (
                f"training {number} of the sweep there has {in_words(one)}; "
                f"this one has {in_words(other)}"
            )
    return f"the sweep there has {len(there)} trainings; this one has {len(given)}"
