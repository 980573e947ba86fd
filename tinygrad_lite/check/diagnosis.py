"""What is wrong with a gradient: known faults, recognised by comparison with finite differences.

Each pattern undoes one fault on one side and tests whether the two sides then agree.  The patterns
are tried in order, from those that explain everything to those that only describe.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..arrays.shapes import Shape
from ..engine.graph import Array


@dataclass(frozen=True)
class Comparison:
    """Vector-Jacobian products with respect to one input, computed in two ways.

    cotangents  (rows, outputs): a random row and, if `full`, the identity
    analytic    (rows, *shape): the gradient that `backward` gives for each row
    columns     (outputs, n): df/dx from differences, at n elements of the input
    elements    (n,): the positions of these elements in the flat input
    wrong       (n,): where the two disagree
    out_shapes  the shapes of the outputs, whose elements are joined in `outputs`
    """

    cotangents: Array
    analytic: Array
    columns: Array
    elements: Array
    wrong: Array
    out_shapes: tuple[Shape, ...]

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

    def slices(self) -> Iterator[tuple[int, bool, Array]]:
        """The last and the first slice along each axis of each output.

        Yields the axis, whether it is the last slice, and a mask (outputs,) that is 0 at the other
        slices of that output.
        """
        start = 0
        for shape in self.out_shapes:
            size = int(np.prod(shape))
            for axis, length in enumerate(shape):
                for last in (True, False) if length > 1 else ():
                    kept = np.zeros(shape)
                    np.moveaxis(kept, axis, 0)[-1 if last else 0] = 1.0
                    mask = np.ones(self.cotangents.shape[1])
                    mask[start : start + size] = kept.reshape(-1)
                    yield axis, last, mask
            start += size


def diagnose(found: Comparison) -> str:
    """One line that describes the fault as exactly as possible."""
    if not np.isfinite(found.given).all():
        bad = found.given[~np.isfinite(found.given)][0]
        return f"the analytic gradient is {bad}; 0 times inf in the rule, or a division by 0"
    for pattern in (
        _missing, _nonlinear, _nearly, _factor, _moved_axes, _unsummed, _factor_without_transpose,
        _single, _ones_only,
    ):  # fmt: skip
        line = pattern(found)
        if line:
            return line
    return "no known pattern; compare the rule with the derivative, one operation at a time"


def _same(a: Array, b: Array) -> bool:
    """Whether `a` equals `b` within the accuracy of differences."""
    return bool(np.abs(a - b).max(initial=0.0) <= 1e-4 * np.abs(b).max(initial=0.0))


def _missing(found: Comparison) -> str:
    scale = max(np.abs(found.numeric).max(initial=0.0), np.abs(found.given).max(initial=0.0))
    if not np.any(found.analytic):
        return "missing: the analytic gradient is zero everywhere but the function changes"
    if np.abs(found.numeric).max(initial=0.0) <= 1e-8 * scale:
        return "the function does not change with this input, but the analytic gradient is not zero"
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
    if whole and round(size) == 1:
        return sign
    amount = f"{round(size)}" if whole else f"{size:.6g}"
    line = f"exactly {amount} times too {'large' if larger else 'small'}"
    return f"{sign}, and {line}" if sign else line


def _moved_axes(found: Comparison) -> str:
    """Axes of the gradient are exchanged or reversed."""
    shape = found.shape
    for i, j in combinations(range(len(shape)), 2):
        if shape[i] == shape[j] and _same(
            found.at_elements(found.analytic.swapaxes(i + 1, j + 1)), found.numeric
        ):
            return f"transposed: axes {i} and {j} of the gradient are exchanged"
    for axis in range(len(shape)):
        if _same(found.at_elements(np.flip(found.analytic, axis + 1)), found.numeric):
            return f"reversed: the gradient runs backwards along axis {axis}"
    return ""


def _unsummed(found: Comparison) -> str:
    """Only one term of a sum over broadcast copies is there."""
    for axis, last, mask in found.slices():
        if _same(found.given, (found.cotangents * mask) @ found.columns):
            return (
                f"not summed over axis {axis} of the output: only the "
                f"{'last' if last else 'first'} term arrived; sum over what forward broadcast, or "
                "declare broadcasts = True"
            )
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


def _single(found: Comparison) -> str:
    if np.count_nonzero(found.wrong) == 1 and found.wrong.size > 1:
        return "a fault in a single position; all other elements compared are right"
    return ""


def _ones_only(found: Comparison) -> str:
    off = np.abs(found.given[1:].sum(axis=0) - found.columns.sum(axis=0)).max(initial=0.0)
    if not found.full or off > 1e-6 * np.abs(found.columns).max():
        return ""
    return (
        "right for a cotangent of ones only, as after .sum(): the rule drops how g differs between "
        "the elements"
    )
