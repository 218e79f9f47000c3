"""The study's questions: the small trainings, the claims and how each is judged, the four trainings at its own size.

`trainings` makes or reads the table of small trainings (`sweep.yml`); `comparison` compares by seed the `methods` that
it has, in the `quantities` of its runs; `claims` are the rules, fixed beforehand (`claims.yml`), and `verdicts` judges
them; `replication` compares fresh trainings with kept ones; `paper` has the four trainings at the study's own size.
"""

from vaelib.study.trainings import PLAN, Table, both_rounds, committed, earlier, keep, plan, table, trained

__all__ = ["PLAN", "Table", "both_rounds", "committed", "earlier", "keep", "plan", "table", "trained"]
