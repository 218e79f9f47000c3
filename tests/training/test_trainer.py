"""What a training promises: repeatable, and checked before any work."""

import json
import sys

import keras
import numpy as np
import pytest
from interrupting import interrupted
from tiny_run import TINY, same

from vaelib import dataset, storage
from vaelib.errors import StoreError, TrainingError
from vaelib.nn import backend
from vaelib.run import Run
from vaelib.system import provenance
from vaelib.training import callbacks, train, train_all, trainer


@pytest.mark.jax
def test_a_finished_run_holds_what_the_contract_names(run):
    assert run.complete and run.epochs == 3 and run.experiment == TINY and run.path.name == TINY.name
    names = ("loss", "cross_entropy", "kl", "penalty")
    assert set(run.history) == {*names, *(f"val_{name}" for name in names)}
    assert all(values.shape == (3,) and np.isfinite(values).all() for values in run.history.values())
    assert run.embeddings.shape == (4, 72, 3) and run.embeddings.dtype == np.float32
    assert run.snapshots == (1,)
    assert run.best_epoch == 1 + int(np.argmin(run.history["val_loss"]))
    h = run.history
    for part in ("", "val_"):
        total = h[part + "cross_entropy"] + 1e-3 * h[part + "kl"] + 0.01 * h[part + "penalty"]
        np.testing.assert_allclose(h[part + "loss"], total, rtol=1e-5)
    kept = {p.name for p in run.path.glob("weights-*")}
    assert kept == {f"weights-{e:04d}.npz" for e in {1, 3, run.best_epoch}}
    assert not list(run.path.glob("state-*")) and not list(run.path.glob(".*.part"))


@pytest.mark.jax
def test_provenance_says_where_a_run_comes_from(run):
    origin = json.loads((run.path / "provenance.json").read_text())
    assert origin == run.provenance
    assert origin["profile"] == "smoke" and origin["backend"] == keras.backend.backend()
    assert origin["versions"]["keras"] and origin["versions"]["python"] == sys.version.split()[0]
    assert origin["hardware"]["cores"] >= 1 and origin["hardware"]["processor"]
    assert origin["devices"] == backend.device_names() and origin["accelerator"] == backend.accelerator()
    assert origin["wall_time"] > 0 and origin["images_per_second"] > 0
    assert origin["git_commit"] == provenance.git_commit()


@pytest.mark.jax
def test_the_last_embedding_is_the_last_encoders(run):
    data = dataset.build(TINY.data)
    np.testing.assert_allclose(run.encode(data.images[data.train], "last"), run.embeddings[-1], atol=1e-5)
    assert abs(run.embeddings[-1] - run.embeddings[0]).max() > 1e-3


def test_a_finished_run_is_returned_at_once(run, root, monkeypatch):
    monkeypatch.setattr(trainer, "_fit", None)
    same(train(TINY, root), run)


def test_a_run_lies_at_home_where_its_path_says_so(run, root, monkeypatch):
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setattr(trainer, "_fit", None)
    assert train(TINY, "~").path == train_all([TINY], "~")[0].path == Run(f"~/{TINY.name}").path == run.path


def test_a_finished_run_is_returned_from_a_place_that_cannot_be_written(run, root, monkeypatch):
    def refuse(path, *_, **__):
        raise StoreError(f"cannot write {path}: Read-only file system")

    for name in ("check_writable", "lock", "write", "move_aside"):
        monkeypatch.setattr(storage, name, refuse)
    monkeypatch.setattr(trainer, "_fit", None)
    same(train(TINY, root), run)
    same(train_all([TINY, TINY], root, workers=2)[0], run)
    for call in (train, lambda experiment, root: train_all([TINY, experiment], root)):
        with pytest.raises(StoreError, match=f"cannot write {root}"):
            call(TINY.replace(seed=99), root)


