"""Samples become a batch: Tensors stacked, whatever they are nested in."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lite import Tensor, arguments

from .dataset import as_labels


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of samples as one batch, with a new first axis of their number.

        default_collate([(image, 3), (image, 5)])  ->  (images (2, ...), Tensor([3, 5]))

    - Tensors and arrays of one shape are stacked; Tensors stay in their graph.
    - Python floats become float32, integers and arrays of one integer int64, NumPy's floats and
      bools keep their dtype.
    - Text and bytes stay as they are.
    - Tuples, lists, named tuples and dicts of these give the same with batches in it.  (A tuple
      stays a tuple; PyTorch makes a list of it.)

    Errors: TypeError for anything else, and ValueError where the shapes, lengths or keys of the
    samples differ: collate_fn= of the DataLoader is for those.
    """
    if not isinstance(batch, Sequence) or isinstance(batch, str | bytes):
        raise arguments.wrong("default_collate: batch", "a list of samples", batch)
    if not batch:
        raise ValueError("default_collate: batch: expected one or more samples; got none")
    return _collated(batch, "default_collate: batch")


def _collated(batch: Sequence[Any], where: str) -> Any:
    first = batch[0]
    if isinstance(first, Tensor):
        return _stacked_tensors(batch, where)
    if isinstance(first, np.ndarray | np.generic) and not isinstance(first, np.str_ | np.bytes_):
        return _stacked_arrays(batch, where)
    if isinstance(first, bool | int | float):
        return _stacked_numbers(batch, where)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _collated_mappings(batch, where)
    if isinstance(first, Sequence):
        return _collated_sequences(batch, where)
    expected = "Tensors, arrays, numbers, text, tuples, lists or dicts"
    raise arguments.wrong(where, expected, first, "; collate_fn= is for others")


def _stacked_tensors(batch: Sequence[Any], where: str) -> Tensor:
    _require(batch, Tensor, "Tensors", where)
    tensors: list[Tensor] = list(batch)
    if any(tensor.requires_grad for tensor in tensors):
        _require_one_shape([tensor.shape for tensor in tensors], where)
        return Tensor.stack(*tensors)
    return _stacked_arrays([tensor.data for tensor in tensors], where)


def _stacked_arrays(batch: Sequence[Any], where: str) -> Tensor:
    _require(batch, np.ndarray | np.generic | int | float, "arrays", where)
    if any(issubclass(kind, np.ma.MaskedArray) for kind in set(map(type, batch))):
        odd = next(array for array in batch if isinstance(array, np.ma.MaskedArray))
        raise arguments.wrong(where, "arrays without a mask", odd, "; use .filled(...)")
    _require_one_shape([np.shape(array) for array in batch], where)
    # np.array is much quicker than np.stack for short arrays, and much slower for transposed ones.
    # A np.matrix stays one in np.stack, and has no third axis.
    stacked = np.array(batch) if np.ndim(batch[0]) < 2 else np.stack(list(map(np.asarray, batch)))
    if stacked.dtype.kind not in "biuf" or stacked.dtype.itemsize > 8:
        raise arguments.wrong(where, "arrays of numbers of at most 64 bits", batch[0])
    if stacked.ndim == 1 and stacked.dtype.kind in "iu":
        stacked = as_labels(stacked, where)
    return Tensor.from_array(stacked)


def _stacked_numbers(batch: Sequence[Any], where: str) -> Tensor:
    _require(batch, bool | int | float | np.number | np.bool_, "numbers", where)
    kinds = set(map(type, batch))
    if kinds <= {bool, np.bool_}:
        return Tensor.from_array(np.array(batch, np.bool_))
    if not all(issubclass(kind, int | np.integer | np.bool_) for kind in kinds):
        with np.errstate(over="ignore"):  # beyond float32: inf, as Tensor makes it
            return Tensor.from_array(np.array(batch, np.float64).astype(np.float32))
    try:
        return Tensor.from_array(np.array(batch, np.int64))
    except OverflowError:
        large = max(batch, key=abs)
        raise ValueError(f"{where}: expected integers of at most 63 bits; got {large}") from None


def _collated_mappings(batch: Sequence[Any], where: str) -> Any:
    _require(batch, Mapping, "dicts", where)
    keys = set(batch[0])
    for mapping in batch:
        if set(mapping) != keys:
            odd = min(map(str, keys.symmetric_difference(mapping)))
            raise ValueError(f"{where}: the key {arguments.shown(odd)} is not in every sample")
    return {
        key: _collated([mapping[key] for mapping in batch], f"{where}: [{arguments.shown(key)}]")
        for key in batch[0]
    }


def _collated_sequences(batch: Sequence[Any], where: str) -> Any:
    _require(batch, Sequence, "tuples or lists", where)
    first = batch[0]
    lengths = sorted({len(each) for each in batch})
    if len(lengths) > 1:
        raise ValueError(f"{where}: expected samples of one length; got {lengths}; {_OTHERS}")
    parts = [
        _collated(part, f"{where}: [{number}]")
        for number, part in enumerate(zip(*batch, strict=True))
    ]
    if isinstance(first, tuple):
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    return parts


_OTHERS = "collate_fn= can pad them"


def _require(batch: Sequence[Any], kinds: Any, words: str, where: str) -> None:
    if not all(issubclass(kind, kinds) for kind in set(map(type, batch))):
        odd = next(sample for sample in batch if not isinstance(sample, kinds))
        raise arguments.wrong(where, f"{words}, as in the first sample", odd)


def _require_one_shape(shapes: list[tuple[int, ...]], where: str) -> None:
    if len(set(shapes)) > 1:
        other = next(shape for shape in shapes if shape != shapes[0])
        raise ValueError(f"{where}: expected one shape; got {shapes[0]} and {other}; {_OTHERS}")
