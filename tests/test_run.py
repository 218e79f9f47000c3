"""A run on disk: damage noticed when it is opened, encoding and decoding, files that Keras loads."""

import pickle
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
from tiny_run import TINY, same

from vaelib import dataset, losses
from vaelib.errors import DamagedError
from vaelib.run import Run, _parts
from vaelib.training import train


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
    for duplicate in (before, copied(fresh)):
        np.testing.assert_array_equal(duplicate.encode(images), mu)
        same(duplicate, run)


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
    folders = [source.save_keras(tmp_path / "to" / source.experiment.variance, epoch) for source, epoch in cases]
    for folder in folders:
        assert sorted(file.name for file in folder.iterdir()) == ["decoder.keras", "encoder.keras"]
        np.savez(folder / "given.npz", images=images, latents=latents)
    subprocess.run([sys.executable, "-c", _LOADING, *map(str, folders)], check=True, cwd=tmp_path)
    for (source, epoch), folder in zip(cases, folders, strict=True):
        decoded, mu, *log_variance = np.load(folder / "made.npz").values()
        assert decoded.dtype == mu.dtype == np.float32
        np.testing.assert_allclose(decoded[..., 0], source.decode(latents, epoch), atol=1e-5)
        np.testing.assert_allclose(mu, source.encode(images, epoch), atol=1e-5)
        expected = source.model(epoch).encode(images)[1]
        assert len(log_variance) == (expected is not None)
        if log_variance:
            np.testing.assert_allclose(log_variance[0], np.asarray(expected), atol=1e-5)


def test_an_epoch_that_is_not_kept_writes_no_keras_files(run, tmp_path):
    with pytest.raises(ValueError, match="epoch = 77; allowed:"):
        run.save_keras(tmp_path / "to", 77)
    assert not (tmp_path / "to").exists()


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
        (lambda run: run.encode(np.full((1, 32, 32), 1.5)), r"images has values from 1.5 to 1.5; allowed: \[0, 1\]"),
        (lambda run: run.encode(np.full((1, 32, 32), np.nan)), "images contains nan; allowed: finite numbers"),
        (lambda run: run.encode(np.full((1, 32, 32), -np.inf)), "images contains -inf; allowed: finite numbers"),
        (lambda run: run.reconstruct(np.full((1, 32, 32), np.nan, "float16")), "images contains nan"),
        (lambda run: run.decode([[0, np.nan, 0]]), "latents contains nan; allowed: finite numbers"),
        (lambda run: run.decode([[0, 0, -np.inf]]), "latents contains -inf; allowed: finite numbers"),
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


def test_a_call_holds_at_most_a_million_pixels():
    """The paper's decoder has 256 channels of 256×256 pixels: 256 images at once would be 17 GB."""
    assert [part.stop - part.start for part in _parts(600, 64)] == [256, 256, 88]
    assert [part.stop - part.start for part in _parts(40, 256)] == [16, 16, 8]
    assert [part.stop - part.start for part in _parts(2, 1024)] == [1, 1]
    assert _parts(0, 64) == []
