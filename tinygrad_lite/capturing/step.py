"""`capture`: a function that is recorded once, and replayed from then on."""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import partial, update_wrapper
from threading import get_ident
from types import FunctionType, MethodType
from typing import Any

from ..arrays.arguments import flag, function, integer
from ..arrays.locks import ProcessLock
from ..arrays.recorded import recorder
from ..engine.recording import Mode, modes, serials
from ..mistakes.losses import Losses, look_at_replay
from ..source_lines import warn
from .blame import line_of_error, name_of
from .checking import Differs, State, compared
from .printing.source import Source, Step, written
from .printing.writing import Line
from .reach import path_text
from .recording import Recording
from .replay import NOTHING_DONE, OUTDATED, Replay
from .returning import detached
from .trace import NotRecorded
from .watching import CALLED

PLANS = 8  # how many plans a step keeps

# Errors by which code may refuse a Traced where it takes an array.
_NOT_TAKEN = (AttributeError, BufferError, NotImplementedError, NotRecorded, TypeError)

# Whether a captured step runs eagerly: the graph of one that it calls belongs to its own.
nested: ContextVar[bool] = ContextVar("nested", default=False)


def capture(
    fn: Callable[..., Any] | None = None, *, strict: bool = False, check: int | None = None
) -> Any:
    """A function that does what `fn` does, bit for bit, and from the third call on faster.

        @capture
        def step(x, y):
            optimizer.zero_grad()
            loss = model(x).sparse_categorical_crossentropy(y)
            loss.backward()
            optimizer.step()
            return loss

    The first call runs eagerly, and the second is recorded; so is the third where a NumPy array
    takes part that is made inside, to see that it comes again.  Later ones replay what NumPy was
    asked to do, without a graph, and without running the function.  Recording costs as much as ten
    to forty steps, once for each kind of call.  Each kind of call has a plan of its own: one for
    each structure of the arguments, and shapes, dtypes and strides of the arrays among them; a last
    batch that is smaller is recorded when it comes.  Integers, texts, bools, None and NumPy's
    scalars among the arguments count by value, modules and other objects by identity.  Floats are
    read in each replay; one that decides how the code goes on (`if rate > 0.1`) counts by value.
    Of more than 8 plans, the one that was used least recently is dropped, with one warning.

    What the step reaches by variables, globals and attributes is seen too.  Tensors and arrays
    there are read anew in each call, parameters and buffers stay what they are, and where anything
    else has become another thing, the step is recorded again.  An optimiser's options may change at
    any time.  A number in a structure that the step's code does not name stays what it was.

    Hooks of parameters run in each replay, in their place, and so do `leaf_done` and
    `backward_done` of observers around the step; what these leave in `.grad` is what the step goes
    on with.  Inside an observer that overrides anything else, the step runs eagerly.

    The results carry no graph, in no call: call `backward` inside.  They are tensors, arrays,
    numbers, None, and tuples, lists, dicts and dataclasses of them.

    The step has `source()`, which prints it as a program of NumPy; `plans`, what is recorded; and
    `eager`, None or why it runs eagerly.

    strict  what cannot be captured raises.  Otherwise such a step runs eagerly, after one warning
            that says why and where: values are looked at (`item()`, `if loss > 1`, print, x[mask]),
            a tensor has a hook or a graph that began outside, a tensor is kept outside
    check   every how many replays the step also runs eagerly, from the same state, and both are
            compared; hooks and observers are called in both

    Errors: RuntimeError where replays would go wrong: an array that should be written in place is
    made anew in each call (running statistics, `w.data = ...`), random numbers are not Tensor's, an
    array comes from where nothing sees it.  With strict, too, all that the call has written is
    undone before; what it printed, or did to objects that it hides, is not.  TypeError if `fn` is a
    generator or a coroutine.
    """
    strict = flag(strict, "capture: strict")
    check = None if check is None else integer(check, "capture: check", least=1)
    if fn is None:
        return lambda function: Captured(function, strict, check)
    return Captured(fn, strict, check)


