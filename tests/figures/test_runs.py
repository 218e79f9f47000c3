"""The pictures of trainings and transects show the numbers that they are given."""

import types

import numpy as np
import pytest
from matplotlib import pyplot as plt

from vaelib import Experiment, dataset, figures

SMOKE = Experiment.from_profile("smoke")
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


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


def test_errors_along_a_transect_show_each_seed_their_mean_and_the_hole():
    values = {"punctured": RANDOM.uniform(size=(3, 15)), "full": RANDOM.uniform(size=(3, 15))}
    axis = figures.transects.errors_along({"P1": values}, SMOKE).axes[0]
    for k, each in enumerate(values.values()):
        drawn = [line.get_ydata() for line in axis.lines[4 * k : 4 * k + 4]]
        np.testing.assert_allclose(drawn, [*(1000 * each), 1000 * each.mean(axis=0)])
    inside = np.flatnonzero(dataset.in_hole(dataset.transect("P1"), SMOKE)) + 1
    shade = axis.patches[0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (inside[0] - 0.5, inside[-1] + 0.5)


def test_the_paired_bars_are_ratios_of_means():
    probes = {kind: [RANDOM.uniform(1, 2, 20) for _ in range(3)] for kind in ("punctured", "thinned", "full")}
    for axis, kind in zip(figures.transects.paired(probes, [3, 0, 12]).axes, ("thinned", "full"), strict=True):
        assert [label.get_text() for label in axis.get_xticklabels()] == ["3", "0", "12"]
        for seed in range(3):
            dots, bar = axis.collections[2 * seed : 2 * seed + 2]
            ours, theirs = probes["punctured"][seed], probes[kind][seed]
            np.testing.assert_allclose(dots.get_offsets()[:, 1], ours / theirs)
            assert bar.get_segments()[0][0, 1] == pytest.approx(ours.mean() / theirs.mean())


def test_the_transects_run_through_the_embedding_with_the_hole_marked():
    lines = {name: RANDOM.normal(size=(15, 3)) for name in dataset.TRANSECTS}
    boxed = {name: dataset.in_hole(dataset.transect(name), SMOKE) for name in lines}
    figure = figures.transects.through_embedding(RANDOM.normal(size=(3000, 3)), lines, boxed)
    assert len(figure.data[0].x) == 2400
    for trace in figure.data[1:]:
        np.testing.assert_allclose(np.stack([trace.x, trace.y, trace.z], 1), lines[trace.name], atol=5e-4)
        assert trace.line.color == figures.TRANSECT_COLORS[trace.name]
        assert ((np.array(trace.marker.size) > 5) == boxed[trace.name]).all() and boxed[trace.name].any()
