"""Attention beside PyTorch's where the table of layers does not reach: nan, and given keys."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

import nn  # noqa: E402
from tinygrad_lite import Tensor  # noqa: E402

RNG = np.random.default_rng(0)


def pair(**options):
    """Our layer and PyTorch's with the same weights."""
    theirs = torch.nn.MultiheadAttention(4, 2, **options).double()
    ours = nn.MultiheadAttention(4, 2, dtype=np.float64, **options)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.filterwarnings("ignore:.*all scores along axis 3 are -inf", "ignore:the loss is nan")
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("floats", [True, False])
def test_a_sample_whose_keys_are_all_padding(need_weights, floats):
    ours, theirs = pair(batch_first=True)
    x, padding = RNG.normal(size=(2, 3, 4)), np.array([[False] * 3, [True] * 3])
    mask = np.where(padding, -np.inf, 0.0) if floats else padding
    given, wanted = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, weights = ours(given, given, given, mask, need_weights)
    expected, shares = theirs(wanted, wanted, wanted, torch.tensor(mask), need_weights)
    np.testing.assert_allclose(y.data, expected.detach(), rtol=1e-12)
    assert np.isnan(y.data[1]).all() == need_weights
    y.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(given.grad.data, wanted.grad, rtol=1e-9, atol=1e-12)
    if need_weights:
        np.testing.assert_allclose(weights.data, shares.detach(), rtol=1e-12)


@pytest.mark.parametrize("need_weights", [True, False])
def test_the_function_with_keys_and_values_that_are_given(need_weights):
    ours, theirs = pair()
    x = RNG.normal(size=(3, 2, 4))
    keys, values = RNG.normal(size=(2, 4, 5, 2))
    results = []
    for layer, function, make in (
        (ours, nn.functional.multi_head_attention_forward, Tensor),
        (theirs, torch.nn.functional.multi_head_attention_forward, torch.tensor),
    ):
        weights = (layer.in_proj_weight, layer.in_proj_bias, None, None, True, 0.0)
        out = (layer.out_proj.weight, layer.out_proj.bias)
        y, _ = function(
            *[make(x)] * 3,
            *(4, 2, *weights, *out),
            static_k=make(keys),
            static_v=make(values),
            need_weights=need_weights,
        )
        results.append(y.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_the_causal_mask_is_pytorchs():
    for size in (0, 1, 5):
        ours = nn.Transformer.generate_square_subsequent_mask(size)
        theirs = torch.nn.Transformer.generate_square_subsequent_mask(size)
        np.testing.assert_array_equal(ours.data, theirs)
        assert str(theirs.dtype).endswith(str(ours.dtype))
