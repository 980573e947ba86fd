"""`gradcheck`: gradients compared with finite differences.

It compares vector-Jacobian products: for a cotangent v of the output, `backward` gives v J, and
central differences give the columns of J,

    df/dx = (f(x + h) - f(x - h)) / 2h  +  O(h^2) + O(eps / h).

v is random, never all ones: v = 1, as after `.sum()`, hides a wrong softmax or a wrong order of
elements.  If the Jacobian is small enough, v is also each row of the identity in turn.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..arrays import arguments
from ..arrays.generator import new_generator
from ..engine.function import Primitive
from ..engine.graph import Array, array_of
from ..methods._keywords import also
from ..tensor import Tensor
from .diagnosis import Comparison, Other, diagnose
from .differences import (
    EPS,
    SHRINK,
    STEP,
    Differences,
    GradientError,
    Subject,
    at,
    figure,
    joined,
    labels_of,
    subject_of,
)
from .products import pull_back

__all__ = ["GradientError", "gradcheck", "gradgradcheck"]

JACOBIAN_LIMIT = 2**12  # entries of a Jacobian that is compared in full
SAMPLE = 32  # elements that are compared one by one where the Jacobian is larger
DIRECTIONS = 4  # random directions for the rest of them
BLOCK = 4  # elements to which the search for a wrong one narrows down
ROUNDING = 10 * EPS  # relative error that a value may have accumulated


@also("func", "eps")
def gradcheck(
    fn: Callable[..., Any] | type[Primitive],
    inputs: Any,
    *,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    step: float = STEP,
    seed: int = 0,
) -> bool:
    """True if the gradients of `fn` agree with finite differences; else GradientError says why.

    fn        a function of tensors that returns a tensor or several, or a Function subclass.  It
              must return the same values each time, so seed dropout inside it
    inputs    its argument, or a list of arguments.  The tensors that require grad are checked; if
              none does, all floats.  Floats of any width are copied to float64 (with the same
              memory layout); everything else is passed on unchanged
    atol      absolute error allowed: well above rounding, which is about 1e-10 for values near 1.
              Scale up a function whose gradients are smaller than 1e-6
    rtol      error allowed in proportion to the gradient
    step      step for an element x, in units of max(|x|, 1); smaller ones are tried on a mismatch
    seed      for the random cotangents, directions and samples

    A Jacobian of at most 4096 entries is compared in full.  A larger one is compared along random
    directions and at a sample of elements; a wrong element is then found by bisection.  A point on
    a kink is refused, although the central difference there may agree by chance.

    Errors: TypeError or ValueError for arguments of the wrong kind; GradientError otherwise.
    """
    subject = _subject("gradcheck", fn, inputs, atol, rtol, step)
    _Check(subject, atol, rtol, step, arguments.seed(seed, "gradcheck: seed")).run()
    return True


@also("func", "eps")
def gradgradcheck(
    fn: Callable[..., Any] | type[Primitive],
    inputs: Any,
    *,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    step: float = STEP,
    seed: int = 0,
) -> bool:
    """True if the second derivatives of `fn` agree with finite differences of its gradients.

    The function checked is (x, g) -> g J(x), with respect to x and to g, a random cotangent of the
    output.  It does not check the first derivative J itself, so run `gradcheck` too.  The arguments
    and errors are those of `gradcheck`.
    """
    first = _subject("gradgradcheck", fn, inputs, atol, rtol, step)
    _, outputs = first.run(first.point)
    seed = arguments.seed(seed, "gradgradcheck: seed")
    rng = new_generator((seed, 2))
    cotangents = [np.asarray(rng.standard_normal(output.shape)) for output in outputs]
    count = len(first.arguments)

    def gradient(*values: Any, create_graph: bool = True) -> tuple[Tensor, ...]:
        outputs = first.float_outputs(first.fn(*values[:count]))
        leaves = [values[position] for position in first.positions]
        found = pull_back(first, outputs, values[count:], leaves, create_graph=create_graph)
        return tuple(
            leaf.zeros_like() if gradient is None else gradient
            for leaf, gradient in zip(leaves, found, strict=True)
        )

    second = Subject(
        first.check,
        first.name,
        gradient,
        [*first.arguments, *cotangents],
        [*first.positions, *range(count, count + len(cotangents))],
        [*first.labels, *labels_of("g", range(len(cotangents)), len(cotangents))],
        "gradient",
        partial(gradient, create_graph=False),
    )
    _Check(second, atol, rtol, step, seed).run()
    return True


# ---------------------------------------------------------------------------------------------
# Arguments


def _subject(check: str, fn: Any, inputs: Any, atol: float, rtol: float, step: float) -> Subject:
    """The subject of `fn` and `inputs`; ValueError for wrong options."""
    for option, value in (("atol", atol), ("rtol", rtol), ("step", step)):
        least = 0 if option != "step" else EPS**2
        if not least <= arguments.number(value, f"{check}: {option}") < np.inf:
            raise ValueError(
                f"{check}: {option}: expected a positive number, as 1e-6; "
                f"got {arguments.shown(value)}"
            )
    return subject_of(check, fn, inputs)


# ---------------------------------------------------------------------------------------------
# The check


class _Check:
    """The comparison at one point.

    cotangent  v, with a random number for each element of the outputs
    """

    def __init__(self, subject: Subject, atol: float, rtol: float, step: float, seed: int) -> None:
        self.subject = subject
        self.second = subject.check == "gradgradcheck"
        self.atol = atol
        self.rtol = rtol
        self.rng = new_generator((seed, 1))  # not the numbers of default_rng(seed)
        self.given, self.outputs = subject.run(subject.point)
        value = subject.values(subject.point) if subject.plain else joined(self.outputs)
        self.around = Differences(subject, value, step)
        self.cotangent = self.rng.standard_normal(self.around.value.size)
        self.analytic: list[Array] = []  # for each input (rows, *shape)
        self.reached: set[int] = set()  # the inputs at which a gradient arrived, be it 0

    def run(self) -> None:
        """Raise unless everything agrees."""
        self._refuse_mutation("fn")
        self._refuse_unsteady()
        size = self.cotangent.size
        numbers = range(len(self.subject.point))
        full = [
            number
            for number in numbers
            if size == 1 or self.subject.point[number].size * size <= JACOBIAN_LIMIT
        ]
        products = self._products(self.cotangent[None], numbers)
        entries = dict(zip(full, self._products(np.eye(size), full), strict=True)) if full else {}
        self._refuse_mutation("backward")
        again = self._products(self.cotangent[None], numbers)
        for number in numbers:
            if not np.array_equal(products[number], again[number], equal_nan=True):
                self.subject.fail(
                    f"backward gives another gradient of {self.subject.labels[number]} the second "
                    "time: it changes what forward saved, or draws random numbers"
                )
        self.analytic = [
            np.concatenate([products[number], *([entries[number]] if number in entries else [])])
            for number in numbers
        ]
        for number in numbers:
            self._compare(number, self.analytic[number])

    def _products(self, cotangents: Array, numbers: Sequence[int]) -> list[Array]:
        """For each of these inputs (rows, *shape): v J for each row v, from `backward`."""
        leaves = [self.given[self.subject.positions[number]] for number in numbers]
        products = [np.zeros((len(cotangents), *leaf.shape)) for leaf in leaves]
        ends = np.cumsum([output.numel() for output in self.outputs])[:-1]
        for row, cotangent in enumerate(cotangents):
            parts = [
                part.reshape(output.shape)
                for part, output in zip(np.split(cotangent, ends), self.outputs, strict=True)
            ]
            found = pull_back(self.subject, self.outputs, parts, leaves, retain_graph=True)
            for number, product, gradient in zip(numbers, products, found, strict=True):
                if gradient is not None:
                    product[row] = gradient.numpy()
                    self.reached.add(number)
        return products

    def _refuse_mutation(self, culprit: str) -> None:
        """Raise if an argument was changed."""
        before: list[Any] = list(self.subject.arguments)
        for position, array in zip(self.subject.positions, self.subject.point, strict=True):
            before[position] = array
        for position, now in enumerate(self.given):
            if not isinstance(now, (Tensor, np.ndarray)):
                continue
            new, old = array_of(now), array_of(before[position])
            if not np.array_equal(new, old, equal_nan=new.dtype.kind == "f"):
                self.subject.fail(
                    f"{culprit} changed argument {position}, of shape {old.shape}, in place; "
                    "compute on a clone() of it"
                )

    def _refuse_unsteady(self) -> None:
        """Raise unless the same arguments give the same finite values."""
        value, again = self.around.value, self.subject.values(self.subject.point)
        if not np.isfinite(value).all():
            self.subject.fail(
                f"the function is {value[~np.isfinite(value)][0]} here; differences need finite "
                "values; move the point"
            )
        if again.shape != value.shape:
            self.subject.fail(f"fn gives {value.size} values, and {again.size} the second time")
        error = np.abs(again - value).max(initial=0.0)
        if not error <= 1e-10 * np.abs(value).max(initial=0.0):
            self.subject.fail(
                f"fn is not deterministic: two calls differ by {error:.3g}; if it draws random "
                "numbers, as dropout does, seed it inside the function"
            )

    def _compare(self, number: int, analytic: Array) -> None:
        """Raise unless the gradients with respect to one input agree with the differences."""
        size, outputs = self.subject.point[number].size, max(self.cotangent.size, 1)
        elements = np.arange(size)
        sampled = size * outputs > JACOBIAN_LIMIT
        if sampled:
            count = min(size, SAMPLE, max(4, 2**22 // outputs))
            elements = np.sort(self.rng.choice(size, count, replace=False))
        right, left = self.around.slopes(number, elements)
        self.around.refuse_huge(right, left)
        wrong = self._wrong(number, analytic, elements, (right + left) / 2)
        if wrong.any() or self.around.kinks(number, elements, right, left).any():
            self._explain(number, analytic, elements)
        block = self._wrong_block(number, analytic[0]) if sampled else elements[:0]
        if block.size:
            self._explain(number, analytic, np.union1d(elements, block))

    def _rows(self, analytic: Array) -> Array:
        """(rows, outputs): the cotangents whose products `analytic` holds."""
        identity = np.eye(self.cotangent.size) if len(analytic) > 1 else self.cotangent[None][:0]
        return np.concatenate((self.cotangent[None], identity))

    def _wrong(self, number: int, analytic: Array, elements: Array, columns: Array) -> Array:
        """(rows, n) flags: the two products differ by more than numerical errors explain.

        Where they differ, smaller steps are tried.  Truncation falls with h^2, so that a steep
        function passes, and a kink or a pole nearby is no longer reached; a wrong rule stays wrong.
        """
        rows = self._rows(analytic)
        given = analytic.reshape(len(rows), -1)[:, elements]
        flags = np.ones(given.shape, bool)
        left_over = np.arange(len(elements))
        for shrink in (1.0, SHRINK, SHRINK**2):
            if shrink > 1.0:
                right, left = self.around.slopes(number, elements[left_over], shrink)
                columns = (right + left) / 2
            a, n = given[:, left_over], rows @ columns
            size = np.square(rows) @ (np.square(self.around.value)[:, None] * (columns != 0))
            rounding = ROUNDING * np.sqrt(size) / self.around.steps(number, shrink)[
                elements[left_over]
            ]  # fmt: skip
            allowed = self.atol + self.rtol * np.maximum(np.abs(a), np.abs(n)) + rounding
            flags[:, left_over] &= ~(np.abs(a - n) <= allowed)
            left_over = np.flatnonzero(flags.any(axis=0))
            if not left_over.size:
                break
        return flags

    def _wrong_block(self, number: int, gradient: Array) -> Array:
        """A few elements, at least one of which seems to be wrong; empty if none is found."""
        block = np.arange(gradient.size)
        steps = (1.0, SHRINK, SHRINK**2)
        if all(
            any(self._excess(number, gradient, block, shrink) <= 0 for shrink in steps)
            for _ in range(DIRECTIONS)
        ):
            return block[:0]
        while block.size > BLOCK:
            halves = np.array_split(block, 2)
            excess = [self._excess(number, gradient, half, SHRINK) for half in halves]
            block = halves[int(np.argmax(excess))]
        return block

    def _excess(self, number: int, gradient: Array, elements: Array, shrink: float) -> float:
        """By how much the error of the derivative along a random direction exceeds the limit.

        The direction moves the given elements only, each by about its own step.
        """
        by = self.around.steps(number, shrink)[elements]
        by *= self.rng.choice((-1.0, 1.0), by.size) * self.rng.uniform(0.5, 1.5, by.size)
        change = self.around.moved(number, elements, by) - self.around.moved(number, elements, -by)
        terms = gradient.reshape(-1)[elements] * by
        allowed = self.rtol * np.linalg.norm(terms) + self.atol * np.linalg.norm(by)
        allowed += ROUNDING * np.linalg.norm(self.cotangent * self.around.value)
        error = abs(self.cotangent @ change / 2 - terms.sum())
        return float(error - allowed) if np.isfinite(error) else np.inf

    # The explanation

    def _explain(self, number: int, analytic: Array, elements: Array) -> None:
        """Raise with a diagnosis, after a closer look at the given elements."""
        right, left = self.around.slopes(number, elements)
        columns, rows = (right + left) / 2, self._rows(analytic)
        wrong = self._wrong(number, analytic, elements, columns)
        self.around.refuse_float32(number, self.cotangent)
        self.around.refuse_kink(number, elements, right, left)
        shapes = tuple(output.shape for output in self.outputs)
        columns_wrong = np.asarray(wrong.any(axis=0))
        found = Comparison(
            self._name(number),
            rows,
            analytic,
            columns,
            elements,
            columns_wrong,
            shapes,
            number in self.reached or self.second,
            tuple(self._others(number, rows, elements)),
        )
        errors = np.where(wrong, np.nan_to_num(np.abs(found.given - found.numeric), nan=np.inf), -1)
        if wrong[1:].any():
            errors[0] = -2  # a single entry tells more than a product
        row, column = map(int, np.unravel_index(errors.argmax(), errors.shape))
        self.around.refuse_singular(number, int(elements[column]), columns[:, column])
        hint = "; does the rule read a value that forward kept on self?" if self.second else ""
        headline = self._headline(number, found, row, column)
        self.subject.fail(f"{headline}\ndiagnosis: {diagnose(found)}{hint}")

    def _name(self, number: int) -> str:
        """The name of an input in a diagnosis: its position, or g."""
        label = self.subject.labels[number]
        return label if label.startswith("g") else f"input {self.subject.positions[number]}"

    def _others(self, number: int, rows: Array, elements: Array) -> Iterator[Other]:
        """The other inputs of the same shape, whose gradient this one may have got."""
        for other, point in enumerate(self.subject.point):
            if other != number and point.shape == self.subject.point[number].shape:
                right, left = self.around.slopes(other, elements)
                given = self.analytic[other].reshape(len(rows), -1)[:, elements]
                yield Other(self._name(other), rows @ ((right + left) / 2), given)

    def _headline(self, number: int, found: Comparison, row: int, column: int) -> str:
        """The input, the number of wrong elements, and the worst one."""
        label, shape, count = self.subject.labels[number], found.shape, found.wrong.size
        element = at(label, shape, int(found.elements[column]))
        a, n = float(found.given[row, column]), float(found.numeric[row, column])
        of = f"{count} elements" if count == np.prod(shape) else f"the {count} elements compared"
        return (
            f"the derivative with respect to {label}, of shape {shape}, is wrong in "
            f"{np.count_nonzero(found.wrong)} of {of}; worst: d {self._output(row)} / d {element} "
            f"is {figure(n)}, and backward gives {figure(a)} (error {abs(a - n):.3g})"
        )

    def _output(self, row: int) -> str:
        """What a row of cotangents selects: a random combination, or one element of an output."""
        labels = labels_of(self.subject.result, range(len(self.outputs)), len(self.outputs))
        element = row - 1
        for label, output in zip(labels, self.outputs, strict=True):
            if 0 <= element < output.numel():
                return at(label, output.shape, element)
            element -= output.numel()
        return f"(v . {self.subject.result})"
