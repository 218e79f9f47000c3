"""The file of a sweep: a grid of settings and seeds, in YAML."""

import itertools
import os
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vaelib import storage
from vaelib.errors import SettingError
from vaelib.experiment import Experiment
from vaelib.storage import yaml_text


class Sweep(BaseModel):
    """The content of a sweep file. `points` are the values of each run, without the profile's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str = "sweep"
    settings: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, Any] | list[dict[str, Any]] = Field(default_factory=dict)

    def points(self) -> list[dict[str, Any]]:
        """Return the values that each run has of its own or shares, in the file's order: the last name varies fastest.

        Raises SettingError for a name that is both fixed and varied, for one that has no values, and for a list of no
        blocks.
        """
        if self.grid == []:
            raise SettingError("grid = []; allowed: a block of names and values, or a list of such blocks")
        made = []
        for block in self.grid if isinstance(self.grid, list) else [self.grid]:
            for name, values in block.items():
                if name in self.settings:
                    raise SettingError(f"{name} is in `settings` and in `grid`; allowed: one of them")
                if values == []:
                    raise SettingError(f"{name} = []: a grid needs a value or more")
            lists = [values if isinstance(values, list) else [values] for values in block.values()]
            made += [{**self.settings, **dict(zip(block, point, strict=True))} for point in itertools.product(*lists)]
        return made

    def limited(self, seeds: int) -> "Sweep":
        """Return the sweep with at most the first `seeds` values of `seed` in each block."""
        blocks = self.grid if isinstance(self.grid, list) else [self.grid]
        shorter = []
        for block in blocks:
            values = block.get("seed")
            shorter.append({**block, "seed": values[:seeds]} if isinstance(values, list) else block)
        return self.model_copy(update={"grid": shorter})

    def experiments(self) -> list[Experiment]:
        """Return the experiment of each run, those that are equal once.

        Raises SettingError for an unknown profile or setting and for a value that is not allowed.
        """
        found = {each.hash: each for each in (Experiment.from_profile(self.profile, **p) for p in self.points())}
        return list(found.values())


def read(path: str | os.PathLike[str]) -> Sweep:
    """Read a sweep file.

    Raises SettingError, which names the file, for one that is missing or is no sweep, and the line for one that is no
    YAML or that has a name twice in one block. A value that a grid has twice is one run.
    """
    try:
        content = yaml_text.load(storage.user_path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SettingError) as error:
        raise SettingError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise SettingError(f"{path}: a sweep file has `grid`, and perhaps `profile` and `settings`")
    if unknown := [name for name in content if name not in Sweep.model_fields]:
        raise SettingError(f"{path}: unknown {unknown[0]!r}; allowed: profile, settings, grid")
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        name, value, told = first["loc"][0], first["input"], first["msg"]
        if first["loc"][-1] == "[key]":
            told = f"a name in `{name}` is {value!r}; allowed: text; YAML reads on, off, yes and no as true and false"
            raise SettingError(f"{path}: {told}") from None
        raise SettingError(f"{path}: {name} = {value!r}: {told}") from None
