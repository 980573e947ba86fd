"""The options of a training program."""

import subprocess
import sys

import pytest

from nn import training
from nn._processes import RANKS, SIZES

INTEGER = "expected an integer from 1 to 2147483647"
STANDARD = {"epochs": 2, "batch_size": 128, "lr": 0.15}


def parsed(line="", **options):
    return training.arguments("Learns.", **(STANDARD | options), argv=line.split())


def refused(capsys, line="", **options) -> str:
    """The one line with which it ends."""
    with pytest.raises(SystemExit) as caught:
        parsed(line, **options)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.partition("error: ")[2].rstrip("\n")


def test_without_options_the_defaults_count():
    assert vars(parsed(momentum=0.9, layers=(3, "layers"), mixup=(False, "mix"))) == {
        **STANDARD,
        **{"momentum": 0.9, "layers": 3, "mixup": False},
        **{"seed": 0, "data": None, "out": None, "resume": False, "target": None, "quiet": False},
    }


def test_every_option_is_read(tmp_path):
    line = f"--epochs 3 --batch-size 5 --lr 1e-3 --seed {10**30} --data {tmp_path} --out x"
    line += " --resume --target -0.5 --quiet --momentum 0 --optimizer adam --layers 34 --name a=b"
    line += " --mixup --no-shuffle --shift -4"
    args = parsed(
        line,
        momentum=0.9,
        optimizer=("sgd", "which", ["sgd", "adam"]),
        layers=(18, "layers", [18, 34]),
        name=(None, "of the run"),
        mixup=False,
        shuffle=True,
        shift=(-1, "of the images"),
    )
    assert vars(args) == {
        **{"epochs": 3, "batch_size": 5, "lr": 1e-3, "seed": 10**30, "data": str(tmp_path)},
        **{"out": "x", "resume": True, "target": -0.5, "quiet": True, "momentum": 0.0},
        **{"optimizer": "adam", "layers": 34, "name": "a=b", "mixup": True, "shuffle": False},
        "shift": -4,
    }
    assert type(args.momentum) is type(args.target) is float


def test_a_program_may_do_without_standard_options(capsys):
    own = {"without": ("batch_size", "lr", "data"), "argv": []}
    assert vars(training.arguments("Learns.", epochs=2, **own)) == {
        **{"epochs": 2, "seed": 0, "out": None, "resume": False, "target": None, "quiet": False}
    }
    none = ("epochs", "batch_size", "lr", "data", "out")
    assert vars(training.arguments("Learns.", without=none, argv=[])) == {
        **{"seed": 0, "target": None, "quiet": False}
    }
    with pytest.raises(SystemExit):
        training.arguments("Learns.", without=none, argv=["--resume"])
    assert capsys.readouterr().err.endswith(
        "error: --resume: no such option; --help lists the options\n"
    )


@pytest.mark.parametrize("without", ["data", ("data", "depth")])
def test_it_can_only_do_without_standard_options(without):
    expected = "epochs, batch_size, lr, seed, data, out, resume, target, quiet"
    with pytest.raises(TypeError) as caught:
        parsed(without=without)
    assert str(caught.value) == (
        f"arguments: without: expected names among {expected}; got {without!r}"
    )


def test_the_defaults_of_the_others_are_required():
    with pytest.raises(TypeError) as caught:
        training.arguments("Learns.", epochs=2, lr=0.1, argv=[])
    assert str(caught.value) == (
        "arguments: batch_size: expected a default, or 'batch_size' in without"
    )


def test_a_program_that_captures_its_step_says_so(capsys):
    assert not hasattr(parsed(), "capture")
    assert [parsed(line, capture=False).capture for line in ("", "--capture")] == [False, True]
    with pytest.raises(SystemExit):
        parsed("--help", capture=False)
    assert "--capture replay the step" in " ".join(capsys.readouterr().out.split())


def test_a_float_stays_one_where_the_default_is_an_integer():
    assert type(parsed(lr=1).lr) is float


def test_a_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    args = parsed("--data ~ --out ~/out")
    assert (args.data, args.out) == (str(tmp_path), f"{tmp_path}/out")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--epochs 0", f"--epochs: {INTEGER}; got 0"),
        ("--epochs 1.5", f"--epochs: {INTEGER}; got 1.5"),
        ("--epochs=", f"--epochs: {INTEGER}; got empty text"),
        ("--batch-size -1", f"--batch-size: {INTEGER}; got -1"),
        ("--batch-size 2147483648", f"--batch-size: {INTEGER}; got 2147483648"),
        ("--lr -1", "--lr: expected a number, 0 or more; got -1"),
        ("--lr nan", "--lr: expected a number, 0 or more; got nan"),
        ("--lr 1e999", "--lr: expected a number, 0 or more; got 1e999"),
        ("--lr", "--lr: expected one argument"),
        ("--seed -1", "--seed: expected an integer, 0 or more; got -1"),
        ("--target nan", "--target: expected a number; got nan"),
        ("--dropout 1.1", "--dropout: expected a number from 0 to 1; got 1.1"),
        ("--above 0", "--above: expected an integer, 1 or more; got 0"),
        ("--below 9", "--below: expected a number up to 3; got 9"),
        ("--warmup -1", "--warmup: expected an integer from 0 to 2147483647; got -1"),
        ("--epochs ab\x1bc", f"--epochs: {INTEGER}; got ab\\x1bc"),
        ("--dropuot 0.1", "--dropuot 0.1: no such option; did you mean --dropout?"),
        ("--nonsense", "--nonsense: no such option; --help lists the options"),
        ("word", "word: no such option; --help lists the options"),
        ("--data /does/not/exist", "--data: /does/not/exist does not exist"),
        ("--data=", "--data: expected a path; got empty text"),
        ("--out=", "--out: expected a path; got empty text"),
        ("--resume", "--resume: the snapshot is in the folder that --out names; pass that too"),
    ],
)  # fmt: skip
def test_a_mistake_costs_one_line_that_names_the_option(capsys, line, said):
    own = {
        "dropout": (0.1, "", (0, 1)),
        "above": (5, "", (1, None)),
        "below": (1.0, "", (None, 3)),
        "warmup": 0,
    }
    assert refused(capsys, line, **own) == said


