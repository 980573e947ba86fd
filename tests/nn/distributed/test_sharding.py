"""Each process serves its parts: all rows once, in order; draws are the part's, not the rank's."""

import itertools
import math
import threading

import numpy as np
import pytest
from several import Given, entered

from nn._processes import Part, alone, current
from nn.data import BatchSampler, DataLoader, RandomSampler, Subset, WeightedRandomSampler
from nn.data.parts import parts_of
from nn.distributed.sharding import parts, shard
from tinygrad_lite import Tensor, capture, generator


def of_ranks(make, size, chunks, epochs=1):
    """What the processes' loops are given: a list of (batch, part, content), in order of parts."""
    found, agreed = [], set()
    for rank in range(size):
        with entered(Given(rank, size, chunks)) as processes:
            generator.seed(11)
            loader = shard(make())
            for epoch in range(epochs):
                batch = 0
                for content in loader:
                    part = processes.part
                    found.append(((epoch, batch, part.number, part.rows == 0), part, content))
                    batch += part.last
                assert processes.part is None
                assert batch == len(loader)
            agreed.add(tuple(processes.agreed))
    assert len(agreed) == 1
    assert len(agreed.pop()) == (0 if size == 1 else epochs)
    return sorted(found, key=lambda each: each[0])


def rows_of(found):
    """The rows of parts that are no stand-ins."""
    return [
        row for _, part, content in found if part.rows for row in content[0].numpy()[:, 0].tolist()
    ]


