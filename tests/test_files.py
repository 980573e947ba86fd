"""Writing whole or not at all, reading without waiting, and one line for every error."""

import ast
import errno
import fcntl
import io
import itertools
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tinygrad_lite import files

ROOT = Path(__file__).resolve().parents[1]
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def write(path, content: bytes = b"new") -> None:
    with files.replacing(path, "save") as file:
        file.write(content)


@contextmanager
def small_files_only() -> Iterator[None]:
    """The system refuses to write beyond the first 100,000 bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def old_file(folder: Path) -> Path:
    path = folder / "file"
    path.write_bytes(b"old")
    return path


# What is written is whole, or what was there.


def test_a_file_takes_the_place_of_the_old_one_when_the_block_ends(tmp_path):
    path = old_file(tmp_path)
    with files.replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(error, tmp_path):
    path = old_file(tmp_path)
    with pytest.raises(error), files.replacing(path):
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


class FailingFile:
    """The file that `open` gave, whose write or close fails as on a full disk."""

    def __init__(self, file, method: str, code: int) -> None:
        self.file, self.method, self.code = file, method, code

    def __getattr__(self, name):
        if name == self.method:
            self.file.close()
            raise OSError(self.code, os.strerror(self.code))
        return getattr(self.file, name)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("method", ["write", "flush", "fsync", "close", "rename"])
def test_a_disk_that_fails_costs_one_line_and_not_the_old_file(method, code, tmp_path, monkeypatch):
    path = old_file(tmp_path)

    def fail(*_):
        raise OSError(code, os.strerror(code))

    if method == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif method == "rename":
        monkeypatch.setattr(os, "replace", fail)
    else:

        def failing(*arguments, **options):
            return FailingFile(io.open(*arguments, **options), method, code)  # noqa: UP020

        monkeypatch.setattr(files, "open", failing, raising=False)
    with pytest.raises(OSError, match="save") as caught:
        write(path)
    monkeypatch.undo()
    assert str(caught.value) == f"[Errno {code}] save: {os.strerror(code)}: '{path}'"
    assert caught.value.errno == code
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_limit_on_the_size_of_files_is_the_same(tmp_path):
    """A real refusal by the system, in the middle of the writing."""
    path = old_file(tmp_path)
    with small_files_only(), pytest.raises(OSError, match="File too large"):
        write(path, b"new" * 100_000)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_written_and_its_name_reach_the_disk_in_this_order(tmp_path, monkeypatch):
    happened = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        happened.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(*names):
        happened.append("rename")
        replace(*names)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write(tmp_path / "file")
    assert happened == ["file", "rename", "folder"]


def test_a_name_that_may_not_outlive_a_power_cut_is_said(tmp_path, monkeypatch):
    fsync = os.fsync

    def fail(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"save: written, but a power cut may undo it \(Input/output"):
        write(old_file(tmp_path))
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_fsync_will_do(code, tmp_path, monkeypatch):
    def fail(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_the_temporary_name_is_new_every_time_and_opened_exclusively(tmp_path, monkeypatch):
    opened, flags = [], []
    real = os.open

    def note(path, given, *mode):
        if os.path.dirname(path) == str(tmp_path):
            opened.append(os.path.basename(path))
            flags.append(given)
        return real(path, given, *mode)

    monkeypatch.setattr(os, "open", note)
    for _ in range(20):
        write(tmp_path / "file")
    assert len(set(opened)) == 20
    assert min(map(len, opened)) > 32
    for flag in (os.O_CREAT, os.O_EXCL, os.O_NOFOLLOW, os.O_CLOEXEC):
        assert all(given & flag for given in flags)


def leftover_of(path: Path, age: float = 0) -> Path:
    """What a killed program left beside `path`."""
    before = set(path.parent.iterdir())
    child = os.fork()
    if not child:
        with files.replacing(path) as file:
            file.write(b"new")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (leftover,) = set(path.parent.iterdir()) - before
    os.utime(leftover, (time.time() - age,) * 2)
    return leftover


def test_a_killed_program_leaves_the_old_file_and_the_next_call_removes_the_rest(tmp_path):
    path = old_file(tmp_path)
    leftover_of(path)
    assert path.read_bytes() == b"old"
    mine = tmp_path / ".tinygrad_lite-notes"  # almost such a name
    mine.write_text("")
    folder = tmp_path / ".tinygrad_lite-1.part"
    folder.mkdir()
    write(tmp_path / "another")
    assert sorted(tmp_path.iterdir()) == sorted([mine, folder, path, tmp_path / "another"])


@pytest.mark.parametrize("age", [0, 100_000])
def test_the_file_of_a_living_program_is_never_taken_for_a_leftover(age, tmp_path):
    path = tmp_path / "file"
    (reads, begun), (going_on, goes_on) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(goes_on)
        with files.replacing(path) as file:
            file.write(b"late")
            file.flush()
            os.write(begun, b"!")
            os.read(going_on, 1)
        os._exit(0)
    os.read(reads, 1)
    (part,) = tmp_path.iterdir()
    os.utime(part, (time.time() - age,) * 2)
    write(tmp_path / "another")
    write(path)
    assert part.exists()
    os.close(goes_on)
    os.waitpid(child, 0)
    for descriptor in (reads, begun, going_on):
        os.close(descriptor)
    assert path.read_bytes() == b"late"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "another", path]


@pytest.mark.parametrize("missing", ["module", "support"])
def test_without_locks_a_leftover_stays_for_a_day(missing, tmp_path, monkeypatch):
    path = old_file(tmp_path)
    leftovers = {age: leftover_of(path, age) for age in (87_000, 86_000, 0)}
    if missing == "module":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    else:

        def refuse(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuse)
    write(path)
    assert [leftover.exists() for leftover in leftovers.values()] == [False, False, True]


def test_a_file_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """Between the opening and the lock, another program's call may find it, and no lock on it."""
    flock, opened = fcntl.flock, []

    def remove_first(descriptor, how):
        if not opened:
            opened.extend(tmp_path.iterdir())
            files._remove_leftovers(str(tmp_path))
        flock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", remove_first)
    write(tmp_path / "file")
    assert len(opened) == 1
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


