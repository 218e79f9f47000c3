"""The commands: `vaelib dataset`, `vaelib train`, `vaelib paper`, `vaelib sweep`, `vaelib book`.

A user's mistake ends in one line and exit status 2, Ctrl-C in two lines, the second of which goes on from there,
and exit status 130. Nothing heavy is imported before a command needs it.
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
    """Ends at Ctrl-C, before typer does, which says nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            words = ["vaelib", *sys.argv[1:]]
            if ctx.invoked_subcommand == "book" and "--reuse" not in words:
                words.append("--reuse")  # or it would begin by removing the runs
            told = str(interruption) or "interrupted; the same call goes on from there"
            _end(f"{told}:\n  {shlex.join(words)}", 130)


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


Profile = Annotated[str, typer.Option(help=f"{', '.join(PROFILES)}: the values that the options override")]


def main() -> None:
    """Run the command line. What the user can mend is told in one line on stderr, with exit status 2."""
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
    """Give a command an option for every setting of `model`; the command gets them as keywords.

    An option that is not used arrives as None, which keeps the profile's value.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter
            for parameter in inspect.signature(command).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        settings = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[
                    _option_type(field.annotation),
                    typer.Option(*_flags(name, field), help=_help(field), metavar=_metavar(field.annotation)),
                ],
            )
            for name, field in model.model_fields.items()
            if name != "profile"
        ]
        command.__signature__ = inspect.Signature([*own, *settings])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *settings]}
        return command

    return decorate


def _option_type(annotation: Any) -> Any:
    """Return the type of the option: all but switches are text, which the settings' own validation judges."""
    return Optional[bool if annotation is bool else str]  # noqa: UP045 - typer is given an object, not source text


def _metavar(annotation: Any) -> str | None:
    """Return what the help shows for an option's value; None: the text's own."""
    if get_origin(annotation) is Literal:
        return f"<{'|'.join(get_args(annotation))}>"
    return f"<{annotation.__name__}>" if annotation in (int, float) else None


def _flags(name: str, field: Any) -> list[str]:
    return [f"--{name}/--no_{name}" if field.annotation is bool else f"--{name}"]


def _help(field: Any) -> str:
    default = field.default
    shown = f"{default[0]} to {default[-1]}" if isinstance(default, tuple) else default
    return f"{field.description} [book: {shown}]"


@app.command()
@_with_settings(DataSettings)
def dataset(
    profile: Profile = "book",
    export: Annotated[
        Path | None,
        typer.Option(callback=_at_home, help="write the images as PNG files, and a CSV of their (a, b), here"),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(callback=_at_home, help="draw the points of this CSV file, with columns a and b, instead"),
    ] = None,
    **settings: Any,
) -> None:
    """Build the data set, or take it from the cache, and tell what is in it."""
    experiment = Experiment.from_profile(profile, **settings)
    from vaelib import dataset as data
    from vaelib.dataset import exchange

    own = exchange.read_points(points) if points else None
    if export:
        exchange.check_empty(export)  # before the images are drawn for it
    images = data.build(experiment.data, parameters=own)
    size = experiment.image_size
    print(f"{len(images.images)} images of {size}×{size} pixels, region {experiment.region}")
    print(f"training {len(images.train)}, validation {len(images.validation)}, in the hole {len(images.hole)}")
    if export:
        print(f"written to {exchange.export(images, export)}")


@app.command()
@_with_settings(Experiment)
def train(
    profile: Profile = "book",
    root: Annotated[Path, typer.Option(callback=_at_home, help="the folder of all runs")] = Path("runs"),
    **settings: Any,
) -> None:
    """Train a model, or resume an interrupted training, and print the folder of the run."""
    experiment = Experiment.from_profile(profile, **settings)
    run = _trained(experiment, root)
    best = {name: values[run.best_epoch - 1] for name, values in run.history.items()}
    print(run.path)
    print(f"best epoch: {run.best_epoch} of {experiment.epochs}")
    print("\n".join(f"{name:<20}{value:10.5f}" for name, value in best.items()))


