"""What a DataLoader is given: arrays or one data set, and one clear error for anything else."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_lite import arguments

from .dataset import TensorDataset, as_tensors, is_array


def served(arrays: tuple[Any, ...], sampled: bool) -> tuple[Any, bool]:
    """The data set to serve, and whether its samples are bare: one array, given as such."""
    if not arrays:
        raise TypeError("DataLoader: expected one or more arrays, or a data set; got none")
    for data in arrays[1:]:
        if isinstance(data, int | np.integer):
            raise TypeError(
                f"DataLoader: options are given by name: batch_size={arguments.shown(data)}; got "
                "it among the data"
            )
    if len(arrays) > 1:
        for data in arrays:
            _refuse_dataset(data)
    if len(arrays) > 1 or is_array(arrays[0]):
        return TensorDataset(*as_tensors(arrays, "DataLoader")), len(arrays) == 1
    _require_dataset(arrays[0], sampled)
    return arrays[0], False


def _refuse_dataset(data: Any) -> None:
    """Refuse a data set among several arrays; whatever else is no array is refused later."""
    other = is_array(data) or isinstance(data, list | tuple | dict | str | bytes | type)
    if not other and not hasattr(data, "toarray") and hasattr(data, "__getitem__"):
        raise arguments.wrong("DataLoader", "arrays or Tensors", data, "; a data set comes alone")


def _require_dataset(data: Any, sampled: bool) -> None:
    """Refuse what cannot be asked for single samples, and what is clearly meant otherwise."""
    expected, fix = "arrays, Tensors or a data set", ""
    if isinstance(data, list | tuple) and data and isinstance(data[0], int | float | np.number):
        raise TypeError(
            f"DataLoader: expected arrays, Tensors or samples; got a {type(data).__name__} of "
            "numbers; use np.array(...)"
        )
    if isinstance(data, tuple) and data and all(map(is_array, data)):
        raise TypeError(
            "DataLoader: expected arrays, Tensors or a data set; got a tuple of arrays; pass them "
            "one by one: DataLoader(*arrays)"
        )
    if isinstance(data, type):
        fix = f"; make one: {data.__name__}(...)"
    elif isinstance(data, Mapping):  # a dict, or a file of np.savez
        fix = "; pass what is in it: DataLoader(*data.values())"
    elif hasattr(data, "toarray"):  # a sparse matrix of SciPy
        fix = "; use .toarray()"
    elif hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        expected = "a data set with __getitem__"
        fix = ", which can only be iterated; use list(data)"
    elif hasattr(data, "__getitem__") and not isinstance(data, str | bytes | bytearray | np.dtype):
        if hasattr(data, "__len__") or sampled:
            return
        expected = "a data set with __len__, or a sampler"
    raise arguments.wrong("DataLoader", expected, data, fix)
