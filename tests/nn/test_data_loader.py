"""The DataLoader in one thread: every row once, the orders of a seed, copies only, what is data."""

import copy
import pickle
import threading
from collections import namedtuple
from itertools import chain
from types import MappingProxyType

import numpy as np
import pytest

import nn
from nn.data import ConcatDataset, DataLoader, RandomSampler, Subset, TensorDataset
from tinygrad_lite import Tensor, generator

X = np.arange(10 * 3, dtype=np.float32).reshape(10, 3)
Y = np.arange(10)


def joined(lists) -> list:
    return list(chain.from_iterable(lists))


def rows(loader: DataLoader) -> list[list[int]]:
    """The row numbers in each batch of one epoch of (X, Y)."""
    return [y.tolist() for _, y in loader]


class Squares:
    """A data set of numbers: i -> i * i."""

    def __init__(self, length: int = 7) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> int:
        assert type(index) is int
        return index * index


class Noisy(Squares):
    """A data set whose samples draw as Tensor does."""

    def __getitem__(self, index):
        return Tensor.rand(2), generator.current().random()


# What a batch is


def test_shapes_dtypes_and_length():
    loader = DataLoader(X, Y, batch_size=4, seed=0)
    shapes = [(x.shape, y.shape) for x, y in loader]
    assert shapes == [((4, 3), (4,)), ((4, 3), (4,)), ((2, 3), (2,))]
    assert len(loader) == 3
    assert all(type(batch) is tuple for batch in loader)
    assert {(type(x), x.dtype, y.dtype) for x, y in loader} == {
        (Tensor, np.dtype("f4"), np.dtype("i8"))
    }


def test_one_array_gives_bare_batches():
    assert [batch.tolist() for batch in DataLoader(Y, batch_size=6)] == [
        [0, 1, 2, 3, 4, 5],
        [6, 7, 8, 9],
    ]


def test_the_default_is_one_row_in_a_batch_in_order():
    assert [y.tolist() for y in DataLoader(Y)] == [[i] for i in range(10)]


@pytest.mark.parametrize(
    ("given", "served"),
    [
        *(("u1", "i8"), ("i4", "i8"), ("u8", "i8"), (">i2", "i8")),
        *(("f2", "f2"), ("f4", "f4"), ("f8", "f8"), (">f4", "f4"), ("?", "?")),
    ],
)
def test_dtypes_of_one_number_per_row(given, served):
    (batch,) = DataLoader(np.array([1, 0, 1], given), batch_size=3)
    assert batch.dtype == np.dtype(served)
    assert batch.dtype.isnative
    assert batch.tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", ["u1", "i4", "f2", "f8", "?", ">i4", ">f8"])
def test_dtypes_of_more_than_one_number_per_row_stay(dtype):
    (batch,) = DataLoader(np.ones((3, 2), dtype), batch_size=3)
    assert batch.dtype == np.dtype(dtype).newbyteorder("=")
    assert batch.dtype.isnative


def test_a_label_beyond_int64_is_an_error():
    words = r"^TensorDataset: labels: expected integers of at most 63 bits; got 18"
    with pytest.raises(ValueError, match=words):
        list(DataLoader(np.array([2**64 - 1], np.uint64)))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("as_given", [np.copy, Tensor, lambda x: TensorDataset(x.copy())])
def test_a_batch_shares_no_memory_with_the_data(shuffle, as_given):
    data = as_given(X)
    source = data.tensors[0].data if isinstance(data, TensorDataset) else np.asarray(data)
    for batch in DataLoader(data, batch_size=4, shuffle=shuffle, seed=0):
        x = batch[0] if type(batch) is tuple else batch
        assert not np.shares_memory(x.data, source)
        x.data[:] = -1
    assert np.array_equal(source, X)


def test_rows_of_a_tensor_that_requires_grad_are_in_its_graph():
    weights = Tensor(X, requires_grad=True)
    for batch in DataLoader(weights, batch_size=4, shuffle=True, seed=0):
        (2 * batch).sum().backward()
    assert (weights.grad.numpy() == 2).all()


