"""Rows of the methods in tinygrad_lite/methods/losses_classes.py."""

import numpy as np

from tinygrad_lite import Tensor

from ._losses import MATRIX, REDUCE, SCORES, probabilities
from .row import Mistake, Row

LABELS = np.array([2, 0, 3])
IGNORED = np.array([2, -100, 3])
WEIGHT = np.array([0.5, 2.0, 1.0, 3.0])
CLASSES = np.array([[2, 0], [3, 1], [1, 1]])
TARGET = np.array([[0.3, -1.2, 2.0, 0.1], [0.7, 0.2, -0.4, 1.1], [-0.9, 0.5, 1.3, 0.6]])
SHARES = np.abs(TARGET) / np.abs(TARGET).sum(1, keepdims=True)


def logs(x, axis=1):
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def nll_per_sample(x, shares, weight=1.0):
    return -(logs(x) * shares * weight).sum(1)


def smooth(labels, share):
    return np.eye(4)[labels] * (1 - share) + share / 4


def entropy_rows(reduction):
    """cross_entropy with all options, for one reduction."""
    reduce = REDUCE[reduction]
    counts = {"mean": WEIGHT[[2, 3]].sum(), "sum": 1.0}

    def kept(losses):
        losses = losses * [1, 0, 1]
        return losses if reduction == "none" else losses.sum() / counts[reduction]

    def with_all(x):
        return kept(nll_per_sample(x, smooth([2, 0, 3], 0.2), WEIGHT))

    return [
        Row(
            "cross_entropy",
            lambda x: x.cross_entropy(LABELS, reduction),
            lambda x: reduce(nll_per_sample(x, np.eye(4)[LABELS])),
            MATRIX,
            note=reduction,
        ),
        Row(
            "cross_entropy",
            lambda x: x.cross_entropy(Tensor(IGNORED), reduction, weight=WEIGHT),
            lambda x: kept(nll_per_sample(x, smooth([2, 0, 3], 0), WEIGHT)),
            MATRIX,
            note=f"weight, one ignored, {reduction}",
        ),
        Row(
            "cross_entropy",
            lambda x: x.cross_entropy(IGNORED, reduction, label_smoothing=0.2, weight=WEIGHT),
            with_all,
            MATRIX,
            note=f"smoothing, weight, one ignored, {reduction}",
        ),
        Row(
            "cross_entropy",
            lambda x, q: x.cross_entropy(q, reduction, label_smoothing=0.2, weight=WEIGHT),
            lambda x, q: reduce(nll_per_sample(x, q * 0.8 + 0.05, WEIGHT)),
            [((3, 4), (3, 4))],
            probabilities,
            note=f"probabilities, smoothing, weight, {reduction}",
        ),
        Row(
            "nll_loss",
            lambda x: x.nll_loss(IGNORED, WEIGHT, reduction=reduction),
            lambda x: kept(-x[[0, 1, 2], [2, 0, 3]] * WEIGHT[[2, 0, 3]]),
            MATRIX,
            note=f"weight, one ignored, {reduction}",
        ),
    ]


def multi_margin(x, p=1, margin=1.0, weight=1.0):
    """Per sample."""
    terms = [
        [
            np.maximum(0, margin - row[label] + other) ** p if k != label else 0.0
            for k, other in enumerate(row)
        ]
        for row, label in zip(np.atleast_2d(x), LABELS, strict=False)
    ]
    return np.mean(terms, -1) * weight


def multilabel_margin(x, target):
    """Per sample."""
    losses = []
    for row, labels in zip(x, target, strict=True):
        true = list(labels[: list(labels).index(-1)]) if -1 in labels else list(labels)
        others = [k for k in range(len(row)) if k not in true]
        losses.append(sum(max(0, 1 - row[t] + row[k]) for t in true for k in others) / len(row))
    return np.array(losses)


SETS = np.array([[2, 0, -1, 1], [-1, 3, 3, 3], [1, 1, 3, -1]])


