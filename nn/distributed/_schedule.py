"""Which process gets which training: decisions only, no process and no message."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from ._trainings import Outcome


class Task(NamedTuple):
    """A training by its number; `attempt` is how often it was started before."""

    number: int
    attempt: int = 0


class Schedule:
    """The trainings of a sweep: those that wait, those that run, and how the others ended.

    finished: the outcomes of an earlier sweep, by number.
    restarts: how often a training that died is started again.  It waits behind the others: what
        killed it, such as a lack of memory, may be over by then.

    outcomes: by number; each training that ended, has one.
    stopping: no further training begins.
    """

    def __init__(self, count: int, finished: Mapping[int, Outcome], restarts: int) -> None:
        self.count, self.restarts = count, restarts
        self.outcomes = dict(finished)
        self.waiting = deque(Task(number) for number in range(count) if number not in finished)
        self.running: dict[int, Task] = {}  # by rank
        self.stopping = False

    def next_for(self, rank: int) -> Task | None:
        """What this process begins now; None if it has a training, or none is left."""
        if rank in self.running or not self.waiting:
            return None
        self.running[rank] = self.waiting.popleft()
        return self.running[rank]

    def ended(self, rank: int, outcome: Outcome) -> Task | None:
        """Note how the training of this process ended; if it begins again, the new attempt.

        While the sweep stops, only an error is noted: what a training returns after a signal may
        be the result of half of it, and what died was stopped.
        """
        number, attempt = self.running.pop(rank)
        if self.stopping:
            if outcome.kind == "failed":
                self.outcomes[number] = outcome
            return None
        if outcome.kind == "died":
            if attempt < self.restarts:
                again = Task(number, attempt + 1)
                self.waiting.append(again)
                return again
            times = f" (attempt {attempt + 1} of {attempt + 1})" if attempt else ""
            outcome = outcome.as_failed(times)
        self.outcomes[number] = outcome
        return None

    def stop(self) -> None:
        """Begin no further training."""
        self.stopping = True
        self.waiting.clear()

    @property
    def idle(self) -> bool:
        """Whether no training runs or waits."""
        return not self.running and not self.waiting

    @property
    def finished(self) -> dict[int, Outcome]:
        """The outcomes of the trainings that returned a result."""
        return {n: each for n, each in self.outcomes.items() if each.kind == "finished"}
