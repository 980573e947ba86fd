"""Data sets: arrays row by row, a part of a data set, several one after the other.

A data set is any object with `__getitem__(int)` and `__len__`; `Dataset` says so to a type checker,
and may be a base class, as in PyTorch.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import Tensor, arguments

from .tables import from_table, is_table

Sample = TypeVar("Sample", covariant=True)

LARGEST_LABEL = np.iinfo(np.int64).max


@runtime_checkable
class Dataset(Protocol[Sample]):
    """What a DataLoader serves: `dataset[i]` is the sample number i, of `len(dataset)`.

    `Dataset[tuple[Tensor, int]]` says of what type the samples are.

    If it has `__getitems__(list of ints)`, a list of samples, that is called once for each batch.
    """

    def __getitem__(self, index: Any, /) -> Sample:
        """The sample with this number, a Python int."""
        raise NotImplementedError(f"{type(self).__name__}: a data set needs __getitem__(index)")

    def __len__(self) -> int:
        """The number of samples."""
        raise NotImplementedError(f"{type(self).__name__}: a data set needs __len__()")


class TensorDataset:
    """The rows of arrays of one length: `TensorDataset(X, Y)[i]` is the tuple (X[i], Y[i]).

    tensors: ndarrays (memory-mapped ones are read when rows are asked for), Tensors, or Series and
        DataFrames of pandas, whose rows count by position; (N, ...).  They are not copied.

    Rows are Tensors with memory of their own.  Their dtype is that of the array, except for one
    integer per row, a label: that is int64.  The rows of a Tensor that requires grad are in its
    graph.

    `dataset[index]` takes what indexes an axis: an int, a slice, or an array of row numbers.

    Errors: TypeError for what is no array of numbers; ValueError if the lengths differ.
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = as_tensors(tensors, "TensorDataset")

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """These rows of each array."""
        return tuple([_rows(tensor, index) for tensor in self.tensors])

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.tensors[0])


