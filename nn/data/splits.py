"""Data sets in parts: for training and for testing, by fractions, and fold by fold.

`stratify=labels`, in all of these, gives every part its share of each class, off by less than one
row (see stratifying.py).  `seed=` is an int, a np.random.Generator, or None: then what is drawn
follows from `Tensor.manual_seed`.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments, warn

from .dataset import Subset, as_dataset, has
from .seeding import Stream
from .stratifying import classes_of, dealt
from .tables import is_table

# Arguments of scikit-learn and PyTorch that are not here, and what to write.
_OTHERS = {
    "random_state": "pass seed=: an int, or a np.random.Generator",
    "generator": "pass seed=: an int, or a np.random.Generator",
}


def train_test_split(
    *arrays: Any,
    test_size: float | None = None,
    train_size: float | None = None,
    shuffle: bool = True,
    stratify: Any = None,
    seed: Any = None,
    **others: NoReturn,
) -> list[Any]:
    """Two parts of each array, with the same rows of all.

        X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.2, stratify=Y, seed=0)

    arrays: ndarrays, Tensors, Series and DataFrames of pandas (rows by position), sparse matrices
        of SciPy, or lists, all of one length.
    test_size: a fraction of the rows, rounded up, or a number of rows.  Default: what train_size
        leaves; a quarter if that is not given either.
    train_size: a fraction of the rows, rounded down, or a number of rows.  Default: what test_size
        leaves.  If both are given and leave rows over, those are in no part.
    shuffle: with False the first rows are for training, and those after them for testing.
    stratify: a label for each row: both parts get their share of each class.

    Returns the parts in the order of the arrays, each of its array's type and with memory of its
    own.  Rows of a Tensor that requires grad are in its graph.

    Errors: ValueError if the lengths differ, if a part would have no rows, and if a class has one
    row only or a part fewer rows than there are classes; TypeError for what has no rows.

    Names, defaults and sizes are scikit-learn's, with seed= for random_state=.
    """
    caller = "train_test_split"
    _refuse(others, caller)
    rows = _common_rows(arrays, caller)
    shuffle = arguments.flag(shuffle, f"{caller}: shuffle")
    train, test = _two_sizes(rows, train_size, test_size, caller)
    if not shuffle:
        if stratify is not None:
            raise ValueError(f"{caller}: stratify draws the rows of each part; leave out shuffle")
        return _both(arrays, np.arange(train), np.arange(train, train + test))
    random = Stream(seed, f"{caller}: seed").epoch
    if stratify is None:
        order = random().permutation(rows)
        return _both(arrays, order[test : test + train], order[:test])
    classes, numbers = classes_of(stratify, rows, f"{caller}: stratify")
    _require_large_enough(classes, numbers, (train, test), f"{caller}: stratify")
    source = random()
    parts = dealt(numbers, (train, test, rows - train - test), source)
    return _both(arrays, source.permutation(parts[0]), source.permutation(parts[1]))


def random_split(
    dataset: Any,
    lengths: Sequence[float],
    *,
    seed: Any = None,
    stratify: Any = None,
    **others: NoReturn,
) -> list[Subset]:
    """Random parts of a data set, each sample in one of them.

        train, held_out = random_split(data, [0.9, 0.1], seed=0)

    dataset: an object with `__getitem__(int)` and `__len__`.
    lengths: numbers of samples, which add up to all; or fractions, which add up to 1.  Fractions
        are rounded down; the samples that this leaves over go to the parts in turn, one each.
    stratify: a label for each sample: each part gets its share of each class.

    Errors: ValueError for other lengths, and if a class has fewer samples than there are parts, or
    a part fewer samples than there are classes.  A fraction that gives no sample is a warning.

    Names and sizes are PyTorch's, with seed= for generator=.
    """
    caller = "random_split"
    _refuse(others, caller)
    rows = len(as_dataset(dataset, f"{caller}: dataset"))
    sizes = _sizes(rows, lengths, f"{caller}: lengths")
    random = Stream(seed, f"{caller}: seed").epoch
    if stratify is None:
        parts = _cut(random().permutation(rows), sizes)
    else:
        classes, numbers = classes_of(stratify, rows, f"{caller}: stratify")
        _require_large_enough(classes, numbers, sizes, f"{caller}: stratify")
        source = random()
        parts = [source.permutation(part) for part in dealt(numbers, sizes, source)]
    return [Subset(dataset, part) for part in parts]


def k_fold(
    rows: Any,
    n_splits: int = 5,
    *,
    shuffle: bool = False,
    seed: Any = None,
    stratify: Any = None,
    **others: NoReturn,
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Row numbers for cross-validation: `n_splits` pairs, for training and for testing.

        for train, test in k_fold(X, 5, shuffle=True, stratify=Y, seed=0):
            ...  # X[train], Y[train]; X[test], Y[test]

    rows: how many there are, or what has that length: an array, or a data set.
    n_splits: number of folds, 2 or more.  Each row is in one fold, for testing there, and for
        training in all others.  Folds are equally large, but for the first ones, which have one row
        more if the number of rows is no multiple.
    shuffle: with False a fold has rows that follow each other; with stratify, within each class.
    stratify: a label for each row: each fold gets its share of each class.

    Row numbers are int64, in ascending order.

    Errors: ValueError for more folds than rows, or than there are rows in any class; a class with
    fewer rows than folds is a warning, for some folds have none of it to test.

    Names, defaults and sizes are those of scikit-learn's KFold, with seed= for random_state=.
    """
    caller = "k_fold"
    _refuse(others, caller)
    count = (
        arguments.integer(rows, f"{caller}: rows", 0) if _is_number(rows) else _rows(rows, caller)
    )
    n_splits = arguments.integer(n_splits, f"{caller}: n_splits", least=2)
    shuffle = arguments.flag(shuffle, f"{caller}: shuffle")
    if n_splits > count:
        raise ValueError(
            f"{caller}: n_splits: expected at most {count}, as many as there are rows; "
            f"got {n_splits}"
        )
    stream = Stream(seed, f"{caller}: seed")
    if seed is not None and not shuffle:
        raise ValueError(f"{caller}: seed has no effect; pass shuffle=True too")
    sizes = [count // n_splits + (fold < count % n_splits) for fold in range(n_splits)]
    if stratify is None:
        order = stream.epoch().permutation(count) if shuffle else np.arange(count)
        folds = _cut(order, sizes)
    else:
        classes, numbers = classes_of(stratify, count, f"{caller}: stratify")
        _require_a_class_for_all(classes, numbers, n_splits, f"{caller}: stratify")
        folds = dealt(numbers, sizes, stream.epoch() if shuffle else None)
    tested = np.empty(count, np.int64)  # the fold of each row
    for number, fold in enumerate(folds):
        tested[fold] = number
    return [
        (np.flatnonzero(tested != number), np.flatnonzero(tested == number))
        for number in range(n_splits)
    ]


def _refuse(others: dict[str, Any], caller: str) -> None:
    for name in others:
        fix = f"; {_OTHERS[name]}" if name in _OTHERS else ""
        raise TypeError(f"{caller}: there is no argument {name}={fix}")


# Rows of what is split


def _common_rows(arrays: tuple[Any, ...], caller: str) -> int:
    """The number of rows, which all arrays have."""
    if not arrays:
        raise TypeError(f"{caller}: expected one or more arrays; got none")
    lengths = [_rows(array, caller) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"{caller}: expected arrays of one length; got {lengths}")
    return lengths[0]


def _rows(array: Any, caller: str) -> int:
    shape = getattr(array, "shape", None)  # first, since a sparse matrix refuses len()
    if isinstance(shape, tuple) and shape:
        return int(shape[0])
    other = shape is not None or isinstance(array, str | bytes | Mapping)
    if other or not has(array, "__len__", "__getitem__"):
        raise arguments.wrong(caller, "what has rows: arrays, Tensors, tables or lists", array)
    return len(array)


def _both(arrays: tuple[Any, ...], *parts: NDArray[np.int64]) -> list[Any]:
    return [_taken(array, part) for array in arrays for part in parts]


def _taken(array: Any, rows: NDArray[np.int64]) -> Any:
    """These rows."""
    if is_table(array):
        return array.iloc[rows]
    if getattr(array, "format", None) in ("bsr", "coo", "dia") and array.ndim == 2:
        return array.tocsr()[rows].asformat(array.format)  # SciPy's forms without rows to index
    if hasattr(array, "shape"):
        return array[rows]
    return [array[row] for row in rows.tolist()]


def _cut(order: NDArray[np.int64], sizes: Sequence[int]) -> list[NDArray[np.int64]]:
    """Parts of these sizes, which follow each other."""
    ends = accumulate(sizes)
    return [order[end - size : end] for size, end in zip(sizes, ends, strict=True)]


# Sizes of the parts


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex | np.number)


