"""Splits: sizes and shares against numbers worked out by hand, and every way to ask wrongly."""

import warnings
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from nn.data import DataLoader, Subset, TensorDataset, k_fold, random_split, train_test_split
from nn.data.stratifying import shares
from tinygrad_lite import Tensor

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20)


def split_of(rows: int, **options: Any) -> tuple[list[int], list[int]]:
    train, test = train_test_split(np.arange(rows), **options)
    return train.tolist(), test.tolist()


def counts_of(labels: Any) -> dict[Any, int]:
    values, counts = np.unique(np.asarray(labels), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


# train_test_split


@pytest.mark.parametrize(
    ("rows", "test_size", "train_size", "expected"),
    [
        # scikit-learn: the test set is rounded up, the training set down.
        (20, None, None, (15, 5)),
        (10, None, None, (7, 3)),
        (10, 0.25, None, (7, 3)),
        (10, None, 0.75, (7, 3)),
        (10, None, 0.71, (7, 3)),
        (10, 0.01, None, (9, 1)),
        (10, 0.33, 0.33, (3, 4)),
        (10, 3, None, (7, 3)),
        (10, None, 3, (3, 7)),
        (10, 2, 3, (3, 2)),
        (10, 0.2, 3, (3, 2)),
        (10, np.int64(9), None, (1, 9)),
        (10, np.float32(0.5), None, (5, 5)),
        (2, None, None, (1, 1)),
        (3, 0.4, 0.6, (1, 2)),
    ],
)
def test_sizes(rows, test_size, train_size, expected) -> None:
    for shuffle in (True, False):
        options = {"test_size": test_size, "train_size": train_size, "shuffle": shuffle}
        train, test = split_of(rows, **options)
        assert (len(train), len(test)) == expected
        assert len({*train, *test}) == len(train) + len(test)
        assert {*train, *test} <= {*range(rows)}


def test_without_shuffle_the_rows_keep_their_order() -> None:
    assert split_of(10, shuffle=False) == ([*range(7)], [7, 8, 9])
    assert split_of(10, test_size=2, train_size=3, shuffle=False) == ([0, 1, 2], [3, 4])


def test_the_parts_come_array_by_array_and_rows_stay_together() -> None:
    x_train, x_test, y_train, y_test = train_test_split(X, Y, test_size=0.3, seed=1)
    np.testing.assert_array_equal(x_train, X[y_train])
    np.testing.assert_array_equal(x_test, X[y_test])
    assert sorted([*y_train, *y_test]) == [*range(20)]
    assert y_train.tolist() != sorted(y_train)


def test_the_same_seed_gives_the_same_parts_and_no_seed_follows_tensor() -> None:
    assert split_of(50, seed=3) == split_of(50, seed=3) != split_of(50, seed=4)
    assert split_of(50, seed=np.random.default_rng(3)) == split_of(50, seed=3)
    Tensor.manual_seed(0)
    first, second = split_of(50), split_of(50)
    Tensor.manual_seed(0)
    assert [split_of(50), split_of(50)] == [first, second]
    assert first != second


def test_the_global_random_state_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # to see that it stays
    split_of(50)
    split_of(50, seed=0, stratify=np.arange(50) % 2)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


class Table:
    """A DataFrame of pandas in short: its own index picks by label."""

    def __init__(self, values: list[Any], labels: list[Any]) -> None:
        self.values, self.labels = values, labels
        self.shape = (len(values),)
        self.iloc = self

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: np.ndarray) -> "Table":
        return Table([self.values[row] for row in rows], [self.labels[row] for row in rows])

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values)


