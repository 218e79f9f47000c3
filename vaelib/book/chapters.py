"""The chapters of the book: their parameters, checked beforehand, and their execution by papermill.

Each chapter runs in a process of its own, several at once; one that fails stops the others.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import nbformat
from tqdm import tqdm

from vaelib import notebook, storage
from vaelib.errors import BuildError, DamagedError, SettingError
from vaelib.experiment import PROFILES, Experiment
from vaelib.storage import results
from vaelib.storage.schema_text import nearest
from vaelib.system import processes, provenance

# Those that train most begin first, so that none of them is left alone at the end.
_LONGEST_FIRST = ("05", "04", "00", "03", "02", "01", "06", "11")
_STARTS = 3  # how often a kernel that dies before its first cell is started
_NEVER_STARTED = b"Kernel died before replying to kernel_info"
_GRACE = 10.0  # seconds between asking a chapter to stop and making it
# Papermill, which ends with the build that began it, also at a SIGKILL: the next build writes the same notebook. A
# kernel ends with its papermill by itself.
_PAPERMILL = """
import os, threading

def end_with_parent():
    os.read(0, 1)  # nothing is ever sent: it returns when the other end is closed
    os._exit(1)

threading.Thread(target=end_with_parent, daemon=True).start()
from papermill.__main__ import papermill
papermill()
"""


@dataclasses.dataclass(frozen=True)
class Chapter:
    """A notebook, what to inject into it, and the values that all its parameters then have."""

    path: Path
    injected: Mapping[str, Any]
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The notebook's name without its ending, such as "03_training"."""
        return self.path.stem

    @property
    def number(self) -> str:
        """What stands before the name's first underscore, such as "03"."""
        return self.name.split("_")[0]

    def stamp(self) -> str:
        """Return the digest of what determines the execution: notebook, parameters, library and kept results."""
        results_folder = results.find(self.path.parent)
        kept = sorted(file for file in results_folder.rglob("*") if file.is_file()) if results_folder else []
        library = [(str(file.relative_to(provenance.LIBRARY)), file) for file in provenance.sources()]
        digests = [(name, storage.digest(file.read_bytes())) for name, file in library]
        digests += [("", storage.digest(file.read_bytes())) for file in (self.path, *kept)]
        return storage.digest(json.dumps([digests, self.injected], sort_keys=True, default=str).encode())


def check(folder: Path, profile: str, parameters: Mapping[str, Any], *, only: Sequence[str] = ()) -> list[Chapter]:
    """Return the chapters in `folder`, each with those of the parameters that it declares.

    The types are checked, the settings of the experiment that they make, and what a chapter asks of them besides: its
    cells tagged `checks` are executed here, as they will be in the chapter, so that a mistake ends the build before it
    begins. `only`: the names or numbers of the chapters whose cells count, by default all.

    Raises SettingError for an unknown profile or parameter and for a value that is not allowed; BuildError
    when there are no chapters, one has no cell tagged `parameters`, or a check fails by itself.
    """
    if profile not in PROFILES:
        raise SettingError(f"profile = {profile!r}; allowed: {', '.join(PROFILES)}")
    defaults = {path: _defaults(path) for path in sorted(folder.glob("*.ipynb"))}
    if not defaults:
        raise BuildError(f"no chapters in {folder}")
    declared = sorted({name for namespace in defaults.values() for name in namespace["__annotations__"]})
    for name in parameters:
        if name not in declared:
            hint = nearest(name, declared)
            raise SettingError(f"no chapter has a parameter {name!r}.{hint} They have: {', '.join(declared)}")
    values = {"profile": profile, **parameters}
    found = [_chapter(path, namespace, values) for path, namespace in defaults.items()]
    for chapter in found:
        if not only or {chapter.name, chapter.number} & set(only):
            _run_checks(chapter, defaults[chapter.path])
    return found


def prepare(path: Path, parameters: Mapping[str, Any]) -> Chapter:
    """Return one chapter, or another notebook with a parameters cell, with parameters for it.

    Raises SettingError for a parameter that it does not have and for a value that is not allowed, BuildError when it
    has no cell tagged `parameters` or cannot be read.
    """
    namespace = _defaults(path)
    declared = namespace["__annotations__"]
    for name in parameters:
        if name not in declared:
            hint = nearest(name, declared)
            raise SettingError(f"{path.name} has no parameter {name!r}.{hint} It has: {', '.join(declared)}")
    chapter = _chapter(path, namespace, parameters)
    _run_checks(chapter, namespace)
    return chapter


