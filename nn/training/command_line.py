"""The command-line options of a training program: the common ones, and its own."""

import argparse
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, NoReturn

from tinygrad_lite import files

from .._processes import LOCAL_RANKS, follows, is_launched
from ._output import UNUSABLE, accuse, fail, remark

MOST = 2**31 - 1  # of anything that is counted
# In the order in which --help lists them; the program's own options come between the two groups.
FIRST = {
    "epochs": "passes over the training data",
    "batch_size": "rows in one step",
    "lr": "learning rate",
}
LAST = {
    "seed": "of the initial weights and of the order of the rows",
    "data": "file or folder with the data",
    "out": "keep weights, metrics, pictures and a snapshot in this folder, in place of those of an "
    "earlier run",
    "distributed": "one of several processes that train one model, started by mpiexec",
    "chunks": "cut each batch into so many parts, for the same bits with any number of processes",
    "capture": "replay the step as a recorded list of array operations: the same bits, sooner",
    "resume": "resume from the snapshot in --out, to the same bits; if there is none, start",
    "target": "exit status 1 below this score",
    "quiet": "print the last line only",
}
KINDS: dict[str, type] = {
    **dict.fromkeys(("epochs", "batch_size", "seed", "chunks"), int),
    **dict.fromkeys(("lr", "target"), float),
    **dict.fromkeys(("data", "out"), str),
    **dict.fromkeys(("resume", "quiet", "capture", "distributed"), bool),
}
METAVARS = {"data": "PATH", "out": "DIR"}  # the value in --help
REQUIRED: Any = object()  # a default that the program has to give


def arguments(
    description: str | None,
    *,
    epochs: Any = REQUIRED,
    batch_size: Any = REQUIRED,
    lr: Any = REQUIRED,
    seed: Any = 0,
    data: Any = None,
    target: Any = None,
    without: Sequence[str] = (),
    argv: Sequence[str] | None = None,
    **own: Any,
) -> argparse.Namespace:
    """The command line of a training program, read and checked.

        args = arguments(
            __doc__,
            epochs=EPOCHS,
            batch_size=(BATCH_SIZE, "images in one step"),
            lr=LR,
            dropout=(0.1, "probability of leaving a unit out", (0, 1)),
            optimizer=("sgd", "which optimiser", ["sgd", "adam"]),
            mixup=(False, "mix pairs of images"),
        )
        args.batch_size, args.dropout, args.mixup

    description: what the program does; --help shows its first line.  `__doc__` is what one passes.
    epochs, batch_size, lr, seed, data, target, and every other keyword: an option, named
        --batch-size for `batch_size`.  Its value is the default, or a tuple: the default, the text
        that --help shows, and what is allowed.  Without a text those above have one, and so have
        `capture=False`, for programs that may pass their step to `tinygrad_lite.capture`, and
        `distributed=False` and `chunks=None`, for those that call `nn.distributed.data_parallel`.
    without: standard options that the program does not have: ("batch_size", "data") if it makes
        its data and has no batches.  Without "out" there is no --resume either.
    argv: the arguments; None takes those of the program.  In a notebook pass a list.

    Every program has --out, --resume and --quiet besides.

    The default decides what an option takes:

    - An integer: from 1, or from 0 if that is the default, to 2**31 - 1.
    - A float: 0 or more, and finite.
    - A default below 0 has no lower bound; a pair (least, most) says both bounds, None leaves one
      open.
    - True or False: a switch.  One that is on by default is switched off by --no-name.
    - Text, or None: any text, or one of a list of words.

    A mistake on the command line ends the program with one line and status 2: a value out of
    range, a --data that does not exist, --resume without --out.  A mistake in the call is a
    TypeError.
    """
    given = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    rest = {
        **{"seed": seed, "data": data, "out": None},
        **{"resume": False, "target": target, "quiet": False},
    }
    left_out = _left_out(without, (*given, *rest))
    for name, value in given.items():
        if value is REQUIRED and name not in left_out:
            raise TypeError(f"arguments: {name}: expected a default, or {name!r} in without")
    for name in own:
        if name in ("help", "h", "out", "resume", "quiet"):
            raise TypeError(f"arguments: every program has --{name}; give this option another name")
    parser = _Parser(
        description=(description or "").strip().partition("\n")[0],  # none under python -OO
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28),
    )
    for name, value in (given | own | rest).items():
        if name not in left_out:
            _add_option(parser, name, value)
    args = parser.parse_args(argv)
    for name in ("data", "out"):
        path = getattr(args, name, None)
        if path == "":  # which Path takes for the current folder
            parser.error(f"--{name}: expected a path; got empty text")
        if path is not None:
            setattr(args, name, os.path.expanduser(path))
    if "data" in args and args.data is not None and not os.path.exists(args.data):
        if not (_together() and follows(LOCAL_RANKS)):  # one on each machine: these may differ
            accuse(f"{parser.prog}: error: --data: {files.printable(args.data)} does not exist")
        sys.exit(UNUSABLE)
    if "resume" in args and args.resume and args.out is None:
        parser.error("--resume: the snapshot is in the folder that --out names; pass that too")
    if vars(args).get("distributed") and not is_launched():
        remark(
            "--distributed: this is one process, since no mpiexec started it; "
            f"mpiexec -n 4 python {files.printable(sys.argv[0])} --distributed starts four"
        )
    return args


