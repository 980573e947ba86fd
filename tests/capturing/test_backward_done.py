"""`backward_done` around a captured step: what observers leave in `.grad` is what the step uses."""

import warnings

import numpy as np
import pytest
from capturing.test_calls import batch, bits

import nn
from tinygrad_lite import Observer, Tensor, capture, grad, no_grad, recorded

CALLS = 9


class Ends(Observer):
    """Notes the gradients at each call, and changes those at the end of a pass."""

    def __init__(self, leaves, change=None):
        self.leaves, self.change, self.seen = leaves, change, []

    def note(self, what):
        self.seen.append((what, [bits(leaf.grad) for leaf in self.leaves]))

    def backward_done(self):
        self.note("done")
        for leaf in self.leaves if self.change is not None else ():
            if leaf.grad is not None:
                self.change(leaf)
        super().backward_done()


class LeavesAndEnds(Ends):
    """The same, and notes each leaf."""

    def leaf_done(self, node):
        self.note([one is node.holder() for one in self.leaves].index(True))
        super().leaf_done(node)


class Sends(Ends):
    """Keeps the array of each gradient that is final; at the end each gets the sum of two."""

    sent = ()

    def leaf_done(self, node):
        leaf = node.holder()
        self.sent = [*self.sent, (leaf, leaf.grad.data, leaf.grad.data.copy())]
        super().leaf_done(node)

    def backward_done(self):
        self.note("done")
        for leaf, array, copy in self.sent:
            assert leaf.grad.data is array
            np.testing.assert_array_equal(array, copy)  # nothing has used its memory
            array += copy * np.float32(0.5)
        self.sent = []
        super().backward_done()


def scaled(leaf):
    leaf.grad.data[...] *= 0.5


def replaced(leaf):
    leaf.grad = leaf.grad * 0.5


def rebound(leaf):
    leaf.grad.data = leaf.grad.data * np.float32(0.5)


def in_another_order(leaf):
    leaf.grad = Tensor.from_array(np.asfortranarray(leaf.grad.data * np.float32(0.5)))


def taken(leaf):
    if leaf.ndim == 1:
        leaf.grad = None


class Trained:
    """A model, an optimiser, a step and an observer, to be run eagerly or captured.

    zero    when gradients are set to None: "first", "last", or "third": in every third call
    passes  how many backward passes a step has: the second reaches only the first layer
    """

    def __init__(self, make, kind="sgd", zero="first", passes=1):
        Tensor.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.parameters = list(self.model.parameters())
        self.zero, self.passes = zero, passes
        if kind == "sgd":
            self.optimizer = nn.optim.SGD(self.parameters, lr=0.1, momentum=0.9)
        else:
            self.optimizer = nn.optim.Adam(self.parameters, lr=0.05)
        self.observer = make(self.parameters)
        self.outer = LeavesAndEnds(self.parameters)

    def step(self, x, y, clears=True):
        if self.zero != "last" and clears:
            self.optimizer.zero_grad()
        loss = self.model(x).sparse_categorical_crossentropy(y)
        loss.backward()
        if self.passes == 2:
            self.model[0](x).square().mean().backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, 0.1)
        self.optimizer.step()
        if self.zero == "last":
            self.optimizer.zero_grad()
        return loss, norm

    def state(self):
        arrays = [*nn.state.get_state_dict(self.optimizer).values()]
        return bits([[p, p.grad] for p in self.parameters]), bits(arrays)


def same_as_eager(eager, twin, plans=1, nested=False):
    step = capture(twin.step, strict=True)
    for seed in range(CALLS):
        clears = (seed % 3 == 0,) if eager.zero == "third" else ()
        found = []
        for one, run in ((eager, eager.step), (twin, step)):
            if nested:
                with one.outer, one.observer:
                    found.append(bits(run(*batch(seed), *clears)))
            else:
                with one.observer:
                    found.append(bits(run(*batch(seed), *clears)))
        assert found[0] == found[1], seed
        assert twin.state() == eager.state(), seed
        assert twin.observer.seen == eager.observer.seen, seed
        assert twin.outer.seen == eager.outer.seen, seed
    assert len(eager.observer.seen) >= CALLS * eager.passes
    assert len(step.plans) == plans
    assert sum(plan.used for plan in step.plans) >= CALLS - 1 - plans - plans
    return step


