"""A reproducible study of zero-shot learning and disentanglement in variational autoencoders.

`import vaelib` loads no Keras: what needs it is imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vaelib.experiment import Experiment, SettingError

if TYPE_CHECKING:
    from vaelib.parallel import train_all
    from vaelib.run import Run
    from vaelib.training import train

__version__ = "0.1.0"
__all__ = ["Experiment", "Run", "SettingError", "__version__", "train", "train_all"]

_HOMES = {"Run": "vaelib.run", "train": "vaelib.training", "train_all": "vaelib.parallel"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vaelib' has no attribute {name!r}")
