"""chunks=K in one process: the loop runs once for each part, and a step waits for the last."""

import pickle
from copy import deepcopy

import numpy as np
import pytest

import nn
from nn._processes import Processes, current, enter
from nn.distributed.gradients import exchanges
from tinygrad_lite import Tensor


@pytest.fixture(autouse=True)
def own_process():
    before = current()
    enter(Processes())
    yield
    for exchange in [*exchanges.values()]:
        exchange.observer.leave(exchange)
    exchanges.clear()
    enter(before)


def data(rows=6):
    rng = np.random.default_rng(rows)
    return rng.standard_normal((rows, 3)), rng.standard_normal((rows, 2))


def made(chunks=3, kind=nn.optim.SGD, **options):
    Tensor.manual_seed(0)
    model = nn.Linear(3, 2).to(np.float64)
    optimizer = kind(model.parameters(), **({"lr": 0.1} | options))
    return model, nn.distributed.DistributedOptimizer(optimizer, model=model, chunks=chunks)


def gradient_of(model, X, Y):
    twin = deepcopy(model)
    twin.zero_grad()
    twin(X).mse_loss(Y).backward()
    return twin.weight.grad.data


def test_a_step_waits_for_the_last_part():
    model, sgd = made()
    X, Y = data(7)
    expected, weight = gradient_of(model, X, Y), model.weight.data.copy()
    seen = []
    for x, y in nn.distributed.parts(X, Y):
        seen.append(len(x))
        model(x).mse_loss(y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1e9)
        if len(seen) < 3:
            assert model.weight.grad is None
            assert sgd.step() is None
            np.testing.assert_array_equal(model.weight.data, weight)
    assert seen == [3, 2, 2]
    np.testing.assert_allclose(model.weight.grad.data, expected, rtol=1e-12)
    sgd.step()
    np.testing.assert_allclose(model.weight.data, weight - 0.1 * expected, rtol=1e-12)


def test_it_stays_the_optimiser_that_it_was():
    model, adam = made(kind=nn.optim.Adam)
    assert type(adam) is nn.optim.Adam
    for x, y in nn.distributed.parts(*data()):
        model(x).mse_loss(y).backward()
        adam.step()
    other = nn.optim.Adam(deepcopy(model).parameters(), lr=0.1)
    other.load_state_dict(adam.state_dict())
    assert repr(other) == repr(adam)
    for copied in (deepcopy(adam), pickle.loads(pickle.dumps(adam))):
        assert type(copied) is nn.optim.Adam
        assert copied not in exchanges


def test_a_loop_inside_the_loop_changes_nothing():
    """An evaluation in parts, in the body of each part."""
    (model, sgd), (twin, other) = made(), made()
    for number in range(2):
        X, Y = data(5 + number)
        for inside, net, own in ((True, model, sgd), (False, twin, other)):
            for x, y in nn.distributed.parts(X, Y):
                net(x).mse_loss(y).backward()
                if inside:
                    net.eval()
                    assert sum(len(each) for each in nn.distributed.parts(X)) == len(X)
                    net.train()
                own.step()
                own.zero_grad()
        np.testing.assert_array_equal(model.weight.data, twin.weight.data)


def test_a_batch_that_was_left_is_forgotten():
    model, sgd = made()
    X, Y = data()
    for x, y in nn.distributed.parts(X, Y):
        model(x).mse_loss(y * 100).backward()
        break
    for x, y in nn.distributed.parts(X, Y):
        model(x).mse_loss(y).backward()
    np.testing.assert_allclose(model.weight.grad.data, gradient_of(model, X, Y), rtol=1e-12)
    sgd.step()


def test_what_would_see_one_part_only_is_refused():
    model, sgd = made()
    X, Y = data()
    with pytest.raises(
        ValueError, match=r"^SGD\.step: with chunks, expected no closure, which would"
    ):
        sgd.step(lambda: None)
    with pytest.raises(ValueError, match=r"chunks: LBFGS has a step of its own, which would see"):
        made(kind=nn.optim.LBFGS, lr=1.0)
    with pytest.raises(ValueError, match=r"chunks: expected 3, as for the optimiser before; got 2"):
        made(chunks=2)
    with pytest.raises(ValueError, match=r"^DistributedOptimizer: chunks"):
        made(chunks=0)
    with pytest.raises(RuntimeError, match=r"^SGD: with chunks, expected one backward pass for"):
        passes(model, X, Y, [2, 1, 1])
    with pytest.raises(RuntimeError, match=r"for each part of a batch; part 0 of 3 had none"):
        passes(model, X, Y, [0, 1, 1])


def passes(model, X, Y, counts):
    for (x, y), count in zip(nn.distributed.parts(X, Y), counts, strict=True):
        for _ in range(count):
            model(x).mse_loss(y).backward()


def test_one_process_without_chunks_costs_nothing():
    model, sgd = made(chunks=None)
    assert sgd not in exchanges
    loader = nn.data.DataLoader(*data(), batch_size=2)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    assert nn.distributed.data_parallel(model, optimizer)[0] is optimizer
    found, batches = nn.distributed.data_parallel(model, optimizer, loader)
    assert found is optimizer
    assert [len(x) for x, _ in batches] == [2, 2, 2]
