"""The rules by which the study's claims are judged: read from `claims.yml`, applied to one number per seed.

A rule says beforehand which statistic decides a claim and where its 95 % interval has to lie. The unit is the seed:
however many images went into its number, it counts once. Nothing here loads Keras.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy import stats

from vaelib import storage
from vaelib.errors import SettingError
from vaelib.statistics import intervals
from vaelib.storage import yaml_text

RULES = Path(__file__).with_name("claims.yml")  # no docstring, or pages would show the path
_MOST_SEEDS = 1000  # the largest `Finding.needed`
_POWER = 0.8  # the share of repetitions that `Finding.needed` seeds would decide

Verdict = Literal["holds", "fails", "undecided", "open"]


class Rule(BaseModel):
    """A claim, or a part of one: what was said, the statistic over seeds, and where its interval has to lie.

    The kinds, over the seeds that all the runs have in common:

    - `mean`: the mean of the column `of`.
    - `difference`: its mean difference, `runs` less `against`.
    - `ratio`: the geometric mean of its ratio, `runs` over `against`.
    - `share`: the share of the seeds whose `of` lies in `between`.
    - `turned`: the degrees by which two embeddings differ from the rotation between their initial weights.
    - `effects`: the size of the mean log ratio of `runs` to `against`, less that of `other` to `against`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="The name by which the pages cite it.")
    said: str = Field(description="The claim.")
    chapter: str = Field("", description="The chapter that treats it.")
    kind: Literal["mean", "difference", "ratio", "share", "turned", "effects"] = Field(
        "mean", description="The statistic."
    )
    of: str = Field("", description="A number of a run, by its name in `vaelib.study.verdicts.value`.")
    runs: dict[str, Any] = Field({}, description="The runs' settings that differ from the base.")
    against: dict[str, Any] | None = Field(None, description="Those of the runs that they are compared with.")
    other: dict[str, Any] | None = Field(None, description="Those of the other effect's runs.")
    between: tuple[float, float] | None = Field(None, description="The interval of which `share` counts the members.")
    at: tuple[float, float] = Field(
        (-math.inf, math.inf),
        description="Where the whole confidence interval has to lie for the claim to hold; wholly outside it fails.",
    )
    measured: str = Field("", description="The statistic in words.")
    because: str = Field("", description="The reason for the margin.")
    open: str = Field("", description="The reason why a claim is not tested; it needs no statistic then.")
    revised: str = Field("", description="What the rule was before, and why it changed after it had been applied.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.open:
            return self
        needed = {"difference": ["against"], "ratio": ["against"], "turned": ["against"], "share": ["between"]}
        needed["effects"] = ["against", "other"]
        for name in ["measured", "because", *([] if self.kind == "turned" else ["of"]), *needed.get(self.kind, [])]:
            if getattr(self, name) in (None, ""):
                raise ValueError(f"{name} is missing; a rule of kind {self.kind} needs it")
        if not self.at[0] < self.at[1] or self.at == (-math.inf, math.inf):
            raise ValueError(f"at = {list(self.at)}; allowed: two ends, the lower first, at least one of them finite")
        return self


@dataclass(frozen=True)
class Finding:
    """A rule applied to the seeds' numbers. With fewer than 2 of them the estimate and the interval are NaN."""

    rule: Rule
    estimate: float
    low: float
    """The lower end of the 95 % interval."""
    high: float
    """Its upper end."""
    n: int
    """The number of seeds."""
    verdict: Verdict
    needed: int | None = None
    """The least number of seeds that would decide in four of five repetitions, given these seeds' mean and scatter.

    None unless the claim is undecided, and where no number up to 1,000 would do.
    """
    values: tuple[float, ...] = ()
    """(n,): a number for each seed; for `ratio` the ratio itself, not its logarithm."""


def read(path: str | os.PathLike[str] | None = None, *, part: str = "claims") -> list[Rule]:
    """Return the rules of a file, in order.

    Args:
        path: The file, by default `RULES`.
        part: The list in it: "claims", the study's, or "own", the book's.

    Raises:
        SettingError: The file has no such list, or a claim is incomplete or occurs twice; the message names it.
    """
    path = RULES if path is None else path
    entries = _content(path, part)
    rules = []
    for entry in entries:
        try:
            rules.append(Rule(**entry))
        except (ValidationError, TypeError) as error:
            problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            name = entry.get("id", entry) if isinstance(entry, dict) else entry
            raise SettingError(f"{path}: claim {name}: {problem}") from None
    names = [rule.id for rule in rules]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"{path}: claim {repeated[0]} occurs twice")
    return rules


