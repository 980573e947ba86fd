"""Report: the lines, records, files and signals of a training program, and its resume."""

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
from ._output import complain, fail, tell
from .command_line import about
from .interrupts import Stop, Stopped
from .metrics import Metrics
from .metrics._lines import text
from .progress import Progress, in_words
from .snapshots import Snapshot

METRICS, SNAPSHOT = "metrics.jsonl", "snapshot.safetensors"
KEPT = ("weights.safetensors", "curves.png", "confusion.png", "mistakes.png", "filters.png")
PICTURES = (".png", ".pdf", ".svg")
# Options that change no number of a run: it may be resumed with others.
ASIDE = ("data", "out", "resume", "target", "quiet", "capture")
LARGEST = 1 << 62  # a count in a state


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
        self.wants_resume = resume or current().restarted
        self.folder = None if out is None else self._opened(out, kept)
        self.records_folder = None if self.folder is None else self.folder.path
        with about("--out"):
            self.metrics = Metrics(
                self.records_folder and self.records_folder / METRICS, tensorboard
            )
        if self.folder is not None:
            self.folder.note(METRICS)
        self.progress = self._new_progress()
        self.stop = Stop()
        self.since = time.perf_counter()

    def _opened(self, out: files.FilePath, kept: Sequence[str]) -> Folder:
        """The folder; what its files need is checked here, before the training."""
        path = files.checked_path(out, "Report: out")
        if any(name.endswith(PICTURES) for name in kept) and find_spec("matplotlib") is None:
            fail("--out: the package matplotlib is missing; pip install 'tinygrad-lite[train]'")
        return Folder(path, (METRICS, SNAPSHOT, *kept), SNAPSHOT, self.wants_resume)

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

        Raises Stopped, a KeyboardInterrupt, if a signal came.
        """
        rows = arguments.integer(rows, "Report.step: rows", least=0)
        numbers = {name: _plain(name, value) for name, value in values.items()}
        self.taken += 1
        self.seen += rows
        for name, value in numbers.items():
            total = self.totals.setdefault(name, [0.0, 0])
            total[0] += value * rows
            total[1] += rows
            self.recent.setdefault(name, deque(maxlen=self.every)).append(value)
        if self.taken % self.every == 0:
            epoch = self.seen / self.rows if self.rows else 0.0
            self.metrics.add("step", step=self.taken, epoch=epoch, **self._recently())
        self.progress.update(rows, **(self._recently() if self.progress.live else {}))
        self.stop.check()

    def epoch(self, **values: Any) -> None:
        """Note the end of an epoch, with values such as a held-out accuracy.

        Raises Stopped, a KeyboardInterrupt, if a signal came.
        """
        numbers = {  # a count, as of errors, stays one
            name: value if type(value) is int else _plain(name, value)
            for name, value in values.items()
        }
        self.finished += 1
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
        """
        if self.stop.status:
            return self.stop.status
        if score is None or (score <= target if lower_is_better else score >= target):
            return 0
        side = "above" if lower_is_better else "below"
        said = f"{side} the target of" if score == score else "not a number, where the target is"
        complain(f"that is {said} {target:g}{unit}, so the status is 1")
        return 1

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
        if self.folder is None or not self.wants_resume:
            return None
        where = files.printable(self.folder.first)
        if not self.folder.resumes:
            self.say(f"there is no snapshot in {where}: starting with the first step")
            return None
        with about("--resume"):
            values = self._snapshot(self.folder.first / SNAPSHOT).resume()
        self.folder.note(SNAPSHOT)
        self.say(f"resuming in {where} after step {self.taken} of {self.epochs * self.steps}")
        return values

    def save(self, **values: Any) -> None:
        """Write the snapshot, with these values besides the parts; nothing without a folder."""
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
        content = text(self.metrics.records())
        try:
            size = (
                -1
                if self.records_folder is None
                else (self.records_folder / METRICS).stat().st_size
            )
        except OSError:
            size = -1
        complete = size >= len(content)

        def write(path: Path) -> None:
            with files.replacing(path, "metrics") as file:
                file.write(content)

        if self.records_folder is not None and not complete:
            folder.used[self.records_folder].remove(METRICS)
        if not complete or folder.path != self.records_folder:
            folder.write(METRICS, write)

    def close(self) -> None:
        """Remove the live line, close the files, and restore the signals."""
        self.progress.close()
        self.metrics.close()
        if self.folder is not None:
            self.folder.close()
        self.stop.end()

    # State

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
        state = _checked(state_dict)
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


def _plain(name: str, value: Any) -> float:
    """A value as a float; a Tensor or an array may hold it."""
    if type(value) is float:
        return value
    try:
        value = value.item() if hasattr(value, "item") else value
    except (TypeError, ValueError):  # of more than one element
        raise arguments.wrong(f"Report: {name}", "a number", value) from None
    return float(arguments.number(value, f"Report: {name}"))


def _checked(state: Any) -> dict[str, Any]:
    """A state from a file that may be hostile; ValueError if it is malformed."""
    where = "Report.load_state_dict"
    if not isinstance(state, Mapping) or set(state) != {"counts", "seconds", "totals", "recent"}:
        raise ValueError(f"{where}: expected what state_dict gives; got {arguments.shown(state)}")
    counts, seconds = state["counts"], state["seconds"]
    if not (
        isinstance(counts, list)
        and len(counts) == 4
        and all(type(each) is int and 0 <= each < LARGEST for each in counts)
    ):
        raise ValueError(f"{where}: counts: expected four; got {arguments.shown(counts)}")
    if type(seconds) is not float or not 0 <= seconds < LARGEST:
        raise ValueError(f"{where}: seconds: expected a number; got {arguments.shown(seconds)}")
    for section, exact in (("totals", True), ("recent", False)):
        found = state[section]
        if not isinstance(found, dict) or not all(
            isinstance(name, str)
            and isinstance(values, list)
            and (len(values) == 2 if exact else values)
            and all(type(each) in (int, float) for each in values)
            for name, values in found.items()
        ):
            raise ValueError(
                f"{where}: {section}: expected lists of numbers; got {arguments.shown(found)}"
            )
    return dict(state)
