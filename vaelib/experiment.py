"""One frozen, validated description of a run: what to draw, what to build, what to minimise, how to train.

The names are flat and the same everywhere: in Python, on the command line, in a notebook's parameters and in
sweep files.
"""

import functools
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from vaelib import curves, storage
from vaelib.errors import SettingError
from vaelib.storage.schema_text import misfit, nearest, shown

PARAMETER_RANGE = {"a": (0.5, 2.0), "b": (0.0, 2.0)}
"""The study's parameter space: a, the radius of the circle, and b, the amplitude of the five petals."""


Weight = Annotated[float, Field(ge=0, le=1e3, allow_inf_nan=False)]
"""What a term of the loss may be multiplied by; a chapter that takes further weights annotates them with it."""


def _numbers(value: Any) -> Any:
    """Accept "1, 2, 5" and "[1, 2, 5]" for a tuple: the command line and YAML bring text."""
    if isinstance(value, str):
        bare = value.strip()
        if bare.startswith("[") and bare.endswith("]"):
            bare = bare[1:-1]
        return tuple(bare.replace(",", " ").split())
    return (value,) if isinstance(value, int | float) else value


def _of_python(value: Any) -> Any:
    """Return numpy's scalars and arrays as Python's; a float32 by its shortest decimal: 0.1, not 0.10000000149."""
    if isinstance(value, np.floating):
        return float(str(value))
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _no_truth(value: Any) -> Any:
    """Refuse True and False, which Python counts as 1 and 0, where they mean nothing."""
    value = _of_python(value)
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    return value


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="wrap")
    @classmethod
    def _in_one_form(cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Bring equal values into one form, since they are one run: 0.1 of any type, 0.0 for -0.0, sorted snapshots."""
        is_truth = cls.model_fields[str(info.field_name)].annotation is bool
        checked = check(_of_python(value) if is_truth else _no_truth(value))
        if isinstance(checked, float):
            return checked + 0.0  # turns -0.0 into 0.0
        return tuple(sorted(set(checked))) if isinstance(checked, tuple) else checked


class DataSettings(_Settings):
    """The settings that shape the data set: together they are the key of its cache."""

    n_images: int = Field(5000, ge=20, le=1_000_000, description="images drawn, before the hole is cut")
    region: Literal["full", "punctured", "thinned"] = Field(
        "full",
        description="full; punctured: without the hole; thinned: without as many images, removed at random",
    )
    hole_a: float = Field(1.25, ge=0.5, le=2, description="a at the hole's centre")
    hole_b: float = Field(1.0, ge=0, le=2, description="b at the hole's centre")
    hole_radius: float = Field(0.3, ge=0, le=1, description="the hole's radius in units of (a, b)")
    image_size: int = Field(64, ge=32, le=1024, multiple_of=8, description="pixels along one side")
    line_width: float = Field(1.6, gt=0, le=32, description="line width in pixels of the image")
    transect_line_width: float = Field(1.6, gt=0, le=32, description="line width of the transects' images")
    framing: Literal["square", "study"] = Field(
        "square", description="square: origin in the middle; study: its frame, stretched to a square"
    )
    sample_weights: Literal["none", "per_image", "per_batch"] = Field(
        "none", description="weights falling with b: as meant (per image), or as the study's code had them"
    )
    data_seed: int = Field(0, ge=0, lt=2**32, description="seed of the random points (a, b)")


class ModelSettings(_Settings):
    """The settings that shape the network."""

    width: float = Field(0.25, gt=0, le=4, description="multiplies every number of channels; the study has 1")
    latent_dim: int = Field(3, ge=1, le=64, description="latent dimensions d")
    variance: Literal["constant", "learned"] = Field(
        "constant", description="constant: one σ for all; learned: a second head gives log σ²"
    )
    sigma: float = Field(0.1, gt=0, le=10, description="the constant σ of the posterior")
    initial_rotation: Literal["none", "rotation", "signed_permutation"] = Field(
        "none", description="turns the latent space's initial weights and its noise together"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of activations in training")


class LossSettings(_Settings):
    """The weights and forms of the terms: cross-entropy + beta · KL + gamma · penalty."""

    beta: Weight = Field(1e-3, description="weight of the KL term")
    kl_scaling: Literal["mean", "half_sum"] = Field(
        "mean", description="mean over dimensions, as the study's code; half_sum, as its text"
    )
    penalty: Literal[
        "entanglement", "covariance", "covariance_squared", "dip_vae_i", "dip_vae_ii", "total_correlation", "capacity"
    ] = Field("entanglement", description="the third term; see vaelib.losses")
    gamma: Weight = Field(0.0, description="weight of the penalty; 0 is the standard loss")
    capacity: float = Field(25.0, ge=0, le=1e3, description="C in nats at its highest, for the penalty capacity")
    capacity_growth: float = Field(
        1.0, gt=0, le=1, description="share of all steps over which C grows from 0, for the penalty capacity"
    )


class TrainingSettings(_Settings):
    """The settings of the optimisation."""

    epochs: int = Field(4, ge=1, le=10_000, description="passes over the training set")
    batch_size: int = Field(16, ge=1, le=65_536, description="images a step")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="adam or sgd")
    learning_rate: float = Field(3e-3, gt=0, le=10, description="step size (at the start of the schedule)")
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="cosine: falls to zero over all steps of the run"
    )
    shuffle: bool = Field(True, description="a new order every epoch; the study had none")
    snapshots: Annotated[tuple[Annotated[int, BeforeValidator(_no_truth)], ...], BeforeValidator(_numbers)] = Field(
        tuple(range(5)),
        description="epochs whose weights are kept besides best and last; 0 is before training",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of weights, noise and order")
    devices: int = Field(
        1, ge=1, le=1024, description="devices of this machine that share each batch; above 1 needs KERAS_BACKEND=jax"
    )


# Penalties on pairs of latents, and those among them that are a statistic of a batch.
_OF_BATCHES = ("covariance", "covariance_squared", "dip_vae_i", "dip_vae_ii", "total_correlation")
_OF_PAIRS = ("entanglement", *_OF_BATCHES)
# Settings younger than the first finished runs: at their defaults, as they were then, they are left out of the
# identity.
_YOUNGER = ("capacity", "capacity_growth")

# What a profile does not name has the default above, which is the book's.
PROFILES: dict[str, dict[str, Any]] = {
    "smoke": {
        "n_images": 300,
        "image_size": 32,
        "line_width": 1.2,
        "transect_line_width": 1.2,
        "width": 0.125,
        "epochs": 2,
        "batch_size": 32,
        "snapshots": (0, 1, 2),
    },
    "book": {},
    "paper": {
        "image_size": 256,
        "framing": "study",
        # 2 pt on 229×172 pixels is 1.1 px; stretched to 256×256 it is 1.23 px across an upright line and 1.64
        # across a level one. 1.42 is their geometric mean, so the line covers the same area; 4 pt likewise.
        "line_width": 1.42,
        "transect_line_width": 2.71,
        "width": 1.0,
        "gamma": 1e-4,
        "epochs": 30,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "schedule": "constant",
        "shuffle": False,
        "snapshots": (0, 1, 2, 5, 10, 20, 30),
    },
    # About fifteen seconds a training on one core, for grids of many runs. The batch is the study's: with larger ones
    # so few images make too few steps for the batch norm's running averages, and the reconstructions are theirs.
    "sweep": {
        "n_images": 2000,
        "image_size": 32,
        "line_width": 1.2,
        "transect_line_width": 1.2,
        "epochs": 4,
        "batch_size": 8,
        "snapshots": (),
    },
}
# The study drew its punctured set with the transects' line, twice as wide as that of the full set.
_PAPER_PUNCTURED_LINE_WIDTH = 2.71


class Experiment(TrainingSettings, LossSettings, ModelSettings, DataSettings):
    """Everything that determines a run. Make one with `Experiment.from_profile`.

    Frozen; two experiments with equal settings have equal `hash`, whatever profile they came from and on however
    many devices they train: like the backend, `devices` changes results by rounding alone.
    """

    profile: str = Field("book", description="the profile whose values the settings override")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if max(self.snapshots, default=0) > self.epochs or min(self.snapshots, default=0) < 0:
            raise ValueError(f"snapshots = {shown(list(self.snapshots))}; allowed: epochs 0 to {self.epochs}")
        if self.gamma > 0 and self.penalty in _OF_PAIRS and self.latent_dim < 2:
            raise ValueError(
                f"latent_dim = {self.latent_dim}: a penalty on pairs of latents needs 2 or more (or gamma = 0)"
            )
        if self.gamma > 0 and self.penalty in _OF_BATCHES and self.batch_size < 2:
            statistic = self.penalty.replace("_", " ") if self.penalty == "total_correlation" else "covariance"
            raise ValueError(f"batch_size = {self.batch_size}: a batch's {statistic} needs 2 or more")
        if self.batch_size % self.devices:
            raise ValueError(f"devices = {self.devices}; allowed: divisors of batch_size = {self.batch_size}")
        for name in ("line_width", "transect_line_width"):
            if (width := getattr(self, name)) > self.image_size / 4:
                raise ValueError(f"{name} = {width:g}; allowed: at most a quarter of image_size = {self.image_size}")
        return self

    @classmethod
    def from_profile(cls, profile: str = "book", **settings: Any) -> Self:
        """Return the experiment of a profile ("smoke", "book", "paper", "sweep") with some settings changed.

        A setting that is None keeps the profile's value; numbers may arrive as text or from numpy. Equal values are
        kept in one form (0.1, "0.1" and numpy.float32(0.1); 0.0 and -0.0; snapshots in any order), so that they are
        one run. Raises SettingError for an unknown profile, an unknown setting or a value that is not allowed.
        """
        if not isinstance(profile, str) or profile not in PROFILES:
            raise SettingError(f"profile = {shown(profile)}; allowed: {', '.join(PROFILES)}")
        given = {name: value for name, value in settings.items() if value is not None}
        values = {"profile": profile, **PROFILES[profile], **given}
        if profile == "paper" and values.get("region", "full") != "full" and "line_width" not in given:
            values["line_width"] = _PAPER_PUNCTURED_LINE_WIDTH
        if "snapshots" not in given:
            values["snapshots"] = _within(values)
        return _validated(cls, values)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the experiment that `to_json` wrote. Raises SettingError for anything else."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise SettingError(f"not the JSON text of an experiment: {error}") from error
        if not isinstance(values, dict):
            raise SettingError(f"not the JSON text of an experiment: it holds a {type(values).__name__}")
        return _validated(cls, values)

    def to_json(self) -> str:
        """Return all settings as readable JSON."""
        return self.model_dump_json(indent=1)

    def replace(self, **settings: Any) -> Self:
        """Return a copy with some settings changed, checked like `from_profile`."""
        values = {**self.model_dump(), **settings}
        if "snapshots" not in settings:
            values["snapshots"] = _within(values)
        return _validated(type(self), values)

    @property
    def data(self) -> DataSettings:
        """The frozen view of the settings that shape the data."""
        return DataSettings(**{name: getattr(self, name) for name in DataSettings.model_fields})

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that identify the run: its settings, but `profile` and `devices`, and the format.

        The settings of annealed capacity count only where they differ from their defaults, and a framing that once
        put the curves elsewhere counts with its version.
        """
        fields = type(self).model_fields
        unset = {name for name in _YOUNGER if getattr(self, name) == fields[name].default}
        return identity(self.model_dump(mode="json", exclude={"profile", "devices", *unset}))

    @property
    def name(self) -> str:
        """A readable name for the run's folder; the hash at its end makes it unique."""
        gamma = f"-{self.penalty}{self.gamma:g}" if self.gamma else ""
        return f"{self.region}-{self.image_size}px{gamma}-seed{self.seed}-{self.hash}"


def identity(settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that identify settings under this version's file format.

    A framing that once put the curves elsewhere counts with its version.
    """
    version = curves.FRAMING_VERSIONS[settings["framing"]]
    settings = settings if version == 1 else {**settings, "framing_version": version}
    return storage.digest(storage.canonical_json({"format": storage.FORMAT, **settings}))[:16]


def check_name(name: str) -> None:
    """Raise SettingError, with the nearest names, unless `name` is a setting (or "profile")."""
    if name in Experiment.model_fields:
        return
    hint = nearest(name, Experiment.model_fields)
    raise SettingError(f"unknown setting {name!r}.{hint} The settings are: {', '.join(Experiment.model_fields)}")


def _within(values: Mapping[str, Any]) -> Any:
    """Drop snapshots after the last epoch, for those who change the number of epochs alone."""
    snapshots = values.get("snapshots", TrainingSettings.model_fields["snapshots"].default)
    try:
        epochs = float(values.get("epochs", TrainingSettings.model_fields["epochs"].default))
    except (TypeError, ValueError, OverflowError):
        return snapshots  # the validation names what is wrong with epochs
    return tuple(epoch for epoch in snapshots if epoch <= epochs)


_Model = TypeVar("_Model", bound=BaseModel)


def _validated(cls: type[_Model], values: Mapping[str, Any]) -> _Model:
    for name in values:
        check_name(name)
    try:
        return cls(**values)
    except ValidationError as error:
        told = [_message(cls, values, item) for item in error.errors()]
        raise SettingError("; ".join(dict.fromkeys(told))) from None  # a list's elements all tell of the list


def _message(cls: type[BaseModel], values: Mapping[str, Any], item: Any) -> str:
    if not item["loc"]:
        return str(item["ctx"]["error"]) if "error" in item.get("ctx", {}) else item["msg"]
    name = item["loc"][0]
    return misfit(name, values[name], _schemas(cls)[name], item["msg"])


@functools.cache
def _schemas(cls: type[BaseModel]) -> dict[str, Any]:
    return dict(cls.model_json_schema()["properties"])
