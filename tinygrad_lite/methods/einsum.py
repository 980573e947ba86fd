"""Sums of products over named axes: einsum, and what it computes under other names.

Everything is composed of permutations, diagonals, sums and products of two operands, which run
through the matrix product wherever an axis is summed.  So every order of derivative is exact.
The functions take tensors and arrays of one dtype.
"""

from collections.abc import Collection, Sequence
from math import prod
from typing import Any

import numpy as np

from ..ops.arithmetic import Mul
from ..ops.indexing import Diagonal
from ..ops.linalg import Matmul
from ..ops.movement import Permute, Reshape
from ..ops.reduce import Sum
from ..shapes import Shape
from .operands import cast
from .subscripts import plan

Labels = Sequence[Any]  # a name for each axis


def einsum(subscripts: str, operands: Sequence[Any]) -> Any:
    """The sum over all labels that the output does not have of the product of the operands."""
    steps = plan(subscripts, tuple(operand.shape for operand in operands))
    named: list[tuple[Any, Labels]] = [
        (_reshaped(operand, shape), term)
        for operand, shape, term in zip(operands, steps.shapes, steps.terms, strict=True)
    ]
    for first, second in steps.order:
        b, a = named.pop(second), named.pop(first)
        kept = set(steps.output).union(*(labels for _, labels in named))
        named.append(contract(*a, *b, kept))
    return _ordered(*_reduced(*named[0], steps.output), steps.output)


def contract(
    a: Any, a_labels: Labels, b: Any, b_labels: Labels, kept: Collection[Any]
) -> tuple[Any, Labels]:
    """The product of two operands, summed over the labels that are not kept, and its labels.

    An axis that both have has one size in both.  The result's labels come in the order: those of
    both, those of a alone, those of b alone.
    """
    a, a_labels = _reduced(a, a_labels, {*kept, *b_labels})
    b, b_labels = _reduced(b, b_labels, {*kept, *a_labels})
    size = dict(zip([*a_labels, *b_labels], [*a.shape, *b.shape], strict=True))
    shared = [label for label in a_labels if label in b_labels]
    stack = [label for label in shared if label in kept]
    summed = [label for label in shared if label not in kept]
    left = [label for label in a_labels if label not in shared]
    right = [label for label in b_labels if label not in shared]
    a = _ordered(a, a_labels, [*stack, *left, *summed])
    b = _ordered(b, b_labels, [*stack, *summed, *right])
    labels = [*stack, *left, *right]
    shape = tuple(size[label] for label in labels)
    many = shape[: len(stack)]
    if not summed:
        b = _reshaped(b, many + (1,) * len(left) + shape[len(stack) + len(left) :])
        return Mul.apply(_reshaped(a, a.shape + (1,) * len(right)), b), labels
    refuse_bools("einsum", a)
    # Groups of axes become one: a stack of matrices; without a group, a vector.
    inner = prod(size[label] for label in summed)
    rows = (prod(size[label] for label in left),) if left or stack else ()
    columns = (prod(size[label] for label in right),) if right or stack else ()
    product = Matmul.apply(
        _reshaped(a, (*many, *rows, inner)), _reshaped(b, (*many, inner, *columns))
    )
    return _reshaped(product, shape), labels


def refuse_bools(name: str, a: Any) -> None:
    """TypeError for a product of bools that is summed: a count, or whether any is True?"""
    if a.dtype.kind == "b":
        raise TypeError(f"{name}: expected numbers to add up; got bools; cast one side to np.int64")


def _reduced(x: Any, labels: Labels, kept: Collection[Any]) -> tuple[Any, Labels]:
    """x with each label once (where one is repeated: the diagonal), summed over those not kept."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            others = [place for place in range(len(labels)) if place not in (i, j)]
            x = Diagonal.apply(Permute.apply(x, axes=(*others, i, j)))
            labels = [*(labels[place] for place in others), label]
    axes = tuple(place for place, label in enumerate(labels) if label not in kept)
    if axes:
        x = Sum.apply(x if x.dtype.kind == "f" else cast(x, np.int64), axes=axes)
    return x, [label for label in labels if label in kept]


def _ordered(x: Any, labels: Labels, wanted: Labels) -> Any:
    """x with its axes in another order."""
    axes = tuple(list(labels).index(label) for label in wanted)
    return x if axes == tuple(range(len(axes))) else Permute.apply(x, axes=axes)


def _reshaped(x: Any, shape: Shape) -> Any:
    return x if x.shape == shape else Reshape.apply(x, shape=shape)
