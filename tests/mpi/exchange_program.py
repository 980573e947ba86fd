"""Backward passes of all kinds: afterwards every .grad is the mean over the processes."""

import contextvars
import sys
import time
import warnings
from contextlib import nullcontext as nothing

import numpy as np
import pytest

import nn
from nn import distributed
from nn._processes import Part
from tinygrad_lite import Tensor, TrainingWarning, capture

warnings.simplefilter("error")
processes = distributed.start()
rank, size = processes.rank, processes.size


processes.agree("the file \udcff")  # whose name is no text


def leaf(*shape, dtype=np.float64, seed=0):
    values = np.random.default_rng((seed, *shape)).standard_normal(shape)
    return Tensor(values.astype(dtype), requires_grad=True)


def factor(of):
    """Another number in each process, and known to all."""
    return 1.0 + of * of - 0.3 * of


MEAN = np.mean([factor(each) for each in range(size)])


def same(found, expected, **how):
    np.testing.assert_allclose(found.data, expected, **({"rtol": 1e-12} | how))
    assert len({*processes.gather("a gradient", found.data.tobytes())}) == 1


def distribute(*params, **options):
    made = nn.optim.SGD(params, lr=0.1)
    assert distributed.DistributedOptimizer(made, **options) is made
    return made


def unused_and_frozen():
    w, never, some, frozen, last = (leaf(3, seed=each) for each in range(5))
    sgd = distribute(w, never, some, frozen, last, bucket_bytes=30)
    frozen.requires_grad_(False)
    for number in range(3):
        loss = (w * factor(rank) + frozen).sum() + (last * last).sum()
        if rank == number % size:
            loss = loss + (some * 2.0).sum()
        loss.backward()
        same(w.grad, np.full(3, MEAN))
        same(some.grad, np.full(3, 2.0 / size))
        same(last.grad, 2 * last.data)
        assert never.grad is None
        assert frozen.grad is None
        sgd.zero_grad()
    frozen.requires_grad_(True)
    (w * frozen * factor(rank)).sum().backward()
    same(frozen.grad, w.data * MEAN)
    assert last.grad is None
    sgd.step()


def several_passes_before_a_step():
    w = leaf(4, 2)
    sgd = distribute(w)
    for number in range(1, 4):
        (w * factor(rank) * number).sum().backward()
        same(w.grad, np.full((4, 2), MEAN * sum(range(number + 1))))
    nn.utils.clip_grad_norm_([w], 1.0)
    same(w.grad, np.full((4, 2), 8**-0.5), rtol=1e-5)
    sgd.zero_grad(set_to_none=False)
    y = w * factor(rank)
    y.retain_grad()
    y.sum().backward()
    same(w.grad, np.full((4, 2), MEAN))
    assert (y.grad.data == 1).all()
    hooked = w.register_hook(lambda g: g * 2.0)
    (w * factor(rank)).sum().backward()
    same(w.grad, np.full((4, 2), 3 * MEAN))
    hooked.remove()


def two_optimisers():
    """As of a GAN: a pass for one fills gradients of the other, which are then dropped."""
    d, g = leaf(3, seed=1), leaf(3, seed=2)
    of_d, of_g = distribute(d), distribute(g)
    for _ in range(2):
        of_d.zero_grad()
        (d * factor(rank)).sum().backward()
        same(d.grad, np.full(3, MEAN))
        assert g.grad is None
        of_d.step()
        of_g.zero_grad()
        (d * g * factor(rank)).sum().backward()
        same(g.grad, MEAN * d.data)
        same(d.grad, MEAN * (1 + g.data))
        of_g.step()
        of_g.zero_grad()


def a_parameter_of_two_optimisers():
    """Both send it as the pass has made it, in whichever order the processes come to that."""
    shared, *others = (leaf(3, seed=each) for each in range(9))
    kept = [distribute(*others[each::2], shared, bucket_bytes=1) for each in range(2)]
    for _ in range(3):
        if rank:  # the first one cannot send before its pass ends, and the others do
            time.sleep(0.02)
        y = 1.0
        for each in others:
            y = each * y
        processes.part = Part(rank, size, 1 + (rank == 0), size + 1, last=True)
        (shared * y * factor(rank)).sum().backward()
        processes.part = None
        mean = (sum(factor(each) for each in range(size)) + factor(0)) / (size + 1)
        same(shared.grad, mean * y.data)
        for each in kept:
            each.zero_grad()


