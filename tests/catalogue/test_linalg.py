"""Linear algebra where a row of a table does not suffice: corners, NumPy's functions, float16."""

import pickle

import numpy as np
import pytest

from tinygrad_lite import Tensor, grad, gradcheck, gradgradcheck, ops

RNG = np.random.default_rng(3)
A, B = RNG.standard_normal((3, 3)), RNG.standard_normal((3, 2))
STACK = RNG.standard_normal((2, 3, 3))
POSITIVE = STACK @ STACK.mT + np.eye(3)


def leaf(values):
    return Tensor(np.asarray(values, np.float64), requires_grad=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.dot(x, A),
        lambda m, x: m.dot(A[0], x),
        lambda m, x: m.dot(x, STACK),
        lambda m, x: m.dot(STACK, x),
        lambda m, x: m.dot(STACK, x[0]),
        lambda m, x: m.dot(2.0, x),
        lambda m, x: m.inner(x, A),
        lambda m, x: m.inner(x, 2.0),
        lambda m, x: m.vdot(x, A),
        lambda m, x: m.outer(x, B),
        lambda m, x: m.kron(x, B),
        lambda m, x: m.kron(B[0], x),
        lambda m, x: m.tensordot(x, A),
        lambda m, x: m.tensordot(B, x, axes=(0, 1)),
        lambda m, x: m.einsum("ij,jk", x, B),
        lambda m, x: m.einsum("ij,jk->k", A, x, optimize=True),
        lambda m, x: m.trace(x),
        lambda m, x: m.trace(x, offset=1),
        lambda m, x: m.trace(x, -1, 1, 0),
        lambda m, x: m.trace(x, 3),
        lambda m, x: m.matmul(A, x),
        lambda m, x: m.linalg.matmul(x, B),
        lambda m, x: m.linalg.tensordot(x, B, axes=1),
        lambda m, x: m.linalg.multi_dot([x, A, B]),
        lambda m, x: m.linalg.matrix_power(x, 3),
        lambda m, x: m.linalg.trace(x, offset=-1),
        lambda m, x: m.linalg.inv(x),
        lambda m, x: m.linalg.solve(x, B),
        lambda m, x: m.linalg.solve(A, x),
        lambda m, x: m.linalg.solve(STACK, x),
        lambda m, x: m.linalg.solve(STACK, x[0]),
        lambda m, x: m.linalg.det(x),
        lambda m, x: m.linalg.slogdet(x)[1],
        lambda m, x: m.linalg.cholesky(x @ x.mT),
        lambda m, x: m.linalg.qr(x)[1],
        lambda m, x: m.linalg.svd(x)[1],
        lambda m, x: m.linalg.svd(x, compute_uv=False),
        lambda m, x: m.linalg.svdvals(x),
        lambda m, x: m.linalg.eigh(x + x.mT)[0],
        lambda m, x: m.linalg.eigvalsh(x + x.mT),
    ],
)
def test_numpy_functions(call) -> None:
    x = leaf(A)
    result = call(np, x)
    expected = call(np, A)
    assert type(result) is Tensor
    assert result.requires_grad
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result.data, expected, rtol=1e-12, atol=1e-13)
    assert gradcheck(lambda x: call(np, x), x)


def test_numpy_solve_takes_a_square_right_side_as_a_matrix() -> None:
    """b of shape (3, 3) beside a stack (3, 3, 3): one matrix for NumPy, 3 vectors for PyTorch."""
    stack, b = RNG.standard_normal((3, 3, 3)), A
    np.testing.assert_allclose(np.linalg.solve(leaf(stack), b).data, np.linalg.solve(stack, b))
    expected = np.linalg.solve(stack, b[..., None])[..., 0]
    np.testing.assert_allclose(leaf(stack).solve(b).data, expected)


def test_numpys_einsum_takes_subscripts_as_text_only() -> None:
    with pytest.raises(TypeError, match="expected text such as 'ij,jk->ik'; got Tens"):
        np.einsum(leaf(A), [0, 1])


