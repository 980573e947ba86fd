"""The corners of ../shared/TRAPS.md, by their row numbers: beside PyTorch, and by value.

Where we differ from PyTorch on purpose, the test says so and asserts our number.
"""

import numpy as np
import pytest
from parity.beside_torch import check, gradients, same

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF, NAN = np.inf, np.nan
functional = torch.nn.functional


def agree(ours, theirs, *arrays, second=True):
    """Value and gradients as PyTorch's; second order too unless told not.

    NumPy's warnings are a matter of their own: see test_silence.py.
    """
    arrays = [np.asarray(array, np.float64) for array in arrays]
    with np.errstate(all="ignore"):
        mine, expected = gradients(ours, theirs, *arrays)
        for position, (a, b) in enumerate(zip(mine, expected, strict=True)):
            same(a, b, "value" if position == 0 else f"gradient {position - 1}")
        if second:
            check(ours, theirs, *arrays)


def slope(function, *arrays):
    """Value and gradients of ours, as lists."""
    tensors = [Tensor(np.asarray(array, np.float64), requires_grad=True) for array in arrays]
    y = function(*tensors)
    found = grad(y, tensors, Tensor(np.ones(y.shape)))
    return [y.tolist(), *(gradient.tolist() for gradient in found)]


TIES = [[1, 3, 3], [3, 3, 3], [2, 2], [5], [-INF, -INF], [INF, INF, 1]]


@pytest.mark.parametrize("x", TIES, ids=str)
def test_1_max_and_min_share_ties(x):
    agree(lambda x: x.max(), lambda x: x.amax(), x)
    agree(lambda x: x.min(), lambda x: x.amin(), x)
    agree(lambda x: x.max(axis=0), lambda x: x.amax(0), x)
    agree(lambda x: x.max(axis=0, keepdim=True), lambda x: x.amax(0, keepdim=True), x)
    agree(lambda x: x.max(), lambda x: x.max(), x, second=False)


def test_1_by_value():
    assert slope(lambda x: x.max(), [1, 3, 3]) == [3, [0, 0.5, 0.5]]
    assert slope(lambda x: x.max(axis=0), [1, 3, 3]) == [3, [0, 0.5, 0.5]]  # max(dim): [0, 1, 0]


def test_2_maximum_and_minimum_share_ties():
    a, b = [1, 2, 0.0, -0.0, INF, -INF], [1, 1, -0.0, 0.0, INF, -INF]
    agree(lambda a, b: a.maximum(b), torch.maximum, a, b)
    agree(lambda a, b: a.minimum(b), torch.minimum, a, b)
    assert slope(lambda a, b: a.maximum(b), 1, 1) == [1, 0.5, 0.5]


@pytest.mark.parametrize("x", [[1, NAN, 2], [NAN, NAN, 1], [NAN], [INF, NAN]], ids=str)
def test_3_the_extreme_of_nan(x):
    # As PyTorch's max() of all elements; the gradients of its amax() are all nan.
    agree(lambda x: x.max(), lambda x: x.max(), x, second=False)
    agree(lambda x: x.min(), lambda x: x.min(), x, second=False)
    agree(lambda x: x.max(axis=0), lambda x: x.max(), x, second=False)


def test_3_maximum_with_nan():
    a, b = [NAN, 1, NAN, 2], [1, NAN, NAN, 3]
    agree(lambda a, b: a.maximum(b), torch.maximum, a, b)
    agree(lambda a, b: a.minimum(b), torch.minimum, a, b)


def test_5_relu():
    agree(lambda x: x.relu(), torch.relu, [0.0, -0.0, 1, -1, INF, -INF, NAN, 5e-324, -5e-324])
    assert slope(lambda x: x.relu(), [0.0, -0.0]) == [[0, 0], [0, 0]]


def test_6_abs():
    agree(abs, torch.abs, [0.0, -0.0, 1, -1, INF, -INF])


def test_6_abs_of_nan():
    # On purpose: PyTorch gives 0, and so hides where the nan came from.
    _, slopes = slope(abs, [NAN])
    assert np.isnan(slopes[0])


def test_9_sqrt():
    agree(lambda x: x.sqrt(), torch.sqrt, [0.0, -0.0, 4, INF, NAN, -1])
    agree(lambda x: (x * x).sqrt(), lambda x: (x * x).sqrt(), [0.0, 2])
    value, slopes = slope(lambda x: (x * x).sqrt(), [0.0, 2])
    assert value == [0, 2]
    assert np.isnan(slopes[0])


