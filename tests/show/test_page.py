"""The page as text: what is in it, that it is whole, safe and the same each time.

tests/browser opens it in a browser.
"""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import nn
import tinygrad_lite as tl
from tinygrad_lite import Tensor, draw, keep_values
from tinygrad_lite.show.page.page import SCRIPTS, WEB, json_for_html
from tinygrad_lite.show.page.rules import formula_shown


class Tags(HTMLParser):
    """The elements of a page, and the text of its scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.raw, self.policy = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]
        if tag in ("script", "style"):
            self.raw.append("")

    def handle_data(self, data):
        if self.cdata_elem:
            self.raw[-1] += data


def page_of(tensor, names=None, folder=None):
    path = folder / "graph.html"
    draw(tensor, path, names=names)
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    return text, json.loads(found[1])


def of_kind(data, title):
    return next(box for box in data["boxes"] if box["title"].endswith(title))


def mlp(rows=64):
    Tensor.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 10))
    rng = np.random.default_rng(0)
    x = Tensor(rng.random((rows, 784), dtype=np.float32))
    with keep_values():
        loss = model(x).cross_entropy(rng.integers(0, 10, rows))
        loss.backward()
    return loss, model


def small():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    w = Tensor([[1.0], [-1.0]], requires_grad=True)
    b = Tensor([2.0], requires_grad=True)
    with keep_values():
        h = x @ w + b
        loss = (h * h + 3.0 * h).sum()
    return loss, {"x": x, "w": w, "b": b}


def test_the_page_of_the_mlp_is_small_and_the_same_each_time(tmp_path):
    loss, model = mlp(8)
    text, data = page_of(loss, model, tmp_path)
    assert len(text.encode()) < 1_000_000
    assert {check[0] for box in data["boxes"] if (check := box.get("check"))} == {"agrees"}
    assert page_of(loss, model, tmp_path)[0] == text
    assert page_of(*mlp(8), tmp_path)[0] == text  # another run: other identities and numbers


def test_the_page_loads_nothing(tmp_path):
    text, _ = page_of(*small(), tmp_path)
    page = Tags(text)
    for tag, attributes in page.tags:
        assert not {"src", "href", "style", "onclick", "onload"} & set(attributes), tag
        assert tag not in ("link", "img", "iframe", "object", "base")
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
    assert {address.split("/")[2] for address in addresses} <= {"www.w3.org"}
    assert "url(http" not in text
    assert "@import" not in text
    assert "sourceMappingURL" not in text


def test_the_policy_allows_exactly_what_is_there(tmp_path):
    text, _ = page_of(*small(), tmp_path)
    page = Tags(text)
    style, _, *scripts = page.raw
    assert len(scripts) == len(SCRIPTS)

    def allowed(part):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        return f"'sha256-{digest}'"

    assert page.policy.startswith("default-src 'none'; ")
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
    assert rules["script-src"].split() == [allowed(script) for script in scripts]
    assert rules["style-src"].split() == [allowed(style)]
    assert "unsafe" not in page.policy


def test_dagre_is_the_file_that_was_published():
    stated = dict(
        reversed(line.split()) for line in (WEB / "dagre.sha256").read_text().splitlines()
    )
    assert list(stated) == ["dagre.min.js"]
    found = hashlib.sha256((WEB / "dagre.min.js").read_bytes()).hexdigest()
    assert found == stated["dagre.min.js"]
    assert found.startswith("54a503e346f93ca0")
    assert "Permission is hereby granted" in (WEB / "dagre.LICENSE").read_text()


def test_every_file_of_the_page_is_used():
    known = {f"{name}.js" for name in SCRIPTS} | {"page.html", "page.css"}
    assert {path.name for path in WEB.iterdir()} == known | {"dagre.LICENSE", "dagre.sha256"}
    for name in SCRIPTS[1:]:
        text = (WEB / f"{name}.js").read_text()
        assert "innerHTML" not in text
        assert text.startswith('"use strict";\n')


HOSTILE = [
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "{{data}} {{scripts}} \\1 \\g<0>",
    "\u2028\u2029\x00\x1b\n\r",
    "\ud800",
    "&lt;/script&gt;",
]


def test_hostile_names_stay_text(tmp_path):
    tensors = {name: Tensor([1.0, 2.0], requires_grad=True) for name in HOSTILE}
    with keep_values():
        total = sum(tensors.values(), Tensor(0.0))
    tensors["</title><script>alert(2)</script>"] = total
    text, data = page_of(total, tensors, tmp_path)
    plain = Tags(page_of(*small(), tmp_path)[0])
    assert [tag for tag, _ in Tags(text).tags] == [tag for tag, _ in plain.tags]
    titles = [box["title"] for box in data["boxes"]]
    for name in (*HOSTILE[:4], HOSTILE[6]):
        assert name in titles
    text.encode("utf-8")
    assert json.dumps(data).isascii()
    assert not set("\u2028\u2029\x00\x1b") & set(text)


def test_json_holds_any_text_and_refuses_numbers_that_are_none():
    value = {"</script>": ["<!--", "\u2028", "\ud800", '"', "\\"]}
    text = json_for_html(value)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        json_for_html([float("nan")])


def test_the_steps_have_the_numbers_of_the_chain_rule(tmp_path):
    """h = x w + b = [[1], [1]] and loss = sum(h^2 + 3 h), so dloss/dh = 2 h + 3 = 5."""
    _, data = page_of(*small(), tmp_path)
    steps = [(data["boxes"][step["box"]]["op"], step) for step in data["steps"]]
    assert [op for op, _ in steps] == ["Sum", "Add", "Mul", "Mul", "Add", "Matmul"]
    root, _, thrice, square, bias, product = (step for _, step in steps)
    assert root["arriving"] == [["", {"shape": "()", "text": "1"}]]
    assert "with respect to itself is 1" in root["from"]
    (first,) = (given for given in thrice["leaving"] if "paths" in given)
    assert (first["paths"]["number"], first["paths"]["count"]) == (1, 2)
    assert first["paths"]["sum"]["text"] == "[[3], [3]]"
    (second,) = square["leaving"]
    assert second["pulled"]["text"] == "[[2], [2]]"
    assert second["paths"]["number"] == 2
    assert second["paths"]["sum"]["text"] == "[[5], [5]]"
    assert second["note"].startswith("b is the same tensor")
    assert bias["arriving"][0][1]["text"] == "[[5], [5]]"
    to_b = bias["leaving"][1]["broadcast"]
    assert (to_b["from"], to_b["to"], to_b["sum"]["text"]) == ("(2, 1)", "(1,)", "[10]")
    assert to_b["why"] == (
        "Forward used each element 2 times, so its gradient is the sum of what arrives over axis 0."
    )
    assert [given["name"] for given in product["leaving"]] == ["b"]
    assert product["leaving"][0]["pulled"]["text"] == "[[20], [30]]"  # x^T 5


def test_hooks_and_given_gradients_are_told(tmp_path):
    x = Tensor([1.0, 2.0], requires_grad=True)
    with keep_values():
        h = x * 3.0
        h.register_hook(lambda gradient: gradient * 10.0)
        y = h * h
        y.backward(Tensor([1.0, 0.5]))
    _, data = page_of(y, None, tmp_path)
    assert data["notes"] == ["The backward pass began with the gradient that it was given."]
    first, second = data["steps"]
    assert first["from"] == "The pass starts here, with the gradient that backward was given."
    assert first["leaving"][0]["pulled"]["text"] == "[6, 6]"  # 2 h g
    assert second["from"] == "from Mul; a hook changed it on the way"
    assert second["arriving"][0][1]["text"] == "[60, 60]"
    _, data = page_of(x * 2.0, None, tmp_path)
    assert any("gradients are those of the sum" in note for note in data["notes"])


def test_an_op_with_any_number_of_inputs_has_its_formula_at_each(tmp_path):
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    with keep_values():
        total = Tensor.cat([a, b]).sum()
    _, data = page_of(total, {"a": a, "b": b}, tmp_path)
    step = data["steps"][-1]
    rules = data["ops"][data["boxes"][step["box"]]["rule"]]["rules"]
    assert {given["rule"] for given in step["leaving"]} == {name for _, _, name in rules}
    assert [given["name"] for given in step["leaving"]] == ["xs0", "xs1"]


def test_no_formula_has_a_style_which_the_policy_would_refuse(tmp_path):
    for cls in tl.ops.__dict__.values():
        for latex in (getattr(cls, "latex", None) or {}).values():
            assert "style=" not in formula_shown(latex, "")[0]
    assert 'class="left"' in formula_shown(r"\begin{cases} 1 & \text{if } x \end{cases}", "")[0]


def test_a_node_tells_where_it_comes_from(tmp_path):
    _, data = page_of(*small(), tmp_path)
    box = of_kind(data, "Matmul")
    rule = data["ops"][box["rule"]]
    assert [name for _, _, name in rule["rules"]] == ["a", "b"]
    assert rule["formulas"][0][0].startswith("<math")
    assert rule["source"].startswith("def backward(self, g, y, a, b):")
    assert rule["where"].startswith("tinygrad_lite/ops/linalg.py:")
    assert re.fullmatch(r"test_page\.py:\d+", box["line"][0])
    assert box["line"][1] == "h = x @ w + b"
    assert (box["shape"], box["dtype"]) == ("(2, 1)", "float32")
    assert box["memory"] == {
        "total": "16 bytes",
        "items": [["a", "(2, 2)", "float32", "16 bytes"]],
    }
    assert [[name for _, _, name in box["inputs"]]] == [["a", "b"]]
    value = data["arrays"][box["value"]["arrays"][0][1]]
    assert value["full"] == "[[-1], [-1]]"
    assert box["check"][0] == "agrees"


def test_modules_are_groups_within_groups(tmp_path):
    Tensor.manual_seed(0)
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Linear(4, 2))
    with keep_values():
        loss = model(Tensor.ones(5, 3)).sum()
    _, data = page_of(loss, model, tmp_path)
    groups = data["groups"]
    names = [(group["name"], group["kind"], group["parent"]) for group in groups]
    assert names == [
        ("Sequential", "Sequential", -1),
        ("0", "Sequential", 0),
        ("0", "Linear", 1),
        ("1", "ReLU", 1),
        ("1", "Linear", 0),
    ]
    assert [group["parameters"] for group in groups] == [
        "26 parameters",
        "16 parameters",
        "16 parameters",
        "",
        "10 parameters",
    ]
    assert groups[of_kind(data, "Relu")["group"]]["name"] == "1"


@pytest.mark.parametrize("state", ["kept", "live", "released"])
def test_each_state_tells_what_is_known(state, tmp_path):
    w = Tensor([1.0, 2.0], requires_grad=True)

    def run():
        loss = ((w + 1.0).exp() * 3.0).sum()
        if state != "live":
            loss.backward()
        return loss

    loss = keep_values()(run)() if state == "kept" else run()
    _, data = page_of(loss, {"w": w}, tmp_path)
    assert data["state"] == state
    told = " ".join(data["notes"])
    assert ("keep_values" in told) == (state != "kept")
    add, leaf = of_kind(data, "Add"), of_kind(data, "w")
    assert "arrays" in leaf["value"]
    assert len(data["steps"]) == 4
    gradient = 3.0 * np.exp([2.0, 3.0])
    if state == "released":
        assert "not computed" in add["gradient"]["missing"]
        assert "keep_values" in add["value"]["missing"]
        assert data["steps"][1]["arriving"][0][1]["text"] == "not computed"
        shown = data["arrays"][leaf["accumulated"]["arrays"][0][1]]["full"]
        assert np.allclose(json.loads(shown), gradient, rtol=1e-3)  # w.grad
    else:
        shown = data["arrays"][leaf["gradient"]["arrays"][0][1]]["full"]
        assert np.allclose(json.loads(shown), gradient, rtol=1e-3)
    if state == "live":
        assert w.grad is None
        assert not loss._node.freed
    if state == "kept":
        assert "arrays" in add["value"]
        assert add["line"][1].startswith("loss = ")


def test_a_leaf_a_number_and_a_tensor_without_a_graph_have_a_page(tmp_path):
    for tensor in (Tensor([1.0], requires_grad=True), Tensor([1.0]), Tensor(np.nan)):
        _, data = page_of(tensor, None, tmp_path)
        assert len(data["boxes"]) == 1
        assert data["steps"] == []
    with keep_values():
        values, _ = Tensor([3.0, 1.0], requires_grad=True).sort()
    _, data = page_of(values, None, tmp_path)
    assert len(data["steps"]) >= 1


def test_costs_are_colours_with_a_legend(tmp_path):
    from tinygrad_lite.show.graph.history import History
    from tinygrad_lite.show.graph.naming import Names
    from tinygrad_lite.show.outline.outline import outline_of
    from tinygrad_lite.show.page.page import page_text

    loss, names = small()
    outline = outline_of(History(loss), Names.of(names, "draw"))
    for box in outline.boxes:
        if box.kind == "op":
            box.heat = (0.25, "1 ms") if box.title == "Add" else (1.0, "4 ms")
    text = page_text(outline, "time")
    assert '"heat":{"what":"time","low":"1 ms","high":"4 ms"}' in text
    assert text.count('"heat":[0.25,"1 ms"]') == 2


def test_a_call_that_failed_is_marked(tmp_path):
    path = tmp_path / "failed.html"
    a, b = Tensor.ones(2, 3, requires_grad=True), Tensor.ones(4, 5)
    with pytest.raises(ValueError, match="matmul"), tl.draw_on_error(path, names={"a": a}):
        (a * 2.0) @ b
    text = path.read_text()
    data = json.loads(re.search(r'application/json">(.*?)</script>', text, re.DOTALL)[1])
    (failed,) = (box for box in data["boxes"] if box["kind"] == "failed")
    assert "matmul" in failed["title"]
    assert any("(2, 3)" in line for line in failed["details"])
    assert any("(4, 5)" in line for line in failed["details"])
    assert data["steps"] == []
    assert "forward pass failed" in of_kind(data, "Mul")["gradient"]["missing"]


def test_a_page_has_the_newest_boxes_of_a_huge_graph(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygrad_lite.show.page.data.MOST_BOXES", 100)
    x = Tensor([1.0], requires_grad=True)
    y = x
    for _ in range(300):
        y = -y
    _, data = page_of(y, None, tmp_path)
    assert len(data["boxes"]) == 100
    assert data["boxes"][-1]["output"]
    assert data["notes"][0] == "The page shows the newest 100 boxes; 201 older ones are left out."
    assert all(0 <= source < 100 for box in data["boxes"] for source, *_ in box["inputs"])
    assert len(data["steps"]) == 100
    assert data["steps"][-1]["leaving"][0]["to"] == -1


def test_the_suffix_may_be_in_capitals_and_an_old_file_is_replaced(tmp_path):
    path = Path(tmp_path) / "Graph.HTML"
    path.write_text("old")
    draw(*small()[:1], path)
    assert path.read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(ValueError, match=r"expected a path that ends in .*\.html"):
        draw(small()[0], tmp_path / "graph.htm")


def test_a_wrong_rule_and_nan_are_told_and_healthy_graphs_are_told_nothing(tmp_path):
    class Wrong(tl.Function):
        saves = "inputs"

        def forward(self, x):
            return x * x

        def backward(self, g, y, x):
            return (g * x,)

    x = Tensor([1.0, -1.0], requires_grad=True)
    with keep_values():
        y = (Wrong.apply(x) + x.log()).sum()
    _, data = page_of(y, {"x": x}, tmp_path)
    assert data["notes"] == ["The backward of Wrong disagrees with finite differences."]
    assert of_kind(data, "Wrong")["check"][0] == "differs"
    assert [box["title"] for box in data["boxes"] if box.get("nan")] == ["Log", "Add", "Sum"]
    _, data = page_of(*small(), tmp_path)
    assert data["notes"] == []
    assert not any(box.get("nan") for box in data["boxes"])


def test_a_rule_that_fails_is_told_and_the_page_is_made(tmp_path):
    class Broken(tl.Function):
        def forward(self, x):
            return x

        def backward(self, g, y, x):
            raise ValueError("no rule\nhere")

    x = Tensor([1.0], requires_grad=True)
    with keep_values():
        y = Broken.apply(x * 2.0).sum()
    _, data = page_of(y, None, tmp_path)
    assert any("backward pass fails: no rule" in note for note in data["notes"])
    assert "fails before" in of_kind(data, "Mul")["gradient"]["missing"]


def test_an_op_of_which_one_result_is_used_has_the_shape_of_it(tmp_path):
    norm = nn.LayerNorm(8)
    live = norm(Tensor.randn(4, 8)).sum()
    box = of_kind(page_of(live, norm, tmp_path)[1], "LayerNormAffine")
    assert box["shape"] == "(4, 8)"
    assert box["check"] == ["none", "an input was not kept; call inside `with keep_values():`"]
    live.backward()
    assert of_kind(page_of(live, norm, tmp_path)[1], "LayerNormAffine")["shape"] == "(4, 8)"
    with keep_values():
        kept = norm(Tensor.randn(4, 8)).sum()
    assert of_kind(page_of(kept, norm, tmp_path)[1], "LayerNormAffine")["check"][0] == "agrees"
