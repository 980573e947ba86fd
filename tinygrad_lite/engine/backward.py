"""Reverse-mode differentiation: the walk through the graph that finds gradients.

It visits the vertices newest first, gives each the gradient of the output with respect to its
result, and passes on what the vertex's rule makes of it.  See Griewank and Walther, "Evaluating
Derivatives" (2008), chapter 3.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..arrays.float_errors import restore, silence
from ..arrays.shapes import Shape
from ..arrays.sums import unbroadcast
from .function import Function
from .graph import Node, TensorBase, Wrap, array_of, topological_order
from .hooks import hooks_of, living
from .memory import keep_freed_memory, memory_owner
from .recording import no_grad_depth


def backpropagate(
    roots: Sequence[tuple[Node, Any]],
    *,
    retain: bool,
    wanted: Sequence[TensorBase] | None = None,
    allow_unused: bool = True,
    wrap: Wrap | None = None,
) -> list[TensorBase | None]:
    """Reverse-mode differentiation from `roots`, pairs of a vertex and the gradient of its result.

    retain      keep what the ops saved, for another walk
    wanted      the tensors whose gradients to return, None where none arrives; without it the
                gradients go to the `.grad` of the leaves, and of tensors that retain theirs
    allow_unused  False to raise, before anything is walked, if no root depends on a wanted one
    wrap        makes a tensor of an array and a vertex: the walk then runs on tensors, and so
                records a graph of its own (create_graph)
    """
    keep_freed_memory()
    targets = None if wanted is None else [tensor._node for tensor in wanted]
    recording = no_grad_depth.set(0)  # the rules record if, and only if, they run on tensors
    errors = silence()
    try:
        arrived = _walk(roots, retain, targets, allow_unused, wrap)
        taken = {id(memory_owner(array_of(gradient))) for _, gradient in roots}
        if wanted is not None:
            return [
                _own(tensor, arrived[tensor._node], taken) if tensor._node in arrived else None
                for tensor in wanted
            ]
        _hand_over(arrived, taken, wrap)
        return []
    finally:
        restore(errors)
        no_grad_depth.reset(recording)


def _refuse_unused(targets: Sequence[Node | None], order: Sequence[Node]) -> None:
    """Raise if one of the targets is not in the graph."""
    reached = set(order)
    for position, node in enumerate(targets):
        if node is not None and node not in reached:
            raise RuntimeError(
                f"grad: no output depends on input {position}, of shape {node.out_shape}; pass "
                "allow_unused=True to get None for it"
            )


def _hand_over(arrived: dict[Node | None, Any], taken: set[int], wrap: Wrap | None) -> None:
    """Add the gradients to `.grad` of the tensors that hold the vertices: to all, or to none."""
    found = []
    for node, gradient in arrived.items():
        tensor = node.holder() if node is not None and node.holder else None
        if tensor is None:
            continue
        held: Any = tensor.grad
        if held is not None and getattr(held, "shape", None) != tensor._data.shape:
            raise ValueError(
                f"backward: a tensor of shape {tensor._data.shape} has a .grad of shape "
                f"{getattr(held, 'shape', None)}; set it to None"
            )
        found.append((tensor, gradient))
    for tensor, gradient in found:
        gradient, held = _own(tensor, gradient, taken), tensor.grad
        if held is None:
            tensor.grad = gradient
        elif wrap is None:  # in new memory: the user may hold the old one
            tensor.grad = tensor._wrap(np.asarray(held) + gradient._data, None)
        else:
            tensor.grad = held + gradient


def gradients_at(
    frontier: Sequence[Any],
    roots: Sequence[tuple[Node, Any]],
    *,
    retain: bool,
    wrap: Wrap | None,
) -> list[Any]:
    """The gradients that arrive at each vertex of `frontier`, from a walk that does not pass it.

    For a walk inside another one: what becomes of these gradients is the outer one's affair.
    """
    gradients = _starting(roots)
    _pass_back(topological_order(gradients, frontier), gradients, retain, (), wrap)
    return [gradients.get(node) for node in frontier]


def _walk(
    roots: Sequence[tuple[Node, Any]],
    retain: bool,
    wanted: Sequence[Node | None] | None,
    allow_unused: bool,
    wrap: Wrap | None,
) -> dict[Node | None, Any]:
    """The gradients of the wanted vertices, or of all that a tensor holds."""
    gradients = _starting(roots)
    order = topological_order(gradients)
    if wanted is None:
        return _pass_back(order, gradients, retain, None, wrap)
    if not allow_unused:
        _refuse_unused(wanted, order)
    return _pass_back(_leading_to(wanted, order), gradients, retain, wanted, wrap)


def _starting(roots: Sequence[tuple[Node, Any]]) -> dict[Node, Any]:
    """The gradients that a walk starts with; a vertex may be a root several times."""
    gradients: dict[Node, Any] = {}
    for root, gradient in roots:
        gradients[root] = gradients[root] + gradient if root in gradients else gradient
    return gradients


def _pass_back(
    order: list[Node],
    gradients: dict[Node, Any],
    retain: bool,
    wanted: Sequence[Node | None] | None,
    wrap: Wrap | None,
) -> dict[Node | None, Any]:
    """Pass the gradients back through `order`, its last vertex first.

    At a vertex with hooks all newer ones have been visited, so its gradient is complete there.
    """
    results: dict[Node | None, Any] = {}
    targets = None if wanted is None else set(wanted)
    places = [place for place, node in enumerate(order) if hooks_of(node)] if living else ()
    for place in reversed(places):
        newer = order[place + 1 :]
        del order[place + 1 :]
        _visit(newer, gradients, results, targets, retain, wrap)
        hooked = order[-1]
        if hooked in gradients:
            gradients[hooked] = hooked.hooks.pass_through(gradients[hooked])
    _visit(order, gradients, results, targets, retain, wrap)
    for node in wanted or ():  # where the way ends: their rules are not asked
        if node in gradients:
            gradient, hooks = gradients.pop(node), hooks_of(node)
            results[node] = hooks.pass_through(gradient) if hooks else gradient
    return results


def _visit(
    order: list[Node],
    gradients: dict[Node, Any],
    results: dict[Node | None, Any],
    targets: set[Node | None] | None,
    retain: bool,
    wrap: Wrap | None,
) -> None:
    """Take each vertex from the end of `order`, and give its parents their gradients."""
    while order:
        node = order.pop()
        gradient = gradients.pop(node, None)
        if gradient is None:
            continue
        if node.holder is not None if targets is None else node in targets:
            results[node] = gradient
        parents = node.parents
        if not parents:
            continue
        for parent, given in zip(parents, node.pull_back(gradient, wrap)):  # noqa: B905  # slower
            if parent is None or given is None:
                continue
            if given.shape != parent.out_shape:
                given = _fit(given, node, parent.out_shape)
            held = gradients.get(parent)
            if held is None:
                gradients[parent] = given
            elif node.fresh and type(given) is np.ndarray and given.dtype == held.dtype:
                gradients[parent] = np.add(held, given, out=given)
            else:
                gradients[parent] = held + given
        if not retain:
            node.release()


def _leading_to(wanted: Sequence[Node | None], order: list[Node]) -> list[Node]:
    """The part of `order` on a way from `wanted` to the roots, without the ends of the way."""
    leading = set(wanted)
    passed = []
    for node in order:
        if any(parent in leading for parent in node.parents):
            leading.add(node)
            passed.append(node)
    return passed


def _fit(gradient: Any, node: Node, shape: Shape) -> Any:
    """`gradient` in the shape of the input it belongs to: a broadcast is undone, or it is a bug."""
    if isinstance(node, Function) and node.broadcasts:
        return unbroadcast(gradient, shape)
    larger = gradient.ndim >= len(shape) and gradient.size >= prod(shape)
    raise RuntimeError(
        f"{type(node).__name__}.backward: a gradient has shape {gradient.shape}, and its input has "
        f"shape {shape}"
        + ("; sum over what forward broadcast, or declare broadcasts = True" if larger else "")
    )


def _own(tensor: TensorBase, gradient: Any, taken: set[int]) -> TensorBase:
    """The gradient as a tensor of `tensor`'s dtype, whose memory nobody else holds.

    taken: identities of the memory that other gradients, or the caller, hold; this one is added.
    An array that is free is taken over as it is, so the usual gradient is never copied.
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
