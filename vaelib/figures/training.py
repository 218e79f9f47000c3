"""The pictures of the training's chapter: architecture, terms over the epochs, errors, traversals."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from vaelib import figures
from vaelib.run import Run

Numbers = NDArray[np.float64]

_TERMS = {"loss": "loss", "cross_entropy": "cross-entropy", "kl": "KL", "penalty": "penalty"}


def architecture(model: Any) -> Any:
    """Return the table of a VAE's layers: name, kind, shape of the output, parameters; read from the model."""
    rows = []
    for part in (model.encoder, model.decoder):
        for layer in part.layers:
            shape = " × ".join(str(size) for size in layer.output.shape[1:])
            rows.append([part.name, layer.name, type(layer).__name__, shape, f"{layer.count_params():,}"])
        rows.append([part.name, "all layers", "", "", f"{part.count_params():,}"])
    rows.append(["both", "", "", "", f"{model.encoder.count_params() + model.decoder.count_params():,}"])
    return figures.table(["part", "layer", "kind", "output", "parameters"], rows)


def curves(run: Run, floor: float) -> Figure:
    """Draw every term over the epochs, for the training and the validation set, with the best epoch marked.

    Args:
        run: A finished run.
        floor: The lowest cross-entropy that any model can reach: the pixels' own entropy.
    """
    history = run.history
    epochs = np.arange(1, run.epochs + 1)
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.9))
    for axis, (name, title) in zip(axes, _TERMS.items(), strict=True):
        axis.plot(epochs, history[name], label="training")
        axis.plot(epochs, history[f"val_{name}"], "--", label="validation")
        axis.axvline(run.best_epoch, color=figures.BLACK, linewidth=0.8, linestyle=":")
        axis.set(title=title, xlabel="epoch")
        if name in ("loss", "cross_entropy"):
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[1].axhline(floor, color=figures.GREEN, linewidth=1.2)
    axes[1].annotate("floor", (1, floor), (0, 3), textcoords="offset points", color=figures.GREEN, fontsize=9)
    axes[3].legend(loc="lower right")
    axes[0].set_ylabel("value per image")
    return figure


def errors(parameters: Numbers, raw: Numbers, normalised: Numbers) -> Figure:
    """Draw two maps of the validation images over (a, b), coloured by raw and by normalised error.

    The colours end at each error's 98th percentile.

    Args:
        parameters: (n, 2), the points (a, b).
        raw: (n,), mean squared errors.
        normalised: (n,), errors over each image's own variance.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.6))
    titles = ("mean squared error × 1000", "error over own variance (%)")
    for axis, values, title in zip(axes, (1000 * raw, 100 * normalised), titles, strict=True):
        figures.parameter_axes(axis)
        dots = axis.scatter(
            *parameters.T, c=values, cmap=figures.COLORMAPS["error"], s=16, vmin=0, vmax=np.percentile(values, 98)
        )
        figure.colorbar(dots, ax=axis, shrink=0.85)
        axis.set_title(title)
    return figure


def traversals(run: Run, steps: int = 9, reach: float = 2.0) -> tuple[Figure, Numbers]:
    """Draw decoded images along each latent, with the others at the embedding's mean.

    Args:
        run: A finished run.
        steps: The number of images in a row.
        reach: A row goes from so many standard deviations below the mean to as many above.

    Returns:
        The figure, and the images (d, steps, h, w).
    """
    mu = run.embeddings[run.best_epoch]
    mean, spread = mu.mean(axis=0), mu.std(axis=0)
    offsets = np.linspace(-reach, reach, steps)
    d = len(mean)
    latents = np.tile(mean, (d, steps, 1))  # (d, steps, d)
    for i in range(d):
        latents[i, :, i] += offsets * spread[i]
    images = run.decode(latents.reshape(-1, d)).reshape(d, steps, *[run.experiment.image_size] * 2)
    labels = [f"$\\mu_{{{i + 1}}}$" for i in range(d)]
    return figures.image_rows(list(images), labels, size=0.85), images
