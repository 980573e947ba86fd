"""A DataLoader with workers: the batches of one without, in threads and processes."""

import copy
import gc
import multiprocessing
import os
import pickle
import random
import threading
import time
import traceback

import numpy as np
import pytest

from nn.data import DataLoader, RandomSampler, get_worker_info
from tinygrad_lite import Tensor, no_grad

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # fork beside threads
]

X = np.arange(22 * 3, dtype=np.float32).reshape(22, 3)
Y = np.arange(22)
WORKERS = {
    "one process": {"num_workers": 1},
    "three processes": {"num_workers": 3},
    "one thread": {"num_workers": 1, "threads": True},
    "three threads": {"num_workers": 3, "threads": True, "prefetch_factor": 1},
    "processes that stay": {"num_workers": 2, "persistent_workers": True},
}
PROCESSES = {name: options for name, options in WORKERS.items() if "threads" not in options}


@pytest.fixture(autouse=True)
def _fork():
    """Functions in a function cannot be pickled, as other start methods would want."""
    method = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    yield
    multiprocessing.set_start_method(method, force=True)


def noise(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
    return (x + Tensor.randn(*x.shape), *rest)


class Noisy:
    """Samples of all kinds, which draw as Tensor does."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> dict:
        return {
            "x": Tensor.rand(2),
            "large": np.full((40, 40), index, "u1"),
            "rest": (index, [1.5, f"name {index}"]),
        }


def bits(value):
    """A batch in what can be compared: types, dtypes and bytes."""
    if isinstance(value, Tensor | np.ndarray):
        array = value.data if isinstance(value, Tensor) else value
        return type(value), array.dtype, array.shape, array.tobytes()
    if isinstance(value, dict):
        return {key: bits(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value), [bits(part) for part in value]
    return type(value), value


def children():
    """The worker processes, without those of a loader that only an old traceback holds."""
    gc.collect()
    return multiprocessing.active_children()


def epochs(loader, number=2):
    return [bits(batch) for _ in range(number) for batch in loader]


def to_array(rows):
    return np.array([row.item() for row in rows])


LOADERS = {
    "arrays": lambda **options: DataLoader(
        X, Y, batch_size=4, shuffle=True, seed=1, transform=noise, **options
    ),
    "data set": lambda **options: DataLoader(
        Noisy(), batch_size=2, seed=1, drop_last=True, **options
    ),
    "no seed": lambda **options: DataLoader(
        Noisy(), batch_size=2, shuffle=True, transform=lambda batch: batch, **options
    ),
    "collate_fn": lambda **options: DataLoader(
        Y,
        batch_size=5,
        shuffle=True,
        seed=1,
        collate_fn=lambda rows: np.array(rows[0].tolist()),
        **options,
    ),
    "sampler": lambda **options: DataLoader(
        X, batch_size=4, sampler=RandomSampler(X, num_samples=30, seed=1), seed=2, **options
    ),
}


@pytest.mark.parametrize("options", WORKERS.values(), ids=WORKERS)
@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS)
def test_workers_give_the_same_bits(make, options):
    Tensor.manual_seed(1)
    alone = epochs(make())
    Tensor.manual_seed(1)
    loader = make(**options)
    assert epochs(loader) == alone
    assert loader.epoch == 2
    assert len(set(map(str, alone))) > len(loader)


class Global:
    """Samples that draw from Python's and NumPy's global generators."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple:
        return random.random(), np.random.random()  # noqa: NPY002  # as many programs do


def test_global_generators_are_seeded_for_each_batch_in_a_process():
    def found(workers):
        loader = DataLoader(Global(), batch_size=2, seed=1, num_workers=workers)
        return [(x.tolist(), y.tolist()) for _ in range(2) for x, y in loader]

    before = random.getstate()
    assert found(1) == found(2)
    assert len({x for batch in found(2) for part in batch for x in part}) == 24
    assert random.getstate() == before


@pytest.mark.parametrize("options", WORKERS.values(), ids=WORKERS)
def test_what_was_delivered_counts_and_not_what_was_fetched(options):
    make = LOADERS["arrays"]
    whole = epochs(make(), 3)
    loader = make(**options)
    batches = iter(loader)
    found = [bits(next(batches)) for _ in range(2)]
    time.sleep(0.05)  # for workers to be ahead
    state = copy.deepcopy(loader.state_dict())
    assert state["position"]["delivered"] == 2
    batches.close()
    other = make(**options)
    other.load_state_dict(state)
    assert found + epochs(other, 3) == whole


class Broken(Noisy):
    def __getitem__(self, index):
        if index == 5:
            raise KeyError("sample five")
        return super().__getitem__(index)


@pytest.mark.parametrize("options", WORKERS.values(), ids=WORKERS)
def test_an_error_names_the_sample_and_shows_where(options):
    loader = DataLoader(Broken(), batch_size=2, **options)
    batches = iter(loader)
    assert len([next(batches), next(batches)]) == 2
    with pytest.raises(KeyError, match="sample five") as caught:
        next(batches)
    text = "".join(traceback.format_exception(caught.value))
    assert 'raise KeyError("sample five")' in text
    assert "DataLoader: this happened in dataset[5]" in text
    assert loader.state_dict()["position"]["delivered"] == 2
    assert children() == []
    assert len(next(iter(loader))["rest"][0]) == 2  # it can be used again


def test_a_tensor_that_requires_grad_stays_in_its_process():
    weight = Tensor(X, requires_grad=True)
    with pytest.raises(
        ValueError, match=r"^DataLoader: a Tensor that requires grad cannot leave a "
    ):
        next(iter(DataLoader(weight, num_workers=1)))
    (batch,) = DataLoader(weight, batch_size=22, num_workers=1, threads=True)
    (2 * batch).sum().backward()
    assert (weight.grad.numpy() == 2).all()
    with no_grad():
        (batch,) = DataLoader(weight, batch_size=22, num_workers=1, threads=True)
    assert not batch.requires_grad


@pytest.mark.parametrize("options", WORKERS.values(), ids=WORKERS)
def test_batches_can_be_written(options):
    for x, y in DataLoader(X, Y, batch_size=11, **options):
        x.data[:] = 0
        y.data[:] = 0
    assert X.any()


def numbered(number: int) -> None:
    assert get_worker_info().id == number


class Where(Noisy):
    def __getitem__(self, index):
        info = get_worker_info()
        return os.getpid(), -1 if info is None else info.id


def pids(loader):
    return {pid for batch, _ in loader for pid in batch.tolist()}


def test_each_worker_is_called_with_its_number():
    called = []
    loader = DataLoader(Where(), num_workers=2, threads=True, worker_init_fn=called.append)
    assert [number.item() for _, number in loader] == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert sorted(called) == [0, 1]  # each thread begins when it likes
    loader = DataLoader(Where(), num_workers=2, worker_init_fn=numbered)
    assert len(pids(loader)) == 2
    assert os.getpid() not in pids(loader)


def test_persistent_workers_stay_and_two_loops_have_their_own():
    loader = DataLoader(Where(), num_workers=2, persistent_workers=True)
    first = pids(loader)
    assert pids(loader) == first
    one, other = iter(loader), iter(loader)
    seen = [pids([next(each)]) for each in (one, other, one, other)]
    assert len(set.union(*seen)) == 4
    one.close()
    assert len(list(other)) == 7
    assert len(children()) == 4
    assert pickle.loads(pickle.dumps(loader)).state_dict() == loader.state_dict()
    assert pids(copy.deepcopy(loader)).isdisjoint(first)
    del loader, one, other
    assert children() == []


def test_without_persistence_nothing_stays():
    for options in PROCESSES.values():
        if "persistent_workers" not in options:
            loader = DataLoader(X, Y, **options)
            first = pids(DataLoader(Where(), **options))
            assert first.isdisjoint(pids(DataLoader(Where(), **options)))
            for _ in loader:
                break
            assert children() == []
    threads = threading.active_count()
    for _ in DataLoader(X, num_workers=3, threads=True):
        break
    assert threading.active_count() == threads


def test_no_worker_starts_where_nothing_is_left():
    started = []
    options = {"num_workers": 2, "threads": True, "worker_init_fn": started.append}
    assert list(DataLoader(X[:0], **options)) == []
    loader = DataLoader(X, batch_size=22, **options)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    batches.close()
    started.clear()
    loader.load_state_dict(state)
    assert list(loader) == []
    assert started == []


def test_timeout():
    def slow(x):
        time.sleep(0.2)
        return x

    loader = DataLoader(X, num_workers=1, threads=True, timeout=0.01, transform=slow)
    with pytest.raises(TimeoutError, match=r"^DataLoader: worker 0 gave no batch within timeout=0"):
        next(iter(loader))
    for thread in threading.enumerate():
        if thread.name.startswith("DataLoader"):
            thread.join()


def test_a_killed_worker_is_one_clear_error():
    class Killed(Noisy):
        def __getitem__(self, index):
            os.kill(os.getpid(), 9)

    loader = DataLoader(Killed(), num_workers=1)
    with pytest.raises(RuntimeError, match=r"^DataLoader: worker 0 \(pid \d+\) was killed by S"):
        next(iter(loader))
    assert loader.state_dict()["position"]["delivered"] == 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_workers": -1}, ValueError, "num_workers: expected an integer of 0 or more; got -1"),
        ({"num_workers": True}, TypeError, "num_workers: expected an integer; got True"),
        ({"threads": 1}, TypeError, "threads: expected True or False; got 1"),
        ({"prefetch_factor": 0}, ValueError, "prefetch_factor: expected an integer of 1 or more"),
        ({"timeout": -1}, ValueError, "timeout: expected a number of 0 or more; got -1"),
        ({"timeout": "1"}, TypeError, "timeout: expected a number; got '1'"),
        ({"worker_init_fn": 3}, TypeError, "worker_init_fn: expected a function; got 3"),
        (
            {"persistent_workers": True},
            ValueError,
            "persistent_workers: there are none with num_workers=0",
        ),
    ],
)
def test_what_is_refused(options, error, words):
    with pytest.raises(error, match=f"^DataLoader: {words}"):
        DataLoader(X, **options)


def test_options_stay():
    loader = DataLoader(X, batch_size=4)
    with pytest.raises(AttributeError, match=r"^DataLoader: batch_size: an option stays; make"):
        loader.batch_size = 5
    assert loader.batch_size == 4


def test_programs_may_say_none_for_the_usual_prefetch_factor():
    assert DataLoader(np.arange(4), prefetch_factor=None).prefetch_factor == 2
