"""The bias of the minibatch estimate of total correlation, in a picture."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from vaelib import figures
from vaelib.study.estimator_bias import bias


def over_batch_sizes(sigmas: Sequence[float], sizes: Sequence[int], *, images: int = 4096) -> Figure:
    """Draw the mean estimate over the batch size for each σ, with two standard errors, beside the exact value.

    Args:
        sigmas: The standard deviation of the posterior in each panel.
        sizes: The batch sizes.
        images: The number drawn for each estimate, in batches.

    Raises:
        ValueError: For a batch size above half of `images`.
    """
    figure, axes = plt.subplots(1, len(sigmas), figsize=(4.0 * len(sigmas), 2.8), squeeze=False)
    for axis, sigma in zip(axes[0], sigmas, strict=True):
        estimates = [bias(sigma, size, images=images, seed=size) for size in sizes]
        exact = estimates[0].exact
        means, errors = [estimate.mean for estimate in estimates], [2 * estimate.error for estimate in estimates]
        axis.errorbar(sizes, means, errors, marker="o", color=figures.BLUE, capsize=3)
        axis.axhline(exact, color=figures.BLACK, linestyle="--", linewidth=1)
        axis.text(sizes[-1], exact, "exact", ha="right", va="bottom", fontsize=9)
        axis.set(xscale="log", xticks=list(sizes), xlabel="images in a batch", title=f"σ = {sigma:g}")
        axis.margins(y=0.15)  # or the word would touch the frame
        axis.set_xticklabels([str(size) for size in sizes])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("estimate (nats)")
    return figure
