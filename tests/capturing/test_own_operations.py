"""Operations that a user wrote, in a captured step: their rules are called in each replay."""

import numpy as np
import pytest

from tinygrad_lite import Function, Tensor, capture


class Signed(Function):
    """y = |x|; the signs are an attribute that forward sets and backward reads."""

    def forward(self, x):
        self.signs = np.sign(x)
        return np.abs(x)

    def backward(self, g, y, x):
        return (g * self.signs,)


class Both(Function):
    """y = x a and x + b, of which any may get a gradient."""

    saves = "inputs"

    def forward(self, x, a):
        return x * a, x + a

    def backward(self, g, y, x, a):
        first, second = (0.0 if one is None else one for one in g)
        return first * a + second, first * x + second


class Weighted(Function):
    """y = x w, where w is an option, perhaps an array."""

    def __init__(self, weight, factors=None):
        self.weight = weight
        self.factors = factors or [1.0]

    def forward(self, x):
        self.factors.append(2.0)
        return x * self.weight * self.factors[-1]

    def backward(self, g, y, x):
        return (g * self.weight * sum(self.factors),)


class Branches(Function):
    """y = 2 x, or 3 x if the sum is positive; the gradient is g itself if it is not."""

    def forward(self, x):
        self.positive = bool(x.sum() > 0)
        return x * 3.0 if self.positive else x * 2.0

    def backward(self, g, y, x):
        return (g * 3.0 if self.positive else g,)


class Same(Function):
    """y = x, the same array."""

    def forward(self, x):
        return x

    def backward(self, g, y, x):
        return (g,)


class Doubles(Function):
    """y = 2 x, and x becomes 2 x too."""

    def forward(self, x):
        x *= 2.0
        return x + 0.0

    def backward(self, g, y, x):
        return (g * 2.0,)


class Positive(Function):
    """Only the positive x: how many depends on values."""

    def forward(self, x):
        self.kept = x > 0
        return x[self.kept]

    def backward(self, g, y, x):
        gx = np.zeros(self.kept.shape, g.dtype)
        gx[self.kept] = g
        return (gx,)


def by_attribute(x, w):
    return Signed.apply(x * w)


def of_two_results(x, w):
    first, second = Both.apply(x, w)
    return first * 2.0 + second


def of_the_second(x, w):
    return Both.apply(x, w)[1] * x


def with_an_option(x, w):
    return Weighted.apply(w * x, weight=0.5)


def with_an_array(x, w):
    return Weighted.apply(w, weight=x.data)


def with_a_list(x, w):
    return Weighted.apply(w * x, weight=2.0, factors=[3.0, 4.0])


def by_values(x, w):
    return Branches.apply(w * x)


def the_same_array(x, w):
    return Same.apply(w * x) + Same.apply(w)


def that_writes(x, w):
    y = w * x
    return Doubles.apply(y) + 1.0


def whose_result_is_not_needed(x, w):
    Signed.apply(w * x)
    return w * 2.0


def before_and_after(x, w):
    y = Signed.apply(Signed.apply(w - x) - 1.0)
    return y * y


def twin(fn):
    w = Tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), requires_grad=True)

    def step(x, g):
        w.grad = None
        y = fn(x, w)
        y.backward(g)
        return y

    return step, w


@pytest.mark.parametrize(
    "fn",
    [
        *(by_attribute, of_two_results, of_the_second, with_an_option, with_an_array, with_a_list),
        *(by_values, the_same_array, that_writes, whose_result_is_not_needed),
        *(before_and_after,),
    ],
)
def test_its_rules_are_called_in_each_replay(fn):
    def results(wrap):
        step, w = twin(fn)
        call, found = wrap(step), []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            x, g = (rng.standard_normal((3, 4)).astype(np.float32) for _ in range(2))
            with np.errstate(all="ignore"):
                y = call(Tensor(x), Tensor(g))
            found += [y.data.tobytes(), w.grad.data.tobytes(), w.grad.data.strides]
            found += [x.tobytes(), g.tobytes()]
            w.data[...] = w.data * 0.5 - x
        return found

    assert results(lambda step: capture(step, strict=True)) == results(lambda step: step)


def test_a_result_of_another_shape_is_refused():
    w = Tensor(np.arange(-2.0, 2.0), requires_grad=True)

    @capture
    def step(x):
        w.grad = None
        y = Positive.apply(w * x).sum()
        y.backward()
        return y

    for _ in range(3):
        step(Tensor(np.ones(4)))
    with pytest.raises(RuntimeError, match="Positive returned arrays of another form"):
        step(Tensor(-np.ones(4)))


def test_the_form_of_a_gradient_is_the_operations_own():
    """A rule that gives g itself in one call, and a new array in another."""
    step, w = twin(by_values)
    captured = capture(step, strict=True)
    g = Tensor(np.ones((3, 4), np.float32))
    for sign in (1, 1, 1, -1, 1, -1):
        captured(Tensor(np.sign(w.data) * np.float32(sign)), g)
        assert not np.shares_memory(w.grad.data, g.data)
    assert (g.data == 1).all()
