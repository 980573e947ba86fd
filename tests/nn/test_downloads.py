"""Downloads of the data sets, from servers on this machine only."""

import contextlib
import errno
import gzip
import io
import itertools
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pooch
import pytest
from made_data import ALL, CIFAR10, FASHION_MNIST, MNIST, Made, Mirror, isolate, put

from nn.datasets import DataUnavailable, mirrors, mnist

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = MNIST.files
NAMES = list(FILES)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path):
    """An empty cache, no named folder, and no way out of this machine."""
    return isolate(monkeypatch, tmp_path)


@pytest.fixture
def cache(caches):
    """The folder of MNIST in the cache."""
    return caches / "mnist"


@pytest.fixture(params=ALL, ids=[made.name for made in ALL])
def made(request):
    return request.param


@pytest.fixture
def ask(monkeypatch):
    """Make servers with these URLs the mirrors of a data set, in this order."""

    def set_mirrors(*urls: str, made: Made = MNIST) -> None:
        monkeypatch.setattr(made.module, made.name, made.described(*urls))

    return set_mirrors


@pytest.fixture
def serve(ask):
    """Start mirrors of a data set, given by Mirror's arguments; the first is asked first."""
    started: list[Mirror] = []

    def start(*options: dict, made: Made = MNIST) -> list[Mirror]:
        started.extend(Mirror(**option) for option in options)
        ask(*(mirror.url for mirror in started), made=made)
        return started

    yield start
    for mirror in started:
        mirror.close()


