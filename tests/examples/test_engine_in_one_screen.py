"""The engine in one screen: its gradients beside the library's and beside finite differences."""

import ast
import gc
import importlib.util
import re
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "engine_in_one_screen.py"
SCREEN = 75  # lines of code, without blank lines, comments and docstrings

spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
engine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(engine)
Tensor = engine.Tensor

ROW = np.array([0.5, -2.0, 3.0])


def cross_entropy(x, w, b, v):
    """Of an MLP; the library calls the second argument of sum keepdim."""
    scores = (x @ w + b).tanh() @ v
    log_probabilities = scores - scores.exp().sum(1, True).log()
    return -(log_probabilities * np.eye(3)[[2, 0, 1, 1]]).sum() / 4


PROGRAMS = {  # a function, and the shapes of its inputs
    "add": (lambda a, b: a + b, (2, 3), (2, 3)),
    "sub": (lambda a, b: a - b, (2, 3), (2, 3)),
    "mul": (lambda a, b: a * b, (2, 3), (2, 3)),
    "div": (lambda a, b: a / b, (2, 3), (2, 3)),
    "neg": (lambda x: -x, (3,)),
    "numbers": (lambda x: ((x + 3) * 2 - 1) / 4, (3,)),
    "numbers on the left": (lambda x: (1 - x) * (2 / x) + (3 + x) * (0.5 * x), (3,)),
    "arrays": (lambda x: ((x - ROW) / ROW + ROW) * ROW, (2, 3)),
    "arrays on the left": (lambda x: (ROW - x) * (ROW / x) + (ROW + x) * (ROW * x), (2, 1)),
    "powers": (lambda x: x**3 + x**-2 + x**0.5 + x**1, (2, 3)),
    "matmul": (lambda a, b: a @ b, (2, 3), (3, 4)),
    "matmul of stacks": (lambda a, b: a @ b, (3, 1, 2, 3), (2, 3, 3)),
    "exp": (lambda x: x.exp(), (2, 3)),
    "log": (lambda x: x.log(), (2, 3)),
    "tanh": (lambda x: x.tanh(), (2, 3)),
    "relu": (lambda x: (x - 1.2).relu(), (4, 5)),
    "sum of all": (lambda x: x.sum(), (2, 3)),
    "sum along an axis": (lambda x: x.sum(0) * x.sum(axis=-1).sum(), (2, 3)),
    "sum along an axis that stays": (lambda x: x / x.sum(1, True), (2, 3, 4)),
    "grid": (lambda a, b: a * b + a, (3, 1), (1, 4)),
    "axes in front": (lambda a, b: a / b - a, (4,), (2, 3, 1)),
    "number and array": (lambda a, b: a * b - a, (), (2, 3)),
    "sizes of 1": (lambda a, b: a * b, (1, 1), (1,)),
    "reuse": (lambda x: x * x + x, (3,)),
    "diamond": (lambda x: (x.exp() * x.tanh() + x.log()) * (x - 1).tanh(), (3,)),
    "diamonds": (lambda a, b: ((a + b) * (a - b)).tanh() * (a + b) / a, (2, 3), (3,)),
    "inner node used early and late": (lambda a: (b := a.exp()) * ((b * a).log() + b), (3,)),
    "cross entropy": (cross_entropy, (4, 2), (2, 5), (5,), (5, 3)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_are_the_librarys_and_the_finite_differences(name) -> None:
    program, *shapes = PROGRAMS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.5, 2, shape) for shape in shapes]
    moved = [array.copy() for array in arrays]
    weights = rng.normal(size=program(*arrays_as(Tensor, arrays)).data.shape)

    def total() -> float:
        return float((program(*arrays_as(Tensor, moved)).data * weights).sum())

    ours, theirs = (arrays_as(make, arrays) for make in (Tensor, tinygrad_lite.Tensor))
    values = [program(*inputs) for inputs in (ours, theirs)]
    np.testing.assert_allclose(values[0].data, values[1].data, rtol=1e-13, strict=True)
    for value in values:
        (value * weights).sum().backward()
    for x, theirs_x, array in zip(ours, theirs, moved, strict=True):
        np.testing.assert_allclose(x.grad, theirs_x.grad.data, rtol=1e-11, strict=True)
        for index in np.ndindex(array.shape):
            array[index] += 1e-6
            above = total()
            array[index] -= 2e-6
            difference = (above - total()) / 2e-6
            array[index] += 1e-6
            assert x.grad[index] == pytest.approx(difference, rel=1e-6, abs=1e-8)


