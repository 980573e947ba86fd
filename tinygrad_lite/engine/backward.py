"""Reverse-mode differentiation: the backward pass through the graph.

`backward_pass` is the whole algorithm: visit the nodes newest first, give each the gradient of the
output with respect to its result, and pass on the gradients that its rule returns.  The rest of the
file supports it: where a pass starts and stops, hooks, observers, and where gradients are stored.

Source: A. Griewank and A. Walther, Evaluating Derivatives, 2008, chapter 3.
"""

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..arrays.float_errors import restore, silence
from ..arrays.locks import ProcessLock
from ..arrays.ownership import keep_freed_memory, memory_owner
from ..arrays.shapes import Shape
from ..arrays.sums import accumulated, unbroadcast
from .graph import Leaf, Node, TensorBase, array_of, topological_order
from .hooks import hooks_of, living
from .recording import Mode, modes

Gradients = dict[Node, Any]

# Held while gradients are added to `.grad`: passes in several threads may end in the same leaf.
_accumulating = ProcessLock()


def backward_pass(
    order: list[Node],
    gradients: Gradients,
    targets: set[Node] | None,
    retain: bool,
    watch: "_Watch | None",
) -> Gradients:
    """Visit the nodes of `order` from last to first, and pass each parent its gradient.

    order      nodes, each after its parents; the pass empties the list
    gradients  the gradient of each root; the pass adds and removes those of the other nodes
    targets    the nodes whose gradients are returned; None for the nodes that have a `holder`
    """
    results: Gradients = {}
    while order:
        node = order.pop()
        gradient = gradients.pop(node, None)
        if gradient is None:  # no gradient reaches this node
            continue
        if (node.holder is not None) if targets is None else (node in targets):  # requested
            results[node] = gradient
        parents = node.parents
        if not parents:
            continue
        pulled = node.pull_back(gradient) if watch is None else watch.visit(node, gradient)
        for parent, given in zip(parents, pulled):  # noqa: B905  # strict is slower
            if parent is None or given is None:
                continue
            if given.shape != parent.out_shape:
                given = _fit(given, node, parent.out_shape)
            held = gradients.get(parent)  # from another path: the chain rule adds them
            if held is None:
                gradients[parent] = given
            elif node.fresh and given.__class__ is np.ndarray and given.dtype == held.dtype:
                gradients[parent] = np.add(held, given, out=given)  # nothing else holds `given`
            else:
                gradients[parent] = held + given
        if not retain:
            node.release()
    return results


def backpropagate(
    roots: Sequence[tuple[Node, Any]],
    *,
    retain: bool,
    wanted: Sequence[TensorBase] | None = None,
    allow_unused: bool = True,
) -> list[TensorBase | None]:
    """Reverse-mode differentiation from `roots`, pairs of a node and the gradient of its result.

    If these gradients are Tensors, the rules run on Tensors, so the backward pass is itself
    recorded (create_graph=True).

    retain        keep what the ops saved, for another pass
    wanted        the tensors whose gradients are returned, None if no gradient reaches one; without
                  it, gradients are added to `.grad` of leaves and of tensors that retain theirs
    allow_unused  if False, raise before visiting any node if no root depends on a wanted tensor
    """
    keep_freed_memory()
    mode = modes.get()
    errors = silence()
    try:
        if not mode.grad_enabled:  # the rules may be recorded even inside no_grad
            modes.set(mode.with_grad())
        taken = {_memory(gradient) for _, gradient in roots}
        gradients = _starting(roots)
        order = topological_order(gradients)
        if wanted is None:
            watch = _Watch(mode, order, gradients, taken) if mode.observers else None
            arrived = _with_hooks(order, gradients, None, retain, watch)
            _hand_over(arrived, taken)
            if watch is not None:
                watch.finish(arrived)
            return []
        targets: list[Any] = [tensor._node for tensor in wanted]
        if not allow_unused:
            _refuse_unused(targets, order)
        arrived = _towards(targets, _leading_to(targets, order), gradients, retain)
        return [
            _own(tensor, arrived[node], taken) if node in arrived else None
            for tensor, node in zip(wanted, targets, strict=True)
        ]
    finally:
        restore(errors)
        if not mode.grad_enabled:
            modes.set(mode)


