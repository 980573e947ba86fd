"""A program that ends through `nn.training.run`, in some way.

mpiexec -n 3 python failing.py reads_no_file 1    the way, and the rank that takes it
"""

import os
import signal
import sys
import time

import nn
from nn.training import run

way, chosen = sys.argv[1], int(sys.argv[2])


def main() -> int:
    processes = nn.distributed.start()
    processes.agree("before")
    if way.startswith("all_") or processes.rank == chosen:
        if way.endswith("read_no_file"):
            open("/nowhere/file")  # noqa: SIM115
        elif way == "has_no_memory":
            raise MemoryError
        elif way == "all_are_interrupted":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    processes.agree("after")
    if way == "misses_a_target" and processes.rank == chosen:
        return 1
    return 0


raise SystemExit(run(main))
