"""trace_nan: the op that made the first inf or nan, where, from what, and what to do about it."""

import inspect
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from show.nan_cases import CASES, Case

import nn
from tinygrad_lite import Function, Tensor, checkpoint, keep_values, no_grad, trace_nan

pytestmark = pytest.mark.filterwarnings("ignore:the loss is (inf|-inf|nan)")
WARNS = "ignore:(.*all scores along|.*no degree of freedom)"


def marked_line(build: Any) -> str:
    """The "file:line" of the line marked `# here`."""
    lines, start = inspect.getsourcelines(build)
    (offset,) = (number for number, line in enumerate(lines) if line.endswith("# here\n"))
    return f"nan_cases.py:{start + offset}"


def check(case: Case, result: Any) -> None:
    assert result.found
    assert (result.op, result.direction, result.index) == (case.op, case.direction, case.index)
    np.testing.assert_array_equal(result.number, case.number)
    assert case.repair in result.repair


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("name", CASES)
def test_of_a_kept_graph_all_is_known(name: str) -> None:
    case = CASES[name]
    with keep_values():
        loss, leaves = case.build()
    before = [leaf.grad for leaf in leaves]
    result = trace_nan(loss)
    check(case, result)
    assert result.line is not None
    assert result.line.endswith(marked_line(case.build))
    assert result.known_from is None
    assert [leaf.grad for leaf in leaves] == before == [None] * len(leaves)
    with keep_values():
        loss, leaves = case.build()
        loss.backward()
    del leaves
    assert repr(trace_nan(loss)) == repr(result)


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("name", CASES)
def test_of_a_live_graph_the_saved_arrays_show_it(name: str) -> None:
    case = CASES[name]
    loss, leaves = case.build()
    result = trace_nan(loss)
    assert result.line is None
    assert all(leaf.grad is None for leaf in leaves)
    if case.live:
        check_live(case, result)
    else:
        assert "is the first op known to have" in result.headline
        assert "earlier ones are unknown" in result.known_from
        assert "keep_values" in result.repair


def check_live(case: Case, result: Any) -> None:
    assert (result.op, result.direction, result.index) == (case.op, case.direction, case.index)
    np.testing.assert_array_equal(result.number, case.number)
    assert case.repair in result.repair


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("name", CASES)
def test_of_a_released_graph_it_says_what_to_do(name: str) -> None:
    loss, leaves = CASES[name].build()
    loss.backward()
    result = trace_nan(loss)
    assert result.found
    assert result.direction == CASES[name].direction
    assert result.op is None
    assert "before backward, or call inside `with keep_values():`" in result.known_from
    del leaves


# What is finite, or was meant


def states(build: Any) -> Any:
    """What trace_nan finds of a live and of a kept graph."""
    loss, leaves = build()
    yield trace_nan(loss)
    with keep_values():
        loss, leaves = build()
        loss.backward()
    yield trace_nan(loss)
    del leaves


def masked_scores() -> Any:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    p = (x + Tensor([[0.0, -np.inf], [0.0, 0.0]])).softmax()
    return p.square().sum(), [x]


def masked_attention() -> Any:
    x = Tensor(np.eye(3)[None, None], requires_grad=True)
    return x.scaled_dot_product_attention(x, x, is_causal=True).square().sum(), [x]


def a_logarithm_that_where_drops_without_a_gradient() -> Any:
    x = Tensor([1.0, 0.0], requires_grad=True)
    return Tensor.where(x.data == 0, x * 2.0, x.detach().log()).sum(), [x]


def an_inf_that_a_quotient_turns_into_zero() -> Any:
    x = Tensor([1.0, 2.0], requires_grad=True)
    return (x / Tensor([1.0, np.inf])).sum(), [x]


def an_infinite_gradient_that_relu_stops() -> Any:
    x = Tensor([4.0, -1.0], requires_grad=True)
    return (x.relu() * 1.0).sqrt().sum(), [x]


@pytest.mark.parametrize(
    "build",
    [
        masked_scores,
        masked_attention,
        a_logarithm_that_where_drops_without_a_gradient,
        an_inf_that_a_quotient_turns_into_zero,
        an_infinite_gradient_that_relu_stops,
    ],
)
def test_what_does_no_harm_is_not_blamed(build: Any) -> None:
    for result in states(build):
        assert not result
        assert repr(result) == (
            "trace_nan: finite everywhere: the tensor, and the gradient of each leaf."
        )


def test_nan_at_padded_positions_is_found_behind_the_gradient() -> None:
    def build() -> Any:
        w = Tensor([[2.0], [3.0]], requires_grad=True)
        y = Tensor([[1.0, 2.0], [np.nan, 4.0]]) @ w
        return Tensor.where(Tensor([[True], [False]]), y, 0.0).sum(), [w]

    for result in states(build):
        assert (result.op, result.direction, result.index) == ("Matmul", "backward", (0, 0))
        assert "does not show in the result" in result.repair
        assert result.repair.endswith("the input a of Matmul, of shape (2, 2), has nan at (1, 0)")


