"""Nothing is lost: kills, Ctrl-C, two processes at once, damage, full disks, losses that are not numbers."""

import collections
import errno
import itertools
import json
import os
import queue
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interrupting import interrupted
from tiny_run import TINY

from vaelib import Experiment, storage
from vaelib.errors import DamagedError, StoreError, TrainingError
from vaelib.run import Run
from vaelib.storage import checkpoint, files
from vaelib.training import callbacks, train, trainer

STEPS = 5  # an epoch
KILLS = 20
PAST = ", past the best epoch"
PATIENCE = 300  # seconds until a process that says nothing counts as hung, on however slow a machine


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """TINY, trained without a fault."""
    return train(TINY, tmp_path_factory.mktemp("runs"), progress=False)


def same(a: Run, b: Run) -> None:
    """Check two finished runs' results bit for bit, and that neither folder holds anything else."""
    assert a.complete and b.complete and a.best_epoch == b.best_epoch
    assert a.history.keys() == b.history.keys()
    for name in a.history:
        np.testing.assert_array_equal(a.history[name], b.history[name])
    np.testing.assert_array_equal(a.embeddings, b.embeddings)
    for run in (a, b):
        assert {path.name for path in run.path.iterdir()} == {*a.manifest["files"], checkpoint.MANIFEST}
        weights = {name for name in run.manifest["files"] if name.startswith("weights-")}
        assert weights == {checkpoint.weights_file(epoch) for epoch in run.kept_epochs}
    for name in a.manifest["files"]:
        if name.startswith("weights-"):
            x, y = (storage.unpack(run.read(name)) for run in (a, b))
            assert list(x) == list(y) and all(x[weight].tobytes() == y[weight].tobytes() for weight in x)
        elif name != "provenance.json":  # which holds the times
            assert a.read(name) == b.read(name), name


def words(experiment: Experiment, root: Path) -> list[str]:
    """Return the words of `vaelib train` for an experiment."""
    given = {name: value for name, value in experiment.model_dump().items() if name not in ("shuffle", "devices")}
    given["snapshots"] = " ".join(map(str, experiment.snapshots))
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return ["train", *options, "--shuffle" if experiment.shuffle else "--no_shuffle", "--root", str(root)]


