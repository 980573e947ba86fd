"""`make kill`: every optimiser, killed at random moments; and a few at each call that writes.

    python -m kill [KILLS [SEED [SETUP ...]]]

KILLS is for each setup, 20 by default.  tests/kill/test_killed_runs.py runs a part of this.
"""

import sys
from collections.abc import Sequence

from kill.every_call import at_each_call
from kill.forks import Forks
from kill.killing import Killed, at_random_moments
from kill.setups import SETUPS

AT_EACH_CALL = ("sgd", "nadam", "lbfgs")


def main(kills: int, seed: int, names: Sequence[str]) -> int:
    print(f"{'':28}{'kills':>6}{'while saving':>14}{'restarts':>10}  same bits")
    total = Killed()
    with Forks() as forks:
        for name in names:
            total += shown(name, at_random_moments(name, kills, seed, forks))
        for name in AT_EACH_CALL:
            if name in names:
                total += shown(f"{name}, at each call", at_each_call(name, forks))
    shown("all", total._replace(faults=total.faults[:0]))
    return bool(total.faults)


def shown(name: str, found: Killed) -> Killed:
    row = f"{found.kills:6}{found.while_saving:14}{found.restarts:10}"
    print(f"{name:28}{row}  {'NO' if found.faults else 'yes'}", flush=True)
    for fault in found.faults:
        print(f"    {fault}", flush=True)
    return found


if __name__ == "__main__":
    count, seed, *chosen = [*sys.argv[1:], *("20", "0")[len(sys.argv) - 1 :]]
    sys.exit(main(int(count), int(seed), chosen or list(SETUPS)))
