"""Attention and transformers against their formulas in NumPy."""

import math
import re

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck, no_grad

RNG = np.random.default_rng(0)


def refuses(error, message, function, *args, **options):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        function(*args, **options)


def softmax(x):
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


def attention(layer, query, key, value, mask=0.0):
    """(L, E), (S, E), (S, E) -> (L, E) and the weights of each head (H, L, S)."""
    width, size = layer.embed_dim, layer.embed_dim // layer.num_heads
    w, b = layer.in_proj_weight.data.astype(float), layer.in_proj_bias.data.astype(float)
    q, k, v = (
        x.astype(float) @ w[i * width : (i + 1) * width].T + b[i * width : (i + 1) * width]
        for i, x in enumerate((query, key, value))
    )
    results, weights = [], []
    for head in range(layer.num_heads):
        part = slice(head * size, (head + 1) * size)
        weights.append(softmax(q[:, part] @ k[:, part].T / math.sqrt(size) + mask))
        results.append(weights[-1] @ v[:, part])
    out = layer.out_proj
    y = np.concatenate(results, 1) @ out.weight.data.T.astype(float) + out.bias.data
    return y, np.stack(weights)


def filled(layer):
    """The layer with random numbers for its biases, too."""
    for parameter in layer.parameters():
        parameter.data[...] = RNG.uniform(-1, 1, parameter.shape)
    return layer


