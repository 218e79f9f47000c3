"""The kills of `soak.py`: what is killed when, how it goes on, and what has to come out; and the tally."""

import collections
import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from vaelib import Experiment, run, storage
from vaelib.book import builder, notebook_grid
from vaelib.errors import DamagedError
from vaelib.storage import checkpoint
from vaelib.sweep import tables

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 900  # seconds until a process counts as hung
TIMES = {"wall_time", "images_per_second", "git_commit", "seconds"}
"""Columns of a table that are another go's own."""

TINY = Experiment.from_profile(
    "smoke", n_images=80, width=0.06, epochs=4, batch_size=16, snapshots=(0, 1), gamma=0.01, beta=1e-3, seed=4
)
TRAININGS = [
    TINY,
    TINY.replace(optimizer="sgd", schedule="constant", learning_rate=1.0),  # whose best epoch is not the last
    TINY.replace(precision="bfloat16", variance="learned", sample_weights="per_image", initial_rotation="rotation"),
    TINY.replace(penalty="covariance", region="punctured", snapshots=()),
]
SWEEP = "profile: smoke\nsettings: {n_images: 80, width: 0.06, epochs: 4, batch_size: 16, snapshots: [1]}\n"
SWEEP += "grid: {gamma: [0, 0.01], seed: [0, 1]}\n"


class Tally:
    """Counts by kind what happened, and keeps what was lost, with a bar that goes on at every kill and damage."""

    def __init__(self, total: int) -> None:
        self.counts: dict[str, collections.Counter[str]] = {}
        self.losses: list[str] = []
        self.bar = tqdm(total=total, unit="fault", mininterval=1, smoothing=0)

    def count(self, kind: str, *whats: str) -> None:
        """Count what happened."""
        self.counts.setdefault(kind, collections.Counter()).update(whats)
        self.bar.set_postfix({"kind": kind, "lost": len(self.losses)}, refresh=False)
        self.bar.update(sum(what in ("kills", "damages") for what in whats))

    def judge(self, kind: str, good: list[str], told: str, wrong: list[str]) -> None:
        """Count a good end, or a loss with what is `wrong`."""
        self.count(kind, *(["losses"] if wrong else good))
        if wrong:
            self.losses.append(f"{kind}: {told}: {'; '.join(wrong)}"[:2000])
            tqdm.write(f"LOST {self.losses[-1]}", file=sys.stderr)


def differences(made: Path, alone: Path) -> list[str]:
    """Return in what a finished run differs from an undisturbed one, bit for bit; nothing where it does not."""
    try:
        a, b = run.Run(made), run.Run(alone)
    except DamagedError as error:
        return [str(error)]
    found = [name for name in ("history", "epoch", "complete") if a.manifest[name] != b.manifest[name]]
    if a.manifest["files"].keys() != b.manifest["files"].keys():
        return [*found, "other files"]
    for name in a.manifest["files"]:
        x, y = a.read(name), b.read(name)
        if name.endswith(".npz"):  # the archive around them may differ
            x, y = ([(n, v.tobytes()) for n, v in storage.unpack(each).items()] for each in (x, y))  # type: ignore[assignment]
        if x != y and name != "provenance.json":  # which holds the times
            found.append(name)
    extra = {path.name for path in made.iterdir()} - {*a.manifest["files"], checkpoint.MANIFEST}
    return found + [f"left over: {name}" for name in sorted(extra)]


