"""vjp, jvp, hvp, jacobian and hessian, by hand and by NumPy.  `grad` stands in test_graph.py."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Tensor, gradcheck, hessian, hvp, jacobian, jvp, vjp

A = np.array([[1.0, 2.0, -1.0], [0.5, -3.0, 4.0]])
X = np.array([0.3, -1.2, 2.0])


def affine(x):
    """A x, whose Jacobian is A."""
    return Tensor(A) @ x


def pair(r, angle):
    """(r a, r + a)."""
    return r * angle, r + angle


def quartic(x):
    """sum of x_i^4 + x_0 x_1: gradient 4 x^3 + (x_1, x_0, 0); Hessian 12 x^2 and two ones."""
    return (x**4).sum() + x[0] * x[1]


QUARTIC_GRADIENT = 4 * X**3 + np.array([X[1], X[0], 0.0])
QUARTIC_HESSIAN = np.diag(12 * X**2) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])


def close(found, expected) -> None:
    assert isinstance(found, Tensor)
    assert not found.requires_grad
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.data, expected, rtol=1e-13, atol=1e-13)


# By hand


def test_vjp_of_a_matrix_is_a_combination_of_its_rows() -> None:
    output, product = vjp(affine, Tensor(X), np.array([2.0, -1.0]))
    close(output, A @ X)
    close(product, 2 * A[0] - A[1])


def test_jvp_of_a_matrix_is_a_combination_of_its_columns() -> None:
    output, product = jvp(affine, Tensor(X), Tensor(np.array([1.0, 0.0, 3.0])))
    close(output, A @ X)
    close(product, A[:, 0] + 3 * A[:, 2])


def test_hvp_is_the_hessian_times_the_vector() -> None:
    v = np.array([1.0, -2.0, 0.5])
    output, product = hvp(quartic, Tensor(X), v)
    close(output, (X**4).sum() + X[0] * X[1])
    close(product, QUARTIC_HESSIAN @ v)


def test_jacobian_and_hessian_in_full() -> None:
    close(jacobian(affine, Tensor(X)), A)
    close(hessian(quartic, Tensor(X)), QUARTIC_HESSIAN)
    close(jacobian(lambda x: x.exp(), Tensor(X)), np.diag(np.exp(X)))
    close(jacobian(quartic, Tensor(X)), QUARTIC_GRADIENT)


def test_a_matrix_by_a_matrix() -> None:
    """d (X B)_ij / d X_kl = 1 if i = k, times B_lj."""
    x, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    found = jacobian(lambda x: x @ Tensor(b), Tensor(x))
    close(found, np.einsum("ik,lj->ijkl", np.eye(2), b))


def test_several_inputs_and_outputs() -> None:
    """(r a, r + a): Jacobian ((a, r), (1, 1))."""
    r, angle = Tensor(2.0), Tensor(3.0)
    outputs, products = vjp(pair, (r, angle), (10.0, 1.0))
    assert [value.item() for value in outputs] == [6.0, 5.0]
    assert [value.item() for value in products] == [31.0, 21.0]
    outputs, products = jvp(pair, (r, angle), (10.0, 1.0))
    assert [value.item() for value in outputs] == [6.0, 5.0]
    assert [value.item() for value in products] == [32.0, 11.0]
    found = jacobian(pair, (r, angle))
    assert [[value.item() for value in row] for row in found] == [[3.0, 2.0], [1.0, 1.0]]
    found = hessian(lambda r, a: r * r * a, (r, angle))
    assert [[value.item() for value in row] for row in found] == [[6.0, 4.0], [4.0, 0.0]]
    output, products = hvp(lambda r, a: r * r * a, (r, angle), (1.0, 2.0))
    assert output.item() == 12.0
    assert [value.item() for value in products] == [14.0, 4.0]


# Structure


def test_a_tensor_gives_a_tensor_and_a_tuple_a_tuple() -> None:
    x = Tensor(X)
    one, several = (lambda x: x * 2.0), (lambda x: (x * 2.0, x.sum()))
    assert isinstance(jacobian(one, x), Tensor)
    assert [value.shape for value in jacobian(one, (x,))] == [(3, 3)]
    assert [value.shape for value in jacobian(several, x)] == [(3, 3), (3,)]
    assert [[value.shape for value in row] for row in jacobian(several, [x])] == [[(3, 3)], [(3,)]]
    assert hessian(quartic, (x,))[0][0].shape == (3, 3)
    outputs, products = vjp(several, (x,), (x, 1.0))
    assert (len(outputs), len(products)) == (2, 1)
    outputs, products = jvp(several, (x,), x)
    assert (len(outputs), len(products)) == (2, 2)


def test_one_element_needs_no_vector() -> None:
    x = Tensor(3.0)
    assert [value.item() for value in vjp(lambda x: x * x, x)] == [9.0, 6.0]
    assert [value.item() for value in jvp(lambda x: x * x, x)] == [9.0, 6.0]
    assert [value.item() for value in hvp(lambda x: x * x * x, x)] == [27.0, 18.0]
    assert [value.item() for value in hvp(lambda x: (x * x * x).reshape(1), x)] == [27.0, 18.0]


def test_no_elements() -> None:
    x = Tensor(np.zeros((0, 2)))
    assert jacobian(lambda x: x * x, x).shape == (0, 2, 0, 2)
    assert jacobian(lambda x: x.sum(), x).shape == (0, 2)
    assert hessian(lambda x: (x * x).sum(), x).shape == (0, 2, 0, 2)
    assert vjp(lambda x: x * x, x, x)[1].shape == (0, 2)
    assert jvp(lambda x: x * x, x, x)[1].shape == (0, 2)


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_is_not_depended_on_has_zeros(create_graph) -> None:
    x, y = Tensor(X), Tensor(np.ones((2, 2)))
    options = {"create_graph": create_graph}
    constant = Tensor(np.ones(2))
    assert vjp(lambda x, y: x.sum(), (x, y), **options)[1][1].tolist() == [[0.0] * 2] * 2
    assert vjp(lambda x: constant, x, constant, **options)[1].tolist() == [0.0] * 3
    assert jvp(lambda x: (constant, x), x, x, **options)[1][0].tolist() == [0.0] * 2
    assert jvp(lambda x: x > 0, x, x, **options)[1].tolist() == [0.0] * 3
    assert jacobian(lambda x: constant, x, **options).tolist() == [[0.0] * 3] * 2
    assert jacobian(lambda x, y: y * 2.0, (x, y), **options)[0].tolist() == [[[0.0] * 3] * 2] * 2
    assert hvp(lambda x: x.sum(), x, x, **options)[1].tolist() == [0.0] * 3
    assert hvp(lambda x: constant.sum(), x, x, **options)[1].tolist() == [0.0] * 3
    assert hessian(lambda x: x.sum(), x, **options).tolist() == [[0.0] * 3] * 3
    assert hessian(lambda x, y: x.sum() * y.sum(), (x, y), **options)[0][0].data.max() == 0.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_stay(dtype) -> None:
    x = Tensor(X, dtype=dtype)
    for found in (
        *vjp(lambda x: x * 2.0, x, np.ones(3)),
        *jvp(lambda x: x * 2.0, x, np.ones(3)),
        *hvp(quartic, x, Tensor(np.ones(3))),
        jacobian(lambda x: x * 2.0, x),
        hessian(quartic, x),
    ):
        assert found.dtype == dtype
    wide = jacobian(lambda x: x.cast(np.float64), Tensor(X, dtype=np.float32))
    assert wide.dtype == np.float32


# The graph around


def test_inputs_are_left_alone() -> None:
    x = Tensor(X, requires_grad=True)
    for transform in (jacobian, hessian):
        assert not transform(quartic, x).requires_grad
    for found in (*vjp(quartic, x), *jvp(quartic, x, X), *hvp(quartic, x, X)):
        assert not found.requires_grad
    assert x.grad is None
    assert x.requires_grad
    plain = Tensor(X)
    jacobian(quartic, plain)
    assert not plain.requires_grad


def test_another_use_of_the_input_does_not_count() -> None:
    """fn is differentiated with respect to its argument, not to the tensor of that name outside."""
    x = Tensor(X, requires_grad=True)
    for create_graph in (False, True):
        found = jacobian(lambda a: a * x, x, create_graph=create_graph)
        np.testing.assert_array_equal(found.data, np.diag(X))


def test_inside_no_grad() -> None:
    x = Tensor(X, requires_grad=True)
    with tl.no_grad():
        close(jacobian(affine, x), A)
        close(hessian(quartic, x), QUARTIC_HESSIAN)
        assert jacobian(quartic, x, create_graph=True).requires_grad
        assert not tl.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), tl.no_grad():
        jacobian(lambda x: 1 / 0, x)
    assert tl.is_grad_enabled()


def test_results_can_be_differentiated_again() -> None:
    x, w = (Tensor(values, requires_grad=True) for values in (X, X + 5))

    def cubic(x):
        return (x * x * x * w).sum()

    x3, w3 = X, X + 5
    v = np.array([1.0, -2.0, 0.5])
    _, product = vjp(cubic, x, create_graph=True)  # 3 x^2 w
    by_x, by_w = tl.grad(product.sum(), [x, w])
    close(by_x, 6 * x3 * w3)
    close(by_w, 3 * x3**2)
    _, product = jvp(cubic, x, v, create_graph=True)  # sum of 3 x^2 w v
    by_x, by_w = tl.grad(product, [x, w])
    close(by_x, 6 * x3 * w3 * v)
    close(by_w, 3 * x3**2 * v)
    _, product = hvp(cubic, x, v, create_graph=True)  # 6 x w v
    by_x, by_w = tl.grad(product.sum(), [x, w])
    close(by_x, 6 * w3 * v)
    close(by_w, 6 * x3 * v)
    (by_w,) = tl.grad(hessian(cubic, x, create_graph=True).sum(), w)  # diag(6 x w)
    close(by_w, 6 * x3)
    (by_x,) = tl.grad(jacobian(lambda x: x * x * w, x, create_graph=True).sum(), x)  # diag(2 x w)
    close(by_x, 2 * w3)


def test_the_gradient_of_a_vjp_by_its_cotangent() -> None:
    v = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    _, product = vjp(affine, Tensor(X), v, create_graph=True)
    (found,) = tl.grad(product @ Tensor(X), v)
    close(found, A @ X)


@pytest.mark.parametrize("transform", [vjp, jvp, hvp])
def test_against_finite_differences(transform) -> None:
    """Each product as a function of the point and of the vector, differentiated once more."""
    rng = np.random.default_rng(0)
    w = Tensor(rng.standard_normal((3, 2)))

    def net(x):
        return ((x @ w).tanh() * x.sum()).sum() if transform is hvp else (x @ w).tanh() * x.sum()

    shape = (2,) if transform is vjp else (3,)
    assert gradcheck(
        lambda x, v: transform(net, x, v, create_graph=True)[1],
        [Tensor(rng.standard_normal(3)), Tensor(rng.standard_normal(shape))],
    )


def test_they_agree_with_each_other() -> None:
    """u J by vjp, J v by jvp and J in full; H v by hvp and H in full."""
    rng = np.random.default_rng(1)
    x, w = (Tensor(rng.standard_normal(shape)) for shape in ((2, 3), (3, 4)))
    u, v = rng.standard_normal((2, 4)), rng.standard_normal((2, 3))

    def net(x):
        return (x @ w).tanh().softmax(axis=1)

    full = jacobian(net, x).data
    close(vjp(net, x, u)[1], np.tensordot(u, full, 2))
    close(jvp(net, x, v)[1], np.tensordot(full, v, 2))
    second = hessian(lambda x: (net(x) ** 2).sum(), x).data
    np.testing.assert_allclose(second, second.transpose(2, 3, 0, 1), atol=1e-14)
    close(hvp(lambda x: (net(x) ** 2).sum(), x, v)[1], np.tensordot(second, v, 2))


@pytest.mark.parametrize(
    ("call", "error", "line"),
    [
        (
            lambda x: jacobian(affine, X),
            TypeError,
            "jacobian: expected a Tensor or a tuple of them as inputs; got ndarray",
        ),
        (
            lambda x: hessian(quartic, ()),
            ValueError,
            "hessian: expected a Tensor or a tuple of them as inputs; got none",
        ),
        (
            lambda x: vjp(quartic, (x, Tensor([1]))),
            TypeError,
            "vjp: input 1 is int64, and only floats have derivatives; cast it, or let fn use it as "
            "a constant",
        ),
        (
            lambda x: vjp(affine, x),
            ValueError,
            "vjp: cotangents: expected one for each output, of its shape; None is 1, for a single "
            "output of one element",
        ),
        (
            lambda x: jvp(affine, x),
            ValueError,
            "jvp: tangents: expected one for each input, of its shape; None is 1, for a single "
            "input of one element",
        ),
        (
            lambda x: vjp(affine, x, X),
            ValueError,
            "vjp: cotangents: expected shape (2,), that of output 0; got (3,)",
        ),
        (
            lambda x: hvp(quartic, x, (X, X)),
            ValueError,
            "hvp: vectors: expected 1, one for each input; got 2",
        ),
        (
            lambda x: hvp(affine, x, X),
            ValueError,
            "hvp: expected fn to return one element; got shape (2,)",
        ),
        (
            lambda x: hessian(lambda x: (x.sum(), x), x),
            ValueError,
            "hessian: expected fn to return one element; got shape () and (3,)",
        ),
        (
            lambda x: jacobian(x, x),
            TypeError,
            "jacobian: fn: expected a function; got Tensor of shape (3,), float64",
        ),
        (
            lambda x: jacobian(lambda x: x.data, x),
            TypeError,
            "jacobian: expected fn to return a Tensor or a tuple of them; got ndarray",
        ),
    ],
)
def test_what_a_wrong_call_prints(call, error, line) -> None:
    with pytest.raises(error) as caught:
        call(Tensor(X))
    assert str(caught.value) == line


def test_grad_takes_any_iterable_of_tensors() -> None:
    a, b = (Tensor([1.0, 2.0], dtype=np.float64, requires_grad=True) for _ in range(2))
    found = [
        tl.grad((a * b).sum(), inputs) for inputs in ([a, b], iter([a, b]), {a: 0, b: 0}.keys())
    ]
    assert [[one.tolist() for one in gradients] for gradients in found] == [[[1.0, 2.0]] * 2] * 3
    with pytest.raises(TypeError, match=r"^grad: expected Tensors as outputs and inputs; got str$"):
        tl.grad((a * b).sum(), "ab")  # type: ignore[arg-type]