def test_a_word_outside_of_a_list_is_refused(capsys):
    said = refused(capsys, "--optimizer x", optimizer=("sgd", "which", ["sgd", "adam"]))
    assert said.startswith("--optimizer: invalid choice: 'x' (choose from ")


def test_an_integer_of_a_million_digits_is_refused_in_short(capsys):
    assert len(refused(capsys, "--epochs " + "1" * 10**6)) < 200


def test_help_shows_texts_and_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        parsed(
            "--help",
            epochs=(None, "passes over the images (2; on the digits 15)"),
            reg=(1e-4, "strength of the penalty, in %"),
            optimizer=("sgd", "which optimiser", ["sgd", "adam"]),
            shift=-3,
        )
    assert caught.value.code == 0
    out = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in out.partition("options:")[2].splitlines()]
    assert "Learns." in out
    for line in (
        "--epochs N passes over the images (2; on the digits 15)",
        "--batch-size N rows in one step (128)",
        "--lr X learning rate (0.15)",
        "--reg X strength of the penalty, in % (0.0001)",
        "--optimizer {sgd,adam} which optimiser (sgd)",
        "--shift N (-3)",
        "--data PATH file or folder with the data",
        "--quiet print the last line only",
    ):
        assert line in lines
    names = [line.split()[0] for line in lines if line.startswith("--")]
    assert names[:5] == ["--epochs", "--batch-size", "--lr", "--reg", "--optimizer"]
    assert names[-6:] == ["--seed", "--data", "--out", "--resume", "--target", "--quiet"]


@pytest.mark.parametrize("description", [None, "", "One.\n\nTwo."])
def test_a_description_may_be_missing_or_long(capsys, description):
    with pytest.raises(SystemExit):
        training.arguments(description, **STANDARD, argv=["--help"])
    out = capsys.readouterr().out
    assert ("One." in out, "Two." in out) == (bool(description), False)


@pytest.mark.parametrize(
    "value",
    [
        *((), (1, "text", (0, 1), 3), (1, 2), {}, [1], 1j, b"x"),
        *((1, "text", 5), (1, "text", (0,)), (1, "text", ("a", "b")), ("x", "text", (0, 1))),
        *(("x", "text", ["y"]), (True, "text", [True])),
    ],
)
def test_a_mistake_in_the_call_is_a_type_error(value):
    with pytest.raises(TypeError, match=r"arguments: own: expected a default .* got ") as caught:
        parsed(own=value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["epochs", "lr", "seed", "data", "target"])
def test_a_default_of_the_wrong_kind_is_refused(name):
    with pytest.raises(TypeError, match=f"arguments: {name}: expected a default"):
        parsed(**{name: {"data": 5}.get(name, "a word")})


@pytest.mark.parametrize("name", ["out", "resume", "quiet", "help"])
def test_a_name_that_is_taken_is_refused(name):
    with pytest.raises(TypeError, match=f"every program has --{name}"):
        parsed(**{name: 1})


def test_the_program_s_own_arguments_are_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program.py", "--epochs", "7"])
    assert training.arguments("", **STANDARD).epochs == 7


@pytest.mark.parametrize("error", [ValueError("a\nb"), FileNotFoundError("b"), ImportError("c")])
def test_errors_about_what_the_user_gave_cost_one_line(capsys, error):
    with pytest.raises(SystemExit) as caught, training.about("--data"):
        raise error
    assert caught.value.code == 2
    said = str(error).replace("\n", "\\n")
    assert capsys.readouterr() == ("", f"--data: {said}\n")


@pytest.mark.parametrize("error", [TypeError, KeyError, BrokenPipeError, KeyboardInterrupt])
def test_other_errors_pass(error):
    with pytest.raises(error), training.about("--data"):
        raise error


def test_it_works_without_docstrings():
    call = "training.arguments(__doc__, epochs=1, batch_size=1, lr=1)"
    program = f"from nn import training; print({call}.epochs)"
    done = subprocess.run(
        [sys.executable, "-OO", "-c", program, "--epochs", "5"], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("5\n", "")


def test_one_process_alone_is_told_how_several_are_started(capsys, monkeypatch):
    for name in (*RANKS, *SIZES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_PROCID", "0")  # in a batch script, without srun
    monkeypatch.setattr(sys, "argv", ["a.py"])
    parsed("--distributed", distributed=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "--distributed: this is one process, since no mpiexec started it; "
        "mpiexec -n 4 python a.py --distributed starts four"
    )
    monkeypatch.setenv("PMI_SIZE", "1")
    parsed("--distributed", distributed=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("local", ["0", "1"])
def test_of_the_processes_of_a_machine_one_says_that_the_data_are_missing(
    capsys, monkeypatch, local
):
    monkeypatch.setattr(sys, "argv", ["a.py", "--distributed"])
    monkeypatch.setenv("PMI_RANK", "2")
    monkeypatch.setenv("MPI_LOCALRANKID", local)
    with pytest.raises(SystemExit) as ended:
        parsed("--distributed --data /nowhere", distributed=False)
    assert ended.value.code == 2
    said = "" if local == "1" else "a.py: error: --data: /nowhere does not exist\n"
    assert capsys.readouterr() == ("", said)
