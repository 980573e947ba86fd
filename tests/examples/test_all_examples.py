"""What every example in examples/ is alike in, read from its source and asked in this process."""

import ast
import importlib
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("[!_]*.py"))
LONGER = {"engine_in_one_screen"}  # a whole engine besides; its own tests say how long it may be
# With no options: it shows the idea without the library.
WITHOUT_OPTIONS = {"engine_in_one_screen"}
OPTIONS = ("--seed", "--out", "--resume", "--quiet")  # unless it calls arguments(without=...)

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
every_program = pytest.mark.parametrize(
    "path", [each for each in EXAMPLES if each.stem not in WITHOUT_OPTIONS], ids=lambda p: p.stem
)


@pytest.fixture
def module(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example as a module."""
    monkeypatch.syspath_prepend(path.parent)
    return importlib.import_module(path.stem)


def read(path: Path) -> tuple[str, ast.Module]:
    source = path.read_text(encoding="utf-8")
    return source, ast.parse(source)


def constants(tree: ast.Module) -> dict[str, ast.Assign]:
    """Names in capitals that the module gives a value."""
    return {
        node.targets[0].id: node
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.isupper()
    }


def options(path: Path) -> list[str]:
    """Those of OPTIONS that the example has."""
    (call,) = (
        node
        for node in ast.walk(read(path)[1])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "training.arguments"
    )
    without = [ast.literal_eval(each.value) for each in call.keywords if each.arg == "without"]
    if "out" in (left_out := {*sum(without, ())}):
        left_out.add("resume")
    return [option for option in OPTIONS if option.removeprefix("--") not in left_out]


@every_example
def test_it_is_short_and_begins_with_a_sentence(path: Path) -> None:
    source, tree = read(path)
    assert path.stem in LONGER or len(source.splitlines()) < 150
    first, blank, *_ = [*(ast.get_docstring(tree) or "").splitlines(), ""]
    assert re.fullmatch(r"[A-Z].{20,}\.", first)
    assert blank == ""


@every_example
def test_constants_stand_on_top_with_a_comment_each(path: Path) -> None:
    source, tree = read(path)
    lines, found = source.splitlines(), constants(tree)
    defined = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    for name, node in found.items():
        above = lines[node.lineno - 2]
        assert above.startswith("# ") or "  # " in lines[node.end_lineno - 1], name
        used = {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
        on_top = node.lineno < defined[0].lineno
        assert on_top or used & {each.name for each in defined}, f"{name} could stand on top"


@every_example
def test_whoever_trains_has_a_target_and_is_judged_by_it(path: Path) -> None:
    source, tree = read(path)
    if "training.Report(" in source or "backward()" in source:
        assert "TARGET" in constants(tree)
        assert len(re.findall(r"\bTARGET\b", source)) > 1
    if "training.Report(" in source:
        assert "report.result(" in source
        assert "report.status(" in source
        assert "report.resume(" in source or "--resume" not in options(path)


@every_example
def test_it_uses_only_what_is_public(path: Path) -> None:
    _, tree = read(path)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        for name in names:
            own = (ROOT / "examples" / f"{name.partition('.')[0]}.py").exists()
            private = [x for x in name.split(".") if re.match(r"_(?!_)", x)]
            assert own or not private or name == "__future__", name


@every_program
def test_it_can_be_interrupted_from_its_first_line_on(path: Path) -> None:
    _, tree = read(path)
    first = next(node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))
    assert isinstance(first, ast.Import)
    assert first.names[0].name == "_interrupts"
    *_, last = tree.body
    assert ast.unparse(last) == (
        "if __name__ == '__main__':\n    raise SystemExit(training.run(main))"
    )


@every_program
def test_help_begins_with_the_sentence_and_lists_the_options(
    path: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as caught:
        module.main()
    said = capsys.readouterr().out
    assert caught.value.code == 0
    assert said.startswith(f"usage: {path.name} [-h] ")
    assert (module.__doc__ or "").partition("\n")[0] in " ".join(said.split())
    for option in (*options(path), *(["--target"] if hasattr(module, "TARGET") else [])):
        assert f"\n  {option} " in said, option


@every_program
def test_a_wrong_option_is_one_line(
    path: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for wrong, said in (
        (["--sede", "1"], "--sede 1: no such option; did you mean --seed?"),
        (["--seed", "x"], "--seed: expected an integer, 0 or more; got x"),
        (["--resume"], "--resume: the snapshot is in the folder that --out names; pass that too"),
    ):
        if wrong == ["--resume"] and "--resume" not in options(path):
            continue
        monkeypatch.setattr(sys, "argv", [path.name, *wrong])
        with pytest.raises(SystemExit) as caught:
            module.main()
        assert caught.value.code == 2
        assert capsys.readouterr() == ("", f"{path.name}: error: {said}\n")


@every_example
def test_its_row_in_the_docs_names_its_target(path: Path) -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| [{path.name}]"))
    target = ast.literal_eval(constants(read(path)[1])["TARGET"].value)
    last = row.rstrip(" |").rpartition("|")[2]
    assert f"{target:g}" in re.findall(r"\d+(?:\.\d+)?", last), last


# The program that runs them in CI


@pytest.fixture(scope="module")
def in_ci() -> dict:
    if not (ROOT / ".ci").exists():
        pytest.skip("a source archive has no .ci")
    return runpy.run_path(str(ROOT / ".ci" / "examples"))


def test_each_example_has_a_small_round_in_ci(in_ci: dict) -> None:
    assert in_ci["unlisted"]() == []


def test_what_an_example_says_that_it_kept_has_to_be_there(in_ci: dict, tmp_path: Path) -> None:
    wrong, said = in_ci["wrong_files"], f"kept in {tmp_path}: a.png, metrics.jsonl\nMNIST: 1 in 1 s"
    assert wrong(tmp_path, "MNIST: 1 in 1 s") == ["kept no file in --out"]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n...")
    assert wrong(tmp_path, said) == ["says that it kept metrics.jsonl, which is missing or empty"]
    (tmp_path / "metrics.jsonl").write_text("")  # a vote has no epochs
    assert wrong(tmp_path, said) == []
    (tmp_path / "a.png").write_text("")
    assert wrong(tmp_path, said) == ["says that it kept a.png, which is missing or empty"]
    (tmp_path / "a.png").write_text("no")
    (tmp_path / "b.png").write_text("")
    assert wrong(tmp_path, said) == ["does not say that it kept b.png", "a.png is no picture"]
