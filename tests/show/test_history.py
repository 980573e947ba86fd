"""What is known about a graph: live, released by backward, and made inside keep_values."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import nn
from tinygrad_lite import Function, Tensor, checkpoint, keep_values, no_grad
from tinygrad_lite.engine.graph import Leaf
from tinygrad_lite.show.graph import keeping
from tinygrad_lite.show.graph.history import History
from tinygrad_lite.show.graph.keeping import kept_of
from tinygrad_lite.show.graph.naming import Names


def named(history: History) -> dict[str, object]:
    """The nodes by the name of their op; leaves by number."""
    leaves = iter(range(1, 10))
    return {
        f"leaf {next(leaves)}" if isinstance(node, Leaf) else type(node).__name__: node
        for node in history.order
    }


def squares() -> tuple[Tensor, Tensor, Tensor]:
    """sum((x @ w + b)^2) by hand: x @ w + b = [[1], [5], [9]] + 2."""
    x = Tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    w = Tensor([[1.0], [1.0]], requires_grad=True)
    b = Tensor([2.0], requires_grad=True)
    return ((x @ w + b) ** 2).sum(), w, b


VALUE = np.array([[3.0], [7.0], [11.0]])


def test_a_live_graph_has_values_that_were_saved_and_gradients_of_a_pass_of_its_own() -> None:
    loss, w, b = squares()
    history = History(loss, grads=True)
    nodes = named(history)
    assert history.state == "live"
    np.testing.assert_array_equal(history.value(nodes["Add"]), VALUE)
    np.testing.assert_array_equal(history.gradient(nodes["Add"]), 2 * VALUE)
    np.testing.assert_array_equal(history.value(nodes["Sum"]), 9 + 49 + 121)
    np.testing.assert_array_equal(history.gradient(w._node), [[2 * (14 + 44)], [2 * (3 + 21 + 55)]])
    assert w.grad is None
    assert b.grad is None
    assert history.line(nodes["Add"]) is None
    loss.backward()  # nothing was freed
    np.testing.assert_array_equal(b.grad.data, [42.0])


def test_a_broadcast_is_undone_in_what_arrives_and_not_in_what_was_pulled() -> None:
    loss, _, b = squares()
    history = History(loss, grads=True)
    add = named(history)["Add"]
    assert history.pulled(add)[1].shape == (3, 1)
    ((child, position, part),) = history.arrivals(b._node)
    assert child is add
    assert position == 1
    np.testing.assert_array_equal(part, [42.0])


def test_a_released_graph_knows_its_leaves_and_its_result() -> None:
    loss, w, _ = squares()
    loss.backward()
    history = History(loss, grads=True)
    nodes = named(history)
    assert history.state == "released"
    assert history.value(nodes["Add"]) is None
    assert history.gradient(nodes["Add"]) is None
    assert history.gradient(w._node) is None
    np.testing.assert_array_equal(history.value(w._node), [[1.0], [1.0]])
    assert history.value(nodes["Sum"]) == 179


@pytest.mark.parametrize("after", [False, True])
def test_a_kept_graph_knows_all_before_and_after_backward(after: bool) -> None:
    with keep_values():
        loss, w, b = squares()
        if after:
            loss.backward()
    w.data[...] = 100.0  # as an optimiser does: the copies stay
    history = History(loss, grads=True)
    nodes = named(history)
    assert history.state == "kept"
    np.testing.assert_array_equal(history.value(nodes["Matmul"]), VALUE - 2)
    np.testing.assert_array_equal(history.inputs(nodes["Matmul"])[1], [[1.0], [1.0]])
    np.testing.assert_array_equal(history.value(w._node), [[1.0], [1.0]])
    np.testing.assert_array_equal(history.gradient(nodes["Matmul"]), 2 * VALUE)
    np.testing.assert_array_equal(history.gradient(b._node), [42.0])
    if after:
        np.testing.assert_array_equal(history.gradient(w._node), [[116.0], [158.0]])
    line = history.line(nodes["Add"])
    assert line is not None
    assert Path(line.rpartition(":")[0]).name == "test_history.py"


def test_paths_that_meet_arrive_one_after_the_other() -> None:
    x = Tensor([2.0], requires_grad=True)
    with keep_values():
        y = (x * 3.0 + x * x).sum()
        y.backward()
    parts = [part.tolist() for _, _, part in History(y, grads=True).arrivals(x._node)]
    assert parts == [[4.0], [3.0]]  # the newer node, x * x, first
    assert History(y, grads=True).gradient(x._node) == 7.0


def test_a_gradient_that_the_pass_added_to_in_place_is_kept_as_it_arrived() -> None:
    x = Tensor([0.5, -1.0], requires_grad=True, dtype=np.float64)
    with keep_values():
        a = x * 2.0
        loss = (a - a.exp()).sum()
        loss.backward()
    history = History(loss, grads=True)
    np.testing.assert_allclose(history.gradient(a._node), 1 - np.exp([1.0, -2.0]))
    first, second = (part for _, _, part in history.arrivals(a._node))
    np.testing.assert_allclose(first, [1.0, 1.0])
    np.testing.assert_allclose(second, -np.exp([1.0, -2.0]))


@pytest.mark.parametrize("several", [False, True])
def test_gradients_are_known_if_backward_ran_outside(several: bool) -> None:
    x = Tensor([[0.5, -1.0]], requires_grad=True, dtype=np.float64)
    with keep_values():
        y = x.cross_entropy([1]) if several else (x * x.exp()).sum()
    y.backward()
    assert x.grad is not None
    np.testing.assert_array_equal(History(y, grads=True).gradient(x._node), x.grad.data)


def test_gradients_of_another_pass_are_not_taken_for_those_of_this_tensor() -> None:
    x = Tensor([2.0], requires_grad=True)
    with keep_values():
        h = x * 3.0
        (h * 5.0).sum().backward(retain_graph=True)
    assert History(h, grads=True).gradient(x._node) == 3.0  # a pass of its own: the graph is live


def test_several_results() -> None:
    a = Tensor(np.diag([4.0, 9.0]), requires_grad=True)
    with keep_values():
        values, _ = a.eigh()
        total = values.sum()
        total.backward()
    history = History(total, grads=True)
    output = values._node
    np.testing.assert_array_equal(history.value(output), [4.0, 9.0])
    np.testing.assert_array_equal(history.gradient(output), [1.0, 1.0])
    eigh = output.parents[0]
    assert [None if one is None else one.tolist() for one in history.gradient(eigh)] == [
        [1, 1],
        None,
    ]


class Twice(Function):
    def forward(self, x):
        return x * 2

    def backward(self, g, y, x):
        return (g * 2,)


class Broken(Function):
    def forward(self, x):
        return x * 2

    def backward(self, g, y, x):
        raise RuntimeError("on purpose")


def test_a_users_op_and_a_checkpoint_are_kept() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with keep_values():
        y = checkpoint(lambda z: (z * z).exp(), Twice.apply(x)).sum()
        y.backward()
    history = History(y, grads=True)
    assert history.state == "kept"
    np.testing.assert_allclose(
        history.gradient(x._node), 8 * x.data * np.exp(4 * x.data**2), rtol=1e-6
    )


def test_a_rule_that_fails_ends_the_pass_and_is_told() -> None:
    x = Tensor([1.0], requires_grad=True)
    history = History(Broken.apply(x).sum(), grads=True)
    assert str(history.failure) == "on purpose"
    assert history.gradient(x._node) is None


def test_modules_nest_and_calls_are_numbered() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), nn.Sequential(layer))
    with keep_values():
        y = model(Tensor.ones(1, 2)).sum()
    history = History(y)
    calls = [history.call(node) for node in history.order if not isinstance(node, Leaf)]
    assert [None if call is None else (call.path, call.kind) for call in calls] == [
        ("Sequential.0", "Linear"),
        ("Sequential.1", "ReLU"),
        ("Sequential.0", "Linear"),  # shared: its first path
        None,
    ]
    first, _, third, _ = calls
    assert first.number < third.number
    assert (third.outer.path, third.outer.kind) == ("Sequential.2", "Sequential")
    assert third.outer.outer.path == "Sequential"


def test_nothing_is_kept_longer_than_the_graph_and_nothing_without_one() -> None:
    x = Tensor([1.0], requires_grad=True)
    gc.disable()
    try:
        with keep_values():
            y = x.exp()
            value = weakref.ref(kept_of(y._node).value)
            del y
            assert value() is None
            with no_grad():
                assert x.exp()._node is None
    finally:
        gc.enable()


def test_nested_and_decorated() -> None:
    x = Tensor([1.0], requires_grad=True)
    linear = nn.Linear(1, 1)

    @keep_values
    def run() -> Tensor:
        with keep_values(), keep_values:
            y = linear(x).sum()
            y.backward()
        return y

    history = History(run(), grads=True)
    (op,) = [n for n in history.order if not isinstance(n, Leaf) and type(n).__name__ == "Linear"]
    assert history.call(op).outer is None
    np.testing.assert_array_equal(history.gradient(op), [1.0])


def test_names_of_a_module_and_of_a_mapping() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    names = Names.of(model, "draw")
    assert names.modules == {"": "Sequential", "0": "Linear", "1": "BatchNorm1d"}
    weight = model[0].weight
    assert names.of_node(weight._node) == "0.weight"
    assert names.by_data[id(model[1].running_mean.data)] == "1.running_mean"
    assert Names.of({"a": weight, "b": weight}, "draw").of_node(weight._node) == "a = b"
    assert Names.of(model.state_dict(), "draw").of_node(weight._node) == "0.weight"
    with pytest.raises(TypeError, match=r"draw: names: expected a Module, or a mapping of names"):
        Names.of([weight], "draw")
    with pytest.raises(TypeError, match=r"draw: names\['w'\]: expected a Tensor; got 3"):
        Names.of({"w": 3}, "draw")


def test_two_losses_that_share_ops_each_have_their_own_gradients() -> None:
    x = Tensor([2.0, -1.0], requires_grad=True)
    with keep_values():
        shared = x * 3.0
        first, second = (shared * shared).sum(), (shared * 5.0).sum()
        first.backward(retain_graph=True)
        second.backward()
    np.testing.assert_array_equal(History(first, grads=True).gradient(x._node), [36.0, -18.0])
    np.testing.assert_array_equal(History(first, grads=True).gradient(shared._node), [12.0, -6.0])
    np.testing.assert_array_equal(History(second, grads=True).gradient(x._node), [15.0, 15.0])


def test_what_was_kept_has_the_name_of_the_tensor_that_it_was() -> None:
    x, other = Tensor(np.zeros(3)), Tensor(np.zeros(3))
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with keep_values():
        y = w * x
        z = w * other
        x += 1.0  # written in place afterwards
    names = Names.of({"x": x}, "draw")
    assert names.of_array(History(y).inputs(y._node)[1]) == "x"
    assert names.of_array(History(z).inputs(z._node)[1]) is None  # equal elements are no name


def test_pairs_of_arrays_that_are_gone_are_dropped_and_rarely_looked_for() -> None:
    pairs, arrays, copy = keeping._Pairs(), [np.zeros(1) for _ in range(25_000)], np.zeros(1)
    tables = set()
    for array in arrays:
        pairs.add(array, copy)
        tables.add(id(pairs._held))
    assert len(tables) <= 3
    assert all(pairs.of(array) is copy for array in arrays)
    del array
    arrays.clear()
    for one in [np.zeros(1) for _ in range(25_000)]:
        pairs.add(one, copy)
    assert len(pairs._held) < 40_000
    assert pairs.of(copy) is None


@pytest.mark.parametrize("retain", [False, True])
def test_what_only_some_ops_kept_is_not_taken_for_the_whole_gradient(retain: bool) -> None:
    x = Tensor([2.0, -1.0], requires_grad=True)
    with keep_values():
        y = (x * 3.0).exp()
    loss = (y + x * 5.0).sum()
    with keep_values():
        loss.backward(retain_graph=retain)
    found = History(loss, grads=True).gradient(x._node)
    if retain:
        np.testing.assert_allclose(found, 3 * np.exp([6.0, -3.0]) + 5, rtol=1e-6)
    else:
        assert found is None


def test_a_pass_that_failed_is_not_taken_for_the_next_one() -> None:
    class Fails(Function):
        def forward(self, x):
            return x * 1

        def backward(self, g, y, x):
            raise ArithmeticError("no rule")

    x = Tensor([2.0, 1.0], requires_grad=True)
    with keep_values():
        shared = x * 3.0
        second = (shared * 5.0).sum()
        first = (Fails.apply(shared) * 2.0).sum()
        with pytest.raises(ArithmeticError):
            first.backward(retain_graph=True)
        second.backward()
    assert History(first, grads=True).gradient(shared._node) is None
    np.testing.assert_array_equal(History(second, grads=True).gradient(x._node), [15.0, 15.0])
