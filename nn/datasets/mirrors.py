"""Downloads: checked files from the first mirror that serves them.

pooch does the work: it downloads into a temporary file next to the target, compares the SHA-256,
and only then renames it, so an interrupted download is never taken for a complete one. This module
adds what pooch does not do: several mirrors, a limit on the wait for an answer, one process at a
time, and silence if there is no terminal.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 5.0  # seconds; a mirror that is silent for longer counts as unreachable
PACKAGES = ("pooch", "filelock")


class DataUnavailable(OSError):
    """A data set is not on this machine and cannot be downloaded. The message says what to do."""


def download(checksums: Mapping[str, str], mirrors: Sequence[str], folder: Path) -> list[str]:
    """Download the files that `folder` lacks, each from the first of `mirrors` that serves it.

    `checksums` maps each file's name to its SHA-256. After the first failure of a mirror the next
    one is tried: no answer within TIMEOUT seconds, an HTTP error, a broken connection, a wrong
    checksum. Several processes may ask at once: the first downloads, the others wait for it.

    Returns one `host: reason` for each mirror that failed; the files may have arrived all the same,
    from a later mirror. Raises ImportError if one of PACKAGES is missing, and OSError if `folder`
    cannot be written.
    """
    pooch, filelock = map(_require, PACKAGES)
    folder.mkdir(parents=True, exist_ok=True)
    complaints = []
    with filelock.FileLock(folder / ".lock"), _watched(pooch) as watched:
        downloader = pooch.HTTPDownloader(progressbar=watched, chunk_size=1 << 16, timeout=TIMEOUT)
        for mirror in mirrors:
            missing = [name for name in checksums if not (folder / name).exists()]
            try:
                for name in missing[:1]:
                    _await_answer(mirror + name, downloader)
                for name in missing:
                    pooch.retrieve(
                        url=mirror + name,
                        known_hash=f"sha256:{checksums[name]}",
                        fname=name,
                        path=folder,
                        downloader=downloader,
                    )
            except (OSError, ValueError) as error:
                complaints.append(f"{urlsplit(mirror).netloc}: {_in_short(error)}")
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


def _await_answer(url: str, downloader: Any) -> None:
    """Return when the server of `url` has answered anything; raise after TIMEOUT seconds.

    The timeout that pooch passes on applies to each address of a host in turn, and not to the
    lookup of its name: on a network that drops packets the wait would be many times as long. So a
    thread asks, and is abandoned when the time is up.
    """
    failures: list[Exception | None] = []

    def ask() -> None:
        try:
            downloader(url, None, None, check_only=True)
            failures.append(None)
        except Exception as error:
            failures.append(error)

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    failure = failures[0] if failures else TimeoutError()
    if failure is not None:
        raise failure


def _in_short(error: Exception) -> str:
    """The reason for a failed download in a few words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    reasons = {
        "ValueError": "wrong checksum",
        "TimeoutError": f"no answer within {TIMEOUT:g} s",
        "ConnectTimeout": f"no answer within {TIMEOUT:g} s",
        "ReadTimeout": f"no answer within {TIMEOUT:g} s",
        "ConnectionError": "connection failed",
        "ChunkedEncodingError": "broke off",
    }
    return reasons.get(type(error).__name__, type(error).__name__)
