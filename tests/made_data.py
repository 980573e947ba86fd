"""Small data sets with the form of the real ones, and servers of their files on this machine."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nn.datasets import cifar, mnist_family
from nn.datasets.folders import Source
from nn.datasets.mirrors import File

BATCHES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
ARCHIVE = "cifar-10-binary.tar.gz"


def idx(array: np.ndarray) -> bytes:
    """A uint8 array as the bytes of an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def records(images: np.ndarray, labels: np.ndarray) -> bytes:
    """Images (N, 3, 32, 32) and their labels as the bytes of a file of CIFAR-10."""
    rows = zip(labels, images, strict=True)
    return b"".join(bytes([label]) + image.tobytes() for label, image in rows)


def member(name: str, content: bytes = b"", **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member of an archive, with any attributes that its header can have."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def tar(*members: tuple[tarfile.TarInfo, bytes], pack: Callable[[bytes], bytes] = bytes) -> bytes:
    """An archive of these members."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writer:
        for info, content in members:
            writer.addfile(info, io.BytesIO(content))
    return pack(archive.getvalue())


@dataclass(frozen=True)
class Made:
    """A small data set in place of a real one, which has that name in that module."""

    module: ModuleType
    name: str
    files: Mapping[str, bytes]  # as a mirror serves them
    arrays: tuple[np.ndarray, ...]  # what must be read

    @property
    def source(self) -> Source:
        """Its description; that of the real one unless `describe` has put its own there."""
        return getattr(self.module, self.name)

    @property
    def read(self) -> Callable[..., tuple[np.ndarray, ...]]:
        return getattr(self.module, self.source.function)

    def described(self, *mirrors: str) -> Source:
        """The description with the files that were made, and these mirrors."""
        files = {
            name: File(len(content), hashlib.sha256(content).hexdigest())
            for name, content in self.files.items()
        }
        changes: dict[str, Any] = {"files": files, "mirrors": mirrors}
        if self.module is mnist_family:
            labels = gzip.decompress(self.files["t10k-labels-idx1-ubyte.gz"])
            changes["labels_sha256"] = hashlib.sha256(labels).hexdigest()
        return replace(self.source, **changes)

    def check(self, arrays: tuple[np.ndarray, ...]) -> None:
        for array, right in zip(arrays, self.arrays, strict=True):
            assert array.dtype == right.dtype
            assert np.array_equal(array, right)
            assert array.flags.writeable
            assert array.flags.c_contiguous


def _make_idx(name: str, seed: int) -> Made:
    """6 images to train on and 4 to test on; no two sets have the same labels."""
    rng = np.random.default_rng(seed)
    files, arrays = {}, []
    for part, count in (("train", 6), ("t10k", 4)):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) + seed).astype(np.uint8)
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(pixels), mtime=0)
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels), mtime=0)
        arrays += [pixels[:, None], labels.astype(np.int64)]
    return Made(mnist_family, name, files, tuple(arrays))


def _make_cifar() -> Made:
    """15 images to train on and 3 to test on."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (18, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, 18)
    members = [member("cifar-10-batches-bin/", type=tarfile.DIRTYPE)]
    for batch, name in enumerate(BATCHES):
        its = slice(3 * batch, 3 * batch + 3)
        members.append(member(f"cifar-10-batches-bin/{name}", records(images[its], labels[its])))
    members[2:2] = [members.pop()]  # in some order, and with more files, as in the original
    members.append(member("cifar-10-batches-bin/readme.html", b"<html>"))
    content = tar(*members, pack=lambda archive: gzip.compress(archive, mtime=0))
    arrays = images[:15], labels[:15], images[15:], labels[15:]
    return Made(cifar, "CIFAR10", {ARCHIVE: content}, arrays)


MNIST, FASHION_MNIST, KMNIST = (
    _make_idx(name, seed) for seed, name in enumerate(("MNIST", "FASHION_MNIST", "KMNIST"))
)
CIFAR10 = _make_cifar()
ALL = (MNIST, FASHION_MNIST, KMNIST, CIFAR10)


def unpacked(made: Made = CIFAR10) -> dict[str, bytes]:
    """The six files of the archive, by name."""
    with tarfile.open(fileobj=io.BytesIO(made.files[ARCHIVE])) as archive:
        members = [info for info in archive if info.name.endswith(".bin")]
        return {info.name.split("/")[1]: archive.extractfile(info).read() for info in members}


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files into the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class Mirror:
    """A server of `files` on 127.0.0.1; `url` ends in a slash, `gets` counts what was asked."""

    def __init__(self, files: Mapping[str, bytes], sends=lambda content: content, pause=0.0):
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


def isolate(monkeypatch: Any, tmp_path: Path) -> Path:
    """The made sets in place of the real ones, no named folder, and an empty cache: its folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYGRAD_LITE_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for made in ALL:
        monkeypatch.setattr(made.module, made.name, made.described())
    return tmp_path / "cache" / "tinygrad-lite"
