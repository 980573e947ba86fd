"""What one step does to a gradient on its way to one input: why it stops it, or makes it large.

Each sentence is checked against the values before it is said; where they do not bear it out, or
are not known, only the plain fact remains.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.function import Function
from ...engine.graph import Array, Node
from ..finiteness.repairs import is_elementwise
from ..graph.work import ELEMENTWISE
from ..outline.summaries import largest
from ..outline.wording import number_text

UNDERFLOW = 1e-30  # a gradient so small that its products may vanish in float32


@dataclass(slots=True)
class Passage:
    """One step on the way back to one of its inputs.

    arriving  the gradient of the step's result; None if there are several results
    given     what the step gives the input
    position  of the input
    inputs    values of all inputs, None where unknown
    names     of the inputs
    result    the value of the step; None if unknown
    summed    whether the gradient was summed, since the input was broadcast
    cancels   whether the gradient is 0 only since the input was broadcast, and its elements were
              added up
    """

    node: Node
    arriving: Any
    given: Array
    position: int
    inputs: tuple[Any, ...]
    names: list[str]
    result: Any
    summed: bool
    cancels: bool

    @property
    def kind(self) -> str:
        """The name of the op."""
        return type(self.node).__name__

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which the step works, if it says so."""
        return tuple(getattr(self.node, "axes", ()))

    @property
    def live(self) -> Any:
        """Where the arriving gradient is not 0; True if there are several results."""
        return self.arriving != 0 if isinstance(self.arriving, np.ndarray) else np.True_

    @property
    def count(self) -> int:
        """How many elements of the arriving gradient are not 0."""
        return int(np.count_nonzero(self.live))

    def input(self, position: int) -> Any:
        """The value of an input as an array; None if unknown."""
        value = self.inputs[position] if position < len(self.inputs) else None
        return None if value is None else np.asarray(value)

    def holds(self, where: Any) -> bool:
        """Whether a condition on the result's elements holds wherever a gradient arrives."""
        try:
            return bool(np.all(np.broadcast_to(where, np.shape(self.live))[self.live]))
        except ValueError:  # not elementwise
            return False


def all_of(count: int) -> str:
    """How many elements a sentence is about."""
    return "the only element" if count == 1 else f"all {count:,} elements"


def why_zero(p: Passage) -> str:
    """Why the step gives its input nothing, though a gradient arrives."""
    if p.cancels or (p.kind in ("Linear", "Conv") and p.position == 2):
        return "the elements that are added up cancel each other"
    found = _ZERO.get(p.kind)
    reason = found(p) if found is not None else ""
    if reason:
        return reason
    if isinstance(p.node, Function):
        return f"the backward of {p.kind} returns 0"
    if not isinstance(p.arriving, np.ndarray):
        return "its rule makes 0 of what arrives"
    if largest(p.arriving) < UNDERFLOW:
        most = number_text(largest(p.arriving))
        return f"what arrives is at most {most}, and the product underflows to 0"
    if not is_elementwise(p.node) and type(p.node) not in ELEMENTWISE:  # elements may cancel
        return "its rule makes 0 of what arrives"
    return f"its derivative is 0 at {all_of(p.count)} at which a gradient arrives"


def _relu(p: Passage) -> str:
    if p.result is None or not p.holds(p.result <= 0):
        return ""
    x = p.input(0)
    most = f" (the largest is {number_text(x.max())})" if x is not None and x.size else ""
    return (
        f"it passes 0 of {np.size(p.result):,} elements: its input is nowhere above 0{most}, and "
        "there its result is 0, whatever the input: a dead relu"
        if not (p.result > 0).any()
        else f"it passes none of the {p.count:,} elements at which a gradient arrives: their "
        "inputs are not above 0"
    )


def _sigmoid(p: Passage) -> str:
    y = p.result
    ends = (0, 1) if p.kind == "Sigmoid" else (-1, 1)
    if y is None or not p.holds((y == ends[0]) | (y == ends[1])):
        return ""
    x = p.input(0)
    where = f" (the input is {_range(x)})" if x is not None and x.size else ""
    slope = "y (1 - y)" if p.kind == "Sigmoid" else "1 - y^2"
    return (
        f"it is saturated: its results are exactly {ends[0]} or {ends[1]} in {y.dtype}{where}, "
        f"where the slope {slope} is 0"
    )


def _clip(p: Passage) -> str:
    x, low, high = p.input(0), p.input(1), p.input(2)
    if p.position != 0:
        return f"no element lies {'below' if p.position == 1 else 'above'} this bound"
    if x is None:
        return ""
    below = np.False_ if low is None else x < low
    above = np.False_ if high is None else x > high
    if not p.holds(below | above):
        return ""
    lies = "lies" if p.count == 1 else "lie"
    return (
        f"{all_of(p.count)} {lies} outside its bounds (the input is {_range(x)}), where the result "
        "is the bound, whatever the input"
    )


