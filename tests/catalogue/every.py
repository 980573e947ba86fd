"""Checks of every row of a table, as one test for many of them.

A test for each row, shape, dtype and layout would cost pytest more time than the checks take.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from itertools import product
from typing import Any

import pytest


@contextmanager
def naming(what: object) -> Iterator[None]:
    """An error in this block says what it was about."""
    try:
        yield
    except BaseException as error:  # pytest's own, as of `raises`, are no Exceptions
        error.add_note(f"with {what}")
        raise


def all_of(checks: Iterable[tuple[str, Callable[[], None]]]) -> None:
    """Run each of these named checks, also after others have failed; all that fail are named.

    A check that skips fails: the whole test would count as skipped.
    """
    errors: list[BaseException] = []
    for name, check in checks:
        try:
            with naming(name):
                check()
        except pytest.skip.Exception as skipped:  # would hide the errors of the others
            errors.append(AssertionError(f"with {name}: expected no skip; got {skipped}"))
        except (Exception, pytest.fail.Exception) as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} checks failed", errors)


def each(**choices: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make one test of a check, which runs it with each combination of these values.

    Other arguments of the check are fixtures and parameters, as in any test.
    """
    names = [[(f"{key} {shown(n, value)}", value) for n, value in enumerate(values)]
             for key, values in choices.items()]  # fmt: skip
    combinations = [
        (", ".join(name for name, _ in chosen), [value for _, value in chosen])
        for chosen in product(*names)
    ]
    assert combinations, f"{', '.join(choices)}: nothing would be checked"

    def test_of(check: Callable[..., None]) -> Callable[..., None]:
        @wraps(check)
        def test(**others: Any) -> None:
            all_of(
                (name, partial(check, **others, **dict(zip(choices, values, strict=True))))
                for name, values in combinations
            )

        signature = inspect.signature(check)
        left = [p for name, p in signature.parameters.items() if name not in choices]
        test.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return test

    return test_of


def shown(number: int, value: Any) -> str:
    """A value that may have no name of its own, as a lambda."""
    return f"{number}, {getattr(value, 'name', None) or getattr(value, '__name__', repr(value))}"


def every(
    rows: Iterable[Any], of: Callable[[Any], str], **choices: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[[Any], None]]:
    """Make a test of check(row, variant, ...) for each op or method, with all of its rows.

    of       the name of that op or method
    choices  further arguments of the check and their values, each of which it is run with

    A check that takes no `variant` is run once for each row, any other with all shapes of the row.
    """
    combinations = [*product(*choices.values())]  # for all rows, also if a choice is an iterator
    assert combinations, f"{', '.join(choices)}: nothing would be checked"
    groups: dict[str, list[Any]] = {}
    for row in rows:
        assert row.shapes, f"{row.name}: nothing would be checked"
        groups.setdefault(of(row), []).append(row)

    def test_of(check: Callable[..., None]) -> Callable[[Any], None]:
        by_shape = "variant" in inspect.signature(check).parameters

        @pytest.mark.parametrize("group", groups.values(), ids=groups)
        @wraps(check)
        def test(group: list[Any]) -> None:
            all_of(
                (
                    ", ".join(map(str, (row.name, *variant, *values))),
                    partial(check, row, *variant, **dict(zip(choices, values, strict=True))),
                )
                for row in group
                for variant in (((shapes,) for shapes in row.shapes) if by_shape else ((),))
                for values in combinations
            )

        del test.__wrapped__  # or pytest would look for fixtures with the names of its arguments
        return test

    return test_of
