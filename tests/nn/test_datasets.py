"""Finding, downloading and combining the data sets, against servers on this machine only."""

import contextlib
import errno
import gzip
import hashlib
import http.server
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
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pooch
import pytest

from nn.datasets import DataUnavailable, digits, mirrors, mnist, mnist_files

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = list(mnist_files.CHECKSUMS)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def find_real_mnist() -> Path | None:
    """The folder with the real files, if this machine has them."""
    named = os.environ.get("TINYGRAD_LITE_DATA")
    folders = [Path(named)] if named else []
    folders.append(REPOSITORY.parent / "shared" / "mnist")
    return next((folder for folder in folders if (folder / TRAIN_IMAGES).is_file()), None)


REAL_MNIST = find_real_mnist()  # read here, before a fixture clears the variable


def idx(array: np.ndarray) -> bytes:
    """A uint8 array as the bytes of an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def make_files() -> dict[str, bytes]:
    """Four small files of MNIST's form: 6 digits to train on, 4 to test on."""
    rng = np.random.default_rng(0)
    files = {}
    for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, 6), (TEST_IMAGES, TEST_LABELS, 4)):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        files[images] = gzip.compress(idx(pixels), mtime=0)
        files[labels] = gzip.compress(idx(np.arange(count, dtype=np.uint8)), mtime=0)
    return files


