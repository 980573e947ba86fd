"""Several boxes become one: what happens to the arrows, the parameters and the constants."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...engine.graph import Node
from ..graph.keeping import ModuleCall
from .boxes import Box, Kind, Text
from .labels import Words
from .wording import shape_text

_SOURCES = ("parameter", "constant")
_MOST_CONSTANTS = 4  # arrays that enter a merged box and keep boxes of their own


@dataclass(slots=True, eq=False)
class Merged(Box):
    """A box for several others.

    parts       the boxes inside, without parameters and constants
    parameters  the boxes of the parameters that they use
    exits       the nodes inside whose results are used outside
    hidden      the number of arrays inside that are inputs or constants
    """

    parts: Sequence[Box] = ()
    parameters: Sequence[Box] = ()
    exits: Sequence[Node] = ()
    hidden: int = 0


@dataclass(slots=True, eq=False)
class Part:
    """Boxes to merge, which follow each other in the outline; and what says their text."""

    kind: Kind
    boxes: Sequence[Box]
    words: Callable[[Box], Text]
    within: ModuleCall | None = None  # the call that it is
    leaves: int = 0  # the number of boxes inside whose results are used outside


def is_source(box: Box) -> bool:
    """Whether this is a parameter or a constant: nothing points to it."""
    return box.kind in _SOURCES


def parameters_of(box: Box) -> Iterable[Box]:
    """The boxes of the parameters that a box uses."""
    if isinstance(box, Merged):
        return box.parameters
    return (source for source, _ in box.inputs if source.kind == "parameter")


def exits_of(box: Box) -> Sequence[Node]:
    """The nodes of a box whose results others use."""
    return box.exits if isinstance(box, Merged) else box.nodes


def merged(boxes: Sequence[Box], parts: Iterable[Part], words: Words) -> list[Box]:
    """The boxes with each of these parts as one box.

    A parameter that only one part uses goes inside, and so does a constant, except for named ones
    and the data that the part begins with.
    """
    home = {box: part for part in parts for box in part.boxes}
    users: dict[Box, Box | Part | None] = {}  # of parameters and constants; None if several
    entered: set[Part] = set()  # parts that use the result of another box
    left: dict[Box, None] = {}  # boxes inside a part whose result is used outside
    for box in boxes:
        to = home.get(box)
        for source, _ in box.inputs:
            if is_source(source):
                user = box if to is None else to
                users[source] = user if users.get(source, user) is user else None
            elif home.get(source) is not to:
                if to is not None:
                    entered.add(to)
                left.setdefault(source)
        if box.is_output:
            left.setdefault(box)
    for box in left:
        if box in home:
            home[box].leaves += 1
    hidden = {
        source: user
        for source, user in users.items()
        if isinstance(user, Part) and _goes_inside(source, user, user in entered, words)
    }
    result: list[Box] = []
    new: dict[Box, Box] = {}
    for box in boxes:
        part = home.get(box)
        if box in hidden:
            continue
        if part is None:
            if any(source in new for source, _ in box.inputs):
                moved = replace(box, inputs=_arrows([box], hidden, new, home, words), _text=None)
                new[box] = moved
                box = moved
            result.append(box)
        elif box is part.boxes[-1]:
            one = _one(part, hidden, new, home, left, words)
            new.update(dict.fromkeys(part.boxes, one))
            result.append(one)
    return result


def _goes_inside(source: Box, part: Part, entered: bool, words: Words) -> bool:
    if source.kind == "parameter":
        return True
    if words.is_named(source):
        return False
    if entered or not isinstance(source.value, np.ndarray) or not source.value.ndim:
        return True
    for box in part.boxes:
        given = [each for each, _ in box.inputs if isinstance(each.value, np.ndarray)]
        if given:
            return source not in given[:_MOST_CONSTANTS]
    return True


def _one(
    part: Part,
    hidden: dict[Box, Part],
    new: dict[Box, Box],
    home: dict[Box, Part],
    left: dict[Box, None],
    words: Words,
) -> Merged:
    """The box of a part."""
    parameters = dict.fromkeys(each for box in part.boxes for each in parameters_of(box))
    nodes = [node for box in part.boxes for node in box.nodes]
    nodes += [node for box in parameters if box in hidden for node in box.nodes]
    exits = [node for box in part.boxes if box in left for node in exits_of(box)]
    return Merged(
        part.kind,
        part.boxes[-1].key,
        part.words,
        nodes,
        _arrows(part.boxes, hidden, new, home, words),
        _common(part),
        any(box.is_output for box in part.boxes),
        parts=part.boxes,
        parameters=tuple(parameters),
        exits=tuple(exits),
        hidden=_hidden_arrays(part, hidden),
    )


def _hidden_arrays(part: Part, hidden: dict[Box, Part]) -> int:
    """The number of arrays that are inputs or constants of a part and have no box."""
    arrays = {
        source: None
        for box in part.boxes
        for source, _ in box.inputs
        if source in hidden and isinstance(source.value, np.ndarray) and source.value.ndim
    }
    return len(arrays) + sum(box.hidden for box in part.boxes if isinstance(box, Merged))


def _common(part: Part) -> tuple[ModuleCall, ...]:
    """The calls that all boxes of a part lie in."""
    first, last = part.boxes[0].group, part.boxes[-1].group
    found: list[ModuleCall] = []
    for a, b in zip(first, last, strict=False):
        if a is not b or (found and found[-1] is part.within):
            break
        found.append(a)
    return tuple(found)


def _arrows(
    boxes: Sequence[Box],
    hidden: dict[Box, Part],
    new: dict[Box, Box],
    home: dict[Box, Part],
    words: Words,
) -> list[tuple[Box, str]]:
    """The arrows into these boxes from others; those from one merged box are one arrow."""
    inside = home.get(boxes[0])
    arrows: dict[Any, tuple[Box, str, dict[Box, None]]] = {}
    given = [arrow for box in boxes for arrow in box.inputs]
    for number, (source, label) in enumerate(given):
        part, text = home.get(source), label
        if source in hidden or (inside is not None and part is inside):
            continue
        target = new.get(source, source)
        if part is not None and not text and part.leaves > 1:
            results = [node for op in exits_of(source) for node in words.results(op)]
            text = shape_text(results[0].out_shape) if len(results) == 1 else ""
        together = isinstance(target, Merged) or inside is not None
        key = (target, text) if together else number
        arrows.setdefault(key, (target, text, {}))[2].setdefault(source)
    return [(target, _counted(text, len(sources))) for target, text, sources in arrows.values()]


def _counted(text: str, number: int) -> str:
    if number == 1:
        return text
    return f"{number:,} x {text}" if text else f"{number:,} results"
