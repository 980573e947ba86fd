"""Normalising layers beside NumPy's formulas in float64: values, running averages, errors."""

import math
import re

import numpy as np
import pytest

import nn
from nn.layers.batch_normalisation import batch_norm, instance_norm
from nn.layers.normalisation import group_norm, layer_norm, local_response_norm, rms_norm
from tinygrad_lite import Tensor, grad, gradcheck, gradgradcheck, no_grad

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((4, 3, 5, 6)) * 2 + 1


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def standard(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def per_channel(w):
    return np.asarray(w)[:, None, None]


def double(layer):
    """The layer with everything in float64."""
    for tensor in nn.state.get_state_dict(layer).values():
        if tensor.dtype.kind == "f":
            tensor.data = tensor.data.astype(np.float64)
    return layer


def refused(call, message, error=ValueError):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


# Values


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
def test_batch_norm_in_training_and_in_evaluation(layout):
    layer = double(nn.BatchNorm2d(3))
    layer.weight.data[:], layer.bias.data[:] = [2, 3, 4], [5, 6, 7]
    x = layout(IMAGES)
    expected = standard(IMAGES, (0, 2, 3)) * per_channel([2, 3, 4]) + per_channel([5, 6, 7])
    np.testing.assert_allclose(layer(Tensor.from_array(x)).data, expected, rtol=1e-12)
    mean = 0.1 * IMAGES.mean((0, 2, 3))
    var = 0.9 + 0.1 * IMAGES.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-12)
    assert layer.num_batches_tracked.data == 1
    normal = (IMAGES - per_channel(mean)) / np.sqrt(per_channel(var) + 1e-5)
    expected = normal * per_channel([2, 3, 4]) + per_channel([5, 6, 7])
    np.testing.assert_allclose(layer.eval()(Tensor.from_array(x)).data, expected, rtol=1e-12)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-12)
    assert layer.num_batches_tracked.data == 1


def test_hand_computed_numbers():
    layer = nn.BatchNorm1d(1, eps=0.0)
    y = layer(Tensor([[1.0], [3.0]]))
    assert y.tolist() == [[-1.0], [1.0]]
    np.testing.assert_allclose(layer.running_mean.data, [0.2])
    np.testing.assert_allclose(layer.running_var.data, [0.9 + 0.1 * 2])
    assert nn.RMSNorm(2, eps=0.0)(Tensor([[3.0, 3.0]])).tolist() == [[1.0, 1.0]]
    assert nn.GroupNorm(1, 2, eps=0.0)(Tensor([[1.0, 3.0]])).tolist() == [[-1.0, 1.0]]
    y = nn.LocalResponseNorm(3, alpha=3.0, beta=1.0)(Tensor([[[1.0], [2.0], [0.0]]]))
    np.testing.assert_allclose(y.data, [[[1 / 6], [2 / 6], [0.0]]], rtol=1e-6)


def test_running_averages_after_several_steps():
    slow, all_alike = (
        double(nn.BatchNorm1d(2, momentum=0.3)),
        double(nn.BatchNorm1d(2, momentum=None)),
    )
    mean, var, batches = np.zeros(2), np.ones(2), []
    for step in range(5):
        x = RNG.standard_normal((6, 2)) + step
        batches.append(x)
        for layer in (slow, all_alike):
            layer(Tensor(x))
        mean, var = 0.7 * mean + 0.3 * x.mean(0), 0.7 * var + 0.3 * x.var(0, ddof=1)
    np.testing.assert_allclose(slow.running_mean.data, mean, rtol=1e-12)
    np.testing.assert_allclose(slow.running_var.data, var, rtol=1e-12)
    means = [x.mean(0) for x in batches]
    np.testing.assert_allclose(all_alike.running_mean.data, np.mean(means, 0), rtol=1e-12)
    variances = [x.var(0, ddof=1) for x in batches]
    np.testing.assert_allclose(all_alike.running_var.data, np.mean(variances, 0), rtol=1e-12)
    assert all_alike.num_batches_tracked.tolist() == 5
    all_alike.reset_running_stats()
    assert all_alike.running_mean.tolist() == [0, 0]
    assert all_alike.running_var.tolist() == [1, 1]
    assert all_alike.num_batches_tracked.tolist() == 0


