"""A plan, with the calls that it fits and what it gives back."""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arrays.float_errors import restore, silence
from ..arrays.ownership import memory_owner
from ..arrays.recorded import Outdated
from ..engine.memory import changes
from ..engine.recording import serials
from .entries import Entry
from .fitting import same
from .numbers import guards
from .plan import Plan
from .recording import Recording
from .watching import run_observers

# What a replay returns that has changed nothing: its inputs are wrong, or not what the plan is for.
NOTHING_DONE, OUTDATED = object(), object()


class Replay:
    """A recorded step: `fits` tells whether it can stand for a call, and calling it runs it."""

    def __init__(self, recording: Recording) -> None:
        conditions, returns = recording.conditions, recording.returns
        trace = recording.trace
        conditions.terms += guards(trace.numbers, trace.entries, conditions)
        self.writes = Writes(recording)
        self.plan = Plan(trace, recording.inputs, recording.outputs, returns.gradients)
        text = returns.text() + conditions.text()
        namespace = self.namespace = conditions.namespace
        exec(compile(text, "<captured step>", "exec"), namespace)
        self.cleared = recording.cleared
        self.scalars = conditions.scalars
        self.facts = conditions.facts
        self.memory = {id(tensor): tensor._data for tensor in recording.reached.fixed.values()}
        self.trial = recording.strangers
        # Of a call: the inputs and the caller's objects; None if it is not such a call.
        self.fits: Callable[[Any, Any, Any], Any] = namespace["fits"]
        self.finish: Callable[[Any, Any], Any] = namespace["finish"]
        self.recording = recording
        self.whole = dict(trace.whole)
        self.used = 0
        recording.forget()

    def __call__(self, inputs: Any, objects: Any) -> Any:
        """One step; `NOTHING_DONE` if a check failed before anything was changed."""
        self.used += 1
        self.writes.tell(inputs)
        errors = silence()
        try:
            outputs = self.plan.run(*inputs, *self.plan.memory())
        except Exception as error:
            position = self.plan.position_of(error)
            if position is not None and position < self.plan.harmless:
                return OUTDATED if isinstance(error, Outdated) else NOTHING_DONE
            self._clear(error)
            if position is not None:
                locate(error, self.plan.entries[position])
            raise
        except BaseException as error:
            self._clear(error)
            raise
        finally:
            restore(errors)
        return self.finish(objects, outputs)

    def _clear(self, error: BaseException) -> None:
        """Set gradients to None, as the step does before anything can fail.

        So what a hook or a rule that raises leaves is what eager leaves, parameters too: `backward`
        sets `.grad` when it is over.  What fails after it, in an optimiser or a second pass, leaves
        no new gradient: the program hands them over at its end, and keeps none of those in between.
        Once observers are told of gradients, these are where eager has them.
        """
        position = self.plan.position_of(error)
        entries = self.plan.entries[: 0 if position is None else position + 1]
        if any(entry.function is run_observers for entry in entries):
            return
        for leaf in self.cleared:
            leaf._grad = None

    def refreshed(self) -> bool:
        """Take equal numbers and texts for those that stood there before; whether any were."""
        others = False
        for place, name in self.scalars:
            before = self.namespace[name]
            with suppress(AttributeError, LookupError, ValueError):
                now = place.read()
                if now is not before and same(now, before):
                    self.namespace[name], others = now, True
        return others


class Writes:
    """Tells graphs outside that arrays are written, as `Tensor.mark_changed` does.

    What is noted of each array is one object, whose number grows with each replay.
    """

    def __init__(self, recording: Recording) -> None:
        noted = recording.trace.noted
        inputs = {var.root: position for position, var in enumerate(recording.inputs)}
        self.positions = [inputs[var] for var in noted if var in inputs]
        self.time = Time()
        self.notes: dict[int, Any] = {}
        for var in noted:
            if var not in inputs and isinstance(var.value, np.ndarray):
                self._note(var.value)
        self.tell([var.value for var in recording.inputs])

    def _note(self, array: Any) -> None:
        changes.note(SimpleNamespace(_data=array))
        key = id(memory_owner(array))
        if key in changes.found:
            self.notes[key] = self.time, *changes.found[key][1:]

    def tell(self, inputs: Any) -> None:
        """The arrays are about to be written."""
        for position in self.positions:
            changes.note(SimpleNamespace(_data=inputs[position]))
        if self.notes:
            with changes.lock:
                if changes.newest != self.time.now:  # somebody else has noted something since
                    changes.found.update(self.notes)
                self.time.now = changes.newest = next(serials)


class Time:
    """The serial of the newest replay, to be compared with those of nodes."""

    now = 0

    def __gt__(self, serial: int) -> bool:
        return self.now > serial

    def __lt__(self, serial: int) -> bool:
        return self.now < serial


def locate(error: Exception, entry: Entry) -> None:
    """Put the path of the module that raised the error in front of its message, as eager does.

    It goes into a note if the error is more than a message.
    """
    path: Any = entry.module
    if not path:
        return
    shown = getattr(path, "shown", path)
    if len(error.args) == 1 and error.args[0] == str(error):
        error.args = (f"{shown}: {error}",)
    else:
        error.add_note(f"in {shown}")
