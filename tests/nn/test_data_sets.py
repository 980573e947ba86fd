"""Data sets of rows and of parts, and how samples become a batch."""

import collections

import numpy as np
import pytest

from nn.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, default_collate
from tinygrad_lite import Tensor

# Data sets


def test_tensor_dataset() -> None:
    data = TensorDataset(np.ones((3, 2)), Tensor([1, 2, 3], dtype=np.int32))
    x, y = data[1]
    assert (x.tolist(), y.tolist(), y.dtype) == ([1.0, 1.0], 2, np.dtype("i8"))
    assert data[-1][1].tolist() == 3
    assert data[1:][1].tolist() == [2, 3]
    assert len(data) == 3
    assert [y.tolist() for _, y in data] == [1, 2, 3]
    with pytest.raises(IndexError):
        data[3]
    with pytest.raises(TypeError, match=r"^TensorDataset: expected one or more arrays; got none$"):
        TensorDataset()


class Endless:
    """A data set that has no sample it would not give."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> int:
        return index


class Table:
    """What counts as a DataFrame: its own index picks columns."""

    iloc = columns = ()

    def to_numpy(self) -> np.ndarray:
        return np.ones((2, 1))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return index


def test_subset() -> None:
    part = Subset(["a", "b", "c"], np.array([2, 0]))
    assert list(part) == ["c", "a"]
    assert part[-1] == "a"
    assert len(part) == 2
    with pytest.raises(TypeError, match=r"^Subset: indices: expected an integer; got 1.0$"):
        Subset([1, 2], [1.0])
    with pytest.raises(TypeError, match=r"^Subset: dataset: .*; make one: Endless\(\.\.\.\)$"):
        Subset(Endless, [1])
    with pytest.raises(TypeError, match=r"^Subset: dataset: .*; take TensorDataset\(table\)$"):
        Subset(Table(), [1])
    with pytest.raises(TypeError, match=r"^Subset: indices: expected integers; got the class End"):
        Subset([1, 2], Endless)


def test_several_samples_of_a_subset_at_once() -> None:
    part = Subset(TensorDataset(np.arange(10.0), np.arange(10)), [7, 1, 4])
    for index in (slice(None), [0, 1, 2], np.arange(3)):
        x, y = part[index]
        assert x.tolist() == y.tolist() == [7, 1, 4]
    assert part[:1][0].tolist() == [7.0]
    assert part[[]][0].tolist() == []
    x, y = Subset(part, [2, 0])[:]
    assert y.tolist() == [4, 7]


def test_concat_dataset_refuses_what_is_no_data_set() -> None:
    with pytest.raises(
        ValueError, match=r"^ConcatDataset: datasets: expected one or more data sets; got no"
    ):
        ConcatDataset([])
    with pytest.raises(
        TypeError, match=r"^ConcatDataset: datasets: expected a data set with __getitem__ and"
    ):
        ConcatDataset([iter([1])])
    # Read as a list, it never ends.
    for alone in (Endless(), Endless, TensorDataset(np.ones(3)), 3):
        with pytest.raises(TypeError, match=r"^ConcatDataset: datasets: expected a list of data "):
            ConcatDataset(alone)
    with pytest.raises(TypeError, match=r"got the class Endless; make one: Endless\(\.\.\.\)$"):
        ConcatDataset([Endless])
    with pytest.raises(TypeError, match=r"got Table; take TensorDataset\(table\)$"):
        ConcatDataset([Table()])
    with pytest.raises(TypeError, match=r"^ConcatDataset: index: expected an integer; got 1.0$"):
        ConcatDataset([[1]])[1.0]


def test_dataset_is_a_base_class_too() -> None:
    class Half(Dataset):
        def __len__(self):
            return 3

    class Typed(Dataset[tuple[Tensor, int]]):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return Tensor([2.0]), index

    assert isinstance(Typed(), Dataset)
    assert not isinstance(3, Dataset)
    (batch,) = DataLoader(Typed())
    assert batch[1].tolist() == [0]
    with pytest.raises(NotImplementedError, match=r"^Half: a data set needs __getitem__\(index\)"):
        next(iter(DataLoader(Half())))


# Collating


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("samples", "dtype", "values"),
    [
        ([1, 2], "i8", [1, 2]),
        ([1.5, 2], "f4", [1.5, 2]),
        ([1, 2.5], "f4", [1, 2.5]),
        ([True, False], "?", [True, False]),
        ([True, 2], "i8", [1, 2]),
        ([np.float64(1), np.float64(2)], "f8", [1, 2]),
        ([np.float16(1), np.float16(2)], "f2", [1, 2]),
        ([np.uint8(1), np.uint8(2)], "i8", [1, 2]),
        ([np.array(3, "i2"), np.array(4, "i2")], "i8", [3, 4]),
        ([np.array([3], "u1"), np.array([4], "u1")], "u1", [[3], [4]]),
        ([Tensor([1.0]), Tensor([2.0])], "f4", [[1], [2]]),
        ([Tensor(3, dtype=np.int32), Tensor(4, dtype=np.int32)], "i8", [3, 4]),
        ([np.ones((0, 2))] * 2, "f8", [[], []]),
        ([1e300, 1.0], "f4", [np.inf, 1]),
    ],
)
def test_what_samples_are_stacked_to(samples, dtype, values) -> None:
    found = default_collate(samples)
    assert type(found) is Tensor
    assert found.dtype == np.dtype(dtype)
    assert found.tolist() == values


def test_structure_stays() -> None:
    batch = default_collate([{"a": (1, [2.0, "x"]), "b": Point(b"y", 3)}] * 2)
    assert list(batch) == ["a", "b"]
    assert type(batch["a"]) is tuple
    assert type(batch["a"][1]) is list
    assert batch["a"][0].tolist() == [1, 1]
    assert batch["a"][1][0].tolist() == [2.0, 2.0]
    assert list(batch["a"][1][1]) == ["x", "x"]
    assert type(batch["b"]) is Point
    assert list(batch["b"].x) == [b"y", b"y"]


def test_tensors_stay_in_their_graph() -> None:
    weight = Tensor([1.0, 2.0], requires_grad=True)
    default_collate([(3 * weight, 1), (Tensor([5.0, 6.0]), 2)])[0].sum().backward()
    assert weight.grad.tolist() == [3.0, 3.0]


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_subclasses_of_arrays_are_stacked_as_arrays(tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for given in (np.asmatrix(np.ones((2, 3))), mapped):
        for row in (given, given[0]):
            stacked = default_collate([row, row, row])
            assert stacked.shape == (3, *row.shape)
            assert type(stacked.data) is np.ndarray


def test_a_batch_is_apart_from_the_samples() -> None:
    sample = np.zeros(3)
    default_collate([sample]).data[:] = 1
    assert not sample.any()


@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        ([], ValueError, r"default_collate: batch: expected one or more samples; got none"),
        (3, TypeError, "default_collate: batch: expected a list of samples; got 3"),
        (
            [None],
            TypeError,
            "default_collate: batch: expected Tensors, arrays, numbers, text, tuples, lists or "
            "dicts; got None; collate_fn= is for others",
        ),
        (
            [(1, {"a": {1}})],
            TypeError,
            r"default_collate: batch: \[1\]: \['a'\]: expected Tensors, arrays, .* got set",
        ),
        (
            [np.ones(2), np.ones(3)],
            ValueError,
            r"default_collate: batch: expected one shape; got \(2,\) and \(3,\); collate_fn= can",
        ),
        (
            [(np.ones(2), 1), (Tensor.ones(3), 2)],
            TypeError,
            r"default_collate: batch: \[0\]: expected arrays, as in the first sample; got Tensor",
        ),
        (
            [[1], [1, 2]],
            ValueError,
            r"default_collate: batch: expected samples of one length; got \[1, 2",
        ),
        (
            [{"a": 1}, {"b": 1}],
            ValueError,
            "default_collate: batch: the key 'a' is not in every sample",
        ),
        (
            [{"a": 1}, 2],
            TypeError,
            "default_collate: batch: expected dicts, as in the first sample; got ",
        ),
        (
            [1, "a"],
            TypeError,
            "default_collate: batch: expected numbers, as in the first sample; got 'a'",
        ),
        (
            [1, None],
            TypeError,
            "default_collate: batch: expected numbers, as in the first sample; got No",
        ),
        (
            [2**63, 1],
            ValueError,
            "default_collate: batch: expected integers of at most 63 bits; got 922",
        ),
        (
            [np.array("a")],
            TypeError,
            "default_collate: batch: expected arrays of numbers of at most 64 b",
        ),
        (
            [np.array(1j)],
            TypeError,
            "default_collate: batch: expected arrays of numbers of at most 64 bi",
        ),
        (
            [np.ma.masked_array([1.0], [True])],
            TypeError,
            "default_collate: batch: expected arrays without a mask; got MaskedArray .*; use",
        ),
        (
            [np.ones(1), np.ma.masked_array([1.0], [True])],
            TypeError,
            "default_collate: batch: expected arrays without a mask; got MaskedArray .*; use",
        ),
        (
            [np.ones((1, 2)), np.ma.masked_array([[1.0, 2.0]], [[False, True]])],
            TypeError,
            "default_collate: batch: expected arrays without a mask; got MaskedArray .*; use",
        ),
        (
            [np.float64(1.0), np.ma.masked],
            TypeError,
            "default_collate: batch: expected arrays without a mask; got MaskedConstant .*",
        ),
    ],
)
def test_what_cannot_be_collated(samples, error, words) -> None:
    with pytest.raises(error, match=f"^{words}"):
        default_collate(samples)