ROWS: list[Row] = [
    *entropy_rows("mean"),
    *entropy_rows("sum"),
    *entropy_rows("none"),
    Row(
        "cross_entropy",
        lambda x: x.cross_entropy(2),
        lambda x: -logs(x, 0)[2],
        [((4,),)],
        torch=lambda torch, x: torch.nn.functional.cross_entropy(x, torch.tensor(2)),
        note="one sample",
    ),
    Row(
        "cross_entropy",
        lambda x: x.cross_entropy(SHARES[0]),
        lambda x: -(logs(x, 0) * SHARES[0]).sum(),
        [((4,),)],
        casts=True,
        note="probabilities of one sample",
    ),
    Row(
        "cross_entropy",
        lambda x: x.cross_entropy(CLASSES, "none"),
        lambda x: nll_per_sample(x, np.eye(4)[CLASSES].swapaxes(1, 2)),
        [((3, 4, 2),)],
        note="a label at each position",
    ),
    Row(
        "cross_entropy",
        lambda x, q: x.cross_entropy(q),
        lambda x, q: nll_per_sample(x, q).mean(),
        [((2, 3, 2, 1),) * 2],
        probabilities,
        note="probabilities at each position",
    ),
    Row(
        "cross_entropy",
        lambda x: x.cross_entropy(LABELS, ignore_index=0),
        lambda x: nll_per_sample(x, np.eye(4)[LABELS])[[0, 2]].mean(),
        MATRIX,
        note="a class ignored",
    ),
    Row(
        "sparse_categorical_crossentropy",
        lambda x: x.sparse_categorical_crossentropy([2, -1, 3]),
        lambda x: nll_per_sample(x, np.eye(4)[LABELS])[[0, 2]].mean(),
        MATRIX,
        torch=lambda torch, x: torch.nn.functional.cross_entropy(
            x, torch.tensor([2, -1, 3]), ignore_index=-1
        ),
    ),
    Row(
        "sparse_categorical_crossentropy",
        lambda x: x.sparse_categorical_crossentropy(CLASSES, label_smoothing=0.2, reduction="none"),
        lambda x: nll_per_sample(x.swapaxes(1, 2), smooth(CLASSES, 0.2).swapaxes(1, 2)),
        [((3, 2, 4),)],
        torch=lambda torch, x: torch.nn.functional.cross_entropy(
            x.mT, torch.tensor(CLASSES), label_smoothing=0.2, reduction="none"
        ),
        note="a label at each position, smoothing",
    ),
    Row(
        "nll_loss",
        lambda x: x.nll_loss(CLASSES),
        lambda x: -np.take_along_axis(x, CLASSES[:, None], 1).mean(),
        [((3, 4, 2),)],
        note="a label at each position",
    ),
    *(
        Row(
            "multi_margin_loss",
            lambda x, r=reduction: x.multi_margin_loss(LABELS, reduction=r),
            lambda x, r=reduction: REDUCE[r](multi_margin(x)),
            MATRIX,
            torch=None,
            note=f"{reduction}; PyTorch has no second derivative",
        )
        for reduction in REDUCE
    ),
    Row(
        "multi_margin_loss",
        lambda x: x.multi_margin_loss(Tensor(LABELS), p=2, margin=0.6, weight=WEIGHT),
        lambda x: multi_margin(x, 2, 0.6, WEIGHT[LABELS]).mean(),
        MATRIX,
        torch=None,
        note="p, margin, weight; PyTorch has no second derivative",
    ),
    Row(
        "multi_margin_loss",
        lambda x: x.multi_margin_loss(2),
        lambda x: multi_margin(x)[0],
        [((4,),)],
        torch=None,
        note="one sample; PyTorch has no second derivative",
    ),
    *(
        Row(
            "multilabel_margin_loss",
            lambda x, r=reduction: x.multilabel_margin_loss(SETS, r),
            lambda x, r=reduction: REDUCE[r](multilabel_margin(x, SETS)),
            MATRIX,
            torch=None,
            note=f"{reduction}; PyTorch has no second derivative",
        )
        for reduction in REDUCE
    ),
    Row(
        "multilabel_margin_loss",
        lambda x: x.multilabel_margin_loss(SETS[0]),
        lambda x: multilabel_margin(x[None], SETS[:1])[0],
        [((4,),)],
        torch=None,
        note="one sample; PyTorch has no second derivative",
    ),
]

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: SCORES.cross_entropy([1, 2, 0], weight=Tensor(np.ones(4), requires_grad=True)),
        ValueError,
        "cross_entropy: weight: it is a constant; detach() it, no gradient flows there",
    ),
    Mistake(
        lambda: SCORES.cross_entropy([1, 4, 0]),
        ValueError,
        "cross_entropy: labels: label 4 at index 1 is outside 0 to 3",
    ),
    Mistake(
        lambda: Tensor.zeros(3, 4, 2).cross_entropy([[1, 3], [0, 0], [0, -1]]),
        ValueError,
        "cross_entropy: labels: label -1 at index (2, 1) is outside 0 to 3",
    ),
    Mistake(
        lambda: SCORES.cross_entropy([1.0, 2.0, 0.0]),
        TypeError,
        "cross_entropy: labels: expected integers, one class per sample; got float64; write "
        "labels.astype(np.int64)",
    ),
    Mistake(
        lambda: SCORES.cross_entropy([[1], [2], [0]]),
        ValueError,
        "cross_entropy: labels: expected shape (3,), to fit the scores; got (3, 1); did you mean "
        "labels.reshape((3,))?",
    ),
    Mistake(
        lambda: SCORES.cross_entropy(np.eye(4, dtype=int)[:3]),
        ValueError,
        "cross_entropy: labels: expected shape (3,), to fit the scores; got (3, 4); "
        "labels.argmax(-1) gives the classes of one-hot rows",
    ),
    Mistake(
        lambda: Tensor.zeros(2, 5, 7).cross_entropy(np.zeros((2, 5), int)),
        ValueError,
        "cross_entropy: labels: expected shape (2, 7), to fit the scores; got (2, 5); classes "
        "lie along axis 1; sparse_categorical_crossentropy takes them last",
    ),
    Mistake(
        lambda: Tensor([2, 0, 3]).cross_entropy(SCORES),
        TypeError,
        "cross_entropy: labels: expected integers, one class per sample; got float32; write "
        "scores.cross_entropy(labels)",
    ),
    Mistake(
        lambda: SCORES.cross_entropy([1, 2]),
        ValueError,
        "cross_entropy: labels: expected shape (3,), to fit the scores; got (2,)",
    ),
    Mistake(
        lambda: SCORES.cross_entropy([1, 2, 0], "average"),
        ValueError,
        'cross_entropy: reduction: expected "mean", "sum" or "none"; got \'average\'',
    ),
    Mistake(
        lambda: SCORES.cross_entropy([1, 2, 0], label_smoothing=1.5),
        ValueError,
        "cross_entropy: label_smoothing: expected a number from 0 to 1; got 1.5",
    ),
    Mistake(
        lambda: SCORES.cross_entropy([1, 2, 0], weight=[1.0, 2.0, 3.0]),
        ValueError,
        "cross_entropy: weight: expected one per class, shape (4,); got (3,)",
    ),
    Mistake(
        lambda: SCORES.cross_entropy(SHARES, ignore_index=0),
        ValueError,
        "cross_entropy: ignore_index needs labels, not probabilities",
    ),
    Mistake(
        lambda: Tensor(1.0).nll_loss(0),
        ValueError,
        "nll_loss: expected scores (N, C), (C,) or (N, C, d1, ...); got ()",
    ),
    Mistake(
        lambda: SCORES.multi_margin_loss([1, 2, 0], p=3),
        ValueError,
        "multi_margin_loss: p: expected 1 or 2; got 3",
    ),
    Mistake(
        lambda: SCORES.multi_margin_loss([1, 2, -100]),
        ValueError,
        "multi_margin_loss: target: label -100 at index 2 is outside 0 to 3",
    ),
    Mistake(
        lambda: Tensor.zeros(2, 3, 4).multi_margin_loss([1, 2]),
        ValueError,
        "multi_margin_loss: expected scores (N, C) or (C,) of some classes; got (2, 3, 4)",
    ),
    Mistake(
        lambda: SCORES.multilabel_margin_loss([[1, -1, 0, 0], [4, -1, 0, 0], [0, 0, 0, 0]]),
        ValueError,
        "multilabel_margin_loss: target: label 4 at index (1, 0) is outside -1 to 3",
    ),
    Mistake(
        lambda: SCORES[0].multilabel_margin_loss([1, -2, 0, 0]),
        ValueError,
        "multilabel_margin_loss: target: label -2 at index 1 is outside -1 to 3",
    ),
    Mistake(
        lambda: SCORES.multilabel_margin_loss([1, 2, 3]),
        ValueError,
        "multilabel_margin_loss: target: expected the scores' shape (3, 4); got (3,)",
    ),
    Mistake(
        lambda: SCORES.multilabel_margin_loss(np.ones((3, 4))),
        TypeError,
        "multilabel_margin_loss: target: expected integers; got float64",
    ),
]
