"""What probably has to be changed where an inf or a nan was made: one sentence for each cause."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.function import Function, Primitive
from ...engine.graph import Leaf, Node
from ...ops.selection import Mask, Where
from ..graph.history import ASK, History
from .known_values import UNKNOWN
from .origins import Origin
from .replaying import Index, aligned

HUGE = 1e10  # a weight or an activation beyond this was not meant

# The domain of an op, and how its input gets there.
DOMAINS = {
    "Asin": ("asin is defined from -1 to 1", "x.clip(-1, 1)"),
    "Acos": ("acos is defined from -1 to 1", "x.clip(-1, 1)"),
    "Atanh": ("atanh is defined between -1 and 1", "x.clip(-1 + eps, 1 - eps)"),
    "Acosh": ("acosh is defined from 1 on", "x.clip(1, None)"),
}
EXPONENTIALS = ("Exp", "Expm1", "Sinh", "Cosh")
LINEAR = ("Linear", "Matmul", "Conv", "ConvInput", "ConvWeight")


class Case:
    """One origin, with the numbers that its sentence is about."""

    def __init__(self, history: History, origin: Origin) -> None:
        self.history, self.origin, self.op = history, origin, origin.node
        self.kind = type(origin.node).__name__
        self.backward = origin.arrived is not None

    def name(self, position: int) -> str:
        """What the op's class calls an input."""
        return input_name(self.op, position)

    def at(self, position: int) -> float | None:
        """The number of an input that belongs to the index; None if it is not one number."""
        values = self.origin.inputs
        if position >= len(values) or values[position] is UNKNOWN or values[position] is None:
            return None
        value = np.asarray(values[position])
        if value.dtype.kind not in "fiub":
            return None
        found = self.place(value.shape)
        return None if found is None else float(value[found])

    def result(self) -> float | None:
        """The number of the result that belongs to the index."""
        value = self.origin.value
        if value is None or value is UNKNOWN or isinstance(value, tuple):
            return None
        found = self.place(np.shape(value))
        return None if found is None else float(np.asarray(value)[found])

    def gradient(self) -> float | None:
        """The gradient that arrived at the index."""
        arrived = self.origin.arrived
        if arrived is None or isinstance(arrived, tuple):
            return None
        found = self.place(np.shape(arrived))
        return None if found is None else float(np.asarray(arrived)[found])

    def place(self, shape: tuple[int, ...]) -> Index | None:
        """The index in an array of this shape that belongs to the origin's; None if no single does.

        There is one in an elementwise op.
        """
        if not is_elementwise(self.op) or len(shape) > len(self.origin.index):
            return None
        return aligned(self.origin.index, shape)

    def made_by(self, position: int, before: int = 0) -> str:
        """The name of the op that made an input, seen through what only moves or scales it.

        before: how many ops further back, if each has one input from the graph
        """
        node: Node | None = self.op
        for step in range(before + 1):
            parents = [] if node is None else node.parents
            place = position if step == 0 else 0
            node = parents[place] if place < len(parents) else None
            while node is not None and type(node).__name__ in _CARRIERS:
                others = [parent for parent in node.parents if parent is not None]
                if len(others) != 1:
                    break
                (node,) = others
        return "" if node is None or isinstance(node, Leaf) else type(node).__name__

    @property
    def dtype(self) -> Any:
        """The dtype of the result."""
        value = self.origin.arrived if self.backward else self.origin.value
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, np.ndarray | np.generic):
                return one.dtype
        return np.dtype(np.float32)


def input_name(op: Node, position: int) -> str:
    """What the backward of an op's class calls its input at this position."""
    fixed, rest = type(op)._plans.names if isinstance(op, Primitive) else ((), None)
    if position < len(fixed):
        return str(fixed[position])
    return f"{rest or 'input'}[{position - len(fixed)}]"


_CARRIERS = frozenset({
    "Output", "Reshape", "Permute", "Expand", "Cast", "Getitem", "Mul", "Div", "Neg", "Relu",
})  # fmt: skip