def test_each_part_is_of_its_arrays_type() -> None:
    tensor = Tensor(X, requires_grad=True)
    table = Table([f"row {n}" for n in range(20)], [*range(100, 120)])
    given = (Y, X.astype(np.float32), tensor, Tensor(Y), table, [*range(20)], (*range(20),))
    found = train_test_split(*given, sparse.csr_array(X), test_size=4, seed=0)
    _, rows = found[:2]
    tests = found[3::2]
    for array, test in zip(given[1:5], tests, strict=False):
        assert type(test) is type(array)
    x, t, labels, part, numbers, more, sparse_part = tests
    assert x.dtype == np.float32
    assert t.requires_grad
    t.sum().backward()
    assert tensor.grad.numpy()[:, 0].tolist() == [float(n in rows) for n in range(20)]
    assert labels.tolist() == numbers == more == rows.tolist()
    assert part.values == [f"row {n}" for n in rows]
    assert part.labels == [100 + n for n in rows]
    np.testing.assert_array_equal(sparse_part.toarray(), X[rows])


@pytest.mark.parametrize("form", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_matrices_of_any_form(form, kind) -> None:
    given = kind(X).asformat(form)
    found = train_test_split(Y, given, test_size=4, seed=0)
    for rows, part in zip(found[:2], found[2:], strict=True):
        assert type(part) is type(given)
        np.testing.assert_array_equal(part.toarray(), X[rows])


@pytest.mark.parametrize("given", [{*range(20)}, MappingProxyType({n: n for n in range(20)}), dict])
def test_what_has_no_rows_in_order(given) -> None:
    expected = "train_test_split: expected what has rows: arrays, Tensors, tables or lists; got "
    with pytest.raises(TypeError, match=f"^{expected}"):
        train_test_split(given, seed=0)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_part_has_memory_of_its_own(shuffle) -> None:
    for part in train_test_split(X, Tensor(X), shuffle=shuffle):
        array = part.data if isinstance(part, Tensor) else part
        assert not np.shares_memory(array, X)


@pytest.mark.parametrize("array", [X[::-1], np.asfortranarray(X), np.broadcast_to(X[:1], (20, 2))])
def test_any_layout(array) -> None:
    array.flags.writeable = False
    part, _, rows, _ = train_test_split(array, Y)
    np.testing.assert_array_equal(part, array[rows])


@pytest.mark.parametrize("kind", [list, np.array, Tensor, lambda labels: Table(labels, labels)])
def test_stratified_parts_have_their_share_of_each_class(kind) -> None:
    """60 % and 40 % of 20 rows: of 5 for testing 3 and 2, of 15 for training 9 and 6."""
    labels = [0] * 12 + [1] * 8
    for seed in range(5):
        train, test = split_of(20, stratify=kind(labels), seed=seed)
        assert counts_of(np.array(labels)[train]) == {0: 9, 1: 6}
        assert counts_of(np.array(labels)[test]) == {0: 3, 1: 2}
        assert sorted(train + test) == [*range(20)]
        assert train != sorted(train)


@pytest.mark.parametrize(
    "names",
    [
        ["dog", "cat", "a very long name of a kind"],
        [1.5, -2.0, np.nan],
        [True, False],
        [b"a", b"b"],
        np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
        np.array(["one", "two"], object),
        np.array([[1, 0], [0, 1], [1, 1]]),
        np.array([["a", "x"], ["a", "y"]]),
    ],
)
def test_labels_of_any_kind(names) -> None:
    labels = np.repeat(np.asarray(names), 10, axis=0)
    kinds = np.repeat(np.arange(len(names)), 10)
    train, test = split_of(len(labels), stratify=labels, test_size=0.2, seed=0)
    assert counts_of(kinds[test]) == dict.fromkeys(range(len(names)), 2)
    assert counts_of(kinds[train]) == dict.fromkeys(range(len(names)), 8)


def test_stratified_with_rows_that_are_in_no_part() -> None:
    """A quarter and a fifth of 8 + 12 rows: 2 and 3 to train, 1.6 and 2.4 of 4 to test."""
    labels = np.repeat([0, 1], [8, 12])
    train, test = split_of(20, test_size=4, train_size=5, stratify=labels, seed=0)
    assert counts_of(labels[train]) == {0: 2, 1: 3}
    assert counts_of(labels[test]) == {0: 2, 1: 2}
    assert not {*train} & {*test}


def test_which_class_has_one_more_is_drawn() -> None:
    """10 rows of 30 in three classes: 3, 3 and 4 of them."""
    labels = np.arange(30) % 3
    found = {
        tuple(counts_of(labels[split_of(30, test_size=10, seed=n, stratify=labels)[1]]).values())
        for n in range(20)
    }
    assert found == {(3, 3, 4), (3, 4, 3), (4, 3, 3)}


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ((), {}, TypeError, "expected one or more arrays; got none"),
        ((X, Y[:9]), {}, ValueError, "expected arrays of one length; got [20, 9]"),
        ((5,), {}, TypeError, "expected what has rows: arrays, Tensors, tables or lists; got 5"),
        (("text",), {}, TypeError, "expected what has rows: arrays, Tensors, tables or lists; "),
        (({},), {}, TypeError, "expected what has rows: arrays, Tensors, tables or lists; "),
        ((np.array(1),), {}, TypeError, "expected what has rows: arrays, Tensors, tables or lists"),
        ((Tensor(1),), {}, TypeError, "expected what has rows: arrays, Tensors, tables or lists"),
        ((X[:1],), {}, ValueError, "expected 2 rows or more; got 1"),
        (([],), {}, ValueError, "expected 2 rows or more; got 0"),
        (
            (Y,),
            {"test_size": 1.0},
            ValueError,
            "test_size: expected a fraction between 0 and 1, or a number of rows from 1 to 19; "
            "got 1.0",
        ),
        ((Y,), {"train_size": 0}, ValueError, "train_size: expected a fraction between 0 and 1"),
        ((Y,), {"test_size": 20}, ValueError, "test_size: expected a fraction between 0 and 1"),
        ((Y,), {"test_size": -0.1}, ValueError, "test_size: expected a fraction between 0 and 1"),
        ((Y,), {"test_size": np.nan}, ValueError, "test_size: expected a fraction"),
        ((Y,), {"test_size": True}, ValueError, "test_size: expected a fraction"),
        ((Y,), {"test_size": "10%"}, TypeError, "test_size: expected a number; got '10%'"),
        (
            (Y,),
            {"test_size": 0.6, "train_size": 0.5},
            ValueError,
            "train_size and test_size: expected at most all 20 rows; got 0.5 and 0.6",
        ),
        (
            (Y,),
            {"test_size": 15, "train_size": 0.5},
            ValueError,
            "train_size and test_size: expected at most all 20 rows; got 0.5 and 15",
        ),
        (
            (Y,),
            {"test_size": 0.99},
            ValueError,
            "train_size=None and test_size=0.99 of 20 rows leave none for training",
        ),
        ((Y,), {"shuffle": 1}, TypeError, "shuffle: expected True or False; got 1"),
        (
            (Y,),
            {"shuffle": False, "stratify": Y},
            ValueError,
            "stratify draws the rows of each part; leave out shuffle",
        ),
        ((Y,), {"seed": -1}, TypeError, "seed: expected an integer of 0 or more; got -1"),
        (
            (Y,),
            {"random_state": 0},
            TypeError,
            "there is no argument random_state=; pass seed=: an int, or a np.random.Generator",
        ),
        ((Y,), {"size": 0}, TypeError, "there is no argument size="),
        ((Y,), {"stratify": True}, TypeError, "stratify: expected a label for each row; got True"),
        (
            (Y,),
            {"stratify": [0, 1]},
            ValueError,
            "stratify: expected 20 labels, one for each row; got 2",
        ),
        (
            (Y,),
            {"stratify": np.array(["a", None] * 10, object)},
            TypeError,
            "stratify: expected labels of one kind, which can be sorted; got NoneType and str",
        ),
        (
            (Y,),
            {"stratify": ["cat"] + ["dog"] * 19},
            ValueError,
            "stratify: expected 2 rows or more of each class, one for each part; got 1 of 'cat'",
        ),
        (
            (Y,),
            {"stratify": Y % 5, "test_size": 4},
            ValueError,
            "stratify: expected 5 rows or more in each part, one for each class; got a part of 4",
        ),
        (
            (Y,),
            {"stratify": Y % 5, "train_size": 4},
            ValueError,
            "stratify: expected 5 rows or more in each part, one for each class; got a part of 4",
        ),
    ],
)
def test_errors_of_train_test_split(arrays, options, error, message) -> None:
    state = Tensor.manual_seed(0)
    with pytest.raises(error) as caught:
        train_test_split(*arrays, **options)
    assert str(caught.value).startswith(f"train_test_split: {message}")
    assert "\n" not in str(caught.value)
    drawn = Tensor.rand(1).item()
    Tensor.manual_seed(0)
    assert Tensor.rand(1).item() == drawn, state  # a refused call draws nothing


