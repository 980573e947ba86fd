"""Checks of every row of a table, as one test a row.

A test for each shape, dtype and layout would cost pytest more time than the checks take.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
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


def every(
    rows: Iterable[Any], ids: Callable[[Any], str], **choices: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[[Any], None]]:
    """Make a test of check(row, variant, ...), which runs it with all shapes of the row.

    choices: further arguments of the check and their values, each of which it is run with.
    """
    combinations = [*product(*choices.values())]  # for all rows, also if a choice is an iterator

    def test_of(check: Callable[..., None]) -> Callable[[Any], None]:
        @pytest.mark.parametrize("row", rows, ids=ids)
        @wraps(check)
        def test(row: Any) -> None:
            assert row.shapes, "nothing would be checked"
            for variant, values in product(row.shapes, combinations):
                chosen = dict(zip(choices, values, strict=True))
                with naming(", ".join(map(str, (variant, *values)))):
                    check(row, variant, **chosen)

        del test.__wrapped__  # or pytest would look for fixtures with the names of its arguments
        return test

    return test_of
