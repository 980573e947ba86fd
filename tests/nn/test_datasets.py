"""Finding and combining the data sets: which folder is taken for which, and what is refused."""

import gzip
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_data import ALL, FASHION_MNIST, KMNIST, MNIST, idx, isolate, put

from nn import datasets
from nn.datasets import CLASSES, DataUnavailable, digits, folders, kmnist, mnist

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = MNIST.files
NAMES = list(FILES)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES
FAMILY = [MNIST, FASHION_MNIST, KMNIST]


def find_real_mnist() -> Path | None:
    """The folder with the real files, if this machine has them."""
    named = os.environ.get("TINYGRAD_LITE_DATA")
    folders = [Path(named)] if named else []
    folders.append(REPOSITORY.parent / "shared" / "mnist")
    return next((folder for folder in folders if (folder / TRAIN_IMAGES).is_file()), None)


REAL_MNIST = find_real_mnist()  # read here, before a fixture clears the variable


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path):
    """An empty cache, no named folder, and no mirrors."""
    return isolate(monkeypatch, tmp_path)


@pytest.fixture
def cache(caches):
    """The folder of MNIST in the cache."""
    return caches / "mnist"


@pytest.fixture(params=ALL, ids=[made.name for made in ALL])
def made(request):
    return request.param


# --- where the files are looked for ------------------------------------------------------------


def test_root_is_looked_in_first(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "nowhere"))
    MNIST.check(mnist(put(tmp_path / "here", FILES)))
    MNIST.check(mnist(root=str(tmp_path / "here")))


def test_a_part_is_its_two_arrays(made, tmp_path):
    root = put(tmp_path / "here", made.files)
    train, test = made.read(root, split="train"), made.read(root, split="test")
    assert (len(train), len(test)) == (2, 2)
    made.check((*train, *test))


@pytest.mark.parametrize("made", FAMILY, ids=lambda made: made.name)
@pytest.mark.parametrize(("split", "other"), [("train", "t10k"), ("test", "train")])
def test_the_images_of_the_other_part_are_not_opened(made, tmp_path, split, other):
    root = put(tmp_path / "here", made.files)
    (root / f"{other}-images-idx3-ubyte.gz").write_bytes(b"no images")
    made.read(root, split=split)
    with pytest.raises(ValueError, match=f"{other}-images-idx3-ubyte"):
        made.read(root)


@pytest.mark.parametrize("read", [*(made.read for made in ALL), digits], ids=lambda f: f.__name__)
def test_what_is_no_part_is_refused(read):
    said = f'{read.__name__}: split: expected None, "train" or "test"; got'
    with pytest.raises(ValueError, match=re.escape(f"{said} 'Train'; did you mean \"train\"?")):
        read(split="Train")
    with pytest.raises(TypeError, match=re.escape(f"{said} True")):
        read(split=True)


def test_then_the_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(put(tmp_path / "data", FILES)))
    MNIST.check(mnist())


def test_then_the_cache(cache):
    put(cache, FILES)
    MNIST.check(mnist())


def test_an_empty_variable_counts_as_none(cache, monkeypatch):
    put(cache, FILES)
    monkeypatch.setenv("TINYGRAD_LITE_DATA", "")
    MNIST.check(mnist())


def test_a_file_in_place_of_the_folder_is_said(made, tmp_path):
    file = put(tmp_path, made.files) / next(iter(made.files))
    with pytest.raises(
        DataUnavailable, match=f": root {file} is a file, and no folder; the cache "
    ):
        made.read(file)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    put(tmp_path / "home" / "data", FILES)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    MNIST.check(mnist("~/data"))


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
    MNIST.check(mnist(put(tmp_path / "data", files)))


def test_a_named_folder_that_is_passed_over_is_said(tmp_path, cache, monkeypatch):
    put(cache, FILES)
    root = put(tmp_path / "part", {TRAIN_IMAGES: FILES[TRAIN_IMAGES]})
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path / "nowhere"))
    with pytest.warns(UserWarning, match="nowhere") as warned:
        MNIST.check(mnist(root))
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
    assert folders.cache_folder() == Path(expected)


# --- which data set a folder holds, since three have the same file names ---------------------


LAYOUTS = {
    "MNIST": ("mnist", "MNIST/raw"),
    "FASHION_MNIST": ("fashion-mnist", "FashionMNIST/raw"),
    "KMNIST": ("kmnist", "KMNIST/raw"),
    "CIFAR10": ("cifar-10",),
}


@pytest.mark.parametrize("setting", ["root", "variable"])
def test_one_folder_holds_every_data_set(tmp_path, monkeypatch, setting):
    """Each in its own subfolder: ours, or the one that torchvision makes."""
    for number in (0, 1):
        data = tmp_path / f"data {number}"
        for made in ALL:
            put(data / LAYOUTS[made.name][number % len(LAYOUTS[made.name])], made.files)
        if setting == "variable":
            monkeypatch.setenv("TINYGRAD_LITE_DATA", str(data))
        for made in ALL:
            made.check(made.read(data) if setting == "root" else made.read())


