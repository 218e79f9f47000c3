"""Films: what is in the file, and that it is either complete or absent."""

import re
import struct
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from ffmpeg_report import stream
from matplotlib.figure import Figure
from PIL import Image

from vaelib import animation
from vaelib.animation import encoder
from vaelib.errors import StoreError


def boxes(path: Path) -> list[bytes]:
    """Return the names of an MP4 file's outermost boxes in their order."""
    content, place, names = path.read_bytes(), 0, []
    while place < len(content):
        size, name = struct.unpack(">I4s", content[place : place + 8])
        names.append(name)
        place += size
    return names


def test_a_rotating_film_is_what_browsers_play(tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray]) -> None:
    film = animation.rotating_embedding(tmp_path / "new" / "film.mp4", mu, values, frames=5, progress=False)
    _, width, height, frames = stream(film)
    assert width % 2 == 0 and height % 2 == 0 and frames == 5
    names = boxes(film)
    assert names.index(b"moov") < names.index(b"mdat")  # it can begin to play before it is loaded
    with Image.open(film.with_suffix(".png")) as poster:
        assert poster.size == (width, height)
    assert sorted(path.name for path in film.parent.iterdir()) == ["film.mp4", "film.png"]


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_drawn(
    tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray]
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file"):
        animation.rotating_embedding(tmp_path / "file" / "film.mp4", mu, values)


def test_a_failing_encoder_leaves_the_earlier_film(
    tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "film.mp4").write_text("earlier")
    monkeypatch.setattr(encoder, "_ENCODING", ["-no-such-option", "1"])
    with pytest.raises(StoreError, match="the encoder failed"):
        animation.rotating_embedding(tmp_path / "film.mp4", mu, values, frames=2, progress=False)
    assert (tmp_path / "film.mp4").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_an_interruption_leaves_the_earlier_film(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("earlier")

    def make() -> encoder.Drawing:
        def draw(frame: int) -> None:
            if frame == 2:
                raise KeyboardInterrupt

        return encoder.Drawing(Figure(figsize=(1, 1)), draw, [])

    with pytest.raises(KeyboardInterrupt):
        encoder.render(tmp_path / "film.mp4", make, 4, fps=2, progress=False, workers=1)
    assert (tmp_path / "film.mp4").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def numbered() -> encoder.Drawing:
    """A picture whose shade is the frame's number."""
    figure = Figure(figsize=(0.4, 0.4), dpi=50)
    axis = figure.add_axes((0, 0, 1, 1))
    image = axis.imshow(np.zeros((1, 1)), vmin=0, vmax=255)
    return encoder.Drawing(figure, lambda frame: image.set_data([[frame]]), [image])


def test_several_processes_draw_what_one_draws_in_order_and_in_its_style() -> None:
    n = 3 * encoder._CHUNK + 1
    with mpl.rc_context({"image.cmap": "bone"}):
        alone, together = (
            np.array(list(encoder._pictures(encoder._Canvas(numbered()), numbered, n, workers))) for workers in (1, 2)
        )
    np.testing.assert_array_equal(together, alone)
    expected = mpl.colormaps["bone"](np.arange(n), bytes=True)
    np.testing.assert_array_equal(alone[:, 10, 10], expected)


def test_a_gif_moves_and_is_as_wide_as_asked(tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray]) -> None:
    made = animation.rotating_embedding(tmp_path / "film.mp4", mu, values, frames=30, fps=15, progress=False)
    path = encoder.gif(made, width=200, fps=5)
    assert path == tmp_path / "film.gif"
    with Image.open(path) as picture:
        assert picture.format == "GIF" and picture.width == 200 and picture.n_frames == 10
        assert picture.info["loop"] == 0, "it goes on for ever"
        first = np.asarray(picture.convert("L"), int)
        picture.seek(5)
        assert (abs(np.asarray(picture.convert("L"), int) - first) > 50).any()
    with pytest.raises(StoreError, match=r"missing\.mp4"):
        encoder.gif(tmp_path / "missing.mp4")


@pytest.mark.parametrize("progress", [True, False])
def test_a_bar_shows_how_many_frames_are_drawn_and_leaves_nothing_behind(
    tmp_path: Path,
    mu: np.ndarray,
    values: dict[str, np.ndarray],
    capsys: pytest.CaptureFixture[str],
    progress: bool,
) -> None:
    animation.rotating_embedding(tmp_path / "film.mp4", mu, values, frames=3, progress=progress)
    output, bar = capsys.readouterr()
    assert output == ""
    if progress:
        assert re.search(r"^\rfilm\.mp4: +0%.*\b0/3 .*frame/s", bar) and not bar.split("\r")[-1].strip()
    else:
        assert bar == ""
