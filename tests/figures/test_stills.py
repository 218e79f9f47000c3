"""A still picture has what the Plotly figure shows first."""

import plotly.graph_objects as go
import pytest

from vaelib.figures import stills


def test_a_still_has_the_figures_points_colours_ranges_and_names() -> None:
    figure = go.Figure()
    figure.add_scatter(x=[1, 10], y=[3, 4], mode="lines", name="line", line={"color": "rgb(255, 0, 0)", "dash": "dot"})
    marker = {"color": [0, 5], "colorscale": "Viridis", "cmin": 0, "cmax": 5, "size": 8}
    figure.add_scatter(x=[2, 3], y=[1, 2], mode="markers", name="dots", marker=marker)
    figure.add_scatter(x=[0], y=[0], visible=False)
    figure.update_xaxes(type="log", range=[0, 1], title="x<sub>1</sub>")
    (axis,) = stills.still(figure).axes
    (line,), (dots,) = axis.lines, axis.collections
    assert line.get_xydata().tolist() == [[1, 3], [10, 4]] and line.get_color() == (1, 0, 0)
    assert dots.get_offsets().tolist() == [[2, 1], [3, 2]] and dots.get_clim() == (0, 5)
    assert axis.get_xlim() == pytest.approx((1, 10)) and axis.get_xscale() == "log" and axis.get_xlabel() == "x 1"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["line", "dots"]


def test_a_still_looks_from_where_the_figure_looks_and_keeps_its_lengths() -> None:
    figure = go.Figure(go.Scatter3d(x=[0, 4], y=[0, 2], z=[0, 1], mode="markers"))
    figure.update_layout(scene={"aspectmode": "data", "camera": {"eye": {"x": 0, "y": 1, "z": 1}}})
    (axis,) = stills.still(figure).axes
    assert (axis.elev, axis.azim) == pytest.approx((45, 90))
    x, y, z = axis._box_aspect
    assert (x / z, y / z) == pytest.approx((4, 2))
    with pytest.raises(ValueError, match="'pie'; allowed: scatter, scatter3d, surface"):
        stills.still(go.Figure(go.Pie(values=[1])))
