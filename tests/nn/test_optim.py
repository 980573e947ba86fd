"""Optimisers: two steps by hand, every memory layout, only parameters written, errors."""

import math
import re

import numpy as np
import pytest
from every import each

import nn
from nn import optim
from nn.optim import chunks
from tinygrad_lite import Tensor, no_grad

RNG = np.random.default_rng(11)


def trained(make, gradients, start=2.0):
    """The values that one number takes under these gradients."""
    parameter = Tensor([start], dtype=np.float64, requires_grad=True)
    optimizer = make([parameter])
    values = []
    for gradient in gradients:
        parameter.grad = Tensor(np.array([gradient]))
        optimizer.step()
        values.append(parameter.data.item())
    return values


# Two steps by hand, from 2 with the gradients 1 and -3


def test_sgd():
    assert trained(lambda p: optim.SGD(p, lr=0.1), [1, -3]) == pytest.approx([1.9, 2.2])


def test_sgd_with_weight_decay():
    # d = 1 + 0.5 * 2 = 2; then -3 + 0.5 * 1.8 = -2.1
    values = trained(lambda p: optim.SGD(p, lr=0.1, weight_decay=0.5), [1, -3])
    assert values == pytest.approx([1.8, 2.01])


def test_sgd_with_momentum():
    # v = 1, then 0.9 * 1 - 3 = -2.1
    values = trained(lambda p: optim.SGD(p, lr=0.1, momentum=0.9), [1, -3])
    assert values == pytest.approx([1.9, 2.11])


def test_sgd_with_nesterov_and_weight_decay():
    # d = 2, v = 2, change 2 + 0.9 * 2 = 3.8: 1.62; d = -2.19, v = -0.39, change -2.541
    values = trained(
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.5, nesterov=True), [1, -3]
    )
    assert values == pytest.approx([1.62, 1.8741])


def test_adam():
    # Both corrections make the first change lr * sign(gradient).
    # Then m = 0.9 * 0.1 - 0.3 = -0.21, v = 0.999 * 0.001 + 0.009 = 0.009999.
    second = 1.9 + 0.1 * (0.21 / 0.19) / math.sqrt(0.009999 / (1 - 0.999**2))
    values = trained(lambda p: optim.Adam(p, lr=0.1, eps=0), [1, -3])
    assert values == pytest.approx([1.9, second])


def test_adam_eps_stands_outside_the_corrected_root():
    values = trained(lambda p: optim.Adam(p, lr=0.1, eps=1.0), [1])
    assert values == pytest.approx([2 - 0.1 * 1 / (1 + 1)])


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Adam(p, lr=0.1, eps=0),
        lambda p: optim.Adam(p, lr=0.1, eps=0, amsgrad=True),
        lambda p: optim.Adamax(p, lr=0.1, eps=0),
        lambda p: optim.NAdam(p, lr=0.1, eps=0),
        lambda p: optim.RAdam(p, lr=0.1, eps=0, betas=(0.9, 0.9)),
        lambda p: optim.RMSprop(p, lr=0.1, eps=0),
        lambda p: optim.RMSprop(p, lr=0.1, eps=0, centered=True),
        lambda p: optim.Adagrad(p, lr=0.1, eps=0),
        lambda p: optim.Adadelta(p, eps=0),
    ],
)
def test_what_never_had_a_gradient_stays_even_with_eps_0(make):
    assert trained(make, [0] * 20) == [2.0] * 20


def test_the_variance_of_equal_gradients_is_not_below_0():
    """v - g^2 is 0 but for rounding, whose root would be nan."""
    parameter = Tensor(np.full(1000, 2.0, np.float32), requires_grad=True)
    optimizer = optim.RMSprop([parameter], lr=1e-9, centered=True)
    for _ in range(2000):
        parameter.grad = Tensor(np.linspace(0.1, 1, 1000, dtype=np.float32))
        optimizer.step()
    assert np.all(np.isfinite(parameter.data))


def test_adamw_decays_before_adam():
    values = trained(lambda p: optim.AdamW(p, lr=0.1, eps=0, weight_decay=0.5), [1])
    assert values == pytest.approx([2 * (1 - 0.05) - 0.1])