_ELEMENTWISE = frozenset({
    "Exp", "Log", "LogBase", "Expm1", "Log1p", "Logaddexp", "Xlogy", "Erf", "Sqrt", "Tanh",
    "Sigmoid", "Cast", "Add", "Sub", "Mul", "Div", "Neg", "Pow", "Mod", "Fmod", "FloorDivide",
    "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Atan2", "Hypot", "Sinh", "Cosh", "Asinh",
    "Acosh", "Atanh", "Sinc", "Mask", "Relu", "Maximum", "Minimum", "Clip", "Where", "Step",
    "Abs", "Softplus", "Softsign", "Gate", "Gelu", "GeluSlope", "BinaryCrossEntropy", "Huber",
})  # fmt: skip


def is_elementwise(op: Node) -> bool:
    """Whether an element of the result depends on the same element of each input only."""
    return type(op).__name__ in _ELEMENTWISE


def repair(history: History, origin: Origin) -> str:
    """The likely cause, and what to change."""
    case = Case(history, origin)
    if origin.kind in ("parameter", "input"):
        return _of_given(case)
    inside = "it is an op inside the checkpointed function: call that without checkpoint to see"
    if case.kind == "Checkpoint" and history.state == "kept":
        return inside
    if origin.kind == "seen":
        likely = _of_unknown(case)
        return f"{likely}{ASK}, and trace_nan will tell which op made it"
    if origin.kind == "hook":
        return "look at the function that register_hook was given for it"
    if origin.kind == "sum":
        return (
            f"the sum of gradients overflows {case.dtype}: scale the loss down, clip gradients, or "
            "compute in float32"
        )
    if case.kind == "Checkpoint":
        return inside
    if isinstance(case.op, Function):
        where = "backward" if case.backward else "forward"
        return f"{case.kind} is an operation of your own: look at its {where} for these values"
    found = _in_backward(case) if case.backward else _in_forward(case)
    return found or _by_size(case)


def _of_unknown(case: Case) -> str:
    """What an op with unknown inputs may have done, as the first part of a sentence; or ""."""
    if case.kind in ("Softmax", "LogSoftmax") and np.isnan(case.origin.number):
        return f"if no score is nan, {_softmax(case)}; to be sure, "
    if case.kind in EXPONENTIALS and np.isinf(case.origin.number):
        return f"if its input is finite, {_exponential(case, None)}; to be sure, "
    return ""


def _of_given(case: Case) -> str:
    origin = case.origin
    if origin.kind == "parameter":
        return (
            "likely an earlier update wrote it: a learning rate that is too high, or a gradient "
            "that was not finite; make the optimizer with check_finite=True to be told in which "
            "step"
        )
    if _is_running_statistic(case):
        return (
            "likely the running_mean or running_var of a BatchNorm: a batch that was not finite "
            "went in while it was training, or it was loaded or written so"
        )
    if np.isnan(origin.number):
        return (
            "look at the data, or at what was computed from it before a parameter came in: missing "
            "values, 0 / 0, or a feature whose standard deviation is 0"
        )
    if any(type(op).__name__ in ("LogSoftmax", "CrossEntropy") for op in origin.path):
        return "the class of a label is masked out: its score is -inf, so its loss is inf"
    return "if it is a mask, something that it hides reaches the loss; else look at the data"


def _is_running_statistic(case: Case) -> bool:
    """Whether it is a constant of a BatchNorm that is not training."""
    if case.kind == "ChannelAffine":
        return case.origin.position in (1, 2)
    children = [type(child).__name__ for child, _ in case.history.children(case.op)]
    return case.kind in ("Mul", "Sub") and children == ["ChannelAffine"]