class Captured(ProcessLock):
    """What `capture` returns: call it like the function.

    plans  the recorded steps, the one that was used last first
    eager  why this step runs eagerly; None if it does not
    """

    def __init__(
        self, fn: Callable[..., Any], strict: bool = False, check: int | None = None
    ) -> None:
        super().__init__()
        self.fn, self.strict, self.check = _runs_at_once(fn), strict, check
        self.plans: list[Replay] = []
        self.calls = 0
        self.eager: str | None = None
        self.warned = False
        self.unplanned = 0
        self.losses = Losses()
        self.running = 0  # the thread that runs a plan or records
        self.assigned: set[int] = set()  # parameters whose data was assigned once
        attributes = ("__module__", "__name__", "__qualname__", "__doc__")
        update_wrapper(self, fn, attributes, () if not inspect.isfunction(fn) else ("__dict__",))

    def __call__(self, *args: Any, **options: Any) -> Any:
        """The function, replayed if a plan fits this call."""
        if nested.get() or recorder.get() is not None:  # a part of another captured step
            return self.fn(*args, **options)
        with self.lock:
            mode = modes.get()
            watched = mode.observers and not mode.watched <= CALLED
            if self.eager is not None or watched or self.running == get_ident():
                return self._eagerly(args, options)
            self.running = get_ident()
            try:
                return self._called(args, options, mode)
            finally:
                self.running = 0

    def _called(self, args: Any, options: Any, mode: Mode) -> Any:
        for position, plan in enumerate(self.plans):
            found = plan.fits(args, options, mode)
            if found is not None:
                if position:
                    self.plans.insert(0, self.plans.pop(position))
                if plan.trial:
                    return self._record(args, options, plan)
                if self.check is not None and (plan.used + 1) % self.check == 0:
                    return self._checked(plan, found, args, options)
                return self._replayed(plan, found, args, options)
        if any(plan.refreshed() for plan in self.plans):
            return self._called(args, options, mode)
        self.calls += 1
        if self.calls == 1 or not self._is_worth_it():
            return self._eagerly(args, options)
        return self._record(args, options)

    def _is_worth_it(self) -> bool:
        """Whether to record a new kind of call.

        Where the plan that would be dropped was never used, kinds of calls do not come again: then
        only one call in 16 is recorded.
        """
        if len(self.plans) < PLANS or self.plans[-1].used:
            return True
        self._warn_of_many()
        self.unplanned += 1
        return self.unplanned % 16 == 0

    def _replayed(self, plan: Replay, found: Any, args: Any, options: Any) -> Any:
        result = plan(*found)
        if result is NOTHING_DONE:  # eager raises it, or does otherwise
            return self._eagerly(args, options)
        if result is OUTDATED:
            self.plans.remove(plan)
            return self._record(args, options)
        look_at_replay(self.losses, result)
        return result

    def _checked(self, plan: Replay, found: Any, args: Any, options: Any) -> Any:
        state = State(self.fn, args, options)
        try:
            return compared(
                lambda: self._replayed(plan, found, args, options),
                lambda: self._eagerly(args, options),
                state,
            )
        except Differs as error:
            raise RuntimeError(f"capture: a replay of {name_of(self.fn)} {error}") from None

    def source(self, map: bool = False) -> Source | list[Line]:
        """The step as a program of NumPy that runs alone; see source.py for its parts.

        map  instead, a list of its lines, each with the user's line that it comes from

        Errors: RuntimeError if the step has not been recorded.
        """
        with self.lock:
            if not self.plans:
                if self.eager is not None:
                    raise RuntimeError(f"source: this step runs eagerly; {self.eager}")
                raise RuntimeError("source: the step is not recorded yet; call it twice first")
            replay = self.plans[0]
            program = written(Step(replay.recording, replay.plan))
            return program.lines if map else program

    def _eagerly(self, args: Any, options: Any) -> Any:
        began, token = next(serials), nested.set(True)
        try:
            return detached(self.fn(*args, **options), began)
        finally:
            nested.reset(token)

    def _record(self, args: Any, options: Any, trial: Replay | None = None) -> Any:
        """One call, recorded; `trial` is a plan for such calls that must be confirmed."""
        recording = Recording(self.fn, args, options)
        refused = recording.prepare()
        if refused is not None:
            self._give_up(refused)
            return self._eagerly(args, options)
        self._refuse_other_memory(recording)
        try:
            result = recording.run()
        except _NOT_TAKEN as error:
            if self.strict:
                raise
            recording.undo.run()
            result = self._eagerly(args, options)  # raises if the error is the step's own
            self._give_up(_told(error, self.fn))
            return result
        failed = recording.trace.failed
        if failed is not None:
            if self.strict:
                recording.undo.run()
            self._give_up(failed)
            return result
        if trial is not None:
            recording.differs_from(trial.trial)
            self.plans.remove(trial)
        if recording.wrong is not None:
            recording.undo.run()
            raise RuntimeError(f"capture: {_by_name(recording.wrong, self.fn)}")
        try:
            replay = Replay(recording)
        except Exception as error:
            if self.strict:
                raise
            self._give_up(_told(error, self.fn))
            return result
        if trial is not None:
            replay.trial = []
        self.plans.insert(0, replay)
        self._drop()
        return result

    def _refuse_other_memory(self, recording: Recording) -> None:
        """An error if the data of a parameter was assigned for the second time."""
        for key, tensor in recording.reached.fixed.items():
            before = next((one.memory[key] for one in self.plans if key in one.memory), None)
            if before is None or before is tensor._data:
                continue
            if key in self.assigned:
                path = path_text(recording.reached.paths[key])
                raise RuntimeError(
                    f"capture: the data of {path} was assigned again, and a captured step works "
                    "on the array that was there; write into it: w.data[...] = value"
                )
            self.assigned.add(key)

    def _drop(self) -> None:
        """Keep no more than `PLANS`."""
        if len(self.plans) > PLANS:
            self.plans.pop()
            self._warn_of_many()

    def _warn_of_many(self) -> None:
        if not self.warned:
            self.warned = True
            warn(
                f"capture: {name_of(self.fn)} has had more than {PLANS} kinds of calls, by shapes, "
                "dtypes and values; only those that come again are recorded, and for each new one "
                f"the plan that was used least recently is dropped{self._what_differs()}"
            )

    def _what_differs(self) -> str:
        """Of what the plans are for, that which is another one in most of them, in words."""
        facts = [plan.facts for plan in self.plans]
        values = {
            name: list(dict.fromkeys(repr(one[name]) for one in facts))
            for name in facts[0]
            if all(name in one for one in facts)
        }
        name = max(values, key=lambda one: len(values[one]), default="")
        if len(values.get(name, ())) < 3:
            return ""
        cure = "; pass a float" if all(type(one[name]) is int for one in facts) else ""
        some = ", ".join(values[name][-1:-4:-1])  # the oldest first
        return f"; {_by_name(name, self.fn)} is {some}, ...{cure}"

    def _give_up(self, why: str) -> None:
        """Run eagerly from now on."""
        why = _by_name(why, self.fn)
        if self.strict:
            raise RuntimeError(f"capture: {why}")
        self.eager = why
        warn(f"capture: not captured, this step runs eagerly from now on; {why}")

    def __repr__(self) -> str:
        if self.eager is not None:
            return f"<captured {name_of(self.fn)}: runs eagerly: {self.eager}>"
        count = len(self.plans)
        return f"<captured {name_of(self.fn)}: {count} recording{'s' * (count != 1)}>"

    def named_state(self) -> Iterator[tuple[str, Any]]:
        """What `nn.state` looks through in a captured step: its function, and none of its plans."""
        yield "fn", self.fn

    def __deepcopy__(self, memo: dict[int, Any]) -> "Captured":
        """A captured step of a copy of the function, without plans."""
        from copy import deepcopy  # here, since few programs need it

        return type(self)(deepcopy(self.fn, memo), self.strict, self.check)

    def __reduce__(self) -> Any:
        """For pickle: by its name where it decorates a function, else as what `capture` makes."""
        named: Any = sys.modules.get(getattr(self, "__module__", ""))
        for part in getattr(self, "__qualname__", "").split("."):
            named = getattr(named, part, None)
        if named is self:
            return self.__qualname__
        return type(self), (self.fn, self.strict, self.check)

    def __get__(self, owner: Any, _: Any = None) -> Any:
        return self if owner is None else MethodType(self, owner)


