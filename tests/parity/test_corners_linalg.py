"""The corners of ../shared/TRAPS.md in linear algebra, by their row numbers: beside PyTorch.

Where we differ from PyTorch on purpose, the test says so and asserts our number.
"""

import numpy as np
import pytest
from parity.beside_torch import check, gradients, same

from tinygrad_lite import Tensor, grad, gradgradcheck

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(11)
STACKS = [(), (1,), (3,), (2, 1), (2, 3), (0,), (1, 1, 3)]


def leaf(values):
    return Tensor(np.asarray(values, np.float64), requires_grad=True)


@pytest.mark.parametrize("b", STACKS, ids=str)
@pytest.mark.parametrize("a", STACKS, ids=str)
def test_37_stacks_of_matrices_broadcast(a, b):
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


@pytest.mark.parametrize("b", [(4,), (4, 2), (3, 4, 2), (2, 1, 4, 5), (1,), (0,), (0, 2)], ids=str)
@pytest.mark.parametrize("a", [(4,), (2, 4), (3, 2, 4), (1,), (2, 1), (0,), (2, 0)], ids=str)
def test_38_matmul_of_vectors_and_stacks(a, b):
    x, y = RNG.standard_normal(a), RNG.standard_normal(b)
    if a[-1] != b[max(-2, -len(b))]:
        with pytest.raises(ValueError, match="matmul: inner sizes differ"):
            Tensor(x) @ Tensor(y)
        with pytest.raises(RuntimeError):
            torch.tensor(x) @ torch.tensor(y)
        return
    check(lambda a, b: a @ b, lambda a, b: a @ b, x, y)
    check(lambda a, b: a.matmul(b), torch.matmul, x, y)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("i,i->i", ((2,), (1,))),
        ("ij,ij->ij", ((2, 1), (1, 3))),
        ("ii->", ((3, 3),)),
        ("ii->i", ((3, 3),)),
        ("iij,j->i", ((2, 2, 3), (3,))),
        ("iii->", ((2, 2, 2),)),
        ("ii,jj->", ((2, 2), (3, 3))),
        ("ii,ii->i", ((2, 2), (2, 2))),
        ("i,i,i", ((2,), (2,), (2,))),
        ("ij,i,j", ((2, 3), (2,), (3,))),
        ("...i,...i,...i->...", ((2, 3), (3,), (1, 3))),
        ("...,...->...", ((2, 1), (3,))),
        ("...ii->...i", ((2, 3, 3),)),
        ("i...j->j...", ((2, 3, 4),)),
        (",ij->j", ((), (2, 3))),
        ("...->", ((2, 3),)),
    ],
)
def test_37_einsum(subscripts, shapes):
    """Size 1, repeated labels, traces: HIPS/autograd#115, #242, #376, #510 got these wrong."""
    check(
        lambda *xs: Tensor.einsum(subscripts, *xs),
        lambda *xs: torch.einsum(subscripts, *xs),
        *(RNG.standard_normal(shape) for shape in shapes),
    )


def test_einsum_of_one_tensor_twice():
    check(
        lambda x: Tensor.einsum("ij,kj->ik", x, x),
        lambda x: torch.einsum("ij,kj->ik", x, x),
        RNG.standard_normal((2, 3)),
    )


def test_det_of_a_singular_matrix():
    # On purpose: PyTorch 2.13 gives 0 for this one, from an LU factorisation whose corner it fills
    # up. det is a polynomial; its gradient is the matrix of cofactors.
    x = [[1.0, 2], [2, 4]]
    ours, theirs = gradients(lambda x: x.det(), torch.det, np.array(x))
    np.testing.assert_allclose(ours[1].data, [[4, -2], [-2, 1]], atol=1e-14)
    assert theirs[1].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_second_derivatives_of_det_at_zero(n):
    # On purpose: PyTorch 2.13 gives nan for n >= 2.
    assert gradgradcheck(lambda x: x.det(), leaf(np.zeros((n, n))))


@pytest.mark.parametrize("x", [np.eye(3), np.diag([2.0, 2, 1])], ids=["1", "2, 2, 1"])
def test_equal_eigenvalues_and_singular_values(x):
    # The values have a gradient; that of the vectors is nan or inf, as PyTorch's.
    same_values = (
        (lambda x: x.eigh()[0].sum(), lambda x: torch.linalg.eigh(x)[0].sum()),
        (lambda x: x.svd()[1].sum(), lambda x: torch.linalg.svdvals(x).sum()),
    )
    for ours, theirs in same_values:
        for a, b in zip(*gradients(ours, theirs, x), strict=True):
            same(a, b, "equal values")
    for vectors in (lambda x: x.eigh()[1], lambda x: x.svd()[0], lambda x: x.svd()[2]):
        point = leaf(x)
        (found,) = grad((vectors(point) * Tensor(RNG.standard_normal((3, 3)))).sum(), [point])
        assert not np.isfinite(found.data).all()


def test_singular_matrices_raise_as_in_pytorch():
    zero = np.zeros((2, 2))
    for ours, theirs in (
        (lambda x: x.inv(), torch.linalg.inv),
        (lambda x: x.solve(x), lambda x: torch.linalg.solve(x, x)),
        (lambda x: x.cholesky(), torch.linalg.cholesky),
        (lambda x: x.matrix_power(-1), lambda x: torch.linalg.matrix_power(x, -1)),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            ours(Tensor(zero))
        with pytest.raises(torch.linalg.LinAlgError):
            theirs(torch.tensor(zero))


def test_slogdet_of_a_singular_matrix():
    # The values are PyTorch's. The gradient, there nan and inf, is an error here.
    ours, theirs = Tensor(np.zeros((2, 2))).slogdet(), torch.slogdet(torch.zeros(2, 2).double())
    for a, b in zip(ours, theirs, strict=True):
        same(a, b, "slogdet of 0")
    with pytest.raises(np.linalg.LinAlgError, match="slogdet, backward"):
        leaf(np.zeros((2, 2))).slogdet()[1].backward()


def test_of_nothing():
    empty = np.zeros((0, 0))
    check(lambda x: x.det(), torch.det, empty)
    check(lambda x: x.inv(), torch.inverse, empty)
    check(lambda x: x.cholesky(), torch.linalg.cholesky, empty)
    check(lambda x: x.trace(), torch.trace, empty)
    check(lambda x: x.det(), torch.det, np.zeros((0, 2, 2)))


def test_gradients_of_factors_are_symmetric_as_in_pytorch():
    # Only the lower triangle is read, so finite differences would say otherwise.
    x = RNG.standard_normal((3, 3))
    x = x @ x.T + np.eye(3)
    check(lambda x: x.cholesky(), torch.linalg.cholesky, x)
    check(lambda x: x.eigh()[0], lambda x: torch.linalg.eigh(x)[0], x)
    check(lambda x: x.eigh()[1] ** 2, lambda x: torch.linalg.eigh(x)[1] ** 2, x)


def test_43_float16_products_add_up_in_float32():
    ones, eights = np.ones(4096, np.float16), np.full(4096, 8, np.float16)
    check(lambda a, b: a @ b, lambda a, b: a @ b, ones, eights, second=False)
