"""Convolutions as layers: against loops in NumPy, gradients, initial values, wrong options."""

from itertools import product

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, gradcheck

RNG = np.random.default_rng(8)
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
SIZES = {1: (7,), 2: (6, 5), 3: (4, 5, 3)}
MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def convolved(x, w, b, stride, dilation, groups):
    """The sum of the definition, window by window, for x that is padded already."""
    rank = w.ndim - 2
    spans = [(k - 1) * dilation + 1 for k in w.shape[2:]]
    count = [(n - s) // stride + 1 for n, s in zip(x.shape[2:], spans, strict=True)]
    y = np.zeros((len(x), len(w), *count))
    inner, outer = w.shape[1], len(w) // groups
    for position in product(*map(range, count)):
        window = tuple(
            slice(p * stride, p * stride + s, dilation)
            for p, s in zip(position, spans, strict=True)
        )
        for o in range(len(w)):
            first = o // outer * inner
            part = x[(slice(None), slice(first, first + inner), *window)]
            y[(slice(None), o, *position)] = (part * w[o]).sum(tuple(range(1, rank + 2)))
    return y + (0 if b is None else b.reshape(-1, *(1,) * rank))


def scattered(x, w, b, stride, dilation, groups):
    """The transpose: the kernel times each element of x, added where the windows stood."""
    rank = w.ndim - 2
    spans = [(k - 1) * dilation + 1 for k in w.shape[2:]]
    size = [(n - 1) * stride + s for n, s in zip(x.shape[2:], spans, strict=True)]
    inner, outer = len(w) // groups, w.shape[1]
    y = np.zeros((len(x), outer * groups, *size))
    for c, *position in product(range(len(w)), *map(range, x.shape[2:])):
        window = tuple(
            slice(p * stride, p * stride + s, dilation)
            for p, s in zip(position, spans, strict=True)
        )
        first = c // inner * outer
        pixel = x[(slice(None), c, *position)].reshape(-1, *(1,) * (rank + 1))
        y[(slice(None), slice(first, first + outer), *window)] += pixel * w[c]
    return y + (0 if b is None else b.reshape(-1, *(1,) * rank))


def parameters_of(layer):
    return layer.weight.numpy(), None if layer.bias is None else layer.bias.numpy()


OPTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"dilation": 2, "padding": 2},
    {"groups": 2, "bias": False},
    {"groups": 4, "stride": 2},
]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_convolution_by_loops(rank, options):
    layer = LAYERS[rank](4, 8, 2, dtype=np.float64, **options)
    x = RNG.standard_normal((2, 4, *SIZES[rank]))
    n = options.get("padding", 0)
    padded = np.pad(x, [(0, 0), (0, 0), *[(n, n)] * rank])
    choice = (options.get("stride", 1), options.get("dilation", 1), options.get("groups", 1))
    expected = convolved(padded, *parameters_of(layer), *choice)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer(x[1]).numpy(), expected[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_padding_modes(rank, mode):
    layer = LAYERS[rank](4, 2, 3, padding=2, padding_mode=mode, dtype=np.float64)
    x = RNG.standard_normal((2, 4, *SIZES[rank]))
    padded = np.pad(x, [(0, 0), (0, 0), *[(2, 2)] * rank], mode=MODES[mode])
    expected = convolved(padded, *parameters_of(layer), 1, 1, 1)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", ["zeros", *MODES])
def test_same_keeps_the_size_and_pads_once_more_after(mode):
    layer = nn.Conv2d(4, 2, (2, 4), padding="same", padding_mode=mode, dtype=np.float64)
    x = RNG.standard_normal((2, 4, 6, 5))
    padded = np.pad(x, [(0, 0), (0, 0), (0, 1), (1, 2)], mode=MODES.get(mode, "constant"))
    y = layer(x)
    assert y.shape == (2, 2, 6, 5)
    expected = convolved(padded, *parameters_of(layer), 1, 1, 1)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-13)


def test_valid_is_no_padding():
    layer = nn.Conv2d(4, 2, 3, stride=2, padding="valid", dtype=np.float64)
    x = RNG.standard_normal((2, 4, 6, 5))
    expected = convolved(x, *parameters_of(layer), 2, 1, 1)
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_transposed_convolution_by_loops(rank, options):
    layer = TRANSPOSED[rank](4, 8, 3, dtype=np.float64, **options)
    x = RNG.standard_normal((2, 4, *SIZES[rank]))
    choice = (options.get("stride", 1), options.get("dilation", 1), options.get("groups", 1))
    whole = scattered(x, *parameters_of(layer), *choice)
    n = options.get("padding", 0)
    expected = whole[(..., *[slice(n, size - n) for size in whole.shape[2:]])]
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer(x[1]).numpy(), expected[1], rtol=1e-12, atol=1e-13)


