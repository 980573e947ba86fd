"""The subscripts of an einsum, such as "ij,jk->ik": which axes are paired, and in which order."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays.arguments import shown
from ..arrays.shapes import Shape

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Plan(NamedTuple):
    """The computation that the subscripts of an einsum and the shapes of its operands determine.

    terms   for each operand the labels of its axes, with letters for `...`; without axes of size 1
            that broadcast to another operand's, since repeating along an axis is the same as having
            none
    shapes  the operands' shapes without those axes
    output  the labels of the result
    order   pairs of positions: these two operands are removed, and their product is appended
    """

    terms: tuple[str, ...]
    shapes: tuple[Shape, ...]
    output: str
    order: tuple[tuple[int, int], ...]


def plan(subscripts: str, shapes: tuple[Shape, ...]) -> Plan:
    """The plan for operands of these shapes; ValueError if the subscripts do not fit them."""
    terms, output = _parsed(subscripts, shapes)
    size_of: dict[str, int] = {}
    for position, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        for label, size in zip(term, shape, strict=True):
            known = size_of.setdefault(label, size)
            own = shape[term.index(label)]
            if size != own:
                raise ValueError(
                    f"einsum: {label} names a diagonal of operand {position}, whose sizes must be "
                    f"equal; got shape {shape}"
                )
            if size != known and 1 not in (size, known):
                name = label if label in subscripts else "..."
                raise ValueError(
                    f"einsum: {name} has size {known}, and size {size} in operand {position}, of "
                    f"shape {shape}; sizes of one label must be equal or 1"
                )
            size_of[label] = size if known == 1 else known
    kept = [
        [axis for axis, label in enumerate(term) if shape[axis] == size_of[label]]
        for term, shape in zip(terms, shapes, strict=True)
    ]
    terms = ["".join(term[n] for n in axes) for term, axes in zip(terms, kept, strict=True)]
    shapes = tuple(tuple(shape[n] for n in axes) for shape, axes in zip(shapes, kept, strict=True))
    return Plan(tuple(terms), shapes, output, _order(terms, shapes, output))


def _parsed(subscripts: str, shapes: Sequence[Shape]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, with letters instead of `...`."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    given = inputs.split(",")
    if not set(text.replace("...", "").replace("->", "")) <= set(LETTERS + ","):
        raise ValueError(
            f"einsum: expected subscripts such as 'ij,jk->ik'; got {shown(subscripts)}"
        )
    if any(term.count("...") > 1 for term in (*given, output)):
        raise ValueError(f"einsum: expected ... once in each term; got {shown(subscripts)}")
    if len(given) != len(shapes):
        raise ValueError(f"einsum: {shown(inputs)} is for {len(given)} operands; got {len(shapes)}")
    ranks = []
    for position, (term, shape) in enumerate(zip(given, shapes, strict=True)):
        named = len(term.replace("...", ""))
        if named > len(shape) or (named < len(shape) and "..." not in term):
            raise ValueError(
                f"einsum: {shown(term)} is for {named} axes; operand {position} has shape {shape}"
                + ("; write ... for the others" if named < len(shape) else "")
            )
        ranks.append(len(shape) - named)
    unused = "".join(letter for letter in LETTERS if letter not in text)[: max(ranks)]
    terms = [
        term.replace("...", unused[len(unused) - rank :], 1)
        for term, rank in zip(given, ranks, strict=True)
    ]
    labels = "".join(terms)
    if arrow:
        output = output.replace("...", unused, 1)
    else:  # NumPy's rule: the labels that occur once, in alphabetical order
        once = sorted(label for label in set(labels) - set(unused) if labels.count(label) == 1)
        output = unused + "".join(once)
    for position, label in enumerate(output):
        if label not in labels or label in output[:position]:
            wrong = "twice" if label in labels else "which no operand has"
            raise ValueError(f"einsum: the result of {shown(subscripts)} has {label}, {wrong}")
    return terms, output


def _order(
    terms: Sequence[str], shapes: Sequence[Shape], output: str
) -> tuple[tuple[int, int], ...]:
    """The order of the products: NumPy's search for a cheap one."""
    count = len(terms)
    path = [tuple(range(count))]
    if count > 2:
        stand_ins = [np.broadcast_to(np.float32(0), shape) for shape in shapes]
        path = np.einsum_path(f"{','.join(terms)}->{output}", *stand_ins)[0][1:]
    order = []
    for group in path:
        left = sorted(group)
        while len(left) > 1:
            first, second, *rest = left
            order.append((first, second))
            count -= 1
            left = [position - 2 for position in rest] + [count - 1] if rest else []
    return tuple(order)
