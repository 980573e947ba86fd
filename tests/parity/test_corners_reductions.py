"""Corners of reductions, scans and sorting, by the row numbers of ../shared/TRAPS.md.

Where we differ from PyTorch on purpose, the test says so and asserts our number.
"""

import numpy as np
import pytest
from parity.beside_torch import check, gradients, same

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF, NAN = np.inf, np.nan


def agree(ours, theirs, x, second=True):
    """Value and gradients as PyTorch's; second order too unless told not."""
    x = np.asarray(x, np.float64)
    mine, expected = gradients(ours, theirs, x)
    for position, (a, b) in enumerate(zip(mine, expected, strict=True)):
        same(a, b, "value" if position == 0 else "gradient")
    if second:
        check(ours, theirs, x)


def slope(function, x):
    """Our gradient of the sum of the result, as a list."""
    tensor = Tensor(np.asarray(x, np.float64), requires_grad=True)
    y = function(tensor)
    return grad(y, tensor, Tensor(np.ones(y.shape)))[0].tolist()


POWERS = [1, 1.5, 2, 3, 0.5, -1, INF, -INF]
VECTORS = [[0, 0, 0], [0.0], [3, 0, -4], [2, -2, 0], [2, -2, 2, 5], [INF, 1]]


@pytest.mark.parametrize("x", VECTORS, ids=str)
@pytest.mark.parametrize("p", POWERS)
def test_10_norms_at_0_and_at_ties(p, x):
    agree(
        lambda x: x.norm(p),
        lambda x: torch.linalg.vector_norm(x, p),
        x,
        second=0 not in x and INF not in x,  # where PyTorch's is nan
    )


@pytest.mark.parametrize("p", [1.5, 2, 3, 0.5])
def test_10_the_second_derivative_of_a_norm_at_0_is_0(p):
    # On purpose: PyTorch's is nan for p = 2, 1.5 and 0.5.  No derivative is right there.
    x = Tensor(np.zeros(3), requires_grad=True)
    (first,) = grad(x.norm(p), x, create_graph=True)
    assert first.tolist() == [0, 0, 0]
    assert grad(first, x, Tensor([1.0, 2, 3], dtype=np.float64))[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("p", [1, 2, 3, INF])
def test_10_the_norm_of_nothing(p):
    if p == INF:
        with pytest.raises(ValueError, match="has no elements"):
            Tensor.zeros(0).norm(p)
        with pytest.raises(RuntimeError):
            torch.linalg.vector_norm(torch.zeros(0), p)
    else:
        agree(lambda x: x.norm(p), lambda x: torch.linalg.vector_norm(x, p), [])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [2, 3, 0.5, -1])
def test_10_norms_have_the_full_range(p, dtype):
    # On purpose: PyTorch's overflow to inf or vanish to 0, and their gradients are 0.
    near = Tensor(np.array([3, -4], dtype), requires_grad=True)
    norm = near.norm(p)
    (slopes,) = grad(norm, near)
    exponent = 0.6 * np.log10(float(np.finfo(dtype).max))
    for scale in (10**exponent, 10**-exponent):
        x = Tensor(near.data * dtype(scale), requires_grad=True)
        found = x.norm(p)
        np.testing.assert_allclose(found.item(), norm.item() * scale, rtol=1e-5)
        np.testing.assert_allclose(grad(found, x)[0].data, slopes.data, rtol=1e-5)


@pytest.mark.parametrize("x", [[3, 3, 3], [0, 0], [1, 2, 4], [-1e8, -1e8, -1e8]], ids=str)
@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("name", ["var", "std"])
def test_11_spread(name, correction, x):
    agree(
        lambda x: getattr(x, name)(correction=correction),
        lambda x: getattr(x, name)(correction=correction),
        x,
    )
    agree(lambda x: getattr(x, name)(correction=0), lambda x: getattr(x, name)(correction=0), [3])


def test_11_a_constant_whose_mean_is_rounded():
    # On purpose: PyTorch finds a spread of 8e-9 here, and a gradient of -0.15 for each element.
    x = np.full(7, 0.1, np.float32)
    tensor = Tensor(x, requires_grad=True)
    assert tensor.std().item() == tensor.var().item() == 0
    assert grad(tensor.std(), tensor)[0].tolist() == [0] * 7


@pytest.mark.filterwarnings("ignore:std\\(\\). degrees of freedom:UserWarning")  # PyTorch's
@pytest.mark.filterwarnings("ignore:std. n - correction:RuntimeWarning")  # and ours
def test_11_std_of_too_few():
    agree(lambda x: x.std(), lambda x: x.std(), [3.0], second=False)
    agree(lambda x: x.std(), lambda x: x.std(), [], second=False)
    agree(lambda x: x.std(correction=3), lambda x: x.std(correction=3), [1, 2], second=False)


