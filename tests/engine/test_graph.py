"""The invariants of the graph: depth, memory, release, aliasing, no_grad."""

import copy
import gc
import os
import pickle
import platform
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Function, Tensor, no_grad


@pytest.fixture
def without_gc():
    """Reference counting alone must free everything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# 1. No recursion anywhere


def test_a_chain_of_200_000_operations(without_gc) -> None:
    """A recursion in C, too, would overflow 8 MB of stack, with 40 bytes for each of them."""
    x = Tensor(0.5, dtype=np.float64, requires_grad=True)
    y = x
    for step in range(100_000):
        y = y * 1.0 + 0.0
        if step == 25_000:  # drawing all of it would take longer than all the rest
            assert tl.draw(y).dot
    y.backward(retain_graph=True)
    assert x.grad.item() == 1.0
    assert copy.deepcopy(y).item() == 0.5
    assert pickle.loads(pickle.dumps(y)).item() == 0.5
    (again,) = tl.grad(y, x)
    assert again.item() == 1.0
    del y  # frees all the nodes, each held by the next only


def test_thirty_doublings_visit_each_node_once() -> None:
    """There are 2^30 paths; only a pass in topological order finishes."""
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(30):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**30


def test_a_shared_node_is_complete_before_it_is_passed_on() -> None:
    """b = a + a; c = b * b; d = c + b: without the order, c would pass on half of b's gradient."""
    a = Tensor(3.0, requires_grad=True)
    b = a + a
    d = b * b + b
    d.backward()
    assert a.grad.item() == 2 * (2 * 6 + 1)  # d = 4 a^2 + 2 a


# 2. and 3. What is kept, and for how long


def test_an_array_that_nobody_kept_is_gone_during_forward(without_gc) -> None:
    x = Tensor(np.ones(1000), requires_grad=True)
    total = x + 1.0
    gone = weakref.ref(total.data)
    result = total + 1.0  # Add keeps nothing
    del total
    assert gone() is None
    kept = result.exp()
    held = weakref.ref(kept.data)
    after = kept * 2.0
    del kept
    assert held() is not None  # Exp's backward needs its output
    del after, result
    assert held() is None


def test_a_dropped_graph_is_freed_by_reference_counting(without_gc) -> None:
    x = Tensor(np.ones((4, 4)), requires_grad=True)
    hidden = (x @ x).tanh()
    array, node = weakref.ref(hidden.data), hidden._node
    loss = (hidden.log_softmax(axis=1)[np.arange(4), [0, 1, 2, 3]] * hidden.max()).sum()
    tensor = weakref.ref(loss)
    del hidden, node, loss
    assert tensor() is None
    assert array() is None
    (first,) = tl.grad((x * x * x).sum(), x, create_graph=True)
    array = weakref.ref(first.data)
    del first
    assert array() is None


def test_a_tensor_can_be_dropped_while_its_graph_lives(without_gc) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    w = Tensor([3.0, 4.0], requires_grad=True)
    loss = (x * w).sum()
    del w
    loss.backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_saved_arrays_are_released_during_the_backward_pass() -> None:
    alive_during_backward: list[bool] = []

    class Probe(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, g, y, x):
            alive_during_backward.append(saved() is not None)
            return (g,)

    x = Tensor(np.ones(10), requires_grad=True)
    late = Probe.apply(x).exp()
    saved = weakref.ref(late.data)
    loss = late.sum()
    del late
    loss.backward()
    assert alive_during_backward == [False]


def test_a_second_backward_says_why_and_what_to_do() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(
        RuntimeError, match="released by an earlier backward, or by one that failed; c"
    ):
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_retain_graph_accumulates_in_leaves_only() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    inner = x * x
    y = inner.sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    assert inner.grad is None


def test_an_error_in_backward_leaves_no_gradient_behind() -> None:
    class Broken(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, g, y, x):
            raise ZeroDivisionError("broken on purpose")

    x = Tensor([1.0], requires_grad=True)
    w = Tensor([2.0], requires_grad=True)
    with pytest.raises(ZeroDivisionError):
        (Broken.apply(x) * w).sum().backward()
    assert x.grad is None
    assert w.grad is None


