"""Samplers: which numbers come, how often and in which order, as in PyTorch."""

import copy

import numpy as np
import pytest

from nn.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tinygrad_lite import Tensor

Y = np.arange(10)
WEIGHTS = [0.0, 1.0, 0.0, 3.0]


def test_sequential_sampler_follows_the_length_of_its_data() -> None:
    data = [5, 6]
    sampler = SequentialSampler(data)
    assert (list(sampler), len(sampler)) == ([0, 1], 2)
    data.append(7)
    assert (list(sampler), len(sampler)) == ([0, 1, 2], 3)


def test_random_sampler_is_an_order() -> None:
    sampler = RandomSampler(Y, seed=0)
    assert list(sampler) == np.random.default_rng(0).permutation(10).tolist()
    assert sorted(sampler) == list(range(10))
    assert (len(sampler), sampler.num_samples) == (10, 10)


@pytest.mark.parametrize(("wanted", "times"), [(4, (0, 1)), (20, (2, 2)), (23, (2, 3))])
def test_random_sampler_begins_anew_when_it_is_through(wanted, times) -> None:
    sampler = RandomSampler(Y, num_samples=wanted, seed=0)
    counts = np.bincount(list(sampler), minlength=10)
    assert len(sampler) == wanted == counts.sum()
    assert (counts.min(), counts.max()) == times


def test_random_sampler_with_replacement() -> None:
    drawn = list(RandomSampler(Y, replacement=True, num_samples=1000, seed=0))
    assert len(drawn) == 1000
    assert (np.bincount(drawn) > 50).all()
    assert sorted(RandomSampler(Y, replacement=True, seed=0)) != list(range(10))


def test_random_sampler_of_no_data() -> None:
    assert list(RandomSampler([], seed=0)) == []
    assert list(RandomSampler([], replacement=True, seed=0)) == []
    with pytest.raises(ValueError, match=r"^RandomSampler: 3 samples cannot be drawn from no data"):
        list(RandomSampler([], num_samples=3))


@pytest.mark.parametrize(
    "indices", [[3, 1, 3], (3, 1, 3), np.array([3, 1, 3], "u1"), Tensor([3, 1, 3])]
)
def test_subset_random_sampler(indices) -> None:
    sampler = SubsetRandomSampler(indices, seed=0)
    assert sorted(sampler) == [1, 3, 3]
    assert len(sampler) == 3
    assert {type(index) for index in sampler} == {int}


def test_weighted_random_sampler_draws_in_proportion() -> None:
    sampler = WeightedRandomSampler(WEIGHTS, 8000, seed=0)
    counts = np.bincount(list(sampler), minlength=4)
    assert len(sampler) == 8000 == counts.sum()
    assert counts[[0, 2]].tolist() == [0, 0]
    assert abs(counts[1] - 2000) < 5 * 40  # five standard deviations
    assert sorted(WeightedRandomSampler(WEIGHTS, 2, replacement=False, seed=0)) == [1, 3]
    assert set(WeightedRandomSampler([1e308, 1e308], 9, seed=0)) == {0, 1}


@pytest.mark.parametrize("drop_last", [True, False])
def test_batch_sampler(drop_last) -> None:
    sampler = BatchSampler(range(7), 3, drop_last)
    expected = [[0, 1, 2], [3, 4, 5], [6]][: 2 if drop_last else 3]
    assert list(sampler) == expected
    assert len(sampler) == len(expected)
    assert [y.tolist() for y in DataLoader(Y, batch_sampler=sampler)] == expected
    assert len(DataLoader(Y, batch_sampler=sampler)) == len(expected)


