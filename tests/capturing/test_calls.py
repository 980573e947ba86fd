"""Which plan fits a call of a captured step: each call gives what the eager function gives."""

import functools
import math
import warnings

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, capture, no_grad


def bits(value):
    """A result, gradient or parameter as something that `==` compares bit for bit."""
    if isinstance(value, Tensor):
        return type(value).__name__, value.is_leaf and value.requires_grad, bits(value.data)
    if isinstance(value, (np.ndarray, np.generic)):
        return type(value).__name__, value.shape, value.dtype, value.strides, value.tobytes()
    if isinstance(value, dict):
        return {key: bits(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [bits(one) for one in value]
    return type(value).__name__, repr(value)


class Twin:
    """A model, an optimiser and a step, to be run eagerly or captured."""

    def __init__(self, seed=0):
        Tensor.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.optimizer = nn.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)

    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.model(x).sparse_categorical_crossentropy(y)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self):
        parameters = self.model.parameters()
        return [bits([p, p.grad]) for p in parameters]


def batch(seed, n=5):
    rng = np.random.default_rng(seed)
    return Tensor(rng.normal(size=(n, 3)).astype(np.float32)), Tensor(rng.integers(0, 2, n))


def same_in_each_call(make, calls, plans=None):
    """`make()` gives a function and what else it changes; `calls` are functions of the function."""
    (eager, state), (fn, other) = make(), make()
    step = capture(fn)
    for number, call in enumerate(calls):
        Tensor.manual_seed(number)
        expected = bits(call(eager)), bits(state())
        Tensor.manual_seed(number)
        assert (bits(call(step)), bits(other())) == expected, number
    if plans is not None:
        assert len(step.plans) == plans
    return step


def of_two(fn):
    """For a function that changes nothing."""
    return lambda: (fn, list)


def test_a_smaller_last_batch_gets_a_second_plan():
    def make():
        twin = Twin()
        return twin.step, twin.state

    sizes = [5, 5, 5, 3, 5, 3, 3, 5]
    calls = [lambda f, i=i, n=n: f(*batch(i, n)).detach() for i, n in enumerate(sizes)]
    same_in_each_call(make, calls, plans=2)


def test_at_most_eight_plans_and_one_warning():
    step = capture(lambda x: x * 2.0 + 1.0)
    step(Tensor.ones(1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for n in [*range(1, 13), *range(12, 0, -1)]:
            x = Tensor.arange(n, dtype=np.float32)
            assert bits(step(x)) == bits(x * 2.0 + 1.0)
    assert len(step.plans) == 8
    assert len(seen) == 1
    assert "capture: <lambda> has had more than 8 kinds of calls" in str(seen[0].message)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1.0),
        (True, 1),
        (1, 2),
        (0.0, -0.0),
        ("a", "b"),
        (None, 0),
        (np.float32(1), np.float64(1)),
        ((1, 2), [1, 2]),
        ({"a": 1}, {"b": 1}),
        (np.dtype(np.float32), np.dtype(np.float64)),
        (slice(0, 2), slice(0, 3)),
    ],
)
def test_what_is_no_array_counts_by_value(first, second):
    def fn(x, value):
        return x * 1.0, (value, x + 1 if value == first and repr(value) == repr(first) else x)

    x = Tensor([1.0, 2.0])
    step = capture(fn)
    for value in (first, first, second, first, second, second):
        assert bits(step(x, value)) == bits(fn(x, value))
        assert bits(step(x, value=value)) == bits(fn(x, value))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.T.copy().T,
        lambda x: x[:1],
        lambda x: x[::-1],
        lambda x: Tensor(x),
        lambda x: Tensor(x, requires_grad=True),
        lambda x: x.tolist(),
    ],
)
def test_form_of_an_array(change):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)

    def fn(x):
        return Tensor(x).sum(0) if isinstance(x, list) else (x * 2).sum(0)

    calls = [x, x, change(x), x + 1, change(x + 1), change(x + 2)]
    same_in_each_call(of_two(fn), [lambda f, x=x: f(x) for x in calls])


