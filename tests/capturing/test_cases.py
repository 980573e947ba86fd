"""Every row of catalogue/cases, captured on some inputs and replayed on others, bit for bit.

EVERY_ROW=1 runs all dtypes, all needs and all special values on every variant.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case, Shapes

from tinygrad_lite import Tensor, capture
from tinygrad_lite.ops import primitives

EVERY_ROW = "EVERY_ROW" in os.environ

# Why a row cannot be captured: what a user writes there reads values.
NOT_CAPTURED = {
    ("Getitem", "mask"): "x[mask], whose shape depends on values",
    ("Setitem", "mask"): "x[mask], whose shape depends on values",
}

# Operations of which a rule is replayed whole, and why; all others are lines.
WHOLE = {
    **dict.fromkeys(("Conv", "ConvInput", "ConvWeight"), "spread over the pool, chunk by chunk"),
    **dict.fromkeys(("BatchNorm", "GroupNorm"), "choose by values; spread over the pool"),
    "ChannelAffine": "spread over the pool",
    **dict.fromkeys(("RNN", "LSTM", "GRU"), "hold BLAS to one thread"),
    "SlidingWindows": "a view that NumPy's own checks do not know",
    "MaxPool": "the last nan wins, if there is one; spread over the pool",
    **dict.fromkeys(("LogSoftmax", "Max", "Min"), "a number becomes an array, in 0-d"),
}


def with_first(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(x: np.ndarray) -> np.ndarray:
        y = x.copy()
        y.reshape(-1)[:1] = value
        return y

    return change


# What rules look at when they choose by values.
SPECIAL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "nan": with_first(np.nan),
    "zero": with_first(0.0),
    "inf": with_first(np.inf),
    "-inf": with_first(-np.inf),
    "ties": lambda x: np.full_like(x, x.reshape(-1)[0]) if x.size else x,
    "large": lambda x: x * np.asarray(float(np.finfo(x.dtype).max) ** 0.9, x.dtype),
    "negative": lambda x: -np.abs(x),
}
# LAPACK may run forever on inf and nan.
MATRICES = ("linalg", "decompositions", "determinants")


def theme(case: Case) -> str:
    return case.op.__module__.rpartition(".")[2]


def inputs(case: Case, variant: Shapes, seed: int, dtype: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.asarray(case.domain(rng, shape), dtype) for shape in variant]


def bits(tensor: Tensor | None) -> Any:
    if tensor is None:
        return None
    array = tensor.data
    assert type(array) is np.ndarray
    return array.dtype, array.shape, array.strides, array.tobytes()


class Twins:
    """A row on leaves, eagerly and captured."""

    def __init__(self, case: Case, variant: Shapes, needs: tuple[bool, ...], dtype: Any) -> None:
        self.case, self.variant, self.needs, self.dtype = case, variant, needs, dtype
        self.leaves = self.fresh(inputs(case, variant, 0, dtype))
        self.shape = case.call(*self.leaves).shape
        self.captured = capture(lambda cotangent: self.step(self.leaves, cotangent))

    def fresh(self, arrays: list[np.ndarray]) -> list[Tensor]:
        pairs = zip(arrays, self.needs, strict=True)
        return [Tensor(array, requires_grad=need) for array, need in pairs]

    def step(self, leaves: list[Tensor], cotangent: Tensor) -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        y = self.case.call(*leaves)
        if y.requires_grad:
            y.backward(cotangent)
        return y

    def outcome(self, call: Callable[[Tensor], Tensor], leaves: list[Tensor], seed: int) -> Any:
        """The result and the gradients; or the error."""
        cotangent = np.random.default_rng(seed).standard_normal(self.shape).astype(self.dtype)
        given = Tensor(cotangent)
        try:
            y = call(given)
        except ArithmeticError as error:
            return type(error), str(error)
        except ValueError as error:
            return type(error), str(error)
        assert given.data.tobytes() == cotangent.tobytes()
        return [bits(y), *[bits(leaf.grad) for leaf in leaves]]

    def compare(self, arrays: list[np.ndarray], seed: int) -> None:
        eager = self.fresh(arrays)
        expected = self.outcome(lambda given: self.step(eager, given), eager, seed)
        for leaf, array in zip(self.leaves, arrays, strict=True):
            leaf.data[...] = array
        found = self.outcome(self.captured, self.leaves, seed)
        assert found == expected
        for leaf, array in zip(self.leaves, arrays, strict=True):
            assert leaf.data.tobytes() == array.tobytes()


def all_needs(count: int, every: bool) -> Iterator[tuple[bool, ...]]:
    """Of which inputs the gradient is wanted: all, and each alone."""
    yield (True,) * count
    if every and count > 1:
        for one in range(count) if EVERY_ROW else {0, count - 1}:
            yield tuple(one == position for position in range(count))


ROTATING = cycle(SPECIAL)


FORMS = {((0,),), ((), ()), ((0, 3), (1, 3)), ((0, 0),)}


def check(case: Case) -> None:
    shapes = list(case.shapes)
    if not EVERY_ROW:  # the usual form, the scalar and the empty one, and one more
        shapes = [*shapes[:3], *[one for one in shapes[3:] if one in FORMS]]
    for position, variant in enumerate(shapes):
        for dtype in (np.float32, np.float64, np.float16) if EVERY_ROW else (np.float32,):
            if dtype is np.float16 and theme(case) in MATRICES:
                continue  # which LAPACK does not know
            for needs in all_needs(len(variant), EVERY_ROW or not position):
                check_one(Twins(case, variant, needs, dtype))


def check_one(twins: Twins) -> None:
    case, variant = twins.case, twins.variant
    for seed in range(3):
        twins.compare(inputs(case, variant, seed, twins.dtype), seed)
    captured = twins.captured
    reason = NOT_CAPTURED.get((case.op.__name__, case.note))
    if captured.eager is not None:
        assert reason is not None, captured.eager
        assert reason in captured.eager
        return
    whole = captured.plans[0].whole
    assert whole.keys() <= WHOLE.keys(), whole
    print(f"{case.op.__name__} {case.note} {variant}: {'; '.join(map(': '.join, whole.items()))}")
    if theme(case) in MATRICES:
        chosen = ["negative"]
    else:
        chosen = list(SPECIAL) if EVERY_ROW else [next(ROTATING)]
    for seed, name in enumerate(chosen, 3):
        arrays = inputs(case, variant, seed, twins.dtype)
        twins.compare([SPECIAL[name](x) for x in arrays], seed)


BY_OPERATION: dict[type, list[Case]] = {}
for _case in CASES:
    BY_OPERATION.setdefault(_case.op, []).append(_case)


@pytest.mark.parametrize("op", [pytest.param(op, id=op.__name__) for op in BY_OPERATION])
def test_every_row_is_replayed_bit_for_bit(op: type) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a row is not captured, and that softmax gives nan
        for case in BY_OPERATION[op]:
            check(case)


def test_every_operation_has_a_row() -> None:
    assert set(primitives()) == set(BY_OPERATION)