class Child:
    """A command that runs in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages: queue.Queue[dict[str, int]] = queue.Queue()
        self.pid = 0

    def wait(self) -> int:
        """Return the exit status, negative for a signal."""
        return self.messages.get(timeout=PATIENCE)["status"]

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    def passages(self, place: str) -> int:
        """Return how often the process passed "step" and so on."""
        noted = self.folder / place
        return int(noted.read_text() or 0) if noted.exists() else 0

    @property
    def happened(self) -> str:
        """What the process was doing when the fault came."""
        noted = self.folder / "happened"
        return noted.read_text().strip() if noted.exists() else ""


class Server:
    """The processes of `fault_server.py`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: dict[int, Child] = {}
        self.numbers = itertools.count(1)
        self.guard = threading.Lock()
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(Path(__file__).parents[1] / "support" / "fault_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message["id"]:
                self.children[message["id"]].messages.put(message)
            else:
                self.ready.set()

    def start(self, words: list[str], *faults: dict[str, Any]) -> Child:
        """Start a command that meets these faults; it has begun when this returns."""
        assert self.ready.wait(PATIENCE) and self.process.stdin is not None
        with self.guard:
            number = next(self.numbers)
            folder = self.folder / str(number)
            folder.mkdir()
            for name in ("out", "err"):
                (folder / name).touch()
            child = self.children[number] = Child(folder)
            request = {"id": number, "words": words, "folder": str(folder), "faults": faults}
            print(json.dumps(request), file=self.process.stdin, flush=True)
        child.pid = child.messages.get(timeout=PATIENCE)["pid"]
        return child


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    assert server.process.stdin is not None
    server.process.stdin.close()
    server.process.wait()


def until(condition: Callable[[], object], child: Child | None = None) -> None:
    """Wait for a condition, but not for ever."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        assert child is None or child.messages.empty(), f"the process ended before:\n{child.out}\n{child.err}"
        time.sleep(0.005)


# Kills


def a_kill(chance: random.Random, kind: str) -> dict[str, Any]:
    """Return where a process kills itself, or at the latest waits for the kill from outside."""
    if kind == "time":
        return {"place": "step", "call": 4 * STEPS, "action": "wait", "gate": "/never"}
    # An epoch passes some 60 file operations: a kill comes within the first two epochs of a process.
    last = {"file": 120, "step": 2 * STEPS, "validation": 2}
    return {"place": kind, "call": chance.randint(1, last[kind]), "action": int(signal.SIGKILL)}


def killed_until_it_ends(server: Server, experiment: Experiment, root: Path, kills: list[str], seed: int) -> list[str]:
    """Train, killed at random in these ways, then once more to the end; return what every kill hit."""
    chance = random.Random(seed)
    path = root / experiment.name
    hit, before = [], 0
    for kind in kills:
        child = server.start(words(experiment, root), a_kill(chance, kind))
        if kind == "time":
            until(lambda child=child: child.passages("step") > 0, child)
            time.sleep(chance.uniform(0, 0.3))
            os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, child.err
        past, epochs = "", 0
        if (path / checkpoint.MANIFEST).exists():
            left = Run(path)  # verifies every file
            epochs = left.epochs
            assert not left.complete and left.embeddings.shape[0] == epochs + 1
            assert checkpoint.weights_file(left.best_epoch) in left.manifest["files"]
            past = PAST if left.best_epoch < epochs else ""
        hit.append(f"{kind} {child.happened}{past}")
        assert epochs >= before, "an epoch was lost"
        before = epochs
    child = server.start(words(experiment, root))
    assert child.wait() == 0, child.err
    assert child.passages("step") == STEPS * (experiment.epochs - before), "it trained other epochs than those missing"
    return hit


def test_killed_twenty_times_it_ends_as_if_nothing_had_happened(server: Server, tmp_path: Path) -> None:
    seed = 20
    kinds = ["file"] * (KILLS - 9) + ["step"] * 3 + ["validation"] * 3 + ["time"] * 3
    random.Random(seed).shuffle(kinds)
    # Steps so wide that the validation loss is lowest in the fourth epoch or about it, and rises from there to the end.
    plain = TINY.replace(epochs=30, snapshots=(0, 1, 20), optimizer="sgd", schedule="constant", learning_rate=1.0)
    # Another run at the same time, with more state and with rounding: fewer kills, as it is the same code.
    rounded = TINY.replace(
        epochs=12, precision="bfloat16", variance="learned", sample_weights="per_image", initial_rotation="rotation"
    )
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(killed_until_it_ends, server, plain, tmp_path / "killed", kinds, seed)
        second = pool.submit(killed_until_it_ends, server, rounded, tmp_path / "killed", ["file", "step"] * 3, seed + 1)
        alone = [train(experiment, tmp_path / "alone", progress=False) for experiment in (plain, rounded)]
        hit = first.result()
        second.result()
    print(f"seed {seed}:", collections.Counter(hit))
    assert len(hit) == KILLS
    for expected in alone:
        same(Run(tmp_path / "killed" / expected.experiment.name), expected)
    best = alone[0].best_epoch
    assert best < plain.epochs and best not in plain.snapshots, "the best epoch is kept as another in any case"
    assert sum(PAST in kill for kill in hit) >= 3, "no kills to speak of after the best epoch"
    assert not list((tmp_path / "killed").rglob("*.part")) and not list((tmp_path / "killed").glob("*.damaged*"))


# Ctrl-C


def test_ctrl_c_says_what_is_kept_and_the_command_that_goes_on(server: Server, finished: Run, tmp_path: Path) -> None:
    path = tmp_path / TINY.name
    command = words(TINY, tmp_path)
    for place, call in (("file", 7), ("step", STEPS + 2), ("validation", 1)):
        child = server.start(command, {"place": place, "call": call, "action": int(signal.SIGINT)})
        assert child.wait() == 130
        message, again = child.err.splitlines()[-2:]
        count = checkpoint.finished_epochs(path)
        assert message == (
            f"vaelib: interrupted: {count} of 3 epochs are finished and kept in {path}; "
            "the same call goes on from there:"
        )
        assert again.startswith("  vaelib train ") and "Traceback" not in child.err
        assert not list(path.glob(".*.part"))
        command = shlex.split(again)[1:]
    assert count == 1
    assert server.start(command).wait() == 0
    same(Run(path), finished)


def living(group: int) -> list[str]:
    """Return the processes of a group that have not ended."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue  # it has just ended
        if int(its_group) == group and state != "Z":
            pids.append(stat.parent.name)
    return pids


def test_trainings_side_by_side_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    """Ctrl-C while they start and while they train, as from a terminal to all of them; then SIGKILL to the first."""
    program = """
import sys
from vaelib import Experiment, train_all
try:
    train_all([Experiment.from_json(text) for text in sys.argv[2:]], sys.argv[1], workers=2)
except KeyboardInterrupt as interruption:
    print(interruption)
    sys.exit(130)
"""
    endless = [TINY.replace(epochs=10_000, seed=seed) for seed in (1, 2)]
    paths = [tmp_path / experiment.name for experiment in endless]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), *(experiment.to_json() for experiment in endless)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell that starts the tests in the background has them ignore Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def both_started(process: subprocess.Popen[str]) -> bool:
        return len(living(process.pid)) >= 4  # itself, two workers, a helper of multiprocessing's

    def both_train(process: subprocess.Popen[str]) -> bool:
        return all(checkpoint.finished_epochs(path) for path in paths)

    def interrupt(ready: Callable[[subprocess.Popen[str]], bool]) -> None:
        process = start()
        until(lambda: ready(process))
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130 and "Traceback" not in err, err
        assert out.endswith(
            f"interrupted: 0 of 2 runs are finished and kept in {tmp_path}, and the finished epochs of the others; "
            "the same call goes on from there\n"
        )
        until(lambda: not living(process.pid))

    interrupt(both_started)
    interrupt(both_train)
    assert min(Run(path).epochs for path in paths) > 0
    process = start()
    until(lambda: both_started(process))
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: not living(process.pid))


