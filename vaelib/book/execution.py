"""The execution of chapters by papermill.

Each chapter runs in a process of its own, several at once; one that fails stops the others.
"""

import contextlib
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

import nbformat
from tqdm import tqdm

from vaelib import storage
from vaelib.book.chapters import Chapter
from vaelib.errors import BuildError, DamagedError
from vaelib.storage import results
from vaelib.system import processes, provenance

# The chapters that train most begin first, so that none of them runs alone at the end.
_LONGEST_FIRST = ("05", "04", "00", "03", "02", "01", "06", "11")
_STARTS = 3  # of a kernel that dies before its first cell
_NEVER_STARTED = b"Kernel died before replying to kernel_info"
_GRACE = 10.0  # seconds between asking a chapter to stop and killing it
# Papermill that ends with the build that started it, even one that is killed, since the next build writes the same
# notebook. A kernel ends by itself with its papermill.
_PAPERMILL = """
import os, threading

def end_with_parent():
    os.read(0, 1)  # nothing is ever sent: it returns when the build closes its end
    os._exit(1)

threading.Thread(target=end_with_parent, daemon=True).start()
from papermill.__main__ import papermill
papermill()
"""


def kernel_environment(private: str) -> dict[str, str]:
    """Return an environment in which no setting of the user's replaces a notebook's kernel or changes what it shows.

    Args:
        private: A folder for this execution, to which IPython and Jupyter write.
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
    """Executes chapters.

    Args:
        output: The folder of logs, runs and stamps.
        notebooks: The folder of the executed notebooks.
        jobs: How many chapters run at once.
    """

    def __init__(self, output: Path, notebooks: Path, *, jobs: int) -> None:
        self.output = output
        self.notebooks = notebooks
        self.jobs = jobs
        self._stopping = False
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def stamp_of(self, chapter: Chapter) -> str | None:
        """Return the stamp of the chapter's last complete execution.

        None without one, and where the executed notebook or a film that it shows has changed since.
        """
        with contextlib.suppress(DamagedError):
            record = storage.read_json(self._stamp_file(chapter))
            for name, checksum in record["files"].items():
                storage.read(self.notebooks / name, checksum)
            return str(record["stamp"])
        return None

    def execute(self, chapters: Sequence[Chapter]) -> dict[str, float]:
        """Execute chapters and return the seconds that each took.

        Raises:
            BuildError: For the first that fails; then, and at Ctrl-C, the others are stopped.
        """
        for chapter in chapters:
            self._stamp_file(chapter).unlink(missing_ok=True)
        seconds: dict[str, float] = {}
        with (
            processes.interrupts_noted() as interrupts,
            ThreadPoolExecutor(self.jobs) as pool,
            tqdm(total=len(chapters), unit="chapter", disable=None) as bar,
        ):
            pending = {pool.submit(self._execute_one, chapter): chapter for chapter in sorted(chapters, key=_rank)}
            try:
                while pending:
                    for future in wait(pending, processes.GLANCE, FIRST_COMPLETED).done:
                        name = pending.pop(future).name
                        seconds[name] = future.result()
                        bar.update()
                        tqdm.write(f"{name}: executed in {seconds[name]:.0f} s", file=sys.stdout)
                    if interrupts:
                        raise KeyboardInterrupt
            except BaseException:
                self._stop(pending, interrupts)
                raise
        return seconds

    def _execute_one(self, chapter: Chapter) -> float:
        begun = time.perf_counter()
        stamp = chapter.stamp()  # of the sources at the start, whatever is edited meanwhile
        executed, log = self.notebooks / chapter.path.name, self.output / "logs" / f"{chapter.name}.log"
        with storage.writing(log.parent):
            log.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_STARTS):
            status = self._papermill(chapter, executed, log)
            # Kernels that start at the same moment can pick the same free port; one of them then dies.
            if not status or _NEVER_STARTED not in log.read_bytes():
                break
        # Only the exit status is reliable: a notebook's metadata may say "completed" after a time-out.
        if status:
            failure = _failure(chapter, executed, log)
            raise BuildError(f"{failure}\nFinished runs are kept: `vaelib book --reuse` continues from here.")
        storage.write_json(self._stamp_file(chapter), {"stamp": stamp, "files": self._checksums(executed)})
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
                    raise BuildError(f"{chapter.name} was not started")
                process = subprocess.Popen(
                    command,
                    env=self._environment(private, results.find(chapter.path.parent)),
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C reaches this process alone, which then stops the chapters in order.
                    start_new_session=True,
                )
                self._running.add(process)
            with process:  # closes its stdin at the end
                status = process.wait()
            with self._guard:
                self._running.discard(process)
        return status

    def _environment(self, private: str, kept: Path | None) -> dict[str, str]:
        """Return a chapter's environment: it makes a page, from runs in the output folder and the results in `kept`."""
        environment = kernel_environment(private)
        # Chapters side by side share the cores: more threads than cores cost a third of the speed.
        environment.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, provenance.processors() // self.jobs)))
        return environment | {
            "VAELIB_RUNS": str(self.output / "runs"),
            "VAELIB_RESULTS": str(kept or ""),  # not found from the folder in which the chapter is executed
            "VAELIB_STATIC": "1",
        }

    def _stop(self, pending: Mapping[Future[float], Chapter], interrupts: Sequence[int]) -> None:
        """Stop the running chapters and cancel the waiting ones. Papermill, asked to stop, shuts its kernel down.

        Args:
            pending: The futures of all these chapters.
            interrupts: Those so far; another one ends the wait for papermill.
        """
        for future in pending:
            future.cancel()
        with self._guard:
            self._stopping = True
            running = list(self._running)
        for process in running:
            process.terminate()
        deadline, earlier = time.monotonic() + _GRACE, len(interrupts)
        while any(process.poll() is None for process in running):
            if time.monotonic() > deadline or len(interrupts) > earlier:
                break
            time.sleep(processes.GLANCE)
        for process in running:
            if process.poll() is None:
                process.kill()  # its kernel notices that its parent died

    def _checksums(self, executed: Path) -> dict[str, str]:
        """Return the SHA-256 of an executed notebook and of the files that it shows, by their path in `notebooks`."""
        text = executed.read_text(encoding="utf-8")
        media = (file for file in self.notebooks.rglob("*") if file.is_file() and file.suffix != ".ipynb")
        names = {file: file.relative_to(self.notebooks).as_posix() for file in media}
        files = [executed, *(file for file, name in names.items() if name in text)]
        return {names.get(file, file.name): storage.digest(file.read_bytes()) for file in files}

    def _stamp_file(self, chapter: Chapter) -> Path:
        return self.output / "executed" / f"{chapter.name}.json"


def _rank(chapter: Chapter) -> int:
    known = chapter.number in _LONGEST_FIRST
    return _LONGEST_FIRST.index(chapter.number) if known else len(_LONGEST_FIRST)


def _failure(chapter: Chapter, executed: Path, log: Path) -> str:
    """Return what is known of a failed chapter: the cell's number and first lines, the error, the files."""
    where = f"Its log: {log}"
    if executed.exists():
        where = f"The notebook as far as it was executed: {executed}\n{where}"
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