# Two names for one file.


def test_a_link_is_another_name(tmp_path):
    path = old_file(tmp_path)
    files.link(path, tmp_path / "other")
    assert os.path.samefile(path, tmp_path / "other")
    files.link(path, tmp_path / "other")
    write(path)
    assert (tmp_path / "other").read_bytes() == b"old"
    files.link(path, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK])
def test_without_hard_links_it_is_a_copy(code, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 10_000)

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    files.link(path, tmp_path / "other")
    assert not os.path.samefile(path, tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]


def test_a_link_keeps_symbolic_links(tmp_path):
    path = old_file(tmp_path)
    (tmp_path / "to file").symlink_to("file")
    (tmp_path / "to other").symlink_to("other")
    files.link(tmp_path / "to file", tmp_path / "to other")
    assert os.path.samefile(path, tmp_path / "other")
    assert (tmp_path / "to other").is_symlink()


def test_a_link_that_cannot_be_made_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = old_file(tmp_path)
    other = tmp_path / "other"
    other.write_bytes(b"other")
    with pytest.raises(FileNotFoundError, match=r"^\[Errno 2\] save: No such file .*none'"):
        files.link(tmp_path / "none", other, "save")
    with pytest.raises(OSError, match="save: expected the name of a file; this is a folder"):
        files.link(path, tmp_path, "save")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("link", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match=r"^\[Errno 28\] save: No space left"):
                files.link(path, other, "save")
    assert other.read_bytes() == b"other"
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]


def test_two_that_write_at_once_leave_one_whole_file(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([number]) * 300_000 for number in range(8)]
    threads = [threading.Thread(target=write, args=(path, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["file"]


def test_a_signal_just_after_the_opening_leaves_nothing(tmp_path, monkeypatch):
    """As an alarm or a second Ctrl-C does whose handler raises."""
    os_open = os.open

    def interrupted(path, *rest):
        os.close(os_open(path, *rest))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "file")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("error", [None, SystemExit, KeyError])
def test_a_child_forked_in_the_block_leaves_the_file_to_its_parent(error, tmp_path):
    """It neither writes what waits in its copy of the buffer, nor removes or renames the file."""
    path, child = old_file(tmp_path), 0
    try:
        with files.replacing(path, "save") as file:
            file.write(b"new")
            child = os.fork()
            if child:
                ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            elif error is not None:
                raise error
    except BaseException as caught:
        if child:
            raise
        expected = "save: a forked child cannot end what its parent writes"
        os._exit(7 if type(caught) is error or str(caught) == expected else 1)
    assert ended == 7
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


# Links, permissions, special files.


@pytest.mark.parametrize("content", [b"old", None], ids=["a file", "nothing yet"])
def test_a_link_stays_and_its_target_is_replaced(content, tmp_path):
    for folder in ("far", "near"):
        (tmp_path / folder).mkdir()
    target, second, link = tmp_path / "far" / "file", tmp_path / "far" / "link", tmp_path / "near/l"
    if content is not None:
        target.write_bytes(content)
    second.symlink_to("file")  # relative to its own folder
    link.symlink_to(second)
    write(link)
    assert link.is_symlink()
    assert second.is_symlink()
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path / "near") == ["l"]
    assert sorted(os.listdir(tmp_path / "far")) == ["file", "link"]


def test_a_chain_of_links_is_followed_as_far_as_the_system_does_and_never_broken(tmp_path):
    """Linux follows 40; a link that is further away would be replaced by a file."""
    links = [tmp_path / str(number) for number in range(45)]
    for before, link in itertools.pairwise([tmp_path / "file", *links]):
        link.symlink_to(before)
    write(links[39])
    assert links[39].read_bytes() == b"new"
    for link in links[41:]:
        with pytest.raises(OSError, match="save: Too many levels of symbolic links"):
            write(link)
    assert all(link.is_symlink() for link in links)
    around = tmp_path / "around"
    around.symlink_to(around)
    with pytest.raises(OSError, match="save: Too many levels of symbolic links"):
        write(around)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o666, 0o755])
