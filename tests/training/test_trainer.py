"""What a training promises: repeatable, resumable, never half-written, checked when opened."""

import errno
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy

import keras
import numpy as np
import pytest
from interrupting import interrupted

from vaelib import Experiment, dataset, losses, storage
from vaelib.errors import DamagedError, StoreError, TrainingError
from vaelib.model import VAE
from vaelib.nn import backend
from vaelib.run import Run
from vaelib.storage.checkpoint import best_epoch, get_weights, set_weights
from vaelib.system import processes, provenance
from vaelib.training import Batches, callbacks, resuming, train, train_all, trainer

TINY = Experiment.from_profile(
    "smoke", n_images=80, width=0.06, epochs=3, batch_size=16, snapshots=(1,), gamma=0.01, beta=1e-3, seed=4
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(root):
    return train(TINY, root, progress=False)


def same(a, b):
    """Two runs' results, bit for bit."""
    assert a.history.keys() == b.history.keys()
    for name in a.history:
        np.testing.assert_array_equal(a.history[name], b.history[name])
    np.testing.assert_array_equal(a.embeddings, b.embeddings)
    for x, y in zip(a.model("last").weights, b.model("last").weights, strict=True):
        np.testing.assert_array_equal(x, y)


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
def test_weights_of_other_names_are_refused_before_any_is_set(run):
    model = run.model("last")
    kept = get_weights(model)
    # Two norms of one shape: only their names tell them apart.
    first, second = (next(name for name in kept if name.endswith(end)) for end in ("norm_1.gamma", "norm_2.gamma"))
    renamed = {{first: second, second: first}.get(name, name): array + 1 for name, array in kept.items()}
    for arrays, told in ((renamed, "norm_2.gamma stands for norm_1.gamma"), (dict([*kept.items()][:-1]), "nothing")):
        with pytest.raises(DamagedError, match=f"those of another model: {told}"):
            set_weights(model, arrays)
    for weight, array in zip(model.weights, kept.values(), strict=True):
        np.testing.assert_array_equal(weight, array)
    # What Keras puts before the layer's name does not count.
    set_weights(model, {f"{name[:4]}elsewhere.{name[4:]}": array for name, array in kept.items()})


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


def test_the_history_file_is_the_history(run):
    header, *rows = (run.path / "history.csv").read_text().splitlines()
    assert header.split(",")[:3] == ["epoch", "loss", "cross_entropy"] and len(rows) == 3
    assert [float(row.split(",")[1]) for row in rows] == run.history["loss"].tolist()


@pytest.mark.jax
def test_the_last_embedding_is_the_last_encoders(run):
    data = dataset.build(TINY.data)
    np.testing.assert_allclose(run.encode(data.images[data.train], "last"), run.embeddings[-1], atol=1e-5)
    assert abs(run.embeddings[-1] - run.embeddings[0]).max() > 1e-3


@pytest.mark.jax
def test_encoding_decoding_and_reconstructing(run):
    data = dataset.build(TINY.data)
    images = data.images[data.validation]
    mu = run.encode(images)
    assert mu.shape == (len(images), 3) and mu.dtype == np.float32
    np.testing.assert_allclose(run.encode(images / 255), mu, atol=1e-6)
    x_hat = run.decode(mu)
    assert x_hat.shape == images.shape and x_hat.dtype == np.float32 and 0 <= x_hat.min() <= x_hat.max() <= 1
    np.testing.assert_array_equal(run.reconstruct(images), x_hat)
    assert abs(run.decode(mu, epoch=1) - run.decode(mu, epoch="last")).max() > 0
    np.testing.assert_array_equal(run.decode(mu, epoch=np.uint8(1)), run.decode(mu, epoch=1))
    assert run.decode(np.zeros((0, 3))).shape == (0, 32, 32)
    # more than one batch inside, and each image on its own
    many = np.tile(mu, (40, 1))
    np.testing.assert_allclose(run.decode(many)[-len(mu) :], x_hat, atol=1e-5)


@pytest.mark.parametrize("copied", [lambda run: pickle.loads(pickle.dumps(run)), deepcopy])
def test_a_run_is_copied_before_and_after_it_has_encoded(run, copied):
    images = np.random.default_rng(0).uniform(size=(2, 32, 32))
    fresh = Run(run.path)
    before = copied(fresh)
    mu = fresh.encode(images)
    for each in (before, copied(fresh)):
        np.testing.assert_array_equal(each.encode(images), mu)
        same(each, run)


_LOADING = """
import pathlib, sys
sys.modules["vaelib"] = None  # any import of it fails
import keras, numpy as np
for folder in map(pathlib.Path, sys.argv[1:]):
    encoder, decoder = (keras.saving.load_model(folder / f"{name}.keras") for name in ("encoder", "decoder"))
    given = np.load(folder / "given.npz")
    outputs = encoder(given["images"][..., None])
    outputs = outputs if isinstance(outputs, list) else [outputs]
    decoded = decoder(given["latents"])
    np.savez(folder / "made.npz", *map(np.asarray, (decoded, *outputs)))
"""


def test_encoder_and_decoder_load_where_this_library_is_not_installed(run, tmp_path):
    learned = train(TINY.replace(variance="learned", precision="bfloat16", epochs=1), tmp_path, progress=False)
    random = np.random.default_rng(0)
    images = random.uniform(size=(3, 32, 32)).astype("float32")
    latents = random.normal(size=(4, 3)).astype("float32")
    cases = [(run, 1), (learned, "best")]
    folders = [each.save_keras(tmp_path / "to" / each.experiment.variance, epoch) for each, epoch in cases]
    for folder in folders:
        assert sorted(file.name for file in folder.iterdir()) == ["decoder.keras", "encoder.keras"]
        np.savez(folder / "given.npz", images=images, latents=latents)
    subprocess.run([sys.executable, "-c", _LOADING, *map(str, folders)], check=True, cwd=tmp_path)
    for (each, epoch), folder in zip(cases, folders, strict=True):
        decoded, mu, *log_variance = np.load(folder / "made.npz").values()
        assert decoded.dtype == mu.dtype == np.float32
        np.testing.assert_allclose(decoded[..., 0], each.decode(latents, epoch), atol=1e-5)
        np.testing.assert_allclose(mu, each.encode(images, epoch), atol=1e-5)
        expected = each.model(epoch).encode(images)[1]
        assert len(log_variance) == (expected is not None)
        if log_variance:
            np.testing.assert_allclose(log_variance[0], np.asarray(expected), atol=1e-5)


def test_an_epoch_that_is_not_kept_writes_no_keras_files(run, tmp_path):
    with pytest.raises(ValueError, match="epoch = 77; allowed:"):
        run.save_keras(tmp_path / "to", 77)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("act", [lambda model, path: model.save(path), lambda model, _: deepcopy(model)])
def test_the_joined_model_says_what_can_be_saved(run, tmp_path, act):
    with pytest.raises(TypeError, match=r"^the joined model cannot be saved or copied: Run.save_keras writes"):
        act(run.model(), tmp_path / "model.keras")


def test_without_noise_the_reconstruction_beats_the_validation_terms_noise(run):
    """The logged cross-entropy has the noise of sampling; both are the same function, so they are close."""
    data = dataset.build(TINY.data)
    images = data.images[data.validation]
    clean = losses.binary_crossentropy(images / 255, run.reconstruct(images, run.best_epoch))
    assert clean == pytest.approx(run.history["val_cross_entropy"][run.best_epoch - 1], rel=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.encode(np.zeros((2, 31, 32), "uint8")), r"images has shape \(2, 31, 32\); allowed:"),
        (lambda run: run.encode(np.zeros((32, 32), "uint8")), "images has shape"),
        (lambda run: run.encode(np.full((1, 32, 32), 1.5)), r"images reaches from 1.5 to 1.5; allowed: \[0, 1\]"),
        (lambda run: run.encode(np.full((1, 32, 32), np.nan)), "images holds nan; allowed: finite numbers"),
        (lambda run: run.encode(np.full((1, 32, 32), -np.inf)), "images holds -inf; allowed: finite numbers"),
        (lambda run: run.reconstruct(np.full((1, 32, 32), np.nan, "float16")), "images holds nan"),
        (lambda run: run.decode([[0, np.nan, 0]]), "latents holds nan; allowed: finite numbers"),
        (lambda run: run.decode([[0, 0, -np.inf]]), "latents holds -inf; allowed: finite numbers"),
        (lambda run: run.decode(np.zeros((2, 3)), epoch=1.9), r"epoch = 1.9; allowed: 'best', 'last' and \[1, "),
        (lambda run: run.encode(np.zeros((1, 32, 32)), True), "epoch = True; allowed"),
        (lambda run: run.encode(np.zeros((1, 32, 32)), np.nan), "epoch = nan; allowed"),
        (lambda run: run.encode(np.zeros((1, 32, 32)), None), "epoch = None; allowed"),
        (lambda run: run.encode(np.zeros((1, 32, 32), "int32")), "images has type int32"),
        (lambda run: run.decode(np.zeros((2, 4))), r"latents has shape \(2, 4\); allowed: \(n, 3\)"),
        (lambda run: run.decode(np.zeros((2, 3)), epoch=0), r"epoch = 0; allowed: 'best', 'last' and"),
        (lambda run: run.encode(np.zeros((1, 32, 32)), epoch="first"), "epoch = 'first'"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(run, call, message):
    run = Run(run.path)  # which keeps the epochs 1, 3 and the best one, and never what was before the first
    with pytest.raises(ValueError, match=message):
        call(run)


def test_a_finished_run_is_returned_at_once(run, root, monkeypatch):
    monkeypatch.setattr(trainer, "_fit", None)
    same(train(TINY, root), run)


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
        {"snapshots": (0, 1)},  # the shorter run has not kept what was before the first epoch
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


@pytest.fixture
def copy(run, tmp_path):
    return Run(shutil.copytree(run.path, tmp_path / TINY.name)).path


@pytest.mark.parametrize("name", ["experiment.json", "history.csv", "weights-0003.npz", "embedding-0002.npy"])
def test_any_damage_is_noticed_when_a_run_is_opened(copy, name):
    content = (copy / name).read_bytes()
    middle = len(content) // 2
    for damaged in (content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], content[:-1], None):
        if damaged is None:
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(damaged)
        with pytest.raises(DamagedError, match=name):
            Run(copy)


def test_a_damaged_run_is_moved_aside_and_made_again(run, copy, tmp_path):
    manifest = (copy / "manifest.json").read_bytes()
    (copy / "manifest.json").write_bytes(manifest.replace(b'"format": 1', b'"format": 0'))
    with pytest.warns(UserWarning, match=r"manifest.json has format 0.*moved aside to .*damaged-1"):
        again = train(TINY, tmp_path, progress=False)
    same(again, run)
    assert (tmp_path / f"{TINY.name}.damaged-1" / "manifest.json").exists()


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


def test_several_at_once_are_the_same_runs_in_the_same_order(run, root):
    others = [TINY.replace(seed=seed, epochs=1) for seed in (1, 2)]
    first, again, second = train_all([others[0], TINY, others[1]], root, workers=2)
    assert [each.experiment.seed for each in (first, second)] == [1, 2] and first.complete and second.complete
    same(again, run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "ProcessPoolExecutor", None)  # finished ones are opened, not trained again
        patch.setattr(trainer, "_fit", None)
        assert [each.path for each in train_all(others, root)] == [first.path, second.path]


def test_a_failure_among_several_keeps_what_the_others_finished(root, tmp_path):
    wild = TINY.replace(learning_rate=10.0, optimizer="sgd", beta=1e3, schedule="constant", gamma=0.0)
    good = TINY.replace(seed=9, epochs=1)
    with pytest.raises(TrainingError, match="became"):
        train_all([good, wild], tmp_path, workers=2)
    assert Run(tmp_path / good.name).complete


def test_an_unwritable_root_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "build", None)  # any work would begin here
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        train(TINY, tmp_path / "file" / "runs")