CHANGES = [None, scaled, replaced, rebound, in_another_order, taken]


@pytest.mark.filterwarnings("ignore:step. the gradients still hold:tinygrad_lite.TrainingWarning")
@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("observer", [Ends, LeavesAndEnds])
def test_what_the_end_of_a_pass_leaves_is_what_the_step_uses(observer, change, kind):
    make = lambda leaves: observer(leaves, change)  # noqa: E731
    same_as_eager(*(Trained(make, kind) for _ in range(2)), nested=observer is Ends)


@pytest.mark.filterwarnings("ignore:step. the gradients still hold:tinygrad_lite.TrainingWarning")
@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("zero", ["first", "last", "third"])
@pytest.mark.parametrize("passes", [1, 2])
def test_what_a_leaf_sends_can_be_written_at_the_end(passes, zero, kind):
    each = [Trained(Sends, kind, zero, passes) for _ in range(2)]
    same_as_eager(*each, plans=2 if zero == "third" else 1, nested=passes == 2)


@pytest.mark.filterwarnings("ignore:step. the gradients still hold:tinygrad_lite.TrainingWarning")
@pytest.mark.parametrize("zero", ["last", "third"])
@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("change", [scaled, replaced, taken])
@pytest.mark.parametrize("observer", [Ends, LeavesAndEnds])
def test_several_passes_and_gradients_that_are_added_over_calls(observer, change, passes, zero):
    make = lambda leaves: observer(leaves, change)  # noqa: E731
    each = [Trained(make, "sgd", zero, passes) for _ in range(2)]
    same_as_eager(*each, plans=2 if zero == "third" else 1)


class EveryThird(Observer):
    """Takes the gradients away, but for every third call: then it leaves the sum, and updates.

    As an optimiser of this library may do: what it looks at is required of each replay.
    """

    __module__ = "nn.optim.test"

    def __init__(self, optimizer, how):
        self.optimizer, self.param_groups, self.state = optimizer, optimizer.param_groups, {}
        self.how, self.number, self.last, self.sums = how, 0, False, {}

    def named_state(self):
        return self.optimizer.named_state()

    def begin(self, number):
        """As a loader that serves a part of a batch."""
        self.number, self.last = number, number % 3 == 2

    def is_last(self):
        return self.number % 3 == 2

    def decided(self):
        """Whether this is the last part, for observers and steps alike."""
        if self.how == "required":
            return recorded.required(self.is_last)
        recording = recorded.recorder.get()
        if recording is not None:
            recording.numbers.same.append((vars(self), "last", self.last))
        return self.last

    def leaf_done(self, node):
        leaf = node.holder()
        self.sums[leaf] = self.sums.get(leaf, 0.0) + leaf.grad.data
        super().leaf_done(node)

    def backward_done(self):
        last = self.decided()
        for leaf, total in list(self.sums.items()):
            leaf.grad = Tensor(total) if last else None
        if last:
            self.sums.clear()
        super().backward_done()

    def step(self):
        if self.decided():
            nn.utils.clip_grad_norm_(self.optimizer.params, 0.1)
            self.optimizer.step()

    step.__module__ = __module__


class InParts:
    """A step with an optimiser of that kind."""

    def __init__(self, how, kind):
        Tensor.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        make = nn.optim.SGD if kind == "sgd" else nn.optim.Adam
        options = {"momentum": 0.9} if kind == "sgd" else {}
        self.optimizer = EveryThird(make(self.model.parameters(), lr=0.1, **options), how)

    def step(self, x, y):
        for parameter in self.model.parameters():
            parameter.zero_grad()
        loss = self.model(x).sparse_categorical_crossentropy(y)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self):
        return bits([[p, p.grad] for p in self.model.parameters()])


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("how", ["required", "same"])
def test_gradients_that_are_there_in_some_calls_only(how, kind):
    """There is a recording for each value of the condition, and no more."""
    eager, twin = (InParts(how, kind) for _ in range(2))
    step = capture(twin.step, strict=True)
    before, updates = bits([p.data for p in twin.model.parameters()]), 0
    for number in range(12):
        found = []
        for one, run in ((eager, eager.step), (twin, step)):
            one.optimizer.begin(number)
            with one.optimizer:
                found.append(bits(run(*batch(number))))
        assert found[0] == found[1]
        assert twin.state() == eager.state(), number
        has = [p.grad is not None for p in twin.model.parameters()]
        assert has == [number % 3 == 2] * 4
        now = bits([p.data for p in twin.model.parameters()])
        updates, before = updates + (now != before), now
        assert len(step.plans) == min(number, 3)  # the first part drops the gradients of the last
    assert updates == 4
    assert sum(plan.used for plan in step.plans) == 8


