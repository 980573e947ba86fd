"""Derivatives of functions, checkpoint and hooks beside PyTorch's: values, structure, graphs."""

import numpy as np
import pytest
from parity.beside_torch import same

import tinygrad_lite as tl
from tinygrad_lite import Tensor, checkpoint

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity
functional = torch.autograd.functional

X = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])
Y = np.array([0.5, -0.25, 2.0])


def agree(found, expected, what="") -> None:
    """The same tensors in the same tuples."""
    assert isinstance(found, tuple) == isinstance(expected, tuple), what
    if isinstance(found, tuple):
        for position, (a, b) in enumerate(zip(found, expected, strict=True)):
            agree(a, b, f"{what}[{position}]")
    else:
        same(found, expected, what)


# Functions that mean the same on both.
def product(x, y):
    return (x * y).tanh()


def several(x, y):
    return (x * y).exp(), (y * y).sum(), x


def nothing_of_y(x, y):
    return x * x


def linear(x, y):
    return x.sum() + y.sum() * 2.0


def scalar(x, y):
    return ((x * y).tanh() * x * x).sum()


FUNCTIONS = [product, several, nothing_of_y, linear, scalar]
INPUTS = [
    pytest.param(lambda fn: (lambda x: fn(x, x[0]), X), id="one"),
    pytest.param(lambda fn: (lambda x: fn(x, x[0]), (X,)), id="tuple of one"),
    pytest.param(lambda fn: (fn, (X, Y)), id="two"),
]


def tensors(arrays, make, **options):
    """Tensors of one library, in the structure of the arrays."""
    if isinstance(arrays, tuple):
        return tuple(make(array, **options) for array in arrays)
    return make(arrays, **options)


def directions(results):
    """A random vector for each result, in the same structure."""
    rng = np.random.default_rng(3)
    if isinstance(results, tuple):
        return tuple(np.asarray(rng.standard_normal(tuple(one.shape))) for one in results)
    return np.asarray(rng.standard_normal(tuple(results.shape)))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("arguments", INPUTS)
@pytest.mark.parametrize("fn", FUNCTIONS)
class TestFunctional:
    def given(self, fn, arguments, dtype, create_graph):
        call, arrays = arguments(fn)
        arrays = (
            tuple(array.astype(dtype) for array in arrays)
            if isinstance(arrays, tuple)
            else arrays.astype(dtype)
        )
        mine = tensors(arrays, Tensor, requires_grad=create_graph)
        theirs = tensors(arrays, torch.tensor, requires_grad=create_graph)
        return call, mine, theirs

    def cast(self, arrays, dtype):
        if isinstance(arrays, tuple):
            return tuple(array.astype(dtype) for array in arrays)
        return arrays.astype(dtype)

    def test_vjp(self, fn, arguments, dtype, create_graph):
        call, mine, theirs = self.given(fn, arguments, dtype, create_graph)
        v = self.cast(directions(call(*(theirs if isinstance(theirs, tuple) else [theirs]))), dtype)
        found = tl.vjp(call, mine, tensors(v, Tensor), create_graph=create_graph)
        agree(found, functional.vjp(call, theirs, tensors(v, torch.tensor), create_graph))

    def test_jvp(self, fn, arguments, dtype, create_graph):
        call, mine, theirs = self.given(fn, arguments, dtype, create_graph)
        u = self.cast(directions(theirs), dtype)
        found = tl.jvp(call, mine, tensors(u, Tensor), create_graph=create_graph)
        agree(found, functional.jvp(call, theirs, tensors(u, torch.tensor), create_graph))

    def test_jacobian(self, fn, arguments, dtype, create_graph):
        call, mine, theirs = self.given(fn, arguments, dtype, create_graph)
        agree(
            tl.jacobian(call, mine, create_graph=create_graph),
            functional.jacobian(call, theirs, create_graph),
        )

    def test_hessian_and_hvp(self, fn, arguments, dtype, create_graph):
        call, mine, theirs = self.given(fn, arguments, dtype, create_graph)

        def total(*xs):
            results = call(*xs)
            results = results if isinstance(results, tuple) else (results,)
            return sum((one * one).sum() for one in results)

        found = tl.hessian(total, mine, create_graph=create_graph)
        agree(found, functional.hessian(total, theirs, create_graph))
        v = self.cast(directions(theirs), dtype)
        found = tl.hvp(total, mine, tensors(v, Tensor), create_graph=create_graph)
        agree(found, functional.hvp(total, theirs, tensors(v, torch.tensor), create_graph))


