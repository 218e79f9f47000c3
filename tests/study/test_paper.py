"""The study's four trainings: their settings and what is kept of them, tried on small ones."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_paper import NAMES, SMALL

from vaelib import cli, dataset, figures, metrics, run
from vaelib.errors import DamagedError
from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.run import Run
from vaelib.storage import checkpoint
from vaelib.study import paper
from vaelib.training import train


def test_the_plan_is_the_studys_four_settings_at_its_own_size() -> None:
    planned = paper.plan()
    assert list(planned) == NAMES
    common = Experiment.from_profile("paper")
    assert (common.image_size, common.width, common.epochs, common.batch_size) == (256, 1.0, 30, 8)
    for experiment, (region, beta, gamma, weights) in zip(
        planned.values(),
        (
            ("punctured", 8e-3, 0.0, "per_batch"),
            ("punctured", 1e-3, 0.0, "none"),
            ("full", 1e-3, 1e-4, "none"),
            ("full", 1e-3, 1e-3, "none"),
        ),
        strict=True,
    ):
        own = {"region": region, "beta": beta, "gamma": gamma, "sample_weights": weights}
        assert experiment == common.replace(**own, line_width=2.71 if region == "punctured" else 1.42)
        assert experiment.penalty == "entanglement" and experiment.precision == "float32"


def test_what_is_kept_of_all_four_weighs_less_than_12_megabytes() -> None:
    """At the study's own shapes; a file's size does not depend on the numbers in it."""
    total = 0
    for experiment in paper.plan().values():
        shape = (experiment.epochs + 1, dataset.training_size(experiment), experiment.latent_dim)
        embeddings = np.zeros(shape, "float32")
        files = paper.packed(embeddings, checkpoint.get_weights(VAE(experiment)))
        assert sum(map(len, files.values())) > 2 * (embeddings.size + 549_956)
        total += sum(map(len, files.values()))
    histories = 4 * 8 * 30 * 32  # eight terms of thirty epochs, a number taking 32 bytes at most
    assert total + histories < 12e6


def test_the_figures_are_those_of_the_chapters(paper_runs: dict[str, Run]) -> None:
    for finished in paper_runs.values():
        figures = paper.figures(finished)
        mu, data = finished.embeddings[finished.best_epoch].astype("float64"), dataset.build(finished.experiment.data)
        assert figures["means"] == pytest.approx(mu.mean(axis=0))
        assert figures["deviations"] == pytest.approx(mu.std(axis=0))
        assert figures["correlation"] == pytest.approx(abs(np.corrcoef(mu.T) - np.eye(3)).max())
        assert figures["linear_r2"] == pytest.approx(metrics.linear_r2(mu, data.parameters[data.train]))
        images = dataset.transect_images("P1", finished.experiment)
        errors = ((images / 255 - finished.reconstruct(images)) ** 2).mean(axis=(1, 2))
        inside = abs(np.linspace(0, 2, 15) - 1) < 0.3  # b along P1, whose a is the hole's centre's
        assert figures["p1_inside"] == pytest.approx(errors[inside].mean(), rel=1e-5)
        assert figures["p1_outside"] == pytest.approx(errors[~inside].mean(), rel=1e-5)
        assert figures["p1_ratio"] == pytest.approx(errors[inside].mean() / errors[~inside].mean(), rel=1e-5)
        assert figures["seconds_per_epoch"] == finished.provenance["wall_time"]
        assert figures["images_per_second"] == finished.provenance["images_per_second"]
        assert figures["loss"] == finished.history["loss"][-1]
        assert figures["val_loss"] == finished.history["val_loss"][-1]


def test_without_a_hole_there_is_no_ratio(tmp_path: Path) -> None:
    experiment = Experiment.from_profile("smoke", n_images=40, epochs=1, width=0.06, hole_radius=0.0)
    figures = paper.figures(train(experiment, tmp_path, progress=False))
    assert figures["p1_inside"] is None and figures["p1_ratio"] is None and figures["p1_outside"] > 0


def test_what_is_kept_is_read_again(paper_runs: dict[str, Run], paper_folder: Path) -> None:
    kept_runs = paper.kept(paper_folder)
    assert list(kept_runs) == NAMES
    for name, kept in kept_runs.items():
        finished = paper_runs[name]
        assert kept.experiment == finished.experiment and kept.best_epoch == finished.best_epoch
        assert kept.provenance == finished.provenance and kept.figures == paper.figures(finished)
        assert {term: list(values) for term, values in finished.history.items()} == kept.history
        assert kept.embeddings.dtype == np.float16
        np.testing.assert_allclose(kept.embeddings, finished.embeddings, rtol=1e-3, atol=1e-7)


def test_the_kept_weights_encode_and_decode_as_the_runs(paper_runs: dict[str, Run], paper_folder: Path) -> None:
    for name, kept in paper.kept(paper_folder).items():
        model = VAE(kept.experiment)
        checkpoint.set_weights(model, dict(kept.weights))
        images = dataset.build(kept.experiment.data).images
        expected = paper_runs[name].encode(images)
        mu = run.encode_all(model, images)
        np.testing.assert_allclose(mu, expected, rtol=0, atol=5e-3 * abs(expected).max())
        # Less than one of 255 grey levels.
        np.testing.assert_allclose(run.decode_all(model, expected), paper_runs[name].decode(expected), atol=1 / 255)


def test_a_kept_run_that_is_damaged_is_named(paper_folder: Path) -> None:
    file = paper_folder / "punctured" / "weights.npz"
    file.write_bytes(file.read_bytes()[:-1])
    for read in (paper.kept, figures.paper.table):
        with pytest.raises(DamagedError, match=r"punctured/weights\.npz is not what was written"):
            read(paper_folder)


def test_the_command_trains_the_four_keeps_them_and_goes_on(
    paper_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = paper.plan(**SMALL)
    monkeypatch.setattr(paper, "plan", lambda **settings: small)
    root = next(iter(paper_runs.values())).path.parent
    made = {path: path.stat().st_mtime_ns for path in root.rglob("*.json")}
    monkeypatch.setattr(sys, "argv", ["vaelib", "paper", "--root", str(root), "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: {finished.path}, kept in {tmp_path / name}" for name, finished in paper_runs.items()]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.json")} == made, "a finished run was trained again"
    assert list(paper.kept(tmp_path)) == NAMES


def test_what_the_project_keeps_is_complete_and_of_the_planned_settings() -> None:
    planned = paper.plan()
    for name, kept in paper.kept(paper.kept_folder()).items():
        assert kept.experiment == planned[name]
        assert kept.provenance["git_commit"] and kept.provenance["versions"]["keras"]
    assert sum(file.stat().st_size for file in paper.kept_folder().rglob("*") if file.is_file()) < 12e6


def test_importing_it_loads_no_keras() -> None:
    heavy = {"keras", "tensorflow", "jax", "matplotlib"}
    program = f"import sys, vaelib.study.paper; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
