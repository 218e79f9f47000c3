"""What the pictures show is what the formulas say: the drawn values are read back from the figures."""

import base64
import io
import json
import math
import os
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import plotly.io
import pytest
from IPython.core.formatters import IPythonDisplayFormatter
from PIL import Image

from vaelib import Experiment, analysis, curves, dataset, figures, losses, notebook


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def smoke():
    return Experiment.from_profile("smoke", region="punctured")


@pytest.fixture(scope="module")
def data(smoke):
    return dataset.build(smoke.data)


# The data set's chapter


def test_inner_loops_lie_in_the_petals_directions():
    _, inner = figures.dataset.by_sign(1.0, 2.0, n=10_001)
    inner = inner[np.isfinite(inner[:, 0])]
    tip = inner[np.hypot(*inner.T).argmax()]
    assert np.hypot(*tip) == pytest.approx(1.0, abs=1e-5)  # b - a
    assert math.degrees(math.atan2(tip[1], tip[0])) % 72 == pytest.approx(0, abs=0.1)


def test_the_two_signs_together_are_the_curve():
    outer, inner = figures.dataset.by_sign(1.0, 2.0, n=501)
    np.testing.assert_array_equal(np.where(np.isnan(outer), inner, outer), curves.points(1.0, 2.0, 501))


def test_montage_shows_each_image_at_its_place(smoke):
    axis = figures.dataset.montage(smoke, n=4).axes[0]
    sheet, (left, right, bottom, top) = axis.images[0].get_array(), axis.images[0].get_extent()
    a, b = dataset.grid(4)[6]  # the third of the second row
    column = round((a - left) / (right - left) * sheet.shape[1])
    row = round((b - top) / (bottom - top) * sheet.shape[0])
    half = smoke.image_size // 2
    shown = sheet[row - half : row + half, column - half : column + half]
    drawn = curves.render(
        a, b, image_size=smoke.image_size, line_width=smoke.transect_line_width, framing=smoke.framing
    )
    np.testing.assert_array_equal(shown, drawn[0])


def test_sample_shows_every_point_once_and_the_hole_inside_its_circle(data, smoke):
    axis = figures.dataset.sample(data, smoke).axes[0]
    shown = {dots.get_label().split()[0]: np.asarray(dots.get_offsets()) for dots in axis.collections}
    assert sum(map(len, shown.values())) == len(data.parameters)
    together = np.concatenate(list(shown.values()))
    assert {tuple(point) for point in together} == {tuple(point) for point in data.parameters}
    (circle,) = axis.patches
    distance = {name: np.hypot(*(points - circle.center).T) for name, points in shown.items()}
    assert distance["hole"].max() < circle.radius <= min(distance["train"].min(), distance["validation"].min())


def test_parameter_axes_have_b_downward(data, smoke):
    axis = figures.dataset.sample(data, smoke).axes[0]
    low, high = axis.get_ylim()
    assert low > high


def test_framings_show_both_renderings(smoke):
    axes = np.reshape(figures.dataset.framings(smoke).axes, (2, -1))
    for row, framing in zip(axes, ("square", "study"), strict=True):
        for axis, (a, b) in zip(row, figures.dataset.SHAPES, strict=True):
            drawn = curves.render(a, b, image_size=32, line_width=1.2, framing=framing)[0]
            np.testing.assert_array_equal(axis.images[0].get_array(), drawn)


def test_weights_share_one_scale(data):
    parameters, meant = data.parameters, np.linspace(0, 2, len(data.parameters))
    figure = figures.dataset.weights(parameters, meant, analysis.dataset.batch_means(meant, 8))
    left, right = (axis.collections[0] for axis in figure.axes[:2])
    assert left.get_clim() == right.get_clim() == (0, 2)
    np.testing.assert_array_equal(left.get_array(), meant)


def test_living_curves_frames_are_the_curve():
    figure = figures.dataset.living_curve(1.25, n=5)
    assert [frame.name for frame in figure.frames] == ["0.00", "0.50", "1.00", "1.50", "2.00"]
    outer, inner, place = figure.frames[-1].data
    radius = np.hypot(outer.x, outer.y)
    assert np.nanmax(radius) == pytest.approx(3.25, abs=1e-5)
    assert np.nanmax(np.hypot(inner.x, inner.y)) == pytest.approx(0.75, abs=1e-3)
    assert (place.x[0], place.y[0]) == (1.25, 2.0)
    # The slider begins where the figure does.
    slider = figure.layout.sliders[0]
    shown = figure.frames[slider.active].data[0]
    np.testing.assert_array_equal(figure.data[0].x, shown.x)


# The loss chapter


