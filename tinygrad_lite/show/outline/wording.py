"""How pictures word shapes, values and the options of an op: briefly, and always the same way."""

import inspect
import linecache
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from ...arrays.shapes import Shape
from ...arrays.windows import Windows
from ...engine.graph import Array, Node

LONGEST = 40  # characters of an option
MOST_VALUES = 3  # elements of an array whose values are shown
# Options in the words of the field.
_FIELD = {
    ("Linear", "transposed"): "weights transposed",
    ("FloorDivide", "to_zero"): "rounded towards 0",
}
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def code_at(line: str) -> str:
    """The text of the line that "file:line" names; empty if it cannot be read."""
    file, _, number = line.rpartition(":")
    try:
        return linecache.getline(file, int(number)).strip()
    except (OSError, ValueError):  # such as a name that no file can have
        return ""


def shape_text(shape: Shape) -> str:
    """The shape as Python writes it: (), (3,), (2, 3)."""
    return str(tuple(int(size) for size in shape))


def count(number: int, noun: str) -> str:
    """A number and its noun: "1 op", "2,000 ops"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def line_text(line: str) -> str:
    """The source line of a node, "file:line", without the folders of the file."""
    return line.replace("\\", "/").rpartition("/")[2]


def array_text(array: Array) -> list[str]:
    """The shape of an array, and the elements if they are few; just the number for a 0-d one."""
    if array.ndim == 0:
        return [number_text(array.item())]
    short = array.ndim == 1 and 0 < array.size <= MOST_VALUES
    return [shape_text(array.shape), *([_elements(array)] if short else [])]


def number_text(value: Any) -> str:
    """A number with at most four digits; for anything else its type."""
    return _short(_item(value))


def elements_text(array: Array) -> str:
    """All elements, in brackets as NumPy nests them."""
    return _elements(array)


def options_of(op: Node) -> list[str]:
    """The keyword arguments that an op was applied with, unless the shapes already say them."""
    lines = []
    kind: Any = type(op)  # mypy takes it for no key
    for name, default in _init_options(kind):
        value = getattr(op, name, default)
        field = _FIELD.get((type(op).__name__, name), name)
        is_shape = name == "shape" and value == op.out_shape
        gone = value is None and default is inspect.Parameter.empty  # freed by a backward pass
        if not (is_shape or gone or _is(value, default) or value is False):
            lines += _windows(value) if isinstance(value, Windows) else [_option(field, value)]
    return lines


def _windows(windows: Windows) -> list[str]:
    """Kernel, stride, dilation and padding of windows, if they are not the defaults."""
    rank = len(windows.kernel)
    axes = {
        "stride": (windows.stride, 1),
        "dilation": (windows.dilation, 1),
        "padding before": (windows.before, 0),
    }
    unusual = [
        f"{name} {found}" for name, (found, usual) in axes.items() if found != (usual,) * rank
    ]
    return [f"kernel {windows.kernel}", *unusual]


@lru_cache(256)
def _init_options(kind: Any) -> tuple[tuple[str, Any], ...]:
    """The names and defaults of the arguments of `__init__`.

    Without `distinct`, which follows from the index, and `winners`, which follow from the values.
    """
    if kind.__init__ is object.__init__:
        return ()
    given = list(inspect.signature(kind.__init__).parameters.values())[1:]
    hidden = ("distinct", "winners")
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple((p.name, p.default) for p in given if p.kind in plain and p.name not in hidden)


def _is(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and repr(value) == repr(default))


def _option(name: str, value: Any) -> str:
    if value is True:
        return name.replace("_", " ")
    if isinstance(value, np.ndarray) and value.size > 1 and name != "index":
        return _short(f"{name} {shape_text(value.shape)}")
    if name in ("axes", "shape") and isinstance(value, tuple):
        name = "axis" if len(value) == 1 and name == "axes" else name
        items = ", ".join(map(_item, value))
        return _short(f"{name} {items if name == 'axis' else f'({items})'}")
    if name == "index":
        index = value if isinstance(value, tuple) else (value,)
        if len(index) > 1 and index[-1] is Ellipsis:
            index = index[:-1]  # at the end it has no meaning
        return _short(f"[{', '.join(map(_item, index))}]")
    return _short(f"{name} {_item(value)}")


def _item(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return _elements(value) if value.size == 1 else f"array {shape_text(value.shape)}"
    if isinstance(value, slice):
        parts = [value.start, value.stop, value.step]
        ends = ["" if part is None else _item(part) for part in parts]
        return ":".join(ends if value.step is not None else ends[:2])
    if value is Ellipsis:
        return "..."
    if isinstance(value, (tuple, list)):
        items = ", ".join(map(_item, value))
        return f"[{items}]" if isinstance(value, list) else f"({items})"
    if isinstance(value, (type, np.ufunc, FunctionType)):
        return value.__name__
    if isinstance(value, (str, np.dtype)):
        return str(value)
    if isinstance(value, (int, float, complex, np.generic)) or value is None:
        return _number(value)
    return type(value).__name__  # never a repr, which may hold an address


def _elements(array: Array) -> str:
    if array.ndim == 0:
        return _number(array.item())
    if array.ndim > 1:
        return f"[{', '.join(map(_elements, array))}]"
    return f"[{', '.join(map(_number, array.tolist()))}]"


def _number(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.4g}"
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + ELLIPSIS