# Orders


def test_an_epoch_has_every_row_once_and_keeps_rows_together():
    seen = []
    for x, y in DataLoader(X, Y, batch_size=3, shuffle=True, seed=1):
        assert np.array_equal(x.numpy(), X[y.numpy()])
        seen += y.tolist()
    assert sorted(seen) == list(range(10))


def test_drop_last():
    loader = DataLoader(X, Y, batch_size=4, seed=0, drop_last=True)
    assert [len(batch) for batch in rows(loader)] == [4, 4]
    assert len(loader) == 2
    assert len(DataLoader(X, batch_size=5, drop_last=True)) == 2


def test_a_batch_larger_than_the_data_has_all_of_it():
    assert rows(DataLoader(X, Y, batch_size=100)) == [Y.tolist()]


def test_one_row():
    assert rows(DataLoader(X[:1], Y[:1], batch_size=3, shuffle=True)) == [[0]]


def test_without_shuffle_rows_come_in_order():
    loader = DataLoader(X, Y, batch_size=4)
    assert rows(loader) == rows(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_the_orders_of_a_seed_are_permutations_of_numpys_generator():
    drawn = np.random.default_rng(7)
    loader = DataLoader(X, Y, batch_size=4, shuffle=True, seed=7)
    for _ in range(3):
        assert joined(rows(loader)) == drawn.permutation(10).tolist()


def test_what_is_random_in_a_batch_changes_no_order():
    noisy = DataLoader(X, Y, batch_size=4, shuffle=True, seed=7, transform=lambda x, y: (x, y))
    plain = DataLoader(X, Y, batch_size=4, shuffle=True, seed=7)
    assert [rows(noisy) for _ in range(3)] == [rows(plain) for _ in range(3)]


@pytest.mark.parametrize(
    "seed",
    [
        np.random.SeedSequence(3),
        np.random.PCG64(3),
        np.random.MT19937(3),
        np.random.Philox(3),
        np.int64(3),
        2**200,
    ],
)
def test_kinds_of_seeds(seed):
    expected = np.random.default_rng(copy.deepcopy(seed)).permutation(10).tolist()
    assert joined(rows(DataLoader(X, Y, shuffle=True, seed=seed))) == expected


def test_a_generator_given_is_the_one_used():
    expected = np.random.default_rng(3).permutation(10).tolist()
    given = np.random.default_rng(3)
    loader = DataLoader(X, Y, batch_size=10, shuffle=True, seed=given)
    assert rows(loader) == [expected]
    assert loader.generator is given
    assert given.random() != np.random.default_rng(3).random()


def test_without_a_seed_orders_follow_from_manual_seed():
    found = []
    for seed in (1, 1, 2):
        Tensor.manual_seed(seed)
        loader = DataLoader(X, Y, shuffle=True)
        found.append([rows(loader), rows(loader)])
    assert found[0] == found[1] != found[2]
    assert found[0][0] != found[0][1]


def test_manual_seed_between_two_epochs_restarts_the_orders():
    loader = DataLoader(X, Y, shuffle=True)
    Tensor.manual_seed(1)
    first = rows(loader)
    Tensor.manual_seed(1)
    assert rows(loader) == first


@pytest.mark.parametrize("options", [{"shuffle": False}, {"shuffle": True, "seed": 0}])
def test_tensors_generator_is_used_only_where_there_is_no_seed(options):
    before = generator.get_state()
    rows(DataLoader(X, Y, batch_size=4, **options))
    assert generator.get_state() == before
    rows(DataLoader(X, Y, batch_size=4, shuffle=True))
    assert generator.get_state() != before


def test_the_global_random_state_is_neither_read_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # to see that it stays
    rows(DataLoader(X, Y, batch_size=4, shuffle=True, seed=0))
    rows(DataLoader(X, Y, batch_size=4, shuffle=True))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


# Transform


def test_transform_gets_the_parts_of_a_batch_without_a_graph():
    def doubled(x, y):
        assert type(x) is type(y) is Tensor
        assert not (x * weight).requires_grad
        return 2 * x, y

    weight = Tensor([1.0], requires_grad=True)
    for x, y in DataLoader(X, Y, batch_size=4, transform=doubled):
        assert np.array_equal(x.numpy(), 2 * X[y.numpy()])
    (whole,) = DataLoader(X, batch_size=10, transform=lambda x: x + 1)
    assert np.array_equal(whole.numpy(), X + 1)


def test_a_transform_may_give_arrays_and_dicts():
    loader = DataLoader(X, Y, batch_size=10, transform=lambda x, y: {"x": x.numpy(), "y": [y, "a"]})
    (batch,) = loader
    assert type(batch["x"]) is Tensor
    assert batch["y"][1] == "a"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.ma.masked_array([1.0], [True]), "arrays without a mask; got MaskedArray"),
        (np.array(["a"]), "arrays of numbers of at most 64 bits; got ndarray of shape"),
        (np.ones(2, complex), "arrays of numbers of at most 64 bits; got ndarray of shape"),
    ],
)
def test_what_a_transform_may_not_give(given, words):
    with pytest.raises(TypeError, match=f"^DataLoader: transform: expected {words}"):
        next(iter(DataLoader(X, transform=lambda x: [x, {"given": given}])))


