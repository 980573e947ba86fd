"""no_grad in generators and on functions means what it means in PyTorch."""

from contextlib import contextmanager
from typing import Any

import pytest
import torch

from tinygrad_lite import is_grad_enabled, no_grad

BOTH = [(no_grad, is_grad_enabled), (torch.no_grad, torch.is_grad_enabled)]


def a_with_in_a_generator(quiet: Any, enabled: Any) -> Any:
    def steps() -> Any:
        yield enabled()
        with quiet():
            yield enabled()
        yield enabled()

    return [(inside, enabled()) for inside in steps()]


def the_idiom_of_contextlib(quiet: Any, enabled: Any) -> Any:
    @contextmanager
    def block() -> Any:
        with quiet():
            yield enabled()

    with block() as inside:
        found = [inside, enabled()]
        with block() as inside:
            found += [inside, enabled()]
        found.append(enabled())
    return [*found, enabled()]


def a_generator_left_early(quiet: Any, enabled: Any) -> Any:
    def steps() -> Any:
        with quiet():
            yield from range(3)

    found = []
    for _ in steps():
        found.append(enabled())
        break
    return [*found, enabled()]


def a_decorated_generator(quiet: Any, enabled: Any, bare: bool = False) -> Any:
    @(quiet if bare else quiet())
    def steps() -> Any:
        try:
            got = yield enabled()
            yield got, enabled()
        except KeyError:
            yield "thrown", enabled()
        finally:
            found.append(("finally", enabled()))
        return "returned"

    def whole() -> Any:
        found.append((yield from steps()))

    found: list[Any] = []
    for stop in ("exhaust", "throw", "close"):
        running = steps()
        found += [enabled(), next(running), enabled()]
        if stop == "exhaust":
            found += [running.send("sent"), enabled(), next(running, "end"), enabled()]
        elif stop == "throw":
            found += [running.throw(KeyError()), enabled(), next(running, "end")]
        else:
            running.close()
            found.append(enabled())
    return found + list(whole())


def a_bare_decorator_of_a_generator(quiet: Any, enabled: Any) -> Any:
    return a_decorated_generator(quiet, enabled, bare=True)


def decorated_functions(quiet: Any, enabled: Any) -> Any:
    @quiet
    def bare(n: int) -> list[bool]:
        return [enabled()] + (bare(n - 1) if n else [])

    @quiet()
    def called() -> bool:
        return enabled()

    return [bare(3), called(), quiet(enabled)(), enabled()]


def a_decorated_generator_for_contextlib(quiet: Any, enabled: Any) -> Any:
    @contextmanager
    @quiet()
    def block() -> Any:
        yield enabled()

    with block() as inside:
        return [inside, enabled()]


@pytest.mark.parametrize(
    "program",
    [
        a_with_in_a_generator,
        the_idiom_of_contextlib,
        a_generator_left_early,
        a_decorated_generator,
        a_bare_decorator_of_a_generator,
        decorated_functions,
        a_decorated_generator_for_contextlib,
    ],
)
def test_a_program_finds_the_same_modes(program) -> None:
    ours, theirs = (program(quiet, enabled) for quiet, enabled in BOTH)
    assert ours == theirs
    assert "False" in str(ours)
    assert is_grad_enabled()
    assert torch.is_grad_enabled()
