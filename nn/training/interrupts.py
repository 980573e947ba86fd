"""How a program ends early: by a signal, a closed pipe, a full disk, or for lack of memory.

def main() -> int:
    with Stop() as stop:
        for x, y in loader:
            ...  # one step
            if stop.number:
                break
    return stop.status

if __name__ == "__main__":
    raise SystemExit(run(main))
"""

import atexit
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any, TextIO

from tinygrad_lite import arguments, files

from .._processes import current, follows, trainings_apart
from ._leading import is_plain, is_told
from ._output import FULL, UNUSABLE, accuse, discard, is_terminal, remark

STOPPED = 130  # the exit status that a shell gives a program that Ctrl-C ended
NO_READER = 141  # and one that wrote into a pipe that nobody reads


def run(main: Callable[[], int | None]) -> int:
    """Call `main` and return the exit status of the program; None counts as 0.

        raise SystemExit(run(main))

    What a user does, or the machine lacks, costs one line at most:

    - Ctrl-C: "stopped", status 130.  (`Stop` lets a training save first; 143 if the `Stopped` that
      it raises, and nobody catches, came from SIGTERM.)
    - `| head` stops reading: no line, status 141.
    - stdin, stdout or stderr is closed (`>&-`): what it would have shown is lost, nothing else.
    - There is no memory left, or no room on the disk; or a file, which the line names, cannot be
      read or written; or there are several processes and no MPI, or too few `chunks` for them: the
      reason, status 2.

    Of several processes, one prints the line: the leading one if all end for the same reason,
    otherwise the first that fails, with its rank.

    Other errors are bugs: they keep their traceback.  SystemExit is not caught.  A warning takes
    one line.

    Signal handlers stay as they are, with one exception: a handler of Ctrl-C with the attribute
    `until_run` is replaced by Python's own.  (A program whose imports take long may set one that
    ends it at once.)  While Python shuts down, Ctrl-C is ignored.
    """
    _replace_closed_streams()
    try:
        _hand_over()
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                status = main()
        except SystemExit:
            _flush()
            raise
        _flush()
        return 0 if status is None else _checked(status)
    except MemoryError as error:
        said, reason = "this needs more memory than there is", _reason(error)
        accuse(reason if said in reason else f"{said}: {reason}".rstrip(": "), error)
        return UNUSABLE
    except KeyboardInterrupt as stop:
        say = remark if isinstance(stop, Stopped) else accuse  # after the same step, or at once
        if trainings_apart() == 1 or not follows():  # mpiexec passes Ctrl-C on to all
            say("\rstopped" if is_terminal(sys.stderr) else "stopped")  # over the ^C
        return stop.status if isinstance(stop, Stopped) else STOPPED
    except BrokenPipeError:
        left = [stream for stream in (sys.stdout, sys.stderr) if _has_no_reader(stream)]
        if not left:  # another pipe, as to a process that died
            raise
        for stream in left:
            discard(stream)
        return NO_READER
    except OSError as error:
        if error.filename is None and error.errno is not None and error.errno not in FULL:
            raise
        accuse(_reason(error) or type(error).__name__, error)
        return UNUSABLE
    except Exception as error:
        if is_plain(error):
            accuse(_reason(error), error)
            return UNUSABLE
        if not is_told(error):
            raise
        return 1  # as after a traceback, which the leading process prints
    finally:
        atexit.unregister(_ignore_ctrl_c)
        atexit.register(_ignore_ctrl_c)


def _checked(status: Any) -> int:
    """An exit status.  To Python, True is a failure, text is one too, and 256 a success."""
    number = arguments.integer(status, "run: the status that main returns", least=0)
    if number > 255:
        raise ValueError(f"run: the status that main returns: expected at most 255; got {number}")
    return number


def _reason(error: Exception) -> str:
    """What an error says, with its notes, on one line."""
    return files.printable("; ".join([str(error), *getattr(error, "__notes__", ())]), 1000)


def _replace_closed_streams() -> None:
    """Open what `>&-` has closed: the next open file would get its number, and its lines."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning on one line; one for programmers also says where it arose."""
    said = files.printable(message, 1000)
    if not issubclass(category, UserWarning):
        said = f"{category.__name__}: {said} ({files.printable(filename)}:{lineno})"
    remark(said)


