"""The graph that operations record: nodes, and their order.

Every operation is an instance of `Primitive` (function.py), and that instance is one node of the
graph: it knows the nodes that its inputs came from, and keeps the arrays that its `backward` reads.
Nodes never hold tensors, so a graph has no reference cycles, and is freed by reference counting as
soon as the last tensor that needs it is gone.
"""

import weakref
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, ClassVar, Self

import numpy as np

from ..arrays.ownership import Array as Array
from ..arrays.shapes import Shape
from .recording import serials

_by_serial = attrgetter("serial")


class TensorBase:
    """The part of a tensor that the engine needs: its array, and the node that computed it.

    `Tensor` is the subclass that people use.  `_node` is None where no gradient is wanted.
    `_views` is shared by all tensors that are views of the same memory (see `link_views`).
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_node", "_views")

    _data: Array
    _node: "Node | None"
    _views: "dict[int, weakref.ref[TensorBase]] | None"
    _grad: Self | None

    @classmethod
    def _wrap(cls, array: Any, node: "Node | None") -> Self:
        """A tensor around `array`, which is not copied."""
        tensor = object.__new__(cls)  # a subclass may want arguments
        tensor._data = array if array.__class__ is np.ndarray else np.asarray(array)
        tensor._node = node
        tensor._views = None
        tensor._grad = None
        return tensor


def array_of(value: Any) -> Array:
    """The array of a tensor, or any other value as an array; an ndarray is not copied."""
    array = value._data if isinstance(value, TensorBase) else value
    return array if array.__class__ is np.ndarray else np.asarray(array)


class Node:
    """One node of the graph.

    parents       the nodes of the inputs, None for an input whose gradient is not wanted
    out_shape     shape of the result
    serial        a number that grows with every node and every write in place
    holder        weak reference to the tensor whose .grad is filled: leaves and retain_grad
    line          "file:line" of the user's code, while `record_source_lines` is on
    hooks         what the gradient passes through (see `hooks.py`); unset if there are no hooks
    _kept         what an observer notes about this node, for others to show; unset if there is none
    """

    __slots__ = "__weakref__", "_kept", "holder", "hooks", "line", "out_shape", "parents", "serial"

    parents: "tuple[Node | None, ...]"
    out_shape: Shape
    serial: int
    holder: "weakref.ref[TensorBase] | None"
    line: str | None
    hooks: Any
    _kept: Any
    broadcasts: ClassVar[bool] = False
    fresh: ClassVar[bool] = False

    def pull_back(self, gradient: Any) -> tuple[Any, ...]:
        """The gradients of the parents, given the gradient of the result."""
        return ()

    def release(self) -> None:
        """Free the saved arrays."""


class Leaf(Node):
    """The node of a tensor that the user made with requires_grad=True."""

    __slots__ = ()

    def __init__(self, tensor: TensorBase) -> None:
        self.parents = ()
        self.out_shape = tensor._data.shape
        self.serial = next(serials)
        self.holder = weakref.ref(tensor)
        self.line = None


class Output(Node):
    """One of several results of an op; it passes its gradient on as part of a tuple."""

    __slots__ = ("count", "index")

    def __init__(self, op: Node, index: int, count: int, shape: Shape) -> None:
        self.parents = (op,)
        self.out_shape = shape
        self.serial = next(serials)
        self.holder, self.line = None, op.line
        self.index = index
        self.count = count

    def pull_back(self, gradient: Any) -> tuple[Any, ...]:
        """The gradients of all results of the op: this one at its position, None elsewhere."""
        placed: list[Any] = [None] * self.count
        placed[self.index] = gradient
        return (OutputGradients(placed),)


class OutputGradients(tuple[Any, ...]):
    """The gradients of an op's several results, None where none has arrived yet."""

    __slots__ = ()
    shape = ()  # as the op's out_shape

    def __add__(self, other: Any) -> "OutputGradients":
        pairs = zip(self, other, strict=True)
        return OutputGradients([b if a is None else a if b is None else a + b for a, b in pairs])


def topological_order(roots: Iterable[Node], frontier: Iterable[Node] = ()) -> list[Node]:
    """Every node that `roots` depend on, oldest first: each after the nodes it was computed from.

    The nodes of `frontier`, and those that only they depend on, are left out.

    A node is made after its parents, and numbered then, so sorting by number gives a topological
    order.  (It is faster than Kahn's algorithm, which counts the children of each node: see
    benchmarks/workloads/graph_order.py.)  No recursion, so the depth of a graph has no limit.
    """
    beyond = set(frontier)
    stack = [root for root in roots if root not in beyond]
    found = beyond.union(stack)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in found:
                found.add(parent)
                stack.append(parent)
    return sorted(found - beyond if beyond else found, key=_by_serial)
