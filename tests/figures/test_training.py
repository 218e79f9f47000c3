"""What the training's figures hold."""

import types

import numpy as np
import pytest

from vaelib import Experiment, figures

SMOKE = Experiment.from_profile("smoke")


RANDOM = np.random.default_rng(0)


@pytest.fixture
def run():
    """A run whose decoder paints its latents: pixel (0, i) is the i-th latent, squeezed into [0, 1]."""

    def decode(latents):
        images = np.zeros((len(latents), 32, 32), "float32")
        images[:, 0, :3] = (latents + 10) / 20
        return images

    terms = ("loss", "cross_entropy", "kl", "penalty")
    history = {part + name: RANDOM.uniform(0.1, 1, 4) for part in ("", "val_") for name in terms}
    mu = RANDOM.normal(size=(5, 40, 3)) * [1, 2, 0.5] + [0, 1, -1]
    return types.SimpleNamespace(
        decode=decode, history=history, epochs=4, best_epoch=3, embeddings=mu, experiment=SMOKE
    )  # fmt: skip


def test_the_curves_are_the_history(run):
    axes = figures.training.curves(run, floor=0.05).axes
    for axis, name in zip(axes, ("loss", "cross_entropy", "kl", "penalty"), strict=True):
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), run.history[name])
        np.testing.assert_array_equal(axis.lines[1].get_ydata(), run.history[f"val_{name}"])
        assert set(axis.lines[2].get_xdata()) == {3}
    assert set(axes[1].lines[3].get_ydata()) == {0.05}


def test_a_traversal_moves_one_latent_and_holds_the_others_at_the_mean(run):
    _, images = figures.training.traversals(run, steps=5, reach=2.0)
    assert images.shape == (3, 5, 32, 32)
    latents = images[:, :, 0, :3] * 20 - 10
    mean, spread = run.embeddings[3].mean(axis=0), run.embeddings[3].std(axis=0)
    for i in range(3):
        expected = np.tile(mean, (5, 1))
        expected[:, i] += np.array([-2, -1, 0, 1, 2]) * spread[i]
        np.testing.assert_allclose(latents[i], expected, atol=1e-5)


def test_the_architecture_is_read_from_the_model():
    from vaelib.model import VAE

    model = VAE(SMOKE)
    text = figures.training.architecture(model).data
    for part in (model.encoder, model.decoder):
        assert f"{part.count_params():,}" in text
        for layer in part.layers:
            assert f"<td>{layer.name}</td>" in text
    assert f"{model.encoder.count_params() + model.decoder.count_params():,}" in text


def test_the_error_maps_are_coloured_by_the_errors():
    parameters, raw, relative = RANDOM.uniform(0.5, 2, (9, 2)), RANDOM.uniform(size=9), RANDOM.uniform(size=9)
    left, right = figures.training.errors(parameters, raw, relative).axes[:2]
    np.testing.assert_allclose(left.collections[0].get_array(), 1000 * raw)
    np.testing.assert_allclose(right.collections[0].get_array(), 100 * relative)
    np.testing.assert_allclose(left.collections[0].get_offsets(), parameters)
