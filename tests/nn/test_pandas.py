"""Tables of pandas as data: rows by position, splits that stay tables."""

import numpy as np
import pandas as pd
import pytest

from nn.data import DataLoader, k_fold, train_test_split

# The labels of the rows are in another order than the rows, and one stands there twice.
LABELS = [3, 0, 2, 1, 3]
TABLE = pd.DataFrame({"a": [1.5, 2.5, 3.5, 4.5, 5.5], "b": [1, 2, 3, 4, 5]}, index=LABELS)
TARGET = pd.Series([0, 1, 0, 1, 0], index=LABELS, dtype="uint8")


def test_rows_are_taken_by_position():
    (x, y), (rest, _), *_ = DataLoader(TABLE, TARGET, batch_size=2)
    assert x.tolist() == [[1.5, 1.0], [2.5, 2.0]]
    assert (y.tolist(), y.dtype) == ([0, 1], np.int64)
    assert rest.tolist() == [[3.5, 3.0], [4.5, 4.0]]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([1, 2], dtype="Int16"), [1, 2]),
        (pd.Series([1.5, None], dtype="Float32"), [1.5, np.nan]),
        (pd.Series([1, None], dtype="Int64"), [1, np.nan]),
        (pd.Series([True, False], dtype="boolean"), [True, False]),
        (pd.Series([2, 1]).astype("category"), [2, 1]),
        (pd.Series([0.0, 3.0]).astype(pd.SparseDtype("float64", 0.0)), [0.0, 3.0]),
    ],
    ids=["Int16", "Float32", "Int64", "boolean", "category", "sparse"],
)
def test_columns_of_other_dtypes(column, expected):
    values = next(iter(DataLoader(column, batch_size=2))).numpy()
    np.testing.assert_array_equal(values.astype(np.float64), np.array(expected, np.float64))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.Series(["x", "y"], name="colour"), "expected numbers; got the column 'colour'"),
        (pd.Series(pd.date_range("2020-01-01", periods=2), name="day"), "got the column 'day'"),
        (pd.Series([True, None], dtype="boolean", name="n"), "the column 'n' of dtype 'boolean'"),
    ],
    ids=["text", "dates", "missing"],
)
def test_what_holds_no_numbers_is_named(column, words):
    for data in (column, pd.DataFrame({"fine": [1.0, 2.0], column.name: column})):
        with pytest.raises(TypeError, match=words):
            DataLoader(data)


def test_splits_of_tables_are_tables():
    train, test, y_train, y_test = train_test_split(TABLE, TARGET, test_size=2, seed=0)
    assert isinstance(test, pd.DataFrame)
    assert isinstance(y_train, pd.Series)
    for part, target in ((train, y_train), (test, y_test)):
        assert (target.to_numpy() == (part["b"].to_numpy() + 1) % 2).all()
        assert part.index.tolist() == [LABELS[row - 1] for row in part["b"]]
    assert sorted([*train["b"], *test["b"]]) == [1, 2, 3, 4, 5]


def test_strata_may_be_text():
    strata = pd.Series(["u", "v", "u", "v", "u"], index=LABELS)
    _, _, _, y_test = train_test_split(TABLE, TARGET, test_size=2, stratify=strata, seed=1)
    assert sorted(y_test) == [0, 1]
    for _, held_out in k_fold(TABLE, 2, stratify=strata):
        assert set(TARGET.iloc[held_out]) == {0, 1}
