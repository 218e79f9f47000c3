"""The study's four trainings: their settings, what is kept of them, and the table, tried on tiny ones."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vaelib import cli, dataset, figures, metrics, run, storage
from vaelib.errors import DamagedError
from vaelib.experiment import Experiment
from vaelib.model import VAE
from vaelib.run import Run
from vaelib.storage import checkpoint
from vaelib.study import paper
from vaelib.training import train

NAMES = ["punctured-weighted", "punctured", "full-gamma0.0001", "full-gamma0.001"]
SMALL = {"image_size": 32, "n_images": 60, "epochs": 1, "width": 0.125}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("runs")
    return {name: train(each, root, progress=False) for name, each in paper.plan(**SMALL).items()}


@pytest.fixture
def folder(runs: dict[str, Run], tmp_path: Path) -> Path:
    """All four, kept in another order than the plan's."""
    for each in reversed(runs.values()):
        paper.keep(each, tmp_path)
    return tmp_path


def test_the_plan_is_the_studys_four_settings_at_its_own_size() -> None:
    planned = paper.plan()
    assert list(planned) == NAMES
    common = Experiment.from_profile("paper")
    assert (common.image_size, common.width, common.epochs, common.batch_size) == (256, 1.0, 30, 8)
    for each, (region, beta, gamma, weights) in zip(
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
        assert each == common.replace(**own, line_width=2.71 if region == "punctured" else 1.42)
        assert each.penalty == "entanglement" and each.precision == "float32"


def test_what_is_kept_of_all_four_weighs_less_than_12_megabytes() -> None:
    """At the study's own shapes; a file's size does not depend on the numbers in it."""
    total = 0
    for each in paper.plan().values():
        embeddings = np.zeros((each.epochs + 1, dataset.training_size(each), each.latent_dim), "float32")
        files = paper.packed(embeddings, checkpoint.get_weights(VAE(each)))
        assert sum(map(len, files.values())) > 2 * (embeddings.size + 549_956)
        total += sum(map(len, files.values()))
    histories = 4 * 8 * 30 * 32  # eight terms of thirty epochs, a number taking 32 bytes at most
    assert total + histories < 12e6


def test_the_figures_are_those_of_the_chapters(runs: dict[str, Run]) -> None:
    for each in runs.values():
        found = paper.figures(each)
        mu, data = each.embeddings[each.best_epoch].astype("float64"), dataset.build(each.experiment.data)
        assert found["means"] == pytest.approx(mu.mean(axis=0)) and found["deviations"] == pytest.approx(mu.std(axis=0))
        assert found["correlation"] == pytest.approx(abs(np.corrcoef(mu.T) - np.eye(3)).max())
        assert found["linear_r2"] == pytest.approx(metrics.linear_r2(mu, data.parameters[data.train]))
        images = dataset.transect_images("P1", each.experiment)
        errors = ((images / 255 - each.reconstruct(images)) ** 2).mean(axis=(1, 2))
        inside = abs(np.linspace(0, 2, 15) - 1) < 0.3  # b along P1, whose a is the hole's centre's
        assert found["p1_inside"] == pytest.approx(errors[inside].mean(), rel=1e-5)
        assert found["p1_outside"] == pytest.approx(errors[~inside].mean(), rel=1e-5)
        assert found["p1_ratio"] == pytest.approx(errors[inside].mean() / errors[~inside].mean(), rel=1e-5)
        assert found["seconds_per_epoch"] == each.provenance["wall_time"]
        assert found["images_per_second"] == each.provenance["images_per_second"]
        assert (found["loss"], found["val_loss"]) == (each.history["loss"][-1], each.history["val_loss"][-1])


def test_without_a_hole_there_is_no_ratio(tmp_path: Path) -> None:
    experiment = Experiment.from_profile("smoke", n_images=40, epochs=1, width=0.06, hole_radius=0.0)
    found = paper.figures(train(experiment, tmp_path, progress=False))
    assert found["p1_inside"] is None and found["p1_ratio"] is None and found["p1_outside"] > 0


def test_what_is_kept_is_read_again(runs: dict[str, Run], folder: Path) -> None:
    found = paper.kept(folder)
    assert list(found) == NAMES
    for name, each in found.items():
        finished = runs[name]
        assert each.experiment == finished.experiment and each.best_epoch == finished.best_epoch
        assert each.provenance == finished.provenance and each.figures == paper.figures(finished)
        assert {term: list(values) for term, values in finished.history.items()} == each.history
        assert each.embeddings.dtype == np.float16
        np.testing.assert_allclose(each.embeddings, finished.embeddings, rtol=1e-3, atol=1e-7)


def test_the_kept_weights_encode_and_decode_as_the_runs(runs: dict[str, Run], folder: Path) -> None:
    for name, each in paper.kept(folder).items():
        model = VAE(each.experiment)
        checkpoint.set_weights(model, dict(each.weights))
        images = dataset.build(each.experiment.data).images
        expected = runs[name].encode(images)
        mu = run.encode_all(model, images)
        np.testing.assert_allclose(mu, expected, rtol=0, atol=5e-3 * abs(expected).max())
        # Under one of 255 greys.
        np.testing.assert_allclose(run.decode_all(model, expected), runs[name].decode(expected), atol=1 / 255)


def test_a_kept_run_that_is_damaged_is_named(folder: Path) -> None:
    file = folder / "punctured" / "weights.npz"
    file.write_bytes(file.read_bytes()[:-1])
    for read in (paper.kept, figures.paper.table):
        with pytest.raises(DamagedError, match=r"punctured/weights\.npz is not what was written"):
            read(folder)


def rows(table: str) -> dict[str, list[str]]:
    """Return the cells of a table by the first of its row."""
    found = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
    return {cells[0]: cells[1:] for cells in found}


def test_the_table_has_the_studys_numbers_the_kept_and_the_fresh_with_their_origin(
    runs: dict[str, Run], folder: Path
) -> None:
    fresh = runs["punctured"]
    text = figures.paper.table(folder, fresh).data
    assert "Not made yet" not in text
    found = rows(text)
    assert found[""] == ["the study", *(f"kept: {name}" for name in NAMES), "this build"]
    assert all(len(cells) == 6 for cells in found.values())
    assert found["P1, inside over outside"][0].startswith("2.27")
    assert found["P1, inside over outside"][5] == f"{paper.figures(fresh)['p1_ratio']:.2f}"
    for place, each in enumerate(runs.values(), 1):
        numbers = paper.figures(each)
        assert found["means of the latents"][place] == ", ".join(f"{mean:.2f}" for mean in numbers["means"])
        assert found["P1, squared error inside the hole, 10⁻³"][place] == f"{1000 * numbers['p1_inside']:.2f}"
        origin = each.provenance
        assert origin["hardware"]["processor"] in found["device"][place]
        assert found["commit"][place].rstrip("+") == (origin["git_commit"] or "–")[:12]
        assert found["commit"][place].endswith("+") == (origin["git_commit"] or "–").endswith("+")
        assert f"keras {origin['versions']['keras']}" in found["versions"][place]
        assert f"{each.experiment.region}, 32 px, 1 epochs" in found["settings"][place]


def test_a_kept_run_of_a_gpu_names_it(folder: Path) -> None:
    file = folder / "punctured" / "run.json"
    told = storage.read_json(file)
    told["provenance"]["accelerator"] = "NVIDIA H100 80GB HBM3"
    storage.write_json(file, told)
    assert rows(figures.paper.table(folder).data)["device"][2] == "NVIDIA H100 80GB HBM3"


def test_with_nothing_kept_a_line_says_so_and_how_to_make_it(runs: dict[str, Run], tmp_path: Path) -> None:
    text = figures.paper.table(tmp_path / "absent").data
    assert text.count("<p") == 1 and "<table" not in text
    assert "Not made yet, since they want a GPU" in text and "KERAS_BACKEND=jax vaelib paper" in text
    assert all(name in text for name in NAMES)
    with_fresh = figures.paper.table(tmp_path, runs["punctured"]).data
    assert with_fresh.startswith(text) and rows(with_fresh)[""] == ["the study", "this build"]


def test_what_is_missing_is_told_beside_what_is_there(runs: dict[str, Run], tmp_path: Path) -> None:
    assert paper.keep(runs["punctured"], tmp_path) == tmp_path / "punctured"
    text = figures.paper.table(tmp_path).data
    assert "(punctured-weighted, full-gamma0.0001, full-gamma0.001)" in text
    assert rows(text)[""] == ["the study", "kept: punctured"]


def test_the_command_trains_the_four_keeps_them_and_goes_on(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = paper.plan(**SMALL)
    monkeypatch.setattr(paper, "plan", lambda **settings: small)
    root = next(iter(runs.values())).path.parent
    made = {path: path.stat().st_mtime_ns for path in root.rglob("*.json")}
    monkeypatch.setattr(sys, "argv", ["vaelib", "paper", "--root", str(root), "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}: {each.path}, kept in {tmp_path / name}" for name, each in runs.items()]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.json")} == made, "a finished run was trained again"
    assert list(paper.kept(tmp_path)) == NAMES


def test_what_the_project_keeps_is_whole_and_of_the_planned_settings() -> None:
    planned = paper.plan()
    for name, each in paper.kept(paper.kept_folder()).items():
        assert each.experiment == planned[name]
        assert each.provenance["git_commit"] and each.provenance["versions"]["keras"]
    assert sum(file.stat().st_size for file in paper.kept_folder().rglob("*") if file.is_file()) < 12e6


def test_importing_it_loads_no_keras() -> None:
    heavy = {"keras", "tensorflow", "jax", "matplotlib"}
    program = f"import sys, vaelib.study.paper; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