def _where(p: Passage) -> str:
    condition = getattr(p.node, "condition", None)
    taken = condition if p.position == 0 else ~np.asarray(condition)
    if not p.holds(~np.asarray(taken)):
        return ""
    word = "False" if p.position == 0 else "True"
    return f"it takes the other branch at {all_of(p.count)}: the condition is {word} there"


def _mask(p: Passage) -> str:
    mask = np.asarray(getattr(p.node, "mask", 1))
    return f"its mask sets {all_of(p.count)} to 0" if p.holds(mask <= 0) else ""


def _choice(p: Passage) -> str:
    other = p.names[1 - p.position]
    which = "larger" if p.kind == "Maximum" else "smaller"
    return f"{other} is the {which} one at {all_of(p.count)}, so only {other} has an influence"


def _step(p: Passage) -> str:
    name = getattr(getattr(p.node, "function", None), "__name__", "it")
    return f"{name} is constant between its jumps, so its derivative is 0"


def _mul(p: Passage) -> str:
    if p.node.parents[0] is p.node.parents[1]:
        return f"a square has the derivative 2 {p.names[0]}, and {p.names[0]} is 0"
    other = p.input(1 - p.position)
    if other is None or not p.holds(other == 0):
        return ""
    where = "" if other.ndim == 0 or not other.any() else f" at {all_of(p.count)} that count"
    return f"it multiplies by {p.names[1 - p.position]}, which is 0{where}"


def _sub(p: Passage) -> str:
    same = p.node.parents[0] is p.node.parents[1]
    return f"it subtracts {p.names[0]} from itself, which is 0, whatever it is" if same else ""


def _div(p: Passage) -> str:
    if p.position == 1:
        a = p.input(0)
        return f"{p.names[0]} is 0" if a is not None and p.holds(a == 0) else ""
    b = p.input(1)
    if b is None or not p.holds(np.isinf(b)):
        return ""
    return f"it divides by {p.names[1]}, which is infinite"


def _pow(p: Passage) -> str:
    base, exponent = p.input(0), p.input(1)
    if exponent is not None and p.position == 0 and p.holds(exponent == 0):
        return "the exponent is 0, so the result is 1, whatever the base"
    if base is not None and p.position == 0 and p.holds(base == 0):
        return f"{p.names[0]} is 0, where the derivative of this power is 0"
    return ""


def _product(p: Passage) -> str:
    if p.position > 1:
        return ""
    other = p.input(1 - p.position)
    if other is None:
        return ""
    if not other.any():
        return f"it multiplies by {p.names[1 - p.position]}, which is 0 everywhere"
    return f"the elements of {p.names[1 - p.position]} that it meets are 0, or the products cancel"


def _softmax(p: Passage) -> str:
    axes = getattr(p.node, "axes", ())
    shape = p.node.out_shape
    if axes and all(shape[axis] == 1 for axis in axes):
        return "it is taken over a single element, so its result never changes"
    g = p.arriving
    if p.kind == "Softmax" and isinstance(g, np.ndarray) and is_equal_along(g, axes):
        return (
            "its results always sum to 1, and the same derivative arrives at all of them, so what "
            "one gains the others lose"
        )
    if p.result is not None and p.kind == "Softmax" and p.holds((p.result == 0) | (p.result == 1)):
        return "it is saturated: its results are exactly 0 and 1"
    return ""


def _cross_entropy(p: Passage) -> str:
    if p.node.parents[0] is not None and p.node.parents[0].out_shape[1] == 1:
        return "there is a single class, whose probability is always 1"
    return (
        "the probability of the true class is exactly 1 for every sample, so the loss can get no "
        "smaller"
    )


def _centred(p: Passage) -> str:
    if isinstance(p.arriving, np.ndarray) and is_equal_along(
        p.arriving, getattr(p.node, "axes", ())
    ):
        return "it subtracts the mean, and the same derivative arrives everywhere, so it cancels"
    return ""


def _normalised(p: Passage) -> str:
    if p.position == 2:
        return "the elements that are added up cancel each other"
    if p.position == 1:
        return "what arrives times the normalised input adds up to 0"
    weight = p.input(1)
    if weight is not None and not weight.any():
        return f"it multiplies by {p.names[1]}, which is 0 everywhere"
    return (
        "it subtracts the mean and divides by the standard deviation, and only a change of these "
        "arrives, which has no influence"
    )


def _setitem(p: Passage) -> str:
    if p.position == 0:
        return f"it writes over {all_of(p.count)} at which a gradient arrives"
    return "at the elements that it writes no gradient arrives, or what arrives cancels"


