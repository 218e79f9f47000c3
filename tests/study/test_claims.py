"""The rules: read completely or refused by name, and applied as in textbooks."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vaelib.errors import SettingError
from vaelib.study import claims
from vaelib.study.claims import Rule, judge

ANY = {"id": "x", "said": "so", "measured": "m", "because": "b"}


def make_rule(**more: object) -> Rule:
    return Rule(**{**ANY, "of": "error", "at": (0, 1), **more})  # type: ignore[arg-type]


def test_the_mean_has_students_interval() -> None:
    finding = judge(make_rule(at=(0, 5)), [1, 2, 3, 4])
    # t(3, 0.975) = 3.1824, s = 1.2910, half = 3.1824 · 1.2910 / 2
    assert finding.estimate == 2.5 and finding.n == 4
    assert finding.low == pytest.approx(2.5 - 2.0543, abs=1e-4) and finding.high == pytest.approx(4.5543, abs=1e-4)
    assert finding.verdict == "holds" and finding.needed is None


def test_a_ratio_is_a_geometric_mean_with_the_interval_of_the_logarithms() -> None:
    finding = judge(make_rule(kind="ratio", against={}, at=(0.5, 8)), np.log([1, 4]))
    assert finding.estimate == pytest.approx(2)
    assert finding.low * finding.high == pytest.approx(4) and finding.values == pytest.approx((1, 4))


def test_a_share_has_clopper_and_pearsons_interval() -> None:
    shared = make_rule(kind="share", between=(0, 1), at=(0.8, 1.01))
    finding = judge(shared, [1] * 20)
    assert (finding.estimate, finding.high) == (1, 1)
    assert finding.low == pytest.approx(0.025 ** (1 / 20)) and finding.verdict == "holds"
    none = judge(shared, [0] * 20)
    assert (none.low, none.estimate) == (0, 0) and none.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert none.verdict == "fails"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.5, 0.51, 0.49], "holds"), ([2, 2.01, 1.99], "fails"), ([-2, -2.01], "fails"), ([0.9, 1.2, 1.0], "undecided")],
)
def test_a_whole_interval_inside_holds_outside_fails_and_across_is_undecided(values: list[float], verdict: str) -> None:
    assert judge(make_rule(), values).verdict == verdict


def test_undecided_names_the_seeds_that_would_decide_in_four_of_five_repetitions() -> None:
    values = [0.7, 1.1, 0.8, 0.9]
    finding = judge(make_rule(), values)
    assert finding.verdict == "undecided" and finding.needed is not None
    mean, s = float(np.mean(values)), float(np.std(values, ddof=1))

    def highest(n: int) -> float:
        """Return the interval's upper end where the mean comes out as high as it does in one of five repetitions."""
        return mean + (stats.t.ppf(0.975, n - 1) + stats.norm.ppf(0.8)) * s / math.sqrt(n)

    assert highest(finding.needed) < 1 <= highest(finding.needed - 1)
    drawn = np.random.default_rng(0).normal(mean, s, (2000, finding.needed))
    decided = np.mean([judge(make_rule(at=(-9, 1)), sample).verdict == "holds" for sample in drawn])
    assert 0.75 < decided < 0.87, "about four of five"
    assert judge(make_rule(), [0.5, 1.5]).needed is None, "the estimate lies on the margin: no number decides"


def test_a_share_names_its_seeds_too() -> None:
    finding = judge(make_rule(kind="share", between=(0, 1), at=(0.8, 1.01)), [1] * 5)
    # Of n hits in n, Clopper and Pearson's lower end is 0.025^(1/n), above 0.8 from 17 on.
    assert finding.verdict == "undecided" and finding.needed == 17


def test_fewer_than_two_seeds_decide_nothing() -> None:
    for values in ([], [0.5]):
        finding = judge(make_rule(), values)
        assert finding.verdict == "undecided" and math.isnan(finding.estimate) and finding.n == len(values)


def test_an_open_claim_is_open() -> None:
    assert judge(Rule(id="8", said="so", open="not tried"), [1, 2]).verdict == "open"


@settings(deadline=None)  # an undecided one looks at up to a thousand numbers of seeds, beside other tests
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.floats(-5, 5), st.floats(0.1, 5))
def test_verdicts_exclude_each_other_and_a_wider_margin_never_turns_holds_into_fails(
    values: list[float], low: float, reach: float
) -> None:
    narrow = judge(make_rule(at=(low, low + reach)), values)
    wide = judge(make_rule(at=(low - 1, low + reach + 1)), values)
    assert narrow.low <= narrow.estimate <= narrow.high
    if narrow.verdict == "holds":
        assert wide.verdict == "holds"
    if wide.verdict == "fails":
        assert narrow.verdict == "fails"


def test_every_rule_of_the_project_is_complete() -> None:
    own = claims.read(part="own")
    assert own and all(rule.because and rule.measured and rule.chapter for rule in own)
    rules = claims.read()
    assert len(rules) > 20 and {rule.id[0] for rule in rules} == set("12345678")
    for rule in rules:
        assert rule.open or (rule.because and rule.measured and rule.chapter), rule.id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing: 1", "list `claims`"),
        ("claims: [{id: a, said: b}]", "claim a"),
        ("claims: [{id: a, said: b, of: c, measured: m, because: b}]", "at ="),
        ("claims: [{id: a, said: b, of: c, measured: m, because: b, at: [1, 0]}]", "at = "),
        ("claims: [{id: a, said: b, of: c, measured: m, because: b, at: [0, 1], kind: ratio}]", "against is missing"),
        ("claims: [{id: a, said: b, of: c, measured: m, because: b, at: [0, 1], kind: magic}]", "claim a"),
        ("claims: [{id: a, said: b, of: c, because: b, at: [0, 1]}]", "measured is missing"),
        ("claims: [{id: a, said: b, colour: red}]", "claim a"),
        ("claims: [{id: a, said: b, open: c}, {id: a, said: b, open: c}]", "twice"),
    ],
)
def test_an_incomplete_rule_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yml").write_text(text)
    with pytest.raises(SettingError, match=message):
        claims.read(tmp_path / "c.yml")


def test_what_is_compared_at_two_sizes_stands_beside_the_rules(tmp_path: Path) -> None:
    rules, decided = claims.compared()
    known = {rule.id: rule for part in ("claims", "own") for rule in claims.read(part=part)}
    assert rules == [known[rule.id] for rule in rules] and 0 < decided <= len(rules)
    assert not any(rule.open for rule in rules)
    entry = "{id: a, said: b, open: c}"
    (tmp_path / "c.yml").write_text(f"claims: [{entry}]\nown: []\ntwo_sizes: {{claims: [a, z], decided: 1}}")
    with pytest.raises(SettingError, match="two_sizes names the claim 'z'"):
        claims.compared(tmp_path / "c.yml")
