"""The text of merged boxes: modules, repeats, chains, and what is left out."""

from collections import Counter
from collections.abc import Callable, Sequence
from textwrap import wrap

import numpy as np

from ..graph.keeping import ModuleCall
from .boxes import Box, Text
from .labels import Words, path_of
from .merging import Merged
from .repeats import Repeat, listed
from .wording import ELLIPSIS, count, shape_text

_LONGEST_TITLE = 48  # characters
_LINE, _LINES = 48, 3  # characters and number of lines of a list


def name_of(box: Box) -> str:
    """What a list calls a box: the kind of its op or module."""
    if box.kind == "op":
        return type(box.key).__name__
    if box.kind == "module":
        return _kind(box) or ".".join(
            "*" if part.isdigit() else part for part in path_of(box.group).split(".")
        )
    return box.title


def _kind(box: Box) -> str:
    """The class of a module; if that is unknown and it is one op, the kind of the op."""
    parts = box.parts if isinstance(box, Merged) else ()
    return box.group[-1].kind or (name_of(parts[0]) if len(parts) == 1 else "")


def module_text(words: Words) -> Callable[[Box], Text]:
    """The text of the box of a Module: path, contents, parameters, shape of the result."""

    def text(box: Box) -> Text:
        assert isinstance(box, Merged)
        path, kind = _path_of(box, words), _kind(box)
        lines = [_layer(path)] if path and kind else []
        lines += _contents(box)
        return kind or path, [*lines, *_parameters(box), *_results(box, words)]

    return text


def repeat_text(words: Words, repeat: Repeat, chained: bool) -> Callable[[Box], Text]:
    """The text of the box of equal parts: "60 x (Linear, ReLU)"."""

    def text(box: Box) -> Text:
        assert isinstance(box, Merged)
        first = box.parts[: repeat.period]
        names = listed([name_of(part) for part in first])
        title, lines = f"{repeat.number:,} x {names}", list[str]()
        if repeat.period > 1:
            title = f"{repeat.number:,} x ({names})"
        if len(title) > _LONGEST_TITLE:
            title = f"{repeat.number:,} x {repeat.period} ops"
            lines = _wrapped(names)
        elif repeat.period == 1 and isinstance(first[0], Merged) and first[0].kind == "module":
            lines = _contents(first[0])
        lines = [*_paths(box, repeat, words), *lines]
        if not chained:
            lines.append("side by side")
        if box.hidden and any(isinstance(source.value, np.ndarray) for source, _ in box.inputs):
            lines.append(f"takes {count(box.hidden, 'more array')}")
        return title, [*lines, *_parameters(box, repeat), *_results(box, words)]

    return text


def chain_text(words: Words) -> Callable[[Box], Text]:
    """The text of the box of a chain: the number of ops, and their kinds."""

    def text(box: Box) -> Text:
        assert isinstance(box, Merged)
        kinds = Counter(name_of(part) for part in box.parts)
        ops = sum(number_of_ops(part) for part in box.parts)
        counted = [f"{number:,} {kind}" for kind, number in kinds.items()]
        shown = ", ".join(counted[:4]) + (f", {ELLIPSIS}" if len(counted) > 4 else "")
        return f"{ELLIPSIS} {ops:,} ops", [shown, *_parameters(box), *_results(box, words)]

    return text


def number_of_ops(box: Box) -> int:
    """The number of ops in a box."""
    if isinstance(box, Merged):
        return sum(number_of_ops(part) for part in box.parts)
    return int(box.kind == "op")


def _contents(box: Merged) -> list[str]:
    """The modules and ops inside a module that has modules of its own."""
    depth = len(box.group)
    names: list[str] = []
    last: ModuleCall | None = None
    inner = False
    for part in box.parts:
        call = part.group[depth] if len(part.group) > depth else None
        if call is None:
            names.append(name_of(part))
        elif call is not last:
            names.append(call.kind or call.path.rpartition(".")[2])
        inner |= call is not None
        last = call
    return _wrapped(listed(names)) if inner else []


def _wrapped(text: str) -> list[str]:
    lines = wrap(text, _LINE)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], f"{lines[_LINES - 1]} {ELLIPSIS}"]
    return lines


def _parameters(box: Merged, repeat: Repeat | None = None) -> list[str]:
    """How many numbers are trained inside."""
    sizes = [_size(each) for each in box.parameters]
    if not sizes:
        return []
    total = count(sum(sizes), "parameter")
    if repeat is None:
        return [total]
    first = box.parts[: repeat.period]
    own = {each for part in first for each in _parameters_in(part)}
    each = sum(map(_size, own))
    if each == sum(sizes):
        return [f"{total}, shared"]
    if each * repeat.number == sum(sizes):
        return [total, f"{each:,} in each"]
    return [total]


def _parameters_in(part: Box) -> Sequence[Box]:
    if isinstance(part, Merged):
        return part.parameters
    return [source for source, _ in part.inputs if source.kind == "parameter"]


def _size(parameter: Box) -> int:
    size = 1
    for length in parameter.key.out_shape:
        size *= int(length)
    return size


def _paths(box: Merged, repeat: Repeat, words: Words) -> list[str]:
    """The paths of the first and the last of equal modules."""
    starts = (0, len(box.parts) - repeat.period)
    ends = [_path(box.parts[at : at + repeat.period], words) for at in starts]
    if not all(ends):
        return []
    if ends[0] == ends[1]:
        return [f"{_layer(ends[0])}, {count(repeat.number, 'call')}"]
    return [f"{'layers ' if ends[0].isdigit() else ''}{ends[0]} to {ends[1]}"]


def _layer(path: str) -> str:
    """The path of a module; in a Sequential that is just a number."""
    return f"layer {path}" if path.isdigit() else path


def _path(parts: Sequence[Box], words: Words) -> str:
    """The path that the modules and layers among these boxes have in common, or the first one."""
    paths = [path for path in (_path_of(part, words) for part in parts) if path]
    if len(paths) < 2:
        return "".join(paths)
    common: list[str] = []
    for step, *others in zip(*(path.split(".") for path in paths), strict=False):
        if any(other != step for other in others):
            break
        common.append(step)
    return ".".join(common) if any(map(str.isdigit, common)) else paths[0]


def _path_of(box: Box, words: Words) -> str:
    if box.kind == "op":
        return words.layer_path(box)
    if isinstance(box, Merged) and box.kind == "repeat":
        return _path_of(box.parts[0], words)
    return path_of(box.group) or (words.owner(box.parameters) if isinstance(box, Merged) else "")


def _results(box: Merged, words: Words) -> list[str]:
    """The shapes of the results that others use, their values, and whether one is drawn."""
    results = [node for op in box.exits for node in words.results(op)]
    shapes = list(dict.fromkeys(shape_text(node.out_shape) for node in results))
    lines = [", ".join(shapes[:4]) + (f", {ELLIPSIS}" if len(shapes) > 4 else "")]
    if box.is_output:
        lines.append(words.output())
    if len(results) == 1:
        lines += words.numbers(results[0], "last result" if box.kind == "repeat" else "")
    return lines
