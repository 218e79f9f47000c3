"""Sweep files: what they mean, and mistakes in them."""

from pathlib import Path

import pytest
from sweeping import write

from vaelib import sweep
from vaelib.errors import SettingError
from vaelib.sweep import Sweep


def test_a_block_is_every_value_with_every_other_and_blocks_follow_one_another(tmp_path: Path) -> None:
    wanted = sweep.read(
        write(
            tmp_path / "s.yml",
            "profile: smoke\nsettings: {epochs: 1}\n"
            "grid:\n- {gamma: [0, 1e-2], seed: [0, 1]}\n- {penalty: covariance, gamma: [0, 0.1]}\n",
        )
    )
    assert wanted.points() == [
        {"epochs": 1, "gamma": 0, "seed": 0},
        {"epochs": 1, "gamma": 0, "seed": 1},
        {"epochs": 1, "gamma": "1e-2", "seed": 0},  # as YAML reads it
        {"epochs": 1, "gamma": "1e-2", "seed": 1},
        {"epochs": 1, "penalty": "covariance", "gamma": 0},
        {"epochs": 1, "penalty": "covariance", "gamma": 0.1},
    ]
    made = wanted.experiments()
    assert [(each.profile, each.gamma, each.seed) for each in made[2:4]] == [("smoke", 0.01, 0), ("smoke", 0.01, 1)]
    assert len({each.hash for each in made}) == len(made)


def test_names_that_are_joined_vary_together(tmp_path: Path) -> None:
    text = "grid: {batch_size and epochs: [[4, 2], [16, 8]], seed and data_seed: [0, 1]}"
    wanted = sweep.read(write(tmp_path / "s.yml", text))
    assert wanted.points() == [
        {"batch_size": 4, "epochs": 2, "seed": 0, "data_seed": 0},
        {"batch_size": 4, "epochs": 2, "seed": 1, "data_seed": 1},
        {"batch_size": 16, "epochs": 8, "seed": 0, "data_seed": 0},
        {"batch_size": 16, "epochs": 8, "seed": 1, "data_seed": 1},
    ]
    assert [(made.batch_size, made.seed, made.data_seed) for made in wanted.limited(1).experiments()] == [
        (4, 0, 0),
        (16, 0, 0),
    ]


def test_one_value_serves_all_joined_names_in_one_run_too() -> None:
    assert Sweep(grid={"seed and data_seed": 3}).points() == [{"seed": 3, "data_seed": 3}]
    assert Sweep(grid={"seed and data_seed": 3}).limited(1).points() == [{"seed": 3, "data_seed": 3}]


def test_equal_runs_are_made_once() -> None:
    assert len(Sweep(profile="smoke", grid={"seed": [0, 1, 0]}).experiments()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, r"s\.yml"),
        ("grid: [", r"s\.yml: line 1: expected"),
        ("grid:\n  gamma: [0]\n  seed: [0]\n  gamma: [1]", r"line 4: 'gamma' occurs twice.* line 2 too"),
        ("grid:\n- {seed: 1}\n- {gamma: 0, seed: 2, 'seed': 3}", "line 3: 'seed' occurs twice"),
        ("profile: smoke\ngrid: {seed: 1}\nprofile: book", "line 3: 'profile' occurs twice"),
        ("on: {seed: [1]}", "unknown True; allowed: profile, settings, grid"),
        ("grid: {on: [1]}", "a name in `grid` is True; allowed: text; YAML reads on"),
        ("settings: {penalty: no}", "penalty = False; allowed: entanglement"),
        ("grid: {gamma: 2026-13-45}", r"s\.yml: month must be in 1..12"),
        ("- 1", "not a sweep; allowed: the names profile, settings, grid"),
        ("gird: {seed: [1]}", "unknown 'gird'; allowed: profile, settings, grid"),
        ("grid: 3", "grid = 3"),
        ("settings: {seed: 1}\ngrid: {seed: [1]}", "seed is in `settings` and in `grid`"),
        ("grid: {seed: []}", r"seed = \[\]; allowed: a value, or a list"),
        ("grid: []", r"grid = \[\]; allowed: a block"),
        ("grid: {seed and data_seed: []}", r"seed and data_seed = \[\]; allowed: a value"),
        ("grid: {batch_size and epochs: [[4, 2, 1]]}", r"epochs = \[4, 2, 1\]; allowed: .* a list of 2"),
        ("grid: {seed and data_seed: [0], seed: [1]}", "seed occurs twice in a block"),
        ("settings: {seed: 1}\ngrid: {seed and data_seed: [1]}", "seed is in `settings` and in `grid`"),
        ("grid: {seed and dataseed: [1]}", "unknown setting 'dataseed'.*Did you mean 'data_seed'"),
        ("profile: papre", "profile = 'papre'"),
        ("grid: {gama: [1]}", "unknown setting 'gama'.*Did you mean 'gamma'"),
        ("grid: {gamma: [0, -1]}", "gamma = -1; allowed: numbers from 0 to 1000"),
    ],
)
def test_a_mistake_in_the_file_is_named_before_any_work(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "s.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingError, match=told):
        sweep.read(path).experiments()


def test_a_sweep_of_fewer_seeds_has_the_first_of_each_block() -> None:
    whole = Sweep(profile="smoke", grid=[{"gamma": [0, 1], "seed": [3, 4, 5]}, {"beta": [1, 2]}, {"seed": 9}])
    assert [point.get("seed") for point in whole.limited(2).points()] == [3, 4, 3, 4, None, None, 9]
    assert whole.limited(9) == whole and whole.limited(2).profile == "smoke"
