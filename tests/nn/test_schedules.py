"""Schedules: values by hand, any step in any order, arrays, pickles, reprs, errors."""

import math
import pickle
import re

import numpy as np
import pytest

import nn
from nn.optim import schedules
from tinygrad_lite import Tensor


def halved(step):
    return 0.5**step


BY_HAND = [
    (schedules.constant(0.1), {0: 0.1, 1000: 0.1}),
    (schedules.constant(0.1, factor=0.5, steps=3), {0: 0.05, 2: 0.05, 2.9: 0.05, 3: 0.1}),
    (
        schedules.linear(0.1, steps=4, start_factor=0.2),
        {0: 0.02, 1: 0.04, 2.5: 0.07, 4: 0.1, 9: 0.1},
    ),
    (schedules.linear(0.1, steps=2, start_factor=1.0, end_factor=0.0), {1: 0.05, 2: 0.0, 3: 0.0}),
    (schedules.step(1.0, step_size=10, gamma=0.5), {9: 1, 9.9: 1, 10: 0.5, 25: 0.25}),
    (schedules.multi_step(1.0, [8, 4, 8], gamma=0.1), {3: 1, 4: 0.1, 7: 0.1, 8: 0.001}),
    (schedules.exponential(2.0, 0.5), {0: 2, 1: 1, 0.5: math.sqrt(2), 2000: 0}),
    (schedules.exponential(1.0, 2.0), {3: 8, 10_000: math.inf}),
    (schedules.polynomial(1.0, steps=4, power=2.0), {0: 1, 1: 9 / 16, 3: 1 / 16, 4: 0, 5: 0}),
    (schedules.cosine(1.0, steps=3, eta_min=0.2), {0: 1, 1: 0.8, 2: 0.4, 3: 0.2, 6: 1}),
    (schedules.warm_restarts(1.0, T_0=2, T_mult=2), {0: 1, 1: 0.5, 2: 1, 4: 0.5, 6: 1, 14: 1}),
    (schedules.warm_restarts(1.0, T_0=3, eta_min=0.2), {1: 0.8, 3: 1, 3_000_001: 0.8}),
    (schedules.cyclic(0.1, 0.5, 4), {0: 0.1, 1: 0.2, 4: 0.5, 6: 0.3, 8: 0.1, 12: 0.5}),
    (schedules.cyclic(0.0, 1.0, 1, 3, mode="triangular2"), {1: 1, 2: 2 / 3, 5: 0.5, 9: 0.25}),
    (schedules.cyclic(0.0, 1.0, 2, mode="exp_range", gamma=0.5), {1: 0.25, 2: 0.25, 6: 1 / 64}),
    (schedules.cyclic(0.9, 0.8, 4), {0: 0.9, 2: 0.85, 4: 0.8, 8: 0.9}),
    (
        schedules.one_cycle(1.0, 11, pct_start=6 / 11, anneal_strategy="linear", div_factor=5),
        {0: 0.2, 1: 0.36, 5: 1.0, 10: 0.2e-4, 11: 0.2e-4, 99: 0.2e-4},
    ),
    (
        schedules.one_cycle(1.0, 21, 6 / 21, "linear", 5, 10, three_phase=True),
        {0: 0.2, 5: 1.0, 10: 0.2, 20: 0.02},
    ),
    (
        schedules.one_cycle_momentum(11, pct_start=6 / 11, anneal_strategy="linear"),
        {0: 0.95, 1: 0.93, 5: 0.85, 10: 0.95},
    ),
    (schedules.scaled(0.1, halved), {0: 0.1, 2: 0.025}),
    (
        schedules.sequential([schedules.linear(1.0, 4, 0.0), schedules.exponential(1.0, 0.5)], [4]),
        {0: 0, 3: 0.75, 4: 1, 6: 0.25},
    ),
    (schedules.sequential([halved], []), {3: 0.125}),
]
NAMES = [type(schedule).__name__ for schedule, _ in BY_HAND]


@pytest.mark.parametrize(("schedule", "rates"), BY_HAND, ids=NAMES)
def test_values_by_hand(schedule, rates):
    for step in reversed(rates):  # any order
        rate = schedule(step)
        assert type(rate) is float
        assert rate == pytest.approx(rates[step], rel=1e-12, abs=1e-15), step
        assert schedule(np.float64(step)) == schedule(np.array(step)) == rate


