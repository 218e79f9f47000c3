"""The rotation of a run's first weights: orthogonal, uniform, and drawn with the run's seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaelib import Experiment
from vaelib.nn.rotation import initial_rotation

SMOKE = Experiment.from_profile("smoke")


def drawn(kind: str, *, seed: int = 0, d: int = 3) -> np.ndarray:
    matrix = initial_rotation(SMOKE.replace(initial_rotation=kind, seed=seed, latent_dim=d, gamma=0.0))
    assert matrix is not None
    return matrix


@given(st.sampled_from(["rotation", "signed_permutation"]), st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_it_is_orthogonal_and_the_seed_decides_it(kind: str, seed: int, d: int) -> None:
    matrix = drawn(kind, seed=seed, d=d)
    assert matrix.shape == (d, d) and matrix.dtype == np.float32
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(d), atol=1e-5)
    np.testing.assert_array_equal(drawn(kind, seed=seed, d=d), matrix)


def test_a_signed_permutation_takes_axes_to_axes_and_all_of_them_occur() -> None:
    matrices = np.array([drawn("signed_permutation", seed=seed, d=2) for seed in range(100)])
    assert set(np.unique(matrices)) == {-1, 0, 1} and (np.abs(matrices).sum(axis=1) == 1).all()
    assert len({matrix.tobytes() for matrix in matrices + 0.0}) == 8  # two orders, four pairs of signs


def test_rotations_are_uniform() -> None:
    """A row is uniform on the sphere: mean 0, mean square 1/3, mean fourth power 1/5. Within four standard errors."""
    entries = np.array([drawn("rotation", seed=seed) for seed in range(400)])[:, 0, 0]
    assert entries.mean() == pytest.approx(0, abs=4 * np.sqrt(1 / 3 / 400))
    assert (entries**2).mean() == pytest.approx(1 / 3, abs=4 * np.sqrt((1 / 5 - 1 / 9) / 400))


def test_the_setting_none_draws_no_rotation() -> None:
    assert initial_rotation(SMOKE.replace(initial_rotation="none")) is None
