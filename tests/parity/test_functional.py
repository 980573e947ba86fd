"""nn.functional beside torch.nn.functional: signatures, and each call by name and by position."""

import inspect

import numpy as np
import pytest
from parity.beside_torch import check, same

import nn.functional as ours
from tinygrad_lite import Tensor, grad

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning"),  # of kl_div
    pytest.mark.filterwarnings("ignore:size_average and reduce args:UserWarning"),
    pytest.mark.filterwarnings("ignore:`?nn.functional.upsample:UserWarning"),
    pytest.mark.filterwarnings("ignore:Implicit dimension choice:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*without dim takes axis:UserWarning"),
]
theirs = torch.nn.functional

WINDOWS = "input, kernel_size, stride=None, padding=0"
# PyTorch's functions that inspect cannot read, as its documentation has them.
DOCUMENTED = {
    "linear": "input, weight, bias=None",
    "bilinear": "input1, input2, weight, bias=None",
    "one_hot": "input, num_classes=-1",
    **{
        f"conv{r}d": "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"
        for r in (1, 2, 3)
    },
    **{
        f"conv_transpose{r}d": "input, weight, bias=None, stride=1, padding=0, output_padding=0, "
        "groups=1, dilation=1"
        for r in (1, 2, 3)
    },
    "avg_pool1d": f"{WINDOWS}, ceil_mode=False, count_include_pad=True",
    **{
        f"avg_pool{r}d": f"{WINDOWS}, ceil_mode=False, count_include_pad=True, "
        "divisor_override=None"
        for r in (2, 3)
    },
    **{
        f"max_pool{r}d": f"{WINDOWS}, dilation=1, ceil_mode=False, return_indices=False"
        for r in (1, 2, 3)
    },
    "adaptive_avg_pool1d": "input, output_size",
    **{f"adaptive_max_pool{r}d": "input, output_size, return_indices=False" for r in (1, 2, 3)},
    "cosine_similarity": "x1, x2, dim=1, eps=1e-8",
    "pairwise_distance": "x1, x2, p=2.0, eps=1e-6, keepdim=False",
    "pixel_shuffle": "input, upscale_factor",
    "pixel_unshuffle": "input, downscale_factor",
    "channel_shuffle": "input, groups",
    "gelu": "input, approximate='none'",
    "hardshrink": "input, lambd=0.5",
    "softshrink": "input, lambd=0.5",
    "softplus": "input, beta=1, threshold=20",
    "logsigmoid": "input",
    "prelu": "input, weight",
    "relu_": "input",
    "threshold_": "input, threshold, value",
    "hardtanh_": "input, min_val=-1.0, max_val=1.0",
    "elu_": "input, alpha=1.0",
    "celu_": "input, alpha=1.0",
    "selu_": "input",
    "leaky_relu_": "input, negative_slope=0.01",
    "rrelu_": "input, lower=1 / 8, upper=1 / 3, training=False",
    "scaled_dot_product_attention": "query, key, value, attn_mask=None, dropout_p=0.0, "
    "is_causal=False, *, scale=None, enable_gqa=False",
}
ABSENT = {  # and named by the error, or internal
    *("affine_grid", "grid_sample", "ctc_loss", "fractional_max_pool2d", "fractional_max_pool3d"),
    *("grouped_mm", "scaled_mm", "scaled_grouped_mm", "conv_tbc", "pdist"),
    "native_channel_shuffle",
}


def described(signature):
    """The names, defaults and kinds, but `_stacklevel`, which is for PyTorch itself."""
    found, after = [], False
    for each in signature.parameters.values():
        if each.name == "_stacklevel":
            after = True  # what follows cannot be given by position
            continue
        kind = each.KEYWORD_ONLY if after else each.kind
        found.append((each.name, each.default, kind))
    return found


@pytest.mark.parametrize("name", ours.__all__)
def test_the_signature(name):
    if name in DOCUMENTED:
        expected = inspect.signature(eval(f"lambda {DOCUMENTED[name]}: None"))
    else:
        expected = inspect.signature(getattr(theirs, name))
    assert described(inspect.signature(getattr(ours, name))) == described(expected)


