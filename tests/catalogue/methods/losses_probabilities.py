"""Rows of the methods in tinygrad_lite/methods/losses_probabilities.py."""

import numpy as np

from tinygrad_lite import Tensor

from ._losses import (
    ALIKE,
    COLUMN,
    MATRIX,
    REDUCE,
    ROW,
    SCORES,
    SIGNS,
    plain_rows,
    probabilities,
    sigmoid,
)
from .row import Mistake, Row, function

FACTORS = np.array([0.5, 1.0, 2.0, 3.0])
SHARES = np.array([[2.0], [0.0], [1.0]])


def logistic(x, t, positive=1.0):
    return -t * np.log(sigmoid(x)) * positive - (1 - t) * np.log(1 - sigmoid(x))


def poisson(x, t, log_input=True, full=False, eps=1e-8):
    losses = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        n = np.maximum(t, 1)
        stirling = n * np.log(n) - n + 0.5 * np.log(2 * np.pi * n)
        losses = losses + np.where(t > 1, stirling, 0)
    return losses


def gaussian(x, t, v, full=False, eps=1e-6):
    v = np.maximum(v, eps)
    return (np.log(v) + (x - t) ** 2 / v + (np.log(2 * np.pi) if full else 0)) / 2


def counts(rng, shape):
    """0.2 to 3, off 1, where Stirling's formula starts."""
    return np.asarray(rng.choice([0.2, 0.7, 1.5, 2.2, 2.9], shape))


