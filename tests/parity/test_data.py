"""Batches, data sets and samplers beside PyTorch's."""

import collections

import numpy as np
import pytest

from nn import data as ours
from tinygrad_lite import Tensor

torch = pytest.importorskip("torch")
theirs = torch.utils.data
pytestmark = pytest.mark.parity

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20)
Point = collections.namedtuple("Point", "x y")


def plain(batch):
    """A batch in lists, with the dtypes of its tensors; a tuple is a list in PyTorch's."""
    if isinstance(batch, Tensor):
        return batch.dtype.name, batch.tolist()
    if isinstance(batch, torch.Tensor):
        return str(batch.dtype).removeprefix("torch."), batch.tolist()
    if isinstance(batch, dict):
        return {key: plain(part) for key, part in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch), [plain(part) for part in batch]
    if isinstance(batch, tuple | list):
        return [plain(part) for part in batch]
    return batch


SAMPLES = {
    "numbers": [3, 4],
    "bools": [True, False],
    "bools and integers": [True, 2],
    "text": ["a", "b"],
    "bytes": [b"a", b"b"],
    "arrays": [np.ones((2, 3), np.float16)] * 2,
    "bytes of images": [np.ones((2, 3), np.uint8)] * 2,
    "a scalar of NumPy": [np.float64(1.5), np.float64(2.5)],
    "a bool of NumPy": [np.bool_(True), np.bool_(False)],
    "an array of one float": [np.array(1.5, np.float16)] * 2,
    "tuples": [(np.ones(2), 3), (np.zeros(2), 4)],
    "lists": [[np.ones(2), "a"], [np.zeros(2), "b"]],
    "dicts": [{"x": np.ones(2), "y": (1, "a")}, {"x": np.zeros(2), "y": (2, "b")}],
    "named tuples": [Point(1, np.ones(2)), Point(2, np.zeros(2))],
    "nested": [({"a": [1, (2, True)]}, "x"), ({"a": [3, (4, False)]}, "y")],
    "empty arrays": [np.ones((0, 3)), np.ones((0, 3))],
    "empty tuples": [(), ()],
}


@pytest.mark.parametrize("samples", SAMPLES.values(), ids=SAMPLES)
def test_collating(samples):
    assert plain(ours.default_collate(samples)) == plain(theirs.default_collate(samples))


@pytest.mark.parametrize(
    "samples",
    [
        [np.ones(2), np.ones(3)],
        [[1], [1, 2]],
        [None, None],
        [{1}, {2}],
        [np.array("a"), np.array("b")],
        [np.array(None), np.array(None)],
        [{"a": 1}, {"b": 2}],
        [1, "a"],
    ],
)
def test_what_cannot_be_collated(samples):
    for package in (ours, theirs):
        with pytest.raises((TypeError, ValueError, RuntimeError, KeyError)):
            package.default_collate(samples)


@pytest.mark.parametrize("length", [0, 1, 7, 20])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 30])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_in_order(length, batch_size, drop_last):
    options = {"batch_size": batch_size, "drop_last": drop_last and batch_size <= length}
    mine = ours.DataLoader(X[:length], Y[:length], **options)
    tensors = torch.from_numpy(X[:length]), torch.from_numpy(Y[:length])
    other = theirs.DataLoader(theirs.TensorDataset(*tensors), **options)
    assert len(mine) == len(other)
    assert len(mine.dataset) == len(other.dataset)
    assert [plain(batch) for batch in mine] == [plain(batch) for batch in other]
    same = ours.DataLoader(ours.TensorDataset(X[:length], Y[:length]), **options)
    assert [plain(batch) for batch in same] == [plain(batch) for batch in other]


