"""The build: papermill executes the chapters into a staging tree, and Jupyter Book makes pages of it.

    notebooks/, book/  →  <output>/source (executed chapters, pages, vendored parts)  →  <output>/html
    vaelib/sweep.yml   →  <output>/study (the table that the last chapters read)

Everything made lies in the output folder; the tree itself stays as it was.
"""

import contextlib
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
from vaelib.book.chapters import Chapter, Executor, check
from vaelib.errors import BuildError, SettingError
from vaelib.storage import results
from vaelib.storage.checkpoint import is_complete
from vaelib.system import provenance

__all__ = ["BuildError", "build", "find_root", "timing_table"]

STUDY = "sweep_seeds"
"""The parameter of a chapter that reads the study's table: how many seeds of each setting are trained for it."""

_STUDY_RUNS = "sweep"  # among the runs, the folder in which `study.table` trains
_MARKER = ".vaelib-book"  # tells that a folder was made here, so that things in it may be removed


def find_root(start: Path | None = None) -> Path:
    """Return the folder of the book, at or above `start` (default: here). Raises BuildError without one."""
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
    """Build the book of the tree `root` and return the folder of its pages, `<output>/html`.

    `parameters` go to every chapter that declares them. With `chapters` ("03" or "03_training") only these are executed
    and the others are taken from the last build; where that has none, placeholders stand for them and for the front
    page. `reuse` keeps finished runs, and the chapters whose notebook, parameters and library are unchanged; without it
    all runs are removed first, whichever chapter trained them, save those of the study where only chapters are executed
    that have no `sweep_seeds`. `jobs` chapters run at once, by default one a core.

    Raises SettingError for an unknown profile, parameter or chapter and for a value that is not allowed,
    before anything is executed or removed; BuildError when a chapter cites one that is not executed, when another build
    works in `output`, which it names, and when a chapter or the pages fail; StoreError when `output` cannot be written.
    Ctrl-C arrives as KeyboardInterrupt, whose message says what is kept.
    """
    root = root.resolve()
    output = (output or root / "_build").resolve()
    source = output / "source"
    known = check(root / "notebooks", profile, parameters or {}, only=chapters)
    repository.address(root)  # which the pages link to; a wrong one is refused before anything is executed
    chosen = _choose(known, chapters)
    if any(STUDY in chapter.values for chapter in chosen):
        results.folder(root)  # which they read, or it is told here that it is missing
    executor = Executor(output, source / "notebooks", jobs=max(1, jobs or provenance.processors()))
    missing = [chapter for chapter in known if chapter not in chosen and not executor.stamp_of(chapter)]
    shown = [chapter for chapter in known if chapter not in missing]
    placeholders.check(shown, missing)
    with storage.writing(output):
        _claim(output)

    with _alone(output), _interruption_told(output / "runs"):
        begun = time.perf_counter()
        seconds: dict[str, float] = {}
        kept = [chapter for chapter in chosen if reuse and executor.stamp_of(chapter) == chapter.stamp()]
        for chapter in kept:
            print(f"{chapter.name}: kept, as its sources and parameters are unchanged", flush=True)
        with storage.writing(output):
            # What needs a network comes first, and no run is removed before all is staged.
            vendored = output / "vendor"
            vendor.collect(root / "book", output / "npm", vendored)
            _stage(root, source, vendored, keep_chapters=reuse or len(chosen) < len(known))
            if missing:
                placeholders.write(source, shown, missing)
            if not reuse:
                reads_study = any(STUDY in chapter.values for chapter in chosen)
                _remove_runs(output / "runs", keep_study=len(chosen) < len(known) and not reads_study)
        seconds["staging"] = time.perf_counter() - begun
        seconds |= _train_study([chapter for chapter in chosen if chapter not in kept], output)
        seconds |= executor.execute([chapter for chapter in chosen if chapter not in kept])
        before_pages = time.perf_counter()
        html = _pages(source, output)
        seconds["jupyter-book"] = time.perf_counter() - before_pages
        seconds["total"] = time.perf_counter() - begun
        storage.write(output / "timings.json", (json.dumps(seconds, indent=1) + "\n").encode())
        print(timing_table(seconds), flush=True)
        return html


def _train_study(chapters: Sequence[Chapter], output: Path) -> dict[str, float]:
    """Train what the chapters that share the study's table ask for, before them: they would wait for each other."""
    asked = {(chapter.values[STUDY], chapter.values["profile"]) for chapter in chapters if STUDY in chapter.values}
    begun = time.perf_counter()
    for seeds, profile in sorted(asked, key=str):
        found = study.table(seeds, profile, root=output / "runs")
        study.keep(found, output / "study")
    return {"study": time.perf_counter() - begun} if asked else {}