def _two_sizes(rows: int, train: Any, test: Any, caller: str) -> tuple[int, int]:
    """The numbers of rows for training and for testing."""
    if rows < 2:
        raise ValueError(f"{caller}: expected 2 rows or more; got {rows}")
    if train is None and test is None:
        test = 0.25
    given = {"train_size": train, "test_size": test}
    found: dict[str, int | None] = {}
    for name, rounded in (("train_size", math.floor), ("test_size", math.ceil)):
        found[name] = _size(given[name], rows, rounded, f"{caller}: {name}")
    n_train, n_test = found["train_size"], found["test_size"]
    n_train = rows - (n_test or 0) if n_train is None else n_train
    n_test = rows - n_train if n_test is None else n_test
    fractions = [size for size in given.values() if isinstance(size, float)]
    if n_train + n_test > rows or (len(fractions) == 2 and sum(fractions) > 1):
        raise ValueError(
            f"{caller}: train_size and test_size: expected at most all {rows} rows; got "
            f"{arguments.shown(train)} and {arguments.shown(test)}"
        )
    for name, size in (("train_size", n_train), ("test_size", n_test)):
        if size < 1:
            raise ValueError(
                f"{caller}: train_size={train} and test_size={test} of {rows} rows leave none for "
                f"{name.removesuffix('_size')}ing"
            )
    return n_train, n_test