@pytest.fixture
def silent_url():
    """The URL of a server that accepts a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


# --- every data set --------------------------------------------------------------------------


def test_downloads_once_and_then_reads_the_cache(made, caches, serve, capfd):
    (mirror,) = serve({"files": made.files}, made=made)
    made.check(made.read())
    assert mirror.gets == Counter(list(made.files))
    folder = caches / made.source.folders[0]
    assert os.listdir(caches) == [folder.name]
    assert sorted(os.listdir(folder)) == sorted([".lock", *made.files])
    mirror.close()
    made.check(made.read())
    assert capfd.readouterr() == ("", "")  # nobody watches, so nothing is drawn


def test_a_mirror_without_the_files_is_left_for_the_next(made, serve):
    empty, whole = serve({"files": {}}, {"files": made.files}, made=made)
    made.check(made.read())
    assert empty.gets == Counter(list(made.files)[:1])
    assert whole.gets == Counter(list(made.files))


def test_a_wrong_checksum_is_left_for_the_next_mirror(made, serve):
    names = list(made.files)
    last = made.files[names[-1]]
    wrong = {**made.files, names[-1]: last[:-1] + bytes([last[-1] ^ 1])}
    first, second = serve({"files": wrong}, {"files": made.files}, made=made)
    made.check(made.read())
    assert first.gets == Counter(names)
    assert second.gets == Counter(names[-1:])


def test_a_download_that_breaks_off_is_never_taken_for_whole(made, caches, serve):
    half = {"files": made.files, "sends": lambda content: content[: len(content) // 2]}
    (mirror,) = serve(half, made=made)
    with pytest.raises(DataUnavailable) as caught:
        made.read()
    assert f"; {mirror.host}: broke off; " in str(caught.value)
    assert os.listdir(caches / made.source.folders[0]) == [".lock"]
    serve({"files": made.files}, made=made)
    made.check(made.read())


def test_too_many_bytes_are_left_for_the_next_mirror(made, serve):
    long = {name: content + b"x" for name, content in made.files.items()}
    first, _ = serve({"files": long}, {"files": made.files}, made=made)
    made.check(made.read())
    assert first.gets == Counter(list(made.files)[:1])


def test_a_silent_mirror_is_left_in_time(made, ask, monkeypatch, silent_url, caches):
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.2)
    ask(silent_url, made=made)
    host = silent_url.removeprefix("http://").removesuffix("/")
    start = time.monotonic()
    with pytest.raises(DataUnavailable, match=f"; {host}: no answer within 0.2 s; "):
        made.read()
    assert time.monotonic() - start < 60


OFFLINE = {
    "MNIST": ("holds 0 of the 4 files", "the four IDX files"),
    "Fashion-MNIST": ("holds 0 of the 4 files", "fashion-mnist/ with the four IDX files"),
    "KMNIST": ("holds 0 of the 4 files", "kmnist/ with the four IDX files"),
    "CIFAR-10": (
        "holds neither cifar-10-binary.tar.gz nor all of cifar-10-batches-bin",
        "cifar-10-binary.tar.gz",
    ),
}


def test_when_every_source_fails_one_line_says_what_each_said(made, tmp_path, serve, caches):
    broken = {**made.files, next(iter(made.files)): b"other bytes"}
    first, second, third = serve({"files": {}}, {"files": broken}, {"files": {}}, made=made)
    third.close()
    root = tmp_path / "nowhere"
    with pytest.raises(DataUnavailable) as caught:
        made.read(root)
    holds, wanted = OFFLINE[made.source.title]
    assert str(caught.value) == (
        f"{made.source.title} is not here and could not be downloaded: "
        f"root {root} {holds}; the cache {caches / made.source.folders[0]} {holds}; "
        f"{first.host}: 404 Not Found; {second.host}: wrong checksum; "
        f"{third.host}: connection failed; "
        f"pass root= or set TINYGRAD_LITE_DATA to a folder that holds {wanted}"
    )
    assert isinstance(caught.value, OSError)


def test_without_a_cache_it_is_the_folder_of_the_variable(
    made, caches, serve, tmp_path, monkeypatch
):
    """In a subfolder of its own, for other data sets have files with the same names."""
    (mirror,) = serve({"files": made.files}, made=made)
    caches.parent.write_text("a file where the folder should be")
    data = put(
        tmp_path / "data",
        {} if made is CIFAR10 else (MNIST if made is FASHION_MNIST else FASHION_MNIST).files,
    )
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(data))
    own = data / made.source.folders[0]
    with pytest.warns(UserWarning, match=rf": using {own}$"):
        made.check(made.read())
    mirror.close()
    made.check(made.read())  # without a warning: the user named this folder
    assert sorted(os.listdir(own)) == sorted([".lock", *made.files])


def test_a_large_download_is_in_memory_once(serve, caches, monkeypatch):
    """What a mirror sent is gone before the next one is asked, and before anything is read."""
    size = 20_000_000
    content = bytes(size)
    large = Made(CIFAR10.module, CIFAR10.name, {next(iter(CIFAR10.files)): content}, ())
    wrong = dict.fromkeys(large.files, b"x" * size)
    cut = {"files": large.files, "sends": lambda content: memoryview(content)[:-1]}
    with contextlib.suppress(DataUnavailable):
        large.read()  # imports what a download needs
    serve(cut, {"files": wrong}, {"files": large.files}, made=large)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="expected 6 files"):
            large.read()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (caches / "cifar-10" / next(iter(large.files))).stat().st_size == size
    assert size < most < 1.4 * size


# --- the mirrors and the folders, with MNIST -------------------------------------------------


def test_downloads_only_what_the_cache_lacks(cache, serve):
    put(cache, {TRAIN_IMAGES.removesuffix(".gz"): gzip.decompress(FILES[TRAIN_IMAGES])})
    (mirror,) = serve({"files": FILES})
    MNIST.check(mnist())
    assert mirror.gets == Counter(NAMES[1:])


def test_the_second_mirror_is_not_asked_without_need(serve):
    _, second = serve({"files": FILES}, {"files": FILES})
    mnist()
    assert not second.gets


def test_silent_mirrors_are_left_in_time(monkeypatch, ask, silent_url, cache):
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.3)
    ask(silent_url, silent_url)
    host = silent_url.removeprefix("http://").removesuffix("/")
    start = time.monotonic()
    with pytest.raises(DataUnavailable) as caught:
        mnist()
    assert 0.5 < time.monotonic() - start < 60
    silence = f"{host}: no answer within 0.3 s"
    assert str(caught.value) == (
        "MNIST is not here and could not be downloaded: "
        f"the cache {cache} holds 0 of the 4 files; {silence}; {silence}; "
        "pass root= or set TINYGRAD_LITE_DATA to a folder that holds the four IDX files"
    )


def test_a_mirror_that_falls_silent_halfway_is_left_in_time(monkeypatch, serve, cache):
    monkeypatch.setattr(mirrors, "TIMEOUT", 2.0)  # time for the first answer under load
    release = threading.Event()
    stalling, whole = serve(
        {"files": FILES, "sends": lambda content: release.wait(120) and content}, {"files": FILES}
    )
    MNIST.check(mnist())
    release.set()
    assert stalling.gets == Counter(NAMES[:1])
    assert whole.gets == Counter(NAMES)


def test_a_look_up_without_end_is_left_in_time(monkeypatch):
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.05)
    release = threading.Event()
    with pytest.raises(TimeoutError):
        mirrors._fetch("http://nowhere/", lambda *_: release.wait(120) and None, 100)
    release.set()


def test_what_a_mirror_sent_that_is_given_up_takes_no_memory(monkeypatch):
    """The thread that listens to it may live on for a long time."""
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.05)
    monkeypatch.setattr(mirrors, "SLOWEST", 10**9)
    release, kept = threading.Event(), []

    def get(url, arriving):
        arriving.write(bytes(1000))
        kept.append(arriving)
        release.wait(120)

    with pytest.raises(ValueError, match="too slow"):
        mirrors._fetch("http://nowhere/", get, 1000)
    assert kept[0].content == b""
    with pytest.raises(ValueError, match=r"."):
        kept[0].write(b"x")
    release.set()


class Talker:
    """A server on 127.0.0.1 that answers each request as `talk(connection, path)` does."""

    def __init__(self, talk) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.url = f"http://{self.host}/"
        self.talk = talk
        self.asked = 0
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        self.asked += 1
        with connection, contextlib.suppress(OSError):
            asked = connection.recv(65536)
            self.talk(connection, asked.split()[1].decode())


@pytest.fixture
def talk(ask):
    """Make such a server the first mirror of mnist(), before others."""
    talkers: list[Talker] = []

    def start(answer, *others: Mirror) -> Talker:
        talkers.append(Talker(answer))
        urls = (talkers[-1].url, *(other.url for other in others))
        ask(*urls)
        return talkers[-1]

    yield start
    for talker in talkers:
        talker.socket.close()


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode(
        "latin-1"
    )


def drip(connection, path):
    """A byte now and then: no single wait is long."""
    connection.sendall(head("Content-Length: 100000"))
    for byte in itertools.repeat(b"x", 5000):
        connection.sendall(byte)
        time.sleep(0.02)


def drip_headers(connection, path):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for byte in itertools.repeat(b"x", 5000):
        connection.sendall(byte)
        time.sleep(0.02)


def endless(connection, path):
    connection.sendall(head())
    while True:
        connection.sendall(bytes(65536))


def endless_chunks(connection, path):
    connection.sendall(head("Transfer-Encoding: chunked"))
    while True:
        connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")


BOMB = gzip.compress(bytes(10**7))


def bomb(connection, path):
    connection.sendall(head("Content-Encoding: gzip") + BOMB)


def longer_than_it_says(connection, path):
    content = FILES[path[1:]]
    connection.sendall(head(f"Content-Length: {len(content) - 1}") + content)


def shorter_than_it_says(connection, path):
    content = FILES[path[1:]]
    connection.sendall(head(f"Content-Length: {len(content) + 1}") + content)


def around(connection, path):
    connection.sendall(head(f"Location: {path}", "Content-Length: 0", status="302 Found"))


def a_page(connection, path):
    page = b"<html>404 Not Found</html>"
    connection.sendall(head(f"Content-Length: {len(page)}") + page)


def hang_up(connection, path):
    connection.sendall(head("Content-Length: 1000")[:20])


def garbage(connection, path):
    connection.sendall(b"\x00\xff" * 500)


def colours(connection, path):
    connection.sendall(head(status="500 \x1b[31mred\x07\x1b[2J" + "x" * 500))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (drip, "too slow|no answer within 0.4 s"),
        (drip_headers, "no answer within 0.4 s"),
        (endless, "more bytes than the file has"),
        (endless_chunks, "more bytes than the file has"),
        (bomb, "more bytes than the file has|wrong checksum"),
        (longer_than_it_says, "wrong checksum"),
        (shorter_than_it_says, "broke off"),
        (around, "redirects without end"),
        (a_page, "wrong checksum"),
        (hang_up, "wrong checksum"),  # a head without a body
        (garbage, "connection failed"),
        (colours, r"500 \\x1b\[31mred\\x07\\x1b\[2Jx{10,60}\.\.\.x{10,60}"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_mirror_that_misbehaves_is_left_for_the_next(
    talk, serve, ask, monkeypatch, cache, answer, reason
):
    # Only what drips is given up by the clock: on a busy machine the others take their time.
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.4 if answer in (drip, drip_headers) else 60.0)
    talker = talk(answer)
    with pytest.raises(DataUnavailable) as caught:
        mnist()
    assert re.search(f"; {talker.host}: ({reason}); pass root=", str(caught.value))
    assert str(caught.value).isprintable()
    assert os.listdir(cache) == [".lock"]
    (whole,) = serve({"files": FILES})
    monkeypatch.setattr(mirrors, "TIMEOUT", 60.0)
    ask(talker.url, whole.url)
    monkeypatch.setattr(talker, "talk", a_page)
    MNIST.check(mnist())


def test_a_slow_mirror_has_the_time_that_it_needs(talk, monkeypatch):
    """In all it takes longer than TIMEOUT, but no longer than its bytes may."""
    content = bytes(100_000)

    def slowly(connection, path):
        connection.sendall(head(f"Content-Length: {len(content)}"))
        for start in range(0, len(content), 10_000):
            connection.sendall(content[start : start + 10_000])
            time.sleep(0.12)

    monkeypatch.setattr(mirrors, "TIMEOUT", 1.0)
    monkeypatch.setattr(mirrors, "SLOWEST", 2_000)
    url, began = talk(slowly).url, time.monotonic()
    assert mirrors._fetch(url, mirrors._getter(pooch, False), len(content)) == content
    assert time.monotonic() - began > 1.0


KEEP = "set XDG_CACHE_HOME to a folder that can be written, to keep what was downloaded"


def test_without_a_cache_it_is_a_temporary_folder_and_one_line_says_so(
    cache, serve, tmp_path, monkeypatch
):
    (mirror,) = serve({"files": FILES})
    cache.parent.parent.write_text("a file where the folder should be")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with pytest.warns(UserWarning, match="cache") as warned:
        MNIST.check(mnist())
    assert [str(warning.message) for warning in warned] == [
        f"the cache cannot be written (Not a directory): using a temporary folder; {KEEP}"
    ]
    assert os.listdir(tmp_path / "temporary") == []
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "data"))
    with pytest.warns(UserWarning, match=rf"using {tmp_path / 'data' / 'mnist'}$"):
        MNIST.check(mnist())
    mirror.close()
    MNIST.check(mnist())  # without a warning: the user named this folder
    assert sorted(os.listdir(tmp_path / "data" / "mnist")) == sorted([".lock", *NAMES])


def test_without_a_place_to_write_one_line_says_so(cache, serve, monkeypatch, tmp_path):
    serve({"files": FILES})
    cache.parent.parent.write_text("a file where the folder should be")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailable) as caught:
        mnist()
    assert str(caught.value) == (
        "MNIST is not here and could not be downloaded: the cache cannot be written (Not a "
        "directory); a temporary folder cannot be written (No such file or directory); pass root= "
        "or set TINYGRAD_LITE_DATA to a folder that holds the four IDX files"
    )


def test_a_full_disk_costs_the_cache_and_not_the_data(cache, serve, monkeypatch, tmp_path):
    serve({"files": FILES})
    replace = os.replace

    def fail(source, target):
        if str(target).startswith(str(cache)):
            raise OSError(errno.ENOSPC, "No space left on device", target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.warns(
        UserWarning, match=r"\(download: No space left on device\): using a temporary f"
    ):
        MNIST.check(mnist())
    assert os.listdir(cache) == [".lock"]


def made_in_a_process(mirror: Mirror) -> str:
    """What a program says first, so that its mnist() reads the made files from this mirror."""
    return f"""
