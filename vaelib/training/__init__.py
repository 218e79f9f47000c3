"""Training: one run, resumable after every epoch, or several side by side.

The parts that need Keras are loaded on first use.
"""

from typing import TYPE_CHECKING

from vaelib.system import lazy

if TYPE_CHECKING:
    from vaelib.training.batches import Batches
    from vaelib.training.several import train_all
    from vaelib.training.trainer import train

__all__ = ["Batches", "train", "train_all"]

__getattr__ = lazy.attributes(
    __name__,
    {
        "Batches": "vaelib.training.batches",
        "train": "vaelib.training.trainer",
        "train_all": "vaelib.training.several",
    },
)
