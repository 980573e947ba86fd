"""The repr of a module: a tree of the modules and functions that it calls."""

from functools import partial
from typing import Any

from tinygrad_lite import files

from .reflection import find, inside, is_module
from .state import parameters_among

_SHOWN = 4  # tensors of one module


def tree(root: Any) -> str:
    """One line for each module, and for each function that a module holds, indented.

    A module that is held twice has its first path in the second line.
    """
    lines: list[str] = []
    around: list[str] = []  # the paths of the modules that contain the next thing
    first: dict[int, str] = {}
    for path, value, _, _ in find(root):
        while around and not inside(path, around[-1]):
            around.pop()
        label = path[len(around[-1]) :].removeprefix(".") if around else ""
        if is_module(value):
            start = first.setdefault(id(value), path)
            text = f"{files.printable(type(value).__name__)}({value.extra_repr()}){_note(value)}"
            if start != path:
                text = f"the same as {files.printable(start)}"
                if inside(path, start):
                    continue  # a reference back
        elif around and callable(value) and not isinstance(value, type) and _is_own(label):
            text = files.printable(_name(value))
        else:
            continue
        lines.append("  " * len(around) + (f"{files.printable(label)}: " if label else "") + text)
        if is_module(value) and start == path:
            around.append(path)
    return "\n".join(lines)


def _is_own(label: str) -> bool:
    """Whether this is the path of an attribute, or of an element of a list there."""
    _, _, rest = label.partition(".")
    return not rest or rest.isdigit()


def _name(function: Any) -> str:
    if isinstance(function, partial):
        return f"partial({_name(function.func)})"
    return getattr(function, "__name__", type(function).__name__)


def _note(module: Any) -> str:
    """The number of parameters, and the shapes of the tensors that the module holds itself."""
    found = list(find(module))
    parameters = [tensor for _, tensor in parameters_among(found)]
    count = sum(tensor.numel() for tensor in parameters)
    frozen = sum(tensor.numel() for tensor in parameters if not tensor.requires_grad)
    said = f"{count:,} parameter{'s' * (count != 1)}" if parameters else ""
    said += f", {frozen:,} of them frozen" if frozen else ""
    own = [part for part in found if part.module is module]
    weights = [f"{files.printable(path)} {tensor.shape}" for path, tensor in parameters_among(own)]
    buffers = [
        f"{files.printable(part.path)} {part.value.shape}"
        for part in own
        if part.buffer is not None and hasattr(part.value, "shape")
    ]
    notes = [said + (f": {_listed(weights)}" if weights else "")] if said else []
    notes += [f"buffers {_listed(buffers)}"] if buffers else []
    return f"  # {'; '.join(notes)}" if notes else ""


def _listed(shapes: list[str]) -> str:
    more = len(shapes) - _SHOWN
    return ", ".join(shapes[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