def rows_without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table without what another go of the same makes otherwise."""
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


# Processes


class Command:
    """A `vaelib` command in a process group of its own: a fork of this process, which has loaded Keras, or a new one.

    A fork is as good as a new process as long as this one has computed nothing: TensorFlow begins its threads then.
    """

    def __init__(self, words: list[str], log: Path, *, fork: bool = False, **environment: str) -> None:
        self.log = log
        self.process = multiprocessing.get_context("fork").Process(
            target=self._begin, args=(words, log, fork, environment)
        )
        self.begun = time.monotonic()
        self.process.start()
        self.pid: int = self.process.pid  # type: ignore[assignment]

    @staticmethod
    def _begin(words: list[str], log: Path, fork: bool, environment: dict[str, str]) -> None:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.environ.update(environment)
        os.chdir(ROOT)
        if not fork:
            os.execv(sys.executable, [sys.executable, "-c", "from vaelib.cli import main; main()", *words])
        from vaelib import cli

        sys.argv = ["vaelib", *words]
        cli.main()

    def ended(self, after: float = PATIENCE) -> bool:
        """Wait until it ends, or so many seconds since it began; tell whether it has ended."""
        # By looking: `join` waits for a pipe that closes when a new program begins, and then for the end of that.
        while self.process.exitcode is None and time.monotonic() < self.begun + after:
            time.sleep(0.01)
        return self.process.exitcode is not None

    def finish(self) -> list[str]:
        """Wait for its end and return what went wrong."""
        self.ended()
        if self.process.exitcode != 0:
            self.kill()
            return [f"exit status {self.process.exitcode}: {self.log.read_text(errors='replace')[-1000:]}"]
        return []

    def descendants(self) -> list[psutil.Process]:
        """Return its children, their children, and so on."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def workers(self) -> list[psutil.Process]:
        """Return a sweep's workers."""
        found = []
        for child in self.descendants():
            with contextlib.suppress(psutil.Error):
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def kill(self, *, alone: bool = False) -> list[psutil.Process]:
        """Kill it, and all that it began unless `alone`; return those."""
        begun = self.descendants()
        for each in [psutil.Process(self.pid)] if psutil.pid_exists(self.pid) else []:
            each.kill()
        for each in [] if alone else begun:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.join()
        return begun


def end_all() -> None:
    """Kill whatever this process has begun and what that has."""
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def clock(command: Command) -> float:
    """Return the seconds of an undisturbed go. Ends everything if it fails."""
    if wrong := command.finish():
        raise SystemExit(f"an undisturbed go failed: {wrong[0]}")
    return time.monotonic() - command.begun


# Kills


def kill_trainings(kills: int, chance: random.Random, folder: Path, tally: Tally) -> None:
    """Kill trainings at random, one to several times until they end."""
    import vaelib.training.trainer  # noqa: F401 - for the forks

    kind = "trainings"

    def start(experiment: Experiment, root: Path) -> Command:
        given = {name: value for name, value in experiment.model_dump().items() if value is not None}
        given["snapshots"] = " ".join(map(str, experiment.snapshots))
        words = [f"--{name}={value}" for name, value in given.items() if not isinstance(value, bool)]
        words += [f"--{'' if value else 'no_'}{name}" for name, value in given.items() if isinstance(value, bool)]
        root.mkdir(parents=True, exist_ok=True)
        command = ["train", *words, "--root", str(root)]
        return Command(command, root / "log", fork=True, VAELIB_CACHE=str(root / "cache"))

    alone = folder / "alone"
    seconds = {experiment.name: clock(start(experiment, alone)) for experiment in TRAININGS}
    while kills > 0:
        experiment = chance.choice(TRAININGS)
        name, root, killed, epochs = experiment.name, Path(tempfile.mkdtemp(dir=folder)), [], 0
        while True:
            command, moment = start(experiment, root), chance.uniform(0, seconds[name])
            # Most that go on are killed in their turn; only who is let alone for good shows what was kept.
            if kills == 0 or (killed and chance.random() < 0.25) or command.ended(moment):
                break
            command.kill()
            kills -= 1
            killed.append(f"{moment:.2f} s")
            now = checkpoint.finished_epochs(root / name)
            tally.count(kind, "kills")
            if now < epochs:
                tally.judge(kind, [], f"{name} killed after {killed}", [f"{now} epochs are left of {epochs}"])
            epochs = now
        if not killed and command.ended():
            seconds[name] = time.monotonic() - command.begun  # the machine may have more, or less, to do than before
        wrong = command.finish() or differences(root / name, alone / name)
        wrong += [f"moved aside: {path.name}" for path in root.glob("*.damaged-*")]
        good = ["resumes"] * len(killed) or ["ended before"]
        tally.judge(kind, good, f"{name} killed after {', '.join(killed)}", wrong)
        shutil.rmtree(root)


