"""The one schedule with a state: the rate falls when the results no longer become better."""

import math
from collections.abc import Mapping
from typing import Any

from tinygrad_lite import Tensor, arguments

from ..checks import not_negative


class reduce_on_plateau:
    """The rate times `factor` whenever the results have not become better for too long.

        schedule = nn.optim.schedules.reduce_on_plateau(0.1, patience=5)
        for epoch in range(100):
            ...
            optimizer.lr = schedule(validation_loss)

    mode            "min" if a smaller result is better, "max" if a larger one is
    factor          below 1
    patience        the number of results in a row that may be no better
    threshold       a result counts as better only if it is beyond best * (1 - threshold), for "max"
                    best * (1 + threshold)
    threshold_mode  "rel", or "abs": best - threshold, and best + threshold
    cooldown        the number of results after a reduction that do not count
    min_lr          the rate does not fall below it
    eps             a reduction by no more than this is not made
    """

    remembers = ("lr", "best", "no_better", "cooling")

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = "reduce_on_plateau"
        self.lr = not_negative(lr, f"{name}: lr")
        self.mode = arguments.choice(mode, f"{name}: mode", "min", "max")
        self.factor = not_negative(factor, f"{name}: factor")
        if self.factor >= 1:
            raise ValueError(f"{name}: factor: expected a number below 1; got {self.factor}")
        self.patience = arguments.integer(patience, f"{name}: patience", least=0)
        self.threshold = not_negative(threshold, f"{name}: threshold")
        self.threshold_mode = arguments.choice(
            threshold_mode, f"{name}: threshold_mode", "rel", "abs"
        )
        self.cooldown = arguments.integer(cooldown, f"{name}: cooldown", least=0)
        self.min_lr = not_negative(min_lr, f"{name}: min_lr")
        self.eps = not_negative(eps, f"{name}: eps")
        self.best = math.inf if self.mode == "min" else -math.inf
        self.no_better = 0  # results in a row
        self.cooling = 0  # results that will not count

    def __call__(self, result: float | Tensor) -> float:
        """The rate after this result, such as the loss on the validation data.

        nan is no better than anything.
        """
        if isinstance(result, Tensor) and result.numel() == 1:
            result = result.item()
        current = float(arguments.number(result, "reduce_on_plateau: result"))
        if self._is_better(current):
            self.best, self.no_better = current, 0
        else:
            self.no_better += 1
        if self.cooling:
            self.cooling -= 1
            self.no_better = 0
        if self.no_better > self.patience:
            reduced = max(self.lr * self.factor, self.min_lr)
            if self.lr - reduced > self.eps:
                self.lr = reduced
            self.no_better, self.cooling = 0, self.cooldown
        return self.lr

    def _is_better(self, result: float) -> bool:
        """Whether it is beyond the best one by more than the threshold."""
        margin = self.threshold if self.mode == "max" else -self.threshold
        relative = self.threshold_mode == "rel"
        limit = self.best * (1.0 + margin) if relative else self.best + margin
        return result > limit if self.mode == "max" else result < limit

    def state_dict(self) -> dict[str, float]:
        """The rate and what it depends on, as plain numbers, for a run that will be continued."""
        return {name: getattr(self, name) for name in self.remembers}

    def load_state_dict(self, state_dict: Mapping[str, float]) -> None:
        """Continue from what `state_dict` gave.

        Errors, before anything is changed: TypeError if it is no dict of numbers, ValueError if a
        name is missing or unexpected.
        """
        name = "reduce_on_plateau: load_state_dict"
        if not isinstance(state_dict, Mapping):
            raise arguments.wrong(name, "a dict", state_dict)
        if set(state_dict) != set(self.remembers):
            got = ", ".join(map(str, state_dict)) or "none"
            raise ValueError(f"{name}: expected the names {', '.join(self.remembers)}; got {got}")
        values: dict[str, Any] = {
            key: arguments.number(state_dict[key], f"{name}: {key}") for key in self.remembers
        }
        vars(self).update(values)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"reduce_on_plateau({options})"