FILM = """
import sys, time
from pathlib import Path
from matplotlib.figure import Figure
from vaelib.animation import encoder

folder = sys.argv[1]

def make():
    def draw(frame):
        Path(folder, "begun").touch()
        time.sleep(0.2)
    return encoder.Drawing(Figure(figsize=(1, 1)), draw, [])

encoder.render(f"{folder}/film.mp4", make, 10_000, fps=2, progress=False, workers=2)
"""
POOL = """
import sys, time
from pathlib import Path
from vaelib.system import processes

with processes.pool(1) as processes:
    processes.submit(Path(sys.argv[1], "begun").touch).result()
    time.sleep(600)
"""


@pytest.mark.parametrize("program", [FILM, POOL], ids=["a film", "a pool"])
def test_processes_that_help_end_with_the_one_that_began_them(program: str, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], start_new_session=True)
    until(lambda: (tmp_path / "begun").exists() or process.poll() is not None)
    assert len(living(process.pid)) > 2  # itself, a helper of multiprocessing's, those that work
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: not living(process.pid))


# Two at once


def test_one_of_two_trains_and_the_other_reads(server: Server, finished: Run, tmp_path: Path) -> None:
    command, gate = words(TINY, tmp_path), tmp_path / "gate"
    first = server.start(command, {"place": "step", "call": 7, "action": "wait", "gate": str(gate)})
    until(lambda: first.passages("step") == 7, first)
    second = server.start(command)
    until(lambda: "which another process trains\n" in second.err, second)
    gate.touch()
    assert (first.wait(), second.wait()) == (0, 0)
    assert (first.passages("step"), second.passages("step")) == (TINY.epochs * STEPS, 0)
    assert f"waiting for {tmp_path / TINY.name}, which another process trains" in second.err.splitlines()
    assert second.out == first.out and str(tmp_path / TINY.name) in second.out
    same(Run(tmp_path / TINY.name), finished)


