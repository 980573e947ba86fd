"""Scores where a loss expects logarithms, probabilities where it expects scores, and the shapes of
losses and normalisations that are surely wrong.
"""

import re

import numpy as np
import pytest

import nn
from nn import functional as F
from tinygrad_lite import Tensor, TrainingWarning, capture, no_grad

LABELS = np.array([0, 2, 1, 1])


def raw():
    """Scores that a layer computed, of which some are positive: k / 5."""
    zeros = nn.Linear(3, 3)(Tensor.ones(4, 3)) * 0.0
    return zeros + Tensor(np.arange(12, dtype=np.float32).reshape(4, 3) / 5)


def told(text):
    return pytest.warns(TrainingWarning, match=text)


# nll_loss of raw scores

LOSSES = {
    "method": lambda x, y: x.nll_loss(y),
    "function": lambda x, y: F.nll_loss(x, y),
    "layer": lambda x, y: nn.NLLLoss()(x, y),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_nll_loss_of_raw_scores(loss):
    with told(
        r"^nll_loss expects log-probabilities, and the exponentials .* add up to 22.5; w"
    ) as w:
        loss(raw(), LABELS).backward()
    assert [each.filename for each in w] == [__file__]
    assert "write log_softmax(1) before it, or pass the scores to cross_entropy" in str(
        w[0].message
    )


RAW = {
    "linear": raw,
    "relu": lambda: raw().relu(),
    "tanh": lambda: raw().tanh(),
    "sigmoid": lambda: raw().sigmoid(),
    "all negative": lambda: -raw() * 0.1 - 0.01,
    "reshaped": lambda: raw().reshape(2, 2, 3).reshape(4, 3),
    "half": lambda: raw().cast(np.float16),
    "logits of a convolution": lambda: nn.Conv1d(3, 3, 1)(raw().unsqueeze(2)).squeeze(2) + 2.0,
}


@pytest.mark.parametrize("make", RAW.values(), ids=RAW)
def test_whatever_computed_the_scores(make):
    with told("nll_loss expects log-probabilities"):
        make().nll_loss(LABELS)


def test_scores_of_one_sample_and_of_images():
    with told(r"log_softmax\(0\)"):
        raw()[0].nll_loss(np.array(1))
    with told(r"log_softmax\(1\)"):
        raw().reshape(2, 3, 2).nll_loss(np.array([[0, 1], [2, 2]]))


def test_logarithms_along_another_axis():
    with told(r"along axis 1, and these are along axis 0; write log_softmax\(1\)$"):
        raw().log_softmax(0).nll_loss(LABELS)
    raw().log_softmax(-1).nll_loss(LABELS)


ADVANTAGE = Tensor(np.array([[1.0], [-2.0], [0.5], [-0.1]], np.float32))
LOGARITHMS = {
    "log_softmax": lambda x: x.log_softmax(1),
    "log of softmax": lambda x: x.softmax(1).log(),
    "log of clipped": lambda x: (x.softmax(1) + 1e-9).log(),
    "by hand": lambda x: x - x.logsumexp(1, keepdim=True),
    "reshaped": lambda x: x.log_softmax(1).reshape(2, 2, 3).reshape(4, 3),
    "permuted": lambda x: x.T.log_softmax(0).T,
    "half": lambda x: x.cast(np.float16).log_softmax(1),
    "mixture": lambda x: Tensor.stack(x.log_softmax(1), (-x).log_softmax(1)).logsumexp(0) - 0.7,
    "policy gradient": lambda x: x.log_softmax(1) * ADVANTAGE,
    "divided": lambda x: x.log_softmax(1) / -3.0,
    "smoothed": lambda x: x.log_softmax(1) * 0.9 + x.log_softmax(1).mean(1, keepdim=True) * 0.1,
    "of sigmoids": lambda x: F.logsigmoid(x),
    "chosen": lambda x: x.log_softmax(1)[:, [0, 2, 1]],
    "masked": lambda x: x.log_softmax(1).masked_fill(np.eye(4, 3, 2) > 0, -np.inf),
    "layer": lambda x: nn.Sequential(nn.Linear(3, 3), nn.LogSoftmax(1))(x),
    "adaptive": lambda x: nn.AdaptiveLogSoftmaxWithLoss(3, 3, [1], 1.0).log_prob(x),
}


@pytest.mark.parametrize("make", LOGARITHMS.values(), ids=LOGARITHMS)
def test_logarithms_are_left_alone(make):
    make(raw()).nll_loss(LABELS).backward()


def test_constants_are_left_alone():
    with no_grad():
        raw().nll_loss(LABELS)
    Tensor(np.ones((4, 3)), requires_grad=True).nll_loss(LABELS)
    raw()[:0].nll_loss(LABELS[:0], reduction="sum")


def test_a_captured_step_is_told_when_it_runs_eagerly():
    model = nn.Linear(3, 3)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01)

    @capture(strict=True)
    def step(x):
        optimizer.zero_grad()
        loss = (model(x) + 2.0).nll_loss(LABELS)
        loss.backward()
        optimizer.step()
        return loss

    with told("nll_loss expects log-probabilities") as seen:
        for _ in range(5):
            step(Tensor.ones(4, 3))
    assert len(seen) == 1


# Probabilities where scores are expected

