"""The images of a training in batches, in an order that an interrupted run can resume."""

import math
from typing import Any

import numpy as np

from vaelib import dataset
from vaelib.experiment import Experiment
from vaelib.nn import backend
from vaelib.nn.backend import keras


class Batches(keras.utils.PyDataset):
    """A set of images in batches, in memory as uint8; the order in epoch e depends on (seed, e) alone.

    Keras's own shuffling repeats one permutation after a fixed seed, and cannot be resumed. A batch is (images, images,
    weights), or (images,) where the images have no weights.

    Args:
        data: The data set.
        rows: The indices of the images that are used.
        experiment: The settings, of which the batch size, the seed and the weighting are used.
        shuffle: Whether the order changes from epoch to epoch.
        sharing: The devices that share each batch; None for one device.
    """

    def __init__(
        self,
        data: dataset.DataSet,
        rows: np.ndarray,
        experiment: Experiment,
        *,
        shuffle: bool,
        sharing: backend.DataParallel | None = None,
    ) -> None:
        super().__init__()
        self.sharing = sharing
        self.data, self.rows = data, rows
        self.size, self.seed, self.shuffle = experiment.batch_size, experiment.seed, shuffle
        self.weighted = experiment.sample_weights != "none"
        self.set_epoch(0)

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self.order[index * self.size : (index + 1) * self.size]
        images, weights = self.data.images[rows], self.data.weights[rows]
        if self.sharing:
            images, weights = self.sharing.place(images), self.sharing.place(weights)
        return (images, images, weights) if self.weighted else (images,)

    def set_epoch(self, epoch: int) -> None:
        """Take the order of an epoch, counted from 0."""
        self.order = self.rows
        if self.shuffle:
            self.order = np.random.default_rng((self.seed, 5, epoch)).permutation(self.rows)
