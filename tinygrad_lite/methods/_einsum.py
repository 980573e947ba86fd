"""Sums of products over named axes: einsum.

It is composed of permutations, diagonals, sums and products of two operands; a product that is
summed over an axis is a matrix product.  So einsum needs no derivative rule, and has exact
derivatives of every order.

The steps follow from the subscripts and the shapes alone, and are cached: the second time only the
operations themselves run.
"""

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..arrays.shapes import Shape
from ..ops.arithmetic import Mul
from ..ops.indexing import Diagonal
from ..ops.linalg import Matmul
from ..ops.movement import Permute, Reshape
from ..ops.reduce import Sum
from ._operands import cast, refuse_bools
from ._subscripts import plan


class Stage(NamedTuple):
    """Two operands are removed from the list, and their product is appended.

    first, second   their positions, in rising order
    before          for each of the two, the functions that prepare it
    product         the function of both
    """

    first: int
    second: int
    before: tuple[list[Callable[[Any], Any]], list[Callable[[Any], Any]]]
    product: Callable[[Any, Any], Any]


def einsum(subscripts: str, operands: Sequence[Any]) -> Any:
    """The product of the operands, summed over all labels that the output does not have.

    operands: tensors and arrays of one dtype.
    """
    stages, after = _program(subscripts, tuple([operand.shape for operand in operands]))
    left = list(operands)
    for first, second, (a_steps, b_steps), product in stages:
        b, a = left.pop(second), left.pop(first)
        for step in a_steps:
            a = step(a)
        for step in b_steps:
            b = step(b)
        left.append(product(a, b))
    (result,) = left
    for step in after:
        result = step(result)
    return result


class Axes:
    """The axes of an operand at one stage of an einsum, and the steps that led there.

    labels  a letter for each axis, in the order of the shape, until groups of axes are merged
    """

    def __init__(self, labels: Sequence[str], shape: Shape) -> None:
        self.labels = list(labels)
        self.shape = shape
        self.steps: list[Callable[[Any], Any]] = []

    def reshape(self, shape: Shape) -> None:
        """The same elements in another shape."""
        if shape != self.shape:
            self.steps.append(partial(Reshape.apply, shape=shape))
            self.shape = shape

    def permute(self, order: Sequence[int]) -> None:
        """The axes in another order."""
        if list(order) != sorted(order):
            self.steps.append(partial(Permute.apply, axes=tuple(order)))
            self.labels = [self.labels[axis] for axis in order]
            self.shape = tuple(self.shape[axis] for axis in order)

    def order(self, labels: Sequence[str]) -> None:
        """The axes in the order of these labels."""
        self.permute([self.labels.index(label) for label in labels])

    def reduce(self, kept: Collection[str]) -> None:
        """The diagonal where a label is repeated; then the sum over the labels not kept."""
        for label in dict.fromkeys(self.labels):
            while self.labels.count(label) > 1:
                pair = [axis for axis, other in enumerate(self.labels) if other == label][:2]
                others = [axis for axis in range(len(self.labels)) if axis not in pair]
                self.permute([*others, *pair])
                self.steps.append(Diagonal.apply)
                self.labels, self.shape = self.labels[:-1], self.shape[:-1]
        left = [axis for axis, label in enumerate(self.labels) if label in kept]
        if len(left) < len(self.labels):
            summed = tuple(axis for axis in range(len(self.labels)) if axis not in left)
            self.steps.append(partial(_total, axes=summed))
            self.labels = [self.labels[axis] for axis in left]
            self.shape = tuple(self.shape[axis] for axis in left)


@lru_cache(maxsize=1024)
def _program(
    subscripts: str, shapes: tuple[Shape, ...]
) -> tuple[list[Stage], list[Callable[[Any], Any]]]:
    """The stages, one for each product of two operands, and the steps after the last."""
    terms, kept_shapes, output, order = plan(subscripts, shapes)
    left, stages = [], []
    for term, given, shape in zip(terms, shapes, kept_shapes, strict=True):
        left.append(Axes(term, given))
        left[-1].reshape(shape)
    for first, second in order:
        b, a = left.pop(second), left.pop(first)
        kept = set(output).union(*(axes.labels for axes in left))
        product, result = _contract(a, b, kept)
        stages.append(Stage(first, second, (a.steps, b.steps), product))
        left.append(result)
    (last,) = left
    last.reduce(output)
    last.order(output)
    return stages, last.steps


def _contract(a: Axes, b: Axes, kept: Collection[str]) -> tuple[Callable[[Any, Any], Any], Axes]:
    """The product of two operands, summed over the labels that are not kept.  Prepares both.

    A label of both has the same size in both.  The result has first the labels of both, then those
    of a only, then those of b only.
    """
    a.reduce({*kept, *b.labels})
    b.reduce({*kept, *a.labels})
    size = dict(zip([*a.labels, *b.labels], [*a.shape, *b.shape], strict=True))
    shared = [label for label in a.labels if label in b.labels]
    stack = [label for label in shared if label in kept]
    summed = [label for label in shared if label not in kept]
    left = [label for label in a.labels if label not in shared]
    right = [label for label in b.labels if label not in shared]
    a.order([*stack, *left, *summed])
    b.order([*stack, *summed, *right])
    many, rows, inner, columns = (
        tuple(size[label] for label in group) for group in (stack, left, summed, right)
    )
    result = Axes([*stack, *left, *right], (*many, *rows, *columns))
    if not summed:
        a.reshape((*many, *rows, *(1 for _ in columns)))
        b.reshape((*many, *(1 for _ in rows), *columns))
        return Mul.apply, result
    # Each group of axes is merged into one, which leaves a stack of matrices.  An empty group
    # becomes an axis of size 1; without a stack it becomes none, which leaves a vector.
    one_row = (prod(rows),) if rows or many else ()
    one_column = (prod(columns),) if columns or many else ()
    a.reshape((*many, *one_row, prod(inner)))
    b.reshape((*many, prod(inner), *one_column))
    shape, result.shape = result.shape, (*many, *one_row, *one_column)
    result.reshape(shape)
    return _matrix_product, result


def _matrix_product(a: Any, b: Any) -> Any:
    refuse_bools("einsum", a)
    return Matmul.apply(a, b)


def _total(x: Any, axes: tuple[int, ...]) -> Any:
    return Sum.apply(x if x.dtype.kind == "f" else cast(x, np.int64), axes=axes)
