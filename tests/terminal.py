"""A terminal for tests: programs that run on one, and what stands on its screen afterwards."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300  # seconds after which a program has hung: no test asks how quick it was

# Makes the terminal on stdin the one whose Ctrl-C this process gets, and becomes the program.
AT_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def surroundings(**changes: str) -> dict[str, str]:
    """The environment, without what would lead to other data or change what is printed."""
    left_out = ("TINYGRAD_LITE_DATA", "PYTHON", "TQDM_", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    # Nothing in the tests is large enough to gain from threads, and they share the cores.
    # What is tested is this tree, wherever the library is installed from.
    return kept | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | changes


def in_shell(command: str, *arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's command, in which "$@" is Python with these arguments."""
    return subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, *map(str, arguments)],
        env=surroundings(**changes),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def on_terminal(
    columns: int,
    *arguments: object,
    press_ctrl_c_after: re.Pattern[str] | None = None,
    cwd: Path | None = None,
    **changes: str,
) -> tuple[int, str, str]:
    """Run Python: status, what it wrote to a terminal of so many columns, and what to stderr."""
    ours, theirs = opened(columns)
    with subprocess.Popen(
        [sys.executable, "-c", AT_TERMINAL, *map(str, arguments)],
        env=surroundings(**({"TERM": "xterm", "PYTHONIOENCODING": "utf-8"} | changes)),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=cwd,
    ) as process:
        os.close(theirs)
        written, pending = b"", press_ctrl_c_after
        deadline = threading.Timer(PATIENCE, process.kill)
        deadline.start()
        try:
            while piece := os.read(ours, 65536):
                written += piece
                if pending and pending.search(written.decode(errors="ignore")):
                    os.write(ours, b"\x03")
                    pending = None
        except OSError:  # how Linux tells that nobody writes there any more
            pass
        finally:
            deadline.cancel()
            os.close(ours)
        err = process.stderr.read().decode()
    return process.returncode, written.decode(), err


def opened(columns: int) -> tuple[int, int]:
    """Our end and the program's end of a new terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return ours, theirs


@contextmanager
def terminal(columns: int = 80) -> Iterator[tuple[TextIO, "Read"]]:
    """A terminal in this process: a stream to write to, and a function that reads it."""
    ours, theirs = opened(columns)
    stream = os.fdopen(theirs, "w", encoding="utf-8")
    read = Read(ours)
    try:
        yield stream, read
    finally:
        with suppress(OSError):
            stream.close()
        read.close()


class Read:
    """What has arrived on our end of a terminal."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.text = b""
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self) -> None:
        with suppress(OSError):  # how Linux tells that nobody writes there any more
            while piece := os.read(self.end, 65536):
                self.text += piece

    def __call__(self, stream: TextIO) -> str:
        """All that was written, after the program's end is closed."""
        stream.close()
        self.thread.join(PATIENCE)
        return self.text.decode()

    def close(self) -> None:
        self.thread.join(PATIENCE)
        os.close(self.end)


def screen(written: str) -> list[str]:
    """What stands on a terminal after this was written to it; escapes are not understood."""
    assert "\x1b" not in written
    rows: list[list[str]] = [[]]
    column = 0
    for character in written:
        if character == "\n":
            rows.append([])
        elif character == "\r":
            column = 0
        else:
            row = rows[-1]
            row.extend(" " * (column + 1 - len(row)))
            row[column] = character
            column += 1
    return ["".join(row).rstrip() for row in rows]
