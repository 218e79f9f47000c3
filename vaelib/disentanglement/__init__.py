"""How single codes carry single factors, and how codes depend on each other, each number beside its chance level.

Codes are (n, d), usually the means μ; factors are (n, k), continuous, as the study's (a, b). What every score does when
the codes change, with the factors as they are:

- order and sign of the codes: no score changes;
- scale and place of single codes: `active_units` changes with the scale; nothing else changes, apart from what rounding
  does to `dci` and to what is counted in bins;
- rotation: MIG, SAP, modularity, the parts of DCI, `mean_correlation` and `total_correlation` change, since they are
  about axes. A covariance that is a multiple of the identity is the exception for the last two: no rotation correlates
  its codes. `vaelib.metrics.linear_r2`, `vaelib.geometry.twonn` and `vaelib.geometry.tangents` except for its tangent
  planes do not change.

A unit that varies by less than the posterior's noise still has a mean that may carry the factors, and the scores count
it whatever its scale: leave such units out with `active` beforehand. Units that never vary count nowhere but in DCI's
completeness: the base of its entropy is the number of all codes, as in the definition and in disentanglement_lib, so
that each of them raises the score, and its chance level alike.

The public numpy implementation that the differences refer to is google-research/disentanglement_lib, folder
disentanglement_lib/evaluation/metrics, commit 76f41e3. Nothing here loads Keras.
"""

from vaelib.disentanglement.information import information_gap, mig, modularity, mutual_information
from vaelib.disentanglement.predictors import DCI, LEAST, dci, gap, sap
from vaelib.disentanglement.scorecard import scores
from vaelib.disentanglement.unsupervised import ACTIVE, active, active_units, mean_correlation, total_correlation

__all__ = [
    "ACTIVE",
    "DCI",
    "LEAST",
    "active",
    "active_units",
    "dci",
    "gap",
    "information_gap",
    "mean_correlation",
    "mig",
    "modularity",
    "mutual_information",
    "sap",
    "scores",
    "total_correlation",
]
