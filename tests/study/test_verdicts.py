"""What the rules take from the table: the right runs, paired by seed, and the angle between turned embeddings."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sweep_rows import SWEEP, run

from vaelib.errors import SettingError
from vaelib.nn.rotation import initial_rotation
from vaelib.study import claims, verdicts
from vaelib.study.claims import Rule


def rule(**more: Any) -> Rule:
    return Rule(**{"id": "x", "said": "s", "of": "error", "at": (0, 1), "measured": "m", "because": "b", **more})


def test_runs_are_picked_by_what_is_named_and_the_profile_for_the_rest() -> None:
    rows = [
        run(seed=1),
        run(seed=0),
        run(gamma=0.1),
        run(gamma=0.1, penalty="covariance"),
        run(beta=0.01),
        run(gamma=0.1, batch_size=32),
        run(region="punctured"),
        run(latent_dim=2),
    ]
    assert verdicts.pick(rows) == [rows[1], rows[0]]
    assert verdicts.pick(rows, gamma=0.1) == [rows[2]]
    assert verdicts.pick(rows, gamma=0.1, penalty="covariance") == [rows[3]]
    assert verdicts.pick(rows, gamma=0, penalty="covariance") == [rows[1], rows[0]], (
        "a penalty without a weight is none"
    )
    assert verdicts.pick(rows, region="punctured") == [rows[6]] and verdicts.pick(rows, latent_dim=4) == []
    with pytest.raises(SettingError, match="'colour'"):
        verdicts.pick(rows, colour=1)


def test_seeds_are_paired_and_those_without_a_partner_left_out() -> None:
    rows = [run(v, seed=s) for s, v in enumerate([1.0, 2.0, 3.0])]
    rows += [run(v, seed=s, gamma=0.1) for s, v in ((2, 6.0), (0, 4.0), (7, 9.0))]
    paired = {"runs": {"gamma": 0.1}, "against": {}}
    assert verdicts.numbers(rows, rule(kind="difference", **paired)) == [3, 3]
    assert np.exp(verdicts.numbers(rows, rule(kind="ratio", **paired))) == pytest.approx([4, 2])
    assert verdicts.numbers(rows, rule()) == [1, 2, 3]
    assert verdicts.numbers(rows, rule(kind="share", between=(1.5, 3))) == [0, 1, 1]


def test_effects_compare_the_sizes_of_means_and_not_of_scatter() -> None:
    rows = [run(1.0, seed=s) for s in range(4)]
    rows += [run(v, seed=s, gamma=0.1) for s, v in enumerate([1 / 4, 1 / 4, 1 / 4, 1 / 4])]
    rows += [run(v, seed=s, variance="learned") for s, v in enumerate([1 / 8, 8, 1 / 8, 8])]
    effects = rule(kind="effects", runs={"variance": "learned"}, against={}, other={"gamma": 0.1})
    # Learned scatters by a factor of 8 about no effect at all; the other has one of 4.
    assert np.mean(verdicts.numbers(rows, effects)) == pytest.approx(-math.log(4))
    turned = rule(kind="effects", runs={"gamma": 0.1}, against={}, other={"variance": "learned"})
    assert np.mean(verdicts.numbers(rows, turned)) == pytest.approx(math.log(4))
    assert verdicts.numbers(rows[:4], effects) == []


def test_what_is_undefined_does_not_count_and_what_does_not_exist_is_named() -> None:
    rows = [run(1.0), run(None, seed=1), run(math.nan, seed=2)]  # type: ignore[arg-type]
    assert verdicts.numbers(rows, rule()) == [1.0]
    assert verdicts.numbers(rows, rule(open="not tried")) == []
    with pytest.raises(SettingError, match="'magic'"):
        verdicts.numbers(rows, rule(of="magic"))


def test_derived_numbers() -> None:
    row = run(curl_edge=30.0, curl_middle=10.0, turning_b=80.0, straight_b=3.0, hole_relative=0.2, relative_error=0.1)
    assert [verdicts.value(row, name) for name in ("curl", "bending_b", "hole_ratio")] == [20, 77, 2]
    assert math.isnan(verdicts.value(run(curl_edge=None, curl_middle=None), "curl"))


def directions(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    return {f"direction_{f}_{k + 1}": v for f, vector in (("a", a), ("b", b)) for k, v in enumerate(vector)}


@pytest.mark.parametrize("kind", ["rotation", "signed_permutation"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("degrees", [0.0, 7.0, 120.0])
def test_a_turned_embedding_is_as_far_off_as_it_was_turned_further(kind: str, seed: int, degrees: float) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.standard_normal((2, 3))
    turned = SWEEP.replace(seed=seed, initial_rotation=kind)
    turn = initial_rotation(turned)
    assert turn is not None
    axis = generator.standard_normal(3)
    more = Rotation.from_rotvec(math.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()
    base = run(seed=seed, **directions(a, b))
    # μ becomes μ R, and whatever is linear in it with it.
    row = run(seed=seed, initial_rotation=kind, **directions(more @ (a @ turn), more @ (b @ turn)))
    assert verdicts.turned_apart(row, base) == pytest.approx(degrees, abs=1e-3)


def test_only_runs_of_one_seed_are_compared() -> None:
    with pytest.raises(ValueError, match="seeds 1 and 0"):
        verdicts.turned_apart(run(seed=1), run(seed=0))


def test_the_same_rules_on_other_rows_and_what_contradicts() -> None:
    small = [run(v, seed=s) for s, v in enumerate([0.5, 0.51, 0.49])]
    large = [run(v, seed=s, image_size=64, batch_size=32) for s, v in enumerate([2.0, 2.01, 1.99])]
    ((first, second),) = verdicts.side_by_side(small, large, [rule()], batch_size=32)
    assert (first.verdict, second.verdict) == ("holds", "fails") and verdicts.contradict(first, second)
    assert not verdicts.contradict(first, first) and not verdicts.contradict(first, claims.judge(rule(), []))


def test_every_rule_names_trainings_that_are_made_and_more_than_one_seed_of_them() -> None:
    from vaelib import study

    rows = [experiment.model_dump(mode="json") for experiment in study.plan()]
    for entry in [*claims.read(), *claims.read(part="own")]:
        for group in (entry.runs, entry.against, entry.other):
            if group is not None and not entry.open:
                assert len(verdicts.pick(rows, **group)) >= 5, entry.id


def test_the_runs_that_rules_ask_for_are_named_once() -> None:
    rules = [
        rule(),
        rule(kind="ratio", runs={"region": "punctured"}, against={"region": "full"}),
        rule(kind="difference", runs={"gamma": 0.1}, against={}),
        rule(kind="ratio", runs={"region": "punctured"}, against={"region": "thinned"}),
    ]
    named = [{}, {"region": "punctured"}, {"gamma": 0.1}, {"region": "thinned"}]
    assert verdicts.settings_of_rules(rules) == named