def test_an_infinite_loss_names_epoch_step_term_and_settings(tmp_path):
    wild = TINY.replace(learning_rate=10.0, optimizer="sgd", beta=1e3, schedule="constant", gamma=0.0)
    with pytest.raises(TrainingError, match=r"became (nan|inf) in epoch \d, step \d+.*learning_rate = 10, "):
        train(wild, tmp_path, progress=False)
    assert Run(tmp_path / wild.name).epochs < 3


@pytest.mark.parametrize(
    ("spoilt", "told", "blamed"),
    [
        ({"cross_entropy"}, "cross_entropy", "learning_rate = 0.003, optimizer = adam, precision = float32"),
        ({"kl"}, "kl", "learning_rate = 0.003, beta = 0.001, variance = constant"),
        ({"penalty"}, "penalty", "penalty = entanglement, gamma = 0.01, batch_size = 16, learning_rate = 0.003"),
        (
            {"kl", "penalty"},
            "kl",
            "learning_rate = 0.003, beta = 0.001, variance = constant, penalty = entanglement, gamma = 0.01, "
            "batch_size = 16",
        ),
        ({"loss"}, "loss", "beta = 0.001, gamma = 0.01, learning_rate = 0.003"),
    ],
)
def test_the_settings_to_blame_are_those_of_the_term(spoilt, told, blamed, tmp_path, monkeypatch):
    terms, total = VAE.loss_terms, losses.total

    def spoiling(self, *arguments):
        return {name: value * np.nan if name in spoilt else value for name, value in terms(self, *arguments).items()}

    monkeypatch.setattr(VAE, "loss_terms", spoiling)
    monkeypatch.setattr(losses, "total", lambda *a, **k: total(*a, **k) * (np.nan if "loss" in spoilt else 1))
    message = f": {told} became nan in epoch 1, step 1. Most likely to blame: {blamed}. The state"
    with pytest.raises(TrainingError, match=re.escape(message)):
        train(TINY, tmp_path, progress=False)


