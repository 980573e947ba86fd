"""LBFGS: Newton's method with a curvature that is estimated from the last gradients."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from tinygrad_lite import Tensor, arguments, mistakes, recorded

from .checks import Check, not_negative
from .chunks import Array, State
from .optimizer import Optimizer
from .updates import due

# Of the line search: how much the loss has to fall, and how much flatter it has to be.
DECREASE, FLATTER = 1e-4, 0.9
SHORTEST = 1e-9  # a bracket in which no element moves further than this is not cut again
# What the state holds, under PyTorch's names; before the first direction only the counts.
COUNTS = ("func_evals", "n_iter")
VECTORS, LISTS = ("d", "prev_flat_grad"), ("old_dirs", "old_stps", "ro")
NUMBERS = ("prev_loss", "H_diag", "t")


class Point(NamedTuple):
    """One point on the line that a search follows."""

    t: float  # how far along the direction
    loss: float
    gradient: Array
    slope: float  # the derivative of the loss with respect to t


Evaluate: TypeAlias = Callable[[float], Point]


class LBFGS(Optimizer):
    """Quasi-Newton steps: -H gradient, where H, the inverse Hessian, is estimated from the past.

        y = gradient - last gradient, s = last step, for the last `history_size` pairs
        H = the two-loop recursion over them, from (y . s) / (y . y) times the identity
        parameter = parameter - t * H gradient

    For losses without noise, of which it computes the value and gradient several times per step:

        def closure():
            optimizer.zero_grad()
            loss = model(x).mse_loss(y)
            loss.backward()
            return loss

        optimizer.step(closure)

    lr                t, the length of every step; with a line search the first length that is tried
    max_iter          the number of directions in one call of `step`
    max_eval          the number of calls of the closure; by default max_iter * 5 // 4
    tolerance_grad    it stops when no element of the gradient is larger than this,
    tolerance_change  or when the loss, or every element, changes by less than this
    line_search_fn    None, or "strong_wolfe": t is searched so that the loss falls enough and
                      becomes flatter

    All parameters are one vector, so there is one group.  The state has no fixed size: save
    `state_dict()`.

    Source: J. Nocedal and S. Wright, Numerical Optimization, 2006, algorithms 7.4 and 3.5.
    """

    checks: ClassVar[dict[str, Check]] = {
        **Optimizer.checks,
        "max_iter": lambda value, name: arguments.integer(value, name, least=1),
        "max_eval": lambda value, name: arguments.integer(value, name, least=1),
        "tolerance_grad": not_negative,
        "tolerance_change": not_negative,
        "history_size": lambda value, name: arguments.integer(value, name, least=1),
        "line_search_fn": lambda value, name: arguments.choice(value, name, None, "strong_wolfe"),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        check_finite: bool = False,
    ) -> None:
        most = arguments.integer(max_iter, "LBFGS: max_iter", least=1)
        super().__init__(
            params,
            lr=lr,
            max_iter=most,
            max_eval=most * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
            check_finite=check_finite,
        )

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """There is one group, since all parameters are one vector."""
        if self.param_groups:
            raise ValueError("LBFGS: expected one group of parameters, which are one vector; got 2")
        super().add_param_group(group)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As for every optimiser; a history of vectors that do not fit is refused."""
        states = state_dict.get("state") if isinstance(state_dict, Mapping) else None
        for entry in states.values() if isinstance(states, Mapping) else ():
            if isinstance(entry, Mapping) and entry:
                self._check_entry(entry)
        super().load_state_dict(state_dict)

    def _check_entry(self, entry: Mapping[str, Any]) -> None:
        where = "LBFGS: load_state_dict"
        for name in COUNTS:
            if name in entry:
                arguments.integer(entry[name], f"{where}: {name}", least=0)
        names = COUNTS if entry.get("n_iter") == 0 else (*COUNTS, *VECTORS, *LISTS, *NUMBERS)
        missing = [name for name in names if name not in entry]
        known = (*COUNTS, *VECTORS, *LISTS, *NUMBERS, "al")  # PyTorch keeps this memory
        unexpected = [name for name in entry if name not in known]
        for what, found in (("missing", missing), ("unexpected", unexpected)):
            if found:
                raise ValueError(f"{where}: {what} {', '.join(map(str, found))}")
        for name in LISTS:
            if not isinstance(entry.get(name, []), list):
                raise arguments.wrong(f"{where}: {name}", "a list", entry[name])
        lengths = [len(entry.get(name, ())) for name in LISTS]
        if len(set(lengths)) > 1:
            listed = ", ".join(LISTS)
            raise ValueError(f"{where}: expected as many of {listed}; got {lengths}")
        numbers = [(name, entry[name]) for name in NUMBERS if name in entry]
        for name, number in numbers + [("ro", each) for each in entry.get("ro", ())]:
            if getattr(number, "shape", ()) != ():
                raise arguments.wrong(f"{where}: {name}", "a number", number)
            _number(number, f"{where}: {name}")
        size = sum(parameter.numel() for parameter in self.params)
        vectors = [(name, entry[name]) for name in VECTORS if name in entry]
        vectors += [(name, each) for name in LISTS[:2] for each in entry.get(name, ())]
        for name, vector in vectors:
            fits = getattr(vector, "shape", None) == (size,)
            if not fits or _as_array(vector).dtype.kind != "f":
                raise arguments.wrong(f"{where}: {name}", f"{size} floats in one axis", vector)

    def named_state(self) -> Iterator[tuple[str, Any]]:
        """There are no fixed names, since the history grows."""
        raise TypeError("LBFGS has a history that grows; save optimizer.state_dict() instead")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter steps.  The closure computes the loss, calls `backward`, and returns it.

        Returns the loss before the first of them.
        """
        recording = recorded.recorder.get()
        if recording is not None:
            recording.fail("LBFGS looks at the loss in each step; capture its closure instead")
        (group,) = self.param_groups
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = self._loss(closure)
        loss, gradient, evaluations = _number(first), self._gradient(), 1
        if self.finiteness is not None:
            self.finiteness.begin(self, due(self), None)
        before = self._copies() if self.finiteness is not None else None
        state["func_evals"] += 1
        if np.abs(gradient).max(initial=0.0) <= group["tolerance_grad"]:
            return first
        for name in ("d", "prev_flat_grad"):
            if name in state:
                state[name] = _array(state[name], gradient)
        for name in ("old_dirs", "old_stps"):
            state[name] = [_array(each, gradient) for each in state.get(name, ())]
        state["ro"] = [_number(each) for each in state.get("ro", ())]
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            begun = state["n_iter"] == 1
            d = -gradient if begun else _direction(state, gradient, group["history_size"])
            state["d"], state["prev_flat_grad"], state["prev_loss"] = d, gradient, loss
            t = group["lr"]
            if begun:
                state["H_diag"] = 1.0
                t *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
            state["t"] = t
            slope = float(gradient @ d)
            if slope > -group["tolerance_change"]:
                break
            calls = 0
            if group["line_search_fn"]:
                start, most = Point(0.0, loss, gradient, slope), group["max_eval"] - evaluations
                found, calls = _strong_wolfe(self._line(closure, d), start, t, d, most)
                t, loss, gradient, _ = found
                state["t"] = t
                self._move(t, d)
            else:
                self._move(t, d)
                if iteration < group["max_iter"]:  # in the last one, nobody needs the loss
                    loss, gradient, calls = _number(self._loss(closure)), self._gradient(), 1
            evaluations += calls
            state["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or np.abs(gradient).max() <= group["tolerance_grad"]
                or np.abs(d * t).max() <= group["tolerance_change"]
                or abs(loss - state["prev_loss"]) < group["tolerance_change"]
            ):
                break
        if before is not None:
            self._refuse_not_finite(state, *before)
        return first

    def _copies(self) -> tuple[dict[str, Any], list[tuple[Array, Array]]]:
        """The state, and the arrays of the parameters, each with a copy."""
        state = self.state[self.params[0]]
        kept = {
            name: [*value] if isinstance(value, list) else value for name, value in state.items()
        }
        return kept, [(parameter.data, parameter.data.copy()) for parameter in self.params]

    def _refuse_not_finite(
        self, state: State, kept: State, saved: Sequence[tuple[Array, Array]]
    ) -> None:
        """Undo the step if a parameter is not finite after it."""
        arrays = [array for array, _ in saved]
        error = self.finiteness and self.finiteness.finish(self, self.params, arrays, saved)
        if error:
            state.clear()
            state.update(kept)
            raise error

    def _gradient(self) -> Array:
        """The gradients of all parameters as one vector; 0 where there is none."""
        if all(parameter.grad is None for parameter in self.params):
            raise RuntimeError(
                "step: no parameter has a gradient; the closure has to call backward"
            )
        parts = [
            np.zeros(parameter.numel(), parameter.dtype)
            if parameter.grad is None
            else parameter.grad.data.reshape(-1)
            for parameter in self.params
        ]
        first = next(p.grad.data for p in self.params if p.grad is not None)
        self._steps.note(self, [first] * len(parts))  # here none is said to lack one
        return np.concatenate([*parts, np.empty(0, np.float32)])

    def _move(self, t: float, d: Array) -> None:
        """Parameter + t * d, in place."""
        start = 0
        for parameter in self.params:
            part = d[start : start + parameter.numel()].reshape(parameter.shape)
            np.add(parameter.data, t * part, out=parameter.data, casting="same_kind")
            parameter.mark_changed()
            start += parameter.numel()

    def _line(self, closure: Callable[[], Any] | None, d: Array) -> Evaluate:
        """What evaluates the loss at t along the direction; the parameters then are as before."""
        before = [parameter.data.copy() for parameter in self.params]

        def evaluate(t: float) -> Point:
            try:
                self._move(t, d)
                with mistakes.trial():
                    loss, gradient = _number(self._loss(closure)), self._gradient()
            finally:
                for parameter, values in zip(self.params, before, strict=True):
                    np.copyto(parameter.data, values)
                    parameter.mark_changed()
            return Point(t, loss, gradient, float(gradient @ d))

        return evaluate


def _direction(state: dict[str, Any], gradient: Array, history_size: int) -> Array:
    """-H gradient, after the last step went into the history."""
    ys, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
    y, step = gradient - state["prev_flat_grad"], state["d"] * state["t"]
    curvature = float(y @ step)
    if curvature > 1e-10:
        if len(ys) >= history_size:
            for kept in (ys, steps, ro):
                del kept[: len(kept) - history_size + 1]
        ys.append(y)
        steps.append(step)
        ro.append(1.0 / curvature)
        state["H_diag"] = curvature / float(y @ y)
    q, factors = -gradient, []
    for y, step, r in zip(reversed(ys), reversed(steps), reversed(ro), strict=True):
        factors.append(float(step @ q) * r)
        q -= factors[-1] * y
    q *= _number(state["H_diag"])
    for y, step, r, factor in zip(ys, steps, ro, reversed(factors), strict=True):
        q += (factor - float(y @ q) * r) * step
    return q


def _strong_wolfe(
    evaluate: Evaluate, start: Point, t: float, d: Array, most: int
) -> tuple[Point, int]:
    """A point at which the loss fell enough and is flatter, and the number of evaluations.

    First the steps become longer until such a point lies between two of them, then the interval
    between them becomes shorter, by cubic interpolation; after `most` trials it is the best so far.
    """
    last, new = start, evaluate(t)
    trials, done, stuck = 0, False, False
    while trials < most:
        if _too_high(new, start) or (trials > 1 and new.loss >= last.loss):
            ends = [last, new]
            break
        if abs(new.slope) <= -FLATTER * start.slope:
            ends, done = [new, new], True
            break
        if new.slope >= 0:
            ends = [last, new]
            break
        t = _lowest(last, new, (new.t + 0.01 * (new.t - last.t), new.t * 10))
        last, new, trials = new, evaluate(t), trials + 1
    else:
        ends = [start, new]
    evaluations = trials + 1
    low = 0 if ends[0].loss <= ends[1].loss else 1
    longest = float(np.abs(d).max())
    while not done and trials < most:
        left, right = sorted((ends[0].t, ends[1].t))
        if (right - left) * longest < SHORTEST:
            break
        t, margin = _lowest(ends[0], ends[1], (left, right)), 0.1 * (right - left)
        close = min(right - t, t - left) < margin
        if close and (stuck or not left < t < right):  # away from the ends, to make progress
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            close = False
        stuck = close
        new, trials, evaluations = evaluate(t), trials + 1, evaluations + 1
        if _too_high(new, start) or new.loss >= ends[low].loss:
            ends[1 - low] = new
            low = 0 if ends[0].loss <= ends[1].loss else 1
            continue
        done = abs(new.slope) <= -FLATTER * start.slope
        if not done and new.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = new
    return ends[low], evaluations


def _too_high(point: Point, start: Point) -> bool:
    """Whether the loss did not fall in proportion to the distance."""
    return point.loss > start.loss + DECREASE * point.t * start.slope


def _lowest(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """The minimum of the cubic through two points with these slopes, within bounds."""
    left, right = (a, b) if a.t <= b.t else (b, a)
    with np.errstate(all="ignore"):  # np.float64 divides by 0 too
        length = np.float64(right.t - left.t)
        d1 = a.slope + b.slope - 3 * np.float64(a.loss - b.loss) / np.float64(a.t - b.t)
        square = d1 * d1 - a.slope * b.slope
        if not square >= 0:
            return (bounds[0] + bounds[1]) / 2
        d2 = math.sqrt(square)
        down = (right.slope + d2 - d1) / np.float64(right.slope - left.slope + 2 * d2)
        return float(min(max(right.t - length * down, bounds[0]), bounds[1]))


def _number(value: Any, name: str = "LBFGS: the result of the closure") -> float:
    """A loss, or a number of the state, as a Python float."""
    item = value.item() if hasattr(value, "item") else value
    return float(arguments.number(item, name))


def _array(value: Any, like: Array) -> Array:
    """A vector of the state, in the dtype of the gradient."""
    return np.asarray(_as_array(value), like.dtype)


def _as_array(value: Any) -> Array:
    return np.asarray(value.data if isinstance(value, Tensor) else value)
