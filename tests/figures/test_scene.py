"""Where a scene shows its points."""

import numpy as np
import pytest

from vaelib.figures import scene


def test_the_projection_is_a_rotation_with_the_third_axis_upright() -> None:
    view = scene.projection(35, 24)
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)
    right, up, _ = view @ [0, 0, 1]
    assert right == pytest.approx(0) and up > 0
    np.testing.assert_allclose(scene.projection(0, 0) @ [1, 2, 3], [2, 3, 1], atol=1e-12)
