"""The karate club: its graph, the mixing of neighbours, and gradients that are wrong."""

import re

import numpy as np
import pytest
from running import example, resumes_to_the_same_bits, status_of, without_pictures

import nn
from tinygrad_lite import Tensor, ops

graph_net = example("graph_net")
TIES, CLUBS = graph_net.karate_club()
LAST_LINE = re.compile(r"karate club: (\d+) of 32 members right in \d+\.\d s\n")
# Of the members from 1 on: the row sums of the matrix in Zachary 1977.
DEGREES = [16, 9, 10, 6, 3, 4, 4, 4, 5, 2, 3, 1, 2, 5, 2, 2, 2, 2, 2, 3, 2, 2, 2, 5, 3, 3, 2, 4, 3]
DEGREES += [4, 4, 6, 12, 17]


def adjacency() -> np.ndarray:
    matrix = np.zeros((34, 34))
    for a, b in TIES:
        matrix[a, b] += 1
        matrix[b, a] += 1
    return matrix


def mixing_matrix() -> np.ndarray:
    """D^-1/2 (A + I) D^-1/2, as Kipf and Welling write it."""
    with_loops = adjacency() + np.eye(34)
    root = np.diag(with_loops.sum(axis=0) ** -0.5)
    return root @ with_loops @ root


def test_the_graph_is_zacharys():
    """Triangles, and the spectral norm: http://konect.cc/networks/ucidata-zachary/."""
    A = adjacency()
    assert TIES.shape == (78, 2)
    assert set(np.unique(A)) == {0, 1}  # no tie twice
    assert not A.diagonal().any()
    assert A.sum(axis=0).tolist() == DEGREES
    assert np.trace(A @ A @ A) / 6 == 45
    assert np.linalg.norm(A, 2) == pytest.approx(6.72570, abs=1e-5)


def test_each_club_has_half_of_the_members():
    assert np.bincount(CLUBS).tolist() == [17, 17]
    assert CLUBS[graph_net.KNOWN].tolist() == [0, 1]
    assert CLUBS[[8, 9]].tolist() == [0, 1]  # members 9 and 10


def test_the_mixing_is_its_matrix():
    graph = graph_net.Graph(34, TIES)
    mixed = graph.mix(Tensor.eye(34)).numpy()
    np.testing.assert_allclose(mixed, mixing_matrix(), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(mixed, mixed.T)


def test_the_gradients_are_those_by_hand():
    graph, known = graph_net.Graph(34, TIES), graph_net.KNOWN
    Tensor.manual_seed(0)
    model = graph_net.GraphNet(features=34, clubs=2)
    model(Tensor.eye(34), graph)[known].cross_entropy(CLUBS[known]).backward()
    M = mixing_matrix()
    W1, W2 = (weight.numpy().T.astype(np.float64) for weight in model.parameters())
    before = M @ W1
    hidden = np.maximum(before, 0)
    e = np.exp((M @ hidden @ W2)[known])
    d_scores = np.zeros((34, 2))
    d_scores[known] = (e / e.sum(axis=1, keepdims=True) - np.eye(2)[CLUBS[known]]) / 2
    d_hidden = M @ d_scores @ W2.T * (before > 0)
    first, second = (weight.grad.numpy().T for weight in model.parameters())
    np.testing.assert_allclose(second, (M @ hidden).T @ d_scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(first, M @ d_hidden, rtol=0, atol=1e-6)


def test_the_known_members_are_not_counted():
    def model(x, graph):
        return Tensor(np.eye(2)[1 - CLUBS])  # all answers wrong

    def right_about_the_known(x, graph):
        answers = 1 - CLUBS
        answers[graph_net.KNOWN] = CLUBS[graph_net.KNOWN]
        return Tensor(np.eye(2)[answers])

    for each in (model, right_about_the_known):
        assert graph_net.judge(each, None, None, CLUBS)[1] == 0
    assert graph_net.judge(lambda x, graph: Tensor(np.eye(2)[CLUBS]), None, None, CLUBS)[1] == 32


def test_it_errs_about_member_9_only(capsys, tmp_path, monkeypatch):
    without_pictures(monkeypatch, graph_net, "draw_graph")
    assert status_of(graph_net, "--quiet", "--epochs", 4, "--out", tmp_path) == 0
    out, err = capsys.readouterr()
    assert LAST_LINE.fullmatch(out)[1] == "31"
    assert err == ""
    weights = nn.state.safe_load(tmp_path / "weights.safetensors")
    W1, W2 = (weights[f"{name}.weight"].numpy().T for name in ("first", "second"))
    M = mixing_matrix()
    answers = (M @ np.maximum(M @ W1, 0) @ W2).argmax(axis=1)
    assert np.flatnonzero(answers != CLUBS).tolist() == [8]


def lossy(self, g, y, x):
    """The gradient of x[index] where the index repeats: `+=` adds only one of the repeats."""
    gradient = np.zeros(self.given, g.dtype)
    gradient[self.index] += g
    return (gradient,)


def opposite(self, g, y, *inputs):
    return (-g * (y > 0),)


@pytest.mark.parametrize(
    ("op", "wrong"),
    [(ops.Getitem, lossy), (ops.Relu, opposite)],
    ids=["repeated neighbours are lost", "the sign of relu"],
)
def test_a_wrong_gradient_misses_the_target(monkeypatch, capsys, op, wrong):
    monkeypatch.setattr(op, "backward", wrong)
    assert status_of(graph_net, "--quiet", "--epochs", 4) == 1
    out, err = capsys.readouterr()
    assert int(LAST_LINE.fullmatch(out)[1]) < 31
    assert err == "that is below the target of 31 of 32, so the status is 1\n"


def test_a_resume_gives_the_same_bits(tmp_path, monkeypatch):
    """Also where Ctrl-C comes in the last step of an epoch."""
    monkeypatch.setattr(graph_net, "STEPS", 4)
    without_pictures(monkeypatch, graph_net, "draw_graph")
    resumes_to_the_same_bits(graph_net, tmp_path, [3, 4, 9], "--epochs", 3)


def test_the_picture_of_the_graph(tmp_path):
    graph_net.draw_graph(TIES, CLUBS, 1 - CLUBS, tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
