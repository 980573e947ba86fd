"""A snapshot that was changed in any way gives one line, or all that was saved; never a half."""

import json
import os
import random
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from every import each

import nn
from nn.training import Snapshot
from tinygrad_lite import Tensor, generator

OTHER: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 2**63, -(2**70), 10**400, 0.5, -0.0, 1e308, "", "a", "0x1",
    "Adam", "7ff8000000000001", [], [0], [[]], [1, 2], {}, {"a": 1}, {"$tuple": []}, {"$tuple": 1},
    {"$dict": [[[], 1]]}, {"$dict": [[1, 2], [1, 3]]}, {"$float": "7ff8000000000001"},
    {"$int": "0xfffffffffffffffffffff"}, {"$number": ["<f4", "00"]}, {"$array": "no such name"},
    {"$number": ["|O8", "00" * 8]}, {"$array": "model.0.weight"}, {"$array": 0},
    {"$array": "model.0.bias", "order": [0, 0]}, {"$array": "model.0.bias", "dtype": "<M8[s]"},
    {"$tensor": "values.x"}, {"$what": 1}, {"$tuple": [], "$dict": []},
]  # fmt: skip


class Training:
    """Parts of every kind, some of which take over a state only if it fits."""

    def __init__(self) -> None:
        Tensor.manual_seed(1)
        layers = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)
        self.model = nn.Sequential(*layers)
        self.extra = nn.Linear(2, 2)
        self.optimizer = nn.optim.Adam(self.model.parameters(), lr=0.1, amsgrad=True)
        self.lbfgs = nn.optim.LBFGS(self.extra.parameters(), lr=0.1, max_iter=2)
        self.schedule = nn.optim.schedules.reduce_on_plateau(0.1)
        self.rng = np.random.default_rng(3)
        self.twister = np.random.Generator(np.random.MT19937(4))

    def snapshot(self, path) -> Snapshot:
        return Snapshot(path, config={"lr": 0.1}, **vars(self))

    def step(self) -> None:
        x = Tensor.randn(5, 3)
        self.optimizer.zero_grad()
        self.model(x).square().mean().backward()
        self.optimizer.step()

        def closure():
            self.lbfgs.zero_grad()
            loss = self.extra(x[:, :2]).square().mean()
            loss.backward()
            return loss

        self.lbfgs.step(closure)
        self.schedule(1.0)
        self.rng.normal()
        self.twister.normal()

    def memory(self) -> Any:
        """All that a resume may change, bit for bit."""
        tensors = [*self.model.parameters(), *self.model.buffers(), *self.extra.parameters()]
        arrays = [tensor.data for tensor in tensors]
        arrays += [tensor.grad.data for tensor in tensors if tensor.grad is not None]
        lists = []
        for optimizer in (self.optimizer, self.lbfgs):
            lists.append([dict(group, params=None) for group in optimizer.param_groups])
            for tensor in optimizer.params:
                for name, kept in sorted(optimizer.state.get(tensor, {}).items()):
                    listed = kept if isinstance(kept, list) else [kept]
                    arrays += [np.asarray(getattr(x, "data", x)) for x in listed]
                    lists.append((name, len(listed)))
        modules = [m.training for m in (*self.model.modules(), *self.extra.modules())]
        frozen = [t.requires_grad for t in tensors]
        drawn = generator.get_state(), generator.get_state(self.rng)
        drawn += (generator.get_state(self.twister), random.getstate())
        numpys = np.random.get_state(legacy=False)  # noqa: NPY002
        kept = [(a.dtype.str, a.shape, a.tobytes()) for a in arrays]
        return kept, repr((lists, modules, frozen, drawn, self.schedule, numpys))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Thousands of files are of no use after the test."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a snapshot, what was saved, and the place for changed ones."""
    return one_saved(tmp_path_factory.mktemp("snapshot") / "run.safetensors")


def one_saved(path):
    training = Training()
    training.step()
    training.step()
    training.model[0].bias.requires_grad_(False)
    training.model[2].eval()
    values = {"epoch": (1, [2.5, float("nan")], {3: "x"}), "x": np.arange(6.0).reshape(2, 3).T}
    training.snapshot(path).save(score=0.5, **values)
    return path.read_bytes(), (training.memory(), repr(values)), path