def test_a_gradient_that_is_missing_in_a_replay_is_an_error():
    """Unless that was required: the rest of the step is recorded for a gradient."""
    trained = Trained(lambda leaves: Ends(leaves, lambda leaf: found.append(0) or late(leaf)))

    def late(leaf):
        if len(found) > 3 * 4:
            leaf.grad = None

    found, step = [], capture(trained.step, strict=True)
    with trained.observer:
        for seed in range(3):
            step(*batch(seed))
        with pytest.raises(RuntimeError, match=r"backward_done left a gradient of another form"):
            step(*batch(3))


def test_required_outside_of_a_captured_step_is_the_call_alone():
    assert recorded.required(max, 2, 3) == 3


@pytest.mark.parametrize("zero", ["first", "last"])
@pytest.mark.parametrize("observer", [Sends, Ends])
def test_large_gradients_whose_memory_a_replay_could_use_again(observer, zero):
    """The observer keeps some of them, and their values stay."""

    class Keeps(observer):
        kept = ()

        def backward_done(self):
            super().backward_done()
            now = [Tensor.from_array(one.grad.data) for one in self.leaves]
            self.kept = [*self.kept[-8:], *((one, bits(one)) for one in now)]

    outcomes = []
    for wrap in (lambda fn: fn, lambda fn: capture(fn, strict=True)):
        Tensor.manual_seed(0)
        model = nn.Sequential(nn.Linear(150, 150), nn.Tanh(), nn.Linear(150, 150))
        leaves = list(model.parameters())
        optimizer = nn.optim.SGD(leaves, lr=0.1, momentum=0.9)

        def step(x, model=model, optimizer=optimizer):
            if zero == "first":
                optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            if zero == "last":
                optimizer.zero_grad()
            return loss

        step, found, seen = wrap(step), [], Keeps(leaves)
        for seed in range(7):
            with seen:
                x = np.random.default_rng(seed).normal(size=(4, 150)).astype(np.float32)
                found.append(bits(step(Tensor(x)).detach()))
            found.append(bits([[p, p.grad] for p in leaves]))
            assert all(bits(one) == before for one, before in seen.kept)
        outcomes.append((found, seen.seen))
    assert outcomes[0] == outcomes[1]


def test_gradients_from_before_that_the_step_does_not_reach():
    """The observer changes them too, in place, and in some calls gives one where none was."""

    class Changes(Observer):
        gives = False

        def backward_done(self):
            for leaf in (used, idle):
                if leaf.grad is not None:
                    leaf.grad.data *= np.float32(0.5)
                elif recorded.required(lambda: self.gives):
                    leaf.grad = Tensor([8.0, 8.0])

    outcomes = []
    for wrap in (lambda fn: fn, lambda fn: capture(fn, strict=True)):
        used, idle = (Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))

        def fn(x, used=used, idle=idle):
            (x * used).sum().backward()
            total = used.grad + (0.0 if idle.grad is None else idle.grad)
            idle.data -= 0.1 * total.data
            return total

        step, found, changes = wrap(fn), [], Changes()
        for seed in range(12):
            if seed % 6 == 0:
                idle.grad = Tensor([64.0, 64.0])
                held = idle.grad
            if seed % 6 == 3:
                idle.grad = None
            changes.gives = seed % 6 == 4
            with changes:
                found.append(bits(step(Tensor([1.0, seed]))))
            found.append(bits([used, used.grad, idle, idle.grad]))
            assert seed % 6 > 2 or idle.grad is held
        outcomes.append(found)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("calls", [0, 1, 2, 5])
