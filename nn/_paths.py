"""The path of a module that is called, such as "Sequential.layers.1": for observers and errors."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Self

from .reflection import walk

# The paths of the modules inside the outermost one that is being called; None outside of any.
_paths: ContextVar[dict[int, str] | None] = ContextVar("paths", default=None)


class ModulePath(str):
    """The path of a module, such as "Sequential.layers.1"; its type if the path is unknown.

    shown  how an error inside it names it: "Sequential.layers.1 (Linear)"
    """

    shown: str

    def __new__(cls, path: str, name: str = "") -> Self:  # a copy gets its attributes later
        found = super().__new__(cls, path)
        found.shown = path if path == name else f"{path} ({name})"
        return found


@contextmanager
def named(module: object) -> Iterator[ModulePath]:
    """The path of a module that is called."""
    name, token = type(module).__name__, None
    paths = _paths.get()
    if paths is None:
        paths = {}
        with suppress(Exception):  # an attribute that cannot be read: the call matters more
            for path, value in walk(module):
                paths.setdefault(id(value), f"{name}.{path}".rstrip("."))
        token = _paths.set(paths)
    try:
        yield ModulePath(paths.get(id(module), name), name)
    finally:
        if token is not None:
            _paths.reset(token)


class _Trail:
    """What an error records about the calls that it has left.  Only strings, so that it pickles.

    origin      name of the innermost callee
    callee      identity of the last callee that the error left
    name        name of that callee
    path        the path from that callee to `origin`: "" or ".layers.1"
    step        the path from the caller to that callee, if the caller stated it
    message     the error's own message; None if the path has to go into a note
    note        the note that holds the path
    """

    def __init__(self, origin: str, callee: int) -> None:
        self.origin = self.name = origin
        self.callee = callee
        self.path = ""
        self.step: str | None = None
        self.message: str | None = None
        self.note: str | None = None


def locate(error: Exception, callee: object, step: str | None = None) -> None:
    """Add the path of the module that raised `error`, as the error leaves a call of `callee`.

    step    the path from the caller to `callee`; if it is not given, the caller searches for it

    The path is put in front of the message, or into a note if the error is more than a message
    (KeyError).  There is only one path, however many calls the error leaves.
    """
    try:
        name = getattr(callee, "__name__", type(callee).__name__)
        trail: _Trail | None = error.__dict__.get("_module_trail")
        if trail is None:
            trail = error.__dict__["_module_trail"] = _Trail(name, id(callee))
            if len(error.args) == 1 and error.args[0] == str(error):
                trail.message = str(error)
        elif trail.callee != id(callee):  # they are equal if a module calls itself
            inner = trail.step or _path_to(trail.callee, callee)
            before = f" > {trail.name}" if inner is None else f".{inner}"
            trail.path = before + trail.path
            trail.callee, trail.name = id(callee), name
        trail.step = step
        bare = not trail.path or trail.path.endswith(f" > {trail.origin}")
        _write(error, trail, f"{name}{trail.path}" + ("" if bare else f" ({trail.origin})"))
    except Exception:  # the error itself matters more than its path
        return


def _path_to(identity: int, root: object) -> str | None:
    """The path of an object inside `root`; None if it is not found."""
    return next((path for path, value in walk(root) if id(value) == identity), None)


def _write(error: Exception, trail: _Trail, path: str) -> None:
    """Put the path into the message of `error`, or into its note."""
    if trail.message is not None:
        error.args = (f"{path}: {trail.message}",)
        if str(error) == error.args[0]:
            return
        error.args = (trail.message,)  # this class keeps its message elsewhere
        trail.message = None
    if trail.note is None:
        error.add_note(f"in {path}")
    else:
        error.__notes__[error.__notes__.index(trail.note)] = f"in {path}"
    trail.note = f"in {path}"
