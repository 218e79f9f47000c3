"""The project's picture shows the run's own images and embedding, and its film becomes a GIF beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_run import TINY

from vaelib import animation, curves, dataset
from vaelib.animation import overview


@pytest.fixture(scope="module")
def data() -> dataset.DataSet:
    return dataset.build(TINY.data)


@pytest.fixture
def parts(run: Any, data: dataset.DataSet) -> Any:
    """The picture's three parts, from left to right."""
    return overview.overview(run, data).subfigs


def test_a_grows_to_the_right_and_b_downward(parts: Any) -> None:
    (sheet,) = (axis.images[0].get_array() for axis in parts[0].axes)
    corners = sheet[:64, :64], sheet[:64, -64:], sheet[-64:, :64]
    ends = [(0.5, 0.0), (2.0, 0.0), (0.5, 2.0)]
    expected = curves.render(*np.transpose(ends), image_size=64, line_width=2.0, framing="square")
    np.testing.assert_array_equal(corners, expected)


def test_each_unseen_image_stands_before_its_reconstruction(run: Any, data: dataset.DataSet, parts: Any) -> None:
    shown = [axis.images[0].get_array() for axis in parts[1].axes]
    unseen = data.images[data.validation[:8]]
    np.testing.assert_allclose(shown[0::2], unseen / 255)
    np.testing.assert_allclose(shown[1::2], run.reconstruct(unseen))


def test_the_sheet_has_all_training_images_coloured_by_b(data: dataset.DataSet, parts: Any) -> None:
    sheet, bar = parts[2].axes
    dots = sheet.collections[0]
    assert len(dots.get_offsets()) == len(dots.get_facecolor()) == len(data.train)
    assert bar.get_ylabel() == "$b$" and bar.get_ylim() == (0, 2)


def test_the_picture_and_the_gif_are_written_at_their_widths(run: Any, data: dataset.DataSet, tmp_path: Path) -> None:
    colours = {"b": data.parameters[data.train, 1]}
    film = animation.rotating_embedding(tmp_path / "walk.mp4", run.embeddings[-1], colours, frames=3, progress=False)
    paths = overview.save(tmp_path / "made", run, data, film)
    assert paths == [tmp_path / "made" / "overview.png", tmp_path / "walk.gif"]
    sizes = []
    for path in paths:
        with Image.open(path) as picture:
            sizes.append(picture.size)
    assert sizes[0] == (1200, 420) and sizes[1][0] == 640