def test_the_mode_of_the_old_file_is_kept(mode, tmp_path):
    path = old_file(tmp_path)
    path.chmod(mode)
    with files.replacing(path):
        (part,) = set(tmp_path.iterdir()) - {path}
        assert stat.S_IMODE(part.stat().st_mode) == mode  # nobody else may read it meanwhile
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        write(tmp_path / "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


@pytest.mark.skipif(not AS_ROOT, reason="only root gives files away")
def test_the_owner_of_the_old_file_is_kept(tmp_path):
    path = old_file(tmp_path)
    os.chown(path, 1234, 2345)
    write(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


def test_without_the_right_to_keep_the_group_it_gets_no_more_than_others(tmp_path, monkeypatch):
    path = old_file(tmp_path)
    path.chmod(0o664)
    found = os.stat_result((0o100664, 0, 0, 1, 1234, 2345, 3, 0, 0, 0))
    monkeypatch.setattr(files, "_stat", lambda name: found if name == str(path) else os.stat(name))

    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_write_protected_file_is_not_replaced(tmp_path):
    path = old_file(tmp_path)
    path.chmod(0o444)
    with pytest.raises(PermissionError) as caught:
        write(path)
    assert str(caught.value) == f"[Errno 13] save: the file is write-protected: '{path}'"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_device_and_a_pipe_are_written_directly(tmp_path):
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join()
    assert got == [b"new"]
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has this device")
def test_a_full_device_is_named():
    with pytest.raises(OSError, match=r"^\[Errno 28\] save: No space left on device: '/dev/full'$"):
        write("/dev/full")


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="Linux has this folder")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_shared_and_not_replaced(name, tmp_path):
    program = (
        "import sys\nfrom tinygrad_lite import files\nprint('before', flush=True)\n"
        "with files.replacing(sys.argv[1]) as file:\n    file.write(b'within\\n')\nprint('after')\n"
    )
    with open(tmp_path / "log", "wb") as log:
        subprocess.run(
            [sys.executable, "-c", program, name],
            stdout=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
    assert (tmp_path / "log").read_text() == "before\nwithin\nafter\n"


# A log.


def test_what_is_appended_is_there_when_the_block_ends(tmp_path):
    path = tmp_path / "log"
    for line in (b"one\n", b"two\n"):
        with files.appending(path) as file:
            file.write(line)
    assert path.read_bytes() == b"one\ntwo\n"


def test_half_a_line_is_taken_back(tmp_path):
    path = old_file(tmp_path)
    with (
        small_files_only(),
        pytest.raises(OSError, match=r"^\[Errno \d+\] log: .*file'$"),
        files.appending(path, "log") as file,
    ):
        file.write(b"new" * 100_000)
    assert path.read_bytes() == b"old"


# Reading.


def test_reading_gives_an_open_file(tmp_path):
    with files.reading(old_file(tmp_path)) as file:
        assert file.read() == b"old"
    assert file.closed


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(OSError, match=r"load: expected an ordinary file; this is a pipe or a devi"),
        files.reading(tmp_path / "pipe", "load"),
    ):
        pytest.fail("opened")


def test_a_lack_of_memory_is_said_in_words(tmp_path):
    path = old_file(tmp_path)
    message = f"^load: '{path}': this needs more memory than there is$"
    for access in (files.reading, files.replacing):
        with pytest.raises(MemoryError, match=message), access(path, "load"):
            raise MemoryError
    assert path.read_bytes() == b"old"


def test_errors_about_other_files_are_left_alone(tmp_path):
    with (
        pytest.raises(
            FileNotFoundError, match=r"^\[Errno 2\] No such file or directory: '.*other'$"
        ),
        files.replacing(tmp_path / "file"),
    ):
        (tmp_path / "other").read_bytes()
    assert os.listdir(tmp_path) == []


# Paths.

NAMELESS = [0, 1, True, None, 1.5, [], object()]


@pytest.mark.parametrize("path", NAMELESS, ids=lambda path: type(path).__name__)
@pytest.mark.parametrize("access", [files.replacing, files.reading])
def test_what_is_no_path_is_refused(access, path):
    """`open(0)` reads standard input, and `open(True)` writes to standard output."""
    with (
        pytest.raises(TypeError, match=r"^f: expected a path: text, bytes or a Path; got \w+$"),
        access(path, "f"),
    ):
        pytest.fail("opened")


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("", FileNotFoundError, "expected a path; got empty text"),
        ("a\0b", ValueError, "a path cannot hold the character"),
        ("\ud800", ValueError, "no file can be called"),
        (".", IsADirectoryError, "this is a folder"),
        ("new/", IsADirectoryError, "this is a folder"),
        ("nowhere/file", FileNotFoundError, "its folder does not exist"),
        ("file/file", NotADirectoryError, "Not a directory"),
        ("x" * 300, OSError, "File name too long"),
        ("x" * 50_000, OSError, "File name too long"),
        ("loop", OSError, "symbolic links"),
    ],
    ids=lambda value: str(value)[:12] if isinstance(value, str) else "",
)
def test_a_path_that_cannot_be_written_is_one_line(path, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    old_file(tmp_path)
    os.symlink("loop", "loop")
    with pytest.raises(error, match=message) as caught:
        write(path)
    assert str(caught.value).isprintable()
    assert "save: " in str(caught.value)
    assert len(str(caught.value)) < 400
    assert sorted(os.listdir()) == ["file", "loop"]


def test_every_form_of_a_path_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "a", str(tmp_path / "a"), os.fsencode(tmp_path / "a"), "~/a"):
        write(path, repr(path).encode())
        with files.reading(path) as file:
            assert file.read() == repr(path).encode()
    monkeypatch.chdir(tmp_path)
    write("a", b"in this folder")
    assert (tmp_path / "a").read_bytes() == b"in this folder"
    write("x" * 255)  # as long as a name can be; the temporary one is shorter
    assert sorted(os.listdir()) == ["a", "x" * 255]


