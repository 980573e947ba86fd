"""profile: a clock at every operation, forward and backward, in whatever runs inside it.

It is an observer like any other, so the engine has no branch for it.  All times are read from a
clock that stands still while the profiler itself works, so what it costs is in no number.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import numpy as np

from ...arrays.ownership import memory_owner
from ...arrays.shapes import Shape
from ...checkpointing import Checkpoint
from ...engine.graph import Output, OutputGradients, TensorBase
from ...engine.recording import Observer, user_line
from ..graph.clock import apart, now, resume
from ..graph.keeping import kept_of
from ..graph.work import shape_of, work
from .costs import OUTSIDE, UP_TO, Cost, NodeCost
from .kept_memory import Memory
from .ledger import Ledger, measured
from .tracefile import Span


@contextmanager
def profile() -> Iterator[Ledger]:
    """Measure what runs inside: a Ledger of time, operations and memory.

        with profile() as ledger:
            loss = model(x).cross_entropy(y)
            loss.backward()
            optimizer.step()
        print(ledger)                   # by op; ledger.by("module"), ledger.by("line")
        ledger.save("trace.json")       # for ui.perfetto.dev and chrome://tracing
        ledger.draw("costs.svg")        # the graph, coloured by time

    Every op has its own time, forward and backward: an op that a rule runs on arrays counts as a
    part of that rule, and one that is recorded (create_graph, a checkpoint run again) by itself.
    What is in no op (NumPy, Python, the engine) is "outside ops", with the line of the op that
    ended it.  The profiler's own time is in none of these numbers.  It sees the threads in which it
    was entered.  A captured step runs eagerly inside, as with any observer, so its times are those
    of the eager step.
    """
    ledger = Ledger()
    profiler = Profiler(ledger)
    with profiler:
        timeline = profiler.timeline()
        began, before = timeline.mark, apart.nanoseconds
        try:
            yield ledger
        finally:
            ended = now()
            timeline.advance(ended, "the end")
            ledger.seconds += (ended - began) * 1e-9
            ledger.overhead += (apart.nanoseconds - before) * 1e-9


class Frame(NamedTuple):
    """What is running: an op, forward or backward, or a Module; both None for neither."""

    cost: Cost | None = None
    phase: str = "forward"
    module: str = ""
    op: Any = None


class Timeline:
    """One thread: what is running in it, and where the time since the last mark belongs.

    thread   its number, from 1
    pending  the op that ran last, until it is recorded, and its cost
    """

    def __init__(self, ledger: Ledger) -> None:
        self.thread, self.rows = ledger.new_thread()
        self.stack = [Frame()]
        self.pending: tuple[Any, NodeCost] | None = None
        self.mark = now()

    def row(self, op: str, module: str, line: str) -> Cost:
        """The sum of all calls of this op there."""
        key = op, module, line
        found = self.rows.get(key)
        if found is None:
            found = self.rows[key] = Cost(*key)
        return found

    def advance(self, time: int, end: str | None = None) -> None:
        """Give the time since the mark to what is running.

        end   the line of what ends it, or other words; by default, that of the user's code
        """
        frame, elapsed = self.stack[-1], (time - self.mark) * 1e-9
        self.mark = time
        cost = frame.cost
        if cost is None:
            line = user_line() if end is None else end
            if frame.module.endswith("()"):  # the update of an optimiser
                self.row(frame.module, frame.module, line).outside += elapsed
            else:
                self.row(OUTSIDE, frame.module, f"{UP_TO}{line}").outside += elapsed
            return
        for one in (cost, self.row(cost.op, cost.module, cost.line)):
            setattr(one, frame.phase, getattr(one, frame.phase) + elapsed)

    def count(self, cost: Cost, **numbers: int) -> None:
        """Add numbers to a cost, and to the sum that it is in."""
        for one in (cost, self.row(cost.op, cost.module, cost.line)):
            for name, number in numbers.items():
                setattr(one, name, getattr(one, name) + number)


class Profiler(Observer):
    """The observer: measures every op, and adds it to the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.memory = Memory()
        self.local = threading.local()

    def timeline(self) -> Timeline:
        """That of this thread."""
        found: Timeline | None = getattr(self.local, "timeline", None)
        if found is None:
            found = self.local.timeline = Timeline(self.ledger)
        return found

    def forward(self, op: Any, arrays: list[Any]) -> Any:
        """Measure an operation."""
        start = now()
        outer, timeline = self.outer, self.timeline()
        inside = timeline.stack[-1]
        cost = None
        if inside.cost is None or isinstance(inside.op, Checkpoint) or any(op.needs):
            line = user_line()
            timeline.advance(start, line)
            cost = NodeCost(type(op).__name__, inside.module, line)
            timeline.stack.append(Frame(cost, "forward", inside.module, op))
        resume(start)
        result, failed = None, True
        try:
            result = op.forward(*arrays) if outer is None else outer.forward(op, arrays)
            failed = False
        finally:
            end = now()
            if cost is not None:
                timeline.advance(end)
                timeline.stack.pop()
                if not failed:
                    timeline.pending = (op, cost) if any(op.needs) else None
                    found = work(op, [shape_of(one) for one in arrays], _shapes(result))
                    cost.rule = None if found is None else found.backward
                    timeline.count(
                        cost,
                        calls=1,
                        forward_flops=0 if found is None else found.forward,
                        unknown=int(found is None),
                        moved=_moved_forward(arrays, result),
                    )
            name, line = (type(op).__name__, "" if cost is None else cost.line)
            self.ledger.note(
                Span(name, "forward", start, end, timeline.thread, inside.module, line)
            )
            resume(end)
        return result

    def recorded(self, op: Any, tensor: Any) -> None:
        """Note which node an operation became, and what it keeps."""
        super().recorded(op, tensor)
        start = now()
        timeline = self.timeline()
        if op not in self.ledger.nodes:
            last, timeline.pending = timeline.pending, None
            if last is not None and last[0] is op:
                cost = last[1]
            else:  # a checkpoint, which is not applied
                cost = NodeCost(type(op).__name__, timeline.stack[-1].module, user_line())
                timeline.count(cost, calls=1, unknown=1)
            self.ledger.nodes[op] = measured[op] = cost
            kept, parameters = self.memory.of(op)
            timeline.count(cost, kept=kept, parameters=parameters)
        resume(start)

    def backward(self, node: Any, gradient: Any) -> Any:
        """Measure a rule."""
        start = now()
        outer, timeline = self.outer, self.timeline()
        inside = timeline.stack[-1]
        op: Any = node.parents[0] if isinstance(node, Output) else node
        cost = self.ledger.nodes.get(op)
        if cost is None:
            cost = self._older(op, timeline, gradient if op is node else None)
        timeline.advance(start)
        timeline.stack.append(Frame(cost, "backward", inside.module, op))
        saved = 0 if op is not node or op.freed else sum(a.nbytes for a in op.kept_arrays())
        resume(start)
        pulled: Any = None
        try:
            pulled = node.pull_back(gradient) if outer is None else outer.backward(node, gradient)
        finally:
            end = now()
            timeline.advance(end)
            timeline.stack.pop()
            if op is node:
                if pulled is not None:
                    timeline.count(cost, **_backward_numbers(op, gradient, saved, pulled, cost))
                name = f"{cost.op} backward"
                event = Span(name, "backward", start, end, timeline.thread, cost.module, cost.line)
                self.ledger.note(event)
            resume(end)
        return pulled

    def _older(self, op: Any, timeline: Timeline, gradient: Any) -> NodeCost:
        """The cost of an op that was recorded before this profile began."""
        earlier, kept = measured.get(op), kept_of(op)
        call = None if kept is None else kept.call
        cost = NodeCost(type(op).__name__, "" if call is None else call.path, op.line or "")
        saved = op.saved_inputs or (None,) * len(op.parents)
        found = work(
            op,
            [
                shape_of(value) if parent is None else parent.out_shape
                for value, parent in zip(saved, op.parents, strict=False)
            ],
            _shapes(tuple(gradient) if isinstance(gradient, OutputGradients) else gradient),
        )
        cost.rule = None if found is None else found.backward
        if earlier is not None:
            cost.module, cost.line, cost.rule = earlier.module, earlier.line, earlier.rule
        if cost.rule is None:
            timeline.count(cost, unknown=1)
        self.ledger.nodes[op] = cost
        measured.setdefault(op, cost)
        return cost

    def module(self, path: str) -> AbstractContextManager[Any]:
        """What runs inside belongs to this Module."""
        return _Call(self, path)


