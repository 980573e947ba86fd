"""Random graphs must agree with the naive engine of tests/naive_engine.py."""

from typing import Any

import naive_engine as naive
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite import Tensor

SHAPES = [(), (3,), (2, 1), (2, 3), (1, 3)]

UNARY = {
    "tanh": (naive.tanh, lambda a: a.tanh()),
    "relu": (naive.relu, lambda a: a.relu()),
    "sum": (naive.total, lambda a: a.sum()),
    "transpose": (naive.transpose, lambda a: a.T),
}
BINARY = {
    "add": (naive.add, lambda a, b: a + b),
    "mul": (naive.mul, lambda a, b: a * b),
    "gram": (naive.gram, lambda a, b: a.T @ b),
}


@st.composite
def programs(draw: Any) -> tuple[list[tuple[int, ...]], list[tuple[Any, ...]], int]:
    """Leaves' shapes, steps (name and the positions of its operands), and a seed."""
    leaves = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    steps = []
    for position in range(draw(st.integers(1, 9))):
        operand = st.integers(0, len(leaves) + position - 1)
        if draw(st.booleans()):
            steps.append((draw(st.sampled_from(sorted(UNARY))), draw(operand)))
        else:
            steps.append((draw(st.sampled_from(sorted(BINARY))), draw(operand), draw(operand)))
    return leaves, steps, draw(st.integers(0, 2**31))


def possible(name: str, values: list[np.ndarray]) -> bool:
    """Whether shapes allow the step; an impossible one is left out of the program."""
    if name == "gram":
        a, b = values
        return a.ndim == b.ndim == 2 and a.shape[0] == b.shape[0]
    try:
        np.broadcast_shapes(*(value.shape for value in values))
    except ValueError:
        return False
    return True


def run(program: Any) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """The program on both engines: the values of each, and the leaves of each."""
    shapes, steps, seed = program
    rng = np.random.default_rng(seed)
    start = [rng.uniform(-1.5, 1.5, shape) for shape in shapes]
    expected: list[Any] = [naive.Naive(value) for value in start]
    ours: list[Any] = [Tensor(value, requires_grad=True) for value in start]
    for name, *operands in steps:
        table = UNARY if name in UNARY else BINARY
        positions = [position % len(ours) for position in operands]
        if possible(name, [expected[position].value for position in positions]):
            oracle, method = table[name]
            expected.append(oracle(*(expected[position] for position in positions)))
            ours.append(method(*(ours[position] for position in positions)))
    return expected, ours, expected[: len(shapes)], ours[: len(shapes)]


@settings(max_examples=300, deadline=None)
@given(programs())
def test_agrees_with_the_naive_engine(program: Any) -> None:
    expected, ours, naive_leaves, leaves = run(program)
    np.testing.assert_allclose(ours[-1].data, expected[-1].value, rtol=1e-12, atol=1e-12)
    cotangent = np.random.default_rng(7).standard_normal(expected[-1].value.shape)
    ours[-1].backward(cotangent, retain_graph=True)
    for leaf, oracle in zip(leaves, naive_leaves, strict=True):
        gradient = expected[-1].gradient_of(oracle, cotangent)
        found = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.data
        np.testing.assert_allclose(found, gradient, rtol=1e-9, atol=1e-9)

    returned = tl.grad(ours[-1], leaves, cotangent, allow_unused=True)
    for leaf, gradient in zip(leaves, returned, strict=True):
        assert (gradient is None) == (leaf.grad is None)
        if gradient is not None:
            np.testing.assert_array_equal(gradient.data, leaf.grad.data)


@settings(max_examples=100, deadline=None)
@given(programs())
def test_second_order_is_the_slope_of_the_naive_gradient(program: Any) -> None:
    """The derivative of the gradient, against central differences of the oracle's gradient."""
    shapes, steps, seed = program
    steps = [step for step in steps if step[0] != "relu"]  # its corner would spoil differences
    _, ours, _, leaves = run((shapes, steps, seed))
    rng = np.random.default_rng(8)
    cotangent = rng.standard_normal(ours[-1].shape)
    direction = [rng.standard_normal(leaf.shape) for leaf in leaves]
    first = tl.grad(ours[-1], leaves, cotangent, create_graph=True, allow_unused=True)
    weights = [rng.standard_normal(leaf.shape) for leaf in leaves]
    scalar: Any = sum(
        (gradient * weight).sum()
        for gradient, weight in zip(first, weights, strict=True)
        if gradient is not None
    )
    slope = 0.0
    if isinstance(scalar, Tensor) and scalar.requires_grad:
        second = tl.grad(scalar, leaves, allow_unused=True)
        slope = sum(
            float((gradient.data * along).sum())
            for gradient, along in zip(second, direction, strict=True)
            if gradient is not None
        )

    def gradient_at(shift: float) -> float:
        rng = np.random.default_rng(seed)
        values = [
            naive.Naive(rng.uniform(-1.5, 1.5, shape) + shift * along)
            for shape, along in zip(shapes, direction, strict=True)
        ]
        pool = list(values)
        for name, *operands in steps:
            positions = [position % len(pool) for position in operands]
            if possible(name, [pool[position].value for position in positions]):
                pool.append((UNARY | BINARY)[name][0](*(pool[position] for position in positions)))
        return sum(
            float((weight * pool[-1].gradient_of(value, cotangent)).sum())
            for weight, value in zip(weights, values, strict=True)
        )

    step = 1e-5
    expected = (gradient_at(step) - gradient_at(-step)) / (2 * step)
    assert abs(slope - expected) <= 1e-5 * max(1.0, abs(expected))
