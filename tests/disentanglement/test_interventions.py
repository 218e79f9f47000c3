"""The voting scores with encoders that know the factors of the images they are given."""

from collections.abc import Callable

import numpy as np
import pytest
from known_codes import TURN

from vaelib import Experiment, dataset
from vaelib.disentanglement import interventions
from vaelib.disentanglement.interventions import beta_vae_score, factor_vae_score
from vaelib.statistics import Score

pytestmark = pytest.mark.filterwarnings("error")

SETTINGS = Experiment.from_profile("smoke").data
BOTH = pytest.mark.parametrize("score", [beta_vae_score, factor_vae_score])
FEW = {"votes": 40, "batch": 4}


class Known:
    """Replaces both drawing and encoder: the "images" are the factors, and the codes a function of them."""

    def __init__(self, function: Callable[[np.ndarray], np.ndarray] = lambda square: square) -> None:
        self.function = function
        self.seen: list[np.ndarray] = []

    def draw(self, parameters: np.ndarray, settings: object) -> np.ndarray:
        self.seen.append(parameters)
        return parameters

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.function((images - [1.25, 1.0]) / [0.75, 1.0])


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Known]:
    def make(*function: Callable[[np.ndarray], np.ndarray]) -> Known:
        made = Known(*function)
        monkeypatch.setattr(interventions, "_draw", made.draw)
        return made

    return make


@BOTH
def test_codes_that_are_the_factors_of_real_images_score_one(score, monkeypatch) -> None:
    """The encoder looks images up by their pixels, so these were drawn at the settings' size and reached it."""
    table: dict[bytes, np.ndarray] = {}
    draw = interventions._draw

    def drawn(parameters: np.ndarray, settings: object) -> np.ndarray:
        images = draw(parameters, settings)  # type: ignore[arg-type]
        table.update((image.tobytes(), point) for image, point in zip(images, parameters, strict=True))
        return images

    def encode(images: np.ndarray) -> np.ndarray:
        assert images.shape[1:] == (32, 32) and images.dtype == np.uint8
        return np.array([table[image.tobytes()] for image in images])

    monkeypatch.setattr(interventions, "_draw", drawn)
    assert score(encode, SETTINGS, votes=10, batch=3).value == pytest.approx(1, abs=0.11)


@BOTH
def test_factors_in_any_order_sign_and_scale_with_a_dead_unit_score_one(score, known) -> None:
    encode = known(lambda square: np.column_stack([np.full(len(square), 2.0), -7 * square[:, 1], square[:, 0]]))
    assert score(encode, SETTINGS) == Score(1.0, 0.5)
    # A unit of tiny noise is dead too. Were it not left out, it would vote.
    noise = np.random.default_rng(0)
    encode = known(lambda square: np.column_stack([square, 1e-3 * noise.normal(size=len(square))]))
    assert score(encode, SETTINGS).value == 1


@BOTH
def test_codes_that_know_nothing_or_are_turned_by_45_degrees_score_chance(score, known) -> None:
    """Within four standard errors of 200 votes (0.14)."""
    noise = np.random.default_rng(0)
    nothing = known(lambda square: noise.normal(size=(len(square), 3)))
    assert score(nothing, SETTINGS).value == pytest.approx(0.5, abs=0.14)
    turned = known(lambda square: square @ TURN.T)
    assert score(turned, SETTINGS).value == pytest.approx(0.5, abs=0.14)


@BOTH
def test_without_an_active_unit_the_score_is_zero(score, known) -> None:
    assert score(known(lambda square: 0 * square), SETTINGS, **FEW) == Score(0.0, 0.5)
    assert score(known(lambda square: 0.01 * square), SETTINGS, **FEW) == Score(0.0, 0.5)
    assert score(known(lambda square: 0.01 * square), SETTINGS, **FEW, threshold=0).value == 1


@BOTH
def test_one_factor_of_each_group_is_fixed_exactly_and_all_lie_in_range(score, known) -> None:
    encode = known()
    score(encode, SETTINGS, **FEW)
    points = np.concatenate(encode.seen)
    assert (points >= [0.5, 0]).all() and (points <= [2, 2]).all()
    groups = points[1000:]
    pairs = score is beta_vae_score
    assert len(groups) == (4 if pairs else 2) * 40 * 4
    groups = groups.reshape(80, 4, 2, 2) if pairs else groups.reshape(80, 1, 4, 2)
    same = (groups == groups[:, :, :1]).all(axis=2)  # (votes, pairs or 1, factors)
    assert (same.sum(axis=-1) == 1).all() and (same == same[:, :1]).all()
    assert same[:40, 0, 0].sum() == same[40:, 0, 0].sum() == 20  # each factor as often as the other


@BOTH
def test_the_seed_decides_everything_that_is_drawn(score, known) -> None:
    drawn = []
    for seed in (0, 0, 1):
        encode = known()
        score(encode, SETTINGS, **FEW, seed=seed)
        drawn.append(np.concatenate(encode.seen))
    first, again, other = drawn
    assert (first == again).all() and (first != other).any()


@BOTH
def test_bad_settings_and_codes_are_named(score, known) -> None:
    with pytest.raises(ValueError, match=r"votes = 9, batch = 16; allowed: votes from 10"):
        score(known(), SETTINGS, votes=9)
    with pytest.raises(ValueError, match=r"batch = 0; allowed: .* a batch from [12]"):
        score(known(), SETTINGS, batch=0)
    with pytest.raises(ValueError, match=r"encode returned codes of shape \(512,\) for 512 images; allowed: \(n, d\)"):
        score(known(lambda square: square[:, 0]), SETTINGS, **FEW)
    with pytest.raises(ValueError, match=r"codes\[0, 0\] = nan"):
        score(known(lambda square: square * np.nan), SETTINGS, **FEW)


@pytest.mark.parametrize("size", [32, 96])
def test_images_asked_for_again_are_drawn_once_and_large_ones_are_not_kept(size: int) -> None:
    settings = Experiment.from_profile("smoke", image_size=size).data
    points = np.random.default_rng(size).uniform([0.5, 0], [2, 2], size=(3, 2))
    images, again = (interventions._draw(points, settings) for _ in range(2))
    np.testing.assert_array_equal(images, dataset.draw(points, settings))
    assert not images.flags.writeable
    assert (images is again) == (size <= 64)
    wider = settings.model_copy(update={"line_width": 3 * settings.line_width})
    np.testing.assert_array_equal(interventions._draw(points, wider), dataset.draw(points, wider))
