"""Why a gradient is zero, tiny, huge or not finite: the path, and the step that made it so."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.graph import Array, Node, Output
from .factors import Passage, why_changed, why_zero
from .figures import figure, largest
from .history import History
from .nonfinite import trace_nan
from .recomputing import Recomputation
from .steps import Steps
from .symbols import Symbols

HUGE = 1e4  # sizes of a gradient's largest element about which something is said
TINY = 1e-8
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

    def of(self, targets: Sequence[Node]) -> list[str]:
        """A sentence for each gradient that needs one; those with the same reason share it."""
        found: dict[str, list[str]] = {}
        for node in targets:
            reason = self._of(node)
            if reason:
                found.setdefault(reason, []).append(self.symbols.name(node))
        return [
            f"The derivative with respect to {listed(names)} {reason}"
            for reason, names in found.items()
        ]

    def _of(self, node: Node) -> str:
        gradient = self.history.gradient(node)
        if not isinstance(gradient, np.ndarray) or not gradient.size or node is self.history.root:
            return ""
        if not np.isfinite(gradient).all():
            return self._not_finite(gradient)
        size = largest(gradient)
        if size == 0:
            return f"is 0 everywhere: {self._zero(node)}."
        if size >= HUGE or size <= TINY:
            return self._size(node, size)
        return ""

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
                parts = [part for _, _, part in self.history.arrivals(node)]
                if len(parts) > 1 and any(part.any() for part in parts):
                    cancels.append(node)
                continue
            if isinstance(node, Output) or arriving is None:
                continue
            for part in self.steps.parts(node):
                stops = part.value is not None and part.value.size and not part.value.any()
                if part.parent in leading and stops:
                    causes.append(self._stop(node, part, leading))
        causes = list(dict.fromkeys(causes))
        for node in cancels:
            sizes = [figure(largest(part)) for _, _, part in self.history.arrivals(node)]
            causes.append(
                f"what comes back to {self.symbols.name(node)} on {len(sizes)} paths cancels: each "
                f"is up to {sizes[0]}, and their sum is 0"
            )
        if not causes:
            return "nothing arrives"
        more = f"; and {len(causes) - MOST_CAUSES} more" if len(causes) > MOST_CAUSES else ""
        return "; and ".join(causes[:MOST_CAUSES]) + more

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
            for part in self.steps.parts(node):
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
            f"is {word}: its largest element is {figure(size)}.  From "
            f"{self.symbols.name(self.history.root)} back, {len(way)} steps multiply it by "
            f"{figure(size / start)}"
        )
        ranked = sorted(way, key=lambda one: -logs.get(one[0], 0.0) * np.sign(total))
        main = [one for one in ranked[:1] if logs.get(one[0], 0.0) / total >= MAIN_SHARE]
        if main:
            node, part, factor = main[0]
            return f"{whole}: {self.where(node)} {why_changed(self.passage(node, part), factor)}."
        sentences = [f"{whole}, by about {figure(np.exp(total / len(way)))} each"]
        kinds = Counter(type(node).__name__ for node in logs)
        pull = {
            kind: sum(log for node, log in logs.items() if type(node).__name__ == kind)
            for kind in kinds
        }
        kind = max(pull, key=lambda one: pull[one] * np.sign(total))
        if kinds[kind] >= ALONE:
            each = float(np.exp(pull[kind] / kinds[kind]))
            sentences.append(
                f"{kinds[kind]} steps {kind.lower()} multiply it by {figure(each)} each, on "
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
                part = next(part for part in self.steps.parts(child) if part.parent is node)
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
        parts += [line.replace("\\", "/").rpartition("/")[2]] if line else []
        parts += [str(call.path)] if call is not None else []
        function = getattr(node, "function", None)  # of a Step, such as floor
        name = getattr(function, "__name__", type(node).__name__.lower())
        return f"{name} ({', '.join(parts)})"


# Steps that only move elements: what they give one input is what arrives at its elements.
_MOVERS = {
    "Concatenate", "Getitem", "Setitem", "Reshape", "Permute", "Pad", "Unfold", "Split", "Unstack",
    "Diagonal", "ScatterAdd", "SlidingWindows",
}  # fmt: skip


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
