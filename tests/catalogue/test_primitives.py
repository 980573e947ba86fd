"""Every check of every row of catalogue/cases, and that the table is complete both ways."""

import numpy as np
import pytest
from cases import CASES, THEMES, Case, Shapes
from every import every, naming

from tinygrad_lite import Tensor, gradcheck, gradgradcheck
from tinygrad_lite.ops import primitives


def op_of(case: Case) -> str:
    return case.op.__name__


every_row = every(CASES, op_of)


def leaves(arrays: list[np.ndarray]) -> list[Tensor]:
    return [Tensor(array, requires_grad=True) for array in arrays]


def test_the_table_is_complete_both_ways() -> None:
    assert set(primitives()) == {case.op for case in CASES}


def test_the_rows_of_each_file_of_ops_are_one_file() -> None:
    for theme in THEMES:
        file = theme.__name__.replace("cases", "tinygrad_lite.ops")
        assert {case.op.__module__ for case in theme.CASES} == {file}


def test_every_primitive_says_its_formula() -> None:
    for op in primitives():
        assert op.__doc__
        assert " = " in op.__doc__.splitlines()[0] or "rule" in op.__doc__, op


@every_row
def test_value(case: Case, variant: Shapes) -> None:
    arrays = case.inputs(variant)
    result = case.call(*leaves(arrays))
    expected = np.asarray(case.reference(*arrays))
    assert type(result.data) is np.ndarray
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.data, expected, rtol=case.rtol, atol=case.rtol)


@every_row
def test_the_row_reaches_its_primitive(case: Case, variant: Shapes) -> None:
    result = case.call(*leaves(case.inputs(variant)))
    found, stack = set(), [result._node]
    while stack:
        node = stack.pop()
        found.add(type(node))
        stack.extend(parent for parent in node.parents if parent is not None)
    assert case.op in found


@every_row
def test_gradient(case: Case, variant: Shapes) -> None:
    assert gradcheck(case.call, leaves(case.inputs(variant)))


@every_row
def test_second_order(case: Case, variant: Shapes) -> None:
    assert gradgradcheck(case.call, leaves(case.inputs(variant)))


@every_row
def test_needs_are_respected(case: Case, variant: Shapes) -> None:
    """The gradient of each input alone is the one it gets together with the others."""
    arrays = case.inputs(variant)
    together = leaves(arrays)
    result = case.call(*together)
    cotangent = np.random.default_rng(0).standard_normal(result.shape)
    result.backward(cotangent)
    for position, tensor in enumerate(together):
        alone = [
            Tensor(array, requires_grad=index == position) for index, array in enumerate(arrays)
        ]
        case.call(*alone).backward(cotangent)
        np.testing.assert_array_equal(alone[position].grad.data, tensor.grad.data)
        assert all(other.grad is None for other in alone if other is not alone[position])


def slope_of_reference(case: Case, arrays: list, directions: list, cotangent: np.ndarray) -> float:
    """d/dt of sum(cotangent * reference(x + t direction)) at 0, by central differences."""
    step = 1e-6
    ahead, behind = (
        np.asarray(case.reference(*(a + s * d for a, d in zip(arrays, directions, strict=True))))
        for s in (step, -step)
    )
    return float((cotangent * (ahead - behind)).sum() / (2 * step))


LAYOUTS = {
    "transposed": lambda x: np.array(x.T, order="C").T,
    "Fortran": lambda x: np.array(x, order="F"),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy(),
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1] if x.ndim else x.copy(),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}


@every_row
def test_layout(case: Case, variant: Shapes) -> None:
    """However the inputs lie in memory, values and gradients are those of NumPy's formula."""
    arrays = case.inputs(variant)
    expected = np.asarray(case.reference(*arrays))
    rng = np.random.default_rng(1)
    cotangent = rng.standard_normal(expected.shape)
    directions = [rng.standard_normal(array.shape) for array in arrays]
    expected_slope = slope_of_reference(case, arrays, directions, cotangent)
    for layout, laid_out in LAYOUTS.items():
        with naming(layout):
            tensors = leaves(arrays)
            for tensor, array in zip(tensors, arrays, strict=True):
                tensor.data = laid_out(array)
                np.testing.assert_array_equal(tensor.data, array)
            result = case.call(*tensors)
            np.testing.assert_allclose(result.data, expected, rtol=case.rtol, atol=case.rtol)
            result.backward(cotangent)
            slope = sum(
                float((tensor.grad.data * direction).sum())
                for tensor, direction in zip(tensors, directions, strict=True)
            )
            assert slope == pytest.approx(expected_slope, rel=1e-6, abs=1e-7)


@every(CASES, op_of, dtype=[np.float16, np.float32, np.float64])
def test_dtype_stays(case: Case, variant: Shapes, dtype: type) -> None:
    arrays = case.inputs(variant, dtype)
    tensors = leaves(arrays)
    result = case.call(*tensors)
    assert result.dtype == dtype
    tolerance = {np.float16: 2e-2, np.float32: 2e-5, np.float64: case.rtol}[dtype]
    exact = case.reference(*(array.astype(np.float64) for array in arrays))
    np.testing.assert_allclose(result.data, exact, rtol=tolerance, atol=tolerance)
    result.backward(np.ones(result.shape, dtype))
    for tensor, array in zip(tensors, arrays, strict=True):
        assert type(tensor.grad.data) is np.ndarray
        assert tensor.grad.dtype == dtype
        assert tensor.grad.shape == array.shape


@every(CASES, op_of, dtype=[np.float16, np.float32])
def test_dtype_stays_inside_the_graph(case: Case, variant: Shapes, dtype: type) -> None:
    """A leaf casts what arrives; here the rule itself must give the dtype of its input."""
    result = case.call(*leaves(case.inputs(variant, dtype)))
    node = result._node
    if isinstance(node, case.op):
        with np.errstate(all="ignore"):
            gradients = node.pull_back(np.ones(result.shape, dtype))
        assert {gradient.dtype for gradient in gradients if gradient is not None} == {
            np.dtype(dtype)
        }


@every_row
def test_nothing_is_mutated_and_nothing_shared(case: Case, variant: Shapes) -> None:
    arrays = case.inputs(variant)
    tensors = leaves(arrays)
    result = case.call(*tensors)
    cotangent = np.random.default_rng(2).standard_normal(result.shape)
    given = cotangent.copy()
    result.backward(given)
    np.testing.assert_array_equal(given, cotangent)
    for tensor, array in zip(tensors, arrays, strict=True):
        np.testing.assert_array_equal(tensor.data, array)
        assert not np.shares_memory(tensor.data, array)
        if case.copies:
            assert not np.shares_memory(result.data, tensor.data)
    gradients = [tensor.grad.data for tensor in tensors]
    owned = [given, *arrays, *(tensor.data for tensor in tensors), result.data]
    for position, gradient in enumerate(gradients):
        assert gradient.flags.writeable
        for other in (*owned, *gradients[:position]):
            assert not np.shares_memory(gradient, other)