from dataclasses import replace
from nn.datasets import mnist, mnist_family
from nn.datasets.mirrors import File
files = {MNIST.described().files!r}
mnist_family.MNIST = replace(mnist_family.MNIST, mirrors=({mirror.url!r},), files=files)
"""


NO_HOME = {
    "unset": {},
    "empty": {"HOME": ""},
    "relative": {"HOME": "home"},
    "not there": {"HOME": "/nonexistent/home"},
    "not to be written": {"HOME": "/proc"},
}


@pytest.mark.parametrize("home", NO_HOME)
@pytest.mark.skipif(sys.platform != "linux", reason="the places are those of Linux")
def test_a_user_without_a_home_folder(serve, home):
    """With a number that has no entry among the users, as in a container."""
    (mirror,) = serve({"files": FILES})
    program = f"""
import pwd, sys, warnings
sys.path.insert(0, {str(REPOSITORY)!r})
pwd.getpwuid = lambda number: dict()[number]  # a KeyError, as for an unknown number
warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
{made_in_a_process(mirror)}
print(len(mnist()[0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=NO_HOME[home] | {"NO_PROXY": "127.0.0.1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "6\n", done.stderr
    said = rf"the cache cannot be written \(.+\): using a temporary folder; {KEEP}\n"
    assert re.fullmatch(said, done.stderr)
    assert not os.path.exists("/nonexistent")


@pytest.mark.parametrize("package", ["pooch", "filelock"])
def test_without_the_extra_one_line_says_what_brings_it(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError) as caught:
        mnist()
    assert str(caught.value) == (
        f"download: the package {package} is missing; pip install pooch filelock, "
        "or set TINYGRAD_LITE_DATA to a folder that holds the files"
    )


def test_without_the_extra_files_at_hand_are_read(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    MNIST.check(mnist(put(tmp_path / "data", FILES)))


def test_a_terminal_gets_a_progress_bar(monkeypatch, serve):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    serve({"files": FILES})
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    mnist()
    assert terminal.getvalue().count("100%") >= len(NAMES)
    assert not pooch.get_logger().disabled


def python(program: str, mirror: Mirror) -> subprocess.Popen:
    """A process of its own that has the made files' checksums and this mirror, and this cache."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{made_in_a_process(mirror)}\n{program}"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_download_each_file_once(serve):
    (mirror,) = serve({"files": FILES, "pause": 0.1})
    processes = [python("print(len(mnist()[0]))", mirror) for _ in range(2)]
    assert [process.communicate() for process in processes] == [("6\n", "")] * 2
    assert mirror.gets == Counter(NAMES)


def test_two_threads_at_once_download_each_file_once(serve):
    (mirror,) = serve({"files": FILES, "pause": 0.05})
    results = []
    threads = [threading.Thread(target=lambda: results.append(mnist())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert mirror.gets == Counter(NAMES)


def test_a_killed_download_is_never_taken_for_whole(cache, serve):
    started, release = threading.Event(), threading.Event()

    def stall(content):
        started.set()
        release.wait(120)
        return content

    stalling, _ = serve({"files": FILES, "sends": stall}, {"files": FILES})
    process = python("mnist()", stalling)
    assert started.wait(120)
    process.kill()
    process.communicate()
    assert not any(cache.glob("*.gz"))
    release.set()
    MNIST.check(mnist())
