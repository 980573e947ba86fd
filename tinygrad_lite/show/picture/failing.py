"""draw_on_error: where a forward pass fails, a picture of the graph up to the call that failed.

The tensors that this call got are found in the traceback, among the arguments of the innermost
call into the library, or else of a Module or of a function of the user's.
"""

import traceback
from collections.abc import Iterator
from contextlib import suppress
from textwrap import wrap
from types import FrameType, TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from ...engine.function import Primitive
from ...engine.graph import Array, Node, TensorBase, array_of
from ...engine.reads import input_names
from ...engine.recording import serials
from ...files import FilePath, printable
from ..graph.history import History
from ..graph.keeping import Kept
from ..graph.naming import Names
from ..outline.boxes import Text
from ..outline.folding import Fold, check_fold, folded
from ..outline.outline import outline_of
from ..outline.wording import shape_text
from .picture import Picture, checked_suffix

_MOST_TENSORS = 12  # whose shapes a box lists
_LINE = 60  # characters of a line of the error's message
_LIBRARY = ("tinygrad_lite", "nn")
_PROTOCOL = ("__array_ufunc__", "__array_function__")
_REVERSED = ("radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rpow", "rmatmul")


def draw_on_error(path: FilePath, *, names: Any = None, fold: Fold = None) -> "OnError":
    """Where the code inside raises, draw the graph up to the call that failed.

        with draw_on_error("failed.svg", names=model):
            loss = model(x).cross_entropy(y)

    The picture marks the failing call in red, with the shapes that it got, the message of the error
    and the line of your code.  The error goes on unchanged, with a note that names the picture, or
    says why there is none: an error in which no tensor took part leaves nothing to draw.

    path   as in `draw`; its folder and its ending are checked before the code inside runs
    names  as in `draw`
    fold   as in `draw`

    Errors: those of `draw` for wrong arguments.
    """
    checked_suffix(path, "draw_on_error")
    check_fold(fold, "draw_on_error")
    Names.of(names, "draw_on_error")
    return OnError(path, names, fold)


class OnError:
    """The context that `draw_on_error` returns."""

    def __init__(self, path: FilePath, names: Any, fold: Fold) -> None:
        self.path, self.names, self.fold = path, names, fold

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if not isinstance(error, Exception):  # Ctrl-C is no error of the forward pass
            return
        try:
            note = self._drawn(error, at)
        except Exception as problem:  # the error itself matters more than its picture
            reason = printable(str(problem).partition("\n")[0])
            note = f"draw_on_error: no picture: {type(problem).__name__}: {reason}"
        with suppress(Exception):  # notes of a kind of its own
            error.add_note(note)

    def _drawn(self, error: Exception, at: TracebackType | None) -> str:
        """Draw the picture; the note about it."""
        stack = [_Frame(frame, line) for frame, line in traceback.walk_tb(at)]
        call = _failed_call(stack)
        if call is None:
            return "draw_on_error: no picture: no call that failed got a Tensor"
        names = Names.of(self.names, "draw_on_error")
        outline = outline_of(History(_as_result(call)), names)
        text = _text(call, error, _user_line(stack))
        (failed,) = (box for box in outline.boxes if box.is_output)
        failed.kind, failed.group, failed.words = "failed", (), lambda _: text
        Picture(folded(outline, self.fold), outline).save(self.path)
        return f"draw_on_error: {printable(self.path)} shows the graph up to the call that failed"


class _Call(NamedTuple):
    """A call that failed: the name of the function, and the tensors and arrays that it got."""

    name: str
    given: dict[str, TensorBase | Array]


