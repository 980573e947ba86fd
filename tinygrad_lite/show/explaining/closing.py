"""What a well-known composition comes to: one formula, and how far it is from what was computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ...arrays.shapes import Shape
from ...engine.graph import Array, Node
from ..formulas.symbols import Symbols
from ..graph.history import History
from ..graph.recomputing import Recomputation
from ..outline.summaries import largest
from ..outline.wording import number_text
from .document import Math
from .steps import Steps


@dataclass(slots=True)
class Closing:
    """One formula with what is said about it.

    about      what the formula is of: "Softmax and cross entropy"
    latex      the formula
    sentences  the check of the formula, and why it is so
    node       the node whose derivative it is
    value      the derivative that this formula gives, computed by NumPy in float64
    """

    about: str
    latex: str
    sentences: list[Sequence[str | Math]]
    node: Node
    value: Array


@dataclass(slots=True)
class Known:
    """What the compositions are recognised by: the values and gradients of one graph."""

    history: History
    symbols: Symbols
    recomputed: Recomputation
    steps: Steps

    def value(self, node: Node | None) -> Array | None:
        """The value of a node in float64; None if unknown."""
        found = None if node is None else self.recomputed.value(node)
        return found.astype(np.float64) if isinstance(found, np.ndarray) else None

    def input(self, node: Node, position: int) -> Array | None:
        """The value of an input of a node in float64; None if unknown."""
        parent = node.parents[position]
        if parent is not None:
            return self.value(parent)
        given = self.history.inputs(node)[position]
        return None if given is None else np.asarray(given, np.float64)

    def gradient(self, node: Node) -> Array | None:
        """The gradient of a node in float64; None if it is unknown or not finite."""
        found = self.history.gradient(node)
        if not isinstance(found, np.ndarray) or not np.isfinite(found).all():
            return None
        return found.astype(np.float64)

    def derivative(self, node: Node) -> str:
        r"""\frac{\partial loss}{\partial h}."""
        return (
            rf"\frac{{\partial {self.symbols.of(self.history.root)}}}"
            rf"{{\partial {self.symbols.of(node)}}}"
        )


def is_near(expected: Array, computed: Array, tolerance: float = 1e-4) -> bool:
    """Whether a formula gives what was computed, as far as float32 tells."""
    if expected.shape != computed.shape or not np.isfinite(expected).all():
        return False
    return bool(largest(expected - computed) <= tolerance * max(largest(computed), 1e-30))


def equality(expected: Array, computed: Array) -> str:
    """How far a formula is from what was computed."""
    return (
        f"Equal to the computed derivative: the largest difference is "
        f"{number_text(largest(expected - computed))}, where the derivative is up to "
        f"{number_text(largest(computed))}.  (The formula was computed by itself, in float64.)"
    )


def is_one_of(number: int, factor: float) -> bool:
    """Whether a factor is 1 / number, as after a mean."""
    return number > 1 and abs(factor * number - 1) < 1e-5


def mean_over(shape: Shape, factor: float, what: str) -> tuple[int, str] | None:
    """N, if a factor is 1 / N and N the number of elements or of rows; and why it is there."""
    size = prod(shape)
    if is_one_of(size, factor):
        of = f"the mean of {size:,} {what}, so each enters"
    elif shape and is_one_of(shape[0], factor):
        size = shape[0]
        of = f"the mean over {size:,} rows of the sum of their {what}, so each row enters"
    else:
        return None
    return size, f"Why divide by N: the result is {of} with the factor 1 / N."
