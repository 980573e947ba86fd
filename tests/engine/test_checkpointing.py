"""checkpoint: the same gradients, bit for bit, without what lies between."""

import gc
import threading
import tracemalloc
import weakref
from collections import deque, namedtuple
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor, checkpoint, gradcheck, gradgradcheck

VALUES = np.array([[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])


def leaf(values) -> Tensor:
    return Tensor(np.asarray(values), requires_grad=True)


@pytest.fixture
def without_gc():
    """Reference counting alone must free everything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))


def run(net, x, recomputed: bool):
    """Loss, gradients, and the next random number."""
    Tensor.manual_seed(3)
    y = checkpoint(net, x) if recomputed else net(x)
    y = checkpoint(Tensor.tanh, y) if recomputed else y.tanh()
    loss = (y * y).sum()
    between = Tensor.rand(2).tolist()
    parameters = [x, *nn.state.get_parameters(net)]
    found = tl.grad(loss, parameters)
    return [loss.data, *(gradient.data for gradient in found), between, Tensor.rand(2).tolist()]


# 51 of TRAPS.md


def test_51_the_second_run_drops_the_same_and_disturbs_nothing() -> None:
    """Parameters in the closure, dropout; afterwards the generator is where it would be without."""
    Tensor.manual_seed(0)
    net, x = model(), leaf(VALUES.astype(np.float32))
    for ours, plain in zip(run(net, x, True), run(net, x, False), strict=True):
        np.testing.assert_array_equal(ours, plain)


def test_what_another_thread_draws_does_not_come_in_between() -> None:
    """It did: then the second run dropped other elements, and the gradient was wrong."""

    def dropped(x: Tensor) -> Tensor:
        drawing = threading.Thread(target=Tensor.rand, args=(3,))
        drawing.start()
        drawing.join()
        return x.dropout(0.5, training=True)

    x = Tensor(np.ones(64), requires_grad=True)
    y = checkpoint(dropped, x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)


def test_a_seed_set_inside_is_set_inside_again() -> None:
    def noisy(x):
        Tensor.manual_seed(7)
        return x * Tensor.rand(3, dtype=np.float64)

    x = leaf(VALUES[0])
    loss = checkpoint(noisy, x).sum()
    Tensor.manual_seed(1)
    expected = Tensor.rand(3).tolist()
    Tensor.manual_seed(1)
    loss.backward()
    assert Tensor.rand(3).tolist() == expected
    Tensor.manual_seed(7)
    np.testing.assert_array_equal(x.grad.data, Tensor.rand(3, dtype=np.float64).data)


# Where gradients go


def test_gradients_land_in_grad_of_inputs_and_of_what_fn_holds() -> None:
    """y = (w x)^2 by hand: dy/dx = 2 w^2 x, dy/dw = 2 w x^2."""
    x, w = leaf([3.0, 4.0]), leaf([1.0, 2.0])
    checkpoint(lambda x: (w * x) ** 2, x).sum().backward()
    assert x.grad.tolist() == [6.0, 32.0]
    assert w.grad.tolist() == [18.0, 64.0]


def test_an_input_and_the_closure_may_be_the_same_and_one_may_depend_on_the_other() -> None:
    """h = x^2; y = h x h from a closure, that is x^5: what reaches h goes on to x once."""
    x = leaf(2.0)
    h = x * x
    y = checkpoint(lambda a: a * x * h, h)
    assert y._node.parents == (x._node, h._node)
    y.backward()
    assert x.grad.item() == 5 * 2**4
    (found,) = tl.grad(checkpoint(lambda a: a * x, x), x)
    assert found.item() == 4.0


def test_what_needs_no_gradient_gets_none() -> None:
    x, frozen, unused = leaf(VALUES), Tensor(VALUES), leaf(VALUES)
    y = checkpoint(lambda x, frozen, unused: x * frozen, x, frozen, unused)
    assert y._node.parents == (x._node,)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, VALUES)
    assert frozen.grad is None
    assert unused.grad is None
    constant = checkpoint(lambda x: x * 2.0, frozen)
    assert not constant.requires_grad


def test_options_and_what_is_no_tensor_pass_through() -> None:
    def fn(x, power, *, scale, shift=None, names=()):
        assert names == ["a"]
        return x**power * scale + shift

    x, scale = leaf([2.0, 3.0]), leaf([5.0, 7.0])
    y = checkpoint(fn, x, 2, scale=scale, shift=np.ones(2), names=["a"])
    assert y.tolist() == [21.0, 64.0]
    y.sum().backward()
    assert x.grad.tolist() == [20.0, 42.0]
    assert scale.grad.tolist() == [4.0, 9.0]


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize("kind", [tuple, list, lambda values: Pair(*list(values)[:2])])
@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_several_results(kind, used) -> None:
    x = leaf(VALUES)
    results = checkpoint(lambda x: kind((x.exp(), x.tanh(), 3, None, x > 0)), x)
    assert type(results) is type(kind((1, 2, 3)))
    if len(results) == 5:
        assert results[2:4] == kind((3, None))
        assert results[4].dtype == np.bool_
    sum(results[position].sum() for position in used).backward()
    slopes = (np.exp(VALUES), 1 - np.tanh(VALUES) ** 2)
    np.testing.assert_allclose(x.grad.data, sum(slopes[position] for position in used), rtol=1e-14)
    assert results[0].op == "Checkpoint"


def test_a_result_that_is_an_input_or_a_view_of_it() -> None:
    x = leaf(VALUES)
    y = x * 1.0
    same, view = checkpoint(lambda y: (y, y.T), y)
    with pytest.raises(RuntimeError, match="another tensor of shape"):
        same += 1.0
    (same * same).sum().backward(retain_graph=True)
    np.testing.assert_array_equal(x.grad.data, 2 * VALUES)
    view.sum().backward()
    np.testing.assert_array_equal(x.grad.data, 2 * VALUES + 1)


def test_inside_no_grad_and_no_grad_inside() -> None:
    x = leaf(VALUES)
    with tl.no_grad():
        assert not checkpoint(Tensor.exp, x).requires_grad

    def half(x):
        with tl.no_grad():
            scale = x * 2.0
        return x * scale

    checkpoint(half, x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, VALUES * 2)


def test_nested() -> None:
    Tensor.manual_seed(0)
    x, w = leaf(VALUES), leaf(VALUES[0])
    drop = nn.Dropout(0.5)

    def inner(x):
        return drop(x * w).tanh()

    def outer(x, step):
        return step(inner, step(inner, x).exp() * w)

    found = []
    for step in (checkpoint, lambda fn, *xs: fn(*xs)):
        Tensor.manual_seed(2)
        y = step(outer, x, step)
        found.append([y, *tl.grad(y.sum(), [x, w])])
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_array_equal(ours.data, plain.data)


def test_a_leaf_made_inside_the_first_run() -> None:
    """As a module that makes its weights when it first sees an input."""
    made: dict[str, Tensor] = {}

    def lazy(x):
        if not made:
            made["w"] = leaf([2.0, 3.0])
        return x * made["w"]

    x = leaf([5.0, 7.0])
    checkpoint(lazy, x).sum().backward()
    assert x.grad.tolist() == [2.0, 3.0]
    assert made["w"].grad.tolist() == [5.0, 7.0]
    checkpoint(lambda x: x * leaf([1.0, 1.0]), x).sum().backward()  # a leaf of this run only
    assert x.grad.tolist() == [3.0, 4.0]


# Higher orders


def test_first_and_second_order_against_finite_differences() -> None:
    def fn(x, w):
        def chunk(t):
            return (t * w).exp() * x, (t * t * w).sum()

        first, second = checkpoint(chunk, x.tanh())
        return first * second

    inputs = [Tensor(VALUES[0]), Tensor(VALUES[1])]
    assert gradcheck(fn, inputs)
    assert gradgradcheck(fn, inputs)


def test_third_order() -> None:
    x = leaf(1.5)
    y = checkpoint(lambda x: x * x * x * x * x, x)
    for expected in (5 * 1.5**4, 20 * 1.5**3, 60 * 1.5**2):
        (y,) = tl.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected, rel=1e-13)


def test_retain_graph_allows_a_second_pass_and_else_it_is_refused() -> None:
    runs: list[int] = []

    def square(x):
        runs.append(1)
        return x * x

    x = leaf(3.0)
    y = checkpoint(square, x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    assert len(runs) == 3
    with pytest.raises(RuntimeError, match="saved arrays of Checkpoint were released by an earl"):
        y.backward()


def test_hooks_on_both_sides_run_once() -> None:
    seen: list[float] = []
    x, w = leaf(2.0), leaf(3.0)
    for tensor in (x, w):
        tensor.register_hook(lambda g: seen.append(g.item()))

    def fn(x):
        h = x * w
        h.register_hook(lambda g: g * 10.0)
        return h * h

    y = checkpoint(fn, x)
    y.register_hook(lambda g: seen.append(g.item()))
    (y + x).backward()
    assert sorted(seen) == [1.0, 240.0, 361.0]


# Memory


def test_what_lies_between_is_gone_after_forward(without_gc) -> None:
    between: list[weakref.ref] = []
    x, w = leaf(np.ones(100)), leaf(np.ones(100))

    def fn(x):
        first = (x * w).exp()
        second = first.tanh()
        between.extend(weakref.ref(tensor.data) for tensor in (first, second))
        return second * first

    y = checkpoint(fn, x)
    assert [array() for array in between] == [None, None]
    loss = (y * y).sum()
    loss.backward()
    assert len(between) == 4
    assert [array() for array in between] == [None] * 4


def test_a_dropped_graph_is_freed_by_reference_counting(without_gc) -> None:
    net, x = model(), leaf(VALUES.astype(np.float32))
    y = checkpoint(net, x)
    array, held = weakref.ref(y.data), weakref.ref(x)
    (first,) = tl.grad(y.sum(), x, create_graph=True)
    second = weakref.ref(first.data)
    del y, first, x
    assert array() is None
    assert second() is None
    assert held() is None


def test_after_backward_the_inputs_are_let_go(without_gc) -> None:
    x = leaf(np.ones(10))
    h = x * 2.0
    y = checkpoint(Tensor.exp, h)
    array = weakref.ref(h.data)
    del h
    assert array() is not None  # what the second run starts from
    y.sum().backward()
    assert array() is None


def test_chunks_take_less_memory() -> None:
    """64 layers of 4 results each: in 8 chunks about 8 + 32 results at once instead of 256."""

    def layers(h, count):
        for _ in range(count):
            h = (h * 1.01).tanh().exp().log()
        return h

    def peak(step) -> int:
        h = leaf(np.ones(2000))
        tracemalloc.start()
        for _ in range(8):
            h = step(h)
        h.sum().backward()
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    chunks = peak(lambda h: checkpoint(layers, h, 8))
    assert chunks < 0.35 * peak(lambda h: layers(h, 8))


def test_a_long_chain_of_chunks() -> None:
    """Each pass inside ends at its chunk: no recursion, and no pass through all that is older."""
    x = leaf(0.5)
    y = x
    for _ in range(3000):
        y = checkpoint(lambda y: y * 1.0 + 0.0, y)
    y.backward()
    assert x.grad.item() == 1.0


# What may not change in between


def test_an_input_or_a_parameter_changed_in_place_is_noticed() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    h = x * 1.0
    y = checkpoint(lambda h: h + w, h)  # Add saves nothing; a second run would read both
    h *= 2.0
    with pytest.raises(
        RuntimeError, match=r"Checkpoint saved an array of shape \(2,\), and .*chan"
    ):
        y.sum().backward()
    y = checkpoint(lambda x: x + w, x)
    with tl.no_grad():
        w += 1.0
    with pytest.raises(
        RuntimeError, match=r"Checkpoint saved an array of shape \(2,\), and .*chan"
    ):
        y.sum().backward()


def test_a_value_of_the_closure_changed_in_place_is_noticed() -> None:
    x = leaf([1.0, 2.0])
    h = x * 1.0
    y = checkpoint(lambda x: x * h, x)
    h += 1.0
    with pytest.raises(RuntimeError, match=r"Checkpoint saved .* changed it in place"):
        y.sum().backward()


def test_fn_must_not_change_its_input() -> None:
    def fn(h):
        h += 1.0
        return h * 2.0

    y = checkpoint(fn, leaf([1.0]) * 1.0)
    with pytest.raises(RuntimeError, match="Checkpoint saved an array of shape"):
        y.sum().backward()


def test_another_result_is_noticed() -> None:
    shapes = iter([(6,), (2, 3)])
    y = checkpoint(lambda x: x.reshape(next(shapes)), leaf(np.ones(6)))
    with pytest.raises(RuntimeError, match="fn did something else the second time; it must"):
        y.sum().backward()


def test_what_a_wrong_call_prints() -> None:
    with pytest.raises(
        TypeError, match=r"^checkpoint: fn: expected a function; got Tensor of shape \(\), float64$"
    ):
        checkpoint(leaf(1.0))
    with pytest.raises(TypeError, match=r"or a tuple or list with some in it; got dict$"):
        checkpoint(lambda x: {"y": x}, leaf(1.0))


def test_an_error_in_the_second_run_restores_the_generator() -> None:
    runs: list[int] = []

    def fails(x):
        runs.append(1)
        if len(runs) > 1:
            raise ZeroDivisionError
        return x * Tensor.rand()

    x = leaf(1.0)
    y = checkpoint(fails, x)
    Tensor.manual_seed(4)
    expected = Tensor.rand(2).tolist()
    Tensor.manual_seed(4)
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert Tensor.rand(2).tolist() == expected
    assert x.grad is None


def test_it_can_be_drawn_and_named() -> None:
    y = checkpoint(Tensor.exp, leaf(1.0))
    assert y.op == "Checkpoint"
    assert "Checkpoint" in tl.draw(y).dot
    assert "op=Checkpoint" in repr(y)


# What fn reads may not change in between, wherever it is


@dataclass
class Batch:
    """What a data loader may give."""

    scale: Tensor


SCALE = Tensor([1.0, 2.0])


def scaled(x, scale):
    return (x + scale) ** 2


def around(scale):
    return lambda x: scaled(x, scale)


READERS = {
    "argument": lambda x, scale: checkpoint(scaled, x, scale),
    "option": lambda x, scale: checkpoint(scaled, x, scale=scale),
    "list": lambda x, scale: checkpoint(lambda x, s: scaled(x, s[0]), x, [scale]),
    "dataclass": lambda x, scale: checkpoint(lambda x, b: scaled(x, b.scale), x, Batch(scale)),
    "nested": lambda x, scale: checkpoint(
        lambda x, b: scaled(x, b[0].scale), x, (Batch(scale), "more")
    ),
    "namespace": lambda x, scale: checkpoint(
        lambda x, b: scaled(x, b.scale), x, SimpleNamespace(scale=scale)
    ),
    "deque": lambda x, scale: checkpoint(lambda x, s: scaled(x, s[0]), x, deque([scale])),
    "mapping": lambda x, scale: checkpoint(
        lambda x, s: scaled(x, s["scale"]), x, MappingProxyType({"scale": scale})
    ),
    "set": lambda x, scale: checkpoint(lambda x, s: scaled(x, *s), x, {scale}),
    "partial": lambda x, scale: checkpoint(partial(scaled, scale=Batch(scale).scale), x),
    "variable around fn": lambda x, scale: checkpoint(around(scale), x),
    "global variable": lambda x, _: checkpoint(lambda x: scaled(x, SCALE), x),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_constant_that_fn_reads_is_watched_wherever_it_is(reader) -> None:
    x, scale = leaf([3.0, -1.0]), SCALE
    y = reader(x, scale)
    y.sum().backward()
    assert x.grad.tolist() == [8, 2]  # 2 (x + scale)
    x.grad = None
    y = reader(x, scale)
    scale += 1.0
    with pytest.raises(RuntimeError, match=r"backward: Checkpoint saved .* changed it in place"):
        y.sum().backward()
    scale -= 1.0
    assert x.grad is None


def test_statistics_around_fn_may_be_updated_by_it() -> None:
    seen = Tensor([0.0])

    def fn(x):
        nonlocal seen
        seen += x.detach().mean()
        return x * x

    x = leaf([1.0, 3.0])
    first, second = checkpoint(fn, x), checkpoint(fn, x)
    (first + second).sum().backward()
    assert x.grad.tolist() == [4, 12]
    assert seen.item() == 8  # each of the two runs, twice


@pytest.mark.parametrize(
    "make", [iter, lambda xs: (x for x in xs), lambda xs: zip(xs, strict=True)]
)
def test_an_iterator_is_refused_since_it_can_be_read_only_once(make) -> None:
    with pytest.raises(
        TypeError, match=r"^checkpoint: expected what can be read twice; got a \w+; use"
    ):
        checkpoint(next, make([leaf([1.0])]))
