"""The folder of one run: its files, one run at a time, and other folders where it is full."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tinygrad_lite import files

from ._output import FULL, fail, remark

try:
    import fcntl
except ImportError:  # Windows, where two runs into one folder are not kept apart
    fcntl = None  # type: ignore[assignment]


class Folder:
    """The folder that --out names, for the files of one run.

    out: the folder; it is made if there is none.
    names: the files of a run.  Those of an earlier one are removed.
    snapshot: the one of them to resume from: if it exists and `resume` is true, all stay.

    Other runs are kept out of the folder until `close`.  A folder that cannot be used ends the
    program with one line and status 2.

    If a file cannot be written there, as on a full disk, `write` says so in one line on stderr and
    writes it into another folder.
    """

    def __init__(self, out: str | Path, names: Sequence[str], snapshot: str, resume: bool) -> None:
        self.first = Path(os.path.expanduser(out))
        self.path: Path | None = self.first
        self.others = _other_folders()
        self.made: list[Path] = []  # the other folders that were tried
        self.used: dict[Path, list[str]] = {}  # the files that were written into each folder
        self.lock = -1
        self.resumes = False
        try:
            self.first.mkdir(parents=True, exist_ok=True)
            self._lock()
            self.resumes = resume and (self.first / snapshot).exists()
            earlier = [Path(os.path.realpath(self.first / name)) for name in names]
            earlier = [file for file in earlier if file.is_file()]
            for file in earlier:
                if not file.stat().st_mode & 0o222:
                    self._refuse(f"{files.printable(file.name)} is write-protected")
            for file in earlier:
                if not self.resumes:
                    file.unlink()
        except OSError as error:
            if error.errno not in FULL:
                self._refuse(f"cannot be written ({error.strerror})")
            self._go_elsewhere(error)

    def _refuse(self, reason: str) -> None:
        fail(f"--out {files.printable(self.first)}: {reason}")

    def _lock(self) -> None:
        """Keep other runs out of this folder until `close`."""
        if fcntl is not None:
            self.lock = os.open(self.first, os.O_RDONLY)
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._refuse("another run is writing there")
            except OSError:  # a file system without locks
                return

    def _go_elsewhere(self, error: OSError) -> None:
        """Report the error, and continue with the next folder."""
        self.path = next(self.others, None)
        if self.path is not None and self.path not in self.made:
            self.made.append(self.path)
        remark(f"{error}" + (f"; continuing in {files.printable(self.path)}" if self.path else ""))

    def write(self, name: str, write: Callable[[Path], object]) -> None:
        """Call `write(path)` for a file of this name, in the first folder where that succeeds."""
        while self.path is not None:
            try:
                write(self.path / name)
            except OSError as error:
                self._go_elsewhere(error)
            else:
                self.note(name)
                return
        remark(f"{name} is lost: no folder has room for it")
        self.path, self.others = self.first, iter(self.made[:])  # a smaller file may still fit

    def write_again(self, name: str, content: bytes, where: Path | None) -> None:
        """Write a file that should have this content, and be in the current folder.

        where: the folder that it was written into until now, perhaps not all of it; None for none.
        """
        try:
            size = -1 if where is None else (where / name).stat().st_size
        except OSError:
            size = -1
        complete = size >= len(content)

        def write(path: Path) -> None:
            with files.replacing(path, "metrics") as file:
                file.write(content)

        if where is not None and not complete:
            self.used[where].remove(name)
        if not complete or self.path != where:
            self.write(name, write)

    def note(self, name: str) -> None:
        """Note that the current folder has a file of this name."""
        if self.path is not None and name not in self.used.setdefault(self.path, []):
            self.used[self.path].append(name)

    def close(self) -> None:
        """Let other runs use the folder, and remove those of the other folders that are empty."""
        for path in self.made:
            with suppress(OSError):
                path.rmdir()
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def _other_folders() -> Iterator[Path]:
    """New folders, in places that may have room."""
    prefix = f"{Path(sys.argv[0] or 'training').stem}-"
    for place in (tempfile.gettempdir, Path.home, Path.cwd):
        with suppress(OSError, RuntimeError):  # none, or none to write into
            yield Path(tempfile.mkdtemp(prefix=prefix, dir=place()))
