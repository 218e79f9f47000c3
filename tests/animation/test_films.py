"""Films: what is in the file, that it is whole or not there, and where the points are seen."""

import re
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imageio_ffmpeg
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vaelib import Experiment, animation, dataset
from vaelib.animation import encoder
from vaelib.errors import StoreError
from vaelib.figures import scene

N, EPOCHS = 40, 2


@pytest.fixture(scope="module")
def mu() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 3))


@pytest.fixture(scope="module")
def values() -> dict[str, np.ndarray]:
    a, b = np.random.default_rng(1).uniform([0.5, 0], [2, 2], size=(N, 2)).T
    return {"a": a, "b": b}


@pytest.fixture
def run(mu: np.ndarray) -> Any:
    """A stand-in for a finished run: what a film asks of one."""

    def reconstruct(images: np.ndarray, epoch: int) -> np.ndarray:
        return np.full(images.shape, epoch / EPOCHS, np.float32)

    track = np.stack([mu * epoch / EPOCHS for epoch in range(EPOCHS + 1)])
    return SimpleNamespace(embeddings=track, epochs=EPOCHS, kept_epochs=[1, 2], reconstruct=reconstruct)


@pytest.fixture
def data(values: dict[str, np.ndarray]) -> Any:
    return SimpleNamespace(
        parameters=np.vstack([np.column_stack(list(values.values())), [[1, 1]] * 3]),
        images=np.full((N + 3, 32, 32), 255, np.uint8),
        train=np.arange(N),
        validation=np.arange(N, N + 3),
    )


