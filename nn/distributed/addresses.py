"""Under which addresses other machines may reach this one, and which of them answers."""

import platform
import selectors
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .watcher import Connection

TO_CONNECT = 10.0  # seconds


def machine() -> str:
    """What is equal for processes that reach each other by 127.0.0.1, and differs for others.

    The name of a machine alone says neither: a container may have that of another one.
    """
    found = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/net", "/proc/self/ns/pid"):
        with suppress(OSError):
            place = Path(path)
            found.append(str(place.readlink()) if "ns" in place.parts else place.read_text())
    return " ".join(found)


def addresses() -> list[str]:
    """The addresses of this machine, in IPv4 and IPv6, without those that only it can use."""
    found: dict[str, None] = {}  # in this order, each once
    with suppress(OSError):
        for *_, place in socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM):
            found[str(place[0])] = None
    for address in [*_of_interfaces(), *_global()]:
        found[address] = None
    return [each for each in found if not each.startswith(("127.", "fe80:")) and each != "::1"]


def first_to_answer(places: Sequence[str], port: int, message: dict[str, Any]) -> Connection | None:
    """Connect to all these addresses at once, and keep the connection that is welcomed first."""
    selector = selectors.DefaultSelector()
    for place in places:
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        with suppress(OSError):  # this machine has no IPv6
            stream = socket.socket(family, socket.SOCK_STREAM)
            stream.setblocking(False)
            try:
                stream.connect_ex((place, port))
            except OSError:
                stream.close()
            else:
                selector.register(stream, selectors.EVENT_WRITE, Connection(stream))
    found: Connection | None = None
    until = time.monotonic() + TO_CONNECT
    while found is None and selector.get_map() and time.monotonic() < until:
        for key, events in selector.select(until - time.monotonic()):
            connection: Connection = key.data
            if events & selectors.EVENT_WRITE:
                selector.modify(key.fileobj, selectors.EVENT_READ, connection)
                if not connection.stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    connection.send(**message)
                    continue
            with suppress(OSError, ValueError):
                messages = connection.receive()
                if messages == []:
                    continue
                if messages and messages[0] == {"welcome": True}:
                    found = connection
                    break
            selector.unregister(connection.stream)
            connection.stream.close()
    for key in [*selector.get_map().values()]:
        if key.data is not found:
            key.data.stream.close()
    selector.close()
    return found


def _of_interfaces() -> list[str]:
    """The IPv4 address of each network interface, where the system tells."""
    found = []
    try:
        from fcntl import ioctl
    except ImportError:
        return []
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # this one has none
                answer = ioctl(stream.fileno(), 0x8915, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))  # SIOCGIFADDR: an ifreq
    return found


def _global() -> list[str]:
    """The IPv6 addresses of this machine that are valid everywhere (Linux)."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [
        socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])) for row in rows if row[3] == "00"
    ]
