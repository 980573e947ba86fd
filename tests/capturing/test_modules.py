"""What a step reads from other modules: settings, helpers, a model, arrays."""

import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from capturing.test_calls import bits

import nn
from tinygrad_lite import Tensor, capture

CODE = """
from functools import partial
import numpy as np
import nn
from tinygrad_lite import Tensor

class K:
    scale = 2.0

class Config:
    def __init__(self):
        self.scale = 3.0

noise, depth, flag = 1.0, 2, False
cfg = {"scale": 0.5}
shift, weights = Tensor([1.0, 2.0, 3.0]), np.ones(3, np.float32)
config, model = Config(), nn.BatchNorm1d(3)

def get():
    return noise

def helper(x):
    return x * K.scale + depth

double = partial(helper)
"""


@pytest.fixture
def conf(monkeypatch):
    """A package `made` with the module `made.conf`, as a user would write it."""
    package, module = ModuleType("made"), ModuleType("made.conf")
    package.__path__ = []
    package.conf = module
    exec(CODE, vars(module))
    module.second = ModuleType("made.second")
    module.second.noise = 7.0
    monkeypatch.setitem(sys.modules, "made", package)
    monkeypatch.setitem(sys.modules, "made.conf", module)
    return module


def put(container, name, value):
    if isinstance(container, dict):
        container[name] = value
    else:
        setattr(container, name, value)


# What the step computes, and what is done between two calls.
READS = {
    "number": ("x + conf.noise", lambda c: put(c, "noise", 5.0)),
    "by name": ("x + getattr(conf, 'noise')", lambda c: put(c, "noise", 5.0)),
    "of its dict": ("x + vars(conf)['noise']", lambda c: put(c, "noise", 5.0)),
    "of its package": ("x + made.conf.noise", lambda c: put(c, "noise", 5.0)),
    "of another one": ("x + made.conf.noise", lambda c: put(sys.modules["made"], "conf", c.second)),
    "of sys.modules": ("x + sys.modules['made.conf'].noise", lambda c: put(c, "noise", 5.0)),
    "function": ("x + conf.get()", lambda c: put(c, "noise", 5.0)),
    "another function": ("x + conf.get()", lambda c: put(c, "get", lambda: 7.0)),
    "deep": ("conf.helper(x)", lambda c: put(c, "depth", 5)),
    "class": ("conf.double(x)", lambda c: put(c.K, "scale", 5.0)),
    "attribute": ("x * conf.config.scale", lambda c: put(c.config, "scale", 5.0)),
    "dict": ("x * conf.cfg['scale']", lambda c: put(c.cfg, "scale", 5.0)),
    "branch": ("x.exp() if conf.flag else x", lambda c: put(c, "flag", True)),
    "absent": ("x.exp() if hasattr(conf, 'new') else x", lambda c: put(c, "new", True)),
    "tensor": ("x + conf.shift", lambda c: put(c, "shift", Tensor([4.0, 5.0, 6.0]))),
    "array": ("x * Tensor(conf.weights)", lambda c: put(c, "weights", np.full(3, 4, np.float32))),
    "in place": ("x + conf.shift", lambda c: np.copyto(c.shift.data, 9)),
    "model in eval": ("conf.model(x)", lambda c: c.model.eval()),
    "another model": ("conf.model(x)", lambda c: put(c, "model", nn.Linear(3, 2))),
    "imported inside": ("imported(x)", lambda c: put(c, "noise", 5.0)),
    "a name from it": ("imported_name(x)", lambda c: put(c, "noise", 5.0)),
    "global by its name": ("x + globals()['RATE']", lambda c: put(globals(), "RATE", 3.0)),
    "this module": ("x + sys.modules[__name__].RATE", lambda c: put(globals(), "RATE", 3.0)),
}
RATE = 1.0


def imported(x):
    import made.conf

    return x + made.conf.noise


def imported_name(x):
    from made.conf import noise

    return x + noise


@pytest.mark.parametrize("name", READS)
def test_what_a_module_holds_is_seen(name, conf, monkeypatch):
    text, change = READS[name]
    monkeypatch.setitem(globals(), "RATE", 1.0)
    monkeypatch.setitem(globals(), "conf", conf)
    monkeypatch.setitem(globals(), "made", sys.modules["made"])
    fn = eval(f"lambda x: {text}", globals())
    step = capture(fn)
    rng = np.random.default_rng(0)
    for call in range(8):
        if call == 5:
            change(conf)
        x = Tensor(rng.standard_normal((4, 3), dtype=np.float32))
        expected = bits(fn(x).detach())
        assert bits(step(x)) == expected, call
    assert step.eager is None


def test_a_package_of_files(tmp_path, monkeypatch):
    files = {
        "__init__": "",
        "settings": "gain = 2.0",
        "steps": (
            "def relative(x):\n"
            "    from . import settings\n"
            "    return x * settings.gain\n"
            "def deeper(x):\n"
            "    from .settings import gain\n"
            "    return x * gain\n"
            "def chosen(x, name='gain'):\n"
            "    from importlib import import_module\n"
            "    return x * getattr(import_module('pack_of_files.settings'), name)\n"
        ),
    }
    (tmp_path / "pack_of_files").mkdir()
    for name, text in files.items():
        (tmp_path / "pack_of_files" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    steps, settings = map(import_module, ("pack_of_files.steps", "pack_of_files.settings"))
    x = Tensor([1.0, 2.0])
    for fn in (steps.relative, steps.deeper, steps.chosen):
        settings.gain = 2.0
        step = capture(fn, strict=True)
        for call in range(8):
            settings.gain += call == 5
            assert bits(step(x)) == bits(fn(x)), fn
        assert step.plans
