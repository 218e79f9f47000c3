"""The study's trainings and their table, committed or fresh, and each verdict computed anew from the committed one."""

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rounds import unlike
from scipy import stats
from scipy.linalg import polar
from scipy.spatial.transform import Rotation

from vaelib import study, sweep
from vaelib.book import chapters
from vaelib.errors import BuildError, SettingError
from vaelib.experiment import Experiment
from vaelib.nn.rotation import initial_rotation
from vaelib.storage import results
from vaelib.study import claims, replication, trainings, verdicts
from vaelib.sweep import grid_training, tables

ROOT = Path(__file__).parents[2]
CHAPTERS = ("06_disentanglement", "11_ledger")


@pytest.fixture(scope="module")
def committed() -> study.Table:
    return study.committed()


@pytest.fixture(scope="module")
def earlier() -> study.Table:
    """Return what an earlier round, of the same seeds on another kind of machine, gave in the compared numbers."""
    return study.earlier()


def test_the_committed_table_has_every_training_of_the_plan_once(committed: study.Table) -> None:
    assert sorted(row["run"] for row in committed.rows) == sorted(experiment.name for experiment in study.plan())


def test_the_committed_table_is_small_and_says_where_it_comes_from(committed: study.Table) -> None:
    files = list((results.folder() / "sweep").iterdir())
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert committed.origin["runs"] == len(committed.rows) and committed.origin["fresh"]
    assert committed.origin["versions"]["keras"] and committed.origin["hardware"]["processor"]
    assert not committed.origin["git_commit"].endswith("+"), "made by a library that no commit holds"


def test_the_settings_in_the_table_are_those_that_its_runs_are_named_after(committed: study.Table) -> None:
    for row in committed.rows:
        settings = {name: row[name] for name in Experiment.model_fields if name != "snapshots"}
        assert Experiment.from_profile(**settings, snapshots=()).name == row["run"]


def test_the_rules_are_those_that_stood_when_the_trainings_were_made(committed: study.Table) -> None:
    assert committed.origin["rules"] == claims.fingerprint()
    # Each row says which commit trained it, the table's origin which one measured it last; none is an unknown library.
    commits, last = committed.origin["commits"], committed.origin["git_commit"]
    assert commits == sorted({row["git_commit"] for row in committed.rows})
    assert all(re.fullmatch("[0-9a-f]{40}", commit) for commit in [*commits, last])