def test_output_size_selects_one_of_the_sizes_that_a_stride_merges():
    down = nn.Conv2d(3, 4, 3, stride=3, dtype=np.float64)
    up = nn.ConvTranspose2d(4, 3, 3, stride=3, dtype=np.float64)
    for height, width in product((6, 7, 8), repeat=2):
        x = RNG.standard_normal((2, 3, height, width))
        y = down(x)
        assert y.shape == (2, 4, 2, 2)
        for size in (x.shape, (height, width), [height, width]):
            assert up(y, size).shape == x.shape
        assert up(y[0], x.shape[1:]).shape == x.shape[1:]
        added = up(y, output_size=(height, width)).numpy()
        bias = up.bias.numpy().reshape(-1, 1, 1)
        np.testing.assert_allclose(added[:, :, :6, :6], up(y).numpy(), rtol=1e-12)
        assert np.all(added[:, :, 6:] == bias)
        assert np.all(added[:, :, :, 6:] == bias)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 4, (2, 3), (1, 2), (1, 2), 2, 2, dtype=np.float64),
        nn.Conv2d(2, 3, 2, padding=1, padding_mode="reflect", dtype=np.float64),
        nn.Conv1d(2, 3, 3, padding="same", padding_mode="circular", dtype=np.float64),
        nn.Conv3d(2, 2, 2, dtype=np.float64),
        nn.ConvTranspose1d(2, 3, 3, 2, 1, 1, dtype=np.float64),
        nn.ConvTranspose2d(2, 4, (2, 3), (1, 2), 1, (0, 1), 2, dtype=np.float64),
        nn.ConvTranspose3d(2, 2, 2, dtype=np.float64),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_gradients(layer):
    rank = len(layer.kernel_size)
    x = Tensor(RNG.standard_normal((2, 2, *SIZES[rank])), requires_grad=True)

    def run(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    assert gradcheck(run, [x, layer.weight, layer.bias])


def test_parameters_start_as_in_pytorch():
    Tensor.manual_seed(0)
    layer = nn.Conv2d(32, 64, 3, groups=2)
    assert [(n, p.shape, p.dtype) for n, p in layer.named_parameters()] == [
        ("weight", (64, 16, 3, 3), np.float32),
        ("bias", (64,), np.float32),
    ]
    bound = (16 * 9) ** -0.5
    assert 0.99 * bound < np.abs(layer.weight.numpy()).max() <= bound
    assert 0.9 * bound < np.abs(layer.bias.numpy()).max() <= bound
    layer = nn.ConvTranspose2d(64, 32, 3, groups=2)
    assert layer.weight.shape == (64, 16, 3, 3)
    assert 0.99 * bound < np.abs(layer.weight.numpy()).max() <= bound
    assert nn.Conv1d(1, 1, 1, bias=False).bias is None
    assert list(nn.state.get_state_dict(nn.Conv1d(1, 1, 1, bias=False))) == ["weight"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_of_the_weights_is_that_of_the_result(dtype):
    layer = nn.Conv2d(2, 3, 2, padding=1, padding_mode="reflect", dtype=dtype)
    y = layer(Tensor(np.ones((1, 2, 3, 3), dtype), requires_grad=True))
    assert y.dtype == dtype
    y.sum().backward()
    assert {p.grad.dtype for p in layer.parameters()} == {np.dtype(dtype)}
    assert layer(np.ones((1, 2, 3, 3), np.uint8)).dtype == dtype  # bytes of an image


def test_memory_in_channels_last_order_gives_the_same():
    layer = nn.Conv2d(3, 4, 3, padding=1, padding_mode="replicate", dtype=np.float64)
    x = RNG.standard_normal((2, 5, 6, 3)).transpose(0, 3, 1, 2)
    expected = layer(np.ascontiguousarray(x)).numpy()
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(3, 4, 3)])
def test_an_empty_batch_has_zero_gradients(layer):
    y = layer(Tensor.zeros(0, 3, 5, 5))
    assert y.shape[:2] == (0, 4)
    y.sum().backward()
    assert not layer.weight.grad.numpy().any()
    assert layer.weight.grad.shape == layer.weight.shape


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: nn.Conv2d(3, 8, 3, stride=2, padding="same"),
            "Conv2d: padding='same' needs stride 1; got (2, 2)",
        ),
        (
            lambda: nn.Conv2d(3, 8, 3, padding="full"),
            'Conv2d: padding: expected "same" or "valid"; got \'full\'',
        ),
        (
            lambda: nn.Conv2d(3, 8, 3, padding_mode="mirror"),
            'Conv2d: padding_mode: expected "zeros", "reflect", "replicate" or "circular"; '
            "got 'mirror'",
        ),
        (
            lambda: nn.Conv2d(3, 8, 3, groups=2),
            "Conv2d: expected in_channels and out_channels that groups=2 divides; got 3 and 8",
        ),
        (
            lambda: nn.Conv2d(3, 8, 0),
            "Conv2d: kernel_size: expected an integer of 1 or more; got 0",
        ),
        (
            lambda: nn.Conv2d(3, 8, (3, 3, 3)),
            "Conv2d: kernel_size: expected an integer or 2 of them; got (3, 3, 3)",
        ),
        (
            lambda: nn.Conv2d(3, 8, 3, padding=-1),
            "Conv2d: padding: expected an integer of 0 or more; got -1",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 8, 3, padding_mode="reflect"),
            "ConvTranspose2d: padding_mode: expected 'zeros'; got 'reflect'",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 8, 3, 2)(np.ones((1, 3, 4, 4), "f"), (11, 12)),
            "ConvTranspose2d: output_size: expected from [9, 9] to [10, 10]; got (11, 12)",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 8, 3, 2)(np.ones((1, 3, 4, 4), "f"), (9,)),
            "ConvTranspose2d: output_size: expected from [9, 9] to [10, 10]; got (9,)",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 8, 3, output_padding=1)(np.ones((1, 3, 4, 4), "f")),
            "ConvTranspose2d: conv_transpose2d: output_padding (1, 1) is not less than stride "
            "(1, 1) or dilation (1, 1)",
        ),
        (
            lambda: nn.Conv2d(3, 8, 3)(np.ones((1, 4, 5, 5), "f")),
            "Conv2d: conv2d: the weight (8, 3, 3, 3) takes 3 channels; got 4 in (1, 4, 5, 5)",
        ),
        (
            lambda: nn.Conv2d(3, 8, 3)(np.ones((5, 5), "f")),
            "Conv2d: conv2d: expected the input as (N, C, height, width); got (5, 5)",
        ),
        (
            lambda: nn.Conv2d(3, 8, 7)(np.ones((1, 3, 5, 5), "f")),
            "Conv2d: conv2d: a kernel over (7, 7) elements does not fit into a padded input of "
            "(5, 5)",
        ),
        (
            lambda: nn.Unfold(2)(np.ones((2, 3))),
            "Unfold: expected (N, C, H, W) or (C, H, W); got (2, 3)",
        ),
        (
            lambda: nn.Fold(4, 2)(np.ones((2, 7, 9))),
            "Fold: col2im: expected columns (N, C * 4 taps, 9 windows); got (2, 7, 9)",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=":") as caught:
        make()
    assert str(caught.value) == message


