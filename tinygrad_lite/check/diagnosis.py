"""What is wrong with a gradient: known faults, recognised by comparison with finite differences.

Each pattern undoes one fault on one side and tests whether the two sides then agree.  The patterns
are tried in order, from those that explain everything to those that only describe.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np

from ..arrays.shapes import Shape
from ..engine.graph import Array

MOST_SLICES = 64  # along one axis of an output


@dataclass(frozen=True)
class Other:
    """Another input of the same shape: its name, and both kinds of products at the same elements.

    numeric, given  (rows, n): as in Comparison
    """

    name: str
    numeric: Array
    given: Array


@dataclass(frozen=True)
class Comparison:
    """Vector-Jacobian products with respect to one input, computed in two ways.

    name        of the input, for example "input 0"
    cotangents  (rows, outputs): a random row and, if `full`, the identity
    analytic    (rows, *shape): the gradient that `backward` gives for each row
    columns     (outputs, n): df/dx from differences, at n elements of the input
    elements    (n,): the positions of these elements in the flat input
    wrong       (n,): where the two disagree
    out_shapes  the shapes of the outputs, whose elements are joined in `outputs`
    reached     whether a gradient arrived at the input at all, be it 0
    others      the other inputs of the same shape
    """

    name: str
    cotangents: Array
    analytic: Array
    columns: Array
    elements: Array
    wrong: Array
    out_shapes: tuple[Shape, ...]
    reached: bool = True
    others: tuple[Other, ...] = ()

    # No cached_property: in Python 3.11 it holds a lock, for which a forked child would wait.
    @property
    def numeric(self) -> Array:
        """(rows, n): the products from differences."""
        return self.cotangents @ self.columns

    @property
    def given(self) -> Array:
        """(rows, n): the products from `backward`, at the same elements."""
        return self.at_elements(self.analytic)

    @property
    def full(self) -> bool:
        """Whether every row of the Jacobian was computed."""
        return len(self.cotangents) > 1

    @property
    def shape(self) -> Shape:
        """The shape of the input."""
        shape: Shape = self.analytic.shape[1:]
        return shape

    def at_elements(self, rows: Array) -> Array:
        """The entries of (rows, *shape) at the elements compared: (rows, n)."""
        return rows.reshape(len(rows), -1)[:, self.elements]

    def explained_by(self, rows: Array) -> bool:
        """Whether (rows, *shape), made from the analytic gradient, agree with the differences."""
        return _same(self.at_elements(rows), self.numeric)

    def indices(self, axis: int) -> Array:
        """(n,): the index of each element compared along an axis of the input."""
        return np.unravel_index(self.elements, self.shape)[axis]

    def parts(self) -> Iterator[tuple[int, Shape, slice]]:
        """The outputs: number, shape, and where their elements are among all outputs."""
        start = 0
        for number, shape in enumerate(self.out_shapes):
            yield number, shape, slice(start, start + prod(shape))
            start += prod(shape)

    def slices(self) -> Iterator[tuple[int, int, int, Array]]:
        """The slices along each axis of each output; of many, the first and the last.

        Yields the axis, the index of the slice, their number, and a mask (outputs,) that is 0 at
        the other slices of that output.
        """
        for _, shape, part in self.parts():
            for axis, length in enumerate(shape):
                if length > 1:
                    for index in range(length) if length <= MOST_SLICES else (0, length - 1):
                        kept = np.zeros(shape)
                        np.moveaxis(kept, axis, 0)[index] = 1.0
                        mask = np.ones(self.cotangents.shape[1])
                        mask[part] = kept.reshape(-1)
                        yield axis, index, length, mask


def diagnose(found: Comparison) -> str:
    """One line that describes the fault as exactly as possible."""
    if not np.isfinite(found.given).all():
        bad = found.given[~np.isfinite(found.given)][0]
        return f"the analytic gradient is {bad}; 0 times inf in the rule, or a division by 0"
    for pattern in (
        _missing, _without_cotangent, _nonlinear, _nearly, _exchanged, _factor, _borrowed, _single,
        _one_slice, _moved_axes, _shifted, _unsummed, _one_output, _missing_term,
        _factor_without_transpose, _ones_only,
    ):  # fmt: skip
        line = pattern(found)
        if line:
            return line
    return "no known pattern; compare the rule with the derivative, one operation at a time"


def misfit(got: Shape, expected: Shape) -> str:
    """One line about a gradient of another shape than its input's."""
    if got == expected[::-1]:
        return "transposed; " + ("return its .mT" if len(got) == 2 else "its axes are reversed")
    if sorted(got) == sorted(expected):
        return "transposed; its axes are in another order"
    if len(got) >= len(expected) and prod(got) > prod(expected):
        return "not summed over what forward broadcast; sum over it, or declare broadcasts = True"
    if prod(got) == prod(expected):
        return f"of the right size; did you mean .reshape({expected})?"
    return "of a wrong size; the gradient of an input has the shape of that input"