def test_every_function_of_pytorch_is_here_or_refused():
    public = {
        name
        for name, value in vars(theirs).items()
        if callable(value)
        and not isinstance(value, type)
        and not name.startswith("_")
        and not name.endswith("_with_indices")
        and inspect.getmodule(value) in (theirs, torch, torch._C, torch._C._nn, None)
        and name not in ("boolean_dispatch", "assert_int_or_pair", "Optional")
        and "torch_function" not in name
    }
    assert public - set(ours.__all__) == ABSENT
    for name in ABSENT:
        with pytest.raises(AttributeError, match=f"no attribute '{name}'; (here it is|it does)"):
            getattr(ours, name)


class Call:
    """One call: inputs (shapes, for normal numbers; or arrays) by position, options by name.

    constant: how many of the last inputs get no gradient.
    """

    def __init__(self, name, *inputs, constant=0, second=True, **options):
        self.name, self.inputs, self.options = name, inputs, options
        self.constant, self.second = constant, second

    def __repr__(self):
        given = [str(x) if isinstance(x, tuple) else f"{x.dtype}{x.shape}" for x in self.inputs]
        given += [
            f"{k}={'...' if isinstance(v, np.ndarray) else v}" for k, v in self.options.items()
        ]
        return f"{self.name}({', '.join(given)})"

    def arrays(self, dtype):
        rng = np.random.default_rng(len(repr(self)))
        drawn = [rng.standard_normal(x) if isinstance(x, tuple) else x for x in self.inputs]
        return [np.asarray(x, dtype) if x.dtype.kind == "f" else x for x in map(np.asarray, drawn)]


def array(*values):
    return np.array(values)


RNG = np.random.default_rng(4)
LABELS = array(2, 0, 1, 2)
FOUR = array(0.5, 1.0, 2.0, 3.0)
P = RNG.uniform(0.1, 0.9, (4, 3))
SHARES = P / P.sum(1, keepdims=True)
SIGNS = RNG.choice([-1.0, 1.0], (4, 3))
WEIGHT = array(0.5, 2.0, 1.0)
SETS = array([2, -1, 0], [0, 1, -1], [-1, 0, 0], [1, 1, 2])
IMAGES, SEQUENCES, VOLUMES = (2, 4, 6, 7), (2, 4, 9), (2, 4, 5, 4, 6)
X = (4, 3)
SIZED = {1: SEQUENCES, 2: IMAGES, 3: VOLUMES}
KERNEL = {1: (6, 4, 3), 2: (6, 4, 3, 2), 3: (6, 4, 2, 3, 2)}
BACK = {1: (4, 3, 3), 2: (4, 3, 3, 2), 3: (4, 3, 2, 3, 2)}