def _size(size: Any, rows: int, rounded: Any, name: str) -> int | None:
    """A fraction or a number of rows as a number of rows."""
    if size is None:
        return None
    number = arguments.number(size, name)
    if isinstance(number, float) and 0 < number < 1:
        return int(rounded(number * rows))
    if isinstance(number, bool | float) or not 0 < number < rows:
        raise ValueError(
            f"{name}: expected a fraction between 0 and 1, or a number of rows from 1 to "
            f"{rows - 1}; got {arguments.shown(number)}"
        )
    return number


def _sizes(rows: int, lengths: Any, name: str) -> list[int]:
    """Numbers or fractions as numbers of samples."""
    if not isinstance(lengths, Sequence | np.ndarray) or isinstance(lengths, str | bytes):
        raise arguments.wrong(name, "a list of numbers or of fractions", lengths)
    numbers = [arguments.number(length, name) for length in lengths]
    if any(not number >= 0 for number in numbers):
        raise ValueError(f"{name}: expected numbers of 0 or more; got {arguments.shown(lengths)}")
    if math.isclose(math.fsum(numbers), 1):
        sizes = [math.floor(rows * number) for number in numbers]
        for turn in range(rows - sum(sizes)):
            sizes[turn % len(sizes)] += 1
        for number, size in zip(numbers, sizes, strict=True):
            if not size:
                warn(f"{name}: {number} of {rows} samples is none: this part is empty")
        return sizes
    whole = [int(number) for number in numbers if float(number).is_integer()]
    if len(whole) < len(numbers) or sum(whole) != rows:
        raise ValueError(
            f"{name}: expected numbers that add up to {rows}, the number of samples, or fractions "
            f"that add up to 1; got {arguments.shown(lengths)}"
        )
    return whole


# Classes that are too small


def _require_large_enough(
    classes: list[Any], numbers: NDArray[np.int64], sizes: Sequence[int], name: str
) -> None:
    """Refuse a class that cannot be in each part."""
    parts = sum(size > 0 for size in sizes)
    counts = np.bincount(numbers)
    if len(counts) and counts.min() < parts:
        raise ValueError(
            f"{name}: expected {parts} rows or more of each class, one for each part; got "
            f"{counts.min()} of {arguments.shown(_plain(classes[counts.argmin()]))}"
        )
    for size in sizes:
        if 0 < size < len(classes):
            raise ValueError(
                f"{name}: expected {len(classes)} rows or more in each part, one for each class; "
                f"got a part of {size}"
            )


def _require_a_class_for_all(
    classes: list[Any], numbers: NDArray[np.int64], n_splits: int, name: str
) -> None:
    """Refuse more folds than any class has rows; warn if some class has fewer."""
    counts = np.bincount(numbers)
    if counts.max() < n_splits:
        raise ValueError(
            f"{name}: no class has {n_splits} rows, one for each fold; the largest has "
            f"{counts.max()}"
        )
    if counts.min() < n_splits:
        least = arguments.shown(_plain(classes[counts.argmin()]))
        warn(f"{name}: only {counts.min()} rows of the class {least} for {n_splits} folds")


def _plain(label: Any) -> Any:
    """A scalar of NumPy, or a row of them, as Python has it."""
    return label.tolist() if isinstance(label, np.ndarray | np.generic) else label
