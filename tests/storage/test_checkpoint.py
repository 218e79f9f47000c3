"""A run's folder: what is written after an epoch, and read again by a model of the same names and shapes alone."""

import errno
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_run import TINY, same

from vaelib import storage
from vaelib.errors import DamagedError, StoreError
from vaelib.run import Run
from vaelib.storage.checkpoint import (
    MANIFEST,
    TERMS,
    Checkpoint,
    best_epoch,
    embedding_file,
    finished_epochs,
    get_weights,
    is_complete,
    set_weights,
    state_file,
    weights_file,
)
from vaelib.training import train


@pytest.mark.jax
def test_weights_of_other_names_are_refused_before_any_is_set(run):
    model = run.model("last")
    kept = get_weights(model)
    # Two norms of one shape: only their names tell them apart.
    first, second = (next(name for name in kept if name.endswith(end)) for end in ("norm_1.gamma", "norm_2.gamma"))
    renamed = {{first: second, second: first}.get(name, name): array + 1 for name, array in kept.items()}
    for arrays, difference in (
        (renamed, "norm_2.gamma in place of norm_1.gamma"),
        (dict([*kept.items()][:-1]), "nothing"),
    ):
        with pytest.raises(DamagedError, match=f"those of another model: {difference}"):
            set_weights(model, arrays)
    for weight, array in zip(model.weights, kept.values(), strict=True):
        np.testing.assert_array_equal(weight, array)
    # What Keras puts before the layer's name does not count.
    set_weights(model, {f"{name[:4]}elsewhere.{name[4:]}": array for name, array in kept.items()})


def test_the_history_file_is_the_history(run):
    header, *rows = (run.path / "history.csv").read_text().splitlines()
    assert header.split(",")[:3] == ["epoch", "loss", "cross_entropy"] and len(rows) == 3
    assert [float(row.split(",")[1]) for row in rows] == run.history["loss"].tolist()


def test_a_full_disk_is_one_message_and_keeps_the_earlier_epochs(run, tmp_path, monkeypatch):
    original = storage.write

    def full(path, content):
        if path.name == "weights-0002.npz":
            raise StoreError(f"cannot write {path}: {os.strerror(errno.ENOSPC)}")
        return original(path, content)

    monkeypatch.setattr(storage, "write", full)
    with pytest.raises(StoreError, match=r"weights-0002.npz: No space left"):
        train(TINY, tmp_path, progress=False)
    assert Run(tmp_path / TINY.name).epochs == 1
    monkeypatch.undo()
    same(train(TINY, tmp_path, progress=False), run)


def test_the_best_epoch_is_the_first_of_the_lowest():
    assert best_epoch([]) == 0
    assert best_epoch([{"val_loss": 2.0}, {"val_loss": 1.0}, {"val_loss": 1.0}]) == 2


class Variable:
    """What a checkpoint knows of a model's variable."""

    def __init__(self, path, value):
        self.path, self.value = path, np.asarray(value)

    @property
    def shape(self):
        return self.value.shape

    def assign(self, value):
        self.value = np.array(value)

    def __array__(self, dtype=None, copy=None):
        return self.value


class Model:
    """What a checkpoint knows of a model: weights, the noise's generator, the optimizer."""

    def __init__(self, seed, *, width=3):
        random = np.random.default_rng(seed)
        self.weights = [
            Variable("vae/conv/kernel", random.normal(size=(2, width))),
            Variable("vae/conv/bias", random.normal(size=width)),
        ]
        self.sampling = SimpleNamespace(
            seed_generator=SimpleNamespace(state=Variable("noise", random.integers(9, size=2)))
        )
        self.optimizer = SimpleNamespace(
            variables=[Variable("step", seed), Variable("momentum", random.normal(size=5))]
        )

    def numbers(self):
        """Return everything that a training goes on from."""
        variables = [*self.weights, self.sampling.seed_generator.state, *self.optimizer.variables]
        return [variable.value.tolist() for variable in variables]


