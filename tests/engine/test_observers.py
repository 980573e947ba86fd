"""The observer slot: two small observers use all of its protocol, and idle it changes nothing."""

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import pytest

import nn
from tinygrad_lite import Observer, Tensor, checkpoint, grad, no_grad, record_source_lines
from tinygrad_lite.engine.recording import grad_on, user_frame


class ByModuleAndLine(Observer):
    """Counts ops by the module and the line that called them; keeps what was written and drawn."""

    def __init__(self) -> None:
        self.ops: Counter[tuple[str, str, int]] = Counter()
        self.path = ""
        self.written: list[np.ndarray] = []
        self.drawn: list[np.ndarray] = []

    def recorded(self, op, tensor):
        self.ops[self.path, type(op).__name__, user_frame().f_lineno] += 1
        super().recorded(op, tensor)

    def wrote(self, array):
        self.written.append(array)
        super().wrote(array)

    def drew(self, generator, array):
        assert isinstance(generator, np.random.Generator)
        self.drawn.append(array)
        super().drew(generator, array)

    @contextmanager
    def module(self, path):
        before, self.path = self.path, path
        try:
            with super().module(path):
                yield
        finally:
            self.path = before


class Times(Observer):
    """Seconds of each op, forward and backward, and the leaves in the order they finish."""

    def __init__(self) -> None:
        self.forward_seconds: Counter[str] = Counter()
        self.backward_seconds: Counter[str] = Counter()
        self.events: list[object] = []

    def forward(self, op, arrays):
        began = perf_counter()
        try:
            return super().forward(op, arrays)
        finally:
            self.forward_seconds[type(op).__name__] += perf_counter() - began

    def backward(self, node, gradient):
        began = perf_counter()
        self.events.append(type(node).__name__)
        try:
            return super().backward(node, gradient)
        finally:
            self.backward_seconds[type(node).__name__] += perf_counter() - began

    def leaf_done(self, node):
        self.events.append(node.holder())
        super().leaf_done(node)


def two_layers() -> nn.Module:
    Tensor.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))


def paths(model, x) -> list[str]:
    with ByModuleAndLine() as seen:
        model(x)
    return [path for path, *_ in seen.ops]


def test_ops_by_module_and_line() -> None:
    model, x = two_layers(), np.ones((2, 3), np.float32)
    with ByModuleAndLine() as seen:
        line = user_frame().f_lineno
        total = model(x).sum()
        for _ in range(3):
            total * 2.0
    assert seen.ops == {
        ("Sequential.0", "Linear", line + 1): 1,
        ("Sequential.1", "Relu", line + 1): 1,
        ("Sequential.2", "Linear", line + 1): 1,
        ("", "Sum", line + 1): 1,
        ("", "Mul", line + 3): 3,
    }


def test_the_path_is_that_of_the_outermost_call_and_is_left_by_an_error() -> None:
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("broken")

    class Outer(nn.Module):
        def __init__(self):
            self.body = {"first": nn.Linear(3, 1)}
            self.last = Fails()

        def forward(self, x):
            self.body["first"](x)
            return (
                self.last(x) if x.shape[0] > 1 else nn.ReLU()(x) * Tensor(1.0, requires_grad=True)
            )

    x = np.ones((2, 3), np.float32)
    with ByModuleAndLine() as seen:
        with pytest.raises(KeyError):
            Outer()(x)
        assert seen.path == ""
    assert paths(Outer(), x[:1]) == ["Outer.body.first", "Outer"]
    assert paths(nn.Linear(3, 1), x) == ["Linear"]


def test_times_of_each_op_and_leaves_that_finish_on_the_way() -> None:
    model, x = two_layers(), np.ones((2, 3), np.float32)
    plain = model(x).square().sum()
    plain.backward()
    expected = [parameter.grad.data for parameter in model.parameters()]
    model.zero_grad()
    first, last = model[0], model[2]
    with Times() as seen:
        model(x).square().sum().backward()
    assert seen.forward_seconds.keys() == {"Linear", "Relu", "Mul", "Sum", "Mask"}  # in Relu's rule
    assert all(0 < seconds < 5 for seconds in seen.forward_seconds.values())
    assert seen.backward_seconds.keys() >= {"Linear", "Relu", "Mul", "Sum"}
    # The last layer's parameters are final before the first layer is visited.
    assert seen.events[:4] == ["Sum", "Mul", "Linear", last.weight]
    assert seen.events[4] is last.bias
    assert seen.events[5:7] == ["Relu", "Linear"]
    assert {id(leaf) for leaf in seen.events[7:]} == {id(first.weight), id(first.bias)}
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        np.testing.assert_array_equal(parameter.grad.data, gradient)


