"""Faults to plant, and what the harness says of each: so one sees that it would notice them."""

import os
import random
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np

import nn
from nn.optim.schedules import reduce_on_plateau
from nn.training import Metrics, Snapshot
from tinygrad_lite import Tensor, files, generator


class Fault(NamedTuple):
    plant: Callable[[], None]
    noticed: str  # in what the harness says
    call: str = ""  # at which the process must die; otherwise at any in the middle


def not_called(owner: Any, name: str) -> Callable[[], None]:
    """This method or function does nothing."""
    return lambda: setattr(owner, name, lambda *_: None)


def optimiser_without_its_state() -> None:
    load = nn.optim.Optimizer.load_state_dict

    def loaded(self: Any, state_dict: Any) -> None:
        load(self, state_dict)
        self.state.clear()

    nn.optim.Optimizer.load_state_dict = loaded  # type: ignore[method-assign]


def left_out(part: str, tensors: Callable[[nn.Module], Iterable[Tensor]]) -> Callable[[], None]:
    """These tensors of a module are what they were before the resume."""
    make, resume = Snapshot.__init__, Snapshot.resume

    def made(self: Snapshot, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        parts[self] = options[part]

    def resumed(self: Snapshot) -> Any:
        kept = [(each, each.numpy().copy()) for each in tensors(parts[self])]
        values = resume(self)
        for tensor, array in kept:
            tensor.data[...] = array
        return values

    def plant() -> None:
        Snapshot.__init__, Snapshot.resume = made, resumed  # type: ignore[method-assign]

    parts: dict[Snapshot, nn.Module] = {}
    return plant


def written_in_place() -> None:
    @contextmanager
    def replacing(path: Any, caller: str = "") -> Iterator[BinaryIO]:
        with open(path, "wb") as file:
            yield file

    files.replacing = replacing


def removed_before_it_is_replaced() -> None:
    def replace(new: str, old: str) -> None:
        if os.path.exists(old):
            os.unlink(old)
        os.rename(new, old)

    os.replace = replace  # type: ignore[assignment]


def worker_that_stays() -> None:
    WORKERS.append(subprocess.Popen(["sleep", "60"]))


WORKERS: list[subprocess.Popen[bytes]] = []
FAULTS = {
    "loader": Fault(not_called(nn.data.DataLoader, "load_state_dict"), "other records"),
    "generator": Fault(not_called(generator, "set_state"), "Tensor's generator"),
    "random": Fault(not_called(random, "setstate"), "Python's random"),
    "np.random": Fault(not_called(np.random, "set_state"), "NumPy's random"),
    "optimiser": Fault(optimiser_without_its_state, "optimizer.state.0"),
    "buffers": Fault(left_out("model", nn.Module.buffers), "model.norm.running_mean"),
    "average": Fault(left_out("average", nn.Module.parameters), "average.module"),
    "schedule": Fault(not_called(reduce_on_plateau, "load_state_dict"), "schedule.best"),
    "metrics": Fault(not_called(Metrics, "load_state_dict"), "other records"),
    "resume": Fault(not_called(Snapshot, "resume"), "it went on from step 0"),
    "in place": Fault(written_in_place, "cannot be read", "half a write run"),
    "replace": Fault(
        removed_before_it_is_replaced,
        "no snapshot, though one was saved",
        "rename temporary run.safetensors",
    ),
    "worker": Fault(worker_that_stays, "went on without it"),
}