def test_every_verdict_follows_from_the_table_by_the_rules(committed: study.Table) -> None:
    """Each is computed anew, from the file and by textbook formulas; of the library only the starts' drawn turns."""
    with open(results.folder() / "sweep" / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    document = yaml.safe_load(claims.RULES.read_text(encoding="utf-8"))
    own = {entry["id"] for entry in document["own"]}
    rules = [*claims.read(), *(rule for rule in claims.compared()[0] if rule.id in own)]
    findings = {finding.rule.id: finding for finding in verdicts.judge(committed.rows, rules)}
    assert len(findings) == len(document["claims"]) + len(document["own"])
    for entry in [*document["claims"], *document["own"]]:
        finding = findings[entry["id"]]
        if "open" in entry:
            assert finding.verdict == "open"
            continue
        numbers = by_hand(rows, entry)
        low, high = interval_by_hand(numbers, entry.get("kind", "mean"))
        assert len(numbers) >= 5 and finding.n == len(numbers), entry["id"]
        assert (finding.low, finding.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6), entry["id"]
        inside = entry["at"][0] < low and high < entry["at"][1]
        outside = high < entry["at"][0] or low > entry["at"][1]
        assert finding.verdict == ("holds" if inside else "fails" if outside else "undecided"), entry["id"]


def by_hand(rows: list[dict[str, str]], entry: dict[str, Any]) -> list[float]:
    """Return what a rule takes of each seed."""
    kind, of = entry.get("kind", "mean"), entry.get("of", "")
    plain = {
        "region": "full", "sample_weights": "none", "latent_dim": 3, "variance": "constant",
        "initial_rotation": "none", "beta": 0.001, "penalty": "entanglement", "gamma": 0, "batch_size": 8,
    }  # fmt: skip

    def runs(settings: dict[str, Any]) -> dict[int, dict[str, str]]:
        wanted = {**plain, **settings}

        def same(row: dict[str, str], name: str) -> bool:
            if isinstance(wanted[name], str):
                return row[name] == wanted[name]
            return math.isclose(float(row[name]), wanted[name], rel_tol=1e-9)

        names = [name for name in wanted if name != "penalty" or wanted["gamma"]]
        return {int(row["seed"]): row for row in rows if all(same(row, name) for name in names)}

    def number(row: dict[str, str]) -> float:
        parts = {"curl": ("curl_edge", "curl_middle"), "bending_a": ("turning_a", "straight_a")}
        parts["bending_b"] = ("turning_b", "straight_b")
        if of in parts:
            minuend, subtrahend = (row[name] for name in parts[of])
            return float(minuend) - float(subtrahend) if minuend and subtrahend else math.nan
        return float(row[of]) if row[of] else math.nan

    first = runs(entry.get("runs", {}))
    if kind in ("mean", "share"):
        values = [number(row) for row in first.values()]
        low, high = entry.get("between", (-math.inf, math.inf))
        return [x if kind == "mean" else float(low <= x <= high) for x in values if math.isfinite(x)]
    other = runs(entry["against"])
    seeds = sorted(first.keys() & other.keys())
    if kind == "turned":
        return [turned_by_hand(first[s], other[s]) for s in seeds]
    if kind == "effects":
        third = runs(entry["other"])
        seeds = sorted(set(seeds) & third.keys())
        logs = [np.array([math.log(number(group[s]) / number(other[s])) for s in seeds]) for group in (first, third)]
        return [float(x) for x in np.sign(logs[0].mean()) * logs[0] - np.sign(logs[1].mean()) * logs[1]]
    pairs = [(number(first[s]), number(other[s])) for s in seeds]
    values = [math.log(a / b) if kind == "ratio" else a - b for a, b in pairs]
    return [x for x in values if math.isfinite(x)]


def turned_by_hand(row: dict[str, str], base: dict[str, str]) -> float:
    """Return the degrees between the turn from one sheet to the other and the turn of the weights they started from."""

    def frame(of: dict[str, str]) -> Any:
        a, b = (np.array([float(of[f"direction_{name}_{k}"]) for k in (1, 2, 3)]) for name in "ab")
        plane = polar(np.column_stack([a / np.linalg.norm(a), b / np.linalg.norm(b)]))[0]
        return np.column_stack([plane, np.cross(*plane.T)])

    start = Experiment.from_profile("sweep", seed=int(row["seed"]), initial_rotation=row["initial_rotation"])
    drawn = initial_rotation(start)
    turn = np.eye(3) if drawn is None else drawn.T
    left, right = frame(row), frame(base)
    left[:, 2] *= np.sign(np.linalg.det(turn))
    return float(np.degrees(Rotation.from_matrix(left @ right.T @ turn.T).magnitude()))


def interval_by_hand(numbers: list[float], kind: str) -> tuple[float, float]:
    if kind == "share":
        exact = stats.binomtest(int(sum(numbers)), len(numbers)).proportion_ci(0.95, method="exact")
        return exact.low, exact.high
    low, high = stats.t.interval(0.95, len(numbers) - 1, loc=np.mean(numbers), scale=stats.sem(numbers))
    return (math.exp(low), math.exp(high)) if kind == "ratio" else (float(low), float(high))


def test_fresh_trainings_agree_with_the_committed_ones(
    committed: study.Table, earlier: study.Table, request: pytest.FixtureRequest
) -> None:
    """With --study-table those of a fresh build; without, each round's first seeds, which have to pass too.

    They are compared with both rounds together. The same seed ends elsewhere on another processor, since training
    amplifies rounding: a round is one more draw of what a seed can give, and one alone shows too small a spread.
    """
    given = request.config.getoption("--study-table")
    both = [committed.rows, earlier.rows]
    own = [first_seeds(rows, count) for rows in both for count in (1, 2)]
    for fresh in [tables.read_table(given)] if given else own:
        assert len(fresh) >= len(study.plan(1))
        assert unlike(fresh, study.both_rounds()) == []


def first_seeds(rows: list[dict[str, Any]], count: int = 1) -> list[dict[str, Any]]:
    return [row for row in rows if row["seed"] < count]


def test_the_earlier_round_has_the_same_trainings_and_says_where_it_comes_from(
    committed: study.Table, earlier: study.Table
) -> None:
    assert sorted(row["run"] for row in earlier.rows) == sorted(row["run"] for row in committed.rows)
    origin = earlier.origin
    assert origin["hardware"]["processor"] != committed.origin["hardware"]["processor"]
    assert origin["rules"] == committed.origin["rules"] and origin["runs"] == len(earlier.rows)
    # No training is counted twice: hardly any ended in the same numbers.
    assert replication.same(earlier.rows, committed.rows) < 0.02 * len(earlier.rows)


@pytest.mark.parametrize("factor", [1.4, 1 / 1.4])
def test_errors_that_differ_everywhere_are_noticed(committed: study.Table, factor: float) -> None:
    fresh = [{**row, "relative_error": factor * row["relative_error"]} for row in first_seeds(committed.rows)]
    lines = unlike(fresh, study.both_rounds())
    assert any("relative_error over all" in line for line in lines)


# The columns of a table, and the number that is made of them.
LOST = {name: name for name in replication.COLUMNS if not name.startswith(("curl", "bending"))} | {
    "curl_edge": "curl",
    "turning_a": "bending_a",
    "turning_b": "bending_b",
}


@pytest.mark.parametrize("name", LOST)
def test_numbers_that_are_lost_are_noticed(committed: study.Table, name: str) -> None:
    fresh = [{**row, name: 1e-9} for row in first_seeds(committed.rows)]
    lines = unlike(fresh, study.both_rounds())
    assert any(f"{LOST[name]} over all" in line for line in lines)
    assert all(line.startswith(LOST[name]) for line in lines)


def test_every_number_that_a_rule_takes_is_held_against_the_kept_ones() -> None:
    taken = {rule.of for rule in [*claims.read(), *claims.compared()[0]] if rule.of}
    assert taken <= set(replication.COLUMNS)


def test_the_two_sizes_of_training_pass_the_check_that_was_laid_down(request: pytest.FixtureRequest) -> None:
    """On a built book: no rule holds here and fails there, and as many are decided at both sizes as the rules ask."""
    page = (request.config.getoption("--html-pages") / "notebooks" / "11_ledger.html").read_text(encoding="utf-8")
    assert re.search(r">0</span> of them the opposite way .{,80}: the check <span[^>]*>passes<", page)


def test_smoke_and_no_seeds_give_the_committed_table(committed: study.Table) -> None:
    for table in (study.table(0), study.table(None, "smoke"), study.table(3, "smoke")):
        assert table.rows == committed.rows and not table.fresh
        assert table.anew is None and table.trained is None
    with pytest.raises(SettingError, match="sweep_seeds = -1"):
        study.table(-1)


def test_the_readme_counts_the_trainings_that_a_build_makes_and_all_of_them() -> None:
    chapters_of_the_study = [chapters.prepare(ROOT / "notebooks" / f"{name}.ipynb", {}) for name in CHAPTERS]
    assert [chapter.values["sweep_seeds"] for chapter in chapters_of_the_study] == [1, 1]
    readme = (ROOT / "README.md").read_text()
    assert f"one seed of each setting, {len(study.plan(1))} trainings," in readme
    assert readme.count(f"all {len(study.plan())}") == 2


def trained(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> None:
    """Let trainings end at once, with these rows."""
    by_name = {row["run"]: row for row in rows}
    ends = {"train_grid": lambda asked, root: sweep.Outcome({wanted.name: by_name[wanted.name] for wanted in asked})}
    monkeypatch.setattr(sweep, "train_grid", ends["train_grid"])


def test_a_few_fresh_trainings_stand_beside_the_kept_table(
    committed: study.Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained(monkeypatch, committed.rows)
    table = study.table(2, root=tmp_path)
    assert table.rows == committed.rows and not table.fresh and table.origin == committed.origin
    assert table.trained is table.anew and table.anew is not None and table.anew.fresh
    assert sorted(row["run"] for row in table.anew.rows) == sorted(experiment.name for experiment in study.plan(2))
    note = table.note().data
    compared = len(replication.compare(table.anew.rows, study.both_rounds()))
    assert f"{len(committed.rows)} trainings, 5 to 20 seeds a setting, from the table that is kept" in note
    assert f"Trained again to make this page: {len(table.anew.rows)} trainings, 2 seeds a setting" in note
    assert f"{compared} of {compared} comparisons with the kept ones agree" in note
    paths = study.keep(table, tmp_path / "kept")
    assert tables.read_table(paths[0]) == table.anew.rows, "what is kept of a build is what it trained"
    assert json.loads(paths[2].read_text())["fresh"]


def test_what_does_not_agree_is_said_on_the_page(
    committed: study.Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained(monkeypatch, [{**row, "alignment": 0.1} for row in committed.rows])
    match = re.search(r"(\d+) of (\d+) comparisons", study.table(2, root=tmp_path).note().data)
    assert match and int(match[2]) - int(match[1]) > 20
    match = re.search(
        r"again to make this page: (.*?) \(.*; (\d+) of (\d+) comp", study.table(1, root=tmp_path).note().data
    )
    assert match and match[1] == "52 trainings, 1 seed a setting"
    assert int(match[3]) == len(replication.COLUMNS) and int(match[3]) - int(match[2]) == 1


def test_all_trainings_made_anew_are_the_table(
    committed: study.Table, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained(monkeypatch, committed.rows)
    table = study.table(None, root=tmp_path)
    assert table.fresh and table.anew is None and table.trained is table and len(table.rows) == len(committed.rows)


def test_fresh_trainings_are_made_kept_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tmp_path / "plan.yml"
    plan.write_text(
        "profile: smoke\nsettings: {n_images: 80, width: 0.06, epochs: 1, snapshots: []}\n"
        "grid: {gamma: [0, 0.1], seed: [0, 1, 2]}\n"
    )
    monkeypatch.setattr(trainings, "PLAN", plan)
    table = study.table(2, root=tmp_path / "runs")
    assert table.fresh and table.seeds == 2
    assert [(row["gamma"], row["seed"]) for row in table.rows] == [(0, 0), (0, 1), (0.1, 0), (0.1, 1)]
    assert "4 trainings, 2 seeds a setting, trained to make this page" in table.note().data
    paths = study.keep(table, tmp_path / "kept")
    assert [path.name for path in paths] == ["table.parquet", "table.csv", "provenance.json"]
    assert tables.read_table(paths[0]) == table.rows
    assert json.loads(paths[2].read_text())["runs"] == 4


def test_a_training_that_fails_twice_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        grid_training, "on_dask", lambda tasks, **_: sweep.Outcome({}, {next(iter(tasks)): "ValueError: no"})
    )
    with pytest.raises(BuildError, match=r"failed trainings: 1 of 52; .*ValueError: no"):
        study.table(1, root=tmp_path)


def test_the_rules_are_about_what_the_table_has(committed: study.Table) -> None:
    for rule in claims.read():
        if not rule.open:
            assert len(verdicts.numbers(committed.rows, rule)) >= 5, rule.id