def test_a_transform_that_returns_nothing_is_told_so():
    with pytest.raises(TypeError, match=r"^DataLoader: transform: expected a batch; got None"):
        next(iter(DataLoader(X, transform=lambda x: None)))


def noise(x, y):
    return x + Tensor.randn(*x.shape), y


def test_random_transforms_follow_from_the_seed_the_epoch_and_the_batch():
    def epochs(**options):
        loader = DataLoader(0 * X, Y, batch_size=4, transform=noise, **options)
        return [x.numpy().tobytes() for _ in range(2) for x, _ in loader]

    assert len(set(epochs(seed=3))) == 6
    assert epochs(seed=3) == epochs(seed=3) != epochs(seed=4)
    assert epochs(seed=3, shuffle=True) == epochs(seed=3, shuffle=True)
    Tensor.manual_seed(5)
    first = epochs()
    Tensor.manual_seed(5)
    assert first == epochs()


def test_random_transforms_disturb_no_other_random_numbers():
    Tensor.manual_seed(1)
    expected = Tensor.rand(3).tolist()
    Tensor.manual_seed(1)
    for _ in DataLoader(X, Y, batch_size=4, transform=noise, seed=0):
        pass
    assert Tensor.rand(3).tolist() == expected


def test_random_numbers_of_the_loop_do_not_change_those_of_the_batches():
    def epoch(draws):
        found = []
        for x, _ in DataLoader(X, Y, batch_size=4, transform=noise, seed=0):
            found.append(x.tolist())
            Tensor.rand(draws)
        return found

    assert epoch(0) == epoch(5)


# Data sets


def test_a_data_set_gets_python_ints_and_its_numbers_become_int64():
    batches = list(DataLoader(Squares(), batch_size=4, shuffle=True, seed=0))
    assert {(type(batch), batch.dtype) for batch in batches} == {(Tensor, np.dtype("i8"))}
    assert sorted(joined(batch.tolist() for batch in batches)) == [0, 1, 4, 9, 16, 25, 36]


@pytest.mark.parametrize(
    ("sample", "batch"),
    [
        ((1.5, 2), (Tensor([1.5, 1.5]), Tensor([2, 2]))),
        ([np.ones(3, "f8"), "a"], [Tensor(np.ones((2, 3))), ("a", "a")]),
        ({"x": Tensor([1.0]), "y": {"z": True}}, {"x": Tensor([[1.0]] * 2), "y": {"z": None}}),
    ],
)
def test_samples_keep_their_structure(sample, batch):
    (found,) = DataLoader([sample, sample], batch_size=2)
    assert type(found) is type(batch)
    if isinstance(batch, dict):
        assert found["x"].tolist() == batch["x"].tolist()
        assert found["y"]["z"].tolist() == [True, True]
        return
    for part, expected in zip(found, batch, strict=True):
        if isinstance(expected, Tensor):
            assert part.dtype == expected.dtype
            assert part.tolist() == expected.tolist()
        else:
            assert part == expected


