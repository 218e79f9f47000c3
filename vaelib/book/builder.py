"""The build: papermill executes the chapters into a staging tree, and Jupyter Book makes pages of it.

    notebooks/, book/       →  <output>/source (executed chapters, pages, vendored parts)  →  <output>/html
    vaelib/study/sweep.yml  →  <output>/study (the table that the last chapters read)

Everything is made in the output folder; the tree itself stays as it was.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import matplotlib as mpl
import yaml

from vaelib import storage, study
from vaelib.book import placeholders, repository, rooms, vendor
from vaelib.book.chapters import Chapter, check
from vaelib.book.execution import Executor
from vaelib.errors import BuildError, SettingError
from vaelib.storage import results
from vaelib.storage.checkpoint import is_complete
from vaelib.system import provenance

__all__ = ["STUDY", "build", "find_root", "timing_table"]

STUDY = "sweep_seeds"
"""The parameter of a chapter that reads the study's table: how many seeds of each setting are trained for it."""

_STUDY_RUNS = "sweep"  # among the runs, the folder in which `study.table` trains
_MARKER = ".vaelib-book"  # marks a folder that a build made, so that files in it may be removed


def find_root(start: Path | None = None) -> Path:
    """Return the book's folder, at or above `start` (default: the current folder). Raises BuildError without one."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise BuildError(f"no book in {here}: run this in the project's folder, where _toc.yml is")


def build(
    root: Path,
    output: Path | None = None,
    *,
    profile: str = "book",
    parameters: Mapping[str, Any] | None = None,
    chapters: Sequence[str] = (),
    reuse: bool = False,
    jobs: int | None = None,
) -> Path:
    """Build the book of a tree.

    Ctrl-C arrives as KeyboardInterrupt, whose message says which runs are kept.

    Args:
        root: The tree's folder, with `_toc.yml`, `notebooks` and `book`.
        output: The folder of everything that is made, by default `_build` in the tree.
        profile: The profile, a parameter of every chapter.
        parameters: Other parameters; each goes to every chapter that declares it.
        chapters: Execute only these, by name or number ("03_training" or "03"). The others are taken from the last
            build; where that has none, placeholders stand for them and for the front page.
        reuse: Keep finished runs, and the chapters whose notebook, parameters and library are unchanged. Otherwise all
            runs are removed first, whichever chapter trained them, except those of the study if only chapters
            without `sweep_seeds` are executed.
        jobs: How many chapters run at once, by default one for each core.

    Returns:
        The folder of the pages, `<output>/html`.

    Raises:
        SettingError: For an unknown profile, parameter or chapter and for a value that is not allowed, before anything
            is executed or removed.
        BuildError: When a chapter cites one that is not executed, when another build works in `output`, which it
            names, and when a chapter or the pages fail.
        StoreError: When `output` cannot be written.
    """
    root = root.resolve()
    output = (output or root / "_build").resolve()
    source = output / "source"
    executor = Executor(output, source / "notebooks", jobs=max(1, jobs or provenance.processors()))
    plan = _plan(root, executor, check(root / "notebooks", profile, parameters or {}, only=chapters), chapters)
    with storage.writing(output):
        _claim(output)

    seconds: dict[str, float] = {}
    with _alone(output), _interruption_explained(output / "runs"):
        with _timed(seconds, "total"):
            with _timed(seconds, "staging"):
                stale = [chapter for chapter in plan.chosen if not (reuse and _is_kept(chapter, executor))]
                with storage.writing(output):
                    _prepare(root, output, plan, reuse=reuse)
            seconds |= _train_study(stale, output)
            seconds |= executor.execute(stale)
            with _timed(seconds, "jupyter-book"):
                html = _pages(source, output)
        storage.write(output / "timings.json", (json.dumps(seconds, indent=1) + "\n").encode())
        print(timing_table(seconds), flush=True)
    return html


@dataclasses.dataclass(frozen=True)
class _Plan:
    """The chapters of a build."""

    known: Sequence[Chapter]
    chosen: Sequence[Chapter]
    """Those that it executes, unless they are kept."""
    missing: Sequence[Chapter]
    """Those that it neither executes nor has from an earlier build."""

    @property
    def shown(self) -> list[Chapter]:
        """Those that are not missing."""
        return [chapter for chapter in self.known if chapter not in self.missing]

    @property
    def is_partial(self) -> bool:
        """Whether chapters are taken from the last build, or missing."""
        return len(self.chosen) < len(self.known)

    @property
    def reads_study(self) -> bool:
        """Whether a chosen chapter reads the study's table."""
        return any(STUDY in chapter.values for chapter in self.chosen)