def random(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("heads", [1, 2, 6])
@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_is_the_formula_of_each_sample_and_head(heads, need_weights) -> None:
    layer = filled(nn.MultiheadAttention(6, heads, batch_first=True))
    query, key, value = random(3, 5, 6), random(3, 4, 6), random(3, 4, 6)
    y, weights = layer(query, key, Tensor(value), need_weights=need_weights)
    expected = [attention(layer, *each) for each in zip(query, key, value, strict=True)]
    np.testing.assert_allclose(y.data, [each[0] for each in expected], rtol=1e-4, atol=1e-5)
    assert y.dtype == np.float32
    if need_weights:
        means = [each[1].mean(0) for each in expected]
        np.testing.assert_allclose(weights.data, means, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(weights.data.sum(-1), 1, rtol=1e-5)
        each = layer(query, key, value, average_attn_weights=False)[1]
        np.testing.assert_allclose(each.data, [e[1] for e in expected], rtol=1e-4, atol=1e-6)
    else:
        assert weights is None
    single = layer(query[0], key[0], value[0], need_weights=need_weights)[0]
    np.testing.assert_allclose(single.data, expected[0][0], rtol=1e-4, atol=1e-5)

    layer.batch_first = False
    turned = layer(*(x.swapaxes(0, 1) for x in (query, key, value)), need_weights=need_weights)[0]
    np.testing.assert_allclose(turned.data.swapaxes(0, 1), y.data, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("need_weights", [True, False])
def test_true_in_a_mask_means_that_a_key_is_not_looked_at(need_weights) -> None:
    layer = filled(nn.MultiheadAttention(4, 2))
    query, key, value = random(3, 4), random(5, 4), random(5, 4)
    mask = RNG.random((3, 5)) < 0.4
    mask[:, 0] = False
    padding = np.array([False, False, False, True, True])
    both = np.where(mask | padding, -np.inf, 0.0)
    expected, weights = attention(layer, query, key, value, both)
    floats = {"attn_mask": both.astype(np.float32)}
    for masks in ({"attn_mask": mask, "key_padding_mask": padding}, floats):
        y, found = layer(query, key, value, need_weights=need_weights, **masks)
        np.testing.assert_allclose(y.data, expected, rtol=1e-4, atol=1e-5)
        if need_weights:
            np.testing.assert_allclose(found.data, weights.mean(0), rtol=1e-4, atol=1e-6)
            assert not found.data[mask].any()
    for key_too in (key, np.where(padding[:, None], 1e6, key).astype(np.float32)):
        y = layer(query, key_too, value, padding, need_weights, mask)[0]
        np.testing.assert_allclose(y.data, expected, rtol=1e-4, atol=1e-5)


def test_a_query_whose_keys_are_all_masked() -> None:
    """As in PyTorch: nan with the weights, the bias of the last layer without them."""
    layer = filled(nn.MultiheadAttention(4, 2))
    x, mask = random(3, 4), np.zeros((3, 3), bool)
    mask[1] = True
    with pytest.warns(RuntimeWarning, match="all scores along axis 3 are -inf"):
        y, weights = layer(x, x, x, attn_mask=mask)
    assert np.isnan(y.data).all(1).tolist() == [False, True, False]
    assert np.isnan(weights.data).all(1).tolist() == [False, True, False]
    y, _ = layer(x, x, x, attn_mask=mask, need_weights=False)
    np.testing.assert_allclose(y.data[1], layer.out_proj.bias.data, rtol=1e-6)


def test_the_causal_mask() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    inf = math.inf
    assert mask.tolist() == [[0, -inf, -inf], [0, 0, -inf], [0, 0, 0]]
    assert mask.dtype == np.float32
    assert nn.Transformer.generate_square_subsequent_mask(1, dtype=np.float64).dtype == np.float64
    layer = nn.MultiheadAttention(4, 2)
    x = random(3, 4)
    y, _ = layer(x, x, x, attn_mask=mask, is_causal=True)
    later = x.copy()
    later[2] = 9
    changed, _ = layer(later, later, later, attn_mask=mask, need_weights=False)
    np.testing.assert_allclose(changed.data[:2], y.data[:2], rtol=1e-5, atol=1e-6)
    refuses(
        ValueError,
        "MultiheadAttention: multi_head_attention_forward: is_causal only says that attn_mask is "
        "the causal one; pass attn_mask=nn.Transformer.generate_square_subsequent_mask(3) as well",
        *(layer, x, x, x),
        is_causal=True,
    )


@pytest.mark.parametrize("need_weights", [True, False])
def test_gradients_of_attention_by_finite_differences(need_weights) -> None:
    layer = nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, dtype=np.float64)
    q, k, v = (Tensor(RNG.normal(size=(n, 2, 4)), requires_grad=True) for n in (2, 3, 3))
    mask = Tensor(RNG.normal(size=(2, 3)), requires_grad=True)
    gradcheck(lambda q, k, v, mask: layer(q, k, v, None, need_weights, mask)[0], [q, k, v, mask])


def test_dropout_of_weights_only_in_training() -> None:
    layer = nn.MultiheadAttention(4, 2, dropout=0.5)
    x = random(20, 4)
    _, weights = layer(x, x, x, average_attn_weights=False)
    assert 0.3 < (weights.data == 0).mean() < 0.7
    layer.eval()
    assert (layer(x, x, x)[1].data > 0).all()


def test_no_samples_and_no_queries() -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    assert layer(random(0, 3, 4), random(0, 5, 4), random(0, 5, 4))[0].shape == (0, 3, 4)
    y, weights = layer(random(2, 0, 4), random(2, 5, 4), random(2, 5, 4))
    assert (y.shape, weights.shape) == ((2, 0, 4), (2, 0, 5))


def test_shapes_that_do_not_fit() -> None:
    layer = nn.MultiheadAttention(4, 2)
    x, start = random(5, 3, 4), "MultiheadAttention: multi_head_attention_forward: "
    three = "expected query, key and value of 3 axes each, or of 2 without a batch; got"
    refuses(ValueError, f"{start}{three} (5, 3, 4), (3, 4) and (3, 4)", layer, x, x[0], x[0])
    refuses(ValueError, f"{start}{three} (4,), (4,) and (4,)", layer, *[x[0, 0]] * 3)
    same = "expected one value for each key and the same batch in axis 1; got query (5, 3, 4), key"
    refuses(
        ValueError,
        f"{start}{same} (5, 3, 4) and value (4, 3, 4)",
        *(layer, x, x, x[:4]),
    )
    refuses(
        ValueError,
        f"{start}{same} (5, 2, 4) and value (5, 2, 4)",
        *(layer, x, x[:, :2], x[:, :2]),
    )
    widths = "expected query, key and value of widths 4, 4 and 4; got (5, 3, 2), (5, 3, 4) and"
    refuses(ValueError, f"{start}{widths} (5, 3, 4)", layer, x[..., :2], x, x)
    refuses(
        ValueError,
        f"{start}attn_mask: expected shape (5, 5) or (6, 5, 5); got (5, 4)",
        *(layer, x, x, x),
        attn_mask=np.ones((5, 4), bool),
    )
    refuses(
        ValueError,
        f"{start}key_padding_mask: expected shape (3, 5); got (5, 3)",
        *(layer, x, x, x, np.ones((5, 3), bool)),
    )
    refuses(
        TypeError,
        f"{start}attn_mask: expected bools or floats; got int64",
        *(layer, x, x, x),
        attn_mask=np.ones((5, 5), int),
    )
    divisible = "embed_dim 4 is not divisible by num_heads 3"
    refuses(ValueError, f"MultiheadAttention: {divisible}", nn.MultiheadAttention, 4, 3)


# Transformers


def test_an_encoder_layer_is_attention_and_a_network() -> None:
    x = random(5, 4)

    def norm(layer, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        return x * layer.weight.data + layer.bias.data

    for norm_first in (False, True):
        layer = nn.TransformerEncoderLayer(4, 2, 7, norm_first=norm_first).eval()
        filled(layer)

        def network(x, layer=layer):
            hidden = np.maximum(x @ layer.linear1.weight.data.T + layer.linear1.bias.data, 0)
            return hidden @ layer.linear2.weight.data.T + layer.linear2.bias.data

        if norm_first:
            inner = norm(layer.norm1, x)
            h = x + attention(layer.self_attn, inner, inner, inner)[0]
            expected = h + network(norm(layer.norm2, h))
        else:
            h = norm(layer.norm1, x + attention(layer.self_attn, x, x, x)[0])
            expected = norm(layer.norm2, h + network(h))
        np.testing.assert_allclose(layer(x).data, expected, rtol=1e-4, atol=1e-4)


def test_activations_by_name_and_as_functions() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 7, activation="gelu").eval()
    x = random(5, 4)
    exact = layer(x).data
    layer.activation = lambda x: x.gelu("none")
    np.testing.assert_array_equal(layer(x).data, exact)
    other = nn.TransformerDecoderLayer(4, 2, 7, activation=Tensor.tanh)
    assert other(x, x).shape == (5, 4)
    refuses(
        ValueError,
        'TransformerEncoderLayer: activation: expected "relu" or "gelu"; got \'selu\'; '
        'did you mean "relu"?',
        *(nn.TransformerEncoderLayer, 4, 2),
        activation="selu",
    )


def test_a_stack_is_made_of_copies() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0)
    encoder = nn.TransformerEncoder(layer, 3, nn.LayerNorm(4))
    assert len(list(encoder.parameters())) == 3 * 12 + 2
    first, second = encoder.layers[0].linear1.weight, encoder.layers[1].linear1.weight
    np.testing.assert_array_equal(first.data, second.data)
    assert not np.shares_memory(first.data, second.data)
    x = random(5, 2, 4)
    expected = Tensor(x)
    with no_grad():
        for _ in range(3):
            expected = layer(expected)
        np.testing.assert_allclose(encoder(x).data, encoder.norm(expected).data, rtol=1e-5)
    encoder(x).sum().backward()
    assert layer.linear1.weight.grad is None
    assert nn.TransformerEncoder(layer, 0)(x).tolist() == x.tolist()


def test_a_transformer_starts_as_glorot_and_checks_its_inputs() -> None:
    Tensor.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    bound = math.sqrt(6 / (8 + 16))
    weights = [
        layer.linear1.weight.data for layer in (*model.encoder.layers, *model.decoder.layers)
    ]
    for weight in weights:
        assert 0.9 * bound < np.abs(weight).max() <= bound
    assert not np.array_equal(*weights)
    src, tgt = random(2, 5, 8), random(2, 3, 8)
    assert model(src, tgt).shape == (2, 3, 8)
    assert model(src[0], tgt[0]).shape == (3, 8)
    wrong = "Transformer: expected src and tgt of width 8 and the same batch in axis 0; got"
    refuses(ValueError, f"{wrong} (2, 5, 8) and (1, 3, 8)", model, src, tgt[:1])
    refuses(ValueError, f"{wrong} (2, 5, 8) and (2, 3, 4)", model, src, tgt[..., :4])
    refuses(ValueError, f"{wrong} (2, 5, 8) and (3, 8)", model, src, tgt[0])


def test_a_transformer_of_given_stacks() -> None:
    class Half(nn.Module):
        def forward(self, x, *others, **masks):
            return x * 0.5

    model = nn.Transformer(4, 2, custom_encoder=Half(), custom_decoder=Half())
    x = random(3, 2, 4)
    np.testing.assert_array_equal(model(x, x).data, x * 0.5)


def test_dtypes_of_transformers() -> None:
    model = nn.Transformer(4, 2, 1, 1, 6, dtype=np.float64)
    assert {parameter.dtype for parameter in model.parameters()} == {np.dtype(np.float64)}
    x = RNG.normal(size=(3, 2, 4))
    assert model(x, x).dtype == np.float64


def test_weights_of_the_function_may_be_arrays():
    layer = nn.MultiheadAttention(4, 2)
    x = Tensor(RNG.standard_normal((3, 2, 4)).astype(np.float32))
    expected, _ = layer(x, x, x)
    y, _ = nn.functional.multi_head_attention_forward(
        *(x, x, x, 4, 2, layer.in_proj_weight.data, layer.in_proj_bias, None, None, False, 0.0),
        *(layer.out_proj.weight, layer.out_proj.bias),
    )
    np.testing.assert_array_equal(y.data, expected.data)
