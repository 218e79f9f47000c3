"""The explorer's images, drawn and decoded in the page, and the line that describes them."""

import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer_page import DECODED, Reader, write_page
from visitor import PLAIN, PLAIN_MS

from vaelib import curves
from vaelib.experiment import PARAMETER_RANGE
from vaelib.explorer import Explorer, packing
from vaelib.run import Run

pytestmark = pytest.mark.browser


def test_the_line_waits_for_the_first_image(reader: Reader) -> None:
    page = reader.page
    page.add_init_script(
        """{ const post = Worker.prototype.postMessage;
        Worker.prototype.postMessage = function (message) { setTimeout(() => post.call(this, message), 1500); }; }"""
    )
    page.goto(reader.address)
    page.locator(".living-widget").scroll_into_view_if_needed()
    page.locator(".vx").wait_for()
    page.wait_for_timeout(1000)  # it is written half a second after the first drawing
    assert page.locator(".vx-state").text_content() == ""
    page.wait_for_function("() => document.querySelector('.vx-state').textContent")
    assert re.search(r"error [\d.]+ %", page.locator(".vx-state").inner_text())


def test_where_no_decoder_is_kept_the_page_says_whose_decoder_and_latents_it_shows(
    reading: Callable[..., Reader], runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "_MOST_DECODERS", 2)
    info, data = packing.pack({"one": runs["standard"]}, n_points=10)
    epochs = sorted(map(int, info["runs"][0]["decoders"]))
    (left_out,) = set(range(3)) - set(epochs)
    before = max(epoch for epoch in epochs if epoch < left_out)
    widget = Explorer(info, data, run="one", parameters=(1.25, 1.0))
    reader = reading(write_page(widget, tmp_path))
    page = reader.open(f"#explorer?epoch={left_out}")
    reader.settle()
    note, line = page.locator(".vx-bottom > div:nth-child(2) .vx-note"), page.locator(".vx-state")
    weights = packing.kept_decoder(info, data, "one", before)

    def decoded_is_of(mu: Any) -> None:
        expected = 255 * packing.decode(weights, info["decoder"], [mu])[0]
        drawn = page.eval_on_selector(
            DECODED,
            """c => {
                const copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
                copy.drawImage(c, 0, 0);
                return [...copy.getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0);
            }""",
        )
        assert np.abs(np.reshape(drawn, expected.shape) - expected).max() < 1.5

    own = widget.means((1.25, 1.0), epoch=left_out)
    assert np.abs(own - widget.means((1.25, 1.0), epoch=before)).max() > 0.02, "the two would look alike"
    assert re.fullmatch(rf"epoch {before}'s decoder and μ, \d+ ms in this page", note.inner_text())
    assert "μ = ({:.2f}, {:.2f}, {:.2f}); error".format(*own) in line.inner_text()
    assert line.inner_text().endswith(f"of the curve's variance with epoch {before}'s decoder and μ.")
    decoded_is_of(widget.means((1.25, 1.0), epoch=before))
    # A slider moves one of the latents that are shown, and what they are set to is decoded.
    slider = page.get_by_label("latent μ₂")
    slider.evaluate("s => { s.value = s.max; s.dispatchEvent(new Event('input')); }")
    state = reader.state()
    assert state["mu"][0::2] == pytest.approx(own[0::2].tolist(), abs=1e-3)
    assert re.fullmatch(rf"epoch {before}'s decoder, \d+ ms in this page", note.inner_text())
    assert line.inner_text().endswith(f"of the curve's variance with epoch {before}'s decoder.")
    decoded_is_of([own[0], float(slider.input_value()), own[2]])
    page.get_by_label("epoch").fill(str(before))
    reader.settle()
    assert re.fullmatch(r"\d+ ms in this page", note.inner_text())
    assert line.inner_text().endswith("of the curve's variance.")


def test_of_many_requests_only_the_latest_is_decoded(reader: Reader) -> None:
    page = reader.open()
    answers = page.evaluate("""async () => {
        const [root, canvas] = [document.querySelector('.vx'), document.querySelector('.vx-parameters > canvas')];
        let answers = 0;
        const watch = new MutationObserver(() => answers++);
        watch.observe(root, {attributeFilter: ['data-milliseconds']});
        for (let i = 0; i < 30; i++) canvas.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        await new Promise((done) => setTimeout(done, 1500));
        return answers;
    }""")
    assert 1 <= answers <= 3
    assert len(page.workers) == 1
    assert reader.state()["at"] == pytest.approx([1.85, 1.0], abs=1e-3)
    fresh = reader.pixels(DECODED)
    page.reload()
    reader.settle()
    assert reader.pixels(DECODED) == fresh


_DECODE = """async ([address, halves, shape, latents]) => {
    const { unpackWeights, decode } = await import(address);
    const decoder = unpackWeights(Uint16Array.from(halves), shape);
    PLAIN
    const images = [], times = [], references = [];
    for (const mu of latents) {
        const start = performance.now();
        const image = decode(decoder, mu);
        const middle = performance.now();
        plain();
        references.push(performance.now() - middle);
        times.push(middle - start);
        images.push([...image]);
    }
    return { images, times, references };
}""".replace("PLAIN", PLAIN)


def test_the_page_decodes_as_keras_does_and_in_time(
    reader: Reader, wild_run: Run, halves: np.ndarray, latents: np.ndarray
) -> None:
    """100 random latents at the book's shapes: at most 3e-3 apart, and a median of 16 ms on an idle machine."""
    page = reader.open()
    address, bits = reader.script_address("decoder.mjs"), halves.view(np.uint16).ravel().tolist()
    decoded = page.evaluate(_DECODE, [address, bits, packing.decoder_shape(wild_run), latents.tolist()])
    images = np.array(decoded["images"]).reshape(-1, 64, 64)
    expected = wild_run.decode(latents)
    assert expected.min() < 0.05 and expected.max() > 0.95
    worst = np.abs(images - expected).max()
    took, plain = (statistics.median(decoded[name]) for name in ("times", "references"))
    idle = PLAIN_MS * statistics.median(np.divide(decoded["times"], decoded["references"]))
    print(f"\ndecoder: {took:.1f} ms, plain loop {plain:.1f} ms; idle {idle:.1f} ms; worst difference {worst:.1e}")
    assert worst <= 3e-3
    assert idle <= 16


@pytest.mark.parametrize(("size", "width", "framing"), [(32, 1.2, "square"), (64, 1.6, "square"), (64, 1.4, "study")])
def test_the_page_draws_the_curves_that_python_draws(reader: Reader, size: int, width: float, framing: Any) -> None:
    page = reader.open()
    ends = np.array(list(PARAMETER_RANGE.values())).T
    points = np.vstack([np.random.default_rng(4).uniform(*ends, (20, 2)), [[1, 0], [0.5, 2], [2, 2]]])
    drawn = page.evaluate(
        """async ([address, points, width, shape]) => {
            const { rasterise } = await import(address);
            return points.map(([a, b]) => [...rasterise(a, b, width, shape)]);
        }""",
        [reader.script_address("curve.mjs"), points.tolist(), width, {"image_size": size, "framing": framing}],
    )
    expected = curves.render(points[:, 0], points[:, 1], image_size=size, line_width=width, framing=framing)
    difference = np.abs(np.array(drawn).reshape(expected.shape) - expected.astype(int))
    print(f"\ngrey levels apart: {difference.mean():.2f} on average, {difference.max()} at most")
    assert difference.mean() < 0.5 and difference.max() <= 6
