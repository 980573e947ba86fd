"""`step.source()`: a recorded step as a NumPy program that runs alone, with the step's bits."""

import ast
import importlib.util
import itertools
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from threadpoolctl import threadpool_limits

import nn
from tinygrad_lite import Tensor, capture

ROOT = Path(__file__).resolve().parents[2]
EVERY_ROW = "EVERY_ROW" in os.environ  # in every shape, too


class MLP(nn.Module):
    def __init__(self, pixels=784, hidden=1024):
        self.hidden = nn.Linear(pixels, hidden)
        self.scores = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.scores(self.hidden(x).relu())


class Convolutional(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.scores = nn.Linear(36, 10)

    def forward(self, x):
        return self.scores(self.norm(self.conv(x)).relu().max_pool2d(2).flatten(1))


class WithDropout(nn.Module):
    def __init__(self):
        self.hidden = nn.Linear(20, 16)
        self.norm = nn.LayerNorm(16)
        self.dropout = nn.Dropout(0.3)
        self.scores = nn.Linear(16, 10)

    def forward(self, x):
        return self.scores(self.dropout(self.norm(self.hidden(x).gelu())))


class Sequences(nn.Module):
    def __init__(self):
        self.emb = nn.Embedding(10, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.scores = nn.Linear(8, 10)

    def forward(self, x):
        states, _ = self.lstm(self.emb((x * 9).long().abs() % 10))
        return self.scores(states[:, -1])


class Recurrent(nn.Module):
    def __init__(self):
        self.cell = nn.LSTMCell(6, 8)
        self.scores = nn.Linear(8, 10)

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return self.scores(state[0])


def trainer(model, optimiser):
    """A model, its optimiser, and a step."""

    def make():
        Tensor.manual_seed(0)
        net = model()
        opt = optimiser(nn.state.get_parameters(net))

        def step(x, y):
            opt.zero_grad()
            loss = net(x).cross_entropy(y)
            loss.backward()
            opt.step()
            return loss

        return net, opt, step

    return make


def sgd(momentum=0.9):
    return lambda params: nn.optim.SGD(params, lr=0.1, momentum=momentum)


def batches(count, shape, n=16):
    rng = np.random.default_rng(1)
    return [
        (Tensor(rng.standard_normal((n, *shape), np.float32)), Tensor(rng.integers(0, 10, n)))
        for _ in range(count)
    ]


def recorded(make, given):
    """The parts of an eager step and of a captured one, after the same three calls."""
    eager, captured = make(), make()
    step = capture(captured[2])
    for call in (eager[2], step):
        Tensor.manual_seed(3)
        for batch in given[:3]:
            call(*batch)
    return eager, captured, step


def array(value):
    return value.data if isinstance(value, Tensor) else value


def check_beside(make, given):
    """The program is run for the batches after the third, beside eager steps."""
    (net, opt, step), (twin, twin_opt, _), captured = recorded(make, given)
    program = captured.source()
    names = {name: value.copy("K") for name, value in program.arrays.items()}
    exec(program.head, names)
    for batch in given[3:]:
        names.update(zip(program.inputs, map(array, batch), strict=True))
        loss = step(*batch)
        with threadpool_limits(1):  # as convolutions in other tests make products run
            exec(program.body, names)
        assert names[program.returns[0]].tobytes() == loss.data.tobytes()
        compare_state(program, names, twin, twin_opt, net, opt)
    return program


def compare_state(program, names, twin, twin_opt, net, opt):
    """The arrays of the program are those that eager steps leave."""
    found = {id(value): name for name, value in program.arrays.items()}
    eager = nn.state.get_state_dict(net)
    check_no_line_is_dead(program)
    compared = 0
    for path, tensor in nn.state.get_state_dict(twin).items():
        if id(tensor.data) in found:
            compared += 1
            assert names[found[id(tensor.data)]].tobytes() == eager[path].data.tobytes(), path
    for parameter, beside in zip(twin_opt.params, opt.params, strict=True):
        for key, kept in twin_opt.state[parameter].items():
            if id(kept) in found:
                compared += 1
                assert names[found[id(kept)]].tobytes() == opt.state[beside][key].tobytes(), key
    for name, leaf in program.grads.items():
        position = next(i for i, one in enumerate(twin_opt.params) if one is leaf)
        assert names[name].tobytes() == opt.params[position].grad.data.tobytes(), name
    assert compared >= len(opt.params)


def check_no_line_is_dead(program):
    """Each name that a line makes is read by a later one, or is what the step leaves."""
    read = {*program.returns, *program.grads}
    for line in reversed(program.lines):
        plain = line.name.isidentifier() and line.code.startswith(f"{line.name} = ")
        assert not plain or line.name in read or line.effect, line.code
        tree = ast.parse(line.code)
        changed = isinstance(tree.body[0], ast.AugAssign)
        names = [one for one in ast.walk(tree) if isinstance(one, ast.Name)]
        read |= {one.id for one in names if changed or isinstance(one.ctx, ast.Load)}


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (trainer(lambda: MLP(20, 16), sgd()), (20,)),
        (trainer(lambda: MLP(20, 16), sgd(0.0)), (20,)),
        (trainer(lambda: MLP(20, 16), lambda params: nn.optim.Adam(params, lr=0.01)), (20,)),
        (trainer(WithDropout, lambda params: nn.optim.AdamW(params, lr=0.01)), (20,)),
        (trainer(Convolutional, sgd()), (1, 8, 8)),
        (trainer(Recurrent, sgd()), (3, 6)),
    ],
    ids=["momentum", "plain", "adam", "dropout", "convolution", "lstm"],
)
def test_the_program_does_the_step(make, shape) -> None:
    check_beside(make, batches(5, shape))


