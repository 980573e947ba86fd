"""Clipped gradients and parameters as one vector, beside torch.nn.utils."""

import math

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

SHAPES = [(7, 5), (5,), (), (3, 1, 2), (2000,)]


def both(rng, dtype, scale):
    ours, others = [], []
    for position, shape in enumerate(SHAPES):
        gradient = np.asarray(rng.standard_normal(shape) * scale, dtype)
        ours.append(Tensor(np.zeros_like(gradient), requires_grad=True))
        others.append(torch.zeros(shape, dtype=getattr(torch, dtype), requires_grad=True))
        if position != 1:
            ours[-1].grad, others[-1].grad = Tensor(gradient), torch.tensor(gradient)
    return ours, others


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, 0.5, math.inf, -math.inf])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 100.0, math.inf])
def test_clip_grad_norm(max_norm, p, scale, dtype):
    ours, others = both(np.random.default_rng(2), dtype, scale)
    found = nn.utils.clip_grad_norm_(ours, max_norm, norm_type=p)
    expected = torch.nn.utils.clip_grad_norm_(others, max_norm, norm_type=p)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    assert str(found.dtype) == dtype
    np.testing.assert_allclose(found.data, expected.numpy(), rtol=tolerance)
    for a, b in zip(ours, others, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=tolerance)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("limit", [0.0, 0.3, 10])
def test_clip_grad_value(limit, dtype):
    ours, others = both(np.random.default_rng(2), dtype, 1.0)
    nn.utils.clip_grad_value_(ours, limit)
    torch.nn.utils.clip_grad_value_(others, limit)
    for a, b in zip(ours, others, strict=True):
        if a.grad is not None:
            assert np.array_equal(a.grad.data, b.grad.numpy())


def test_vectors():
    ours, others = both(np.random.default_rng(2), "float32", 1.0)
    values = np.random.default_rng(3).standard_normal(2047 + 1).astype(np.float32)
    count = sum(p.numel() for p in ours)
    nn.utils.vector_to_parameters(Tensor(values[:count]), iter(ours))
    torch.nn.utils.vector_to_parameters(torch.tensor(values[:count]), iter(others))
    for a, b in zip(ours, others, strict=True):
        assert np.array_equal(a.data, b.detach().numpy())
    found = nn.utils.parameters_to_vector(ours)
    assert np.array_equal(found.data, torch.nn.utils.parameters_to_vector(others).detach().numpy())
