"""A file that grows while others read it: one process appends to it, each time in one write.

The number of its records, its size and its checksum are known at any moment, so that a later
process can continue it.
"""

import errno
import os
import stat
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from tinygrad_lite import arguments, files, locks

try:
    import fcntl
except ImportError:  # Windows, where two processes that write one file are not kept apart
    fcntl = None  # type: ignore[assignment]


class Written(NamedTuple):
    """The number of records in a file, its size in bytes, and the CRC-32 of its content."""

    records: int = 0
    size: int = 0
    crc: int = 0

    def plus(self, content: bytes, records: int) -> "Written":
        """The same with `content`, which has this number of records, appended."""
        total = self.size + len(content)
        return Written(self.records + records, total, zlib.crc32(content, self.crc))

    def begins(self, content: bytes) -> bool:
        """Whether `content`, the start of a file, is what was written."""
        return len(content) == self.size and zlib.crc32(content) == self.crc

    @classmethod
    def checked(cls, value: Any, where: str) -> "Written":
        """A value from a file that may be hostile; ValueError if it is malformed."""
        if not isinstance(value, list | tuple) or len(value) != 3:
            raise ValueError(f"{where}: expected three numbers; got {arguments.shown(value)}")
        if any(type(each) is not int or not 0 <= each < 1 << 62 for each in value):
            raise ValueError(f"{where}: expected three integers; got {arguments.shown(value)}")
        return cls(*value)


class GrowingFile:
    """The file at `path`, created if it does not exist; its content stays until `cut`.

    While one process has the file open, others are refused (not on Windows, nor on a file system
    without locks).  Within a process, the file belongs to the object that last called `cut`; for
    any other, `append` is an error.

    Errors: OSError, each in one line with `caller` and the file.
    """

    def __init__(self, path: files.FilePath, caller: str) -> None:
        name = files.checked_path(path, caller)
        self.path, self.caller = Path(os.path.abspath(name)), caller
        if not os.path.basename(name):
            raise self._error(errno.EISDIR, "expected the name of a file; this is a folder")
        self.written = Written()
        self._tried = Written(), b""  # `written` after the last append, and what was appended
        self._claim: _Claim | None = None
        self._turn = -1  # of this object among those of this process

    def open(self) -> None:
        """Create the file, and keep other processes from writing to it."""
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(mode := os.stat(self.path).st_mode):
                code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
                what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
                raise self._error(code, f"expected an ordinary file; this is {what}")
        if not os.path.isdir(self.path.parent):
            raise self._error(errno.ENOENT, "its folder does not exist")
        with files.appending(self.path, self.caller):
            pass
        try:
            self._claim = _claimed(self.path)
        except BlockingIOError:
            raise self._error(errno.EBUSY, "another process is writing to this file") from None
        except OSError as error:
            raise self._error(error.errno or 0, error.strerror or str(error)) from None

    def close(self) -> None:
        """Let other processes write to it."""
        self._claim = None

    def start(self, size: int) -> bytes:
        """The first `size` bytes of the file, or fewer if it is shorter or gone."""
        try:
            with files.reading(self.path, self.caller) as file:
                return file.read(size)
        except FileNotFoundError:
            return b""

    def cut(self, written: Written) -> None:
        """Remove what follows `written` in the file."""
        if self._claim is None or not self._claim.holds(self.path):
            self.open()
        try:
            os.truncate(self.path, written.size)
        except OSError as error:
            raise self._error(error.errno or 0, error.strerror or str(error)) from None
        assert self._claim is not None
        self._claim.turn = self._turn = self._claim.turn + 1
        self.written, self._tried = written, (written, b"")

    def append(self, content: bytes, records: int) -> None:
        """Append `content`, which has this number of records, as a whole or not at all."""
        if self._claim is None or not self._claim.holds(self.path):
            raise self._error(errno.ESTALE, "the file was removed or replaced")
        if self._claim.turn != self._turn:
            raise self._error(errno.ESTALE, "another object has taken the file over")
        if not self.is_intact():
            raise self._error(errno.ESTALE, "the file was changed by another program")
        after = self.written.plus(content, records)
        self._tried = after, content
        with files.appending(self.path, self.caller) as file:
            file.write(content)
        self.written = after

    def settle(self) -> None:
        """Find out whether an `append` that Ctrl-C interrupted did write."""
        after, content = self._tried
        if after != self.written and after.size == self.written.size + len(content):
            with suppress(OSError):
                if self.start(after.size + 1)[self.written.size :] == content:
                    self.written = after

    def is_intact(self) -> bool:
        """Whether the file still has the size of what was written."""
        try:
            kept = self._claim is None or self._claim.holds(self.path)
            return kept and os.stat(self.path).st_size == self.written.size
        except OSError:
            return False

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        if self._claim is not None:
            self._claim.sync()

    def _error(self, code: int, reason: str) -> OSError:
        return OSError(code, f"{self.caller}: {reason}", str(self.path))


class _Claim:
    """An open file, locked against other processes."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        self.identity = _identity(os.fstat(self.descriptor))
        self.turn = 0  # of the object that writes
        if fcntl is not None:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                raise
            except OSError:  # a file system without locks
                return

    def holds(self, path: Path) -> bool:
        """Whether this is still the file at that path."""
        try:
            return self.descriptor >= 0 and _identity(os.stat(path)) == self.identity
        except OSError:
            return False

    def sync(self) -> None:
        """Wait until the disk has what was written, where the file system can say so."""
        if self.descriptor >= 0:
            with suppress(OSError):
                os.fsync(self.descriptor)

    def release(self) -> None:
        """Close the file.  Another process that holds it, after a fork, keeps the lock."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        """Unlock the file."""
        self.release()


_claims: WeakValueDictionary[tuple[int, int], _Claim] = WeakValueDictionary()
_taking = locks.ProcessLock()


def _claimed(path: Path) -> _Claim:
    """The claim of this process to the file at that path; there is one for all its objects."""
    with _taking.lock:
        claim = _claims.get(_identity(os.stat(path)))
        if claim is None:
            claim = _Claim(path)
            _claims[claim.identity] = claim
        return claim


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


@locks.in_forked_child
def _release_all() -> None:
    """In a forked child: release the files, or they would stay locked after the parent's death."""
    for claim in list(_claims.values()):
        claim.release()
    _claims.clear()
