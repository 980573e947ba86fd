"""CartPole: its motion and its end, the policy gradient, the last line, and a resume."""

import re

import numpy as np
import pytest
from running import example, resumes_to_the_same_bits, status_of, without_pictures

from tinygrad_lite import Tensor, ops

reinforce = example("reinforce")
LAST_LINE = re.compile(r"CartPole: mean return (\d+\.\d) of 500 in \d+\.\d s\n")


def always(logits: list[float]):
    """An agent that looks at nothing."""

    class Always:
        @staticmethod
        def policy(states: Tensor) -> Tensor:
            return Tensor([logits] * len(states))

    return Always()


LEFT, RIGHT = always([100.0, 0.0]), always([0.0, 100.0])


def test_a_push_from_rest_by_hand():
    """The accelerations of the cart and of the pole are 400/41 m/s^2 and -600/41 rad/s^2."""
    moved = reinforce.move(np.zeros((2, 4)), np.array([1, 0]))
    expected = np.array([0, 8 / 41, 0, -12 / 41])
    np.testing.assert_allclose(moved, [expected, -expected], rtol=1e-14)


def test_the_motion_solves_the_equations_of_cart_and_pole():
    """Those of forces on both, and of torques on the pole, as two linear equations."""
    rng = np.random.default_rng(0)
    states, actions = rng.uniform(-1, 1, (20, 4)), rng.integers(0, 2, 20)
    moved = reinforce.move(states, actions)
    for (x, v, angle, w), action, after in zip(states, actions, moved, strict=True):
        force = 10 if action else -10
        matrix = [[1.1, 0.05 * np.cos(angle)], [np.cos(angle), 4 / 3 * 0.5]]
        linear, angular = np.linalg.solve(
            matrix, [force + 0.05 * w**2 * np.sin(angle), 9.8 * np.sin(angle)]
        )
        expected = [x + 0.02 * v, v + 0.02 * linear, angle + 0.02 * w, w + 0.02 * angular]
        np.testing.assert_allclose(after, expected, rtol=1e-12)


@pytest.mark.parametrize(("agent", "action"), [(LEFT, 0), (RIGHT, 1)])
def test_an_episode_ends_when_the_pole_has_fallen(agent, action):
    states, actions, up = reinforce.play(agent, 6, np.random.default_rng(0))
    assert up[0].all()
    assert np.all(abs(states[0]) <= 0.05)
    assert np.all(actions[up] == action)
    for cart in range(6):
        state, count = states[0, cart], 0
        while abs(state[2]) <= 12 * 2 * np.pi / 360 and abs(state[0]) <= 2.4:
            state, count = reinforce.move(state[None], np.array([action]))[0], count + 1
        assert up[:, cart].tolist() == [True] * count + [False] * (len(up) - count)
    assert len(up) == up.sum(axis=0).max()  # nothing is played when all have fallen


@pytest.mark.parametrize(("column", "limit"), [(0, 2.4), (2, 12 * 2 * np.pi / 360)])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_limits_of_position_and_angle(monkeypatch, column, limit, side):
    beyond, within = np.zeros((2, 2, 4))
    within[:, column], beyond[:, column] = side * limit * (1 - 1e-9), side * limit * (1 + 1e-9)
    path = iter([within, within, beyond])
    monkeypatch.setattr(reinforce, "move", lambda states, actions: next(path))
    _, _, up = reinforce.play(LEFT, 2, np.random.default_rng(0))
    assert up.sum(axis=0).tolist() == [3, 3]


def test_an_episode_ends_after_500_actions(monkeypatch):
    monkeypatch.setattr(reinforce, "move", lambda states, actions: states)
    _, _, up = reinforce.play(LEFT, 1, np.random.default_rng(0))
    assert up.shape == (500, 1)
    assert up.all()


def test_actions_are_drawn_with_the_probabilities_of_the_policy(monkeypatch):
    monkeypatch.setattr(reinforce, "LONGEST", 1)
    agent = always(np.log([0.3, 0.7]).tolist())
    _, actions, _ = reinforce.play(agent, 10_000, np.random.default_rng(0))
    assert actions.mean() == pytest.approx(0.7, abs=0.02)


def test_returns_are_weighted_means_of_the_rewards_that_follow():
    up = np.arange(7)[:, None] < np.array([7, 3, 1])
    expected = [
        [sum(0.03 * 0.97 ** (k - t) * up[k, cart] for k in range(t, 7)) for cart in range(3)]
        for t in range(7)
    ]
    np.testing.assert_allclose(reinforce.returns_of(up), expected, rtol=1e-12)


