"""Files: written whole or not at all, read without waiting, and named in one line by every error.

    with files.replacing("weights.bin") as file:
        file.write(content)

Everything that is written here goes through `replacing`: weights, pictures, metrics, plots,
downloads.  A file that somebody names is opened by `reading`.  `printable` makes names and text
that come from a file fit for a message.
"""

import errno
import io
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NoReturn, TypeAlias

FilePath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

LEFTOVER = (".tinygrad_lite-", ".part")  # how the names of our temporary files begin and end
LEFTOVER_AGE = 86_400  # seconds; where there are no locks, a younger one may still be in use
_LOCKED = (errno.EWOULDBLOCK, errno.EACCES)
_NO_LINK = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # file systems and devices without it


def _flags(*names: str) -> int:
    """The flags of `os.open` with these names that this platform has."""
    return sum(getattr(os, name, 0) for name in names)


_READ = os.O_RDONLY | _flags("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
_WRITE = os.O_WRONLY | _flags("O_CLOEXEC", "O_BINARY")
_BOTH = os.O_RDWR | _flags("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")  # NFS locks these
_CREATE = _BOTH | os.O_CREAT | os.O_EXCL


@contextmanager
def replacing(path: FilePath, caller: str = "replacing") -> Iterator[BinaryIO]:
    """A file to write, which takes the place of the one at `path` when the block ends.

    caller: the function that an error names.

    If the block raises, the disk is full or the power fails, the old file stays as it was.  The new
    one is written in the same folder under a temporary name that nobody can guess, and is on the
    disk before it is renamed.  What a killed program left there is removed by the next call in that
    folder; on a file system without locks, a day later.

    - A symbolic link stays; the file that it leads to is replaced.  Other hard links to the old
      file keep the old content.
    - The new file has the old one's permissions, and its owner where the system allows it.  A
      write-protected file is not replaced.
    - A pipe or a device, such as /dev/stdout, is written directly.
    - A leading `~` is the home folder.

    Errors, each in one line with the caller and the file: OSError, or MemoryError; TypeError or
    ValueError if `path` is not a path.
    """
    name = checked_path(path, caller)
    ours = {name}  # the files that an error may be about
    with _explained(name, caller, ours):
        target, old = _destination(name, ours)
        if old is not None and (not stat.S_ISREG(old.st_mode) or target.startswith("/proc/")):
            with open(target, "wb", opener=_open_special) as file:
                yield file
            return
        folder = os.path.dirname(target)
        _remove_leftovers(folder)
        mode = 0o666 if old is None else 0o600  # the umask applies; then that of the old file
        process = os.getpid()
        part = ""
        new: BinaryIO | None = None
        held: list[int] = []  # what keeps the lock until the file has its name
        try:  # around the opening too: a signal may come just after it
            while new is None:
                part = _part_in(folder)
                ours.add(part)
                new = open(part, "wb", opener=lambda part, _: os.open(part, _CREATE, mode))  # noqa: SIM115
                if not _hold(new.fileno(), held):  # it is being removed as a leftover just now
                    new.close()
                    new = None
            if old is not None:
                _keep_permissions(new.fileno(), old)
            yield new
            if os.getpid() != process:
                raise RuntimeError(f"{caller}: a forked child cannot end what its parent writes")
            new.flush()
            _sync(new.fileno())
            new.close()  # a network file system may say only now that there is no room
            os.replace(part, target)
        except BaseException:
            if new is not None:
                if os.getpid() != process:  # what is written, and what waits, is the parent's
                    os.dup2(os.open(os.devnull, _WRITE), new.fileno())
                with suppress(OSError):
                    new.close()
            if os.getpid() == process:
                with suppress(OSError):
                    os.unlink(part)
            raise
        finally:
            for descriptor in held:
                os.close(descriptor)
        _sync_folder(folder)


def link(path: FilePath, other: FilePath, caller: str = "link") -> None:
    """Give the file at `path` another name as well, in place of the file that has it.

    caller: the function that an error names.

    Both are the same file until one of them is replaced.  Where the system has no hard links, the
    other one is a copy.  At any moment the name is that of a whole file.

    Errors: those of `replacing`.
    """
    name, wanted = checked_path(path, caller), checked_path(other, caller)
    ours = {wanted}
    with reading(name, caller) as file:
        with _explained(wanted, caller, ours):
            target, _ = _destination(wanted, ours)
            _remove_leftovers(os.path.dirname(target))
            linked = _linked(file, name, target, ours)
            if linked:
                _sync_folder(os.path.dirname(target))
        if linked is None:
            with replacing(target, caller) as copy:
                copy.writelines(iter(lambda: file.read(1 << 20), b""))
    if linked is False:  # meanwhile another program replaced the file
        link(path, other, caller)


@contextmanager
def appending(path: FilePath, caller: str = "appending") -> Iterator[BinaryIO]:
    """A file to write at the end of the one at `path`: whole, or if it fails, nothing of it.

    Errors: those of `replacing`.
    """
    name = checked_path(path, caller)
    with _explained(name, caller, {name}), open(name, "ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END) if file.seekable() else None
        text = io.BytesIO()
        try:
            yield text
            if file.write(text.getbuffer()) != text.tell():
                _refuse(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except BaseException:
            if end is not None:
                file.truncate(end)
            raise


@contextmanager
def reading(path: FilePath, caller: str = "reading") -> Iterator[BinaryIO]:
    """An ordinary file, opened for reading.

    caller: the function that an error names.

    Pipes and devices are refused: nobody knows when, and whether, they end.

    Errors: those of `replacing`.
    """
    name = checked_path(path, caller)
    with (
        _explained(name, caller, {name}),
        # Without O_NONBLOCK, opening a pipe would wait for somebody who writes into it.
        open(name, "rb", opener=lambda name, _: os.open(name, _READ)) as file,
    ):
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            _refuse(errno.EINVAL, "expected an ordinary file; this is a pipe or a device")
        yield file


def printable(text: object, most: int = 300) -> str:
    r"""The text, or the path, made fit for a message: visible, on one line, not too long.

    Line ends, control characters (which colour a terminal, or overwrite what it shows) and marks
    that turn the direction of writing become escapes such as \x1b.  What is longer than `most`
    characters is shortened in the middle.
    """
    whole = os.fsdecode(text) if isinstance(text, bytes | os.PathLike) else str(text)
    return _shortened(
        "".join(
            letter if letter.isprintable() else repr(letter)[1:-1]
            for letter in _shortened(whole, most)
        ),
        most,
    )


def _shortened(text: str, most: int) -> str:
    tail = most // 3
    return text if len(text) <= most else f"{text[: most - tail - 3]}...{text[len(text) - tail :]}"


def checked_path(path: FilePath, caller: str) -> str:
    """The path as text, its ~ expanded; errors name the caller.

    Numbers are refused: to Python they are open files, and 0 is standard input.
    """
    try:
        name = os.path.expanduser(os.fsdecode(path))
        os.fsencode(name)
    except TypeError:
        kind = type(path).__name__
        raise TypeError(f"{caller}: expected a path: text, bytes or a Path; got {kind}") from None
    except UnicodeError:
        raise ValueError(f"{caller}: no file can be called {printable(path)!r}") from None
    if "\0" in name:
        raise ValueError(f"{caller}: a path cannot hold the character \\0: {printable(name)!r}")
    if not name:
        raise FileNotFoundError(errno.ENOENT, f"{caller}: expected a path; got empty text", name)
    return name


@contextmanager
def _explained(name: str, caller: str, ours: set[str]) -> Iterator[None]:
    """Errors about the files `ours`, and those that name no file, name the caller and the file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.filename not in ours:
            raise
        said = f"{caller}: {printable(error.strerror or error)}"
        if error.errno is None:
            raise type(error)(f"{said}: {printable(name)!r}") from None
        raise OSError(error.errno, said, _shortened(name, 300)) from None
    except MemoryError:
        said = f"{caller}: {printable(name)!r}: this needs more memory than there is"
        raise MemoryError(said) from None


def _refuse(code: int, reason: str) -> NoReturn:
    raise OSError(code, reason)


def _stat(name: str) -> os.stat_result | None:
    """The file's status; None if there is none."""
    try:
        return os.stat(name)
    except FileNotFoundError:
        return None


def _behind_links(name: str) -> str:
    """The file behind symbolic links, where it is or would be; a link in /proc is an open file."""
    for _ in range(41):  # Linux follows 40
        folder, base = os.path.split(name)
        name = os.path.join(os.path.realpath(folder), base)
        if name.startswith("/proc/") or not os.path.islink(name):
            return name
        name = os.path.join(os.path.dirname(name), os.readlink(name))
    _refuse(errno.ELOOP, os.strerror(errno.ELOOP))


def _linked(file: BinaryIO, name: str, target: str, ours: set[str]) -> bool | None:
    """Give an open file, which is at `name`, the name `target`; None where there are no hard links.

    False if `name` is another file now.  The lock is held first, so that nobody takes the temporary
    name for a leftover.
    """
    part, real, held = _part_in(os.path.dirname(target)), os.path.realpath(name), list[int]()
    ours |= {part, real}
    try:
        if not _hold(file.fileno(), held):
            return False
        os.link(real, part)
        if not os.path.samestat(os.stat(part), os.fstat(file.fileno())):
            return False
        os.replace(part, target)
        return True
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return None
    finally:
        for descriptor in held:
            os.close(descriptor)
        with suppress(FileNotFoundError):  # it stays if both names were one file already
            os.unlink(part)


def _destination(name: str, ours: set[str]) -> tuple[str, os.stat_result | None]:
    """The file that a path leads to, and its status, if it may be replaced."""
    target = _behind_links(name)
    ours.add(target)
    named_as_folder = os.path.basename(name) == ""  # a slash is at the end
    old = None if named_as_folder else _stat(target)
    if named_as_folder or (old is not None and stat.S_ISDIR(old.st_mode)):
        _refuse(errno.EISDIR, "expected the name of a file; this is a folder")
    special = old is not None and (not stat.S_ISREG(old.st_mode) or target.startswith("/proc/"))
    if special:
        return target, old
    if old is not None and (not old.st_mode & 0o222 or not os.access(target, os.W_OK)):
        _refuse(errno.EACCES, "the file is write-protected")
    if _stat(os.path.dirname(target)) is None:
        _refuse(errno.ENOENT, "its folder does not exist")
    return target, old


def _open_special(target: str, _: int) -> int:
    """Open a device, or share a file that this process has open, together with its position."""
    folder, base = os.path.split(target)
    own = folder == f"/proc/{os.getpid()}/fd"
    return os.dup(int(base)) if own else os.open(target, _WRITE)


def _keep_permissions(descriptor: int, old: os.stat_result) -> None:
    """Give the new file the mode and, if possible, the owner and group of the old one."""
    if not hasattr(os, "fchown"):  # Windows
        return
    mode, new = stat.S_IMODE(old.st_mode), os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with suppress(OSError):
                os.fchown(descriptor, owner, group)
        if os.fstat(descriptor).st_gid != old.st_gid:  # our group is another: it is like anybody
            mode = mode & ~0o070 | (mode & 0o007) << 3
    with suppress(OSError):  # file systems without modes
        os.fchmod(descriptor, mode)


def _part_in(folder: str) -> str:
    """The name of a temporary file, which nobody can guess."""
    return os.path.join(folder, f"{LEFTOVER[0]}{os.urandom(16).hex()}{LEFTOVER[1]}")


def _hold(descriptor: int, held: list[int]) -> bool:
    """Lock a file, so that nobody removes it, until what is added to `held` is closed.

    A lock is its process's: the system lifts it however the process ends.  False if somebody is
    removing the file, or has done so; True without a lock where there are none.
    """
    held.append(os.dup(descriptor))
    return _lock(descriptor, alone=False) is not False and os.fstat(descriptor).st_nlink > 0


def _lock(descriptor: int, alone: bool) -> bool | None:
    """Whether the file could be locked; None where there are no locks."""
    try:
        import fcntl  # here, since Windows lacks it, and few programs write files
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _LOCKED else None
    return True


def _remove_leftovers(folder: str) -> None:
    """Remove our temporary files that no process holds; without locks, those older than a day."""
    start, end = LEFTOVER
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(start) and entry.name.endswith(end):
                with suppress(OSError):
                    _remove_leftover(entry.path)


def _remove_leftover(path: str) -> None:
    descriptor = os.open(path, _BOTH)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            free = _lock(descriptor, alone=True)
            if free or (free is None and found.st_mtime < time.time() - LEFTOVER_AGE):
                os.unlink(path)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    """Wait until what was written is on the disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _sync_folder(folder: str) -> None:
    """Wait until the new name is on the disk."""
    try:
        descriptor = os.open(folder, _READ)
    except OSError:  # Windows opens no folders; others, none that one may write but not read
        return
    try:
        _sync(descriptor)
    except OSError as error:
        _refuse(error.errno or 0, f"written, but a power cut may undo it ({error.strerror})")
    finally:
        os.close(descriptor)
