"""What only the JAX backend has, on a machine without TensorFlow and with two devices; run by test_jax.py."""

import functools
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import types
from pathlib import Path

import jax
import keras
import numpy as np
import pytest
from interrupting import interrupted
from same_numbers import EXPERIMENT, enlarge, numbers

import vaelib
from vaelib import Experiment, dataset, run, storage
from vaelib.errors import TrainingError
from vaelib.model import VAE
from vaelib.nn import backend
from vaelib.run import Run
from vaelib.training import train

pytestmark = pytest.mark.jax

# 73 images train and 8 validate: four batches of 16 and one of 9, which two devices cannot halve.
SHARED = Experiment.from_profile(
    "smoke", n_images=81, width=0.06, epochs=3, batch_size=16, devices=2, seed=4,
    penalty="covariance", gamma=1.0, sample_weights="per_image",
)  # fmt: skip


def test_nothing_imports_tensorflow():
    for module in pkgutil.walk_packages(vaelib.__path__, "vaelib."):
        importlib.import_module(module.name)
    assert keras.backend.backend() == "jax"
    with pytest.raises(ImportError):
        import tensorflow  # noqa: F401
    assert not [name for name, module in sys.modules.items() if name.split(".")[0] == "tensorflow" and module]


def test_the_paper_profile_trains_from_the_command_line(tmp_path):
    """The study's network and settings, full width; only the images are fewer and smaller."""
    words = "--profile paper --epochs 1 --n-images 27 --image-size 32 --root"
    program = Path(sys.executable).with_name("vaelib")
    environment = {**os.environ, "XLA_FLAGS": ""}  # at its full width, code in haste takes longer than it saves
    done = subprocess.run([program, "train", *words.split(), tmp_path], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    made = Run(done.stdout.splitlines()[0])
    assert made.complete and made.provenance["backend"] == "jax" and made.experiment.width == 1
    images = dataset.build(made.experiment.data).images
    assert np.isfinite(made.reconstruct(images)).all()
    np.testing.assert_allclose(made.encode(images[:24]), made.embeddings[1], atol=1e-5)


def test_without_a_backend_chosen_the_command_says_how(tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    program = Path(sys.executable).with_name("vaelib")
    words = ["train", "--profile", "smoke", "--root", tmp_path]
    done = subprocess.run([program, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("vaelib: ") and done.stderr.count("\n") == 1
    assert "KERAS_BACKEND=jax" in done.stderr


def test_with_no_backend_chosen_at_all_the_command_trains_with_jax(tmp_path):
    """Also where Keras has written its own default; and 64 bits that are switched on do not change a bit."""
    made = []
    for written, more in ((None, {}), ("tensorflow", {"JAX_ENABLE_X64": "1"})):
        home = tmp_path / str(written)
        environment = {**os.environ, "KERAS_HOME": str(home), **more}
        del environment["KERAS_BACKEND"]
        home.mkdir()
        if written:
            (home / "keras.json").write_text(json.dumps({"backend": written}))
        program = Path(sys.executable).with_name("vaelib")
        words = ["train", "--profile", "smoke", "--epochs", "1", "--n-images", "40", "--width", "0.06", "--root"]
        done = subprocess.run([program, *words, home / "runs"], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        made.append(Run(done.stdout.splitlines()[0]))
    assert [each.provenance["backend"] for each in made] == ["jax", "jax"]
    np.testing.assert_array_equal(made[0].embeddings, made[1].embeddings)


def test_an_accelerator_is_named_by_its_maker(monkeypatch):
    assert backend.accelerator() is None
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    monkeypatch.setattr(jax, "devices", lambda: [types.SimpleNamespace(device_kind="NVIDIA H100 80GB HBM3")])
    assert backend.accelerator() == "NVIDIA H100 80GB HBM3"


def test_inference_is_compiled_for_few_batch_sizes(monkeypatch):
    traced = []

    def spy(self, *arguments, **options):
        traced.append(arguments[2].shape[0])
        return call(self, *arguments, **options)

    call = keras.Model.stateless_call
    monkeypatch.setattr(keras.Model, "stateless_call", spy)
    vae = VAE(SHARED)
    for n in (5, 6, 7, 8, 3, 300):
        assert run.encode_all(vae, np.zeros((n, 32, 32), "uint8")).shape == (n, 3)
    assert traced == [8, 4, 256, 64]


def test_bfloat16_trains_and_embeds_in_float32(tmp_path):
    settings = {"precision": "bfloat16", "devices": 1, "epochs": 2, "snapshots": (1,), "n_images": 71}
    made = train(SHARED.replace(**settings), tmp_path, progress=False)
    data = dataset.build(made.experiment.data)
    for epoch in (1, 2):  # each embedding is that of its own epoch's weights
        means = made.encode(data.images[data.train], epoch)
        np.testing.assert_allclose(means, made.embeddings[epoch], atol=1e-5)
    assert abs(made.embeddings[2] - made.embeddings[1]).max() > 1e-3


@pytest.fixture(scope="module", autouse=True)
def enlarged():
    with pytest.MonkeyPatch.context() as patch:
        begin = VAE.__init__

        def begin_enlarged(self, experiment):
            begin(self, experiment)
            enlarge(self)

        patch.setattr(VAE, "__init__", begin_enlarged)
        yield


def watch(patch):
    """Have every training record what reaches its compiled step: batches, shardings of weights, the step's tracing."""
    batches, weights, traced = [], [], []
    make, train_step = VAE.make_train_function, VAE.train_step

    def make_watched(self, force=False):
        if self.train_function is not None:
            return
        make(self, force)
        step = self.train_function

        def watched_step(state, iterator):
            batches.append(next(iterator))
            weights.append([weight.sharding for weight in state[0]])
            return step(state, iter(batches[-1:]))

        self.train_function = watched_step

    @functools.wraps(train_step)  # its name is part of what compiled code is found by
    def watched_train_step(self, state, data):
        traced.append(isinstance(data[0], jax.core.Tracer) and len(data[0]))
        return train_step(self, state, data)

    patch.setattr(VAE, "make_train_function", make_watched)
    patch.setattr(VAE, "train_step", watched_train_step)
    return batches, weights, traced


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A training shared by two devices, and what reached its steps."""
    with pytest.MonkeyPatch.context() as patch:
        seen = watch(patch)
        return train(SHARED, tmp_path_factory.mktemp("shared"), progress=False), *seen


def test_each_device_holds_half_of_every_batch_and_all_weights(shared):
    made, batches, weights, traced = shared
    assert len(jax.devices()) == 2 and made.provenance["devices"] == ["cpu:0", "cpu:1"]
    assert [len(batch[0]) for batch in batches] == 3 * [16, 16, 16, 16, 9]
    for batch in batches:
        for array in batch:  # the images, twice, and their weights
            shards = array.addressable_shards
            assert {shard.device for shard in shards} == set(jax.devices())
            whole = len(array) == 9
            assert [shard.data.shape[0] for shard in shards] == ([9, 9] if whole else [8, 8])
            if not whole:
                joined = np.concatenate([shard.data for shard in shards])
                np.testing.assert_array_equal(joined, array)
                assert (np.asarray(shards[0].data) != np.asarray(shards[1].data)).any()
    for shardings in weights:
        assert all(len(each.device_set) == 2 and each.is_fully_replicated for each in shardings)
    assert traced == [16, 9]  # every step is compiled, once for each size


def test_each_device_does_half_of_the_work():
    sharing = backend.DataParallel(2)
    with sharing.scope():
        decoder = VAE(SHARED).decoder
    variables = (decoder.trainable_variables, decoder.non_trainable_variables)
    values = [[variable.value for variable in part] for part in variables]
    for n, part in ((16, 8), (9, 9)):
        latents = sharing.place(np.zeros((n, 3), "float32"))
        logits, _ = jax.jit(decoder.stateless_call)(*values, latents)
        assert [shard.data.shape for shard in logits.addressable_shards] == 2 * [(part, 32, 32, 1)]


def test_shared_batches_give_the_losses_of_one_device(shared, tmp_path, monkeypatch):
    """Only the order of sums differs: about 1e-7 of float32, in terms and embeddings up to 2e-5 after 15 steps.

    The penalty is a covariance near zero, a difference of sums of order 1e-2 and more: its rounding is absolute. Adam
    divides a gradient by its own size, so rounding in a small one moves a weight as far as in a large one. Batches that
    were not shared as they should be would move the embeddings a thousand times as far.
    """
    together = shared[0]
    batches, _, traced = watch(monkeypatch)
    alone = train(SHARED.replace(devices=1), tmp_path, progress=False)
    assert len(batches) == 15 and traced == [16, 9]
    assert alone.path.name == together.path.name and alone.provenance["devices"] == ["cpu:0"]
    assert alone.history["penalty"].min() > 1e-4 and np.ptp(alone.history["cross_entropy"]) > 0.01
    for name, values in alone.history.items():
        np.testing.assert_allclose(together.history[name], values, rtol=1e-5, atol=2e-7, err_msg=name)
    np.testing.assert_allclose(together.embeddings, alone.embeddings, atol=1e-4)


def test_a_shared_training_goes_on_bit_for_bit(shared, tmp_path):
    interrupted(SHARED, tmp_path, "on_epoch_begin", lambda _, epoch: epoch == 1)
    assert keras.distribution.distribution() is None
    made = train(SHARED, tmp_path, progress=False)
    for name, values in shared[0].history.items():
        np.testing.assert_array_equal(made.history[name], values)
    np.testing.assert_array_equal(made.embeddings, shared[0].embeddings)


def test_more_devices_than_there_are_is_an_error_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "build", None)  # any work would begin here
    with pytest.raises(TrainingError, match=r"devices = 4: this machine has 2 \(cpu:0, cpu:1\)"):
        train(SHARED.replace(devices=4), tmp_path)


def test_the_distribution_is_put_back_whatever_happens():
    sharing = backend.DataParallel(2)
    with pytest.raises(ZeroDivisionError), sharing.scope():
        assert keras.distribution.distribution() is sharing.distribution
        raise ZeroDivisionError
    assert keras.distribution.distribution() is None


def test_a_last_batch_that_divides_is_shared_too():
    sharing = backend.DataParallel(2)
    for n, parts in ((16, [8, 8]), (6, [3, 3]), (7, [7, 7]), (1, [1, 1])):
        placed = sharing.place(np.arange(n))
        assert [len(shard.data) for shard in placed.addressable_shards] == parts
        np.testing.assert_array_equal(placed, np.arange(n))


def test_the_same_weights_give_tensorflows_numbers():
    """The file holds what test_jax.py computed with TensorFlow from these very weights, before and after training."""
    expected = storage.unpack(Path(os.environ["VAELIB_TEST_EXPECTED"]).read_bytes())
    vae = VAE(EXPERIMENT)
    before = [expected[name] for name in sorted(expected) if name.startswith("before")]
    for variable, array in zip(vae.weights, before, strict=True):
        variable.assign(array)
    found = numbers(vae)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert abs(values).max() > 0 or name.startswith("before")
        # Rounding can turn a rectifier or the largest of a pool around: on TensorFlow alone, weights changed by 3e-7
        # moved a weight's step by up to a fortieth of the largest, of twelve tries. Twice that is allowed; a wrong
        # gradient is off by its own size, and the layers' own gradients are compared closely in test_layers.
        share = 0.05 if name.startswith("moved") else 1e-3
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=share * abs(values).max(), err_msg=name)
