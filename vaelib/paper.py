"""The study's four trainings at its own size: their plan, their numbers beside the study's, and what is kept of them.

At 256×256 pixels and full width they want a GPU, so the book does not make them. `vaelib paper` does, and keeps their
small results in `results/paper`, where the book finds them.
"""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vaelib import dataset, metrics, results, run, store
from vaelib.experiment import Experiment

_MANIFEST = "run.json"
# What it is, its name in `figures`, what it is multiplied by, its format, and the study's own with the model it is of.
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


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a run: `embeddings` (epochs + 1, n, d) float16, `weights` those of the epoch `best_epoch`.

    `history`: as `Run.history`; `figures`: what `figures` returned; `provenance`: as `Run.provenance`.
    """

    experiment: Experiment
    best_epoch: int
    history: Mapping[str, list[float]]
    figures: Mapping[str, Any]
    provenance: Mapping[str, Any]
    embeddings: np.ndarray
    weights: Mapping[str, np.ndarray]


def kept_folder() -> Path:
    """Return the project's folder for what is kept, with a folder for each of the four, whether it is there or not."""
    return (results.find() or Path("results")) / "paper"


def plan(**settings: Any) -> dict[str, Experiment]:
    """Return the study's four experiments at the profile "paper" by short names; `settings` change all of them.

    Source: the study, parts 2 (weighted) and 3 (γ = 1e-4), and its two models as shipped.
    """
    punctured = {"region": "punctured", "gamma": 0.0}
    chosen: tuple[dict[str, Any], ...] = (
        {**punctured, "beta": 8e-3, "sample_weights": "per_batch"},  # as its code had the weights
        {**punctured, "beta": 1e-3},
        {"beta": 1e-3, "gamma": 1e-4},
        {"beta": 1e-3, "gamma": 1e-3},
    )
    experiments = [Experiment.from_profile("paper", **{**each, **settings}) for each in chosen]
    return {short_name(each): each for each in experiments}


def short_name(experiment: Experiment) -> str:
    """Return what tells the four apart: "punctured-weighted", "punctured", "full-gamma0.0001", "full-gamma0.001"."""
    weighted = "-weighted" if experiment.sample_weights != "none" else ""
    return experiment.region + weighted + (f"-gamma{experiment.gamma:g}" if experiment.gamma else "")


def figures(finished: run.Run) -> dict[str, Any]:
    """Return the numbers of a run that the study tells of its own, None where there is none.

    images_per_second and seconds_per_epoch; loss and val_loss, of the last epoch; the rest is of the epoch of lowest
    validation loss: means (d,), deviations (d,), correlation (the largest absolute one) and linear_r2 (2,) of the
    training images' embedding; p1_inside, p1_outside and p1_ratio, mean squared errors along the transect P1.
    """
    experiment, origin = finished.experiment, finished.provenance
    data = dataset.build(experiment.data)
    mu = finished.embeddings[finished.best_epoch].astype("float64")
    images = dataset.transect_images("P1", experiment)
    errors = metrics.squared_error(images, finished.reconstruct(images))
    hole = dataset.in_hole(dataset.transect("P1"), experiment)
    inside, outside = (float(errors[part].mean()) if part.any() else None for part in (hole, ~hole))
    return {
        "images_per_second": origin["images_per_second"],
        "seconds_per_epoch": origin["wall_time"] / finished.epochs,
        "loss": float(finished.history["loss"][-1]),
        "val_loss": float(finished.history["val_loss"][-1]),
        "means": mu.mean(axis=0).tolist(),
        "deviations": mu.std(axis=0).tolist(),
        "correlation": metrics.largest_correlation(mu),
        "linear_r2": metrics.linear_r2(mu, data.parameters[data.train]).tolist(),
        "p1_inside": inside,
        "p1_outside": outside,
        "p1_ratio": inside / outside if inside and outside else None,
    }


