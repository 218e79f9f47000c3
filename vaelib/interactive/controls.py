"""Live controls for notebooks: sliders and a picture that follows them.

A kernel draws the picture, so a page without one gets a static figure from the same function. The picture is PNG
bytes in one `ipywidgets.Image`, drawn into one figure: no Output widget collects old pictures, and an update takes well
under 100 ms. While a slider is dragged, a front end waits for the answer to one value before it sends the latest and
drops those between: sliders report continuously, and no queue of stale pictures builds up.
"""

import io
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from vaelib import analysis, dataset, figures, notebook
from vaelib.experiment import PARAMETER_RANGE, Experiment
from vaelib.figures import living

_DPI = 100
# A kernel with subshells handles widgets' messages in several threads, and matplotlib is not thread-safe: two threads
# that draw into one figure leave a picture that belongs to the values of neither.
_DRAWING = threading.RLock()


class Control(ipywidgets.VBox):
    """Sliders, a button that resets them, a picture, and a line that says what the picture shows.

    They are the attributes `sliders`, `reset`, `picture` and `line`; `alt` is the alt text. Where no slider can move,
    as in a notebook that was executed and then printed or converted, the last picture is shown.

    Args:
        figure: Drawn again at each change.
        sliders: By name; rows of buttons to choose from may be among them.
        update: Called with their values by name; changes the figure and returns the line.
        moving: The artists that `update` changes; if given, the rest is drawn only once.
        alt: What the picture shows, for those who cannot see it.
    """

    def __init__(
        self,
        figure: Figure,
        sliders: Mapping[str, ipywidgets.ValueWidget],
        update: Callable[..., str],
        *,
        moving: Sequence[Artist] = (),
        alt: str = "A picture that follows sliders.",
    ) -> None:
        self.alt = alt
        self.sliders = dict(sliders)
        self.reset = ipywidgets.Button(description="Reset", tooltip="Put the sliders back", icon="undo")
        self.picture = ipywidgets.Image(format="png", layout={"max_width": "100%"})
        self.line = ipywidgets.HTMLMath()
        self._canvas = FigureCanvasAgg(figure)
        figure.set_dpi(_DPI)
        self._moving = sorted(moving, key=lambda artist: artist.zorder)
        for artist in self._moving:
            artist.set_animated(True)  # the background leaves it out
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)
        self._update = update
        self._start = {name: slider.value for name, slider in self.sliders.items()}
        self._resetting = False
        for slider in self.sliders.values():
            slider.observe(self._follow, "value")
        self.reset.on_click(self._reset_sliders)
        super().__init__([*self.sliders.values(), self.reset, self.picture, self.line])
        self._follow()

    def _follow(self, _change: Any = None) -> None:
        with _DRAWING:
            if self._resetting:
                return  # one picture is drawn when all sliders have moved
            self.line.value = self._update(**{name: slider.value for name, slider in self.sliders.items()})
            self.picture.value = self._drawn()

    def _drawn(self) -> bytes:
        """Return the picture as PNG bytes."""
        if self._moving:
            self._canvas.restore_region(self._background)
            for artist in self._moving:
                artist.draw(self._canvas.get_renderer())
        else:
            self._canvas.draw()
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert("RGB").save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def _repr_mimebundle_(self, **kwargs: Any) -> living.Bundle:
        return living.bundle(super()._repr_mimebundle_(**kwargs), self.picture.value, self.alt)

    def _reset_sliders(self, _button: Any) -> None:
        with _DRAWING:
            self._resetting = True
            try:
                for name, value in self._start.items():
                    self.sliders[name].value = value
            finally:
                self._resetting = False
            self._follow()


class Controls(ipywidgets.HBox):
    """Controls side by side."""

    def _repr_mimebundle_(self, **kwargs: Any) -> living.Bundle:
        pictures = [Image.open(io.BytesIO(control.picture.value)) for control in self.children]
        width, height = sum(picture.width for picture in pictures), max(picture.height for picture in pictures)
        sheet = Image.new("RGB", (width, height), "white")
        left = 0
        for picture in pictures:
            sheet.paste(picture, (left, 0))
            left += picture.width
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG")
        alt = " ".join(control.alt for control in self.children)
        return living.bundle(super()._repr_mimebundle_(**kwargs), buffer.getvalue(), alt)


