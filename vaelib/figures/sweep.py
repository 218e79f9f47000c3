"""The pictures of many runs: every run a dot, the seeds' mean a line, one colour and one marker for each method."""

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
from vaelib.study.methods import LEARNED, METHODS, STANDARD, Method
from vaelib.study.quantities import QUANTITIES, Quantity, Row, column, total_variance

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
GRID: dict[str, tuple[str, str, float, tuple[float, float | None]]] = {
    "normal_distance": ("distance from a Gaussian", ".2f", 1.0, (0, None)),
    "twonn": ("intrinsic dimension", ".2f", 1.0, (1, 3)),
    "relative_error": ("relative error (%)", ".1f", 100.0, (0, None)),
    "active_units": ("active units", ".1f", 1.0, (0, 3)),
}
"""What the heat maps tell: the column, its title, its format, its factor and the ends of its colours."""
_ERROR = "relative error (%, log scale)"
_GREY = "0.45"


def groups(rows: Sequence[Row]) -> dict[str, list[Setting]]:
    """Return by method's name its settings in the rows, the standard loss first; methods without runs are left out."""
    found = {method.name: comparison.settings_of(rows, method) for method in (STANDARD, *METHODS)}
    return {name: settings for name, settings in found.items() if settings}


def phase_diagram(rows: Sequence[Row], names: Sequence[str] = PANELS, *, allowed: float = 1.25) -> Figure:
    """Draw quantities of `QUANTITIES` over the reconstruction error, a panel for each.

    Every run is a dot; the line joins a method's means over seeds, from weak to strong, beginning at what the method
    adds to. Shaded: errors up to `allowed` times the standard loss's median. Dashed: the chance or reference level,
    which is the standard loss's where runs differ in it.
    Raises ValueError for an unknown quantity and without runs of the standard loss.
    """
    if unknown := [name for name in names if name not in QUANTITIES]:
        raise ValueError(f"{', '.join(unknown)}; allowed: {', '.join(QUANTITIES)}")
    limit = 100 * comparison.error_limit(rows, allowed)
    columns = min(2, len(names))
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4 * columns, 2.5 * lines + 0.9), sharex=True, squeeze=False)
    found = groups(rows)
    for axis, name in zip(axes.flat, names, strict=False):
        _panel(axis, rows, found, QUANTITIES[name], limit)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    every = np.concatenate([100 * _errors(setting) for settings in found.values() for setting in settings])
    low, high = float(every.min()), float(every.max())
    for axis in axes.flat:
        axis.set(xscale="log", xlim=(low / 1.08, high * 1.08))
        ticks = _ticks(low / 1.08, high * 1.08)
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    for axis in axes[-1]:
        axis.set_xlabel(_ERROR)
    handles = [
        Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], linewidth=1.5, markersize=6, label=name)
        for name in found
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure


