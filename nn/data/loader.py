"""DataLoader: batches for a training loop, and the position in them for a later resume."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite import arguments

from .dataset import ConcatDataset, Subset, TensorDataset, has
from .epochs import Epoch, as_order, bounds_of, checked_order, checked_position, count
from .fetching import Fetch, FetchInProcess, Task, received
from .given_data import served
from .samplers import load_sampler, sampler_state
from .seeding import Stream
from .workers import Workers

# Arguments of PyTorch's DataLoader that are not here, and what to write.
_OTHERS = {
    "dataset": "the data come first, without a name: DataLoader(dataset, ...)",
    "generator": "pass seed=: an int, or a np.random.Generator",
    **dict.fromkeys(("pin_memory", "pin_memory_device"), "leave it out: nothing leaves the CPU"),
    "multiprocessing_context": "leave it out",
    "in_order": "leave it out: batches come in order",
}
_COUNTED = (TensorDataset, Subset, ConcatDataset, list, tuple, range)
_OPTIONS = ("rows", "batch_size", "drop_last", "shuffle")
_STATE = {"epoch", "begun", *_OPTIONS, "generator", "sampler", "position"}


class DataLoader:
    """Batches of rows of arrays, or of samples of a data set; each `for` is one epoch.

        for x, y in DataLoader(X_train, Y_train, batch_size=128, shuffle=True):
            ...  # X_train (60000, 1, 28, 28), Y_train (60000,) -> x (128, 1, 28, 28), y (128,)

    arrays: ndarrays, Tensors, or Series and DataFrames of pandas (rows by position), all of one
        length; (N, ...).  Or one data set: an object with `__getitem__(int)` and `__len__`, or a
        list of samples.
    batch_size: number of rows in a batch; the last batch has the remaining rows.
    shuffle: a new random order for every epoch.
    seed: an int, or a np.random.Generator to draw from (a shared one continues from its current
        state).  The same int gives the same batches in the same order, epoch by epoch.  None: what
        each epoch draws follows from `Tensor.manual_seed`.  NumPy's global random state is neither
        read nor changed.
    sampler: row numbers in the order to serve them, in place of shuffle: any iterable of ints with
        a length (see samplers.py).  An epoch takes all its numbers when it begins.
    batch_sampler: the same, with a list of row numbers for each batch, in place of batch_size,
        shuffle, sampler and drop_last.
    drop_last: leave out the last batch if it is smaller.
    collate_fn: makes a batch of a list of samples; None for `default_collate`.
    transform: called as transform(*batch) on each batch, without a graph; gives the batch to serve.
    num_workers: make batches ahead of time in so many processes, which get the data set with fork
        and otherwise pickled; 0 makes each when the loop asks for it.  The batches are the same,
        and come in the same order.
    threads: workers are threads, which share the data and the Python lock.
    prefetch_factor: how many batches may wait for the loop, for each worker; None stands for 2.
    timeout: seconds to wait for a batch of a worker; 0 waits for ever.
    worker_init_fn: called with its number, from 0, when a worker starts.
    persistent_workers: keep the workers after an epoch; later changes to the data set do not reach
        processes then.

    A batch is a Tensor, or a tuple of Tensors if there are several arrays, with memory of its own.
    It has the dtype of the array, except that one integer per row, a label, becomes int64.  Rows of
    a Tensor that requires grad are in its graph.  For a data set it is what collate_fn gives.

    Random numbers that data set, collate_fn and transform draw as Tensor does, or from
    `tinygrad_lite.generator.current()`, follow from seed, epoch and number of the batch, and
    disturb no other random numbers.  In a worker process that also holds for Python's and NumPy's
    global generators, which are seeded there for each batch; elsewhere those are the program's.

    The position in `state_dict()` counts the batches that were delivered to the `for`.  After
    `load_state_dict`, the next `for` gives the rest of that epoch; if all of its batches had been
    delivered, that `for` gives none and ends the epoch.  So a loop that can be resumed is

        for epoch in range(loader.epoch, EPOCHS):
            for x, y in loader:

    After a `for` that was left by break or an error, a loaded state continues there, while in this
    loader the next `for` begins a new epoch.  (For epochs of fewer batches there is
    `sampler=RandomSampler(X, num_samples=...)`.)  Of several `for` at once, the state is that of
    the one that began last.

    Errors: ValueError if the lengths differ, if batch_size is below 1, and if drop_last leaves no
    batch; TypeError for what is neither arrays of numbers nor a data set.
    """

    def __init__(
        self,
        *arrays: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        seed: Any = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        drop_last: bool = False,
        collate_fn: Any = None,
        transform: Any = None,
        num_workers: int = 0,
        threads: bool = False,
        prefetch_factor: int | None = 2,
        timeout: float = 0,
        worker_init_fn: Any = None,
        persistent_workers: bool = False,
        **others: NoReturn,
    ) -> None:
        for name in others:
            fix = f"; {_OTHERS[name]}" if name in _OTHERS else ""
            raise TypeError(f"DataLoader: there is no argument {name}={fix}")
        self.dataset, bare = served(arrays, sampler is not None or batch_sampler is not None)
        self.batch_size = arguments.integer(batch_size, "DataLoader: batch_size", least=1)
        self.shuffle = arguments.flag(shuffle, "DataLoader: shuffle")
        self.drop_last = arguments.flag(drop_last, "DataLoader: drop_last")
        self.sampler = _checked_sampler(sampler, "sampler", "integers")
        self.batch_sampler = _checked_sampler(batch_sampler, "batch_sampler", "lists of integers")
        _refuse_both(sampler, batch_sampler, batch_size, shuffle, drop_last)
        self.collate_fn = _function(collate_fn, "collate_fn")
        self.transform = _function(transform, "transform")
        self.num_workers = arguments.integer(num_workers, "DataLoader: num_workers", least=0)
        self.threads = arguments.flag(threads, "DataLoader: threads")
        ahead = 2 if prefetch_factor is None else prefetch_factor
        self.prefetch_factor = arguments.integer(ahead, "DataLoader: prefetch_factor", least=1)
        self.timeout = arguments.not_negative(timeout, "DataLoader: timeout")
        self.worker_init_fn = _function(worker_init_fn, "worker_init_fn")
        self.persistent_workers = arguments.flag(
            persistent_workers, "DataLoader: persistent_workers"
        )
        if persistent_workers and not num_workers:
            raise ValueError("DataLoader: persistent_workers: there are none with num_workers=0")
        self._fetch = Fetch(self.dataset, bare, collate_fn, transform)
        self._idle: list[Workers] = []  # those that persist, while no `for` uses them
        self._stream = Stream(seed, "DataLoader: seed")
        self._epoch = 0  # of these, each `for` was given all batches
        self._begun = 0  # the number of epochs that have begun
        self._current: Epoch | None = None  # the one that began last, until it has ended
        self._loaded = False  # the next `for` continues the current epoch
        rows = self._rows
        if drop_last and sampler is None and rows is not None and 0 < rows < batch_size:
            raise ValueError(
                f"DataLoader: drop_last leaves nothing of {rows} rows at batch_size {batch_size}; "
                "make the batches smaller or pass drop_last=False"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        """Options stay as they were checked: workers have them too."""
        if name in self.__dict__ and not name.startswith("_"):
            raise AttributeError(f"DataLoader: {name}: an option stays; make another DataLoader")
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """A copy has workers of its own."""
        return {**self.__dict__, "_idle": []}

    @property
    def generator(self) -> "np.random.Generator | None":
        """What the orders are drawn from; None if that follows from `Tensor.manual_seed`."""
        return self._stream.generator

    @property
    def epoch(self) -> int:
        """The number of whole epochs delivered: of `for` loops that were completed."""
        return self._epoch

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        whole, rest = divmod(
            len(self.dataset if self.sampler is None else self.sampler), self.batch_size
        )
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        """One epoch, or the rest of the loaded one."""
        epoch = self._begin()
        with closing(self._results(epoch)) as batches:
            for batch in batches:
                epoch.delivered += 1
                yield batch
        self._end(epoch)

    def _results(self, epoch: Epoch) -> Any:
        tasks = self._tasks(epoch)
        if self.num_workers and epoch.left:
            return self._from_workers(epoch, tasks)
        return (self._fetch(task) for task in tasks)

    def _tasks(self, epoch: Epoch) -> Iterator[Task]:
        return epoch.tasks(seeded=not self._fetch.is_plain)

    def _from_workers(self, epoch: Epoch, tasks: Iterator[Task]) -> Iterator[Any]:
        workers = self._idle.pop() if self._idle else self._new_workers(epoch)
        try:
            with closing(workers.results(tasks)) as results:
                for batch in results:
                    yield batch if self.threads else received(batch)
        finally:
            if self.persistent_workers:
                self._idle.append(workers)
            else:
                workers.close()

    def _new_workers(self, epoch: Epoch) -> Workers:
        return Workers(
            self._fetch if self.threads else FetchInProcess(self._fetch),
            self.num_workers,
            threads=self.threads,
            ahead=self.prefetch_factor,
            timeout=self.timeout,
            initialise=self.worker_init_fn,
            seed=epoch.worker_seeds(),
        )

    def _begin(self) -> Epoch:
        """The loaded epoch, or a new one."""
        if self._loaded and self._current is not None:
            self._loaded = False
            return self._current
        if self._current is not None and self._current.left == 0:  # its `for` was left too early
            self._end(self._current)
        start, order, bounds = self._drawn()
        self._current = Epoch(self._begun, start, order, bounds, self._samples)
        self._begun += 1
        return self._current

    def _end(self, epoch: Epoch) -> None:
        """Count an epoch, once."""
        if not epoch.ended:
            epoch.ended = True
            self._epoch += 1
        if epoch is self._current:
            self._current = None

    # Orders

    @property
    def _rows(self) -> int | None:
        return len(self.dataset) if hasattr(self.dataset, "__len__") else None

    @property
    def _limit(self) -> int | None:
        """Below which a sampler's numbers are; a data set of another kind looks at them itself."""
        return self._rows if isinstance(self.dataset, _COUNTED) else None

    @property
    def _samples(self) -> bool:
        """Whether a sampler gives the order."""
        return self.sampler is not None or self.batch_sampler is not None

    @property
    def _draws(self) -> bool:
        """Whether an epoch draws random numbers from the loader's own generator."""
        return self.shuffle or not self._fetch.is_plain

    def _drawn(self) -> "tuple[np.random.Generator | None, NDArray[np.int64], NDArray[np.int64]]":
        """The generator at the start of an epoch, the order of the rows, and the batches in it."""
        start, order = None, None
        if self._draws:
            start, order = self._stream.permutation(self._rows if self.shuffle else None)
        if self.batch_sampler is not None:
            return start, *self._sampled_batches(self.batch_sampler)
        if self.sampler is not None:
            order = as_order(self.sampler, self._limit, "DataLoader: sampler")
        elif order is None:
            order = np.arange(self._rows or 0)
        return start, order, bounds_of(len(order), self.batch_size, self.drop_last)

    def _sampled_batches(self, sampler: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All batches of an epoch, one after the other, and where each begins."""
        name, batches = "DataLoader: batch_sampler", [np.empty(0, np.int64)]
        for batch in sampler:
            if not has(batch, "__iter__") or isinstance(batch, str | bytes):
                raise arguments.wrong(name, "lists of integers", batch)
            batches.append(as_order(batch, self._limit, name))
        return np.concatenate(batches), np.cumsum([len(batch) for batch in batches])

    # State

    def state_dict(self) -> dict[str, Any]:
        """Its position, in numbers, text, lists and arrays.

        Inside the `for`, the batch that the loop was given counts as delivered.
        """
        return {
            "epoch": self._epoch,
            "begun": self._begun,
            **self._options(),
            "generator": self._stream.state(),
            "sampler": sampler_state(self._any_sampler),
            "position": None if self._current is None else self._current.position(),
        }

    def load_state_dict(self, state_dict: Any) -> None:
        """Continue at the position of a loader of the same data and options.

        Errors: ValueError if this is no such state, or one of other data or options; then nothing
        has changed.
        """
        where = "DataLoader: load_state_dict"
        if not isinstance(state_dict, Mapping) or set(state_dict) != _STATE:
            got = arguments.shown(state_dict)
            raise ValueError(
                f"{where}: expected what state_dict() of a DataLoader gives; got {got}"
            )
        state = dict(state_dict)
        for name, own in self._options().items():
            if type(state[name]) is not type(own) or state[name] != own:
                got = arguments.shown(state[name])
                raise ValueError(f"{where}: {name}: here it is {own}; the state has {got}")
        epoch, begun = (count(state[name], None, f"{where}: {name}") for name in ("epoch", "begun"))
        found = self._stream.checked(state["generator"], f"{where}: generator")
        current = None
        if state["position"] is not None:
            current = self._epoch_at(state["position"], begun, f"{where}: position")
        load_sampler(self._any_sampler, state["sampler"], where)  # last, since it may refuse
        self._stream.load(found)
        self._epoch, self._begun = epoch, begun
        self._current, self._loaded = current, current is not None

    def _options(self) -> dict[str, Any]:
        batch_size = None if self.batch_sampler is not None else self.batch_size
        options = (self._rows, batch_size, self.drop_last, self.shuffle)
        return dict(zip(_OPTIONS, options, strict=True))

    @property
    def _any_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _epoch_at(self, position: Any, begun: int, where: str) -> Epoch:
        """The epoch that a state was taken in."""
        found = checked_position(position, self._draws, self._samples, where)
        start, order = None, np.arange(self._rows or 0)
        if self._draws:
            start = self._stream.at(found["start"], f"{where}: start")
        if self._samples:
            order, bounds = checked_order(found["order"], found["bounds"], self._limit, where)
        else:
            if self.shuffle:
                order = self._stream.at(found["start"], where).permutation(len(order))
            bounds = bounds_of(len(order), self.batch_size, self.drop_last)
        epoch = Epoch(max(begun - 1, 0), start, order, bounds, self._samples)
        epoch.delivered = count(found["delivered"], epoch.left, f"{where}: delivered")
        return epoch


def _function(value: Any, name: str) -> Any:
    return value if value is None else arguments.function(value, f"DataLoader: {name}")


def _checked_sampler(sampler: Any, name: str, gives: str) -> Any:
    if sampler is None or has(sampler, "__iter__", "__len__"):
        return sampler
    fix = f"; make one: {sampler.__name__}(...)" if isinstance(sampler, type) else ""
    expected = f"an iterable of {gives} with __len__"
    raise arguments.wrong(f"DataLoader: {name}", expected, sampler, fix)


def _refuse_both(
    sampler: Any, batch_sampler: Any, batch_size: int, shuffle: bool, drop_last: bool
) -> None:
    """Refuse options that exclude each other."""
    if batch_sampler is not None:
        options = {
            "batch_size": batch_size != 1,
            "shuffle": shuffle,
            "sampler": sampler is not None,
            "drop_last": drop_last,
        }
        for name, given in options.items():
            if given:
                raise ValueError(f"DataLoader: batch_sampler takes the place of {name}; give one")
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: sampler takes the place of shuffle; give one")
