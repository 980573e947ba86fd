"""Independent trainings, shared by processes: seeds, learning rates, the members of a vote."""

import json
import os
import pickle
import signal
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tinygrad_lite import arguments, files, generator

from .._processes import Fact, current
from ..training._leading import by_leading
from ..training._output import tell
from ..training.interrupts import Stopped
from ..training.progress import in_words as values_in_words
from . import _child, _ranks
from ._kept import Kept, log
from ._schedule import Schedule, Task
from ._table import as_csv, as_text, columns, row
from ._trainings import Outcome, called, check_call, described, in_words, shown, trainings
from .processes import MPIProcesses, start

Options = Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]]


def sweep(
    fn: Callable[..., Any],
    options: Options,
    *,
    out: files.FilePath | None = None,
    restarts: int = 1,
    resume: bool = True,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Call `fn` once with each of the options: trainings that do not depend on each other.

        def train(lr: float, seed: int) -> dict[str, float]:
            ...
            return {"loss": loss, "accuracy": accuracy}

        if __name__ == "__main__":
            rows = nn.distributed.sweep(train, {"lr": [0.1, 0.01], "seed": range(3)}, out="sweep")

    fn: trains, and returns a number, or a dict of numbers, text, None and lists of them; a Tensor,
        or an array, of one element is a number.  None if it keeps all results itself.
    options: a list of dicts, the keyword arguments of each training; or a dict of lists, of which
        all combinations are trained, the last name changing fastest.  The values are numbers, text,
        None, lists of them, functions and classes.
    out: a folder for sweep.json, the results so far; results.csv, the table; and 1.log to N.log,
        what each training printed, if it had a process of its own.  None: nothing is kept.
    restarts: how often a training that died is started again: one whose process was killed, as for
        lack of memory, or crashed.  One that raised an error would do so again.
    resume: if that folder has results of a sweep with the same options, keep them, and begin only
        those that have none, also those that failed; a sweep with other options is refused with one
        line.  False: begin with an empty table.
    quiet: print nothing.

    Under mpiexec all processes call it.  Whichever is free gets the next training, and trains in a
    child process, a new interpreter: one that dies takes nobody with it.  So fn stands at the top
    level of a file, as with multiprocessing, and the call under `if __name__ == "__main__":`.  The
    leading process prints a line for each training that ends, and the table; it alone writes.
    Without mpiexec, or with one process, it is a loop in this process.

    Each training begins with the state that the random generator of Tensor has at the call, so the
    results do not depend on which process trained what.  A Report in a training that is started
    again after it died resumes from its snapshot, if it has a folder; every training needs another
    one, and not `out` itself: f"runs/{lr}-{seed}".

    Ctrl-C, SIGTERM or SIGHUP end the sweep: the trainings get the signal, their Reports save, and
    when all have ended, Stopped is raised in every process.  What a training returns after that is
    not kept.

    Returns a dict for each training, in the order of the options, in every process: its options,
    its results (a number alone is called "result"), "seconds", "rank" and "host"; and if it failed,
    "failed" with the reason instead of results.  What only the leading process goes on to do with
    them, it does `alone`.

    Errors: TypeError and ValueError for options and functions that cannot be used; RuntimeError if
    the call is not guarded.
    """
    _child.check_main()
    arguments.function(fn, "sweep: fn")
    restarts = arguments.integer(restarts, "sweep: restarts", least=0)
    resume = arguments.flag(resume, "sweep: resume")
    quiet = arguments.flag(quiet, "sweep: quiet")
    given = trainings(options)
    for each in given:
        check_call(fn, each)
    known = [described(each) for each in given]
    processes = start()
    processes.agree(
        "a sweep",
        zlib.crc32(json.dumps([known, restarts]).encode()),
        lambda: map(Fact, (f"restarts={restarts}", f"{len(known)} trainings", *map(str, known))),
    )
    kept, finished = _opened(out, known, resume)
    try:
        schedule = Schedule(len(given), finished, restarts)
        course = _Course(given, schedule, kept, quiet or not processes.leads, processes.size)
        number = 0
        if isinstance(processes, MPIProcesses):
            runner = _ranks.Runner(_child.pickled(fn, given), given, processes)
            if processes.leads:
                course.start()
                number = _ranks.lead(processes, runner, schedule, course)
                course.end(number)
            else:
                number = _ranks.follow(processes, runner)
            processes.asks_to_stop |= number != 0
            content = pickle.dumps(schedule.outcomes) if processes.leads else None
            outcomes = pickle.loads(processes.broadcast("the results of the sweep", content))
            if processes.stops:
                raise Stopped(number or signal.SIGINT)
        else:
            course.start()
            try:
                _loop(fn, given, schedule, course)
            except KeyboardInterrupt:
                course.end(signal.SIGINT)
                raise
            course.end(0)
            outcomes = schedule.outcomes
    finally:
        if kept is not None:
            kept.close()
    return [row(each, outcomes.get(number)) for number, each in enumerate(given)]


def _opened(
    out: files.FilePath | None, known: Sequence[Mapping[str, Any]], resume: bool
) -> tuple[Kept | None, dict[int, Outcome]]:
    """The folder, in the leading process; and what is finished there, in all."""
    kept: Kept | None = None

    def work() -> bytes:
        nonlocal kept
        if out is not None:
            kept = Kept(out, known, resume)
        return pickle.dumps({} if kept is None else kept.finished)

    finished = pickle.loads(by_leading("the folder of the sweep", work))
    return kept, finished


class _Course:
    """The lines, the files and the table, as a sweep takes its course."""

    def __init__(
        self,
        options: Sequence[Mapping[str, Any]],
        schedule: Schedule,
        kept: Kept | None,
        quiet: bool,
        size: int,
    ) -> None:
        self.options, self.schedule, self.kept = options, schedule, kept
        self.quiet, self.size = quiet, size
        self.unfinished: dict[int, bytes] = {}  # the lines that trainings have begun to print
        self.names = [in_words(each) or f"training {n}" for n, each in enumerate(options, 1)]
        self.done = len(schedule.outcomes)

    def say(self, line: str) -> None:
        if not self.quiet:
            tell(line)

    def start(self) -> None:
        """The sweep begins."""
        if self.kept is not None:
            if self.done:
                where = files.printable(self.kept.folder.first)
                self.say(f"resuming in {where}: {self.done} of {len(self.options)} are finished")
            self._keep()

    def begins(self, task: Task) -> None:
        """A training begins, in a process of its own."""
        if self.kept is not None:
            self.kept.begin(task.number, task.attempt > 0)

    def printed(self, number: int, text: bytes) -> None:
        """A training printed something: its lines go into its log, or on stdout with its name."""
        if self.kept is not None:
            self.kept.print(number, text)
            return
        *lines, rest = (self.unfinished.pop(number, b"") + text).split(b"\n")
        self.unfinished[number] = rest
        for line in lines:
            said = line.decode(errors="backslashreplace").replace("\t", "    ")
            self.say(f"{self.names[number]}: {files.printable(said, 1000)}")

    def ended(self, task: Task, outcome: Outcome, again: Task | None) -> None:
        """A training ended; perhaps it begins again."""
        if self.unfinished.get(task.number):
            self.printed(task.number, b"\n")
        name = self.names[task.number]
        where = f"rank {outcome.rank} on {outcome.host}" if self.size > 1 else ""
        if again is not None:
            who = f" ({where})" if where else ""
            self.say(f"{name}{who}: {outcome.reason}; it is started again")
            return
        if task.number not in self.schedule.outcomes:  # the sweep is being stopped
            return
        self.done += 1
        self._keep()
        if outcome.kind == "finished":
            values = [_value(name, value) for name, value in outcome.result.items()]
            how = ", ".join(values) or "finished"
        else:
            how = f"failed: {self.schedule.outcomes[task.number].reason}"
            if self.kept is not None and self.size > 1:
                how += f" ({log(task.number)})"
        said = f"{self.done} of {len(self.options)}: {name}: {how} in {outcome.seconds:.1f} s"
        self.say(f"{said} by {where}" if where else said)

    def end(self, number: int) -> None:
        """The sweep ends; the table, or that a signal stopped it."""
        if number:
            done, count = len(self.schedule.finished), len(self.options)
            where = f", and kept in {files.printable(self.kept.folder.first)}" if self.kept else ""
            self.say(f"the sweep was stopped; {done} of {count} trainings are finished{where}")
            return
        rows = self._rows()
        for line in as_text(columns(self.options, rows), rows):
            self.say(line)
        if self.kept is not None and not self.quiet:
            for path, names in self.kept.folder.used.items():
                self.say(f"kept in {files.printable(path)}: {', '.join(names)}")

    def _rows(self) -> list[dict[str, Any]]:
        outcomes = self.schedule.outcomes
        return [row(each, outcomes.get(number)) for number, each in enumerate(self.options)]

    def _keep(self) -> None:
        if self.kept is not None:
            rows = self._rows()
            table = as_csv(columns(self.options, rows), rows)
            self.kept.keep(self.schedule.finished, table)


def _value(name: str, value: Any) -> str:
    """A result, as in `accuracy 97.90 %`."""
    if isinstance(value, list | dict):
        return f"{name.replace('_', ' ')} {shown(value)}"
    return values_in_words(**{name: value})


def _loop(
    fn: Callable[..., Any],
    options: Sequence[Mapping[str, Any]],
    schedule: Schedule,
    course: _Course,
) -> None:
    """The trainings one after the other, in this process."""
    processes, state = current(), generator.get_state()
    while (task := schedule.next_for(0)) is not None:
        with _signals() as came:
            try:
                generator.set_state(state)
                processes.restarted = task.attempt > 0
                outcome = called(fn, options[task.number]).on(0, processes.host)
            finally:
                processes.restarted = False
                generator.set_state(state)
            # A Report that a signal stopped may have returned the result of half a training.
            if number := came():
                raise Stopped(number)
        course.ended(task, outcome, schedule.ended(0, outcome))


@contextmanager
def _signals() -> Iterator[Callable[[], int]]:
    """Note the signals that ask a program to end, whoever handles them; call it: the last one."""
    source, target = os.pipe()
    os.set_blocking(source, False)
    os.set_blocking(target, False)
    ending = {getattr(signal, each, 0) for each in ("SIGINT", "SIGTERM", "SIGHUP")}

    def came() -> int:
        with suppress(BlockingIOError):
            return next((each for each in reversed(os.read(source, 1 << 16)) if each in ending), 0)
        return 0

    try:
        before = signal.set_wakeup_fd(target, warn_on_full_buffer=False)
    except ValueError:  # in another thread, which gets no signals
        before = None
    try:
        yield came
    finally:
        if before is not None:
            signal.set_wakeup_fd(before)
        os.close(source)
        os.close(target)
