"""The ledger of claims as a table and as a picture."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vaelib import figures
from vaelib.study.claims import Finding, Rule
from vaelib.study.replication import COLUMNS, Comparison

VERDICT_COLORS = {"holds": figures.GREEN, "fails": figures.VERMILION, "undecided": "#767676"}
_HEAD = ("claim", "what was said, and what is measured", "estimate (95 % interval)", "n", "holds if", "verdict")
_SYMBOLS = {"beta": "β", "gamma": "γ", "sigma": "σ"}  # the rules' file is written on any keyboard
_PAD = 0.12  # the margin on either side of an axis, as a share of what it shows


def table(findings: Sequence[Finding], *, caption: str = "") -> Any:
    """Return the ledger for display, a row for each claim; open ones have their reason instead of numbers."""
    rows = []
    for name, said, measured, n, estimate, interval, place, verdict in map(row, findings):
        text = f"{said} {measured[:1].upper()}{measured[1:].removesuffix('.')}."
        text = re.sub(rf"\b({'|'.join(_SYMBOLS)})\b", lambda match: _SYMBOLS[match[0]], text)
        rows.append([name, text, f"{estimate} ({interval})" if interval else estimate, n, place, verdict])
    return figures.table(_HEAD, rows, caption=caption)


def revisions(findings: Sequence[Finding]) -> Any:
    """Return for display what rules were before they were changed and why, a line each; an empty text without any."""
    from IPython.display import HTML

    items = [f"<li>{html.escape(f'{f.rule.id}: {f.rule.revised}')}.</li>" for f in findings if f.rule.revised]
    text = f"<p>Rules that were changed after a first round:</p><ul>{''.join(items)}</ul>"
    return HTML(f'<div class="note">{text}</div>' if items else "")


def row(finding: Finding) -> list[str]:
    """Return the eight cells of a finding as text.

    They are the claim's name, what was said, what is measured, n, the estimate, its interval, the margin and the
    verdict, which says for an undecided claim how many seeds would decide it.
    """
    rule = finding.rule
    if rule.open:
        return [rule.id, rule.said, rule.open, "", "", "", "", "open"]
    numbers = [number(rule, value) for value in (finding.estimate, finding.low, finding.high)]
    verdict: str = finding.verdict
    if finding.verdict == "undecided":
        many = f"{finding.needed} seeds would decide" if finding.needed else "over 1,000 seeds would be needed"
        verdict += f" ({many})"
    if math.isnan(finding.estimate):
        numbers, verdict = ["none"] * 3, "undecided (fewer than 2 seeds)"
    interval = f"{numbers[1]} to {numbers[2]}" if not math.isnan(finding.estimate) else ""
    return [rule.id, rule.said, rule.measured, str(finding.n), numbers[0], interval, margin(rule), verdict]


def comparison(pairs: Sequence[tuple[Finding, Finding]], *, caption: str = "") -> Any:
    """Return a table for display: each claim's estimate, interval and verdict in two sets of trainings."""
    head = ("claim", "what was said", "small", "n", "verdict", "large", "n", "verdict")
    rows = []
    for pair in pairs:
        (name, said, *small), (_, _, *large) = (row(finding) for finding in pair)
        sizes = [
            [f"{estimate} ({interval})" if interval else estimate, n, verdict]
            for _, n, estimate, interval, _, verdict in (small, large)
        ]
        rows.append([name, said, *sizes[0], *sizes[1]])
    return figures.table(head, rows, caption=caption)


def repeats(rounds: Mapping[str, Sequence[Comparison]], *, caption: str = "") -> Any:
    """Return a table for display: a row for each number, and for each round how far it lies from the kept one.

    Each round has two columns: the mean shift over all settings with what seeds alone allow, and how many single
    settings lie farther than that.

    Args:
        rounds: The comparisons with the kept table, by the round's name.
        caption: The table's caption.
    """
    head = ["", *(cell for name in rounds for cell in (f"{name}: all settings together", "single settings apart"))]
    rows = []
    for column, label in COLUMNS.items():
        cells = [label]
        for compared in rounds.values():
            shifts = [shift for shift in compared if shift.column == column]
            single = [shift for shift in shifts if shift.setting is not None]
            together = next((shift.text() for shift in shifts if shift.setting is None), "–")
            cells += [together, f"{sum(shift.apart for shift in single)} of {len(single)}" if single else "–"]
        rows.append(cells)
    return figures.table(head, rows, caption=caption)