@pytest.mark.parametrize("observer", [LeavesAndEnds, Ends])
def test_an_end_that_raises_leaves_what_eager_leaves(observer, calls):
    def fails(leaf):
        if raising:
            raise ConnectionError("lost")

    eager, twin = (Trained(lambda leaves: observer(leaves, fails)) for _ in range(2))
    step = capture(twin.step)
    for seed in range(7):
        raising = seed == calls
        for one, run in ((eager, eager.step), (twin, step)):
            with one.observer:
                if raising:
                    with pytest.raises(ConnectionError, match="lost"):
                        run(*batch(seed))
                else:
                    run(*batch(seed))
        assert twin.state() == eager.state(), seed
        assert twin.observer.seen == eager.observer.seen
    assert step.eager is None


@pytest.mark.parametrize("observer", [LeavesAndEnds, Ends])
def test_gradients_with_a_graph_are_eager(observer):
    """A penalty on the gradient, which the observer doubles: one warning, and the right numbers."""

    def doubled(leaf):
        leaf.grad = leaf.grad * 2.0

    outcomes = []
    for wrap in (lambda fn: fn, capture):
        w = Tensor([1.0, 2.0], requires_grad=True)

        def fn(x, w=w):
            w.grad = None
            (x * w * w).sum().backward(create_graph=True)
            penalty = w.grad.square().sum()
            (slope,) = grad(penalty, w)
            w.data -= 0.01 * slope.data
            w.grad = None
            return penalty

        step, found, watch = wrap(fn), [], observer([w], doubled)
        with watch, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for seed in range(5):
                found.append(bits(step(Tensor([1.0, 1.0 + seed])).data))
                found.append(bits(w.data))
        outcomes.append((found, watch.seen))
        assert len(told) == (wrap is capture)
        assert all("sees a gradient that has a graph" in str(one.message) for one in told)
    assert outcomes[0] == outcomes[1]


def test_with_an_observer_that_is_eager_too():
    """Who overrides another method as well makes the step eager, silently."""

    class Counts(Ends):
        ops = 0

        def forward(self, op, arrays):
            self.ops += 1
            return super().forward(op, arrays)

    eager, twin = (Trained(lambda leaves: Counts(leaves, scaled)) for _ in range(2))
    step = capture(twin.step, strict=True)
    for seed in range(4):
        for one, run in ((eager, eager.step), (twin, step)):
            with one.observer:
                run(*batch(seed))
        assert twin.state() == eager.state()
    assert twin.observer.ops == eager.observer.ops > 0
    assert step.plans == []


def test_a_tensor_that_is_new_in_each_call_is_eager():
    w = Tensor([1.0, 2.0], requires_grad=True)

    def fn(x):
        w.grad = None
        (x * w).sum().backward()
        return x.grad

    step = capture(fn)
    with Ends([w]), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(4):
            assert step(Tensor([1.0, 1.0], requires_grad=True)).tolist() == [1.0, 2.0]
    assert "backward_done sees the gradient of a tensor that is new" in str(told[0].message)
    assert len(told) == 1
    assert step.eager is not None


def halves(*gradients):
    """What stands in a program for observers that halve each gradient."""
    return tuple([gradient * np.float32(0.5) for gradient in gradients])


