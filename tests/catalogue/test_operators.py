"""Every operator, with every kind of operand on either side; result dtypes; NumPy's functions."""

import operator

import numpy as np
import pytest
from every import each

from tinygrad_lite import Tensor

ARITHMETIC = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
VALUES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 0.5]], dtype=np.float32)
OTHERS = {
    "tensor": Tensor(np.array([2.0, 1.0, 0.5], dtype=np.float32)),
    "ndarray": np.array([2.0, 1.0, 0.5], dtype=np.float32),
    "integer ndarray": np.array([2, 1, 3]),
    "int64 tensor": Tensor([2, 1, 3]),
    "bool ndarray": np.array([True, True, True]),
    "NumPy float64": np.float64(1.5),
    "NumPy int64": np.int64(2),
    "0-d ndarray": np.array(1.5),
    "0-d float64 tensor": Tensor(np.array(1.5)),
    "float": 1.5,
    "int": 2,
    "bool": True,
}


def as_array(value):
    return value.data if isinstance(value, Tensor) else np.asarray(value)


@pytest.mark.parametrize("op", ARITHMETIC, ids=lambda op: op.__name__)
@each(kind=OTHERS, reflected=[False, True])
def test_arithmetic(op, kind, reflected) -> None:
    """The value is NumPy's in float64, the dtype float32, and so is the gradient's."""
    x, other = Tensor(VALUES, requires_grad=True), OTHERS[kind]
    result = op(other, x) if reflected else op(x, other)
    a, b = VALUES.astype(np.float64), as_array(other).astype(np.float64)
    expected = op(b, a) if reflected else op(a, b)
    assert type(result) is Tensor
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.data, expected, rtol=3e-6)
    result.sum().backward()
    assert x.grad.dtype == np.float32
    step = 1e-6
    ahead, behind = (op(b, a + s) if reflected else op(a + s, b) for s in (step, -step))
    np.testing.assert_allclose(x.grad.data, (ahead - behind) / (2 * step), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["tensor", "ndarray"])
def test_matmul_on_either_side(kind) -> None:
    x = Tensor(VALUES, requires_grad=True)
    w = np.arange(6, dtype=np.float32).reshape(3, 2)
    other = Tensor(w) if kind == "tensor" else w
    np.testing.assert_array_equal((x @ other).data, VALUES @ w)
    result = other @ x
    np.testing.assert_array_equal(result.data, w @ VALUES)
    assert result.requires_grad


@pytest.mark.parametrize("op", COMPARISONS, ids=lambda op: op.__name__)
@each(kind=OTHERS)
def test_comparisons(op, kind) -> None:
    x, other = Tensor(VALUES, requires_grad=True), OTHERS[kind]
    for result, expected in (
        (op(x, other), op(VALUES, as_array(other))),
        (op(other, x), op(as_array(other), VALUES)),
    ):
        assert type(result) is Tensor
        assert not result.requires_grad
        np.testing.assert_array_equal(result.data, expected)


def test_equality_with_something_else_is_false() -> None:
    assert (Tensor(1.0) == "a") is False
    assert (Tensor(1.0) != None) is True  # noqa: E711  # what a user may write


def test_logic_on_masks() -> None:
    a, b = np.array([True, True, False]), np.array([True, False, False])
    x, y = Tensor(a), Tensor(b)
    assert (x & y).tolist() == (a & b).tolist() == (a & y).tolist()
    assert (x | y).tolist() == (a | b).tolist() == (a | y).tolist()
    assert (x ^ y).tolist() == (a ^ b).tolist() == (a ^ y).tolist()
    assert (~x).tolist() == [False, False, True]


