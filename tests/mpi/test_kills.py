"""kill -9 of a random process at 20 random moments, from the start of Python to the end."""

import os
import random
import re
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from mpi.launching import Run, Started

PROGRAM = Path(__file__).with_name("ending.py")
RANKS = 3
IN_START, LATER = 6, 14  # so many, and at so many seconds at most:
START, WHOLE = 1.0, 1.6  # after Python started, and after nn.distributed.start


def killed(rank: int, started: bool, after: float) -> tuple[Run, float]:
    """A run whose process of this rank is killed this long after it, or `start`, started.

    And how long the others needed to end after that.
    """
    with Started(PROGRAM, RANKS, "none", 0) as run:
        while (number := process(run, rank)) is None:
            time.sleep(0.001)
        if started:
            run.until(f"started {rank}")
        time.sleep(after)
        with suppress(ProcessLookupError):  # it had ended
            os.kill(number, signal.SIGKILL)
        began = time.monotonic()
        return run.end(30), time.monotonic() - began


def process(run: Started, rank: int) -> int | None:
    """The number of the process of this rank, once it runs Python."""
    for number, command in run.processes():
        environment = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        if command.startswith(sys.executable) and f"PMI_RANK={rank}".encode() in environment:
            return number
    return None


def test_whenever_a_process_is_killed_all_end_and_one_line_says_which():
    """`pytest -s` prints how each run ended."""
    draws = random.Random(7)
    counts: Counter[str] = Counter()
    longest = 0.0
    for number in range(IN_START + LATER):
        rank, later = draws.randrange(RANKS), number >= IN_START
        after = draws.uniform(0, WHOLE if later else START)
        run, seconds = killed(rank, later, after)
        assert run.left == []
        assert len(run.ours) <= 1, run
        assert run.status != -signal.SIGKILL, "it was still there"
        started, ended = (f"{word} {rank}" in run.out for word in ("started", "ended"))
        if started and not ended:
            assert re.match(f"nn.distributed: rank {rank} of {RANKS} on .* SIGKILL", run.ours[0])
        if not ended:
            assert run.status != 0
        when = "after it" if ended else "in training" if started else "before it"
        counts[f"killed {when}, {'a line' if run.ours else 'no line'}"] += 1
        longest = max(longest, seconds)
        print(f"rank {rank} {when}: {seconds:.2f} s, status {run.status}, {run.ours}")
    for how, count in sorted(counts.items()):
        print(f"{how}: {count}")
    print(f"the longest took {longest:.1f} s to end")
    assert longest < 10
    assert counts["killed in training, a line"] >= LATER / 3
