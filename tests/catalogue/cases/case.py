"""One row of the table of primitives, and the domains and shapes that rows share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Shapes = tuple[tuple[int, ...], ...]
Domain = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

ONE: Sequence[Shapes] = (((3, 4),), ((),), ((0,),), ((1,),), ((2, 1, 3),))
TWO: Sequence[Shapes] = (
    ((3, 4), (3, 4)),
    ((2, 1), (3,)),
    ((), (2, 3)),
    ((1, 1), (4,)),
    ((2, 3, 4), (3, 1)),
    ((0, 3), (1, 3)),
    ((), ()),
)
SQUARE: Sequence[Shapes] = (((3, 3),), ((2, 2, 2),), ((1, 1),), ((0, 0),), ((0, 2, 2),))


def away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """0.2 to 1.7 with a random sign: no corner of relu, abs or a division is near."""
    return np.asarray(rng.uniform(0.2, 1.7, shape) * rng.choice([-1.0, 1.0], shape))


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """0.3 to 2."""
    return np.asarray(rng.uniform(0.3, 2.0, shape))


def within_one(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """-0.9 to 0.9, off 0: where arcsin and artanh are defined."""
    return np.asarray(rng.uniform(0.1, 0.9, shape) * rng.choice([-1.0, 1.0], shape))


def above_one(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """1.2 to 3: where arcosh is defined."""
    return np.asarray(rng.uniform(1.2, 3.0, shape))


def off_multiples(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of which none is near a multiple of 0.77 times another: a % b jumps there."""
    return np.asarray(rng.choice([0.83, 1.31, 2.17, -1.31, -2.17, 3.07], shape))


def graded(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Matrices with a diagonal of 1.5, 3, 4.5, ... and small numbers beside it; or a vector.

    They are invertible, their singular values differ, and so do the eigenvalues of x + x.T.
    """
    rows, columns = np.indices(shape[-2:]) if len(shape) > 1 else (1, 0)
    return np.asarray(np.where(rows == columns, 1.5 * (columns + 1), rng.uniform(-0.5, 0.5, shape)))


def off_whole(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of which none is near a whole one."""
    return np.asarray(rng.integers(-3, 3, shape) + rng.uniform(0.2, 0.8, shape))


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """All different by at least 0.1, in random order: no ties near."""
    size = int(np.prod(shape))
    return np.asarray((rng.permutation(size) * 0.1 - size * 0.05 + 0.03).reshape(shape))


@dataclass(frozen=True)
class Case:
    """One way to call a primitive.

    call       on tensors, by the method a user would take
    reference  the same on arrays, by NumPy
    shapes     the inputs' shapes, one tuple of shapes for each variant
    domain     makes an input of a shape: random numbers away from corners
    copies     whether the result is always new memory
    rtol       relative error allowed in float64
    note       what sets this row apart from the primitive's others
    """

    op: type
    call: Callable[..., Any]
    reference: Callable[..., Any]
    shapes: Sequence[Shapes] = ONE
    domain: Domain = away_from_zero
    copies: bool = True
    rtol: float = 1e-14
    note: str = ""

    def inputs(self, variant: Shapes, dtype: Any = np.float64) -> list[np.ndarray]:
        """Fresh inputs, the same for every call."""
        rng = np.random.default_rng(len(variant) + sum(sum(shape) for shape in variant))
        return [np.asarray(self.domain(rng, shape), dtype=dtype) for shape in variant]

    @property
    def name(self) -> str:
        """For errors and ids of tests."""
        return f"{self.op.__name__}-{self.note}" if self.note else self.op.__name__


def function(
    op: type,
    reference: Callable[..., Any],
    shapes: Sequence[Shapes] = ONE,
    domain: Domain = away_from_zero,
    **settings: Any,
) -> Case:
    """The row of a primitive that has a method of its name: function(ops.Hypot, np.hypot, TWO)."""
    name = op.__name__.lower()
    return Case(
        op, lambda x, *others: getattr(x, name)(*others), reference, shapes, domain, **settings
    )
