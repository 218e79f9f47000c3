"""What the table has of a run: every promised name, with the numbers that the single functions give."""

from pathlib import Path

import numpy as np
import pytest

from vaelib import Experiment, dataset, disentanglement, evaluation, geometry, metrics, train
from vaelib.disentanglement import unmixing
from vaelib.evaluation import measure
from vaelib.geometry import edge_curl
from vaelib.run import Run

TINY = {"n_images": 300, "epochs": 4, "batch_size": 8, "snapshots": ()}  # enough for a sheet to be there


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(Experiment.from_profile("smoke", **TINY), tmp_path_factory.mktemp("runs"), progress=False)


@pytest.fixture(scope="module")
def measured(run: Run) -> dict[str, float | None]:
    return measure(run)


def test_everything_that_the_documentation_names_is_there(measured: dict[str, float | None]) -> None:
    documented = (
        (measure.__doc__ or "").replace("_k", "_1").replace(":", " ").replace(",", " ").replace(".", " ").split()
    )
    scores = ["mig", "sap", "modularity", "disentanglement", "completeness", "informativeness", "mean_correlation"]
    scores += ["total_correlation", "alignment", "linear_r2", "beta_vae", "factor_vae", "tangent_alignment"]
    scores += ["factor_angle", "trustworthiness", "continuity"]
    chance = {f"{name}_chance" for name in scores}
    ours = {"spread_2", "spread_3", *(f"direction_{f}_{k}" for f in "ab" for k in (2, 3))}
    searched = ("alignment", "mig", "sap", "tangent_alignment")
    turned = {f"{name}_highest" for name in searched} | {f"{name}_turned" for name in searched}
    for name in set(measured) - chance - ours - turned - set(scores):
        assert name in documented, name
    assert chance | ours | turned | set(scores) <= set(measured)
    assert all(value is None or isinstance(value, float) for value in measured.values())


def test_the_numbers_are_those_of_the_functions(run: Run, measured: dict[str, float | None]) -> None:
    data = dataset.build(run.experiment.data)
    mu, factors = run.embeddings[run.best_epoch].astype("float64"), data.parameters[data.train]
    living = mu * disentanglement.active(mu)
    assert measured["mig"] == disentanglement.mig(living, factors).value
    assert measured["mig_chance"] == disentanglement.mig(living, factors).chance
    assert measured["twonn"] == geometry.twonn(mu).estimate
    assert (measured["curl_edge"], measured["curl_middle"]) == edge_curl(mu, factors)
    images = data.images[data.validation]
    assert measured["relative_error"] == metrics.normalised_error(images, run.reconstruct(images)).mean()
    assert measured["beta_vae_chance"] == measured["factor_vae_chance"] == 0.5


def test_no_rotation_is_beyond_the_extremes(run: Run, measured: dict[str, float | None]) -> None:
    value, low, high = (measured[name] for name in ("term", "term_lowest", "term_highest"))
    assert value is not None and low is not None and high is not None and low <= value <= high
    assert measured["alignment"] is not None and measured["alignment_highest"] is not None
    assert measured["alignment"] <= measured["alignment_highest"] + 1e-9
    assert (
        measured["alignment_at_lowest"] is not None
        and measured["alignment_at_lowest"] <= measured["alignment_highest"] + 1e-9
    )


def test_every_criterion_has_a_best_rotation_above_the_average_and_above_what_was_trained(
    measured: dict[str, float | None],
) -> None:
    for name in ("alignment", "mig", "sap", "tangent_alignment"):
        trained, turned, highest = (measured[column] for column in (name, f"{name}_turned", f"{name}_highest"))
        assert trained is not None and turned is not None and highest is not None
        assert max(trained, turned) <= highest + 1e-9, name


def test_a_model_that_draws_badly_fills_no_hole(run: Run, measured: dict[str, float | None]) -> None:
    """The smoke training's images are worse than grey ones, in the hole as everywhere."""
    assert measured["hole_relative"] is not None and measured["hole_relative"] > 0.5
    assert measured["hole_well"] == 0


def test_a_unit_that_hardly_varies_counts_nowhere(run: Run) -> None:
    """Its mean tells a factor exactly, at a thousandth of the noise's size."""
    data = dataset.build(run.experiment.data)
    factors = data.parameters[data.train]
    mu = np.column_stack([factors[:, 0], 1e-4 * factors[:, 1], np.zeros(len(factors))])
    assert evaluation._scores(run, mu, factors)["alignment"] < 0.55 < 0.99 < metrics.alignment(mu, factors)
    assert evaluation._scores(run, mu, factors)["mean_correlation"] == 0


