"""The line of the user's code: a warning names it, and every node may remember its own.

That is done by an observer like any other: the engine has no branch for it.
"""

import warnings
from typing import Any

from .arrays.arguments import wrong
from .arrays.settings import Setting
from .engine.recording import Observer, user_frame, user_line


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning that names the user's line, once for each such line unless filters say otherwise.

    `warnings.warn` would need to know how many of our own calls lie in between.
    """
    if not isinstance(message, str):
        raise wrong("warn: message", "text", message)
    if not (isinstance(category, type) and issubclass(category, Warning)):
        raise wrong("warn: category", "a class of warnings", category)
    frame = user_frame()
    file, line, names = frame.f_code.co_filename, frame.f_lineno, frame.f_globals
    registry = names.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, category, file, line, names.get("__name__", ""), registry)


class SourceLines(Observer, Setting):
    """Inside, every op remembers the line of user code that called it, for error messages.

    `with record_source_lines():`, or `@record_source_lines()` on a function; as with no_grad, the
    parentheses may be left out, and the function may be a generator or a coroutine.

    Finding the line takes longer than a small operation does, so it is off unless asked for.
    """

    name = "record_source_lines"

    def recorded(self, op: Any, tensor: Any) -> None:
        """Note the line of an operation that was recorded."""
        tensor._node.line = op.line = user_line()
        super().recorded(op, tensor)


record_source_lines = SourceLines()
