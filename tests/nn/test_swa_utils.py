"""Averages of weights: by hand, buffers, dtypes, the state, errors."""

import copy
import pickle
import re

import numpy as np
import pytest

import nn
from nn.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)
from tinygrad_lite import Tensor


class Model(nn.Module):
    """y = w x, with a running mean and a count."""

    def __init__(self, dtype=np.float32):
        self.w = Tensor([1.0], dtype=dtype, requires_grad=True)
        self.register_buffer("running", Tensor([10.0]))
        self.register_buffer("count", Tensor(0))

    def forward(self, x):
        return x * self.w

    def become(self, value):
        self.w.data[...] = value
        self.running.data[...] = 10 * value
        self.count.data[...] = value
        return self


def averages(options, values=(2.0, 4.0, 9.0), dtype=np.float32):
    """The averaged weight after each update, and the averaged model."""
    model = Model(dtype)
    average = AveragedModel(model, **options)
    found = []
    for value in values:
        average.update_parameters(model.become(value))
        found.append(average.module.w.item())
    return found, average, model


@pytest.mark.parametrize(
    "options", [{}, {"avg_fn": get_swa_avg_fn()}, {"multi_avg_fn": get_swa_multi_avg_fn()}]
)
def test_the_mean_of_all_updates(options):
    found, average, model = averages(options)
    assert found == [2.0, 3.0, 5.0]
    assert average.n_averaged.item() == 3
    assert model.w.item() == 9.0
    assert average(Tensor([2.0])).item() == 10.0


@pytest.mark.parametrize(
    "options", [{"avg_fn": get_ema_avg_fn(0.75)}, {"multi_avg_fn": get_ema_multi_avg_fn(0.75)}]
)
def test_the_exponential_average(options):
    assert averages(options)[0] == [2.0, 2.5, 2.5 * 0.75 + 9 * 0.25]


def test_averages_of_your_own():
    assert averages({"avg_fn": lambda average, value, count: average + value * count})[0] == [
        *(2.0, 6.0, 24.0),
    ]

    def largest(averages, values, count):
        for average, value in zip(averages, values, strict=True):
            average.copy_(average.maximum(value))

    assert averages({"multi_avg_fn": largest}, (2.0, 5.0, 3.0))[0] == [2.0, 5.0, 5.0]


def test_buffers_are_the_newest_or_averaged():
    _, average, _ = averages({})
    assert average.module.running.item() == 90.0
    assert average.module.count.item() == 9
    _, average, _ = averages({"use_buffers": True})
    assert average.module.running.item() == 50.0
    assert average.module.count.item() == 9
    assert average.module.count.dtype == np.int64


def test_the_average_is_a_model_of_its_own():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    average = AveragedModel(model)
    average.update_parameters(model)
    assert not average.eval().module.training
    assert model.training
    for own, other in zip(average.parameters(), model.parameters(), strict=True):
        assert own is not other
        assert np.array_equal(own.data, other.data)
        other.data[...] = 7.0
        assert not np.array_equal(own.data, other.data)
    assert set(average.state_dict()) == {"n_averaged", "module.0.weight", "module.0.bias"}


def test_the_state_goes_on():
    _, average, model = averages({})
    other = AveragedModel(Model())
    other.load_state_dict(average.state_dict())
    again = pickle.loads(pickle.dumps(AveragedModel(Model(), avg_fn=get_ema_avg_fn(0.5))))
    again.load_state_dict(copy.deepcopy(average.state_dict()))
    model.become(13.0)
    other.update_parameters(model)
    again.update_parameters(model)
    assert other.module.w.item() == 7.0
    assert again.module.w.item() == 9.0
    assert other.n_averaged.item() == 4


def test_an_average_of_float16_can_be_kept_in_float32():
    model = Model(np.float16)
    average = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9999)).float()
    average.update_parameters(model.become(1.0))
    for _ in range(100):
        average.update_parameters(model.become(2.0))
    assert average.module.w.dtype == np.float32
    assert average.module.w.item() == pytest.approx(2 - 0.9999**100, rel=1e-5)


def test_an_update_is_seen_by_a_backward_pass_that_needs_the_old_values():
    _, average, model = averages({})
    x = Tensor([3.0], requires_grad=True)
    loss = average(x).sum()
    average.update_parameters(model)
    with pytest.raises(RuntimeError, match="changed it in place"):
        loss.backward()


def test_the_averages_of_batchnorm_are_computed_anew():
    batches = np.random.default_rng(3).standard_normal((4, 10, 3)).astype(np.float32) * 5 + 2
    model = nn.Sequential(nn.BatchNorm1d(3, momentum=0.3), nn.Dropout(0.5)).eval()
    model[1].train()
    x = Tensor(batches[0])
    model[0].running_mean.data[...] = 1e3
    for loader in (batches, [(batch, None) for batch in batches], (Tensor(b) for b in batches)):
        update_bn(loader, model)
        np.testing.assert_allclose(model[0].running_mean.data, batches.mean((0, 1)), rtol=1e-5)
        np.testing.assert_allclose(
            model[0].running_var.data, batches.var(1, ddof=1).mean(0), rtol=1e-5
        )
        assert model[0].num_batches_tracked.item() == 4
        assert model[0].momentum == 0.3
        assert [model.training, model[0].training, model[1].training] == [False, False, True]
    with pytest.raises(ValueError, match="expected"):
        update_bn([x, x[0]], model)
    assert model[0].momentum == 0.3
    assert not model.training
    update_bn(None, nn.Linear(2, 2))  # without such layers nothing is read


ERRORS = [
    (lambda: AveragedModel([1]), "AveragedModel: model: expected a Module; got [1]"),
    (
        lambda: AveragedModel(
            Model(), avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn()
        ),
        "AveragedModel: expected avg_fn or multi_avg_fn; got both",
    ),
    (
        lambda: AveragedModel(Model(), avg_fn=0.9),
        "AveragedModel: avg_fn: expected a function; got 0.9",
    ),
    (
        lambda: get_ema_avg_fn(1.5),
        "get_ema_avg_fn: decay: expected a number from 0 to 1; got 1.5",
    ),
    (
        lambda: AveragedModel(Model()).update_parameters(nn.Linear(1, 2)),
        "update_parameters: expected the model that was copied; got one whose parameters and "
        "buffers have other shapes",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}$"):
        call()
