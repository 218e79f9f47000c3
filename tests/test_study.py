"""The study's trainings and their table, committed or fresh, and each verdict computed anew from the committed one."""

import json
import math
from pathlib import Path

import pytest

from vaelib import claims, ledger, study, sweep
from vaelib.experiment import Experiment, SettingError
from vaelib.vendor import BuildError

# What a fresh build's trainings are compared in.
COMPARED = ("relative_error", "largest_correlation", "alignment", "twonn", "normal_distance", "hole_relative")


@pytest.fixture(scope="module")
def committed() -> study.Table:
    return study.committed()


def test_the_committed_table_has_every_training_of_the_plan_once(committed: study.Table) -> None:
    assert sorted(row["run"] for row in committed.rows) == sorted(each.name for each in study.plan())


def test_the_committed_table_is_small_and_tells_where_it_comes_from(committed: study.Table) -> None:
    files = list(study.COMMITTED.iterdir())
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert committed.origin["runs"] == len(committed.rows) and committed.origin["fresh"]
    assert committed.origin["versions"]["keras"] and committed.origin["hardware"]["processor"]
    assert not committed.origin["git_commit"].endswith("+"), "made by a library that no commit holds"


def test_the_settings_in_the_table_are_those_that_its_runs_are_named_after(committed: study.Table) -> None:
    for row in committed.rows:
        settings = {name: row[name] for name in Experiment.model_fields if name != "snapshots"}
        assert Experiment.from_profile(**settings, snapshots=()).name == row["run"]


def test_every_verdict_follows_from_the_table_by_the_rules(committed: study.Table) -> None:
    for finding in ledger.verdicts(committed.rows):
        rule = finding.rule
        if rule.open:
            assert finding.verdict == "open"
            continue
        assert finding.n >= 5 and math.isfinite(finding.estimate), rule.id
        inside = rule.at[0] < finding.low and finding.high < rule.at[1]
        outside = finding.high < rule.at[0] or finding.low > rule.at[1]
        assert finding.verdict == ("holds" if inside else "fails" if outside else "undecided"), rule.id


def test_fresh_trainings_agree_with_the_committed_ones(committed: study.Table, request: pytest.FixtureRequest) -> None:
    """With --study-table those of a fresh build; without, the committed first two seeds, which have to pass too."""
    given = request.config.getoption("--study-table")
    fresh = sweep.read_table(given) if given else [row for row in committed.rows if row["seed"] < 2]
    assert len(fresh) >= len(study.plan(2))
    assert ledger.unlike(fresh, committed.rows, COMPARED) == []


def test_a_disagreement_is_noticed(committed: study.Table) -> None:
    fresh = [{**row, "relative_error": 3 * row["relative_error"]} for row in committed.rows if row["seed"] < 2]
    told = ledger.unlike(fresh, committed.rows, COMPARED)
    assert len(told) > 5 and all(line.startswith("relative_error") for line in told)


def test_smoke_and_no_seeds_give_the_committed_table(committed: study.Table) -> None:
    for found in (study.table(0), study.table(None, "smoke"), study.table(3, "smoke")):
        assert found.rows == committed.rows and not found.fresh
    with pytest.raises(SettingError, match="sweep_seeds = -1"):
        study.table(-1)


def test_fresh_trainings_are_made_kept_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tmp_path / "plan.yml"
    plan.write_text(
        "profile: smoke\nsettings: {n_images: 80, width: 0.06, epochs: 1, snapshots: []}\n"
        "grid: {gamma: [0, 0.1], seed: [0, 1, 2]}\n"
    )
    monkeypatch.setattr(study, "PLAN", plan)
    found = study.table(2, root=tmp_path / "runs")
    assert found.fresh and found.seeds == 2
    assert [(row["gamma"], row["seed"]) for row in found.rows] == [(0, 0), (0, 1), (0.1, 0), (0.1, 1)]
    assert "4 trainings, 2 seeds a setting, trained to make this page" in found.note().data
    paths = study.keep(found, tmp_path / "kept")
    assert [path.name for path in paths] == ["table.parquet", "table.csv", "provenance.json"]
    assert sweep.read_table(paths[0]) == found.rows
    assert json.loads(paths[2].read_text())["runs"] == 4


def test_a_training_that_fails_twice_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "on_dask", lambda tasks, **_: sweep.Outcome({}, {next(iter(tasks)): "ValueError: no"}))
    with pytest.raises(BuildError, match=r"1 of the study's trainings failed; .*ValueError: no"):
        study.table(1, root=tmp_path)


def test_the_rules_are_about_what_the_table_has(committed: study.Table) -> None:
    for rule in claims.read():
        if not rule.open:
            assert len(ledger.numbers(committed.rows, rule)) >= 5, rule.id