# 4. Gradients share no memory


def test_two_leaves_of_one_sum_get_gradients_of_their_own() -> None:
    x, y = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    given = np.array([1.0, 2.0, 3.0])
    (x + y).backward(given)
    assert x.grad.tolist() == y.grad.tolist() == [1.0, 2.0, 3.0]
    assert not np.shares_memory(x.grad.data, y.grad.data)
    for gradient in (x.grad.data, y.grad.data):
        assert not np.shares_memory(gradient, given)
        gradient += 1.0  # writable
    assert given.tolist() == [1.0, 2.0, 3.0]


def test_a_leaf_is_its_own_gradient_root() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    given = Tensor([3.0, 4.0])
    x.backward(given)
    assert x.grad.tolist() == [3.0, 4.0]
    assert not np.shares_memory(x.grad.data, given.data)


def test_a_gradient_held_by_the_user_is_not_changed_by_the_next_one() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * 2.0).sum().backward()
    held = x.grad
    (x * 3.0).sum().backward()
    assert held.tolist() == [2.0, 2.0]
    assert x.grad.tolist() == [5.0, 5.0]


def test_the_first_gradient_is_taken_over_not_copied() -> None:
    made: list[np.ndarray] = []

    class Marked(Function):
        fresh = True

        def forward(self, x):
            return x * 1.0

        def backward(self, g, y, x):
            made.append(g * 1.0)
            return (made[0],)

    x = Tensor([1.0, 2.0], requires_grad=True)
    Marked.apply(x).sum().backward()
    assert x.grad.data is made[0]


def test_a_users_rule_that_returns_what_it_saved_is_copied() -> None:
    class Half(Function):
        """y = x^2 / 2 summed."""

        saves = "inputs"

        def forward(self, x):
            return (x * x * 0.5).sum()

        def backward(self, g, y, x):
            return (x,)

    for create_graph in (False, True):
        x = Tensor([1.0, 2.0], requires_grad=True)
        Half.apply(x).backward(create_graph=create_graph)
        assert x.grad.tolist() == [1.0, 2.0]
        assert not np.shares_memory(x.grad.data, x.data)


def test_a_users_rule_that_returns_a_constant_of_its_own_is_copied() -> None:
    class Weighted(Function):
        weights = np.array([3.0, 4.0])

        def forward(self, x):
            return (x * self.weights).sum()

        def backward(self, g, y, x):
            return (self.weights,)

    x = Tensor([1.0, 2.0], dtype=np.float64, requires_grad=True)
    Weighted.apply(x).backward()
    x.grad.data += 1.0
    assert Weighted.weights.tolist() == [3.0, 4.0]


def test_returned_gradients_share_no_memory() -> None:
    x, y = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    for create_graph in (False, True):
        found = tl.grad(x + y, [x, y, x], np.ones(3), create_graph=create_graph)
        for position, gradient in enumerate(found):
            assert gradient.data.flags.writeable
            for other in found[:position]:
                assert not np.shares_memory(gradient.data, other.data)


@pytest.mark.parametrize("create_graph", [False, True])
def test_every_reuse_adds_up(create_graph: bool) -> None:
    """x used by fresh rules (mul, exp) and by passing ones (add), several times over."""
    x = Tensor([0.5, -0.3], dtype=np.float64, requires_grad=True)
    y = x + x * x + x.exp() * x - x + (x + x) * x.exp()
    y.sum().backward(create_graph=create_graph)
    v = x.data
    expected = 2 * v + np.exp(v) * (v + 1) + 2 * np.exp(v) * (1 + v)
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-14)


