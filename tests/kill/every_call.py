"""Every step of writing a snapshot and the metrics: a run that dies there ends with the same bits.

Random moments seldom hit the few lines between two renames; here each call that changes a file is
the last one of a process once, and the middle of each write too.
"""

import shutil
import signal
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from kill.folders import differences, faults_after_a_kill, summary
from kill.forks import Forks
from kill.killing import Killed, Life, events, last_step

EPOCHS = 2  # the saves of a longer run have no other steps
NEVER = 10**9


class Call(NamedTuple):
    number: int  # from 1
    saves: int  # that have ended before it
    name: str  # with those of files


class Course:
    """Runs of one setup in forks, of which some die, beside one that does not."""

    def __init__(self, forks: Forks, name: str, base: Path) -> None:
        self.forks, self.name, self.base = forks, name, base
        folder = base / "uninterrupted"
        folder.mkdir()
        self.calls, self.expected = self.calls_in(folder), summary(folder)

    def live(self, folder: Path, *more: object) -> Life:
        """One life of the run in this folder."""
        path = folder / "events"
        path.unlink(missing_ok=True)
        options = ("--setup", self.name, "--folder", folder, "--epochs", EPOCHS)
        status, said = self.forks.run(*options, "--events", path, *more)
        wrong = [f"status {status}"] if status not in (0, -signal.SIGKILL) else []
        return Life(status, events(path.read_text()), wrong + [f"it said: {said}"] * bool(said))

    def calls_in(self, folder: Path, *more: object) -> list[Call]:
        """The calls of a run that goes on in this folder until its end."""
        life = self.live(folder, "--die-at", NEVER, *more)
        assert life.status == 0, life.faults
        ended = accumulate(word == "saved" for word in life.words)
        told = zip(ended, life.events, strict=True)
        each = [(saves, event.words) for saves, event in told if event.words[0] == "call"]
        return [Call(n, saves, " ".join(words[2:])) for n, (saves, words) in enumerate(each, 1)]

    def number(self, name: str, *more: object) -> int:
        """The number of the first such call after three saves, in a run with these options."""
        found = self.calls
        if more:
            with tempfile.TemporaryDirectory(dir=self.base) as folder:
                found = self.calls_in(Path(folder), *more)
        return next(call.number for call in found if call.saves == 3 and name in call.name)

    def dead(self, number: int) -> Path:
        """The folder of a run that died at this call, and was not started again."""
        folder = self.base / f"dead-{number}"
        folder.mkdir()
        life = self.live(folder, "--die-at", number)
        assert life.status == -signal.SIGKILL, life.faults
        return folder

    def died_at(self, number: int, before: Path | None = None, *more: object) -> Killed:
        """A run that dies at this call, and is started again.

        before: the folder of a run that died, which is continued
        more: options of kill.training
        """
        with tempfile.TemporaryDirectory(dir=self.base) as name:
            folder = Path(name)
            if before is not None:
                shutil.copytree(before, folder, dirs_exist_ok=True)
            first = self.live(folder, "--die-at", number, *more)
            assert first.status == -signal.SIGKILL, first.faults
            saved = last_step(first, "saved", "resumed") or None
            wrong = first.faults
            wrong += faults_after_a_kill(folder, saved, 1 if before is None else 2)
            second = self.live(folder, *more)
            wrong += second.faults
            resumed = last_step(second, "resumed")
            if resumed is not None and resumed < (saved or 0):
                wrong.append(f"it went on from step {resumed}, though step {saved} was saved")
            if second.status == 0:
                wrong += differences(self.expected, folder)
        where = f"{self.name}, --die-at {number}, {' '.join(first.events[-1].words)}"
        return Killed(1, int(first.is_saving), 1, tuple(f"{where}: {each}" for each in wrong))


def telling(calls: list[Call]) -> list[Call]:
    """Of many writes to one file, the first and the last: those between do not differ."""
    names = ["", "", *(call.name for call in calls), "", ""]
    around = zip(names, names[2:], names[4:], strict=False)
    return [call for call, same in zip(calls, around, strict=True) if len(set(same)) > 1]


def at_each_call(name: str, forks: Forks) -> Killed:
    """All of it for one setup, and then for a run that was killed in the middle of a save."""
    with tempfile.TemporaryDirectory() as base:
        course = Course(forks, name, Path(base))
        found = sum((course.died_at(call.number) for call in telling(course.calls)), Killed())
        before = course.dead(course.number("replace"))
        copied = shutil.copytree(before, Path(base, "copied"))
        calls = course.calls_in(copied)
        return sum((course.died_at(call.number, before) for call in telling(calls)), found)
