"""Single rows of a sweep's table: what a test names, and the rest as everywhere."""

from typing import Any

from vaelib.experiment import Experiment
from vaelib.study import methods

SWEEP = Experiment.from_profile("sweep")


def run(value: float = 0.0, **settings: Any) -> dict[str, Any]:
    """Return the row of an experiment of the sweep's profile with the column "error"; other names are columns."""
    own = {name: each for name, each in settings.items() if name in Experiment.model_fields}
    others = {name: each for name, each in settings.items() if name not in own}
    return {**SWEEP.replace(**own).model_dump(mode="json"), "error": value, **others}


def row(seed: int = 0, error: float = 0.04, **settings: Any) -> dict[str, Any]:
    """Return the row of a run whose settings are the comparison's base, with its relative error."""
    return {**methods.BASE, "seed": seed, "relative_error": error, **settings}