CALLS = [
    # Activations
    *(
        Call(name, shape)
        for name in (
            *("relu", "relu6", "hardtanh", "hardswish", "leaky_relu", "rrelu", "elu", "celu"),
            *("selu", "sigmoid", "logsigmoid", "softplus", "tanh", "tanhshrink", "softsign"),
            *("gelu", "silu", "mish", "hardshrink", "softshrink"),
        )
        for shape in (X, (), (0, 2))
    ),
    Call("hardtanh", X, min_val=-0.3, max_val=0.8),
    Call("threshold", X, threshold=0.2, value=-3.0),
    Call("hardshrink", X, lambd=0.2),
    Call("softshrink", X, lambd=0.2),
    Call("leaky_relu", X, negative_slope=0.3),
    Call("prelu", X, (3,)),
    Call("prelu", X, (1,)),
    Call("rrelu", X, lower=0.2, upper=0.4),
    Call("elu", X, alpha=0.7),
    Call("celu", X, alpha=0.5),
    Call("softplus", X, beta=2.0, threshold=1.0),
    Call("gelu", X, approximate="tanh"),
    Call("glu", (4, 6)),
    Call("glu", (4, 6), dim=0),
    *(Call(name, (2, 3, 4), dim=dim) for name in ("softmax", "log_softmax", "softmin")
      for dim in (1, -1)),
    *(Call(name, shape) for name in ("softmax", "log_softmax", "softmin")
      for shape in ((4,), X, (2, 3, 4))),
    # Images
    *(Call(f"conv{r}d", SIZED[r], KERNEL[r], (6,)) for r in (1, 2, 3)),
    *(Call(f"conv{r}d", SIZED[r][1:], KERNEL[r]) for r in (1, 2, 3)),
    Call("conv2d", IMAGES, (6, 2, 3, 2), (6,), stride=2, padding=(1, 0), dilation=2, groups=2),
    Call("conv1d", SEQUENCES, (6, 4, 3), padding="same"),
    *(Call(f"conv_transpose{r}d", SIZED[r], BACK[r], (3,)) for r in (1, 2, 3)),
    Call("conv_transpose2d", IMAGES, BACK[2], stride=2, padding=1, output_padding=1, dilation=2),
    Call("conv_transpose2d", IMAGES, BACK[2], (6,), groups=2),
    Call("unfold", IMAGES, kernel_size=(3, 2), dilation=2, padding=1, stride=2),
    Call("unfold", IMAGES[1:], kernel_size=2),
    Call("fold", (2, 12, 20), output_size=(5, 6), kernel_size=2),
    Call("fold", (12, 20), output_size=(5, 6), kernel_size=(2, 2)),
    *(Call(f"max_pool{r}d", SIZED[r], kernel_size=2) for r in (1, 2, 3)),
    Call("max_pool2d", IMAGES, kernel_size=(3, 2), stride=2, padding=1, dilation=1, ceil_mode=True),
    Call("max_pool2d", IMAGES[1:], kernel_size=3, stride=1, return_indices=True),
    *(Call(f"avg_pool{r}d", SIZED[r], kernel_size=2) for r in (1, 2, 3)),
    Call("avg_pool1d", SEQUENCES, kernel_size=3, stride=2, padding=1, count_include_pad=False),
    Call("avg_pool2d", IMAGES, kernel_size=3, padding=1, ceil_mode=True, divisor_override=5),
    *(Call(f"lp_pool{r}d", SIZED[r], norm_type=2, kernel_size=2, second=False) for r in (1, 2, 3)),
    Call("lp_pool2d", IMAGES, norm_type=3.0, kernel_size=(3, 2), stride=2, ceil_mode=True,
         second=False),
    Call("lp_pool1d", SEQUENCES, norm_type=np.inf, kernel_size=2),
    Call("lp_pool3d", VOLUMES, norm_type=-np.inf, kernel_size=2, stride=1),
    *(Call(f"adaptive_max_pool{r}d", SIZED[r], output_size=2) for r in (1, 2, 3)),
    Call("adaptive_max_pool2d", IMAGES, output_size=(4, None), return_indices=True),
    *(Call(f"adaptive_avg_pool{r}d", SIZED[r], output_size=2) for r in (1, 2, 3)),
    Call("adaptive_avg_pool2d", IMAGES[1:], output_size=(None, 5)),
    Call("max_unpool1d", (1, 1, 2), np.array([[[1, 2]]]), kernel_size=2),
    Call("max_unpool2d", (1, 1, 1, 2), np.array([[[[1, 6]]]]), kernel_size=2, stride=2,
         output_size=(2, 5)),
    Call("max_unpool3d", (1, 1, 1, 1, 2), np.array([[[[[1, 10]]]]]), kernel_size=2, padding=0),
    Call("interpolate", IMAGES, size=(5, 9)),
    Call("interpolate", IMAGES, scale_factor=1.7, mode="bilinear"),
    Call("interpolate", SEQUENCES, size=5, mode="linear", align_corners=True),
    Call("interpolate", VOLUMES, scale_factor=(2.0, 1.5, 1.0), mode="trilinear",
         recompute_scale_factor=True),
    Call("interpolate", IMAGES, size=(4, 9), mode="bicubic", align_corners=True),
    Call("upsample", IMAGES, scale_factor=2),
    Call("upsample_nearest", IMAGES, size=9),
    Call("upsample_bilinear", IMAGES, scale_factor=2),
    Call("pixel_shuffle", (2, 8, 3, 2), upscale_factor=2),
    Call("pixel_unshuffle", (2, 3, 4, 6), downscale_factor=2),
    Call("channel_shuffle", IMAGES, groups=2),
    Call("pad", IMAGES, pad=(1, 2)),
    Call("pad", IMAGES, pad=(1, 2, 0, 3), value=1.5),
    Call("pad", IMAGES, pad=[1, 2, 0, 3], mode="reflect"),
    Call("pad", SEQUENCES, pad=(1, 2), mode="replicate"),
    Call("pad", SEQUENCES, pad=(1, 2), mode="circular"),
    # Networks
    Call("linear", X, (2, 3), (2,)),
    Call("linear", (2, 4, 3), (2, 3)),
    Call("linear", (3,), (2, 3), (2,)),
    Call("linear", X, (3,)),
    Call("bilinear", X, (4, 2), (5, 3, 2), (5,)),
    Call("embedding", LABELS, X),
    Call("embedding", np.array([[0, 1], [2, 1]]), X, padding_idx=1),
    Call("embedding", LABELS, X, padding_idx=-1, scale_grad_by_freq=True),
    Call("embedding_bag", np.array([[0, 1], [2, 1]]), X),
    Call("embedding_bag", LABELS, X, offsets=array(0, 1, 3), mode="sum", padding_idx=2),
    Call("embedding_bag", np.array([[0, 1], [2, 1]]), X, mode="max"),
    Call("one_hot", LABELS),
    Call("one_hot", LABELS, num_classes=5),
    *(Call(name, IMAGES, training=False) for name in (
        "dropout", "dropout2d", "alpha_dropout", "feature_alpha_dropout"
    )),
    Call("dropout", X, p=0.0),
    Call("dropout", X, p=1.0),
    Call("dropout1d", SEQUENCES, training=False),
    Call("dropout3d", VOLUMES, training=False),
    Call("batch_norm", IMAGES, running_mean=None, running_var=None, training=True),
    Call("batch_norm", IMAGES, running_mean=FOUR, running_var=FOUR, weight=FOUR + 1, bias=FOUR,
         training=True, momentum=0.3, eps=1e-3),
    Call("batch_norm", (6, 4), running_mean=FOUR, running_var=FOUR),
    Call("instance_norm", IMAGES),
    Call("instance_norm", IMAGES, weight=FOUR, bias=FOUR, eps=0.1),
    Call("instance_norm", IMAGES, running_mean=FOUR,
         running_var=FOUR, use_input_stats=False),
    Call("layer_norm", (2, 3, 4), normalized_shape=(4,)),
    Call("layer_norm", (2, 4, 3), weight=P, bias=P, normalized_shape=[4, 3], eps=0.1),
    Call("group_norm", IMAGES, num_groups=2),
    Call("group_norm", IMAGES, num_groups=4, weight=FOUR, bias=FOUR,
         eps=0.1),
    Call("rms_norm", (2, 3, 4), normalized_shape=(4,)),
    Call("rms_norm", (2, 4, 3), normalized_shape=(4, 3), weight=P, eps=0.1),
    Call("local_response_norm", IMAGES, size=3),
    Call("local_response_norm", IMAGES, size=2, alpha=0.5, beta=0.3, k=2.0),
    Call("scaled_dot_product_attention", (2, 3, 4), (2, 5, 4), (2, 5, 6)),
    Call("scaled_dot_product_attention", (2, 3, 4), (2, 3, 4), (2, 3, 6), is_causal=True,
         scale=0.3),
    Call("scaled_dot_product_attention", (2, 3, 4), (2, 5, 4), (2, 5, 6), (3, 5)),
    Call("scaled_dot_product_attention", (1, 4, 3, 4), (1, 2, 5, 4), (1, 2, 5, 6),
         enable_gqa=True),
    Call("normalize", X),
    Call("normalize", X, p=3.0, dim=0, eps=2.0),
    Call("cosine_similarity", X, X),
    Call("cosine_similarity", X, X, dim=0, eps=0.1),
    Call("pairwise_distance", X, X),
    Call("pairwise_distance", X, X, p=1.0, eps=0.1, keepdim=True),
    # Losses
    *(
        call
        for reduction in ("mean", "sum", "none")
        for call in (
            Call("cross_entropy", X, LABELS, reduction=reduction),
            Call("cross_entropy", X, LABELS, weight=WEIGHT, ignore_index=1, reduction=reduction),
            Call("cross_entropy", X, SHARES, label_smoothing=0.1, reduction=reduction),
            Call("nll_loss", X, LABELS, weight=WEIGHT, ignore_index=1, reduction=reduction),
            Call("multi_margin_loss", X, LABELS, p=2, margin=0.6, weight=WEIGHT,
                 reduction=reduction, second=False),
            Call("multilabel_margin_loss", X, SETS, reduction=reduction, second=False),
            Call("binary_cross_entropy", P, P[::-1].copy(), weight=WEIGHT, reduction=reduction),
            Call("binary_cross_entropy_with_logits", X, P, reduction=reduction),
            Call("binary_cross_entropy_with_logits", X, P, weight=WEIGHT, pos_weight=WEIGHT + 1,
                 reduction=reduction),
            Call("multilabel_soft_margin_loss", X, P, weight=WEIGHT, reduction=reduction),
            Call("soft_margin_loss", X, SIGNS, constant=1, reduction=reduction),
            Call("kl_div", X, SHARES, reduction=reduction),
            Call("poisson_nll_loss", P, P[::-1].copy(), log_input=False, full=True, eps=0.1,
                 reduction=reduction),
            Call("gaussian_nll_loss", X, X, P, full=True, eps=0.2, reduction=reduction),
            Call("mse_loss", X, X, reduction=reduction),
            Call("mse_loss", X, X, weight=P, reduction=reduction),
            Call("l1_loss", X, X, weight=P, reduction=reduction),
            Call("huber_loss", X, X, reduction=reduction, delta=0.3),
            Call("huber_loss", X, X, reduction=reduction, weight=P),
            Call("smooth_l1_loss", X, X, reduction=reduction, beta=0.3),
            Call("hinge_embedding_loss", X, SIGNS, constant=1, margin=0.4, reduction=reduction),
            Call("margin_ranking_loss", X, X, SIGNS, constant=1, margin=0.4, reduction=reduction),
            Call("cosine_embedding_loss", X, X, SIGNS[:, 0], constant=1, margin=0.2,
                 reduction=reduction),
            Call("triplet_margin_loss", X, X, X, margin=0.7, p=3.0, eps=1e-3, swap=True,
                 reduction=reduction),
            Call("triplet_margin_with_distance_loss", X, X, X, margin=0.7, swap=True,
                 reduction=reduction),
        )
    ),
    Call("linear_cross_entropy", X, (5, 3), LABELS, linear_bias=array(1, 2, 3, 4, 5.0)),
    Call("linear_cross_entropy", X, (3, 2, 3), np.array([[0, 1], [2, 2], [1, 0], [0, 0]]),
         weight=WEIGHT, reduction="sum", ignore_index=1, label_smoothing=0.1),
    Call("kl_div", X, X, reduction="batchmean", log_target=True),
    Call("gaussian_nll_loss", X, X, var=0.3),
]  # fmt: skip
# Their options, in PyTorch, can be given by name only.
BY_NAME = {"gelu"}


