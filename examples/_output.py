"""What an example prints, and the files that it keeps: also where a disk is full."""

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from tinygrad_lite import files

try:
    import fcntl
except ImportError:  # Windows, where two runs into one folder are not kept apart
    fcntl = None  # type: ignore[assignment]

METRICS, WEIGHTS = "metrics.jsonl", "weights.safetensors"
CURVES, MISTAKES = "curves.png", "mistakes.png"
FULL = (errno.ENOSPC, errno.EDQUOT)  # no room: a reason to look elsewhere, not to stop


def tell(line: str) -> None:
    """Print a line.  If that fails, as into a log on a full disk, stderr takes it and the rest."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what still waits there
        sys.stdout = sys.stderr
        complain(f"standard output: {error.strerror or error}; it goes on here")
        complain(line)


def complain(line: str) -> None:
    """Print a line on stderr, if it takes one."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def fail(reason: str) -> NoReturn:
    """Exit with one line and status 2, as for a wrong command line; 1 means a low accuracy."""
    complain(reason)
    sys.exit(2)


class Folder:
    """The files of one run.  Those of an earlier run in this folder are removed first.

    A folder without room costs a line on stderr for each file that it did not take; the file goes
    into another folder, which the line names.
    """

    def __init__(self, out: str) -> None:
        if not out:  # to Path it is the folder one stands in
            fail("--out: expected a folder; got empty text")
        if find_spec("matplotlib") is None:  # checked now, not after the training
            fail("--out: the package matplotlib is missing; pip install matplotlib")
        self.first = Path(os.path.expanduser(out))
        self.path: Path | None = self.first
        self.others = rooms()
        self.made: list[Path] = []  # the other folders that were tried
        self.used: dict[str, None] = {}  # the folders that took a file, in this order
        self.metrics: list[str] = []
        self.lock = -1
        path = self.path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock(path)
            names = (METRICS, WEIGHTS, CURVES, MISTAKES)
            earlier = [Path(os.path.realpath(path / name)) for name in names]
            earlier = [file for file in earlier if file.is_file()]
            for file in earlier:
                if not file.stat().st_mode & 0o222:
                    fail(f"--out {files.printable(path)}: {file.name} is write-protected")
            for file in earlier:
                file.unlink()
            with files.replacing(path / METRICS, "metrics"):
                pass
        except OSError as error:
            if error.errno not in FULL:
                fail(f"--out {files.printable(path)}: cannot be written ({error.strerror})")
            self._go_elsewhere(error)
        self.live = self.path == path

    def _lock(self, path: Path) -> None:
        """Keep other runs out of this folder as long as this one takes."""
        if fcntl is not None:
            self.lock = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fail(f"--out {files.printable(path)}: another run is writing there")
            except OSError:  # a file system without locks
                return

    def close(self) -> None:
        """Let other runs into the folder, and remove what stayed empty of the others."""
        for path in self.made:
            with suppress(OSError):
                path.rmdir()
        if self.lock >= 0:
            os.close(self.lock)

    def _go_elsewhere(self, error: OSError) -> None:
        """Say that the folder did not take a file, and go on with the next one."""
        self.path = next(self.others, None)
        if self.path is not None and self.path not in self.made:
            self.made.append(self.path)
        complain(f"{error}" + (f"; going on in {files.printable(self.path)}" if self.path else ""))

    def add(self, line: str) -> None:
        """Add a line to the metrics, which one can read while the training runs."""
        self.metrics.append(line)
        if self.live and self.path is not None:
            try:
                with files.appending(self.path / METRICS, "metrics") as file:
                    file.write(line.encode())
            except OSError as error:
                self.live = False
                complain(f"{error}; the training goes on")

    def write_metrics(self, path: Path) -> None:
        """Write all the metrics at once."""
        with files.replacing(path, "metrics") as file:
            file.write("".join(self.metrics).encode())

    def write(self, name: str, write: Callable[[Path], None]) -> None:
        """Write a file into the first folder that has room for it."""
        while self.path is not None:
            try:
                write(self.path / name)
            except OSError as error:
                self._go_elsewhere(error)
            else:
                self.used[files.printable(self.path)] = None
                return
        complain(f"{name} is lost: no folder has room for it")
        self.path, self.others = self.first, iter(self.made[:])  # a smaller file may fit


def rooms() -> Iterator[Path]:
    """New folders of our own where there may be room."""
    for place in (tempfile.gettempdir, Path.home, Path.cwd):
        with suppress(OSError, RuntimeError):  # none, or none to write into
            yield Path(tempfile.mkdtemp(prefix="mnist_mlp-", dir=place()))
