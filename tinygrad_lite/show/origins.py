"""Where the first inf or nan came from: the search back through a graph, and through its gradients.

Both searches go from where the damage is seen (the loss, or the gradient of a leaf) to where it was
made, element by element, and only through elements that it depends on.  So what never reaches the
loss is never blamed: a mask of -inf that softmax turns into 0, or a nan that `where` does not
select.  nan comes before inf where both are met.  An inf that the user gave (a mask) is blamed only
if nothing made a nan of it; otherwise the op that did.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from ..arrays.ownership import memory_owner
from ..engine.function import Primitive
from ..engine.graph import Leaf, Node, Output
from ..engine.memory import changes
from .history import History
from .keeping import kept_of
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
    undisturbed,
)

UNKNOWN = object()  # an input or a result that nobody kept
FINITE = object()  # a result that is known, and was forgotten

Kind = Literal["op", "seen", "parameter", "input", "sum"]


@dataclass(slots=True, eq=False)
class Origin:
    """What made the first inf or nan.

    kind      "op"; "parameter" or "input" if it was there before any op that was recorded; "sum"
              if gradients that are finite add up to it; "seen" if the inputs of the op are not
              known, so that it may come from before
    node      the op, or the first one that reads the parameter or the input; of a "sum", the node
              whose gradient it is
    position  which input of `node`: of an "input" or a "parameter", and of an op in the backward
              pass, whose gradient it is
    index     in the result of the op; in the backward pass, in the gradient of that input
    number    inf, -inf or nan
    inputs    of the op, UNKNOWN where it is not known
    value     the result of the op
    arrived   in the backward pass, the gradient that arrived at the op
    path      the ops that it then passed through, up to the loss; in the backward pass, to a leaf
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
    path: tuple[Node, ...] = ()
    then: Node | None = None
    unknown: tuple[Node, ...] = ()
    given: "Origin | None" = None


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

    def path(self) -> tuple[Node, ...]:
        found, target = [], self.after
        while target is not None:
            if isinstance(target.node, Primitive):
                found.append(target.node)
            target = target.after
        return tuple(found)


