"""Each callback does its job: batches in order, losses that are not finite named with what to suspect, time counted."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import TINY

from vaelib import dataset, losses
from vaelib.errors import TrainingError
from vaelib.model import VAE
from vaelib.run import Run
from vaelib.training import Batches, callbacks, train


def test_an_infinite_loss_names_epoch_step_term_and_settings(tmp_path):
    wild = TINY.replace(learning_rate=10.0, optimizer="sgd", beta=1e3, schedule="constant", gamma=0.0)
    with pytest.raises(TrainingError, match=r"became (nan|inf) in epoch \d, step \d+.*learning_rate = 10, "):
        train(wild, tmp_path, progress=False)
    assert Run(tmp_path / wild.name).epochs < 3


@pytest.mark.parametrize(
    ("spoilt", "term", "blamed"),
    [
        ({"cross_entropy"}, "cross_entropy", "learning_rate = 0.003, optimizer = adam, precision = float32"),
        ({"kl"}, "kl", "learning_rate = 0.003, beta = 0.001, variance = constant"),
        ({"penalty"}, "penalty", "penalty = entanglement, gamma = 0.01, batch_size = 16, learning_rate = 0.003"),
        (
            {"kl", "penalty"},
            "kl",
            "learning_rate = 0.003, beta = 0.001, variance = constant, penalty = entanglement, gamma = 0.01, "
            "batch_size = 16",
        ),
        ({"loss"}, "loss", "beta = 0.001, gamma = 0.01, learning_rate = 0.003"),
    ],
)
def test_the_settings_to_blame_are_those_of_the_term(spoilt, term, blamed, tmp_path, monkeypatch):
    terms, total = VAE.loss_terms, losses.total

    def spoiling(self, *arguments):
        return {name: value * np.nan if name in spoilt else value for name, value in terms(self, *arguments).items()}

    monkeypatch.setattr(VAE, "loss_terms", spoiling)
    monkeypatch.setattr(losses, "total", lambda *a, **k: total(*a, **k) * (np.nan if "loss" in spoilt else 1))
    message = f": {term} became nan in epoch 1, step 1. Most likely to blame: {blamed}. The state"
    with pytest.raises(TrainingError, match=re.escape(message)):
        train(TINY, tmp_path, progress=False)


def test_the_settings_to_blame_for_the_weights_alone(tmp_path, monkeypatch):
    """Spoilt after all batches, they show in no term."""

    def spoiling(self, logs=None):
        weight = self.vae.encoder.weights[0]
        weight.assign(np.full(weight.shape, np.nan, "float32"))

    monkeypatch.setattr(callbacks.EpochSaver, "on_test_end", spoiling)
    blamed = "learning_rate = 0.003, optimizer = adam, precision = float32"
    message = rf": weights became nan in epoch 1, validation\. Most likely to blame: {blamed}\. The state"
    with pytest.raises(TrainingError, match=message):
        train(TINY, tmp_path, progress=False)


def test_every_epoch_takes_its_own_order():
    data = dataset.build(TINY.data)
    batches, expected = (Batches(data, data.train, TINY, shuffle=True) for _ in range(2))
    for epoch in (2, 0, 1):
        callbacks.EpochOrder(batches).on_epoch_begin(epoch)
        expected.set_epoch(epoch)
        np.testing.assert_array_equal(batches.order, expected.order)


def test_the_throughput_leaves_out_an_epochs_first_step_and_counts_a_short_last_batch(monkeypatch):
    """The clock stands at 0, 10, 11, 13, 16 after three batches of 16 and 8 images in the last of four."""
    clock = iter([0, 10, 11, 13, 16])
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    spent = {"wall_time": 0.0, "images": 100.0, "step_time": 1.0}
    batches = SimpleNamespace(size=16, rows=range(56))
    counting = callbacks.Throughput(SimpleNamespace(spent=spent), batches)
    for batch in range(4):
        counting.on_train_batch_end(batch)
    assert spent == {"wall_time": 0.0, "images": 100 + 16 + 16 + 8, "step_time": 1 + 1 + 2 + 3}


@pytest.mark.parametrize("shown", [True, False])
def test_a_bar_shows_the_epoch_and_its_terms_and_goes_also_when_the_epoch_does_not_end(shown, capsys):
    bar = callbacks.ProgressBar(TINY, 5, shown=shown)
    bar.close()  # before the first epoch there is none
    bar.on_epoch_begin(1)
    bar.on_train_batch_end(0, {"loss": 1.5, "kl": 0.25, "another": 7.0})
    assert not shown or (bar.bar.n, bar.bar.postfix) == (1, "loss=1.5000, kl=0.2500")
    bar.close()
    written = capsys.readouterr()
    assert written.out == "" and ("epoch 2/3" in written.err) == shown
    assert written.err.split("\r")[-1].strip() == ""
