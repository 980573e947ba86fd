"""Where the first inf or nan came from: the search back through a graph, and through its gradients.

Both searches go from where the damage is seen (the loss, or the gradient of a leaf) to where it was
made, one element at a time, and only through elements that it depends on.  So what never reaches
the loss is never blamed: a mask of -inf that softmax turns into 0, or a nan that `where` does not
select.  nan comes before inf where both are met.  An inf that the user gave (a mask) is blamed only
if nothing made a nan of it; otherwise the op that did.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from ...engine.function import Primitive
from ...engine.graph import Leaf, Node, Output
from ...engine.hooks import hooks_of
from ..graph.history import History
from ..graph.keeping import kept_of
from .known_values import FINITE, UNKNOWN, Values
from .replaying import (
    CannotRun,
    Index,
    as_results,
    backward_again,
    causes,
    first_bad,
    forward_again,
    not_finite,
    runs_again,
)

Kind = Literal["op", "seen", "parameter", "input", "sum", "hook"]


@dataclass(slots=True, eq=False)
class Origin:
    """What made the first inf or nan.

    kind      "op"; "seen" for an op whose inputs are not known, so that it may come from before;
              "parameter" or "input" if it was there before any op that was recorded; "sum" if
              gradients that are finite add up to it; "hook" if a hook gave it
    node      the op, or the first one that reads the parameter or the input; of a "sum" or a
              "hook", the node whose gradient it is
    position  which input of `node`: of an "input" or a "parameter", and of an op in the backward
              pass, whose gradient it is
    index     in the result of the op; in the backward pass, in the gradient of that input
    number    inf, -inf or nan
    inputs    of the op, UNKNOWN where it is not known
    value     the result of the op
    arrived   in the backward pass, the gradient that arrived at the op
    target    the element from which the search came here
    then      an op on this path that made nan of an inf
    unknown   the ops whose values are not known, and which may have made it earlier
    given     where an inf or nan came from that the op was given, and that was not to blame until
              then: an inf of the user's that became nan here; in the backward pass, what is not
              finite in the forward pass, and did not show there
    """

    kind: Kind
    node: Node
    position: int | None
    index: Index
    number: float
    inputs: Sequence[Any]
    value: Any = None
    arrived: Any = None
    target: "_Target | None" = None
    then: Node | None = None
    unknown: tuple[Node, ...] = ()
    given: "Origin | None" = None

    @property
    def path(self) -> list[Node]:
        """The ops that it passed through, up to the loss; in the backward pass, to a leaf."""
        found: list[Node] = []
        step = self.target
        while step is not None:
            if not found or found[-1] is not step.node:
                found.append(step.node)
            step = step.after
        made = self.kind in ("op", "seen") and self.arrived is None
        return found[1:] if made else found


@dataclass(slots=True, eq=False)
class _Target:
    """An element that is not finite, and whose origin is sought.

    node    whose result it belongs to, or its gradient
    which   of several results
    index   None if the values of the node are not known
    is_nan  otherwise inf
    after   the target that this one was found from, nearer to the loss
    turned  the op that made nan of the inf, and how
    """

    node: Node
    which: int
    index: Index | None
    is_nan: bool
    after: "_Target | None" = None
    turned: Origin | None = None


def in_forward(history: History) -> Origin | None:
    """What made the inf or nan of a tensor's data, which has one; None if nothing is known."""
    index, is_nan = first_bad(history.tensor._data)
    return _origin_of(history, history.root, index, is_nan)


def _origin_of(history: History, node: Node, index: Index, is_nan: bool) -> Origin | None:
    """What made an element of the result of a node inf or nan; None if nothing is known."""
    search = _Search(history, Values(history))
    search.seek(_Target(node, 0, index, is_nan))
    return search.forward()


