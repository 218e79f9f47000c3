"""A training on disk, finished or not, and encoding and decoding with its model.

`vaelib.storage.checkpoint` says what a run's folder holds, and writes it.
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

_PIXELS = 2**20  # per call in encoding and decoding, in at most 256 images; bounds the memory


class Run:
    """A training's folder. `train` returns one; `Run(path)` opens one and verifies the checksum of every file.

    Args:
        path: The folder.

    Raises:
        DamagedError: A file is missing or damaged.
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
        """Leave the model out of a copy, which loads its own from the folder."""
        return {**self.__dict__, "_model": None}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, epochs={self.epochs}, complete={self.complete})"

    @property
    def complete(self) -> bool:
        """Whether all epochs are finished."""
        return bool(self.manifest["complete"])

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return int(self.manifest["epoch"])

    @property
    def history(self) -> dict[str, np.ndarray]:
        """By name, (epochs,): loss, cross_entropy, kl, penalty, and the same with the prefix val_."""
        rows = self.manifest["history"]
        return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1; 0 before the first) with the lowest validation loss."""
        return best_epoch(self.manifest["history"])

    @property
    def snapshots(self) -> tuple[int, ...]:
        """The finished epochs whose weights are kept besides those of the best and the last."""
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
        """Return the means μ (n, d) float32 of images.

        Args:
            images: (n, h, w), uint8 or float in [0, 1].
            epoch: "best", "last" or one of `kept_epochs`.

        Raises:
            ValueError: The images have another shape, type or range, or the epoch's weights are not kept.
        """
        images = self._checked(images)
        return encode_all(self.model(epoch), images)

    def decode(self, latents: np.ndarray, epoch: int | str = "best") -> np.ndarray:
        """Return the images (n, h, w) float32 in [0, 1] of latents.

        Args:
            latents: (n, d), finite.
            epoch: "best", "last" or one of `kept_epochs`.

        Raises:
            ValueError: The latents have another shape or are not finite, or the epoch's weights are not kept.
        """
        latents = np.asarray(latents, "float32")
        d = self.experiment.latent_dim
        if latents.ndim != 2 or latents.shape[1] != d:
            raise ValueError(f"latents has shape {latents.shape}; allowed: (n, {d})")
        _check_finite("latents", latents)
        return decode_all(self.model(epoch), latents)

    def reconstruct(self, images: np.ndarray, epoch: int | str = "best") -> np.ndarray:
        """Return `decode(encode(images))`, without noise, as (n, h, w) float32 in [0, 1]."""
        return self.decode(self.encode(images, epoch), epoch)

    def model(self, epoch: int | str = "best") -> "VAE":
        """Return the model with the weights of an epoch, in float32 whatever the training's precision."""
        number = self._number(epoch)
        if self._model is None:
            from vaelib.model import VAE

            self._model = (-1, VAE(self.experiment.replace(precision="float32")))
        loaded, model = self._model
        if loaded != number:
            set_weights(model, storage.unpack(self.read(weights_file(number))))
            self._model = (number, model)
        return model

    def save_keras(self, folder: str | os.PathLike[str], epoch: int | str = "best") -> Path:
        """Write `encoder.keras` and `decoder.keras`, which Keras 3 loads without this library; return the folder.

        `keras.saving.load_model` reads them on any backend. The encoder maps images (n, s, s, 1) float32 in [0, 1] to μ
        (n, d), or to [μ, log σ²] with variance "learned"; the decoder maps latents (n, d) to images (n, s, s, 1) in
        [0, 1]. Both are float32 and agree with `encode` and `decode` up to rounding. They have no noise: z = μ + σ·ε
        with ε ~ N(0, 1), and σ is `experiment.sigma` if there is no log σ².

        Args:
            folder: Created if it is missing; files of these names are replaced.
            epoch: "best", "last" or one of `kept_epochs`.

        Raises:
            ValueError: The epoch's weights are not kept.
            StoreError: The folder cannot be written.
        """
        model = self.model(epoch)
        from vaelib.model import standard_parts

        folder = storage.check_writable(folder)
        with tempfile.TemporaryDirectory() as scratch:
            for name, part in standard_parts(model).items():
                file = Path(scratch) / f"{name}.keras"
                part.save(file)
                storage.write(folder / file.name, file.read_bytes())
        return folder

    def _number(self, epoch: int | str) -> int:
        named = {"best": self.best_epoch, "last": self.epochs}
        number = named.get(epoch, epoch) if isinstance(epoch, str) else epoch
        is_integer = isinstance(number, Integral) and not isinstance(number, bool)
        if not is_integer or weights_file(int(number)) not in self.manifest["files"]:
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
            raise ValueError(f"images has values from {images.min()} to {images.max()}; allowed: [0, 1]")
        return images.astype("float32")

    def read(self, name: str) -> bytes:
        """Return the content of a file of the folder. Raises DamagedError if it is missing or changed."""
        return storage.read(self.path / name, self.manifest["files"].get(name, ""))


def finished(path: str | os.PathLike[str], experiment: Experiment) -> Run | None:
    """Return the finished run of an experiment at `path`; None if it is missing, unfinished or damaged."""
    with contextlib.suppress(DamagedError):
        if is_complete(path) and (run := Run(path)).experiment.hash == experiment.hash:
            return run
    return None


def encode_all(model: "VAE", images: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the means μ (n, d) float32 of images (n, h, w), uint8 or float in [0, 1], all or those in `rows`."""
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
    not_finite = values[~np.isfinite(values)]
    if not_finite.size:
        raise ValueError(f"{name} contains {not_finite[0]}; allowed: finite numbers")


def _parts(n: int, image_size: int) -> list[slice]:
    step = max(1, min(256, _PIXELS // image_size**2))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