def begun(folder, *, epochs=3, snapshots=(), resumable=False):
    """Return a checkpoint whose experiment is written and no state yet."""
    made = Checkpoint(folder, epochs=epochs, snapshots=snapshots, resumable=resumable, origin={"backend": "none"})
    made.begin("{}")
    return made


def terms(loss):
    return {part + name: loss for part in ("", "val_") for name in TERMS}


EMBEDDING = np.zeros((4, 3), "float32")


def test_what_was_saved_is_restored_with_all_that_a_training_goes_on_from(tmp_path):
    first, model = begun(tmp_path), Model(1)
    first.save(model, EMBEDDING)
    first.add(terms(0.5))
    first.spent |= {"images": 100.0, "step_time": 2.0}
    first.save(model, EMBEDDING)
    manifest, other = storage.read_json(tmp_path / MANIFEST), Model(2)
    again = Checkpoint(tmp_path, epochs=3, snapshots=(), resumable=False, origin={})
    again.restore(other, manifest)
    assert other.numbers() == model.numbers() != Model(2).numbers()
    assert (again.epoch, again.history, again.files, again.spent) == (1, [terms(0.5)], first.files, first.spent)
    assert manifest["provenance"]["backend"] == "none" and manifest["provenance"]["images_per_second"] == 50


@pytest.mark.parametrize("name", [weights_file(0), state_file(0)])
def test_a_state_that_does_not_fit_leaves_the_model_and_the_checkpoint_as_they_were(name, tmp_path):
    made, wider = begun(tmp_path), Model(2, width=4)
    made.save(Model(1), EMBEDDING)
    manifest, before = storage.read_json(tmp_path / MANIFEST), wider.numbers()
    again = Checkpoint(tmp_path, epochs=3, snapshots=(), resumable=False, origin={})
    with pytest.raises(DamagedError, match="those of another model"):
        again.restore(wider, manifest)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DamagedError, match=name):
        again.restore(wider, manifest)
    assert wider.numbers() == before and again.files == {} and again.history == []


@settings(deadline=None, max_examples=20)
@given(
    losses=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    snapshots=st.sets(st.integers(0, 4)),
    resumable=st.booleans(),
)
def test_after_every_epoch_the_folder_holds_what_still_counts_and_nothing_else(losses, snapshots, resumable):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = begun(folder, epochs=len(losses), snapshots=snapshots, resumable=resumable)
        for epoch in range(len(losses) + 1):
            if epoch:
                made.add(terms(losses[epoch - 1]))
            made.save(Model(epoch), EMBEDDING)
            best = losses.index(min(losses[:epoch])) + 1 if epoch else 0
            weights = {weights_file(kept_epoch) for kept_epoch in {*(s for s in snapshots if s <= epoch), best, epoch}}
            done = epoch == len(losses)
            state = set() if done and not resumable else {state_file(epoch)}
            named = {"experiment.json", *weights, *state, *map(embedding_file, range(epoch + 1))}
            exports = {"history.csv", "provenance.json"}
            assert {file.name for file in folder.iterdir()} == named | exports | {MANIFEST}
            assert storage.read_json(folder / MANIFEST)["files"].keys() == (named | exports if done else named)
            assert (finished_epochs(folder), is_complete(folder)) == (epoch, done)


def test_of_no_run_and_of_a_damaged_one_no_epoch_is_finished(tmp_path):
    assert (finished_epochs(tmp_path / "none"), is_complete(tmp_path / "none")) == (0, False)
    made = begun(tmp_path, epochs=1)
    made.add(terms(0.5))
    made.save(Model(1), EMBEDDING)
    assert (finished_epochs(str(tmp_path)), is_complete(str(tmp_path))) == (1, True)
    (tmp_path / MANIFEST).write_bytes((tmp_path / MANIFEST).read_bytes()[:-1])
    assert (finished_epochs(tmp_path), is_complete(tmp_path)) == (0, False)