@pytest.mark.parametrize("mode", ["complete", "r", "raw"])
def test_other_modes_of_qr_are_refused(mode) -> None:
    with pytest.raises(ValueError, match='mode: expected "reduced" on a Tensor'):
        np.linalg.qr(leaf(A), mode=mode)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((1, 1)),
        np.zeros((2, 2)),
        np.zeros((4, 4)),
        np.eye(3),
        [[1.0, 2.0], [2.0, 4.0]],
        np.outer([1.0, 2, 3], [3.0, 0, 1]),
        np.arange(9.0).reshape(3, 3),
        np.diag([2.0, 2, 0, 0]),
        np.diag([1.0, 1, 1, 0])[::-1],
    ],
    ids=str,
)
def test_det_is_exact_at_singular_matrices(x) -> None:
    """By finite differences, first and second order; det is a polynomial, so it has them all."""
    assert gradcheck(lambda x: x.det(), leaf(x))
    assert gradgradcheck(lambda x: x.det(), leaf(x))


def test_second_derivatives_of_det_by_value() -> None:
    x = leaf([[1, 2], [2, 4]])
    (first,) = grad(x.det(), [x], create_graph=True)
    (second,) = grad(first[0, 0] + 10.0 * first[0, 1], [x])
    np.testing.assert_allclose(second.data, [[0, 0], [-10, 1]], atol=1e-14)


def test_det_has_third_derivatives() -> None:
    x = leaf(A)
    weights = Tensor(RNG.standard_normal((3, 3)))

    def first(x):
        (found,) = grad(x.det(), [x], create_graph=True)
        return (found * weights).sum()

    assert gradgradcheck(first, x)


def test_of_nothing() -> None:
    empty = leaf(np.zeros((0, 0)))
    assert empty.det().item() == 1
    assert [part.item() for part in empty.slogdet()] == [1, 0]
    assert empty.trace().item() == 0
    assert grad(empty.det(), [empty])[0].shape == (0, 0)
    u, s, vh = leaf(np.zeros((0, 3))).svd(full_matrices=True)
    assert (u.shape, s.shape, vh.shape) == ((0, 0), (0,), (3, 3))


def test_a_singular_matrix_has_logarithm_minus_inf() -> None:
    sign, logarithm = Tensor([[1.0, 2], [2, 4]]).slogdet()
    assert (sign.item(), logarithm.item()) == (0, -np.inf)
    assert not leaf(A).slogdet()[0].requires_grad


def test_dependent_columns_have_no_gradient_of_qr() -> None:
    x = leaf(np.diag([1.0, 0]))
    q, r = x.qr()
    np.testing.assert_allclose((q @ r).data, x.data)
    with pytest.raises(np.linalg.LinAlgError, match="qr, backward: a matrix is singular"):
        r.sum().backward()


def test_vectors_of_equal_values_have_no_gradient() -> None:
    x = leaf(np.eye(2))
    for vectors in (x.svd()[0], x.svd()[2], x.eigh()[1]):
        assert np.isnan(grad(vectors[0, 1], [x])[0].data).all()


@pytest.mark.parametrize("shape", [(4, 2), (2, 3), (2, 2, 4), (3, 3)])
def test_full_matrices_are_orthogonal(shape) -> None:
    x = RNG.standard_normal(shape)
    u, s, vh = leaf(x).svd(full_matrices=True)
    for matrix in (u, vh):
        n = matrix.shape[-1]
        products = matrix.data @ matrix.data.mT
        np.testing.assert_allclose(products, np.broadcast_to(np.eye(n), products.shape), atol=1e-14)
    assert [part.shape for part in (u, s, vh)] == [part.shape for part in np.linalg.svd(x)]


def test_gradients_by_a_symmetric_matrix_are_symmetric() -> None:
    x = leaf(POSITIVE)
    weights = Tensor(STACK)
    for result in (x.cholesky(), x.eigh()[1], x.eigh()[1] * x.eigh()[0].unsqueeze(1)):
        (found,) = grad((result * weights).sum(), [x])
        np.testing.assert_allclose(found.data, found.data.mT, rtol=1e-12, atol=1e-13)


