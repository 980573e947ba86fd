"""Two hosts on one machine: network namespaces with names of their own, and a cable between them.

Making them takes root, and Linux with `unshare`, `nsenter` and `ip`.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NET = "10.213.77"
# What mpiexec starts in place of ssh: it enters the host, and runs the rest of the command there.
ENTER = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
case $1 in
%s
*) echo "no such host: $1" >&2; exit 1 ;;
esac
shift
exec nsenter --target $pid --net --uts --mount sh -c "$*"
"""


class Hosts:
    """Two hosts: their names, their addresses, and how mpiexec starts processes on them."""

    def __init__(self, holders: list[subprocess.Popen[str]], folder: Path) -> None:
        self.holders = holders
        self.names = ["first", "second"]
        self.addresses = [f"{NET}.1", f"{NET}.2"]
        cases = [
            f"{address}) pid={holder.pid} ;;"
            for address, holder in zip(self.addresses, holders, strict=True)
        ]
        self.script = folder / "enter"
        self.script.write_text(ENTER % "\n".join(cases))
        self.script.chmod(0o755)

    def launcher(self, mpiexec: str, ranks: int, python: str) -> list[str]:
        """A command that starts this many processes, dealt to the hosts in turn."""
        return [
            *("nsenter", f"--target={self.holders[0].pid}", "--net", "--uts", "--mount"),
            *(mpiexec, "-launcher", "ssh", "-launcher-exec", str(self.script)),
            *("-hosts", ",".join(self.addresses), "-localhost", self.addresses[0], "-ppn", "1"),
            # Or UCX, below MPICH, sees that both hosts have the same memory.
            *("-genv", "UCX_TLS", "tcp,self", "-genv", "UCX_NET_DEVICES", "cable"),
            *("-n", str(ranks), python),
        ]

    def sent(self) -> int:
        """How many bytes the first host has sent by the cable."""
        enter = ["nsenter", f"--target={self.holders[0].pid}", "--net", "--mount"]
        return int(run(*enter, "cat", "/sys/class/net/cable/statistics/tx_bytes"))

    def cut(self) -> None:
        """Pull out the cable."""
        enter = ["nsenter", f"--target={self.holders[1].pid}", "--net"]
        run(*enter, "ip", "link", "set", "cable", "down")


def run(*command: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
    return done.stdout


def wait_for_carrier(holder: subprocess.Popen[str]) -> None:
    """Wait until the cable is connected, which takes a moment after both ends are up."""
    for _ in range(100):
        shown = run("nsenter", f"--target={holder.pid}", "--net", "ip", "link", "show", "cable")
        if " state UP " in shown:
            return
        time.sleep(0.05)
    pytest.skip("two hosts: the cable between them did not come up")


@contextmanager
def two_hosts(folder: Path) -> Iterator[Hosts]:
    """Two hosts for the length of this block; a test is skipped where they cannot be made."""
    for program in ("unshare", "nsenter", "ip", "hostname"):
        if not shutil.which(program):
            pytest.skip(f"two hosts need {program}")
    holders = []
    try:
        for name in ("first", "second"):
            # /sys lists the network devices of the namespace that it was mounted in.
            inside = f"hostname {name} && mount -t sysfs sys /sys && ip link set lo up"
            inside += " && echo made && exec cat"
            holder = subprocess.Popen(
                ["unshare", "--net", "--uts", "--mount", "sh", "-c", inside],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            holders.append(holder)
            if holder.stdout.readline() != "made\n":
                _, err = holder.communicate()
                pytest.skip(f"two hosts: {err.strip().splitlines()[-1:]}")
        try:
            first, second = (["cable", "netns", str(holder.pid)] for holder in holders)
            run("ip", "link", "add", *first, "type", "veth", "peer", *second)
            for number, holder in enumerate(holders):
                enter = ["nsenter", f"--target={holder.pid}", "--net"]
                run(*enter, "ip", "address", "add", f"{NET}.{number + 1}/24", "dev", "cable")
                run(*enter, "ip", "link", "set", "cable", "up")
            for holder in holders:
                wait_for_carrier(holder)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"two hosts: {error.stderr.strip()}")
        yield Hosts(holders, folder)
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()
