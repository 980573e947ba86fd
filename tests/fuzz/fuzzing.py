"""Calls with one thing wrong in them, and what may come of them.

Every outcome is a result, or one line of TypeError, ValueError, IndexError or RuntimeError that one
of our own `raise` statements raised, that begins with the function's name, and that names the
argument if its type is wrong.

`make fuzz` runs 20,000 of them; tests/fuzz/test_wrong_arguments.py a part of these.
"""

import ast
import contextlib
import inspect
import io
import os
import random
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fuzz.public_calls import OPERATORS, Call, public_calls
from fuzz.wrong_things import THINGS

import tinygrad_lite
from tinygrad_lite import Tensor

ROOT = Path(tinygrad_lite.__file__).parent.parent
OURS = tuple(f"{ROOT / package}{os.sep}" for package in ("tinygrad_lite", "nn"))
LONGEST = 300  # characters of a message
SECONDS = 5.0  # that a call may take

# Errors of Python itself, which knows the names of a function's arguments.
SIGNATURE = (
    *("positional argument", "unexpected keyword", "required keyword", "multiple values"),
    "takes no arguments",
)
# What raises when it is asked for an integer or an array: that error is the caller's own.
HONEST = {"index that raises", "array that raises", "length that lies"}
# Options that want True or False, and numbers that are counts or axes, which no bool is.
FLAGS = {
    *("keepdim", "keepdims", "descending", "largest", "ceil_mode", "return_indices", "swap"),
    *("count_include_pad", "log_target", "is_causal", "enable_gqa", "full_matrices", "reverse"),
    *("align_corners", "requires_grad", "detect_positive", "detect_negative", "equal_nan"),
    *("training", "replacement", "include_self", "transposed", "retain_graph", "create_graph"),
    *("allow_unused", "elementwise_affine", "shuffle", "drop_last", "strict", "nesterov"),
}
WHOLE = {
    *("axis", "axes", "axis1", "axis2", "start_axis", "end_axis", "k", "n", "m", "steps", "size"),
    *("num_classes", "offset", "diagonal", "decimals", "sizes", "shifts", "repeats", "chunks"),
    *("parts", "kernel_size", "stride", "dilation", "padding", "groups", "output_size"),
    *("output_padding", "num_samples", "in_features", "out_features", "input_size", "shape"),
    *("hidden_size", "normalized_shape", "batch_size", "source", "destination", "ignore_index"),
}
# Arguments that a message need not name: the other operand of a function of two, and several.
OPERANDS = {
    *("other", "x", "x1", "x2", "a", "b", "operands", "others", "args", "xs", "data", "tup"),
    *("arrays", "arys", "xi", "tensors", "self", "out", "mat1", "mat2", "format_spec", "hx"),
    "grad_outputs",
    "weights",
    "obj",
}
# By which other word a message speaks of an argument, or of a function.
WORDS = {
    "k": "offset diagonal",
    "start": "slice arange gradient",
    "step": "slice",
    "ord": "p:",
    "axis": "axes",
    "axes": "axis",
    "a_min": "min",
    "a_max": "max",
    "indices": "index",
    "indices_or_sections": "parts sizes",
    "window_shape": "size",
    "target": "dtype",
}
NAMES = {
    "new_tensor": "Tensor",
    "glorot_uniform": "uniform",  # of its dtype
    "load_state_dict": "get_state_dict",  # of the object, which it lists first
    "Parameter": "Tensor",
    "register_buffer": "Tensor",
    "//": "floordivide",
    "div": "floordivide",
    "x[i] = v": "index",
    "transpose": "permute",  # of a sequence
    "view_as": "view",
    "reshape_as": "reshape",
    "expand_as": "expand",
    "solve_triangular": "solve",
    "mul_": "mul",
    "div_": "div",
    "add_": "add",
    "sub_": "sub",
    "clip": "clamp",
    "clamp": "clip",
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "**": "pow",
    "%": "mod",
    "<": ">",
}
NUMPY_OF = {
    **{"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"},
    "<": "less",
}