def _runs_at_once(fn: Any) -> Any:
    """The function; an error if it is none, or one that does its work later."""
    function(fn, "capture: fn")
    if isinstance(fn, type):
        raise TypeError(
            f"capture: fn: expected a function; got the class {fn.__name__}; capture an instance"
        )
    inner: Any = fn
    while isinstance(inner, partial):
        inner = inner.func
    inner = inner if isinstance(inner, (FunctionType, MethodType)) else type(inner).__call__
    later = {
        "a generator": inspect.isgeneratorfunction,
        "a coroutine": inspect.iscoroutinefunction,
        "an asynchronous generator": inspect.isasyncgenfunction,
    }
    for kind, holds in later.items():
        if holds(inner):
            raise TypeError(
                f"capture: fn: expected a function that returns its results; got {kind}; "
                "capture the part of it that is one step"
            )
    return fn


def _by_name(text: str, fn: Any) -> str:
    """A text with the names of the function's arguments for their numbers."""
    with suppress(TypeError, ValueError):
        for number, name in enumerate(inspect.signature(fn).parameters):
            text = re.sub(rf"argument {number}\b", name, text)
    return text


def _told(error: Exception, fn: Any) -> str:
    """An error as the reason why a step runs eagerly."""
    place = line_of_error(error) or f"in {name_of(fn)}"
    return f"{place}: {type(error).__name__}: {error}"
