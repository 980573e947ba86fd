"""Lines for the user: also where stdout or stderr is closed, full, or a terminal that is gone."""

import errno
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn, TextIO

live: list[Any] = []  # the bars of tqdm on the screen, above which a line has to be printed
FULL = (errno.ENOSPC, errno.EDQUOT)  # no room on a disk
UNUSABLE = 2  # exit status: a wrong command line, data or a folder that cannot be used


def tell(line: str) -> None:
    """Print a line on stdout.

    If that fails, as into a log on a full disk, stderr takes the line and all that follows.
    BrokenPipeError passes: the reader has left, and `run` ends the program.
    """
    try:
        _print(line, sys.stdout)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        sys.stdout = sys.stderr
        complain(f"standard output: {error.strerror or error}; it goes on here")
        complain(line)


def complain(line: str) -> None:
    """Print a line on stderr, if it takes one."""
    try:
        if live and sys.stderr is not None and sys.stderr.isatty():
            live[-1].write(line, file=sys.stderr)
        else:
            _print(line, sys.stderr)
    except OSError:
        discard(sys.stderr)


def fail(reason: str) -> NoReturn:
    """End the program with one line and status 2; 1 means that a target was missed."""
    complain(reason)
    sys.exit(UNUSABLE)


def discard(stream: TextIO | None) -> None:
    """Let what still waits in a stream, and all that follows, go nowhere.

    Otherwise Python would try again when it ends, and change the exit status.
    """
    with suppress(OSError, ValueError, AttributeError):  # closed, or not a file
        target = stream.fileno()  # type: ignore[union-attr]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, target)
        os.close(nowhere)


def _print(line: str, stream: TextIO | None) -> None:
    """Print a line, with escapes for letters that the stream cannot write."""
    if stream is None or getattr(stream, "closed", False):
        return
    try:
        print(line, file=stream, flush=True)
    except UnicodeEncodeError as error:
        escaped = line.encode(error.encoding, "backslashreplace").decode(error.encoding)
        print(escaped, file=stream, flush=True)
