"""How a mistake is told: one warning for each line of the user's, whatever it says.

Python's own "once for each line" goes by the text too, and starts anew whenever any library enters
`warnings.catch_warnings`; so the lines that were told are kept here.  The filters decide as ever:
"error" raises each time, "ignore" is silent, and what `catch_warnings(record=True)` or pytest.warns
collects is another audience, which has been told nothing yet.
"""

import warnings
from collections import deque
from types import FrameType
from typing import Any

from ..arrays.arguments import wrong
from ..arrays.locks import ProcessLock
from ..engine.recording import user_frame


class TrainingWarning(UserWarning):
    """A program trains, and probably not as its author means it to.

    Each is told once for a line of the program, and says what to write instead; docs/seeing.md
    lists them all.  For tests, warnings.simplefilter("error", TrainingWarning) makes errors of
    them; "ignore" silences them.
    """

    __module__ = "tinygrad_lite"


def tell(message: str, frame: FrameType | None = None) -> None:
    """A TrainingWarning that names the user's line, the first time that the line deserves one.

    frame: the line is the one that this frame is in; default: the innermost line of the user's
    """
    if not isinstance(message, str):
        raise wrong("tell: message", "text", message)
    once(message, TrainingWarning, user_frame() if frame is None else frame)


def is_told() -> bool:
    """Whether those who hear of warnings now were told one for the user's line already."""
    key = (*_place(user_frame()), TrainingWarning)
    with _telling.lock:
        return key in _lines_told()


def once(message: str, category: type[Warning], frame: FrameType) -> None:
    """A warning at the line that a frame is in, unless one of this category was shown for it."""
    line, module = frame.f_lineno, frame.f_globals.get("__name__") or ""
    action = _action(message, category, module, line)
    if action == "ignore":
        return
    if action != "error":
        with _telling.lock:
            told = _lines_told()
            if (key := (*_place(frame), category)) in told:
                return
            told.add(key)
    warnings.warn_explicit(message, category, frame.f_code.co_filename, line, module, {})


# For each of the last audiences, what it was told: (file or code, line, category).
_told: deque[tuple[Any, set[Any]]] = deque(maxlen=8)
_telling = ProcessLock()


def _place(frame: FrameType) -> tuple[Any, int]:
    """The line that a frame is in.  What is typed or run as text has a file's name in common."""
    file = frame.f_code.co_filename
    return (frame.f_code if file.startswith("<") else file), frame.f_lineno


def _lines_told() -> set[Any]:
    """What was told to those who hear of warnings now: the screen, or a list that collects them."""
    context = getattr(warnings, "_get_context", None)  # Python 3.14: each thread may have its own
    audience = getattr(context(), "log", None) if context else None
    if audience is None:
        audience = getattr(warnings, "_showwarnmsg_impl", None)
    for one, lines in _told:
        if one is audience:
            return lines
    lines = set()
    _told.append((audience, lines))
    return lines


def _action(message: str, category: type[Warning], module: str, line: int) -> str:
    """What the filters in force do with a warning."""
    filters = getattr(warnings, "_get_filters", lambda: warnings.filters)()
    for action, text, kind, where, at in filters:
        if (
            issubclass(category, kind)
            and at in (0, line)
            and _fits(text, message)
            and _fits(where, module)
        ):
            return str(action)
    return str(getattr(warnings, "defaultaction", "default"))


def _fits(pattern: Any, text: str) -> bool:
    """Whether a filter's pattern, or a plain text of Python's own filters, fits."""
    if pattern is None or isinstance(pattern, str):
        return pattern is None or pattern == text
    return bool(pattern.match(text))
