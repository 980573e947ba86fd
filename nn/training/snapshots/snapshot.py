"""Snapshot: a whole training in one file, from which it resumes to the same bits.

`_snapshot_file` says what is in the file, `_module_part` and `_parts` what is saved of each kind of
object, `_random_state` and `_environment` what is saved besides.
"""

import errno
import io
import os
import re
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any, BinaryIO, NoReturn

import numpy as np

from tinygrad_lite import Tensor, arguments, files, warn

from ..._processes import current
from ...reflection import walk
from .._environment import differences, environment
from .._leading import by_leading
from ._comparing import checked_config, other_order
from ._encoding import Decoder, Encoder
from ._module_part import ModulePart
from ._part import Part, changes, gather_states, listed
from ._parts import GENERATORS, OptimizerPart, part_of
from ._random_state import check_random_state, random_state, set_random_state
from ._snapshot_file import read, read_state, write

LAG = 100  # saves by which two processes that write to one path may differ
ENTRY = {"kind", "class", "trains", "state"}
MOST = 10**18  # the numbers of files are below it
SECTIONS = {"number", "score", "config", "environment", "random", "values", "parts"}


class Snapshot:
    """A file with the whole state of a training, which may be stopped by any means and resumed.

        snapshot = nn.training.Snapshot(
            "run.safetensors", model=model, optimizer=optimizer, loader=loader
        )
        values = snapshot.resume() or {"losses": []}
        for epoch in range(loader.epoch, 20):
            for x, y in loader:
                optimizer.zero_grad()
                loss = model(x).sparse_categorical_crossentropy(y)
                loss.backward()
                optimizer.step()
                values["losses"].append(loss.item())
            snapshot.save(score=accuracy(model), **values)

    path    the newest file; its folder has to exist
    keep    the number of last files to keep: the newest one, run.safetensors, and numbered ones
            before it, such as run.000041.safetensors
    config  a dict of the options of the training, such as `vars(arguments)`: the file has it, and
            `resume` warns if it is different
    parts   by name: modules, optimisers, Tensors, NumPy's Generators, and whatever has a
            `state_dict` and a `load_state_dict`, such as a DataLoader or reduce_on_plateau

    What is saved: of a module, its parameters, all buffers, gradients, which parameters are frozen
    and which modules are in training mode; of an optimiser, its options and its state; the states
    of the generators of Tensor, Python's `random` and np.random; the versions of NumPy and BLAS and
    the number of threads.  Other attributes of modules and variables of the program are not saved:
    pass them to `save`.

    Gradients are saved because some programs accumulate them over several steps; `zero_grad()`
    before `save` makes the file smaller.

    Of several processes that train together, all call `save` and `resume`.  The leading one alone
    has the file, and sends it to the others to resume, whose number may be another.  If a part has
    a method `gather_state`, all call it first, to exchange what belongs to its state.

    `tinygrad_lite.checkpoint` is something else: it saves memory by recomputation.

    Errors: TypeError for a part or a config of another type; ValueError for keep below 1.
    """

    def __init__(
        self,
        path: files.FilePath,
        *,
        keep: int = 1,
        config: Mapping[str, Any] | None = None,
        **parts: Any,
    ) -> None:
        name = files.checked_path(path, "Snapshot: path")
        if not os.path.basename(name):
            reason = "Snapshot: path: expected the name of a file; this is a folder"
            raise OSError(errno.EISDIR, reason, name)
        self.path = os.path.abspath(name)
        self.keep = arguments.integer(keep, "Snapshot: keep", least=1)
        self.config = checked_config(config)
        for name in parts:
            if not name.isidentifier():
                raise ValueError(f"Snapshot: expected names for parts; got {arguments.shown(name)}")
        self._parts = {name: part_of(name, part) for name, part in parts.items()}

    def save(self, score: float | Tensor | None = None, **values: Any) -> None:
        """Write everything to a new file, which replaces the last one once it is complete.

        score   how good the model is: the file with the highest one so far is also kept as
                run.best.safetensors.  (Remove that of an earlier run before another one.)
        values  what `resume` returns: numbers, text, None, arrays, Tensors, and lists, tuples and
                dicts of them

        If the program is killed meanwhile, the last file remains.  The order is this: the last file
        gets its numbered name; a file with a new highest score is written as run.best.safetensors
        and then gets the name `path` as well, any other is written to `path`; the oldest numbered
        file is removed.  At any moment, each name is that of a complete file.  (Two names of one
        file are hard links, or copies if the system has no links.)

        With `nn.distributed` and chunks, a batch comes in several parts: then this does nothing
        until the last one, as the optimiser's step.

        Errors, after which the last file remains: OSError if the file cannot be written; TypeError
        for a value of another type; ValueError if an optimiser trains a tensor that is in no part,
        if a module holds a Generator that is in none, or if the file with the name of the best one
        is not a snapshot.
        """
        if current().midway:  # a batch that was computed in part is no state to go on with
            return
        gather_states(part.value for part in self._parts.values())
        by_leading(f"saving {os.path.basename(self.path)}", lambda: self._save(score, values))

    def _save(self, score: float | Tensor | None, values: dict[str, Any]) -> None:
        trained = self._trained("save")
        rank = None if score is None else float(_number(score))
        newest = self._peek(self.path, "save")
        best = self._named("best")
        record = self._peek(best, "save") if rank is not None else None
        if rank is not None and record is None and os.path.lexists(best):
            raise ValueError(
                f"save: {files.printable(best)!r} is no snapshot, and its name is that of the best "
                "one; move it away"
            )
        is_best = rank is not None and rank > _rank(record)
        number = max([0 if newest is None else newest["number"], *self._numbers()]) + 1
        while os.path.lexists(self._named(f"{number:06d}")):  # somebody else's
            number += 1
        encoder = Encoder("save")
        state = {
            "number": number,
            "score": encoder(rank, "score"),
            "config": self.config,
            "environment": environment(),
            "random": encoder(random_state(), "random"),
            "values": encoder(values, "values"),
            "parts": {
                name: {
                    "kind": part.kind,
                    "class": part.name,
                    "trains": trained[name],
                    "state": part.encoded(encoder, name),
                }
                for name, part in self._parts.items()
            },
        }
        if newest is not None and self.keep > 1:
            files.link(self.path, self._named(f"{newest['number']:06d}"), "save")
        with files.replacing(best if is_best else self.path, "save") as file:
            write(file, state, encoder.arrays)
        if is_best:
            files.link(best, self.path, "save")
        self._remove_old(number)

    def resume(self) -> dict[str, Any] | None:
        """Restore everything as it was at the last `save`, and return the values passed to that.

        Returns None, and changes nothing, if there is no file.  Old files that a killed `save` left
        are removed.

        There is a warning, of one line each, if the config is different, if a module has another
        layer among those without parameters, and if the version of NumPy or BLAS or the number of
        threads is different, since the bits of results then are too.

        Errors, after which everything is as before, to the bit: ValueError, in one line, if the
        file is damaged or not a snapshot, or does not match one of the parts; OSError if it cannot
        be read.
        """
        trained = self._trained("resume")
        values: dict[str, Any] = {}

        def lead() -> bytes:
            """Resume here; the bytes of the file for the others, none if there is no file."""
            try:
                with files.reading(self.path, "resume") as file:
                    content = b"here" if current().size == 1 else file.read()
                    state = self._read(file if current().size == 1 else io.BytesIO(content))
            except FileNotFoundError:
                if os.path.isdir(os.path.dirname(self.path)):
                    return b""
                raise
            self._check(state, trained)
            for remark in self._remarks(state):
                warn(f"resume: {files.printable(self.path)!r}: {remark}")
            values.update(self._loaded(state))
            with suppress(OSError):  # a folder that one may only read
                self._remove_old(state["number"])
            return content

        content = by_leading(f"resuming from {os.path.basename(self.path)}", lead)
        if content and not current().leads:
            state = self._read(io.BytesIO(content))
            self._check(state, trained)
            values.update(self._loaded(state))
        return values if content else None

    def _loaded(self, state: Any) -> dict[str, Any]:
        """Restore everything, or nothing; the values."""
        with ExitStack() as undo:
            undo.callback(set_random_state, random_state())
            for name, part in self._in_order():
                try:
                    part.load(state["parts"][name]["state"], undo)
                except (LookupError, TypeError, ValueError) as error:
                    self._refuse(f"{name}: {_reason(error)}", error)
            set_random_state(state["random"])
            undo.pop_all()
        values: dict[str, Any] = state["values"]
        return values

    def __repr__(self) -> str:
        parts = "".join(f", {name}={part.name}" for name, part in self._parts.items())
        return f"Snapshot({files.printable(self.path)!r}, keep={self.keep}{parts})"

    # Names of files

    def _named(self, what: str) -> str:
        """The path of another file of this run: run.WHAT.safetensors."""
        stem, suffix = os.path.splitext(self.path)
        return f"{stem}.{what}{suffix}"

    def _numbers(self) -> list[int]:
        """The numbers in the names of the files before the newest one."""
        folder, name = os.path.split(self.path)
        stem, suffix = os.path.splitext(name)
        pattern = re.compile(re.escape(stem) + r"\.(\d{6,18})" + re.escape(suffix))
        try:
            found = [pattern.fullmatch(entry) for entry in os.listdir(folder)]
        except FileNotFoundError:  # which is an error when the file is written
            return []
        numbers = [int(match[1]) for match in found if match]
        return [number for number in numbers if self._is_ours(number)]

    def _is_ours(self, number: int) -> bool:
        """Whether `save` gave a file this number, and not a user, such as a date to a copy.

        Where two processes save, the file may be newer or a little older than its name says.
        """
        try:
            found = self._peek(self._named(f"{number:06d}"), "Snapshot")
        except OSError:  # a folder, a pipe, or a file that is not to be read
            return False
        return found is not None and found["number"] + LAG >= number

    def _remove_old(self, newest: int) -> None:
        """Of the files before the one with this number, keep the last `keep - 1`."""
        if self.keep > 1:
            before = sorted(number for number in self._numbers() if number < newest)
            for old in before[: 1 - self.keep]:
                with suppress(FileNotFoundError):  # another process did it
                    os.unlink(self._named(f"{old:06d}"))

    def _peek(self, path: str, caller: str) -> dict[str, Any] | None:
        """The state in a snapshot, without its arrays; None if there is no snapshot."""
        try:
            with files.reading(path, caller) as file:
                found = read_state(file)
        except (FileNotFoundError, ValueError):
            return None
        return found if _is_number(found.get("number")) else None

    # Checks

    def _trained(self, caller: str) -> dict[str, list[str | None]]:
        """For each part, the names of the parameters that it trains, if it is an optimiser.

        ValueError if an optimiser trains a tensor that is not saved.
        """
        names = {
            id(tensor): f"{name}.{path}".rstrip(".")
            for name, part in reversed(self._parts.items())
            for path, tensor in part.tensors().items()
        }
        found: dict[str, list[str | None]] = {name: [] for name in self._parts}
        for name, part in self._parts.items():
            for tensor in part.value.params if isinstance(part, OptimizerPart) else ():
                if id(tensor) not in names and not self._held_elsewhere(tensor):
                    raise ValueError(
                        f"{caller}: {name} trains a tensor of shape {tensor.shape} that no part "
                        "holds; pass its module too: Snapshot(path, model=model, ...)"
                    )
                found[name].append(names.get(id(tensor)))
        self._check_generators(caller)
        return found

    def _check_generators(self, caller: str) -> None:
        """ValueError if a module draws from a generator of its own that is not saved."""
        given = {id(part.value) for part in self._parts.values()}
        for name, part in self._parts.items():
            if not isinstance(part, ModulePart) or part.own_dict:  # which may save it
                continue
            for path, value in walk(part.value):
                if not isinstance(value, np.random.Generator) or id(value) in given:
                    continue
                kind = type(value.bit_generator).__name__
                if kind in GENERATORS and not self._held_elsewhere(value):
                    raise ValueError(
                        f"{caller}: {name}.{path} is a generator that no part holds, so its random "
                        f"numbers would begin again; pass it too: Snapshot(path, rng=..., ...)"
                    )

    def _held_elsewhere(self, thing: Any) -> bool:
        """Whether a part of a user's class holds it."""
        own = [part.value for part in self._parts.values() if type(part) is Part]
        return any(value is thing for part in own for _, value in walk(part))

    def _read(self, file: BinaryIO) -> Any:
        """The state in the file, with its arrays."""
        try:
            return read(file)
        except ValueError as error:
            numbers = self._numbers()
            older = self._named(f"{max(numbers):06d}") if numbers else ""
            before = f"the one before it is {files.printable(older)!r}"
            self._refuse(f"{error}; {before if older else 'remove it to start anew'}", error)

    def _check(self, state: Any, trained: dict[str, list[str | None]]) -> None:
        """ValueError if this is not a state that `save` wrote, or not one of these parts."""
        if not isinstance(state, dict) or state.keys() != SECTIONS:
            self._refuse(f"expected {', '.join(sorted(SECTIONS))} in its state")
        for section in ("parts", "values", "config"):
            if not isinstance(state[section], dict):
                self._refuse(f"{section} is {arguments.shown(state[section])}")
        number, score = state["number"], state["score"]
        if not _is_number(number) or type(score) not in (float, type(None)):
            self._refuse("expected a number and a score in its state")
        for name in state["parts"]:
            if name not in self._parts:
                self._refuse(f"it holds a part {arguments.shown(name)}, which is not given here")
        for name, part in self._parts.items():
            entry = state["parts"].get(name)
            if entry is None:
                self._refuse(f"it holds no part {name!r}; it was saved without")
            if not isinstance(entry, dict) or entry.keys() != ENTRY:
                self._refuse(f"{name}: expected {', '.join(sorted(ENTRY))}")
            kind, cls = entry["kind"], entry["class"]
            if not isinstance(kind, str) or not isinstance(cls, str):
                self._refuse(f"{name}: expected text as its kind and its class")
            if kind != part.kind or (cls != part.name and kind != "module"):
                self._refuse(
                    f"{name}: it was saved from {files.printable(cls, 60)}; this is {part.name}"
                )
            reason = other_order(entry["trains"], trained[name])
            if reason:
                self._refuse(f"{name}: {reason}")
            try:
                part.check(entry["state"])
            except (TypeError, ValueError) as error:
                self._refuse(f"{name}: {_reason(error)}", error)
        try:
            check_random_state(state["random"])
            differences(state["environment"])
        except ValueError as error:
            self._refuse(str(error), error)

    def _remarks(self, state: Any) -> list[str]:
        """The warnings of `resume`."""
        remarks = {
            name: part.remarks(state["parts"][name]["state"]) for name, part in self._parts.items()
        }
        found = [f"{name}: {remark}" for name, remark in remarks.items() if remark]
        changed = changes(state["config"], Decoder({})(self.config))
        found += [f"config: {listed(changed)}"] if changed else []
        other = differences(state["environment"])
        return found + ([other] if other else [])

    def _in_order(self) -> list[tuple[str, Part]]:
        """First the parts whose changes can be undone to the bit, then those of users' classes."""
        return sorted(self._parts.items(), key=lambda item: item[1].kind == "object")

    def _refuse(self, reason: str, error: Exception | None = None) -> NoReturn:
        raise ValueError(f"resume: {files.printable(self.path)!r}: {reason}") from error


def _is_number(number: Any) -> bool:
    """Whether it can be the number of a file: it fits into a name."""
    return type(number) is int and 0 < number < MOST


def _number(score: Any) -> float:
    if isinstance(score, Tensor) and score.numel() == 1:
        score = score.item()
    return arguments.number(score, "save: score")


def _rank(state: dict[str, Any] | None) -> float:
    """The score in a state; -inf if there is none."""
    score = -np.inf if state is None else Decoder({})(state.get("score"))
    return float(score) if isinstance(score, float) and score == score else -np.inf


def _reason(error: Exception) -> str:
    """The text of an error on one line; that of a KeyError alone would be just the key."""
    text = files.printable(error, 2000)
    return text if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: {text}"
