"""The methods of a sweep compared: each with a colour and a marker, and the diagram of what it gains for its error."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from vaelib import figures
from vaelib.study import comparison
from vaelib.study.comparison import Setting
from vaelib.study.methods import METHODS, STANDARD, Method
from vaelib.study.quantities import QUANTITIES, Quantity, Row

Numbers = NDArray[np.float64]

LOOKS: dict[str, tuple[str, str, str]] = {
    STANDARD.name: (figures.BLACK, "*", "star"),
    **{
        method.name: look
        for method, look in zip(
            METHODS,
            [
                (figures.VERMILION, "o", "circle"),
                (figures.BLUE, "s", "square"),
                (figures.GREEN, "^", "triangle-up"),
                (figures.PURPLE, "D", "diamond"),
                (figures.ORANGE, "v", "triangle-down"),
                (figures.SKY, "P", "cross"),
            ],
            strict=True,
        )
    },
}
"""Each method's colour, its marker in matplotlib and its marker in Plotly, by the method's name."""

PANELS = tuple(QUANTITIES)[:6]
"""The quantities that the phase diagram shows by default."""

GREY = "0.45"
"""The colour of chance and reference levels."""

_ERROR = "relative error (%, log scale)"


def phase_diagram(rows: Sequence[Row], names: Sequence[str] = PANELS, *, allowed: float = 1.25) -> Figure:
    """Draw quantities over the reconstruction error, a panel for each.

    Every run is a dot; the line joins a method's means over seeds, from weak to strong, beginning at what the method
    adds to. Shaded: errors up to `allowed` times the standard loss's median. Dashed: the chance or reference level,
    which is the standard loss's where runs differ in it.

    Args:
        rows: The runs.
        names: Keys of `QUANTITIES`, one for each panel.
        allowed: The largest error that counts as equal, in medians of the standard loss.

    Raises:
        ValueError: For an unknown quantity, or without runs of the standard loss.
    """
    if unknown := [name for name in names if name not in QUANTITIES]:
        raise ValueError(f"{', '.join(unknown)}; allowed: {', '.join(QUANTITIES)}")
    limit = 100 * comparison.error_limit(rows, allowed)
    n_columns = min(2, len(names))
    n_rows = -(-len(names) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(4 * n_columns, 2.5 * n_rows + 0.9), sharex=True, squeeze=False
    )
    methods = _settings_by_method(rows)
    for axis, name in zip(axes.flat, names, strict=False):
        _panel(axis, rows, methods, QUANTITIES[name], limit)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    errors = np.concatenate([100 * _errors(setting) for settings in methods.values() for setting in settings])
    low, high = float(errors.min()), float(errors.max())
    for axis in axes.flat:
        axis.set(xscale="log", xlim=(low / 1.08, high * 1.08))
        ticks = _ticks(low / 1.08, high * 1.08)
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    for axis in axes[-1]:
        axis.set_xlabel(_ERROR)
    handles = [
        Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], linewidth=1.5, markersize=6, label=name)
        for name in methods
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _panel(
    axis: Axes, rows: Sequence[Row], methods: dict[str, list[Setting]], quantity: Quantity, limit: float
) -> None:
    axis.axvspan(1e-3, limit, color="0.94", zorder=0, linewidth=0)
    level = comparison.level(comparison.pick(rows), quantity)
    if level is not None:
        axis.axhline(level, color=GREY, linewidth=1, linestyle="--", zorder=1)
        axis.annotate(
            quantity.reference, (1, level), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="bottom", fontsize=8, color=GREY,
        )  # fmt: skip
    for name, settings in methods.items():
        color, marker, _ = LOOKS[name]
        for setting in settings:
            x, y = _pairs(setting.rows, quantity)
            size, alpha = (6.0, 0.5) if name == STANDARD.name else (3.5, 0.35)
            axis.plot(x, y, marker, color=color, markersize=size, alpha=alpha, markeredgewidth=0, zorder=2)
        path = np.array([_mean(setting.rows, quantity) for setting in [*_start(rows, settings[0].method), *settings]])
        (line,) = axis.plot(*path.T, color=color, linewidth=1.5, zorder=3, label=name)
        size = 10 if name == STANDARD.name else 6
        own = path[len(path) - len(settings) :]
        axis.plot(*own.T, marker, color=line.get_color(), markersize=size, markeredgecolor="w", zorder=4)
    axis.set_title(quantity.label, fontsize=10)
    if quantity.span is not None:
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, quantity.span[0] - 0.1), max(high, quantity.span[1] + 0.1))


def living_phase_diagram(rows: Sequence[Row]) -> Any:
    """Return the phase diagram as a Plotly figure: every run a dot, with its method, strength and seed in a tooltip.

    A menu chooses the quantity on the y axis among those of `QUANTITIES` that any run has; the legend hides methods.

    Raises:
        ValueError: Without runs.
    """
    import plotly.graph_objects as go

    methods = _settings_by_method(rows)
    if not methods:
        raise ValueError("no run of any method")
    runs = {
        name: [(setting, row) for setting in settings for row in setting.rows if row.get("relative_error") is not None]
        for name, settings in methods.items()
    }
    measured = {
        name: quantity
        for name, quantity in QUANTITIES.items()
        if any(quantity.value(row) is not None for pairs in runs.values() for _, row in pairs)
    }
    heights = {
        name: [[_short(quantity.value(row)) for _, row in pairs] for pairs in runs.values()]
        for name, quantity in measured.items()
    }
    first = next(iter(measured))
    figure = go.Figure()
    for (name, pairs), y in zip(runs.items(), heights[first], strict=True):
        color, _, symbol = LOOKS[name]
        figure.add_scatter(
            x=[_short(100 * row["relative_error"]) for _, row in pairs], y=y, name=name, mode="markers",
            marker={"color": color, "symbol": symbol, "size": 9, "line": {"color": "white", "width": 0.7}},
            text=[f"{setting.label}, seed {row.get('seed', 0)}" for setting, row in pairs],
            hovertemplate="%{text}<br>relative error %{x:.2f} %<br>%{y:.3g}<extra></extra>",
        )  # fmt: skip
    _add_menu(figure, measured, heights, comparison.pick(rows))
    figure.update_xaxes(type="log", title=_ERROR, tickvals=[1, 2, 3, 5, 7, 10, 20, 30, 50, 100])
    figure.update_yaxes(title=_plain(measured[first].label))
    return figure


def _add_menu(
    figure: Any, measured: dict[str, Quantity], heights: dict[str, list[list[float | None]]], standard: Sequence[Row]
) -> None:
    """Add the menu of quantities, which changes the dots, the y axis and the dashed level, and the first's level."""
    buttons = []
    for name, quantity in measured.items():
        label = _plain(quantity.label)
        layout = {"yaxis.title.text": label, "shapes": _level_line(comparison.level(standard, quantity))}
        buttons.append({"label": label, "method": "update", "args": [{"y": heights[name]}, layout]})
    first = next(iter(measured.values()))
    figure.update_layout(
        shapes=_level_line(comparison.level(standard, first)),
        legend={"orientation": "h", "y": -0.2},
        updatemenus=[
            {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "showactive": True}
        ],
    )