def _hand_over() -> None:
    """Let Ctrl-C raise KeyboardInterrupt, if until now it ended the program at once."""
    if getattr(signal.getsignal(signal.SIGINT), "until_run", False):
        _install(signal.SIGINT, signal.default_int_handler)


def _flush() -> None:
    """Flush stdout now, where an error can be handled."""
    if sys.stdout is not None and not getattr(sys.stdout, "closed", False):
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError:
            discard(sys.stdout)
            raise


def _has_no_reader(stream: TextIO | None) -> bool:
    """Whether a stream is a pipe whose other end is closed."""
    if not hasattr(select, "poll"):  # Windows
        return stream is not None
    try:
        descriptor = stream.fileno()  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):  # closed, or not a file
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _ignore_ctrl_c() -> None:
    """At exit: nothing is left that Ctrl-C could stop."""
    _install(signal.SIGINT, signal.SIG_IGN)


def _install(number: int, handler: Any) -> bool:
    """Set the handler of a signal, where Python allows it: in the main thread."""
    try:
        signal.signal(number, handler)
    except ValueError:
        return False
    return True


class Stopped(KeyboardInterrupt):
    """A signal ended the training after a whole step; see `Stop.check`.

    number: that of the signal.
    elsewhere: whether another one of several processes got it.
    """

    def __init__(self, number: int = signal.SIGINT, elsewhere: bool = False) -> None:
        super().__init__(number)
        self.number, self.elsewhere = number, elsewhere

    def __str__(self) -> str:
        if self.elsewhere:
            return "by a signal to another process"
        return f"by {signal.Signals(self.number).name}"

    @property
    def status(self) -> int:
        """The exit status of a program that does not catch it."""
        return 128 + self.number


class Stop:
    """Notes the first Ctrl-C, SIGTERM or SIGHUP, so that a step is never interrupted.

        with Stop() as stop:
            for x, y in loader:
                ...
                stop.check()

    number: that of the signal; 0 if there was none.  Of several processes one may get it alone:
        then all learn of it in the same exchange, as that of the gradients, and for all it is a
        number from then on (SIGINT where no signal came).

    The next signal has its usual effect: a second Ctrl-C raises KeyboardInterrupt at once, a
    second SIGTERM ends the program.  After the block, every signal has its usual effect.

    A signal that is ignored (SIGHUP under nohup, Ctrl-C after `&`) or has another handler is left
    alone, and so is every signal outside of the main thread, where Python lets no handler be set.
    In a forked child, signals have their usual effect.
    """

    def __init__(self) -> None:
        self.noted = 0  # the number of the signal that this process got
        processes = current()
        processes.asks_to_stop = processes.stops = False
        self.process = os.getpid()
        usual: dict[int, Any] = {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signal.SIG_DFL,
        }
        if hasattr(signal, "SIGHUP"):  # the terminal was closed; not on Windows
            usual[signal.SIGHUP] = signal.SIG_DFL
        self.usual: dict[int, Any] = {}  # of the signals that are noted here
        for number, handler in usual.items():
            if signal.getsignal(number) == handler and _install(number, self._note):
                self.usual[number] = handler

    def __enter__(self) -> "Stop":
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.end()
        if os.getpid() != self.process:  # a worker, to be ended
            signal.raise_signal(number)
        else:
            self.noted = number
            current().asks_to_stop = True

    @property
    def number(self) -> int:
        """The number of the signal, once all processes know of it."""
        processes = current()
        if processes.size == 1:
            return self.noted
        return (self.noted or int(signal.SIGINT)) if processes.stops else 0

    def end(self) -> None:
        """Give every signal its usual effect again."""
        for number, handler in self.usual.items():
            if signal.getsignal(number) == self._note:
                _install(number, handler)

    def check(self) -> None:
        """Raise Stopped, a KeyboardInterrupt, if a signal came; for the end of a step."""
        if number := self.number:
            raise Stopped(number, elsewhere=not self.noted)

    @property
    def status(self) -> int:
        """The exit status that a signal calls for; 0 for Ctrl-C, after which a run is complete."""
        return 128 + self.noted if self.noted not in (0, signal.SIGINT) else 0