def test_11_variance():
    for correction in (0, 1):
        agree(
            lambda x, c=correction: x.var(correction=c),
            lambda x, c=correction: x.var(correction=c),
            [3, 3, 3.0],
        )
    agree(lambda x: x.var(correction=0), lambda x: x.var(correction=0), [3.0])


@pytest.mark.filterwarnings("ignore:var\\(\\). degrees of freedom:UserWarning")  # PyTorch's
@pytest.mark.filterwarnings("ignore:var. n - correction:RuntimeWarning")  # and ours
def test_11_variance_of_too_few():
    agree(lambda x: x.var(), lambda x: x.var(), [3.0], second=False)
    agree(lambda x: x.var(), lambda x: x.var(), np.zeros(0), second=False)
    same(Tensor([1.0, 2.0]).var(correction=3), torch.tensor([1.0, 2.0]).var(correction=3), "value")


BASES = [0.0, -0.0, 1, -1, 2, -2, 0.5, INF, -INF, NAN]
EXPONENTS = [0.0, 1, 2, 3, -1, -2, 0.5, -0.5, INF, -INF, NAN]


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("base", BASES)
def test_12_to_15_power_of_tensors(base, exponent):
    agree(lambda a, b: a**b, lambda a, b: a**b, [base], [exponent], second=False)


@pytest.mark.parametrize("exponent", [*EXPONENTS, 0, 1, 2, 3, -1])
def test_13_and_15_power_of_a_number(exponent):
    # At -0.0 and -inf PyTorch has pow for a tensor 0.5 and sqrt for a number; NumPy always sqrt.
    half = abs(exponent) == 0.5
    bases = [x for x in BASES if not half or str(x) not in ("-0.0", "-inf")]
    agree(lambda x: x**exponent, lambda x: x**exponent, bases, second=False)
    agree(lambda x: exponent**x, lambda x: exponent**x, BASES, second=False)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 2.0, 3.0])
def test_15_second_order_at_0(exponent):
    agree(lambda x: x**exponent, lambda x: x**exponent, [0.0, 1.5, -2])


def test_14_no_logarithm_unless_the_exponent_needs_a_gradient():
    x = Tensor([-2.0, 0.0], requires_grad=True)
    (x ** Tensor([3.0, 2.0])).sum().backward()
    assert x.grad.tolist() == [12, 0]
    value, _, by_exponent = slope(lambda a, b: a**b, [-2.0], [3.0])
    assert value == [-8]
    assert np.isnan(by_exponent[0])


@pytest.mark.parametrize(
    "x", [[2, 0, 4.0], [2, 3, 0, 0.0], [0.0], [0, 0, 0.0], [1, 2, 3.0]], ids=str
)
def test_16_and_17_prod_of_zeros(x):
    agree(lambda x: x.prod(), lambda x: x.prod(), x)
    agree(lambda x: x.prod(axis=0), lambda x: x.prod(0), x)
    rows = np.array([x, x[::-1]])
    agree(lambda x: x.prod(axis=1), lambda x: x.prod(1), rows)
    agree(lambda x: x.prod(axis=0), lambda x: x.prod(0), rows)


def test_16_and_17_by_value():
    assert slope(lambda x: x.prod(), [2, 0, 4.0]) == [0, [0, 8, 0]]
    x = Tensor([2, 3, 0, 0.0], dtype=np.float64, requires_grad=True)
    (first,) = grad(x.prod(), x, create_graph=True)
    (second,) = grad(first, x, Tensor([0, 0, 1, 0.0], dtype=np.float64))
    assert second.tolist() == [0, 0, 0, 6]


def test_16_prod_of_inf_and_nan():
    # On purpose: PyTorch divides the product by the element, and gets nan for inf / inf.
    assert slope(lambda x: x.prod(), [INF, 2, 3.0]) == [INF, [6, INF, INF]]
    value, slopes = slope(lambda x: x.prod(), [NAN, 2, 3.0])
    assert np.isnan(value)
    np.testing.assert_array_equal(slopes, [6, NAN, NAN])