def test_nested_arguments():
    def fn(batch, *, options):
        x, (y, extra) = batch["x"], batch["rest"]
        return {"z": x + y * options["scale"], "all": [extra, (x, None)], "n": 3}

    def call(seed):
        rng = np.random.default_rng(seed)
        x, y, z = (rng.normal(size=3).astype(np.float32) for _ in range(3))
        return lambda f: f({"x": Tensor(x), "rest": (y, Tensor(z))}, options={"scale": 2})

    same_in_each_call(of_two(fn), [call(seed) for seed in range(4)], plans=1)


def test_one_array_as_two_arguments():
    def fn(x, y):
        return x * 2 + y

    a, b = Tensor([1.0, 2.0]), Tensor([5.0, 7.0])
    pairs = [(a, a), (b, b), (a, b), (b, a), (a, a), (a, a.detach()), (a, b.detach())]
    same_in_each_call(of_two(fn), [lambda f, p=p: f(*p) for p in pairs])


def test_training_flag_frozen_layers_and_grad_mode():
    def make():
        twin = Twin()

        def step(x, y):
            loss = twin.model(x).sparse_categorical_crossentropy(y)
            if loss.requires_grad:
                loss.backward()
            return loss.detach(), twin

        return step, twin.state

    def change(what):
        def call(f):
            twin = f(*batch(1))[1]
            what(twin)
            return f(*batch(2))[0]

        return call

    def frozen(twin, flag):
        twin.model[0].weight.requires_grad = flag

    def calls(f):
        with no_grad():
            return f(*batch(3))[0]

    steps = [
        *[lambda f: f(*batch(3))[0]] * 3,
        change(lambda twin: twin.model.eval()),
        change(lambda twin: twin.model.train()),
        change(lambda twin: frozen(twin, False)),
        *[lambda f: f(*batch(3))[0]] * 2,
        change(lambda twin: frozen(twin, True)),
        *[calls] * 3,
        *[lambda f: f(*batch(3))[0]] * 2,
    ]
    same_in_each_call(make, steps)


def test_gradients_that_are_there_before_accumulate():
    def make():
        twin = Twin()

        def step(x, y):
            loss = twin.model(x).sparse_categorical_crossentropy(y)
            loss.backward()
            return loss.detach(), twin.model

        return step, twin.state

    def cleared(f, to_none):
        _, model = f(*batch(1))
        model.zero_grad(set_to_none=to_none)
        return f(*batch(2))[0]

    calls = [lambda f, i=i: f(*batch(i))[0] for i in range(4)]
    calls += [lambda f: cleared(f, True), lambda f: cleared(f, False), lambda f: cleared(f, True)]
    same_in_each_call(make, calls)


def test_gradients_of_arguments():
    def fn(x, y):
        (x * y).sum().backward()
        return x.grad, x

    def call(f, seed, kept=None):
        rng = np.random.default_rng(seed)
        x = Tensor(rng.normal(size=3).astype(np.float32), requires_grad=True)
        if kept:
            x.grad = Tensor(rng.normal(size=3).astype(np.float32))
        grad, given = f(x, Tensor(rng.normal(size=3).astype(np.float32)))
        assert given is x
        assert grad is x.grad
        return grad

    same_in_each_call(of_two(fn), [lambda f, i=i: call(f, i, i > 4) for i in range(8)], plans=2)


def test_a_replaced_layer_or_parameter_is_seen():
    def make():
        twin = Twin()

        def step(x, y):
            loss = twin.model(x).sparse_categorical_crossentropy(y)
            loss.backward()
            return loss.detach(), twin

        return step, twin.state

    def replaced(f, layer):
        _, twin = f(*batch(1))
        Tensor.manual_seed(9)
        if layer:
            twin.model[0] = nn.Linear(3, 4)
        else:
            twin.model[2].weight = nn.Parameter(Tensor.ones(2, 4))
        return f(*batch(2))[0]

    calls = [*[lambda f: f(*batch(2))[0]] * 3, lambda f: replaced(f, True)]
    calls += [lambda f: f(*batch(2))[0], lambda f: replaced(f, False), lambda f: f(*batch(4))[0]]
    same_in_each_call(make, calls)


