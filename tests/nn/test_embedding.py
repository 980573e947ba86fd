"""Embeddings against their formulas in NumPy, and Bilinear."""

import re

import numpy as np
import pytest

import nn
from nn.layers.linear import bilinear
from tinygrad_lite import Tensor, gradcheck

RNG = np.random.default_rng(0)
TABLE = np.float32([[1, 2], [3, 4], [5, 6]])


def refuses(error, message, function, *args, **options):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        function(*args, **options)


def table(padding_idx=None, **options):
    return nn.Embedding.from_pretrained(TABLE, False, padding_idx, **options)


# Embedding


def test_an_embedding_reads_rows() -> None:
    for index in (2, [1, 0, 1], [[0], [2]], np.zeros((2, 0), int)):
        index = np.asarray(index)
        for given in (index, index.astype(np.uint8), Tensor(index), index.astype(np.int32)):
            y = table()(given)
            np.testing.assert_array_equal(y.data, TABLE[index])
            assert y.dtype == np.float32
            assert y.requires_grad


def test_the_gradient_of_a_row_is_the_sum_over_its_readers() -> None:
    layer = table()
    layer(np.array([[1, 1], [2, 1]])).backward(np.float32([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]))
    assert layer.weight.grad.tolist() == [[0, 0], [11, 14], [5, 6]]


def test_a_new_weight_is_normal_with_zeros_for_padding() -> None:
    Tensor.manual_seed(0)
    layer = nn.Embedding(1000, 30, padding_idx=-2)
    assert layer.padding_idx == 998
    assert not layer.weight.data[998].any()
    rest = np.delete(layer.weight.data, 998, 0)
    assert abs(rest.mean()) < 0.02
    assert abs(rest.std() - 1) < 0.02
    Tensor.manual_seed(0)
    np.testing.assert_array_equal(nn.Embedding(1000, 30, 998).weight.data, layer.weight.data)
    assert nn.Embedding(2, 3, dtype=np.float64).weight.dtype == np.float64
    assert nn.Embedding(0, 3)(np.zeros(0, int)).shape == (0, 3)


def test_padding_gets_no_gradient_whatever_its_row_holds() -> None:
    layer = table(padding_idx=1)
    y = layer(np.array([1, 0, 1]))
    assert y.tolist() == [[3, 4], [1, 2], [3, 4]]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [0, 0], [0, 0]]
    layer.weight.data[1] = np.inf
    assert np.isinf(layer(np.array([1])).data).all()


def test_gradients_are_divided_by_the_frequency() -> None:
    layer = table(scale_grad_by_freq=True)
    y = layer(np.array([0, 2, 2, 2, 2]))
    np.testing.assert_array_equal(y.data, TABLE[[0, 2, 2, 2, 2]])
    y.backward(np.float32([[1, 1], [1, 2], [1, 2], [1, 2], [1, 6]]))
    assert layer.weight.grad.tolist() == [[1, 1], [0, 0], [1, 3]]
    bag = nn.EmbeddingBag.from_pretrained(TABLE, False, mode="sum", scale_grad_by_freq=True)
    bag(np.array([[0, 0, 1]])).sum().backward()
    assert bag.weight.grad.tolist() == [[1, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize("norm_type", [1, 2, 3.0, np.inf])
def test_rows_that_are_read_are_scaled_in_place(norm_type) -> None:
    layer = table(max_norm=4.5, norm_type=norm_type)
    weight = layer.weight
    memory = weight.data
    y = layer(np.array([2, 0, 2]))
    assert layer.weight is weight
    assert weight.data is memory
    norms = np.linalg.norm(TABLE.astype(float), norm_type, axis=1, keepdims=True)
    expected = TABLE * np.minimum(1, 4.5 / norms)
    expected[1] = TABLE[1]  # is not read
    np.testing.assert_allclose(weight.data, expected, rtol=1e-6)
    np.testing.assert_array_equal(y.data, weight.data[[2, 0, 2]])
    y.sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0], [2, 2]]


def test_scaling_is_seen_by_a_graph_that_holds_the_old_weight() -> None:
    layer = table(max_norm=1.0)
    earlier = (layer.weight * layer.weight).sum()
    layer(np.array([0]))
    with pytest.raises(RuntimeError, match="in place"):
        earlier.backward()


def test_pretrained_weights_are_copied_and_frozen() -> None:
    given = TABLE.copy()
    layer = nn.Embedding.from_pretrained(given)
    assert not layer.weight.requires_grad
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    given[:] = 0
    np.testing.assert_array_equal(layer.weight.data, TABLE)
    bag = nn.EmbeddingBag.from_pretrained(Tensor(TABLE.astype(np.float64)), padding_idx=0)
    assert bag.weight.dtype == np.float64
    assert not bag.weight.requires_grad
    assert table().weight.requires_grad


