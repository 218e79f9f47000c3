"""A training interrupted at a known place, as Ctrl-C does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaelib.experiment import Experiment
from vaelib.run import Run
from vaelib.training import callbacks, trainer


def interrupted(
    experiment: Experiment, root: Path, event: str, when: Callable[[Any, int], bool], *, told: str | None = None
) -> Run:
    """Return the unfinished run of a training interrupted at the end of the first `event` for which `when` holds.

    event: the name of a Keras callback, "on_epoch_begin" say; when: told the trainer and the epoch's or batch's
    number. told: a regular expression that what the interruption says has to match.
    """
    original = getattr(callbacks.EpochSaver, event)

    def callback(self: Any, number: int, logs: Any = None) -> None:
        original(self, number, logs)
        if when(self, number):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.EpochSaver, event, callback)
        with pytest.raises(KeyboardInterrupt, match=told):
            trainer.train(experiment, root, progress=False)
    return Run(root / experiment.name)
