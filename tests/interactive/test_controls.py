"""Live controls: the picture follows the sliders, the line says what it shows, and reset goes back."""

import io
import threading
import time

import ipywidgets
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vaelib import Experiment, analysis, figures
from vaelib.interactive import controls


@pytest.fixture(scope="module")
def smoke():
    return Experiment.from_profile("smoke")


def pixels(control):
    return np.asarray(Image.open(io.BytesIO(control.picture.value)).convert("L"), dtype=int)


def test_curve_follows_the_sliders(smoke):
    control = controls.curve_explorer(smoke)
    before = pixels(control)
    control.sliders["b"].value = 0.0
    after = pixels(control)
    half = before.shape[1] // 2
    assert (before[:, :half] != after[:, :half]).any()  # the image
    assert (before[:, half:] != after[:, half:]).any()  # its place
    # Its picture is that of a control that began there: nothing of the earlier picture stays.
    fresh = controls.curve_explorer(smoke.replace(hole_b=0.0))
    np.testing.assert_array_equal(after[:, :half], pixels(fresh)[:, :half])


def test_curve_control_begins_in_the_hole_and_says_so(smoke):
    control = controls.curve_explorer(smoke)
    assert (control.sliders["a"].value, control.sliders["b"].value) == (1.25, 1.0)
    assert "in the hole" in control.line.value
    control.sliders["b"].value = 2.0
    assert "in the hole" not in control.line.value
    assert "-0.75 to 3.25" in control.line.value
    assert f"{analysis.dataset.negative_share(1.25, 2):.0%}" in control.line.value


def test_sliders_cover_the_parameter_space(smoke):
    sliders = controls.curve_explorer(smoke).sliders
    assert {name: (slider.min, slider.max) for name, slider in sliders.items()} == {"a": (0.5, 2), "b": (0, 2)}


def test_reset_puts_sliders_and_picture_back_in_one_step(smoke):
    control = controls.curve_explorer(smoke)
    before, line = control.picture.value, control.line.value
    control.sliders["a"].value, control.sliders["b"].value = 0.7, 1.9
    assert control.picture.value != before
    pictures = []
    control.picture.observe(pictures.append, "value")
    control.reset.click()
    assert (control.sliders["a"].value, control.sliders["b"].value) == (1.25, 1.0)
    assert (control.picture.value, control.line.value) == (before, line)
    assert len(pictures) == 1


def test_threads_of_a_kernel_draw_one_after_the_other():
    """In JupyterLab a kernel answers sliders in its main thread or in a subshell's, and a reset in the main one."""
    shown, values = [], {name: ipywidgets.FloatSlider(value=0, min=0, max=100) for name in ("one", "other")}

    def update(**chosen):
        shown.append(("begun", chosen))
        time.sleep(0.02)
        shown.append(("ended", chosen))
        return str(chosen)

    control = controls.Control(Figure(), values, update)
    moves = [threading.Thread(target=setattr, args=(values[name], "value", 10.0 + i)) for i, name in enumerate(values)]
    resets = [threading.Thread(target=control.reset.click) for _ in range(2)]
    threads = [moves[0], resets[0], moves[1], resets[1]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [before[0] for before in shown] == ["begun", "ended"] * (len(shown) // 2)
    assert all(begun[1] == ended[1] for begun, ended in zip(shown[::2], shown[1::2], strict=True))
    # The line describes where the sliders have come to rest, whichever thread was last.
    assert control.line.value == str({name: slider.value for name, slider in values.items()})


def test_beta_and_gamma_change_the_surface_and_its_mixing_weights(smoke):
    trained, _ = controls.loss_surfaces(smoke).children
    assert "γ = 0: mixing weights 1.00 and 0.00" in trained.line.value
    before = trained.picture.value
    trained.sliders["gamma"].value = 1e-3
    assert "mixing weights 0.50 and 0.50" in trained.line.value
    assert trained.picture.value != before
    trained.sliders["beta"].value = 1e-4
    assert "mixing weights 0.09 and 0.91" in trained.line.value


def test_mixing_weights_change_the_other_surface_alone(smoke):
    trained, mixed = controls.loss_surfaces(smoke).children
    assert "dented" in mixed.line.value
    before = trained.picture.value, mixed.picture.value
    mixed.sliders["squares"].value = 0.5
    assert "convex" in mixed.line.value
    assert trained.picture.value == before[0]
    assert mixed.picture.value != before[1]


def test_weights_of_nothing_still_draw(smoke):
    _, mixed = controls.loss_surfaces(smoke).children
    mixed.sliders["squares"].value = mixed.sliders["product"].value = 0.0
    assert "0.00 of the squares and 0.00 of the product" in mixed.line.value


@pytest.mark.parametrize("beta", [0.0, 1e-7, 1e-3, 30.0])
def test_a_logarithmic_slider_holds_any_weight(smoke, beta):
    trained, _ = controls.loss_surfaces(smoke.replace(beta=beta)).children
    assert trained.line.value.startswith(f"β = {beta:.2g}, γ = 0:")
    trained.sliders["beta"].value = 10 ** trained.sliders["beta"].min
    assert trained.line.value.startswith("β = 0, γ = 0:")


def test_no_output_widget_collects_pictures(smoke):
    def parts(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from parts(child)

    for control in (controls.curve_explorer(smoke), controls.loss_surfaces(smoke)):
        assert not [part for part in parts(control) if isinstance(part, ipywidgets.Output)]


@pytest.mark.parametrize("make", [controls.curve_explorer, controls.loss_surfaces])
def test_a_page_without_a_kernel_gets_a_figure(make, smoke, monkeypatch):
    monkeypatch.setenv("VAELIB_STATIC", "1")
    assert isinstance(make(smoke), Figure)


def test_the_static_figure_is_the_curve_at_the_holes_centre(smoke, monkeypatch):
    monkeypatch.setenv("VAELIB_STATIC", "1")
    left, right = controls.curve_explorer(smoke).axes
    np.testing.assert_array_equal(left.images[0].get_array(), figures.dataset.draw(smoke, 1.25, 1.0))
    assert right.lines[0].get_xydata().tolist() == [[1.25, 1.0]]
