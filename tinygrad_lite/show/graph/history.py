"""What is known about the graph of a tensor: the values, the gradients and where each came from.

Every view (picture, page, words, ledger) reads values and gradients here, never from the nodes.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any, Literal

import numpy as np

from ...arrays.float_errors import restore, silence
from ...arrays.sums import unbroadcast
from ...engine.function import Primitive
from ...engine.graph import (
    Array,
    Leaf,
    Node,
    Output,
    OutputGradients,
    TensorBase,
    topological_order,
)
from ...engine.recording import Mode, modes
from .keeping import ModuleCall, kept_of

State = Literal["kept", "live", "released"]

ASK = "call inside `with keep_values():`"  # what to do where nothing is known
NO_GRAPH = (
    "no graph: nothing it was computed from has requires_grad=True, or it was computed inside "
    "no_grad(), or a captured step returned it (then call step.fn(...) instead of the step)"
)


class History:
    """What is known about every node that a tensor was computed from.

    tensor    the tensor; it must have a graph
    grads     whether gradients are wanted.  They are those that were kept if every backward pass
              through the graph began at this tensor; otherwise, unless it is released, a backward
              pass of its own runs, which changes no `.grad`, frees nothing and calls no hooks
    order     the nodes, each after its parents
    root      the last one, which made the tensor
    state     "kept": made inside keep_values(), so everything is known.  "live": values are those
              that the nodes saved for the backward pass, and those of leaves.  "released": a
              backward pass has freed what was saved, and only those of leaves are known
    failure   the error that ended the backward pass of its own; None if there was none
    """

    def __init__(self, tensor: TensorBase, grads: bool = False) -> None:
        if tensor._node is None:
            raise ValueError(f"History: {NO_GRAPH}")
        self.tensor = tensor
        self.root: Node = tensor._node
        self.order = topological_order([self.root])
        self.failure: Exception | None = None
        self._children: dict[Node, list[tuple[Node, int]]] | None = None
        self._gradients: dict[Node, Any] = {}
        self._pulled: dict[Node, Sequence[Any]] = {}
        ops = [node for node in self.order if not isinstance(node, (Leaf, Output))]
        if ops and all(kept_of(op) is not None for op in ops):
            self.state: State = "kept"
        else:
            freed = any(isinstance(op, Primitive) and op.freed for op in ops)
            self.state = "released" if freed else "live"
        if grads:
            self._differentiate()

    # Values

    def children(self, node: Node) -> list[tuple[Node, int]]:
        """The nodes that use the result of a node, oldest first, each with the input's position."""
        if self._children is None:
            self._children = {each: [] for each in self.order}
            for each in self.order:
                for position, parent in enumerate(each.parents):
                    if parent is not None:
                        self._children[parent].append((each, position))
        return self._children[node]

    def value(self, node: Node) -> Any:
        """The result of a node: an array, a tuple of them if there are several, None if unknown.

        Of a leaf, as it was when it was first used, if that is known; else as it is now.
        """
        kept = kept_of(node)
        if kept is not None:
            return _array(kept.value)
        if isinstance(node, Output):
            several = self.value(node.parents[0])  # type: ignore[arg-type]
            if several is not None and several[node.index] is not None:
                return several[node.index]
        elif isinstance(node, Primitive) and node.saved_output is not None:
            return _array(node.saved_output)
        if node is self.root:
            return self.tensor._data
        for child, position in self.children(node):
            used = self._given(child, position)
            if used is not None:
                return _array(used)
        holder = node.holder() if node.holder is not None else None
        return None if holder is None else holder._data

    def inputs(self, node: Node) -> tuple[Any, ...]:
        """What the forward of a node got: arrays, and options as passed; None where unknown."""
        kept = kept_of(node)
        if kept is not None and kept.inputs:
            return tuple(map(_array, kept.inputs))
        found = []
        for position, parent in enumerate(node.parents):
            used = self._given(node, position)
            found.append(self.value(parent) if used is None and parent is not None else used)
        return tuple(map(_array, found))

    def _given(self, node: Node, position: int) -> Any:
        """The input of a node at this position, as it kept or saved it."""
        kept = kept_of(node)
        if kept is not None and kept.inputs:
            return kept.inputs[position]
        saved = node.saved_inputs if isinstance(node, Primitive) else None
        return saved[position] if saved and position < len(saved) else None

    def line(self, node: Node) -> str | None:
        """The "file:line" of the user's code that called it; None if lines were not recorded."""
        return node.line

    def call(self, node: Node) -> ModuleCall | None:
        """The innermost call of a Module that made the node; None if that is unknown, or none."""
        kept = kept_of(node)
        return None if kept is None else kept.call

    # Gradients

    def gradient(self, node: Node) -> Any:
        """The gradient of `tensor` with respect to the result of a node; None if not computed.

        A tuple if the node has several results, with None where no gradient arrived.
        """
        return _array(self._gradients.get(node))

    def pulled(self, node: Node) -> Sequence[Any] | None:
        """What the rule of a node returned for each input, before a broadcast is undone."""
        given = self._pulled.get(node)
        return None if given is None else tuple(map(_array, given))

    def sent(self, node: Node, position: int) -> bool:
        """Whether the rule of a node returned something for one of its inputs."""
        given = self._pulled.get(node)
        return given is not None and given[position] is not None

    def arrivals(self, node: Node) -> list[tuple[Node, int, Array]]:
        """The parts that add up to the gradient of a node, in the order in which they arrive.

        Each with the node that it comes from, and the position of the input there.  Broadcasts are
        undone.
        """
        parts = []
        for child, position in reversed(self.children(node)):
            given = self._pulled.get(child)
            part = None if given is None else given[position]
            if part is not None:
                parts.append((child, position, fitted(_array(part), node)))
        return parts

    def _differentiate(self) -> None:
        visited = [(node, kept_of(node)) for node in self.order]
        passes = {one.root for _, one in visited if one is not None and one.root is not None}
        # If passes from several tensors met a node, it kept what arrived in the last one only.
        if passes == {self.root.serial} and self.state != "live":
            self._gradients = {
                node: _array(one.gradient)
                for node, one in visited
                if one is not None and one.root == self.root.serial
            }
            self._pulled = {
                node: tuple(map(_array, one.pulled))
                for node, one in visited
                if one is not None and one.pulled is not None and one.root == self.root.serial
            }
            for leaf in self.order:
                parts = self.arrivals(leaf) if isinstance(leaf, Leaf) else []
                if any(kept_of(child) is None for child, _ in self.children(leaf)):
                    parts = []  # not all that arrived is known
                for _, _, part in parts:
                    held = self._gradients.get(leaf)
                    self._gradients[leaf] = part if held is None else held + part
        elif self.state != "released":
            self._run_backward()

    def _run_backward(self) -> None:
        """The backward pass of engine/backward.py, which keeps all gradients and frees nothing."""
        gradients, token, errors = self._gradients, modes.set(Mode()), silence()
        try:
            start = np.ones(self.root.out_shape, self.tensor._data.dtype)
            gradients[self.root] = start
            for node in reversed(self.order):
                arrived = gradients.get(node)
                if arrived is None or not node.parents:
                    continue
                try:
                    pulled = _whole(node).pull_back(arrived)
                except Exception as error:  # a rule that fails, or an array that was written
                    self.failure = error
                    return
                self._pulled[node] = pulled
                for parent, given in zip(node.parents, pulled, strict=False):
                    if parent is None or given is None:
                        continue
                    part = fitted(given, parent)
                    held = gradients.get(parent)
                    gradients[parent] = part if held is None else held + part
        finally:
            restore(errors)
            modes.reset(token)


def _whole(node: Node) -> Node:
    """The node, or a copy of it with what it kept in place of what a backward pass has freed."""
    kept = kept_of(node)
    if kept is None or not isinstance(node, Primitive) or not node.freed:
        return node
    twin = copy(node)
    twin.saved_inputs, twin.saved_output = kept.inputs, kept.value
    return twin


def fitted(given: Any, parent: Node) -> Any:
    """A gradient summed back to the shape of its input."""
    if isinstance(given, OutputGradients | tuple) or given.shape == parent.out_shape:
        return given
    return unbroadcast(given, parent.out_shape)


def _array(value: Any) -> Any:
    """NumPy scalars, which some operations work with, as arrays."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    if isinstance(value, tuple):
        kind: Any = OutputGradients if isinstance(value, OutputGradients) else tuple
        return kind([_array(one) for one in value])
    return value
