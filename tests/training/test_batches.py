"""The batches of every epoch: each image once, in an order of the epoch's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_run import TINY

from vaelib import dataset
from vaelib.training import Batches, train


def test_every_epoch_has_an_order_of_its_own_and_each_image_once():
    data = dataset.build(TINY.data)

    def images(shuffle, epoch):
        batches = Batches(data, data.train, TINY, shuffle=shuffle)
        batches.set_epoch(epoch)
        return np.concatenate([batches[i][0] for i in range(len(batches))])

    shuffled = [images(True, epoch) for epoch in range(3)]
    assert (shuffled[0] != shuffled[1]).any() and (shuffled[1] != shuffled[2]).any()
    for order in shuffled:
        assert order.dtype == np.uint8
        assert sorted(map(bytes, order)) == sorted(map(bytes, data.images[data.train]))
    np.testing.assert_array_equal(images(True, 2), shuffled[2])
    np.testing.assert_array_equal(images(False, 1), data.images[data.train])


@pytest.mark.jax
def test_keras_really_shows_these_batches_in_this_order(monkeypatch, tmp_path):
    shown = []
    begin, item = Batches.set_epoch, Batches.__getitem__

    def spy_begin(self, epoch):
        begin(self, epoch)
        self.now = epoch

    def spy_item(self, index):
        if self.shuffle:
            shown.append((self.now, index))
        return item(self, index)

    monkeypatch.setattr(Batches, "set_epoch", spy_begin)
    monkeypatch.setattr(Batches, "__getitem__", spy_item)
    train(TINY, tmp_path, progress=False)
    steps = [(epoch, index) for epoch in range(3) for index in range(5)]
    # Keras looks at the first two batches beforehand, for their shapes.
    assert shown[-len(steps) :] == steps and len(shown) <= len(steps) + 2


@settings(deadline=None)
@given(size=st.integers(1, 80), form=st.sampled_from(["none", "per_image", "per_batch"]), shuffle=st.booleans())
def test_all_batches_but_the_last_are_of_one_size_and_each_image_keeps_its_weight(size, form, shuffle):
    data = dataset.build(TINY.data)
    experiment = TINY.replace(batch_size=size, sample_weights=form, gamma=0.0)
    batches = Batches(data, data.train, experiment, shuffle=shuffle)
    parts = [batches[i] for i in range(len(batches))]
    assert [len(part[0]) for part in parts[:-1]] == [size] * (len(parts) - 1) and 1 <= len(parts[-1][0]) <= size
    images = np.concatenate([part[0] for part in parts])
    np.testing.assert_array_equal(images, data.images[batches.order])
    if form == "none":
        assert {len(part) for part in parts} == {1}
    else:  # input, target and weights
        assert all(len(part) == 3 and part[0] is part[1] for part in parts)
        np.testing.assert_array_equal(np.concatenate([part[2] for part in parts]), data.weights[batches.order])