def test_named_tuples_stay_what_they_are():
    Point = namedtuple("Point", "x y")
    (batch,) = DataLoader([Point(1, 2.0), Point(3, 4.0)], batch_size=2)
    assert type(batch) is Point
    assert batch.x.tolist() == [1, 3]
    (served,) = DataLoader([Point(1, 2.0)], transform=lambda x, y: Point(x.numpy(), y))
    assert type(served) is Point
    assert type(served.x) is Tensor


def test_getitems_is_called_once_for_a_batch():
    class Many(Squares):
        asked = ()

        def __getitems__(self, indices):
            self.asked = (*self.asked, indices)
            return [index + 1 for index in indices]

    data = Many()
    assert [b.tolist() for b in DataLoader(data, batch_size=4)] == [[1, 2, 3, 4], [5, 6, 7]]
    assert data.asked == ([0, 1, 2, 3], [4, 5, 6])


def test_getitems_of_another_length_is_an_error():
    class Few(Squares):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match=r"^Few.__getitems__: expected 3 samples; got 1$"):
        next(iter(DataLoader(Few(), batch_size=3)))


def test_collate_fn_gets_the_samples():
    seen = []
    loader = DataLoader(X, Y, batch_size=4, collate_fn=lambda samples: seen.append(samples) or 5)
    assert list(loader) == [5, 5, 5]
    assert [len(samples) for samples in seen] == [4, 4, 2]
    assert {type(sample) for samples in seen for sample in samples} == {tuple}
    assert seen[1][2][0].tolist() == X[6].tolist()
    assert seen[1][2][1].shape == ()


def test_collate_fn_of_one_array_gets_its_rows():
    (batch,) = DataLoader(X, batch_size=10, collate_fn=lambda samples: samples)
    assert [sample.tolist() for sample in batch] == X.tolist()