def test_19_where_of_an_untaken_nan():
    agree(
        lambda x: (x > 0).where(x.log(), 0.0),
        lambda x: torch.where(x > 0, x.log(), 0.0),
        [0.0, 1, -1],
        second=False,
    )
    agree(  # the safe form
        lambda x: (x > 0).where((x > 0).where(x, 1.0).log(), 0.0),
        lambda x: torch.where(x > 0, torch.where(x > 0, x, 1.0).log(), 0.0),
        [0.0, 1, -1],
    )


@pytest.mark.parametrize(
    "x", [[1000, 1001.0], [-1000, -1001.0], [-INF, 1, 2], [1e308, -1e308], [0.0], [NAN, 1]], ids=str
)
def test_20_logsumexp(x):
    agree(lambda x: x.logsumexp(), lambda x: x.logsumexp(0), x, second=not np.isnan(x).any())
    agree(lambda x: x.logsumexp(axis=0), lambda x: x.logsumexp(0), x, second=False)


def test_21_logsumexp_of_infinities():
    # On purpose: PyTorch's gradient is nan. A sum of nothing does not change with any of its parts.
    assert slope(lambda x: x.logsumexp(), [-INF, -INF]) == [-INF, [0, 0]]
    rows = [[-INF, -INF], [0.0, -INF]]
    assert slope(lambda x: x.logsumexp(axis=1), rows) == [[-INF, 0], [[0, 0], [1, 0]]]


def test_21_logsumexp_of_plus_inf():
    agree(
        lambda x: x.logsumexp(axis=1),
        lambda x: x.logsumexp(1),
        [[INF, 1.0], [INF, INF]],
        second=False,
    )


@pytest.mark.filterwarnings("ignore:softmax. all scores:RuntimeWarning")  # ours, see row 22
def test_22_softmax():
    for name in ("softmax", "log_softmax"):
        ours = lambda x, name=name: getattr(x, name)(0)  # noqa: E731
        theirs = lambda x, name=name: getattr(torch, name)(x, 0)  # noqa: E731
        agree(ours, theirs, [1000, 1001.0])
        agree(ours, theirs, [-1000, 0, 1000.0])
        agree(ours, theirs, [-INF, -INF], second=False)
        agree(ours, theirs, [INF, 1.0], second=False)
        agree(ours, theirs, [NAN, 1.0], second=False)
        agree(ours, theirs, [3.0])
    agree(lambda x: x.softmax(0), lambda x: x.softmax(0), [-INF, 1, 2])


