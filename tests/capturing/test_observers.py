"""Observers around a captured step: `leaf_done` is called in replays, with what eager shows it."""

import warnings

import numpy as np
import pytest
from capturing.test_calls import Twin, batch, bits

from tinygrad_lite import Observer, Tensor, capture


class Watch(Observer):
    """Notes each leaf that is done, with its gradient and the other leaves' at that moment."""

    def __init__(self, names=None, change=None):
        self.names, self.change, self.seen = names, change, []

    def leaf_done(self, node):
        leaf = node.holder()
        others = [bits(one.grad) for one, _ in (self.names or {}).values()]
        self.seen.append((self.name(leaf), bits(leaf.grad), others))
        if self.change is not None:
            self.change(leaf)
        super().leaf_done(node)

    def name(self, leaf):
        return next((name for one, name in (self.names or {}).values() if one is leaf), None)


def scaled(leaf):
    leaf.grad.data[...] *= 0.5


def replaced(leaf):
    leaf.grad = leaf.grad * 0.5


def rebound(leaf):
    leaf.grad.data = leaf.grad.data * 0.5


def updated(leaf):
    leaf.data -= 0.01 * leaf.grad.data
    leaf.grad = None


class Watched(Twin):
    """A step in which the weight of the first layer is used twice."""

    def __init__(self, change=None, hooks=False, passes=1, zero="first"):
        super().__init__()
        self.first, self.passes, self.zero = self.model[0], passes, zero
        names = {id(p): (p, name) for name, p in self.model.named_parameters()}
        self.outer, self.inner = Watch(names), Watch(names, change)
        if hooks:
            self.first.weight.register_hook(lambda g: g * 0.25)
            self.first.bias.register_hook(lambda g: self.outer.seen.append(bits(g)))

    def step(self, x, y):
        if self.zero == "first":
            self.optimizer.zero_grad()
        for number in range(self.passes):
            hidden = self.first(x) * (number + 1)
            again = (self.first.weight * 0.1).sum()
            loss = self.model(x).sparse_categorical_crossentropy(y) + again + hidden.mean()
            loss.backward()
        if self.inner.change is not updated:
            self.optimizer.step()
        grad = self.first.weight.grad
        if self.zero == "last":
            self.optimizer.zero_grad()
        return loss, grad


@pytest.mark.parametrize("hooks", [False, True])
@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.filterwarnings("ignore:step. the gradients still hold:tinygrad_lite.TrainingWarning")
@pytest.mark.parametrize("zero", ["first", "last", "never"])
@pytest.mark.parametrize("change", [None, scaled, replaced, rebound, updated])
def test_the_calls_and_the_gradients_are_those_of_eager(change, zero, passes, hooks):
    eager, twin = (Watched(change, hooks, passes, zero) for _ in range(2))
    step = capture(twin.step, strict=True)
    for seed in range(5):
        with eager.outer, eager.inner:
            expected = bits(eager.step(*batch(seed)))
        with twin.outer, twin.inner:
            assert bits(step(*batch(seed))) == expected, seed
        assert twin.state() == eager.state(), seed
        assert twin.outer.seen == eager.outer.seen
        assert twin.inner.seen == eager.inner.seen
    assert len(step.plans) <= 2
    assert step.plans[0].used >= 2


class Keep(Observer):
    """Keeps the gradients of all leaves; raises at the third if it shall."""

    def __init__(self):
        self.kept, self.left = [], 0

    def leaf_done(self, node):
        self.kept.append(node.holder().grad)
        self.left -= 1
        if not self.left:
            raise ConnectionError("lost")


def test_the_gradient_that_an_observer_keeps_is_that_of_the_step():
    twin, keep = Twin(), Keep()
    step = capture(twin.step, strict=True)
    for seed in range(5):
        before = [bits(one) for one in keep.kept]
        with keep:
            step(*batch(seed))
        assert [bits(one) for one in keep.kept[: len(before)]] == before
        for parameter in twin.model.parameters():
            assert any(parameter.grad is one for one in keep.kept[len(before) :])


def test_plans_belong_to_their_observers():
    eager, twin = Twin(), Twin()
    step = capture(twin.step, strict=True)
    watches = Keep(), Keep()
    for seed in range(12):
        expected = bits(eager.step(*batch(seed)).detach())
        before = [len(one.kept) for one in watches]
        if seed % 3:
            with watches[seed % 2]:
                assert bits(step(*batch(seed))) == expected
            before[seed % 2] += 4
        else:
            assert bits(step(*batch(seed))) == expected
        assert [len(one.kept) for one in watches] == before
        assert twin.state() == eager.state()
    assert len(step.plans) == 3


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_an_observer_that_raises_leaves_what_eager_leaves(calls):
    eager, twin = Twin(), Twin()
    step = capture(twin.step)
    first, second = Keep(), Keep()
    for seed in range(6):
        for run, watch in ((eager.step, first), (step, second)):
            watch.left = 3 if seed == calls else 0
            with watch:
                if seed == calls:
                    with pytest.raises(ConnectionError, match="lost"):
                        run(*batch(seed))
                else:
                    run(*batch(seed))
        assert twin.state() == eager.state(), seed
        assert bits(second.kept) == bits(first.kept)
    assert step.eager is None


def reason(fn, arguments):
    """Why a step is not captured, which does what eager does."""
    step = capture(fn)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "capture: not captured")
        for given in arguments:
            expected = bits(fn(*given()).detach())
            assert bits(step(*given())) == expected
    return step.eager


def test_what_only_eager_can_do():
    w = Tensor([1.0, 2.0], requires_grad=True)

    def inside(x):
        with Keep() as keep:
            (x * w).sum().backward()
        return x * len(keep.kept)

    def new(x):
        leaf = Tensor([3.0, 4.0], requires_grad=True)
        (leaf * w).sum().backward()
        return x * leaf.grad

    def with_hook(x):
        (x * w).sum().backward()
        return x.grad

    def plain():
        return (Tensor([1.0, 1.0]),)

    def hooked():
        x = Tensor([1.0, 1.0], requires_grad=True)
        x.register_hook(lambda g: g * 3)
        return (x,)

    def leaf():
        return (Tensor([1.0, 1.0], requires_grad=True),)

    assert "enters an observer" in reason(inside, [plain] * 4)
    assert "another one in each call has a hook" in reason(with_hook, [leaf] * 3 + [hooked] * 2)
    with Keep():
        assert "leaf_done" in reason(new, [plain] * 4)
        assert "leaf_done" in reason(with_hook, [leaf] * 4)


def test_a_hook_reads_and_writes_what_the_step_reaches():
    """Weight decay, and a count in a buffer, by a hook."""
    outcomes = []
    for wrap in (lambda fn: fn, lambda fn: capture(fn, strict=True)):
        w = Tensor([1.0, -2.0], requires_grad=True)
        count = Tensor([0.0])

        def decay(gradient, w=w, count=count):
            count.data[...] += 1
            return gradient + 0.1 * w.detach() * count

        w.register_hook(decay)

        def step(x, w=w, count=count):
            w.grad = None
            (x * w).sum().backward()
            w.data -= 0.1 * w.grad.data
            return x * count

        step, found = wrap(step), []
        for seed in range(5):
            x = Tensor(np.random.default_rng(seed).normal(size=2))
            found.append(bits([step(x), w, w.grad, count]))
        outcomes.append(found)
    assert outcomes[0] == outcomes[1]
