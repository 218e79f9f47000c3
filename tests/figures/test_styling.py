"""What the pictures show is what the formulas say: the drawn values are read back from the figures."""

import base64
import io
import json
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

from vaelib import figures, notebook


def test_parameter_axes_have_b_downward(data, smoke):
    axis = figures.dataset.sample(data, smoke).axes[0]
    low, high = axis.get_ylim()
    assert low > high


def test_the_places_after_a_shorter_rows_last_image_stay_empty():
    images = np.zeros((3, 32, 32), "uint8")
    axes = np.reshape(figures.image_rows([images, images[:1]], ["three", "one"]).axes, (2, 3))
    assert [[len(axis.images) for axis in row] for row in axes] == [[1, 1, 1], [1, 0, 0]]
    assert [[axis.axison for axis in row] for row in axes] == [[True] * 3, [True, False, False]]


def test_a_chapter_without_runs_names_its_profile():
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


# Draws an image sheet, a plot and a film without asking for the style, and prints the digests of their pixels.
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
    outputs = []
    for settings in (os.devnull, str(tmp_path / "matplotlibrc")):
        environment = {**os.environ, "MATPLOTLIBRC": settings}
        environment.pop("MPLBACKEND", None)
        program = [sys.executable, "-c", DRAWING, str(tmp_path)]
        outputs.append(
            subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout.split()
        )
    assert outputs[0][:-1] == outputs[1][:-1]
    assert (outputs[0][-1], outputs[1][-1]) == ("agg", "pdf"), "what draws them is the user's"


def test_an_image_stands_upright_whatever_is_set_in_the_process(smoke):
    with plt.rc_context({"image.origin": "lower"}):
        figure = figures.dataset.montage(smoke, 3)
        row = figures.image_rows([np.eye(4)[None]])
    assert [axis.images[0].origin for axis in (*figure.axes, *row.axes)] == ["upper", "upper"]
