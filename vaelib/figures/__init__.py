"""The figures: one style, the ways to show them, and a module for each chapter, loaded on first use.

`figures.loss.kl_curves()` is a figure of the chapter on the loss.
"""

from typing import TYPE_CHECKING

from vaelib.figures.styling import (
    BLACK,
    BLUE,
    COLORMAPS,
    GREEN,
    ORANGE,
    PLOTLY_SCRIPT,
    PURPLE,
    SKY,
    TRANSECT_COLORS,
    VERMILION,
    face_on,
    frame_slider,
    hole,
    image_rows,
    parameter_axes,
    provenance_note,
    show_image,
    show_plotly,
    show_video,
    style,
    table,
    viewing_angles,
)
from vaelib.system import lazy

if TYPE_CHECKING:  # for mypy; at run time any module of this folder is one
    from vaelib.figures import dataset as dataset
    from vaelib.figures import embedding as embedding
    from vaelib.figures import estimator_bias as estimator_bias
    from vaelib.figures import explanation as explanation
    from vaelib.figures import explorer as explorer
    from vaelib.figures import ledger as ledger
    from vaelib.figures import live as live
    from vaelib.figures import loss as loss
    from vaelib.figures import methods as methods
    from vaelib.figures import paper as paper
    from vaelib.figures import sweep as sweep
    from vaelib.figures import training as training
    from vaelib.figures import transects as transects
    from vaelib.figures import unmixing as unmixing

__all__ = [
    "BLACK",
    "BLUE",
    "COLORMAPS",
    "GREEN",
    "ORANGE",
    "PLOTLY_SCRIPT",
    "PURPLE",
    "SKY",
    "TRANSECT_COLORS",
    "VERMILION",
    "face_on",
    "frame_slider",
    "hole",
    "image_rows",
    "parameter_axes",
    "provenance_note",
    "show_image",
    "show_plotly",
    "show_video",
    "style",
    "table",
    "viewing_angles",
]

__getattr__ = lazy.modules(__name__, __path__)