def test_22_log_softmax_of_one_minus_inf():
    agree(lambda x: x.log_softmax(0)[1:], lambda x: x.log_softmax(0)[1:], [-INF, 1, 2])
    agree(lambda x: x.log_softmax(0), lambda x: x.log_softmax(0), [-INF, 1, 2], second=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_23_sigmoid_and_tanh_of_large_numbers(dtype):
    x = np.array([-800, -90, -30, -1e-9, 0, -0.0, 30, 90, 800, INF, -INF, NAN], dtype)
    for name in ("sigmoid", "tanh"):
        mine, expected = gradients(
            lambda x, name=name: getattr(x, name)(),
            lambda x, name=name: getattr(torch, name)(x),
            x,
        )
        for a, b in zip(mine, expected, strict=True):
            same(a, b, name)
            small = np.abs(b.numpy(force=True)) < 1e-5  # the tail to its own size, not to 1's
            tails = a.numpy()[small], b.numpy(force=True)[small]
            np.testing.assert_allclose(*tails, rtol=1e-4, atol=1e-37, err_msg=name)


@pytest.mark.parametrize("scores", [[[1000, -1000.0]], [[-1000, 1000.0]], [[0, -INF]]], ids=str)
def test_25_cross_entropy_of_large_scores(scores):
    labels = np.array([0])
    agree(
        lambda x: x.cross_entropy(labels),
        lambda x: functional.cross_entropy(x, torch.tensor(labels)),
        scores,
        second=not np.isinf(scores).any(),
    )


def test_25_by_value():
    assert slope(lambda x: x.cross_entropy(np.array([1])), [[1000, -1000.0]]) == [2000, [[1, -1]]]


def test_25_labels_that_are_none():
    x = Tensor.zeros(2, 3)
    for labels, error, message in (
        (np.array([0, 3]), ValueError, "label 3 at index 1 is outside 0 to 2"),
        (np.array([-1, 0]), ValueError, "label -1 at index 0"),
        (np.array([0.0, 1.0]), TypeError, "expected integers"),
    ):
        with pytest.raises(error, match=message):
            x.cross_entropy(labels)
        with pytest.raises((IndexError, RuntimeError)):
            functional.cross_entropy(torch.zeros(2, 3), torch.tensor(labels))


def test_25_cross_entropy_of_no_samples():
    # The mean of nothing is nan, as PyTorch's; the sum 0.
    for reduction in ("mean", "sum", "none"):
        agree(
            lambda x, r=reduction: x.cross_entropy(np.zeros(0, np.int64), reduction=r),
            lambda x, r=reduction: functional.cross_entropy(
                x, torch.zeros(0, dtype=torch.int64), reduction=r
            ),
            np.zeros((0, 3)),
            second=False,
        )


def test_28_x_log_x():
    agree(lambda x: x * x.log(), lambda x: x * x.log(), [0.0, 1], second=False)


def test_30_log_and_exp():
    agree(lambda x: x.log(), torch.log, [0.0, -0.0, 1, INF, NAN, -1, 5e-324], second=False)
    agree(lambda x: x.exp(), torch.exp, [-800, 0.0, 709, 710, INF, -INF, NAN], second=False)


def test_33_reading_twice_adds():
    index = [0, 0, 1]
    agree(lambda x: x[index] * 1.0, lambda x: x[index] * 1.0, [10, 20.0])
    x = Tensor([1.0, 2.0], requires_grad=True)
    x[index].backward(Tensor([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [11, 100]


def test_34_writing_twice_the_last_writer_stands():
    # On purpose: PyTorch gives both values a gradient of 1, though the first one is overwritten.
    v = Tensor([5.0, 7.0], requires_grad=True)
    y = Tensor.zeros(2)
    y[[0, 0]] = v
    y.backward(Tensor([1.0, 1.0]))
    assert y.tolist() == [7, 0]
    assert v.grad.tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a", "b"])
def test_39_zero_by_zero(name):
    agree(lambda x: x / x, lambda x: x / x, [0.0, 2], second=False)
    agree(
        lambda a, b: a / b, lambda a, b: a / b, [0.0, 1, -1, INF], [0.0, 0, -0.0, INF], second=False
    )
    agree(lambda x: 1 / x, lambda x: 1 / x, [0.0, -0.0, INF, NAN], second=False)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "logsumexp"])
@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((0, 3), 0), ((3, 0), 1), ((0, 3), 1)])
def test_40_of_nothing(name, shape, axis):
    dim = tuple(range(len(shape))) if axis is None and name == "logsumexp" else axis
    theirs = {
        True: lambda x: getattr(torch, name)(x),
        False: lambda x: getattr(torch, name)(x, dim),
    }[dim is None]
    agree(lambda x: getattr(x, name)(axis), theirs, np.zeros(shape), second=False)


def test_40_cat_with_nothing():
    def ours(a, b):
        return a.cat(b)

    agree(ours, lambda a, b: torch.cat((a, b)), np.zeros((0, 3)), np.ones((2, 3)))
    agree(ours, lambda a, b: torch.cat((a, b)), np.zeros((0, 3)), np.ones((0, 3)))


@pytest.mark.parametrize("name", ["max", "min"])
def test_40_the_extreme_of_nothing_raises(name):
    with pytest.raises(ValueError, match="has no elements"):
        getattr(Tensor.zeros(0), name)()
    with pytest.raises(RuntimeError):
        getattr(torch.zeros(0), name)()
    same(getattr(Tensor.zeros(0, 3), name)(1), getattr(torch.zeros(0, 3), f"a{name}")(1), name)


def test_40_a_batch_of_none():
    agree(
        lambda x, w: (x @ w).relu().sum(),
        lambda x, w: (x @ w).relu().sum(),
        np.zeros((0, 4)),
        np.ones((4, 2)),
    )


def test_41_of_0_d():
    for ours, theirs in (
        (lambda x: x.sum(), lambda x: x.sum()),
        (lambda x: x.max(), lambda x: x.amax()),
        (lambda x: x.reshape(1, 1), lambda x: x.reshape(1, 1)),
        (lambda x: x[None], lambda x: x[None]),
        (lambda x: x[...], lambda x: x[...]),
        (lambda x: x[()], lambda x: x[()]),
        (lambda x: x * x + x, lambda x: x * x + x),
        (lambda x: x.expand(3), lambda x: x.expand(3)),
    ):
        agree(ours, theirs, 1.5)
    agree(lambda x: x[1] * x[1], lambda x: x[1] * x[1], [1, 2.0])
