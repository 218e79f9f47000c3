"""The library where the machine is bare: no home, a console that knows only ASCII, a system it does not run on."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import vaelib
from vaelib import Experiment, cli, dataset

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-c", "from vaelib import cli; cli.main()"]
# An arbitrary user of a container: no home, and no line in /etc/passwd to look one up in.
NOBODY = """import pwd

def getpwuid(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = getpwuid
"""


@pytest.fixture
def homeless(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose user has neither HOME nor an entry."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NOBODY, encoding="utf-8")
    dropped = ("HOME", "VAELIB_CACHE", "KERAS_HOME", "USER", "LOGNAME")
    kept = {name: value for name, value in os.environ.items() if name not in dropped and not name.startswith("XDG_")}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return {**kept, "PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}", "TMPDIR": str(temporary)}


def run(*words: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")


def test_without_a_home_the_images_are_made_and_not_cached(tmp_path: Path, homeless: dict[str, str]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    words = ["dataset", "--profile", "smoke", "--n_images", "40"]
    done = run(*PROGRAM, *words, folder=folder, environment=homeless)
    assert done.returncode == 0 and "40 images of 32×32 pixels" in done.stdout, done.stderr
    assert done.stderr.count("not cached") == 1 and "set HOME or VAELIB_CACHE" in done.stderr
    assert "Traceback" not in done.stderr and list(folder.iterdir()) == []


def test_without_a_home_the_backend_leaves_no_folder_behind(tmp_path: Path, homeless: dict[str, str]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    done = run(sys.executable, "-c", "from vaelib import train", folder=folder, environment=homeless)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == [], "a folder `~` is nobody's home"


def test_a_cache_below_the_home_may_be_named_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAELIB_CACHE", "~/images")
    built = dataset.build(Experiment.from_profile("smoke", n_images=40).data)
    assert len(list((tmp_path / "images").glob("*.uint8"))) == 1
    np.testing.assert_array_equal(dataset.build(built.settings).images, built.images)


ASCII = {"PYTHONIOENCODING": "ascii"}
OLD_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("settings", [ASCII, OLD_LOCALE], ids=["ascii", "C"])
def test_a_console_without_a_character_ends_nothing(tmp_path: Path, settings: dict[str, str]) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**clean, "PYTHONPATH": str(ROOT), "VAELIB_CACHE": str(tmp_path / "cache"), **settings}
    folder = tmp_path / "bilder-größe"
    words = ["dataset", "--profile", "smoke", "--n_images", "40", "--export", str(folder)]
    done = run(*PROGRAM, *words, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(r"40 images of 32\xd732 pixels")
    assert len(list(folder.rglob("*.png"))) == 40
    for words in (["--help"], ["train", "--help"], ["book", "--help"]):
        done = run(*PROGRAM, *words, folder=tmp_path, environment=environment)
        assert done.returncode == 0 and "Usage" in done.stdout, done.stderr


def test_no_text_is_read_or_written_in_the_locales_encoding() -> None:
    rule = ["--isolated", "--quiet", "--no-cache", "--preview", "--select=PLW1514", "--output-format=concise"]
    ruff = str(Path(sysconfig.get_path("scripts"), "ruff"))
    done = run(ruff, "check", *rule, "vaelib", "book/_ext", folder=ROOT, environment=dict(os.environ))
    assert (done.returncode, done.stdout) == (0, "")


def test_windows_is_told_in_one_line_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    vaelib._check_system()  # as the import does
    monkeypatch.setattr(sys, "argv", ["vaelib", "--help"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert ended.value.code == 2 and out == ""
    assert err.count("\n") == 1 and err.startswith("vaelib: ") and "WSL" in err
    assert "WSL" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_import_itself_tells_windows() -> None:
    program = "import vaelib, importlib, sys; sys.platform = 'win32'; importlib.reload(vaelib)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run(sys.executable, "-c", program, folder=ROOT, environment=environment)
    assert done.stderr.count("\n") == 1 and "use WSL" in done.stderr
    assert run(sys.executable, "-c", "import vaelib", folder=ROOT, environment=environment).stderr == ""