def by_formula():
    """The step of examples/mnist_mlp.py, with its loss written out."""
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        spec = importlib.util.spec_from_file_location("blog", ROOT / "examples" / "mnist_mlp.py")
        blog = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(blog)
    finally:
        sys.path.remove(str(ROOT / "examples"))

    def make():
        Tensor.manual_seed(0)
        model = blog.MLP(20, 16)
        opt = nn.optim.SGD([model.W1, model.W2, model.b1, model.b2], 0.1, 0.9)

        def step(x, y):
            opt.zero_grad()
            scores = model.scores(x)
            loss = blog.loss_by_formula(model, scores, y, 1e-4)
            loss.backward()
            opt.step()
            return loss

        return model, opt, step

    return make


def test_a_loss_by_formula_has_the_names_of_its_lines() -> None:
    given = [(x, y.data) for x, y in batches(5, (20,))]
    program = check_beside(by_formula(), given)
    made = {line.name for line in program.lines}
    assert {"scores", "shifted", "log_probabilities", "data_loss", "loss"} <= made
    assert {"W1_grad", "b1_grad", "W2_grad", "b2_grad"} <= made


def test_gradients_that_the_step_drops_have_names() -> None:
    def make():
        net, opt, step = trainer(lambda: MLP(20, 16), sgd())()

        def dropping(x, y):
            loss = step(x, y)
            opt.zero_grad()
            return loss

        return net, opt, dropping

    program = check_beside(make, [(x, y.data) for x, y in batches(5, (20,))])
    made = {line.name: line.comment for line in program.lines}
    assert made["hidden_weight_grad"] == "dL/d hidden.weight"
    assert made["scores_bias_grad"] == "dL/d scores.bias"


def clipped(optimiser, limit, norm_type=2.0):
    def make():
        Tensor.manual_seed(0)
        net = MLP(20, 16)
        opt = optimiser(net.parameters())

        def step(x, y):
            opt.zero_grad()
            loss = net(x).cross_entropy(y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), limit, norm_type)
            opt.step()
            return loss

        return net, opt, step

    return make


@pytest.mark.parametrize(
    ("limit", "norm_type"), [(0.1, 2.0), (1e9, 2.0), (0.1, 3.0), (0.1, 1.0), (0.1, "inf"), (1.0, 0)]
)
def test_clipped_gradients(limit, norm_type) -> None:
    program = check_beside(clipped(sgd(), limit, norm_type), batches(5, (20,)))
    assert "hidden_weight_grad = factor * hidden_weight_grad" in program.body
    assert len(program.splitlines()) < 400


def test_a_norm_beyond_float32_has_the_bits_of_the_step() -> None:
    given = [(x * 1e-15 if n > 3 else x * 1e15, y) for n, (x, y) in enumerate(batches(6, (20,)))]
    check_beside(clipped(sgd(), 0.1), given)


def test_a_recurrent_network_needs_numpy_and_python_alone() -> None:
    program = check_beside(trainer(Sequences, sgd()), batches(5, (3,)))
    assert not {"threading", "threadpoolctl", "weakref"} & set(re.findall(r"\w+", program.head))


def test_lines_outside_of_operations_have_the_names_of_methods() -> None:
    model = WithDropout()
    opt = nn.optim.Adam(model.parameters())

    def step(x, y):
        scores = model(x)
        loss = scores.cross_entropy(y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return {"loss": loss, "accuracy": (scores.argmax(1) == y).float().mean()}

    program = recorded(lambda: (model, opt, step), batches(4, (20,)))[2].source()
    comments = {line.name: line.comment for line in program.lines}
    assert comments["values"] == "dropout"
    assert comments["equal"] == "a comparison"
    assert program.returns == ("loss", "accuracy")
    assert {"one_minus_beta1", "step_size", "eps_hat"} <= comments.keys()


class Deep(nn.Module):
    def __init__(self):
        layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)
        self.first, self.scores = nn.Linear(20, 8), nn.Linear(8, 10)

    def forward(self, x):
        return self.scores(self.encoder(self.first(x).unsqueeze(1)).squeeze(1))