FILES = make_files()
CHECKSUMS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def put(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    """Write the files into the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class Mirror:
    """A server of `files` on 127.0.0.1; `url` ends in a slash, `gets` counts what was asked."""

    def __init__(self, files: dict[str, bytes], sends=lambda content: content, pause=0.0):
        self.gets: Counter[str] = Counter()
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                mirror.gets[self.path.removeprefix("/")] += 1
                time.sleep(pause)
                self.answer(body=True)

            def answer(self, body):
                content = files.get(self.path.removeprefix("/"))
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                if body and content:
                    self.wfile.write(sends(content))

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, no named folder, and no way out of this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYGRAD_LITE_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(mnist_files, "MIRRORS", ())
    monkeypatch.setattr(mnist_files, "CHECKSUMS", CHECKSUMS)
    return tmp_path / "cache" / "tinygrad-lite" / "mnist"


@pytest.fixture
def serve(monkeypatch):
    """Start mirrors, given by Mirror's arguments, as the ones that mnist() asks, in this order."""
    started: list[Mirror] = []

    def start(*mirrors: dict) -> list[Mirror]:
        started.extend(Mirror(**options) for options in mirrors)
        monkeypatch.setattr(mnist_files, "MIRRORS", tuple(mirror.url for mirror in started))
        return started

    yield start
    for mirror in started:
        mirror.close()


@pytest.fixture
def silent_url():
    """The URL of a server that accepts a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def assert_is_made_mnist(arrays) -> None:
    x_train, y_train, x_test, y_test = arrays
    assert (x_train.shape, x_test.shape) == ((6, 1, 28, 28), (4, 1, 28, 28))
    assert x_train.dtype == x_test.dtype == np.uint8
    assert (y_train.tolist(), y_test.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3])
    assert y_train.dtype == y_test.dtype == np.int64
    assert idx(x_train[:, 0]) == gzip.decompress(FILES[TRAIN_IMAGES])
    assert idx(x_test[:, 0]) == gzip.decompress(FILES[TEST_IMAGES])
    assert all(array.flags.writeable for array in arrays)


# --- where mnist() looks ---------------------------------------------------------------------


def test_root_is_looked_in_first(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "nowhere"))
    assert_is_made_mnist(mnist(put(tmp_path / "here")))
    assert_is_made_mnist(mnist(root=str(tmp_path / "here")))


def test_then_the_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(put(tmp_path / "data")))
    assert_is_made_mnist(mnist())


def test_then_the_cache(cache):
    put(cache)
    assert_is_made_mnist(mnist())


def test_an_empty_variable_counts_as_none(cache, monkeypatch):
    put(cache)
    monkeypatch.setenv("TINYGRAD_LITE_DATA", "")
    assert_is_made_mnist(mnist())


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    put(tmp_path / "home" / "data")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert_is_made_mnist(mnist("~/data"))


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name,
        lambda name: name.removesuffix(".gz"),
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.removesuffix(".gz").replace("-idx", ".idx"),
    ],
    ids=["gz", "plain", "dotted gz", "dotted plain"],
)
def test_every_usual_name(tmp_path, rename):
    files = {
        rename(name): content if rename(name).endswith(".gz") else gzip.decompress(content)
        for name, content in FILES.items()
    }
    assert_is_made_mnist(mnist(put(tmp_path / "data", files)))


def test_a_named_folder_that_is_passed_over_is_said(tmp_path, cache, monkeypatch):
    put(cache)
    root = put(tmp_path / "part", {TRAIN_IMAGES: FILES[TRAIN_IMAGES]})
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "nowhere"))
    with pytest.warns(UserWarning, match="nowhere") as warned:
        assert_is_made_mnist(mnist(root))
    assert [str(warning.message) for warning in warned] == [
        f"root {root} holds 1 of the 4 files; "
        f"TINYGRAD_LITE_DATA {tmp_path / 'nowhere'} holds 0 of the 4 files: using {cache}"
    ]
    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/tinygrad-lite"),
        ("linux", {}, "/home/me/.cache/tinygrad-lite"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/tinygrad-lite"),
        ("darwin", {}, "/home/me/Library/Caches/tinygrad-lite"),
        ("win32", {"LOCALAPPDATA": "/app"}, "/app/tinygrad-lite"),
        ("win32", {}, "/home/me/AppData/Local/tinygrad-lite"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the paths are POSIX paths")
def test_the_cache_folder_of_each_platform(monkeypatch, platform, variables, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", platform)
    assert mnist_files.cache_folder() == Path(expected)


# --- downloading -----------------------------------------------------------------------------


def test_downloads_once_and_then_reads_the_cache(cache, serve, capfd):
    (mirror,) = serve({"files": FILES})
    assert_is_made_mnist(mnist())
    assert mirror.gets == Counter(NAMES)
    assert sorted(path.name for path in cache.iterdir()) == sorted([".lock", *NAMES])
    mirror.close()
    assert_is_made_mnist(mnist())
    assert capfd.readouterr() == ("", "")  # nobody watches, so nothing is drawn


def test_downloads_only_what_the_cache_lacks(cache, serve):
    put(cache, {TRAIN_IMAGES.removesuffix(".gz"): gzip.decompress(FILES[TRAIN_IMAGES])})
    (mirror,) = serve({"files": FILES})
    assert_is_made_mnist(mnist())
    assert mirror.gets == Counter(NAMES[1:])


def test_a_mirror_without_the_files_is_left_for_the_next(serve):
    empty, whole = serve({"files": {}}, {"files": FILES})
    assert_is_made_mnist(mnist())
    assert empty.gets == Counter(NAMES[:1])
    assert whole.gets == Counter(NAMES)


def test_the_second_mirror_is_not_asked_without_need(serve):
    _, second = serve({"files": FILES}, {"files": FILES})
    mnist()
    assert not second.gets


def test_a_wrong_checksum_is_left_for_the_next_mirror(serve):
    wrong = {**FILES, TEST_IMAGES: FILES[TEST_LABELS]}
    first, second = serve({"files": wrong}, {"files": FILES})
    assert_is_made_mnist(mnist())
    assert first.gets == Counter(NAMES[:3])
    assert second.gets == Counter(NAMES[2:])


def test_a_download_that_breaks_off_is_never_taken_for_whole(cache, serve):
    (mirror,) = serve({"files": FILES, "sends": lambda content: content[: len(content) // 2]})
    with pytest.raises(DataUnavailable) as caught:
        mnist()
    assert f"; {mirror.host}: broke off; " in str(caught.value)
    assert [path.name for path in cache.iterdir()] == [".lock"]
    serve({"files": FILES})
    assert_is_made_mnist(mnist())


def test_silent_mirrors_are_left_in_time(monkeypatch, silent_url, cache):
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.3)
    monkeypatch.setattr(mnist_files, "MIRRORS", (silent_url, silent_url))
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
    assert_is_made_mnist(mnist())
    release.set()
    assert stalling.gets == Counter(NAMES[:1])
    assert whole.gets == Counter(NAMES)


def test_a_look_up_without_end_is_left_in_time(monkeypatch):
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.05)
    release = threading.Event()
    with pytest.raises(TimeoutError):
        mirrors._fetch("http://nowhere/", lambda *_: release.wait(120) and None, 100)
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
def talk(monkeypatch):
    """Make such a server the first mirror of mnist(), before others."""
    talkers: list[Talker] = []

    def start(answer, *others: Mirror) -> Talker:
        talkers.append(Talker(answer))
        urls = (talkers[-1].url, *(other.url for other in others))
        monkeypatch.setattr(mnist_files, "MIRRORS", urls)
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
    talk, serve, monkeypatch, cache, answer, reason
):
    # Only what drips is given up by the clock: on a busy machine the others take their time.
    monkeypatch.setattr(mirrors, "TIMEOUT", 0.4 if answer in (drip, drip_headers) else 60.0)
    sizes = {name: len(content) for name, content in FILES.items()}
    monkeypatch.setattr(mnist_files, "SIZES", sizes)
    talker = talk(answer)
    with pytest.raises(DataUnavailable) as caught:
        mnist()
    assert re.search(f"; {talker.host}: ({reason}); pass root=", str(caught.value))
    assert str(caught.value).isprintable()
    assert os.listdir(cache) == [".lock"]
    (whole,) = serve({"files": FILES})
    monkeypatch.setattr(mirrors, "TIMEOUT", 60.0)
    monkeypatch.setattr(mnist_files, "MIRRORS", (talker.url, whole.url))
    monkeypatch.setattr(talker, "talk", a_page)
    assert_is_made_mnist(mnist())


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


def test_the_sizes_are_those_of_the_real_files():
    if REAL_MNIST is None:
        pytest.skip("no folder with the real MNIST files")
    assert {name: (REAL_MNIST / name).stat().st_size for name in NAMES} == mnist_files.SIZES


def test_when_every_source_fails_one_line_says_what_each_said(tmp_path, serve, cache):
    broken = {**FILES, TRAIN_IMAGES: b"other bytes"}
    first, second, third = serve({"files": {}}, {"files": broken}, {"files": {}})
    third.close()
    root = tmp_path / "nowhere"
    with pytest.raises(DataUnavailable) as caught:
        mnist(root)
    assert str(caught.value) == (
        "MNIST is not here and could not be downloaded: "
        f"root {root} holds 0 of the 4 files; the cache {cache} holds 0 of the 4 files; "
        f"{first.host}: 404 Not Found; {second.host}: wrong checksum; "
        f"{third.host}: connection failed; "
        "pass root= or set TINYGRAD_LITE_DATA to a folder that holds the four IDX files"
    )
    assert isinstance(caught.value, OSError)


KEEP = "set XDG_CACHE_HOME to a folder that can be written, to keep what was downloaded"


def test_without_a_cache_it_is_a_temporary_folder_and_one_line_says_so(
    cache, serve, tmp_path, monkeypatch
):
    (mirror,) = serve({"files": FILES})
    cache.parent.parent.write_text("a file where the folder should be")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with pytest.warns(UserWarning, match="cache") as warned:
        assert_is_made_mnist(mnist())
    assert [str(warning.message) for warning in warned] == [
        f"the cache cannot be written (Not a directory): using a temporary folder; {KEEP}"
    ]
    assert os.listdir(tmp_path / "temporary") == []
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "data"))
    with pytest.warns(UserWarning, match=rf"using {tmp_path / 'data'}$"):
        assert_is_made_mnist(mnist())
    mirror.close()
    assert_is_made_mnist(mnist())  # without a warning: the user named this folder
    assert sorted(os.listdir(tmp_path / "data")) == sorted([".lock", *NAMES])


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
        assert_is_made_mnist(mnist())
    assert os.listdir(cache) == [".lock"]


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
from nn.datasets import mnist, mnist_files
mnist_files.MIRRORS, mnist_files.CHECKSUMS = ({mirror.url!r},), {CHECKSUMS!r}
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
    assert_is_made_mnist(mnist(put(tmp_path / "data")))


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
    given = f"mnist_files.MIRRORS, mnist_files.CHECKSUMS = ({mirror.url!r},), {CHECKSUMS!r}"
    return subprocess.Popen(
        [sys.executable, "-c", f"from nn.datasets import mnist, mnist_files\n{given}\n{program}"],
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
    assert_is_made_mnist(mnist())


# --- files that are there, and wrong ---------------------------------------------------------


def refusal(folder: Path, **changed: bytes) -> str:
    """What mnist() says against the made files with some of them changed."""
    put(folder, FILES)
    put(folder, {globals()[name]: content for name, content in changed.items()})
    with pytest.raises(ValueError, match=r".") as caught:  # the callers read it whole
        mnist(folder)
    return str(caught.value)


def test_a_damaged_file_is_named_and_not_passed_over(tmp_path, cache):
    put(cache)
    assert refusal(tmp_path, TEST_IMAGES=FILES[TEST_IMAGES][:-100]) == (
        f"{tmp_path / TEST_IMAGES}: expected a whole gzip stream, got a broken one (Compressed "
        "file ended before the end-of-stream marker was reached); remove it and get it again"
    )


def test_images_and_labels_of_different_length(tmp_path):
    assert refusal(tmp_path, TRAIN_LABELS=FILES[TEST_LABELS]) == (
        f"{tmp_path / TRAIN_LABELS}: expected 6 labels, one for each image of {TRAIN_IMAGES}, "
        "got 4; get both files from one source"
    )


def test_a_label_out_of_range(tmp_path):
    assert refusal(tmp_path, TEST_LABELS=idx(np.array([9, 0, 10, 255], np.uint8))) == (
        f"{tmp_path / TEST_LABELS}: expected labels from 0 to 9, got 10 at index 2; "
        "is it the labels of another data set?"
    )


def test_labels_under_the_name_of_images(tmp_path):
    assert refusal(tmp_path, TEST_IMAGES=FILES[TEST_LABELS]) == (
        f"{tmp_path / TEST_IMAGES}: expected uint8 images of shape (N, 28, 28), "
        "got uint8 of shape (4,); is it another file under this name?"
    )


def test_images_of_another_size(tmp_path):
    assert refusal(tmp_path, TEST_IMAGES=idx(np.zeros((4, 32, 32), np.uint8))) == (
        f"{tmp_path / TEST_IMAGES}: expected uint8 images of shape (N, 28, 28), "
        "got uint8 of shape (4, 32, 32); is it another file under this name?"
    )


def test_images_under_the_name_of_labels(tmp_path):
    assert refusal(tmp_path, TRAIN_LABELS=FILES[TRAIN_IMAGES]) == (
        f"{tmp_path / TRAIN_LABELS}: expected uint8 labels of shape (N,), "
        "got uint8 of shape (6, 28, 28); is it another file under this name?"
    )


# --- the real data ---------------------------------------------------------------------------


@pytest.mark.skipif(REAL_MNIST is None, reason="no folder with the real MNIST files")
def test_real_mnist():
    x_train, y_train, x_test, y_test = mnist(REAL_MNIST)
    assert (x_train.shape, x_test.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert (y_train.shape, y_test.shape) == ((60000,), (10000,))
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # The well-known mean and spread of the training pixels.
    assert x_train.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert x_train.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_digits():
    x_train, y_train, x_test, y_test = digits()
    assert (x_train.shape, x_test.shape) == ((1500, 1, 8, 8), (297, 1, 8, 8))
    assert (y_train.shape, y_test.shape) == ((1500,), (297,))
    assert x_train.dtype == x_test.dtype == np.uint8
    assert y_train.dtype == y_test.dtype == np.int64
    assert (x_train.min(), x_train.max(), x_test.min(), x_test.max()) == (0, 16, 0, 16)
    # The class counts that UCI gives for the test part, and its first digit.
    counts = np.bincount(np.concatenate([y_train, y_test])).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert x_train[0, 0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


def test_digits_gives_new_writable_arrays_every_time():
    first, second = digits(), digits()
    for array, other in zip(first, second, strict=True):
        assert array.flags.writeable
        assert array.flags.owndata
        assert not np.shares_memory(array, other)


def test_the_last_digits_are_as_hard_as_the_docstring_says():
    x_train, y_train, x_test, y_test = digits()
    train, test = (x.reshape(len(x), -1).astype(np.float64) for x in (x_train, x_test))
    distances = (train**2).sum(1) - 2 * test @ train.T
    assert round(100 * np.mean(y_train[distances.argmin(1)] == y_test), 1) == 94.6


def test_digits_is_one_small_file_with_its_licence():
    path = REPOSITORY / "nn" / "datasets" / "optdigits.npz"
    assert path.stat().st_size < 60_000
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["LICENSE.txt", "images.npy", "labels.npy"]
        assert "CC BY 4.0" in archive.read("LICENSE.txt").decode()


def test_digits_that_are_damaged_are_named(monkeypatch):
    content = (REPOSITORY / "nn" / "datasets" / "optdigits.npz").read_bytes()
    for damaged in (b"", content[:-1], content[:100] + b"x" + content[101:], b"<html>"):
        monkeypatch.setattr(Path, "read_bytes", lambda _, damaged=damaged: damaged)
        with pytest.raises(ValueError, match=r"^nn/datasets/optdigits\.npz: the file is damaged; "):
            digits()


def test_digits_loads_from_a_zip(tmp_path):
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("nn/__init__.py", "")
        for path in (REPOSITORY / "nn" / "datasets").iterdir():
            if path.is_file():
                archive.write(path, f"nn/datasets/{path.name}")
    run = subprocess.run(
        [sys.executable, "-c", "from nn.datasets import digits; print(len(digits()[0]))"],
        env={**os.environ, "PYTHONPATH": str(package)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("1500\n", "")
