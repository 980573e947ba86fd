"""What keeps memory alive: the arrays that a graph keeps, and who holds it, in words."""

import gc
import sys
import threading
import weakref
from collections import deque

import numpy as np

import nn
from tinygrad_lite import Function, Tensor, cost, keep_values, profile

held_by_the_module: list[Tensor] = []


def graph(size: int = 1000) -> Tensor:
    return (Tensor(np.ones(size), requires_grad=True).exp() * 2.0).sum()


def holders(loss: Tensor) -> list[str]:
    return [words for words in cost(loss).alive().holders if "in holders()" not in words]


def test_the_largest_arrays_come_first_with_who_needs_them() -> None:
    x = Tensor(np.ones((50, 20), np.float32))
    w = Tensor(np.ones((20, 4), np.float32), requires_grad=True)
    loss = (x @ w).exp().sum()
    alive = cost(loss).alive()
    assert [array.bytes for array in alive.arrays] == [4000, 800]
    assert alive.bytes == 4800
    assert alive.parameters == 0
    first, second = alive.arrays
    assert (first.shape, first.dtype, first.op) == ((50, 20), "float32", "Matmul")
    assert (
        str(first) == " 4.00 kB  (50, 20) float32: Matmul keeps its input a for the gradient of b"
    )
    assert str(second) == "   800 B  (50, 4) float32: Exp keeps its result for the gradient of x"
    assert str(alive).startswith("4.80 kB are kept for the backward pass, in 2 arrays.\n")
    loss.backward()
    alive = cost(loss).alive()
    assert alive.arrays == []
    assert str(alive).startswith("Nothing is kept for the backward pass.")


def test_lines_and_modules_where_they_are_known() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
    with keep_values():
        loss = model(np.ones((5, 4), np.float32)).sum()
    first = cost(loss).alive().arrays[0]
    assert first.module == "Sequential.1"
    assert first.line.startswith(f"{__file__}:")
    assert f"(Sequential.1, {__file__}:" in str(first)


def test_variables_lists_attributes_and_functions_are_named() -> None:
    global held_by_the_module

    class Trainer:
        def __init__(self) -> None:
            self.history = {"losses": []}

    class Slim:
        __slots__ = ("best", "worst")

    loss = graph()
    assert holders(loss)[-1:] == [f"the tensor `loss` in {sys._getframe().f_code.co_name}()"]
    losses, trainer, slim = [loss], Trainer(), Slim()
    trainer.history["losses"].append(loss)
    slim.best = Trainer.last = loss
    held_by_the_module = [loss]
    recent = deque([loss])

    def later() -> float:
        return loss.item()

    def produced():
        inside = loss
        yield inside

    running = produced()
    next(running)
    found = holders(loss)
    name = "test_variables_lists_attributes_and_functions_are_named"
    assert set(found) >= {
        f"the tensor `loss` in {name}()",
        f"the list `losses` in {name}()",
        f"the deque `recent` in {name}()",
        f"the attribute `best` of the Slim `slim` in {name}()",
        "the attribute `last` of the class Trainer",
        f"the list `held_by_the_module` of {__name__}",
    }
    assert any("history" in words and "Trainer" in words for words in found), found
    assert any("produced" in words for words in found), found
    assert any("later" in words for words in found), found
    assert not any("0x" in words for words in found)
    held_by_the_module = []
    del losses, recent


def test_a_total_that_keeps_every_graph() -> None:
    w = Tensor(np.ones(1000), requires_grad=True)
    total = Tensor(0.0)
    with profile() as ledger:
        for _ in range(3):
            total = total + w.exp().sum()
    alive = ledger.alive()
    assert alive.bytes == 3 * 8000
    assert alive.holders == ["the tensor `total` in test_a_total_that_keeps_every_graph()"]
    del total
    assert ledger.alive().arrays == []
    assert ledger.alive().holders == []


def test_looking_keeps_nothing_alive() -> None:
    def inner() -> weakref.ref:
        loss = graph()
        holders(loss)
        watch = weakref.ref(loss)
        del loss
        assert watch() is None
        return watch

    gc.disable()
    try:
        outer = graph()
        inner()
        watch = weakref.ref(outer)
        del outer
        assert watch() is None
    finally:
        gc.enable()


def test_another_thread_holds_it() -> None:
    ready, done = threading.Event(), threading.Event()
    made = []

    def work() -> None:
        mine = graph()
        made.append(weakref.ref(mine))
        ready.set()
        done.wait()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    try:
        assert "the tensor `mine` in work()" in holders(made[0]())
    finally:
        done.set()
        thread.join()


def test_options_of_your_own_ops_count() -> None:
    class Scaled(Function):
        def __init__(self, table):
            self.table = table

        def forward(self, x):
            return x * self.table

        def backward(self, g, y, x):
            return (g * self.table,)

    y = Scaled.apply(Tensor(np.ones(100), requires_grad=True), table=np.ones(100))
    (array,) = cost(y).alive().arrays
    assert (array.bytes, array.what) == (800, "its table")