def _in_forward(case: Case) -> str | None:
    kind, number = case.kind, case.origin.number
    a, b = case.at(0), case.at(1)
    if kind in ("Log", "LogBase", "Log1p") and a is not None:
        return _logarithm(case, a)
    if kind == "Sqrt" and a is not None and a < 0:
        return f"the square root of a negative number, {_text(a)}: {_rounding(a)}x.clip(0, None)"
    if kind in DOMAINS and a is not None and np.isfinite(a):
        domain, fix = DOMAINS[kind]
        return f"{domain}, and x is {_text(a)}: {_rounding(abs(a) - 1)}{fix}"
    if kind == "Div" and b == 0:
        return _division(case, a)
    if kind in ("Mod", "Fmod", "FloorDivide") and b == 0:
        return "a remainder or quotient by 0: keep the divisor away from 0"
    if kind == "Pow" and a is not None and b is not None:
        return _power(case, a, b)
    if kind == "Mul" and a is not None and b is not None and (a == 0 or b == 0):
        return "0 times inf: select with where() instead of multiplying by a mask of 0 and 1"
    if kind in ("Add", "Sub") and np.isnan(number):
        return "inf - inf: keep both finite; for a mask, write -1e9 instead of -inf"
    if kind == "Div" and np.isnan(number):
        return "inf / inf: divide before the numbers overflow, or work with their logarithms"
    if kind in EXPONENTIALS:
        return _exponential(case, a)
    if kind in ("Softmax", "LogSoftmax", "CrossEntropy"):
        return _softmax(case)
    if kind == "Mean" and _is_empty(case.origin.inputs):
        return "the mean of no elements: a batch or a mask that selects nothing; skip it"
    if kind == "BinaryCrossEntropy" and a is not None and not 0 <= a <= 1:
        return (
            f"p is {_text(a)}, and a probability is from 0 to 1: apply sigmoid() first, or use "
            "binary_crossentropy_logits"
        )
    if kind in ("LayerNorm", "LayerNormAffine", "RMSNorm", "BatchNorm", "GroupNorm"):
        return _normalisation(case)
    if kind == "Slogdet":
        return "the matrix is singular, so its determinant is 0: add eps to its diagonal"
    if kind in ("Sum", "Centre", "CumSum", "Mean", *LINEAR) and np.isnan(number):
        return "inf and -inf, or 0 and inf, meet in one sum: keep what goes in finite"
    return None


def _logarithm(case: Case, x: float) -> str:
    inner = "log1p" if case.kind == "Log1p" else "log"
    x = 1 + x if case.kind == "Log1p" else x
    maker = case.made_by(0)
    if x < 0:
        return f"the logarithm of a negative number, {_text(x)}: check what goes into {inner}"
    if maker == "Softmax":
        return "softmax gives exact 0 for low scores: use log_softmax(), or cross_entropy of scores"
    if maker == "Sigmoid":
        return "sigmoid gives exact 0: use logsigmoid(), or binary_crossentropy_logits of scores"
    if maker == "Exp" or (maker == "Sum" and case.made_by(0, before=1) == "Exp"):
        return "exp underflows to 0: use logsumexp()"
    if maker == "Sub":
        return "the logarithm of 0, of 1 - p perhaps: clip it, x.clip(1e-7, None), or use logits"
    return f"the logarithm of 0: clip it, x.clip(1e-12, None), or add eps inside {inner}"


def _division(case: Case, a: float | None) -> str:
    maker = case.made_by(1)
    if isinstance(case.origin.inputs[1], float):
        return (
            "the divisor is the constant 0; in var() and std() it is n - correction, so with one "
            "element use correction=0"
        )
    of = {
        "Norm": "a norm or standard deviation of 0: add eps to it",
        "Sqrt": "a norm or standard deviation of 0: add eps inside the square root",
        "Sum": "a sum or count of 0: add eps, or clip it, n.clip(1, None)",
        "Centre": "a variance of 0: add eps",
        "Max": "a largest element of 0: add eps",
    }.get(maker, "keep the divisor away from 0: add eps, or select it with where() before dividing")
    what = "0 / 0" if a == 0 else f"{_text(a)} / 0" if a is not None else "a division by 0"
    return f"{what}: {of}"


def _power(case: Case, a: float, b: float) -> str | None:
    if a < 0 and b != int(b):
        return f"a negative number to the power of {_text(b)}: take abs() first, or clip it at 0"
    if a == 0 and b < 0:
        return f"0 to the power of {_text(b)}: add eps to the base"
    if abs(a) < HUGE:
        return f"{_text(a)} to the power of {_text(b)} overflows {case.dtype}: use its logarithm"
    return None


