"""Every row of methods/: value, gradients and dtype; and every wrong call of that table."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import Shapes
from every import every
from methods import (
    MISTAKES,
    ROWS,
    THEMES,
    Mistake,
    Row,
    activations,
    elementwise,
    listed,
    trigonometry,
)

from tinygrad_lite import Tensor, grad, gradcheck, gradgradcheck

# Public methods whose tests are not rows, and where they stand.
ELSEWHERE = {
    "from_array": "engine/test_tensor.py",
    "from_numpy": "engine/test_tensor.py",
    "sequential": "engine/test_tensor.py",
    "equal": "catalogue/test_numpy_elementwise.py",
    **dict.fromkeys(
        ("is_floating_point", "is_contiguous", "element_size"), "catalogue/test_casting.py"
    ),
    "item": "engine/test_tensor.py",
    "tolist": "engine/test_tensor.py",
    "dim": "engine/test_tensor.py",
    "numel": "engine/test_tensor.py",
    "size": "engine/test_tensor.py",
    "numpy": "engine/test_tensor.py",
    "requires_grad_": "engine/test_tensor.py",
    "detach": "engine/test_tensor.py",
    "retain_grad": "engine/test_tensor.py",
    "register_hook": "engine/test_hooks.py",
    "zero_grad": "engine/test_tensor.py",
    "mark_changed": "engine/test_inplace.py",
    "backward": "engine/test_graph.py",
    "allclose": "catalogue/test_numpy_elementwise.py",
    "manual_seed": "engine/test_tensor.py",
    **dict.fromkeys(
        (
            *("rand", "rand_like", "randn", "randn_like", "uniform", "scaled_uniform", "normal"),
            *("glorot_uniform", "kaiming_uniform", "kaiming_normal"),
            *("randint", "randperm", "bernoulli", "multinomial"),
        ),
        "catalogue/test_random.py",
    ),
    **dict.fromkeys(
        (
            *("add_", "sub_", "mul_", "div_", "copy_", "fill_", "zero_", "masked_fill_"),
            *("addcmul_", "addcdiv_", "lerp_", "clamp_"),
        ),
        "engine/test_inplace.py",
    ),
}

DTYPES = {"f": np.float64, "i": np.int64, "b": np.bool_}
every_row = every(ROWS, lambda row: row.method)


def public_methods() -> set[str]:
    """Every method of Tensor whose name has no underscore in front."""
    return {
        name
        for cls in Tensor.__mro__
        if cls.__module__.startswith("tinygrad_lite")
        for name, value in vars(cls).items()
        if not name.startswith("_") and not isinstance(value, property) and callable_member(value)
    }


def callable_member(value: Any) -> bool:
    return callable(value) or isinstance(value, (staticmethod, classmethod))


def leaves(arrays: list[np.ndarray]) -> list[Tensor]:
    return [Tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]


def close(found: Any, expected: Any, rtol: float) -> None:
    for tensor, value in zip(listed(found), listed(expected), strict=True):
        value = np.asarray(value)
        assert type(tensor.data) is np.ndarray
        assert tensor.shape == value.shape
        np.testing.assert_allclose(tensor.data, value, rtol=rtol, atol=rtol)


def test_the_table_is_complete_both_ways() -> None:
    rows = {row.method for row in ROWS}
    assert not rows & set(ELSEWHERE)
    assert rows | set(ELSEWHERE) == public_methods()


def test_the_rows_of_each_file_of_methods_are_one_file() -> None:
    for theme in THEMES:
        for row in getattr(theme, "ROWS", ()):
            method = inspect.unwrap(getattr(Tensor, row.method))
            assert method.__globals__["__name__"] == theme.__name__.replace(
                "methods", "tinygrad_lite.methods", 1
            )


def test_what_stands_elsewhere_is_there() -> None:
    folder = Path(__file__).parents[1]
    for name, file in ELSEWHERE.items():
        assert f".{name}(" in (folder / file).read_text(), name


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}


@every_row
def test_the_row_calls_its_method(row: Row) -> None:
    method, calls = getattr(Tensor, row.method), []

    def spy(*inputs: Any, **options: Any) -> Any:
        calls.append(row.method)
        return method(*inputs, **options)

    own = inspect.isfunction(inspect.getattr_static(Tensor, row.method))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, row.method, spy if own else staticmethod(spy))
        row.call(*leaves(row.inputs(row.shapes[0], DTYPES[row.kinds[0]])))
    assert calls


@every_row
def test_value(row: Row, variant: Shapes) -> None:
    for kind in row.kinds:
        arrays = row.inputs(variant, DTYPES[kind])
        given = [array.copy() for array in arrays]
        tensors = leaves(arrays)
        results = row.call(*tensors)
        close(results, row.reference(*arrays), row.rtol)
        for tensor, array in zip(tensors, given, strict=True):
            np.testing.assert_array_equal(tensor.data, array)  # nothing was written
        if row.constant or kind != "f":
            assert not any(result.requires_grad for result in listed(results))
        elif tensors:
            assert any(result.requires_grad for result in listed(results))


@every_row
def test_gradients(row: Row, variant: Shapes) -> None:
    if row.constant or "f" not in row.kinds:
        return

    def floats(*tensors: Tensor) -> Any:
        kept = [result for result in listed(row.call(*tensors)) if result.dtype.kind == "f"]
        return kept[0] if len(kept) == 1 else tuple(kept)

    assert gradcheck(floats, leaves(row.inputs(variant)))
    assert gradgradcheck(floats, leaves(row.inputs(variant)))


@every(ROWS, lambda row: row.method, dtype=[np.float16, np.float32])
def test_dtype_stays(row: Row, variant: Shapes, dtype: type) -> None:
    """Narrow floats stay what they are, values are close, and gradients have the leaf's dtype."""
    if "f" not in row.kinds or row.casts:
        return
    arrays = row.inputs(variant, dtype)
    tensors = leaves(arrays)
    results = listed(row.call(*tensors))
    exact = listed(row.reference(*(array.astype(np.float64) for array in arrays)))
    tolerance = {np.float16: 2e-2, np.float32: 5e-5}[dtype]
    for result, value in zip(results, exact, strict=True):
        if result.dtype.kind == "f":
            assert result.dtype == dtype
            np.testing.assert_allclose(result.data, value, rtol=tolerance, atol=tolerance)
    recorded = [result for result in results if result.requires_grad]
    for position, result in enumerate(recorded):
        result.backward(np.ones(result.shape, dtype), retain_graph=position < len(recorded) - 1)
    for tensor in tensors:
        if recorded and tensor.grad is not None:
            assert type(tensor.grad.data) is np.ndarray
            assert tensor.grad.dtype == dtype
            assert tensor.grad.shape == tensor.shape


