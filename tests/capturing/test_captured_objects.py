"""A captured step as an object: checked, copied, pickled, forked, and held by a module."""

import copy
import os
import pickle

import pytest
from capturing.test_calls import Twin, batch, bits

import nn
from tinygrad_lite import Observer, Tensor, capture


@capture
def doubled(x):
    return x * 2


def test_check_compares_and_changes_nothing_twice():
    twins = Twin(), Twin()
    step = capture(twins[1].step, check=2)
    for seed in range(9):
        Tensor.manual_seed(seed)
        expected = bits(twins[0].step(*batch(seed)).detach())
        Tensor.manual_seed(seed)
        assert bits(step(*batch(seed))) == expected
        assert twins[0].state() == twins[1].state()


def test_check_finds_a_difference_and_then_changes_nothing():
    twin = Twin()
    step = capture(twin.step, check=1)
    for seed in range(4):
        step(*batch(seed))
    (plan,) = step.plans
    run = plan.plan.run
    plan.plan.run = lambda *arrays: tuple(one + 1 for one in run(*arrays))
    before = twin.state()
    with pytest.raises(RuntimeError, match=r"a replay of .* differs from the eager call in "):
        step(*batch(5))
    assert twin.state() == before


def test_pickle_and_copies():
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    twin = Twin()
    twin.model.step = capture(twin.model.forward)
    for seed in range(3):
        twin.model.step(batch(seed)[0])
    other = copy.deepcopy(twin.model)
    other[0].weight.data *= 2
    for seed in range(4):
        x = batch(seed)[0]
        assert bits(twin.model.step(x)) == bits(twin.model(x).detach())
        assert bits(other.step(x)) == bits(other(x).detach())
    assert bits(other(x).detach()) != bits(twin.model(x).detach())


def test_a_module_that_holds_a_captured_step():
    class Model(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(3, 2)
            self.inner = capture(self.layer)

        def forward(self, x):
            return self.inner(x)

    model = Model()
    names = [name for name, _ in model.named_parameters()]
    assert names == ["layer.weight", "layer.bias"]
    for seed in range(4):
        x = batch(seed)[0]
        assert bits(model(x)) == bits(model.layer(x).detach())
    assert [name for name, _ in model.named_parameters()] == names
    assert list(model.state_dict()) == names


def test_a_layer_that_is_held_by_a_captured_step():
    """It is listed where it is held without the step, before or after; else as the step's."""
    model = nn.Module()
    layer = nn.Linear(3, 2)
    model.before = capture(layer)
    model.layer = layer
    model.after = [capture(layer), capture(layer.forward)]
    model.alone = capture(nn.Linear(2, 1))
    names = ["layer.weight", "layer.bias", "alone.fn.weight", "alone.fn.bias"]
    for _ in range(2):
        assert list(model.state_dict()) == names
        assert [name for name, _ in model.named_parameters()] == names
        assert [name for name, _ in model.named_modules()] == ["", "layer", "alone.fn"]
        for _ in range(3):
            model.alone(model.before(batch(1)[0]))
    model.load_state_dict(model.state_dict())
    assert list(nn.state.get_state_dict(model.alone)) == ["fn.weight", "fn.bias"]


def test_an_observer_sees_all_operations():
    class Count(Observer):
        ops = 0

        def forward(self, op, arrays):
            self.ops += 1
            return super().forward(op, arrays)

    twin = Twin()
    step = capture(twin.step)
    for seed in range(4):
        with Count() as count:
            step(*batch(seed))
        assert count.ops > 3
        step(*batch(seed))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_goes_on():
    twin = Twin()
    step = capture(twin.step)
    for seed in range(4):
        step(*batch(seed))
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, bits(step(*batch(9)))[2][4])
        os._exit(0)
    os.waitpid(child, 0)
    found = os.read(read, 100)
    os.close(read)
    os.close(write)
    assert found == bits(step(*batch(9)))[2][4]
