"""`capture`: a function that is recorded once, and replayed from then on."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays.float_errors import restore, silence
from ..arrays.locks import ProcessLock
from ..arrays.ownership import keep_freed_memory
from ..arrays.recorded import recorder
from ..arrays.threads import alone
from ..engine.graph import Leaf
from ..engine.recording import modes
from ..source_lines import warn
from ..tensor import Tensor
from .entries import Var, mapped
from .plan import Plan
from .reach import Reached, reached_by
from .trace import Trace, Traced, value_of

PLANS = 8  # how many plans a step keeps


def capture(
    fn: Callable[..., Any] | None = None, *, strict: bool = False, check: int | None = None
) -> Any:
    """A function that does the same as `fn`, and replays it once it has been recorded."""
    if fn is None:
        return lambda function: Captured(function, strict, check)
    return Captured(fn, strict, check)


class Captured(ProcessLock):
    """What `capture` returns: call it like the function."""

    def __init__(self, fn: Callable[..., Any], strict: bool = False, check: int | None = None):
        super().__init__()
        self.fn, self.strict, self.check = fn, strict, check
        self.plans: list[Replay] = []
        self.calls = 0
        self.eager: str | None = None

    def __call__(self, *args: Any, **options: Any) -> Any:
        """The function, replayed if a plan fits this call."""
        with self.lock:
            for plan in self.plans:
                if plan.fits(args, options):
                    return plan(args, options)
            if self.eager is not None or modes.get().observers:
                return self.fn(*args, **options)
            self.calls += 1
            if self.calls == 1:
                return self.fn(*args, **options)
            return self._record(args, options)

    def _record(self, args: Any, options: Any) -> Any:
        recording = Recording(self.fn, args, options)
        result = recording.run()
        if recording.trace.failed is not None:
            self.eager = recording.trace.failed
            if self.strict:
                raise RuntimeError(f"capture: {self.eager}")
            warn(f"capture: not captured, this step runs eagerly from now on; {self.eager}")
            return result
        self.plans.insert(0, recording.replay())
        del self.plans[PLANS:]
        return result


class Recording:
    """One call of the function, while it is recorded."""

    def __init__(self, fn: Callable[..., Any], args: Any, options: Any) -> None:
        self.fn, self.args, self.options = fn, args, options
        self.trace = Trace()
        self.reached: Reached = reached_by(fn, args, options)
        self.inputs: list[Var] = []
        self.swapped: list[tuple[Tensor, Any]] = []

    def run(self) -> Any:
        """Call the function with Traced objects in its tensors, and put the arrays back."""
        keep_freed_memory()
        trace = self.trace
        for path, tensor in self.reached.inputs:
            self._swap(tensor, "input", path)
        for tensor in self.reached.tensors:
            self._swap(tensor, "outside", None)
        for array in self.reached.arrays:
            trace.variable(array, "outside")
        self.grads = []
        for tensor in self._leaves():
            grad = tensor.grad
            self.grads.append((tensor, grad))
            if grad is not None:
                self._swap(grad, "input", ("grad", tensor))
        token = recorder.set(trace)
        try:
            with alone(), trace:
                arguments = mapped((self.args, self.options), self._argument)
                result = self.fn(*arguments[0], **arguments[1])
        finally:
            recorder.reset(token)
            for tensor, _ in self.swapped:
                tensor._data = value_of(tensor._data)
        return self._finished(result)

    def _swap(self, tensor: Tensor, kind: str, path: Any) -> None:
        array: Any = tensor._data
        if type(array) is Traced:
            return
        var = self.trace.variable(array, kind)
        if kind == "input":
            var.origin = path
            self.inputs.append(var)
        self.swapped.append((tensor, array))
        tensor._data = self.trace.traced(var)  # type: ignore[assignment]  # taken for an array

    def _argument(self, value: Any) -> Any:
        """An array among the arguments as a Traced."""
        if type(value) is np.ndarray:
            var = self.trace.known.get(id(value))
            if var is not None:
                return self.trace.traced(var)
        return value

    def _leaves(self) -> Iterator[Tensor]:
        for tensor, _ in list(self.swapped):
            if isinstance(tensor._node, Leaf):
                yield tensor

    def _finished(self, result: Any) -> Any:
        """The result with arrays in its tensors; what the replays return in their places."""
        self.outputs: list[Var] = []
        self.grads_after: list[tuple[Tensor, int | None]] = []
        for tensor, before in self.grads:
            after: Any = tensor.grad
            if after is before:
                continue
            if after is None:
                self.grads_after.append((tensor, None))
            else:
                self.grads_after.append((tensor, len(self.outputs)))
                self.outputs.append(after._data.variable)
                after._data = np.asarray(after._data.value)
        found: dict[int, Any] = {}

        def close(value: Any) -> Any:
            if isinstance(value, Tensor):
                carried: Any = value._data
                if type(carried) is Traced:
                    found[id(value)] = Returned(type(value), len(self.outputs))
                    self.outputs.append(carried.variable)
                    value._data = np.asarray(carried.value)
                    value._node = None
                return value
            return np.asarray(value.value) if type(value) is Traced else value

        closed = mapped(result, close)
        self.returns = mapped(closed, lambda one: found.get(id(one), one))
        return closed

    def replay(self) -> "Replay":
        """The program of this recording."""
        return Replay(self)


class Returned:
    """Where the result has a tensor."""

    def __init__(self, cls: type[Tensor], position: int) -> None:
        self.cls, self.position = cls, position


class Replay:
    """A plan, and the calls that it fits."""

    def __init__(self, recording: Recording) -> None:
        self.reached = recording.reached
        self.plan = Plan(recording.trace, recording.inputs, recording.outputs)
        self.origins = [var.origin for var in recording.inputs]
        self.forms = [
            (var.value.shape, var.value.dtype, var.value.strides) for var in recording.inputs
        ]
        self.grads_after = recording.grads_after
        self.returns = recording.returns
        self.whole = dict(recording.trace.whole)

    def fits(self, args: Any, options: Any) -> bool:
        """Whether a call has the arguments that this plan is for."""
        found = self.reached.arrays_of(self.origins, args, options)
        if found is None:
            return False
        for array, (shape, dtype, strides) in zip(found, self.forms, strict=True):
            if array.shape != shape or array.dtype != dtype or array.strides != strides:
                return False
        self.found = found
        return True

    def __call__(self, args: Any, options: Any) -> Any:
        """One step."""
        errors = silence()
        try:
            outputs = [np.asarray(one) for one in self.plan.run(*self.found)]
        finally:
            restore(errors)
        for tensor, position in self.grads_after:
            tensor.grad = None if position is None else Tensor._wrap(outputs[position], None)
        return mapped(
            self.returns,
            lambda one: (
                one.cls._wrap(outputs[one.position], None) if type(one) is Returned else one
            ),
        )
