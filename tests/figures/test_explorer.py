"""The picture that stands in for the explorer shows the run's images of the point, in few bytes."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vaelib import Experiment, dataset, figures, metrics, train
from vaelib.figures.scene import projection
from vaelib.run import Run

POINT = (0.9, 1.4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with as many training images, and so as many dots, as one of the book's."""
    experiment = Experiment.from_profile("smoke", n_images=5000, epochs=1, batch_size=128)
    return train(experiment, tmp_path_factory.mktemp("runs"), progress=False)


@pytest.fixture(scope="module")
def still(run: Run) -> Any:
    return figures.explorer.still(run, POINT)


def test_the_point_stands_where_its_image_is_encoded(run: Run, still: Any) -> None:
    titled = {axis.get_title(loc=place): axis for axis in still.axes for place in ("left", "center")}
    left, right = titled["Parameter space"], titled["Latent space"]
    np.testing.assert_allclose(left.collections[-1].get_offsets(), [POINT])
    mu = run.embeddings[run.best_epoch][: figures.explorer._POINTS]
    place = run.encode(dataset.draw(np.array([POINT]), run.experiment.data))
    expected = (place - mu.mean(axis=0)) @ projection(*figures.viewing_angles(mu)).T
    np.testing.assert_allclose(right.collections[-1].get_offsets(), expected[:, :2], rtol=1e-5)


def test_all_training_images_are_in_the_parameter_space(run: Run, still: Any) -> None:
    data = dataset.build(run.experiment.data)
    dots = next(axis for axis in still.axes if axis.get_title(loc="left") == "Parameter space").collections[0]
    np.testing.assert_allclose(dots.get_offsets(), data.parameters[data.train])


def test_the_images_and_their_error_are_the_runs(run: Run, still: Any) -> None:
    image = dataset.draw(np.array([POINT]), run.experiment.data)
    redrawn = run.reconstruct(image)
    shown = [axis.images[0].get_array() for axis in still.axes if axis.images]
    for picture, expected in zip(shown, (image[0], redrawn[0], redrawn[0] - image[0] / 255), strict=True):
        np.testing.assert_allclose(picture, expected, atol=1e-5)
    titles = " ".join(axis.get_title(loc="left") for axis in still.axes)
    (error,) = re.findall(r"error ([\d.]+) %", titles)
    assert float(error) == pytest.approx(100 * metrics.normalised_error(image, redrawn)[0], abs=0.051)
    assert "$a$ = 0.9, $b$ = 1.4" in titles


def test_its_bytes_have_room_in_the_page(still: Any) -> None:
    png = figures.explorer.png(still)
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG" and picture.width > 900
    print(f"\n{len(png) / 1000:.0f} kB")
    assert len(png) < 100_000


def test_a_run_of_two_latents_is_refused(tmp_path: Path) -> None:
    flat = train(
        Experiment.from_profile("smoke", latent_dim=2, n_images=60, epochs=1, batch_size=30), tmp_path, progress=False
    )
    with pytest.raises(ValueError, match="2 latents: the picture shows three"):
        figures.explorer.still(flat, POINT)
