"""One box of an outline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...engine.graph import Node
from ..graph.keeping import ModuleCall

Kind = Literal["op", "parameter", "constant", "module", "repeat", "chain", "more", "failed"]
Key = Any  # a Node, or what identifies a constant
Text = tuple[str, list[str]]  # the title of a box, and the lines below it


@dataclass(slots=True, eq=False)
class Box:
    """One box of the picture, and the arrows into it.

    kind       "op", "parameter", "constant"; of a folded outline also "module", "repeat" (equal
               parts), "chain" (ops that follow each other), "more" (what is left out)
    key        the node of an op or a parameter, or what identifies a constant
    nodes      all nodes inside: one for an op, none for a constant
    inputs     the boxes that arrows come from, and the text on each arrow
    group      the calls of Modules that it lies in, outermost first
    is_output  whether it is the tensor that is drawn
    value      of a constant, its array or number; None if it is unknown
    heat       a number from 0 to 1 and its text, for views that colour boxes by a cost
    words      what finds the text: of a large graph, only the text of the boxes shown is needed
    """

    kind: Kind
    key: Key
    words: "Callable[[Box], Text]"
    nodes: Sequence[Node] = ()
    inputs: "list[tuple[Box, str]]" = field(default_factory=list)
    group: tuple[ModuleCall, ...] = ()
    is_output: bool = False
    value: Any = None
    heat: tuple[float, str] | None = None
    _text: Text | None = None

    @property
    def title(self) -> str:
        """The first line: what it is."""
        return self._worded()[0]

    @property
    def details(self) -> list[str]:
        """The other lines: options, shape, source line."""
        return self._worded()[1]

    def _worded(self) -> Text:
        if self._text is None:
            self._text = self.words(self)
        return self._text
