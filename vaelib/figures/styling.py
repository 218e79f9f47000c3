"""The one look of all figures, and the ways they come into a page: image grids, Plotly, videos, notes."""

import functools
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from vaelib import notebook
from vaelib.experiment import PARAMETER_RANGE, Experiment
from vaelib.figures import living, stills
from vaelib.run import Run

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
"""Okabe and Ito's colours, which the colour-blind can tell apart."""

TRANSECT_COLORS = {"P1": BLUE, "P2": GREEN, "P3": VERMILION}
COLORMAPS = {"a": "viridis", "b": "plasma", "error": "cividis"}
PLOTLY_SCRIPT = "../vendor/plotly.min.js"  # beside the chapters' folder in the built book
_WAYS_BACK = {"scene": "resetCameraLastSave3d", "xaxis": "resetScale2d"}  # Plotly's names for its buttons, by axes


def style() -> None:
    """Give matplotlib the book's look, and notebooks sharp pictures. Call it once at a notebook's start.

    The look is matplotlib's own defaults and a few changes, whatever the user's matplotlibrc says; the backend, which
    draws it, stays the user's. Importing this module gives it too, so that no figure of the library is without it;
    what is set in `matplotlib.rcParams` afterwards holds.
    """
    _look()
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
    except (ImportError, AttributeError):
        pass  # outside a notebook there is nothing to sharpen


def _look() -> None:
    plt.style.use(["default", Path(__file__).with_name("book.mplstyle")])


_look()  # a turned image or a missing LaTeX would be found in figures that were made before `style`


def image_rows(
    rows: Sequence[np.ndarray], labels: Sequence[str] = (), *, boxed: np.ndarray | None = None, size: float = 0.75
) -> Figure:
    """Draw rows of images under one another, column by column comparable.

    rows: each (n, h, w), uint8 or float in [0, 1], none longer than the first. labels: one per row. boxed: (n,) bool,
    the columns that get a frame. size: inches of one image.
    """
    n = len(rows[0])
    figure, axes = plt.subplots(
        len(rows), n, figsize=(size * n + 0.6, size * len(rows)), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)  # type: ignore[union-attr,call-arg]
    for i, row in enumerate(rows):
        for axis in axes[i, len(row) :]:
            axis.set_axis_off()
        for j, image in enumerate(row):
            show_image(axes[i, j], image)
            if boxed is not None and boxed[j]:
                for spine in axes[i, j].spines.values():
                    spine.set(visible=True, color=VERMILION, linewidth=2.5)
        if labels:
            axes[i, 0].set_ylabel(labels[i], rotation=0, ha="right", va="center")
    return figure


def show_image(axis: Axes, image: np.ndarray) -> None:
    """Show one image (h, w), uint8 or float in [0, 1], on a fixed grey scale, without ticks."""
    axis.imshow(image, origin="upper", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def parameter_axes(axis: Axes) -> Axes:
    """Give an axis the parameter space: a to the right, b downward, as in the study's montage."""
    axis.set(xlabel="$a$ (radius)", ylabel="$b$ (petal amplitude)")
    axis.set(xlim=_padded("a"), ylim=_padded("b")[::-1], aspect="equal")
    return axis


def hole(axis: Axes, experiment: Experiment, **options: Any) -> None:
    """Outline the hole in an axis of the parameter space."""
    settings = {"fill": False, "edgecolor": BLACK, "linewidth": 1.5, "linestyle": "--", **options}
    centre = (experiment.hole_a, experiment.hole_b)
    axis.add_patch(plt.Circle(centre, experiment.hole_radius, **settings))


def show_plotly(figure: Any, alt: str, *, height: int = 520) -> Any:
    """Return a Plotly figure for display: live it is the figure itself, in a page it is HTML that needs no network.

    In a page it sleeps until it is scrolled into view; the book's script wakes it. A still picture of it stands in
    until then, and wherever it cannot live. alt: what the figure shows, for those who cannot see it. height: pixels.
    Raises ValueError for a figure of which `stills.still` draws none.
    """
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 10, "r": 10, "t": 30, "b": 10}, font={"size": 13}
    )
    # Plotly's own default is a button that sends the figure to a foreign server. Named are the buttons that stay, so
    # that no later version brings another: turning, moving and zooming need none, and one puts all back.
    buttons = [button for axes, button in _WAYS_BACK.items() if any(axes in trace for trace in figure.data)]
    config = {"displaylogo": False, "responsive": True, "showSendToCloud": False, "modeBarButtons": [buttons]}
    if not notebook.is_static():
        # A figure has no place for its configuration, and is asked by this name to show itself.
        # JupyterLab resizes the figure itself: were Plotly to do so too, its first redraw would leave no height.
        figure._ipython_display_ = functools.partial(_show_live, figure, alt, {**config, "responsive": False})
        return figure
    body = figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False, auto_play=False, config=config
    )  # fmt: skip
    # As high as the figure, so that nothing moves when it takes the picture's place.
    look = f'class="stand-in" style="display: block; width: 100%; height: {height}px; object-fit: contain"'
    return living.Page(
        f'<div class="living-figure" role="group" aria-label="{html.escape(alt)}" data-script="{PLOTLY_SCRIPT}" '
        f'style="min-height: {height}px">{living.image(_still(figure), alt, look)}<template>{body}</template></div>',
        alt,
    )


