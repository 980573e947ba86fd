"""The rule of one node, compared with finite differences where it was used.

`gradcheck` checks an op in full.  This is a look at one node of a graph, at the very values that it
got: its forward and backward run again in float64 on a copy of the op, for a random cotangent and
a few elements of each input.  It says "differs" only where the differences of several step sizes
agree with each other and not with the rule; where they do not settle, it says so.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ...arrays.float_errors import restore, silence
from ...arrays.generator import new_generator
from ...arrays.sums import unbroadcast
from ...check.differences import EPS, SHRINK, STEP, Differences, Subject, labels_of
from ...engine.function import Primitive
from ...engine.graph import Array, OutputGradients, array_of
from ...engine.recording import Mode, modes
from ...ops.decompositions import Cholesky, Eigh
from ...tensor import Tensor
from ..graph.history import ASK
from ..graph.keeping import kept_of
from ..graph.twins import backward_of, forward_of, wide, wide_twin_of

MOST_ELEMENTS = 4_000_000  # of all inputs and the result; a larger op takes too long
ELEMENTS = 4  # of each input that are moved; fewer of large ones
FEWEST = 2
WORK = 100_000  # elements of an op, divided by those that are moved
AGREES = 1e-5  # relative difference up to which rule and differences agree
SETTLED = 1e-4  # up to which the differences of two step sizes agree with each other
NOISE = 50 * EPS  # relative error of a value

Verdict = Literal["agrees", "differs", "none"]
Found = Literal[
    "agrees", "differs", "at a kink", "too close to rounding", "where differences do not settle"
]


class Checked(NamedTuple):
    """What a check found, with a sentence about it."""

    verdict: Verdict
    text: str


def checked(op: Any, inputs: Sequence[Any], names: Sequence[str]) -> Checked:
    """The verdict on the rule of `op` at these inputs of its forward."""
    mode, errors = modes.set(Mode()), silence()
    try:
        return _Spot(op, inputs, names).verdict()
    except _NotChecked as reason:
        return Checked("none", str(reason))
    except Exception as error:  # a user's op may do anything
        if kept_of(op) is None and any(value is None for value in inputs):
            return Checked("none", f"an input was not kept; {ASK}")
        return Checked("none", f"it raised {type(error).__name__} when it ran again in float64")
    finally:
        restore(errors)
        modes.reset(mode)


class _NotChecked(Exception):
    """The reason why there is no verdict."""


class _Spot:
    def __init__(self, op: Any, inputs: Sequence[Any], names: Sequence[str]) -> None:
        if not isinstance(op, Primitive):
            raise _NotChecked("it is no operation of this library")
        self.op, self.names = op, names
        self.inputs = [wide(value) for value in inputs]
        self.positions = [
            position
            for position, (value, need) in enumerate(zip(self.inputs, op.needs, strict=True))
            if need and isinstance(value, np.ndarray) and value.dtype == np.float64
        ]
        arrays = [value for value in self.inputs if isinstance(value, np.ndarray)]
        if any(value is None for value, need in zip(inputs, op.needs, strict=True) if need):
            raise _NotChecked(f"its inputs were not kept; {ASK}")
        if isinstance(op, (Cholesky, Eigh)):
            raise _NotChecked("it reads one triangle of a symmetric matrix, which moves as a whole")
        if not self.positions:
            raise _NotChecked("none of its inputs is a float that needs a gradient")
        self.size = sum(array.size for array in arrays) + int(np.prod(op.out_shape))
        if self.size > MOST_ELEMENTS:
            raise _NotChecked(f"it has {self.size:,} elements, which would take too long")
        if not all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f"):
            raise _NotChecked("an input is not finite, where differences mean nothing")

    def verdict(self) -> Checked:
        """What the comparison at a few elements of each input finds."""
        twin, results = self._forward(self.inputs)
        value = self._value(results)
        rng = new_generator((0, 1))
        cotangent = np.asarray(rng.standard_normal(value.size))
        pulled = self._backward(twin, results, cotangent)
        subject = Subject(
            "draw", "", self._run, self.inputs, self.positions,
            labels_of("x", self.positions, len(self.inputs)), "out",
        )  # fmt: skip
        around = Differences(subject, value, STEP)
        errors: list[float] = []
        left_out: Counter[str] = Counter()
        for number, position in enumerate(self.positions):
            rule, name = pulled[number].reshape(-1), self.names[position]
            if not np.isfinite(rule).all():
                raise _NotChecked(f"the gradient of {name} is not finite here")
            for element in self._elements(rule, rng):
                error, found = self._compared(
                    around, number, element, float(rule[element]), cotangent
                )
                if found == "differs":
                    at = ", ".join(map(str, np.unravel_index(element, pulled[number].shape)))
                    where = f"[{at}]" if at else ""
                    what = f"The gradient of {name}{where} is off by {error:.1%}"
                    return Checked("differs", f"{what} for a random cotangent")
                if found == "agrees":
                    errors.append(error)
                else:
                    left_out[found] += 1
        if not errors:
            kinks = bool(left_out["at a kink"])
            why = "every element tried is at a kink" if kinks else "its differences do not settle"
            raise _NotChecked(why)
        told = [f"Largest relative difference {max(errors):.1e}, at {len(errors)} elements"]
        told += [f"{count} {what} left out" for what, count in left_out.items()]
        return Checked("agrees", "; ".join(told))

    def _value(self, results: tuple[Array, ...]) -> Array:
        """The float elements of all results, joined."""
        floats = [y for y in results if y.dtype.kind == "f"]
        for y in floats:
            if y.dtype != np.float64:
                raise _NotChecked(f"its result is {y.dtype}, too coarse for differences")
        value = np.concatenate([np.empty(0), *(y.reshape(-1) for y in floats)])
        if not value.size or not all(getattr(given, "size", 1) for given in self.inputs):
            raise _NotChecked("it has no elements")
        if not np.isfinite(value).all():
            raise _NotChecked("its result is not finite, where differences mean nothing")
        _, again = self._forward(self.inputs)
        if not all(map(np.array_equal, results, again)):
            raise _NotChecked("its forward gives other values the second time")
        return value

    def _elements(self, rule: Array, rng: Any) -> list[int]:
        """The element with the largest gradient, and others at random."""
        if not rule.size:
            return []
        most = int(np.clip(WORK // self.size, FEWEST, ELEMENTS))
        chosen = (np.abs(rule).argmax(), *rng.integers(0, rule.size, most - 1))
        return list(dict.fromkeys(map(int, chosen)))

    def _compared(
        self, around: Differences, number: int, element: int, rule: float, cotangent: Array
    ) -> tuple[float, Found]:
        """The relative difference at one element, and what it means."""
        which, slopes, rounding = np.array([element]), [], 0.0
        parts = np.abs(cotangent) * np.abs(around.value)
        for shrink in (1.0, SHRINK, SHRINK**2):
            right, left = around.slopes(number, which, shrink)
            if around.kinks(number, which, right, left).any():
                return 0.0, "at a kink"
            slope = float(cotangent @ ((right + left)[:, 0] / 2))
            if not np.isfinite(slope):
                continue
            moved = (right != 0)[:, 0] | (left != 0)[:, 0]  # the results that the element reaches
            unit = NOISE / float(around.steps(number, shrink)[element])
            noise, rounding = unit * float(parts[moved].sum()), unit * float(parts.sum())
            size, error = max(abs(rule), abs(slope)), abs(rule - slope)
            if size == 0:
                return 0.0, "agrees"
            if noise > 0.01 * size:
                break
            if error <= AGREES * size + noise:
                return error / size, "agrees"
            slopes.append(slope)
        if len(slopes) < 2:
            return 0.0, "too close to rounding"
        size, spread = max(abs(rule), *map(abs, slopes)), max(slopes) - min(slopes)
        nearest = min(abs(rule - slope) for slope in slopes)
        # What does not move at all may move by less than its last digit.
        clear = nearest > max(10 * spread, 100 * AGREES * size, rounding)
        settled = spread <= SETTLED * size and clear
        return nearest / size, "differs" if settled else "where differences do not settle"

    # The op, run again

    def _forward(self, inputs: Sequence[Any]) -> tuple[Any, tuple[Array, ...]]:
        twin = wide_twin_of(self.op)
        given = [array.copy() if isinstance(array, np.ndarray) else array for array in inputs]
        result = forward_of(twin, given)
        return twin, result if isinstance(result, tuple) else (result,)

    def _run(self, *tensors: Any) -> list[Tensor]:
        """As a function of tensors, for `Differences`."""
        _, results = self._forward([array_of(t) if isinstance(t, Tensor) else t for t in tensors])
        return [Tensor._wrap(y, None) for y in results if y.dtype.kind == "f"]

    def _backward(self, twin: Any, results: tuple[Array, ...], cotangent: Array) -> list[Array]:
        """The gradients of the checked inputs; the rule gets only what it declares to read."""
        gradients: list[Any] = []
        start = 0
        for result in results:
            count = result.size if result.dtype.kind == "f" else 0
            part = cotangent[start : start + count].reshape(result.shape) if count else None
            gradients.append(part)
            start += count
        hidden, kept = hidden_from_rule(self.op)
        given = [None if i in hidden else value for i, value in enumerate(self.inputs)]
        kept = kept if len(kept) == len(results) else kept * len(results)
        outputs = [one if keep else None for one, keep in zip(results, kept, strict=True)]
        several = len(results) > 1
        g = OutputGradients(gradients) if several else gradients[0]
        y = (tuple(outputs) if any(kept) else None) if several else outputs[0]
        pulled = backward_of(twin, g, y, given)
        return [self._fitted(pulled[position], position) for position in self.positions]

    def _fitted(self, gradient: Any, position: int) -> Array:
        """A gradient of the shape of its input, as the engine makes it."""
        shape = self.inputs[position].shape
        if gradient is None:
            return np.zeros(shape)
        found = np.asarray(gradient)
        if found.shape != shape:
            if not type(self.op).broadcasts:
                raise _NotChecked(f"its gradient has shape {found.shape}, not {shape}")
            found = np.asarray(unbroadcast(found, shape))
        return found


def argument_names(op: Any) -> list[str]:
    """What the backward of an op calls each of its inputs: x, or x0, x1 ... for `*x`."""
    fixed, rest = type(op)._plans.names
    count = len(op.parents)
    more = [f"{rest or 'input'}{index}" for index in range(count - len(fixed))]
    return [*fixed, *more][:count]


def hidden_from_rule(op: Any) -> tuple[frozenset[int], tuple[bool, ...]]:
    """The positions of the inputs that the rule does not get, and which results it gets."""
    plan = type(op)._plan(op.needs)
    hidden = range(len(op.parents)) if plan.nothing else plan.unread
    results = plan.results if isinstance(plan.results, tuple) else (bool(plan.results),)
    return frozenset(hidden), results
