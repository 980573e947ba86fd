"""Finite differences of a function of tensors.

A central difference has an error of O(h^2) from truncation and of O(eps / h) from rounding; the two
balance at h ~ eps^(1/3), about 6e-6 in float64, and are then about 1e-10.  See Nocedal and Wright,
"Numerical Optimization" (2006), chapter 8.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..arrays.generator import new_generator
from ..arrays.given import refuse_masked
from ..arrays.shapes import Shape
from ..engine.function import Primitive
from ..engine.graph import Array, array_of
from ..engine.recording import is_grad_enabled
from ..tensor import Tensor

EPS = float(np.finfo(np.float64).eps)
STEP = EPS ** (1 / 3)
SHRINK = 16.0  # from one step size to the next smaller one
HUGE = 1e140  # values and slopes up to which sums of squares stay finite
FLOAT32_NOISE = (1e-11, 1e-5)  # relative error that occurs in float32, and not in float64


class GradientError(AssertionError):
    """A gradient that disagrees with the function, or a function that cannot be checked."""


@dataclass
class Subject:
    """A function and its arguments.

    check        the name of the check, for errors
    name         the name of the function, for errors
    arguments    every argument of fn; floats are float64
    positions    the positions of the arguments that are checked
    labels       the names of these in errors
    result       the name of the output in errors
    plain        fn where nobody asks for the gradient of its result, as in differences: the same
                 values, sooner
    """

    check: str
    name: str
    fn: Callable[..., Any]
    arguments: list[Any]
    positions: list[int]
    labels: list[str]
    result: str
    plain: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        checked = (self.arguments[position] for position in self.positions)
        self.point = [copy_laid_out(array_of(value)) for value in checked]

    def fail(self, message: str) -> NoReturn:
        """Raise, naming the check and the function."""
        raise GradientError(f"{self.check}: {self.name + ': ' if self.name else ''}{message}")

    def run(
        self, point: Sequence[Array], fn: Callable[..., Any] | None = None
    ) -> tuple[list[Any], list[Tensor]]:
        """One call of fn: the arguments, which are fresh copies, and the outputs."""
        given = [_duplicate(value) for value in self.arguments]
        for position, array in zip(self.positions, point, strict=True):
            given[position] = Tensor._wrap(copy_laid_out(array), None)
            given[position].requires_grad = True
        return given, self.float_outputs((fn or self.fn)(*given))

    def float_outputs(self, result: Any) -> list[Tensor]:
        """The outputs of float dtype, which can have a gradient."""
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        for output in results:
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"{self.check}: fn: expected a Tensor or a tuple of them as result; got "
                    f"{type(output).__name__}; compute it with Tensor's operations"
                )
        floats = [output for output in results if output.dtype.kind == "f"]
        for output in floats:
            if output.dtype != np.float64:
                self.fail(
                    f"{output.dtype}: the result is {output.dtype}, too coarse for differences, "
                    "though the inputs are float64; keep casts and float32 constants out of fn"
                )
        if not floats:
            got = ", ".join(str(output.dtype) for output in results) or "nothing"
            raise TypeError(f"{self.check}: fn: expected a float tensor as result; got {got}")
        return floats

    def values(self, point: Sequence[Array]) -> Array:
        """The outputs at a point, joined in a new vector."""
        with np.errstate(all="ignore"):
            return joined(self.run(point, self.plain)[1])


class Differences:
    """Differences of a subject around its point.

    Inputs are identified by number, elements by their position in the flat input.

    value   f(x), the outputs joined in a vector
    step    the step for an element x, in units of max(|x|, 1)
    """

    def __init__(self, subject: Subject, value: Array, step: float) -> None:
        self.subject = subject
        self.value = value
        self.step = step
        self.scale = max(1.0, float(np.abs(value).max(initial=0.0)))

    def steps(self, number: int, shrink: float = 1.0) -> Array:
        """(elements,): the step of each element, in proportion to its size."""
        sizes = np.abs(self.subject.point[number].reshape(-1))
        return self.step / shrink * np.where(np.isfinite(sizes), np.maximum(sizes, 1.0), 1.0)

    def moved(self, number: int, elements: Any, by: Any) -> Array:
        """The function's value with some elements of one input moved."""
        point = list(self.subject.point)
        point[number] = copy_laid_out(point[number])
        point[number].flat[elements] += by
        return self.subject.values(point)

    def slopes(self, number: int, elements: Array, shrink: float = 1.0) -> tuple[Array, Array]:
        """Each (outputs, n): (f(x + h) - f(x)) / h and (f(x) - f(x - h)) / h for n elements.

        Their mean is the central difference (f(x + h) - f(x - h)) / 2h.
        """
        right = np.empty((len(elements), self.value.size))
        left = np.empty_like(right)
        steps = self.steps(number, shrink)[elements]
        with np.errstate(invalid="ignore"):
            for row, (element, h) in enumerate(zip(elements, steps, strict=True)):
                right[row] = (self.moved(number, element, h) - self.value) / h
                left[row] = (self.value - self.moved(number, element, -h)) / h
        return right.T, left.T

    def kinks(self, number: int, elements: Array, right: Array, left: Array) -> Array:
        """(outputs, n) flags: the one-sided slopes differ, and stay different as h shrinks.

        Those of a smooth function approach each other like h f''; at a jump they grow.
        """
        gap = np.abs(right - left)
        flags: Array = gap > 1e-3 * (np.abs(right) + np.abs(left))
        flags &= gap * self.steps(number)[elements] > 1e-12 * self.scale  # above rounding
        for shrink in (SHRINK, SHRINK**2):
            some = flags.any(axis=0)
            if some.any():
                nearer = self.slopes(number, elements[some], shrink)
                for near, far in zip(nearer, (right[:, some], left[:, some]), strict=True):
                    flags[:, some] &= np.abs(near - far) < 0.2 * gap[:, some]
        return flags

    def noise(self, number: int, cotangent: Array) -> float:
        """The relative error of the values: 1e-16 in float64, 1e-8 to 1e-7 in float32.

        Fourth differences at tiny distances along a line remove everything from a smooth function
        except its noise, which changes sign from one to the next (More and Wild, "Estimating
        computational noise", 2011).  The median ignores a kink or a jump on the line.
        """
        here = float(np.linalg.norm(cotangent * self.value))
        steps = self.steps(number, 4.0)
        every, found = np.arange(steps.size), [0.0]
        rng = new_generator(0)
        for _ in range(1 if steps.size > 100 else 8):  # along one line, rounding may be regular
            by = steps * rng.uniform(0.5, 1.5, steps.size)
            line = [cotangent @ self.moved(number, every, t * by) for t in range(1, 21)]
            fourth = np.diff(line, 4)
            scale = max(here, float(np.abs(line).max()))  # the function may be 0 at the point
            if np.count_nonzero(np.sign(fourth[1:]) * np.sign(fourth[:-1]) < 0) > 5:
                found.append(float(np.median(np.abs(fourth))) / 70**0.5 / scale)
        return max(found)

    def refuse_float32(self, number: int, cotangent: Array) -> None:
        """Raise if the function computes with less than float64 precision."""
        noise = self.noise(number, cotangent)
        if FLOAT32_NOISE[0] < noise < FLOAT32_NOISE[1]:
            self.subject.fail(
                f"float32: the values carry a relative error of {noise:.0e}, where float64 has "
                "1e-16: too coarse for differences; keep casts and float32 constants out of fn"
            )

    def refuse_huge(self, right: Array, left: Array) -> None:
        """Raise if the values or the slopes are so large that their squares overflow."""
        for what, numbers in (("value", self.value), ("slope", right), ("slope", left)):
            sizes = np.abs(numbers[np.isfinite(numbers)])
            if sizes.max(initial=0.0) > HUGE:
                self.subject.fail(
                    f"a {what} of {sizes.max():.0e} is too large for differences, whose squares "
                    "overflow; scale the function down"
                )

    def refuse_kink(self, number: int, elements: Array, right: Array, left: Array) -> None:
        """Raise if there is a kink at one of the elements."""
        kinks = self.kinks(number, elements, right, left)
        if kinks.any():
            gap = np.where(kinks, np.abs(right - left), -1.0)
            output, column = np.unravel_index(gap.argmax(), gap.shape)
            self.subject.fail(
                f"{self._element(number, int(elements[column]))} is at a kink; the derivative "
                f"jumps from {figure(left[output, column])} to {figure(right[output, column])} "
                "there; move the point"
            )

    def refuse_singular(self, number: int, element: int, column: Array) -> None:
        """Raise if the differences of an element do not converge as the step shrinks.

        column   (outputs,): the differences with the first step
        """
        value = self._element(number, element)
        if not np.isfinite(column).all():
            self.subject.fail(
                f"the function is not finite near {value}; move the point, or pass a step smaller "
                f"than {self.step:.3g}"
            )
        which = np.array([element])
        near, nearer = (np.add(*self.slopes(number, which, SHRINK**n)) / 2 for n in (1, 2))
        h = self.steps(number, SHRINK)[element]
        if np.abs(near).max() > max(3 * np.abs(column).max(), 1e-11 * self.scale / h):
            self.subject.fail(
                f"the function jumps or is infinitely steep at {value}; move the point"
            )
        change = max(np.abs(nearer - near).max(), np.abs(near[:, 0] - column).max())
        if not change <= 1e-3 * np.abs(nearer).max() + 1e-6 * self.scale:
            self.subject.fail(
                f"the function bends too sharply near {value}: its slope changes by {change:.3g} "
                "when the step shrinks; move the point, or pass a step smaller than "
                f"{self.step:.3g}"
            )

    def _element(self, number: int, element: int) -> str:
        """An element and its value, as "x[3] = 0.0"."""
        array = self.subject.point[number]
        label = at(self.subject.labels[number], array.shape, element)
        return f"{label} = {float(array.reshape(-1)[element])!r}"