def test_a_finished_leaf_has_its_gradient() -> None:
    class Gradients(Observer):
        def __init__(self):
            self.found = []

        def leaf_done(self, node):
            tensor = node.holder()
            self.found.append((tensor.shape, tensor.grad.tolist()))

    w = Tensor([1.0, 2.0], requires_grad=True)
    b = Tensor(3.0, requires_grad=True)
    with Gradients() as seen:
        (w * w * b).sum().backward()
        assert sorted(seen.found) == [((), 5.0), ((2,), [6.0, 12.0])]
        (w * 1.0).sum().backward()  # added to what is there
        assert seen.found[2:] == [((2,), [7.0, 13.0])]
        b.backward()  # a root that is itself a leaf
        assert seen.found[3:] == [((), 6.0)]
    assert b.grad.item() == 6.0


def test_leaves_with_hooks_finish_once_and_after_their_hooks() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    w.register_hook(lambda g: g * 10.0)
    with Times() as seen:
        (w * w).sum().backward()
    assert [event for event in seen.events if isinstance(event, Tensor)] == [w]
    assert w.grad.tolist() == [20.0, 40.0]


def test_grad_visits_nodes_and_finishes_no_leaf() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with Times() as seen:
        (found,) = grad((w * w * w).sum(), w, create_graph=True)
        (second,) = grad(found.sum(), w)
    assert second.tolist() == [6.0, 12.0]
    assert seen.events.count("Sum") == 2
    assert not any(isinstance(event, Tensor) for event in seen.events)
    assert w.grad is None


def test_writes_and_draws_are_told() -> None:
    parameter = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.SGD([parameter], lr=0.5)
    with ByModuleAndLine() as seen:
        x = Tensor.rand(3)
        y = x.dropout(0.5)
        x += 1.0
        x[0] = 5.0
        (parameter * 2.0).sum().backward()
        optimizer.step()
    assert [array.shape for array in seen.drawn] == [(3,), (3,)]
    np.testing.assert_array_equal(y.data != 0, seen.drawn[1] >= 0.5)
    assert [array is x.data for array in seen.written] == [True, True, False]
    assert seen.written[2] is parameter.data


def test_observers_nest_and_the_inner_one_passes_on() -> None:
    w = Tensor(2.0, requires_grad=True)
    with Times() as outer, no_grad(), ByModuleAndLine() as inner, record_source_lines():
        assert Observer.current("forward") is not inner
        w * w
    assert not inner.ops  # nothing was recorded
    assert outer.forward_seconds.keys() == {"Mul"}
    with Times() as outer, ByModuleAndLine() as inner:
        y = w * w
        y.backward()
        assert Observer.current("drew") is inner
        assert Observer.current("missing") is None
    assert [name for _, name, _ in inner.ops] == ["Mul"]
    assert outer.events == ["Mul", w]
    assert Observer.current("forward") is None
    assert y._node.line is None


def test_an_observer_sees_the_threads_in_which_it_was_entered() -> None:
    w = Tensor(2.0, requires_grad=True)
    seen = ByModuleAndLine()

    def watched():
        with seen:
            w * w

    with seen, Times() as inner, seen:  # once, however often it is entered
        for work in (lambda: w * w, watched):
            other = threading.Thread(target=work)
            other.start()
            other.join()
        w * w
    assert sum(seen.ops.values()) == 2
    assert inner.forward_seconds.keys() == {"Mul"}


def generator(context):
    with context:
        yield