class _Call:
    """The call of a Module.  A class, for the lines of a generator would be contextlib's."""

    def __init__(self, profiler: Profiler, path: str) -> None:
        self.profiler, self.path = profiler, str(path)
        outer = profiler.outer
        self.around = None if outer is None else outer.module(path)

    def __enter__(self) -> None:
        if self.around is not None:
            self.around.__enter__()
        self.start = now()
        self.timeline = self.profiler.timeline()
        self.timeline.advance(self.start)
        self.depth = len(self.timeline.stack)
        inside = self.timeline.stack[-1]
        self.timeline.stack.append(inside._replace(module=self.path))
        resume(self.start)

    def __exit__(self, *error: Any) -> None:
        end = now()
        timeline, line = self.timeline, user_line()
        timeline.advance(end, line)
        del timeline.stack[self.depth :]
        event = Span(self.path, "module", self.start, end, timeline.thread, self.path, line)
        self.profiler.ledger.note(event)
        resume(end)
        if self.around is not None:
            self.around.__exit__(*error)


def _bytes(values: Any) -> int:
    return sum(one.nbytes for one in values if isinstance(one, (np.ndarray, np.generic)))


def _shapes(result: Any) -> list[Shape | None]:
    return [shape_of(one) for one in (result if isinstance(result, tuple) else (result,))]


def _moved_forward(arrays: list[Any], result: Any) -> int:
    """The bytes of the inputs and of the new results; 0 if all results are views."""
    owners = {id(memory_owner(one)) for one in arrays if isinstance(one, np.ndarray)}
    results = result if isinstance(result, tuple) else (result,)
    new = [
        one
        for one in results
        if not isinstance(one, np.ndarray) or id(memory_owner(one)) not in owners
    ]
    return _bytes(arrays) + _bytes(new) if new else 0


def _backward_numbers(
    op: Any, gradient: Any, saved: int, pulled: Any, cost: NodeCost
) -> dict[str, int]:
    """Nothing for a rule that is recorded: its ops have numbers of their own."""
    gradients = gradient if isinstance(gradient, OutputGradients) else (gradient,)
    if any(isinstance(one, TensorBase) for one in gradients):
        return {}
    given = {id(memory_owner(one)) for one in gradients if isinstance(one, np.ndarray)}
    new = [one for one in pulled if isinstance(one, np.ndarray)]
    new = [one for one in new if id(memory_owner(one)) not in given]
    moved = _bytes(gradients) + saved + _bytes(new) if new else 0
    return {"backward_flops": cost.rule or 0, "moved": moved}