def test_the_settings_to_blame_for_the_weights_alone(tmp_path, monkeypatch):
    """Spoilt after all batches, they show in no term."""

    def spoiling(self, logs=None):
        weight = self.vae.encoder.weights[0]
        weight.assign(np.full(weight.shape, np.nan, "float32"))

    monkeypatch.setattr(callbacks.EpochSaver, "on_test_end", spoiling)
    blamed = "learning_rate = 0.003, optimizer = adam, precision = float32"
    message = rf": weights became nan in epoch 1, validation\. Most likely to blame: {blamed}\. The state"
    with pytest.raises(TrainingError, match=message):
        train(TINY, tmp_path, progress=False)


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


def test_every_epoch_has_an_order_of_its_own_and_each_image_once():
    data = dataset.build(TINY.data)

    def images(shuffle, epoch):
        batches = Batches(data, data.train, TINY, shuffle=shuffle)
        batches.set_epoch(epoch)
        return np.concatenate([batches[i][0] for i in range(len(batches))])

    shuffled = [images(True, epoch) for epoch in range(3)]
    assert (shuffled[0] != shuffled[1]).any() and (shuffled[1] != shuffled[2]).any()
    for order in shuffled:
        assert order.dtype == np.uint8
        assert sorted(map(bytes, order)) == sorted(map(bytes, data.images[data.train]))
    np.testing.assert_array_equal(images(True, 2), shuffled[2])
    np.testing.assert_array_equal(images(False, 1), data.images[data.train])