class _Search:
    """The way from an inf or nan back to its origins, through each element of a graph once."""

    def __init__(self, history: History, values: Values | None = None) -> None:
        self.history = history
        self.values = values
        self.targets: dict[Node, list[_Target]] = {}
        self.origins: list[Origin] = []
        self.shown: list[Origin] = []  # ops that show it, if what came before is not known
        self.unknown: list[Node] = []

    def seek(self, target: _Target) -> None:
        """Add a target, unless it is there already, or the node has several."""
        held = self.targets.setdefault(target.node, [])
        known = {(one.which, one.index) for one in held}
        if (target.which, target.index) not in known and len(held) < 4:
            held.append(target)

    # Through the values

    def forward(self) -> Origin | None:
        """Go back from all targets."""
        for node in reversed(self.history.order):
            for target in self.targets.pop(node, ()):
                if isinstance(node, Output):
                    op: Any = node.parents[0]
                    self.seek(_Target(op, node.index, target.index, target.is_nan, target))
                elif not isinstance(node, Leaf):
                    self._through(node, target)
        found = min(self.origins or self.shown, key=lambda one: one.node.serial, default=None)
        if found is not None:
            found.unknown = tuple(sorted(self.unknown, key=lambda node: node.serial))
        return found

    def _through(self, op: Node, target: _Target) -> None:
        """From a result of an op to the elements of its inputs that it depends on."""
        assert self.values is not None
        inputs = self.values.inputs.get(op, [])
        result = self.values.results[op]
        if result is FINITE:
            return
        part = result if result is UNKNOWN else as_results(result)[target.which]
        if part is UNKNOWN:
            self.unknown.append(op)
        elif target.index is None:  # found through an op whose values are not known
            if not not_finite(part):
                return
            index, is_nan = first_bad(part)
            target = _Target(op, target.which, index, is_nan, target.after)
        all_known = part is not UNKNOWN and all(one is not UNKNOWN for one in inputs)
        if all_known and target.index is not None and runs_again(op):
            try:
                run = partial(self._part, op, target.which)
                found = causes(run, inputs, target.index, target.is_nan)
            except CannotRun:
                pass
            else:
                self._follow(op, target, inputs, part, found)
                return
        self._guess(op, target, inputs, part)

    def _part(self, op: Node, which: int, inputs: list[Any]) -> Any:
        return as_results(forward_again(op, inputs))[which]

    def _follow(
        self,
        op: Node,
        target: _Target,
        inputs: Sequence[Any],
        part: Any,
        found: Sequence[tuple[int, Index]],
    ) -> None:
        """Go on to these elements; if there are none, the op made it."""
        at = target.index or ()
        then = None if target.turned is None else target.turned.node
        made = Origin(
            "op", op, None, at, float(np.asarray(part)[at]), inputs, part, None, target, then
        )
        if not found:
            planned = type(op).__name__ == "Pad" and np.isinf(made.number)
            self.origins.append(target.turned if planned and target.turned else made)
            return
        for position, index in found:
            number = float(np.asarray(inputs[position])[index])
            turned = made if target.is_nan and np.isinf(number) else target.turned
            parent = op.parents[position]
            if parent is not None and not isinstance(parent, Leaf):
                self.seek(_Target(parent, 0, index, bool(np.isnan(number)), target, turned))
                continue
            kind: Kind = "input" if parent is None else "parameter"
            found_at = Origin(kind, op, position, index, number, inputs, part, target=target)
            if parent is None and np.isinf(number) and turned is not None:
                turned.given = found_at
                found_at = turned
            self.origins.append(found_at)

    def _guess(self, op: Node, target: _Target, inputs: Sequence[Any], part: Any) -> None:
        """Go on where the op cannot be run again: to all that is not finite, or not known."""
        bad = [k for k, one in enumerate(inputs) if one is not UNKNOWN and not_finite(one)]
        nans = [k for k in bad if np.isnan(np.asarray(inputs[k])).any()]
        chosen = [(k, first_bad(np.asarray(inputs[k]))[0]) for k in nans or bad]
        missing = [k for k, one in enumerate(inputs) if one is UNKNOWN]
        for k in missing:
            parent = op.parents[k]
            if parent is not None and not isinstance(parent, Leaf):
                self.seek(_Target(parent, 0, None, target.is_nan, target))
        if part is UNKNOWN:
            for k, index in chosen:
                parent = op.parents[k]
                number = float(np.asarray(inputs[k])[index])
                if parent is None or isinstance(parent, Leaf):
                    kind: Kind = "input" if parent is None else "parameter"
                    self.shown.append(Origin(kind, op, k, index, number, inputs, target=target))
                else:
                    self.seek(_Target(parent, 0, index, bool(np.isnan(number)), target))
        elif chosen:
            self._follow(op, target, inputs, part, chosen)
        elif not missing:
            self._follow(op, target, inputs, part, ())
        else:
            before, self.origins = self.origins, []
            self._follow(op, target, inputs, part, ())
            for one in self.origins:
                one.kind = "seen" if one.kind == "op" else one.kind
            self.shown, self.origins = self.shown + self.origins, before
            self.unknown += [op.parents[k] or op for k in missing]

    # Through the gradients

    def backward(self) -> Origin | None:
        history = self.history
        for leaf in history.order:
            gradient = history.gradient(leaf) if isinstance(leaf, Leaf) else None
            if gradient is not None and not_finite(gradient):
                index, is_nan = first_bad(gradient)
                self.seek(_Target(leaf, 0, index, is_nan))
        for node in history.order:
            for target in self.targets.pop(node, ()):
                self._arrived(node, target)
        return max(self.origins, key=lambda one: one.node.serial, default=None)

    def _arrived(self, node: Node, target: _Target) -> None:
        """From the gradient of a node to the ops that it arrived from."""
        history, at = self.history, target.index or ()
        parts = [
            (child, position, part)
            for child, position, part in history.arrivals(node)
            if not np.isfinite(part[at])
        ]
        nans = [one for one in parts if np.isnan(one[2][at])]
        for child, position, _ in nans or parts:
            pulled: Any = history.pulled(child)
            given = np.asarray(pulled[position])
            index = _before_broadcast(given, node.out_shape, at)
            if index is None:  # the sum of what was broadcast overflows
                self._made(child, position, at, target, "sum")
            else:
                self._pulled(child, position, index, bool(np.isnan(given[index])), target)
        if not parts:
            gradient = np.asarray(history.gradient(node))
            if history.children(node):  # else it is the loss itself
                kind: Kind = "hook" if hooks_of(node) else "sum"
                made = Origin(kind, node, None, at, float(gradient[at]), (), target=target)
                self.origins.append(made)

    def _pulled(self, op: Node, position: int, index: Index, is_nan: bool, target: _Target) -> None:
        """From a gradient that the rule of an op returned to the gradient that arrived there."""
        history = self.history
        step = _Target(op, 0, index, is_nan, target)
        arrived = history.gradient(op)
        gradients = list(as_results(arrived))
        if not any(one is not None and not_finite(one) for one in gradients):
            self._made(op, position, index, target)
            return
        found: Sequence[tuple[int, Index]] | None = None
        inputs, value = _read(op)
        if runs_again(op) and inputs is not None:

            def run(given: list[Any]) -> Any:
                whole = type(arrived)(given) if isinstance(arrived, tuple) else given[0]
                again = backward_again(op, whole, value, inputs)[position]
                return np.zeros(()) if again is None else again

            try:
                found = causes(run, gradients, index, is_nan)
            except (CannotRun, IndexError):
                found = None
        if found is None:
            found = [
                (k, first_bad(one)[0])
                for k, one in enumerate(gradients)
                if one is not None and not_finite(one)
            ]
        if not found:
            self._made(op, position, index, target)
        for which, at in found:
            bad = bool(np.isnan(np.asarray(gradients[which])[at]))
            if isinstance(arrived, tuple):
                outputs = [
                    child for child, _ in history.children(op)
                    if isinstance(child, Output) and child.index == which
                ]  # fmt: skip
                for output in outputs:
                    self.seek(_Target(output, 0, at, bad, step))
            else:
                self.seek(_Target(op, 0, at, bad, step))

    def _made(
        self, op: Node, position: int, index: Index, target: _Target, kind: Kind = "op"
    ) -> None:
        pulled: Any = self.history.pulled(op)
        given = np.asarray(pulled[position])
        if kind == "sum":
            given = np.asarray(self.history.gradient(target.node))
        number, arrived = float(given[index]), self.history.gradient(op)
        inputs, value = self.history.inputs(op), self.history.value(op)
        self.origins.append(
            Origin(kind, op, position, index, number, inputs, value, arrived, target)
        )