# random_split


@pytest.mark.parametrize(
    ("rows", "lengths", "expected"),
    [
        (10, [3, 7], [3, 7]),
        (10, (4, 0, 6), [4, 0, 6]),
        (10, np.array([3, 7]), [3, 7]),
        (10, [10], [10]),
        (0, [0, 0], [0, 0]),
        (0, [], []),
        (10, [3.0, 7.0], [3, 7]),
        # PyTorch: rounded down, and what is left goes to the parts in turn.
        (30, [0.3, 0.3, 0.4], [9, 9, 12]),
        (10, [0.25, 0.25, 0.5], [3, 2, 5]),
        (11, [0.5, 0.5], [6, 5]),
        (7, [0.3, 0.3, 0.4], [3, 2, 2]),
        (100, [0.29, 0.71], [29, 71]),  # 100 * 0.29 is below 29
        (10, [0.1] * 10, [1] * 10),
        (10, [1], [10]),
    ],
)
def test_sizes_of_random_split(rows, lengths, expected) -> None:
    parts = random_split(range(rows), lengths, seed=0)
    assert [len(part) for part in parts] == expected
    assert all(type(part) is Subset for part in parts)
    assert sorted(part[i] for part in parts for i in range(len(part))) == [*range(rows)]


def test_random_split_is_random_and_repeatable() -> None:
    def split(**options: Any) -> list[list[int]]:
        return [part.indices.tolist() for part in random_split(range(50), [0.5, 0.5], **options)]

    assert split(seed=1) == split(seed=1) != split(seed=2)
    Tensor.manual_seed(0)
    one = split()
    Tensor.manual_seed(0)
    assert split() == one
    assert split() != one
    assert one[0] != sorted(one[0])


