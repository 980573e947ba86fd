"""What the engine promises of every graph, on every row of cases/ and of methods/."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, Case, Shapes
from every import every
from methods import ROWS as METHODS
from methods import Row, listed

from tinygrad_lite import Tensor, no_grad, record_source_lines
from tinygrad_lite.arrays.ownership import memory_owner
from tinygrad_lite.engine.function import Primitive
from tinygrad_lite.engine.graph import topological_order

every_row = every(CASES, lambda case: case.op.__name__)


@pytest.fixture
def without_gc() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run(case: Case, variant: Shapes) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Leaves, copies of them that may be written, and the result."""
    leaves = [Tensor(array, requires_grad=True) for array in case.inputs(variant)]
    inputs = [leaf.clone() for leaf in leaves]
    return leaves, inputs, case.call(*inputs)


def ops_of(result: Tensor) -> list[Primitive]:
    return [node for node in topological_order([result._node]) if isinstance(node, Primitive)]


def cotangent(result: Tensor) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(result.shape)


def gradients(leaves: list[Tensor]) -> list[np.ndarray]:
    return [leaf.grad.data for leaf in leaves]


@pytest.mark.usefixtures("without_gc")
@every_row
def test_a_dropped_graph_is_freed_without_gc(case: Case, variant: Shapes) -> None:
    leaves, inputs, result = run(case, variant)
    mine = {id(leaf.data) for leaf in leaves}
    found = [weakref.ref(result.data)]
    for op in ops_of(result):
        output = op.saved_output if isinstance(op.saved_output, tuple) else (op.saved_output,)
        saved = [x for x in (*op.saved_inputs, *output) if type(x) is np.ndarray]
        found += [weakref.ref(x) for x in saved if id(x) not in mine]
        del saved, output
    del inputs, result, op
    assert [array for array in found if array() is not None] == []


@every_row
def test_every_op_names_the_line_that_called_it(case: Case, variant: Shapes) -> None:
    leaves = [Tensor(array, requires_grad=True) for array in case.inputs(variant)]
    with record_source_lines():
        result = case.call(*leaves)
    for op in ops_of(result):
        assert Path(__file__).parent in Path(op.line).parents, op.line


@every_row
def test_backward_releases_and_a_second_one_says_so(case: Case, variant: Shapes) -> None:
    _, _, result = run(case, variant)
    ops = ops_of(result)
    result.backward(cotangent(result))
    assert all(op.freed and op.saved_output is None for op in ops)
    with pytest.raises(RuntimeError, match="were released by an earlier"):
        result.backward(cotangent(result))


def raised_by(result: Tensor, gradient: np.ndarray) -> str:
    """What the error of backward says; nothing if there is none."""
    try:
        result.backward(gradient)
    except RuntimeError as error:
        return str(error)
    return ""


@every_row
def test_an_input_changed_in_place_is_noticed_or_does_no_harm(case: Case, variant: Shapes) -> None:
    """Either backward raises, or no rule reads the input, and the gradients stay right."""
    leaves, _, result = run(case, variant)
    result.backward(cotangent(result))
    right = gradients(leaves)
    for position in range(len(leaves)):
        leaves, inputs, result = run(case, variant)
        with no_grad():
            inputs[position].detach().mul_(0.75)
        if np.shares_memory(result.data, inputs[position].data):
            continue  # the result was changed with it
        raised = raised_by(result, cotangent(result))
        if raised:
            assert "changed it in place afterwards" in raised
            assert Path(__file__).name in raised
        else:
            for found, expected in zip(gradients(leaves), right, strict=True):
                np.testing.assert_array_equal(found, expected)


@every_row
def test_a_result_changed_in_place_is_noticed_or_does_no_harm(case: Case, variant: Shapes) -> None:
    leaves, _, result = run(case, variant)
    result.backward(cotangent(result) * 0.5)
    right = gradients(leaves)
    leaves, inputs, result = run(case, variant)
    viewing = any(np.shares_memory(result.data, x.data) for x in inputs)
    if viewing or not result.data.flags.writeable:
        with pytest.raises(RuntimeError, match="view"):
            result *= 0.5
        return
    result *= 0.5
    raised = raised_by(result, cotangent(result))
    if raised:
        assert "changed it in place afterwards" in raised
    else:
        for found, expected in zip(gradients(leaves), right, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@every_row
def test_what_every_op_says_of_its_memory(case: Case, variant: Shapes) -> None:
    """`fresh` gradients are nobody else's, and results that share memory are linked as views."""
    _, inputs, result = run(case, variant)
    for tensor in inputs:
        if np.shares_memory(tensor.data, result.data):
            assert result._views is not None
            assert result._views is tensor._views
    op = result._node
    if not isinstance(op, Primitive) or not op.fresh:
        return
    given = cotangent(result)
    others = [given, result.data, *op.kept_arrays()]
    for gradient in op.pull_back(given):
        if gradient is None:
            continue
        assert type(gradient) is np.ndarray or not gradient.shape
        assert np.asarray(gradient).flags.writeable
        assert not any(memory_owner(gradient) is memory_owner(other) for other in others)
        others.append(gradient)


# Methods, which read `_data` here and there while they compose ops


every_method = every([row for row in METHODS if "f" in row.kinds], lambda row: row.method)


def call(row: Row, variant: Shapes) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Leaves, copies of them that may be written, and the results that have a gradient."""
    Tensor.manual_seed(0)
    leaves = [Tensor(array, requires_grad=True) for array in row.inputs(variant)]
    inputs = [leaf.clone() for leaf in leaves]
    return leaves, inputs, [x for x in listed(row.call(*inputs)) if x.requires_grad]


def total_of(results: list[Tensor]) -> Tensor:
    total = Tensor(0.0, dtype=np.float64)
    for result in results:
        total += (result * cotangent(result)).sum()
    return total


@every_method
def test_a_method_whose_input_is_changed_raises_or_is_right(row: Row) -> None:
    for variant in row.shapes:
        leaves, _, results = call(row, variant)
        if not results:
            continue
        total_of(results).backward()
        right = [leaf.grad for leaf in leaves]
        for position in range(len(leaves)):
            leaves, inputs, results = call(row, variant)
            if any(np.shares_memory(x.data, inputs[position].data) for x in results):
                continue
            total = total_of(results)
            with no_grad():
                inputs[position].detach().mul_(0.75)
            raised = raised_by(total, np.ones(()))
            if raised:
                assert "changed it in place afterwards" in raised
            else:
                for leaf, expected in zip(leaves, right, strict=True):
                    assert (leaf.grad is None) == (expected is None)
                    if expected is not None:
                        np.testing.assert_array_equal(leaf.grad.data, expected.data)


@every_method
def test_every_op_of_a_method_names_the_line_that_called_it(row: Row) -> None:
    with record_source_lines():
        _, _, results = call(row, row.shapes[0])
    for result in results:
        for op in ops_of(result):
            assert Path(__file__).parent in Path(op.line).parents, op.line
