"""The table of the trainings at the study's own size: every number and origin under its run."""

import re
from pathlib import Path

from small_paper import NAMES

from vaelib import figures, storage
from vaelib.run import Run
from vaelib.study import paper


def rows(table: str) -> dict[str, list[str]]:
    """Return the cells of each row by the row's first cell."""
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
    return {cells[0]: cells[1:] for cells in lines}


def test_the_table_has_the_studys_numbers_the_kept_and_the_fresh_with_their_origin(
    paper_runs: dict[str, Run], paper_folder: Path
) -> None:
    fresh = paper_runs["punctured"]
    text = figures.paper.table(paper_folder, fresh).data
    assert "Not made yet" not in text
    table = rows(text)
    assert table[""] == ["the study", *(f"kept: {name}" for name in NAMES), "this build"]
    assert all(len(cells) == 6 for cells in table.values())
    assert table["P1, inside over outside"][0].startswith("2.27")
    assert table["P1, inside over outside"][5] == f"{paper.figures(fresh)['p1_ratio']:.2f}"
    for place, run in enumerate(paper_runs.values(), 1):
        numbers = paper.figures(run)
        assert table["means of the latents"][place] == ", ".join(f"{mean:.2f}" for mean in numbers["means"])
        assert table["P1, squared error inside the hole, 10⁻³"][place] == f"{1000 * numbers['p1_inside']:.2f}"
        origin = run.provenance
        assert origin["hardware"]["processor"] in table["device"][place]
        assert table["commit"][place].rstrip("+") == (origin["git_commit"] or "–")[:12]
        assert table["commit"][place].endswith("+") == (origin["git_commit"] or "–").endswith("+")
        assert f"keras {origin['versions']['keras']}" in table["versions"][place]
        assert f"{run.experiment.region}, 32 px, 1 epochs" in table["settings"][place]


def test_a_kept_run_of_a_gpu_names_it(paper_folder: Path) -> None:
    file = paper_folder / "punctured" / "run.json"
    record = storage.read_json(file)
    record["provenance"]["accelerator"] = "NVIDIA H100 80GB HBM3"
    storage.write_json(file, record)
    assert rows(figures.paper.table(paper_folder).data)["device"][2] == "NVIDIA H100 80GB HBM3"


def test_with_nothing_kept_a_line_says_so_and_how_to_make_it(paper_runs: dict[str, Run], tmp_path: Path) -> None:
    text = figures.paper.table(tmp_path / "absent").data
    assert text.count("<p") == 1 and "<table" not in text
    assert "Not made yet, since they want a GPU" in text and "KERAS_BACKEND=jax vaelib paper" in text
    assert all(name in text for name in NAMES)
    with_fresh = figures.paper.table(tmp_path, paper_runs["punctured"]).data
    assert with_fresh.startswith(text) and rows(with_fresh)[""] == ["the study", "this build"]


def test_missing_runs_are_named_beside_the_kept_ones(paper_runs: dict[str, Run], tmp_path: Path) -> None:
    assert paper.keep(paper_runs["punctured"], tmp_path) == tmp_path / "punctured"
    text = figures.paper.table(tmp_path).data
    assert "(punctured-weighted, full-gamma0.0001, full-gamma0.001)" in text
    assert rows(text)[""] == ["the study", "kept: punctured"]
