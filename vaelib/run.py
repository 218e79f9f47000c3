"""What a training left on disk, finished or not, and encoding and decoding with it.

`vaelib.storage.checkpoint` says what lies in a run's folder, and writes it.
"""

import contextlib
import io
import os
import tempfile
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from vaelib import storage
from vaelib.errors import DamagedError, SettingError
from vaelib.experiment import Experiment
from vaelib.storage.checkpoint import (
    MANIFEST,
    best_epoch,
    embedding_file,
    is_complete,
    set_weights,
    weights_file,
)

if TYPE_CHECKING:
    from vaelib.model import VAE

_PIXELS = 2**20  # a call in encoding and decoding, in at most 256 images; bounds the memory


class Run:
    """A training's folder. `train` returns one; `Run(path)` opens one, and raises DamagedError if it is damaged.

    Opening verifies the checksum of every file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = storage.user_path(path)
        self.manifest = storage.read_json(self.path / MANIFEST)
        for name, checksum in self.manifest["files"].items():
            storage.read(self.path / name, checksum)
        try:
            self.experiment = Experiment.from_json(self.read("experiment.json"))
        except SettingError as error:
            raise DamagedError(f"{self.path / 'experiment.json'}: {error}") from error
        self._model: tuple[int, VAE] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model out of a copy, which reads its own from the folder."""
        return {**self.__dict__, "_model": None}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, epochs={self.epochs}, complete={self.complete})"

    @property
    def complete(self) -> bool:
        """Tell whether all epochs are done."""
        return bool(self.manifest["complete"])

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return int(self.manifest["epoch"])

    @property
    def history(self) -> dict[str, np.ndarray]:
        """Return each quantity by name, (epochs,): loss, cross_entropy, kl, penalty, and the same with val_."""
        rows = self.manifest["history"]
        return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1; 0 before the first) with the lowest validation loss."""
        return best_epoch(self.manifest["history"])

    @property
    def snapshots(self) -> tuple[int, ...]:
        """The epochs whose weights are kept besides best and last, as far as they are finished."""
        return tuple(epoch for epoch in self.experiment.snapshots if epoch <= self.epochs)

    @property
    def kept_epochs(self) -> list[int]:
        """The epochs whose weights are kept, in order: the snapshots, the best and the last."""
        return sorted({*self.snapshots, self.best_epoch, self.epochs})

    @cached_property
    def embeddings(self) -> np.ndarray:
        """The training set's means μ before the first and after every epoch, (epochs + 1, n, d) float32."""
        files = [embedding_file(epoch) for epoch in range(self.epochs + 1)]
        return np.stack([np.load(io.BytesIO(self.read(name))) for name in files])

    @property
    def provenance(self) -> dict[str, Any]:
        """Backend, versions, git commit, hardware, wall time in seconds and images per second."""
        return dict(self.manifest["provenance"])

    def encode(self, images: np.ndarray, epoch: int | str = "best") -> np.ndarray:
        """Return the means μ (n, d) float32 of images (n, h, w), uint8 or float in [0, 1].

        epoch: "best", "last" or a whole number, one of `kept_epochs`. Raises ValueError for images of another shape,
        type or range and for an epoch whose weights are not kept.
        """
        images = self._checked(images)
        return encode_all(self.model(epoch), images)

    def decode(self, latents: np.ndarray, epoch: int | str = "best") -> np.ndarray:
        """Return the images (n, h, w) float32 in [0, 1] of latents (n, d).

        Raises ValueError for latents of another shape or not finite and for an epoch whose weights are not kept.
        """
        latents = np.asarray(latents, "float32")
        d = self.experiment.latent_dim
        if latents.ndim != 2 or latents.shape[1] != d:
            raise ValueError(f"latents has shape {latents.shape}; allowed: (n, {d})")
        _check_finite("latents", latents)
        return decode_all(self.model(epoch), latents)

    def reconstruct(self, images: np.ndarray, epoch: int | str = "best") -> np.ndarray:
        """Return `decode(encode(images))`, without noise: (n, h, w) float32 in [0, 1]."""
        return self.decode(self.encode(images, epoch), epoch)

    def model(self, epoch: int | str = "best") -> "VAE":
        """Return the model with the weights of an epoch, in float32 whatever the training's precision was."""
        number = self._number(epoch)
        if self._model is None:
            from vaelib.model import VAE

            self._model = (-1, VAE(self.experiment.replace(precision="float32")))
        held, model = self._model
        if held != number:
            set_weights(model, storage.unpack(self.read(weights_file(number))))
            self._model = (number, model)
        return model

    def save_keras(self, folder: str | os.PathLike[str], epoch: int | str = "best") -> Path:
        """Write `encoder.keras` and `decoder.keras`, which Keras 3 loads without this library; return the folder.

        `keras.saving.load_model` reads them, on any backend. Encoder: images (n, s, s, 1) float32 in [0, 1] to μ
        (n, d), or [μ, log σ²] with variance "learned". Decoder: latents (n, d) to images (n, s, s, 1) in [0, 1].
        Both are float32 and agree with `encode` and `decode` up to rounding. There is no noise in them: z = μ + σ·ε
        with ε ~ N(0, 1), and σ is `experiment.sigma` where there is no log σ². Files of these names are replaced.

        Raises ValueError for an epoch whose weights are not kept, StoreError when the folder cannot be written.
        """
        model = self.model(epoch)
        from vaelib.model import standard_parts

        folder = storage.check_writable(folder)
        with tempfile.TemporaryDirectory() as scratch:
            for name, part in standard_parts(model).items():
                made = Path(scratch) / f"{name}.keras"
                part.save(made)
                storage.write(folder / made.name, made.read_bytes())
        return folder

    def _number(self, epoch: int | str) -> int:
        named = {"best": self.best_epoch, "last": self.epochs}
        number = named.get(epoch, epoch) if isinstance(epoch, str) else epoch
        whole = isinstance(number, Integral) and not isinstance(number, bool)
        if not whole or weights_file(int(number)) not in self.manifest["files"]:
            raise ValueError(f"epoch = {epoch!r}; allowed: 'best', 'last' and {self.kept_epochs}")
        return int(number)

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        s = self.experiment.image_size
        if images.ndim != 3 or images.shape[1:] != (s, s):
            raise ValueError(f"images has shape {images.shape}; allowed: (n, {s}, {s})")
        if images.dtype == np.uint8:
            return images
        if not np.issubdtype(images.dtype, np.floating):
            raise ValueError(f"images has type {images.dtype}; allowed: uint8 and floats in [0, 1]")
        _check_finite("images", images)
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(f"images reaches from {images.min()} to {images.max()}; allowed: [0, 1]")
        return images.astype("float32")

    def read(self, name: str) -> bytes:
        """Return the content of one of the folder's files. Raises DamagedError if it is missing or changed."""
        return storage.read(self.path / name, self.manifest["files"].get(name, ""))


