"""Weights and options are compared: what is told apart, and when."""

import numpy as np
import pytest
from several import ranks

import nn
from nn._processes import current
from nn.distributed import comparing
from tinygrad_lite import Tensor


def test_weights_are_compared_often_at_first_and_seldom_later():
    due = [number for number in range(1, 3001) if comparing.are_due(number)]
    assert due == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 3000]


def compared(change):
    """What two processes say that have the weights 1, 2, 3 and 4, but for a change in rank 1."""

    def work():
        tensors = [Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor(np.zeros((0,), np.float32))]
        if current().rank == 1:
            change(tensors[0].data)
        try:
            comparing.compare("SGD", 2, tensors, current())
        except RuntimeError as error:
            return str(error)

    return [each.result for each in ranks(2, work)]


def moved(amount):
    def change(array):
        array[1, 0] += amount

    return change


@pytest.mark.parametrize("amount", [0.0, 1e-6, -1e-4])
def test_what_rounding_makes_is_the_same(amount):
    assert compared(moved(amount)) == [None, None]


@pytest.mark.parametrize("amount", [0.01, -1.0, np.nan, np.inf])
def test_weights_that_differ_are_named_in_all_processes(amount):
    other = f"rank 1 has {3 + amount:.6g} where rank 0 has 3; expected all to change them alike"
    for each in compared(moved(amount)):
        assert each.startswith(f"the weights of SGD are not the same in all processes: {other}")


def test_what_is_no_number_in_all_processes_is_the_same():
    first = np.array([np.nan, np.inf, 0.0])
    assert comparing.furthest([first, first.copy()], [2, 1]) is None
    assert comparing.furthest([first, np.array([np.nan, np.inf, 1.0])], [2, 1]) == (1, 2)


def test_a_small_tensor_beside_a_large_one_is_compared_by_its_own_scale():
    first = np.array([100.0, 100.0, 0.5])
    assert comparing.furthest([first, first, np.array([100.0, 100.0, 0.502])], [2, 1]) == (2, 2)
    assert comparing.furthest([first, np.array([100.0, 100.0, 0.5004])], [2, 1]) is None


def test_options_that_changed_are_shown():
    layers = nn.Linear(2, 2), nn.Linear(2, 1)
    adam = nn.optim.Adam([{"params": each.parameters()} for each in layers], lr=0.1)
    before = comparing.options_of(adam.param_groups)
    assert comparing.changed(before, before) == ""
    adam.param_groups[1]["lr"] = 0.1 / 3
    adam.param_groups[1]["betas"] = (0.5, 0.9)
    after = comparing.options_of(adam.param_groups)
    found = comparing.changed(after, before)
    assert found == " with lr=0.0333333 in group 1, betas=(0.5, 0.9) in group 1"
    adam.param_groups[1]["lr"] *= 1 + 1e-15  # as another library of mathematics rounds
    assert comparing.options_of(adam.param_groups) == after