@pytest.mark.jax
def test_keras_really_shows_these_batches_in_this_order(monkeypatch, tmp_path):
    shown = []
    begin, item = Batches.set_epoch, Batches.__getitem__

    def spy_begin(self, epoch):
        begin(self, epoch)
        self.now = epoch

    def spy_item(self, index):
        if self.shuffle:
            shown.append((self.now, index))
        return item(self, index)

    monkeypatch.setattr(Batches, "set_epoch", spy_begin)
    monkeypatch.setattr(Batches, "__getitem__", spy_item)
    train(TINY, tmp_path, progress=False)
    steps = [(epoch, index) for epoch in range(3) for index in range(5)]
    # Keras looks at the first two batches beforehand, for their shapes.
    assert shown[-len(steps) :] == steps and len(shown) <= len(steps) + 2


@pytest.mark.parametrize("block", [1, 2, 32])
def test_keras_is_fed_these_very_batches_whatever_is_read_at_once(block, monkeypatch):
    monkeypatch.setattr(backend, "_BLOCK", block)
    data = dataset.build(TINY.data)
    batches = Batches(data, data.train, TINY.replace(sample_weights="per_image"), shuffle=True)
    fed = backend.fed(batches)
    for epoch in (1, 2):
        batches.set_epoch(epoch)
        expected = [batches[i] for i in range(len(batches))]
        assert len(expected[-1][0]) < batches.size
        for found, wanted in zip(fed, expected, strict=True):
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(one, other)


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


@pytest.mark.jax
def test_a_growing_capacity_goes_on_where_it_was(tmp_path):
    """The step that C follows is kept with the weights: five an epoch, also after an interruption in the second."""
    experiment = TINY.replace(penalty="capacity", gamma=1e-2, beta=0.0, epochs=2, snapshots=(1,))
    interrupted(experiment, tmp_path, "on_train_batch_end", lambda trainer, batch: (trainer.epoch, batch) == (1, 1))
    run = train(experiment, tmp_path, progress=False)
    for epoch, steps in ((1, 5), (2, 10)):
        assert [float(w) for w in run.model(epoch).weights if w.path.endswith("step")] == [steps]


def test_the_best_epoch_is_the_first_of_the_lowest():
    assert best_epoch([]) == 0
    assert best_epoch([{"val_loss": 2.0}, {"val_loss": 1.0}, {"val_loss": 1.0}]) == 2


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
