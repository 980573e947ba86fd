"""The ledger: what profile measures, and what cost counts, by op, Module and source line."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest

import nn
from tinygrad_lite import (
    Function,
    Tensor,
    capture,
    checkpoint,
    cost,
    grad,
    keep_values,
    no_grad,
    profile,
)

FILE = __file__


slept = {"forward": 0.0, "backward": 0.0}  # seconds, by another clock


def sleep(seconds: float, phase: str) -> None:
    """Sleep; a busy machine wakes us later."""
    began = time.perf_counter()
    time.sleep(seconds)
    slept[phase] = time.perf_counter() - began


class Sleeps(Function):
    """y = x, at least 5 ms forward and 10 ms backward."""

    def forward(self, x):
        sleep(0.005, "forward")
        return x * 1.0

    def backward(self, g, y, x):
        sleep(0.010, "backward")
        return (g,)


def mlp() -> tuple[nn.Module, np.ndarray, np.ndarray]:
    Tensor.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, np.ones((5, 4), np.float32), np.zeros(5, np.int64)


def by_name(table):
    return {getattr(row, table.by): row for row in table}


def test_a_slow_op_is_found_forward_and_backward() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with profile() as ledger:
        y = (Sleeps.apply(w * 2.0) + 1.0).sum()
        y.backward()
    slow = ledger.by("op")[0]
    assert slow.op == "Sleeps"
    assert slow.calls == 1
    assert slept["forward"] <= slow.forward == pytest.approx(slept["forward"], abs=2e-3)
    assert slept["backward"] <= slow.backward == pytest.approx(slept["backward"], abs=2e-3)
    assert slow.unknown == 1  # an op of the user's
    assert "?" in str(ledger)


def test_a_slow_line_and_what_is_slow_between_ops() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with profile() as ledger:
        a = w * 2.0
        b = Sleeps.apply(w) * w
        inside = slept["forward"]
        sleep(0.02, "forward")
        a + b
    line = test_a_slow_line_and_what_is_slow_between_ops.__code__.co_firstlineno
    rows = by_name(ledger.by("line"))
    between = rows[f"up to {FILE}:{line + 7}"]
    assert between.calls == 0
    assert slept["forward"] <= between.outside == pytest.approx(slept["forward"], abs=2e-3)
    assert rows[f"{FILE}:{line + 4}"].calls == 2
    assert inside <= rows[f"{FILE}:{line + 4}"].forward == pytest.approx(inside, abs=2e-3)
    assert rows[f"{FILE}:{line + 7}"].calls == 1


def test_the_sums_are_the_time_of_the_block() -> None:
    model, x, y = mlp()
    optimizer = nn.optim.Adam(model.parameters())
    began = time.perf_counter()
    with profile() as ledger:
        for _ in range(5):
            loss = model(x).cross_entropy(y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    whole = time.perf_counter() - began
    total = ledger.by("op").total
    assert total.seconds == pytest.approx(ledger.seconds, rel=1e-6)
    assert ledger.seconds + ledger.overhead <= whole
    assert ledger.seconds + ledger.overhead == pytest.approx(whole, rel=0.05, abs=1e-3)
    rows = by_name(ledger.by("op"))
    assert rows["Linear"].calls == 10
    assert rows["CrossEntropy"].calls == 5
    assert rows["Linear"].backward > 0
    assert rows["Adam.step()"].outside > 0
    for what in ("module", "line"):
        assert ledger.by(what).total.seconds == pytest.approx(total.seconds)


def test_modules_and_what_a_module_does_outside_ops() -> None:
    class Slow(nn.Module):
        def forward(self, x):
            sleep(0.01, "forward")
            return x

    Tensor.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), Slow(), nn.Linear(8, 3))
    with profile() as ledger:
        loss = model(np.ones((5, 4), np.float32)).sum()
        loss.backward()
    rows = by_name(ledger.by("module"))
    assert rows.keys() == {"", *("Sequential" + end for end in ("", ".0", ".1", ".2"))}
    assert ledger.by("module")[0].module == "Sequential.1"
    seconds = rows["Sequential.1"].outside
    assert slept["forward"] <= seconds == pytest.approx(slept["forward"], abs=2e-3)
    assert rows["Sequential.0"].backward > 0  # the backward pass belongs to who made the node
    assert rows["Sequential.0"].forward_flops == 2 * 5 * 8 * 4 + 5 * 8
    assert "outside modules" in str(ledger.by("module"))


def test_of_a_node() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with profile() as ledger:
        y = w.exp()
        loss = y.sum()
        loss.backward()
    found = ledger.of(y)
    assert (found.op, found.calls, found.flops) == ("Exp", 1, 4)
    assert found.forward > 0
    assert found.backward > 0
    assert ledger.of(y._node) is found
    assert ledger.of(w) is None
    assert cost(loss).of(y).backward == found.backward  # times of a graph that was profiled


def test_a_rule_that_applies_ops_is_one_op_and_a_recorded_one_is_several() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with profile() as ledger:
        w.relu().sum().backward()
    assert {row.op for row in ledger.by("op")} == {"Relu", "Sum", "outside ops"}
    with profile() as ledger:
        (first,) = grad(w.exp().sum(), w, create_graph=True)
        first.sum().backward()
    rows = by_name(ledger.by("op"))
    assert rows["Exp"].calls == 1
    assert rows["Mul"].calls == 1  # g * y of Exp's rule
    assert rows["Exp"].backward_flops == 2  # of the second pass; the first is that product


def test_a_checkpoint_runs_its_ops_again() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with profile() as ledger:
        checkpoint(lambda x: x.exp().tanh(), w).sum().backward()
    rows = by_name(ledger.by("op"))
    assert rows["Exp"].calls == 2
    assert rows["Tanh"].calls == 2
    assert rows["Tanh"].backward_flops == 6
    assert rows["Checkpoint"].unknown == 1
    assert ledger.by("op").total.seconds == pytest.approx(ledger.seconds, rel=1e-6)


def test_an_error_inside_leaves_what_was_measured() -> None:
    class Fails(Function):
        def forward(self, x):
            time.sleep(0.003)
            raise KeyError("broken")

    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(KeyError), profile() as ledger:
        Fails.apply(w.exp())
    rows = by_name(ledger.by("op"))
    assert rows["Exp"].calls == 1
    assert rows["Fails"].calls == 0
    assert rows["Fails"].forward >= 0.003
    assert ledger.by("op").total.seconds == pytest.approx(ledger.seconds, rel=1e-6)
    with profile() as second:
        w.exp()
    assert by_name(second.by("op"))["Exp"].calls == 1


def test_profiles_nest_and_each_sees_what_is_inside() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with profile() as outer:
        Sleeps.apply(w)
        with profile() as inner:
            Sleeps.apply(w).sum().backward()
    assert by_name(outer.by("op"))["Sleeps"].calls == 2
    assert by_name(inner.by("op"))["Sleeps"].calls == 1
    backward = by_name(inner.by("op"))["Sleeps"].backward
    assert backward == pytest.approx(slept["backward"], abs=2e-3)
    assert outer.by("op").total.seconds == pytest.approx(outer.seconds, rel=1e-6)
    assert outer.seconds > inner.seconds


def test_only_threads_in_which_it_was_entered() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with ThreadPoolExecutor(1) as pool, profile() as ledger:
        w.exp()
        pool.submit(w.tanh).result()
        pool.submit(copy_context().run, lambda: w.sin().sum().backward()).result()
    rows = by_name(ledger.by("op"))
    assert {"Exp", "Sin", "Sum"} < rows.keys()
    assert "Tanh" not in rows
    assert "2 threads" in str(ledger)


def test_ops_that_are_not_recorded_are_measured_too() -> None:
    model, x, _ = mlp()
    with no_grad(), profile() as ledger:
        model(x)
    rows = by_name(ledger.by("op"))
    assert rows["Linear"].calls == 2
    assert rows["Linear"].forward_flops == 2 * 5 * 4 * 8 + 40 + 2 * 5 * 8 * 3 + 15
    assert rows["Linear"].backward_flops == rows["Linear"].kept == 0


def test_a_captured_step_is_measured_as_it_runs_eagerly() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)

    @capture
    def step() -> Tensor:
        w.grad = None
        loss = (w * w).sum()
        loss.backward()
        return loss

    for _ in range(3):
        step()
    with profile() as ledger:
        step()
    rows = by_name(ledger.by("op"))
    assert rows["Mul"].calls == rows["Sum"].calls == 1
    assert rows["Mul"].backward > 0


def test_the_graph_is_freed_as_it_is_without_a_profile() -> None:
    gc.disable()
    try:
        w = Tensor(np.ones(1000), requires_grad=True)
        with profile() as ledger:
            y = w.exp().tanh().sum()
            assert len(ledger.nodes) == 3
            del y
            assert len(ledger.nodes) == 0
    finally:
        gc.enable()
    assert by_name(ledger.by("op"))["Exp"].kept == 8000


def test_a_backward_pass_of_a_graph_that_is_older_than_the_profile() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    y = w.exp().sum()
    with profile() as ledger:
        y.backward()
    row = by_name(ledger.by("op"))["Exp"]
    assert (row.calls, row.forward_flops, row.backward_flops, row.unknown) == (0, 0, 2, 0)
    assert row.backward > 0
    y = Sleeps.apply(w)
    with profile() as ledger:
        y.sum().backward()
    assert by_name(ledger.by("op"))["Sleeps"].unknown == 1


# Counting


def test_cost_of_a_live_a_released_and_a_kept_graph() -> None:
    model, x, y = mlp()
    loss = model(x).cross_entropy(y)
    live = by_name(cost(loss).by("op"))
    assert live["Linear"].calls == 2
    # x (5, 4), and the result of relu, which keeps it as well; labels and p (5, 3).
    assert live["Linear"].kept + live["Relu"].kept == 4 * (5 * 4 + 5 * 8)
    assert live["CrossEntropy"].kept == 8 * 5 + 4 * 5 * 3
    assert live["Linear"].parameters == 4 * 8 * 3  # the second weight, for the gradient of relu
    assert not cost(loss).by("op").timed
    loss.backward()
    released = cost(loss)
    for row in released.by("op"):
        assert row.flops == live[row.op].flops, row.op
        assert row.kept == (8 * 5 if row.op == "CrossEntropy" else 0)  # the labels
    assert "has freed what this graph kept" in str(released)
    with keep_values():
        loss = model(x).cross_entropy(y)
        line = loss._node.line
    for backward in (False, True):
        if backward:
            loss.backward()
        kept = cost(loss)
        assert {row.op: row.flops for row in kept.by("op")} == {
            name: row.flops for name, row in live.items()
        }
        assert by_name(kept.by("module"))["Sequential.2"].calls == 1
        assert [row.line for row in kept.by("line")] == [line]


def test_cost_counts_shared_memory_once_and_a_view_as_what_it_keeps_alive() -> None:
    x = Tensor(np.ones(1000), requires_grad=True) * 1.0
    both = x.exp()
    rows = by_name(cost((both * both * both[:10].sum()).sum()).by("op"))
    assert rows["Exp"].kept == 8000
    assert rows["Mul"].kept == 8000  # both * both; both is Exp's already
    part = x[:2] * x[:2]
    assert by_name(cost(part).by("op"))["Mul"].kept == 8000


def test_names_give_modules() -> None:
    model, x, y = mlp()
    loss = model(x).cross_entropy(y)
    rows = by_name(cost(loss, names=model).by("module"))
    assert rows["Sequential.0"].forward_flops == 2 * 5 * 4 * 8 + 40
    assert rows.keys() == {"", "Sequential.0", "Sequential.2"}


def test_only_the_gradients_that_are_wanted_count() -> None:
    x, w = Tensor.ones(3, 4), Tensor.ones(4, 5)
    w.requires_grad = True
    assert cost(x @ w).by("op")[0].backward_flops == 120
    w.requires_grad = False
    with pytest.raises(ValueError, match=r"cost: no graph: nothing"):
        cost(x @ w)
    with pytest.raises(TypeError, match=r"cost: loss: expected a Tensor; got 3.0"):
        cost(3.0)
    ledger = cost(Tensor(1.0, requires_grad=True) * 2.0)
    with pytest.raises(ValueError, match=r'by: what: expected "op", "module" or "line"; got .size'):
        ledger.by("size")
    with pytest.raises(TypeError, match=r"Ledger.of: node: expected a Tensor or a node; got 3"):
        ledger.of(3)
    assert ledger.of(w) is None


def test_a_long_chain_and_a_leaf() -> None:
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5_000):
        y = y * 1.0
    assert cost(y).by("op")[0].calls == 5_000
    assert len(cost(x).by("op")) == 0
    assert "total" in str(cost(x))


def test_the_table_fits_and_hostile_names_are_harmless() -> None:
    class Sneaky(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, g, y, x):
            return (g,)

    Sneaky.__name__ = '<script>"\n\x1b[31m' + "x" * 200
    w = Tensor([1.0], requires_grad=True)
    with profile() as ledger:
        loss = Sneaky.apply(w).sum()
        for number in range(60):
            exec(compile("\n" * number + "w * 2.0", "many.py", "exec"))
    for what in ("op", "module", "line"):
        lines = str(ledger.by(what)).splitlines()
        assert max(map(len, lines)) <= 100
        assert "\x1b" not in str(ledger.by(what))
        assert "<script>" not in ledger.by(what)._repr_html_()
    assert "others" in str(ledger.by("line"))
    with profile() as ledger:
        exec(compile("w * 2.0", "/deep" * 30 + "/many.py", "exec"))
        exec(compile("w * 2.0", "/there" * 30 + "/many.py", "exec"))
        exec(compile("w * 2.0", "<ipython-input-9-181b2ab33013>", "exec"))
    names = {line.partition("  ")[0] for line in str(ledger.by("line")).splitlines()}
    assert {"deep/many.py:1", "up to there/many.py:1", "In [9]:1"} < names
    assert "total" in cost(loss)._repr_html_()
