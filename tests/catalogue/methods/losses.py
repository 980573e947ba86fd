"""Rows of the methods in tinygrad_lite/methods/losses.py."""

import numpy as np

from tinygrad_lite import Tensor

from .row import Mistake, Row, function

LABELS = np.array([2, 0, 3])
IGNORED = np.array([2, -100, 3])
WEIGHT = np.array([0.5, 2.0, 1.0, 3.0])
CLASSES = np.array([[2, 0], [3, 1], [1, 1]])
TARGET = np.array([[0.3, -1.2, 2.0, 0.1], [0.7, 0.2, -0.4, 1.1], [-0.9, 0.5, 1.3, 0.6]])
SHARES = np.abs(TARGET) / np.abs(TARGET).sum(1, keepdims=True)
SIGNS = np.array([[1, -1, 1, -1], [-1, -1, 1, 1], [1, 1, -1, -1]])
BITS = (SIGNS + 1) / 2

MATRIX = [((3, 4),)]
ALIKE = [((3, 4), (3, 4)), ((), ()), ((1,), (1,))]
REDUCE = {"mean": np.mean, "sum": np.sum, "none": lambda losses: losses}


def logs(x, axis=1):
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def nll_per_sample(x, shares, weight=1.0):
    return -(logs(x) * shares * weight).sum(1)


def smooth(labels, share):
    return np.eye(4)[labels] * (1 - share) + share / 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def huber(d, delta):
    d = np.abs(d)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


def cosine(a, b, axis):
    a, b = np.broadcast_arrays(a, b)
    lengths = np.sqrt((a * a).sum(axis)) * np.sqrt((b * b).sum(axis))
    return (a * b).sum(axis) / lengths


def distance(a, b, p=2):
    return (np.abs(a - b + 1e-6) ** p).sum(-1) ** (1 / p)


def probabilities(rng, shape):
    """0.1 to 0.9."""
    return np.asarray(rng.uniform(0.1, 0.9, shape))


def spread(rng, shape):
    """Up to 3 on both sides, off the corners of huber_loss at 0.7 and 1."""
    return np.asarray(rng.choice([0.1, 0.4, 1.3, 2.1, 2.9], shape) * rng.choice([-1.0, 1.0], shape))


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


def plain_rows(method, formula, domain=spread, note="", **options):
    """A loss of a prediction and a target of one shape, with each reduction."""
    return [
        Row(
            method,
            lambda x, t, r=reduction: getattr(x, method)(t, reduction=r, **options),
            lambda x, t, r=reduction: REDUCE[r](formula(x, t)),
            ALIKE if reduction == "mean" else ALIKE[:1],
            domain,
            note=f"{note} {reduction}".strip(),
        )
        for reduction in REDUCE
    ]


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
    *plain_rows("mse_loss", lambda x, t: (x - t) ** 2),
    *plain_rows("l1_loss", lambda x, t: np.abs(x - t), domain=probabilities),
    *plain_rows("huber_loss", lambda x, t: huber(x - t, 1), domain=probabilities),
    *plain_rows("huber_loss", lambda x, t: huber(x - t, 0.75), note="delta", delta=0.75),
    *plain_rows("smooth_l1_loss", lambda x, t: huber(x - t, 1), domain=probabilities),
    *plain_rows("smooth_l1_loss", lambda x, t: huber(x - t, 0.75) / 0.75, note="beta", beta=0.75),
    *plain_rows(
        "smooth_l1_loss", lambda x, t: np.abs(x - t), domain=probabilities, note="beta 0", beta=0
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
]

SCORES = Tensor.zeros(3, 4)
COLUMN, ROW = Tensor.zeros(3, 1), Tensor.zeros(3)

MISTAKES: list[Mistake] = [
    Mistake(
        lambda: SCORES.cross_entropy([1, 2, 0], weight=Tensor(np.ones(4), requires_grad=True)),
        ValueError,
        "cross_entropy: weight: it is a constant; detach() it, no gradient flows there",
    ),
    Mistake(
        lambda: SCORES[0].binary_crossentropy_logits(np.ones(4), pos_weight=np.ones((2, 4))),
        ValueError,
        "binary_crossentropy_logits: expected a pos_weight that broadcasts to (4,); got (2, 4)",
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
        lambda: COLUMN.mse_loss(ROW),
        ValueError,
        "mse_loss: expected target of the prediction's shape (3, 1); got (3,); "
        "did you mean target.reshape((3, 1))?",
    ),
    *(
        Mistake(
            lambda name=name: getattr(COLUMN, name)(ROW),
            ValueError,
            f"{name}: expected {target} of the prediction's shape (3, 1); got (3,); "
            f"did you mean {target}.reshape((3, 1))?",
        )
        for name, target in (
            ("huber_loss", "target"),
            ("smooth_l1_loss", "target"),
            ("kl_div", "target"),
            ("binary_crossentropy", "Y"),
        )
    ),
    Mistake(
        lambda: SCORES.l1_loss(0.0),
        ValueError,
        "l1_loss: expected target of the prediction's shape (3, 4); got (); "
        "a loss never broadcasts",
    ),
    Mistake(
        lambda: ROW.binary_crossentropy_logits(COLUMN),
        ValueError,
        "binary_crossentropy_logits: expected Y of the prediction's shape (3,); got (3, 1); "
        "did you mean Y.reshape((3,))?",
    ),
    Mistake(
        lambda: ROW.mse_loss([1.0, 2.0, 3.0]),
        TypeError,
        "mse_loss: target: expected a Tensor, an ndarray or a number; got list; make it a Tensor "
        "first",
    ),
    Mistake(
        lambda: (ROW + 1.5).binary_crossentropy(ROW),
        ValueError,
        "binary_crossentropy: expected probabilities from 0 to 1; got 1.5; "
        "binary_crossentropy_logits takes scores",
    ),
    Mistake(
        lambda: ROW.huber_loss(ROW, delta=0.0),
        ValueError,
        "huber_loss: expected delta above 0; got 0.0",
    ),
    Mistake(
        lambda: ROW.kl_div(ROW, "batch"),
        ValueError,
        'kl_div: reduction: expected "batchmean", "mean", "sum" or "none"; got \'batch\'; '
        'did you mean "batchmean"?',
    ),
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
]