class Trainer:
    def __init__(self, params=None):
        self.net = Deep()
        self.opt = nn.optim.SGD(self.net.parameters(), lr=0.1)

    @capture
    def step(self, x, y):
        loss = self.net(x).cross_entropy(y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss


def test_a_method_and_nested_modules_have_the_names_of_the_state_dict() -> None:
    trainer = Trainer()
    for batch in batches(2, (20,)):
        trainer.step(*batch)
    program = Trainer.step.source()
    assert program.inputs == ("x", "y")
    names = {name.replace(".", "_") for name in nn.state.get_state_dict(trainer.net)}
    assert set(program.arrays) == names


def test_a_model_in_a_module_of_the_users() -> None:
    nets = types.ModuleType("nets")
    nets.model = MLP(20, 16)
    nets.opt = nn.optim.SGD(nets.model.parameters(), lr=0.1)
    names = {"nets": nets}
    exec(
        "def step(x, y):\n"
        "    loss = nets.model(x).cross_entropy(y)\n"
        "    nets.opt.zero_grad(); loss.backward(); nets.opt.step()\n"
        "    return loss\n",
        names,
    )
    step = capture(names["step"])
    for batch in batches(2, (20,)):
        step(*batch)
    assert "hidden_weight" in step.source().arrays


SCRIPT = """
import sys
import numpy as np
assert not any(name.partition(".")[0] in ("tinygrad_lite", "nn") for name in sys.modules)
given = np.load(sys.argv[1])
names = {name: given[name] for name in given.files if not name[0].isdigit()}
for step in range(3):
    names |= {"x": given[f"{step}x"], "y": given[f"{step}y"]}
    exec(open(sys.argv[2]).read(), names)
    names[f"loss_{step}"] = names["loss"]
kept = {name: one for name, one in names.items() if isinstance(one, (np.ndarray, np.generic))}
np.savez(sys.argv[3], **kept)
"""


@pytest.mark.parametrize(("momentum", "count"), [(0.9, 128), (0.0, 100)])
def test_the_mnist_step_is_at_most_30_lines_and_runs_alone(tmp_path, momentum, count) -> None:
    given = batches(6, (784,), count)
    (net, opt, step), _, captured = recorded(trainer(MLP, sgd(momentum)), given)
    program = captured.source()
    lines = [line for line in program.splitlines() if line.strip()]
    held = [line for line in lines if "import os" in line or "os.environ" in line]
    assert len(lines) - len(held) <= 30
    assert max(map(len, lines)) <= 100
    divided = "/ 128" if count == 128 else "* (1 / 100)"
    assert f"scores_grad = (softmax - one_hot) {divided}" in program
    assert all(line.comment for line in program.lines)
    kept = {f"{i}x": x.data for i, (x, _) in enumerate(given[3:])}
    kept |= {f"{i}y": y.data for i, (_, y) in enumerate(given[3:])}
    np.savez(tmp_path / "given.npz", **program.arrays, **kept)
    (tmp_path / "step.py").write_text(program)
    (tmp_path / "run.py").write_text(SCRIPT)
    files = [str(tmp_path / name) for name in ("run.py", "given.npz", "step.py", "after.npz")]
    threads = {"OPENBLAS_NUM_THREADS": "1"} if held else {}  # what the program sets for itself
    subprocess.run(
        [sys.executable, "-I", *files], check=True, cwd=tmp_path, env=os.environ | threads
    )
    after = np.load(tmp_path / "after.npz")
    for position, batch in enumerate(given[3:]):
        assert step(*batch).data.tobytes() == after[f"loss_{position}"].tobytes()
    for layer, kind in itertools.product(("hidden", "scores"), ("weight", "bias")):
        name, tensor = f"{layer}_{kind}", getattr(getattr(net, layer), kind)
        assert after[name].tobytes() == tensor.data.tobytes()
        assert after[f"{name}_grad"].tobytes() == tensor.grad.data.tobytes()
        if momentum:
            velocity = opt.state[tensor]["momentum_buffer"]
            assert after[f"{name}_velocity"].tobytes() == velocity.tobytes()


def test_each_line_has_the_users_line_and_the_module() -> None:
    _, _, step = recorded(trainer(lambda: MLP(20, 16), sgd()), batches(3, (20,)))
    lines = {line.name: line for line in step.source(map=True)}
    hidden = lines["hidden"]
    assert hidden.text == "return self.scores(self.hidden(x).relu())"
    assert hidden.where.startswith(f"{__file__}:")
    assert (hidden.module, hidden.op, hidden.kind) == ("MLP.hidden", "Linear", "forward")
    gradient = lines["hidden_weight_grad"]
    assert gradient.comment == "dL/d hidden.weight"
    assert (gradient.text, gradient.module) == (hidden.text, hidden.module)
    assert lines[""].text == "opt.step()"
    assert "MLP.hidden" in repr(hidden)


def test_the_parts_of_a_list_have_the_names_of_their_classes() -> None:
    def model():
        return nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 10))

    program = check_beside(
        trainer(model, lambda params: nn.optim.Adam(params, lr=0.01)), batches(4, (20,))
    )
    assert {"linear0_weight", "linear2_bias_exp_avg"} <= program.arrays.keys()
    assert "step, beta1, beta2, eps, lr = 3.0, 0.9, 0.999, 1e-08, 0.01\n" in program.head


