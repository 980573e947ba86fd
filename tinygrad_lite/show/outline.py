"""What a picture of a graph shows: boxes, the arrows between them, and what was left out.

A graph of up to LIMIT nodes is shown in full.  In a larger one, each chain of ops, where only the
next op uses a result, is first folded into one box.  If there are still too many boxes, or if the
arrows are too long to follow, shared parameters get a box for each use, and then the oldest ops are
left out; notes say what was done.  Everything here is a loop over the topological order, so that
no graph is too deep, and no box depends on an identity or a hash.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeGuard

import numpy as np

from ..engine.function import Primitive
from ..engine.graph import Array, Leaf, Node, Output, TensorBase, topological_order
from .wording import ELLIPSIS, array_text, number_text, options_of, shape_text

LIMIT = 200  # boxes in a picture
SMALLEST = 20  # boxes; with fewer, arrows may have any length
MOST_ARROW_LENGTH = 1500  # rows crossed by all arrows together; the time for a layout grows with it
SHORTEST_CHAIN = 3  # ops; folding only two would hide more than it saves

Kind = Literal["op", "parameter", "constant", "folded", "more"]
Key = Any  # a Node, or what identifies a constant


@dataclass(slots=True, eq=False)
class Box:
    """One box of the picture, and the arrows into it."""

    kind: Kind
    title: str
    details: list[str] = field(default_factory=list)
    inputs: "list[tuple[Box, str]]" = field(default_factory=list)  # and the text on the arrow
    is_output: bool = False


@dataclass(slots=True)
class Outline:
    """The boxes, each after its inputs, and notes: sentences about what they do not show."""

    boxes: list[Box]
    notes: list[str]


@dataclass(slots=True)
class _Input:
    """One input of an op: the node it comes from, or a constant."""

    key: Key
    node: Node | None  # for one of several results of an op, the op
    value: Any = None  # of a constant; None if the op has not saved it
    label: str = ""

    @property
    def has_box(self) -> bool:
        """Whether this is a parameter or a constant, not the result of an op."""
        return self.node is None or isinstance(self.node, Leaf)


def outline_of(tensor: TensorBase, names: Mapping[str, TensorBase]) -> Outline:
    """The picture of everything that `tensor` was computed from."""
    if tensor._node is None:
        reasons = [
            "no graph: nothing it was computed from has requires_grad=True,",
            "or it was computed inside no_grad()",
        ]
        title = next((name for name, other in names.items() if other is tensor), "Tensor")
        shape = shape_text(tensor._data.shape)
        return Outline([Box("constant", title, [shape, *reasons])], [])
    outliner = _Outliner(tensor._node, names)
    units = outliner.units()
    room, repeat = LIMIT, False
    while True:
        drawn = outliner.draw(units, room, repeat)
        if _arrow_length(drawn.boxes) <= MOST_ARROW_LENGTH or room < SMALLEST:
            return drawn
        room, repeat = room // 2 if repeat else room, True


class _Outliner:
    """Determines the boxes of one graph."""

    def __init__(self, root: Node, names: Mapping[str, TensorBase]) -> None:
        self.root = root.parents[0] if isinstance(root, Output) else root
        self.result = f"output: result {root.index}" if isinstance(root, Output) else "output"
        order = topological_order([root])
        self.ops = [node for node in order if not isinstance(node, (Leaf, Output))]
        self.several = {node.parents[0] for node in order if isinstance(node, Output)}
        self.names: dict[Key, str] = {}
        for name, tensor in names.items():
            key = _array_key(tensor._data) if tensor._node is None else tensor._node
            self.names[key] = f"{self.names[key]} = {name}" if key in self.names else name
        for leaf in order:  # may be named by a tensor that shares its memory, as in a state_dict
            holder = leaf.holder() if isinstance(leaf, Leaf) and leaf.holder else None
            if holder is not None and _array_key(holder._data) in self.names:
                self.names.setdefault(leaf, self.names[_array_key(holder._data)])
        self.uses: Counter[Key] = Counter()  # of parameters and constants
        self.numbers: dict[Key, int] = {}  # of the parameters, in the order of first use
        self.released = False
        self._count_uses()
        self.size = len(self.ops) + len(self.uses)
        self.boxes: dict[Key, Box] = {}

    def _count_uses(self) -> None:
        if isinstance(self.root, Leaf):
            self.numbers[self.root] = 1
        for op in self.ops:
            for index, parent in enumerate(op.parents):
                if parent is None:
                    key, _ = _constant_of(op, index)
                    if key is not None:
                        self.uses[key] += 1
                        self.released |= _reads_inputs(op) and op.freed
                elif isinstance(parent, Leaf):
                    self.uses[parent] += 1
                    self.numbers.setdefault(parent, len(self.numbers) + 1)

    def units(self) -> list[list[Node]]:
        """The groups of ops that get one box each: an op, or in a large graph a chain of ops.

        Between its ops a chain takes in constants only, and each result is used by the next op
        only.  Ops that use a parameter or a named tensor are not folded, so that they stay visible.
        """
        if self.size <= LIMIT:
            return [[op] for op in self.ops]
        users: dict[Node | None, Node | None] = {}  # None if there are several
        links: list[Node | None] = []  # for each op, the single op that it continues
        for op in self.ops:
            sources: dict[Node | None, None] = {
                parent.parents[0] if isinstance(parent, Output) else parent: None
                for parent in op.parents
                if parent is not None
            }
            for source in sources:
                users[source] = None if source in users else op
            links.append(next(iter(sources)) if len(sources) == 1 and self._plain(op) else None)
        chains: dict[Node, list[Node]] = {}  # by their newest op
        for op, before in zip(self.ops, links, strict=True):
            if before is not None and not isinstance(before, Leaf):
                chain = chains.pop(before, []) if users[before] is op else []
                chain.append(op)
                chains[op] = chain
        long = {op: chain for op, chain in chains.items() if len(chain) >= SHORTEST_CHAIN}
        folded = {op for chain in long.values() for op in chain}
        return [long.get(op, [op]) for op in self.ops if op in long or op not in folded]

    def _plain(self, op: Node) -> bool:
        if op is self.root or op in self.several or op in self.names:
            return False
        return not self.names or not any(
            parent is None and _constant_of(op, index)[0] in self.names
            for index, parent in enumerate(op.parents)
        )

    def draw(self, units: list[list[Node]], room: int, repeat: bool) -> Outline:
        """The newest units with their parameters and constants, in `room` boxes.

        repeat: a parameter or constant gets a box for each of its uses, near that use.
        """
        self.boxes, self.repeat = {}, repeat
        if isinstance(self.root, Leaf):
            parameter = self._parameter(self.root)
            parameter.is_output = True
            return Outline([parameter], [])
        chosen, keys = self._newest(units, room)
        more = Box("more", "")
        for unit in chosen:
            self._add(unit, keys, more)
        self.boxes[self.root].is_output = True
        boxes = list(self.boxes.values())
        hidden = self._hidden(chosen, keys)
        if any(source is more for box in boxes for source, _ in box.inputs):
            more.title = f"{ELLIPSIS} and"
            more.details = [part.replace(" ", " more ", 1) for part in hidden]
            boxes.insert(0, more)
        return Outline(boxes, self._notes(chosen, hidden))

    def _newest(self, units: list[list[Node]], room: int) -> tuple[list[list[Node]], set[Key]]:
        """The newest units that fit, and the keys of their parameters and constants."""
        chosen: list[list[Node]] = []
        keys: set[Key] = set()
        for unit in reversed(units):
            if room <= 0:
                break
            room -= 1
            chosen.append(unit)
            for given in _inputs_of(unit):
                key = self._box_key(given, unit)
                if given.has_box and room > 0 and key not in keys:
                    keys.add(key)
                    room -= 1
        return chosen[::-1], keys

    def _box_key(self, given: _Input, unit: list[Node]) -> Key:
        return ("use", given.key, unit[0]) if self.repeat and given.has_box else given.key

    def _hidden(self, chosen: list[list[Node]], keys: set[Key]) -> list[str]:
        """The numbers of ops, parameters and constants without a box."""
        shown = {key[1] if self.repeat else key for key in keys}
        parameters = len(shown & self.numbers.keys())
        counts = {
            "op": len(self.ops) - sum(len(unit) for unit in chosen),
            "parameter": len(self.numbers) - parameters,
            "constant": len(self.uses) - len(self.numbers) - (len(shown) - parameters),
        }
        return [_count(number, noun) for noun, number in counts.items() if number]

    def _notes(self, chosen: list[list[Node]], hidden: list[str]) -> list[str]:
        chains = [len(unit) for unit in chosen if len(unit) > 1]
        notes = []
        if chains or hidden:
            notes.append(f"A graph of {_count(len(self.ops), 'op')}.")
        if chains:
            one_box = "one box" if len(chains) == 1 else "one box each"
            total = "" if len(chains) == 1 else " in all"
            what = f"{_count(len(chains), 'chain')} of {_count(sum(chains), 'op')}{total}"
            notes.append(f"Folded into {one_box}: {what}.")
        if hidden:
            notes.append(f"Not drawn: {', '.join(hidden)}.")
        if self.repeat and any(self.uses[key[1]] > 1 for key in self.boxes if type(key) is tuple):
            notes.append("Parameters and constants have a box for each use.")
        if self.released:
            notes.append("Drawn after backward, which released the values of constants.")
        return notes

    def _add(self, unit: list[Node], keys: set[Key], more: Box) -> None:
        """Add the box of an op or of a chain, after those of its parameters and constants."""
        inputs: list[tuple[Box, str]] = []
        for given in _inputs_of(unit):
            key = self._box_key(given, unit)
            box = self.boxes.get(key)
            if box is None and key in keys:
                box = self._constant(given) if given.node is None else self._parameter(given.node)
                self.boxes[key] = box
            if box is not None:
                inputs.append((box, given.label))
            elif (more, "") not in inputs:
                inputs.append((more, ""))
        op = unit[-1]
        box = self._op(op) if len(unit) == 1 else _folded(unit)
        box.inputs = inputs
        self.boxes[op] = box

    def _op(self, op: Node) -> Box:
        title = type(op).__name__
        if op in self.names:
            title = f"{self.names[op]} = {title}"
        details = options_of(op)
        if op not in self.several:
            details.append(shape_text(op.out_shape))
        if op.line:
            details.append(op.line.replace("\\", "/").rpartition("/")[2])
        if op is self.root:
            details.append(self.result)
        return Box("op", title, details)

    def _parameter(self, node: Node) -> Box:
        title = self.names.get(node, f"parameter {self.numbers[node]}")
        tensor = node.holder() if node.holder else None
        details = [shape_text(node.out_shape)] if tensor is None else array_text(tensor._data)
        return Box("parameter", title, details)

    def _constant(self, given: _Input) -> Box:
        name = self.names.get(given.key, "")
        if isinstance(given.value, np.ndarray):
            return Box("constant", name or "input", array_text(given.value))
        text = "constant" if given.value is None else number_text(given.value)
        return Box("constant", text)


def _array_key(array: Array) -> Key:
    return ("array", id(array))


def _constant_of(op: Node, index: int) -> tuple[Key, Any]:
    """The key and the value of an input without a graph; (None, None) if there is no input.

    An array that several ops use is one constant.  The value is None if the op did not save it.
    """
    saved = op.saved_inputs if _reads_inputs(op) else None
    if saved is None:
        return (op, index), None
    value = saved[index]
    if isinstance(value, np.ndarray):
        return _array_key(value), value
    return (None, None) if value is None else ((op, index), value)


def _reads_inputs(op: Node) -> TypeGuard[Primitive]:
    """Whether a gradient of this op reads one of its inputs."""
    kind: Any = type(op)  # mypy takes it for no key
    return isinstance(op, Primitive) and _saves_inputs(kind, op.needs)


@lru_cache(256)
def _saves_inputs(kind: type[Primitive], needs: tuple[bool, ...]) -> bool:
    return not kind._plan(needs).nothing


def _inputs_of(unit: list[Node]) -> list[_Input]:
    """The inputs drawn for a unit: all inputs of an op, and for a chain the one it starts from."""
    inputs: list[_Input] = []
    for index, parent in enumerate(unit[0].parents):
        if isinstance(parent, Output):
            label = f"result {parent.index} {shape_text(parent.out_shape)}"
            inputs.append(_Input(parent.parents[0], parent.parents[0], label=label))
        elif parent is not None:
            inputs.append(_Input(parent, parent))
        else:
            key, value = _constant_of(unit[0], index)
            if key is not None:
                inputs.append(_Input(key, None, value))
    return inputs if len(unit) == 1 else [given for given in inputs if not given.has_box][:1]


def _arrow_length(boxes: list[Box]) -> int:
    """The number of rows that all arrows cross together; the time for a layout grows with it."""
    rows: dict[Box, int] = {}
    starts: dict[Box, int] = {}  # boxes without inputs stand just above their first use
    for box in boxes:
        if box.inputs:
            rows[box] = 1 + max(rows.get(source, 0) for source, _ in box.inputs)
            for source, _ in box.inputs:
                starts.setdefault(source, rows.get(source, rows[box] - 1))
    return sum(rows[box] - starts[source] for box in boxes for source, _ in box.inputs)


def _folded(chain: list[Node]) -> Box:
    """The box of a chain: the number of ops, their kinds, and the shape of the result."""
    kinds = Counter(type(op).__name__ for op in chain)
    listed = [f"{number:,} {kind}" for kind, number in kinds.items()]
    text = ", ".join(listed[:4]) + (f", {ELLIPSIS}" if len(listed) > 4 else "")
    title = f"{ELLIPSIS} {len(chain):,} ops"
    return Box("folded", title, [text, shape_text(chain[-1].out_shape)])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