def test_living_surface_frames_are_the_mixture():
    figure = figures.loss.living_pair_surface(n=11)
    x, y = np.meshgrid(figure.data[0].x, figure.data[0].y)
    for share, frame in zip(np.linspace(0, 1, 11), figure.frames, strict=True):
        expected = (1 - share) * (x**2 + y**2) + share * np.abs(x * y)
        np.testing.assert_allclose(frame.data[0].z, expected, atol=1e-6)
    slider = figure.layout.sliders[0]
    assert slider.steps[slider.active].label == "0.80"
    np.testing.assert_array_equal(figure.data[0].z, figure.frames[slider.active].data[0].z)


def test_rotation_curve_is_drawn_for_variance_one():
    axis = figures.loss.rotation_curves().axes[0]
    lines = {line.get_label(): line.get_xydata() for line in axis.lines}
    at_45 = {name: float(np.interp(45, *points.T)) for name, points in lines.items()}
    assert at_45 == pytest.approx({"Uniform": 0.5, "Laplace": 0.75, "Normal": 2 / np.pi})


def test_living_rotation_turns_the_square_and_moves_the_marker():
    figure = figures.loss.living_rotation(n=3, dots=4)
    assert [frame.name for frame in figure.frames] == ["0°", "45°", "90°"]
    points, outline, marker = figure.frames[1].data
    np.testing.assert_allclose(np.abs(points.x * points.y), points.marker.color, atol=1e-6)
    assert max(outline.x) == pytest.approx(np.sqrt(2), abs=1e-6)
    assert (marker.x[0], marker.text[0]) == (45, "0.167")
    assert figure.frames[0].data[2].y[0] == pytest.approx(0.25)
    flat = np.stack([figure.data[0].x, figure.data[0].y], axis=1)
    np.testing.assert_allclose(np.hypot(*flat.T), np.hypot(points.x, points.y), rtol=1e-6)


def test_penalty_figure_begins_at_two_over_pi_and_tells_correlation_only_in_large_batches():
    axis = figures.loss.penalty_by_batch_size(40_000, seed=0, largest=64).axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axis.lines}
    independent, correlated = lines["independent, around 0"], lines["correlation 0.5, around 0"]
    assert independent[0] == pytest.approx(2 / np.pi, abs=0.02)
    assert correlated[0] / independent[0] == pytest.approx(1.128, abs=0.04)
    assert correlated[-1] / independent[-1] > 4
    assert lines["independent, centred"][0] == 0


def test_kl_figure_marks_the_minimum_and_the_constant():
    left = figures.loss.kl_curves(0.1).axes[0]
    curve, least, constant = (line.get_xydata() for line in left.lines)
    assert curve[:, 1].min() == pytest.approx(0, abs=1e-3)
    np.testing.assert_allclose(least, [[1, 0]])
    np.testing.assert_allclose(constant, [[0.01, 3.61517]], atol=1e-5)


def test_cross_entropy_surface_is_the_loss():
    surface = figures.loss.living_cross_entropy().data[0]
    i, j = 10, 40
    expected = losses.binary_crossentropy(np.array([[surface.x[j]]]), np.array([[surface.y[i]]]))
    assert surface.z[i][j] == pytest.approx(float(expected), rel=1e-5)


# What all chapters share


def test_the_places_after_a_shorter_rows_last_image_stay_empty():
    images = np.zeros((3, 32, 32), "uint8")
    axes = np.reshape(figures.image_rows([images, images[:1]], ["three", "one"]).axes, (2, 3))
    assert [[len(axis.images) for axis in row] for row in axes] == [[1, 1, 1], [1, 0, 0]]
    assert [[axis.axison for axis in row] for row in axes] == [[True] * 3, [True, False, False]]


def test_a_chapter_without_runs_tells_its_profile():
    assert "profile smoke" in figures.provenance_note(profile="smoke").data
    assert "profile" not in figures.provenance_note().data


def test_a_living_figure_needs_no_network_and_does_not_start_by_itself(monkeypatch):
    monkeypatch.setenv("VAELIB_STATIC", "1")
    page = figures.show_plotly(figures.loss.living_rotation(n=3, dots=2), 'turning "squares"').data
    assert 'aria-label="turning &quot;squares&quot;"' in page
    assert "Plotly.animate" not in page
    assert "Plotly.addFrames" in page
    assert "https://cdn" not in page
    assert page.index("<template>") < page.index("Plotly.newPlot") < page.index("</template>"), "it is drawn at once"


