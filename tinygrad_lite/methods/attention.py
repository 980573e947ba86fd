"""Attention."""

from typing import Any, Self

import numpy as np

from ..arrays.shapes import Shape
from ..ops.activations import Softmax
from ._operands import Operand, as_tensor, cast, in_single, matched, operand
from ._theme import Theme

NAME = "scaled_dot_product_attention"


class AttentionMethods(Theme):
    """Attention of queries to keys and values."""

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
        """softmax(query @ key.T * scale + mask) @ value, self being the query.

        self: (..., L, E), key: (..., S, E), value: (..., S, V) -> (..., L, V).  The axes in front
        broadcast.  float16 is computed in float32.

        attn_mask   broadcast to (..., L, S): bool, True where a query may look, or float, added to
                    the scores.  A query that may look nowhere gets 0, and its gradients are 0
        dropout_p   probability with which a weight is dropped, at every call: pass 0 when not
                    training
        is_causal   query i may look at the keys 0 to i only; not together with attn_mask
        enable_gqa  groups of queries' heads (axis -3) share the heads of key and value, of which
                    there may be fewer
        scale       1 / sqrt(E) where not given

        Source: A. Vaswani et al., Attention Is All You Need, 2017; the groups: J. Ainslie et al.,
        GQA, 2023.
        """
        given = matched(NAME, self, key, value, floating=True)
        query, keys, values = (as_tensor(each, self) for each in given)
        _check_shapes(query.shape, keys.shape, values.shape)
        if enable_gqa:
            keys, values = (_repeat_heads(each, query.shape) for each in (keys, values))
        size = query.shape[-1]
        scores = (query * (scale if scale is not None else max(size, 1) ** -0.5)) @ keys.mT
        if is_causal:
            if attn_mask is not None:
                raise ValueError(f"{NAME}: is_causal is a mask; do not pass attn_mask as well")
            attn_mask = np.tri(*scores.shape[-2:], dtype=np.bool_)
        weights = _masked_softmax(scores, attn_mask)
        return (weights.dropout(dropout_p) if dropout_p else weights) @ values


def _masked_softmax(scores: Any, attn_mask: Any) -> Any:
    """Softmax over the last axis of the scores that the mask lets through; 0 where it lets none."""
    axes = (scores.ndim - 1,)
    if attn_mask is None:
        return Softmax.apply(scores, axes=axes)
    mask = as_tensor(operand(attn_mask, NAME), scores)
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
        shown = np.ones((), scores.dtype)  # where a score is -inf, that is mask enough
    else:
        raise TypeError(f"{NAME}: expected an attn_mask of bools or floats; got {mask.dtype}")
    return Softmax.apply(scores, axes=axes, mask=shown)


def _check_shapes(query: Shape, key: Shape, value: Shape) -> None:
    if min(len(query), len(key), len(value)) < 2:
        raise ValueError(
            f"{NAME}: expected at least 2 dimensions, (..., places, features); "
            f"got {query}, {key} and {value}"
        )
    if query[-1] != key[-1]:
        raise ValueError(
            f"{NAME}: query and key differ in the size of their features: {query} and {key}"
        )
    if key[-2] != value[-2]:
        raise ValueError(
            f"{NAME}: expected one value for each key; got {key[-2]} keys and {value[-2]} values, "
            f"of shapes {key} and {value}"
        )


def _repeat_heads(x: Any, query: Shape) -> Any:
    """Keys or values (..., heads, S, E) with each head standing for a group of the query's."""
    if len(query) < 3 or x.ndim < 3 or not x.shape[-3] or query[-3] % x.shape[-3]:
        raise ValueError(
            f"{NAME}: enable_gqa expects heads at axis -3, and those of the query to be a multiple "
            f"of those of key and value; got {query} and {x.shape}"
        )
    *front, heads, places, features = x.shape
    group = query[-3] // heads
    if group == 1:
        return x
    spread = x.reshape(*front, heads, 1, places, features)
    spread = spread.expand(*front, heads, group, places, features)
    return spread.reshape(*front, heads * group, places, features)