def in_backward(history: History) -> Origin | None:
    """What made the first gradient that is inf or nan and reaches a leaf; None if there is none."""
    found = _Search(history).backward()
    if found is not None and found.kind == "op" and runs_again(found.node):
        with suppress(CannotRun, IndexError):
            found.given = _source(history, found)
    return found


def _source(history: History, made: Origin) -> Origin | None:
    """Where an inf or nan of the forward pass came from that made a gradient inf or nan."""
    op, position = made.node, made.position or 0
    inputs, value = _read(op)
    if inputs is None:
        return None

    def run(given: list[Any]) -> Any:
        return backward_again(op, made.arrived, value, given)[position]

    found = causes(run, inputs, made.index, bool(np.isnan(made.number)))
    if not found:
        return None
    k, at = found[0]
    parent, number = op.parents[k], float(np.asarray(inputs[k])[at])
    if parent is None or isinstance(parent, Leaf):
        return Origin("input" if parent is None else "parameter", op, k, at, number, inputs)
    return _origin_of(history, parent, at, bool(np.isnan(number)))


def _read(op: Node) -> tuple[Sequence[Any] | None, Any]:
    """The inputs and the result of an op that its rule reads."""
    kept = kept_of(op)
    if kept is not None and kept.inputs:
        return kept.inputs, kept.value
    if isinstance(op, Primitive) and op.saved_inputs is not None:
        return op.saved_inputs, op.saved_output
    return None, None


def _before_broadcast(given: Any, shape: tuple[int, ...], at: Index) -> Index | None:
    """An index in a gradient that is not yet summed to its input's shape, of what is summed there.

    The first nan or, if there is none, the first inf; None if all these elements are finite.
    """
    lead = given.ndim - len(shape)
    summed = [
        *range(lead),
        *(k + lead for k in range(len(shape)) if given.shape[k + lead] != shape[k]),
    ]
    where: list[Any] = [slice(None) if k in summed else at[k - lead] for k in range(given.ndim)]
    part = given[tuple(where)]
    if not not_finite(np.asarray(part)):
        return None
    inside = iter(first_bad(np.asarray(part))[0])
    return tuple(next(inside) if k in summed else int(at[k - lead]) for k in range(given.ndim))