@pytest.mark.parametrize(
    ("living", "button"),
    [(figures.loss.living_rotation, "resetScale2d"), (figures.loss.living_pair_surface, "resetCameraLastSave3d")],
)
def test_a_living_figure_has_one_button_which_puts_it_back(living, button, monkeypatch):
    """In a page and live: none leads to a server, whatever this version of Plotly has by itself."""
    monkeypatch.setenv("VAELIB_STATIC", "1")
    page = figures.show_plotly(living(n=2), "a figure").data
    (configured,) = re.findall(r'\{"displaylogo".*?\]\]\}', page)

    monkeypatch.delenv("VAELIB_STATIC")
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
    monkeypatch.setattr(plotly.io.renderers, "default", "plotly_mimetype")
    assert IPythonDisplayFormatter()(figures.show_plotly(living(n=2), "a figure")), "it does not show itself"
    (bundle,) = shown

    for config in (json.loads(configured), bundle["application/vnd.plotly.v1+json"]["config"]):
        assert config["modeBarButtons"] == [[button]]
        assert config["showSendToCloud"] is False and config["displaylogo"] is False


def test_frame_slider_names_every_frame():
    slider = figures.frame_slider(["0", "1"], "φ = ", active=1)
    assert [(step["label"], step["args"][0]) for step in slider["steps"]] == [("0", ["0"]), ("1", ["1"])]
    assert slider["active"] == 1


def test_a_video_and_its_poster_are_beside_a_page_and_within_a_live_output(tmp_path, monkeypatch):
    plt.imsave(tmp_path / "encoder.png", np.zeros((30, 40)))
    for name in ("encoder.mp4", "no-poster.mp4"):
        (tmp_path / name).write_bytes(b"moving")
    monkeypatch.setattr(notebook, "is_static", lambda: True)
    page = figures.show_video(tmp_path / "encoder.mp4", "a film", width=20).data
    assert f'src="{tmp_path / "encoder.mp4"}"' in page and f'poster="{tmp_path / "encoder.png"}"' in page
    monkeypatch.setattr(notebook, "is_static", lambda: False)
    live = figures.show_video(tmp_path / "encoder.mp4", "a film", width=20).data
    assert str(tmp_path) not in live
    assert f'src="data:video/mp4;base64,{base64.b64encode(b"moving").decode()}"' in live
    content = base64.b64decode(re.search(r'poster="data:image/jpeg;base64,([^"]+)"', live)[1])
    with Image.open(io.BytesIO(content)) as poster:
        assert (poster.format, poster.size) == ("JPEG", (20, 15))
    assert 'src="data:video' in figures.show_video(tmp_path / "no-poster.mp4", "no poster was made").data


HOSTILE = """
image.origin: lower
text.usetex: True
axes.grid: True
axes.unicode_minus: False
font.size: 30
xtick.bottom: False
savefig.dpi: 37
savefig.transparent: True
animation.bitrate: 1
backend: pdf
"""

# Draws an image sheet, a plot and a film without asking for the style, and tells the digests of their pixels.
DRAWING = """
import hashlib, io, sys
import matplotlib.pyplot as plt
import numpy as np
from vaelib import Experiment, figures
from vaelib.animation import encoder

def digest(figure):
    canvas = io.BytesIO()
    figure.savefig(canvas, format="png", metadata={"Software": None})
    return hashlib.sha256(canvas.getvalue()).hexdigest()

def make():
    figure = plt.Figure(figsize=(2, 2), dpi=encoder.DPI)
    line = figure.subplots().plot([-1, 0])[0]
    return encoder.Drawing(figure, lambda number: line.set_ydata([-1, number]), [line])

experiment = Experiment.from_profile("smoke")
print(digest(figures.dataset.montage(experiment, 3)))
print(digest(figures.image_rows([np.eye(8)[None, :5]], ["$x$"])))
figure, axis = plt.subplots()
print(digest(figures.parameter_axes(axis).figure))
path = encoder.render(f"{sys.argv[1]}/film.mp4", make, 9, fps=3, workers=1, progress=False)
print(*(hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, path.with_suffix(".png"))))
print(plt.get_backend().lower())
"""


def test_no_settings_file_of_the_user_changes_a_figure(tmp_path):
    (tmp_path / "matplotlibrc").write_text(HOSTILE)
    told = []
    for settings in (os.devnull, str(tmp_path / "matplotlibrc")):
        environment = {**os.environ, "MATPLOTLIBRC": settings}
        environment.pop("MPLBACKEND", None)
        program = [sys.executable, "-c", DRAWING, str(tmp_path)]
        told.append(subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout.split())
    assert told[0][:-1] == told[1][:-1]
    assert (told[0][-1], told[1][-1]) == ("agg", "pdf"), "what draws them is the user's"


def test_an_image_stands_upright_whatever_is_set_in_the_process(smoke):
    with plt.rc_context({"image.origin": "lower"}):
        figure = figures.dataset.montage(smoke, 3)
        row = figures.image_rows([np.eye(4)[None]])
    assert [axis.images[0].origin for axis in (*figure.axes, *row.axes)] == ["upper", "upper"]