class Subset:
    """The samples of `dataset` with the numbers `indices`, in this order.

    A slice, or an array of positions, asks `dataset` for several at once, as a TensorDataset takes
    it: `X, Y = part[:]`.
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        self.dataset = as_dataset(dataset, "Subset: dataset", "__getitem__")
        self.indices = as_indices(indices, "Subset: indices")

    def __getitem__(self, index: Any) -> Any:
        """The sample at this position among the chosen ones."""
        chosen = self.indices[index]
        return self.dataset[chosen if chosen.ndim else chosen.item()]

    def __len__(self) -> int:
        """The number of chosen samples."""
        return len(self.indices)


class ConcatDataset:
    """Several data sets as one: the samples of the first, then those of the second, and so on."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        name = "ConcatDataset: datasets"
        if not has(datasets, "__iter__"):
            raise arguments.wrong(name, "a list of data sets", datasets)
        self.datasets = [as_dataset(each, name) for each in datasets]
        if not self.datasets:
            raise ValueError(f"{name}: expected one or more data sets; got none")
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def __getitem__(self, index: Any) -> Any:
        """The sample with this number, counted through all data sets."""
        number = arguments.integer(index, "ConcatDataset: index")
        number += len(self) if number < 0 else 0
        if not 0 <= number < len(self):
            raise IndexError(f"ConcatDataset: there are {len(self)} samples; got the index {index}")
        which = bisect_right(self.cumulative_sizes, number)
        return self.datasets[which][number - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        """The number of samples of all."""
        return self.cumulative_sizes[-1]


def without_subsets(dataset: Any, indices: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:
    """The data set that a Subset, or one of a Subset, takes samples from, and their numbers there.

    A subclass counts as a data set of its own, since it may change the samples.
    """
    while type(dataset) is Subset:
        dataset, indices = dataset.dataset, dataset.indices[indices]
    return dataset, indices


def samples(dataset: Any, indices: list[int]) -> list[Any]:
    """The samples with these numbers; an error in one of them names its number."""
    if callable(together := getattr(dataset, "__getitems__", None)):
        found = list(together(indices))
        if len(found) != len(indices):
            name = type(dataset).__name__
            raise ValueError(
                f"{name}.__getitems__: expected {len(indices)} samples; got {len(found)}"
            )
        return found
    found = []
    try:
        for index in indices:
            found.append(dataset[index])
    except Exception as error:  # which goes on, with a line more
        error.add_note(f"DataLoader: this happened in dataset[{indices[len(found)]}]")
        raise
    return found


def as_indices(indices: Any, name: str) -> NDArray[np.int64]:
    """Integers as an array, (N,): from a list, a range, an array, a Tensor, or any iterable."""
    if isinstance(indices, Tensor):
        indices = indices.data
    if not isinstance(indices, np.ndarray):
        if not has(indices, "__iter__"):
            raise arguments.wrong(name, "integers", indices)
        whole = [arguments.integer(index, name) for index in indices]
        return np.array(whole, np.int64)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise arguments.wrong(name, "integers, (N,)", indices)
    return as_labels(indices, name)


def as_tensors(arrays: tuple[Any, ...], caller: str) -> tuple[Tensor, ...]:
    """Tensors around arrays of one length, which share their memory."""
    if not arrays:
        raise TypeError(f"{caller}: expected one or more arrays; got none")
    tensors = tuple([_as_tensor(array, caller) for array in arrays])
    lengths = [len(tensor) for tensor in tensors]
    if len(set(lengths)) > 1:
        raise ValueError(f"{caller}: expected arrays of one length; got {lengths}")
    return tensors


def has(value: Any, *methods: str) -> bool:
    """Whether it has these methods, and they work: an array without axes has them all in vain.

    So does a class, whose methods are those of what it makes.
    """
    in_vain = isinstance(value, type) or getattr(value, "shape", None) == ()
    return not in_vain and all(hasattr(value, name) for name in methods)


def as_dataset(data: Any, name: str, *methods: str) -> Any:
    """`data`, which must have these methods of a data set, by default both.

    A table is none: its own index picks columns.
    """
    methods = methods or ("__getitem__", "__len__")
    if has(data, *methods) and not is_table(data):
        return data
    fix = "; take TensorDataset(table)" if is_table(data) else ""
    if isinstance(data, type):
        fix = f"; make one: {data.__name__}(...)"
    raise arguments.wrong(name, f"a data set with {' and '.join(methods)}", data, fix)


def is_array(value: Any) -> bool:
    """Whether this is served as an array, and not as a data set."""
    return isinstance(value, Tensor) or is_table(value) or hasattr(value, "__array__")


def _as_tensor(given: Any, caller: str) -> Tensor:
    if isinstance(given, list | tuple):
        name = type(given).__name__
        raise TypeError(f"{caller}: expected arrays or Tensors; got a {name}; use np.array(...)")
    if not is_array(given):
        sparse = "; use .toarray()" if hasattr(given, "toarray") else ""
        raise arguments.wrong(caller, "arrays or Tensors", given, sparse)
    if not isinstance(given, Tensor):
        tensor = as_tensor(from_table(given, caller) if is_table(given) else given, caller)
    else:
        tensor = given
    if not tensor.ndim:
        raise arguments.wrong(caller, "arrays or Tensors with rows", given)
    return tensor


def as_tensor(given: Any, where: str) -> Tensor:
    """A Tensor around an array, whose memory it shares if that can be.

    Errors: TypeError for a mask, and for what are no numbers that a Tensor has.
    """
    if isinstance(given, np.ma.MaskedArray):
        raise arguments.wrong(where, "arrays without a mask", given, "; use .filled(...)")
    array = np.asarray(given)  # maps a file anew, and reads nothing of it
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise arguments.wrong(where, "arrays of numbers of at most 64 bits", given)
    return Tensor.from_array(array)


def _rows(tensor: Tensor, index: Any) -> Tensor:
    """Rows of a Tensor: in its graph, if it requires grad."""
    if tensor.requires_grad:
        return tensor[index]
    array = tensor.data
    # Not np.take: it is no faster on contiguous rows, and copies the whole array for every batch
    # if that is not contiguous.
    rows = np.array(array[index]) if type(index) in (int, slice) else np.asarray(array[index])
    if array.ndim == 1 and array.dtype.kind in "iu":
        rows = as_labels(rows, "TensorDataset: labels")
    elif not array.dtype.isnative:
        rows = rows.astype(array.dtype.newbyteorder("="))
    return Tensor.from_array(rows)


def as_labels(array: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Integers as int64."""
    if array.dtype == np.uint64 and array.size and array.max() > LARGEST_LABEL:
        raise ValueError(f"{name}: expected integers of at most 63 bits; got {array.max()}")
    return array.astype(np.int64, copy=False)
