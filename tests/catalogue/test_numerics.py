"""Composed functions against formulas and hand-derived numbers, and the values at corners.

The corner cases are those of PyTorch unless a comment says otherwise.
"""

import itertools

import numpy as np
import pytest

from tinygrad_lite import Tensor, gradcheck, gradgradcheck
from tinygrad_lite.arrays.sums import sum_along

INF, NAN = np.inf, np.nan
RNG = np.random.default_rng(5)
X = RNG.standard_normal((3, 5))


def value_and_gradient(function, *values, cotangent=None):
    """The result and the gradients, as lists, of a function of float64 leaves."""
    tensors = [Tensor(np.array(value, dtype=np.float64), requires_grad=True) for value in values]
    result = function(*tensors)
    result.backward(np.ones(result.shape) if cotangent is None else np.asarray(cotangent))
    gradients = [tensor.grad.tolist() for tensor in tensors]
    return result.tolist(), gradients[0] if len(gradients) == 1 else gradients


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


COMPOSED = {
    "mean": (lambda x: x.mean(), lambda x: x.mean()),
    "mean axis": (lambda x: x.mean(0, keepdim=True), lambda x: x.mean(0, keepdims=True)),
    "var": (lambda x: x.var(), lambda x: x.var(ddof=1)),
    "var axis": (lambda x: x.var(1, correction=0), lambda x: x.var(1)),
    "softmax": (lambda x: x.softmax(), softmax),
    "softmax axis": (lambda x: x.softmax(0), lambda x: softmax(x.T).T),
    "log_softmax": (lambda x: x.log_softmax(), lambda x: np.log(softmax(x))),
    "logsumexp": (lambda x: x.logsumexp(1), lambda x: np.log(np.exp(x).sum(1))),
    "logsumexp all": (lambda x: x.logsumexp(), lambda x: np.log(np.exp(x).sum())),
    "cross_entropy": (
        lambda x: x.cross_entropy(np.array([1, 0, 4])),
        lambda x: -np.log(softmax(x))[[0, 1, 2], [1, 0, 4]].mean(),
    ),
    "cross_entropy sum": (
        lambda x: x.cross_entropy(Tensor([1, 0, 4]), reduction="sum"),
        lambda x: -np.log(softmax(x))[[0, 1, 2], [1, 0, 4]].sum(),
    ),
    "cross_entropy none": (
        lambda x: x.cross_entropy(np.array([1, 0, 4]), reduction="none"),
        lambda x: -np.log(softmax(x))[[0, 1, 2], [1, 0, 4]],
    ),
    "flatten": (lambda x: x.flatten() * X.ravel(), lambda x: (x * X).ravel()),
    "square": (lambda x: x.square(), np.square),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda x: x[:, None]),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed(name) -> None:
    ours, reference = COMPOSED[name]
    np.testing.assert_allclose(ours(Tensor(X)).data, reference(X), rtol=1e-13, atol=1e-14)
    assert gradcheck(ours, Tensor(X, requires_grad=True))
    assert gradgradcheck(ours, Tensor(X, requires_grad=True))


def test_why_subtracting_one_and_dividing_by_the_shape_is_the_gradient() -> None:
    """The blog post's question: d cross_entropy / d scores = (softmax - onehot) / N."""
    labels = np.array([1, 0, 4])
    scores = Tensor(X, requires_grad=True)
    scores.cross_entropy(labels).backward()
    expected = softmax(X)
    expected[np.arange(3), labels] -= 1
    expected /= 3
    np.testing.assert_allclose(scores.grad.data, expected, rtol=1e-12, atol=1e-15)


