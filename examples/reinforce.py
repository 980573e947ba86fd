"""A policy learns to balance a pole on a cart, from nothing but how long it stays up.

    python examples/reinforce.py --out runs/cart  # after Ctrl-C: the same, --resume

REINFORCE (Williams 1992): play whole episodes, then make each action more probable by as much as
what came after it was better than the baseline, a second network that learns what to expect.  Any
baseline leaves the gradient right on average, a good one makes it less noisy.  It goes through the
log-probability of the action alone: nobody differentiates the cart.
"""

import _interrupts  # noqa: F401  # first: from here on, Ctrl-C ends the program in one line
import time
from pathlib import Path

import numpy as np

import nn
from nn import training
from nn.distributions import Categorical
from tinygrad_lite import Tensor, no_grad

GRAVITY, CART, POLE, HALF = 9.8, 1.0, 0.1, 0.5  # m/s^2, kg, kg, m: half the length of the pole
FORCE, TICK = 10.0, 0.02  # newtons to the left or to the right, for this many seconds
FARTHEST, STEEPEST = 2.4, np.radians(12)  # metres from the middle and angle; beyond, it is over
LONGEST = 500  # actions in an episode; all as in Gym's CartPole-v1
HIDDEN = 64  # units in the one hidden layer of each network
EPISODES = 16  # side by side, for one step of the optimiser
EPOCHS, STEPS = 10, 10  # an epoch is 10 steps
LR = 0.02  # of Adam: an eleventh of the steps it rises, to 0.91 of this, then it falls to 0
GAMMA = 0.97  # weight of a reward after one more action; so some 33 actions ahead count
JUDGED = 100  # fresh episodes at the end, whose mean return is the score
TARGET = 475.0  # mean return from which CartPole-v1 counts as solved


class Agent(nn.Module):
    """Two networks that see position, speed, angle and turning speed.  (N, 4) -> (N, 2), (N, 1)."""

    def __init__(self) -> None:
        self.policy = nn.Sequential(nn.Linear(4, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2))
        self.baseline = nn.Sequential(nn.Linear(4, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))


