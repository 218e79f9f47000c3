"""Every value of every setting, from wherever it comes: an experiment, or one line that names the setting.

Python, the command line, papermill and sweep files are given the same values, and have to agree.
"""

import contextlib
import io
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin
from unittest import mock

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import v4, write
from papermill.translators import PythonTranslator

from vaelib import cli, notebook, sweep
from vaelib.book import chapters
from vaelib.errors import DeviceError, SettingError, UserError
from vaelib.experiment import Experiment
from vaelib.training import trainer

FIELDS = {name: field for name, field in Experiment.model_fields.items() if name != "profile"}
SCHEMAS = Experiment.model_json_schema()["properties"]


def _bounds(name: str) -> list[float]:
    """Return a setting's bounds and what lies just inside and outside of them."""
    schema = SCHEMAS[name]
    ends = [schema[key] for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if key in schema]
    step = schema.get("multipleOf", 1) if schema["type"] == "integer" else 1e-3
    return [end + by for end in ends for by in (-step, 0, step)]


def _plausible(name: str) -> st.SearchStrategy[Any]:
    """Return values of the setting's own type, most of them allowed: whatever settings there are."""
    kind = FIELDS[name].annotation
    if get_origin(kind) is tuple:
        return st.lists(st.integers(-1, 3), max_size=4)
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.sampled_from(_bounds(name)).map(int) | st.integers(0, 2000)
    if kind is float:
        return st.sampled_from(_bounds(name)) | st.floats(0, 12)
    return st.sampled_from(get_args(kind))


NUMBERS = [None, True, False, -0.0, 0, -1, 1.5, math.nan, math.inf, -math.inf, 10**400, -(10**400), 1e308, 5e-324]
WORDS = ["", " ", "nan", "inf", "-inf", "-0.0", "1e-3", "1_0", "٣", "１", "[1, 2]", "[", "0x10", "π", "\n", "9" * 5000]
OBJECTS = [np.float32(0.1), np.float64(0.5), np.int64(2), np.bool_(True), np.str_("full"), np.ones((3, 40)), b"1"]
LISTS = [[], {}, (), set(), [None], [[1]], {"a": 1}, [1, "x"], ["0", 1.0], object, "\ud800", "x" * 5000]
HOSTILE = st.one_of(
    *map(st.sampled_from, (NUMBERS, WORDS, OBJECTS, LISTS)),
    st.builds(lambda: 10**5000),  # which Python does not write out
    st.floats(),
    st.integers(),
    st.text(max_size=8),
)
one_setting = st.sampled_from(sorted(FIELDS)).flatmap(lambda name: st.tuples(st.just(name), _plausible(name) | HOSTILE))
# What YAML can hold. Switches have no text on the command line.
_TEXT = st.sampled_from(WORDS) | st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=6
)
one_text = st.sampled_from(sorted(name for name in FIELDS if FIELDS[name].annotation is not bool)).flatmap(
    lambda name: st.tuples(st.just(name), _plausible(name).map(str) | _TEXT)
)


@pytest.fixture(scope="module")
def rerun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook with every setting as a parameter."""
    kinds = {
        int: "Optional[int]",
        float: "Optional[float]",
        bool: "Optional[bool]",
        tuple: "Union[str, int, List[int], None]",
    }
    types = {name: kinds.get(get_origin(field.annotation) or field.annotation) for name, field in FIELDS.items()}
    lines = [f"{name}: {kind or 'Optional[str]'} = None" for name, kind in types.items()]
    source = "\n".join(["from typing import List, Optional, Union", 'profile: str = "book"', *lines])
    cell = v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    path = tmp_path_factory.mktemp("notebook") / "all.ipynb"
    write(v4.new_notebook(cells=[cell]), path)
    return path


def _python(name: str, value: Any) -> Experiment:
    return Experiment.from_profile("smoke", **{name: value})


def _papermill(path: Path, name: str, value: Any) -> Experiment:
    """Return what the book makes of a parameter, and then the chapter of what papermill injects."""
    chapter = chapters.prepare(path, {"profile": "smoke", name: value})
    experiment = Experiment.from_profile(**notebook.settings(chapter.values))
    namespace = chapters._defaults(path)
    exec(PythonTranslator.codify(dict(chapter.injected)), namespace)
    assert Experiment.from_profile(**notebook.settings(notebook.parameters(namespace))) == experiment
    return experiment


def _sweep(path: Path, name: str, value: Any) -> Experiment:
    """Return what a sweep's file makes of a value, in quotation marks where it is text."""
    file = path.with_suffix(".yml")
    file.write_text(
        yaml.safe_dump({"profile": "smoke", "settings": {name: value}}, allow_unicode=True), encoding="utf-8"
    )
    (experiment,) = sweep.read(file).experiments()
    return experiment


