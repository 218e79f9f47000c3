"""The study's questions: the small trainings, the claims and how each is judged, the comparison, the paper's own size.

`trainings` makes or reads the table of small trainings (`sweep.yml`); `comparison` compares its settings by seed;
`claims` are the rules, fixed beforehand (`claims.yml`), and `verdicts` judges them; `replication` holds fresh trainings
against kept ones; `paper` keeps the four trainings at the study's own size.
"""

from vaelib.study.trainings import PLAN, Table, both_rounds, committed, earlier, keep, plan, table, trained

__all__ = ["PLAN", "Table", "both_rounds", "committed", "earlier", "keep", "plan", "table", "trained"]