def test_unfold_and_a_product_are_a_convolution():
    layer = nn.Conv2d(3, 4, (2, 3), (2, 1), (1, 0), bias=False, dtype=np.float64)
    x = RNG.standard_normal((2, 3, 5, 6))
    columns = nn.Unfold((2, 3), padding=(1, 0), stride=(2, 1))(x)
    found = layer.weight.flatten(1) @ columns
    expected = convolved(
        np.pad(x, [(0, 0), (0, 0), (1, 1), (0, 0)]), layer.weight.numpy(), None, 1, 1, 1
    )[:, :, ::2]
    np.testing.assert_allclose(found.numpy(), expected.reshape(2, 4, -1), rtol=1e-12, atol=1e-13)


def test_fold_is_the_transpose_of_unfold():
    unfold, fold = nn.Unfold(2, padding=1, stride=2), nn.Fold((5, 4), 2, padding=1, stride=2)
    x, columns = RNG.standard_normal((2, 3, 5, 4)), RNG.standard_normal((2, 12, 9))
    assert (unfold(x).numpy() * columns).sum() == pytest.approx((x * fold(columns).numpy()).sum())
    np.testing.assert_array_equal(unfold(x[0]).numpy(), unfold(x).numpy()[0])
    np.testing.assert_array_equal(fold(columns[0]).numpy(), fold(columns).numpy()[0])


def test_options_are_shown():
    assert [
        repr(layer).split("  #")[0]
        for layer in (
            nn.Conv2d(3, 8, 3),
            nn.Conv1d(4, 8, 3, 2, 1, 2, 2, False, "circular"),
            nn.Conv2d(3, 8, 3, padding="same"),
            nn.ConvTranspose2d(3, 8, 4, 2, 1, 1),
        )
    ] == [
        "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))",
        "Conv1d(4, 8, kernel_size=(3,), stride=(2,), padding=(1,), dilation=(2,), groups=2, "
        "bias=False, padding_mode='circular')",
        "Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding='same')",
        "ConvTranspose2d(3, 8, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1), "
        "output_padding=(1, 1))",
    ]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_what_a_convolution_leaves_can_be_viewed_as_rows(rank):
    layer = LAYERS[rank](3, 4, 2)
    images = Tensor.randn(2, 3, *SIZES[rank], requires_grad=True)
    y = nn.functional.relu(layer(images), inplace=True)
    rows = y.view(y.size(0), -1)
    np.testing.assert_array_equal(rows.numpy(), y.numpy().reshape(2, -1))
    weights = RNG.standard_normal(rows.shape)
    (rows * weights).sum().backward()
    found, images.grad = images.grad.numpy(), None
    (layer(images).relu() * weights.reshape(y.shape)).sum().backward()
    np.testing.assert_allclose(found, images.grad.numpy(), rtol=1e-5, atol=1e-5)


def test_a_view_of_transposed_images_that_live_on_is_refused():
    images = Tensor.randn(2, 5, 5, 3)
    with pytest.raises(
        ValueError, match=r"^view: the memory layout of \(2, 3, 5, 5\) allows no view"
    ):
        images.permute(0, 3, 1, 2).view(2, -1)