@contextmanager
def about(option: str, *, strict: bool = False) -> Iterator[None]:
    """Errors in this block are about what the user gave with `option`: one line, and status 2.

        with about("--data"):
            X, Y = read(args.data)

    These are OSError, ValueError and ImportError; others are bugs, and keep their traceback.

    strict: warnings (UserWarning) are errors too, such as that other data are used in place of the
        given ones.
    """
    try:
        with warnings.catch_warnings():
            if strict:
                warnings.simplefilter("error", UserWarning)
            yield
    except BrokenPipeError:
        raise
    except (OSError, ValueError, ImportError, UserWarning) as error:
        fail(f"{option}: {files.printable(error, 1000)}", error)


class _Parser(argparse.ArgumentParser):
    """Ends the program with one line, where argparse prints the usage too."""

    def error(self, message: str) -> NoReturn:
        words = message.removeprefix("argument ").removeprefix("unrecognized arguments: ")
        if words != message and message.startswith("unrecognized"):
            word = words.split()[0].partition("=")[0]
            options = [option for action in self._actions for option in action.option_strings]
            near = get_close_matches(word, options, 1, 0.7)
            fix = f"; did you mean {near[0]}?" if near else "; --help lists the options"
            words = f"{files.printable(words)}: no such option{fix}"
        if not (_together() and follows()):
            accuse(f"{self.prog}: error: {words}")
        sys.exit(UNUSABLE)


def _together() -> bool:
    """Whether the other processes that mpiexec started read the same command line."""
    return "--distributed" in sys.argv


def _add_option(parser: argparse.ArgumentParser, name: str, value: Any) -> None:
    """Add an option, given as its default or as (default, text, what is allowed)."""
    parts = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(parts) <= 3:
        raise _mistake(name, value)
    default, text, allowed = parts + (None,) * (3 - len(parts))
    kind = KINDS.get(name) or (str if default is None else type(default))
    if not _is_sensible(default, text, allowed, kind):
        raise _mistake(name, value)
    words = text if text is not None else (FIRST | LAST).get(name, "")
    if default is not None and kind is not bool:
        words = f"{words} ({default})".lstrip()
    flag, words = f"--{name.replace('_', '-')}", words.replace("%", "%%")
    if kind is bool:
        action = argparse.BooleanOptionalAction if default else "store_true"
        parser.add_argument(flag, action=action, default=bool(default), help=words)
        return
    bounds = allowed if isinstance(allowed, tuple) else _usual_bounds(name, default, kind)
    read: dict[type, Callable[[str], Any]] = {
        int: lambda word: _integer(word, *bounds),
        float: lambda word: _number(word, *bounds),
        str: lambda word: word,
    }
    choices = allowed if isinstance(allowed, list) else None
    metavar = METAVARS.get(name) or {int: "N", float: "X", str: "TEXT"}[kind]
    parser.add_argument(
        flag,
        type=read[kind],
        default=float(default) if kind is float and default is not None else default,
        help=words,
        choices=choices,
        metavar=None if choices else metavar,
    )


def _left_out(without: Sequence[str], standard: Sequence[str]) -> set[str]:
    """The standard options that the program does not have."""
    found = set(without) | ({"resume"} if "out" in without else set())
    if isinstance(without, str) or not found.issubset(standard):
        named = ", ".join(standard)
        came = files.printable(repr(without), 100)
        raise TypeError(f"arguments: without: expected names among {named}; got {came}")
    return found


def _is_sensible(default: Any, text: Any, allowed: Any, kind: type) -> bool:
    """Whether a program described its option in a way that `arguments` documents."""
    if not isinstance(text, str | None) or kind not in (bool, int, float, str):
        return False
    kinds = (int, float) if kind is float else (kind,)
    if default is not None and type(default) not in kinds:
        return False
    if isinstance(allowed, list):
        return kind is not bool and (default is None or default in allowed)
    if isinstance(allowed, tuple):
        numbers = all(type(bound) in (int, float, type(None)) for bound in allowed)
        return kind in (int, float) and len(allowed) == 2 and numbers
    return allowed is None


def _mistake(name: str, value: Any) -> TypeError:
    return TypeError(
        f"arguments: {name}: expected a default (a number, True, False, text or None), or a tuple "
        f"of it, the text for --help, and what is allowed; got {files.printable(repr(value), 100)}"
    )


def _usual_bounds(name: str, default: Any, kind: type) -> tuple[float | None, float | None]:
    """The smallest and the largest value of an option that states none; None is no bound."""
    most = MOST if kind is int and name != "seed" else None
    if name == "target" or (kind is not str and default is not None and default < 0):
        return None, most
    return (0 if kind is float or default == 0 else 1), most


def _integer(word: str, least: float | None, most: float | None) -> int:
    """A number that the user wrote, checked."""
    try:
        value: int | None = int(word)
    except ValueError:  # letters, a fraction, or more than 4300 digits
        value = None
    if value is None or not _between(value, least, most):
        raise argparse.ArgumentTypeError(_expected("an integer", least, most, word))
    return value


def _number(word: str, least: float | None, most: float | None) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not _between(value, least, most):
        raise argparse.ArgumentTypeError(_expected("a number", least, most, word))
    return value


def _between(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _expected(what: str, least: float | None, most: float | None, word: str) -> str:
    if least is None:
        wanted = what if most is None else f"{what} up to {most}"
    else:
        wanted = (
            f"{what} from {least} to {most}" if most is not None else f"{what}, {least} or more"
        )
    return f"expected {wanted}; got {files.printable(word, 60) or 'empty text'}"