def test_the_subfolder_comes_before_the_folder_itself(tmp_path):
    data = put(tmp_path / "data", KMNIST.files)
    put(data / "fashion-mnist", FASHION_MNIST.files)
    FASHION_MNIST.check(FASHION_MNIST.read(data))
    KMNIST.check(KMNIST.read(data))


@pytest.mark.parametrize("held", FAMILY, ids=lambda made: made.name)
@pytest.mark.parametrize("wanted", FAMILY, ids=lambda made: made.name)
@pytest.mark.parametrize("unpack", [bytes, gzip.decompress], ids=["gzip", "plain"])
def test_the_variable_is_never_taken_for_another_data_set(
    tmp_path, monkeypatch, held, wanted, unpack
):
    suffix = ".gz" if unpack is bytes else ""
    files = {
        name.removesuffix(".gz") + suffix: unpack(content) for name, content in held.files.items()
    }
    data = put(tmp_path / "data", files)
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(data))
    if held is wanted:
        wanted.check(wanted.read())
    else:
        with pytest.raises(DataUnavailable) as caught:
            wanted.read()
        said = f"TINYGRAD_LITE_DATA {data} holds the files of {held.source.title}; the cache "
        assert said in str(caught.value)
        assert str(caught.value).startswith(f"{wanted.source.title} is not here and could not")
        put(data / wanted.source.folders[0], wanted.files)  # as the message says
        wanted.check(wanted.read())


@pytest.mark.parametrize("held", FAMILY, ids=lambda made: made.name)
@pytest.mark.parametrize("wanted", FAMILY, ids=lambda made: made.name)
def test_root_with_another_data_set_is_an_error_that_names_its_function(tmp_path, held, wanted):
    root = put(tmp_path / "data", held.files)
    if held is wanted:
        wanted.check(wanted.read(root))
        return
    with pytest.raises(ValueError, match=r".") as caught:
        wanted.read(root)
    assert str(caught.value) == (
        f"{wanted.source.function}: expected the files of {wanted.source.title} in {root}, "
        f"got those of {held.source.title}; {held.source.function}() reads them"
    )


def an_extract() -> dict[str, bytes]:
    """Files that nobody knows."""
    return {**FILES, TEST_LABELS: gzip.compress(idx(np.array([9, 8, 7, 6], np.uint8)))}


@pytest.mark.parametrize("made", FAMILY, ids=lambda made: made.name)
def test_files_that_nobody_knows_are_accepted_in_root(tmp_path, made):
    y_test = made.read(put(tmp_path / "data", an_extract()))[3]
    assert y_test.tolist() == [9, 8, 7, 6]


@pytest.mark.parametrize("made", FAMILY, ids=lambda made: made.name)
def test_in_the_variable_they_are_mnist_unless_the_folder_says_another(tmp_path, monkeypatch, made):
    for names in LAYOUTS.values():
        for name in names:
            data = put(tmp_path / name, an_extract())
            monkeypatch.setenv("TINYGRAD_LITE_DATA", str(data))
            if names == LAYOUTS[made.name]:
                assert made.read()[3].tolist() == [9, 8, 7, 6]
            elif names != LAYOUTS["CIFAR10"] or made is not MNIST:
                with pytest.raises(DataUnavailable, match=f"TINYGRAD_LITE_DATA {data} holds "):
                    made.read()
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(put(tmp_path / "data", an_extract())))
    if made is MNIST:
        assert made.read()[3].tolist() == [9, 8, 7, 6]
    else:
        told = f"another data set; {made.source.title} is looked for in its subfolder "
        with pytest.raises(DataUnavailable, match=told + made.source.folders[0]):
            made.read()


def test_ten_thousand_labels_that_are_not_those_of_mnist_are_no_extract(tmp_path, monkeypatch):
    """The unpacked files of KMNIST, say, whose checksums nobody has published."""
    files = {
        **FILES,
        TEST_IMAGES: idx(np.zeros((10_000, 28, 28), np.uint8)),
        TEST_LABELS: idx(np.zeros(10_000, np.uint8)),
    }
    data = put(tmp_path / "data", files)
    assert mnist(data)[3].shape == (10_000,)
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(data))
    with pytest.raises(DataUnavailable, match="may be those of another data set; MNIST is looked"):
        mnist()
    put(data / "kmnist", files)
    assert kmnist()[3].shape == (10_000,)


def test_without_a_checksum_of_unpacked_labels_packed_ones_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr(KMNIST.module, "KMNIST", replace(KMNIST.source, labels_sha256=""))
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(put(tmp_path / "data", KMNIST.files)))
    KMNIST.check(kmnist())
    with pytest.raises(DataUnavailable, match="holds the files of KMNIST; the cache"):
        mnist()


