"""The pictures of the loss's chapter: the terms, what they cost a pair of latents, and what a rotation changes."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vaelib import figures
from vaelib.analysis.loss import Factors, correlated, covariances, expected_product, pair_cost
from vaelib.disentanglement import unmixing
from vaelib.statistics.intervals import of_mean

FACTOR_COLORS = {"uniform": figures.BLUE, "normal": figures.BLACK, "laplace": figures.VERMILION}

_COST = "cividis"
_COST_PLOTLY = "Cividis"
_EYE = {"x": 1.6, "y": -1.6, "z": 1.0}
_HOVER_CROSS_ENTROPY = "x = %{x:.2f}<br>x̂ = %{y:.2f}<br>%{z:.3f} nats<extra></extra>"
_HOVER_PAIR = "μ<sub>i</sub> = %{x:.2f}<br>μ<sub>j</sub> = %{y:.2f}<br>cost %{z:.3f}<extra></extra>"
_SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]])  # the outline's corners
_SQUARE_DOTS: dict[str, Any] = {
    "size": 6,
    "colorscale": _COST_PLOTLY,
    "cmin": 0,
    "cmax": 1,
    # The colour bar is above, where a telephone has room for it too.
    "colorbar": {"title": {"text": "|xy|", "side": "right"}, "orientation": "h", "thickness": 12}
    | {"x": 0, "xanchor": "left", "len": 0.5, "y": 1.12, "yanchor": "bottom"},
}


def cross_entropy_map() -> Figure:
    """Draw the cross-entropy of one pixel: as a map over (x, x̂), and along x̂ for three x."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9))
    x, x_hat, cost = _cross_entropy(201)
    filled = left.contourf(x, x_hat, np.minimum(cost, 4), levels=np.linspace(0, 4, 17), cmap=_COST)
    left.plot([0, 1], [0, 1], "--", color="white")
    left.annotate(r"least: $\hat{x} = x$", (0.5, 0.54), color="white", ha="center", va="center", rotation=45)
    left.set(xlabel="true value $x$", ylabel=r"reconstruction $\hat{x}$", aspect="equal")
    figure.colorbar(filled, ax=left, label="cross-entropy (nats), cut at 4", ticks=[0, 1, 2, 3, 4])
    grid = np.linspace(0.002, 0.998, 500)
    for value, color in zip((0.0, 0.3, 1.0), (figures.BLUE, figures.VERMILION, figures.GREEN), strict=True):
        right.plot(
            grid, -(value * np.log(grid) + (1 - value) * np.log(1 - grid)), color=color, label=f"$x = {value:g}$"
        )
        if 0 < value < 1:
            least = -(value * np.log(value) + (1 - value) * np.log(1 - value))
            right.plot(value, least, "o", color=color)
    right.set(xlabel=r"reconstruction $\hat{x}$", ylabel="cross-entropy (nats)", ylim=(0, 4))
    right.legend()
    return figure


def living_cross_entropy() -> Any:
    """Return the cross-entropy of one pixel as a Plotly surface over (x, x̂) that turns in the page."""
    import plotly.graph_objects as go

    x, x_hat, cost = (array.astype("float32") for array in _cross_entropy(51))
    figure = go.Figure(go.Surface(x=x[0], y=x_hat[:, 0], z=cost, colorscale=_COST_PLOTLY, cmin=0, cmax=5,
                                  colorbar={"title": "nats"}, hovertemplate=_HOVER_CROSS_ENTROPY))  # fmt: skip
    figure.update_scenes(xaxis_title="x", yaxis_title="x̂", zaxis_title="cross-entropy", camera_eye=_EYE)
    return figure