RANDOM = {
    "RandomSampler": lambda seed: RandomSampler(Y, seed=seed),
    "SubsetRandomSampler": lambda seed: SubsetRandomSampler(Y, seed=seed),
    "WeightedRandomSampler": lambda seed: WeightedRandomSampler(Y, 9, seed=seed),
    "BatchSampler": lambda seed: BatchSampler(RandomSampler(Y, seed=seed), 3),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_samplers_follow_from_their_seed(name) -> None:
    make = RANDOM[name]
    one, other = make(3), make(np.random.default_rng(3))
    epochs = [list(one) for _ in range(3)]
    assert epochs == [list(other) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert list(make(4)) != epochs[0]
    Tensor.manual_seed(1)
    first = list(make(None))
    second = list(make(None))
    Tensor.manual_seed(1)
    assert [list(make(None)), list(make(None))] == [first, second]
    assert first != second


@pytest.mark.parametrize("name", RANDOM)
def test_a_state_brings_the_same_orders(name) -> None:
    sampler, other = RANDOM[name](3), RANDOM[name](5)
    list(sampler)
    other.load_state_dict(copy.deepcopy(sampler.state_dict()))
    assert list(other) == list(sampler)
    unseeded = RANDOM[name](None)
    unseeded.load_state_dict(unseeded.state_dict())
    for state in (None, {}, {"generator": 3}, {"sampler": 3}, 5, unseeded.state_dict()):
        before = sampler.state_dict()
        with pytest.raises(ValueError, match=r"^(\w+: load_state_dict: [^\n]+)$"):
            sampler.load_state_dict(state)
        assert sampler.state_dict() == before


class Unending:
    """A data set in place of a sampler: its numbers never end."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> int:
        return index


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: RandomSampler(3), TypeError, "RandomSampler: data_source: expected data with a "),
        (lambda: SequentialSampler(3), TypeError, "SequentialSampler: data_source: expected data"),
        (lambda: RandomSampler(Y, num_samples=0), ValueError, "RandomSampler: num_samples: expect"),
        (lambda: RandomSampler(Y, 1), TypeError, "RandomSampler: replacement: expected True or Fa"),
        (lambda: RandomSampler(Y, seed="a"), TypeError, "RandomSampler: seed: expected an integer"),
        (lambda: SubsetRandomSampler([1.0]), TypeError, "SubsetRandomSampler: indices: expected a"),
        (lambda: SubsetRandomSampler(np.ones(2)), TypeError, "SubsetRandomSampler: indices: expe"),
        (lambda: SubsetRandomSampler(3), TypeError, "SubsetRandomSampler: indices: expected integ"),
        (lambda: WeightedRandomSampler([[1.0]], 1), TypeError, "WeightedRandomSampler: weights: "),
        (lambda: WeightedRandomSampler("ab", 1), TypeError, "WeightedRandomSampler: weights: "),
        (lambda: WeightedRandomSampler([0.0], 1), ValueError, "WeightedRandomSampler: weights: e"),
        (lambda: WeightedRandomSampler([], 1), ValueError, "WeightedRandomSampler: weights: exp"),
        (lambda: WeightedRandomSampler([-1, 2], 1), ValueError, "WeightedRandomSampler: weights: "),
        (lambda: WeightedRandomSampler([np.nan], 1), ValueError, "WeightedRandomSampler: weights"),
        (lambda: WeightedRandomSampler([np.inf], 1), ValueError, "WeightedRandomSampler: weights"),
        (lambda: WeightedRandomSampler([1], True), TypeError, "WeightedRandomSampler: num_sample"),
        (
            lambda: WeightedRandomSampler(WEIGHTS, 3, replacement=False),
            ValueError,
            "WeightedRandomSampler: num_samples: only 2 weights are above 0; got 3, with replace",
        ),
        (lambda: BatchSampler(5, 2), TypeError, "BatchSampler: sampler: expected an iterable of i"),
        (
            lambda: BatchSampler(RandomSampler, 2),
            TypeError,
            "BatchSampler: sampler: expected an it",
        ),
        (lambda: BatchSampler(Unending(), 2), TypeError, "BatchSampler: sampler: expected an iter"),
        (lambda: RandomSampler(Unending), TypeError, "RandomSampler: data_source: expected data w"),
        (lambda: BatchSampler(Y, 0), ValueError, "BatchSampler: batch_size: expected an integer "),
    ],
)
def test_what_samplers_refuse(make, error, words) -> None:
    with pytest.raises(error, match=f"^{words}"):
        make()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"sampler": [10]}, IndexError, "DataLoader: sampler: there are 10 rows; got the index 10"),
        (
            {"sampler": [-11]},
            IndexError,
            "DataLoader: sampler: there are 10 rows; got the index -1",
        ),
        ({"sampler": [1.0]}, TypeError, "DataLoader: sampler: expected an integer; got 1.0"),
        ({"sampler": [True]}, TypeError, "DataLoader: sampler: expected an integer; got True"),
        ({"batch_sampler": [3]}, TypeError, "DataLoader: batch_sampler: expected lists of integer"),
        ({"batch_sampler": ["a"]}, TypeError, "DataLoader: batch_sampler: expected lists of integ"),
        ({"batch_sampler": [[10]]}, IndexError, "DataLoader: batch_sampler: there are 10 rows; go"),
    ],
)
def test_what_a_sampler_may_not_give(options, error, words) -> None:
    loader = DataLoader(Y, **options)
    with pytest.raises(error, match=f"^{words}"):
        list(loader)


def test_a_sampler_may_give_numbers_of_any_kind() -> None:
    loader = DataLoader(Y, sampler=[np.int32(3), -1, np.uint8(0)], batch_size=3)
    assert next(iter(loader)).tolist() == [3, 9, 0]
    assert next(iter(DataLoader(Y, sampler=Tensor([2, 1]), batch_size=2))).tolist() == [2, 1]
