"""CIFAR-10's archive and its six files: what is read, and one exact line for what is refused."""

import gzip
import io
import os
import pickle
import random
import re
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from made_data import ARCHIVE, BATCHES, CIFAR10, isolate, member, put, records, tar, unpacked
from mutations import check_messages, mutated

from nn.datasets import DataUnavailable, cifar, cifar10

FILES = unpacked()
FOLDER = "cifar-10-batches-bin"
FIX = "remove it and get it again"


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path):
    """An empty cache, no named folder, and no mirrors."""
    return isolate(monkeypatch, tmp_path)


def members(**changed: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The six files as members of an archive, some with other contents."""
    files = FILES | {f"{name}.bin": content for name, content in changed.items()}
    return [member(f"{FOLDER}/{name}", content) for name, content in files.items()]


def refusal(folder: Path, archive: bytes) -> str:
    """What cifar10() says against the archive, after its path; one line."""
    path = put(folder, {ARCHIVE: archive}) / ARCHIVE
    with pytest.raises(ValueError, match=r".") as caught:  # the callers read it whole
        cifar10(folder)
    message = str(caught.value)
    check_messages([message], path)
    return message.removeprefix(f"{path}: ")


# --- what is read ----------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize(
    "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=str
)
def test_an_archive_in_any_order_and_form(tmp_path, pack, prefix, form):
    six = [member(f"{prefix}{FOLDER}/{name}", content) for name, content in FILES.items()]
    for info, _ in six:
        info.mtime = 1.5  # which Pax writes into a header of its own
    random.Random(0).shuffle(six)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=form) as writer:
        for info, content in six:
            writer.addfile(info, io.BytesIO(content))
    put(tmp_path / "data", {ARCHIVE: pack(archive.getvalue())})
    CIFAR10.check(cifar10(tmp_path / "data"))


@pytest.mark.parametrize("at", ["", FOLDER, "cifar-10", f"cifar-10/{FOLDER}"])
def test_the_unpacked_folder(tmp_path, at):
    put(tmp_path / "data" / at, FILES)
    CIFAR10.check(cifar10(tmp_path / "data"))


def test_the_unpacked_folder_before_the_archive_unless_it_is_not_whole(tmp_path):
    put(tmp_path / FOLDER, FILES)
    put(tmp_path, {ARCHIVE: b"not looked at"})
    CIFAR10.check(cifar10(tmp_path))
    (tmp_path / FOLDER / BATCHES[3]).unlink()
    put(tmp_path, CIFAR10.files)
    CIFAR10.check(cifar10(tmp_path))


def test_the_form_of_a_record_is_that_of_the_description(tmp_path):
    """<1 x label><3072 x pixel>: 1024 red, 1024 green, 1024 blue, each row by row."""
    pixels = bytearray(3072)
    pixels[0], pixels[1024 + 1], pixels[2048 + 32] = 10, 20, 30
    x, y = cifar10(put(tmp_path, dict.fromkeys(BATCHES, bytes([7]) + pixels)))[:2]
    assert x.shape == (5, 3, 32, 32)
    assert (x[0, 0, 0, 0], x[0, 1, 0, 1], x[0, 2, 1, 0]) == (10, 20, 30)
    assert x.sum() == 5 * 60
    assert y.tolist() == [7] * 5


def test_the_batches_come_in_the_order_of_their_numbers(tmp_path):
    files = {
        name: records(np.zeros((2, 3, 32, 32), np.uint8), np.full(2, number))
        for number, name in enumerate(BATCHES)
    }
    _, train, _, test = cifar10(put(tmp_path, files))
    assert train.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert test.tolist() == [5, 5]


def test_a_full_sized_archive_is_in_memory_once(tmp_path):
    """The arrays of the real shape, and little besides."""
    batch = np.zeros((10_000, 3073), np.uint8)
    batch[:, 0] = np.arange(10_000) % 10
    content = batch.tobytes()
    six = [member(f"{FOLDER}/{name}", content) for name in BATCHES]
    put(tmp_path, {ARCHIVE: tar(*six, pack=lambda archive: gzip.compress(archive, 1))})
    del six, batch, content
    tracemalloc.start()
    try:
        arrays = cifar10(tmp_path)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [array.shape for array in arrays] == [
        (50_000, 3, 32, 32),
        (50_000,),
        (10_000, 3, 32, 32),
        (10_000,),
    ]
    assert np.array_equal(arrays[1], np.arange(50_000) % 10)
    whole = sum(array.nbytes for array in arrays)
    assert whole < most < whole + 8_000_000


# --- archives that are damaged, or made to do harm -------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        f"/{FOLDER}/data_batch_2.bin",
        f"../{FOLDER}/data_batch_2.bin",
        f"{FOLDER}/../{FOLDER}/data_batch_2.bin",
        f"{FOLDER}/./data_batch_2.bin",
        f"{FOLDER}//data_batch_2.bin",
        f"other/{FOLDER}/data_batch_2.bin",
        "data_batch_2.bin",
        f"{FOLDER}/data_batch_2.bin ",
        f"{FOLDER}/DATA_BATCH_2.BIN",
        f"{FOLDER}\\data_batch_2.bin",
        "C:/data_batch_2.bin",
    ],
)
def test_no_other_name_is_read_and_nothing_is_written(tmp_path, name, monkeypatch):
    six = members()
    six[1][0].name = name
    before = sorted(tmp_path.rglob("*"))
    assert refusal(tmp_path / "a" / "b", tar(*six)) == (
        f"expected 6 files in {FOLDER}, got 5 of them; {FIX}"
    )
    assert set(tmp_path.rglob("*")) - set(before) == {
        tmp_path / "a",
        tmp_path / "a" / "b",
        tmp_path / "a" / "b" / ARCHIVE,
    }
    put(tmp_path / "a" / "b", {ARCHIVE: tar(*members(), member(name, b"x"))})
    CIFAR10.check(cifar10(tmp_path / "a" / "b"))


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "data_batch_1.bin"),
        (tarfile.LNKTYPE, f"{FOLDER}/data_batch_1.bin"),
        (tarfile.LNKTYPE, "../../etc/passwd"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.DIRTYPE, ""),
        (tarfile.CONTTYPE, ""),
        (b"Z", ""),
    ],
)
def test_a_link_under_one_of_the_names(tmp_path, kind, target):
    six = members()
    six[1] = member(f"{FOLDER}/data_batch_2.bin", b"", type=kind, linkname=target)
    assert refusal(tmp_path, tar(*six)) == (
        f"expected data_batch_2.bin to be an ordinary file, got a link or something else; {FIX}"
    )


def test_two_members_of_one_name(tmp_path):
    twice = next(item for item in members() if item[0].name.endswith("data_batch_3.bin"))
    assert (
        refusal(tmp_path, tar(*members(), twice))
        == f"expected one data_batch_3.bin, got two; {FIX}"
    )


@pytest.mark.parametrize("cut", [1, 3072, 3074, 3 * 3073])
def test_a_member_of_a_wrong_size(tmp_path, cut):
    content = FILES["data_batch_2.bin"][:-cut]
    assert refusal(tmp_path, tar(*members(data_batch_2=content))) == (
        f"data_batch_2.bin: expected 1 to 10000 records of 3073 bytes, got {len(content)} bytes; "
        f"{FIX}, in its binary version"
    )


@pytest.mark.parametrize("batch", ["data_batch_4", "test_batch"])
def test_a_member_that_lost_a_record(tmp_path, batch):
    """A cut between two records shows only in the number, which is that of the other files."""
    name = f"{batch}.bin"
    said = f"{name}: expected 3 images, as in the file read before it, got 2; {FIX}"
    files = {**FILES, name: FILES[name][:-3073]}
    last = sorted(files.items(), key=lambda item: item[0] == name)
    archive = tar(*(member(f"{FOLDER}/{name}", content) for name, content in last))
    assert refusal(tmp_path, archive) == said
    put(tmp_path / FOLDER, files)
    with pytest.raises(ValueError, match=f"/{FOLDER}/{said}$"):
        cifar10(tmp_path)


@pytest.mark.parametrize("size", [10_001 * 3073, 2**40 * 3073, 0])
def test_a_header_that_promises_too_much_takes_no_memory(tmp_path, size):
    info, _ = members()[0]
    info.size = size
    archive = info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)
    tracemalloc.start()
    try:
        said = refusal(tmp_path, archive)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert said.startswith(f"{info.name.split('/')[1]}: expected 1 to 10000 records of 3073 bytes")
    assert most < 2_000_000


def test_an_archive_that_unpacks_to_far_more(tmp_path):
    """Whether the rest is a member, comes after the end, or is a header."""
    zeros = bytes(3 * 10**7)
    first = member("zeros", zeros)
    behind = tar(*members()) + zeros
    header = member(FOLDER, b"")[0]
    header.pax_headers = {"comment": "x" * len(zeros)}
    for archive in (tar(first, *members()), behind, tar((header, b""), *members())):
        content = gzip.compress(archive, 1)
        assert len(content) < 400_000
        tracemalloc.start()
        try:
            said = refusal(tmp_path, content)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert said == (
            "expected a whole archive of CIFAR-10, got a broken one "
            f"(it is longer than its six files, or says so); {FIX}"
        )
        assert most < 4_000_000


def test_a_chain_of_headers_without_end(tmp_path):
    """Each says that the name of the next is long; tarfile follows them by recursion."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    link = info.tobuf(tarfile.GNU_FORMAT) + b"a\0" + bytes(510)
    for before in (b"", tar(member("readme"))[:512]):
        assert refusal(tmp_path, gzip.compress(before + link * 1000)).startswith(
            "expected a whole archive of CIFAR-10, got a broken one ("
        )


@pytest.mark.parametrize("after", [b"", b"x", bytes(512)])
def test_a_table_of_a_sparse_file_that_is_cut_off(tmp_path, after):
    info = tarfile.TarInfo("other")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:482] = b"00000000001\0" * 8
    header[482] = 1  # the table goes on
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    for before in (b"", tar(member("readme"))[:512]):
        assert FIX in refusal(tmp_path, before + header + after)


