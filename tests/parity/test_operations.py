"""Operators, indices, and methods on many shapes: value, gradients of two orders and dtype.

Each method once, on its own shapes, is compared in test_methods.py.
"""

import numpy as np
import pytest
from parity.beside_torch import PAIRS, SHAPES, check, positive, signed

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

UNARY = {
    "pos": (lambda x: +x, lambda x: +x, signed),
    "abs": (abs, torch.abs, signed),
    "x + 2": (lambda x: x + 2, lambda x: x + 2, signed),
    "2.5 + x": (lambda x: 2.5 + x, lambda x: 2.5 + x, signed),
    "x - 2.5": (lambda x: x - 2.5, lambda x: x - 2.5, signed),
    "2 - x": (lambda x: 2 - x, lambda x: 2 - x, signed),
    "x * 3": (lambda x: x * 3, lambda x: x * 3, signed),
    "0.3 * x": (lambda x: 0.3 * x, lambda x: 0.3 * x, signed),
    "x / 3": (lambda x: x / 3, lambda x: x / 3, signed),
    "3 / x": (lambda x: 3 / x, lambda x: 3 / x, signed),
    "x ** 0": (lambda x: x**0, lambda x: x**0, signed),
    "x ** 1": (lambda x: x**1, lambda x: x**1, signed),
    "x ** 2": (lambda x: x**2, lambda x: x**2, signed),
    "x ** 3.0": (lambda x: x**3.0, lambda x: x**3.0, signed),
    "x ** -1": (lambda x: x**-1, lambda x: x**-1, signed),
    "x ** -2": (lambda x: x**-2, lambda x: x**-2, signed),
    "x ** 0.5": (lambda x: x**0.5, lambda x: x**0.5, positive),
    "x ** -1.5": (lambda x: x**-1.5, lambda x: x**-1.5, positive),
    "2 ** x": (lambda x: 2**x, lambda x: 2**x, signed),
    "0.5 ** x": (lambda x: 0.5**x, lambda x: 0.5**x, signed),
    "x * x + x": (lambda x: x * x + x, lambda x: x * x + x, signed),
    "x - x": (lambda x: x - x, lambda x: x - x, signed),
    "diamond": (lambda x: x.exp() * (x * 2).tanh(), lambda x: x.exp() * (x * 2).tanh(), signed),
    "T": (lambda x: x.T, lambda x: x.permute(tuple(range(x.ndim))[::-1]), signed),
    "expand": (
        lambda x: x.expand(2, *x.shape) * 1.5,
        lambda x: x.expand(2, *x.shape) * 1.5,
        signed,
    ),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_of_one_tensor(name, shape, dtype):
    ours, theirs, domain = UNARY[name]
    check(ours, theirs, np.asarray(domain(np.random.default_rng(1), shape), dtype))


BINARY = {
    "+": (lambda a, b: a + b, lambda a, b: a + b, signed),
    "-": (lambda a, b: a - b, lambda a, b: a - b, signed),
    "*": (lambda a, b: a * b, lambda a, b: a * b, signed),
    "/": (lambda a, b: a / b, lambda a, b: a / b, signed),
    "**": (lambda a, b: a**b, lambda a, b: a**b, positive),
    "where": (lambda a, b: (a > b).where(a, b), lambda a, b: torch.where(a > b, a, b), signed),
    "where products": (
        lambda a, b: (a > 0).where(a * b, b * b),
        lambda a, b: torch.where(a > 0, a * b, b * b),
        signed,
    ),
}


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_of_two_tensors(name, shapes, dtype):
    ours, theirs, domain = BINARY[name]
    rng = np.random.default_rng(2)
    check(ours, theirs, *(np.asarray(domain(rng, shape), dtype) for shape in shapes))


@pytest.mark.parametrize("name", ["==", "!=", "<", "<=", ">", ">=", "&", "|", "^", "~"])
def test_comparisons_and_logic(name):
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 3, (4, 5)), rng.integers(0, 3, (5,))
    if name in "&|^~":
        a, b = a > 1, b > 1
    x, y = (Tensor(a), torch.tensor(a)), (Tensor(b), torch.tensor(b))
    operation = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "&": lambda a, b: a & b,
        "|": lambda a, b: a | b,
        "^": lambda a, b: a ^ b,
        "~": lambda a, b: ~a,
    }[name]
    mine, theirs = operation(x[0], y[0]), operation(x[1], y[1])
    assert mine.dtype == np.bool_
    np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def prod_over(x, axis, keepdim):
    """torch.prod over several axes; it takes one."""
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for number in sorted((number % x.ndim for number in axes), reverse=True):
        x = x.prod(number, keepdim=keepdim)
    return x


