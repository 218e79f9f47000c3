"""A reproducible study of zero-shot learning and disentanglement in variational autoencoders.

`import vaelib` loads no Keras: what needs it is imported on first use.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from vaelib import engine
from vaelib.experiment import Experiment, SettingError

if TYPE_CHECKING:
    from vaelib.parallel import train_all
    from vaelib.run import Run
    from vaelib.training import train

__version__ = "0.1.0"
__all__ = ["Experiment", "Run", "SettingError", "__version__", "train", "train_all"]

_HOMES = {"Run": "vaelib.run", "train": "vaelib.training", "train_all": "vaelib.parallel"}


def _check_system() -> None:
    if sys.platform == "win32":
        print("vaelib: Windows lacks what the trainings need; use WSL, its own Linux: wsl --install", file=sys.stderr)


def _find_home() -> None:
    """Where no home is known, name the folder that Keras then keeps its file in: TensorFlow would make a folder `~`."""
    if os.path.expanduser("~") == "~":
        os.environ.setdefault("KERAS_HOME", "/tmp/.keras")


_check_system()
_find_home()
engine.choose()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vaelib' has no attribute {name!r}")