@pytest.mark.parametrize(
    "x", [[2, 0, 4], [0, 2, 3, 0, 5], [0.0], [0, 0, 0], [1, 2, 3], [-1, 0, -2, -3, 4, 0]], ids=str
)
def test_18_cumprod_of_zeros(x):
    agree(lambda x: x.cumprod(), lambda x: x.cumprod(0), x)
    rows = np.array([x, x[::-1]])
    agree(lambda x: x.cumprod(axis=1), lambda x: x.cumprod(1), rows)
    agree(lambda x: x.cumprod(axis=0), lambda x: x.cumprod(0), rows)


def test_18_by_value():
    assert slope(lambda x: x.cumprod(), [2, 0, 4]) == [1, 10, 0]


def test_18_the_third_derivative_of_cumprod():
    agree(
        lambda x: grad(x.cumprod()[-1], x, create_graph=True)[0],
        lambda x: torch.autograd.grad(x.cumprod(0)[-1], x, create_graph=True)[0],
        [2, 0, 0, 3],
    )


@pytest.mark.parametrize("x", [[1000, 1000], [-1000, 1000, 0], [0, -INF, 1], [INF, 1], [1, NAN, 2]])
def test_20_logcumsumexp(x):
    finite = np.isfinite(x).all()
    agree(lambda x: x.logcumsumexp(), lambda x: x.logcumsumexp(0), x, second=finite)


def test_21_logcumsumexp_of_no_chances():
    # On purpose: PyTorch's gradient is nan up to the first that is larger than -inf.
    assert slope(lambda x: x.logcumsumexp(), [-INF, -INF, 1]) == [0, 0, 1]
    assert slope(lambda x: x.logcumsumexp(), [-INF, -INF]) == [0, 0]
    assert Tensor([-INF, -INF, 1.0]).logcumsumexp().tolist() == [-INF, -INF, 1]


@pytest.mark.parametrize(
    "x", [[3, 3, 1, 3], [1, NAN, 3, NAN], [-INF, -INF, 1], [INF, 1, INF], [0.0, -0.0]], ids=str
)
@pytest.mark.parametrize("name", ["cumsum", "cummax", "cummin"])
def test_32_scans_of_ties_and_nan(name, x):
    def value(result):
        return result if name == "cumsum" else result[0]

    agree(lambda x: value(getattr(x, name)()), lambda x: value(getattr(x, name)(0)), x)
    if name != "cumsum":
        positions = getattr(torch, name)(torch.tensor(x, dtype=torch.float64), 0)[1]
        same(getattr(Tensor(x), name)()[1], positions, "positions")


DISORDER = [[2, 1, 2, 1], [3, 1, NAN, 2, NAN, -INF, INF], [0.0, -0.0, 0.0], [NAN], []]


@pytest.mark.parametrize("x", DISORDER, ids=str)
@pytest.mark.parametrize("descending", [False, True])
def test_32_sorting_is_stable_and_nan_the_largest(x, descending):
    def theirs(x):
        return torch.sort(x, stable=True, descending=descending)

    agree(lambda x: x.sort(descending=descending)[0] * x, lambda x: theirs(x)[0] * x, x)
    mine = Tensor(np.array(x, np.float64)).sort(descending=descending)
    for a, b in zip(mine, theirs(torch.tensor(x, dtype=torch.float64)), strict=True):
        same(a, b, "sort")


@pytest.mark.parametrize("largest", [False, True])
def test_32_topk_is_the_beginning_of_the_sorted(largest):
    x = np.array([[3, 1, NAN, 2, 3, 1], [1, 1, 1, 1, 1, 1]])
    values, positions = Tensor(x).topk(3, largest=largest)
    sorted_values, order = Tensor(x).sort(descending=largest)
    np.testing.assert_array_equal(values.data, sorted_values.data[:, :3])
    np.testing.assert_array_equal(positions.data, order.data[:, :3])
    theirs = torch.topk(torch.tensor(x), 3, largest=largest)
    same(values, theirs.values, "values")  # which of several that tie, PyTorch leaves open


def test_32_median_is_numpys():
    agree(lambda x: x.median(), lambda x: x.quantile(0.5), [1, 4, 2, 3])
    agree(lambda x: x.median(), lambda x: x.quantile(0.5), [1, 4, 2])
    agree(lambda x: x.median(), lambda x: x.median(), [5, 1, 2])
    agree(lambda x: x.median(), lambda x: x.median(), [1, NAN, 2])
    agree(lambda x: x.median(axis=1), lambda x: x.quantile(0.5, 1), [[1, NAN], [4, 3]])
    assert slope(lambda x: x.median(), [1, 4, 2, 3]) == [0, 0, 0.5, 0.5]
    # On purpose: ties do not share, as in sort; of [1, 2, 2, 2, 3] the second 2 is in the middle.
    assert slope(lambda x: x.median(), [1, 2, 2, 2, 3]) == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "sort"])
