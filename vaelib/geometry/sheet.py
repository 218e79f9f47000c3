"""The sheet that two factors make in the latent space, as a smooth map, and how far the curves on it turn."""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike

from vaelib.statistics import Numbers, points_of


def turning(curve: ArrayLike) -> float:
    """Return the total turning of a curve in degrees: the sum of the angles between successive steps.

    0 for a straight line, 180 for a half circle. Steps of no length are left out.

    Args:
        curve: Points (m, d), m from 2.

    Raises:
        ValueError: There are fewer than 2 points.
    """
    steps = np.diff(points_of(curve), axis=0)
    if len(steps) == 0:
        raise ValueError("a curve needs 2 points or more")
    lengths = np.linalg.norm(steps, axis=1)
    directions = steps[lengths > 0] / lengths[lengths > 0, None]
    # Half the chord of two unit vectors is the sine of half their angle: exact for small angles, unlike arccos.
    chords = np.linalg.norm(np.diff(directions, axis=0), axis=1)
    return float(np.degrees(2 * np.arcsin(np.clip(chords / 2, 0, 1))).sum())


@dataclass(frozen=True, eq=False)
class Sheet:
    """A smooth map from two factors to the latent space, a polynomial of the same degree in each of them."""

    coefficients: Numbers
    """Of Legendre polynomials over the factors' range, (degree + 1, degree + 1, d)."""
    low: Numbers
    """The lower ends of the factors' range, (2,)."""
    high: Numbers
    """The upper ends of the factors' range, (2,)."""
    explained: float
    """The share of the embedding's variance that the map explains."""

    def __call__(self, factors: ArrayLike) -> Numbers:
        """Return the points (n, d) of factors (n, 2)."""
        place = _unit(factors, self.low, self.high)
        values: Numbers = legendre.legval2d(place[:, 0], place[:, 1], self.coefficients)  # type: ignore[assignment]
        return values.T

    def lines(self, factor: int, *, lines: int = 7, points: int = 61) -> list[Numbers]:
        """Return curves along which one factor is constant and the other runs over its range.

        The constants are equally spaced over the middle 80 % of the range: at its ends a polynomial is least certain.

        Args:
            factor: The constant factor, 0 or 1.
            lines: The number of curves.
            points: The number of points on each.

        Returns:
            Curves (points, d).
        """
        share = np.linspace(0, 1, points)
        curves = []
        for constant in np.linspace(0.1, 0.9, lines):
            place = np.column_stack([np.full(points, constant), share])
            curves.append(self(self.low + (self.high - self.low) * (place if factor == 0 else place[:, ::-1])))
        return curves


def fit_sheet(factors: ArrayLike, mu: ArrayLike, *, degree: int = 4) -> Sheet:
    """Return the `Sheet` that fits an embedding by least squares.

    It averages over the grain of single images, which would dominate any turning measured from point to point; the
    grain that is left still adds some turning and never takes any away, so compare with `straight_control`.

    Args:
        factors: (n, 2), n from (degree + 1)².
        mu: The embedding (n, d).
        degree: The polynomial's degree in each factor.

    Raises:
        ValueError: An array has another shape, or there are too few points.
    """
    points, places = points_of(mu), points_of(factors)
    if places.shape != (len(points), 2) or len(points) < (degree + 1) ** 2:
        raise ValueError(
            f"factors has shape {places.shape}, mu {points.shape}; allowed: (n, 2) and (n, d), with n from "
            f"{(degree + 1) ** 2} for degree {degree}"
        )
    low, high = places.min(axis=0), places.max(axis=0)
    unit = _unit(places, low, high)
    basis = legendre.legvander2d(unit[:, 0], unit[:, 1], [degree, degree])  # (n, (degree + 1)²)
    flat = np.asarray(np.linalg.lstsq(basis, points, rcond=None)[0], dtype=np.float64)
    left = (points - basis @ flat).var(axis=0).sum() / max(points.var(axis=0).sum(), np.finfo(float).tiny)
    return Sheet(flat.reshape(degree + 1, degree + 1, -1), low, high, float(1 - left))


def straight_control(factors: ArrayLike, mu: ArrayLike, *, degree: int = 4, seed: int = 0) -> Sheet:
    """Return the `Sheet` fitted to a flat embedding with the grain of `mu`: the turning that grain alone would show.

    The flat embedding is a linear map of the factors, fitted to `mu`, plus what `fit_sheet` left unexplained,
    redistributed among the images at random.

    Args:
        factors: (n, 2).
        mu: The embedding (n, d).
        degree: The polynomial's degree in each factor.
        seed: The permutation is drawn from `numpy.random.default_rng(seed)`.

    Raises:
        ValueError: As in `fit_sheet`.
    """
    points, places = points_of(mu), points_of(factors)
    grain = points - fit_sheet(places, points, degree=degree)(places)
    flat = fit_sheet(places, points, degree=1)
    # Degree 1 in each factor still has their product, which bends; without it the map is linear.
    flat.coefficients[1, 1] = 0
    return fit_sheet(places, flat(places) + np.random.default_rng(seed).permutation(grain), degree=degree)


def _unit(factors: ArrayLike, low: Numbers, high: Numbers) -> Numbers:
    """Return factors (n, 2) mapped from the range low … high to -1 … 1."""
    return 2 * (points_of(factors) - low) / np.maximum(high - low, np.finfo(float).tiny) - 1