@pytest.mark.parametrize("other", [2.0, np.array([2.0, -2.0]), Tensor([2.0, -2.0])])
def test_floor_division_modulo_and_divmod(other) -> None:
    values = np.array([7.5, -7.5])
    x, right = Tensor(values), as_array(other)
    for ours, expected in (
        (x // other, values // right),
        (x % other, values % right),
        (other // x, right // values),
        (other % x, right % values),
        *zip(divmod(x, other), divmod(values, right), strict=True),
        *zip(divmod(other, x), divmod(right, values), strict=True),
    ):
        assert type(ours) is Tensor
        np.testing.assert_array_equal(ours.data, expected)


def test_shifts() -> None:
    x = Tensor([1, 2])
    assert (x << 3).tolist() == [8, 16]
    assert (np.array([8, 16]) >> x).tolist() == [4, 4]
    assert (1 << x).tolist() == [2, 4]
    assert (x >> x).tolist() == [0, 0]


def test_unary() -> None:
    x = Tensor([-1.0, 2.0], requires_grad=True)
    assert (-x).tolist() == [1.0, -2.0]
    assert (+x).tolist() == [-1.0, 2.0]
    assert abs(x).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "op", [*ARITHMETIC, operator.lt, operator.matmul], ids=lambda op: op.__name__
)
@pytest.mark.parametrize("other", ["a", [1.0], None, 1j])
def test_other_operands_are_refused(op, other) -> None:
    kind = type(other).__name__
    with pytest.raises(TypeError, match=f"expected a Tensor, an ndarray or a number; got {kind}"):
        op(Tensor([1.0]), other)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((3, 4), (5, 2), r"matmul: inner sizes differ: \(3, 4\) @ \(5, 2\)$"),
        ((2, 3, 4), (5, 4, 2), r"matmul, stacks of matrices: shapes \(2,\) and \(5,\) do not b"),
    ],
)
def test_matmul_errors(a, b, message) -> None:
    with pytest.raises(ValueError, match=message):
        Tensor(np.ones(a)) @ Tensor(np.ones(b))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Tensor([1], dtype=np.int32), Tensor([1.5], dtype=np.float16), np.float16),
        (Tensor([1]), 1.5, np.float32),
        (Tensor([True]), 1, np.int64),
        (Tensor([True]), 1.5, np.float32),
        (Tensor([1], dtype=np.uint8), 1, np.uint8),
        (Tensor([1], dtype=np.uint8), Tensor([1], dtype=np.int8), np.int16),
        (Tensor([1.0]), Tensor([1.0], dtype=np.float64), np.float64),
        (Tensor([1.0]), Tensor(1.0, dtype=np.float64), np.float32),
        (Tensor([1]), Tensor(1.0, dtype=np.float64), np.float64),
        (Tensor([1.0], dtype=np.float16), 1.5, np.float16),
        (np.ones(1), Tensor([1.0]), np.float64),
    ],
)
def test_result_dtypes_are_pytorchs(a, b, expected) -> None:
    assert (a + b).dtype == expected
    assert (b + a).dtype == expected


def test_bytes_wrap_and_are_cast_when_they_are_loaded() -> None:
    paper, ink = np.array([1], np.uint8), np.array([2], np.uint8)
    assert (Tensor(paper) - ink).tolist() == [255]  # as in NumPy and PyTorch
    assert (Tensor(paper, dtype=np.float32) - ink).tolist() == [-1]
    assert (Tensor(paper) - 2.0).tolist() == [-1]


def test_dtypes_of_sums_ranges_and_choices() -> None:
    x = Tensor([1, 2, 30])
    assert x.sum(dtype=np.int32).dtype == np.int32
    assert np.sum(x, dtype=np.uint8).dtype == np.uint8
    assert Tensor([True, True]).sum(dtype=bool).item() is True
    assert Tensor.arange(np.int64(5)).dtype == np.int64
    assert Tensor([True]).where(1, 0).dtype == np.int64
    assert Tensor([True]).where(1.0, 0).dtype == np.float32
    assert Tensor([Tensor(np.float64(1.0))]).dtype == np.float64
    y = Tensor([1.0])
    y.data = Tensor(np.ones(2))
    assert y.dtype == np.float64


def test_integers_divide_to_float32_and_functions_of_them_are_float32() -> None:
    assert (Tensor([1, 2]) / Tensor([2, 2])).dtype == np.float32
    assert (1 / Tensor([2])).tolist() == [0.5]
    for name in ("exp", "log", "sqrt", "tanh", "sigmoid", "mean", "var", "softmax", "logsumexp"):
        assert getattr(Tensor([1, 2]), name)().dtype == np.float32, name
    assert Tensor([1, 2]).sum().dtype == np.int64
    assert Tensor([True, True]).sum().item() == 2
    assert Tensor(np.ones(300, np.uint8)).sum().item() == 300