def margin(rule: Rule) -> str:
    """Return in words where the interval has to lie: "above 2.5", "below 0.1" or "0.8 to 1.25"."""
    low, high = rule.at
    # An end that the statistic cannot pass is left out: it only closes the rule's range.
    if low <= -1 or (rule.kind == "ratio" and low == 0):
        return f"below {high:g}"
    if (high > 1 and rule.kind == "share") or high >= 10:
        return f"above {low:g}"
    return f"{low:g} to {high:g}"


def number(rule: Rule, value: float) -> str:
    """Return a number with as many decimals as its statistic deserves: one for degrees, two or three for others."""
    if math.isnan(value):
        return "–"
    degrees = rule.kind == "turned" or rule.of in ("curl", "bending_a", "bending_b")
    return f"{value:.1f}°" if degrees else f"{value:.3f}" if abs(value) < 0.1 else f"{value:.2f}"


def forest(findings: Sequence[Finding]) -> Figure:
    """Draw each claim on an axis of its own: seeds, estimate, interval, and where that has to lie.

    Open claims are left out, and those without an estimate.

    Raises:
        ValueError: When no claim is left.
    """
    shown = [finding for finding in findings if not finding.rule.open and not math.isnan(finding.estimate)]
    if not shown:
        raise ValueError("no finding has numbers to draw")
    figure, axes = plt.subplots(len(shown), 1, figsize=(8.2, 0.52 * len(shown)), squeeze=False)
    for axis, finding in zip(axes[:, 0], shown, strict=True):
        _row(axis, finding)
    return figure


def _row(axis: Axes, finding: Finding) -> None:
    color = VERDICT_COLORS[finding.verdict]
    low, high = reach(finding)
    ends = [min(max(end, low), high) for end in finding.rule.at]
    axis.axvspan(ends[0], ends[1], color=figures.SKY, alpha=0.3, linewidth=0)
    if finding.rule.kind != "share":
        axis.plot(finding.values, [0.0] * finding.n, "o", color="#767676", markersize=3, alpha=0.6)
    axis.plot([finding.low, finding.high], [0, 0], color=color, linewidth=2.5, solid_capstyle="butt")
    axis.plot(finding.estimate, 0, "D", color=color, markersize=6)
    axis.set(xlim=(low, high), ylim=(-1, 1), yticks=[])
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="x", labelsize=7, pad=1, length=2)
    axis.set_ylabel(finding.rule.id, rotation=0, ha="right", va="center", fontsize=10)
    axis.text(1.01, 0.5, finding.verdict, transform=axis.transAxes, va="center", color=color, fontsize=9)


def reach(finding: Finding) -> tuple[float, float]:
    """Return the ends of a claim's axis: all seeds, the interval, and those ends of the margin that are near them."""
    values = [finding.low, finding.high, *(finding.values if finding.rule.kind != "share" else ())]
    span = max(values) - min(values) or 1.0
    near = [end for end in finding.rule.at if min(values) - 4 * span < end < max(values) + 4 * span]
    # At least one end: the claim is about a place on the axis.
    near = near or [min(finding.rule.at, key=lambda end: abs(end - finding.estimate))]
    low, high = min(*values, *near), max(*values, *near)
    pad = _PAD * (high - low)
    return low - pad, high + pad


def in_short(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Return for each claim its name in ASCII ("7a′" is "7a2"), its verdict, and its numbers in a few words."""
    summaries: list[tuple[str, str, str]] = []
    for finding in findings:
        _, _, _, n, estimate, interval, _, _ = row(finding)
        numbers = f"{estimate} ({interval}, n = {n})" if interval else "no number"
        summaries.append((finding.rule.id.replace("′", "2"), finding.verdict, numbers))
    return summaries


def counts(findings: Sequence[Finding]) -> Mapping[str, int]:
    """Return how many claims hold, fail, are undecided and are open."""
    verdicts = [finding.verdict for finding in findings]
    return {name: verdicts.count(name) for name in ("holds", "fails", "undecided", "open")}
