"""What holds for all tests."""

import signal

import pytest


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
