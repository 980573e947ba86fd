"""The dtype of a result, and of a gradient, beside PyTorch's, for every pair of operands."""

import warnings

import numpy as np
import pytest
from parity.beside_torch import same

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]
NUMBERS = {"True": True, "2": 2, "0.5": 0.5}
TENSORS = [(name, kind) for name in DTYPES for kind in ("n-d", "0-d")]
OPERANDS = [*TENSORS, *((name, "number") for name in NUMBERS)]
PAIRS = [(a, b) for a in OPERANDS for b in OPERANDS if a in TENSORS or b in TENSORS]


def operands(name, kind):
    """One operand for us and for PyTorch."""
    if kind == "number":
        return NUMBERS[name], NUMBERS[name]
    array = np.ones((2,) if kind == "n-d" else (), name)
    return Tensor(array), torch.tensor(array)


def label(operand):
    return "-".join(operand)


def is_bool(operand):
    return operand[0] in ("bool", "True")


ARITHMETIC = {
    "+": lambda a, b: a + b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "-": lambda a, b: a - b,
    "**": lambda a, b: a**b,
    "==": lambda a, b: a == b,
    "<": lambda a, b: a < b,
}


@pytest.mark.parametrize("a", OPERANDS, ids=label)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_operators(name, a):
    for b in OPERANDS:
        if (a, b) not in PAIRS or (name == "-" and (is_bool(a) or is_bool(b))):
            continue  # PyTorch subtracts no bools
        if name == "**" and is_bool(a) and is_bool(b):
            continue  # and takes no power of them
        (x, x_), (y, y_) = operands(*a), operands(*b)
        same(ARITHMETIC[name](x, y), ARITHMETIC[name](x_, y_), f"{a} {name} {b}")


@pytest.mark.parametrize("a", TENSORS, ids=label)
def test_maximum_and_where(a):
    for b in OPERANDS:
        (x, x_), (y, y_) = operands(*a), operands(*b)
        if b in TENSORS:
            same(x.maximum(y), torch.maximum(x_, y_), f"maximum {a} {b}")
        mask = np.array([True, False])
        theirs = torch.where(torch.tensor(mask), x_, y_)
        same(Tensor(mask).where(x, y), theirs, f"where {a} {b}")


FLOATS = ["float16", "float32", "float64"]


@pytest.mark.parametrize("leaf", FLOATS)
@pytest.mark.parametrize("leaf_kind", ["n-d", "0-d"])
@pytest.mark.parametrize("other", OPERANDS, ids=label)
@pytest.mark.parametrize("name", ["+", "*", "/", "-"])
def test_a_gradient_has_the_dtype_of_its_leaf(leaf, leaf_kind, other, name):
    if name == "-" and is_bool(other):
        return  # PyTorch subtracts no bools
    (x, x_), (y, y_) = operands(leaf, leaf_kind), operands(*other)
    x.requires_grad = True
    x_.requires_grad = True
    operator = ARITHMETIC[name]
    for mine, reference in ((operator(x, y), operator(x_, y_)), (operator(y, x), operator(y_, x_))):
        (found,) = grad(mine.sum(), x)
        (expected,) = torch.autograd.grad(reference.sum(), x_)
        same(found, expected, f"{leaf} {leaf_kind} {name} {other}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sigmoid"])
def test_functions_of_floats(name, dtype):
    x = np.ones((3,), dtype)
    same(getattr(Tensor(x), name)(), getattr(torch, name)(torch.tensor(x)), name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "relu", "neg", "abs", "argmax"])
def test_functions_that_keep_integers(name, dtype):
    if dtype == "bool" and name in ("relu", "neg", "abs", "argmax"):
        return  # PyTorch refuses these
    x = np.array([3, 0, 1], dtype)
    method = {"neg": "__neg__", "abs": "__abs__"}.get(name, name)
    same(getattr(Tensor(x), method)(), getattr(torch, name)(torch.tensor(x)), name)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["mean", "var", "logsumexp", "softmax", "log_softmax"])
def test_functions_of_an_axis(name, dtype):
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(dtype)
    same(getattr(Tensor(x), name)(1), getattr(torch, name)(torch.tensor(x), 1), name)


