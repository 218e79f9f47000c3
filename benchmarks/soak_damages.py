"""The damages of `soak.py`: what is damaged, who uses it then, and what has to come out."""

import contextlib
import io
import itertools
import json
import os
import random
import shutil
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import nbformat
from soak_kills import TINY, Tally, rows_without_times

from vaelib import Experiment, book, dataset, run, storage, sweep
from vaelib.book import notebook_grid
from vaelib.errors import BuildError, DamagedError, SettingError, StoreError
from vaelib.storage import checkpoint
from vaelib.sweep import tables
from vaelib.system.processes import ONE_THREAD
from vaelib.training import callbacks, trainer

TOLD = (DamagedError, StoreError, SettingError, BuildError)
"""The errors that the user sees as one line."""

Use = Callable[[Path], dict[str, Any]]
"""Works in a folder as anyone would; returns by name what has to be the same whatever was damaged, or what told so."""

SMALL = TINY.replace(epochs=3, snapshots=(1,))
CELLS = (
    'x: float = 1.0  # a number\nprofile: str = "book"  # of the settings',
    "from pathlib import Path\nfrom IPython.display import HTML\nfrom vaelib import notebook\n"
    "checked = notebook.parameters(globals())",
    'Path("media").mkdir(exist_ok=True)\nsize = Path("media/film.mp4").write_bytes(bytes(range(256)))\n'
    "HTML('<a href=\"media/film.mp4\">the film</a>')",
    "notebook.glue('the_', square=x * x, cube=x**3)\nx**4",
)


def damage_all(count: int, kinds: list[str], chance: random.Random, folder: Path, tally: Tally) -> None:
    """Damage one file at a time, in folders of these kinds, and see what comes of it."""
    # Before TensorFlow's first operation: a sweep's workers have one thread.
    own = {**ONE_THREAD, "VAELIB_CACHE": str(folder / "images")}
    chosen = [*kinds, *chance.choices(kinds, [SHARES[kind] for kind in kinds], k=count)][:count]
    with mock.patch.dict(os.environ, own):
        for kind in kinds:
            if times := chosen.count(kind):
                _damage_kind(kind, times, chance, folder, tally)


def _damage_kind(kind: str, times: int, chance: random.Random, folder: Path, tally: Tally) -> None:
    good, place = folder / kind.replace(" ", "-"), folder / "place"
    good.mkdir()
    use = SUBJECTS[kind](good)
    expected, _ = used(use, copied(good, place))
    if "all" in expected:
        return tally.judge(kind, [], "undamaged", [str(expected["all"])])
    for _ in range(times):
        path, told = damage(copied(good, place), chance)
        left = content(path)
        found, messages = used(use, place)
        errors = [each for each in found.values() if isinstance(each, TOLD)]
        tally.count(kind, "damages", *["detected"] * bool(errors or messages))
        what = "remade" if content(path) != left else "told" if errors else "without effect"
        tally.judge(kind, [what], told, wrong_with(found, expected))


def damage(folder: Path, chance: random.Random) -> tuple[Path, str]:
    """Cut short, change by a bit, or remove a file of the folder; return which, and what was done.

    Each folder in it is as likely as its largest one, so that many small files do not hide a single one elsewhere.
    """
    folders = sorted({path.parent for path in folder.rglob("*") if path.is_file()})
    path = chance.choice(sorted(each for each in chance.choice(folders).iterdir() if each.is_file()))
    old, name = path.read_bytes(), path.relative_to(folder)
    how, place = chance.choice(["removed", "cut", "flipped"]) if old else "removed", chance.randrange(len(old) or 1)
    if how == "removed":
        path.unlink()
    elif how == "cut":
        path.write_bytes(old[:place])
    else:
        path.write_bytes(old[:place] + bytes([old[place] ^ 1 << chance.randrange(8)]) + old[place + 1 :])
    return path, f"{name} {how}" + ("" if how == "removed" else f" at byte {place} of {len(old)}")


def content(path: Path) -> bytes | None:
    """Return what is in a file, None where there is none."""
    return path.read_bytes() if path.exists() else None


def copied(good: Path, place: Path) -> Path:
    """Return `place`, made a copy of a good folder."""
    shutil.rmtree(place, ignore_errors=True)
    return shutil.copytree(good, place, symlinks=True)


