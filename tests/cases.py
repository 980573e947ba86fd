"""The table of every primitive: how it is called, what NumPy says, and on which inputs.

`tests/test_primitives.py` runs all checks on all rows, and fails if a primitive has no row or a row
no primitive.  A row's `reference` is written with NumPy alone, so that values, and gradients by
finite differences of the reference, are compared with something that is not ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_lite import Tensor
from tinygrad_lite.ops import elementwise as ew
from tinygrad_lite.ops import indexing, linalg, losses, movement, reduce

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Case:
    """One way to call a primitive.

    call       on tensors, by the method a user would take
    reference  the same on arrays, by NumPy
    shapes     the inputs' shapes, one tuple of shapes for each variant
    domain     makes an input of a shape: random numbers away from corners
    copies     whether the result is always new memory
    note       what sets this row apart from the primitive's others
    """

    op: type
    call: Callable[..., Any]
    reference: Callable[..., Any]
    shapes: Sequence[Shapes]
    domain: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = field(
        default=lambda rng, shape: away_from_zero(rng, shape)
    )
    copies: bool = True
    note: str = ""

    def inputs(self, variant: Shapes, dtype: Any = np.float64) -> list[np.ndarray]:
        """Fresh inputs, the same for every call."""
        rng = np.random.default_rng(len(variant) + sum(sum(shape) for shape in variant))
        return [np.asarray(self.domain(rng, shape), dtype=dtype) for shape in variant]


def away_from_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """0.2 to 1.7 with a random sign: no corner of relu, abs or a division is near."""
    return np.asarray(rng.uniform(0.2, 1.7, shape) * rng.choice([-1.0, 1.0], shape))


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """0.3 to 2."""
    return np.asarray(rng.uniform(0.3, 2.0, shape))


def off_multiples(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of which none is near a multiple of 0.77 times another: a % b jumps there."""
    return np.asarray(rng.choice([0.83, 1.31, 2.17, -1.31, -2.17, 3.07], shape))


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """All different by at least 0.1, in random order: no ties near."""
    size = int(np.prod(shape))
    return np.asarray((rng.permutation(size) * 0.1 - size * 0.05 + 0.03).reshape(shape))


ONE: Sequence[Shapes] = [((3, 4),), ((),), ((0,),), ((1,),), ((2, 1, 3),)]
TWO: Sequence[Shapes] = [
    ((3, 4), (3, 4)),
    ((2, 1), (3,)),
    ((), (2, 3)),
    ((1, 1), (4,)),
    ((2, 3, 4), (3, 1)),
    ((0, 3), (1, 3)),
    ((), ()),
]

MASK = np.array([[True, False, True, True], [False, True, False, True], [True, False, False, True]])
ROWS = np.array([0, 2, 2, 1])
COLUMNS = np.array([1, 0, 0, 3])


def written(x: np.ndarray, index: Any, value: Any) -> np.ndarray:
    """NumPy's x[index] = value, on a copy."""
    y = x.copy()
    y[index] = value
    return y


def write(x: Tensor, index: Any, value: Any) -> Tensor:
    """Ours, on a clone."""
    y = x.clone()
    y[index] = value
    return y