def kl_curves(sigma: float) -> Figure:
    """Draw the two parts of one latent's KL divergence: the curve in σ², with `sigma` marked, and parabolas in μ."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
    variance = np.geomspace(min(1e-3, sigma**2 / 2), max(10.0, 2 * sigma**2), 400)
    left.plot(variance, variance - 1 - np.log(variance))
    left.plot(1, 0, "o", color=figures.GREEN, label=r"least: $\sigma^2 = 1$")
    mark = sigma**2 - 1 - np.log(sigma**2)
    left.plot(sigma**2, mark, "D", color=figures.VERMILION, label=rf"$\sigma = {sigma:g}$: {mark:.3f}")
    left.set(xscale="log", xlabel=r"$\sigma^2$", ylabel=r"$\sigma^2 - 1 - \log\,\sigma^2$")
    left.legend()
    mu = np.linspace(-2.5, 2.5, 201)
    for value, color in ((sigma, figures.VERMILION), (0.5, figures.BLUE), (1.0, figures.GREEN)):
        right.plot(mu, mu**2 + value**2 - 1 - np.log(value**2), color=color, label=rf"$\sigma = {value:g}$")
    right.set(xlabel=r"$\mu$", ylabel=r"$\mu^2 + \sigma^2 - 1 - \log\,\sigma^2$", ylim=(0, None))
    right.legend()
    return figure


def surface(axis: Any, square: float, product: float) -> None:
    """Draw the cost of a pair of latents over [-1, 1]², with its level lines below.

    Args:
        axis: A 3-D axis of matplotlib.
        square: The weight of μ_i² + μ_j².
        product: The weight of |μ_i μ_j|.
    """
    grid = np.linspace(-1, 1, 41)
    mu_i, mu_j = np.meshgrid(grid, grid)
    cost = pair_cost(mu_i, mu_j, square, product)
    top = float(np.max(cost)) or 1.0
    axis.plot_surface(mu_i, mu_j, cost, cmap=_COST, vmin=0, vmax=top, rstride=2, cstride=2, linewidth=0)
    axis.contour(mu_i, mu_j, cost, levels=np.linspace(0, top, 9)[1:-1], cmap=_COST, offset=-0.6 * top, linewidths=1.2)
    axis.set(xlabel=r"$\mu_i$", ylabel=r"$\mu_j$", xlim=(-1, 1), ylim=(-1, 1), zlim=(-0.6 * top, top))
    axis.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    axis.set_zticks([0, top / 2, top], [f"{height:.2g}" for height in (0, top / 2, top)])
    axis.view_init(elev=24, azim=-50)


def surfaces(weights: list[tuple[float, float]], titles: list[str]) -> Figure:
    """Draw the cost of a pair of latents side by side for several weights (square, product), each with its title.

    pyplot does not manage the figure.
    """
    with plt.rc_context({"figure.constrained_layout.use": False}):  # it leaves too much room round 3-D axes
        figure = Figure(figsize=(4 * len(weights) + 0.4, 3.9))
    for index, ((square, product), title) in enumerate(zip(weights, titles, strict=True), start=1):
        axis = figure.add_subplot(1, len(weights), index, projection="3d")
        surface(axis, square, product)
        axis.set_title(title, loc="center")
    figure.subplots_adjust(left=0.01, right=0.93, bottom=0.06, top=0.92, wspace=0.25)
    return figure


def pair_surfaces() -> Figure:
    """Draw the study's two surfaces over (μ_i, μ_j): the squares alone, and 0.2 of them with 0.8 of the product."""
    return surfaces([(1.0, 0.0), (0.2, 0.8)], [r"$\mu_i^2+\mu_j^2$", r"$0.2(\mu_i^2+\mu_j^2)+0.8\,|\mu_i\mu_j|$"])


def living_pair_surface(n: int = 21) -> Any:
    """Return the cost over (μ_i, μ_j) as a Plotly surface, with a slider for the entanglement's share from 0 to 1.

    Args:
        n: The number of the slider's steps.
    """
    import plotly.graph_objects as go

    grid = np.linspace(-1, 1, 31, dtype="float32")
    mu_i, mu_j = np.meshgrid(grid, grid)
    shares = np.linspace(0, 1, n)
    costs = [pair_cost(mu_i, mu_j, 1 - share, share).astype("float32") for share in shares]
    names = [f"{share:.2f}" for share in shares]
    shown = names.index("0.80") if "0.80" in names else 0
    figure = go.Figure(
        go.Surface(x=grid, y=grid, z=costs[shown], colorscale=_COST_PLOTLY, cmin=0, cmax=1, showscale=False,
                   contours_z={"show": True, "project_z": True, "start": 0.1, "end": 1.9, "size": 0.1},
                   hovertemplate=_HOVER_PAIR),
        frames=[go.Frame(name=name, data=[go.Surface(z=cost)]) for name, cost in zip(names, costs, strict=True)],
    )  # fmt: skip
    figure.update_scenes(xaxis_title="μ<sub>i</sub>", yaxis_title="μ<sub>j</sub>", zaxis_title="cost",
                         zaxis_range=[0, 2], aspectratio={"x": 1, "y": 1, "z": 0.9}, camera_eye=_EYE)  # fmt: skip
    figure.update_layout(
        sliders=[figures.frame_slider(names, "share of |μ<sub>i</sub> μ<sub>j</sub>|: ", active=shown)]
    )
    return figure