def test_the_gradient_of_a_broadcast_is_writable() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x.sum() * 2.0).backward()
    x.grad.data += 1.0
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_grad_that_does_not_fit_is_refused_before_any_is_changed() -> None:
    w, x = (Tensor([1.0, 2.0, 3.0], requires_grad=True) for _ in range(2))
    x.sum().backward()
    w.grad = Tensor([1.0, 1.0])
    with pytest.raises(
        ValueError, match=r"a tensor of shape \(3,\) has a .grad of shape \(2,\); se"
    ):
        (x.sum() * w.sum()).backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_a_gradient_of_another_dtype_is_cast() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = x * 2.0
    h.backward(Tensor(np.ones(2)))
    assert x.grad.dtype == np.float32
    (g,) = tl.grad(x * x, x, Tensor(np.ones(2)), create_graph=True)
    assert g.dtype == np.float32


def test_a_given_gradient_that_overflows_is_inf_whatever_numpy_warns_of() -> None:
    x = Tensor([1.0], requires_grad=True)
    with np.errstate(all="raise"):
        (x * 2.0).backward(np.array([1e300]))
        (x * 2.0).backward([-1e300])
        (found,) = tl.grad(x * 2.0, [x], [np.array([1e300])])
        _, product = tl.jvp(lambda x: x * 2.0, x, np.array([1e300]))
        _, (back,) = tl.vjp(lambda x: x * 2.0, [x], np.array([1e300]))
    assert np.isnan(x.grad.item())  # inf - inf
    assert [found.item(), product.item(), back.item()] == [np.inf] * 3


