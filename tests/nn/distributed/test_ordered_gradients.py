"""With chunks, one process alone ends a batch with the gradients of the whole one."""

import contextvars
import gc
import itertools
import weakref

import numpy as np
import pytest
from several import Given, entered

import nn
from nn import distributed
from nn._processes import Processes
from nn.data import DataLoader
from nn.distributed.buckets import Bucket
from tinygrad_lite import Tensor, TrainingWarning, capture

RNG = np.random.default_rng(0)
X = RNG.standard_normal((16, 3))
Y = RNG.standard_normal((16, 1))


def model_of_two():
    Tensor.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).to(np.float64)


def trained(chunks, body, **options):
    """The parameters after `body(model, optimizer, shard)`; observers end with the context."""

    def work():
        model = model_of_two()
        sgd = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        if chunks:
            distributed.DistributedOptimizer(sgd, model=model, chunks=chunks, **options)
        body(model, sgd, distributed.shard if chunks else lambda loader: loader)
        return np.concatenate([each.data.ravel() for each in model.parameters()])

    with entered(Given()):
        return contextvars.copy_context().run(work)


def loss_of(model, x, y):
    return ((model(x) - y) ** 2).mean()


def batches(**options):
    return DataLoader(X, Y, batch_size=8, shuffle=True, seed=1, **options)


def plain(model, sgd, shard):
    loader = shard(batches())
    for _ in range(2):
        for x, y in loader:
            sgd.zero_grad()
            loss_of(model, x, y).backward()
            sgd.step()


def with_evaluation(rows, when, before):
    """The same; a loop over a batch of so many rows, in one of the bodies."""

    def body(model, sgd, shard):
        loader, held_out = shard(batches()), shard(DataLoader(X[:rows], batch_size=rows))
        number = 0
        for _ in range(2):
            for x, y in loader:
                sgd.zero_grad()
                if before and number == when:
                    for each in held_out:
                        model(each)
                loss_of(model, x, y).backward()
                if not before and number == when:
                    for each in held_out:
                        model(each)
                sgd.step()
                number += 1

    return body


@pytest.mark.parametrize("chunks", [2, 4])
def test_a_loop_in_the_body_of_another_changes_nothing(chunks):
    """Also if its batches have as many rows and parts as those of the outer loop."""
    expected = trained(None, plain)
    for rows, before, when in itertools.product((1, 3, 5, 8, 16), (True, False), range(chunks + 1)):
        found = trained(chunks, with_evaluation(rows, when, before))
        np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=str((rows, before, when)))


@pytest.mark.parametrize("chunks", [2, 4])
def test_loops_side_by_side(chunks):
    def body(model, sgd, shard):
        first, second = shard(batches()), shard(DataLoader(X[::-1], Y, batch_size=8))
        for (x, y), (u, v) in zip(first, second, strict=True):
            (loss_of(model, x, y) + loss_of(model, u, v)).backward()
            sgd.step()
            sgd.zero_grad()

    np.testing.assert_allclose(trained(chunks, body), trained(None, body), rtol=1e-10)


@pytest.mark.parametrize("where", ["before", "in the body"])
@pytest.mark.parametrize("bucket_bytes", [8, 1 << 20])
def test_parameters_that_are_trained_again(where, bucket_bytes):
    """They keep what was in their gradients, for the sum with that of the next batch."""

    def body(model, sgd, shard):
        loader = shard(batches())
        for epoch in range(3):
            if where == "before":
                model[0].requires_grad_(epoch != 1)
            for x, y in loader:
                model[0].requires_grad_(epoch != 1)
                loss_of(model, x, y).backward()
        sgd.step()

    found = trained(4, body, bucket_bytes=bucket_bytes)
    np.testing.assert_allclose(found, trained(None, body), rtol=1e-10)