def test_parts_of_a_data_set_are_served_by_a_loader() -> None:
    train, test = random_split(TensorDataset(X, Y), [0.75, 0.25], seed=0)
    seen = []
    for part in (train, test):
        for x, y in DataLoader(part, batch_size=4):
            np.testing.assert_array_equal(x.data, X[y.data])
            seen += y.tolist()
    assert sorted(seen) == [*range(20)]


def test_a_fraction_that_gives_nothing_is_a_warning() -> None:
    expected = "random_split: lengths: 0.0 of 5 samples is none: this part is empty"
    with pytest.warns(UserWarning, match="is none") as caught:
        parts = random_split(range(5), [1.0, 0.0], seed=0)
    assert [len(part) for part in parts] == [5, 0]
    assert [str(each.message) for each in caught] == [expected]
    assert caught[0].filename == __file__


def test_stratified_random_split() -> None:
    """Shares of 10, 6 and 4 rows in parts of 10, 5, 3 and 2: each off by less than one row."""
    labels = np.array(["a"] * 10 + ["b"] * 6 + ["c"] * 4)
    sizes = [10, 5, 5]
    for seed in range(10):
        parts = random_split(range(20), sizes, seed=seed, stratify=labels)
        assert [len(part) for part in parts] == sizes
        assert counts_of(labels[parts[0].indices]) == {"a": 5, "b": 3, "c": 2}
        for part in parts[1:]:
            found = counts_of(labels[part.indices])
            assert found["a"] in (2, 3)
            assert found["b"] in (1, 2)
            assert found["c"] == 1


