"""The ledger's rows say what the findings say, and its picture puts every number in its place."""

import math
from typing import Any

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from vaelib import figures
from vaelib.study import claims
from vaelib.study.claims import Finding, Rule


def rule(**more: Any) -> Rule:
    return Rule(
        **{"id": "x", "said": "said", "of": "error", "at": (0.8, 1.25), "measured": "m", "because": "b", **more}
    )


def finding(made: Rule, estimate: float, low: float, high: float, verdict: str, **more: Any) -> Finding:
    return Finding(made, estimate, low, high, 3, verdict, values=(low, estimate, high), **more)  # type: ignore[arg-type]


HOLDS = finding(rule(id="1"), 1.0, 0.9, 1.1, "holds")
FAILS = finding(rule(id="2", at=(-1, 0.1), kind="difference", against={}), 0.3, 0.2, 0.4, "fails")
WAITS = finding(rule(id="3", kind="turned", of="", against={}, at=(-1, 20)), 19.0, 12.0, 26.0, "undecided", needed=9)
OPEN = claims.judge(Rule(id="8", said="said", open="not tried"), [])
NONE = claims.judge(rule(id="9"), [1.0])
ALL = [HOLDS, FAILS, WAITS, OPEN, NONE]


def test_a_row_has_the_numbers_the_margin_and_the_verdict() -> None:
    assert figures.ledger.row(HOLDS) == ["1", "said", "m", "3", "1.00", "0.90 to 1.10", "0.8 to 1.25", "holds"]
    assert figures.ledger.row(FAILS)[-2:] == ["below 0.1", "fails"]
    assert figures.ledger.row(WAITS)[4:] == ["19.0°", "12.0° to 26.0°", "below 20", "undecided (9 seeds would decide)"]
    assert figures.ledger.row(OPEN) == ["8", "said", "not tried", "", "", "", "", "open"]
    assert figures.ledger.row(NONE)[4:] == ["none", "", "0.8 to 1.25", "undecided (fewer than 2 seeds)"]
    never = finding(rule(id="4"), 0.8, 0.7, 0.9, "undecided")
    assert figures.ledger.row(never)[-1] == "undecided (over 1,000 seeds would be needed)"


@pytest.mark.parametrize("claim", [rule for rule in claims.read() if not rule.open], ids=lambda rule: rule.id)
def test_the_margin_in_words_names_the_ends_that_can_be_passed(claim: Rule) -> None:
    words = figures.ledger.margin(claim)
    low, high = claim.at
    assert words in (f"below {high:g}", f"above {low:g}", f"{low:g} to {high:g}")
    # What is left out has to be out of the statistic's reach.
    if words.startswith("below"):
        assert low <= -1 or (low == 0 and claim.kind == "ratio")
    if words.startswith("above"):
        assert high >= 10 or (claim.kind == "share" and high > 1)


def test_the_table_escapes_and_counts() -> None:
    sly = finding(rule(id="5", said="<b>"), 1.0, 0.9, 1.1, "holds")
    html = figures.ledger.table([sly, *ALL], caption="c").data
    assert "&lt;b&gt;" in html and html.count("<tr>") == 7
    assert "<td>said M.</td><td>1.00 (0.90 to 1.10)</td><td>3</td><td>0.8 to 1.25</td><td>holds</td>" in html
    assert "<td>said Not tried.</td><td></td><td></td><td></td><td>open</td>" in html
    assert figures.ledger.counts(ALL) == {"holds": 1, "fails": 1, "undecided": 2, "open": 1}


def test_the_table_writes_the_weights_as_the_chapters_do() -> None:
    made = finding(rule(id="5", said="A constant sigma.", measured="at beta 0.03, gamma 0.1"), 1.0, 0.9, 1.1, "holds")
    assert "<td>A constant σ. At β 0.03, γ 0.1.</td>" in figures.ledger.table([made]).data


def test_rules_that_were_changed_say_so() -> None:
    changed = finding(rule(id="6", revised="it was <other>"), 1.0, 0.9, 1.1, "holds")
    html = figures.ledger.revisions([HOLDS, changed]).data
    assert "<li>6: it was &lt;other&gt;.</li>" in html and html.count("<li>") == 1
    assert figures.ledger.revisions([HOLDS]).data == ""


def test_in_short_has_names_that_prose_can_use() -> None:
    short = figures.ledger.in_short([finding(rule(id="7a′"), 1.0, 0.9, 1.1, "holds"), OPEN])
    assert short == [("7a2", "holds", "1.00 (0.90 to 1.10, n = 3)"), ("8", "open", "no number")]


def test_the_picture_has_a_row_for_each_claim_with_numbers() -> None:
    figure = figures.ledger.forest(ALL)
    assert [axis.get_ylabel() for axis in figure.axes] == ["1", "2", "3"]
    for axis, shown in zip(figure.axes, (HOLDS, FAILS, WAITS), strict=True):
        seeds, bar, diamond = axis.get_lines()
        assert tuple(seeds.get_xdata()) == shown.values  # type: ignore[arg-type]
        assert tuple(bar.get_xdata()) == (shown.low, shown.high)  # type: ignore[arg-type]
        assert list(diamond.get_xdata()) == [shown.estimate]  # type: ignore[arg-type]
        assert to_hex(str(bar.get_color())) == to_hex(figures.ledger.VERDICT_COLORS[shown.verdict])
        left, right = axis.get_xlim()
        assert left < min(shown.values) and max(shown.values) < right
        assert any(left < end < right for end in shown.rule.at), "the margin is in the picture"
        assert axis.texts[0].get_text() == shown.verdict
    plt.close(figure)
    with pytest.raises(ValueError, match="no finding"):
        figures.ledger.forest([OPEN, NONE])


def test_a_margin_far_from_the_estimate_is_still_in_the_picture() -> None:
    far = finding(rule(at=(20, 1000)), 100.0, 99.0, 101.0, "holds")
    low, high = figures.ledger.reach(far)
    assert low < 20 < high < 1000


def test_two_sizes_stand_side_by_side() -> None:
    html = figures.ledger.comparison([(HOLDS, FAILS)]).data
    assert html.count("<tr>") == 2 and "1.00 (0.90 to 1.10)" in html and "0.30 (0.20 to 0.40)" in html
    assert not math.isnan(HOLDS.estimate)
