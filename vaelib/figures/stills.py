"""Still pictures of Plotly figures: what a figure shows first, drawn by matplotlib from the same numbers."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

_SYMBOLS = {
    "square": "s",
    "diamond": "D",
    "cross": "P",
    "x": "X",
    "star": "*",
    "triangle-up": "^",
    "triangle-down": "v",
}
_DASHES = {"dot": ":", "dash": "--", "dashdot": "-."}
_INCHES = 4.2  # of one panel
_POINTS = 0.75  # one of Plotly's pixels, in points


def still(figure: Any) -> Figure:
    """Return a drawing of a Plotly figure of scatters, lines and surfaces; pyplot does not manage it.

    Raises:
        ValueError: For traces of another kind.
    """
    panels: dict[str, list[Any]] = {}
    for trace in figure.data:
        if trace.type not in _KINDS:
            raise ValueError(f"trace.type = {trace.type!r}; allowed: {', '.join(_KINDS)}")
        if trace.visible in (None, True):
            panels.setdefault((trace.scene or "scene") if "scene" in trace else (trace.xaxis or "x"), []).append(trace)
    picture = Figure(figsize=(max(1.5, len(panels)) * _INCHES, _INCHES), dpi=100, layout="constrained")
    titles = [_plain(note.text) for note in figure.layout.annotations][: len(panels)]
    for column, (place, traces) in enumerate(panels.items(), 1):
        projection = "3d" if place.startswith("scene") else None
        axis = picture.add_subplot(1, len(panels), column, projection=projection)
        for trace in traces:
            _KINDS[trace.type](axis, trace)
        _lay_out(axis, figure.layout, place, traces)
        axis.set_title(titles[column - 1] if column <= len(titles) else "")
        if figure.layout.showlegend is not False and sum(bool(trace.name) for trace in traces) > 1:
            axis.legend(fontsize="small")
    return picture


def _scatter(axis: Any, trace: Any) -> None:
    names = ("x", "y", "z") if trace.type == "scatter3d" else ("x", "y")
    points = [np.asarray([] if trace[name] is None else trace[name], dtype=float) for name in names]
    mode, label = trace.mode or "lines", trace.name
    if "lines" in mode:
        style = {"linestyle": _DASHES.get(trace.line.dash, "-"), "linewidth": _POINTS * (trace.line.width or 2)}
        axis.plot(*points, color=_color(trace.line.color), label=label, **style)
        label = None
    if "markers" in mode:
        marker = trace.marker
        size = np.asarray(6 if marker.size is None else marker.size, dtype=float)
        style = {
            "s": (_POINTS * size) ** 2,
            "marker": _SYMBOLS.get(marker.symbol, "o"),
            "linewidths": 0,
            "label": label,
        }
        if marker.color is None or isinstance(marker.color, str):
            axis.scatter(*points, color=_color(marker.color), **style)
        else:
            dots = axis.scatter(*points, c=marker.color, cmap=_colors(marker.colorscale), **_ends(marker), **style)
            if marker.showscale is not False and marker.colorbar.title.text:
                axis.figure.colorbar(dots, ax=axis, shrink=0.6, label=_plain(marker.colorbar.title.text))


def _surface(axis: Any, trace: Any) -> None:
    z = np.asarray(trace.z, dtype=float)
    x, y = np.asarray(trace.x), np.asarray(trace.y)
    if x.ndim == 1:
        x, y = np.meshgrid(x, y)
    axis.plot_surface(x, y, z, cmap=_colors(trace.colorscale), **_ends(trace))


_KINDS: dict[str, Callable[[Any, Any], None]] = {"scatter": _scatter, "scatter3d": _scatter, "surface": _surface}


def _lay_out(axis: Any, layout: Any, place: str, traces: list[Any]) -> None:
    """Give an axis the labels, ranges and scales of Plotly's axis, and in three dimensions its viewpoint."""
    if place.startswith("scene"):
        scene = layout[place]
        axes = {name: scene[f"{name}axis"] for name in "xyz"}
        eye = scene.camera.eye
        if eye.x is not None:
            axis.view_init(np.degrees(np.arctan2(eye.z, np.hypot(eye.x, eye.y))), np.degrees(np.arctan2(eye.y, eye.x)))
    else:
        axes = {"x": layout[f"xaxis{place[1:]}"], "y": layout[f"yaxis{(traces[0].yaxis or 'y')[1:]}"]}
        if axes["y"].scaleanchor:
            axis.set_aspect("equal", adjustable="box")
    for name, model in axes.items():
        if model.type == "log":
            axis.set(**{f"{name}scale": "log"})
        if model.range is not None:
            axis.set(**{f"{name}lim": 10 ** np.asarray(model.range) if model.type == "log" else model.range})
        if model.tickvals is not None:
            axis.set(**{f"{name}ticks": model.tickvals, f"{name}ticklabels": [f"{tick:g}" for tick in model.tickvals]})
            getattr(axis, f"{name}axis").set_ticks([], minor=True)
        axis.set(**{f"{name}label": _plain(model.title.text)})
    if place.startswith("scene"):
        axis.locator_params(nbins=5)
        axis.set_box_aspect(_sides(axis, layout[place]))


def _sides(axis: Any, scene: Any) -> tuple[float, float, float]:
    """Return the proportions of a scene's box by Plotly's rules."""
    if scene.aspectratio.x is not None:
        return scene.aspectratio.x, scene.aspectratio.y, scene.aspectratio.z
    x, y, z = (float(np.ptp(getattr(axis, f"get_{name}lim")())) for name in "xyz")
    to_scale = scene.aspectmode == "data" or (scene.aspectmode is None and max(x, y, z) <= 4 * min(x, y, z))
    return (x, y, z) if to_scale else (1.0, 1.0, 1.0)


def _ends(colored: Any) -> dict[str, float]:
    return {f"v{end}": colored[f"c{end}"] for end in ("min", "max") if colored[f"c{end}"] is not None}


def _colors(scale: Any) -> Colormap:
    return LinearSegmentedColormap.from_list("still", [(at, _color(color)) for at, color in scale])


def _color(text: str | None) -> Any:
    """Return a colour in a form that matplotlib takes; Plotly also writes "rgb(0, 114, 178)"."""
    if text is None or not text.startswith("rgb"):
        return text
    red, green, blue, *alpha = (float(part) for part in re.findall(r"[\d.]+", text))
    return (red / 255, green / 255, blue / 255, *alpha)


def _plain(text: str | None) -> str:
    return re.sub(r"<[^>]*>", " ", text or "").strip()