def test_new_values_through_a_closure_a_global_an_attribute_and_a_list():
    class Holder:
        pass

    for where in ("cell", "array", "attribute", "list", "dict"):
        holder = Holder()
        holder.x, listed, named = None, [None], {"x": None}
        x = None

        def fn(y, where=where, holder=holder, listed=listed, named=named):
            found = x  # noqa: B023  # what it is now
            if where == "attribute":
                found = holder.x
            elif where == "list":
                found = listed[0]
            elif where == "dict":
                found = named["x"]
            return found * y

        step = capture(fn)
        for seed in range(5):
            array = np.random.default_rng(seed).normal(size=3).astype(np.float32)
            x = array if where == "array" else Tensor(array)
            holder.x = listed[0] = named["x"] = x
            y = Tensor([1.0, 2.0, float(seed)])
            assert bits(step(y)) == bits(fn(y)), (where, seed)


def test_functions_methods_partials_callables_and_modules():
    class Scale(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(np.ones(3, np.float32))

        def forward(self, x):
            return x * self.weight

        @capture
        def method(self, x):
            """The same."""
            return self.forward(x) * 2.0

    class Callable:
        def __call__(self, x):
            return x + 1

    layer, other = Scale(), Scale()
    other.weight.data *= 3
    x = Tensor([1.0, 2.0, 3.0])
    for fn in (layer, layer.forward, functools.partial(lambda a, x: a * x, 2), Callable()):
        step = capture(fn)
        for i in range(4):
            assert bits(step(x + i)) == bits(fn(x + i).detach())
    assert Scale.method.__name__ == "method"
    assert Scale.method.__doc__ == "The same."
    for i in range(4):
        for one in (layer, other):
            assert bits(one.method(x + i)) == bits((one(x + i) * 2.0).detach())
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_what_capture_takes():
    def fn():
        yield 1

    async def later():
        return 1

    @capture(strict=True)
    def named(x):
        """A step."""
        return x

    assert (named.__name__, named.__doc__, named.strict) == ("named", "A step.", True)
    assert named.__wrapped__(3) == 3
    with pytest.raises(TypeError, match="capture: fn: expected a function that returns its"):
        capture(fn)
    with pytest.raises(TypeError, match="got a coroutine"):
        capture(later)
    with pytest.raises(TypeError, match="capture: fn: expected a function; got 3"):
        capture(3)
    with pytest.raises(TypeError, match="capture: strict: expected True or False; got 1"):
        capture(fn, strict=1)
    with pytest.raises(ValueError, match="capture: check: expected an integer of 1 or more"):
        capture(fn, check=0)


def test_results_carry_no_graph():
    w = Tensor([2.0], requires_grad=True)
    step = capture(lambda x: w * x)
    for _ in range(4):
        y = step(Tensor([3.0]))
        assert not y.requires_grad
        with pytest.raises(RuntimeError, match="no gradient flows to this tensor"):
            y.backward()


def test_a_global_that_only_bears_the_name_of_a_method_is_not_looked_at():
    scope = {"optimizer": nn.optim.SGD([nn.Parameter(Tensor([1.0]))], lr=0.1)}
    scope |= {"Tensor": Tensor, "capture": capture}
    program = """
@capture
def train(x):
    optimizer.zero_grad()
    loss = (optimizer.param_groups[0]["params"][0] * x).sum()
    loss.backward()
    optimizer.step()
    return loss

for step in range(12):  # another number in each call
    train(Tensor([1.0, 2.0]))
"""
    exec(program, scope)
    assert len(scope["train"].plans) == 1


def rate(x, lr):
    return x * lr, lr * x, x**lr, x - lr / 2, lr, (lr * 2, -lr)


def branch(x, lr):
    return x * (lr if lr > 0.3 else 2 * lr)


def root(x, lr):
    return x * math.sqrt(lr), f"{lr:.3f}"


def as_exponent(x, lr):
    y = Tensor(x, requires_grad=True)
    (y.abs() ** lr + y.clip(-lr, lr)).sum().backward()
    return y.grad


def on_arrays(x, lr):
    return np.multiply(x.data, lr), x.data * lr + 1, np.float64(lr), x > lr


def nested(x, lr):
    return x * {"lr": [lr, (lr, 1)]}["lr"][1][0]


@pytest.mark.parametrize("fn", [rate, branch, root, as_exponent, on_arrays, nested])
def test_a_float_is_another_one_in_each_call(fn):
    x = Tensor([1.0, 2.0, 0.25])
    calls = [lambda f, i=i: f(x + i, 0.125 * (i + 1)) for i in range(7)]
    step = same_in_each_call(of_two(fn), calls)
    assert step.eager is None
    assert len(step.plans) == {branch: 6, root: 6, on_arrays: 6}.get(fn, 1)


def test_what_a_step_makes_of_its_arguments():
    def fn(x, y):
        x.requires_grad_()
        (x * x).sum().backward()
        y *= 2
        return x.grad, x, y.sum(), y.data, np.ones(2), Tensor.zeros(2)

    def call(f, seed):
        rng = np.random.default_rng(seed)
        x, y = (Tensor(rng.normal(size=3).astype(np.float32)) for _ in range(2))
        results = f(x, y)
        assert results[1] is x
        assert results[0] is x.grad
        found = bits([*results, x, y])
        for one in results[-2:]:
            one[...] = 7.0
        return found

    same_in_each_call(of_two(fn), [lambda f, i=i: call(f, i) for i in range(6)], plans=1)


def test_a_program_without_a_name_whose_globals_change():
    scope = {"np": np, "nn": nn}
    program = """
scale = 2.0
class Model(nn.Module):
    factor = 2.0
    def __init__(self):
        self.w = nn.Parameter(np.ones(3, np.float32))
    @staticmethod
    def act(x):
        return x * scale
    def forward(self, x):
        return self.act(x * self.w) * self.factor
model = Model()
def step(x):
    return model(x)
"""
    exec(program, scope)
    step, model = capture(scope["step"]), scope["model"]
    changes = {
        4: lambda: scope.update(scale=3.0),
        6: lambda: setattr(scope["Model"], "factor", 5.0),
        8: lambda: setattr(model, "forward", lambda x: x + model.w),
        10: lambda: setattr(scope["Model"], "act", staticmethod(lambda x: x)),
        12: lambda: delattr(model, "forward"),
    }
    for number in range(14):
        changes.get(number, list)()
        x = Tensor([1.0, 2.0, float(number)])
        assert bits(step(x)) == bits(scope["step"](x).detach()), number


def test_attributes_by_names_that_the_code_does_not_hold():
    class Values:
        def __init__(self):
            self.scale_a, self.scale_b = 2.0, 3.0
            self.x = Tensor([1.0, 2.0])

    values = Values()

    def fn(x, name):
        return x * getattr(values, "scale_" + name) + getattr(values, "xyz"[:1])

    step = capture(fn)
    for number in range(8):
        if number == 4:
            values.scale_a = 7.0
        if number == 6:
            values.x = Tensor([3.0, 5.0])
        x = Tensor([1.0, float(number)])
        assert bits(step(x, "ab"[number % 2])) == bits(fn(x, "ab"[number % 2])), number


def test_a_training_step_is_recorded_once():
    def attended(model, x, y):
        h = model[0](x).reshape(5, 4, 1)
        h = h.scaled_dot_product_attention(h, h, is_causal=True)
        return model[2](h.reshape(5, 4)).cross_entropy(y)

    losses = (
        lambda model, x, y: model(x).cross_entropy(y),
        lambda model, x, y: model(x).sparse_categorical_crossentropy(y),
        attended,
    )
    for loss in losses:
        twins = Twin(), Twin()

        def step(model, x, y, loss=loss):
            value = loss(model, x, y)
            value.backward()
            return value

        captured = capture(functools.partial(step, twins[1].model), strict=True)
        for seed in range(4):
            x, y = batch(seed)
            expected = bits(step(twins[0].model, x, y).detach())
            assert bits(captured(x, y)) == expected
            assert twins[0].state() == twins[1].state()
        (plan,) = captured.plans
        assert plan.used == 2  # the first call is eager, the second recorded