def used(use: Use, place: Path) -> tuple[dict[str, Any], list[str]]:
    """Return what came of the use, under "all" what ended it, and the warnings."""
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        found = attempt(lambda: use(place))
    mine = [str(each.message) for each in caught if str(place) in str(each.message)]
    return found if isinstance(found, dict) else {"all": found}, mine


def attempt(work: Callable[[], Any]) -> Any:
    """Return what comes out: a result, an error that tells, or the traceback of any other."""
    try:
        return work()
    except TOLD as error:
        return error
    except Exception:
        return traceback.format_exc()


def wrong_with(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Return what came out otherwise without being told in one line."""
    wrong = []
    for name in found.keys() | (() if "all" in found else expected.keys()):
        value = found.get(name)
        if isinstance(value, TOLD):
            wrong += [f"{name}: not one line: {value}"] if len(str(value).splitlines()) != 1 else []
        elif value != expected.get(name):
            wrong.append(f"{name} differs: {str(value)[-600:]}")
    return wrong


# What is damaged


def finished_run(folder: Path) -> Use:
    """Make a finished run. Whoever asks for it again opens it, or trains."""
    trainer.train(SMALL, folder, progress=False)
    return of_run_of(folder)


def unfinished_run(folder: Path) -> Use:
    """Make a run interrupted in its third epoch."""

    def interrupt(self: Any, epoch: int, logs: Any = None) -> None:
        begin(self, epoch, logs)
        if epoch == 2:
            raise KeyboardInterrupt

    begin = callbacks.EpochSaver.on_epoch_begin
    with mock.patch.object(callbacks.EpochSaver, "on_epoch_begin", interrupt), contextlib.suppress(KeyboardInterrupt):
        trainer.train(SMALL, folder, progress=False)
    alone = folder.with_name("alone")
    trainer.train(SMALL, alone, progress=False)
    return of_run_of(alone)


def of_run_of(alone: Path) -> Use:
    """Open the run as it is, and train it."""

    def use(place: Path) -> dict[str, Any]:
        opened = attempt(lambda: numbers(run.Run(place / SMALL.name)))
        with begun_anew_from(alone):
            return {"opened": opened, "trained": numbers(trainer.train(SMALL, place, progress=False))}

    return use


@contextlib.contextmanager
def begun_anew_from(alone: Path) -> Iterator[None]:
    """Have a training from its beginning, which takes seconds, take the run that one has made, mostly.

    What goes on from kept epochs is trained always: the kills show what becomes of the rest.
    """

    def fit(experiment: Experiment, path: Path, found: run.Run | None, *, progress: bool) -> None:
        if found is not None or not (alone / experiment.name).exists() or next(_begun) % 10 == 9:
            keras.backend.clear_session()  # or the networks would fill the memory
            return original(experiment, path, found, progress=progress)
        assert not path.exists() or not any(path.iterdir())
        shutil.copytree(alone / experiment.name, path, dirs_exist_ok=True)
        return None

    original = trainer._fit
    with mock.patch.object(trainer, "_fit", fit):
        yield


_begun = itertools.count()


def numbers(opened: run.Run) -> dict[str, Any]:
    """Return the numbers of a run, bit for bit."""
    weights = [storage.unpack(opened.read(checkpoint.weights_file(epoch))) for epoch in opened.kept_epochs]
    return {
        "epochs": opened.epochs,
        "history": {name: values.tobytes() for name, values in opened.history.items()},
        "embeddings": opened.embeddings.tobytes(),
        "weights": [{name: array.tobytes() for name, array in each.items()} for each in weights],
    }


def image_cache(folder: Path) -> Use:
    """Make a cache of two data sets' images."""

    def use(place: Path) -> dict[str, Any]:
        with mock.patch.dict(os.environ, VAELIB_CACHE=str(place)):
            return {str(seed): dataset.build(SMALL.replace(data_seed=seed).data).images.tobytes() for seed in (0, 1)}

    use(folder)
    return use


def in_turn(tasks: Mapping[str, tuple[Any, ...]], **_: Any) -> sweep.Outcome:
    """Stand for Dask, whose workers take seconds to start; what they do and return is the same."""
    return sweep.Outcome({name: function(*arguments) for name, (function, *arguments) in tasks.items()})


def a_sweep(folder: Path) -> Use:
    """Make a sweep of finished and measured runs and its table. It is read, then called again, then read."""
    experiments = [SMALL, SMALL.replace(seed=5)]

    def read(place: Path) -> dict[str, Any]:
        return {
            ending: attempt(lambda ending=ending: tables.read_table(place / f"grid.{ending}"))  # type: ignore[misc]
            for ending in ("csv", "parquet")
        }

    def use(place: Path) -> dict[str, Any]:
        before = read(place)
        with mock.patch.object(sweep, "on_dask", in_turn), begun_anew_from(folder):
            rows = list(sweep.train_grid(experiments, place, progress=False).finished.values())
        tables.write_table(tables.table(rows), place / "grid")
        again = {f"{ending} again": rows_without_times(made) for ending, made in read(place).items()}
        return before | again | {"rows": rows_without_times(rows)}

    attempt(lambda: use(folder))
    return use


def write_notebook(path: Path) -> Path:
    """Write a notebook of `CELLS`."""
    cells = [nbformat.v4.new_markdown_cell("# A chapter"), *map(nbformat.v4.new_code_cell, CELLS)]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    cells[1].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def sweep_of_a_notebook(folder: Path) -> Use:
    """Make the executed notebooks of a grid of parameters."""
    notebook = write_notebook(folder.with_name("notebook") / "n.ipynb")
    wanted = sweep.Sweep(profile="smoke", grid={"x": [2, 3]})

    def use(place: Path) -> dict[str, Any]:
        with mock.patch.object(sweep, "on_dask", in_turn):
            outcome = notebook_grid.execute_grid(wanted, notebook, place, progress=False)
        return {"rows": rows_without_times(list(outcome.finished.values()))}

    use(folder)
    return use


def without_times(path: Path) -> Any:
    """Return what is in a file, of a notebook without when its cells were executed, which another go does later."""
    with contextlib.suppress(ValueError):
        if path.suffix == ".ipynb":
            notebook = json.loads(path.read_bytes())
            for part in (notebook, *notebook["cells"]):
                part["metadata"] = {k: v for k, v in part["metadata"].items() if k not in ("papermill", "execution")}
            return notebook
    return path.read_bytes()


def build(folder: Path) -> Use:
    """Make a book of one quick chapter, with all that a build leaves. It is built again with `reuse`."""
    tree = folder.with_name("tree")
    write_notebook(tree / "notebooks" / "01_one.ipynb")
    (tree / "book").mkdir()
    (tree / "book" / "index.md").write_text("# Small\n\nThe [first chapter](../notebooks/01_one.ipynb).\n")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(Path(__file__).parents[1] / "book" / name, tree / "book" / name)
    (tree / "_config.yml").write_text(
        "title: Small\nauthor: nobody\nexecute:\n  execute_notebooks: 'off'\n"
        "sphinx:\n  config:\n    html_extra_path: [assets]\n"
    )
    (tree / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/01_one\n")

    def use(place: Path) -> dict[str, Any]:
        html = book.build(tree, place, profile="smoke", reuse=True, jobs=1)
        return {str(path.relative_to(html)): without_times(path) for path in html.rglob("*") if path.is_file()}

    use(folder)
    for unused in sorted((folder / "npm" / "node_modules" / "mathjax").rglob("*"), reverse=True):
        if unused.name not in ("tex-svg-full.js", "LICENSE") and not (unused.is_dir() and any(unused.iterdir())):
            unused.rmdir() if unused.is_dir() else unused.unlink()
    return use


SUBJECTS: dict[str, Callable[[Path], Use]] = {
    "finished run": finished_run,
    "unfinished run": unfinished_run,
    "image cache": image_cache,
    "sweep": a_sweep,
    "sweep of a notebook": sweep_of_a_notebook,
    "build": build,
}
SHARES = {
    "finished run": 6, "unfinished run": 5, "image cache": 8, "sweep": 5, "sweep of a notebook": 1, "build": 1
}  # fmt: skip
"""How many damages each kind gets, in proportion: fewer where one takes seconds."""
