"""The same code on the JAX backend: pytest again, in processes without TensorFlow and with two virtual devices."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import same_numbers

from vaelib import storage
from vaelib.model import VAE

TESTS = Path(__file__).parents[1]
# Two processes at once, which take about equally long.
TOGETHER = (
    (
        "nn/test_layers", "test_losses", "nn/test_backend", "storage/test_checkpoint", "test_run",
        "training/test_trainer", "training/test_batches", "training/test_resuming",
    ),
    ("support/on_jax",),
)  # fmt: skip
# Any import of TensorFlow fails, also in the processes that the tests start.
WITHOUT_TENSORFLOW = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def begin(files, folder):
    """Start pytest on the tests marked `jax` in the files."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])),
        "VAELIB_TEST_EXPECTED": str(folder / "expected.npz"),
        # The networks are tiny: most of the time would go into compiling them again and again.
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    printed, results = records(files, folder)
    command = [sys.executable, "-m", "pytest", "-m", "jax", "-p", "no:cacheprovider", "--durations=8"]
    command += [f"--junitxml={results}", *(str(TESTS / f"{name}.py") for name in files)]
    with printed.open("w") as stream:
        return subprocess.Popen(
            command, cwd=TESTS.parent, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )


def records(files, folder):
    """Return the paths of pytest's output and of its results for the files."""
    name = Path(files[0]).name
    return folder / f"{name}.txt", folder / f"{name}.xml"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Each file's results, (name, outcome if not passed), and all that its process printed."""
    folder = tmp_path_factory.mktemp("jax")
    (folder / "sitecustomize.py").write_text(WITHOUT_TENSORFLOW)
    vae = VAE(same_numbers.EXPERIMENT)
    same_numbers.enlarge(vae)
    (folder / "expected.npz").write_bytes(storage.pack(same_numbers.numbers(vae)))
    children = [begin(files, folder) for files in TOGETHER]
    try:
        for child in children:
            child.wait()
    finally:
        for child in children:
            child.kill()
    by_file = {}
    for files in TOGETHER:
        text, results = records(files, folder)
        by_file |= {name: ([], text.read_text(errors="replace")) for name in files}
        for case in ElementTree.parse(results).iter("testcase") if results.exists() else ():
            outcome = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            (file,) = [name for name in files if case.get("classname").endswith(name.replace("/", "."))]
            by_file[file][0].append((case.get("name"), *outcome))
    return by_file


@pytest.mark.parametrize("file", [name for files in TOGETHER for name in files])
def test_on_jax_without_tensorflow(file, report):
    results, printed = report[file]
    assert results, f"no test of {file} ran\n{printed}"
    assert [case for case in results if len(case) > 1] == [], printed