def test_an_error_in_a_sample_names_it():
    class Broken(Squares):
        def __getitem__(self, index):
            return 1 // (index - 5)

    with pytest.raises(ZeroDivisionError) as caught:
        list(DataLoader(Broken(), batch_size=4))
    assert caught.value.__notes__ == ["DataLoader: this happened in dataset[5]"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stop_iteration_does_not_end_the_loop_without_a_word(workers):
    class Ends(Squares):
        def __getitem__(self, index):
            return next(iter(()))

    loader = DataLoader(Ends(), num_workers=workers, threads=True)
    with pytest.raises(
        RuntimeError, match=r"^DataLoader: a StopIteration came out of the data set"
    ):
        next(iter(loader))


def test_random_samples_follow_from_the_seed():
    def epoch(seed):
        return [(x.tolist(), y.tolist()) for x, y in DataLoader(Noisy(), batch_size=3, seed=seed)]

    assert epoch(1) == epoch(1) != epoch(2)


def test_a_data_set_with_no_length_needs_a_sampler():
    class Endless:
        def __getitem__(self, index):
            return index

    with pytest.raises(TypeError, match=r"a data set with __len__, or a sampler; got Endless$"):
        DataLoader(Endless())
    loader = DataLoader(Endless(), sampler=[5, 2**40], batch_size=2)
    assert [batch.tolist() for batch in loader] == [[5, 2**40]]
    assert len(loader) == 1


def test_a_list_of_samples_and_a_range_are_data_sets():
    x, y = next(iter(DataLoader([(X[i], i) for i in range(10)], batch_size=4)))
    assert np.array_equal(x.numpy(), X[:4])
    assert y.tolist() == [0, 1, 2, 3]
    assert next(iter(DataLoader(["a", "b"], batch_size=2))) == ["a", "b"]
    assert next(iter(DataLoader(range(10), batch_size=3))).tolist() == [0, 1, 2]


def test_tensor_dataset_and_its_subsets_give_tuples():
    data = TensorDataset(X, Y)
    assert len(DataLoader(data).dataset) == 10
    (only,) = next(iter(DataLoader(TensorDataset(X), batch_size=2)))
    assert only.tolist() == X[:2].tolist()
    part = Subset(Subset(data, range(5, 10)), [4, 0])
    x, y = next(iter(DataLoader(part, batch_size=2)))
    assert y.tolist() == [9, 5]
    assert x.tolist() == X[[9, 5]].tolist()


def test_a_subclass_of_tensor_dataset_is_asked_for_its_samples():
    class Negative(TensorDataset):
        def __getitem__(self, index):
            return tuple(-part for part in super().__getitem__(index))

    (batch,) = next(iter(DataLoader(Negative(Y), batch_size=9)))
    assert batch.tolist()[:3] == [0, -1, -2]
    part = Subset(Negative(Y), [3])
    assert next(iter(DataLoader(part)))[0].tolist() == [-3]


def test_concat_dataset():
    data = ConcatDataset([Squares(2), [7, 8], TensorDataset(Y[:0]), range(5, 6)])
    assert [data[i] for i in range(len(data))] == [0, 1, 7, 8, 5]
    assert data[-1] == 5
    assert data.cumulative_sizes == [2, 4, 4, 5]
    assert joined(b.tolist() for b in DataLoader(data, batch_size=2)) == [0, 1, 7, 8, 5]
    assert list(data) == [0, 1, 7, 8, 5]
    for index in (5, -6):
        with pytest.raises(IndexError, match=r"^ConcatDataset: there are 5 samples; got the index"):
            data[index]


# Arrays of all kinds


@pytest.mark.parametrize("layout", [X[:, ::2], X[::-1], np.asfortranarray(X), X.T.copy().T])
def test_any_layout(layout):
    read_only = layout.view()
    read_only.flags.writeable = False
    for batch, y in DataLoader(read_only, Y, batch_size=4, shuffle=True, seed=0):
        assert np.array_equal(batch.numpy(), layout[y.numpy()])
        batch.data[:] = 0


def test_a_memory_mapped_array_is_read_row_by_row(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    loader = DataLoader(mapped, Y, batch_size=4, shuffle=True, seed=0)
    assert np.shares_memory(loader.dataset.tensors[0].data, mapped)
    for x, y in loader:
        assert np.array_equal(x.numpy(), X[y.numpy()])
        assert not np.shares_memory(x.data, mapped)


def test_what_has_array_is_an_array():
    class Column:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.5, 2.5])

    assert next(iter(DataLoader(Column(), batch_size=2))).tolist() == [1.5, 2.5]


class Labelled:
    """A Series of pandas in short: an array of integers picks by label, not by position."""

    def __init__(self, values, labels, dtype=None) -> None:
        self.by_label = dict(zip(labels, values, strict=True))
        self.iloc = self
        self.dtype = dtype
        self.name = "label"

    def __len__(self) -> int:
        return len(self.by_label)

    def __getitem__(self, labels: np.ndarray) -> list[int]:
        return [self.by_label[label] for label in labels.tolist()]

    def to_numpy(self, dtype=None, na_value=None) -> np.ndarray:
        values = self.by_label.values()
        return np.array([na_value if each is None else each for each in values], dtype)


def test_what_is_labelled_is_taken_by_position():
    shuffled = Labelled([0, 10, 20, 30], [2, 0, 3, 1])
    for numbers, values in DataLoader(np.arange(4), shuffled, batch_size=2, shuffle=True, seed=0):
        assert values.tolist() == (10 * numbers).tolist()