def test_lr_may_be_assigned():
    parameter = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([parameter], lr=0.1)
    parameter.grad = Tensor([1.0])
    optimizer.lr = np.float64(0.5)
    optimizer.step()
    assert parameter.tolist() == [0.5]
    assert parameter.dtype == np.float32


# Arrays

MAKERS = [
    lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    lambda p: optim.SGD(p, lr=0.1),
    lambda p: optim.AdamW(p, lr=0.1),
]
EVERY = [
    *MAKERS,
    lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1),
    lambda p: optim.Adamax(p, lr=0.1, weight_decay=0.1),
    lambda p: optim.NAdam(p, lr=0.1, weight_decay=0.1),
    lambda p: optim.RAdam(p, lr=0.1, weight_decay=0.1),
    lambda p: optim.RMSprop(p, lr=0.1, weight_decay=0.1, momentum=0.9, centered=True),
    lambda p: optim.Adagrad(p, lr=0.1, weight_decay=0.1),
    lambda p: optim.Adadelta(p, lr=0.1, weight_decay=0.1),
    lambda p: optim.Lion(p, lr=0.1, weight_decay=0.1),
    lambda p: optim.Rprop(p, lr=0.1),
    lambda p: optim.ASGD(p, lr=0.1, weight_decay=0.1),
]
LAYOUTS = {
    "C": lambda a: a.copy(order="C"),
    "Fortran": lambda a: a.copy(order="F"),
    "middle axis first": lambda a: a.transpose(1, 0, 2).copy().transpose(1, 0, 2),
    "strided": lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
}


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 1, 5), (1, 1, 1), (2, 0, 3)])
@each(layout=LAYOUTS, gradient_layout=LAYOUTS, make=MAKERS)
def test_memory_layouts_make_no_difference(make, layout, gradient_layout, shape, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 7)
    start = RNG.standard_normal(shape)
    plain, laid_out = (Tensor(start, requires_grad=True) for _ in range(2))
    laid_out.data = memory = LAYOUTS[layout](start)
    first, second = make([plain]), make([laid_out])
    for number in range(3):
        gradient = RNG.standard_normal(shape)
        plain.grad = Tensor(gradient)
        laid_out.grad = Tensor.zeros(1)
        laid_out.grad.data = LAYOUTS["C" if number == 2 else gradient_layout](gradient)
        if number == 2:  # another layout while the state stays
            laid_out.data = memory = LAYOUTS["Fortran"](laid_out.data)
        first.step()
        second.step()
        assert laid_out.data is memory
        np.testing.assert_array_equal(laid_out.data, plain.data)


@pytest.mark.parametrize("make", EVERY)
def test_chunks_make_no_difference(make, monkeypatch):
    start, gradient = RNG.standard_normal((2, 100))
    results = []
    for size in (100, 33, 1):
        monkeypatch.setattr(chunks, "CHUNK", size)
        parameter = Tensor(start, requires_grad=True)
        parameter.grad = Tensor(gradient)
        optimizer = make([parameter])
        optimizer.step()
        optimizer.step()
        results.append(parameter.data)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@each(make=EVERY, dtype=[np.float16, np.float32, np.float64])
def test_dtypes_stay_and_gradients_are_not_written(make, dtype):
    parameter = Tensor(np.ones(5, dtype), requires_grad=True)
    parameter.grad = Tensor(np.arange(5, dtype=dtype))
    optimizer = make([parameter])
    memory = parameter.data
    optimizer.step()
    assert parameter.data is memory
    assert memory.dtype == dtype
    assert parameter.grad.tolist() == [0, 1, 2, 3, 4]
    kept = [value for value in optimizer.state[parameter].values() if isinstance(value, np.ndarray)]
    computed = np.float32 if dtype == np.float16 else dtype
    assert all(array.dtype == computed for array in kept if array.ndim)


def test_a_0_d_parameter():
    parameter = Tensor(2.0, requires_grad=True)
    (parameter * 3.0).backward()
    optim.SGD([parameter], lr=0.5, momentum=0.9).step()
    assert parameter.item() == 0.5


