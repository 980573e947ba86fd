"""A loss that turns inf or nan: told in the backward pass that begins with it.

One look at its number, and a note of it for the next passes: that is all that a healthy step pays.
When the number is not finite, the graph is still there, so the one line that is told says what made
it so; and if the loss had been growing, that the learning rate did.
"""

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from sys import _getframe
from typing import Any

from ..arrays.locks import imported
from ..engine.graph import TensorBase, topological_order
from .telling import is_told, tell

NOTED = 6  # losses of one place in the code
PLACES = 64  # in the code
SEARCHES = 3  # for causes, at one place in the code
GROWTH = 100.0  # of a loss that explodes, over the passes in which it only grew
LARGEST_GRAPH = 20_000  # nodes; the search runs most of its ops again


class Losses(deque[float]):
    """The last losses of one place in the code.

    passes    how many there were in all
    begun     how many of these came before the present training
    broken    the number of the last one that was not finite; a finite one begins a training anew
    searched  how often a cause was looked for
    place     what the place is: held, so that its identity is not used again
    """

    __slots__ = ("begun", "broken", "passes", "place", "searched")

    def __init__(self, place: Any = None) -> None:
        super().__init__((), NOTED)
        self.passes = self.begun = self.broken = self.searched = 0
        self.place = place


class _Places(threading.local):
    """The losses of one thread, by the code that called backward, and the instruction there."""

    def __init__(self) -> None:
        self.losses: dict[tuple[int, int], Losses] = {}


_places = _Places()

# Whether losses may be inf or nan here.
_trial: ContextVar[bool] = ContextVar("trial", default=False)


@contextmanager
def trial() -> Iterator[None]:
    """Of losses inside, none is told: a line search, for example, tries steps that are too long."""
    token = _trial.set(True)
    try:
        yield
    finally:
        _trial.reset(token)


def look(loss: TensorBase) -> None:
    """Tell, if the number that a backward pass begins with is inf or nan.

    To be called by the function that the user called.
    """
    number = loss._data.item()
    try:
        frame = _getframe(2)
    except ValueError:  # the interpreter itself called backward: atexit, a thread of C
        frame = _getframe(1)
    known = _places.losses
    losses = known.get((id(frame.f_code), frame.f_lasti)) or _new(frame.f_code, frame.f_lasti)
    losses.append(number)
    losses.passes += 1
    if number - number:  # nan, for inf and nan only
        _tell(losses, loss)


def look_at_replay(losses: Losses, result: Any) -> None:
    """The same for what a replay of a captured step returned: a loss, or a tuple that begins so."""
    loss = result[0] if isinstance(result, tuple | list) and result else result
    if not isinstance(loss, TensorBase) or loss._data.ndim or loss._data.dtype.kind != "f":
        return
    number = loss._data.item()
    losses.append(number)
    losses.passes += 1
    if number - number:
        _tell(losses, None)


def _new(code: Any, position: int) -> Losses:
    known = _places.losses
    if len(known) >= PLACES:  # cells of a notebook, mostly
        known.clear()
    found = known[id(code), position] = Losses(code)
    return found


def _tell(losses: Losses, loss: TensorBase | None) -> None:
    if _trial.get():
        return
    if losses.broken < losses.passes - 1:
        losses.begun = losses.broken
    losses.broken = losses.passes
    step = losses.passes - losses.begun
    where = f"backward pass {step} of this line" if loss is not None else f"replay {step}"
    text = f"the loss is {losses[-1]} in {where}"
    if losses.searched < SEARCHES and not is_told():  # filters may ignore it, each time
        losses.searched += 1
        cause, rate = _cause(loss)
        text = f"{text}{_before(losses, rate)}; {cause}"
    tell(text)


def _before(losses: Losses, rate: bool | None) -> str:
    """The losses that led there, as the end of a sentence.

    rate: whether the learning rate is to blame; None if that is not known
    """
    rise = _rise(losses, sure=rate is True) if rate is not False else []
    if rise:
        went = ", ".join(f"{number:.3g}" for number in (*rise, losses[-1]))
        return (
            f": over the last {len(rise) + 1} it went {went}, so the learning rate is likely too "
            "high; lower it, or clip gradients"
        )
    if losses.passes - losses.begun == 1 or not math.isfinite(losses[-2]):
        return ""
    return f", and was {losses[-2]:.3g} in the one before"


def _rise(losses: Losses, sure: bool) -> list[float]:
    """The finite losses that only grew until this one, if they grew fast; else none.

    Unless `sure`, the first does not count: it may be the last of another training at this line.
    """
    grown: list[float] = []
    for number in [*losses][-2::-1]:
        if not math.isfinite(number) or (grown and abs(number) >= abs(grown[0])):
            break
        grown.insert(0, number)
    counted = grown if sure else grown[1:]
    return grown if len(counted) > 1 and abs(counted[-1]) >= GROWTH * abs(counted[0]) else []


def _cause(loss: TensorBase | None) -> tuple[str, bool | None]:
    """What trace_nan finds in the graph, in one line; and whether the learning rate is to blame.

    It is if numbers that an op was given, or a parameter, were far too large, and not if the data
    has the nan.
    """
    if loss is None:
        return "call the function itself, without capture, on this batch, to be told which op", None
    with suppress(Exception):  # whatever happens there, the program goes on
        if len(topological_order([loss._node])) <= LARGEST_GRAPH:  # type: ignore[list-item]
            found = imported("tinygrad_lite.show.finiteness.nonfinite").trace_nan(loss)
            text, rate = found.summary(), found.overflow
            if not found.line and "keep_values" not in text:
                text += "; inside `with keep_values():` trace_nan(loss) knows the line too"
            return text, rate
    return "call trace_nan(loss) before backward, inside `with keep_values():`, for the cause", None