REDUCTIONS = {
    "sum": (lambda x, **k: x.sum(**k), torch.sum),
    "mean": (lambda x, **k: x.mean(**k), torch.mean),
    "max": (lambda x, **k: x.max(**k), lambda x, dim, keepdim: x.amax(dim or (), keepdim=keepdim)),
    "min": (lambda x, **k: x.min(**k), lambda x, dim, keepdim: x.amin(dim or (), keepdim=keepdim)),
    "prod": (lambda x, **k: x.prod(**k), lambda x, dim, keepdim: prod_over(x, dim, keepdim)),
    "var": (lambda x, **k: x.var(**k), torch.var),
    "var, correction 0": (
        lambda x, **k: x.var(correction=0, **k),
        lambda x, **k: torch.var(x, correction=0, **k),
    ),
    "logsumexp": (
        lambda x, **k: x.logsumexp(**k),
        lambda x, dim, keepdim: x.logsumexp(
            tuple(range(x.ndim)) if dim is None else dim, keepdim=keepdim
        ),
    ),
}
REDUCED = [
    ((5,), None),
    ((1,), 0),
    ((3, 4), None),
    ((3, 4), 0),
    ((3, 4), -1),
    ((3, 4), (0, 1)),
    ((2, 3, 4), 1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 1, 4), (1, -1)),
    ((2, 3, 1, 4), 2),
    ((4, 0), 0),
]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize(("shape", "axis"), REDUCED, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore:var\\(\\). degrees of freedom:UserWarning")  # PyTorch's
@pytest.mark.filterwarnings("ignore:var. n - correction:RuntimeWarning")  # and ours
def test_reductions(name, shape, axis, keepdim, dtype):
    ours, theirs = REDUCTIONS[name]
    if axis == 0 and name in ("max", "min"):
        axis = -len(shape)  # `0 or ()` would be all axes
    x = np.asarray(signed(np.random.default_rng(4), shape), dtype)
    check(
        lambda x: ours(x, axis=axis, keepdim=keepdim),
        lambda x: theirs(x, dim=axis, keepdim=keepdim),
        x,
        second=not (name == "var" and (shape == (1,) or axis == 2)),  # there all is nan
    )


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("shape", [(5, 3), (1, 1), (2, 3, 4), (0, 3), (2, 1, 3, 2)], ids=str)
def test_softmax(name, axis, shape):
    x = 3 * signed(np.random.default_rng(5), shape)
    check(lambda x: getattr(x, name)(axis=axis), lambda x: getattr(torch, name)(x, dim=axis), x)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "sum", "mean", "prod"])
def test_of_a_0_d_tensor_over_its_last_axis(name):
    x = np.array(0.7)
    check(lambda x: getattr(x, name)(axis=-1), lambda x: getattr(torch, name)(x, dim=-1), x)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(6, 4), (1, 3), (5, 1)], ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cross_entropy(reduction, shape, dtype):
    rng = np.random.default_rng(6)
    labels = rng.integers(shape[1], size=shape[0])
    check(
        lambda x: x.cross_entropy(labels, reduction=reduction),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(labels), reduction=reduction),
        np.asarray(4 * signed(rng, shape), dtype),
    )


