"""A part of what `make fuzz` runs: calls with one thing wrong in them end in one clear line."""

import numpy as np
import pytest
from fuzz.fuzzing import OURS, Attempt, attempts, outcome, run
from fuzz.public_calls import Call, public_calls

import nn
from tinygrad_lite import Tensor, arguments


def test_every_outcome_is_a_result_or_one_clear_line() -> None:
    _, failures = run(5_000)
    assert [failure.words for failure in failures] == []


@pytest.mark.filterwarnings("ignore")  # some calls show a warning
def test_the_calls_are_valid_and_many(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    calls = public_calls()
    for each in calls:
        args, options = each.make()
        each.function(*args, **options)
    assert len(calls) > 900
    assert len({call.name for call in calls}) > 400


def test_the_same_seed_gives_the_same_calls() -> None:
    first, second = ([(a.call.name, a.thing) for a in attempts(50, 3)] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda x, axis: len(axis), "from inside: TypeError"),
        (lambda x, axis: x, "a bool taken as an axis or a size"),
        (lambda x, axis: range("3"), "from inside: cannot be interpreted as an integer"),
        (lambda x, axis: {}[axis], "KeyError"),
        (lambda x, axis: x.max(axis), "another function's name"),
    ],
)
def test_the_fuzzer_notices_planted_faults(call, kind, monkeypatch) -> None:
    monkeypatch.setattr(Tensor, "sum", call)
    monkeypatch.setattr("fuzz.fuzzing.OURS", (*OURS, __file__))
    planted = Call("sum", Tensor.sum, lambda: ([Tensor([1.0]), 0], {}), 1)
    failure = outcome(Attempt(planted, [Tensor([1.0]), True], {}, "axis", "True", True))
    assert failure is not None
    assert failure.kind == kind


RAGGED = [[1.0], [1.0, 2.0]]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: Tensor([1.0]).sum(True), "sum: axis: expected an integer; got True"),
        (lambda: Tensor([1.0]).sum(0, 1), "sum: keepdim: expected True or False; got 1"),
        (
            lambda: Tensor([1.0]).elu(Tensor(1.0)),
            "elu: alpha: expected a number; got Tensor of shape (), float32; no gradient flows "
            "there: take its item()",
        ),
        (lambda: Tensor.zeros(2.0), "zeros: shape: expected an integer; got 2.0"),
        (
            lambda: np.vdot(Tensor([1.0]), RAGGED),
            "np.vdot: expected numbers; got [[1.0], [1.0, 2.0]]",
        ),
        (
            lambda: np.linalg.solve(Tensor([[1.0]]), RAGGED),
            "np.linalg.solve: expected numbers; got [[1.0], [1.0, 2.0]]",
        ),
        (
            lambda: Tensor([[1.0]]).addmm(RAGGED, [[1.0]]),
            "addmm: expected a Tensor, an ndarray or a number; got list; make it a Tensor first",
        ),
        (
            lambda: nn.data.DataLoader(np.array(1), batch_size=1),
            "DataLoader: expected arrays or Tensors with rows; got ndarray of shape (), int64",
        ),
        (
            lambda: nn.LayerNorm(3, eps="x"),
            "LayerNorm: eps: expected a number; got 'x'",
        ),
        (
            lambda: nn.Linear(3, np.ones((2, 2))),
            "Linear: out_features: expected an integer; got ndarray of shape (2, 2), float64",
        ),
    ],
)
def test_what_a_wrong_type_prints(call, line) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == line


def test_a_word_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(ValueError, match=r'; got \'meen\'; did you mean "mean"\?$'):
        Tensor([1.0]).mse_loss(np.ones(1), "meen")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**200, "an integer of 201 bits"),
        ("x" * 1000, "'" + "x" * 56 + "..."),
        ([1, [2, None]], "[1, [2, None]]"),
        (list(range(100)), "a list of 100"),
        (np.ones((2, 3)), "ndarray of shape (2, 3), float64"),
        (len, "the function len"),
        (float, "the class float"),
        (np, "the module numpy"),
        (..., "..."),
        ({1}, "set"),
    ],
)
def test_what_came_is_shown_in_one_short_line(value, text) -> None:
    assert arguments.shown(value) == text