def test_a_loop_without_backward_passes_leaves_the_statistics_of_all_its_parts():
    def work():
        layer = nn.BatchNorm1d(3).to(np.float64)
        sgd = nn.optim.SGD(layer.parameters(), lr=0.1)
        distributed.DistributedOptimizer(sgd, model=layer, chunks=4)
        for x in distributed.shard(DataLoader(X, batch_size=16)):
            layer(x)
        return layer

    alone = nn.BatchNorm1d(3).to(np.float64)
    for start in range(0, 16, 4):
        alone(X[start : start + 4])
    with entered(Given()):
        found = contextvars.copy_context().run(work)
    np.testing.assert_array_equal(found.running_mean.data, alone.running_mean.data)
    assert found.num_batches_tracked.item() == 4


def test_weights_may_be_clipped_after_whole_batches():
    def body(model, sgd, shard):
        for x, y in shard(batches()):
            loss_of(model, x, y).backward()
            sgd.step()
            if not distributed.start().midway:
                for each in model.parameters():
                    each.data = each.data.clip(-0.3, 0.3)
                sgd.zero_grad()

    np.testing.assert_allclose(trained(4, body), trained(None, body), rtol=1e-10)


def test_a_captured_function_may_ask_whether_the_batch_goes_on():
    w = Tensor(np.zeros(2))

    @capture(strict=True)
    def after_each_batch(x):
        if not distributed.start().midway:
            w.data += 1
        return x * 2.0

    with entered(Given(chunks=4)):
        for _ in range(3):
            for x in distributed.shard(DataLoader(X, batch_size=8)):
                after_each_batch(Tensor(x))
    assert w.data.tolist() == [6, 6]
    assert len([plan for plan in after_each_batch.plans if plan.used]) == 2


@pytest.mark.parametrize("chunks", [None, 4])
def test_a_captured_step_may_name_the_processes(chunks):
    """What they count with each exchange is no reason to record it again."""

    def work():
        processes = distributed.start()
        model, ended = model_of_two(), Tensor(np.zeros(1))
        sgd = nn.optim.SGD(model.parameters(), lr=0.1)
        distributed.DistributedOptimizer(sgd, chunks=chunks)

        @capture(strict=True)
        def step(x):
            model(x).square().mean().backward()
            sgd.step()
            sgd.zero_grad()
            if processes.leads and not processes.midway:
                ended.data += 1

        for _ in range(4):
            for x in distributed.shard(DataLoader(X, batch_size=8)):
                step(x)
        assert ended.item() == 8
        assert sum(plan.used for plan in step.plans) >= (24 if chunks else 5)

    with entered(Processes()):
        contextvars.copy_context().run(work)
    gc.collect()


def side_by_side(rows, others, number=2):
    """Loops over that many batches of so many rows each, and a loss of both."""

    def body(model, sgd, shard):
        first = shard(DataLoader(X[: number * rows], batch_size=rows))
        second = iter(shard(DataLoader(X[: number * others], batch_size=others)))
        for x in first:
            (model(x).mean() + model(next(second)).mean()).backward()
            sgd.step()
            sgd.zero_grad()

    return body


def inside(model, sgd, shard):
    """A loop that trains in the body of another: the weights are those of the inner one."""
    for _ in shard(DataLoader(X[:3], batch_size=3)):
        for number, x in enumerate(shard(DataLoader(X, batch_size=4))):
            if number:
                model(x).mean().backward()
                sgd.step()
                sgd.zero_grad()


@pytest.mark.parametrize("chunks", [None, 2])
def test_loops_that_go_on_together_over_batches_that_are_not_cut_alike_are_warned_of(chunks):
    def run(body):
        with entered(Given(0, 1 if chunks else 2)):

            def work():
                model = model_of_two()
                sgd = nn.optim.SGD(model.parameters(), lr=0.1)
                distributed.DistributedOptimizer(sgd, chunks=chunks)
                body(model, sgd, distributed.shard)

            contextvars.copy_context().run(work)
        gc.collect()

    for rows, others in ((3, 4), (4, 3)):
        said = rf"of batches of {rows} and {others} rows, which are not cut alike into 2 parts"
        with pytest.warns(TrainingWarning, match=said):
            run(side_by_side(rows, others))
    for rows, others in ((4, 8), (3, 3), (6, 2)):
        run(side_by_side(rows, others))
    if not chunks:
        run(inside)


