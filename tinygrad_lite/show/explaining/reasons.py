"""Why a gradient is zero, tiny, huge or not finite: the path, and the step that made it so."""

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ...engine.graph import Array, Node, Output
from ..finiteness.nonfinite import trace_nan
from ..formulas.symbols import Symbols
from ..graph.history import History
from ..graph.recomputing import Recomputation
from ..graph.work import ELEMENTWISE
from ..outline.summaries import largest
from ..outline.wording import line_text, number_text
from .factors import Passage, is_equal_along, why_changed, why_zero
from .steps import Steps

HUGE = 1e4  # sizes of a gradient's largest element about which something is said
TINY = 1e-8
SMALL = 1e-4  # sizes up to which a gradient may be what rounding left of 0
MOST_CAUSES = 3  # for one gradient
MAIN_SHARE = 0.6  # of the whole change (its logarithm) that makes one step the cause
ALONE = 3  # steps of one kind about which their mean is said


class Reasons:
    """Finds the reasons in one graph.

    leading  the nodes that depend on one of the targets
    """

    def __init__(self, history: History, symbols: Symbols, recomputed: Recomputation) -> None:
        self.history, self.symbols, self.recomputed = history, symbols, recomputed
        self.steps = Steps(history, symbols)

    def of(self, targets: Sequence[Node], asked: bool) -> list[str]:
        """A sentence for each gradient that needs one; those with the same reason share it.

        asked  whether the user asked about these, so that it matters that some elements are 0
        """
        found: dict[str, list[str]] = {}
        for node in targets:
            reason = self._of(node, asked)
            if reason:
                found.setdefault(reason, []).append(self.symbols.name(node))
        return [
            f"The derivative with respect to {listed(names)} {reason}"
            for reason, names in found.items()
        ]

    def _of(self, node: Node, asked: bool) -> str:
        gradient = self.history.gradient(node)
        if not isinstance(gradient, np.ndarray) or not gradient.size or node is self.history.root:
            return ""
        if not np.isfinite(gradient).all():
            return self._not_finite(gradient)
        size = largest(gradient)
        if size == 0:
            return f"is 0 everywhere: {self._zero(node)}."
        cancels = self._cancels(node) if size <= SMALL else ""
        if cancels:
            return f"is 0 except for rounding (at most {number_text(size)}): {cancels}."
        if size >= HUGE or size <= TINY:
            return self._size(node, size)
        return self._partly_zero(node, gradient) if asked else ""

    def _cancels(self, target: Node) -> str:
        """The step in which what arrives cancels, except for rounding; "" if there is none."""
        before: Node | None = None
        for node, part, factor in self._strongest(target):
            kind, arriving = type(node).__name__, self.history.gradient(node)
            if isinstance(arriving, tuple) and kind in BIASED:
                arriving = arriving[0]
            if isinstance(arriving, np.ndarray) and arriving.size:
                rounding = 100 * float(np.finfo(arriving.dtype).eps)
                axes = tuple(getattr(node, "axes", ()))
                if kind == "Softmax" and is_equal_along(arriving, axes, rounding):
                    return f"in {self.where(node)}, {why_zero(self.passage(node, part))}"
                if kind in ("LogSoftmax", "Centre") and factor < rounding:
                    return f"{self.where(node)} {_SHIFTS[kind]}"
                bias = kind in BIASED and node.parents.index(part.parent) == 2
                if bias or (kind in ("Add", "Sub") and part.summed):
                    channel = BIASED.get(kind, -1) % arriving.ndim
                    axes = part.summed or tuple(k for k in range(arriving.ndim) if k != channel)
                    whole = largest(np.abs(arriving).sum(axis=axes, dtype=np.float64))
                    if largest(part.value) <= rounding * whole:
                        shift = _SHIFTS.get(type(before).__name__)
                        why = f", since {self.where(before)} {shift}" if before and shift else ""
                        return f"in {self.where(node)}, the elements that are added up cancel{why}"
            before = node
        return ""

    def _partly_zero(self, target: Node, gradient: Array) -> str:
        """Which steps let only some elements through, if some elements of a gradient are 0.

        Looked at are the steps from the target on, up to the first that mixes elements: further on
        it would not be known which elements of the target a zero belongs to.
        """
        zeros = gradient.size - int(np.count_nonzero(gradient))
        whole = f"is 0 for {zeros:,} of {gradient.size:,} elements"
        gates: list[str] = []
        for node, part, _ in self._strongest(target)[::-1] if zeros else ():
            kind, arriving = type(node).__name__, self.history.gradient(node)
            if kind in ("Matmul", "Linear") and part.parent is target:
                return f"{whole}: {why}." if (why := self._idle(node, part, gradient)) else ""
            apart = kind in _GATES or kind in _MOVERS or type(node) in ELEMENTWISE
            if part.summed or not apart:
                break
            passed = int(np.count_nonzero(part.value))
            came = int(np.count_nonzero(arriving)) if isinstance(arriving, np.ndarray) else 0
            total = came if np.shape(arriving) == part.value.shape else part.value.size
            if kind in _GATES and passed < total:
                gates.append(f"{self.where(node)} passes {passed:,} of {total:,} elements")
            if kind == "Getitem" and passed < part.value.size:
                gates.append(
                    f"{self.where(node)} reads {passed:,} of {part.value.size:,} elements whose "
                    "derivative is not 0"
                )
        return f"{whole}: {'; '.join(gates[:MOST_CAUSES])}." if gates else ""

    def _idle(self, node: Node, part: Any, gradient: Array) -> str:
        """Why elements of a matrix of weights get nothing; "" if that is not all of the reason."""
        passage = self.passage(node, part)
        x, arriving = passage.input(0), passage.arriving
        if passage.position != 1 or x is None or arriving is None or min(x.ndim, gradient.ndim) < 2:
            return ""
        used = x.reshape(-1, x.shape[-1]).any(axis=0)
        reached = arriving.reshape(-1, arriving.shape[-1]).any(axis=0)
        alive = np.outer(reached, used) if getattr(node, "transposed", False) else None
        alive = np.outer(used, reached) if alive is None else alive
        if alive.shape != gradient.shape or not np.array_equal(alive, gradient != 0):
            return ""
        inputs, units = used.size - int(used.sum()), reached.size - int(reached.sum())
        reasons = []
        if inputs:
            reasons.append(f"{inputs:,} of {used.size:,} inputs are 0 in every sample")
        if units:
            reasons.append(f"no gradient arrives at {units:,} of {reached.size:,} units")
        return f"at {self.where(node)}, {' and '.join(reasons)}" if reasons else ""

    # Not finite

    def _not_finite(self, gradient: Array) -> str:
        nans = int(np.count_nonzero(np.isnan(gradient)))
        infinite = int(np.count_nonzero(np.isinf(gradient)))
        counts = [f"{n:,} nan" for n in [nans] if n] + [f"{n:,} infinite" for n in [infinite] if n]
        found = trace_nan(self.history.tensor, self.symbols.names.tensors).summary()
        return f"has {' and '.join(counts)} of {gradient.size:,} elements: {found}"

    # Zero

    def _zero(self, target: Node) -> str:
        """Why nothing arrives: each step where a gradient stops, or where paths cancel."""
        leading = self.leading_to(target)
        causes, cancels = [], []
        for node in reversed(self.history.order):
            if node not in leading:
                continue
            arriving = self.history.gradient(node)
            if isinstance(arriving, np.ndarray) and not arriving.any():
                parts = self._by_step(node)
                if len(parts) > 1 and any(part.any() for part in parts):
                    cancels.append(node)
                continue
            if isinstance(node, Output) or not _any(arriving) or not self._may_stop(node):
                continue
            for part in self.steps.parts(node, formulas=False):
                stops = part.value is not None and part.value.size and not part.value.any()
                if part.parent in leading and stops:
                    causes.append(self._stop(node, part, leading))
        causes = list(dict.fromkeys(causes))
        for node in cancels:
            sizes = [number_text(largest(part)) for part in self._by_step(node)]
            causes.append(
                f"what comes back to {self.symbols.name(node)} on {len(sizes)} paths cancels: "
                f"{_sizes(sizes)}, and their sum is 0"
            )
        if not causes:
            empty = [node for node in self.history.order if node in leading and not _size(node)]
            return f"{self.symbols.name(empty[0])} has no elements" if empty else "nothing arrives"
        more = f"; and {len(causes) - MOST_CAUSES} more" if len(causes) > MOST_CAUSES else ""
        return "; and ".join(causes[:MOST_CAUSES]) + more

    def _by_step(self, node: Node) -> list[Array]:
        """What each step that uses a value gives it."""
        found: dict[Node, Array] = {}
        for child, _, part in self.history.arrivals(node):
            found[child] = found[child] + part if child in found else part
        return list(found.values())

    def _may_stop(self, node: Node) -> bool:
        """Whether a step may give one of its inputs nothing: a quick look."""
        pulled = self.history.pulled(node) or ()
        if len(set(node.parents)) < len(node.parents):
            return True  # what it gives the same input twice may cancel
        return any(
            isinstance(given, np.ndarray) and (given.shape != parent.out_shape or not given.any())
            for parent, given in zip(node.parents, pulled, strict=False)
            if parent is not None
        )

    def _stop(self, node: Node, part: Any, leading: set[Node]) -> str:
        passage = self.passage(node, part)
        if passage.kind in _MOVERS:
            gate = self._gate_above(node)
            if gate is not None:
                return (
                    f"it stops before {self.where(node)}: nothing comes back to this part of it "
                    f"from {self.where(gate)}, which passes a gradient to other elements only"
                )
        return f"it stops at {self.where(node)}: {why_zero(passage)}"

    def _gate_above(self, node: Node) -> Node | None:
        """The next step towards the result that gives some elements of an input nothing."""
        while True:
            children = self.history.children(node)
            if len(children) != 1:
                return None
            node = children[0][0]
            arriving = self.history.gradient(node)
            for part in self.steps.parts(node, formulas=False):
                if part.value is not None and part.value.size and not part.value.all():
                    whole = not isinstance(arriving, np.ndarray) or arriving.all()
                    return node if whole else None

    def passage(self, node: Node, part: Any) -> Passage:
        """One step on the way back to the input of a part."""
        position = node.parents.index(part.parent)
        arriving = self.history.gradient(node)
        inputs = list(self.history.inputs(node))
        for k, parent in enumerate(node.parents):
            if parent is not None and inputs[k] is None:
                inputs[k] = self.recomputed.value(parent)
        value = self.recomputed.value(node)
        return Passage(
            node=node,
            arriving=arriving if isinstance(arriving, np.ndarray) else None,
            given=part.value,
            position=position,
            inputs=tuple(inputs),
            names=self.steps.names(node),
            result=value if isinstance(value, np.ndarray) else None,
            summed=bool(part.summed),
            cancels=bool(part.summed) and self._is_given(node, part.parent),
        )

    def _is_given(self, node: Node, parent: Node) -> bool:
        """Whether a rule gives an input something that is not 0, before a broadcast is undone."""
        pulled = self.history.pulled(node) or ()
        return any(
            isinstance(given, np.ndarray) and given.any()
            for one, given in zip(node.parents, pulled, strict=False)
            if one is parent
        )

    # Huge and tiny

    def _size(self, target: Node, size: float) -> str:
        """Where a gradient grew or shrank on its way."""
        way = self._strongest(target)
        start = largest(self.history.gradient(self.history.root))
        word = "huge" if size >= HUGE else "tiny"
        logs = {node: float(np.log(factor)) for node, _, factor in way if factor > 0}
        total = float(np.log(size / start))
        whole = (
            f"is {word}: its largest element is {number_text(size)}.  From "
            f"{self.symbols.name(self.history.root)} back, {len(way)} steps multiply it by "
            f"{number_text(size / start)}"
        )
        ranked = sorted(way, key=lambda one: -logs.get(one[0], 0.0) * np.sign(total))
        main = [one for one in ranked[:1] if logs.get(one[0], 0.0) / total >= MAIN_SHARE]
        if main:
            node, part, factor = main[0]
            return f"{whole}: {self.where(node)} {why_changed(self.passage(node, part), factor)}."
        sentences = [f"{whole}, by about {number_text(np.exp(total / len(way)))} each"]
        kinds = Counter(type(node).__name__ for node in logs)
        pull = {
            kind: sum(log for node, log in logs.items() if type(node).__name__ == kind)
            for kind in kinds
        }
        kind = max(pull, key=lambda one: pull[one] * np.sign(total))
        if kinds[kind] >= ALONE:
            each = float(np.exp(pull[kind] / kinds[kind]))
            sentences.append(
                f"{kinds[kind]} steps {kind.lower()} multiply it by {number_text(each)} each, on "
                "average, and factors multiply over a deep chain"
            )
        node, part, factor = ranked[0]
        strongest = why_changed(self.passage(node, part), factor)
        sentences.append(f"the strongest of them, {self.where(node)}, {strongest}")
        return "; ".join(sentences) + "."

    def _strongest(self, target: Node) -> list[tuple[Node, Any, float]]:
        """The way from the result to a node by which most arrives: step, part, and its factor."""
        way, node = [], target
        while node is not self.history.root:
            arrivals = self.history.arrivals(node)
            if not arrivals:
                break
            child = max(arrivals, key=lambda one: _size_of(one[2]))[0]
            if not isinstance(child, Output):
                part = next(
                    part for part in self.steps.parts(child, formulas=False) if part.parent is node
                )
                before = _size_of(self.history.gradient(child))
                after = _size_of(part.value)
                way.append((child, part, after / before if before else 0.0))
            node = child
        return way[::-1]

    # Helpers

    def leading_to(self, target: Node) -> set[Node]:
        """The target and what was computed from it."""
        leading = {target}
        for node in self.history.order:
            if any(parent in leading for parent in node.parents if parent is not None):
                leading.add(node)
        return leading

    def where(self, node: Node) -> str:
        """A step, by its op, its number and its line."""
        line, call = self.history.line(node), self.history.call(node)
        parts = [f"step {self.symbols.numbers[node]}"]
        parts += [line_text(line)] if line else []
        parts += [str(call.path)] if call is not None else []
        function = getattr(node, "function", None)  # of a Step, such as floor
        name = getattr(function, "__name__", type(node).__name__.lower())
        return f"{name} ({', '.join(parts)})"


