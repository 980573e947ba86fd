"""A program of its own, which tells in one line why processes that train together ended.

When a process dies, mpiexec kills the others within milliseconds, so that none of them can say
what happened.  This program is in a session of its own, and outlives them long enough.  The leading
process starts it, every process connects to it, and a connection that closes without a goodbye is
a death.  It then prints the line, and asks all others to end, which matters where nothing else does
that.

It uses the standard library only, and is started with `-I -S`, so it is there within the time that
a connection takes.  Messages are JSON, one to a line:

    a process to the watcher                  the watcher to a process
    {"token": ..., "rank": ...}               {"welcome": true}
    {"fails": why}: it is about to end        {"granted": true}: print what you have, then say so
    {"printed": true}                         {"granted": false}: another one was first
    {"said": true}: why all end               {"end": true}
    {"bye": true}
    {"stop": true}: not all can connect

On Linux, those on this machine send the first one before in a datagram too, with PMI_FD.
"""

import hmac
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any

try:
    import fcntl
    import resource
except ImportError:  # Windows
    pass

PREFIX = "nn.distributed: "
TO_START = 60.0  # seconds within which all processes connect
FIRST = 4096  # bytes of the first message at most, from whoever it comes
STRANGERS = 256  # connections at most that have not said whose they are
TO_PRINT = 3.0  # for a process that fails to print its traceback
TO_FORWARD = 0.1  # for mpiexec to forward what a process printed, before the line
TO_LOSE = 1.0  # after what may follow from the end of another process, to learn of that
TO_STATE = 0.3  # until the kernel knows how a process ended: when mpiexec has asked
TO_END = 5.0  # after the line, for all to end; the watcher ends then at the latest


class Member:
    """One process: what the watcher knows of it."""

    def __init__(self, rank: int, size: int, host: str) -> None:
        self.name = f"rank {rank} of {size} on {host}"
        self.connection: Connection | None = None
        self.number = 0  # of the process, if it is on this machine
        self.process: int | None = None  # and its pidfd
        self.held: int | None = None  # by which mpiexec would see its end
        self.connected = self.left = self.said_goodbye = False