CORNERS = [
    # name, function, inputs, value, gradient
    ("max ties", lambda x: x.max(), ([1.0, 3, 3],), 3.0, [0, 0.5, 0.5]),
    ("max axis ties", lambda x: x.max(1), ([[2.0, 2, 2, 1]],), [2.0], [[1 / 3, 1 / 3, 1 / 3, 0]]),
    ("min ties", lambda x: x.min(), ([1.0, 1, 3],), 1.0, [0.5, 0.5, 0]),
    ("max nan", lambda x: x.max(), ([1.0, NAN, 3],), NAN, [0, 1, 0]),
    ("maximum tie", lambda a, b: a.maximum(b), (1.0, 1.0), 1.0, [0.5, 0.5]),
    ("minimum tie", lambda a, b: a.minimum(b), (1.0, 1.0), 1.0, [0.5, 0.5]),
    ("maximum number", lambda a: a.maximum(0.0), ([-1.0, 0, 2],), [0, 0, 2.0], [0, 0.5, 1]),
    ("relu", lambda x: x.relu(), ([-0.0, 0.0, 1.0],), [0, 0, 1.0], [0, 0, 1]),
    ("relu nan", lambda x: x.relu(), ([NAN, INF],), [NAN, INF], [1, 1]),
    ("relu, then log", lambda x: x.relu().log(), ([-1.0],), [-INF], [0]),
    (
        "max_pool ties",
        lambda x: x.max_pool1d(3, 1),
        ([[[2.0, 2, 1, 2]]],),
        [[[2.0, 2]]],
        [[[1, 1, 0, 0]]],
    ),
    (
        "max_pool nan",
        lambda x: x.max_pool1d(3),
        ([[[NAN, NAN, 1]]],),
        [[[NAN]]],
        [[[0, 1, 0]]],
    ),
    ("max, then log", lambda x: x.max().log(), ([-1.0, 0],), -INF, [0, INF]),
    ("mod", lambda a, b: a % b, (-7.0, 3.0), 2.0, [1, 3]),
    ("abs", lambda x: x.abs(), ([-0.0, 0.0, -2],), [0, 0, 2.0], [0, 0, -1]),
    ("sqrt", lambda x: x.sqrt(), ([0.0, 4],), [0, 2.0], [INF, 0.25]),
    ("sqrt of a square", lambda x: (x * x).sqrt(), ([0.0],), [0.0], [NAN]),
    ("log", lambda x: x.log(), ([0.0, -1],), [-INF, NAN], [INF, -1]),
    ("pow(0, 0)", lambda a, b: a**b, (0.0, 0.0), 1.0, [0, 0]),
    ("pow(0, 2)", lambda a, b: a**b, (0.0, 2.0), 0.0, [0, 0]),
    ("pow(0, .5)", lambda a, b: a**b, (0.0, 0.5), 0.0, [INF, 0]),
    ("pow(0, -1)", lambda a, b: a**b, (0.0, -1.0), INF, [-INF, -INF]),
    ("pow(-2, 3)", lambda a, b: a**b, (-2.0, 3.0), -8.0, [12, NAN]),
    ("x**3 at -2", lambda a: a**3.0, (-2.0,), -8.0, 12.0),
    ("x**0 at 0", lambda a: a**0, (0.0,), 1.0, 0.0),
    ("x**1 at 0", lambda a: a**1, (0.0,), 0.0, 1.0),
    ("x**2 at 0", lambda a: a**2, (0.0,), 0.0, 0.0),
    ("prod one zero", lambda x: x.prod(), ([2.0, 0, 4],), 0.0, [0, 8, 0]),
    ("prod two zeros", lambda x: x.prod(), ([0.0, 0, 4],), 0.0, [0, 0, 0]),
    ("division", lambda a, b: a / b, (0.0, 0.0), NAN, [INF, NAN]),
    ("1 / 0", lambda b: 1.0 / b, (0.0,), INF, -INF),
    ("where", lambda a, b: Tensor([True]).where(a, b), ([1.0], [NAN]), [1.0], [[1], [0]]),
    ("softmax large", lambda x: x.softmax(), ([1000.0, 1000],), [0.5, 0.5], [0, 0]),
    ("logsumexp large", lambda x: x.logsumexp(), ([1000.0, 1000],), 1000 + np.log(2), [0.5, 0.5]),
    ("logsumexp one -inf", lambda x: x.logsumexp(), ([-INF, 0.0],), 0.0, [0, 1]),
    # PyTorch: nan.  The sum of no chances is no chance, and no change changes it.
    ("logsumexp all -inf", lambda x: x.logsumexp(), ([-INF, -INF],), -INF, [0, 0]),
    ("log_softmax one -inf", lambda x: x.log_softmax(), ([-INF, 0.0],), [-INF, 0], [1, -1]),
    ("sigmoid", lambda x: x.sigmoid(), ([-800.0, 0, 800],), [0, 0.5, 1.0], [0, 0.25, 0]),
    ("tanh", lambda x: x.tanh(), ([-800.0, 0, 800],), [-1, 0, 1.0], [0, 1, 0]),
    ("cross entropy", lambda x: x.cross_entropy([1]), ([[1000.0, -1000]],), 2000.0, [[1, -1]]),
    ("mean of nothing", lambda x: x.mean(), ([],), NAN, []),
    ("sum of nothing", lambda x: x.sum(), ([],), 0.0, []),
    ("prod of nothing", lambda x: x.prod(), ([],), 1.0, []),
    ("logsumexp of nothing", lambda x: x.logsumexp(), ([],), -INF, []),
    ("read twice", lambda x: x[[0, 0, 1]], ([1.0, 2],), [1.0, 1, 2], [2, 1]),
    ("x - x", lambda x: x - x, (3.0,), 0.0, 0.0),
    ("x * x + x", lambda x: x * x + x, (3.0,), 12.0, 7.0),
    ("var of a constant", lambda x: x.var(), ([2.0, 2],), 0.0, [0, 0]),
    ("std of a constant", lambda x: x.std(), ([0.1] * 7,), 0.0, [0] * 7),
    ("std of one, ddof 0", lambda x: x.std(correction=0), ([3.0],), 0.0, [0]),
    ("norm at 0", lambda x: x.norm(), ([0.0, 0],), 0.0, [0, 0]),
    ("norm 3 at 0", lambda x: x.norm(3), ([0.0, 0],), 0.0, [0, 0]),
    ("norm 0.5 at 0", lambda x: x.norm(0.5), ([0.0, 0],), 0.0, [0, 0]),
    ("norm 0.5 beside 0", lambda x: x.norm(0.5), ([4.0, 0],), 4.0, [1, 0]),
    ("norm 1", lambda x: x.norm(1), ([2.0, 0, -3],), 5.0, [1, 0, -1]),
    ("norm inf", lambda x: x.norm(INF), ([-2.0, 2, 0],), 2.0, [-0.5, 0.5, 0]),
    ("norm -inf", lambda x: x.norm(-INF), ([-2.0, 2, 3],), 2.0, [-0.5, 0.5, 0]),
    # PyTorch: inf and 0, with gradients 0.
    ("norm large", lambda x: x.norm(), ([3e200, 4e200],), 5e200, [0.6, 0.8]),
    ("norm small", lambda x: x.norm(), ([3e-200, 4e-200],), 5e-200, [0.6, 0.8]),
    ("norm -1", lambda x: x.norm(-1), ([2e200, 2e200],), 1e200, [0.25, 0.25]),
    ("cumprod one zero", lambda x: x.cumprod(), ([2.0, 0, 4],), [2, 0, 0], [1, 10, 0]),
    ("cumprod two zeros", lambda x: x.cumprod(), ([2.0, 0, 0],), [2, 0, 0], [1, 2, 0]),
    ("logcumsumexp", lambda x: x.logcumsumexp(), ([1e3, -1e3],), [1e3, 1e3], [2, 0]),
    # PyTorch: nan where both are -inf, as for logsumexp.
    (
        "logcumsumexp -inf",
        lambda x: x.logcumsumexp(),
        ([-INF, -INF, 1],),
        [-INF, -INF, 1],
        [0, 0, 1],
    ),
    ("cummax ties", lambda x: x.cummax()[0], ([3.0, 3, 1],), [3, 3, 3], [1, 2, 0]),
    ("cummin nan", lambda x: x.cummin()[0], ([3.0, NAN, 1],), [3, NAN, NAN], [1, 2, 0]),
    (
        "sort ties",
        lambda x: x.sort()[0] * np.array([1, 2, 3]),
        ([2.0, 1, 2],),
        [1, 4, 6],
        [2, 1, 3],
    ),
    ("topk ties", lambda x: x.topk(1)[0], ([1.0, 2, 2],), [2], [0, 1, 0]),
    ("median, even", lambda x: x.median(), ([1.0, 4, 2, 3],), 2.5, [0, 0, 0.5, 0.5]),
    ("median, odd", lambda x: x.median(), ([1.0, 4, 2],), 2.0, [0, 0, 1]),
    ("median nan", lambda x: x.median(), ([1.0, NAN, 2],), NAN, [0, 1, 0]),
    ("median of nothing", lambda x: x.median(), ([],), NAN, []),
    ("median of infs", lambda x: x.median(), ([-INF, INF, INF, 1],), INF, [0, 0.5, 0, 0.5]),
    ("leaky_relu", lambda x: x.leaky_relu(), ([-0.0, 0, -2],), [0, 0, -0.02], [0.01] * 3),
    ("elu", lambda x: x.elu(2.0), ([-800.0, 0, 3],), [-2, 0, 3], [0, 2, 1]),
    ("celu", lambda x: x.celu(2.0), ([0.0, 800, INF],), [0, 800, INF], [1, 1, 1]),
    ("relu6", lambda x: x.relu6(), ([0.0, 6, 1, NAN],), [0, 6, 1, NAN], [0, 0, 1, 0]),
    ("hardtanh", lambda x: x.hardtanh(), ([-1.0, 1, INF],), [-1, 1, 1], [0, 0, 0]),
    ("hardsigmoid", lambda x: x.hardsigmoid(), ([-3.0, 3, 0],), [0, 1, 0.5], [0, 0, 1 / 6]),
    ("hardswish", lambda x: x.hardswish(), ([-3.0, 3, 0],), [0, 3, 0], [0, 1, 0.5]),
    ("softplus", lambda x: x.softplus(), ([-800.0, 0, 800],), [0, np.log(2), 800], [0, 0.5, 1]),
    ("logsigmoid", lambda x: x.logsigmoid(), ([-800.0, 800],), [-800, 0], [1, 0]),
    ("silu", lambda x: x.silu(), ([-800.0, 0, 800],), [0, 0, 800], [0, 0.5, 1]),
    ("normalize", lambda x: x.normalize(), ([[0.0, 0]],), [[0, 0]], [[1e12, 1e12]]),
    ("l1", lambda x: x.l1_loss(np.ones(2), "sum"), ([1.0, 3],), 2, [0, 1]),
    ("huber", lambda x: x.huber_loss(np.zeros(3), "sum"), ([1.0, -1, INF],), INF, [1, -1, 1]),
    ("hinge", lambda x: x.hinge_embedding_loss([-1, -1], 1, "sum"), ([1.0, 2],), 0, [-1, 0]),
    (
        "binary cross entropy",
        lambda p: p.binary_crossentropy(np.array([0, 1, 0, 1.0]), "none"),
        ([0.0, 0, 1, 1],),
        [0, 100, 100, 0],
        [0, -1e12, 1e12, 0],
    ),
    (
        "binary cross entropy of scores",
        lambda x: x.binary_crossentropy_logits(np.array([0, 1, 1.0]), "none"),
        ([800.0, -800, 800],),
        [800, 800, 0],
        [1, -1, 0],
    ),
    ("all ignored", lambda x: x.cross_entropy([-100]), ([[1.0, 2]],), NAN, [[0, 0]]),
    ("kl_div of 0", lambda x: x.kl_div(np.zeros(2), "sum"), ([-1.0, -2],), 0, [0, 0]),
]