def _same(a: Array, b: Array) -> bool:
    """Whether `a` equals `b` within the accuracy of differences."""
    return bool(np.abs(a - b).max(initial=0.0) <= 1e-4 * np.abs(b).max(initial=0.0))


def _missing(found: Comparison) -> str:
    scale = max(np.abs(found.numeric).max(initial=0.0), np.abs(found.given).max(initial=0.0))
    if not found.reached:
        return (
            "missing: no gradient reaches this input, though the function changes with it: it is "
            "detached, by detach(), .data, numpy() or no_grad()"
        )
    if not np.any(found.analytic):
        return "missing: the analytic gradient is zero everywhere but the function changes"
    if np.abs(found.numeric).max(initial=0.0) <= 1e-8 * scale:
        return "the function does not change with this input, but the analytic gradient is not zero"
    return ""


def _without_cotangent(found: Comparison) -> str:
    ones = found.columns.sum(axis=0)
    if np.any(ones) and all(_same(row, ones) for row in found.given):
        return "the rule ignores the cotangent g: it gives the gradient for g = 1; multiply by g"
    return ""


def _nonlinear(found: Comparison) -> str:
    if found.full and not _same(found.cotangents[0] @ found.given[1:], found.given[0]):
        return "the rule is not linear in the cotangent g: backward(2 g) must be 2 backward(g)"
    return ""


def _nearly(found: Comparison) -> str:
    if not _same(found.given, found.numeric):
        return ""
    error = np.abs(found.given - found.numeric).max() / np.abs(found.numeric).max()
    return (
        f"right but for {error:.1g} of its size: a small constant left out of the rule, such as an "
        "eps, or rtol is too strict for this function"
    )


def _exchanged(found: Comparison) -> str:
    """Two inputs have each other's gradient."""
    for other in found.others:
        if _same(found.given, other.numeric) and _same(other.given, found.numeric):
            first, second = sorted((found.name, other.name))
            names = f"inputs {first[6:]} and {second[6:]}" if first.startswith("input") else ""
            return f"the gradients of {names or f'{first} and {second}'} are exchanged"
    return ""


def _factor(found: Comparison) -> str:
    """The analytic gradient is k times the numeric one, at every element."""
    given, numeric = found.given, found.numeric
    k = float((given * numeric).sum() / (numeric * numeric).sum())
    larger = abs(k) >= 1.0
    size = abs(k) if larger else 1.0 / max(abs(k), 1e-300)
    whole = abs(size - round(size)) <= 1e-5 * size
    enough = np.count_nonzero(np.abs(numeric).max(axis=0) > 1e-6 * np.abs(numeric).max()) > 1
    if not _same(given / k if k else given, numeric) or not (enough or (whole and size < 1000.5)):
        return ""
    sign = "wrong sign" if k < 0 else ""
    if sign and any(_same(other.given, other.numeric) for other in found.others):
        sign = f"wrong sign in {found.name} only"
    if whole and round(size) == 1:
        return sign
    amount = f"{round(size)}" if whole else f"{size:.6g}"
    line = f"exactly {amount} times too {'large' if larger else 'small'}"
    if whole and k > 0:
        line += _mean_or_sum(found, round(size), larger)
    return f"{sign}, and {line}" if sign else line