def _show_live(figure: Any, alt: str, config: dict[str, Any]) -> None:
    from IPython.display import display

    playable = figure._repr_mimebundle_(config=config)
    if not playable:
        figure.show(config=config)  # in a terminal: Plotly opens a browser
        return
    # The picture comes as HTML only: beside a PNG, JupyterLab's Plotly shows that and stays still.
    data, _ = living.bundle({"text/html": living.image(_still(figure), alt), **playable}, None, alt)
    display(data, raw=True)


def _still(figure: Any) -> bytes:
    return living.png(stills.still(figure))


def frame_slider(names: Sequence[str], prefix: str, *, active: int = 0) -> dict[str, Any]:
    """Return a Plotly slider over a figure's frames, which works in a page without a kernel.

    names: the frames' names, which are also the steps' labels. prefix: stands before the current one. active: the
    step shown first.
    """
    how = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": name, "method": "animate", "args": [[name], how]} for name in names]
    return {"steps": steps, "active": active, "currentvalue": {"prefix": prefix}, "pad": {"t": 40}}


def face_on(mu: NDArray[Any]) -> dict[str, float]:
    """Return the eye of a turnable figure that looks at a sheet's broad side, a little from above. mu: (n, 3)."""
    normal = np.linalg.svd(mu - mu.mean(axis=0), full_matrices=False)[2][-1]
    view = normal * (1 if normal[2] >= 0 else -1) + [0.0, 0.0, 0.3]
    x, y, z = 2.0 * view / np.linalg.norm(view)
    return {"x": float(x), "y": float(y), "z": float(z)}


def viewing_angles(mu: NDArray[Any]) -> tuple[float, float]:
    """Return the azimuth and the elevation, in degrees, from which `face_on` looks. mu: (n, 3)."""
    eye = face_on(mu)
    azimuth, elevation = np.arctan2(eye["y"], eye["x"]), np.arctan2(eye["z"], np.hypot(eye["x"], eye["y"]))
    return float(np.degrees(azimuth)), float(np.degrees(elevation))


def show_video(path: str | Path, alt: str, *, width: int = 720) -> Any:
    """Return a video (MP4) for display, with controls, looping and muted; its poster is the PNG of the same name.

    A page names the files, which lie beside it. Live the output holds both, and needs no file afterwards, wherever the
    notebook is moved. alt: what the video shows. width: pixels.
    """
    source, picture = Path(path), Path(path).with_suffix(".png")
    if notebook.is_static():
        return living.Page(_video(str(source), str(picture), alt, width), alt)
    film = living.data_uri(source.read_bytes(), "video/mp4")
    if not picture.is_file():
        return living.Page(_video(film, "", alt, width), alt)
    poster = _within(picture, width)
    # For viewers that leave out what they take for unsafe, films among it, and keep what is in them.
    inside = f'<img src="{poster}" alt="{html.escape(alt)}">'
    return living.Page(_video(film, poster, alt, width, inside), alt, picture.read_bytes())


def _video(source: str, poster: str, alt: str, width: int, inside: str = "") -> str:
    return (
        f'<video class="living-figure" controls loop muted playsinline preload="metadata" width="{width}" '
        f'style="max-width:100%" poster="{poster}" src="{source}" aria-label="{html.escape(alt)}">{inside}</video>'
    )


def _within(picture: Path, width: int) -> str:
    """Return a picture as a data URI, a JPEG at most so wide."""
    with Image.open(picture) as whole:
        small = whole.convert("RGB")
    small.thumbnail((width, small.height))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    return living.data_uri(content.getvalue(), "image/jpeg")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "") -> Any:
    """Return a table for display; cells are text, the first column names the row."""
    from IPython.display import HTML

    top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    note = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return HTML(f'<table class="table">{note}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>')


def provenance_note(*runs: Run, profile: str | None = None) -> Any:
    """Return the note that closes every chapter: profile, runs, versions, hardware and commit.

    profile: the chapter's own, for one without runs, each of which tells its own.
    """
    from IPython.display import HTML

    from vaelib.system import provenance

    versions = ", ".join(f"{name} {number}" for name, number in provenance.versions().items())
    machine = provenance.hardware()
    lines = [f"Made on {machine['cores']} cores of {machine['processor']} with {versions}."]
    if profile is not None:
        lines.insert(0, f"Computed with the settings of the profile {html.escape(profile)}.")
    if commit := provenance.git_commit():
        lines.append(f"Commit <code>{commit[:12]}{'+' if commit.endswith('+') else ''}</code>.")
    for run in runs:
        origin = run.provenance
        rate = origin["images_per_second"]
        lines.append(
            f"Run <code>{run.path.name}</code>: profile {origin['profile']}, {origin['backend']}, {run.epochs} epochs "
            f"in {origin['wall_time']:.0f} s" + (f" ({rate:.0f} images/s)." if rate else ".")
        )
    return HTML(
        '<div class="provenance"><p><strong>Where these results come from</strong></p><ul>'
        + "".join(f"<li>{line}</li>" for line in lines)
        + "</ul></div>"
    )


def _padded(name: str) -> tuple[float, float]:
    low, high = PARAMETER_RANGE[name]
    return (low - 0.06, high + 0.06)
