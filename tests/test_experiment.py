"""What an experiment promises: checked values, flat names, a stable identity."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaelib import Experiment, SettingError
from vaelib.experiment import PROFILES, DataSettings

_SEED = "whole numbers from 0 to 4294967295"
_STRENGTH = "numbers from 0 to 1000"

# For each setting values that are not allowed, and what is.
BAD = {
    "n_images": ((19, 1_000_001, "many", 20.5), "whole numbers from 20 to 1000000"),
    "region": (("ring",), "full, punctured, thinned"),
    "hole_a": ((0.4, 2.1), "numbers from 0.5 to 2"),
    "hole_b": ((2.1, -0.1), "numbers from 0 to 2"),
    "hole_radius": ((-0.1, 1.1), "numbers from 0 to 1"),
    "image_size": ((65, 20, 1032, "large"), "whole numbers from 32 to 1024, multiples of 8"),
    "line_width": ((0, 33), "numbers above 0, up to 32"),
    "transect_line_width": ((33, 0), "numbers above 0, up to 32"),
    "framing": (("round",), "square, study"),
    "sample_weights": (("yes",), "none, per_image, per_batch"),
    "data_seed": ((-1, 2**32), _SEED),
    "width": ((0, 5), "numbers above 0, up to 4"),
    "latent_dim": ((0, 65), "whole numbers from 1 to 64"),
    "variance": (("free",), "constant, learned"),
    "sigma": ((0, 11), "numbers above 0, up to 10"),
    "initial_rotation": (("left",), "none, rotation, signed_permutation"),
    "precision": (("float16",), "float32, bfloat16"),
    "beta": ((-1e-3, 1001), _STRENGTH),
    "kl_scaling": (("sum",), "mean, half_sum"),
    "penalty": (
        ("none",),
        "entanglement, covariance, covariance_squared, dip_vae_i, dip_vae_ii, total_correlation, capacity",
    ),
    "gamma": ((float("nan"), -1, 1001, "strong"), _STRENGTH),
    "capacity": ((-1, 1001), _STRENGTH),
    "capacity_growth": ((0, 1.1), "numbers above 0, up to 1"),
    "epochs": ((0, 10_001), "whole numbers from 1 to 10000"),
    "batch_size": ((0, 65_537, "many"), "whole numbers from 1 to 65536"),
    "optimizer": (("lion",), "adam, sgd"),
    "learning_rate": ((float("inf"), 0), "numbers above 0, up to 10"),
    "schedule": (("linear",), "constant, cosine"),
    "shuffle": (("sometimes",), "true and false"),
    "snapshots": ((3.5,), "lists of whole numbers, as in [1, 2]"),
    "seed": ((2**32, -1), _SEED),
    "devices": ((0, 1025), "whole numbers from 1 to 1024"),
}


def test_every_setting_has_a_bad_value_here():
    assert set(BAD) == set(Experiment.model_fields) - {"profile"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_an_error_that_names_the_setting_and_all_that_is_allowed(name):
    values, allowed = BAD[name]
    for value in values:
        with pytest.raises(SettingError) as caught:
            Experiment.from_profile("book", **{name: value})
        assert str(caught.value) == f"{name} = {value!r}; allowed: {allowed}"


def test_what_is_wrong_in_a_list_is_reported_once():
    message = r"^snapshots = '1,two,three'; allowed: lists of whole numbers, as in \[1, 2\]$"
    with pytest.raises(SettingError, match=message):
        Experiment.from_profile("book", snapshots="1,two,three")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gama": 1}, "unknown setting 'gama'. Did you mean 'gamma'"),
        ({"epochs": 3, "snapshots": (4,)}, "snapshots = .4.; allowed: epochs 0 to 3"),
        ({"latent_dim": 1, "gamma": 0.1}, "latent_dim = 1"),
        ({"batch_size": 1, "gamma": 0.1, "penalty": "covariance"}, "batch_size = 1"),
        ({"batch_size": 1, "gamma": 0.1, "penalty": "dip_vae_ii"}, "batch_size = 1: a batch's covariance needs 2"),
        ({"batch_size": 1, "gamma": 1, "penalty": "total_correlation"}, "batch_size = 1: a batch's total correlation"),
        ({"latent_dim": 1, "gamma": 0.1, "penalty": "dip_vae_i"}, "latent_dim = 1: a penalty on pairs"),
        ({"image_size": 32, "line_width": 9}, "line_width"),
        ({"batch_size": 32, "devices": 3}, "devices = 3; allowed: divisors of batch_size = 32"),
    ],
)
def test_settings_that_contradict_each_other_or_do_not_exist(settings, message):
    with pytest.raises(SettingError, match=message):
        Experiment.from_profile("book", **settings)


def test_an_unknown_profile_names_those_there_are():
    with pytest.raises(SettingError, match="profile = 'papper'; allowed: smoke, book, paper, sweep"):
        Experiment.from_profile("papper")


def test_numbers_may_arrive_as_text_and_none_means_the_profile():
    experiment = Experiment.from_profile("book", gamma="1e-2", seed="3", snapshots="0, 2", epochs=None)
    assert (experiment.gamma, experiment.seed, experiment.snapshots, experiment.epochs) == (0.01, 3, (0, 2), 4)


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("gamma", (0.0, -0.0, 0, "0", "-0.0", np.float32(-0.0), np.int64(0))),
        ("gamma", (0.1, "0.1", "1e-1", np.float32(0.1), np.float16(0.1), np.float64(0.1), np.longdouble("0.1"))),
        ("beta", (1.0, 1, "1", np.int8(1), np.array(1.0))),
        ("hole_b", (0.0, -0.0)),
        ("epochs", (6, 6.0, "6", "6.0", np.int32(6), np.float32(6), np.array(6))),
        ("shuffle", (True, 1, "true", np.bool_(True), np.int64(1))),
        ("penalty", ("covariance", np.str_("covariance"))),
        ("snapshots", ((0, 2, 4), [4, 0, 2, 2], "4,2, 0", np.array([2, 0, 4]), (np.int64(4), 2.0, "0"), {0, 2, 4})),
        ("snapshots", ((3,), 3, "3", np.int64(3), [3, 3])),
    ],
)
def test_equal_values_are_one_run_in_whatever_form_they_come(name, forms):
    made = [Experiment.from_profile("book", **{name: form}) for form in forms]
    made += [made[0].replace(**{name: form}) for form in forms]
    assert {experiment.to_json() for experiment in made} == {made[0].to_json()}
    assert {experiment.hash for experiment in made} == {made[0].hash}


@pytest.mark.parametrize("name", ["gamma", "epochs", "seed", "image_size", "snapshots", "region"])
def test_true_and_false_are_not_numbers(name):
    for value in (True, np.bool_(True)):
        with pytest.raises(SettingError, match=rf"^{name} = .*True.*; allowed: "):
            Experiment.from_profile("book", **{name: value})
    with pytest.raises(SettingError, match=r"^snapshots = \[0, True\]; allowed: lists of whole numbers"):
        Experiment.from_profile("book", snapshots=[0, True])


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, "1e999", [3]])
def test_epochs_that_are_not_a_count_are_named(value):
    with pytest.raises(SettingError, match=r"^epochs = .*; allowed: whole numbers from 1 to 10000$"):
        Experiment.from_profile("book", epochs=value)


def test_fewer_epochs_drop_the_profiles_later_snapshots_however_they_are_written():
    assert Experiment.from_profile("book", epochs="2.0").snapshots == (0, 1, 2)


def test_the_paper_profile_has_the_studys_values():
    paper = Experiment.from_profile("paper")
    assert (paper.image_size, paper.width, paper.latent_dim, paper.sigma) == (256, 1.0, 3, 0.1)
    assert (paper.optimizer, paper.learning_rate, paper.schedule) == ("adam", 1e-4, "constant")
    assert (paper.batch_size, paper.shuffle, paper.epochs, paper.precision) == (8, False, 30, "float32")
    assert (paper.beta, paper.gamma, paper.kl_scaling, paper.framing) == (1e-3, 1e-4, "mean", "study")
    punctured = Experiment.from_profile("paper", region="punctured")
    assert punctured.line_width == punctured.transect_line_width > paper.line_width
    assert Experiment.from_profile("paper", region="punctured", line_width=1).line_width == 1


# What the book's profile had before its batches were halved.
LONGER = {"epochs": 6, "batch_size": 32, "snapshots": tuple(range(7))}


def test_identity_is_the_settings_and_not_the_profiles_name():
    book = Experiment.from_profile("book")
    same = Experiment.from_profile("smoke", **{name: getattr(book, name) for name in PROFILES["smoke"]})
    assert same.hash == book.hash and same.profile != book.profile
    # Written out, so that no change of the code renames everybody's finished runs unnoticed.
    assert book.hash == "27a5ef9ea3934ad2"
    assert book.replace(**LONGER).hash == "8423b92e7c6980ae"


def test_settings_added_after_the_first_runs_count_only_where_they_are_changed():
    book = Experiment.from_profile("book")
    older = {k: v for k, v in json.loads(book.to_json()).items() if k not in ("capacity", "capacity_growth")}
    assert Experiment.from_json(json.dumps(older)) == book
    # The identity of an experiment before these settings existed, written out.
    assert book.replace(**LONGER, gamma=0.1, penalty="covariance").hash == "5af2995d3ee4cf06"
    assert len({book.hash, book.replace(capacity=10).hash, book.replace(capacity_growth=0.5).hash}) == 3


@pytest.mark.parametrize(
    ("profile", "square", "study_before"),
    [("smoke", "43eb9950abe7e682", "82cfeed49598a2f3"), ("paper", "37e91b2ef216b979", "eb7678bd44f63811")],
)
def test_the_framing_that_moved_the_curves_gave_new_identities_to_its_own_runs_alone(profile, square, study_before):
    assert Experiment.from_profile(profile, framing="square").hash == square
    study = Experiment.from_profile(profile, framing="study")
    assert study.hash not in (square, study_before) and study.hash in study.name
    assert Experiment.from_json(study.to_json()).hash == study.hash


def test_the_capacity_needs_no_pairs_of_latents():
    assert Experiment.from_profile("book", latent_dim=1, batch_size=1, gamma=0.1, penalty="capacity").gamma == 0.1


def test_the_number_of_devices_leaves_the_run_the_same():
    """A shared batch has the same statistics: like the backend, it is not part of what the run is."""
    book = Experiment.from_profile("book")
    assert book.devices == 1 and book.replace(devices=4).hash == book.hash


@given(st.sampled_from(sorted(set(BAD) - {"devices"})))
def test_every_setting_is_part_of_the_identity(name):
    book = Experiment.from_profile("book")
    other = {
        "region": "punctured", "framing": "study", "sample_weights": "per_batch", "variance": "learned",
        "initial_rotation": "rotation", "precision": "bfloat16", "kl_scaling": "half_sum",
        "penalty": "covariance", "optimizer": "sgd", "schedule": "constant", "shuffle": False, "snapshots": (1,),
        "image_size": 128, "latent_dim": 4,
    }.get(name)  # fmt: skip
    value = getattr(book, name)
    changed = book.replace(
        **{name: other if other is not None else value + 1 if isinstance(value, int) else value / 2 + 0.07}
    )
    assert changed.hash != book.hash


def test_json_goes_both_ways_and_rejects_the_rest():
    experiment = Experiment.from_profile("smoke", gamma=0.3, snapshots=(1,))
    assert Experiment.from_json(experiment.to_json()) == experiment
    for text in ("[1]", "{", json.dumps({"gamma": -1}), json.dumps({"gama": 1})):
        with pytest.raises(SettingError):
            Experiment.from_json(text)


def test_the_data_view_holds_the_data_settings_alone():
    view = Experiment.from_profile("smoke", gamma=0.1).data
    assert type(view) is DataSettings and view.n_images == 300 and not hasattr(view, "gamma")
    assert Experiment.from_profile("smoke", gamma=0.2).data == view


def test_fewer_epochs_drop_the_profiles_later_snapshots():
    assert Experiment.from_profile("book", epochs=2).snapshots == (0, 1, 2)
    assert Experiment.from_profile("book").replace(epochs=1).snapshots == (0, 1)


def test_an_experiment_cannot_be_changed():
    with pytest.raises(Exception, match="frozen"):
        Experiment.from_profile("book").gamma = 1  # type: ignore[misc]


def test_importing_the_library_loads_no_keras():
    code = (
        "import sys, vaelib, vaelib.losses, vaelib.curves\n"
        "print([name for name in sys.modules if name in ('keras', 'tensorflow')])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_a_lists_error_shows_a_form_that_is_then_accepted() -> None:
    message = "snapshots = 'one'; allowed: lists of whole numbers, as in [1, 2]"
    with pytest.raises(SettingError, match=f"^{re.escape(message)}$"):
        Experiment.from_profile("book", snapshots="one")
    with pytest.raises(SettingError, match=r"^snapshots = \['a', 'b'\]; allowed: lists of whole numbers, as in"):
        Experiment.from_profile("book", snapshots=["a", "b"])
    for value in ("[1, 2]", "1, 2", "1 2", [1, 2], ["1", "2"]):
        assert Experiment.from_profile("book", snapshots=value).snapshots == (1, 2)


def test_the_line_that_is_too_wide_is_named() -> None:
    with pytest.raises(SettingError, match=r"^transect_line_width = 9; allowed: at most a quarter of image_size = 32$"):
        Experiment.from_profile("smoke", transect_line_width=9)
