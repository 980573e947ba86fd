"""A warning names the line of the user's code, however many of our calls lie in between."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, no_grad

ONE = Tensor([3.0], requires_grad=True)
HALF = Tensor([3.0], dtype=np.float16)
NO_CHANCE = Tensor([-np.inf, -np.inf])
SHARES = Tensor([[0.0, 1.0]], requires_grad=True).softmax()


class Spread(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x.var_mean()


class Reading(nn.Module):
    def __init__(self) -> None:
        self.spread = Spread()

    def forward(self, x: Tensor) -> Any:
        return self.spread(x)


@no_grad()
def without_graph() -> Any:
    return ONE.std()


def twice(function: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(function)
    def call() -> Any:
        return function() and function()

    return call


@twice
def decorated() -> Any:
    return ONE.var()


# A call that warns, and the function whose last line it blames: a lambda is that line itself.
BLAMED: dict[str, tuple[Callable[[], Any], Any]] = {
    "var": (lambda: ONE.var(), None),
    "std": (lambda: ONE.std(), None),
    "float16": (lambda: HALF.var(), None),
    "var_mean": (lambda: ONE.var_mean(), None),
    "std_mean": (lambda: ONE.std_mean(), None),
    "np.var": (lambda: np.var(ONE, ddof=1), None),
    "np.std": (lambda: np.std(ONE, ddof=1, dtype=np.float64), None),
    "unbound": (lambda: Tensor.var(ONE), None),
    "module": (lambda: Spread()(ONE), Spread.forward),
    "nested module": (lambda: Reading()(ONE), Spread.forward),
    "our own module": (lambda: nn.Sequential(Tensor.std)(ONE), None),
    "no_grad": (without_graph, without_graph.__wrapped__),
    "decorated": (decorated, decorated.__wrapped__),
    "softmax": (lambda: NO_CHANCE.softmax(), None),
    "cross_entropy": (lambda: SHARES.cross_entropy([0]), None),
    "kl_div": (lambda: SHARES.kl_div(SHARES.detach()), None),
}


@pytest.mark.parametrize("name", BLAMED)
def test_the_line_of_the_user_is_blamed(name: str) -> None:
    call, blamed = BLAMED[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    lines = [line for _, _, line in (blamed or call).__code__.co_lines() if line]
    assert caught
    assert {warning.filename for warning in caught} == {__file__}
    assert {warning.lineno for warning in caught} == {max(lines)}


def test_a_line_is_blamed_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            ONE.var_mean()
        ONE.var_mean()
    assert len(caught) == 2
