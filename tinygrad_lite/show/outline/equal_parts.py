"""Equal parts of a graph that follow each other share one box: 60 x (Linear, Relu)."""

from collections.abc import Sequence
from typing import Any

from .boxes import Box
from .captions import repeat_text
from .labels import Words
from .merging import Merged, Part, is_source, merged, parameters_of
from .repeats import Repeat, repeats
from .wording import options_of

_MOST_ROUNDS = 8  # repeats inside repeats
_OPTIONS_LEFT_OUT = ("[", "ends")  # a loop reads the next index in each step


def repeats_merged(boxes: Sequence[Box], words: Words) -> list[Box]:
    """The boxes with one for all equal parts that follow each other, and repeats of repeats."""
    kinds = _Kinds(words)
    for _ in range(_MOST_ROUNDS):
        ops = [box for box in boxes if not is_source(box)]
        graph = _Sequence(ops)
        numbers = [kinds.number(box) for box in ops]
        parts = []
        for found in repeats(numbers, graph.begins, graph.alike):
            run = ops[found.start : found.start + found.period * found.number]
            text = repeat_text(words, found, graph.is_chained(found))
            parts.append(Part("repeat", run, text))
        if not parts:
            break
        boxes = merged(boxes, parts, words)
    return list(boxes)


class _Kinds:
    """A number for each kind of box; boxes of the same kind may be repetitions of each other."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.numbers: dict[Any, int] = {}
        self.known: dict[Box, int] = {}

    def number(self, box: Box) -> int:
        """The number of the kind of this box."""
        stack = [box]
        while stack:
            at = stack[-1]
            if isinstance(at, Merged):
                missing = [part for part in at.parts if part not in self.known]
                if missing:
                    stack += missing
                    continue
            if at not in self.known:
                self.known[at] = self.numbers.setdefault(self._kind(at), len(self.numbers))
            stack.pop()
        return self.known[box]

    def _kind(self, box: Box) -> Any:
        if isinstance(box, Merged):
            inner = {part: number for number, part in enumerate(box.parts)}
            parts = tuple(
                (self.known[part], tuple(number - inner[s] for s, _ in part.inputs if s in inner))
                for number, part in enumerate(box.parts)
            )
            return (box.kind, box.group[-1].kind if box.kind == "module" else "", parts)
        if self.words.has_name(box.key):
            return box.key
        shapes = tuple([s.key.out_shape for s, _ in box.inputs if s.kind == "parameter"])
        options = tuple([o for o in options_of(box.key) if not o.startswith(_OPTIONS_LEFT_OUT)])
        return (type(box.key).__name__, options, box.key.out_shape, shapes)


class _Sequence:
    """The ops of a graph in the order in which they ran."""

    def __init__(self, ops: Sequence[Box]) -> None:
        self.ops = ops
        self.positions = {box: number for number, box in enumerate(ops)}

    def begins(self, position: int) -> bool:
        """Whether a part should begin here: with a module, or an op that uses a parameter."""
        return any(True for _ in parameters_of(self.ops[position]))

    def alike(self, found: Repeat) -> int:
        """How many parts, counted from the first, use each other's results in the same way.

        The first part may take from outside what the others take from the part before them.
        """
        start, period, number = found
        if self._within(start, period) != self._within(start + period, period):
            return 1
        for part in range(2, number):
            first = start + part * period
            for position in range(first, first + period):
                if self._arrows(position, start) != self._arrows(position - period, start):
                    return part
        return number

    def is_chained(self, found: Repeat) -> bool:
        """Whether the parts use each other's results."""
        start, period, _ = found
        second = range(start + period, start + 2 * period)
        return any(
            start <= self.positions.get(source, -1) < start + period
            for position in second
            for source, _ in self.ops[position].inputs
        )

    def _within(self, start: int, period: int) -> list[tuple[int, int, str]]:
        """The arrows between the ops of one part."""
        return [
            (position - start, self.positions[source] - start, text)
            for position in range(start, start + period)
            for source, text in self.ops[position].inputs
            if self.positions.get(source, -1) >= start
        ]

    def _arrows(self, position: int, start: int) -> list[tuple[Any, str]]:
        """The arrows into an op: from how far back they come, or from which box before `start`."""
        arrows: list[tuple[Any, str]] = []
        for source, text in self.ops[position].inputs:
            at = self.positions.get(source)
            if at is not None:
                arrows.append((source if at < start else position - at, text))
        return arrows
