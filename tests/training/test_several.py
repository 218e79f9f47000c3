"""Several trainings side by side give the same runs as one after the other."""

import pytest
from tiny_run import TINY, same

from vaelib.errors import TrainingError
from vaelib.run import Run
from vaelib.system import processes
from vaelib.training import train_all, trainer


def test_several_at_once_are_the_same_runs_in_the_same_order(run, root):
    others = [TINY.replace(seed=seed, epochs=1) for seed in (1, 2)]
    first, again, second = train_all([others[0], TINY, others[1]], root, workers=2)
    assert [run.experiment.seed for run in (first, second)] == [1, 2] and first.complete and second.complete
    same(again, run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "ProcessPoolExecutor", None)  # finished ones are opened, not trained again
        patch.setattr(trainer, "_fit", None)
        assert [run.path for run in train_all(others, root)] == [first.path, second.path]


def test_a_failure_among_several_keeps_what_the_others_finished(root, tmp_path):
    wild = TINY.replace(learning_rate=10.0, optimizer="sgd", beta=1e3, schedule="constant", gamma=0.0)
    good = TINY.replace(seed=9, epochs=1)
    with pytest.raises(TrainingError, match="became"):
        train_all([good, wild], tmp_path, workers=2)
    assert Run(tmp_path / good.name).complete
