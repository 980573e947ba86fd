"""Distances as layers: against NumPy, gradients, shapes that broadcast."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck, gradgradcheck

RNG = np.random.default_rng(12)
A, B = RNG.standard_normal((2, 4, 3)), RNG.standard_normal((2, 4, 3))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cosine_similarity(axis):
    lengths = np.linalg.norm(A, axis=axis) * np.linalg.norm(B, axis=axis)
    found = nn.CosineSimilarity(axis)(A, B).numpy()
    np.testing.assert_allclose(found, (A * B).sum(axis) / lengths, rtol=1e-12)


def test_cosine_similarity_of_short_vectors_divides_by_eps():
    y = nn.CosineSimilarity(0, eps=0.5)(np.array([0.1, 0.0]), np.array([3.0, 4.0]))
    assert y.item() == pytest.approx(0.1 * 3 / (0.5 * 5))
    assert nn.CosineSimilarity()(np.zeros((2, 3)), np.ones((2, 3))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("p", [1, 2, 3.5, np.inf])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance(p, keepdim):
    expected = np.linalg.norm((A - B + 0.01).reshape(-1, 3), p, 1).reshape(2, 4)
    found = nn.PairwiseDistance(p, 0.01, keepdim)(A, B).numpy()
    assert found.shape == ((2, 4, 1) if keepdim else (2, 4))
    np.testing.assert_allclose(found.reshape(2, 4), expected, rtol=1e-12)


@pytest.mark.parametrize("layer", [nn.CosineSimilarity(-1), nn.PairwiseDistance()])
def test_gradients_shapes_and_dtypes(layer):
    a, b = (Tensor(array, requires_grad=True) for array in (A, B))
    assert gradcheck(layer, [a, b])
    assert gradgradcheck(layer, [a, b])
    np.testing.assert_allclose(
        layer(A, B[0, 0]).numpy(), layer(A, np.broadcast_to(B[0, 0], A.shape)).numpy(), rtol=1e-12
    )
    assert layer(A[0, 0], B[0, 0]).shape == ()
    assert layer(A.astype("f"), B.astype("f")).dtype == np.float32
    assert layer(A[:, :0], B[:, :0]).shape == (2, 0)


def test_wrong_options_are_named():
    with pytest.raises(TypeError) as caught:
        nn.PairwiseDistance(keepdim=1)
    assert str(caught.value) == "PairwiseDistance: keepdim: expected True or False; got 1"
    with pytest.raises(TypeError) as caught:
        nn.CosineSimilarity(dim=1.0)
    assert str(caught.value) == "CosineSimilarity: dim: expected an integer; got 1.0"