def curve_explorer(experiment: Experiment) -> Control | Figure:
    """Return sliders for a and b with their image and its place in the parameter space.

    The sliders begin at the hole's centre; a page without a kernel gets the static figure of that point.
    """
    a, b = experiment.hole_a, experiment.hole_b
    figure, left, right = figures.dataset.explorer(experiment, a, b)
    if notebook.is_static():
        return figure
    image, place = left.images[0], right.lines[0]

    def update(a: float, b: float) -> str:
        image.set_data(figures.dataset.draw(experiment, a, b))
        place.set_data([a], [b])
        negative = analysis.dataset.negative_share(a, b)
        sign = f"negative over {negative:.0%} of the turn" if negative else "nowhere negative"
        inside = " This point lies in the hole." if dataset.in_hole([[a, b]], experiment)[0] else ""
        return f"The radius runs from {a - b:.2f} to {a + b:.2f} and is {sign}.{inside}"

    sliders = {
        name: _slider(value, *PARAMETER_RANGE[name], description=f"${name}$") for name, value in (("a", a), ("b", b))
    }
    alt = "Left, the image of a curve; right, its place in the parameter space, with the hole."
    return Control(figure, sliders, update, moving=(image, place), alt=alt)


def loss_surfaces(experiment: Experiment) -> Controls | Figure:
    """Return two controls of the cost over (μ_i, μ_j): for β and γ, and for two free mixing weights.

    They begin with the experiment's β and γ and with the weights of the study's drawing, 0.2 and 0.8. A page without a
    kernel gets a static figure of the experiment, of the weights of the study's shipped model, and of the drawing.
    """
    if notebook.is_static():
        shipped = experiment.replace(beta=1e-3, gamma=1e-3)
        weights = [analysis.loss.pair_weights(experiment), analysis.loss.pair_weights(shipped), (0.2, 0.8)]
        return figures.loss.surfaces(weights, [_title(experiment), _title(shipped), "weights 0.2 and 0.8"])
    return Controls([_trained_surface(experiment), _mixed_surface()], layout={"flex_flow": "row wrap"})


def _trained_surface(experiment: Experiment) -> Control:
    figure, axis = figures.loss.explorer(*analysis.loss.pair_weights(experiment))

    def update(beta: float, gamma: float) -> str:
        chosen = experiment.replace(beta=_weight(sliders["beta"], beta), gamma=_weight(sliders["gamma"], gamma))
        _redraw(axis, *analysis.loss.pair_weights(chosen))
        share = analysis.loss.entanglement_share(chosen)
        return f"β = {chosen.beta:.2g}, γ = {chosen.gamma:.2g}: mixing weights {1 - share:.2f} and {share:.2f}."

    sliders = {
        "beta": _log_slider(experiment.beta, description="β"),
        "gamma": _log_slider(experiment.gamma, description="γ"),
    }
    alt = "The surface over two latents that the weights of the KL term and of the penalty make."
    return Control(figure, sliders, update, alt=alt)


def _mixed_surface() -> Control:
    figure, axis = figures.loss.explorer(0.2, 0.8)

    def update(squares: float, product: float) -> str:
        _redraw(axis, squares, product)
        # In a quadrant the cost is a quadratic form, which is convex as long as product ≤ 2 squares.
        shape = "dented on the diagonals" if product > 2 * squares else "convex in every quadrant"
        return f"{squares:.2f} of the squares and {product:.2f} of the product: level lines {shape}."

    sliders = {
        "squares": _slider(0.2, 0, 1, description="squares"),
        "product": _slider(0.8, 0, 1, description="product"),
    }
    alt = "The surface over two latents that a weight of the squares and one of the product make."
    return Control(figure, sliders, update, alt=alt)


def _title(experiment: Experiment) -> str:
    return rf"$\beta = {experiment.beta:g}$, $\gamma = {experiment.gamma:g}$"


def _redraw(axis: Any, square: float, product: float) -> None:
    axis.clear()
    figures.loss.surface(axis, square, product)


def _slider(value: float, low: float, high: float, *, description: str) -> ipywidgets.FloatSlider:
    return ipywidgets.FloatSlider(value=value, min=low, max=high, step=0.01, description=description)


def _log_slider(value: float, *, description: str) -> ipywidgets.FloatLogSlider:
    """Return a slider over powers of ten up to 1; its left end stands for 0, and a value outside widens it."""
    low, high = -6.0, 0.0
    if value > 0:
        low, high = min(low, math.log10(value) - 1), max(high, math.log10(value))
    return ipywidgets.FloatLogSlider(
        value=value or 10**low,
        min=low,
        max=high,
        step=0.05,
        description=f"{description} (left end: 0)",
        style={"description_width": "initial"},
    )


def _weight(slider: ipywidgets.FloatLogSlider, value: float) -> float:
    return 0.0 if value <= 10**slider.min * 1.001 else value