def stream(path: Path) -> tuple[str, int, int, int]:
    """Return what ffmpeg tells of a film: its format, width, height and number of frames."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    told = subprocess.run([ffmpeg, "-i", str(path), "-f", "null", "-"], capture_output=True, text=True).stderr
    found = re.search(r"Video: (h264.*?yuv420p).*? (\d+)x(\d+)", told)
    assert found, told
    return found[1], int(found[2]), int(found[3]), int(re.findall(r"frame=\s*(\d+)", told)[-1])


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


def test_a_training_film_shows_the_last_epochs_reconstruction_at_the_end(tmp_path: Path, run: Any, data: Any) -> None:
    film = animation.training_film(tmp_path / "t.mp4", run, data, frames=3, fps=4, n_images=2, progress=False)
    assert stream(film)[3] == 3 + 4  # the last picture stays for a second
    with Image.open(film.with_suffix(".png")) as poster:
        # Originals are white, and so is what the last epoch makes of them, to the picture's right edge.
        right = np.asarray(poster.convert("L"))[150:300, -20:-8]
    assert right.min() == 255


def test_a_training_film_refuses_other_data(tmp_path: Path, run: Any, data: Any) -> None:
    data.train = data.train[:-1]
    with pytest.raises(ValueError, match=f"embeds {N} images and the data trains on {N - 1}"):
        animation.training_film(tmp_path / "t.mp4", run, data, progress=False)


def test_sheets_in_step_take_runs_of_the_same_images(tmp_path: Path, run: Any, values: dict[str, np.ndarray]) -> None:
    film = animation.sheets_in_step(
        tmp_path / "s.mp4", [run, run], ["x", "y"], values["a"], frames=2, fps=1, progress=False
    )
    assert stream(film)[3] == 3
    with pytest.raises(ValueError, match="not one label for each"):
        animation.sheets_in_step(tmp_path / "s.mp4", [run], ["x", "y"], values["a"])


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
def test_a_bar_tells_how_many_frames_are_drawn_and_leaves_nothing_behind(
    tmp_path: Path,
    mu: np.ndarray,
    values: dict[str, np.ndarray],
    capsys: pytest.CaptureFixture[str],
    progress: bool,
) -> None:
    animation.rotating_embedding(tmp_path / "film.mp4", mu, values, frames=3, progress=progress)
    told, bar = capsys.readouterr()
    assert told == ""
    if progress:
        assert re.search(r"^\rfilm\.mp4: +0%.*\b0/3 .*frame/s", bar) and not bar.split("\r")[-1].strip()
    else:
        assert bar == ""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[encoder.Drawing]:
    """The drawings of the films asked for, which are not rendered."""
    found: list[encoder.Drawing] = []

    def render(path: Any, make: Any, frames: int, **_: Any) -> Any:
        found.append(make())
        return frames

    monkeypatch.setattr(encoder, "render", render)
    return found


def test_the_ring_stays_on_the_sheet_as_it_turns(
    mu: np.ndarray, values: dict[str, np.ndarray], drawn: list[encoder.Drawing]
) -> None:
    animation.rotating_embedding("r.mp4", mu, values, ring=mu[:7], frames=8)
    for frame in (0, 3):
        drawn[0].draw(frame)
        for axis in drawn[0].figure.axes[:2]:
            dots = np.asarray(axis.collections[0].get_offsets())
            ring = axis.lines[-1].get_xydata()
            assert ring.shape == (7, 2)
            assert max(np.linalg.norm(dots - point, axis=1).min() for point in ring) < 1e-9


def test_a_walk_shows_the_point_in_both_spaces_and_says_when_it_is_in_the_hole(drawn: list[encoder.Drawing]) -> None:
    experiment = Experiment.from_profile("smoke", region="punctured")
    data = dataset.build(experiment.data)

    def encode(images: np.ndarray) -> np.ndarray:
        rows = images[:, :, :30].reshape(len(images), 3, -1).mean(axis=2)
        return np.asarray(rows / 255, np.float32)

    def decode(latents: np.ndarray) -> np.ndarray:
        return np.full((len(latents), experiment.image_size, experiment.image_size), 0.25, np.float32)

    mu = encode(data.images[data.train])
    run: Any = SimpleNamespace(experiment=experiment, encode=encode, decode=decode, best_epoch=0, embeddings=mu[None])
    steps = 9
    assert animation.transect_film("w.mp4", run, data, names=["P1", "P3"], frames=steps) == 2 * steps
    (drawing,) = drawn
    left, _, original, redrawn, difference, plot = drawing.figure.axes
    told = set()
    for frame in range(2 * steps):
        drawing.draw(frame)
        name, step = ("P1", "P3")[frame // steps], frame % steps
        point = dataset.transect(name, steps)[step]
        np.testing.assert_allclose(left.lines[-1].get_xydata(), [point])
        heading = drawing.figure.get_suptitle()
        assert heading.startswith(f"{name}: $a$ = {point[0]:.2f}")
        assert ("in the hole" in heading) == bool(dataset.in_hole([point], experiment)[0])
        told.add(heading.rsplit(",")[-1])
        image = dataset.transect_images(name, experiment, steps)[step] / 255
        np.testing.assert_array_equal(original.images[0].get_array(), image)
        np.testing.assert_array_equal(difference.images[0].get_array(), redrawn.images[0].get_array() - image)
        ((x, y),) = plot.lines[-1].get_xydata()
        assert x == step and y == pytest.approx(100 * np.square(0.25 - image).mean() / image.var())
    assert len(told) == 2


def test_only_three_latents_and_mp4_are_taken(tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="three latents"):
        animation.rotating_embedding(tmp_path / "film.mp4", mu[:, :2], values)
    with pytest.raises(ValueError, match=r"\.mp4"):
        animation.rotating_embedding(tmp_path / "film.gif", mu, values)


def test_the_projection_is_a_rotation_with_the_third_axis_upright() -> None:
    view = scene.projection(35, 24)
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)
    right, up, _ = view @ [0, 0, 1]
    assert right == pytest.approx(0) and up > 0
    np.testing.assert_allclose(scene.projection(0, 0) @ [1, 2, 3], [2, 3, 1], atol=1e-12)
