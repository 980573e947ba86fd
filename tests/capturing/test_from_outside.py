"""What a step reads from around it, and what changes there between calls."""

import os
import types
from array import array
from collections import ChainMap, UserDict, UserList, deque
from contextvars import ContextVar
from operator import attrgetter, itemgetter, methodcaller

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, capture

CONFIG = types.ModuleType("config")
VARIABLE = ContextVar("variable", default=2.0)


class Options:
    def __init__(self):
        self.gain = 2.0

    def scaled(self, factor):
        return self.gain * factor


def of_a_module():
    CONFIG.gain, CONFIG.shift = 2.0, Tensor([1.0, 2.0])

    def change():
        CONFIG.gain, CONFIG.shift = 3.0, Tensor([5.0, 6.0])

    return lambda x: x * CONFIG.gain + CONFIG.shift, change


def of_a_function_in_a_module():
    exec("gain = 2.0\ndef scaled(x): return x * gain", vars(CONFIG))
    return lambda x: CONFIG.scaled(x), lambda: setattr(CONFIG, "gain", 3.0)


def of_getters():
    options, numbers = Options(), [2.0]
    gain, scaled, first = attrgetter("gain"), methodcaller("scaled", 2.0), itemgetter(0)

    def change():
        options.gain, numbers[0] = 3.0, 4.0

    return lambda x: x * gain(options) + scaled(options) * first(numbers), change


def of_a_context():
    VARIABLE.set(2.0)
    return lambda x: x * VARIABLE.get(), lambda: VARIABLE.set(3.0)


def of_the_environment():
    os.environ["GAIN_OF_THE_TEST"] = "2"

    def change():
        os.environ["GAIN_OF_THE_TEST"] = "3"

    return lambda x: x * float(os.environ["GAIN_OF_THE_TEST"]), change


def scaled(x, gain=2.0, *, shift=1.0):
    return x * gain + shift


def of_defaults():
    scaled.__defaults__, scaled.__kwdefaults__["shift"] = (2.0,), 1.0

    def change():
        scaled.__defaults__, scaled.__kwdefaults__["shift"] = (3.0,), 5.0

    return lambda x: scaled(x), change


def of_code():
    def helper(x):
        return x * 2

    def other(x):
        return x * 3

    return lambda x: helper(x), lambda: setattr(helper, "__code__", other.__code__)


def of_the_order_of_a_dict():
    numbers = {"a": 2.0, "b": 3.0}

    def step(x):
        for number in numbers.values():
            x = x * number + 1
        return x

    def change():
        numbers["a"] = numbers.pop("a")

    return step, change


def of_a_set():
    numbers = {2.0}

    def change():
        numbers.clear()
        numbers.add(3.0)

    return lambda x: x * sum(numbers), change


def of_other_containers():
    named, listed, chained = UserDict(gain=2.0), UserList([1.0]), ChainMap({}, {"a": 1.0})

    def change():
        named["gain"], listed[0], chained.maps[1]["a"] = 3.0, 4.0, 5.0

    return lambda x: x * named["gain"] + listed[0] * chained["a"], change


class Names(dict):
    __getattr__ = dict.__getitem__


def of_names_as_attributes():
    names = Names(gain=2.0)
    return lambda x: x * names.gain, lambda: names.update(gain=3.0)


def of_memory():
    doubles, octets, objects = array("d", [2.0]), bytearray(b"\1"), np.array([2.0], dtype=object)
    records = np.array([(2.0,)], dtype=[("gain", float)])

    def change():
        doubles[0], octets[0], objects[0], records["gain"][0] = 3.0, 4, 5.0, 6.0

    return lambda x: x * doubles[0] + octets[0] * objects[0] * float(records["gain"][0]), change


def of_a_long_queue():
    queue = deque(range(400), maxlen=400)
    return lambda x: x * queue[-1], lambda: queue.append(7)


def of_a_tuple():
    held = np.array([2.0, 3.0]), 1.0
    return lambda x: x * held[0][0] + held[0].sum(), lambda: held[0].fill(5.0)


@pytest.mark.parametrize(
    "make", [each for name, each in list(globals().items()) if name[:3] == "of_"]
)
def test_what_changes_between_calls(make):
    found = []
    for wrap in (lambda fn: fn, lambda fn: capture(fn, strict=True)):
        step, change = make()
        step, results = wrap(step), []
        for number in range(8):
            if number == 4:
                change()
            results.append(step(Tensor([1.0 + number, 2.0])).data.tobytes())
        found.append(results)
    assert found[0] == found[1]
    assert step.plans


@pytest.mark.parametrize(("kind", "name"), [(nn.ReLU, "forward"), (Tensor, "exp")])
def test_methods_of_the_library_that_are_replaced(kind, name, monkeypatch):
    layer, w = nn.ReLU(), Tensor([1.0, 2.0], requires_grad=True)
    step = capture(lambda x: layer(x) * (w * 2).exp(), strict=True)
    x = Tensor([1.0, -2.0])
    before = [step(x).tolist() for _ in range(4)][-1]
    monkeypatch.setattr(kind, name, lambda self, x=None: (self if x is None else x) * 3)
    assert step(x).tolist() != before
    monkeypatch.undo()
    assert [step(x).tolist() for _ in range(3)] == [before] * 3


def test_gradients_through_a_step_that_another_one_calls():
    w = Tensor([1.0, 2.0], requires_grad=True)
    inner = capture(lambda x: (x * w).tanh())

    def outer(x):
        w.grad = None
        (inner(x) * w).sum().backward()

    found = []
    for step in (capture(outer, strict=True), outer):
        inner = inner if step is not outer else inner.fn
        grads = []
        for number in range(5):
            step(Tensor([1.0 + number, 0.5]))
            grads.append(w.grad.data.tobytes())
        found.append(grads)
    assert found[0] == found[1]