@pytest.mark.parametrize(("name", "function", "inputs", "value", "gradient"), CORNERS)
def test_corners(name, function, inputs, value, gradient) -> None:
    cotangent = {"log_softmax one -inf": [1.0, 0.0]}.get(name)
    found, found_gradient = value_and_gradient(function, *inputs, cotangent=cotangent)
    np.testing.assert_allclose(found, value, rtol=1e-15)
    if name == "log_softmax one -inf":
        gradient = [1.0, -1.0]
    np.testing.assert_allclose(found_gradient, gradient, rtol=1e-15)


def test_sigmoid_keeps_the_small_values_of_its_left_tail() -> None:
    np.testing.assert_allclose(
        Tensor(np.array([-40.0])).sigmoid().item(), np.exp(-40.0), rtol=1e-15
    )


@pytest.mark.parametrize(("dtype", "large"), [(np.float16, 60_000.0), (np.float64, 1e308)])
def test_a_number_too_large_for_decimals_is_rounded_to_itself(dtype, large) -> None:
    x = np.array([large, -large, 1.26, NAN, INF], dtype)
    np.testing.assert_array_equal(Tensor(x).round(1).data, np.array([*x[:2], 1.3, NAN, INF], dtype))


def test_sinc_of_float16_is_rounded_once() -> None:
    x = np.linspace(-9, 9, 100).astype(np.float16)
    expected = np.sinc(x.astype(np.float32)).astype(np.float16)
    np.testing.assert_allclose(Tensor(x).sinc().data, expected, rtol=2e-3, atol=1e-5)