def _panel(axis: Axes, rows: Sequence[Row], found: dict[str, list[Setting]], quantity: Quantity, limit: float) -> None:
    axis.axvspan(1e-3, limit, color="0.94", zorder=0, linewidth=0)
    level = comparison.level(comparison.pick(rows), quantity)
    if level is not None:
        axis.axhline(level, color=_GREY, linewidth=1, linestyle="--", zorder=1)
        axis.annotate(
            quantity.reference, (1, level), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="bottom", fontsize=8, color=_GREY,
        )  # fmt: skip
    for name, settings in found.items():
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
    """Return the phase diagram for the page: every run a dot that tells its method, strength and seed.

    A menu chooses the quantity on the y axis among those of `QUANTITIES` that any run has; the legend
    hides methods. Raises ValueError without runs.
    """
    import plotly.graph_objects as go

    found = groups(rows)
    if not found:
        raise ValueError("no run of any method")
    runs = {
        name: [(setting, row) for setting in settings for row in setting.rows if row.get("relative_error") is not None]
        for name, settings in found.items()
    }
    shown = {
        name: quantity
        for name, quantity in QUANTITIES.items()
        if any(quantity.value(row) is not None for several in runs.values() for _, row in several)
    }
    heights = {
        name: [[_short(quantity.value(row)) for _, row in several] for several in runs.values()]
        for name, quantity in shown.items()
    }
    first = next(iter(shown))
    figure = go.Figure()
    for (name, several), y in zip(runs.items(), heights[first], strict=True):
        color, _, symbol = LOOKS[name]
        figure.add_scatter(
            x=[_short(100 * row["relative_error"]) for _, row in several], y=y, name=name, mode="markers",
            marker={"color": color, "symbol": symbol, "size": 9, "line": {"color": "white", "width": 0.7}},
            text=[f"{setting.label}, seed {row.get('seed', 0)}" for setting, row in several],
            hovertemplate="%{text}<br>relative error %{x:.2f} %<br>%{y:.3g}<extra></extra>",
        )  # fmt: skip
    standard = comparison.pick(rows)
    buttons = []
    for name, quantity in shown.items():
        label = _plain(quantity.label)
        layout = {"yaxis.title.text": label, "shapes": _level_line(comparison.level(standard, quantity))}
        buttons.append({"label": label, "method": "update", "args": [{"y": heights[name]}, layout]})
    figure.update_layout(
        shapes=_level_line(comparison.level(standard, shown[first])),
        legend={"orientation": "h", "y": -0.2},
        updatemenus=[
            {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "showactive": True}
        ],
    )
    ticks = [1, 2, 3, 5, 7, 10, 20, 30, 50, 100]
    figure.update_xaxes(type="log", title=_ERROR, tickvals=ticks)
    figure.update_yaxes(title=_plain(shown[first].label))
    return figure


def heat_maps(rows: Sequence[Row], betas: Sequence[float], gammas: Sequence[float]) -> Figure:
    """Draw the means over seeds of `GRID`'s columns over β (upward) and γ, with their numbers in the cells.

    Below each mean: half its 95 % interval, and the number n of seeds. A cell without runs says "not run".
    """
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.2), sharex=True, sharey=True)
    for axis, (name, (title, form, scale, (low, end))) in zip(axes.flat, GRID.items(), strict=True):
        told = [[comparison.estimate(comparison.pick(rows, beta=b, gamma=g), name) for g in gammas] for b in betas]
        found = scale * np.array([[one.mean for one in line] for line in told])  # (β, γ)
        known = np.isfinite(found)
        high = end if end is not None else found[known].max() if known.any() else 1.0
        axis.imshow(found, cmap="cividis", aspect="auto", origin="lower", vmin=low, vmax=high)
        for (i, j), value in np.ndenumerate(found):
            dark = known[i, j] and value - low < 0.5 * (high - low)
            text = format(value, form) if known[i, j] else "not\nrun"
            color = "w" if dark else "k"
            axis.text(j, i, text, ha="center", va="bottom" if known[i, j] else "center", color=color, fontsize=9)
            if known[i, j]:
                one = told[i][j]
                spread = f"± {scale * one.half:{form}}, n = {one.n}" if one.n > 1 else f"n = {one.n}"
                axis.text(j, i - 0.06, spread, ha="center", va="top", color=color, fontsize=7)
        axis.set_xticks(range(len(gammas)), [f"{each:g}" for each in gammas])
        axis.set_yticks(range(len(betas)), [f"{each:g}" for each in betas])
        axis.set_title(title, fontsize=10)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
        axis.label_outer()
    figure.supxlabel(r"$\gamma$", fontsize=10)
    figure.supylabel(r"$\beta$", fontsize=10)
    return figure