# Messages.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", "a b"),
        ("é 漢字", "é 漢字"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\u2028\x85\x9b", r"\u2028\x85\x9b"),
        ("\udcff", r"\udcff"),
        (b"\xff\x1b", r"\udcff\x1b"),
        (Path("a\nb"), r"a\nb"),
        (ValueError("x\n"), r"x\n"),
    ],
)
def test_what_a_terminal_would_obey_is_made_visible(text, expected):
    assert files.printable(text) == expected


@pytest.mark.parametrize("letter", ["x", "\x00", "\U000e0001"])
def test_a_message_does_not_grow_without_bound(letter):
    assert len(files.printable(letter * 10**6)) == 300
    assert len(files.printable(letter * 10**6, 60)) == 60
    assert files.printable("x" * 300) == "x" * 300


# One place for all that is written.


def writes(path: Path) -> list[str]:
    """Calls that open a file for writing, or write one, past `replacing`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = (
                node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            )
            modes = [a.value for a in node.args[1:2] if isinstance(a, ast.Constant)]
            opens = name == "open" and any(set(str(mode)) & set("wax+") for mode in modes)
            if opens or name in (
                "write_text",
                "write_bytes",
                "tofile",
                "mkstemp",
                "NamedTemporaryFile",
            ):
                found.append(ast.unparse(node))
            if name == "savefig" and ast.unparse(node.args[0]) != "file":
                found.append(ast.unparse(node))
    return found


def test_everything_is_written_in_one_place():
    sources = [
        path
        for folder in ("tinygrad_lite", "nn", "examples", "benchmarks", "docs")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert len(sources) > 100
    found = {path.relative_to(ROOT).as_posix(): writes(path) for path in sources}
    mine = found.pop("tinygrad_lite/files.py")
    assert len(mine) == 3  # a new file, a device, the end of a log
    assert {path: calls for path, calls in found.items() if calls} == {}
