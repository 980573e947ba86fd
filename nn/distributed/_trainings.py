"""What a sweep trains with, and what comes of each training: plain values, as JSON has them."""

import inspect
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any, Literal, NamedTuple

from tinygrad_lite import arguments, files

Kind = Literal["finished", "failed", "died"]
RESULT = "result"  # the name of a number that is returned alone


class Outcome(NamedTuple):
    """How a training ended.

    kind: "finished" if it returned a result, "failed" if it raised an error.  "died" if its process
        did, or its memory ran out: it may be started again.
    reason: why there is no result.
    rank, host: where it ran.
    """

    kind: Kind
    result: dict[str, Any]
    reason: str = ""
    seconds: float = 0.0
    rank: int = 0
    host: str = ""

    def on(self, rank: int, host: str) -> "Outcome":
        """The same, where it ran."""
        return Outcome(self.kind, self.result, self.reason, self.seconds, rank, host)

    def as_failed(self, more: str) -> "Outcome":
        """The same as a failure, with more of a reason."""
        return Outcome("failed", {}, self.reason + more, self.seconds, self.rank, self.host)


def trainings(options: Any) -> list[dict[str, Any]]:
    """The keyword arguments of each training.

    options: a list of dicts, or a dict of lists, of which all combinations are made; the last name
        changes fastest.

    Errors: TypeError, ValueError.
    """
    if isinstance(options, Mapping):
        lists = [_values(name, values) for name, values in options.items()]
        found = [dict(zip(options, each, strict=True)) for each in product(*lists)]
    elif isinstance(options, Iterable) and not isinstance(options, str | bytes):
        found = [_keywords(each) for each in options]
    else:
        raise arguments.wrong("sweep: options", "a list of dicts, or a dict of lists", options)
    for each in found:
        for name in each:
            if not isinstance(name, str):
                raise arguments.wrong("sweep: options: a name", "text", name)
    return found


def _keywords(each: Any) -> dict[str, Any]:
    if not isinstance(each, Mapping):
        raise arguments.wrong("sweep: options", "a list of dicts, or a dict of lists", each)
    return {name: _item(value) for name, value in each.items()}


def _values(name: Any, values: Any) -> list[Any]:
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping):
        raise arguments.wrong(f"sweep: options: {name}", "a list of values", values)
    return [_item(value) for value in values]


def _item(value: Any) -> Any:
    """A value of an option; NumPy's scalars, as of np.logspace, as Python's."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def check_call(fn: Any, each: Mapping[str, Any]) -> None:
    """TypeError if `fn` does not take these keyword arguments."""
    try:
        signature = inspect.signature(fn)
    except ValueError:  # of a function in C, which has none
        return
    try:
        signature.bind(**each)
    except TypeError as error:
        raise TypeError(f"sweep: fn cannot be called with {in_words(each)}: {error}") from None


def described(each: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON, to be compared with those of an earlier sweep.

    Functions and classes are described by their names.  TypeError for other objects.
    """
    found = {}
    for name, value in each.items():
        called = getattr(value, "__qualname__", None)
        where = f"sweep: options: {name}"
        found[name] = called if isinstance(called, str) else plain(value, where)
    return found


def plain(value: Any, where: str) -> Any:
    """A value as JSON has it: tensors and arrays of one element as numbers, tuples as lists.

    Errors: TypeError if it is anything else.
    """
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):  # and what is derived from them
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, list | tuple):
        return [plain(each, where) for each in value]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {str(name): plain(each, f"{where}[{name!r}]") for name, each in value.items()}
    expected = "a number, text, None, or a list or dict of them"
    try:
        item = value.item()
    except (AttributeError, TypeError, ValueError):  # of more than one element
        raise arguments.wrong(where, expected, value) from None
    if not isinstance(item, bool | int | float | str):
        raise arguments.wrong(where, expected, value)
    return item


def called(fn: Callable[..., Any], options: Mapping[str, Any]) -> Outcome:
    """Call fn(**options).  Errors are printed, with their traceback; KeyboardInterrupt is not."""
    began = time.perf_counter()
    kind: Kind = "failed"
    try:
        result = _checked(fn(**options))
        return Outcome("finished", result, seconds=time.perf_counter() - began)
    except SystemExit as error:
        reason = f"it ended with status {_status(error)}"
    except MemoryError as error:
        kind, reason = "died", _line(error)
    except Exception as error:
        traceback.print_exc()
        reason = _line(error)
    return Outcome(kind, {}, reason, time.perf_counter() - began)


def _checked(returned: Any) -> dict[str, Any]:
    """What fn returned, as a dict."""
    where = "sweep: what fn returned"
    if returned is None:
        return {}
    if isinstance(returned, str | list | tuple):
        raise arguments.wrong(where, "a number, or a dict of numbers", returned)
    found = plain(returned, where)
    if not isinstance(found, dict):
        return {RESULT: found}
    json.dumps(found)  # an integer may have too many digits
    return found


def _status(error: SystemExit) -> Any:
    """The exit status; a text is printed, as Python does."""
    if isinstance(error.code, int | None):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def _line(error: BaseException) -> str:
    said = traceback.format_exception_only(error)[-1].strip()
    return files.printable(said, 500)


def in_words(values: Mapping[str, Any]) -> str:
    """Options as text: `lr=0.1, seed=2`."""
    return ", ".join(f"{name}={shown(value)}" for name, value in values.items())


def shown(value: Any, most: int = 40) -> str:
    """A value as short text."""
    if value is None:
        return "None"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | dict):
        value = json.dumps(value)
    called = getattr(value, "__name__", None)
    return files.printable(called if isinstance(called, str) else value, most)
