"""What every backend must do alike: inference for any number of inputs, and a refusal where devices are missing."""

import json
import multiprocessing
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from vaelib import Experiment, dataset, train
from vaelib.errors import TrainingError
from vaelib.model import VAE
from vaelib.nn import backend
from vaelib.training import Batches

SMALL = Experiment.from_profile("smoke", n_images=80, width=0.06, batch_size=16)


@pytest.mark.jax
@pytest.mark.parametrize("variance", ["constant", "learned"])
def test_inference_equals_the_model_itself_for_any_number_of_inputs(variance):
    encoder = VAE(SMALL.replace(variance=variance)).encoder
    images = np.random.default_rng(0).uniform(size=(5, 32, 32, 1)).astype("float32")
    expected = encoder(images)
    expected = [np.asarray(output) for output in (expected if isinstance(expected, list | tuple) else [expected])]
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


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
@pytest.mark.parametrize("work", ["inference", "a model", "a training"])
def test_a_fork_of_a_process_that_used_the_backend_is_refused_with_alternatives(work, tmp_path):
    images = np.zeros((1, 32, 32, 1), "float32")
    encoder = VAE(SMALL).encoder
    backend.infer(encoder, images)
    calls = {
        "inference": lambda: backend.infer(encoder, images),
        "a model": lambda: VAE(SMALL),
        "a training": lambda: train(SMALL, tmp_path, progress=False),
    }
    reader, writer = multiprocessing.Pipe(duplex=False)

    def child():
        try:
            calls[work]()
        except BaseException as error:
            writer.send(f"{type(error).__name__}: {error}")

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    try:
        assert reader.poll(60), "it hangs"
        message = reader.recv()
    finally:
        process.kill()
        process.join()
    assert message.startswith(f"ForkError: this process was forked from process {os.getpid()}, which had used ")
    assert "train_all" in message and "sweep" in message and "get_context('spawn')" in message and "\n" not in message


@pytest.mark.jax
def test_the_devices_that_train_have_names():
    assert backend.name() == keras.backend.backend()
    assert backend.device_names()[0].split(":")[0] in ("cpu", "gpu", "tpu")


@pytest.mark.parametrize(("first", "workers"), [("cpu:0", 8), ("gpu:0", 1)])
def test_an_accelerator_trains_one_run_at_a_time(first, workers, monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: [first])
    assert backend.default_workers(8) == workers


# Imports vaelib where some packages cannot be found, and prints what was chosen and what was loaded.
CHOOSING = """
import os, sys
from importlib.machinery import ModuleSpec

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        if name in {present!r}:
            return ModuleSpec(name, None)

sys.meta_path.insert(0, Finder())
import vaelib
print(os.environ.get("KERAS_BACKEND"), *sorted({{"keras", "tensorflow", "jax", "scipy"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("present", "variable", "file", "chosen"),
    [
        (("tensorflow", "jax"), None, None, None),
        (("tensorflow",), None, None, None),
        (("jax",), None, None, "jax"),
        ((), None, None, None),
        (("jax",), "", None, "jax"),
        (("jax",), "tensorflow", None, "tensorflow"),
        (("jax",), "torch", None, "torch"),
        (("jax",), None, {"backend": "torch"}, None),
        (("jax",), None, {"backend": "tensorflow"}, "jax"),  # which Keras writes where nobody chose
        (("jax",), None, {"floatx": "float32"}, "jax"),
        (("jax",), None, "damaged", "jax"),
    ],
)
def test_jax_is_chosen_where_nobody_chose_and_it_is_the_only_one(present, variable, file, chosen, tmp_path):
    absent = {"tensorflow", "jax"} - set(present)
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    environment.pop("KERAS_BACKEND", None)
    if variable is not None:
        environment["KERAS_BACKEND"] = variable
    if file is not None:
        (tmp_path / "keras.json").write_text(file if isinstance(file, str) else json.dumps(file))
    program = CHOOSING.format(absent=absent, present=set(present))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == [str(chosen)], "and nothing heavy is loaded"


def test_a_processor_is_not_an_accelerator_and_a_gpu_is_named(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    assert backend.accelerator() is None
    import tensorflow as tf

    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0", "cpu:0"])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    details = {"device_name": "NVIDIA H100 80GB HBM3"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    assert backend.accelerator() == "NVIDIA H100 80GB HBM3"


def test_tensorflow_refuses_to_share_a_batch_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "build", None)  # any work would begin here
    message = "devices = 2: the tensorflow backend trains on one device; set KERAS_BACKEND=jax to use more"
    with pytest.raises(TrainingError, match=message):
        train(SMALL.replace(devices=2), tmp_path)
    assert not list(tmp_path.glob("*/*"))


@pytest.mark.parametrize("block", [1, 2, 32])
def test_keras_is_fed_exactly_these_batches_however_many_are_read_at_once(block, monkeypatch):
    monkeypatch.setattr(backend, "_BLOCK", block)
    data = dataset.build(SMALL.data)
    batches = Batches(data, data.train, SMALL.replace(sample_weights="per_image"), shuffle=True)
    fed = backend.fed(batches)
    for epoch in (1, 2):
        batches.set_epoch(epoch)
        expected = [batches[i] for i in range(len(batches))]
        assert len(expected[-1][0]) < batches.size
        for batch, expected_batch in zip(fed, expected, strict=True):
            for part, expected_part in zip(batch, expected_batch, strict=True):
                np.testing.assert_array_equal(part, expected_part)