class Values:
    """The inputs and results of the ops of a graph, as far as they can be known.

    They are those that were kept or saved.  What is missing is computed again, from the leaves on,
    where all inputs are known; an array that was written since is not known.  A result that is
    finite is forgotten once all its users had it.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.results: dict[Node, Any] = {}
        self.written = changes.newest > history.root.serial
        self.used = {node: len(history.children(node)) for node in history.order}
        self.inputs: dict[Node, list[Any]] = {}  # of ops whose result is not known to be finite
        with undisturbed():
            for node in history.order:
                self._visit(node)

    def _visit(self, node: Node) -> None:
        if isinstance(node, Leaf):
            self.results[node] = self._leaf(node)
            return
        if isinstance(node, Output):
            several = self.results.get(node.parents[0], UNKNOWN)  # type: ignore[arg-type]
            known = several is not UNKNOWN and several[node.index] is not UNKNOWN
            result = several[node.index] if known else self._seen(node)
            inputs: list[Any] = [result]
        else:
            inputs = self._inputs(node)
            result = self._result(node, inputs)
        self.results[node] = result
        if result is UNKNOWN or any(
            one is UNKNOWN or not_finite(one) for one in as_results(result)
        ):
            self.inputs[node] = inputs
        for parent in node.parents:
            if parent is not None:
                self.used[parent] -= 1
                held = as_results(self.results[parent])
                if not self.used[parent] and not any(
                    one is UNKNOWN or not_finite(one) for one in held
                ):
                    self.results[parent] = FINITE

    def _leaf(self, leaf: Node) -> Any:
        """Its array now, unless something may have been written since."""
        holder = leaf.holder() if leaf.holder is not None else None
        return UNKNOWN if holder is None or self.written else holder._data

    def _inputs(self, op: Node) -> list[Any]:
        kept = kept_of(op)
        if kept is not None and kept.inputs:
            return list(kept.inputs)
        saved = self._saved(op)
        found = []
        for position, parent in enumerate(op.parents):
            value = saved.get(position, UNKNOWN)
            if value is UNKNOWN and parent is not None:
                value = self.results.get(parent, UNKNOWN)
                value = UNKNOWN if isinstance(value, tuple) else value
            found.append(value)
        return found

    def _saved(self, op: Node) -> dict[int, Any]:
        """The inputs that an op saved for its rule, by position."""
        if not isinstance(op, Primitive) or not op.saved_inputs or _was_written(op):
            return {}
        plan = type(op)._plans[int("1" + "".join(str(int(need)) for need in op.needs), 2)]
        if plan.nothing or len(op.saved_inputs) != len(op.needs):
            return {}
        return {k: v for k, v in enumerate(op.saved_inputs) if k not in plan.unread}

    def _result(self, op: Node, inputs: list[Any]) -> Any:
        kept = kept_of(op)
        if kept is not None:
            return kept.value
        seen = self._seen(op)
        if seen is not UNKNOWN:
            return seen
        if runs_again(op) and all(one is not UNKNOWN for one in inputs):
            try:
                return forward_again(op, inputs)
            except CannotRun:
                return UNKNOWN
        saved = op.saved_output if isinstance(op, Primitive) and not _was_written(op) else None
        if saved is None:
            return UNKNOWN
        if isinstance(saved, tuple):
            return tuple(UNKNOWN if one is None else one for one in saved)
        return saved

    def _seen(self, node: Node) -> Any:
        """The result as what used it saved it."""
        if node is self.history.root:
            return self.history.tensor._data
        kept = kept_of(node)
        if kept is not None:
            return kept.value
        saved = node.saved_output if isinstance(node, Primitive) else None
        if isinstance(saved, np.ndarray) and not _was_written(node):  # type: ignore[arg-type]
            return saved
        for child, position in self.history.children(node):
            kept = kept_of(child)
            if kept is not None and kept.inputs:
                return kept.inputs[position]
            value = self._saved(child).get(position, UNKNOWN)
            if value is not UNKNOWN and not isinstance(child, Output):
                return value
        return UNKNOWN


def _was_written(op: Primitive) -> bool:
    """Whether an array that the op saved was written since."""
    if changes.newest <= op.serial:
        return False
    for array in op.kept_arrays():
        owner = array if array.base is None else memory_owner(array)
        noted = changes.found.get(id(owner))
        if noted is not None and noted[0] > op.serial and noted[2]() is owner:
            return True
    return False


def in_forward(history: History) -> Origin | None:
    """What made the inf or nan of a tensor's data, which has one; None if nothing is known."""
    index, is_nan = first_bad(history.tensor._data)
    return _origin_of(history, history.root, index, is_nan)


def _origin_of(history: History, node: Node, index: Index, is_nan: bool) -> Origin | None:
    """What made an element of the result of a node inf or nan; None if nothing is known."""
    search = _Search(history, Values(history))
    search.seek(_Target(node, 0, index, is_nan))
    with undisturbed():
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
                found = causes(partial(self._part, op, target.which), inputs, target.index)
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
            "op", op, None, at, float(np.asarray(part)[at]), inputs, part, None, target.path(), then
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
            path = (op, *target.path())
            found_at = Origin(kind, op, position, index, number, inputs, part, path=path)
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
                    path = (op, *target.path())
                    self.shown.append(Origin(kind, op, k, index, number, inputs, path=path))
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
            if not history.children(node):
                return  # the loss itself
            self.origins.append(
                Origin("sum", node, None, at, float(gradient[at]), (), path=target.path())
            )

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
                with undisturbed():
                    found = causes(run, gradients, index)
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
        number = float(given[index]) if kind == "op" else np.inf
        known = self.history.inputs(op)
        value = self.history.value(op)
        self.origins.append(
            Origin(
                kind, op, position, index, number, known, value, self.history.gradient(op),
                path=(*_until(target),),
            )
        )  # fmt: skip


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

    with undisturbed():
        found = causes(run, inputs, made.index)
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


def _until(target: _Target) -> list[Node]:
    """The ops that a gradient then passes, towards the leaf."""
    found: list[Node] = []
    step: _Target | None = target
    while step is not None:
        if not found or found[-1] is not step.node:
            found.append(step.node)
        step = step.after
    return found


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
