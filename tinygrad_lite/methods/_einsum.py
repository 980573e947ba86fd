"""Sums of products over named axes.

An einsum is composed of permutations, diagonals, sums and products of two operands, which run
through the matrix product wherever an axis is summed.  So it has no rule of its own, and exact
derivatives of every order.

What is to be done follows from the subscripts and the shapes alone, and is remembered: the second
time only the operations themselves run.
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
    """The operands at two positions go, and their product comes to the end.

    first, second   the positions, in rising order
    before          for each of the two, functions that prepare it
    product         the function of both
    """

    first: int
    second: int
    before: tuple[list[Callable[[Any], Any]], list[Callable[[Any], Any]]]
    product: Callable[[Any, Any], Any]


def einsum(subscripts: str, operands: Sequence[Any]) -> Any:
    """The sum over all labels that the output does not have of the product of the operands.

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
    """The axes of an operand on its way through an einsum, and the steps of that way.

    labels  a letter for each axis, in the order of the shape; until groups of axes become one
    """

    def __init__(self, labels: Sequence[str], shape: Shape) -> None:
        self.labels = list(labels)
        self.shape = shape
        self.steps: list[Callable[[Any], Any]] = []

    def reshape(self, shape: Shape) -> None:
        """Other sizes for the same elements."""
        if shape != self.shape:
            self.steps.append(partial(Reshape.apply, shape=shape))
            self.shape = shape

    def permute(self, places: Sequence[int]) -> None:
        """The axes in another order."""
        if list(places) != sorted(places):
            self.steps.append(partial(Permute.apply, axes=tuple(places)))
            self.labels = [self.labels[place] for place in places]
            self.shape = tuple(self.shape[place] for place in places)

    def order(self, labels: Sequence[str]) -> None:
        """The axes in the order of these labels."""
        self.permute([self.labels.index(label) for label in labels])

    def reduce(self, kept: Collection[str]) -> None:
        """Each label once, by the diagonal where it is repeated; summed over those not kept."""
        for label in dict.fromkeys(self.labels):
            while self.labels.count(label) > 1:
                pair = [place for place, other in enumerate(self.labels) if other == label][:2]
                others = [place for place in range(len(self.labels)) if place not in pair]
                self.permute([*others, *pair])
                self.steps.append(Diagonal.apply)
                self.labels, self.shape = self.labels[:-1], self.shape[:-1]
        places = [place for place, label in enumerate(self.labels) if label in kept]
        if len(places) < len(self.labels):
            summed = tuple(place for place in range(len(self.labels)) if place not in places)
            self.steps.append(partial(_total, axes=summed))
            self.labels = [self.labels[place] for place in places]
            self.shape = tuple(self.shape[place] for place in places)


@lru_cache(maxsize=1024)
def _program(
    subscripts: str, shapes: tuple[Shape, ...]
) -> tuple[list[Stage], list[Callable[[Any], Any]]]:
    """The products of two, one after the other, and the steps that make the result of the last."""
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
    """The product of two operands, summed over the labels that are not kept; prepares both.

    An axis that both have is equally long in both.  The result's labels come in the order: those
    of both, those of a alone, those of b alone.
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
    # Each group of axes becomes one, so that a stack of matrices is left; a group that is empty
    # gets a size of 1, or where there is no stack, none: a vector.
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
