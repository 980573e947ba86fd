"""Module: a part of a model, which finds its parameters by itself and names itself in errors."""

from typing import Any, ParamSpec, Protocol, Self, TypeVar

from tinygrad_lite import Tensor

from .reflection import walk
from .state import get_named_parameters, get_parameters

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result", covariant=True)


class HasForward(Protocol[Inputs, Result]):
    """A class with a `forward`: so a type checker knows what calling the module takes and gives."""

    def forward(self, *args: Inputs.args, **kwargs: Inputs.kwargs) -> Result:
        """The result of the module."""
        ...


class Module:
    """A part of a model: write `forward`, call the object.

        class Residual(Module):
            def __init__(self, width: int):
                self.inner = Linear(width, width)

            def forward(self, x: Tensor) -> Tensor:
                return x + self.inner(x).relu()

    Its parameters are the tensors that require grad and lie in its attributes, in lists, tuples,
    dicts and objects of any class held there, and in their attributes in turn.  There is nothing
    to register and no `super().__init__()` to call.  A reference back to a parent would make the
    parent's parameters its own: hold a `weakref.proxy` instead.

    An error inside a call names the module's path: `Sequential.layers.1 (Linear): expected ...`.

    training    True until `eval()`: whether layers such as Dropout behave as in training
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's result; every subclass writes its own."""
        raise NotImplementedError("forward is not written; add def forward(self, x) to the class")

    def __call__(
        self: HasForward[Inputs, Result], *args: Inputs.args, **kwargs: Inputs.kwargs
    ) -> Result:
        """`forward`, with the module's path in the message of an error."""
        try:
            return self.forward(*args, **kwargs)
        except Exception as error:
            locate(error, self)
            raise

    def parameters(self) -> list[Tensor]:
        """The tensors to train, each once, in the order in which they stand."""
        return get_parameters(self)

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """The tensors to train, each once, with the first of its paths ("layers.0.weight")."""
        return get_named_parameters(self)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in get_parameters(self):
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and in every module inside; returns the module itself."""
        for _, value in walk(self):
            if isinstance(value, Module):
                value.training = mode
        return self

    def eval(self) -> Self:
        """Stop behaving as in training, here and in every module inside: `train(False)`."""
        return self.train(False)

    def extra_repr(self) -> str:
        """What stands in the parentheses of the repr: the options of this layer."""
        return ""

    def __repr__(self) -> str:
        """The modules inside, indented, and how many parameters each has."""
        lines: list[str] = []
        around: list[str] = []  # the paths of the modules that the current one lies in
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
# The path in an error's message


class _Trail:
    """What an error carries along about the calls that it has left.  Strings, so it pickles.

    origin      name of the innermost callee
    callee      identity of the last callee that it left
    name        name of that callee
    place       where `origin` lies, seen from there: "" or ".layers.1"
    step        where that callee stands in its caller, if the caller said so
    message     the error's own message, None where a note has to hold the path
    note        the note that holds the path
    """

    def __init__(self, origin: str, callee: int) -> None:
        self.origin = self.name = origin
        self.callee = callee
        self.place = ""
        self.step: str | None = None
        self.message: str | None = None
        self.note: str | None = None


def locate(error: Exception, callee: object, step: str | None = None) -> None:
    """Put the path of where `error` was raised into it, as it leaves a call of `callee`.

    step    where `callee` stands in its caller; where it is not given, the caller looks for it

    The path goes to the front of the message, or into a note for errors that are more than a
    message (KeyError).  It is one path however many calls the error leaves.
    """
    try:
        name = getattr(callee, "__name__", type(callee).__name__)
        trail: _Trail | None = error.__dict__.get("_module_trail")
        if trail is None:
            trail = error.__dict__["_module_trail"] = _Trail(name, id(callee))
            if len(error.args) == 1 and error.args[0] == str(error):
                trail.message = str(error)
        elif trail.callee != id(callee):  # the same one: a module that calls itself
            inner = trail.step or _path_to(trail.callee, callee)
            before = f" > {trail.name}" if inner is None else f".{inner}"
            trail.place = before + trail.place
            trail.callee, trail.name = id(callee), name
        trail.step = step
        bare = not trail.place or trail.place.endswith(f" > {trail.origin}")
        _write(error, trail, f"{name}{trail.place}" + ("" if bare else f" ({trail.origin})"))
    except Exception:  # what went wrong in the model matters more than where
        return


def _path_to(identity: int, root: object) -> str | None:
    """The path of an object inside `root`, None where it is not found."""
    return next((path for path, value in walk(root) if id(value) == identity), None)


def _write(error: Exception, trail: _Trail, place: str) -> None:
    """Change the message of `error`, or its note."""
    if trail.message is not None:
        error.args = (f"{place}: {trail.message}",)
        if str(error) == error.args[0]:
            return
        error.args = (trail.message,)  # its class takes the message from elsewhere
        trail.message = None
    if trail.note is None:
        error.add_note(f"in {place}")
    else:
        error.__notes__[error.__notes__.index(trail.note)] = f"in {place}"
    trail.note = f"in {place}"
