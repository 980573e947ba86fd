"""A loss that turns inf or nan is told once for each line, with the step and the cause."""

import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, TrainingWarning, capture, keep_values, no_grad

X = Tensor([[1.0, 2.0], [3.0, 4.0]])
Y = Tensor([1.0, 2.0])


def told(run: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        run()
    assert all(one.category is TrainingWarning for one in found)
    assert all(one.filename == __file__ for one in found)
    return [str(one.message) for one in found]


def train(lr: float, batches: list[Any], optimiser: Any = nn.optim.SGD) -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optimiser([w], lr=lr)
    for x in batches:
        loss = (x @ w - Y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_a_learning_rate_that_is_too_high_is_told_with_the_losses_that_led_there() -> None:
    (text,) = told(lambda: train(3.0, [X] * 40))
    # w is an eigenvector of X.T X in the end: each step multiplies the loss by the same number.
    factor = (1 - 3.0 * np.linalg.eigvalsh(X.data.T @ X.data)[-1]) ** 2
    went = [float(one) for one in text.split("it went ")[1].split(", inf, so")[0].split(", ")]
    assert text.startswith("the loss is inf in backward pass 11 of this line: over the last 6 it")
    assert len(went) == 5
    np.testing.assert_allclose([b / a for a, b in pairwise(went)], factor, 1e-2)
    assert "so the learning rate is likely too high; lower it, or clip gradients" in text
    assert "; Mul made the first inf in the forward pass" in text
    assert "\n" not in text


def test_a_batch_with_nan_is_told_with_the_step_and_the_loss_before() -> None:
    bad = Tensor([[1.0, np.nan], [3.0, 4.0]])
    (text,) = told(lambda: train(0.01, [X] * 6 + [bad] + [X] * 6))
    assert text.startswith("the loss is nan in backward pass 7 of this line, and was ")
    assert "has nan at (0, 1), before any op that was recorded; " in text
    assert "learning rate" not in text


def test_the_first_pass_is_told_too_and_inside_keep_values_with_the_line() -> None:
    w = Tensor([1.0, 0.0], requires_grad=True)

    def run() -> None:
        with keep_values():
            loss = w.log().sum()
            loss.backward()

    (text,) = told(run)
    assert text.startswith("the loss is -inf in backward pass 1 of this line; Log made the first")
    assert "test_losses.py:" in text
    assert "the logarithm of 0" in text
    assert "knows the line too" not in text


def test_the_gradients_are_as_ever() -> None:
    w = Tensor([2.0, 0.0], requires_grad=True)
    with pytest.warns(TrainingWarning, match="the loss is -inf"):
        w.log().sum().backward()
    np.testing.assert_array_equal(w.grad.data, [0.5, np.inf])


def test_filters_know_it() -> None:
    w = Tensor([1.0, 0.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the loss is", TrainingWarning)
        w.log().sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TrainingWarning, match="the loss is -inf"):
            w.log().sum().backward()


def test_two_losses_at_two_lines_are_told_apart() -> None:
    w = Tensor([1.0, 0.0], requires_grad=True)

    def run() -> None:
        for _ in range(3):
            (w * w).sum().backward()
            w.log().sum().backward()
            w.log2().sum().backward()

    first, second = told(run)
    assert "; Log made" in first
    assert "; LogBase made" in second


@pytest.mark.parametrize(
    "losses", [[3.0, 2.0, 5.0, np.inf], [0.001, np.nan], [1e9, 5e9, np.inf], [np.inf, np.inf]]
)
def test_a_loss_that_did_not_explode_blames_no_learning_rate(losses: list[float]) -> None:
    def run() -> None:
        w = Tensor(1.0, requires_grad=True)
        for number in losses:
            (w * number).backward()

    (text,) = told(run)
    assert "learning rate is likely too high" not in text


def test_healthy_losses_are_told_nothing() -> None:
    def run() -> None:
        for number in (1e-30, 3e38, -3e38, 0.0, 2.0, 2e4, 2e8, 2e12):
            w = Tensor(number, requires_grad=True)
            (w * 1.0).backward()
        x = Tensor([1.0, 0.0], requires_grad=True)
        x.log().backward(Tensor([1.0, 0.0]))  # no loss
        with no_grad():
            x.log().sum()

    assert told(run) == []


def test_a_line_search_may_try_steps_that_are_too_long() -> None:
    x = Tensor([1.0], requires_grad=True)
    optimizer = nn.optim.LBFGS([x], lr=1e4, line_search_fn="strong_wolfe")
    seen: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (x.exp() + (-x).exp()).sum()
        loss.backward()
        seen.append(loss.item())
        return loss

    assert told(lambda: optimizer.step(closure)) == []
    assert np.inf in seen
    assert abs(x.data[0]) < 1e-2


def test_a_captured_step_is_told_in_its_replays() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = nn.optim.SGD([w], lr=0.01)

    @capture(strict=True)
    def step(x: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        prediction = x @ w
        loss = (prediction - Y).square().mean()
        loss.backward()
        optimizer.step()
        return loss, prediction

    def run() -> None:
        for number in range(9):
            step(X * np.nan if number > 5 else X)

    (text,) = told(run)
    assert text.startswith("the loss is nan in replay 5, and was ")
    assert "without capture" in text


def test_threads_may_train_at_the_same_line() -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with np.errstate(all="ignore"):
                train(0.01, [X] * 30)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_trainings_in_several_threads_are_told_apart() -> None:
    """Four step by step in turn at one line; one meets nan in its third step, its sixth is good."""

    def run(index: int) -> Any:
        w = Tensor([1.0, 2.0], requires_grad=True)
        for step in range(6):
            w.grad = None
            loss = (X @ w - Y).square().mean() * (10.0 ** (step + index))
            if (index, step) == (1, 2):
                loss = loss * float("nan")
            loss.backward()
            yield

    def program() -> None:
        pools = [ThreadPoolExecutor(1) for _ in range(4)]
        runs = [run(index) for index in range(4)]
        for _ in range(6):
            for pool, one in zip(pools, runs, strict=True):
                pool.submit(next, one).result()
        for pool in pools:
            pool.shutdown()

    (text,) = told(program)
    # The loss of step 1 of run 1 is 100 * ((5 - 1) ** 2 + (11 - 2) ** 2) / 2 by hand.
    assert text.startswith(
        "the loss is nan in backward pass 3 of this line, and was 4.85e+03 in the one before"
    )


def test_nobody_in_python_need_call_backward() -> None:
    program = (
        "import atexit; from tinygrad_lite import Tensor; "
        "w = Tensor(0.0, requires_grad=True); atexit.register(w.log().backward)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "the loss is -inf in backward pass 1" in done.stderr


def test_a_large_graph_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_lite.mistakes.losses.LARGEST_GRAPH", 100)
    x = Tensor(0.0, requires_grad=True)
    y = x.log()
    for _ in range(101):
        y = y + 1.0
    with pytest.warns(TrainingWarning, match="for the cause") as found:
        y.backward()
    assert "Log" not in str(found[0].message)
