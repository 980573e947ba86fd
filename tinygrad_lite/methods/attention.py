"""Scaled dot-product attention."""

from typing import Any, Self

import numpy as np

from ..arrays.arguments import flag, number, probability
from ..arrays.shapes import Shape
from ..ops.activations import Softmax
from ._operands import Operand, as_tensor, cast, in_single, matched, operand
from ._theme import Theme

NAME = "scaled_dot_product_attention"


class AttentionMethods(Theme):
    """Attention."""

    __slots__ = ()

    @in_single
    def scaled_dot_product_attention(
        self,
        key: Operand,
        value: Operand,
        attn_mask: Operand | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        enable_gqa: bool = False,
        scale: float | None = None,
    ) -> Self:
        """softmax(query @ key.T * scale + mask) @ value, where self is the query.

        self: (..., L, E), key: (..., S, E), value: (..., S, V) -> (..., L, V).  The leading axes
        broadcast.  float16 is computed in float32.

        attn_mask   broadcast to (..., L, S): bool, True where a query attends to a key, or float,
                    added to the scores.  A query that attends to no key gives 0, with gradients 0
        dropout_p   probability of dropping a weight, at every call: pass 0 when not training
        is_causal   query i attends to the keys 0 to i only; not together with attn_mask
        enable_gqa  key and value may have fewer heads (axis -3) than the query: each of their heads
                    serves a group of the query's heads
        scale       default: 1 / sqrt(E)

        Source: A. Vaswani et al., Attention Is All You Need, 2017; grouped queries: J. Ainslie et
        al., GQA, 2023.
        """
        given = matched(NAME, self, key=key, value=value, floating=True)
        query, keys, values = (as_tensor(each, self) for each in given)
        _check_shapes(query.shape, keys.shape, values.shape)
        dropout_p = probability(dropout_p, f"{NAME}: dropout_p")
        if flag(enable_gqa, f"{NAME}: enable_gqa"):
            keys, values = (_repeat_heads(each, query.shape) for each in (keys, values))
        size = query.shape[-1]
        factor = max(size, 1) ** -0.5 if scale is None else number(scale, f"{NAME}: scale")
        scores = (query * factor) @ keys.mT
        if flag(is_causal, f"{NAME}: is_causal"):
            if attn_mask is not None:
                raise ValueError(f"{NAME}: is_causal is a mask; do not pass attn_mask as well")
            attn_mask = scores._wrap(np.tri(*scores.shape[-2:], dtype=np.bool_), None)
        weights = _masked_softmax(scores, attn_mask)
        return (weights.dropout(dropout_p) if dropout_p else weights) @ values


def _masked_softmax(scores: Any, attn_mask: Any) -> Any:
    """Softmax over the last axis of the unmasked scores; 0 where all are masked."""
    axes = (scores.ndim - 1,)
    if attn_mask is None:
        return Softmax.apply(scores, axes=axes)
    mask = as_tensor(operand(attn_mask, f"{NAME}: attn_mask"), scores)
    try:
        fits = np.broadcast_shapes(mask.shape, scores.shape) == scores.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{NAME}: expected an attn_mask that broadcasts to {scores.shape}; got {mask.shape}"
        )
    if mask.dtype == np.bool_:
        shown = mask._data.astype(scores.dtype)
    elif mask.dtype.kind == "f":
        scores = scores + cast(mask, scores.dtype)
        shown = np.ones((), scores.dtype)  # a score of -inf is masked already
    else:
        raise TypeError(f"{NAME}: expected an attn_mask of bools or floats; got {mask.dtype}")
    return Softmax.apply(scores, axes=axes, mask=shown)


def _check_shapes(query: Shape, key: Shape, value: Shape) -> None:
    if min(len(query), len(key), len(value)) < 2:
        raise ValueError(
            f"{NAME}: expected at least 2 dimensions, (..., length, features); "
            f"got {query}, {key} and {value}"
        )
    if query[-1] != key[-1]:
        raise ValueError(
            f"{NAME}: query and key have different numbers of features: {query} and {key}"
        )
    if key[-2] != value[-2]:
        raise ValueError(
            f"{NAME}: expected one value for each key; got {key[-2]} keys and {value[-2]} values, "
            f"of shapes {key} and {value}"
        )


def _repeat_heads(x: Any, query: Shape) -> Any:
    """Keys or values (..., heads, S, E), each head repeated for its group of the query's heads."""
    if len(query) < 3 or x.ndim < 3 or not x.shape[-3] or query[-3] % x.shape[-3]:
        raise ValueError(
            f"{NAME}: with enable_gqa the number of heads (axis -3) of the query must be a "
            f"multiple of that of key and value; got {query} and {x.shape}"
        )
    *front, heads, length, features = x.shape
    group = query[-3] // heads
    if group == 1:
        return x
    apart = x.reshape(*front, heads, 1, length, features)
    repeated = apart.expand(*front, heads, group, length, features)
    return repeated.reshape(*front, heads * group, length, features)
