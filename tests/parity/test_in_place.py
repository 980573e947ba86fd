"""+=, x[i] = v and their like beside PyTorch's: values, gradients, and what is refused."""

import operator

import numpy as np
import pytest
from parity.beside_torch import check, positive, same

from tinygrad_lite import Tensor, no_grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

IN_PLACE = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "**=": operator.ipow,
}
SHAPES = [
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 4), ()),
    ((), ()),
    ((0, 3), (3,)),
    ((2, 3, 1), (1,)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", IN_PLACE)
def test_by_a_tensor(name, shapes):
    def run(a, b):
        y = a * 2.0  # Mul by a number, whose result nothing else needs
        y = IN_PLACE[name](y, b)
        return y * y

    rng = np.random.default_rng(1)
    check(run, run, *(positive(rng, shape) for shape in shapes))


@pytest.mark.parametrize("number", [2, 0.5, -1, True])
@pytest.mark.parametrize("name", IN_PLACE)
def test_by_a_number(name, number):
    if name == "-=" and number is True:
        return  # PyTorch subtracts no bools

    def run(a):
        y = a * 2.0
        y = IN_PLACE[name](y, number)
        return y * a

    check(run, run, positive(np.random.default_rng(2), (3, 2)))


@pytest.mark.parametrize("name", ["+=", "-="])  # PyTorch refuses the others in backward
def test_by_itself(name):
    def run(a):
        y = a * 2.0
        y = IN_PLACE[name](y, y)
        return y * a

    check(run, run, positive(np.random.default_rng(3), (3, 2)))


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_plain_tensor_takes_up_the_graph(name):
    def ours(a):
        y = Tensor(np.full((3, 2), 1.5))
        y = IN_PLACE[name](y, a)
        return y * y

    def theirs(a):
        y = torch.full((3, 2), 1.5, dtype=torch.float64)
        y = IN_PLACE[name](y, a)
        return y * y

    check(ours, theirs, positive(np.random.default_rng(4), (3, 2)))


def test_several_in_a_row():
    def run(a, b):
        y = a * 1.0
        y += b
        y *= b
        y -= a
        y[0] = b[0]
        y /= 2.0
        y[1:] = y[1:] + a[1:]
        return y * y

    rng = np.random.default_rng(5)
    check(run, run, positive(rng, (3, 2)), positive(rng, (3, 2)))


@pytest.mark.parametrize("name", ["*=", "/=", "**="])
def test_by_itself_as_written_out(name):
    def ours(a):
        y = a * 2.0
        y = IN_PLACE[name](y, y)
        return y * a

    def theirs(a):
        y = a * 2.0
        y = {"*=": y * y, "/=": y / y, "**=": y**y}[name]
        return y * a

    check(ours, theirs, positive(np.random.default_rng(3), (3, 2)))


def test_a_write_through_a_part_is_refused():
    # On purpose: PyTorch follows views. y[1:] += v writes through a view of y, which would leave
    # y's gradient wrong, so it is refused before anything is written.
    y = Tensor([1.0, 2.0, 3.0], requires_grad=True) * 1.0
    with pytest.raises(RuntimeError, match="view of this memory"):
        y[1:] += 5.0
    assert y.tolist() == [1, 2, 3]
    y[1:] = y[1:] + 5.0
    assert y.tolist() == [1, 7, 8]


def test_exp_that_is_changed_is_refused_in_backward():
    for x in (Tensor([1.0, 2.0], requires_grad=True), torch.ones(2, requires_grad=True)):
        y = x.exp()
        y += 1.0
        with pytest.raises(RuntimeError, match=r"in place|inplace"):
            y.sum().backward()


def test_an_input_that_is_changed_is_refused_in_backward():
    for x in (Tensor([1.0, 2.0], requires_grad=True), torch.ones(2, requires_grad=True)):
        y = x * 1.0
        z = y * y
        y += 1.0
        with pytest.raises(RuntimeError, match=r"in place|inplace"):
            z.sum().backward()


def test_sigmoid_that_is_changed_after_its_use_is_allowed():
    def run(a):
        y = a * 3.0
        z = y + 1.0  # Add needs no values
        y *= 2.0
        return z * y

    check(run, run, positive(np.random.default_rng(6), (3,)))


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_leaf_is_refused(name):
    for x in (Tensor([1.0, 2.0], requires_grad=True), torch.ones(2, requires_grad=True)):
        with pytest.raises(RuntimeError, match="leaf"):
            IN_PLACE[name](x, 2.0)


def test_a_leaf_may_be_changed_in_no_grad():
    mine, other = (
        Tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([1.0, 2.0], requires_grad=True),
    )
    with no_grad(), torch.no_grad():
        for x in (mine, other):
            x += 1.0
            x *= 2.0
            x[0] = 7.0
    same(mine, other, "value")
    assert mine.requires_grad
    assert mine.is_leaf


def test_an_expanded_view_is_refused():
    for x in (Tensor([[1.0], [2.0]]).expand(2, 3), torch.ones(2, 1).expand(2, 3)):
        with pytest.raises(RuntimeError):
            x += 1.0


def test_shape_and_dtype_must_fit():
    for x, y in ((Tensor([1.0]), Tensor([1.0, 2.0])), (torch.ones(1), torch.ones(2))):
        with pytest.raises((ValueError, RuntimeError)):
            x += y
    for x in (Tensor([1, 2]), torch.tensor([1, 2])):
        with pytest.raises((TypeError, RuntimeError)):
            x += 0.5
        with pytest.raises((TypeError, RuntimeError)):
            x /= 2


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("other", ["int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("name", IN_PLACE)
def test_the_dtype_stays(name, dtype, other):
    a, b = np.full(3, 1.5, dtype), np.full(3, 2, other)
    mine, reference = Tensor(a), torch.tensor(a)
    mine = IN_PLACE[name](mine, Tensor(b))
    reference = IN_PLACE[name](reference, torch.tensor(b))
    same(mine, reference, name)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_gradient_through_a_write_keeps_its_dtype(dtype):
    x = np.array([1.5, 2.5], "float64")
    mine, reference = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, other = Tensor(np.ones(2, dtype)), torch.ones(2, dtype=getattr(torch, dtype))
    y += mine
    other += reference
    y[0] = mine[1]
    other[0] = reference[1]
    (y * y).sum().backward()
    (other * other).sum().backward()
    same(y, other, "value")
    same(mine.grad, reference.grad, "gradient")


METHODS = ["add_", "sub_", "mul_", "div_", "copy_"]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", METHODS)
def test_methods_by_a_tensor(name, shapes):
    def run(a, b):
        y = a * 2.0
        getattr(y, name)(b)
        return y * y * b

    rng = np.random.default_rng(8)
    check(run, run, *(positive(rng, shape) for shape in shapes))


@pytest.mark.parametrize("shape", [(3, 4), (), (0,)])
@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "fill_"])
def test_methods_by_a_number(name, shape):
    def run(a):
        y = a * 2.0
        getattr(y, name)(1.5)
        return y * a

    check(run, run, positive(np.random.default_rng(9), shape))


def test_fill_by_a_tensor_zero_and_masked_fill():
    mask = np.array([[True, False], [False, False], [True, True]])

    def run(make):
        def steps(a, b):
            y, z, u = a * 2.0, a * 3.0, a * 4.0
            y.fill_(b)
            z.zero_()
            u.masked_fill_(make(mask), b)
            return y * a + z * a + u * a

        return steps

    check(
        run(Tensor), run(torch.tensor), positive(np.random.default_rng(10), (3, 2)), np.array(1.5)
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "bool"])
@pytest.mark.parametrize("other", ["float16", "float64", "int64", "bool"])
def test_copy_casts(dtype, other):
    a, b = np.zeros((2, 2), dtype), np.array([0, 1]).astype(other)
    same(Tensor(a).copy_(Tensor(b)), torch.tensor(a).copy_(torch.tensor(b)), "value")
    same(Tensor(a).fill_(1), torch.tensor(a).fill_(1), "fill_")
    same(Tensor(a).zero_(), torch.tensor(a).zero_(), "zero_")


@pytest.mark.parametrize("name", [*METHODS, "fill_"])
def test_methods_refuse_what_pytorch_refuses(name):
    for leaf in (Tensor([1.0, 2.0], requires_grad=True), torch.ones(2, requires_grad=True)):
        with pytest.raises(RuntimeError, match="leaf"):
            getattr(leaf, name)(2.0 if name != "copy_" else leaf.detach())
    for x, y in ((Tensor([1.0]), Tensor([1.0, 2.0])), (torch.ones(1), torch.ones(2))):
        with pytest.raises((ValueError, RuntimeError)):
            getattr(x, name)(y)
