"""What holds for all tests leaves Python as it was."""

import gc
from pathlib import Path

import pytest


@pytest.mark.parametrize("enabled", [True, False])
def test_making_the_tests_leaves_the_collector_on_or_off(pytestconfig, enabled):
    path = Path(__file__).with_name("conftest.py")
    making = pytestconfig.pluginmanager.get_plugin(str(path)).pytest_collection()
    before = gc.isenabled()
    set_to = {True: gc.enable, False: gc.disable}
    try:
        set_to[enabled]()
        next(making)
        assert not gc.isenabled()
        making.close()
        assert gc.isenabled() == enabled
    finally:
        set_to[before]()