class Attempt(NamedTuple):
    """A call with one thing wrong in it: `parameter` is `thing`."""

    call: Call
    args: list[Any]
    options: dict[str, Any]
    parameter: str
    thing: str
    value: Any


class Failure(NamedTuple):
    """An outcome that should not be: its class, and the call with its error in words."""

    kind: str
    words: str


def attempts(count: int, seed: int) -> Iterator[Attempt]:
    """The same calls for the same seed."""
    rng, calls = random.Random(seed), public_calls()
    for number in range(count):
        yield mutated(calls[number % len(calls)], rng)


def mutated(call: Call, rng: random.Random) -> Attempt:
    """The call with one argument replaced, added, left out, or replaced inside a tuple."""
    args, options = call.make()
    thing = rng.choice(list(THINGS))
    value, chance = THINGS[thing](), rng.random()
    spots = free_spots(call, args, options)
    if not spots or chance < 0.06:
        args.append(value)
        name = ([name for name, spot in spots if spot == len(args) - 1] or [""])[0]
        return Attempt(call, args, options, name, thing, value)
    if chance < 0.08 and len(args) > call.fixed:
        args.pop()
        return Attempt(call, args, options, "", "nothing", None)
    if chance < 0.10:
        return Attempt(call, args, {**options, "unknown": value}, "", thing, value)
    name, spot = rng.choice(spots)
    if chance < 0.20 and isinstance(spot, int) and type(args[spot]) in (tuple, list) and args[spot]:
        held = list(args[spot])
        held[rng.randrange(len(held))] = value
        args[spot] = tuple(held)
        return Attempt(call, args, options, name, f"{thing} in a tuple", held)
    if isinstance(spot, int):
        args[spot] = value
    else:
        options[spot] = value
    return Attempt(call, args, options, name, thing, value)


def free_spots(call: Call, args: list[Any], options: dict[str, Any]) -> list[tuple[str, int | str]]:
    """What may be replaced or added: the name of the parameter, and its position or keyword."""
    try:
        parameters = list(inspect.signature(call.function).parameters.values())
    except (TypeError, ValueError):  # a function of C
        parameters = []
    by_position = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
    spots: list[tuple[str, int | str]] = [
        (by_position[i] if i < len(by_position) else rest, i) for i in range(call.fixed, len(args))
    ]
    spots += [(name, name) for name in options]
    taken = {name for name, _ in spots} | set(by_position[: len(args)])
    keywords = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return spots + [(p.name, p.name) for p in keywords if p.name not in taken]


class Hang(BaseException):
    """The call takes too long."""


def _stop(*_: Any) -> None:
    raise Hang


def outcome(attempt: Attempt) -> Failure | None:
    """Make the call; what is wrong with its outcome, if anything is."""
    error: BaseException | None = None
    result = None
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            result = attempt.call.function(*attempt.args, **attempt.options)
    except BaseException as caught:
        error = caught
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if isinstance(error, KeyboardInterrupt):
        raise error
    kind = wrong_result(attempt, result) if error is None else wrong_error(attempt, error)
    if kind is None:
        return None
    where = f"{attempt.call.name}({attempt.parameter}={attempt.thing})"
    return Failure(
        kind, where if error is None else f"{where}: {type(error).__name__}: {shown(error)}"
    )


def shown(error: BaseException) -> str:
    try:
        return str(error)[:LONGEST]
    except Exception:
        return "(its message raises)"


def wrong_result(attempt: Attempt, result: Any) -> str | None:
    is_bool = isinstance(attempt.value, (bool, np.bool_))
    if is_bool and attempt.parameter in WHOLE:
        return "a bool taken as an axis or a size"
    number = isinstance(attempt.value, int) and attempt.value in (0, 1)
    numpys = number and attempt.call.name.startswith("np.")  # NumPy takes these for flags
    if not is_bool and attempt.parameter in FLAGS and not numpys:
        return "a flag that is no bool"
    if isinstance(result, Tensor) and result.dtype.kind not in "biuf":
        return "a result of another kind"
    return None


