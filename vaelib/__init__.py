"""A reproducible study of zero-shot learning and disentanglement in variational autoencoders.

`import vaelib` loads no Keras: what needs it is imported on first use.
"""

import os
import sys
from typing import TYPE_CHECKING

from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.system import engine, lazy

if TYPE_CHECKING:
    from vaelib.run import Run
    from vaelib.training import train, train_all

__version__ = "0.1.0"
__all__ = ["Experiment", "Run", "SettingError", "__version__", "train", "train_all"]


def _check_system() -> None:
    if sys.platform == "win32":
        print("vaelib: Windows lacks what the trainings need; use WSL, its own Linux: wsl --install", file=sys.stderr)


def _find_home() -> None:
    """Without a home, set the folder that Keras then uses for its file: TensorFlow would create a folder `~`."""
    if os.path.expanduser("~") == "~":
        os.environ.setdefault("KERAS_HOME", "/tmp/.keras")


_check_system()
_find_home()
engine.choose()


__getattr__ = lazy.attributes(
    __name__, {"Run": "vaelib.run", "train": "vaelib.training", "train_all": "vaelib.training"}
)
