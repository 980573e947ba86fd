"""The gradients of a recorded graph, compared with finite differences of the graph itself.

The graph is computed again in float64, which is honest only where every input of every step is
known, and where the steps give the recorded result again; otherwise the outcome says why not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ...arrays.generator import new_generator
from ...check.differences import SHRINK, STEP, Differences, GradientError, Subject, at
from ...engine.graph import Array, Node
from ...tensor import Tensor
from ..graph.history import ASK, History
from ..graph.recomputing import STEP_COST, Recomputation, Unknown
from ..outline.summaries import largest
from ..outline.wording import number_text

MOST_COST = 3e9  # floating-point operations, about, in all evaluations together
MOST_NODES = 8  # nodes whose gradients are compared
ELEMENTS = 2  # of each, one by one; and then all at once
EVALUATIONS = 2 * ELEMENTS + 4


@dataclass(slots=True)
class Row:
    """One comparison: `element` is an index as "[0, 2]", "" for a number."""

    node: Node
    element: str
    difference: float
    gradient: float
    verdict: str


@dataclass(slots=True)
class Outcome:
    """What finite differences say about some gradients.

    not_checked  why nothing was compared; "" if something was
    left         how many of the nodes were not compared, since it would take long
    """

    rows: list[Row] = field(default_factory=list)
    not_checked: str = ""
    left: int = 0

    @property
    def agrees(self) -> bool:
        """Whether every comparison did."""
        return all(row.verdict == AGREES for row in self.rows)


AGREES = "agrees"
DIFFERS = "DIFFERS"


def compared(history: History, recomputed: Recomputation, nodes: Sequence[Node]) -> Outcome:
    """The gradients of some nodes, compared with finite differences."""
    gradients = [(node, history.gradient(node)) for node in nodes if node is not history.root]
    if not gradients:
        return Outcome(not_checked="the result is the input itself")
    known = [(n, g) for n, g in gradients if isinstance(g, np.ndarray) and g.size]
    if not known:
        empty = any(isinstance(g, np.ndarray) for _, g in gradients)
        why = "there are no elements" if empty else f"no derivative is known; {ASK}"
        return Outcome(not_checked=why)
    start, value = history.gradient(history.root), history.tensor._data
    if not isinstance(start, np.ndarray) or (start != 1).any():
        return Outcome(not_checked="the backward pass did not begin with 1")
    if not np.isfinite(value).all():
        return Outcome(not_checked="the result is not finite")
    if len(history.order) * STEP_COST * EVALUATIONS > MOST_COST:
        return Outcome(not_checked="the graph is so long that computing it again would take long")
    outcome, total, rounding = Outcome(), 0.0, _rounding(history)
    try:
        for node, gradient in known:
            if not np.isfinite(gradient).all():
                continue
            cost = EVALUATIONS * recomputed.cost(history.root, [node])
            if total + cost > MOST_COST or len(outcome.rows) >= MOST_NODES * (ELEMENTS + 1):
                outcome.left += 1
                continue
            total += cost
            outcome.rows += _rows(history, recomputed, node, gradient, rounding)
    except (Unknown, GradientError) as error:
        return Outcome(not_checked=str(error).removeprefix("explain: "))
    if not outcome.rows:
        why = "computing it again would take long" if outcome.left else "no derivative is finite"
        return Outcome(not_checked=why)
    return outcome


def _rows(
    history: History, recomputed: Recomputation, node: Node, gradient: Array, rounding: float
) -> list[Row]:
    """Comparisons for one node: its largest element, another one, and all at once.

    Finite differences are compared with the rules in float64, and these with the gradient, in which
    rounding may have left an error.
    """
    function = recomputed.function(history.root, [node])
    point = recomputed.value(node)
    if point is None:
        raise Unknown("a parameter no longer exists")

    def total(tensor: Tensor) -> Tensor:
        return Tensor(np.asarray(function([tensor.data])).sum())

    subject = Subject("explain", "", total, [_double(point)], [0], ["it"], "result")
    _refuse_another_result(history, function([_double(point)]), function([_double(point)]))
    around = Differences(subject, subject.values(subject.point), STEP)
    exact = recomputed.gradient(history.root, node)
    flat = gradient.reshape(-1).astype(np.float64)
    exact = flat if exact is None else exact.reshape(-1)
    rng = new_generator(0)
    rows = []
    for element in dict.fromkeys([int(np.abs(flat).argmax()), int(rng.integers(flat.size))]):
        which, slope = np.array([element]), float(exact[element])
        difference, found = _nearest(partial(_slope, around, which), slope, around.scale)
        if found == AGREES and abs(flat[element] - slope) > 1e-2 * abs(slope) + rounding:
            found = DIFFERS
        if found == DIFFERS and around.kinks(0, which, *around.slopes(0, which)).any():
            found = "a kink lies here"
        rows.append(Row(node, at("", gradient.shape, element), difference, flat[element], found))
    length = float(np.linalg.norm(exact))
    if flat.size > 2 and length:
        direction = exact / length * rng.uniform(0.5, 1.5, flat.size)
        slope = float(exact @ direction)
        difference, found = _nearest(partial(_along, around, direction), slope, around.scale)
        rows.append(Row(node, ", all at once", difference, float(flat @ direction), found))
    return rows


def _nearest(
    differences: Callable[[float], float], slope: float, scale: float
) -> tuple[float, str]:
    """A finite difference and its verdict; the steps shrink until it agrees, if it does.

    A difference tends to the derivative as the step shrinks, but for rounding, which grows.
    """
    first, finite = 0.0, False
    for shrink in (1.0, SHRINK, SHRINK**2, SHRINK**3):
        difference = differences(shrink)
        error = 1e-3 * max(abs(difference), abs(slope)) + 1e-9 * scale * shrink
        if abs(difference - slope) <= error:
            return difference, AGREES
        if np.isfinite(difference) and not finite:
            first, finite = difference, True
    return (first, DIFFERS) if finite else (np.nan, "not finite near by")


def _slope(around: Differences, which: Array, shrink: float) -> float:
    """The central difference of one element."""
    right, left = around.slopes(0, which, shrink)
    return float((right + left)[0, 0] / 2)


def _along(around: Differences, direction: Array, shrink: float) -> float:
    """The slope of the function along a direction."""
    every = np.arange(direction.size)
    h = around.step / shrink * max(1.0, largest(around.subject.point[0]))
    up, down = (float(around.moved(0, every, sign * h * direction)[0]) for sign in (1, -1))
    return (up - down) / (2 * h)


def _rounding(history: History) -> float:
    """The error that rounding may have left in a gradient, where larger ones cancelled."""
    sizes, coarsest = [0.0], 0.0
    for node in history.order:
        gradient = history.gradient(node)
        if isinstance(gradient, np.ndarray):
            sizes.append(largest(gradient))
            coarsest = max(coarsest, float(np.finfo(gradient.dtype).eps))
    return 1e3 * coarsest * max(sizes)


def _refuse_another_result(history: History, once: Array, again: Array) -> None:
    """Raise Unknown unless computing the graph again gives what was recorded."""
    recorded = history.tensor._data
    if not np.array_equal(once, again):
        raise Unknown("a step gives another value each time it is computed")
    error = 1e4 * float(np.finfo(recorded.dtype).eps)
    near = np.abs(once - recorded) <= error * np.maximum(1.0, np.abs(recorded))
    if once.shape != recorded.shape or not near.all():
        found, was = (number_text(np.sum(value, dtype=np.float64)) for value in (once, recorded))
        raise Unknown(
            f"computed again, the result is {found}, and it was {was}: a parameter or constant "
            "has changed since"
        )


def _double(value: Array) -> Array:
    return np.asarray(value).astype(np.float64)
