"""What holds for all tests.

After each module of tests, what is alive is frozen: later collections do not look at it.  A cycle
that is alive then is not collected when it is garbage later, so a ResourceWarning of what it holds
is never seen.
"""

import gc
import signal
from collections.abc import Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """The many thousand tests stay until the end: no collection need look at them again.

    Nor at those that are there already while more are made.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return (yield)
    finally:
        if was_enabled:
            gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def what_stays_of_a_module() -> Iterator[None]:
    """Reports of its tests, and what it imported: no collection of a later test looks at them."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def signals_that_are_ignored():
    """Behind `&` and nohup, Python starts, and starts children, with signals ignored.

    Tests that send them would wait for a program that never ends.
    """
    usual = {signal.SIGINT: signal.default_int_handler}
    if hasattr(signal, "SIGHUP"):
        usual[signal.SIGHUP] = signal.SIG_DFL
    ignored = [number for number in usual if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, usual[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