def test_gradients_of_embeddings_by_finite_differences() -> None:
    index = np.array([[0, 2, 2], [1, 2, 0]])
    weight = Tensor(RNG.normal(size=(3, 2)), requires_grad=True)
    factors = Tensor(RNG.normal(size=(2, 3)), requires_grad=True)

    def bag(mode, factors=None):
        layer = nn.EmbeddingBag(3, 2, mode=mode)

        def act(weight, *factors):
            layer.weight = weight
            return layer(index, per_sample_weights=factors[0] if factors else None)

        return act

    def lookup(weight):
        layer = nn.Embedding(3, 2)
        layer.weight = weight
        return layer(index)

    gradcheck(lookup, weight)
    for mode in ("sum", "mean", "max"):
        gradcheck(bag(mode), weight)
    gradcheck(bag("sum"), [weight, factors])


# EmbeddingBag


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 1])
def test_bags_are_sums_means_and_maxima(mode, padding) -> None:
    reduce = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
    bags = [[], [0, 1, 1], [2], [], [1, 1], [2, 0, 0, 1], []]
    flat = np.concatenate([np.array(bag, int) for bag in bags])
    starts = np.cumsum([0, *map(len, bags)])
    expected = np.zeros((len(bags), 2))
    for row, bag in zip(expected, bags, strict=True):
        counted = [i for i in bag if i != padding]
        if counted:
            row[...] = reduce(TABLE[counted].astype(float), axis=0)
    options = {"mode": mode, "padding_idx": padding}
    layer = nn.EmbeddingBag.from_pretrained(TABLE, **options)
    np.testing.assert_allclose(layer(flat, starts[:-1]).data, expected, rtol=1e-6)
    layer = nn.EmbeddingBag.from_pretrained(TABLE, include_last_offset=True, **options)
    np.testing.assert_allclose(layer(flat, Tensor(starts)).data, expected, rtol=1e-6)
    assert layer(flat, starts).dtype == np.float32
    rows = np.array([[0, 1], [2, 2]])
    same = layer(rows.reshape(-1), np.array([0, 2, 4]))
    np.testing.assert_array_equal(layer(rows).data, same.data)


def test_a_bag_of_many_rows_is_exact() -> None:
    layer = nn.EmbeddingBag.from_pretrained(np.full((2, 3), 0.1, np.float32), mode="sum")
    y = layer(np.zeros((1, 100_000), int))
    np.testing.assert_allclose(y.data, 1e5 * np.float64(np.float32(0.1)), rtol=1e-6)


def test_no_bags() -> None:
    layer = nn.EmbeddingBag(3, 2)
    none = np.zeros(0, int)
    assert layer(none, none).shape == (0, 2)
    assert layer(np.zeros((0, 4), int)).shape == (0, 2)
    assert layer(np.zeros((4, 0), int)).tolist() == [[0, 0]] * 4


# Errors


def test_integers_outside_the_table_are_named() -> None:
    layer = nn.Embedding(10, 2)
    refuses(
        IndexError,
        "Embedding: embedding: input: expected integers from 0 to 9; got 10 at (1, 2)",
        *(layer, np.array([[0, 1, 2], [3, 4, 10]])),
    )
    refuses(
        IndexError,
        "Embedding: embedding: input: expected integers from 0 to 9; got -1 at 2",
        *(layer, np.array([0, 1, -1])),
    )
    refuses(
        IndexError,
        "Embedding: embedding: input: expected integers from 0 to 9; got 12",
        *(layer, np.array(12)),
    )
    refuses(
        TypeError,
        "Embedding: embedding: input: expected integers; got float32",
        *(layer, Tensor([1.0])),
    )
    refuses(
        TypeError,
        "Embedding: embedding: input: expected integers; got bool",
        layer,
        np.array([True]),
    )
    refuses(
        TypeError, "Embedding: expected a Tensor or an ndarray of numbers; got list", layer, [1]
    )


def test_options_that_are_refused() -> None:
    below = "expected an integer below 3, the number of embeddings"
    refuses(ValueError, f"Embedding: padding_idx: {below}; got 3", nn.Embedding, 3, 2, 3)
    refuses(ValueError, f"Embedding: padding_idx: {below}; got -4", nn.Embedding, 3, 2, -4)
    dense = "gradients are dense here; leave sparse=False"
    refuses(ValueError, f"Embedding: {dense}", nn.Embedding, 3, 2, sparse=True)
    refuses(ValueError, f"EmbeddingBag: {dense}", nn.EmbeddingBag, 3, 2, sparse=True)
    refuses(
        ValueError,
        'EmbeddingBag: mode: expected "sum", "mean" or "max"; got \'men\'; did you mean "mean"?',
        *(nn.EmbeddingBag, 3, 2),
        mode="men",
    )
    refuses(
        ValueError,
        "Embedding: expected embeddings of shape (num_embeddings, embedding_dim); got (3,)",
        *(nn.Embedding.from_pretrained, np.zeros(3)),
    )
    refuses(
        ValueError,
        "Embedding: expected a weight of shape (3, 3); got (3, 2)",
        *(nn.Embedding, 3, 3),
        _weight=TABLE,
    )


