"""A model that is tested with Dropout and BatchNorm as in training: eval() was forgotten.

    with no_grad():
        model(x_test)

Only calls in training mode under no_grad are looked at, and many of those are meant:

    train() since the last step   Monte Carlo dropout, and statistics that are computed anew
    `training` assigned by hand   the same
    calls among the steps         what a generator makes for its critic, a policy's rollouts
    weights of no optimiser       teachers, and averages of weights
    the same call in a loop       Monte Carlo dropout: for _ in range(50): model(x)
    what a loss is made with      labels of the model's own, on which it trains next
    two optimisers in turn        images of a generator, to look at
"""

import weakref
from functools import partial
from inspect import currentframe
from types import FrameType
from typing import Any

from tinygrad_lite import is_grad_enabled, mistakes, recorded

from ._loops import is_trained_on, repeats, takes_turns
from ._steps import Steps, numbers

FEW = 3  # steps before a first call that is none among the steps
SAMPLES = 4  # calls after the first one of them, with no step between
MORE = 8  # times as many steps as lay between such calls before


class Mode:
    """What is known of the mode of a module.

    training  what train() or eval() set last; None if nobody called them
    since     the number of that, from `numbers`
    steps     those of the optimisers of its model, and `Steps.begun` when they were looked for
    called    how many steps there had been at the last call that was looked at; None before the
              first
    gap       the most steps between two of those
    alike     the calls since then with no step between
    repeated  whether it was asked if such a call stands in a loop that repeats it
    """

    __slots__ = ("alike", "called", "gap", "reference", "repeated", "since", "steps", "training")

    def __init__(self, reference: "weakref.ref[Any]") -> None:
        self.reference = reference
        self.training: bool | None = None
        self.steps: tuple[int, list[Steps]] = -1, []
        self.called: int | None = None
        self.since = self.gap = self.alike = 0
        self.repeated = False


_modes: dict[int, Mode] = {}  # by the identity of a module, which may have no hash


def mode_of(module: Any) -> Mode:
    """What is known of the mode of a module."""
    key = id(module)
    mode = _modes.get(key)
    if mode is None or mode.reference() is not module:
        mode = _modes[key] = Mode(weakref.ref(module, partial(_forget, key)))
    return mode


def _forget(key: int, reference: object) -> None:
    """Drop the entry of a module that is gone, unless another one has its identity by now."""
    mode = _modes.get(key)
    if mode is not None and mode.reference is reference:
        del _modes[key]


def mode_was_set(module: Any, training: bool) -> None:
    """train() or eval() was called."""
    mode = mode_of(module)
    mode.training, mode.since = training, next(numbers)


def drops(layer: Any, p: float) -> bool:
    """Whether a layer is in training mode, in which it drops elements with probability p."""
    training: bool = layer.training
    if training and p and not is_grad_enabled():
        look(layer, "drops elements")
    return training


def look(layer: Any, effect: str) -> None:
    """A layer is called in training mode under no_grad; a TrainingWarning if that is a mistake.

    effect: what it does then, as in "drops elements".
    """
    mode = mode_of(layer)
    if mode.training is False or recorded.recorder.get() is not None:
        return
    if mode.steps[0] != Steps.begun:
        mode.steps = Steps.begun, _steps_of(_outermost(layer)[0])
    steps = mode.steps[1]
    if not steps or (mode.training and mode.since >= max(one.last for one in steps)):
        return
    count, before = sum(one.count for one in steps), mode.called
    mode.called, gap = count, count - (before or 0)
    enough = FEW if before is None else MORE * max(1, mode.gap)
    if before is not None:
        mode.gap = max(mode.gap, gap)
    captured = any(one.captured for one in steps)
    if gap < enough and not (captured and before is None):
        mode.alike += not gap
        return
    model, caller = _outermost(layer)
    alike, mode.alike = mode.alike, 0
    if not mode.repeated or alike >= SAMPLES:
        mode.repeated = True
        if repeats(caller):
            return
    if is_trained_on(caller) or takes_turns(caller):
        return
    times = "captured steps" if captured else f"{count} steps"
    inside = type(layer).__name__
    where = inside if model is layer else f"{type(model).__name__}: its {inside}"
    mistakes.tell(
        f"{where} {effect} as in training, though under no_grad and after {times}; call "
        "eval() before a test, and train() after it; where this is meant, call train() just before",
        caller,
    )


def _outermost(layer: Any) -> tuple[Any, FrameType]:
    """The outermost module that is being called, and the user's line that called it."""
    model, caller = layer, None
    frame = last = currentframe()
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name == "nn.module" and frame.f_code.co_name == "__call__":
            model, caller = frame.f_locals["self"], None
        elif caller is None and name.partition(".")[0] not in ("nn", "tinygrad_lite"):
            caller = frame
        last, frame = frame, frame.f_back
    assert last is not None
    return model, caller or last


def _steps_of(model: Any) -> list[Steps]:
    """The steps of every optimiser that trains a parameter of the model."""
    try:
        own = {id(parameter) for parameter in model.parameters()}
    except (TypeError, ValueError):  # who asks for the parameters will be told
        return []
    return [steps for steps in Steps.known if steps.train(own)]