START, HORIZON = np.array([0.0, 0.0, 0.19, 0.4]), 4  # it falls after two, three or no more actions


def right_probability(parameters: np.ndarray, state: np.ndarray) -> float:
    """The policy by hand, with three hidden units: weights and biases in one vector."""
    W1, b1, W2, b2 = np.split(parameters, [12, 15, 21])
    left, right = W2.reshape(2, 3) @ np.tanh(W1.reshape(3, 4) @ state + b1) + b2
    return 1 / (1 + np.exp(left - right))


def sequences(parameters: np.ndarray):
    """Every episode that can happen, with its probability: (probability, states, actions)."""
    open_ones = [(1.0, [START], [])]
    while open_ones:
        probability, states, actions = open_ones.pop()
        if len(actions) == HORIZON or abs(states[-1][2]) > np.radians(12):
            yield probability, np.array(states[: len(actions)]), np.array(actions)
            continue
        p = right_probability(parameters, states[-1])
        for action, chance in ((0, 1 - p), (1, p)):
            after = reinforce.move(states[-1][None], np.array([action]))[0]
            open_ones.append((probability * chance, [*states, after], [*actions, action]))


def expected_return(parameters: np.ndarray) -> float:
    return sum(probability * len(actions) for probability, _, actions in sequences(parameters))


def test_the_policy_gradient_is_that_of_the_expected_return(monkeypatch):
    """On average over all episodes, whatever the baseline; by finite differences."""
    monkeypatch.setattr(reinforce, "HIDDEN", 3)
    Tensor.manual_seed(0)
    agent = reinforce.Agent().double()
    weights = list(agent.policy.parameters())
    parameters = np.concatenate([weight.numpy().ravel() for weight in weights])
    episodes = list(sequences(parameters))
    assert sum(probability for probability, _, _ in episodes) == pytest.approx(1)
    assert len({len(actions) for _, _, actions in episodes}) > 1
    for probability, states, actions in episodes:
        to_come = Tensor(np.arange(len(actions), 0, -1.0))  # each action is a reward of 1
        loss = reinforce.loss_of(agent, Tensor(states), actions, to_come)
        (loss * (probability * len(actions))).backward()  # the loss is a mean over the actions
    gradient = -np.concatenate([weight.grad.numpy().ravel() for weight in weights])
    steps = 1e-5 * np.eye(len(parameters))
    differences = [
        (expected_return(parameters + step) - expected_return(parameters - step)) / 2e-5
        for step in steps
    ]
    assert np.linalg.norm(differences) > 0.01
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=1e-8)


def test_the_baseline_learns_by_its_squared_error_alone():
    Tensor.manual_seed(0)
    agent = reinforce.Agent().double()
    rng = np.random.default_rng(0)
    states, returns = rng.normal(size=(5, 4)), rng.random(5)
    reinforce.loss_of(agent, Tensor(states), rng.integers(0, 2, 5), Tensor(returns)).backward()
    error = agent.baseline(Tensor(states)).numpy()[:, 0] - returns
    *_, bias = agent.baseline.parameters()
    np.testing.assert_allclose(bias.grad.numpy(), [2 * error.mean()], rtol=1e-12)


def test_a_gradient_with_the_wrong_sign_misses_the_target(monkeypatch, capsys):
    right = ops.LogSoftmax.backward
    monkeypatch.setattr(ops.LogSoftmax, "backward", lambda *given: (-right(*given)[0],))
    assert status_of(reinforce, "--quiet", "--epochs", 3) == 1
    out, err = capsys.readouterr()
    assert float(LAST_LINE.fullmatch(out)[1]) < 20
    assert err == "that is below the target of 475, so the status is 1\n"


def test_a_resume_gives_the_same_bits(tmp_path, monkeypatch):
    """The weights, and the generator of the episodes; also in the last step of an epoch."""
    monkeypatch.setattr(reinforce, "STEPS", 3)
    monkeypatch.setattr(reinforce, "JUDGED", 2)
    without_pictures(monkeypatch, reinforce, "draw_frames")
    resumes_to_the_same_bits(reinforce, tmp_path, [2, 3], "--epochs", 2, "--batch-size", 2)


def test_the_picture_of_frames(tmp_path):
    episode = np.linspace(-0.2, 0.2, 12)[:, None] * np.ones(4)
    reinforce.draw_frames(episode[:5], episode, tmp_path / "frames.png")
    assert (tmp_path / "frames.png").read_bytes().startswith(b"\x89PNG")
