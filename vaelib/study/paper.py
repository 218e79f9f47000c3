"""The study's four trainings at its own size: their plan, their numbers, and what is saved of them.

At 256×256 pixels and full width they need a GPU, so the book does not make them. `vaelib paper` does, and saves their
small results in `results/paper`, where the book reads them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vaelib import dataset, metrics, run, storage
from vaelib.experiment import Experiment
from vaelib.storage import checkpoint, results

_MANIFEST = "run.json"


@dataclass(frozen=True, eq=False)
class Kept:
    """What is saved of a run."""

    experiment: Experiment
    best_epoch: int
    history: Mapping[str, list[float]]
    """As `Run.history`."""
    figures: Mapping[str, Any]
    """What `figures` returned."""
    provenance: Mapping[str, Any]
    """As `Run.provenance`."""
    embeddings: np.ndarray
    """(epochs + 1, n, d), float16."""
    weights: Mapping[str, np.ndarray]
    """Those of `best_epoch`, by name."""


def kept_folder() -> Path:
    """Return the project's folder for the four runs' folders, whether or not it exists."""
    return (results.find() or Path("results")) / "paper"


def plan(**settings: Any) -> dict[str, Experiment]:
    """Return the study's four experiments in the profile "paper", by their short names.

    Source: the study, parts 2 (weighted) and 3 (γ = 1e-4), and its two models as shipped.

    Args:
        settings: Settings to change in all of them.
    """
    punctured = {"region": "punctured", "gamma": 0.0}
    variants: tuple[dict[str, Any], ...] = (
        {**punctured, "beta": 8e-3, "sample_weights": "per_batch"},  # as the study's code weighted them
        {**punctured, "beta": 1e-3},
        {"beta": 1e-3, "gamma": 1e-4},
        {"beta": 1e-3, "gamma": 1e-3},
    )
    experiments = [Experiment.from_profile("paper", **{**variant, **settings}) for variant in variants]
    return {short_name(experiment): experiment for experiment in experiments}


def short_name(experiment: Experiment) -> str:
    """Return the name of one of the four, such as "punctured-weighted", "punctured" or "full-gamma0.001"."""
    weighted = "-weighted" if experiment.sample_weights != "none" else ""
    return experiment.region + weighted + (f"-gamma{experiment.gamma:g}" if experiment.gamma else "")


def figures(finished: run.Run) -> dict[str, Any]:
    """Return those numbers of a run that the study reports of its own, by name.

    Returns:
        images_per_second and seconds_per_epoch; loss and val_loss, of the last epoch; and of the epoch of lowest
        validation loss: means (d,), deviations (d,), correlation (the largest absolute one) and linear_r2 (2,) of the
        training images' embedding, and p1_inside, p1_outside and p1_ratio, mean squared errors along the transect P1
        inside and outside the hole and their ratio, None where no point lies there.
    """
    experiment, provenance = finished.experiment, finished.provenance
    data = dataset.build(experiment.data)
    mu = finished.embeddings[finished.best_epoch].astype("float64")
    images = dataset.transect_images("P1", experiment)
    errors = metrics.squared_error(images, finished.reconstruct(images))
    hole = dataset.in_hole(dataset.transect("P1"), experiment)
    inside, outside = (float(errors[part].mean()) if part.any() else None for part in (hole, ~hole))
    return {
        "images_per_second": provenance["images_per_second"],
        "seconds_per_epoch": provenance["wall_time"] / finished.epochs,
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
    """Save a run's small results in a folder of its short name in `folder`, and return its path.

    Raises:
        StoreError: A file cannot be written.
    """
    target = storage.user_path(folder) / short_name(finished.experiment)
    content = packed(finished.embeddings, checkpoint.get_weights(finished.model("best")))
    files = {name: storage.write(target / name, data) for name, data in content.items()}
    manifest = {
        "experiment": json.loads(finished.experiment.to_json()),
        "best_epoch": finished.best_epoch,
        "history": {name: values.tolist() for name, values in finished.history.items()},
        "figures": figures(finished),
        "provenance": finished.provenance,
        "files": files,
    }
    storage.write_json(target / _MANIFEST, manifest)  # last: it lists complete files
    return target


def packed(embeddings: np.ndarray, weights: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Return the content of the files with the arrays, by name: in float16, which at the study's size is 2 MB a run.

    Vectors keep their type: the statistics of batch normalisation may be too large or too small, and take little room.

    Args:
        embeddings: (epochs + 1, n, d).
        weights: The arrays of a network, by name.
    """
    halved = {name: array.astype("float16") if array.ndim > 1 else array for name, array in weights.items()}
    return {
        "embeddings.npz": storage.pack({"embeddings": embeddings.astype("float16")}),
        "weights.npz": storage.pack(halved),
    }


def kept(folder: Path) -> dict[str, Kept]:
    """Return the runs that `keep` saved in `folder`, by short name. Raises DamagedError for a damaged one."""
    return {name: _read(folder / name) for name in plan() if (folder / name / _MANIFEST).exists()}


def _read(folder: Path) -> Kept:
    manifest = storage.read_json(folder / _MANIFEST)
    files = {name: storage.read(folder / name, checksum) for name, checksum in manifest["files"].items()}
    arrays = {name: storage.unpack(content) for name, content in files.items()}
    return Kept(
        experiment=Experiment.from_json(json.dumps(manifest["experiment"])),
        best_epoch=manifest["best_epoch"],
        history=manifest["history"],
        figures=manifest["figures"],
        provenance=manifest["provenance"],
        embeddings=arrays["embeddings.npz"]["embeddings"],
        weights=arrays["weights.npz"],
    )
