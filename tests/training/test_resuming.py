"""A training goes on from its own folder or a shorter run, and ends bit for bit as an uninterrupted one."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from interrupting import interrupted
from tiny_run import TINY, same

from vaelib.nn import backend
from vaelib.run import Run
from vaelib.training import callbacks, resuming, train

CONSTANT = TINY.replace(schedule="constant", epochs=2, shuffle=True)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return train(CONSTANT, tmp_path_factory.mktemp("short"), progress=False)


def test_more_epochs_at_a_constant_rate_go_on_from_the_shorter_run_to_the_same_bits(short, tmp_path, monkeypatch):
    longer = CONSTANT.replace(epochs=4, snapshots=(1, 3))
    anew = train(longer, tmp_path, progress=False)
    trained = []
    begin = callbacks.EpochSaver.on_epoch_begin

    def spy(self, epoch, logs=None):
        trained.append(epoch)
        begin(self, epoch, logs)

    monkeypatch.setattr(callbacks.EpochSaver, "on_epoch_begin", spy)
    before = sorted((file.name, file.read_bytes()) for file in short.path.iterdir())
    continued = train(longer, short.path.parent, progress=False)
    assert trained == [2, 3]
    same(continued, anew)
    assert continued.complete and continued.experiment == longer and continued.kept_epochs == anew.kept_epochs
    assert {file.name for file in continued.path.iterdir()} == {file.name for file in anew.path.iterdir()}
    for name in ("weights-0001.npz", "weights-0003.npz", "state-0004.npz"):
        assert (continued.path / name).read_bytes() == (anew.path / name).read_bytes()
    assert sorted((file.name, file.read_bytes()) for file in short.path.iterdir()) == before
    assert not list(short.path.parent.glob(".*.begun"))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 5},
        {"schedule": "cosine"},
        {"penalty": "capacity"},
        {"snapshots": (0, 1)},  # the shorter run did not keep what was before the first epoch
        {"epochs": 2, "snapshots": (2,)},
    ],
)
def test_other_experiments_do_not_go_on_from_it(short, change):
    assert resuming.shorter_run(CONSTANT.replace(epochs=3), short.path.parent).path == short.path
    assert resuming.shorter_run(CONSTANT.replace(**{"epochs": 3, **change}), short.path.parent) is None


def test_what_is_damaged_or_of_another_identity_or_backend_is_not_gone_on_from(short, tmp_path, monkeypatch):
    longer = CONSTANT.replace(epochs=3)
    renamed = shutil.copytree(short.path, tmp_path / f"{short.path.name[:-4]}0000")
    assert resuming.shorter_run(longer, tmp_path) is None
    copied = renamed.rename(tmp_path / short.path.name)
    assert resuming.shorter_run(longer, tmp_path).path == copied
    with monkeypatch.context() as patch:
        patch.setattr(backend, "name", lambda: "another")
        assert resuming.shorter_run(longer, tmp_path) is None
    (copied / "state-0002.npz").write_bytes(b"")
    assert resuming.shorter_run(longer, tmp_path) is None


def test_killed_and_called_again_it_ends_as_if_nothing_had_happened(run, tmp_path):
    code = (
        "import sys\nfrom vaelib import Experiment, train\n"
        "train(Experiment.from_json(sys.argv[1]), sys.argv[2], progress=False)"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    child = subprocess.Popen([sys.executable, "-c", code, TINY.to_json(), str(tmp_path)], env=environment)
    path = tmp_path / TINY.name
    while not list(path.glob("weights-0001.npz")):
        time.sleep(0.005)
        assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert Run(path).complete is False
    same(train(TINY, tmp_path, progress=False), run)


@pytest.mark.jax
def test_it_stops_and_goes_on_in_the_middle_of_an_epoch(run, tmp_path):
    unfinished = interrupted(
        TINY, tmp_path, "on_train_batch_end", lambda trainer, batch: (trainer.epoch, batch) == (2, 1)
    )
    assert unfinished.epochs == 2 and not unfinished.complete and unfinished.embeddings.shape[0] == 3
    assert unfinished.decode(np.zeros((1, 3)), "last").shape == (1, 32, 32)
    same(train(TINY, tmp_path, progress=False), run)


def test_a_damaged_run_is_moved_aside_and_made_again(run, copy, tmp_path):
    manifest = (copy / "manifest.json").read_bytes()
    (copy / "manifest.json").write_bytes(manifest.replace(b'"format": 1', b'"format": 0'))
    with pytest.warns(UserWarning, match=r"manifest.json has format 0.*moved aside to .*damaged-1"):
        again = train(TINY, tmp_path, progress=False)
    same(again, run)
    assert (tmp_path / f"{TINY.name}.damaged-1" / "manifest.json").exists()


@pytest.mark.jax
def test_a_growing_capacity_goes_on_where_it_was(tmp_path):
    """The step that C follows is kept with the weights: five an epoch, also after an interruption in the second."""
    experiment = TINY.replace(penalty="capacity", gamma=1e-2, beta=0.0, epochs=2, snapshots=(1,))
    interrupted(experiment, tmp_path, "on_train_batch_end", lambda trainer, batch: (trainer.epoch, batch) == (1, 1))
    run = train(experiment, tmp_path, progress=False)
    for epoch, steps in ((1, 5), (2, 10)):
        assert [float(w) for w in run.model(epoch).weights if w.path.endswith("step")] == [steps]
