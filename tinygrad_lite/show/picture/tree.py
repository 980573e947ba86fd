"""An outline as a tree of text, for a terminal.

The result stands in the first line, and below each op what it was computed from.  The line below an
op is the op whose result it uses; only where it uses several, they are branches.  What an op takes
besides, parameters and constants, stands in its own line after "<-", as do results that have a line
elsewhere, with their numbers.  The text is ASCII, apart from the names that the user gave.
"""

from collections.abc import Sequence

from ...files import printable
from ..outline.boxes import Box
from ..outline.merging import is_source
from ..outline.outline import Outline
from ..outline.wording import ELLIPSIS

_LONGEST = 100  # characters of a title, or of a line of details


def tree_text(outline: Outline) -> str:
    """The tree, and the notes below it."""
    lines = _Tree(outline.boxes).lines()
    return "\n".join([*lines, *([""] if outline.notes else []), *outline.notes])


class _Tree:
    """The lines of a tree, of which some get a number, since others refer to them."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.boxes = boxes
        self.above: dict[Box, int] = {}  # for each box, a bit for all that it was computed from
        self.bits = {box: 1 << number for number, box in enumerate(boxes)}
        for box in boxes:
            self.above[box] = 0
            for source, _ in box.inputs:
                self.above[box] |= self.bits[source] | self.above[source]
        self.written: dict[Box, tuple[str, list[Box]]] = {}  # the indentation, and the references

    def lines(self) -> list[str]:
        """All lines, from the result down."""
        result = next(box for box in reversed(self.boxes) if box.is_output)
        stack = [(result, "", "")]
        while stack:
            box, first, others = stack.pop()
            if box in self.written:  # another branch came to it before
                continue
            children, references = self._children(box)
            self.written[box] = first, references
            if len(children) == 1:
                stack.append((children[0], others, others))
            for number, child in enumerate(reversed(children)):
                if len(children) > 1:
                    last = number == 0
                    stack.append(
                        (child, others + ("`-- " if last else "|-- "),
                         others + ("    " if last else "|   "))
                    )  # fmt: skip
        referred = {box for _, found in self.written.values() for box in found}
        numbers: dict[Box, int] = {}
        for box in self.written:
            if box in referred:
                numbers[box] = len(numbers) + 1
        return [
            f"{first}{self._line(box, references, numbers)}"
            for box, (first, references) in self.written.items()
        ]

    def _children(self, box: Box) -> tuple[list[Box], list[Box]]:
        """The boxes to write below this one, and those that have a line elsewhere."""
        used = [source for source, _ in box.inputs if not is_source(source)]
        distinct = list(dict.fromkeys(used))
        children = [
            source
            for source in distinct
            if source not in self.written
            and not any(self.above[other] & self.bits[source] for other in distinct)
        ]
        return children, [source for source in distinct if source not in children]

    def _line(self, box: Box, references: list[Box], numbers: dict[Box, int]) -> str:
        number = f"[{numbers[box]}] " if box in numbers else ""
        sources = dict.fromkeys(source for source, _ in box.inputs if is_source(source))
        given = [_text(source, " ") for source in sources]
        given += [f"[{numbers[source]}]" for source in references]
        return f"{number}{_text(box, ': ')}{'  <- ' if given else ''}{', '.join(given)}"


def _text(box: Box, after: str) -> str:
    """The title of a box, and its details."""
    details = ", ".join(_plain(line) for line in box.details).replace(",, ", ", ")
    return f"{_plain(box.title)}{after if details else ''}{details}"


def _plain(text: str) -> str:
    return printable(text, _LONGEST).replace(ELLIPSIS, "...")
