"""No value enters an integer dtype that lacks it: every way in, against Python's exact integers."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from every import each

from tinygrad_lite import Tensor

INTEGERS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
HERE = np.array([True, False, False])


def limits(dtype: Any) -> tuple[int, int]:
    """The smallest and the largest integer of a dtype, by the definition of two's complement."""
    bits = 8 * np.dtype(dtype).itemsize
    return (
        (0, 2**bits - 1) if np.dtype(dtype).kind == "u" else (-(2 ** (bits - 1)), 2**bits // 2 - 1)
    )


def written(x: Tensor, index: Any, value: Any) -> Tensor:
    x[index] = value
    return x


# Each way in: a function of a tensor of three elements and a number, whose result holds the number.
NUMBERS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "Tensor": lambda x, v: Tensor(v, dtype=x.dtype),
    "Tensor of a list": lambda x, v: Tensor([[1], [v]], dtype=x.dtype),
    "full": lambda x, v: Tensor.full((2,), v, dtype=x.dtype),
    "full_like": lambda x, v: x.full_like(v),
    "np.full_like": lambda x, v: np.full_like(x, v),
    "arange": lambda x, v: Tensor.arange(v, v + 1, dtype=x.dtype),
    "x[i] = v": lambda x, v: written(x, 0, v),
    "fill_": lambda x, v: x.fill_(v),
    "copy_": lambda x, v: x.copy_(v),
    "masked_fill": lambda x, v: x.masked_fill(HERE, v),
    "masked_fill_": lambda x, v: x.masked_fill_(HERE, v),
    "index_fill": lambda x, v: x.index_fill(0, [0], v),
    "scatter": lambda x, v: x.scatter(0, [0], v),
    "scatter_add": lambda x, v: (x * 0).scatter_add(0, [0], v),
    "pad": lambda x, v: x.pad((1, 1), value=v),
    "np.pad": lambda x, v: np.pad(x, 1, constant_values=v),
    "where": lambda x, v: Tensor(HERE).where(v, x),
    "np.where": lambda x, v: np.where(HERE, v, x),
    "+": lambda x, v: x * 0 + v,
    "+ on the left": lambda x, v: v + x * 0,
    "+=": lambda x, v: (x * 0).add_(v),
    "|": lambda x, v: x * 0 | v,
    "clamp from above": lambda x, v: x.fill_(limits(x.dtype)[1]).clamp(None, v),
    "clamp from below": lambda x, v: x.fill_(limits(x.dtype)[0]).clamp(v),
}

# Each way in for an array or a tensor of three elements.
ARRAYS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "Tensor": lambda x, v: Tensor(v, dtype=x.dtype),
    "x[...] = v": lambda x, v: written(x, ..., v),
    "x[[0, 1, 2]] = v": lambda x, v: written(x, [0, 1, 2], v),
    "copy_": lambda x, v: x.copy_(v),
    "masked_fill": lambda x, v: x.masked_fill([True, True, True], v),
    "cast": lambda x, v: Tensor(v).cast(x.dtype),
    "astype": lambda x, v: Tensor(v).astype(x.dtype),
    "np.astype": lambda x, v: np.astype(Tensor(v), x.dtype),
    "sum": lambda x, v: Tensor(v).reshape(3, 1).sum(1, dtype=x.dtype),
    "cumsum": lambda x, v: Tensor(v).reshape(3, 1).cumsum(1, dtype=x.dtype).reshape(3),
}


@pytest.mark.parametrize("name", NUMBERS)
@each(dtype=INTEGERS)
def test_a_number_that_fits_is_kept_and_the_next_one_is_refused(name: str, dtype: Any) -> None:
    for value, step in zip(limits(dtype), (-1, 1), strict=True):
        x = Tensor(np.ones(3, dtype))
        result = NUMBERS[name](x, value)
        assert result.dtype == dtype
        assert value in result.flatten().tolist()
        beyond = value + step
        line = rf"\S.*: {beyond} does not fit into {np.dtype(dtype)}, which holds -?\d+ to \d+"
        with pytest.raises(ValueError, match=f"^{line}(; cast the tensor first)?$"):
            NUMBERS[name](Tensor(np.ones(3, dtype)), beyond)


# Where a float makes the result a float, or is refused by its kind.
PROMOTING = {"scatter", "scatter_add", "masked_fill_", "where", "np.where", "+", "+ on the left"}
PROMOTING |= {"+=", "|", "arange", "clamp from above", "clamp from below"}


@pytest.mark.parametrize("name", [name for name in NUMBERS if name not in PROMOTING])
@each(value=[np.nan, np.inf, -np.inf, 1e30, np.float32(np.nan)])
def test_what_is_no_integer_is_refused(name: str, value: float) -> None:
    with pytest.raises(
        ValueError, match=rf"^\w.*: {re.escape(str(value))} does not fit into int32"
    ):
        NUMBERS[name](Tensor(np.ones(3, np.int32)), value)