def test_bags_that_are_refused() -> None:
    layer = nn.EmbeddingBag(10, 2, mode="sum")
    flat, start = np.arange(5), "EmbeddingBag: embedding_bag: "
    needs = "expected integers of shape (bags, N), or (N,) with offsets; got shape"
    refuses(ValueError, f"{start}{needs} (5,) without offsets", layer, flat)
    refuses(ValueError, f"{start}{needs} (1, 1, 5)", layer, flat[None, None], flat)
    rows = "rows of integers are the bags; offsets must be None"
    refuses(ValueError, start + rows, layer, flat[None], flat)
    for offsets in ([1, 2], [0, 3, 2], [0, 6]):
        refuses(
            ValueError,
            f"{start}expected offsets that rise from 0 to 5; got {offsets}",
            *(layer, flat, np.array(offsets)),
        )
    closed = nn.EmbeddingBag(10, 2, mode="sum", include_last_offset=True)
    for bags, edges in ((layer, []), (closed, [0]), (closed, [-7])):  # no bag, and integers in none
        refuses(
            ValueError,
            f"{start}expected offsets that rise from 0 to 5; got {edges}",
            *(bags, flat, np.array(edges, int)),
        )
    assert closed(flat[:0], np.array([0])).shape == (0, 2)
    refuses(
        ValueError,
        f"{start}expected per_sample_weights of the input's shape (5,); got (4,)",
        *(layer, flat, np.array([0])),
        per_sample_weights=np.ones(4, np.float32),
    )
    layer.mode = "mean"
    refuses(
        ValueError,
        f"{start}per_sample_weights need the mode \"sum\"; got 'mean'",
        *(layer, flat, np.array([0])),
        per_sample_weights=np.ones(5, np.float32),
    )
    layer = nn.EmbeddingBag(10, 2, mode="max", scale_grad_by_freq=True)
    refuses(
        ValueError,
        f'{start}scale_grad_by_freq is not defined for the mode "max"',
        *(layer, flat, np.array([0])),
    )


def test_the_repr_shows_what_is_not_usual() -> None:
    text = repr(nn.Embedding(5, 3, -1, max_norm=1.0, norm_type=1, scale_grad_by_freq=True))
    options = "5, 3, padding_idx=4, max_norm=1.0, norm_type=1, scale_grad_by_freq=True"
    assert text.startswith(f"Embedding({options})")
    assert repr(nn.EmbeddingBag(5, 3, mode="max")).startswith("EmbeddingBag(5, 3, mode='max')")


# Bilinear


def test_bilinear_is_a_form_for_each_output() -> None:
    layer = nn.Bilinear(3, 4, 2)
    x1, x2 = (RNG.normal(size=(5, 6, n)).astype(np.float32) for n in (3, 4))
    weight, bias = layer.weight.data.astype(float), layer.bias.data.astype(float)
    expected = np.einsum("...i,oij,...j->...o", x1.astype(float), weight, x2.astype(float)) + bias
    np.testing.assert_allclose(layer(x1, Tensor(x2)).data, expected, rtol=1e-5, atol=1e-6)
    assert layer(x1, x2).dtype == np.float32
    assert np.abs(layer.weight.data).max() <= 3**-0.5
    shaped = "bilinear: expected (..., 3) and (..., 4) of the same leading axes; got"
    refuses(ValueError, f"Bilinear: {shaped} (2, 3) and (2, 3)", layer, x1[0, :2], x1[0, :2])
    refuses(ValueError, f"Bilinear: {shaped} (1, 3) and (2, 4)", layer, x1[0, :1], x2[0, :2])
    refuses(ValueError, f"Bilinear: {shaped} () and (4,)", layer, np.array(1.0, "f"), x2[0, 0])


def test_gradients_of_bilinear_by_finite_differences() -> None:
    layer = nn.Bilinear(3, 4, 2, dtype=np.float64)
    x1, x2 = (Tensor(RNG.normal(size=(5, n)), requires_grad=True) for n in (3, 4))
    gradcheck(bilinear, [x1, x2, layer.weight, layer.bias])