def test_the_lock_of_a_killed_process_is_taken_over(server: Server, finished: Run, tmp_path: Path) -> None:
    command = words(TINY, tmp_path)
    first = server.start(command, {"place": "step", "call": 7, "action": "wait", "gate": "/never"})
    until(lambda: first.passages("step") == 7, first)
    second, third = server.start(command), server.start(command)
    until(lambda: all("which another process trains\n" in child.err for child in (second, third)))
    os.kill(third.pid, signal.SIGINT)
    assert third.wait() == 130 and "interrupted: 1 of 3 epochs" in third.err and "Traceback" not in third.err
    assert first.messages.empty() and second.messages.empty()
    os.kill(first.pid, signal.SIGKILL)
    assert (first.wait(), second.wait()) == (-signal.SIGKILL, 0)
    assert second.passages("step") == 2 * STEPS  # the first epoch is not trained again
    same(Run(tmp_path / TINY.name), finished)


# Damage


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """TINY, interrupted in its last epoch."""
    root = tmp_path_factory.mktemp("unfinished")
    message = r"2 of 3 epochs are finished and kept in .*; the same call goes on"
    return interrupted(TINY, root, "on_epoch_begin", lambda _, epoch: epoch == 2, told=message)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_goes_unnoticed(finished: Run, unfinished: Run, data: st.DataObject) -> None:
    """In any file of a finished run, or in any that an unfinished one goes on from; nor does a truncation."""
    resumed = [unfinished.path / name for name in [*unfinished.manifest["files"], checkpoint.MANIFEST]]
    files = [*finished.path.iterdir(), *resumed]
    path = data.draw(st.sampled_from(sorted(files)))
    good = path.read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    cut = data.draw(st.booleans())
    flipped = bytes([good[position] ^ data.draw(st.integers(1, 255))])
    path.write_bytes(good[:position] if cut else good[:position] + flipped + good[position + 1 :])
    try:
        with pytest.raises(DamagedError, match=re.escape(path.name)):
            Run(path.parent)
    finally:
        path.write_bytes(good)
    assert Run(path.parent).experiment == TINY


