"""A sheet in three latents, seen from anywhere and drawn on flat axes.

Projecting the points here is several times quicker than matplotlib's 3-D axes, and a film has many frames.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from vaelib.experiment import PARAMETER_RANGE
from vaelib.figures.styling import COLORMAPS

Numbers = NDArray[np.float64]

AZIMUTH, ELEVATION = 35.0, 24.0  # degrees; the viewpoint of what does not turn
LATENT_LABELS = ("$\\mu_1$", "$\\mu_2$", "$\\mu_3$")
_SYMBOLS = {"a": "$a$", "b": "$b$"}


class Scene:
    """A 3-D scatter on a flat axis: parallel projection, the nearest points on top, the latent axes as lines.

    The artists are made once; `show` moves them. The view turns about the mean of `space`, and the latent axes go
    through the origin.

    Args:
        axis: Where to draw.
        values: (n,), the colours of the points.
        name: What the colours are: "a", "b" or "error".
        space: (..., 3), the points that stay in view.
        bar: Add a colour bar.
    """

    def __init__(self, axis: Axes, values: NDArray[Any], name: str, space: Numbers, *, bar: bool = True) -> None:
        self.centre = space.reshape(-1, 3).mean(axis=0)
        # Far enough for all viewpoints and all but the few farthest points.
        reach = 1.06 * float(np.percentile(np.linalg.norm(space - self.centre, axis=-1), 99.5)) + 1e-6
        self.reach = reach
        colormap = mpl.colormaps[COLORMAPS.get(name, "viridis")]
        low, high = PARAMETER_RANGE.get(name, (float(np.min(values)), float(np.max(values))))
        scale = mpl.colors.Normalize(low, high)
        self.colors = colormap(scale(values))  # (n, 4)
        self.dots = axis.scatter([], [], s=[], linewidths=0, zorder=2)
        self.ticks = axis.scatter([], [], s=5, color="0.45", linewidths=0, zorder=1)  # one at each whole number
        self.lines = LineCollection([], colors="0.45", linewidths=0.8, zorder=1)
        axis.add_collection(self.lines)
        self.names = [axis.text(0, 0, label, ha="center", va="center", zorder=3) for label in LATENT_LABELS]
        self.title = axis.set_title(" ", fontsize=10, loc="center")
        self.moving: list[Artist] = [self.dots, self.ticks, self.lines, *self.names, self.title]
        for artist in self.moving[:-1]:
            artist.set_in_layout(False)
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if bar:
            mappable = mpl.cm.ScalarMappable(scale, colormap)
            axis.figure.colorbar(mappable, ax=axis, shrink=0.6, pad=0.01, label=_SYMBOLS.get(name, name))

    def show(
        self, points: Numbers, *, azimuth: float = AZIMUTH, elevation: float = ELEVATION, title: str | None = None
    ) -> None:
        """Move the points and the latent axes.

        Args:
            points: (n, 3), one for each colour.
            azimuth: Of the eye, in degrees.
            elevation: Of the eye, in degrees.
            title: The new title; None keeps the last one.
        """
        view = projection(azimuth, elevation)
        seen = self.seen(points, azimuth=azimuth, elevation=elevation)
        order = np.argsort(seen[:, 2])
        nearness = np.clip((seen[order, 2] / self.reach + 1) / 2, 0, 1)
        self.dots.set_offsets(seen[order, :2])
        self.dots.set_facecolor(self.colors[order])
        self.dots.set_sizes(4 + 9 * nearness)
        origin = view[:2] @ -self.centre  # (2,)
        directions = view[:2].T  # (3, 2): where each latent axis points to
        arms = 0.75 * self.reach * directions
        self.lines.set_segments(list(np.stack([origin - arms, origin + arms], axis=1)))
        integers = np.arange(-int(0.75 * self.reach), int(0.75 * self.reach) + 1)
        self.ticks.set_offsets(origin + (integers[:, None, None] * directions).reshape(-1, 2))
        for text, arm in zip(self.names, arms, strict=True):
            text.set_position(tuple(origin + 1.12 * arm))
        if title is not None:
            self.title.set_text(title)

    def seen(self, points: Numbers, *, azimuth: float = AZIMUTH, elevation: float = ELEVATION) -> Numbers:
        """Return where points (n, 3) are in the picture, (n, 3): to the right, up, and towards the eye."""
        return np.asarray((points - self.centre) @ projection(azimuth, elevation).T)


def projection(azimuth: float, elevation: float) -> Numbers:
    """Return the rotation (3, 3) whose rows are the view's directions to the right, up and towards the eye.

    The third axis points up in the picture; the eye looks at the origin from an azimuth and an elevation in degrees.
    """
    turn, lift = np.radians([azimuth, elevation])
    right = [-np.sin(turn), np.cos(turn), 0]
    up = [-np.sin(lift) * np.cos(turn), -np.sin(lift) * np.sin(turn), np.cos(lift)]
    eye = [np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift)]
    return np.array([right, up, eye])
