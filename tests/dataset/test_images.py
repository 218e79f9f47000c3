"""The images of points, and montages of them."""

import numpy as np
import pytest
from small_data import small

from vaelib import curves, dataset


def test_images_are_those_of_the_points(five_thousand):
    data = five_thousand["full"]
    for index in (0, 511, 512, 4999):  # also on both sides of a slab's end
        image = curves.render(*data.parameters[index], image_size=32, line_width=1.2, framing="square")[0]
        np.testing.assert_array_equal(data.images[index], image)


def test_transect_images_have_their_own_line_width():
    images = dataset.transect_images("P2", small(transect_line_width=3.0))
    assert images.shape == (15, 32, 32)
    alone = curves.render(0.5, 1.0, image_size=32, line_width=3.0, framing="square")
    np.testing.assert_array_equal(images[0], alone[0])


def test_a_montage_is_filled_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, None, None] + np.zeros((5, 2, 3), dtype=np.uint8) + 1
    sheet = dataset.montage(images, 2)
    assert sheet.shape == (6, 6)
    assert sheet.dtype == np.uint8
    assert sheet[::2, ::3].tolist() == [[1, 2], [3, 4], [5, 0]]
    with pytest.raises(ValueError, match="columns = 0"):
        dataset.montage(images, 0)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        dataset.montage(images[0], 1)