def attempt(content: bytes, path) -> tuple[str, Any]:
    """How a resume from these bytes ends; memory is looked at before and afterwards."""
    path.write_bytes(content)
    training = Training()
    training.rng.normal()
    training.schedule(3.0)
    before = training.memory()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = training.snapshot(path).resume()
    except ValueError as error:
        text = str(error)
        assert text.startswith(f"resume: '{path}': "), text
        assert "\n" not in text, text
        assert len(text) < 600, text
        assert training.memory() == before, text
        return "refused", text
    found = training.memory(), repr(values)
    training.step()
    training.snapshot(path).save()
    return "resumed", found


def damaged(content: bytes, rng: random.Random) -> bytes:
    """One change to the bytes."""
    place, length = rng.randrange(len(content)), rng.randrange(1, 200)
    end = place + length
    header = 8 + int.from_bytes(content[:8], "little")
    match rng.randrange(8):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + rng.randbytes(length) + content[place:]
        case 2:
            return content[:place] + content[end:]
        case 3:
            return content[:place] + rng.randbytes(length) + content[end:]
        case 4:
            other = rng.randrange(len(content))
            return content[:place] + content[other : other + length] + content[end:]
        case 5:
            place = rng.randrange(header)
    flipped = bytes([content[place] ^ (1 << rng.randrange(8))])
    return content[:place] + flipped + content[place + 1 :]


def nodes(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every node of a JSON tree."""
    if path:
        yield path
    pairs = tree.items() if isinstance(tree, dict) else ()
    for key, branch in enumerate(tree) if isinstance(tree, list) else pairs:
        yield from nodes(branch, (*path, key))


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def edited(tree: Any, path: tuple[Any, ...], rng: random.Random) -> None:
    """Change one node of a JSON tree in place."""
    holder, key = at(tree, path[:-1]), path[-1]
    match rng.randrange(6):
        case 0 if isinstance(holder, dict):
            holder[rng.choice(["", "$array", "another", "__metadata__"])] = holder.pop(key)
        case 1:
            del holder[key]
        case 2:
            other = rng.choice(list(nodes(tree)))
            if path[: len(other)] != other[: len(path)]:
                holder[key] = json.loads(json.dumps(at(tree, other)))
        case 3 if isinstance(holder, list):
            holder.insert(key, rng.choice(OTHER))
        case _:
            holder[key] = rng.choice(OTHER)


def with_header(content: bytes, change) -> bytes:
    """With another header; `change` gets it, and the arrays as bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    change(header, content[end:])
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[end:]


def with_edited_header(content: bytes, rng: random.Random) -> bytes:
    """One change to what the safetensors header says; the checksum stays."""

    def change(header, _) -> None:
        edited(header, rng.choice(list(nodes(header))), rng)

    return with_header(content, change)


def with_edited_state(content: bytes, rng: random.Random) -> bytes:
    """One change to the state, and the checksum that goes with it: an attacker's file."""

    def change(header, arrays) -> None:
        metadata = header["__metadata__"]
        state = json.loads(metadata["state"])
        where = rng.choice([place for place in nodes(state) if not is_dull(place)])
        edited(state, where, rng)
        text = json.dumps(state)
        metadata.update(state=text, checksum=checksum(text, header, arrays))

    return with_header(content, change)


def is_dull(path: tuple[Any, ...]) -> bool:
    """One of the many numbers of a Mersenne twister."""
    return isinstance(path[-1], int) and path[-1] > 2 and ("key" in path or "python" in path)


def checksum(text: str, header: Any, arrays: bytes) -> str:
    """As in the file, written a second time."""
    codes = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "U8": "|u1", "BOOL": "|b1"}
    found = zlib.crc32(text.encode())
    for name in sorted(header):
        if name != "__metadata__":
            entry = header[name]
            start, stop = entry["data_offsets"]
            head = f"{name} {codes[entry['dtype']]} {tuple(entry['shape'])}"
            found = zlib.crc32(arrays[start:stop], zlib.crc32(head.encode(), found))
    return f"crc32:{found:08x}"


@each(seed=range(100))
def test_a_damaged_file_is_refused_or_the_same(seed, saved):
    content, expected, path = saved
    rng = random.Random(seed)
    kind = damaged if seed % 3 else with_edited_header
    outcome, found = attempt(kind(content, rng), path)
    assert outcome == "refused" or found == expected


@each(seed=range(100))
def test_an_attackers_file_is_refused_or_taken_as_a_whole(seed, saved):
    content, _, path = saved
    attempt(with_edited_state(content, random.Random(seed)), path)


def test_the_second_checksum_is_the_first(saved):
    content, expected, path = saved

    def change(header, arrays) -> None:
        metadata = header["__metadata__"]
        assert checksum(metadata["state"], header, arrays) == metadata["checksum"]

    assert attempt(with_header(content, change), path) == ("resumed", expected)
