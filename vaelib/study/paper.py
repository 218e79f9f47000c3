"""The study's four trainings at its own size: their plan, their numbers beside the study's, and what is kept of them.

At 256×256 pixels and full width they want a GPU, so the book does not make them. `vaelib paper` does, and keeps their
small results in `results/paper`, where the book finds them.
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
    target = storage.user_path(folder) / short_name(finished.experiment)
    content = packed(finished.embeddings, checkpoint.get_weights(finished.model("best")))
    files = {name: storage.write(target / name, each) for name, each in content.items()}
    told = {
        "experiment": json.loads(finished.experiment.to_json()),
        "best_epoch": finished.best_epoch,
        "history": {name: values.tolist() for name, values in finished.history.items()},
        "figures": figures(finished),
        "provenance": finished.provenance,
        "files": files,
    }
    storage.write_json(target / _MANIFEST, told)  # last: it names what is whole
    return target


def packed(embeddings: np.ndarray, weights: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """Return the content of the files with the arrays, by name, in float16: at the study's size 2 MB a run.

    Vectors stay as they are: the statistics of batch norm may be large or tiny, and all of them weigh little.
    """
    halved = {name: array.astype("float16") if array.ndim > 1 else array for name, array in weights.items()}
    return {
        "embeddings.npz": storage.pack({"embeddings": embeddings.astype("float16")}),
        "weights.npz": storage.pack(halved),
    }


def kept(folder: Path) -> dict[str, Kept]:
    """Read what `keep` wrote into `folder`, by short name. Raises DamagedError for what is damaged."""
    return {name: _read(folder / name) for name in plan() if (folder / name / _MANIFEST).exists()}


def _read(folder: Path) -> Kept:
    told = storage.read_json(folder / _MANIFEST)
    arrays = {name: storage.unpack(storage.read(folder / name, checksum)) for name, checksum in told["files"].items()}
    return Kept(
        experiment=Experiment.from_json(json.dumps(told["experiment"])),
        best_epoch=told["best_epoch"],
        history=told["history"],
        figures=told["figures"],
        provenance=told["provenance"],
        embeddings=arrays["embeddings.npz"]["embeddings"],
        weights=arrays["weights.npz"],
    )