def finished(path: str | os.PathLike[str], experiment: Experiment) -> Run | None:
    """Open the finished run of an experiment at `path`; None where there is none, or a damaged one."""
    with contextlib.suppress(DamagedError):
        found = Run(path) if is_complete(path) else None
        return found if found and found.experiment.hash == experiment.hash else None
    return None


def encode_all(model: "VAE", images: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the means μ (n, d) float32 of images (all, or those of `rows`), uint8 or float in [0, 1]."""
    from vaelib.nn import backend

    rows = np.arange(len(images)) if rows is None else rows
    means = np.empty((len(rows), model.experiment.latent_dim), "float32")
    for part in _parts(len(rows), model.experiment.image_size):
        batch = images[rows[part]]
        if batch.dtype == np.uint8:
            batch = batch.astype("float32") / 255
        means[part] = backend.infer(model.encoder, batch[..., None])[0]
    return means


def decode_all(model: "VAE", latents: np.ndarray) -> np.ndarray:
    """Return the images (n, h, w) float32 in [0, 1] of latents (n, d)."""
    from vaelib.nn import backend

    s = model.experiment.image_size
    images = np.empty((len(latents), s, s), "float32")
    for part in _parts(len(latents), s):
        images[part] = expit(backend.infer(model.decoder, latents[part])[0][..., 0])
    return images


def _check_finite(name: str, values: np.ndarray) -> None:
    wrong = values[~np.isfinite(values)]
    if wrong.size:
        raise ValueError(f"{name} holds {wrong[0]}; allowed: finite numbers")


def _parts(n: int, image_size: int) -> list[slice]:
    step = max(1, min(256, _PIXELS // image_size**2))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