@pytest.mark.parametrize(("schedule", "rates"), BY_HAND, ids=NAMES)
def test_an_array_of_steps_gives_the_same_rates(schedule, rates):
    steps = np.arange(24).reshape(4, 6)
    found = schedule(steps)
    assert found.dtype == np.float64
    assert found.shape == steps.shape
    assert found.tolist() == [[schedule(step) for step in row] for row in steps.tolist()]
    assert schedule(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(("schedule", "rates"), BY_HAND, ids=NAMES)
def test_the_repr_is_the_call_and_a_pickle_is_equal(schedule, rates):
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert again(7) == schedule(7)
    if "halved" not in repr(schedule):
        assert eval(repr(schedule), vars(schedules)) == schedule


def test_reprs():
    assert repr(schedules.cosine(0.1, 10)) == "cosine(lr=0.1, steps=10, eta_min=0.0)"
    assert schedules.cosine(0.1, 10) != schedules.cosine(0.1, 11)
    assert schedules.cosine(0.1, 10) != "cosine"


def test_the_rate_of_an_optimizer_follows():
    parameter = Tensor([1.0], dtype=np.float64, requires_grad=True)
    optimizer = nn.optim.SGD([parameter], lr=1.0)
    schedule = schedules.step(0.5, step_size=1, gamma=0.5)
    for step in range(3):
        optimizer.lr = schedule(step)
        parameter.grad = Tensor([1.0], dtype=np.float64)
        optimizer.step()
    assert parameter.item() == 1 - 0.5 - 0.25 - 0.125


def test_reduce_on_plateau_by_hand():
    schedule = schedules.reduce_on_plateau(1.0, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    results = [3.0, 2.0, 2.0, 2.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]
    #          best best  1  halved cools  1  halved cools 1  to the minimum
    expected = [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2]
    assert [schedule(result) for result in results] == expected


def test_reduce_on_plateau_reads_tensors_and_no_nan_is_better():
    schedule = schedules.reduce_on_plateau(1.0, mode="max", patience=0)
    assert schedule(Tensor(0.5)) == 1.0
    assert schedule(Tensor([0.6])) == 1.0
    assert schedule(np.float32(0.7)) == 1.0
    assert schedule(math.nan) == pytest.approx(0.1)


def test_the_state_of_a_plateau_goes_on():
    first, second = (schedules.reduce_on_plateau(1.0, patience=2) for _ in range(2))
    for result in (1.0, 2.0, 2.0):
        first(result)
    state = first.state_dict()
    assert state == {"lr": 1.0, "best": 1.0, "no_better": 2, "cooling": 0}
    second.load_state_dict(state)
    assert second(2.0) == first(2.0) == pytest.approx(0.1)
    assert pickle.loads(pickle.dumps(first)).state_dict() == first.state_dict()
    assert "patience=2" in repr(first)


ERRORS = [
    (lambda: schedules.cosine("0.1", 10), "cosine: lr: expected a number; got '0.1'"),
    (
        lambda: schedules.cosine(-1, 10),
        "cosine: lr: expected a number of 0 or more; got -1",
    ),
    (lambda: schedules.cosine(0.1, 0), "cosine: steps: expected an integer of 1 or more; got 0"),
    (lambda: schedules.cosine(0.1, 1.5), "cosine: steps: expected an integer; got 1.5"),
    (lambda: schedules.cosine(0.1, 9)(-1), "cosine: step: expected 0 or more; got -1"),
    (lambda: schedules.cosine(0.1, 9)(math.nan), "cosine: step: expected 0 or more; got nan"),
    (
        lambda: schedules.cosine(0.1, 9)(np.array([1, -2])),
        "cosine: step: expected 0 or more; got -2",
    ),
    (
        lambda: schedules.cosine(0.1, 9)(Tensor(1.0)),
        "cosine: step: expected a number; got Tensor of shape (), float32; no gradient flows "
        "there: take its item()",
    ),
    (
        lambda: schedules.multi_step(0.1, 30),
        "multi_step: milestones: expected a list of steps; got 30",
    ),
    (
        lambda: schedules.one_cycle(0.1, 9, anneal_strategy="cosine"),
        'one_cycle: anneal_strategy: expected "cos" or "linear"; got \'cosine\'; '
        'did you mean "cos"?',
    ),
    (
        lambda: schedules.one_cycle(0.1, 9, div_factor=0),
        "one_cycle: div_factor: expected a number above 0; got 0.0",
    ),
    (
        lambda: schedules.one_cycle(0.1, 9, pct_start=30),
        "one_cycle: pct_start: expected a number from 0 to 1; got 30",
    ),
    (
        lambda: schedules.scaled(0.1, 0.5),
        "scaled: factor: expected a function; got 0.5",
    ),
    (
        lambda: schedules.scaled(0.1, str)(1),
        "scaled: factor(step): expected a number; got '1'",
    ),
    (
        lambda: schedules.sequential(halved, [1]),
        "sequential: schedules: expected a list of schedules; got the function halved",
    ),
    (
        lambda: schedules.sequential([halved, 0.1], [1]),
        "sequential: schedules: expected a function; got 0.1",
    ),
    (
        lambda: schedules.sequential([halved, halved], [1, 2]),
        "sequential: expected one milestone fewer than schedules; got 2 milestones and 2 schedules",
    ),
    (
        lambda: schedules.sequential([halved, halved, halved], [2, 1]),
        "sequential: milestones: expected steps in rising order; got [2, 1]",
    ),
    (
        lambda: schedules.reduce_on_plateau(0.1, factor=1),
        "reduce_on_plateau: factor: expected a number below 1; got 1.0",
    ),
    (
        lambda: schedules.reduce_on_plateau(0.1).load_state_dict({"lr": 1.0}),
        "reduce_on_plateau: load_state_dict: expected the names lr, best, no_better, cooling; "
        "got lr",
    ),
    (
        lambda: schedules.reduce_on_plateau(0.1)("good"),
        "reduce_on_plateau: result: expected a number; got 'good'",
    ),
    (lambda: schedules.Schedule()(1), "Schedule has no at(step)"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors(call, message):
    with pytest.raises(
        (ValueError, TypeError, NotImplementedError), match=f"^{re.escape(message)}$"
    ):
        call()


def test_pytorchs_names_say_what_to_write():
    message = (
        "module 'nn.optim' has no attribute 'lr_scheduler'; here it is nn.optim.schedules, "
        "functions of the step: optimizer.lr = schedule(step)"
    )
    with pytest.raises(AttributeError, match=f"^{re.escape(message)}$"):
        _ = nn.optim.lr_scheduler
    message = (
        "module 'nn.optim.schedules' has no attribute 'StepLR'; "
        "here it is step(lr, step_size, gamma)"
    )
    with pytest.raises(AttributeError, match=f"^{re.escape(message)}$"):
        _ = schedules.StepLR
    with pytest.raises(AttributeError, match=r"has no attribute 'Cosine'$"):
        _ = schedules.Cosine
