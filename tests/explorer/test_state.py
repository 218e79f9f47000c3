"""The explorer's one state, however it is set: by controls, by the page's address and by a kernel."""

import numpy as np
import pytest
from explorer_page import DECODED, LATENT_SPACE, Reader

from vaelib.explorer import Explorer

pytestmark = pytest.mark.browser


def test_colours_runs_and_epochs(reader: Reader) -> None:
    page = reader.open()
    pictures = {reader.pixels(LATENT_SPACE)}
    for color in ("b", "error", "a"):
        page.get_by_label("colour").select_option(color)
        assert reader.state()["color"] == color
        pictures.add(reader.pixels(LATENT_SPACE))
        # The hardest fiftieth of the images share the last colour, so the scale is open at that end.
        assert ("≥" in page.locator(".vx-latents .vx-title").inner_text()) == (color == "error")
    assert len(pictures) == 3
    decoded = {reader.pixels(DECODED)}
    for run in ("modified", "punctured"):
        page.get_by_label("run", exact=True).select_option(run)
        assert reader.state()["run"] == run
        decoded.add(reader.pixels(DECODED))
    for epoch in ("0", "1"):
        page.get_by_label("epoch").fill(epoch)
        assert reader.state()["epoch"] == epoch
        decoded.add(reader.pixels(DECODED))
    assert len(decoded) == 5


def test_sliders_leave_the_sheet_and_a_button_returns(reader: Reader) -> None:
    page = reader.open()
    on_sheet, back = reader.pixels(DECODED), page.get_by_label("back to the sheet")
    assert back.is_disabled()
    for axis in "₁₂₃":
        before = reader.pixels(DECODED)
        slider = page.get_by_label(f"latent μ{axis}")
        slider.evaluate("s => { s.value = s.max; s.dispatchEvent(new Event('input')); }")
        reader.settle()
        assert reader.pixels(DECODED) != before
    state = reader.state()
    assert "mu" in state and state["at"] == [1.25, 1.0]
    assert "off the sheet" in page.locator(".vx-state").inner_text()
    page.reload()
    reader.settle()
    assert reader.state() == state, "the address has it all"
    back.click()
    assert "mu" not in reader.state()
    assert reader.pixels(DECODED) == on_sheet


def test_a_link_shows_the_same_and_a_wrong_one_does_no_harm(reader: Reader) -> None:
    fragment = "#explorer?run=punctured&epoch=1&at=0.8,1.5&color=b&view=30,40"
    reader.page.goto(reader.address + fragment)  # wakes it without scrolling
    reader.page.locator(".vx").wait_for()
    assert reader.page.locator(".vx").is_visible()
    state = reader.state()
    assert (state["run"], state["epoch"], state["at"], state["color"]) == ("punctured", "1", [0.8, 1.5], "b")
    assert state["view"] == [30, 40]
    decoded = reader.pixels(DECODED)
    reader.page.reload()
    assert reader.state() == state and reader.pixels(DECODED) == decoded
    wrong = "#explorer?run=constructor&epoch=999&at=x,1&mu=1,2&color=toString&view=1"
    reader.page.evaluate("hash => { location.hash = hash }", wrong)
    state = reader.state()
    assert (state["run"], state["epoch"], state["at"], state["color"]) == ("punctured", "2", [0.8, 1.5], "b")


def test_page_and_model_update_each_other(reader: Reader, widget: Explorer) -> None:
    """What a kernel would see and send, in the module that a notebook loads.

    The kernel works out for itself what follows from what it sent: the page sends nothing back.
    """
    page = reader.open()
    outcome = page.evaluate("""async () => {
        const { esm, state, buffers } = JSON.parse(document.querySelector('.living-widget script').textContent);
        const bytes = Uint8Array.from(atob(buffers.data), (c) => c.charCodeAt(0));
        const values = { ...state, linked: undefined, data: new DataView(bytes.buffer) };
        const listeners = {};
        const model = { get: (n) => values[n], set(n, v) { values[n] = v; listeners[`change:${n}`]?.(); },
            save_changes() {}, on(n, f) { listeners[n] = f; }, off(n) { delete listeners[n]; } };
        const { default: module } = await import(URL.createObjectURL(new Blob([esm], { type: 'text/javascript' })));
        const place = document.body.appendChild(document.createElement('div'));
        const end = module.render({ model, el: place });
        const address = location.href;
        const wait = () => new Promise((done) => setTimeout(done, 700));
        const text = () => place.querySelector('.vx-state').textContent;
        const begun = values.mu;
        model.set('parameters', [0.7, 0.9]);
        await wait();
        const [followed, echoed] = [text(), values.mu !== begun];
        model.set('mu', [1, 2, 3]);
        await wait();
        const off = text();
        place.querySelector('.vx-parameters > canvas').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        await wait();
        const { parameters, mu } = values;
        model.set('transect', 'P1');
        await wait();
        const walking = values.parameters;
        model.set('transect', '');
        await wait();
        end();
        return { followed, echoed, off, parameters, mu, walking, stopped: values.parameters,
            same: address === location.href, left: Object.keys(listeners).length };
    }""")
    assert "μ = ({:.2f}, {:.2f}, {:.2f});".format(*widget.means((0.7, 0.9))) in outcome["followed"]
    assert not outcome["echoed"]
    assert "μ = (1.00, 2.00, 3.00), off the sheet" in outcome["off"]
    np.testing.assert_allclose(outcome["parameters"], [0.72, 0.9])
    np.testing.assert_allclose(outcome["mu"], widget.means(outcome["parameters"]), atol=1e-6)
    assert outcome["walking"][0] == 1.25 and 0 < outcome["walking"][1] < 2
    assert outcome["stopped"] == outcome["walking"]
    assert outcome["same"], "a notebook's address is left alone"
    assert outcome["left"] == 0
