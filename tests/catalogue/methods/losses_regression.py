"""Rows of the methods in tinygrad_lite/methods/losses_regression.py."""

import numpy as np

from ._losses import COLUMN, ROW, SCORES, plain_rows, probabilities
from .row import Mistake, Row


def huber(d, delta):
    d = np.abs(d)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


ROWS: list[Row] = [
    *plain_rows("mse_loss", lambda x, t: (x - t) ** 2),
    *plain_rows("l1_loss", lambda x, t: np.abs(x - t), domain=probabilities),
    *plain_rows("huber_loss", lambda x, t: huber(x - t, 1), domain=probabilities),
    *plain_rows("huber_loss", lambda x, t: huber(x - t, 0.75), note="delta", delta=0.75),
    *plain_rows("smooth_l1_loss", lambda x, t: huber(x - t, 1), domain=probabilities),
    *plain_rows("smooth_l1_loss", lambda x, t: huber(x - t, 0.75) / 0.75, note="beta", beta=0.75),
    *plain_rows(
        "smooth_l1_loss", lambda x, t: np.abs(x - t), domain=probabilities, note="beta 0", beta=0
    ),
    *(
        Row(
            method,
            lambda x, t, w, m=method: getattr(x, m)(t, weight=w),
            lambda x, t, w, f=formula, d=divide: (f(x - t) * w).sum() / d(w),
            [((3, 4),) * 3, ((),) * 3],
            probabilities,
            torch=lambda torch, x, t, w, m=method: getattr(torch.nn.functional, m)(x, t, weight=w),
            note="weight",
        )
        for method, formula, divide in (
            ("mse_loss", np.square, np.sum),
            ("l1_loss", np.abs, np.sum),
            ("huber_loss", lambda d: huber(d, 1), np.size),
        )
    ),
    *(
        Row(
            method,
            lambda x, t, w, m=method: getattr(x, m)(t, "none", weight=w),
            lambda x, t, w, f=formula: f(x - t) * w,
            [((3, 4),) * 3],
            probabilities,
            note="weight, none",
        )
        for method, formula in (("mse_loss", np.square), ("huber_loss", lambda d: huber(d, 1)))
    ),
]

MISTAKES: list[Mistake] = [
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
        lambda: ROW.mse_loss([1.0, 2.0, 3.0]),
        TypeError,
        "mse_loss: target: expected a Tensor, an ndarray or a number; got list; make it a Tensor "
        "first",
    ),
    Mistake(
        lambda: ROW.huber_loss(ROW, delta=0.0),
        ValueError,
        "huber_loss: expected delta above 0; got 0.0",
    ),
    Mistake(
        lambda: SCORES.mse_loss(SCORES, weight=np.ones(4)),
        ValueError,
        "mse_loss: expected weight of the prediction's shape (3, 4); got (4,); "
        "a loss never broadcasts",
    ),
]
