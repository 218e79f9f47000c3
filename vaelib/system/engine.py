"""Starting Keras: on a backend that can train, without chatter about a missing GPU. Nothing here imports Keras."""

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
# What TensorFlow writes when it starts, whatever its level of logging, and on machines without a GPU as an error.
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
    """Return the backend that Keras has or will have, "tensorflow" or "jax".

    Raises:
        DeviceError: It is another one, or is not installed.
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
    """Check the backend and, on JAX, that this machine has the device that JAX_PLATFORMS names.

    JAX is asked in a process of its own, since it then reserves most of a GPU's memory.

    Raises:
        DeviceError: As in `check`, or this machine lacks the device.
    """
    if check() == "jax" and os.environ.get("JAX_PLATFORMS", "cpu") not in ("", "cpu"):
        program = "from vaelib.errors import DeviceError\nfrom vaelib.nn import backend\ntry: backend.device_names()\n"
        program += "except DeviceError as error: print(error)"
        answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
        if answer:
            raise DeviceError(answer.strip())


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Return the context in which Keras is imported.

    TensorFlow's warnings are hidden unless TF_CPP_MIN_LOG_LEVEL says otherwise; its errors stay, except the one about
    a missing GPU.

    Raises:
        DeviceError: The backend cannot train, or Keras cannot be imported with its settings.
    """
    name = check()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported
    # Keeps buffers of many megabytes, which the system would otherwise take back and hand out again in every step, page
    # by page: a quarter of a step's time on a virtual machine.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
    # oneDNN's kernels, which TensorFlow leaves out on processors without AVX-512, are faster there too: a training step
    # of 32 images of 64×64 pixels took 110 instead of 157 ms.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _without_remarks() if os.environ["TF_CPP_MIN_LOG_LEVEL"] > "1" else contextlib.nullcontext():
        try:
            yield
        except (ImportError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise DeviceError(f"Keras cannot start on {name}, with {_settings_file()}: {reason}") from error
        if name == "tensorflow" and not _has_gpu():
            import tensorflow as tf

            tf.config.list_physical_devices()  # writes now what it would write at the first operation


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Pass on, line by line, what the block writes to standard error, without the remarks.

    A process of its own does so: TensorFlow bypasses Python, and what it writes before it aborts has to arrive.
    """
    pattern = _REMARKS if _has_gpu() else f"{_REMARKS}|{_NO_GPU}"
    with contextlib.ExitStack() as stack:
        try:
            stderr = os.dup(2)
            stack.callback(os.close, stderr)
            remover = subprocess.Popen(
                [sys.executable, "-ISc", _FILTER, pattern],
                stdin=subprocess.PIPE,
                stdout=stderr,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # out of reach of Ctrl-C
            )
        except OSError:  # no standard error, or no more processes: nothing is removed
            yield
            return
        assert remover.stdin
        with remover.stdin as pipe:
            os.dup2(pipe.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)  # closes the last end of the pipe, which ends the process
            with contextlib.suppress(subprocess.TimeoutExpired):
                remover.wait(5)


def _has_gpu() -> bool:
    """Return whether the system has a GPU's driver that is not hidden from TensorFlow."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    devices = os.listdir("/dev") if os.path.isdir("/dev") else []
    return any(re.match(r"nvidia|nvhost|nvgpu|dxg|kfd", name) for name in devices)


def _configured() -> str:
    """Return the backend in Keras's own file, where Keras writes "tensorflow" if nobody has chosen one."""
    try:
        return str(json.loads(_settings_file().read_bytes())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def _settings_file() -> Path:
    # Unlike Path's, this expansion leaves ~ as it is where there is no home, as Keras does.
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")) / "keras.json"


def _installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # a broken package, or an import hook that hides it
        return False
