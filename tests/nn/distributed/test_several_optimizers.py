"""Several optimisers in one program, each with an exchange of its own."""

import contextvars
import gc
import sys
from contextlib import nullcontext

import numpy as np
import pytest
from several import Given, entered

import nn
from nn import distributed
from nn.data import DataLoader
from nn.distributed import gradients
from tinygrad_lite import Tensor, TrainingWarning

X = np.random.default_rng(0).standard_normal((16, 3))


def test_a_parameter_of_two_optimisers_has_the_same_gradient_in_both():
    def work(chunks):
        Tensor.manual_seed(0)
        encoder, *heads = (nn.Linear(3, 3, dtype=np.float64) for _ in range(3))
        each = [nn.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1) for head in heads]
        loader = DataLoader(X, X[:, :1], batch_size=8, shuffle=True, seed=1)
        if chunks:
            for optimizer in each:
                distributed.DistributedOptimizer(optimizer, chunks=chunks)
            loader = distributed.shard(loader)
        for x, _ in loader:
            encoded = encoder(x).tanh()
            (heads[0](encoded).square().mean() + heads[1](encoded).sin().mean()).backward()
            for optimizer in each:
                optimizer.step()
            for optimizer in each:
                optimizer.zero_grad()
        return [one.data for layer in (encoder, *heads) for one in layer.parameters()]

    with entered(Given()):
        found = contextvars.copy_context().run(work, 4)
    gc.collect()
    for one, expected in zip(found, work(None), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-12)


@pytest.mark.parametrize("between", [False, True])
def test_a_step_before_the_pass_of_another_optimiser_is_warned_of(between):
    def work():
        layers = [nn.Linear(3, 1, dtype=np.float64) for _ in range(2)]
        each = [nn.optim.SGD(layer.parameters(), lr=0.1) for layer in layers]
        for sgd in each:
            distributed.DistributedOptimizer(sgd, chunks=2)
        for x in distributed.shard(DataLoader(X, batch_size=8)):
            layers[0](x).square().mean().backward()
            if between:
                each[0].step()
            (layers[1](x) - layers[0](x).detach()).square().mean().backward()
            for sgd in each[between:]:
                sgd.step()
            for sgd in each:
                sgd.zero_grad()

    said = r"SGD \(optimiser 1 of 2\) steps before a backward pass of SGD \(optimiser 2 of 2\)"
    with entered(Given()), pytest.warns(TrainingWarning, match=said) if between else nullcontext():
        contextvars.copy_context().run(work)
    gc.collect()


def test_a_pass_that_was_broken_off_is_not_completed_by_another(monkeypatch):
    """The first optimiser's exchange raises, and so the second one never comes to its own."""

    def interrupted():
        raise KeyboardInterrupt

    def work():
        layers = [nn.Linear(3, 1, dtype=np.float64) for _ in range(3)]
        each = [nn.optim.SGD(layer.parameters(), lr=0.1) for layer in layers[:2]]
        for sgd in each:
            distributed.DistributedOptimizer(sgd, chunks=2)
        monkeypatch.setattr(each[0].exchange, "complete", interrupted)
        for x in distributed.shard(DataLoader(X, batch_size=8)):
            with pytest.raises(KeyboardInterrupt):
                (layers[0](x) + layers[1](x)).mean().backward()
            layers[2](x).mean().backward()
            assert layers[1].weight.grad is not None  # the end of a part takes it away
            break

    with entered(Given()):
        contextvars.copy_context().run(work)
    gc.collect()


def test_ctrl_c_while_one_is_made_leaves_nothing_to_end(monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    failed = []
    monkeypatch.setattr(sys, "unraisablehook", failed.append)
    monkeypatch.setattr(gradients, "RunningStatistics", interrupted)
    sgd = nn.optim.SGD(nn.Linear(3, 1).parameters(), lr=0.1)
    with entered(Given()), pytest.raises(KeyboardInterrupt):
        distributed.DistributedOptimizer(sgd, chunks=2)
    del sgd
    gc.collect()
    assert failed == []