def gradients_at(
    frontier: Sequence[Any], roots: Sequence[tuple[Node, Any]], *, retain: bool
) -> list[Any]:
    """The gradients that reach each node of `frontier`, from a pass that stops there.

    For a pass nested in another one, which decides what to do with these gradients.
    """
    gradients = _starting(roots)
    _towards((), topological_order(gradients, frontier), gradients, retain)
    return [gradients.get(node) for node in frontier]


# Where a pass starts, and where it may stop


def _starting(roots: Sequence[tuple[Node, Any]]) -> Gradients:
    """The gradients that a pass starts with; a node may be a root several times."""
    gradients: Gradients = {}
    for root, gradient in roots:
        gradients[root] = gradients[root] + gradient if root in gradients else gradient
    return gradients


def _refuse_unused(targets: Sequence[Node], order: Sequence[Node]) -> None:
    """Raise if one of the targets is not in the graph."""
    reached = set(order)
    for position, node in enumerate(targets):
        if node not in reached:
            raise RuntimeError(
                f"grad: no output depends on input {position}, of shape {node.out_shape}; pass "
                "allow_unused=True to get None for it"
            )


def _leading_to(targets: Sequence[Node], order: list[Node]) -> list[Node]:
    """The nodes of `order` that depend on one of the targets."""
    leading = set(targets)
    passed = []
    for node in order:
        if any(parent in leading for parent in node.parents):
            leading.add(node)
            passed.append(node)
    return passed


def _towards(
    targets: Sequence[Node], order: list[Node], gradients: Gradients, retain: bool
) -> Gradients:
    """The gradients of the targets; a target's rule runs only if it depends on another target."""
    mode = modes.get()
    watch = _Watch(mode, (), gradients, set()) if mode.observers else None
    results = _with_hooks(order, gradients, set(targets), retain, watch)
    for node in targets:
        if node in gradients:
            gradient, hooks = gradients.pop(node), hooks_of(node)
            results[node] = hooks.pass_through(gradient) if hooks else gradient
    return results


# Hooks and observers


def _with_hooks(
    order: list[Node],
    gradients: Gradients,
    targets: set[Node] | None,
    retain: bool,
    watch: "_Watch | None",
) -> Gradients:
    """The backward pass, interrupted at each node with hooks to run them.

    All newer nodes have been visited by then, so the gradient of that node is complete.
    """
    results: Gradients = {}
    hooked = [position for position, node in enumerate(order) if hooks_of(node)] if living else ()
    for position in reversed(hooked):
        newer = order[position + 1 :]
        del order[position + 1 :]
        results |= backward_pass(newer, gradients, targets, retain, watch)
        if order[-1] in gradients:
            gradients[order[-1]] = order[-1].hooks.pass_through(gradients[order[-1]])
    return results | backward_pass(order, gradients, targets, retain, watch)


