"""A child process for a test, by a fork: a new interpreter would take a third of a second."""

import os
from collections.abc import Callable

import pytest


@pytest.fixture
def in_child() -> Callable[[Callable[[], object]], tuple[int, str]]:
    """Run a function in a child: the status (minus a signal), and what it returned or raised."""
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork")

    def run(work: Callable[[], object]) -> tuple[int, str]:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 0
            try:
                os.close(reading)
                try:
                    said = str(work())
                except Exception as error:
                    status, said = 1, f"{type(error).__name__}: {error}"
                os.write(writing, said.encode())
            finally:
                os._exit(status)
        os.close(writing)
        with open(reading, "rb") as pipe:
            said = pipe.read().decode()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said

    return run