class Connection:
    """Messages over a socket, each a line of JSON."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self.rest = stream, b""
        keep_alive(stream)

    def send(self, **message: object) -> None:
        """Send a message, or nothing to a process that has gone."""
        with suppress(OSError):
            self.stream.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, most: int = 65536) -> list[dict[str, Any]] | None:
        """The messages that have come, of so many bytes; None at the end of the connection.

        Errors: TimeoutError and other OSErrors if the other machine cannot be reached any more.
        """
        try:
            found = self.stream.recv(most)
        except (BlockingIOError, InterruptedError):
            return []
        except ConnectionError:
            return None
        if not found:
            return None
        *lines, self.rest = (self.rest + found).split(b"\n")
        return [json.loads(line) for line in lines]


def keep_alive(stream: socket.socket) -> None:
    """Learn within ten seconds that a machine has gone.

    Its kernel answers, so a process that is stopped or slow stays.
    """
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    with suppress(OSError):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Watcher:
    """Waits for the first process that ends without a goodbye, or says that it fails.

    members: by rank.  listener: what they connect to.  token: what they prove with that they are
    not somebody else.
    """

    def __init__(self, listener: socket.socket, members: list[Member], token: str) -> None:
        self.members, self.token = members, token
        self.listener: socket.socket | None = listener  # until all are connected
        self.strangers: list[Connection] = []  # who have not said yet whose they are
        self.selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, self.accept)
        for member in members:
            if member.process is not None:
                self.selector.register(member.process, selectors.EVENT_READ, member)
        self.said = False
        self.has_failed = False  # what mpiexec knows: it has seen an end that makes it fail
        self.failing: tuple[Member, str] | None = None  # who prints, and why it fails
        self.suspected: tuple[Member, str] | None = None  # who may have met with what another did
        self.deadline = time.monotonic() + TO_START
        self.at_deadline: Any = self.give_up
        self.over = False

    def watch(self) -> None:
        """Watch until all have ended."""
        while not self.over and not all(self.has_left(member) for member in self.members):
            left = None if self.at_deadline is None else max(self.deadline - time.monotonic(), 0)
            # On Linux the first event is the first that happened: the death before those that
            # followed from it.
            for key, _ in self.selector.select(left):
                if isinstance(key.data, Member):
                    self.selector.unregister(key.fileobj)
                    self.died(key.data)
                else:
                    key.data()
            if self.at_deadline is not None and time.monotonic() >= self.deadline:
                action, self.at_deadline = self.at_deadline, None
                action()

    def has_left(self, member: Member) -> bool:
        """Whether nothing more is to come from a process; one that never came is not waited for."""
        return member.left or (self.said and not member.connected and member.process is None)

    def after(self, seconds: float, action: Any) -> None:
        """Do this later, in place of what was to be done later so far."""
        self.deadline, self.at_deadline = time.monotonic() + seconds, action

    def give_up(self) -> None:
        """End: not all processes connected, or not all ended in time."""
        self.over = True

    def accept(self) -> None:
        """A process connects, or somebody else."""
        with suppress(OSError):
            if self.listener is None:
                return
            stream, _ = self.listener.accept()
            stream.setblocking(False)
            connection = Connection(stream)
            self.selector.register(stream, selectors.EVENT_READ, lambda: self.first(connection))
            self.strangers.append(connection)
            if len(self.strangers) > STRANGERS:
                self.leave(self.strangers[0])

    def hold(self, holder: socket.socket) -> None:
        """Processes give what mpiexec of MPICH sees their ends by, before they connect.

        It makes the status of the first that ends its own, and that may be 0.
        """
        with suppress(BlockingIOError):
            message, given, *_ = socket.recv_fds(holder, FIRST, 1)
            with suppress(Exception):  # a stranger may send anything
                member = self.member(json.loads(message))
                if member and member.held is None and not member.left:
                    member.held = given.pop()
            for each in given:
                os.close(each)

    def leave(self, stranger: Connection) -> None:
        """Close the connection of somebody who is no process, or not known as one."""
        self.strangers.remove(stranger)
        self.selector.unregister(stranger.stream)
        stranger.stream.close()

    def first(self, connection: Connection) -> None:
        """The first message of a connection says whose it is."""
        if connection not in self.strangers:
            return
        try:
            messages = connection.receive(FIRST)
            if messages == [] and len(connection.rest) < FIRST:
                return
            member = self.member(messages[0]) if messages else None
        except Exception:  # a stranger may send anything
            member = None
        # A process connects to all addresses of this machine, and goes on with one of them.
        if member is None or member.connected:
            self.leave(connection)
            return
        self.strangers.remove(connection)
        member.connection, member.connected = connection, True
        connection.send(welcome=True)
        self.selector.modify(
            connection.stream, selectors.EVENT_READ, lambda: self.heard(member, connection)
        )
        if all(each.connected for each in self.members):
            self.close()
            if self.at_deadline == self.give_up and not self.said:
                self.at_deadline = None
        if self.said:
            connection.send(end=True)

    def member(self, message: dict[str, Any]) -> Member | None:
        """Whose the first message is; None if it is of a stranger."""
        rank = message["rank"]
        known = hmac.compare_digest(str(message["token"]).encode(), self.token.encode())
        if not known or type(rank) is not int or not 0 <= rank < len(self.members):
            return None
        return self.members[rank]

    def close(self) -> None:
        """All processes are connected: nobody else has business here."""
        if self.listener is not None:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None
        for stranger in [*self.strangers]:
            self.leave(stranger)

    def heard(self, member: Member, connection: Connection) -> None:
        """A message of a process, or the end of its connection."""
        lost = ""
        try:
            messages = connection.receive()
        except OSError:
            messages, lost = None, "cannot be reached any more: its machine or the network is gone"
        if messages is None:
            self.selector.unregister(connection.stream)
            connection.stream.close()
            member.connection = None
            self.died(member, lost)
            return
        for message in messages:
            if "bye" in message:
                member.left = member.said_goodbye = True
            elif "said" in message:
                self.said = True
                self.after(TO_END, self.give_up)
            elif "stop" in message:
                self.over = True
            elif "fails" in message:
                self.fails(member, str(message["fails"]), bool(message.get("follows")))
            elif "printed" in message and self.failing and self.failing[0] is member:
                self.after(TO_FORWARD, self.say_failing)

    def fails(self, member: Member, why: str, follows: bool) -> None:
        """A process says that it ends.  The first that does may print, and the others may not."""
        assert member.connection
        if self.said or self.failing:
            member.left = True
            member.connection.send(granted=False)
        elif follows:
            if self.suspected is None:
                self.suspected = member, why
                self.after(TO_LOSE, self.believe)
        else:
            self.grant(member, why)

    def believe(self) -> None:
        """Nobody else has failed, so what may have followed from that was the first."""
        if self.suspected and not self.said and not self.failing:
            self.grant(*self.suspected)

    def grant(self, member: Member, why: str) -> None:
        """Let this process print its traceback, and wait until it has."""
        self.failing = member, why
        if member.connection:
            member.connection.send(granted=True)
        self.after(TO_PRINT, self.say_failing)

    def say_failing(self) -> None:
        """Say that the process that has printed its traceback fails."""
        assert self.failing
        member, why = self.failing
        member.left = True
        self.say(f"{member.name}: {why}")

    def died(self, member: Member, lost: str = "") -> None:
        """A process has gone; if it did not say goodbye, that is why all end."""
        unexpected, member.left = not member.left, True
        tells = unexpected and not self.said and not self.failing
        holds = member.held is not None and not member.said_goodbye and not self.has_failed
        code = exit_code(member) if tells or holds else None
        if unexpected and self.failing and self.failing[0] is member:
            self.say_failing()
        elif tells:
            self.say(f"{member.name} {lost or how_it_ended(code)}")
        if member.held is not None:
            if code != 0:  # that, mpiexec sees when this program ends, after the others
                os.close(member.held)
                self.has_failed |= holds
            member.held = None

    def say(self, line: str) -> None:
        """Print the line, and have all processes end."""
        if self.said:
            return
        self.said = True
        text = f"{PREFIX}{line}; all processes end\n"
        with suppress(OSError):
            os.write(2, text.encode())
        for member in self.members:
            if member.connection:
                member.connection.send(end=True)
        self.after(TO_END, self.give_up)


def exit_code(member: Member) -> int | None:
    """That of a process on this machine that has ended, or minus its signal; None if unknown."""
    status = None
    until = time.monotonic() + TO_STATE
    while member.process is not None and status is None and time.monotonic() < until:
        status = _status_of_zombie(member.number) or _status_of_pidfd(member.process)
        time.sleep(0.002)
    return None if status is None else os.waitstatus_to_exitcode(int(status))


def how_it_ended(code: int | None) -> str:
    """What follows in the line after the name of a process that said no goodbye."""
    if code is None:
        return "died: it was killed, or crashed"
    if code >= 0:
        return f"ended without a goodbye, with status {code}"
    name = {each.value: each.name for each in signal.Signals}.get(-code, f"signal {-code}")
    if name == "SIGKILL":
        return "was killed by SIGKILL, by somebody or for lack of memory"
    crashes = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")
    return f"crashed by {name}" if name in crashes else f"was ended by {name}"


def stat(number: int) -> list[bytes]:
    """The name of a process, its state, its parent, ...  Errors: OSError if there is none."""
    with open(f"/proc/{number}/stat", "rb") as file:
        name, _, fields = file.read().partition(b"(")[2].rpartition(b")")
    return [name, *fields.split()]


def _status_of_zombie(number: int) -> str | None:
    """The status, as wait gives it, of a process that has ended and that nobody waited for."""
    with suppress(OSError):
        if (found := stat(number))[1] == b"Z":
            return found[-1].decode()
    return None


def _status_of_pidfd(process: int) -> str | None:
    """The status of a process that somebody waited for (Linux 6.15 and later)."""
    info = bytearray(64)  # struct pidfd_info; 8 is PIDFD_INFO_EXIT, asked for and answered
    struct.pack_into("Q", info, 0, 8)
    try:
        fcntl.ioctl(process, 0xC040FF0B, info)  # PIDFD_GET_INFO
    except OSError:
        return None
    answered = struct.unpack_from("Q", info)[0] & 8
    return str(struct.unpack_from("i", info, 60)[0]) if answered else None


def main() -> None:
    """Read what to watch from stdin, and watch it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # meant for those that it watches
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    given = json.loads(sys.stdin.readline())
    size = len(given["hosts"])
    with suppress(NameError, ValueError, OSError):  # a connection for each, and a pidfd
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    members = [Member(rank, size, host) for rank, host in enumerate(given["hosts"])]
    for rank, process in given["processes"].items():
        members[int(rank)].number = process
        with suppress(AttributeError, OSError):
            members[int(rank)].process = os.pidfd_open(process)
    watcher = Watcher(socket.socket(fileno=given["listener"]), members, given["token"])
    if "holder" in given:
        holder = socket.socket(fileno=given["holder"])
        holder.setblocking(False)
        watcher.selector.register(holder, selectors.EVENT_READ, lambda: watcher.hold(holder))
    watcher.watch()


if __name__ == "__main__":
    main()