def _chapter(path: Path, namespace: Mapping[str, Any], parameters: Mapping[str, Any]) -> Chapter:
    given = {name: None if value == "None" else value for name, value in parameters.items()}
    own = {name: value for name, value in given.items() if name in namespace["__annotations__"]}
    checked = notebook.parameters({**namespace, **own})
    Experiment.from_profile(**notebook.settings(checked))
    changed = {name: checked[name] for name in own if checked[name] != namespace[name]}
    return Chapter(path, changed, checked)


def _run_checks(chapter: Chapter, namespace: Mapping[str, Any]) -> None:
    """Execute a chapter's cells tagged `checks`, which train and draw nothing, with the values that it will have."""
    shared = {**namespace, **chapter.values}
    try:
        for source in _tagged(chapter.path, "checks"):
            exec(source, shared)
    except SettingError:
        raise
    except Exception as error:
        raise BuildError(f"{chapter.name}: its checks failed: {type(error).__name__}: {error}") from error


def _tagged(path: Path, tag: str) -> list[str]:
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} is no notebook: {error}") from None
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":  # whatever its kernel is called, it is executed by this environment's
        raise BuildError(f"{path} is written in {language}; allowed: notebooks in Python")
    return [cell.source for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def _defaults(path: Path) -> dict[str, Any]:
    """Return the namespace that a chapter's parameters cell makes."""
    sources = _tagged(path, "parameters")
    if len(sources) != 1:
        raise BuildError(f"{path.name} has {len(sources)} cells tagged `parameters`; it needs one")
    namespace: dict[str, Any] = {"__annotations__": {}}
    try:
        exec(sources[0], namespace)
    except Exception as error:
        raise BuildError(f"{path.name}: its parameters cell failed: {type(error).__name__}: {error}") from error
    return namespace


def kernel_environment(private: str) -> dict[str, str]:
    """Return an environment in which nothing of the user's can swap a notebook's kernel or change what it shows.

    private: a folder for this one execution, which takes what IPython and Jupyter write.
    """
    users = ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH", "MPLBACKEND", "PYTHONSTARTUP", "VAELIB_STATIC")
    environment = {name: value for name, value in os.environ.items() if name not in users}
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return environment | {
        "IPYTHONDIR": f"{private}/ipython",
        "JUPYTER_CONFIG_DIR": f"{private}/config",
        "JUPYTER_DATA_DIR": f"{private}/data",
        "JUPYTER_RUNTIME_DIR": f"{private}/runtime",
        "JUPYTER_PREFER_ENV_PATH": "1",
        "MATPLOTLIBRC": os.devnull,
    }


class Executor:
    """Executes chapters into the folder `notebooks`; logs, runs and stamps lie in `output`."""

    def __init__(self, output: Path, notebooks: Path, *, jobs: int) -> None:
        self.output = output
        self.notebooks = notebooks
        self.jobs = jobs
        self._stopping = False
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def stamp_of(self, chapter: Chapter) -> str | None:
        """Return the stamp of the chapter's last complete execution, None when there is none to use.

        What was executed, or a film that it shows, can have been damaged since: then there is none either.
        """
        with contextlib.suppress(DamagedError):
            told = storage.read_json(self._stamp_file(chapter))
            for name, checksum in told["files"].items():
                storage.read(self.notebooks / name, checksum)
            return str(told["stamp"])
        return None

    def execute(self, chapters: Sequence[Chapter]) -> dict[str, float]:
        """Return the seconds that each chapter took.

        Raises BuildError for the first that fails; then, and at Ctrl-C, the others are stopped.
        """
        for chapter in chapters:
            self._stamp_file(chapter).unlink(missing_ok=True)
        seconds: dict[str, float] = {}
        with (
            processes.interrupts_noted() as came,
            ThreadPoolExecutor(self.jobs) as pool,
            tqdm(total=len(chapters), unit="chapter", disable=None) as bar,
        ):
            left = {pool.submit(self._execute_one, chapter): chapter for chapter in sorted(chapters, key=_rank)}
            try:
                while left:
                    for future in wait(left, processes.GLANCE, FIRST_COMPLETED).done:
                        name = left.pop(future).name
                        seconds[name] = future.result()
                        bar.update()
                        tqdm.write(f"{name}: executed in {seconds[name]:.0f} s", file=sys.stdout)
                    if came:
                        raise KeyboardInterrupt
            except BaseException:
                self._stop(left, came)
                raise
        return seconds

    def _execute_one(self, chapter: Chapter) -> float:
        begun = time.perf_counter()
        stamp = chapter.stamp()  # of the sources as they are now, whatever is edited meanwhile
        executed, log = self._executed(chapter), self.output / "logs" / f"{chapter.name}.log"
        with storage.writing(log.parent):
            log.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_STARTS):
            status = self._papermill(chapter, executed, log)
            # Kernels that start at the same moment can pick the same free port; one of them then dies.
            if not status or _NEVER_STARTED not in log.read_bytes():
                break
        # Only the exit status tells: a notebook's metadata may say "completed" after a time-out.
        if status:
            told = _failure(chapter, executed, log)
            raise BuildError(f"{told}\nFinished runs are kept: `vaelib book --reuse` goes on from here.")
        storage.write_json(self._stamp_file(chapter), {"stamp": stamp, "files": self._made(executed)})
        return time.perf_counter() - begun

    def _papermill(self, chapter: Chapter, executed: Path, log: Path) -> int:
        """Execute the chapter once, in a process of its own, and return its exit status."""
        executed.unlink(missing_ok=True)
        command = [sys.executable, "-c", _PAPERMILL, str(chapter.path), str(executed)]
        command += ["--cwd", str(self.notebooks), "--kernel", "python3", "--language", "python"]
        command += ["--parameters_yaml", json.dumps(chapter.injected)]
        with contextlib.ExitStack() as stack:
            with storage.writing(log):
                private = stack.enter_context(tempfile.TemporaryDirectory(prefix="vaelib-book-"))
                stream = stack.enter_context(open(log, "wb"))
            with self._guard:
                if self._stopping:
                    raise BuildError(f"{chapter.name} was not begun")
                process = subprocess.Popen(
                    command,
                    env=self._environment(private, results.find(chapter.path.parent)),
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is to reach this process alone, which then stops the chapters in order.
                    start_new_session=True,
                )
                self._running.add(process)
            with process:  # which closes its stdin in the end
                status = process.wait()
            with self._guard:
                self._running.discard(process)
        return status

    def _environment(self, private: str, kept: Path | None) -> dict[str, str]:
        """Return what a chapter runs in: a page is made, of runs that lie in the output folder."""
        environment = kernel_environment(private)
        # Chapters side by side share the cores: more threads than cores cost a third of the speed.
        environment.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, provenance.processors() // self.jobs)))
        return environment | {
            "VAELIB_RUNS": str(self.output / "runs"),
            "VAELIB_RESULTS": str(kept or ""),  # the chapter is executed elsewhere
            "VAELIB_STATIC": "1",
        }

    def _stop(self, left: Mapping[Future[float], Chapter], came: Sequence[int]) -> None:
        """Stop what runs and what waits. Papermill shuts its kernel down when it is asked to stop.

        came: the interrupts so far; another one ends the wait for that.
        """
        for future in left:
            future.cancel()
        with self._guard:
            self._stopping = True
            running = list(self._running)
        for process in running:
            process.terminate()
        deadline, so_far = time.monotonic() + _GRACE, len(came)
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or len(came) > so_far:
                break
            time.sleep(processes.GLANCE)
        for process in running:
            if process.poll() is None:
                process.kill()  # its kernel notices that its parent died

    def _made(self, executed: Path) -> dict[str, str]:
        """Return the SHA-256 of an executed notebook and of the files that it shows, by their place in `notebooks`."""
        text = executed.read_text(encoding="utf-8")
        shown = (file for file in self.notebooks.rglob("*") if file.is_file() and file.suffix != ".ipynb")
        names = {file: file.relative_to(self.notebooks).as_posix() for file in shown}
        files = [executed, *(file for file, name in names.items() if name in text)]
        return {names.get(file, file.name): storage.digest(file.read_bytes()) for file in files}

    def _executed(self, chapter: Chapter) -> Path:
        return self.notebooks / chapter.path.name

    def _stamp_file(self, chapter: Chapter) -> Path:
        return self.output / "executed" / f"{chapter.name}.json"


def _rank(chapter: Chapter) -> int:
    known = chapter.number in _LONGEST_FIRST
    return _LONGEST_FIRST.index(chapter.number) if known else len(_LONGEST_FIRST)


def _failure(chapter: Chapter, executed: Path, log: Path) -> str:
    """Return what is known of a failed chapter: its cell and the cell's first lines, the error, the files."""
    where = f"Its log: {log}"
    if executed.exists():
        where = f"The notebook as far as it came: {executed}\n{where}"
        added = {"injected-parameters", "papermill-error-cell-tag"}
        cells = nbformat.read(executed, as_version=4).cells
        own = [cell for cell in cells if not added & set(cell.metadata.get("tags", []))]
        for number, cell in enumerate(own, start=1):
            for error in (output for output in cell.get("outputs", []) if output.output_type == "error"):
                lines = "\n".join(f"    {line}" for line in cell.source.splitlines()[:5])
                message = f"{error.ename}: {error.evalue}"
                return f"{chapter.name} failed in cell {number}:\n{lines}\n{message}\n{where}"
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    return f"{chapter.name} failed outside its cells:\n{tail}\n{where}"