def _norm(p: Passage) -> str:
    zero = p.result is not None and p.holds(p.result == 0)
    return "the norm is 0, where its gradient is taken to be 0" if zero else ""


def _exp(p: Passage) -> str:
    return "exp underflows to 0" if p.result is not None and p.holds(p.result == 0) else ""


def _cast(p: Passage) -> str:
    given = p.given.dtype
    return f"what arrives is too small for {given}"


def is_equal_along(g: Array, axes: tuple[int, ...], error: float = 1e-6) -> bool:
    """Whether a gradient is the same along some axes, except for rounding."""
    spread = np.ptp(g, axis=tuple(axes)) if axes else np.zeros(1)
    return bool(np.max(spread, initial=0) <= error * largest(g))


def _range(x: Array) -> str:
    low, high = number_text(x.min()), number_text(x.max())
    return low if low == high else f"{low} to {high}"


_ZERO = {
    "Relu": _relu, "Sigmoid": _sigmoid, "Tanh": _sigmoid, "Clip": _clip, "Where": _where,
    "Mask": _mask, "Maximum": _choice, "Minimum": _choice, "Step": _step, "Mul": _mul,
    "Sub": _sub, "Div": _div, "Pow": _pow, "Matmul": _product, "Linear": _product, "Conv": _product,
    "Softmax": _softmax, "LogSoftmax": _softmax, "CrossEntropy": _cross_entropy,
    "Centre": _centred, "Exp": _exp, "Cast": _cast, "BatchNorm": _normalised,
    "GroupNorm": _normalised, "LayerNormAffine": _normalised, "Norm": _norm,
    "Setitem": _setitem,
}  # fmt: skip


def why_changed(p: Passage, factor: float) -> str:
    """What the step multiplies the gradient by, and why that is so large or small."""
    plain = f"multiplies it by {number_text(factor)}"
    found = _SIZE.get(p.kind)
    reason = found(p) if found is not None else ""
    if not reason and p.summed and factor > 1:
        reason = "the parts of all elements to which it was broadcast are added up"
    return f"{plain}: {reason}" if reason else plain


def _by_quotient(p: Passage) -> str:
    b = p.input(1)
    if b is None or not b.size:
        return ""
    return f"it divides by {p.names[1]}, whose elements are as small as {number_text(_smallest(b))}"


def _by_log(p: Passage) -> str:
    x = p.input(0)
    if x is None or not x.size:
        return ""
    return f"the derivative of log is 1 / x, and x is as small as {number_text(_smallest(x))}"


def _by_sqrt(p: Passage) -> str:
    if p.result is None or not np.size(p.result):
        return ""
    least = number_text(_smallest(p.result))
    return f"the derivative of sqrt is 1 / (2 y), and y is as small as {least}"


def _by_exp(p: Passage) -> str:
    x = p.input(0)
    where = f" (exp of {_range(x)})" if x is not None and x.size else ""
    if p.result is None or not np.size(p.result):
        return ""
    return (
        f"exp is its own derivative, and here it is up to {number_text(largest(p.result))}{where}"
    )


def _by_factor(p: Passage) -> str:
    if p.node.parents[0] is p.node.parents[-1] and len(p.node.parents) == 2:
        x = p.input(0)
        if x is None:
            return ""
        return f"a square has the derivative 2 x, and x is up to {number_text(largest(x))}"
    other = p.input(1 - p.position) if p.position < 2 else None
    if other is None or not other.size:
        return ""
    name = p.names[1 - p.position]
    size = "" if other.ndim == 0 else f", with elements up to {number_text(largest(other))}"
    return f"its other factor is {name}{size}"


def _by_slope(p: Passage) -> str:
    y = p.result
    if y is None or not np.size(y):
        return ""
    slope = y * (1 - y) if p.kind == "Sigmoid" else 1 - y * y
    formula = "y (1 - y)" if p.kind == "Sigmoid" else "1 - y^2"
    return f"its slope {formula} is at most {number_text(np.max(slope))}"


def _by_bce(p: Passage) -> str:
    probability = p.input(0)
    if probability is None or not probability.size:
        return ""
    least = float(np.min(probability * (1 - probability)))
    return f"it divides by p (1 - p), which is as small as {number_text(least)}"


def _by_mean(p: Passage) -> str:
    return f"it divides by the number of elements, {getattr(p.node, 'count', 0):,}"


def _smallest(array: Array) -> float:
    return float(np.abs(array).min())


_SIZE = {
    "Div": _by_quotient, "Log": _by_log, "Sqrt": _by_sqrt, "Exp": _by_exp, "Mul": _by_factor,
    "Matmul": _by_factor, "Linear": _by_factor, "Conv": _by_factor, "Sigmoid": _by_slope,
    "Tanh": _by_slope, "BinaryCrossEntropy": _by_bce, "Mean": _by_mean,
}  # fmt: skip