class _Watch:
    """Tells the observer which nodes are visited and, given `order`, which leaves are finished.

    A leaf is finished once all ops that use it have been visited.  A copy of its gradient then goes
    to `.grad` at once, so that the observer finds it there.  A leaf with hooks waits until it is
    visited.
    """

    def __init__(
        self, mode: Mode, order: Sequence[Node], gradients: Gradients, taken: set[int]
    ) -> None:
        self.observer: Any = mode.observer
        self.gradients = gradients
        self.taken = taken
        order = order if "leaf_done" in mode.watched else ()
        parents = (parent for node in order for parent in node.parents)
        self.uses = Counter(p for p in parents if isinstance(p, Leaf) and not hooks_of(p))
        self.due: list[Leaf] = []

    def visit(self, node: Node, gradient: Any) -> tuple[Any, ...]:
        """Hand over the leaves that the last node finished, then return the parents' gradients."""
        self.hand_over_due()
        pulled: tuple[Any, ...] = self.observer.backward(node, gradient)
        for parent in node.parents:
            if isinstance(parent, Leaf) and parent in self.uses:
                self.uses[parent] -= 1
                if not self.uses[parent]:
                    self.due.append(parent)
        return pulled

    def hand_over_due(self) -> None:
        """Hand over the gradients that are final."""
        due, self.due = self.due, []
        for leaf in due:
            if leaf in self.gradients:
                gradient = self.gradients.pop(leaf)
                self.taken.add(_memory(gradient))  # others may still hold it, so let it be copied
                _hand_over({leaf: gradient}, self.taken)
                self.observer.leaf_done(leaf)

    def finish(self, arrived: Gradients) -> None:
        """Report the leaves that were handed over with everything else, and the end of the pass."""
        for node in arrived:
            if isinstance(node, Leaf):
                self.observer.leaf_done(node)
        self.observer.backward_done()


# Where the gradients are stored


def _fit(gradient: Any, node: Node, shape: Shape) -> Any:
    """`gradient` summed back to its input's shape; an error unless the op declares `broadcasts`."""
    if node.broadcasts:
        return unbroadcast(gradient, shape)
    larger = gradient.ndim >= len(shape) and prod(gradient.shape) >= prod(shape)
    raise RuntimeError(
        f"{type(node).__name__}.backward: a gradient has shape {gradient.shape}, and its input has "
        f"shape {shape}"
        + ("; sum over what forward broadcast, or declare broadcasts = True" if larger else "")
    )


def _hand_over(arrived: Gradients, taken: set[int]) -> None:
    """Add each gradient to `.grad` of its node's tensor; if one does not fit, change none."""
    found = []
    with _accumulating.lock:
        for node, gradient in arrived.items():
            if node.holder is None or (tensor := node.holder()) is None:
                continue
            held: Any = tensor._grad
            if held is not None and getattr(held, "shape", None) != tensor._data.shape:
                raise ValueError(
                    f"backward: a tensor of shape {tensor._data.shape} has a .grad of shape "
                    f"{getattr(held, 'shape', None)}; set it to None"
                )
            found.append((tensor, gradient))
        for tensor, gradient in found:
            own, held = _own(tensor, gradient, taken), tensor._grad
            if held is not None and isinstance(gradient, TensorBase):  # recorded
                own = held + own
            elif held is not None:  # in new memory: the user may hold the old one
                array = held._data if isinstance(held, TensorBase) else np.asarray(held)
                own._data = accumulated(array, own._data)
            tensor._grad = own


def _own(tensor: TensorBase, gradient: Any, taken: set[int]) -> TensorBase:
    """The gradient as a tensor of `tensor`'s dtype, in memory that nothing else holds.

    taken: identities of the memory that other gradients or the caller hold; this memory is added.
    An array that nothing else holds is used as it is, so most gradients are never copied.
    """
    dtype = tensor._data.dtype
    if gradient.dtype is not dtype and gradient.dtype != dtype:
        gradient = gradient.astype(dtype)
    array = gradient._data if isinstance(gradient, TensorBase) else gradient
    owner = array if array.base is None else memory_owner(array)
    if id(owner) in taken or not array.flags.writeable:
        gradient = gradient.astype(dtype)  # always a copy, and recorded if it is a tensor
        owner = memory_owner(array_of(gradient))
    taken.add(id(owner))
    return gradient if isinstance(gradient, TensorBase) else tensor._wrap(gradient, None)


def _memory(gradient: Any) -> int:
    """The identity of the memory of a gradient, array or Tensor."""
    return id(memory_owner(array_of(gradient)))