def test_the_spread_of_nothing_has_no_correction_to_advise() -> None:
    message = "n - correction = 0 - 0 leaves no degree of freedom, so the result is not finite$"
    with pytest.warns(RuntimeWarning, match=message):
        np.var(Tensor([]))


@pytest.mark.parametrize("name", ["var", "std"])
def test_the_spread_of_one_is_nan_and_says_so(name) -> None:
    message = f"{name}: n - correction = 1 - 1 leaves no degree of freedom"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        found, gradient = value_and_gradient(lambda x: getattr(x, name)(), [1.0])
    assert caught[0].filename == __file__
    np.testing.assert_array_equal([found, *gradient], NAN)


def test_softmax_of_no_chances_is_nan_and_says_so() -> None:
    with pytest.warns(RuntimeWarning, match="softmax: all scores along axis 0 are -inf"):
        found, gradient = value_and_gradient(lambda x: x.softmax(), [-INF, -INF])
    np.testing.assert_array_equal([found, gradient], NAN)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_cross_entropy_of_softmax_warns_at_the_line_that_calls_it(dtype) -> None:
    scores = Tensor(np.zeros((2, 3)), dtype=dtype, requires_grad=True)
    with pytest.warns(UserWarning, match="^cross_entropy takes softmax itself") as caught:
        scores.softmax().cross_entropy([0, 1])
    assert [warning.filename for warning in caught] == [__file__]
    scores.cross_entropy([0, 1])
    scores.log_softmax().nll_loss([0, 1])  # what warnings are errors for would stop here


