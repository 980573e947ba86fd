"""Several processes without MPI: forked children, which exchange through the test that waits."""

import io
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
import pytest

from nn._processes import Facts, Processes, current, enter
from nn.distributed.endings import Doing, disagreement
from tinygrad_lite import generator


class Disagreed(Exception):
    """The processes did not come to the same exchange with the same value."""


class Given(Processes):
    """One of several that never speaks to the others; `agreed` is what it would have compared."""

    def __init__(self, rank: int = 0, size: int = 1, chunks: int | None = None) -> None:
        super().__init__()
        self.rank, self.size, self.chunks = rank, size, chunks
        self.agreed: list[tuple[str, int]] = []

    def agree(self, what: str, value: int = 0, facts: Facts = tuple) -> None:
        self.agreed.append((what, value))


class Child(Given):
    """One of several forked processes."""

    def __init__(self, rank: int, size: int, chunks: int | None, hub: Connection) -> None:
        super().__init__(rank, size, chunks)
        self.hub = hub

    def _exchange(
        self, what: str, content: bytes | None, value: int = 0, facts: Facts = tuple
    ) -> list[Any]:
        self.hub.send((Doing(what, value, [*facts()]), content, self.asks_to_stop))
        answer, self.stops = self.hub.recv()
        if isinstance(answer, str):
            raise Disagreed(answer)
        self.agreed.append((what, value))
        return list(answer)

    def agree(self, what: str, value: int = 0, facts: Facts = tuple) -> None:
        self._exchange(what, None, value, facts)

    def broadcast(self, what: str, content: bytes | None) -> bytes:
        assert (content is not None) == self.leads
        found = self._exchange(what, content)[0]
        assert isinstance(found, bytes)
        return found

    def gather(self, what: str, content: bytes) -> list[bytes]:
        assert isinstance(content, bytes)
        return self._exchange(what, content)

    def sum(self, what: str, values: Any) -> Any:
        found = [np.frombuffer(each) for each in self.gather(what, values.tobytes())]
        return np.sum(found, axis=0).reshape(values.shape)


class Ended(NamedTuple):
    """What a process returned, or the status it ended with, and what it printed."""

    result: Any
    out: str
    err: str


@contextmanager
def entered(processes: Processes) -> Iterator[Processes]:
    """This process as one of several; afterwards as before."""
    before = current()
    enter(processes)
    try:
        yield processes
    finally:
        enter(before)


def ranks(size: int, work: Callable[[], Any], chunks: int | None = None) -> list[Ended]:
    """`work()` in so many processes: what each returned and printed, by rank.

    SystemExit is a result, its status.  AssertionError with the traceback for any other error.
    """
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork")
    generator.current()  # the same state in all, as `nn.distributed.start` sees to
    ends, children = [], []
    for rank in range(size):
        ours, theirs = Pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for end in (*ends, ours):
                    end.close()
                status = _work(rank, size, chunks, theirs, work)
            finally:
                os._exit(status)
        theirs.close()
        ends.append(ours)
        children.append(child)
    results: dict[int, Any] = {}
    try:
        while len(results) < size:
            _round(ends, results)
    finally:
        for end in ends:
            end.close()
        for child in children:
            os.waitpid(child, 0)
    return [results[rank] for rank in range(size)]


def _round(ends: list[Connection], results: dict[int, Any]) -> None:
    """One exchange of those that have not ended."""
    given = []
    for rank, end in enumerate(ends):
        if rank not in results:
            try:
                message = end.recv()
            except EOFError:
                raise AssertionError(f"rank {rank} died") from None
            if isinstance(message, Ended):
                results[rank] = message
            elif isinstance(message, str):
                raise AssertionError(f"rank {rank}: {message}")
            else:
                given.append((rank, message))
    if not given:
        return
    answer: Any = [content for _, (_, content, _) in given]
    doing = [each for _, (each, _, _) in given]
    if len(given) < len(ends):
        ended = "; ".join(f"rank {rank} has ended" for rank in results)
        answer = f"{ended}; others are at {sorted(each.what for each in doing)}"
    elif len({(each.what, each.value) for each in doing}) > 1:
        answer = disagreement(["here"] * len(ends), doing)
    stops = any(asks for _, (_, _, asks) in given)
    for rank, _ in given:
        ends[rank].send((answer, stops))


def _work(rank: int, size: int, chunks: int | None, hub: Connection, work: Any) -> int:
    out, err = io.StringIO(), io.StringIO()
    enter(Child(rank, size, chunks, hub))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            result = work()
    except SystemExit as ended:
        result = ended.code
    except BaseException:
        hub.send(traceback.format_exc())
        return 1
    hub.send(Ended(result, out.getvalue(), err.getvalue()))
    return 0