def bound(call, name_all):
    """A function of the inputs for either library: every argument by name, or all by position."""
    signature = inspect.signature(getattr(ours, call.name))

    def run(library, make, inputs):
        options = {
            key: make(value) if isinstance(value, np.ndarray) else value
            for key, value in call.options.items()
        }
        arguments = signature.bind(*inputs, **options)
        if name_all:
            return getattr(library, call.name)(**arguments.arguments)
        arguments.apply_defaults()
        return getattr(library, call.name)(*arguments.args, **arguments.kwargs)

    return run


@pytest.mark.parametrize("call", CALLS, ids=repr)
@pytest.mark.parametrize("name_all", [True, False], ids=["by name", "by position"])
def test_values_gradients_and_second_order(call, name_all):
    if not name_all and call.name in BY_NAME:
        return
    arrays = call.arrays(np.float64)
    run = bound(call, name_all)
    count = len(arrays) - call.constant
    leaves = [k for k, each in enumerate(arrays) if each.dtype.kind == "f" and k < count]

    def on(library, make):
        def function(*tensors):
            given = {**dict(zip(leaves, tensors, strict=True))}
            inputs = [given[k] if k in given else make(a) for k, a in enumerate(arrays)]
            return run(library, make, inputs)

        return function

    mine, other = on(ours, Tensor), on(theirs, torch.tensor)
    if leaves:
        check(mine, other, *(arrays[k] for k in leaves), second=call.second)
    else:
        same(mine(), other(), "value")