def test_losses_of_logarithms_warn_of_probabilities() -> None:
    shares = Tensor([[0.0, 1.0]], requires_grad=True).softmax()
    with pytest.warns(UserWarning, match="^nll_loss expects logarithms"):
        shares.nll_loss([0])
    with pytest.warns(UserWarning, match="^kl_div expects logarithms"):
        shares.kl_div(np.array([[0.5, 0.5]], np.float32))
    shares.log().kl_div(shares)  # what warnings are errors for would stop here


def test_a_query_that_may_look_nowhere_gets_0() -> None:
    mask = np.array([[True, False], [False, False]])
    query = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    key = Tensor([[1.0, 0.0], [0.0, 1.0]])
    y = query.scaled_dot_product_attention(key, key, mask)
    mask[:] = True  # a mask is copied
    y.sum().backward()
    assert y.tolist() == [[1, 0], [0, 0]]
    assert query.grad.tolist() == [[0, 0], [0, 0]]


def test_second_derivative_of_a_product_with_two_zeros() -> None:
    """d2/dx3 dx4 of the product of [2, 3, 0, 0] is 6, and no other entry is not zero."""
    import tinygrad_lite as tl

    x = Tensor(np.array([2.0, 3.0, 0.0, 0.0]), requires_grad=True)
    (first,) = tl.grad(x.prod(), x, create_graph=True)
    rows = [tl.grad(first[i], x, retain_graph=True)[0].tolist() for i in range(4)]
    assert rows == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 6], [0, 0, 6, 0]]


