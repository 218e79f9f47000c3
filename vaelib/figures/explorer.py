"""The still picture of the explorer: the same three views, drawn once."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from vaelib import dataset, figures, metrics
from vaelib.figures.living import png as png
from vaelib.figures.scene import Scene
from vaelib.run import Run

_DPI = 130
_POINTS = 1200  # training images in the latent space


def still(run: Run, parameters: ArrayLike) -> Figure:
    """Draw a run's parameter space, latent space and images at one point, at the best epoch.

    The latent space is seen from where the sheet is broadest.

    Args:
        run: A finished run.
        parameters: The point (a, b).

    Returns:
        The figure, which pyplot does not manage.

    Raises:
        ValueError: Unless the run has three latents.
    """
    data = dataset.build(run.experiment.data)
    a, b = (float(value) for value in np.asarray(parameters))
    places = data.parameters[data.train]
    factors = places[:_POINTS]
    mu = run.embeddings[run.best_epoch][:_POINTS]
    if mu.shape[1] != 3:
        raise ValueError(f"the embedding has {mu.shape[1]} latents: the picture shows three")
    figure = Figure(figsize=(7.6, 6.2), dpi=_DPI, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[3, 2], squeeze=False)[:, 0]
    left, right = above.subplots(1, 2, width_ratios=[2, 3])
    figures.parameter_axes(left).set_title("Parameter space")
    left.scatter(*places.T, c=places[:, 0], s=1.5, cmap=figures.COLORMAPS["a"], linewidths=0)
    for name, ends in dataset.TRANSECTS.items():
        left.plot(*np.transpose(ends), color=figures.TRANSECT_COLORS[name])
    figures.hole(left, run.experiment)
    image = dataset.draw(np.array([[a, b]]), run.experiment.data)
    place = run.encode(image)
    scene = Scene(right, factors[:, 0], "a", mu)
    view = dict(zip(("azimuth", "elevation"), figures.viewing_angles(mu), strict=True))
    scene.show(mu, **view, title="Latent space")
    marker = {"s": 60, "color": "white", "edgecolors": "black", "linewidths": 2.5, "zorder": 5}
    left.scatter([a], [b], **marker)
    right.scatter(*scene.seen(place, **view)[:, :2].T, **marker)
    decoded = run.decode(place)
    difference = decoded[0] - image[0] / 255
    error = 100 * metrics.normalised_error(image, decoded)[0]
    axes = below.subplots(1, 3)
    titles = (f"True curve: $a$ = {a:g}, $b$ = {b:g}", "Decoded", f"Difference: error {error:.1f} %")
    for axis, picture, title in zip(axes, (image[0], decoded[0], difference), titles, strict=True):
        figures.show_image(axis, picture)
        axis.set_title(title)
    axes[2].images[0].set(cmap="PuOr_r", clim=(-1, 1))
    return figure
