"""Every method has runs in the plan's sweep, and changes only settings that runs are picked by."""

import synthetic_sweep

from vaelib.experiment import Experiment
from vaelib.study import comparison
from vaelib.study.methods import BASE, LEARNED, METHODS, STANDARD, STUDY


def test_every_method_finds_its_runs_in_the_whole_sweep():
    rows = synthetic_sweep.table(2)
    assert all(len(comparison.settings_of(rows, method)) >= 2 for method in METHODS)
    assert all(len(setting.rows) == 2 for method in METHODS for setting in comparison.settings_of(rows, method))


def test_the_base_is_the_profile_of_the_sweep():
    experiment = Experiment.from_profile("sweep")
    assert {name: getattr(experiment, name) for name in BASE} == BASE


def test_a_method_changes_settings_of_the_base_to_what_an_experiment_allows():
    for method in METHODS:
        changed = {**(method.start or {}), **method.settings, method.strength: 0.1}
        assert set(changed) <= set(BASE)
        assert Experiment.from_profile("sweep", **changed).replace(**BASE) == Experiment.from_profile("sweep")
    assert len({method.name for method in (STANDARD, *METHODS)}) == 1 + len(METHODS)


def test_a_strength_has_its_letter():
    assert [method.symbol for method in (STUDY, LEARNED)] == ["γ", "β"]