def test_mixed_float_dtypes_keep_each_leafs_gradient_dtype() -> None:
    a = Tensor(np.ones(2, np.float32), requires_grad=True)
    b = Tensor(np.ones(2), requires_grad=True)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_integers_made_of_floats_carry_no_gradient() -> None:
    x = Tensor([1.5, 2.5], requires_grad=True)
    for whole in (x.cast(np.int64), x.astype(np.int32), x.cast(bool)):
        assert not whole.requires_grad
    assert x.cast(np.float64).requires_grad
    assert x.cast(np.float32) is x


def test_operands_that_need_no_gradient_make_no_graph() -> None:
    assert not (Tensor([1.0]) + Tensor([2.0])).requires_grad
    assert (Tensor([1.0]) + Tensor([2.0])).op is None


# NumPy's own functions


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.exp(x),
        lambda m, x: m.log(x),
        lambda m, x: m.sqrt(x),
        lambda m, x: m.tanh(x),
        lambda m, x: m.abs(x),
        lambda m, x: m.square(x),
        lambda m, x: m.negative(x),
        lambda m, x: m.add(x, 1.0),
        lambda m, x: m.subtract(VALUES, x),
        lambda m, x: m.multiply(2, x),
        lambda m, x: m.divide(VALUES, x),
        lambda m, x: m.power(x, 2),
        lambda m, x: m.maximum(x, 2.0),
        lambda m, x: m.minimum(2.0, x),
        lambda m, x: m.matmul(VALUES.T, x),
        lambda m, x: m.dot(x, VALUES.T),
        lambda m, x: m.sum(x),
        lambda m, x: m.sum(x, axis=0, keepdims=True),
        lambda m, x: m.mean(x, axis=(0, 1)),
        lambda m, x: m.prod(x, axis=1),
        lambda m, x: m.max(x, axis=1, keepdims=True),
        lambda m, x: m.min(x),
        lambda m, x: m.var(x),
        lambda m, x: m.var(x, axis=1, ddof=1),
        lambda m, x: m.sum(x, 0, np.float64),
        lambda m, x: m.mean(x, dtype=np.float64),
        lambda m, x: m.prod(x, axis=0, dtype=np.float64, keepdims=True),
        lambda m, x: m.std(x),
        lambda m, x: m.std(x, axis=1, ddof=1, keepdims=True, dtype=np.float64),
        lambda m, x: m.ptp(x, axis=0),
        lambda m, x: m.average(x),
        lambda m, x: m.average(x, axis=0, keepdims=True),
        lambda m, x: m.average(x, weights=VALUES),
        lambda m, x: m.average(x, axis=1, weights=VALUES[0]),
        lambda m, x: m.average(x, axis=0, weights=VALUES[:, 0], keepdims=True),
        lambda m, x: m.median(x),
        lambda m, x: m.median(x, axis=0, keepdims=True),
        lambda m, x: m.quantile(x, 0.3),
        lambda m, x: m.quantile(x, [0.0, 0.25, 1.0], axis=1, keepdims=True),
        lambda m, x: m.percentile(x, 30, axis=0),
        lambda m, x: m.nansum(m.where(VALUES > 3, np.nan, x), axis=0),
        lambda m, x: m.cumsum(x),
        lambda m, x: m.cumsum(x, axis=1, dtype=np.float64),
        lambda m, x: m.cumprod(x, 0),
        lambda m, x: m.sort(x),
        lambda m, x: m.sort(x, axis=None, kind="stable"),
        lambda m, x: m.sort(x, axis=0),
        lambda m, x: m.linalg.norm(x),
        lambda m, x: m.linalg.norm(x, axis=1, keepdims=True),
        lambda m, x: m.linalg.norm(x[0], 3),
        lambda m, x: m.linalg.norm(x[0], -np.inf),
        *(
            lambda m, x, ord=ord, keepdims=keepdims: m.linalg.norm(x, ord, (-1, 0), keepdims)
            for ord in ("fro", 1, -1, np.inf, -np.inf)
            for keepdims in (False, True)
        ),
        lambda m, x: m.linalg.norm(x, np.inf),
        lambda m, x: m.add.accumulate(x),
        lambda m, x: m.multiply.accumulate(x, axis=1),
        lambda m, x: m.maximum.accumulate(x),
        lambda m, x: m.minimum.accumulate(x, 1),
        lambda m, x: m.logaddexp.accumulate(x),
        lambda m, x: m.logaddexp.reduce(x),
        lambda m, x: m.add.reduce(x),
        lambda m, x: m.maximum.reduce(x, axis=1),
        lambda m, x: m.where(VALUES > 1.5, x, 0.0),
        lambda m, x: m.concatenate([x, x], axis=1),
        lambda m, x: m.reshape(x, (3, 2)),
        lambda m, x: m.ravel(x),
        lambda m, x: m.transpose(x),
        lambda m, x: m.transpose(x, (1, 0)),
        lambda m, x: m.swapaxes(x, 0, 1),
        lambda m, x: m.moveaxis(x, 0, -1),
        lambda m, x: m.expand_dims(x, 1),
        lambda m, x: m.squeeze(m.expand_dims(x, 0)),
        lambda m, x: m.squeeze(m.expand_dims(x, 0), axis=0),
        lambda m, x: m.broadcast_to(x, (4, 2, 3)),
        lambda m, x: m.copy(x),
        lambda m, x: m.permute_dims(x),
        lambda m, x: m.matrix_transpose(x),
        lambda m, x: m.atleast_1d(m.sum(x)),
        lambda m, x: m.atleast_2d(x[0]),
        lambda m, x: m.flip(x),
        lambda m, x: m.flip(x, axis=(0, 1)),
        lambda m, x: m.flipud(x),
        lambda m, x: m.fliplr(x),
        lambda m, x: m.roll(x, 2),
        lambda m, x: m.roll(x, (1, 2), axis=(0, 1)),
        lambda m, x: m.roll(x, (1, 2)),
        lambda m, x: m.roll(x, 1, axis=(0, 1)),
        lambda m, x: m.meshgrid(x[0], VALUES[1])[0],
        lambda m, x: m.meshgrid(VALUES[1], x[0], indexing="ij")[1],
        lambda m, x: m.repeat(x, 2),
        lambda m, x: m.repeat(x, [1, 2], axis=0),
        lambda m, x: m.tile(x, 2),
        lambda m, x: m.tile(x, (2, 1, 2)),
        lambda m, x: m.pad(x, 1),
        lambda m, x: m.pad(x, (1, 2), constant_values=3.0),
        lambda m, x: m.pad(x, ((1, 0), (0, 2)), "constant"),
        lambda m, x: m.pad(x, ((1, 0), (0, 2)), mode="reflect"),
        lambda m, x: m.pad(x, 2, mode="edge"),
        lambda m, x: m.pad(x, 4, mode="wrap"),
        lambda m, x: m.lib.stride_tricks.sliding_window_view(x, 2, axis=1),
        lambda m, x: m.stack([x, VALUES], axis=-1),
        lambda m, x: m.vstack([x[0], VALUES]),
        lambda m, x: m.hstack((x, VALUES)),
        lambda m, x: m.hstack((x[0], VALUES[0])),
        lambda m, x: m.split(x, 3, axis=1)[1],
        lambda m, x: m.split(x, [1], axis=1)[1],
        lambda m, x: m.array_split(x, 2, axis=1)[0],
        lambda m, x: m.take(x, [-1, 0, 0]),
        lambda m, x: m.take(x, np.array([[-1, 0]]), axis=1),
        lambda m, x: m.take(x, 1, axis=-1),
        lambda m, x: m.take_along_axis(x, np.array([[0], [-1]]), 1),
        lambda m, x: m.take_along_axis(x, np.array([0, -1]), None),
        lambda m, x: m.diag(x),
        lambda m, x: m.diag(x[0], k=1),
        lambda m, x: m.diagonal(x, offset=1, axis1=1, axis2=0),
        lambda m, x: m.tril(x, k=-1),
        lambda m, x: m.triu(x),
    ],
)
def test_numpy_functions_reach_the_operations(call) -> None:
    x = Tensor(VALUES, requires_grad=True)
    result = call(np, x)
    assert type(result) is Tensor
    assert result.requires_grad
    np.testing.assert_allclose(result.data, call(np, VALUES), rtol=3e-6)
    assert result.shape == np.shape(call(np, VALUES))


