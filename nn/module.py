"""Module: a part of a model that finds its own parameters and names itself in errors."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, Self, TypeVar

from tinygrad_lite import Observer, Tensor

from .reflection import walk
from .state import get_named_parameters, get_parameters

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result", covariant=True)


class HasForward(Protocol[Inputs, Result]):
    """A class with a `forward`, whose arguments and result a type checker sees in a call."""

    def forward(self, *args: Inputs.args, **kwargs: Inputs.kwargs) -> Result:
        """The result of the module."""
        ...


class Module:
    """A part of a model.  Write `forward`, and call the object.

        class Residual(Module):
            def __init__(self, width: int):
                self.inner = Linear(width, width)

            def forward(self, x: Tensor) -> Tensor:
                return x + self.inner(x).relu()

    Its parameters are the tensors that require grad in its attributes, in the lists, tuples, dicts
    and other objects there, in their attributes, and so on.  There is nothing to register and no
    `super().__init__()` to call.  With a reference back to a parent, the parent's parameters would
    count as the child's: hold a `weakref.proxy` to the parent instead.

    An error inside a call names the module's path: `Sequential.layers.1 (Linear): expected ...`.

    training    whether layers such as Dropout behave as in training; True until `eval()`
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the module; every subclass defines it."""
        raise NotImplementedError("forward is not written; add def forward(self, x) to the class")

    def __call__(
        self: HasForward[Inputs, Result], *args: Inputs.args, **kwargs: Inputs.kwargs
    ) -> Result:
        """`forward`, with the module's path in the message of an error."""
        try:
            observer = Observer.current("module")
            if observer is None:
                return self.forward(*args, **kwargs)
            with _named(self) as path, observer.module(path):
                return self.forward(*args, **kwargs)
        except Exception as error:
            locate(error, self)
            raise

    def parameters(self) -> list[Tensor]:
        """The tensors to train, each once, in the order of the attributes."""
        return get_parameters(self)

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """The tensors to train, each once, with its first path ("layers.0.weight")."""
        return get_named_parameters(self)

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in get_parameters(self):
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Set `training` in this module and all modules inside it; returns the module itself."""
        for _, value in walk(self):
            if isinstance(value, Module):
                value.training = mode
        return self

    def eval(self) -> Self:
        """Behave as in evaluation, here and in all modules inside: `train(False)`."""
        return self.train(False)

    def extra_repr(self) -> str:
        """The text inside the parentheses of the repr: the options of this layer."""
        return ""

    def __repr__(self) -> str:
        """The modules inside, indented, each with its number of parameters."""
        lines: list[str] = []
        around: list[str] = []  # the paths of the modules that contain the current one
        seen: set[int] = set()
        for path, module in walk(self):
            if not isinstance(module, Module) or id(module) in seen:
                continue
            seen.add(id(module))
            while around and around[-1] and not path.startswith(f"{around[-1]}."):
                around.pop()
            label = path[len(around[-1]) :].lstrip(".") + ": " if around else ""
            count = sum(parameter.size for parameter in get_parameters(module))
            noted = f"  # {count:,} parameter{'s' * (count != 1)}" if count else ""
            lines.append(
                f"{'  ' * len(around)}{label}{type(module).__name__}({module.extra_repr()}){noted}"
            )
            around.append(path)
        return "\n".join(lines)


# ---------------------------------------------------------------------------------------------
# The path of a call, for observers

# The paths of the modules inside the outermost one that is being called; None outside of any.
_paths: ContextVar[dict[int, str] | None] = ContextVar("paths", default=None)


@contextmanager
def _named(module: object) -> Iterator[str]:
    """The path of a module that is called, such as "Sequential.layers.1"; its type if unknown."""
    name, token = type(module).__name__, None
    paths = _paths.get()
    if paths is None:
        paths = {}
        with suppress(Exception):  # an attribute that cannot be read: the call matters more
            for path, value in walk(module):
                if isinstance(value, Module):
                    paths.setdefault(id(value), f"{name}.{path}".rstrip("."))
        token = _paths.set(paths)
    try:
        yield paths.get(id(module), name)
    finally:
        if token is not None:
            _paths.reset(token)


# ---------------------------------------------------------------------------------------------
# The path in an error's message


class _Trail:
    """What an error carries along about the calls that it has left.  Strings, so it pickles.

    origin      name of the innermost callee
    callee      identity of the last callee that it left
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
    (KeyError).  It is one path, however many calls the error leaves.
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
