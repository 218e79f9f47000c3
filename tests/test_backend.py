"""What every backend has to do alike: inference for any number of inputs, and a refusal where devices are missing."""

import keras
import numpy as np
import pytest

from vaelib import Experiment, backend, dataset, train
from vaelib.model import VAE
from vaelib.run import _parts
from vaelib.training import TrainingError

SMALL = Experiment.from_profile("smoke", n_images=80, width=0.06, batch_size=16)


@pytest.mark.jax
@pytest.mark.parametrize("variance", ["constant", "learned"])
def test_inference_equals_the_model_itself_for_any_number_of_inputs(variance):
    encoder = VAE(SMALL.replace(variance=variance)).encoder
    images = np.random.default_rng(0).uniform(size=(5, 32, 32, 1)).astype("float32")
    expected = encoder(images)
    expected = [np.asarray(each) for each in (expected if isinstance(expected, list | tuple) else [expected])]
    for n in (1, 3, 4, 5):
        outputs = backend.infer(encoder, images[:n])
        assert len(outputs) == len(expected) == (2 if variance == "learned" else 1)
        for ours, theirs in zip(outputs, expected, strict=True):
            assert ours.shape == (n, 3)
            np.testing.assert_allclose(ours, theirs[:n], rtol=1e-4, atol=1e-5)


@pytest.mark.jax
def test_inference_follows_the_weights():
    decoder = VAE(SMALL).decoder
    latents = np.ones((2, 3), "float32")
    before = backend.infer(decoder, latents)[0]
    weight = decoder.get_layer("logits").bias
    weight.assign(weight + 1)
    np.testing.assert_allclose(backend.infer(decoder, latents)[0], before + 1, atol=1e-5)


def test_a_call_holds_at_most_a_million_pixels():
    """The paper's decoder has 256 channels of 256×256 pixels: 256 images at once would be 17 GB."""
    assert [part.stop - part.start for part in _parts(600, 64)] == [256, 256, 88]
    assert [part.stop - part.start for part in _parts(40, 256)] == [16, 16, 8]
    assert [part.stop - part.start for part in _parts(2, 1024)] == [1, 1]
    assert _parts(0, 64) == []


@pytest.mark.jax
def test_the_devices_that_train_have_names():
    assert backend.name() == keras.backend.backend()
    assert backend.device_names()[0].split(":")[0] in ("cpu", "gpu", "tpu")


@pytest.mark.parametrize(("first", "workers"), [("cpu:0", 8), ("gpu:0", 1)])
def test_an_accelerator_trains_one_run_at_a_time(first, workers, monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: [first])
    assert backend.default_workers(8) == workers


def test_tensorflow_refuses_to_share_a_batch_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "build", None)  # any work would begin here
    message = "devices = 2: the tensorflow backend trains on one device; set KERAS_BACKEND=jax to use more"
    with pytest.raises(TrainingError, match=message):
        train(SMALL.replace(devices=2), tmp_path)
    assert not list(tmp_path.glob("*/*"))