def _exponential(case: Case, x: float | None) -> str:
    limit = float(np.log(np.finfo(case.dtype).max))
    name = case.kind.lower()
    children = {type(child).__name__ for child, _ in case.history.children(case.op)}
    if children & {"Sum", "Div", "Add"}:
        fix = "use softmax(), logsumexp(), sigmoid() or softplus(), which do not overflow"
    else:
        fix = "clip x, or work with logarithms"
    call = name if x is None else f"{name}({_text(x)})"
    return f"{call} overflows {case.dtype}, whose limit is x = {limit:.4g}: {fix}"


def _softmax(case: Case) -> str:
    inputs = case.origin.inputs
    scores = np.asarray(inputs[0]) if inputs and inputs[0] is not UNKNOWN else np.zeros(1)
    if (scores == np.inf).any():
        return "a score is inf: keep scores finite before softmax"
    if case.kind == "CrossEntropy" and np.isinf(case.origin.number):
        return "the class of a label is masked out: its score is -inf, so its loss is inf"
    return (
        "all scores of a row are -inf, a mask that leaves nothing: leave at least one score "
        "finite, or use scaled_dot_product_attention with a bool mask, which gives 0 there"
    )


def _normalisation(case: Case) -> str:
    eps = getattr(case.op, "eps", None)
    x = _at(case.origin.inputs, 0)
    if eps is not None and float(eps) == 0 and _largest(x) < HUGE:
        return "all elements are equal, so the variance is 0, and eps is 0: use eps=1e-5"
    return f"the values are too large for {case.dtype}: normalise the input, or lower the rate"


def _in_backward(case: Case) -> str | None:
    kind, g, a, b = case.kind, case.gradient(), case.at(0), case.at(1)
    if case.origin.given is not None:
        return (
            f"{kind} was given something that is not finite, which does not show in the result, "
            f"but does in the gradient: replace it before {kind}, with where() or nan_to_num()"
        )
    unselected = _unselected(case) if g == 0 else None
    if unselected is not None:
        safe = 0.0 if kind in DOMAINS else 1.0
        return (
            f"{unselected} does not select this element, but its gradient is still computed, and 0 "
            f"times inf is nan: select before {kind} too, x = Tensor.where(condition, x, {safe})"
        )
    zero = "a gradient of 0 arrives, and 0 times inf is nan; " if g == 0 else ""
    y = case.result()
    if kind == "Sqrt" and (a == 0 or y == 0):
        of = " (a norm or a distance of 0?)" if case.made_by(0) == "Sum" else ""
        return (
            f"the slope of sqrt at 0 is inf{of}: {zero}add eps inside, (x + 1e-12).sqrt(), or use "
            "norm(), whose gradient at 0 is 0"
        )
    if kind in ("Log", "LogBase") and a == 0:
        return f"the slope of log at 0 is inf: {zero}clip the input, x.clip(1e-12, None)"
    if kind == "Log1p" and a == -1:
        return f"the slope of log1p at -1 is inf: {zero}clip the input above -1"
    if kind in DOMAINS and a is not None and abs(a) == 1:
        eps = "x.clip(1 + eps, None)" if kind == "Acosh" else "x.clip(-1 + eps, 1 - eps)"
        return f"the slope of {kind.lower()} at {_text(a)} is inf: {zero}stay inside, {eps}"
    if kind == "Div" and b == 0:
        return f"the slope of a division by 0: {zero}add eps to the divisor"
    if kind == "Div" and b is not None and np.isinf(b):
        return "the divisor overflowed to inf in the forward pass: keep it finite"
    if kind == "Pow" and a == 0:
        power = "" if b is None else f" to the power of {_text(b)}"
        return f"the slope of 0{power} is inf: {zero}add eps to the base"
    if kind == "Pow" and a is not None and a < 0:
        return "the exponent has no derivative for a negative base: keep the base positive"
    if kind in EXPONENTIALS and y is not None and np.isinf(y):
        call = kind.lower() if a is None else f"{kind.lower()}({_text(a)})"
        return (
            f"{call} overflowed to inf in the forward pass, where it did not "
            "show: 0 times inf is nan here; clip x, or use sigmoid(), tanh() or softplus()"
        )
    if kind in ("Inv", "Solve", "Det", "Slogdet", "Eigh", "SVD"):
        return (
            "there is no derivative where a matrix is singular, or where two eigenvalues are equal"
        )
    if kind in ("LayerNorm", "LayerNormAffine", "RMSNorm", "BatchNorm", "GroupNorm"):
        return _normalisation(case)
    if any(one is not None and np.isinf(one) for one in (a, b)):
        return "an inf of the forward pass, which did not show there: keep that value finite"
    return None


