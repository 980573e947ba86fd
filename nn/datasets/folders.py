"""Where the files of a data set are: in a folder that the user named, in the cache, downloaded.

A `Source` describes a data set; `locate` finds its files.  The folders are tried in this order:
`root`, the one that TINYGRAD_LITE_DATA names, the cache.  One folder may hold several data sets,
each in a subfolder with a name of its own.
"""

import errno
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from nn.datasets.mirrors import DataUnavailable, File, download
from tinygrad_lite import files, warn

VARIABLE = "TINYGRAD_LITE_DATA"
_KEEP = "set XDG_CACHE_HOME to a folder that can be written, to keep what was downloaded"


@dataclass(frozen=True)
class Source(ABC):
    """A data set: its files, who serves them, and how they are recognised in a folder."""

    title: str  # its name in messages
    function: str  # the one that reads it
    folders: tuple[str, ...]  # its subfolders in a named folder; the first is that in the cache
    files: Mapping[str, File]  # as the mirrors serve them
    mirrors: tuple[str, ...]
    wanted: str  # what a folder must hold, for messages

    @abstractmethod
    def find(self, folder: Path) -> dict[str, Path]:
        """Those of the files that are in the folder, under any of their usual names."""

    @abstractmethod
    def objection(self, setting: str, folder: Path, found: Mapping[str, Path]) -> str:
        """Why what was found is not the whole data set, as a verb and its object; or nothing.

        setting: what named the folder: root, TINYGRAD_LITE_DATA, the cache.

        Raises ValueError instead if `root` can only be a mistake.
        """


def locate(source: Source, root: files.FilePath | None, stack: ExitStack) -> dict[str, Path]:
    """The files of the data set by name, found or downloaded.

    stack: keeps a temporary folder, if that is the only place, until the files are read.

    A warning tells if a folder was passed over.  Raises DataUnavailable if the files are nowhere.
    """
    passed_over: list[str] = []
    found, using = _in_named_folders(source, root, passed_over) or _in_the_cache(
        source, passed_over, stack
    )
    if passed_over:
        warn(f"{'; '.join(passed_over)}: using {files.printable(using)}")
    return found


def cache_folder() -> Path:
    """The folder in which this package keeps its downloads; it may not exist yet.

    It is in XDG_CACHE_HOME if that is set, otherwise in the platform's folder: ~/.cache on Linux,
    ~/Library/Caches on macOS, %LOCALAPPDATA% on Windows.

    Raises FileNotFoundError if none of them is known, as in a container whose user has no home.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # its specification says to ignore a relative path
        base = Path(given)
    elif sys.platform == "darwin":
        base = _home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    else:
        base = _home() / ".cache"
    return base / "tinygrad-lite"


def _home() -> Path:
    """The user's home folder, which may not exist."""
    home = os.path.expanduser("~")
    if not os.path.isabs(home) or os.environ.get("HOME") == "":  # the user of a container
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", home)
    return Path(home)


def _named_folders(source: Source, root: files.FilePath | None) -> dict[str, Path]:
    """The folders that the user named, each by the name of its setting, first choice first."""
    settings = {"root": root, VARIABLE: os.environ.get(VARIABLE) or None}
    return {
        setting: Path(files.checked_path(value, source.function))
        for setting, value in settings.items()
        if value is not None
    }


def _in_named_folders(
    source: Source, root: files.FilePath | None, passed_over: list[str]
) -> tuple[dict[str, Path], str] | None:
    """The files in the first folder that has them all, and that folder's name."""
    for setting, named in _named_folders(source, root).items():
        if os.path.isfile(named):
            passed_over.append(_complaint(setting, named, "is a file, and no folder"))
            continue
        complaint = ""
        for folder in (*(named / name for name in source.folders), named):
            found = source.find(folder)
            said = source.objection(setting, folder, found)
            if not said:
                return found, str(folder)
            if not complaint and (found or folder == named):
                complaint = _complaint(setting, folder, said)
        passed_over.append(complaint)
    return None


def _cache(source: Source) -> Path:
    """The data set's folder in the cache.  No home folder is made where there is none."""
    folder, home = cache_folder(), os.path.expanduser("~")
    if folder.is_relative_to(home) and not os.path.isdir(home):
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", home)
    return folder / source.folders[0]


def _in_the_cache(
    source: Source, passed_over: list[str], stack: ExitStack
) -> tuple[dict[str, Path], str]:
    """The files in the first folder that can be written, downloaded if necessary; its name."""
    places: dict[str, Callable[[], Path]] = {
        "the cache": partial(_cache, source),
        **{
            setting: partial(Path, named, source.folders[0])
            for setting, named in _named_folders(source, None).items()
        },
        "a temporary folder": lambda: Path(
            stack.enter_context(TemporaryDirectory(prefix="tinygrad-lite-"))
        ),
    }
    failures: list[str] = []
    for setting, place in places.items():
        try:
            folder = place()
            found = source.find(folder)
            missing = {name: file for name, file in source.files.items() if name not in found}
            failures = download(missing, source.mirrors, folder) if missing else []
        except OSError as error:
            passed_over.append(f"{setting} cannot be written ({error.strerror or error})")
            continue
        found = source.find(folder)
        said = source.objection(setting, folder, found)
        if not said:
            kept = setting != "a temporary folder"
            return found, str(folder) if kept else f"{setting}; {_KEEP}"
        passed_over.append(_complaint(setting, folder, said))
        break
    raise DataUnavailable(
        f"{source.title} is not here and could not be downloaded: "
        f"{'; '.join(passed_over + failures)}; "
        f"pass root= or set {VARIABLE} to a folder that holds {source.wanted}"
    )


def _complaint(setting: str, folder: Path, said: str) -> str:
    return f"{setting} {files.printable(folder)} {said}"