def test_without_running_averages_evaluation_uses_the_batch():
    layer = nn.BatchNorm2d(3, affine=False, track_running_stats=False).eval()
    assert nn.state.get_state_dict(layer) == {}
    assert list(layer.parameters()) == []
    y = layer(Tensor(IMAGES))
    np.testing.assert_allclose(y.data, standard(IMAGES, (0, 2, 3)), rtol=1e-12, atol=1e-14)


def test_track_running_stats_set_to_false_later_freezes_the_averages():
    layer = double(nn.BatchNorm2d(3))
    layer.track_running_stats = False
    layer(Tensor(IMAGES))
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.num_batches_tracked.tolist() == 0
    y = layer.eval()(Tensor(IMAGES))  # evaluation uses them still
    np.testing.assert_allclose(y.data, IMAGES / np.sqrt(1 + 1e-5), rtol=1e-12)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
def test_instance_and_group_norm(layout):
    x = layout(IMAGES)
    y = nn.InstanceNorm2d(3)(Tensor.from_array(x))
    np.testing.assert_allclose(y.data, standard(IMAGES, (2, 3)), rtol=1e-12, atol=1e-13)
    one = nn.InstanceNorm2d(3)(Tensor.from_array(x[0]))
    np.testing.assert_allclose(one.data, y.data[0], rtol=1e-12, atol=1e-13)
    x = RNG.standard_normal((3, 6, 2, 4))
    layer = double(nn.GroupNorm(2, 6))
    layer.weight.data[:], layer.bias.data[:] = np.arange(6), np.arange(6) - 3
    expected = standard(x.reshape(3, 2, 3, 2, 4), (2, 3, 4)).reshape(x.shape)
    expected = expected * per_channel(np.arange(6)) + per_channel(np.arange(6) - 3)
    y = layer(Tensor.from_array(layout(x)))
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-13)


def test_instance_norm_averages_over_the_samples():
    layer = double(nn.InstanceNorm2d(3, track_running_stats=True, momentum=0.25))
    layer(Tensor(IMAGES))
    mean = 0.25 * IMAGES.mean((2, 3)).mean(0)
    var = 0.75 + 0.25 * IMAGES.var((2, 3), ddof=1).mean(0)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-12)
    y = layer.eval()(Tensor(IMAGES[0]))
    expected = (IMAGES[0] - per_channel(mean)) / np.sqrt(per_channel(var) + 1e-5)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-13)


