"""Losses and attention with options, where a line of docs/gradients-at-corners.md is too short."""

import numpy as np
import pytest
from parity.beside_torch import agree, same

from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

functional = torch.nn.functional


@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.1}, {"weight": [1.0, 2, 3]}], ids=str
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("labels", [[-100, -100], []], ids=["all ignored", "no samples"])
def test_cross_entropy_of_nothing(labels, reduction, options):
    theirs = dict(options)
    if "weight" in theirs:
        theirs["weight"] = torch.tensor(theirs["weight"], dtype=torch.float64)
    labels = np.array(labels, np.int64)
    agree(
        lambda x: x.cross_entropy(labels, reduction, **options),
        lambda x: functional.cross_entropy(x, torch.tensor(labels), reduction=reduction, **theirs),
        np.array([[1.0, 2, 3], [3, 2, 1]])[: len(labels)],
        second=False,
    )


@pytest.mark.parametrize("name", ["huber_loss", "smooth_l1_loss"])
def test_on_both_sides_of_the_corner(name):
    zeros = np.zeros(7)
    agree(
        lambda x: getattr(x, name)(zeros, reduction="none"),
        lambda x: getattr(functional, name)(x, torch.tensor(zeros), reduction="none"),
        [0.0, 1, -1, 0.5, 2, np.inf, -np.inf],
    )


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_may_look_nowhere(kind):
    mask = np.array([[True, False, True], [False] * 3])
    given = mask if kind == "bool" else np.where(mask, 0.0, -np.inf)
    rng = np.random.default_rng(0)
    agree(
        lambda q, k, v: q.scaled_dot_product_attention(k, v, given),
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, torch.tensor(given)),
        *(rng.standard_normal(shape) for shape in ((2, 4), (3, 4), (3, 2))),
    )


def test_attention_in_half_precision():
    rng = np.random.default_rng(0)
    arrays = [(rng.standard_normal((3, 4)) * 100).astype(np.float16) for _ in range(3)]
    mine = Tensor(arrays[0]).scaled_dot_product_attention(*map(Tensor, arrays[1:]))
    same(mine, functional.scaled_dot_product_attention(*map(torch.tensor, arrays)), "value")
