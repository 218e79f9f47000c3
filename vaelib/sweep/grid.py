"""The sweep file: a grid of settings and seeds, in YAML."""

import itertools
import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vaelib import storage
from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.storage import yaml_text


class Sweep(BaseModel):
    """The content of a sweep file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = Field("sweep", description="The profile whose values the other settings have.")
    settings: dict[str, Any] = Field({}, description="Settings of every run, by name.")
    grid: dict[str, Any] | list[dict[str, Any]] = Field(
        {},
        description="A block, which has by a setting's name its values, or a list of blocks. Names that are joined by "
        "`and` vary together: a value is then for all of them, or a list with a value for each.",
    )

    def points(self) -> list[dict[str, Any]]:
        """Return each run's settings, without the profile's, in the file's order: the last name varies fastest.

        Raises:
            SettingError: A name is both fixed and varied, varied twice or has no values, values of names that vary
                together are not as many as these, or the list of blocks is empty.
        """
        if self.grid == []:
            raise SettingError("grid = []; allowed: a block of names and values, or a list of such blocks")
        points = []
        for block in self._blocks():
            names = [name for key in block for name in _names(key)]
            for name in names:
                if name in self.settings:
                    raise SettingError(f"{name} is in `settings` and in `grid`; allowed: one of them")
                if names.count(name) > 1:
                    raise SettingError(f"{name} occurs twice in a block of `grid`; allowed: once")
            choices = [_choices(key, values) for key, values in block.items()]
            for chosen in itertools.product(*choices):
                points.append({**self.settings, **{name: value for choice in chosen for name, value in choice.items()}})
        return points

    def limited(self, seeds: int) -> "Sweep":
        """Return the sweep with at most the first `seeds` values of `seed` in each block."""
        shorter = [
            {
                key: values[:seeds] if "seed" in _names(key) and isinstance(values, list) else values
                for key, values in block.items()
            }
            for block in self._blocks()
        ]
        return self.model_copy(update={"grid": shorter})

    def _blocks(self) -> list[dict[str, Any]]:
        return self.grid if isinstance(self.grid, list) else [self.grid]

    def experiments(self) -> list[Experiment]:
        """Return the experiment of each run, equal ones once.

        Raises:
            SettingError: A profile or a setting is unknown, or a value is not allowed.
        """
        experiments = [Experiment.from_profile(self.profile, **point) for point in self.points()]
        return list({experiment.hash: experiment for experiment in experiments}.values())


def _names(key: str) -> list[str]:
    """Return the names that vary together under a key of a block: "seed and data_seed" are two."""
    return key.split(" and ")


def _choices(key: str, values: Any) -> list[dict[str, Any]]:
    """Return the settings of each value of a block's key."""
    names, listed = _names(key), values if isinstance(values, list) else [values]
    if not listed:
        raise SettingError(f"{key} = []; allowed: a value, or a list of values")
    if len(names) == 1:
        return [{key: value} for value in listed]
    for value in listed:
        if isinstance(value, list) and len(value) != len(names):
            raise SettingError(f"{key} = {value}; allowed: one value for all, or a list of {len(names)}")
    return [dict(zip(names, v if isinstance(v, list) else [v] * len(names), strict=True)) for v in listed]


def read(path: str | os.PathLike[str]) -> Sweep:
    """Read a sweep file.

    Raises:
        SettingError: The file is missing or is not a sweep. The message names the file, and the line where it is not
            YAML or has a name twice in one block.
    """
    try:
        content = yaml_text.load(storage.user_path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SettingError) as error:
        raise SettingError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise SettingError(f"{path}: not a sweep; allowed: the names profile, settings, grid")
    if unknown := [name for name in content if name not in Sweep.model_fields]:
        raise SettingError(f"{path}: unknown {unknown[0]!r}; allowed: profile, settings, grid")
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        name, value = first["loc"][0], first["input"]
        problem = f"{name} = {value!r}: {first['msg']}"
        if first["loc"][-1] == "[key]":
            problem = f"a name in `{name}` is {value!r}; allowed: text; YAML reads on, off, yes, no as true and false"
        raise SettingError(f"{path}: {problem}") from None
