"""A check of values raises in a replay as it does in eager, and nothing is written."""

import numpy as np
import pytest
from capturing.eager_and_captured import reason_not_captured

from tinygrad_lite import Tensor, no_grad

# The check, good values for it, and bad ones.
CHECKS = {
    "labels": (lambda h, v: h.cross_entropy(v), [0, 1, 1, 0], [0, 1, 2, 0]),
    "weighted labels": (
        lambda h, v: h.cross_entropy(v, weight=[1.0, 2.0], label_smoothing=0.1),
        [0, 1, 1, 0],
        [0, -1, 1, 0],
    ),
    "nll": (lambda h, v: h.log_softmax(-1).nll_loss(v), [0, 1, 1, 0], [2, 1, 1, 0]),
    "index": (lambda h, v: h[v].sum(), [0, 3, -4, 1], [0, 4, 1, 1]),
    "gather": (lambda h, v: h.gather(0, v.reshape(4, 1)).sum(), [0, 1, 2, 3], [0, 1, 2, 4]),
    "take": (lambda h, v: h.take(v).sum(), [0, 7, -8, 3], [0, 8, 2, 3]),
    "index_add": (lambda h, v: h.index_add(0, v, h).sum(), [0, 1, 2, 3], [0, -1, 2, 3]),
    "scatter": (lambda h, v: h.scatter(0, v.reshape(4, 1), 1.0).sum(), [0, 1, 2, 3], [9, 1, 2, 3]),
    "one_hot": (lambda h, v: (h.mean() * v.one_hot(4)).sum(), [0, 1, 2, 3], [0, 1, 2, 4]),
    "probabilities": (
        lambda h, v: (h.sigmoid() + v.reshape(4, 1) - 1.0).binary_crossentropy(h.detach() * 0.0),
        [1, 1, 1, 1],
        [1, 1, 3, 1],
    ),
    "bernoulli": (
        lambda h, v: (h * (v * 0.25).bernoulli().reshape(4, 1)).sum(),
        [0, 1, 2, 4],
        [5] * 4,
    ),
    "multinomial": (lambda h, v: h[v.float().multinomial(2)].sum(), [1, 2, 3, 0], [1, 0, 0, 0]),
    "signs": (lambda h, v: h[:, 0].hinge_embedding_loss(v), [1, -1, 1, -1], [1, -1, 0, -1]),
    "variance": (
        lambda h, v: h[:, 0].gaussian_nll_loss(h[:, 1], v.float()),
        [1, 2, 3, 4],
        [1, -2, 3, 4],
    ),
    "bytes": (
        lambda h, v: (h * v.cast(np.uint8).reshape(4, 1)).sum(),
        [1, 2, 3, 255],
        [1, 256, 3, 4],
    ),
    "quantile": (lambda h, v: h.quantile(v.float() * 0.25, 0).sum(), [0, 1, 4, 2], [0, 5, 4, 2]),
    "repeated": (lambda h, v: (h * v.reshape(4, 1)).sum() / 2, [1, 2, 3, 4], [4, 3, 2, 1]),
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_check(name):
    act, good, bad = CHECKS[name]

    def make():
        rng = np.random.default_rng(1)
        w = Tensor(rng.standard_normal((3, 2), np.float32), requires_grad=True)

        def step(x, values):
            w.grad = None
            loss = act(x @ w, values)
            loss.backward()
            with no_grad():
                w.sub_(w.grad, alpha=0.1)
            return loss

        return step, [w]

    rng = np.random.default_rng(2)
    batches = [
        (None, (Tensor(rng.standard_normal((4, 3), np.float32)), Tensor(values)))
        for values in (good, good, good[::-1], bad, good)
    ]
    assert reason_not_captured(make, batches) is None


@pytest.mark.filterwarnings("ignore:nll_loss expects log:tinygrad_lite.TrainingWarning")
def test_labels_to_ignore_need_not_be_in_the_batch_that_was_captured():
    def make():
        w = Tensor(np.ones((3, 2), np.float32), requires_grad=True)

        def step(x, labels):
            w.grad = None
            loss = (x @ w).cross_entropy(labels, ignore_index=-1)
            (loss + (x @ w).nll_loss(labels, ignore_index=-1, weight=[1.0, 2.0])).backward()
            return loss

        return step, [w]

    rng = np.random.default_rng(2)
    batches = [
        (None, (Tensor(rng.standard_normal((4, 3), np.float32)), Tensor(labels)))
        for labels in ([0, 1, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [1, 0, 1, 1], [-1, 1, 0, -1])
    ]
    assert reason_not_captured(make, batches) is None


def test_labels_are_checked_before_anything_is_drawn_or_written():
    """So a call with others than were captured, -100 too, can run eagerly."""

    def make():
        w = Tensor(np.ones((3, 2), np.float32), requires_grad=True)
        seen = Tensor(np.zeros((), np.float32))

        def step(x, labels):
            w.grad = None
            with no_grad():
                seen.add_(x.mean())
            loss = (x.dropout(0.3) @ w).cross_entropy(labels)
            loss.backward()
            with no_grad():
                w.sub_(w.grad, alpha=0.1)
            return loss

        return step, [w, seen]

    rng = np.random.default_rng(2)
    batches = [
        (None, (Tensor(rng.standard_normal((4, 3), np.float32)), Tensor(labels)))
        for labels in (
            *([0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [1, -100, 1, 1], [1, 2, 0, 1]),
            *([0, 1, 0, 0], [-100, -100, 1, 0], [0, 1, -1, 0], [0, 1, 1, 1]),
        )
    ]
    assert reason_not_captured(make, batches) is None