MATMUL = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (1, 5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((2, 5, 2, 3), (3,)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((0, 2, 3), (3, 4)),
    ((2, 3), (3, 0)),
    ((0,), (0,)),
]


@pytest.mark.parametrize("shapes", MATMUL, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_matmul(shapes, dtype):
    rng = np.random.default_rng(8)
    arrays = [np.asarray(signed(rng, shape), dtype) for shape in shapes]
    check(lambda a, b: a @ b, lambda a, b: a @ b, *arrays)


def test_matmul_of_transposed_and_strided_views():
    rng = np.random.default_rng(9)
    a, b = signed(rng, (4, 6)), signed(rng, (5, 8))
    check(
        lambda a, b: a[:, ::2].T @ b.T[::2].T, lambda a, b: a[:, ::2].T @ b.T[::2].T, a[:4], b[:4]
    )
    check(lambda a, b: a @ b.T, lambda a, b: a @ b.T, a, signed(rng, (5, 6)))


MOVED = {
    "reshape": (lambda x: x.reshape(4, -1), lambda x: x.reshape(4, -1)),
    "reshape of a permuted one": (
        lambda x: x.permute(2, 0, 1).reshape(6, 4),
        lambda x: x.permute(2, 0, 1).reshape(6, 4),
    ),
    "permute": (lambda x: x.permute(2, 0, 1), lambda x: x.permute(2, 0, 1)),
    "permute by negative axes": (lambda x: x.permute(-1, 0, -2), lambda x: x.permute(-1, 0, -2)),
    "transpose": (lambda x: x.transpose(0, 2), lambda x: x.transpose(0, 2)),
    "mT": (lambda x: x.mT, lambda x: x.mT),
    "expand": (lambda x: x.expand(5, -1, 3, 4), lambda x: x.expand(5, -1, 3, 4)),
    "flatten": (lambda x: x.flatten(1), lambda x: x.flatten(1)),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda x: x.unsqueeze(1)),
    "squeeze": (lambda x: x.unsqueeze(1).squeeze(1), lambda x: x.unsqueeze(1).squeeze(1)),
    "cat": (lambda x: x.cat(x * 2, x[:1], axis=0), lambda x: torch.cat((x, x * 2, x[:1]))),
    "cat on the last axis": (
        lambda x: x.cat(x[..., :2].exp(), axis=-1),
        lambda x: torch.cat((x, x[..., :2].exp()), dim=-1),
    ),
}


@pytest.mark.parametrize("name", MOVED)
def test_movement(name):
    ours, theirs = MOVED[name]
    x = signed(np.random.default_rng(10), (2, 3, 4))

    def curved(move):
        return lambda x: move(x) * move(x)

    check(ours, theirs, x)
    check(curved(ours), curved(theirs), x)


@pytest.mark.parametrize("shape", [(12,), (2, 6), (6, 2), (4, 3, 1), (2, 2, 3), (4, 1, 3), (1, 12)])
def test_view_refuses_what_pytorch_refuses(shape):
    x = signed(np.random.default_rng(10), (3, 4))
    for look in (
        lambda x: x,
        lambda x: x.T,
        lambda x: x[:, :2],
        lambda x: x[:1],
        lambda x: x[:, None],
        lambda x: x[1, 1],
    ):
        mine, other = look(Tensor(x)), look(torch.tensor(x))
        try:
            expected = other.view(shape)
        except RuntimeError:
            with pytest.raises(ValueError, match=r"^(view|reshape): "):
                mine.view(shape)
        else:
            np.testing.assert_array_equal(mine.view(shape).data, expected.numpy())
            assert np.shares_memory(mine.view(shape).data, mine.data)


MASK = np.array([[True, False, True], [False, False, True], [True, True, False], [False] * 3])
INDICES = {
    "integer": 1,
    "negative integer": -1,
    "slice": slice(1, 3),
    "strided slice": (slice(None, None, 2), slice(1, None)),
    "ellipsis": (..., 0),
    "None": (None, slice(None), None, 2),
    "single element": (2, 1),
    "empty slice": slice(2, 2),
    "list with duplicates": [0, 0, 3, -1],
    "array": np.array([[3, 1], [1, 1]]),
    "pair of arrays": (np.array([0, 0, 3]), np.array([2, 2, 1])),
    "arrays that broadcast": (np.array([[0], [3]]), np.array([2, 2, 1])),
    "array and slice": (np.array([0, 0, 3]), slice(1, None)),
    "slice and array": (slice(None), np.array([2, 2])),
    "mask": MASK,
    "mask of rows": np.array([True, False, True, True]),
    "mask of nothing": np.zeros((4, 3), bool),
    "mask of columns": (slice(None), np.array([True, False, True])),
    "empty list": [],
    "scalar array": np.array(2),
}


def torch_index(index):
    if isinstance(index, tuple):
        return tuple(torch_index(item) for item in index)
    if isinstance(index, list) and not index:
        return torch.tensor([], dtype=torch.int64)
    return torch.tensor(index) if isinstance(index, np.ndarray) else index


@pytest.mark.parametrize("name", INDICES)
def test_reading_by_index(name):
    index = INDICES[name]
    x = signed(np.random.default_rng(11), (4, 3))
    check(lambda x: x[index], lambda x: x[torch_index(index)], x)
    check(lambda x: x[index] * x[index], lambda x: x[torch_index(index)] ** 2, x)


@pytest.mark.parametrize("index", [None, ..., ()], ids=str)
def test_reading_0_dimensions(index):
    check(lambda x: x[index], lambda x: x[index], np.array(1.5))


def test_a_reversed_view():
    x = signed(np.random.default_rng(12), (4, 3))
    check(lambda x: x[::-1, ::-2] * x[:, :2], lambda x: x.flip((0, 1))[:, ::2] * x[:, :2], x)


@pytest.mark.parametrize(
    "name", [name for name in INDICES if "duplicates" not in name and "arrays" not in name]
)
@pytest.mark.parametrize("value", ["number", "tensor", "broadcast"])
def test_writing_by_index(name, value):
    index = (np.array([0, 1, 3]), np.array([2, 2, 1])) if name == "array" else INDICES[name]
    if name == "array and slice":
        index = (np.array([0, 3]), slice(1, None))
    if name == "slice and array":
        index = (slice(None), np.array([2, 0]))
    rng = np.random.default_rng(13)
    x = signed(rng, (4, 3))
    written = 0.5 if value == "number" else signed(rng, x[index].shape)
    if value == "broadcast":
        written = np.array(0.25)

    def write(x, v, index):
        y = x * x
        y[index] = v
        return y * y

    if value == "number":
        check(lambda x: write(x, 0.5, index), lambda x: write(x, 0.5, torch_index(index)), x)
    else:
        check(
            lambda x, v: write(x, v * v, index),
            lambda x, v: write(x, v * v, torch_index(index)),
            x,
            written,
        )
