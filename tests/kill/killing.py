"""Training processes that are killed at random moments and started again, until they end.

A moment is a number of events (the start, a step, the begin of a save, its end, ...) and a part of
the time until the next one: so the moments are spread over the whole life of a process, a third of
them over its saves, however busy the machine is.
"""

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from kill.folders import differences, faults_after_a_kill, summary
from kill.forks import ROOT, Forks, environment
from kill.setups import SETUPS

LONGEST = 120.0  # seconds that a life may last
ORPHANS = 10.0  # seconds in which the workers of a killed process end
EXIT = 0.03  # seconds: about as long as Python takes to end


class Event(NamedTuple):
    time: float
    words: list[str]


class Moment(NamedTuple):
    """When to kill: after so many events, and after a part of the time until the next one."""

    event: int
    seconds: float


class Life(NamedTuple):
    """One process, from its start to its end."""

    status: int
    events: list[Event]
    faults: list[str]

    @property
    def is_saving(self) -> bool:
        """Whether it ended in the middle of a save."""
        return [word for word in self.words if word != "call"][-1:] == ["save"]

    @property
    def words(self) -> list[str]:
        """The first of each event."""
        return [each.words[0] for each in self.events]


def last_step(life: Life, *words: str) -> int | None:
    """The step that the last of such events tells."""
    steps = [int(each.words[1]) for each in life.events if each.words[0] in words]
    return steps[-1] if steps else None


class Killed(NamedTuple):
    """What came of some runs of one setup."""

    kills: int = 0
    while_saving: int = 0
    restarts: int = 0
    faults: tuple[str, ...] = ()

    def __add__(self, other: "Killed") -> "Killed":  # type: ignore[override]
        return Killed(*(a + b for a, b in zip(self, other, strict=True)))


class Reference(NamedTuple):
    """An uninterrupted run: what came of it, and how long it took from each event to the next."""

    name: str
    summary: dict[str, str]
    gaps: list[float]

    def moment(self, rng: random.Random) -> Moment:
        event = rng.randrange(len(self.gaps))
        return Moment(event, rng.random() * self.gaps[event])


def events(text: str) -> list[Event]:
    """Of whole lines, each with its time; in the last one, a process may have been killed."""
    lines = [line.split() for line in text.split("\n")[:-1]]
    return [Event(float(time), words) for time, *words in lines]


def reference(name: str, folder: Path, forks: Forks) -> Reference:
    """Run it without a kill: in a fork, where a process of its own is not needed for its bits."""
    if SETUPS[name].blas_threads == 1:
        path = folder / "events"
        status, errors = forks.run("--setup", name, "--folder", folder, "--events", path)
        assert status == 0, errors
        told = events(path.read_text())
    else:
        life = live(name, folder)
        assert life.status == 0, life.faults
        told = life.events
    times = [each.time for each in told]
    between = [b - a for a, b in pairwise(times)]
    return Reference(name, summary(folder), [forks.seconds, *between, EXIT])


def live(name: str, folder: Path, moment: Moment | None = None, more: tuple[str, ...] = ()) -> Life:
    """Start the training, with more options, kill it at that moment, and wait for its end."""
    reader, writer = os.pipe()
    command = [sys.executable, "-W", "error", "-m", "kill.training", "--setup", name]
    command += ["--folder", str(folder), "--events", f"/dev/fd/{writer}", *more]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[writer],
            env=environment(SETUPS[name].blas_threads),
            cwd=ROOT,
            start_new_session=True,
        )
        os.close(writer)
        try:
            text = until(reader, moment)
            if moment is not None:
                time.sleep(moment.seconds)
                process.kill()
            status = process.wait(LONGEST)
        finally:
            process.kill()
            process.wait()
        text += until(reader, Moment(sys.maxsize, 0), 0)
        os.close(reader)
        errors.seek(0)
        said = errors.read().strip()
    wrong = [f"status {status}"] if status not in (0, -signal.SIGKILL) else []
    wrong += [f"it said: {said}"] if said else []
    return Life(status, events(text), wrong + orphans(process.pid))


def until(reader: int, moment: Moment | None, patience: float = LONGEST) -> str:
    """What is told until so many events have happened, or until the end."""
    text = b""
    while moment is None or text.count(b"\n") < moment.event:
        ready, _, _ = select.select([reader], [], [], patience)
        more = os.read(reader, 1 << 16) if ready else b""
        if not more:
            break
        text += more
    return text.decode()


def orphans(session: int) -> list[str]:
    """Processes that outlive the one that started them; Linux tells, others do not."""
    deadline = time.monotonic() + ORPHANS
    while found := list(processes(session)):
        if time.monotonic() > deadline:
            os.killpg(session, signal.SIGKILL)
            return [f"{len(found)} processes went on without it: {found}"]
        time.sleep(0.01)
    return []


def processes(session: int) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            head, _, rest = path.read_text().rpartition(")")
            state, _, _, belongs = rest.split()[:4]
            if state not in "ZX" and int(belongs) == session:
                yield head + ")"


def killed_run(expected: Reference, folder: Path, rng: random.Random, most: int) -> Killed:
    """One run, killed up to so many times, and what is wrong with it at its end."""
    kills = while_saving = restarts = 0
    saved: int | None = None
    moments: list[Moment] = []
    wrong: list[str] = []
    while True:
        moment = expected.moment(rng) if kills < most else None
        moments += [moment] if moment else []
        life = live(expected.name, folder, moment)
        wrong += life.faults
        resumed = last_step(life, "resumed")
        if resumed is not None and resumed < (saved or 0):
            wrong.append(f"it went on from step {resumed}, though step {saved} was saved")
        if (step := last_step(life, "saved")) is not None:
            saved = step
        if life.status != -signal.SIGKILL:
            break
        kills, while_saving = kills + 1, while_saving + life.is_saving
        wrong += faults_after_a_kill(folder, saved, kills)
        restarts += 1
    if life.status == 0:
        wrong += differences(expected.summary, folder)
        wrong += faults_after_a_kill(folder, saved, kills)
    when = ", ".join(f"{each.seconds:.6f} s after event {each.event}" for each in moments)
    where = f"{expected.name}, killed {when}"
    return Killed(kills, while_saving, restarts, tuple(f"{where}: {each}" for each in wrong))


def at_random_moments(name: str, kills: int, seed: int, forks: Forks) -> Killed:
    """So many kills of one setup, in runs of one to three; the same moments for the same seed."""
    rng, found = random.Random(f"{name} {seed}"), Killed()
    with tempfile.TemporaryDirectory() as base:
        first = Path(base, "reference")
        first.mkdir()
        expected = reference(name, first, forks)
        while found.kills < kills and not found.faults:
            with tempfile.TemporaryDirectory(dir=base) as folder:
                most = min(rng.randint(1, 3), kills - found.kills)
                found += killed_run(expected, Path(folder), rng, most)
    again = f"make kill ARGS='{kills} {seed} {name}'"
    return found._replace(faults=tuple(f"{each} ({again})" for each in found.faults))