def test_contexts_that_end_in_another_order_end_themselves() -> None:
    """A generator keeps its context open beyond the block in which it began."""
    w = Tensor(2.0, requires_grad=True)
    with record_source_lines():
        silent = generator(no_grad())
        next(silent)
    assert not (w * w).requires_grad
    silent.close()
    assert (w * w)._node.line is None
    seen = ByModuleAndLine()
    watching = generator(seen)
    next(watching)
    with no_grad():
        watching.close()
        assert not (w * w).requires_grad
    assert (w * w).requires_grad
    assert not seen.ops
    quiet = no_grad()
    quiet.__enter__()
    seen.__enter__()
    quiet.__exit__()
    w * w
    seen.__exit__()
    assert sum(seen.ops.values()) == 1
    seen.__exit__()  # nothing is open any more
    assert Observer.current("forward") is None


def test_an_observer_is_gone_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), Times():
        1 / 0  # noqa: B018
    assert Observer.current("forward") is None


def test_forward_may_be_replaced() -> None:
    class Doubled(Observer):
        def forward(self, op, arrays):
            return super().forward(op, arrays) * 2.0

    with Doubled():
        y = Tensor([1.0, 3.0]) + 1.0
    assert y.tolist() == [4.0, 8.0]


def test_ops_on_arrays_inside_a_rule_are_seen_too() -> None:
    """Such as ScatterAdd in the rule of an index: it runs on arrays and is not recorded."""
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with Times() as seen:
        x[[0, 0, 1]].sum().backward()
    assert "ScatterAdd" in seen.forward_seconds
    assert x.grad.tolist() == [2.0, 1.0, 0.0]


def test_a_checkpoint_is_recorded_and_its_second_run_is_seen() -> None:
    w = Tensor([0.5, 1.0], requires_grad=True)
    with Times() as seen, ByModuleAndLine() as ops:
        checkpoint(lambda x: x.exp(), w).sum().backward()
    assert [name for _, name, _ in ops.ops] == ["Exp", "Checkpoint", "Sum"]
    assert ops.ops["", "Exp", next(line for _, name, line in ops.ops if name == "Exp")] == 2
    assert seen.events.count("Exp") == 1
    np.testing.assert_allclose(w.grad.data, np.exp([0.5, 1.0]), rtol=1e-6)


def test_source_lines_are_recorded_in_their_own_context_only() -> None:
    w = Tensor(2.0, requires_grad=True)
    lines = []
    with record_source_lines():
        other = threading.Thread(target=lambda: lines.append((w * w)._node.line))
        other.start()
        other.join()
        assert (w * w)._node.line == f"{__file__}:{user_frame().f_lineno}"
    assert lines == [None]


def test_a_failing_pass_leaves_grads_alone_unless_somebody_watches_leaves() -> None:
    a, b, c = (Tensor([1.0, 2.0], requires_grad=need) for need in (True, True, False))

    def fails() -> None:
        loss = (a * 2.0).sum() + (b * c).sum()
        c.fill_(3.0)
        with pytest.raises(RuntimeError, match="changed it in place"):
            loss.backward()

    with record_source_lines(), ByModuleAndLine():
        fails()
    assert a.grad is None
    assert b.grad is None


def test_what_an_observer_does_to_a_finished_gradient_reaches_no_other() -> None:
    class Clears(Observer):
        def leaf_done(self, node):
            node.holder().grad *= 0.0

    w, v = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    v.register_hook(lambda g: None)  # it waits for its turn
    with Clears():
        ((w + v * 3.0) * 1.0).sum().backward()
    assert w.grad.tolist() == [0.0, 0.0]
    assert v.grad.tolist() == [0.0, 0.0]  # by the observer as well, at its end
    v.grad = None

    class ClearsOne(Observer):
        def leaf_done(self, node):
            if node.holder() is w:
                node.holder().grad *= 0.0

    with ClearsOne():
        ((w + v * 3.0) * 1.0).sum().backward()
    assert v.grad.tolist() == [3.0, 3.0]


class Passes(Observer):
    """Notes each leaf that is done, and the end of each pass, with the gradients at that moment."""

    def __init__(self, *leaves, name="", events=None) -> None:
        self.leaves, self.name = leaves, name
        self.events = [] if events is None else events

    def note(self, what) -> None:
        found = [None if one.grad is None else one.grad.tolist() for one in self.leaves]
        self.events.append((self.name + what, *found))

    def leaf_done(self, node):
        self.note(f"leaf {[one is node.holder() for one in self.leaves].index(True)}")
        super().leaf_done(node)

    def backward_done(self):
        self.note("done")
        super().backward_done()


