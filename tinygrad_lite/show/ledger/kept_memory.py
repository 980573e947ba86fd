"""What keeps memory alive: the arrays that a graph keeps, and who holds the graph."""

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays.ownership import memory_owner
from ...arrays.shapes import Shape
from ...engine.function import Primitive
from ...engine.graph import Array, Leaf, Node
from ...engine.reads import attributes_of, declared, input_names
from ...files import printable
from ..outline.terminal import for_terminal
from ..outline.wording import shape_text
from .costs import bytes_text
from .holders import holders_of

MOST_ARRAYS = 20  # in a report
MOST_HOLDERS = 10


class Memory:
    """Which memory is kept already, so that what is shared counts once."""

    def __init__(self) -> None:
        self.kept: dict[int, weakref.ref[Array]] = {}
        self.leaves: dict[int, weakref.ref[Array]] = {}

    def new_of(self, op: Any) -> tuple[list[Array], list[Array]]:
        """The owners of memory that only this op keeps so far; and of the parameters it reads."""
        for parent in op.parents:
            tensor = parent.holder() if isinstance(parent, Leaf) and parent.holder else None
            if tensor is not None:
                _enter(self.leaves, memory_owner(tensor._data))
        kept: list[Array] = []
        parameters: dict[int, Array] = {}
        for array in op.kept_arrays():
            owner = memory_owner(array)
            if _is_in(self.leaves, owner):
                parameters[id(owner)] = owner
            elif not _is_in(self.kept, owner):
                _enter(self.kept, owner)
                kept.append(owner)
        return kept, list(parameters.values())

    def of(self, op: Any) -> tuple[int, int]:
        """The bytes of `new_of`."""
        kept, parameters = self.new_of(op)
        return sum(one.nbytes for one in kept), sum(one.nbytes for one in parameters)


def _is_in(arrays: "dict[int, weakref.ref[Array]]", array: Array) -> bool:
    found = arrays.get(id(array))
    return found is not None and found() is array


def _enter(arrays: "dict[int, weakref.ref[Array]]", array: Array) -> None:
    """Add an array.  One that is gone leaves its identity to another, which replaces it."""
    arrays[id(array)] = weakref.ref(array)
    if len(arrays) >= 10_000 and not len(arrays) % 10_000:
        for key in [key for key, found in arrays.items() if found() is None]:
            del arrays[key]


@dataclass(slots=True, eq=False)
class KeptArray:
    """One array that a graph keeps.

    shape, dtype     of what is kept
    bytes            of the memory: all that it is a view of stays alive with it
    op               the name of the op that keeps it
    what             "its result", "its input a", or the name of an attribute
    for_gradient_of  the inputs whose gradient reads it
    line, module     of the op; "" where unknown
    """

    shape: Shape
    dtype: str
    bytes: int
    op: str
    what: str
    for_gradient_of: tuple[str, ...]
    line: str
    module: str

    def __str__(self) -> str:
        gradient = " and ".join(self.for_gradient_of)
        read = f" for the gradient of {gradient}" if gradient else ""
        where = [part for part in (self.module, self.line) if part]
        at = f"  ({', '.join(map(printable, where))})" if where else ""
        kind = f"{shape_text(self.shape)} {self.dtype}"
        return f"{bytes_text(self.bytes):>8}  {kind}: {self.op} keeps {self.what}{read}{at}"