@pytest.mark.parametrize("name", ARRAYS)
@each(
    make=[np.array, Tensor, lambda v, d: Tensor(v, dtype=d)[::-1].flip(0)],
    dtype=[np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32],
    given=[np.int64, np.float64],
)
def test_arrays_and_tensors(name: str, dtype: Any, given: Any, make: Any) -> None:
    low, high = limits(dtype)
    x = Tensor(np.zeros(3, dtype))
    result = ARRAYS[name](x, make([low, 5, high], given))
    assert result.dtype == dtype
    assert result.tolist() == [low, 5, high]
    for wrong in ([low - 1, 5, 6], [5, high + 1, 6], [0, 0, np.nan], [0, -np.inf, 0]):
        if given is np.int64 and not np.all(np.isfinite(wrong)):
            continue
        target = Tensor(np.zeros(3, dtype))
        with pytest.raises(ValueError, match=rf"^\w.*: \S+ does not fit into {np.dtype(dtype)}"):
            ARRAYS[name](target, make(wrong, given))
        assert target.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("value", "whole"), [(2.9, 2), (-2.9, -2), (127.9, 127), (-128.9, -128)])
def test_fractions_are_cut_off(value: float, whole: int) -> None:
    for ways in (NUMBERS, ARRAYS):
        assert ways["Tensor"](Tensor([1], dtype=np.int8), value).item() == whole
    assert Tensor([value]).cast(np.int8).tolist() == [whole]
    assert written(Tensor([1], dtype=np.int8), 0, value).tolist() == [whole]


@pytest.mark.parametrize(
    ("data", "dtype", "values"),
    [
        ([2**63, 1], np.uint64, [2**63, 1]),
        ([2**64 - 1], np.uint64, [2**64 - 1]),
        ([-(2**63), 2**63 - 1], None, [-(2**63), 2**63 - 1]),
        ([2**53 + 1, -1], None, [2**53 + 1, -1]),
        ([np.uint64(2**63), np.uint64(1)], None, [2**63, 1]),
        ([2**63, -1], np.float64, [2.0**63, -1.0]),
        ([2**70, 0.5], None, [2.0**70, 0.5]),
        (2**70, np.float32, 2.0**70),
        ([], np.uint8, []),
        ([[True], [2]], None, [[1], [2]]),
    ],
)
def test_large_integers_that_have_a_dtype(data: Any, dtype: Any, values: Any) -> None:
    assert Tensor(data, dtype=dtype).tolist() == values