def two_leaves() -> tuple[Tensor, Tensor]:
    return Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)


@pytest.mark.parametrize("hooked", [False, True])
def test_the_end_of_a_pass_is_told_once_and_after_every_leaf(hooked) -> None:
    w, v = two_leaves()
    if hooked:
        v.register_hook(lambda g: g * 10.0)
    with Passes(w, v) as seen:
        y = w.exp().log() * v  # w is final later than v
        y.retain_grad()
        (y * 1.0).backward()
    expected = 20.0 if hooked else 2.0
    leaves = [name for name, *_ in seen.events]
    assert leaves in (["leaf 1", "leaf 0", "done"], ["leaf 0", "leaf 1", "done"])
    assert leaves[0] == "leaf 1" or hooked
    assert seen.events[-1] == ("done", 3.0, expected)
    assert y.grad.item() == 1.0


def test_the_end_of_a_pass_alone_leaves_the_leaves_to_the_end() -> None:
    """Who overrides nothing else costs no count of what uses each leaf."""
    w, v = two_leaves()

    class AtTheEnd(Observer):
        passes = 0

        def backward(self, node, gradient):
            assert w.grad is None
            assert v.grad is None
            return super().backward(node, gradient)

        def backward_done(self):
            self.passes += 1
            assert (w.grad.item(), v.grad.item()) == (3.0, 2.0)

    with AtTheEnd() as seen:
        assert Observer.current("leaf_done") is None
        assert Observer.current("backward_done") is seen
        (w.exp().log() * v).backward()
        assert seen.passes == 1


def test_each_pass_that_stores_gradients_has_an_end() -> None:
    w, v = two_leaves()
    with Passes(w, v) as seen:
        (w * v).backward()
        assert seen.events.pop() == ("done", 3.0, 2.0)
        (w * v).backward()  # added to what is there
        assert seen.events.pop() == ("done", 6.0, 4.0)
        w.backward()  # a root that is itself a leaf
        assert seen.events[-2:] == [("leaf 0", 7.0, 4.0), ("done", 7.0, 4.0)]
        seen.events.clear()
        grad(w * v, [w, v])
        assert seen.events == []
        w.zero_grad()
        v.zero_grad()
        checkpoint(lambda w, v: w * v, w, v).backward()  # a pass inside this one is a part of it
        assert [name for name, *_ in seen.events if name == "done"] == ["done"]
        assert seen.events[-1] == ("done", 3.0, 2.0)


def test_a_hook_that_runs_a_pass_of_its_own_has_its_end_first() -> None:
    w, v = two_leaves()
    y = w * 1.0
    y.register_hook(lambda g: v.backward() and None)
    with Passes(w, v) as seen:
        y.backward()
    assert seen.events == [
        *(("leaf 1", None, 1.0), ("done", None, 1.0)),
        *(("leaf 0", 1.0, 1.0), ("done", 1.0, 1.0)),
    ]


def test_the_end_of_a_pass_goes_from_the_inner_observer_to_the_outer_one() -> None:
    w, v = two_leaves()
    outer = Passes(w, v, name="outer ")
    with outer, Observer(), no_grad(), Passes(w, v, name="inner ", events=outer.events):
        with grad_on():
            y = w * v
        y.backward()
    names = [name for name, *_ in outer.events]
    assert names[-2:] == ["inner done", "outer done"]
    assert names.count("inner done") == names.count("outer done") == 1
    with Passes(w, v) as seen, no_grad():
        w.backward()
    assert [name for name, *_ in seen.events] == ["leaf 0", "done"]


def test_with_create_graph_the_end_of_a_pass_finds_gradients_with_a_graph() -> None:
    class Doubles(Observer):
        def backward_done(self):
            w.grad = w.grad * 2.0

    w, _ = two_leaves()
    with Doubles(), no_grad():  # in a mode that records
        with grad_on():
            y = w * w * w
        y.backward(create_graph=True)
    assert w.grad.item() == 24.0
    (second,) = grad(w.grad, w)
    assert second.item() == 24.0  # of 2 * 3 w^2


