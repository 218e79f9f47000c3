"""The term E|xy| for factors on the axes and at 45° to them, in closed form or by quadrature."""

import numpy as np
from scipy import integrate, special

from vaelib.disentanglement import unmixing
from vaelib.statistics import Numbers


def excess_kurtosis(shape: float) -> float:
    """Return the excess kurtosis of the generalised normal distribution, with density proportional to exp(-|s|^shape).

    It is 3 for shape 1 (Laplace), 0 for 2 (normal), and tends to -1.2 (uniform) as the shape grows.

    Args:
        shape: Above 0; infinity is the uniform distribution.

    Raises:
        ValueError: The shape is not above 0.
    """
    _check_shape(shape)
    if np.isinf(shape):
        return -1.2
    one, three, five = (special.gammaln(k / shape) for k in (1, 3, 5))
    return float(np.exp(five + one - 2 * three) - 3)


def on_axes(shape: float) -> float:
    """Return E|xy| of two independent factors of variance 1 that lie on the axes: (E|s|)².

    It is 3/4 for uniform factors, 2/π for normal ones, 1/2 for Laplace's.

    Args:
        shape: That of the factors' generalised normal distribution, as in `excess_kurtosis`.

    Raises:
        ValueError: The shape is not above 0.
    """
    _check_shape(shape)
    if np.isinf(shape):
        return 0.75
    one, two, three = (special.gammaln(k / shape) for k in (1, 2, 3))
    return float(np.exp(2 * two - one - three))


def on_diagonal(shape: float) -> float:
    """Return E|xy| of the same factors turned by 45°: ½ E|s² - t²|, by quadrature.

    With u(G) the quantiles of s², it is the integral of u (2G - 1) over G from 0 to 1 (half of Gini's mean difference).
    It is 1/2 for uniform factors, 2/π for normal ones, 3/4 for Laplace's.

    Args:
        shape: That of the factors' generalised normal distribution, as in `excess_kurtosis`.

    Raises:
        ValueError: The shape is not above 0.
    """
    _check_shape(shape)
    if np.isinf(shape):
        return 0.5
    scale = np.exp(special.gammaln(1 / shape) - special.gammaln(3 / shape))  # for variance 1

    def integrand(share: float) -> float:
        square = scale * special.gammaincinv(1 / shape, share) ** (2 / shape)
        return float(square * (2 * share - 1))

    return float(integrate.quad(integrand, 0, 1)[0])


def turned_square(angle: float, n: int = 24) -> tuple[Numbers, Numbers]:
    """Return an even grid (n², 2) of factors of variance 1, turned by `angle` (degrees), and the grid itself."""
    line = (np.arange(n) + 0.5) / n * 2 - 1
    factors = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    factors = factors / factors.std(axis=0)
    return unmixing.turn(factors, angle), factors


def _check_shape(shape: float) -> None:
    if not shape > 0:
        raise ValueError(f"shape = {shape!r}; allowed: numbers above 0")
