"""register_hook: what a hook sees, what it may replace, when it runs, and what it costs."""

import gc
import weakref

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Function, Tensor


def test_a_hook_sees_the_whole_gradient_once() -> None:
    """h = 2 x; d(h^2 + h) / dh = 2 h + 1 = 5, 9: the sum over both uses of h."""
    seen: list[list[float]] = []
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = x * 2.0
    loss = (h * h + h).sum()
    h.register_hook(lambda g: seen.append(g.tolist()))  # after its uses
    x.register_hook(lambda g: seen.append(g.tolist()))
    loss.backward()
    assert seen == [[5.0, 9.0], [10.0, 18.0]]
    assert x.grad.tolist() == [10.0, 18.0]


def test_what_a_hook_returns_is_passed_on_and_kept() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = (x * 2.0).retain_grad()
    h.register_hook(lambda g: g * 10.0)
    x.register_hook(lambda g: g + 1.0)
    loss = (h * 3.0).sum()
    loss.register_hook(lambda g: g * 2.0)
    loss.backward()
    assert h.grad.tolist() == [60.0, 60.0]  # 1 * 2 * 3 * 10
    assert x.grad.tolist() == [121.0, 121.0]  # 60 * 2 + 1


def test_several_hooks_run_in_order_and_can_be_removed() -> None:
    x = Tensor(1.0, requires_grad=True)
    first = x.register_hook(lambda g: g + 1.0)
    x.register_hook(lambda g: g * 10.0)
    last = x.register_hook(lambda g: g - 0.5)
    (x * 3.0).backward()
    assert x.grad.item() == (3 + 1) * 10 - 0.5
    first.remove()
    last.remove()
    last.remove()  # twice is once
    x.zero_grad()
    (x * 3.0).backward()
    assert x.grad.item() == 30.0


def test_a_hook_may_remove_itself() -> None:
    x = Tensor(1.0, requires_grad=True)
    handle = x.register_hook(lambda g: handle.remove())
    other = x.register_hook(lambda g: g * 2.0)
    (x * 3.0).backward()
    (x * 3.0).backward()
    other.remove()
    assert x.grad.item() == 12.0


def test_grad_runs_the_hooks_on_its_way_only() -> None:
    seen: list[str] = []
    x, w = (Tensor(value, requires_grad=True) for value in (2.0, 3.0))
    h = x * w
    for name, tensor in (("x", x), ("w", w), ("h", h)):
        tensor.register_hook(lambda g, name=name: seen.append(name))
    h.register_hook(lambda g: g * 10.0)
    (found,) = tl.grad(h * h, h)
    assert (found.item(), seen) == (120.0, ["h"])  # as PyTorch: grad gives what hooks leave
    (found,) = tl.grad(h * h, x)
    assert (found.item(), seen) == (360.0, ["h", "h", "x"])
    assert x.grad is None


def test_each_backward_runs_it_again() -> None:
    seen: list[float] = []
    x = Tensor(1.0, requires_grad=True)
    x.register_hook(lambda g: seen.append(g.item()))
    y = x * x
    y.backward(retain_graph=True)
    y.backward(Tensor(2.0))
    assert seen == [2.0, 4.0]  # not what has accumulated in .grad
    assert x.grad.item() == 6.0


def test_it_runs_though_the_tensor_is_gone() -> None:
    seen: list[float] = []
    x = Tensor(2.0, requires_grad=True)
    h = x * 3.0
    h.register_hook(lambda g: seen.append(g.item()))
    y = h * h
    gone = weakref.ref(h)
    del h
    assert gone() is None
    y.backward()
    assert seen == [12.0]


def test_a_value_that_backward_does_not_reach_runs_none() -> None:
    seen: list[float] = []
    x, other = (Tensor(1.0, requires_grad=True) for _ in range(2))
    other.register_hook(lambda g: seen.append(g.item()))
    (x * 2.0).backward()
    assert seen == []