@pytest.mark.parametrize("leave", ["in place", "assigned", "taken away"])
def test_what_the_end_of_a_pass_leaves_is_what_the_program_finds(leave) -> None:
    class Leaves(Observer):
        def backward_done(self):
            if leave == "in place":
                w.grad.data[...] *= 0.5
            else:
                w.grad = w.grad * 0.5 if leave == "assigned" else None

    w, v = two_leaves()
    with Leaves():
        (w * v).backward()
        first = None if w.grad is None else w.grad.item()
        (w * v).backward()
    assert first == (None if leave == "taken away" else 1.5)
    assert (w.grad and w.grad.item()) == (None if leave == "taken away" else (1.5 + 3.0) / 2)
    assert v.grad.item() == 4.0


def test_a_pass_that_raises_has_no_end() -> None:
    w, v = two_leaves()

    def stop(_):
        raise ZeroDivisionError

    y = w * 1.0
    y.register_hook(stop)
    with Passes(w, v) as seen:
        with pytest.raises(ZeroDivisionError):
            (y * v).backward()
        w.grad = Tensor([1.0, 2.0])  # which fits no gradient of w
        with pytest.raises(ValueError, match=r"has a \.grad of shape"):
            (w * v).backward()
        with pytest.raises(RuntimeError, match="only one number"):
            Tensor([1.0, 2.0], requires_grad=True).backward()
    assert all(name != "done" for name, *_ in seen.events)


def test_an_end_of_a_pass_that_raises_leaves_the_gradients() -> None:
    class Fails(Observer):
        def backward_done(self):
            raise KeyboardInterrupt

    w, v = two_leaves()
    with no_grad(), Fails():
        with grad_on():
            y = w * v
        with pytest.raises(KeyboardInterrupt):
            y.backward()
        assert not (w * v).requires_grad
    assert (w.grad.item(), v.grad.item()) == (3.0, 2.0)
    assert Observer.current("backward_done") is None
    with pytest.raises(RuntimeError, match="released"):  # the pass was over
        y.backward()


@pytest.mark.parametrize(
    "method",
    ["forward", "recorded", "backward", "leaf_done", "backward_done", "wrote", "drew", "module"],
)
def test_an_observer_that_raises_does_no_damage(method) -> None:
    def fails(*_):
        raise ZeroDivisionError

    model, x = two_layers(), np.ones((2, 3), np.float32)
    optimizer = nn.optim.SGD(nn.state.get_parameters(model), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        model(Tensor.rand(2, 3) + x).square().sum().backward()
        optimizer.step()

    def failing() -> None:
        with type("Fails", (Observer,), {method: fails})():
            optimizer.step()
            step()

    model(x).square().sum().backward()
    before = [parameter.data.copy() for parameter in model.parameters()]
    with pytest.raises(ZeroDivisionError):
        failing()
    assert Observer.current("forward") is None
    if method == "wrote":  # told before anything is written
        for parameter, values in zip(model.parameters(), before, strict=True):
            np.testing.assert_array_equal(parameter.data, values)
    step()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_observer_may_be_a_dataclass_or_empty() -> None:
    @dataclass
    class Nodes(Observer):
        names: list[str] = field(default_factory=list)

        def recorded(self, op, tensor):
            self.names.append(type(op).__name__)
            super().recorded(op, tensor)

        def __len__(self):
            return len(self.names)

    w = Tensor(2.0, requires_grad=True)
    with Nodes() as outer, Nodes() as inner:
        (w * w).backward()
    assert outer.names == inner.names == ["Mul"]


def test_an_observer_outside_of_its_block_passes_nothing_on() -> None:
    class LeavesEarly(Observer):
        def forward(self, op, arrays):
            self.__exit__()
            return super().forward(op, arrays)

    assert Observer().outer is None
    with LeavesEarly():
        assert (Tensor([1.0]) + 1.0).tolist() == [2.0]
    assert Observer.current("forward") is None


def test_methods_of_an_instance_are_heard() -> None:
    seen, written, drawn = Observer(), [], []
    seen.wrote, seen.drew = written.append, lambda generator, array: drawn.append(array)
    with seen:
        x = Tensor.rand(3)
        x += 1.0
    assert [array is x.data for array in written] == [True]
    assert len(drawn) == 1