def arrays_as(make, arrays):
    return [make(array, requires_grad=True) for array in arrays]


def test_neither_length_nor_paths_nor_freeing_need_recursion() -> None:
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(15_000):  # 30,000 operations, thirty times what recursion can do
        y = y * 1.0 + x
    y.backward()
    assert x.grad == 15_001
    del y
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(30):
        y = y + y
    y.backward()
    assert x.grad == 2**30


def test_relu_has_the_derivative_0_at_0() -> None:
    x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    (x.relu() * 3).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 3])


def test_a_second_backward_adds_to_the_leaves_alone() -> None:
    ours, theirs = (make(ROW, requires_grad=True) for make in (Tensor, tinygrad_lite.Tensor))
    for x in (ours, theirs, ours, theirs):
        (x * x).tanh().sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.data, rtol=1e-12)
    x = Tensor(3.0, requires_grad=True)
    y = x * 2
    loss = y * y
    for times in (1, 2, 3):
        loss.backward()
        assert x.grad == times * 24  # the second time 72, if y kept its gradient
    assert not hasattr(y, "grad")


def test_tensors_and_gradients_share_no_memory() -> None:
    a, b = arrays_as(Tensor, [ROW, ROW])
    (a + b).sum().backward()
    a.data[:] = a.grad[:] = 7
    np.testing.assert_array_equal(b.grad, [1, 1, 1])
    np.testing.assert_array_equal(ROW, [0.5, -2, 3])


def test_constants_are_left_out_of_the_graph() -> None:
    x, constant = Tensor(ROW, requires_grad=True), Tensor(ROW)
    assert [parent for parent, _ in (constant * x).parents] == [x]
    assert not (constant * 2 + 1).requires_grad
    for result in (x * 2, constant.sum()):
        with pytest.raises(ValueError, match="a single number that depends on a parameter"):
            result.backward()


def test_the_graph_is_freed_without_the_garbage_collector() -> None:
    w = Tensor([ROW], requires_grad=True)
    gc.disable()
    try:
        inner = (w.exp() / (1 + w**2)).tanh()
        loss = ((inner.relu() + 1).log() - (inner @ np.eye(3)).sum(0, True)).sum()
        loss.backward()
        seen = weakref.ref(inner)
        del inner
        assert seen() is not None
        del loss
        assert seen() is None
    finally:
        gc.enable()


def run(script: Path) -> tuple[int, list[str]]:
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_the_program_reaches_its_target_or_exits_with_1(tmp_path) -> None:
    status, (gradient, *progress, accuracy) = run(SCRIPT)
    assert status == 0
    pair = re.fullmatch(r"W1\[0, 0\]  backward (\S+)  finite difference (\S+)", gradient).groups()
    assert float(pair[0]) == pytest.approx(float(pair[1]), abs=2e-8)
    assert abs(float(pair[0])) > 1e-3
    losses = [float(line.split()[-1]) for line in progress]
    assert losses == pytest.approx([0.0544, 0.0270, 0.0172, 0.0123], rel=0.02)
    reached = re.fullmatch(r"two moons: test accuracy (\S+) % of 400 points", accuracy)[1]
    assert float(reached) >= engine.TARGET
    worse = tmp_path / "worse.py"
    worse.write_text(SCRIPT.read_text().replace("STEPS = 400", "STEPS = 4"))
    status, (*_, accuracy) = run(worse)
    assert status == 1
    assert float(accuracy.split()[4]) < engine.TARGET


def test_the_engine_fits_one_screen() -> None:
    parts = {getattr(part, "name", None): part for part in ast.parse(SCRIPT.read_text()).body}
    count = 0
    for name in ("Tensor", "as_tensor", "unbroadcast"):
        for node in ast.walk(parts[name]):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                del node.body[0]
        count += sum(line != "" for line in ast.unparse(parts[name]).splitlines())
    assert count <= SCREEN
