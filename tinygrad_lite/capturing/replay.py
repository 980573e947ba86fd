"""A plan, with the calls that it fits and what it gives back."""

from collections.abc import Callable
from typing import Any

from ..arrays.float_errors import restore, silence
from .entries import Entry
from .numbers import guard
from .plan import Plan
from .recording import Recording


class Replay:
    """A recorded step: `fits` tells whether it can stand for a call, and calling it runs it."""

    def __init__(self, recording: Recording) -> None:
        conditions, returns = recording.conditions, recording.returns
        numbers = recording.trace.numbers
        if numbers.guards or numbers.same:
            conditions.namespace["holds"] = guard(numbers, recording.trace.entries)
            conditions.terms.append("holds()")
        self.plan = Plan(recording.trace, recording.inputs, recording.outputs)
        text = returns.text() + conditions.text()
        namespace = conditions.namespace
        exec(compile(text, "<captured step>", "exec"), namespace)
        # Of a call: the inputs and the caller's objects; None if it is not such a call.
        self.fits: Callable[[Any, Any, bool], Any] = namespace["fits"]
        self.finish: Callable[[Any, Any], Any] = namespace["finish"]
        self.recording = recording
        self.whole = dict(recording.trace.whole)
        self.used = 0
        recording.forget()

    def __call__(self, inputs: Any, objects: Any) -> Any:
        """One step."""
        self.used += 1
        errors = silence()
        try:
            outputs = self.plan.run(*inputs)
        except Exception as error:
            locate(error, self.plan.entry_of(error))
            raise
        finally:
            restore(errors)
        return self.finish(objects, outputs)


def locate(error: Exception, entry: Entry | None) -> None:
    """Put the path of the module that raised the error in front of its message, as eager does.

    It goes into a note if the error is more than a message.
    """
    path: Any = "" if entry is None else entry.module
    if not path:
        return
    shown = getattr(path, "shown", path)
    if len(error.args) == 1 and error.args[0] == str(error):
        error.args = (f"{shown}: {error}",)
    else:
        error.add_note(f"in {shown}")