def penalty_by_batch_size(draws: int, seed: int, correlation: float = 0.5, largest: int = 256) -> Figure:
    """Draw the mean of |covariance| in batches of 1, 2, 4, … simulated normal pairs, independent and correlated.

    Args:
        draws: The number of pairs.
        seed: Of the first of the three cases; the others have those after it.
        correlation: Of the correlated pairs.
        largest: The largest batch, a power of two.
    """
    figure, axis = plt.subplots(figsize=(7, 4))
    sizes = 2 ** np.arange(int(np.log2(largest)) + 1)
    cases = [(0.0, False, figures.BLUE, "independent, around 0"), (0.0, True, figures.GREEN, "independent, centred"),
             (correlation, False, figures.VERMILION, f"correlation {correlation:g}, around 0")]  # fmt: skip
    for offset, (rho, centred, color, label) in enumerate(cases):
        pairs = correlated(draws, rho, seed + offset)
        batches = [pairs[: draws // n * n].reshape(-1, n, 2) for n in sizes]
        intervals = np.array([of_mean(np.abs(covariances(batch, centred=centred))) for batch in batches])
        mean, low, high = intervals.T
        axis.plot(sizes, mean, "o-", color=color, label=label, markersize=4)
        axis.fill_between(sizes, low, high, color=color, alpha=0.3, linewidth=0)
    axis.axhline(2 / np.pi, color="0.4", linestyle=":", label=r"$2/\pi$")
    axis.set(xscale="log", xlabel="images in the batch", ylabel=r"mean of $|C_{ij}|$", ylim=(0, None))
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.minorticks_off()
    axis.legend()
    return figure


def rotation_curves() -> Figure:
    """Draw E|xy| over the angle of rotation for uniform, normal and Laplace factors of variance 1."""
    figure, axis = plt.subplots(figsize=(7, 4))
    degrees = np.linspace(0, 90, 181)
    styles: dict[Factors, str] = {"laplace": "--", "normal": ":", "uniform": "-"}
    for factors, line in styles.items():
        values = expected_product(np.deg2rad(degrees), factors)
        axis.plot(degrees, values, line, color=FACTOR_COLORS[factors], label=factors.capitalize())
    axis.set(xlabel=r"angle $\varphi$ between factors and axes (degrees)", ylabel=r"$E|xy|$, factors of variance 1")
    axis.set(xticks=range(0, 91, 15), ylim=(0.45, 0.8))
    axis.legend(ncols=3, loc="upper center")
    return figure


def living_rotation(n: int = 31, dots: int = 18) -> Any:
    """Return a Plotly figure whose slider rotates the square [-1, 1]² of uniform factors by 0° to 90°.

    Left: the square, its points in the colour of |xy|. Right: E|xy| of uniform factors over the angle.

    Args:
        n: The number of the slider's steps.
        dots: The number of points along a side of the square.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    line = (np.arange(dots) + 0.5) / dots * 2 - 1
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    degrees = np.linspace(0, 90, n)
    figure = make_subplots(
        1,
        2,
        column_widths=[0.55, 0.45],
        horizontal_spacing=0.18,
        subplot_titles=("the square of factors", "its cost E|xy|"),
    )
    figure.add_scatter(mode="markers", marker=_SQUARE_DOTS, row=1, col=1)
    figure.add_scatter(mode="lines", line={"color": figures.BLACK, "width": 2}, row=1, col=1)
    marker = {"size": 13, "color": figures.VERMILION}
    figure.add_scatter(mode="markers+text", marker=marker, textposition="middle right", row=1, col=2)
    curve = expected_product(np.deg2rad(degrees)).astype("float32") / 3
    figure.add_scatter(x=degrees, y=curve, mode="lines", line={"color": figures.BLUE, "width": 2.5}, row=1, col=2)
    frames = [
        go.Frame(name=f"{angle:g}°", data=_rotated_square(points, angle, value), traces=[0, 1, 2])
        for angle, value in zip(degrees, curve, strict=True)
    ]
    for trace, data in zip(figure.data, frames[0].data, strict=False):
        trace.update({key: data[key] for key in ("x", "y", "text", "marker") if data[key] is not None})
    figure.data[2].marker.update(marker)
    figure.frames = frames
    figure.update_xaxes(title="x", range=[-1.5, 1.5], constrain="domain", row=1, col=1)
    figure.update_yaxes(title="y", range=[-1.5, 1.5], scaleanchor="x", row=1, col=1)
    figure.update_xaxes(title="φ (degrees)", range=[-6, 112], tickvals=list(range(0, 91, 15)), row=1, col=2)
    figure.update_yaxes(range=[0.15, 0.27], row=1, col=2)
    names = [frame.name for frame in frames]
    figure.update_layout(showlegend=False, sliders=[figures.frame_slider(names, "φ = ")])
    return figure


def _rotated_square(points: NDArray[Any], angle: float, cost: float) -> list[dict[str, Any]]:
    """Return the traces of a frame: the rotated points, the square's outline, and the cost marked over the angle."""
    rotated = unmixing.turn(points, angle).astype("float32")
    outline = unmixing.turn(_SQUARE, angle).astype("float32")
    color = np.abs(rotated[:, 0] * rotated[:, 1])
    return [
        {"type": "scatter", "x": rotated[:, 0], "y": rotated[:, 1], "marker": {**_SQUARE_DOTS, "color": color}},
        {"type": "scatter", "x": outline[:, 0], "y": outline[:, 1]},
        {"type": "scatter", "x": [angle], "y": [cost], "text": [f"{cost:.3f}"]},
    ]


def explorer(square: float, product: float) -> tuple[Figure, Axes]:
    """Draw `surface`; return the figure, which pyplot does not manage, and its axis."""
    figure = surfaces([(square, product)], [""])
    return figure, figure.axes[0]


def _cross_entropy(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return x, x̂ and the cross-entropy, (n, n) each; x̂ stays 0.005 away from its ends."""
    x, x_hat = np.meshgrid(np.linspace(0, 1, n), np.linspace(0.005, 0.995, n))
    return x, x_hat, -(x * np.log(x_hat) + (1 - x) * np.log(1 - x_hat))