def keep(finished: run.Run, folder: Path) -> Path:
    """Write a run's small results into a folder of its short name in `folder`, and return that.

    Raises StoreError where it cannot be written.
    """
    target = store.user_path(folder) / short_name(finished.experiment)
    content = packed(finished.embeddings, run.get_weights(finished.model("best")))
    files = {name: store.write(target / name, each) for name, each in content.items()}
    told = {
        "experiment": json.loads(finished.experiment.to_json()),
        "best_epoch": finished.best_epoch,
        "history": {name: values.tolist() for name, values in finished.history.items()},
        "figures": figures(finished),
        "provenance": finished.provenance,
        "files": files,
    }
    store.write_json(target / _MANIFEST, told)  # last: it names what is whole
    return target


def packed(embeddings: np.ndarray, weights: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Return the content of the files with the arrays, by name, in float16: at the study's size 2 MB a run.

    Vectors stay as they are: the statistics of batch norm may be large or tiny, and all of them weigh little.
    """
    halved = {name: array.astype("float16") if array.ndim > 1 else array for name, array in weights.items()}
    return {
        "embeddings.npz": store.pack({"embeddings": embeddings.astype("float16")}),
        "weights.npz": store.pack(halved),
    }


def kept(folder: Path) -> dict[str, Kept]:
    """Read what `keep` wrote into `folder`, by short name. Raises DamagedError for what is damaged."""
    return {name: _read(folder / name) for name in plan() if (folder / name / _MANIFEST).exists()}


def _read(folder: Path) -> Kept:
    told = store.read_json(folder / _MANIFEST)
    arrays = {name: store.unpack(store.read(folder / name, checksum)) for name, checksum in told["files"].items()}
    return Kept(
        experiment=Experiment.from_json(json.dumps(told["experiment"])),
        best_epoch=told["best_epoch"],
        history=told["history"],
        figures=told["figures"],
        provenance=told["provenance"],
        embeddings=arrays["embeddings.npz"]["embeddings"],
        weights=arrays["weights.npz"],
    )


def table(folder: Path, *fresh_runs: run.Run) -> Any:
    """Return for display the study's own numbers beside those of the kept runs and of fresh ones, with their origin.

    Says in a line which of the four are not kept, and what makes them; that line alone where there are no runs at all.
    Raises DamagedError for a kept run that is damaged.
    """
    from IPython.display import HTML

    from vaelib.figures import table as shown

    found = kept(folder)
    columns = [(f"kept: {name}", each.experiment, each.figures, each.provenance) for name, each in found.items()]
    columns += [("this build", each.experiment, figures(each), each.provenance) for each in fresh_runs]
    missing = [name for name in plan() if name not in found]
    told = html.escape(_MISSING.format(", ".join(missing)))
    note = f'<p class="provenance">{told}</p>' if missing else ""
    if not columns:
        return HTML(note)
    rows = [
        [label, study, *(_text(numbers[name], factor, form) for _, _, numbers, _ in columns)]
        for label, name, factor, form, study in _QUANTITIES
    ]
    origins = [_origin(experiment, origin) for _, experiment, _, origin in columns]
    rows += [[label, study, *(origin[label] for origin in origins)] for label, study in _ORIGIN.items()]
    return HTML(note + shown(["", "the study", *(title for title, *_ in columns)], rows).data)


def _text(value: Any, factor: float, form: str) -> str:
    return "–" if value is None else ", ".join(format(factor * each, form) for each in np.atleast_1d(value))


def _origin(experiment: Experiment, origin: Mapping[str, Any]) -> dict[str, str]:
    machine, versions, commit = origin["hardware"], origin["versions"], origin["git_commit"] or "–"
    return {
        "settings": f"{experiment.region}, {experiment.image_size} px, {experiment.epochs} epochs, "
        f"β = {experiment.beta:g}, γ = {experiment.gamma:g}",
        "device": origin.get("accelerator") or f"{machine['cores']} cores of {machine['processor']}",
        "commit": commit[:12] + ("+" if commit.endswith("+") else ""),  # + for a library that no commit holds
        "versions": ", ".join(f"{name} {versions[name]}" for name in ("vaelib", "keras", origin["backend"])),
    }