def compared(path: str | os.PathLike[str] | None = None) -> tuple[list[Rule], int]:
    """Return the rules that are applied at two sizes of training, and the least number to be decided at both.

    The check passes when that many are decided at both sizes, and none holds at one and fails at the other.

    Args:
        path: The file, by default `RULES`.

    Raises:
        SettingError: The list names a claim that the file lacks.
    """
    path = RULES if path is None else path
    check = _content(path, "two_sizes")
    known = {rule.id: rule for part in ("claims", "own") for rule in read(path, part=part)}
    if unknown := [name for name in check["claims"] if name not in known]:
        raise SettingError(f"{path}: two_sizes names the claim {unknown[0]!r}, which the file lacks")
    return [known[name] for name in check["claims"]], int(check["decided"])


def fingerprint() -> str:
    """Return 16 hexadecimal digits of what decides in `RULES`, for the provenance of a table.

    Words do not count: only another statistic, setting or margin changes them.
    """
    decisive = {"id", "kind", "of", "runs", "against", "other", "between", "at", "open"}
    rules = [rule.model_dump_json(include=decisive) for part in ("claims", "own") for rule in read(part=part)]
    return storage.digest("\n".join(rules).encode())[:16]


def _content(path: str | os.PathLike[str], part: str) -> Any:
    try:
        return yaml_text.load(Path(path).read_text(encoding="utf-8"))[part]
    except (OSError, UnicodeDecodeError, SettingError, KeyError, TypeError) as error:
        raise SettingError(f"{path}: not a file of claims with a list `{part}`: {error}") from None


def judge(rule: Rule, values: Sequence[float], *, level: float = 0.95) -> Finding:
    """Return the finding of a rule. Fewer than 2 seeds leave it undecided.

    The interval is Student's t, for `ratio` that of the logarithms, exponentiated; for `share` Clopper and Pearson's.

    Args:
        rule: What to apply.
        values: (n,), a number per seed: for `ratio` the logarithm of the ratio, for `share` 0 or 1.
        level: The interval's, in (0, 1).
    """
    numbers = np.asarray(values, dtype=np.float64)
    n = len(numbers)
    if rule.open:
        return Finding(rule, math.nan, math.nan, math.nan, 0, "open")
    if n < 2:
        return Finding(rule, math.nan, math.nan, math.nan, n, "undecided", None, tuple(numbers))
    mean = float(np.mean(numbers))
    spread = float(np.sqrt(mean * (1 - mean)) if rule.kind == "share" else np.std(numbers, ddof=1))
    estimate, low, high = _interval(rule, mean, spread, n, level)
    verdict = _verdict(rule, low, high)
    needed = None
    if verdict == "undecided":
        needed = next((m for m in range(n + 1, _MOST_SEEDS + 1) if _decides(rule, mean, spread, m, level)), None)
    shown = np.exp(numbers) if rule.kind == "ratio" else numbers
    return Finding(rule, estimate, low, high, n, verdict, needed, tuple(map(float, shown)))


def _interval(rule: Rule, mean: float, spread: float, n: int, level: float) -> intervals.Interval:
    """Return the estimate and the interval for n seeds of this mean and this standard deviation."""
    if rule.kind == "share":
        return intervals.of_share(mean, n, level=level)
    ends = intervals.from_moments(mean, spread, n, level=level)
    return intervals.Interval(*map(math.exp, ends)) if rule.kind == "ratio" else ends


def _verdict(rule: Rule, low: float, high: float) -> Verdict:
    if rule.at[0] < low and high < rule.at[1]:
        return "holds"
    return "fails" if low > rule.at[1] or high < rule.at[0] else "undecided"


def _decides(rule: Rule, mean: float, spread: float, n: int, level: float) -> bool:
    """Tell whether n seeds decide even when their mean lies as far off, to either side, as in four of five draws."""
    off = float(stats.norm.ppf(_POWER)) * spread / math.sqrt(n)
    means = (mean - off, mean + off) if rule.kind != "share" else (max(mean - off, 0.0), min(mean + off, 1.0))
    verdicts = {_verdict(rule, *_interval(rule, end, spread, n, level)[1:]) for end in means}
    return len(verdicts) == 1 and verdicts != {"undecided"}
