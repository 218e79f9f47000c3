"""The rules by which the study's claims are judged: read from `claims.yml`, applied to one number a seed.

A rule says beforehand which statistic decides a claim and where its 95 % interval has to lie. The seed is the unit;
however many images went into a seed's number, it is one number. Nothing here loads Keras.
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

RULES = Path(__file__).with_name("claims.yml")
_MOST = 1000  # seeds, beyond which "undecided" names no number
_POWER = 0.8  # how often the number of seeds that is named would decide

Verdict = Literal["holds", "fails", "undecided", "open"]


class Rule(BaseModel):
    """A claim, or a part of one: what was said, the statistic over seeds, and the interval's place that decides.

    kind, over the seeds that `runs` (and `against`) have in common: `mean` of the column `of`; `difference` runs -
    against; `ratio` runs / against, as a geometric mean; `share`: how many seeds have `of` in `between`; `turned`: the
    degrees by which two embeddings differ from the rotation between their initial weights; `effects`: the size of the
    mean log ratio of runs / against less that of other / against. `at`: where the whole interval has to lie for the
    claim to hold; wholly outside it fails. A claim with `open` has no statistic, but the reason. `revised` says what a
    rule was before, and why it was changed after it had been applied.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    said: str
    chapter: str = ""
    kind: Literal["mean", "difference", "ratio", "share", "turned", "effects"] = "mean"
    of: str = ""
    runs: dict[str, Any] = Field(default_factory=dict)
    against: dict[str, Any] | None = None
    other: dict[str, Any] | None = None
    between: tuple[float, float] | None = None
    at: tuple[float, float] = (-math.inf, math.inf)
    measured: str = ""
    because: str = ""
    open: str = ""
    revised: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.open:
            return self
        needed = {"difference": ["against"], "ratio": ["against"], "turned": ["against"], "share": ["between"]}
        needed["effects"] = ["against", "other"]
        for name in ["measured", "because", *([] if self.kind == "turned" else ["of"]), *needed.get(self.kind, [])]:
            if getattr(self, name) in (None, ""):
                raise ValueError(f"{name} is missing, which a rule of kind {self.kind} needs")
        if not self.at[0] < self.at[1] or self.at == (-math.inf, math.inf):
            raise ValueError(f"at = {list(self.at)}; allowed: two ends, the lower first, one of them finite or both")
        return self


@dataclass(frozen=True)
class Finding:
    """A rule applied: estimate, ends of the 95 % interval, number of seeds, verdict, and the seeds that would decide.

    `needed` is the least number of seeds that would decide in four of five repetitions, if mean and scatter are what
    these seeds have; None unless undecided, and then when no number up to 1,000 would do. Without numbers the estimate
    and the ends are NaN.
    """

    rule: Rule
    estimate: float
    low: float
    high: float
    n: int
    verdict: Verdict
    needed: int | None = None
    values: tuple[float, ...] = ()


def read(path: str | os.PathLike[str] | None = None, *, part: str = "claims") -> list[Rule]:
    """Return the rules of a file, by default `RULES`, in order: of its list `claims`, the study's, or of `own`.

    Raises SettingError, which names the claim, for one that is incomplete.
    """
    path = RULES if path is None else path
    entries = _content(path, part)
    rules = []
    for entry in entries:
        try:
            rules.append(Rule(**entry))
        except (ValidationError, TypeError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            named = entry.get("id", entry) if isinstance(entry, dict) else entry
            raise SettingError(f"{path}: claim {named}: {told}") from None
    names = [rule.id for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"{path}: claim {twice[0]} stands there twice")
    return rules


def compared(path: str | os.PathLike[str] | None = None) -> tuple[list[Rule], int]:
    """Return the rules that are applied at two sizes of training, and how many verdicts the check needs.

    The check passes when no rule holds at one size and fails at the other, and at least so many are decided at both.
    Raises SettingError for a name that no rule has.
    """
    path = RULES if path is None else path
    check = _content(path, "two_sizes")
    known = {rule.id: rule for part in ("claims", "own") for rule in read(path, part=part)}
    if unknown := [name for name in check["claims"] if name not in known]:
        raise SettingError(f"{path}: two_sizes names the claim {unknown[0]!r}, which does not stand there")
    return [known[name] for name in check["claims"]], int(check["decided"])


def fingerprint() -> str:
    """Return 16 hexadecimal digits of what decides in the rules of `RULES`: a table's provenance says which they were.

    Words can be mended; a statistic, a setting or a margin cannot without changing it.
    """
    decisive = {"id", "kind", "of", "runs", "against", "other", "between", "at", "open"}
    rules = [rule.model_dump_json(include=decisive) for part in ("claims", "own") for rule in read(part=part)]
    return storage.digest("\n".join(rules).encode())[:16]


def _content(path: str | os.PathLike[str], part: str) -> Any:
    try:
        return yaml_text.load(Path(path).read_text(encoding="utf-8"))[part]
    except (OSError, UnicodeDecodeError, SettingError, KeyError, TypeError) as error:
        raise SettingError(f"{path}: a file of claims has a list `{part}`: {error}") from None


def judge(rule: Rule, values: Sequence[float], *, level: float = 0.95) -> Finding:
    """Return the finding for one number a seed.

    Means, differences and effects have Student's t interval; `ratio` gets logarithms of ratios, and its t interval is
    taken of these and raised back; `share` gets 0 and 1, and has Clopper and Pearson's interval. Fewer than 2 seeds
    decide nothing.
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
        needed = next((m for m in range(n + 1, _MOST + 1) if _decides(rule, mean, spread, m, level)), None)
    shown = np.exp(numbers) if rule.kind == "ratio" else numbers
    return Finding(rule, estimate, low, high, n, verdict, needed, tuple(map(float, shown)))


def _interval(rule: Rule, mean: float, spread: float, n: int, level: float) -> intervals.Interval:
    """Return estimate and ends for n seeds of this mean and this standard deviation."""
    if rule.kind == "share":
        return intervals.of_share(mean, n, level=level)
    ends = intervals.from_moments(mean, spread, n, level=level)
    return intervals.Interval(*map(math.exp, ends)) if rule.kind == "ratio" else ends


def _verdict(rule: Rule, low: float, high: float) -> Verdict:
    if rule.at[0] < low and high < rule.at[1]:
        return "holds"
    return "fails" if low > rule.at[1] or high < rule.at[0] else "undecided"


def _decides(rule: Rule, mean: float, spread: float, n: int, level: float) -> bool:
    """Tell whether n seeds decide even when their mean falls as far to either side as four of five would at most."""
    off = float(stats.norm.ppf(_POWER)) * spread / math.sqrt(n)
    means = (mean - off, mean + off) if rule.kind != "share" else (max(mean - off, 0.0), min(mean + off, 1.0))
    found = {_verdict(rule, *_interval(rule, each, spread, n, level)[1:]) for each in means}
    return len(found) == 1 and found != {"undecided"}
