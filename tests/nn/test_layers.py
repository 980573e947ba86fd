"""Layers: values by hand, gradients by finite differences, shapes, dtypes, errors."""

import numpy as np
import pytest

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
    with pytest.raises(ValueError, match="1 or more; got 0 and 3"):
        nn.Linear(0, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_linear_casts_integers_without_a_word(dtype):
    x = np.eye(3, dtype=dtype)
    layer = nn.Linear(3, 2)
    expected = layer(Tensor.ones(3, 3) * np.eye(3, dtype=np.float32)).data
    for given in (x, Tensor(x)):
        y = layer(given)
        assert y.dtype == np.float32
        assert np.array_equal(y.data, expected)


def test_linear_warns_of_other_floats_and_casts_them():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.warns(UserWarning, match=r"float64 input to the float32.*x\.astype\(np\.float32\)"):
        y = nn.Linear(3, 2)(x)
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float64


def test_linear_in_float64():
    layer = nn.Linear(3, 2)
    for parameter in layer.parameters():
        parameter.data = parameter.data.astype(np.float64)
    assert layer(np.ones((1, 3))).dtype == np.float64


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


@pytest.mark.parametrize("layer", [nn.Linear(3, 2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5)])
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


# ReLU, Flatten


def test_relu():
    assert nn.ReLU()(Tensor([-1.0, 0.0, 2.0])).tolist() == [0, 0, 2]
    assert gradcheck(nn.ReLU(), [random(3, 2)])


def test_flatten_keeps_the_samples():
    assert nn.Flatten()(Tensor.ones(5, 1, 2, 3)).shape == (5, 6)
    assert nn.Flatten()(np.ones((5, 2, 2), np.uint8)).dtype == np.uint8


# Dropout


def test_dropout_scales_what_it_keeps():
    Tensor.manual_seed(0)
    y = nn.Dropout(0.2)(Tensor.ones(100_000))
    assert set(np.unique(y.data)) == {np.float32(0), np.float32(1.25)}
    # 5 standard deviations of a mean of 100,000 draws that are 1.25 or 0
    assert abs(y.data.mean() - 1) < 5 * 1.25 * np.sqrt(0.2 * 0.8 / 100_000)


def test_dropout_is_decided_by_the_seed():
    def draw():
        return nn.Dropout(0.5)(Tensor.ones(50)).tolist()

    Tensor.manual_seed(7)
    first, second = draw(), draw()
    Tensor.manual_seed(7)
    assert draw() == first != second


def test_dropout_does_nothing_in_eval_nor_with_p_0():
    x = Tensor.ones(3)
    assert nn.Dropout(0.9).eval()(x) is x
    assert nn.Dropout(0)(x) is x


def test_dropout_with_p_1_gives_zeros_and_no_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = nn.Dropout(1)(x)
    assert y.tolist() == [0, 0]
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="expected a probability p from 0 to 1; got"):
        nn.Dropout(p)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dropout_keeps_the_dtype_and_scales_in_it(dtype):
    Tensor.manual_seed(1)
    y = nn.Dropout(0.3)(Tensor(np.ones(50, dtype)))
    assert y.dtype == dtype
    assert y.data.max() == dtype(1 / 0.7)


def test_dropout_gradient_has_the_mask_of_the_forward():
    layer = nn.Dropout(0.5)

    def seeded(x):
        Tensor.manual_seed(2)
        return layer(x)

    assert gradcheck(seeded, [random(4, 3)])
