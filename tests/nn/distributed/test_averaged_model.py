"""Averages of weights, where a process has several parts of a batch."""

import numpy as np
import pytest
from several import Given, entered, ranks

import nn
from nn.optim.swa_utils import AveragedModel, update_bn
from tinygrad_lite import Tensor, capture

X = np.random.default_rng(0).standard_normal((16, 3)).astype(np.float32)


def updates(chunks, captured):
    """Of four epochs of two batches: how often an average is updated."""
    Tensor.manual_seed(0)
    model = nn.Linear(3, 1)
    sgd, batches = nn.distributed.data_parallel(
        model,
        nn.optim.SGD(model.parameters(), lr=0.1),
        nn.data.DataLoader(X, batch_size=8),
        chunks=chunks,
    )
    average = AveragedModel(model)

    def step(x):
        sgd.zero_grad()
        (model(x) ** 2).mean().backward()
        sgd.step()
        average.update_parameters(model)

    run = capture(step, strict=True) if captured else step
    for _ in range(4):
        for x in batches:
            run(x)
    if captured:
        assert any(plan.used for plan in run.plans)
    return average.n_averaged.item()


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_an_average_is_updated_once_for_each_batch(chunks, captured):
    assert ranks(1, lambda: updates(chunks, captured))[0].result == 8


def test_statistics_of_a_part_of_each_batch_are_refused():
    model = nn.Sequential(nn.BatchNorm1d(3))
    batches = nn.data.DataLoader(X, batch_size=8)
    with entered(Given(1, 2)):
        update_bn(batches, model)
        np.testing.assert_allclose(model[0].running_mean.data, X.mean(0), rtol=1e-5)
        with pytest.raises(ValueError, match=r"expected a loader of whole .* got one of nn\.dist"):
            update_bn(nn.distributed.shard(batches), model)
