"""What the explorer carries into a page: as exact as it needs to be, and no more than fits."""

from typing import Any

import numpy as np
import pytest

from vaelib import Experiment, dataset
from vaelib.explorer import Explorer, packing
from vaelib.run import Run


def test_the_folded_decoder_is_the_models_borders_included(wild_run: Run, latents: np.ndarray) -> None:
    weights, shape = packing.folded_decoder(wild_run, "best"), packing.decoder_shape(wild_run)
    expected = wild_run.decode(latents[:20])
    assert expected.min() < 0.05 and expected.max() > 0.95, "an image without contrast would show no difference"
    np.testing.assert_allclose(packing.decode(weights, shape, latents[:20]), expected, atol=2e-4)


def test_two_half_floats_are_enough_and_one_is_not(wild_run: Run, halves: np.ndarray, latents: np.ndarray) -> None:
    shape = packing.decoder_shape(wild_run)
    exact = packing.decode(packing.folded_decoder(wild_run, "best"), shape, latents[:20])
    of_two = packing.decode(halves.astype(np.float64).sum(axis=0), shape, latents[:20])
    assert np.abs(of_two - exact).max() < 1e-4
    assert np.abs(packing.decode(halves[0], shape, latents[:20]) - exact).max() > 1e-3


def test_three_runs_of_the_book_fit_into_their_share_of_a_page(book_run: Run) -> None:
    """Everything that a page gets except the picture, which may take the rest: the book's has about 60 kB."""
    n_points = len(book_run.embeddings[0])
    bytes_per_point = 2 * 2 + 3 * (book_run.epochs + 1) + 7  # a and b, embeddings, errors
    n_others = Experiment.from_profile("book").n_images - 1000  # at most; a and b alone
    missing = 3 * ((1000 - n_points) * bytes_per_point + n_others * 2 * 2) * 4 // 3  # bytes that this run lacks
    three = {name: book_run for name in ("standard", "modified", "punctured")}
    info, data = packing.pack(three, budget=packing.MOST_BYTES - missing)
    widget = Explorer(info, data, run="standard", parameters=(1.25, 1.0))
    n_decoders = [len(entry["decoders"]) for entry in info["runs"]]
    total = len(widget.html(b"", "")) + missing
    print(f"\n{total / 1000:.0f} kB in the page, {n_decoders[0]} decoders a run")
    assert total + 100_000 <= packing.MOST_BYTES
    assert set(n_decoders) <= {4, 5, 6, 7}


def test_a_small_budget_still_has_the_best_epochs_decoder(runs: dict[str, Run]) -> None:
    info, _ = packing.pack({"one": runs["standard"]}, budget=0)
    assert list(info["runs"][0]["decoders"]) == [str(runs["standard"].best_epoch)]


@pytest.mark.parametrize(
    ("n", "best", "expected"),
    [(1, 6, [6]), (2, 6, [0, 6]), (5, 6, [0, 1, 2, 4, 6]), (5, 5, [0, 1, 2, 5, 6]), (9, 3, [0, 1, 2, 3, 4, 5, 6])],
)
def test_the_epochs_with_decoders_are_spread(n: int, best: int, expected: list[int]) -> None:
    assert packing.spread(range(7), n, best) == expected


def test_what_is_packed_is_what_the_run_has(packed: tuple[dict[str, Any], bytes], runs: dict[str, Run]) -> None:
    info, data = packed
    for entry in info["runs"]:
        run = runs[entry["name"]]
        built = dataset.build(run.experiment.data)
        np.testing.assert_allclose(packing.unpack(data, entry["points"]), built.parameters[built.train], atol=2 / 65535)
        assert len(entry["embeddings"]) == run.epochs + 1
        for epoch, part in enumerate(entry["embeddings"]):
            mu = run.embeddings[epoch]
            step = np.ptp(mu, axis=0).max() / 255
            np.testing.assert_allclose(packing.unpack(data, part), mu, atol=0.51 * step)
        errors = packing.unpack(data, entry["errors"][str(run.best_epoch)])
        images = built.images[built.train]
        own = np.square(run.reconstruct(images) - images / 255).mean(axis=(1, 2)) / (images / 255).var(axis=(1, 2))
        np.testing.assert_allclose(errors, np.minimum(own, np.percentile(own, 98)), atol=np.ptp(own) / 255)


def test_training_images_beyond_the_first_keep_their_places(runs: dict[str, Run]) -> None:
    info, data = packing.pack({"one": runs["standard"]}, n_points=25)
    (entry,) = info["runs"]
    built = dataset.build(runs["standard"].experiment.data)
    places = [packing.unpack(data, entry[name]) for name in ("points", "others")]
    assert [len(part) for part in places] == [25, len(built.train) - 25]
    np.testing.assert_allclose(np.concatenate(places), built.parameters[built.train], atol=2 / 65535)
    assert entry["embeddings"][0]["shape"][0] == 25


def test_means_are_exact_on_the_grid_and_close_between(widget: Explorer, runs: dict[str, Run]) -> None:
    run = runs["standard"]
    grid = packing.grid_points()
    at_knots = run.encode(dataset.draw(grid, run.experiment.data), run.best_epoch)
    interpolated = widget.means(grid, "standard", run.best_epoch)
    np.testing.assert_allclose(interpolated, at_knots, atol=1e-4 * np.ptp(at_knots))
    between = np.random.default_rng(2).uniform([0.5, 0], [2, 2], (100, 2))
    exact = run.encode(dataset.draw(between, run.experiment.data), run.best_epoch)
    distance = np.linalg.norm(widget.means(between, "standard", run.best_epoch) - exact, axis=1)
    assert np.median(distance) < 0.05 * np.linalg.norm(at_knots.std(axis=0))


def test_interpolation_is_bilinear_and_stays_within_the_edge() -> None:
    a, b = packing.grid_points().reshape(*packing.GRID, 2).transpose(2, 0, 1)
    table = np.stack([a, b, a * b], axis=-1)
    points = np.random.default_rng(3).uniform([0.5, 0], [2, 2], (50, 2))
    expected = np.column_stack([points, points.prod(axis=1)])
    np.testing.assert_allclose(packing.interpolate(table, points), expected, atol=1e-12)
    np.testing.assert_allclose(packing.interpolate(table, [9, -9]), [2, 0, 0])