def test_rms_norm_and_local_response_norm():
    x = RNG.standard_normal((2, 3, 4))
    y = nn.RMSNorm((3, 4), elementwise_affine=False)(Tensor(x))
    eps = np.finfo(np.float64).eps
    expected = x / np.sqrt((x * x).mean((1, 2), keepdims=True) + eps)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)
    x = RNG.standard_normal((2, 5, 3))
    for size in (1, 2, 3, 4, 7):
        squares = np.zeros((2, 5 + size, 3))
        squares[:, size // 2 : size // 2 + 5] = x * x
        mean = np.mean([squares[:, k : k + 5] for k in range(size)], 0)
        y = nn.LocalResponseNorm(size, 0.5, 0.7, 2.0)(Tensor(x))
        np.testing.assert_allclose(y.data, x / (2 + 0.5 * mean) ** 0.7, rtol=1e-12)


def test_the_functions_are_the_formulas_of_the_layers():
    x, w, b = (
        Tensor(IMAGES),
        Tensor([1.0, 2.0, 3.0], np.float64),
        Tensor([3.0, 4.0, 5.0], np.float64),
    )
    scaled = standard(IMAGES, (0, 2, 3)) * per_channel(w.data) + per_channel(b.data)
    y = batch_norm(x, None, None, w, b, True)
    np.testing.assert_allclose(y.data, scaled, rtol=1e-12)
    mean, var = Tensor(np.zeros(3)), Tensor(np.ones(3))
    batch_norm(x, mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose(mean.data, IMAGES.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(var.data, IMAGES.var((0, 2, 3), ddof=1), rtol=1e-12)
    np.testing.assert_allclose(batch_norm(x, mean, var).data.std((0, 2, 3), ddof=1), 1, rtol=1e-4)
    np.testing.assert_allclose(instance_norm(x).data, group_norm(x, 3).data, rtol=1e-12)
    np.testing.assert_allclose(
        layer_norm(x, (5, 6)).data, standard(IMAGES, (2, 3)), rtol=1e-12, atol=1e-13
    )
    root = np.sqrt((IMAGES**2).mean(-1, keepdims=True) + 1.0)
    np.testing.assert_allclose(rms_norm(x, 6, eps=1.0).data, IMAGES / root, rtol=1e-12)
    assert local_response_norm(x, 2).shape == x.shape


def test_running_averages_in_arrays_are_written():
    mean, var = np.zeros(3), np.ones(3)
    y = batch_norm(IMAGES, mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose(mean, IMAGES.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(var, IMAGES.var((0, 2, 3), ddof=1), rtol=1e-12)
    np.testing.assert_allclose(y.data, standard(IMAGES, (0, 2, 3)), rtol=1e-12, atol=1e-13)
    assert batch_norm(IMAGES, mean, var).shape == IMAGES.shape


# Gradients

LAYERS = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "BatchNorm1d of sequences": (lambda: nn.BatchNorm1d(3), (2, 3, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (2, 2, 2, 3)),
    "BatchNorm2d in evaluation": (lambda: nn.BatchNorm2d(2).eval(), (2, 2, 2, 3)),
    "BatchNorm2d, plain, in evaluation": (
        lambda: nn.BatchNorm2d(2, affine=False).eval(),
        (2, 2, 1, 3),
    ),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2, affine=False), (2, 2, 1, 3, 2)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(2, affine=True), (2, 2, 2, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "LayerNorm": (lambda: nn.LayerNorm(4), (3, 4)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (3, 4)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2, 0.5), (2, 3, 2)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_and_second_order(name):
    make, shape = LAYERS[name]
    layer = double(make())
    rng = np.random.default_rng(1)
    parameters = list(layer.parameters())
    for parameter in parameters:
        parameter.data = rng.uniform(0.5, 1.5, parameter.shape)
    inputs = [Tensor(rng.standard_normal(shape), requires_grad=True), *parameters]
    assert gradcheck(lambda x, *_: layer(x), inputs)
    assert gradgradcheck(lambda x, *_: layer(x), inputs)


def test_frozen_parameters_get_no_gradient_and_change_no_other():
    def gradients(frozen):
        layer = double(nn.BatchNorm2d(3))
        for name in frozen:
            getattr(layer, name).requires_grad_(False)
        x = Tensor(IMAGES, requires_grad=True)
        layer(x).backward(np.cos(IMAGES))
        return x.grad, layer.weight.grad, layer.bias.grad

    everything = gradients([])
    for frozen in (["weight"], ["bias"], ["weight", "bias"]):
        found = gradients(frozen)
        for name, one, other in zip(["x", "weight", "bias"], found, everything, strict=True):
            assert (one is None) == (name in frozen)
            if one is not None:
                np.testing.assert_array_equal(one.data, other.data)


def test_a_layer_used_twice_in_a_step():
    layer = double(nn.BatchNorm1d(2))
    a, b = (Tensor(RNG.standard_normal((5, 2)), requires_grad=True) for _ in range(2))
    weights = RNG.standard_normal((2, 5, 2))
    loss = (layer(a) * weights[0]).sum() + (layer(b) * weights[1]).sum()
    loss.backward()
    expected = sum((standard(x.data, 0) * w).sum(0) for x, w in zip((a, b), weights, strict=True))
    np.testing.assert_allclose(layer.weight.grad.data, expected, rtol=1e-12)
    assert layer.num_batches_tracked.tolist() == 2
    step = layer(layer(a))  # and of its own result
    (g,) = grad((step**2 * weights[0]).sum(), [a])
    assert np.isfinite(g.data).all()


def test_an_update_of_the_averages_breaks_no_graph():
    """A pass in evaluation whose backward comes after a step in training."""
    layer = double(nn.BatchNorm1d(2))
    x = Tensor(RNG.standard_normal((5, 2)), requires_grad=True)
    y = layer.eval()(x)
    layer.train()(Tensor(RNG.standard_normal((5, 2)) + 9))
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data, 1 / np.sqrt(1 + 1e-5), rtol=1e-12)


def test_who_read_an_average_in_a_graph_hears_of_the_change():
    layer = nn.BatchNorm1d(2)
    w = Tensor([1.0, 2.0], requires_grad=True)
    product = w * layer.running_mean
    layer(Tensor(RNG.standard_normal((5, 2)).astype(np.float32)))
    with pytest.raises(RuntimeError, match="changed"):
        product.sum().backward()


def test_averages_are_outside_the_graph_and_keep_their_memory():
    layer = nn.BatchNorm2d(3)
    tensor, memory = layer.running_mean, layer.running_mean.data
    for context in (no_grad(), no_grad(), None):
        if context is None:
            layer(Tensor(IMAGES.astype(np.float32), requires_grad=True))
        else:
            with context:
                layer(Tensor(IMAGES.astype(np.float32)))
        assert layer.running_mean is tensor
        assert tensor.data is memory
        assert not tensor.requires_grad
    assert layer.num_batches_tracked.tolist() == 3
    assert layer.num_batches_tracked.dtype == np.int64


# Dtypes


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_and_float16_is_computed_in_float32(name):
    make, shape = LAYERS[name]
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    layer = make()
    exact = layer(Tensor(x))
    assert exact.dtype == np.float32
    half = make()
    for tensor in nn.state.get_state_dict(half).values():
        if tensor.dtype.kind == "f":
            tensor.data = tensor.data.astype(np.float16)
    leaf = Tensor(x.astype(np.float16), requires_grad=True)
    y = half(leaf)
    y.sum().backward()
    assert y.dtype == leaf.grad.dtype == np.float16
    np.testing.assert_allclose(y.data, exact.data, rtol=0, atol=5e-3)


def test_float16_statistics_do_not_overflow():
    x = np.full((64, 2, 40), 300.0, np.float16)
    x[::2] = -300
    y = nn.BatchNorm1d(2, affine=False)(Tensor(x))
    np.testing.assert_array_equal(np.abs(y.data), 1)
    y = nn.RMSNorm(40, elementwise_affine=False)(Tensor(x))
    np.testing.assert_array_equal(np.abs(y.data), 1)


def test_integers_and_arrays_are_taken():
    pixels = RNG.integers(0, 255, (4, 3, 5, 6)).astype(np.uint8)
    for layer in (nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.InstanceNorm2d(3), nn.RMSNorm(6)):
        assert layer(pixels).dtype == np.float32
        np.testing.assert_array_equal(layer(pixels).data, layer(Tensor(pixels)).data)
    assert nn.LocalResponseNorm(2)(pixels).dtype == np.float32


# State


def test_state_moves_to_another_layer():
    one, other = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    one(Tensor(IMAGES.astype(np.float32)))
    state = nn.state.get_state_dict(one)
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(state) == names
    assert [name for name, _ in one.named_parameters()] == names[:2]
    nn.state.load_state_dict(other, state)
    x = Tensor(IMAGES.astype(np.float32))
    np.testing.assert_array_equal(one.eval()(x).data, other.eval()(x).data)


def test_how_layers_are_shown():
    assert repr(nn.BatchNorm2d(3)).startswith(
        "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    )
    assert repr(nn.GroupNorm(1, 3, affine=False)) == "GroupNorm(1, 3, eps=1e-05, affine=False)"
    assert repr(nn.LocalResponseNorm(2)) == "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)"
    assert repr(nn.RMSNorm(2, elementwise_affine=False)) == (
        "RMSNorm((2,), eps=None, elementwise_affine=False)"
    )


# Errors


def test_a_batch_of_one_value_names_the_cure_and_writes_nothing():
    layer = nn.BatchNorm1d(3)
    refused(
        lambda: layer(Tensor.ones(1, 3)),
        "BatchNorm1d: batch_norm: expected more than one value for each channel in training; got "
        "(1, 3); leave out a last batch of one, with DataLoader(..., drop_last=True), or call "
        "eval() first",
    )
    assert layer.num_batches_tracked.tolist() == 0
    assert layer.running_var.tolist() == [1, 1, 1]
    assert layer.eval()(Tensor.ones(1, 3)).shape == (1, 3)
    assert nn.BatchNorm1d(3)(Tensor.ones(1, 3, 2)).shape == (1, 3, 2)


def test_an_empty_batch_changes_no_average():
    layer = nn.BatchNorm2d(3)
    y = layer(Tensor(np.zeros((0, 3, 2, 2), np.float32), requires_grad=True))
    assert y.shape == (0, 3, 2, 2)
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.running_var.tolist() == [1, 1, 1]
    y.sum().backward()
    assert layer.weight.grad.tolist() == [0, 0, 0]


def test_wrong_shapes():
    x = Tensor(IMAGES.astype(np.float32))
    refused(lambda: nn.BatchNorm2d(4)(x), "BatchNorm2d: expected (N, 4, H, W); got (4, 3, 5, 6)")
    refused(lambda: nn.BatchNorm2d(3)(x[0]), "BatchNorm2d: expected (N, 3, H, W); got (3, 5, 6)")
    refused(
        lambda: nn.BatchNorm1d(3)(x),
        "BatchNorm1d: expected (N, 3) or (N, 3, L); got (4, 3, 5, 6)",
    )
    refused(
        lambda: nn.BatchNorm1d(3)(x[0, 0, 0, :3]),
        "BatchNorm1d: expected (N, 3) or (N, 3, L); got (3,)",
    )
    refused(
        lambda: nn.InstanceNorm2d(4, affine=True)(x),
        "InstanceNorm2d: expected (N, 4, H, W) or (4, H, W); got (4, 3, 5, 6)",
    )
    with pytest.warns(UserWarning, match=r"expected \(N, 4, H, W\) or"):
        nn.InstanceNorm2d(4)(x)
    refused(
        lambda: nn.InstanceNorm1d(3)(Tensor.ones(2, 3, 1)),
        "InstanceNorm1d: instance_norm: expected more than one element for each channel of a "
        "sample; got (2, 3, 1), where all results would be 0",
    )
    refused(lambda: nn.GroupNorm(2, 4)(x), "GroupNorm: expected (N, 4, ...); got (4, 3, 5, 6)")
    refused(
        lambda: nn.GroupNorm(3, 3)(Tensor.ones(1, 3)),
        "GroupNorm: group_norm: expected more than one element in a group; got (1, 3) in 3 "
        "groups, whose variances are 0",
    )
    refused(lambda: nn.RMSNorm(5)(x), "RMSNorm: expected (..., 5); got (4, 3, 5, 6)")
    refused(
        lambda: nn.LocalResponseNorm(2)(Tensor.ones(2, 3)),
        "LocalResponseNorm: local_response_norm: expected (N, C, L, ...); got (2, 3)",
    )
    refused(
        lambda: batch_norm(x, None, None),
        "batch_norm: expected running_mean and running_var outside of training",
    )
    for function in (batch_norm, instance_norm):
        refused(
            lambda function=function: function(x, None, Tensor.ones(3)),
            f"{function.__name__}: expected both running_mean and running_var, or neither",
        )
    refused(
        lambda: batch_norm(x, None, None, Tensor.ones(2), training=True),
        "batch_norm: weight: expected (3,), a number for each channel of (4, 3, 5, 6); got (2,)",
    )
    refused(
        lambda: group_norm(x, 2),
        "group_norm: num_groups: expected a divisor of the 3 channels; got 2",
    )
    refused(lambda: group_norm(Tensor.ones(3), 1), "group_norm: expected (N, C, ...); got (3,)")


def test_wrong_options():
    refused(
        lambda: nn.BatchNorm2d(-1),
        "BatchNorm2d: num_features: expected an integer of 0 or more; got -1",
    )
    refused(
        lambda: nn.BatchNorm2d(3, momentum="0.1"),
        "BatchNorm2d: momentum: expected a number; got '0.1'",
        TypeError,
    )
    refused(
        lambda: nn.BatchNorm2d(3, affine=1),
        "BatchNorm2d: affine: expected True or False; got 1",
        TypeError,
    )
    refused(
        lambda: nn.GroupNorm(2, 3),
        "GroupNorm: num_groups: expected a divisor of the 3 channels; got 2",
    )
    refused(
        lambda: nn.LayerNorm(3, eps=-1.0),
        "LayerNorm: eps: expected a number of 0 or more; got -1.0",
    )
    refused(lambda: nn.RMSNorm(()), "RMSNorm: normalized_shape: expected one size or more; got ()")


# A small network


def test_training_in_float32_stays_with_float64():
    """A convolutional network with BatchNorm, a few steps: the drift is that of rounding."""

    def trained(dtype):
        Tensor.manual_seed(0)
        rng = np.random.default_rng(0)
        model = nn.Sequential(
            *(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 4)),
        )
        for tensor in nn.state.get_state_dict(model).values():
            if tensor.dtype.kind == "f":
                tensor.data = tensor.data.astype(dtype)
        optimizer = nn.optim.SGD(list(model.parameters()), lr=0.05, momentum=0.9)
        for _ in range(8):
            x = Tensor(rng.standard_normal((16, 1, 12, 12)).astype(dtype))
            loss = model(x).sparse_categorical_crossentropy(rng.integers(0, 4, 16))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return {name: t.data for name, t in nn.state.get_state_dict(model).items()}, loss.item()

    (single, loss), (double, exact) = trained(np.float32), trained(np.float64)
    assert loss == pytest.approx(exact, abs=2e-4)
    for name, array in single.items():
        most = np.abs(double[name]).max()
        np.testing.assert_allclose(array, double[name], rtol=0, atol=1e-3 * most, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_averages_of_huge_inputs_are_written_without_a_warning(dtype):
    # A warning is an error in these tests.  The variance of +-60,000 is inf in float16.
    most = np.finfo(dtype).max
    x = np.array([[most], [-most], [most]], dtype)
    layer = nn.BatchNorm1d(1, dtype=dtype)
    assert np.isfinite(layer(Tensor(x)).data).all()
    assert layer.running_var.tolist() == [math.inf]
    assert layer.running_var.dtype == dtype
    frozen = nn.BatchNorm1d(1, momentum=0.0, dtype=dtype)
    frozen(Tensor(np.array([[np.inf], [1.0]], dtype)))
    assert frozen.num_batches_tracked.item() == 1
    each = nn.InstanceNorm1d(1, track_running_stats=True, dtype=dtype)
    each(Tensor(np.stack([x.T, x.T])))
    assert each.running_var.tolist() == [math.inf]
