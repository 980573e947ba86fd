"""Series and DataFrames of pandas as arrays: rows by position, whatever their labels are.

pandas is not imported: whatever has `iloc` is one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments


def is_table(value: Any) -> bool:
    """Whether this is a Series or a DataFrame, whose own index picks rows by label."""
    return hasattr(value, "iloc") and callable(getattr(value, "to_numpy", None))


def from_table(table: Any, caller: str) -> NDArray[Any]:
    """The rows of a Series, (N,), or a DataFrame, (N, columns), as an ndarray of numbers.

    Columns of several dtypes get the one that NumPy gives to all of them.  Missing values are nan,
    also in a column of integers, which then holds floats (as to_numpy() does since pandas 3).

    Errors: TypeError for a column that holds no numbers, or bools with missing values.
    """
    array = np.asarray(table.to_numpy())
    if array.dtype.kind in "biuf":
        return array
    names = getattr(table, "columns", None)
    if names is None:
        return _from_column(table, getattr(table, "name", None), caller)
    columns = [_from_column(table.iloc[:, i], name, caller) for i, name in enumerate(names)]
    return np.stack(columns, axis=1) if columns else np.empty((len(table), 0), np.float32)


def _from_column(column: Any, name: Any, caller: str) -> NDArray[Any]:
    array = np.asarray(column.to_numpy())
    if array.dtype.kind in "biuf":
        return array
    said = "a Series" if name is None else f"the column {arguments.shown(name)}"
    dtype = arguments.shown(str(getattr(column, "dtype", array.dtype)))
    kind = getattr(getattr(column, "dtype", None), "kind", "O")  # "i" for an Int64 of pandas
    if kind in "iuf":
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if kind == "b":
        fix = f"{said} of dtype {dtype} has missing values; fill them with fillna(...)"
        raise TypeError(f"{caller}: {fix}")
    raise TypeError(
        f"{caller}: expected numbers; got {said} of dtype {dtype}; encode it as numbers, or leave "
        "it out"
    )