def move(states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """The states of many carts, (N, 4), one tick later.  actions: (N,), 1 pushes to the right.

    Source: Barto, Sutton and Anderson 1983, here without friction; one step of Euler's method.
    """
    _, speed, angle, turning = states.T
    cos, sin, mass = np.cos(angle), np.sin(angle), CART + POLE
    force = np.where(actions == 1, FORCE, -FORCE)
    pushed = (force + POLE * HALF * turning**2 * sin) / mass
    angular = (GRAVITY * sin - cos * pushed) / (HALF * (4 / 3 - POLE * cos**2 / mass))
    linear = pushed - POLE * HALF * angular * cos / mass
    return states + TICK * np.stack([speed, linear, turning, angular], axis=1)


@no_grad()
def play(agent: Agent, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Episodes side by side: states (T, N, 4), actions (T, N), and whether the pole was up, (T, N).

    Each action in which it was up is a reward of 1, so the return of an episode is their number.
    """
    states, up = rng.uniform(-0.05, 0.05, (count, 4)), np.ones(count, dtype=bool)
    played: list[tuple[np.ndarray, ...]] = []
    while up.any() and len(played) < LONGEST:
        right = agent.policy(Tensor(states).float()).softmax(axis=1)[:, 1].numpy()
        actions = (rng.random(count) < right).astype(np.int64)
        played.append((states, actions, up))
        states = np.where(up[:, None], move(states, actions), states)
        up = up & (abs(states[:, 0]) <= FARTHEST) & (abs(states[:, 2]) <= STEEPEST)
    return tuple(np.stack(each) for each in zip(*played, strict=True))


def returns_of(up: np.ndarray) -> np.ndarray:
    """From each action on, the mean of the rewards, with weights 1, GAMMA, GAMMA^2, ...: (T, N)."""
    returns, later = np.zeros(up.shape), np.zeros(up.shape[1])
    for t in reversed(range(len(up))):
        later = returns[t] = (1 - GAMMA) * up[t] + GAMMA * later
    return returns


def loss_of(agent: Agent, states: Tensor, actions: np.ndarray, returns: Tensor) -> Tensor:
    """The baseline's squared error, plus a term that is there for its gradient: the policy's."""
    advantages: Tensor = returns - agent.baseline(states).squeeze(1)
    log_prob = Categorical(logits=agent.policy(states)).log_prob(actions)
    return (advantages.square() - log_prob * advantages.detach()).mean()


def draw_frames(before: np.ndarray, after: np.ndarray, path: Path) -> None:
    """Two episodes, (T, 4), in rows: eight moments of each, from its beginning to its end."""
    with training.figure(path, 12, 2) as figure:
        for row, (name, states) in enumerate([("before", before), ("after", after)]):
            for column, t in enumerate(np.linspace(0, len(states) - 1, 8).astype(int), 1):
                x, _, angle, _ = states[t]
                axes = figure.add_subplot(2, 8, 8 * row + column, aspect="equal")
                axes.axis("off")
                axes.plot([-FARTHEST, FARTHEST], [0, 0], color="0.7")  # the track
                axes.plot(
                    [x, x + 2 * HALF * np.sin(angle)], [0, 2 * HALF * np.cos(angle)], "C1", lw=3
                )
                axes.plot(x, 0, "C0s", markersize=10)
                axes.set_title(f"{name}, {t * TICK:.2f} s", fontsize=8)


def main() -> int:
    """Play and learn in turn; then judge the policy by episodes that it did not learn from."""
    began = time.perf_counter()
    args = training.arguments(
        __doc__, without=("data",), lr=(LR, "highest learning rate of Adam"),
        epochs=(EPOCHS, f"of {STEPS} steps"), batch_size=(EPISODES, "episodes in one step"),
        seed=(0, "of all that is random"), target=(TARGET, "exit status 1 below this mean return"),
    )  # fmt: skip
    Tensor.manual_seed(args.seed)
    agent, rng, steps = Agent(), np.random.default_rng(args.seed), args.epochs * STEPS
    before, _, _ = play(agent, 1, rng)
    adam = nn.optim.Adam(agent.parameters(), args.lr)
    with training.Report(
        epochs=args.epochs, steps=STEPS, rows=STEPS * args.batch_size, unit="episodes",
        name="CartPole", out=args.out, resume=args.resume, quiet=args.quiet,
        every=1, kept=["weights.safetensors", "curves.png", "frames.png"],
    ) as report:  # fmt: skip
        report.resume(vars(args), agent=agent, adam=adam, rng=rng)
        try:
            for epoch in range(report.finished, args.epochs):
                for step in range(report.taken, (epoch + 1) * STEPS):
                    states, actions, up = play(agent, args.batch_size, rng)
                    seen, returns = Tensor(states[up]).float(), Tensor(returns_of(up)[up]).float()
                    loss_of(agent, seen, actions[up], returns).backward()
                    adam.lr = args.lr * min(1, 10 * (step + 1) / steps, 1 - step / steps)
                    adam.step()
                    adam.zero_grad()
                    report.step(args.batch_size, mean_return=up.sum(axis=0).mean())
                report.epoch()
                report.save()
        except KeyboardInterrupt as stop:
            report.stopped(stop, "this judges the weights as they are")
        judged, _, up = play(agent, JUDGED, rng)
        score, weights = up.sum(axis=0).mean(), agent.state_dict()
        seconds = time.perf_counter() - began
        report.keep("weights.safetensors", lambda path: nn.state.safe_save(weights, path))
        report.keep("curves.png", lambda path: training.curves(report.metrics, path))
        report.keep("frames.png", lambda path: draw_frames(before[:, 0], judged[up[:, 0], 0], path))
        report.result(f"CartPole: mean return {score:.1f} of {LONGEST} in {seconds:.1f} s")
        return report.status(score, args.target)


if __name__ == "__main__":
    raise SystemExit(training.run(main))