def _plan(root: Path, executor: Executor, known: Sequence[Chapter], names: Iterable[str]) -> _Plan:
    """Return which chapters are executed and which are missing, and check what they need."""
    repository.address(root)  # which the pages link to; a wrong one is refused before anything is executed
    chosen = _choose(known, names)
    missing = [chapter for chapter in known if chapter not in chosen and not executor.stamp_of(chapter)]
    plan = _Plan(known, chosen, missing)
    if plan.reads_study:
        results.folder(root)  # raises SettingError where the kept results are missing
    placeholders.check(plan.shown, missing)
    return plan


def _is_kept(chapter: Chapter, executor: Executor) -> bool:
    """Tell whether a chapter's last execution still holds, and say so."""
    kept = executor.stamp_of(chapter) == chapter.stamp()
    if kept:
        print(f"{chapter.name}: kept, as its sources and parameters are unchanged", flush=True)
    return kept


def _prepare(root: Path, output: Path, plan: _Plan, *, reuse: bool) -> None:
    """Stage the sources and remove the runs that are not kept.

    What needs a network comes first, and no run is removed before everything is staged.
    """
    source, vendored = output / "source", output / "vendor"
    vendor.collect(root / "book", output / "npm", vendored)
    _stage(root, source, vendored, keep_chapters=reuse or plan.is_partial)
    if plan.missing:
        placeholders.write(source, plan.shown, plan.missing)
    if not reuse:
        _remove_runs(output / "runs", keep_study=plan.is_partial and not plan.reads_study)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Note how long the block took."""
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun


def _train_study(chapters: Sequence[Chapter], output: Path) -> dict[str, float]:
    """Train the runs of the study's table that chapters read, before these, which would wait for each other.

    Return the seconds that it took, by the name "study"; nothing where no chapter reads the table.
    """
    wanted = {(chapter.values[STUDY], chapter.values["profile"]) for chapter in chapters if STUDY in chapter.values}
    seconds: dict[str, float] = {}
    if wanted:
        with _timed(seconds, "study"):
            for seeds, profile in sorted(wanted, key=str):
                study.keep(study.table(seeds, profile, root=output / "runs"), output / "study")
    return seconds


@contextlib.contextmanager
def _interruption_explained(runs: Path) -> Iterator[None]:
    """Say in a KeyboardInterrupt which runs are kept."""
    try:
        yield
    except KeyboardInterrupt:
        begun = [manifest.parent for manifest in runs.rglob("manifest.json")]
        finished = sum(map(is_complete, begun))
        raise KeyboardInterrupt(
            f"interrupted; kept in {runs}: finished runs {finished}, unfinished runs {len(begun) - finished}; "
            "a build that reuses them continues from there"
        ) from None


def timing_table(seconds: Mapping[str, float]) -> str:
    """Return the seconds of each part of a build, a line for each, and the total without the study's many trainings.

    Chapters run side by side, so that they add up to more than the total.
    """
    lines = dict(seconds)
    if "study" in lines and "total" in lines:
        lines["without study"] = lines["total"] - lines["study"]
    return "\n".join(f"{name:<16}{value:8.1f} s" for name, value in lines.items())


def _choose(known: Sequence[Chapter], names: Iterable[str]) -> list[Chapter]:
    """Return the chapters of these names or numbers, without any all of them."""
    chosen: list[Chapter] = []
    for name in names:
        matches = [chapter for chapter in known if name in (chapter.name, chapter.number)]
        if not matches:
            allowed = ", ".join(chapter.name for chapter in known)
            raise SettingError(f"chapter = {name!r}; allowed: {allowed}, or their numbers")
        chosen += [chapter for chapter in matches if chapter not in chosen]
    return chosen or list(known)


def _claim(output: Path) -> None:
    """Make and mark the output folder. Raises BuildError for a folder with other files in it."""
    marker = output / _MARKER
    if output.is_dir() and any(output.iterdir()) and not marker.exists():
        raise BuildError(f"{output} is not empty and no earlier build made it: name another folder")
    storage.write(marker, b"Made by `vaelib book`, which may remove everything here.\n")


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Keep other builds out of the output folder. Raises BuildError, which names the process, where one is at work.

    The system frees the lock when its process ends, in whatever way; the file with the process is for the message.
    """
    owner = output / ".building"
    lock = filelock.FileLock(output / ".lock")
    with storage.writing(lock.lock_file):
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            other = owner.read_text(encoding="utf-8") if owner.exists() else "another process"
            raise BuildError(
                f"{other} is building in {output}: wait for its end, or name another folder with --output"
            ) from None
    try:
        storage.write(owner, f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},".encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _remove_runs(runs: Path, *, keep_study: bool) -> None:
    for old in runs.iterdir() if runs.is_dir() else ():
        if not (keep_study and old.name == _STUDY_RUNS):
            _remove(old)


