"""The commands: `vaelib dataset`, `vaelib train`, `vaelib paper`, `vaelib sweep`, `vaelib book`.

A user's mistake ends in one line and exit status 2. Ctrl-C ends in exit status 130 and two lines, of which the second
is the command that continues. Nothing heavy is imported before a command needs it.
"""

import inspect
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Optional, get_args, get_origin

import typer
from pydantic import BaseModel
from typer.core import TyperCommand, TyperGroup

from vaelib import storage
from vaelib.errors import BuildError, DamagedError, DeviceError, SettingError, StoreError, TrainingError
from vaelib.experiment import PROFILES, DataSettings, Experiment
from vaelib.system import engine

if TYPE_CHECKING:
    from vaelib.run import Run


class _Commands(TyperGroup):
    """Handle Ctrl-C before typer does, which prints nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            words = ["vaelib", *sys.argv[1:]]
            if ctx.invoked_subcommand == "book" and "--reuse" not in words:
                words.append("--reuse")  # or it would begin by removing the runs
            message = str(interruption) or "interrupted; the same call goes on from there"
            _end(f"{message}:\n  {shlex.join(words)}", 130)


app = typer.Typer(
    name="vaelib",
    cls=_Commands,
    help="A reproducible study of zero-shot learning and disentanglement in variational autoencoders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    # Settings are named as in Python; --batch-size is understood as --batch_size.
    context_settings={"token_normalize_func": lambda name: name.replace("-", "_")},
)


def _at_home(path: Path | None) -> Path | None:
    return path and storage.user_path(path)


def _path(help: str) -> Any:
    """Return the option of a path, in which a leading ~ stands for the home folder."""
    return typer.Option(callback=_at_home, help=help)


def _count(help: str) -> Any:
    """Return the option of a whole number from 1."""
    return typer.Option(min=1, metavar="<int>", help=help)


Profile = Annotated[str, typer.Option(help=f"the settings to start from: {', '.join(PROFILES)}")]
Root = Annotated[Path, _path("the folder of all runs")]


def main() -> None:
    """Run the command line. A mistake that the user can correct is one line on stderr and exit status 2."""
    if sys.platform == "win32":
        sys.exit(2)  # the import has said what is needed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a console may have no "×"
    try:
        app()
    except (SettingError, StoreError, DamagedError, DeviceError) as error:
        _end(error, 2)
    except BuildError as error:
        _end(error, 1)


def _end(error: Exception | str, status: int) -> NoReturn:
    print(f"vaelib: {error}", file=sys.stderr)
    sys.exit(status)


def _with_settings(model: type[BaseModel]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for every setting of `model`; the command receives them as keywords.

    An option that is not used arrives as None, which keeps the profile's value.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        *own, _ = inspect.signature(command).parameters.values()  # the last is **settings
        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name, field))
            for name, field in model.model_fields.items()
            if name != "profile"
        ]
        command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *options]}
        return command

    return decorate


def _option(name: str, field: Any) -> Any:
    """Return the option of a setting. All but switches are text, which the settings' own validation judges."""
    kind, default = field.annotation, field.default
    shown, metavar = default, None
    if get_origin(kind) is Literal:
        metavar = f"<{'|'.join(get_args(kind))}>"
    elif get_origin(kind) is tuple:
        shown, metavar = f"{default[0]} to {default[-1]}", "<int,...>"
    elif kind is not bool:
        metavar = f"<{kind.__name__}>"
    flags = f"--{name}/--no_{name}" if kind is bool else f"--{name}"
    option = typer.Option(flags, help=f"{field.description} [book: {shown}]", metavar=metavar)
    return Annotated[Optional[bool if kind is bool else str], option]  # noqa: UP045 - typer needs the object


@app.command()
@_with_settings(DataSettings)
def dataset(
    profile: Profile = "book",
    export: Annotated[Path | None, _path("write the images as PNG files, and a CSV of their (a, b), here")] = None,
    points: Annotated[Path | None, _path("draw the points of this CSV file, with columns a and b, instead")] = None,
    **settings: Any,
) -> None:
    """Draw the data set, or load it from the cache, and describe it.

    A setting that is not given has the value of the profile; [book: ...] is its value in the profile book.
    """
    experiment = Experiment.from_profile(profile, **settings)
    from vaelib import dataset as data
    from vaelib.dataset import exchange

    parameters = exchange.read_points(points) if points else None
    if export:
        exchange.check_empty(export)  # before the images are drawn for it
    images = data.build(experiment.data, parameters=parameters)
    size = experiment.image_size
    print(f"{len(images.images)} images of {size}×{size} pixels, region {experiment.region}")
    print(f"training {len(images.train)}, validation {len(images.validation)}, in the hole {len(images.hole)}")
    if export:
        print(f"written to {exchange.export(images, export)}")


