"""Reductions, scans and sorting at ties, at nan, of nothing and of 0 dimensions, and in float16."""

import numpy as np
import pytest
from parity.beside_torch import agree, same

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF, NAN = np.inf, np.nan
POWERS = [1, 1.5, 2, 3, 0.5, -1, INF, -INF]
VECTORS = [[0, 0, 0], [0.0], [3, 0, -4], [2, -2, 0], [2, -2, 2, 5], [INF, 1]]


@pytest.mark.parametrize("x", VECTORS, ids=str)
@pytest.mark.parametrize("p", POWERS)
def test_norms_at_0_and_at_ties(p, x):
    if INF in x and p not in (1, INF, -INF, -1):
        pytest.skip("a line of the page")
    agree(
        lambda x: x.norm(p),
        lambda x: torch.linalg.vector_norm(x, p),
        x,
        second=0 not in x and INF not in x,  # where PyTorch's is nan
    )


@pytest.mark.parametrize(
    "x", [[1000, 1001.0], [-INF, 1, 2], [1e308, -1e308], [0.0], [NAN, 1]], ids=str
)
def test_logsumexp(x):
    agree(lambda x: x.logsumexp(), lambda x: x.logsumexp(0), x, second=NAN not in x)


def test_the_third_derivative_of_cumprod():
    agree(
        lambda x: grad(x.cumprod()[-1], x, create_graph=True)[0],
        lambda x: torch.autograd.grad(x.cumprod(0)[-1], x, create_graph=True)[0],
        [2, 0, 0, 3],
    )


@pytest.mark.parametrize(
    "x", [[3, 3, 1, 3], [1, NAN, 3, NAN], [-INF, -INF, 1], [INF, 1, INF], [0.0, -0.0]], ids=str
)
@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_scans_of_ties_and_nan(name, x):
    agree(lambda x: getattr(x, name)()[0], lambda x: getattr(x, name)(0)[0], x)
    positions = getattr(torch, name)(torch.tensor(x, dtype=torch.float64), 0)[1]
    same(getattr(Tensor(x), name)()[1], positions, "positions")


DISORDER = [[2, 1, 2, 1], [3, 1, NAN, 2, NAN, -INF, INF], [0.0, -0.0, 0.0], [NAN], []]


@pytest.mark.parametrize("x", DISORDER, ids=str)
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_is_stable_and_nan_the_largest(x, descending):
    def theirs(x):
        return torch.sort(x, stable=True, descending=descending)

    agree(lambda x: x.sort(descending=descending)[0] * x, lambda x: theirs(x)[0] * x, x)
    mine = Tensor(np.array(x, np.float64)).sort(descending=descending)
    for a, b in zip(mine, theirs(torch.tensor(x, dtype=torch.float64)), strict=True):
        same(a, b, "sort")


@pytest.mark.parametrize("largest", [False, True])
def test_topk_is_the_beginning_of_the_sorted(largest):
    x = np.array([[3, 1, NAN, 2, 3, 1], [1, 1, 1, 1, 1, 1]])
    values, positions = Tensor(x).topk(3, largest=largest)
    sorted_values, order = Tensor(x).sort(descending=largest)
    np.testing.assert_array_equal(values.data, sorted_values.data[:, :3])
    np.testing.assert_array_equal(positions.data, order.data[:, :3])
    theirs = torch.topk(torch.tensor(x), 3, largest=largest)
    same(values, theirs.values, "values")  # which of several that tie, PyTorch leaves open


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("x", [[1, 3, 3, 1], [1, NAN, 3, NAN], [INF, -INF], [0.0, -0.0]], ids=str)
def test_positions_of_ties_and_nan(name, x):
    same(getattr(Tensor(x), name)(), getattr(torch.tensor(x), name)(), name)


def test_truth_of_nan_and_of_bytes():
    for name in ("any", "all"):
        for x in ([NAN, 1.0], [0.0, NAN], [0.0, -0.0]):
            same(getattr(Tensor(x), name)(), getattr(torch.tensor(x), name)(), name)
        # On purpose: PyTorch gives uint8 for uint8.
        assert getattr(Tensor([1, 0], dtype=np.uint8), name)().dtype == np.bool_


ALONG = {
    name: lambda x, axis, name=name: getattr(x, name)(axis)
    for name in ("sum", "prod", "mean", "logsumexp", "cumsum", "cumprod", "logcumsumexp")
}
VALUES = {
    name: lambda x, axis, name=name: getattr(x, name)(axis)[0]
    for name in ("sort", "cummax", "cummin")
}
EMPTY = [((0,), 0), ((0, 3), 0), ((3, 0), 1), ((0, 3), 1)]


@pytest.mark.parametrize(("shape", "axis"), EMPTY)
@pytest.mark.parametrize("name", ALONG | VALUES)
def test_of_nothing(name, shape, axis):
    call = (ALONG | VALUES)[name]
    agree(lambda x: call(x, axis), lambda x: call(x, axis), np.zeros(shape), second=False)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x: x.any(), lambda x: x.any()),
        (lambda x: x.all(), lambda x: x.all()),
        (lambda x: x.count_nonzero(), lambda x: x.count_nonzero()),
        (lambda x: x.argsort(), lambda x: x.argsort()),
        (lambda x: x.topk(0)[0], lambda x: x.topk(0)[0]),
        (lambda x: x.norm(0), lambda x: torch.linalg.vector_norm(x, 0)),
        (lambda x: x.reshape(0, 3).argmax(1), lambda x: x.reshape(0, 3).argmax(1)),
        (lambda x: x.reshape(0, 3).min(1), lambda x: x.reshape(0, 3).amin(1)),
    ],
)
def test_values_of_nothing(ours, theirs):
    same(ours(Tensor.zeros(0)), theirs(torch.zeros(0)), "of nothing")


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["std", "norm", "median", *ALONG, *VALUES])
def test_of_0_dimensions(name, axis):
    ours, theirs = {
        "std": (lambda x: x.std(axis, correction=0),) * 2,
        "norm": (lambda x: x.norm(axis=axis), lambda x: torch.linalg.vector_norm(x, dim=axis)),
        "median": (lambda x: x.median(axis), lambda x: x.median(axis)[0]),
    }.get(name, (lambda x: (ALONG | VALUES)[name](x, axis),) * 2)
    agree(ours, theirs, 1.5)
    if name in VALUES:
        positions = getattr(torch.tensor(1.5), name)(0)[1]
        same(getattr(Tensor(1.5), name)(axis)[1], positions, "position")


def test_positions_of_0_dimensions():
    same(Tensor(1.5).topk(1)[1], torch.tensor(1.5).topk(1)[1], "position")
    assert Tensor(1.5).topk(0)[0].shape == (0,)  # on purpose: PyTorch gives one element
    for axis in (0, -1):
        same(Tensor(1.5).argmin(axis), torch.tensor(1.5).argmin(axis), "position")


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_scans_in_float16(name):
    x = np.full(2_000, 0.1 if name == "cumsum" else 1.001, np.float16)
    t, reference = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    mine, theirs = getattr(t, name)(), getattr(reference, name)(0)
    same(mine[-1], theirs[-1], name)
    same(grad(mine[-1], t)[0], torch.autograd.grad(theirs[-1], reference)[0], "gradient")


def test_norms_and_counts_in_float16():
    x = np.ones(70_000, np.float16)
    same(Tensor(x).norm(), torch.tensor(x).norm(), "norm")
    assert Tensor(x).norm(0).item() == INF  # 70,000 does not fit
    assert Tensor(x).count_nonzero().item() == 70_000
    assert Tensor(x).std().item() == 0