def _command(name: str, value: str) -> Experiment:
    """What `vaelib train` would train; SettingError for exit status 2 with one line."""
    stderr = io.StringIO()
    words = ["vaelib", "train", "--profile=smoke", f"--{name}={value}"]
    with (
        mock.patch.object(cli, "_trained", side_effect=lambda experiment, root: _reach(experiment)),
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            cli.main()
        except Reached as reached:
            return reached.args[0]
        except SystemExit as ended:
            assert ended.code == 2
    raise SettingError(stderr.getvalue().removeprefix("vaelib: ").removesuffix("\n"))


class Reached(Exception):
    """Carries the experiment that a command would train."""


def _reach(experiment: Experiment) -> None:
    raise Reached(experiment)


def outcome(name: str, make: Callable[[], Experiment]) -> Experiment | None:
    """Return the experiment, None where one line names the setting; anything else fails."""
    try:
        made = make()
    except SettingError as error:
        assert len(str(error).splitlines()) == 1 and len(str(error)) < 1000
        assert name in str(error)
        return None
    assert Experiment.from_json(made.to_json()).hash == made.hash
    assert type(getattr(made, name)) in (int, float, bool, str, tuple)
    return made


def quick(examples: int) -> Any:
    """The same examples every time; the notebook and the sweep's file are the same for all of them."""
    return settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@quick(500)
@given(one_setting)
def test_python_takes_a_value_or_names_it(pair: tuple[str, Any]) -> None:
    name, value = pair
    made = outcome(name, lambda: _python(name, value))
    if made is not None:
        again = outcome(name, lambda: made.replace(**{name: getattr(made, name)}))
        assert again is not None and again.hash == made.hash


@pytest.mark.parametrize(
    "value", [[], {}, None, 3, "", "papre", np.ones((9, 9))], ids=lambda value: type(value).__name__
)
def test_an_unknown_profile_is_named(value: Any) -> None:
    assert outcome("profile", lambda: Experiment.from_profile(value)) is None


@quick(150)
@given(one_setting)
def test_papermill_and_a_sweep_take_what_python_takes(rerun: Path, pair: tuple[str, Any]) -> None:
    """Of what a file can hold."""
    name, value = pair
    try:
        value = yaml.safe_load(yaml.safe_dump(value))
    except (yaml.YAMLError, ValueError):
        return
    wanted = outcome(name, lambda: _python(name, value))
    assert outcome(name, lambda: _papermill(rerun, name, value)) == wanted
    assert outcome(name, lambda: _sweep(rerun, name, value)) == wanted


@quick(60)
@given(one_text)
def test_the_four_ways_agree_on_a_text(rerun: Path, pair: tuple[str, str]) -> None:
    name, text = pair
    wanted = outcome(name, lambda: _python(name, text))
    assert outcome(name, lambda: _command(name, text)) == wanted
    assert outcome(name, lambda: _papermill(rerun, name, text)) == wanted
    assert outcome(name, lambda: _sweep(rerun, name, text)) == wanted


def _trainable(name: str) -> st.SearchStrategy[Any]:
    """Return allowed values of a setting with which a training takes a moment."""
    most = {"n_images": 60, "image_size": 40, "epochs": 1, "width": 0.1, "latent_dim": 8, "devices": 2}
    kind, schema = FIELDS[name].annotation, SCHEMAS[name]
    if get_origin(kind) is tuple:
        return st.lists(st.integers(0, 1), max_size=2)
    if kind is int:
        step = schema.get("multipleOf", 1)
        return st.integers(schema["minimum"] // step, most.get(name, schema.get("maximum", 2**32 - 1)) // step).map(
            lambda count: count * step
        )
    if kind is float:
        low, high = schema.get("minimum", schema.get("exclusiveMinimum")), most.get(name, schema["maximum"])
        return st.floats(low, high, exclude_min="exclusiveMinimum" in schema)
    return st.booleans() if kind is bool else st.sampled_from(get_args(kind))


@quick(4)
@given(st.fixed_dictionaries({}, optional={name: _trainable(name) for name in FIELDS}))
def test_what_is_accepted_trains(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    """Or ends in one line: a training that diverges, a hole that leaves nothing, devices that this machine lacks."""
    small = {"n_images": 40, "epochs": 1, "width": 0.05}
    try:
        experiment = Experiment.from_profile("smoke", **{**small, **values})
        run = trainer.train(experiment, tmp_path_factory.mktemp("runs"), progress=False)
    except (UserError, DeviceError) as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert np.isfinite(run.history["loss"]).all() and len(run.history["loss"]) == 1