def batch_sizes(rows: Sequence[Row], kept: Sequence[Setting], batches: Sequence[int]) -> Figure:
    """Draw what the standard loss and penalties, each at one weight, do over the batch size.

    kept: the method and weight of each line. Dots are runs, lines the means over seeds; a batch size without runs has
    none. The errors' axis is logarithmic.
    """
    quantities: tuple[tuple[str, Any], ...] = (
        ("relative error (%)", lambda row: _times(row.get("relative_error"), 100)),
        ("mean |correlation|", column("mean_correlation")),
        ("alignment with $(a, b)$", column("alignment")),
        ("total variance of the latents", total_variance),
    )
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.4))
    for axis, (title, quantity) in zip(axes.flat, quantities, strict=True):
        for setting in kept:
            color, marker, _ = LOOKS[setting.method.name]
            found = [comparison.values(comparison.with_batch(rows, setting, size), quantity) for size in batches]
            _series(axis, found, color, marker, setting.label)
        axis.set_xticks(range(len(batches)), [str(size) for size in batches])
        axis.set_title(title, fontsize=10)
        axis.set_xlim(-0.5, len(batches) - 0.5)
    for axis in axes[1]:
        axis.set_xlabel("batch size")
    errors, *others = axes.flat
    errors.set_yscale("log")
    for axis in others:
        axis.set_ylim(0, None)
    errors.yaxis.set_major_formatter("{x:g}")
    errors.yaxis.set_minor_formatter("{x:g}")
    figure.legend(*errors.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def by_sigma(rows: Sequence[Row], betas: Sequence[float]) -> Figure:
    """Draw constant against learned σ over β without any penalty: four quantities, runs as dots, means as lines.

    Dashed: the chance or reference level of the quantity, which the panel's title names.
    """
    names = ("mean_correlation", "tangent_alignment", "alignment", "active_units")
    figure, axes = plt.subplots(2, 2, figsize=(8, 5.2))
    kinds = (("constant", "constant σ", STANDARD.name), ("learned", "learned σ", LEARNED.name))
    for axis, name in zip(axes.flat, names, strict=True):
        quantity = QUANTITIES[name]
        together = []
        for variance, label, look in kinds:
            picked = [comparison.pick(rows, variance=variance, beta=beta) for beta in betas]
            together += [row for several in picked for row in several]
            color, marker, _ = LOOKS[look]
            _series(axis, [comparison.values(several, quantity.value) for several in picked], color, marker, label)
        level = comparison.level(together, quantity)
        if level is not None:
            axis.axhline(level, color=_GREY, linewidth=1, linestyle="--")
        axis.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
        axis.set_title(quantity.label + (f" (dashed: {quantity.reference})" if level is not None else ""), fontsize=10)
        axis.set(ylim=(0, None), xlim=(-0.5, len(betas) - 0.5))
    for axis in axes[1]:
        axis.set_xlabel(r"$\beta$")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _series(axis: Axes, found: Sequence[Numbers], color: str, marker: str, label: str) -> None:
    """Draw numbers over the places 0, 1, …: each a dot, the means a line; places without numbers say "not run"."""
    first = not axis.lines
    for k, numbers in enumerate(found):
        if not len(numbers):
            options: dict[str, Any] = {
                "rotation": 90,
                "ha": "right" if first else "left",
                "va": "bottom",
                "fontsize": 7,
            }
            axis.text(k, 0.02, "not run", color=color, transform=axis.get_xaxis_transform(), **options)
        axis.plot(np.full(len(numbers), k), numbers, marker, color=color, alpha=0.35, markersize=4, markeredgewidth=0)
    there = [k for k, numbers in enumerate(found) if len(numbers)]
    means = [float(found[k].mean()) for k in there]
    size = 9 if marker == "*" else 6
    axis.plot(there, means, color=color, marker=marker, markersize=size, markeredgecolor="w", label=label)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between the ends for a logarithmic axis, the fewest kinds of them that make 3 or more."""
    found: list[float] = []
    for kinds in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), range(1, 10), [k / 2 for k in range(2, 20)]):
        found = [k * 10.0**power for power in range(-3, 4) for k in kinds if low <= k * 10.0**power <= high]
        if len(found) >= 3:
            break
    return found


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


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _plain(label: str) -> str:
    return label.replace("$", "")


def _level_line(level: float | None) -> list[dict[str, Any]]:
    if level is None:
        return []
    line = {"color": "#777777", "width": 1, "dash": "dash"}
    return [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": line}]