def test_under_create_graph_the_hook_is_differentiated_too() -> None:
    """y = x^3 with a hook g -> g^2: gradient 9 x^4, and its derivative 36 x^3."""
    x = Tensor(2.0, requires_grad=True)
    h = x * 1.0
    h.register_hook(lambda g: g * g)
    (first,) = tl.grad(h * h * h, x, create_graph=True)
    assert first.item() == 9 * 2**4
    # On the way back through the first derivative h is passed again, and its hook runs again.
    x.zero_grad()
    leaf = Tensor(2.0, requires_grad=True)
    leaf.register_hook(lambda g: g * g if g.requires_grad else None)
    (first,) = tl.grad(leaf * leaf * leaf, leaf, create_graph=True)
    (second,) = tl.grad(first, leaf)
    assert (first.item(), second.item()) == (9 * 2**4, 36 * 2**3)


def test_one_of_several_results() -> None:
    class Both(Function):
        def forward(self, x):
            return x * 1.0, x * 2.0

        def backward(self, g, y, x):
            return (g[0] + g[1] * 2.0,)

    x = Tensor(1.0, requires_grad=True)
    first, second = Both.apply(x)
    second.register_hook(lambda g: g * 100.0)
    (first + second).backward()
    assert x.grad.item() == 201.0


def test_a_value_that_is_overwritten_leaves_its_hook_behind() -> None:
    seen: list[float] = []
    x = Tensor(1.0, requires_grad=True)
    h = x * 2.0
    h.register_hook(lambda g: seen.append(g.item()))
    h += x * 3.0
    (h * 4.0).backward()
    assert seen == [4.0]  # the gradient of the old value, 2 x
    assert x.grad.item() == 20.0


def test_dtype_and_memory_are_the_engines() -> None:
    kept: list[Tensor] = []
    replacement = Tensor([5.0, 6.0], dtype=np.float64)
    x, y = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))

    def hook(g: Tensor) -> Tensor:
        kept.append(g)
        return replacement

    x.register_hook(hook)
    given = Tensor([3.0, 4.0])
    (x + y).backward(given)
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [5.0, 6.0]
    assert y.grad.tolist() == [3.0, 4.0]
    x.grad.data += 1.0
    y.grad.data += 1.0
    assert (kept[0].tolist(), replacement.tolist()) == ([3.0, 4.0], [5.0, 6.0])
    x.register_hook(lambda g: g)
    for create_graph in (False, True):
        x.zero_grad()
        (x * 1.0).backward(given, create_graph=create_graph)
        assert not np.shares_memory(x.grad.data, replacement.data)
        assert x.grad.data.flags.writeable


def test_writing_into_the_gradient_is_refused() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)

    def doubles(g: Tensor) -> None:
        g *= 2.0

    x.register_hook(doubles)
    for create_graph in (False, True):
        with pytest.raises(
            RuntimeError, match=r"^\*=: this tensor is an expanded or read-only view"
        ):
            (x * x).sum().backward(create_graph=create_graph)


@pytest.mark.parametrize(
    ("hook", "error", "line"),
    [
        (lambda g: 2.0, TypeError, "hook <lambda>: expected a Tensor or None; got float"),
        (
            lambda g: g.sum(),
            ValueError,
            "hook <lambda>: expected a gradient of shape (2,); got ()",
        ),
    ],
)
def test_what_a_wrong_hook_prints(hook, error, line) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(hook)
    with pytest.raises(error) as caught:
        (x * 2.0).sum().backward()
    assert str(caught.value) == line
    assert x.grad is None


def test_what_a_wrong_registration_prints() -> None:
    with pytest.raises(RuntimeError, match=r"^register_hook: this tensor does not require grad$"):
        Tensor(1.0).register_hook(print)
    with pytest.raises(TypeError, match=r"^register_hook: fn: expected a function; got 3$"):
        Tensor(1.0, requires_grad=True).register_hook(3)


def test_no_cycles_and_nothing_left_behind() -> None:
    gc.collect()
    gc.disable()
    try:
        x = Tensor(np.ones(4), requires_grad=True)
        h = x * 2.0
        handle = h.register_hook(lambda g: g * 2.0)
        h.sum().backward()
        array = weakref.ref(h.data)
        del h
        assert array() is None
        from tinygrad_lite.engine.hooks import living

        assert len(living) == 0  # so backward passes do not look for hooks any more
        handle.remove()
    finally:
        gc.enable()
