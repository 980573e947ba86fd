"""Schedules that rise and fall: once, or again and again."""

from collections.abc import Callable
from typing import TypeAlias

from tinygrad_lite import arguments

from .._formulas import power
from ..checks import not_negative
from ._schedule import Schedule, above_0, half_cosine

Phase: TypeAlias = tuple[float, float, float]  # its last step, its first and its last value


class warm_restarts(Schedule):
    """Half a cosine from lr to eta_min, again and again, each T_mult times as long; the first T_0.

    Source: I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts,
    ICLR 2017.
    """

    def __init__(self, lr: float, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.lr = not_negative(lr, "warm_restarts: lr")
        self.T_0 = arguments.integer(T_0, "warm_restarts: T_0", least=1)
        self.T_mult = arguments.integer(T_mult, "warm_restarts: T_mult", least=1)
        self.eta_min = not_negative(eta_min, "warm_restarts: eta_min")

    def at(self, step: float) -> float:
        since, length = step, self.T_0
        if self.T_mult == 1:
            since = step % length
        while since >= length:
            since -= length
            length *= self.T_mult
        return half_cosine(self.lr, self.eta_min, since / length)


class cyclic(Schedule):
    """A triangle, again and again: from base_lr up to max_lr and back.

        base_lr + (max_lr - base_lr) * height * scale

    height goes from 0 to 1 in step_size_up steps and back to 0 in step_size_down steps (by default
    as many).  scale is 1 for mode "triangular", half as much in each cycle for "triangular2", and
    gamma^step for "exp_range".  scale_fn, if given, is the scale instead: a function of the number
    of the cycle, from 1, or with scale_mode="iterations" of the step.

    For the momentum, which is lowest where the rate is highest: `cyclic(0.9, 0.8, ...)`.

    Source: L. Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017.
    """

    def __init__(
        self,
        base_lr: float,
        max_lr: float,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
    ) -> None:
        modes = ("triangular", "triangular2", "exp_range")
        down = step_size_up if step_size_down is None else step_size_down
        self.base_lr = not_negative(base_lr, "cyclic: base_lr")
        self.max_lr = not_negative(max_lr, "cyclic: max_lr")
        self.step_size_up = arguments.integer(step_size_up, "cyclic: step_size_up", least=1)
        self.step_size_down = arguments.integer(down, "cyclic: step_size_down", least=1)
        self.mode = arguments.choice(mode, "cyclic: mode", *modes)
        self.gamma = not_negative(gamma, "cyclic: gamma")
        self.scale_fn = scale_fn
        if scale_fn is not None:
            arguments.function(scale_fn, "cyclic: scale_fn")
        self.scale_mode = arguments.choice(scale_mode, "cyclic: scale_mode", "cycle", "iterations")

    def at(self, step: float) -> float:
        length = self.step_size_up + self.step_size_down
        cycle, since = divmod(step, length)
        if since <= self.step_size_up:
            height = since / self.step_size_up
        else:
            height = (length - since) / self.step_size_down
        return self.base_lr + (self.max_lr - self.base_lr) * height * self._scale(step, cycle)

    def _scale(self, step: float, cycle: float) -> float:
        """The height of the triangle at this step of this cycle, which is 0 in the first one."""
        if self.scale_fn is not None:
            scale = self.scale_fn(cycle + 1 if self.scale_mode == "cycle" else step)
            return arguments.number(scale, "cyclic: scale_fn(x)")
        if self.mode == "exp_range":
            return power(self.gamma, step)
        return power(0.5, cycle) if self.mode == "triangular2" else 1.0


class one_cycle(Schedule):
    """One rise from max_lr / div_factor to max_lr, and one fall to far below the start.

    steps             of the whole cycle; after them the rate stays as it is at the end
    pct_start         the part of the steps in which the rate rises, from 0 to 1
    anneal_strategy   "cos", half a cosine, or "linear"
    div_factor        the rate at the start is max_lr / div_factor
    final_div_factor  the rate at the end is the one at the start / final_div_factor
    three_phase       whether the fall goes back to the start in as many steps as the rise took, and
                      then to the end, instead of to the end at once

    `one_cycle_momentum` is the momentum that goes with it.

    Source: L. Smith and N. Topin, Super-Convergence: Very Fast Training of Neural Networks Using
    Large Learning Rates, 2019.
    """

    def __init__(
        self,
        max_lr: float,
        steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        self.max_lr = not_negative(max_lr, "one_cycle: max_lr")
        self.steps = arguments.integer(steps, "one_cycle: steps", least=1)
        self.pct_start = arguments.probability(pct_start, "one_cycle: pct_start")
        self.anneal_strategy = _strategy("one_cycle: anneal_strategy", anneal_strategy)
        self.div_factor = above_0(div_factor, "one_cycle: div_factor")
        self.final_div_factor = above_0(final_div_factor, "one_cycle: final_div_factor")
        self.three_phase = arguments.flag(three_phase, "one_cycle: three_phase")

    def at(self, step: float) -> float:
        start = self.max_lr / self.div_factor
        phases = _phases(self, start, self.max_lr, start / self.final_div_factor)
        return _in_phases(phases, step, self.anneal_strategy)


class one_cycle_momentum(Schedule):
    """The momentum of `one_cycle`: from max_momentum to base_momentum as the rate rises, and back.

    Use: `optimizer.momentum = schedule(step)`; for Adam `optimizer.betas = (schedule(step), b2)`.
    The options are those of `one_cycle`.
    """

    def __init__(
        self,
        steps: int,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        three_phase: bool = False,
    ) -> None:
        self.steps = arguments.integer(steps, "one_cycle_momentum: steps", least=1)
        self.base_momentum = not_negative(base_momentum, "one_cycle_momentum: base_momentum")
        self.max_momentum = not_negative(max_momentum, "one_cycle_momentum: max_momentum")
        self.pct_start = arguments.probability(pct_start, "one_cycle_momentum: pct_start")
        self.anneal_strategy = _strategy("one_cycle_momentum: anneal_strategy", anneal_strategy)
        self.three_phase = arguments.flag(three_phase, "one_cycle_momentum: three_phase")

    def at(self, step: float) -> float:
        phases = _phases(self, self.max_momentum, self.base_momentum, self.max_momentum)
        return _in_phases(phases, step, self.anneal_strategy)


def _phases(
    cycle: one_cycle | one_cycle_momentum, start: float, peak: float, end: float
) -> list[Phase]:
    """The two or three phases of one cycle."""
    rise = cycle.pct_start * cycle.steps - 1
    if not cycle.three_phase:
        return [(rise, start, peak), (cycle.steps - 1, peak, end)]
    back = 2 * cycle.pct_start * cycle.steps - 2
    return [(rise, start, peak), (back, peak, start), (cycle.steps - 1, start, end)]


def _in_phases(phases: list[Phase], step: float, strategy: str) -> float:
    """The value at this step; after the last phase, the value at its end."""
    number = next((n for n, (last, _, _) in enumerate(phases) if step <= last), len(phases) - 1)
    begun = phases[number - 1][0] if number else 0.0
    last, start, end = phases[number]
    part = min((step - begun) / (last - begun), 1.0) if last != begun else 1.0
    return start + (end - start) * part if strategy == "linear" else half_cosine(start, end, part)


def _strategy(name: str, value: str) -> str:
    """How a cycle goes from one value to the next."""
    strategy: str = arguments.choice(value, name, "cos", "linear")
    return strategy