def test_a_graph_through_each_of_them():
    """The gradient of a sum of squares of the result, by the inputs and by what fn closes over."""
    v = np.array([[1.0, -0.5, 2.0], [0.3, 0.2, -1.0]])

    def results(library, make, dot):
        x, y, w = (make(array, requires_grad=True) for array in (X, Y, X + 2.0))

        def fn(x, y):
            return (x * w).tanh() * y

        def total(x, y):
            return fn(x, y).sum()

        found = [
            library.vjp(fn, (x, y), make(v), create_graph=True)[1],
            [library.jvp(fn, (x, y), (make(v), make(Y)), create_graph=True)[1]],
            library.hvp(total, (x, y), (make(v), make(Y)), create_graph=True)[1],
            library.jacobian(fn, (x, y), create_graph=True),
            [block for row in library.hessian(total, (x, y), create_graph=True) for block in row],
        ]
        gradients = []
        for blocks in found:
            loss = sum((block * block).sum() for block in blocks)
            gradients += dot(loss, [x, y, w])
        return gradients

    ours = results(tl, Tensor, tl.grad)
    theirs = results(functional, torch.tensor, torch.autograd.grad)
    for position, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        same(a, b, f"gradient {position}")


WRONG = [
    lambda library, x: library.vjp(lambda x: x * x, x),
    lambda library, x: library.jvp(lambda x: x * x, x),
    lambda library, x: library.hvp(lambda x: x * x, x, x),
    lambda library, x: library.vjp(lambda x: x * x, x, x[:2]),
    lambda library, x: library.jacobian(lambda x: x * 1.0, x > 0),
    lambda library, x: library.jacobian(lambda x: 2.0, x),
    lambda library, x: library.hessian(lambda x: x, x),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_both_refuse(wrong):
    for library, make in ((tl, Tensor), (functional, torch.tensor)):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            wrong(library, make(Y))


# checkpoint


def peer_checkpoint(fn, *xs):
    return torch.utils.checkpoint.checkpoint(fn, *xs, use_reentrant=False)


@pytest.mark.parametrize("fn", FUNCTIONS)
def test_checkpoint(fn):
    def run(step, make, gradient, options):
        x, y = (make(array, requires_grad=True) for array in (X, Y))
        results = step(fn, x * 2.0, y)
        results = results if isinstance(results, tuple) else (results,)
        loss = sum((one * one * one).sum() for one in results)
        first = gradient(loss, [x, y], create_graph=True, **options)
        slopes = [g for g in first if g is not None]
        second = gradient(sum((g * g).sum() for g in slopes), [x, y], **options)
        return [*results, *first, *second]

    options = {"allow_unused": True}
    ours = run(checkpoint, Tensor, tl.grad, options)
    theirs = run(peer_checkpoint, torch.tensor, torch.autograd.grad, options)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            same(a, b, fn.__name__)


def test_checkpoint_reaches_what_the_function_holds():
    found = []
    for step, make in ((checkpoint, Tensor), (peer_checkpoint, torch.tensor)):
        x, y = (make(array, requires_grad=True) for array in (X, Y))
        h = x * 3.0
        hidden = step(lambda x, h=h, y=y: (x * y * h).tanh(), x)
        (hidden * hidden).sum().backward()
        found.append([x.grad, y.grad])
    for a, b in zip(*found, strict=True):
        same(a, b, "gradient")


# Hooks


def test_hooks():
    """On leaves and inner tensors, replacing or only looking, with both ways to ask."""
    found = []
    for make, gradient in ((Tensor, tl.grad), (torch.tensor, torch.autograd.grad)):
        seen = []
        x, y = (make(array, requires_grad=True) for array in (X, Y))
        h = x * y
        z = h * h + h
        loss = (z * y).sum()
        handle = h.register_hook(lambda g, seen=seen: seen.append(g))
        h.register_hook(lambda g: g * 2.0)
        h.register_hook(lambda g: g + 1.0)
        x.register_hook(lambda g, seen=seen: seen.append(g))
        loss.register_hook(lambda g: g * 3.0)
        y.register_hook(lambda g: g * 0.5)
        results = [*gradient(loss, [x, y], retain_graph=True)]
        results += gradient(loss, [h], retain_graph=True)
        handle.remove()
        h.retain_grad()  # only now: PyTorch's grad() would add to h.grad too
        loss.backward()
        found.append([*results, *seen, x.grad, y.grad, h.grad])
    assert len(found[0]) == 10
    for position, (a, b) in enumerate(zip(*found, strict=True)):
        same(a, b, f"number {position}")


def test_hooks_under_create_graph():
    found = []
    for make, gradient in ((Tensor, tl.grad), (torch.tensor, torch.autograd.grad)):
        x = make(X, requires_grad=True)
        h = x * 1.0
        h.register_hook(lambda g, x=x: g * g * x)
        (first,) = gradient((h * h * h).sum(), x, create_graph=True)
        (second,) = gradient(first.sum(), x)
        found.append((first, second))
    for a, b in zip(*found, strict=True):
        same(a, b, "gradient")


def test_an_overwritten_value_leaves_its_hook_behind():
    found = []
    for make in (Tensor, torch.tensor):
        seen = []
        x = make(Y, requires_grad=True)
        h = x * 2.0
        h.register_hook(lambda g, seen=seen: seen.append(g))
        h *= 5.0
        (h * 3.0).sum().backward()
        found.append([*seen, x.grad])
    for a, b in zip(*found, strict=True):
        same(a, b, "gradient")
