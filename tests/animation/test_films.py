"""Films of the embedding: what they show, and where the points appear."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ffmpeg_report import stream
from PIL import Image

from vaelib import animation
from vaelib.animation import encoder

EPOCHS = 2


@pytest.fixture
def run(mu: np.ndarray) -> Any:
    """A stand-in for a finished run: what a film asks of one."""

    def reconstruct(images: np.ndarray, epoch: int) -> np.ndarray:
        return np.full(images.shape, epoch / EPOCHS, np.float32)

    track = np.stack([mu * epoch / EPOCHS for epoch in range(EPOCHS + 1)])
    return SimpleNamespace(embeddings=track, epochs=EPOCHS, kept_epochs=[1, 2], reconstruct=reconstruct)


@pytest.fixture
def data(values: dict[str, np.ndarray]) -> Any:
    n = len(values["a"])
    return SimpleNamespace(
        parameters=np.vstack([np.column_stack(list(values.values())), [[1, 1]] * 3]),
        images=np.full((n + 3, 32, 32), 255, np.uint8),
        train=np.arange(n),
        validation=np.arange(n, n + 3),
    )


def test_a_training_film_shows_the_last_epochs_reconstruction_at_the_end(tmp_path: Path, run: Any, data: Any) -> None:
    film = animation.training_film(tmp_path / "t.mp4", run, data, frames=3, fps=4, n_images=2, progress=False)
    assert stream(film)[3] == 3 + 4  # the last picture stays for a second
    with Image.open(film.with_suffix(".png")) as poster:
        # Originals are white, and so is what the last epoch makes of them, to the picture's right edge.
        right = np.asarray(poster.convert("L"))[150:300, -20:-8]
    assert right.min() == 255


def test_a_training_film_refuses_other_data(tmp_path: Path, run: Any, data: Any) -> None:
    n = len(data.train)
    data.train = data.train[:-1]
    with pytest.raises(ValueError, match=f"embeds {n} images and the data trains on {n - 1}"):
        animation.training_film(tmp_path / "t.mp4", run, data, progress=False)


def test_sheets_in_step_take_runs_of_the_same_images(tmp_path: Path, run: Any, values: dict[str, np.ndarray]) -> None:
    film = animation.sheets_in_step(
        tmp_path / "s.mp4", [run, run], ["x", "y"], values["a"], frames=2, fps=1, progress=False
    )
    assert stream(film)[3] == 3
    with pytest.raises(ValueError, match="not one label for each"):
        animation.sheets_in_step(tmp_path / "s.mp4", [run], ["x", "y"], values["a"])


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


def test_only_three_latents_and_mp4_are_taken(tmp_path: Path, mu: np.ndarray, values: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="three latents"):
        animation.rotating_embedding(tmp_path / "film.mp4", mu[:, :2], values)
    with pytest.raises(ValueError, match=r"\.mp4"):
        animation.rotating_embedding(tmp_path / "film.gif", mu, values)