@pytest.mark.parametrize(("change", "stands_for"), [(None, None), (replaced, halves)])
@pytest.mark.parametrize("observer", [LeavesAndEnds, Ends])
def test_the_program_calls_a_function_in_place_of_the_observers(observer, change, stands_for):
    """It returns what it gets; another may take its place."""
    eager, twin = (Trained(lambda leaves: observer(leaves, change)) for _ in range(2))
    step = capture(twin.step, strict=True)
    for seed in range(3):
        for one, run in ((eager, eager.step), (twin, step)):
            with one.observer:
                run(*batch(seed))
    program = step.source()
    names = {name: value.copy() for name, value in program.arrays.items()}
    exec(program.head, names)
    if stands_for is not None:
        names["backward_done"] = stands_for
    for seed in range(3, 6):
        with eager.observer:
            loss, norm = eager.step(*batch(seed))
        names.update(zip(program.inputs, [one.data for one in batch(seed)], strict=True))
        exec(program.body, names)
        assert [names[one].tobytes() for one in program.returns] == [
            one.data.tobytes() for one in (loss, norm)
        ]
        for one, leaf in zip(twin.parameters, eager.parameters, strict=True):
            (name,) = [name for name, array in program.arrays.items() if array is one.data]
            assert names[name].tobytes() == leaf.data.tobytes()
            (name,) = [name for name, tensor in program.grads.items() if tensor is one]
            assert names[name].tobytes() == leaf.grad.data.tobytes()
    comments = [line.comment for line in program.lines if "_done(" in line.code]
    assert comments[-1] == "backward_done of the observers"
    assert len(comments) == (5 if observer is LeavesAndEnds else 1)
    assert not any("_done" in line.comment for line in program.lines if "_done(" not in line.code)
    assert "run_observers" not in program


def test_a_gradient_that_the_observers_take_away_is_left_out_of_the_program():
    twin = Trained(lambda leaves: Ends(leaves, taken))
    step = capture(twin.step, strict=True)
    with twin.observer:
        for seed in range(3):
            step(*batch(seed))
    program = step.source()
    names = {name: value.copy() for name, value in program.arrays.items()}
    exec(program.head, names)
    with twin.observer:
        step(*batch(3))
    names.update(zip(program.inputs, [one.data for one in batch(3)], strict=True))
    exec(program.body, names)
    for name, value in program.arrays.items():
        assert names[name].tobytes() == value.tobytes(), name
    assert len(program.grads) == 2


def updated(leaf):
    leaf.data -= 0.05 * leaf.grad.data
    leaf.grad = None


@pytest.mark.parametrize("observer", [LeavesAndEnds, Ends])
def test_an_update_at_the_end_of_a_pass(observer):
    """The observer is the optimiser: the step has none."""

    class Updated(Trained):
        def step(self, x, y):
            loss = self.model(x).sparse_categorical_crossentropy(y)
            loss.backward()
            return loss, self.model[0].weight * 2.0

    make = lambda leaves: observer(leaves, updated)  # noqa: E731
    same_as_eager(*(Updated(make) for _ in range(2)))


@pytest.mark.parametrize("observer", [LeavesAndEnds, Ends])
def test_hooks_run_before_the_end_of_a_pass(observer):
    make = lambda leaves: observer(leaves, replaced)  # noqa: E731
    pair = [Trained(make, "adam") for _ in range(2)]
    for one in pair:
        one.parameters[0].register_hook(lambda g: g * 0.25)
        one.parameters[3].register_hook(
            lambda g, one=one: one.observer.seen.append(("hook", bits(g)))
        )
    same_as_eager(*pair)
    assert any(what == "hook" for what, _ in pair[0].observer.seen)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimiser_that_looks_for_the_cause_of_inf_and_nan(kind):
    pair = [Trained(lambda leaves: LeavesAndEnds(leaves, scaled), kind) for _ in range(2)]
    for one in pair:
        one.optimizer.check_finite = True
    same_as_eager(*pair)


def test_an_observer_may_print_and_change_itself(capsys):
    def told(leaf):
        print(leaf.shape)
        counts[leaf.shape] = counts.get(leaf.shape, 0) + 1

    counts = {}
    twin = Trained(lambda leaves: Ends(leaves, told))
    step = capture(twin.step, strict=True)
    with twin.observer:
        for seed in range(5):
            step(*batch(seed))
    assert capsys.readouterr().out.count("(4, 3)") == 5
    assert counts[4, 3] == 5
    assert step.plans[0].used == 3