@pytest.mark.parametrize("chunks", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_all_rows_of_each_batch_are_served_once_in_order(size, chunks):
    for n, batch_size, drop_last in itertools.product((1, 2, 5, 7, 12), (1, 3, 4, 8), (0, 1)):
        if drop_last and n < batch_size:
            continue
        X = np.arange(n)[:, None]

        options = {"batch_size": batch_size, "drop_last": bool(drop_last), "seed": n}

        def make(X=X, options=options):
            return DataLoader(X, X * 2, shuffle=True, **options)

        found = of_ranks(make, size, chunks, epochs=2)
        alone = make()
        expected = [x.numpy()[:, 0].tolist() for _ in range(2) for x, _ in alone]
        assert rows_of(found) == list(itertools.chain(*expected))
        for (epoch, batch, _, _), part, (x, y) in found:
            total = expected[epoch * len(alone) + batch]
            assert part.total == len(total)
            assert part.parts == (chunks or size)
            assert len(x) == max(part.rows, 1)
            if not part.rows:
                assert x.numpy()[:, 0].tolist() == total[:1]
            np.testing.assert_array_equal(y.numpy(), 2 * x.numpy())
        weights = {}
        for key, part, _ in found:
            weights[key[:2]] = weights.get(key[:2], 0) + part.weight
        assert all(math.isclose(sum_, chunks or size) for sum_ in weights.values())


def test_parts_are_cut_and_dealt_as_np_array_split_does():
    for total, size, chunks in itertools.product(range(1, 14), range(1, 5), (None, 1, 2, 4, 7)):
        count = chunks or size
        slices = np.array_split(np.arange(total), count)
        numbers = np.array_split(np.arange(count), size)
        for rank in range(size):
            found = parts_of(total, Given(rank, size, chunks))
            expected = [number for number in numbers[rank] if len(slices[number])]
            if not expected:
                (part, rows) = found[0]
                assert len(found) == 1
                assert part == Part(part.number, count, 0, total, last=True)
                assert rows == slice(0, 1)
                assert part.weight == 0
                continue
            assert [part.number for part, _ in found] == expected
            assert [part.last for part, _ in found] == [False] * (len(found) - 1) + [True]
            for part, rows in found:
                np.testing.assert_array_equal(np.arange(total)[rows], slices[part.number])
                assert part.rows == len(slices[part.number])


def noisy(x, y):
    return x + Tensor.rand(*x.shape), y


class Images:
    """A data set that is no array, and draws."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        return np.array([index], np.float64), float(Tensor.rand(1).item())


X11 = np.arange(11.0)[:, None]
MAKERS = {
    "transform": lambda: DataLoader(X11, X11, batch_size=4, shuffle=True, seed=1, transform=noisy),
    "transform in order": lambda: DataLoader(X11, X11, batch_size=4, transform=noisy),
    "threads": lambda: DataLoader(
        X11, X11, batch_size=4, shuffle=True, seed=1, transform=noisy, num_workers=2, threads=True
    ),
    "processes": lambda: DataLoader(
        X11, X11, batch_size=4, shuffle=True, seed=1, transform=noisy, num_workers=2
    ),
    "data set": lambda: DataLoader(Images(), batch_size=4, shuffle=True),
    "subset": lambda: DataLoader(Subset(Images(), [5, 3, 3, 1, 10]), batch_size=2, seed=4),
    "sampler": lambda: DataLoader(
        X11, X11, batch_size=3, sampler=WeightedRandomSampler(np.arange(11), 9, seed=2)
    ),
    "batch_sampler": lambda: DataLoader(
        X11, X11, batch_sampler=BatchSampler(RandomSampler(X11, num_samples=9), 4)
    ),
    "lists": lambda: DataLoader(X11, X11, batch_sampler=[[3, 1, 4], [1], [5, 9, 2, 6, 5]]),
}


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "processes"])
def test_a_part_is_the_same_whoever_has_it(name):
    """The rows, what transform and data set draw, and what the loop body draws."""
    expected = None
    for size in (1, 2, 3, 4):
        found = []
        for rank in range(size):
            with entered(Given(rank, size, 4)) as processes:
                generator.seed(5)
                before = None
                loader = shard(MAKERS[name]())
                for _ in range(2):
                    batch = 0
                    for content in loader:
                        part = processes.part
                        drawn = Tensor.rand(2).numpy().tolist()
                        with generator.outside():
                            state = generator.get_state()
                        assert before in (None, state)
                        before = state
                        if part.rows:
                            values = [each.numpy().tolist() for each in content]
                            found.append((loader.epoch, batch, part.number, values, drawn))
                        batch += part.last
                    before = None
        found.sort(key=lambda each: each[:3])
        assert len({str(each[-1]) for each in found}) == len(found)  # no draw comes twice
        if "transform" in name:  # what it adds to whole numbers: the first of each part
            assert len({each[3][0][0][0] % 1 for each in found}) == len(found)
        expected = expected or found
        assert found == expected


def test_worker_processes_serve_the_same_parts():
    for size in (1, 3):
        for rank in range(size):
            with entered(Given(rank, size, 4)):
                plain, workers = shard(MAKERS["transform"]()), shard(MAKERS["processes"]())
                for _ in range(2):
                    for (x, y), (u, v) in zip(plain, workers, strict=True):
                        assert x.numpy().tolist() == u.numpy().tolist()
                        assert y.numpy().tolist() == v.numpy().tolist()


def test_alone_a_batch_is_one_part():
    X = np.arange(10)
    loader = shard(DataLoader(X, batch_size=4))
    assert len(loader) == 3
    assert loader.batch_size == 4
    assert [x.numpy().tolist() for x in loader] == [X[:4].tolist(), X[4:8].tolist(), [8, 9]]
    seen = []
    for x in loader:
        part = current().part
        assert part == Part(0, 1, len(x), len(x), last=True)
        assert part.weight == 1
        seen.append(part)
    assert len(seen) == 3
    assert current().part is None
    assert loader.epoch == 2


def test_one_process_serves_all_chunks_one_after_the_other():
    with entered(Given(chunks=3)) as processes:
        loader, seen = shard(DataLoader(np.arange(9), batch_size=5)), []
        for x in loader:
            seen.append((x.numpy().tolist(), *processes.part.fields))
    assert seen == [
        ([0, 1], 0, 3, 2, 5, False),
        ([2, 3], 1, 3, 2, 5, False),
        ([4], 2, 3, 1, 5, True),
        ([5, 6], 0, 3, 2, 4, False),
        ([7], 1, 3, 1, 4, False),
        ([8], 2, 3, 1, 4, True),
    ]


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "processes"])
def test_a_state_is_loaded_by_another_number_of_processes(name):
    """Saved after each batch by 4, continued by 1, 2 and 3: what is left of the rows and draws."""

    def run(rank, size, state=None, stop=None):
        with entered(Given(rank, size, 4)) as processes:
            generator.seed(5)
            loader, found, taken = shard(MAKERS[name]()), [], 0
            if state is not None:
                loader.load_state_dict(state[0])
                generator.set_state(state[1])
                taken = state[2]
            for _ in range(loader.epoch, 2):
                for content in loader:
                    part = processes.part
                    drawn = Tensor.rand(2).numpy().tolist()
                    if part.rows:
                        values = [each.numpy().tolist() for each in content]
                        found.append((taken, part.number, values, drawn))
                    taken += part.last
                    if part.last and taken == stop:
                        with generator.outside():
                            return loader.state_dict(), generator.get_state(), taken
            return found

    whole = sorted(itertools.chain(*(run(rank, 4) for rank in range(4))), key=lambda x: x[:2])
    for stop in range(1, whole[-1][0] + 1):
        (state, *others) = [run(rank, 4, stop=stop) for rank in range(4)]
        assert all(str(other) == str(state) for other in others)
        for size in (1, 2, 3):
            rest = itertools.chain(*(run(rank, size, state) for rank in range(size)))
            assert sorted(rest, key=lambda x: x[:2]) == [x for x in whole if x[0] >= stop]


def test_a_state_in_the_middle_of_a_batch_begins_with_that_batch():
    with entered(Given(chunks=2)):
        loader = shard(DataLoader(np.arange(8), batch_size=4))
        for _, x in zip(range(3), loader, strict=False):
            last = x
        assert last.numpy().tolist() == [4, 5]
        state = loader.state_dict()
        again = shard(DataLoader(np.arange(8), batch_size=4))
        again.load_state_dict(state)
        assert [x.numpy().tolist() for x in again] == [[4, 5], [6, 7]]


def test_a_state_is_one_of_a_loader_that_is_not_sharded():
    for options in ({"shuffle": True, "seed": 1}, {}):
        plain = DataLoader(np.arange(8), batch_size=4, **options)
        next(iter(plain))
        sharded = shard(DataLoader(np.arange(8), batch_size=4, **options))
        sharded.load_state_dict(plain.state_dict())
        assert sharded.state_dict().keys() == plain.state_dict().keys()
        plain.load_state_dict(sharded.state_dict())
        assert [x.numpy().tolist() for x in sharded] == [x.numpy().tolist() for x in plain]


def broken(loader):
    for x in loader:
        Tensor.rand(2)
        x / (1 // 0)


def test_a_loop_may_be_left_in_any_way():
    with entered(Given(chunks=2)) as processes:
        generator.seed(3)
        state = generator.get_state()
        loader = shard(DataLoader(np.arange(8), batch_size=4))
        for _ in loader:
            Tensor.rand(2)
            break
        assert processes.part is None
        assert generator.get_state() == state
        with pytest.raises(ZeroDivisionError):
            broken(loader)
        assert processes.part is None
        assert generator.get_state() == state
        iterator = iter(loader)
        next(iterator)
        assert processes.part is not None
        thread = threading.Thread(target=iterator.close)
        thread.start()
        thread.join()
        assert processes.part is None
        with generator.outside():
            assert generator.get_state() == state
        assert generator.get_state() == state


def test_loops_may_be_nested_and_zipped():
    with entered(Given(chunks=2)) as processes:
        generator.seed(3)
        state = generator.get_state()
        first, second = (shard(DataLoader(np.arange(n), batch_size=4)) for n in (8, 16))
        for x in first:
            outer, own = processes.part, generator.get_state()
            for _ in second:
                Tensor.rand(1)
            assert processes.part is outer
            assert generator.get_state() == own
            assert len(x) == outer.rows
        for x, y in zip(first, second, strict=False):
            assert len(x) == len(y) == processes.part.rows
        assert processes.part is None
        assert generator.get_state() == state


def test_a_loop_body_in_another_thread_draws_as_before():
    loader, drawn = shard(DataLoader(np.arange(2), batch_size=2)), []
    generator.seed(3)
    expected = Tensor.rand(2).numpy().tolist()
    generator.seed(3)
    for _ in loader:
        thread = threading.Thread(target=lambda: drawn.append(Tensor.rand(2).numpy().tolist()))
        thread.start()
        thread.join()
        assert Tensor.rand(2).numpy().tolist() != expected
    assert drawn == [expected]


@pytest.mark.parametrize("chunks", [None, 2])
def test_a_captured_step_draws_what_an_eager_one_does(chunks):
    def run(train_on):
        generator.seed(3)
        with entered(Given(chunks=chunks)):
            loader = shard(DataLoader(X11, batch_size=4, shuffle=True, seed=1))
            return [train_on(x).numpy().tolist() for _ in range(2) for x in loader]

    def step(x):
        return x.dropout(0.5) + Tensor.rand(len(x), 1)

    assert run(capture(step)) == run(step)


def test_parts_of_a_batch_without_a_loader():
    x, y = np.arange(10), Tensor(np.arange(30.0).reshape(10, 3), requires_grad=True)
    expected = None
    for size, chunks in ((1, 4), (2, 4), (3, 4), (4, None)):
        found = []
        for rank in range(size):
            with entered(Given(rank, size, chunks)) as processes:
                generator.seed(2)
                for step in range(3):
                    for u, v in parts(x + step, y):
                        assert v.requires_grad
                        drawn = Tensor.rand(1).item()
                        found.append((step, processes.part.number, u.tolist(), drawn))
                        np.testing.assert_array_equal(v.numpy()[:, 0], 3 * (u - step))
                    assert processes.part is None
        found.sort()
        assert len({each[-1] for each in found}) == 12
        rows = [row for step in range(3) for row in (x + step).tolist()]
        assert [row for each in found for row in each[2]] == rows
        expected = expected or found
        assert found == expected


def test_parts_alone_gives_the_arrays_themselves():
    x = np.arange(4)
    assert alone is current()
    assert [each is x for each in parts(x)] == [True]
    with entered(Given(3, 4)) as processes:
        for (row,) in parts(np.arange(2)):
            assert row == 0
            assert processes.part == Part(3, 4, 0, 2, last=True)


def test_mistakes():
    with pytest.raises(TypeError, match=r"shard: expected a DataLoader; got \[1\]; for loops"):
        shard([1])
    loader = shard(DataLoader(np.arange(3)))
    assert shard(loader) is loader
    with pytest.raises(TypeError, match=r"parts: expected ndarrays or Tensors.*got none"):
        parts()
    with pytest.raises(TypeError, match=r"pass them one by one"):
        parts((np.arange(3), np.arange(3)))
    with pytest.raises(ValueError, match=r"one length, 1 or more; got 3, 4"):
        parts(np.arange(3), np.arange(4))
    with pytest.raises(ValueError, match=r"one length, 1 or more; got 0"):
        parts(np.arange(0))
    with pytest.raises(ValueError, match="a batch in parts: expected one row or more"):
        list(shard(DataLoader(np.arange(3), batch_sampler=[[]])))