@pytest.mark.parametrize("a", FLOATS)
@pytest.mark.parametrize("b", DTYPES)
def test_cat_promotes(a, b):
    x, y = np.ones((2, 3), a), np.ones((1, 3), b)
    same(Tensor(x).cat(Tensor(y)), torch.cat((torch.tensor(x), torch.tensor(y))), "cat")


@pytest.mark.parametrize("numpy_scalar", [np.float64(0.5), np.float32(0.5), np.array(0.5)])
@pytest.mark.parametrize("leaf", FLOATS)
def test_numpy_scalars_count_as_python_numbers(leaf, numpy_scalar):
    # Ours on purpose: PyTorch takes a 0-d array for a tensor, and then refuses or promotes.
    x = Tensor(np.ones(2, leaf), requires_grad=True)
    for y in (x * numpy_scalar, numpy_scalar * x):
        assert y.dtype == leaf
        assert grad(y.sum(), x)[0].dtype == leaf


class TestFloat16:
    """float16 is added up and counted in float32."""

    def test_sum_mean_and_max_of_70000(self):  # row 43
        x = np.ones(70_000, np.float16)
        for name, value in (("sum", np.inf), ("mean", 1.0), ("max", 1.0)):
            t, reference = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                y = getattr(t, name)()
            theirs = reference.amax() if name == "max" else getattr(reference, name)()
            assert y.item() == theirs.item() == value
            (found,) = grad(y, t)
            (expected,) = torch.autograd.grad(theirs, reference)
            same(found, expected, name)
            assert found.numpy()[0] == pytest.approx(1.0 if name == "sum" else 1.43e-5, rel=1e-2)

    def test_sum_of_small_numbers(self):
        x = np.full(20_000, 0.01, np.float16)
        same(Tensor(x).sum(), torch.tensor(x).sum(), "sum")
        same(Tensor(x.reshape(2, -1)).sum(1), torch.tensor(x.reshape(2, -1)).sum(1), "sum")

    @pytest.mark.parametrize("name", ["var", "logsumexp", "softmax", "log_softmax"])
    def test_over_many_elements(self, name):
        x = np.random.default_rng(0).standard_normal((2, 70_000)).astype(np.float16)
        same(getattr(Tensor(x), name)(1), getattr(torch, name)(torch.tensor(x), 1), name)

    def test_var_of_large_numbers(self):
        x = np.random.default_rng(0).uniform(-1000, 1000, 50).astype(np.float16)
        t, reference = Tensor(x), torch.tensor(x)
        same(t.var(), reference.var(), "var")  # inf: the number itself does not fit
        same((t / 10).var(), (reference / 10).var(), "var")

    def test_cross_entropy(self):
        rng = np.random.default_rng(0)
        scores, labels = (
            rng.standard_normal((3000, 10)).astype(np.float16),
            rng.integers(10, size=3000),
        )
        for reduction in ("mean", "sum", "none"):
            x, reference = (
                Tensor(scores, requires_grad=True),
                torch.tensor(scores, requires_grad=True),
            )
            y = x.cross_entropy(labels, reduction=reduction)
            theirs = torch.nn.functional.cross_entropy(
                reference, torch.tensor(labels), reduction=reduction
            )
            same(y, theirs, reduction)
            (found,) = grad(y.sum(), x)
            same(found, torch.autograd.grad(theirs.sum(), reference)[0], reduction)

    def test_matmul(self):
        rng = np.random.default_rng(0)
        a, b = (rng.standard_normal((300, 300)).astype(np.float16) for _ in range(2))
        mine = (Tensor(a) @ Tensor(b)).numpy().astype(np.float64)
        theirs = (torch.tensor(a) @ torch.tensor(b)).numpy().astype(np.float64)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        assert np.abs(mine - exact).max() <= 2 * np.abs(theirs - exact).max()

    @pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sigmoid"])
    def test_functions(self, name):
        x = np.linspace(0.01, 8, 400).astype(np.float16)
        t, reference = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, theirs = getattr(t, name)(), getattr(torch, name)(reference)
        same(y, theirs, name)
        (found,) = grad(y, t, Tensor(np.ones_like(x)))
        (expected,) = torch.autograd.grad(theirs, reference, torch.ones_like(reference))
        same(found, expected, name)
