"""The pictures of what aligns finished latents with the factors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from vaelib import evaluation, figures, metrics
from vaelib.disentanglement import unmixing
from vaelib.study import comparison
from vaelib.study.quantities import Row

Numbers = NDArray[np.float64]

WAYS: dict[str, tuple[str, str]] = {
    "alignment": ("as trained", figures.BLACK),
    "alignment_turned": ("turned at random", figures.BLACK),
    "product_lowest": ("sphered, $|xy|$ lowest", figures.VERMILION),
    "plane_turned": ("sphered, turned at random", figures.BLACK),
    "product_highest": ("sphered, $|xy|$ highest", figures.BLUE),
    "independent": ("independent components", figures.BLUE),
    **{f"labels_{n}": (f"{n} labelled images", figures.GREEN) for n in evaluation.LABELS},
    "linear_r2": ("all images labelled", figures.GREEN),
}
"""What can be done with finished latents: by the table's column, in words, and its colour; blue needs no labels."""


def ladder(rows: Sequence[Row]) -> Figure:
    """Draw the alignment of runs in each of `WAYS`: a dot for each seed, the mean, its 95 % interval as a bar.

    The line of a way without numbers is empty.
    """
    figure, axis = plt.subplots(figsize=(8, 0.36 * len(WAYS) + 0.7))
    for k, (name, (_, color)) in enumerate(WAYS.items()):
        values = comparison.values(rows, name)
        # The seeds' dots are below their mean, so that neither hides the other.
        axis.plot(values, np.full(len(values), k + 0.22), "o", color=color, alpha=0.35, markersize=4, markeredgewidth=0)
        mean = comparison.interval(values)
        if mean.n:
            axis.plot([mean.mean], [k], "D", color=color, markersize=7)
        if mean.n > 1:
            axis.plot([mean.low, mean.high], [k, k], color=color, linewidth=2.5)
    axis.set_yticks(range(len(WAYS)), [label for label, _ in WAYS.values()])
    axis.set(xlabel="alignment with $(a, b)$", ylim=(len(WAYS) - 0.4, -0.6), xlim=(None, 1))
    axis.grid(axis="x", color="0.9", linewidth=0.8)
    return figure


def labels_needed(rows: Sequence[Row], alignment: float) -> str:
    """Return in words how many labelled images a linear map needs for this alignment in the mean over runs."""
    enough = [n for n in evaluation.LABELS if comparison.estimate(rows, f"labels_{n}").mean >= alignment]
    return str(min(enough)) if enough else f"more than {max(evaluation.LABELS)}"


@dataclass(frozen=True, eq=False)
class Turned:
    """A sphered embedding, rotated."""

    codes: Numbers
    """(n, 2)."""
    alignment: float
    """Of the codes with the factors."""


def turns(mu: ArrayLike, factors: ArrayLike) -> dict[str, Turned]:
    """Return an embedding sphered and rotated in three ways.

    Args:
        mu: (n, d), the embedding.
        factors: (n, 2).

    Returns:
        By name: where |xy| is "lowest", where it is "highest", and the "independent" components.

    Raises:
        ValueError: Where all images lie on a line.
    """
    # A picture may show a sheet that has hardly unfolded, such as after the few steps of the smoke profile.
    plane = unmixing.sphered(mu, threshold=0)
    product = unmixing.product_by_angle(plane)
    codes = {
        "lowest": unmixing.turn(plane, product.lowest),
        "highest": unmixing.turn(plane, product.highest),
        "independent": unmixing.independent(mu, threshold=0),
    }
    return {name: Turned(rotated, metrics.alignment(rotated, factors)) for name, rotated in codes.items()}


def planes(rotated: Mapping[str, Turned], factors: ArrayLike) -> Figure:
    """Draw `turns` of an embedding, above coloured by a, below by b.

    Where a latent encodes a factor, the colours change along its axis.

    Args:
        rotated: What `turns` returned.
        factors: (n, 2).
    """
    titles = {"lowest": "$|xy|$ lowest", "highest": "$|xy|$ highest", "independent": "independent components"}
    values = np.asarray(factors)
    figure, axes = plt.subplots(2, len(rotated), figsize=(8, 5.6), sharex=True, sharey=True, squeeze=False)
    for row, (factor, colors) in enumerate((("a", "viridis"), ("b", "plasma"))):
        for axis, turned in zip(axes[row], rotated.values(), strict=True):
            dots = axis.scatter(*turned.codes.T, c=values[:, row], s=3, cmap=colors, linewidths=0, rasterized=True)
            axis.set_aspect("equal")
        figure.colorbar(dots, ax=axes[row], label=f"${factor}$", shrink=0.8)
    for axis in axes[1]:
        axis.set_xlabel("first latent, turned")
    for axis in axes[:, 0]:
        axis.set_ylabel("second")
    for axis, (name, turned) in zip(axes[0], rotated.items(), strict=True):
        axis.set_title(f"{titles[name]}\nalignment {turned.alignment:.2f}", fontsize=10)
    return figure
