"""A reproducible study of zero-shot learning and disentanglement in variational autoencoders.

`import vaelib` loads no Keras: what needs it is imported on first use.
"""

import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def _choose_backend() -> None:
    """Have Keras use JAX where nobody chose a backend, TensorFlow is not installed and JAX is.

    Keras reads the variable when it is first imported, also in the processes that this one starts.
    """
    if os.environ.get("KERAS_BACKEND") or _configured() != "tensorflow":
        return
    if not _installed("tensorflow") and _installed("jax"):
        os.environ["KERAS_BACKEND"] = "jax"


def _configured() -> str:
    """Return the backend that Keras's own file names; Keras writes "tensorflow" there where nobody chose any."""
    home = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))
    try:
        return str(json.loads((home / "keras.json").read_bytes())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # something between keeps it away
        return False


_check_system()
_find_home()
_choose_backend()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vaelib' has no attribute {name!r}")
