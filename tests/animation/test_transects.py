"""The film of a walk shows the run's own numbers at every step."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from vaelib import Experiment, animation, dataset
from vaelib.animation import encoder


def test_a_walk_shows_the_point_in_both_spaces_and_says_when_it_is_in_the_hole(drawn: list[encoder.Drawing]) -> None:
    experiment = Experiment.from_profile("smoke", region="punctured")
    data = dataset.build(experiment.data)

    def encode(images: np.ndarray) -> np.ndarray:
        rows = images[:, :, :30].reshape(len(images), 3, -1).mean(axis=2)
        return np.asarray(rows / 255, np.float32)

    def decode(latents: np.ndarray) -> np.ndarray:
        return np.full((len(latents), experiment.image_size, experiment.image_size), 0.25, np.float32)

    mu = encode(data.images[data.train])
    run: Any = SimpleNamespace(experiment=experiment, encode=encode, decode=decode, best_epoch=0, embeddings=mu[None])
    steps = 9
    assert animation.transect_film("w.mp4", run, data, names=["P1", "P3"], frames=steps) == 2 * steps
    (drawing,) = drawn
    left, _, original, redrawn, difference, plot = drawing.figure.axes
    endings = set()
    for frame in range(2 * steps):
        drawing.draw(frame)
        name, step = ("P1", "P3")[frame // steps], frame % steps
        point = dataset.transect(name, steps)[step]
        np.testing.assert_allclose(left.lines[-1].get_xydata(), [point])
        heading = drawing.figure.get_suptitle()
        assert heading.startswith(f"{name}: $a$ = {point[0]:.2f}")
        assert ("in the hole" in heading) == bool(dataset.in_hole([point], experiment)[0])
        endings.add(heading.rsplit(",")[-1])
        image = dataset.transect_images(name, experiment, steps)[step] / 255
        np.testing.assert_array_equal(original.images[0].get_array(), image)
        np.testing.assert_array_equal(difference.images[0].get_array(), redrawn.images[0].get_array() - image)
        ((x, y),) = plot.lines[-1].get_xydata()
        assert x == step and y == pytest.approx(100 * np.square(0.25 - image).mean() / image.var())
    assert len(endings) == 2