@app.command()
def paper(
    root: Annotated[Path, typer.Option(callback=_at_home, help="the folder of all runs")] = Path("runs"),
    results: Annotated[
        Path | None,
        typer.Option(
            callback=_at_home, help="the folder for what is kept of them  [default: the project's results/paper]"
        ),
    ] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="devices of this machine that share each batch")] = None,
) -> None:
    """Train the study's four settings at its own size, or go on with them, and keep small results for the book.

    It wants a GPU: on the cores of a processor it takes days.
    """
    from vaelib.storage import results as kept

    try:
        target = storage.check_writable(results or kept.folder() / "paper")  # before days of training
    except SettingError as error:
        raise SettingError(f"{error}; or name another folder by --results") from None
    from vaelib.study import paper as papers

    for name, experiment in papers.plan(devices=devices).items():
        run = _trained(experiment, root)
        print(f"{name}: {run.path}, kept in {papers.keep(run, target)}")


def _trained(experiment: Experiment, root: Path) -> "Run":
    """Return the finished run."""
    try:
        storage.check_writable(root)  # before Keras is imported, whose backend says things of its own
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
    root: Annotated[
        Path, typer.Option(callback=_at_home, help="the folder of all runs, or of the executed notebooks")
    ] = Path("runs"),
    table: Annotated[
        Path | None,
        typer.Option(
            callback=_at_home, help="the table, without .parquet and .csv  [default: named as the file, in root]"
        ),
    ] = None,
    notebook: Annotated[
        Path | None, typer.Option(callback=_at_home, help="execute this notebook over the grid instead")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes of one thread  [default: one a core, or one on a GPU]")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="train on the Dask cluster at this address, such as tcp://host:8786")
    ] = None,
) -> None:
    """Train a grid of settings and seeds, or go on with it, and write one table of all runs."""
    from vaelib import sweep as sweeping
    from vaelib.sweep import tables

    wanted = sweeping.read(file)
    if notebook is not None:
        from vaelib.book import notebook_grid

        outcome = notebook_grid.execute_grid(wanted, notebook, root, workers=workers, scheduler=scheduler)
    else:
        outcome = sweeping.train_grid(wanted.experiments(), root, workers=workers, scheduler=scheduler)
    for name, reason in outcome.failed.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    if outcome.finished:
        made = tables.table(list(outcome.finished.values()))
        for path in tables.write_table(made, table or root / file.stem):
            print(path)
    print(f"{len(outcome.finished)} finished, {len(outcome.failed)} failed")
    if outcome.failed:
        sys.exit(1)


class _PairsCommand(TyperCommand):
    """Understands papermill's `-p NAME VALUE`: typer has no repeated option of two words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        joined: list[str] = []
        words = iter(args)
        for word in words:
            joined.append(word)
            if word in ("-p", "--parameter"):
                pair = [part for part in (next(words, None), next(words, None)) if part is not None]
                if len(pair) < 2 or pair[0].startswith("-"):
                    raise typer.BadParameter(f"{word} needs a name and a value, as in {word} gamma 0.01")
                joined.append("=".join(pair))
        return super().parse_args(ctx, joined)


@app.command(cls=_PairsCommand)
def book(
    profile: Profile = "book",
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME VALUE", help="goes to every chapter that has this parameter"),
    ] = None,
    chapter: Annotated[
        list[str] | None,
        typer.Option(
            help="execute only this one, such as 03, and keep the others' executed notebooks, or say on their pages "
            "that they are not built yet; of the runs, which all are removed without --reuse, it keeps the study's "
            "(runs/sweep), unless the chapter has sweep_seeds"
        ),
    ] = None,
    reuse: Annotated[bool, typer.Option("--reuse", help="keep finished runs and unchanged chapters")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="chapters at once  [default: one a core]"),
    ] = None,
    output: Annotated[Path, typer.Option(callback=_at_home, help="the folder for all that is made")] = Path("_build"),
) -> None:
    """Execute the chapters, from fresh runs, and make the pages of them."""
    from vaelib import book as building

    # Asked to end, it stops its chapters as at Ctrl-C; otherwise they would go on alone.
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