def test_half_precision_is_summed_and_counted_in_single() -> None:
    ones = Tensor(np.ones(70_000, np.float16), requires_grad=True)
    ones.mean().backward()
    assert ones.mean().item() == 1.0
    assert ones.sum().item() == INF  # float16 holds 65504 at most
    assert ones.grad.data[0] == np.float16(1 / 70_000)
    largest = Tensor(np.ones(70_000, np.float16), requires_grad=True)
    largest.max().backward()
    assert largest.grad.data[0] == np.float16(1 / 70_000)
    nothing = Tensor(np.zeros(70_000, np.float16))
    assert nothing.softmax().data[0] == np.float16(1 / 70_000)
    for name in ("log_softmax", "logsumexp"):
        found = getattr(nothing, name)().data.ravel()[0]
        sign = -1 if name == "log_softmax" else 1
        assert found == np.float16(sign * np.log(70_000)), name
    many = Tensor(np.full(30_000, 0.1, np.float16))
    assert many.sum().item() == np.float16(np.float16(0.1).astype(np.float32) * 30_000)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: x.sum(2),
            ValueError,
            r"^sum: axis 2 is out of range for 2 dimensions; use -2 to",
        ),
        (lambda x: x.sum((0, 0)), ValueError, r"^sum: axis \(0, 0\) names a dimension twice"),
        (lambda x: x.sum(0.5), TypeError, "^sum: an axis is an integer; got 0.5"),
        (lambda x: x[:0].max(0), ValueError, r"^max: shape \(0, 5\) has no elements along axis 0"),
        (
            lambda x: x.reshape(4, -1),
            ValueError,
            r"^reshape: \(3, 5\) holds 15 elements, which do no",
        ),
        (lambda x: x.reshape(-1, -1), ValueError, "only one size may be -1"),
        (
            lambda x: x.permute(0),
            ValueError,
            r"^permute: expected each of the 2 axes once; got \(0,",
        ),
        (
            lambda x: x.expand(4, 5),
            ValueError,
            r"^expand: shapes \(3, 5\) and \(4, 5\) do not broadc",
        ),
        (lambda x: x.expand(5), ValueError, r"^expand: \(3, 5\) does not broadcast to \(5,\)"),
        (
            lambda x: x.cat(x.T),
            ValueError,
            r"^cat: shapes \(3, 5\) and \(5, 3\) differ outside axis 0",
        ),
        (
            lambda x: x.cross_entropy([1, 0]),
            ValueError,
            r"^labels: expected shape \(3,\), to fit",
        ),
        (
            lambda x: x.cross_entropy([1, 5, 0]),
            ValueError,
            "^labels: label 5 at index 1 is outside",
        ),
        (
            lambda x: x.cross_entropy([1.0, 5, 0]),
            TypeError,
            "^labels: expected integers, one class",
        ),
        (
            lambda x: x[0, 0].cross_entropy(1),
            ValueError,
            r"^cross_entropy: expected scores \(N, C\)",
        ),
        (
            lambda x: x.cross_entropy([1, 1, 1], "avg"),
            ValueError,
            '^reduction: expected "mean", "su',
        ),
        (
            lambda x: Tensor([1.0]).where(x, x),
            TypeError,
            "^where: expected a bool condition, as x > 0",
        ),
        (
            lambda x: x + np.ones((3, 4)),
            ValueError,
            r"^add: shapes \(3, 5\) and \(3, 4\) do not broa",
        ),
    ],
)
def test_errors(call, error, message) -> None:
    with pytest.raises(error, match=message) as caught:
        call(Tensor(X))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gelu", "hardswish", "silu", "mish", "quick_gelu", "celu"])
