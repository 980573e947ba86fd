"""How an example ends early: by Ctrl-C, by SIGTERM, or when nobody reads what it prints.

An example imports this before all that takes long: from then on Ctrl-C ends it in one line, until
the training begins.
"""

import _signal  # type: ignore[import-not-found]  # `signal` in C: importing the rest takes a while
import os
import sys

STOPPED = 130  # the exit status that a shell gives a program that Ctrl-C ended
# An example is the program that runs; tests import examples, and keep their own Ctrl-C.
PROGRAM, HERE = (os.path.dirname(os.path.realpath(path)) for path in (sys.argv[0], __file__))
IS_PROGRAM = PROGRAM == HERE


def end_at_once(number: int, frame: object) -> None:
    """End the program in one line.  An exception could get lost in C code that is imported."""
    try:
        os.write(2, b"\rstopped\n" if os.isatty(2) else b"stopped\n")  # over the ^C
    finally:  # also where stderr is closed, or full
        os._exit(STOPPED)


if IS_PROGRAM and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # not behind &
    _signal.signal(_signal.SIGINT, end_at_once)

import signal  # noqa: E402
from collections.abc import Callable  # noqa: E402
from types import FrameType  # noqa: E402


def run(main: Callable[[], int]) -> int:
    """The exit status of an example.

    An interrupt, a closed pipe, a closed stdout and a lack of memory leave no traceback.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # `>&-`; the next file would get its number
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    try:
        return main()
    except MemoryError as error:
        print(f"this needs more memory than there is: {error}".rstrip(": "), file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # the second one, after the training
        print("\rstopped" if sys.stderr.isatty() else "stopped", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # `| head` has read enough; discard the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        if IS_PROGRAM:  # all is done; nothing is left that Ctrl-C could stop
            signal.signal(signal.SIGINT, signal.SIG_IGN)


class Stop:
    """Notes the first Ctrl-C, SIGTERM or SIGHUP, so that no step is left half done.

    number: that of the signal; 0 as long as none came.

    The next signal has its usual effect, and a signal that is ignored stays so.
    """

    def __init__(self) -> None:
        self.number = 0
        usual: dict[int, signal.Handlers | Callable[[int, FrameType | None], object]] = {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signal.SIG_DFL,
        }
        if hasattr(signal, "SIGHUP"):  # the terminal was closed; Windows does not tell
            usual[signal.SIGHUP] = signal.SIG_DFL
        self.usual = {
            number: handler
            for number, handler in usual.items()
            if signal.getsignal(number) in (handler, end_at_once)
        }
        for number in self.usual:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self.end()

    def end(self) -> None:
        """Give every signal its usual effect again."""
        for number, handler in self.usual.items():
            if signal.getsignal(number) == self._note:
                signal.signal(number, handler)

    @property
    def status(self) -> int:
        """The exit status that a signal calls for; 0 for Ctrl-C, after which a run is complete."""
        return 128 + self.number if self.number not in (0, signal.SIGINT) else 0
