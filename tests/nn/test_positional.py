"""Positional encodings against their formulas."""

import math
import re

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck

RNG = np.random.default_rng(0)


def test_sines_and_cosines_of_falling_frequencies() -> None:
    positions = np.array([[0, 1, 7], [100, 5000, 30_000]])
    frequencies = 1e-4 ** (np.arange(4) / 3)  # from 1 to 0.0001
    angles = positions[..., None] * frequencies
    parts = np.sin(angles), np.cos(angles)
    encoding = nn.SinusoidalPositionalEncoding(8)
    y = encoding(positions)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, np.concatenate(parts, -1) / 2, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose((y.data**2).sum(-1), 1, rtol=1e-5)
    other = nn.SinusoidalPositionalEncoding(8, scale=1.0, cos_first=True)
    y = other(Tensor(positions, dtype=np.float64))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y.data, np.concatenate(parts[::-1], -1), rtol=1e-9, atol=1e-12)
    turns = nn.SinusoidalPositionalEncoding(4, 0.25, 0.5, scale=1, full_turns=True)
    np.testing.assert_allclose(turns(np.array(1)).data, [0, 1, -1, 0], atol=1e-6)
    assert nn.SinusoidalPositionalEncoding(2)(np.arange(3)).shape == (3, 2)
    assert not list(encoding.parameters())
    assert not encoding.state_dict()


def rotated(x, dims, traditional, base=10000.0, scale=1.0, offset=0):
    """Each pair as a complex number, times exp(i p f)."""
    pairs = [(2 * i, 2 * i + 1) if traditional else (i, dims // 2 + i) for i in range(dims // 2)]
    y = x.astype(float)
    for i, (first, second) in enumerate(pairs):
        positions = scale * (offset + np.arange(x.shape[-2]))
        turned = (y[..., first] + 1j * y[..., second]) * np.exp(
            1j * positions * base ** (-2 * i / dims)
        )
        y[..., first], y[..., second] = turned.real, turned.imag
    return y


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 5, 8), (1, 6), (2, 0, 6)])
def test_pairs_are_rotated(shape, traditional) -> None:
    x = RNG.normal(size=shape).astype(np.float32)
    y = nn.RoPE(6, traditional)(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, rotated(x, 6, traditional), rtol=1e-5, atol=1e-6)
    layer = nn.RoPE(6, traditional, base=100, scale=0.5)
    expected = rotated(x, 6, traditional, 100.0, 0.5, 3)
    np.testing.assert_allclose(layer(Tensor(x), 3).data, expected, rtol=1e-5, atol=1e-6)
    gradcheck(lambda x: layer(x, offset=2), Tensor(x.astype(float), requires_grad=True))


def test_products_depend_on_the_distance_only() -> None:
    q, k = RNG.normal(size=(2, 1, 8))
    rope = nn.RoPE(8)
    products = [float((rope(q, p) * rope(k, p + 4)).sum().data) for p in (0, 3, 1000)]
    np.testing.assert_allclose(products, products[0], rtol=1e-9)
    np.testing.assert_allclose(rope(q).data, q)


def test_what_is_refused() -> None:
    for layer in (nn.RoPE, nn.SinusoidalPositionalEncoding):
        message = f"{layer.__name__}: dims: expected an even number; got 3"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            layer(3)
    message = (
        "RoPE: expected floats of shape (..., length, 4 features or more); got (5, 3), float64"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        nn.RoPE(4)(np.zeros((5, 3)))
    message = "RoPE: base: expected a finite number above 0; got inf"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        nn.RoPE(4, base=math.inf)
