"""Layers: values by hand, gradients by finite differences, shapes, dtypes, errors."""

import inspect

import numpy as np
import pytest
from every import each

import nn
from tinygrad_lite import Tensor, gradcheck


def random(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(3).standard_normal(shape), requires_grad=True)


# Linear


def linear(x, weight, bias=None):
    layer = nn.Linear(*reversed(weight.shape), bias=bias is not None)
    layer.weight, layer.bias = weight, bias
    return layer(x)


def test_linear_by_hand():
    x = Tensor([[1.0, 2.0]])
    weight = Tensor([[1.0, 10.0], [3.0, 0.0], [0.0, -1.0]])
    assert linear(x, weight, Tensor([0.5, 0.0, 1.0])).tolist() == [[21.5, 3.0, -1.0]]
    assert linear(x, weight).tolist() == [[21.0, 3.0, -2.0]]


def test_linear_has_pytorchs_parameters():
    layer = nn.Linear(7, 3)
    assert [(n, p.shape, p.dtype) for n, p in layer.named_parameters()] == [
        ("weight", (3, 7), np.float32),
        ("bias", (3,), np.float32),
    ]
    assert nn.Linear(7, 3, bias=False).bias is None


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 1, 3), (0, 3)])
def test_linear_works_on_the_last_axis(shape):
    assert nn.Linear(3, 4)(Tensor.ones(*shape)).shape == (*shape[:-1], 4)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 4, 3)])
def test_linear_gradients(shape):
    assert gradcheck(linear, [random(*shape), random(2, 3), random(2)])
    assert gradcheck(linear, [random(*shape), random(2, 3)])


def test_linear_weight_gradient_has_the_weights_memory_order():
    layer = nn.Linear(5, 3)
    layer(Tensor.ones(4, 5)).sum().backward()
    assert layer.weight.grad.data.flags.c_contiguous


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((128, 1, 28, 28), "; flatten(1) it first"),
        ((784, 128), "; did you mean x.T?"),
        ((128, 783), ""),
        ((), ""),
    ],
)
def test_linear_names_both_shapes_and_the_fix(shape, hint):
    with pytest.raises(ValueError, match="expected") as caught:
        nn.Linear(784, 10)(Tensor.ones(*shape))
    assert str(caught.value) == f"Linear: expected (..., 784); got {shape}{hint}"


def test_linear_refuses_sizes_below_one():
    with pytest.raises(ValueError, match="in_features: expected an integer of 1 or more; got 0"):
        nn.Linear(0, 3)


def test_linear_in_float64():
    layer = nn.Linear(3, 2)
    for parameter in layer.parameters():
        parameter.data = parameter.data.astype(np.float64)
    assert layer(np.ones((1, 3))).dtype == np.float64


# LSTMCell


@pytest.mark.parametrize("given", [tuple, list, lambda hc: [Tensor(a) for a in hc], None])
@pytest.mark.parametrize("shape", [(4,), ()])
def test_lstm_cell_by_formula(shape, given):
    cell, rng = nn.LSTMCell(3, 2), np.random.default_rng(0)
    x, *hc = (rng.standard_normal((*shape, n)).astype(np.float32) for n in (3, 2, 2))
    w, v, b, d = (parameter.data for parameter in cell.parameters())
    h, c = hc if given else (np.zeros_like(array) for array in hc)
    z = x @ w.T + b + h @ v.T + d
    i, f, o = (1 / (1 + np.exp(-z[..., start : start + 2])) for start in (0, 2, 6))
    new = f * c + i * np.tanh(z[..., 4:6])
    found = cell(x, given(hc)) if given else cell(x)
    np.testing.assert_allclose(found[1].data, new, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[0].data, o * np.tanh(new), rtol=1e-5, atol=1e-6)


def test_lstm_cell_has_pytorchs_parameters():
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    shapes = [(8, 3), (8, 2), (8,), (8,)]
    cell = nn.LSTMCell(3, 2)
    assert [(n, p.shape) for n, p in cell.named_parameters()] == [*zip(names, shapes, strict=True)]
    assert list(nn.state.get_state_dict(nn.LSTMCell(3, 2, bias=False))) == names[:2]
    assert max(np.abs(p.data).max() for p in cell.parameters()) <= 2**-0.5
    assert repr(cell).startswith("LSTMCell(3, 2)")
    assert repr(nn.LSTMCell(3, 2, bias=False)).startswith("LSTMCell(3, 2, bias=False)")