def _remove(old: Path) -> None:
    shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()


def _stage(root: Path, source: Path, vendored: Path, *, keep_chapters: bool) -> None:
    """Copy everything except the chapters, which papermill writes, and move the vendored parts to their place."""
    if source.is_dir():
        for old in source.iterdir():
            if old.name != "notebooks" or not keep_chapters:
                _remove(old)
    (source / "notebooks").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / "_toc.yml", source / "_toc.yml")
    config = yaml.safe_dump(repository.config(root), allow_unicode=True, sort_keys=False)
    (source / "_config.yml").write_text(config, encoding="utf-8")
    unwanted = shutil.ignore_patterns("node_modules", "package*.json", ".*")
    shutil.copytree(root / "book", source / "book", ignore=unwanted)
    (source / "book" / "images").mkdir(exist_ok=True)
    with mpl.rc_context({"svg.fonttype": "none"}):  # text is stored as text
        rooms.picture().savefig(source / "book" / "images" / "rooms.svg", metadata={"Date": None})
    (source / "assets").mkdir()
    os.replace(vendored, source / "assets" / "vendor")


def _pages(source: Path, output: Path) -> Path:
    """Make the pages; any warning is an error. The last build's pages stay until the new ones are complete."""
    media = source / "notebooks" / "media"
    log = output / "logs" / "jupyter-book.log"
    with storage.writing(output):
        if media.is_dir():
            # Sphinx copies only the files that it knows of, and not those that a chapter's own HTML names.
            shutil.copytree(media, source / "assets" / "notebooks" / "media", dirs_exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()  # raises StoreError where it cannot be written
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts")) or "jupyter-book"
    command = [program, "build", str(source), "--path-output", str(output / "sphinx")]
    with open(log, "wb") as stream:
        result = subprocess.run(
            [*command, "--all", "-W", "-n", "--keep-going"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    if result.returncode:
        lines = re.sub(r"\x1b\[[\d;]*m", "", log.read_text(encoding="utf-8", errors="replace")).splitlines()
        reasons = [line for line in lines if re.search(r": (WARNING|ERROR|CRITICAL): ", line)] or lines[-15:]
        raise BuildError("Jupyter Book failed:\n" + "\n".join([*reasons[:30], f"Its log: {log}"]))
    html = output / "html"
    with storage.writing(html):
        shutil.rmtree(html, ignore_errors=True)
        os.replace(output / "sphinx" / "_build" / "html", html)
    return html