@pytest.mark.parametrize(
    "options",
    [
        lambda module: {"sampler": [3, 1, -1, 3], "batch_size": 3},
        lambda module: {"sampler": range(0, 20, 3), "batch_size": 2, "drop_last": True},
        lambda module: {"batch_sampler": [[1], [2, 3], []]},
        lambda module: {"batch_sampler": module.BatchSampler(range(9), 4, False)},
        lambda module: {"batch_sampler": module.BatchSampler(range(9), 4, True)},
        lambda module: {"sampler": module.SequentialSampler(X), "batch_size": 6},
        lambda module: {"batch_size": 3, "collate_fn": len},
    ],
)
def test_options(options):
    samples = [(i, str(i)) for i in range(20)]
    if "batch_sampler" in options(ours) and [] in list(options(ours)["batch_sampler"]):
        with pytest.raises((ValueError, IndexError)):  # no samples, no batch
            list(theirs.DataLoader(samples, **options(theirs)))
        with pytest.raises(ValueError, match="expected one or more samples"):
            list(ours.DataLoader(samples, **options(ours)))
        return
    mine = ours.DataLoader(samples, **options(ours))
    other = theirs.DataLoader(samples, **options(theirs))
    assert len(mine) == len(other)
    assert [plain(batch) for batch in mine] == [plain(batch) for batch in other]


@pytest.mark.parametrize(
    "make",
    [
        lambda module: module.RandomSampler(Y),
        lambda module: module.RandomSampler(Y, num_samples=33),
        lambda module: module.RandomSampler(Y, replacement=True, num_samples=7),
        lambda module: module.SubsetRandomSampler([3, 1, 7]),
        lambda module: module.WeightedRandomSampler([0.0, 1.0, 2.0], 5),
        lambda module: module.WeightedRandomSampler([0.0, 1.0, 2.0], 2, replacement=False),
        lambda module: module.BatchSampler(module.RandomSampler(Y), 6, True),
    ],
)
def test_random_samplers_have_one_length_and_the_same_numbers(make):
    mine, other = make(ours), make(theirs)
    drawn, expected = list(mine), list(other)
    assert len(mine) == len(other) == len(drawn) == len(expected)
    assert type(drawn[0]) is type(expected[0])
    if not getattr(mine, "replacement", False) and len(drawn) < 20:
        flat = (np.sort(np.ravel(each)) for each in (drawn, expected))
        assert len(np.unique(next(flat))) == len(np.unique(next(flat)))


@pytest.mark.parametrize(
    "make",
    [
        lambda module: module.RandomSampler(Y, num_samples=0),
        lambda module: module.RandomSampler(Y, replacement=1),
        lambda module: module.WeightedRandomSampler([[1.0]], 3),
        lambda module: module.WeightedRandomSampler([1.0], 0),
        lambda module: module.BatchSampler(Y, 0, False),
        lambda module: module.BatchSampler(Y, 3, 1),
        lambda module: module.ConcatDataset([]),
        lambda module: module.DataLoader(Y, sampler=[1], shuffle=True),
        lambda module: module.DataLoader(Y, batch_sampler=[[1]], batch_size=2),
        lambda module: module.DataLoader(Y, batch_size=0),
        lambda module: module.DataLoader(Y, num_workers=-1),
        lambda module: module.DataLoader(Y, timeout=-1),
        lambda module: module.DataLoader(Y, persistent_workers=True),
    ],
)
def test_both_refuse(make):
    for package in (ours, theirs):
        with pytest.raises((TypeError, ValueError, AssertionError)):
            make(package)


def test_data_sets():
    parts = [[1, 2], [3], [4, 5, 6]]
    mine, other = ours.ConcatDataset(parts), theirs.ConcatDataset(parts)
    assert [mine[i] for i in range(-6, 6)] == [other[i] for i in range(-6, 6)]
    assert (len(mine), mine.cumulative_sizes) == (len(other), other.cumulative_sizes)
    mine, other = ours.Subset(mine, [5, 0]), theirs.Subset(other, [5, 0])
    assert [mine[0], mine[-1], len(mine)] == [other[0], other[-1], len(other)]
    mine = ours.TensorDataset(X, Y)
    other = theirs.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    for index in (0, -1, slice(3), [4, 1], np.array([2, 2])):
        assert plain(mine[index]) == plain(other[index])
