"""Passes in several threads at once: every gradient arrives, and none is another's.

Python changes threads as often as it can here, so that whatever may go wrong between two steps of
one thread does go wrong.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from many_threads import THREADS, at_once, many_switches

import nn
import tinygrad_lite as tl
from tinygrad_lite import Function, Observer, Tensor, checkpoint, no_grad
from tinygrad_lite.arrays import threads


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    with many_switches():
        yield


@pytest.mark.parametrize("shape", [(), (3,), (300, 100)])
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_of_separate_graphs_all_arrive_in_their_leaf(shape, create_graph) -> None:
    leaf = Tensor(np.ones(shape), requires_grad=True)
    passes = 20 if shape == (300, 100) or create_graph else 100

    def work(index: int) -> None:
        for _ in range(passes):
            (leaf * float(index + 1)).sum().backward(create_graph=create_graph)

    at_once(work)
    np.testing.assert_array_equal(leaf.grad.data, np.full(shape, passes * 36.0))


def test_gradients_of_several_leaves_all_arrive() -> None:
    leaves = [Tensor(np.full(2, float(n)), requires_grad=True) for n in range(5)]

    def work(index: int) -> None:
        for _ in range(50):
            total = leaves[0] * 1.0
            for leaf in leaves[1:]:
                total = total + leaf * 2.0
            total.sum().backward()

    at_once(work)
    for leaf, slope in zip(leaves, (1.0, 2.0, 2.0, 2.0, 2.0), strict=True):
        np.testing.assert_array_equal(leaf.grad.data, np.full(2, 50 * THREADS * slope))


class Slow(Tensor):
    """A tensor that lets all other threads run whenever its gradient is looked at."""

    @property
    def _grad(self):
        found = vars(self).get("slow")
        time.sleep(0.001)
        return found

    @_grad.setter
    def _grad(self, value):
        vars(self)["slow"] = value


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_that_arrives_between_reading_and_writing_another(create_graph) -> None:
    leaf = Slow(np.array([1.0, 2.0]), requires_grad=True)
    at_once(lambda n: (leaf * float(n + 1)).sum().backward(create_graph=create_graph))
    np.testing.assert_array_equal(leaf.grad.data, [36.0, 36.0])


def test_tasks_of_the_pool_may_end_in_one_leaf(monkeypatch) -> None:
    monkeypatch.setattr(threads, "_pool", threads.Pool(4))
    leaf = Slow(np.array([1.0, 2.0]), requires_grad=True)
    with no_grad():  # each task has it too, and turns it off for its own pass
        tl.parallel(lambda n: leaf.backward(Tensor(np.full(2, float(n)))), range(40))
    np.testing.assert_array_equal(leaf.grad.data, [780.0, 780.0])


def test_a_leaf_that_is_its_own_root() -> None:
    leaf = Tensor(np.array(1.0), requires_grad=True)
    at_once(lambda _: [leaf.backward() for _ in range(200)])
    assert leaf.grad.item() == 200 * THREADS


def test_a_graph_that_several_losses_share() -> None:
    """Every thread passes through the same nodes, with retain_graph."""
    x = Tensor(np.linspace(0.1, 1.0, 5), requires_grad=True)
    shared = (x * x).exp().retain_grad()
    losses = [(shared * float(n + 1)).sum() for n in range(THREADS)]

    def work(index: int) -> None:
        for _ in range(30):
            losses[index].backward(retain_graph=True)

    at_once(work)
    np.testing.assert_array_equal(shared.grad.data, np.full(5, 30 * 36.0))
    expected = 30 * 36.0 * 2.0 * x.data * np.exp(x.data**2)
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-12)


class TwoSaved(Function):
    """x * z, with everything saved: a pass that finds half of it would fail in the rule."""

    saves = "both"

    def forward(self, x, z):
        return x * z

    def backward(self, g, y, x, z):
        assert y is not None
        return g * z, g * x


@pytest.mark.parametrize("kind", ["built in", "of a user", "checkpoint"])
def test_a_graph_that_is_released_by_another_thread_is_an_error_in_words(kind) -> None:
    """A pass succeeds and its gradient arrives, or it says what happened and leaves nothing."""

    def step(t: Tensor) -> Tensor:
        if kind == "of a user":
            return TwoSaved.apply(t, Tensor(np.array([1.0, 2.0])))
        return checkpoint(lambda t: t.tanh() * t, t) if kind == "checkpoint" else t.tanh() * t

    for _ in range(10):
        x = Tensor(np.array([0.5, 1.0]), requires_grad=True)
        y = x
        for _ in range(10):
            y = step(y)
        (expected,) = tl.grad(y.sum(), x, retain_graph=True)
        loss = y.sum()

        def work(_: int, loss: Tensor = loss) -> int:
            try:
                loss.backward()
            except RuntimeError as error:
                if "were released by an earlier backward" in str(error):
                    return 0
                raise
            return 1

        succeeded = sum(at_once(work, 4))
        assert succeeded >= 1
        np.testing.assert_allclose(x.grad.data, succeeded * expected.data, rtol=1e-12)


def test_a_graph_that_is_released_while_a_node_is_being_read() -> None:
    """The pass has the node's arrays, all of them or none."""

    class Torn(TwoSaved):
        @property
        def saved_inputs(self):
            found = vars(self).get("inputs")
            if found is None and "inputs" not in vars(self):
                raise AttributeError
            self.release()  # as a pass in another thread may do just then
            return found

        @saved_inputs.setter
        def saved_inputs(self, value):
            vars(self)["inputs"] = value

    x = Tensor(np.array([0.5, 1.0]), requires_grad=True)
    loss = Torn.apply(x, Tensor(np.array([3.0, 4.0]))).sum()
    loss.backward()
    np.testing.assert_array_equal(x.grad.data, [3.0, 4.0])


