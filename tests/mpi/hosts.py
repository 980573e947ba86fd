"""Two hosts on one machine: network namespaces with names of their own, and a cable between them.

Making them takes root, and Linux with `unshare`, `nsenter` and `ip`.
"""

import shutil
import subprocess
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
exec nsenter --target $pid --net --uts sh -c "$*"
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
            *("nsenter", f"--target={self.holders[0].pid}", "--net", "--uts"),
            *(mpiexec, "-launcher", "ssh", "-launcher-exec", str(self.script)),
            *("-hosts", ",".join(self.addresses), "-localhost", self.addresses[0], "-ppn", "1"),
            *("-n", str(ranks), python),
        ]

    def cut(self) -> None:
        """Pull out the cable."""
        run(
            "nsenter", f"--target={self.holders[1].pid}", "--net", "ip", "link", "set", "v1", "down"
        )


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)


@contextmanager
def two_hosts(folder: Path) -> Iterator[Hosts]:
    """Two hosts for the length of this block; a test is skipped where they cannot be made."""
    for program in ("unshare", "nsenter", "ip", "hostname"):
        if not shutil.which(program):
            pytest.skip(f"two hosts need {program}")
    holders = []
    try:
        for name in ("first", "second"):
            inside = f"hostname {name} && ip link set lo up && echo made && exec cat"
            holder = subprocess.Popen(
                ["unshare", "--net", "--uts", "sh", "-c", inside],
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
            ends = ["v0", "netns", str(holders[0].pid), "type", "veth"]
            run("ip", "link", "add", *ends, "peer", "v1", "netns", str(holders[1].pid))
            for number, holder in enumerate(holders):
                enter = ["nsenter", f"--target={holder.pid}", "--net"]
                run(*enter, "ip", "address", "add", f"{NET}.{number + 1}/24", "dev", f"v{number}")
                run(*enter, "ip", "link", "set", f"v{number}", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"two hosts: {error.stderr.strip()}")
        yield Hosts(holders, folder)
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()