def test_43_a_gate_does_not_overflow_on_its_way(name) -> None:
    largest = Tensor(np.array([60_000, 800, -800], np.float16), requires_grad=True)
    y = getattr(largest, name)()
    y.sum().backward()
    assert y.tolist() == [60_000, 800, -1 if name == "celu" else 0]
    assert largest.grad.tolist() == [1, 1, 0]


def test_labels_in_the_byte_order_of_files() -> None:
    scores = Tensor([[0.0, 0.0], [0.0, 1.0]])
    labels = np.array([0, 1])
    expected = scores.cross_entropy(labels).item()
    assert scores.cross_entropy(labels.astype(">i4")).item() == expected


def test_40_adaptive_pooling_and_unpooling_of_no_images() -> None:
    x = Tensor(np.zeros((0, 2, 3, 4)), requires_grad=True)
    y = x.adaptive_max_pool2d(2)
    z = x.max_unpool2d(np.zeros((0, 2, 3, 4), int))
    assert (y.shape, z.shape) == ((0, 2, 2, 2), (0, 2, 6, 8))
    (y.sum() + z.sum()).backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("return_indices", [False, True])
def test_the_largest_of_a_window_over_padding_only_is_minus_inf(
    requires_grad, return_indices
) -> None:
    x = Tensor([[[5.0]]], requires_grad=requires_grad)  # read at -1, 1 and 3
    y = x.max_pool1d(3, 3, 2, 1, ceil_mode=True, return_indices=return_indices)
    assert (y[0] if return_indices else y).tolist() == [[[-INF]]]


@pytest.mark.parametrize(
    "act",
    [
        lambda x: x.scatter(0, [0], 1e9),
        lambda x: x.scatter_add(0, [0], np.array([1e9])),
        lambda x: x.index_add(0, [0], np.array([1e9])),
        lambda x: x.index_fill(0, [0], 1e9),
        lambda x: x.pad((1, 1), value=1e9),
        lambda x: x.clone().fill_(1e9),
        lambda x: x.clone().copy_(np.array([1e9])),
        lambda x: x.clone().masked_fill_(np.array([True, False]), 1e9),
    ],
)
def test_what_does_not_fit_into_float16_is_inf_without_a_warning(act) -> None:
    assert act(Tensor(np.ones(2, np.float16))).data[0] == INF


@pytest.mark.parametrize("order", ["C", "F", "last axis second"])
@pytest.mark.parametrize("shape", [(64, 40), (6, 20, 30), (1, 5000), (5000, 1), (2, 3, 4, 100)])
def test_sums_along_any_axes_whatever_the_layout(shape: tuple[int, ...], order: str) -> None:
    """Large arrays are summed by products with ones, along the axes first or last in memory."""
    x = np.random.default_rng(0).standard_normal(shape)
    if order == "F":
        x = np.asfortranarray(x)
    elif order != "C":
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 1)), 1, -1)
    for count in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            for keepdims in (False, True):
                expected = np.sum(x, axis=axes, keepdims=keepdims)
                for dtype, digits in ((np.float64, 1e-12), (np.float32, 2e-4)):
                    found = sum_along(x.astype(dtype), axes, keepdims)
                    assert found.dtype == dtype
                    assert found.shape == expected.shape
                    np.testing.assert_allclose(found, expected, rtol=0, atol=digits)