@pytest.mark.parametrize("call", CALLS, ids=repr)
def test_float32_arrays(call):
    arrays = call.arrays(np.float32)
    run = bound(call, name_all=True)

    def narrow(value):
        return value.astype(np.float32) if value.dtype.kind == "f" else value

    found = run(ours, narrow, arrays)
    expected = run(theirs, lambda value: torch.tensor(narrow(value)), [*map(torch.tensor, arrays)])
    several = isinstance(expected, tuple)
    for a, b in zip(
        found if several else [found], expected if several else [expected], strict=True
    ):
        same(a, b, "value")


def test_each_function_is_called():
    in_place = {name for name in ours.__all__ if name.endswith("_")}
    apart = {"hardsigmoid", "gumbel_softmax", "multi_head_attention_forward"}
    assert {call.name for call in CALLS} | in_place | apart == set(ours.__all__)


def test_hardsigmoid():
    """To seven digits: a constant of PyTorch's is float32's."""
    (values,) = Call("hardsigmoid", X).arrays(np.float64)
    x, y = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    mine, other = ours.hardsigmoid(x * 3), theirs.hardsigmoid(y * 3)
    mine.sum().backward()
    other.sum().backward()
    np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=1e-7)
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-7)


@pytest.mark.parametrize("need_weights", [True, False])
def test_multi_head_attention_forward(need_weights):
    arrays = Call("", (3, 2, 4), (5, 2, 4), (5, 2, 4), (12, 4), (12,), (4, 4), (4,)).arrays(float)
    options = {"need_weights": need_weights, "is_causal": False}

    def on(library):
        def run(q, k, v, weight, bias, out, out_bias):
            given = (q, k, v, 4, 2, weight, bias, None, None, False, 0.0, out, out_bias)
            found = library.multi_head_attention_forward(*given, **options)
            return found if need_weights else found[0]

        return run

    check(on(ours), on(theirs), *arrays, second=need_weights)


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax(hard):
    stats = pytest.importorskip("scipy.stats")
    Tensor.manual_seed(0)
    torch.manual_seed(0)
    logits = np.tile([0.0, 1.0, -1.0], (20000, 1))
    mine = ours.gumbel_softmax(logits, tau=0.7, hard=hard).numpy()
    other = theirs.gumbel_softmax(torch.tensor(logits), tau=0.7, hard=hard).numpy()
    np.testing.assert_allclose(mine.mean(0), other.mean(0), atol=0.015)
    if hard:
        assert set(np.unique(mine.round(12))) == {0.0, 1.0}
    else:
        assert stats.ks_2samp(mine[:, 1], other[:, 1]).pvalue > 1e-3