@pytest.mark.parametrize("seed", range(6))
def test_shares_are_off_by_less_than_one_row_whatever_the_sizes(seed) -> None:
    random = np.random.default_rng(seed)
    for _ in range(60):
        kinds, parts = random.integers(1, 9), random.integers(1, 7)
        counts = random.integers(0, 25, kinds)
        cuts = np.sort(random.integers(0, counts.sum() + 1, parts - 1))
        sizes = np.diff([0, *cuts, counts.sum()])
        table = shares(counts, sizes, random.permutation(kinds))
        assert table.sum(0).tolist() == sizes.tolist()
        assert table.sum(1).tolist() == counts.tolist()
        exact = np.outer(counts, sizes) / max(counts.sum(), 1)
        assert (np.abs(table - exact) < 1).all()
        assert table.min() >= 0


def test_a_share_may_have_to_move_to_make_room() -> None:
    """The first two classes take the first part; the third, which can be nowhere else, comes last.

    Of counts 1, 1, 1 and sizes 1, 1, 1 each share is a third; every order of the classes works.
    """
    for turns in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        table = shares(np.array([1, 1, 1]), np.array([1, 1, 1]), np.array(turns))
        assert table.sum(0).tolist() == table.sum(1).tolist() == [1, 1, 1]
    # Class 1 has 2 * 3 / 6 = 1 row in the first part exactly, so only classes 0 and 2 differ.
    table = shares(np.array([3, 2, 1]), np.array([3, 3]), np.array([2, 1, 0]))
    assert table.tolist() == [[1, 2], [1, 1], [1, 0]]


@pytest.mark.parametrize(
    ("dataset", "lengths", "options", "error", "message"),
    [
        (5, [5], {}, TypeError, "dataset: expected a data set with __getitem__ and __len__; got 5"),
        (
            Table([1, 2], [0, 1]),
            [1, 1],
            {},
            TypeError,
            "dataset: expected a data set with __getitem__ and __len__; got Table; "
            "take TensorDataset(table)",
        ),
        (
            range(10),
            [3, 6],
            {},
            ValueError,
            "lengths: expected numbers that add up to 10, the number of samples, or fractions that "
            "add up to 1; got [3, 6]",
        ),
        (range(10), [0.5, 0.4], {}, ValueError, "lengths: expected numbers that add up to 10"),
        (range(10), [2.5, 7.5], {}, ValueError, "lengths: expected numbers that add up to 10"),
        (range(10), [np.inf, 1], {}, ValueError, "lengths: expected numbers that add up to 10"),
        (range(10), [], {}, ValueError, "lengths: expected numbers that add up to 10"),
        (range(10), [11, -1], {}, ValueError, "lengths: expected numbers of 0 or more; got [11, -"),
        (range(10), [np.nan, 1], {}, ValueError, "lengths: expected numbers of 0 or more"),
        (range(10), 0.5, {}, TypeError, "lengths: expected a list of numbers or of fractions; got"),
        (
            range(10),
            "55",
            {},
            TypeError,
            "lengths: expected a list of numbers or of fractions; got",
        ),
        (range(10), ["5", 5], {}, TypeError, "lengths: expected a number; got '5'"),
        (
            range(10),
            [5, 5],
            {"generator": 1},
            TypeError,
            "there is no argument generator=; pass seed=: an int, or a np.random.Generator",
        ),
        (
            dict,
            [1, 1],
            {},
            TypeError,
            "dataset: expected a data set with __getitem__ and __len__; got the class dict; make "
            "one: dict(...)",
        ),
        (
            range(10),
            [4, 3, 3],
            {"stratify": [0] * 8 + [1] * 2},
            ValueError,
            "stratify: expected 3 rows or more of each class, one for each part; got 2 of 1",
        ),
        (range(10), [5, 5], {"stratify": [1]}, ValueError, "stratify: expected 10 labels, one for"),
    ],
)
def test_errors_of_random_split(dataset, lengths, options, error, message) -> None:
    with pytest.raises(error) as caught:
        random_split(dataset, lengths, **options)
    assert str(caught.value).startswith(f"random_split: {message}")
    assert "\n" not in str(caught.value)


# k_fold


