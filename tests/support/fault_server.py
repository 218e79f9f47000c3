"""Trainings that can be killed by the dozen: `vaelib` commands in forks of one process that has loaded TensorFlow.

Loading takes most of a short training's time. A fork of it is as good as a new process as long as nothing was
computed before, for only then does TensorFlow begin its threads.

Reads requests, a line of JSON each: {"id", "words", "folder", "faults"}; answers {"id", "pid"}, and {"id", "status"} at
the end. What the command says goes to the files `out` and `err` in `folder`. A fault is {"place", "call", "action",
"gate"}: at the `call`-th passage of `place` ("file": an operation on a file; "step"; "validation": one of its batches)
it does the action: a signal's number, or "wait" until the file `gate` exists. Every passage is noted in `folder`.
"""

import itertools
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaelib import cli
from vaelib.training import callbacks


class Passages:
    """Counts the passages of a place and does what is asked for at one of them."""

    def __init__(self, folder: Path, faults: list[dict[str, Any]]) -> None:
        self.folder = folder
        self.faults = {(fault["place"], fault["call"]): fault for fault in faults}
        self.counts: dict[str, itertools.count[int]] = {}

    def passing(self, place: str, what: str = "") -> None:
        """Note a passage, and let the fault that is planned for it happen."""
        count = next(self.counts.setdefault(place, itertools.count(1)))
        (self.folder / place).write_text(str(count))
        fault = self.faults.get((place, count))
        if fault is None:
            return
        with open(self.folder / "happened", "a") as file:
            print(place, what, file=file)
        if fault["action"] == "wait":
            while not Path(fault["gate"]).exists():
                time.sleep(0.02)
        else:
            os.kill(os.getpid(), fault["action"])

    def around(self, module: Any, name: str) -> None:
        """Make a function's beginning and its end passages of "file"."""
        original = getattr(module, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            self.passing("file", f"before {name}")
            result = original(*arguments, **options)
            self.passing("file", f"after {name}")
            return result

        setattr(module, name, watched)

    def before(self, owner: Any, name: str, place: str) -> None:
        """Make a method's beginning a passage."""
        original = getattr(owner, name, None)

        def watched(this: Any, *arguments: Any, **options: Any) -> Any:
            self.passing(place)
            return original(this, *arguments, **options) if original else None

        setattr(owner, name, watched)

    def halve(self) -> None:
        """Make the middle of writing a file a passage."""
        original: Callable[..., Any] = os.fdopen

        class Halved:
            def __init__(this, *arguments: Any) -> None:
                this.file = original(*arguments)

            def __enter__(this) -> "Halved":
                return this

            def __exit__(this, *error: object) -> None:
                this.file.close()

            def write(this, content: bytes) -> None:
                this.file.write(content[: len(content) // 2])
                this.file.flush()
                self.passing("file", "half-written")
                this.file.write(content[len(content) // 2 :])

            def __getattr__(this, name: str) -> Any:
                return getattr(this.file, name)

        os.fdopen = Halved  # type: ignore[assignment]


def execute(request: dict[str, Any]) -> None:
    """Run the command in this process, which ends with it."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(request["folder"])
    for handle, name in enumerate(("/dev/null", folder / "out", folder / "err")):
        opened = os.open(name, os.O_RDWR)
        os.dup2(opened, handle)
        os.close(opened)
    passages = Passages(folder, request["faults"])
    for module, name in ((tempfile, "mkstemp"), (os, "fsync"), (os, "replace"), (os, "unlink")):
        passages.around(module, name)
    passages.halve()
    passages.before(callbacks.EpochSaver, "on_train_batch_end", "step")
    passages.before(callbacks.EpochSaver, "on_test_batch_end", "validation")
    sys.argv = ["vaelib", *request["words"]]
    cli.main()


def main() -> None:
    """Serve until stdin ends."""
    children: dict[int, int] = {}
    requests = sys.stdin.buffer.raw  # a buffer would hide a second request from select
    print(json.dumps({"id": 0, "ready": True}), flush=True)
    while True:
        if select.select([requests], [], [], 0.02)[0]:
            line = requests.readline()
            if not line:
                for pid in children:
                    os.kill(pid, signal.SIGKILL)
                return
            request = json.loads(line)
            pid = os.fork()
            if pid == 0:
                return execute(request)
            children[pid] = request["id"]
            print(json.dumps({"id": request["id"], "pid": pid}), flush=True)
        for pid in list(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                told = {"id": children.pop(pid), "status": os.waitstatus_to_exitcode(status)}
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