def test_lstm_cell_learns_to_remember_the_first_input():
    Tensor.manual_seed(0)
    cell, rng = nn.LSTMCell(1, 8), np.random.default_rng(0)
    optimizer = nn.optim.Adam(cell.parameters(), lr=0.02)
    for _ in range(150):
        xs = rng.choice([-1.0, 1.0], (8, 32, 1)).astype(np.float32)
        state = None
        for x in xs:
            state = cell(x, state)
        loss = (state[0].mean(1) - 0.5 * xs[0, :, 0]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01  # 0.25 for one that knows nothing


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: nn.LSTMCell(0, 2), "input_size: expected an integer of 1 or more; got 0"),
        (
            lambda: nn.LSTMCell(3, 2)(Tensor.ones(5, 4)),
            r"LSTMCell: lstm_cell: expected weight_ih of \(8, 4\), for x of \(5, 4\) and h of "
            r"\(5, 2\); got \(8, 3\)",
        ),
    ],
)
def test_lstm_cell_names_what_does_not_fit(call, expected):
    with pytest.raises(ValueError, match=expected):
        call()


# LayerNorm


@pytest.mark.parametrize("shape", [5, (5,), [3, 5]])
def test_layer_norm_by_formula(shape):
    layer, rng = nn.LayerNorm(shape, eps=0.1), np.random.default_rng(0)
    axes = (1, 2) if shape == [3, 5] else (2,)
    x = rng.standard_normal((2, 3, 5)).astype(np.float32)
    for parameter in layer.parameters():
        parameter.data = rng.standard_normal(parameter.shape).astype(np.float32)
    centred = x - x.mean(axes, keepdims=True)
    expected = centred / np.sqrt(x.var(axes, keepdims=True) + 0.1)
    expected = expected * layer.weight.data + layer.bias.data
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-5, atol=1e-6)


def test_layer_norm_has_pytorchs_parameters():
    assert list(nn.state.get_state_dict(nn.LayerNorm((3, 5)))) == ["weight", "bias"]
    assert list(nn.state.get_state_dict(nn.LayerNorm(5, bias=False))) == ["weight"]
    assert list(nn.LayerNorm(5, elementwise_affine=False).parameters()) == []
    assert nn.LayerNorm((3, 5)).weight.shape == (3, 5)
    assert repr(nn.LayerNorm(5, elementwise_affine=False)) == (
        "LayerNorm((5,), eps=1e-05, elementwise_affine=False)"
    )


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: nn.LayerNorm(()), r"normalized_shape: expected one size or more; got \(\)"),
        (lambda: nn.LayerNorm(0), "normalized_shape: expected an integer of 1 or more; got 0"),
        (
            lambda: nn.LayerNorm((3, 5))(Tensor.ones(2, 5)),
            r"LayerNorm: expected \(\.\.\., 3, 5\); got \(2, 5\)",
        ),
    ],
)
def test_layer_norm_names_what_does_not_fit(call, expected):
    with pytest.raises(ValueError, match=expected):
        call()


# Sequential


def test_sequential_composes_modules_and_functions():
    net = nn.Sequential(Tensor.exp, lambda x: x + 1, nn.ReLU())
    assert net(Tensor([0.0])).tolist() == [2.0]
    assert nn.Sequential()(3) == 3


def test_sequential_is_a_sequence():
    first, second, third = nn.ReLU(), nn.Linear(2, 2), nn.Dropout(0.1)
    net = nn.Sequential(first, second, third)
    assert len(net) == 3
    assert list(net) == [first, second, third]
    assert net[1] is second
    assert net[-1] is third
    assert isinstance(net[:2], nn.Sequential)
    assert list(net[:2]) == [first, second]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((nn.ReLU,), "Sequential: layer 0 is the class ReLU; write ReLU()"),
        (
            ([nn.ReLU()],),
            "Sequential: expected modules or functions; got list as layer 0; "
            "write Sequential(*layers)",
        ),
        ((len, 3), "Sequential: expected modules or functions; got int as layer 1"),
    ],
)
def test_sequential_refuses_what_is_no_layer(layers, expected):
    with pytest.raises(TypeError) as caught:
        nn.Sequential(*layers)
    assert str(caught.value) == expected