@pytest.mark.parametrize(
    ("data", "dtype", "line"),
    [
        (
            [2**63, -1],
            None,
            f"{2**63} does not fit into int64, which holds {-(2**63)} to {2**63 - 1}",
        ),
        ([2**63, -1], np.uint64, f"-1 does not fit into uint64, which holds 0 to {2**64 - 1}"),
        (2**63, None, f"{2**63} does not fit into int64"),
        ([[1], [2**70]], None, f"{2**70} does not fit into int64"),
        ([np.uint64(2**63), np.int64(-1)], None, f"{2**63} does not fit into int64"),
        ([np.array([2**63], np.uint64), np.array([-1])], None, f"{2**63} does not fit into int64"),
        (2**5000, None, "an integer of 5001 bits does not fit into int64"),
        ([-(2**5000)], np.uint8, "an integer of 5001 bits does not fit into uint8"),
        (2**5000, np.float64, "an integer beyond 1e308 fits into no dtype"),
        ([2.0**63], np.int64, "9.223372036854776e+18 does not fit into int64"),
        ([float(2**64)], np.uint64, "1.8446744073709552e+19 does not fit into uint64"),
        (float("nan"), np.int64, "nan does not fit into int64, which holds integers"),
    ],
)
def test_large_integers_that_have_none(data: Any, dtype: Any, line: str) -> None:
    with pytest.raises(ValueError, match=f"^Tensor: {re.escape(line)}"):
        Tensor(data, dtype=dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_ranges_up_to_both_ends_are_exact(dtype: Any) -> None:
    low, high = limits(dtype)
    assert Tensor.arange(high - 2, high + 1, dtype=dtype).tolist() == [high - 2, high - 1, high]
    assert Tensor.arange(low + 2, low - 1, -1, dtype=dtype).tolist() == [low + 2, low + 1, low]
    with pytest.raises(ValueError, match=f"^arange: {high + 1} does not fit"):
        Tensor.arange(high, high + 2, dtype=dtype)
    with pytest.raises(ValueError, match=f"^arange: {low - 1} does not fit"):
        Tensor.arange(low, low - 2, -1, dtype=dtype)


def test_ranges_that_end_beyond_the_dtype_are_refused() -> None:
    assert Tensor.arange(256, dtype=np.uint8).tolist() == list(range(256))
    with pytest.raises(ValueError, match=r"^arange: 299 does not fit into uint8"):
        Tensor.arange(300, dtype=np.uint8)
    with pytest.raises(ValueError, match=r"^arange: 299\.5 does not fit into uint8"):
        Tensor.arange(0, 300, 0.5, dtype=np.uint8)
    with pytest.raises(ValueError, match=r"^linspace: 300\.0 does not fit into uint8"):
        Tensor.linspace(0, 300, 4, dtype=np.uint8)
    assert Tensor.linspace(0, 2**70, 3, dtype=np.float64).tolist() == [0.0, 2.0**69, 2.0**70]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_sums_and_products_are_exact_inside_and_checked_at_the_end(dtype: Any) -> None:
    x = Tensor([100, 100, 27], dtype=dtype)
    assert x.sum().item() == 227
    assert x.prod().item() == 270000
    assert x.cumsum().tolist() == [100, 200, 227]
    assert x.cumprod().tolist() == [100, 10000, 270000]
    assert (Tensor([100, 100, -100]).sum(dtype=np.int8)).item() == 100  # 200 on the way
    for name in ("sum", "cumsum", "prod", "cumprod"):
        with pytest.raises(ValueError, match=rf"^{name}: \d+ does not fit into int8"):
            getattr(x, name)(dtype=np.int8)


def test_a_mean_by_scatter_counts_further_than_int8() -> None:
    ones = Tensor(np.ones(300, np.int8))
    assert ones.scatter_reduce(0, np.zeros(300, int), ones, "mean")[0].item() == 1


def test_rounding_to_tens_does_not_leave_the_dtype() -> None:
    assert Tensor([254, 15], dtype=np.uint8).round(-1).tolist() == [250, 20]
    with pytest.raises(ValueError, match=r"^round: 260 does not fit into uint8"):
        Tensor([255], dtype=np.uint8).round(-1)


def test_uint64_and_signed_integers_have_no_common_dtype() -> None:
    big, signed = Tensor(np.array([2**63 + 1], np.uint64)), Tensor([-1])
    for act in (
        lambda: big + signed,
        lambda: signed < big,
        lambda: Tensor.cat(big, signed),
        lambda: big.maximum(signed),
        lambda: np.add(big, signed),
    ):
        with pytest.raises(
            TypeError, match=r": int64 and uint64 have no common integer dtype; cast"
        ):
            act()
    assert (big + 1).tolist() == [2**63 + 2]
    assert (big + Tensor([1], dtype=np.uint8)).tolist() == [2**63 + 2]
    assert (big + Tensor([True])).tolist() == [2**63 + 2]
    assert (big * Tensor([1.0])).dtype == np.float32


@pytest.mark.parametrize(
    "read",
    [
        lambda x, i: x[i],
        lambda x, i: x.gather(0, i),
        lambda x, i: x.take_along_axis(i, 0),
        lambda x, i: x.index_select(0, i),
        lambda x, i: written(x, i, 1.0),
    ],
)
def test_an_unsigned_position_beyond_int64_is_not_the_last_one(read: Any) -> None:
    x = Tensor([1.0, 2.0])
    with pytest.raises(IndexError, match=rf"^\w+(: index)?: {2**64 - 1} is out of range"):
        read(x, np.array([2**64 - 1], np.uint64))
    assert x.tolist() == [1, 2]
    read(x, np.array([1], np.uint64))


def test_arithmetic_of_tensors_is_the_processors() -> None:
    """As in NumPy and PyTorch."""
    a, b = Tensor([1, 255], dtype=np.uint8), Tensor([2, 1], dtype=np.uint8)
    assert (a - b).tolist() == [255, 254]
    assert (a + b).tolist() == [3, 0]
    assert (-a).tolist() == [255, 1]
    assert abs(Tensor([-128], dtype=np.int8)).tolist() == [-128]


def test_floating_point_errors_made_exceptions_change_nothing() -> None:
    with np.errstate(all="raise"):
        assert Tensor([1e300, 1e-300], dtype=np.float32).tolist() == [np.inf, 0]
        assert Tensor([1e300], dtype=np.float64).cast(np.float16).tolist() == [np.inf]
        with pytest.raises(ValueError, match="nan does not fit into int32"):
            Tensor([np.nan]).int()


def test_a_range_in_steps_beyond_int64() -> None:
    assert Tensor.arange(5, 0, -(2**62) * 2 + 1).tolist() == [5]
    assert Tensor.arange(0, 5, 2**63 - 1).tolist() == [0]
