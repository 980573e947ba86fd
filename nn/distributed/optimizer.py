"""`DistributedOptimizer`: an optimiser whose gradients are those of all processes together."""

import gc
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from tinygrad_lite import Tensor, arguments

from .._processes import Fact, Processes, checksum
from ..layers import Embedding, EmbeddingBag
from ..optim import LBFGS, Optimizer
from ..reflection import complete
from ..state import buffers_among
from ..training._leading import shared
from .batch_normalisation import CHUNKS, SyncBatchNorm
from .gradients import Gradients, exchanges
from .ordered_gradients import OrderedGradients
from .processes import start
from .sharding import shard
from .statistics import normalising

Trained = TypeVar("Trained", bound=Optimizer)

BUCKET_BYTES = 4 << 20  # of gradients that are sent together


def DistributedOptimizer(
    optimizer: Trained,
    *,
    model: Any = None,
    chunks: int | None = None,
    bucket_bytes: int = BUCKET_BYTES,
) -> Trained:
    """The same optimiser; from now on each `backward` leaves the mean gradients of all processes.

        sgd = nn.distributed.DistributedOptimizer(sgd, model=model)

    Between `backward` and `step` nothing else changes: `.grad` is the mean over the whole batch, in
    all processes, so that clipping, accumulation and a look at it are right, and all processes make
    the same step.  Gradients are sent while the backward pass goes on.

    model         what the parameters belong to: its buffers are sent too, at the beginning, and the
                  running statistics of its BatchNorm layers are averaged with the gradients
                  (`statistics` says how); other buffers stay as each process makes them.  Without
                  a model, all do, and the statistics differ between processes, also with chunks
    chunks        K: cut each batch into K parts, each computed alone, and add their gradients in an
                  order that does not depend on the number of processes: the weights are the same
                  bits for 1, 2, ..., K processes.  The loop runs once for each part, with one
                  backward pass in it; a `step`, which takes no closure, does nothing until all
                  parts are there, and so does the update of an `AveragedModel`.  In a loop over
                  `shard` or `parts`, which see that draws, such as those of dropout, follow from
                  the part.  Count steps by `report.taken`: the loop counts parts, of which one
                  process may have more than another
    bucket_bytes  from how many bytes on gradients are sent, without waiting for more

    All processes call this.  They compare names, shapes, dtypes and options, and get the values of
    the parameters, of the buffers and of the optimiser's state from rank 0.

    Without a loop over parts, each process counts the same.  A part of a batch counts by its rows:
    its loss has to be a mean over them.

    The exchange ends with the optimiser, so keep it while gradients are to be averaged.

    Every process makes the same backward passes, which reach parameters of the same optimisers; of
    several, in the same order.  A parameter that one process does not use, beside others of its
    optimiser, counts 0 there; one that none of them uses has no gradient.

    Errors: TypeError for what is no optimiser; ValueError if it is distributed already, if the
    processes have different parameters or options, if there are fewer chunks than processes, or
    chunks and a `SyncBatchNorm`, if an optimiser with a `step` of its own has a state already; for
    an Embedding with max_norm, which would write other weights in each process (seen only with
    `model`); and for LBFGS, which decides by the loss, of which each process knows a part.
    """
    caller = "DistributedOptimizer"
    processes = start()  # before the checks, so that what all are told is told once
    if not isinstance(optimizer, Optimizer):
        raise arguments.wrong(caller, "an optimiser", optimizer)
    if optimizer in exchanges:
        raise ValueError(
            f"{caller}: expected an optimiser that is not distributed yet; data_parallel does that "
            "too, so leave out one of the two"
        )
    limit = arguments.integer(bucket_bytes, f"{caller}: bucket_bytes", least=1)
    if chunks is not None:
        chunks = arguments.integer(chunks, f"{caller}: chunks", least=1)
    _check(optimizer, chunks, processes)
    found = [] if model is None else complete(caller, model)
    layers = normalising({id(part.value): part.value for part in found}.values())
    synchronised = [layer for layer in layers if isinstance(layer, SyncBatchNorm)]
    if synchronised and chunks is not None:
        raise ValueError(f"{caller}: chunks: {CHUNKS}")
    if chunks is not None or processes.size > 1:
        _refuse_scaled_tables(caller, found)
    if processes.size > 1:
        _align(optimizer, dict(buffers_among(found)), processes, chunks, limit)
    processes.chunks = chunks
    if chunks is None and processes.size == 1:
        return optimizer
    kind = Gradients if chunks is None else OrderedGradients
    exchanges[optimizer] = optimizer.exchange = kind(optimizer, layers, limit)
    return optimizer


def data_parallel(
    model: Any,
    optimizer: Trained,
    loader: Any = None,
    *,
    chunks: int | None = None,
) -> tuple[Trained, Any]:
    """Train one model in all processes that mpiexec started: the optimiser and the loader for it.

        sgd, batches = nn.distributed.data_parallel(model, sgd, batches)

    It is `DistributedOptimizer(optimizer, model=model, chunks=chunks)` and `shard(loader)`.  In one
    process alone, without chunks, both are what they were.
    """
    optimizer = DistributedOptimizer(optimizer, model=model, chunks=chunks)
    return optimizer, None if loader is None else shard(loader)