PROBABILITIES = {
    "cross_entropy": (lambda x: x.softmax(1).cross_entropy(LABELS), "cross_entropy applies softm"),
    "transposed": (
        lambda x: x.reshape(2, 2, 3).softmax(-1).permute(0, 2, 1).cross_entropy([[0, 1], [2, 0]]),
        "cross_entropy applies softmax",
    ),
    "sliced": (lambda x: x.softmax(1)[:2].cross_entropy([0, 1]), "cross_entropy applies softmax"),
    "layers": (
        lambda x: nn.CrossEntropyLoss()(nn.Sequential(nn.Softmax(1))(x), LABELS),
        "cross_entropy applies softmax",
    ),
    "sparse": (
        lambda x: x.softmax().sparse_categorical_crossentropy(LABELS),
        "sparse_categorical_crossentropy applies softmax",
    ),
    "nll_loss": (lambda x: x.softmax(1).nll_loss(LABELS), "nll_loss expects logarithms"),
    "kl_div": (lambda x: x.softmax(1).kl_div(np.full((4, 3), 0.3)), "kl_div expects logarithms"),
    "sigmoid": (
        lambda x: F.binary_cross_entropy_with_logits(x.sigmoid(), np.ones((4, 3))),
        "binary_crossentropy_logits applies sigmoid",
    ),
    "sigmoid, squeezed": (
        lambda x: nn.BCEWithLogitsLoss()(x[:, :1].sigmoid().squeeze(1), np.ones(4)),
        "binary_crossentropy_logits applies sigmoid",
    ),
}


@pytest.mark.parametrize(("loss", "text"), PROBABILITIES.values(), ids=PROBABILITIES)
def test_probabilities_where_scores_are_expected(loss, text):
    with told(f"^{text}"):
        loss(raw())


def test_scores_where_probabilities_are_expected_are_an_error():
    with pytest.raises(ValueError, match=r"probabilities from 0 to 1; got .*_logits takes scores"):
        nn.BCELoss()(raw(), np.ones((4, 3)))


# (N, 1) against (N,)

COLUMN, ROW = np.linspace(0.1, 0.9, 4)[:, None], np.linspace(0.1, 0.9, 4)
SIGNS = np.array([1.0, -1.0, 1.0, 1.0])
TWO = {
    **dict.fromkeys(["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div"], ROW),
    **dict.fromkeys(["binary_cross_entropy", "binary_cross_entropy_with_logits"], ROW),
    **dict.fromkeys(["poisson_nll_loss", "multilabel_soft_margin_loss"], ROW),
    **dict.fromkeys(["soft_margin_loss", "hinge_embedding_loss"], SIGNS),
}


@pytest.mark.parametrize("name", TWO)
def test_a_column_against_a_row_is_an_error_with_the_fix(name):
    function, row = getattr(F, name), TWO[name]
    for x, y in ((COLUMN, row), (ROW, row[:, None])):
        shape = re.escape(f"{x.shape}; got {y.shape}; did you mean ")
        with pytest.raises(ValueError, match=rf"{shape}\w+\.reshape\({re.escape(str(x.shape))}\)"):
            function(Tensor(x), y)
    function(Tensor(COLUMN), row[:, None])
    function(Tensor(ROW), row)


def test_a_column_against_a_row_in_losses_of_more_inputs():
    for loss in (
        lambda: F.gaussian_nll_loss(Tensor(COLUMN), ROW, 1.0),
        lambda: F.gaussian_nll_loss(Tensor(ROW), COLUMN, 1.0),
        lambda: F.gaussian_nll_loss(Tensor(ROW), ROW, COLUMN),
        lambda: F.margin_ranking_loss(Tensor(COLUMN), ROW, SIGNS),
        lambda: F.margin_ranking_loss(Tensor(ROW), ROW, SIGNS[:, None]),
        lambda: F.cosine_embedding_loss(Tensor(COLUMN), COLUMN, SIGNS[:, None]),
        lambda: F.cross_entropy(Tensor(np.ones((4, 3))), LABELS[:, None]),
        lambda: F.nll_loss(Tensor(np.ones((4, 3))), LABELS[:, None]),
        lambda: F.multi_margin_loss(Tensor(np.ones((4, 3))), LABELS[:, None]),
        lambda: F.mse_loss(Tensor(COLUMN), COLUMN, weight=ROW),
    ):
        with pytest.raises(ValueError, match=r"did you mean .*reshape"):
            loss()


@pytest.mark.parametrize("y", [np.ones(3), np.float32(1), np.ones((1, 3)), np.ones((4, 1))])
def test_what_would_broadcast_otherwise_is_an_error_too(y):
    with pytest.raises(ValueError, match=r"expected target of .*; a loss never broadcasts"):
        F.mse_loss(Tensor(np.ones((4, 3))), y)


# One value for each channel


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d, (1, 3)),
        (nn.BatchNorm1d, (1, 3, 1)),
        (nn.BatchNorm2d, (1, 3, 1, 1)),
        (nn.BatchNorm3d, (1, 3, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("tracked", [True, False])
def test_batch_norm_of_one_value_for_each_channel_is_an_error(layer, shape, tracked):
    norm = layer(3, track_running_stats=tracked)
    with pytest.raises(ValueError, match=r"more than one value for each channel .* drop_last=True"):
        norm(Tensor.ones(*shape))
    assert norm.running_mean is None or not norm.running_mean.data.any()
    if tracked:
        assert norm.num_batches_tracked.item() == 0
        assert norm.eval()(Tensor.ones(*shape)).shape == shape


def test_a_batch_of_one_image_is_left_alone():
    assert nn.BatchNorm2d(3)(Tensor.ones(1, 3, 2, 1)).shape == (1, 3, 2, 1)
    assert nn.BatchNorm1d(3)(Tensor.ones(2, 3)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(4, 3, 1), (1, 3, 1)])
def test_instance_norm_of_one_value_for_each_channel_is_an_error(shape):
    with pytest.raises(ValueError, match="expected more than one element for each channel"):
        nn.InstanceNorm1d(3)(Tensor.ones(*shape))