def test_the_directions_are_the_best_linear_map(run: Run, measured: dict[str, float | None]) -> None:
    data = dataset.build(run.experiment.data)
    mu, factors = run.embeddings[run.best_epoch], data.parameters[data.train]
    slopes = np.array([[measured[f"direction_{f}_{k}"] for k in (1, 2, 3)] for f in "ab"], dtype=float)
    left = mu - mu.mean(axis=0) - (factors - factors.mean(axis=0)) @ slopes
    assert (factors - factors.mean(axis=0)).T @ left == pytest.approx(np.zeros((2, 3)), abs=1e-3)


@pytest.mark.parametrize("d", [1, 2])
def test_what_fewer_latents_do_not_have_is_none(tmp_path: Path, d: int) -> None:
    small = train(Experiment.from_profile("smoke", **TINY, latent_dim=d), tmp_path, progress=False)
    measured = measure(small)
    assert measured["curl_edge"] is None and "tangent_alignment" not in measured
    assert ("term" in measured) == (d > 1) and (measured["largest_correlation"] is None) == (d == 1)
    assert measured["relative_error"] is not None
    # So short a training with one latent may leave it dead, by the processor's rounding: then it has no dimension.
    alive = disentanglement.active_units(small.embeddings[small.best_epoch], threshold=1e-4) > 0
    assert (measured["twonn"] is not None) == alive


@pytest.mark.parametrize("d", [1, 2])
def test_a_sheet_of_fewer_latents_has_a_dimension_and_a_dead_one_has_none(d: int) -> None:
    factors = np.random.default_rng(0).uniform(0.3, 1.0, size=(400, 2))
    assert evaluation._shape(factors[:, :d], factors)["twonn"] == pytest.approx(d, abs=0.3)
    assert np.isnan(evaluation._shape(np.zeros((400, d)), factors)["twonn"])


def test_a_finished_sheet_is_unmixed(run: Run, measured: dict[str, float | None]) -> None:
    data = dataset.build(run.experiment.data)
    mu, factors = run.embeddings[run.best_epoch].astype("float64"), data.parameters[data.train]
    assert measured["labels_20"] == unmixing.alignment_by_labels(mu, factors, 20)
    assert (measured["independent"] is not None) == bool(metrics.eigenvalues(mu)[1] > 0.01)
    wide = 100 * mu  # however little so short a training unfolds, here is a plane
    plane, unmixed = unmixing.sphered(wide), evaluation._unmixed(wide, factors)
    angles = unmixing.product_by_angle(plane)
    assert unmixed["product_highest"] == metrics.alignment(unmixing.turn(plane, angles.highest), factors)
    assert unmixed["product_lowest"] == metrics.alignment(unmixing.turn(plane, angles.lowest), factors)
    assert unmixed["independent"] == metrics.alignment(unmixing.independent(wide), factors)


def test_linearly_mixed_factors_are_recovered_and_those_on_a_line_are_not() -> None:
    factors = np.random.default_rng(0).uniform([0.5, 0], [2, 2], (600, 2))
    unmixed = evaluation._unmixed(factors @ np.array([[1, 0.5, 0.2], [0.3, -1, 0.4]]), factors)
    assert unmixed["product_highest"] > 0.97 and unmixed["independent"] > 0.97 and unmixed["labels_5"] > 0.999
    assert unmixed["product_lowest"] < 0.53 and 0.7 < unmixed["plane_turned"] < 0.85
    assert unmixed["independent_mig"] > 0.5 and unmixed["independent_disentanglement"] > 0.8
    line = evaluation._unmixed(factors[:, :1] * np.array([1, 2, 3]), factors)
    assert set(line) == set(unmixed) and np.isnan(line["independent"]) and np.isfinite(line["labels_5"])


def test_what_few_images_cannot_determine_is_not_a_number() -> None:
    generator = np.random.default_rng(0)
    factors = generator.uniform(size=(72, 2))
    mu = np.column_stack([factors, factors[:, 0] ** 2]) + 0.1 * generator.normal(size=(72, 3))
    measured = evaluation._unmixed(mu, factors) | evaluation._orientation(mu, factors)
    lost = {"independent_mig", "independent_disentanglement", "disentanglement_at_aligned", "mig_highest", "mig_turned"}
    assert {name for name, value in measured.items() if np.isnan(value)} == lost
