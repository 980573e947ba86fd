"""Parts of networks: products with weights, dropout, normalisation, attention, distances."""

from collections.abc import Sequence

from tinygrad_lite import Tensor

from ..layers import attention, normalisation
from ..layers import batch_normalisation as batches
from ..layers import dropout as dropouts
from ..layers import embedding as embeddings
from ..layers import linear as products
from ..layers._inputs import Input, as_tensor
from ._calls import applied, called, given, refuse

# Weights


def linear(input: Input, weight: Input, bias: Input | None = None) -> Tensor:
    """input @ weight.T + bias, weight (out, in) or (in,): `Tensor.linear`, transposed=True."""
    x = as_tensor(input, "linear")
    weight = as_tensor(weight, "linear")
    if weight.ndim == 1:  # for `Tensor.linear` a factor, as in tinygrad
        return x.linear(weight.unsqueeze(0), bias, transposed=True).squeeze(-1)
    return x.linear(weight, bias, transposed=True)


def bilinear(input1: Input, input2: Input, weight: Input, bias: Input | None = None) -> Tensor:
    """input1 @ weight[k] @ input2 + bias[k] for each k: that of `nn.Bilinear`."""
    w, (b,) = as_tensor(weight, "bilinear"), given("bilinear", bias)
    y: Tensor = called("bilinear", products.bilinear, input1, input2, w, b)
    return y


def embedding(
    input: Input,
    weight: Input,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of the weight that the integers name: that of `nn.Embedding`."""
    options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    y: Tensor = called("embedding", embeddings.embedding, input, weight, *options)
    return y


def embedding_bag(
    input: Input,
    weight: Input,
    offsets: Input | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Input | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of rows of the weight: that of `nn.EmbeddingBag`."""
    y: Tensor = called(
        *("embedding_bag", embeddings.embedding_bag, input, weight, offsets, max_norm, norm_type),
        *(scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, padding_idx),
    )
    return y


def one_hot(input: Input, num_classes: int = -1) -> Tensor:
    """(...) -> (..., num_classes): 1 at the position of each integer: `Tensor.one_hot`."""
    return as_tensor(input, "one_hot").one_hot(num_classes)


# Dropout


def dropout(input: Input, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """x mask / (1 - p), the mask being 0 with probability p, else 1: `Tensor.dropout`."""
    return applied("dropout", input, inplace, Tensor.dropout, p, training)


def dropout1d(input: Input, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of (N, C, L): that of `nn.Dropout1d`."""
    return applied("dropout1d", input, inplace, dropouts.dropout1d, p, training)


def dropout2d(input: Input, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of (N, C, H, W): that of `nn.Dropout2d`."""
    return applied("dropout2d", input, inplace, dropouts.dropout2d, p, training)


def dropout3d(input: Input, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels of (N, C, D, H, W): that of `nn.Dropout3d`."""
    return applied("dropout3d", input, inplace, dropouts.dropout3d, p, training)


def alpha_dropout(
    input: Input, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for SELU, which keeps mean and variance: that of `nn.AlphaDropout`."""
    return applied("alpha_dropout", input, inplace, dropouts.alpha_dropout, p, training)


def feature_alpha_dropout(
    input: Input, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels: that of `nn.FeatureAlphaDropout`."""
    function = dropouts.feature_alpha_dropout
    return applied("feature_alpha_dropout", input, inplace, function, p, training)


# Normalisation


def batch_norm(
    input: Input,
    running_mean: Input | None,
    running_var: Input | None,
    weight: Input | None = None,
    bias: Input | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel with mean 0 and variance 1 over the batch: that of `nn.BatchNorm2d`."""
    mean, var, w, b = given("batch_norm", running_mean, running_var, weight, bias)
    y: Tensor = called(
        "batch_norm", batches.batch_norm, input, mean, var, w, b, training, momentum, eps
    )
    return y


def instance_norm(
    input: Input,
    running_mean: Input | None = None,
    running_var: Input | None = None,
    weight: Input | None = None,
    bias: Input | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample with mean 0 and variance 1: that of `nn.InstanceNorm2d`."""
    mean, var, w, b = given("instance_norm", running_mean, running_var, weight, bias)
    y: Tensor = called(
        "instance_norm",
        batches.instance_norm,
        input,
        mean,
        var,
        w,
        b,
        use_input_stats,
        momentum,
        eps,
    )
    return y


def layer_norm(
    input: Input,
    normalized_shape: int | Sequence[int],
    weight: Input | None = None,
    bias: Input | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last axes with mean 0 and variance 1: that of `nn.LayerNorm`."""
    w, b = given("layer_norm", weight, bias)
    y: Tensor = called("layer_norm", normalisation.layer_norm, input, normalized_shape, w, b, eps)
    return y


def group_norm(
    input: Input,
    num_groups: int,
    weight: Input | None = None,
    bias: Input | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Groups of channels with mean 0 and variance 1: that of `nn.GroupNorm`."""
    w, b = given("group_norm", weight, bias)
    y: Tensor = called("group_norm", normalisation.group_norm, input, num_groups, w, b, eps)
    return y


def rms_norm(
    input: Input,
    normalized_shape: int | Sequence[int],
    weight: Input | None = None,
    eps: float | None = None,
) -> Tensor:
    """The last axes with a mean square of 1: that of `nn.RMSNorm`."""
    (w,) = given("rms_norm", weight)
    y: Tensor = called("rms_norm", normalisation.rms_norm, input, normalized_shape, w, eps)
    return y


def local_response_norm(
    input: Input, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Each element over its neighbours in other channels: that of `nn.LocalResponseNorm`."""
    y: Tensor = called(
        "local_response_norm", normalisation.local_response_norm, input, size, alpha, beta, k
    )
    return y


# Attention


def scaled_dot_product_attention(
    query: Input,
    key: Input,
    value: Input,
    attn_mask: Input | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value: `Tensor.scaled_dot_product_attention`."""
    x = as_tensor(query, "scaled_dot_product_attention")
    return x.scaled_dot_product_attention(
        key, value, attn_mask, dropout_p, is_causal, enable_gqa, scale
    )


def multi_head_attention_forward(
    query: Input,
    key: Input,
    value: Input,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Input | None = None,
    need_weights: bool = True,
    attn_mask: Input | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads, (L, N, E): that of `nn.MultiheadAttention`."""
    found: tuple[Tensor, Tensor | None] = called(
        *("multi_head_attention_forward", attention.multi_head_attention_forward, query, key),
        *(value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v),
        *(add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training, key_padding_mask),
        *(need_weights, attn_mask, use_separate_proj_weight, q_proj_weight, k_proj_weight),
        *(v_proj_weight, static_k, static_v, average_attn_weights, is_causal),
    )
    return found


# Lengths and distances


def normalize(
    input: Input, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """x / max(its p-norm along dim, eps): `Tensor.normalize`."""
    refuse("normalize", "out", out, None)
    return as_tensor(input, "normalize").normalize(p, dim, eps)


def cosine_similarity(x1: Input, x2: Input, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (|x1| |x2|) along dim: `Tensor.cosine_similarity`."""
    return as_tensor(x1, "cosine_similarity").cosine_similarity(x2, dim, eps)


def pairwise_distance(
    x1: Input, x2: Input, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis: `Tensor.pairwise_distance`."""
    return as_tensor(x1, "pairwise_distance").pairwise_distance(x2, p, eps, keepdim)