def _check(optimizer: Optimizer, chunks: int | None, processes: Processes) -> None:
    """Raise if this optimiser cannot be trained so."""
    name = type(optimizer).__name__
    own_step = type(optimizer).step is not Optimizer.step
    if own_step and chunks is not None:
        raise ValueError(
            f"DistributedOptimizer: chunks: {name} has a step of its own, which would see one part "
            "of a batch; leave out chunks"
        )
    if isinstance(optimizer, LBFGS) and processes.size > 1:
        raise ValueError(
            "DistributedOptimizer: LBFGS decides by the loss, of which each process knows only its "
            "part; expected another optimiser, or one process"
        )
    few = chunks is not None and chunks < processes.size
    if processes.size > 1:
        facts = [Fact(f"chunks={chunks}", "give all the same chunks=")]
        processes.agree("DistributedOptimizer", few, lambda: facts)
    if few:
        fewer = ValueError(
            f"DistributedOptimizer: chunks: expected {processes.size} or more, one for each "
            f"process; got {chunks}: start fewer processes, or take more chunks"
        )
        raise shared(fewer, told=not processes.leads, plain=True)
    if exchanges and processes.chunks != chunks:
        gc.collect()  # one that nobody uses may be part of a cycle
    if exchanges and processes.chunks != chunks:
        raise ValueError(
            f"DistributedOptimizer: chunks: expected {processes.chunks}, as for the optimiser "
            f"before; got {chunks}"
        )


def _refuse_scaled_tables(caller: str, found: Sequence[Any]) -> None:
    """Raise for a layer that writes into its weight: the rows that its part of a batch names."""
    for part in found:
        if isinstance(part.value, Embedding | EmbeddingBag) and part.value.max_norm is not None:
            name = type(part.value).__name__ + (f" at {part.path}" if part.path else "")
            raise ValueError(
                f"{caller}: the {name}, with max_norm, scales the rows that it looks up, which are "
                "others in each part of a batch; expected max_norm=None"
            )


def _align(
    optimizer: Optimizer,
    buffers: dict[str, Tensor],
    processes: Processes,
    chunks: int | None,
    limit: int,
) -> None:
    """Let all processes have the parameters, the buffers and the state of rank 0."""
    name = type(optimizer).__name__
    tensors = {**_named(optimizer), **buffers}
    own = _description(optimizer, tensors, chunks, limit)
    given = processes.broadcast(
        f"the parameters of {name}", json.dumps(own).encode() if processes.leads else None
    )
    expected = json.loads(given)
    for ours, theirs in zip(own, expected, strict=False):
        if ours != theirs:
            raise ValueError(
                f"DistributedOptimizer: rank {processes.rank} has {ours}, and rank 0 {theirs}; "
                "expected the same model and optimiser in all processes"
            )
    processes.agree(f"the values of the parameters of {name}")
    has_state = processes.broadcast(
        f"whether {name} has a state",
        bytes([bool(optimizer.state)]) if processes.leads else None,
    )
    if has_state[0]:
        if type(optimizer).step is not Optimizer.step:
            raise ValueError(
                f"DistributedOptimizer: {name} has a step of its own, and its state cannot be sent;"
                " expected no state yet: load it afterwards, in all processes"
            )
        tensors |= dict(optimizer.named_state())
    elif optimizer.state:
        optimizer.state.clear()
    for path, tensor in tensors.items():
        content = processes.broadcast(path, tensor.data.tobytes() if processes.leads else None)
        if not processes.leads:
            array = np.frombuffer(content, tensor.dtype).reshape(tensor.shape)
            np.copyto(tensor.data, array)
            tensor.mark_changed()
    found = checksum(each.data for each in tensors.values())
    processes.agree(f"the parameters of {name}, as they came", found)


def _named(optimizer: Optimizer) -> dict[str, Tensor]:
    """The parameters by name: those given with them, or their numbers."""
    found: dict[str, Tensor] = {}
    for group in optimizer.param_groups:
        names = group.get("param_names") or range(len(found), len(found) + len(group["params"]))
        found |= {f"parameter {name}": x for name, x in zip(names, group["params"], strict=True)}
    return found


def _description(
    optimizer: Optimizer, tensors: dict[str, Tensor], chunks: int | None, limit: int
) -> list[str]:
    """What must be the same in all processes, in lines."""
    lines = [f"chunks={chunks}", f"bucket_bytes={limit}", f"a {type(optimizer).__name__}"]
    for number, group in enumerate(optimizer.param_groups):
        for key, value in group.items():
            if key not in ("params", "param_names"):
                lines.append(f"{key}={value} in group {number}")
    lines.append(f"{len(tensors)} parameters and buffers")
    return lines + [f"{path} {x.shape} {x.dtype}" for path, x in tensors.items()]
