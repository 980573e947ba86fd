"""Indexing, views, gather and scatter at the corners of ../shared/TRAPS.md, beside PyTorch.

Where we differ from PyTorch on purpose, the test says so and asserts our number.
"""

import numpy as np
import pytest
from parity.beside_torch import check

from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

INF, NAN = np.inf, np.nan
X = np.random.default_rng(0).standard_normal((3, 4))


def slope(function, *arrays):
    """Value and gradients of the sum, as lists."""
    tensors = [Tensor(np.asarray(array, np.float64), requires_grad=True) for array in arrays]
    y = function(*tensors)
    found = grad(y, tensors, Tensor(np.ones(y.shape)))
    return [y.tolist(), *(gradient.tolist() for gradient in found)]


@pytest.mark.parametrize(
    "index",
    [
        [0, 0, 2],
        ([0, 0, 2], [1, 1, 3]),
        (slice(None), [3, 3, -1]),
        ([[0], [2]], [1, 1, 0]),
        (..., [0, 0]),
        (None, [1, 1], None),
        np.eye(3, 4) > 0,
        (1, [0, 0]),
    ],
    ids=str,
)
def test_33_reading_twice_adds(index):
    check(lambda x: x[index] * x[index], lambda x: x[index] * x[index], X)


def test_34_writing_twice_the_last_writer_stands():
    # On purpose: PyTorch gives all of them a gradient of 1, though the first ones are overwritten.
    def write(x, v):
        y = x * 1.0
        y[[0, 0, 1]] = v
        return y

    expected = [[6, 7, 3], [0, 0, 1], [0, 1, 1]]
    assert slope(write, [1, 2, 3], [5, 6, 7]) == expected
    assert slope(lambda x, v: x.scatter(0, [0, 0, 1], v), [1, 2, 3], [5, 6, 7]) == expected


def test_34_writing_one_number_twice_counts_it_once():
    # On purpose: PyTorch's x[i] = v gives v a gradient of 2; its index_fill 1 (pytorch#57006).
    def write(x, v):
        y = x * 1.0
        y[[0, 0]] = v
        return y

    assert slope(write, [1, 2], 5) == [[5, 2], [0, 1], 1]
    assert slope(lambda x, v: x.index_fill(0, [0, 0], v), [1, 2], 5) == [[5, 2], [0, 1], 1]


def test_35_adding_and_filling_twice():
    index = np.array([0, 0, 2])
    check(
        lambda x, v: x.index_add(1, index, v),
        lambda x, v: x.index_add(1, torch.tensor(index), v),
        X,
        np.random.default_rng(1).standard_normal((3, 3)),
    )
    check(
        lambda x, v: x.index_fill(1, index, v),
        lambda x, v: x.index_fill(1, torch.tensor(index), v),
        X,
        np.array(1.5),
    )
    assert slope(lambda x, v: x.index_add(0, [0, 0], v), [1, 2], [3, 4]) == [[8, 2], [1, 1], [1, 1]]


@pytest.mark.parametrize("kind", ["amax", "amin"])
@pytest.mark.parametrize(
    ("x", "v"),
    [
        ([1, 2], [1, 1, 2]),
        ([0, -0.0], [-0.0, 0, 3]),
        ([-INF, 1], [-INF, -INF, 2]),
        ([INF, 2], [INF, 3, 0]),
    ],
    ids=str,
)
def test_scatter_shares_ties(kind, x, v):
    index = [0, 0, 1]
    check(
        lambda x, v: x.scatter_reduce(0, index, v, kind),
        lambda x, v: x.scatter_reduce(0, torch.tensor(index), v, kind),
        *(np.asarray(values, np.float64) for values in (x, v)),
    )


def test_scatter_extreme_of_nan():
    # On purpose, as for max(): the nan gets the gradient.  PyTorch's are all nan, 0 by 0.
    ours = slope(lambda x, v: x.scatter_reduce(0, [0, 0], v, "amax"), [1, 2], [NAN, 3])
    np.testing.assert_array_equal(ours[0], [NAN, 2])
    assert ours[1:] == [[0, 1], [1, 0]]