def at(label: str, shape: Shape, element: int) -> str:
    """The name of an element: x[0, 2], or x for a 0-d input."""
    index = ", ".join(str(int(number)) for number in np.unravel_index(element, shape))
    return f"{label}[{index}]" if shape else label


def figure(number: float) -> str:
    """The number with six digits; 0 if it is 0 except for rounding."""
    return "0" if abs(number) < 1e-12 else f"{number:.6g}"


def joined(outputs: Sequence[Tensor]) -> Array:
    """The elements of all tensors, joined in a new vector."""
    return np.concatenate([output.numpy().reshape(-1) for output in outputs])


def copy_laid_out(array: Array) -> Array:
    """A copy with the memory layout of the array: the same order and direction of axes."""
    order = tuple([slice(None, None, -1 if stride < 0 else 1) for stride in array.strides])
    return array[order].copy(order="K")[order] if array.ndim else array.copy()


def _duplicate(value: Any) -> Any:
    """A copy of a tensor or array, since a function could write into it; else the value itself."""
    if isinstance(value, Tensor):
        return Tensor._wrap(copy_laid_out(value.data), None)
    return copy_laid_out(value) if isinstance(value, np.ndarray) else value


def subject_of(check: str, fn: Any, inputs: Any) -> Subject:
    """The function and arguments that `check` got; TypeError or RuntimeError if unsuitable."""
    if not is_grad_enabled():
        raise RuntimeError(f"{check}: there are no gradients inside no_grad(); call it outside")
    if isinstance(fn, type) and issubclass(fn, Primitive):
        fn = fn.apply
    if not callable(fn):
        raise TypeError(
            f"{check}: fn: expected a function of tensors or a Function subclass; got "
            f"{type(fn).__name__}; write {check}(lambda x: ..., inputs)"
        )
    arguments = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    refuse_masked(f"{check}: inputs", arguments)
    floats = [position for position, value in enumerate(arguments) if _is_float(value)]
    asked = [number for number in floats if getattr(arguments[number], "requires_grad", False)]
    if not floats:
        each = (str(getattr(value, "dtype", type(value).__name__)) for value in arguments)
        kinds = ", ".join(dict.fromkeys(each))
        raise TypeError(
            f"{check}: inputs: expected a float tensor, array or number among them; "
            f"got {kinds or 'nothing'}; cast those to check to float64"
        )
    converted = [_as_float64(value) if _is_float(value) else value for value in arguments]
    labels = labels_of("x", asked or floats, len(arguments))
    return Subject(check, _name(fn), fn, converted, asked or floats, labels, "out")


def _name(fn: Any) -> str:
    """The name of a function for errors: an op's class; empty for a lambda."""
    owner = getattr(fn, "__self__", None)
    name = str(getattr(owner if isinstance(owner, type) else fn, "__name__", type(fn).__name__))
    return "" if name == "<lambda>" else name


def labels_of(name: str, positions: Sequence[int], count: int) -> list[str]:
    """The names of the values at these positions of `count`: x, or x0, x1 ... if several."""
    return [name if count == 1 else f"{name}{position}" for position in positions]


def _is_float(value: Any) -> bool:
    """Whether a value is a float, and so can have a gradient."""
    return isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _as_float64(value: Any) -> Any:
    """A float tensor or array as float64; a number unchanged."""
    if isinstance(value, Tensor):
        return Tensor._wrap(value.data.astype(np.float64, order="K", copy=False), None)
    return value.astype(np.float64, order="K", copy=False) if hasattr(value, "astype") else value