def _settings_by_method(rows: Sequence[Row]) -> dict[str, list[Setting]]:
    """Return by method's name its settings in the rows, the standard loss first; methods without runs are left out."""
    settings = {method.name: comparison.settings_of(rows, method) for method in (STANDARD, *METHODS)}
    return {name: several for name, several in settings.items() if several}


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between the ends for a logarithmic axis, the fewest kinds of them that make 3 or more."""
    ticks: list[float] = []
    for kinds in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), range(1, 10), [k / 2 for k in range(2, 20)]):
        ticks = [k * 10.0**power for power in range(-3, 4) for k in kinds if low <= k * 10.0**power <= high]
        if len(ticks) >= 3:
            break
    return ticks


def _start(rows: Sequence[Row], method: Method) -> list[Setting]:
    """Return what a method adds to as a setting, or nothing."""
    start = [] if method.start is None else comparison.pick(rows, **method.start)
    return [Setting(method, 0.0, tuple(start))] if start else []


def _errors(setting: Setting) -> Numbers:
    return comparison.values(setting.rows, "relative_error")


def _pairs(rows: Sequence[Row], quantity: Quantity) -> tuple[list[float], list[float]]:
    """Return the relative errors in per cent and the quantity of the rows that have both."""
    both = [(row.get("relative_error"), quantity.value(row)) for row in rows]
    known = [(100 * x, y) for x, y in both if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]


def _mean(rows: Sequence[Row], quantity: Quantity) -> tuple[float, float]:
    x, y = _pairs(rows, quantity)
    return (float(np.mean(x)), float(np.mean(y))) if x else (np.nan, np.nan)


def _short(value: float | None) -> float | None:
    """Round to four digits, for the page's weight."""
    return None if value is None else float(f"{value:.4g}")


def _plain(label: str) -> str:
    return label.replace("$", "")


def _level_line(level: float | None) -> list[dict[str, Any]]:
    if level is None:
        return []
    line = {"color": "#777777", "width": 1, "dash": "dash"}
    return [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line}]