def scattered(x: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """x added into zeros at the index, one element at a time."""
    y = np.zeros(shape, x.dtype)
    places = np.arange(y.size).reshape(shape)[index]
    for place, value in zip(places.ravel(), x.ravel(), strict=True):
        y.flat[place] += value
    return y


CASES: list[Case] = [
    Case(ew.Add, lambda a, b: a + b, np.add, TWO),
    Case(ew.Sub, lambda a, b: a - b, np.subtract, TWO),
    Case(ew.Mul, lambda a, b: a * b, np.multiply, TWO),
    Case(ew.Mul, lambda a: a * a, np.square, ONE, note="same tensor twice"),
    Case(ew.Div, lambda a, b: a / b, np.divide, TWO),
    Case(ew.Neg, lambda a: -a, np.negative, ONE),
    Case(ew.Pow, lambda a, b: a**b, np.power, TWO, positive),
    Case(ew.Pow, lambda a: a**3, lambda a: a * a * a, ONE, note="integer exponent"),
    Case(ew.Pow, lambda a: a**0.5, np.sqrt, ONE, positive, note="float exponent"),
    Case(ew.Pow, lambda a: a**0, np.ones_like, ONE, note="exponent zero"),
    Case(ew.Pow, lambda a: 2.0**a, np.exp2, ONE, note="number as base"),
    Case(
        ew.Mod,
        lambda a, b: (a * 0.77) % b,
        lambda a, b: np.remainder(a * 0.77, b),
        TWO,
        lambda rng, shape: off_multiples(rng, shape),
    ),
    Case(ew.Exp, lambda a: a.exp(), np.exp, ONE),
    Case(ew.Log, lambda a: a.log(), np.log, ONE, positive),
    Case(ew.Sqrt, lambda a: a.sqrt(), np.sqrt, ONE, positive),
    Case(
        ew.Mask,
        lambda a: ew.Mask.apply(a, mask=MASK),
        lambda a: a * MASK,
        [((3, 4),)],
    ),
    Case(ew.Relu, lambda a: a.relu(), lambda a: np.where(a > 0, a, 0), ONE),
    Case(ew.Maximum, lambda a, b: a.maximum(b), np.maximum, TWO),
    Case(ew.Minimum, lambda a, b: a.minimum(b), np.minimum, TWO),
    Case(
        ew.Where,
        lambda a, b: Tensor(MASK).where(a, b),
        lambda a, b: np.where(MASK, a, b),
        [((3, 4), (3, 4)), ((4,), (3, 1)), ((), (3, 4))],
    ),
    Case(ew.Abs, lambda a: a.abs(), np.abs, ONE),
    Case(ew.Tanh, lambda a: a.tanh(), np.tanh, ONE),
    Case(ew.Sigmoid, lambda a: a.sigmoid(), lambda a: 1 / (1 + np.exp(-a)), ONE),
    Case(ew.Cast, lambda a: a.clone(), np.copy, ONE),
    Case(reduce.Sum, lambda a: a.sum(), np.sum, ONE),
    Case(
        reduce.Sum,
        lambda a: a.sum((0, -1), keepdim=True),
        lambda a: a.sum((0, -1), keepdims=True),
        [((3, 4),), ((2, 3, 4),), ((2, 0, 3),)],
        note="two axes",
    ),
    Case(
        reduce.Sum,
        lambda a: a.sum(1),
        lambda a: a.sum(1),
        [((3, 4),), ((3, 0),), ((3, 1),)],
        note="one axis",
    ),
    *(
        row
        for op, name in ((reduce.Max, "max"), (reduce.Min, "min"))
        for row in (
            Case(
                op,
                lambda a, name=name: getattr(a, name)(),
                lambda a, name=name: getattr(np, name)(a),
                [((3, 4),), ((),), ((1,),)],
                distinct,
            ),
            Case(
                op,
                lambda a, name=name: getattr(a, name)((0, 2), keepdim=True),
                lambda a, name=name: getattr(np, name)(a, (0, 2), keepdims=True),
                [((2, 3, 4),), ((2, 0, 3),)],
                distinct,
                note="two axes",
            ),
            Case(
                op,
                lambda a, name=name: getattr(a, name)(-1),
                lambda a, name=name: getattr(np, name)(a, -1),
                [((3, 4),), ((0, 2),)],
                distinct,
                note="last axis",
            ),
        )
    ),
    Case(reduce.Prod, lambda a: a.prod(), np.prod, [*ONE, ((7,),), ((2, 5),)]),
    Case(
        reduce.Prod,
        lambda a: a.prod((0, 2), keepdim=True),
        lambda a: a.prod((0, 2), keepdims=True),
        [((2, 3, 4),), ((3, 2, 1),), ((2, 0, 3),), ((0, 2, 3),)],
        note="two axes",
    ),
    Case(
        reduce.Prod,
        lambda a: a.prod(1),
        lambda a: a.prod(1),
        [((3, 5),)],
        lambda rng, shape: np.where(rng.random(shape) < 0.4, 0.0, away_from_zero(rng, shape)),
        note="zeros",
    ),
    Case(
        movement.Reshape,
        lambda a: a.reshape(-1, 2),
        lambda a: a.reshape(-1, 2),
        [((3, 4),), ((2, 1, 3),), ((0, 4),)],
        copies=False,
    ),
    Case(movement.Permute, lambda a: a.T, lambda a: a.T, ONE, copies=False),
    Case(
        movement.Permute,
        lambda a: a.permute(2, 0, 1),
        lambda a: a.transpose(2, 0, 1),
        [((2, 3, 4),), ((0, 1, 2),)],
        copies=False,
        note="three axes",
    ),
    Case(
        movement.Expand,
        lambda a: a.expand(2, 3, 4),
        lambda a: np.broadcast_to(a, (2, 3, 4)),
        [((3, 1),), ((),), ((4,),), ((2, 3, 4),)],
        copies=False,
    ),
    Case(
        movement.Concatenate,
        lambda *xs: xs[0].cat(*xs[1:], axis=1),
        lambda *xs: np.concatenate(xs, axis=1),
        [((3, 4), (3, 1), (3, 2)), ((2, 3),), ((2, 0), (2, 3)), ((2, 1, 2), (2, 2, 2))],
    ),
    Case(
        indexing.Getitem,
        lambda a: a[1:, None, ::-2],
        lambda a: a[1:, None, ::-2],
        [((3, 4),), ((3, 0),)],
        copies=False,
        note="slices",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[1, -1],
        lambda a: a[1, -1],
        [((3, 4),)],
        copies=False,
        note="one element",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[Tensor(ROWS), COLUMNS],
        lambda a: a[ROWS, COLUMNS],
        [((3, 4),), ((3, 4, 2),)],
        note="integer arrays with duplicates",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[..., [0, 0, 1]],
        lambda a: a[..., [0, 0, 1]],
        [((3, 4),), ((2,),)],
        note="list after an ellipsis",
    ),
    Case(
        indexing.Getitem,
        lambda a: a[Tensor(MASK)],
        lambda a: a[MASK],
        [((3, 4),), ((3, 4, 2),)],
        note="mask",
    ),
    Case(
        indexing.ScatterAdd,
        lambda a: indexing.ScatterAdd.apply(a, index=(ROWS, COLUMNS), basic=False, shape=(3, 4)),
        lambda a: scattered(a, (ROWS, COLUMNS), (3, 4)),
        [((4,),)],
        note="duplicates add",
    ),
    Case(
        indexing.ScatterAdd,
        lambda a: indexing.ScatterAdd.apply(
            a, index=(slice(1, None), slice(None, None, -2)), basic=True, shape=(3, 4)
        ),
        lambda a: scattered(a, (slice(1, None), slice(None, None, -2)), (3, 4)),
        [((2, 2),)],
        note="slices",
    ),
    Case(
        indexing.Setitem,
        lambda a, v: write(a, (slice(1, None), slice(None, None, -2)), v),
        lambda a, v: written(a, (slice(1, None), slice(None, None, -2)), v),
        [((3, 4), (2, 2)), ((3, 4), (2,)), ((3, 4), ()), ((3, 4), (1, 1, 2))],
        note="slices",
    ),
    Case(
        indexing.Setitem,
        lambda a, v: write(a, (ROWS, COLUMNS), v),
        lambda a, v: written(a, (ROWS, COLUMNS), v),
        [((3, 4), (4,)), ((3, 4), ())],
        note="integer arrays with duplicates",
    ),
    Case(
        indexing.Setitem,
        lambda a, v: write(a, MASK, v),
        lambda a, v: written(a, MASK, v),
        [((3, 4), (7,)), ((3, 4), (1,))],
        note="mask",
    ),
    Case(
        losses.CrossEntropy,
        lambda a: a.cross_entropy(np.array([3, 0, 1]), reduction="none"),
        lambda a: -np.log(np.exp(a) / np.exp(a).sum(1, keepdims=True))[[0, 1, 2], [3, 0, 1]],
        [((3, 4),), ((3, 5),)],
    ),
    Case(
        losses.CrossEntropy,
        lambda a: a.cross_entropy(np.zeros(0, int), reduction="none"),
        lambda a: a.sum(1),
        [((0, 3),)],
        note="empty batch",
    ),
    Case(
        linalg.Matmul,
        lambda a, b: a @ b,
        np.matmul,
        [
            ((3, 4), (4, 2)),
            ((4,), (4,)),
            ((4,), (4, 3)),
            ((3, 4), (4,)),
            ((2, 3, 4), (4, 5)),
            ((2, 3, 4), (4,)),
            ((4,), (2, 4, 3)),
            ((2, 1, 3, 4), (5, 4, 2)),
            ((3, 4), (2, 4, 5)),
            ((0, 4), (4, 2)),
            ((3, 0), (0, 2)),
            ((2, 0, 4), (4, 0)),
        ],
    ),
    Case(
        linalg.Matmul,
        lambda a, b: a @ b.T,
        lambda a, b: a @ b.T,
        [((3, 4), (2, 4)), ((2, 3, 4), (5, 4))],
        note="transposed weight",
    ),
]