def test_two_networks_that_play_against_each_other():
    """Each has its own pass and its own optimiser, and gradients of the other in it."""

    class Pair:
        def __init__(self):
            Tensor.manual_seed(0)
            self.generator = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
            self.judge = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
            self.both = [*self.generator.parameters(), *self.judge.parameters()]
            self.makes = nn.optim.Adam(self.generator.parameters(), lr=0.05)
            self.judges = nn.optim.SGD(self.judge.parameters(), lr=0.1, momentum=0.9)
            self.observer = Sends(self.both)

        def step(self, real, noise):
            made = self.generator(noise)
            self.judges.zero_grad()
            loss = (self.judge(real) - 1.0).square().mean()
            (loss + self.judge(made.detach()).square().mean()).backward()
            nn.utils.clip_grad_norm_(self.judge.parameters(), 0.2)
            self.judges.step()
            self.makes.zero_grad()
            fooled = (self.judge(made) - 1.0).square().mean()
            fooled.backward()
            self.makes.step()
            return loss, fooled

    outcomes = []
    for wrap in (lambda fn: fn, lambda fn: capture(fn, strict=True)):
        pair = Pair()
        step, found = wrap(pair.step), []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            given = [Tensor(rng.normal(size=(5, n)).astype(np.float32)) for n in (3, 2)]
            with pair.observer:
                found.append(bits([one.detach() for one in step(*given)]))
            found.append(bits([[p, p.grad] for p in pair.both]))
        outcomes.append((found, pair.observer.seen))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0][1]) == 24  # two notes at the end of each pass


@pytest.mark.parametrize("how", ["rebound", "in place", "assigned", "dropped"])
@pytest.mark.parametrize("observer", [LeavesAndEnds, Ends])
def test_what_the_step_does_to_gradients_between_two_passes(observer, how):
    """The second pass does not reach them, and the observer finds what the step made of them."""

    class Between(Trained):
        def step(self, x, y):
            self.optimizer.zero_grad()
            loss = self.model(x).sparse_categorical_crossentropy(y)
            loss.backward()
            last = self.model[2].weight
            if how == "rebound":
                last.grad.data = last.grad.data * np.float32(3.0)
            elif how == "in place":
                last.grad.data *= np.float32(3.0)
            elif how == "assigned":
                last.grad = last.grad * 3.0
            else:
                last.grad = None
            self.model[0](x).square().mean().backward()
            self.optimizer.step()
            return loss, self.model[0].bias * 1.0

    make = lambda leaves: observer(leaves, scaled)  # noqa: E731
    same_as_eager(*(Between(make) for _ in range(2)))


def test_only_what_an_observer_overrides_is_in_the_plan():
    """Without leaf_done the leaves are not handed over, and so not copied, one by one."""
    lengths = {}
    for observer in (Observer, Ends, LeavesAndEnds):
        twin = Trained(lambda leaves, kind=observer: kind() if kind is Observer else kind(leaves))
        step = capture(twin.step, strict=True)
        with twin.observer:
            for seed in range(3):
                step(*batch(seed))
        lengths[observer] = len(step.plans[0].plan.entries)
    assert lengths[Ends] == lengths[Observer] + 1
    assert lengths[LeavesAndEnds] >= lengths[Ends] + 4


@pytest.mark.parametrize("observer", [LeavesAndEnds, Ends])
def test_buffers_that_the_observer_reads_and_writes(observer):
    """Running statistics, as the forward pass has left them."""

    class Averages(observer):
        def __init__(self, leaves, norm):
            super().__init__(leaves, scaled)
            self.norm = norm

        def backward_done(self):
            self.seen.append(bits([self.norm.running_mean, self.norm.running_var]))
            with no_grad():
                self.norm.running_mean *= 0.5
                self.norm.running_var.data[...] += 0.25
            super().backward_done()

    class Normalised(Trained):
        def __init__(self):
            super().__init__(observer)
            norm = nn.BatchNorm1d(4)
            self.model = nn.Sequential(self.model[0], norm, self.model[2])
            self.parameters = list(self.model.parameters())
            self.optimizer = nn.optim.Adam(self.parameters, lr=0.05)
            self.observer, self.outer = Averages(self.parameters, norm), Ends(self.parameters)

        def state(self):
            norm = self.model[1]
            return *super().state(), bits([norm.running_mean, norm.running_var])

    pair = Normalised(), Normalised()
    same_as_eager(*pair)
    means = [one[1][0] for one in pair[0].observer.seen if one[0] == "list"]
    assert len(means) == CALLS
    assert len({repr(one) for one in means}) == CALLS