def test_folds_without_shuffle_follow_each_other() -> None:
    folds = k_fold(7, 3)
    assert [test.tolist() for _, test in folds] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [train.tolist() for train, _ in folds][1] == [0, 1, 2, 5, 6]
    assert {part.dtype for fold in folds for part in fold} == {np.dtype(np.int64)}
    assert len(k_fold(20)) == 5


@pytest.mark.parametrize("rows", [20, X, Tensor(X), [*range(20)], TensorDataset(X), range(20)])
def test_folds_of_anything_that_has_rows(rows) -> None:
    assert [test.tolist() for _, test in k_fold(rows, 2)] == [[*range(10)], [*range(10, 20)]]


def test_each_row_is_tested_once() -> None:
    for options in ({"shuffle": True}, {}, {"shuffle": True, "stratify": np.arange(23) % 2}):
        folds = k_fold(23, 5, **options)
        assert [len(test) for _, test in folds] == [5, 5, 5, 4, 4]
        assert sorted(np.concatenate([test for _, test in folds])) == [*range(23)]
        for train, test in folds:
            assert sorted([*train, *test]) == [*range(23)]
            assert train.tolist() == sorted(train)
            assert test.tolist() == sorted(test)


def test_shuffled_folds_follow_the_seed() -> None:
    def tests(**options: Any) -> list[list[int]]:
        return [test.tolist() for _, test in k_fold(20, 4, shuffle=True, **options)]

    assert tests(seed=0) == tests(seed=0) != tests(seed=1)
    Tensor.manual_seed(0)
    one = tests()
    Tensor.manual_seed(0)
    assert tests() == one


@pytest.mark.parametrize("shuffle", [True, False])
def test_stratified_folds(shuffle) -> None:
    """10 and 5 rows in 5 folds: 2 and 1 in each; without shuffle, the first of each class first."""
    labels = np.array(["no"] * 10 + ["yes"] * 5)
    folds = k_fold(15, 5, stratify=labels, shuffle=shuffle)
    assert all(counts_of(labels[test]) == {"no": 2, "yes": 1} for _, test in folds)
    assert shuffle or folds[0][1].tolist() == [0, 1, 10]


def test_a_class_with_fewer_rows_than_folds_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="only 2 rows") as caught:
        folds = k_fold(12, 3, stratify=[0] * 10 + [1] * 2)
    assert str(caught[0].message) == "k_fold: stratify: only 2 rows of the class 1 for 3 folds"
    assert [len(test) for _, test in folds] == [4, 4, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        k_fold(12, 2, stratify=[0] * 10 + [1] * 2)


@pytest.mark.parametrize(
    ("rows", "n_splits", "options", "error", "message"),
    [
        (3, 4, {}, ValueError, "n_splits: expected at most 3, as many as there are rows; got 4"),
        (3, 1, {}, ValueError, "n_splits: expected an integer of 2 or more; got 1"),
        (dict, 2, {}, TypeError, "expected what has rows: arrays, Tensors, tables or lists; got t"),
        (3, 2.0, {}, TypeError, "n_splits: expected an integer; got 2.0"),
        (3.5, 2, {}, TypeError, "rows: expected an integer; got 3.5"),
        (-3, 2, {}, ValueError, "rows: expected an integer of 0 or more; got -3"),
        (
            None,
            2,
            {},
            TypeError,
            "expected what has rows: arrays, Tensors, tables or lists; got No",
        ),
        (9, 3, {"seed": 1}, ValueError, "seed has no effect; pass shuffle=True too"),
        (9, 3, {"random_state": 1}, TypeError, "there is no argument random_state=; pass seed="),
        (
            9,
            5,
            {"stratify": [0] * 4 + [1] * 4 + [2]},
            ValueError,
            "stratify: no class has 5 rows, one for each fold; the largest has 4",
        ),
    ],
)
def test_errors_of_k_fold(rows, n_splits, options, error, message) -> None:
    with pytest.raises(error) as caught:
        k_fold(rows, n_splits, **options)
    assert str(caught.value).startswith(f"k_fold: {message}")
