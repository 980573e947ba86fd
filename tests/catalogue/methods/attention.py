"""Rows of the methods in tinygrad_lite/methods/attention.py."""

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row, function


def attention(q, k, v, allowed=None, added=0.0, scale=None):
    """By the definition, one query's weights after the other; 0 where nothing is allowed."""
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale) + added
    powers = np.exp(scores)
    if allowed is not None:
        powers = powers * allowed
    total = powers.sum(-1, keepdims=True)
    return powers / np.where(total == 0, 1, total) @ v


NAME = "scaled_dot_product_attention"
STACK = [((2, 3, 4), (2, 5, 4), (2, 5, 2)), ((3, 2), (3, 2), (3, 2)), ((0, 3, 2),) * 3]
PLAIN = STACK[:1]
ALLOWED = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0]], bool)
ADDED = np.array([[0.5, -1, 0, 2, 0], [0, 0, 0, 0, 1], [0.1, 0, 0, 1, 0]])

ROWS: list[Row] = [
    function(NAME, attention, STACK),
    Row(
        NAME,
        lambda q, k, v: q.scaled_dot_product_attention(k, v, scale=0.3),
        lambda q, k, v: attention(q, k, v, scale=0.3),
        PLAIN,
        note="scale",
    ),
    Row(
        NAME,
        lambda q, k, v: q.scaled_dot_product_attention(k, v, attn_mask=ALLOWED),
        lambda q, k, v: attention(q, k, v, ALLOWED),
        PLAIN,
        note="bool mask, one query sees nothing",
    ),
    Row(
        NAME,
        lambda q, k, v: q.scaled_dot_product_attention(k, v, attn_mask=Tensor(ADDED)),
        lambda q, k, v: attention(q, k, v, added=ADDED),
        PLAIN,
        note="float mask",
    ),
    Row(
        NAME,
        lambda q, k, v, m: q.scaled_dot_product_attention(k, v, attn_mask=m),
        lambda q, k, v, m: attention(q, k, v, added=m),
        [((2, 2, 3, 2), (2, 2, 3, 2), (2, 2, 3, 1), (2, 1, 1, 3))],
        note="mask that learns",
    ),
    Row(
        NAME,
        lambda q, k, v: q.scaled_dot_product_attention(k, v, is_causal=True),
        lambda q, k, v: attention(q, k, v, np.tri(q.shape[-2], k.shape[-2])),
        [*STACK, ((2, 4, 3), (2, 2, 3), (2, 2, 3))],
        note="causal, also of unequal lengths",
    ),
    Row(
        NAME,
        lambda q, k, v: q.scaled_dot_product_attention(k, v, enable_gqa=True),
        lambda q, k, v: attention(q, np.repeat(k, 2, axis=1), np.repeat(v, 2, axis=1)),
        [((1, 4, 3, 2), (1, 2, 3, 2), (1, 2, 3, 1))],
        note="grouped queries",
    ),
    function(
        NAME,
        attention,
        [((2, 3, 2, 2), (2, 1, 3, 2), (2, 1, 3, 2))],
        note="heads broadcast",
    ),
    Row(
        NAME,
        lambda q, k, v: q.scaled_dot_product_attention(k, v, dropout_p=1.0),
        lambda q, k, v: 0 * attention(q, k, v),
        PLAIN,
        note="all weights dropped",
    ),
]

Q, K, V = Tensor.zeros(2, 3, 4), Tensor.zeros(2, 5, 4), Tensor.zeros(2, 5, 6)

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: Q[0, 0].scaled_dot_product_attention(K, V),
        ValueError,
        f"{NAME}: expected at least 2 dimensions, (..., length, features); "
        "got (4,), (2, 5, 4) and (2, 5, 6)",
    ),
    Mistake(
        lambda: Q.scaled_dot_product_attention(V, K),
        ValueError,
        f"{NAME}: query and key have different numbers of features: (2, 3, 4) and (2, 5, 6)",
    ),
    Mistake(
        lambda: Q.scaled_dot_product_attention(K, Q),
        ValueError,
        f"{NAME}: expected one value for each key; got 5 keys and 3 values, "
        "of shapes (2, 5, 4) and (2, 3, 4)",
    ),
    Mistake(
        lambda: Q.scaled_dot_product_attention(K, V, np.ones((3, 4), bool)),
        ValueError,
        f"{NAME}: expected an attn_mask that broadcasts to (2, 3, 5); got (3, 4)",
    ),
    Mistake(
        lambda: Q.scaled_dot_product_attention(K, V, np.ones((3, 5), int)),
        TypeError,
        f"{NAME}: expected an attn_mask of bools or floats; got int64",
    ),
    Mistake(
        lambda: Q.scaled_dot_product_attention(K, V, np.ones((3, 5), bool), is_causal=True),
        ValueError,
        f"{NAME}: is_causal is a mask; do not pass attn_mask as well",
    ),
    Mistake(
        lambda: Tensor.zeros(3, 2, 4).scaled_dot_product_attention(K, V, enable_gqa=True),
        ValueError,
        f"{NAME}: with enable_gqa the number of heads (axis -3) of the query must be a multiple of "
        "that of key and value; got (3, 2, 4) and (2, 5, 4)",
    ),
    Mistake(
        lambda: Q.scaled_dot_product_attention(K, V, dropout_p=2.0),
        ValueError,
        "scaled_dot_product_attention: dropout_p: expected a number from 0 to 1; got 2.0",
    ),
]
