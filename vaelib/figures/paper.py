"""The table of the trainings at the study's own size, beside the study's own numbers."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vaelib import figures, run
from vaelib.experiment import Experiment
from vaelib.study import paper

# Label, name in `paper.figures`, factor, format, and the study's own value with the model it belongs to.
_QUANTITIES = (
    ("training images a second", "images_per_second", 1, ".0f", "90 (punctured set)"),
    ("seconds an epoch, all included", "seconds_per_epoch", 1, ".0f", "48 (punctured set)"),
    ("last loss, training", "loss", 1, ".4f", "0.0232 (punctured set, γ unknown), 0.0837 (weighted)"),
    ("last loss, validation", "val_loss", 1, ".4f", "0.0229 (punctured set, γ unknown), 0.0866 (weighted)"),
    ("means of the latents", "means", 1, ".2f", "0.41, -0.19, -0.43 (full, γ = 0.001)"),
    ("their standard deviations", "deviations", 1, ".2f", "0.56 to 0.64 (full, γ = 0.001)"),
    ("largest |correlation|", "correlation", 1, ".2f", "0.53 (full, γ = 0.001)"),
    ("linear R² of a and of b", "linear_r2", 1, ".3f", "0.90 to 0.95 (full, γ = 0.001)"),
    ("P1, squared error inside the hole, 10⁻³", "p1_inside", 1000, ".2f", "6.74 (punctured, γ = 0)"),
    ("P1, outside, 10⁻³", "p1_outside", 1000, ".2f", "2.97 (punctured, γ = 0)"),
    ("P1, inside over outside", "p1_ratio", 1, ".2f", "2.27 (punctured, γ = 0)"),
)
_ORIGIN = {"settings": "256 px, about 30 epochs", "device": "RTX 2080 Ti", "commit": "–", "versions": "–"}
_MISSING = (
    "Not made yet, since they want a GPU: the trainings at the study's own size ({}). On a machine that has one, "
    'pip install "jax[cuda12]" and then KERAS_BACKEND=jax vaelib paper make them and keep their results.'
)


def table(folder: Path, *fresh_runs: run.Run) -> Any:
    """Return for display the study's own numbers beside those of kept and of fresh runs, with their origin.

    A line above says which of the four trainings are not kept, and what makes them; without any run it stands alone.

    Args:
        folder: The folder of the kept runs.
        fresh_runs: Runs of this build.

    Raises:
        DamagedError: For a kept run that is damaged.
    """
    from IPython.display import HTML

    kept = paper.kept(folder)
    columns = [(f"kept: {name}", record.experiment, record.figures, record.provenance) for name, record in kept.items()]
    columns += [("this build", fresh.experiment, paper.figures(fresh), fresh.provenance) for fresh in fresh_runs]
    missing = [name for name in paper.plan() if name not in kept]
    message = html.escape(_MISSING.format(", ".join(missing)))
    note = f'<p class="provenance">{message}</p>' if missing else ""
    if not columns:
        return HTML(note)
    rows = [
        [label, study, *(_text(numbers[name], factor, form) for _, _, numbers, _ in columns)]
        for label, name, factor, form, study in _QUANTITIES
    ]
    origins = [_origin(experiment, origin) for _, experiment, _, origin in columns]
    rows += [[label, study, *(origin[label] for origin in origins)] for label, study in _ORIGIN.items()]
    return HTML(note + figures.table(["", "the study", *(title for title, *_ in columns)], rows).data)


def _text(value: Any, factor: float, form: str) -> str:
    return "–" if value is None else ", ".join(format(factor * number, form) for number in np.atleast_1d(value))


def _origin(experiment: Experiment, origin: Mapping[str, Any]) -> dict[str, str]:
    machine, versions, commit = origin["hardware"], origin["versions"], origin["git_commit"] or "–"
    return {
        "settings": f"{experiment.region}, {experiment.image_size} px, {experiment.epochs} epochs, "
        f"β = {experiment.beta:g}, γ = {experiment.gamma:g}",
        "device": origin.get("accelerator") or f"{machine['cores']} cores of {machine['processor']}",
        "commit": commit[:12] + ("+" if commit.endswith("+") else ""),  # + for a library that no commit holds
        "versions": ", ".join(f"{name} {versions[name]}" for name in ("vaelib", "keras", origin["backend"])),
    }
