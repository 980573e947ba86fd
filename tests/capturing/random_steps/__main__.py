"""`make captured`: random training steps, each eager and captured: they leave the same bits.

    python -m capturing.random_steps [COUNT [SEED [SHOWN]]]

COUNT steps, 2,000 by default.  SHOWN faults of each kind are printed as a program that is as short
as it can be.  tests/capturing/test_random_steps.py runs a part of this.
"""

import sys
from collections import Counter

from capturing.random_steps.comparing import compared, kind_of, shortened


def main(count: int, seed: int, shown: int) -> int:
    kinds: Counter[str] = Counter()
    for number in range(seed, seed + count):
        step, fault = compared(number)
        if fault is None:
            continue
        kinds[kind_of(fault)] += 1
        if kinds[kind_of(fault)] <= shown:
            print(f"seed {number}: {fault}\n\n{shortened(step, fault).program()}\n", flush=True)
    print(f"{count:,} steps, {kinds.total()} faults")
    for kind, faults in kinds.most_common():
        print(f"{faults:6}  {kind}")
    return bool(kinds)


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    raise SystemExit(main(*given, *(2000, 0, 1)[len(given) :]))
