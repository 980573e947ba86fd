"""The batch iterator: every row once, the same seed the same batches, copies only."""

import numpy as np
import pytest

from nn.data import Batches

X = np.arange(10 * 3, dtype=np.float32).reshape(10, 3)
Y = np.arange(10)


def rows(batches: Batches) -> list[list[int]]:
    """The row numbers in each batch of one epoch of (X, Y)."""
    return [y.tolist() for _, y in batches]


def test_shapes_dtypes_and_length():
    batches = Batches(X, Y, batch_size=4, seed=0)
    shapes = [(x.shape, y.shape) for x, y in batches]
    assert shapes == [((4, 3), (4,)), ((4, 3), (4,)), ((2, 3), (2,))]
    assert len(batches) == 3
    assert {(x.dtype, y.dtype) for x, y in batches} == {(np.dtype("f4"), np.dtype("i8"))}


def test_an_epoch_has_every_row_once_and_keeps_rows_together():
    seen = []
    for x, y in Batches(X, Y, batch_size=3, seed=1):
        assert np.array_equal(x, X[y])
        seen += y.tolist()
    assert sorted(seen) == list(range(10))


def test_drop_last():
    batches = Batches(X, Y, batch_size=4, seed=0, drop_last=True)
    assert [len(batch) for batch in rows(batches)] == [4, 4]
    assert len(batches) == 2
    assert len(Batches(X, batch_size=5, drop_last=True)) == 2


def test_without_shuffle_rows_come_as_they_stand():
    batches = Batches(X, Y, batch_size=4, shuffle=False)
    assert rows(batches) == rows(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_one_array_gives_bare_batches():
    assert [batch.tolist() for batch in Batches(Y, batch_size=6, shuffle=False)] == [
        [0, 1, 2, 3, 4, 5],
        [6, 7, 8, 9],
    ]


def test_same_seed_same_batches_and_a_new_order_every_epoch():
    one, other = Batches(X, Y, batch_size=4, seed=7), Batches(X, Y, batch_size=4, seed=7)
    epochs = [rows(one) for _ in range(3)]
    assert epochs == [rows(other) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert rows(Batches(X, Y, batch_size=4, seed=8)) != epochs[0]


def test_a_generator_given_is_the_one_used():
    expected = np.random.default_rng(3).permutation(10).tolist()
    generator = np.random.default_rng(3)
    batches = Batches(X, Y, batch_size=10, seed=generator)
    assert rows(batches) == [expected]
    assert batches.generator is generator


def test_without_a_seed_two_orders_differ():
    many = np.arange(1000)
    first, second = (next(iter(Batches(many, batch_size=1000))) for _ in range(2))
    assert not np.array_equal(first, second)


def test_the_global_random_state_is_neither_read_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # to see that it stays
    rows(Batches(X, Y, batch_size=4, seed=0))
    rows(Batches(X, Y, batch_size=4))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_shares_no_memory_with_the_data(shuffle):
    data = X.copy()
    for batch in Batches(data, batch_size=4, shuffle=shuffle, seed=0):
        assert not np.shares_memory(batch, data)
        batch[:] = -1
    assert np.array_equal(data, X)


@pytest.mark.parametrize("layout", [X[:, ::2], X[::-1], np.asfortranarray(X), X.T.copy().T])
def test_any_layout(layout):
    read_only = layout.view()
    read_only.flags.writeable = False
    for batch, y in Batches(read_only, Y, batch_size=4, seed=0):
        assert np.array_equal(batch, layout[y])


def test_anything_that_an_array_can_index():
    class Squares:
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return index**2

    assert next(iter(Batches(Squares(), batch_size=5, shuffle=False))).tolist() == [0, 1, 4, 9, 16]


def test_no_rows_give_no_batches():
    batches = Batches(np.empty((0, 3)), batch_size=4, drop_last=True)
    assert list(batches) == []
    assert len(batches) == 0


def test_two_epochs_at_once_do_not_disturb_each_other():
    batches = Batches(X, Y, batch_size=4, seed=0)
    first, second = [], []
    for (_, y), (_, z) in zip(batches, batches, strict=True):
        first += y.tolist()
        second += z.tolist()
    assert sorted(first) == sorted(second) == list(range(10))


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        (
            (X, Y[:9]),
            {"batch_size": 4},
            ValueError,
            "Batches: expected arrays of one length, got [10, 9]",
        ),
        (
            (X,),
            {"batch_size": 0},
            ValueError,
            "Batches: batch_size: expected an integer of 1 or more; got 0",
        ),
        (
            (X,),
            {"batch_size": 16, "drop_last": True},
            ValueError,
            "Batches: drop_last leaves nothing of 10 rows at batch_size 16; "
            "make the batches smaller or pass drop_last=False",
        ),
        (
            (X, [1, 2]),
            {"batch_size": 4},
            TypeError,
            "Batches: expected arrays or Tensors, got a list; use np.array(...)",
        ),
        ((), {"batch_size": 4}, TypeError, "Batches: expected one or more arrays, got none"),
        (
            (X,),
            {"batch_size": 4.0},
            TypeError,
            "Batches: batch_size: expected an integer; got 4.0",
        ),
    ],
)
def test_errors(arrays, options, error, message):
    with pytest.raises(error) as caught:
        Batches(*arrays, **options)
    assert str(caught.value) == message


class Labelled:
    """A Series of pandas in short: an array of integers picks by label, not by position."""

    def __init__(self, values: list[int], labels: list[int]) -> None:
        self.by_label = dict(zip(labels, values, strict=True))
        self.iloc = self

    def __len__(self) -> int:
        return len(self.by_label)

    def __getitem__(self, labels: np.ndarray) -> list[int]:
        return [self.by_label[label] for label in labels.tolist()]

    def to_numpy(self) -> np.ndarray:
        return np.array(list(self.by_label.values()))


def test_what_is_labelled_is_taken_by_position():
    shuffled = Labelled([0, 10, 20, 30], [2, 0, 3, 1])
    rows_of_both = Batches(np.arange(4), shuffled, batch_size=2, seed=0)
    for numbers, values in rows_of_both:
        assert isinstance(values, np.ndarray)
        assert values.tolist() == (10 * numbers).tolist()