# The input of every layer


@pytest.mark.parametrize(
    "layer", [nn.Linear(3, 2), nn.LayerNorm(3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5)]
)
@pytest.mark.parametrize(
    ("given", "got"), [([1.0, 2.0, 3.0], "list"), (np.ones((1, 3), np.complex64), "complex64")]
)
def test_layers_take_tensors_and_arrays_only(layer, given, got):
    assert layer(np.ones((1, 3), np.float32)).dtype == np.float32
    with pytest.raises(TypeError) as caught:
        layer(given)
    assert str(caught.value) == (
        f"{type(layer).__name__}: expected a Tensor or an ndarray of numbers; got {got}"
    )


LSTM, OTHER_LSTM = nn.LSTMCell(3, 2), nn.LSTMCell(1, 3)
CASTING = [
    *(nn.Linear(3, 2), nn.LayerNorm(3), lambda x: LSTM(x)[0]),
    lambda state: OTHER_LSTM(np.ones((3, 1), np.float32), (state, state))[1],
]


@pytest.mark.parametrize("layer", CASTING)
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_integers_are_cast_silently(layer, dtype):
    x = np.eye(3, dtype=dtype)
    expected = layer(np.eye(3, dtype=np.float32)).data
    for given in (x, Tensor(x)):
        y = layer(given)
        assert y.dtype == np.float32
        assert np.array_equal(y.data, expected)


@pytest.mark.parametrize("layer", CASTING)
def test_other_floats_are_cast_with_a_warning(layer):
    x = Tensor(np.eye(3), requires_grad=True)
    with pytest.warns(UserWarning, match=r"float64 input to the float32.*x\.astype\(np\.float32\)"):
        y = layer(x)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float64


# ReLU, Flatten


def test_relu():
    assert nn.ReLU()(Tensor([-1.0, 0.0, 2.0])).tolist() == [0, 0, 2]
    assert gradcheck(nn.ReLU(), [random(3, 2)])


def test_flatten_keeps_the_samples():
    assert nn.Flatten()(Tensor.ones(5, 1, 2, 3)).shape == (5, 6)
    assert nn.Flatten()(np.ones((5, 2, 2), np.uint8)).dtype == np.uint8


# Dropout


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dropout_scales_what_it_keeps(dtype):
    Tensor.manual_seed(0)
    y = nn.Dropout(0.2)(Tensor(np.ones(100_000, dtype)))
    assert y.dtype == dtype
    assert set(np.unique(y.data)) == {dtype(0), dtype(1.25)}
    # 5 standard deviations of a mean of 100,000 draws that are 1.25 or 0
    assert abs(y.data.mean(dtype=float) - 1) < 5 * 1.25 * np.sqrt(0.2 * 0.8 / 100_000)


def test_dropout_does_nothing_in_eval_nor_with_p_0():
    x = Tensor.ones(3)
    assert nn.Dropout(0.9).eval()(x) is x
    assert nn.Dropout(0)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="p: expected a number from 0 to 1; got"):
        nn.Dropout(p)


# dtype= of layers with parameters

OF_DTYPE = {
    nn.AdaptiveLogSoftmaxWithLoss: (8, 6, [2]),
    nn.Bilinear: (2, 3, 4),
    nn.Embedding: (4, 3),
    nn.EmbeddingBag: (4, 3),
    nn.GroupNorm: (2, 4),
    nn.LayerNorm: (4,),
    nn.Linear: (3, 2),
    nn.LinearCrossEntropyLoss: (3, 2),
    nn.MultiheadAttention: (4, 2),
    nn.PReLU: (),
    nn.RMSNorm: (4,),
    **{getattr(nn, f"BatchNorm{rank}d"): (4,) for rank in (1, 2, 3)},
    **{getattr(nn, f"Conv{rank}d"): (2, 3, 1) for rank in (1, 2, 3)},
    **{getattr(nn, f"ConvTranspose{rank}d"): (2, 3, 1) for rank in (1, 2, 3)},
    **{getattr(nn, f"InstanceNorm{rank}d"): (4,) for rank in (1, 2, 3)},
    **dict.fromkeys((nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell), (3, 2)),
    nn.Transformer: (4, 2, 1, 1, 3),
    **dict.fromkeys((nn.TransformerEncoderLayer, nn.TransformerDecoderLayer), (4, 2, 3)),
}


