"""A model that an earlier training of this process left gives the numbers that a new one would."""

import numpy as np
import pytest
from interrupting import interrupted

from vaelib import Experiment, train
from vaelib.model import VAE
from vaelib.training import traces

TINY = Experiment.from_profile("smoke", n_images=70, width=0.06, epochs=2, snapshots=(0, 1, 2), gamma=0.01)


@pytest.fixture
def traced(monkeypatch):
    """The experiments whose training step is traced, one entry for each time."""
    seen, own = [], VAE.train_step

    def train_step(self, data):
        seen.append(self.experiment)
        return own(self, data)

    monkeypatch.setattr(VAE, "train_step", train_step)
    return seen


def numbers(run):
    """Return every array that a training made, by name."""
    weights = {f"{epoch} {i}": np.array(w) for epoch in run.kept_epochs for i, w in enumerate(run.model(epoch).weights)}
    return {**run.history, **weights, "embeddings": run.embeddings}


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 3, "gamma": 0.3, "beta": 0.01},
        {"precision": "bfloat16", "seed": 5, "data_seed": 2, "line_width": 3.0},
        {"variance": "learned", "penalty": "total_correlation", "seed": 2},
        {"penalty": "capacity", "optimizer": "sgd", "schedule": "constant", "sample_weights": "per_image"},
        {"batch_size": 63, "epochs": 4, "penalty": "total_correlation", "seed": 6},  # as many steps in all
    ],
    ids=str,
)
def test_a_runs_numbers_do_not_depend_on_what_its_process_trained_before(settings, traced, tmp_path):
    wanted = TINY.replace(**settings)
    before = wanted.replace(seed=9, gamma=0.02, beta=0.003, batch_size=TINY.batch_size, epochs=TINY.epochs)
    train(before, tmp_path / "before", progress=False)
    run = train(wanted, tmp_path / "after", progress=False)
    assert {experiment.seed for experiment in traced} == {9}, "it was traced anew"
    traces.forget()
    expected = train(wanted, tmp_path / "alone", progress=False)
    assert {experiment.seed for experiment in traced} == {9, wanted.seed}
    ours, theirs = numbers(run), numbers(expected)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values, err_msg=name)


def test_what_a_trace_holds_is_traced_anew(tmp_path):
    short = TINY.replace(epochs=1)
    train(short, tmp_path, progress=False)
    others = [
        {"gamma": 0.0}, {"beta": 0.0}, {"sigma": 0.2}, {"learning_rate": 0.01}, {"epochs": 3}, {"width": 0.05},
        {"penalty": "covariance"}, {"initial_rotation": "rotation"}, {"precision": "bfloat16"}, {"batch_size": 9},
    ]  # fmt: skip
    assert [settings for settings in others if traces.take(short.replace(**settings), 63)] == []
    assert traces.take(short.replace(n_images=71), 64) is None
    assert traces.take(short, 63) is not None


def test_an_interrupted_training_leaves_no_model(tmp_path):
    interrupted(TINY, tmp_path, "on_epoch_begin", lambda _, epoch: epoch == 1)
    assert traces.take(TINY, 63) is None
    train(TINY, tmp_path, progress=False)
    assert traces.take(TINY, 63) is not None


def test_only_so_many_models_are_kept():
    for seed in range(traces.MOST + 2):
        traces.keep(VAE(TINY.replace(sigma=0.1 + 0.01 * seed)), 63)
    kept = [traces._signature(TINY.replace(sigma=0.1 + 0.01 * seed), 63) in traces._models for seed in range(10)]
    assert kept == [False, False, *[True] * 8]