def wrong_error(attempt: Attempt, error: BaseException) -> str | None:
    call, frames = attempt.call, traceback.extract_tb(error.__traceback__)
    last, text = frames[-1], shown(error)
    if last.filename.endswith("wrong_things.py"):
        honest = any(thing in attempt.thing for thing in HONEST)
        return None if honest else f"{last.name} of what was given, called"
    if last.filename.endswith("public_calls.py") or not any(
        frame.filename.startswith(OURS) for frame in frames
    ):
        return None  # a function of the user's; Python or NumPy, before a function of ours
    if isinstance(error, (MemoryError, OSError, AssertionError, ZeroDivisionError)):
        said = {MemoryError: "Unable to allocate", OSError: "", ZeroDivisionError: ""}
        fine = isinstance(error, tinygrad_lite.GradientError) or any(
            isinstance(error, kind) and text.startswith(start) for kind, start in said.items()
        )
        return None if fine else type(error).__name__
    if not isinstance(error, (TypeError, ValueError, IndexError, RuntimeError)):
        return type(error).__name__
    if attempt.parameter in ("out", "format_spec") or call.name == "parallel":
        return None  # NumPy's and Python's own words, and those of the task
    if call.name.startswith("np.") and not attempt.parameter:
        return None  # out= by position
    if "\n" in text or len(text) >= LONGEST:
        return "several lines, or a long one"
    if isinstance(error, TypeError) and any(words in text for words in SIGNATURE):
        return None
    if call.name in ("index", "x[i] = v") and isinstance(error, (IndexError, ValueError)):
        return None  # NumPy's own words for an index that does not fit
    if not last.filename.startswith(OURS) or not raises(last.filename, last.lineno or 0):
        return from_inside(error, text)
    return unnamed(call, attempt.parameter, error, text)


def from_inside(error: BaseException, text: str) -> str:
    for words in ("truth value", "not supported between", "cannot be interpreted as an integer"):
        if words in text:
            return f"from inside: {words}"
    return f"from inside: {type(error).__name__}"


def unnamed(call: Call, parameter: str, error: BaseException, text: str) -> str | None:
    """Whether the message names neither the function nor, for a wrong type, the argument."""
    bare = call.name.rpartition(".")[2]
    if bare[-1:] == "=" and len(bare) > 1 and bare not in ("<=", ">=", "=="):
        bare = bare[:-1]  # in place: += says what + says
    names = [call.name, bare, f"np.{bare}", OPERATORS.get(bare, bare)]
    names += [name for name in (NAMES.get(bare), NAMES.get(names[3])) if name]
    names += [f"np.{NUMPY_OF[bare]}"] if bare in NUMPY_OF else []
    if (
        not text.startswith((*names, "iteration: ", "len: ", "float: ", "requires_grad: "))
        and "would become" not in text
    ):
        return "another function's name"
    if not isinstance(error, TypeError) or not parameter or parameter in OPERANDS:
        return None
    words = [parameter.rstrip("_"), parameter.rstrip("s"), *WORDS.get(parameter, "").split()]
    return None if any(word in text for word in words) else "an argument that is not named"


@cache
def statements(path: str) -> list[tuple[int, int]]:
    """The lines of each `raise` of a file, from the first to the last."""
    tree = ast.parse(Path(path).read_text())
    return [
        (n.lineno, n.end_lineno or n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Raise)
    ]


def raises(path: str, line: int) -> bool:
    """Whether the line belongs to a `raise` statement."""
    return any(first <= line <= last for first, last in statements(path))


def run(count: int, seed: int = 0) -> tuple[Counter[str], list[Failure]]:
    """Make that many calls; how many failed by class, and the failures."""
    failures = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for attempt in attempts(count, seed):
            failure = outcome(attempt)
            if failure is not None:
                failures.append(failure)
    Tensor.manual_seed(0)
    return Counter(failure.kind for failure in failures), failures


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    counts, failures = run(count, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(f"{count:,} calls with something wrong: {len(failures)} without one clear line")
    for kind, number in counts.most_common():
        print(f"{number:6}  {kind}")
        for failure in [failure for failure in failures if failure.kind == kind][:12]:
            print(f"        {failure.words}")
    sys.exit(bool(failures))
