"""What folds: modules by their calls and by names, equal parts, loops; and what is said of it."""

import numpy as np
import pytest

import nn
from tinygrad_lite import Tensor, draw, keep_values
from tinygrad_lite.show import Picture

BY_NAME = "Each Module is one box; which ops belong to it follows from the names of its parameters."
BY_CALL = "Each Module is one box."
EQUAL = "Equal parts that follow each other share one box."


def shown(picture: Picture) -> list[list[str]]:
    """The text of the boxes, without the lines of the source."""
    return [
        [box.title, *(line for line in box.details if ".py:" not in line)]
        for box in picture.outline.boxes
    ]


def arrows(picture: Picture) -> list[tuple[str, str, str]]:
    return [
        (source.title, box.title, text)
        for box in picture.outline.boxes
        for source, text in box.inputs
    ]


def ones(*shape: int) -> Tensor:
    return Tensor(np.ones(shape, np.float32))


def sixty_layers() -> nn.Sequential:
    return nn.Sequential(*(layer for _ in range(60) for layer in (nn.Linear(8, 8), nn.ReLU())))


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.query(x) @ self.key(x).transpose(-1, -2)
        return scores.softmax(-1) @ self.value(x)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Linear(16, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.network(self.norm2(x))


class Model(nn.Module):
    def __init__(self) -> None:
        self.embedding = nn.Embedding(10, 4)
        self.blocks = nn.ModuleList([Block(4) for _ in range(6)])
        self.head = nn.Linear(4, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@pytest.mark.parametrize("kept", [False, True])
def test_sixty_layers_are_one_box(kept: bool) -> None:
    model = sixty_layers()
    with keep_values() if kept else model_is_live():
        loss = model(ones(3, 8)).sum()
    picture = draw(loss, names=model, fold="module")
    assert shown(picture)[:-1] == [
        ["input", "(3, 8)"],
        [
            f"60 x (Linear, {'ReLU' if kept else 'Relu'})",
            "layers 0 to 118",
            "4,320 parameters",
            "72 in each",
            "(3, 8)",
        ],
    ]
    how = BY_CALL if kept else BY_NAME
    assert picture.caption == f"A graph of 121 ops. {how} {EQUAL}"


class model_is_live:
    """Nothing around the forward pass."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("state", ["live", "kept", "released", "released and kept"])
def test_a_transformer_is_a_row_of_blocks_in_every_state(state: str) -> None:
    model = Model()
    tokens = Tensor(np.arange(5)[None])
    with keep_values() if "kept" in state else model_is_live():
        loss = model(tokens).sum()
        if "released" in state:
            loss.backward()
    each = 2 * 8 + 3 * 20 + (4 * 16 + 16) + (16 * 4 + 4)
    picture = draw(loss, names=model, fold="module")
    assert shown(picture)[:-1] == [
        ["Embedding", "embedding", "40 parameters", "(1, 5, 4)"],
        [
            "6 x Block",
            "blocks.0 to blocks.5",
            "LayerNorm, Attention, Add, LayerNorm,",
            "Sequential, Add",
            f"{6 * each:,} parameters",
            f"{each} in each",
            "(1, 5, 4)",
        ],
        ["Linear", "head", "50 parameters", "(1, 5, 10)"],
    ]
    assert [pair[:2] for pair in arrows(picture)] == [
        ("Embedding", "6 x Block"),
        ("6 x Block", "Linear"),
        ("Linear", "Sum"),
    ]


def test_names_in_a_dict_group_too_without_the_kinds_of_modules() -> None:
    model = Model()
    loss = model(Tensor(np.arange(5)[None])).sum()
    titles = [text[0] for text in shown(draw(loss, names=model.state_dict(), fold="module"))]
    assert titles == ["Getitem", "6 x blocks.*", "Linear", "Sum"]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        self.cell, self.head = nn.LSTMCell(2, 3), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        state = ones(4, 3), ones(4, 3)
        for time in range(x.shape[1]):
            state = self.cell(x[:, time], state)
        return self.head(state[0])


@pytest.mark.parametrize("kept", [False, True])
def test_the_steps_of_a_loop_are_one_box_with_shared_weights(kept: bool) -> None:
    model = Recurrent()
    with keep_values() if kept else model_is_live():
        loss = model(ones(4, 50, 2)).sum()
    picture = draw(loss, names=model, fold="module")
    size = 4 * 3 * (2 + 3) + 2 * 4 * 3
    assert shown(picture)[-3:-1] == [
        [
            "50 x LSTMCell",
            "cell, 50 calls",
            "takes 49 more arrays",
            f"{size} parameters, shared",
            "(4, 3)",
        ],
        ["Linear", "head", "4 parameters", "(4, 1)"],
    ]


class Branches(nn.Module):
    def __init__(self) -> None:
        self.branches = nn.ModuleList([nn.Linear(4, 4) for _ in range(5)])
        self.out = nn.Linear(20, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(Tensor.cat(*(branch(x).relu() for branch in self.branches), dim=1))


def test_parallel_branches_are_said_to_be_side_by_side() -> None:
    model = Branches()
    picture = draw(model(ones(3, 4)).sum(), names=model, fold="module")
    assert shown(picture)[1] == [
        "5 x (Linear, Relu)",
        "branches.0 to branches.4",
        "side by side",
        "100 parameters",
        "20 in each",
        "(3, 4)",
    ]
    assert ("5 x (Linear, Relu)", "Concatenate", "5 x (3, 4)") in arrows(picture)


def test_a_module_that_is_called_twice_has_two_boxes_and_one_set_of_weights() -> None:
    layer = nn.Linear(2, 2)
    with keep_values():
        loss = (layer(ones(1, 2)).relu() - layer(ones(3, 2)).tanh()).sum()
    picture = draw(loss, names={"weight": layer.weight, "bias": layer.bias}, fold="module")
    titles = [text[0] for text in shown(picture)]
    assert titles.count("Linear") == 2
    assert titles.count("weight") == titles.count("bias") == 1


class Plain:
    """A model that is no Module."""

    def __init__(self) -> None:
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def __call__(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())


@pytest.mark.parametrize("kept", [False, True])
def test_layers_outside_of_a_module_are_named_by_their_parameters(kept: bool) -> None:
    model = Plain()
    with keep_values() if kept else model_is_live():
        loss = model(ones(5, 3)).sum()
    picture = draw(loss, names=nn.state.get_state_dict(model), fold="module")
    assert shown(picture)[:-1] == [
        ["input", "(5, 3)"],
        ["Linear", "first", "16 parameters", "(5, 4)"],
        ["Relu", "(5, 4)"],
        ["Linear", "second", "10 parameters", "(5, 2)"],
    ]


class Tied(nn.Module):
    def __init__(self) -> None:
        self.embedding, self.inner = nn.Embedding(5, 4), nn.Linear(4, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.inner(self.embedding(tokens)).relu())


@pytest.mark.parametrize("kept", [False, True])
def test_a_weight_of_two_modules_is_used_by_each(kept: bool) -> None:
    model = Tied()
    with keep_values() if kept else model_is_live():
        loss = model(Tensor(np.arange(3))).sum()
    texts = shown(draw(loss, names=model, fold="module"))
    assert [text for text in texts if text[0] in ("Embedding", "Linear")] == [
        ["Embedding", "embedding", "20 parameters", "(3, 4)"],
        ["Linear", "inner", "20 parameters", "(3, 4)"],
        ["Linear", "head", "20 parameters", "(3, 5)"],
    ]
    assert ["embedding.weight", "(5, 4)"] in texts
    linears = [text for text in shown(draw(loss, names=model)) if text[0] == "Linear"]
    assert [text[1] for text in linears] == ["inner", "head"]
    linears = [text for text in shown(draw(loss, names=model.state_dict())) if text[0] == "Linear"]
    assert linears[1] != ["Linear", "embedding", "weights transposed", "(3, 5)"]


def test_a_penalty_on_the_weights_belongs_to_no_layer() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    penalty = sum((weight * weight).sum() for weight in model.parameters())
    loss = model(ones(1, 3)).sum() + 0.1 * penalty
    texts = shown(draw(loss, names=model, fold="module"))
    assert ["Linear", "layer 0", "16 parameters", "(1, 4)"] in texts
    assert ["Mul", "(4, 3)"] in texts
    assert ["Sum", "axes (0, 1)", "()"] in texts


def test_repeats_need_no_modules() -> None:
    weights = [Tensor(np.eye(2), requires_grad=True) for _ in range(200)]
    x = Tensor(np.ones((1, 2)))
    for weight in weights:
        x = (x @ weight).tanh() + x
    picture = draw(x.sum())
    assert [text[0] for text in shown(picture)][-2:] == ["200 x (Matmul, Tanh, Add)", "Sum"]
    assert picture.caption == (
        "A graph of 601 ops. It has more than 300 boxes, so it is folded. " + EQUAL
    )


def test_repeats_inside_repeats() -> None:
    x = Tensor(np.ones((2, 2)), requires_grad=True).exp()
    for _ in range(40):
        for _ in range(3):
            x = x.tanh()
        x = x.relu().exp().log()
    titles = [text[0] for text in shown(draw(x.sum(), fold="module"))]
    assert titles == ["parameter 1", "Exp", "40 x (3 x Tanh, Relu, Exp, Log)", "Sum"]


def test_parts_that_take_from_different_places_are_not_equal() -> None:
    """Each op has the same kind and shape; what they use differs."""
    a = Tensor(np.ones(3), requires_grad=True).exp()
    values = [a, a.tanh()]
    for step in range(30):
        values.append(values[step * 7 % len(values)] + values[-1])
    titles = [text[0] for text in shown(draw(values[-1].sum(), fold="module"))]
    assert titles.count("Add") > 10


def test_what_is_not_known_is_said() -> None:
    loss = (Tensor([1.0], requires_grad=True) * 2.0).sum()
    assert draw(loss, fold="module").caption == (
        "A graph of 2 ops. No Modules are known here, so there is a box for each op; "
        "pass names=model, or call inside `with keep_values():`."
    )
    with keep_values():
        loss = (Tensor([1.0], requires_grad=True) * 2.0).sum()
    assert "No Module was called" in draw(loss, fold="module").caption
    assert "No parameter of this graph belongs to the Module" in draw(loss, names=Model()).caption


@pytest.mark.parametrize("fold", ["modules", True, 0, np.ones(2)])
def test_a_wrong_fold_is_one_line(fold: object) -> None:
    loss = Tensor([1.0], requires_grad=True).sum()
    with pytest.raises(ValueError, match=r'^draw: fold: expected "module" or None; got .*$'):
        draw(loss, fold=fold)  # type: ignore[arg-type]