class _Frame:
    """One frame of a traceback.

    given  the tensors and arrays among its arguments; in the user's code, among all its variables
    """

    def __init__(self, frame: FrameType, line: int) -> None:
        self.variables, self.code, self.line = frame.f_locals, frame.f_code, line
        self.name = self.code.co_name
        self.package = (frame.f_globals.get("__name__") or "").partition(".")[0]
        self.given: dict[str, TensorBase | Array] = {}
        for name in self._arguments() if self.package in _LIBRARY else self.variables:
            self._add(name, self.variables.get(name))
        self.has_tensor = any(isinstance(one, TensorBase) for one in self.given.values())

    def _arguments(self) -> tuple[str, ...]:
        code, star, stars = self.code, 0x04, 0x08  # flags for *args and **options
        count = code.co_argcount + code.co_kwonlyargcount
        count += bool(code.co_flags & star) + bool(code.co_flags & stars)
        names = code.co_varnames[:count]
        return names[1:] if self.name in _PROTOCOL else names  # there, self is among the others

    def _add(self, name: str, value: Any) -> None:
        """Note a tensor or an array, or those in a list or a dict; of a layer, its weights last."""
        if isinstance(value, (TensorBase, np.ndarray)):
            known = self.package not in _LIBRARY and any(v is value for v in self.given.values())
            if not known:
                self.given[name] = value
        elif isinstance(value, (list, tuple)):
            for number, one in enumerate(value[:1000]):
                if isinstance(one, (TensorBase, np.ndarray)):
                    self._add(self._name_of_input(name, number), one)
        elif isinstance(value, dict):
            for key, one in list(value.items())[:1000]:
                if isinstance(one, (TensorBase, np.ndarray)):
                    self._add(str(key), one)

    def _name_of_input(self, name: str, number: int) -> str:
        """What one of several arguments is called; of an op, as its `backward` calls it."""
        kind = self.variables.get("cls")
        if self.code is _APPLY and kind is not None:
            names, _ = input_names(kind)
            if number < len(names):
                return names[number]
        return f"{name}[{number}]"

    def with_weights(self) -> dict[str, TensorBase | Array]:
        """The arguments, and the weights of the layer that this is a call of."""
        layer, given = self.variables.get("self"), self.given
        if self.name != "forward" or isinstance(layer, (TensorBase, Node)):
            return given
        weights = {
            name: value
            for name, value in getattr(layer, "__dict__", {}).items()
            if isinstance(value, TensorBase) and value._node is not None
        }
        return {**given, **{name: one for name, one in weights.items() if name not in given}}

    @property
    def is_public(self) -> bool:
        """Whether it is what users call: a method of a tensor, a function of NumPy, an op."""
        if self.name in _PROTOCOL or self.code is _APPLY:
            return True
        first = next(iter(self.given.values()), None)
        public = not self.name.startswith(("_", "<")) or self.name.strip("_") in _OPERATORS
        return public and isinstance(first, TensorBase) and hasattr(type(first), self.name)

    @property
    def title(self) -> str:
        """What the call is called: a method by its name, a Module and an op by its class."""
        name, variables = self.name, self.variables
        if name in ("forward", "__call__") and "self" in variables:
            return type(variables["self"]).__name__
        if self.code is _APPLY:
            return str(variables["cls"].__name__)
        if name in _PROTOCOL:
            function = variables.get("ufunc", variables.get("func"))
            return f"np.{getattr(function, '__name__', 'function')}"
        if name in ("__get__", "__getattr__"):
            return "reading an attribute"
        name = name.strip("_")
        return name[1:] if name in _REVERSED else name


_OPERATORS = {
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "neg", "getitem"),
    *("setitem", "iadd", "isub", "imul", "itruediv", "lt", "le", "gt", "ge", *_REVERSED),
}
_APPLY: Any = Primitive.apply.__func__.__code__  # type: ignore[attr-defined]


def _failed_call(stack: list[_Frame]) -> _Call | None:
    """The innermost call of a tensor's method, of a Module or of a function that got a Tensor.

    The outermost frame is that of the with statement: a call that failed was made there or inside.
    """
    inside = stack[1:]
    while inside and not inside[-1].has_tensor:
        inside.pop()
    if not inside:
        return None
    found = inside[-1]
    if found.package == "tinygrad_lite":
        for frame in reversed(inside):  # the method that the user, or a Module, called
            if frame.package != "tinygrad_lite" or not frame.has_tensor:
                break
            if frame.is_public:
                found = frame
    elif found.package == "nn":
        for frame in reversed(inside):
            if frame.package != "nn" or not frame.has_tensor:
                break
            found = frame
            if frame.name == "forward":
                break
    given = found.with_weights()
    if "self" in given and "x" not in given:
        given = {"x" if name == "self" else name: one for name, one in given.items()}
    return _Call(found.title, given)


class FailedCall(Node):
    """Stands in the graph for a call that failed."""

    __slots__ = ()


def _as_result(call: _Call) -> TensorBase:
    """A tensor whose node has the tensors and arrays of the call as inputs."""
    given = list(call.given.values())
    node = FailedCall()
    node.parents = tuple(one._node if isinstance(one, TensorBase) else None for one in given)
    node.out_shape, node.serial = (), next(serials)
    node.holder = node.line = None
    result = np.zeros(())
    node._kept = Kept(tuple(map(array_of, given)), result, None)
    return TensorBase._wrap(result, node)


def _text(call: _Call, error: Exception, line: str) -> Text:
    """The text of the box: the call, the shapes that it got, the error, the line."""
    shapes = [
        f"{name} {shape_text(array_of(one).shape)} {array_of(one).dtype}"
        for name, one in call.given.items()
    ]
    if len(shapes) > _MOST_TENSORS:
        shapes[_MOST_TENSORS:] = [f"and {len(shapes) - _MOST_TENSORS} more"]
    message = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    said = wrap(printable(message.removesuffix(": "), 400), _LINE)
    return f"{call.name} failed", [*shapes, *said, *([line] if line else [])]


def _user_line(stack: list[_Frame]) -> str:
    """The file and the line of the innermost frame of the user's code."""
    for frame in _users(stack):
        file = frame.code.co_filename.replace("\\", "/").rpartition("/")[2]
        return f"{file}:{frame.line}"
    return ""


def _users(stack: list[_Frame]) -> Iterator[_Frame]:
    return (frame for frame in reversed(stack) if frame.package not in (*_LIBRARY, "numpy"))