def test_these_are_the_layers_that_take_a_dtype():
    layers = [getattr(nn, name) for name in nn.layers.__all__]
    assert {each for each in layers if "dtype" in inspect.signature(each).parameters} == {*OF_DTYPE}


@pytest.mark.parametrize(
    ("dtype", "got"),
    [
        ("real", "'real'"),
        (int, "the class int"),
        (np.dtype(bool), "dtype bool"),
        (complex, "the class complex"),
        (3, "3"),
    ],
)
@each(of=OF_DTYPE.items())
def test_a_layer_names_a_dtype_that_it_cannot_have(of, dtype, got):
    layer, args = of
    with pytest.raises(TypeError) as caught:
        layer(*args, dtype=dtype)
    expected = "dtype: expected a float dtype, such as np.float32"
    assert str(caught.value) == f"{layer.__name__}: {expected}; got {got}"


@each(of=OF_DTYPE.items(), dtype=["float64", np.float16, None])
def test_a_layer_is_made_in_its_dtype(of, dtype):
    layer, args = of
    tensors = [*layer(*args, dtype=dtype).parameters()]
    assert all(each.dtype == (dtype or np.float32) for each in tensors)


def test_a_wrong_dtype_is_refused_even_without_parameters():
    with pytest.raises(TypeError, match=r"^InstanceNorm1d: dtype: expected a float dtype"):
        nn.InstanceNorm1d(4, dtype=int)
    with pytest.raises(TypeError, match=r"^LayerNorm: dtype: expected a float dtype"):
        nn.LayerNorm(4, elementwise_affine=False, dtype=int)


def test_a_head_of_the_width_of_the_old_one():
    model = nn.Sequential({"body": nn.Linear(3, 4), "fc": nn.Linear(4, 10)})
    model.fc = nn.Linear(model.fc.in_features, 2)
    assert model(Tensor.zeros(5, 3)).shape == (5, model.fc.out_features)
    layer = nn.Bilinear(2, 3, 4)
    assert (layer.in1_features, layer.in2_features, layer.out_features) == (2, 3, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: nn.Bilinear(4, 4, 1)(x, None), "Bilinear: input2: "),
        (lambda x: nn.CosineSimilarity()(x, "x"), "CosineSimilarity: x2: "),
        (lambda x: nn.PairwiseDistance()(x, 3), "PairwiseDistance: x2: "),
        (lambda x: nn.MultiheadAttention(4, 1)(x, None, x), "MultiheadAttention: key: "),
        (lambda x: nn.MultiheadAttention(4, 1)(x, x, [1]), "MultiheadAttention: value: "),
        (lambda x: nn.Transformer(4, 1, 1, 1, 4)(x, None), "Transformer: tgt: "),
        (lambda x: nn.LSTM(4, 4)(x, (None, None)), "LSTM: hx: h: "),
        (lambda x: nn.LSTM(4, 4)(x, (Tensor.zeros(1, 4), 0)), "LSTM: hx: c: "),
        (lambda x: nn.GRUCell(4, 4)(x, "h"), "GRUCell: hx: "),
        (lambda x: nn.LSTMCell(4, 4)(x, (x, None)), "LSTMCell: hx: c: "),
        (lambda x: nn.MaxUnpool1d(2)(x, None), "MaxUnpool1d: indices: "),
    ],
)
def test_an_argument_that_is_no_tensor_is_named(call, message):
    with pytest.raises(TypeError) as caught:
        call(Tensor.ones(2, 4))
    assert str(caught.value).startswith(f"{message}expected a Tensor or an ndarray of numbers; got")
