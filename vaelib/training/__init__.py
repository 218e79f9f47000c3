"""Training: one run, resumable after every epoch, or several side by side.

What needs Keras is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING

from vaelib.system import lazy

if TYPE_CHECKING:
    from vaelib.training.several import train_all
    from vaelib.training.trainer import Batches, train

__all__ = ["Batches", "train", "train_all"]

__getattr__ = lazy.attributes(
    __name__,
    {
        "Batches": "vaelib.training.trainer",
        "train": "vaelib.training.trainer",
        "train_all": "vaelib.training.several",
    },
)