def test_an_unused_input_is_refused_before_the_graph_is_released() -> None:
    x, lone = Tensor(2.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    y = x * x
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        tl.grad(y, [x, lone])
    found = tl.grad(y, [x, lone], allow_unused=True)
    assert found[0].item() == 4.0
    assert found[1] is None


# 8. no_grad


def test_no_grad_nested_recursive_and_left_by_an_exception() -> None:
    x = Tensor(1.0, requires_grad=True)

    @no_grad()
    def countdown(n: int) -> Tensor:
        """Recursion through one decorated function."""
        assert not tl.is_grad_enabled()
        return x * 2.0 if n == 0 else countdown(n - 1)

    with no_grad():
        assert not (x * 2.0).requires_grad
        with no_grad():
            pass
        assert not (x * 2.0).requires_grad
    assert (x * 2.0).requires_grad
    assert not countdown(5).requires_grad
    assert tl.is_grad_enabled()
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert tl.is_grad_enabled()
    shared = no_grad()
    with shared, shared:
        pass
    assert tl.is_grad_enabled()


def test_no_grad_in_one_thread_leaves_the_others_alone() -> None:
    inside, leave = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with no_grad():
            inside.set()
            leave.wait(120)
            seen.append(tl.is_grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(120)
    assert tl.is_grad_enabled()
    leave.set()
    thread.join()
    assert seen == [False]


def test_a_leaf_made_inside_no_grad_still_requires_grad() -> None:
    with no_grad():
        x = Tensor(1.0, requires_grad=True)
    (x * 3.0).backward()
    assert x.grad.item() == 3.0


def test_backward_inside_no_grad_and_create_graph() -> None:
    x = Tensor(2.0, requires_grad=True)
    y = x * x * x
    with no_grad():
        (first,) = tl.grad(y, x, create_graph=True)
    assert first.requires_grad
    first.backward()
    assert x.grad.item() == 12.0


def test_create_graph_inside_no_grad_keeps_the_graph_of_every_gradient() -> None:
    """Two leaves of one sum: the second gradient is a copy, which must be recorded too."""
    a, b = (Tensor(2.0, requires_grad=True) for _ in range(2))
    y = (a + b) ** 3
    with no_grad():
        first, second = tl.grad(y, [a, b], create_graph=True)
    (first * first + second * second).backward()
    assert a.grad.item() == 2 * 4 * 9 * 4**3  # d/da of 2 (3 (a + b)^2)^2


def test_backward_returns_the_tensor() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    assert loss.backward(retain_graph=True) is loss
    assert loss.backward(create_graph=True).backward() is loss
    assert x.backward(Tensor([1.0, 1.0])) is x
    assert x.grad.tolist() == [7.0, 13.0]


def test_backward_in_several_threads_at_once() -> None:
    def work(results: list[float], start: float) -> None:
        x = Tensor(start, dtype=np.float64, requires_grad=True)
        y = x
        for _ in range(200):
            y = y * 1.01 + x
        y.backward()
        results.append((start, x.grad.item()))

    results: list[tuple[float, float]] = []
    threads = [threading.Thread(target=work, args=(results, float(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({gradient for _, gradient in results}) == 1
    assert len(results) == 8


# 9. The same program gives the same bits


def test_order_does_not_depend_on_hashes() -> None:
    def gradient() -> bytes:
        rng = np.random.default_rng(0)
        x = Tensor(rng.standard_normal((5, 5)).astype(np.float32), requires_grad=True)
        junk = [object() for _ in range(rng.integers(100))]
        parts = [(x * float(k)).tanh() for k in range(20)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        total.sum().backward()
        del junk
        return x.grad.data.tobytes()

    assert len({gradient() for _ in range(20)}) == 1


# grad()


def test_grad_of_an_inner_tensor_and_of_several_outputs() -> None:
    x = Tensor(2.0, requires_grad=True)
    h = x * x
    a, b = h * 3.0, h.exp()
    gh, gx = tl.grad([a, b], [h, x], [1.0, 0.5])
    assert gh.item() == pytest.approx(3 + 0.5 * np.exp(4.0), rel=1e-6)
    assert gx.item() == pytest.approx(4 * (3 + 0.5 * np.exp(4.0)), rel=1e-6)
    assert x.grad is None


def test_grad_errors() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    lone = Tensor(1.0, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"no output depends on input 1, of shape \(\)"):
        tl.grad(x.sum(), [x, lone])
    assert tl.grad(x.sum(), [x, lone], allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match=r"input 0, of shape .*, does not require grad"):
        tl.grad(x.sum(), Tensor(1.0))
    with pytest.raises(
        RuntimeError, match=r"shape \(2,\), and only one number has a default gradient"
    ):
        tl.grad(x * 2.0, x)
    with pytest.raises(TypeError, match="grad: expected Tensors as outputs and inputs; got ndarra"):
        tl.grad(x.sum(), x.data)
    with pytest.raises(ValueError, match="expected 1 grad_outputs, one per output; got 2"):
        tl.grad(x.sum(), x, [1.0, 2.0])


def test_third_derivative() -> None:
    x = Tensor(1.5, dtype=np.float64, requires_grad=True)
    y = x**5
    for expected in (5 * 1.5**4, 20 * 1.5**3, 60 * 1.5**2):
        (y,) = tl.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected, rel=1e-13)


def test_grad_with_create_graph_can_be_trained_through() -> None:
    """A gradient penalty: d/dw of (d/dx w x^2)^2 = d/dw (2 w x)^2 = 8 w x^2."""
    x, w = Tensor(3.0, requires_grad=True), Tensor(0.5, requires_grad=True)
    (gx,) = tl.grad(w * x * x, x, create_graph=True)
    (gx * gx).backward()
    assert w.grad.item() == pytest.approx(8 * 0.5 * 9)


FAULTS = """
import resource
import numpy as np
from tinygrad_lite import Tensor

x = Tensor(np.ones((1000, 1000), np.float32), requires_grad=True)

def step():
    x.grad = None
    y = x
    for _ in range(LAYERS):
        y = (y * 2.0).relu()
    y.sum().backward()

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back")
@pytest.mark.parametrize("layers", [1, 25])
def test_training_does_not_ask_the_system_for_the_same_memory_at_every_step(layers) -> None:
    """Else each of the two large arrays of a layer costs 977 page faults.

    A setting of malloc that is about something else, which is common in containers, stays.
    """
    program = FAULTS.replace("LAYERS", str(layers))
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 977