def test_an_inf_of_the_data_is_named_where_it_becomes_nan() -> None:
    def build() -> Any:
        x = Tensor([[1.0, np.inf]])
        w = Tensor([[2.0, 0.5], [3.0, -0.5]], requires_grad=True)
        return (x @ w).sum(), [w]

    for result in states(build):
        assert (result.op, result.index) == ("Sum", ())
        assert result.repair.endswith("the input a of Matmul, of shape (1, 2), has inf at (0, 1)")


def test_a_repair_is_not_claimed_that_would_not_help() -> None:
    """The element is used elsewhere too; the sum is none of exponentials."""

    def used_twice() -> Any:
        x = Tensor([0.0, 1.0], requires_grad=True)
        y = x.sqrt()
        return Tensor.where(Tensor([False, True]), y, 0.0).sum() + y.sum(), [x]

    def of_a_sum() -> Any:
        x = Tensor([0.0, 0.0], requires_grad=True)
        return x.sum().log(), [x]

    for result in states(used_twice):
        assert "where()" not in result.repair
        assert "add eps inside" in result.repair
    for result in states(of_a_sum):
        assert result.repair.startswith("the logarithm of 0: clip it")


# Names, modules, paths


def test_a_model_gives_names_and_modules() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2)))
    model[2][0].weight.data[1, 2] = np.nan
    with keep_values():
        loss = model(Tensor(np.ones((5, 3), np.float32))).cross_entropy(np.zeros(5, np.int64))
    result = trace_nan(loss, names=model)
    assert result.of == "the parameter 2.0.weight"
    assert result.index == (1, 2)
    assert result.module is not None
    assert result.module.endswith("2.0 (Linear)")
    assert "it reaches the result through Linear, CrossEntropy, Mean" in repr(result)


def test_hostile_names_stay_on_one_line() -> None:
    w = Tensor([np.nan], requires_grad=True)
    result = trace_nan((w * 2.0).sum(), names={"a\n\x1b[31mb": w})
    assert result.of == r"the parameter a\n\x1b[31mb"
    assert "\n" not in result.summary()


def test_several_origins_the_first_in_the_order_of_execution_is_told() -> None:
    def build() -> Any:
        x = Tensor([4.0, -1.0], requires_grad=True)
        a = x.sqrt()
        b = (x - 4.0).log()
        return (b + a).sum(), [x]

    for result in states(build):
        assert (result.op, result.index) == ("Sqrt", (1,))


def test_an_op_with_several_results() -> None:
    def build() -> Any:
        x = Tensor([[1.0, np.nan], [3.0, 4.0]], requires_grad=True)
        lstm = nn.LSTM(2, 3)
        return lstm(x.reshape(1, 2, 2))[0].square().sum(), [x, *lstm.parameters()]

    for result in states(build):
        assert result.of == "parameter 1 of the graph, of shape (2, 2),"
        assert result.index == (0, 1)


def test_no_recursion_and_a_chain_is_told_in_short() -> None:
    x = Tensor([0.0], requires_grad=True)
    y = x.log()
    for _ in range(5_000):
        y = y + 1.0
    result = trace_nan(y.sum())
    assert (result.op, result.index) == ("Log", (0,))
    assert result.path == "it reaches the result through 5000 x Add, Sum"


# States


def test_a_value_that_was_written_since_is_unknown() -> None:
    x = Tensor([1.0, 0.0], requires_grad=True)
    with no_grad():
        loss = trace_nan(x.log().sum())
    assert loss.found
    assert "no_grad()" in loss.headline
    loss = x.log().sum()
    x.data[1] = 5.0
    x.mark_changed()
    result = trace_nan(loss)
    assert result.op == "Sum"
    assert "earlier ones are unknown: the values of Log were not saved" in result.known_from


def test_an_update_after_the_loss_is_told_apart() -> None:
    w = Tensor([2.0], requires_grad=True)
    with keep_values():
        loss = (w * w).sum()
        loss.backward()
    w.data[0] = np.inf
    result = trace_nan(loss, {"w": w})
    assert not result.found
    assert "the parameter w is not finite now: an update after" in result.known_from


def test_a_hook_and_a_gradient_that_was_given() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with keep_values():
        y = x * 2.0
        y.register_hook(lambda gradient: gradient * np.array([1.0, np.inf]))
        loss = y.sum()
        loss.backward()
    result = trace_nan(loss)
    assert (result.op, result.direction, result.index) == ("Mul", "backward", (1,))
    assert "a hook on the result of Mul gave inf at (1,)" in result.headline
    with keep_values():
        loss = (x * 2.0).sum()
        loss.backward(np.inf)
    result = trace_nan(loss)
    assert result.headline.endswith("the gradient that backward was given has inf.")
    assert result.direction == "backward"


