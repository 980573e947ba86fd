"""Rows of the methods in tinygrad_lite/methods/losses_distances.py."""

import numpy as np

from tinygrad_lite import Tensor

from ._losses import ALIKE, MATRIX, ROW, SCORES, SIGNS, spread
from .row import Mistake, Row, function


def cosine(a, b, axis):
    a, b = np.broadcast_arrays(a, b)
    lengths = np.sqrt((a * a).sum(axis)) * np.sqrt((b * b).sum(axis))
    return (a * b).sum(axis) / lengths


def distance(a, b, p=2):
    return (np.abs(a - b + 1e-6) ** p).sum(-1) ** (1 / p)


ROWS: list[Row] = [
    Row(
        "hinge_embedding_loss",
        lambda x: x.hinge_embedding_loss(SIGNS, margin=0.77),
        lambda x: np.where(SIGNS == 1, x, np.maximum(0, 0.77 - x)).mean(),
        MATRIX,
    ),
    Row(
        "margin_ranking_loss",
        lambda x, y: x.margin_ranking_loss(y, Tensor(SIGNS), margin=0.3),
        lambda x, y: np.maximum(0, 0.3 - SIGNS * (x - y)).mean(),
        ALIKE[:1],
    ),
    function(
        "cosine_similarity",
        lambda a, b: cosine(a, b, 1),
        [((3, 4), (3, 4)), ((2, 3, 1), (2, 3, 2)), ((0, 3), (0, 3))],
    ),
    Row(
        "cosine_similarity",
        lambda a, b: a.cosine_similarity(b, axis=-1),
        lambda a, b: cosine(a, b, -1),
        [((2, 1, 3), (4, 3)), ((3,), (3,)), ((2, 1), (2, 3))],
        note="broadcast",
    ),
    function(
        "cosine_similarity",
        lambda a, b: cosine(a, b, 1),
        [((3, 2), (2, 3, 2))],
        note="broadcast to more axes, of which 1 is another one",
    ),
    Row(
        "cosine_embedding_loss",
        lambda a, b: a.cosine_embedding_loss(b, [1, -1, 1], margin=0.1, reduction="none"),
        lambda a, b: np.where(
            [True, False, True], 1 - cosine(a, b, 1), np.maximum(0, cosine(a, b, 1) - 0.1)
        ),
        ALIKE[:1],
        spread,
    ),
    Row(
        "cosine_embedding_loss",
        lambda a, b: a.cosine_embedding_loss(b, 1),
        lambda a, b: 1 - cosine(a, b, 0),
        [((4,), (4,))],
        torch=lambda torch, a, b: torch.nn.functional.cosine_embedding_loss(a, b, torch.tensor(1)),
        note="one pair",
    ),
    function(
        "triplet_margin_loss",
        lambda a, b, c: np.maximum(0, 1 + distance(a, b) - distance(a, c)).mean(),
        [((3, 4),) * 3, ((4,),) * 3],
    ),
    Row(
        "triplet_margin_loss",
        lambda a, b, c: a.triplet_margin_loss(b, c, margin=3, p=3, swap=True, reduction="none"),
        lambda a, b, c: np.maximum(
            0, 3 + distance(a, b, 3) - np.minimum(distance(a, c, 3), distance(b, c, 3))
        ),
        [((3, 4),) * 3],
        note="swap",
    ),
    function(
        "pairwise_distance",
        distance,
        [((3, 4), (3, 4)), ((4,), (4,)), ((2, 3, 4), (3, 4)), ((2, 1, 4), (3, 4))],
        torch=lambda torch, x, y: torch.nn.functional.pairwise_distance(x, y),
    ),
    Row(
        "pairwise_distance",
        lambda x, y: x.pairwise_distance(y, 3, 1e-6, keepdim=True),
        lambda x, y: distance(x, y, 3)[..., None],
        ALIKE[:1],
        torch=lambda torch, x, y: torch.nn.functional.pairwise_distance(x, y, 3, keepdim=True),
        note="p, keepdim",
    ),
    Row(
        "triplet_margin_with_distance_loss",
        lambda a, b, c: a.triplet_margin_with_distance_loss(b, c),
        lambda a, b, c: np.maximum(0, 1 + distance(a, b) - distance(a, c)).mean(),
        [((3, 4),) * 3, ((4,),) * 3],
    ),
    Row(
        "triplet_margin_with_distance_loss",
        lambda a, b, c: a.triplet_margin_with_distance_loss(
            b,
            c,
            distance_function=lambda x, y: ((x - y) ** 2).sum(-1),
            margin=9,
            swap=True,
            reduction="none",
        ),
        lambda a, b, c: np.maximum(
            0,
            9 + ((a - b) ** 2).sum(-1) - np.minimum(((a - c) ** 2).sum(-1), ((b - c) ** 2).sum(-1)),
        ),
        [((3, 4),) * 3],
        note="a function, swap",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: ROW.margin_ranking_loss(ROW, [1, 0, -1]),
        ValueError,
        "margin_ranking_loss: target: expected 1 and -1; got 0",
    ),
    Mistake(
        lambda: SCORES.cosine_embedding_loss(SCORES, [1, 1]),
        ValueError,
        "cosine_embedding_loss: expected a target of shape (3,); got (2,)",
    ),
    Mistake(
        lambda: SCORES.triplet_margin_loss(SCORES, SCORES, margin=0),
        ValueError,
        "triplet_margin_loss: expected margin above 0; got 0",
    ),
    Mistake(
        lambda: SCORES.triplet_margin_with_distance_loss(SCORES, SCORES, distance_function=3),
        TypeError,
        "triplet_margin_with_distance_loss: distance_function: expected a function; got 3",
    ),
    Mistake(
        lambda: SCORES.pairwise_distance(Tensor.zeros(3, 5)),
        ValueError,
        "pairwise_distance: shapes (3, 4) and (3, 5) do not broadcast; from the right, "
        "sizes must be equal or 1",
    ),
]