def test_parameters_without_a_gradient_stay_and_keep_their_count():
    used, unused = (Tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([unused, used])
    (used * 2.0).sum().backward()
    optimizer.step()
    assert unused.tolist() == [1.0]
    assert optimizer.state.keys() == {used}
    assert optimizer.state[used]["step"] == 1


def test_zero_grad():
    parameter = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([parameter], lr=0.1)
    parameter.sum().backward()
    optimizer.zero_grad()
    assert parameter.grad is None


def test_momentum_may_be_switched_on_later():
    def make(p):
        optimizer = optim.SGD(p, lr=0.1)
        optimizer.momentum = 0.9
        return optimizer

    assert trained(make, [1, -3]) == pytest.approx([1.9, 2.11])


def test_one_owns_optimizer():
    class SignSGD(optim.Optimizer):
        def apply_single(self, gradient, parameter, state, group):
            parameter -= group["lr"] * np.sign(gradient)

    assert trained(lambda p: SignSGD(p, lr=0.5), [7, -3]) == [1.5, 2.0]


def test_a_step_is_seen_by_a_backward_that_needs_the_old_values():
    weight = Tensor([2.0], requires_grad=True)
    loss = (weight * weight).sum()
    loss.backward(retain_graph=True)
    optim.SGD([weight], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed it in place"):
        loss.backward()


def test_a_step_is_allowed_inside_no_grad():
    weight = Tensor([2.0], requires_grad=True)
    weight.grad = Tensor([1.0])
    with no_grad():
        optim.SGD([weight], lr=1.0).step()
    assert weight.tolist() == [1.0]


def test_a_small_network_learns():
    Tensor.manual_seed(0)
    x = RNG.standard_normal((64, 3)).astype(np.float32)
    labels = (x[:, 0] > x[:, 1]).astype(np.int64)
    for make in (
        lambda p: optim.SGD(p, lr=0.5, momentum=0.9),
        lambda p: optim.Adam(p, lr=0.05),
        lambda p: optim.AdamW(p, lr=0.05),
    ):
        net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
        optimizer = make(nn.state.get_parameters(net))
        for _ in range(60):
            optimizer.zero_grad()
            net(Tensor(x)).cross_entropy(labels).backward()
            optimizer.step()
        assert (net(x).data.argmax(1) == labels).mean() > 0.95


# Errors


def leaf(*shape):
    return Tensor.ones(*shape, requires_grad=True)


@pytest.mark.parametrize(
    ("params", "error", "text"),
    [
        (lambda: nn.ReLU(), TypeError, "got a ReLU; write nn.state.get_parameters(model)"),
        (lambda: nn.Sequential(), TypeError, "got a Sequential; write nn.state.get_parameters"),
        (lambda: 3, TypeError, "expected a list of Tensors; got a int"),
        (lambda: leaf(2), TypeError, "got one Tensor; write [tensor]"),
        (lambda: [leaf(2), np.ones(2)], TypeError, "got a ndarray at position 1"),
        (lambda: {"w": leaf(2)}, TypeError, "got a dict; write nn.state.get_parameters(model)"),
        (lambda: [], ValueError, "got no parameters; those of a model are its Tensors with"),
        (
            lambda: [leaf(2), Tensor.ones(3)],
            ValueError,
            "parameter 1, of shape (3,), does not require grad; make it with requires_grad=True",
        ),
        (
            lambda: [leaf(2) * 2],
            ValueError,
            "parameter 0, of shape (2,), was computed by Mul; only leaves can be trained",
        ),
        (
            lambda: [leaf(3), *[leaf(2)] * 2],
            ValueError,
            "parameter 2, of shape (2,), is parameter 1 again; pass each one once",
        ),
    ],
)
def test_what_an_optimizer_refuses(params, error, text):
    with pytest.raises(error, match=f"^SGD: .*{re.escape(text)}"):
        optim.SGD(params(), lr=0.1)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: optim.SGD(p, lr=-0.1), "SGD: lr: expected a number of 0 or more; got -0.1"),
        (lambda p: optim.SGD(p, lr=math.nan), "SGD: lr: expected a number of 0 or more; got nan"),
        (
            lambda p: optim.SGD(p, momentum=-1),
            "SGD: momentum: expected a number of 0 or more; got -1",
        ),
        (
            lambda p: optim.SGD(p, nesterov=True),
            "SGD: nesterov needs a momentum above 0, and dampening 0",
        ),
        (
            lambda p: optim.Adam(p, betas=(1.0, 0.5)),
            "Adam: betas[0]: expected a number from 0 to below 1; got 1.0",
        ),
        (
            lambda p: optim.AdamW(p, betas=[0.9, -0.1]),
            "AdamW: betas[1]: expected a number from 0 to below 1; got -0.1",
        ),
        (lambda p: optim.Adam(p, eps=-1), "Adam: eps: expected a number of 0 or more; got -1"),
        (
            lambda p: optim.AdamW(p, weight_decay=-1),
            "AdamW: weight_decay: expected a number of 0 or more",
        ),
    ],
)
def test_options_out_of_range(make, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        make([leaf(2)])


def test_an_option_that_is_no_number():
    with pytest.raises(TypeError, match=r"^Adam: lr: expected a number; got '1e-3'"):
        optim.Adam([leaf(2)], lr="1e-3")


def test_a_step_without_any_gradient_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"no parameter has a gradient; call loss\.backward"):
        optim.SGD([leaf(2)]).step()


