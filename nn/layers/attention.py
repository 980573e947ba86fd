"""Attention: every position looks at others, by how well its query fits their keys."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_lite import Tensor, arguments

from .. import init
from .._evaluation import drops
from ..module import Module
from ._inputs import Input, as_tensor, float_dtype, with_dtype
from .linear import Linear

NAME = "multi_head_attention_forward"


class MultiheadAttention(Module):
    """Attention of several heads: softmax(q k^T / sqrt(d) + masks) v, d = embed_dim / num_heads.

        y, weights = attention(query, key, value)

    query: (L, N, embed_dim), key: (S, N, kdim), value: (S, N, vdim) -> y: (L, N, embed_dim), and
    weights: (N, L, S), the mean over the heads.  With `batch_first`, the axes L and N, S and N are
    the other way round; unbatched input has no axis N.

    dropout        the probability that a weight becomes 0 in training
    add_bias_kv    whether a learned key and value (bias_k, bias_v) follow the others
    add_zero_attn  whether a key and value of zeros follow
    kdim, vdim     default: embed_dim

    q, k and v are linear in query, key and value: with the thirds of in_proj_weight
    (3 embed_dim, embed_dim), or with q_proj_weight, k_proj_weight and v_proj_weight if kdim or vdim
    differ, and the thirds of in_proj_bias.  `out_proj` is linear in the heads' results side by
    side.  Initial values are PyTorch's: `init.glorot_uniform` for these weights, zeros for the
    biases but bias_k and bias_v, which are normal (`init.xavier_normal_`).

    Source: A. Vaswani et al., Attention Is All You Need, 2017.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: DTypeLike | None = None,
    ) -> None:
        name = type(self).__name__
        dtype = float_dtype(dtype, name)
        width = arguments.integer(embed_dim, f"{name}: embed_dim", least=1)
        heads = arguments.integer(num_heads, f"{name}: num_heads", least=1)
        if width % heads:
            raise ValueError(f"{name}: embed_dim {width} is not divisible by num_heads {heads}")
        self.embed_dim, self.num_heads, self.head_dim = width, heads, width // heads
        self.kdim = width if kdim is None else arguments.integer(kdim, f"{name}: kdim", least=1)
        self.vdim = width if vdim is None else arguments.integer(vdim, f"{name}: vdim", least=1)
        self.dropout = arguments.probability(dropout, f"{name}: dropout")
        self.batch_first = arguments.flag(batch_first, f"{name}: batch_first")
        self.add_zero_attn = arguments.flag(add_zero_attn, f"{name}: add_zero_attn")
        biased = arguments.flag(bias, f"{name}: bias")
        alike = self.kdim == self.vdim == width

        def weight(rows: int, columns: int, there: bool) -> Tensor | None:
            return init.glorot_uniform(rows, columns, dtype=dtype) if there else None

        self.in_proj_weight = weight(3 * width, width, alike)
        self.q_proj_weight = weight(width, width, not alike)
        self.k_proj_weight = weight(width, self.kdim, not alike)
        self.v_proj_weight = weight(width, self.vdim, not alike)
        self.in_proj_bias = init.zeros(3 * width, dtype=dtype) if biased else None
        self.bias_k = self.bias_v = None
        if arguments.flag(add_bias_kv, f"{name}: add_bias_kv"):
            self.bias_k = init.xavier_normal_(init.zeros(1, 1, width, dtype=dtype))
            self.bias_v = init.xavier_normal_(init.zeros(1, 1, width, dtype=dtype))
        self.out_proj = Linear(width, width, biased, dtype)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Input,
        key: Input,
        value: Input,
        key_padding_mask: Input | None = None,
        need_weights: bool = True,
        attn_mask: Input | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The results (L, N, embed_dim), and the weights, None unless `need_weights`.

        key_padding_mask      (N, S): True, or -inf, where a key does not count
        attn_mask             (L, S) or (N num_heads, L, S): bool, True where a query must *not*
                              look at a key, or float, added to the scores
        average_attn_weights  False: the weights of all heads, (N, num_heads, L, S)
        is_causal             says that attn_mask is the causal one, which must be given

        Where all keys of a query are masked, its result is nan; without `need_weights`, the bias of
        `out_proj`, as in PyTorch.
        """
        return multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=drops(self, self.dropout),
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=self.in_proj_weight is None,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            batch_first=self.batch_first,
        )

    def extra_repr(self) -> str:
        shown = [f"{self.embed_dim}, {self.num_heads}"]
        if (self.kdim, self.vdim) != (self.embed_dim, self.embed_dim):
            shown.append(f"kdim={self.kdim}, vdim={self.vdim}")
        shown += [f"dropout={self.dropout}"] if self.dropout else []
        shown += ["bias=False"] if self.in_proj_bias is None else []
        shown += ["batch_first=True"] if self.batch_first else []
        return ", ".join(shown)


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
    batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The formula of `MultiheadAttention`, whose docstring explains most arguments.

    static_k, static_v        (N num_heads, S, embed_dim / num_heads): used instead of the keys and
                              values of all heads
    use_separate_proj_weight  whether the three weights count, and not in_proj_weight
    batch_first               PyTorch's function does not have it
    """
    together, dtype = in_proj_weight, out_proj_weight.dtype
    weights: Any = (q_proj_weight, k_proj_weight, v_proj_weight)
    if not use_separate_proj_weight:
        weights = (None,) * 3 if together is None else as_tensor(together).chunk(3)
    sequences = {"query": query, "key": key, "value": value}
    given = [with_dtype(x, dtype, name) for name, x in sequences.items()]
    _check_shapes(given, weights, embed_dim_to_check, num_heads, batch_first)
    batched = given[0].ndim == 3
    if not batched:
        given, batch_first = [x.unsqueeze(0) for x in given], True
        if key_padding_mask is not None:
            key_padding_mask = as_tensor(key_padding_mask).unsqueeze(0)
    order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)  # to (N, num_heads, L, size)
    size = embed_dim_to_check // num_heads
    q, k, v = (
        x.linear(weight, bias, transposed=True)
        .reshape(*x.shape[:2], num_heads, size)
        .permute(order)
        for x, weight, bias in zip(given, weights, _thirds(in_proj_bias), strict=True)
    )
    batch, _, length, _ = q.shape
    k = k if static_k is None else static_k.reshape(batch, num_heads, static_k.shape[1], size)
    v = v if static_v is None else static_v.reshape(batch, num_heads, static_v.shape[1], size)
    mask = _mask(attn_mask, key_padding_mask, (batch, num_heads, length, k.shape[2]), dtype)
    if arguments.flag(is_causal, f"{NAME}: is_causal") and attn_mask is None:
        raise ValueError(
            f"{NAME}: is_causal only says that attn_mask is the causal one; pass "
            f"attn_mask=nn.Transformer.generate_square_subsequent_mask({length}) as well"
        )
    if bias_k is not None and bias_v is not None:
        shape = (batch, num_heads, 1, size)
        k = k.cat(bias_k.reshape(1, *shape[1:]).expand(shape), axis=2)
        v = v.cat(bias_v.reshape(1, *shape[1:]).expand(shape), axis=2)
    if arguments.flag(add_zero_attn, f"{NAME}: add_zero_attn"):
        k, v = k.pad((0, 0, 0, 1)), v.pad((0, 0, 0, 1))
    if mask is not None:  # which leaves the added keys as they are
        mask = mask.pad((0, k.shape[2] - mask.shape[-1]))
    dropout_p = dropout_p if training else 0.0
    shares = None
    if arguments.flag(need_weights, f"{NAME}: need_weights"):
        scores = (q * size**-0.5) @ k.mT
        shares = (scores if mask is None else scores + mask).softmax(-1).dropout(dropout_p)
        y = shares @ v
    else:
        y = q.scaled_dot_product_attention(k, v, mask, dropout_p)
    y = y.permute(tuple(map(order.index, range(4)))).reshape(
        *given[0].shape[:2], embed_dim_to_check
    )
    y = y.linear(out_proj_weight, out_proj_bias, transposed=True)
    if shares is not None and arguments.flag(average_attn_weights, f"{NAME}: average_attn_weights"):
        shares = shares.mean(1)
    if batched:
        return y, shares
    return y.squeeze(0), None if shares is None else shares.squeeze(0)