def test_a_sum_along_an_axis_passes_inf_and_nan_on_in_their_rows_only() -> None:
    x = Tensor.ones(100, 50)
    x.data[3, 4], x.data[5, 6] = np.inf, np.nan
    found = x.sum(1).data
    assert found[3] == np.inf
    assert np.isnan(found[5])
    assert (np.delete(found, [3, 5]) == 50).all()


def test_a_bias_of_a_convolution_gets_the_sum_of_millions_with_all_digits() -> None:
    x = Tensor.zeros(1, 1, 1500, 1501)
    weight, bias = Tensor.ones(1, 1, 1, 1), Tensor.zeros(1, requires_grad=True)
    gradient = np.full(x.shape, 0.1, np.float32)
    x.conv2d(weight, bias).backward(gradient)
    np.testing.assert_allclose(bias.grad.data, gradient.sum(dtype=np.float64), rtol=2e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_softmax_of_rows_far_from_each_other_and_from_0(dtype: type) -> None:
    """Each row by itself, though the way of computing is chosen for all of them."""
    row = np.array([0, 1, -np.inf, 2], dtype)
    rows = np.stack([row, row - 90, row + 90, row - 1000, row * 3 + 39]).astype(dtype)
    expected = np.exp(rows - rows.max(1, keepdims=True).astype(np.float64))
    expected /= expected.sum(1, keepdims=True)
    tolerance = {np.float16: 2e-3, np.float32: 1e-6, np.float64: 1e-14}[dtype]
    together = Tensor(rows).softmax(1).data
    np.testing.assert_allclose(together, expected, rtol=tolerance)
    for number in range(len(rows)):
        alone = Tensor(rows[number]).softmax().data
        np.testing.assert_allclose(alone, expected[number], rtol=tolerance)


def test_softmax_keeps_small_chances_below_a_small_largest_score() -> None:
    x = np.array([[-39.0, -100.0, -110.0], [-9.0, -80.0, -84.0]], np.float32)
    expected = np.exp(x - x.max(1, keepdims=True).astype(np.float64))
    np.testing.assert_allclose(Tensor(x).softmax(1).data, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gelu_far_out(dtype: type) -> None:
    x = Tensor(np.array([-1e18, -50, 0, 50, 1e18], dtype), requires_grad=True)
    y = x.gelu()
    np.testing.assert_array_equal(y.data, np.array([0, 0, 0, 50, 1e18], dtype))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0, 0, 0.5, 1, 1])


def test_remainders_of_float32_are_exact() -> None:
    """As np.remainder's, whichever way they are computed."""
    rng = np.random.default_rng(3)
    sizes = np.float32(10) ** rng.uniform(-8, 8, (2, 4000)).astype(np.float32)
    a, b = sizes * rng.choice([-1, 1], sizes.shape).astype(np.float32)
    whole = np.round(rng.uniform(-50, 50, 4000)).astype(np.float32)
    with np.errstate(all="ignore"):
        for x, y in ((a, b), (a, np.float32(0.7)), (whole, np.float32(7)), (b * whole, b)):
            found = (Tensor(x) % y).data
            np.testing.assert_array_equal(found, np.remainder(x, y))
            assert (np.signbit(found) == np.signbit(np.broadcast_to(y, x.shape))).all()


def test_remainders_of_large_arrays_at_corners() -> None:
    numbers = [0.0, -0.0, 1.0, -1.0, 5.5, -5.5, 1e30, -1e30, INF, -INF, NAN, 1e-40]
    x, y = (part.ravel().astype(np.float32) for part in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        expected = np.remainder(x, y)
    np.testing.assert_array_equal((Tensor(x) % y).data, expected)
    finite = np.tile(np.array(numbers[:6], np.float32), 20)
    for divisor in numbers:
        with np.errstate(all="ignore"):
            expected = np.remainder(finite, np.float32(divisor))
        found = (Tensor(finite) % divisor).data
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
