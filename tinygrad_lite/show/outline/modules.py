"""One box for each Module: which modules are opened, and which are shown as one box."""

from collections.abc import Callable, Sequence

from ..graph.keeping import ModuleCall
from .boxes import Box
from .captions import module_text
from .labels import Words
from .merging import Part, is_source, merged

_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
_FEW = 3  # boxes of ops and modules; a picture with fewer opens its modules


def modules_merged(
    boxes: Sequence[Box], words: Words, repeated: Callable[[Sequence[Box]], list[Box]], most: int
) -> list[Box]:
    """The boxes with one for each Module, and equal ones merged by `repeated`.

    The model is opened, and so are containers, and any other module that does nothing but call
    others.  A picture of very few boxes opens the largest of its modules; one of more than `most`
    boxes closes containers.
    """
    modules = _Modules(boxes, words)
    opened = set(modules.containers)
    depth = max(map(len, modules.groups), default=0)
    while True:
        drawn = repeated(modules.merged(opened))
        visible = [box for box in drawn if not is_source(box)]
        if len(drawn) > most and depth > 1:
            depth -= 1
            opened = {call for call in opened if modules.depth[call] < depth}
            continue
        few = len(visible) < _FEW and not any(box.kind == "repeat" for box in visible)
        largest = modules.largest(opened) if few else None
        if largest is None:
            return drawn
        opened |= modules.like(largest)


class _Modules:
    """The calls of Modules in a graph."""

    def __init__(self, boxes: Sequence[Box], words: Words) -> None:
        self.boxes, self.words = boxes, words
        self.groups = [box.group for box in boxes if not is_source(box)]
        self.sizes: dict[ModuleCall, int] = {}  # numbers of ops
        self.depth: dict[ModuleCall, int] = {}
        inner: dict[ModuleCall, None] = {}
        working: set[ModuleCall] = set()  # with ops of their own
        for group in self.groups:
            for depth, call in enumerate(group):
                self.sizes[call] = self.sizes.get(call, 0) + 1
                self.depth[call] = depth
            inner.update(dict.fromkeys(group[:-1]))
            working.update(group[-1:])
        self.composed = list(inner)
        self.containers = [
            call
            for call in inner
            if (call.outer is None and call.path in ("", call.kind))  # the model itself
            or call.kind in _CONTAINERS
            or call not in working
        ]

    def merged(self, opened: set[ModuleCall]) -> list[Box]:
        """The boxes with one for each call that is not open."""
        parts: list[Part] = []
        last: ModuleCall | None = None
        run: list[Box] = []
        for box in self.boxes:
            if is_source(box):
                continue
            call = next((call for call in box.group if call not in opened), None)
            if call is None or call is not last:
                run = []
            if call is not None:
                if not run:
                    parts.append(Part("module", run, module_text(self.words), within=call))
                run.append(box)
            last = call
        return merged(self.boxes, parts, self.words)

    def largest(self, opened: set[ModuleCall]) -> ModuleCall | None:
        """The largest module that is closed, and has modules inside."""
        closed = [
            call
            for call in self.composed
            if call not in opened and (call.outer is None or call.outer in opened)
        ]
        return max(closed, key=lambda call: self.sizes[call], default=None)

    def like(self, call: ModuleCall) -> set[ModuleCall]:
        """The calls of the same kind of module, equally deep."""
        same = (call.kind, self.depth[call])
        return {other for other in self.composed if (other.kind, self.depth[other]) == same}