def bad_gradient(parameter):
    parameter.grad = Tensor.ones(3)


def not_a_tensor(parameter):
    parameter.grad = np.ones(2)


def other_shape(parameter):
    parameter.data = np.ones((4,), np.float32)
    parameter.grad = Tensor.ones(4)


def read_only(parameter):
    parameter.data.flags.writeable = False


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (bad_gradient, "parameter 1 has shape (2,); expected a Tensor of that shape"),
        (not_a_tensor, "as its gradient; got ndarray"),
        (other_shape, "parameter 1 has shape (4,); it had (2,) in the last step"),
        (read_only, "parameter 1 is read-only; assign a copy to its data"),
    ],
)
def test_a_step_that_cannot_be_done_changes_nothing(spoil, text):
    good, bad = leaf(2), leaf(2)
    optimizer = optim.SGD([good, bad], lr=0.1, momentum=0.9)
    good.grad, bad.grad = Tensor.ones(2), Tensor.ones(2)
    optimizer.step()
    before = good.tolist()
    spoil(bad)
    with pytest.raises(ValueError, match=re.escape(text)):
        optimizer.step()
    assert good.tolist() == before


# Nothing is half-done

EXTREMES = {
    np.float16: (6e4, 6e-8),
    np.float32: (3e38, 1e-45),
    np.float64: (1e308, 5e-324),
}


@pytest.mark.parametrize("make", EVERY)
@each(dtype=EXTREMES, size=[3, 50])  # several chunks; on several threads
def test_numbers_that_overflow_stop_no_step(make, dtype, size, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 3)
    monkeypatch.setattr(chunks, "MIN_PARALLEL", 5)

    def trained():
        params = [Tensor(np.full(size, start, dtype), requires_grad=True) for start in (1, 2)]
        optimizer = make(params)
        for gradient in (*EXTREMES[dtype], np.inf, np.nan):
            for parameter in params:
                parameter.grad = Tensor(np.full(size, gradient, dtype))
            optimizer.step()
        return [p.data for p in params]

    with np.errstate(all="raise"):
        found = trained()
    with np.errstate(all="ignore"):
        expected = trained()
    np.testing.assert_array_equal(found, expected)