# Methods that also read an array of another order: a mask, what was drawn, another half.
WITH_ANOTHER = {"dropout", "glu", "masked_fill", "where"}


@every([*activations.ROWS, *elementwise.ROWS, *trigonometry.ROWS], lambda row: row.method)
def test_the_order_of_the_memory_stays(row: Row, variant: Shapes) -> None:
    """Elementwise, on one tensor: to combine arrays of two orders would take far longer."""
    sizes = variant[0] if variant else ()
    if row.method in WITH_ANOTHER or len(variant) != 1 or len(sizes) < 2 or min(sizes) < 2:
        return
    x = Tensor.from_array(np.asfortranarray(row.inputs(variant)[0])).requires_grad_()
    y = row.call(x)
    assert y.data.flags.f_contiguous
    if not row.constant:
        y.backward(np.ones_like(y.data))
        assert x.grad.data.flags.f_contiguous


def test_of_several_results_none_is_made_of_another() -> None:
    """Or the gradient of one would hold that of the other, when somebody asks for it."""
    several = 0
    for row in ROWS:
        if "f" not in row.kinds or row.note == "without signs":  # those go on computing
            continue
        for variant in row.shapes:
            results = listed(row.call(*leaves(row.inputs(variant))))
            recorded = [y for y in results if y.requires_grad]
            several += len(recorded) > 1
            for y in recorded:
                others = [x for x in recorded if x is not y]
                start = np.ones(y.shape, y.dtype)
                found = grad(y, others, start, retain_graph=True, allow_unused=True)
                assert found == (None,) * len(others), row.name
    assert several > 10


def test_many_wrong_calls_are_listed() -> None:
    assert len(MISTAKES) >= 60


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.line[:60])
def test_what_a_wrong_call_prints(mistake: Mistake) -> None:
    with pytest.raises(mistake.error) as caught:
        mistake.call()
    assert type(caught.value) is mistake.error
    assert str(caught.value) == mistake.line
    assert "\n" not in mistake.line
