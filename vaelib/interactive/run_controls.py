"""Live controls of a finished run: a latent point, a transect, an epoch.

As in `vaelib.interactive.controls`, a page without a kernel gets a static figure, drawn by the same views.
"""

import math

import ipywidgets
import numpy as np
from matplotlib.figure import Figure

from vaelib import analysis, figures, notebook
from vaelib.interactive.controls import Control
from vaelib.run import Run

_STEPS = 200  # the least number of steps of a slider over a latent


def latent_explorer(run: Run) -> Control | Figure:
    """Return sliders for μ with the image decoded there, its nearest training image, and its place near the sheet.

    The sliders cover the embedding of the best epoch and a quarter of its range beyond. They begin on the sheet, to
    within a step, at the training mean nearest to the hole's centre. A page without a kernel gets a walk from there
    straight off the sheet, to both sides.

    Raises:
        ValueError: Unless the run has three latents.
    """
    sheet = analysis.embedding.Sheet(run)
    if notebook.is_static():
        return figures.live.off_the_sheet(sheet, sheet.walk_through())
    figure, view = figures.live.latent(sheet)

    def update(**mu: float) -> str:
        distance, row = view.show(list(mu.values()))
        a, b = sheet.factors[row]
        return (
            f"This μ is {distance:.2g} from the nearest training mean, that of a = {a:.2f}, b = {b:.2f}. "
            f"Half of the training means are within {sheet.usual:.2g} of another."
        )

    sliders = {
        f"mu_{i + 1}": _latent_slider(sheet.mu[:, i], sheet.origin[i], description=rf"$\mu_{i + 1}$") for i in range(3)
    }
    alt = "The image decoded at a latent point, the training image nearest to it, and the point's place by the sheet."
    return Control(figure, sliders, update, moving=view.moving, alt=alt)


def transect_explorer(run: Run) -> Control | Figure:
    """Return a choice of transect and a slider along it: original, reconstruction, difference, error, and the hole.

    The slider begins where P1 crosses the middle of the hole. A page without a kernel gets the place of largest error
    in the hole, for each transect.
    """
    walks = analysis.transects.walks(run)
    if notebook.is_static():
        return figures.live.hardest_places(list(walks.values()))
    figure, view = figures.live.transect(list(walks.values()))
    first = next(iter(walks.values()))
    step = first.position[1] - first.position[0]

    def update(transect: str, position: float) -> str:
        walk = walks[transect]
        index = round((position - walk.position[0]) / step)
        view.show(walk, index)
        (a, b), place = walk.points[index], "in the hole" if walk.inside[index] else "outside the hole"
        error = f"{1000 * walk.error[index]:.2f} × 10⁻³, {100 * walk.share[index]:.1f} % of the image's variance"
        return f"{transect} at a = {a:.2f}, b = {b:.2f}, {place}. Squared error {error}."

    sliders = {
        "transect": ipywidgets.ToggleButtons(
            options=list(walks), description="transect", style={"button_width": "4em"}
        ),
        "position": ipywidgets.FloatSlider(
            value=first.position[len(first.position) // 2],
            min=first.position[0],
            max=first.position[-1],
            step=step,
            description="point",
        ),
    }
    alt = "A curve of a transect, its reconstruction, their difference, and the error along the transect."
    return Control(figure, sliders, update, moving=view.moving, alt=alt)


def epoch_explorer(run: Run) -> Control | Figure:
    """Return a slider over the epochs with the sheet as it was then, coloured by a and by b, and the losses.

    The slider begins at the best epoch. A page without a kernel gets the sheet at a few epochs up to the best.

    Raises:
        ValueError: Unless the run has three latents.
    """
    if notebook.is_static():
        return figures.live.stages(run)
    figure, view = figures.live.epoch(run)
    history = run.history

    def update(epoch: int) -> str:
        view.show(epoch)
        if epoch == 0:
            return "Before the first step of the training."
        loss, cross_entropy, kl = (history[f"val_{name}"][epoch - 1] for name in ("loss", "cross_entropy", "kl"))
        best = ", the lowest" if epoch == run.best_epoch else ""
        return f"Validation loss {loss:.4f}{best}; cross-entropy {cross_entropy:.4f}, KL term {kl:.2f}."

    slider = ipywidgets.IntSlider(value=run.best_epoch, min=0, max=run.epochs, description="epoch")
    alt = "The embedding at one epoch, coloured by a and by b, and the losses over the epochs."
    return Control(figure, {"epoch": slider}, update, moving=view.moving, alt=alt)


def _latent_slider(values: np.ndarray, start: float, *, description: str) -> ipywidgets.FloatSlider:
    """Return a slider over the values' range and a quarter beyond, also for a latent without any spread.

    Its step is a power of ten and its values are multiples of it: a front end would round others and send them back.
    """
    low, high = float(values.min()), float(values.max())
    margin = 0.25 * (high - low) or 1e-3
    digits = math.ceil(-math.log10((high - low + 2 * margin) / _STEPS))
    step = 10.0**-digits
    return ipywidgets.FloatSlider(
        value=round(float(start), digits),
        min=round(low - margin - step / 2, digits),
        max=round(high + margin + step / 2, digits),
        step=step,
        description=description,
        readout_format=".3g",
    )
