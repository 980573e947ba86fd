"""Report: the lines, records, files and signals of a training program, and its resume."""

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinygrad_lite import arguments, files

from .._processes import current
from ._folder import Folder
from ._launched import check_launched
from ._leading import by_leading
from ._output import fail, tell
from ._report_state import checked_state, judged, plain
from ._shares import Shares
from .command_line import about
from .interrupts import Stop, Stopped
from .metrics import Metrics
from .metrics._lines import text
from .progress import Progress, in_words
from .snapshots import Snapshot
from .snapshots._part import gather_states

METRICS, SNAPSHOT = "metrics.jsonl", "snapshot.safetensors"
KEPT = ("weights.safetensors", "curves.png", "confusion.png", "mistakes.png", "filters.png")
PICTURES = (".png", ".pdf", ".svg")
# Options that change no number of a run: it may be resumed with others.  (`chunks` is none of them:
# it decides what dropout draws, and the order in which gradients are added.)
ASIDE = ("data", "out", "resume", "target", "quiet", "capture", "distributed")


class Report:
    """Lines, records, files and signals of a training; the loop itself is the program's.

        with Report(
            epochs=args.epochs, steps=len(loader), rows=len(X), out=args.out, resume=args.resume
        ) as report:
            report.resume(vars(args), model=model, optimizer=optimizer, loader=loader)
            try:
                for _ in range(loader.epoch, args.epochs):
                    for x, y in loader:
                        ...  # forward, loss, backward, step
                        report.step(len(x), loss=loss.item())
                    report.epoch(held_out_loss=held_out_loss)
                    report.save()
            except KeyboardInterrupt as stop:
                report.stopped(stop)
            weights = model.state_dict()
            report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
            report.result(f"held-out loss {held_out_loss:.4f}")
        return report.status()

    epochs: how many there are in the whole training.  The program decides what an epoch is: for a
        language model, perhaps the steps between two evaluations on the held-out text.
    steps, rows: how many there are in one epoch.
    unit: what a row is, in the plural.
    name: of the data; lines begin with it.
    out: a folder.  It gets metrics.jsonl, snapshot.safetensors, and what `keep` writes, in place of
        the files of an earlier run.  None: nothing is kept.
    resume: if that folder has a snapshot, keep its files and continue them; the method `resume`
        restores the rest.
    kept: the names of the files that `keep` may write: those of an earlier run are removed, and if
        there are pictures among them, matplotlib has to be installed.
    every: the number of steps whose means become one record.
    tensorboard: a folder for TensorBoard's event files (see `Metrics`).
    quiet: print nothing but the `result`.

    Lines: on a terminal and in a notebook, a live line (see `Progress`) with means over the last
    steps; after each epoch, a line with means over its rows; and what the program passes to `say`.

    Records, in `metrics`: of kind "step", with step, epoch (a fraction) and the means over the last
    steps; of kind "epoch", with epoch, step, the means over its rows, the values given to `epoch`,
    seconds, and rows per second.

    Signals (see `Stop`): after the first Ctrl-C, SIGTERM or SIGHUP, the next call of `step` or
    `epoch` raises `Stopped`, a KeyboardInterrupt, so that a step is never interrupted.  A second
    one takes effect at once.

    Of several processes that train together (see `nn.distributed`), all call the same methods, and
    the leading one alone prints, and has a folder.  Values of steps are means over the rows of all;
    those given to `epoch` are taken as they are.  `step` is called for each part of a batch that a
    process has, and counts one step at the last.  After a signal to any, all raise `Stopped` at the
    end of the same step.

    A full disk does not stop the training: a file for which there is no room is written into
    another folder, or lost, and a line on stderr says so.

    taken, finished: the number of steps and of epochs so far.
    since: when this epoch began or was resumed, by `time.perf_counter`.
    """

    def __init__(
        self,
        *,
        epochs: int,
        steps: int,
        rows: int,
        unit: str = "rows",
        name: str = "",
        out: files.FilePath | None = None,
        resume: bool = False,
        kept: Sequence[str] = KEPT,
        every: int = 20,
        tensorboard: files.FilePath | None = None,
        quiet: bool = False,
    ) -> None:
        self.epochs = arguments.integer(epochs, "Report: epochs", least=0)
        self.steps = arguments.integer(steps, "Report: steps", least=0)
        self.rows = arguments.integer(rows, "Report: rows", least=0)
        self.every = arguments.integer(every, "Report: every", least=1)
        self.quiet = arguments.flag(quiet, "Report: quiet")
        self.unit, self.name = unit, name
        self.taken = self.finished = 0  # steps, epochs
        self.seen = self.seen_before = 0  # rows so far; and before this epoch
        self.totals: dict[str, list[float]] = {}  # in this epoch: the sum over rows, the rows
        self.recent: dict[str, deque[float]] = {}  # of the last steps
        self.seconds = 0.0  # of this epoch, before `since`
        self.snapshot: Snapshot | None = None
        self.parts: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.processes = current()
        self.wants_resume = resume or self.processes.restarted
        self.shares = Shares(self.processes)
        if out is not None:
            out = os.path.expanduser(files.checked_path(out, "Report: out"))
        self.where = None if out is None else Path(out)
        self.folder: Folder | None = None
        self.metrics = Metrics()
        check_launched()
        by_leading("the beginning of a Report", lambda: self._open(kept, tensorboard))
        self.records_folder = None if self.folder is None else self.folder.path
        self.progress = self._new_progress()
        self.stop = Stop()
        self.since = time.perf_counter()

    def _open(self, kept: Sequence[str], tensorboard: files.FilePath | None) -> None:
        """The folder and the records; what files need is checked here, before the training."""
        if self.where is not None:
            if any(name.endswith(PICTURES) for name in kept) and find_spec("matplotlib") is None:
                fail("--out: the package matplotlib is missing; pip install 'tinygrad-lite[train]'")
            names = (METRICS, SNAPSHOT, *kept)
            self.folder = Folder(self.where, names, SNAPSHOT, self.wants_resume)
        path = None if self.folder is None else self.folder.path
        with about("--out"):
            self.metrics = Metrics(path and path / METRICS, tensorboard)
        if self.folder is not None:
            self.folder.note(METRICS)

    def _new_progress(self) -> Progress:
        total = self.epochs * self.rows
        return Progress(total, unit=self.unit, name=self.name, initial=self.seen, quiet=self.quiet)

    def __enter__(self) -> "Report":
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()

    # Lines

    def say(self, line: str) -> None:
        """Print a line, above the live one; nothing if quiet."""
        self.progress.write(line)

    def result(self, line: str) -> None:
        """Print the last line, even if quiet; before it, a line about the files in the folder."""
        self.progress.close()
        if self.folder is not None:
            self._keep_metrics(self.folder)
            for path, names in self.folder.used.items():
                self.say(f"kept in {files.printable(path)}: {', '.join(names)}")
        tell(line)

    # The training

    def step(self, rows: int, **values: Any) -> None:
        """Note one training step: its number of rows, and values that are means over them.

        With several processes, the rows and the values are those of this process's part.

        Raises Stopped, a KeyboardInterrupt, if a signal came.
        """
        rows = arguments.integer(rows, "Report.step: rows", least=0)
        numbers = {name: plain(name, value) for name, value in values.items()}
        part = self.processes.part
        if self.processes.size > 1 or (part is not None and part.parts > 1):
            self.shares.add(rows, numbers, part)
            if part is not None and not part.last:
                return
            rows = self.shares.end_step(part)
            if self.processes.size == 1 or (self.taken + 1) % self.every == 0:
                self._gather(f"the values of step {self.taken + 1}")
        else:
            self.seen += rows
            for name, value in numbers.items():
                self._add(name, value, value * rows, rows)
        self.taken += 1
        if self.taken % self.every == 0:
            epoch = self.seen / self.rows if self.rows else 0.0
            self.metrics.add("step", step=self.taken, epoch=epoch, **self._recently())
        self.progress.update(rows, **(self._recently() if self.progress.live else {}))
        self.stop.check()

    def _add(self, name: str, mean: float, total: float, rows: int) -> None:
        """Count a value of one step."""
        sums = self.totals.setdefault(name, [0.0, 0])
        sums[0] += total
        sums[1] += rows
        self.recent.setdefault(name, deque(maxlen=self.every)).append(mean)

    def _gather(self, what: str) -> None:
        """Count the rows and values of all processes since the last time."""
        for rows, values in self.shares.gathered(what):
            self.seen += rows
            for name, value in values.items():
                self._add(name, *value)

    def epoch(self, **values: Any) -> None:
        """Note the end of an epoch, with values such as a held-out accuracy.

        Raises Stopped, a KeyboardInterrupt, if a signal came.
        """
        numbers = {  # a count, as of errors, stays one
            name: value if type(value) is int else plain(name, value)
            for name, value in values.items()
        }
        self.finished += 1
        if self.processes.size > 1:
            self._gather(f"the end of epoch {self.finished}")
        seconds = self.seconds + time.perf_counter() - self.since
        rate = (self.seen - self.seen_before) / max(seconds, 1e-9)
        numbers = {name: total / (n or 1) for name, (total, n) in self.totals.items()} | numbers
        self.metrics.add(
            "epoch",
            epoch=self.finished,
            step=self.taken,
            **numbers,
            seconds=round(seconds, 3),
            **{f"{self.unit}_per_second": round(rate)},
        )
        line = in_words(**numbers)
        self.say(
            f"{self.name} epoch {self.finished}/{self.epochs}: ".lstrip()
            + (f"{line}, " if line else "")
            + f"{rate:.0f} {self.unit}/s"
        )
        self.totals, self.seen_before = {}, self.seen
        self.seconds, self.since = 0.0, time.perf_counter()
        self.stop.check()

    def stopped(self, stop: KeyboardInterrupt, kept: str = "", /, **values: Any) -> None:
        """Print that the training was stopped, and save a snapshot with these values.

        stop: what was raised.  If that was in the middle of a step, because of a second Ctrl-C, the
            last snapshot stays instead.
        kept: what becomes of the weights.
        """
        self.progress.close()
        said = f"stopped after {self.taken} of {self.epochs * self.steps} steps"
        self.say(f"{said}; {kept}" if kept else said)
        if isinstance(stop, Stopped):
            self.save(**values)

    def status(
        self,
        score: float | None = None,
        target: float = 0.0,
        unit: str = "",
        *,
        lower_is_better: bool = False,
    ) -> int:
        """The exit status: 1, with a line about it, if the score misses the target.

        A score misses it from below; with lower_is_better, as for an error, from above; nan misses
        it in both cases.  After SIGTERM the status is 143, after SIGHUP 129, whatever the score.

        In several processes it is the same: by the score of the leading one, and a signal to any.
        """
        ended = self.stop.status
        if self.processes.size > 1:
            found = self.processes.gather("the exit status", str(ended).encode())
            ended = max(map(int, found))
        if ended:
            return ended
        by_score = partial(judged, score, target, unit, lower_is_better)
        return int(by_leading("the exit status", by_score))

    # Files

    def resume(
        self, config: Mapping[str, Any] | None = None, /, **parts: Any
    ) -> dict[str, Any] | None:
        """Define the parts of the snapshot (see `Snapshot`), and resume from the one in the folder.

        config: the options, as from vars(args).

        Returns the values that were given to `save`; None if the training starts: without a folder
        or `resume`, or if there is no snapshot, which a line says.
        """
        self.parts = {**parts, "report": self, "metrics": self.metrics}
        self.config = {name: x for name, x in (config or {}).items() if name not in ASIDE}
        if self.where is None or not self.wants_resume:
            return None
        where = files.printable(self.where)
        folder = self.folder
        found = by_leading("--resume", lambda: b"found" if folder and folder.resumes else b"")
        if not found:
            self.say(f"there is no snapshot in {where}: starting with the first step")
            return None
        with about("--resume"):
            values = self._snapshot(self.where / SNAPSHOT).resume()
        if folder is not None:
            folder.note(SNAPSHOT)
        self.say(f"resuming in {where} after step {self.taken} of {self.epochs * self.steps}")
        return values

    def save(self, **values: Any) -> None:
        """Write the snapshot, with these values besides the parts; nothing without a folder.

        With chunks of `nn.distributed`, nothing until the last part of a batch.
        """
        if self.where is not None and not self.processes.midway:
            gather_states(self.parts.values())
            by_leading(f"the snapshot after step {self.taken}", lambda: self._save(values))

    def _save(self, values: dict[str, Any]) -> None:
        if self.folder is not None:
            self.folder.write(SNAPSHOT, lambda path: self._snapshot(path).save(**values))

    def _snapshot(self, path: Path) -> Snapshot:
        if self.snapshot is None or Path(self.snapshot.path) != path.absolute():
            self.snapshot = Snapshot(path, config=self.config, **self.parts)
        return self.snapshot

    def keep(self, name: str, content: str | Callable[[Path], object]) -> None:
        """Write a file of this name into the folder; nothing without one.

        content: text, or a function that is called with the path, and writes the file.
        """
        if self.folder is not None:
            write = partial(_write, content) if isinstance(content, str) else content
            self.folder.write(name, write)

    def _keep_metrics(self, folder: Folder) -> None:
        """Write the records again if some found no room, or if other files had to go elsewhere."""
        self.metrics.close()
        folder.write_again(METRICS, text(self.metrics.records()), self.records_folder)

    def close(self) -> None:
        """Remove the live line, close the files, and restore the signals."""
        self.progress.close()
        self.metrics.close()
        if self.folder is not None:
            self.folder.close()
        self.stop.end()

    # State

    def gather_state(self) -> None:
        """Count what the processes have not put together yet; called in all, for a snapshot."""
        self._gather(f"the values up to step {self.taken}")

    def state_dict(self) -> dict[str, Any]:
        """Counts and sums, so that lines and records after a resume are those of one run."""
        return {
            "counts": [self.taken, self.finished, self.seen, self.seen_before],
            "seconds": self.seconds + time.perf_counter() - self.since,
            "totals": {name: list(total) for name, total in self.totals.items()},
            "recent": {name: list(values) for name, values in self.recent.items()},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> None:
        """Restore a `state_dict`.

        Errors: ValueError if it is malformed; then nothing is changed.
        """
        state = checked_state(state_dict)
        self.taken, self.finished, self.seen, self.seen_before = state["counts"]
        self.totals = {name: [total, rows] for name, (total, rows) in state["totals"].items()}
        self.recent = {name: deque(x, maxlen=self.every) for name, x in state["recent"].items()}
        self.seconds, self.since = state["seconds"], time.perf_counter()
        self.progress.close()
        self.progress = self._new_progress()

    def _recently(self) -> dict[str, float]:
        """The means over the last steps."""
        return {name: sum(values) / len(values) for name, values in self.recent.items()}


def _write(text: str, path: Path) -> None:
    with files.replacing(path, "Report.keep") as file:
        file.write(text.encode())
