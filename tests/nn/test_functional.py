"""nn.functional: PyTorch's order of arguments and its defaults, by formulas in NumPy."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import nn
import nn.functional as F
from tinygrad_lite import Tensor, gradcheck

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
IMAGES = RNG.standard_normal((2, 4, 6, 7))
LABELS = np.array([2, 0, 1, 2])


def close(found, expected):
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)


def test_linear_takes_the_weight_as_out_by_in():
    w, b = RNG.standard_normal((2, 3)), RNG.standard_normal(2)
    close(F.linear(X, Tensor(w), Tensor(b)), X @ w.T + b)
    close(F.linear(Tensor(X), Tensor(w[0])), X @ w[0])


def test_gelu_is_exact_and_softplus_has_a_threshold():
    close(F.gelu(Tensor(X)), X * special.ndtr(X))
    close(F.softplus(np.array([1.0, 25.0])), [np.log1p(np.e), 25.0])
    close(F.softplus(np.array([1.0]), 2.0), [np.log1p(np.exp(2)) / 2])
    close(F.softplus(np.array([1.0]), 2.0, 1.5), [1.0])


def test_dim_is_second_and_missing_chooses_one():
    close(F.softmax(X, 1), special.softmax(X, 1))
    close(F.log_softmax(X, 0), special.log_softmax(X, 0))
    with pytest.warns(UserWarning, match="^softmax without dim takes axis 1 here"):
        close(F.softmax(X), special.softmax(X, 1))


def test_stride_and_padding_come_before_groups_and_dilation():
    kernel = np.zeros((4, 1, 3, 3))
    kernel[:, 0, 1, 1] = [1, 2, 3, 4]
    found = F.conv2d(Tensor(IMAGES), Tensor(kernel), None, 2, 1, 1, 4)
    close(found, IMAGES[:, :, ::2, ::2] * np.arange(1, 5)[:, None, None])
    found = F.conv_transpose2d(Tensor(IMAGES), Tensor(kernel), None, 2, 1, 0, 4)
    assert found.shape == (2, 4, 11, 13)
    close(found[:, :, ::2, ::2], IMAGES * np.arange(1, 5)[:, None, None])


def test_pools_by_position():
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (2, 2), (2, 3))
    close(F.max_pool2d(IMAGES, 2, 1), windows.max((-2, -1)))
    close(F.avg_pool2d(IMAGES, 2, 1), windows.mean((-2, -1)))
    close(F.max_pool2d(IMAGES, 2, 2, 0, 1, True), F.max_pool2d(IMAGES, 2, ceil_mode=True).numpy())
    y, index = F.max_pool2d(IMAGES, 2, return_indices=True)
    back = F.max_unpool2d(y, index, 2, output_size=IMAGES.shape)
    kept = back.numpy() != 0
    assert kept.sum() == y.numel()
    assert np.array_equal(back.numpy()[kept], IMAGES[kept])


def test_interpolate_takes_the_nearest():
    close(F.interpolate(IMAGES, scale_factor=2), IMAGES.repeat(2, 2).repeat(2, 3))
    close(F.upsample_nearest(IMAGES, (12, 14)), IMAGES.repeat(2, 2).repeat(2, 3))


def test_pad_has_the_last_axis_first():
    padded = np.pad(IMAGES, ((0, 0), (0, 0), (3, 4), (1, 2)), constant_values=7)
    close(F.pad(IMAGES, (1, 2, 3, 4), "constant", 7), padded)
    close(F.pad(X, (1, 0)), np.pad(X, ((0, 0), (1, 0))))


def test_losses_by_position():
    weight = np.array([1.0, 0.5, 3.0])
    logs = special.log_softmax(X, 1)[np.arange(4), LABELS]
    close(F.cross_entropy(X, LABELS, weight), -(logs * weight[LABELS]).sum() / weight[LABELS].sum())
    close(F.cross_entropy(X, LABELS, None, None, 2, None, "sum"), -logs[1:3].sum())
    close(F.mse_loss(X, X + 2, None, None, "sum"), 48)
    close(F.huber_loss(X, X + 2, "mean", 0.5), 0.5 * (2 - 0.25))
    p = special.expit(X)
    bits = (X > 0).astype(float)
    close(
        F.binary_cross_entropy(p, bits, weight),
        (-np.log(np.where(X > 0, p, 1 - p)) * weight).mean(),
    )
    with pytest.raises(TypeError) as caught:
        F.mse_loss(X, X, False)
    assert str(caught.value) == (
        'mse_loss: size_average: expected None; got False; write reduction="mean", "sum" or "none"'
    )


def test_attention_has_scale_by_name():
    scores = X @ X.T * 0.3
    close(F.scaled_dot_product_attention(X, X, X, scale=0.3), special.softmax(scores, 1) @ X)


def test_normalize_and_distances():
    close(F.normalize(X), X / np.linalg.norm(X, axis=1, keepdims=True))
    close(F.normalize(X, 1, 0), X / np.abs(X).sum(0))
    close(F.pairwise_distance(X, X[::-1], 1, 0.0), np.abs(X - X[::-1]).sum(1))


def test_batch_norm_updates_what_runs_along():
    mean, variance = np.zeros(4), Tensor.ones(4, dtype=np.float64)
    means, count = IMAGES.mean((0, 2, 3)), IMAGES[:, 0].size
    spread = IMAGES.var((0, 2, 3))
    expected = (IMAGES - means[:, None, None]) / np.sqrt(spread + 1e-5)[:, None, None]
    close(F.batch_norm(IMAGES, mean, variance, training=True, momentum=0.25), expected)
    np.testing.assert_allclose(mean, 0.25 * means)
    close(variance, 0.75 + 0.25 * spread * count / (count - 1))
    still = mean.copy()
    found = F.batch_norm(IMAGES, mean, variance)
    assert np.array_equal(mean, still)
    scale = np.sqrt(variance.numpy() + 1e-5)
    close(found, (IMAGES - mean[:, None, None]) / scale[:, None, None])


def test_layer_norm_takes_the_shape_second():
    weight, bias = RNG.standard_normal((2, 3))
    spread = np.sqrt(X.var(1, keepdims=True) + 0.1)
    expected = (X - X.mean(1, keepdims=True)) / spread * weight + bias
    close(F.layer_norm(X, (3,), weight, Tensor(bias), 0.1), expected)


def test_dropout_is_on_by_default():
    Tensor.manual_seed(0)
    found = F.dropout(np.ones(10000), 0.2).numpy()
    assert set(np.unique(found)) == {0.0, 1.25}
    assert found.mean() == pytest.approx(1, abs=0.03)
    assert np.array_equal(F.dropout(X, training=False).numpy(), X)


def test_gumbel_softmax_draws_categories():
    Tensor.manual_seed(0)
    logits = Tensor(np.tile([0.0, 1.0, -1.0], (10000, 1)), requires_grad=True)
    found = F.gumbel_softmax(logits, hard=True)
    expected = special.softmax([0.0, 1.0, -1.0])
    np.testing.assert_allclose(found.numpy().mean(0), expected, atol=0.02)
    assert np.array_equal(np.sort(found.numpy(), 1), np.tile([0.0, 0.0, 1.0], (10000, 1)))
    found[:, 0].sum().backward()
    Tensor.manual_seed(0)
    soft = F.gumbel_softmax(logits.data).numpy()
    np.testing.assert_allclose(logits.grad.numpy()[:, 1], -soft[:, 0] * soft[:, 1], atol=1e-12)
    assert F.gumbel_softmax(Tensor.zeros(2, 3), dim=0).dtype == np.float32


@pytest.mark.parametrize("name", ["relu", "elu", "silu", "mish", "selu", "hardswish", "dropout"])
def test_in_place(name):
    function = getattr(F, name)
    options = {"p": 0.0} if name == "dropout" else {}
    expected = function(X, **options).numpy()
    x = Tensor(X)
    memory = x.data
    assert function(x, inplace=True, **options) is x
    assert x.data is memory
    close(x, expected)

    def f(leaf):
        hidden = leaf * 1.0
        function(hidden, inplace=True, **options)
        return hidden * hidden

    assert gradcheck(f, [Tensor(X + 0.01, requires_grad=True)])


def test_an_array_may_be_written_in_place():
    array = X.copy()
    F.relu_(array)
    assert np.array_equal(array, np.maximum(X, 0))
    with pytest.raises(RuntimeError, match="a leaf that requires grad cannot be written in place"):
        F.relu_(Tensor(X, requires_grad=True))


def test_a_write_that_backward_would_miss_is_refused():
    x = Tensor(X, requires_grad=True)
    y = x.exp()
    loss = y.sum()
    F.relu(y - 1, inplace=True)  # nothing else reads y - 1
    F.relu_(y)
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()


REFUSED = [
    (lambda: F.relu([1.0]), "relu: expected a Tensor or an ndarray of numbers; got list"),
    (lambda: F.relu(X, inplace=1), "relu: inplace: expected True or False; got 1"),
    (
        lambda: F.interpolate(IMAGES, 3, antialias=True),
        "interpolate: antialias: expected False, the only choice here; got True",
    ),
    (
        lambda: F.normalize(X, out=X),
        "normalize: out: expected None, the only choice here; got ndarray of shape (4, 3), float64",
    ),
    (
        lambda: F.mse_loss(X, X[0]),
        "mse_loss: expected target of the prediction's shape (4, 3); got (3,); "
        "a loss never broadcasts",
    ),
    (lambda: F.layer_norm(X, 4), "layer_norm: expected (..., 4); got (4, 3)"),
    (
        lambda: F.interpolate(IMAGES, 3, mode="lanczos"),
        'interpolate: mode: expected "nearest", "nearest-exact", "linear", "bilinear", '
        '"trilinear", "bicubic" or "area"; got \'lanczos\'',
    ),
    (lambda: F.bilinear(X, X, X), "bilinear: expected a weight (out, in1, in2); got (4, 3)"),
    (
        lambda: F.embedding([1], X),
        "embedding: expected a Tensor or an ndarray of numbers; got list",
    ),
    (
        lambda: F.batch_norm([1.0], None, None),
        "batch_norm: expected a Tensor or an ndarray of numbers; got list",
    ),
    (
        lambda: F.gumbel_softmax(X, tau=0),
        "gumbel_softmax: tau: expected a number above 0; got 0",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[text for _, text in REFUSED])
def test_refused(call, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ctc_loss", "it does not exist here"),
        (
            "pdist",
            "here it is pairwise_distance(x[i], x[j], eps=0) "
            "with i, j = np.triu_indices(len(x), 1)",
        ),
        ("max_pool2d_with_indices", "here it is max_pool2d(..., return_indices=True)"),
        ("cros_entropy", "did you mean cross_entropy?"),
    ],
)
def test_missing_names_say_what_to_write(name, hint):
    with pytest.raises(AttributeError) as caught:
        getattr(F, name)
    assert str(caught.value) == f"module 'nn.functional' has no attribute {name!r}; {hint}"


def test_what_the_errors_say_to_write_is_right():
    i, j = np.triu_indices(4, 1)
    found = F.pairwise_distance(X[i], X[j], eps=0)
    close(found, [np.linalg.norm(X[a] - X[b]) for a in range(4) for b in range(a + 1, 4)])


@pytest.mark.parametrize("name", F.__all__)
def test_each_says_in_one_line_what_it_is(name):
    function = getattr(F, name)
    line = inspect.getdoc(function).splitlines()[0]
    assert line.endswith(".")
    for owner, attribute in re.findall(r"`(Tensor|nn)\.(\w+)`", line):
        assert hasattr({"Tensor": Tensor, "nn": nn}[owner], attribute)
    hints = inspect.get_annotations(function)
    assert set(hints) == {*inspect.signature(function).parameters, "return"}


def test_it_is_imported_when_it_is_used():
    code = (
        "import sys, nn; assert 'nn.functional' not in sys.modules; "
        "assert nn.functional.relu is sys.modules['nn.functional'].relu"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