def _thirds(bias: Tensor | None) -> Any:
    return (None,) * 3 if bias is None else bias.chunk(3)


def _mask(attention: Any, padding: Any, shape: tuple[int, ...], dtype: Any) -> Tensor | None:
    """The two masks as one that is added to the scores, of this shape; None if there is none."""
    batch, heads, queries, keys = shape
    found = None
    if attention is not None:
        allowed = ((queries, keys), (batch * heads, queries, keys))
        mask = _floats("attn_mask", attention, allowed, dtype)
        found = mask if mask.ndim == 2 else mask.reshape(shape)
    if padding is not None:
        mask = _floats("key_padding_mask", padding, ((batch, keys),), dtype)
        mask = mask.reshape(batch, 1, 1, keys)
        found = mask if found is None else found + mask
    return found


def _floats(name: str, given: Any, allowed: tuple[tuple[int, ...], ...], dtype: Any) -> Tensor:
    """A mask as floats: -inf where a bool mask is True."""
    mask = as_tensor(given)
    if mask.shape not in allowed:
        expected = " or ".join(map(str, allowed))
        raise ValueError(f"{NAME}: {name}: expected shape {expected}; got {mask.shape}")
    if mask.dtype == np.bool_:
        return Tensor.from_array(np.where(mask.numpy(), -np.inf, 0.0).astype(dtype))
    if mask.dtype.kind != "f":
        raise TypeError(f"{NAME}: {name}: expected bools or floats; got {mask.dtype}")
    return mask.cast(dtype)


def _check_shapes(
    given: list[Tensor], weights: Any, width: int, heads: int, batch_first: bool
) -> None:
    query, key, value = (x.shape for x in given)
    if heads < 1 or width % heads:
        raise ValueError(f"{NAME}: embed_dim {width} is not divisible by num_heads {heads}")
    if any(weight is None for weight in weights):
        raise ValueError(f"{NAME}: in_proj_weight, or the three separate weights, must be given")
    if len(query) not in (2, 3) or not len(query) == len(key) == len(value):
        raise ValueError(
            f"{NAME}: expected query, key and value of 3 axes each, or of 2 without a batch; "
            f"got {query}, {key} and {value}"
        )
    axis = 0 if batch_first else 1
    if key[:-1] != value[:-1] or (len(query) == 3 and query[axis] != key[axis]):
        raise ValueError(
            f"{NAME}: expected one value for each key and the same batch in axis {axis}; "
            f"got query {query}, key {key} and value {value}"
        )
    widths = tuple(weight.shape[1] for weight in weights)
    if (query[-1], key[-1], value[-1]) != widths or query[-1] != width:
        raise ValueError(
            f"{NAME}: expected query, key and value of widths {width}, {widths[1]} and {widths[2]}"
            f"; got {query}, {key} and {value}"
        )