def test_few_messages_are_made_for_many_parts(monkeypatch):
    new, made = Bucket.new, []

    def counted(bucket):
        made.append(bucket)
        return new(bucket)

    monkeypatch.setattr(Bucket, "new", counted)

    def one_batch(model, sgd, shard):
        for x, y in shard(DataLoader(X, Y, batch_size=16)):
            loss_of(model, x, y).backward()
        sgd.step()

    trained(16, one_batch)
    assert len(made) <= 6


def test_nothing_is_left_of_optimisers_that_are_gone():
    """As of many trainings in one program."""

    def work():
        lives = []
        for _ in range(3):
            model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
            sgd = nn.optim.SGD(model.parameters(), lr=0.1)
            distributed.DistributedOptimizer(sgd, model=model, chunks=2)
            for x in distributed.shard(DataLoader(X.astype(np.float32), batch_size=8)):
                model(x).square().mean().backward()
                sgd.step()
                sgd.zero_grad()
            observer = sgd.exchange.observer
            lives += [weakref.ref(each) for each in (sgd.exchange, *model.modules())]
        assert observer.exchanges == (sgd.exchange,)
        del sgd, model
        gc.collect()
        assert observer.exchanges == ()
        assert observer.left == {}
        assert [each() for each in lives] == [None] * len(lives)

    with entered(Given()):
        contextvars.copy_context().run(work)


def no_pass_for_the_first_part(model, sgd, shard):
    for number, (x, y) in enumerate(shard(batches())):
        if number:
            loss_of(model, x, y).backward()


def two_passes(model, sgd, shard):
    for x, y in shard(batches()):
        loss_of(model, x, y).backward()
        loss_of(model, x, y).backward()


def frozen_between(model, sgd, shard):
    for number, (x, y) in enumerate(shard(batches())):
        model[0].requires_grad_(number != 1)
        loss_of(model, x, y).backward()


def distributed_in_the_body(model, sgd, shard):
    for x, y in shard(batches()):
        made = nn.optim.SGD(model.parameters(), lr=0.1)
        distributed.DistributedOptimizer(made, chunks=2)
        loss_of(model, x, y).backward()


def a_rate_by_rounds_of_the_loop(model, sgd, shard):
    for number, (x, y) in enumerate(shard(batches())):
        sgd.lr = 0.1 / (1 + number)
        loss_of(model, x, y).backward()
        sgd.step()


def weights_decay_in_each_part(model, sgd, shard):
    for x, y in shard(batches()):
        loss_of(model, x, y).backward()
        sgd.step()
        for each in model.parameters():
            each.data *= 0.99


def the_loader_is_not_the_sharded_one(model, sgd, shard):
    shard(batches())
    for x, y in batches():
        loss_of(model, x, y).backward()
        sgd.step()


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_a_table_that_scales_its_rows_is_refused(kind):
    """Each part would scale the rows that it looks up itself, so that the bits depended on it."""
    model = nn.Sequential(kind(5, 3, max_norm=1.0), nn.Linear(3, 1))
    sgd = nn.optim.SGD(model.parameters(), lr=0.1)
    said = rf"^DistributedOptimizer: the {kind.__name__} at 0, with max_norm, scales the rows"
    with entered(Given()), pytest.raises(ValueError, match=said):
        distributed.DistributedOptimizer(sgd, model=model, chunks=2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (a_rate_by_rounds_of_the_loop, r"expected lr=0\.1, as in the part .*; got lr=0\.05: count"),
        (weights_decay_in_each_part, r"expected the weights .*: expected that only where not nn\."),
        (the_loader_is_not_the_sharded_one, "the last one was outside of it, with a whole batch"),
        (no_pass_for_the_first_part, "part 0 of 2 had none"),
        (two_passes, "got a second one: add the losses"),
        (frozen_between, "frozen between two parts of a batch; expected that between two batches"),
        (distributed_in_the_body, "expected DistributedOptimizer before the loop"),
    ],
)
def test_mistakes(body, said):
    with pytest.raises(RuntimeError, match=said):
        trained(2, body)
    gc.collect()
