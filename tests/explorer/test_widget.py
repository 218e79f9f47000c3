"""The explorer moved from Python, without a page, and what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets
from explorer_page import PNG

from vaelib import Experiment, train
from vaelib.explorer import Explorer, explorer, packing, show
from vaelib.run import Run


def test_parameters_move_mu_and_mu_moves_nothing(widget: Explorer) -> None:
    changed: list[str] = []
    widget.observe(lambda change: changed.append(change["name"]), ["mu", "parameters"])
    widget.parameters = (0.8, 1.5)
    np.testing.assert_allclose(widget.mu, widget.means((0.8, 1.5)))
    assert changed == ["mu", "parameters"] or changed == ["parameters", "mu"]
    widget.mu = np.array([1, 2, 3])
    assert widget.mu == (1.0, 2.0, 3.0) and widget.parameters == (0.8, 1.5)


def test_another_run_or_epoch_moves_mu_unless_it_left_the_sheet(widget: Explorer) -> None:
    widget.epoch = 0
    np.testing.assert_allclose(widget.mu, widget.means((1.25, 1.0), "standard", 0))
    widget.run = "punctured"
    np.testing.assert_allclose(widget.mu, widget.means((1.25, 1.0), "punctured", 0))
    widget.mu = (5, 5, 5)
    widget.epoch = 1
    assert widget.mu == (5, 5, 5)
    widget.parameters = (1.0, 1.0)
    np.testing.assert_allclose(widget.mu, widget.means((1.0, 1.0), "punctured", 1))


def test_what_a_page_has_moved_is_not_sent_back(widget: Explorer) -> None:
    mu = [float(value) + 1e-9 for value in widget.means((0.7, 0.7))]  # equal but for rounding
    widget.set_state({"parameters": [0.7, 0.7], "mu": mu})
    assert list(widget.mu) == mu and widget.parameters == (0.7, 0.7)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("parameters", (3, 1), "a = 3; allowed: 0.5 to 2"),
        ("parameters", (1, -1), "b = -1; allowed: 0 to 2"),
        ("parameters", (1, 1, 1), "parameters = .*; allowed: 2 finite numbers"),
        ("mu", (0, float("nan"), 0), "mu = .*; allowed: 3 finite numbers"),
        ("mu", "far", "mu = 'far'; allowed: 3 finite numbers"),
        ("run", "other", "run = 'other'; allowed: standard, modified, punctured"),
        ("epoch", 3, "epoch = 3; allowed: 0 to 2"),
        ("color", "c", "c"),
        ("transect", "P4", "P4"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(widget: Explorer, name: str, value: Any, message: str) -> None:
    before = getattr(widget, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_runs_that_cannot_be_shown_together_are_named(runs: dict[str, Run], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="runs is empty; allowed: one run or more"):
        explorer({})
    with pytest.raises(ValueError, match="shown = 'other'; allowed: standard"):
        explorer(runs, shown="other")
    smoke = Experiment.from_profile("smoke", n_images=40, epochs=1)
    flat = train(smoke.replace(latent_dim=2), tmp_path, progress=False)
    with pytest.raises(ValueError, match="latent_dim = 2 in 'flat'; allowed: 3"):
        explorer({"flat": flat})
    large = train(smoke.replace(image_size=40), tmp_path, progress=False)
    with pytest.raises(ValueError, match="image_size = 40 in 'large' and 32 in 'standard'; allowed: one value"):
        explorer({"standard": runs["standard"], "large": large})


def test_more_points_than_a_page_can_move_are_refused(runs: dict[str, Run]) -> None:
    for n_points in (0, 1501):
        with pytest.raises(ValueError, match=f"^n_points = {n_points}; allowed: 1 to 1,500$"):
            explorer(runs, n_points=n_points)
    info, _ = packing.pack({"one": runs["standard"]}, n_points=1500)
    assert info["runs"][0]["points"]["shape"] == [runs["standard"].embeddings.shape[1], 2]


def test_live_it_is_the_widget_and_in_a_page_its_html(widget: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
    assert show(widget, PNG, "words") is widget
    monkeypatch.setenv("VAELIB_STATIC", "1")
    text = show(widget, PNG, 'a "hole"').data
    assert 'alt="a &quot;hole&quot;"' in text
    (state,) = re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL)
    assert "<" not in state
    assert json.loads(state)["state"]["parameters"] == [1.25, 1.0]