@contextlib.contextmanager
def _interruption_told(runs: Path) -> Iterator[None]:
    """Say in a KeyboardInterrupt which runs are kept."""
    try:
        yield
    except KeyboardInterrupt:
        begun = [manifest.parent for manifest in runs.rglob("manifest.json")]
        finished = sum(map(is_complete, begun))
        raise KeyboardInterrupt(
            f"interrupted; kept in {runs}: finished runs {finished}, unfinished runs {len(begun) - finished}; "
            "with reuse it goes on from there"
        ) from None


def timing_table(seconds: Mapping[str, float]) -> str:
    """Return where the time went, a line for each part, and what it would be without the study's many trainings.

    Chapters run side by side, so that they add up to more than the total.
    """
    lines = dict(seconds)
    if "study" in lines and "total" in lines:
        lines["without study"] = lines["total"] - lines["study"]
    return "\n".join(f"{name:<16}{value:8.1f} s" for name, value in lines.items())


def _choose(known: Sequence[Chapter], names: Iterable[str]) -> list[Chapter]:
    chosen: list[Chapter] = []
    for name in names:
        found = [chapter for chapter in known if name in (chapter.name, chapter.number)]
        if not found:
            allowed = ", ".join(chapter.name for chapter in known)
            raise SettingError(f"chapter = {name!r}; allowed: {allowed}, or their numbers")
        chosen += [chapter for chapter in found if chapter not in chosen]
    return chosen or list(known)


def _claim(output: Path) -> None:
    """Make and mark the output folder. Raises BuildError for a folder with other things in it."""
    marker = output / _MARKER
    if output.is_dir() and any(output.iterdir()) and not marker.exists():
        raise BuildError(f"{output} is not empty and no earlier build made it: name another folder")
    storage.write(marker, b"Made by `vaelib book`, which may remove everything here.\n")


@contextlib.contextmanager
def _alone(output: Path) -> Iterator[None]:
    """Keep other builds out of the output folder. Raises BuildError, which names the process, where one is at work.

    The system frees the lock when its process ends, however that comes; the file with the process is for the message.
    """
    told = output / ".building"
    guard = filelock.FileLock(output / ".lock")
    with storage.writing(guard.lock_file):
        try:
            guard.acquire(blocking=False)
        except filelock.Timeout:
            other = told.read_text(encoding="utf-8") if told.exists() else "another process"
            raise BuildError(
                f"{other} is building in {output}: wait for its end, or name another folder with --output"
            ) from None
    try:
        storage.write(told, f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')},".encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            told.unlink(missing_ok=True)
        guard.release()


def _remove_runs(runs: Path, *, keep_study: bool) -> None:
    for old in runs.iterdir() if runs.is_dir() else ():
        if not (keep_study and old.name == _STUDY_RUNS):
            _remove(old)


def _remove(old: Path) -> None:
    shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()


def _stage(root: Path, source: Path, vendored: Path, *, keep_chapters: bool) -> None:
    """Copy everything but the chapters, which papermill brings, and move the vendored parts to their place."""
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
    with mpl.rc_context({"svg.fonttype": "none"}):  # text stays text
        rooms.picture().savefig(source / "book" / "images" / "rooms.svg", metadata={"Date": None})
    (source / "assets").mkdir()
    os.replace(vendored, source / "assets" / "vendor")


def _pages(source: Path, output: Path) -> Path:
    """Make the pages; any warning is an error. The last build's pages stay until the new ones are whole."""
    media = source / "notebooks" / "media"
    log = output / "logs" / "jupyter-book.log"
    with storage.writing(output):
        if media.is_dir():
            # Sphinx copies only the files it knows of; this keeps those that a chapter's own HTML names.
            shutil.copytree(media, source / "assets" / "notebooks" / "media", dirs_exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()  # or it is told here that it cannot be
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
        told = [line for line in lines if re.search(r": (WARNING|ERROR|CRITICAL): ", line)] or lines[-15:]
        raise BuildError("Jupyter Book failed:\n" + "\n".join([*told[:30], f"Its log: {log}"]))
    html = output / "html"
    with storage.writing(html):
        shutil.rmtree(html, ignore_errors=True)
        os.replace(output / "sphinx" / "_build" / "html", html)
    return html