def test_grad_in_threads_returns_each_its_own() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = x * x * x

    def work(index: int) -> None:
        for _ in range(30):
            (first,) = tl.grad((y * float(index)).sum(), x, create_graph=True)
            (second,) = tl.grad(first.sum(), x, retain_graph=True)
            np.testing.assert_array_equal(first.data, 3.0 * index * x.data**2)
            np.testing.assert_array_equal(second.data, 6.0 * index * x.data)

    at_once(work)
    assert x.grad is None


def test_a_leaf_that_gradients_of_gradients_are_added_to() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    at_once(lambda _: [(x * x * x).sum().backward(create_graph=True) for _ in range(20)])
    np.testing.assert_array_equal(x.grad.data, 20 * THREADS * 3.0 * x.data**2)
    (second,) = tl.grad(x.grad.sum(), x)
    np.testing.assert_array_equal(second.data, 20 * THREADS * 6.0 * x.data)


def test_hooks_that_threads_register_on_one_tensor_all_run() -> None:
    for _ in range(30):
        x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
        y = x * 1.0
        at_once(lambda _, y=y: y.register_hook(lambda g: g * 2.0))
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.data, np.full(2, 2.0**THREADS))


def test_hooks_run_once_in_each_pass() -> None:
    x = Tensor(np.array(1.0), requires_grad=True)
    seen: list[float] = []
    x.register_hook(lambda g: seen.append(g.item()))
    at_once(lambda index: [(x * float(index)).backward() for _ in range(30)])
    assert sorted(seen) == sorted(float(index) for index in range(THREADS) for _ in range(30))
    assert x.grad.item() == 30 * 28.0


def test_checkpoints_in_threads() -> None:
    w = Tensor(np.array([0.5, 1.5]), requires_grad=True)

    def work(index: int) -> None:
        for _ in range(20):
            y = checkpoint(lambda t: (t * w).exp(), Tensor(np.full(2, float(index))))
            checkpoint(lambda t: t * w, y).sum().backward()

    at_once(work, 4)
    expected = sum(20 * np.exp(n * w.data) * (1.0 + n * w.data) for n in range(4))
    np.testing.assert_allclose(w.grad.data, expected, rtol=1e-12)


def test_first_views_that_threads_make_of_one_tensor_are_all_known() -> None:
    """A write in place to a tensor is refused while another thread's view of it is alive."""
    for _ in range(100):
        x = Tensor(np.ones((2, 2)), requires_grad=True) * 1.0
        views = at_once(lambda _, x=x: x.reshape(4), 4)
        for view in views:
            assert view._views is x._views
            assert id(view) in x._views


def test_a_finished_leaf_is_reported_by_each_pass() -> None:
    leaf = Tensor(np.array(1.0), requires_grad=True)
    done: list[int] = []

    class Watch(Observer):
        def leaf_done(self, node):
            done.append(1)
            super().leaf_done(node)

    def work(_: int) -> None:
        with Watch():
            for _ in range(30):
                (leaf * 3.0).backward()

    at_once(work)
    assert len(done) == 30 * THREADS
    assert leaf.grad.item() == 30 * THREADS * 3.0


