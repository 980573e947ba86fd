"""The gradients of a recorded graph, compared with finite differences of the graph itself.

The graph is computed again in float64, which is honest only where every input of every step is
known, and where the steps give the recorded result again; otherwise the outcome says why not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays.generator import new_generator
from ..check.differences import SHRINK, STEP, Differences, GradientError, Subject, at
from ..engine.graph import Array, Node
from ..ops.elementwise import Cast
from ..tensor import Tensor
from .figures import figure, largest
from .history import ASK, History
from .recomputing import STEP_WORK, Recomputation, Unknown

MOST_WORK = 2e9  # multiplications and additions, about, in all evaluations together
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
        return Outcome(not_checked=f"no derivative is known; {ASK}")
    start, value = history.gradient(history.root), history.tensor._data
    if not isinstance(start, np.ndarray) or (start != 1).any():
        return Outcome(not_checked="the backward pass did not begin with 1")
    if not np.isfinite(value).all():
        return Outcome(not_checked="the result is not finite")
    if len(history.order) * STEP_WORK * EVALUATIONS > MOST_WORK:
        return Outcome(not_checked="the graph is so long that computing it again would take long")
    outcome, work = Outcome(), 0.0
    try:
        for node, gradient in known:
            if not np.isfinite(gradient).all():
                continue
            cost = EVALUATIONS * recomputed.work(history.root, [node])
            if work + cost > MOST_WORK or len(outcome.rows) >= MOST_NODES * (ELEMENTS + 1):
                outcome.left += 1
                continue
            work += cost
            outcome.rows += _rows(history, recomputed, node, gradient)
    except (Unknown, GradientError) as error:
        return Outcome(not_checked=str(error).removeprefix("explain: "))
    if not outcome.rows:
        why = "computing it again would take long" if outcome.left else "no derivative is finite"
        return Outcome(not_checked=why)
    return outcome


def _rows(history: History, recomputed: Recomputation, node: Node, gradient: Array) -> list[Row]:
    """Comparisons for one node: its largest element, another one, and all at once."""
    function = recomputed.function(history.root, [node])
    point = recomputed.value(node)
    if point is None:
        raise Unknown("a parameter no longer exists")

    def total(tensor: Tensor) -> Tensor:
        return Tensor(np.asarray(function([tensor.data])).sum())

    subject = Subject("explain", "", total, [_double(point)], [0], ["it"], "result")
    _refuse_another_result(history, function([_double(point)]), function([_double(point)]))
    around = Differences(subject, subject.values(subject.point), STEP)
    flat = gradient.reshape(-1).astype(np.float64)
    precision = _precision(history, gradient)
    floor = 100 * precision * largest(gradient) + 1e-9 * around.scale

    def verdict(difference: float, slope: float) -> str:
        error = max(1e-3, 100 * precision) * max(abs(difference), abs(slope)) + floor
        return AGREES if abs(difference - slope) <= error else DIFFERS

    rng = new_generator(0)
    rows = []
    for element in dict.fromkeys([int(np.abs(flat).argmax()), int(rng.integers(flat.size))]):
        which = np.array([element])
        right, left = around.slopes(0, which)
        difference, slope = float((right + left)[0, 0] / 2), float(flat[element])
        found = verdict(difference, slope)
        if found == DIFFERS and around.kinks(0, which, right, left).any():
            found = "a kink lies here"
        rows.append(Row(node, at("", gradient.shape, element), difference, slope, found))
    length = float(np.linalg.norm(flat))
    if flat.size > 2 and length:
        direction = flat / length * rng.uniform(0.5, 1.5, flat.size)
        slope = float(flat @ direction)
        h = STEP * max(1.0, float(np.abs(point).max(initial=0.0)))
        difference = _along(around, direction, h)
        if verdict(difference, slope) == DIFFERS:  # a kink on the way?
            difference = _along(around, direction, h / SHRINK)
        row = Row(node, ", all at once", difference, slope, verdict(difference, slope))
        rows.append(row)
    return rows


def _along(around: Differences, direction: Array, h: float) -> float:
    """The slope of the function along a direction."""
    every = np.arange(direction.size)
    up, down = (float(around.moved(0, every, sign * h * direction)[0]) for sign in (1, -1))
    return (up - down) / (2 * h)


def _precision(history: History, gradient: Array) -> float:
    """The relative error that rounding may have left in a gradient."""
    dtypes = [gradient.dtype, history.tensor._data.dtype]
    dtypes += [np.dtype(node.dtype) for node in history.order if isinstance(node, Cast)]
    coarsest = max(float(np.finfo(dtype).eps) for dtype in dtypes if dtype.kind == "f")
    return coarsest * max(1.0, len(history.order) / 100)


def _refuse_another_result(history: History, once: Array, again: Array) -> None:
    """Raise Unknown unless computing the graph again gives what was recorded."""
    recorded = history.tensor._data
    if not np.array_equal(once, again):
        raise Unknown("a step gives another value each time it is computed")
    error = 1e4 * float(np.finfo(recorded.dtype).eps)
    near = np.abs(once - recorded) <= error * np.maximum(1.0, np.abs(recorded))
    if once.shape != recorded.shape or not near.all():
        found, was = (figure(np.sum(value, dtype=np.float64)) for value in (once, recorded))
        raise Unknown(
            f"computed again, the result is {found}, and it was {was}: a parameter or constant "
            "has changed since"
        )


def _double(value: Array) -> Array:
    return np.asarray(value).astype(np.float64)
