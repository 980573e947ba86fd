"""Stacks of matrices, and factors, beside PyTorch."""

import numpy as np
import pytest
from parity.beside_torch import check

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(11)
STACKS = [(), (1,), (3,), (2, 1), (2, 3), (0,), (1, 1, 3)]


@pytest.mark.parametrize("b", STACKS, ids=str)
@pytest.mark.parametrize("a", STACKS, ids=str)
def test_stacks_of_matrices_broadcast(a, b):
    """matmul, einsum and solve over every pair of stacks that broadcasts; the others are errors."""
    x, y = RNG.standard_normal((*a, 2, 3)), RNG.standard_normal((*b, 3, 2))
    subscripts = "...ij,...jk->...ik"
    square = RNG.standard_normal((*a, 3, 3)) + 3 * np.eye(3)
    calls = (
        (lambda a, b: a @ b, lambda a, b: a @ b, x),
        (
            lambda a, b: Tensor.einsum(subscripts, a, b),
            lambda a, b: torch.einsum(subscripts, a, b),
            x,
        ),
        (lambda a, b: a.solve(b), torch.linalg.solve, square),
    )
    refusal = r"matmul, stacks|solve, stacks|sizes of one label"
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        for ours, _, left in calls:
            with pytest.raises(ValueError, match=refusal):
                ours(Tensor(left), Tensor(y))
        return
    for ours, theirs, left in calls:
        check(ours, theirs, left, y)


def test_gradients_of_factors_are_symmetric_as_in_pytorch():
    # Only the lower triangle is read, so finite differences would say otherwise.
    x = RNG.standard_normal((3, 3))
    x = x @ x.T + np.eye(3)
    check(lambda x: x.cholesky(), torch.linalg.cholesky, x)
    check(lambda x: x.eigh()[0], lambda x: torch.linalg.eigh(x)[0], x)
    check(lambda x: x.eigh()[1] ** 2, lambda x: torch.linalg.eigh(x)[1] ** 2, x)