def test_without_a_record_there_is_no_source() -> None:
    step = capture(lambda x: (x * 2.0).sum())
    with pytest.raises(RuntimeError, match="source: the step is not recorded yet; call it twice"):
        step.source()
    eager = capture(lambda x: x * x.sum().item())
    x = Tensor([1.0, 2.0])
    eager(x)
    with pytest.warns(UserWarning, match="not captured"):
        eager(x)
    with pytest.raises(RuntimeError, match=r"source: this step runs eagerly; .*item"):
        eager.source()


def test_what_numpy_alone_cannot_run_is_named() -> None:
    class Signed(nn.optim.Optimizer):
        def apply_single(self, gradient, parameter, state, group):
            parameter -= group["lr"] * np.sign(gradient)

    make = trainer(lambda: MLP(20, 16), lambda params: Signed(params, lr=0.1))
    step = recorded(make, batches(3, (20,)))[2]
    with pytest.raises(RuntimeError, match="source: NumPy alone cannot run the update of Signed"):
        step.source()


def rows():
    """One row of each primitive, or all."""
    first = {}
    for case in CASES:
        first.setdefault(len(first) if EVERY_ROW else case.op, case)
    return list(first.values())


# Rows whose step cannot be captured, since the shape of a result depends on values.
NOT_CAPTURED = {"mask"}


def tensors(result):
    if isinstance(result, Tensor):
        return [result]
    parts = result if isinstance(result, (tuple, list)) else ()
    return [one for part in parts for one in tensors(part)]


@pytest.mark.parametrize("case", rows(), ids=lambda case: f"{case.op.__name__} {case.note}".strip())
def test_every_primitive_is_written(case) -> None:
    if case.note in NOT_CAPTURED:
        return
    for dtype in (np.float32, np.float64) if EVERY_ROW else (np.float32,):
        for shapes in case.shapes if EVERY_ROW else case.shapes[:1]:
            check_row(case, [Tensor(one, requires_grad=True) for one in case.inputs(shapes, dtype)])


def check_row(case, leaves) -> None:
    def step():
        for leaf in leaves:
            leaf.grad = None
        results = [one for one in tensors(case.call(*leaves)) if one.dtype.kind == "f"]
        weighted = [
            (one * Tensor(np.arange(one.data.size, dtype=one.dtype).reshape(one.shape) / 7)).sum()
            for one in results
        ]
        if weighted and weighted[0].requires_grad:
            sum(weighted[1:], weighted[0]).backward()
        return results

    eager = [one.data.tobytes() for one in step()]
    grads = [None if leaf.grad is None else leaf.grad.data.tobytes() for leaf in leaves]
    captured = capture(step)
    captured()
    captured()
    program = captured.source()
    names = {name: value.copy("K") for name, value in program.arrays.items()}
    exec(program, names)
    assert [np.asarray(names[name]).tobytes() for name in program.returns] == eager
    for name, leaf in program.grads.items():
        position = next(i for i, one in enumerate(leaves) if one is leaf)
        assert np.asarray(names[name]).tobytes() == grads[position], name


def test_objects_and_functions_of_a_program_have_different_names() -> None:
    """A GRU runs a function of the name gru, and each of its calls is an object."""

    def model():
        return nn.ModuleDict({"one": nn.GRU(20, 4), "two": nn.GRU(4, 4), "three": nn.LSTM(4, 4)})

    parts = model()

    def step(x):
        parts.zero_grad()
        loss = parts["three"](parts["two"](parts["one"](x)[0])[0])[0].sum()
        loss.backward()
        return loss

    step, x = capture(step), Tensor(np.ones((3, 2, 20), np.float32))
    for _ in range(3):
        loss = step(x)
    program = step.source()
    names = {name: array.copy() for name, array in program.arrays.items()} | {"x": x.data}
    exec(program, names)
    assert names[program.returns[0]].tobytes() == loss.data.tobytes()