# Steps that do not change if the same number is added to all elements of their input.
_SHIFTS = {
    "LogSoftmax": "does not change if the same is added to all its inputs: what arrives cancels",
    "Centre": "subtracts the mean: what arrives cancels",
    "Softmax": "does not change if the same is added to all its inputs",
    "BatchNorm": "subtracts the mean over the batch, so a shift of all samples has no effect",
    "CrossEntropy": "does not change if the same is added to all scores of a sample",
}
# Ops with a bias, which is their third input, and its axis.
BIASED = {"Linear": -1, "Conv": 1, "BatchNorm": 1, "GroupNorm": 1, "LayerNormAffine": -1}
# Steps that give some elements of an input their gradient, and others nothing.
_GATES = {
    "Relu", "Clip", "Where", "Mask", "Max", "Min", "Maximum", "Minimum", "MaxPool", "Step",
    "Sigmoid", "Tanh",
}  # fmt: skip
# Steps that only move elements: what they give one input is what arrives at its elements.
_MOVERS = {
    "Concatenate", "Getitem", "Setitem", "Reshape", "Permute", "Pad", "Unfold", "Split", "Unstack",
    "Diagonal", "ScatterAdd", "SlidingWindows",
}  # fmt: skip


def _sizes(sizes: Sequence[str]) -> str:
    """How large what comes back on some paths is."""
    if len(set(sizes)) == 1:
        return f"each is up to {sizes[0]}"
    shown = sizes if len(sizes) <= MOST_CAUSES else sizes[:MOST_CAUSES]
    more = "" if len(shown) == len(sizes) else ", ..."
    return f"they are up to {', '.join(shown)}{more}"


def _any(gradient: Any) -> bool:
    """Whether a gradient, or one of several, is not 0 somewhere."""
    if isinstance(gradient, tuple):
        return any(map(_any, gradient))
    return isinstance(gradient, np.ndarray) and bool(gradient.any())


def _size(node: Node) -> int:
    """The number of elements of what a node made; 1 if it made several arrays."""
    return prod(node.out_shape)


def _size_of(value: Any) -> float:
    """The largest size of an element; of several gradients, of any of them."""
    if isinstance(value, tuple):
        return max((_size_of(one) for one in value), default=0.0)
    return 0.0 if value is None else largest(value)


def listed(words: Sequence[str], most: int = 6) -> str:
    """Words in a sentence: a, b and c."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
