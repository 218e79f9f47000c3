"""Films: what is in the file, that it is whole or not there, and where the points are seen."""

import re
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from vaelib import animation, store

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
    return SimpleNamespace(embeddings=track, epochs=EPOCHS, snapshots=(1,), reconstruct=reconstruct)


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
    with pytest.raises(store.StoreError, match=r"file"):
        animation.rotating_embedding(tmp_path / "file" / "film.mp4", mu, values)


def test_a_failing_encoder_leaves_the_earlier_film(
    tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "film.mp4").write_text("earlier")
    monkeypatch.setattr(animation, "_ENCODING", ["-no-such-option", "1"])
    with pytest.raises(store.StoreError, match="the encoder failed"):
        animation.rotating_embedding(tmp_path / "film.mp4", mu, values, frames=2, progress=False)
    assert (tmp_path / "film.mp4").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_only_three_latents_and_mp4_are_taken(tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="three latents"):
        animation.rotating_embedding(tmp_path / "film.mp4", mu[:, :2], values)
    with pytest.raises(ValueError, match=r"\.mp4"):
        animation.rotating_embedding(tmp_path / "film.gif", mu, values)


def test_the_projection_is_a_rotation_with_the_third_axis_upright() -> None:
    view = animation.projection(35, 24)
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)
    right, up, _ = view @ [0, 0, 1]
    assert right == pytest.approx(0) and up > 0
    np.testing.assert_allclose(animation.projection(0, 0) @ [1, 2, 3], [2, 3, 1], atol=1e-12)
