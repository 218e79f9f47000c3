"""What must hold before Keras starts: a backend that can train, and no chatter; a user's settings change no run."""

import json
import os
import subprocess
import sys

import keras
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from vaelib import Experiment, sweep, train
from vaelib.errors import DeviceError
from vaelib.run import Run
from vaelib.system import engine

SMALL = Experiment.from_profile("smoke", n_images=60, width=0.06, batch_size=16, snapshots=(1,))
HOSTILE = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "tensorflow"}


@pytest.fixture
def unborn(monkeypatch, tmp_path):
    """Make Keras seem not to be imported, with no backend chosen."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run that was trained with Keras's own settings."""
    return train(SMALL, tmp_path_factory.mktemp("plain"), progress=False)


def loud(**more):
    """Return the environment and `more`, without what the tests set to keep TensorFlow quiet."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("TF_CPP")}, **more}


def same(first, second):
    """Return whether two runs have the same weights, bit for bit, and the same embeddings and history."""
    kept = [sorted(made.path.glob("weights-*.npz")) for made in (first, second)]
    equal = all(a.name == b.name and a.read_bytes() == b.read_bytes() for a, b in zip(*kept, strict=True))
    histories = all(np.array_equal(first.history[name], second.history[name]) for name in first.history)
    return kept[0] and equal and histories and np.array_equal(first.embeddings, second.embeddings)


@pytest.mark.parametrize("name", ["torch", "openvino", "numpy", "tensroflow"])
@pytest.mark.parametrize("written", [False, True], ids=["variable", "file"])
def test_a_backend_that_cannot_train_is_refused_with_what_is_allowed(name, written, unborn, monkeypatch, tmp_path):
    source = "KERAS_BACKEND"
    if written:
        file = tmp_path / "keras.json"
        file.write_text(json.dumps({"backend": name}))
        source = f"backend in {file}"
    else:
        monkeypatch.setenv("KERAS_BACKEND", name)
    message = f"{source} = {name!r}; allowed: tensorflow and jax"
    with pytest.raises(DeviceError) as raised:
        engine.check()
    assert str(raised.value) == message
    assert raised.value._render_traceback_() == [f"DeviceError: {message}"], "one line in a notebook too"


def test_a_keras_that_was_imported_on_another_backend_is_reported(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "numpy")
    with pytest.raises(DeviceError, match="imported Keras = 'numpy'; allowed: tensorflow and jax"):
        engine.check()


@pytest.mark.parametrize(("name", "message"), [("tensorflow", "TensorFlow is not"), ("jax", "JAX is not")])
def test_a_backend_that_is_not_installed_is_reported(name, message, unborn, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setattr(engine, "_installed", lambda package: False)
    with pytest.raises(DeviceError, match=message):
        engine.check()


def test_a_device_that_jax_does_not_find_is_one_line(unborn, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(DeviceError) as raised:
        engine.check_devices()
    wrong = "JAX_PLATFORMS = 'cuda': this machine has no such device"
    assert str(raised.value) == f"{wrong}; allowed: those it has, cpu among them, or no value, which lets JAX choose"


def test_a_grid_reports_it_before_its_workers_start(unborn, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    for workers in (None, 1):
        with pytest.raises(DeviceError, match="allowed: tensorflow and jax"):
            sweep.on_dask({"one": (str, "1")}, workers=workers)


@pytest.mark.parametrize(
    ("settings", "message"), [({"floatx": "bfloat16"}, "received: floatx=bfloat16"), ({"epsilon": 1}, "epsilon=1")]
)
def test_a_file_that_keras_cannot_read_is_one_line(settings, message, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    program = "import sys; sys.tracebacklimit = 0; import vaelib.nn.backend"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=loud(KERAS_HOME=str(tmp_path))
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"vaelib.errors.DeviceError: Keras cannot start on tensorflow, with {tmp_path}/keras.json: ")
    assert message.lower() in last.lower()


def test_no_setting_of_the_process_changes_a_run_or_is_changed_by_it(plain, tmp_path):
    config = keras.config
    names = ("floatx", "epsilon", "image_data_format", "dtype_policy", "max_epochs", "max_steps_per_epoch")
    values = ("float16", 0.1, "channels_first", config.dtype_policy().__class__("mixed_float16"), 1, 1)
    before = {name: getattr(config, name)() for name in names}
    images = np.random.default_rng(0).uniform(size=(3, 32, 32))
    expected = plain.decode(plain.encode(images))
    try:
        for name, value in zip(names, values, strict=True):
            getattr(config, f"set_{name}")(value)
        made = train(SMALL, tmp_path, progress=False)
        assert [getattr(config, name)() for name in names] == list(values)
        np.testing.assert_array_equal(Run(plain.path).decode(made.encode(images)), expected)
    finally:
        for name, value in before.items():
            getattr(config, f"set_{name}")(value)
    assert made.complete and same(plain, made)


def test_no_file_of_the_user_changes_a_run_and_nothing_is_said_on_the_command_line(plain, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(HOSTILE))
    settings = SMALL.model_dump()
    words = [f"--{name}={settings[name]}" for name in ("n_images", "width", "batch_size")]
    program = [sys.executable, "-c", "from vaelib import cli; cli.main()", "train", "--profile", "smoke", *words]
    environment = loud(KERAS_HOME=str(tmp_path), KERAS_MAX_STEPS_PER_EPOCH="1", KERAS_MAX_EPOCHS="1")
    done = subprocess.run(
        [*program, "--snapshots=1", f"--root={tmp_path}"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    made = Run(done.stdout.splitlines()[0])
    assert made.experiment == SMALL and same(plain, made)
    bars = [line for line in done.stderr.replace("\r", "\n").splitlines() if line.strip()]
    assert all(line.startswith(SMALL.name[:-17]) for line in bars), done.stderr


def test_a_notebook_that_trains_shows_no_remarks(tmp_path):
    source = "from vaelib import Experiment, train\n"
    source += f"train(Experiment(**{SMALL.model_dump()!r}), {str(tmp_path)!r}, progress=False).epochs"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(book, kernel_name="python3").execute(env=loud())
    assert [output.output_type for output in book.cells[0].outputs] == ["execute_result"]


STARTING = """
import os
from vaelib.system import engine
engine._has_gpu = lambda: {gpu}
with engine.starting():
    import sys
    sys.modules["tensorflow"] = sys  # no other is wanted here
    sys.config = type("", (), dict(list_physical_devices=lambda: None))
    lines = ["WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
             "I0000 00:00:1.2 3 cudart_stub.cc:31] Could not find cuda drivers on your machine",
             "E0000 00:00:1.2 3 cuda_platform.cc:52] failed call to cuInit: INTERNAL", "E0000 other", "Ünd"]
    os.write(2, "\\n".join(lines).encode())
    {end}
os.write(2, b"after")
"""


@pytest.mark.parametrize(
    ("gpu", "end", "level", "shown"),
    [
        (False, "", None, "E0000 other|Ündafter"),
        (False, "os.abort()", None, "E0000 other|Ünd"),
        (True, "", None, "failed call to cuInit: INTERNAL|E0000 other|Ündafter"),
        (False, "", "0", "WARNING: All|Could not find cuda|failed call to cuInit: INTERNAL|E0000 other|Ündafter"),
    ],
    ids=["no GPU", "aborted", "GPU", "the user's own level"],
)
def test_errors_stay_visible(gpu, end, level, shown):
    environment = loud(**({"TF_CPP_MIN_LOG_LEVEL": level} if level else {}))
    program = STARTING.format(gpu=gpu, end=end)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    lines = done.stderr.splitlines()
    assert len(lines) == shown.count("|") + 1, done.stderr
    assert all(part in line for part, line in zip(shown.split("|"), lines, strict=True))