def kill_sweeps(kills: int, chance: random.Random, folder: Path, tally: Tally) -> None:
    """Kill one or two of a sweep's workers, the sweep alone, or all its processes."""
    file = folder / "grid.yml"
    file.write_text(SWEEP)

    def start(root: Path) -> Command:
        root.mkdir(exist_ok=True)
        return Command(["sweep", str(file), "--root", str(root), "--workers", "2"], folder / "log")

    def wrong_with(root: Path) -> list[str]:
        found = []
        for ending in ("csv", "parquet"):
            mine, theirs = (rows_without_times(tables.read_table(r / f"grid.{ending}")) for r in (root, alone))
            found += [] if mine == theirs else [f"grid.{ending} differs"]
        for row in theirs:
            found += differences(root / row["run"], alone / row["run"])
        return found + [f"moved aside: {path.name}" for path in root.glob("*.damaged-*")]

    alone = folder / "alone"
    seconds = clock(start(alone))
    while kills > 0:
        (folder / "log").unlink(missing_ok=True)
        root, how = Path(tempfile.mkdtemp(dir=folder)), chance.choice(["worker", "worker", "sweep", "all"])
        kind, command, done = f"sweeps, {how}", start(root), 0
        # A run may lose three workers before it counts as the cause, so two in a go.
        moments = sorted(chance.uniform(0, seconds) for _ in range(min(kills, 2 if how == "worker" else 1)))
        for moment in moments:
            if command.ended(moment):
                break
            if how == "worker":
                while not (workers := command.workers()) and not command.ended(0):
                    time.sleep(0.05)
                with contextlib.suppress(IndexError, psutil.NoSuchProcess):
                    chance.choice(workers).kill()
                    done += 1
            else:
                children, done = command.kill(alone=how == "sweep"), 1
        told = f"killed after {', '.join(f'{moment:.2f}' for moment in moments)} of {seconds:.2f} s"
        tally.count(kind, *["kills"] * done)
        kills -= done
        wrong = []
        if how != "worker" and done:
            left = psutil.wait_procs(children, timeout=60)[1]
            wrong = [f"its process goes on: {each}" for each in left]
            command = start(root)
        wrong += command.finish()
        seconds = seconds if done else time.monotonic() - command.begun
        wrong = wrong or wrong_with(root)
        tally.judge(kind, ["resumes"] * done or ["ended before"], told, wrong)
        shutil.rmtree(root)


def kill_books(kills: int, chance: random.Random, folder: Path, tally: Tally) -> None:
    """Kill the build of the book, alone or with all its processes; `--reuse` goes on at once."""

    def start(output: Path, *words: str) -> Command:
        return Command(["book", "--profile", "smoke", "--output", str(output), *words], folder / "log")

    alone, output = folder / "alone", folder / "output"
    seconds = clock(start(alone))
    expected = of_book(alone)
    for _ in range(kills):
        (folder / "log").unlink()
        shutil.copytree(alone / "npm", output / "npm")  # so that no kill waits for the network
        shutil.copyfile(alone / builder._MARKER, output / builder._MARKER)
        command, moment, how = start(output), chance.uniform(0, seconds), chance.choice(["alone", "all"])
        kind, told, children = f"books, {how}", f"killed after {moment:.0f} of {seconds:.0f} s", []
        killed = not command.ended(moment)
        if killed:
            children = command.kill(alone=how == "alone")
            tally.count(kind, "kills")
            command = start(output, "--reuse")
        wrong = command.finish() or differing(of_book(output), expected)
        left = psutil.wait_procs(children, timeout=60)[1]
        wrong += [f"its process goes on: {each}" for each in left]
        tally.judge(kind, ["resumes" if killed else "ended before"], told, wrong)
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        shutil.rmtree(output)


def differing(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return the names under which two dictionaries differ."""
    return [
        f"{name} differs" for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)
    ]


def of_book(output: Path) -> dict[str, Any]:
    """Return what two builds have to have in common: chapters' glued numbers, runs, the names of the pages' files."""
    found: dict[str, Any] = {}
    for notebook in (output / "source" / "notebooks").glob("*.ipynb"):
        glued = notebook_grid.glued(notebook)
        found |= {f"{notebook.stem}: {name}": value for name, value in glued.items() if not is_time(name)}
    for manifest in (output / "runs").rglob(checkpoint.MANIFEST):
        opened = run.Run(manifest.parent)
        found |= {
            f"{manifest.parent.name}/{name}": (
                {n: v.tobytes() for n, v in storage.unpack(opened.read(name)).items()}
                if name.endswith(".npz")
                else opened.read(name)
            )
            for name in opened.manifest["files"]
            if name != "provenance.json"
        }
    found["pages"] = sorted(str(path.relative_to(output)) for path in (output / "html").rglob("*.html"))
    return found


def is_time(name: str) -> bool:
    """Tell whether a glued number is a time by its name."""
    return any(word in name for word in ("second", "wall", "time", "minute"))


KILLS: dict[str, Callable[[int, random.Random, Path, Tally], None]] = {
    "trainings": kill_trainings,
    "sweeps": kill_sweeps,
    "books": kill_books,
}
