"""The explorer's views of the two spaces: their points, the moving sheet, and the trail."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from explorer_page import DECODED, DIFFERENCE, LATENT_SPACE, PARAMETERS, TRUE, Reader, write_page

from vaelib import dataset
from vaelib.explorer import explorer
from vaelib.run import Run

pytestmark = pytest.mark.browser


def test_all_training_points_are_in_the_parameter_space(
    reading: Callable[..., Reader], runs: dict[str, Run], tmp_path: Path
) -> None:
    """Those that the latent space leaves out are faint dots."""
    data = dataset.build(runs["standard"].experiment.data)
    reader = reading(write_page(explorer({"standard": runs["standard"]}, n_points=10), tmp_path))
    page = reader.open()
    points = data.parameters[data.train][10:]
    points = points[np.hypot(*(points - [1.25, 1.0]).T) > 0.1]  # the current point's mark hides what is below it
    box = page.locator(PARAMETERS).bounding_box()
    corner, *places = [
        [x - box["x"], y - box["y"]] for x, y in (reader.place(a, b) for a, b in [(0.51, 0.01), *points])
    ]
    for choice in ("a", "error"):
        page.get_by_label("colour").select_option(choice)
        reader.settle()
        background, *colors = page.eval_on_selector(
            PARAMETERS,
            """(c, places) => {
                const copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
                copy.drawImage(c, 0, 0);
                const { data } = copy.getImageData(0, 0, c.width, c.height);
                const at = ([x, y]) => 4 * (Math.floor(y) * c.width + Math.floor(x));
                return places.map((place) => [...data.slice(at(place), at(place) + 3)].join());
            }""",
            [corner, *places],
        )
        assert sum(color != background for color in colors) > 0.95 * len(points)


# How many pictures a canvas shows, from the one before the epoch is set to 0 until none has changed for half a second.
_UNFOLDING = """async (selector) => {
    const [canvas, slider] = [document.querySelector(selector), document.querySelector('[aria-label=epoch]')];
    const pictures = new Set([canvas.toDataURL()]);
    slider.value = 0;
    slider.dispatchEvent(new Event('input'));
    for (let [moved, count] = [performance.now(), 1]; performance.now() - moved < 500; ) {
        await new Promise(requestAnimationFrame);
        pictures.add(canvas.toDataURL());
        if (pictures.size > count) [moved, count] = [performance.now(), pictures.size];
    }
    return pictures.size;
}"""


@pytest.mark.parametrize(("motion", "fewest", "most"), [("no-preference", 8, 1000), ("reduce", 2, 2)])
def test_the_sheet_moves_to_another_epoch_or_jumps_there_with_reduced_motion(
    reading: Callable[..., Reader], motion: str, fewest: int, most: int
) -> None:
    reader = reading(reduced_motion=motion)
    page = reader.open()
    assert fewest <= page.evaluate(_UNFOLDING, LATENT_SPACE) <= most
    assert reader.state()["epoch"] == "0"


# Where two pictures of a canvas differ: the number of pixels, and the rectangle around them.
_CHANGED_AREA = """async (pictures) => {
    const [first, second] = await Promise.all(pictures.map(async (address) => {
        const image = await createImageBitmap(await (await fetch(address)).blob());
        const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
        pen.drawImage(image, 0, 0);
        return pen.getImageData(0, 0, image.width, image.height);
    }));
    let [count, left, top, right, bottom] = [0, Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < first.data.length; i += 4) {
        if ([0, 1, 2, 3].every((k) => first.data[i + k] === second.data[i + k])) continue;
        const [x, y] = [i / 4 % first.width, Math.floor(i / 4 / first.width)];
        count++;
        [left, top] = [Math.min(left, x), Math.min(top, y)];
        [right, bottom] = [Math.max(right, x), Math.max(bottom, y)];
    }
    return { count, left, top, right, bottom };
}"""


def test_the_point_leaves_a_trail_in_both_spaces_until_the_epoch_changes(reader: Reader) -> None:
    page = reader.open()
    canvases = PARAMETERS, LATENT_SPACE, TRUE, DECODED, DIFFERENCE
    fresh = {canvas: reader.pixels(canvas) for canvas in canvases}
    page.locator(PARAMETERS).focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
        for _ in range(7):
            page.keyboard.press(f"Shift+{key}")
    page.eval_on_selector(PARAMETERS, "canvas => canvas.blur()")
    assert reader.state()["at"] == [1.25, 1.0]
    after = {canvas: reader.pixels(canvas) for canvas in canvases}
    assert [canvas for canvas in canvases if after[canvas] != fresh[canvas]] == [PARAMETERS, LATENT_SPACE]
    area = page.evaluate(_CHANGED_AREA, [fresh[PARAMETERS], after[PARAMETERS]])
    box = page.locator(PARAMETERS).bounding_box()
    corners = reader.place(1.25, 1.0), reader.place(1.95, 1.7)
    (left, top), (right, bottom) = ([x - box["x"], y - box["y"]] for x, y in corners)
    # The line to the corner, two pixels wide, except for what the point's own mark covers.
    assert area["count"] > 1.5 * (right - left + bottom - top - 20)
    assert left <= area["left"] <= left + 12 and abs(area["right"] - right) < 3
    assert abs(area["top"] - top) < 3 and abs(area["bottom"] - bottom) < 3
    best = page.get_by_label("epoch").input_value()
    for epoch in ("0", best):
        page.get_by_label("epoch").fill(epoch)
        reader.settle()
    page.wait_for_timeout(600)  # the sheet comes back to where it was
    assert {canvas: reader.pixels(canvas) for canvas in canvases} == fresh