@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((0, 3), 0), ((3, 0), 1), ((0, 3), 1)])
def test_40_of_nothing(name, shape, axis):
    pair = name in ("cummax", "cummin", "sort")
    agree(
        lambda x: getattr(x, name)(axis)[0] if pair else getattr(x, name)(axis),
        lambda x: getattr(torch, name)(x, dim=axis)[0] if pair else getattr(torch, name)(x, axis),
        np.zeros(shape),
        second=False,
    )


def test_40_reductions_of_nothing():
    for ours, theirs in (
        (lambda x: x.any(), lambda x: x.any()),
        (lambda x: x.all(), lambda x: x.all()),
        (lambda x: x.count_nonzero(), lambda x: x.count_nonzero()),
        (lambda x: x.median(), lambda x: x.median()),
        (lambda x: x.argsort(), lambda x: x.argsort()),
        (lambda x: x.topk(0)[0], lambda x: x.topk(0)[0]),
        (lambda x: x.norm(0), lambda x: torch.linalg.vector_norm(x, 0)),
    ):
        same(ours(Tensor.zeros(0)), theirs(torch.zeros(0)), "of nothing")
    with pytest.raises(ValueError, match="argmax: shape"):
        Tensor.zeros(0).argmax()
    same(Tensor.zeros(0, 3).argmax(1), torch.zeros(0, 3).argmax(1), "argmax")


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logcumsumexp", "std", "norm", "median"])
def test_41_of_0_d(name, axis):
    options = {"correction": 0} if name == "std" else {}
    theirs = {
        "norm": lambda x: torch.linalg.vector_norm(x, dim=axis),
        "median": lambda x: x.median(axis)[0],
    }.get(name, lambda x: getattr(x, name)(axis, **options))
    agree(lambda x: getattr(x, name)(axis=axis, **options), theirs, 1.5)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["sort", "cummax", "cummin"])
def test_41_of_0_d_with_positions(name, axis):
    agree(lambda x: getattr(x, name)(axis)[0], lambda x: getattr(torch, name)(x, dim=axis)[0], 1.5)
    same(getattr(Tensor(1.5), name)()[1], getattr(torch.tensor(1.5), name)(0)[1], "position")
    same(Tensor(1.5).topk(1)[1], torch.tensor(1.5).topk(1)[1], "position")
    assert Tensor(1.5).topk(0, axis)[0].shape == (0,)  # on purpose: PyTorch gives one element
    same(Tensor(1.5).argmin(axis), torch.tensor(1.5).argmin(axis), "position")


class TestFloat16:
    """Row 43: sums, counts and products of many terms are taken in float32."""

    @pytest.mark.parametrize("name", ["cumsum", "cumprod"])
    def test_scans(self, name):
        x = np.full(2_000, 0.1 if name == "cumsum" else 1.001, np.float16)
        t, reference = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        mine, theirs = getattr(t, name)(), getattr(reference, name)(0)
        same(mine[-1], theirs[-1], name)
        same(grad(mine[-1], t)[0], torch.autograd.grad(theirs[-1], reference)[0], "gradient")

    def test_norms(self):
        x = np.ones(70_000, np.float16)
        same(Tensor(x).norm(), torch.tensor(x).norm(), "norm")
        assert Tensor(x).norm(0).item() == INF  # 70,000 does not fit

    def test_counts(self):
        x = np.ones(70_000, np.float16)
        assert Tensor(x).count_nonzero().item() == 70_000
        assert Tensor(x).std().item() == 0

    def test_a_product_that_fits_though_its_beginning_does_not(self):
        # On purpose: PyTorch multiplies in float16, and gets inf.
        x = np.array([300, 300, 1e-3], np.float16)
        assert Tensor(x).prod().item() == pytest.approx(90, rel=1e-3)


def test_truth_of_nan_and_of_bytes():
    for name in ("any", "all"):
        for x in ([NAN, 1.0], [0.0, NAN], [0.0, -0.0]):
            same(getattr(Tensor(x), name)(), getattr(torch.tensor(x), name)(), name)
        # On purpose: PyTorch gives uint8 for uint8.
        assert getattr(Tensor([1, 0], dtype=np.uint8), name)().dtype == np.bool_


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("x", [[1, 3, 3, 1], [1, NAN, 3, NAN], [INF, -INF], [0.0, -0.0]], ids=str)
def test_positions_of_ties_and_nan(name, x):
    same(getattr(Tensor(x), name)(), getattr(torch.tensor(x), name)(), name)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "prod", "logsumexp", "norm", "any"])
def test_no_axis_reduces_nothing(name):
    # On purpose: in PyTorch `dim=()` means all axes in most functions, none in any and all.
    x = np.array([[1.0, -2.0], [0.0, 4.0]])
    expected = {"norm": np.abs(x), "any": x != 0}.get(name, x)
    found = getattr(Tensor(x), name)(axis=())
    np.testing.assert_array_equal(found.data, expected)
    assert not np.shares_memory(found.data, x)