def test_float16_products_are_added_up_in_float32() -> None:
    """NumPy adds in float16, where 8192 + 4 is 8192 again."""
    ones, fours = np.ones(4096, np.float16), np.full(4096, 4, np.float16)
    x = Tensor(ones, requires_grad=True)
    for product in (
        x @ fours,
        x.dot(fours),
        Tensor.einsum("i,i->", x, fours),
        np.tensordot(x, fours, 1),
        Tensor.einsum("i,i,i->", x, fours, ones),
    ):
        assert product.dtype == np.float16
        assert product.item() == 16384
    column = Tensor(fours.reshape(-1, 1), requires_grad=True)
    (column @ x[None]).backward(np.ones((4096, 4096), np.float16))
    assert column.grad.data.tolist() == [[4096.0]] * 4096
    assert column.grad.dtype == x.grad.dtype == np.float16


@pytest.mark.parametrize("dtype", [np.int32, np.bool_])
def test_matrices_of_integers_become_float32(dtype) -> None:
    x = Tensor(np.array([[2, 1], [0, 1]]).astype(dtype))
    for result in (x.det(), x.inv(), x.solve(x), x.qr()[0], x.svd()[1], x.slogdet()[1]):
        assert result.dtype == np.float32


def test_einsum_sums_integers_as_int64() -> None:
    x = Tensor(np.full((2, 2), 100, np.int8))
    assert Tensor.einsum("ij->", x).item() == 400
    assert Tensor.einsum("ij->i", Tensor([[True, True]])).tolist() == [2]


def test_einsum_of_arrays_gives_a_tensor_in_new_memory() -> None:
    result = Tensor.einsum("ij->ji", B)
    assert type(result) is Tensor
    assert not np.shares_memory(result.data, B)
    assert Tensor.einsum("i,->i", [1.0, 2.0], 3.0).tolist() == [3, 6]


@pytest.mark.parametrize(("a", "b"), [(np.float32, np.float64), (np.int64, np.float32)])
def test_mixed_dtypes(a, b) -> None:
    x, y = Tensor(np.eye(2, dtype=a)), Tensor(np.eye(2, dtype=b))
    for result in (x @ y, Tensor.einsum("ij,jk->ik", x, y), x.solve(y), y.tensordot(x)):
        assert result.dtype == b


def test_bools_have_no_sums_of_products() -> None:
    """As in PyTorch; NumPy answers with bools, where a count may be meant."""
    x = Tensor([[True, True], [False, True]])
    for call in (lambda: x @ x, lambda: Tensor.einsum("ij,jk->ik", x, x), lambda: x.tensordot(x)):
        with pytest.raises(TypeError, match="expected numbers to add up; got bools; cast one side"):
            call()
    assert (x @ x.cast(np.int64)).tolist() == [[1, 2], [0, 1]]
    assert Tensor.einsum("ij,ij->ij", x, x).dtype == np.bool_


def test_nan_goes_through_without_a_word() -> None:
    """And spoils no other matrix of the stack."""
    x = leaf([np.full((2, 2), np.nan), [[1.0, 2], [3, 4]], [[np.inf, 1], [1, 1]]])
    np.testing.assert_allclose(x.det().data[1], -2)
    assert np.isnan(x.det().data[0])
    gradients = [grad(y.sum(), [x])[0].data for y in (x.det(), x.slogdet()[1], x[:2].inv())]
    for found in gradients:
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1]).all()
    np.testing.assert_allclose(gradients[0][1], [[4, -3], [-2, 1]])


@pytest.mark.parametrize("name", ["svd", "eigh"])
def test_factors_of_nan_are_an_error(name) -> None:
    """As in PyTorch."""
    with pytest.raises(np.linalg.LinAlgError) as caught:
        getattr(Tensor(np.full((3, 3), np.nan)), name)()
    assert str(caught.value) == f"{name}: it did not converge; does a matrix hold nan or inf?"


def test_linear_is_one_operation_whatever_the_instance_of_the_dtype() -> None:
    """Arrays from a pickle, as worker processes send them, have dtypes of their own."""
    x = pickle.loads(pickle.dumps(np.ones((4, 3), np.float32)))
    assert x.dtype is not np.dtype(np.float32)
    weight, bias = Tensor.ones(2, 3).requires_grad_(), Tensor.ones(2).requires_grad_()
    y = Tensor.from_array(x).linear(weight, bias, transposed=True)
    assert type(y._node) is ops.Linear