def _unselected(case: Case) -> str | None:
    """The op that discards the element of the forward pass whose gradient this is; or None.

    It is found through elementwise ops only, so that the index stays the same.
    """
    shape, index = case.op.out_shape, case.place(case.op.out_shape)
    if index is None:
        return None
    stack, seen = [case.op], {case.op}
    while stack and len(seen) < 100:
        for child, position in case.history.children(stack.pop()):
            if isinstance(child, Where):
                chosen = np.broadcast_to(child.condition, child.out_shape)
                if child.out_shape == shape and bool(chosen[index]) is (position == 1):
                    return "where() or masked_fill()"
            elif isinstance(child, Mask) and child.out_shape == shape:
                if not np.broadcast_to(np.asarray(child.mask), shape)[index] > 0:
                    return "a mask"
            elif is_elementwise(child) and child.out_shape == shape and child not in seen:
                seen.add(child)
                stack.append(child)
    return None


def _by_size(case: Case) -> str:
    """For numbers that are finite and give something that is not: they are too large."""
    largest = max((_largest(one) for one in case.origin.inputs), default=0.0)
    dtype = case.dtype
    if case.backward:
        arrived = case.origin.arrived
        several = arrived if isinstance(arrived, tuple) else (arrived,)
        largest = max([largest, *map(_largest, several)])
    if dtype == np.float16:
        return (
            f"float16 ends at 65504: compute this in float32, or scale the loss (the numbers that "
            f"go in reach {_text(largest)})"
        )
    if largest > HUGE:
        weights = [
            case.name(k)
            for k, parent in enumerate(case.op.parents)
            if isinstance(parent, Leaf) and _largest(_at(case.origin.inputs, k)) > HUGE
        ]
        if weights:
            return (
                f"{weights[0]}, a parameter, is as large as {_text(largest)}, likely from a "
                "learning rate that blew up; lower it, or clip gradients"
            )
        return (
            f"overflow of {dtype}: the numbers here reach {_text(largest)}; look for what makes "
            "them so large (the learning rate, the scale of the data, a missing normalisation)"
        )
    if np.isinf(case.origin.number):
        return (
            f"overflow: {case.dtype} ends at {np.finfo(case.dtype).max:.3g}; rescale, or compute "
            "this in a wider dtype"
        )
    return "the inputs are unremarkable numbers: look at this op for the values above"


def is_overflow(case: Case) -> bool | None:
    """Whether numbers that were far too large made it; None if that is not known."""
    origin = case.origin
    if origin.kind in ("parameter", "input"):
        return origin.kind == "parameter"
    if max((_largest(one) for one in origin.inputs), default=0.0) > HUGE:
        return True
    return None if origin.kind == "seen" or origin.given is None else False


def _at(values: Sequence[Any], position: int) -> Any:
    return values[position] if position < len(values) else UNKNOWN


def _largest(value: Any) -> float:
    """The largest absolute value among the finite elements."""
    if value is None or value is UNKNOWN:
        return 0.0
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or not array.size:
        return 0.0
    found = np.abs(array[np.isfinite(array)].astype(np.float64))
    return float(found.max(initial=0.0))


def _is_empty(inputs: Sequence[Any]) -> bool:
    return any(isinstance(one, np.ndarray) and not one.size for one in inputs)


def _rounding(beyond: float) -> str:
    return "a rounding error; " if 0 < abs(beyond) < 1e-3 else ""


def _text(number: float | None) -> str:
    return "unknown" if number is None else digits(number)


def digits(number: float) -> str:
    """A number in six digits, or nine if it would look like an integer that it is not."""
    short = f"{number:.6g}"
    hides = abs(number) < 1e5 and float(short).is_integer() and float(short) != number
    return f"{number:.9g}" if hides else short