IN_PLACE = [
    *(Call(name, X, inplace=True) for name in (
        *("relu", "relu6", "hardtanh", "hardswish", "leaky_relu", "rrelu", "elu", "celu"),
        *("selu", "silu", "mish"),
    )),
    Call("threshold", X, threshold=0.2, value=-3.0, inplace=True),
    Call("dropout", X, p=0.0, inplace=True),
    *(Call(name, X) for name in (
        "relu_", "hardtanh_", "elu_", "celu_", "selu_", "leaky_relu_", "rrelu_"
    )),
    Call("threshold_", X, threshold=0.2, value=-3.0),
]  # fmt: skip


@pytest.mark.parametrize("call", IN_PLACE, ids=repr)
def test_in_place(call):
    (values,) = call.arrays(np.float64)
    results = []
    for library, leaf in (
        (ours, Tensor(values, requires_grad=True)),
        (theirs, torch.tensor(values, requires_grad=True)),
    ):
        x = leaf * 1.5
        y = getattr(library, call.name)(x, **call.options)
        assert y is x
        loss = (x * x).sum()
        loss.backward()
        results += [x, leaf.grad]
    same(results[0], results[2], "value")
    same(results[1], results[3], "gradient")


def test_in_place_refuses_a_leaf():
    with pytest.raises(RuntimeError):
        theirs.relu_(torch.ones(2, requires_grad=True))
    leaf = Tensor.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf that requires grad"):
        ours.relu_(leaf)


def test_a_distance_function():
    arrays = Call("", X, X, X).arrays(np.float64)
    check(
        *(
            lambda a, b, c, library=library: library.triplet_margin_with_distance_loss(
                a, b, c, distance_function=lambda x, y: ((x - y) ** 2).sum(-1), margin=3.0
            )
            for library in (ours, theirs)
        ),
        *arrays,
    )


def test_gradients_of_weights():
    """PyTorch refuses that of a weight of binary_cross_entropy; ours is that of a factor."""
    w = Tensor(WEIGHT, requires_grad=True)
    (found,) = grad(ours.binary_cross_entropy(P, SHARES, w), [w])
    losses = ours.binary_cross_entropy(P, SHARES, reduction="none").numpy()
    np.testing.assert_allclose(found.numpy(), losses.sum(0) / P.size)