def test_a_damaged_run_in_a_place_that_cannot_be_written_is_not_returned(run, copy, tmp_path, monkeypatch):
    (copy / "weights-0003.npz").unlink()

    def refuse(path):
        raise StoreError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr(storage, "check_writable", refuse)
    with pytest.raises(StoreError, match=f"cannot write {tmp_path}"):
        train(TINY, tmp_path)


def test_the_same_seed_gives_the_same_run_and_another_does_not(run, tmp_path):
    same(train(TINY, tmp_path, progress=False), run)
    other = train(TINY.replace(seed=5), tmp_path, progress=False)
    assert abs(other.embeddings[-1] - run.embeddings[-1]).max() > 1e-3


def test_an_unwritable_root_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "build", None)  # any work would begin here
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        train(TINY, tmp_path / "file" / "runs")


@pytest.mark.jax
def test_an_unfinished_run_of_another_backend_is_left_alone(run, tmp_path):
    path = interrupted(TINY, tmp_path, "on_epoch_begin", lambda _, epoch: epoch == 1).path / "manifest.json"
    manifest = storage.read_json(path)
    here = manifest["provenance"]["backend"]
    other = manifest["provenance"]["backend"] = {"tensorflow": "jax", "jax": "tensorflow"}[here]
    storage.write_json(path, manifest)
    message = f"begun on the {other} backend and this is {here}: set KERAS_BACKEND={other}"
    with pytest.raises(TrainingError, match=message):
        train(TINY, tmp_path, progress=False)


def test_weighted_learned_and_bfloat16_runs_finish(tmp_path):
    for settings in (
        {"sample_weights": "per_image", "region": "punctured", "hole_radius": 0.2},
        {"sample_weights": "per_batch", "variance": "learned", "penalty": "covariance"},
        {"precision": "bfloat16", "optimizer": "sgd", "schedule": "constant", "latent_dim": 1, "gamma": 0.0},
    ):
        run = train(TINY.replace(epochs=1, snapshots=(), **settings), tmp_path, progress=False)
        assert run.complete and np.isfinite(run.history["val_loss"]).all()


PENALISED = {
    "covariance_squared": {},
    "dip_vae_i": {},
    "dip_vae_ii": {"variance": "learned"},
    "total_correlation": {"precision": "bfloat16", "sample_weights": "per_image"},
    "capacity": {"beta": 0.0, "capacity": 8.0},
}


@pytest.mark.parametrize("penalty", PENALISED)
def test_every_penalty_trains(penalty, tmp_path):
    """One image, the last batch, alone: 72 train."""
    settings = {"epochs": 1, "snapshots": (), "batch_size": 71, "gamma": 1e-3, **PENALISED[penalty]}
    run = train(TINY.replace(penalty=penalty, **settings), tmp_path, progress=False)
    assert run.complete and penalty in run.path.name
    history = {name: values[0] for name, values in run.history.items()}
    for part in ("", "val_"):
        total = history[part + "cross_entropy"] + run.experiment.beta * history[part + "kl"]
        assert history[part + "loss"] == pytest.approx(total + 1e-3 * history[part + "penalty"], rel=1e-5)
        assert history[part + "penalty"] != 0


@pytest.mark.parametrize(("threads", "executor"), [("1", "SINGLE_THREADED_EXECUTOR"), ("2", "")])
def test_a_process_of_one_thread_trains_in_that_thread_to_the_same_bits(threads, executor, run, tmp_path, monkeypatch):
    from tensorflow.python.eager import context

    def executor_type():
        return context.context().function_call_options.executor_type or ""

    seen = []
    before = callbacks.EpochSaver.on_epoch_end

    def look(self, epoch, logs=None):
        seen.append(executor_type())
        before(self, epoch, logs)

    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", threads)
    monkeypatch.setattr(callbacks.EpochSaver, "on_epoch_end", look)
    same(train(TINY, tmp_path, progress=False), run)
    assert seen == [executor] * TINY.epochs
    assert executor_type() == "", "left on after the training"