@dataclass(slots=True, eq=False)
class Alive:
    """What a graph keeps in memory, and who holds the graph.  It prints as sentences.

    arrays      the largest first
    parameters  bytes of parameters that the graph reads; these exist anyway
    holders     what refers to a tensor of the graph: "the list `losses` in train()"
    notes       sentences about what is not known
    """

    arrays: list[KeptArray]
    parameters: int
    holders: list[str]
    notes: Sequence[str] = ()

    @property
    def bytes(self) -> int:
        """Of all arrays together."""
        return sum(array.bytes for array in self.arrays)

    def __str__(self) -> str:
        several = "array" if len(self.arrays) == 1 else "arrays"
        head = "Nothing is kept for the backward pass"
        if self.arrays:
            head = f"{bytes_text(self.bytes)} are kept for the backward pass, in {len(self.arrays)}"
            head += f" {several}"
        read = bytes_text(self.parameters)
        head += f"; it reads {read} of parameters, which exist anyway." if read else "."
        lines = [head, *map(str, self.arrays[:MOST_ARRAYS])]
        if len(self.arrays) > MOST_ARRAYS:
            rest = sum(array.bytes for array in self.arrays[MOST_ARRAYS:])
            lines.append(f"{bytes_text(rest):>8}  in {len(self.arrays) - MOST_ARRAYS} others")
        if self.holders:
            shown = self.holders[:MOST_HOLDERS]
            more = len(self.holders) - len(shown)
            lines.append("The graph is held by")
            lines += [f"  {holder}" for holder in shown]
            lines += [f"  and {more} others"] if more else []
        return for_terminal("\n".join([*lines, *self.notes]))

    __repr__ = __str__


def alive(
    order: Iterable[Node], where: Any, ignore: Sequence[object], notes: Sequence[str]
) -> Alive:
    """What the nodes of a graph keep, and who holds it.

    order   the nodes, oldest first
    where   where(node) gives the source line and the path of the Module, "" where unknown
    ignore  objects that do not count as holders
    """
    nodes = list(order)
    memory, arrays = Memory(), []
    parameters: dict[int, int] = {}
    for op in nodes:
        if not isinstance(op, Primitive):
            continue
        kept, read = memory.new_of(op)
        parameters.update((id(owner), owner.nbytes) for owner in read)
        line, module = where(op)
        for owner in kept:
            array, what, inputs = _use(op, owner)
            arrays.append(
                KeptArray(
                    array.shape, str(array.dtype), owner.nbytes,
                    type(op).__name__, what, inputs, line, module,
                )
            )  # fmt: skip
    arrays.sort(key=lambda one: -one.bytes)
    return Alive(arrays, sum(parameters.values()), holders_of(nodes, [nodes, *ignore]), notes)


def _use(op: Primitive, owner: Array) -> tuple[Array, str, tuple[str, ...]]:
    """Which of an op's kept arrays has this memory: the array, a word, and who reads it."""
    fixed, rest = input_names(type(op))
    count = len(op.saved_inputs or ())
    names = [*fixed[:count], *(f"{rest} {i + 1}" for i in range(count - len(fixed)))]
    by_reads = declared(type(op)) == "reads"

    def readers(name: str) -> tuple[str, ...]:
        wanted = [one for one, need in zip(names, op.needs, strict=False) if need]
        if not by_reads:
            return tuple(wanted)
        plain = {one: one.partition(" ")[0] for one in wanted}
        return tuple(one for one in wanted if name in op.reads.get(plain[one], ()))

    def mine(value: Any) -> bool:
        return isinstance(value, np.ndarray) and memory_owner(value) is owner

    for name, value in zip(names, op.saved_inputs or (), strict=False):
        if mine(value):
            return value, f"its input {name}", readers(name.partition(" ")[0])
    output = op.saved_output
    if mine(output):
        return output, "its result", readers("y")
    for index, value in enumerate(output if isinstance(output, tuple) else ()):
        if mine(value):
            name = op.results[index] if op.results else "y"
            told = f"its result {name}" if op.results else f"result {index + 1}"
            return value, told, readers(name) or readers("y")
    for name, value in sorted(attributes_in(op).items()):
        if mine(value):
            return value, f"its {name}", ()
    return owner, "an array of its own", ()


def attributes_in(op: Primitive) -> dict[str, Any]:
    """The attributes of an op that are not the engine's: its options and constants."""
    found = dict(getattr(op, "__dict__", {}))
    names = attributes_of(type(op), Primitive.__mro__)
    found.update((name, getattr(op, name, None)) for name in names if name != "__dict__")
    return found