def _mean_or_sum(found: Comparison, size: int, larger: bool) -> str:
    """What a factor of `size` means if forward broadcast or reduced so many elements."""
    if len(found.out_shapes) != 1:
        return ""
    (out,), given = found.out_shapes, found.shape
    padded = (1,) * (len(out) - len(given)) + given
    if prod(out) > prod(given) and len(padded) == len(out):
        copies = [o for o, n in zip(out, padded, strict=True) if o != n]
        if size in {*copies, prod(copies)} and not larger:
            return ": a mean where a sum over what forward broadcast is due"
    elif prod(out) < prod(given):
        terms = {*given, prod(given) // max(prod(out), 1)}
        if size in terms:
            due, there = ("mean", "sum") if larger else ("sum", "mean")
            return f": the rule of a {there} where forward takes a {due} of {size} elements"
    return ""


def _borrowed(found: Comparison) -> str:
    """The gradient is that of another input."""
    for other in found.others:
        if np.any(other.numeric) and _same(found.given, other.numeric):
            return f"the gradient of {found.name} is that of {other.name}"
    return ""


def _single(found: Comparison) -> str:
    if np.count_nonzero(found.wrong) == 1 and found.wrong.size > 1:
        return "a fault in a single position; all other elements compared are right"
    return ""


def _one_slice(found: Comparison) -> str:
    """All the wrong elements have one index along an axis, and that slice is not all there is."""
    if np.count_nonzero(found.wrong) < 2:
        return ""
    for axis, length in enumerate(found.shape):
        indices = found.indices(axis)
        wrong, right = indices[found.wrong], indices[~found.wrong]
        if (
            length > 2
            and right.size
            and np.all(wrong == wrong[0])
            and not np.any(right == wrong[0])
        ):
            what = "wrong" if np.any(found.given[:, found.wrong]) else "missing"
            return f"{what} at index {wrong[0]} of axis {axis} only; all other elements are right"
    return ""


def _moved_axes(found: Comparison) -> str:
    """Axes of the gradient are exchanged or reversed."""
    shape, rows = found.shape, len(found.analytic)
    for i, j in combinations(range(len(shape)), 2):
        turned = list(shape)
        turned[i], turned[j] = shape[j], shape[i]
        if found.explained_by(found.analytic.reshape(rows, *turned).swapaxes(i + 1, j + 1)):
            return f"transposed: axes {i} and {j} of the gradient are exchanged"
    for axis in range(len(shape)):
        if found.explained_by(np.flip(found.analytic, axis + 1)):
            return f"reversed: the gradient runs backwards along axis {axis}"
    return ""


def _shifted(found: Comparison) -> str:
    """The gradient stands one element too far along an axis; what leaves it may be anywhere."""
    for axis, length in enumerate(found.shape):
        indices = found.indices(axis)
        for step in (1, -1):
            moved = found.at_elements(np.roll(found.analytic, -step, axis + 1))
            inside = indices != (length - 1 if step > 0 else 0)
            if np.count_nonzero(inside) > 2 and _same(moved[:, inside], found.numeric[:, inside]):
                towards = "end" if step > 0 else "start"
                return (
                    f"shifted: along axis {axis} the gradient is one element too near the {towards}"
                )
    return ""


def _unsummed(found: Comparison) -> str:
    """Only one term of a sum over broadcast copies is there, or one is not."""
    for axis, index, length, mask in found.slices():
        which = _ordinal(index, length)
        only = (found.cotangents * mask) @ found.columns
        if _same(found.given, only):
            return (
                f"not summed over axis {axis} of the output: only the {which} term arrived; sum "
                "over what forward broadcast, or declare broadcasts = True"
            )
        if length > 2 and _same(found.given, found.numeric - only):
            return f"the {which} term of a sum over axis {axis} of the output is missing"
    return ""


def _ordinal(index: int, length: int) -> str:
    """Which of `length` terms this is: first, 2nd, 3rd, ..., last."""
    if index in (0, length - 1):
        return "last" if index else "first"
    number = index + 1
    last = number % 10 if number // 10 % 10 != 1 else 0
    return f"{number}{('th', 'st', 'nd', 'rd')[last] if last < 4 else 'th'}"


def _one_output(found: Comparison) -> str:
    """The gradient of one of several outputs is missing."""
    for number, _, part in found.parts() if len(found.out_shapes) > 1 else ():
        rest = found.cotangents.copy()
        rest[:, part] = 0.0
        if _same(found.given, rest @ found.columns):
            return f"missing: no gradient arrives from output {number}"
    return ""


def _missing_term(found: Comparison) -> str:
    """What is missing is a multiple of the cotangent, as of x in x + f(x)."""
    if found.out_shapes != (found.shape,):
        return ""
    rest = found.numeric - found.given
    direct = found.cotangents[:, found.elements]
    k = float((rest * direct).sum() / (direct * direct).sum())
    if k and _same(rest, k * direct):
        term = {1.0: "g", -1.0: "-g"}.get(round(k, 6), f"{k:.6g} g")
        return f"the term {term} is missing: one of several addends, such as x in x + f(x)"
    return ""


def _factor_without_transpose(found: Comparison) -> str:
    """An axis of the output is exchanged with one of the input, as by g @ b instead of g @ b.mT."""
    if len(found.out_shapes) != 1 or found.columns.size != found.analytic[1:].size:
        return ""
    (out_shape,) = found.out_shapes
    jacobian = found.analytic[1:].reshape(out_shape + found.shape)
    count = len(out_shape)
    for i in range(count):
        for j in range(len(found.shape)):
            if out_shape[i] == found.shape[j] and _same(
                jacobian.swapaxes(i, count + j).reshape(found.columns.shape), found.columns
            ):
                return (
                    f"transposed: axis {i} of the output and axis {j} of the input are exchanged; "
                    "a matrix in the rule lacks its .mT"
                )
    return ""


def _ones_only(found: Comparison) -> str:
    off = np.abs(found.given[1:].sum(axis=0) - found.columns.sum(axis=0)).max(initial=0.0)
    if not found.full or off > 1e-6 * np.abs(found.columns).max():
        return ""
    return (
        "right for a cotangent of ones only, as after .sum(): the rule drops how g differs between "
        "the elements"
    )