def mixed_dtypes():
    half, single, double = (leaf(5, dtype=each) for each in ("f2", "f4", "f8"))
    kept = distribute(half, single, double)
    loss = (half.cast(np.float64) * 30000.0).sum() + single.cast(np.float64).sum() * factor(rank)
    (loss + (double * factor(rank)).sum()).backward()
    assert half.grad.dtype == np.float16
    same(half.grad, np.full(5, 30000, np.float16))  # whose sum is no float16
    assert single.grad.dtype == np.float32
    same(single.grad, np.full(5, MEAN), rtol=1e-6)
    same(double.grad, np.full(5, MEAN))
    assert kept.params


def parts_of_unequal_length():
    w = leaf(2)
    sgd = distribute(w)
    rows = [1 + each for each in range(size - 1)] + [0]  # the last one has none
    total = max(sum(rows), 1)
    if size == 1:
        rows = [1]
    processes.part = Part(rank, size, rows[rank], total, last=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # what counts nothing may be nan
        (w * (np.nan if size > 1 and not rows[rank] else factor(rank))).sum().backward()
    processes.part = None
    expected = sum(factor(each) * rows[each] for each in range(size)) / total
    same(w.grad, np.full(2, expected))
    sgd.step()


def parameters_are_added_and_cast():
    w, more = leaf(3), leaf(2, seed=3)
    sgd = distribute(w)
    (w * factor(rank)).sum().backward()
    sgd.add_param_group({"params": [more], "lr": 0.01})
    sgd.zero_grad()
    ((w * factor(rank)).sum() + (more * factor(rank)).sum()).backward()
    same(more.grad, np.full(2, MEAN))
    more.data = more.data.astype(np.float32)
    sgd.zero_grad()
    (more * factor(rank)).sum().backward()
    same(more.grad, np.full(2, MEAN), rtol=1e-6)
    assert w.grad is None


def captured():
    w = leaf(6)
    sgd = distribute(w, bucket_bytes=8)

    @capture(strict=True)
    def step(x):
        loss = (w * x).square().sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_([w], 2.0)
        sgd.step()
        sgd.zero_grad()
        return norm

    kept = w.data.copy()
    for number in range(6):
        xs = [np.random.default_rng((number, each)).standard_normal(6) for each in range(size)]
        gradient = np.mean([2 * kept * x * x for x in xs], axis=0)
        norm = np.linalg.norm(gradient)
        np.testing.assert_allclose(step(Tensor(xs[rank])).item(), norm, rtol=1e-12)
        kept = kept - 0.1 * gradient * min(1, 2 / (norm + 1e-6))
        same(w, kept, rtol=1e-10)
    assert step.plans[0].used >= 3


def running_statistics():
    layer, other = nn.BatchNorm1d(2, momentum=0.25).to(np.float64), nn.BatchNorm1d(2)
    other.eval()
    before = other.running_var.data.tobytes()
    w = leaf(2)
    sgd = distribute(w, model=[layer, other])
    mean, var = np.zeros(2), np.ones(2)
    for number in range(3):
        rows = [3 + each for each in range(size)]
        xs = [
            np.random.default_rng((number, r)).standard_normal((n, 2)) for r, n in enumerate(rows)
        ]
        processes.part = Part(rank, size, rows[rank], sum(rows), last=True)
        (layer(Tensor(xs[rank])) * w).square().mean().backward()
        processes.part = None
        share = np.array(rows)[:, None] / sum(rows)
        mean = 0.75 * mean + 0.25 * sum(share * [x.mean(0) for x in xs])
        var = 0.75 * var + 0.25 * sum(share * [x.var(0, ddof=1) for x in xs])
        same(layer.running_mean, mean)
        same(layer.running_var, var)
        assert layer.num_batches_tracked.item() == number + 1
    assert other.running_var.data.tobytes() == before
    sgd.step()


def a_layer_that_some_do_not_use():
    """Those count with the statistics that they had."""
    layer = nn.BatchNorm1d(2, momentum=0.25).to(np.float64)
    w = leaf(2)
    sgd = distribute(w, model=layer)
    mean, var = np.zeros(2), np.ones(2)
    for number in range(5):
        x = np.random.default_rng(number).standard_normal((4, 2))
        y = layer(Tensor(x)) if rank == number % size else Tensor(x)
        (y * w).square().mean().backward()
        mean = mean + 0.25 * (x.mean(0) - mean) / size
        var = var + 0.25 * (x.var(0, ddof=1) - var) / size
        same(layer.running_mean, mean)
        same(layer.running_var, var)
        sgd.zero_grad()
    if size > 1:  # the last one has no row, and uses the layer alone
        processes.part = Part(rank, size, rank < size - 1, size - 1, last=True)
        y = layer(Tensor(x)) if rank == size - 1 else Tensor(x)
        (y * w).square().mean().backward()
        processes.part = None
    same(layer.running_mean, mean)
    same(layer.running_var, var)


def two_loops_together():
    """Batches of as many rows have one weight; of others, rank 0 warns."""
    w = leaf(2)
    sgd = distribute(w)
    X = np.random.default_rng(0).standard_normal((2 * size + 1, 2))
    for rows in (len(X), 2 * size):
        with pytest.warns(TrainingWarning) if size > 1 > rank and rows < len(X) else nothing():
            loops = (distributed.parts(each) for each in (X, X[:rows]))
            for x, y in zip(*loops, strict=True):
                ((w * x).sum(1).mean() + (w * y).sum(1).mean()).backward()
        if rows == len(X):
            same(w.grad, 2 * X.mean(0))
        sgd.zero_grad()


def the_state_of_rank_0_is_everybodys():
    w = leaf(3)
    if rank:
        w.data[...] = rank
    adam = nn.optim.Adam([("w", w)], lr=0.1)
    if rank == 0:
        w.grad = Tensor(np.ones(3))
        adam.step()
        w.grad = None
    expected = w.data.copy() if rank == 0 else None
    distributed.DistributedOptimizer(adam)
    assert adam.state[w]["step"] == 1
    same(Tensor(adam.state[w]["exp_avg"]), np.full(3, 0.1))
    if rank == 0:
        assert w.data.tobytes() == expected.tobytes()
    same(w, w.data)


def what_is_refused():
    w = leaf(2)
    sgd = distribute(w)
    if size > 1:
        with pytest.raises(
            ValueError, match=r"^DistributedOptimizer: expected an optimiser that is"
        ):
            distributed.DistributedOptimizer(sgd)
        with pytest.raises(ValueError, match=r"LBFGS decides by the loss"):
            distributed.DistributedOptimizer(nn.optim.LBFGS([w]))
    with pytest.raises(TypeError, match=r"^DistributedOptimizer: expected an optimiser; got"):
        distributed.DistributedOptimizer(w)
    for chunks in (0, size - 1):
        with pytest.raises(ValueError, match=r"^DistributedOptimizer: chunks: expected"):
            distributed.DistributedOptimizer(nn.optim.SGD([w], lr=1.0), chunks=chunks)


def an_optimiser_that_is_dropped_exchanges_no_more():
    w = leaf(2)
    distribute(w)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        (w * factor(rank)).sum().backward()
    assert w.grad.tolist() == [factor(rank)] * 2
    assert size == 1 or "keep what DistributedOptimizer returns" in str(seen[0].message)
    w.grad = None
    sgd = distribute(w)
    (w * factor(rank)).sum().backward()
    same(w.grad, np.full(2, MEAN))
    sgd.step()


def alone_for_a_while():
    w = leaf(2)
    sgd = distribute(w)
    if rank == 0:
        with distributed.alone():
            (w * 2.0).sum().backward()
        assert w.grad.tolist() == [2, 2]
        sgd.zero_grad()
    (w * factor(rank)).sum().backward()
    same(w.grad, np.full(2, MEAN))


CASES = [
    unused_and_frozen,
    several_passes_before_a_step,
    two_optimisers,
    a_parameter_of_two_optimisers,
    mixed_dtypes,
    parts_of_unequal_length,
    parameters_are_added_and_cast,
    captured,
    running_statistics,
    two_loops_together,
    a_layer_that_some_do_not_use,
    the_state_of_rank_0_is_everybodys,
    what_is_refused,
    an_optimiser_that_is_dropped_exchanges_no_more,
    alone_for_a_while,
]
for case in CASES:
    try:
        contextvars.copy_context().run(case)
    except Exception as error:
        error.add_note(f"in {case.__name__}")
        raise
print("done", file=sys.stdout, flush=True)
