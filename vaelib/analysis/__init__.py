"""The numbers of the chapters' prose: a module for each chapter, loaded when it is first asked for.

`analysis.loss.weights(experiment)` is what the chapter on the loss says of β and γ. A function takes arrays, runs or
experiments and returns values by name; the chapter glues each of them under a key of its own (`vaelib.notebook.glue`).
"""

from typing import TYPE_CHECKING

from vaelib.system import lazy

if TYPE_CHECKING:  # for mypy; at run time any module of this folder is one
    from vaelib.analysis import dataset as dataset
    from vaelib.analysis import embedding as embedding
    from vaelib.analysis import explorer as explorer
    from vaelib.analysis import loss as loss
    from vaelib.analysis import training as training
    from vaelib.analysis import transects as transects

__getattr__ = lazy.modules(__name__, __path__)
