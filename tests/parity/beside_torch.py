"""Runs one function on our tensors and on PyTorch's, and demands the same numbers of both."""

import numpy as np
import pytest
from methods import listed

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")

TOLERANCE = {"float16": 2e-3, "float32": 2e-5, "float64": 1e-10}

# Every shape an input of one argument may have.
SHAPES = [(), (0,), (1,), (5,), (3, 4), (0, 3), (3, 1, 2), (2, 3, 1, 4)]
# Pairs that broadcast, in every way there is.
PAIRS = [
    ((), ()),
    ((3, 4), (3, 4)),
    ((3, 4), ()),
    ((), (3, 4)),
    ((2, 1), (3,)),
    ((1, 1), (4,)),
    ((4,), (2, 3, 4)),
    ((2, 1, 4), (3, 1)),
    ((1, 2, 1, 3), (2, 1, 4, 1)),
    ((0, 3), (1, 3)),
    ((2, 1), (1, 0)),
    ((1,), (1, 1)),
]


def signed(rng, shape):
    """0.2 to 1.7 with a random sign: away from the corners at 0, no two alike."""
    return rng.uniform(0.2, 1.7, shape) * rng.choice([-1.0, 1.0], shape)


def positive(rng, shape):
    return rng.uniform(0.3, 2.0, shape)


def same(ours, theirs, what, dtype=True):
    """The same shape, values (nan at the same positions) and, unless told otherwise, dtype."""
    mine, reference = ours.numpy(), theirs.numpy(force=True)
    assert isinstance(mine, np.ndarray), what
    assert mine.shape == reference.shape, what
    if dtype:
        assert mine.dtype == reference.dtype, what
    tolerance = TOLERANCE.get(str(reference.dtype), 0)
    np.testing.assert_allclose(mine, reference, rtol=tolerance, atol=tolerance, err_msg=what)


def check(ours, theirs, *arrays, second=True):
    """Value, gradient for a random cotangent, and gradient of the gradients: all as PyTorch's.

    Of several results all values are compared, and the gradients of those that have one.
    """
    rng = np.random.default_rng(7)
    mine = [Tensor(array, requires_grad=True) for array in arrays]
    others = [torch.tensor(array, requires_grad=True) for array in arrays]
    results, references = listed(ours(*mine)), listed(theirs(*others))
    for y, reference in zip(results, references, strict=True):
        same(y, reference, "value")
    ys = [y for y in results if y.requires_grad]
    ends = [y for y in references if y.requires_grad]
    cotangents = [np.asarray(rng.standard_normal(y.shape), y.dtype) for y in ys]
    first = grad(ys, mine, [*map(Tensor, cotangents)], create_graph=True, allow_unused=True)
    first = [x.zeros_like() if g is None else g for g, x in zip(first, mine, strict=True)]
    expected = torch.autograd.grad(
        ends, others, [*map(torch.tensor, cotangents)], create_graph=True, allow_unused=True
    )
    expected = [
        torch.zeros_like(x) if g is None else g for g, x in zip(expected, others, strict=True)
    ]
    for position, (a, b) in enumerate(zip(first, expected, strict=True)):
        same(a, b, f"gradient {position}")
    if second:
        check_second(first, expected, mine, others, rng)


def check_second(first, expected, mine, others, rng):
    """The gradients of a random combination of the gradients; one that is constant counts as 0."""
    directions = [np.asarray(rng.standard_normal(g.shape), g.dtype) for g in first]
    a = sum((g * Tensor(v)).sum() for g, v in zip(first, directions, strict=True))
    b = sum((g * torch.tensor(v)).sum() for g, v in zip(expected, directions, strict=True))
    zeros = [x.zeros_like() for x in mine]
    found = grad(a, mine, allow_unused=True) if a.requires_grad else zeros
    wanted = (
        torch.autograd.grad(b, others, allow_unused=True)
        if b.requires_grad
        else [None] * len(others)
    )
    for position, (g, zero, r, x) in enumerate(zip(found, zeros, wanted, others, strict=True)):
        same(
            zero if g is None else g,
            torch.zeros_like(x) if r is None else r,
            f"second-order gradient {position}",
        )


def gradients(ours, theirs, *arrays):
    """The value and the gradients of its sum, ours and theirs: for corners."""
    mine = [Tensor(array, requires_grad=True) for array in arrays]
    others = [torch.tensor(array, requires_grad=True) for array in arrays]
    y, reference = ours(*mine), theirs(*others)
    ones = Tensor(np.ones(y.shape, y.dtype))
    return (
        [y, *grad(y, mine, ones)],
        [reference, *torch.autograd.grad(reference, others, torch.ones_like(reference))],
    )


def agree(ours, theirs, *arrays, second=True):
    """As check(), at corners: in float64, and the first gradients those of the sum."""
    arrays = [np.asarray(array, np.float64) for array in arrays]
    for position, (a, b) in enumerate(zip(*gradients(ours, theirs, *arrays), strict=True)):
        same(a, b, "value" if position == 0 else f"gradient {position - 1}")
    if second:
        check(ours, theirs, *arrays)
