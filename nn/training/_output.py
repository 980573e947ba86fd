"""Lines for the user, even if stdout or stderr is closed, on a full disk, or a lost terminal."""

import errno
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from .._processes import current
from ._leading import alone_here, is_shared, is_told

live: list[Any] = []  # the bars of tqdm on the screen, above which a line has to be printed
FULL = (errno.ENOSPC, errno.EDQUOT)  # no room on a disk
UNUSABLE = 2  # exit status: a wrong command line, data or a folder that cannot be used


def tell(line: str) -> None:
    """Print a line on stdout; of several processes, only the leading one does.

    If that fails, as into a log on a full disk, this line and all later ones go to stderr.
    BrokenPipeError is raised: nobody reads any more, and `run` ends the program.
    """
    if not current().leads:
        return
    try:
        _print(line, sys.stdout)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        sys.stdout = sys.stderr
        complain(f"standard output: {error.strerror or error}; further lines come here")
        complain(line)


def remark(line: str) -> None:
    """Print a line on stderr; of several processes, only the leading one does."""
    if current().leads:
        complain(line)


def accuse(reason: str, error: BaseException | None = None) -> None:
    """Print why this process ends, on stderr; of several processes, one does, with its name.

    error: the reason; nothing is printed if it arose in the leading process, which prints it.
    """
    if error is not None and is_told(error):
        return
    # Where all end for this reason, none has to end the others.
    processes, shared = current(), error is not None and is_shared(error)
    if alone_here() or shared or processes.fails(reason):
        if processes.size > 1:
            reason = f"rank {processes.rank} of {processes.size} on {processes.host}: {reason}"
        complain(reason)


def complain(line: str) -> None:
    """Print a line on stderr, or nothing if that fails."""
    try:
        if live and is_terminal(sys.stderr):
            live[-1].write(line, file=sys.stderr)
        else:
            _print(line, sys.stderr)
    except OSError:
        discard(sys.stderr)


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; not one that is closed, or a program's own that only writes.

    Many programs set sys.stdout to an object that has `write` and `flush`, and copies to a file.
    """
    if getattr(stream, "closed", False) or not hasattr(stream, "fileno"):
        return False
    return hasattr(stream, "isatty") and bool(stream.isatty())


def fail(reason: str, error: BaseException | None = None) -> NoReturn:
    """End the program with one line and status 2; 1 means that a target was missed."""
    accuse(reason, error)
    sys.exit(UNUSABLE)


def discard(stream: TextIO | None) -> None:
    """Throw away what a stream still buffers, and all that is written to it later.

    Otherwise Python would try to write it at exit, and change the exit status.
    """
    with suppress(OSError, ValueError, AttributeError):  # closed, or not a file
        target = stream.fileno()  # type: ignore[union-attr]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, target)
        os.close(nowhere)


def _print(line: str, stream: TextIO | None) -> None:
    """Print a line, with escapes for characters that the stream cannot encode."""
    if stream is None or getattr(stream, "closed", False):
        return
    try:
        print(line, file=stream, flush=True)
    except UnicodeEncodeError as error:
        escaped = line.encode(error.encoding, "backslashreplace").decode(error.encoding)
        print(escaped, file=stream, flush=True)