def test_a_user_may_make_warnings_errors(recwarn):
    parameter = Tensor(np.ones(2, np.float32), requires_grad=True)
    parameter.grad = Tensor(np.full(2, 3e38, np.float32))
    optim.AdamW([parameter], lr=0.5, weight_decay=1.0).step()  # here warnings are errors
    # Halved by the decay; the square of the gradient is inf, so the change is 0.
    assert parameter.tolist() == [0.5, 0.5]
    assert not recwarn.list


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-0.1, ValueError, "expected a number of 0 or more; got -0.1"),
        (math.nan, ValueError, "expected a number of 0 or more; got nan"),
        (math.inf, ValueError, "expected a finite number; got inf"),
        ("0.1", TypeError, "expected a number; got '0.1'"),
        (None, TypeError, "expected a number; got None"),
        (lambda: 0.1, TypeError, "expected a number; got the function <lambda>"),
        (
            Tensor(0.1),
            TypeError,
            "expected a number; got Tensor of shape (), float32; no gradient flows there",
        ),
        (
            np.ones(2),
            TypeError,
            "expected a number; got ndarray of shape (2,), float64",
        ),
    ],
)
def test_an_option_is_checked_when_it_is_assigned(name, value, error, text):
    optimizer = optim.SGD([leaf(2)], lr=0.5, momentum=0.5, weight_decay=0.5)
    with pytest.raises(error, match=f"^SGD: {name}: {re.escape(text)}"):
        setattr(optimizer, name, value)
    assert getattr(optimizer, name) == 0.5


def test_an_option_becomes_a_python_float_which_decides_no_dtype():
    optimizer = optim.AdamW([leaf(2)])
    for value in (1, np.float64(0.5), np.float32(0.5), np.array(0.5)):
        optimizer.lr = value
        assert type(optimizer.lr) is float
        assert optimizer.lr == value


class Failing(optim.Optimizer):
    """Its second parameter cannot be updated."""

    def keeps(self, group):
        return ("seen",)

    def apply_single(self, gradient, parameter, state, group):
        if parameter[0] == 2:
            raise ZeroDivisionError("no")
        parameter -= group["lr"] * gradient


def test_a_step_that_failed_does_not_count():
    params = [Tensor([start], requires_grad=True) for start in (1.0, 2.0)]
    optimizer = Failing(params, lr=0.1)
    for parameter in params:
        parameter.grad = Tensor([1.0])
    with pytest.raises(ZeroDivisionError):
        optimizer.step()
    assert [optimizer.state[p]["step"] for p in params] == [0, 0]


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("granted", [0, 1, 2, 3])
def test_no_memory_left_for_intermediate_results(make, granted, monkeypatch):
    params = [leaf(2), leaf(2)]
    optimizer = make(params)
    arrays = []

    def spare(self, like, number=0):
        if number not in arrays:
            if len(arrays) == granted:
                raise MemoryError
            arrays.append(number)
        return np.empty_like(like)

    for parameter in params:
        parameter.grad = Tensor.ones(2)
    monkeypatch.setattr(chunks.SpareArrays, "__call__", spare)
    try:
        optimizer.step()
    except MemoryError:
        assert [p.tolist() for p in params] == [[1, 1], [1, 1]]
        found, fresh = (
            [tensor.tolist() for tensor in nn.state.get_state_dict(each).values()]
            for each in (optimizer, make([leaf(2), leaf(2)]))
        )
        assert found == fresh  # the counts of steps among them
    else:
        assert granted
        assert params[0].tolist() == params[1].tolist() != [1, 1]


def integers(optimizer):
    optimizer.state[optimizer.params[1]]["exp_avg"] = np.zeros(2, np.int64)


def locked(optimizer):
    optimizer.state[optimizer.params[1]]["exp_avg_sq"].flags.writeable = False


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (
            integers,
            "step: parameter 1 needs a writable array of floats as exp_avg in its "
            "state, which is int64",
        ),
        (
            locked,
            "step: parameter 1 needs a writable array of floats as exp_avg_sq in "
            "its state, which is float32",
        ),
    ],
)
def test_a_state_that_cannot_be_written_stops_the_step_before_it_begins(spoil, text):
    params = [leaf(2), leaf(2)]
    optimizer = optim.AdamW(params, lr=0.1)
    for parameter in params:
        parameter.grad = Tensor.ones(2)
    optimizer.step()
    before = [p.data.copy() for p in params], optimizer.state[params[0]]["exp_avg"].copy()
    spoil(optimizer)
    with pytest.raises(ValueError, match=re.escape(text)):
        optimizer.step()
    np.testing.assert_array_equal([p.data for p in params], before[0])
    np.testing.assert_array_equal(optimizer.state[params[0]]["exp_avg"], before[1])
    assert [optimizer.state[p]["step"] for p in params] == [1, 1]