@pytest.mark.parametrize("made", FAMILY, ids=lambda made: made.name)
def test_a_subfolder_that_is_not_whole_is_named(made, tmp_path):
    part = put(tmp_path / made.source.folders[0], dict([*made.files.items()][:3]))
    with pytest.raises(DataUnavailable, match=f": root {part} holds 3 of the 4 files; the cache"):
        made.read(tmp_path)


@pytest.mark.skipif(REAL_MNIST is None, reason="no folder with the real MNIST files")
def test_the_real_mnist_is_never_taken_for_another_data_set(monkeypatch):
    monkeypatch.undo()  # the real descriptions
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(REAL_MNIST))
    for made in (FASHION_MNIST, KMNIST):
        source = replace(made.source, mirrors=())
        monkeypatch.setattr(made.module, made.name, source)
        with pytest.raises(ValueError, match=r"got those of MNIST; mnist\(\) reads them"):
            made.read(REAL_MNIST)
        found = source.find(REAL_MNIST)
        assert source.objection("TINYGRAD_LITE_DATA", REAL_MNIST, found) == (
            "holds the files of MNIST"
        )
    source, found = MNIST.source, MNIST.source.find(REAL_MNIST)
    assert source.objection("TINYGRAD_LITE_DATA", REAL_MNIST, found) == ""
    assert {path.name: path.stat().st_size for path in found.values()} == {
        name: file.size for name, file in source.files.items()
    }


def test_damaged_labels_are_named_wherever_they_are(tmp_path, monkeypatch):
    data = put(tmp_path / "fashion-mnist", {**FASHION_MNIST.files, TEST_LABELS: b"<html>"})
    for root in (data, None):
        monkeypatch.setenv("TINYGRAD_LITE_DATA", str(data))
        with pytest.raises(ValueError, match=f"^{data / TEST_LABELS}: expected the magic number"):
            FASHION_MNIST.read(root)


def test_damaged_labels_of_a_folder_for_any_set_stop_only_mnist(tmp_path, monkeypatch, caches):
    data = put(tmp_path / "data", {**FILES, TEST_LABELS: b"<html>"})
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(data))
    with pytest.raises(ValueError, match=f"^{data / TEST_LABELS}: expected the magic number"):
        mnist()
    put(caches / "fashion-mnist", FASHION_MNIST.files)
    with pytest.warns(UserWarning, match="may be those of another data set"):
        FASHION_MNIST.check(FASHION_MNIST.read())


@pytest.mark.parametrize("made", FAMILY, ids=lambda made: made.name)
def test_another_data_set_in_the_cache_is_not_read_either(made, caches):
    other = FASHION_MNIST if made is MNIST else MNIST
    folder = put(caches / made.source.folders[0], other.files)
    said = f": the cache {folder} holds the files of {other.source.title}; pass root="
    with pytest.raises(DataUnavailable, match=said):
        made.read()


@pytest.mark.parametrize("wrong", [0, True, 1.5, ["a"]])
def test_what_is_no_path_is_refused_by_the_function_that_was_called(made, wrong):
    function = made.source.function
    with pytest.raises(TypeError, match=f"^{function}: expected a path: text, bytes or a Path; "):
        made.read(wrong)


def test_every_data_set_names_its_classes(made):
    names = CLASSES[made.source.function]
    assert len(set(names)) == 10
    assert all(isinstance(name, str) for name in names)
    assert CLASSES["cifar10"][3] == "cat"
    assert CLASSES["fashion_mnist"][9] == "Ankle boot"
    assert CLASSES["kmnist"][0] == "o"
    assert CLASSES["mnist"] == CLASSES["digits"] == tuple("0123456789")
    assert sorted(CLASSES) == ["cifar10", "digits", "fashion_mnist", "kmnist", "mnist"]


# --- files that are there, and wrong ---------------------------------------------------------


def refusal(folder: Path, **changed: bytes) -> str:
    """What mnist() says against the made files with some of them changed."""
    put(folder, FILES)
    put(folder, {globals()[name]: content for name, content in changed.items()})
    with pytest.raises(ValueError, match=r".") as caught:  # the callers read it whole
        mnist(folder)
    return str(caught.value)


def test_a_damaged_file_is_named_and_not_passed_over(tmp_path, cache):
    put(cache, FILES)
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


def test_a_part_of_digits_is_its_two_arrays():
    parts = *digits(split="train"), *digits(split="test")
    for array, right in zip(parts, digits(), strict=True):
        assert np.array_equal(array, right)


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
        archive.write(REPOSITORY / "nn" / "_other_names.py", "nn/_other_names.py")
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


def test_names_of_torchvision_say_what_to_write():
    words = "has no attribute 'FashionMNIST'; here it is fashion_mnist()"
    with pytest.raises(AttributeError, match=re.escape(words)):
        _ = datasets.FashionMNIST
    with pytest.raises(AttributeError, match=r"has no attribute 'nonsense'$"):
        _ = datasets.nonsense