ROWS: list[Row] = [
    *plain_rows(
        "binary_crossentropy", lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p), probabilities
    ),
    *plain_rows(
        "binary_crossentropy_logits",
        lambda x, t: -t * np.log(sigmoid(x)) - (1 - t) * np.log(1 - sigmoid(x)),
    ),
    Row(
        "binary_crossentropy_logits",
        lambda x, t: x.binary_crossentropy_logits(t, pos_weight=Tensor([0.5, 1.0, 2.0, 3.0])),
        lambda x, t: np.mean(
            -t * np.log(sigmoid(x)) * [0.5, 1, 2, 3] - (1 - t) * np.log(1 - sigmoid(x))
        ),
        ALIKE[:1],
        note="pos_weight",
    ),
    function(
        "kl_div",
        lambda x, t: (t * (np.log(t) - x)).mean(),
        ALIKE,
        probabilities,
        torch=lambda torch, x, t: torch.nn.functional.kl_div(x, t, reduction="none").mean(),
    ),
    Row(
        "kl_div",
        lambda x, t: x.kl_div(t, "none", log_target=True),
        lambda x, t: np.exp(t) * (t - x),
        ALIKE[:1],
        note="log_target",
    ),
    Row(
        "kl_div",
        lambda x, t: x.kl_div(t, "batchmean"),
        lambda x, t: (t * (np.log(t) - x)).sum() / 3,
        ALIKE[:1],
        probabilities,
        note="batchmean",
    ),
    Row(
        "binary_crossentropy",
        lambda p, t: p.binary_crossentropy(t, weight=FACTORS),
        lambda p, t: np.mean((-t * np.log(p) - (1 - t) * np.log(1 - p)) * FACTORS),
        ALIKE[:1],
        probabilities,
        note="weight",
    ),
    Row(
        "binary_crossentropy_logits",
        lambda x, t: x.binary_crossentropy_logits(t, "sum", Tensor(FACTORS), Tensor(SHARES)),
        lambda x, t: np.sum(logistic(x, t, FACTORS) * SHARES),
        ALIKE[:1],
        note="pos_weight, weight",
    ),
    *(
        Row(
            "multilabel_soft_margin_loss",
            lambda x, t, r=reduction: x.multilabel_soft_margin_loss(t, reduction=r),
            lambda x, t, r=reduction: REDUCE[r](logistic(x, t).mean(-1)),
            [((3, 4), (3, 4)), ((4,), (4,)), ((2, 3, 4), (2, 3, 4))],
            note=reduction,
        )
        for reduction in REDUCE
    ),
    Row(
        "multilabel_soft_margin_loss",
        lambda x, t: x.multilabel_soft_margin_loss(t, FACTORS),
        lambda x, t: np.mean(logistic(x, t) * FACTORS),
        ALIKE[:1],
        note="weight",
    ),
    *(
        Row(
            "soft_margin_loss",
            lambda x, r=reduction: x.soft_margin_loss(SIGNS, r),
            lambda x, r=reduction: REDUCE[r](np.log1p(np.exp(-SIGNS * x))),
            MATRIX,
            note=reduction,
        )
        for reduction in REDUCE
    ),
    *plain_rows("poisson_nll_loss", poisson),
    *plain_rows(
        "poisson_nll_loss", lambda x, t: poisson(x, t, full=True), counts, "full", full=True
    ),
    *plain_rows(
        "poisson_nll_loss",
        lambda x, t: poisson(x, t, False, eps=0.1),
        probabilities,
        "rates",
        log_input=False,
        eps=0.1,
    ),
    *(
        Row(
            "gaussian_nll_loss",
            lambda x, t, v, r=reduction: x.gaussian_nll_loss(t, v, reduction=r),
            lambda x, t, v, r=reduction: REDUCE[r](gaussian(x, t, v)),
            [((3, 4),) * 3, ((3, 4), (3, 1), (1, 4)), ((2, 3, 4), (2, 3, 4), (2, 3, 1))],
            probabilities,
            note=reduction,
        )
        for reduction in REDUCE
    ),
    Row(
        "gaussian_nll_loss",
        lambda x, t, v: x.gaussian_nll_loss(t, v, full=True),
        lambda x, t, v: gaussian(x, t, v[..., None], full=True).mean(),
        [((3, 4), (3, 4), (3,)), ((4,), (4,), ())],
        probabilities,
        note="full, a variance for each row",
    ),
    Row(
        "gaussian_nll_loss",
        lambda x, t: x.gaussian_nll_loss(t, 0.7, eps=0.9),
        lambda x, t: gaussian(x, t, 0.7, eps=0.9).mean(),
        ALIKE,
        note="a number, below eps",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: SCORES[0].binary_crossentropy_logits(np.ones(4), pos_weight=np.ones((2, 4))),
        ValueError,
        "binary_crossentropy_logits: expected a pos_weight that broadcasts to (4,); got (2, 4)",
    ),
    Mistake(
        lambda: ROW.binary_crossentropy_logits(COLUMN),
        ValueError,
        "binary_crossentropy_logits: expected Y of the prediction's shape (3,); got (3, 1); "
        "did you mean Y.reshape((3,))?",
    ),
    Mistake(
        lambda: (ROW + 1.5).binary_crossentropy(ROW),
        ValueError,
        "binary_crossentropy: expected probabilities from 0 to 1; got 1.5; "
        "binary_crossentropy_logits takes scores",
    ),
    Mistake(
        lambda: ROW.kl_div(ROW, "batch"),
        ValueError,
        'kl_div: reduction: expected "batchmean", "mean", "sum" or "none"; got \'batch\'; '
        'did you mean "batchmean"?',
    ),
    Mistake(
        lambda: SCORES.binary_crossentropy(SCORES, weight=np.ones(3)),
        ValueError,
        "binary_crossentropy: weight: shapes (3, 4) and (3,) do not broadcast; from the right, "
        "sizes must be equal or 1",
    ),
    Mistake(
        lambda: SCORES.soft_margin_loss(np.zeros((3, 4))),
        ValueError,
        "soft_margin_loss: target: expected 1 and -1; got 0.0",
    ),
    Mistake(
        lambda: COLUMN.poisson_nll_loss(ROW),
        ValueError,
        "poisson_nll_loss: expected target of the prediction's shape (3, 1); got (3,); "
        "did you mean target.reshape((3, 1))?",
    ),
    Mistake(
        lambda: COLUMN.gaussian_nll_loss(ROW, 1.0),
        ValueError,
        "gaussian_nll_loss: expected target of the prediction's shape (3, 1), or with axes of "
        "size 1; got (3,); did you mean target.reshape((3, 1))?",
    ),
    Mistake(
        lambda: SCORES.gaussian_nll_loss(SCORES, np.ones(4)),
        ValueError,
        "gaussian_nll_loss: expected var of the prediction's shape (3, 4), or with axes of "
        "size 1; got (4,)",
    ),
    Mistake(
        lambda: ROW.gaussian_nll_loss(ROW, np.array([1.0, -2.0, 1.0])),
        ValueError,
        "gaussian_nll_loss: var: expected 0 or more; got -2.0",
    ),
    Mistake(
        lambda: Tensor(1.0).multilabel_soft_margin_loss(Tensor(1.0)),
        ValueError,
        "multilabel_soft_margin_loss: expected scores (..., C); got ()",
    ),
]