def test_scatter_extreme_without_self():
    # On purpose: in PyTorch x takes a share of a tie though it is left out: [.33, .33] for v.
    ours = slope(
        lambda x, v: x.scatter_reduce(0, [0, 0], v, "amax", include_self=False), [1, 2], [1, 1]
    )
    assert ours == [[1, 2], [0, 1], [0.5, 0.5]]


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize(
    ("x", "v"),
    [([2, 3], [0, 5, 7]), ([0, 3], [0, 5, 7]), ([2, 3], [0, 0, 7]), ([2, 0], [1, 5, 0])],
    ids=str,
)
def test_16_scatter_prod_with_zeros(x, v, include_self):
    index = [0, 0, 1]
    check(
        lambda x, v: x.scatter_reduce(0, index, v, "prod", include_self),
        lambda x, v: x.scatter_reduce(0, torch.tensor(index), v, "prod", include_self=include_self),
        *(np.asarray(values, np.float64) for values in (x, v)),
        second=False,  # PyTorch has none there
    )


def test_16_scatter_prod_with_infinity():
    # On purpose: the product of the others, where PyTorch divides inf by inf.
    ours = slope(lambda x, v: x.scatter_reduce(0, [0, 0], v, "prod"), [2, 1], [INF, 3])
    assert ours == [[INF, 1], [INF, 1], [6, INF]]


LAYOUTS = {
    "T": (lambda x: x.T, lambda x: x.T),
    "reversed": (lambda x: x.flip(0, 1), lambda x: x.flip(0, 1)),
    "strided": (lambda x: x[::2, 1::2], lambda x: x[::2, 1::2]),
    "reshaped transpose": (lambda x: x.T.reshape(2, 6), lambda x: x.T.reshape(2, 6)),
    "expanded": (lambda x: x.unsqueeze(0).expand(2, -1, -1), lambda x: x[None].expand(2, -1, -1)),
    "diagonal": (lambda x: x.diagonal(1), lambda x: x.diagonal(1)),
    "swapaxes": (lambda x: x.swapaxes(0, 1), lambda x: x.swapaxes(0, 1)),
    "windows": (lambda x: x.unfold(1, 2, 1), lambda x: x.unfold(1, 2, 1)),
    "windows of a reversed transpose": (
        lambda x: x.T.flip(0).unfold(0, 3, 1),
        lambda x: x.T.flip(0).unfold(0, 3, 1),
    ),
    "diagonal of windows": (
        lambda x: x.unfold(1, 3, 1).diagonal(0, 1, 2),
        lambda x: x.unfold(1, 3, 1).diagonal(0, 1, 2),
    ),
    "padded, shrunk": (
        lambda x: x.pad((1, 1)).shrink((None, (1, 5))),
        lambda x: torch.nn.functional.pad(x, (1, 1))[:, 1:5],
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_46_layouts(name):
    ours, theirs = LAYOUTS[name]
    check(lambda x: ours(x) * ours(x), lambda x: theirs(x) * theirs(x), X)
    fortran = np.asfortranarray(X)
    check(lambda x: ours(x).exp(), lambda x: theirs(x).exp(), fortran)


def test_46_view_refuses_what_pytorch_refuses():
    for shape in [(12,), (2, 6), (6, 2), (4, 3, 1), (2, 2, 3), (4, 1, 3), (1, 12)]:
        for look in (
            lambda x: x,
            lambda x: x.T,
            lambda x: x[:, :2],
            lambda x: x[:1],
            lambda x: x[:, None],
            lambda x: x[1, 1],
        ):
            mine, other = look(Tensor(X)), look(torch.tensor(X))
            try:
                expected = other.view(shape)
            except RuntimeError:
                with pytest.raises(ValueError, match=r"^(view|reshape): "):
                    mine.view(shape)
            else:
                np.testing.assert_array_equal(mine.view(shape).data, expected.numpy())
                assert np.shares_memory(mine.view(shape).data, mine.data)
