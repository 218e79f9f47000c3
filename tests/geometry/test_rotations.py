"""Scores over rotations: known extremes, and what does not depend on a shape's orientation."""

import numpy as np
import pytest
from random_shapes import rotation, uniform
from scipy.spatial.transform import Rotation

from vaelib import geometry, losses


def test_rotations_of_a_flat_square_have_the_known_extremes() -> None:
    # E|xy| is 1/4 on the axes of the square and 1/6 at 45°; the third latent is zero, and of three pairs one counts.
    mu = np.column_stack([uniform(6000, 2), np.zeros(6000)])
    rotations = geometry.over_rotations(losses.entanglement, mu, samples=60)
    assert rotations.value == pytest.approx(1 / 12, rel=0.03)
    assert rotations.lowest == pytest.approx(1 / 18, rel=0.03)
    assert losses.entanglement(mu @ rotations.at_lowest.T) == pytest.approx(rotations.lowest)
    assert losses.entanglement(mu @ rotations.at_highest.T) == pytest.approx(rotations.highest)
    assert rotations.lowest <= rotations.samples.min() and rotations.samples.max() <= rotations.highest
    assert 0 < rotations.position < 1


def test_rotation_extremes_do_not_depend_on_the_shapes_orientation() -> None:
    mu = np.array([1, 0, 0.5]) + np.column_stack([uniform(500, 2), 0.2 * uniform(500, 1, 1)])
    here, there = (geometry.over_rotations(losses.entanglement, mu @ r.T, samples=60) for r in (np.eye(3), rotation(5)))
    assert there.lowest == pytest.approx(here.lowest, rel=0.01)
    assert there.highest == pytest.approx(here.highest, rel=0.01)
    lowest = geometry.over_rotations(losses.entanglement, mu @ here.at_lowest.T, samples=60)
    assert lowest.rank == 0
    assert lowest.position == pytest.approx(0, abs=0.01)
    np.testing.assert_allclose(here.at_lowest @ here.at_lowest.T, np.eye(3), atol=1e-9)


def test_a_score_that_rotation_does_not_change_has_no_position() -> None:
    mu = uniform(50, 3)
    rotations = geometry.over_rotations(lambda _: 2.0, mu, samples=20)
    assert (rotations.value, rotations.lowest, rotations.highest, rotations.position) == (2, 2, 2, 0)
    assert geometry.over_rotations(lambda points: float(points.std()), mu[:, :1], samples=20).position == 0


def test_rotations_are_uniform_and_reproducible() -> None:
    turns = geometry.random_rotations(3, 4000, seed=1)
    assert np.linalg.det(turns) == pytest.approx(np.ones(4000))
    assert turns.mean(axis=0) == pytest.approx(np.zeros((3, 3)), abs=0.05)
    angles = Rotation.from_matrix(turns).magnitude()
    assert angles.mean() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.03)  # of the density (1 - cos)/π
    assert (geometry.random_rotations(3, 10, seed=1) == turns[:10]).all()
