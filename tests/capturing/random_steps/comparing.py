"""A random step, eager and captured: results, parameters, gradients, buffers, generator."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from capturing.random_steps.drawing import Step, drawn

import nn
from tinygrad_lite import Tensor, capture, generator


def compared(seed: int, change: Callable[..., Any] = capture) -> tuple[Step, str | None]:
    """The step of a seed, and what is wrong with the captured one.

    change: what makes the captured step of the eager one.
    """
    for attempt in range(100):
        step = drawn(seed, attempt)
        if step is not None:
            expected = outcome(step, lambda fn: fn)
            if not isinstance(expected[-1], Exception):  # the step makes sense
                return step, difference(step, expected, change)
    raise RuntimeError(f"no step for seed {seed}")


def difference(step: Step, expected: list[Any], change: Callable[..., Any] = capture) -> str | None:
    """What the captured step does otherwise than the eager one; None if nothing."""
    got = outcome(step, lambda fn: change(fn, strict=not step.leaves))
    for number, (right, one) in enumerate(zip(expected, got, strict=False)):
        if isinstance(one, Exception):
            return f"call {number} raises {type(one).__name__}: {str(one)[:300]}"
        for name in right:
            if right[name] != one[name]:
                return f"call {number} differs: {name}"
    return None


def outcome(step: Step, change: Callable[[Any], Any]) -> list[Any]:
    """What is there after each call, and what was kept of all calls at the end.

    An exception ends the list, and is its last element.
    """
    world: dict[str, Any] = {"__name__": "random_step"}
    found: list[Any] = []
    kept = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            exec(compile(step.text(), "<random step>", "exec"), world)
            fn = world["step"] = change(world["step"])  # as the decorator does
            for number, (events, rows) in enumerate(zip(step.before, step.rows, strict=True)):
                exec("\n".join(events), world)
                result = world["called"](fn, rows, number)
                kept += [result, [one.grad for one in world.values() if isinstance(one, Tensor)]]
                found.append({"the result": encoded(result), **state_of(world)})
        except Exception as error:
            return [*found, error]
    return [*found, {"a result or gradient of an earlier call": encoded(kept)}]


def encoded(value: Any) -> Any:
    """A value as something that `==` compares bit for bit."""
    if isinstance(value, Tensor):
        return "Tensor", encoded(value.data)
    if isinstance(value, (np.ndarray, np.generic)):
        return type(value).__name__, value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, dict):
        return {key: encoded(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [encoded(one) for one in value]
    return type(value).__name__, repr(value)


def state_of(world: dict[str, Any]) -> dict[str, Any]:
    """All that a step may change."""
    state: dict[str, Any] = {"the generator": repr(generator.get_state())}
    for name, one in world.items():
        if isinstance(one, nn.optim.Optimizer):
            state[f"state of {name}"] = encoded(one.state_dict())
        elif isinstance(one, np.ndarray):
            state[name] = encoded(one)
        elif isinstance(one, (Tensor, nn.Module)):
            parts = {"": one} if isinstance(one, Tensor) else nn.state.get_state_dict(one)
            for path, tensor in parts.items():
                state[f"{name}.{path}"] = encoded(tensor)
                state[f"gradient of {name}.{path}"] = encoded(tensor.grad)
    return state


def kind_of(fault: str) -> str:
    """Its words without numbers, by which faults are counted."""
    words = "".join(c for c in fault if not c.isdigit()).removeprefix("call ")
    return words[:17] + words[17:][-70:]


def shortened(step: Step, fault: str, change: Callable[..., Any] = capture) -> Step:
    """The step without the lines that a fault of this kind does not need."""

    def fails(one: Step) -> bool:
        expected = outcome(one, lambda fn: fn)
        if isinstance(expected[-1], Exception):
            return False
        found = difference(one, expected, change)
        return found is not None and kind_of(found) == kind_of(fault)

    shorter: Step | None = step
    while shorter is not None:
        step = shorter
        shorter = next((one for one in _shorter(step) if fails(one)), None)
    return step


def _shorter(step: Step) -> Any:
    """Steps with one line less, the last lines first."""
    for field in ("body", "setup"):
        lines = getattr(step, field)
        for position in reversed(range(len(lines))):
            yield step._replace(**{field: lines[:position] + lines[position + 1 :]})
    for position, events in enumerate(step.before):
        if events:
            before = [*step.before[:position], [], *step.before[position + 1 :]]
            yield step._replace(before=before)
    if len(set(step.rows)) > 1:
        yield step._replace(rows=step.rows[:1] * len(step.rows))