def flipped(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def of_another_version(path: Path) -> None:
    """Write a valid manifest under the next format number."""
    manifest = storage.read_json(path.parent / checkpoint.MANIFEST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "FORMAT", storage.FORMAT + 1)
        storage.write_json(path.parent / checkpoint.MANIFEST, manifest)


def of_other_settings(path: Path) -> None:
    """Put another run in this one's place, complete and valid."""
    experiment = TINY.replace(seed=5).to_json().encode()
    manifest = storage.read_json(path.parent / checkpoint.MANIFEST)
    manifest["files"][path.name] = storage.write(path, experiment)
    storage.write_json(path.parent / checkpoint.MANIFEST, manifest)


def without_its_manifest(path: Path) -> None:
    path.unlink()
    (path.parent / checkpoint.MANIFEST).unlink()


def with_nothing_else(path: Path) -> None:
    """Leave this file alone."""
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()


@pytest.mark.parametrize(
    ("damage", "which", "name"),
    [
        *((flipped, "finished", name) for name in ("manifest.json", "experiment.json", "weights-0001.npz")),
        *((flipped, "finished", name) for name in ("history.csv", "provenance.json", "embedding-0002.npy")),
        *((flipped, "unfinished", name) for name in ("weights-0002.npz", "state-0002.npz", "embedding-0000.npy")),
        *((truncated, "unfinished", name) for name in ("manifest.json", "weights-0002.npz", "state-0002.npz")),
        (truncated, "finished", "embedding-0003.npy"),
        (Path.unlink, "finished", "manifest.json"),
        (Path.unlink, "unfinished", "weights-0002.npz"),
        *((without_its_manifest, which, "embedding-0001.npy") for which in ("finished", "unfinished")),
        *((with_nothing_else, "unfinished", name) for name in ("weights-0001.npz", "embedding-0002.npy")),
        (of_another_version, "finished", "manifest.json"),
        (of_another_version, "unfinished", "manifest.json"),
        (of_other_settings, "finished", "experiment.json"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_of_another_version_is_moved_aside_and_never_used(
    damage: Callable[[Path], None], which: str, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    good = request.getfixturevalue("finished")
    path = shutil.copytree(request.getfixturevalue(which).path, tmp_path / TINY.name)
    damage(path / name)
    left = {file.name: file.read_bytes() for file in path.iterdir()}

    def copy(experiment: Experiment, path: Path, existing: Run | None, *, progress: bool) -> None:
        """Stand in for a training from the beginning."""
        assert experiment == TINY and existing is None and not path.exists()
        shutil.copytree(good.path, path)

    aside = tmp_path / f"{TINY.name}.damaged-1"
    with pytest.MonkeyPatch.context() as patch, pytest.warns(UserWarning) as caught:
        patch.setattr(trainer, "_fit", copy)
        same(train(TINY, tmp_path, progress=False), good)
    (message,) = [str(warning.message) for warning in caught]
    assert message.startswith(f"the run folder is damaged: {path}")
    assert message.endswith(f"; moved aside to {aside} and made again")
    assert {file.name: file.read_bytes() for file in aside.iterdir()} == left


def test_a_damaged_state_is_trained_again_to_the_same_end(finished: Run, unfinished: Run, tmp_path: Path) -> None:
    path = shutil.copytree(unfinished.path, tmp_path / TINY.name)
    flipped(path / checkpoint.state_file(2))
    with pytest.warns(
        UserWarning, match=r"state-0002.npz is not what was written: its checksum differs.*; moved aside"
    ):
        same(train(TINY, tmp_path, progress=False), finished)


def test_the_state_of_another_model_is_moved_aside(finished: Run, unfinished: Run, tmp_path: Path) -> None:
    """Complete and valid, but written by a version whose optimizer has other variables."""
    path = shutil.copytree(unfinished.path, tmp_path / TINY.name)
    manifest = storage.read_json(path / checkpoint.MANIFEST)
    state = storage.unpack((path / checkpoint.state_file(2)).read_bytes())
    state.popitem()
    manifest["files"][checkpoint.state_file(2)] = storage.write(path / checkpoint.state_file(2), storage.pack(state))
    storage.write_json(path / checkpoint.MANIFEST, manifest)
    with pytest.warns(UserWarning, match="is of another version: .*; moved aside to .*damaged-1"):
        same(train(TINY, tmp_path, progress=False), finished)


def test_what_ended_before_its_first_state_is_begun_again_without_a_word(finished: Run, tmp_path: Path) -> None:
    path = tmp_path / TINY.name
    storage.write(path / "experiment.json", b"{}")
    storage.write(path / checkpoint.weights_file(0), b"of another beginning")
    (path / ".weights-0000.npz.x.part").write_bytes(b"half")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        same(train(TINY, tmp_path, progress=False), finished)


# Full disks and folders that turn read-only


def test_an_epoch_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    """Each write of an epoch fails once, in one way or another; every call goes on from the last complete epoch."""
    experiment = TINY.replace(epochs=4)
    path = tmp_path / "full" / experiment.name
    written = [""]  # the file that is being written

    def failing(module: Any, function: str, at: str, error: int, name: str) -> Callable[..., Any]:
        original = getattr(module, function)

        def fail(*arguments: Any, **options: Any) -> Any:
            written[0] = options.get("prefix", written[0])
            if written[0] == f".{name}." and function == at:
                raise OSError(error, os.strerror(error))
            return original(*arguments, **options)

        return fail

    for kept, name, at, error in (
        (0, "weights-0001.npz", "fsync", errno.ENOSPC),
        (1, "embedding-0002.npy", "mkstemp", errno.EROFS),
        (2, "state-0003.npz", "fsync", errno.ENOSPC),
        (2, "history.csv", "mkstemp", errno.ENOSPC),
        (2, "provenance.json", "replace", errno.EACCES),
        (2, "manifest.json", "fsync", errno.EDQUOT),
    ):
        with pytest.MonkeyPatch.context() as patch:
            for module, function in ((tempfile, "mkstemp"), (os, "fsync"), (os, "replace")):
                patch.setattr(module, function, failing(module, function, at, error, name))
            message = f"cannot write {path / name}: {os.strerror(error)}. What was written before it is intact."
            with pytest.raises(StoreError, match=re.escape(message)):
                train(experiment, path.parent, progress=False)
        left = Run(path)
        assert left.epochs == kept and left.embeddings.shape[0] == kept + 1
        assert not list(path.glob(".*.part"))
    same(train(experiment, path.parent, progress=False), train(experiment, tmp_path / "alone", progress=False))


def undeletable(patch: pytest.MonkeyPatch) -> list[str]:
    """Make the removal of any epoch's file fail; return the list that collects the names of those to be removed."""
    original, asked = Path.unlink, []

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if not re.match("(weights|embedding|state)-", path.name):
            return original(path, missing_ok)
        asked.append(path.name)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    patch.setattr(Path, "unlink", refuse)
    return asked


def test_what_cannot_be_removed_does_not_end_a_training(finished: Run, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        asked = undeletable(patch)
        run = train(TINY, tmp_path, progress=False)
        assert {"weights-0000.npz", "state-0002.npz"} <= set(asked)
        assert (run.path / "state-0002.npz").exists()
        asked.clear()
        assert train(TINY, tmp_path, progress=False).complete and "state-0002.npz" in asked
    same(train(TINY, tmp_path, progress=False), finished)  # the next call removes it


def test_a_scrap_that_cannot_be_removed_is_one_message_before_a_training(unfinished: Run, tmp_path: Path) -> None:
    path = shutil.copytree(unfinished.path, tmp_path / TINY.name)
    left = path / checkpoint.weights_file(3)
    left.write_bytes(b"of an epoch that did not end")
    with pytest.MonkeyPatch.context() as patch:
        undeletable(patch)
        patch.setattr(trainer, "_fit", None)
        with pytest.raises(StoreError, match=re.escape(f"cannot write {left}: ") + ".*Permission denied"):
            train(TINY, tmp_path, progress=False)
    assert Run(path).epochs == 2


# Losses that are not numbers


@pytest.mark.parametrize(
    ("moment", "weight", "fault"),
    [
        ("on_train_batch_begin", "last", "cross_entropy became nan in epoch 3, step 1"),
        ("on_test_begin", "last", "val_cross_entropy became nan in epoch 3, validation"),
        # After the first layer come ReLU and pooling, which can turn NaN into a number or an infinity.
        ("on_test_begin", "first", r"(weights|val_\w+) became (nan|inf) in epoch 3, validation"),
    ],
)
def test_a_loss_that_is_not_a_number_leaves_the_last_good_state(
    moment: str, weight: str, fault: str, finished: Run, tmp_path: Path
) -> None:
    original = getattr(callbacks.EpochSaver, moment)

    def spoiling(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if self.epoch == 2:
            spoilt = {"first": self.vae.encoder.weights[0], "last": self.vae.decoder.trainable_weights[-1]}[weight]
            spoilt.assign(np.full(spoilt.shape, np.nan, "float32"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.EpochSaver, moment, spoiling)
        expected = (
            rf"{TINY.name}: {fault}\. Most likely to blame: learning_rate = 0\.003, .*optimizer = adam, "
            r"precision = float32.*\. The state after epoch 2 is kept\."
        )
        with pytest.raises(TrainingError, match=expected):
            train(TINY, tmp_path, progress=False)
    left = Run(tmp_path / TINY.name)
    assert left.epochs == 2 and not left.complete
    assert np.isfinite(left.decode(left.embeddings[-1][:3], "last")).all()
    if moment == "on_train_batch_begin":
        same(train(TINY, tmp_path, progress=False), finished)
