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
        {}, description="A block, which has by a setting's name its values, or a list of blocks."
    )

    def points(self) -> list[dict[str, Any]]:
        """Return each run's settings, without the profile's, in the file's order: the last name varies fastest.

        Raises:
            SettingError: A name is both fixed and varied or has no values, or the list of blocks is empty.
        """
        if self.grid == []:
            raise SettingError("grid = []; allowed: a block of names and values, or a list of such blocks")
        points = []
        for block in self.grid if isinstance(self.grid, list) else [self.grid]:
            for name, values in block.items():
                if name in self.settings:
                    raise SettingError(f"{name} is in `settings` and in `grid`; allowed: one of them")
                if values == []:
                    raise SettingError(f"{name} = []; allowed: a value, or a list of values")
            lists = [values if isinstance(values, list) else [values] for values in block.values()]
            points += [{**self.settings, **dict(zip(block, point, strict=True))} for point in itertools.product(*lists)]
        return points

    def limited(self, seeds: int) -> "Sweep":
        """Return the sweep with at most the first `seeds` values of `seed` in each block."""
        blocks = self.grid if isinstance(self.grid, list) else [self.grid]
        shorter = []
        for block in blocks:
            values = block.get("seed")
            shorter.append({**block, "seed": values[:seeds]} if isinstance(values, list) else block)
        return self.model_copy(update={"grid": shorter})

    def experiments(self) -> list[Experiment]:
        """Return the experiment of each run, equal ones once.

        Raises:
            SettingError: A profile or a setting is unknown, or a value is not allowed.
        """
        experiments = [Experiment.from_profile(self.profile, **point) for point in self.points()]
        return list({experiment.hash: experiment for experiment in experiments}.values())


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