def test_models_with_optimisers_of_their_own_train_as_they_do_alone() -> None:
    x = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)

    def train(index: int, model: nn.Module) -> list[np.ndarray]:
        optimiser = nn.optim.AdamW(model.parameters(), lr=0.1)
        for _ in range(10):
            optimiser.zero_grad()
            (model(Tensor(x)) * float(index + 1)).square().mean().backward()
            optimiser.step()
        return [parameter.data.copy() for parameter in model.parameters()]

    def made(index: int) -> nn.Module:
        Tensor.manual_seed(index)
        return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))

    models = [made(index) for index in range(4)]
    together = at_once(lambda index: train(index, models[index]), 4)
    for index, found in enumerate(together):
        for one, other in zip(found, train(index, made(index)), strict=True):
            np.testing.assert_array_equal(one, other)


def test_one_model_takes_a_step_with_the_gradients_of_all_threads() -> None:
    x = np.random.default_rng(0).standard_normal((THREADS, 5, 3))
    model = nn.Linear(3, 1)
    model.weight.data = model.weight.data.astype(np.float64)
    model.bias.data = model.bias.data.astype(np.float64)
    start = model.weight.data.copy()
    at_once(lambda index: model(Tensor(x[index])).sum().backward())
    nn.optim.SGD(model.parameters(), lr=0.5).step()
    np.testing.assert_allclose(model.weight.data, start - 0.5 * x.sum((0, 1)), rtol=1e-12)


def test_a_pass_that_fails_in_one_thread_adds_nothing() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)

    class Fails(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, g, y, x):
            raise KeyError("broken")

    def work(index: int) -> None:
        for _ in range(20):
            if index % 2:
                with pytest.raises(KeyError):
                    (Fails.apply(x) + x).sum().backward()
            else:
                x.sum().backward()

    at_once(work)
    np.testing.assert_array_equal(x.grad.data, np.full(2, 20.0 * THREADS / 2))


@pytest.mark.parametrize("where", ["hook", "rule", "leaf", "record"])
def test_an_interrupted_pass_leaves_everything_as_it_was(where) -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)

    class Stops(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, g, y, x):
            if where == "rule":
                raise KeyboardInterrupt
            return (g,)

    class Watch(Observer):
        def leaf_done(self, node):
            if where == "leaf":
                raise KeyboardInterrupt

        def recorded(self, op, tensor):
            if where == "record" and loss is not None:
                raise KeyboardInterrupt

    def stop(_: Any) -> None:
        if where == "hook":
            raise KeyboardInterrupt

    loss: Tensor | None = None
    y = Stops.apply(x) * x
    y.register_hook(stop)
    loss = y.sum()
    errors = np.geterr()
    with no_grad(), Watch() as watch:
        with pytest.raises(KeyboardInterrupt):
            loss.backward(create_graph=where == "record")
        assert not tl.is_grad_enabled()
        assert Observer.current("leaf_done") is watch
    assert tl.is_grad_enabled()
    assert Observer.current("leaf_done") is None
    assert np.geterr() == errors
    x.grad = None
    at_once(lambda _: (x * 3.0).sum().backward())  # no lock is held
    np.testing.assert_array_equal(x.grad.data, np.full(2, 3.0 * THREADS))


# Random numbers: a checkpoint draws the same ones twice, and no other thread draws them


def test_checkpoints_in_threads_drop_different_elements() -> None:
    """And each drops the same ones again in backward."""
    Tensor.manual_seed(0)
    x = Tensor(np.ones(64), requires_grad=True)
    inside = threading.Barrier(4)

    def work(index: int) -> np.ndarray:
        if index == 3:  # beside the checkpoints
            inside.wait(120)
            return Tensor.ones(64).dropout(0.5).data

        first = True

        def drops(t: Tensor) -> Tensor:
            nonlocal first
            if first:
                inside.wait(120)
            first = False
            return t.dropout(0.5)

        y = checkpoint(drops, x)
        (slope,) = tl.grad(y.sum(), x)
        np.testing.assert_array_equal(slope.data, y.data)
        return y.data

    masks = [mask.tobytes() for _ in range(5) for mask in at_once(work, 4)]
    masks += [Tensor.ones(64, dtype=np.float64).dropout(0.5).data.tobytes() for _ in range(5)]
    assert len(set(masks)) == len(masks)


def test_a_seed_that_is_set_beside_a_checkpoint_holds() -> None:
    Tensor.manual_seed(7)
    expected = Tensor.rand(3).tolist()

    def seeds(t: Tensor) -> Tensor:
        other = threading.Thread(target=Tensor.manual_seed, args=(7,))
        other.start()
        other.join()
        return t.dropout(0.5)

    checkpoint(seeds, Tensor([1.0], requires_grad=True))
    assert Tensor.rand(3).tolist() == expected
