"""A program whose processes agree on each of 100 steps, until one of them ends in some way.

mpiexec -n 3 python ending.py raises 1    the way, and the rank that takes it
"""

import ctypes
import os
import signal
import sys
import time

import numpy as np

import nn

STEPS, SPECIAL = 100, 5

way, chosen = sys.argv[1], int(sys.argv[2])
processes = nn.distributed.start()
print(f"started {processes.rank}", flush=True)
stop = nn.training.Stop() if way == "is_asked_to_stop" else None
given, found = np.ones(100_000), np.empty(100_000)


def special(step: int) -> None:
    if way == "is_killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "raises":
        raise ValueError("no such thing")
    elif way == "raises_in_an_exchange":
        processes.announce("sums")
        processes.payload.Iallreduce(given, found)
        raise ValueError("no such thing")
    elif way == "exchanges_while_it_fails":
        try:
            raise ValueError("no such thing")
        finally:
            processes.agree("closing")
    elif way == "exits":
        sys.exit(2)
    elif way == "exits_at_once":
        os._exit(3)
    elif way == "exits_with_0":
        os._exit(0)
    elif way == "exits_in_c_with_0":
        ctypes.CDLL(None).exit(0)
    elif way == "takes_a_step_less":
        return
    elif way == "takes_a_step_more":
        processes.agree(f"step {step}")
        processes.agree(f"step {step}")
    elif way == "gives_another_value":
        processes.agree(f"step {step}", 7)
    elif way == "sends_another_length":
        processes.announce("sums", 50_000)
        processes.wait(processes.payload.Iallreduce(given[:50_000], found[:50_000]))
    elif way == "segfaults":
        ctypes.string_at(0)
    elif way == "is_terminated":
        os.kill(os.getpid(), signal.SIGTERM)
    elif way == "is_interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    elif way == "leaves_a_child":
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
        os._exit(3)
    elif way == "is_asked_to_stop":
        os.kill(os.getpid(), signal.SIGTERM)
        processes.agree(f"step {step}")
    elif way == "has_a_child_that_ends":
        child = os.fork()
        if child == 0:
            sys.exit(0)
        os.waitpid(child, 0)
        processes.agree(f"step {step}")
    elif way == "says_what_no_terminal_shows":
        raise ValueError("\udcff" + 9999 * "\x1b")
    elif way == "stops_for_a_while":
        if os.fork() == 0:
            time.sleep(3)
            os.kill(os.getppid(), signal.SIGCONT)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGSTOP)
        processes.agree(f"step {step}")


for step in range(100_000 if way == "waits" else STEPS):
    if stop is not None and stop.number:
        time.sleep(0.2 * (processes.rank == chosen))  # those that got no signal are first
        stop.check()
    if step == SPECIAL and way == "all_raise":
        raise ValueError(f"of rank {processes.rank}")
    if step == SPECIAL and way == "returns" and processes.rank == chosen:
        break
    if step == SPECIAL and processes.rank == chosen and way not in ("none", "waits"):
        special(step)
        continue
    if step == SPECIAL and way in ("raises_in_an_exchange", "sends_another_length"):
        sums = processes.announce("sums", 100_000)
        processes.wait(processes.payload.Iallreduce(given, found))
        sums.wait()
    processes.agree(f"step {step}")
    time.sleep(0.01)
print(f"ended {processes.rank}", flush=True)