@pytest.mark.parametrize(
    "header",
    [
        {"GNU.sparse.map": "x"},
        {"GNU.sparse.map": "1,2,3"},
        {"GNU.sparse.size": "x"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"GNU.sparse.realsize": "9" * 5000},
        {"size": "x"},
        {"size": "-512"},
        {"size": "-1536"},
        {"size": "9" * 400},
        {"size": "9" * 400, "path": f"{FOLDER}/data_batch_2.bin"},
        {"mtime": "x", "uid": "-1", "path": "\udcff\0/.."},
        {"path": f"{FOLDER}/data_batch_2.bin", "GNU.sparse.name": "/etc/passwd"},
    ],
    ids=lambda header: "".join(header)[:40] if isinstance(header, dict) else "",
)
@pytest.mark.parametrize("first", [True, False])
def test_a_header_with_hostile_numbers_and_names(tmp_path, header, first):
    """Wherever it is: the data are read as they are, or the archive is refused in one line."""
    odd, six = member("other", b"x" * 512), members()
    odd[0].pax_headers = header
    archive = tar(*((odd, *six) if first else (*six[:3], odd, *six[3:])))
    put(tmp_path, {ARCHIVE: archive})
    messages = []
    try:
        CIFAR10.check(cifar10(tmp_path))
    except ValueError as error:
        messages.append(str(error))
    check_messages(messages, tmp_path / ARCHIVE)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_archive_cut_anywhere(tmp_path, pack):
    whole = tar(*members(), pack=pack)
    end = len(whole) if pack is gzip.compress else len(tar(*members()).rstrip(b"\0"))
    for length in [0, 1, 2, 511, 512, 513, *range(1000, end - 1, max(end // 23, 1)), end - 1]:
        said = refusal(tmp_path, whole[:length])
        assert said.endswith(FIX) or "expected 6 files" in said


def test_an_archive_with_a_flipped_bit_anywhere(tmp_path):
    """gzip's checksum, which is at the end, sees what nothing else can."""
    black = dict.fromkeys((name.removesuffix(".bin") for name in BATCHES), bytes(3073 * 40))
    for changed in ({}, black):  # noise, which gzip only stores, and what it compresses
        whole = bytearray(tar(*members(**changed), pack=gzip.compress))
        step = max(len(whole) // 40, 1)
        for position in [*range(10, len(whole), step), *range(len(whole) - 8, len(whole))]:
            whole[position] ^= 1
            assert FIX in refusal(tmp_path, bytes(whole))
            whole[position] ^= 1


def test_what_is_no_archive(tmp_path):
    for content in (b"", b"<html>404</html>", bytes(1024), b"\x1f\x8b", os.urandom(2000), BOMB):
        assert FIX in refusal(tmp_path, content)


BOMB = gzip.compress(gzip.compress(bytes(10**7)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_mutated_archives_are_read_or_refused_in_one_line(tmp_path, pack):
    """What is not refused is what tarfile finds there, which jumps from member to member."""
    rng, messages, read = np.random.default_rng(0), [], 0
    small = [member(f"{FOLDER}/{name}", FILES[name][:3073]) for name in BATCHES]
    small[2][0].pax_headers = {"comment": "x", "mtime": "1.5"}
    whole = tar(*small)
    reaches = [600, 4000, 3584 * 2 + 1500, len(whole)]
    for _ in range(400):
        damaged = mutated(rng, whole, 3, reaches)
        (tmp_path / ARCHIVE).unlink(missing_ok=True)
        put(tmp_path, {ARCHIVE: pack(damaged)})
        try:
            arrays = cifar10(tmp_path)
        except ValueError as error:
            messages.append(str(error))
            continue
        with tarfile.open(fileobj=io.BytesIO(damaged)) as archive:
            right = [archive.extractfile(f"{FOLDER}/{name}").read() for name in BATCHES]
        assert records(np.concatenate(arrays[::2]), np.concatenate(arrays[1::2])) == b"".join(right)
        read += 1
    assert min(read, len(messages)) > 20
    check_messages(messages, tmp_path / ARCHIVE)


# --- labels, and the other version -----------------------------------------------------------


def test_a_label_out_of_range(tmp_path):
    content = bytearray(FILES["test_batch.bin"])
    content[3073] = 10
    said = (
        "test_batch.bin: expected labels from 0 to 9, got 10 at index 1; "
        "is it the labels of another data set?"
    )
    assert refusal(tmp_path / "archive", tar(*members(test_batch=bytes(content)))) == said
    folder = put(tmp_path / "folder", {**FILES, "test_batch.bin": bytes(content)})
    with pytest.raises(ValueError, match=f"^{folder}/{re.escape(said)}$"):
        cifar10(folder)


class Harm:
    """What would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "loaded")


NEEDED = (
    "holds the Python version of CIFAR-10, whose pickles are never read; "
    "the binary version is needed, cifar-10-binary.tar.gz"
)


def test_the_python_version_is_refused_and_never_loaded(tmp_path):
    harm = pickle.dumps(Harm(tmp_path / "harm"))
    folder = put(tmp_path / "data" / "cifar-10-batches-py", {"data_batch_1": harm})
    put(tmp_path / "packed", {"cifar-10-python.tar.gz": b""})
    for root in (tmp_path / "data", folder, tmp_path / "packed"):
        with pytest.raises(DataUnavailable) as caught:
            cifar10(root)
        assert f"could not be downloaded: root {root} {NEEDED}; " in str(caught.value)
    assert refusal(tmp_path, tar(member("cifar-10-batches-py/data_batch_1", harm))) == (
        "expected the binary version of CIFAR-10, got the Python version, whose pickles are never "
        "read; get cifar-10-binary.tar.gz instead"
    )
    with pytest.raises(ValueError, match="expected 1 to 10000 records of 3073 bytes, got "):
        cifar10(put(tmp_path / "renamed", dict.fromkeys(BATCHES, harm)))
    assert not (tmp_path / "harm").exists()


def test_a_pipe_under_one_of_the_names_is_not_waited_for(tmp_path):
    put(tmp_path, FILES)
    (tmp_path / BATCHES[2]).unlink()
    os.mkfifo(tmp_path / BATCHES[2])
    with pytest.raises(DataUnavailable, match="holds neither"):
        cifar10(tmp_path)


def test_a_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    put(tmp_path, FILES)
    stat = os.fstat

    def larger(descriptor):
        found = list(stat(descriptor))
        found[6] += 3073
        return os.stat_result(found)

    monkeypatch.setattr(cifar.os, "fstat", larger)
    with pytest.raises(ValueError, match=r"data_batch_1.bin: expected 4 images, got fewer; "):
        cifar10(tmp_path)
