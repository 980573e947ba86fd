"""What a test leaves for the next: not the observer of `DistributedOptimizer`, which stays."""

import pytest

from tinygrad_lite.engine.recording import modes


@pytest.fixture(autouse=True)
def no_observer_stays():
    before = modes.get()
    yield
    modes.set(before)
