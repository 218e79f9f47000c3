"""The commands, as typed."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from vaelib import cli, curves, storage
from vaelib.errors import StoreError
from vaelib.experiment import DataSettings, Experiment

HEAVY = ("keras", "tensorflow", "jax", "matplotlib", "plotly", "scipy", "sklearn", "papermill", "nbformat")


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return the exit status, stdout and stderr of `vaelib WORDS`."""
    monkeypatch.setattr(sys, "argv", ["vaelib", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    status = ended.value.code
    return (status if isinstance(status, int) else 0, out, err)


@pytest.mark.parametrize("words", ["--help", "train --help", "dataset --help", "paper --help", "book --help"])
def test_help_loads_nothing_heavy(words: str) -> None:
    program = f"""
import sys
sys.argv = ["vaelib", *{words.split()!r}]
from vaelib import cli
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code
print("HEAVY:", *sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY:"
    assert "Usage: vaelib" in done.stdout


def test_the_commands_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(monkeypatch, capsys, "--help")
    assert status == 0
    for word in ("dataset", "train", "paper", "sweep", "book"):
        assert re.search(rf"^\s+{word}\s+\S.*[^.]\.$", out, re.MULTILINE), f"{word}: not cut off by an ellipsis"


@pytest.mark.parametrize(("command", "model"), [("train", Experiment), ("dataset", DataSettings)])
def test_every_setting_is_an_option_with_its_description(
    command: str,
    model: type[DataSettings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = call(monkeypatch, capsys, command, "--help")
    words = " ".join(out.split())
    for name, field in model.model_fields.items():
        assert f"--{name} " in words
        if name != "profile":
            assert str(field.description) in words


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("train --gamma -1", "gamma = '-1'; allowed: numbers from 0 to 1000"),
        ("train --image-size 33", "image_size = '33'; allowed: whole numbers from 32 to 1024, multiples of 8"),
        ("train --profile papre", "profile = 'papre'; allowed: smoke, book, paper, sweep"),
        ("train --snapshots one", "snapshots = 'one'; allowed: lists of whole numbers, as in [1, 2]"),
        ("train --gamma much", "gamma = 'much'; allowed: numbers from 0 to 1000"),
        ("train --precision half", "precision = 'half'; allowed: float32, bfloat16"),
        ("dataset --n-images 3", "n_images = '3'; allowed: whole numbers from 20 to 1000000"),
        ("dataset --points no/such.csv", "no/such.csv"),
        ("book --profile papre", "profile = 'papre'; allowed: smoke, book, paper, sweep"),
        ("book -p gama 1", "no chapter has a parameter 'gama'. Did you mean 'gamma'?"),
        ("book -p gamma -1", "gamma = -1.0; allowed: numbers from 0 to 1000"),
    ],
)
def test_a_mistake_is_one_line(
    words: str, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(monkeypatch, capsys, *words.split())
    assert status == 2
    assert err.startswith("vaelib: ") and err.count("\n") == 1
    assert named in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("train --gama 1", "--gama"),
        ("book --jobs 0", "--jobs"),
        ("book -p gamma", "-p needs a name and a value"),
        ("sing", "No such command"),
    ],
)
def test_a_word_that_no_command_knows_is_named(
    words: str, named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = call(monkeypatch, capsys, *words.split())
    assert status == 2
    assert named in err
    assert "Traceback" not in err


def test_an_unwritable_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    status, _, err = call(monkeypatch, capsys, "train", "--profile", "smoke", "--root", str(tmp_path / "file" / "runs"))
    assert status == 2
    assert err.startswith("vaelib: cannot write ") and str(tmp_path / "file" / "runs") in err


def test_an_unwritable_folder_is_reported_in_one_line_whatever_the_backend_says(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    program = [sys.executable, "-c", "from vaelib import cli; cli.main()", "train", "--profile", "smoke", "--root"]
    quiet = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([*program, tmp_path / "file" / "runs"], capture_output=True, text=True, env=quiet)
    assert done.returncode == 2
    assert done.stderr == f"vaelib: cannot write {tmp_path / 'file' / 'runs'}: Not a directory\n"


@pytest.mark.parametrize("words", ["train --profile smoke --root", "book --profile smoke --output"])
def test_a_backend_that_cannot_train_is_one_line_before_any_work(words: str, tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from vaelib import cli; cli.main()", *words.split(), tmp_path / "made"]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "vaelib: KERAS_BACKEND = 'torch'; allowed: tensorflow and jax\n"
    assert not list(tmp_path.glob("made/*/*"))


def test_data_sets_need_no_backend(tmp_path: Path) -> None:
    program = "import sys; from vaelib import cli; cli.app(standalone_mode=False); assert 'keras' not in sys.modules"
    words = ["dataset", "--profile", "smoke", "--n-images", "50"]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_path_may_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell leaves the ~ of --root=~/runs alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = set()
    for command in cli.app.registered_commands:
        assert command.callback
        for name, parameter in inspect.signature(command.callback).parameters.items():
            kind, *options = get_args(parameter.annotation)
            if Path in (kind, *get_args(kind)):
                assert options[0].callback(Path("~/x")) == tmp_path / "x", (command, name)
                seen.add(name)
    assert seen == {"root", "export", "points", "results", "file", "table", "notebook", "output"}
    status, _, err = call(monkeypatch, capsys, "dataset", "--points=~/none.csv")
    assert status == 2 and str(tmp_path / "none.csv") in err


def test_dataset_prints_its_counts_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    words = ["dataset", "--profile", "smoke", "--n_images", "100", "--export", str(folder)]
    monkeypatch.setattr(sys, "argv", ["vaelib", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    out = capsys.readouterr().out
    assert "100 images of 32×32 pixels, region full" in out
    assert "training 90, validation 10" in out
    assert len(list(folder.rglob("*.png"))) == 100
    assert len(list(folder.rglob("*.csv"))) == 1


def test_a_used_folder_is_refused_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def drawn(*_: object, **__: object) -> None:
        raise AssertionError("an image was drawn")

    monkeypatch.setattr(curves, "render", drawn)
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "cache"))
    used = tmp_path / "used"
    used.mkdir()
    (used / "thesis.txt").touch()
    status, _, err = call(monkeypatch, capsys, "dataset", "--profile", "smoke", "--export", str(used))
    assert status == 2
    assert err == f"vaelib: folder = '{used}' is not empty; allowed: a new or an empty one\n"
    assert not (tmp_path / "cache").exists()


def test_train_makes_a_run_and_prints_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"train --profile smoke --n-images 40 --epochs 1 --no-shuffle --root {tmp_path}".split()
    status, out, _ = call(monkeypatch, capsys, *words)
    assert status == 0
    (folder,) = [Path(line) for line in out.splitlines() if line.startswith(str(tmp_path))]
    assert folder.is_dir()
    experiment = Experiment.from_json((folder / "experiment.json").read_text())
    assert (experiment.n_images, experiment.epochs, experiment.shuffle) == (40, 1, False)
    assert "best epoch: 1 of 1" in out and re.search(r"^val_loss\s+\d", out, re.MULTILINE)

    # Where nothing can be written, a finished run is still reported, and an unfinished one ends at once.
    def refuse(folder: Path) -> None:
        raise StoreError(f"cannot write {folder}")

    monkeypatch.setattr(storage, "check_writable", refuse)
    assert call(monkeypatch, capsys, *words)[:2] == (0, out)
    monkeypatch.setitem(sys.modules, "vaelib.training", None)
    assert call(monkeypatch, capsys, *words, "--seed", "1") == (2, "", f"vaelib: cannot write {tmp_path}\n")
