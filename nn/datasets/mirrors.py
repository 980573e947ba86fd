"""Downloads: checked files from the first mirror that serves them.

pooch speaks HTTP.  This module adds several mirrors, one process at a time, silence if there is no
terminal, and distrust: a mirror gets neither more time nor more memory than the file needs, and
nothing of what it sends reaches the disk before its SHA-256 is right.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tinygrad_lite import files

TIMEOUT = 5.0  # seconds; a mirror that is silent for longer counts as unreachable
SLOWEST = 20_000  # bytes per second, on average; a slower mirror is left for the next
PACKAGES = ("pooch", "filelock")


class DataUnavailable(OSError):
    """A data set is not on this machine and cannot be downloaded. The message says what to do."""


class File(NamedTuple):
    """A file as a mirror must serve it."""

    size: int  # in bytes: a mirror that sends more is not listened to
    sha256: str


def download(wanted: Mapping[str, File], mirrors: Sequence[str], folder: Path) -> list[str]:
    """Download the files that `folder` lacks, each from the first of `mirrors` that serves it.

    wanted: the files by name; the address of each is a mirror's followed by its name.

    After the first failure of a mirror the next one is tried: no answer within TIMEOUT seconds,
    fewer than SLOWEST bytes a second, an HTTP error, a broken connection, too many bytes, a wrong
    checksum. Several processes may ask at once: the first downloads, the others wait for it.

    Returns one `host: reason` for each mirror that failed; the files may have arrived all the same,
    from a later mirror. Raises ImportError if one of PACKAGES is missing, and OSError if `folder`
    cannot be written.
    """
    pooch, filelock = map(_require, PACKAGES)
    folder.mkdir(parents=True, exist_ok=True)
    complaints = []
    with filelock.FileLock(folder / ".lock"), _watched(pooch) as watched:
        get = _getter(pooch, watched)
        for mirror in mirrors:
            for name, file in wanted.items():
                if (folder / name).exists():
                    continue
                content = bytearray()  # frees what the last mirror sent before the next is asked
                try:
                    content = _fetch(mirror + name, get, file.size)
                    if hashlib.sha256(content).hexdigest() != file.sha256:
                        raise _Wrong("wrong checksum")
                except (OSError, ValueError) as error:
                    complaints.append(f"{urlsplit(mirror).netloc}: {_in_short(error)}")
                    break
                with files.replacing(folder / name, "download") as copy:
                    copy.write(content)
    return complaints


def _require(package: str) -> Any:
    """Import a package that downloads need, or say in one line how to install it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(
            f"download: the package {package} is missing; pip install {' '.join(PACKAGES)}, "
            "or set TINYGRAD_LITE_DATA to a folder that holds the files"
        ) from error


@contextmanager
def _watched(pooch: Any) -> Iterator[bool]:
    """Whether to draw a progress bar; without a terminal, pooch's log is off as well."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    log = pooch.get_logger()
    was_disabled, log.disabled = log.disabled, log.disabled or not terminal
    try:
        yield terminal and find_spec("tqdm") is not None
    finally:
        log.disabled = was_disabled


def _getter(pooch: Any, progressbar: bool) -> Callable[[str, "_Arriving"], None]:
    """A function that downloads from a URL into an object that can be written."""

    def get(url: str, arriving: "_Arriving") -> None:
        answers: list[Any] = []
        download = pooch.HTTPDownloader(
            progressbar=progressbar,
            chunk_size=1 << 14,
            timeout=TIMEOUT,
            headers={"Accept-Encoding": "identity"},  # the bytes to be checked, not compressed
            hooks={"response": lambda answer, *_, **__: answers.append(answer)},
        )
        try:
            download(url, arriving, None)
        finally:
            for answer in answers:  # pooch leaves a connection open if it fails
                answer.close()

    return get


class _Wrong(ValueError):
    """What a mirror sent is not the file; the message says why in a few words."""


class _Arriving:
    """What has arrived of a file; it refuses more than `most` bytes, and any once it is closed."""

    def __init__(self, most: int) -> None:
        self.content, self.most, self.closed = bytearray(), most, False

    def write(self, chunk: bytes) -> None:
        if self.closed or len(self.content) + len(chunk) > self.most:
            raise _Wrong("more bytes than the file has")
        self.content += chunk

    def flush(self) -> None:
        """Nothing waits."""


def _fetch(url: str, get: Callable[[str, _Arriving], None], most_bytes: int) -> bytearray:
    """What the server of `url` sends, unless it is too slow, or sends more than `most_bytes`.

    The timeout that pooch passes on applies to each address of a host in turn, to each read, and
    not to the lookup of a name: a network that drops packets could take many times as long, and a
    server that sends a byte now and then for ever. So a thread downloads, and is abandoned when it
    is too slow.
    """
    arriving = _Arriving(most_bytes)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            get(url, arriving)
        except BaseException as error:  # whatever it is, the caller raises it
            failures.append(error)

    thread = Thread(target=ask, daemon=True)
    began = time.monotonic()
    thread.start()
    # Each byte earns the mirror some time, so that the whole file has as much as it needs.
    while (left := began + TIMEOUT + len(arriving.content) / SLOWEST - time.monotonic()) > 0:
        thread.join(left)
        if not thread.is_alive():
            break
    else:
        arriving.closed = True
        failures.append(_Wrong("too slow") if arriving.content else TimeoutError())
    if failures:
        arriving.content.clear()  # a thread that lives on keeps the object, and so does a traceback
        raise failures.pop()
    return arriving.content


def _in_short(error: Exception) -> str:
    """The reason for a failed download in a few words."""
    reasons = {
        "TooManyRedirects": "redirects without end",
        "TimeoutError": f"no answer within {TIMEOUT:g} s",
        "ConnectTimeout": f"no answer within {TIMEOUT:g} s",
        "ReadTimeout": f"no answer within {TIMEOUT:g} s",
        "ConnectionError": "connection failed",
        "ChunkedEncodingError": "broke off",
    }
    kind, response = type(error).__name__, getattr(error, "response", None)
    if isinstance(error, _Wrong):
        return str(error)
    if kind not in reasons and response is not None:
        return f"{response.status_code} {files.printable(response.reason, 60)}"
    return reasons.get(kind, kind)
