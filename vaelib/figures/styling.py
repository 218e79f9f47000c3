"""The common look of all figures, and how a page shows them: image grids, Plotly, videos, tables, notes."""

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
_RESET_BUTTONS = {"scene": "resetCameraLastSave3d", "xaxis": "resetScale2d"}  # Plotly's names, by kind of axes


def style() -> None:
    """Give matplotlib the book's look, and notebooks sharp pictures. Call it once at the start of a notebook.

    The look is matplotlib's defaults with a few changes, whatever the user's matplotlibrc says; the backend stays the
    user's. Importing this module applies it too, so that every figure of the library has it; later changes to
    `matplotlib.rcParams` take effect.
    """
    _look()
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
    except (ImportError, AttributeError):
        pass  # not in a notebook


def _look() -> None:
    plt.style.use(["default", Path(__file__).with_name("book.mplstyle")])


_look()  # or figures that are drawn before a call of `style` would have the user's settings


def image_rows(
    rows: Sequence[np.ndarray], labels: Sequence[str] = (), *, boxed: np.ndarray | None = None, size: float = 0.75
) -> Figure:
    """Draw rows of images below each other, in common columns.

    Args:
        rows: Each (n, h, w), uint8 or float in [0, 1], none longer than the first.
        labels: One for each row.
        boxed: (n,) bool, the columns that get a frame.
        size: The side of an image, in inches.
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
    """Label and scale an axis as the parameter space, a to the right and b downward; return it."""
    axis.set(xlabel="$a$ (radius)", ylabel="$b$ (petal amplitude)")
    axis.set(xlim=_padded("a"), ylim=_padded("b")[::-1], aspect="equal")
    return axis


def hole(axis: Axes, experiment: Experiment, **options: Any) -> None:
    """Outline the hole in an axis of the parameter space; the options are those of a matplotlib patch."""
    settings = {"fill": False, "edgecolor": BLACK, "linewidth": 1.5, "linestyle": "--", **options}
    centre = (experiment.hole_a, experiment.hole_b)
    axis.add_patch(plt.Circle(centre, experiment.hole_radius, **settings))


def show_plotly(figure: Any, alt: str, *, height: int = 520) -> Any:
    """Return a Plotly figure for display: live the figure itself, in a page HTML that needs no network.

    In a page the book's script starts the figure when it is scrolled into view. Until then, and wherever it cannot
    run, a still picture stands in for it.

    Args:
        figure: A Plotly figure.
        alt: What the figure shows, for those who cannot see it.
        height: In pixels.

    Raises:
        ValueError: For a figure that `vaelib.figures.stills.still` cannot draw.
    """
    figure.update_layout(
        template="plotly_white", height=height, margin={"l": 10, "r": 10, "t": 30, "b": 10}, font={"size": 13}
    )
    # By default Plotly has a button that sends the figure to a foreign server. The buttons to show are named, so that
    # no later version adds another: turning, moving and zooming need none, and one resets the view.
    buttons = [button for axes, button in _RESET_BUTTONS.items() if any(axes in trace for trace in figure.data)]
    config = {"displaylogo": False, "responsive": True, "showSendToCloud": False, "modeBarButtons": [buttons]}
    if not notebook.is_static():
        # A figure cannot store its configuration, but IPython calls this method to display it. JupyterLab resizes the
        # figure itself: if Plotly did so too, its first redraw would leave no height.
        figure._ipython_display_ = functools.partial(_show_live, figure, alt, {**config, "responsive": False})
        return figure
    body = figure.to_html(
        full_html=False, include_plotlyjs=False, include_mathjax=False, auto_play=False, config=config
    )  # fmt: skip
    # As high as the figure, so that nothing moves when the figure replaces the picture.
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
        figure.show(config=config)  # in a terminal, where Plotly opens a browser
        return
    # The picture is HTML only: with a PNG, JupyterLab would show that instead of the figure.
    data, _ = living.bundle({"text/html": living.image(_still(figure), alt), **playable}, None, alt)
    display(data, raw=True)


def _still(figure: Any) -> bytes:
    return living.png(stills.still(figure))


def frame_slider(names: Sequence[str], prefix: str, *, active: int = 0) -> dict[str, Any]:
    """Return a Plotly slider over a figure's frames, which works in a page without a kernel.

    Args:
        names: The frames' names, which are also the steps' labels.
        prefix: What stands before the label of the current step.
        active: The step that is shown first.
    """
    animation = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": name, "method": "animate", "args": [[name], animation]} for name in names]
    return {"steps": steps, "active": active, "currentvalue": {"prefix": prefix}, "pad": {"t": 40}}


def face_on(mu: NDArray[Any]) -> dict[str, float]:
    """Return Plotly's `camera.eye` that looks at the broad side of a sheet `mu` (n, 3), a little from above."""
    normal = np.linalg.svd(mu - mu.mean(axis=0), full_matrices=False)[2][-1]
    view = normal * (1 if normal[2] >= 0 else -1) + [0.0, 0.0, 0.3]
    x, y, z = 2.0 * view / np.linalg.norm(view)
    return {"x": float(x), "y": float(y), "z": float(z)}


def viewing_angles(mu: NDArray[Any]) -> tuple[float, float]:
    """Return the azimuth and the elevation, in degrees, from which `face_on` looks at a sheet `mu` (n, 3)."""
    eye = face_on(mu)
    azimuth, elevation = np.arctan2(eye["y"], eye["x"]), np.arctan2(eye["z"], np.hypot(eye["x"], eye["y"]))
    return float(np.degrees(azimuth)), float(np.degrees(elevation))


def show_video(path: str | Path, alt: str, *, width: int = 720) -> Any:
    """Return a video for display, with controls, looping and muted; its poster is the PNG of the same name.

    A page links to the files, which are beside it. A live output contains both, so that the notebook can be moved.

    Args:
        path: An MP4.
        alt: What the video shows.
        width: In pixels.
    """
    source, picture = Path(path), Path(path).with_suffix(".png")
    if notebook.is_static():
        return living.Page(_video(str(source), str(picture), alt, width), alt)
    film = living.data_uri(source.read_bytes(), "video/mp4")
    if not picture.is_file():
        return living.Page(_video(film, "", alt, width), alt)
    poster = _within(picture, width)
    # For viewers that remove elements they consider unsafe, such as videos, but keep their content.
    inside = f'<img src="{poster}" alt="{html.escape(alt)}">'
    return living.Page(_video(film, poster, alt, width, inside), alt, picture.read_bytes())


def _video(source: str, poster: str, alt: str, width: int, inside: str = "") -> str:
    return (
        f'<video class="living-figure" controls loop muted playsinline preload="metadata" width="{width}" '
        f'style="max-width:100%" poster="{poster}" src="{source}" aria-label="{html.escape(alt)}">{inside}</video>'
    )


def _within(picture: Path, width: int) -> str:
    """Return a picture as a data URI: a JPEG, at most so wide."""
    with Image.open(picture) as original:
        small = original.convert("RGB")
    small.thumbnail((width, small.height))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    return living.data_uri(content.getvalue(), "image/jpeg")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "") -> Any:
    """Return a table for display.

    Args:
        head: The text of the head's cells.
        rows: The text of each row's cells; the first is the row's header.
        caption: The table's caption.
    """
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

    Args:
        runs: The chapter's runs, each with its profile.
        profile: The profile of a chapter without runs.
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