@app.command()
@_with_settings(Experiment)
def train(profile: Profile = "book", root: Root = Path("runs"), **settings: Any) -> None:
    """Train a model, or continue its training, and describe the run.

    Prints the run's folder, the best epoch and that epoch's losses. A setting that is not given has the value of the
    profile; [book: ...] is its value in the profile book.
    """
    experiment = Experiment.from_profile(profile, **settings)
    run = _trained(experiment, root)
    best = {name: values[run.best_epoch - 1] for name, values in run.history.items()}
    print(run.path)
    print(f"best epoch: {run.best_epoch} of {experiment.epochs}")
    print("\n".join(f"{name:<20}{value:10.5f}" for name, value in best.items()))


@app.command()
def paper(
    root: Root = Path("runs"),
    results: Annotated[
        Path | None, _path("the folder for the results that are kept  [default: the project's results/paper]")
    ] = None,
    devices: Annotated[int | None, _count("devices of this machine that share each batch")] = None,
) -> None:
    """Train the study's four settings at their original size.

    Continues where an earlier call stopped, and keeps small results for the book. Meant for a GPU: on a CPU it takes
    days.
    """
    from vaelib.storage import results as kept

    try:
        target = storage.check_writable(results or kept.folder() / "paper")  # before days of training
    except SettingError as error:
        raise SettingError(f"{error}; or name another folder with --results") from None
    from vaelib.study import paper as papers

    for name, experiment in papers.plan(devices=devices).items():
        run = _trained(experiment, root)
        print(f"{name}: {run.path}, kept in {papers.keep(run, target)}")


def _trained(experiment: Experiment, root: Path) -> "Run":
    """Return the finished run; exit with status 1 if the training fails."""
    try:
        storage.check_writable(root)  # before Keras is imported, whose backend prints messages of its own
    except StoreError:
        from vaelib import run

        if run.finished(root / experiment.name, experiment) is None:
            raise
    from vaelib.training import trainer

    try:
        return trainer.train(experiment, root=root)
    except TrainingError as error:
        _end(error, 1)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(callback=_at_home, help="the grid: YAML with profile, settings and grid")],
    root: Annotated[Path, _path("the folder of all runs, or of the executed notebooks")] = Path("runs"),
    table: Annotated[
        Path | None, _path("the table, without .parquet and .csv  [default: named as the file, in root]")
    ] = None,
    notebook: Annotated[Path | None, _path("execute this notebook over the grid instead")] = None,
    workers: Annotated[int | None, _count("single-threaded processes  [default: one a core; one on a GPU]")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="train on the Dask cluster at this address, such as tcp://host:8786")
    ] = None,
) -> None:
    """Train a grid of settings and seeds, and write one table.

    Finished runs are not trained again: the same call continues a sweep that was interrupted.
    """
    from vaelib import sweep as sweeping
    from vaelib.sweep import tables

    grid = sweeping.read(file)
    if notebook is not None:
        from vaelib.book import notebook_grid

        outcome = notebook_grid.execute_grid(grid, notebook, root, workers=workers, scheduler=scheduler)
    else:
        outcome = sweeping.train_grid(grid.experiments(), root, workers=workers, scheduler=scheduler)
    for name, reason in outcome.failed.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    if outcome.finished:
        rows = tables.table(list(outcome.finished.values()))
        for path in tables.write_table(rows, table or root / file.stem):
            print(path)
    print(f"{len(outcome.finished)} finished, {len(outcome.failed)} failed")
    if outcome.failed:
        sys.exit(1)


class _PairsCommand(TyperCommand):
    """Accept papermill's `-p NAME VALUE`: typer has no repeated option of two words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        joined: list[str] = []
        words = iter(args)
        for word in words:
            joined.append(word)
            if word in ("-p", "--parameter"):
                name, value = next(words, None), next(words, None)
                if name is None or value is None or name.startswith("-"):
                    raise typer.BadParameter(f"{word} needs a name and a value, as in {word} gamma 0.01")
                joined.append(f"{name}={value}")
        return super().parse_args(ctx, joined)


@app.command(cls=_PairsCommand)
def book(
    profile: Profile = "book",
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME VALUE", help="set it wherever a chapter has it; repeatable"),
    ] = None,
    chapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<number>",
            help="execute this chapter alone, such as 03 or 03_training; repeatable. The others keep their last "
            "page, or get one that says they are not built yet. The study's runs (runs/sweep) are then kept even "
            "without --reuse, unless a chosen chapter has the parameter sweep_seeds.",
        ),
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="keep finished runs and unchanged chapters; without it all runs are removed")
    ] = False,
    jobs: Annotated[int | None, _count("chapters executed at once  [default: one a core]")] = None,
    output: Annotated[Path, _path("the folder of everything that is made")] = Path("_build"),
) -> None:
    """Execute the chapters, training afresh, and build their pages."""
    from vaelib import book as building

    # On SIGTERM it stops its chapters as on Ctrl-C; otherwise they would run on alone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    engine.check_devices()  # before anything is removed
    os.environ["MATPLOTLIBRC"] = os.devnull  # the pages are the book's, whatever the user's own figures look like
    root = building.find_root()
    html = building.build(
        root,
        root / output,
        profile=profile,
        parameters=dict(pair.split("=", 1) for pair in parameter or ()),
        chapters=chapter or (),
        reuse=reuse,
        jobs=jobs,
    )
    print(f"The book: {html / 'index.html'}")
