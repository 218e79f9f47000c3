"""Keras's start: on a backend that can train, without chatter about a missing GPU. Nothing here imports Keras."""

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from vaelib.errors import DeviceError

_ABSENT = {
    "tensorflow": "TensorFlow is not installed; to use JAX instead set KERAS_BACKEND=jax",
    "jax": 'JAX is not installed, and KERAS_BACKEND=jax asks for it: pip install "jax[cuda12]", or "jax" without a GPU',
}
# What TensorFlow writes at its start whatever its level of logging is, and on machines without a GPU as an error.
_REMARKS = r"WARNING: All log messages before absl::InitializeLog|I\d{4} "
_NO_GPU = r"E\d{4} .*failed call to cuInit"
_FILTER = (
    "import re, sys\n"
    "for line in sys.stdin.buffer:\n"
    "    if not re.match(sys.argv[1].encode(), line):\n"
    "        sys.stdout.buffer.write(line)\n"
    "        sys.stdout.buffer.flush()"
)


def choose() -> None:
    """Have Keras use JAX where nobody chose a backend, TensorFlow is not installed and JAX is.

    Keras reads the variable when it is first imported, also in the processes that this one starts.
    """
    if os.environ.get("KERAS_BACKEND") or _configured() != "tensorflow":
        return
    if not _installed("tensorflow") and _installed("jax"):
        os.environ["KERAS_BACKEND"] = "jax"


def check() -> str:
    """Return the backend that Keras has or will have: "tensorflow" or "jax".

    Raises DeviceError for any other and for one that is not installed.
    """
    if keras := sys.modules.get("keras"):
        name, source = keras.backend.backend(), "the backend of the imported Keras"
    elif name := os.environ.get("KERAS_BACKEND", ""):
        source = "KERAS_BACKEND"
    else:
        name, source = _configured(), f"backend in {_settings_file()}"
    if name not in _ABSENT:
        raise DeviceError(f"{source} = {name!r}; allowed: {' and '.join(_ABSENT)}")
    if not _installed(name):
        raise DeviceError(_ABSENT[name])
    return str(name)


def check_devices() -> None:
    """Raise DeviceError as `check` does, and where JAX_PLATFORMS asks for a device that this machine lacks.

    JAX is asked in a process of its own, since it takes most of a GPU's memory when it is asked.
    """
    if check() == "jax" and os.environ.get("JAX_PLATFORMS", "cpu") not in ("", "cpu"):
        program = "from vaelib.errors import DeviceError\nfrom vaelib.nn import backend\ntry: backend.device_names()\n"
        program += "except DeviceError as error: print(error)"
        asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        if asked.stdout:
            raise DeviceError(asked.stdout.strip())


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Return the context in which Keras is imported.

    Raises DeviceError for a backend that cannot train, and when Keras cannot be imported with its settings.
    TensorFlow's warnings are left out unless TF_CPP_MIN_LOG_LEVEL says otherwise; its errors stay, but for the one
    that a machine without a GPU makes of that.
    """
    name = check()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported
    # Maps of many megabytes, which the system would take back and give out anew in every step, page by page, are kept:
    # a quarter of a step's time on a virtual machine.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    # oneDNN's kernels, which TensorFlow leaves out on processors without AVX-512, are faster there too: a training step
    # of 32 images of 64×64 pixels took 110 instead of 157 ms.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _without_remarks() if os.environ["TF_CPP_MIN_LOG_LEVEL"] > "1" else contextlib.nullcontext():
        try:
            yield
        except (ImportError, ValueError, AttributeError) as error:
            told = " ".join(str(error).split())
            raise DeviceError(f"Keras cannot start on {name}, with {_settings_file()}: {told}") from error
        if name == "tensorflow" and not _has_gpu():
            import tensorflow as tf

            tf.config.list_physical_devices()  # says now what it would say at the first operation


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Pass on, line by line, what the block writes to standard error, without the remarks.

    Another process does so, since TensorFlow writes past Python, and what it says before it aborts has to arrive.
    """
    pattern = _REMARKS if _has_gpu() else f"{_REMARKS}|{_NO_GPU}"
    with contextlib.ExitStack() as stack:
        try:
            stderr = os.dup(2)
            stack.callback(os.close, stderr)
            passing = subprocess.Popen(
                [sys.executable, "-ISc", _FILTER, pattern],
                stdin=subprocess.PIPE,
                stdout=stderr,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is not for it
            )
        except OSError:  # no standard error, or no more processes: nothing is left out
            yield
            return
        assert passing.stdin
        with passing.stdin as pipe:
            os.dup2(pipe.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)  # the pipe's last end is closed, which ends the process
            with contextlib.suppress(subprocess.TimeoutExpired):
                passing.wait(5)


def _has_gpu() -> bool:
    """Return whether the system shows a GPU's driver, and nobody hides it from TensorFlow."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    devices = os.listdir("/dev") if os.path.isdir("/dev") else []
    return any(re.match(r"nvidia|nvhost|nvgpu|dxg|kfd", name) for name in devices)


def _configured() -> str:
    """Return the backend that Keras's own file names; Keras writes "tensorflow" there where nobody chose any."""
    try:
        return str(json.loads(_settings_file().read_bytes())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def _settings_file() -> Path:
    # Unlike Path's, this expansion leaves alone what has no home, as Keras does.
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")) / "keras.json"


def _installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # something between keeps it away
        return False
