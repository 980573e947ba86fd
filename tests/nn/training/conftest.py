"""What tests of training share: a child process; global generators and the disk left alone."""

import os
import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tinygrad_lite import generator


@pytest.fixture
def in_child() -> Callable[[Callable[[], object]], tuple[int, str]]:
    """Run a function in a child: the status (minus a signal), and what it returned or raised.

    By a fork: a new interpreter would take a third of a second.
    """
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


@pytest.fixture
def global_generators() -> Iterator[None]:
    """Afterwards, the generators of Tensor, Python and NumPy are as before."""
    mine = generator.get_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    generator.set_state(mine[0])
    random.setstate(mine[1])
    np.random.set_state(mine[2])  # noqa: NPY002


@pytest.fixture
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk has to do with it is tested in tests/test_files.py."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
