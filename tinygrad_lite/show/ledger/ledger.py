"""Ledger: what a computation costs, by op, Module and source line."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

from ...arrays.arguments import choice, wrong
from ...arrays.locks import ProcessLock
from ...engine.graph import Node, Output, TensorBase
from ...files import FilePath
from ..graph.history import History
from ..graph.naming import Names
from ..outline.folding import Fold, check_fold, folded
from ..outline.outline import outline_of
from ..picture.picture import Picture, checked_suffix
from .costs import By, Cost, NodeCost, Table, time_text
from .heat import heat, measure_of
from .kept_memory import Alive, alive
from .tracefile import Span, save

MOST_EVENTS = 1_000_000  # that a trace file may have; the sums have all

# What the nodes of living graphs cost, as the last `profile` measured it.
measured: "weakref.WeakKeyDictionary[Node, NodeCost]" = weakref.WeakKeyDictionary()

Key = tuple[str, str, str]  # op, Module, line


class Ledger:
    """What a computation costs: `profile` measures it, and `cost` counts it for a graph.

    seconds   inside the block that was measured; 0 if nothing was
    overhead  seconds that the profiler took for itself, which are in no other number

    It prints as a table by op; `by` gives others.
    """

    def __init__(self, tensor: TensorBase | None = None, notes: Sequence[str] = ()) -> None:
        self.seconds = self.overhead = 0.0
        self.tensor = tensor  # whose graph was counted; None for a measured block
        self.nodes: weakref.WeakKeyDictionary[Node, NodeCost] = weakref.WeakKeyDictionary()
        self.events: list[Span] = []
        self.lost = 0  # events
        self._notes = list(notes)
        self._rows: list[dict[Key, Cost]] = []  # one dict for each thread
        self._lock = ProcessLock()

    # Reading

    def by(self, what: By = "op") -> Table:
        """A table by "op", by "module" (the path of the innermost one), or by "line"."""
        choice(what, "Ledger.by: what", *get_args(By))
        timed = any(row.seconds for row in self.rows)
        return Table(self.rows, what, timed, self.notes)

    @property
    def rows(self) -> list[Cost]:
        """What each op cost in each Module and line, all calls together."""
        merged: dict[Key, Cost] = {}
        for rows in list(self._rows):
            for key, row in list(rows.items()):
                merged.setdefault(key, Cost(*key)).add(row)
        return list(merged.values())

    def of(self, node: Node | TensorBase) -> Cost | None:
        """What one node of the graph, or the one that made this tensor, cost; None if unknown."""
        if not isinstance(node, TensorBase | Node):
            raise wrong("Ledger.of: node", "a Tensor or a node", node)
        found = node._node if isinstance(node, TensorBase) else node
        if isinstance(found, Output):
            found = found.parents[0]
        return None if found is None else self.nodes.get(found)

    def alive(self) -> Alive:
        """What is still kept in memory of the graphs that it saw, and who holds them."""
        nodes = sorted(self.nodes.keys(), key=lambda node: node.serial)
        return alive(nodes, self._where, [self, nodes], ())

    @property
    def notes(self) -> list[str]:
        """Sentences about what the numbers are, or do not hold."""
        notes = list(self._notes)
        if self.tensor is None:
            notes.append(
                f"{time_text(self.seconds) or '0 us'} inside the block; the profiler's own "
                f"{time_text(self.overhead) or '0 us'} are in no number"
            )
            if len(self._rows) > 1:
                notes.append(
                    f"times of {len(self._rows)} threads, which ran side by side, added up"
                )
        if any(row.unknown for row in self.rows):
            notes.append("? and >: Functions of your own, and unknown shapes, are not counted")
        return notes

    def draw(
        self,
        path: FilePath | None = None,
        *,
        by: str | None = None,
        names: Any = None,
        fold: Fold = None,
    ) -> Picture:
        """The graph as `draw` draws it, its boxes coloured by what they cost.

            ledger.draw("costs.svg", by="time", names=model, fold="module")

        Of a measured block, the graph of the newest tensor that is still alive: keep the loss.

        by    "time", "flops", "bytes" (kept for the backward pass) or "moved" (bytes read and
              written); default: "time" if it was measured, else "flops"

        Errors: ValueError for another `by`, if there are no times, and if no tensor is alive; those
        of `tinygrad_lite.draw`.
        """
        measure = measure_of(by, any(row.forward or row.backward for row in self.rows))
        check_fold(fold, "Ledger.draw")
        if path is not None:
            checked_suffix(path, "Ledger.draw")
        history, known = History(self._newest()), Names.of(names, "Ledger.draw")
        # Two sets of boxes, since each is coloured by its own largest one.
        shown, whole = folded(outline_of(history, known), fold), outline_of(history, known)
        told = heat(shown.boxes, self.of, measure), heat(whole.boxes, self.of, measure)
        picture = Picture(
            replace(shown, notes=[told[0], *shown.notes]),
            replace(whole, notes=[told[1], *whole.notes]),
        )
        if path is not None:
            picture.save(path)
        return picture

    def _newest(self) -> TensorBase:
        """The newest tensor of what was seen."""
        if self.tensor is not None:
            return self.tensor
        tensors = [one for one in gc.get_objects() if issubclass(type(one), TensorBase)]
        # One that is being made in another thread may have no node yet.
        nodes = [(getattr(one, "_node", None), one) for one in tensors]
        seen = [pair for pair in nodes if pair[0] is not None and self.of(pair[0]) is not None]
        if not seen:
            raise ValueError(
                "Ledger.draw: no tensor that was computed in the block is alive; keep the loss in "
                "a variable"
            )
        return max(seen, key=lambda pair: pair[0].serial)[1]  # type: ignore[union-attr]

    def save(self, path: FilePath) -> None:
        """Write a file: .json, a trace for ui.perfetto.dev and chrome://tracing, or .csv, the rows.

        Errors: ValueError for another ending, and for a trace of what was not measured; those of
        `tinygrad_lite.files.replacing`.
        """
        save(path, self.rows, self.events, self.lost, self.tensor is None)

    def __str__(self) -> str:
        return str(self.by("op"))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.by("op")._repr_html_()

    # Writing

    def new_thread(self) -> tuple[int, dict[Key, Cost]]:
        """The number of a thread, from 1, and its rows, to which only it adds."""
        with self._lock.lock:
            self._rows.append({})
            return len(self._rows), self._rows[-1]

    def note(self, event: Span) -> None:
        """Add an event to the trace."""
        if len(self.events) < MOST_EVENTS:
            self.events.append(event)
        else:
            self.lost += 1

    def enter(self, node: Node, cost: NodeCost) -> None:
        """Add what one node cost."""
        self.nodes[node] = cost
        key = cost.op, cost.module, cost.line
        rows = self._rows[0] if self._rows else self.new_thread()[1]
        rows.setdefault(key, Cost(*key)).add(cost)

    def _where(self, node: Node) -> tuple[str, str]:
        cost = self.nodes.get(node)
        return (node.line or "", "") if cost is None else (cost.line, cost.module)
