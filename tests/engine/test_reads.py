"""`reads`: what is saved for which wanted gradient, and what a class may state."""

from itertools import product

import numpy as np
import pytest

from tinygrad_lite import Function, Tensor, gradcheck, gradgradcheck
from tinygrad_lite.ops import Gelu, LayerNormAffine, LSTMCell, Mul


class Weighted(Function):
    """y = a b + c: the gradient of a reads b, that of b reads a, and that of c nothing."""

    reads = {"a": ("b",), "b": ("a",)}  # noqa: RUF012

    def forward(self, a, b, c):
        return a * b + c

    def backward(self, g, y, a, b, c):
        return g * b if self.needs[0] else None, g * a if self.needs[1] else None, g


class Powers(Function):
    """Several results by name: square, cube."""

    reads = {"x": ("x", "square")}  # noqa: RUF012
    results = ("square", "cube")

    def forward(self, x):
        return x * x, x * x * x

    def backward(self, g, y, x):
        square, cube = y
        assert cube is None
        first, second = g
        total = 0.0 if first is None else first * (x * 2.0)
        return (total if second is None else total + second * (square * 3.0),)


class Product(Function):
    """y = the product of all inputs, which are given as *xs."""

    reads = {"xs": ("xs", "y")}  # noqa: RUF012

    def forward(self, *xs):
        y = xs[0]
        for x in xs[1:]:
            y = y * x
        return y

    def backward(self, g, y, *xs):
        return tuple([g * y / x if need else None for x, need in zip(xs, self.needs, strict=True)])


@pytest.mark.parametrize("wanted", [w for w in product([True, False], repeat=3) if any(w)])
def test_only_what_a_wanted_gradient_reads_is_saved(wanted) -> None:
    a, b, c = (Tensor([float(i + 1)], requires_grad=need) for i, need in enumerate(wanted))
    op = Weighted.apply(a, b, c)._node
    assert op.needs == wanted
    saved = [x is not None for x in op.saved_inputs]
    assert saved == [wanted[1], wanted[0], False]
    assert op.saved_output is None


def test_results_are_saved_by_name() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    square, cube = Powers.apply(x)
    op = cube._node.parents[0]
    assert op.saved_output[0] is square.data
    assert op.saved_output[1] is None
    assert gradcheck(Powers.apply, Tensor(np.linspace(-1, 1, 4), requires_grad=True))
    assert gradgradcheck(Powers.apply, Tensor(np.linspace(-1, 1, 4), requires_grad=True))


def test_a_result_that_no_rule_reads_may_be_written() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    square, cube = Powers.apply(x)
    cube += 1.0
    cube.sum().backward()
    np.testing.assert_allclose(x.grad.data, [3.0, 12.0])
    square, cube = Powers.apply(x)
    square += 1.0
    with pytest.raises(RuntimeError, match="Powers saved an array of shape"):
        cube.sum().backward()


def test_inputs_given_as_a_row() -> None:
    xs = [Tensor(np.array([0.5, -1.5]) + i, requires_grad=True) for i in range(3)]
    assert gradcheck(Product.apply, xs)
    assert gradgradcheck(Product.apply, xs)
    op = Product.apply(*xs, Tensor([1.0, 1.0], dtype=np.float64))._node
    assert op.needs == (True, True, True, False)
    assert all(type(x) is np.ndarray for x in op.saved_inputs)


def test_primitives_state_theirs() -> None:
    """Some that save less than all, as a reader would expect."""
    x, w, b = (Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in ((2, 3), 3, 3))
    layer = x.layernorm(weight=w, bias=b)
    assert [one is None for one in layer._node.parents[0].saved_output] == [True, False, False]
    layer += 1.0  # y is not read
    layer.sum().backward()
    assert LSTMCell.reads["x"] == ("c", "w", "gates")
    assert LayerNormAffine.results == ("out", "n", "r")
    assert Gelu.reads == {"x": ("x", "s")}
    constant = (x.detach() * w)._node
    assert [one is None for one in constant.saved_inputs] == [False, True]
    assert Mul.reads == {"a": ("b",), "b": ("a",)}


def backward(self, g, y, a, b):
    return g, g


def rest(self, g, y, *xs):
    return g


@pytest.mark.parametrize(
    ("attributes", "line"),
    [
        (
            {"reads": {"c": ("a",)}, "backward": backward},
            "Bad.reads: expected an input, one of ('a', 'b'); got 'c'",
        ),
        (
            {"reads": {"a": ("x",)}, "backward": backward},
            "Bad.reads: expected one of ('a', 'b', 'y'); got 'x'",
        ),
        (
            {"reads": {"a": "b"}, "backward": backward},
            "Bad.reads: expected a tuple of names; got 'b'",
        ),
        (
            {"reads": {"a": ("low",)}, "results": ("high",), "backward": backward},
            "Bad.reads: expected one of ('a', 'b', 'y', 'high'); got 'low'",
        ),
        (
            {"reads": {}, "results": ("a", "c"), "backward": backward},
            "Bad.results: 'a' is an argument of backward already",
        ),
        (
            {"reads": {"x": ("xs",)}, "backward": rest},
            "Bad.reads: expected an input, one of ('xs',); got 'x'",
        ),
        (
            {"reads": {"a": ("b",)}, "saves": "inputs", "backward": backward},
            "Bad: expected `saves` or `reads`; got both",
        ),
    ],
)
def test_what_a_class_may_not_state(attributes, line) -> None:
    with pytest.raises(TypeError) as caught:
        type("Bad", (Function,), attributes)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("saves", "inputs", "output"),
    [("nothing", 0, 0), ("inputs", 1, 0), ("output", 0, 1), ("both", 1, 1)],
)
def test_saves_of_a_users_op(saves, inputs, output) -> None:
    op = type(
        "Op", (Function,), {"saves": saves, "forward": lambda s, a, b: a * b, "backward": backward}
    )
    y = op.apply(Tensor([2.0], requires_grad=True), Tensor([3.0]))
    assert [x is not None for x in y._node.saved_inputs] == [bool(inputs)] * 2
    assert (y._node.saved_output is not None) == bool(output)


def test_a_subclass_may_save_more() -> None:
    class Plain(Function):
        def forward(self, x):
            return x * 2.0

        def backward(self, g, y, x):
            return (g * 2.0,)

    class Both(Plain):
        saves = "both"

    x = Tensor([1.0], requires_grad=True)
    assert Plain.apply(x)._node.saved_inputs == (None,)
    assert Both.apply(x)._node.saved_inputs[0] is x.data