def test_numpy_functions_without_a_gradient() -> None:
    x = Tensor(VALUES, requires_grad=True)
    np.testing.assert_array_equal(np.sign(x - 2.0).data, np.sign(VALUES - 2))
    np.testing.assert_array_equal(np.isnan(x).data, np.isnan(VALUES))
    np.testing.assert_array_equal(np.argmax(x, axis=1).data, np.argmax(VALUES, axis=1))
    for function in (np.argmin, np.any, np.all, np.count_nonzero):
        for options in ({}, {"axis": 1}, {"axis": 0, "keepdims": True}):
            np.testing.assert_array_equal(
                function(x > 2.0, **options).data, function(VALUES > 2, **options)
            )
    np.testing.assert_array_equal(np.argsort(x, axis=0).data, np.argsort(VALUES, axis=0))
    np.testing.assert_array_equal(np.argsort(x, None).data, np.argsort(VALUES, None))
    np.testing.assert_array_equal(np.greater(1.0, x).data, VALUES < 1)
    for like in (np.zeros_like, np.ones_like, lambda a, **options: np.full_like(a, 2.5, **options)):
        for options in ({}, {"dtype": np.int64}):
            found, expected = like(x, **options), like(VALUES, **options)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found.data, expected)
    assert np.empty_like(x, dtype=np.int8).dtype == np.int8
    np.testing.assert_array_equal(np.argwhere(x > 2.0).data, np.argwhere(VALUES > 2))
    for found, expected in zip(np.nonzero(x > 2.0), np.nonzero(VALUES > 2), strict=True):
        np.testing.assert_array_equal(found.data, expected)
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)
    assert (np.size(x, 1), np.size(x, axis=-2), np.size(x, (0, 1))) == (3, 2, 6)
    np.testing.assert_allclose(x, VALUES)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.cbrt(x), r"np.cbrt is not supported on a Tensor; use a method of Tensor"),
        (lambda x: np.linalg.cond(x), r"^np.linalg.cond is not supported on a Tensor"),
        (
            lambda x: np.equal(x, [1.0, 2.0]),
            "^np.equal: expected a Tensor, an ndarray or a number; g",
        ),
        (
            lambda x: x + np.ma.array([1.0, 2.0]),
            r"^\+: a MaskedArray has a mask, which a Tensor has not; make an",
        ),
        (lambda x: np.fft.fft(x), r"np.fft.fft is not supported on a Tensor"),
        (
            lambda x: np.pad(x, 1, mode="mean"),
            'np.pad: mode: expected "constant", "edge"',
        ),
        (lambda x: np.hypot.accumulate(x), r"np.hypot.accumulate is not supported on a Tensor"),
        (lambda x: np.exp(x, where=x.data > 0), r"np.exp on a Tensor: .*'where'"),
        (lambda x: np.exp(np.ones(2), out=x), r"np.exp: a Tensor takes no out="),
        (lambda x: np.sum(x, where=x.data > 0), r"np.sum on a Tensor: .*'where'"),
    ],
)
def test_unsupported_numpy_raises_instead_of_making_an_object_array(call, message) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call(Tensor([1.0, 2.0], requires_grad=True))


@pytest.mark.parametrize(
    ("call", "error", "line"),
    [
        (
            lambda x: np.split(x, 3),
            ValueError,
            "np.split: the parts would differ in size; np.array_split allows that",
        ),
        (lambda x: np.squeeze(x, 1), ValueError, "np.squeeze: axis 1 has size 3, not 1"),
        (
            lambda x: np.take(x, 0, axis=2),
            ValueError,
            "np.take: axis 2 is out of range for 2 dimensions; use -2 to 1",
        ),
        (
            lambda x: np.lib.stride_tricks.sliding_window_view(x, 2),
            TypeError,
            "sliding_window_view on a Tensor: expected one integer and its axis",
        ),
    ],
)
def test_what_numpy_refuses_is_refused(call, error, line) -> None:
    with pytest.raises(error) as caught:
        call(Tensor(VALUES))
    assert str(caught.value) == line