class Dtype:
    """A dtype of pandas: what kind its values have."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind

    def __str__(self) -> str:
        return self.name


def test_missing_values_of_a_column():
    floats = Labelled([1.5, None], range(2), Dtype("Float64", "f"))
    floats = next(iter(DataLoader(floats, batch_size=2))).numpy()
    assert floats[0] == 1.5
    assert np.isnan(floats[1])
    integers = Labelled([1, None], range(2), Dtype("Int64", "i"))
    integers = next(iter(DataLoader(integers, batch_size=2))).numpy()
    np.testing.assert_array_equal(integers, [1.0, np.nan])
    flags = Labelled([True, None], range(2), Dtype("boolean", "b"))
    with pytest.raises(TypeError, match=r"the column 'label' of dtype 'boolean' has missing val"):
        DataLoader(flags)
    text = Labelled(["a", None], range(2), Dtype("object", "O"))
    with pytest.raises(TypeError, match=r"expected numbers; got the column 'label' of dtype 'obj"):
        DataLoader(text)


# Several loops, copies, threads


@pytest.mark.parametrize("data", [(np.empty((0, 3)),), ([],), (TensorDataset(Y[:0]),)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_no_rows_give_no_batches(data, shuffle):
    loader = DataLoader(*data, batch_size=4, shuffle=shuffle, drop_last=True)
    assert list(loader) == []
    assert len(loader) == 0
    assert loader.epoch == 1


def test_two_epochs_at_once_do_not_disturb_each_other():
    loader = DataLoader(X, Y, batch_size=4, shuffle=True, seed=0)
    first, second = [], []
    for (_, y), (_, z) in zip(loader, loader, strict=True):
        first += y.tolist()
        second += z.tolist()
    assert sorted(first) == sorted(second) == list(range(10))
    assert loader.epoch == 2


def test_threads_take_different_epochs_of_one_loader():
    loader = DataLoader(X, Y, batch_size=3, shuffle=True, seed=0)
    other = DataLoader(X, Y, batch_size=3, shuffle=True, seed=0)
    found = []
    threads = [threading.Thread(target=lambda: found.append(rows(loader))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(rows(other) for _ in range(8))
    assert loader.epoch == 8


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_continues_apart(copied):
    loader = DataLoader(X, Y, batch_size=4, shuffle=True, seed=0)
    rows(loader)
    next(iter(loader))
    other = copied(loader)
    assert other.state_dict() == loader.state_dict()
    assert rows(other) == rows(loader)
    assert other.epoch == loader.epoch == 2


# What is refused


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ((X, Y[:9]), {}, ValueError, "DataLoader: expected arrays of one length; got [10, 9]"),
        (
            (X,),
            {"batch_size": 0},
            ValueError,
            "DataLoader: batch_size: expected an integer of 1 or more; got 0",
        ),
        (
            (X,),
            {"batch_size": 16, "drop_last": True},
            ValueError,
            "DataLoader: drop_last leaves nothing of 10 rows at batch_size 16; "
            "make the batches smaller or pass drop_last=False",
        ),
        (
            (X, [1, 2]),
            {},
            TypeError,
            "DataLoader: expected arrays or Tensors; got a list; use np.array(...)",
        ),
        (
            ([1, 2],),
            {},
            TypeError,
            "DataLoader: expected arrays, Tensors or samples; got a list of numbers; "
            "use np.array(...)",
        ),
        ((), {}, TypeError, "DataLoader: expected one or more arrays, or a data set; got none"),
        (
            (X,),
            {"batch_size": 4.0},
            TypeError,
            "DataLoader: batch_size: expected an integer; got 4.0",
        ),
        (
            (X, 64),
            {},
            TypeError,
            "DataLoader: options are given by name: batch_size=64; got it among the data",
        ),
        (
            (X, 64, True),
            {},
            TypeError,
            "DataLoader: options are given by name: batch_size=64; got it among the data",
        ),
        (
            (np.array(["a"]),),
            {},
            TypeError,
            "DataLoader: expected arrays of numbers of at most 64 bits; got ndarray of shape "
            "(1,), <U1",
        ),
        (
            (np.array([None]),),
            {},
            TypeError,
            "DataLoader: expected arrays of numbers of at most 64 bits; got ndarray of shape "
            "(1,), object",
        ),
        (
            (np.ma.masked_array([1.0], [True]),),
            {},
            TypeError,
            "DataLoader: expected arrays without a mask; got MaskedArray of shape (1,), float64; "
            "use .filled(...)",
        ),
        (
            ({"x": X},),
            {},
            TypeError,
            "DataLoader: expected arrays, Tensors or a data set; got dict; pass what is in it: "
            "DataLoader(*data.values())",
        ),
        (
            ((X, Y),),
            {},
            TypeError,
            "DataLoader: expected arrays, Tensors or a data set; got a tuple of arrays; pass them "
            "one by one: DataLoader(*arrays)",
        ),
        (("ab",), {}, TypeError, "DataLoader: expected arrays, Tensors or a data set; got 'ab'"),
        (
            (Squares,),
            {},
            TypeError,
            "DataLoader: expected arrays, Tensors or a data set; got the class Squares; make one: "
            "Squares(...)",
        ),
        (
            (Squares(), Y),
            {},
            TypeError,
            "DataLoader: expected arrays or Tensors; got Squares; a data set comes alone",
        ),
        (
            (iter([1]),),
            {},
            TypeError,
            "DataLoader: expected a data set with __getitem__; got list_iterator, which can only "
            "be iterated; use list(data)",
        ),
        ((None,), {}, TypeError, "DataLoader: expected arrays, Tensors or a data set; got None"),
        (
            (X,),
            {"sampler": iter([1])},
            TypeError,
            "DataLoader: sampler: expected an iterable of integers with __len__; got list_iterator",
        ),
        (
            (X,),
            {"sampler": RandomSampler},
            TypeError,
            "DataLoader: sampler: expected an iterable of integers with __len__; got the class "
            "RandomSampler; make one: RandomSampler(...)",
        ),
        (
            (MappingProxyType({"x": X}),),
            {},
            TypeError,
            "DataLoader: expected arrays, Tensors or a data set; got mappingproxy; pass what is in "
            "it: DataLoader(*data.values())",
        ),
        (
            (X,),
            {"sampler": [1], "shuffle": True},
            ValueError,
            "DataLoader: sampler takes the place of shuffle; give one",
        ),
        (
            (X,),
            {"batch_sampler": [[1]], "batch_size": 2},
            ValueError,
            "DataLoader: batch_sampler takes the place of batch_size; give one",
        ),
        ((X,), {"transform": 3}, TypeError, "DataLoader: transform: expected a function; got 3"),
        (
            (X,),
            {"seed": 1.5},
            TypeError,
            "DataLoader: seed: expected an integer of 0 or more; got 1.5",
        ),
        (
            (X,),
            {"generator": 3},
            TypeError,
            "DataLoader: there is no argument generator=; pass seed=: an int, or a "
            "np.random.Generator",
        ),
        (
            (X,),
            {"pin_memory": True},
            TypeError,
            "DataLoader: there is no argument pin_memory=; leave it out: nothing leaves the CPU",
        ),
        (
            (X,),
            {"dataset": X},
            TypeError,
            "DataLoader: there is no argument dataset=; the data come first, without a name: "
            "DataLoader(dataset, ...)",
        ),
        ((X,), {"batchsize": 3}, TypeError, "DataLoader: there is no argument batchsize="),
    ],
)
def test_errors(arrays, options, error, message):
    with pytest.raises(error) as caught:
        DataLoader(*arrays, **options)
    assert str(caught.value) == message


def test_names_of_pytorch_say_what_to_write():
    with pytest.raises(AttributeError, match=r"no attribute 'IterableDataset'; here it is "):
        nn.data.IterableDataset  # noqa: B018
    with pytest.raises(AttributeError, match=r"^module 'nn.data' has no attribute 'Batchs'$"):
        nn.data.Batchs  # noqa: B018
