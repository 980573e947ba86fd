"""Formulas and inputs that the rows of several files of losses share."""

import numpy as np

from tinygrad_lite import Tensor

from .row import Row

SIGNS = np.array([[1, -1, 1, -1], [-1, -1, 1, 1], [1, 1, -1, -1]])

MATRIX = [((3, 4),)]
ALIKE = [((3, 4), (3, 4)), ((), ()), ((1,), (1,))]
REDUCE = {"mean": np.mean, "sum": np.sum, "none": lambda losses: losses}

SCORES = Tensor.zeros(3, 4)
COLUMN, ROW = Tensor.zeros(3, 1), Tensor.zeros(3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def probabilities(rng, shape):
    """0.1 to 0.9."""
    return np.asarray(rng.uniform(0.1, 0.9, shape))


def spread(rng, shape):
    """Up to 3 on both sides, off the corners of huber_loss at 0.7 and 1."""
    return np.asarray(rng.choice([0.1, 0.4, 1.3, 2.1, 2.9], shape) * rng.choice([-1.0, 1.0], shape))


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