def two_paths(w: Tensor) -> Tensor:
    x = w * 1.0
    return (x * 3e38 + x * 3e38).sum()


def a_broadcast(w: Tensor) -> Tensor:
    return (w * Tensor([3e38, 3e38])).sum()


@pytest.mark.parametrize("build", [two_paths, a_broadcast])
def test_gradients_that_overflow_when_they_are_added(build: Any) -> None:
    for result in states(lambda: (build(w := Tensor([0.0], requires_grad=True)), [w])):
        assert (result.op, result.direction, result.index) == ("Mul", "backward", (0,))
        assert result.number == np.inf
        assert "gradients that add up at (0,) become inf in the backward pass" in result.headline
        assert "the sum of gradients overflows float32" in result.repair


def test_a_tensor_of_several_elements() -> None:
    x = Tensor([[1.0, 0.0]], requires_grad=True)
    result = trace_nan(x.sqrt())
    assert result.index == (0, 1)
    assert "the tensor is finite; for the gradient of its sum, the backward of Sqrt" in repr(result)
    assert trace_nan((x - 1.0).log()).index == (0, 1)


def test_a_leaf_and_a_tensor_without_a_graph() -> None:
    assert trace_nan(Tensor([1.0, np.inf])).index == (1,)
    assert not trace_nan(Tensor([1, 2]))
    assert (
        trace_nan(Tensor([np.nan], requires_grad=True)).of
        == "parameter 1 of the graph, of shape (1,),"
    )


def test_a_checkpoint_is_as_far_as_it_goes() -> None:
    x = Tensor([1.0, 0.0], requires_grad=True)
    with keep_values():
        loss = checkpoint(lambda t: t.log(), x).sum()
    result = trace_nan(loss)
    assert (result.op, result.index) == ("Checkpoint", (1,))
    assert "without checkpoint" in result.repair


def test_a_function_of_the_users_is_not_run_again() -> None:
    runs = []

    class Logarithm(Function):
        saves = "inputs"

        def forward(self, x: Any) -> Any:
            runs.append("forward")
            return np.log(x)

        def backward(self, g: Any, y: Any, x: Any) -> Any:
            return (g / x,)

    x = Tensor([0.0, 1.0], requires_grad=True)
    with keep_values():
        loss = Logarithm.apply(x).sum()
    assert trace_nan(loss).op == "Logarithm"
    assert runs == ["forward"]


def test_errors() -> None:
    with pytest.raises(TypeError, match=r"^trace_nan: loss: expected a Tensor; got 1.0$"):
        trace_nan(1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^trace_nan: names: expected a Module"):
        trace_nan(Tensor(1.0), names=3)


def test_a_summary_says_where_what_was_there_before_is_read() -> None:
    w = Tensor([1.0, 1.0], requires_grad=True)
    with keep_values():
        loss = (w * Tensor([1.0, np.nan])).sum()
    text = trace_nan(loss).summary()
    assert f", before any op that was recorded; it is read at {__file__}:" in text


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("buffer", ["running_mean", "running_var"])
def test_a_running_statistic_is_told_from_the_data(buffer: str, affine: bool) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, affine=affine)).eval()
    getattr(model[1], buffer).data[1] = np.nan
    for kept in (keep_values(), nullcontext()) if affine else (keep_values(),):
        with kept:
            found = trace_nan(model(Tensor([[1.0, 2.0]])).sum())
        assert found.repair is not None
        assert "running_mean or running_var" in found.repair
    model[1].requires_grad_(False)
    data = Tensor([[1.0, np.nan]])
    assert "look at the data" in str(trace_nan(model(data).sum()).repair)


@pytest.mark.filterwarnings(WARNS)
def test_what_was_kept_is_not_asked_to_be_kept() -> None:
    with keep_values():
        y = checkpoint(lambda h: (h * 0.0).log(), Tensor([1.0, 2.0], requires_grad=True)).sum()
    assert "call that without checkpoint" in str(trace_nan(y).repair)


@pytest.mark.parametrize(("first", "number"), [("Sqrt", -1.0), ("Exp", 1000.0)])
def test_a_division_by_zero_is_not_blamed_for_what_was_there_before(
    first: str, number: float
) -> None:
    x = Tensor([number, 1.0], requires_grad=True)
    with keep_values():
        y = x.sqrt() if first == "Sqrt" else x.exp()
        loss = (y / (x - number)).sum()
    assert trace_nan(loss).op == first
